//! Where a node starts from: the store, the write-ahead log, or nothing.

use std::path::Path;
use std::sync::Arc;

use quorate_pbft::{CommittedBatch, Config, Record, Recovered};
use quorate_protocol::{Entry, EntryIndex, Group, Sequence, codec};

use crate::anchored::AnchoredLog;
use crate::error::NodeError;
use crate::ledger::{Ledger, Persisted, SourceError};
use crate::store::{Store, Write};
use crate::wal::TailReport;

/// How many entries or batches are read from the store at once.
const CHUNK: usize = 1_024;
/// The most bytes of a stored anchor.
const MAX_ANCHOR_BYTES: usize = 4_096;

/// What was on disk.
pub struct Restored {
    /// The executed state, up to the last batch that the store has.
    pub ledger: Ledger,
    /// What the consensus core must remember.
    pub recovered: Recovered,
}

/// What the write-ahead log held when it was opened.
#[derive(Clone, Copy, Debug)]
pub struct WalContents<'a> {
    /// The records since its last rotation.
    pub records: &'a [Vec<u8>],
    /// How its end looked.
    pub tail: TailReport,
    /// Where it lies, for errors.
    pub path: &'a Path,
}

/// Brings the ledger to the last batch that the store has, and collects what the core must remember. A new
/// store gets the genesis through `write`.
///
/// # Errors
/// When the store and the write-ahead log contradict themselves or each other, or when the log is missing
/// beside a store that is not.
pub fn restore(
    config: &Config,
    group: &Arc<Group>,
    store: &Store,
    wal: WalContents<'_>,
    write: impl FnMut(Write) -> Result<(), NodeError>,
) -> Result<Restored, NodeError> {
    let wal_path = wal.path;
    if wal.tail.created && store.last_sequence()?.is_some() {
        // Without its log this replica cannot know what it said, and could say the opposite.
        let detail = "it is missing, although the store beside it is not; restore it from where it was moved, \
                      or leave this replica off: without the log it could contradict what it said before";
        return Err(corrupt(wal_path, detail.into()));
    }
    if !wal.tail.created && !wal.tail.is_clean() {
        tracing::warn!(tail = ?wal.tail, "the end of the write-ahead log was torn, as a crash leaves it, and is cut");
    }
    let mut ledger = match store.state()? {
        None => genesis(group, write)?,
        Some((sequence, pairs)) => from_store(group, store, sequence, pairs)?,
    };
    execute_again(config, store, &mut ledger)?;
    if let Some((_, bytes)) = store.latest_anchor()? {
        let anchored: AnchoredLog = codec::decode(&bytes, MAX_ANCHOR_BYTES)
            .map_err(|error| corrupt(wal_path, format!("a stored anchor: {error}")))?;
        ledger.anchor(anchored);
    }
    let records = wal
        .records
        .iter()
        .map(|bytes| Record::decode(bytes))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| corrupt(wal_path, format!("a record: {error}")))?;
    let ended = ledger.epoch_is_over().then(|| ledger.summary());
    let recovered = Recovered {
        records,
        last_executed: ledger.last_executed(),
        stable: store.stable_checkpoint()?,
        next_due: ledger.state().next_due(),
        change_pending: ledger.state().change_pending(),
        ended,
        silent: false,
    };
    Ok(Restored { ledger, recovered })
}

fn corrupt(path: &Path, detail: String) -> NodeError {
    NodeError::DataCorrupt { path: path.into(), detail }
}

/// A group's first start at this node.
fn genesis(
    group: &Arc<Group>,
    mut write: impl FnMut(Write) -> Result<(), NodeError>,
) -> Result<Ledger, NodeError> {
    let (mut ledger, record) = Ledger::genesis(Arc::clone(group));
    write(Write::Group(Group::clone(group)))?;
    write(Write::Executed {
        sequence: Sequence(0),
        batch: Vec::new(),
        records: vec![Arc::unwrap_or_clone(record)],
    })?;
    write(Write::State { sequence: Sequence(0), changes: ledger.take_changes() })?;
    Ok(ledger)
}

fn from_store(
    group: &Arc<Group>,
    store: &Store,
    sequence: Sequence,
    pairs: Vec<(Vec<u8>, Vec<u8>)>,
) -> Result<Ledger, NodeError> {
    let checkpoint = store
        .stable_checkpoint()?
        .map(|certificate| certificate.checkpoint)
        .filter(|checkpoint| checkpoint.sequence == sequence);
    let persisted = Persisted { pairs, entries: entries(store), sequence, checkpoint };
    Ledger::restore(Arc::clone(group), persisted).map_err(|error| store.corrupt(error.to_string()))
}

/// All stored entries in order, read in chunks.
fn entries(store: &Store) -> impl Iterator<Item = Result<Entry, SourceError>> + '_ {
    let mut next = 0;
    std::iter::from_fn(move || {
        let chunk = store.entries(EntryIndex(next), CHUNK);
        let chunk = match chunk {
            Ok(records) if records.is_empty() => return None,
            Ok(records) => {
                next += records.len() as u64;
                records.into_iter().map(|record| Ok(record.entry)).collect::<Vec<_>>()
            }
            Err(error) => vec![Err(SourceError::from(error))],
        };
        Some(chunk)
    })
    .flatten()
}

/// Executes the stored batches that follow the ledger's state. Their entries are in the store already.
fn execute_again(config: &Config, store: &Store, ledger: &mut Ledger) -> Result<(), NodeError> {
    loop {
        let from = ledger.last_executed().next();
        let batches = store.batches(from, CHUNK, CommittedBatch::MAX_BYTES)?;
        if batches.is_empty() {
            return Ok(());
        }
        for (sequence, bytes) in batches {
            let contradiction = |detail: String| store.corrupt(format!("batch {sequence}: {detail}"));
            let committed =
                CommittedBatch::decode(&bytes).map_err(|error| contradiction(error.to_string()))?;
            let batch = &committed.batch;
            ledger
                .execute(
                    committed.sequence,
                    batch.timestamp,
                    &batch.commands,
                    config.takes_checkpoint(committed.sequence, batch),
                )
                .map_err(|error| contradiction(error.to_string()))?;
        }
    }
}
