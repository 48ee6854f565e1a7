//! The harness: everything a group needs, on this machine, and gone when it is dropped.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use alloy::primitives::{Address, B256, U256};
use alloy::providers::{DynProvider, Provider as _, ProviderBuilder};
use alloy::rpc::types::TransactionRequest;
use quorate_protocol::faults::Fault;
use quorate_protocol::group::{FLAG_REPLICA, FLAG_VOTER};
use quorate_protocol::{Class, GroupId, Member, PublicKey, Terms};
use quorate_sdk::audit::{self, AuditOptions};
use quorate_sdk::keystore::{ACCOUNT_FILE, KEY_FILE};
use quorate_sdk::{Agent, ChainAgent, Client, CoordinatorReader, Epochs, KeystoreOptions, ScryptCost};

/// How long anything may take on a loaded machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// The nodes' first time-out for a primary.
pub(crate) const VIEW_TIMEOUT_MS: u64 = 1_000;

const PASSWORD: &str = "correct horse battery staple";
const BINARY: &str = env!("CARGO_BIN_EXE_quorate");

/// Waits until `look` finds something, with a bound.
pub(crate) async fn wait_for<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "waited too long for {what}");
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}

/// A child process that dies with its owner.
pub(crate) struct Process(Child);

impl Process {
    fn start(program: impl AsRef<std::ffi::OsStr>, arguments: &[&str], log: &Path) -> Self {
        Self::start_with(program, arguments, log, None)
    }

    /// With a deliberate fault.
    fn start_with(
        program: impl AsRef<std::ffi::OsStr>,
        arguments: &[&str],
        log: &Path,
        fault: Option<Fault>,
    ) -> Self {
        let log = File::create(log).unwrap();
        let child = Command::new(program)
            .args(arguments)
            .envs(fault.map(|fault| ("QUORATE_FAULT", fault.name())))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Self(child)
    }

    /// SIGKILL: the process does not get to say or to write another thing.
    pub(crate) fn kill_9(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `N` ports that were free just now.
pub(crate) fn free_ports<const N: usize>() -> [u16; N] {
    ports(N).try_into().unwrap()
}

fn ports(count: usize) -> Vec<u16> {
    let listeners: Vec<_> =
        (0..count).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()).collect();
    listeners.iter().map(|listener| listener.local_addr().unwrap().port()).collect()
}

pub(crate) struct Anvil {
    pub(crate) url: String,
    _process: Process,
}

impl Anvil {
    pub(crate) async fn start(dir: &Path) -> Self {
        let architecture = if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" };
        let system = if cfg!(target_os = "macos") { "darwin" } else { "linux" };
        let binary = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!(
            "../../contracts/node_modules/@foundry-rs/anvil-{system}-{architecture}/bin/anvil"
        ));
        assert!(binary.is_file(), "{} is missing: run `make setup`", binary.display());
        let [port] = free_ports();
        let port = port.to_string();
        let arguments = ["--port", &port, "--block-time", "0.2", "--silent"];
        let process = Process::start(&binary, &arguments, &dir.join("anvil.log"));
        let url = format!("http://127.0.0.1:{port}");
        let provider = connect(&url);
        wait_for("anvil", async || provider.get_chain_id().await.ok()).await;
        Self { url, _process: process }
    }
}

pub(crate) fn connect(url: &str) -> DynProvider {
    ProviderBuilder::new().connect_http(url.parse().unwrap()).erased()
}

/// Moves the chain's clock so many seconds on, and makes a block of that time. The nodes' clocks stay.
pub(crate) async fn pass(provider: &DynProvider, seconds: u32) {
    let _: serde_json::Value = provider.raw_request("evm_increaseTime".into(), [seconds]).await.unwrap();
    let _: serde_json::Value = provider.raw_request("evm_mine".into(), ()).await.unwrap();
}

/// What a class of payments may pay at once, in wei: ten ether a decision, a hundred a day.
pub(crate) const LIMITS: (u128, u128) = (10_000_000_000_000_000_000, 100_000_000_000_000_000_000);

/// Class 0 pays at once within [`LIMITS`]; class 1 is for everything else, the members among it, and has both lanes. Three of
/// four parts of the weight decide in either.
pub(crate) fn usual_terms() -> Terms {
    Terms::of_classes(vec![Class::payments(3, 4, 600, LIMITS), Class::constitution(3, 4, 7_200)])
}

/// What a group and its nodes are to be like.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// How many members there are, each a voter and a replica.
    pub(crate) nodes: usize,
    /// How many more agents have keys and a node's configuration, without being members.
    pub(crate) spare: usize,
    pub(crate) terms: Terms,
    /// Lines in the section `[chain]` of every node's configuration.
    pub(crate) chain: String,
    /// The deliberate faults of nodes.
    pub(crate) faults: Vec<(usize, Fault)>,
}

impl Default for Options {
    fn default() -> Self {
        Self { nodes: 4, spare: 0, terms: usual_terms(), chain: String::new(), faults: Vec::new() }
    }
}

/// A group with its nodes: four of them, or as [`Options`] have it.
pub(crate) struct Network {
    pub(crate) anvil: Anvil,
    pub(crate) contract: Address,
    pub(crate) group: GroupId,
    pub(crate) account: Address,
    pub(crate) agents: Vec<Agent>,
    nodes: Vec<Option<Process>>,
    faults: Vec<Option<Fault>>,
    ports: Vec<[u16; 2]>,
    dir: tempfile::TempDir,
    http: reqwest::Client,
}

impl Network {
    /// Starts everything and waits until all nodes are ready.
    pub(crate) async fn start() -> Self {
        Self::start_with(Options::default()).await
    }

    /// As [`Self::start`], with these lines in the section `[chain]` of every node's configuration.
    pub(crate) async fn start_on(chain: String) -> Self {
        Self::start_with(Options { chain, ..Options::default() }).await
    }

    /// As [`Self::start`], with these options.
    pub(crate) async fn start_with(options: Options) -> Self {
        let mut network = Self::found_with(options.clone()).await;
        let founders: Vec<usize> = (0..options.nodes).collect();
        network.launch_some(&founders).await;
        network
    }

    /// Starts all nodes, and waits until they are ready.
    pub(crate) async fn launch_all(&mut self) {
        let all: Vec<usize> = (0..self.agents.len()).collect();
        self.launch_some(&all).await;
    }

    /// Starts these nodes, and waits until they are ready.
    pub(crate) async fn launch_some(&mut self, nodes: &[usize]) {
        nodes.iter().for_each(|at| self.launch(*at));
        for at in nodes {
            self.ready(*at).await;
        }
    }

    /// The node of a replica by its number, which is that of the first view in which it is the primary.
    pub(crate) fn node_of_replica(&self, index: usize) -> usize {
        let mut nodes: Vec<usize> = (0..self.agents.len()).collect();
        nodes.sort_by_key(|at| self.agents[*at].id());
        nodes[index]
    }

    /// Whether a node has logged these words since it started.
    pub(crate) fn said(&self, at: usize, words: &str) -> bool {
        std::fs::read_to_string(self.node_dir(at).join("node.log")).unwrap_or_default().contains(words)
    }

    /// Everything but the nodes: the chain, the contract, the keys, the group with funds in its account, and
    /// the nodes' configurations.
    pub(crate) async fn found() -> Self {
        Self::found_with(Options::default()).await
    }

    /// As [`Self::found`], with these options.
    pub(crate) async fn found_with(options: Options) -> Self {
        let Options { nodes: founders, spare, terms, chain, faults: broken } = options;
        let count = founders + spare;
        let dir = tempfile::tempdir().unwrap();
        let anvil = Anvil::start(dir.path()).await;
        let provider = connect(&anvil.url);
        let payer = provider.get_accounts().await.unwrap()[0];
        let contract = *quorate_contracts::deployment::deploy(&provider, payer).await.unwrap().address();

        let mut agents = Vec::new();
        for number in 0..count {
            let options = KeystoreOptions { cost: ScryptCost::LIGHT, overwrite: false };
            let keys = dir.path().join(format!("keys-{number}"));
            agents.push(Agent::create_with(keys, PASSWORD, options).unwrap());
        }
        for agent in &agents {
            let money = (agent.id().0, U256::from(10u128.pow(20)));
            let () = provider.raw_request("anvil_setBalance".into(), money).await.unwrap();
            let account = ChainAgent::new(&anvil.url, contract, agent.account.clone()).await.unwrap();
            account.register(&agent.public_key()).await.unwrap();
        }
        let mut members: Vec<Member> = agents[..founders]
            .iter()
            .map(|agent| Member {
                agent: agent.id(),
                key: agent.public_key(),
                weight: 1,
                flags: FLAG_VOTER | FLAG_REPLICA,
            })
            .collect();
        members.sort_by_key(|member| member.agent);
        let creator = ChainAgent::new(&anvil.url, contract, agents[0].account.clone()).await.unwrap();
        let salt = B256::repeat_byte(1);
        let (group, _) = creator.create_group(&members, &terms, salt).await.unwrap();

        let reader = CoordinatorReader::connect(&anvil.url, contract).await.unwrap();
        let account = reader.group_account(group).await.unwrap();
        let funding = TransactionRequest::default()
            .from(payer)
            .to(account)
            .value(U256::from(5_000_000_000_000_000_000u128));
        provider.send_transaction(funding).await.unwrap().get_receipt().await.unwrap();

        let ports = ports(2 * count).chunks(2).map(|pair| [pair[0], pair[1]]).collect();
        let nodes = (0..count).map(|_| None).collect();
        let mut faults = vec![None; count];
        for (at, fault) in broken {
            faults[at] = Some(fault);
        }
        let http = reqwest::Client::builder().timeout(Duration::from_secs(30)).build().unwrap();
        let network = Self { anvil, contract, group, account, agents, nodes, faults, ports, dir, http };
        for at in 0..count {
            network.write_config(at, &chain);
        }
        network
    }

    fn write_config(&self, at: usize, chain: &str) {
        let mut peers = String::new();
        for (agent, ports) in self.agents.iter().zip(&self.ports) {
            let entry = format!(
                "\n[[peers.replicas]]\nagent = \"{}\"\nendpoint = \"127.0.0.1:{}\"\n",
                agent.id(),
                ports[1]
            );
            peers.push_str(&entry);
        }
        let keys = self.dir.path().join(format!("keys-{at}"));
        std::fs::write(self.dir.path().join("password"), format!("{PASSWORD}\n")).unwrap();
        let text = format!(
            "data_dir = \"data\"\n\
             [chain]\nrpc_url = \"{rpc}\"\ncontract = \"{contract}\"\ngroup = \"{group}\"\n\
             profile = \"anvil\"\n{chain}\
             [keys]\naccount = \"{account}\"\nagent = \"{key}\"\npassword_file = \"../password\"\n\
             [http]\nlisten = \"127.0.0.1:{http}\"\nrequests_per_second = 10000\ncommands_per_second = 10000\n\
             [consensus]\nview_timeout_ms = {VIEW_TIMEOUT_MS}\nstatus_interval_ms = 200\n\
             checkpoint_delay_ms = 300\n\
             [anchor]\ninterval_ms = 500\ntakeover_ms = 3000\n\
             [log]\nfilter = \"info\"\n\
             [peers]\nlisten = \"127.0.0.1:{peer}\"\n{peers}",
            rpc = self.anvil.url,
            contract = self.contract,
            group = self.group,
            account = keys.join(ACCOUNT_FILE).display(),
            key = keys.join(KEY_FILE).display(),
            http = self.ports[at][0],
            peer = self.ports[at][1],
        );
        std::fs::create_dir_all(self.node_dir(at)).unwrap();
        std::fs::write(self.config(at), text).unwrap();
    }

    pub(crate) fn node_dir(&self, at: usize) -> PathBuf {
        self.dir.path().join(format!("node-{at}"))
    }

    pub(crate) fn config(&self, at: usize) -> PathBuf {
        self.node_dir(at).join("node.toml")
    }

    /// Starts the process of a node.
    pub(crate) fn launch(&mut self, at: usize) {
        assert!(self.nodes[at].is_none(), "node {at} runs already");
        let config = self.config(at);
        let arguments = ["node", "run", "--config", config.to_str().unwrap()];
        let log = self.node_dir(at).join("node.log");
        self.nodes[at] = Some(Process::start_with(BINARY, &arguments, &log, self.faults[at]));
    }

    /// Has a node break another rule, or none, from its next start on.
    pub(crate) fn set_fault(&mut self, at: usize, fault: Option<Fault>) {
        self.faults[at] = fault;
    }

    /// Kills the process of a node with SIGKILL.
    pub(crate) fn kill_9(&mut self, at: usize) {
        self.nodes[at].take().expect("the node runs").kill_9();
    }

    /// Kills the process of a node, unless it has ended by itself.
    pub(crate) fn stop_if_running(&mut self, at: usize) {
        self.nodes[at] = None;
    }

    /// Waits until the node's process has ended by itself, and returns its exit code.
    pub(crate) async fn ended(&mut self, at: usize) -> i32 {
        let mut process = self.nodes[at].take().expect("the node runs");
        wait_for("the node to end", async || process.0.try_wait().unwrap()).await.code().unwrap_or(-1)
    }

    /// Makes another ed25519 key for a node, beside the one that it uses.
    pub(crate) fn new_key(&self, at: usize) -> PublicKey {
        let options = KeystoreOptions { cost: ScryptCost::LIGHT, overwrite: false };
        Agent::create_with(self.dir.path().join(format!("new-{at}")), PASSWORD, options).unwrap().public_key()
    }

    /// Lets a node use the key of [`Self::new_key`] from its next start on.
    pub(crate) fn use_new_key(&self, at: usize) {
        let from = self.dir.path().join(format!("new-{at}")).join(KEY_FILE);
        std::fs::copy(from, self.dir.path().join(format!("keys-{at}")).join(KEY_FILE)).unwrap();
    }

    /// Runs `quorate node run` for a configuration that must not start, and returns its exit code and what it
    /// said.
    pub(crate) fn run_to_its_end(&self, config: &Path) -> (i32, String) {
        self.node_command(&["run", "--config", config.to_str().unwrap()])
    }

    /// Runs `quorate node …`, which must end, and returns its exit code and what it said on standard error.
    pub(crate) fn node_command(&self, arguments: &[&str]) -> (i32, String) {
        let mut child = Command::new(BINARY)
            .arg("node")
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + PATIENCE;
        while child.try_wait().unwrap().is_none() {
            if Instant::now() > deadline {
                child.kill().unwrap();
                panic!("the node started although it must not");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let output = child.wait_with_output().unwrap();
        (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    pub(crate) fn url(&self, at: usize) -> String {
        format!("http://127.0.0.1:{}", self.ports[at][0])
    }

    pub(crate) async fn ready(&self, at: usize) {
        let url = format!("{}/readyz", self.url(at));
        let log = self.node_dir(at).join("node.log");
        let what = format!("node {at}, whose log is {}", log.display());
        wait_for(&what, async || {
            let answer = self.http.get(&url).send().await.ok()?;
            answer.status().is_success().then_some(())
        })
        .await;
    }

    /// A client of all nodes that has the group from the contract.
    pub(crate) async fn client(&self) -> Client {
        let nodes = (0..self.agents.len()).map(|at| self.url(at));
        Client::builder().nodes(nodes).connect(&self.anvil.url, self.contract, self.group).await.unwrap()
    }

    /// A client of one node.
    pub(crate) async fn client_of(&self, at: usize) -> Client {
        Client::builder()
            .node(self.url(at))
            .connect(&self.anvil.url, self.contract, self.group)
            .await
            .unwrap()
    }

    pub(crate) async fn reader(&self) -> CoordinatorReader {
        CoordinatorReader::connect(&self.anvil.url, self.contract).await.unwrap()
    }

    pub(crate) fn provider(&self) -> DynProvider {
        connect(&self.anvil.url)
    }

    /// What an outsider says who trusts the chain alone: the log of a node is in order, and so is an export of it.
    pub(crate) async fn assert_audited(&self, at: usize) {
        let (reader, url) = (self.reader().await, self.url(at));
        let report = audit::verify(&reader, self.group, &url).await.unwrap();
        assert!(report.is_intact(), "the log of node {at}: {:?}", report.finding);
        let path = self.dir.path().join(format!("audited-{at}.export"));
        let epochs = Epochs::from_contract(&reader, self.group).await.unwrap();
        let exported = audit::export(epochs, &url, &path, AuditOptions::default()).await.unwrap();
        assert!(exported.is_intact(), "the log of node {at}: {:?}", exported.finding);
        let checked = audit::verify_export(&reader, self.group, &path).await.unwrap();
        assert!(checked.is_intact(), "an export of node {at}: {:?}", checked.finding);
        assert_eq!((checked.entries, checked.root), (exported.entries, exported.root));
    }

    /// Posts bytes as a command to a node; the status and the body.
    pub(crate) async fn post(&self, at: usize, body: Vec<u8>) -> (u16, Vec<u8>) {
        let url = format!("{}/v1/groups/{}/commands", self.url(at), self.group);
        let request = self.http.post(url).header("content-type", "application/cbor").body(body);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.bytes().await.unwrap().to_vec())
    }

    /// The JSON of a path below the group at a node.
    pub(crate) async fn get_json(&self, at: usize, path: &str) -> serde_json::Value {
        let url = format!("{}/v1/groups/{}{path}", self.url(at), self.group);
        self.http.get(url).send().await.unwrap().json().await.unwrap()
    }

    /// How many entries a node's log has, and their root.
    pub(crate) async fn log(&self, at: usize) -> (u64, String) {
        let status = self.get_json(at, "").await;
        let root = status["log_root"].as_str().unwrap_or_default().to_owned();
        (status["log_size"].as_u64().unwrap_or_default(), root)
    }

    /// Waits until all of `nodes` have one log.
    pub(crate) async fn one_log(&self, nodes: &[usize]) -> (u64, String) {
        wait_for("one log on all nodes", async || {
            let mut logs = Vec::new();
            for at in nodes {
                logs.push(self.log(*at).await);
            }
            logs.windows(2).all(|pair| pair[0] == pair[1]).then(|| logs[0].clone())
        })
        .await
    }
}
