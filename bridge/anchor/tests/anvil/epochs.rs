//! A group that changes its members, and the contract that follows.

use alloy::primitives::Bytes;
use alloy::sol_types::SolError;
use quorate_anchor::Settings;
use quorate_anchor::core::{AnchorProofs, Anchorable, anchor_call};
use quorate_contracts::AgentCoordinator::EpochMismatch;
use quorate_contracts::reader::CoordinatorReader;
use quorate_protocol::Epoch;

use super::chain::{Anvil, Deployment};
use super::{Replica, settings};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contract_follows_the_members_by_the_anchor() {
    let anvil = Anvil::start(0, &[]);
    let mut deployment = Deployment::new(&anvil.url()).await;
    let (first, id) = (deployment.group.clone(), deployment.group.identity.group);
    let reader = CoordinatorReader::connect(&anvil.url(), first.identity.contract.0).await.unwrap();
    let hasty = Settings { takeover_ms: 200, interval_ms: 50, ..settings() };
    // A replica that stays, from before the change to after it.
    let stays = deployment.keys[0].clone();
    let mut replica = Replica::start(&anvil.url(), hasty.clone(), &first, &stays).await;

    replica.make_stable(&deployment.certificate(128, 10));
    replica.anchored(128).await;
    let late = deployment.certificate(400, 40);
    let handover = deployment.hand_over(200, 20, 3, 9);
    replica.hand_over(&handover);
    replica.anchored(200).await;
    assert_eq!(reader.group(id).await.unwrap(), deployment.group, "the contract has the new members");
    assert_eq!(reader.group_at(id, Epoch(0)).await.unwrap(), first);

    // All of the old epoch's replicas sign something newer: it is refused.
    let late = Anchorable { certificate: late, handover: None, quorum: 3, proofs: AnchorProofs::default() };
    let refused = deployment.call(anchor_call(&late)).await.unwrap_err();
    assert_eq!(refused, Some(Bytes::from(EpochMismatch { epoch: 0, current: 1 }.abi_encode())));
    let foreign = deployment.certificate(256, 25);
    replica.make_stable(&foreign);
    replica.anchored(256).await;

    // Meanwhile two more changes: whoever starts now, and is no replica of the epoch that the chain is in, leads it
    // through both.
    replica.handle.shutdown().await;
    let second = deployment.hand_over(300, 30, 0, 10);
    let third = deployment.hand_over(350, 31, 0, 11);
    let newcomer = deployment.keys.iter().find(|key| {
        let agent = quorate_protocol::AgentId(key.address());
        third.members.iter().any(|member| member.agent == agent)
            && second.members.iter().all(|member| member.agent != agent)
    });
    let newcomer = newcomer.expect("the third epoch has a new replica").clone();
    deployment.fund(newcomer.address()).await;
    let mut replica = Replica::start(&anvil.url(), hasty, &deployment.group, &newcomer).await;
    for handover in [&handover, &second, &third] {
        replica.hand_over(handover);
    }
    replica.make_stable(&deployment.certificate(384, 35));
    replica.anchored(384).await;
    assert_eq!(deployment.anchors().await, [128, 200, 256, 300, 350, 384]);
    assert_eq!(reader.group(id).await.unwrap(), deployment.group);
    assert_eq!(reader.epoch_start(id, Epoch(3)).await.unwrap().unwrap().log_size, 31);
}
