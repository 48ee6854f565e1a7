//! What replicas that are behind are answered with.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use quorate_pbft::message::{CatchUp, MAX_CATCH_UP, MAX_CATCH_UP_BYTES};
use quorate_pbft::{CommittedBatch, Message};
use quorate_protocol::Sequence;

use super::outbox::BatchesWanted;
use crate::error::NodeError;
use crate::frame::Frame;
use crate::store::Store;

/// Batches that the store may not have yet. The store's queue is shorter.
const MAX_RECENT: usize = 2_048;

/// Committed batches to hand on: recent ones from memory, the others from the store.
/// Clones share them.
#[derive(Clone, Debug)]
pub struct Supply {
    store: Store,
    recent: Arc<Mutex<VecDeque<CommittedBatch>>>,
}

impl Supply {
    /// Supplies from `store`, and from memory what it does not have yet.
    pub fn new(store: Store) -> Self {
        Self { store, recent: Arc::default() }
    }

    /// Forgets what is in memory: the order goes on elsewhere.
    pub(super) fn restart(&self) {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Notes a batch that was committed. In order.
    pub(super) fn push(&self, committed: CommittedBatch) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.len() == MAX_RECENT {
            recent.pop_front();
        }
        recent.push_back(committed);
    }

    /// The frame that answers a request for batches; nothing if there is none. Reads from disk, away from the
    /// core's thread.
    ///
    /// # Errors
    /// When the store fails.
    pub fn answer(&self, wanted: BatchesWanted) -> Result<Option<Frame>, NodeError> {
        let BatchesWanted { epoch, from, last } = wanted;
        let mut batches = self.recent_from(from);
        if batches.is_empty() {
            for (sequence, bytes) in self.store.batches(from, MAX_CATCH_UP, MAX_CATCH_UP_BYTES)? {
                let committed = CommittedBatch::decode(&bytes)
                    .map_err(|error| self.store.corrupt(format!("batch {sequence}: {error}")))?;
                batches.push(committed);
            }
        }
        // Each batch is proved by the replicas of its own epoch.
        batches.retain(|committed| last.is_none_or(|last| committed.sequence <= last));
        if batches.is_empty() {
            return Ok(None);
        }
        let message = Message::CatchUp(CatchUp { batches });
        Ok(Some(Frame::Consensus { epoch, message }))
    }

    fn recent_from(&self, from: Sequence) -> Vec<CommittedBatch> {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(first) = recent.front().map(|committed| committed.sequence) else { return Vec::new() };
        let Some(skip) = from.0.checked_sub(first.0) else { return Vec::new() };
        let mut bytes = 0;
        recent
            .iter()
            .skip(usize::try_from(skip).unwrap_or(usize::MAX))
            .take(MAX_CATCH_UP)
            .take_while(|committed| {
                let fits = bytes <= MAX_CATCH_UP_BYTES;
                bytes += committed.batch.payload_bytes();
                fits
            })
            .cloned()
            .collect()
    }
}
