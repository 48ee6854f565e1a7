use quorate_pbft::evidence::EvidenceKind;
use quorate_protocol::entry::SystemEvent;
use quorate_protocol::{
    AgentKey, Class, Command, Decision, DecisionRecord, DecisionStatus, Digest, EntryBody, EntryIndex,
    EntryRecord, Epoch, Group, GroupId, Nonce, Operation, Outcome, ProposalId, Sequence, SignedCommand,
    Terms, TimestampMs,
};
use redb::TableDefinition;

use super::*;

fn identity() -> GroupIdentity {
    GroupIdentity { chain_id: 31337, contract: AgentId::from([0xc0; 20]), group: GroupId::from([7; 32]) }
}

fn agent() -> AgentId {
    AgentId::from([1; 20])
}

fn open(dir: &Path) -> Store {
    Store::open(dir, &identity(), agent()).unwrap()
}

fn record(index: u64, sequence: u64, body: EntryBody, outcome: Outcome) -> EntryRecord {
    let time = TimestampMs(1_700_000_000_000 + sequence);
    EntryRecord::new(&identity(), EntryIndex(index), Sequence(sequence), time, body, outcome)
}

fn system(index: u64, sequence: u64) -> EntryRecord {
    let event = SystemEvent::EpochStarted { epoch: Epoch(index), members_hash: Digest::from([2; 32]) };
    record(index, sequence, EntryBody::System(event), Outcome::Recorded)
}

fn command(nonce: u64) -> SignedCommand {
    let key = AgentKey::from_secret(&[3; 32]);
    let command = Command {
        group: identity().group,
        agent: agent(),
        key: key.public(),
        nonce: Nonce(nonce),
        expires: TimestampMs(u64::MAX),
        operations: vec![Operation { service: "proposals".into(), body: vec![1] }],
    };
    SignedCommand::sign(command, &key)
}

fn decision(proposal: ProposalId) -> DecisionRecord {
    let decision = Decision {
        proposal,
        status: DecisionStatus::Approved,
        for_weight: 3,
        against_weight: 0,
        abstain_weight: 0,
    };
    let (proposer, description) = (agent(), String::new());
    DecisionRecord { decision, proposer, salt: 0, description, calls: vec![], class: 0 }
}

fn executed(sequence: u64, records: Vec<EntryRecord>) -> Write {
    Write::Executed {
        sequence: Sequence(sequence),
        batch: vec![u8::try_from(sequence).unwrap(); 10],
        records,
    }
}

/// Writes all of `writes` and waits until they are durable.
fn write(store: &Store, writes: Vec<Write>) -> StoreStatus {
    let writer = StoreWriter::start(store.clone(), 4).unwrap();
    let status = writer.status();
    for write in writes {
        writer.write(write).unwrap();
    }
    drop(writer);
    status.borrow().clone()
}

#[test]
fn a_new_store_is_empty() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    assert_eq!(store.last_sequence().unwrap(), None);
    assert_eq!(store.log_size().unwrap(), 0);
    assert_eq!(store.batch(Sequence(1)).unwrap(), None);
    assert!(store.entries(EntryIndex(0), 10).unwrap().is_empty());
    assert!(store.state().unwrap().is_none());
    assert!(store.group().unwrap().is_none());
    assert!(store.stable_checkpoint().unwrap().is_none());
    assert!(store.latest_anchor().unwrap().is_none());
    assert!(store.evidence().unwrap().is_empty());
}

#[test]
fn what_was_executed_is_found_by_every_key_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (sent, proposal) = (command(1), ProposalId::from([5; 32]));
    let records = [
        system(0, 0),
        record(1, 1, EntryBody::Command(sent.clone()), Outcome::Applied { results: vec![] }),
        record(2, 1, EntryBody::Decision(Box::new(decision(proposal))), Outcome::Recorded),
    ];
    let store = open(dir.path());
    let status = write(
        &store,
        vec![executed(0, vec![records[0].clone()]), executed(1, records[1..].to_vec()), executed(2, vec![])],
    );
    assert_eq!(status.durable, Some(Sequence(2)));
    drop(store);

    let store = open(dir.path());
    assert_eq!(store.last_sequence().unwrap(), Some(Sequence(2)));
    assert_eq!(store.log_size().unwrap(), 3);
    assert_eq!(store.entries(EntryIndex(0), 10).unwrap(), records);
    assert_eq!(store.entries(EntryIndex(1), 1).unwrap(), records[1..2]);
    assert_eq!(store.entry(EntryIndex(3)).unwrap(), None);
    assert_eq!(store.entry_of_command(&sent.digest()).unwrap(), Some(EntryIndex(1)));
    assert_eq!(store.entry_of_command(&command(2).digest()).unwrap(), None);
    assert_eq!(store.batch(Sequence(0)).unwrap(), None);
    assert_eq!(store.batch(Sequence(2)).unwrap(), Some(vec![2; 10]));
}

#[test]
fn batches_are_supplied_within_bounds() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut writes = vec![executed(0, vec![system(0, 0)])];
    writes.extend((1..=9).map(|sequence| executed(sequence, vec![])));
    write(&store, writes);
    let sequences = |from, count, bytes| -> Vec<u64> {
        let found = store.batches(Sequence(from), count, bytes).unwrap();
        found.into_iter().map(|(sequence, _)| sequence.0).collect()
    };
    assert_eq!(sequences(3, 4, usize::MAX), [3, 4, 5, 6]);
    assert_eq!(sequences(8, 100, usize::MAX), [8, 9]);
    assert_eq!(sequences(1, 100, 25), [1, 2, 3], "the third reaches 25 bytes");
    assert_eq!(sequences(0, 100, usize::MAX), [0; 0]);
    assert_eq!(sequences(10, 100, usize::MAX), [0; 0]);
    assert_eq!(sequences(3, 0, usize::MAX), [0; 0]);
}

#[test]
fn the_state_is_that_of_its_sequence() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let pair = |key: &str, value: &str| (key.as_bytes().to_vec(), value.as_bytes().to_vec());
    let set = |key: &str, value: &str| (key.as_bytes().to_vec(), Some(value.as_bytes().to_vec()));
    write(
        &store,
        vec![
            executed(0, vec![system(0, 0)]),
            Write::State { sequence: Sequence(0), changes: vec![set("a", "1"), set("b", "2")] },
            executed(1, vec![]),
        ],
    );
    let state = || {
        let (sequence, mut pairs) = store.state().unwrap().unwrap();
        pairs.sort();
        (sequence, pairs)
    };
    assert_eq!(state(), (Sequence(0), vec![pair("a", "1"), pair("b", "2")]));
    let gone = (b"a".to_vec(), None);
    write(&store, vec![Write::State { sequence: Sequence(1), changes: vec![gone, set("c", "3")] }]);
    assert_eq!(state(), (Sequence(1), vec![pair("b", "2"), pair("c", "3")]));
}

#[test]
fn the_newest_anchor_is_found_and_those_that_the_chain_dropped_are_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let anchor = |size: u64| Write::Anchor { size, anchor: size.to_be_bytes().to_vec() };
    write(&store, vec![anchor(10), anchor(25)]);
    assert_eq!(store.latest_anchor().unwrap(), Some((25, 25u64.to_be_bytes().to_vec())));
    write(&store, vec![anchor(12)]);
    assert_eq!(store.latest_anchor().unwrap(), Some((12, 12u64.to_be_bytes().to_vec())));
    write(&store, vec![Write::NoAnchor]);
    assert_eq!(store.latest_anchor().unwrap(), None);
}

#[test]
fn h1_evidence_is_kept_once_and_bounded_by_its_kind() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let piece = |kind, i: u64| Write::Evidence { kind, evidence: i.to_be_bytes().to_vec() };
    let votes = (0..MAX_EVIDENCE + 5).flat_map(|i| vec![piece(EvidenceKind::Votes, i); 2]);
    write(&store, votes.collect());
    assert_eq!(store.evidence().unwrap().len() as u64, MAX_EVIDENCE);
    write(&store, vec![piece(EvidenceKind::Checkpoints, u64::MAX)]);
    let all = store.evidence().unwrap();
    assert_eq!(all.len() as u64, MAX_EVIDENCE + 1, "what convicts is not kept out by what does not");
    assert!(all.contains(&u64::MAX.to_be_bytes().to_vec()));
}

#[test]
fn the_group_survives() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let terms = Terms::of_class(Class::of_weight(3, 4, 60));
    let group = Group {
        identity: identity(),
        account: AgentId::from([0xac; 20]),
        epoch: Epoch(2),
        members: vec![],
        terms,
        voters_since: Epoch(1),
    };
    write(&store, vec![Write::Group(group.clone())]);
    assert_eq!(store.group().unwrap(), Some(group));
}

#[test]
fn a_gap_stops_the_writer_before_anything_of_its_group_is_stored() {
    let gaps: [Vec<Write>; 4] = [
        vec![executed(1, vec![system(0, 1)])],
        vec![executed(0, vec![system(0, 0)]), executed(2, vec![])],
        vec![executed(0, vec![system(1, 0)])],
        vec![Write::State { sequence: Sequence(1), changes: vec![] }],
    ];
    for writes in gaps {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        let failure = write(&store, writes).failure.expect("there is a gap");
        assert!(matches!(*failure, NodeError::Invariant(_)), "{failure}");
        assert_eq!(store.batch(Sequence(2)).unwrap(), None);
        assert!(store.state().unwrap().is_none());
    }
}

#[test]
fn after_a_failure_nothing_more_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let writer = StoreWriter::start(store, 4).unwrap();
    writer.write(executed(5, vec![])).unwrap();
    let mut status = writer.status();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let failed = runtime.block_on(async {
        let failed = status.wait_for(|status| status.failure.is_some());
        tokio::time::timeout(std::time::Duration::from_secs(10), failed).await.is_ok()
    });
    assert!(failed, "the gap stops the writer");
    let error = writer.write(executed(0, vec![])).expect_err("the writer has stopped");
    assert!(matches!(error, NodeError::StorageStopped { .. }));
}

#[test]
fn another_group_replica_process_or_program_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let error = Store::open(dir.path(), &identity(), agent()).expect_err("it is open");
    assert!(matches!(error, NodeError::DataInUse { .. }), "{error}");
    drop(store);

    let other = GroupIdentity { group: GroupId::from([8; 32]), ..identity() };
    let error = Store::open(dir.path(), &other, agent()).expect_err("another group");
    assert!(matches!(error, NodeError::DataForeign { what: "the group", .. }), "{error}");
    let error = Store::open(dir.path(), &identity(), AgentId::from([2; 20])).expect_err("another replica");
    assert!(matches!(error, NodeError::DataForeign { what: "the replica", .. }), "{error}");

    let dir = tempfile::tempdir().unwrap();
    let foreign = Database::create(dir.path().join(FILE_NAME)).unwrap();
    let transaction = foreign.begin_write().unwrap();
    transaction.open_table(TableDefinition::<u64, u64>::new("prices")).unwrap();
    transaction.commit().unwrap();
    drop(foreign);
    let error = Store::open(dir.path(), &identity(), agent()).expect_err("another program");
    assert!(matches!(error, NodeError::DataForeign { .. }), "{error}");
}

#[test]
fn another_format_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let owner = tables::Owner { format: FORMAT + 1, identity: identity(), agent: agent() };
    let transaction = store.inner.database.begin_write().unwrap();
    tables::create(&transaction, &owner).unwrap();
    transaction.commit().unwrap();
    drop(store);
    let error = Store::open(dir.path(), &identity(), agent()).expect_err("another format");
    assert!(matches!(error, NodeError::DataFormat { found: 4, supported: 3, .. }), "{error}");
}

#[test]
fn a_file_that_is_no_store_is_told() {
    let good = tempfile::tempdir().unwrap();
    drop(open(good.path()));
    let whole = fs::read(good.path().join(FILE_NAME)).unwrap();
    let mut no_magic = whole.clone();
    no_magic[0] ^= 1;
    let mut no_pages = whole.clone();
    no_pages[64..].fill(0);
    let cases: [&[u8]; 5] = [b"garbage", &whole[..100], &whole[..whole.len() / 2], &no_magic, &no_pages];
    for (case, bytes) in cases.into_iter().enumerate() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE_NAME), bytes).unwrap();
        let error = Store::open(dir.path(), &identity(), agent()).expect_err("it is damaged");
        assert!(matches!(error, NodeError::DataCorrupt { .. }), "case {case}: {error}");
    }
}

#[test]
fn a_damaged_entry_is_told_and_never_served() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    write(&store, vec![executed(0, vec![system(0, 0)])]);
    let transaction = store.inner.database.begin_write().unwrap();
    let moved = quorate_protocol::codec::encode(&system(4, 4));
    transaction.open_table(tables::ENTRIES).unwrap().insert(0, moved.as_slice()).unwrap();
    transaction.commit().unwrap();
    let error = store.entry(EntryIndex(0)).expect_err("entry 4 stands at 0");
    assert!(matches!(error, NodeError::DataCorrupt { .. }), "{error}");
}
