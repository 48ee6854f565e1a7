//! The client's calls, against nodes of every kind.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use quorate_protocol::api::ErrorCode;
use quorate_protocol::operations::proposals::Propose;
use quorate_protocol::{Call, Choice, DecisionStatus, Refusal, U256};
use quorate_sdk::client::Lie;
use quorate_sdk::{Agent, Client, NodeFailure, RetryPolicy, SdkError};

use crate::node::{Behaviour, Node};
use crate::world::World;

fn quick() -> RetryPolicy {
    RetryPolicy {
        request_timeout: Duration::from_millis(1500),
        node_wait: Duration::from_millis(300),
        total_timeout: Duration::from_secs(20),
        hedge_after: Some(Duration::from_millis(100)),
        backoff: Duration::from_millis(5),
        max_backoff: Duration::from_millis(50),
    }
}

fn impatient() -> RetryPolicy {
    RetryPolicy { total_timeout: Duration::from_millis(600), ..quick() }
}

struct Stage {
    world: Arc<Mutex<World>>,
    nodes: Vec<Node>,
}

impl Stage {
    async fn of(behaviours: &[Behaviour]) -> Self {
        let world = Arc::new(Mutex::new(World::new(7)));
        let mut nodes = Vec::new();
        for behaviour in behaviours {
            nodes.push(Node::start(&world, behaviour.clone()).await);
        }
        Self { world, nodes }
    }

    fn client(&self, policy: RetryPolicy) -> Client {
        let group = self.world.lock().unwrap().group.clone();
        let urls = self.nodes.iter().map(|node| node.url.clone());
        Client::builder().nodes(urls).retry(policy).build(group).unwrap()
    }

    fn agents(&self) -> Vec<Agent> {
        self.world.lock().unwrap().agents.clone()
    }
}

fn proposal(salt: u64) -> Propose {
    Propose { salt, description: "renew the domain".into(), calls: vec![], class: 0 }
}

/// Something in the log already, for nodes to give the wrong receipt of.
fn with_history(stage: &Stage) {
    stage.world.lock().unwrap().decide("history", vec![], &[]);
}

#[tokio::test]
async fn a_proposal_is_decided_and_everything_is_proved() {
    let stage = Stage::of(&[Behaviour::Honest, Behaviour::Honest]).await;
    let (client, agents) = (stage.client(quick()), stage.agents());
    let proposed = client.propose(&agents[0], proposal(1)).await.unwrap();
    assert!(client.decision(proposed.proposal).await.unwrap().is_none());
    for agent in &agents[..3] {
        let voted = client.vote(agent, proposed.proposal, Choice::For).await.unwrap();
        assert_eq!(voted.weight, 1);
        voted.receipt.verify(client.group()).unwrap();
    }
    let decided = client.wait(proposed.proposal, Duration::from_secs(5)).await.unwrap();
    assert_eq!(decided.record.decision.status, DecisionStatus::Approved);
    assert_eq!(decided.record.decision.for_weight, 3);
    decided.receipt.verify(client.group()).unwrap();
    assert!(client.decision(proposed.proposal).await.unwrap().is_some());

    let late = client.vote(&agents[3], proposed.proposal, Choice::For).await.unwrap_err();
    match &late {
        SdkError::Refused { refusal: Refusal::Service { code, .. }, receipt } => {
            assert_eq!(code, "proposal_closed");
            receipt.verify(client.group()).unwrap();
        }
        other => panic!("{other}"),
    }
}

/// Bounds are told by their numbers, before anything is signed: an entry would keep the refusal for good.
#[tokio::test]
async fn what_no_group_takes_is_not_signed() {
    let stage = Stage::of(&[Behaviour::Honest]).await;
    let (client, agents) = (stage.client(quick()), stage.agents());
    let entries = stage.world.lock().unwrap().log.size();
    let call = |len| Call { gas: 1, ..Call::new(agents[0].id(), U256::ZERO, vec![0; len]) };
    for (proposal, bound) in [
        (Propose { description: "x".repeat(4097), ..proposal(1) }, "4097 bytes, at most 4096"),
        (Propose { calls: vec![call(0); 33], ..proposal(2) }, "33 calls, at most 32"),
        (Propose { calls: vec![call(25_000)], ..proposal(3) }, "25000 bytes of data, at most 24576"),
    ] {
        let refused = client.propose(&agents[0], proposal).await.unwrap_err();
        assert!(matches!(refused, SdkError::InvalidProposal(_)), "{refused}");
        assert!(refused.to_string().contains(bound), "{refused}");
    }
    assert_eq!(stage.world.lock().unwrap().log.size(), entries);
}

#[tokio::test]
async fn a_withdrawn_proposal_is_cancelled() {
    let stage = Stage::of(&[Behaviour::Honest]).await;
    let (client, agents) = (stage.client(quick()), stage.agents());
    let proposed = client.propose(&agents[1], proposal(1)).await.unwrap();
    client.cancel(&agents[1], proposed.proposal).await.unwrap();
    let decided = client.wait(proposed.proposal, Duration::from_secs(5)).await.unwrap();
    assert_eq!(decided.record.decision.status, DecisionStatus::Cancelled);
}

#[tokio::test]
async fn a_plain_agent_is_admitted_acts_and_leaves() {
    let stage = Stage::of(&[Behaviour::Honest]).await;
    let (client, agents) = (stage.client(quick()), stage.agents());
    let plain = Agent::generate();
    let unknown = client.propose(&plain, proposal(1)).await.unwrap_err();
    assert!(matches!(unknown, SdkError::UnknownAgent(agent) if agent == plain.id()), "{unknown}");
    client.admit(&agents[0], plain.admission(&client.group().identity)).await.unwrap();
    let no_voter = client.propose(&plain, proposal(1)).await.unwrap_err();
    assert!(matches!(no_voter, SdkError::Refused { .. }), "{no_voter}");
    client.leave(&plain).await.unwrap();
    assert!(client.agent_view(plain.id()).await.unwrap().is_none());
}

#[tokio::test]
async fn the_same_command_is_the_same_entry() {
    let stage = Stage::of(&[Behaviour::Honest, Behaviour::Honest]).await;
    let (client, agents) = (stage.client(quick()), stage.agents());
    let command = stage.world.lock().unwrap().sign(&agents[0], {
        use quorate_protocol::operations::ServiceOperation as _;
        quorate_protocol::operations::proposals::ProposalsOperation::Propose(proposal(1)).to_operation()
    });
    assert!(client.receipt(command.digest()).await.unwrap().is_none());
    let first = client.submit(command.clone()).await.unwrap();
    let again = client.submit(command.clone()).await.unwrap();
    assert_eq!(first.record, again.record);
    let asked = client.receipt(command.digest()).await.unwrap().unwrap();
    assert_eq!(first.record, asked.record);
    assert_eq!(stage.world.lock().unwrap().size(), 2);
}

#[tokio::test]
async fn liars_are_found_out_and_counted() {
    type Expected = fn(&Lie) -> bool;
    let lies: [(Behaviour, Expected); 3] = [
        (Behaviour::TamperedReceipt, |lie| matches!(lie, Lie::Receipt(_))),
        (Behaviour::OtherGroupsReceipt, |lie| matches!(lie, Lie::Receipt(_))),
        (Behaviour::OtherEntrysReceipt, |lie| matches!(lie, Lie::OtherCommand { .. })),
    ];
    for (behaviour, expected) in lies {
        let stage = Stage::of(std::slice::from_ref(&behaviour)).await;
        with_history(&stage);
        let (client, agents) = (stage.client(impatient()), stage.agents());
        match client.propose(&agents[1], proposal(1)).await {
            Err(SdkError::Unconfirmed { failures, .. }) => match &failures[0].failure {
                NodeFailure::Lied(lie) => assert!(expected(lie), "{lie}"),
                other => panic!("{other}"),
            },
            other => panic!("{other:?}"),
        }
        let health = &client.health()[0];
        assert!(health.lies > 0 && health.failures >= health.lies, "{health:?}");
        assert_eq!(health.answers, 1, "the next nonce is the one honest answer");

        let stage = Stage::of(&[behaviour.clone(), behaviour, Behaviour::Honest]).await;
        with_history(&stage);
        let (client, agents) = (stage.client(quick()), stage.agents());
        let proposed = client.propose(&agents[1], proposal(1)).await.unwrap();
        proposed.receipt.verify(client.group()).unwrap();
    }
}

#[tokio::test]
async fn a_decision_cannot_be_put_over_on_a_client() {
    let stage = Stage::of(&[Behaviour::OtherEntrysReceipt]).await;
    let id = stage.world.lock().unwrap().decide("pay", vec![], &[Choice::For; 3]);
    let client = stage.client(impatient());
    match client.decision(id).await {
        Err(SdkError::NoAnswer { failures, .. }) => {
            let failure = &failures[0].failure;
            assert!(matches!(failure, NodeFailure::Lied(Lie::OtherDecision { .. })), "{failure}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn slow_and_dead_nodes_only_cost_time() {
    let slow = Behaviour::Slow(Duration::from_secs(60));
    let stage = Stage::of(&[slow.clone(), slow, Behaviour::Honest]).await;
    let group = stage.world.lock().unwrap().group.clone();
    let mut urls: Vec<_> = stage.nodes.iter().map(|node| node.url.clone()).collect();
    urls.push(Node::dead().await);
    let client = Client::builder().nodes(urls).retry(quick()).build(group).unwrap();
    let started = Instant::now();
    let proposed = client.propose(&stage.agents()[0], proposal(1)).await.unwrap();
    proposed.receipt.verify(client.group()).unwrap();
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

#[tokio::test]
async fn when_nobody_answers_the_command_is_unconfirmed() {
    let stage = Stage::of(&[Behaviour::Honest]).await;
    let (client, agents) = (stage.client(impatient()), stage.agents());
    client.propose(&agents[0], proposal(1)).await.unwrap();
    let command = client.sign(&agents[0], vec![admission(&agents[0], &client)]).await.unwrap();
    drop(stage);
    match client.submit(command.clone()).await {
        Err(SdkError::Unconfirmed { digest, failures, .. }) => {
            assert_eq!(digest, command.digest());
            assert!(matches!(failures[0].failure, NodeFailure::Unreachable(_)), "{:?}", failures[0]);
        }
        other => panic!("{other:?}"),
    }
}

fn admission(agent: &Agent, client: &Client) -> quorate_protocol::Operation {
    use quorate_protocol::operations::ServiceOperation as _;
    use quorate_protocol::operations::members::MembersOperation;
    MembersOperation::Admit(agent.admission(&client.group().identity)).to_operation()
}

#[tokio::test]
async fn a_pending_command_is_asked_for_again_and_ordered_once() {
    let stage = Stage::of(&[Behaviour::Pending(3)]).await;
    let (client, agents) = (stage.client(quick()), stage.agents());
    let proposed = client.propose(&agents[0], proposal(1)).await.unwrap();
    assert_eq!(proposed.receipt.record.entry.index.0, 1);
    assert_eq!(stage.world.lock().unwrap().size(), 2);
    assert_eq!(client.health()[0].failures, 3);
}

#[tokio::test]
async fn one_node_cannot_reject_for_all() {
    let rejecting = Behaviour::Rejecting(ErrorCode::UnknownAgent);
    let stage = Stage::of(&[rejecting.clone(), Behaviour::Honest, Behaviour::Honest]).await;
    let client = stage.client(quick());
    client.propose(&stage.agents()[0], proposal(1)).await.unwrap();

    // Two of them are f + 1, so one of the two must be correct.
    let stage = Stage::of(&[rejecting.clone(), rejecting]).await;
    let agents = stage.agents();
    let command = stage.world.lock().unwrap().sign(&agents[0], admission(&Agent::generate(), &client));
    match stage.client(quick()).submit(command).await {
        Err(SdkError::Rejected { code, nodes, message, .. }) => {
            assert_eq!((code, nodes), (ErrorCode::UnknownAgent, 2));
            assert_eq!(message, "as [31mtold", "a node cannot send control characters to a terminal");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_lie_about_the_nonce_costs_a_few_attempts() {
    let stage = Stage::of(&[Behaviour::WrongNonce(0)]).await;
    let (client, agents) = (stage.client(quick()), stage.agents());
    client.propose(&agents[0], proposal(1)).await.unwrap();
    let fresh = stage.client(quick());
    fresh.propose(&agents[0], proposal(2)).await.unwrap();
    client.propose(&agents[0], proposal(3)).await.unwrap();
    assert_eq!(stage.world.lock().unwrap().size(), 4, "no attempt left a refusal in the log");
}

#[tokio::test]
async fn many_commands_of_one_agent_go_at_once() {
    let stage = Stage::of(&[Behaviour::Honest, Behaviour::Honest]).await;
    let (client, agents) = (stage.client(quick()), stage.agents());
    let mut tasks = tokio::task::JoinSet::new();
    for salt in 0..100 {
        let (client, agent) = (client.clone(), agents[0].clone());
        tasks.spawn(async move { client.propose(&agent, proposal(salt)).await });
    }
    for proposed in tasks.join_all().await {
        proposed.unwrap();
    }
    assert_eq!(stage.world.lock().unwrap().size(), 101);
}

#[tokio::test]
async fn no_answer_is_read_without_end() {
    let stage = Stage::of(&[Behaviour::Endless]).await;
    let client = stage.client(impatient());
    match client.agent_view(stage.agents()[0].id()).await {
        Err(SdkError::NoAnswer { failures, .. }) => {
            assert!(matches!(failures[0].failure, NodeFailure::TooLong(_)), "{:?}", failures[0]);
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn waiting_ends_with_the_decision_or_with_the_time() {
    let stage = Stage::of(&[Behaviour::Honest, Behaviour::Honest]).await;
    let (client, agents) = (stage.client(quick()), stage.agents());
    let id = stage.world.lock().unwrap().decide("pay", vec![], &[Choice::For, Choice::For]);
    let early = client.wait(id, Duration::from_millis(300)).await.unwrap_err();
    assert!(matches!(early, SdkError::Undecided { proposal, .. } if proposal == id), "{early}");

    let nobody = Client::builder().node(Node::dead().await).build(client.group().clone()).unwrap();
    let unasked = nobody.wait(id, Duration::from_millis(300)).await.unwrap_err();
    assert!(matches!(unasked, SdkError::NoAnswer { .. }), "{unasked}");

    let waiting = tokio::spawn({
        let client = client.clone();
        async move { client.wait(id, Duration::from_secs(20)).await }
    });
    client.vote(&agents[2], id, Choice::For).await.unwrap();
    let decided = waiting.await.unwrap().unwrap();
    assert_eq!(decided.record.decision.status, DecisionStatus::Approved);
}

#[tokio::test]
async fn a_client_that_makes_no_sense_is_not_built() {
    let group = World::new(7).group;
    let build = |client: quorate_sdk::ClientBuilder| client.build(group.clone()).unwrap_err().to_string();
    assert!(build(Client::builder()).contains("at least one node"));
    assert!(build(Client::builder().node("ftp://x")).contains("ftp://x"));
    assert!(build(Client::builder().node("nonsense")).contains("nonsense"));
}
