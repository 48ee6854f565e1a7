//! The contract's inbox: whatever a faulty replica does, every message is taken, once, in order and as it is.

use quorate_sim::byzantine::ActorKind;
use quorate_sim::plan::{Faulty, Plan};
use quorate_sim::run::run_plan;

const SEEDS: usize = 8;
const MESSAGES: u64 = 8;
const MAX_REPLICAS: usize = 7;

/// Runs the next seeds from `from` with an inbox and as many replicas of this behaviour as may be faulty.
fn seeds(from: u64, kind: ActorKind) {
    let plans =
        (from..).map(Plan::of).filter(|plan| !plan.faulty.is_empty() && plan.replicas <= MAX_REPLICAS);
    for mut plan in plans.take(SEEDS) {
        plan.inbox = MESSAGES;
        for (_, faulty) in &mut plan.faulty {
            *faulty = Faulty::Actor(kind);
        }
        let outcome = run_plan(plan, false);
        assert!(outcome.failure.is_none(), "{outcome}");
        assert_eq!(outcome.totals.taken, MESSAGES, "{outcome}");
    }
}

#[test]
fn a_primary_that_ignores_a_replica_keeps_nothing_out() {
    seeds(5_000, ActorKind::Censor);
}

#[test]
fn a_replica_that_says_nothing_keeps_nothing_out() {
    seeds(6_000, ActorKind::Silent);
}

#[test]
fn replicas_that_invent_messages_put_none_in() {
    seeds(7_000, ActorKind::Inventor);
}
