//! What a configuration must satisfy beyond its types.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use quorate_pbft::Config;
use quorate_protocol::command::MAX_COMMAND_BYTES;

use super::{ConsensusConfig, Finality, MAX_DEPTH, NodeConfig, PASSWORD_VARIABLE};

/// Something in the configuration that keeps the node from running.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The key, such as `consensus.window`.
    pub key: String,
    /// What is wrong with its value.
    pub cause: String,
    /// What to set instead.
    pub mend: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.key, self.cause, self.mend)
    }
}

/// Collects problems.
#[derive(Default)]
struct Findings(Vec<Problem>);

impl Findings {
    fn add(&mut self, key: impl Into<String>, cause: impl Into<String>, mend: impl Into<String>) {
        self.0.push(Problem { key: key.into(), cause: cause.into(), mend: mend.into() });
    }

    /// Notes a number that is not within `least..=most`.
    fn range(&mut self, key: &str, value: u64, least: u64, most: u64) {
        if !(least..=most).contains(&value) {
            self.add(key, format!("{value} is out of bounds"), format!("set it from {least} to {most}"));
        }
    }

    fn file(&mut self, key: &str, path: &Path, mend: &str) {
        if !path.is_file() {
            self.add(key, format!("there is no file {}", path.display()), mend);
        }
    }
}

impl NodeConfig {
    /// Every problem of this configuration, in the order of its keys; none means that it can be run.
    ///
    /// Reads the file system (do the keystores exist?), but neither decrypts a key nor asks the chain.
    pub fn check(&self) -> Vec<Problem> {
        let mut findings = Findings::default();
        if self.data_dir.exists() && !self.data_dir.is_dir() {
            let cause = format!("{} is not a directory", self.data_dir.display());
            findings.add("data_dir", cause, "name a directory, or one that does not exist yet");
        }
        self.check_chain(&mut findings);
        self.check_keys(&mut findings);
        self.check_http(&mut findings);
        self.check_peers(&mut findings);
        check_consensus(&self.consensus, &mut findings);
        self.check_anchor(&mut findings);
        if self.log.filter.trim().is_empty() {
            findings.add("log.filter", "the filter is empty", "set a level such as \"info\"");
        }
        findings.0
    }

    fn check_chain(&self, findings: &mut Findings) {
        // Whoever asks the endpoints reads them again, and looks at how many have to agree.
        let endpoints = self.chain.rpc_url.split_once(" of ").map_or(&*self.chain.rpc_url, |(_, list)| list);
        for url in endpoints.split(',').map(str::trim) {
            let host = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
            if host.is_none_or(|host| host.is_empty() || host.starts_with('/')) {
                let cause = format!("{url:?} is not an HTTP address");
                findings.add(
                    "chain.rpc_url",
                    cause,
                    "set it like \"http://127.0.0.1:8545\", or several as a list",
                );
            }
        }
        if self.chain.contract.0.is_zero() {
            findings.add("chain.contract", "the address is zero", "set the address of the AgentCoordinator");
        }
        if self.chain.group.0.is_zero() {
            findings.add("chain.group", "the id is zero", "set the id that `quorate group create` printed");
        }
        let terms = self.chain_terms();
        if let Finality::Depth(depth) = terms.finality
            && depth > MAX_DEPTH
        {
            let mend = format!("set at most {MAX_DEPTH}, or a tag: \"safe\" or \"finalized\"");
            findings.add("chain.finality", format!("{depth} blocks are too many to follow"), mend);
        }
        findings.range("chain.poll_ms", terms.poll_ms, 10, 600_000);
    }

    fn check_keys(&self, findings: &mut Findings) {
        let make = "make one with `quorate keys new`, or correct the path";
        findings.file("keys.account", &self.keys.account, make);
        findings.file("keys.agent", &self.keys.agent, make);
        if let Some(path) = &self.keys.password_file {
            let mend = format!("write the password into it, or drop the key and set {PASSWORD_VARIABLE}");
            findings.file("keys.password_file", path, &mend);
        }
    }

    fn check_http(&self, findings: &mut Findings) {
        let http = &self.http;
        // A body is one command; a smaller bound would keep some out that the group allows.
        let (least, most) = (MAX_COMMAND_BYTES as u64, 16 * 1024 * 1024);
        findings.range("http.max_body_bytes", http.max_body_bytes as u64, least, most);
        findings.range("http.max_connections", http.max_connections as u64, 1, 1 << 20);
        let rates = [
            ("http.requests_per_second", http.requests_per_second),
            ("http.commands_per_second", http.commands_per_second),
        ];
        for (key, rate) in rates {
            if !rate.is_finite() || rate <= 0.0 {
                findings.add(key, format!("{rate} is no rate"), "set a number above 0");
            }
        }
        let taken = [("peers.listen", Some(self.peers.listen)), ("http.admin_listen", http.admin_listen)];
        for (other, address) in taken {
            if address == Some(http.listen) && http.listen.port() != 0 {
                let cause = format!("{} is {other} too", http.listen);
                findings.add("http.listen", cause, "give each its own port");
            }
        }
        if http.admin_listen == Some(self.peers.listen) && self.peers.listen.port() != 0 {
            let cause = format!("{} is peers.listen too", self.peers.listen);
            findings.add("http.admin_listen", cause, "give each its own port");
        }
        let is_each_an_origin = http.allowed_origins.iter().all(|origin| is_origin(origin));
        if !is_each_an_origin && http.allowed_origins != ["*"] {
            let cause = format!("{:?} is not a list of origins", http.allowed_origins);
            let mend = "write each as a browser does, such as \"https://app.example\", or [\"*\"] for all";
            findings.add("http.allowed_origins", cause, mend);
        }
    }

    fn check_peers(&self, findings: &mut Findings) {
        let mut agents = BTreeSet::new();
        let mut endpoints = BTreeSet::new();
        for (at, peer) in self.peers.replicas.iter().enumerate() {
            let key = |field: &str| format!("peers.replicas[{at}].{field}");
            if !agents.insert(peer.agent) {
                findings.add(key("agent"), format!("{} is listed twice", peer.agent), "drop one of the two");
            }
            if !endpoints.insert(peer.endpoint.as_str()) {
                let cause = format!("{} is another replica's too", peer.endpoint);
                findings.add(key("endpoint"), cause, "give each replica its own");
            }
            let port = peer.endpoint.rsplit_once(':').filter(|(host, _)| !host.is_empty());
            if port.and_then(|(_, port)| port.parse::<u16>().ok()).is_none_or(|port| port == 0) {
                let cause = format!("{:?} is not host:port", peer.endpoint);
                findings.add(key("endpoint"), cause, "set it like \"10.0.0.7:8200\"");
            }
        }
    }

    fn check_anchor(&self, findings: &mut Findings) {
        let anchor = &self.anchor;
        if !anchor.enabled {
            return;
        }
        findings.range("anchor.min_entries", anchor.min_entries, 1, u64::MAX);
        findings.range("anchor.interval_ms", anchor.interval_ms, 1, 86_400_000);
        let terms = self.chain_terms();
        findings.range("anchor.takeover_ms", terms.takeover_ms, 1, 86_400_000);
        findings.range("anchor.max_fee_gwei", terms.max_fee_gwei, 1, 1_000_000);
        // A tip above the cap could never be offered.
        let most = terms.max_fee_gwei.saturating_mul(1_000_000_000);
        findings.range("anchor.min_tip_wei", terms.min_tip_wei, 0, most);
        findings.range("anchor.max_spend_gwei_per_hour", anchor.max_spend_gwei_per_hour, 1, u64::MAX);
        findings.range("anchor.receipt_timeout_ms", terms.receipt_timeout_ms, 1000, 86_400_000);
    }
}

fn check_consensus(consensus: &ConsensusConfig, findings: &mut Findings) {
    let ConsensusConfig { checkpoint_interval: interval, window, pipeline, .. } = *consensus;
    findings.range("consensus.checkpoint_interval", interval, 1, Config::MAX_WINDOW / 2);
    // With a shorter window the primary would stand still while a checkpoint becomes stable.
    let (least, most) = (interval.saturating_mul(2), Config::MAX_WINDOW);
    if !(least..=most).contains(&window) {
        let mend = format!("set it from {least} (twice checkpoint_interval) to {most}");
        findings.add("consensus.window", format!("{window} is out of bounds"), mend);
    }
    findings.range("consensus.pipeline", pipeline, 1, window.max(1));
    let commands = consensus.max_batch_commands as u64;
    findings.range("consensus.max_batch_commands", commands, 1, Config::MAX_BATCH_COMMANDS as u64);
    // A batch must have room for the largest command, or that command would never be ordered.
    let (least, most) = (MAX_COMMAND_BYTES as u64, Config::MAX_BATCH_BYTES as u64);
    findings.range("consensus.max_batch_bytes", consensus.max_batch_bytes as u64, least, most);
    findings.range("consensus.view_timeout_ms", consensus.view_timeout_ms, 50, 600_000);
    findings.range("consensus.max_clock_drift_ms", consensus.max_clock_drift_ms, 1, 3_600_000);
    findings.range("consensus.checkpoint_delay_ms", consensus.checkpoint_delay_ms, 10, 600_000);
    findings.range("consensus.status_interval_ms", consensus.status_interval_ms, 10, 60_000);
}

/// Whether a browser writes an origin so (RFC 6454 section 6.2): scheme, host in lower case, and a port where it is not the
/// scheme's; nothing behind it.
fn is_origin(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or_default();
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-:[]".contains(&byte);
    !host.is_empty() && host.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::PeerConfig;

    fn example(dir: &Path) -> NodeConfig {
        let mut config: NodeConfig = toml::from_str(include_str!("../../node.example.toml")).unwrap();
        let key = dir.join("key.json");
        std::fs::write(&key, "x").unwrap();
        config.keys.account.clone_from(&key);
        config.keys.agent.clone_from(&key);
        config.keys.password_file = None;
        config
    }

    #[test]
    fn each_rule_names_its_key() {
        type Break = fn(&mut NodeConfig);
        let cases: [(&str, Break); 18] = [
            ("data_dir", |c| c.data_dir.clone_from(&c.keys.account)),
            ("chain.rpc_url", |c| c.chain.rpc_url = "localhost:8545".into()),
            ("chain.rpc_url", |c| c.chain.rpc_url = "2 of http://a,localhost:8545".into()),
            ("chain.contract", |c| c.chain.contract = Default::default()),
            ("chain.group", |c| c.chain.group = Default::default()),
            ("chain.finality", |c| c.chain.finality = Some(Finality::Depth(MAX_DEPTH + 1))),
            ("chain.poll_ms", |c| c.chain.poll_ms = Some(0)),
            ("keys.agent", |c| c.keys.agent = "nowhere.json".into()),
            ("keys.password_file", |c| c.keys.password_file = Some("nowhere".into())),
            ("http.max_body_bytes", |c| c.http.max_body_bytes = 10),
            ("http.commands_per_second", |c| c.http.commands_per_second = f64::NAN),
            ("http.listen", |c| c.http.listen = c.peers.listen),
            ("peers.replicas[1].endpoint", |c| c.peers.replicas[1].endpoint = "nohost".into()),
            ("consensus.window", |c| c.consensus.window = 255),
            ("consensus.max_batch_bytes", |c| c.consensus.max_batch_bytes = 1000),
            ("anchor.interval_ms", |c| c.anchor.interval_ms = 0),
            ("anchor.min_tip_wei", |c| c.anchor.min_tip_wei = Some(u64::MAX)),
            ("log.filter", |c| c.log.filter.clear()),
        ];
        let dir = tempfile::tempdir().unwrap();
        let good = example(dir.path());
        assert_eq!(good.check(), []);
        for (key, spoil) in cases {
            let mut config = good.clone();
            spoil(&mut config);
            let problems = config.check();
            assert_eq!(problems.iter().map(|p| p.key.as_str()).collect::<Vec<_>>(), [key], "{problems:?}");
        }
    }

    #[test]
    fn whatever_passes_is_taken_by_the_core() {
        let edges = [0, 1, 9, 10, 50, 64, 511, 512, 513, 1024, 1025, 65_535, 65_536, 1 << 22, (1 << 22) + 1];
        let mut passed = 0;
        for field in 0..9 {
            for edge in edges {
                let mut consensus = ConsensusConfig { window: 1024, ..ConsensusConfig::default() };
                let size = usize::try_from(edge).unwrap();
                match field {
                    0 => consensus.checkpoint_interval = edge,
                    1 => consensus.window = edge,
                    2 => consensus.pipeline = edge,
                    3 => consensus.max_batch_commands = size,
                    4 => consensus.max_batch_bytes = size,
                    5 => consensus.view_timeout_ms = edge,
                    6 => consensus.max_clock_drift_ms = edge,
                    7 => consensus.checkpoint_delay_ms = edge,
                    _ => consensus.status_interval_ms = edge,
                }
                let mut findings = Findings::default();
                check_consensus(&consensus, &mut findings);
                if findings.0.is_empty() {
                    passed += 1;
                    assert_eq!(Config::from(&consensus).problems(), Vec::<String>::new(), "{consensus:?}");
                }
            }
        }
        assert!(passed > 40, "only {passed} pass");
    }

    #[test]
    fn all_problems_come_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = example(dir.path());
        config.consensus.pipeline = 0;
        config.consensus.view_timeout_ms = 0;
        let twice: PeerConfig = config.peers.replicas[0].clone();
        config.peers.replicas.push(twice);
        let keys: Vec<_> = config.check().into_iter().map(|problem| problem.key).collect();
        let last = config.peers.replicas.len() - 1;
        let [agent, endpoint] = ["agent", "endpoint"].map(|field| format!("peers.replicas[{last}].{field}"));
        assert_eq!(keys, [&agent, &endpoint, "consensus.pipeline", "consensus.view_timeout_ms"]);
    }
}
