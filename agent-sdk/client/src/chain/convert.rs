//! From the words of the protocol to the contract's.

use alloy::primitives::B256;
use quorate_contracts as contract;
use quorate_protocol::{Call, DecisionStatus, EntryBody, Member, Policy, Receipt};

use crate::error::SdkError;

/// What `executeAnchored` takes.
pub(super) struct AnchoredDecision {
    pub(super) decision: contract::Decision,
    pub(super) calls: Vec<contract::Call>,
    pub(super) entry: contract::Entry,
    pub(super) size: u64,
    pub(super) proof: Vec<B256>,
}

pub(super) fn member(member: &Member) -> contract::Member {
    contract::Member {
        account: member.agent.0,
        key: B256::from(member.key.0),
        weight: member.weight,
        flags: member.flags,
    }
}

pub(super) fn policy(policy: &Policy) -> contract::Policy {
    contract::Policy {
        threshold: policy.threshold,
        votingPeriod: policy.voting_period_s,
        timelock: policy.timelock_s,
    }
}

pub(super) fn calls(calls: &[Call]) -> Vec<contract::Call> {
    calls
        .iter()
        .map(|call| contract::Call {
            target: call.target.0,
            value: call.value,
            data: call.data.clone().into(),
        })
        .collect()
}

/// The decision in a receipt, with its proof under an anchored root.
pub(super) fn anchored_decision(receipt: &Receipt) -> Result<AnchoredDecision, SdkError> {
    let not_executable = |reason: &str| SdkError::NotExecutable(reason.into());
    let EntryBody::Decision(record) = &receipt.record.body else {
        return Err(not_executable("the receipt is not of a decision; only decisions are executed"));
    };
    let decision = &record.decision;
    if decision.status != DecisionStatus::Approved {
        return Err(not_executable("the proposal was not approved; only approved decisions are executed"));
    }
    let anchor = receipt.anchor.as_ref().ok_or_else(|| {
        not_executable("the decision is not anchored yet; ask a node for its receipt again after an anchor")
    })?;
    let entry = &receipt.record.entry;
    Ok(AnchoredDecision {
        decision: contract::Decision {
            groupId: decision.group.0,
            proposalId: decision.proposal.0,
            actionsHash: decision.actions_hash.0,
            status: decision.status as u8,
            forWeight: decision.for_weight,
            againstWeight: decision.against_weight,
            abstainWeight: decision.abstain_weight,
        },
        calls: calls(&record.calls),
        entry: contract::Entry {
            index: entry.index.0,
            sequence: entry.sequence.0,
            timestampMs: entry.timestamp.0,
            kind: entry.status.kind() as u8,
            status: entry.status.code(),
            subject: entry.subject.0,
            outcome: entry.outcome.0,
        },
        size: anchor.size,
        proof: anchor.proof.iter().map(|hash| hash.0).collect(),
    })
}
