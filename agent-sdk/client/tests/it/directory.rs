//! Finding a group's nodes by the contract alone.

use quorate_contracts::deployment::{Adapter, deploy_adapters};
use quorate_protocol::Epoch;
use quorate_sdk::{Client, GroupListing, Reach, SdkError};

use alloy::providers::{Provider, ProviderBuilder};

use crate::chain::Stage;

#[tokio::test]
async fn a_client_needs_the_contract_and_the_group_alone() {
    let stage = Stage::new().await;
    let (url, group) = (&stage.anvil.url, stage.group.identity.group);
    let provider = ProviderBuilder::new().connect(url).await.unwrap();
    let deployer = provider.get_accounts().await.unwrap()[9];
    deploy_adapters(&provider, deployer, stage.contract, &[Adapter::Directory]).await.unwrap();
    let directory = Adapter::Directory.address(stage.contract);
    let discover = |reach| Client::discover(url, stage.contract, directory, group, reach);

    let nobody = discover(Reach::Anywhere).await.unwrap_err();
    assert!(matches!(&nobody, SdkError::Configuration(reason) if reason.contains("no replica")), "{nobody}");
    let bad = stage.chain[0].announce_endpoint(directory, group, "ftp://node.example").await.unwrap_err();
    assert!(matches!(bad, SdkError::Configuration(_)), "{bad}");

    stage.chain[0].announce_endpoint(directory, group, "http://127.0.0.1:8100/").await.unwrap();
    stage.chain[1].announce_endpoint(directory, group, "http://127.0.0.1:8100").await.unwrap();
    let here = discover(Reach::Anywhere).await.unwrap();
    assert_eq!(here.health().len(), 1, "two announced one node");
    let not_public = discover(Reach::Public).await.unwrap_err();
    assert!(matches!(not_public, SdkError::Configuration(_)), "{not_public}");

    stage.chain[2].accept_membership(directory, group, Epoch(0)).await.unwrap();
    let stale = stage.chain[3].accept_membership(directory, group, Epoch(1)).await.unwrap_err();
    assert!(stale.to_string().contains("epoch 1 is not the current one"), "{stale}");
    stage.chain[1].clear_endpoint(directory, group).await.unwrap();
    let listing = GroupListing::read(url, stage.reader(), directory, group).await.unwrap();
    assert_eq!(listing.members.len(), 4);
    for (member, chain) in listing.members.iter().map(|member| (member, member.account)) {
        assert_eq!(member.agrees_since, (chain == stage.chain[2].id()).then_some(Epoch(0)));
        assert_eq!(member.url.is_empty(), chain != stage.chain[0].id());
    }
    stage.chain[2].withdraw_acceptance(directory, group).await.unwrap();

    // Neither another contract nor none is a directory.
    for wrong in [stage.contract, deployer] {
        let error = GroupListing::read(url, stage.reader(), wrong, group).await.unwrap_err();
        assert!(matches!(error, SdkError::Configuration(_)), "{error}");
    }
}
