//! The scene: a group with real terms, funds in its account, and the keys of all its replicas in one hand.
//!
//! The four keep a log of their own invention and sign whatever they like; what they submit goes to the real contract.

use alloy::contract::{CallBuilder, CallDecoder, RawCallBuilder};
use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::providers::{DynProvider, Provider as _};
use alloy::sol_types::SolCall as _;
use quorate_contracts::AgentCoordinator::{AgentCoordinatorErrors, AgentCoordinatorInstance};
use quorate_contracts::tokens::{Coin, FeeCoin, PoliteCoin, SilentCoin};
use quorate_contracts::{AgentCoordinator, Content, Mandate, Refusal, Taken, words};
use quorate_protocol::checkpoint::CheckpointSignature;
use quorate_protocol::class::DAY_S;
use quorate_protocol::entry::SystemEvent;
use quorate_protocol::group::{FLAG_REPLICA, FLAG_VOTER, members_hash};
use quorate_protocol::inbox::InboxTaken;
use quorate_protocol::merkle::MerkleLog;
use quorate_protocol::proposal::proposal_id;
use quorate_protocol::{
    AgentId, AnchorProof, Attestation, Call, Checkpoint, CheckpointCertificate, Class, Decision,
    DecisionRecord, DecisionStatus, Digest, ETHER, EntryBody, EntryIndex, EntryRecord, Group, Limit,
    LogCertificate, LogHead, Member, Outcome, Receipt, Scope, Sequence, SignedCheckpoint, Target, Terms,
    TimestampMs,
};
use quorate_sdk::{Agent, ChainAgent, CoordinatorReader, Included, SdkError};

use crate::network::{Anvil, connect, pass};

/// The class that pays at once, by its place in the terms.
pub(super) const PAY: u8 = 0;
/// The class of one listed call, which waits for two days.
pub(super) const ACT: u8 = 1;
/// The class of anything, which waits for seven.
pub(super) const CONSTITUTION: u8 = 2;

pub(super) const ETHER_WEI: u128 = 1_000_000_000_000_000_000;
/// Of the tokens with six decimals.
pub(super) const COIN: u128 = 1_000_000;

/// One of the assets in the group's account.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asset {
    pub(super) name: &'static str,
    /// A token, or [`ETHER`].
    pub(super) id: AgentId,
    /// What the account has at first.
    pub(super) funds: u128,
    pub(super) per_decision: u128,
    pub(super) per_window: u128,
    /// How many hundredths of what is transferred arrive.
    pub(super) arrives: u128,
}

impl Asset {
    /// Pays so much to `to`.
    pub(super) fn payment(&self, to: AgentId, amount: u128) -> Call {
        if self.id == ETHER {
            return Call::payment(to, U256::from(amount));
        }
        let transfer = Coin::transferCall { to: to.0, value: U256::from(amount) };
        Call::new(self.id, U256::ZERO, transfer.abi_encode())
    }
}

/// The group, its replicas' keys, their log, and the chain.
pub(super) struct Liars {
    pub(super) assets: [Asset; 4],
    /// The token whose `approve` the class `act` lists.
    pub(super) listed: Address,
    pub(super) group: Group,
    /// Members without a vote, by ascending account.
    pub(super) replicas: Vec<Agent>,
    /// Members that are no replicas.
    pub(super) voters: Vec<Agent>,
    pub(super) provider: DynProvider,
    pub(super) reader: CoordinatorReader,
    pub(super) coordinator: AgentCoordinatorInstance<DynProvider>,
    /// An account that sends what anybody may send.
    pub(super) sender: ChainAgent,
    pub(super) log: MerkleLog,
    /// An account of the chain's own, which sends what anybody may send.
    payer: Address,
    sequence: u64,
    salt: u64,
    anvil: Anvil,
    _dir: tempfile::TempDir,
}

fn class_terms(assets: &[Asset; 4], listed: Address) -> Terms {
    let mut limits: Vec<Limit> = assets
        .iter()
        .map(|asset| Limit {
            asset: asset.id,
            per_decision: asset.per_decision,
            per_window: asset.per_window,
        })
        .collect();
    limits.sort_by_key(|limit| limit.asset);
    let target = Target { target: AgentId(listed), selector: PoliteCoin::approveCall::SELECTOR.into() };
    let waiting = Class { expiry_s: 3 * DAY_S, ..Class::of_weight(2, 3, 3 * DAY_S) };
    let pay = Class { limits, expiry_s: 3 * DAY_S, ..Class::payments(2, 3, 3_600, (0, 0)) };
    let act = Class {
        name: "act".into(),
        scope: Scope::Calls,
        timelock_s: 2 * DAY_S,
        targets: vec![target],
        ..waiting
    };
    let constitution =
        Class { timelock_s: 7 * DAY_S, expiry_s: 3 * DAY_S, ..Class::constitution(2, 3, 3 * DAY_S) };
    let terms = Terms::of_classes(vec![pay, act, constitution]);
    Terms { recovery_time_s: 7 * DAY_S, ..terms }
}

/// Sends a transaction from an account of the chain's own and waits for it, or says why the contract refuses it.
async fn sent<D: CallDecoder + Unpin>(
    call: CallBuilder<&DynProvider, D>,
) -> Result<(), AgentCoordinatorErrors> {
    match call.call().await {
        Ok(_) => {
            assert!(call.send().await.unwrap().get_receipt().await.unwrap().status());
            Ok(())
        }
        Err(error) => match error.as_revert_data().and_then(|data| Refusal::decode(&data)) {
            Some(Refusal::Coordinator(refusal)) => Err(refusal),
            other => panic!("{error}: {other:?}"),
        },
    }
}

impl Liars {
    /// A group of four replicas and three voters at the first second of a day, with its funds.
    pub(super) async fn set() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let anvil = Anvil::start(dir.path()).await;
        let provider = connect(&anvil.url);
        let payer = provider.get_accounts().await.unwrap()[0];
        let coordinator = quorate_contracts::deployment::deploy(provider.clone(), payer).await.unwrap();
        let contract = *coordinator.address();
        let coin = deployed(Coin::deploy_builder(provider.clone()), payer).await;
        let silent = deployed(SilentCoin::deploy_builder(provider.clone()), payer).await;
        let fee = deployed(FeeCoin::deploy_builder(provider.clone()), payer).await;
        let listed = deployed(PoliteCoin::deploy_builder(provider.clone()), payer).await;

        let asset = |name, id, unit: u128, (funds, per_decision, per_window): (u128, u128, u128), arrives| {
            let (funds, per_decision) = (funds * unit, per_decision * unit);
            Asset { name, id, funds, per_decision, per_window: per_window * unit, arrives }
        };
        let assets = [
            asset("ether", ETHER, ETHER_WEI, (100, 2, 5), 100),
            asset("usual token", AgentId(coin), COIN, (50_000, 1_000, 3_000), 100),
            asset("token without return value", AgentId(silent), COIN, (20_000, 700, 1_500), 100),
            asset("token with a fee", AgentId(fee), ETHER_WEI, (1_000, 100, 250), 99),
        ];
        let terms = class_terms(&assets, listed);

        let mut agents: Vec<Agent> = (0..7).map(|_| Agent::generate()).collect();
        let mut chain = Vec::new();
        for agent in &agents {
            let money = (agent.id().0, U256::from(10u128.pow(20)));
            let () = provider.raw_request("anvil_setBalance".into(), money).await.unwrap();
            let account = ChainAgent::new(&anvil.url, contract, agent.account.clone()).await.unwrap();
            account.register(&agent.public_key()).await.unwrap();
            chain.push(account);
        }
        let sender = chain.remove(0);
        let voters = agents.split_off(4);
        let mut replicas = agents;
        replicas.sort_by_key(Agent::id);
        let seat = |agent: &Agent, weight, flags| Member {
            agent: agent.id(),
            key: agent.public_key(),
            weight,
            flags,
        };
        let mut members: Vec<Member> = replicas.iter().map(|agent| seat(agent, 0, FLAG_REPLICA)).collect();
        members.extend(voters.iter().map(|agent| seat(agent, 1, FLAG_VOTER)));
        members.sort_by_key(|member| member.agent);
        let (id, _) = sender.create_group(&members, &terms, B256::ZERO).await.unwrap();
        let reader = CoordinatorReader::connect(&anvil.url, contract).await.unwrap();
        let group = reader.group(id).await.unwrap();

        let account = group.account.0;
        let () = provider
            .raw_request("anvil_setBalance".into(), (account, U256::from(assets[0].funds)))
            .await
            .unwrap();
        for asset in &assets[1..] {
            let mint = Coin::new(asset.id.0, &provider);
            let mint = mint.mint(account, U256::from(asset.funds)).from(payer);
            assert!(mint.send().await.unwrap().get_receipt().await.unwrap().status());
        }
        let coordinator = AgentCoordinator::new(contract, provider.clone());
        let log = MerkleLog::new();
        let liars = Self {
            assets,
            listed,
            group,
            replicas,
            voters,
            provider,
            reader,
            coordinator,
            sender,
            log,
            payer,
            sequence: 0,
            salt: 0,
            anvil,
            _dir: dir,
        };
        liars.pass_to((liars.now().await / u64::from(DAY_S) + 1) * u64::from(DAY_S)).await;
        liars
    }

    /// The time of the latest block.
    pub(super) async fn now(&self) -> u64 {
        let block = self.provider.get_block(alloy::eips::BlockId::latest()).await.unwrap().unwrap();
        block.header.timestamp
    }

    /// Moves the chain's clock on to `time`.
    pub(super) async fn pass_to(&self, time: u64) {
        let seconds = time.checked_sub(self.now().await).expect("time goes forward");
        pass(&self.provider, u32::try_from(seconds).unwrap()).await;
    }

    /// A voter's account on the contract.
    pub(super) async fn voter(&self, at: usize) -> ChainAgent {
        let contract = self.group.identity.contract.0;
        ChainAgent::new(&self.anvil.url, contract, self.voters[at].account.clone()).await.unwrap()
    }

    /// What an account has of an asset.
    pub(super) async fn balance(&self, asset: &Asset, of: AgentId) -> u128 {
        let balance = if asset.id == ETHER {
            self.provider.get_balance(of.0).await.unwrap()
        } else {
            Coin::new(asset.id.0, &self.provider).balanceOf(of.0).call().await.unwrap()
        };
        balance.to()
    }

    /// What `of` has of every asset.
    pub(super) async fn balances(&self, of: AgentId) -> [u128; 4] {
        let mut all = [0; 4];
        for (at, asset) in self.assets.iter().enumerate() {
            all[at] = self.balance(asset, of).await;
        }
        all
    }

    /// Writes into the log that the group approved these calls.
    pub(super) async fn invent(&mut self, class: u8, calls: Vec<Call>) -> EntryRecord {
        self.salt += 1;
        let (proposer, salt, description) = (self.voters[0].id(), self.salt, "invented".to_owned());
        let proposal = proposal_id(&self.group.identity.group, proposer, salt, class, &calls, &description);
        let (for_weight, against_weight, abstain_weight) = (3, 0, 0);
        let status = DecisionStatus::Approved;
        let decision = Decision { proposal, status, for_weight, against_weight, abstain_weight };
        let record = DecisionRecord { decision, proposer, salt, description, calls, class };
        self.note(EntryBody::Decision(Box::new(record))).await
    }

    async fn note(&mut self, body: EntryBody) -> EntryRecord {
        let (index, sequence) = (EntryIndex(self.log.size()), Sequence(self.sequence + 1));
        let time = TimestampMs(self.now().await * 1_000);
        let identity = &self.group.identity;
        let record = EntryRecord::new(identity, index, sequence, time, body, Outcome::Recorded);
        self.log.append(record.entry.leaf_hash());
        record
    }

    /// A checkpoint of the whole log that takes in the first `count` messages of the inbox, and the entry of the last.
    pub(super) async fn checkpoint(&mut self, count: u64, next: &[Member]) -> (Checkpoint, Taken) {
        let group = self.group.identity.group;
        let before = self.reader.inbox(group).await.unwrap().taken;
        let inbox_hash = match count.checked_sub(1) {
            Some(last) => self.reader.inbox_message(group, last).await.unwrap().unwrap().hash,
            None => Digest::default(),
        };
        let mut entry = None;
        if count > before {
            let disposition = quorate_protocol::entry::InboxDisposition::Dropped;
            let taken = InboxTaken { index: count - 1, hash: inbox_hash, disposition };
            let record = self.note(EntryBody::System(SystemEvent::InboxTaken(taken))).await;
            entry = Some((taken, record.entry));
        }
        let size = self.log.size();
        let taken = entry.map(|(taken, entry)| {
            let path = self.log.inclusion_proof(entry.index.0, size).unwrap();
            Taken::of(&taken, &entry, &path)
        });
        self.sequence += 1;
        let checkpoint = Checkpoint {
            group,
            epoch: self.group.epoch,
            sequence: Sequence(self.sequence),
            log_size: size,
            log_root: self.log.root(),
            state_root: Digest::from([2; 32]),
            inbox_count: count,
            inbox_hash,
            next_members_hash: if next.is_empty() { Digest::default() } else { Digest(members_hash(next)) },
        };
        (checkpoint, taken.unwrap_or_default())
    }

    /// The signatures of these replicas, by their places.
    pub(super) fn signatures(&self, checkpoint: &Checkpoint, signers: &[usize]) -> Bytes {
        let sign = |at: &usize| {
            let account = &self.replicas[*at].account;
            let signed = SignedCheckpoint::sign(&self.group.identity, checkpoint.clone(), account);
            CheckpointSignature { replica: signed.replica, signature: signed.signature }
        };
        let signatures = signers.iter().map(sign).collect();
        CheckpointCertificate { checkpoint: checkpoint.clone(), signatures }.packed_signatures().into()
    }

    /// The proof that the log extends the one of the last anchor.
    async fn consistency(&self) -> Vec<B256> {
        let anchored = self.reader.latest_anchor(self.group.identity.group).await.unwrap();
        match anchored.map_or(0, |anchor| anchor.log_size) {
            0 => Vec::new(),
            anchored => words(&self.log.consistency_proof(anchored, self.log.size()).unwrap()),
        }
    }

    /// Anchors the log as it is, by three of the four, with all that the inbox has.
    pub(super) async fn anchor(&mut self) -> Result<(), AgentCoordinatorErrors> {
        let length = self.reader.inbox(self.group.identity.group).await.unwrap().length;
        self.anchor_with(length, &[0, 1, 2]).await
    }

    /// Anchors the log as it is, with so many messages of the inbox, by these replicas.
    pub(super) async fn anchor_with(
        &mut self,
        count: u64,
        signers: &[usize],
    ) -> Result<(), AgentCoordinatorErrors> {
        let (checkpoint, taken) = self.checkpoint(count, &[]).await;
        let consistency = self.consistency().await;
        let signatures = self.signatures(&checkpoint, signers);
        sent(self.coordinator.anchor((&checkpoint).into(), signatures, consistency, taken).from(self.payer))
            .await
    }

    /// Anchors another log than the one before.
    pub(super) async fn anchor_instead(&mut self, other: &MerkleLog) -> Result<(), AgentCoordinatorErrors> {
        let length = self.reader.inbox(self.group.identity.group).await.unwrap().taken;
        let (mut checkpoint, taken) = self.checkpoint(length, &[]).await;
        (checkpoint.log_size, checkpoint.log_root) = (other.size(), other.root());
        // What no proof leads to: any will do.
        let consistency = words(&other.consistency_proof(1, other.size()).unwrap());
        let signatures = self.signatures(&checkpoint, &[0, 1, 2]);
        sent(self.coordinator.anchor((&checkpoint).into(), signatures, consistency, taken).from(self.payer))
            .await
    }

    /// Ends the epoch, and begins one of these members.
    pub(super) async fn rotate(
        &mut self,
        next: &[Member],
        mandate: Mandate,
    ) -> Result<(), AgentCoordinatorErrors> {
        let length = self.reader.inbox(self.group.identity.group).await.unwrap().length;
        let (checkpoint, taken) = self.checkpoint(length, next).await;
        let consistency = self.consistency().await;
        let signatures = self.signatures(&checkpoint, &[0, 1, 2]);
        let members = next.iter().map(quorate_contracts::Member::from).collect();
        let call = self.coordinator.anchorAndRotate(
            (&checkpoint).into(),
            signatures,
            consistency,
            taken,
            members,
            mandate,
        );
        sent(call.from(self.payer)).await
    }

    /// The receipt of an entry under the anchor of the log as it is. It verifies: a quorum attests whatever it likes.
    pub(super) fn receipt(&self, record: &EntryRecord) -> Receipt {
        let (size, root) = (self.log.size(), self.log.root());
        let head = LogHead { size, root, time_s: record.entry.timestamp.seconds() };
        let identity = self.group.identity;
        let attest = |agent: &Agent| Attestation::sign(&identity, &head, agent.id(), &agent.key);
        let attestations = self.replicas[..3].iter().map(attest).collect();
        let proof = self.log.inclusion_proof(record.entry.index.0, size).unwrap();
        let receipt = Receipt {
            identity,
            epoch: self.group.epoch,
            record: record.clone(),
            certificate: LogCertificate { head, attestations },
            proof: proof.clone(),
            anchor: Some(AnchorProof { size, root, proof }),
        };
        receipt.verify(&self.group).expect("what a quorum attests verifies");
        receipt
    }

    /// Other replicas follow, whose keys are in the same hand.
    pub(super) async fn succeed(&mut self, replicas: Vec<Agent>) {
        self.group = self.reader.group(self.group.identity.group).await.unwrap();
        self.replicas = replicas;
    }

    /// Executes an entry by its proof.
    pub(super) async fn execute(&self, record: &EntryRecord) -> Result<Included, SdkError> {
        self.sender.execute_anchored(&self.receipt(record)).await
    }

    /// Invents a decision, anchors it and executes it.
    pub(super) async fn try_at_once(&mut self, class: u8, calls: Vec<Call>) -> Result<Included, SdkError> {
        let record = self.invent(class, calls).await;
        self.anchor().await.unwrap();
        self.execute(&record).await
    }
}

async fn deployed(builder: RawCallBuilder<DynProvider>, payer: Address) -> Address {
    let receipt = builder.from(payer).send().await.unwrap().get_receipt().await.unwrap();
    receipt.contract_address.expect("it creates a contract")
}

/// The content of a decision, as the on-chain lane takes it.
pub(super) fn content(record: &EntryRecord) -> Content {
    match &record.body {
        EntryBody::Decision(record) => (&**record).into(),
        other => panic!("{other:?}"),
    }
}

/// The refusal of the coordinator.
pub(super) fn refusal<T: std::fmt::Debug>(result: Result<T, SdkError>) -> AgentCoordinatorErrors {
    match result {
        Err(SdkError::Reverted { error: Some(error), .. }) => match *error {
            Refusal::Coordinator(refusal) => refusal,
            Refusal::Account(refusal) => panic!("{refusal:?}"),
        },
        other => panic!("{other:?}"),
    }
}
