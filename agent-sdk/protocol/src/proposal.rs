//! Proposals, votes and decisions: the words that both lanes share.

use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_sol_types::{SolStruct, SolValue, sol};
use minicbor::{CborLen, Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::codec::{bounded_bytes, bounded_list, bounded_text};
use crate::group::GroupIdentity;
use crate::ids::{AgentId, Digest, Epoch, GroupId, ProposalId, TimestampMs};

/// The most calls of a proposal.
pub const MAX_CALLS: usize = 32;
/// The most bytes of call data in one call.
pub const MAX_CALL_DATA_BYTES: usize = 24 * 1024;
/// The most bytes of a description.
pub const MAX_DESCRIPTION_BYTES: usize = 4 * 1024;

/// One call that the group's account makes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cbor(map)]
pub struct Call {
    /// The account or contract that is called.
    #[n(0)]
    pub target: AgentId,
    /// Wei that are sent along.
    #[cbor(n(1), with = "crate::codec::u256")]
    pub value: U256,
    /// Call data.
    #[cbor(
        n(2),
        encode_with = "minicbor::bytes::encode",
        decode_with = "bounded_bytes::<Ctx, MAX_CALL_DATA_BYTES>"
    )]
    #[serde(with = "alloy_primitives::hex")]
    pub data: Vec<u8>,
}

/// A voter's choice, numbered as in Governor Bravo.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Encode, Decode, CborLen,
)]
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
/// decision's entry, so the contract can execute it from an inclusion proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cbor(map)]
pub struct Decision {
    /// The group that decided.
    #[n(0)]
    pub group: GroupId,
    /// What was decided on.
    #[n(1)]
    pub proposal: ProposalId,
    /// [`actions_hash`] of the proposal's calls.
    #[n(2)]
    pub actions_hash: Digest,
    /// How it closed.
    #[n(3)]
    pub status: DecisionStatus,
    /// Weight of the votes for it.
    #[cbor(n(4), with = "crate::codec::u128")]
    pub for_weight: u128,
    /// Weight of the votes against it.
    #[cbor(n(5), with = "crate::codec::u128")]
    pub against_weight: u128,
    /// Weight of the abstentions.
    #[cbor(n(6), with = "crate::codec::u128")]
    pub abstain_weight: u128,
    /// The first second (Unix time) at which it may be executed; 0 for at once, and unless it is approved.
    #[n(7)]
    pub executable_from: u64,
    /// The last one, or 0 for no end.
    #[n(8)]
    pub executable_until: u64,
}

/// A decision with what an auditor needs to understand it: the body of a decision's entry. The decision
/// commits to every other field, so a receipt proves them too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Encode, Decode)]
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
    pub salt: u64,
    /// The proposal in words.
    #[cbor(n(3), decode_with = "bounded_text::<Ctx, MAX_DESCRIPTION_BYTES>")]
    pub description: String,
    /// The calls that `actions_hash` covers.
    #[cbor(n(4), decode_with = "bounded_list::<Call, Ctx, MAX_CALLS>")]
    pub calls: Vec<Call>,
    /// The class of decisions, by its place in the group's terms.
    #[n(5)]
    pub class: u8,
}

impl DecisionRecord {
    /// Whether calls, description, proposer, salt and class are those that the decision names.
    pub fn is_consistent(&self) -> bool {
        let decision = &self.decision;
        let hash = actions_hash(&self.calls);
        hash == decision.actions_hash
            && proposal_id(&decision.group, self.proposer, self.salt, self.class, hash, &self.description)
                == decision.proposal
    }
}

mod typed {
    use super::sol;

    sol! {
        struct Call {
            address target;
            uint256 value;
            bytes data;
        }

        struct Decision {
            bytes32 groupId;
            bytes32 proposalId;
            bytes32 actionsHash;
            uint8 status;
            uint128 forWeight;
            uint128 againstWeight;
            uint128 abstainWeight;
            uint64 executableFrom;
            uint64 executableUntil;
        }

        struct Vote {
            bytes32 groupId;
            bytes32 proposalId;
            uint8 choice;
            uint64 epoch;
            uint64 votingEnds;
            uint32 nonce;
        }
    }
}

/// The preimage of the first word of a proposal id.
pub const PROPOSAL_TYPE: &str = "Proposal(bytes32 groupId,address proposer,uint64 salt,uint8 class,bytes32 actionsHash,bytes32 descriptionHash)";

/// `keccak256(abi.encode(Call[]))`.
pub fn actions_hash(calls: &[Call]) -> Digest {
    let calls: Vec<typed::Call> = calls
        .iter()
        .map(|call| typed::Call { target: call.target.0, value: call.value, data: call.data.clone().into() })
        .collect();
    Digest(keccak256(calls.abi_encode()))
}

/// The id of a proposal, the same in both lanes: the EIP-712 struct hash of [`PROPOSAL_TYPE`].
pub fn proposal_id(
    group: &GroupId,
    proposer: AgentId,
    salt: u64,
    class: u8,
    actions_hash: Digest,
    description: &str,
) -> ProposalId {
    let words: (B256, B256, Address, u64, U256, B256, B256) = (
        keccak256(PROPOSAL_TYPE),
        group.0,
        proposer.0,
        salt,
        U256::from(class),
        actions_hash.0,
        keccak256(description.as_bytes()),
    );
    ProposalId(keccak256(words.abi_encode()))
}

/// A vote as the contract takes it with a signature: by `voteBySig`, and by `approveFromLog` for a proposal that began
/// off-chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainVote {
    /// What is voted on.
    pub proposal: ProposalId,
    /// For, against or abstain.
    pub choice: Choice,
    /// The epoch that it was proposed in.
    pub epoch: Epoch,
    /// The end of its voting, in seconds of Unix time.
    pub voting_ends: u64,
    /// How many votes of the voter on it were counted before; 0 for one that is given off-chain.
    pub nonce: u32,
}

impl ChainVote {
    /// The EIP-712 digest that the voter's account signs.
    pub fn digest(&self, identity: &GroupIdentity) -> B256 {
        typed::Vote {
            groupId: identity.group.0,
            proposalId: self.proposal.0,
            choice: self.choice as u8,
            epoch: self.epoch.0,
            votingEnds: self.voting_ends,
            nonce: self.nonce,
        }
        .eip712_signing_hash(&identity.eip712_domain())
    }
}

/// The end of a voting that begins at `opened`: a whole second, so that it is the same on-chain.
pub fn voting_end(opened: TimestampMs, voting_period_s: u32) -> TimestampMs {
    TimestampMs((opened.0.div_ceil(1000) + u64::from(voting_period_s)) * 1000)
}

impl Decision {
    /// The EIP-712 digest: the `subject` of the decision's entry.
    pub fn digest(&self, identity: &GroupIdentity) -> Digest {
        let decision = typed::Decision {
            groupId: self.group.0,
            proposalId: self.proposal.0,
            actionsHash: self.actions_hash.0,
            status: self.status as u8,
            forWeight: self.for_weight,
            againstWeight: self.against_weight,
            abstainWeight: self.abstain_weight,
            executableFrom: self.executable_from,
            executableUntil: self.executable_until,
        };
        Digest(decision.eip712_signing_hash(&identity.eip712_domain()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_bound_to_its_decision_by_every_field() {
        let calls = vec![Call { target: AgentId::from([5; 20]), value: U256::from(10), data: vec![1, 2, 3] }];
        let group = GroupId::from([1; 32]);
        let proposer = AgentId::from([2; 20]);
        let hash = actions_hash(&calls);
        let record = DecisionRecord {
            decision: Decision {
                group,
                proposal: proposal_id(&group, proposer, 7, 1, hash, "pay"),
                actions_hash: hash,
                status: DecisionStatus::Approved,
                for_weight: 3,
                against_weight: 0,
                abstain_weight: 1,
                executable_from: 9,
                executable_until: 0,
            },
            class: 1,
            proposer,
            salt: 7,
            description: "pay".into(),
            calls,
        };
        assert!(record.is_consistent());
        assert!(!DecisionRecord { salt: 8, ..record.clone() }.is_consistent());
        assert!(!DecisionRecord { class: 0, ..record.clone() }.is_consistent());
        assert!(!DecisionRecord { description: "pay more".into(), ..record.clone() }.is_consistent());
        assert!(!DecisionRecord { calls: vec![], ..record }.is_consistent());
    }
}
