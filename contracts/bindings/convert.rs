//! Between the words of `quorate-protocol` and the contract's.
//!
//! What the protocol has an `Option` for, the contract takes all zero: [`Taken`], [`Mandate`] and [`Fork`](crate::Fork) by
//! `default()` are none.

mod terms;

pub use terms::UnreadableTerms;

use alloy::primitives::{B256, Bytes, keccak256};
use quorate_protocol::account::AccountSignature;
use quorate_protocol::api::ProposalView;
use quorate_protocol::{
    AgentId, Choice, DecisionRecord, Digest, Epoch, InboxTaken, Objection, PublicKey, VoterSignature,
};

use crate::{Approval, Ballot, Call, Checkpoint, Content, LogRefusal, Mandate, Member, Taken};

impl From<&quorate_protocol::Member> for Member {
    fn from(member: &quorate_protocol::Member) -> Self {
        Self {
            account: member.agent.0,
            key: B256::from(member.key.0),
            weight: member.weight,
            flags: member.flags,
        }
    }
}

impl From<&Member> for quorate_protocol::Member {
    fn from(member: &Member) -> Self {
        Self {
            agent: AgentId(member.account),
            key: PublicKey(member.key.0),
            weight: member.weight,
            flags: member.flags,
        }
    }
}

impl From<&quorate_protocol::Call> for Call {
    fn from(call: &quorate_protocol::Call) -> Self {
        Self {
            target: call.target.0,
            value: call.value,
            gas: call.gas,
            allowFailure: call.allow_failure,
            allowNoCode: call.allow_no_code,
            data: Bytes::copy_from_slice(&call.data),
        }
    }
}

impl From<&Call> for quorate_protocol::Call {
    fn from(call: &Call) -> Self {
        Self {
            target: AgentId(call.target),
            value: call.value,
            gas: call.gas,
            allow_failure: call.allowFailure,
            allow_no_code: call.allowNoCode,
            data: call.data.to_vec(),
        }
    }
}

/// All of them.
pub(crate) fn all<'a, F: 'a, T: From<&'a F>>(list: &'a [F]) -> Vec<T> {
    list.iter().map(T::from).collect()
}

impl From<&quorate_protocol::Checkpoint> for Checkpoint {
    fn from(checkpoint: &quorate_protocol::Checkpoint) -> Self {
        Self {
            groupId: checkpoint.group.0,
            epoch: checkpoint.epoch.0,
            sequence: checkpoint.sequence.0,
            logSize: checkpoint.log_size,
            logRoot: checkpoint.log_root.0,
            stateRoot: checkpoint.state_root.0,
            inboxCount: checkpoint.inbox_count,
            inboxHash: checkpoint.inbox_hash.0,
            nextMembersHash: checkpoint.next_members_hash.0,
        }
    }
}

impl Content {
    /// What a proposal's identifier follows from, beside the group.
    #[must_use]
    pub fn of(
        proposer: AgentId,
        salt: u64,
        class: u8,
        description: &str,
        calls: &[quorate_protocol::Call],
    ) -> Self {
        Self { proposer: proposer.0, salt, class, descriptionHash: keccak256(description), calls: all(calls) }
    }
}

impl From<&DecisionRecord> for Content {
    fn from(record: &DecisionRecord) -> Self {
        Self::of(record.proposer, record.salt, record.class, &record.description, &record.calls)
    }
}

impl From<&ProposalView> for Content {
    fn from(proposal: &ProposalView) -> Self {
        Self::of(proposal.proposer, proposal.salt, proposal.class, &proposal.description, &proposal.calls)
    }
}

impl Approval {
    /// An approving decision and its entry in the log, which was made in `epoch`.
    #[must_use]
    pub fn of(record: &DecisionRecord, entry: &quorate_protocol::Entry, epoch: Epoch) -> Self {
        let Content { proposer, salt, class, descriptionHash, calls } = record.into();
        let decision = &record.decision;
        Self {
            proposer,
            salt,
            class,
            descriptionHash,
            forWeight: decision.for_weight,
            againstWeight: decision.against_weight,
            abstainWeight: decision.abstain_weight,
            epoch: epoch.0,
            index: entry.index.0,
            sequence: entry.sequence.0,
            timestampMs: entry.timestamp.0,
            calls,
        }
    }
}

impl LogRefusal {
    /// A refusing decision and its entry in the log.
    #[must_use]
    pub fn of(decision: &quorate_protocol::Decision, entry: &quorate_protocol::Entry) -> Self {
        Self {
            proposalId: decision.proposal.0,
            status: decision.status as u8,
            forWeight: decision.for_weight,
            againstWeight: decision.against_weight,
            abstainWeight: decision.abstain_weight,
            index: entry.index.0,
            sequence: entry.sequence.0,
            timestampMs: entry.timestamp.0,
        }
    }
}

impl Ballot {
    /// A signed vote.
    #[must_use]
    pub fn of(voter: AgentId, choice: Choice, signature: &VoterSignature) -> Self {
        let signature = Bytes::copy_from_slice(signature.as_bytes());
        Self { voter: voter.0, choice: choice as u8, signature }
    }

    /// A signed objection. Its choice is not read.
    #[must_use]
    pub fn objection(objection: &Objection, signature: &VoterSignature) -> Self {
        Self::of(objection.voter, Choice::Against, signature)
    }
}

impl From<&quorate_protocol::mandate::Ballot> for Ballot {
    fn from(ballot: &quorate_protocol::mandate::Ballot) -> Self {
        let AccountSignature(signature) = ballot.signature;
        Self { voter: ballot.voter.0, choice: Choice::For as u8, signature: signature.into() }
    }
}

impl From<&quorate_protocol::Mandate> for Mandate {
    fn from(mandate: &quorate_protocol::Mandate) -> Self {
        Self {
            proposer: mandate.proposer.0,
            salt: mandate.salt,
            class: mandate.class,
            descriptionHash: mandate.description_hash.0,
            votingEnds: mandate.voting_ends,
            ballots: all(&mandate.ballots),
        }
    }
}

impl From<Option<&quorate_protocol::Mandate>> for Mandate {
    fn from(mandate: Option<&quorate_protocol::Mandate>) -> Self {
        mandate.map(Self::from).unwrap_or_default()
    }
}

impl Taken {
    /// The entry by which the log took in the last message that a checkpoint counts, with the proof that leads from it to the
    /// checkpoint's root.
    #[must_use]
    pub fn of(taken: &InboxTaken, entry: &quorate_protocol::Entry, path: &[Digest]) -> Self {
        Self {
            index: entry.index.0,
            sequence: entry.sequence.0,
            timestampMs: entry.timestamp.0,
            disposition: taken.disposition as u8,
            path: words(path),
        }
    }
}

/// A proof, as the contract takes it.
#[must_use]
pub fn words(proof: &[Digest]) -> Vec<B256> {
    proof.iter().map(|hash| hash.0).collect()
}

#[cfg(test)]
mod tests;
