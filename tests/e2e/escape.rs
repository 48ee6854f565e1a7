//! The escape lane: a group that has stalled finishes a payment on-chain by the votes that it gave off-chain, once, and
//! its log learns of it when it goes on.

use std::time::Duration;

use alloy::primitives::U256;
use alloy::providers::Provider as _;
use quorate_protocol::api::{ProposalStatus, ProposalView, VoteView};
use quorate_protocol::entry::SystemEvent;
use quorate_protocol::operations::proposals::Propose;
use quorate_protocol::proposal::ChainVote;
use quorate_protocol::{
    AgentId, Call, Choice, DecisionStatus, EntryBody, EntryIndex, Policy, ProposalId, Terms,
};
use quorate_sdk::{ChainAgent, Client, SdkError};

use crate::network::{Network, Options, wait_for};

const STALL_S: u32 = 60;
const ETHER: u128 = 1_000_000_000_000_000_000;

/// One class that must be executed by the log, and one that can escape.
fn terms() -> Terms {
    let usual = Policy::of_weight(3, 4, 3_600, 0);
    let treasury = Policy { name: "treasury".into(), escape: true, ..usual.clone() };
    Terms { stall_time_s: STALL_S, classes: vec![usual.clone(), treasury], ..Terms::of_class(usual) }
}

fn payment(to: AgentId, salt: u64, class: u8) -> Propose {
    let calls = vec![Call { target: to, value: U256::from(2 * ETHER), data: vec![] }];
    Propose { salt, description: "The rent".into(), calls, class }
}

fn reverted<T: std::fmt::Debug>(result: Result<T, SdkError>) -> String {
    match result {
        Err(SdkError::Reverted { refusal, .. }) => refusal,
        other => panic!("{other:?}"),
    }
}

/// What a node shows of the proposal, and the vote of an agent that could not send it any more.
async fn with_vote(network: &Network, client: &Client, id: ProposalId, agent: usize) -> ProposalView {
    let mut view = client.proposal(id).await.unwrap().unwrap();
    let agent = &network.agents[agent];
    let (choice, voting_ends) = (Choice::For, view.closes.seconds());
    let vote = ChainVote { proposal: id, choice, epoch: view.epoch, voting_ends, nonce: 0 };
    let signature = Some(agent.account.sign_digest(&vote.digest(&client.group().identity)));
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
    assert!(reverted(chain.approve_from_log(network.group, &enough).await).contains("not stalled"));
    let _: serde_json::Value = provider.raw_request("evm_increaseTime".into(), [STALL_S + 1]).await.unwrap();
    wait_for("the group to count as stalled", async || {
        reader.has_stalled(network.group).await.unwrap().then_some(())
    })
    .await;

    let early = reverted(chain.approve_from_log(network.group, &given).await);
    assert!(early.contains("less than the threshold"), "{early}");
    let mut forged = enough.clone();
    forged.votes[0].signature = forged.votes[1].signature;
    let forged = reverted(chain.approve_from_log(network.group, &forged).await);
    assert!(forged.contains("not the vote of"), "{forged}");
    let mut later = enough.clone();
    later.closes = later.closes.plus(1_000);
    let later = reverted(chain.approve_from_log(network.group, &later).await);
    assert!(later.contains("not the vote of"), "a vote counts for no other deadline: {later}");

    chain.approve_from_log(network.group, &enough).await.unwrap();
    chain.execute(id, &enough.calls).await.unwrap();
    assert_eq!(provider.get_balance(landlord.0).await.unwrap(), U256::from(2 * ETHER));
    assert!(reader.executed(network.group, id).await.unwrap());
    assert!(reverted(chain.execute(id, &enough.calls).await).contains("executed"));

    // The group goes on, and its log takes in what happened meanwhile.
    network.launch(2);
    network.launch(3);
    network.ready(2).await;
    network.ready(3).await;
    let closed = wait_for("the log to say that it was executed", async || {
        let view = client.proposal(id).await.ok()??;
        (view.status == ProposalStatus::Approved).then_some(view)
    })
    .await;
    let entry = closed.decision.expect("it is closed by an entry");
    let mut pages = client.audit(EntryIndex(entry.0));
    let page = pages.next_page().await.unwrap().unwrap();
    let EntryBody::System(SystemEvent::ProposalExecuted { proposal }) = &page[0].body else {
        panic!("entry {entry}: {:?}", page[0].body);
    };
    assert_eq!(*proposal, id);
    wait_for("an anchor with the inbox taken in", async || {
        (reader.inbox(network.group).await.ok()?.taken == 1).then_some(())
    })
    .await;
    assert!(client.decision(id).await.unwrap().is_none(), "there is nothing that could be executed again");

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
}
