//! Answering replicas that are behind, away from the core's thread.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use quorate_protocol::{AgentId, Digest};

use crate::core::{BatchesWanted, Supply};
use crate::frame::Frame;
use crate::ledger::Ledger;
use crate::transfer::{LogProofs, Server, TransferMessage};

/// How often snapshots that nobody asks about any more are let go.
const TIDY: Duration = Duration::from_secs(5);

/// What a replica asked for last, of each kind.
#[derive(Clone, Debug, Default)]
pub(super) struct Request {
    batches: Option<BatchesWanted>,
    state: Option<TransferMessage>,
    log: Option<TransferMessage>,
}

/// What waits to be answered, by who asked.
pub(super) type Waiting = Arc<Mutex<BTreeMap<AgentId, Request>>>;

/// Requests that wait to be answered: the latest of each replica and kind, so that one that asks all the time
/// takes nobody else's turn.
#[derive(Clone, Debug)]
pub(super) struct Requests {
    waiting: Waiting,
    wake: SyncSender<()>,
}

impl Requests {
    /// What waits, for whoever answers. It does not keep the requests alive.
    pub(super) fn waiting(&self) -> Waiting {
        Arc::clone(&self.waiting)
    }

    /// The requests, and what wakes whoever answers them. It ends with the last clone of the requests.
    pub(super) fn new() -> (Self, Receiver<()>) {
        let (wake, woken) = sync_channel(1);
        (Self { waiting: Arc::default(), wake }, woken)
    }

    /// Notes which batches `to` lacks.
    pub(super) fn add(&self, to: AgentId, wanted: BatchesWanted) {
        self.note(to, |request| request.batches = Some(wanted));
    }

    /// Notes which part of the state or the log `to` wants.
    pub(super) fn add_transfer(&self, to: AgentId, wanted: TransferMessage) {
        self.note(to, |request| match wanted {
            TransferMessage::LogWanted(_) => request.log = Some(wanted),
            _ => request.state = Some(wanted),
        });
    }

    fn note(&self, to: AgentId, change: impl FnOnce(&mut Request)) {
        change(self.waiting.lock().unwrap_or_else(PoisonError::into_inner).entry(to).or_default());
        // If it is full, somebody is on the way.
        let _ = self.wake.try_send(());
    }
}

/// The live log, read under the ledger's lock.
struct LiveLog<'a>(&'a RwLock<Ledger>);

impl LogProofs for LiveLog<'_> {
    fn consistency(&self, old: u64, new: u64) -> Option<Vec<Digest>> {
        self.0.read().expect(crate::core::NOT_POISONED).consistency_proof(old, new).ok()
    }
}

/// Answers requests, each replica's in turn, until there are no more askers.
pub(super) fn serve(
    supply: &Supply,
    server: &mut Server,
    ledger: &RwLock<Ledger>,
    waiting: &Waiting,
    woken: &Receiver<()>,
    send: impl Fn(AgentId, Arc<[u8]>),
) {
    let started = Instant::now();
    let elapsed_ms = || u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    loop {
        match woken.recv_timeout(TIDY) {
            Ok(()) => {}
            Err(RecvTimeoutError::Timeout) => {
                server.tick(elapsed_ms());
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
        let round = std::mem::take(&mut *waiting.lock().unwrap_or_else(PoisonError::into_inner));
        for (to, request) in round {
            if let Some(wanted) = request.batches {
                match supply.answer(wanted) {
                    Ok(Some(frame)) => send(to, frame.encode().into()),
                    Ok(None) => {}
                    Err(error) => tracing::error!(%error, from = %wanted.from, "batches cannot be read"),
                }
            }
            for wanted in request.state.into_iter().chain(request.log) {
                match server.answer(elapsed_ms(), &wanted, &LiveLog(ledger)) {
                    Ok(Some(answer)) => send(to, Frame::Transfer(answer).encode().into()),
                    Ok(None) => {}
                    Err(error) => tracing::error!(%error, "the state cannot be read for another node"),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use quorate_protocol::{Epoch, Sequence};

    use super::*;

    #[test]
    fn who_asks_all_the_time_takes_nobodys_turn() {
        let (requests, woken) = Requests::new();
        let wanted = |from| BatchesWanted { epoch: Epoch(0), from: Sequence(from), last: None };
        let (one, other) = (AgentId::from([1; 20]), AgentId::from([2; 20]));
        for from in 0..1_000 {
            requests.add(one, wanted(from));
        }
        requests.add(other, wanted(7));
        let waiting = requests.waiting();
        let waiting = waiting.lock().unwrap();
        let asked: Vec<_> = waiting.iter().map(|(to, request)| (*to, request.batches)).collect();
        assert_eq!(asked, [(one, Some(wanted(999))), (other, Some(wanted(7)))]);
        assert_eq!(woken.try_iter().count(), 1, "one waking is enough");
    }
}
