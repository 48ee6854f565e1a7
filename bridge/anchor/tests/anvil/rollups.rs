//! Endpoints of rollups: anvil with the contracts that say what data costs on L1, behind a proxy that adds to estimates
//! and receipts what such chains add.

use std::sync::{Arc, Mutex};

use alloy::network::TransactionBuilder as _;
use alloy::primitives::{Bytes, U256, keccak256};
use alloy::providers::Provider as _;
use alloy::rpc::types::TransactionRequest;
use quorate_anchor::core::Cost;
use quorate_anchor::{AnchorError, AnchorService, Settings};
use quorate_node::config::{Finality, L1Fee};
use quorate_node::metrics::Metrics;
use serde_json::{Value, json};

use super::chain::{Anvil, Deployment};
use super::proxy::Proxy;
use super::{Replica, settings, until};

const GAS_PRICE_ORACLE: &str = "0x420000000000000000000000000000000000000F";
const NODE_INTERFACE: &str = "0x00000000000000000000000000000000000000C8";
const UPPER_BOUND: &str = "getL1FeeUpperBound(uint256)";

fn alone(l1_fee: L1Fee) -> Settings {
    Settings { takeover_ms: 200, l1_fee, ..settings() }
}

/// Code that answers every call with these words.
fn answering(words: &[u64]) -> Vec<u8> {
    let mut code = Vec::new();
    for (at, word) in (0u8..).zip(words) {
        code.push(0x67); // PUSH8
        code.extend(word.to_be_bytes());
        code.extend([0x60, 32 * at, 0x52]); // PUSH1, MSTORE
    }
    let length = u8::try_from(32 * words.len()).unwrap();
    code.extend([0x60, length, 0x60, 0x00, 0xf3]); // RETURN
    code
}

/// As [`answering`], but a call of `refused` reverts.
fn answering_all_but(refused: &str, words: &[u64]) -> Vec<u8> {
    // PUSH1 0, CALLDATALOAD, PUSH1 224, SHR, PUSH4 refused, EQ, PUSH1 18, JUMPI, PUSH1 24, JUMP
    let mut code = vec![0x60, 0, 0x35, 0x60, 224, 0x1c, 0x63];
    code.extend(&keccak256(refused)[..4]);
    code.extend([0x14, 0x60, 18, 0x57, 0x60, 24, 0x56]);
    assert_eq!(code.len(), 18);
    // JUMPDEST, PUSH1 0, PUSH1 0, REVERT, JUMPDEST
    code.extend([0x5b, 0x60, 0, 0x60, 0, 0xfd, 0x5b]);
    code.extend(answering(words));
    code
}

impl Deployment {
    async fn set_code(&self, address: &str, code: Vec<u8>) {
        self.anvil("anvil_setCode", json!([address, Bytes::from(code)])).await;
    }
}

/// Adds a number to a field of an answer.
fn add(answer: &mut Value, more: u64) {
    let number: U256 = serde_json::from_value(answer.clone()).expect("a number");
    *answer = json!(number + U256::from(more));
}

/// What anvil itself says that the transaction anchoring `sequence` cost.
async fn paid(deployment: &Deployment, sequence: u64) -> (u128, u128) {
    let receipt = deployment.receipt(sequence).await;
    (u128::from(receipt.gas_used), receipt.effective_gas_price)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_an_op_chain_the_fee_for_data_is_counted_and_shown() {
    let anvil = Anvil::start(0, &[]);
    let deployment = Deployment::new(&anvil.url()).await;
    let proxy = Proxy::start(anvil.url()).await;
    proxy.change(|request, answer| {
        if request["method"] == "eth_getTransactionReceipt" && answer.is_object() {
            answer["l1Fee"] = json!("0x7b");
            answer["l1GasPrice"] = json!("0x1");
        }
    });
    let one_ether = 10u64.pow(18);
    deployment.set_code(GAS_PRICE_ORACLE, answering(&[one_ether])).await;
    let metrics = Metrics::new();
    let key = &deployment.by_rank(0)[0];
    let group = deployment.group.clone();
    let service = AnchorService::connect(&proxy.url, alone(L1Fee::OpStack), group, key.clone()).await;
    let service = service.unwrap().count_in(metrics.anchor_costs.clone());
    let mut replica = Replica::of(service);

    // An ether for the data is more than an hour's limit.
    replica.make_stable(&deployment.certificate(128, 10));
    let asked = proxy.asked();
    until("the account was looked at often", async || proxy.asked() >= asked + 4).await;
    assert_eq!(replica.handle.status().sent, 0);

    deployment.set_code(GAS_PRICE_ORACLE, answering(&[1_000_000])).await;
    replica.anchored(128).await;
    until("the receipt is seen", async || replica.handle.status().anchored == 1).await;
    let (gas, price) = paid(&deployment, 128).await;
    assert_eq!(replica.handle.status().cost, Some(Cost { execution: gas * price, data: 123 }));
    let text = metrics.encode();
    for line in [
        "quorate_anchors_total 1".to_owned(),
        format!("quorate_anchor_execution_fee_wei {}", gas * price),
        "quorate_anchor_l1_data_fee_wei 123".to_owned(),
        format!("quorate_anchor_fees_wei_total {}", gas * price + 123),
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }

    // Before Fjord the oracle knew no upper bound.
    let old = answering_all_but(UPPER_BOUND, &[1_000_000]);
    deployment.set_code(GAS_PRICE_ORACLE, old).await;
    let question = TransactionRequest::default()
        .with_to(GAS_PRICE_ORACLE.parse().unwrap())
        .with_input(Bytes::copy_from_slice(&keccak256(UPPER_BOUND)[..4]));
    deployment.provider.call(question).await.expect_err("it knows no upper bound");
    replica.make_stable(&deployment.certificate(256, 20));
    replica.anchored(256).await;
    deployment.set_code(GAS_PRICE_ORACLE, answering_all_but(UPPER_BOUND, &[one_ether])).await;
    replica.make_stable(&deployment.certificate(384, 30));
    let asked = proxy.asked();
    until("the account was looked at often", async || proxy.asked() >= asked + 4).await;
    assert_eq!(deployment.anchors().await, [128, 256], "its answer counts all the same");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_an_arbitrum_chain_data_takes_gas_beyond_the_bound_on_units() {
    const FOR_DATA: u64 = 5_000_000;
    let anvil = Anvil::start(0, &[]);
    let deployment = Deployment::new(&anvil.url()).await;
    let proxy = Proxy::start(anvil.url()).await;
    proxy.change(|request, answer| match request["method"].as_str() {
        Some("eth_estimateGas") if answer.is_string() => add(answer, FOR_DATA),
        Some("eth_getTransactionReceipt") if answer.is_object() => answer["gasUsedForL1"] = json!("0x64"),
        _ => {}
    });
    deployment.set_code(NODE_INTERFACE, answering(&[FOR_DATA, 3, 7])).await;
    let key = &deployment.by_rank(0)[0];
    let mut replica = Replica::start(&proxy.url, alone(L1Fee::Arbitrum), &deployment.group, key).await;

    replica.make_stable(&deployment.certificate(128, 10));
    replica.anchored(128).await;
    until("the receipt is seen", async || replica.handle.status().anchored == 1).await;
    let limit = deployment.gas_limit(128).await;
    assert!(
        (FOR_DATA + FOR_DATA / 2..FOR_DATA * 2).contains(&limit),
        "{limit} is for the data and the execution"
    );
    let (gas, price) = paid(&deployment, 128).await;
    let expected = Cost { execution: (gas - 100) * price, data: 100 * price };
    assert_eq!(replica.handle.status().cost, Some(expected));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_oracle_or_a_final_block_that_is_not_there_is_named_at_the_start() {
    let anvil = Anvil::start(0, &[]);
    let deployment = Deployment::new(&anvil.url()).await;
    let proxy = Proxy::start(anvil.url()).await;
    let connect = async |settings: Settings| {
        let (group, key) = (deployment.group.clone(), deployment.keys[0].clone());
        AnchorService::connect(&proxy.url, settings, group, key).await
    };
    for l1_fee in [L1Fee::OpStack, L1Fee::Arbitrum] {
        let error = connect(alone(l1_fee)).await.expect_err("anvil has no oracle");
        assert!(matches!(error, AnchorError::NoDataFeeOracle { .. }), "{error}");
        assert!(error.to_string().contains("chain.l1_fee"), "{error}");
    }

    let tags = [(Finality::Safe, "safe"), (Finality::Finalized, "finalized")];
    for (finality, _) in tags {
        connect(Settings { finality, ..settings() }).await.expect("anvil knows both tags");
    }
    proxy.refuse(|request| {
        let tag = &request["params"][0];
        (request["method"] == "eth_getBlockByNumber" && (tag == "safe" || tag == "finalized"))
            .then(|| json!({ "code": -32602, "message": "invalid block tag" }))
    });
    for (finality, tag) in tags {
        let error = connect(Settings { finality, ..settings() }).await.expect_err("it knows neither now");
        assert!(matches!(error, AnchorError::UnknownTag { tag: found, .. } if found == tag), "{error}");
        let said = error.to_string();
        assert!(said.contains("chain.finality") && said.contains("invalid block tag"), "{said}");
    }
    connect(Settings { finality: Finality::Depth(3), ..settings() }).await.expect("a depth needs no tag");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_is_told_of_an_anchor_when_its_block_is_safe() {
    // Every block but the newest is safe, and every one below that is finalized.
    let anvil = Anvil::start(0, &["--slots-in-an-epoch", "1"]);
    let deployment = Deployment::new(&anvil.url()).await;
    let proxy = Proxy::start(anvil.url()).await;
    let turn = deployment.by_rank(0);
    let relying = |finality| Settings { finality, ..alone(L1Fee::None) };
    let mut safe = Replica::start(&proxy.url, relying(Finality::Safe), &deployment.group, &turn[0]).await;
    let mut finalized =
        Replica::start(&anvil.url(), relying(Finality::Finalized), &deployment.group, &turn[1]).await;

    deployment.stop_mining().await;
    safe.make_stable(&deployment.certificate(128, 10));
    until("the anchor waits in the pool", async || deployment.pending().await == 1).await;
    deployment.mine().await;
    until("the anchor is seen", async || safe.handle.status().anchored == 1).await;
    assert!(safe.anchored.borrow().is_none(), "its block is the newest");
    deployment.mine().await;
    let told = safe.anchored(128).await;
    assert!(finalized.anchored.borrow().is_none(), "its block is safe, not finalized");
    deployment.mine().await;
    assert_eq!(finalized.anchored(128).await, told);

    // A head of another fork than the safe block's: whatever is read there is not told.
    let old: Arc<Mutex<Option<Value>>> = Arc::default();
    let pinned = Arc::clone(&old);
    proxy.change(move |request, answer| {
        if request["method"] == "eth_getBlockByNumber" && request["params"][0] == "latest" {
            *answer = pinned.lock().unwrap().get_or_insert_with(|| answer.clone()).clone();
        }
    });
    until("the head is pinned", async || old.lock().unwrap().is_some()).await;
    deployment.anvil("anvil_reorg", json!([2, []])).await;
    until("the contradiction is noticed", async || safe.handle.status().failures > 0).await;
    proxy.change(|_, _| {});
    until("the chain is followed again", async || safe.handle.status().failures == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stuck_anchor_is_replaced_up_to_the_cap_and_goes_on_when_gas_is_cheap_again() {
    const GWEI: u64 = 1_000_000_000;
    let anvil = Anvil::start(0, &[]);
    let deployment = Deployment::new(&anvil.url()).await;
    let proxy = Proxy::start(anvil.url()).await;
    let cap = u128::from(60 * GWEI);
    let settings = Settings { receipt_timeout_ms: 500, max_fee: cap, ..alone(L1Fee::None) };
    let mut replica =
        Replica::start(&proxy.url, settings, &deployment.group, &deployment.by_rank(0)[0]).await;
    let base_fee = async |gwei: u64| {
        let fee = format!("{:#x}", gwei * GWEI);
        deployment.anvil("anvil_setNextBlockBaseFeePerGas", json!([fee])).await;
        deployment.mine().await;
    };

    deployment.stop_mining().await;
    base_fee(1).await;
    replica.make_stable(&deployment.certificate(128, 10));
    until("the anchor waits in the pool", async || deployment.pending().await == 1).await;
    base_fee(50).await;
    until("it is replaced", async || replica.handle.status().sent == 2).await;
    base_fee(80).await;
    let asked = proxy.asked();
    until("many time-outs passed", async || proxy.asked() >= asked + 40).await;
    assert_eq!(replica.handle.status().sent, 2, "nothing is offered above the cap");
    assert!(deployment.anchors().await.is_empty());

    base_fee(1).await;
    until("it is in the pool again", async || deployment.pending().await == 1).await;
    deployment.mine().await;
    replica.anchored(128).await;
    until("the receipt is seen", async || replica.handle.status().anchored == 1).await;
    assert_eq!(deployment.anchors().await, [128]);
    assert!(deployment.max_fee(128).await <= cap);

    replica.make_stable(&deployment.certificate(256, 20));
    until("the next one is in the pool", async || deployment.pending().await == 1).await;
    deployment.mine().await;
    replica.anchored(256).await;
}
