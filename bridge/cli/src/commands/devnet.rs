//! `quorate devnet`: a whole network on this machine, for a developer, until Ctrl-C.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use quorate_protocol::GroupIdentity;
use serde::Serialize;

use crate::args::OutputOptions;
use crate::error::CliError;
use crate::network::layout::{Layout, Ports};
use crate::network::node_config::Pace;
use crate::network::running::{Network, Plan, PlannedMember};
use crate::network::terms;
use crate::output::progress::Progress;
use crate::output::{Format, Report};
use crate::{amount, signals};

/// How often the processes are looked after.
const WATCH: Duration = Duration::from_millis(250);
/// Ether in the group's account at first.
const FUNDING_ETHER: u64 = 1_000;
/// How long a proposal takes votes, in seconds.
const VOTING_PERIOD_S: u32 = 300;

/// Runs a chain, the contract, a group and its nodes on this machine until Ctrl-C.
///
/// The keys, the logs and a profile for the other commands are in one directory, which is removed at the end unless
/// --dir names it. Nothing in it protects anything: it is for development alone.
#[derive(Debug, Args)]
pub(crate) struct Devnet {
    /// How many nodes, and so organisations, there are
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(4..=16))]
    nodes: u16,
    /// Where keys, data and logs go, and stay; it must be empty or not exist yet
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Seconds between two blocks of the chain
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0, value_parser = block_time)]
    block_time: f64,
    #[command(flatten)]
    pub(crate) output: OutputOptions,
}

/// Reads a block time.
fn block_time(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.05..=60.0).contains(&seconds) => Ok(seconds),
        _ => Err("write it as seconds from 0.05 to 60".into()),
    }
}

/// A network that runs.
#[derive(Debug, Serialize)]
struct Running {
    nodes: Vec<String>,
    rpc: String,
    group: GroupIdentity,
    account: String,
    directory: PathBuf,
    profile: PathBuf,
    members: Vec<Member>,
}

#[derive(Debug, Serialize)]
struct Member {
    name: String,
    agent: String,
    keys: PathBuf,
}

impl Report for Running {
    fn text(&self) -> String {
        let mut text = format!(
            "chain     {} (chain id {})\ncontract  {}\ngroup     {}\naccount   {} with {FUNDING_ETHER} ether\n",
            self.rpc, self.group.chain_id, self.group.contract, self.group.group, self.account
        );
        for (at, url) in self.nodes.iter().enumerate() {
            text.push_str(&format!("node {:<4} {url}/v1/groups/{}\n", at + 1, self.group.group));
        }
        for member in &self.members {
            text.push_str(&format!(
                "keys      {} of {}, {}\n",
                member.keys.display(),
                member.name,
                member.agent
            ));
        }
        text.push_str(&format!(
            "profile   {}\n\nTry: quorate --profile {} propose \"Buy tea\"\nCtrl-C stops everything.\n",
            self.profile.display(),
            self.profile.display()
        ));
        text
    }
}

impl Running {
    fn of(network: &Network) -> Self {
        Self {
            nodes: network.nodes().iter().map(|node| node.url.clone()).collect(),
            rpc: network.rpc_url().to_owned(),
            group: network.founded.identity,
            account: network.founded.account.to_string(),
            directory: network.layout.root().to_owned(),
            profile: network.layout.profile(),
            members: network
                .members
                .iter()
                .map(|member| Member {
                    name: member.name.clone(),
                    agent: member.agent.id().to_string(),
                    keys: member.keys.clone(),
                })
                .collect(),
        }
    }
}

impl Devnet {
    pub(crate) async fn run(self, format: Format) -> Result<(), CliError> {
        let end = signals::end_asked_for();
        tokio::pin!(end);
        // Dropped last, when nobody writes below it any more.
        let temporary = match self.dir {
            Some(_) => None,
            None => Some(
                tempfile::Builder::new()
                    .prefix("quorate-devnet-")
                    .tempdir()
                    .map_err(CliError::io("make", "a temporary directory"))?,
            ),
        };
        let dir = self.dir.as_deref().or(temporary.as_ref().map(tempfile::TempDir::path));
        let layout = Layout::create(dir.expect("a directory is named or was made"))?;
        let plan = self.plan()?;
        let progress = Progress::new(false);
        let mut network = tokio::select! {
            started = Network::start(layout, &plan, &progress) => started?,
            () = &mut end => return Err(CliError::Interrupted),
        };
        format.print(&Running::of(&network))?;
        loop {
            tokio::select! {
                () = &mut end => break,
                () = tokio::time::sleep(WATCH) => network.check()?,
            }
        }
        progress.waiting("stopping the nodes and the chain");
        network.stop().await
    }

    fn plan(&self) -> Result<Plan, CliError> {
        let members = (1..=self.nodes)
            .map(|number| PlannedMember { name: format!("agent-{number}"), weight: 1, replica: true })
            .collect();
        let threshold = u128::from(self.nodes) / 2 + 1;
        Ok(Plan {
            members,
            terms: terms::usual(threshold, self.nodes.into(), VOTING_PERIOD_S),
            funding: amount::whole_ether(FUNDING_ETHER),
            ports: Ports::well_known_or_free(self.nodes)?,
            namespaces: Vec::new(),
            block_time: Duration::from_secs_f64(self.block_time),
            pace: Pace::RELAXED.for_nodes(self.nodes),
        })
    }
}
