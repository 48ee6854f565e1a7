//! The contract's inbox: saying what this node's own view of the chain has, until the group has taken it.
//!
//! What a node reads from the chain changes nothing by itself: the node signs a command with its agent key, as any
//! agent does, and hands it to consensus as a client's. So a primary that ignores it is replaced, and what a quorum
//! said is taken by all at one place of the order (see the inbox service).
//!
//! The first quorum of replicas speaks at once, in an order that goes on with every message taken; the others only
//! when nothing was taken for a while, so that the log holds no more copies than needed.

use std::sync::Arc;

use quorate_pbft::{Event, Now};
use quorate_protocol::faults::{self, Fault};
use quorate_protocol::inbox::KIND_COMMAND;
use quorate_protocol::operations::ServiceOperation as _;
use quorate_protocol::operations::inbox::{InboxOperation, Observe};
use quorate_protocol::{AgentId, Command, Digest, InboxMessage, SignedCommand, Verified};
use quorate_services::Admission;

use super::{NOT_POISONED, NodeCore, Storage};
use crate::anchored::InboxView;
use crate::error::NodeError;

/// How long the replicas behind the first quorum wait for what they saw to be taken, in milliseconds.
const PATIENCE_MS: u64 = 2_000;
/// How long a word may be on its way before another is signed, in milliseconds.
const EXPIRY_MS: u64 = 60_000;
/// How long a replica whose word was refused or expired waits before the next, in milliseconds.
const PAUSE_MS: u64 = 2_000;
/// How often a word on its way is offered to consensus again, which may have had no room for it, in milliseconds.
const OFFER_MS: u64 = 5_000;

/// What this node saw of the inbox, and what it says of it.
#[derive(Debug, Default)]
pub(super) struct InboxWatch {
    view: InboxView,
    /// How many messages the executed state has taken.
    taken: u64,
    /// Since when nothing of what this node saw was taken.
    waiting_since_ms: Option<u64>,
    /// The word on what is seen and not taken, if anything is.
    word: Option<Word>,
    under_way: Option<UnderWay>,
    paused_until_ms: u64,
    /// When time alone makes a difference.
    due_ms: Option<u64>,
}

/// What is to be said: messages, and the chain's hash after the last of them.
#[derive(Clone, Debug)]
struct Word {
    observe: Observe,
    last: (u64, Digest),
}

/// A word that was handed to consensus.
#[derive(Debug)]
struct UnderWay {
    command: SignedCommand,
    last: (u64, Digest),
    offer_at_ms: u64,
}

impl InboxWatch {
    /// When a round may say something although nothing happens.
    pub(super) fn next_deadline_ms(&self) -> Option<u64> {
        self.due_ms
    }

    /// How many messages are seen beyond the first `taken`.
    pub(super) fn seen_beyond(&self, taken: u64) -> u64 {
        self.view.end().saturating_sub(taken)
    }

    /// Takes a new view of the inbox, in place of the one before.
    fn see(&mut self, view: InboxView) {
        self.view = view;
        self.word = None;
    }

    /// Follows the executed state, which has taken so many messages, with the chain's hash there.
    fn follow(&mut self, now_ms: u64, taken: u64, hash: Digest) {
        if taken != self.taken {
            (self.taken, self.word, self.waiting_since_ms) = (taken, None, None);
        }
        if self.seen_beyond(taken) == 0 || self.view.first > taken {
            self.waiting_since_ms = None;
            return;
        }
        self.waiting_since_ms.get_or_insert(now_ms);
        if self.word.is_none() {
            let skip = usize::try_from(taken - self.view.first).unwrap_or(usize::MAX);
            self.word = Observe::of(self.view.messages.iter().skip(skip)).map(|observe| {
                let hash = observe.messages.iter().fold(hash, |hash, message| message.chain_hash(hash));
                let last = taken + observe.messages.len() as u64 - 1;
                Word { observe, last: (last, hash) }
            });
        }
    }
}

/// A message that nobody enqueued, for [`Fault::InboxInvented`].
fn invented(index: u64, sender: AgentId) -> InboxView {
    let payload = b"nobody enqueued this".to_vec();
    let message = InboxMessage { index, kind: KIND_COMMAND, sender, enqueued_at: 0, payload };
    InboxView { first: index, messages: Arc::new(vec![message]) }
}

impl<S: Storage> NodeCore<S> {
    /// Takes over what the chain's final blocks have. A view with a gap is of no use.
    pub(super) fn see_inbox(&mut self, view: InboxView) {
        if view.is_contiguous() {
            self.inbox.see(view);
        } else {
            tracing::error!(
                first = view.first,
                "what is said to be the chain's inbox has a gap, and is ignored"
            );
        }
    }

    /// Says what this node saw in the inbox, if it is its turn and the state lacks it.
    ///
    /// # Errors
    /// As [`Self::step`].
    pub(super) fn speak_of_inbox(&mut self, now: Now) -> Result<(), NodeError> {
        match self.next_word(now) {
            // Signed just now.
            Some(command) => self.step(now, Event::Commands(vec![Verified::vouch(command)])),
            None => Ok(()),
        }
    }

    fn next_word(&mut self, now: Now) -> Option<SignedCommand> {
        self.inbox.due_ms = None;
        self.replica()?;
        let now_ms = now.elapsed_ms;
        let ledger = self.ledger.read().expect(NOT_POISONED);
        // At the end of an epoch the state is the next one's already, and this node may have no place in it.
        if ledger.is_closed() || ledger.divergence().is_some() || ledger.epoch_is_over() {
            return None;
        }
        let state = ledger.state();
        let (taken, hash) = state.inbox_head();
        let inbox = &mut self.inbox;
        if faults::is_on(Fault::InboxCensored) {
            return None;
        }
        if faults::is_on(Fault::InboxInvented) {
            inbox.see(invented(taken, self.agent));
        }
        inbox.follow(now_ms, taken, hash);
        let counts =
            |(index, hash): (u64, Digest)| index < taken || state.inbox_word(self.agent, index) == Some(hash);
        if let Some(under_way) = &mut inbox.under_way {
            if ledger.admit(now.wall, &under_way.command) == Admission::Order {
                let due = now_ms >= under_way.offer_at_ms;
                if due {
                    under_way.offer_at_ms = now_ms.saturating_add(OFFER_MS);
                }
                inbox.due_ms = Some(under_way.offer_at_ms);
                return due.then(|| under_way.command.clone());
            }
            if !counts(under_way.last) {
                inbox.paused_until_ms = now_ms.saturating_add(PAUSE_MS);
            }
            inbox.under_way = None;
        }
        let Word { observe, last } = inbox.word.as_ref().filter(|word| !counts(word.last))?;
        let turn_ms = {
            let context = self.context.borrow();
            let (me, n) = (context.replicas.index_of(self.agent)?, context.replicas.len() as u64);
            let rank = (u64::from(me.0) + n - taken % n) % n;
            let first = rank < context.replicas.quorum() as u64;
            inbox.waiting_since_ms?.saturating_add(if first { 0 } else { PATIENCE_MS })
        };
        let due_ms = turn_ms.max(inbox.paused_until_ms);
        if now_ms < due_ms {
            inbox.due_ms = Some(due_ms);
            return None;
        }
        let command = Command {
            group: self.identity.group,
            agent: self.agent,
            key: self.keys.agent.public(),
            nonce: state.next_node_nonce(self.agent),
            expires: now.wall.max(state.time()).plus(EXPIRY_MS),
            operations: vec![InboxOperation::Observe(observe.clone()).to_operation()],
        };
        let command = SignedCommand::sign(command, &self.keys.agent);
        let offer_at_ms = now_ms.saturating_add(OFFER_MS);
        inbox.under_way = Some(UnderWay { command: command.clone(), last: *last, offer_at_ms });
        inbox.due_ms = Some(offer_at_ms);
        tracing::debug!(first = observe.first, count = observe.messages.len(), "says what the inbox has");
        Some(command)
    }
}
