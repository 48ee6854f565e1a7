//! What is served of the chain's side: the contract's inbox, and what it takes to anchor.

use std::sync::Arc;

use quorate_protocol::api::{AnchorPackage, ErrorCode, InboxPage};
use quorate_protocol::checkpoint::CheckpointSignature;
use quorate_protocol::merkle::{verify_consistency, verify_inclusion};
use quorate_protocol::operations::ServiceOperation as _;
use quorate_protocol::operations::inbox::{InboxOperation, Observe};
use quorate_protocol::{
    AgentId, Checkpoint, CheckpointCertificate, Digest, Epoch, InboxEvent, InboxMessage, OnChainStatus,
    ProposalId, Sequence, SignedCheckpoint,
};

use super::harness::{Node, error};
use crate::anchored::InboxView;

/// Three messages: a proposal is opened, closed, and a replica gives notice.
fn messages() -> Vec<InboxMessage> {
    let proposal = ProposalId::from([1; 32]);
    let (proposer, replica) = (AgentId::from([2; 20]), AgentId::from([3; 20]));
    let events = [
        InboxEvent::ProposalOpenedOnChain {
            proposal,
            proposer,
            class: 0,
            voting_ends: 1_800_000_000,
            status: OnChainStatus::Open,
        },
        InboxEvent::ProposalClosedOnChain { proposal, status: OnChainStatus::Executed },
        InboxEvent::ReplicaLeaving { replica, exit_at: 1_900_000_000 },
    ];
    let message = |(index, event): (u64, InboxEvent)| InboxMessage {
        index,
        kind: event.kind(),
        sender: proposer,
        enqueued_at: 1_700_000_000,
        payload: event.payload(),
    };
    (0..).zip(events).map(message).collect()
}

/// The log takes the first of them in.
fn take(node: &Node, messages: &[InboxMessage]) {
    let observe = InboxOperation::Observe(Observe::of(messages).unwrap()).to_operation();
    for replica in 0..3 {
        node.shared.execute(&[node.fixture.sign_operation(replica, 0, observe.clone())]);
    }
}

#[tokio::test]
async fn the_inbox_shows_what_waits_and_what_was_told() {
    let node = Node::start().await;
    let messages = messages();
    node.inbox.send_replace(InboxView { first: 0, messages: Arc::new(messages.clone()) });
    let page: InboxPage = node.json("/inbox").await;
    assert_eq!((page.taken, page.waiting.len(), page.told.len()), (0, 3, 0));
    assert!(matches!(page.waiting[0].event, Some(InboxEvent::ProposalOpenedOnChain { .. })));

    take(&node, &messages[..2]);
    let page: InboxPage = node.json("/inbox").await;
    assert_eq!((page.taken, page.waiting.len(), page.told.len(), page.next), (2, 1, 2, None));
    assert!(matches!(page.waiting[0].event, Some(InboxEvent::ReplicaLeaving { .. })));
    assert_eq!(
        page.hash,
        messages[..2].iter().fold(Digest::default(), |hash, message| message.chain_hash(hash))
    );
    // The entry is the one that says so.
    let record: serde_json::Value = node.json(&format!("/entries/{}", page.told[0].entry)).await;
    assert!(record.to_string().contains("proposal_opened_on_chain"), "{record}");
    let first: InboxPage = node.json("/inbox?limit=1").await;
    assert_eq!((first.told.as_slice(), first.next), (&page.told[..1], Some(1)));
    let rest: InboxPage = node.json("/inbox?from=1&limit=1").await;
    assert_eq!((rest.told.as_slice(), rest.next), (&page.told[1..], None));
    assert_eq!(error(node.get("/inbox?from=x").await).await.code, ErrorCode::Malformed);
}

#[tokio::test]
async fn whoever_wants_to_anchor_gets_all_of_it_in_one_answer() {
    let node = Node::start().await;
    for nonce in 0..5 {
        node.receipt(&node.fixture.command(3, nonce)).await;
    }
    take(&node, &messages()[..2]);
    let identity = node.fixture.group.identity;
    let checkpoint = node.shared.reader.read(|ledger| {
        let (inbox_count, inbox_hash) = ledger.state().inbox_head();
        Checkpoint {
            group: identity.group,
            epoch: Epoch(0),
            sequence: Sequence(8),
            log_size: ledger.head().size,
            log_root: ledger.head().root,
            state_root: Digest::from([2; 32]),
            inbox_count,
            inbox_hash,
            next_members_hash: Digest::default(),
        }
    });
    let nothing = error(node.get("/anchor?epoch=0").await).await;
    assert_eq!(nothing.code, ErrorCode::NotFound);
    let signatures = node.fixture.keys.iter().map(|(account, _)| {
        let signed = SignedCheckpoint::sign(&identity, checkpoint.clone(), account);
        CheckpointSignature { replica: signed.replica, signature: signed.signature }
    });
    let stable = CheckpointCertificate { checkpoint: checkpoint.clone(), signatures: signatures.collect() };
    node.stable.send_replace(Some(stable.clone()));

    let old = node.shared.reader.read(|ledger| ledger.root_at(3)).unwrap();
    let package =
        AnchorPackage::decode(&node.cbor("/anchor?epoch=0&sequence=4&size=3&taken=1").await).unwrap();
    assert_eq!((&package.certificate, &package.next), (&stable, &None));
    let (size, root) = (checkpoint.log_size, checkpoint.log_root);
    assert_eq!(verify_consistency(3, size, &old, &root, &package.consistency), Ok(()));
    let taken = package.taken.expect("a message is taken");
    assert_eq!((taken.message.index, taken.message.hash), (1, checkpoint.inbox_hash));
    let leaf = taken.entry.leaf_hash();
    assert_eq!(verify_inclusion(&leaf, taken.entry.index.0, size, &taken.path, &root), Ok(()));

    let idle = AnchorPackage::decode(&node.cbor("/anchor?epoch=0&taken=2").await).unwrap();
    assert_eq!((idle.taken, idle.consistency), (None, vec![]));
    for beyond in ["epoch=0&sequence=8", "epoch=1", "epoch=0&size=999"] {
        let refused = error(node.get(&format!("/anchor?{beyond}")).await).await;
        assert_eq!(refused.code, ErrorCode::NotFound, "{beyond}");
    }
    assert_eq!(error(node.get("/anchor").await).await.code, ErrorCode::Malformed, "the epoch is missing");
}
