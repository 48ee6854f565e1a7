//! `mutants`: breaks one rule of the replicas at a time and runs seeds until a checker notices.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use quorate_protocol::faults::{Fault, switch_on};
use quorate_sim::byzantine::ActorKind;
use quorate_sim::plan::{Change, Faulty, Loss, Mishap, Plan};
use quorate_sim::run::run;
use quorate_sim::violation::Violation;

const HELP: &str = "\
Runs the simulator with one deliberate fault at a time, until a checker finds it.
A seed that fails without the fault too counts for nothing. Seeds whose plan has nothing that the
fault shows in are counted and not run.

usage: mutants [--seeds N] [--threads N] [--fault NAME]...

  --seeds N     the most seeds that a fault is looked for in, from 0 (default 2000)
  --threads N   how many faults are looked for at a time (default: the machine's cores)
  --fault NAME  this fault; all of them if none is named

Exits with 1 when a fault that is promised is not found, with 2 when the arguments are wrong.";

/// Faults that seeds need not find, with the reason.
const NOT_PROMISED: &[(Fault, &str)] = &[(
    Fault::StaleCertificateWins,
    "two batches must be prepared at one sequence in two views; quorate-pbft has a test for it",
)];

/// Whether a seed's plan has what the fault takes to show. Seeds that have not are counted and not run.
fn may_show(fault: Fault, plan: &Plan) -> bool {
    let acts = |kinds: &[ActorKind]| {
        let of = |faulty: &Faulty| matches!(faulty, Faulty::Actor(kind) if kinds.contains(kind));
        plan.faulty.iter().any(|(_, faulty)| of(faulty))
    };
    let twins = plan.faulty.iter().any(|(_, faulty)| *faulty == Faulty::Twins);
    let crashes =
        [Mishap::Crash, Mishap::Kill, Mishap::CrashAll].iter().any(|one| plan.mishaps.contains(one));
    match fault {
        Fault::SmallWeakQuorum => acts(&[ActorKind::ForgedViewChange, ActorKind::Flooder]),
        Fault::VoterCountedTwice
        | Fault::CommandsUnverified
        | Fault::HighWatermarkIgnored
        | Fault::HandoverUnsigned => acts(&[ActorKind::Impostor]),
        Fault::CommitsOfAnyBatch | Fault::SecondProposalAccepted | Fault::EvidenceDropped => {
            twins || acts(&[ActorKind::EquivocatingPrimary])
        }
        Fault::NewViewBelieved => acts(&[ActorKind::BadNewView]),
        Fault::BadViewChangeKept | Fault::LatestViewJoined => acts(&[ActorKind::ForgedViewChange]),
        Fault::StaleCertificateWins | Fault::ViewChangeSaidOnce => plan.weather.loss >= 100,
        Fault::GapLeftOpen => plan.weather.loss >= 100 && plan.config.pipeline > 1,
        Fault::TimeoutsNeverDouble => plan.afterwards.delay_ms.0 > 100,
        Fault::CommandsUntimed => acts(&[ActorKind::Silent, ActorKind::Censor]),
        Fault::SentBeforeRecorded => plan.hasty,
        Fault::CertificateUnrecorded => crashes,
        Fault::SilenceBroken => matches!(plan.loss, Some((_, Loss::Everything | Loss::Log))),
        Fault::CheckpointsUncompared => acts(&[ActorKind::WrongAttestation]),
        Fault::ReplyTableOutsideState => plan.repeats > 0 && crashes,
        Fault::FetchedStateBelieved => {
            let loses = matches!(plan.loss, Some((_, Loss::Everything)));
            acts(&[ActorKind::CorruptTransfer]) && (loses || plan.changes.contains(&Change::Add))
        }
        Fault::EpochEndPassed => !plan.changes.is_empty() && plan.config.pipeline > 1,
        Fault::PoolUnbounded => plan.floods,
        _ => true,
    }
}

/// The most characters of a violation's detail in the table.
const DETAIL: usize = 90;

struct Arguments {
    seeds: u64,
    threads: usize,
    faults: Vec<Fault>,
}

fn arguments() -> Result<Arguments, String> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut parsed = Arguments { seeds: 2_000, threads: cores, faults: Vec::new() };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        if matches!(word.as_str(), "--help" | "-h") {
            return Err(String::new());
        }
        let value = words.next().ok_or(format!("{word} needs a value"))?;
        let number = || value.parse::<u64>().map_err(|_| format!("{word} needs a number, not {value:?}"));
        match word.as_str() {
            "--seeds" => parsed.seeds = number()?,
            "--threads" => parsed.threads = usize::try_from(number()?).unwrap_or(1).max(1),
            "--fault" => parsed.faults.push(value.parse::<Fault>().map_err(|error| error.to_string())?),
            other => return Err(format!("unknown argument {other:?}")),
        }
    }
    if parsed.faults.is_empty() {
        parsed.faults = Fault::ALL.to_vec();
    }
    Ok(parsed)
}

/// A fault that is switched on for this thread as long as this lives.
struct SwitchedOn;

impl SwitchedOn {
    fn new(fault: Fault) -> Self {
        switch_on(Some(fault));
        Self
    }
}

impl Drop for SwitchedOn {
    fn drop(&mut self) {
        switch_on(None);
    }
}

/// What came of the search for one fault.
struct Search {
    fault: Fault,
    /// The seed that showed it, and what the checker said.
    found: Option<(u64, Violation)>,
    /// Seeds that fail without the fault too, and prove nothing.
    skipped: Vec<u64>,
    wall_s: f64,
}

/// Which seeds pass without any fault, as far as anybody had to know.
#[derive(Default)]
struct Sound(Mutex<BTreeMap<u64, bool>>);

impl Sound {
    fn passes(&self, seed: u64) -> bool {
        let known = self.0.lock().expect("nobody panics with it").get(&seed).copied();
        known.unwrap_or_else(|| {
            let passes = run(seed, false).failure.is_none();
            self.0.lock().expect("nobody panics with it").insert(seed, passes);
            passes
        })
    }
}

/// Runs seeds with `fault` until one fails that passes without.
fn search(fault: Fault, seeds: u64, sound: &Sound) -> Search {
    let started = Instant::now();
    let mut skipped = Vec::new();
    let mut found = None;
    let mut runs = 0;
    for seed in (0..seeds).filter(|seed| may_show(fault, &Plan::of(*seed))) {
        runs += 1;
        if runs % 25 == 0 {
            println!("  {fault}: {runs} runs up to seed {seed}, {:.0} s", started.elapsed().as_secs_f64());
        }
        let outcome = {
            let _on = SwitchedOn::new(fault);
            run(seed, false)
        };
        let Some(failure) = outcome.failure else { continue };
        if sound.passes(seed) {
            found = Some((seed, failure.violation));
            break;
        }
        skipped.push(seed);
    }
    Search { fault, found, skipped, wall_s: started.elapsed().as_secs_f64() }
}

impl Search {
    fn line(&self, seeds: u64) -> String {
        let Self { fault, found, .. } = self;
        let said = match found {
            Some((seed, Violation { checker, detail, .. })) => {
                let needed = seed + 1;
                let detail: String = detail.chars().take(DETAIL).collect();
                format!("{checker:<16} {needed:>5}  {detail}")
            }
            None => {
                let promised = NOT_PROMISED.iter().find(|(known, _)| known == fault);
                let why = promised.map_or("it should have been found", |(_, why)| why);
                format!("{:<16} {:>5}  not found in {seeds} seeds: {why}", "-", "-")
            }
        };
        format!("{:<28} {said}", fault.name())
    }

    fn keeps_promise(&self) -> bool {
        self.found.is_some() || NOT_PROMISED.iter().any(|(known, _)| *known == self.fault)
    }
}

/// Looks for all faults, several at a time.
fn search_all(arguments: &Arguments) -> Vec<Search> {
    let (next, sound) = (AtomicUsize::new(0), Sound::default());
    let searches = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..arguments.threads {
            scope.spawn(|| {
                while let Some(fault) = arguments.faults.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let search = search(*fault, arguments.seeds, &sound);
                    println!("{} ({:.0} s)", search.line(arguments.seeds), search.wall_s);
                    searches.lock().expect("nobody panics with it").push(search);
                }
            });
        }
    });
    let mut searches = searches.into_inner().expect("nobody panics with it");
    searches.sort_by_key(|search| arguments.faults.iter().position(|fault| *fault == search.fault));
    searches
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
    // Panics are violations, and reported with their seed.
    std::panic::set_hook(Box::new(|_| {}));
    let started = Instant::now();
    let searches = search_all(&arguments);
    println!("\n{:<28} {:<16} {:>5}  what it says (the seed is one less)", "fault", "checker", "seeds");
    searches.iter().for_each(|search| println!("{}", search.line(arguments.seeds)));
    let mut skipped: Vec<u64> = searches.iter().flat_map(|search| search.skipped.clone()).collect();
    skipped.sort_unstable();
    skipped.dedup();
    if !skipped.is_empty() {
        println!("seeds that fail without any fault and count for nothing: {skipped:?}");
    }
    let found = searches.iter().filter(|search| search.found.is_some()).count();
    println!("{found} of {} faults found, {:.0} s", searches.len(), started.elapsed().as_secs_f64());
    if searches.iter().all(Search::keeps_promise) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
