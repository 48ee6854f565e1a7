//! One agent in many places, groups whose time is ahead, nodes with too much to do, and votings that nodes make up.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use quorate_protocol::operations::proposals::Propose;
use quorate_protocol::{Choice, Outcome, ProposalId};
use quorate_sdk::{Agent, Client, KeystoreOptions, RetryPolicy, ScryptCost, SdkError};
use tokio::task::JoinSet;

use crate::node::{Behaviour, Node};
use crate::world::World;

fn quick() -> RetryPolicy {
    RetryPolicy {
        request_timeout: Duration::from_millis(1500),
        node_wait: Duration::from_millis(300),
        total_timeout: Duration::from_secs(20),
        hedge_after: Some(Duration::from_millis(500)),
        backoff: Duration::from_millis(5),
        max_backoff: Duration::from_millis(50),
    }
}

fn client(world: &Arc<Mutex<World>>, nodes: &[Node]) -> Client {
    let group = world.lock().unwrap().group.clone();
    Client::builder().nodes(nodes.iter().map(|node| node.url.clone())).retry(quick()).build(group).unwrap()
}

async fn nodes(world: &Arc<Mutex<World>>, behaviours: &[Behaviour]) -> Vec<Node> {
    let mut nodes = Vec::new();
    for behaviour in behaviours {
        nodes.push(Node::start(world, behaviour.clone()).await);
    }
    nodes
}

fn proposal(salt: u64) -> Propose {
    Propose { salt, description: "renew the domain".into(), calls: vec![], class: 0 }
}

/// How many entries of the log are of refused commands.
fn refused(world: &Arc<Mutex<World>>) -> usize {
    let world = world.lock().unwrap();
    world.records.iter().filter(|record| matches!(record.outcome, Outcome::Refused { .. })).count()
}

/// Has each of so many clients, which know nothing of each other, make so many proposals at once.
async fn propose_all(world: &Arc<Mutex<World>>, nodes: &[Node], agents: Vec<Agent>, each: u64) {
    let mut tasks = JoinSet::new();
    for (number, agent) in agents.into_iter().enumerate() {
        let client = client(world, nodes);
        for at in 0..each {
            let (client, agent) = (client.clone(), agent.clone());
            let salt = number as u64 * each + at;
            tasks.spawn(async move { client.propose(&agent, proposal(salt)).await });
        }
    }
    for proposed in tasks.join_all().await {
        proposed.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_processes_with_one_keystore_all_succeed_and_leave_no_refusal() {
    let world = Arc::new(Mutex::new(World::new(7)));
    let nodes = nodes(&world, &[Behaviour::Honest, Behaviour::Honest]).await;
    let dir = tempfile::tempdir().unwrap();
    let options = KeystoreOptions { cost: ScryptCost::LIGHT, overwrite: false };
    world.lock().unwrap().agents[0].save(dir.path(), "password", options).unwrap();
    let agent = Agent::open(dir.path(), "password").unwrap();
    propose_all(&world, &nodes, vec![agent; 12], 4).await;
    assert_eq!(refused(&world), 0);
    assert_eq!(world.lock().unwrap().size(), 49);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_machines_with_one_key_all_succeed() {
    let world = Arc::new(Mutex::new(World::new(7)));
    let nodes = nodes(&world, &[Behaviour::Honest, Behaviour::Honest]).await;
    let agent = world.lock().unwrap().agents[0].clone();
    propose_all(&world, &nodes, vec![agent; 3], 56).await;
    let world = world.lock().unwrap();
    let applied = |record: &&quorate_protocol::EntryRecord| matches!(record.outcome, Outcome::Applied { .. });
    assert!(world.records.iter().filter(applied).count() >= 168);
}

#[tokio::test]
async fn expiry_follows_a_group_whose_time_is_ahead() {
    for (ahead, follows) in [(3_600_000, true), (48 * 3_600_000, false)] {
        let world = Arc::new(Mutex::new(World::new(7)));
        let nodes = nodes(&world, &[Behaviour::Honest, Behaviour::Honest]).await;
        let agent = world.lock().unwrap().agents[0].clone();
        world.lock().unwrap().ahead_ms = ahead;
        world.lock().unwrap().decide("while the clocks were wrong", vec![], &[]);
        world.lock().unwrap().ahead_ms = 0;
        let before = refused(&world);
        let client = client(&world, &nodes);
        let proposed = client.propose(&agent, proposal(1)).await;
        if follows {
            proposed.unwrap();
            // The next one expires late enough from the start.
            client.propose(&agent, proposal(2)).await.unwrap();
            assert_eq!(refused(&world), before);
            continue;
        }
        match proposed.unwrap_err() {
            SdkError::GroupAhead { ahead: found, .. } => {
                assert!(found > Duration::from_millis(ahead - 60_000), "{found:?}");
            }
            other => panic!("{other}"),
        }
        let group = world.lock().unwrap().group.clone();
        let patient = Client::builder().nodes(nodes.iter().map(|node| node.url.clone())).retry(quick());
        let patient = patient.expiry(Duration::from_secs(49 * 3600)).build(group).unwrap();
        patient.propose(&agent, proposal(1)).await.unwrap();
    }
}

#[tokio::test]
async fn a_node_that_wants_to_be_left_alone_is() {
    let world = Arc::new(Mutex::new(World::new(7)));
    let limiting = nodes(&world, &[Behaviour::Limiting(20)]).await;
    let started = Instant::now();
    let error = client(&world, &limiting).decision(ProposalId::from([1; 32])).await.unwrap_err();
    assert!(matches!(error, SdkError::NoAnswer { .. }), "{error}");
    assert_eq!(limiting[0].limited.load(Ordering::Relaxed), 1);
    // It wants longer than the call may take: nothing is gained by waiting for that.
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());

    let soon = nodes(&world, &[Behaviour::Limiting(1)]).await;
    let waiting = client(&world, &soon);
    let error = waiting.wait(ProposalId::from([1; 32]), Duration::from_secs(4)).await.unwrap_err();
    assert!(matches!(error, SdkError::NoAnswer { .. }), "{error}");
    assert!(soon[0].limited.load(Ordering::Relaxed) <= 5, "{}", soon[0].limited.load(Ordering::Relaxed));

    // Another node serves meanwhile.
    let mixed = nodes(&world, &[Behaviour::Limiting(20), Behaviour::Honest]).await;
    let agent = world.lock().unwrap().agents[0].clone();
    client(&world, &mixed).propose(&agent, proposal(1)).await.unwrap();
}

#[tokio::test]
async fn an_account_signs_no_voting_that_cannot_be() {
    let day = 24 * 3_600_000;
    let world = Arc::new(Mutex::new(World::new(7)));
    let id = world.lock().unwrap().decide_in(1, "act", vec![], &[]);
    let agents = world.lock().unwrap().agents.clone();
    for lie in [Behaviour::Voting(day, 0), Behaviour::Voting(0, 3)] {
        let liar = nodes(&world, &[lie]).await;
        let error = client(&world, &liar).vote(&agents[0], id, Choice::For).await.unwrap_err();
        assert!(matches!(&error, SdkError::FalseVoting { proposal, .. } if *proposal == id), "{error}");
    }
    // What could be true is not believed of one node where others say otherwise.
    let subtle = Behaviour::Voting(1_000, 0);
    let nodes = nodes(&world, &[subtle, Behaviour::Honest, Behaviour::Honest]).await;
    for agent in &agents[..3] {
        client(&world, &nodes).vote(agent, id, Choice::For).await.unwrap();
    }
    assert_eq!(refused(&world), 0);
}
