//! What nodes say without proof. It is good for a display and for a first nonce, and for nothing that must
//! hold: one faulty node can make it up.

use std::sync::Arc;
use std::time::Duration;

use quorate_protocol::api::{AgentView, GroupStatus, ProposalView, ProposalsPage};
use quorate_protocol::{AgentId, ProposalId};
use serde::de::DeserializeOwned;

use super::calls::present;
use super::retry::Failed;
use super::{Client, Node};
use crate::error::SdkError;

/// The most bytes of a view. A page of proposals with their calls can be large.
pub(super) const MAX_VIEW_BYTES: usize = 16 * 1024 * 1024;

impl Client {
    /// What one node says about the group: its view, its log, its anchors. Not proved.
    ///
    /// # Errors
    /// [`SdkError::NoAnswer`] or [`SdkError::Rejected`].
    pub async fn status(&self) -> Result<GroupStatus, SdkError> {
        Ok(self.view(String::new()).await?)
    }

    /// What each node says about the group, with its URL, in the order of the URLs. Not proved.
    pub async fn statuses(&self) -> Vec<(String, Result<GroupStatus, super::NodeFailure>)> {
        let timeout = self.inner.policy.request_timeout;
        let asked: Vec<_> = self
            .inner
            .nodes
            .iter()
            .map(|node| {
                let node = node.clone();
                let ask = async move {
                    let status = node.get_json("", timeout, MAX_VIEW_BYTES).await;
                    node.count(&status);
                    (node.url().to_owned(), status)
                };
                tokio::spawn(ask)
            })
            .collect();
        let mut statuses = Vec::with_capacity(asked.len());
        for status in asked {
            statuses.push(status.await.expect("asking a node neither panics nor is aborted"));
        }
        statuses
    }

    /// What a node knows of an agent: key, weight, next nonce; nothing when enough nodes do not know it. Not
    /// proved.
    ///
    /// # Errors
    /// [`SdkError::NoAnswer`] or [`SdkError::Rejected`].
    pub async fn agent_view(&self, agent: AgentId) -> Result<Option<AgentView>, SdkError> {
        present(self.view(format!("/agents/{agent}")).await)
    }

    /// A proposal with its votes so far; nothing when enough nodes do not know it. Not proved.
    ///
    /// # Errors
    /// [`SdkError::NoAnswer`] or [`SdkError::Rejected`].
    pub async fn proposal(&self, proposal: ProposalId) -> Result<Option<ProposalView>, SdkError> {
        present(self.view(format!("/proposals/{proposal}")).await)
    }

    /// Up to `limit` proposals in ascending order of id, from the first behind `after` on. Not proved.
    ///
    /// # Errors
    /// [`SdkError::NoAnswer`] or [`SdkError::Rejected`].
    pub async fn proposals(
        &self,
        after: Option<ProposalId>,
        limit: usize,
    ) -> Result<ProposalsPage, SdkError> {
        let after = after.map(|id| format!("&after={id}")).unwrap_or_default();
        Ok(self.view(format!("/proposals?limit={limit}{after}")).await?)
    }

    async fn view<T: DeserializeOwned + Send + 'static>(&self, path: String) -> Result<T, Failed> {
        let timeout: Duration = self.inner.policy.request_timeout;
        let ask = |node: Arc<Node>| {
            let path = path.clone();
            async move { node.get_json(&path, timeout, MAX_VIEW_BYTES).await }
        };
        self.inner.ask_nodes(self.inner.query(), ask).await
    }
}
