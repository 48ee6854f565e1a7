//! The quick lane: a hundred and twenty groups, each with faulty replicas and whatever else its seed brings.
//! Groups of ten replicas take as long as twenty smaller ones and are left to `make sim`.

use quorate_sim::plan::Plan;
use quorate_sim::run::run_plan;

const SEEDS: usize = 30;
const MAX_REPLICAS: usize = 7;

/// Runs the next seeds from `from` on whose plans have faulty replicas.
fn seeds(from: u64) {
    let plans = (from..)
        .map(Plan::of)
        .filter(|plan| !plan.faulty.is_empty() && plan.replicas <= MAX_REPLICAS)
        .take(SEEDS);
    let mut acknowledged = 0;
    for plan in plans {
        let outcome = run_plan(plan, false);
        assert!(outcome.failure.is_none(), "{outcome}");
        acknowledged += outcome.totals.acknowledged;
    }
    assert!(acknowledged > SEEDS * 20, "the agents got {acknowledged} receipts, which is hardly any");
}

#[test]
fn groups_with_faulty_replicas_1() {
    seeds(0);
}

#[test]
fn groups_with_faulty_replicas_2() {
    seeds(1_000);
}

#[test]
fn groups_with_faulty_replicas_3() {
    seeds(2_000);
}

#[test]
fn groups_with_faulty_replicas_4() {
    seeds(3_000);
}
