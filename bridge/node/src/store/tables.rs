//! The tables and their keys.

use minicbor::bytes::ByteSlice;
use minicbor::{Decode, Encode};
use quorate_protocol::{AgentId, Digest, GroupIdentity, codec};
use redb::{TableDefinition, WriteTransaction};

/// Committed batches by sequence.
pub(super) const BATCHES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("batches");
/// Encoded [`quorate_protocol::EntryRecord`]s by index.
pub(super) const ENTRIES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("entries");
/// The entry of a command, by the command's digest.
pub(super) const COMMANDS: TableDefinition<'_, &[u8; 32], u64> = TableDefinition::new("commands");
/// The services' state as of the sequence under [`STATE_SEQUENCE`]: [`state_value`] by [`state_key`], so that
/// neighbouring buckets of the state's tree are neighbours on disk.
pub(super) const STATE: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new("state");
/// What a fetch has of [`STATE`].
pub(super) const FETCHED_STATE: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new("fetched state");
/// What a fetch has of [`ENTRIES`].
pub(super) const FETCHED_ENTRIES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("fetched entries");
/// What a fetch has of [`COMMANDS`].
pub(super) const FETCHED_COMMANDS: TableDefinition<'_, &[u8; 32], u64> =
    TableDefinition::new("fetched commands");
/// Anchors that the chain had, by the size of the anchored log. The largest is the newest.
pub(super) const ANCHORS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("anchors");
/// Evidence of contradicting votes, by its SHA-256.
pub(super) const VOTE_EVIDENCE: TableDefinition<'_, &[u8; 32], &[u8]> =
    TableDefinition::new("evidence of votes");
/// Evidence of contradicting checkpoints, by its SHA-256.
pub(super) const CHECKPOINT_EVIDENCE: TableDefinition<'_, &[u8; 32], &[u8]> =
    TableDefinition::new("evidence of checkpoints");
/// Encoded [`quorate_protocol::Handover`]s, by the epoch that ended.
pub(super) const HANDOVERS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("handovers");
/// Single values, by the names below.
pub(super) const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("quorate");

/// [`META`]: the encoded [`Owner`].
pub(super) const OWNER: &str = "owner";
/// [`META`]: the encoded [`quorate_protocol::Group`] of the current epoch.
pub(super) const GROUP: &str = "group";
/// [`META`]: the last encoded [`quorate_protocol::Epoch`] in which this replica may have spoken without
/// remembering it.
pub(super) const SILENT: &str = "silent until epoch";
/// [`META`]: the encoded [`quorate_protocol::Sequence`] that [`STATE`] is as of.
pub(super) const STATE_SEQUENCE: &str = "state sequence";
/// [`META`]: the encoded [`quorate_protocol::CheckpointCertificate`] of the last stable checkpoint.
pub(super) const STABLE: &str = "stable checkpoint";
/// [`META`]: the encoded [`crate::era::EraStart`] of the era that the node is in, other than the first.
pub(super) const ERA: &str = "era";
/// [`META`]: the encoded [`crate::ledger::EndedEpoch`]s that ended where the current epoch began.
pub(super) const ENDED: &str = "ended epochs";
/// [`META`]: the encoded [`super::FetchProgress`] of the fetch in progress.
pub(super) const FETCH: &str = "fetch";

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
    write.open_table(FETCHED_STATE)?;
    write.open_table(FETCHED_ENTRIES)?;
    write.open_table(FETCHED_COMMANDS)?;
    write.open_table(ANCHORS)?;
    write.open_table(VOTE_EVIDENCE)?;
    write.open_table(CHECKPOINT_EVIDENCE)?;
    write.open_table(HANDOVERS)?;
    write.open_table(META)?.insert(OWNER, codec::encode(owner).as_slice())?;
    Ok(())
}

/// Where the pair of `key` stands in [`STATE`]: the key's SHA-256, whose first 16 bits are its bucket.
pub(super) fn state_key(key: &[u8]) -> [u8; 32] {
    *Digest::of(&[key]).as_bytes()
}

/// The least [`state_key`] of a bucket.
pub(super) fn bucket_key(bucket: u32) -> [u8; 32] {
    let mut key = [0; 32];
    key[..2].copy_from_slice(&u16::try_from(bucket).unwrap_or(u16::MAX).to_be_bytes());
    key
}

/// A pair as it is stored: its key is not to be had from the hash.
pub(super) fn state_value(key: &[u8], value: &[u8]) -> Vec<u8> {
    let pair: (&ByteSlice, &ByteSlice) = (key.into(), value.into());
    codec::encode(&pair)
}
