//! A seed decides everything.

use quorate_sim::plan::Plan;
use quorate_sim::run::run;

/// Seeds whose plans differ in kind: crashes, changes of members, lost memories, faulty replicas.
#[test]
fn the_same_seed_is_the_same_trace() {
    for seed in [1, 3, 7, 12] {
        let (first, again) = (run(seed, false), run(seed, false));
        assert_eq!(first.trace_hash, again.trace_hash, "seed {seed}: {}", first.plan);
        assert_eq!(first.trace_lines, again.trace_lines);
        assert!(first.trace_lines > 1_000, "seed {seed} does something");
    }
}

#[test]
fn another_seed_is_another_trace() {
    assert_ne!(run(1, false).trace_hash, run(2, false).trace_hash);
}

#[test]
fn many_seeds_bring_every_fault() {
    use std::collections::BTreeSet;
    let plans: Vec<Plan> = (0..400).map(Plan::of).collect();
    let faulty: BTreeSet<&str> =
        plans.iter().flat_map(|plan| &plan.faulty).map(|(_, faulty)| faulty.name()).collect();
    assert_eq!(faulty.len(), 17, "{faulty:?}");
    let mishaps: BTreeSet<_> = plans.iter().flat_map(|plan| &plan.mishaps).collect();
    assert_eq!(mishaps.len(), 9, "{mishaps:?}");
    assert!(plans.iter().any(|plan| plan.loss.is_some()) && plans.iter().any(|plan| plan.changes.len() == 2));
    for plan in &plans {
        let faulty = plan.faulty.len() + usize::from(plan.loss.is_some());
        assert!(faulty <= (plan.replicas - 1) / 3, "seed {} has too many faulty", plan.seed);
    }
}
