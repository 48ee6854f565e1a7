//! The end of an epoch, and replicas that may not speak in one.

use quorate_pbft::{Config, Message};
use quorate_protocol::{Digest, SignedCommand};

use crate::harness::{Group, Options, Sequence, View, r};

/// Whether all these replicas have handed over, at one checkpoint.
fn handed_over(group: &Group, replicas: &[u16]) -> bool {
    let ends: Vec<_> = replicas.iter().map(|&index| group.handovers(r(index)).last()).collect();
    ends.iter().all(|end| end.is_some_and(|end| Some(&end.checkpoint) == ends[0].map(|end| &end.checkpoint)))
}

fn commands(group: &Group, count: u64) -> Vec<SignedCommand> {
    (0..count).map(|nonce| group.members.command(1, nonce)).collect()
}

#[test]
fn the_epoch_ends_at_the_next_checkpoint_and_nothing_executes_after_it() {
    let mut group = Group::of_four();
    group.change_members_after(3);
    // Far more than the pipeline holds, so that later batches are under way when the epoch ends.
    let commands = commands(&group, 60);
    for command in &commands {
        group.submit(r(1), command);
    }
    assert!(group.run_until(2_000, |group| handed_over(group, &[0, 1, 2, 3])), "{}", group.picture());
    let end = group.handovers(r(0))[0].clone();
    assert_eq!(end.checkpoint.next_members_hash, Digest::from([9; 32]));
    group.run_for(2_000);
    for index in group.all() {
        let replica = group.replica(index);
        assert_eq!(replica.last_executed(), end.checkpoint.sequence);
        assert_eq!(group.handovers(index).len(), 1, "handed over once");
        assert_eq!(replica.view(), View(0), "nobody is given up for what the epoch leaves undone");
        let done = group.machine(index).commands.len();
        assert!((3..60).contains(&done), "{done} commands before the end");
        assert!(replica.pending_commands() + done >= 60 || index != r(1), "what waits is kept for later");
    }
}

#[test]
fn a_primary_that_never_takes_the_checkpoint_is_replaced() {
    let config = Config { checkpoint_interval: 512, window: 1024, ..Options::default().config };
    let mut group = Group::new(Options { config, ..Options::default() });
    group.change_members_after(1);
    let forge = group.forge.clone();
    group.corrupt(
        r(0),
        Box::new(move |_, message| match message {
            Message::PrePrepare(honest) if honest.batch.checkpoint => {
                let batch = quorate_pbft::Batch { checkpoint: false, ..honest.batch };
                vec![Message::PrePrepare(forge.pre_prepare(honest.view, honest.sequence, batch))]
            }
            other => vec![other],
        }),
    );
    group.submit(r(1), &group.members.command(1, 0));
    assert!(group.run_until(10_000, |group| handed_over(group, &[1, 2, 3])), "{}", group.picture());
    assert!(group.replica(r(1)).view() > View(0));
}

#[test]
fn who_missed_the_end_of_the_epoch_is_led_to_it() {
    let mut group = Group::of_four();
    group.change_members_after(3);
    group.isolate(r(3));
    for command in commands(&group, 3) {
        group.submit(r(1), &command);
    }
    assert!(group.run_until(2_000, |group| handed_over(group, &[0, 1, 2])), "{}", group.picture());
    group.run_for(500);
    group.heal();
    assert!(group.run_until(2_000, |group| handed_over(group, &[0, 1, 2, 3])), "{}", group.picture());
}

#[test]
fn a_crash_around_the_end_of_the_epoch_loses_no_word_of_it() {
    for effect in 0..90 {
        let mut group = Group::of_four();
        group.change_members_after(2);
        for index in 0..4 {
            // All of them crash, one after the other, somewhere around the end.
            group.crash_before_effect(r(index), effect + u64::from(index), 100);
        }
        for command in commands(&group, 2) {
            group.submit_until_executed(r(1), &command);
        }
        let everybody = |group: &Group| {
            handed_over(group, &[0, 1, 2, 3]) && group.all().into_iter().all(|index| group.is_up(index))
        };
        assert!(group.run_until(60_000, everybody), "crash before effect {effect}\n{}", group.picture());
    }
}

#[test]
fn a_replica_that_lost_its_memory_executes_and_says_nothing() {
    let mut group = Group::of_four();
    let first = group.members.command(1, 0);
    group.submit(r(1), &first);
    group.must_execute(1_000, std::slice::from_ref(&first));
    group.lose_records(r(0));
    assert!(group.replica(r(0)).is_silent());
    group.lose(|from, _, message| {
        let signed = match message {
            Message::PrePrepare(_) | Message::Prepare(_) | Message::Commit(_) => true,
            Message::Checkpoint(_) | Message::ViewChange(_) => true,
            Message::NewView(said) => said.view.primary(4) == r(0),
            _ => false,
        };
        assert!(!(signed && from == r(0)), "the silent replica signs {message:?}");
        false
    });
    // It was the primary: the others must do without it, also for its own clients.
    let later: Vec<_> = (1..30).map(|nonce| group.members.command(1, nonce)).collect();
    for command in &later {
        group.submit(r(0), command);
    }
    group.must_execute(20_000, &later);
    assert!(group.replica(r(1)).view() > View(0));
    group.run_for(1_000);
    let stable = |index| group.replica(index).stable_checkpoint().map(|stable| stable.checkpoint.sequence);
    assert!(stable(r(0)) > None && stable(r(0)) == stable(r(1)), "{}", group.picture());
}

#[test]
fn who_is_behind_and_finds_no_batches_wants_the_state() {
    let mut group = Group::of_four();
    group.isolate(r(3));
    let commands = commands(&group, 40);
    for command in &commands {
        group.submit(r(1), command);
        group.run_for(12);
    }
    group.supplies = false;
    group.heal();
    assert!(group.run_until(5_000, |group| group.wanted_state(r(3)).is_some()), "{}", group.picture());
    let wanted = group.wanted_state(r(3)).expect("checked above");
    assert!(wanted > Sequence(0) && wanted <= group.replica(r(0)).last_executed());
    assert!([0, 1, 2].iter().all(|&index| group.wanted_state(r(index)).is_none()));

    group.supplies = true;
    group.must_execute(5_000, &commands);
}
