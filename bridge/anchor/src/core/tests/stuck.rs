//! A transaction that stays in the pool: it is replaced until the cap, then waited for, and then the work goes on.

use super::*;

#[test]
fn a_stuck_transaction_is_replaced_until_the_cap_and_then_waits_and_says_so() {
    let cap = 40;
    let mut script = Script::of_rank(0, Settings { max_fee: cap, ..SETTINGS });
    let mut versions = vec![script.submitted()];
    // The base fee rises above all that is offered, but not above the cap.
    script.view.base_fee = 39;
    for _ in 0..4 {
        let sent = script.look(SETTINGS.receipt_timeout_ms).expect("it is stuck");
        script.outcome(sent.hash, BroadcastOutcome::Accepted);
        versions.push(sent);
    }
    let offers: Vec<_> = versions.iter().map(|version| (version.fees.max_fee, version.fees.tip)).collect();
    assert_eq!(offers, [(22, 2), (40, 3), (40, 3), (40, 3), (40, 3)], "up to the cap, and not above it");
    assert!(versions.iter().all(|version| version.nonce == 3), "one nonce for all of them");
    let stuck = Report::StuckAtCap { nonce: 3, max_fee: 40, cap };
    assert_eq!(script.reports, [Report::Bumped { nonce: 3, max_fee: 40 }, stuck], "and said once");

    // Above the cap there is no price to offer: it goes on waiting.
    script.view.base_fee = 41;
    assert_eq!(script.look(SETTINGS.receipt_timeout_ms).as_ref(), versions.last());
    assert_eq!(script.reports.last(), Some(&Report::FeeAboveCap { base_fee: 41, cap }));

    // The base fee falls: the version at the cap is included, and the next checkpoint has a price of its own.
    script.view.base_fee = 5;
    script.include(&versions[4], 10);
    assert!(script.look(100).is_none());
    assert!(matches!(script.reports.last(), Some(Report::Anchored { .. })));
    script.stable(256, 20);
    let next = (0..5).find_map(|_| script.look(SETTINGS.takeover_ms)).expect("256 is due");
    assert_eq!((next.nonce, next.fees), (4, Fees { max_fee: 12, tip: 2 }));
}

/// The last step to the cap may be smaller than an eighth, but not than the tenth that pools ask for.
#[test]
fn the_last_step_reaches_the_cap_itself() {
    for (cap, reached) in [(25, 25), (24, 22)] {
        let mut script = Script::of_rank(0, Settings { max_fee: cap, ..SETTINGS });
        assert_eq!(script.submitted().fees.max_fee, 22);
        let again = script.look(SETTINGS.receipt_timeout_ms).expect("it is stuck");
        assert_eq!(again.fees.max_fee, reached);
    }
}

#[test]
fn a_pool_that_drops_a_stuck_transaction_gets_it_again_at_the_cap() {
    let mut script = Script::of_rank(0, Settings { max_fee: 23, ..SETTINGS });
    let sent = script.submitted();
    script.view.base_fee = 23;
    assert_eq!(script.look(SETTINGS.receipt_timeout_ms), Some(sent.clone()));
    script.account.pooled = false;
    assert_eq!(
        script.look(SETTINGS.receipt_timeout_ms / 8),
        Some(sent),
        "the same, while no higher offer is allowed"
    );
}

/// Arbitrum's sequencer has no pool: what offers too little is refused at once, and a new offer needs no raise.
#[test]
fn an_offer_below_the_base_fee_that_is_refused_is_made_anew_at_the_markets_price() {
    let mut script = Script::first();
    script.stable(128, 10);
    let sent = script.look(0).expect("it is our turn");
    let reason = "max fee per gas less than block base fee".to_owned();
    script.outcome(sent.hash, BroadcastOutcome::Refused(reason));
    script.view.base_fee = 11;
    let again = (0..20).find_map(|_| script.look(100)).expect("the pause is over");
    assert_eq!((again.nonce, again.fees.max_fee), (3, 24), "twice the base fee and the tip");
}
