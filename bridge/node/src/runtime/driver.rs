//! The thread that drives the core: the only one that changes the consensus core and the ledger.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use quorate_pbft::Now;
use quorate_protocol::{Checkpoint, Epoch, TimestampMs};
use tokio::sync::watch;

use super::marker::SpokenMarker;
use crate::core::{CoreEvent, MAX_ROUND, NodeCore, Outgoing, Storage, Stored};
use crate::error::NodeError;
use crate::store::{StoreStatus, StoreWriter, Write};
use crate::wal::WalWriter;

/// The loop wakes at least this often, in milliseconds.
const MAX_SLEEP_MS: u64 = 1_000;

/// The monotonic clock of a process, beside the wall clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock(Instant);

impl Clock {
    pub(super) fn start() -> Self {
        Self(Instant::now())
    }

    pub(super) fn now(&self) -> Now {
        let elapsed_ms = u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX);
        Now { elapsed_ms, wall: wall_clock() }
    }
}

/// The wall clock. A clock before 1970 reads as 1970, which every peer refuses as drift.
pub(super) fn wall_clock() -> TimestampMs {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    TimestampMs(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}

/// What one round of the core wants sent.
#[derive(Debug, Default)]
pub(super) struct Parcel {
    pub(super) outgoing: Vec<Outgoing>,
    /// When the round's records were handed over to be made durable; nothing when it has none.
    pub(super) durable_since: Option<Instant>,
}

/// The threads that write to disk.
pub(super) struct DiskThreads {
    wal: WalWriter<Parcel>,
    store: StoreWriter,
    store_status: watch::Receiver<StoreStatus>,
    marker: Option<SpokenMarker>,
}

impl DiskThreads {
    pub(super) fn new(wal: WalWriter<Parcel>, store: StoreWriter, marker: Option<SpokenMarker>) -> Self {
        Self { wal, store_status: store.status(), store, marker }
    }
}

impl Storage for DiskThreads {
    fn persist(&mut self, records: Vec<Vec<u8>>, outgoing: Vec<Outgoing>) -> Result<(), NodeError> {
        let durable_since = (!records.is_empty()).then(Instant::now);
        self.wal.persist(records, Parcel { outgoing, durable_since })
    }

    fn rotate(&mut self, records: Vec<Vec<u8>>) -> Result<(), NodeError> {
        self.wal.rotate(records, Parcel::default())
    }

    fn write(&mut self, write: Write) -> Result<(), NodeError> {
        self.store.write(write)
    }

    fn stored(&mut self) -> Result<Stored, NodeError> {
        let status = self.store_status.borrow_and_update();
        if let Some(failure) = &status.failure {
            tracing::error!(error = %failure, "the store failed");
            return Err(NodeError::StorageStopped { what: "the store" });
        }
        Ok(Stored { sequence: status.durable, fetch_steps: status.fetch_steps })
    }

    fn speaks_in(&mut self, epoch: Epoch) -> Result<(), NodeError> {
        self.marker.as_ref().map_or(Ok(()), |marker| marker.speaks_in(epoch))
    }

    // Rare enough for the core's thread, and so nothing can leave before it.
    fn signs(&mut self, checkpoint: &Checkpoint) -> Result<(), NodeError> {
        self.marker.as_ref().map_or(Ok(()), |marker| marker.signs(checkpoint))
    }
}

/// Runs the core until it is told to stop.
///
/// # Errors
/// When the storage fails: the node must stop before it promises anything more.
pub(super) fn run<S: Storage>(
    mut core: NodeCore<S>,
    clock: Clock,
    events: &Receiver<CoreEvent>,
) -> Result<(), NodeError> {
    core.begin(clock.now())?;
    loop {
        let now = clock.now();
        let deadline = core.next_deadline_ms(now).saturating_sub(now.elapsed_ms);
        let first = match events.recv_timeout(Duration::from_millis(deadline.min(MAX_SLEEP_MS))) {
            Ok(event) => Some(event),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        };
        let waiting = first.into_iter().chain(events.try_iter()).take(MAX_ROUND);
        if !core.take_round(clock.now(), waiting)? {
            return Ok(());
        }
    }
}
