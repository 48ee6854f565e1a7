//! Running a seed, or many, and saying what came of it.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use crate::plan::Plan;
use crate::violation::Violation;
use crate::world::{Totals, World};

/// How many lines of the trace a report shows.
const SHOWN: usize = 120;

/// What came of one seed.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// Its plan in a few words.
    pub plan: String,
    /// SHA-256 over the trace.
    pub trace_hash: String,
    /// How many lines the trace has.
    pub trace_lines: u64,
    /// What the run amounted to.
    pub totals: Totals,
    /// How long it took.
    pub wall: Duration,
    /// What went wrong, if anything: the violation, the end of the trace, and where everybody stood.
    pub failure: Option<Failure>,
}

/// A violation with what led to it.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What must not be.
    pub violation: Violation,
    /// The end of the trace.
    pub trace: Vec<String>,
    /// Where everybody stood.
    pub picture: String,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(failure) = &self.failure else {
            return write!(f, "seed {}: passed, {}", self.seed, self.plan);
        };
        writeln!(f, "--- seed {}: {}", self.seed, self.plan)?;
        failure.trace.iter().try_for_each(|line| writeln!(f, "{line}"))?;
        writeln!(f, "{}", failure.picture)?;
        writeln!(f, "seed {} breaks {}", self.seed, failure.violation)?;
        writeln!(f, "trace {} after {} lines", self.trace_hash, self.trace_lines)?;
        write!(f, "again, with all of its trace: make sim SEED={}", self.seed)
    }
}

/// Runs `seed`. With `prints`, every line of the trace is printed as it happens.
pub fn run(seed: u64, prints: bool) -> Outcome {
    run_plan(Plan::of(seed), prints)
}

/// Runs a plan.
pub fn run_plan(plan: Plan, prints: bool) -> Outcome {
    let started = Instant::now();
    let (seed, summary) = (plan.seed, plan.summary());
    let mut world = World::new(plan);
    world.trace.prints = prints;
    // A panic is a violation like any other; the world is only looked at afterwards.
    let verdict = catch_unwind(AssertUnwindSafe(|| world.run())).unwrap_or_else(|panic| {
        let detail = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_default();
        Err(Violation::new("panic", detail))
    });
    let failure = verdict.err().map(|violation| Failure {
        violation,
        trace: world.trace.tail(SHOWN).map(str::to_owned).collect(),
        picture: world.picture(),
    });
    Outcome {
        seed,
        plan: summary,
        trace_hash: world.trace.hash(),
        trace_lines: world.trace.lines(),
        totals: world.totals(),
        wall: started.elapsed(),
        failure,
    }
}
