//! A receipt proves an entry to somebody who has the contract's address, an RPC endpoint and the receipt.

use alloy::primitives::U256;
use alloy::providers::Provider as _;
use quorate_protocol::operations::proposals::Propose;
use quorate_protocol::{AgentId, Call, Choice, DecisionStatus, Receipt};
use quorate_sdk::{ChainAgent, verify_receipt};

use crate::network::{Network, wait_for};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_verifies_by_the_chain_alone_and_pays() {
    let network = Network::start().await;
    let client = network.client().await;
    let supplier = AgentId::from([0x51; 20]);
    let price = U256::from(1_000_000_000_000_000_000u128);
    let calls = vec![Call::payment(supplier, price)];
    let propose = Propose { salt: 1, description: "Pay the supplier".into(), calls, class: 0 };
    let proposed = client.propose(&network.agents[0], propose).await.unwrap();
    for agent in &network.agents[..3] {
        client.vote(agent, proposed.proposal, Choice::For).await.unwrap();
    }
    let decided = client.wait(proposed.proposal, std::time::Duration::from_secs(10)).await.unwrap();
    assert_eq!(decided.record.decision.status, DecisionStatus::Approved);

    let receipt = anchored_receipt(&network, &decided.receipt).await;
    let bytes = receipt.encode();
    let reader = network.reader().await;
    let verified = verify_receipt(&reader, network.group, &bytes).await.unwrap();
    assert_eq!(verified.anchored_size, receipt.anchor.as_ref().map(|anchor| anchor.size));

    // The group and the anchored root come from the chain once; every single flip is then checked offline.
    let anchor = receipt.anchor.clone().unwrap();
    let root = reader.anchored_root(network.group, anchor.size).await.unwrap();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 0x01;
        let verdict = Receipt::decode(&changed).and_then(|receipt| {
            receipt.verify_anchored(&verified.group, |size| if size == anchor.size { root } else { None })
        });
        assert!(verdict.is_err(), "byte {at} of {} may be changed", bytes.len());
    }
    // And the whole way, by the chain, for some of them.
    for at in (0..bytes.len()).step_by(97) {
        let mut changed = bytes.clone();
        changed[at] ^= 0x80;
        assert!(verify_receipt(&reader, network.group, &changed).await.is_err(), "byte {at} may be changed");
    }

    let chain = ChainAgent::new(&network.anvil.url, network.contract, network.agents[3].account.clone());
    let chain = chain.await.unwrap();
    chain.execute_anchored(&receipt).await.unwrap();
    let provider = network.provider();
    assert_eq!(provider.get_balance(supplier.0).await.unwrap(), price);
    assert!(reader.executed(network.group, proposed.proposal).await.unwrap());
    chain.execute_anchored(&receipt).await.expect_err("a proposal executes once");
    assert_eq!(provider.get_balance(supplier.0).await.unwrap(), price);
    let left = provider.get_balance(network.account).await.unwrap();
    assert_eq!(left, U256::from(4_000_000_000_000_000_000u128));
}

/// The receipt of the same entry with its anchor proof, once the nodes have anchored it.
async fn anchored_receipt(network: &Network, receipt: &Receipt) -> Receipt {
    let index = receipt.record.entry.index;
    let url = format!("{}/v1/groups/{}/entries/{index}/receipt", network.url(1), network.group);
    let http = reqwest::Client::new();
    wait_for("the anchor", async || {
        let answer = http.get(&url).header("accept", "application/cbor").send().await.ok()?;
        let receipt = Receipt::decode(&answer.bytes().await.ok()?).ok()?;
        receipt.anchor.is_some().then_some(receipt)
    })
    .await
}
