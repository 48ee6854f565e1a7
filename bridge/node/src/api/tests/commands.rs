//! Submitting: the way through, and every way out.

use quorate_protocol::api::{CBOR, ErrorCode};
use quorate_protocol::operations::proposals::{Cancel, ProposalsOperation};
use quorate_protocol::{
    AgentId, AgentKey, Command, EntryIndex, EntryStatus, GroupId, Nonce, Operation, ProposalId, Signature,
    SignedCommand, TimestampMs,
};
use quorate_services::MAX_NONCE_JUMP;
use reqwest::Method;

use super::harness::{Node, Runtime, error};
use crate::api::{NodeStatus, Readiness};
use crate::ledger::Divergence;

/// `command`, changed and signed anew by `key`.
fn changed(command: &SignedCommand, key: &AgentKey, change: impl FnOnce(&mut Command)) -> SignedCommand {
    let mut command = command.command().clone();
    command.key = key.public();
    change(&mut command);
    SignedCommand::sign(command, key)
}

#[tokio::test]
async fn a_command_is_answered_with_its_receipt_and_again_with_the_same() {
    let node = Node::start().await;
    let command = node.fixture.command(0, 1);
    let first = node.receipt(&command).await;
    assert_eq!(first.record.entry.subject, command.digest());
    assert_eq!(first.record.entry.status, EntryStatus::Applied);

    node.receipt(&node.fixture.command(1, 1)).await;
    let again = node.receipt(&command).await;
    assert_eq!(again.record, first.record);
    assert_eq!(node.submissions(), 2, "a duplicate is answered without being ordered");

    let found = node.cbor(&format!("/commands/{}", command.digest())).await;
    assert_eq!(found, again.encode());
    let unknown = node.get(&format!("/commands/{}", node.fixture.command(0, 2).digest())).await;
    assert_eq!(error(unknown).await.code, ErrorCode::NotFound);
}

#[tokio::test]
async fn a_command_that_the_services_refuse_has_its_entry_too() {
    let node = Node::start().await;
    let cancel = ProposalsOperation::Cancel(Cancel { proposal: ProposalId::from([1; 32]) });
    let receipt = node.receipt(&node.fixture.sign(0, 1, cancel)).await;
    assert_eq!(receipt.record.entry.status, EntryStatus::Refused);
    assert!(receipt.record.outcome.refusal().is_some());
}

#[tokio::test]
async fn each_fault_of_a_command_has_its_code_and_nothing_is_ordered() {
    let node = Node::start().await;
    let command = node.fixture.command(0, 1);
    let key = &node.fixture.keys[0].1;
    node.receipt(&node.fixture.command(0, 1000)).await;

    let stranger = AgentKey::from_secret(&[77; 32]);
    let foreign = changed(&command, key, |command| command.group = GroupId::from([9; 32]));
    let empty = changed(&command, key, |command| command.operations.clear());
    let forged = SignedCommand::from_parts(
        changed(&command, key, |command| command.nonce = Nonce(999)).command().clone(),
        Signature([7; 64]),
    );
    let unknown = changed(&command, &stranger, |command| command.agent = AgentId::from([0x77; 20]));
    let other_key = changed(&command, &stranger, |command| command.nonce = Nonce(999));
    let reused = changed(&command, key, |command| command.nonce = Nonce(1000));
    let far = changed(&command, key, |command| command.nonce = Nonce(1001 + MAX_NONCE_JUMP));
    let expired = changed(&command, key, |command| {
        command.nonce = Nonce(999);
        command.expires = TimestampMs(1);
    });
    let cases = [
        (foreign, ErrorCode::WrongGroup, None),
        (empty, ErrorCode::Empty, None),
        (forged, ErrorCode::BadSignature, None),
        (unknown, ErrorCode::UnknownAgent, None),
        (other_key, ErrorCode::WrongKey, None),
        (reused, ErrorCode::NonceReused, Some(EntryIndex(1))),
        (command, ErrorCode::NonceTooOld, None),
        (far, ErrorCode::NonceTooFar, None),
        (expired, ErrorCode::Expired, None),
    ];
    for (command, code, entry) in cases {
        let error = error(node.submit(&command).await).await;
        assert_eq!((error.code, error.entry), (code, entry), "{}", error.detail);
    }
    assert_eq!(node.submissions(), 1);
}

#[tokio::test]
async fn each_fault_of_a_body_has_its_code() {
    let node = Node::start().await;
    let good = node.fixture.command(0, 1).encode();

    let mut trailing = good.clone();
    trailing.push(0);
    for bytes in [vec![], vec![0xff; 40], good[..good.len() - 1].to_vec(), trailing] {
        assert_eq!(error(node.submit_bytes("", bytes).await).await.code, ErrorCode::Malformed);
    }
    // Over the bound of a command, and over the bound of any body.
    for len in [100 * 1024, 200 * 1024] {
        assert_eq!(error(node.submit_bytes("", vec![0; len]).await).await.code, ErrorCode::TooLarge);
    }
    let operation = Operation { service: "proposals".into(), body: vec![0; 65 * 1024] };
    let key = &node.fixture.keys[0].1;
    let large = changed(&node.fixture.command(0, 1), key, |command| command.operations = vec![operation]);
    assert_eq!(error(node.submit(&large).await).await.code, ErrorCode::TooLarge);

    let path = node.path("/commands");
    for content_type in [None, Some("application/json")] {
        let request = node.request(Method::POST, &path).body(good.clone());
        let request = match content_type {
            Some(content_type) => request.header("content-type", content_type),
            None => request,
        };
        let error = error(request.send().await.unwrap()).await;
        assert_eq!(error.code, ErrorCode::UnsupportedMediaType, "{}", error.detail);
    }
    let wait = node.submit_bytes("?wait_ms=soon", good.clone()).await;
    assert_eq!(error(wait).await.code, ErrorCode::Malformed);

    let other = format!("/v1/groups/{}/commands", GroupId::from([9; 32]));
    for (path, code) in
        [(other.as_str(), ErrorCode::NotFound), ("/v1/groups/0x12/commands", ErrorCode::Malformed)]
    {
        let request = node.request(Method::POST, path).header("content-type", CBOR).body(good.clone());
        assert_eq!(error(request.send().await.unwrap()).await.code, code);
    }
    assert_eq!(node.submissions(), 0);
}

#[tokio::test]
async fn a_command_without_a_quorum_is_pending_until_there_is_one() {
    let node = Node::start().await;
    node.runtime.send_replace(Runtime::Unattested);
    let command = node.fixture.command(0, 1);
    let response = node.submit_bytes("?wait_ms=50", command.encode()).await;
    assert_eq!(error(response).await.code, ErrorCode::Pending);
    // Executed by now or soon: asking again waits for the certificate, in both cases.
    let waiting = node.receipt(&command);
    let attest = async { node.runtime.send_replace(Runtime::Working) };
    let (receipt, _) = tokio::join!(waiting, attest);
    assert_eq!(receipt.record.entry.subject, command.digest());
    assert_eq!(node.shared.reader.progress().size, 2, "one command, one entry");
}

#[tokio::test]
async fn a_node_that_cannot_take_commands_says_so() {
    let node = Node::start().await;
    let executed = node.fixture.command(0, 1);
    node.receipt(&executed).await;

    let mut status: NodeStatus = node.status.borrow().clone();
    status.readiness = Readiness::NotReady("two of three peers are missing".into());
    node.status.send_replace(status);
    let refused = node.submit(&node.fixture.command(0, 2)).await;
    assert!(refused.headers().contains_key("retry-after"));
    let refused = error(refused).await;
    assert_eq!(refused.code, ErrorCode::NotReady);
    assert!(refused.detail.contains("two of three peers"), "{}", refused.detail);
    node.receipt(&executed).await;
}

#[tokio::test]
async fn a_full_queue_is_answered_as_busy() {
    let node = Node::start().await;
    node.runtime.send_replace(Runtime::Stalled);
    // The stand-in may hold one submission, its channel another; the third finds no room.
    let mut codes = Vec::new();
    for nonce in 1..=3 {
        let response = node.submit_bytes("?wait_ms=0", node.fixture.command(0, nonce).encode()).await;
        codes.push(error(response).await.code);
    }
    assert_eq!(codes.last(), Some(&ErrorCode::Busy), "{codes:?}");
}

#[tokio::test]
async fn a_diverged_node_serves_nothing() {
    let node = Node::start().await;
    let receipt = node.receipt(&node.fixture.command(0, 1)).await;
    node.runtime.send_replace(Runtime::Unattested);
    let command = node.fixture.command(0, 2);
    let waiting = node.submit(&command);
    let diverge = async {
        node.shared.reader.follow().wait_for(|progress| progress.size == 3).await.unwrap();
        let (ours, theirs) = (receipt.certificate.head.root, receipt.record.entry.subject);
        let divergence = Divergence { size: 2, ours, theirs };
        node.shared.ledger.write().unwrap().mark_diverged(divergence);
    };
    let (waited, ()) = tokio::join!(waiting, diverge);
    assert_eq!(error(waited).await.code, ErrorCode::Diverged);
    assert_eq!(error(node.submit(&node.fixture.command(0, 3)).await).await.code, ErrorCode::Diverged);
    for rest in ["", "/entries", "/log/certificate", "/events", "/proposals"] {
        assert_eq!(error(node.get(rest).await).await.code, ErrorCode::Diverged, "{rest}");
    }
    let ready = node.request(Method::GET, "/readyz").send().await.unwrap();
    assert_eq!(error(ready).await.code, ErrorCode::Diverged);
    assert_eq!(node.request(Method::GET, "/healthz").send().await.unwrap().status(), 200);
}
