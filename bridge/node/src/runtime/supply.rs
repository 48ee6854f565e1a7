//! Answering replicas that are behind, away from the core's thread.

use std::collections::{BTreeMap, VecDeque};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use quorate_pbft::message::{CatchUp, MAX_CATCH_UP, MAX_CATCH_UP_BYTES};
use quorate_pbft::{CommittedBatch, Message};
use quorate_protocol::{ReplicaIndex, Sequence};

use crate::error::NodeError;
use crate::frame::Frame;
use crate::store::Store;

/// Batches that the store may not have yet. The store's queue is shorter.
const MAX_RECENT: usize = 2_048;

/// Requests that wait to be answered: the latest of each replica, so that one that asks all the time takes
/// nobody else's turn.
#[derive(Clone, Debug)]
pub(super) struct Requests {
    waiting: Arc<Mutex<BTreeMap<ReplicaIndex, Sequence>>>,
    wake: SyncSender<()>,
}

impl Requests {
    /// The map of what waits, for whoever answers. It does not keep the requests alive.
    pub(super) fn waiting(&self) -> Arc<Mutex<BTreeMap<ReplicaIndex, Sequence>>> {
        Arc::clone(&self.waiting)
    }

    /// The requests, and what wakes whoever answers them. It ends with the last clone of the requests.
    pub(super) fn new() -> (Self, Receiver<()>) {
        let (wake, woken) = sync_channel(1);
        (Self { waiting: Arc::default(), wake }, woken)
    }

    /// Notes that `to` lacks the batches from `from` on.
    pub(super) fn add(&self, to: ReplicaIndex, from: Sequence) {
        self.lock().insert(to, from);
        // If it is full, somebody is on the way.
        let _ = self.wake.try_send(());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<ReplicaIndex, Sequence>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Committed batches to hand on: recent ones from memory, the others from the store.
#[derive(Clone, Debug)]
pub(super) struct Supply {
    store: Store,
    recent: Arc<Mutex<VecDeque<CommittedBatch>>>,
}

impl Supply {
    pub(super) fn new(store: Store) -> Self {
        Self { store, recent: Arc::default() }
    }

    /// Notes a batch that was committed. In order.
    pub(super) fn push(&self, committed: CommittedBatch) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.len() == MAX_RECENT {
            recent.pop_front();
        }
        recent.push_back(committed);
    }

    /// Answers requests, each replica's in turn, until there are no more askers.
    pub(super) fn serve(
        &self,
        waiting: &Mutex<BTreeMap<ReplicaIndex, Sequence>>,
        woken: &Receiver<()>,
        send: impl Fn(ReplicaIndex, Arc<[u8]>),
    ) {
        while woken.recv().is_ok() {
            let round = std::mem::take(&mut *waiting.lock().unwrap_or_else(PoisonError::into_inner));
            for (to, from) in round {
                match self.answer(from) {
                    Ok(Some(frame)) => send(to, frame.encode().into()),
                    Ok(None) => {}
                    Err(error) => tracing::error!(%error, %from, "committed batches cannot be read"),
                }
            }
        }
    }

    /// The frame that answers a request for batches from `from` on; nothing if there is none. Reads from
    /// disk.
    ///
    /// # Errors
    /// When the store fails.
    fn answer(&self, from: Sequence) -> Result<Option<Frame>, NodeError> {
        let mut batches = self.recent_from(from);
        if batches.is_empty() {
            for (sequence, bytes) in self.store.batches(from, MAX_CATCH_UP, MAX_CATCH_UP_BYTES)? {
                let committed = CommittedBatch::decode(&bytes)
                    .map_err(|error| self.store.corrupt(format!("batch {sequence}: {error}")))?;
                batches.push(committed);
            }
        }
        Ok((!batches.is_empty()).then_some(Frame::Consensus(Message::CatchUp(CatchUp { batches }))))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_all_the_time_takes_nobodys_turn() {
        let (requests, woken) = Requests::new();
        for from in 0..1_000 {
            requests.add(ReplicaIndex(1), Sequence(from));
        }
        requests.add(ReplicaIndex(2), Sequence(7));
        let expected = [(ReplicaIndex(1), Sequence(999)), (ReplicaIndex(2), Sequence(7))];
        assert_eq!(requests.lock().iter().map(|(to, from)| (*to, *from)).collect::<Vec<_>>(), expected);
        assert_eq!(woken.try_iter().count(), 1, "one waking is enough");
    }
}
