//! Recovery: the replicas of a group are gone for good, its voters replace them on-chain, and the new ones go on with the
//! log from its last anchor.

use std::path::Path;
use std::time::Duration;

use alloy::primitives::U256;
use alloy::providers::{DynProvider, Provider as _};
use alloy::sol_types::SolCall as _;
use quorate_contracts::AgentCoordinator::recoverCall;
use quorate_contracts::Content;
use quorate_protocol::api::ProposalStatus;
use quorate_protocol::group::{FLAG_REPLICA, FLAG_VOTER};
use quorate_protocol::operations::proposals::Propose;
use quorate_protocol::proposal::description_hash;
use quorate_protocol::{
    AgentId, Call, Choice, Class, DecisionStatus, Epoch, Member, ProposalId, Receipt, Terms,
};
use quorate_sdk::{Agent, ChainAgent, Client, verify_receipt};

use crate::inbox::{command, enqueue};
use crate::network::{LIMITS, Network, Options, pass, wait_for};

const DAY_S: u32 = 86_400;
/// For how long a message must have waited before the voters may replace the replicas.
const RECOVERY_S: u32 = 7 * DAY_S;

fn terms() -> Terms {
    let classes = vec![Class::payments(3, 4, 600, LIMITS), Class::constitution(3, 4, DAY_S)];
    Terms { recovery_time_s: RECOVERY_S, ..Terms::of_classes(classes) }
}

async fn propose(client: &Client, agent: &Agent, salt: u64) -> (ProposalId, Receipt) {
    let propose = Propose { salt, description: format!("proposal {salt}"), calls: vec![], class: 0 };
    let proposed = client.propose(agent, propose).await.unwrap();
    (proposed.proposal, proposed.receipt)
}

async fn chain_of(network: &Network, agent: usize) -> ChainAgent {
    let account = network.agents[agent].account.clone();
    ChainAgent::new(&network.anvil.url, network.contract, account).await.unwrap()
}

/// Waits until the whole log of a node is anchored, and returns its size.
async fn all_anchored(network: &Network, at: usize) -> u64 {
    let reader = network.reader().await;
    wait_for("an anchor of all", async || {
        let anchored = reader.latest_anchor(network.group).await.ok()??.log_size;
        (network.log(at).await.0 == anchored).then_some(anchored)
    })
    .await
}

/// Stops or starts the making of blocks.
async fn mine_every(provider: &DynProvider, seconds: u64) {
    let () = provider.raw_request("evm_setIntervalMining".into(), (seconds,)).await.unwrap();
}

/// The voters 0, 1 and 2 replace the members on-chain.
async fn recover(network: &Network, epoch: Epoch, members: &[Member]) {
    let (group, provider) = (network.group, network.provider());
    let members = members.iter().map(Into::into).collect();
    let call = recoverCall { groupId: group.0, epoch: epoch.0, members };
    let call = Call { gas: 2_000_000, ..Call::new(AgentId(network.contract), U256::ZERO, call.abi_encode()) };
    let description = "The replicas are gone".to_owned();
    let content = Content {
        proposer: network.agents[0].id().0,
        salt: 1,
        class: 1,
        descriptionHash: description_hash(&description).into(),
        calls: vec![(&call).into()],
    };
    let propose = Propose { salt: 1, description, calls: vec![call], class: 1 };
    let (id, _) = chain_of(network, 0).await.propose(group, &propose).await.unwrap();
    for voter in 0..3 {
        chain_of(network, voter).await.vote(group, id, Choice::For).await.unwrap();
    }
    pass(&provider, terms().classes[1].timelock_s).await;
    chain_of(network, 0).await.execute(group, &content).await.unwrap();
}

/// `quorate node recover` of a node.
fn rebuild(network: &Network, at: usize, from: &Path) -> (i32, String) {
    let config = network.config(at);
    let arguments = ["recover", "--config", config.to_str().unwrap(), "--from", from.to_str().unwrap()];
    network.node_command(&arguments)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_group_goes_on_with_new_replicas_in_the_next_era() {
    let options = Options { spare: 3, terms: terms(), ..Options::default() };
    let mut network = Network::start_with(options).await;
    let (provider, reader) = (network.provider(), network.reader().await);
    let client = network.client().await;
    let (decided_before, _) = propose(&client, &network.agents[0], 1).await;
    for agent in &network.agents[..3] {
        client.vote(agent, decided_before, Choice::For).await.unwrap();
    }
    let (open, before) = propose(&client, &network.agents[1], 2).await;
    let anchored = all_anchored(&network, 0).await;

    // What comes after the last anchor is void one day.
    mine_every(&provider, 0).await;
    let (void, _) = propose(&client, &network.agents[2], 3).await;
    for at in [1, 2] {
        network.kill_9(at);
    }
    let () = provider.raw_request("anvil_dropAllTransactions".into(), ()).await.unwrap();
    // Without a quorum, nothing is anchored any more; with what is stable, something could be.
    for at in [0, 3] {
        network.kill_9(at);
    }
    let () = provider.raw_request("anvil_dropAllTransactions".into(), ()).await.unwrap();
    mine_every(&provider, 1).await;
    assert_eq!(reader.latest_anchor(network.group).await.unwrap().unwrap().log_size, anchored);

    enqueue(&network, 0, &command(&network, 1, 500)).await;
    pass(&provider, RECOVERY_S + 60).await;
    assert!(reader.is_dead(network.group).await.unwrap());
    // One that comes back to see the end of its era. It would anchor what it has, if a quorum had signed that.
    network.launch(3);
    let members: Vec<Member> = [0, 4, 5, 6]
        .map(|at: usize| {
            (&network.agents[at], if at == 6 { FLAG_REPLICA } else { FLAG_VOTER | FLAG_REPLICA })
        })
        .map(|(agent, flags)| Member {
            agent: agent.id(),
            key: agent.public_key(),
            weight: u64::from(flags & FLAG_VOTER != 0),
            flags,
        })
        .into();
    let mut members = members;
    members.sort_by_key(|member| member.agent);
    recover(&network, Epoch(0), &members).await;
    let era = Epoch::of(1, 0);
    assert_eq!(reader.epoch(network.group).await.unwrap(), era);
    assert_eq!(network.ended(3).await, 4);
    assert!(network.said(3, "recovered on-chain to era 1"), "a running node says why it ends");

    // A node of before does not start again, and its data does not become the new era's by itself.
    let (code, why) = network.run_to_its_end(&network.config(0));
    assert_eq!(code, 4, "{why}");
    assert!(why.contains("recovered on-chain to era 1") && why.contains("node recover --from"), "{why}");
    let (code, why) = network.run_to_its_end(&network.config(1));
    assert!(code == 4 && why.contains("era 1"), "also one that is no replica any more: {why}");
    let data = network.node_dir(0).join("data");
    let (code, why) = rebuild(&network, 0, &data);
    assert!(code == 4 && why.contains("not empty"), "{why}");
    let old = network.node_dir(0).join("data-old");
    std::fs::rename(&data, &old).unwrap();
    let (code, why) = rebuild(&network, 1, &old);
    assert!(code == 5 && why.contains("not a replica"), "{why}");

    // Three rebuild theirs from a copy of one old directory, the fourth has no such copy.
    for at in [0, 4, 5] {
        let (code, why) = rebuild(&network, at, &old);
        assert_eq!(code, 0, "{why}");
    }
    for at in [0, 4, 5] {
        network.launch(at);
    }
    for at in [0, 4, 5] {
        network.ready(at).await;
    }
    let client = network.client().await;
    assert_eq!(client.group().epoch, era);
    let (after, receipt) = propose(&client, &network.agents[4], 1).await;
    for at in [0, 4, 5] {
        client.vote(&network.agents[at], after, Choice::For).await.unwrap();
    }
    let decided = client.wait(after, Duration::from_secs(20)).await.unwrap();
    assert_eq!(decided.record.decision.status, DecisionStatus::Approved);
    assert_eq!(receipt.epoch, era);

    // The contract takes the era's anchors: they extend the last one of before.
    let latest = wait_for("an anchor of the new era", async || {
        let latest = reader.latest_anchor(network.group).await.ok()??;
        (latest.epoch == era && latest.log_size > receipt.record.entry.index.0).then_some(latest)
    })
    .await;
    assert!(latest.log_size > anchored);
    wait_for("the inbox to be taken in", async || {
        let inbox = reader.inbox(network.group).await.ok()?;
        (inbox.length > 1 && inbox.taken == inbox.length).then_some(())
    })
    .await;

    // The fourth fetches the state, and counts.
    network.launch(6);
    network.ready(6).await;
    network.kill_9(5);
    propose(&client, &network.agents[0], 10).await;
    network.one_log(&[0, 4, 6]).await;

    // What was open takes no more votes, what was not anchored never happened, what was decided stays.
    assert!(client.proposal(void).await.unwrap().is_none());
    assert_eq!(client.proposal(decided_before).await.unwrap().unwrap().status, ProposalStatus::Approved);
    let vote = client.vote(&network.agents[0], open, Choice::For).await;
    assert!(format!("{vote:?}").contains("other_voters"), "{vote:?}");

    // Receipts of both eras verify by the chain alone, and so does the log as a whole.
    for receipt in [&before, &receipt] {
        verify_receipt(&reader, network.group, &receipt.encode()).await.unwrap();
    }
    for at in [0, 6] {
        network.assert_audited(at).await;
    }

    // Epochs follow one another within the era.
    network.launch(5);
    network.ready(5).await;
    let renewed =
        client.change_members(&network.agents[0], members.clone(), "renew".into(), 20).await.unwrap();
    for at in [0, 4, 5] {
        client.vote(&network.agents[at], renewed.proposal, Choice::For).await.unwrap();
    }
    wait_for("the next epoch of the era", async || {
        (reader.epoch(network.group).await.ok()? == Epoch::of(1, 1)).then_some(())
    })
    .await;
    network.one_log(&[0, 4, 5, 6]).await;
    network.assert_audited(5).await;
}
