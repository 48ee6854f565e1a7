//! Ordering, execution and checkpoints while nothing goes wrong.

use quorate_pbft::ViewState;

use crate::harness::{Group, Options, Sequence, View, r};

#[test]
fn commands_from_every_replica_execute_everywhere_in_one_order() {
    for n in [4, 7] {
        let mut group = Group::new(Options { n, ..Options::default() });
        let commands: Vec<_> =
            (0..20).map(|nonce| group.members.command(1 + nonce as u8 % 3, nonce)).collect();
        for (at, command) in commands.iter().enumerate() {
            group.submit(r(at as u16 % u16::from(n)), command);
            group.run_for(2);
        }
        group.must_execute(1_000, &commands);
        let order = group.machine(r(0)).commands.clone();
        assert_eq!(order.len(), commands.len());
        for index in group.all() {
            assert_eq!(group.machine(index).commands, order);
            assert_eq!(group.view(index), (View(0), ViewState::Active), "nobody lost patience");
        }
        assert_eq!(group.checker.evidence.len(), 0);
    }
}

#[test]
fn checkpoints_become_stable_and_free_what_lies_below() {
    let mut group = Group::of_four();
    for nonce in 0..20 {
        let command = group.members.command(1, nonce);
        group.submit(r(1), &command);
        group.must_execute(500, &[command]);
    }
    group.run_for(200);
    for index in group.all() {
        let stable = group.replica(index).stable_checkpoint().expect("two intervals have passed");
        assert!(stable.checkpoint.sequence >= Sequence(16), "{}", group.picture());
        let kept = group.replica(index).durable_records().len();
        assert!(kept < 30, "{kept} records are kept");
    }
}

#[test]
fn an_idle_group_is_quiet_and_never_spins() {
    let mut group = Group::of_four();
    let command = group.members.command(1, 0);
    group.submit(r(0), &command);
    group.must_execute(500, &[command]);
    group.run_for(500);
    let before = group.sent.clone();
    group.run_for(10_000);
    let after = group.sent.clone();
    let since = |kind| after.get(kind).unwrap_or(&0) - before.get(kind).unwrap_or(&0);
    for kind in ["pre_prepare", "prepare", "commit", "checkpoint", "view_change", "forward", "catch_up"] {
        assert_eq!(since(kind), 0, "{kind}");
    }
    assert!(since("status") <= 4 * 201, "{} statuses", since("status"));
    assert_eq!(group.busy_ticks, 0);
}
