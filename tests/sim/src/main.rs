//! `quorate-sim`: runs seeds of the simulator and prints what came of them.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Instant;

use quorate_sim::run::{Outcome, run};

const HELP: &str = "\
Runs whole groups of replicas, each under one seed, and checks them from outside.

usage: quorate-sim [--seeds N] [--from SEED] [--threads N]
       quorate-sim --seed SEED [--quiet]

  --seeds N     how many seeds (default 200)
  --from SEED   the first of them (default 0)
  --threads N   how many run at a time (default: the machine's cores)
  --seed SEED   one seed, with all of its trace
  --quiet       without the trace

Exits with 1 when a seed breaks a promise, with 2 when the arguments are wrong.";

struct Arguments {
    seeds: u64,
    from: u64,
    threads: usize,
    seed: Option<u64>,
    quiet: bool,
}

fn arguments() -> Result<Arguments, String> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut parsed = Arguments { seeds: 200, from: 0, threads: cores, seed: None, quiet: false };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || {
            let value = words.next().ok_or(format!("{word} needs a number"))?;
            value.parse::<u64>().map_err(|_| format!("{word} needs a number, not {value:?}"))
        };
        match word.as_str() {
            "--seeds" => parsed.seeds = number()?,
            "--from" => parsed.from = number()?,
            "--threads" => parsed.threads = usize::try_from(number()?).unwrap_or(1).max(1),
            "--seed" => parsed.seed = Some(number()?),
            "--quiet" => parsed.quiet = true,
            "--help" | "-h" => return Err(String::new()),
            other => return Err(format!("unknown argument {other:?}")),
        }
    }
    Ok(parsed)
}

fn main() -> ExitCode {
    let arguments = match arguments() {
        Ok(arguments) => arguments,
        Err(problem) if problem.is_empty() => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(problem) => {
            eprintln!("{problem}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    let failed = match arguments.seed {
        Some(seed) => {
            let outcome = run(seed, !arguments.quiet);
            println!("{outcome}");
            println!("trace {} of {} lines", outcome.trace_hash, outcome.trace_lines);
            u64::from(outcome.failure.is_some())
        }
        None => many(&arguments),
    };
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs seeds on several threads, each seed on one; returns how many failed.
fn many(arguments: &Arguments) -> u64 {
    // Panics are reported with their seed.
    std::panic::set_hook(Box::new(|_| {}));
    let started = Instant::now();
    let (next, end) = (AtomicU64::new(arguments.from), arguments.from.saturating_add(arguments.seeds));
    let (sender, outcomes) = mpsc::channel::<Outcome>();
    let mut summary = Summary::default();
    std::thread::scope(|scope| {
        for _ in 0..arguments.threads {
            let (next, sender) = (&next, sender.clone());
            scope.spawn(move || {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end || sender.send(run(seed, false)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        for outcome in outcomes {
            if outcome.failure.is_some() {
                println!("{outcome}\n");
            }
            summary.add(&outcome);
            if summary.seeds % 100 == 0 {
                println!(
                    "{} seeds, {} failed, {:.0} s",
                    summary.seeds,
                    summary.failed,
                    started.elapsed().as_secs_f64()
                );
            }
        }
    });
    summary.print(started.elapsed().as_secs_f64());
    summary.failed
}

#[derive(Default)]
struct Summary {
    seeds: u64,
    failed: u64,
    virtual_ms: u64,
    batches: usize,
    acknowledged: usize,
    starts: u64,
    epochs: u64,
    fetches: u64,
    accused: usize,
    convicted: usize,
    taken: u64,
    lines: u64,
    views: u64,
    slowest_rest_ms: (u64, u64),
    slowest_s: (f64, u64),
}

impl Summary {
    fn add(&mut self, outcome: &Outcome) {
        let totals = &outcome.totals;
        self.seeds += 1;
        self.failed += u64::from(outcome.failure.is_some());
        self.virtual_ms += totals.virtual_ms;
        self.batches += totals.batches;
        self.acknowledged += totals.acknowledged;
        self.starts += totals.starts;
        self.epochs += totals.epochs;
        self.fetches += totals.fetches;
        self.accused += totals.accused;
        self.convicted += totals.convicted;
        self.taken += totals.taken;
        self.lines += outcome.trace_lines;
        self.views = self.views.max(totals.views);
        self.slowest_rest_ms = self.slowest_rest_ms.max((totals.settled_ms, outcome.seed));
        let wall_s = outcome.wall.as_secs_f64();
        if wall_s > self.slowest_s.0 {
            self.slowest_s = (wall_s, outcome.seed);
        }
    }

    fn print(&self, wall_s: f64) {
        let virtual_s = self.virtual_ms as f64 / 1_000.0;
        println!("{} seeds, {} failed, in {wall_s:.1} s", self.seeds, self.failed);
        println!("  {virtual_s:.0} virtual seconds, {:.0} for each second", virtual_s / wall_s);
        println!(
            "  {} commands with receipts, {:.0} a second; {} batches",
            self.acknowledged,
            self.acknowledged as f64 / wall_s,
            self.batches
        );
        println!(
            "  {} processes started, {} epochs, {} states fetched, {} replicas accused and {} convicted, views up to {}, {} messages of inboxes",
            self.starts, self.epochs, self.fetches, self.accused, self.convicted, self.views, self.taken
        );
        let ((rest_ms, rest_seed), (slowest_s, slow_seed)) = (self.slowest_rest_ms, self.slowest_s);
        println!(
            "  slowest to come to rest: {rest_ms} ms, seed {rest_seed}; to run: {slowest_s:.1} s, seed {slow_seed}"
        );
        println!("  {} events traced", self.lines);
    }
}
