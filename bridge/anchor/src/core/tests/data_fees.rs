//! What an anchor's data costs on the chain's L1: how much gas it is given for it, and what counts into the hour.

use super::*;

/// A script whose chain says that an anchor takes `gas`, and its data `data_fee`.
fn charged(gas: u64, data_fee: DataFee, limit: u128) -> Script {
    let mut script = Script::of_rank(0, Settings { max_spend_per_hour: limit, ..SETTINGS });
    script.account.estimate = Estimate::Gas(gas);
    script.account.data_fee = data_fee;
    script
}

#[test]
fn a_fee_beside_the_gas_counts_twice_into_the_hour() {
    let execution = 22 * 125_000;
    let beside = DataFee { wei: 1_000, gas: 0 };
    let mut script = charged(100_000, beside, execution + 1_999);
    script.stable(128, 10);
    assert!(script.look(0).is_none());
    let (total, limit) = (execution + 2_000, execution + 1_999);
    assert_eq!(script.reports, [Report::SpendLimit { total, limit }]);

    let mut script = charged(100_000, beside, execution + 2_000);
    let sent = script.submitted();
    assert_eq!((sent.gas_limit, sent.data_fee), (125_000, 1_000));
}

#[test]
fn a_fee_beside_the_gas_that_turned_out_higher_counts_as_it_was() {
    let execution = 22 * 125_000;
    let mut script = charged(100_000, DataFee { wei: 1_000, gas: 0 }, 2 * (execution + 2_000));
    let sent = script.submitted();
    script.include(&sent, 10);
    script.account.mined.last_mut().unwrap().cost = Cost { execution, data: 9_000 };
    script.look(0);
    script.stable(256, 20);
    for _ in 0..5 {
        assert!(script.look(SETTINGS.takeover_ms).is_none());
    }
    let (total, limit) = (2 * execution + 11_000, 2 * execution + 4_000);
    assert_eq!(script.reports.last(), Some(&Report::SpendLimit { total, limit }));
}

/// On Arbitrum the units that pay for data may be many times those of the execution: units bound the latter alone.
#[test]
fn gas_that_pays_for_data_is_bounded_by_money_and_not_by_units() {
    let data_fee = DataFee { wei: 80_000_000, gas: 8_000_000 };
    let mut script = charged(8_100_000, data_fee, u128::MAX);
    let sent = script.submitted();
    assert_eq!(
        sent.gas_limit,
        125_000 + 12_000_000,
        "a quarter more for the one, half as much again for the other"
    );
    assert_eq!(sent.data_fee, 80_000_000);

    let limit = 22 * 12_125_000 - 1;
    let mut poor = charged(8_100_000, data_fee, limit);
    poor.stable(128, 10);
    assert!(poor.look(0).is_none());
    assert_eq!(
        poor.reports,
        [Report::SpendLimit { total: limit + 1, limit }],
        "what is in the gas is not counted again"
    );
}

#[test]
fn an_oracle_that_asks_for_everything_gets_nothing() {
    for data_fee in [
        DataFee { wei: u128::MAX, gas: 0 },
        DataFee { wei: u128::MAX, gas: u64::MAX },
        DataFee { wei: 0, gas: u64::MAX },
    ] {
        let mut script = charged(u64::MAX, data_fee, 1_000_000_000);
        script.stable(128, 10);
        for _ in 0..10 {
            assert!(script.look(60_000).is_none(), "{data_fee:?}");
        }
        assert!(matches!(script.reports[..], [Report::SpendLimit { .. }]), "{:?}", script.reports);
    }
}

#[test]
fn the_tip_is_never_below_the_chains_floor() {
    let mut script = Script::of_rank(0, Settings { min_tip: 7, ..SETTINGS });
    assert_eq!(script.submitted().fees, Fees { max_fee: 27, tip: 7 });
    let mut script = Script::of_rank(0, Settings { min_tip: 1, ..SETTINGS });
    assert_eq!(script.submitted().fees, Fees { max_fee: 22, tip: 2 }, "the endpoint suggests more");
}
