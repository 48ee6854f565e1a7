//! Reading the log page by page, each page proved before it is handed out.

use std::sync::Arc;

use quorate_protocol::api::{
    CBOR, ConsistencyProof, EntriesPage, ErrorCode, MAX_PAGE_BYTES, MAX_PAGE_ENTRIES,
};
use quorate_protocol::keys::verify_all;
use quorate_protocol::merkle::verify_consistency;
use quorate_protocol::receipt::MAX_RECEIPT_BYTES;
use quorate_protocol::{EntryBody, EntryIndex, EntryRecord, Group, LogCertificate, LogHead, codec};

use super::node::{Lie, Node, NodeFailure};
use super::retry::Failed;
use super::{Client, evidence};
use crate::audit::Frontier;
use crate::error::SdkError;

/// The most bytes of a certificate or of a consistency proof.
const MAX_PROOF_BYTES: usize = 64 * 1024;

/// The log from some entry on, in pages.
///
/// Every record that is handed out is complete, signed by its agent, and in a log that a quorum of replicas
/// attests: the reader carries the edge of the Merkle tree along, and proves each page's root to be a prefix
/// of an attested one. What is behind the newest certificate of the node that answers is not handed out yet.
#[derive(Clone, Debug)]
pub struct AuditPages {
    client: Client,
    state: State,
}

#[derive(Clone, Debug)]
struct State {
    next: EntryIndex,
    /// The edge of the tree before `next`, once it is proved.
    frontier: Option<Frontier>,
    /// The newest attested head that was seen.
    head: Option<LogHead>,
}

impl Client {
    /// The log from entry `from` on, in verified pages.
    pub fn audit(&self, from: EntryIndex) -> AuditPages {
        let frontier = (from.0 == 0).then(Frontier::default);
        AuditPages { client: self.clone(), state: State { next: from, frontier, head: None } }
    }
}

impl AuditPages {
    /// The index that the next page begins with.
    pub fn next_index(&self) -> EntryIndex {
        self.state.next
    }

    /// The next page, which is not empty, or nothing when there are no further entries for now: ask again
    /// later to follow the log.
    ///
    /// # Errors
    /// [`SdkError::NoAnswer`] or [`SdkError::Rejected`] when no node gives a page that verifies.
    pub async fn next_page(&mut self) -> Result<Option<Vec<EntryRecord>>, SdkError> {
        let inner = &self.client.inner;
        let ask = |node: Arc<Node>| {
            let (client, state) = (self.client.clone(), self.state.clone());
            async move { read_page(&client, &node, state).await }
        };
        match inner.ask_nodes(inner.query(), ask).await {
            Ok((state, records)) => {
                self.state = state;
                Ok((!records.is_empty()).then_some(records))
            }
            Err(Failed::Rejected { code: ErrorCode::NotFound, .. }) => Ok(None),
            Err(failed) => Err(failed.into()),
        }
    }
}

async fn read_page(
    client: &Client,
    node: &Node,
    mut state: State,
) -> Result<(State, Vec<EntryRecord>), NodeFailure> {
    let group = client.group();
    let timeout = client.inner.policy.request_timeout;
    let mut frontier = match state.frontier.take() {
        Some(frontier) => frontier,
        None => prove_frontier(client, node, state.next).await?,
    };
    let remembered = state.head.is_some_and(|head| head.size > state.next.0);
    let head = match state.head.filter(|head| head.size > state.next.0) {
        Some(head) => head,
        None => certificate(client, node).await?.head,
    };
    let records = if head.size > state.next.0 {
        let page = entries(node, state.next.0, head.size, timeout).await;
        // A head of before may be another node's, which is ahead of this one.
        page.map_err(|failure| match failure {
            NodeFailure::Lied(Lie::Log { .. }) if remembered => NodeFailure::Behind(head.size),
            other => other,
        })?
    } else {
        Vec::new()
    };
    check_records(group, state.next, &records)?;
    for record in &records {
        frontier.append(record.entry.leaf_hash());
    }
    if !records.is_empty() {
        check_prefix(node, &frontier, &head, timeout).await?;
    }
    let next = EntryIndex(frontier.size());
    Ok((State { next, frontier: Some(frontier), head: Some(head) }, records))
}

/// The edge of the tree before `next`, from the receipt of the entry before it.
async fn prove_frontier(client: &Client, node: &Node, next: EntryIndex) -> Result<Frontier, NodeFailure> {
    let index = EntryIndex(next.0 - 1);
    let timeout = client.inner.policy.request_timeout;
    let bytes = node.get(&format!("/entries/{index}/receipt"), CBOR, timeout, MAX_RECEIPT_BYTES).await?;
    let receipt = evidence::verified(&client.inner, node, &bytes).await?;
    if receipt.record.entry.index != index {
        let reason = format!("the receipt is of entry {}", receipt.record.entry.index);
        return Err(Lie::Log { index, reason }.into());
    }
    let mut frontier = Frontier::before_proved(index.0, receipt.certificate.head.size, &receipt.proof);
    frontier.append(receipt.record.entry.leaf_hash());
    Ok(frontier)
}

/// The node's newest certificate, verified.
pub(super) async fn certificate(client: &Client, node: &Node) -> Result<LogCertificate, NodeFailure> {
    let certificate = unverified_certificate(node, client.inner.policy.request_timeout).await?;
    client.inner.verify_certificate(node, &certificate).await?;
    Ok(certificate)
}

/// What the node gives as its newest certificate.
pub(crate) async fn unverified_certificate(
    node: &Node,
    timeout: std::time::Duration,
) -> Result<LogCertificate, NodeFailure> {
    let bytes = node.get("/log/certificate", CBOR, timeout, MAX_PROOF_BYTES).await?;
    codec::decode(&bytes, MAX_PROOF_BYTES)
        .map_err(|error| NodeFailure::Malformed(format!("certificate: {error}")))
}

/// Entries from `from` on, before `end`; at least one. Nothing about them is checked but how many there are.
pub(crate) async fn entries(
    node: &Node,
    from: u64,
    end: u64,
    timeout: std::time::Duration,
) -> Result<Vec<EntryRecord>, NodeFailure> {
    let limit = usize::try_from(end - from).unwrap_or(MAX_PAGE_ENTRIES).min(MAX_PAGE_ENTRIES);
    let path = format!("/entries?from={from}&limit={limit}");
    let bytes = node.get(&path, CBOR, timeout, MAX_PAGE_BYTES).await?;
    let page = EntriesPage::decode(&bytes)
        .map_err(|error| NodeFailure::Malformed(format!("page of entries: {error}")))?;
    if page.entries.is_empty() || page.entries.len() > limit {
        let reason = format!("{} entries where 1 to {limit} were to come", page.entries.len());
        return Err(Lie::Log { index: EntryIndex(from), reason }.into());
    }
    Ok(page.entries)
}

fn check_records(group: &Group, from: EntryIndex, records: &[EntryRecord]) -> Result<(), Lie> {
    let mut checks = Vec::with_capacity(records.len());
    for (record, index) in records.iter().zip(from.0..) {
        let lie = |reason: String| Lie::Log { index: EntryIndex(index), reason };
        if record.entry.index.0 != index {
            return Err(lie(format!("entry {} in its place", record.entry.index)));
        }
        record.check_unsigned(&group.identity).map_err(|error| lie(error.to_string()))?;
        if let EntryBody::Command(command) = &record.body {
            checks.push(command.signature_check());
        }
    }
    if verify_all(&checks) {
        return Ok(());
    }
    Err(Lie::Log { index: from, reason: "a command of the page is not signed by its key".into() })
}

/// Checks that the tree up to the frontier is a prefix of the attested one.
async fn check_prefix(
    node: &Node,
    frontier: &Frontier,
    head: &LogHead,
    timeout: std::time::Duration,
) -> Result<(), NodeFailure> {
    let (size, root) = (frontier.size(), frontier.root());
    let proof = if size == head.size {
        Vec::new()
    } else {
        let path = format!("/log/consistency?from={size}&to={}", head.size);
        let proof = node.get_json::<ConsistencyProof>(&path, timeout, MAX_PROOF_BYTES).await;
        // For a size that its log does not have, a node has no proof: what is asked is not wrong because of that.
        let behind = |failure: NodeFailure| match failure {
            NodeFailure::Answered { code: ErrorCode::Malformed | ErrorCode::NotFound, .. } => {
                NodeFailure::Behind(head.size)
            }
            other => other,
        };
        proof.map_err(behind)?.proof
    };
    verify_consistency(size, head.size, &root, &head.root, &proof).map_err(|error| {
        let reason = format!("the log up to here is no prefix of the attested one: {error}");
        Lie::Log { index: EntryIndex(size), reason }.into()
    })
}
