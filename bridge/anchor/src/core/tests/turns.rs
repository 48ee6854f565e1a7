//! When an anchor is due, whose turn it is, and what the node is told.

use super::*;

#[test]
fn a_checkpoint_is_anchored_once_and_announced() {
    let mut script = Script::first();
    assert!(script.look(0).is_none(), "nothing is stable");
    let sent = script.submitted();
    assert_eq!((sent.sequence, sent.nonce, sent.fees), (Sequence(128), 3, Fees { max_fee: 22, tip: 2 }));
    assert!(script.look(500).is_none(), "one is on its way");
    script.include(&sent, 10);
    assert!(script.look(500).is_none());
    assert_eq!(script.announced, [AnchorState::default(), script.view.confirmed]);
    assert!(script.look(60_000).is_none(), "it is anchored");
    let cost = Cost { execution: 5, data: 2 };
    assert_eq!(script.reports, [Report::Anchored { sequence: Sequence(128), hash: sent.hash, cost }]);
}

#[test]
fn too_few_entries_and_too_short_an_interval_wait() {
    let mut script = Script::first();
    script.stable(64, 4);
    assert!(script.look(0).is_none(), "four entries are less than five");
    let sent = script.submitted();
    script.include(&sent, 10);
    script.look(0);
    script.stable(256, 20);
    assert!(script.look(999).is_none(), "the interval is not over");
    let wait_ms = 4 * SETTINGS.takeover_ms;
    let due = script.look(1);
    let next = due.or_else(|| script.look(wait_ms)).expect("the turn comes to everybody");
    assert_eq!((next.sequence, next.nonce), (Sequence(256), 4));
}

/// Finding L-11. The group makes a checkpoint every 100 ms, and somebody anchors the oldest that the contract takes, more
/// often than the interval, and only such as give this replica no first turn. It anchors the newest all the same, once
/// those before it have had their time and were silent.
#[test]
fn l11_anchors_of_old_checkpoints_do_not_hold_the_new_back() {
    for rank in 0..4 {
        let mut script = Script::of_rank(rank, SETTINGS);
        script.anchor(1, 10);
        script.look(0);
        let patience_ms = 2 * SETTINGS.interval_ms + 4 * SETTINGS.takeover_ms;
        let (id, me) = (script.group.identity.group, AgentId(script.anchorer.key.address()));
        let me = script.group.replicas().index_of(me).unwrap();
        let is_ours = |anchored| super::rank(id, Sequence(anchored), me, 4) == 0;
        let (mut made, mut anchored) = (1, 1);
        let sent = (0..patience_ms / 100).find_map(|round| {
            made += 1;
            script.stable(made, 10 * made);
            if round % 9 == 8 {
                anchored = (anchored + 1..).find(|next| !is_ours(*next)).unwrap();
                script.view.head += 1;
                script.anchor(anchored, 10 * anchored);
            }
            script.look(100)
        });
        let sent = sent.expect("everybody has a turn in time");
        assert_eq!(sent.sequence, Sequence(made), "rank {rank}");
    }
}

#[test]
fn an_anchor_of_what_was_due_begins_new_turns() {
    let mut script = Script::of_rank(1, SETTINGS);
    script.stable(128, 10);
    assert!(script.look(0).is_none());
    script.stable(256, 20);
    assert!(script.look(SETTINGS.takeover_ms - 1).is_none());
    script.anchor(128, 10);
    let sent = script.look(1).or_else(|| (0..1_000).find_map(|_| script.look(100)));
    assert_eq!(sent.expect("our turn comes").sequence, Sequence(256));
    let me = script.group.replicas().index_of(AgentId(script.anchorer.key.address())).unwrap();
    let turn = rank(script.group.identity.group, Sequence(128), me, 4);
    assert!(script.now_ms >= (1 + turn) * SETTINGS.takeover_ms, "whoever is first now has its time");
}

#[test]
fn a_replica_waits_for_its_turn_and_takes_over() {
    for rank in 1..4 {
        let mut script = Script::of_rank(rank, SETTINGS);
        script.stable(128, 10);
        assert!(script.look(0).is_none());
        script.stable(256, 20);
        assert!(script.look(rank * SETTINGS.takeover_ms - 1).is_none(), "another replica has the turn");
        assert!(script.inspections.is_empty(), "the account is of no interest yet");
        let sent = script.look(1).expect("the replicas before have had their time");
        assert_eq!(sent.sequence, Sequence(256), "newer checkpoints neither delay the turn nor are left out");
    }
}

#[test]
fn an_anchor_by_another_replica_ends_the_turn() {
    let mut script = Script::of_rank(1, SETTINGS);
    script.stable(128, 10);
    script.look(SETTINGS.takeover_ms - 1);
    script.anchor(128, 10);
    assert!(script.look(1).is_none());
    assert_eq!(script.announced, [AnchorState::default(), script.view.confirmed]);
    assert!(script.reports.is_empty(), "it is success");
}

#[test]
fn whoever_is_no_replica_only_watches() {
    let (group, keys) = sample_group();
    let mut script = Script::of_key(AccountKey::from_secret(&[9; 32]).unwrap(), group, keys, SETTINGS);
    script.stable(128, 10);
    for _ in 0..10 {
        assert!(script.look(SETTINGS.takeover_ms).is_none());
    }
    script.anchor(128, 10);
    script.look(1);
    assert_eq!(script.announced, [AnchorState::default(), script.view.confirmed]);
}

#[test]
fn a_checkpoint_without_a_quorum_is_never_signed() {
    let mut script = Script::first();
    let mut bad = certificate(&script.group, &script.keys, 128, 10);
    bad.checkpoint.log_size = 1000;
    script.learn(bad.into());
    assert!(script.look(0).is_none());
    assert!(matches!(script.reports[..], [Report::BadCertificate { sequence: Sequence(128), .. }]));
}

#[test]
fn a_faster_replica_is_success_and_the_nonce_is_used_again_with_more_fee() {
    let mut script = Script::first();
    let sent = script.submitted();
    script.anchor(128, 10);
    assert!(script.look(100).is_none());
    assert_eq!(script.reports, [Report::Overtaken { sequence: Sequence(128) }]);

    script.stable(256, 20);
    script.account.pending_nonce = 4;
    let next = (0..5).find_map(|_| script.look(SETTINGS.takeover_ms)).expect("256 is due");
    assert_eq!(next.nonce, sent.nonce, "the old transaction is still pending and would only revert");
    assert!(next.fees.max_fee * 10 >= sent.fees.max_fee * 11);
}

#[test]
fn a_revert_because_another_was_faster_is_success() {
    let mut script = Script::first();
    let sent = script.submitted();
    script.mine(&sent, false);
    script.anchor(128, 10);
    assert!(script.look(100).is_none());
    assert_eq!(script.reports, [Report::Overtaken { sequence: Sequence(128) }]);
}

#[test]
fn a_reorganisation_that_drops_the_anchor_leads_to_another_one() {
    let mut script = Script::first();
    let sent = script.submitted();
    script.include(&sent, 10);
    assert!(script.look(100).is_none());

    script.account.mined.clear();
    script.account.nonce = 3;
    script.account.pending_nonce = 3;
    script.anchor(0, 0);
    script.view.anchor = AnchorState::default();
    script.view.confirmed = AnchorState::default();
    let again = script.look(100).expect("it is anchored no more");
    assert_eq!((again.sequence, again.nonce), (Sequence(128), 3));
    assert!(again.fees.max_fee > sent.fees.max_fee, "a pool may have taken the old one back");
    assert_eq!(script.announced.last(), Some(&AnchorState::default()), "the node is told as well");
}

#[test]
fn only_the_confirmed_state_is_announced_until_it_is_taken() {
    let mut script = Script::first();
    script.anchor(128, 10);
    let anchored = script.view.anchor;
    script.view.confirmed = AnchorState::default();
    script.look(0);
    assert_eq!(script.announced, [AnchorState::default()], "it is not deep enough");
    script.view.confirmed = anchored;
    let asked = script.anchorer.step(1, Event::Chain(script.view));
    assert!(matches!(asked[..], [Action::Announce(_)]));
    let again = script.anchorer.step(2, Event::Chain(script.view));
    assert!(matches!(again[..], [Action::Announce(_)]), "it was not answered");
    script.anchorer.step(3, Event::Announced(anchored));
    assert!(script.anchorer.step(4, Event::Chain(script.view)).is_empty());
}

/// A node that comes back may still claim an anchor that the chain lost meanwhile.
#[test]
fn a_chain_without_an_anchor_is_announced_once() {
    let mut script = Script::first();
    script.look(0);
    script.look(1);
    assert_eq!(script.announced, [AnchorState::default()]);
}

#[test]
fn a_reorganisation_is_said_and_what_is_final_is_announced_again() {
    let mut script = Script::first();
    script.anchor(128, 10);
    script.look(0);
    script.look(1);
    assert_eq!(script.announced, [script.view.confirmed]);
    script.view.dropped = Some(97);
    script.look(1);
    script.view.dropped = None;
    script.look(1);
    assert_eq!(script.announced, [script.view.confirmed; 2], "it may be in another block now");
    assert_eq!(script.reports, [Report::Reorganised { block: 97 }]);
}

#[test]
fn a_head_that_fell_because_the_chain_was_reorganised_is_believed_at_once() {
    let mut script = Script::first();
    script.anchor(128, 10);
    script.look(0);
    script.stable(128, 10);
    script.view.head -= 3;
    script.view.dropped = Some(97);
    script.view.anchor = AnchorState::default();
    script.view.confirmed = AnchorState::default();
    assert!(script.look(1).is_some(), "what it dropped is anchored again");
    assert_eq!(script.announced.last(), Some(&AnchorState::default()));
}

#[test]
fn a_final_block_that_fell_is_waited_for_like_a_head_that_did() {
    let mut script = Script::first();
    script.anchor(128, 10);
    let anchored = script.view.confirmed;
    script.look(0);
    script.view.head += 1;
    script.view.final_block = Some(90);
    script.view.confirmed = AnchorState::default();
    script.look(SETTINGS.receipt_timeout_ms - 1);
    assert_eq!(script.announced, [anchored], "another endpoint of the same provider may be behind");
    script.look(1);
    assert_eq!(script.announced, [anchored, AnchorState::default()]);
}

#[test]
fn what_the_contract_refused_over_the_inbox_is_tried_again_once_the_log_has_taken_more_in() {
    let mut script = Script::first();
    script.stable(128, 10);
    script.account.estimate = Estimate::Refused("message 0 was due".to_owned());
    for _ in 0..8 {
        assert!(script.look(60_000).is_none());
    }
    let asked = script.inspections.len();
    script.stable(256, 20);
    script.account.estimate = Estimate::Gas(100_000);
    assert!(script.look(100).is_none(), "a newer checkpoint without the message fares no better");
    assert_eq!(script.inspections.len(), asked, "so the pause goes on");
    let taken = certificate_with_inbox(&script.group, &script.keys, (384, 30), 1);
    script.learn(taken.into());
    assert_eq!(script.look(100).expect("at once").sequence, Sequence(384));
}
