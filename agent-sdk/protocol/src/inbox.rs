//! The inbox: what the contract lays on a group from outside its own order.
//!
//! The contract keeps a hash chain of messages for each group, and anchors that skip an overdue one revert. So a
//! majority of replicas that ignores an agent, or the chain, cannot go on without that being seen. The replicas
//! take the messages into their log by commands ([`crate::operations::inbox`]).

use alloy_primitives::keccak256;
use alloy_sol_types::{SolValue as _, sol};
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::codec::bounded_bytes;
use crate::ids::{AgentId, Digest, ProposalId};

/// The most bytes of a message's payload, as the contract takes it.
pub const MAX_INBOX_PAYLOAD_BYTES: usize = 16 * 1024;

/// The kind of a message that carries a command.
pub const KIND_COMMAND: u8 = 1;
/// The kind of a message that says that a proposal was executed in the on-chain lane.
pub const KIND_PROPOSAL_EXECUTED: u8 = 2;
/// The kind of a message that says that a replica signed two checkpoints of one sequence.
pub const KIND_REPLICA_CONVICTED: u8 = 3;

/// A message of the contract's inbox. The contract vouches for the numbers and the sender; the payload of a
/// command is whatever somebody sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cbor(map)]
pub struct InboxMessage {
    /// The message's position in the inbox, from 0.
    #[n(0)]
    pub index: u64,
    /// What it is: [`KIND_COMMAND`] and the others; kinds that are not known are taken in and ignored.
    #[n(1)]
    pub kind: u8,
    /// Who enqueued it.
    #[n(2)]
    pub sender: AgentId,
    /// The time of the block that enqueued it, in Unix seconds.
    #[n(3)]
    pub enqueued_at: u64,
    /// What it says.
    #[cbor(
        n(4),
        encode_with = "minicbor::bytes::encode",
        decode_with = "bounded_bytes::<Ctx, MAX_INBOX_PAYLOAD_BYTES>"
    )]
    #[serde(with = "alloy_primitives::hex")]
    pub payload: Vec<u8>,
}

/// What a message asks for, as far as it can be read without any state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InboxContent<'m> {
    /// The encoding of a signed command, or anything else that somebody passed for one.
    Command(&'m [u8]),
    /// The contract executed this proposal in the on-chain lane.
    ProposalExecuted(ProposalId),
    /// The contract found that this replica signed two checkpoints of one sequence.
    ReplicaConvicted(AgentId),
    /// A payload that is not one of the message's kind.
    Malformed,
    /// A kind of a later version of the contract.
    Unknown,
}

sol! {
    struct InboxLink {
        bytes32 before;
        uint64 index;
        uint8 kind;
        address sender;
        uint64 enqueuedAt;
        bytes32 payloadHash;
    }
}

impl InboxMessage {
    /// The chain's hash after this message, where it is `before` ahead of it:
    /// `keccak256(abi.encode(before, index, kind, sender, enqueuedAt, keccak256(payload)))`. An empty chain has
    /// the hash zero.
    pub fn chain_hash(&self, before: Digest) -> Digest {
        let link = InboxLink {
            before: before.0,
            index: self.index,
            kind: self.kind,
            sender: self.sender.0,
            enqueuedAt: self.enqueued_at,
            payloadHash: keccak256(&self.payload),
        };
        Digest(keccak256(link.abi_encode()))
    }

    /// What the message asks for.
    pub fn content(&self) -> InboxContent<'_> {
        match self.kind {
            KIND_COMMAND => InboxContent::Command(&self.payload),
            KIND_PROPOSAL_EXECUTED => match <[u8; 32]>::try_from(self.payload.as_slice()) {
                Ok(id) => InboxContent::ProposalExecuted(ProposalId::from(id)),
                Err(_) => InboxContent::Malformed,
            },
            // `abi.encode(address)` is the address behind twelve zero bytes.
            KIND_REPLICA_CONVICTED => match self.payload.split_first_chunk::<12>() {
                Some(([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], address)) => <[u8; 20]>::try_from(address)
                    .map_or(InboxContent::Malformed, |address| {
                        InboxContent::ReplicaConvicted(AgentId::from(address))
                    }),
                _ => InboxContent::Malformed,
            },
            _ => InboxContent::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec;

    fn message(kind: u8, payload: Vec<u8>) -> InboxMessage {
        InboxMessage { index: 3, kind, sender: AgentId::from([5; 20]), enqueued_at: 1_700_000_000, payload }
    }

    #[test]
    fn a_message_survives_its_encoding_and_is_bounded() {
        let sent = message(KIND_COMMAND, vec![7; MAX_INBOX_PAYLOAD_BYTES]);
        assert_eq!(codec::decode(&codec::encode(&sent), 1 << 15), Ok(sent));
        let long = message(KIND_COMMAND, vec![7; MAX_INBOX_PAYLOAD_BYTES + 1]);
        assert!(codec::decode::<InboxMessage>(&codec::encode(&long), 1 << 15).is_err());
    }

    #[test]
    fn a_chain_hash_binds_every_field() {
        let one = message(KIND_COMMAND, vec![1, 2, 3]);
        let hash = one.chain_hash(Digest::default());
        let others = [
            InboxMessage { index: 4, ..one.clone() },
            InboxMessage { kind: 2, ..one.clone() },
            InboxMessage { sender: AgentId::from([6; 20]), ..one.clone() },
            InboxMessage { enqueued_at: 1, ..one.clone() },
            InboxMessage { payload: vec![], ..one.clone() },
        ];
        for other in others {
            assert_ne!(other.chain_hash(Digest::default()), hash, "{other:?}");
        }
        assert_ne!(one.chain_hash(hash), hash);
    }

    #[test]
    fn a_message_says_what_its_kind_and_payload_say() {
        let content = |kind, payload: &[u8]| match message(kind, payload.to_vec()).content() {
            InboxContent::Command(bytes) => format!("command of {}", bytes.len()),
            other => format!("{other:?}"),
        };
        let address = AgentId::from([9; 20]);
        let word = [&[0; 12], address.as_bytes().as_slice()].concat();
        let id = ProposalId::from([8; 32]);
        assert_eq!(content(1, &[]), "command of 0");
        assert_eq!(content(2, id.as_bytes()), format!("ProposalExecuted({id:?})"));
        assert_eq!(content(3, &word), format!("ReplicaConvicted({address:?})"));
        let mut dirty = word.clone();
        dirty[11] = 1;
        for payload in [&word[..31], &dirty, &[word.as_slice(), &[0]].concat(), &[]] {
            assert_eq!(content(3, payload), "Malformed");
        }
        assert_eq!(content(2, &[1; 31]), "Malformed");
        assert_eq!(content(0, &word), "Unknown");
        assert_eq!(content(4, &word), "Unknown");
    }
}
