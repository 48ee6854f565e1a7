//! The configuration files of the nodes of a network on one machine.

use std::net::SocketAddr;
use std::path::PathBuf;

use quorate_protocol::{AgentId, GroupIdentity};
use quorate_sdk::keystore::{ACCOUNT_FILE, KEY_FILE};
use serde::Serialize;

use super::layout::{DATA, Layout, NodePorts};
use crate::error::CliError;

/// How the nodes of a network differ from the defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pace {
    /// How long a backup waits for its primary at first.
    pub(crate) view_timeout_ms: u64,
    /// How long after the last command a checkpoint is made.
    pub(crate) checkpoint_delay_ms: u64,
    /// How often an anchor is looked for.
    pub(crate) anchor_interval_ms: u64,
    /// How long the other replicas wait for the one whose turn it is.
    pub(crate) anchor_takeover_ms: u64,
}

impl Pace {
    /// For a developer who looks on: checkpoints and anchors soon, but no faster than anybody can follow.
    pub(crate) const RELAXED: Self = Self {
        view_timeout_ms: 2_000,
        checkpoint_delay_ms: 1_000,
        anchor_interval_ms: 5_000,
        anchor_takeover_ms: 10_000,
    };
    /// For a demo that is to end soon.
    pub(crate) const BRISK: Self = Self {
        view_timeout_ms: 1_000,
        checkpoint_delay_ms: 500,
        anchor_interval_ms: 1_500,
        anchor_takeover_ms: 5_000,
    };

    /// The same for `nodes` nodes that share one machine's processors: a view change has a quorum's certificates
    /// in a quorum's messages, which every node checks.
    pub(crate) fn for_nodes(self, nodes: u16) -> Self {
        let least = VIEW_TIMEOUT_MS_PER_NODE * u64::from(nodes);
        Self { view_timeout_ms: self.view_timeout_ms.max(least), ..self }
    }
}

/// How much longer a backup waits for its primary for each node on the machine.
const VIEW_TIMEOUT_MS_PER_NODE: u64 = 250;

/// What the configuration of one node needs beyond its place in the layout.
#[derive(Clone, Debug)]
pub(crate) struct NodeSettings<'a> {
    /// Where the group lives.
    pub(crate) identity: &'a GroupIdentity,
    /// The chain's RPC.
    pub(crate) rpc_url: &'a str,
    /// The name of the organisation whose keys the node has.
    pub(crate) owner: &'a str,
    /// All replicas with the ports of their nodes, in the order of the nodes.
    pub(crate) replicas: &'a [(AgentId, NodePorts)],
    /// How the network differs from the defaults.
    pub(crate) pace: Pace,
}

impl Layout {
    /// Writes the configuration of the node at this position.
    pub(crate) fn write_node_config(&self, at: usize, settings: &NodeSettings<'_>) -> Result<(), CliError> {
        let ports = settings.replicas[at].1;
        let agent = self.agent(settings.owner);
        let file = NodeFile {
            data_dir: DATA,
            chain: Chain {
                rpc_url: settings.rpc_url,
                contract: settings.identity.contract.to_string(),
                group: settings.identity.group.to_string(),
                profile: "anvil",
            },
            keys: Keys {
                account: agent.join(ACCOUNT_FILE),
                agent: agent.join(KEY_FILE),
                password_file: self.password(),
            },
            http: Http {
                listen: ports.http,
                requests_per_second: LOCAL_RATE,
                commands_per_second: LOCAL_RATE,
            },
            peers: Peers {
                listen: ports.peers,
                replicas: settings
                    .replicas
                    .iter()
                    .map(|(agent, ports)| Peer { agent: agent.to_string(), endpoint: ports.peers })
                    .collect(),
            },
            consensus: Consensus {
                view_timeout_ms: settings.pace.view_timeout_ms,
                checkpoint_delay_ms: settings.pace.checkpoint_delay_ms,
            },
            anchor: Anchor {
                interval_ms: settings.pace.anchor_interval_ms,
                takeover_ms: settings.pace.anchor_takeover_ms,
            },
        };
        let text = toml::to_string(&file).expect("strings and numbers are TOML");
        self.write(&self.node_config(at), &text)
    }
}

/// Requests a second that one address, and commands that one agent may send: on one machine everybody has the
/// same address.
const LOCAL_RATE: u32 = 10_000;

/// The part of a node's configuration that a network on one machine sets; the rest are the node's defaults.
#[derive(Serialize)]
struct NodeFile<'a> {
    data_dir: &'a str,
    chain: Chain<'a>,
    keys: Keys,
    http: Http,
    peers: Peers,
    consensus: Consensus,
    anchor: Anchor,
}

#[derive(Serialize)]
struct Chain<'a> {
    rpc_url: &'a str,
    contract: String,
    group: String,
    profile: &'a str,
}

#[derive(Serialize)]
struct Keys {
    account: PathBuf,
    agent: PathBuf,
    password_file: PathBuf,
}

#[derive(Serialize)]
struct Http {
    listen: SocketAddr,
    requests_per_second: u32,
    commands_per_second: u32,
}

#[derive(Serialize)]
struct Peers {
    listen: SocketAddr,
    replicas: Vec<Peer>,
}

#[derive(Serialize)]
struct Peer {
    agent: String,
    endpoint: SocketAddr,
}

#[derive(Serialize)]
struct Consensus {
    view_timeout_ms: u64,
    checkpoint_delay_ms: u64,
}

#[derive(Serialize)]
struct Anchor {
    interval_ms: u64,
    takeover_ms: u64,
}

#[cfg(test)]
mod tests {
    use quorate_node::NodeConfig;
    use quorate_protocol::GroupId;
    use quorate_sdk::{Agent, KeystoreOptions, ScryptCost};

    use super::*;
    use crate::network::layout::local;

    #[test]
    fn a_node_reads_what_is_written_for_it() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::create(dir.path()).unwrap();
        let options = KeystoreOptions { cost: ScryptCost::LIGHT, overwrite: false };
        Agent::create_with(layout.agent("Alder Mills"), "secret", options).unwrap();
        layout.write(&layout.password(), "secret\n").unwrap();
        let identity = GroupIdentity {
            chain_id: 31_337,
            contract: AgentId::from([1; 20]),
            group: GroupId::from([2; 32]),
        };
        let replicas: Vec<_> = (0..4)
            .map(|at| {
                let ports = NodePorts { http: local(20_000 + at), peers: local(21_000 + at) };
                (AgentId::from([3 + at as u8; 20]), ports)
            })
            .collect();
        let settings = NodeSettings {
            identity: &identity,
            rpc_url: "http://127.0.0.1:8545",
            owner: "Alder Mills",
            replicas: &replicas,
            pace: Pace::BRISK,
        };
        layout.write_node_config(1, &settings).unwrap();
        let config = NodeConfig::load(&layout.node_config(1)).unwrap();
        assert_eq!((config.http.listen, config.peers.listen), (local(20_001), local(21_001)));
        assert_eq!((config.chain.contract, config.chain.group), (identity.contract, identity.group));
        assert_eq!(config.peers.replicas.len(), 4);
        assert_eq!(config.chain_terms().contradicts(identity.chain_id), None);
        assert_eq!(config.data_dir, layout.node(1).join("data"));
        assert_eq!(config.consensus.view_timeout_ms, Pace::BRISK.view_timeout_ms);
    }
}
