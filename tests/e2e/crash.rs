//! kill -9 of any one node, the primary included, while commands flow.

use std::time::{Duration, Instant};

use quorate_protocol::operations::proposals::Propose;
use quorate_protocol::{EntryRecord, Receipt};

use crate::network::{Network, VIEW_TIMEOUT_MS};

/// Above the time-out itself: detection, two message delays, and a machine that does other things too.
const SLACK: Duration = Duration::from_millis(2_500);

/// Proposes one thing after another and returns the receipts with the longest wait for one.
async fn propose_many(network: &Network, count: u64, salt: u64) -> (Vec<Receipt>, Duration) {
    let client = network.client().await;
    let mut receipts = Vec::new();
    let mut longest = Duration::ZERO;
    for number in 0..count {
        let agent = &network.agents[usize::try_from(number).unwrap() % 4];
        let propose =
            Propose { salt: salt + number, description: format!("{number}"), calls: vec![], class: 0 };
        let started = Instant::now();
        receipts.push(client.propose(agent, propose).await.unwrap().receipt);
        longest = longest.max(started.elapsed());
    }
    (receipts, longest)
}

async fn record_at(network: &Network, at: usize, receipt: &Receipt) -> EntryRecord {
    let client = network.client_of(at).await;
    let mut pages = client.audit(receipt.record.entry.index);
    let page = pages.next_page().await.unwrap().expect("the node has the entry");
    page[0].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killing_any_node_loses_nothing_and_stops_nobody_for_long() {
    let mut network = Network::start().await;
    let mut acknowledged = propose_many(&network, 8, 0).await.0;
    for victim in 0..4 {
        network.kill_9(victim);
        let salt = 1_000 * (victim as u64 + 1);
        let (receipts, longest) = propose_many(&network, 12, salt).await;
        let bound = Duration::from_millis(VIEW_TIMEOUT_MS) + SLACK;
        assert!(longest < bound, "after killing node {victim} one command took {longest:?}");
        acknowledged.extend(receipts);

        network.launch(victim);
        network.ready(victim).await;
        let (size, _) = network.one_log(&[0, 1, 2, 3]).await;
        assert!(size > acknowledged.len() as u64, "the genesis and every acknowledged command");
    }
    for at in 0..4 {
        for receipt in acknowledged.iter().step_by(7) {
            assert_eq!(record_at(&network, at, receipt).await, receipt.record, "on node {at}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killing_all_nodes_at_once_loses_nothing() {
    let mut network = Network::start().await;
    let (receipts, _) = propose_many(&network, 20, 0).await;
    for at in 0..4 {
        network.kill_9(at);
    }
    for at in 0..4 {
        network.launch(at);
    }
    for at in 0..4 {
        network.ready(at).await;
    }
    let (more, _) = propose_many(&network, 4, 500).await;
    network.one_log(&[0, 1, 2, 3]).await;
    for receipt in receipts.iter().chain(&more) {
        assert_eq!(record_at(&network, 2, receipt).await, receipt.record);
    }
}
