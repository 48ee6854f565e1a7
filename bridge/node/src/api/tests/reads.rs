//! Reading the group, its proposals, its log and its proofs.

use std::sync::Arc;

use quorate_pbft::Evidence;
use quorate_protocol::api::{
    AgentView, ConsistencyProof, EntriesPage, ErrorCode, GroupStatus, ProposalStatus, ProposalView,
    ProposalsPage,
};
use quorate_protocol::checkpoint::CheckpointSignature;
use quorate_protocol::merkle::{leaf_hash, verify_consistency};
use quorate_protocol::operations::ServiceOperation as _;
use quorate_protocol::operations::inbox::{InboxOperation, Observe};
use quorate_protocol::operations::proposals::{ProposalsOperation, Vote};
use quorate_protocol::proposal::proposal_id;
use quorate_protocol::{
    AgentId, B256, Checkpoint, CheckpointCertificate, Choice, DecisionStatus, Digest, EntryRecord,
    EntryStatus, Epoch, InboxEvent, InboxMessage, LogCertificate, Nonce, OnChainStatus, ProposalId, Receipt,
    ReplicaIndex, Sequence, SignedCheckpoint, codec,
};

use super::harness::{Node, Runtime, error};
use crate::anchored::AnchoredLog;
use crate::evidence::HeldEvidence;
use crate::ledger::Ledger;

/// The id of the proposal that [`crate::ledger::fixture::Fixture::command`] makes.
fn proposal(node: &Node, member: usize, nonce: u64) -> ProposalId {
    let group = &node.fixture.group.identity.group;
    let description = format!("proposal {nonce}");
    proposal_id(group, node.fixture.agent(member), nonce, 0, &[], &description)
}

async fn vote(node: &Node, member: usize, nonce: u64, proposal: ProposalId) {
    let vote = ProposalsOperation::Vote(Vote { proposal, choice: Choice::For, signature: None });
    let receipt = node.receipt(&node.fixture.sign(member, nonce, vote)).await;
    assert_eq!(receipt.record.entry.status, EntryStatus::Applied);
}

#[tokio::test]
async fn the_group_and_its_agents_are_described() {
    let node = Node::start().await;
    let empty: GroupStatus = node.json("").await;
    assert_eq!((empty.log_size, empty.certified, empty.stable, empty.anchored), (1, None, None, None));
    node.receipt(&node.fixture.command(0, 7)).await;

    let status: GroupStatus = node.json("").await;
    let head = node.shared.reader.read(Ledger::head);
    assert_eq!(status.group, *node.fixture.group);
    assert_eq!((status.log_size, status.log_root, status.certified), (2, head.root, Some(head)));
    assert_eq!(status.last_executed, Sequence(1));
    assert!(status.ready);

    let agent: AgentView = node.json(&format!("/agents/{}", node.fixture.agent(0))).await;
    assert_eq!((agent.agent, agent.next_nonce), (node.fixture.agent(0), Nonce(8)));
    assert_eq!(agent.key, node.fixture.keys[0].1.public());
    let stranger = node.get(&format!("/agents/{}", AgentId::from([1; 20]))).await;
    assert_eq!(error(stranger).await.code, ErrorCode::NotFound);
    assert_eq!(error(node.get("/agents/0x12").await).await.code, ErrorCode::Malformed);
}

#[tokio::test]
async fn proposals_are_paged_and_decisions_awaited() {
    let node = Node::start().await;
    for nonce in 1..=3 {
        node.receipt(&node.fixture.command(0, nonce)).await;
    }
    let first: ProposalsPage = node.json("/proposals?limit=2").await;
    let after = first.next.unwrap();
    assert_eq!(first.proposals.last().map(|view| view.id), Some(after));
    let rest: ProposalsPage = node.json(&format!("/proposals?limit=2&after={after}")).await;
    assert_eq!((first.proposals.len(), rest.proposals.len(), rest.next), (2, 1, None));

    let id = proposal(&node, 0, 2);
    let view: ProposalView = node.json(&format!("/proposals/{id}")).await;
    assert_eq!((view.id, view.status, view.description.as_str()), (id, ProposalStatus::Open, "proposal 2"));
    let decision = format!("/proposals/{id}/decision");
    assert_eq!(error(node.get(&decision).await).await.code, ErrorCode::NotDecided);

    let waiting = format!("{decision}?wait_ms=60000");
    let vote_all = async {
        for member in 0..3 {
            vote(&node, member, 10, id).await;
        }
    };
    let (bytes, ()) = tokio::join!(node.cbor(&waiting), vote_all);
    let receipt = Receipt::decode(&bytes).unwrap();
    assert_eq!(receipt.verify(&node.fixture.group), Ok(()));
    assert_eq!(receipt.record.entry.status, EntryStatus::Decided(DecisionStatus::Approved));
    let view: ProposalView = node.json(&format!("/proposals/{id}")).await;
    assert_eq!((view.status, view.votes.len()), (ProposalStatus::Approved, 3));
    assert_eq!(view.decision, Some(receipt.record.entry.index));

    let unknown = ProposalId::from([1; 32]);
    assert_eq!(error(node.get(&format!("/proposals/{unknown}")).await).await.code, ErrorCode::NotFound);
    let undecided = node.get(&format!("/proposals/{unknown}/decision?wait_ms=20")).await;
    assert_eq!(error(undecided).await.code, ErrorCode::NotDecided);
}

#[tokio::test]
async fn a_proposal_that_moved_to_the_on_chain_lane_has_no_decision() {
    let node = Node::start().await;
    node.receipt(&node.fixture.command(0, 1)).await;
    let id = proposal(&node, 0, 1);
    let opened = InboxEvent::ProposalOpenedOnChain {
        proposal: id,
        proposer: node.fixture.agent(0),
        class: 0,
        voting_ends: 1_800_000_000,
        status: OnChainStatus::Open,
    };
    let message = InboxMessage {
        index: 0,
        kind: opened.kind(),
        sender: node.fixture.agent(3),
        enqueued_at: 0,
        payload: opened.payload(),
    };
    let observe = Observe::of([&message]).unwrap();
    for member in 0..3 {
        let operation = InboxOperation::Observe(observe.clone());
        node.receipt(&node.fixture.sign_operation(member, 20, operation.to_operation())).await;
    }
    let view: ProposalView = node.json(&format!("/proposals/{id}")).await;
    assert_eq!(view.status, ProposalStatus::Moved);
    let answer = error(node.get(&format!("/proposals/{id}/decision?wait_ms=60000")).await).await;
    assert_eq!((answer.code, answer.entry), (ErrorCode::NotDecided, view.decision));
    assert!(answer.detail.contains("on-chain lane"), "{}", answer.detail);
    let closing: Receipt =
        Receipt::decode(&node.cbor(&format!("/entries/{}/receipt", view.decision.unwrap())).await).unwrap();
    assert_eq!(closing.verify(&node.fixture.group), Ok(()));
}

#[tokio::test]
async fn entries_come_in_pages_one_by_one_and_proved() {
    let node = Node::start().await;
    for nonce in 1..=4 {
        node.receipt(&node.fixture.command(0, nonce)).await;
    }
    let page = EntriesPage::decode(&node.cbor("/entries?from=1&limit=3").await).unwrap();
    let indices: Vec<_> = page.entries.iter().map(|record| record.entry.index.0).collect();
    assert_eq!((page.size, indices), (5, vec![1, 2, 3]));
    let json: serde_json::Value = node.json("/entries?from=1&limit=3").await;
    assert_eq!(json, serde_json::to_value(&page).unwrap());
    let beyond = EntriesPage::decode(&node.cbor("/entries?from=99").await).unwrap();
    assert_eq!((beyond.size, beyond.entries.len()), (5, 0));

    let record: EntryRecord = codec::decode(&node.cbor("/entries/2").await, 1 << 20).unwrap();
    assert_eq!(record, page.entries[1]);
    assert_eq!(error(node.get("/entries/5").await).await.code, ErrorCode::NotFound);
    assert_eq!(error(node.get("/entries/x").await).await.code, ErrorCode::Malformed);

    let root = node.shared.reader.read(|ledger| ledger.root_at(3)).unwrap();
    let anchor =
        AnchoredLog { size: 3, root, sequence: Sequence(2), tx_hash: B256::repeat_byte(1), block: 9 };
    node.shared.ledger.write().unwrap().anchor(anchor);
    let receipt = Receipt::decode(&node.cbor("/entries/2/receipt").await).unwrap();
    let anchored = receipt.verify_anchored(&node.fixture.group, |size| (size == 3).then_some(root));
    assert_eq!(anchored, Ok(()));
    let status: GroupStatus = node.json("").await;
    assert_eq!(status.anchored.map(|anchored| (anchored.size, anchored.block)), Some((3, 9)));

    assert_eq!(error(node.get("/entries/5/receipt").await).await.code, ErrorCode::NotFound);
    node.runtime.send_replace(Runtime::Unattested);
    node.submit_bytes("?wait_ms=0", node.fixture.command(0, 5).encode()).await;
    node.shared.reader.follow().wait_for(|progress| progress.size == 6).await.unwrap();
    assert_eq!(error(node.get("/entries/5/receipt").await).await.code, ErrorCode::Pending);
}

#[tokio::test]
async fn the_log_is_served_as_the_transparency_world_expects_it() {
    let node = Node::start().await;
    assert_eq!(error(node.get("/log/certificate").await).await.code, ErrorCode::NotFound);
    assert_eq!(error(node.get("/log/checkpoint").await).await.code, ErrorCode::NotFound);
    for nonce in 1..=4 {
        node.receipt(&node.fixture.command(0, nonce)).await;
    }
    let certificate: LogCertificate = codec::decode(&node.cbor("/log/certificate").await, 1 << 16).unwrap();
    let group = &node.fixture.group;
    assert_eq!(certificate.verify(&group.identity, &group.replicas()), Ok(()));
    assert_eq!(node.json::<LogCertificate>("/log/certificate").await, certificate);

    let note = node.get("/log/checkpoint").await;
    assert_eq!(note.headers()["content-type"], "text/plain; charset=utf-8");
    assert_eq!(note.headers()["cache-control"], "no-store");
    let note = note.text().await.unwrap();
    let lines: Vec<_> = note.lines().collect();
    assert_eq!((lines[0], lines[1]), (group.identity.origin().as_str(), "5"));
    assert_eq!(lines[4..].len(), certificate.attestations.len());

    let hashes = node.get("/log/tile/0/000.p/5").await.bytes().await.unwrap();
    let entries = node.get("/log/tile/entries/000.p/5").await.bytes().await.unwrap();
    assert_eq!((hashes.len(), entries.len()), (5 * 32, 5 * 226));
    for (hash, entry) in hashes.chunks(32).zip(entries.chunks(226)) {
        assert_eq!(leaf_hash(&entry[2..]).as_bytes().as_slice(), hash);
    }
    assert!(
        node.get("/log/tile/0/000.p/5").await.headers()["cache-control"]
            .to_str()
            .unwrap()
            .contains("immutable")
    );
    let absent = node.get("/log/tile/0/000").await;
    assert_eq!(absent.headers()["cache-control"], "no-store", "it will be there one day");
    assert_eq!(error(absent).await.code, ErrorCode::NotFound);
    assert_eq!(error(node.get("/log/tile/0/0").await).await.code, ErrorCode::Malformed);

    let proof: ConsistencyProof = node.json("/log/consistency?from=2").await;
    let ConsistencyProof { from, to, from_root, to_root, proof } = proof;
    assert_eq!((from, to, to_root), (2, 5, certificate.head.root));
    assert_eq!(verify_consistency(from, to, &from_root, &to_root, &proof), Ok(()));
    for query in ["from=3&to=2", "from=1&to=6", "to=3"] {
        let response = node.get(&format!("/log/consistency?{query}")).await;
        assert_eq!(error(response).await.code, ErrorCode::Malformed, "{query}");
    }
}

#[tokio::test]
async fn the_stable_checkpoint_and_evidence_are_shown() {
    let node = Node::start().await;
    assert_eq!(error(node.get("/checkpoint").await).await.code, ErrorCode::NotFound);
    let checkpoint = Checkpoint {
        group: node.fixture.group.identity.group,
        epoch: Epoch(0),
        sequence: Sequence(128),
        log_size: 77,
        log_root: Digest::from([1; 32]),
        state_root: Digest::from([2; 32]),
        inbox_count: 0,
        inbox_hash: Digest::default(),
        next_members_hash: Digest::default(),
    };
    let identity = &node.fixture.group.identity;
    let signatures = node.fixture.keys[..3].iter().map(|(account, _)| {
        let signed = SignedCheckpoint::sign(identity, checkpoint.clone(), account);
        CheckpointSignature { replica: signed.replica, signature: signed.signature }
    });
    let stable = CheckpointCertificate { checkpoint: checkpoint.clone(), signatures: signatures.collect() };
    node.stable.send_replace(Some(stable.clone()));
    let shown: CheckpointCertificate = node.json("/checkpoint").await;
    assert_eq!(shown, stable);
    assert_eq!(shown.verify(identity, &node.fixture.group.replicas()), Ok(()));
    let status: GroupStatus = node.json("").await;
    assert_eq!(status.stable.map(|stable| (stable.sequence, stable.log_size)), Some((Sequence(128), 77)));

    let none: serde_json::Value = node.json("/evidence").await;
    assert_eq!(none, serde_json::json!({ "evidence": [] }));
    let account = &node.fixture.keys[2].0;
    let other = Checkpoint { log_size: 78, ..checkpoint.clone() };
    let [first, second] =
        [checkpoint, other].map(|checkpoint| Box::new(SignedCheckpoint::sign(identity, checkpoint, account)));
    let held = Evidence::Checkpoints { replica: ReplicaIndex(2), first, second };
    node.evidence.send_replace(Arc::new(HeldEvidence::from_iter([held.clone()])));
    let shown: serde_json::Value = node.json("/evidence").await;
    assert_eq!(shown, serde_json::json!({ "evidence": [held] }));
}
