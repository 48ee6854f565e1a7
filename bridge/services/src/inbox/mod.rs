//! The inbox service: what the chain's contract laid on the group, in the contract's order.
//!
//! A replica says what it saw in the chain's final blocks. A message is taken as soon as a quorum of the epoch's
//! replicas said the same of it and of all before it, and is carried out by the machine right behind the command
//! that brought the quorum about. So up to f faulty replicas can neither put a message in nor, as the correct ones
//! alone make a quorum, keep one out; and a quorum has a correct replica in common with every other, so what is
//! taken is what the chain has.
//!
//! - A word is a hash of the chain of messages, which commits to all messages up to it.
//! - A replica's newest word counts: what it said before of the same message is dropped, and of all after it,
//!   unless the new word is a part of the old.
//! - Words count in the epoch in which they were said. Else the words of replicas that were faulty one after the
//!   other would add up.
//! - The state holds at most [`MAX_OBSERVED`] hashes of each replica.

mod record;
mod refusal;

use quorate_protocol::api::ToldEvent;
use quorate_protocol::command::MAX_COMMAND_BYTES;
use quorate_protocol::operations::ServiceOperation as _;
use quorate_protocol::operations::inbox::{InboxOperation, InboxOutcome, MAX_OBSERVED, Observe};
use quorate_protocol::{AgentId, Digest, EntryIndex, InboxEvent, InboxMessage, codec};

use crate::members::Agent;
use crate::service::{Context, Service, ServiceRefusal, Taken};
use crate::state::View;

pub use record::TakenEntry;
use record::{Head, Told, Word};
pub use refusal::InboxRefusal;

pub(crate) const PREFIX: &[u8] = b"inbox/";

/// The service.
pub(crate) struct Inbox;

impl Service for Inbox {
    fn name(&self) -> &'static str {
        InboxOperation::SERVICE
    }

    fn prefix(&self) -> &'static [u8] {
        PREFIX
    }

    fn apply(
        &self,
        context: &mut Context<'_, '_>,
        agent: &Agent,
        operation: &[u8],
    ) -> Result<Vec<u8>, ServiceRefusal> {
        let operation = codec::decode(operation, MAX_COMMAND_BYTES).map_err(|_| ServiceRefusal::Malformed)?;
        let InboxOperation::Observe(observed) = operation;
        Ok(codec::encode(&observe(context, agent, observed)?))
    }
}

fn observe(
    context: &mut Context<'_, '_>,
    replica: &Agent,
    observed: Observe,
) -> Result<InboxOutcome, InboxRefusal> {
    if !replica.replica {
        return Err(InboxRefusal::NotAReplica(replica.id));
    }
    let head = Head::read(context.state());
    let messages = beyond(head.taken, observed)?;
    let links: Vec<(InboxMessage, Digest)> = messages
        .into_iter()
        .scan(head.hash, |hash, message| {
            *hash = message.chain_hash(*hash);
            Some((message, *hash))
        })
        .collect();
    note(context, replica.id, head, links.iter().map(|(_, hash)| *hash).collect());
    let taken = take(context, head, links);
    Ok(InboxOutcome::Observed { taken })
}

/// The messages from index `taken` on.
fn beyond(taken: u64, observed: Observe) -> Result<Vec<InboxMessage>, InboxRefusal> {
    let Observe { first, mut messages } = observed;
    if first > taken {
        return Err(InboxRefusal::Gap { expected: taken, found: first });
    }
    // `first` is no more than what is taken, so the indices do not overflow.
    let misplaced = (first..).zip(&messages).find(|(expected, message)| message.index != *expected);
    if let Some((expected, message)) = misplaced {
        return Err(InboxRefusal::OutOfOrder { expected, found: message.index });
    }
    let known = usize::try_from(taken - first).unwrap_or(usize::MAX).min(messages.len());
    let new = messages.split_off(known);
    if new.is_empty() { Err(InboxRefusal::NothingNew { taken }) } else { Ok(new) }
}

/// Notes the replica's word, which begins at what is taken, in place of what it contradicts.
fn note(context: &mut Context<'_, '_>, replica: AgentId, head: Head, mut hashes: Vec<Digest>) {
    let epoch = context.group().epoch;
    let last = head.taken + hashes.len() as u64 - 1;
    let before = Word::read(context.state(), replica).filter(|word| word.epoch == epoch);
    if let Some(before) = before.filter(|before| before.at(last) == hashes.last().copied()) {
        hashes.extend(before.after(last));
    }
    assert!(hashes.len() <= MAX_OBSERVED, "no word reaches further than one observation");
    context.write(&Word::key(replica), &Word { epoch, first: head.taken, hashes });
}

/// Takes the messages whose hash a quorum said, in order, and returns how many are taken by then.
///
/// `links` is what the command in hand says, with its hashes. Its content is all that is ever needed: before the
/// command no hash had a quorum at the next index, so one that has a quorum there now has it by this command's
/// word. A quorum for any later hash consists of replicas that said the same of the next index, because a hash
/// commits to all messages before it; so its sender is in each of them too. And what the sender said earlier of a
/// later index was dropped, or is after what this command says: it had not said this hash of the next index
/// before, or that would have had its quorum then.
fn take(context: &mut Context<'_, '_>, head: Head, links: Vec<(InboxMessage, Digest)>) -> u64 {
    let (epoch, replicas) = (context.group().epoch, context.group().replicas());
    let stale: Vec<AgentId> = Word::all(context.state())
        .filter(|(agent, word)| word.epoch != epoch || replicas.index_of(*agent).is_none())
        .map(|(agent, _)| agent)
        .collect();
    for agent in stale {
        context.remove(&Word::key(agent));
    }
    let words: Vec<(AgentId, Word)> = Word::all(context.state()).collect();
    let said =
        |index: u64, hash: Digest| words.iter().filter(|(_, word)| word.at(index) == Some(hash)).count();
    let mut now = head;
    for (message, hash) in links {
        if said(message.index, hash) < replicas.quorum() {
            break;
        }
        assert_eq!(message.index, now.taken, "messages are taken in order");
        now = Head { taken: now.taken + 1, hash };
        context.take(Taken { message, hash });
    }
    debug_assert!(
        words
            .iter()
            .filter_map(|(_, word)| word.at(now.taken))
            .all(|hash| said(now.taken, hash) < replicas.quorum()),
        "whatever has a quorum is taken"
    );
    if now.taken > head.taken {
        context.write(Head::KEY, &now);
        for (agent, word) in words {
            match word.from(now.taken) {
                Some(rest) => context.write(&Word::key(agent), &rest),
                None => context.remove(&Word::key(agent)),
            }
        }
    }
    now.taken
}

/// How many messages are taken, and the chain's hash there.
pub(crate) fn head(state: View<'_>) -> (u64, Digest) {
    let Head { taken, hash } = Head::read(state);
    (taken, hash)
}

/// Notes where the log says that the last message was taken.
pub(crate) fn note_entry(context: &mut Context<'_, '_>, entry: TakenEntry) {
    context.write(TakenEntry::KEY, &entry);
}

/// Where the log says that the last message was taken; nothing before the first.
pub(crate) fn last_entry(state: View<'_>) -> Option<TakenEntry> {
    TakenEntry::read(state)
}

/// Notes what the contract told by a message, and the entry that says so.
pub(crate) fn note_told(context: &mut Context<'_, '_>, message: u64, entry: EntryIndex, event: InboxEvent) {
    context.write(&Told::key(message), &Told { entry, event });
}

/// What the contract told by messages from number `from` on, in their order; at most `limit`.
pub(crate) fn told(state: View<'_>, from: u64, limit: usize) -> Vec<ToldEvent> {
    let after = from.checked_sub(1).map(Told::key);
    let keys = state.keys(Told::STEM, after.as_deref()).take(limit);
    let told = keys.map(|key| {
        let index: [u8; 8] =
            key[Told::STEM.len()..].try_into().expect("the key ends with the message's index");
        let Told { entry, event } = state.read(key).expect("a listed event is there");
        ToldEvent { message: u64::from_be_bytes(index), entry, event }
    });
    told.collect()
}

/// The hash that `replica` said of the message at `index`, if it did so in the epoch of the last word.
pub(crate) fn word(state: View<'_>, replica: AgentId) -> Option<Word> {
    Word::read(state, replica)
}
