//! Endpoints that go away, come back without what they had, and lie.

use super::chain::{Anvil, Deployment};
use super::proxy::{Lie, Proxy};
use super::{LIMIT, Replica, settings, until};
use quorate_anchor::Settings;

/// A replica that is alone need not wait long for the others' turns.
fn alone() -> Settings {
    Settings { takeover_ms: 200, ..settings() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_comes_back_without_its_pool_gets_the_transaction_again() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state.json");
    let state = ["--state", state.to_str().expect("the folder's name is text")];
    let anvil = Anvil::start(0, &state);
    let (url, port) = (anvil.url(), anvil.port);
    let deployment = Deployment::new(&url).await;
    let first = &deployment.by_rank(0)[0];
    let settings = Settings { receipt_timeout_ms: 4_000, ..alone() };
    let mut replica = Replica::start(&url, settings, &deployment.group, first).await;

    replica.make_stable(&deployment.certificate(128, 10));
    replica.anchored(128).await;

    deployment.stop_mining().await;
    replica.make_stable(&deployment.certificate(256, 20));
    until("the second anchor waits in the pool", async || deployment.pending().await == 1).await;
    anvil.stop();
    until("the outage is noticed", async || replica.handle.status().failures >= 3).await;

    let _anvil = Anvil::start(port, &state);
    replica.anchored(256).await;
    assert_eq!(deployment.anchors().await, [128, 256]);
    until("the receipt is seen", async || replica.handle.status().anchored == 2).await;
    assert_eq!(replica.handle.status().sent, 2, "the second was sent twice unchanged");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nonce_that_contradicts_a_receipt_is_not_believed() {
    let anvil = Anvil::start(0, &[]);
    let proxy = Proxy::start(anvil.url()).await;
    let deployment = Deployment::new(&anvil.url()).await;
    let first = &deployment.by_rank(0)[0];
    let mut replica = Replica::start(&proxy.url, alone(), &deployment.group, first).await;

    replica.make_stable(&deployment.certificate(128, 10));
    replica.anchored(128).await;
    until("the receipt is seen", async || replica.handle.status().anchored == 1).await;

    proxy.tell(Lie::Always(0));
    replica.make_stable(&deployment.certificate(256, 20));
    let asked = proxy.asked();
    until("the lie was told often", async || proxy.asked() >= asked + 20).await;
    assert_eq!(replica.handle.status().sent, 1, "nothing is sent on a lie");

    proxy.tell(Lie::None);
    replica.anchored(256).await;
    assert_eq!(deployment.anchors().await, [128, 256]);
    assert_eq!(replica.handle.status().sent, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gap_makes_one_replica_late_and_another_takes_over() {
    let anvil = Anvil::start(0, &[]);
    let proxy = Proxy::start(anvil.url()).await;
    proxy.tell(Lie::Gap(7));
    let deployment = Deployment::new(&anvil.url()).await;
    let turn = deployment.by_rank(0);
    let mut fooled = Replica::start(&proxy.url, settings(), &deployment.group, &turn[0]).await;
    let mut next = Replica::start(&anvil.url(), settings(), &deployment.group, &turn[1]).await;

    let certificate = deployment.certificate(128, 10);
    fooled.make_stable(&certificate);
    next.make_stable(&certificate);
    next.anchored(128).await;
    fooled.anchored(128).await;
    assert_eq!(fooled.handle.status().sent, 1, "one transaction waits for a nonce that does not come");
    assert_eq!(deployment.sender(128).await, turn[1].address());

    // With a true endpoint it anchors again, alone.
    next.handle.shutdown().await;
    proxy.tell(Lie::None);
    fooled.make_stable(&deployment.certificate(256, 20));
    fooled.anchored(256).await;
    assert_eq!(deployment.anchors().await, [128, 256]);
    assert_eq!(deployment.sender(256).await, turn[0].address());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_between_submission_and_receipt_does_not_submit_again() {
    let anvil = Anvil::start(0, &[]);
    let proxy = Proxy::start(anvil.url()).await;
    let deployment = Deployment::new(&anvil.url()).await;
    let first = &deployment.by_rank(0)[0];
    let settings = Settings { receipt_timeout_ms: 60_000, ..alone() };
    let certificate = deployment.certificate(128, 10);

    deployment.stop_mining().await;
    let before = Replica::start(&proxy.url, settings.clone(), &deployment.group, first).await;
    before.make_stable(&certificate);
    until("the anchor waits in the pool", async || deployment.pending().await == 1).await;
    before.handle.shutdown().await;

    let mut after = Replica::start(&proxy.url, settings, &deployment.group, first).await;
    after.make_stable(&certificate);
    let asked = proxy.asked();
    until("the new life looked often", async || proxy.asked() >= asked + 20).await;
    assert_eq!(deployment.pending().await, 1);
    deployment.mine().await;
    after.anchored(128).await;
    assert_eq!(deployment.anchors().await, [128]);
    assert_eq!(after.handle.status().sent, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_never_answers_is_given_up_and_holds_up_no_shutdown() {
    let anvil = Anvil::start(0, &[]);
    let proxy = Proxy::start(anvil.url()).await;
    let deployment = Deployment::new(&anvil.url()).await;
    let hasty = Settings { request_timeout_ms: 300, ..alone() };
    let patient = Settings { request_timeout_ms: 600_000, ..alone() };
    let mut replica = Replica::start(&proxy.url, hasty, &deployment.group, &deployment.keys[0]).await;
    let waiting = Replica::start(&proxy.url, patient, &deployment.group, &deployment.keys[1]).await;

    proxy.silence(true);
    until("the silence is noticed", async || replica.handle.status().failures >= 2).await;
    until("both wait for an answer", async || proxy.unanswered() >= 2).await;
    tokio::time::timeout(LIMIT, waiting.handle.shutdown()).await.expect("it does not wait for the answer");

    proxy.silence(false);
    replica.make_stable(&deployment.certificate(128, 10));
    replica.anchored(128).await;
}
