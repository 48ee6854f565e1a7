//! Commands that come through the contract's inbox, as every node sees it.

use std::sync::Arc;

use quorate_node::anchored::InboxView;
use quorate_protocol::inbox::KIND_COMMAND;
use quorate_protocol::{AgentId, InboxMessage, SignedCommand};

use crate::network::{Network, PATIENCE};

fn inbox(commands: &[SignedCommand]) -> InboxView {
    let message = |(index, command): (u64, &SignedCommand)| InboxMessage {
        index,
        kind: KIND_COMMAND,
        sender: AgentId::from([8; 20]),
        enqueued_at: 1_700_000_000,
        payload: command.encode(),
    };
    InboxView { first: 0, messages: Arc::new((0..).zip(commands).map(message).collect()) }
}

async fn taken(network: &Network, at: u8, count: u64) {
    let mut taken = network.node(at).anchoring_links().inbox_taken;
    let wait = taken.wait_for(|taken| *taken == count);
    tokio::time::timeout(PATIENCE, wait).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_three_nodes_saw_is_executed_by_all() {
    let network = Network::start(4).await;
    let commands = [network.command(0, 7), network.command(1, 7), network.command(0, 7)];
    let view = inbox(&commands);
    for at in 0..3 {
        network.node(at).anchoring_links().inbox.send_replace(view.clone());
    }
    for at in 0..4 {
        taken(&network, at, 3).await;
    }
    for command in &commands {
        let receipt = network.execute(3, command.clone()).await;
        assert_eq!(receipt.record.entry.subject, command.digest());
    }
    let size = network.node(0).ledger().read(|ledger| ledger.head().size);
    assert!(size <= 1 + 4 + 3 + 2, "{size} entries: at most four words, three messages and two commands");
    network.agree(size).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_orders_nothing_keeps_nothing_out() {
    let mut network = Network::start(4).await;
    let primary = network.first_primary();
    network.stop(primary).await;
    let others: Vec<u8> = (0..4).filter(|at| *at != primary).collect();
    let command = network.command(others[0], 1_000);
    for at in &others {
        network.node(*at).anchoring_links().inbox.send_replace(inbox(std::slice::from_ref(&command)));
    }
    for at in &others {
        taken(&network, *at, 1).await;
        assert!(network.node(*at).metrics().view_changes.get() > 0);
    }
    // Who was away learns of it from the others, without a look at the chain.
    network.launch(primary).await.unwrap();
    taken(&network, primary, 1).await;
    let receipt = network.execute(primary, command).await;
    assert!(receipt.record.entry.index.0 > 0);
}
