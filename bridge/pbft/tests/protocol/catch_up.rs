//! Replicas that were away, and those that would keep them away.

use quorate_pbft::message::Status;
use quorate_pbft::{Message, ViewState};

use crate::harness::{Group, Sequence, View, r};

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
