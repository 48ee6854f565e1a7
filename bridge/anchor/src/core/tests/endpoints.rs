//! What an endpoint that lags, lies or asks for too much can make us do.

use alloy::consensus::{Transaction, TxEnvelope};
use alloy::eips::eip2718::Decodable2718;

use super::*;

#[test]
fn nothing_is_sent_while_the_base_fee_is_above_the_cap() {
    let mut script = Script::first();
    script.stable(128, 10);
    script.view.base_fee = SETTINGS.max_fee + 1;
    assert!(script.look(0).is_none());
    assert!(script.look(1_000).is_none());
    assert_eq!(script.reports.len(), 1, "said once: {:?}", script.reports);
    script.view.base_fee = 10;
    assert!(script.look(60_000).is_some());
}

#[test]
fn a_refusal_by_the_contract_costs_nothing() {
    let mut script = Script::first();
    script.stable(128, 10);
    script.account.estimate = Estimate::Refused("NotEnoughSignatures".to_owned());
    for _ in 0..100 {
        assert!(script.look(100).is_none());
    }
    assert_eq!(script.reports.len(), 1);
    script.account.estimate = Estimate::Gas(100_000);
    assert!(script.look(60_000).is_some());
}

#[test]
fn the_gas_that_an_endpoint_asks_for_is_bounded_and_so_is_the_hour() {
    let one = 22 * 125_000;
    let mut script = Script::of_rank(0, Settings { max_spend_per_hour: one, ..SETTINGS });
    let sent = script.submitted();
    script.mine(&sent, false);
    script.look(0);
    for _ in 0..50 {
        assert!(script.look(60_000).is_none(), "a second one would exceed the hour");
    }
    assert!(script.reports.contains(&Report::SpendLimit { total: 2 * one, limit: one }));
    assert!((0..20).find_map(|_| script.look(60_000)).is_some(), "an hour later it goes on");

    let mut greedy = Script::of_rank(0, Settings { max_spend_per_hour: u128::MAX, ..SETTINGS });
    greedy.account.estimate = Estimate::Gas(u64::MAX);
    greedy.account.tip = u128::MAX;
    let sent = greedy.submitted();
    assert_eq!(sent.fees.max_fee, SETTINGS.max_fee);
    let decoded = TxEnvelope::decode_2718(&mut sent.raw.as_ref()).unwrap();
    assert_eq!(decoded.gas_limit(), 3_000_000);
}

#[test]
fn a_nonce_below_a_receipt_that_still_stands_is_not_believed() {
    let mut script = Script::first();
    let sent = script.submitted();
    script.include(&sent, 10);
    script.look(100);
    script.stable(256, 20);
    script.account.nonce = 2;
    script.account.pending_nonce = 2;
    for _ in 0..10 {
        assert!(script.look(SETTINGS.takeover_ms).is_none());
    }
    assert_eq!(script.reports.last(), Some(&Report::NonceContradiction { reported: 2, used: 3 }));
    script.account.nonce = 4;
    script.account.pending_nonce = 4;
    assert_eq!(script.look(1).expect("the endpoint came to its senses").nonce, 4);
}

#[test]
fn a_gap_costs_one_late_transaction() {
    let mut script = Script::first();
    script.account.nonce = 50;
    script.account.pending_nonce = 50;
    let sent = script.submitted();
    assert_eq!(sent.nonce, 50);
    script.account.nonce = 3;
    script.account.pending_nonce = 3;
    assert!(script.look(SETTINGS.receipt_timeout_ms - 1).is_none());
    assert!(script.look(1).is_none());
    assert_eq!(script.reports.last(), Some(&Report::Lost { sequence: Sequence(128), nonce: 50 }));
    assert_eq!(script.look(1).expect("it starts anew").nonce, 3);
}

#[test]
fn a_receipt_without_an_anchor_is_not_believed_for_long() {
    let mut script = Script::first();
    let sent = script.submitted();
    script.mine(&sent, true);
    assert!(script.look(SETTINGS.receipt_timeout_ms - 1).is_none());
    assert!(script.look(1).is_none());
    assert_eq!(script.reports.last(), Some(&Report::Lost { sequence: Sequence(128), nonce: 3 }));
}

#[test]
fn a_receipt_ahead_of_the_head_is_waited_for() {
    let mut script = Script::first();
    let sent = script.submitted();
    script.include(&sent, 10);
    let included = script.view;
    script.view = ChainView { head: included.head - 1, anchor: AnchorState::default(), ..included };
    assert!(script.look(1_000).is_none());
    script.view = included;
    assert!(script.look(1).is_none());
    assert!(matches!(script.reports[..], [Report::Anchored { .. }]));
}

#[test]
fn a_lagging_head_is_waited_for_but_not_for_ever() {
    let mut script = Script::first();
    script.anchor(128, 10);
    script.look(0);
    script.stable(128, 10);
    script.view.head -= 1;
    script.view.anchor = AnchorState::default();
    assert!(script.look(SETTINGS.receipt_timeout_ms - 1).is_none());
    assert_eq!(script.reports, [Report::LaggingHead { head: 99, seen: 100 }]);
    assert!(script.look(1).is_some(), "the chain really went back");
}

#[test]
fn another_root_than_the_group_signed_is_not_announced() {
    let mut script = Script::first();
    script.stable(128, 10);
    script.anchor(128, 10);
    script.view.confirmed.log_root = root(11);
    script.look(0);
    assert!(script.announced.is_empty());
    assert_eq!(
        script.reports,
        [Report::OtherRoot { sequence: Sequence(128), chain: root(11), group: root(10) }]
    );
}
