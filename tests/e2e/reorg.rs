//! The chain takes an anchor back: the nodes say so, anchor again, and every receipt is right again.

use std::time::{Duration, Instant};

use alloy::primitives::{Address, B256, U64};
use alloy::providers::{DynProvider, Provider as _};
use alloy::rpc::types::Filter;
use alloy::sol_types::SolEvent as _;
use quorate_contracts::AgentCoordinator::Anchored;
use quorate_protocol::operations::proposals::Propose;
use quorate_protocol::receipt::ReceiptError;
use quorate_protocol::{Digest, GroupId, Receipt};
use quorate_sdk::{Client, CoordinatorReader, SdkError, verify_receipt};
use serde_json::json;

use crate::network::{Network, wait_for};

/// How deep the reorganisation is: no finality that these tests configure reaches so far.
const REORG_DEPTH: u64 = 5;
/// How soon no node may claim an anchor any more that the chain dropped: a poll of 250 ms on a busy machine, and far less
/// than the ten seconds after which a node would ask again anyway.
const UNLEARNING: Duration = Duration::from_secs(5);

/// An anchor in the canonical chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Event {
    sequence: u64,
    size: u64,
    root: Digest,
    tx_hash: B256,
    block: u64,
}

/// The chain, with its blocks made by hand once [`Self::stop`] was called.
struct Chain {
    provider: DynProvider,
    contract: Address,
    group: GroupId,
}

impl Chain {
    fn of(network: &Network) -> Self {
        Self { provider: network.provider(), contract: network.contract, group: network.group }
    }

    async fn ask(&self, method: &'static str, parameters: serde_json::Value) -> serde_json::Value {
        self.provider.raw_request(method.into(), parameters).await.unwrap()
    }

    async fn stop(&self) {
        self.ask("evm_setIntervalMining", json!([0])).await;
    }

    async fn mine(&self, blocks: u64) {
        for _ in 0..blocks {
            self.ask("evm_mine", json!([])).await;
        }
    }

    async fn head(&self) -> u64 {
        self.provider.get_block_number().await.unwrap()
    }

    /// How many transactions could be mined.
    async fn pending(&self) -> u64 {
        let status = self.ask("txpool_status", json!([])).await;
        serde_json::from_value::<U64>(status["pending"].clone()).unwrap().to()
    }

    /// The group's anchors, in the order of the chain.
    async fn anchors(&self) -> Vec<Event> {
        let filter = Filter::new()
            .address(self.contract)
            .event_signature(Anchored::SIGNATURE_HASH)
            .topic1(self.group.0)
            .from_block(0);
        let logs = self.provider.get_logs(&filter).await.unwrap();
        let event = |log: &alloy::rpc::types::Log| {
            let anchored = Anchored::decode_log(&log.inner).unwrap();
            Event {
                sequence: anchored.sequence,
                size: anchored.logSize,
                root: Digest(anchored.logRoot),
                tx_hash: log.transaction_hash.unwrap(),
                block: log.block_number.unwrap(),
            }
        };
        logs.iter().map(event).collect()
    }
}

/// What a node says is anchored: size, block and transaction.
async fn claimed(network: &Network, at: usize) -> Option<(u64, u64, B256)> {
    let anchored = network.get_json(at, "").await["anchored"].clone();
    let size = anchored["size"].as_u64()?;
    Some((size, anchored["block"].as_u64().unwrap(), anchored["tx_hash"].as_str().unwrap().parse().unwrap()))
}

/// Waits until every node claims this anchor, in this block.
async fn all_claim(network: &Network, event: Event) {
    for at in 0..4 {
        wait_for("every node to say what is anchored", async || {
            let claim = claimed(network, at).await;
            (claim == Some((event.size, event.block, event.tx_hash))).then_some(())
        })
        .await;
    }
}

async fn propose(network: &Network, client: &Client, salt: u64) -> Receipt {
    let propose = Propose { salt, description: format!("proposal {salt}"), calls: vec![], class: 0 };
    client.propose(&network.agents[0], propose).await.unwrap().receipt
}

/// The receipt of an entry as a node gives it now.
async fn fetch(network: &Network, at: usize, index: u64) -> Receipt {
    let url = format!("{}/v1/groups/{}/entries/{index}/receipt", network.url(at), network.group);
    let http = reqwest::Client::new();
    wait_for("a receipt", async || {
        let answer = http.get(&url).header("accept", "application/cbor").send().await.ok()?;
        Receipt::decode(&answer.bytes().await.ok()?).ok()
    })
    .await
}

/// Whatever any node says of any entry verifies by the chain alone; as many entries as `anchored` say that they are
/// anchored.
async fn all_receipts_verify(network: &Network, reader: &CoordinatorReader, anchored: u64) {
    let (size, _) = network.one_log(&[0, 1, 2, 3]).await;
    for at in 0..4 {
        for index in 0..size {
            let receipt = fetch(network, at, index).await;
            assert_eq!(receipt.anchor.is_some(), index < anchored, "entry {index} of node {at}");
            verify_receipt(reader, network.group, &receipt.encode()).await.unwrap();
        }
    }
}

/// Exactly one anchor a checkpoint, and none that goes back.
fn assert_one_each(anchors: &[Event]) {
    let ascends = |pair: &[Event]| pair[0].sequence < pair[1].sequence && pair[0].size <= pair[1].size;
    assert!(anchors.windows(2).all(ascends), "{anchors:?}");
}

/// A reorganisation of depth 5 under the newest anchor of a group whose nodes rely on the block with `depth` above it.
async fn an_anchor_is_dropped(finality: &str, depth: u64) {
    let mut network = Network::start_on(format!("finality = {finality}\n")).await;
    let chain = Chain::of(&network);
    let (client, reader) = (network.client().await, network.reader().await);

    // The group has anchored all that it did, the chain stands still, and what is dropped later lies on five blocks of
    // nothing else.
    let early = propose(&network, &client, 1).await;
    wait_for("the first anchor", async || {
        let (size, _) = network.one_log(&[0, 1, 2, 3]).await;
        chain.anchors().await.iter().any(|event| event.size == size).then_some(())
    })
    .await;
    chain.stop().await;
    chain.mine(REORG_DEPTH).await;
    let before = chain.anchors().await;
    let first = *before.last().unwrap();
    all_claim(&network, first).await;
    let early = fetch(&network, 0, early.record.entry.index.0).await;
    verify_receipt(&reader, network.group, &early.encode()).await.unwrap();

    // The anchor that will be dropped, as deep as the nodes ask for.
    let late = propose(&network, &client, 2).await.record.entry.index.0;
    wait_for("an anchor in the pool", async || (chain.pending().await > 0).then_some(())).await;
    chain.mine(1).await;
    let dropped = *chain.anchors().await.last().unwrap();
    assert!(dropped.size > first.size && dropped.block == chain.head().await);
    for _ in 0..depth {
        for at in 0..4 {
            assert_eq!(
                claimed(&network, at).await,
                Some((first.size, first.block, first.tx_hash)),
                "not deep enough"
            );
        }
        chain.mine(1).await;
    }
    all_claim(&network, dropped).await;
    let held = fetch(&network, 2, late).await;
    assert_eq!(held.anchor.as_ref().map(|anchor| anchor.size), Some(dropped.size));
    verify_receipt(&reader, network.group, &held.encode()).await.unwrap();

    // It is gone: from the chain, from what the nodes say, and from what they prove. One node does not see it go.
    network.kill_9(3);
    chain.ask("anvil_reorg", json!([REORG_DEPTH, []])).await;
    let began = Instant::now();
    assert_eq!(chain.anchors().await, before, "the reorganisation dropped the anchor and nothing else");
    assert!(reader.anchored_root(network.group, dropped.size).await.unwrap().is_none());
    for at in 0..3 {
        wait_for("a node to unlearn the anchor", async || {
            let claim = claimed(&network, at).await;
            claim.is_none_or(|(size, ..)| size == first.size).then_some(())
        })
        .await;
    }
    let took = began.elapsed();
    assert!(took < UNLEARNING, "an anchor that is gone was claimed for {took:?}");
    network.launch(3);
    network.ready(3).await;
    all_claim(&network, first).await;
    assert!(fetch(&network, 2, late).await.anchor.is_none());
    let verdict = verify_receipt(&reader, network.group, &held.encode()).await;
    let expected = ReceiptError::NotAnchored { size: dropped.size, root: dropped.root };
    assert!(
        matches!(&verdict, Err(SdkError::Receipt(error)) if *error == expected),
        "a receipt of before says that its anchor is gone: {verdict:?}"
    );
    all_receipts_verify(&network, &reader, first.size).await;

    // It is made again, and then everything holds again.
    wait_for("the anchor in the pool again", async || (chain.pending().await > 0).then_some(())).await;
    chain.mine(1 + depth).await;
    let after = chain.anchors().await;
    let again = *after.last().unwrap();
    assert_eq!((after.len(), &after[..before.len()]), (before.len() + 1, &before[..]));
    assert_one_each(&after);
    assert!(
        again.size >= dropped.size && again.sequence >= dropped.sequence,
        "or a newer one that covers it"
    );
    all_claim(&network, again).await;
    all_receipts_verify(&network, &reader, again.size).await;
    verify_receipt(&reader, network.group, &early.encode()).await.unwrap();
    if again.size == dropped.size {
        verify_receipt(&reader, network.group, &held.encode()).await.unwrap();
    }

    // And the group goes on, with the chain running by itself.
    chain.ask("evm_setIntervalMining", json!([1])).await;
    let last = propose(&network, &client, 3).await.record.entry.index.0;
    wait_for("the anchor of what came after", async || fetch(&network, 1, last).await.anchor.map(drop)).await;
    verify_receipt(&reader, network.group, &fetch(&network, 1, last).await.encode()).await.unwrap();
    assert_one_each(&chain.anchors().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_anchor_that_the_chain_drops_is_unlearned_and_made_again_exactly_once() {
    an_anchor_is_dropped("\"latest\"", 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reorganisation_below_the_final_block_is_followed_too() {
    an_anchor_is_dropped("2", 2).await;
}
