//! `quorate demo`: the main job from end to end, on real parts, told as a story.
//!
//! | module | what lives in it |
//! |---|---|
//! | [`stage`] | the running network and what has happened so far |
//! | [`steps`] | the steps in the log: deciding, forging, repeating |
//! | [`on_chain`] | a decision by transactions alone |
//! | [`outage`] | the death and the return of a node |
//! | [`latency`] | the measured burst |
//! | [`settlement`] | the anchor, and payments by proof under it |
//! | [`outsider`] | the audit by somebody who trusts no node, and a forged copy |
//! | [`report`] | the result as data and as text |

mod latency;
mod on_chain;
mod outage;
mod outsider;
mod report;
mod settlement;
mod stage;
mod steps;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;

use report::{DemoReport, Figures};
use stage::Stage;

use crate::error::CliError;
use crate::network::layout::{Layout, Ports};
use crate::network::node_config::Pace;
use crate::network::running::{Network, Plan, PlannedMember};
use crate::output::progress::Progress;
use crate::output::{Format, Report as _, print, short, to_json, write_file};
use crate::scenario::Scenario;
use crate::{amount, signals};

/// How fast the demo's chain makes blocks.
const BLOCK_TIME: Duration = Duration::from_millis(250);

/// Runs the main job from end to end on this machine: chain, contract, group, nodes, agents, anchor and audit.
///
/// Ends with 0 only if all of it verified.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Writes the result as JSON to a file, too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Runs another scenario than the treasury that pays suppliers
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,
    /// How many nodes there are; those beyond the organisations' have no vote
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(4..=16))]
    nodes: u16,
}

impl Demo {
    pub(crate) async fn run(self, format: Format) -> Result<(), CliError> {
        let end = signals::end_asked_for();
        let scenario = Scenario::load(self.scenario.as_deref())?;
        let directory = tempfile::Builder::new()
            .prefix("quorate-demo-")
            .tempdir()
            .map_err(CliError::io("make", "a temporary directory"))?;
        let progress = Progress::new(format == Format::Text);
        let report = tokio::select! {
            played = self.play(&scenario, directory.path(), &progress) => played,
            () = end => Err(CliError::Interrupted),
        };
        progress.done();
        let report = match report {
            Ok(report) => report,
            Err(error) => return Err(keep_logs(error, directory)),
        };
        if let Some(path) = &self.json {
            write_file(path, to_json(&report)?.as_bytes())?;
        }
        match format {
            Format::Text => print(&report.text()),
            Format::Json => format.print(&report),
        }
    }

    async fn play(
        &self,
        scenario: &Scenario,
        directory: &std::path::Path,
        progress: &Progress,
    ) -> Result<DemoReport, CliError> {
        let start = Instant::now();
        let plan = self.plan(scenario)?;
        progress.tell(&format!("{}, with {} nodes", scenario.title, self.nodes));
        progress.chapter("A chain, a contract, a group");
        let network = Network::start(Layout::create(directory)?, &plan, progress).await?;
        tell_start(&network, scenario, progress);
        let mut stage = Stage::set(scenario, progress, network).await?;

        progress.chapter("The group decides");
        stage.take_steps().await?;
        stage.await_expiries().await?;

        progress.chapter("How fast");
        let latency = stage.measure_latency().await?;
        progress.tell(&format!(
            "  {} commands, {} at a time, made {} decisions: p50 {:.1} ms, p99 {:.1} ms each.",
            latency.commands, latency.concurrency, latency.decisions, latency.p50_ms, latency.p99_ms
        ));

        progress.chapter("The chain learns of it");
        let anchors = stage.await_anchor().await?;
        stage.pay_by_proof().await?;

        progress.chapter("An outsider checks");
        let audit = stage.audit_as_outsider(directory).await?;

        let figures = Figures {
            latency,
            anchors: anchors.count,
            anchored_entries: anchors.entries,
            entries_per_anchor: anchors.entries as f64 / anchors.count as f64,
            gas_per_anchor: anchors.gas / anchors.count,
            gas_per_entry: anchors.gas / anchors.entries,
            anchored_decision: stage.anchored_cost(&anchors),
            on_chain_decision: stage.on_chain_cost.clone(),
        };
        progress.waiting("stopping the nodes and the chain");
        let account = stage.account().to_string();
        let report = DemoReport {
            title: scenario.title.clone(),
            group: stage.network.founded.identity,
            account,
            nodes: stage.network.nodes().len(),
            decisions: stage.made.iter().filter_map(|made| made.row.clone()).collect(),
            refusals: stage.refusals,
            outages: stage.outages,
            payments: stage.payments,
            audit,
            figures,
            elapsed_s: start.elapsed().as_secs_f64(),
        };
        stage.network.stop().await?;
        Ok(report)
    }

    fn plan(&self, scenario: &Scenario) -> Result<Plan, CliError> {
        let nodes = usize::from(self.nodes);
        let mut members: Vec<PlannedMember> = scenario
            .organisations
            .iter()
            .enumerate()
            .map(|(at, organisation)| PlannedMember {
                name: organisation.name.clone(),
                weight: organisation.weight,
                replica: at < nodes,
            })
            .collect();
        for number in members.len() + 1..=nodes {
            members.push(PlannedMember { name: format!("replica {number}"), weight: 0, replica: true });
        }
        Ok(Plan {
            members,
            terms: scenario.terms(),
            funding: scenario.funding,
            ports: Ports::free(self.nodes)?,
            namespaces: Vec::new(),
            block_time: BLOCK_TIME,
            pace: Pace::BRISK.for_nodes(self.nodes),
        })
    }
}

fn tell_start(network: &Network, scenario: &Scenario, progress: &Progress) {
    let identity = network.founded.identity;
    progress.tell(&format!(
        "  anvil (chain {}) has the contract {}.",
        identity.chain_id,
        short(identity.contract)
    ));
    progress.tell(&format!(
        "  Group {} shares account {} with {} in it; {} % of the weight {} approve.",
        short(identity.group),
        short(network.founded.account),
        amount::ether(scenario.funding),
        f64::from(scenario.class.threshold) / 100.0,
        scenario.organisations.iter().map(|organisation| u128::from(organisation.weight)).sum::<u128>()
    ));
    for (at, node) in network.nodes().iter().enumerate() {
        let member = &network.members[node.member];
        let process = node.process_id().map(|id| format!("process {id}")).unwrap_or_default();
        progress.tell(&format!(
            "  Node {} of {} ({}): {process}, {}",
            at + 1,
            member.name,
            short(member.agent.id()),
            node.url
        ));
    }
}

/// Keeps the logs of a demo that failed, and says where they are. One that was interrupted leaves nothing.
fn keep_logs(error: CliError, directory: tempfile::TempDir) -> CliError {
    if !matches!(error, CliError::Interrupted) {
        let kept = directory.keep();
        eprintln!("The logs of the network are kept in {}", kept.display());
    }
    error
}
