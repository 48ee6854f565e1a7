//! What a core says of the contract's inbox, when, and how often.

use std::sync::Arc;

use quorate_pbft::{Batch, CommittedBatch, Message, Now};
use quorate_protocol::inbox::KIND_COMMAND;
use quorate_protocol::operations::ServiceOperation as _;
use quorate_protocol::operations::inbox::{InboxOperation, Observe};
use quorate_protocol::{AgentId, InboxMessage, Sequence, SignedCommand, View, codec};

use super::{Memory, core_of};
use crate::anchored::InboxView;
use crate::core::{CoreEvent, NodeCore, Outgoing};
use crate::frame::Frame;
use crate::ledger::fixture::{Fixture, START};
use crate::store::Store;

fn at(elapsed_ms: u64) -> Now {
    Now { elapsed_ms, wall: START.plus(elapsed_ms) }
}

fn messages(count: u64) -> Vec<InboxMessage> {
    let message = |index| InboxMessage {
        index,
        kind: KIND_COMMAND,
        sender: AgentId::from([8; 20]),
        enqueued_at: 1_700_000_000,
        payload: vec![u8::try_from(index).unwrap()],
    };
    (0..count).map(message).collect()
}

fn view(first: u64, end: u64) -> CoreEvent {
    let messages = messages(end).split_off(usize::try_from(first).unwrap());
    CoreEvent::Inbox(InboxView { first, messages: Arc::new(messages) })
}

/// The core of a member, which has seen the first messages of the inbox.
fn watching(fixture: &Fixture, member: usize, count: u64) -> NodeCore<Memory> {
    let mut core = core_of(fixture, member, Store::in_memory(), Vec::new());
    core.begin(at(0)).unwrap();
    core.take_round(at(0), [view(0, count)]).unwrap();
    core
}

/// The words on the inbox that the core gave away, in batches of its own or to the primary, each once.
fn said(core: &NodeCore<Memory>) -> Vec<(SignedCommand, Observe)> {
    let mut said: Vec<(SignedCommand, Observe)> = Vec::new();
    for outgoing in &core.storage.sent {
        let (Outgoing::All(bytes) | Outgoing::To(_, bytes)) = outgoing else { continue };
        let commands = match Frame::decode(bytes).unwrap() {
            Frame::Consensus { message: Message::PrePrepare(proposed), .. } => proposed.batch.commands,
            Frame::Consensus { message: Message::Forward(forward), .. } => forward.commands,
            _ => continue,
        };
        for command in commands {
            let body = &command.command().operations[0].body;
            let InboxOperation::Observe(observe) = codec::decode(body, 1 << 16).unwrap();
            if said.iter().all(|(known, _)| *known != command) {
                said.push((command, observe));
            }
        }
    }
    said
}

/// Executes a batch in which the members say what they saw.
fn execute(core: &mut NodeCore<Memory>, fixture: &Fixture, words: &[(usize, u64, u64)]) {
    let sequence = core.write_ledger().last_executed().next();
    let commands = words.iter().map(|(member, first, end)| {
        let observe = Observe { first: *first, messages: messages(*end).split_off(*first as usize) };
        let operation = InboxOperation::Observe(observe).to_operation();
        fixture.sign_operation(*member, 1_000 + sequence.0, operation)
    });
    execute_commands(core, sequence, commands.collect());
}

fn execute_commands(core: &mut NodeCore<Memory>, sequence: Sequence, commands: Vec<SignedCommand>) {
    let batch = Batch { timestamp: START, commands, checkpoint: false };
    let committed = CommittedBatch { view: View(0), sequence, batch, commits: Vec::new() };
    core.execute(committed, false).unwrap();
}

#[test]
fn a_replica_says_what_it_saw_and_not_again_while_that_is_under_way() {
    let fixture = Fixture::new();
    let mut core = watching(&fixture, 0, 3);
    for second in 1..60 {
        core.take_round(at(1_000 * second), []).unwrap();
    }
    let words = said(&core);
    assert_eq!(words.len(), 1);
    let (command, observe) = &words[0];
    assert_eq!(observe, &Observe { first: 0, messages: messages(3) });
    assert_eq!(command.command().agent, fixture.agent(0));
    assert!(command.clone().verify(&fixture.group.identity.group).is_ok());
    assert_eq!(core.metrics.inbox_waiting.get(), 3);

    // It expires without ever being ordered.
    core.take_round(at(61_000), []).unwrap();
    core.take_round(at(64_000), []).unwrap();
    assert_eq!(said(&core).len(), 2);
}

#[test]
fn replicas_behind_the_first_quorum_wait_for_their_turn() {
    let fixture = Fixture::new();
    for member in 0..4 {
        let mut core = watching(&fixture, member, 1);
        let first = member < 3;
        assert_eq!(said(&core).len(), usize::from(first), "member {member}");
        if !first {
            assert!(core.next_deadline_ms(at(1)) <= 2_000);
            core.take_round(at(1_999), []).unwrap();
            assert_eq!(said(&core).len(), 0);
            core.take_round(at(2_000), []).unwrap();
            assert_eq!(said(&core).len(), 1);
        }
        // The order goes on with every message: behind the first, the first member is the last.
        let mut core = watching(&fixture, member, 1);
        core.storage.sent.clear();
        execute(&mut core, &fixture, &[(0, 0, 1), (1, 0, 1), (2, 0, 1)]);
        core.take_round(at(5_000), [view(0, 2)]).unwrap();
        let spoke = said(&core).iter().filter(|(_, observe)| observe.first == 1).count();
        let waits_its_turn = member == 0;
        assert_eq!(spoke, usize::from(!waits_its_turn), "member {member}");
    }
}

#[test]
fn what_is_taken_or_said_is_not_said_again() {
    let fixture = Fixture::new();
    let mut core = watching(&fixture, 0, 2);
    let taken = core.watch().inbox_taken;
    let (own, _) = said(&core).remove(0);
    execute_commands(&mut core, Sequence(1), vec![own]);
    for second in 1..10 {
        core.take_round(at(10_000 * second), []).unwrap();
    }
    assert_eq!(said(&core).len(), 1, "the state has its word, and the others are yet to speak");
    execute(&mut core, &fixture, &[(1, 0, 2), (2, 0, 1)]);
    core.take_round(at(200_000), []).unwrap();
    assert_eq!(*taken.borrow(), 1);
    assert_eq!(core.metrics.inbox_taken.get(), 1);
    execute(&mut core, &fixture, &[(2, 1, 2)]);
    core.take_round(at(300_000), []).unwrap();
    assert_eq!((*taken.borrow(), core.metrics.inbox_waiting.get()), (2, 0));
    assert_eq!(said(&core).len(), 1);
    // More of it, from where the watcher was told to begin.
    core.take_round(at(400_000), [view(2, 5)]).unwrap();
    core.take_round(at(402_000), []).unwrap();
    assert_eq!(said(&core)[1].1.first, 2);
}

#[test]
fn a_refused_word_is_said_anew_under_the_next_nonce_after_a_pause() {
    let fixture = Fixture::new();
    let mut core = watching(&fixture, 0, 1);
    // Another node with the same key said something else, under the same nonce.
    let other = InboxMessage { payload: vec![99], ..messages(1).remove(0) };
    let rival = InboxOperation::Observe(Observe::of(&[other]).unwrap()).to_operation();
    let rival = fixture.sign_operation(0, 0, rival);
    let (own, _) = said(&core).remove(0);
    execute_commands(&mut core, Sequence(1), vec![rival, own]);
    core.take_round(at(100), []).unwrap();
    assert_eq!(said(&core).len(), 1);
    core.take_round(at(2_100), []).unwrap();
    let words = said(&core);
    assert_eq!(words.len(), 2);
    assert_eq!(words[1].0.command().nonce.0, 1);
}

#[test]
fn a_view_with_a_gap_is_ignored_and_one_from_behind_says_nothing() {
    let fixture = Fixture::new();
    let mut core = core_of(&fixture, 0, Store::in_memory(), Vec::new());
    core.begin(at(0)).unwrap();
    let mut gap = messages(3);
    gap.remove(1);
    core.take_round(at(1), [CoreEvent::Inbox(InboxView { first: 0, messages: Arc::new(gap) })]).unwrap();
    core.take_round(at(5_000), [view(1, 3)]).unwrap();
    core.take_round(at(10_000), []).unwrap();
    assert_eq!(said(&core).len(), 0);
    core.take_round(at(11_000), [view(0, 3)]).unwrap();
    assert_eq!(said(&core).len(), 1);
}
