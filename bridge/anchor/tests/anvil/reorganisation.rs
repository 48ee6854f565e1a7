//! A chain that changes its mind.

use serde_json::json;

use super::chain::{Anvil, Deployment};
use super::{Replica, settings, until};
use quorate_anchor::Settings;
use quorate_node::config::Finality;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_anchor_that_a_reorganisation_drops_is_made_again() {
    let anvil = Anvil::start(0, &[]);
    let deployment = Deployment::new(&anvil.url()).await;
    let settings = Settings { takeover_ms: 200, ..settings() };
    let mut replica =
        Replica::start(&anvil.url(), settings, &deployment.group, &deployment.by_rank(0)[0]).await;

    replica.make_stable(&deployment.certificate(128, 10));
    let dropped = replica.anchored(128).await;
    until("the receipt is seen", async || replica.handle.status().anchored == 1).await;

    deployment.stop_mining().await;
    let head = deployment.anvil("eth_blockNumber", json!([])).await;
    let head: alloy::primitives::U64 = serde_json::from_value(head).unwrap();
    deployment.anvil("anvil_reorg", json!([head.to::<u64>() - dropped.block + 1, []])).await;
    assert!(deployment.anchors().await.is_empty(), "the anchor is gone");
    replica.anchored.wait_for(Option::is_none).await.expect("the node is told that it is gone");

    until("the anchor is in the pool again", async || deployment.pending().await == 1).await;
    deployment.mine().await;
    let again = replica.anchored(128).await;
    assert_ne!(again.block, dropped.block);
    assert_eq!((again.size, again.root), (dropped.size, dropped.root));
    assert_eq!(deployment.anchors().await, [128]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_is_told_of_an_anchor_only_under_enough_blocks() {
    let anvil = Anvil::start(0, &[]);
    let deployment = Deployment::new(&anvil.url()).await;
    let settings = Settings { takeover_ms: 200, finality: Finality::Depth(3), ..settings() };
    let mut replica =
        Replica::start(&anvil.url(), settings, &deployment.group, &deployment.by_rank(0)[0]).await;

    deployment.stop_mining().await;
    replica.make_stable(&deployment.certificate(128, 10));
    until("the anchor waits in the pool", async || deployment.pending().await == 1).await;
    for _ in 0..3 {
        deployment.mine().await;
    }
    until("the anchor is seen", async || replica.handle.status().anchored == 1).await;
    assert!(replica.anchored.borrow().is_none(), "two blocks are not enough");
    deployment.mine().await;
    let anchored = replica.anchored(128).await;
    let head = deployment.anvil("eth_blockNumber", json!([])).await;
    assert_eq!(head, json!(format!("{:#x}", anchored.block + 3)));
}
