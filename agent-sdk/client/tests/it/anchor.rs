//! Anybody anchors what the nodes have: whatever a node gives is checked against the contract first.

use std::sync::{Arc, Mutex};

use quorate_protocol::api::AnchorPackage;
use quorate_protocol::operations::ServiceOperation as _;
use quorate_protocol::operations::inbox::{InboxOperation, Observe};
use quorate_protocol::{AgentId, Choice, Digest, Epoch};
use quorate_sdk::{Agent, ChainAgent, Client, RetryPolicy, SdkError};

use crate::chain::Stage;
use crate::node::{Behaviour, Node};
use crate::world::World;

async fn client(stage: &Stage, node: &Node) -> Client {
    let policy =
        RetryPolicy { total_timeout: std::time::Duration::from_millis(700), ..RetryPolicy::default() };
    let builder = Client::builder().node(node.url.clone()).retry(policy);
    builder.connect(&stage.anvil.url, stage.contract, stage.id()).await.unwrap()
}

/// An account that has to do with no group. Anvil gives it money.
async fn outsider(stage: &Stage) -> ChainAgent {
    let agent = Agent::generate();
    stage.fund(agent.id()).await;
    ChainAgent::new(&stage.anvil.url, stage.contract, agent.account.clone()).await.unwrap()
}

/// Two messages for the inbox, and the log that takes them.
async fn enqueue(stage: &Stage, world: &mut World) {
    for _ in 0..2 {
        let propose = quorate_protocol::operations::proposals::Propose {
            salt: 100 + world.size(),
            description: "forced".into(),
            calls: vec![],
            class: 0,
        };
        let operation = quorate_protocol::operations::proposals::ProposalsOperation::Propose(propose);
        let agent = world.agents[0].clone();
        let command = world.sign(&agent, operation.to_operation());
        stage.chain[1].enqueue(stage.id(), &command).await.unwrap();
    }
    let messages = stage.reader().inbox_messages(stage.id(), 0).await.unwrap();
    let (taken, _) = world.machine.inbox_head();
    let observe = Observe::of(messages.iter().skip(usize::try_from(taken).unwrap())).unwrap();
    for agent in world.agents.clone().iter().take(3) {
        let command = world.sign(agent, InboxOperation::Observe(observe.clone()).to_operation());
        world.execute(&[command]);
    }
    assert_eq!(world.machine.inbox_head().0, messages.len() as u64);
}

#[tokio::test]
async fn an_outsider_anchors_again_and_again_and_over_an_epoch_s_end() {
    let stage = Stage::new().await;
    let world = Arc::new(Mutex::new(World::of(stage.group.clone(), stage.agents.clone())));
    let node = Node::start(&world, Behaviour::Honest).await;
    let (client, outsider) = (client(&stage, &node).await, outsider(&stage).await);
    let nothing = client.anchor(&outsider).await.unwrap_err();
    assert!(matches!(nothing, SdkError::NothingToAnchor { epoch: Epoch(0), sequence: 0 }), "{nothing}");

    // The first anchor needs no proof; the second one both.
    world.lock().unwrap().decide("one", vec![], &[Choice::For; 3]);
    world.lock().unwrap().checkpoint();
    let first = client.anchor(&outsider).await.unwrap();
    let again = client.anchor(&outsider).await.unwrap_err();
    assert!(matches!(again, SdkError::NothingToAnchor { .. }), "{again}");
    {
        let mut next = World::of(stage.group.clone(), stage.agents.clone());
        std::mem::swap(&mut next, &mut world.lock().unwrap());
        next.decide("two", vec![], &[Choice::For; 3]);
        enqueue(&stage, &mut next).await;
        next.checkpoint();
        *world.lock().unwrap() = next;
    }
    let second = client.anchor(&outsider).await.unwrap();
    assert!(second.checkpoint.log_size > first.checkpoint.log_size);
    let inbox = stage.reader().inbox(stage.id()).await.unwrap();
    assert_eq!((inbox.taken, inbox.length), (2, 2));

    // The contract is an epoch behind: first its end, then the newest checkpoint of the next.
    {
        let mut world = world.lock().unwrap();
        let agents = world.agents.clone();
        world.change_members(agents);
        world.decide("three", vec![], &[Choice::For; 3]);
        world.checkpoint();
    }
    let end = client.anchor(&outsider).await.unwrap();
    assert_ne!(end.checkpoint.next_members_hash, Digest::default());
    assert_eq!(stage.reader().epoch(stage.id()).await.unwrap(), Epoch(1));
    let last = client.anchor(&outsider).await.unwrap();
    assert_eq!((last.checkpoint.epoch, last.checkpoint.log_size), (Epoch(1), world.lock().unwrap().size()));
}

#[tokio::test]
async fn a_package_that_the_contract_would_refuse_is_never_sent() {
    let stage = Stage::new().await;
    let mut world = World::of(stage.group.clone(), stage.agents.clone());
    world.decide("one", vec![], &[Choice::For; 3]);
    world.checkpoint();
    let world = Arc::new(Mutex::new(world));
    let node = Node::start(&world, Behaviour::Honest).await;
    let outsider = outsider(&stage).await;
    client(&stage, &node).await.anchor(&outsider).await.unwrap();
    {
        let mut next = World::of(stage.group.clone(), stage.agents.clone());
        std::mem::swap(&mut next, &mut world.lock().unwrap());
        enqueue(&stage, &mut next).await;
        next.checkpoint();
        *world.lock().unwrap() = next;
    }
    type Spoiled = (&'static str, fn(&mut AnchorPackage));
    let spoiled: [Spoiled; 8] = [
        ("does not extend", |package| package.consistency.truncate(0)),
        ("is missing", |package| package.taken = None),
        ("instead of", |package| package.taken.as_mut().unwrap().message.index = 0),
        ("does not say", |package| package.taken.as_mut().unwrap().entry.subject = Digest::from([7; 32])),
        ("another root", |package| package.taken.as_mut().unwrap().entry.sequence.0 += 1),
        ("the entry of message 1", |package| package.taken.as_mut().unwrap().path.clear()),
        ("signatures that count", |package| package.certificate.signatures.truncate(2)),
        ("signatures that count", |package| {
            // A stranger's, twice one's, and one for something else make no quorum.
            let signatures = &mut package.certificate.signatures;
            signatures[0].replica = AgentId::from([9; 20]);
            signatures[1] = signatures[2];
        }),
    ];
    for (reason, spoil) in spoiled {
        let liar = Node::start(&world, Behaviour::Anchoring(Arc::new(spoil))).await;
        let refused = client(&stage, &liar).await.anchor_package().await.unwrap_err();
        assert!(refused.to_string().contains(reason), "{reason}: {refused}");
    }
    // More signatures than a quorum, in any order, do no harm: a quorum is chosen.
    let messy: fn(&mut AnchorPackage) = |package| {
        let mut stranger = package.certificate.signatures[0];
        stranger.replica = AgentId::from([9; 20]);
        package.certificate.signatures.reverse();
        package.certificate.signatures.push(stranger);
    };
    let messy = Node::start(&world, Behaviour::Anchoring(Arc::new(messy))).await;
    client(&stage, &messy).await.anchor(&outsider).await.unwrap();
    assert_eq!(stage.reader().inbox(stage.id()).await.unwrap().taken, 2);
}
