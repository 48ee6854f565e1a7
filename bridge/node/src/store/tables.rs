//! The tables and their keys.

use minicbor::{Decode, Encode};
use quorate_protocol::codec;
use quorate_protocol::{AgentId, GroupIdentity};
use redb::{TableDefinition, WriteTransaction};

/// Committed batches by sequence.
pub(super) const BATCHES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("batches");
/// Encoded [`quorate_protocol::EntryRecord`]s by index.
pub(super) const ENTRIES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("entries");
/// The entry of a command, by the command's digest.
pub(super) const COMMANDS: TableDefinition<'_, &[u8; 32], u64> = TableDefinition::new("commands");
/// The services' state as of the sequence under [`STATE_SEQUENCE`].
pub(super) const STATE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("state");
/// Anchors by the size of the anchored log.
pub(super) const ANCHORS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("anchors");
/// Evidence of contradicting messages, by its SHA-256.
pub(super) const EVIDENCE: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new("evidence");
/// Single values, by the names below.
pub(super) const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("quorate");

/// [`META`]: the encoded [`Owner`].
pub(super) const OWNER: &str = "owner";
/// [`META`]: the encoded [`quorate_protocol::Group`] of the current epoch.
pub(super) const GROUP: &str = "group";
/// [`META`]: the encoded [`quorate_protocol::Sequence`] that [`STATE`] is as of.
pub(super) const STATE_SEQUENCE: &str = "state sequence";
/// [`META`]: the encoded [`quorate_protocol::CheckpointCertificate`] of the last stable checkpoint.
pub(super) const STABLE: &str = "stable checkpoint";

/// Whose store it is, and in what format. Written once.
#[derive(Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(super) struct Owner {
    /// [`super::FORMAT`] when it was created. Stays the first field in every format.
    #[n(0)]
    pub(super) format: u64,
    #[n(1)]
    pub(super) identity: GroupIdentity,
    #[n(2)]
    pub(super) agent: AgentId,
}

/// Creates all tables, so that readers never meet a missing one.
pub(super) fn create(write: &WriteTransaction, owner: &Owner) -> Result<(), redb::Error> {
    write.open_table(BATCHES)?;
    write.open_table(ENTRIES)?;
    write.open_table(COMMANDS)?;
    write.open_table(STATE)?;
    write.open_table(ANCHORS)?;
    write.open_table(EVIDENCE)?;
    write.open_table(META)?.insert(OWNER, codec::encode(owner).as_slice())?;
    Ok(())
}
