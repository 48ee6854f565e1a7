//! From the words of the protocol to the contract's.

use alloy::primitives::{B128, B256, Bytes};
use quorate_contracts as contract;
use quorate_protocol::api::ProposalView;
use quorate_protocol::merkle::join_proofs;
use quorate_protocol::{
    AccountSignature, AgentId, Call, Choice, DecisionStatus, EntryBody, Member, Policy, Receipt, Terms,
};

use crate::error::SdkError;

/// What `executeAnchored` takes.
pub(super) struct AnchoredDecision {
    pub(super) group: B256,
    pub(super) size: u64,
    pub(super) approval: contract::Approval,
    pub(super) proof: Vec<B256>,
}

/// What `executeAnchoredBatch` takes.
pub(super) struct AnchoredDecisions {
    pub(super) group: B256,
    pub(super) size: u64,
    pub(super) approvals: Vec<contract::Approval>,
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

pub(super) fn terms(terms: &Terms) -> contract::Terms {
    contract::Terms {
        classes: terms.classes.iter().map(policy).collect(),
        stallTime: terms.stall_time_s,
        inboxDeadline: terms.inbox_deadline_s,
        evidenceWindow: terms.evidence_window_s,
        reporterShare: terms.reporter_share,
        bond: terms.bond,
    }
}

fn policy(policy: &Policy) -> contract::Policy {
    contract::Policy {
        name: B128::right_padding_from(policy.name.as_bytes()),
        valueLimit: policy.value_limit,
        threshold: policy.threshold,
        basis: policy.basis as u8,
        turnout: policy.turnout,
        veto: policy.veto,
        scope: policy.scope as u8,
        votingPeriod: policy.voting_period_s,
        timelock: policy.timelock_s,
        expiry: policy.expiry_s,
        revotes: policy.revotes,
        escape: policy.escape,
        onlyStalled: policy.only_stalled,
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

pub(super) fn ballot(voter: AgentId, choice: Choice, signature: &AccountSignature) -> contract::Ballot {
    let signature = Bytes::copy_from_slice(&signature.0);
    contract::Ballot { voter: voter.0, choice: choice as u8, signature }
}

pub(super) fn content(proposal: &ProposalView) -> contract::Content {
    contract::Content {
        proposer: proposal.proposer.0,
        salt: proposal.salt,
        class: proposal.class,
        calls: calls(&proposal.calls),
        description: proposal.description.clone(),
    }
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
        group: decision.group.0,
        size: anchor.size,
        approval: contract::Approval {
            proposalId: decision.proposal.0,
            forWeight: decision.for_weight,
            againstWeight: decision.against_weight,
            abstainWeight: decision.abstain_weight,
            executableFrom: decision.executable_from,
            executableUntil: decision.executable_until,
            index: entry.index.0,
            sequence: entry.sequence.0,
            timestampMs: entry.timestamp.0,
            calls: calls(&record.calls),
        },
        proof: anchor.proof.iter().map(|hash| hash.0).collect(),
    })
}

/// The decisions in several receipts, in the order of the log, with one proof for all of them.
pub(super) fn anchored_decisions(receipts: &[Receipt]) -> Result<AnchoredDecisions, SdkError> {
    let mut decisions = receipts
        .iter()
        .map(|receipt| Ok((receipt, anchored_decision(receipt)?)))
        .collect::<Result<Vec<_>, SdkError>>()?;
    decisions.sort_by_key(|(_, decision)| decision.approval.index);
    let not_executable = |reason: &str| SdkError::NotExecutable(reason.into());
    let (group, size) = match decisions.first() {
        Some((_, first)) => (first.group, first.size),
        None => return Err(not_executable("there is no receipt; name at least one decision")),
    };
    if decisions.iter().any(|(_, decision)| decision.group != group || decision.size != size) {
        return Err(not_executable(
            "the receipts are of several groups or anchors; ask one node for all of them again, or execute them singly",
        ));
    }
    let anchored = decisions.iter().filter_map(|(receipt, _)| receipt.anchor.as_ref());
    let leaves: Vec<_> = decisions
        .iter()
        .zip(anchored)
        .map(|((_, decision), anchor)| (decision.approval.index, anchor.proof.as_slice()))
        .collect();
    let proof = join_proofs(size, &leaves).map_err(|error| {
        SdkError::NotExecutable(format!("the receipts' proofs cannot be joined: {error}"))
    })?;
    let approvals = decisions.into_iter().map(|(_, decision)| decision.approval).collect();
    Ok(AnchoredDecisions { group, size, approvals, proof: proof.iter().map(|hash| hash.0).collect() })
}
