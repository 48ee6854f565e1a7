//! Starting from what was persisted, and starting over with another state.

use std::sync::Arc;

use quorate_pbft::event::StateSummary;
use quorate_protocol::faults::{self, Fault};
use quorate_protocol::merkle::MerkleLog;
use quorate_protocol::{Checkpoint, Entry, EntryIndex, Group, Sequence, TimestampMs};
use quorate_services::StateMachine;

use super::{Ledger, LedgerError, SourceError};

/// What a ledger is restored from, as the store has it.
pub struct Persisted<P, E> {
    /// The services' state as of `sequence`.
    pub pairs: P,
    /// The entries from index 0 on, at least as many as the state has made. Further ones, of batches that
    /// will be executed again, are not read.
    pub entries: E,
    /// The last sequence that the state includes.
    pub sequence: Sequence,
    /// The stable checkpoint at `sequence`, if there is one: state and log must have its roots.
    pub checkpoint: Option<Checkpoint>,
}

impl Ledger {
    /// The ledger as it was persisted. Batches committed after `persisted.sequence` are to be executed again;
    /// they make the same entries.
    ///
    /// # Errors
    /// When the state does not fit the group, the log is shorter than the state needs, either contradicts
    /// the checkpoint, or the store fails.
    pub fn restore<P, E>(group: Arc<Group>, persisted: Persisted<P, E>) -> Result<Self, LedgerError>
    where
        P: IntoIterator<Item = (Vec<u8>, Vec<u8>)>,
        E: IntoIterator<Item = Result<Entry, SourceError>>,
    {
        let state = StateMachine::restore(&group, persisted.pairs)?;
        let expected = state.log_size();
        let mut log = MerkleLog::new();
        let mut time = TimestampMs(0);
        for entry in persisted.entries.into_iter().take(usize::try_from(expected).unwrap_or(usize::MAX)) {
            let entry = entry.map_err(LedgerError::Source)?;
            let index = log.append(entry.leaf_hash());
            if entry.index.0 != index {
                return Err(LedgerError::RecordMissing(EntryIndex(index)));
            }
            time = entry.timestamp;
        }
        if log.size() < expected {
            return Err(LedgerError::LogTooShort { expected, found: log.size() });
        }
        let mut ledger = Self::new(group, state, log, persisted.sequence, time);
        if let Some(checkpoint) = persisted.checkpoint {
            ledger.check_against(&checkpoint)?;
        }
        ledger.publish();
        Ok(ledger)
    }

    fn check_against(&mut self, checkpoint: &Checkpoint) -> Result<(), LedgerError> {
        let StateSummary { log_root, state_root, .. } = self.summary();
        let roots =
            [("log root", checkpoint.log_root, log_root), ("state root", checkpoint.state_root, state_root)];
        for (what, expected, found) in roots {
            if expected != found && !faults::is_on(Fault::FetchedStateBelieved) {
                let sequence = checkpoint.sequence;
                return Err(LedgerError::CheckpointMismatch { what, sequence, expected, found });
            }
        }
        Ok(())
    }
}
