//! A replica that signs two checkpoints of one sequence loses its bond and its place, without anybody's doing.

use std::time::{Duration, Instant};

use alloy::primitives::U256;
use alloy::providers::Provider as _;
use alloy::rpc::types::Filter;
use alloy::sol_types::SolEvent as _;
use quorate_contracts::AgentCoordinator::{self, ReplicaConvicted};
use quorate_protocol::entry::SystemEvent;
use quorate_protocol::faults::Fault;
use quorate_protocol::operations::proposals::Propose;
use quorate_protocol::{
    AgentId, Call, Choice, DecisionStatus, EntryBody, EntryIndex, Epoch, InboxEvent, Terms,
};
use quorate_sdk::{ChainAgent, Client};

use crate::network::{Network, Options, usual_terms, wait_for};

/// One ether.
const BOND: u128 = 1_000_000_000_000_000_000;
/// A fifth of it goes to the reporter.
const REPORTER_SHARE: u16 = 2_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_signs_two_checkpoints_is_reported_by_another_and_loses_bond_and_place() {
    let terms = Terms {
        bond: BOND,
        evidence_window_s: 7 * 24 * 60 * 60,
        reporter_share: REPORTER_SHARE,
        // Every four of five voters, and also every four of the four that remain.
        ..usual_terms()
    };
    let liar = 2;
    let faults = vec![(liar, Fault::CheckpointEquivocated)];
    let mut network = Network::found_with(Options { nodes: 5, terms, faults, ..Options::default() }).await;
    let accused = network.agents[liar].id();
    let provider = network.provider();
    let coordinator = AgentCoordinator::new(network.contract, &provider);
    let reader = network.reader().await;
    for agent in &network.agents {
        let chain =
            ChainAgent::new(&network.anvil.url, network.contract, agent.account.clone()).await.unwrap();
        chain.deposit(network.group, U256::from(BOND)).await.unwrap();
    }
    let group_id = network.group.0;
    let bond = async |replica: AgentId| coordinator.bondOf(group_id, replica.0).call().await.unwrap().amount;
    assert_eq!(bond(accused).await, BOND);
    let treasury = provider.get_balance(network.account).await.unwrap();

    network.launch_all().await;
    let client = network.client().await;
    // Something to make checkpoints of. Whoever has a certificate without the liar's signature before it hears of the
    // liar's two keeps no evidence of them; another comes. The rest happens by itself.
    let mut salt = 0;
    let mut next = Instant::now();
    wait_for("the conviction", async || {
        if Instant::now() >= next {
            salt += 1;
            propose(&client, &network, salt, vec![]).await;
            next = Instant::now() + Duration::from_secs(2);
        }
        reader.seat(network.group, accused).await.ok()?.convicted.then_some(())
    })
    .await;

    // The bond is gone: a share to the reporter, who is another replica, and the rest to the group.
    assert_eq!(bond(accused).await, 0);
    let reports = Filter::new()
        .address(network.contract)
        .event_signature(ReplicaConvicted::SIGNATURE_HASH)
        .from_block(0);
    let reports = provider.get_logs(&reports).await.unwrap();
    assert_eq!(reports.len(), 1, "exactly one");
    let report = ReplicaConvicted::decode_log(&reports[0].inner).unwrap();
    let reward = U256::from(BOND / 5);
    assert_eq!((report.replica, report.forfeited, report.reward), (accused.0, U256::from(BOND), reward));
    let reporter =
        (0..5).find(|at| network.agents[*at].id().0 == report.reporter).expect("a replica reports");
    assert_ne!(reporter, liar);
    let after = provider.get_balance(network.account).await.unwrap();
    assert_eq!(after - treasury, U256::from(BOND) - reward);
    let block = reports[0].block_number.unwrap();
    let balance =
        async |number: u64| provider.get_balance(report.reporter).block_id(number.into()).await.unwrap();
    let fee = provider.get_transaction_receipt(reports[0].transaction_hash.unwrap()).await.unwrap().unwrap();
    let fee = U256::from(u128::from(fee.gas_used) * fee.effective_gas_price);
    assert!(balance(block).await + fee >= balance(block - 1).await + reward, "and the reporter has it");
    wait_for("the reporter to say so", async || {
        network.said(reporter, "the contract has convicted replica").then_some(())
    })
    .await;

    // The group's log says so, and the next epoch is without the replica, off-chain and in the contract.
    wait_for("the contract's next epoch", async || {
        (coordinator.group(network.group.0).call().await.ok()?.epoch == 1).then_some(())
    })
    .await;
    let members = coordinator.members(network.group.0).call().await.unwrap();
    let seat = members.iter().find(|member| member.account == accused.0);
    assert!(seat.is_none_or(|member| member.flags & 2 == 0), "it is no replica any more");
    let client = network.client().await;
    let group = client.group();
    assert_eq!((group.epoch, group.replicas().len()), (Epoch(1), 4));
    assert!(group.replicas().index_of(accused).is_none());
    assert!(convicted_in_log(&client).await.contains(&accused));

    // And it still decides and pays, without the one that is gone.
    network.stop_if_running(liar);
    let supplier = AgentId::from([0x51; 20]);
    let price = U256::from(BOND);
    let calls = vec![Call::payment(supplier, price)];
    let proposal = propose(&client, &network, 2, calls).await;
    for at in (0..5).filter(|at| *at != liar) {
        client.vote(&network.agents[at], proposal, Choice::For).await.unwrap();
    }
    let decided = client.wait(proposal, Duration::from_secs(20)).await.unwrap();
    assert_eq!(decided.record.decision.status, DecisionStatus::Approved);
    let paid = wait_for("the anchored decision", async || {
        let decided = client.decision(proposal).await.ok()??;
        decided.receipt.anchor.is_some().then_some(decided.receipt)
    })
    .await;
    let account = network.agents[0].account.clone();
    let chain = ChainAgent::new(&network.anvil.url, network.contract, account).await.unwrap();
    chain.execute_anchored(&paid).await.unwrap();
    assert_eq!(provider.get_balance(supplier.0).await.unwrap(), price);
    network.assert_audited(reporter).await;
}

/// The first agent proposes, with a fresh nonce: its node may speak with the same key.
async fn propose(
    client: &Client,
    network: &Network,
    salt: u64,
    calls: Vec<Call>,
) -> quorate_protocol::ProposalId {
    let propose = Propose { salt, description: "Go on".into(), calls, class: 0 };
    client.propose(&network.agents[0], propose).await.unwrap().proposal
}

/// The replicas that the log has as convicted.
async fn convicted_in_log(client: &Client) -> Vec<AgentId> {
    let mut pages = client.audit(EntryIndex(0));
    let mut convicted = Vec::new();
    while let Some(page) = pages.next_page().await.unwrap() {
        convicted.extend(page.into_iter().filter_map(|record| match record.body {
            EntryBody::System(SystemEvent::OnChain(InboxEvent::ReplicaConvicted { replica })) => {
                Some(replica)
            }
            _ => None,
        }));
    }
    convicted
}
