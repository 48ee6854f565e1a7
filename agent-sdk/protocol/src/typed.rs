//! The types that accounts sign by EIP-712, as a wallet is shown them.
//!
//! EIP-712 encodes a nested struct as its hash. A proposal's id is its struct hash, so wherever a type holds a `Proposal`,
//! the encoding holds the id, and a wallet shows every call and the description. `tests/vectors/types.json` pins them all.

use alloy_primitives::{B256, keccak256};
use alloy_sol_types::SolValue;

use crate::group::GroupIdentity;

macro_rules! call_type {
    () => {
        "Call(address target,uint256 value,uint64 gas,bool allowFailure,bool allowNoCode,bytes data)"
    };
}

macro_rules! proposal_type {
    () => {
        "Proposal(bytes32 groupId,address proposer,uint64 salt,uint8 class,Call[] calls,string description)"
    };
}

/// A [`Call`](crate::call::Call).
pub const CALL_TYPE: &str = call_type!();
/// A proposal; its struct hash is the proposal's id (see [`crate::proposal::proposal_id`]).
pub const PROPOSAL_TYPE: &str = concat!(proposal_type!(), call_type!());
/// A [`ChainVote`](crate::vote::ChainVote).
pub const VOTE_TYPE: &str = concat!(
    "Vote(address voter,Proposal proposal,uint8 choice,uint64 epoch,uint64 votingEnds,uint32 nonce)",
    call_type!(),
    proposal_type!()
);
/// An [`Objection`](crate::vote::Objection).
pub const OBJECTION_TYPE: &str =
    concat!("Objection(address voter,Proposal proposal)", call_type!(), proposal_type!());
/// A [`Decision`](crate::proposal::Decision).
pub const DECISION_TYPE: &str =
    "Decision(bytes32 proposalId,uint8 status,uint128 forWeight,uint128 againstWeight,uint128 abstainWeight)";
/// An [`InboxTaken`](crate::inbox::InboxTaken).
pub const INBOX_TAKEN_TYPE: &str =
    "InboxTaken(bytes32 groupId,uint64 index,bytes32 inboxHash,uint8 disposition)";
/// What a group's id is the hash of (see [`crate::group::group_id`]). Nobody signs it.
pub const GROUP_TYPE: &str = "Group(uint256 chainId,address coordinator,address creator,bytes32 salt,bytes32 membersHash,bytes32 termsHash)";

/// EIP-712's `hashStruct`, where `words` is the tuple of the type's hash and its members' encodings.
pub(crate) fn hash_struct(words: &impl SolValue) -> B256 {
    keccak256(words.abi_encode())
}

/// EIP-712's digest of a struct, for the contract that the group lives in.
pub(crate) fn digest(identity: &GroupIdentity, struct_hash: B256) -> B256 {
    let separator = identity.eip712_domain().separator();
    keccak256([&[0x19, 0x01], separator.as_slice(), struct_hash.as_slice()].concat())
}

#[cfg(test)]
mod tests {
    use alloy_primitives::U256;
    use alloy_sol_types::{SolStruct as _, sol};

    use super::*;
    use crate::call::Call;
    use crate::entry::InboxDisposition;
    use crate::group::tests::sample_group;
    use crate::ids::{AgentId, Digest, Epoch};
    use crate::inbox::InboxTaken;
    use crate::proposal::{Choice, Decision, DecisionStatus, proposal_id};
    use crate::vote::{ChainVote, Objection};

    mod wallet {
        use super::sol;

        sol! {
            struct Call {
                address target;
                uint256 value;
                uint64 gas;
                bool allowFailure;
                bool allowNoCode;
                bytes data;
            }

            struct Proposal {
                bytes32 groupId;
                address proposer;
                uint64 salt;
                uint8 class;
                Call[] calls;
                string description;
            }

            struct Vote {
                address voter;
                Proposal proposal;
                uint8 choice;
                uint64 epoch;
                uint64 votingEnds;
                uint32 nonce;
            }

            struct Objection {
                address voter;
                Proposal proposal;
            }

            struct Decision {
                bytes32 proposalId;
                uint8 status;
                uint128 forWeight;
                uint128 againstWeight;
                uint128 abstainWeight;
            }

            struct InboxTaken {
                bytes32 groupId;
                uint64 index;
                bytes32 inboxHash;
                uint8 disposition;
            }
        }
    }

    #[test]
    fn what_is_signed_is_what_a_wallet_hashes() {
        let identity = sample_group(4).0.identity;
        let domain = identity.eip712_domain();
        let voter = AgentId::from([4; 20]);
        let calls = [
            Call::payment(AgentId::from([1; 20]), U256::from(5)),
            Call::new(AgentId::from([2; 20]), U256::ZERO, vec![1, 2, 3]),
        ];
        let calls = calls.map(|call| Call { allow_no_code: true, ..call });
        let proposal = proposal_id(&identity.group, voter, 7, 2, &calls, "tea");
        let shown = wallet::Proposal {
            groupId: identity.group.0,
            proposer: voter.0,
            salt: 7,
            class: 2,
            calls: calls
                .iter()
                .map(|call| wallet::Call {
                    target: call.target.0,
                    value: call.value,
                    gas: call.gas,
                    allowFailure: call.allow_failure,
                    allowNoCode: call.allow_no_code,
                    data: call.data.clone().into(),
                })
                .collect(),
            description: "tea".into(),
        };
        assert_eq!(wallet::Proposal::eip712_encode_type(), PROPOSAL_TYPE);
        assert_eq!(proposal.0, shown.eip712_hash_struct());
        assert_eq!(calls[1].struct_hash(), shown.calls[1].eip712_hash_struct());

        let vote =
            ChainVote { voter, proposal, choice: Choice::For, epoch: Epoch(3), voting_ends: 9, nonce: 1 };
        let signed = wallet::Vote {
            voter: voter.0,
            proposal: shown.clone(),
            choice: 1,
            epoch: 3,
            votingEnds: 9,
            nonce: 1,
        };
        assert_eq!(wallet::Vote::eip712_encode_type(), VOTE_TYPE);
        assert_eq!(vote.digest(&identity), signed.eip712_signing_hash(&domain));

        let signed = wallet::Objection { voter: voter.0, proposal: shown };
        assert_eq!(wallet::Objection::eip712_encode_type(), OBJECTION_TYPE);
        assert_eq!(Objection { voter, proposal }.digest(&identity), signed.eip712_signing_hash(&domain));

        let decision = Decision {
            proposal,
            status: DecisionStatus::Expired,
            for_weight: 1,
            against_weight: 2,
            abstain_weight: 3,
        };
        let signed = wallet::Decision {
            proposalId: proposal.0,
            status: 3,
            forWeight: 1,
            againstWeight: 2,
            abstainWeight: 3,
        };
        assert_eq!(wallet::Decision::eip712_encode_type(), DECISION_TYPE);
        assert_eq!(decision.digest(&identity).0, signed.eip712_signing_hash(&domain));

        let hash = Digest::from([8; 32]);
        let taken = InboxTaken { index: 5, hash, disposition: InboxDisposition::Opened };
        let signed =
            wallet::InboxTaken { groupId: identity.group.0, index: 5, inboxHash: hash.0, disposition: 5 };
        assert_eq!(wallet::InboxTaken::eip712_encode_type(), INBOX_TAKEN_TYPE);
        assert_eq!(taken.digest(&identity).0, signed.eip712_signing_hash(&domain));
    }
}
