//! Exactly once, and what makes no entry.

use crate::fixture::*;
use quorate_protocol::{EntryIndex, EntryStatus, Nonce, Operation, Outcome, Refusal, Sequence, TimestampMs};
use quorate_services::{
    Admission, AdmissionError, Disposition, DropReason, MAX_NONCE_JUMP, NONCE_WINDOW, StateMachine,
};

fn machine() -> (Machine, Vec<Keys>) {
    let (group, keys) = group();
    (Machine::new(&group), keys)
}

#[test]
fn the_same_command_is_the_same_entry_however_often_it_comes() {
    let (mut machine, keys) = machine();
    let applied = keys[0].command(0, vec![propose(1)]);
    let refused = keys[1].command(0, vec![cancel(id_of(&keys[1], 1))]);
    let executed = machine.batch(5, &[applied.clone(), refused.clone(), applied.clone()]);
    let (first, second) = (EntryIndex(1), EntryIndex(2));
    let expected =
        [Disposition::Recorded(first), Disposition::Recorded(second), Disposition::Duplicate(first)];
    assert_eq!(executed.dispositions, expected);

    // The refused command would be applied now; it is still the entry that it was.
    machine.one(6, keys[1].command(1, vec![propose(1)]));
    let again = machine.batch(7, &[refused.clone(), applied.clone()]);
    assert_eq!(again.dispositions, [Disposition::Duplicate(second), Disposition::Duplicate(first)]);
    assert!(again.records.is_empty());
    assert_eq!(machine.machine.admit(TimestampMs(7), &applied), Admission::Executed(first));
}

#[test]
fn rivals_under_a_used_nonce_are_refused_and_remembered_up_to_a_bound() {
    let (mut machine, keys) = machine();
    machine.one(5, keys[0].command(3, vec![propose(1)]));
    let rivals: Vec<_> = (2..6).map(|salt| keys[0].command(3, vec![propose(salt)])).collect();
    let executed = machine.batch(6, &rivals);
    let entry = EntryIndex(1);
    let dropped = Disposition::Dropped(DropReason::NonceReused { entry });
    let recorded = [2, 3, 4].map(|index| Disposition::Recorded(EntryIndex(index)));
    assert_eq!(executed.dispositions[..3], recorded);
    assert_eq!(executed.dispositions[3], dropped);
    for record in &executed.records {
        assert_eq!(record.outcome.refusal(), Some(&Refusal::NonceReused { entry }));
    }
    let again = machine.batch(7, &rivals);
    assert_eq!(again.dispositions[..3], [2, 3, 4].map(|index| Disposition::Duplicate(EntryIndex(index))));
    assert_eq!(again.dispositions[3], dropped);
    let error = AdmissionError::NonceReused { nonce: Nonce(3), entry };
    assert_eq!(machine.machine.admit(TimestampMs(7), &rivals[3]), Admission::Refuse(error));
}

#[test]
fn nonces_may_come_in_any_order_within_the_window_and_not_below_it() {
    let (mut machine, keys) = machine();
    let highest = 100;
    machine.one(5, keys[0].command(highest, vec![propose(1)]));
    let oldest = highest + 1 - NONCE_WINDOW;
    assert!(is_applied(&machine.one(5, keys[0].command(oldest, vec![propose(2)]))));
    assert!(is_applied(&machine.one(5, keys[0].command(oldest + 1, vec![propose(3)]))));

    let below = keys[0].command(oldest - 1, vec![propose(4)]);
    let reason = DropReason::NonceTooOld { oldest: Nonce(oldest) };
    assert_eq!(machine.batch(6, std::slice::from_ref(&below)).dispositions, [Disposition::Dropped(reason)]);
    let error = AdmissionError::NonceTooOld { nonce: Nonce(oldest - 1), oldest: Nonce(oldest) };
    assert_eq!(machine.machine.admit(TimestampMs(6), &below), Admission::Refuse(error));
    assert_eq!(machine.machine.agent(keys[0].id()).unwrap().next_nonce, Nonce(highest + 1));
}

#[test]
fn a_command_that_fell_out_of_the_window_has_no_second_effect() {
    let (mut machine, keys) = machine();
    let old = keys[0].command(0, vec![propose(1)]);
    machine.one(5, old.clone());
    machine.one(5, keys[0].command(NONCE_WINDOW - 1, vec![propose(2)]));
    assert_eq!(
        machine.batch(5, std::slice::from_ref(&old)).dispositions,
        [Disposition::Duplicate(EntryIndex(1))]
    );
    machine.one(5, keys[0].command(NONCE_WINDOW, vec![propose(3)]));
    let executed = machine.batch(5, &[old]);
    assert_eq!(executed.dispositions, [Disposition::Dropped(DropReason::NonceTooOld { oldest: Nonce(1) })]);
    assert!(executed.records.is_empty());
}

#[test]
fn a_nonce_cannot_jump_so_far_that_the_agent_runs_out() {
    let (mut machine, keys) = machine();
    let far = keys[0].command(MAX_NONCE_JUMP + 1, vec![propose(1)]);
    let newest = Nonce(MAX_NONCE_JUMP);
    let dropped = Disposition::Dropped(DropReason::NonceTooFar { newest });
    assert_eq!(machine.batch(5, &[far]).dispositions, [dropped]);
    let last = keys[0].command(u64::MAX, vec![propose(1)]);
    assert_eq!(machine.batch(5, &[last]).dispositions, [dropped]);
    assert!(is_applied(&machine.one(5, keys[0].command(MAX_NONCE_JUMP, vec![propose(1)]))));
    assert!(is_applied(&machine.one(5, keys[0].command(2 * MAX_NONCE_JUMP, vec![propose(2)]))));
}

/// Whoever can have commands ordered must not be able to use up another agent's nonces.
#[test]
fn commands_under_a_foreign_key_leave_the_nonces_alone() {
    let (mut machine, keys) = machine();
    let forger = Keys::new(66);
    let forged: Vec<_> =
        (0..20).map(|nonce| keys[0].forged_by(&forger, nonce * 1_000, vec![propose(nonce)])).collect();
    let executed = machine.batch(5, &forged);
    assert_eq!(executed.records.len(), 16, "a few are recorded");
    for record in &executed.records {
        assert_eq!(record.outcome, Outcome::Refused { refusal: Refusal::WrongKey });
    }
    assert_eq!(executed.dispositions[16..], [Disposition::Dropped(DropReason::WrongKey); 4]);
    assert_eq!(machine.batch(6, &forged).dispositions[0], Disposition::Duplicate(EntryIndex(1)));
    assert_eq!(machine.machine.agent(keys[0].id()).unwrap().next_nonce, Nonce(0));
    assert!(is_applied(&machine.one(7, keys[0].command(0, vec![propose(0)]))));
    for command in [&keys[0].forged_by(&forger, 1, vec![leave()]), &forged[19]] {
        let error = AdmissionError::WrongKey { agent: keys[0].id() };
        assert_eq!(machine.machine.admit(TimestampMs(7), command), Admission::Refuse(error));
    }
}

#[test]
fn an_expired_command_is_refused_by_the_batch_time() {
    let (mut machine, keys) = machine();
    let command = keys[0].command_until(0, TimestampMs(100), vec![propose(1)]);
    assert_eq!(machine.machine.admit(TimestampMs(99), &command), Admission::Order);
    let error = AdmissionError::Expired { expires: TimestampMs(100), now: TimestampMs(100) };
    assert_eq!(machine.machine.admit(TimestampMs(100), &command), Admission::Refuse(error));
    let refusal = Refusal::Expired { expires: TimestampMs(100), batch_time: TimestampMs(100) };
    assert_eq!(machine.one(100, command.clone()), Outcome::Refused { refusal });
    assert_eq!(machine.machine.proposal(&id_of(&keys[0], 1)), None);
    assert_eq!(machine.batch(101, &[command]).dispositions, [Disposition::Duplicate(EntryIndex(1))]);
}

#[test]
fn what_nothing_binds_to_the_group_makes_no_entry() {
    let (mut machine, keys) = machine();
    let stranger = Keys::new(77).command(0, vec![propose(1)]);
    let mut elsewhere = keys[0].command(0, vec![propose(1)]).command().clone();
    elsewhere.group = [8; 32].into();
    let elsewhere = quorate_protocol::SignedCommand::sign(elsewhere, &keys[0].key);
    let empty = keys[0].command(0, vec![]);
    let cases = [
        (stranger, DropReason::UnknownAgent, AdmissionError::UnknownAgent { agent: Keys::new(77).id() }),
        (elsewhere, DropReason::WrongGroup, AdmissionError::WrongGroup),
        (empty, DropReason::Empty, AdmissionError::Empty),
    ];
    for (command, reason, error) in cases {
        assert_eq!(machine.machine.admit(TimestampMs(5), &command), Admission::Refuse(error));
        let executed = machine.batch(5, &[command]);
        assert_eq!(executed.dispositions, [Disposition::Dropped(reason)]);
        assert!(executed.records.is_empty());
    }
}

#[test]
fn operations_that_no_service_can_read_are_refused() {
    let (mut machine, keys) = machine();
    let unknown = Operation { service: "weather".into(), body: vec![] };
    let garbage = |service: &str| Operation { service: service.into(), body: vec![0xff, 0] };
    let outcome = machine.one(5, keys[0].command(0, vec![propose(1), unknown]));
    assert_eq!(outcome.refusal(), Some(&Refusal::UnknownService { operation: 1 }));
    for (nonce, service) in [(1, "members"), (2, "proposals")] {
        let outcome = machine.one(5, keys[0].command(nonce, vec![garbage(service)]));
        assert_eq!(outcome.refusal(), Some(&Refusal::MalformedOperation { operation: 0 }));
    }
    assert_eq!(machine.machine.proposal(&id_of(&keys[0], 1)), None);
}

#[test]
fn time_never_goes_back_and_null_batches_do_nothing() {
    let (mut machine, keys) = machine();
    machine.batch(1_000, &[]);
    let executed = machine.batch(900, &[keys[0].command(0, vec![propose(1)])]);
    assert_eq!(executed.timestamp, TimestampMs(1_000));
    assert_eq!(executed.records[0].entry.timestamp, TimestampMs(1_000));
    assert_eq!(machine.view(id_of(&keys[0], 1)).opened, TimestampMs(1_000));

    let root = machine.machine.state_root();
    machine.machine.take_changes();
    let null = machine.batch(0, &[]);
    assert_eq!((null.timestamp, null.records.len()), (TimestampMs(1_000), 0));
    assert_eq!(machine.machine.take_changes(), []);
    assert_eq!(machine.machine.state_root(), root);
}

#[test]
#[should_panic(expected = "executed already")]
fn a_batch_is_never_executed_twice() {
    let (group, _) = group();
    let (mut machine, _) = StateMachine::genesis(&group);
    machine.execute(Sequence(3), TimestampMs(5), &[]);
    machine.execute(Sequence(3), TimestampMs(6), &[]);
}

#[test]
fn every_command_makes_one_entry_also_a_refused_one() {
    let (mut machine, keys) = machine();
    let commands: Vec<_> = (0..4).map(|nonce| keys[4].command(nonce, vec![propose(nonce)])).collect();
    let executed = machine.batch(5, &commands);
    assert_eq!(executed.records.len(), 4);
    for (command, record) in commands.iter().zip(&executed.records) {
        assert_eq!(record.entry.subject, command.digest());
        assert_eq!(record.entry.status, EntryStatus::Refused);
    }
}

#[test]
fn what_a_node_says_of_the_inbox_is_counted_apart_from_what_its_agent_does() {
    let (group, keys) = group();
    let mut machine = Machine::new(&group);
    let message = quorate_protocol::InboxMessage {
        index: 0,
        kind: 1,
        sender: keys[4].id(),
        enqueued_at: 1,
        payload: vec![7],
    };
    let observe = quorate_protocol::operations::inbox::Observe::of(&[message]).unwrap();
    let operation = quorate_protocol::operations::inbox::InboxOperation::Observe(observe);
    let operation = quorate_protocol::operations::ServiceOperation::to_operation(&operation);
    let replica = &keys[0];
    assert!(is_applied(&machine.one(1, replica.command(0, vec![propose(1)]))));
    let said = replica.command(0, vec![operation]);
    assert!(is_applied(&machine.one(1, said.clone())), "the same number, in the other series");
    assert_eq!(machine.machine.agent(replica.id()).unwrap().next_nonce, Nonce(1));
    assert_eq!(machine.machine.next_node_nonce(replica.id()), Nonce(1));
    let again = machine.batch(2, &[said]);
    assert!(matches!(again.dispositions[0], Disposition::Duplicate(_)), "once, all the same");
}
