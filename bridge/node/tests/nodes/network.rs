//! A group of real nodes in one process: real sockets, real disks, real HTTP.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::time::{Duration, Instant};

use quorate_node::config::{ChainConfig, HttpConfig, KeysConfig, PeerConfig, PeersConfig};
use quorate_node::{KnownGroup, Node, NodeConfig, NodeError, NodeKeys};
use quorate_protocol::group::{FLAG_REPLICA, FLAG_VOTER};
use quorate_protocol::operations::ServiceOperation as _;
use quorate_protocol::operations::proposals::{ProposalsOperation, Propose};
use quorate_protocol::{
    AccountKey, AgentId, AgentKey, Class, Command, Digest, Epoch, Group, GroupId, GroupIdentity, Member,
    Nonce, Operation, Receipt, SignedCommand, Terms, TimestampMs,
};

/// How long anything may take on a loaded machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn keys(of: u8) -> NodeKeys {
    NodeKeys {
        account: AccountKey::from_secret(&[of + 1; 32]).unwrap(),
        agent: AgentKey::from_secret(&[of + 101; 32]),
        agent_keystore: None,
    }
}

pub(crate) fn group(n: u8) -> Group {
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
        account: AgentId::from([0xac; 20]),
        epoch: Epoch(0),
        members,
        voters_since: Epoch(0),
        terms: Terms::of_classes(vec![
            Class::of_weight(u128::from(n / 2 + 1), n.into(), 60),
            Class::constitution(u128::from(n / 2 + 1), n.into(), 7_200),
        ]),
    }
}

pub(crate) fn free_ports(count: usize) -> Vec<SocketAddr> {
    let listeners: Vec<TcpListener> =
        (0..count).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()).collect();
    listeners.iter().map(|listener| listener.local_addr().unwrap()).collect()
}

pub(crate) struct Network {
    pub(crate) group: Group,
    pub(crate) dir: tempfile::TempDir,
    pub(crate) peers: Vec<SocketAddr>,
    pub(crate) nodes: Vec<Option<Node>>,
    pub(crate) http: reqwest::Client,
}

impl Network {
    pub(crate) async fn start(n: u8) -> Self {
        Self::start_with_room(n, 0).await
    }

    /// Starts `n` nodes, with places for `spare` more that may join later.
    pub(crate) async fn start_with_room(n: u8, spare: u8) -> Self {
        let mut network = Self {
            group: group(n),
            dir: tempfile::tempdir().unwrap(),
            peers: free_ports(usize::from(n + spare)),
            nodes: (0..n + spare).map(|_| None).collect(),
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

    pub(crate) fn config(&self, at: u8) -> NodeConfig {
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
                profile: None,
                finality: None,
                l1_fee: None,
                poll_ms: None,
            },
            keys: KeysConfig { account: "unused".into(), agent: "unused".into(), password_file: None },
            http: HttpConfig { listen: (Ipv4Addr::LOCALHOST, 0).into(), ..Default::default() },
            peers: PeersConfig { listen: self.peers[usize::from(at)], replicas },
            consensus,
            anchor: Default::default(),
            log: Default::default(),
        }
    }

    pub(crate) fn data_dir(&self, at: u8) -> std::path::PathBuf {
        Path::new(self.dir.path()).join(format!("node-{at}"))
    }

    pub(crate) async fn launch(&mut self, at: u8) -> Result<(), NodeError> {
        self.launch_knowing(at, keys(at), self.group.clone()).await
    }

    /// Starts a node with these keys and what the contract says to it.
    pub(crate) async fn launch_knowing(
        &mut self,
        at: u8,
        keys: NodeKeys,
        known: impl Into<KnownGroup>,
    ) -> Result<(), NodeError> {
        let node = Node::start(&self.config(at), keys, known).await?;
        self.nodes[usize::from(at)] = Some(node);
        Ok(())
    }

    /// Waits until the node has stopped by itself, and returns why.
    pub(crate) async fn stopped_by_itself(&mut self, at: u8) -> NodeError {
        let mut node = self.nodes[usize::from(at)].take().unwrap();
        let why = tokio::time::timeout(PATIENCE, node.stopped()).await.unwrap().unwrap_err();
        node.shutdown().await.unwrap();
        why
    }

    pub(crate) async fn stop(&mut self, at: u8) {
        self.nodes[usize::from(at)].take().unwrap().shutdown().await.unwrap();
    }

    pub(crate) fn node(&self, at: u8) -> &Node {
        self.nodes[usize::from(at)].as_ref().unwrap()
    }

    pub(crate) async fn ready(&self, at: u8) {
        let url = format!("http://{}/readyz", self.node(at).http_address());
        let deadline = Instant::now() + PATIENCE;
        while !self.http.get(&url).send().await.unwrap().status().is_success() {
            assert!(Instant::now() < deadline, "node {at} is not ready");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Submits a proposal by the member whose keys are `of`, and returns its verified receipt.
    pub(crate) async fn propose(&self, at: u8, of: u8, nonce: u64) -> Receipt {
        self.execute(at, self.command(of, nonce)).await
    }

    /// Has the command executed by node `at`, and returns its receipt, verified against the group as the test
    /// knows it.
    pub(crate) async fn execute(&self, at: u8, command: SignedCommand) -> Receipt {
        let receipt = self.receipt_of(at, &command).await;
        receipt.verify(&self.group).unwrap();
        receipt
    }

    /// Posts a command until it has a receipt, of whatever epoch.
    pub(crate) async fn receipt_of(&self, at: u8, command: &SignedCommand) -> Receipt {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (status, bytes) = self.post_for(at, command, 10_000).await;
            if status.is_success() {
                let receipt = Receipt::decode(&bytes).unwrap();
                assert_eq!(receipt.record.entry.subject, command.digest());
                return receipt;
            }
            let text = String::from_utf8_lossy(&bytes).into_owned();
            assert!(matches!(status.as_u16(), 503 | 504), "{status}: {text}");
            assert!(Instant::now() < deadline, "{status}: {text}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(crate) fn command(&self, of: u8, nonce: u64) -> SignedCommand {
        let propose =
            Propose { salt: nonce, description: format!("proposal {nonce}"), calls: vec![], class: 0 };
        self.command_with(of, nonce, vec![ProposalsOperation::Propose(propose).to_operation()])
    }

    pub(crate) fn command_with(&self, of: u8, nonce: u64, operations: Vec<Operation>) -> SignedCommand {
        let keys = keys(of);
        let command = Command {
            group: self.group.identity.group,
            agent: AgentId(keys.account.address()),
            key: keys.agent.public(),
            nonce: Nonce(nonce),
            expires: TimestampMs(u64::MAX),
            operations,
        };
        SignedCommand::sign(command, &keys.agent)
    }

    /// The primary of view 0: the replica with the lowest address.
    pub(crate) fn first_primary(&self) -> u8 {
        let first = self.group.members[0].agent;
        (0..4).find(|of| AgentId(keys(*of).account.address()) == first).unwrap()
    }

    /// Posts a command that the node may take `wait_ms` to answer.
    pub(crate) async fn post_for(
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
    pub(crate) async fn root_at(&self, at: u8, size: u64) -> Digest {
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
    pub(crate) async fn agree(&self, size: u64) {
        let running = (0..self.nodes.len() as u8).filter(|at| self.nodes[usize::from(*at)].is_some());
        let mut roots = Vec::new();
        for at in running {
            roots.push(self.root_at(at, size).await);
        }
        assert!(roots.windows(2).all(|pair| pair[0] == pair[1]), "{roots:?}");
    }
}
