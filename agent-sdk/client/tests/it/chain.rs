//! The contract on a real chain: reading it, acting on it, and proving with it.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::providers::{Provider, ProviderBuilder};
use alloy::signers::local::PrivateKeySigner;
use quorate_contracts::reader::{CoordinatorReader, ReaderError};
use quorate_contracts::{AgentCoordinator, Content, Taken, deployment};
use quorate_protocol::operations::proposals::Propose;
use quorate_protocol::{
    AgentId, Call, Choice, Epoch, Group, GroupId, Member, ProposalId, Receipt, ReceiptError, Terms,
    VoterSignature,
};
use quorate_sdk::audit::{self, AuditOptions};
use quorate_sdk::{Agent, ChainAgent, Client, SdkError, verify_receipt, verify_receipt_with};

use crate::node::{Behaviour, Node};
use crate::world::{World, agents, members, terms};

/// The secrets of anvil's first development accounts, which are funded.
const SECRETS: [&str; 4] = [
    "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    "5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
    "7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6",
];

pub(crate) struct Anvil {
    child: Child,
    pub(crate) url: String,
}

impl Drop for Anvil {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Anvil {
    pub(crate) fn start() -> Self {
        let system = if cfg!(target_os = "macos") { "darwin" } else { "linux" };
        let machine = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
        let package = format!("contracts/node_modules/@foundry-rs/anvil-{system}-{machine}/bin/anvil");
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(package);
        let mut child = Command::new(&path)
            .args(["--host", "127.0.0.1", "--port", "0", "--no-cors"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}; run `npm ci` in contracts/", path.display()));
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines
            .find_map(|line| line.unwrap().strip_prefix("Listening on ").map(str::to_owned))
            .expect("anvil says where it listens");
        // Reads on, or anvil would stop when the pipe is full.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, url: format!("http://{address}") }
    }
}

/// A group on a fresh chain.
pub(crate) struct Stage {
    pub(crate) anvil: Anvil,
    pub(crate) contract: Address,
    pub(crate) agents: Vec<Agent>,
    pub(crate) chain: Vec<ChainAgent>,
    reader: CoordinatorReader,
    pub(crate) group: Group,
    pub(crate) funds: Address,
}

impl Stage {
    pub(crate) fn reader(&self) -> &CoordinatorReader {
        &self.reader
    }

    pub(crate) async fn new() -> Self {
        let anvil = Anvil::start();
        let secrets = SECRETS.map(|digits| {
            let mut secret = [0; 32];
            alloy::primitives::hex::decode_to_slice(digits, &mut secret).unwrap();
            secret
        });
        let agents = agents(&secrets);
        let signer = PrivateKeySigner::from_slice(&secrets[0]).unwrap();
        let provider =
            || ProviderBuilder::new().wallet(signer.clone()).connect_http(anvil.url.parse().unwrap());
        let contract = *deployment::deploy(provider(), signer.address()).await.unwrap().address();

        let mut chain = Vec::new();
        for agent in &agents {
            let account = ChainAgent::new(&anvil.url, contract, agent.account.clone()).await.unwrap();
            let included = account.register(&agent.public_key()).await.unwrap();
            assert!(included.gas_used > 21_000 && included.block > 0);
            chain.push(account);
        }
        let terms = terms(4);
        let salt = B256::repeat_byte(5);
        let (id, _) = chain[0].create_group(&members(&agents), &terms, salt).await.unwrap();

        let reader = CoordinatorReader::connect(&anvil.url, contract).await.unwrap();
        let group = reader.group(id).await.unwrap();
        assert_eq!((group.members.clone(), group.terms.clone()), (members(&agents), terms));
        let funds = reader.group_account(id).await.unwrap();
        let payment = alloy::rpc::types::TransactionRequest::default().to(funds).value(U256::from(1_000));
        // Another provider: the first one counts nonces by itself.
        provider().send_transaction(payment).await.unwrap().get_receipt().await.unwrap();
        Self { anvil, contract, agents, chain, reader, group, funds }
    }

    /// Another group of the same agents.
    pub(crate) async fn another_group(&self, members: &[Member], terms: &Terms, salt: u64) -> Group {
        let salt = B256::from(U256::from(salt));
        let (id, _) = self.chain[0].create_group(members, terms, salt).await.unwrap();
        self.reader.group(id).await.unwrap()
    }

    pub(crate) fn id(&self) -> GroupId {
        self.group.identity.group
    }

    /// Gives an account ten ether.
    pub(crate) async fn fund(&self, account: AgentId) {
        let provider = ProviderBuilder::new().connect_http(self.anvil.url.parse().unwrap());
        let money = (account.0, U256::from(10u128.pow(19)));
        let () = provider.raw_request("anvil_setBalance".into(), money).await.unwrap();
    }

    /// Moves the chain's clock so many seconds on.
    pub(crate) async fn pass(&self, seconds: u32) {
        let provider = ProviderBuilder::new().connect_http(self.anvil.url.parse().unwrap());
        let _: serde_json::Value = provider.raw_request("evm_increaseTime".into(), [seconds]).await.unwrap();
        let _: serde_json::Value = provider.raw_request("evm_mine".into(), ()).await.unwrap();
    }

    async fn balance(&self, account: Address) -> U256 {
        let provider = ProviderBuilder::new().connect_http(self.anvil.url.parse().unwrap());
        provider.get_balance(account).await.unwrap()
    }
}

fn payment(to: u8, wei: u64) -> Vec<Call> {
    vec![Call::payment(AgentId::from([to; 20]), U256::from(wei))]
}

fn refusal(result: Result<quorate_sdk::Included, SdkError>) -> String {
    match result {
        Err(SdkError::Reverted { refusal, error, .. }) => {
            assert!(error.is_some(), "{refusal}");
            refusal
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn reading_names_what_is_not_there() {
    let stage = Stage::new().await;
    let unknown = stage.reader.group(GroupId::from([9; 32])).await.unwrap_err();
    assert!(matches!(unknown, ReaderError::UnknownGroup { .. }), "{unknown}");
    for wrong in [Address::repeat_byte(9), stage.funds] {
        let none = CoordinatorReader::connect(&stage.anvil.url, wrong).await.unwrap_err();
        assert!(matches!(none, ReaderError::NoContract { .. }), "{none}");
    }
    let url = CoordinatorReader::connect("nowhere", stage.contract).await.unwrap_err();
    assert!(matches!(url, ReaderError::Url { .. }), "{url}");
    let dead = Node::dead().await;
    let unreachable = CoordinatorReader::connect(&dead, stage.contract).await.unwrap_err();
    assert!(matches!(unreachable, ReaderError::Unreachable { .. }), "{unreachable}");
    assert_eq!(stage.reader.latest_anchor(stage.id()).await.unwrap(), None);
    assert_eq!(stage.reader.anchored_root(stage.id(), 1).await.unwrap(), None);
    assert_eq!(stage.reader.anchors(stage.id(), 0).await.unwrap(), vec![]);
}

#[tokio::test]
async fn the_on_chain_lane_decides_and_pays() {
    let stage = Stage::new().await;
    let calls = payment(0xaa, 300);
    let propose = Propose { salt: 1, description: "pay".into(), calls: calls.clone(), class: 0 };
    let (id, _) = stage.chain[0].propose(stage.id(), &propose).await.unwrap();
    let group = stage.id();
    let again = stage.chain[0].propose(group, &propose).await.unwrap_err();
    assert!(again.to_string().contains("is open"), "{again}");
    let content = |calls: &[Call]| Content::of(stage.agents[0].id(), 1, 0, "pay", calls);
    stage.chain[0].vote(group, id, Choice::For).await.unwrap();
    assert!(refusal(stage.chain[0].vote(group, id, Choice::Against).await).contains("voted"));
    assert!(refusal(stage.chain[0].execute(group, &content(&calls)).await).contains("is open"));
    stage.chain[1].vote(group, id, Choice::For).await.unwrap();
    let vote = stage.chain[2].first_vote(group, id, Choice::For).await.unwrap();
    let signature: VoterSignature = stage.chain[2].sign_vote(group, &vote).into();
    let (sender, voter) = (&stage.chain[0], stage.agents[2].id());
    // What does not count is passed over.
    sender.vote_by_sigs(group, id, &[(voter, Choice::Against, signature.clone())]).await.unwrap();
    assert_eq!(stage.reader.proposal(group, id).await.unwrap().unwrap().against_weight, 0);
    sender.vote_by_sigs(group, id, &[(voter, Choice::For, signature)]).await.unwrap();
    assert_eq!(stage.reader.proposal(group, id).await.unwrap().unwrap().for_weight, 3);
    let others = content(&payment(0xbb, 300));
    assert!(refusal(stage.chain[0].execute(group, &others).await).contains("unknown on-chain"));
    stage.chain[3].execute(group, &content(&calls)).await.unwrap();
    assert_eq!(stage.balance(Address::repeat_byte(0xaa)).await, U256::from(300));
    assert!(stage.reader.executed(group, id).await.unwrap());
    assert!(refusal(stage.chain[3].execute(group, &content(&calls)).await).contains("is executed"));

    let cancelled = Propose { salt: 2, ..propose };
    let (id, _) = stage.chain[1].propose(group, &cancelled).await.unwrap();
    let content = Content::of(stage.agents[1].id(), 2, 0, "pay", &calls);
    assert!(refusal(stage.chain[0].cancel(group, &content).await).contains("did not make"));
    stage.chain[1].cancel(group, &content).await.unwrap();
    assert!(refusal(stage.chain[0].vote(group, id, Choice::For).await).contains("cancelled"));
    let unknown = stage.chain[0].vote(group, ProposalId::from([9; 32]), Choice::For).await;
    assert!(refusal(unknown).contains("unknown on-chain"));
}

/// What waits on-chain can be taken back: by those who could have blocked it.
#[tokio::test]
async fn a_decision_with_a_timelock_is_queued_and_objected_to() {
    let stage = Stage::new().await;
    let group = stage.id();
    let mut world = World::of(stage.group.clone(), stage.agents.clone());
    let calls = payment(0xee, 900);
    let waits = world.decide_in(1, "above what the class for payments lets pass", calls, &[Choice::For; 3]);
    anchor(&stage, &world.checkpoint()).await;
    world.anchored = Some(world.size());
    let receipt = world.receipt(world.decision_index(waits).unwrap());
    let refused = refusal(stage.chain[0].execute_anchored(&receipt).await);
    assert!(refused.contains("has to be queued"), "{refused}");
    stage.chain[0].queue_anchored(&receipt).await.unwrap();
    let known = stage.reader.proposal(group, waits).await.unwrap().unwrap();
    assert!(known.from_log && known.executable_s.is_some(), "{known:?}");
    let quorate_protocol::EntryBody::Decision(record) = &receipt.record.body else { panic!("a decision") };
    let content = Content::from(&**record);
    assert!(refusal(stage.chain[0].execute(group, &content).await).contains("may be executed from"));

    let objections: Vec<_> = stage.chain[1..3]
        .iter()
        .map(|voter| (voter.id(), VoterSignature::from(voter.sign_objection(group, waits))))
        .collect();
    let few = refusal(stage.chain[3].veto(group, waits, &objections[..1]).await);
    assert!(few.contains("less than"), "one of four could not have blocked three of four: {few}");
    stage.chain[3].veto(group, waits, &objections).await.unwrap();
    assert!(refusal(stage.chain[0].queue_anchored(&receipt).await).contains("revoked"));
    assert_eq!(stage.balance(Address::repeat_byte(0xee)).await, U256::ZERO);
}

#[tokio::test]
async fn transactions_of_one_account_take_turns() {
    let stage = Stage::new().await;
    let mut tasks = tokio::task::JoinSet::new();
    for salt in 0..12 {
        let (account, group) = (stage.chain[0].clone(), stage.id());
        let propose = Propose { salt, description: "many".into(), calls: vec![], class: 0 };
        tasks.spawn(async move { account.propose(group, &propose).await });
    }
    for result in tasks.join_all().await {
        result.unwrap();
    }
}

/// The account of a replica also sends its node's anchors, from another process.
#[tokio::test]
async fn another_program_on_the_same_account_is_given_way() {
    let stage = Stage::new().await;
    let account = stage.agents[0].account.clone();
    let mut tasks = tokio::task::JoinSet::new();
    for program in 0..4u64 {
        let contract = stage.reader.contract();
        let own = ChainAgent::new(&stage.anvil.url, contract, account.clone()).await.unwrap();
        let group = stage.id();
        tasks.spawn(async move {
            for number in 0..5 {
                let salt = 10 * program + number;
                let propose = Propose { salt, description: "both".into(), calls: vec![], class: 0 };
                own.propose(group, &propose).await?;
            }
            Ok::<(), SdkError>(())
        });
    }
    for result in tasks.join_all().await {
        result.unwrap();
    }
}

#[tokio::test]
async fn a_decision_is_anchored_proved_executed_and_audited() {
    let stage = Stage::new().await;
    let mut world = World::of(stage.group.clone(), stage.agents.clone());
    let approved = world.decide("pay", payment(0xcc, 700), &[Choice::For; 3]);
    let together: Vec<_> = (1..=3)
        .map(|turn| world.decide(&format!("pay {turn}"), payment(0xdd, 50), &[Choice::For; 3]))
        .collect();
    let rejected = world.decide("overpay", payment(0xcc, 10_000), &[Choice::Against; 2]);
    let stable = world.checkpoint();

    // Before the anchor the receipt rests on the quorum alone, and nothing can be executed from it.
    let early = world.receipt(world.decision_index(approved).unwrap());
    let verified = verify_receipt(&stage.reader, stage.id(), &early.encode()).await.unwrap();
    assert_eq!((verified.anchored_size, verified.group), (None, stage.group.clone()));
    let refused = stage.chain[0].execute_anchored(&early).await.unwrap_err();
    assert!(refused.to_string().contains("not anchored yet"), "{refused}");

    anchor(&stage, &stable).await;
    world.anchored = Some(world.size());
    let anchors = stage.reader.anchors(stage.id(), 0).await.unwrap();
    assert_eq!(anchors.len(), 1);
    assert_eq!((anchors[0].log_size, anchors[0].log_root), (world.size(), world.log.root()));
    let latest = stage.reader.latest_anchor(stage.id()).await.unwrap().unwrap();
    assert_eq!((latest.log_size, latest.log_root), (world.size(), world.log.root()));
    let root = stage.reader.anchored_root(stage.id(), world.size()).await.unwrap();
    assert_eq!(root, Some(world.log.root()));

    world.decide("afterwards", vec![], &[]);
    let world = Arc::new(Mutex::new(world));
    let node = Node::start(&world, Behaviour::Honest).await;
    let client =
        Client::connect([node.url.clone()], &stage.anvil.url, stage.contract, stage.id()).await.unwrap();
    let decided = client.wait(approved, Duration::from_secs(5)).await.unwrap();
    let bytes = decided.receipt.encode();
    let verified = verify_receipt(&stage.reader, stage.id(), &bytes).await.unwrap();
    assert_eq!(verified.anchored_size, Some(latest.log_size));
    for at in (0..bytes.len()).step_by(11) {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert!(
            verify_receipt(&stage.reader, stage.id(), &changed).await.is_err(),
            "byte {at} may be flipped"
        );
    }
    let mut elsewhere = decided.receipt.clone();
    elsewhere.identity.chain_id = 1;
    let other = verify_receipt(&stage.reader, stage.id(), &elsewhere.encode()).await.unwrap_err();
    assert!(matches!(other, SdkError::Receipt(ReceiptError::OtherLog { .. })), "{other}");

    stage.chain[3].execute_anchored(&decided.receipt).await.unwrap();
    assert_eq!(stage.balance(Address::repeat_byte(0xcc)).await, U256::from(700));
    assert_eq!(stage.balance(stage.funds).await, U256::from(300));
    let mut receipts = Vec::new();
    for proposal in together {
        receipts.push(client.decision(proposal).await.unwrap().unwrap().receipt);
    }
    let twice = [receipts[0].clone(), receipts[0].clone()];
    let refused = stage.chain[3].execute_anchored_batch(&twice).await.unwrap_err();
    assert!(matches!(refused, SdkError::NotExecutable(_)), "{refused}");
    let refused = stage.chain[3].execute_anchored_batch(&[receipts[0].clone(), early]).await.unwrap_err();
    assert!(refused.to_string().contains("not anchored yet"), "{refused}");
    receipts.reverse();
    stage.chain[3].execute_anchored_batch(&receipts).await.unwrap();
    assert_eq!(stage.balance(Address::repeat_byte(0xdd)).await, U256::from(150));
    assert_eq!(stage.balance(stage.funds).await, U256::from(150));
    // What is executed already is passed over.
    stage.chain[3].execute_anchored_batch(&receipts).await.unwrap();
    assert_eq!(stage.balance(stage.funds).await, U256::from(150));
    assert!(refusal(stage.chain[3].execute_anchored(&decided.receipt).await).contains("executed"));
    let no = client.decision(rejected).await.unwrap().unwrap();
    let refused = stage.chain[0].execute_anchored(&no.receipt).await.unwrap_err();
    assert!(refused.to_string().contains("not approved"), "{refused}");

    audit_against_the_chain(&stage, &world, &node).await;
}

async fn audit_against_the_chain(stage: &Stage, world: &Arc<Mutex<World>>, node: &Node) {
    let report = audit::verify(&stage.reader, stage.id(), &node.url).await.unwrap();
    assert!(report.is_intact(), "{:?}", report.finding);
    assert_eq!((report.anchors, report.entries), (1, world.lock().unwrap().size()));

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log.cbor");
    audit::export(&stage.group, &node.url, &path, AuditOptions::default()).await.unwrap();
    let report = audit::verify_export(&stage.reader, stage.id(), &path).await.unwrap();
    assert!(report.is_intact(), "{:?}", report.finding);
    assert_eq!(report.anchors, 1);
}

async fn anchor(stage: &Stage, stable: &quorate_protocol::CheckpointCertificate) {
    let checkpoint = &stable.checkpoint;
    let secret = stage.agents[0].account.secret();
    let signer = PrivateKeySigner::from_slice(&secret).unwrap();
    let provider = ProviderBuilder::new().wallet(signer).connect_http(stage.anvil.url.parse().unwrap());
    let signatures = Bytes::from(stable.packed_signatures());
    let coordinator = AgentCoordinator::new(stage.contract, provider);
    let call = coordinator.anchor(checkpoint.into(), signatures, vec![], Taken::default());
    assert!(call.send().await.unwrap().get_receipt().await.unwrap().status());
}

/// The contract's call for the end of an epoch, signed by the replicas of `world`.
async fn rotate(stage: &Stage, world: &World) {
    let handover = world.handovers.last().unwrap();
    let checkpoint = &handover.certificate.checkpoint;
    let provider = ProviderBuilder::new().connect_http(stage.anvil.url.parse().unwrap());
    let sender = provider.get_accounts().await.unwrap()[9];
    let signatures = Bytes::from(handover.certificate.packed_signatures());
    let coordinator = AgentCoordinator::new(stage.contract, provider);
    let members = handover.members.iter().map(quorate_contracts::Member::from).collect();
    let mandate = handover.mandate.as_ref().into();
    let call = coordinator.anchorAndRotate(
        checkpoint.into(),
        signatures,
        vec![],
        Taken::default(),
        members,
        mandate,
    );
    assert!(call.from(sender).send().await.unwrap().get_receipt().await.unwrap().status());
}

/// The bytes of a receipt in which one bit of the epoch is another, for each that makes an epoch known here.
async fn one_bit_changes_every_epoch(stage: &Stage, receipts: &[Receipt]) {
    for receipt in receipts {
        verify_receipt(&stage.reader, stage.id(), &receipt.encode()).await.unwrap();
        for bit in 0..64 {
            let told = Receipt { epoch: Epoch(receipt.epoch.0 ^ (1 << bit)), ..receipt.clone() };
            let verdict = verify_receipt(&stage.reader, stage.id(), &told.encode()).await;
            assert!(verdict.is_err(), "epoch {} told as {}", receipt.epoch, told.epoch);
        }
    }
}

#[tokio::test]
async fn the_chain_tells_the_members_of_every_epoch() {
    let stage = Stage::new().await;
    let (id, first) = (stage.id(), stage.group.clone());
    let mut world = World::of(first.clone(), stage.agents.clone());
    world.decide("before", vec![], &[Choice::For; 3]);
    let before = world.receipt(1);
    let mut next = stage.agents[..3].to_vec();
    next.push(Agent::generate());
    next.sort_by_key(Agent::id);
    world.change_members(next.clone());
    let end = world.size();
    // Attested by the new replicas before they made an entry.
    let boundary = world.receipt(2);
    world.decide("after", vec![], &[Choice::For; 3]);

    let ahead = verify_receipt(&stage.reader, stage.id(), &world.receipt(end).encode()).await.unwrap_err();
    let unproven = ReaderError::UnknownEpoch { group: id, epoch: Epoch(1), current: Epoch(0) };
    assert_eq!(ahead.to_string(), unproven.to_string(), "neither true nor false");
    let mut broken = world.receipt(end);
    broken.proof.pop();
    let broken = verify_receipt(&stage.reader, id, &broken.encode()).await.unwrap_err();
    assert!(matches!(broken, SdkError::Receipt(ReceiptError::Inclusion(_))), "{broken}");
    let bytes = world.receipt(end).encode();
    let verified = verify_receipt_with(&stage.reader, id, &bytes, &world.handovers).await.unwrap();
    assert_eq!(verified.group.members, members(&next), "the handovers lead beyond the contract");
    assert!(matches!(
        stage.reader.group_at(id, Epoch(1)).await.unwrap_err(),
        ReaderError::UnknownEpoch { current: Epoch(0), .. }
    ));

    rotate(&stage, &world).await;
    assert_eq!(stage.reader.group_at(id, Epoch(0)).await.unwrap(), first);
    assert_eq!(stage.reader.group(id).await.unwrap(), world.group);
    assert_eq!(stage.reader.group_at(id, Epoch(1)).await.unwrap(), world.group);
    let start = stage.reader.epoch_start(id, Epoch(1)).await.unwrap().unwrap();
    assert_eq!((start.log_size, start.members_hash.0), (end, world.group.members_hash()));
    assert_eq!(stage.reader.epoch_start(id, Epoch(2)).await.unwrap(), None);
    assert_eq!(stage.reader.epoch(id).await.unwrap(), Epoch(1));
    let latest = stage.reader.latest_anchor(id).await.unwrap().unwrap();
    assert_eq!((latest.epoch, latest.log_size), (Epoch(0), end), "signed by the epoch that it ends");
    assert_eq!(stage.reader.anchors(id, 0).await.unwrap()[0].epoch, Epoch(0));

    let verified = verify_receipt(&stage.reader, stage.id(), &before.encode()).await.unwrap();
    assert_eq!(verified.group, first, "a receipt of an epoch that has ended");
    one_bit_changes_every_epoch(&stage, &[before, world.receipt(end), boundary]).await;
    verify_receipt(&stage.reader, stage.id(), &bytes).await.unwrap();

    // A client that knows only the new epoch reads the old one from the contract; an outsider audits both.
    let world = Arc::new(Mutex::new(world));
    let node = Node::start(&world, Behaviour::WithoutHandovers).await;
    let client = Client::connect([node.url.as_str()], &stage.anvil.url, stage.contract, id).await.unwrap();
    assert_eq!(client.group().epoch, Epoch(1));
    let report = audit::verify(&stage.reader, id, &node.url).await.unwrap();
    assert!(report.is_intact(), "{:?}", report.finding);
    assert_eq!((report.epoch, report.anchored_size), (Epoch(1), end));
}
