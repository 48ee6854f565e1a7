//! The inbox: what the contract lays on a group from outside its own order.
//!
//! The contract keeps a hash chain of messages for each group, and anchors that skip an overdue one revert. So a
//! majority of replicas that ignores an agent, or the chain, cannot go on without that being seen. The replicas
//! take the messages into their log by commands ([`crate::operations::inbox`]).

use alloy_primitives::{U256, keccak256};
use alloy_sol_types::{SolValue as _, sol};
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::codec::bounded_bytes;
use crate::entry::{Entry, EntryStatus, InboxDisposition};
use crate::group::GroupIdentity;
use crate::ids::{AgentId, Digest, EntryIndex, ProposalId, Sequence, TimestampMs};
use crate::outcome::Outcome;
use crate::typed::{self, INBOX_TAKEN_TYPE, hash_struct};

/// The most bytes of a message's payload, as the contract takes it.
pub const MAX_INBOX_PAYLOAD_BYTES: usize = 16 * 1024;

/// The kind of a message that carries a command.
pub const KIND_COMMAND: u8 = 1;
/// The kind of a message that says that the on-chain lane has a proposal.
pub const KIND_PROPOSAL_OPENED: u8 = 2;
/// The kind of a message that says that a replica signed checkpoints that contradict each other.
pub const KIND_REPLICA_CONVICTED: u8 = 3;
/// The kind of a message that says that the on-chain lane is done with a proposal.
pub const KIND_PROPOSAL_CLOSED: u8 = 4;
/// The kind of a message that says that a replica has given notice.
pub const KIND_REPLICA_LEAVING: u8 = 5;
/// The kind of a message that says that a member has left.
pub const KIND_MEMBER_LEFT: u8 = 6;

/// A message of the contract's inbox. The contract vouches for the numbers and the sender; the payload of a
/// command is whatever somebody sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
    #[cfg_attr(feature = "openapi", schema(value_type = crate::schema::Hex))]
    pub payload: Vec<u8>,
}

/// What a message asks for, as far as it can be read without any state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InboxContent<'m> {
    /// The encoding of a signed command, or anything else that somebody passed for one.
    Command(&'m [u8]),
    /// What the contract tells.
    Event(InboxEvent),
    /// A payload that is not one of the message's kind.
    Malformed,
    /// A kind of a later version of the contract.
    Unknown,
}

/// What the contract tells the group by its inbox. The log has each as an entry of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum InboxEvent {
    /// The on-chain lane has a proposal, by its proposer or by the voters' signatures. If it is open in the log, this entry
    /// closes it there without a decision; and nobody can propose it there any more.
    #[n(0)]
    ProposalOpenedOnChain {
        /// The proposal.
        #[n(0)]
        proposal: ProposalId,
        /// Who proposed it.
        #[n(1)]
        proposer: AgentId,
        /// The class of decisions, by its place in the group's terms.
        #[n(2)]
        class: u8,
        /// The end of its voting, in seconds of Unix time.
        #[n(3)]
        voting_ends: u64,
        /// [`OnChainStatus::Open`], or [`OnChainStatus::Approved`] by signatures.
        #[n(4)]
        status: OnChainStatus,
    },
    /// The contract found that a replica signed checkpoints that contradict each other. It is no replica in any epoch
    /// that begins from here on, unless too few would remain.
    #[n(1)]
    ReplicaConvicted {
        /// The replica's account.
        #[n(0)]
        replica: AgentId,
    },
    /// The on-chain lane is done with a proposal. If it is open in the log, this entry closes it there without a decision.
    #[n(2)]
    ProposalClosedOnChain {
        /// The proposal.
        #[n(0)]
        proposal: ProposalId,
        /// [`OnChainStatus::Cancelled`], [`OnChainStatus::Revoked`] or [`OnChainStatus::Executed`].
        #[n(1)]
        status: OnChainStatus,
    },
    /// A replica has given notice: from then on its signature counts no more. It is no replica in any epoch that begins
    /// from here on, unless too few would remain.
    #[n(3)]
    ReplicaLeaving {
        /// The replica's account.
        #[n(0)]
        replica: AgentId,
        /// When its signature ceases to count, in seconds of Unix time.
        #[n(1)]
        exit_at: u64,
    },
    /// A member has left: its votes and proposals are refused from here on, in later epochs too, while it is a member.
    #[n(4)]
    MemberLeft {
        /// The member's account.
        #[n(0)]
        member: AgentId,
    },
}

/// Where a proposal of the on-chain lane stands, numbered as the contract does. That the time for its voting or its
/// execution is over is worked out from the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cbor(index_only)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum OnChainStatus {
    /// It takes votes.
    #[n(1)]
    Open = 1,
    /// It may be executed, once its timelock is over.
    #[n(2)]
    Approved = 2,
    /// The voters do not want it.
    #[n(3)]
    Rejected = 3,
    /// Its proposer withdrew it, or the log shows that it was refused there.
    #[n(4)]
    Cancelled = 4,
    /// Voters objected, or a decision took it back: it can never be executed.
    #[n(5)]
    Revoked = 5,
    /// It was executed.
    #[n(6)]
    Executed = 6,
}

impl OnChainStatus {
    /// The status with this number; nothing for 0, which says that there is no such proposal, and for unknown ones.
    pub fn from_number(number: u8) -> Option<Self> {
        use OnChainStatus::{Approved, Cancelled, Executed, Open, Rejected, Revoked};
        [Open, Approved, Rejected, Cancelled, Revoked, Executed].into_iter().find(|s| *s as u8 == number)
    }
}

mod payload {
    use super::sol;

    sol! {
        struct Opened {
            bytes32 proposalId;
            address proposer;
            uint8 class;
            uint64 votingEnds;
            uint8 status;
        }

        struct Closed {
            bytes32 proposalId;
            uint8 status;
        }

        struct Account {
            address account;
        }

        struct Leaving {
            address replica;
            uint64 exitAt;
        }
    }
}

impl InboxEvent {
    /// The kind of the message that tells it.
    pub fn kind(&self) -> u8 {
        match self {
            Self::ProposalOpenedOnChain { .. } => KIND_PROPOSAL_OPENED,
            Self::ReplicaConvicted { .. } => KIND_REPLICA_CONVICTED,
            Self::ProposalClosedOnChain { .. } => KIND_PROPOSAL_CLOSED,
            Self::ReplicaLeaving { .. } => KIND_REPLICA_LEAVING,
            Self::MemberLeft { .. } => KIND_MEMBER_LEFT,
        }
    }

    /// What becomes of the message that tells it.
    pub fn disposition(&self) -> InboxDisposition {
        match self {
            Self::ProposalOpenedOnChain { .. } => InboxDisposition::Opened,
            Self::ReplicaConvicted { .. } => InboxDisposition::Convicted,
            Self::ProposalClosedOnChain { .. } => InboxDisposition::Closed,
            Self::ReplicaLeaving { .. } => InboxDisposition::Leaving,
            Self::MemberLeft { .. } => InboxDisposition::Left,
        }
    }

    /// The payload of the message that tells it, as the contract writes it.
    pub fn payload(&self) -> Vec<u8> {
        let account = |account: AgentId| payload::Account { account: account.0 }.abi_encode();
        match *self {
            Self::ProposalOpenedOnChain { proposal, proposer, class, voting_ends, status } => {
                payload::Opened {
                    proposalId: proposal.0,
                    proposer: proposer.0,
                    class,
                    votingEnds: voting_ends,
                    status: status as u8,
                }
                .abi_encode()
            }
            Self::ProposalClosedOnChain { proposal, status } => {
                payload::Closed { proposalId: proposal.0, status: status as u8 }.abi_encode()
            }
            Self::ReplicaLeaving { replica, exit_at } => {
                payload::Leaving { replica: replica.0, exitAt: exit_at }.abi_encode()
            }
            Self::ReplicaConvicted { replica } => account(replica),
            Self::MemberLeft { member } => account(member),
        }
    }

    /// What a message of this kind and payload tells; nothing if the contract writes no such payload. Only for the kinds
    /// of events.
    fn decode(kind: u8, bytes: &[u8]) -> Option<Self> {
        let account =
            || payload::Account::abi_decode_validate(bytes).ok().map(|payload| AgentId(payload.account));
        let event = match kind {
            KIND_PROPOSAL_OPENED => {
                let opened = payload::Opened::abi_decode_validate(bytes).ok()?;
                let status = OnChainStatus::from_number(opened.status)?;
                if !matches!(status, OnChainStatus::Open | OnChainStatus::Approved) {
                    return None;
                }
                Self::ProposalOpenedOnChain {
                    proposal: ProposalId(opened.proposalId),
                    proposer: AgentId(opened.proposer),
                    class: opened.class,
                    voting_ends: opened.votingEnds,
                    status,
                }
            }
            KIND_REPLICA_CONVICTED => Self::ReplicaConvicted { replica: account()? },
            KIND_PROPOSAL_CLOSED => {
                let closed = payload::Closed::abi_decode_validate(bytes).ok()?;
                let status = OnChainStatus::from_number(closed.status)?;
                if matches!(status, OnChainStatus::Open | OnChainStatus::Approved | OnChainStatus::Rejected) {
                    return None;
                }
                Self::ProposalClosedOnChain { proposal: ProposalId(closed.proposalId), status }
            }
            KIND_REPLICA_LEAVING => {
                let leaving = payload::Leaving::abi_decode_validate(bytes).ok()?;
                Self::ReplicaLeaving { replica: AgentId(leaving.replica), exit_at: leaving.exitAt }
            }
            KIND_MEMBER_LEFT => Self::MemberLeft { member: account()? },
            _ => return None,
        };
        // One event has one payload, so nothing is behind it and no word has dirt in it.
        (event.payload() == bytes).then_some(event)
    }
}

/// A message of the inbox is taken: what its entry states, and a quorum with it. The contract asks for this of the last
/// message that an anchor takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cbor(map)]
pub struct InboxTaken {
    /// The message's position in the inbox.
    #[n(0)]
    pub index: u64,
    /// The inbox's chain hash after the message, which commits to all of it and to those before.
    #[n(1)]
    pub hash: Digest,
    /// What becomes of it.
    #[n(2)]
    pub disposition: InboxDisposition,
}

impl InboxTaken {
    /// The EIP-712 digest: the `subject` of its entry.
    pub fn digest(&self, identity: &GroupIdentity) -> Digest {
        let disposition = U256::from(self.disposition as u8);
        let words = (keccak256(INBOX_TAKEN_TYPE), identity.group.0, self.index, self.hash.0, disposition);
        Digest(typed::digest(identity, hash_struct(&words)))
    }

    /// Its entry at a place of the log, whose leaf the contract works out to see that the log has it.
    pub fn entry(
        &self,
        identity: &GroupIdentity,
        index: EntryIndex,
        sequence: Sequence,
        timestamp: TimestampMs,
    ) -> Entry {
        let (subject, outcome) = (self.digest(identity), Outcome::Recorded.digest());
        Entry { index, sequence, timestamp, status: EntryStatus::Recorded, subject, outcome }
    }
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
            KIND_PROPOSAL_OPENED..=KIND_MEMBER_LEFT => InboxEvent::decode(self.kind, &self.payload)
                .map_or(InboxContent::Malformed, InboxContent::Event),
            _ => InboxContent::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec;
    use crate::entry::{EntryBody, EntryRecord, SystemEvent};
    use crate::group::tests::sample_group;

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

    fn events() -> [InboxEvent; 5] {
        let (proposal, account) = (ProposalId::from([8; 32]), AgentId::from([9; 20]));
        [
            InboxEvent::ProposalOpenedOnChain {
                proposal,
                proposer: account,
                class: 7,
                voting_ends: 1_700_000_000,
                status: OnChainStatus::Open,
            },
            InboxEvent::ReplicaConvicted { replica: account },
            InboxEvent::ProposalClosedOnChain { proposal, status: OnChainStatus::Revoked },
            InboxEvent::ReplicaLeaving { replica: account, exit_at: 1_700_000_000 },
            InboxEvent::MemberLeft { member: account },
        ]
    }

    #[test]
    fn a_message_says_what_its_kind_and_payload_say() {
        for event in events() {
            let sent = message(event.kind(), event.payload());
            assert_eq!(sent.content(), InboxContent::Event(event));
        }
        assert_eq!(message(KIND_COMMAND, vec![]).content(), InboxContent::Command(&[]));
        for kind in [0, 7, 255] {
            assert_eq!(message(kind, events()[1].payload()).content(), InboxContent::Unknown);
        }
    }

    #[test]
    fn a_payload_of_an_event_has_one_form() {
        for event in events() {
            let payload = event.payload();
            let malformed = |payload: Vec<u8>| {
                assert_eq!(message(event.kind(), payload).content(), InboxContent::Malformed, "{event:?}");
            };
            malformed(vec![]);
            malformed(payload[..payload.len() - 1].to_vec());
            malformed([payload.as_slice(), &[0]].concat());
            malformed([payload.as_slice(), &[0; 32]].concat());
            // The word of an account, a class or a time has room for dirt; an id fills its word.
            for word in (0..payload.len()).step_by(32).filter(|word| payload[*word] == 0) {
                let mut dirty = payload.clone();
                dirty[word] = 1;
                malformed(dirty);
            }
        }
    }

    #[test]
    fn a_status_fits_what_the_message_tells() {
        let statuses: Vec<_> = (0..=u8::MAX).filter_map(OnChainStatus::from_number).collect();
        assert_eq!(statuses.iter().map(|status| *status as u8).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
        let told = |at: usize, number: u8| {
            let mut payload = events()[at].payload();
            *payload.last_mut().unwrap() = number;
            matches!(message(events()[at].kind(), payload).content(), InboxContent::Event(_))
        };
        let told = |at| (0..=7).filter(|number| told(at, *number)).collect::<Vec<_>>();
        assert_eq!(told(0), [1, 2], "opened");
        assert_eq!(told(2), [4, 5, 6], "closed");
    }

    #[test]
    fn what_the_contract_proves_is_the_entry_in_the_log() {
        let identity = sample_group(4).0.identity;
        let taken =
            InboxTaken { index: 4, hash: Digest::from([6; 32]), disposition: InboxDisposition::CarriedOut };
        let at = (EntryIndex(9), Sequence(5), TimestampMs(1_700_000_000_123));
        let body = EntryBody::System(SystemEvent::InboxTaken(taken));
        let record = EntryRecord::new(&identity, at.0, at.1, at.2, body, Outcome::Recorded);
        assert_eq!(taken.entry(&identity, at.0, at.1, at.2), record.entry);
        assert_eq!(record.check(&identity), Ok(()));
        let others = [
            InboxTaken { index: 5, ..taken },
            InboxTaken { hash: Digest::from([7; 32]), ..taken },
            InboxTaken { disposition: InboxDisposition::Duplicate, ..taken },
        ];
        for other in others {
            assert_ne!(other.digest(&identity), taken.digest(&identity), "{other:?}");
        }
    }

    #[test]
    fn an_event_is_an_entry_by_its_own_name() {
        let json = |event| serde_json::to_value(SystemEvent::OnChain(event)).unwrap();
        assert_eq!(json(events()[0])["event"], "proposal_opened_on_chain");
        assert_eq!(json(events()[4])["event"], "member_left");
        assert_eq!(json(events()[4])["member"], AgentId::from([9; 20]).to_string().to_lowercase());
    }
}
