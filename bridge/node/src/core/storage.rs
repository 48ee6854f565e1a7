//! What the core writes to, without saying how.

use quorate_protocol::Sequence;

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

    /// The last sequence that the store has made durable, with everything written before it; nothing while
    /// it has none.
    ///
    /// # Errors
    /// When the store has failed: the node must stop.
    fn stored(&mut self) -> Result<Option<Sequence>, NodeError>;
}
