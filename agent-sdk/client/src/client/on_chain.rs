//! What happens on the chain beside the log: the contract's word, with the nodes' help in finding what there is.

use std::sync::Arc;
use std::time::Duration;

use quorate_protocol::api::{InboxPage, MAX_PAGE_EVENTS};
use quorate_protocol::{InboxEvent, ProposalId};

use super::{Client, Node};
use crate::error::SdkError;
use crate::on_chain::{OnChain, OnChainOptions};

/// The most bytes of a page of the inbox.
const MAX_INBOX_PAGE_BYTES: usize = 1024 * 1024;

impl Client {
    /// What one node says of the contract's inbox, from message `from` on. Not proved: [`Self::on_chain`] asks the contract.
    ///
    /// # Errors
    /// [`SdkError::NoAnswer`] or [`SdkError::Rejected`].
    pub async fn inbox_page(&self, from: u64) -> Result<InboxPage, SdkError> {
        let timeout: Duration = self.inner.policy.request_timeout;
        let ask = |node: Arc<Node>| async move { page(&node, from, timeout).await };
        Ok(self.inner.ask_nodes(self.inner.query(), ask).await?)
    }

    /// What happens to the group on the chain: its proposals of the on-chain lane, those that wait for a timelock, and who
    /// leaves. All of it is the contract's word. Every node is asked which proposals there are, so that the RPC endpoint alone
    /// cannot hide one; a node that does not answer is passed over, and what a node makes up is nothing to the contract.
    ///
    /// # Errors
    /// [`SdkError::Reader`]; [`SdkError::Configuration`] for a client that was built without a chain.
    pub async fn on_chain(&self, options: OnChainOptions) -> Result<OnChain, SdkError> {
        let reader = self.reader()?;
        let timeout = self.inner.policy.request_timeout;
        let taken = reader.inbox(self.inner.group.identity.group).await?.length;
        let from = taken.saturating_sub(MAX_PAGE_EVENTS as u64 / 2);
        let asked: Vec<_> = self
            .inner
            .nodes
            .iter()
            .map(|node| {
                let node = node.clone();
                tokio::spawn(async move {
                    let page = page(&node, from, timeout).await;
                    node.count(&page);
                    page
                })
            })
            .collect();
        let mut named = Vec::new();
        for page in asked {
            if let Ok(page) = page.await.expect("asking a node neither panics nor is aborted") {
                named.extend(opened(&page));
            }
        }
        named.sort_unstable();
        named.dedup();
        Ok(OnChain::read(reader, self.inner.group.identity.group, &named, options).await?)
    }
}

async fn page(node: &Node, from: u64, timeout: Duration) -> Result<InboxPage, super::NodeFailure> {
    let path = format!("/inbox?from={from}&limit={MAX_PAGE_EVENTS}");
    node.get_json(&path, timeout, MAX_INBOX_PAGE_BYTES).await
}

/// The proposals that the page says were opened on-chain; no more than a page has.
fn opened(page: &InboxPage) -> Vec<ProposalId> {
    let told = page.told.iter().map(|told| told.event);
    let waiting = page.waiting.iter().filter_map(|message| message.event);
    let opened = told.chain(waiting).filter_map(|event| match event {
        InboxEvent::ProposalOpenedOnChain { proposal, .. } => Some(proposal),
        _ => None,
    });
    opened.take(MAX_PAGE_EVENTS).collect()
}
