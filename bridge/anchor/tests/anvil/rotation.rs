//! Several replicas on one chain.

use std::time::Duration;

use tokio::time::Instant;

use super::chain::{Anvil, Deployment};
use super::{Replica, settings};

async fn start_all(url: &str, deployment: &Deployment) -> Vec<Replica> {
    let mut replicas = Vec::new();
    for key in &deployment.keys {
        replicas.push(Replica::start(url, settings(), &deployment.group, key).await);
    }
    replicas
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_replicas_make_exactly_one_anchor_of_each_checkpoint() {
    let anvil = Anvil::start(0, &[]);
    let deployment = Deployment::new(&anvil.url()).await;
    let mut replicas = start_all(&anvil.url(), &deployment).await;

    for (sequence, size) in [(128, 10), (256, 25), (384, 26)] {
        let certificate = deployment.certificate(sequence, size);
        replicas.iter().for_each(|replica| replica.make_stable(&certificate));
        let mut told = Vec::new();
        for replica in &mut replicas {
            told.push(replica.anchored(sequence).await);
        }
        assert!(told.iter().all(|anchored| *anchored == told[0]), "every node is told the same: {told:?}");
        assert_eq!((told[0].size, told[0].root), (size, certificate.checkpoint.log_root));
        assert!(told[0].block > 0 && !told[0].tx_hash.is_zero());
        let first = deployment.by_rank(if sequence == 128 { 0 } else { sequence - 128 }).swap_remove(0);
        assert_eq!(deployment.sender(sequence).await, first.address(), "the first in turn anchors");
    }

    assert_eq!(deployment.anchors().await, [128, 256, 384]);
    let sent: u64 = replicas.iter().map(|replica| replica.handle.status().sent).sum();
    assert_eq!(sent, 3, "no transaction in vain");
    for replica in replicas {
        replica.handle.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_replica_takes_over_from_a_dead_one() {
    let anvil = Anvil::start(0, &[]);
    let deployment = Deployment::new(&anvil.url()).await;
    let mut replicas = Vec::new();
    let turn = deployment.by_rank(0);
    for key in &turn[1..] {
        replicas.push(Replica::start(&anvil.url(), settings(), &deployment.group, key).await);
    }

    let certificate = deployment.certificate(128, 10);
    let began = Instant::now();
    replicas.iter().for_each(|replica| replica.make_stable(&certificate));
    for replica in &mut replicas {
        replica.anchored(128).await;
    }
    assert!(began.elapsed() >= Duration::from_millis(settings().takeover_ms), "the first had its time");
    assert_eq!(deployment.anchors().await, [128]);
    assert_eq!(deployment.sender(128).await, turn[1].address());
    let sent: Vec<_> = replicas.iter().map(|replica| replica.handle.status().sent).collect();
    assert_eq!(sent, [1, 0, 0]);
}
