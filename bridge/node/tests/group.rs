//! A group of real nodes in one process: real sockets, real disks, real HTTP.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails, and says where")]

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::time::{Duration, Instant};

use quorate_node::config::{ChainConfig, HttpConfig, KeysConfig, PeerConfig, PeersConfig};
use quorate_node::{Node, NodeConfig, NodeError, NodeKeys};
use quorate_protocol::group::{FLAG_REPLICA, FLAG_VOTER};
use quorate_protocol::operations::ServiceOperation as _;
use quorate_protocol::operations::proposals::{ProposalsOperation, Propose};
use quorate_protocol::{
    AccountKey, AgentId, AgentKey, Command, Digest, Epoch, Group, GroupId, GroupIdentity, Member, Nonce,
    Policy, Receipt, SignedCommand, TimestampMs,
};

/// How long anything may take on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(30);

fn keys(of: u8) -> NodeKeys {
    NodeKeys {
        account: AccountKey::from_secret(&[of + 1; 32]).unwrap(),
        agent: AgentKey::from_secret(&[of + 101; 32]),
        agent_keystore: None,
    }
}

fn group(n: u8) -> Group {
    let mut members: Vec<Member> = (0..n)
        .map(|of| Member {
            agent: AgentId(keys(of).account.address()),
            key: keys(of).agent.public(),
            weight: 1,
            flags: FLAG_VOTER | FLAG_REPLICA,
        })
        .collect();
    members.sort_by_key(|member| member.agent);
    Group {
        identity: GroupIdentity {
            chain_id: 31_337,
            contract: AgentId::from([0xc0; 20]),
            group: GroupId::from([7; 32]),
        },
        epoch: Epoch(0),
        members,
        policy: Policy { threshold: u128::from(n / 2 + 1), voting_period_s: 60, timelock_s: 0 },
    }
}

fn free_ports(count: usize) -> Vec<SocketAddr> {
    let listeners: Vec<TcpListener> =
        (0..count).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()).collect();
    listeners.iter().map(|listener| listener.local_addr().unwrap()).collect()
}

struct Network {
    group: Group,
    dir: tempfile::TempDir,
    peers: Vec<SocketAddr>,
    nodes: Vec<Option<Node>>,
    http: reqwest::Client,
}

impl Network {
    async fn start(n: u8) -> Self {
        let mut network = Self {
            group: group(n),
            dir: tempfile::tempdir().unwrap(),
            peers: free_ports(usize::from(n)),
            nodes: (0..n).map(|_| None).collect(),
            http: reqwest::Client::new(),
        };
        for at in 0..n {
            network.launch(at).await.unwrap();
        }
        for at in 0..n {
            network.ready(at).await;
        }
        network
    }

    fn config(&self, at: u8) -> NodeConfig {
        let replicas = (0..self.nodes.len() as u8)
            .map(|of| PeerConfig {
                agent: AgentId(keys(of).account.address()),
                endpoint: self.peers[usize::from(of)].to_string(),
            })
            .collect();
        let consensus = quorate_node::config::ConsensusConfig {
            view_timeout_ms: 800,
            status_interval_ms: 100,
            checkpoint_interval: 8,
            window: 32,
            checkpoint_delay_ms: 200,
            ..Default::default()
        };
        NodeConfig {
            data_dir: self.data_dir(at),
            chain: ChainConfig {
                rpc_url: "http://127.0.0.1:1".into(),
                contract: self.group.identity.contract,
                group: self.group.identity.group,
            },
            keys: KeysConfig { account: "unused".into(), agent: "unused".into(), password_file: None },
            http: HttpConfig { listen: (Ipv4Addr::LOCALHOST, 0).into(), ..Default::default() },
            peers: PeersConfig { listen: self.peers[usize::from(at)], replicas },
            consensus,
            anchor: Default::default(),
            log: Default::default(),
        }
    }

    fn data_dir(&self, at: u8) -> std::path::PathBuf {
        Path::new(self.dir.path()).join(format!("node-{at}"))
    }

    async fn launch(&mut self, at: u8) -> Result<(), NodeError> {
        let node = Node::start(&self.config(at), keys(at), self.group.clone()).await?;
        self.nodes[usize::from(at)] = Some(node);
        Ok(())
    }

    async fn stop(&mut self, at: u8) {
        self.nodes[usize::from(at)].take().unwrap().shutdown().await.unwrap();
    }

    fn node(&self, at: u8) -> &Node {
        self.nodes[usize::from(at)].as_ref().unwrap()
    }

    async fn ready(&self, at: u8) {
        let url = format!("http://{}/readyz", self.node(at).http_address());
        let deadline = Instant::now() + PATIENCE;
        while !self.http.get(&url).send().await.unwrap().status().is_success() {
            assert!(Instant::now() < deadline, "node {at} is not ready");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Submits a proposal by the member whose keys are `of`, and returns its verified receipt.
    async fn propose(&self, at: u8, of: u8, nonce: u64) -> Receipt {
        let command = self.command(of, nonce);
        let digest = command.digest();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (status, bytes) = self.post_for(at, &command, 10_000).await;
            if status.is_success() {
                let receipt = Receipt::decode(&bytes).unwrap();
                receipt.verify(&self.group).unwrap();
                assert_eq!(receipt.record.entry.subject, digest);
                return receipt;
            }
            let text = String::from_utf8_lossy(&bytes).into_owned();
            assert!(matches!(status.as_u16(), 503 | 504), "{status}: {text}");
            assert!(Instant::now() < deadline, "{status}: {text}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn command(&self, of: u8, nonce: u64) -> SignedCommand {
        let keys = keys(of);
        let propose = Propose { salt: nonce, description: format!("proposal {nonce}"), calls: vec![] };
        let command = Command {
            group: self.group.identity.group,
            agent: AgentId(keys.account.address()),
            key: keys.agent.public(),
            nonce: Nonce(nonce),
            expires: TimestampMs(u64::MAX),
            operations: vec![ProposalsOperation::Propose(propose).to_operation()],
        };
        SignedCommand::sign(command, &keys.agent)
    }

    /// The primary of view 0: the replica with the lowest address.
    fn first_primary(&self) -> u8 {
        let first = self.group.members[0].agent;
        (0..4).find(|of| AgentId(keys(*of).account.address()) == first).unwrap()
    }

    /// Posts a command that the node may take `wait_ms` to answer.
    async fn post_for(
        &self,
        at: u8,
        command: &SignedCommand,
        wait_ms: u64,
    ) -> (reqwest::StatusCode, Vec<u8>) {
        let (group, node) = (self.group.identity.group, self.node(at).http_address());
        let url = format!("http://{node}/v1/groups/{group}/commands?wait_ms={wait_ms}");
        let request = self.http.post(&url).header("content-type", "application/cbor").body(command.encode());
        let answer = request.send().await.unwrap();
        (answer.status(), answer.bytes().await.unwrap().to_vec())
    }

    /// The log's root at `size`, once the node has it.
    async fn root_at(&self, at: u8, size: u64) -> Digest {
        let ledger = self.node(at).ledger();
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(root) = ledger.read(|ledger| ledger.root_at(size)) {
                return root;
            }
            assert!(Instant::now() < deadline, "node {at} has {:?}, not {size}", ledger.progress());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Checks that all running nodes have one log up to `size`.
    async fn agree(&self, size: u64) {
        let running = (0..self.nodes.len() as u8).filter(|at| self.nodes[usize::from(*at)].is_some());
        let mut roots = Vec::new();
        for at in running {
            roots.push(self.root_at(at, size).await);
        }
        assert!(roots.windows(2).all(|pair| pair[0] == pair[1]), "{roots:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_through_every_node_make_one_log() {
    let network = Network::start(4).await;
    let mut size = 0;
    for nonce in 0..3 {
        for at in 0..4 {
            let receipt = network.propose(at, at, nonce).await;
            size = size.max(receipt.certificate.head.size);
        }
    }
    assert_eq!(size, 1 + 12, "the genesis and twelve commands");
    network.agree(size).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_command_twice_is_the_same_entry() {
    let network = Network::start(4).await;
    let first = network.propose(0, 0, 5).await;
    let again = network.propose(2, 0, 5).await;
    assert_eq!(first.record, again.record);
}

/// Nobody orders a command that expired while there was no quorum. The nodes that let it in must not wait for
/// it for ever, and give up one primary after another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_expired_while_it_waited_costs_no_view() {
    let mut network = Network::start(4).await;
    let primary = network.first_primary();
    let others: Vec<u8> = (0..4).filter(|at| *at != primary).collect();
    network.stop(primary).await;
    network.stop(others[2]).await;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let mut command = network.command(0, 1).command().clone();
    command.expires = TimestampMs(u64::try_from(now.as_millis()).unwrap() + 1_000);
    let command = SignedCommand::sign(command, &keys(0).agent);
    let (status, _) = network.post_for(others[0], &command, 1_200).await;
    assert_eq!(status.as_u16(), 504, "two of four nodes decide nothing");

    network.launch(primary).await.unwrap();
    network.launch(others[2]).await.unwrap();
    network.ready(primary).await;
    // Three time-outs of other people's work, in which nobody gives the primary up.
    let until = Instant::now() + Duration::from_millis(2_400);
    let mut nonce = 0;
    while Instant::now() < until {
        network.propose(primary, 3, nonce).await;
        nonce += 1;
    }
    for at in 0..4 {
        assert_eq!(network.node(at).metrics().view_changes.get(), 0, "at node {at}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_group_goes_on_without_its_primary_and_takes_it_back() {
    let mut network = Network::start(4).await;
    let before = network.propose(1, 1, 0).await;
    let primary = network.first_primary();
    network.stop(primary).await;

    let others: Vec<u8> = (0..4).filter(|at| *at != primary).collect();
    let mut size = before.certificate.head.size;
    for nonce in 1..40 {
        let at = others[nonce as usize % 3];
        size = network.propose(at, at, nonce).await.certificate.head.size;
    }
    network.agree(size).await;

    network.launch(primary).await.unwrap();
    network.ready(primary).await;
    network.agree(size).await;
    let after = network.propose(primary, primary, 100).await;
    network.agree(after.certificate.head.size).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_stops_as_a_whole_comes_back_with_its_log() {
    let mut network = Network::start(4).await;
    let mut size = 0;
    for nonce in 0..20 {
        size = network.propose(0, 0, nonce).await.certificate.head.size;
    }
    let root = network.root_at(0, size).await;
    for at in 0..4 {
        network.stop(at).await;
    }
    for at in 0..4 {
        network.launch(at).await.unwrap();
    }
    assert_eq!(network.root_at(3, size).await, root);
    let again = network.propose(2, 0, 7).await;
    assert!(again.record.entry.index.0 < size, "a command of before is answered with its entry");
    network.propose(1, 0, 20).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_start_says_why() {
    let mut network = Network::start(4).await;
    let other_key = NodeKeys { agent: AgentKey::generate(), ..keys(0) };
    let config = network.config(0);
    let group = network.group.clone();
    let error = Node::start(&config, other_key, group.clone()).await.unwrap_err();
    assert_eq!(error.exit_class().code(), 5, "{error}");

    let stranger = NodeKeys { account: AccountKey::generate(), ..keys(0) };
    let error = Node::start(&config, stranger, group.clone()).await.unwrap_err();
    assert_eq!(error.exit_class().code(), 5, "{error}");

    let error = Node::start(&config, keys(0), group.clone()).await.unwrap_err();
    assert_eq!(error.exit_class().code(), 4, "the directory is in use: {error}");

    let mut taken = network.config(0);
    taken.http.listen = network.node(1).http_address();
    let error = Node::start(&taken, keys(0), group.clone()).await.unwrap_err();
    assert_eq!(error.exit_class().code(), 7, "{error}");

    network.stop(0).await;
    let mut foreign = group;
    foreign.identity.group = GroupId::from([8; 32]);
    let error = Node::start(&config, keys(0), foreign).await.unwrap_err();
    assert_eq!(error.exit_class().code(), 4, "{error}");
    assert_eq!(Node::known_group(&config).unwrap(), Some(network.group.clone()));

    // A replica that does not know what it said must not speak.
    std::fs::rename(config.wal_dir(), config.data_dir.join("moved")).unwrap();
    let error = Node::start(&config, keys(0), network.group.clone()).await.unwrap_err();
    assert_eq!(error.exit_class().code(), 4, "{error}");
    assert!(error.to_string().contains("missing"), "{error}");
}
