//! The one writer of the store.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread::{self, JoinHandle};

use quorate_pbft::evidence::EvidenceKind;
use quorate_protocol::{
    CheckpointCertificate, Digest, EntryBody, EntryRecord, Epoch, Group, Handover, Sequence, codec,
};
use redb::{ReadableTable as _, ReadableTableMetadata as _, Table, WriteTransaction};
use tokio::sync::watch;

use super::fetch::{self, FetchWrite};
use super::{Store, tables};
use crate::era::EraStart;
use crate::error::NodeError;
use crate::ledger::EndedEpoch;

/// The most pieces of evidence of one kind that are kept. One is enough to convict a replica; a faulty replica must
/// not fill the disk with more.
pub const MAX_EVIDENCE: u64 = 1024;

/// The most writes that share one transaction.
const MAX_GROUP: usize = 256;
/// The name of the thread.
const NAME: &str = "quorate-store";

/// Something to be made durable.
#[derive(Clone, Debug)]
pub enum Write {
    /// A batch that was committed and executed.
    Executed {
        /// Its sequence, one more than the last; 0 for the genesis, which has no batch.
        sequence: Sequence,
        /// The committed batch with its proof, opaque to the store.
        batch: Vec<u8>,
        /// The entries that it made, next in the log.
        records: Vec<EntryRecord>,
    },
    /// What changed in the services' state up to a stable checkpoint whose batch was written before.
    State {
        /// The sequence that the state is as of from now on.
        sequence: Sequence,
        /// New values by key; nothing where a key is gone.
        changes: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    },
    /// A checkpoint became stable.
    Stable(CheckpointCertificate),
    /// The group of the epoch that consensus is in.
    Group(Group),
    /// How an epoch ended, verified.
    Handover {
        /// The proof.
        handover: Box<Handover>,
        /// The group of the epoch that consensus is in from here on, if it moves on.
        group: Option<Group>,
    },
    /// Where the era begins that the node is in.
    Era(EraStart),
    /// This replica may have spoken in epochs up to this one without knowing what it said.
    SilentUntil(Epoch),
    /// The newest anchor that the chain has. Stored ones of larger logs are forgotten: a reorganisation of the
    /// chain dropped them.
    Anchor {
        /// The size of the anchored log.
        size: u64,
        /// The anchor, opaque to the store.
        anchor: Vec<u8>,
    },
    /// The chain has no anchor: all stored ones are forgotten.
    NoAnchor,
    /// A replica contradicted itself. Beyond [`MAX_EVIDENCE`] of its kind, and when it is known, it is not kept.
    Evidence {
        /// What it is about.
        kind: EvidenceKind,
        /// The proof, opaque to the store.
        evidence: Vec<u8>,
    },
    /// A step of a fetch of the group's state.
    Fetch(FetchWrite),
}

/// How far the writer is.
#[derive(Clone, Debug, Default)]
pub struct StoreStatus {
    /// The last sequence that is durable, with everything written before it.
    pub durable: Option<Sequence>,
    /// How many steps of a fetch have become durable since the writer started.
    pub fetch_steps: u64,
    /// Why nothing more will become durable. The node must stop.
    pub failure: Option<Arc<NodeError>>,
}

/// A thread that writes what is queued, as much as there is in one durable transaction.
///
/// Dropping the writer makes everything that is queued durable first.
#[derive(Debug)]
pub struct StoreWriter {
    /// Taken when the writer is dropped, which ends the thread.
    queue: Option<SyncSender<Write>>,
    thread: Option<JoinHandle<()>>,
    status: watch::Receiver<StoreStatus>,
}

impl StoreWriter {
    /// Starts the only writer of `store`; at most `capacity` writes wait.
    ///
    /// # Errors
    /// [`NodeError::Thread`], or what reading the last sequence fails with.
    pub fn start(store: Store, capacity: usize) -> Result<Self, NodeError> {
        let first = StoreStatus { durable: store.last_sequence()?, ..StoreStatus::default() };
        let (progress, status) = watch::channel(first);
        let (queue, writes) = mpsc::sync_channel(capacity);
        let thread = thread::Builder::new()
            .name(NAME.into())
            .spawn(move || run(&store, writes, &progress))
            .map_err(|source| NodeError::Thread { name: NAME, source })?;
        Ok(Self { queue: Some(queue), thread: Some(thread), status })
    }

    /// Queues a write behind all earlier ones. Blocks while the queue is full: execution waits for the
    /// disk rather than fill the memory.
    ///
    /// # Errors
    /// [`NodeError::StorageStopped`] after a failure, which [`Self::status`] tells.
    pub fn write(&self, write: Write) -> Result<(), NodeError> {
        let stopped = NodeError::StorageStopped { what: "the store" };
        self.queue.as_ref().and_then(|queue| queue.send(write).ok()).ok_or(stopped)
    }

    /// How far the writer is. It changes after every transaction.
    pub fn status(&self) -> watch::Receiver<StoreStatus> {
        self.status.clone()
    }
}

impl Drop for StoreWriter {
    fn drop(&mut self) {
        self.queue = None;
        // A panic on the thread was reported there; there is nothing left to do about it here.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn run(store: &Store, writes: Receiver<Write>, progress: &watch::Sender<StoreStatus>) {
    while let Ok(first) = writes.recv() {
        let mut group = vec![first];
        group.extend(writes.try_iter().take(MAX_GROUP - 1));
        let last = group.iter().rev().find_map(|write| match write {
            Write::Executed { sequence, .. } => Some(*sequence),
            _ => None,
        });
        let steps = group.iter().filter(|write| matches!(write, Write::Fetch(_))).count() as u64;
        match store.commit(group) {
            Ok(()) => progress.send_modify(|status| {
                status.durable = last.or(status.durable);
                status.fetch_steps += steps;
            }),
            Err(error) => {
                // Closed first, so that whoever learns of the failure can queue nothing more.
                drop(writes);
                progress.send_modify(|status| status.failure = Some(Arc::new(error)));
                return;
            }
        }
    }
}

impl Store {
    /// Does `writes` in one durable transaction. Only one writer may do so: a [`StoreWriter`], or whoever
    /// stands for it in a simulation.
    ///
    /// # Errors
    /// [`NodeError::Storage`] when the disk fails, [`NodeError::Invariant`] when a write leaves a gap. Then
    /// none of them is done.
    pub fn commit(&self, writes: Vec<Write>) -> Result<(), NodeError> {
        let failed = |error: redb::Error| self.failed("write to", error);
        let transaction = self.inner.database.begin_write().map_err(|error| failed(error.into()))?;
        for write in writes {
            apply(&transaction, write).map_err(|error| match error {
                ApplyError::Database(error) => failed(error),
                ApplyError::Invariant(detail) => NodeError::Invariant(detail),
            })?;
        }
        transaction.commit().map_err(|error| failed(error.into()))
    }
}

pub(super) enum ApplyError {
    Database(redb::Error),
    Invariant(String),
}

impl<E: Into<redb::Error>> From<E> for ApplyError {
    fn from(error: E) -> Self {
        Self::Database(error.into())
    }
}

fn apply(transaction: &WriteTransaction, write: Write) -> Result<(), ApplyError> {
    match write {
        Write::Executed { sequence, batch, records } => executed(transaction, sequence, &batch, &records),
        Write::State { sequence, changes } => state(transaction, sequence, changes),
        Write::Stable(certificate) => set_meta(transaction, tables::STABLE, &certificate),
        Write::Handover { handover, group } => {
            let mut table = transaction.open_table(tables::HANDOVERS)?;
            table.insert(handover.from().0, handover.encode().as_slice())?;
            group.map_or(Ok(()), |group| enter(transaction, &handover, &group))
        }
        Write::Era(start) => set_meta(transaction, tables::ERA, &start),
        Write::SilentUntil(epoch) => set_meta(transaction, tables::SILENT, &epoch),
        Write::Group(group) => set_meta(transaction, tables::GROUP, &group),
        Write::Anchor { size, anchor } => {
            let mut table = transaction.open_table(tables::ANCHORS)?;
            table.retain_in(size.., |_, _| false)?;
            table.insert(size, anchor.as_slice())?;
            Ok(())
        }
        Write::NoAnchor => Ok(transaction.open_table(tables::ANCHORS)?.retain(|_, _| false)?),
        Write::Evidence { kind, evidence } => {
            let mut table = transaction.open_table(match kind {
                EvidenceKind::Votes => tables::VOTE_EVIDENCE,
                EvidenceKind::Checkpoints => tables::CHECKPOINT_EVIDENCE,
            })?;
            if table.len()? < MAX_EVIDENCE {
                table.insert(Digest::of(&[&evidence]).as_bytes(), evidence.as_slice())?;
            }
            Ok(())
        }
        Write::Fetch(step) => fetch::apply(transaction, step),
    }
}

/// Consensus moves on to the epoch of `group`. Who was the group before is remembered, if it is the one that ended.
fn enter(transaction: &WriteTransaction, handover: &Handover, group: &Group) -> Result<(), ApplyError> {
    let stored =
        transaction.open_table(tables::META)?.get(tables::GROUP)?.map(|bytes| bytes.value().to_vec());
    let old = stored.and_then(|bytes| codec::decode::<Group>(&bytes, bytes.len()).ok());
    if let Some(old) = old.filter(|old| old.epoch == handover.from()) {
        let log_size = handover.certificate.checkpoint.log_size;
        set_meta(transaction, tables::ENDED, &vec![EndedEpoch { group: old, log_size }])?;
    }
    set_meta(transaction, tables::GROUP, group)
}

fn executed(
    transaction: &WriteTransaction,
    sequence: Sequence,
    batch: &[u8],
    records: &[EntryRecord],
) -> Result<(), ApplyError> {
    let mut entries = transaction.open_table(tables::ENTRIES)?;
    let next = last_key(&entries)?.map_or(0, |last| last + 1);
    let mut batches = transaction.open_table(tables::BATCHES)?;
    let expected = match last_key(&batches)? {
        Some(last) => last + 1,
        None if next == 0 => 0,
        None => state_sequence(transaction)?.map_or(0, |base| base.0) + 1,
    };
    if sequence.0 != expected {
        let detail = format!("sequence {sequence} was to be stored where {expected} comes next");
        return Err(ApplyError::Invariant(detail));
    }
    if sequence.0 > 0 {
        batches.insert(sequence.0, batch)?;
    }
    let mut commands = transaction.open_table(tables::COMMANDS)?;
    for (record, next) in records.iter().zip(next..) {
        let index = record.entry.index.0;
        if index != next {
            let detail = format!("entry {index} was to be stored where {next} comes next");
            return Err(ApplyError::Invariant(detail));
        }
        entries.insert(index, codec::encode(record).as_slice())?;
        if let EntryBody::Command(command) = &record.body {
            commands.insert(command.digest().as_bytes(), index)?;
        }
    }
    Ok(())
}

fn state(
    transaction: &WriteTransaction,
    sequence: Sequence,
    changes: Vec<(Vec<u8>, Option<Vec<u8>>)>,
) -> Result<(), ApplyError> {
    let stored = match last_key(&transaction.open_table(tables::BATCHES)?)? {
        Some(last) => last,
        None => state_sequence(transaction)?.map_or(0, |base| base.0),
    };
    // A restart executes what follows the state's sequence; a state from beyond the stored batches would
    // leave entries out.
    if sequence.0 > stored {
        let detail = format!("the state of sequence {sequence} was to be stored before its batch");
        return Err(ApplyError::Invariant(detail));
    }
    let mut table = transaction.open_table(tables::STATE)?;
    for (key, value) in changes {
        match value {
            Some(value) => {
                table.insert(&tables::state_key(&key), tables::state_value(&key, &value).as_slice())?
            }
            None => table.remove(&tables::state_key(&key))?,
        };
    }
    drop(table);
    set_meta(transaction, tables::STATE_SEQUENCE, &sequence)
}

/// What the state is as of. Where no batch is stored, it is also the last sequence that was executed: that of
/// the genesis, or that of the checkpoint that was fetched.
fn state_sequence(transaction: &WriteTransaction) -> Result<Option<Sequence>, ApplyError> {
    let table = transaction.open_table(tables::META)?;
    let Some(bytes) = table.get(tables::STATE_SEQUENCE)? else { return Ok(None) };
    let sequence = minicbor::decode(bytes.value())
        .map_err(|error| redb::Error::Corrupted(format!("the state's sequence: {error}")))?;
    Ok(Some(sequence))
}

pub(super) fn set_meta<T: minicbor::Encode<()>>(
    transaction: &WriteTransaction,
    name: &str,
    value: &T,
) -> Result<(), ApplyError> {
    transaction.open_table(tables::META)?.insert(name, codec::encode(value).as_slice())?;
    Ok(())
}

pub(super) fn last_key(table: &Table<'_, u64, &'static [u8]>) -> Result<Option<u64>, redb::Error> {
    Ok(table.last()?.map(|(key, _)| key.value()))
}
