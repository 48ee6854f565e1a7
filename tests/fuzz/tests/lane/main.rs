//! The quick lane: every target on its corpus and on mutations of it, from a fixed seed.
//!
//! A failure leaves its input in `target/fuzz/` and says how to run it again.

mod corpus;
mod harness;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use quorate_fuzz::mutate::{Mutator, Rng};
use quorate_fuzz::{Target, corpus as stored, judge};

/// Memory is counted for the whole process, and all tests of a process run at once.
static ALONE: Mutex<()> = Mutex::new(());

/// Where inputs go that break something.
fn failures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/fuzz/failures")
}

/// Runs one input, and keeps it if it breaks a rule.
fn run(target: &Target, input: &[u8], what: &str) {
    let Err(fault) = judge(target, input) else { return };
    let path = failures().join(format!("{}-{what}", target.name));
    std::fs::create_dir_all(failures()).expect("target/ is writable");
    std::fs::write(&path, input).expect("target/ is writable");
    panic!("{}: {fault}\nscripts/fuzz replay {} {}", target.name, target.name, path.display());
}

fn lane(name: &str) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let target = Target::find(name).expect("the test names a target");
    target.warm();
    let inputs = stored::inputs(target).expect("the corpus is readable");
    for (at, input) in inputs.iter().enumerate() {
        run(target, input, &format!("stored-{at}"));
    }
    let mutator = Mutator::new(target.format, &inputs, target.max_len);
    let mut rng = Rng::new(1);
    for at in 0..target.quick_runs {
        let input = mutator.mutate(rng.pick(&inputs).expect("a corpus holds something"), &mut rng);
        run(target, &input, &format!("mutation-{at}"));
    }
}

macro_rules! targets {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                lane(stringify!($name));
            }
        )*

        /// The targets that have a test.
        const TESTED: &[&str] = &[$(stringify!($name)),*];
    };
}

targets! {
    api_bodies certificates checkpoints commands configs entries exports frames handovers hellos keystores
    member_changes messages names proofs receipts records refusals state_ranges stored transfers wal
}

#[test]
fn every_target_has_its_test() {
    let names: Vec<_> = quorate_fuzz::targets::ALL.iter().map(|target| target.name).collect();
    assert_eq!(names, TESTED);
}
