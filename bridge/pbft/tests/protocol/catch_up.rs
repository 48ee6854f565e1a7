//! Replicas that were away, and those that would keep them away.

use quorate_pbft::message::{CatchUp, Status};
use quorate_pbft::{CommittedBatch, Config, Message, ViewState};

use crate::harness::{Group, Options, Sequence, View, r};

#[test]
fn a_replica_cut_off_for_long_catches_up_and_adopts_the_stable_checkpoint() {
    let mut group = Group::of_four();
    group.isolate(r(3));
    for nonce in 0..200 {
        let command = group.members.command(1, nonce);
        group.submit(r(1), &command);
        group.run_for(12);
    }
    assert_eq!(group.replica(r(3)).last_executed(), Sequence(0));
    group.heal();
    let commands: Vec<_> = (0..200).map(|nonce| group.members.command(1, nonce)).collect();
    group.must_execute(2_000, &commands);
    group.run_for(200);
    let stable = |index| group.replica(index).stable_checkpoint().map(|stable| stable.checkpoint.sequence);
    assert_eq!(stable(r(3)), stable(r(0)));
    assert_eq!(group.view(r(3)), (View(0), ViewState::Active), "nobody was given up\n{}", group.picture());

    // It is one of the quorum again.
    group.crash(r(2));
    let command = group.members.command(2, 0);
    group.submit(r(3), &command);
    assert!(group.run_until(1_000, |group| [0, 1, 3].iter().all(|&i| group.machine(r(i)).has(&command))));
}

#[test]
fn a_peer_that_claims_much_and_supplies_nothing_keeps_nobody_away() {
    let mut group = Group::of_four();
    group.silence(r(0));
    group.isolate(r(3));
    let mut commands = Vec::new();
    for nonce in 0..3 {
        let command = group.members.command(1, nonce);
        group.submit(r(1), &command);
        group.submit(r(2), &command);
        commands.push(command);
    }
    // Without replica 3 the others make no quorum yet; the faulty replica 0 helps them.
    group.corrupt(r(0), Box::new(|_, message| vec![message]));
    assert!(group.run_until(5_000, |group| group.machine(r(1)).has(&commands[2])));
    group.heal();
    group.silence(r(0));
    let claim = Status { view: View(0), active: true, stable: Sequence(0), last_executed: Sequence(9_999) };
    // The liar's claims always come when a request is due.
    let deadline = group.now_ms + 1_000;
    while group.now_ms < deadline && !group.executed_everywhere(&commands) {
        group.inject(r(0), r(3), &Message::Status(claim));
        group.run_for(1);
    }
    assert!(group.executed_everywhere(&commands), "{}", group.picture());
}

#[test]
fn a_batch_without_the_commits_of_a_quorum_is_refused() {
    let mut group = Group::of_four();
    let forge = group.forge.clone();
    let batch = forge.batch(group.wall(r(0)), vec![group.members.command(1, 0)]);
    let (view, sequence, digest) = (View(0), Sequence(1), forge.digest(&batch));
    let mut passes = |commits, sequence| {
        let committed = CommittedBatch { view, sequence, batch: batch.clone(), commits };
        group.passes(r(3), &Message::CatchUp(CatchUp { batches: vec![committed] }).encode()).is_some()
    };
    let quorum = [r(0), r(1), r(2)];
    assert!(passes(forge.commits(&quorum, view, sequence, digest), sequence));
    assert!(!passes(forge.commits(&quorum[1..], view, sequence, digest), sequence), "too few");
    assert!(!passes(forge.commits(&[r(0), r(1), r(1)], view, sequence, digest), sequence), "one twice");
    assert!(!passes(forge.commits(&[r(2), r(1), r(0)], view, sequence, digest), sequence), "out of order");
    assert!(!passes(forge.commits(&[r(0), r(1), r(8)], view, sequence, digest), sequence), "a stranger");
    assert!(!passes(forge.commits(&quorum, View(1), sequence, digest), sequence), "of another view");
    assert!(!passes(forge.commits(&quorum, view, sequence, digest), Sequence(2)), "of another sequence");
}

#[test]
fn a_backup_that_never_got_a_batch_follows_the_others() {
    let mut group = Group::of_four();
    group.lose(|_, to, message| to == r(3) && matches!(message, Message::PrePrepare(_)));
    let commands: Vec<_> = (0..30).map(|nonce| group.members.command(1, nonce)).collect();
    for command in &commands {
        group.submit(r(3), command);
        group.run_for(20);
    }
    group.must_execute(1_000, &commands);
    assert_eq!(group.view(r(3)), (View(0), ViewState::Active), "{}", group.picture());
}

#[test]
fn a_batch_that_a_new_view_names_is_fetched_from_those_who_have_it() {
    // Replica 1 is the primary of the new view, replica 3 a backup.
    for lacking in [1, 3] {
        let mut group = Group::of_four();
        group.run_for(100);
        // One replica never sees the batch that the others prepare, and nobody commits it.
        group.lose(move |_, to, message| {
            to == r(lacking) && matches!(message, Message::PrePrepare(_))
                || matches!(message, Message::Commit(_))
        });
        let command = group.members.command(1, 0);
        group.submit(r(2), &command);
        group.run_for(30);
        group.silence(r(0));
        // Without that replica there is no quorum now. Answers get lost at first.
        group.lose(|_, _, message| matches!(message, Message::BatchReply(_)));
        let opened = |group: &Group| (1..4).all(|i| group.view(r(i)) == (View(1), ViewState::Active));
        assert!(group.run_until(2_000, opened), "{}", group.picture());
        group.run_for(100);
        assert!(!group.machine(r(2)).has(&command));
        group.heal();
        group.must_execute(1_000, &[command]);
        assert!(group.sent["batch_reply"] > 0);
        assert_eq!(group.view(r(3)), (View(1), ViewState::Active));
    }
}

#[test]
fn a_primary_behind_its_stable_checkpoint_catches_up_and_proposes_again() {
    let options = Options::default();
    let config = Config { checkpoint_interval: 2, window: 4, max_batch_commands: 1, ..options.config };
    let mut group = Group::new(Options { config, ..options });
    // The primary's proposals are committed by the others, and it never learns.
    group.lose(|_, to, message| to == r(0) && matches!(message, Message::Commit(_) | Message::CatchUp(_)));
    let commands: Vec<_> = (0..4).map(|nonce| group.members.command(1, nonce)).collect();
    for command in &commands {
        group.submit(r(0), command);
    }
    let ahead = |group: &Group| {
        let stable = group.replica(r(0)).stable_checkpoint().map(|stable| stable.checkpoint.sequence);
        stable == Some(Sequence(4)) && group.replica(r(0)).last_executed() == Sequence(0)
    };
    assert!(group.run_until(190, ahead), "{}", group.picture());
    group.heal();
    let next = group.members.command(1, 4);
    group.submit(r(2), &next);
    group.must_execute(190, &[next]);
    assert_eq!(group.view(r(2)), (View(0), ViewState::Active));
}

#[test]
fn a_state_that_differs_from_a_quorums_is_reported_by_its_replica_alone() {
    let mut group = Group::of_four();
    group.corrupt_machine(r(3));
    let commands: Vec<_> = (0..10).map(|nonce| group.members.command(1, nonce)).collect();
    for command in &commands {
        group.submit(r(1), command);
        group.run_for(20);
    }
    group.must_execute(1_000, &commands);
    assert!(!group.diverged(r(3)).is_empty());
    for index in group.correct() {
        assert!(group.diverged(index).is_empty());
        assert!(group.replica(index).stable_checkpoint().is_some());
    }

    // The same when the replica reaches a checkpoint that was stable long before.
    let mut group = Group::of_four();
    group.corrupt_machine(r(3));
    group.isolate(r(3));
    for command in &commands {
        group.submit(r(1), command);
        group.run_for(20);
    }
    group.run_for(200);
    group.heal();
    assert!(group.run_until(1_000, |group| !group.diverged(r(3)).is_empty()), "{}", group.picture());
}
