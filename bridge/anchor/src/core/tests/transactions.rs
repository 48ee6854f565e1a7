//! What becomes of a transaction: stuck, forgotten, reverted, lost, from the life before.

use super::*;
use crate::core::anchorer::FIRST_PAUSE_MS;

#[test]
fn a_stuck_transaction_is_replaced_with_more_fee_and_the_newest_checkpoint() {
    let mut script = Script::first();
    let sent = script.submitted();
    script.stable(256, 20);
    assert!(script.look(SETTINGS.receipt_timeout_ms - 1).is_none());
    let bumped = script.look(1).expect("it is stuck");
    assert_eq!((bumped.nonce, bumped.sequence), (sent.nonce, Sequence(256)));
    assert_eq!(bumped.fees, Fees { max_fee: 25, tip: 3 }, "an eighth more");
    script.outcome(bumped.hash, BroadcastOutcome::Accepted);

    // The older version is included after all: that is our anchor, and the newer checkpoint comes with the next.
    script.include(&sent, 10);
    assert!(script.look(10).is_none());
    assert!(script.reports.iter().any(|report| matches!(report, Report::Anchored { .. })));
    let next = (0..5).find_map(|_| script.look(SETTINGS.takeover_ms)).expect("256 is due");
    assert_eq!((next.nonce, next.sequence), (4, Sequence(256)));
}

#[test]
fn at_the_fee_cap_the_same_transaction_is_sent_again() {
    let mut script = Script::of_rank(0, Settings { max_fee: 23, ..SETTINGS });
    let sent = script.submitted();
    script.stable(256, 20);
    let again = script.look(SETTINGS.receipt_timeout_ms).expect("it is stuck");
    assert_eq!(again, sent);
    assert_eq!(script.reports, [Report::StuckAtCap { nonce: 3, max_fee: 22, cap: 23 }]);
    assert!(script.look(SETTINGS.receipt_timeout_ms - 1).is_none(), "not in a hurry");
    assert_eq!(script.look(1), Some(sent));
}

#[test]
fn a_transaction_that_the_pool_forgot_is_sent_again_unchanged() {
    let mut script = Script::first();
    let sent = script.submitted();
    script.account.pooled = false;
    assert!(script.look(SETTINGS.receipt_timeout_ms / 8 - 1).is_none());
    assert_eq!(script.look(1), Some(sent.clone()));
    assert!(script.look(1).is_none(), "not at every look");
    script.include(&sent, 10);
    assert!(script.look(1).is_none());
}

#[test]
fn a_revert_without_a_reason_pauses_longer_each_time() {
    let mut script = Script::first();
    script.stable(128, 10);
    let mut sent = script.look(0).expect("it is our turn");
    let mut waited = Vec::new();
    for _ in 0..4 {
        script.outcome(sent.hash, BroadcastOutcome::Accepted);
        script.mine(&sent, false);
        assert!(script.look(0).is_none());
        let began_ms = script.now_ms;
        sent = (0..1000).find_map(|_| script.look(100)).expect("it is tried again");
        waited.push(script.now_ms - began_ms);
    }
    assert_eq!(waited, [1_000, 2_000, 4_000, 8_000]);
}

#[test]
fn a_nonce_that_another_transaction_took_is_given_up() {
    let mut script = Script::first();
    script.submitted();
    script.account.nonce = 4;
    script.account.pending_nonce = 4;
    assert!(script.look(SETTINGS.receipt_timeout_ms - 1).is_none(), "the receipt may come late");
    assert!(script.look(1).is_none());
    assert_eq!(script.look(1).expect("it starts anew").nonce, 4);
}

#[test]
fn a_restart_waits_for_the_transaction_of_the_life_before() {
    let mut script = Script::first();
    script.stable(128, 10);
    script.account.pending_nonce = 4;
    assert!(script.look(0).is_none(), "whose transaction it is cannot be known");
    assert_eq!(script.reports, [Report::PendingTransaction { nonce: 3 }]);
    script.view.head += 1;
    script.account.nonce = 4;
    script.anchor(128, 10);
    assert!(script.look(100).is_none(), "it was the anchor");
    assert!(script.look(100_000).is_none());
}

#[test]
fn a_restart_replaces_a_transaction_that_stays_stuck() {
    let mut script = Script::first();
    script.stable(128, 10);
    script.account.pending_nonce = 4;
    script.look(0);
    assert!(script.look(SETTINGS.receipt_timeout_ms - 1).is_none());
    let sent = script.look(1).expect("it is stuck");
    assert_eq!(sent.nonce, 3);
    // The endpoint asks for more than the unknown transaction offers: the next attempts offer more and more.
    script.outcome(sent.hash, BroadcastOutcome::Underpriced);
    assert!(script.look(FIRST_PAUSE_MS).is_none());
    assert!(script.look(SETTINGS.receipt_timeout_ms - 1).is_none(), "nobody is displaced in a hurry");
    let raised = script.look(1).expect("it is still stuck");
    assert_eq!(raised.nonce, 3);
    assert!(raised.fees.max_fee > sent.fees.max_fee && raised.fees.tip > sent.fees.tip);
}

#[test]
fn a_refused_broadcast_is_tried_again_and_an_unknown_one_is_on_its_way() {
    let mut script = Script::first();
    script.stable(128, 10);
    let sent = script.look(0).expect("it is our turn");
    script.outcome(sent.hash, BroadcastOutcome::Refused("insufficient funds".to_owned()));
    assert!(script.look(FIRST_PAUSE_MS - 1).is_none());
    let again = script.look(1).expect("the pause is over");
    assert_eq!(again, sent, "nothing of it is in any pool");
    script.outcome(again.hash, BroadcastOutcome::Unknown);
    script.outcome(again.hash, BroadcastOutcome::NonceUsed);
    assert!(script.look(FIRST_PAUSE_MS).is_none(), "it may have arrived");
    script.include(&again, 10);
    script.look(1);
    assert!(matches!(script.reports.last(), Some(Report::Anchored { .. })));
}
