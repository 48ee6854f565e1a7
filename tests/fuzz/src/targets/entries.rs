//! Entries with their bodies and outcomes, and pages of them.

use quorate_protocol::api::EntriesPage;
use quorate_protocol::codec;
use quorate_protocol::entry::{InboxDisposition, MAX_ENTRY_RECORD_BYTES, SystemEvent};
use quorate_protocol::merkle::verify_inclusion;
use quorate_protocol::{
    Digest, EntryBody, EntryIndex, EntryRecord, Epoch, InboxTaken, Outcome, Sequence, TimestampMs,
};

use super::{Format, PLAIN, QUICK, Target, canonical, canonical_as};
use crate::corpus::Seed;
use crate::world::WORLD;

pub(super) const TARGET: Target = Target {
    name: "entries",
    format: Format::Cbor,
    memory: PLAIN,
    max_len: 8192,
    quick_runs: QUICK,
    seeds,
    check,
};

fn seeds() -> Vec<Seed> {
    let records = WORLD.entries.iter().enumerate();
    let mut seeds: Vec<_> =
        records.map(|(at, record)| Seed::new(format!("record-{at}"), codec::encode(record))).collect();
    let page = EntriesPage { size: WORLD.log.size(), entries: WORLD.entries[2..5].to_vec() };
    seeds.push(Seed::new("page", page.encode()));
    seeds.extend(events().map(|(name, event)| {
        let record = EntryRecord::new(
            &WORLD.group.identity,
            EntryIndex(40),
            Sequence(9),
            TimestampMs(1_700_000_009_000),
            EntryBody::System(event),
            Outcome::Recorded,
        );
        Seed::new(name, codec::encode(&record))
    }));
    seeds
}

/// What the world's log has not: events of a longer life.
fn events() -> impl Iterator<Item = (&'static str, SystemEvent)> {
    let (hash, disposition) = (Digest::of(&[b"inbox"]), InboxDisposition::Malformed);
    let events = [
        ("epoch-started", SystemEvent::EpochStarted { epoch: Epoch(1), members_hash: hash }),
        ("inbox-taken", SystemEvent::InboxTaken(InboxTaken { index: 3, hash, disposition })),
    ];
    let told = WORLD.events().into_iter().map(|(name, event)| (name, SystemEvent::OnChain(event)));
    events.into_iter().chain(told)
}

fn check(bytes: &[u8]) {
    if let Some(record) = canonical_as::<EntryRecord>(bytes, MAX_ENTRY_RECORD_BYTES) {
        check_record(&record);
    }
    if let Some(page) = canonical(bytes, EntriesPage::decode(bytes), EntriesPage::encode) {
        page.entries.iter().for_each(check_record);
    }
}

/// Whoever changes a record contradicts its entry, and whoever changes its entry leaves the log.
fn check_record(record: &EntryRecord) {
    let size = WORLD.log.size();
    let (index, root) = (record.entry.index.0, WORLD.log.root());
    let Ok(proof) = WORLD.log.inclusion_proof(index, size) else { return };
    let leaf = record.entry.leaf_hash();
    let in_log = verify_inclusion(&leaf, index, size, &proof, &root).is_ok();
    if in_log && record.check(&WORLD.group.identity).is_ok() {
        assert!(WORLD.entries.contains(record), "a record holds that is not in the log");
    }
}
