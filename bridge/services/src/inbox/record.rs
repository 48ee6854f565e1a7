//! What the state holds of the inbox.

use minicbor::{Decode, Encode};
use quorate_protocol::entry::InboxDisposition;
use quorate_protocol::{AgentId, Digest, EntryIndex, Epoch, InboxEvent, Sequence, TimestampMs};

use crate::state::View;

/// How far the inbox is taken, at `h`.
#[derive(Clone, Copy, Default, Encode, Decode)]
#[cbor(map)]
pub(super) struct Head {
    /// How many messages are taken.
    #[n(0)]
    pub(super) taken: u64,
    /// The chain's hash after the last of them.
    #[n(1)]
    pub(super) hash: Digest,
}

impl Head {
    pub(super) const KEY: &[u8] = b"h";

    pub(super) fn read(state: View<'_>) -> Self {
        state.read(Self::KEY).unwrap_or_default()
    }
}

/// The entry of the last message that was taken, at `e`: what the contract is shown of it when it takes an anchor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct TakenEntry {
    /// The entry's number.
    #[n(0)]
    pub index: EntryIndex,
    /// The sequence that committed it.
    #[n(1)]
    pub sequence: Sequence,
    /// The batch's time.
    #[n(2)]
    pub timestamp: TimestampMs,
    /// What became of the message.
    #[n(3)]
    pub disposition: InboxDisposition,
}

impl TakenEntry {
    pub(super) const KEY: &[u8] = b"e";

    pub(super) fn read(state: View<'_>) -> Option<Self> {
        state.read(Self::KEY)
    }
}

/// What the contract told by a message, at `o ||` the message's index, with the entry that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(super) struct Told {
    #[n(0)]
    pub(super) entry: EntryIndex,
    #[n(1)]
    pub(super) event: InboxEvent,
}

impl Told {
    pub(super) const STEM: &[u8] = b"o";

    pub(super) fn key(message: u64) -> Vec<u8> {
        [Self::STEM, &message.to_be_bytes()].concat()
    }
}

/// What a replica said of messages that are not taken yet, at `w || account`. There is none of no messages.
#[derive(Clone, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Word {
    /// The epoch in which it was said.
    #[n(0)]
    pub(super) epoch: Epoch,
    /// The index of the first message.
    #[n(1)]
    pub(super) first: u64,
    /// The chain's hash after each message.
    #[n(2)]
    pub(super) hashes: Vec<Digest>,
}

impl Word {
    pub(super) fn key(replica: AgentId) -> Vec<u8> {
        [b"w", replica.as_bytes().as_slice()].concat()
    }

    pub(super) fn read(state: View<'_>, replica: AgentId) -> Option<Self> {
        state.read(&Self::key(replica))
    }

    /// All words, those that do not count any more included.
    pub(super) fn all(state: View<'_>) -> impl Iterator<Item = (AgentId, Self)> {
        state.scan(b"w").map(|(key, word)| {
            let replica: [u8; 20] = key[1..].try_into().expect("a word's key ends with its replica");
            (AgentId::from(replica), word)
        })
    }

    /// The chain's hash after the message at `index`.
    pub(crate) fn at(&self, index: u64) -> Option<Digest> {
        let at = usize::try_from(index.checked_sub(self.first)?).ok()?;
        self.hashes.get(at).copied()
    }

    /// The hashes after that of the message at `index`, which this word speaks of.
    pub(super) fn after(&self, index: u64) -> impl Iterator<Item = Digest> {
        let skip = usize::try_from(index - self.first).expect("a word speaks of few messages") + 1;
        self.hashes.iter().copied().skip(skip)
    }

    /// The part of the word that speaks of the messages from `index` on; nothing if it speaks of none.
    pub(super) fn from(&self, index: u64) -> Option<Self> {
        let hashes: Vec<_> = (index..).map_while(|index| self.at(index)).collect();
        (!hashes.is_empty()).then_some(Self { epoch: self.epoch, first: index, hashes })
    }

    /// The epoch in which it was said.
    pub(crate) fn epoch(&self) -> Epoch {
        self.epoch
    }
}
