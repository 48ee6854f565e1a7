//! What the core writes to, without saying how.

use quorate_protocol::{Checkpoint, Epoch, Sequence};

use super::Outgoing;
use crate::error::NodeError;
use crate::store::Write;

/// The write-ahead log and the store behind a [`super::NodeCore`]: threads in a node, a simulated disk in a
/// simulation.
///
/// Both take what they are given in order and may do it later. Nothing leaves before the records that were
/// given with or before it are durable.
pub trait Storage {
    /// Makes `records` durable behind all earlier ones, and then lets `outgoing` leave.
    ///
    /// # Errors
    /// When the write-ahead log has failed: the node must stop.
    fn persist(&mut self, records: Vec<Vec<u8>>, outgoing: Vec<Outgoing>) -> Result<(), NodeError>;

    /// Lets `records` stand for all that was persisted before; see [`crate::wal::Wal::rotate`].
    ///
    /// # Errors
    /// As [`Self::persist`].
    fn rotate(&mut self, records: Vec<Vec<u8>>) -> Result<(), NodeError>;

    /// Writes to the store behind all earlier writes.
    ///
    /// # Errors
    /// When the store has failed: the node must stop.
    fn write(&mut self, write: Write) -> Result<(), NodeError>;

    /// How far the store is.
    ///
    /// # Errors
    /// When the store has failed: the node must stop.
    fn stored(&mut self) -> Result<Stored, NodeError>;

    /// The replica's key is about to speak in `epoch`, for the first time as far as this node knows. Whoever
    /// starts with that key again and without this node's memory must learn of it.
    ///
    /// # Errors
    /// When that cannot be made durable: the node must stop before it speaks.
    fn speaks_in(&mut self, epoch: Epoch) -> Result<(), NodeError>;

    /// The replica's key signs `checkpoint`, and from here on nothing that does not follow it. Durable when this
    /// returns, and whoever starts with that key again, with this node's memory or without, must learn of it.
    ///
    /// # Errors
    /// When that cannot be made durable: the node must stop before the signature leaves.
    fn signs(&mut self, checkpoint: &Checkpoint) -> Result<(), NodeError>;
}

/// How far a store is with what was written to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// The last sequence that is durable, with everything written before it; nothing while there is none.
    pub sequence: Option<Sequence>,
    /// How many steps of a fetch ([`Write::Fetch`]) have become durable so far.
    pub fetch_steps: u64,
}
