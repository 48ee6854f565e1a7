//! `quorate node`: runs a node, checks its configuration, and rebuilds its data after a recovery.
//!
//! Here a node is put together: its keys, the group as the contract has it, the runtime of `quorate-node` and the
//! anchoring service of `quorate-anchor`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use quorate_anchor::{AnchorError, AnchorHandle, AnchorService, Settings};
use quorate_node::config::{LogFormat, NodeConfig};
use quorate_node::{Node as RunningNode, NodeError, NodeKeys};
use quorate_protocol::{AccountKey, Group};
use quorate_sdk::keystore::{open_account, open_key};
use serde::Serialize;
use tokio::task::JoinHandle;

use crate::args::OutputOptions;
use crate::error::CliError;
use crate::network::lifeline::standard_input_closed;
use crate::output::{Format, Report};
use crate::password::{self, Purpose};
use crate::sdk::blocking;
use crate::{deliberate_fault, logging, signals};

mod contract;
mod recover;

use contract::read_group;
use recover::Recover;

/// How long to wait before the anchoring service looks for a chain that did not answer again.
const CHAIN_PAUSE: Duration = Duration::from_secs(5);

/// Runs a node, checks its configuration, or brings its data into the era after a recovery.
#[derive(Debug, Subcommand)]
pub(crate) enum Node {
    /// Runs a node until it is told to stop (Ctrl-C or SIGTERM)
    Run(Run),
    /// Checks a node's configuration without starting it
    CheckConfig(CheckConfig),
    /// Rebuilds a replica's data after the voters replaced the replicas on-chain
    Recover(Recover),
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The node's configuration
    #[arg(long, value_name = "FILE", default_value = "node.toml")]
    config: PathBuf,
    /// Stops when standard input ends, so that no node outlives the process that started it
    #[arg(long)]
    exit_with_stdin: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CheckConfig {
    /// The node's configuration
    #[arg(long, value_name = "FILE", default_value = "node.toml")]
    config: PathBuf,
    #[command(flatten)]
    output: OutputOptions,
}

/// A configuration that a node can run with, and the values in force of what a chain's profile can fill in.
#[derive(Debug, Serialize)]
struct Checked {
    config: PathBuf,
    data_dir: PathBuf,
    http: String,
    peers: String,
    group: String,
    in_force: toml::Table,
}

impl Checked {
    fn new(path: PathBuf, config: NodeConfig) -> Self {
        let mut all =
            toml::Table::try_from(config.in_force()).expect("a configuration that was read is TOML");
        all.retain(|section, _| section == "chain" || section == "anchor");
        // The address may hold a provider's key.
        if let Some(chain) = all.get_mut("chain").and_then(toml::Value::as_table_mut) {
            chain.remove("rpc_url");
        }
        Self {
            config: path,
            data_dir: config.data_dir,
            http: config.http.listen.to_string(),
            peers: config.peers.listen.to_string(),
            group: config.chain.group.to_string(),
            in_force: all,
        }
    }
}

impl Report for Checked {
    fn text(&self) -> String {
        format!(
            "{} is in order: HTTP on {}, peers on {}, data in {}, group {}\nIn force:\n{}",
            self.config.display(),
            self.http,
            self.peers,
            self.data_dir.display(),
            self.group,
            self.in_force
        )
    }
}

impl Node {
    /// Whether the command's own flag asks for JSON.
    pub(crate) fn asks_for_json(&self) -> bool {
        match self {
            Self::Run(_) => false,
            Self::CheckConfig(CheckConfig { output, .. }) | Self::Recover(Recover { output, .. }) => {
                output.json
            }
        }
    }

    pub(crate) async fn run(self, format: Format) -> Result<(), CliError> {
        match self {
            Self::Run(run) => run.run().await,
            Self::CheckConfig(CheckConfig { config: path, .. }) => {
                let config = NodeConfig::load(&path)?;
                format.print(&Checked::new(path, config))
            }
            Self::Recover(recover) => recover.run(format).await,
        }
    }
}

impl Run {
    async fn run(self) -> Result<(), CliError> {
        let config = NodeConfig::load(&self.config)?;
        logging::start(&config.log.filter, config.log.format == LogFormat::Json)?;
        deliberate_fault::switch_on()?;
        // Signals that arrive while the node starts are kept for the moment when it can stop.
        let end = signals::end_asked_for();
        let parent_gone = async {
            match self.exit_with_stdin {
                true => drop(standard_input_closed().await),
                false => std::future::pending().await,
            }
        };
        tokio::pin!(end, parent_gone);
        let mut running = tokio::select! {
            started = Running::start(&config) => started?,
            () = &mut end => return Ok(()),
            () = &mut parent_gone => return Ok(()),
        };
        tokio::select! {
            stopped = running.node.stopped() => stopped?,
            () = &mut end => tracing::info!("stopping: told to by a signal"),
            () = &mut parent_gone => tracing::info!("stopping: the process that started this node let go"),
        }
        running.stop().await
    }
}

/// A node with its anchoring service.
struct Running {
    node: RunningNode,
    anchoring: Anchoring,
}

impl Running {
    async fn start(config: &NodeConfig) -> Result<Self, CliError> {
        let keys = open_keys(config).await?;
        let account = keys.account.clone();
        let known = read_group(config, &account).await?;
        let group = known.group.clone();
        check_profile(config, &group)?;
        let service = first_connection(config, &group, &account).await?;
        let node = RunningNode::start(config, keys, known).await?;
        tracing::info!(http = %node.http_address(), peers = %node.peers_address(), group = %group.identity.group, "the node runs");
        let anchoring = Anchoring::start(config, group, account, &node, service);
        Ok(Self { node, anchoring })
    }

    async fn stop(self) -> Result<(), CliError> {
        self.anchoring.stop().await;
        Ok(self.node.shutdown().await?)
    }
}

async fn open_keys(config: &NodeConfig) -> Result<NodeKeys, CliError> {
    let keys = config.keys.clone();
    let password = password::obtain(keys.password_file.as_deref(), Purpose::Open)?;
    blocking(move || {
        let account = open_account(&keys.account, &password)?;
        let agent = open_key(&keys.agent, &password)?;
        Ok(NodeKeys { account, agent, agent_keystore: Some(keys.agent) })
    })
    .await
}

/// A profile for another chain than the group's would bound fees and wait for finality as if it were there.
fn check_profile(config: &NodeConfig, group: &Group) -> Result<(), CliError> {
    let found = group.identity.chain_id;
    let (Some(profile), Some(expected)) = (config.chain.profile, config.chain_terms().contradicts(found))
    else {
        return Ok(());
    };
    let problem = format!(
        "chain.profile is {profile}, which stands for chain {expected}, and the group lives on chain {found}; name the \
         profile of that chain or none, or correct chain.rpc_url"
    );
    Err(mismatch(config, &problem))
}

/// Connects the anchoring service, so that a node whose configuration does not fit the chain does not start. Nothing
/// when the chain does not answer soon: then the service goes on trying while the node runs.
async fn first_connection(
    config: &NodeConfig,
    group: &Group,
    account: &AccountKey,
) -> Result<Option<AnchorService>, CliError> {
    let (rpc_url, settings) = (&config.chain.rpc_url, Settings::from(config));
    let connect = AnchorService::connect(rpc_url, settings, group.clone(), account.clone());
    match tokio::time::timeout(CHAIN_PAUSE, connect).await {
        Ok(Ok(service)) => Ok(Some(service)),
        Ok(Err(
            error @ (AnchorError::Setting { .. }
            | AnchorError::UnknownTag { .. }
            | AnchorError::NoDataFeeOracle { .. }),
        )) => Err(mismatch(config, &error)),
        Ok(Err(_)) | Err(_) => Ok(None),
    }
}

fn mismatch(config: &NodeConfig, error: &impl ToString) -> CliError {
    let (rpc_url, detail) = (config.chain.rpc_url.clone(), error.to_string());
    NodeError::Chain { rpc_url, detail }.into()
}

/// The anchoring service of a node, or the search for a chain that does not answer yet. Consensus waits for
/// neither.
struct Anchoring(JoinHandle<Option<AnchorHandle>>);

impl Anchoring {
    fn start(
        config: &NodeConfig,
        group: Group,
        account: AccountKey,
        node: &RunningNode,
        mut connected: Option<AnchorService>,
    ) -> Self {
        let links = node.anchoring_links();
        let costs = node.metrics().anchor_costs.clone();
        let rpc_url = config.chain.rpc_url.clone();
        // Also a node that submits nothing is told of the anchors that others submit, which its receipts prove, and of
        // the inbox, which it has to speak of.
        let settings = Settings::from(config);
        Self(tokio::spawn(async move {
            loop {
                let service = match connected.take() {
                    Some(service) => Ok(service),
                    None => {
                        AnchorService::connect(&rpc_url, settings.clone(), group.clone(), account.clone())
                            .await
                    }
                };
                match service {
                    Ok(service) => return Some(service.count_in(costs).spawn(links)),
                    Err(error @ AnchorError::Unreachable { .. }) => {
                        tracing::warn!(%error, "anchoring waits for the chain");
                        tokio::time::sleep(CHAIN_PAUSE).await;
                    }
                    Err(error) => {
                        tracing::error!(%error, "this node does not anchor");
                        return None;
                    }
                }
            }
        }))
    }

    async fn stop(self) {
        if !self.0.is_finished() {
            self.0.abort();
        }
        // A search that was cut off holds nothing.
        if let Ok(Some(service)) = self.0.await {
            service.shutdown().await;
        }
    }
}
