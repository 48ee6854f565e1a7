//! Entries: one committed command, decision or system event with its outcome, and its leaf in the log.

use alloy_primitives::B256;
use alloy_sol_types::{SolValue, sol};
use minicbor::decode::Error as DecodeError;
use minicbor::encode::{Error as EncodeError, Write};
use minicbor::{Decode, Decoder, Encode, Encoder};
use serde::{Deserialize, Serialize};

use crate::codec;
use crate::command::{CommandError, SignedCommand};
use crate::domain;
use crate::group::GroupIdentity;
use crate::ids::{Digest, EntryIndex, Epoch, Sequence, TimestampMs};
use crate::inbox::{InboxEvent, InboxTaken};
use crate::merkle;
use crate::outcome::Outcome;
use crate::proposal::{DecisionRecord, DecisionStatus};
use crate::terms::Terms;

/// The length of a leaf: seven words.
pub const LEAF_BYTES: usize = 224;
/// The most bytes of an encoded [`EntryRecord`].
pub const MAX_ENTRY_RECORD_BYTES: usize = 1024 * 1024;

/// What an entry records. The number is in the leaf; 0 is never valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum EntryKind {
    /// A command; the subject is its digest.
    Command = 1,
    /// A closed proposal; the subject is the EIP-712 digest of its decision.
    Decision = 2,
    /// What happened to the group itself; the subject is the event's digest.
    System = 3,
}

/// How what an entry records turned out. It implies the entry's kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum EntryStatus {
    /// The command took effect.
    Applied,
    /// The command had no effect.
    Refused,
    /// A proposal closed.
    Decided(DecisionStatus),
    /// A system event.
    Recorded,
}

impl EntryStatus {
    /// The kind of entry that has this status.
    pub fn kind(self) -> EntryKind {
        match self {
            Self::Applied | Self::Refused => EntryKind::Command,
            Self::Decided(_) => EntryKind::Decision,
            Self::Recorded => EntryKind::System,
        }
    }

    /// The number in the leaf; its meaning depends on the kind.
    pub fn code(self) -> u8 {
        match self {
            Self::Applied | Self::Recorded => 1,
            Self::Refused => 2,
            Self::Decided(status) => status as u8,
        }
    }

    /// The status that a leaf's kind and status numbers stand for.
    pub fn from_codes(kind: u8, status: u8) -> Option<Self> {
        Some(match (kind, status) {
            (1, 1) => Self::Applied,
            (1, 2) => Self::Refused,
            (2, 1) => Self::Decided(DecisionStatus::Approved),
            (2, 2) => Self::Decided(DecisionStatus::Rejected),
            (2, 3) => Self::Decided(DecisionStatus::Expired),
            (2, 4) => Self::Decided(DecisionStatus::Cancelled),
            (3, 1) => Self::Recorded,
            _ => return None,
        })
    }
}

/// `[kind, status]`, as in the leaf.
impl<C> Encode<C> for EntryStatus {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        e.array(2)?.u8(self.kind() as u8)?.u8(self.code())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for EntryStatus {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        if d.array()? != Some(2) {
            return Err(DecodeError::message("an entry status is [kind, status]"));
        }
        Self::from_codes(d.u8()?, d.u8()?).ok_or_else(|| DecodeError::message("no such kind and status"))
    }
}

/// What the log commits to. Bodies stay outside, so they can be erased while the proof remains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cbor(map)]
pub struct Entry {
    /// The entry's position in the log, from 0.
    #[n(0)]
    pub index: EntryIndex,
    /// The batch that made it; 0 for the genesis entry.
    #[n(1)]
    pub sequence: Sequence,
    /// The batch's time.
    #[n(2)]
    pub timestamp: TimestampMs,
    /// What it records and how that turned out.
    #[n(3)]
    pub status: EntryStatus,
    /// What it is about; see [`EntryKind`].
    #[n(4)]
    pub subject: Digest,
    /// The digest of the typed [`Outcome`].
    #[n(5)]
    pub outcome: Digest,
}

sol! {
    struct SolEntry {
        uint64 index;
        uint64 sequence;
        uint64 timestampMs;
        uint8 kind;
        uint8 status;
        bytes32 subject;
        bytes32 outcome;
    }
}

impl Entry {
    /// The Solidity ABI encoding that the log's leaf hash covers.
    pub fn leaf(&self) -> [u8; LEAF_BYTES] {
        let encoded = SolEntry {
            index: self.index.0,
            sequence: self.sequence.0,
            timestampMs: self.timestamp.0,
            kind: self.status.kind() as u8,
            status: self.status.code(),
            subject: self.subject.0,
            outcome: self.outcome.0,
        }
        .abi_encode();
        encoded.try_into().expect("seven static words are 224 bytes")
    }

    /// RFC 9162 leaf hash of [`Self::leaf`].
    pub fn leaf_hash(&self) -> Digest {
        merkle::leaf_hash(&self.leaf())
    }
}

/// What happened to the group itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum SystemEvent {
    /// The first entry of every log.
    #[n(0)]
    Genesis {
        /// Where the group lives.
        #[n(0)]
        identity: GroupIdentity,
        /// The hash of the first epoch's members, as the contract computes it.
        #[n(1)]
        members_hash: Digest,
        /// What the group agreed on.
        #[n(2)]
        terms: Terms,
    },
    /// A new set of members holds from here on.
    #[n(1)]
    EpochStarted {
        /// The new epoch.
        #[n(0)]
        epoch: Epoch,
        /// The hash of its members, as the contract computes it.
        #[n(1)]
        members_hash: Digest,
    },
    /// A message of the contract's inbox is taken. What it asked for follows, as entries of their own. The contract itself
    /// reads this entry: its subject is [`InboxTaken::digest`].
    #[n(2)]
    InboxTaken(#[n(0)] InboxTaken),
    /// What the contract told by its inbox.
    #[n(3)]
    #[serde(untagged)]
    OnChain(#[n(0)] InboxEvent),
}

/// What becomes of a message of the contract's inbox. The number is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[cbor(index_only)]
#[repr(u8)]
pub enum InboxDisposition {
    /// The command is carried out: the next entry is the command's.
    #[n(0)]
    CarriedOut = 0,
    /// The command was executed before: nothing follows.
    #[n(1)]
    Duplicate = 1,
    /// The command is sound, but nothing binds it to the group or tells it from a replay: nothing follows.
    #[n(2)]
    Dropped = 2,
    /// The payload is none of its kind, or a command that is for another group or badly signed: nothing follows.
    #[n(3)]
    Malformed = 3,
    /// A kind that is not known: nothing follows.
    #[n(4)]
    Unknown = 4,
    /// The next entry is [`InboxEvent::ProposalOpenedOnChain`].
    #[n(5)]
    Opened = 5,
    /// The next entry is [`InboxEvent::ReplicaConvicted`].
    #[n(6)]
    Convicted = 6,
    /// The next entry is [`InboxEvent::ProposalClosedOnChain`].
    #[n(7)]
    Closed = 7,
    /// The next entry is [`InboxEvent::ReplicaLeaving`].
    #[n(8)]
    Leaving = 8,
    /// The next entry is [`InboxEvent::MemberLeft`].
    #[n(9)]
    Left = 9,
}

impl InboxDisposition {
    /// Whether the next entry carries the message out.
    pub fn is_followed(&self) -> bool {
        !matches!(self, Self::Duplicate | Self::Dropped | Self::Malformed | Self::Unknown)
    }
}

impl SystemEvent {
    /// The subject of the event's entry: for a message that is taken, what the contract works out too; for the others
    /// SHA-256 over the domain string, a zero byte and the encoding.
    pub fn digest(&self, identity: &GroupIdentity) -> Digest {
        match self {
            Self::InboxTaken(taken) => taken.digest(identity),
            Self::Genesis { .. } | Self::EpochStarted { .. } | Self::OnChain(_) => {
                Digest::of(&[domain::SYSTEM.as_bytes(), &[0], &codec::encode(self)])
            }
        }
    }
}

/// What an entry is about, in full.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", content = "body", rename_all = "snake_case")]
pub enum EntryBody {
    /// The command with its agent's signature.
    #[n(1)]
    Command(#[n(0)] SignedCommand),
    /// The decision with its proposal.
    #[n(2)]
    Decision(#[n(0)] Box<DecisionRecord>),
    /// The event.
    #[n(3)]
    System(#[n(0)] SystemEvent),
}

impl EntryBody {
    /// The subject that an entry about this body has.
    pub fn subject(&self, identity: &GroupIdentity) -> Digest {
        match self {
            Self::Command(command) => command.digest(),
            Self::Decision(record) => record.decision.digest(identity),
            Self::System(event) => event.digest(identity),
        }
    }
}

/// An entry with everything that its hashes stand for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cbor(map)]
pub struct EntryRecord {
    /// The entry.
    #[n(0)]
    pub entry: Entry,
    /// What it is about.
    #[n(1)]
    pub body: EntryBody,
    /// What became of it.
    #[n(2)]
    pub outcome: Outcome,
}

/// A record that contradicts itself or its signature.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum EntryError {
    /// The body is not what the entry is about.
    #[error("entry {index}: the body hashes to {found}, the entry's subject is {expected}")]
    Subject {
        /// The entry.
        index: EntryIndex,
        /// The entry's subject.
        expected: Digest,
        /// The body's.
        found: Digest,
    },
    /// The outcome is not the entry's.
    #[error("entry {index}: the outcome hashes to {found}, the entry's outcome is {expected}")]
    Outcome {
        /// The entry.
        index: EntryIndex,
        /// The entry's outcome.
        expected: Digest,
        /// The given outcome's.
        found: Digest,
    },
    /// Kind or status contradict the body or the outcome.
    #[error("entry {index}: status {status:?} does not fit its body and outcome")]
    Status {
        /// The entry.
        index: EntryIndex,
        /// The entry's status.
        status: EntryStatus,
    },
    /// The decision does not fit its own proposal.
    #[error("entry {index}: the decision is not about the proposal beside it")]
    Decision {
        /// The entry.
        index: EntryIndex,
    },
    /// The command is not signed, or for another group.
    #[error("entry {index}: {error}")]
    Command {
        /// The entry.
        index: EntryIndex,
        /// What is wrong with the command.
        error: CommandError,
    },
}

impl EntryRecord {
    /// Makes the record of `body` with `outcome`.
    ///
    /// # Panics
    /// When the outcome is of another kind: a command is applied or refused, everything else is recorded.
    pub fn new(
        identity: &GroupIdentity,
        index: EntryIndex,
        sequence: Sequence,
        timestamp: TimestampMs,
        body: EntryBody,
        outcome: Outcome,
    ) -> Self {
        let status =
            implied_status(&body, &outcome).expect("the caller gives the body an outcome of its kind");
        let entry = Entry {
            index,
            sequence,
            timestamp,
            status,
            subject: body.subject(identity),
            outcome: outcome.digest(),
        };
        Self { entry, body, outcome }
    }

    /// Checks everything that the record says about itself: that body and outcome are those that the entry
    /// commits to, and that a command's agent signed it. Whether the log holds the entry is for an inclusion
    /// proof to say.
    ///
    /// # Errors
    /// The first contradiction.
    pub fn check(&self, identity: &GroupIdentity) -> Result<(), EntryError> {
        self.check_unsigned(identity)?;
        if let EntryBody::Command(command) = &self.body
            && !command.signature_check().verify()
        {
            return Err(EntryError::Command { index: self.entry.index, error: CommandError::BadSignature });
        }
        Ok(())
    }

    /// As [`Self::check`], but leaves a command's signature to the caller, who batches such checks.
    pub fn check_unsigned(&self, identity: &GroupIdentity) -> Result<(), EntryError> {
        let Entry { index, subject, outcome, status, .. } = self.entry;
        let found = self.body.subject(identity);
        if found != subject {
            return Err(EntryError::Subject { index, expected: subject, found });
        }
        let found = self.outcome.digest();
        if found != outcome {
            return Err(EntryError::Outcome { index, expected: outcome, found });
        }
        if implied_status(&self.body, &self.outcome) != Some(status) {
            return Err(EntryError::Status { index, status });
        }
        match &self.body {
            EntryBody::Command(command) => {
                command.check_shape(&identity.group).map_err(|error| EntryError::Command { index, error })
            }
            EntryBody::Decision(record) if !record.is_consistent(&identity.group) => {
                Err(EntryError::Decision { index })
            }
            EntryBody::Decision(_) | EntryBody::System(_) => Ok(()),
        }
    }
}

/// The status that follows from body and outcome; nothing where the two do not belong together.
fn implied_status(body: &EntryBody, outcome: &Outcome) -> Option<EntryStatus> {
    match (body, outcome) {
        (EntryBody::Command(_), Outcome::Applied { .. }) => Some(EntryStatus::Applied),
        (EntryBody::Command(_), Outcome::Refused { .. }) => Some(EntryStatus::Refused),
        (EntryBody::Decision(record), Outcome::Recorded) => {
            Some(EntryStatus::Decided(record.decision.status))
        }
        (EntryBody::System(_), Outcome::Recorded) => Some(EntryStatus::Recorded),
        _ => None,
    }
}

impl From<Digest> for B256 {
    fn from(digest: Digest) -> Self {
        digest.0
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::group::tests::sample_group;

    pub(crate) fn sample_record(index: u64) -> EntryRecord {
        let (group, _) = sample_group(4);
        let event =
            SystemEvent::EpochStarted { epoch: Epoch(index), members_hash: Digest(group.members_hash()) };
        EntryRecord::new(
            &group.identity,
            EntryIndex(index),
            Sequence(index),
            TimestampMs(1_700_000_000_000 + index),
            EntryBody::System(event),
            Outcome::Recorded,
        )
    }

    #[test]
    fn a_record_contradicts_every_change_of_itself() {
        let (group, _) = sample_group(4);
        let record = sample_record(3);
        assert_eq!(record.check(&group.identity), Ok(()));

        let mut other_body = record.clone();
        other_body.body = sample_record(4).body;
        assert!(matches!(other_body.check(&group.identity), Err(EntryError::Subject { .. })));

        let mut other_outcome = record.clone();
        other_outcome.outcome = Outcome::Applied { results: vec![] };
        assert!(matches!(other_outcome.check(&group.identity), Err(EntryError::Outcome { .. })));

        let mut other_status = record;
        other_status.entry.status = EntryStatus::Applied;
        assert!(matches!(other_status.check(&group.identity), Err(EntryError::Status { .. })));
    }

    #[test]
    fn every_status_has_its_own_codes() {
        for kind in 0..=4 {
            for code in 0..=5 {
                if let Some(status) = EntryStatus::from_codes(kind, code) {
                    assert_eq!((status.kind() as u8, status.code()), (kind, code));
                }
            }
        }
        assert_eq!(EntryStatus::from_codes(0, 0), None);
    }
}
