//! Why the ledger refuses.

use quorate_protocol::{Digest, EntryIndex, Sequence};
use quorate_services::ServicesError;

use super::attestations::Divergence;

/// A failure of whatever holds the older records.
pub type SourceError = Box<dyn std::error::Error + Send + Sync>;

/// Why the ledger refuses.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// Batches execute in order, without gaps.
    #[error("batch {found} cannot execute: the next one is {expected}")]
    OutOfOrder {
        /// The sequence that is next.
        expected: Sequence,
        /// The sequence that was given.
        found: Sequence,
    },
    /// The ledger contradicts a quorum's. It does nothing more until it is replaced.
    #[error("{0}")]
    Diverged(Divergence),
    /// The persisted state does not fit the group or itself.
    #[error(
        "the persisted state cannot be restored: {0}; restore the data directory, or remove it to recover from the group"
    )]
    State(#[from] ServicesError),
    /// The persisted log ends before the persisted state.
    #[error(
        "the persisted log has {found} entries, the persisted state needs {expected}; restore the data directory, or remove it to recover from the group"
    )]
    LogTooShort {
        /// How many entries the state has made.
        expected: u64,
        /// How many were found.
        found: u64,
    },
    /// The restored state or log is not what a quorum signed.
    #[error(
        "the restored {what} at sequence {sequence} is {found}, the stable checkpoint has {expected}; the data \
         directory is damaged: restore it, or remove it to recover from the group"
    )]
    CheckpointMismatch {
        /// What differs: the log's root or the state's root.
        what: &'static str,
        /// The checkpoint's sequence.
        sequence: Sequence,
        /// The checkpoint's root.
        expected: Digest,
        /// The restored root.
        found: Digest,
    },
    /// A record that the log holds cannot be found.
    #[error("the record of entry {0} is missing from the store; restore the data directory")]
    RecordMissing(EntryIndex),
    /// The store failed.
    #[error("reading the store: {0}")]
    Source(#[source] SourceError),
}
