//! Evidence that nodes hold becomes a conviction, once, and paid for once.

use std::sync::Arc;

use alloy::providers::Provider;
use quorate_anchor::Settings;
use quorate_contracts::AgentCoordinator;
use quorate_node::anchored::Evidence;
use quorate_protocol::{Checkpoint, Digest, Epoch, ReplicaIndex, Sequence, SignedCheckpoint};

use crate::chain::{Anvil, Deployment};
use crate::{Replica, settings, until};

/// Which replica contradicts itself.
const LIAR: usize = 2;

#[tokio::test]
async fn of_all_replicas_that_hold_evidence_one_pays_for_the_report() {
    let anvil = Anvil::start(0, &[]);
    let deployment = Deployment::new(&anvil.url()).await;
    let identity = deployment.group.identity;
    let one = Checkpoint {
        group: identity.group,
        epoch: Epoch(0),
        sequence: Sequence(128),
        log_size: 10,
        log_root: Digest::from([1; 32]),
        state_root: Digest::from([2; 32]),
        inbox_count: 0,
        inbox_hash: Digest::default(),
        next_members_hash: Digest::default(),
    };
    let other = Checkpoint { log_root: Digest::from([3; 32]), ..one.clone() };
    let sign = |checkpoint| Box::new(SignedCheckpoint::sign(&identity, checkpoint, &deployment.keys[LIAR]));
    let replica = ReplicaIndex(u16::try_from(LIAR).unwrap());
    let evidence = Evidence::Checkpoints { replica, first: sign(one), second: sign(other) };

    let settings = Settings { takeover_ms: 3_000, ..settings() };
    let mut replicas = Vec::new();
    for key in &deployment.keys {
        let replica = Replica::start(&anvil.url(), settings.clone(), &deployment.group, key).await;
        replica.evidence.send_replace(Arc::new([evidence.clone()].into_iter().collect()));
        replicas.push(replica);
    }
    let coordinator = AgentCoordinator::new(identity.contract.0, &deployment.provider);
    let accused = deployment.keys[LIAR].address();
    until("the contract convicts the replica", async || {
        coordinator.seatOf(identity.group.0, accused).call().await.unwrap().convicted
    })
    .await;
    until("the reporter knows it", async || {
        replicas.iter().map(|replica| replica.handle.status().convicted).sum::<u64>() == 1
    })
    .await;
    // Until every turn is over.
    tokio::time::sleep(std::time::Duration::from_millis(4 * settings.takeover_ms)).await;
    let mut sent = Vec::new();
    for (replica, key) in replicas.into_iter().zip(&deployment.keys) {
        let registered = 1;
        let nonce = deployment.provider.get_transaction_count(key.address()).await.unwrap();
        sent.push((nonce - registered, replica.handle.status().sent));
        replica.handle.shutdown().await;
    }
    assert_eq!(sent.iter().map(|(mined, _)| mined).sum::<u64>(), 1, "{sent:?}");
    assert_eq!(sent.iter().map(|(_, sent)| sent).sum::<u64>(), 1, "{sent:?}");
    assert_eq!(sent[LIAR], (0, 0), "not by the accused");
}
