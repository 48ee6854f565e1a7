//! `quorate chaos`: a real network under load and under faults, and whether it kept its promises.
//!
//! Four node processes, a real anvil and a dozen agents run on this machine. Faults come one after another, each at a
//! random node or at the primary, with a pause in between; what they are and when they come follows from a seed. At the
//! end the judges compare what clients were promised with what every node has.
//!
//! | module | what lives in it |
//! |---|---|
//! | [`fault`] | the kinds of faults |
//! | [`schedule`] | which comes when, from the seed |
//! | [`inject`] | injecting and healing them |
//! | [`load`] | the agents' commands |
//! | [`history`] | what became of each command |
//! | [`watch`] | what the nodes show meanwhile |
//! | [`ending`] | the quiet at the end, and what is collected there |
//! | [`collect`] | reading whole logs |
//! | [`judges`] | what must hold |
//! | [`report`] | the result as data and as text |

mod collect;
mod ending;
mod fault;
mod history;
mod inject;
mod judges;
mod load;
mod report;
mod schedule;
mod watch;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use tokio::task::JoinSet;

use fault::Kind;
use inject::Injector;
use load::Load;
use report::{ChaosReport, Injected, LoadFigures};
use schedule::Schedule;
use watch::Watch;

use crate::error::CliError;
use crate::network::fabric::Fabric;
use crate::network::layout::{Layout, Ports};
use crate::network::node_config::Pace;
use crate::network::running::{Network, Plan, PlannedMember};
use crate::network::terms;
use crate::output::progress::Progress;
use crate::output::{Format, Report as _, print, to_json, write_file};
use crate::{amount, signals};

/// How fast the chain makes blocks.
const BLOCK_TIME: Duration = Duration::from_millis(500);
/// Agents that vote without a node of their own.
const PLAIN_VOTERS: u16 = 8;
/// How long a proposal takes votes, in seconds.
const VOTING_PERIOD_S: u32 = 300;
/// How long the load runs before the first fault, and after the last.
const WARM_UP: Duration = Duration::from_secs(3);
/// The name of the report in a directory that is kept.
const KEPT_REPORT: &str = "chaos.json";

/// Runs a network on this machine under load, kills and stops its nodes, cuts its links and takes its chain away, and
/// judges whether anything that was promised was broken.
///
/// Faults of links need root, for network namespaces; without it they are left out. Ends with 0 only if no judge
/// objects; otherwise all data is kept.
#[derive(Debug, Args)]
pub(crate) struct Chaos {
    /// How many minutes faults are injected; one unless said otherwise
    #[arg(long, value_name = "N", group = "length")]
    minutes: Option<f64>,
    /// How many seconds faults are injected
    #[arg(long, value_name = "N", group = "length")]
    seconds: Option<f64>,
    /// How many rounds of faults are injected; each round has every kind once
    #[arg(long, value_name = "N", group = "length")]
    rounds: Option<usize>,
    /// Decides which fault comes when and where; a random number if it is not given
    #[arg(long)]
    seed: Option<u64>,
    /// Only these faults, with commas between them: kill, kill-all, pause, isolate, halves, mute, flap, lossy, narrow, chain-down, reorg, wipe
    #[arg(long, value_name = "KINDS", value_delimiter = ',')]
    faults: Vec<Kind>,
    /// Commands a second
    #[arg(long, default_value_t = 20.0, value_parser = positive)]
    rate: f64,
    /// The longest that a fault lasts, in seconds; the shortest is a quarter of it
    #[arg(long, value_name = "SECONDS", default_value_t = 8.0, value_parser = positive)]
    hold: f64,
    /// The pause after a fault when all is well again, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 4.0, value_parser = positive)]
    pause: f64,
    /// How many nodes there are
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(4..=16))]
    nodes: u16,
    /// Writes the result as JSON to a file, too
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Where keys, data and logs go, and stay; it must be empty or not exist yet
    #[arg(long)]
    dir: Option<PathBuf>,
    /// The namespaces of the run, or why there are none.
    #[arg(skip)]
    fabric: Option<Result<Fabric, String>>,
}

/// Reads a number above 0.
fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number > 0.0 && number <= 100_000.0 => Ok(number),
        _ => Err("write it as a number above 0".into()),
    }
}

/// When a run is over.
#[derive(Clone, Copy, Debug)]
enum Length {
    Time(Duration),
    Rounds(usize),
}

impl Chaos {
    /// Makes the network namespaces and moves into them, before there are other threads.
    pub(crate) fn prepare(&mut self) {
        let wanted = self.faults.is_empty() || self.faults.iter().any(|kind| kind.needs_fabric());
        self.fabric = wanted.then(|| Fabric::enter(self.nodes));
    }

    pub(crate) async fn run(mut self, format: Format) -> Result<(), CliError> {
        let end = signals::end_asked_for();
        let (fabric, no_fabric) = match self.fabric.take() {
            Some(Ok(fabric)) => (Some(fabric), String::new()),
            Some(Err(why)) => (None, why),
            None => (None, String::new()),
        };
        let (kinds, left_out) = self.kinds(fabric.as_ref(), &no_fabric)?;
        let temporary = match self.dir {
            Some(_) => None,
            None => Some(
                tempfile::Builder::new()
                    .prefix("quorate-chaos-")
                    .tempdir()
                    .map_err(CliError::io("make", "a temporary directory"))?,
            ),
        };
        let dir = self.dir.clone().or(temporary.as_ref().map(|dir| dir.path().to_owned()));
        let dir = dir.expect("a directory is named or was made");
        let progress = Progress::new(format == Format::Text);
        let played = tokio::select! {
            played = self.play(&dir, fabric, kinds, left_out, &progress) => played,
            () = end => Err(CliError::Interrupted),
        };
        progress.done();
        let keep = |dir: Option<tempfile::TempDir>| dir.map(tempfile::TempDir::keep);
        let mut report = match played {
            Ok(report) => report,
            Err(error) => {
                if !matches!(error, CliError::Interrupted) && keep(temporary).is_some() {
                    eprintln!("The logs of the network are kept in {}", dir.display());
                }
                return Err(error);
            }
        };
        if !report.objections.is_empty() || self.dir.is_some() {
            keep(temporary);
            report.kept = Some(dir.clone());
            let path = dir.join(KEPT_REPORT);
            write_file(&path, to_json(&report)?.as_bytes())?;
        }
        self.hand_out(&report, format)?;
        match report.objections.len() {
            0 => Ok(()),
            count => Err(CliError::Objections { count, seed: report.seed, dir }),
        }
    }

    fn hand_out(&self, report: &ChaosReport, format: Format) -> Result<(), CliError> {
        if let Some(path) = &self.report {
            write_file(path, to_json(report)?.as_bytes())?;
        }
        match format {
            Format::Text => print(&report.text()),
            Format::Json => format.print(report),
        }
    }

    fn length(&self) -> Length {
        match (self.rounds, self.seconds, self.minutes) {
            (Some(rounds), _, _) => Length::Rounds(rounds),
            (_, Some(seconds), _) => Length::Time(Duration::from_secs_f64(seconds.max(0.0))),
            (_, _, minutes) => Length::Time(Duration::from_secs_f64(60.0 * minutes.unwrap_or(1.0).max(0.0))),
        }
    }

    /// The kinds to inject, and those that cannot be, with the reason.
    fn kinds(
        &self,
        fabric: Option<&Fabric>,
        no_fabric: &str,
    ) -> Result<(Vec<Kind>, BTreeMap<&'static str, String>), CliError> {
        let mut left_out = BTreeMap::new();
        let mut kinds = Vec::new();
        for (kind, name, _) in Kind::ALL {
            if !self.faults.is_empty() && !self.faults.contains(&kind) {
                continue;
            }
            match fabric {
                None if kind.needs_fabric() => drop(left_out.insert(name, no_fabric.to_owned())),
                Some(fabric) if kind == Kind::Lossy && !fabric.has_netem() => {
                    left_out.insert(name, "this kernel has no netem".into());
                }
                _ => kinds.push(kind),
            }
        }
        if kinds.is_empty() {
            return Err(CliError::Usage {
                cause: format!("none of these faults can be injected here: {left_out:?}"),
                mend: "name others with --faults, or run it as root with iproute2 installed".into(),
            });
        }
        Ok((kinds, left_out))
    }

    async fn play(
        &self,
        dir: &Path,
        fabric: Option<Fabric>,
        kinds: Vec<Kind>,
        left_out: BTreeMap<&'static str, String>,
        progress: &Progress,
    ) -> Result<ChaosReport, CliError> {
        let seed = self.seed.unwrap_or_else(|| u64::from(rand::random::<u32>()));
        let plan = self.plan(fabric.as_ref())?;
        let names: Vec<_> = kinds.iter().map(|kind| kind.name()).collect();
        progress.tell(&format!("seed {seed}, {} nodes, faults: {}", self.nodes, names.join(", ")));
        let network = Network::start(Layout::create(dir)?, &plan, progress).await?;
        progress.tell(&format!("everything below {}", dir.display()));
        let urls: Vec<_> = network.nodes().iter().map(|node| node.url.clone()).collect();
        let watch = Watch::new(&urls, network.founded.identity.group)?;
        let load = Load::new(&network, seed).await?;
        let mut injector = Injector { network, fabric, load, watch, restarts: 0 };

        // Aborted when it is dropped.
        let mut tasks = JoinSet::new();
        let (watch, load, rate) = (injector.watch.clone(), injector.load.clone(), self.rate);
        tasks.spawn(async move { watch.run().await });
        let sending = tasks.spawn(async move { load.run(rate).await });
        let schedule = Schedule::new(seed, &kinds, usize::from(self.nodes), (self.hold * 1_000.0) as u64);
        let started = Instant::now();
        let faults = self.inject_all(&mut injector, schedule, progress).await;
        let seconds = started.elapsed().as_secs_f64();
        sending.abort();

        progress.waiting("waiting until all is quiet, and judging");
        let (ending, objections) = ending::judge(&mut injector, &faults).await;
        let report = ChaosReport {
            seed,
            nodes: usize::from(self.nodes),
            voters: injector.network.members.len(),
            seconds,
            kinds,
            left_out,
            load: LoadFigures::of(&injector.load.history(), self.rate, seconds),
            restarts: injector.restarts,
            by_kind: report::rows(&faults),
            ending,
            objections,
            kept: None,
            faults,
        };
        drop(tasks);
        injector.network.stop().await?;
        Ok(report)
    }

    async fn inject_all(
        &self,
        injector: &mut Injector,
        schedule: Schedule,
        progress: &Progress,
    ) -> Vec<Injected> {
        let started = Instant::now();
        let rounds_end = schedule.round();
        let is_over = |length: Length, done: usize| match length {
            Length::Time(limit) => started.elapsed() >= limit,
            Length::Rounds(rounds) => done >= rounds * rounds_end,
        };
        let mut faults: Vec<Injected> = Vec::new();
        tokio::time::sleep(WARM_UP).await;
        for step in schedule {
            if is_over(self.length(), faults.len()) {
                break;
            }
            let injected = injector.play(step).await;
            let totals = injector.load.history().totals();
            progress.tell(&format!(
                "{:>6.0} s  {:>3}  {}; {} acknowledged, {} failed",
                started.elapsed().as_secs_f64(),
                step.number,
                injected.line(),
                totals.acknowledged,
                totals.failed
            ));
            faults.push(injected);
            if injector.network.check_nodes().is_err() {
                // A node ended by itself, which is that fault's trouble: what would follow would show nothing new.
                break;
            }
            tokio::time::sleep(Duration::from_secs_f64(self.pause)).await;
            // Clients that cannot be made anew stay as they are.
            let _ = injector.load.spread().await;
        }
        tokio::time::sleep(WARM_UP).await;
        faults
    }

    fn plan(&self, fabric: Option<&Fabric>) -> Result<Plan, CliError> {
        let voters = self.nodes + PLAIN_VOTERS;
        let members = (1..=voters)
            .map(|number| PlannedMember {
                name: format!("agent-{number}"),
                weight: 1,
                replica: number <= self.nodes,
            })
            .collect();
        let ports = match fabric {
            Some(fabric) => fabric.ports(),
            None => Ports::free(self.nodes)?,
        };
        Ok(Plan {
            members,
            terms: terms::usual(u128::from(voters) / 2 + 1, voters.into(), VOTING_PERIOD_S),
            funding: amount::whole_ether(1),
            ports,
            namespaces: fabric.map(Fabric::namespaces).unwrap_or_default(),
            block_time: BLOCK_TIME,
            pace: Pace::RELAXED.for_nodes(self.nodes),
        })
    }
}
