//! The contract's inbox: what the chain has is taken, each message once, in order, with its own content; and no
//! correct replica says that it saw anything else.

use alloy_primitives::keccak256;
use quorate_protocol::entry::{InboxDisposition, SystemEvent};
use quorate_protocol::operations::inbox::{InboxOperation, Observe};
use quorate_protocol::{AgentId, EntryBody, InboxMessage, InboxTaken, SignedCommand, codec};

use crate::violation::{Verdict, Violation};

/// The inbox as the chain has it, and how far the group's log has taken it.
#[derive(Debug, Default)]
pub struct Inbox {
    chain: Vec<(InboxMessage, [u8; 32])>,
    /// The index of the entry that took each message.
    taken: Vec<u64>,
    /// The command that the last entry says is carried out next.
    due: Option<Vec<u8>>,
    /// Words on the inbox that nobody has judged yet.
    words: Vec<(AgentId, Observe)>,
}

impl Inbox {
    /// The chain has one message more.
    pub fn enqueued(&mut self, message: InboxMessage) {
        let before = self.chain.last().map_or([0; 32], |(_, hash)| *hash);
        let hash = link(&before, &message);
        self.chain.push((message, hash));
    }

    /// How many messages the log has taken.
    pub fn taken(&self) -> u64 {
        self.taken.len() as u64
    }

    /// How many messages are taken by the first `size` entries.
    pub fn taken_within(&self, size: u64) -> u64 {
        self.taken.partition_point(|entry| *entry < size) as u64
    }

    /// The group's log has one entry more.
    pub(super) fn entry(&mut self, who: &str, index: u64, body: &EntryBody) -> Verdict {
        let wrong = |what: &str| Err(Violation::new("inbox", format!("{who}: entry {index} {what}")));
        if let Some(due) = self.due.take()
            && !matches!(body, EntryBody::Command(command) if command.encode() == due)
        {
            return wrong("is not the command that the inbox has");
        }
        let EntryBody::System(SystemEvent::InboxTaken(taken)) = body else { return Ok(()) };
        let InboxTaken { index: at, hash, disposition } = *taken;
        let Some((message, expected)) = self.chain.get(self.taken.len()) else {
            return wrong("takes a message that the chain has not");
        };
        if message.index != at || hash.as_bytes() != expected {
            return wrong("takes another message than the chain has there");
        }
        if message.kind == 1 && disposition == InboxDisposition::CarriedOut {
            self.due = Some(message.payload.clone());
        }
        self.taken.push(index);
        Ok(())
    }

    /// Takes note of a command that says what the inbox has; says whether it is one.
    pub(super) fn said(&mut self, command: &SignedCommand) -> bool {
        let [operation] = command.command().operations.as_slice() else { return false };
        if operation.service != "inbox" {
            return false;
        }
        let Ok(InboxOperation::Observe(observe)) = codec::decode(&operation.body, 1 << 16) else {
            return false;
        };
        self.words.push((command.command().agent, observe));
        true
    }

    /// Judges the words that the log has from those replicas that are not `faulty`.
    ///
    /// # Errors
    /// When one of them says what the chain has not.
    pub fn judge_words(&mut self, faulty: impl Fn(AgentId) -> bool) -> Verdict {
        for (agent, observe) in std::mem::take(&mut self.words) {
            let true_word = (observe.first..).zip(&observe.messages).all(|(index, message)| {
                self.chain.get(index as usize).is_some_and(|(known, _)| known == message)
            });
            if !true_word && !faulty(agent) {
                let detail = format!("{agent} says what the chain's inbox has not, from {}", observe.first);
                return Err(Violation::new("inbox", detail));
            }
        }
        Ok(())
    }
}

/// The contract's rule, word by word.
fn link(before: &[u8; 32], message: &InboxMessage) -> [u8; 32] {
    let number = |value: u64| [&[0; 24][..], &value.to_be_bytes()].concat();
    let words = [
        before.to_vec(),
        number(message.index),
        number(message.kind.into()),
        [&[0; 12][..], message.sender.as_bytes()].concat(),
        number(message.enqueued_at),
        keccak256(&message.payload).to_vec(),
    ];
    keccak256(words.concat()).0
}
