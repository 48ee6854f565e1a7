//! Changing the view: what is kept, who joins, how long it takes, and that it converges.

use quorate_pbft::{Batch, Message, PreparedCertificate, ViewState};

use crate::harness::{Group, Options, Sequence, View, r};

fn with_seven() -> Group {
    Group::new(Options { n: 7, ..Options::default() })
}

#[test]
fn prepared_batches_survive_and_gaps_become_null_batches() {
    let mut group = Group::of_four();
    group.silence(r(0));
    group.run_for(100);
    // The primary leaves out sequence 2. Everybody prepares 1 and 3, and nobody commits.
    group.lose(|_, _, message| matches!(message, Message::Commit(_)));
    let commands = [0, 1].map(|nonce| group.members.command(1, nonce));
    let mut digests = Vec::new();
    for (sequence, command) in [1, 3].into_iter().zip(&commands) {
        group.checker.issued(command.digest());
        let batch = group.forge.batch(group.wall(r(0)), vec![command.clone()]);
        digests.push(group.forge.digest(&batch));
        let proposal = group.forge.pre_prepare(View(0), Sequence(sequence), batch);
        for to in 1..4 {
            group.inject(r(0), r(to), &Message::PrePrepare(proposal.clone()));
        }
    }
    group.run_for(50);
    group.heal();
    group.must_execute(2_000, &commands);
    let order: Vec<_> = commands.iter().map(|command| command.digest()).collect();
    for index in group.correct() {
        assert_eq!(group.machine(index).commands, order);
        assert_eq!(group.machine(index).last, Sequence(3), "the gap was filled");
        assert!(group.replica(index).view() > View(0));
    }
}

#[test]
fn of_two_certificates_for_one_sequence_the_later_view_counts() {
    let mut group = Group::of_four();
    let forge = group.forge.clone();
    let [older, later] = [0, 1]
        .map(|nonce| forge.digest(&forge.batch(group.wall(r(0)), vec![group.members.command(1, nonce)])));
    let one = Sequence(1);
    let of_view_0 = forge.certificate(&[r(1), r(2)], View(0), one, older);
    let of_view_1 = forge.certificate(&[r(2), r(3)], View(1), one, later);
    let mut passes = |shown: [Option<&PreparedCertificate>; 3], proposal| {
        let view_changes = (1..)
            .zip(shown)
            .map(|(by, shown)| forge.view_change(r(by), View(2), None, shown.into_iter().cloned().collect()))
            .collect();
        let new_view = forge.new_view(View(2), view_changes, &[(one, proposal)]);
        group.passes(r(2), &Message::NewView(new_view).encode()).is_some()
    };
    for shown in [
        [Some(&of_view_0), Some(&of_view_1), None],
        [Some(&of_view_1), Some(&of_view_0), None],
        [Some(&of_view_0), None, Some(&of_view_1)],
    ] {
        assert!(passes(shown, later));
        assert!(!passes(shown, older), "a batch that is committed may be hidden by this");
    }
}

#[test]
fn a_new_view_starts_above_the_highest_stable_checkpoint() {
    let mut group = Group::of_four();
    let forge = group.forge.clone();
    let digest = forge.digest(&forge.batch(group.wall(r(0)), vec![]));
    let null = forge.digest(&Batch::null());
    let stable = forge.stable(&[r(0), r(1), r(2)], &forge.checkpoint(Sequence(8), 1));
    let certificate = |sequence| forge.certificate(&[r(1), r(2)], View(0), Sequence(sequence), digest);
    let view_changes = vec![
        forge.view_change(r(1), View(1), None, vec![certificate(7), certificate(8)]),
        forge.view_change(r(2), View(1), Some(stable), vec![certificate(10)]),
        forge.view_change(r(3), View(1), None, vec![certificate(8)]),
    ];
    let mut passes = |proposals: &[_]| {
        let new_view = forge.new_view(View(1), view_changes.clone(), proposals);
        group.passes(r(1), &Message::NewView(new_view).encode()).is_some()
    };
    assert!(passes(&[(Sequence(9), null), (Sequence(10), digest)]));
    assert!(!passes(&[(Sequence(8), digest), (Sequence(9), null), (Sequence(10), digest)]));
    assert!(!passes(&[(Sequence(10), digest)]));
}

#[test]
fn a_weak_quorum_of_wishes_makes_a_replica_join_the_smallest_higher_view() {
    let mut group = with_seven();
    for (by, view) in [(4, 9), (5, 4), (6, 6)] {
        group.silence(r(by));
        assert_eq!(group.view(r(1)), (View(0), ViewState::Active), "f wishes may all be lies");
        let wish = group.forge.view_change(r(by), View(view), None, vec![]);
        group.inject(r(by), r(1), &Message::ViewChange(wish));
    }
    assert_eq!(group.view(r(1)), (View(4), ViewState::Changing));
}

/// When replica 6 begins to ask for `view`.
fn asks_for(group: &mut Group, view: u64) -> u64 {
    assert!(group.run_until(60_000, |group| group.replica(r(6)).view() >= View(view)), "{}", group.picture());
    assert_eq!(group.replica(r(6)).view(), View(view));
    group.now_ms
}

#[test]
fn time_outs_double_with_each_failed_view_and_come_back_down() {
    let mut group = with_seven();
    group.run_for(100);
    // The primaries of views 0 and 1 are away.
    group.isolate(r(0));
    group.isolate(r(1));
    let command = group.members.command(1, 0);
    for index in 2..7 {
        group.submit(r(index), &command);
    }
    let started = group.now_ms;
    let first = asks_for(&mut group, 1);
    let second = asks_for(&mut group, 2);
    assert!((200..260).contains(&(first - started)), "{}", first - started);
    assert!((400..460).contains(&(second - first)), "{}", second - first);
    assert!(group.run_until(500, |group| group.machine(r(6)).has(&command)), "{}", group.picture());

    group.heal();
    for nonce in 1..10 {
        let command = group.members.command(1, nonce);
        group.submit(r(6), &command);
        group.must_execute(1_000, &[command]);
    }
    group.isolate(r(2));
    let command = group.members.command(1, 10);
    for index in 3..7 {
        group.submit(r(index), &command);
    }
    let started = group.now_ms;
    let third = asks_for(&mut group, 3);
    assert!((200..260).contains(&(third - started)), "{}", third - started);
}

#[test]
fn replicas_wait_for_no_view_that_another_has_already_given_up() {
    let mut group = Group::of_four();
    group.run_for(100);
    // Replica 1 would open view 1, but is down. Replica 3 hears that all three ask for it and gives it up;
    // the others never hear that replica 3 asked for view 1 too.
    group.crash(r(1));
    group.lose(|from, _, message| {
        from == r(3) && matches!(message, Message::ViewChange(wish) if wish.view == View(1))
    });
    group.lose(|from, _, message| match message {
        Message::ViewChange(wish) => from == r(3) && wish.view == View(1),
        Message::PrePrepare(_) => true,
        _ => false,
    });
    let command = group.members.command(1, 0);
    for index in [0, 2, 3] {
        group.submit(r(index), &command);
    }
    assert!(group.run_until(5_000, |group| group.replica(r(3)).view() == View(2)), "{}", group.picture());
    group.heal();
    let done = |group: &Group| [0, 2, 3].iter().all(|&i| group.machine(r(i)).has(&command));
    assert!(group.run_until(5_000, done), "{}", group.picture());
}

#[test]
fn a_replica_that_committed_in_an_older_view_still_helps_the_others() {
    let mut group = Group::of_four();
    // Replica 1 alone sees the commits of view 0; then the primary is gone for good.
    group.lose(|_, to, message| to != r(1) && matches!(message, Message::Commit(_) | Message::CatchUp(_)));
    let command = group.members.command(1, 0);
    group.submit(r(2), &command);
    assert!(group.run_until(100, |group| group.machine(r(1)).has(&command)));
    group.silence(r(0));
    assert!(group.run_until(2_000, |group| group.view(r(2)) == (View(1), ViewState::Active)));
    group.lose(|_, _, message| matches!(message, Message::CatchUp(_)));
    group.must_execute(2_000, &[command]);
    assert_eq!(group.checker.history().len(), 1);
}

#[test]
fn commits_of_an_older_view_execute_at_a_replica_that_has_moved_on() {
    let mut group = Group::of_four();
    group.run_for(100);
    // Replica 3 hears everything but commits until it has asked for the next view, alone.
    group.lose(|from, to, message| {
        (to == r(3) && matches!(message, Message::Commit(_) | Message::CatchUp(_) | Message::Status(_)))
            || (from == r(3) && matches!(message, Message::ViewChange(_)))
    });
    let command = group.members.command(1, 0);
    group.submit(r(3), &command);
    // Its peers' votes keep it in touch, but it never sees that they are done.
    for nonce in 1..40 {
        let command = group.members.command(1, nonce);
        group.submit(r(1), &command);
        group.run_for(10);
    }
    assert_eq!(group.view(r(3)), (View(1), ViewState::Changing), "{}", group.picture());
    let commands: Vec<_> = (0..40).map(|nonce| group.members.command(1, nonce)).collect();
    group.heal();
    group.lose(|from, _, message| from == r(3) && matches!(message, Message::ViewChange(_)));
    group.must_execute(2_000, &commands);
    assert_eq!(group.view(r(3)).1, ViewState::Changing);
}

/// Takes `links` down for a while, in which everybody has something to do, and heals them.
fn converges(links: &[(u16, u16)], primary_is_silent: bool) {
    let mut group = Group::of_four();
    if primary_is_silent {
        group.silence(r(0));
    }
    for &(from, to) in links {
        group.network.cut(r(from), r(to));
    }
    let commands: Vec<_> = (0..4).map(|nonce| group.members.command(1, nonce)).collect();
    for (index, command) in (0..).zip(&commands) {
        group.submit(r(index), command);
    }
    group.run_for(1_200);
    group.heal();
    let own = usize::from(primary_is_silent);
    let done = group.run_until(10_000, |group| group.executed_everywhere(&commands[own..]));
    assert!(done, "{links:?} down, silent primary: {primary_is_silent}\n{}", group.picture());
    let last = group.members.command(2, 0);
    group.submit(r(2), &last);
    group.must_execute(10_000, &[last]);
}

/// Every subset of one or two of `links`.
fn every_one_and_two(links: &[Vec<(u16, u16)>]) {
    for (at, first) in links.iter().enumerate() {
        for second in &links[at..] {
            let mut both = first.clone();
            both.extend(second);
            both.sort_unstable();
            both.dedup();
            converges(&both, false);
            converges(&both, true);
        }
    }
}

fn pairs() -> impl Iterator<Item = (u16, u16)> {
    (0..4).flat_map(|a| (0..4).map(move |b| (a, b)))
}

#[test]
fn any_one_or_two_links_may_be_down_for_a_while() {
    let links: Vec<_> = pairs().filter(|(a, b)| a < b).map(|(a, b)| vec![(a, b), (b, a)]).collect();
    assert_eq!(links.len(), 6);
    every_one_and_two(&links);
}

#[test]
fn any_one_or_two_directions_may_be_down_for_a_while() {
    let links: Vec<_> = pairs().filter(|(a, b)| a != b).map(|link| vec![link]).collect();
    assert_eq!(links.len(), 12);
    every_one_and_two(&links);
}

#[test]
fn a_faulty_primary_is_held_by_the_watermarks() {
    let mut group = Group::of_four();
    group.silence(r(0));
    group.run_for(100);
    let window = group.options.config.window;
    for sequence in [window, window + 1, 1 << 40, u64::MAX] {
        let batch = Batch { timestamp: group.wall(r(0)), checkpoint: false, commands: vec![] };
        let proposal = group.forge.pre_prepare(View(0), Sequence(sequence), batch);
        for to in 1..4 {
            group.inject(r(0), r(to), &Message::PrePrepare(proposal.clone()));
        }
    }
    let command = group.members.command(1, 0);
    group.submit(r(1), &command);
    group.must_execute(3_000, &[command]);
    let last = group.replica(r(1)).last_executed();
    assert!(last.0 <= window + 1, "the sequence went to {last}");
}
