//! What a core writes to: queues that the world empties in its own time, onto the simulated disk.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quorate_node::NodeError;
use quorate_node::core::{Outgoing, Storage, Stored};
use quorate_node::store::Write;
use quorate_protocol::{Checkpoint, Epoch};

/// What the core gave to its write-ahead log, in order.
#[derive(Debug)]
pub enum LogJob {
    /// Records to be made durable, and what may leave then.
    Persist(Vec<Vec<u8>>, Vec<Outgoing>),
    /// Records that stand for all before.
    Rotate(Vec<Vec<u8>>),
}

/// The file beside a keystore: the last epoch in which the key spoke, and the last checkpoint that it signed. It
/// outlives the data directory, and is replaced as a whole before the core goes on.
#[derive(Clone, Debug, Default)]
pub struct Marker(Arc<Mutex<(Option<Epoch>, Option<Checkpoint>)>>);

impl Marker {
    /// What it says.
    pub fn read(&self) -> (Option<Epoch>, Option<Checkpoint>) {
        self.content().clone()
    }

    fn content(&self) -> MutexGuard<'_, (Option<Epoch>, Option<Checkpoint>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new key has said nothing.
    pub fn clear(&self) {
        *self.content() = (None, None);
    }
}

/// The queues.
#[derive(Debug, Default)]
pub struct SimStorage {
    /// What waits for the write-ahead log.
    pub log: VecDeque<LogJob>,
    /// What waits for the store.
    pub writes: VecDeque<Write>,
    /// What was given to the store since the world looked last, for the checkers.
    pub seen: Vec<Write>,
    /// How far the store is.
    pub stored: Stored,
    /// Whether a part of the disk has failed.
    pub failed: bool,
    /// The marker of the replica's key.
    pub marker: Marker,
}

impl SimStorage {
    fn check(&self) -> Result<(), NodeError> {
        if self.failed { Err(NodeError::StorageStopped { what: "the simulated disk" }) } else { Ok(()) }
    }
}

impl Storage for SimStorage {
    fn persist(&mut self, records: Vec<Vec<u8>>, outgoing: Vec<Outgoing>) -> Result<(), NodeError> {
        self.check()?;
        self.log.push_back(LogJob::Persist(records, outgoing));
        Ok(())
    }

    fn rotate(&mut self, records: Vec<Vec<u8>>) -> Result<(), NodeError> {
        self.check()?;
        self.log.push_back(LogJob::Rotate(records));
        Ok(())
    }

    fn write(&mut self, write: Write) -> Result<(), NodeError> {
        self.check()?;
        self.seen.push(write.clone());
        self.writes.push_back(write);
        Ok(())
    }

    fn stored(&mut self) -> Result<Stored, NodeError> {
        self.check()?;
        Ok(self.stored)
    }

    fn speaks_in(&mut self, epoch: Epoch) -> Result<(), NodeError> {
        let mut said = self.marker.content();
        said.0 = said.0.max(Some(epoch));
        Ok(())
    }

    fn signs(&mut self, checkpoint: &Checkpoint) -> Result<(), NodeError> {
        self.check()?;
        self.marker.content().1 = Some(checkpoint.clone());
        Ok(())
    }
}
