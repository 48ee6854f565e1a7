//! Keeping up with the group's epochs: which members a receipt or a certificate is verified against.
//!
//! An epoch that this client does not know is read from the contract. Where the contract is behind the log, a node's
//! handovers lead on from what is known; each is verified, so a node can at most withhold them.

use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use quorate_protocol::api::{HandoversPage, MAX_PAGE_HANDOVERS};
use quorate_protocol::epoch::MAX_HANDOVER_BYTES;
use quorate_protocol::{Epoch, Group, GroupId, Handover, LogCertificate, Receipt, ReceiptError};
use tokio::time::Instant;

use super::node::{Lie, Node, NodeFailure, plain_http};
use super::{Client, Inner};
use crate::epochs::Epochs;
use crate::error::{NodeReport, SdkError};

/// The least time between two questions to the contract for a newer epoch: a node that names epochs at random must
/// not make this client flood the endpoint.
const CONTRACT_PAUSE: Duration = Duration::from_secs(1);
/// The most bytes of a page of handovers, which is JSON with everything in hex.
const MAX_PAGE_BYTES: usize = MAX_PAGE_HANDOVERS * MAX_HANDOVER_BYTES * 4;
/// The most pages of handovers that one call reads.
const MAX_PAGES: usize = 64;

impl Client {
    /// The group in its newest epoch: as the contract has it, and beyond that as far as a node's handovers lead. A node
    /// that withholds them can make this an epoch late, and nothing else.
    ///
    /// # Errors
    /// [`SdkError::NoAnswer`] or [`SdkError::Rejected`].
    pub async fn newest_group(&self) -> Result<Arc<Group>, SdkError> {
        let ask = |node: Arc<Node>| {
            let inner = self.inner.clone();
            async move { inner.keep_up(&node, None).await }
        };
        self.inner.ask_nodes(self.inner.query(), ask).await?;
        Ok(self.inner.epochs().newest().clone())
    }
}

impl Inner {
    pub(super) fn epochs(&self) -> MutexGuard<'_, Epochs> {
        self.epochs.lock().expect("nobody panics while holding the epochs")
    }

    /// Verifies a receipt that `node` gave.
    pub(super) async fn verify_receipt(&self, node: &Node, receipt: &Receipt) -> Result<(), NodeFailure> {
        let (is_known, newest) = {
            let epochs = self.epochs();
            (epochs.at(receipt.epoch).is_some(), epochs.newest().epoch)
        };
        match (is_known, receipt.epoch < newest) {
            (true, _) => {}
            (false, true) => self.read(receipt.epoch, newest).await?,
            (false, false) => self.keep_up(node, Some(receipt.epoch)).await?,
        }
        let lacks = self.epochs().lacks(receipt);
        if let Some(before) = lacks.filter(|_| self.reader.is_some()) {
            self.read(before, newest).await?;
        }
        self.epochs().verify_receipt(receipt)?;
        self.note_group_time(&receipt.certificate.head);
        Ok(())
    }

    /// Verifies a certificate that `node` gave; it does not name its epoch.
    pub(super) async fn verify_certificate(
        &self,
        node: &Node,
        certificate: &LogCertificate,
    ) -> Result<(), NodeFailure> {
        if self.epochs().verify_certificate(certificate).is_ok() {
            self.note_group_time(&certificate.head);
            return Ok(());
        }
        self.keep_up(node, None).await?;
        // Right after a change of members, the newest certificate may be the last of the epoch before.
        let before = {
            let epochs = self.epochs();
            let newest = epochs.newest().epoch;
            let before = newest.before().filter(|before| epochs.at(*before).is_none());
            before.map(|before| (before, newest))
        };
        if let Some((before, newest)) = before.filter(|_| self.reader.is_some())
            && self.epochs().verify_certificate(certificate).is_err()
        {
            self.read(before, newest).await?;
        }
        let verdict = self.epochs().verify_certificate(certificate).map(drop);
        if verdict.is_ok() {
            self.note_group_time(&certificate.head);
        }
        verdict.map_err(|error| {
            let size = certificate.head.size;
            let reason = format!("a certificate for size {size}: {error}");
            Lie::Log { index: quorate_protocol::EntryIndex(size), reason }.into()
        })
    }

    /// Reads an epoch that has ended from the contract.
    async fn read(&self, epoch: Epoch, newest: Epoch) -> Result<(), NodeFailure> {
        let Some(reader) = &self.reader else {
            return Err(ReceiptError::OtherEpoch { expected: newest, found: epoch }.into());
        };
        let mut epochs = self.epochs().clone();
        let read = epochs.read(reader, epoch).await;
        read.map_err(|error| NodeFailure::UnreadableEpoch { epoch, reason: error.to_string() })?;
        self.epochs().learn_all(epochs);
        Ok(())
    }

    /// Learns of newer epochs, at least up to `wanted` if one is: from the contract, and from `node` on.
    async fn keep_up(&self, node: &Node, wanted: Option<Epoch>) -> Result<(), NodeFailure> {
        self.ask_contract().await;
        let newest = self.epochs().newest().epoch;
        if wanted.is_some_and(|wanted| wanted <= newest) {
            return Ok(());
        }
        let handovers = handovers(node, newest, self.policy.request_timeout).await?;
        Ok(self.epochs().follow(&handovers)?)
    }

    /// Takes over the contract's epoch if it is newer than what is known. An endpoint that does not answer changes
    /// nothing: handovers may do as well.
    async fn ask_contract(&self) {
        let Some(reader) = &self.reader else { return };
        {
            let mut asked = self.asked_contract.lock().expect("nobody panics while holding the time");
            if asked.is_some_and(|asked| asked.elapsed() < CONTRACT_PAUSE) {
                return;
            }
            *asked = Some(Instant::now());
        }
        let mut epochs = self.epochs().clone();
        match epochs.read_newer(reader).await {
            Ok(()) => self.epochs().learn_all(epochs),
            Err(error) => tracing::debug!(%error, "the contract was not asked for a newer epoch"),
        }
    }
}

/// The handovers of `group` from epoch `from` on that the node at `node_url` gives. They prove themselves to whoever knows
/// that epoch's members, such as [`verify_receipt_with`](crate::verify_receipt_with); nothing is verified here.
///
/// # Errors
/// [`SdkError::Configuration`] for a URL that cannot be used, [`SdkError::NoAnswer`] for a node that does not answer.
pub async fn handovers_of(
    node_url: &str,
    group: GroupId,
    from: Epoch,
    timeout: Duration,
) -> Result<Vec<Handover>, SdkError> {
    let node = Node::new(node_url, group, plain_http(timeout)?)?;
    let started = Instant::now();
    handovers(&node, from, timeout).await.map_err(|failure| SdkError::NoAnswer {
        waited: started.elapsed(),
        failures: vec![NodeReport { url: node_url.to_owned(), failure }],
    })
}

/// The handovers from epoch `from` on that a node gives, unverified. A node that has none, or that knows no handovers,
/// gives none.
pub(crate) async fn handovers(
    node: &Node,
    from: Epoch,
    timeout: Duration,
) -> Result<Vec<Handover>, NodeFailure> {
    let mut all: Vec<Handover> = Vec::new();
    for _ in 0..MAX_PAGES {
        let next = from.0 + all.len() as u64;
        let answer = node.get_json(&format!("/handovers?from={next}"), timeout, MAX_PAGE_BYTES).await;
        let handovers: HandoversPage = match answer {
            Ok(page) => page,
            Err(NodeFailure::Answered { status: 404, .. }) => break,
            Err(failure) => return Err(failure),
        };
        let last = handovers.len() < MAX_PAGE_HANDOVERS;
        if handovers.len() > MAX_PAGE_HANDOVERS {
            return Err(NodeFailure::Malformed(format!("{} handovers in a page", handovers.len())));
        }
        all.extend(handovers);
        if last {
            break;
        }
    }
    Ok(all)
}
