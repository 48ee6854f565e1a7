//! A replica that comes back knows what it said, and says nothing against it. The checker compares every
//! statement with all earlier ones, so these tests only have to crash replicas at bad moments.

use quorate_pbft::event::StateSummary;
use quorate_pbft::{Config, Effect, Event, Executed, Message, Now, Record, Recovered, Replica};
use quorate_protocol::{Digest, ReplicaIndex, SignedCommand};

use crate::harness::{Group, Options, Sequence, View, r};

/// A run with everything in it that a replica says: batches, a checkpoint, and a change of the view with a
/// prepared batch in it.
fn scenario(rotate: bool, prepare: impl Fn(&mut Group)) -> (Group, Vec<SignedCommand>) {
    let options = Options::default();
    let config = Config { checkpoint_interval: 2, window: 4, ..options.config };
    let mut group = Group::new(Options { rotate, config, ..options });
    prepare(&mut group);
    let commands: Vec<_> = (0..6).map(|nonce| group.members.command(1, nonce)).collect();
    for command in &commands[..4] {
        group.submit_until_executed(r(2), command);
        group.run_for(12);
    }
    // Prepared by all and committed by nobody when the primary falls silent for a while.
    group.lose(|from, _, message| from == r(0) || matches!(message, Message::Commit(_)));
    group.submit_until_executed(r(2), &commands[4]);
    group.run_for(150);
    group.lose(|from, _, _| from == r(0));
    group.run_for(300);
    group.heal();
    group.submit_until_executed(r(3), &commands[5]);
    (group, commands)
}

fn crash_at_every_effect(who: ReplicaIndex, rotate: bool) {
    let (mut calm, commands) = scenario(rotate, |_| {});
    calm.must_execute(5_000, &commands);
    assert!(calm.replica(r(1)).view() > View(0), "the scenario has a view change");
    let effects = calm.effects_done(who);
    for effect in 0..effects {
        let (mut group, commands) =
            scenario(rotate, |group| group.crash_before_effect(who, effect, 40 + effect % 90));
        let done = group.run_until(30_000, |group| group.executed_everywhere(&commands));
        assert!(done, "crash before effect {effect} of replica {who}\n{}", group.picture());
    }
}

#[test]
fn a_backup_that_crashes_at_any_moment_never_contradicts_itself() {
    crash_at_every_effect(r(2), false);
}

#[test]
fn a_primary_that_crashes_at_any_moment_never_contradicts_itself() {
    crash_at_every_effect(r(0), false);
}

#[test]
fn the_next_primary_may_crash_at_any_moment_and_start_from_replaced_records() {
    crash_at_every_effect(r(1), true);
}

/// Everybody prepares a batch, nobody commits it, and the primary falls silent for good: all three others
/// are needed to open view 1 and to commit in it.
fn to_view_one(seed: u64, crash: Option<u64>) -> Group {
    let mut group = Group::new(Options { seed, ..Options::default() });
    group.run_for(100);
    group.lose(|_, _, message| matches!(message, Message::Commit(_)));
    let command = group.members.command(1, 0);
    group.submit(r(2), &command);
    group.run_for(30);
    group.silence(r(0));
    group.heal();
    group.lose(|_, _, message| matches!(message, Message::Commit(vote) if vote.view == View(0)));
    if let Some(effect) = crash {
        group.crash_before_effect(r(3), effect, 250);
    }
    let executed = group.run_until(3_000, |group| group.executed_everywhere(std::slice::from_ref(&command)));
    assert!(executed, "crash before {crash:?}, seed {seed}\n{}", group.picture());
    group
}

#[test]
fn a_crash_between_entering_a_view_and_voting_in_it_costs_no_further_view() {
    for seed in 0..8 {
        let calm = to_view_one(seed, None);
        assert_eq!(calm.replica(r(3)).view(), View(1));
        let entered = calm.effects_done(r(3));
        for effect in entered.saturating_sub(16)..entered {
            let group = to_view_one(seed, Some(effect));
            assert_eq!(group.replica(r(3)).view(), View(1), "before {effect}, seed {seed}");
        }
    }
}

#[test]
fn all_replicas_lose_power_at_once_and_go_on() {
    for at_ms in (1..500).step_by(7) {
        let rotate = at_ms % 2 == 0;
        let mut group = Group::new(Options { rotate, seed: at_ms, ..Options::default() });
        let commands: Vec<_> = (0..40).map(|nonce| group.members.command(1, nonce)).collect();
        for (at, command) in commands.iter().enumerate() {
            group.submit_until_executed(r(at as u16 % 4), command);
        }
        group.run_for(at_ms);
        for index in group.all() {
            group.crash(index);
        }
        for index in group.all() {
            group.restart(index);
        }
        group.must_execute(20_000, &commands);
    }
}

#[test]
fn checkpoints_that_nobody_received_outlive_a_loss_of_power() {
    let mut group = Group::of_four();
    group.lose(|_, _, message| matches!(message, Message::Checkpoint(_)));
    for nonce in 0..24 {
        let command = group.members.command(1, nonce);
        group.submit(r(0), &command);
        group.run_for(12);
    }
    assert_eq!(group.replica(r(0)).last_executed(), Sequence(16), "the window is full");
    for index in group.all() {
        group.crash(index);
        group.restart(index);
    }
    group.heal();
    let command = group.members.command(2, 0);
    group.submit(r(1), &command);
    group.must_execute(5_000, &[command]);
}

#[test]
fn a_checkpoint_is_never_signed_twice_with_different_states() {
    let mut group = Group::of_four();
    group.lose(|_, _, message| matches!(message, Message::Checkpoint(_)));
    for nonce in 0..8 {
        let command = group.members.command(1, nonce);
        group.submit(r(0), &command);
        group.run_for(12);
    }
    // It executes everything again, on a machine that computes something else.
    let records: Vec<Record> = group.replica(r(3)).durable_records();
    assert!(records.iter().any(|record| matches!(record, Record::Checkpoint(_))));
    let recovered = Recovered { records, last_executed: Sequence(7), ..Recovered::default() };
    let (mut again, now) = started_from(&group, r(3), recovered);
    again.step(now, Event::Executed(executed_to_checkpoint(8)));
    let effects = again.step(now, Event::Stored(Sequence(8)));
    assert!(effects.contains(&Effect::Diverged { sequence: Sequence(8) }));
    assert!(!effects.iter().any(signs_checkpoint), "{effects:?}");
}

fn executed_to_checkpoint(sequence: u64) -> Executed {
    let other = Digest::from([9; 32]);
    let state = StateSummary {
        log_size: sequence,
        log_root: other,
        state_root: other,
        inbox_count: 0,
        inbox_hash: Digest::default(),
        next_members_hash: Digest::default(),
        extends_signed: true,
    };
    let sequence = Sequence(sequence);
    Executed { sequence, entries: 1, next_due: None, state: Some(state), change_pending: false }
}

fn signs_checkpoint(effect: &Effect) -> bool {
    matches!(effect, Effect::Broadcast(Message::Checkpoint(_)))
}

#[test]
fn a_checkpoint_is_signed_only_when_no_crash_can_take_its_state() {
    let group = Group::of_four();
    let recovered = Recovered { last_executed: Sequence(7), ..Recovered::default() };
    let (mut replica, now) = started_from(&group, r(3), recovered);
    let mut effects = replica.step(now, Event::Executed(executed_to_checkpoint(8)));
    effects.extend(replica.step(now, Event::Stored(Sequence(7))));
    assert!(!effects.iter().any(signs_checkpoint), "{effects:?}");
    assert_eq!(replica.awaits_storage(), Some(Sequence(8)));
    let effects = replica.step(now, Event::Stored(Sequence(8)));
    assert!(effects.iter().any(signs_checkpoint), "{effects:?}");
    assert_eq!(replica.awaits_storage(), None);

    // It crashes between storing the batch and signing, and signs when it is there again.
    let taken = vec![(Sequence(8), executed_to_checkpoint(8).state.unwrap())];
    let recovered = Recovered { last_executed: Sequence(8), taken, ..Recovered::default() };
    let (mut replica, now) = started_from(&group, r(3), recovered);
    assert!(replica.step(now, Event::Stored(Sequence(8))).iter().any(signs_checkpoint));
}

/// A replica that starts from `recovered`, beside the group.
fn started_from(group: &Group, index: ReplicaIndex, recovered: Recovered) -> (Replica, Now) {
    let keys = group.members.keys[usize::from(index.0)].clone();
    let (config, context) = (group.options.config.clone(), group.members.context.clone());
    let now = Now { elapsed_ms: group.now_ms, wall: group.wall(index) };
    (Replica::new(config, context, keys, recovered, now), now)
}

#[test]
fn replaced_records_bring_their_stable_checkpoint_along() {
    let mut group = Group::of_four();
    for nonce in 0..10 {
        let command = group.members.command(1, nonce);
        group.submit(r(0), &command);
        group.must_execute(500, &[command]);
    }
    group.run_for(100);
    let stable = group.replica(r(2)).stable_checkpoint().cloned();
    assert!(stable.is_some());
    // The crash came after the records were replaced and before the certificate was stored elsewhere.
    let records = group.replica(r(2)).durable_records();
    let recovered = Recovered { records, last_executed: Sequence(10), ..Recovered::default() };
    let (again, _) = started_from(&group, r(2), recovered);
    assert_eq!(again.stable_checkpoint().cloned(), stable);
}
