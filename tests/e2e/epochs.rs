//! The members of a group change while it works, and the contract follows.

use std::time::Duration;

use alloy::primitives::U256;
use alloy::providers::Provider as _;
use quorate_protocol::operations::proposals::Propose;
use quorate_protocol::{AgentId, Call, Choice, DecisionStatus, Epoch, Member, Receipt};
use quorate_sdk::{Agent, ChainAgent, Client, verify_receipt};

use crate::network::{Network, wait_for};

/// Has the group adopt `members` by the votes of the first three agents, and waits until the contract has.
async fn adopt(network: &Network, client: &Client, members: Vec<Member>, epoch: u64) {
    let salt = epoch;
    let proposed = client.change_members(&network.agents[0], members, "change".into(), salt).await.unwrap();
    for agent in &network.agents[..3] {
        client.vote(agent, proposed.proposal, Choice::For).await.unwrap();
    }
    let decided = client.wait(proposed.proposal, Duration::from_secs(20)).await.unwrap();
    assert_eq!(decided.record.decision.status, DecisionStatus::Approved);
    let reader = network.reader().await;
    wait_for("the contract's epoch", async || {
        (reader.epoch(network.group).await.ok()? == Epoch(epoch)).then_some(())
    })
    .await;
}

async fn propose(client: &Client, agent: &Agent, salt: u64) -> Receipt {
    let propose = Propose { salt, description: format!("proposal {salt}"), calls: vec![], class: 0 };
    client.propose(agent, propose).await.unwrap().receipt
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_lost_everything_comes_back_when_the_members_are_renewed() {
    let mut network = Network::start().await;
    let client = network.client().await;
    let before = propose(&client, &network.agents[1], 100).await;
    network.kill_9(3);
    std::fs::remove_dir_all(network.node_dir(3).join("data")).unwrap();
    network.launch(3);
    network.ready(3).await;
    // It follows the others, and knows from its keystore's marker that it must not speak.
    wait_for("the wiped node to follow", async || {
        (network.log(3).await.0 > before.record.entry.index.0).then_some(())
    })
    .await;
    let group = client.group().clone();
    adopt(&network, &client, group.members.clone(), 1).await;
    the_log_ends_where_the_epoch_did(&mut network, &before).await;

    // It counts again: without another node there is still a quorum.
    network.ready(3).await;
    network.kill_9(2);
    let after = propose(&client, &network.agents[1], 101).await;
    assert_eq!((before.epoch, after.epoch), (Epoch(0), Epoch(1)));
    // Receipts of either epoch verify by the chain alone.
    let reader = network.reader().await;
    for receipt in [&before, &after] {
        verify_receipt(&reader, network.group, &receipt.encode()).await.unwrap();
        let other = Receipt { epoch: Epoch(receipt.epoch.0 ^ 1), ..receipt.clone() };
        assert!(verify_receipt(&reader, network.group, &other.encode()).await.is_err(), "{}", other.epoch);
    }
    network.launch(2);
    network.ready(2).await;
    network.one_log(&[0, 1, 2, 3]).await;
    network.assert_audited(3).await;
}

/// Nothing was ordered since the epoch began, and the replicas have their keys of before. What they attest of the whole log is
/// the epoch's before, also once all have forgotten their certificates; and nobody can tell it otherwise.
async fn the_log_ends_where_the_epoch_did(network: &mut Network, before: &Receipt) {
    let reader = network.reader().await;
    let begin = reader.epoch_start(network.group, Epoch(1)).await.unwrap().unwrap().log_size;
    (0..4).for_each(|at| network.kill_9(at));
    network.launch_all().await;
    assert_eq!(network.one_log(&[0, 1, 2, 3]).await.0, begin);
    for at in 0..4 {
        let path = format!("/entries/{}/receipt", before.record.entry.index);
        let url = format!("{}/v1/groups/{}{path}", network.url(at), network.group);
        let receipt = wait_for("a certificate of the whole log", async || {
            let answer =
                reqwest::Client::new().get(&url).header("accept", "application/cbor").send().await.ok()?;
            let receipt = Receipt::decode(&answer.bytes().await.ok()?).ok()?;
            (receipt.certificate.head.size == begin).then_some(receipt)
        })
        .await;
        assert_eq!(receipt.epoch, Epoch(0), "node {at}");
        verify_receipt(&reader, network.group, &receipt.encode()).await.unwrap();
        let other = Receipt { epoch: Epoch(1), ..receipt };
        assert!(verify_receipt(&reader, network.group, &other.encode()).await.is_err());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_rotated_and_the_group_pays_in_the_new_epoch() {
    let mut network = Network::start().await;
    let client = network.client().await;
    let fresh = network.new_key(3);
    let members = client
        .group()
        .members
        .iter()
        .map(|member| match member.agent == network.agents[3].id() {
            true => Member { key: fresh, ..member.clone() },
            false => member.clone(),
        })
        .collect();
    adopt(&network, &client, members, 1).await;
    // The process with the old key ends by itself, with the exit code of a key that does not fit.
    assert_eq!(network.ended(3).await, 5);
    network.use_new_key(3);
    network.launch(3);
    network.ready(3).await;
    network.kill_9(0);

    let client = network.client().await;
    assert_eq!(client.group().epoch, Epoch(1), "the group comes from the contract");
    let supplier = AgentId::from([0x51; 20]);
    let price = U256::from(1_000_000_000_000_000_000u128);
    let calls = vec![Call::payment(supplier, price)];
    let pay = Propose { salt: 7, description: "Pay the supplier".into(), calls, class: 0 };
    let proposed = client.propose(&network.agents[1], pay).await.unwrap();
    for agent in &network.agents[..3] {
        client.vote(agent, proposed.proposal, Choice::For).await.unwrap();
    }
    client.wait(proposed.proposal, Duration::from_secs(20)).await.unwrap();
    let paid = wait_for("the anchored decision", async || {
        let decided = client.decision(proposed.proposal).await.ok()??;
        decided.receipt.anchor.is_some().then_some(decided.receipt)
    })
    .await;
    let chain = ChainAgent::new(&network.anvil.url, network.contract, network.agents[1].account.clone());
    chain.await.unwrap().execute_anchored(&paid).await.unwrap();
    assert_eq!(network.provider().get_balance(supplier.0).await.unwrap(), price);
}
