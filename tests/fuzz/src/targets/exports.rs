//! A log in a file, and the audit of it.

use std::collections::BTreeMap;
use std::fs;
use std::sync::LazyLock;

use quorate_protocol::{EntryRecord, Epoch};
use quorate_sdk::audit::{ExportHeader, ExportReader, ExportWriter, check_export, to_json_lines};
use tempfile::TempDir;

use super::{Format, Memory, Target, scratch_dir};
use crate::corpus::Seed;
use crate::world::WORLD;

/// An audit makes room for 512 records at once, and keeps what must not happen twice.
const MEMORY: Memory = Memory { base: 1024 * 1024, per_byte: 64 };

pub(super) const TARGET: Target = Target {
    name: "exports",
    format: Format::Cbor,
    memory: MEMORY,
    max_len: 16_384,
    quick_runs: 1_000,
    seeds,
    check,
};

static DIR: LazyLock<TempDir> = LazyLock::new(scratch_dir);

fn header(size: u64) -> ExportHeader {
    let handovers = if size == WORLD.log.size() { vec![] } else { vec![WORLD.handover()] };
    ExportHeader::new(WORLD.group.identity, Epoch(0), WORLD.certificate(size), handovers)
}

fn export(header: &ExportHeader, records: &[EntryRecord]) -> Vec<u8> {
    let mut writer = ExportWriter::new(Vec::new(), header).expect("memory can be written to");
    for record in records {
        writer.append(record).expect("memory can be written to");
    }
    writer.finish().expect("memory can be written to")
}

fn seeds() -> Vec<Seed> {
    let size = WORLD.log.size();
    let start = usize::try_from(size - 2).expect("the log is short");
    vec![
        Seed::new("whole", export(&header(size), &WORLD.entries)),
        Seed::new("start-with-handover", export(&header(size - 2), &WORLD.entries[..start])),
        Seed::new("header-alone", export(&header(size), &[])),
    ]
}

fn check(bytes: &[u8]) {
    let Ok(mut reader) = ExportReader::new(bytes) else { return };
    let header = reader.header().clone();
    let mut records = Vec::new();
    let end = loop {
        match reader.next_record() {
            Ok(Some(record)) => records.push(record),
            end => break end,
        }
    };
    match end {
        Ok(_) => {
            assert!(export(&header, &records) == bytes, "what was read is written as other bytes");
            let mut again = ExportReader::new(bytes).expect("it was read before");
            to_json_lines(&mut again, std::io::sink()).expect("what was read can be written");
        }
        Err(error) => assert!(!error.to_string().is_empty(), "a refusal without a reason"),
    }
    audit(bytes, &records);
}

/// An audit that finds nothing wrong has seen the log, whole or up to what is attested, and nothing else.
fn audit(bytes: &[u8], records: &[EntryRecord]) {
    let path = DIR.path().join("export");
    fs::write(&path, bytes).expect("there is room for a file");
    match check_export(&WORLD.group, BTreeMap::new(), &path) {
        Ok(report) if report.finding.is_none() => {
            assert!(WORLD.entries.starts_with(records), "an audit passes what is not the log");
            assert_eq!(Some(report.root), WORLD.log.root_at(report.entries), "the root is another");
        }
        Ok(report) => assert!(report.finding.is_some_and(|finding| !finding.to_string().is_empty())),
        Err(error) => assert!(!error.to_string().is_empty(), "a refusal without a reason"),
    }
}
