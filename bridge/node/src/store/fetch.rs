//! A fetch of the group's state, as far as the disk is concerned (see [`crate::transfer`]).
//!
//! What is fetched is staged in tables of its own, and one transaction puts all of it in place. Until then
//! the store is what it was: a crash leaves the old node whole and a fetch that goes on where it was.

use minicbor::{Decode, Encode};
use quorate_protocol::{CheckpointCertificate, EntryBody, EntryRecord, codec};
use quorate_services::{BucketRange, STATE_BUCKETS};
use redb::{ReadableDatabase as _, ReadableTable as _, WriteTransaction};

use super::frontier::Frontier;
use super::tables;
use super::writer::{ApplyError, last_key, set_meta};
use super::{StatePair, Store};
use crate::error::NodeError;

/// How far a fetch is; also what is kept of it on disk.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct FetchProgress {
    /// The stable checkpoint that is fetched. Whoever began the fetch has verified it.
    #[n(0)]
    pub target: CheckpointCertificate,
    /// So many entries of the store's own log stay; those after them are fetched.
    #[n(1)]
    pub kept: u64,
    /// The edge of the log as far as it is kept or fetched.
    #[n(2)]
    pub log: Frontier,
    /// The first bucket of the state that is not fetched.
    #[n(3)]
    pub next_bucket: u32,
}

impl FetchProgress {
    /// Whether state and log are all there.
    pub fn is_complete(&self) -> bool {
        self.next_bucket == STATE_BUCKETS && self.log.size() == self.target.checkpoint.log_size
    }
}

/// A step of a fetch. Each is durable as a whole or not at all, and after all earlier ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchWrite {
    /// Begins a fetch. Of an earlier one the state goes, and the log stays if it was fetched for the same
    /// [`FetchProgress::kept`] and [`FetchProgress::log`] says that it goes on from there.
    Begin(Box<FetchProgress>),
    /// The verified pairs of the next buckets.
    State {
        /// The buckets; the first is the next that the fetch lacks.
        range: BucketRange,
        /// All their pairs.
        pairs: Vec<StatePair>,
    },
    /// The verified next entries.
    Log {
        /// The records, the first being the next that the fetch lacks.
        records: Vec<EntryRecord>,
        /// The edge of the log after them.
        log: Frontier,
    },
    /// Puts what was fetched in place of what there was: the store is now that of a node that executed up to
    /// the target's sequence. Batches up to there are gone; the next to be written is the one after.
    Install,
    /// Drops what was fetched.
    Abandon,
}

impl Store {
    /// The fetch in progress, to be resumed before the node does anything else.
    ///
    /// # Errors
    /// [`NodeError::Storage`] or [`NodeError::DataCorrupt`].
    pub fn fetch_progress(&self) -> Result<Option<FetchProgress>, NodeError> {
        let progress: Option<FetchProgress> = self.meta(tables::FETCH)?;
        match progress {
            Some(progress) if !progress.log.is_sound() => {
                Err(self.corrupt("the edge of the fetched log does not fit its size".into()))
            }
            progress => Ok(progress),
        }
    }

    /// The edge of the first `size` entries of the stored log, or nothing if it is shorter. Reads them all.
    ///
    /// # Errors
    /// [`NodeError::Storage`] or [`NodeError::DataCorrupt`].
    pub fn frontier(&self, size: u64) -> Result<Option<Frontier>, NodeError> {
        let read = self.inner.database.begin_read().map_err(|error| self.failed("read", error))?;
        let table = read.open_table(tables::ENTRIES).map_err(|error| self.failed("read", error))?;
        let mut frontier = Frontier::new();
        for item in table.range(..size).map_err(|error| self.failed("read", error))? {
            let (index, record) = item.map_err(|error| self.failed("read", error))?;
            frontier.append(&self.record(index.value(), record.value())?.entry);
        }
        Ok((frontier.size() == size).then_some(frontier))
    }
}

/// Does `write` as a part of `transaction`.
pub(super) fn apply(transaction: &WriteTransaction, write: FetchWrite) -> Result<(), ApplyError> {
    match write {
        FetchWrite::Begin(progress) => begin(transaction, &progress),
        FetchWrite::State { range, pairs } => stage_state(transaction, range, &pairs),
        FetchWrite::Log { records, log } => stage_log(transaction, &records, log),
        FetchWrite::Install => install(transaction),
        FetchWrite::Abandon => abandon(transaction),
    }
}

fn begin(transaction: &WriteTransaction, begun: &FetchProgress) -> Result<(), ApplyError> {
    let earlier = progress(transaction)?.filter(|earlier| earlier.kept == begun.kept);
    let has_log = earlier.map_or(begun.kept, |earlier| earlier.log.size());
    let goes_on = begun.log.size() == has_log;
    if !goes_on && begun.log.size() != begun.kept {
        return Err(ApplyError::Invariant(format!(
            "a fetch was to begin at entry {}, of which the first {} are here",
            begun.log.size(),
            has_log
        )));
    }
    if last_key(&transaction.open_table(tables::ENTRIES)?)?.map_or(0, |last| last + 1) < begun.kept {
        return Err(ApplyError::Invariant(format!(
            "a fetch was to keep {} entries, more than there are",
            begun.kept
        )));
    }
    transaction.delete_table(tables::FETCHED_STATE)?;
    transaction.open_table(tables::FETCHED_STATE)?;
    if begun.log.size() == begun.kept {
        clear_log(transaction)?;
    }
    let next_bucket = 0;
    set_meta(transaction, tables::FETCH, &FetchProgress { next_bucket, ..begun.clone() })
}

fn stage_state(
    transaction: &WriteTransaction,
    range: BucketRange,
    pairs: &[StatePair],
) -> Result<(), ApplyError> {
    let mut progress = in_progress(transaction)?;
    if range.first() != progress.next_bucket {
        return Err(ApplyError::Invariant(format!(
            "bucket {} was to be stored where {} comes next",
            range.first(),
            progress.next_bucket
        )));
    }
    let mut table = transaction.open_table(tables::FETCHED_STATE)?;
    for pair in pairs {
        table.insert(&tables::state_key(&pair.0), tables::state_value(&pair.0, &pair.1).as_slice())?;
    }
    progress.next_bucket = range.end();
    set_meta(transaction, tables::FETCH, &progress)
}

fn stage_log(
    transaction: &WriteTransaction,
    records: &[EntryRecord],
    log: Frontier,
) -> Result<(), ApplyError> {
    let mut progress = in_progress(transaction)?;
    let from = progress.log.size();
    let mut entries = transaction.open_table(tables::FETCHED_ENTRIES)?;
    let mut commands = transaction.open_table(tables::FETCHED_COMMANDS)?;
    for (record, next) in records.iter().zip(from..) {
        let index = record.entry.index.0;
        if index != next {
            return Err(ApplyError::Invariant(format!(
                "entry {index} was to be stored where {next} comes next"
            )));
        }
        entries.insert(index, codec::encode(record).as_slice())?;
        if let EntryBody::Command(command) = &record.body {
            commands.insert(command.digest().as_bytes(), index)?;
        }
    }
    if log.size() != from + records.len() as u64 {
        return Err(ApplyError::Invariant(format!(
            "{} entries do not lead from {from} to {}",
            records.len(),
            log.size()
        )));
    }
    progress.log = log;
    set_meta(transaction, tables::FETCH, &progress)
}

fn install(transaction: &WriteTransaction) -> Result<(), ApplyError> {
    let progress = in_progress(transaction)?;
    if !progress.is_complete() {
        return Err(ApplyError::Invariant("a fetch was to be installed before it was complete".into()));
    }
    transaction.delete_table(tables::STATE)?;
    transaction.rename_table(tables::FETCHED_STATE, tables::STATE)?;
    transaction.open_table(tables::FETCHED_STATE)?;
    if progress.kept == 0 {
        // Nothing stays, so the tables change places whole, however long the log is.
        transaction.delete_table(tables::ENTRIES)?;
        transaction.delete_table(tables::COMMANDS)?;
        transaction.rename_table(tables::FETCHED_ENTRIES, tables::ENTRIES)?;
        transaction.rename_table(tables::FETCHED_COMMANDS, tables::COMMANDS)?;
        transaction.open_table(tables::FETCHED_ENTRIES)?;
        transaction.open_table(tables::FETCHED_COMMANDS)?;
    } else {
        cut_log(transaction, progress.kept)?;
        append_fetched_log(transaction)?;
        clear_log(transaction)?;
    }
    transaction.delete_table(tables::BATCHES)?;
    transaction.open_table(tables::BATCHES)?;
    set_meta(transaction, tables::STATE_SEQUENCE, &progress.target.checkpoint.sequence)?;
    set_meta(transaction, tables::STABLE, &progress.target)?;
    transaction.open_table(tables::META)?.remove(tables::FETCH)?;
    Ok(())
}

/// Takes the entries from `size` on out of the log.
pub(super) fn cut_log(transaction: &WriteTransaction, size: u64) -> Result<(), ApplyError> {
    let mut entries = transaction.open_table(tables::ENTRIES)?;
    let mut commands = transaction.open_table(tables::COMMANDS)?;
    for item in entries.range(size..)? {
        let (_, record) = item?;
        let record: EntryRecord = minicbor::decode(record.value())
            .map_err(|error| redb::Error::Corrupted(format!("an entry that gives way: {error}")))?;
        if let EntryBody::Command(command) = &record.body {
            commands.remove(command.digest().as_bytes())?;
        }
    }
    entries.retain_in(size.., |_, _| false)?;
    Ok(())
}

fn append_fetched_log(transaction: &WriteTransaction) -> Result<(), ApplyError> {
    let mut entries = transaction.open_table(tables::ENTRIES)?;
    for item in transaction.open_table(tables::FETCHED_ENTRIES)?.iter()? {
        let (index, record) = item?;
        entries.insert(index.value(), record.value())?;
    }
    let mut commands = transaction.open_table(tables::COMMANDS)?;
    for item in transaction.open_table(tables::FETCHED_COMMANDS)?.iter()? {
        let (digest, index) = item?;
        commands.insert(digest.value(), index.value())?;
    }
    Ok(())
}

pub(super) fn abandon(transaction: &WriteTransaction) -> Result<(), ApplyError> {
    transaction.delete_table(tables::FETCHED_STATE)?;
    transaction.open_table(tables::FETCHED_STATE)?;
    clear_log(transaction)?;
    transaction.open_table(tables::META)?.remove(tables::FETCH)?;
    Ok(())
}

fn clear_log(transaction: &WriteTransaction) -> Result<(), ApplyError> {
    transaction.delete_table(tables::FETCHED_ENTRIES)?;
    transaction.delete_table(tables::FETCHED_COMMANDS)?;
    transaction.open_table(tables::FETCHED_ENTRIES)?;
    transaction.open_table(tables::FETCHED_COMMANDS)?;
    Ok(())
}

fn in_progress(transaction: &WriteTransaction) -> Result<FetchProgress, ApplyError> {
    progress(transaction)?
        .ok_or_else(|| ApplyError::Invariant("something was fetched before a fetch began".into()))
}

fn progress(transaction: &WriteTransaction) -> Result<Option<FetchProgress>, ApplyError> {
    let table = transaction.open_table(tables::META)?;
    let Some(bytes) = table.get(tables::FETCH)? else { return Ok(None) };
    let progress = minicbor::decode(bytes.value())
        .map_err(|error| redb::Error::Corrupted(format!("the progress of a fetch: {error}")))?;
    Ok(Some(progress))
}
