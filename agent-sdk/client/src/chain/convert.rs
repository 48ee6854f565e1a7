//! From the words of the protocol to the contract's.

use alloy::primitives::B256;
use quorate_contracts::{self as contract, LogRefusal, words};
use quorate_protocol::merkle::join_proofs;
use quorate_protocol::{AnchorProof, DecisionRecord, DecisionStatus, Digest, EntryBody, Epoch, Receipt};

use crate::error::SdkError;

/// What `executeAnchored` and `queueAnchored` take.
pub(super) struct AnchoredDecision {
    pub(super) group: B256,
    pub(super) size: u64,
    pub(super) approval: contract::Approval,
    pub(super) proof: Vec<B256>,
}

impl AnchoredDecision {
    /// The same, taken in this epoch.
    pub(super) fn of_epoch(mut self, epoch: Epoch) -> Self {
        self.approval.epoch = epoch.0;
        self
    }
}

/// What `executeAnchoredBatch` takes.
pub(super) struct AnchoredDecisions {
    pub(super) group: B256,
    pub(super) size: u64,
    pub(super) approvals: Vec<contract::Approval>,
    pub(super) proof: Vec<B256>,
}

/// What `closeFromLog` takes.
pub(super) struct AnchoredRefusal {
    pub(super) group: B256,
    pub(super) size: u64,
    pub(super) refusal: LogRefusal,
    pub(super) proof: Vec<B256>,
}

/// The decision in a receipt, taken in `epoch`, with its proof under an anchored root.
pub(super) fn anchored_decision(receipt: &Receipt, epoch: Epoch) -> Result<AnchoredDecision, SdkError> {
    let record = decision(receipt)?;
    if record.decision.status != DecisionStatus::Approved {
        return Err(not_executable("the proposal was not approved; only approved decisions are executed"));
    }
    let anchor = anchor_of(receipt)?;
    Ok(AnchoredDecision {
        group: receipt.identity.group.0,
        size: anchor.size,
        approval: contract::Approval::of(record, &receipt.record.entry, epoch),
        proof: words(&anchor.proof),
    })
}

/// The refusing decision in a receipt, with its proof under an anchored root.
pub(super) fn anchored_refusal(receipt: &Receipt) -> Result<AnchoredRefusal, SdkError> {
    let record = decision(receipt)?;
    if record.decision.status == DecisionStatus::Approved {
        return Err(not_executable("the proposal was approved; only refusing decisions close it on-chain"));
    }
    let anchor = anchor_of(receipt)?;
    Ok(AnchoredRefusal {
        group: receipt.identity.group.0,
        size: anchor.size,
        refusal: LogRefusal::of(&record.decision, &receipt.record.entry),
        proof: words(&anchor.proof),
    })
}

/// Several decisions, in the order of the log, with one proof for all of them.
pub(super) fn joined(mut decisions: Vec<AnchoredDecision>) -> Result<AnchoredDecisions, SdkError> {
    decisions.sort_by_key(|decision| decision.approval.index);
    let (group, size) = match decisions.first() {
        Some(first) => (first.group, first.size),
        None => return Err(not_executable("there is no receipt; name at least one decision")),
    };
    if decisions.iter().any(|decision| decision.group != group || decision.size != size) {
        return Err(not_executable(
            "the receipts are of several groups or anchors; ask one node for all of them again, or execute them singly",
        ));
    }
    let proofs: Vec<Vec<Digest>> =
        decisions.iter().map(|decision| decision.proof.iter().copied().map(Digest).collect()).collect();
    let leaves: Vec<_> = decisions
        .iter()
        .zip(&proofs)
        .map(|(decision, proof)| (decision.approval.index, proof.as_slice()))
        .collect();
    let proof = join_proofs(size, &leaves).map_err(|error| {
        SdkError::NotExecutable(format!("the receipts' proofs cannot be joined: {error}"))
    })?;
    let approvals = decisions.into_iter().map(|decision| decision.approval).collect();
    Ok(AnchoredDecisions { group, size, approvals, proof: words(&proof) })
}

fn decision(receipt: &Receipt) -> Result<&DecisionRecord, SdkError> {
    match &receipt.record.body {
        EntryBody::Decision(record) => Ok(record),
        _ => Err(not_executable("the receipt is not of a decision; only decisions are executed")),
    }
}

fn anchor_of(receipt: &Receipt) -> Result<&AnchorProof, SdkError> {
    receipt.anchor.as_ref().ok_or_else(|| {
        not_executable("the decision is not anchored yet; ask a node for its receipt again after an anchor")
    })
}

fn not_executable(reason: &str) -> SdkError {
    SdkError::NotExecutable(reason.into())
}
