//! The state of one moment, for as long as somebody needs it.

use std::ops::RangeInclusive;

use quorate_protocol::{CheckpointCertificate, EntryIndex, EntryRecord, Sequence};
use quorate_services::{BucketRange, STATE_BUCKETS, StateTree};
use redb::{ReadTransaction, ReadableDatabase as _};

use super::{StatePair, Store, tables};
use crate::error::NodeError;

/// The store as it was when the snapshot was taken, whatever is written meanwhile.
///
/// The database does not reuse what it frees while a snapshot is held, so nobody may hold one for ever.
pub struct StateSnapshot {
    store: Store,
    read: ReadTransaction,
    sequence: Sequence,
    certificate: Option<CheckpointCertificate>,
}

/// What bounds a chunk of the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkBounds {
    /// The most pairs.
    pub pairs: usize,
    /// The most bytes of keys and values together, unless the first bucket alone has more.
    pub bytes: usize,
    /// The most bytes of a bucket. One with more is not read further, so that it cannot fill the memory.
    pub bucket_bytes: usize,
}

impl std::fmt::Debug for StateSnapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StateSnapshot").field("sequence", &self.sequence).finish_non_exhaustive()
    }
}

impl Store {
    /// Takes a snapshot; nothing before the first state is stored.
    ///
    /// # Errors
    /// [`NodeError::Storage`] or [`NodeError::DataCorrupt`].
    pub fn snapshot(&self) -> Result<Option<StateSnapshot>, NodeError> {
        let read = self.inner.database.begin_read().map_err(|error| self.failed("read", error))?;
        let Some(sequence) = self.meta_in::<Sequence>(&read, tables::STATE_SEQUENCE)? else {
            return Ok(None);
        };
        let certificate = self
            .meta_in::<CheckpointCertificate>(&read, tables::STABLE)?
            .filter(|certificate| certificate.checkpoint.sequence == sequence);
        Ok(Some(StateSnapshot { store: self.clone(), read, sequence, certificate }))
    }

    /// Consecutive entries from `from` on and below `end`: at most `count`, and no more once their bytes reach
    /// `max_bytes`.
    ///
    /// # Errors
    /// [`NodeError::Storage`] or [`NodeError::DataCorrupt`].
    pub fn log_chunk(
        &self,
        from: EntryIndex,
        end: u64,
        count: usize,
        max_bytes: usize,
    ) -> Result<Vec<EntryRecord>, NodeError> {
        let read = self.inner.database.begin_read().map_err(|error| self.failed("read", error))?;
        let table = read.open_table(tables::ENTRIES).map_err(|error| self.failed("read", error))?;
        let mut records = Vec::new();
        let mut bytes = 0;
        for item in table.range(from.0..end).map_err(|error| self.failed("read", error))?.take(count) {
            let (index, record) = item.map_err(|error| self.failed("read", error))?;
            records.push(self.record(index.value(), record.value())?);
            bytes += record.value().len();
            if bytes >= max_bytes {
                break;
            }
        }
        Ok(records)
    }
}

impl StateSnapshot {
    /// The sequence that the state is as of.
    pub fn sequence(&self) -> Sequence {
        self.sequence
    }

    /// The certificate of the checkpoint at exactly this sequence, if it was stable by then.
    pub fn certificate(&self) -> Option<&CheckpointCertificate> {
        self.certificate.as_ref()
    }

    /// The tree over the state. Reads all of it.
    ///
    /// # Errors
    /// [`NodeError::Storage`] or [`NodeError::DataCorrupt`].
    pub fn tree(&self) -> Result<StateTree, NodeError> {
        let all = BucketRange::ALL;
        StateTree::try_of(self.pairs_from(all.first())?)
    }

    /// The pairs of as many buckets from `first` on as one node of the tree stands over and `bounds` allow, but
    /// at least one bucket, in ascending order of their keys' hashes. Nothing if `first` is no bucket, or one
    /// beyond the bounds.
    ///
    /// # Errors
    /// [`NodeError::Storage`] or [`NodeError::DataCorrupt`].
    pub fn chunk(
        &self,
        first: u32,
        bounds: ChunkBounds,
    ) -> Result<Option<(BucketRange, Vec<StatePair>)>, NodeError> {
        let Some(most) = BucketRange::largest(first, STATE_BUCKETS) else { return Ok(None) };
        let mut pairs = Vec::new();
        let mut bytes = 0;
        // All buckets below are complete in `pairs`.
        let mut complete = most.end();
        for item in self.hashed_pairs_from(first)? {
            let (bucket, pair) = item?;
            let size = pair.0.len() + pair.1.len();
            if bucket >= most.end() {
                break;
            }
            let max_bytes = if bucket > first { bounds.bytes } else { bounds.bucket_bytes };
            if pairs.len() >= bounds.pairs || bytes + size > max_bytes {
                complete = bucket;
                break;
            }
            bytes += size;
            pairs.push((bucket, pair));
        }
        let Some(range) = BucketRange::largest(first, complete - first) else { return Ok(None) };
        pairs.truncate(pairs.partition_point(|(bucket, _)| *bucket < range.end()));
        Ok(Some((range, pairs.into_iter().map(|(_, pair)| pair).collect())))
    }

    fn pairs_from(
        &self,
        first: u32,
    ) -> Result<impl Iterator<Item = Result<StatePair, NodeError>> + '_, NodeError> {
        Ok(self.hashed_pairs_from(first)?.map(|item| item.map(|(_, pair)| pair)))
    }

    /// The pairs from bucket `first` on with their buckets.
    fn hashed_pairs_from(
        &self,
        first: u32,
    ) -> Result<impl Iterator<Item = Result<(u32, StatePair), NodeError>> + '_, NodeError> {
        let table = self.read.open_table(tables::STATE).map_err(|error| self.store.failed("read", error))?;
        let from: RangeInclusive<[u8; 32]> = tables::bucket_key(first)..=[0xff; 32];
        let range = table
            .range::<&[u8; 32]>(from.start()..=from.end())
            .map_err(|error| self.store.failed("read", error))?;
        Ok(range.map(|item| {
            let (key, value) = item.map_err(|error| self.store.failed("read", error))?;
            let [high, low, ..] = *key.value();
            Ok((u32::from(u16::from_be_bytes([high, low])), self.store.pair(value.value())?))
        }))
    }
}
