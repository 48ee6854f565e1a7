//! One target under libFuzzer: `QUORATE_FUZZ_TARGET=commands quorate-fuzz -runs=1000 CORPUS`.
//!
//! `scripts/fuzz` builds it with coverage and runs every target; without coverage it would be blind.

#![no_main]

use std::io::Write as _;
use std::sync::{LazyLock, Mutex, PoisonError};

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use quorate_fuzz::mutate::{Mutator, Rng};
use quorate_fuzz::{Cost, Target, corpus, judge};

/// The environment variable that names the target.
const VARIABLE: &str = "QUORATE_FUZZ_TARGET";

struct Run {
    target: &'static Target,
    inputs: Vec<Vec<u8>>,
    worst: Mutex<Cost>,
}

static RUN: LazyLock<Run> = LazyLock::new(|| {
    let name = std::env::var(VARIABLE).unwrap_or_default();
    let target = Target::find(&name).unwrap_or_else(|| panic!("{VARIABLE}={name:?} names no target"));
    let inputs = corpus::inputs(target).expect("the corpus is readable");
    target.warm();
    Run { target, inputs, worst: Mutex::default() }
});

impl Run {
    /// Notes what an input cost, for whoever reads the output when all is done.
    fn note(&self, cost: Cost, len: usize) {
        let mut worst = self.worst.lock().unwrap_or_else(PoisonError::into_inner);
        if cost.peak > worst.peak || cost.time > worst.time {
            *worst = Cost { peak: cost.peak.max(worst.peak), time: cost.time.max(worst.time) };
            let (peak, slowest) = (worst.peak, worst.time.as_micros());
            // Nobody is there to be told of an error.
            let _ = writeln!(std::io::stderr(), "WORST peak_bytes: {peak} slowest_us: {slowest} len: {len}");
        }
    }
}

fuzz_target!(init: { LazyLock::force(&RUN); }, |input: &[u8]| {
    match judge(RUN.target, input) {
        Ok(cost) => RUN.note(cost, input.len()),
        Err(fault) => panic!("{}: {fault}", RUN.target.name),
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    // libFuzzer's own mutations come with what it learns from comparisons, ours with what the format means.
    if seed.is_multiple_of(2) {
        return fuzzer_mutate(data, size, max_size);
    }
    let changed = Mutator::new(RUN.target.format, &RUN.inputs, max_size.min(RUN.target.max_len))
        .mutate(&data[..size], &mut Rng::new(u64::from(seed)));
    data[..changed.len()].copy_from_slice(&changed);
    changed.len()
});
