//! The bindings against a chain: the contracts go where [`deployment`] says, have the code that [`Build`] says, and tell the
//! reader what was done.

#![expect(clippy::unwrap_used, reason = "what a test sets up has to work")]

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use alloy::contract::{CallBuilder, CallDecoder};
use alloy::primitives::{Address, B256, U256, keccak256};
use alloy::providers::{DynProvider, Provider, ProviderBuilder};
use alloy::sol_types::SolValue;
use quorate_contracts::AgentCoordinator::AgentCoordinatorInstance;
use quorate_contracts::code::{Build, Deployed, Part};
use quorate_contracts::deployment::Adapter;
use quorate_contracts::reader::{
    CoordinatorReader, DEFAULT_TIMEOUT, EpochStart, InboxMark, InboxStatus, ProposalEventKind, ReaderError,
    SeatStatus, Spendable,
};
use quorate_contracts::{
    Directory, FLAG_REPLICA, FLAG_VOTER, GovernorView, Keeper, Member, ProposalStatus, Terms, deployment,
};
use quorate_protocol::group::{group_id, members_hash};
use quorate_protocol::{
    AgentId, Call, Choice, Class, Digest, ETHER, Epoch, Group, GroupId, GroupIdentity, InboxContent,
    InboxEvent, OnChainStatus, ProposalId, PublicKey, Sequence,
};

/// A running anvil. Killed when dropped.
struct Anvil {
    child: Child,
    url: String,
}

impl Anvil {
    fn start() -> Self {
        let os = if cfg!(target_os = "macos") { "darwin" } else { std::env::consts::OS };
        let machine = if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" };
        let binary = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join(format!("node_modules/@foundry-rs/anvil-{os}-{machine}/bin/anvil"));
        assert!(binary.exists(), "{} is missing: run `npm ci` in contracts/", binary.display());
        let mut child = Command::new(binary)
            .args(["--host", "127.0.0.1", "--port", "0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("anvil starts");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines.find_map(|line| line.ok()?.strip_prefix("Listening on ").map(str::to_owned));
        let url = format!("http://{}", address.expect("anvil says where it listens").trim());
        // Nobody reads the rest, but anvil must be able to write it.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, url }
    }
}

impl Drop for Anvil {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The coordinator with a group of four on it, whose members are anvil's accounts.
struct World {
    anvil: Anvil,
    coordinator: AgentCoordinatorInstance<DynProvider>,
    members: Vec<quorate_protocol::Member>,
    terms: quorate_protocol::Terms,
    group: GroupId,
}

impl World {
    async fn new() -> Self {
        let anvil = Anvil::start();
        let provider = ProviderBuilder::new().connect(&anvil.url).await.expect("anvil answers").erased();
        let mut accounts = provider.get_accounts().await.unwrap();
        let coordinator = deployment::deploy(provider, accounts[9]).await.unwrap();
        accounts.truncate(4);
        accounts.sort();
        let member = |(account, byte): (&Address, u8)| quorate_protocol::Member {
            agent: AgentId(*account),
            key: PublicKey([byte; 32]),
            weight: 1,
            flags: FLAG_VOTER | FLAG_REPLICA,
        };
        let members: Vec<_> = accounts.iter().zip(1..).map(member).collect();
        for member in &members {
            sent(coordinator.register(B256::from(member.key.0)).from(member.agent.0)).await;
        }
        let pay = Class::payments(3, 4, 7_200, (5, 7));
        let terms = quorate_protocol::Terms::of_classes(vec![pay, Class::constitution(3, 4, 7_200)]);
        let on_chain: Vec<Member> = members.iter().map(Member::from).collect();
        let salt = B256::repeat_byte(1);
        let creator = accounts[2];
        sent(coordinator.createGroup(on_chain, Terms::from(&terms), salt).from(creator)).await;
        let hash = members_hash(&members);
        let group = group_id(31_337, *coordinator.address(), creator, salt, hash, terms.hash());
        Self { anvil, coordinator, members, terms, group }
    }

    async fn reader(&self) -> CoordinatorReader {
        CoordinatorReader::connect(&self.anvil.url, *self.coordinator.address()).await.unwrap()
    }

    /// Proposes calls in the class that is always open.
    async fn propose(&self, calls: &[Call]) -> ProposalId {
        let proposer = self.members[1].agent;
        let on_chain = calls.iter().map(quorate_contracts::Call::from).collect();
        sent(self.coordinator.propose(self.group.0, 1, on_chain, "why".into(), 7).from(proposer.0)).await;
        quorate_protocol::proposal::proposal_id(&self.group, proposer, 7, 1, calls, "why")
    }
}

/// Sends a transaction that has an effect.
async fn sent<P: Provider, D: CallDecoder>(call: CallBuilder<P, D>) {
    let receipt = call.send().await.unwrap().get_receipt().await.unwrap();
    assert!(receipt.status(), "{receipt:?}");
}

#[tokio::test]
async fn the_contracts_go_to_their_addresses_once() {
    let anvil = Anvil::start();
    let provider = ProviderBuilder::new().connect(&anvil.url).await.unwrap();
    let deployer = provider.get_accounts().await.unwrap()[0];
    let build = Build::built_in();
    let coordinator = deployment::deploy(&provider, deployer).await.unwrap();
    assert_eq!(*coordinator.address(), build.address());
    assert_eq!(provider.get_transaction_count(deployer).await.unwrap(), 3);

    let deployed = Deployed::read(&anvil.url, build.address(), None, &build, DEFAULT_TIMEOUT).await.unwrap();
    assert_eq!(build.verify(&deployed), Ok(()));
    let addresses = build.addresses();
    assert_eq!(coordinator.onChainLane().call().await.unwrap(), addresses.on_chain_lane);
    assert_eq!(coordinator.groupRegistry().call().await.unwrap(), addresses.group_registry);
    assert_eq!(coordinator.groupAccountImplementation().call().await.unwrap(), deployed.group_account());

    deployment::deploy(&provider, deployer).await.unwrap();
    assert_eq!(provider.get_transaction_count(deployer).await.unwrap(), 3, "all is there already");
}

#[tokio::test]
async fn the_adapters_go_beside_the_coordinator() {
    let world = World::new().await;
    let provider = world.coordinator.provider();
    let contract = *world.coordinator.address();
    let deployer = provider.get_accounts().await.unwrap()[8];
    let adapters = [Adapter::Directory, Adapter::Keeper, Adapter::GovernorView(world.group)];
    let sent = deployment::deploy_adapters(provider, deployer, contract, &adapters).await.unwrap();
    assert_eq!(sent.iter().map(|sent| sent.part).collect::<Vec<_>>(), adapters);
    let [directory, keeper, view] = adapters.map(|adapter| adapter.address(contract));
    assert_eq!(Directory::new(directory, provider).coordinator().call().await.unwrap(), contract);
    assert_eq!(Keeper::new(keeper, provider).coordinator().call().await.unwrap(), contract);
    assert_eq!(GovernorView::new(view, provider).groupId().call().await.unwrap(), world.group.0);
    let again = deployment::deploy_adapters(provider, deployer, contract, &adapters).await.unwrap();
    assert_eq!(again, [], "all is there already");
}

#[tokio::test]
async fn what_is_there_is_not_sent_again() {
    let anvil = Anvil::start();
    let provider = ProviderBuilder::new().connect(&anvil.url).await.unwrap();
    let deployer = provider.get_accounts().await.unwrap()[0];
    let [lane, ..] = Build::built_in().creations();
    let request = alloy::rpc::types::TransactionRequest::default().from(deployer).to(deployment::PROXY);
    let sent = provider.send_transaction(request.input(lane.calldata.into())).await.unwrap();
    assert!(sent.get_receipt().await.unwrap().status());

    let sent = deployment::deploy_missing(&provider, deployer).await.unwrap();
    assert_eq!(
        sent.iter().map(|sent| sent.part).collect::<Vec<_>>(),
        [Part::GroupRegistry, Part::Coordinator]
    );
    assert_eq!(provider.get_transaction_count(deployer).await.unwrap(), 3, "one and then two");
}

#[tokio::test]
async fn without_the_proxy_nothing_is_sent() {
    let anvil = Anvil::start();
    let provider = ProviderBuilder::new().connect(&anvil.url).await.unwrap();
    let deployer = provider.get_accounts().await.unwrap()[0];
    let () = provider.raw_request("anvil_setCode".into(), (deployment::PROXY, "0xfe")).await.unwrap();
    let error = deployment::deploy(&provider, deployer).await.unwrap_err();
    assert!(matches!(error, deployment::DeployError::NoProxy { part: Part::OnChainLane }), "{error}");
    assert_eq!(provider.get_transaction_count(deployer).await.unwrap(), 0);
}

#[tokio::test]
async fn a_groups_account_is_where_it_is_worked_out_to_be() {
    let world = World::new().await;
    let (build, contract) = (Build::built_in(), *world.coordinator.address());
    let account = build.account_of(contract, world.group);
    assert_eq!(world.coordinator.accountOf(world.group.0).call().await.unwrap(), account);
    assert_eq!(world.reader().await.group_account(world.group).await.unwrap(), account);
    assert_eq!(deployment::account_of(contract, world.group), account);

    let read = Deployed::read(&world.anvil.url, contract, Some(world.group), &build, DEFAULT_TIMEOUT);
    assert_eq!(build.verify(&read.await.unwrap()), Ok(()));
    let nobody = Some(GroupId::from([9; 32]));
    let read = Deployed::read(&world.anvil.url, contract, nobody, &build, DEFAULT_TIMEOUT);
    assert_eq!(build.verify(&read.await.unwrap()).unwrap_err().part, Part::AccountProxy);
}

#[tokio::test]
async fn the_reader_tells_a_group_as_it_was_made() {
    let world = World::new().await;
    let (reader, id) = (world.reader().await, world.group);
    let contract = *world.coordinator.address();
    let identity = GroupIdentity { chain_id: 31_337, contract: AgentId(contract), group: id };
    let account = AgentId(deployment::account_of(contract, id));
    let (members, terms) = (world.members.clone(), world.terms.clone());
    let group = Group { identity, account, epoch: Epoch(0), members, terms, voters_since: Epoch(0) };
    assert_eq!(reader.group(id).await.unwrap(), group);
    assert_eq!(reader.group_at(id, Epoch(0)).await.unwrap(), group);

    let start = reader.epoch_start(id, Epoch(0)).await.unwrap().unwrap();
    let EpochStart { sequence, log_size, members_hash, total_weight, .. } = start;
    assert_eq!((sequence, log_size, total_weight), (Sequence(0), 0, 4));
    assert_eq!(members_hash, Digest(group.members_hash()));
    assert_eq!(reader.epoch_after(id, Epoch(0)).await.unwrap(), None);
    assert_eq!(
        (reader.latest_anchor(id).await.unwrap(), reader.anchors(id, 0).await.unwrap()),
        (None, vec![])
    );
    assert_eq!(reader.quorum(id).await.unwrap(), 3);
    let agents: Vec<_> = group.members.iter().map(|member| member.agent).collect();
    assert_eq!(reader.counted_replicas(id).await.unwrap(), agents);
    let seat = SeatStatus { left: false, convicted: false, bonded: false, exit_at_s: None, counts: true };
    assert_eq!(reader.seat(id, agents[0]).await.unwrap(), seat);
    assert!(!reader.seat(id, account).await.unwrap().counts);
    assert_eq!(reader.bond(id, agents[0]).await.unwrap().amount, 0);
    let spendable = Spendable { asset: ETHER, per_decision: 5, left: Some(7) };
    assert_eq!(reader.spendable(id, 0, ETHER).await.unwrap(), spendable);
    assert_eq!(reader.spendable(id, 0, account).await.unwrap().per_decision, 0);
    assert!(reader.is_up(id).await.unwrap() && !reader.has_stalled(id).await.unwrap());
    assert!(!reader.is_dead(id).await.unwrap());

    let other = GroupId::from([9; 32]);
    assert!(
        matches!(reader.group(other).await, Err(ReaderError::UnknownGroup { group, .. }) if group == other)
    );
}

#[tokio::test]
async fn the_reader_tells_what_happens_on_chain() {
    let world = World::new().await;
    let (reader, id) = (world.reader().await, world.group);
    let calls = [Call::payment(AgentId::from([9; 20]), U256::from(5))];
    let proposal = world.propose(&calls).await;

    let state = reader.proposal(id, proposal).await.unwrap().unwrap();
    assert_eq!((state.status, state.class, state.epoch), (ProposalStatus::Open, 1, Epoch(0)));
    assert!(state.voting_ends_s.is_some() && state.executable_s.is_none() && !state.from_log);
    assert_eq!(reader.proposal(id, ProposalId::from([1; 32])).await.unwrap(), None);

    let voter = world.members[0].agent;
    sent(world.coordinator.vote(id.0, proposal.0, Choice::For as u8).from(voter.0)).await;
    let cast = reader.vote_of(id, proposal, voter).await.unwrap().unwrap();
    assert_eq!((cast.count, cast.choice), (1, Choice::For));
    assert_eq!(reader.vote_of(id, proposal, world.members[2].agent).await.unwrap(), None);
    assert_eq!(reader.proposal(id, proposal).await.unwrap().unwrap().for_weight, 1);

    let told = reader.proposals(id, 0).await.unwrap();
    assert_eq!(told, reader.proposal_events(id, proposal).await.unwrap());
    let [event] = &told[..] else { panic!("{told:?}") };
    assert_eq!(
        (event.proposal, event.proposer, &event.calls[..]),
        (proposal, world.members[1].agent, &calls[..])
    );
    let ProposalEventKind::Created { description, voting_ends_s } = &event.kind else { panic!("{event:?}") };
    assert_eq!((description.as_str(), Some(*voting_ends_s)), ("why", state.voting_ends_s));
    assert_eq!(event.content().descriptionHash, keccak256("why"));

    // The inbox tells the log, and hashes to what the protocol works out.
    let messages = reader.inbox_messages(id, 0).await.unwrap();
    let [message] = &messages[..] else { panic!("{messages:?}") };
    let InboxContent::Event(InboxEvent::ProposalOpenedOnChain { proposal: opened, status, .. }) =
        message.content()
    else {
        panic!("{message:?}")
    };
    assert_eq!((opened, status), (proposal, OnChainStatus::Open));
    let mark = InboxMark { hash: message.chain_hash(Digest::default()), enqueued_at_s: message.enqueued_at };
    assert_eq!(reader.inbox_message(id, 0).await.unwrap(), Some(mark));
    assert_eq!(reader.inbox_message(id, 1).await.unwrap(), None);
    let waiting_since_s = Some(message.enqueued_at);
    let status = InboxStatus { length: 1, taken: 0, served_at_s: None, waiting_since_s };
    assert_eq!(reader.inbox(id).await.unwrap(), status);
    assert_eq!(
        (reader.epochs(id, 0).await.unwrap(), reader.recoveries(id, 0).await.unwrap()),
        (vec![], vec![])
    );
}

#[tokio::test]
async fn ids_are_what_the_contract_computes() {
    let world = World::new().await;
    let identity = GroupIdentity {
        chain_id: 31_337,
        contract: AgentId(*world.coordinator.address()),
        group: world.group,
    };
    let calls = [Call::new(AgentId::from([3; 20]), U256::from(1), vec![1, 2, 3, 4])];
    let on_chain: Vec<_> = calls.iter().map(quorate_contracts::Call::from).collect();
    let hash = world.coordinator.hashCalls(on_chain).call().await.unwrap();
    assert_eq!(Digest(hash), quorate_protocol::call::actions_hash(&calls));
    let proposer = world.members[0].agent;
    let id = quorate_protocol::proposal::proposal_id(&world.group, proposer, 7, 1, &calls, "why");
    let asked = world.coordinator.proposalIdOf(world.group.0, proposer.0, 7, 1, hash, keccak256("why"));
    assert_eq!(ProposalId(asked.call().await.unwrap()), id);
    let terms = keccak256(Terms::from(&world.terms).abi_encode());
    let asked = world.coordinator.groupIdOf(
        world.members[2].agent.0,
        B256::repeat_byte(1),
        members_hash(&world.members),
        terms,
    );
    assert_eq!(GroupId(asked.call().await.unwrap()), world.group);
    let domain = world.coordinator.domainSeparator().call().await.unwrap();
    assert_eq!(domain, identity.eip712_domain().separator());
}
