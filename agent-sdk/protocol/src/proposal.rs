//! Proposals, votes and decisions: the words that both lanes share.

use alloy_primitives::{U256, keccak256};
use minicbor::{CborLen, Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::call::{Call, MAX_CALLS, actions_hash};
use crate::codec::{bounded_list, bounded_text};
use crate::group::GroupIdentity;
use crate::ids::{AgentId, Digest, GroupId, ProposalId, TimestampMs};
use crate::typed::{self, DECISION_TYPE, PROPOSAL_TYPE, hash_struct};

/// The most bytes of a description.
pub const MAX_DESCRIPTION_BYTES: usize = 4 * 1024;

/// A voter's choice, numbered as in Governor Bravo.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Encode, Decode, CborLen,
)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cbor(index_only)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Choice {
    /// Against the proposal.
    #[n(0)]
    Against = 0,
    /// For the proposal.
    #[n(1)]
    For = 1,
    /// Neither.
    #[n(2)]
    Abstain = 2,
}

/// How a proposal closed.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Encode, Decode, CborLen,
)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cbor(index_only)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum DecisionStatus {
    /// The weight for it met the threshold.
    #[n(1)]
    Approved = 1,
    /// The weight for it could no longer meet the threshold.
    #[n(2)]
    Rejected = 2,
    /// The voting period ended before either.
    #[n(3)]
    Expired = 3,
    /// Its proposer withdrew it.
    #[n(4)]
    Cancelled = 4,
}

/// How a proposal closed, with the weights at that moment. Its EIP-712 digest is the `subject` of the
/// decision's entry, so the contract can execute it from an inclusion proof. The proposal's id commits to the group and the
/// calls, the entry has the time, and the class has the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cbor(map)]
pub struct Decision {
    /// What was decided on.
    #[n(0)]
    pub proposal: ProposalId,
    /// How it closed.
    #[n(1)]
    pub status: DecisionStatus,
    /// Weight of the votes for it.
    #[cbor(n(2), with = "crate::codec::u128")]
    #[serde(with = "crate::decimal")]
    #[cfg_attr(feature = "openapi", schema(value_type = crate::schema::Decimal))]
    pub for_weight: u128,
    /// Weight of the votes against it.
    #[cbor(n(3), with = "crate::codec::u128")]
    #[serde(with = "crate::decimal")]
    #[cfg_attr(feature = "openapi", schema(value_type = crate::schema::Decimal))]
    pub against_weight: u128,
    /// Weight of the abstentions.
    #[cbor(n(4), with = "crate::codec::u128")]
    #[serde(with = "crate::decimal")]
    #[cfg_attr(feature = "openapi", schema(value_type = crate::schema::Decimal))]
    pub abstain_weight: u128,
}

/// A decision with what an auditor needs to understand it: the body of a decision's entry. The decision
/// commits to every other field, so a receipt proves them too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cbor(map)]
pub struct DecisionRecord {
    /// The decision.
    #[n(0)]
    pub decision: Decision,
    /// Who proposed.
    #[n(1)]
    pub proposer: AgentId,
    /// The proposer's salt.
    #[n(2)]
    #[serde(with = "crate::decimal")]
    #[cfg_attr(feature = "openapi", schema(value_type = crate::schema::Decimal))]
    pub salt: u64,
    /// The proposal in words.
    #[cbor(n(3), decode_with = "bounded_text::<Ctx, MAX_DESCRIPTION_BYTES>")]
    pub description: String,
    /// The calls that were decided on.
    #[cbor(n(4), decode_with = "bounded_list::<Call, Ctx, MAX_CALLS>")]
    pub calls: Vec<Call>,
    /// The class of decisions, by its place in the group's terms.
    #[n(5)]
    pub class: u8,
}

impl DecisionRecord {
    /// Whether the decision is about this proposal in this group: calls, description, proposer, salt and class.
    pub fn is_consistent(&self, group: &GroupId) -> bool {
        let Self { proposer, salt, class, calls, description, .. } = self;
        proposal_id(group, *proposer, *salt, *class, calls, description) == self.decision.proposal
    }
}

/// The id of a proposal, the same in both lanes: the EIP-712 struct hash of [`PROPOSAL_TYPE`], without the domain.
pub fn proposal_id(
    group: &GroupId,
    proposer: AgentId,
    salt: u64,
    class: u8,
    calls: &[Call],
    description: &str,
) -> ProposalId {
    let description_hash = description_hash(description);
    proposal_id_of_hashes(group, proposer, salt, class, actions_hash(calls), description_hash)
}

/// The keccak256 of a description: what EIP-712 encodes of it.
pub fn description_hash(description: &str) -> Digest {
    Digest(keccak256(description))
}

/// As [`proposal_id`], from the calls' [`actions_hash`] and the description's keccak256.
pub fn proposal_id_of_hashes(
    group: &GroupId,
    proposer: AgentId,
    salt: u64,
    class: u8,
    actions_hash: Digest,
    description_hash: Digest,
) -> ProposalId {
    let words = (
        keccak256(PROPOSAL_TYPE),
        group.0,
        proposer.0,
        salt,
        U256::from(class),
        actions_hash.0,
        description_hash.0,
    );
    ProposalId(hash_struct(&words))
}

/// The end of a voting that begins at `opened`: a whole second, so that it is the same on-chain.
pub fn voting_end(opened: TimestampMs, voting_period_s: u32) -> TimestampMs {
    TimestampMs((opened.0.div_ceil(1000) + u64::from(voting_period_s)) * 1000)
}

impl Decision {
    /// The EIP-712 digest: the `subject` of the decision's entry.
    pub fn digest(&self, identity: &GroupIdentity) -> Digest {
        let words = (
            keccak256(DECISION_TYPE),
            self.proposal.0,
            U256::from(self.status as u8),
            self.for_weight,
            self.against_weight,
            self.abstain_weight,
        );
        Digest(typed::digest(identity, hash_struct(&words)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_bound_to_its_decision_by_every_field() {
        let calls = vec![Call::new(AgentId::from([5; 20]), U256::from(10), vec![1, 2, 3])];
        let group = GroupId::from([1; 32]);
        let proposer = AgentId::from([2; 20]);
        let record = DecisionRecord {
            decision: Decision {
                proposal: proposal_id(&group, proposer, 7, 1, &calls, "pay"),
                status: DecisionStatus::Approved,
                for_weight: 3,
                against_weight: 0,
                abstain_weight: 1,
            },
            class: 1,
            proposer,
            salt: 7,
            description: "pay".into(),
            calls: calls.clone(),
        };
        assert!(record.is_consistent(&group));
        assert!(!record.is_consistent(&GroupId::from([3; 32])));
        let proposer = AgentId::from([3; 20]);
        let call = |change: fn(&mut Call)| {
            let mut call = calls[0].clone();
            change(&mut call);
            DecisionRecord { calls: vec![call], ..record.clone() }
        };
        let others = [
            DecisionRecord { salt: 8, ..record.clone() },
            DecisionRecord { class: 0, ..record.clone() },
            DecisionRecord { proposer, ..record.clone() },
            DecisionRecord { description: "pay more".into(), ..record.clone() },
            DecisionRecord { calls: vec![], ..record.clone() },
            DecisionRecord { calls: [calls.clone(), calls.clone()].concat(), ..record.clone() },
            call(|call| call.target = AgentId::from([6; 20])),
            call(|call| call.value = U256::from(11)),
            call(|call| call.gas += 1),
            call(|call| call.allow_failure = true),
            call(|call| call.allow_no_code = true),
            call(|call| call.data[2] = 4),
        ];
        for other in others {
            assert!(!other.is_consistent(&group), "{other:?}");
        }
    }
}
