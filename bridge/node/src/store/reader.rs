//! Reading: every call takes a snapshot of its own.

use std::ops::RangeInclusive;

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use quorate_protocol::entry::MAX_ENTRY_RECORD_BYTES;
use quorate_protocol::epoch::MAX_HANDOVER_BYTES;
use quorate_protocol::{
    CheckpointCertificate, Digest, EntryIndex, EntryRecord, Epoch, Group, Handover, Sequence, codec,
};
use redb::{
    Key, ReadOnlyTable, ReadTransaction, ReadableDatabase as _, ReadableTable as _, TableDefinition,
    TableError, Value,
};

use super::Store;
use super::tables::{self, Owner};
use crate::error::NodeError;
use crate::ledger::EndedEpoch;

/// The most bytes of a single value of the store's own.
const MAX_META_BYTES: usize = 1024 * 1024;

/// A key and its value in the services' state.
pub type StatePair = (Vec<u8>, Vec<u8>);

impl Store {
    /// The last sequence that was executed: of a stored batch, or, where none is stored, that of the genesis
    /// or of the checkpoint that was fetched. Nothing in a new store.
    ///
    /// # Errors
    /// As all reads: [`NodeError::Storage`] or [`NodeError::DataCorrupt`].
    pub fn last_sequence(&self) -> Result<Option<Sequence>, NodeError> {
        let last = self.last_key(tables::BATCHES)?.map(Sequence);
        if last.is_some() || self.log_size()? == 0 {
            return Ok(last);
        }
        Ok(Some(self.meta(tables::STATE_SEQUENCE)?.unwrap_or(Sequence(0))))
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
                self.record(index.value(), record.value())
            })
            .collect()
    }

    /// The record that is stored as `bytes` at `index`.
    pub(super) fn record(&self, index: u64, bytes: &[u8]) -> Result<EntryRecord, NodeError> {
        let record: EntryRecord = self.decode("an entry", bytes, MAX_ENTRY_RECORD_BYTES)?;
        if record.entry.index.0 == index {
            Ok(record)
        } else {
            Err(self.corrupt(format!("entry {} stands at {index}", record.entry.index)))
        }
    }

    /// The pair of the state that is stored as `bytes`.
    pub(super) fn pair(&self, bytes: &[u8]) -> Result<StatePair, NodeError> {
        let (key, value): (ByteVec, ByteVec) = minicbor::decode(bytes)
            .map_err(|error| self.corrupt(format!("a pair of the state cannot be read: {error}")))?;
        Ok((key.into(), value.into()))
    }

    /// The entry that the command with this digest made.
    pub fn entry_of_command(&self, command: &Digest) -> Result<Option<EntryIndex>, NodeError> {
        Ok(self.value(tables::COMMANDS, command.as_bytes())?.map(EntryIndex))
    }

    /// The services' state with the sequence that it is as of, in no particular order; nothing before the first
    /// checkpoint.
    pub fn state(&self) -> Result<Option<(Sequence, Vec<StatePair>)>, NodeError> {
        let read = self.inner.database.begin_read().map_err(|error| self.failed("read", error))?;
        // Both tables are read in one snapshot, or pairs of one checkpoint could meet another's sequence.
        let Some(sequence) = self.meta_in(&read, tables::STATE_SEQUENCE)? else { return Ok(None) };
        let table = read.open_table(tables::STATE).map_err(|error| self.failed("read", error))?;
        let mut pairs = Vec::new();
        for item in table.iter().map_err(|error| self.failed("read", error))? {
            let (_, pair) = item.map_err(|error| self.failed("read", error))?;
            pairs.push(self.pair(pair.value())?);
        }
        Ok(Some((sequence, pairs)))
    }

    /// The group as of the last epoch that was stored.
    pub fn group(&self) -> Result<Option<Group>, NodeError> {
        self.meta(tables::GROUP)
    }

    /// The epochs that ended where the last one that was entered from them began; none in the first.
    pub fn ended(&self) -> Result<Vec<EndedEpoch>, NodeError> {
        Ok(self.meta(tables::ENDED)?.unwrap_or_default())
    }

    /// The last epoch in which this replica may have spoken without knowing what it said.
    pub fn silent_until(&self) -> Result<Option<Epoch>, NodeError> {
        self.meta(tables::SILENT)
    }

    /// How the epochs so far ended, as far as this node was told, in order.
    pub fn handovers(&self) -> Result<Vec<Handover>, NodeError> {
        let table = self.table(tables::HANDOVERS)?;
        let all = table.iter().map_err(|error| self.failed("read", error))?;
        all.map(|item| {
            let (_, bytes) = item.map_err(|error| self.failed("read", error))?;
            self.decode("a handover", bytes.value(), MAX_HANDOVER_BYTES)
        })
        .collect()
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

    /// All evidence, in no particular order; at most [`super::MAX_EVIDENCE`] of each kind.
    pub fn evidence(&self) -> Result<Vec<Vec<u8>>, NodeError> {
        let mut all = Vec::new();
        for kind in [tables::CHECKPOINT_EVIDENCE, tables::VOTE_EVIDENCE] {
            let table = self.table(kind)?;
            for item in table.iter().map_err(|error| self.failed("read", error))? {
                let (_, evidence) = item.map_err(|error| self.failed("read", error))?;
                all.push(evidence.value().to_vec());
            }
        }
        Ok(all)
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

    pub(super) fn meta<T>(&self, name: &'static str) -> Result<Option<T>, NodeError>
    where
        T: for<'b> Decode<'b, ()> + Encode<()>,
    {
        let read = self.inner.database.begin_read().map_err(|error| self.failed("read", error))?;
        self.meta_in(&read, name)
    }

    pub(super) fn meta_in<T>(
        &self,
        read: &ReadTransaction,
        name: &'static str,
    ) -> Result<Option<T>, NodeError>
    where
        T: for<'b> Decode<'b, ()> + Encode<()>,
    {
        let table = read.open_table(tables::META).map_err(|error| self.failed("read", error))?;
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
