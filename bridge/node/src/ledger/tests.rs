//! The ledger against real services, signatures and proofs.

use std::collections::BTreeMap;
use std::sync::Arc;

use quorate_protocol::inbox::KIND_COMMAND;
use quorate_protocol::merkle::{leaf_hash, verify_consistency};
use quorate_protocol::operations::ServiceOperation as _;
use quorate_protocol::operations::inbox::{InboxOperation, Observe};
use quorate_protocol::{
    AgentId, AgentKey, B256, Checkpoint, Digest, Entry, EntryIndex, Epoch, InboxMessage, LogHead, Sequence,
    SignedCommand, TimestampMs,
};
use quorate_services::DropReason;

use super::fixture::{Fixture, START, SharedLedger, execute};
use super::*;

fn other_root(head: LogHead) -> LogHead {
    LogHead { root: Digest::from([0xee; 32]), ..head }
}

#[test]
fn a_quorum_of_equal_heads_certifies_and_nothing_less() {
    let fixture = Fixture::new();
    let (mut ledger, _) = Ledger::genesis(Arc::clone(&fixture.group));
    let head = execute(&mut ledger, &[fixture.command(0, 1)]).head;
    assert_eq!(ledger.attest(&fixture.attestation(0, head)), Attested::Kept);
    assert_eq!(ledger.attest(&fixture.attestation(0, head)), Attested::Ignored);
    assert_eq!(ledger.attest(&fixture.attestation(1, other_root(head))), Attested::Kept);
    assert_eq!(ledger.attest(&fixture.attestation(1, head)), Attested::Ignored, "replica 1 has spoken");
    let later = LogHead { time_s: head.time_s + 1, ..head };
    assert_eq!(ledger.attest(&fixture.attestation(2, later)), Attested::Kept);
    assert_eq!(ledger.certificate(), None);

    let next = execute(&mut ledger, &[fixture.command(0, 2)]).head;
    assert_eq!(ledger.attest(&fixture.attestation(3, next)), Attested::Kept);
    assert_eq!(ledger.attest(&fixture.attestation(2, next)), Attested::Kept);
    assert_eq!(ledger.attest(&fixture.attestation(0, next)), Attested::Certified(next.size));
    let certificate = ledger.certificate().unwrap();
    assert_eq!(certificate.verify(&fixture.group.identity, &fixture.group.replicas()), Ok(()));
    assert_eq!(certificate.head, next);
    assert_eq!(ledger.progress().borrow().certified, next.size);
    assert_eq!(ledger.attest(&fixture.attestation(3, head)), Attested::Ignored, "certified beyond that");
}

#[test]
fn attestations_that_come_before_the_batch_count_once_it_is_executed() {
    let fixture = Fixture::new();
    let (mut other, _) = Ledger::genesis(Arc::clone(&fixture.group));
    let (mut ledger, _) = Ledger::genesis(Arc::clone(&fixture.group));
    let command = fixture.command(0, 1);
    let head = execute(&mut other, std::slice::from_ref(&command)).head;
    for replica in 0..3 {
        assert_eq!(ledger.attest(&fixture.attestation(replica, head)), Attested::Kept);
    }
    assert_eq!(ledger.certified_size(), 0);
    execute(&mut ledger, &[command]);
    assert_eq!(ledger.certified_size(), head.size);
}

#[test]
fn a_quorum_with_another_root_stops_the_ledger() {
    let fixture = Fixture::new();
    let shared = SharedLedger::new(&fixture);
    let batch = shared.execute(&[fixture.command(0, 1)]);
    let mut ledger = shared.ledger.write().unwrap();
    let theirs = other_root(batch.head);
    ledger.attest(&fixture.attestation(1, theirs));
    ledger.attest(&fixture.attestation(2, theirs));
    assert_eq!(ledger.divergence(), None, "two of four are no quorum");
    let divergence = Divergence { size: batch.head.size, ours: batch.head.root, theirs: theirs.root };
    assert_eq!(ledger.attest(&fixture.attestation(3, theirs)), Attested::Diverged(divergence));
    assert_eq!(ledger.divergence(), Some(divergence));
    assert_eq!(ledger.certificate(), None);
    let refused = ledger.execute(Sequence(2), START, &[fixture.command(0, 2)], false);
    assert!(matches!(refused, Err(LedgerError::Diverged(_))));
    assert!(ledger.progress().borrow().diverged);
}

#[test]
fn a_quorum_known_in_advance_stops_the_ledger_when_it_gets_there() {
    let fixture = Fixture::new();
    let (mut ledger, _) = Ledger::genesis(Arc::clone(&fixture.group));
    let theirs = LogHead { size: 2, root: Digest::from([0xee; 32]), time_s: 1 };
    for replica in 0..3 {
        ledger.attest(&fixture.attestation(replica, theirs));
    }
    execute(&mut ledger, &[fixture.command(0, 1)]);
    assert_eq!(ledger.divergence().map(|divergence| divergence.size), Some(2));
}

#[test]
fn receipts_verify_and_carry_the_anchor_once_there_is_one() {
    let fixture = Fixture::new();
    let shared = SharedLedger::new(&fixture);
    for nonce in 1..=9 {
        shared.execute(&[fixture.command(0, nonce)]);
    }
    let head = shared.reader.read(Ledger::head);
    let last = EntryIndex(head.size - 1);
    assert_eq!(shared.reader.receipt(last).unwrap(), None, "nothing is certified yet");
    shared.certify(&fixture, head);
    shared.execute(&[fixture.command(0, 10)]);
    assert_eq!(shared.reader.receipt(EntryIndex(head.size)).unwrap(), None, "beyond the certificate");

    let anchored_size = 5;
    let root = shared.reader.read(|ledger| ledger.root_at(anchored_size)).unwrap();
    let anchor = AnchoredLog { size: 5, root, sequence: Sequence(4), tx_hash: B256::ZERO, block: 1 };
    assert!(shared.ledger.write().unwrap().anchor(anchor));
    for index in 0..head.size {
        let receipt = shared.reader.receipt(EntryIndex(index)).unwrap().unwrap();
        assert_eq!(receipt.record.entry.index, EntryIndex(index));
        assert_eq!(receipt.verify(&fixture.group), Ok(()));
        let anchored = receipt.verify_anchored(&fixture.group, |size| (size == 5).then_some(root));
        assert_eq!(anchored.is_ok(), index < anchored_size);
    }
}

#[test]
fn an_anchor_with_another_root_is_not_believed_and_stops_nothing() {
    let fixture = Fixture::new();
    let (mut ledger, _) = Ledger::genesis(Arc::clone(&fixture.group));
    let anchor =
        |size, root| AnchoredLog { size, root, sequence: Sequence(1), tx_hash: B256::ZERO, block: 1 };
    let lie = Digest::from([0xee; 32]);
    assert!(!ledger.anchor(anchor(1, lie)));
    assert!(ledger.anchor(anchor(2, lie)), "not executed that far yet");
    assert_eq!(ledger.anchor_within(), None);
    execute(&mut ledger, &[fixture.command(0, 1)]);
    assert_eq!((ledger.anchor_within(), ledger.divergence()), (None, None));

    let truth = anchor(2, ledger.root_at(2).unwrap());
    assert!(ledger.anchor(truth));
    assert!(!ledger.anchor(anchor(2, lie)));
    assert_eq!(ledger.anchor_within(), Some(&truth));
}

#[test]
fn an_anchor_beyond_the_log_waits_for_it_and_hides_no_earlier_one() {
    let fixture = Fixture::new();
    let (mut ahead, _) = Ledger::genesis(Arc::clone(&fixture.group));
    let (mut ledger, _) = Ledger::genesis(Arc::clone(&fixture.group));
    let command = fixture.command(0, 1);
    execute(&mut ahead, std::slice::from_ref(&command));
    let anchor = |size| {
        let root = ahead.root_at(size).unwrap();
        AnchoredLog { size, root, sequence: Sequence(1), tx_hash: B256::ZERO, block: 1 }
    };
    assert!(ledger.anchor(anchor(1)) && ledger.anchor(anchor(2)));
    assert_eq!(ledger.anchor_within().map(|anchor| anchor.size), Some(1));
    execute(&mut ledger, &[command]);
    assert_eq!(ledger.anchor_within().map(|anchor| anchor.size), Some(2));
}

#[test]
fn anchors_follow_the_canonical_chain_back() {
    let fixture = Fixture::new();
    let shared = SharedLedger::new(&fixture);
    for nonce in 1..=4 {
        shared.execute(&[fixture.command(0, nonce)]);
    }
    shared.certify(&fixture, shared.reader.read(Ledger::head));
    let anchor = |size| {
        let root = shared.reader.read(|ledger| ledger.root_at(size)).unwrap();
        AnchoredLog { size, root, sequence: Sequence(size), tx_hash: B256::ZERO, block: size }
    };
    let claimed = || {
        let receipt = shared.reader.receipt(EntryIndex(1)).unwrap().unwrap();
        (receipt.anchor.map(|anchor| anchor.size), shared.reader.progress().anchored)
    };
    let tell = |anchored| assert!(shared.ledger.write().unwrap().anchor(anchored));
    tell(anchor(5));
    assert_eq!(claimed(), (Some(5), 5));
    tell(anchor(3));
    assert_eq!(claimed(), (Some(3), 3), "the larger one is gone");
    shared.ledger.write().unwrap().withdraw_anchor();
    assert_eq!(claimed(), (None, 0));

    // The same anchor, in another block than before.
    tell(anchor(5));
    let moved = AnchoredLog { block: 77, ..anchor(5) };
    tell(moved);
    assert_eq!(shared.reader.read(|ledger| ledger.anchor_within().copied()), Some(moved));

    // What waits for the log to grow is withdrawn too.
    tell(AnchoredLog { size: 6, ..anchor(5) });
    shared.ledger.write().unwrap().withdraw_anchor();
    shared.execute(&[fixture.command(0, 5)]);
    assert_eq!(claimed(), (None, 0));
}

#[test]
fn batches_execute_in_order_and_once() {
    let fixture = Fixture::new();
    let (mut ledger, _) = Ledger::genesis(Arc::clone(&fixture.group));
    let gap = ledger.execute(Sequence(2), START, &[], false);
    assert!(matches!(gap, Err(LedgerError::OutOfOrder { expected: Sequence(1), found: Sequence(2) })));
    let command = fixture.command(0, 1);
    let first = execute(&mut ledger, std::slice::from_ref(&command));
    let second = execute(&mut ledger, &[command]);
    assert_eq!(first.dispositions, [Disposition::Recorded(EntryIndex(1))]);
    assert_eq!(second.dispositions, [Disposition::Duplicate(EntryIndex(1))]);
    assert!(second.records.is_empty());
    assert_eq!(second.head, first.head, "a batch without entries leaves the head as it is");
}

/// What a store would hold after a checkpoint at batch 3 and a crash after batch 5.
struct Crash {
    pairs: BTreeMap<Vec<u8>, Vec<u8>>,
    entries: Vec<Entry>,
    checkpoint: Checkpoint,
    later: Vec<SignedCommand>,
    head: LogHead,
    state_root: Digest,
}

fn crash(fixture: &Fixture) -> Crash {
    let (mut ledger, genesis) = Ledger::genesis(Arc::clone(&fixture.group));
    let mut entries = vec![genesis.entry];
    let commands: Vec<_> = (1..=5).map(|nonce| fixture.command(0, nonce)).collect();
    let mut run = |ledger: &mut Ledger, command: &SignedCommand| {
        let batch = execute(ledger, std::slice::from_ref(command));
        entries.extend(batch.records.iter().map(|record| record.entry));
    };
    commands[..3].iter().for_each(|command| run(&mut ledger, command));
    let mut pairs = BTreeMap::new();
    for (key, value) in ledger.take_changes() {
        match value {
            Some(value) => drop(pairs.insert(key, value)),
            None => drop(pairs.remove(&key)),
        }
    }
    let StateSummary { log_size, log_root, state_root, inbox_count, inbox_hash, .. } = ledger.summary();
    let checkpoint = Checkpoint {
        group: fixture.group.identity.group,
        epoch: Epoch(0),
        sequence: Sequence(3),
        log_size,
        log_root,
        state_root,
        inbox_count,
        inbox_hash,
        next_members_hash: Digest::default(),
    };
    commands[3..].iter().for_each(|command| run(&mut ledger, command));
    let (head, state_root) = (ledger.head(), ledger.summary().state_root);
    Crash { pairs, entries, checkpoint, later: commands[3..].to_vec(), head, state_root }
}

fn restore(fixture: &Fixture, crash: &Crash, entries: &[Entry]) -> Result<Ledger, LedgerError> {
    let persisted = Persisted {
        pairs: crash.pairs.clone(),
        entries: entries.iter().map(|entry| Ok(*entry)),
        sequence: Sequence(3),
        checkpoint: Some(crash.checkpoint.clone()),
    };
    Ledger::restore(Arc::clone(&fixture.group), persisted)
}

#[test]
fn a_restored_ledger_reaches_the_same_roots() {
    let fixture = Fixture::new();
    let crash = crash(&fixture);
    let mut ledger = restore(&fixture, &crash, &crash.entries).unwrap();
    assert_eq!(ledger.last_executed(), Sequence(3));
    assert_eq!(ledger.head().root, crash.checkpoint.log_root);
    assert_eq!(ledger.head().time_s, START.plus(3000).seconds());
    for command in &crash.later {
        execute(&mut ledger, std::slice::from_ref(command));
    }
    assert_eq!(ledger.head(), crash.head);
    assert_eq!(ledger.summary().state_root, crash.state_root);
}

#[test]
fn a_damaged_store_is_named() {
    let fixture = Fixture::new();
    let crash = crash(&fixture);
    let short = restore(&fixture, &crash, &crash.entries[..2]);
    assert!(matches!(short, Err(LedgerError::LogTooShort { found: 2, .. })));

    let mut changed = crash.entries.clone();
    changed[1].outcome = Digest::from([9; 32]);
    let mismatch = restore(&fixture, &crash, &changed).err();
    assert!(
        matches!(mismatch, Some(LedgerError::CheckpointMismatch { what: "log root", .. })),
        "{mismatch:?}"
    );

    let mut swapped = crash.entries.clone();
    swapped.swap(1, 2);
    assert!(matches!(restore(&fixture, &crash, &swapped), Err(LedgerError::RecordMissing(EntryIndex(1)))));

    let mut other_state = crash.checkpoint.clone();
    other_state.state_root = Digest::from([9; 32]);
    let crash = Crash { checkpoint: other_state, ..crash };
    let mismatch = restore(&fixture, &crash, &crash.entries).err();
    assert!(
        matches!(mismatch, Some(LedgerError::CheckpointMismatch { what: "state root", .. })),
        "{mismatch:?}"
    );
}

/// The first three replicas attest the ledger's log.
fn attested_by_a_quorum(ledger: &mut Ledger, fixture: &Fixture) {
    let head = ledger.head();
    for replica in 0..3 {
        ledger.attest(&fixture.attestation(replica, head));
    }
    assert_eq!(ledger.certified_size(), head.size);
}

/// Whoever enters an epoch attests what the one before left. That is a certificate of the epoch before if its quorum made it,
/// and whoever verifies a receipt holds the epoch in it to that.
#[test]
fn a_certificate_at_an_epochs_beginning_is_the_earliest_epochs_whose_quorum_made_it() {
    let fixture = Fixture::new();
    let next = Group { epoch: Epoch::of(1, 0), ..Group::clone(&fixture.group) };
    let mut replaced = next.clone();
    replaced.members.iter_mut().for_each(|member| member.key = AgentKey::generate().public());

    for (members, stays) in [(next.clone(), true), (replaced, false)] {
        let mut ledger = Ledger::genesis(Arc::clone(&fixture.group)).0;
        let head = execute(&mut ledger, &[fixture.command(0, 1)]).head;
        ledger.begin_era(&members, head.size);
        assert_eq!(ledger.certificate(), None);
        if stays {
            attested_by_a_quorum(&mut ledger, &fixture);
            assert_eq!(ledger.certificate_group().epoch, Epoch(0));
            execute(&mut ledger, &[fixture.command(0, 2)]);
            attested_by_a_quorum(&mut ledger, &fixture);
            assert_eq!(ledger.certificate_group().epoch, next.epoch, "only the next one's log is so long");
        } else {
            let certificate = LogCertificate { head, attestations: vec![] };
            assert_eq!(ledger.attesting(&certificate).epoch, next.epoch);
        }
    }

    // After a restart the ledger has it from the store.
    let mut ledger = Ledger::genesis(Arc::clone(&fixture.group)).0;
    let head = ledger.head();
    ledger.begin_era(&next, head.size);
    let ended = ledger.ended().to_vec();
    assert_eq!(ended, [EndedEpoch { group: Group::clone(&fixture.group), log_size: 1 }]);
    let mut restored = Ledger::genesis(Arc::new(next.clone())).0;
    restored.recall_ended(ended.clone());
    attested_by_a_quorum(&mut restored, &fixture);
    assert_eq!(restored.certificate_group().epoch, Epoch(0));
    let mut later = Ledger::genesis(Arc::new(Group { epoch: Epoch::of(1, 1), ..next })).0;
    later.recall_ended(ended);
    assert_eq!(later.ended(), [], "it is not of the epoch before");
}

#[test]
fn a_certificate_of_a_peer_is_checked_before_it_is_taken() {
    let fixture = Fixture::new();
    let shared = SharedLedger::new(&fixture);
    let head = shared.execute(&[fixture.command(0, 1)]).head;
    shared.certify(&fixture, head);
    let certificate = shared.reader.read(|ledger| ledger.certificate().cloned()).unwrap();

    let (mut ledger, _) = Ledger::genesis(Arc::clone(&fixture.group));
    assert_eq!(ledger.offer_certificate(certificate.clone()), Ok(false), "not executed that far");
    execute(&mut ledger, &[fixture.command(0, 1)]);
    let mut forged = certificate.clone();
    forged.head.root = Digest::from([9; 32]);
    assert!(ledger.offer_certificate(forged).is_err());
    assert_eq!(ledger.divergence(), None);
    assert_eq!(ledger.offer_certificate(certificate.clone()), Ok(true));
    assert_eq!(ledger.offer_certificate(certificate), Ok(false), "known already");
}

#[test]
fn a_reader_pages_proves_and_tiles_the_log() {
    let fixture = Fixture::new();
    let shared = SharedLedger::new(&fixture);
    for nonce in 1..=9 {
        shared.execute(&[fixture.command(0, nonce)]);
    }
    let reader = &shared.reader;
    let page = reader.page(EntryIndex(2), 3).unwrap();
    let indices: Vec<_> = page.entries.iter().map(|record| record.entry.index.0).collect();
    assert_eq!((page.size, indices), (10, vec![2, 3, 4]));
    assert_eq!(reader.page(EntryIndex(8), 100).unwrap().entries.len(), 2);
    assert!(reader.page(EntryIndex(10), 100).unwrap().entries.is_empty());

    let (old, new) = reader.read(|ledger| (ledger.root_at(4).unwrap(), ledger.root_at(10).unwrap()));
    let proof = reader.read(|ledger| ledger.consistency_proof(4, 10)).unwrap();
    assert_eq!(verify_consistency(4, 10, &old, &new, &proof), Ok(()));

    let hashes = reader.tile(&TilePath::parse("0", "000.p/10").unwrap()).unwrap().unwrap();
    let entries = reader.tile(&TilePath::parse("entries", "000.p/10").unwrap()).unwrap().unwrap();
    assert_eq!((hashes.len(), entries.len()), (10 * 32, 10 * (2 + 224)));
    for (hash, entry) in hashes.chunks(32).zip(entries.chunks(226)) {
        assert_eq!(entry[..2], [0, 224]);
        assert_eq!(leaf_hash(&entry[2..]).as_bytes().as_slice(), hash);
    }
    assert_eq!(reader.tile(&TilePath::parse("0", "000.p/11").unwrap()).unwrap(), None);
    assert_eq!(reader.tile(&TilePath::parse("entries", "000").unwrap()).unwrap(), None);
}

#[tokio::test]
async fn whoever_waits_for_a_command_is_told_when_it_is_certified() {
    let fixture = Fixture::new();
    let shared = SharedLedger::new(&fixture);
    let command = fixture.command(0, 1);
    let mut before = shared.reader.wait_for(command.digest()).unwrap();
    let head = shared.execute(std::slice::from_ref(&command)).head;
    let mut between = shared.reader.wait_for(command.digest()).unwrap();
    shared.certify(&fixture, head);
    let mut after = shared.reader.wait_for(command.digest()).unwrap();
    for waiter in [&mut before, &mut between, &mut after] {
        assert_eq!(waiter.settled().await, Settled::Certified(EntryIndex(1)));
    }

    let mut lost = shared.reader.wait_for(fixture.command(0, 2).digest()).unwrap();
    let divergence = Divergence { size: 2, ours: Digest::default(), theirs: Digest::default() };
    shared.ledger.write().unwrap().mark_diverged(divergence);
    assert_eq!(lost.settled().await, Settled::Abandoned);
}

#[tokio::test]
async fn whoever_waits_for_a_command_is_told_of_it_when_it_comes_through_the_inbox() {
    let fixture = Fixture::new();
    let shared = SharedLedger::new(&fixture);
    let command = fixture.command(3, 1);
    let mut waiter = shared.reader.wait_for(command.digest()).unwrap();
    let message = InboxMessage {
        index: 0,
        kind: KIND_COMMAND,
        sender: fixture.agent(3),
        enqueued_at: 0,
        payload: command.encode(),
    };
    let operation = InboxOperation::Observe(Observe::of([&message]).unwrap()).to_operation();
    let words: Vec<_> = (0..3).map(|member| fixture.sign_operation(member, 1, operation.clone())).collect();
    let head = shared.execute(&words).head;
    assert_eq!(shared.ledger.write().unwrap().summary().inbox_count, 1);
    shared.certify(&fixture, head);
    // The genesis, three words, the message, and then the command.
    assert_eq!(waiter.settled().await, Settled::Certified(EntryIndex(5)));
    assert_eq!(shared.reader.record(EntryIndex(5)).unwrap().unwrap().entry.subject, command.digest());
}

#[tokio::test]
async fn whoever_waits_for_a_command_that_makes_no_entry_is_told_why() {
    let fixture = Fixture::new();
    let shared = SharedLedger::new(&fixture);
    let mut command = fixture.command(0, 1).command().clone();
    command.agent = AgentId::from([0x77; 20]);
    let command = SignedCommand::sign(command, &fixture.keys[0].1);
    let mut waiter = shared.reader.wait_for(command.digest()).unwrap();
    let batch = shared.execute(&[command]);
    assert!(batch.records.is_empty());
    assert_eq!(waiter.settled().await, Settled::Dropped(DropReason::UnknownAgent));
}

#[test]
fn a_batch_never_executes_before_an_earlier_time() {
    let fixture = Fixture::new();
    let (mut ledger, _) = Ledger::genesis(Arc::clone(&fixture.group));
    let late = execute(&mut ledger, &[fixture.command(0, 1)]).timestamp;
    let batch = ledger.execute(Sequence(2), TimestampMs(5), &[fixture.command(0, 2)], false).unwrap();
    assert_eq!(batch.timestamp, late);
}
