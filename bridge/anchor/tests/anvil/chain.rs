//! An anvil process with the coordinator and a group of four on it.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use alloy::consensus::Transaction as _;
use alloy::network::TransactionBuilder;
use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::providers::{DynProvider, Provider, ProviderBuilder};
use alloy::rpc::types::{Filter, Log, TransactionReceipt, TransactionRequest};
use alloy::sol_types::SolEvent;
use quorate_contracts::AgentCoordinator::Anchored;
use quorate_node::anchored::{AnchorProofs, AnchorProver};
use quorate_node::ledger::LedgerError;
use quorate_protocol::checkpoint::CheckpointSignature;
use quorate_protocol::group::{FLAG_REPLICA, group_id, members_hash};
use quorate_protocol::merkle::{MerkleLog, leaf_hash};
use quorate_protocol::{
    AccountKey, AgentId, AgentKey, Checkpoint, CheckpointCertificate, Class, Digest, Epoch, Group,
    GroupIdentity, Handover, Member, ReplicaIndex, Sequence, SignedCheckpoint, Terms,
};

/// A running anvil. Killed when dropped.
pub(crate) struct Anvil {
    child: Child,
    pub(crate) port: u16,
}

impl Anvil {
    /// Starts anvil on `port` (0: any that is free), with blocks every 200 ms.
    pub(crate) fn start(port: u16, arguments: &[&str]) -> Self {
        let mut child = Command::new(binary())
            .args(["--host", "127.0.0.1", "--port", &port.to_string(), "--block-time", "0.2"])
            .arg("--auto-impersonate")
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("anvil starts");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines
            .find_map(|line| {
                Some(line.ok()?.strip_prefix("Listening on 127.0.0.1:")?.trim().parse().unwrap())
            })
            .expect("anvil says where it listens");
        // Nobody reads the rest, but anvil must be able to write it.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, port }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Asks anvil to stop, as Ctrl-C does, which makes it write its state.
    pub(crate) fn stop(mut self) {
        let asked = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        assert!(asked.expect("kill runs").success());
        assert!(self.child.wait().expect("anvil is a child").success(), "anvil stops in order");
    }
}

impl Drop for Anvil {
    fn drop(&mut self) {
        // It may have been stopped already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The binary that `npm ci` has installed.
fn binary() -> PathBuf {
    let os = if cfg!(target_os = "macos") { "darwin" } else { std::env::consts::OS };
    let machine = if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" };
    let binary = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../contracts/node_modules/@foundry-rs")
        .join(format!("anvil-{os}-{machine}/bin/anvil"));
    assert!(binary.exists(), "{} is missing: run `npm ci` in contracts/", binary.display());
    binary
}

/// The group on its chain, as the tests see it: over a connection of their own.
pub(crate) struct Deployment {
    pub(crate) provider: DynProvider,
    pub(crate) group: Group,
    /// The replicas' accounts, in the order of the members.
    pub(crate) keys: Vec<AccountKey>,
}

impl Deployment {
    /// Deploys the coordinator, registers four agents and creates their group.
    pub(crate) async fn new(url: &str) -> Self {
        let provider = ProviderBuilder::new().connect(url).await.expect("anvil answers").erased();
        let deployer = provider.get_accounts().await.unwrap()[0];
        let coordinator = quorate_contracts::deployment::deploy(&provider, deployer).await.unwrap();
        let contract = *coordinator.address();
        let (members, keys) = members();
        for member in &members {
            let funds = TransactionRequest::default()
                .with_from(deployer)
                .with_to(member.agent.0)
                .with_value(U256::from(10).pow(U256::from(18)));
            provider.send_transaction(funds).await.unwrap().watch().await.unwrap();
            let register = coordinator.register(B256::from(member.key.0)).from(member.agent.0);
            register.send().await.unwrap().watch().await.unwrap();
        }
        let on_chain = members.iter().map(quorate_contracts::Member::from).collect();
        let terms = Terms::of_class(Class::of_weight(3, 4, 3600));
        let hashes = (members_hash(&members), terms.hash());
        let id = group_id(31337, contract, deployer, B256::ZERO, hashes.0, hashes.1);
        let create = coordinator.createGroup(on_chain, (&terms).into(), B256::ZERO).from(deployer);
        create.send().await.unwrap().watch().await.unwrap();
        let identity = GroupIdentity { chain_id: 31337, contract: AgentId(contract), group: id };
        let account = AgentId(quorate_contracts::deployment::account_of(contract, id));
        Self {
            provider,
            group: Group { identity, account, epoch: Epoch(0), members, terms, voters_since: Epoch(0) },
            keys,
        }
    }

    /// The accounts by their rank in the turn that follows the anchor of `sequence`.
    pub(crate) fn by_rank(&self, sequence: u64) -> Vec<AccountKey> {
        let replicas = self.group.replicas();
        let rank = |key: &AccountKey| -> u64 {
            let me: ReplicaIndex = replicas.index_of(AgentId(key.address())).unwrap();
            quorate_anchor::core::rank(self.group.identity.group, Sequence(sequence), me, replicas.len())
        };
        let mut keys = self.keys.clone();
        keys.sort_by_key(rank);
        keys
    }

    /// A checkpoint that all replicas signed.
    pub(crate) fn certificate(&self, sequence: u64, log_size: u64) -> CheckpointCertificate {
        self.signed(sequence, log_size, Digest::default())
    }

    /// Ends the epoch with a checkpoint of `sequence`: in the next one the account of `secret` has the place of the
    /// replica at `gone`, and signs from here on.
    pub(crate) fn hand_over(&mut self, sequence: u64, log_size: u64, gone: usize, secret: u8) -> Handover {
        let account = AccountKey::from_secret(&[secret; 32]).unwrap();
        let mut next = Group { epoch: Epoch(self.group.epoch.0 + 1), ..self.group.clone() };
        next.members[gone].agent = AgentId(account.address());
        next.members[gone].key = AgentKey::from_secret(&[secret; 32]).public();
        next.members.sort_by_key(|member| member.agent);
        let certificate = self.signed(sequence, log_size, Digest(next.members_hash()));
        self.keys[gone] = account;
        self.keys.sort_by_key(AccountKey::address);
        self.group = next;
        Handover { certificate, members: self.group.members.clone(), mandate: None }
    }

    fn signed(&self, sequence: u64, log_size: u64, next_members_hash: Digest) -> CheckpointCertificate {
        let checkpoint = Checkpoint {
            group: self.group.identity.group,
            epoch: self.group.epoch,
            sequence: Sequence(sequence),
            log_size,
            log_root: sample_log(log_size).root(),
            state_root: Digest::from([2; 32]),
            inbox_count: 0,
            inbox_hash: Digest::default(),
            next_members_hash,
        };
        let sign = |key: &AccountKey| {
            let signed = SignedCheckpoint::sign(&self.group.identity, checkpoint.clone(), key);
            CheckpointSignature { replica: signed.replica, signature: signed.signature }
        };
        let signatures = self.keys.iter().map(sign).collect();
        CheckpointCertificate { checkpoint, signatures }
    }

    /// The sequences that the canonical chain has anchors of, in order.
    pub(crate) async fn anchors(&self) -> Vec<u64> {
        self.anchor_logs().await.iter().map(sequence_of).collect()
    }

    /// Who sent the transaction that anchored `sequence`.
    pub(crate) async fn sender(&self, sequence: u64) -> Address {
        self.receipt(sequence).await.from
    }

    /// The receipt of the transaction that anchored `sequence`.
    pub(crate) async fn receipt(&self, sequence: u64) -> TransactionReceipt {
        let receipt = self.provider.get_transaction_receipt(self.hash(sequence).await).await.unwrap();
        receipt.expect("it is in a block")
    }

    /// The gas that the transaction was given that anchored `sequence`.
    pub(crate) async fn gas_limit(&self, sequence: u64) -> u64 {
        self.transaction(sequence).await.gas_limit()
    }

    /// The most that the transaction offered for its gas that anchored `sequence`.
    pub(crate) async fn max_fee(&self, sequence: u64) -> u128 {
        self.transaction(sequence).await.max_fee_per_gas()
    }

    async fn transaction(&self, sequence: u64) -> alloy::rpc::types::Transaction {
        let transaction = self.provider.get_transaction_by_hash(self.hash(sequence).await).await.unwrap();
        transaction.expect("it is in a block")
    }

    async fn hash(&self, sequence: u64) -> B256 {
        let logs = self.anchor_logs().await;
        let log = logs.iter().find(|log| sequence_of(log) == sequence).expect("it is anchored");
        log.transaction_hash.expect("it is in a block")
    }

    async fn anchor_logs(&self) -> Vec<Log> {
        let filter = Filter::new()
            .address(self.group.identity.contract.0)
            .event_signature(Anchored::SIGNATURE_HASH)
            .from_block(0);
        self.provider.get_logs(&filter).await.expect("anvil answers")
    }

    /// Gives an account what it takes to pay for gas.
    pub(crate) async fn fund(&self, account: Address) {
        self.anvil("anvil_setBalance", serde_json::json!([account, "0xde0b6b3a7640000"])).await;
    }

    /// What a call to the contract comes to at the head: the data that it reverts with, if it does.
    pub(crate) async fn call(&self, input: Bytes) -> Result<Bytes, Option<Bytes>> {
        let request = TransactionRequest::default().with_to(self.group.identity.contract.0).with_input(input);
        let answer = self.provider.call(request).await;
        answer.map_err(|error| error.as_error_resp().and_then(|error| error.as_revert_data()))
    }

    /// Calls a method of anvil's own.
    pub(crate) async fn anvil(
        &self,
        method: &'static str,
        parameters: serde_json::Value,
    ) -> serde_json::Value {
        self.provider.raw_request(method.into(), parameters).await.expect("anvil has the method")
    }

    /// From now on blocks are only made by [`Self::mine`].
    pub(crate) async fn stop_mining(&self) {
        self.anvil("evm_setIntervalMining", serde_json::json!([0])).await;
    }

    pub(crate) async fn mine(&self) {
        self.anvil("evm_mine", serde_json::json!([])).await;
    }

    /// How many transactions wait in the pool and could be mined.
    pub(crate) async fn pending(&self) -> u64 {
        let status = self.anvil("txpool_status", serde_json::json!([])).await;
        let count: alloy::primitives::U64 = serde_json::from_value(status["pending"].clone()).unwrap();
        count.to()
    }
}

fn sequence_of(log: &Log) -> u64 {
    Anchored::decode_log(&log.inner).expect("it is the event").sequence
}

fn members() -> (Vec<Member>, Vec<AccountKey>) {
    let mut keys: Vec<_> = (1..=4u8)
        .map(|i| (AccountKey::from_secret(&[i; 32]).unwrap(), AgentKey::from_secret(&[i; 32])))
        .collect();
    keys.sort_by_key(|(account, _)| account.address());
    keys.into_iter()
        .map(|(account, key)| {
            let agent = AgentId(account.address());
            // Nobody votes, so no change of the replicas alters a weight.
            let member = Member { agent, key: key.public(), weight: 0, flags: FLAG_REPLICA };
            (member, account)
        })
        .unzip()
}

/// The log of every group here: its leaves are their numbers.
fn sample_log(size: u64) -> MerkleLog {
    let mut log = MerkleLog::new();
    for index in 0..size {
        log.append(leaf_hash(&index.to_be_bytes()));
    }
    log
}

/// Proves what nodes with that log would.
#[derive(Debug)]
pub(crate) struct SampleProver;

impl AnchorProver for SampleProver {
    fn prove(
        &self,
        anchored: u64,
        size: u64,
        message: Option<u64>,
    ) -> Result<Option<AnchorProofs>, LedgerError> {
        assert_eq!(message, None, "nobody enqueues anything here");
        let consistency = match anchored {
            0 => Vec::new(),
            _ => sample_log(size).consistency_proof(anchored, size).expect("anchors grow"),
        };
        Ok(Some(AnchorProofs { consistency, taken: None }))
    }
}
