//! The group goes on: whatever a faulty primary ignores, whoever was cut off, and however messages got lost.

use quorate_pbft::message::Status;
use quorate_pbft::{Message, ViewState};
use quorate_protocol::{ReplicaIndex, TimestampMs};

use crate::harness::{Faults, Group, Options, Sequence, View, r};

#[test]
fn a_command_that_the_primary_ignores_is_spread_and_the_primary_is_replaced() {
    let mut group = Group::of_four();
    // The primary orders whatever the others send, but never hears of client 9.
    group.corrupt(r(0), Box::new(|_, message| vec![message]));
    group.network.cut(r(1), r(0));
    let ignored = group.members.command(9, 0);
    group.submit(r(1), &ignored);
    // All others know of it half a time-out later; the faulty primary drops what they forward.
    group.network.cut(r(2), r(0));
    group.network.cut(r(3), r(0));
    assert!(
        group.run_until(200, |group| [2, 3].iter().all(|&i| group.replica(r(i)).pending_commands() == 1))
    );
    assert!(group.run_until(1_000, |group| [1, 2, 3].iter().all(|&i| group.machine(r(i)).has(&ignored))));
    assert!(group.view(r(1)).0 > View(0));
}

#[test]
fn a_primary_that_ignores_one_client_is_replaced_though_it_keeps_the_backups_behind() {
    let mut group = Group::of_four();
    group.run_for(100);
    // It orders what all others ask for. It shows no batch to replica 1, lets 2 and 3 see its commits in turns,
    // so that each has executed less than the other now and then, and boasts.
    let primary = |to: ReplicaIndex, message| match message {
        Message::PrePrepare(_) if to == r(1) => vec![],
        Message::Commit(vote) if u64::from(to.0) == 2 + vote.sequence.0 % 2 => vec![],
        Message::CatchUp(_) => vec![],
        Message::Status(status) => {
            let last_executed = Sequence(status.last_executed.0 + 1_000);
            vec![Message::Status(Status { last_executed, ..status })]
        }
        message => vec![message],
    };
    group.corrupt(r(0), Box::new(primary));
    let ignored = group.members.command(9, 0);
    let digest = ignored.digest();
    group.lose(move |_, to, message| match message {
        Message::Forward(forward) => {
            to == r(0) && forward.commands.iter().any(|command| command.digest() == digest)
        }
        _ => false,
    });
    for index in 1..4 {
        group.submit(r(index), &ignored);
    }
    for nonce in 0..100 {
        let command = group.members.command(1 + (nonce % 4) as u8, nonce);
        group.submit(r(1 + (nonce % 3) as u16), &command);
        group.run_for(100);
    }
    let served = (1..4).all(|index| group.machine(r(index)).has(&ignored));
    assert!(served, "one client is ignored for ever\n{}", group.picture());
}

#[test]
fn a_primary_that_shows_a_batch_to_one_backup_alone_is_replaced() {
    let mut group = Group::of_four();
    let primary = |to, message| match message {
        Message::PrePrepare(_) if to != r(1) => vec![],
        message => vec![message],
    };
    group.corrupt(r(0), Box::new(primary));
    let command = group.members.command(1, 0);
    group.submit(r(1), &command);
    // The client does not ask anybody else, and nothing else happens.
    group.must_execute(3_000, &[command]);
}

#[test]
fn a_client_that_talks_to_one_backup_is_served() {
    for entry in 0..4 {
        let mut group = Group::of_four();
        let commands: Vec<_> = (0..30).map(|nonce| group.members.command(1, nonce)).collect();
        group.set_faults(Faults { loss_percent: 10, ..Faults::default() });
        for command in &commands {
            group.submit(r(entry), command);
            group.run_for(5);
        }
        group.must_execute(5_000, &commands);
    }
}

#[test]
fn a_proposal_that_grew_old_on_the_way_does_not_hold_the_group_up() {
    // Nobody sees the primary's proposal before its time is out of bounds, nobody else knows the command and
    // no other command comes.
    let mut group = Group::of_four();
    group.isolate(r(0));
    let command = group.members.command(1, 0);
    group.submit(r(0), &command);
    group.run_for(6_000);
    group.heal();
    group.must_execute(3_000, &[command]);
}

#[test]
fn a_replica_cut_off_with_a_client_waiting_does_not_leave_the_view() {
    let mut group = Group::of_four();
    group.run_for(100);
    group.isolate(r(3));
    let waiting = group.members.command(1, 0);
    group.submit(r(3), &waiting);
    let others = group.members.command(2, 0);
    group.submit(r(1), &others);
    group.run_for(5_000);
    group.heal();
    group.must_execute(1_000, &[waiting, others]);
    for index in group.all() {
        assert_eq!(group.view(index), (View(0), ViewState::Active), "{}", group.picture());
    }
}

#[test]
fn a_replica_cut_off_with_a_command_on_its_way_does_not_leave_the_view() {
    let mut group = Group::of_four();
    group.run_for(98);
    // The command is lost, and then the others tell for the last time where they stand.
    for other in 0..3 {
        group.network.cut(r(3), r(other));
    }
    let command = group.members.command(1, 0);
    group.submit(r(3), &command);
    group.run_for(7);
    group.isolate(r(3));
    group.run_for(1_000);
    group.heal();
    group.must_execute(1_000, &[command]);
    assert_eq!(group.view(r(3)), (View(0), ViewState::Active), "{}", group.picture());
}

/// A replica that asked for a view alone: it heard enough to judge, and nobody heard of its command.
fn lonely_group() -> Group {
    let mut group = Group::of_four();
    group.run_for(100);
    for other in 0..3 {
        group.network.cut(r(3), r(other));
    }
    let command = group.members.command(1, 0);
    group.submit(r(3), &command);
    assert!(group.run_until(1_000, |group| group.view(r(3)) == (View(1), ViewState::Changing)));
    group.heal();
    group.must_execute(1_000, &[command]);
    group
}

#[test]
fn the_group_goes_on_beside_a_lonely_replica_and_the_lonely_one_follows() {
    let mut group = lonely_group();
    let commands: Vec<_> = (1..40).map(|nonce| group.members.command(1, nonce)).collect();
    for command in &commands {
        group.submit(r(1), command);
        group.run_for(10);
    }
    group.must_execute(1_000, &commands);
    assert_eq!(group.view(r(3)), (View(1), ViewState::Changing));
    assert_eq!(group.view(r(1)), (View(0), ViewState::Active));
}

#[test]
fn the_group_lives_when_another_fails_beside_a_lonely_replica() {
    for fails in 0..3 {
        let mut group = lonely_group();
        group.silence(r(fails));
        let command = group.members.command(1, 1);
        group.submit(r((fails + 1) % 3), &command);
        group.must_execute(5_000, &[command]);
        assert_eq!(group.view(r(3)).1, ViewState::Active, "the lonely one is back");
    }
}

#[test]
fn a_long_queue_that_moves_is_no_reason_to_change_the_view() {
    let options = Options::default();
    let config = quorate_pbft::Config { max_batch_commands: 1, pipeline: 1, ..options.config };
    let mut group = Group::new(Options { config, ..options });
    group.set_faults(Faults { max_delay_ms: 10, ..Faults::default() });
    // Fifty commands at some 15 ms each: the last waits for several time-outs.
    let commands: Vec<_> = (0..50).map(|nonce| group.members.command(1, nonce)).collect();
    for command in &commands {
        group.submit(r(0), command);
    }
    group.must_execute(5_000, &commands);
    assert!(group.now_ms > 400, "the queue was long");
    for index in group.all() {
        assert_eq!(group.view(index), (View(0), ViewState::Active));
    }
}

#[test]
fn a_command_that_the_state_came_to_refuse_costs_no_view() {
    let mut group = Group::of_four();
    // The primary's edge lets the command in no more, while two backups wait for it.
    group.lose(|_, to, message| to == r(0) && matches!(message, Message::Forward(_)));
    let stale = group.members.command(1, 0);
    group.submit(r(1), &stale);
    group.submit(r(2), &stale);
    group.run_for(120);
    group.take_back(&stale);
    group.run_for(3_000);
    for index in group.all() {
        assert_eq!(group.view(index), (View(0), ViewState::Active));
        assert_eq!(group.replica(index).pending_commands(), 0);
    }
}

#[test]
fn an_empty_batch_is_proposed_when_work_is_due() {
    let mut group = Group::of_four();
    let due = TimestampMs(group.wall(r(0)).0 + 700);
    group.falls_due(due);
    group.run_for(690);
    assert_eq!(group.replica(r(0)).last_executed().0, 0);
    assert!(group.run_until(40, |group| group.all().iter().all(|&i| group.machine(i).due.is_empty())));
    assert_eq!(group.busy_ticks, 0);
}

#[test]
fn a_primary_that_leaves_due_work_undone_is_replaced_and_a_slow_clock_is_forgiven() {
    let mut group = Group::of_four();
    let due = TimestampMs(group.wall(r(0)).0 + 500);
    group.falls_due(due);
    group.skew(r(0), -3_000);
    assert!(group.run_until(4_000, |group| group.all().iter().all(|&i| group.machine(i).due.is_empty())));
    assert_eq!(group.view(r(1)), (View(0), ViewState::Active), "its clock was within the allowed drift");

    let mut group = Group::of_four();
    group.falls_due(due);
    group.silence(r(0));
    let done = |group: &Group| group.correct().iter().all(|&i| group.machine(i).due.is_empty());
    assert!(group.run_until(9_000, done), "{}", group.picture());
    assert!(group.view(r(1)).0 > View(0));
}

#[test]
fn work_that_stays_due_over_many_failed_views_still_gets_its_time() {
    let mut group = Group::of_four();
    let due = TimestampMs(group.wall(r(0)).0 + 500);
    group.falls_due(due);
    // Every message is lost for so long that all time-outs have doubled as often as they may.
    group.set_faults(Faults { loss_percent: 75, max_delay_ms: 400, ..Faults::default() });
    group.run_for(60_000);
    group.heal();
    let done = |group: &Group| group.correct().iter().all(|&i| group.machine(i).due.is_empty());
    assert!(group.run_until(60_000, done), "{}", group.picture());
}

#[test]
fn links_slower_than_the_time_out_supposes_do_not_cost_every_other_view() {
    let mut group = Group::of_four();
    // A batch takes up to four of these, and the time-out is 200 ms.
    (group.network.weather.min_delay_ms, group.network.weather.max_delay_ms) = (160, 220);
    for nonce in 0..100 {
        let command = group.members.command(1, nonce);
        group.submit(r(nonce as u16 % 4), &command);
        group.must_execute(10_000, &[command]);
    }
    assert!(group.view(r(0)).0 <= View(12), "{}", group.picture());
    // Once they are swift again, so is the change of a view.
    group.heal();
    for nonce in 100..150 {
        let command = group.members.command(1, nonce);
        group.submit(r(0), &command);
        group.must_execute(1_000, &[command]);
    }
    let primary = group.view(r(0)).0.primary(4);
    group.silence(primary);
    let command = group.members.command(2, 0);
    group.correct().iter().for_each(|&index| group.submit(index, &command));
    assert!(
        group.run_until(450, |group| group.correct().iter().all(|&index| group.machine(index).has(&command)))
    );
}

#[test]
fn a_checkpoint_is_proposed_when_entries_wait_and_traffic_is_thin() {
    let mut group = Group::of_four();
    let command = group.members.command(1, 0);
    group.submit(r(2), &command);
    group.must_execute(100, &[command]);
    let stable = |group: &Group| group.all().iter().all(|&i| group.replica(i).stable_checkpoint().is_some());
    assert!(group.run_until(300, stable), "{}", group.picture());
    let sequence = group.replica(r(0)).last_executed();
    group.run_for(2_000);
    assert_eq!(group.replica(r(0)).last_executed(), sequence, "one checkpoint settles them");
}

/// Cuts the primary off until the others have replaced it.
fn replace_primary(group: &mut Group, nonce: u64) {
    let old = group.replica(r(0)).view();
    let primary = old.primary(4);
    group.isolate(primary);
    let command = group.members.command(9, nonce);
    for index in group.all() {
        group.submit(index, &command);
    }
    let replaced = |group: &Group| group.all().iter().all(|&i| i == primary || group.view(i).0 > old);
    assert!(group.run_until(20_000, replaced), "{}", group.picture());
    group.heal();
    group.must_execute(20_000, &[command]);
}

#[test]
fn a_clock_that_jumped_does_not_spoil_a_primary_for_ever() {
    let mut group = Group::of_four();
    group.skew(r(0), 3_600_000);
    let first = group.members.command(1, 0);
    group.submit(r(0), &first);
    group.must_execute(5_000, &[first]);
    assert_eq!(group.view(r(0)).0, View(1), "an hour ahead is no time for a batch");

    group.skew(r(0), 0);
    for nonce in 0..3 {
        replace_primary(&mut group, nonce);
    }
    assert_eq!(group.view(r(1)), (View(4), ViewState::Active), "{}", group.picture());
    let command = group.members.command(1, 1);
    group.submit(r(0), &command);
    group.must_execute(500, &[command]);
    assert_eq!(group.view(r(1)), (View(4), ViewState::Active), "its clock is right again");
}
