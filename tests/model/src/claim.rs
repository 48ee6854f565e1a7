//! What a message claims, and the book in which every message of the model stands once.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::RwLock;

use quorate_pbft::message::{NewView, ViewChange};
use quorate_pbft::{Message, verify};
use quorate_protocol::keys::verify_all;
use quorate_protocol::{Digest, ReplicaIndex, Sequence, View};

use crate::group::Setting;

/// What a replica says about a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct About {
    /// In which view.
    pub view: View,
    /// At which sequence.
    pub sequence: Sequence,
    /// Of which batch.
    pub digest: Digest,
}

/// The sense of a message. Two messages of one sense differ at most in the quorum that stands under a
/// certificate or a NEW-VIEW. The core heeds that in verification alone, so one of them stands for both.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Claim {
    /// The primary of the view proposes the batch.
    PrePrepare(About),
    /// The replica prepares it.
    Prepare(ReplicaIndex, About),
    /// The replica commits it.
    Commit(ReplicaIndex, About),
    /// The replica asks for the view and shows what it has prepared.
    ViewChange(ReplicaIndex, View, Vec<About>),
    /// The primary of the view opens it and proposes batches again.
    NewView(View, Vec<About>),
    /// The batch itself.
    BatchReply(Digest),
}

impl Claim {
    /// The claim of `message`; nothing for messages that only help along: statuses, requests, forwarded
    /// commands. In this model they are lost.
    pub fn of(message: &Message, setting: &Setting) -> Option<Self> {
        Some(match message {
            Message::PrePrepare(said) => {
                let (view, sequence, digest) = (said.view, said.sequence, said.digest);
                Self::PrePrepare(About { view, sequence, digest })
            }
            Message::Prepare(vote) => {
                let (view, sequence, digest) = (vote.view, vote.sequence, vote.digest);
                Self::Prepare(vote.replica, About { view, sequence, digest })
            }
            Message::Commit(vote) => {
                let (view, sequence, digest) = (vote.view, vote.sequence, vote.digest);
                Self::Commit(vote.replica, About { view, sequence, digest })
            }
            Message::ViewChange(ViewChange { view, prepared, replica, .. }) => {
                let prepared = prepared.iter().map(|certificate| About {
                    view: certificate.view,
                    sequence: certificate.sequence,
                    digest: certificate.digest,
                });
                Self::ViewChange(*replica, *view, prepared.collect())
            }
            Message::NewView(NewView { view, reproposals, .. }) => {
                let proposed = reproposals.iter().map(|again| About {
                    view: *view,
                    sequence: again.sequence,
                    digest: again.digest,
                });
                Self::NewView(*view, proposed.collect())
            }
            Message::BatchReply(batch) => Self::BatchReply(batch.digest(&setting.context)),
            Message::Checkpoint(_)
            | Message::Stable(_)
            | Message::Status(_)
            | Message::CatchUpRequest(_)
            | Message::CatchUp(_)
            | Message::BatchRequest(_)
            | Message::Forward(_) => return None,
        })
    }

    /// The claim in words.
    pub(crate) fn describe(&self, setting: &Setting) -> String {
        let of = |about: &About| {
            format!("{} at {} in view {}", setting.name(about.digest), about.sequence, about.view)
        };
        let list = |all: &[About]| all.iter().map(of).collect::<Vec<_>>().join(" and ");
        match self {
            Self::PrePrepare(about) => format!("PRE-PREPARE of {}", of(about)),
            Self::Prepare(by, about) => format!("PREPARE by {by} of {}", of(about)),
            Self::Commit(by, about) => format!("COMMIT by {by} of {}", of(about)),
            Self::ViewChange(by, view, shown) => {
                format!("VIEW-CHANGE by {by} to {view} with [{}]", list(shown))
            }
            Self::NewView(view, proposed) => format!("NEW-VIEW {view} with [{}]", list(proposed)),
            Self::BatchReply(digest) => format!("the batch {}", setting.name(*digest)),
        }
    }

    /// Over whose link the message comes: whoever must have signed it. Anybody may hand a batch over; the
    /// faulty replica does.
    pub fn sender(&self, setting: &Setting, faulty: ReplicaIndex) -> ReplicaIndex {
        match self {
            Self::PrePrepare(about) => setting.primary(about.view),
            Self::Prepare(by, _) | Self::Commit(by, _) | Self::ViewChange(by, ..) => *by,
            Self::NewView(view, _) => setting.primary(*view),
            Self::BatchReply(_) => faulty,
        }
    }
}

/// The number of a message in the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(u16);

/// A set of messages.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Messages([u64; Self::WORDS]);

impl Messages {
    const WORDS: usize = 6;
    const CAPACITY: usize = Self::WORDS * 64;

    /// Adds `id`; whether it was missing.
    pub fn insert(&mut self, id: MessageId) -> bool {
        let word = &mut self.0[usize::from(id.0) / 64];
        let before = *word;
        *word |= 1 << (id.0 % 64);
        *word != before
    }

    /// Adds what is there.
    pub fn extend(&mut self, id: Option<MessageId>) {
        if let Some(id) = id {
            self.insert(id);
        }
    }

    /// Those of either.
    pub fn union(mut self, other: &Self) -> Self {
        for (word, other) in self.0.iter_mut().zip(other.0) {
            *word |= other;
        }
        self
    }

    /// The messages in the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = MessageId> + '_ {
        self.0.iter().enumerate().flat_map(|(at, &word)| {
            let mut rest = word;
            std::iter::from_fn(move || {
                (rest != 0).then(|| {
                    let bit = rest.trailing_zeros() as usize;
                    rest &= rest - 1;
                    MessageId(u16::try_from(at * 64 + bit).expect("the capacity is small"))
                })
            })
        })
    }
}

impl fmt::Debug for Messages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(|id| id.0)).finish()
    }
}

/// A message with what it claims.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What it claims.
    pub claim: Claim,
    /// Over whose link it comes.
    pub from: ReplicaIndex,
    /// One message that claims it.
    pub message: Message,
}

/// Every message of a model, each claim once.
#[derive(Debug, Default)]
pub struct Book {
    entries: RwLock<(Vec<Entry>, BTreeMap<Claim, MessageId>)>,
}

impl Book {
    /// The number of what `claim` stands for; `message` is asked for one if the book has none yet. Nothing if
    /// the message does not pass [`verify::checks`] and every signature check that they call for: then no
    /// correct replica's core would be shown it.
    ///
    /// # Panics
    /// When there are more messages than [`Messages`] can hold.
    pub fn enter(
        &self,
        setting: &Setting,
        faulty: ReplicaIndex,
        claim: Claim,
        check: bool,
        message: impl FnOnce() -> Message,
    ) -> Option<MessageId> {
        if let Some(&known) = self.entries.read().expect("no panic while writing").1.get(&claim) {
            return Some(known);
        }
        let message = message();
        let from = claim.sender(setting, faulty);
        debug_assert_eq!(Claim::of(&message, setting).as_ref(), Some(&claim), "the message claims this");
        let passes = || {
            let checks = verify::checks(&setting.context, from, &message);
            checks.is_ok_and(|checks| verify_all(&checks.all()))
        };
        if check && !passes() {
            return None;
        }
        let mut entries = self.entries.write().expect("no panic while writing");
        let (list, ids) = &mut *entries;
        if let Some(&known) = ids.get(&claim) {
            return Some(known);
        }
        assert!(list.len() < Messages::CAPACITY, "a model has a few hundred messages");
        let id = MessageId(u16::try_from(list.len()).expect("the capacity is small"));
        list.push(Entry { claim: claim.clone(), from, message });
        ids.insert(claim, id);
        Some(id)
    }

    /// The message with this number.
    pub fn entry(&self, id: MessageId) -> Entry {
        self.entries.read().expect("no panic while writing").0[usize::from(id.0)].clone()
    }

    /// How many messages there are.
    pub(crate) fn len(&self) -> usize {
        self.entries.read().expect("no panic while writing").0.len()
    }

    /// What these messages claim.
    pub fn claims(&self, messages: &Messages) -> Vec<Claim> {
        let entries = self.entries.read().expect("no panic while writing");
        messages.iter().map(|id| entries.0[usize::from(id.0)].claim.clone()).collect()
    }
}
