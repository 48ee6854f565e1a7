//! A receipt proves an entry to somebody who has the contract's address, an RPC endpoint and the receipt.

use std::process::Command;

use alloy::primitives::U256;
use alloy::providers::Provider as _;
use quorate_protocol::operations::proposals::Propose;
use quorate_protocol::{AgentId, AnchorProof, Call, Choice, DecisionStatus, Epoch, GroupId, Receipt};
use quorate_sdk::{ChainAgent, verify_receipt};

use crate::network::{Network, wait_for};
use crate::voters::{fail, json, succeed};

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
    let shown = json(&network, 0, &["decision", &proposed.proposal.to_string()]);
    assert_eq!(
        (&shown["decision"]["status"], &shown["on_chain"]["status"]),
        (&"approved".into(), &"none".into())
    );
    assert!(shown["provable_until"].as_u64() > shown["on_chain"]["chain_time"].as_u64());
    the_command_line_tells_receipts_apart(&network, &receipt);
    the_command_line_takes_care_of_files(&network);
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
    let shown = json(&network, 0, &["decision", &proposed.proposal.to_string()]);
    assert_eq!((&shown["on_chain"]["status"], shown["provable_until"].as_u64()), (&"executed".into(), None));
    chain.execute_anchored(&receipt).await.expect_err("a proposal executes once");
    assert_eq!(provider.get_balance(supplier.0).await.unwrap(), price);
    let left = provider.get_balance(network.account).await.unwrap();
    assert_eq!(left, U256::from(4_000_000_000_000_000_000u128));
}

/// `quorate audit verify --receipt` with this group, or none.
pub(crate) fn audit_receipt(
    network: &Network,
    receipt: &Receipt,
    group: Option<GroupId>,
    more: &[&str],
) -> (i32, String) {
    let file = network.node_dir(0).with_file_name("told.receipt");
    std::fs::write(&file, receipt.encode()).unwrap();
    let mut quorate = Command::new(env!("CARGO_BIN_EXE_quorate"));
    quorate.args(["audit", "verify", "--receipt"]).arg(&file).args(more);
    quorate.args(["--rpc", &network.anvil.url, "--contract", &network.contract.to_string()]);
    if let Some(group) = group {
        quorate.args(["--group", &group.to_string()]);
    }
    let output = quorate.output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.code().unwrap_or(-1), said)
}

/// What is true, what is not the user's group, what is nobody's, what is not anchored, and what was forged.
fn the_command_line_tells_receipts_apart(network: &Network, receipt: &Receipt) {
    let (own, other) = (network.group, GroupId::from([0x77; 32]));
    let check = |receipt: &Receipt, group: Option<GroupId>, more: &[&str], code: i32, words: &str| {
        let (found, said) = audit_receipt(network, receipt, group, more);
        assert!(found == code && said.contains(words), "{found} for {code}: {said}");
    };
    check(receipt, Some(own), &["--require-anchor"], 0, "under the contract's root");
    check(receipt, None, &[], 2, &format!("says that it is of {own}"));
    check(receipt, Some(other), &[], 8, "expected");
    let mut foreign = receipt.clone();
    foreign.identity.group = other;
    check(&foreign, Some(own), &[], 8, "the receipt is of log");
    check(&foreign, Some(other), &[], 8, "");
    let bare = Receipt { anchor: None, ..receipt.clone() };
    check(&bare, Some(own), &[], 0, "not anchored yet");
    check(&bare, Some(own), &["--require-anchor"], 10, "no proof under an anchored root");
    let early = Receipt { epoch: Epoch(1), ..receipt.clone() };
    check(&early, Some(own), &[], 10, "unproven as yet");
    // An honest proof under a root that the contract does not have at all.
    let mut lost = receipt.clone();
    let head = receipt.certificate.head;
    lost.anchor = Some(AnchorProof { size: head.size, root: head.root, proof: receipt.proof.clone() });
    if receipt.anchor.as_ref().is_some_and(|anchor| anchor.size != head.size) {
        check(&lost, Some(own), &[], 8, "fetch the receipt again");
    }
}

/// What is there is replaced on demand alone; and what is no export, or a damaged one, is told by its exit code.
fn the_command_line_takes_care_of_files(network: &Network) {
    let path = network.node_dir(0).with_file_name("log.export");
    let file = path.to_str().unwrap();
    std::fs::write(&path, "somebody's key").unwrap();
    fail(network, 0, &["audit", "export", file], 2, "exists already");
    assert_eq!(std::fs::read(&path).unwrap(), b"somebody's key");
    fail(network, 0, &["audit", "verify", "--export", file], 8, "cannot be read");
    succeed(network, 0, &["audit", "export", file, "--overwrite"]);
    succeed(network, 0, &["audit", "verify", "--export", file]);
    let good = std::fs::read(&path).unwrap();
    for at in [0, 3, 40, 100, 200] {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        std::fs::write(&path, bad).unwrap();
        fail(network, 0, &["audit", "verify", "--export", file], 8, "");
    }
    for len in [0, 1, 100, good.len() - 1] {
        std::fs::write(&path, &good[..len]).unwrap();
        fail(network, 0, &["audit", "verify", "--export", file], 8, "");
    }
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
