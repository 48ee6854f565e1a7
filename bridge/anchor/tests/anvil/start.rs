//! A service that cannot work says so before it starts.

use quorate_anchor::{AnchorError, AnchorService, Settings};
use quorate_protocol::AgentId;

use super::chain::{Anvil, Deployment};
use super::settings;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_chain_contract_or_endpoint_is_named() {
    let anvil = Anvil::start(0, &[]);
    let url = anvil.url();
    let deployment = Deployment::new(&url).await;
    let key = &deployment.keys[0];
    let connect = async |url: &str, settings: Settings, group| {
        AnchorService::connect(url, settings, group, key.clone()).await.expect_err("it cannot work")
    };

    let mut elsewhere = deployment.group.clone();
    elsewhere.identity.chain_id = 10;
    let error = connect(&url, settings(), elsewhere).await;
    assert!(matches!(error, AnchorError::WrongChain { expected: 10, found: 31337 }), "{error}");

    let mut empty = deployment.group.clone();
    empty.identity.contract = AgentId::from([9; 20]);
    let error = connect(&url, settings(), empty).await;
    assert!(matches!(error, AnchorError::NoContract { chain_id: 31337, .. }), "{error}");

    let zero = Settings { poll_ms: 0, ..settings() };
    let error = connect(&url, zero, deployment.group.clone()).await;
    assert!(matches!(error, AnchorError::Setting { name: "poll_ms", .. }), "{error}");

    let error = connect("ftp://127.0.0.1", settings(), deployment.group.clone()).await;
    assert!(matches!(error, AnchorError::Url(_)), "{error}");

    let group = deployment.group.clone();
    drop(anvil);
    let error = connect(&url, settings(), group).await;
    assert!(matches!(error, AnchorError::Unreachable { .. }), "{error}");
}
