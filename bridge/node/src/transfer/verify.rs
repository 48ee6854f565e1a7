//! Checking a chunk against the checkpoint before anything of it is kept.

use std::sync::Arc;

use quorate_protocol::entry::EntryError;
use quorate_protocol::faults::{self, Fault};
use quorate_protocol::keys::verify_each;
use quorate_protocol::merkle::{ProofError, verify_consistency};
use quorate_protocol::{Checkpoint, EntryBody, EntryIndex, GroupIdentity, SignatureCheck};
use quorate_services::{BucketRange, RangeError, verify_range};

use super::message::{LogChunk, StateChunk};
use crate::store::Frontier;

/// A chunk that proves its sender wrong.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum ChunkError {
    /// No node of the state's tree stands over exactly these buckets.
    #[error("buckets {first} and on, 2^{height} of them, are no range")]
    NoRange {
        /// The first bucket.
        first: u32,
        /// log2 of the number of buckets.
        height: u8,
    },
    /// The pairs are not the state's.
    #[error("the state: {0}")]
    State(#[from] RangeError),
    /// No records, or records beyond the checkpoint's log.
    #[error("{count} records from entry {from} on do not fit a log of {size}")]
    Length {
        /// The first record's index.
        from: u64,
        /// How many records there are.
        count: usize,
        /// The size of the checkpoint's log.
        size: u64,
    },
    /// A record that is not where its entry says.
    #[error("entry {found} stands where {expected} belongs")]
    Index {
        /// Where it stands.
        expected: EntryIndex,
        /// What its entry says.
        found: EntryIndex,
    },
    /// A record contradicts its entry.
    #[error("{0}")]
    Record(#[from] Arc<EntryError>),
    /// A command's signature does not verify.
    #[error("the command of entry {0} is not signed by its key")]
    Signature(EntryIndex),
    /// The records, or the log before them, are not the checkpoint's.
    #[error("the log: {0}")]
    Log(ProofError),
}

/// Checks that `chunk` is the state of `checkpoint` in its buckets, and says which these are.
///
/// # Errors
/// The first rule that does not hold.
pub(super) fn state_chunk(checkpoint: &Checkpoint, chunk: &StateChunk) -> Result<BucketRange, ChunkError> {
    let StateChunk { first, height, .. } = *chunk;
    let range = BucketRange::new(first, height).ok_or(ChunkError::NoRange { first, height })?;
    if !faults::is_on(Fault::FetchedStateBelieved) {
        verify_range(&checkpoint.state_root, range, &chunk.pairs, &chunk.siblings)?;
    }
    Ok(range)
}

/// Checks that `chunk`, which starts where `log` ends, continues it towards the log of `checkpoint`, and gives the log's edge after it.
///
/// # Errors
/// The first rule that does not hold. [`ChunkError::Log`] may also mean that `log` itself is not the
/// beginning of the checkpoint's; everything else is the sender's fault.
pub(super) fn log_chunk(
    identity: &GroupIdentity,
    checkpoint: &Checkpoint,
    log: &Frontier,
    chunk: &LogChunk,
) -> Result<Frontier, ChunkError> {
    let (from, size, count) = (log.size(), checkpoint.log_size, chunk.records.len());
    if count == 0 || count as u64 > size.saturating_sub(from) {
        return Err(ChunkError::Length { from, count, size });
    }
    let mut after = log.clone();
    let (mut signed, mut checks): (Vec<EntryIndex>, Vec<SignatureCheck>) = (Vec::new(), Vec::new());
    for (record, expected) in chunk.records.iter().zip((from..).map(EntryIndex)) {
        let found = record.entry.index;
        if found != expected {
            return Err(ChunkError::Index { expected, found });
        }
        record.check_unsigned(identity).map_err(Arc::new)?;
        if let EntryBody::Command(command) = &record.body {
            signed.push(found);
            checks.push(command.signature_check());
        }
        after.append(&record.entry);
    }
    // Hashes cost a fraction of signatures: whatever is not of this log is refused by them.
    verify_consistency(after.size(), size, &after.root(), &checkpoint.log_root, &chunk.proof)
        .map_err(ChunkError::Log)?;
    match verify_each(&checks).iter().position(|holds| !holds) {
        Some(wrong) => Err(ChunkError::Signature(signed[wrong])),
        None => Ok(after),
    }
}
