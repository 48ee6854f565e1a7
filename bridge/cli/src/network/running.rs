//! A running network: the chain, the group, and a process a node.

use std::path::PathBuf;
use std::time::Duration;

use alloy::primitives::U256;
use quorate_protocol::group::{FLAG_REPLICA, FLAG_VOTER};
use quorate_protocol::{AgentId, Terms};
use quorate_sdk::Agent;
use quorate_sdk::keystore::{KeystoreOptions, ScryptCost};
use rustix::process::Signal;

use crate::error::CliError;
use crate::network::anvil::Anvil;
use crate::network::founding::{Founded, Founder, found};
use crate::network::layout::{Layout, NodePorts, Ports};
use crate::network::node_config::{NodeSettings, Pace};
use crate::network::process::Process;
use crate::network::wait::{Look, wait_for};
use crate::output::progress::Progress;
use crate::profile::Profile;
use crate::sdk::blocking;

/// How long a node may take until it is ready, catching up included.
const READY_LIMIT: Duration = Duration::from_secs(30);
/// How long one look at a node may take.
const LOOK_LIMIT: Duration = Duration::from_secs(2);

/// What a network is made of.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Its members, in the order of the story.
    pub(crate) members: Vec<PlannedMember>,
    /// When a proposal is decided.
    pub(crate) terms: Terms,
    /// Wei in the group's account at first.
    pub(crate) funding: U256,
    /// Where it listens.
    pub(crate) ports: Ports,
    /// The network namespace of each node; nothing when all share this process's.
    pub(crate) namespaces: Vec<String>,
    /// How fast the chain makes blocks.
    pub(crate) block_time: Duration,
    /// How its nodes differ from the defaults.
    pub(crate) pace: Pace,
}

/// A member of a planned network.
#[derive(Clone, Debug)]
pub(crate) struct PlannedMember {
    /// Its name; the names of a network are distinct as directories too.
    pub(crate) name: String,
    /// Its voting weight; 0 for a replica without a vote.
    pub(crate) weight: u64,
    /// Whether it runs a node.
    pub(crate) replica: bool,
}

/// A member of a running network.
#[derive(Clone, Debug)]
pub(crate) struct RunningMember {
    /// Its name.
    pub(crate) name: String,
    /// Its keys.
    pub(crate) agent: Agent,
    /// Where its keys are.
    pub(crate) keys: PathBuf,
}

/// A node of a running network. Its process is gone while it is killed.
#[derive(Debug)]
pub(crate) struct NodeProcess {
    /// The position of the member that it belongs to.
    pub(crate) member: usize,
    /// Where it answers.
    pub(crate) url: String,
    process: Option<Process>,
}

/// A running network. It ends when this value is dropped.
#[derive(Debug)]
pub(crate) struct Network {
    /// Where it lives.
    pub(crate) layout: Layout,
    /// The members, in the order of the plan.
    pub(crate) members: Vec<RunningMember>,
    /// The group.
    pub(crate) founded: Founded,
    // Nodes are dropped, and so stopped, before the chain that they watch.
    nodes: Vec<NodeProcess>,
    anvil: Anvil,
    plan: Plan,
    http: reqwest::Client,
}

impl Network {
    /// Starts everything below `layout` and waits until every node is ready.
    pub(crate) async fn start(layout: Layout, plan: &Plan, progress: &Progress) -> Result<Self, CliError> {
        progress.waiting("starting the chain (anvil)");
        let anvil = start_chain(&layout, plan).await?;
        progress.waiting("making keys");
        let password = format!("{:032x}", rand::random::<u128>());
        layout.write(&layout.password(), &format!("{password}\n"))?;
        let members = make_keys(&layout, &plan.members, &password).await?;
        progress.waiting("deploying the contract, creating and funding the group");
        let founders: Vec<Founder> = plan
            .members
            .iter()
            .zip(&members)
            .map(|(planned, member)| founder(planned, &member.agent))
            .collect();
        let founded = found(&anvil.url, &founders, &plan.terms, plan.funding).await?;

        let replicas: Vec<usize> = (0..members.len()).filter(|at| plan.members[*at].replica).collect();
        let endpoints: Vec<(AgentId, NodePorts)> = replicas
            .iter()
            .zip(&plan.ports.nodes)
            .map(|(at, ports)| (members[*at].agent.id(), *ports))
            .collect();
        let http = reqwest::Client::builder().no_proxy().timeout(LOOK_LIMIT).build().map_err(|error| {
            CliError::Failed {
                cause: format!("an HTTP client cannot be made: {error}"),
                mend: "see whether the system's TLS certificates can be read".into(),
            }
        })?;
        let mut network =
            Self { layout, members, founded, nodes: Vec::new(), anvil, plan: plan.clone(), http };
        for (at, member) in replicas.into_iter().enumerate() {
            let settings = NodeSettings {
                identity: &network.founded.identity,
                rpc_url: &network.anvil.url,
                owner: &network.members[member].name,
                replicas: &endpoints,
                pace: plan.pace,
            };
            network.layout.write_node_config(at, &settings)?;
            let url = format!("http://{}", endpoints[at].1.http);
            network.nodes.push(NodeProcess { member, url, process: None });
            network.launch(at)?;
        }
        for at in 0..network.nodes.len() {
            progress.waiting(format!("waiting until node {} is ready", at + 1));
            network.wait_until_ready(at).await?;
        }
        network.layout.write(&network.layout.profile(), &network.profile().to_text())?;
        progress.done();
        Ok(network)
    }

    /// Starts the process of a node that is not running.
    pub(crate) fn launch(&mut self, at: usize) -> Result<(), CliError> {
        let config = self.layout.node_config(at);
        let config = config.to_str().ok_or_else(|| CliError::Usage {
            cause: format!("the path {} is not UTF-8", config.display()),
            mend: "name a directory of plain characters".into(),
        })?;
        let arguments = ["node", "run", "--config", config, "--exit-with-stdin"];
        let namespace = self.plan.namespaces.get(at).map(String::as_str);
        let (name, log) = (format!("node {}", at + 1), self.layout.node_log(at));
        let process = Process::start_in(namespace, &name, &arguments, &log)?;
        self.nodes[at].process = Some(process);
        Ok(())
    }

    /// Waits until a node takes part and serves.
    pub(crate) async fn wait_until_ready(&mut self, at: usize) -> Result<(), CliError> {
        let node = &mut self.nodes[at];
        let url = format!("{}/readyz", node.url);
        let http = &self.http;
        wait_for(&format!("node {} being ready", at + 1), READY_LIMIT, async || {
            if let Some(process) = &mut node.process {
                process.check()?;
            }
            Ok(match http.get(&url).send().await {
                Ok(answer) if answer.status().is_success() => Look::Found(()),
                Ok(answer) => {
                    let status = answer.status();
                    Look::NotYet(format!("{status} {}", answer.text().await.unwrap_or_default()))
                }
                Err(error) => Look::NotYet(error.to_string()),
            })
        })
        .await
    }

    /// Kills a node's process with SIGKILL.
    pub(crate) async fn kill(&mut self, at: usize) -> Result<(), CliError> {
        match self.nodes[at].process.take() {
            Some(mut process) => process.kill().await,
            None => Ok(()),
        }
    }

    /// Sends a signal to a node's process, if it runs.
    pub(crate) fn signal(&self, at: usize, signal: Signal) -> Result<(), CliError> {
        self.nodes[at].process.as_ref().map_or(Ok(()), |process| process.signal(signal))
    }

    /// Takes from a node that does not run everything that it remembers.
    pub(crate) fn wipe(&self, at: usize) -> Result<(), CliError> {
        let data = self.layout.node_data(at);
        std::fs::remove_dir_all(&data).map_err(CliError::io("remove", &data))
    }

    /// Stops the chain in order; it keeps its blocks.
    pub(crate) async fn stop_chain(&mut self) -> Result<(), CliError> {
        self.anvil.process.stop().await
    }

    /// Starts the chain again where it was stopped.
    pub(crate) async fn restart_chain(&mut self) -> Result<(), CliError> {
        self.anvil = start_chain(&self.layout, &self.plan).await?;
        Ok(())
    }

    /// The nodes, in their order.
    pub(crate) fn nodes(&self) -> &[NodeProcess] {
        &self.nodes
    }

    /// The URL of the chain's RPC.
    pub(crate) fn rpc_url(&self) -> &str {
        &self.anvil.url
    }

    /// What the commands need to talk to the group, as its first member.
    pub(crate) fn profile(&self) -> Profile {
        Profile {
            nodes: self.nodes.iter().map(|node| node.url.clone()).collect(),
            rpc: Some(self.anvil.url.clone()),
            contract: Some(self.founded.identity.contract),
            group: Some(self.founded.identity.group),
            keys: self.members.first().map(|member| member.keys.clone()),
            password_file: Some(self.layout.password()),
        }
    }

    /// Fails when a process has ended by itself.
    pub(crate) fn check(&mut self) -> Result<(), CliError> {
        self.anvil.process.check()?;
        self.check_nodes()
    }

    /// Fails when a node's process has ended by itself.
    pub(crate) fn check_nodes(&mut self) -> Result<(), CliError> {
        self.nodes.iter_mut().filter_map(|node| node.process.as_mut()).try_for_each(Process::check)
    }

    /// Stops all nodes at once, in order, and the chain after them.
    pub(crate) async fn stop(mut self) -> Result<(), CliError> {
        self.let_nodes_go();
        for process in self.nodes.iter_mut().filter_map(|node| node.process.as_mut()) {
            process.stop().await?;
        }
        self.anvil.process.stop().await
    }

    fn let_nodes_go(&mut self) {
        self.nodes.iter_mut().filter_map(|node| node.process.as_mut()).for_each(Process::let_go);
    }
}

impl NodeProcess {
    /// Whether the node's process was started and not killed.
    pub(crate) fn is_up(&self) -> bool {
        self.process.is_some()
    }

    /// The id of the node's process.
    pub(crate) fn process_id(&self) -> Option<u32> {
        self.process.as_ref().and_then(Process::id)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // All nodes end at the same time instead of one after the other as their values are dropped.
        self.let_nodes_go();
    }
}

async fn start_chain(layout: &Layout, plan: &Plan) -> Result<Anvil, CliError> {
    Anvil::start(plan.ports.chain, plan.block_time, &layout.chain_state(), &layout.chain_log()).await
}

/// Makes the keys of every member, with cheap keystores: they protect throw-away money.
async fn make_keys(
    layout: &Layout,
    planned: &[PlannedMember],
    password: &str,
) -> Result<Vec<RunningMember>, CliError> {
    let mut members = Vec::with_capacity(planned.len());
    for member in planned {
        let (keys, password) = (layout.agent(&member.name), password.to_owned());
        let options = KeystoreOptions { cost: ScryptCost::LIGHT, overwrite: false };
        let dir = keys.clone();
        let agent = blocking(move || Agent::create_with(dir, &password, options)).await?;
        members.push(RunningMember { name: member.name.clone(), agent, keys });
    }
    Ok(members)
}

fn founder(planned: &PlannedMember, agent: &Agent) -> Founder {
    let voter = if planned.weight > 0 { FLAG_VOTER } else { 0 };
    let replica = if planned.replica { FLAG_REPLICA } else { 0 };
    Founder { agent: agent.clone(), weight: planned.weight, flags: voter | replica }
}
