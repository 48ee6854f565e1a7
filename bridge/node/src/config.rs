//! The node's configuration: one TOML file.
//!
//! `node.example.toml` beside this crate is a complete file with every key, its unit and its default.
//! Unknown keys are refused, so that a misspelt one is not silently a default.

mod check;
mod profile;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use quorate_protocol::{AgentId, GroupId};
use serde::{Deserialize, Serialize};

pub use check::Problem;
pub use profile::{ChainProfile, ChainTerms, Finality, L1Fee, MAX_DEPTH, ProfileName};

use crate::error::NodeError;

/// The environment variable whose value decrypts the keystores when no password file is configured.
pub const PASSWORD_VARIABLE: &str = "QUORATE_PASSWORD";

/// All that a node must know before it starts. What is written back as TOML reads as the same
/// configuration, so that tools can make files for nodes.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NodeConfig {
    /// Where the node keeps all that it must remember. One process a directory.
    #[serde(default = "defaults::data_dir")]
    pub data_dir: PathBuf,
    /// The group and the contract that holds it.
    pub chain: ChainConfig,
    /// The node's keys.
    pub keys: KeysConfig,
    /// The HTTP API.
    #[serde(default)]
    pub http: HttpConfig,
    /// The links to the other replicas.
    #[serde(default)]
    pub peers: PeersConfig,
    /// The consensus core's bounds and time-outs.
    #[serde(default)]
    pub consensus: ConsensusConfig,
    /// Submission of anchors to the contract.
    #[serde(default)]
    pub anchor: AnchorConfig,
    /// Logging.
    #[serde(default)]
    pub log: LogConfig,
}

/// `[chain]`: the group and the contract that holds it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ChainConfig {
    /// JSON-RPC endpoint of the chain, `http://` or `https://`; or several, as a list or with commas between them, of which
    /// the majority has to agree, or as many as `2 of URL,URL,URL` says.
    #[serde(deserialize_with = "one_or_several")]
    pub rpc_url: String,
    /// Address of the `AgentCoordinator` contract.
    pub contract: AgentId,
    /// The group that this node is a replica of.
    pub group: GroupId,
    /// Which chain it is, so that everything about it has a default that fits; see [`ChainProfile`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<ProfileName>,
    /// Which block is relied on; the profile's if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finality: Option<Finality>,
    /// How the chain charges for data on its L1; as the profile says if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub l1_fee: Option<L1Fee>,
    /// The time between two looks at the chain; the profile's if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub poll_ms: Option<u64>,
}

/// `[keys]`: the node's keys, each a Web3 Secret Storage keystore.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct KeysConfig {
    /// Keystore of the secp256k1 account, which signs checkpoints and anchors.
    pub account: PathBuf,
    /// Keystore of the ed25519 key, which signs consensus messages and attestations.
    pub agent: PathBuf,
    /// A file whose first line decrypts both. Without it the environment variable
    /// [`PASSWORD_VARIABLE`] does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
}

/// `[http]`: the HTTP API and its limits.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// Another address on which health, readiness and metrics are served, and nothing else. There they are to be had however
    /// many clients keep the API busy.
    pub admin_listen: Option<SocketAddr>,
    /// The origins whose web pages may use the API, as a browser writes them: `https://app.example`. `"*"` for all.
    pub allowed_origins: Vec<String>,
    /// The most bytes of a request's body.
    pub max_body_bytes: usize,
    /// Requests a second that one remote address may make on average.
    pub requests_per_second: f64,
    /// Commands a second that one agent may submit on average.
    pub commands_per_second: f64,
    /// The most connections at once.
    pub max_connections: usize,
}

/// `[peers]`: the links to the other replicas.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct PeersConfig {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// Where the other replicas listen, one `[[peers.replicas]]` each. The node's own may be among them,
    /// so that all nodes can share one list.
    pub replicas: Vec<PeerConfig>,
}

/// One replica of the group.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PeerConfig {
    /// The replica's account.
    pub agent: AgentId,
    /// `host:port` of its `peers.listen`.
    pub endpoint: String,
}

/// `[consensus]`: bounds and time-outs. The bounds must be equal on all nodes of a group.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConsensusConfig {
    /// A checkpoint is taken every so many sequences (Castro & Liskov's K).
    pub checkpoint_interval: u64,
    /// How far the order may run ahead of the last stable checkpoint, in sequences (Castro & Liskov's L).
    pub window: u64,
    /// How many batches the primary orders at once before it makes batches grow.
    pub pipeline: u64,
    /// The most commands of a batch.
    pub max_batch_commands: usize,
    /// The most bytes of a batch's commands.
    pub max_batch_bytes: usize,
    /// How long a backup waits for progress before it votes for the next view. It doubles per failed view.
    pub view_timeout_ms: u64,
    /// How far a batch's time may be from a backup's clock.
    pub max_clock_drift_ms: u64,
    /// How long after the last command an idle primary completes a checkpoint.
    pub checkpoint_delay_ms: u64,
    /// How often a replica tells the others how far it is.
    pub status_interval_ms: u64,
}

/// `[anchor]`: submission of stable checkpoints to the contract.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct AnchorConfig {
    /// Whether this node submits anchors at all. Anyone else may.
    pub enabled: bool,
    /// Submit only when the log grew by so many entries since the last anchor.
    pub min_entries: u64,
    /// The least time between two anchors.
    pub interval_ms: u64,
    /// How long this node leaves the submission to the replica whose turn it is; the profile's if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub takeover_ms: Option<u64>,
    /// The highest fee per gas that is paid, in gwei; the profile's if absent. Above it, anchoring waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_fee_gwei: Option<u64>,
    /// The least tip per gas that is offered, in wei; the profile's if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_tip_wei: Option<u64>,
    /// The most that anchoring spends in an hour, in gwei, counted at the worst case. Beyond it, anchoring
    /// waits: an endpoint that lies must not empty the account.
    pub max_spend_gwei_per_hour: u64,
    /// How long a submitted anchor may take before it is replaced at a higher fee; the profile's if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt_timeout_ms: Option<u64>,
}

/// `[log]`: what the process prints to standard error.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// Text for people or JSON for machines.
    pub format: LogFormat,
    /// A `tracing` filter, such as `info` or `info,quorate_node=debug`.
    pub filter: String,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// A line of text an event.
    #[default]
    Text,
    /// A JSON object an event.
    Json,
}

mod defaults {
    use std::path::PathBuf;

    pub(super) fn data_dir() -> PathBuf {
        "data".into()
    }
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8100)),
            admin_listen: None,
            allowed_origins: Vec::new(),
            max_body_bytes: 128 * 1024,
            requests_per_second: 1000.0,
            commands_per_second: 1000.0,
            max_connections: 1024,
        }
    }
}

impl Default for PeersConfig {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 8200)), replicas: Vec::new() }
    }
}

impl Default for ConsensusConfig {
    fn default() -> Self {
        Self {
            checkpoint_interval: 128,
            window: 256,
            pipeline: 8,
            max_batch_commands: 512,
            max_batch_bytes: 1024 * 1024,
            view_timeout_ms: 2000,
            max_clock_drift_ms: 5000,
            checkpoint_delay_ms: 2000,
            status_interval_ms: 500,
        }
    }
}

impl Default for AnchorConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            min_entries: 1,
            interval_ms: 5000,
            takeover_ms: None,
            max_fee_gwei: None,
            min_tip_wei: None,
            max_spend_gwei_per_hour: 100_000_000,
            receipt_timeout_ms: None,
        }
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { format: LogFormat::Text, filter: "info".into() }
    }
}

impl NodeConfig {
    /// Reads the file, takes relative paths in it as relative to the file, and checks it.
    ///
    /// # Errors
    /// [`NodeError::ConfigUnreadable`], [`NodeError::ConfigMalformed`], or [`NodeError::ConfigInvalid`]
    /// with every problem that [`Self::check`] finds.
    pub fn load(path: &Path) -> Result<Self, NodeError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| NodeError::ConfigUnreadable { path: path.into(), source })?;
        let mut config: Self = toml::from_str(&text)
            .map_err(|error| NodeError::ConfigMalformed { path: path.into(), detail: error.to_string() })?;
        config.resolve_paths(path.parent().unwrap_or(Path::new("")));
        let problems = config.check();
        if problems.is_empty() {
            Ok(config)
        } else {
            Err(NodeError::ConfigInvalid { path: path.into(), problems })
        }
    }

    /// The directory of the write-ahead log.
    pub fn wal_dir(&self) -> PathBuf {
        self.data_dir.join("wal")
    }

    /// The directory of the store.
    pub fn store_dir(&self) -> PathBuf {
        self.data_dir.join("store")
    }

    fn resolve_paths(&mut self, base: &Path) {
        let keys = &mut self.keys;
        for path in [&mut self.data_dir, &mut keys.account, &mut keys.agent]
            .into_iter()
            .chain(keys.password_file.as_mut())
        {
            *path = base.join(&*path);
        }
    }
}

/// A text, or a list of texts as one with commas.
fn one_or_several<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a URL, or a list of URLs")]
    enum Endpoints {
        One(String),
        Several(Vec<String>),
    }
    Ok(match Endpoints::deserialize(deserializer)? {
        Endpoints::One(url) => url,
        Endpoints::Several(urls) => urls.join(","),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../node.example.toml");

    /// The least that a file must say.
    pub(super) const LEAST: &str = r#"
        [chain]
        rpc_url = "http://127.0.0.1:8545"
        contract = "0xc0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0"
        group = "0x0707070707070707070707070707070707070707070707070707070707070707"
        [keys]
        account = "keys/account.json"
        agent = "keys/agent.json"
    "#;

    /// The example with the keys that it only shows, because their values depend on the chain.
    fn whole_example() -> String {
        let shown = |line: &'static str| line.strip_prefix('#').filter(|rest| !rest.starts_with(' '));
        EXAMPLE.lines().flat_map(|line| [shown(line).unwrap_or(line), "\n"]).collect()
    }

    #[test]
    fn the_example_states_every_default() {
        let example: NodeConfig = toml::from_str(EXAMPLE).unwrap();
        let least: NodeConfig = toml::from_str(LEAST).unwrap();
        assert_eq!(example.data_dir, least.data_dir);
        assert_eq!(example.http, least.http);
        assert_eq!(example.peers.listen, least.peers.listen);
        assert_eq!(example.consensus, least.consensus);
        assert_eq!(example.anchor, least.anchor);
        assert_eq!(example.log, least.log);

        // What depends on the chain is shown as it is without a profile.
        let mut whole: NodeConfig = toml::from_str(&whole_example()).unwrap();
        whole.chain.profile = None;
        assert_eq!(whole.chain_terms(), least.chain_terms());
    }

    #[test]
    fn the_example_has_every_key_and_no_other() {
        let keys = |table: &toml::Table| -> Vec<String> {
            let inner = |section: &String, value: &toml::Value| match value.as_table() {
                Some(inner) => inner.keys().map(|key| format!("{section}.{key}")).collect(),
                None => vec![section.clone()],
            };
            table.iter().flat_map(|(section, value)| inner(section, value)).collect()
        };
        let whole = whole_example();
        let example: NodeConfig = toml::from_str(&whole).unwrap();
        // A key that the example leaves out would have its default, so compare with what is written back.
        assert_eq!(keys(&whole.parse().unwrap()), keys(&toml::Table::try_from(&example).unwrap()));
        let written = toml::to_string(&example).unwrap();
        assert_eq!(toml::from_str::<NodeConfig>(&written).unwrap(), example);
    }

    #[test]
    fn several_endpoints_are_a_list_or_a_text() {
        for rpc_url in [r#"["http://a", "https://b"]"#, r#""http://a,https://b""#] {
            let text = LEAST.replace(r#""http://127.0.0.1:8545""#, rpc_url);
            let config: NodeConfig = toml::from_str(&text).unwrap();
            assert_eq!(config.chain.rpc_url, "http://a,https://b");
        }
        let error =
            toml::from_str::<NodeConfig>(&LEAST.replace(r#""http://127.0.0.1:8545""#, "8545")).unwrap_err();
        assert!(error.to_string().contains("a URL, or a list of URLs"), "{error}");
    }

    #[test]
    fn a_loaded_file_is_checked_and_its_paths_are_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node.toml");
        std::fs::write(&path, EXAMPLE).unwrap();
        let error = NodeConfig::load(&path).expect_err("the keystores do not exist yet");
        assert!(error.to_string().contains("keys.account"), "{error}");

        std::fs::create_dir(dir.path().join("keys")).unwrap();
        for name in ["account.json", "agent.json", "password"] {
            std::fs::write(dir.path().join("keys").join(name), "x").unwrap();
        }
        let config = NodeConfig::load(&path).unwrap();
        assert_eq!(config.wal_dir(), dir.path().join("data/wal"));
        assert_eq!(config.keys.account, dir.path().join("keys/account.json"));
    }

    #[test]
    fn an_unknown_key_and_a_missing_file_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node.toml");
        assert!(matches!(NodeConfig::load(&path), Err(NodeError::ConfigUnreadable { .. })));
        std::fs::write(&path, format!("{LEAST}\n[consensus]\nwindwo = 9")).unwrap();
        let error = NodeConfig::load(&path).expect_err("windwo is no key");
        assert!(matches!(error, NodeError::ConfigMalformed { .. }));
        assert!(error.to_string().contains("windwo"), "{error}");
    }
}
