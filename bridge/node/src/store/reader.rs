//! Reading: every call takes a snapshot of its own.

use std::ops::RangeInclusive;

use minicbor::{Decode, Encode};
use quorate_protocol::entry::MAX_ENTRY_RECORD_BYTES;
use quorate_protocol::{CheckpointCertificate, Digest, EntryIndex, EntryRecord, Group, Sequence, codec};
use redb::{
    Key, ReadOnlyTable, ReadableDatabase as _, ReadableTable as _, TableDefinition, TableError, Value,
};

use super::Store;
use super::tables::{self, Owner};
use crate::error::NodeError;

/// The most bytes of a single value of the store's own.
const MAX_META_BYTES: usize = 1024 * 1024;

/// A key and its value in the services' state.
pub type StatePair = (Vec<u8>, Vec<u8>);

impl Store {
    /// The last sequence whose batch is stored: 0 when there is the genesis only, nothing in a new store.
    ///
    /// # Errors
    /// As all reads: [`NodeError::Storage`] or [`NodeError::DataCorrupt`].
    pub fn last_sequence(&self) -> Result<Option<Sequence>, NodeError> {
        let last = self.last_key(tables::BATCHES)?.map(Sequence);
        if last.is_some() || self.log_size()? == 0 { Ok(last) } else { Ok(Some(Sequence(0))) }
    }

    /// How many entries are stored.
    pub fn log_size(&self) -> Result<u64, NodeError> {
        Ok(self.last_key(tables::ENTRIES)?.map_or(0, |last| last + 1))
    }

    /// The committed batch of `sequence`, as it was given.
    pub fn batch(&self, sequence: Sequence) -> Result<Option<Vec<u8>>, NodeError> {
        Ok(self.batches(sequence, 1, usize::MAX)?.pop().map(|(_, batch)| batch))
    }

    /// Consecutive committed batches from `from` on: at most `count`, and no more after their bytes reach
    /// `max_bytes`. Empty when `from` is not stored.
    pub fn batches(
        &self,
        from: Sequence,
        count: usize,
        max_bytes: usize,
    ) -> Result<Vec<(Sequence, Vec<u8>)>, NodeError> {
        let mut found = Vec::new();
        let mut bytes = 0;
        let table = self.table(tables::BATCHES)?;
        let range = table.range(bounded(from.0, count)).map_err(|error| self.failed("read", error))?;
        for item in range.take(count) {
            let (sequence, batch) = item.map_err(|error| self.failed("read", error))?;
            bytes += batch.value().len();
            found.push((Sequence(sequence.value()), batch.value().to_vec()));
            if bytes >= max_bytes {
                break;
            }
        }
        // Without `from` itself, the others do not continue what the caller has.
        if found.first().is_some_and(|(first, _)| *first != from) {
            found.clear();
        }
        Ok(found)
    }

    /// The entry at `index`.
    pub fn entry(&self, index: EntryIndex) -> Result<Option<EntryRecord>, NodeError> {
        Ok(self.entries(index, 1)?.pop())
    }

    /// At most `count` entries from `from` on.
    pub fn entries(&self, from: EntryIndex, count: usize) -> Result<Vec<EntryRecord>, NodeError> {
        let table = self.table(tables::ENTRIES)?;
        let range = table.range(bounded(from.0, count)).map_err(|error| self.failed("read", error))?;
        range
            .take(count)
            .map(|item| {
                let (index, record) = item.map_err(|error| self.failed("read", error))?;
                let record: EntryRecord = self.decode("an entry", record.value(), MAX_ENTRY_RECORD_BYTES)?;
                if record.entry.index.0 == index.value() {
                    Ok(record)
                } else {
                    Err(self.corrupt(format!("entry {} stands at {}", record.entry.index, index.value())))
                }
            })
            .collect()
    }

    /// The entry that the command with this digest made.
    pub fn entry_of_command(&self, command: &Digest) -> Result<Option<EntryIndex>, NodeError> {
        Ok(self.value(tables::COMMANDS, command.as_bytes())?.map(EntryIndex))
    }

    /// The services' state with the sequence that it is as of; nothing before the first checkpoint.
    pub fn state(&self) -> Result<Option<(Sequence, Vec<StatePair>)>, NodeError> {
        let read = self.inner.database.begin_read().map_err(|error| self.failed("read", error))?;
        // Both tables are read in one snapshot, or pairs of one checkpoint could meet another's sequence.
        let meta = read.open_table(tables::META).map_err(|error| self.failed("read", error))?;
        let sequence = meta.get(tables::STATE_SEQUENCE).map_err(|error| self.failed("read", error))?;
        let Some(sequence) = sequence else { return Ok(None) };
        let sequence = self.decode("the state's sequence", sequence.value(), MAX_META_BYTES)?;
        let table = read.open_table(tables::STATE).map_err(|error| self.failed("read", error))?;
        let mut pairs = Vec::new();
        for item in table.iter().map_err(|error| self.failed("read", error))? {
            let (key, value) = item.map_err(|error| self.failed("read", error))?;
            pairs.push((key.value().to_vec(), value.value().to_vec()));
        }
        Ok(Some((sequence, pairs)))
    }

    /// The group as of the last epoch that was stored.
    pub fn group(&self) -> Result<Option<Group>, NodeError> {
        self.meta(tables::GROUP)
    }

    /// The certificate of the last stable checkpoint.
    pub fn stable_checkpoint(&self) -> Result<Option<CheckpointCertificate>, NodeError> {
        self.meta(tables::STABLE)
    }

    /// The anchor of the largest log.
    pub fn latest_anchor(&self) -> Result<Option<(u64, Vec<u8>)>, NodeError> {
        let table = self.table(tables::ANCHORS)?;
        let last = table.last().map_err(|error| self.failed("read", error))?;
        Ok(last.map(|(size, anchor)| (size.value(), anchor.value().to_vec())))
    }

    /// All evidence, in no particular order; at most [`super::MAX_EVIDENCE`].
    pub fn evidence(&self) -> Result<Vec<Vec<u8>>, NodeError> {
        let table = self.table(tables::EVIDENCE)?;
        let all = table.iter().map_err(|error| self.failed("read", error))?;
        all.map(|item| {
            item.map(|(_, evidence)| evidence.value().to_vec()).map_err(|error| self.failed("read", error))
        })
        .collect()
    }

    /// Whose store it is; nothing in a new one.
    pub(super) fn owner(&self) -> Result<Option<Owner>, NodeError> {
        let read = self.inner.database.begin_read().map_err(|error| self.failed("read", error))?;
        match read.open_table(tables::META) {
            Ok(_) => self.meta(tables::OWNER),
            Err(TableError::TableDoesNotExist(_) | TableError::TableTypeMismatch { .. }) => Ok(None),
            Err(error) => Err(self.failed("read", error)),
        }
    }

    fn meta<T>(&self, name: &'static str) -> Result<Option<T>, NodeError>
    where
        T: for<'b> Decode<'b, ()> + Encode<()>,
    {
        let table = self.table(tables::META)?;
        let value = table.get(name).map_err(|error| self.failed("read", error))?;
        value.map(|value| self.decode(name, value.value(), MAX_META_BYTES)).transpose()
    }

    fn value(
        &self,
        definition: TableDefinition<'static, &'static [u8; 32], u64>,
        key: &[u8; 32],
    ) -> Result<Option<u64>, NodeError> {
        let table = self.table(definition)?;
        Ok(table.get(key).map_err(|error| self.failed("read", error))?.map(|value| value.value()))
    }

    fn last_key<V: Value + 'static>(
        &self,
        definition: TableDefinition<'static, u64, V>,
    ) -> Result<Option<u64>, NodeError> {
        let table = self.table(definition)?;
        Ok(table.last().map_err(|error| self.failed("read", error))?.map(|(key, _)| key.value()))
    }

    fn table<K: Key + 'static, V: Value + 'static>(
        &self,
        definition: TableDefinition<'static, K, V>,
    ) -> Result<ReadOnlyTable<K, V>, NodeError> {
        let read = self.inner.database.begin_read().map_err(|error| self.failed("read", error))?;
        read.open_table(definition).map_err(|error| self.failed("read", error))
    }

    fn decode<T>(&self, what: &str, bytes: &[u8], max: usize) -> Result<T, NodeError>
    where
        T: for<'b> Decode<'b, ()> + Encode<()>,
    {
        codec::decode(bytes, max).map_err(|error| self.corrupt(format!("{what} cannot be read: {error}")))
    }
}

/// The keys of `count` consecutive values.
fn bounded(from: u64, count: usize) -> RangeInclusive<u64> {
    from..=from.saturating_add((count as u64).saturating_sub(1))
}
