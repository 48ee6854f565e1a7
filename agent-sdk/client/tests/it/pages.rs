//! Reading the log page by page.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use quorate_protocol::{Choice, EntryIndex, EntryRecord};
use quorate_sdk::{Client, NodeFailure, RetryPolicy, SdkError};

use crate::node::{Behaviour, Node, Tamper};
use crate::world::World;

fn client(world: &Arc<Mutex<World>>, nodes: &[&Node]) -> Client {
    let group = world.lock().unwrap().group.clone();
    let policy = RetryPolicy {
        total_timeout: Duration::from_millis(800),
        backoff: Duration::from_millis(5),
        ..RetryPolicy::default()
    };
    Client::builder().nodes(nodes.iter().map(|node| node.url.clone())).retry(policy).build(group).unwrap()
}

fn decided_world() -> Arc<Mutex<World>> {
    let mut world = World::new(7);
    for round in 0..5 {
        world.decide(&format!("round {round}"), vec![], &[Choice::For; 3]);
    }
    Arc::new(Mutex::new(world))
}

#[tokio::test]
async fn every_start_gives_the_rest_of_the_log_and_then_follows_it() {
    let world = decided_world();
    let node = Node::start(&world, Behaviour::Honest).await;
    let client = client(&world, &[&node]);
    let records = world.lock().unwrap().records.clone();
    for from in 0..=records.len() {
        let mut pages = client.audit(EntryIndex(from as u64));
        let page = pages.next_page().await.unwrap().unwrap_or_default();
        assert_eq!(page, records[from..]);
        assert!(pages.next_page().await.unwrap().is_none());
    }

    let mut pages = client.audit(EntryIndex(3));
    assert!(pages.next_page().await.unwrap().is_some());
    world.lock().unwrap().decide("one more", vec![], &[]);
    let page = pages.next_page().await.unwrap().unwrap();
    assert_eq!((page.len(), pages.next_index()), (1, EntryIndex(records.len() as u64 + 1)));
    assert!(client.audit(EntryIndex(1_000)).next_page().await.unwrap().is_none());
}

/// Serves pages of one entry, so that each has to be proved as a prefix.
#[tokio::test]
async fn small_pages_are_proved_by_consistency() {
    let world = decided_world();
    let cut: Tamper = Arc::new(|_, records: &mut Vec<EntryRecord>| records.truncate(4));
    let short = Node::start(&world, Behaviour::Tampered(cut)).await;
    let client = client(&world, &[&short]);
    let page = client.audit(EntryIndex(0)).next_page().await.unwrap().unwrap();
    assert_eq!(page.len(), 4);
}

#[tokio::test]
async fn a_node_that_lags_is_no_liar() {
    let world = decided_world();
    let cut: Tamper = Arc::new(|_, records: &mut Vec<EntryRecord>| records.truncate(4));
    let late = Node::start(&world, Behaviour::Tampered(cut)).await;
    let client = client(&world, &[&late]);
    let mut pages = client.audit(EntryIndex(0));
    assert_eq!(pages.next_page().await.unwrap().unwrap().len(), 4);
    match pages.next_page().await {
        Err(SdkError::NoAnswer { failures, .. }) => {
            assert!(matches!(failures[0].failure, NodeFailure::Behind(_)), "{:?}", failures[0]);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(client.health()[0].lies, 0);
}

#[tokio::test]
async fn a_page_of_another_log_is_a_lie() {
    let world = decided_world();
    let swap: Tamper = Arc::new(|world, records: &mut Vec<EntryRecord>| {
        let other = records[5].clone();
        let record = EntryRecord::new(
            &world.group.identity,
            records[4].entry.index,
            records[4].entry.sequence,
            records[4].entry.timestamp,
            other.body,
            other.outcome,
        );
        records[4] = record;
    });
    let liar = Node::start(&world, Behaviour::Tampered(swap)).await;
    let alone = client(&world, &[&liar]);
    for from in [0, 4] {
        match alone.audit(EntryIndex(from)).next_page().await {
            Err(SdkError::NoAnswer { failures, .. }) => {
                assert!(matches!(failures[0].failure, NodeFailure::Lied(_)), "{:?}", failures[0]);
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(alone.health()[0].lies > 0);

    let honest = Node::start(&world, Behaviour::Honest).await;
    let both = client(&world, &[&liar, &honest]);
    let page = both.audit(EntryIndex(0)).next_page().await.unwrap().unwrap();
    assert_eq!(page, world.lock().unwrap().records);
}
