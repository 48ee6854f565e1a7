//! States of checkpoints, between being taken and being stable.
//!
//! The store's state is that of a stable checkpoint, which others can be given: it has a quorum's signatures. Were it
//! that of the last one taken, a group that needs a joiner for its quorum could have lost the only state that the
//! joiner can believe.

use std::collections::BTreeMap;

use quorate_pbft::event::StateSummary;
use quorate_protocol::Sequence;

use super::{NodeCore, Storage};
use crate::error::NodeError;
use crate::store::Write;

/// New values by key; nothing where a key is gone.
pub(super) type StateChanges = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// A checkpoint's state, as changes to the one before.
#[derive(Clone, Debug)]
pub struct TakenState {
    /// The checkpoint's sequence.
    pub(super) sequence: Sequence,
    /// What the checkpoint says of it.
    pub(super) summary: StateSummary,
    /// What changed since the state of the checkpoint before.
    pub(super) changes: StateChanges,
}

impl<S: Storage> NodeCore<S> {
    /// Writes the last of the taken states that a stable checkpoint covers. One that contradicts the quorum's is not
    /// written, nor is anything after it.
    pub(super) fn settle_states(&mut self) -> Result<(), NodeError> {
        let Some(stable) = self.stable.borrow().as_ref().map(|stable| stable.checkpoint.clone()) else {
            return Ok(());
        };
        let covered = self.taken.partition_point(|taken| taken.sequence <= stable.sequence);
        let Some(last) = covered.checked_sub(1).map(|last| &self.taken[last]) else { return Ok(()) };
        let sequence = last.sequence;
        if sequence == stable.sequence && last.summary.state_root != stable.state_root {
            self.diverge(sequence);
        }
        let mut changes = BTreeMap::new();
        for taken in self.taken.drain(..covered) {
            changes.extend(taken.changes);
        }
        if self.write_ledger().divergence().is_some() {
            self.taken.clear();
            return Ok(());
        }
        self.storage.write(Write::State { sequence, changes: changes.into_iter().collect() })
    }

    /// Tells the replica how far the store is, where it waits for that to sign a checkpoint.
    pub(super) fn note_durable(&mut self, now: quorate_pbft::Now) -> Result<(), NodeError> {
        let Some(wanted) = self.replica().and_then(quorate_pbft::Replica::awaits_storage) else {
            return Ok(());
        };
        match self.storage.stored()?.sequence.filter(|stored| *stored >= wanted) {
            Some(stored) => self.step(now, quorate_pbft::Event::Stored(stored)),
            None => Ok(()),
        }
    }
}
