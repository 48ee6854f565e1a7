//! What a receipt must be about before it answers a question.

use quorate_protocol::entry::SystemEvent;
use quorate_protocol::operations::proposals::ProposalsOutcome;
use quorate_protocol::outcome::MAX_RESULT_BYTES;
use quorate_protocol::{Digest, EntryBody, EntryKind, InboxEvent, Outcome, ProposalId, Receipt, codec};

use super::Inner;
use super::calls::Decided;
use super::node::{Lie, Node, NodeFailure};
use crate::error::SdkError;

/// A receipt of the command with this digest.
pub(super) async fn command(
    inner: &Inner,
    node: &Node,
    digest: Digest,
    bytes: &[u8],
) -> Result<Receipt, NodeFailure> {
    let receipt = verified(inner, node, bytes).await?;
    let entry = &receipt.record.entry;
    if entry.status.kind() != EntryKind::Command || entry.subject != digest {
        return Err(Lie::OtherCommand { asked: digest, found: entry.subject }.into());
    }
    Ok(receipt)
}

/// A receipt of the decision on this proposal.
pub(super) async fn decision(
    inner: &Inner,
    node: &Node,
    proposal: ProposalId,
    bytes: &[u8],
) -> Result<Decided, NodeFailure> {
    let receipt = verified(inner, node, bytes).await?;
    match &receipt.record.body {
        EntryBody::Decision(record)
            if record.decision.proposal == proposal && record.is_consistent(&inner.group.identity.group) =>
        {
            Ok(Decided { record: (**record).clone(), receipt })
        }
        _ => Err(Lie::OtherDecision { asked: proposal }.into()),
    }
}

/// A receipt of the entry by which the contract told that it has this proposal, or is done with it.
pub(super) async fn moved(
    inner: &Inner,
    node: &Node,
    proposal: ProposalId,
    bytes: &[u8],
) -> Result<Receipt, NodeFailure> {
    let receipt = verified(inner, node, bytes).await?;
    match receipt.record.body {
        EntryBody::System(SystemEvent::OnChain(
            InboxEvent::ProposalOpenedOnChain { proposal: found, .. }
            | InboxEvent::ProposalClosedOnChain { proposal: found, .. },
        )) if found == proposal => Ok(receipt),
        _ => Err(Lie::OtherDecision { asked: proposal }.into()),
    }
}

/// A receipt that verifies, whatever it is about.
pub(super) async fn verified(inner: &Inner, node: &Node, bytes: &[u8]) -> Result<Receipt, NodeFailure> {
    let receipt = Receipt::decode(bytes)?;
    inner.verify_receipt(node, &receipt).await?;
    Ok(receipt)
}

/// What the proposals service made of the first operation of an applied command.
pub(super) fn proposals_outcome(receipt: &Receipt) -> Result<ProposalsOutcome, SdkError> {
    let unexpected =
        |reason: String| SdkError::UnexpectedOutcome { index: receipt.record.entry.index, reason };
    let Outcome::Applied { results } = &receipt.record.outcome else {
        return Err(unexpected("the command was not applied".into()));
    };
    let result = results.first().ok_or_else(|| unexpected("it has no result".into()))?;
    codec::decode(&result.body, MAX_RESULT_BYTES).map_err(|error| unexpected(error.to_string()))
}
