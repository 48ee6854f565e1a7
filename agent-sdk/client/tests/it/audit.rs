//! Audits: what is tampered with is found, and it is said where.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use quorate_protocol::operations::ServiceOperation as _;
use quorate_protocol::operations::proposals::{ProposalsOperation, Propose};
use quorate_protocol::{
    Choice, Digest, EntryBody, EntryIndex, EntryRecord, EntryStatus, LogHead, Outcome, Sequence, Signature,
    SignedCommand, TimestampMs,
};
use quorate_sdk::Agent;
use quorate_sdk::audit::{self, AuditOptions, AuditReport, ExportReader, ExportWriter, Fault};

use crate::node::{Behaviour, Node, Tamper};
use crate::world::World;

/// The anchored size of [`story`]: up to the first decision.
const ANCHORED: u64 = 6;

fn options() -> AuditOptions {
    AuditOptions { lag_timeout: Duration::from_millis(50), ..AuditOptions::default() }
}

/// Genesis 0, propose 1, votes 2 to 4, approved 5, propose 6, votes 7 and 8, rejected 9, admission 10, a refused
/// command of the plain agent 11, its leave 12, propose 13.
fn story() -> World {
    use quorate_protocol::operations::members::MembersOperation;
    let mut world = World::new(7);
    world.decide("pay", vec![], &[Choice::For; 3]);
    world.decide("pay more", vec![], &[Choice::Against, Choice::Against]);
    let plain = Agent::generate();
    let admit = MembersOperation::Admit(plain.admission(&world.group.identity)).to_operation();
    let voter = world.agents[0].clone();
    let admit = world.sign(&voter, admit);
    let propose = Propose { salt: 1, description: "me too".into(), calls: vec![], class: 0 };
    let refused = world.sign(&plain, ProposalsOperation::Propose(propose).to_operation());
    let leave = world.sign(&plain, MembersOperation::Leave.to_operation());
    world.execute(&[admit, refused, leave]);
    world.decide("last", vec![], &[]);
    assert_eq!(world.size(), 14);
    world
}

fn anchors(world: &World) -> BTreeMap<u64, Digest> {
    BTreeMap::from([(ANCHORED, world.log.root_at(ANCHORED).unwrap())])
}

async fn audit(world: &Arc<Mutex<World>>, behaviour: Behaviour) -> AuditReport {
    let node = Node::start(world, behaviour).await;
    let (group, anchors) = {
        let world = world.lock().unwrap();
        (world.group.clone(), anchors(&world))
    };
    audit::verify_node(&group, anchors, &node.url, options()).await.unwrap()
}

#[tokio::test]
async fn a_true_log_is_intact() {
    let world = Arc::new(Mutex::new(story()));
    let report = audit(&world, Behaviour::Honest).await;
    assert!(report.is_intact(), "{:?}", report.finding);
    let counts = report.counts;
    assert_eq!(report.entries, 14);
    assert_eq!(report.root, world.lock().unwrap().log.root());
    assert_eq!((counts.applied, counts.refused, counts.signatures), (10, 1, 11));
    assert_eq!((counts.approved, counts.rejected, counts.expired, counts.system), (1, 1, 0, 1));
    assert_eq!((report.anchors, report.anchored_size, report.anchors_beyond), (1, ANCHORED, 0));
    assert_eq!(report.certified.map(|head| head.size), Some(14));
    assert_eq!(report.attestations, 3);
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["finding"], serde_json::Value::Null);
}

/// The record at `index` made anew, consistent in itself, with another body and outcome.
fn reseal(world: &World, records: &mut [EntryRecord], index: usize, body: EntryBody, outcome: Outcome) {
    let entry = records[index].entry;
    records[index] =
        EntryRecord::new(&world.group.identity, entry.index, entry.sequence, entry.timestamp, body, outcome);
}

/// A way to tamper: its name, the change, and where and as what it is found.
type Case = (&'static str, fn(&World, &mut Vec<EntryRecord>), u64, &'static str);

/// Changes that contradict the entries themselves.
fn clumsy() -> Vec<Case> {
    vec![
        ("another body", |_, log| log[3].body = log[4].body.clone(), 3, "record"),
        ("another outcome", |_, log| log[2].outcome = Outcome::Recorded, 2, "record"),
        ("another status", |_, log| log[2].entry.status = EntryStatus::Refused, 2, "record"),
        ("a dropped entry", |_, log| drop(log.remove(4)), 4, "out_of_place"),
        ("swapped entries", |_, log| log.swap(7, 8), 7, "out_of_place"),
        ("a cut log", |_, log| log.truncate(9), 9, "withheld"),
        ("another time", |_, log| log[8].entry.timestamp = TimestampMs(1), 8, "backwards"),
        ("another sequence", |_, log| log[8].entry.sequence = Sequence(0), 8, "backwards"),
        (
            "a forged signature",
            |_, log| {
                let EntryBody::Command(command) = &log[7].body else { panic!("entry 7 is a vote") };
                let forged = SignedCommand::from_parts(command.command().clone(), Signature([1; 64]));
                log[7].body = EntryBody::Command(forged);
            },
            7,
            "signature",
        ),
    ]
}

/// Changes of commands that are consistent in themselves.
fn forged_commands() -> Vec<Case> {
    vec![
        (
            "a vote under a key of one's own",
            |world, log| {
                let EntryBody::Command(command) = &log[8].body else { panic!("entry 8 is a vote") };
                let mut command = command.command().clone();
                let own = Agent::generate();
                command.key = own.public_key();
                let body = EntryBody::Command(SignedCommand::sign(command, &own.key));
                let outcome = log[8].outcome.clone();
                reseal(world, log, 8, body, outcome);
            },
            8,
            "key",
        ),
        (
            "a command of a stranger",
            |world, log| {
                let EntryBody::Command(command) = &log[13].body else { panic!("entry 13 proposes") };
                let mut command = command.command().clone();
                let stranger = Agent::generate();
                (command.agent, command.key) = (stranger.id(), stranger.public_key());
                let body = EntryBody::Command(SignedCommand::sign(command, &stranger.key));
                let outcome = log[13].outcome.clone();
                reseal(world, log, 13, body, outcome);
            },
            13,
            "unknown_agent",
        ),
        (
            "a command twice",
            |world, log| {
                let (body, outcome) = (log[2].body.clone(), log[2].outcome.clone());
                reseal(world, log, 13, body, outcome);
            },
            13,
            "repeated",
        ),
        (
            "a refused command that took effect",
            |world, log| {
                let (body, outcome) = (log[11].body.clone(), log[10].outcome.clone());
                reseal(world, log, 11, body, outcome);
            },
            // It is consistent in itself; only the attested root tells. All up to the anchor is proved.
            ANCHORED,
            "attested_root",
        ),
    ]
}

/// Changes of decisions, and of what only the roots tell.
fn forged_decisions() -> Vec<Case> {
    vec![
        (
            "a decision against the votes",
            |world, log| {
                let EntryBody::Decision(record) = &log[9].body else { panic!("entry 9 decides") };
                let mut record = record.clone();
                record.decision.status = quorate_protocol::DecisionStatus::Approved;
                reseal(world, log, 9, EntryBody::Decision(record), Outcome::Recorded);
            },
            9,
            "decision",
        ),
        (
            "another tally",
            |world, log| {
                let EntryBody::Decision(record) = &log[5].body else { panic!("entry 5 decides") };
                let mut record = record.clone();
                record.decision.for_weight = 4;
                reseal(world, log, 5, EntryBody::Decision(record), Outcome::Recorded);
            },
            5,
            "decision",
        ),
        (
            "another sequence that fits",
            |_, log| log[3].entry.sequence = log[2].entry.sequence,
            0,
            "anchored_root",
        ),
        ("the genesis of another group", |_, log| log[0] = World::new(8).records.remove(0), 0, "genesis"),
    ]
}

#[tokio::test]
async fn every_kind_of_tampering_is_found_where_it_is() {
    let world = Arc::new(Mutex::new(story()));
    for (name, change, index, code) in [clumsy(), forged_commands(), forged_decisions()].concat() {
        let tamper: Tamper = Arc::new(change);
        let report = audit(&world, Behaviour::Tampered(tamper)).await;
        let finding = report.finding.unwrap_or_else(|| panic!("{name} is not found"));
        assert_eq!((finding.index.0, finding.fault.code()), (index, code), "{name}: {finding}");
        assert!(report.certified.is_none(), "{name}");
    }
}

#[tokio::test]
async fn a_forged_certificate_is_found() {
    let world = Arc::new(Mutex::new(story()));
    let forged = {
        let world = world.lock().unwrap();
        let mut certificate = world.certificate_at(world.size());
        certificate.head.root = Digest::from([9; 32]);
        certificate
    };
    let report = audit(&world, Behaviour::Certifying(forged.clone())).await;
    let finding = report.finding.unwrap();
    assert!(matches!(finding.fault, Fault::Certificate(_)), "{finding}");

    let mut few = forged;
    few.attestations.truncate(2);
    let report = audit(&world, Behaviour::Certifying(few)).await;
    assert!(matches!(report.finding.unwrap().fault, Fault::Certificate(_)));
}

/// A quorum of replicas that colludes can attest anything; the contract's roots still tell.
#[tokio::test]
async fn a_colluding_quorum_cannot_change_what_is_anchored() {
    let world = Arc::new(Mutex::new(story()));
    let mut rewritten = World::new(7);
    rewritten.decide("pay somebody else", vec![], &[Choice::For; 3]);
    rewritten.decide("pay more", vec![], &[Choice::For; 3]);
    let report = {
        let rewritten = Arc::new(Mutex::new(rewritten));
        let node = Node::start(&rewritten, Behaviour::Honest).await;
        let (group, anchors) = {
            let world = world.lock().unwrap();
            (world.group.clone(), anchors(&world))
        };
        audit::verify_node(&group, anchors, &node.url, options()).await.unwrap()
    };
    let finding = report.finding.unwrap();
    assert_eq!((finding.index, finding.fault.code()), (EntryIndex(0), "anchored_root"), "{finding}");
}

#[tokio::test]
async fn a_log_that_hides_what_is_anchored_is_too_short() {
    let mut short = World::new(7);
    short.decide("pay", vec![], &[]);
    let full = story();
    let short = Arc::new(Mutex::new(short));
    let node = Node::start(&short, Behaviour::Honest).await;
    let report = audit::verify_node(&full.group, anchors(&full), &node.url, options()).await.unwrap();
    let finding = report.finding.unwrap();
    assert_eq!(finding.fault, Fault::Shorter { anchored: ANCHORED });
    assert_eq!(finding.index, EntryIndex(2));
}

#[tokio::test]
async fn a_head_that_was_never_attested_is_not_certified() {
    let world = Arc::new(Mutex::new(story()));
    let certificate = {
        let world = world.lock().unwrap();
        // Signed by a quorum, for a log that is longer than what the node gives.
        world.certify(LogHead { size: 20, root: world.log.root(), time_s: 0 })
    };
    let report = audit(&world, Behaviour::Certifying(certificate)).await;
    let finding = report.finding.unwrap();
    assert_eq!((finding.index.0, finding.fault.code()), (14, "withheld"), "{finding}");
}

async fn exported(world: &Arc<Mutex<World>>, dir: &tempfile::TempDir) -> PathBuf {
    let node = Node::start(world, Behaviour::Honest).await;
    let path = dir.path().join("log.cbor");
    let group = world.lock().unwrap().group.clone();
    let report = audit::export(&group, &node.url, &path, options()).await.unwrap();
    assert!(report.is_intact(), "{:?}", report.finding);
    path
}

#[tokio::test]
async fn an_export_is_verified_without_the_node() {
    let world = Arc::new(Mutex::new(story()));
    let dir = tempfile::tempdir().unwrap();
    let path = exported(&world, &dir).await;
    let world = world.lock().unwrap();
    let mut contract = anchors(&world);
    contract.insert(1_000, Digest::from([5; 32]));
    let report = audit::check_export(&world.group, contract, &path).unwrap();
    assert!(report.is_intact(), "{:?}", report.finding);
    assert_eq!((report.entries, report.anchors, report.anchors_beyond), (14, 1, 1));

    let mut json = Vec::new();
    audit::to_json_lines(&mut ExportReader::open(&path).unwrap(), &mut json).unwrap();
    let lines: Vec<serde_json::Value> =
        String::from_utf8(json).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 15);
    assert_eq!(lines[0]["format"], "quorate/v1/export");
    assert_eq!(lines[6]["body"]["kind"], "decision");
}

/// Behind every way in which an export can come to nothing, the one of before is there, and nothing else.
#[tokio::test]
async fn an_export_that_fails_leaves_the_one_of_before() {
    let world = Arc::new(Mutex::new(story()));
    let dir = tempfile::tempdir().unwrap();
    let path = exported(&world, &dir).await;
    let (group, good) = (world.lock().unwrap().group.clone(), std::fs::read(&path).unwrap());
    let kept = |why: &str| {
        assert_eq!(std::fs::read(&path).unwrap(), good, "{why}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "{why}");
    };
    // The last entry of all, so that much is written by the time that it is found.
    let lie: Tamper = Arc::new(|_, log| log[13].outcome = Outcome::Recorded);
    let node = Node::start(&world, Behaviour::Tampered(lie)).await;
    let report = audit::export(&group, &node.url, &path, options()).await.unwrap();
    assert_eq!(report.finding.map(|finding| finding.index), Some(EntryIndex(13)));
    kept("a log that is a lie");
    let patient = AuditOptions { request_timeout: Duration::from_millis(300), ..options() };
    audit::export(&group, &Node::dead().await, &path, patient).await.unwrap_err();
    kept("a node that does not answer");

    // What is wrong is to be had without judgement, and is judged as ever.
    let shown = dir.path().join("shown.cbor");
    assert_eq!(audit::export_unverified(&group, &node.url, &shown, options()).await.unwrap(), 14);
    let report = audit::check_export(&group, BTreeMap::new(), &shown).unwrap();
    assert_eq!(report.finding.map(|finding| finding.index), Some(EntryIndex(13)));
    let honest = Node::start(&world, Behaviour::Honest).await;
    audit::export_unverified(&group, &honest.url, &shown, options()).await.unwrap();
    assert_eq!(std::fs::read(&shown).unwrap(), good, "of an honest node it is the same file");
}

#[tokio::test]
async fn a_copy_with_one_changed_entry_fails_there() {
    let world = Arc::new(Mutex::new(story()));
    let dir = tempfile::tempdir().unwrap();
    let path = exported(&world, &dir).await;
    let mut original = ExportReader::open(&path).unwrap();
    let copy = dir.path().join("copy.cbor");
    let mut writer = ExportWriter::create(&copy, original.header()).unwrap();
    while let Some(mut record) = original.next_record().unwrap() {
        if let EntryBody::Decision(decision) = &mut record.body
            && record.entry.index.0 == 5
        {
            decision.description = "pay the auditor".into();
        }
        writer.append(&record).unwrap();
    }
    writer.finish().unwrap().keep().unwrap();
    let world = world.lock().unwrap();
    let report = audit::check_export(&world.group, anchors(&world), &copy).unwrap();
    let finding = report.finding.unwrap();
    assert_eq!((finding.index.0, report.entries), (5, 5), "{finding}");
}

#[tokio::test]
async fn no_byte_of_an_export_can_be_changed() {
    let world = Arc::new(Mutex::new(story()));
    let dir = tempfile::tempdir().unwrap();
    let path = exported(&world, &dir).await;
    let bytes = std::fs::read(&path).unwrap();
    let world = world.lock().unwrap();
    let changed_path = dir.path().join("changed.cbor");
    for at in (0..bytes.len()).step_by(3) {
        let mut changed = bytes.clone();
        changed[at] ^= 0x10;
        std::fs::write(&changed_path, &changed).unwrap();
        let verdict = audit::check_export(&world.group, anchors(&world), &changed_path);
        assert!(!verdict.is_ok_and(|report| report.is_intact()), "byte {at} may be changed");
    }
    for cut in [0, 1, 100, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(&changed_path, &bytes[..cut]).unwrap();
        let verdict = audit::check_export(&world.group, anchors(&world), &changed_path);
        assert!(!verdict.is_ok_and(|report| report.is_intact()), "it may be cut at {cut}");
    }
}

#[tokio::test]
async fn an_export_has_one_encoding() {
    let world = Arc::new(Mutex::new(story()));
    let dir = tempfile::tempdir().unwrap();
    let bytes = std::fs::read(exported(&world, &dir).await).unwrap();
    assert!(ExportReader::new(&bytes[..]).is_ok());
    let (0x59, length) = (bytes[0], &bytes[1..3]) else { panic!("the header's length has two bytes") };
    let wide = [&[0x5a, 0, 0], length, &bytes[3..]].concat();
    let refused = ExportReader::new(&wide[..]).unwrap_err();
    assert!(refused.to_string().contains("2 are enough"), "{refused}");
    let announced = ExportReader::new(&[0x5a, 2, 0, 0, 0][..]).unwrap_err();
    assert!(announced.to_string().contains("breaks off"), "{announced}");
}
