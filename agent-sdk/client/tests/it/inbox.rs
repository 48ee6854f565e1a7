//! Audits of logs that took the messages of the contract's inbox.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use quorate_protocol::entry::SystemEvent;
use quorate_protocol::inbox::KIND_COMMAND;
use quorate_protocol::operations::ServiceOperation as _;
use quorate_protocol::operations::inbox::{InboxOperation, Observe};
use quorate_protocol::operations::proposals::{ProposalsOperation, Propose};
use quorate_protocol::{
    AgentId, Choice, EntryBody, EntryRecord, Epoch, Group, GroupIdentity, InboxEvent, InboxMessage,
    InboxTaken, OnChainStatus,
};
use quorate_sdk::audit::{self, AuditOptions, AuditReport};
use quorate_sdk::{Client, SdkError};

use crate::node::{Behaviour, Node, Tamper};
use crate::world::{World, agents, members, terms};

/// Five members of weight 1, of whom the last is convicted.
fn five() -> World {
    let agents = agents(&[[1; 32], [2; 32], [3; 32], [4; 32], [5; 32]]);
    let identity: GroupIdentity = World::new(7).group.identity;
    let account = AgentId::from([0xac; 20]);
    World::of(
        Group {
            identity,
            account,
            epoch: Epoch(0),
            members: members(&agents),
            terms: terms(5),
            voters_since: Epoch(0),
        },
        agents,
    )
}

/// A proposal that is open, another one through the inbox, the first one executed by the contract, and a
/// conviction; then the next epoch.
fn story() -> (World, Group) {
    let mut world = five();
    let first = world.group.clone();
    let open = world.decide("executed elsewhere", vec![], &[Choice::For]);
    let last = world.agents[4].clone();
    let propose = Propose { salt: 1, description: "forced".into(), calls: vec![], class: 0 };
    let forced = world.sign(&last, ProposalsOperation::Propose(propose).to_operation());
    let contents = [
        (KIND_COMMAND, forced.encode()),
        (KIND_COMMAND, vec![1, 2, 3]),
        of_event(InboxEvent::ProposalClosedOnChain { proposal: open, status: OnChainStatus::Executed }),
        of_event(InboxEvent::ReplicaConvicted { replica: last.id() }),
    ];
    let message = |(index, (kind, payload))| {
        let (sender, enqueued_at) = (AgentId::from([8; 20]), 1_700_000_000);
        InboxMessage { index, kind, sender, enqueued_at, payload }
    };
    let messages: Vec<InboxMessage> = (0..).zip(contents).map(message).collect();
    let observe = InboxOperation::Observe(Observe::of(&messages).unwrap()).to_operation();
    for replica in world.agents.clone().iter().take(4) {
        let command = world.sign(replica, observe.clone());
        world.execute(&[command]);
    }
    assert_eq!(world.machine.inbox_head().0, 4);
    world.begin_epoch();
    world.decide("after", vec![], &[Choice::For; 3]);
    (world, first)
}

async fn audit(behaviour: Behaviour) -> AuditReport {
    let (world, first) = story();
    let node = Node::start(&Arc::new(Mutex::new(world)), behaviour).await;
    let options = AuditOptions { lag_timeout: Duration::from_millis(50), ..AuditOptions::default() };
    audit::verify_node(&first, BTreeMap::new(), &node.url, options).await.unwrap()
}

#[tokio::test]
async fn a_log_that_took_the_inbox_is_intact() {
    let report = audit(Behaviour::Honest).await;
    assert!(report.is_intact(), "{:?}", report.finding);
    // Genesis, four messages, an execution, a conviction, and the next epoch.
    assert_eq!((report.epoch, report.counts.system), (Epoch(1), 8));
    assert_eq!((report.counts.approved, report.counts.refused), (1, 0));
}

/// Nobody waits for a decision that never comes; and no node makes anybody give up who cannot prove that.
#[tokio::test]
async fn a_proposal_that_moved_on_chain_is_waited_for_no_more() {
    let mut world = five();
    let group = world.group.clone();
    let moved = world.decide("executed elsewhere", vec![], &[Choice::For]);
    let open = world.decide("open", vec![], &[]);
    let (kind, payload) =
        of_event(InboxEvent::ProposalClosedOnChain { proposal: moved, status: OnChainStatus::Executed });
    let message =
        InboxMessage { index: 0, kind, sender: AgentId::from([8; 20]), enqueued_at: 1_700_000_000, payload };
    let observe = InboxOperation::Observe(Observe::of([&message]).unwrap()).to_operation();
    for replica in world.agents.clone().iter().take(4) {
        let command = world.sign(replica, observe.clone());
        world.execute(&[command]);
    }
    let entry = world.moved_index(moved).unwrap();
    let world = Arc::new(Mutex::new(world));

    let node = Node::start(&world, Behaviour::Honest).await;
    let client = Client::builder().node(node.url.as_str()).build(group.clone()).unwrap();
    assert!(client.decision(moved).await.unwrap().is_none());
    let told = client.wait(moved, Duration::from_secs(60)).await.unwrap_err();
    let SdkError::Moved { proposal, receipt } = told else { panic!("{told}") };
    assert_eq!((proposal, receipt.record.entry.index.0), (moved, entry));

    let liar = Node::start(&world, Behaviour::Moving(entry)).await;
    let client = Client::builder().node(liar.url.as_str()).build(group).unwrap();
    let told = client.wait(open, Duration::from_millis(500)).await.unwrap_err();
    assert!(!matches!(told, SdkError::Moved { .. }), "{told}");
    assert!(client.health()[0].lies > 0, "the entry is about another proposal");
}

fn of_event(event: InboxEvent) -> (u8, Vec<u8>) {
    (event.kind(), event.payload())
}

fn is_conviction(event: &SystemEvent) -> bool {
    matches!(event, SystemEvent::OnChain(InboxEvent::ReplicaConvicted { .. }))
}

fn place(log: &[EntryRecord], is: fn(&SystemEvent) -> bool) -> usize {
    let matches = |record: &EntryRecord| matches!(&record.body, EntryBody::System(event) if is(event));
    log.iter().position(matches).expect("the story has one")
}

/// The record at `at` made anew, about another event.
fn tell(world: &World, log: &mut [EntryRecord], at: usize, change: impl FnOnce(&mut SystemEvent)) {
    let entry = log[at].entry;
    let EntryBody::System(mut event) = log[at].body.clone() else { panic!("it is an event") };
    change(&mut event);
    let (body, outcome) = (EntryBody::System(event), log[at].outcome.clone());
    let identity = &world.group.identity;
    log[at] = EntryRecord::new(identity, entry.index, entry.sequence, entry.timestamp, body, outcome);
}

#[tokio::test]
async fn a_log_that_lies_about_the_inbox_is_found_out() {
    type Case = (&'static str, fn(&World, &mut Vec<EntryRecord>), &'static str);
    let cases: [Case; 3] = [
        (
            "a message that is passed over",
            |world, log| {
                let at =
                    place(log, |event| matches!(event, SystemEvent::InboxTaken(InboxTaken { index: 1, .. })));
                tell(world, log, at, |event| {
                    if let SystemEvent::InboxTaken(taken) = event {
                        taken.index = 2;
                    }
                });
            },
            "inbox",
        ),
        (
            "a conviction that no message asks for",
            |world, log| {
                let at = place(log, |event| {
                    matches!(event, SystemEvent::OnChain(InboxEvent::ProposalClosedOnChain { .. }))
                });
                let replica = world.agents[3].id();
                tell(world, log, at, |event| {
                    *event = SystemEvent::OnChain(InboxEvent::ReplicaConvicted { replica });
                });
            },
            "inbox",
        ),
        (
            "another replica convicted",
            |world, log| {
                let at = place(log, is_conviction);
                let replica = world.agents[3].id();
                tell(world, log, at, |event| {
                    *event = SystemEvent::OnChain(InboxEvent::ReplicaConvicted { replica });
                });
            },
            "epoch",
        ),
    ];
    for (name, change, code) in cases {
        let tamper: Tamper = Arc::new(change);
        let report = audit(Behaviour::Tampered(tamper)).await;
        assert_eq!(report.finding.expect(name).fault.code(), code, "{name}");
    }
}
