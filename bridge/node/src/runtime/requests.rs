//! Answering replicas that are behind, away from the core's thread.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use quorate_protocol::{ReplicaIndex, Sequence};

use crate::core::Supply;

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

/// Answers requests, each replica's in turn, until there are no more askers.
pub(super) fn serve(
    supply: &Supply,
    waiting: &Mutex<BTreeMap<ReplicaIndex, Sequence>>,
    woken: &Receiver<()>,
    send: impl Fn(ReplicaIndex, Arc<[u8]>),
) {
    while woken.recv().is_ok() {
        let round = std::mem::take(&mut *waiting.lock().unwrap_or_else(PoisonError::into_inner));
        for (to, from) in round {
            match supply.answer(from) {
                Ok(Some(frame)) => send(to, frame.encode().into()),
                Ok(None) => {}
                Err(error) => tracing::error!(%error, %from, "committed batches cannot be read"),
            }
        }
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
