//! Changes of the members: receipts, audits and proposals across epochs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use quorate_protocol::command::MAX_COMMAND_BYTES;
use quorate_protocol::entry::SystemEvent;
use quorate_protocol::operations::proposals::{ProposalsOperation, Propose};
use quorate_protocol::{
    Choice, Digest, EntryBody, EntryRecord, Epoch, Group, Handover, HandoverError, MembersChange, Receipt,
    ReceiptError, codec,
};
use quorate_sdk::audit::{self, AuditOptions, AuditReport, ExportHeader, ExportReader, ExportWriter};
use quorate_sdk::client::Lie;
use quorate_sdk::{Agent, Client, Epochs, NodeFailure, RetryPolicy, SdkError};

use crate::node::{Behaviour, Node, Tamper};
use crate::world::{World, agents, members};

fn quick(total_ms: u64) -> RetryPolicy {
    RetryPolicy {
        request_timeout: Duration::from_millis(1500),
        node_wait: Duration::from_millis(300),
        total_timeout: Duration::from_millis(total_ms),
        ..RetryPolicy::default()
    }
}

fn options() -> AuditOptions {
    AuditOptions { lag_timeout: Duration::from_millis(50), ..AuditOptions::default() }
}

/// The members of the second epoch: the fourth is gone, and another is there.
fn second() -> Vec<Agent> {
    agents(&[[1; 32], [2; 32], [3; 32], [5; 32]])
}

/// Some decisions in each of three epochs; the group as it was in the first.
fn story() -> (World, Group) {
    let mut world = World::new(7);
    let first = world.group.clone();
    world.decide("before", vec![], &[Choice::For; 3]);
    world.change_members(second());
    world.decide("between", vec![], &[Choice::For, Choice::Against, Choice::Against]);
    world.change_members(agents(&[[2; 32], [3; 32], [5; 32], [6; 32]]));
    world.decide("after", vec![], &[Choice::For; 3]);
    (world, first)
}

fn client(node: &Node, group: &Group, total_ms: u64) -> Client {
    Client::builder().node(node.url.as_str()).retry(quick(total_ms)).build(group.clone()).unwrap()
}

fn failure(error: SdkError) -> NodeFailure {
    match error {
        SdkError::Unconfirmed { failures, .. } | SdkError::NoAnswer { failures, .. } => {
            failures.into_iter().next().expect("the node failed").failure
        }
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_client_follows_the_group_from_epoch_to_epoch() {
    let world = Arc::new(Mutex::new(World::new(7)));
    let first = world.lock().unwrap().group.clone();
    let node = Node::start(&world, Behaviour::Honest).await;
    let client = client(&node, &first, 20_000);
    // The world itself acts for the first three.
    let voter = world.lock().unwrap().agents[3].clone();
    let proposal = |salt| Propose { salt, description: "tea".into(), calls: vec![], class: 0 };
    let before = client.propose(&voter, proposal(1)).await.unwrap().receipt;
    assert_eq!(before.epoch, Epoch(0));

    world.lock().unwrap().change_members(second());
    let newcomer = second().into_iter().find(|agent| first.member(agent.id()).is_none()).unwrap();
    let after = client.propose(&newcomer, proposal(2)).await.unwrap().receipt;
    assert_eq!(after.epoch, Epoch(1));
    assert_eq!(client.newest_group().await.unwrap().members, members(&second()));
    assert_eq!(client.group().epoch, Epoch(0), "what the client was built with stays to be seen");

    // What was attested by those who were replicas then still holds.
    let mut pages = client.audit(quorate_protocol::EntryIndex(0));
    let page = pages.next_page().await.unwrap().unwrap();
    assert_eq!(page.len() as u64, world.lock().unwrap().size());
}

#[tokio::test]
async fn a_node_that_proves_no_epoch_is_not_believed() {
    let (world, first) = story();
    let handovers = world.handovers.clone();
    let index = world.size() - 1;
    let digest = |world: &World| match &world.records[usize::try_from(index).unwrap() - 1].body {
        EntryBody::Command(command) => command.digest(),
        _ => panic!("the last vote stands before the last decision"),
    };
    let digest = digest(&world);
    let world = Arc::new(Mutex::new(world));

    let node = Node::start(&world, Behaviour::WithoutHandovers).await;
    let error = client(&node, &first, 500).receipt(digest).await.unwrap_err();
    let NodeFailure::Lied(Lie::Receipt(error)) = failure(error) else { panic!("a lie") };
    assert_eq!(*error, ReceiptError::OtherEpoch { expected: Epoch(0), found: Epoch(2) });

    let mut forged = handovers.clone();
    forged[1].certificate.signatures.truncate(2);
    for others in [forged, vec![handovers[1].clone()]] {
        let node = Node::start(&world, Behaviour::HandingOver(others)).await;
        let error = client(&node, &first, 500).receipt(digest).await.unwrap_err();
        assert!(matches!(failure(error), NodeFailure::Lied(Lie::Handover(_))));
    }

    let node = Node::start(&world, Behaviour::Honest).await;
    let receipt = client(&node, &first, 20_000).receipt(digest).await.unwrap().unwrap();
    assert_eq!(receipt.epoch, Epoch(2));
}

/// Replicas of an epoch that has ended, all of them together, attest what the log became after it.
#[test]
fn who_was_a_replica_attests_nothing_of_later_epochs() {
    let mut world = World::new(7);
    let (first, old) = (world.group.clone(), world.agents.clone());
    // Two are replaced, so that no quorum of the old epoch is one of the new.
    world.change_members(agents(&[[1; 32], [2; 32], [5; 32], [6; 32]]));
    let end = world.size();
    world.decide("after", vec![], &[Choice::For; 3]);
    let mut epochs = Epochs::from(&first);
    epochs.follow(&world.handovers).unwrap();
    let receipt = world.receipt(end);
    assert_eq!(epochs.verify_receipt(&receipt), Ok(()));
    assert_eq!(epochs.end_of(Epoch(0)), Some(end));

    let (group, current) = (world.group.clone(), world.agents.clone());
    (world.group, world.agents) = (first.clone(), old);
    let late = world.receipt(end);
    let size = world.size();
    assert_eq!(late.verify(&first), Ok(()), "by itself it looks well");
    assert_eq!(epochs.verify_receipt(&late), Err(ReceiptError::AfterItsEpoch { epoch: Epoch(0), end, size }));
    assert!(epochs.verify_certificate(&late.certificate).is_err());
    (world.group, world.agents) = (group, current);
    assert!(epochs.verify_certificate(&world.certificate_at(size)).is_ok());
}

/// What an auditor has of the group who knows all of its epochs: members, beginnings and ends.
fn all_epochs(world: &World, first: &Group) -> Epochs {
    let mut epochs = Epochs::from(first);
    epochs.follow(&world.handovers).unwrap();
    epochs
}

/// Three epochs, of which the second has the replicas of the first: receipts attested in the midst of each, and at the very
/// beginning of the second and the third, by their own replicas.
fn receipts_of_three_epochs() -> (World, Group, Vec<Receipt>) {
    let mut world = World::new(7);
    let first = world.group.clone();
    world.decide("before", vec![], &[Choice::For]);
    let mut receipts = vec![world.receipt(1)];
    world.change_members(world.agents.clone());
    receipts.push(world.receipt(2));
    world.decide("between", vec![], &[Choice::For]);
    receipts.push(world.receipt(3));
    world.change_members(agents(&[[1; 32], [2; 32], [5; 32], [6; 32]]));
    receipts.push(world.receipt(4));
    world.decide("after", vec![], &[]);
    receipts.push(world.receipt(5));
    (world, first, receipts)
}

#[test]
fn no_bit_of_a_receipt_can_be_flipped_where_replicas_keep_their_keys() {
    let (world, first, receipts) = receipts_of_three_epochs();
    let epochs = all_epochs(&world, &first);
    // At the beginning of the second epoch its replicas are those of the first, and it is that one's receipt.
    let told: Vec<u64> = receipts.iter().map(|receipt| receipt.epoch.0).collect();
    assert_eq!(told, [0, 0, 1, 2, 2]);
    for receipt in &receipts {
        assert_eq!(epochs.verify_receipt(receipt), Ok(()), "epoch {}", receipt.epoch);
        for other in (0..4).map(Epoch).filter(|other| *other != receipt.epoch) {
            let told = Receipt { epoch: other, ..receipt.clone() };
            assert!(epochs.verify_receipt(&told).is_err(), "{} told as {other}", receipt.epoch);
        }
        let bytes = receipt.encode();
        for (at, bit) in (0..bytes.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            let verdict = Receipt::decode(&changed).and_then(|changed| epochs.verify_receipt(&changed));
            assert!(verdict.is_err(), "bit {bit} of byte {at} of a receipt of epoch {}", receipt.epoch);
        }
    }
    let boundary = Receipt { epoch: Epoch(1), ..receipts[1].clone() };
    let error = ReceiptError::OfEarlierEpoch { attested: Epoch(0), found: Epoch(1) };
    assert_eq!(epochs.verify_receipt(&boundary), Err(error));
    let early = Receipt { epoch: Epoch(1), ..receipts[0].clone() };
    assert!(matches!(epochs.verify_receipt(&early), Err(ReceiptError::BeforeItsEpoch { .. })));
}

#[test]
fn a_handover_of_an_epoch_that_is_known_to_have_ended_is_verified_too() {
    let (world, first, _) = receipts_of_three_epochs();
    let mut epochs = all_epochs(&world, &first);
    assert_eq!(epochs.follow(&world.handovers), Ok(()));

    let mut unsigned = world.handovers[0].clone();
    unsigned.certificate.signatures[0].signature.0[5] ^= 1;
    assert!(matches!(epochs.follow(&[unsigned]), Err(HandoverError::Certificate(_))));
    // The same replicas sign another end of the epoch: which of them is true, is known.
    let mut other = World::new(7);
    other.change_members(other.agents.clone());
    assert_eq!(other.handovers[0].verify(&first).map(|next| next.epoch), Ok(Epoch(1)));
    assert_eq!(epochs.follow(&other.handovers), Err(HandoverError::OtherEnd(Epoch(0))));
}

#[tokio::test]
async fn no_byte_of_an_exports_header_can_be_changed_whatever_the_contract_knows() {
    let (world, first, _) = receipts_of_three_epochs();
    let (all, handovers) = (all_epochs(&world, &first), world.handovers.clone());
    let (root, size) = (world.log.root(), world.size());
    let node = Node::start(&Arc::new(Mutex::new(world)), Behaviour::Honest).await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log.export");
    assert!(audit::export(&first, &node.url, &path, options()).await.unwrap().is_intact());
    let bytes = std::fs::read(&path).unwrap();
    let header = ExportReader::new(&bytes[..]).unwrap().header().clone();
    assert_eq!((header.epoch, &header.handovers), (Epoch(2), &handovers));
    let header_bytes = codec::encode(&header).len() + 3;
    let changed_path = dir.path().join("changed.export");
    let is_intact = |epochs: &Epochs, content: &[u8]| {
        std::fs::write(&changed_path, content).unwrap();
        let verdict = audit::check_export(epochs.clone(), BTreeMap::new(), &changed_path);
        verdict.is_ok_and(|report| report.is_intact())
    };

    // Once the contract has come to no epoch but the first, once to all of them.
    for (epochs, step) in [(Epochs::from(&first), 5), (all, 1)] {
        let report = audit::check_export(epochs.clone(), BTreeMap::from([(size, root)]), &path).unwrap();
        assert!(report.is_intact(), "{:?}", report.finding);
        for at in (0..header_bytes).step_by(step) {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << (at % 8);
            assert!(!is_intact(&epochs, &changed), "byte {at} of {header_bytes} may be changed");
        }
        for bit in 0..64 {
            let ExportHeader { identity, certificate, handovers, .. } = header.clone();
            let told = ExportHeader::new(identity, Epoch(2 ^ (1 << bit)), certificate, handovers);
            let mut writer = ExportWriter::new(Vec::new(), &told).unwrap();
            let mut records = ExportReader::new(&bytes[..]).unwrap();
            while let Some(record) = records.next_record().unwrap() {
                writer.append(&record).unwrap();
            }
            assert!(
                !is_intact(&epochs, &writer.finish().unwrap()),
                "it may be told as of epoch {}",
                told.epoch
            );
        }
    }
}

async fn audit(world: World, group: &Group, behaviour: Behaviour) -> AuditReport {
    let node = Node::start(&Arc::new(Mutex::new(world)), behaviour).await;
    audit::verify_node(group, BTreeMap::new(), &node.url, options()).await.unwrap()
}

#[tokio::test]
async fn an_audit_follows_the_log_from_epoch_to_epoch() {
    let (world, first) = story();
    let entries = world.size();
    let report = audit(world, &first, Behaviour::Honest).await;
    assert!(report.is_intact(), "{:?}", report.finding);
    assert_eq!((report.entries, report.epoch), (entries, Epoch(2)));
    assert_eq!((report.counts.approved, report.counts.rejected, report.counts.system), (4, 1, 3));
}

#[tokio::test]
async fn an_export_carries_the_handovers() {
    let (world, first) = story();
    let handovers = world.handovers.clone();
    let node = Node::start(&Arc::new(Mutex::new(world)), Behaviour::Honest).await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log.cbor");
    assert!(audit::export(&first, &node.url, &path, options()).await.unwrap().is_intact());
    let header = ExportReader::open(&path).unwrap().header().clone();
    assert_eq!((header.epoch, header.handovers), (Epoch(2), handovers));
    let report = audit::check_export(&first, BTreeMap::new(), &path).unwrap();
    assert!(report.is_intact(), "{:?}", report.finding);
    assert_eq!(report.epoch, Epoch(2));
}

/// The entry that begins the second epoch.
fn beginning(log: &[EntryRecord]) -> usize {
    let begins =
        |record: &EntryRecord| matches!(&record.body, EntryBody::System(SystemEvent::EpochStarted { .. }));
    log.iter().position(begins).expect("an epoch begins")
}

#[tokio::test]
async fn a_log_that_lies_about_an_epoch_is_found_out() {
    type Case = (&'static str, fn(&World, &mut Vec<EntryRecord>), &'static str);
    let cases: [Case; 3] = [
        (
            "other members",
            |world, log| {
                let at = beginning(log);
                let entry = log[at].entry;
                let event =
                    SystemEvent::EpochStarted { epoch: Epoch(1), members_hash: Digest::from([9; 32]) };
                log[at] = EntryRecord::new(
                    &world.group.identity,
                    entry.index,
                    entry.sequence,
                    entry.timestamp,
                    EntryBody::System(event),
                    log[at].outcome.clone(),
                );
            },
            "epoch",
        ),
        (
            "an epoch that nobody approved",
            |world, log| {
                let entry = log[1].entry;
                let event =
                    SystemEvent::EpochStarted { epoch: Epoch(1), members_hash: Digest::from([9; 32]) };
                let outcome = log[beginning(log)].outcome.clone();
                let body = EntryBody::System(event);
                let identity = &world.group.identity;
                log[1] =
                    EntryRecord::new(identity, entry.index, entry.sequence, entry.timestamp, body, outcome);
            },
            "epoch",
        ),
        (
            "an era that the contract does not know",
            |world, log| {
                let at = beginning(log);
                let (entry, outcome) = (log[at].entry, log[at].outcome.clone());
                let members_hash = Digest(world.group.members_hash());
                let event = SystemEvent::EpochStarted { epoch: Epoch::of(1, 0), members_hash };
                let (identity, body) = (&world.group.identity, EntryBody::System(event));
                log[at] =
                    EntryRecord::new(identity, entry.index, entry.sequence, entry.timestamp, body, outcome);
            },
            "epoch",
        ),
    ];
    for (name, change, code) in cases {
        let (world, first) = story();
        let tamper: Tamper = Arc::new(change);
        let report = audit(world, &first, Behaviour::Tampered(tamper)).await;
        assert_eq!(report.finding.expect(name).fault.code(), code, "{name}");
    }

    // What the log says of an epoch is compared with what is trusted: here the end of it, and its members.
    let (world, first) = story();
    let mut elsewhere: Vec<Handover> = world.handovers.clone();
    elsewhere.truncate(1);
    let report = audit(world, &first, Behaviour::HandingOver(elsewhere)).await;
    assert_eq!(report.finding.expect("the third epoch is not proved").fault.code(), "certificate");
    let (world, first) = story();
    let report = audit(world, &first, Behaviour::WithoutHandovers).await;
    assert_eq!(report.finding.expect("no later epoch is proved").fault.code(), "certificate");
    let (world, _) = story();
    let newest = world.group.clone();
    let report = audit(world, &newest, Behaviour::Honest).await;
    let finding = report.finding.expect("who knows the last epoch alone cannot check the first");
    assert_eq!(finding.fault.code(), "genesis");
}

#[tokio::test]
async fn a_change_of_members_is_proposed_if_it_can_be_made() {
    let world = Arc::new(Mutex::new(World::new(7)));
    let group = world.lock().unwrap().group.clone();
    let node = Node::start(&world, Behaviour::Honest).await;
    let client = client(&node, &group, 20_000);
    let voter = world.lock().unwrap().agents[0].clone();

    let few = members(&second())[..3].to_vec();
    let refused = client.change_members(&voter, few, "too few".into(), 1).await.unwrap_err();
    assert!(matches!(refused, SdkError::MembersChange(_)), "{refused}");

    let wanted = members(&second());
    let proposed = client.change_members(&voter, wanted.clone(), "another node".into(), 1).await.unwrap();
    let EntryBody::Command(command) = &proposed.receipt.record.body else { panic!("it is a command") };
    let operation = &command.command().operations[0];
    let ProposalsOperation::Propose(propose) = codec::decode(&operation.body, MAX_COMMAND_BYTES).unwrap()
    else {
        panic!("it proposes")
    };
    let change = MembersChange::of(&group.identity, &propose.calls).unwrap().unwrap();
    assert_eq!(change, MembersChange { epoch: Epoch(0), members: wanted });
}
