//! The escape lane: a group that has stalled finishes a payment on-chain by the votes that it gave off-chain, once, and
//! its log learns of it when it goes on.

use std::time::{Duration, Instant};

use alloy::primitives::U256;
use alloy::providers::Provider as _;
use quorate_contracts::Content;
use quorate_protocol::api::{ProposalStatus, ProposalView, VoteView};
use quorate_protocol::entry::SystemEvent;
use quorate_protocol::operations::proposals::Propose;
use quorate_protocol::{
    AgentId, Call, ChainVote, Choice, Class, DecisionStatus, EntryBody, EntryRecord, InboxEvent,
    OnChainStatus, ProposalId, Terms,
};
use quorate_sdk::{ChainAgent, Client, SdkError};
use serde_json::Value;

use crate::inbox::{command, enqueue, log};
use crate::network::{LIMITS, Network, Options, pass, wait_for};
use crate::voters::{fail, json};

/// After how long a message that nobody takes means that the group has stalled.
const STALL_S: u32 = 3_600;
/// How long what is approved on-chain waits.
const TIMELOCK_S: u32 = 3_600;
const ETHER: u128 = 1_000_000_000_000_000_000;

/// One class that must be executed by the log, and one that can escape.
fn terms() -> Terms {
    let usual = Class::payments(3, 4, 3_600, LIMITS);
    let treasury = Class {
        name: "treasury".into(),
        escape: true,
        timelock_s: TIMELOCK_S,
        ..Class::payments(3, 4, 4 * STALL_S, LIMITS)
    };
    Terms { stall_time_s: STALL_S, ..Terms::of_classes(vec![usual, treasury]) }
}

fn payment(to: AgentId, salt: u64, class: u8) -> Propose {
    let calls = vec![Call::payment(to, U256::from(2 * ETHER))];
    Propose { salt, description: "The rent".into(), calls, class }
}

fn reverted<T: std::fmt::Debug>(result: Result<T, SdkError>) -> String {
    match result {
        Err(SdkError::Reverted { refusal, .. }) => refusal,
        other => panic!("{other:?}"),
    }
}

/// What the contract told by its inbox.
fn on_chain(record: EntryRecord) -> Option<InboxEvent> {
    match record.body {
        EntryBody::System(SystemEvent::OnChain(event)) => Some(event),
        _ => None,
    }
}

/// What a node shows of the proposal, and the vote of an agent that could not send it any more.
async fn with_vote(network: &Network, client: &Client, id: ProposalId, agent: usize) -> ProposalView {
    let mut view = client.proposal(id).await.unwrap().unwrap();
    let agent = &network.agents[agent];
    let (choice, voting_ends) = (Choice::For, view.closes.seconds());
    let vote =
        ChainVote { voter: agent.id(), proposal: id, choice, epoch: view.epoch, voting_ends, nonce: 0 };
    let signature = Some(agent.account.sign_digest(&vote.digest(&client.group().identity)).into());
    view.votes.push(VoteView { voter: agent.id(), choice, weight: 1, signature });
    view.votes.sort_by_key(|vote| vote.voter);
    view
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalled_group_finishes_a_payment_on_chain_and_goes_on() {
    let mut network = Network::start_with(Options { terms: terms(), ..Options::default() }).await;
    let client = network.client().await;
    let (provider, reader) = (network.provider(), network.reader().await);
    let landlord = AgentId::from([0x1d; 20]);
    let id = client.propose(&network.agents[0], payment(landlord, 1, 1)).await.unwrap().proposal;
    for agent in &network.agents[..2] {
        client.vote(agent, id, Choice::For).await.unwrap();
    }

    // Two of four are gone: the group can neither decide nor anchor.
    network.kill_9(2);
    network.kill_9(3);
    let given = client.proposal(id).await.unwrap().unwrap();
    assert!(given.votes.iter().all(|vote| vote.signature.is_some()));
    let enough = with_vote(&network, &client, id, 2).await;

    let account = network.agents[1].account.clone();
    let chain = ChainAgent::new(&network.anvil.url, network.contract, account).await.unwrap();
    // That nobody anchors is no stall: somebody has to wait for it.
    pass(&provider, STALL_S).await;
    assert!(reverted(chain.approve_by_sigs(network.group, &enough).await).contains("not stalled"));
    enqueue(&network, 0, &command(&network, 1, 50)).await;
    assert!(reverted(chain.approve_by_sigs(network.group, &enough).await).contains("not stalled"));
    pass(&provider, STALL_S).await;
    assert!(reader.has_stalled(network.group).await.unwrap());

    let early = reverted(chain.approve_by_sigs(network.group, &given).await);
    assert!(early.contains("less than the threshold"), "{early}");
    let mut forged = enough.clone();
    forged.votes[0].signature = forged.votes[1].signature.clone();
    let forged = reverted(chain.approve_by_sigs(network.group, &forged).await);
    assert!(
        forged.contains("less than the threshold"),
        "a vote that another signed does not count: {forged}"
    );
    let mut later = enough.clone();
    later.closes = later.closes.plus(1_000);
    let later = reverted(chain.approve_by_sigs(network.group, &later).await);
    assert!(later.contains("less than the threshold"), "a vote counts for no other deadline: {later}");

    chain.approve_by_sigs(network.group, &enough).await.unwrap();
    let content = Content::from(&enough);
    let early = reverted(chain.execute(network.group, &content).await);
    assert!(early.contains("may be executed from"), "{early}");
    pass(&provider, TIMELOCK_S).await;
    chain.execute(network.group, &content).await.unwrap();
    assert_eq!(provider.get_balance(landlord.0).await.unwrap(), U256::from(2 * ETHER));
    assert!(reader.executed(network.group, id).await.unwrap());
    assert!(reverted(chain.execute(network.group, &content).await).contains("executed"));

    // The group goes on, and its log takes in what happened meanwhile.
    network.launch(2);
    network.launch(3);
    network.ready(2).await;
    network.ready(3).await;
    wait_for("the log to say that the proposal has moved", async || {
        let view = client.proposal(id).await.ok()??;
        (view.status == ProposalStatus::Moved).then_some(())
    })
    .await;
    wait_for("an anchor with the inbox taken in", async || {
        (reader.inbox(network.group).await.ok()?.taken == 3).then_some(())
    })
    .await;
    let told: Vec<_> = log(&client).await.into_iter().filter_map(on_chain).collect();
    let [InboxEvent::ProposalOpenedOnChain { proposal: opened, status, .. }, closed] = &told[..] else {
        panic!("{told:?}");
    };
    assert_eq!((*opened, *status), (id, OnChainStatus::Approved));
    let executed = InboxEvent::ProposalClosedOnChain { proposal: id, status: OnChainStatus::Executed };
    assert_eq!(*closed, executed);
    assert!(client.decision(id).await.unwrap().is_none(), "there is nothing that could be executed again");
    assert!(matches!(client.wait(id, Duration::from_secs(60)).await, Err(SdkError::Moved { .. })));
    // Who asks for the decision learns what became of it, at once.
    let asked = Instant::now();
    let shown = json(&network, 0, &["decision", &id.to_string(), "--wait", "60"]);
    assert!(asked.elapsed() < Duration::from_secs(20));
    assert_eq!((&shown["decision"], &shown["on_chain"]["status"]), (&Value::Null, &"executed".into()));
    assert_eq!(shown["calls"][0]["target"], landlord.to_string().to_lowercase());
    fail(&network, 0, &["decision", &id.to_string(), "--execute"], 9, "where it is executed");

    // And decides the usual way.
    let next = client.propose(&network.agents[3], payment(landlord, 2, 0)).await.unwrap().proposal;
    for agent in &network.agents[1..] {
        client.vote(agent, next, Choice::For).await.unwrap();
    }
    let decided = client.wait(next, Duration::from_secs(20)).await.unwrap();
    assert_eq!(decided.record.decision.status, DecisionStatus::Approved);
    let receipt = wait_for("the decision's anchor", async || {
        let receipt = client.decision(next).await.ok()??.receipt;
        receipt.anchor.is_some().then_some(receipt)
    })
    .await;
    chain.execute_anchored(&receipt).await.unwrap();
    assert_eq!(provider.get_balance(landlord.0).await.unwrap(), U256::from(4 * ETHER));
    network.assert_audited(2).await;
}
