//! The reading side of the ledger: what the API and the anchoring service see of it.

use std::sync::{Arc, RwLock};

use quorate_protocol::api::{EntriesPage, MAX_PAGE_BYTES, MAX_PAGE_ENTRIES};
use quorate_protocol::{Digest, EntryIndex, EntryRecord, Receipt, codec};
use tokio::sync::watch;

use super::tiles::entries_tile;
use super::waiters::Waiters;
use super::{Ledger, LedgerError, Progress, SourceError, TileKind, TilePath, Waiter};

/// Where the records are that the ledger no longer holds in memory.
///
/// A batch's records must be found here before the ledger executes [`super::MAX_RECENT_ENTRIES`] further
/// entries. Calls may block for a read from disk.
pub trait RecordSource: Send + Sync + 'static {
    /// The record at `index`.
    ///
    /// # Errors
    /// When the store fails.
    fn record(&self, index: EntryIndex) -> Result<Option<EntryRecord>, SourceError>;

    /// The entry whose subject is `digest`: a command's digest, or that of a decision.
    ///
    /// # Errors
    /// When the store fails.
    fn index_of(&self, digest: &Digest) -> Result<Option<EntryIndex>, SourceError>;
}

/// Reads a shared ledger. Cheap to clone.
///
/// No method holds the ledger's lock while it reads from disk. Methods that may read from disk say so; an
/// async caller moves them to a blocking thread.
#[derive(Clone)]
pub struct LedgerReader {
    ledger: Arc<RwLock<Ledger>>,
    source: Arc<dyn RecordSource>,
    waiters: Waiters,
    progress: watch::Receiver<Progress>,
}

impl LedgerReader {
    /// Reads `ledger`, and what is no longer in it from `source`.
    pub fn new(ledger: Arc<RwLock<Ledger>>, source: Arc<dyn RecordSource>) -> Self {
        let (waiters, progress) = {
            let ledger = ledger.read().expect(NOT_POISONED);
            (ledger.waiters.clone(), ledger.progress())
        };
        Self { ledger, source, waiters, progress }
    }

    /// Runs a short query under the read lock. The query must not block.
    pub fn read<T>(&self, query: impl FnOnce(&Ledger) -> T) -> T {
        query(&self.ledger.read().expect(NOT_POISONED))
    }

    /// How far the ledger is, without taking its lock.
    pub fn progress(&self) -> Progress {
        *self.progress.borrow()
    }

    /// Follows the ledger's progress.
    pub fn follow(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }

    /// The record at `index`; nothing beyond the log's end. May read from disk.
    ///
    /// # Errors
    /// When the store fails or lacks the record.
    pub fn record(&self, index: EntryIndex) -> Result<Option<Arc<EntryRecord>>, LedgerError> {
        let (size, recent) = self.read(|ledger| (ledger.head.size, ledger.recent(index)));
        match recent {
            Some(record) => Ok(Some(record)),
            None if index.0 >= size => Ok(None),
            None => self.stored(index).map(Some),
        }
    }

    fn stored(&self, index: EntryIndex) -> Result<Arc<EntryRecord>, LedgerError> {
        let record = self.source.record(index).map_err(LedgerError::Source)?;
        record.map(Arc::new).ok_or(LedgerError::RecordMissing(index))
    }

    /// The entry of the command or decision `digest`. May read from disk.
    ///
    /// # Errors
    /// When the store fails.
    pub fn index_of(&self, digest: &Digest) -> Result<Option<EntryIndex>, LedgerError> {
        let (size, recent) = self.read(|ledger| (ledger.head.size, ledger.recent.index_of(digest)));
        if recent.is_some() {
            return Ok(recent);
        }
        // After a restart the store may know entries that this ledger is yet to execute again.
        let stored = self.source.index_of(digest).map_err(LedgerError::Source)?;
        Ok(stored.filter(|index| index.0 < size))
    }

    /// What proves the entry at `index`, with the newest certificate and the newest anchor that cover it;
    /// nothing while no certificate does. May read from disk.
    ///
    /// # Errors
    /// When the store fails or lacks the record.
    pub fn receipt(&self, index: EntryIndex) -> Result<Option<Receipt>, LedgerError> {
        let (proof, recent) = self.read(|ledger| (ledger.proof_of(index), ledger.recent(index)));
        let Some(proof) = proof else { return Ok(None) };
        let record = match recent {
            Some(record) => record,
            None => self.stored(index)?,
        };
        let record = Arc::unwrap_or_clone(record);
        Ok(Some(self.read(|ledger| proof.into_receipt(&ledger.group, record))))
    }

    /// As [`Self::receipt`], but nothing when the record would have to be read from disk.
    pub fn receipt_in_memory(&self, index: EntryIndex) -> Option<Receipt> {
        self.read(|ledger| {
            let record = ledger.recent(index)?;
            Some(ledger.proof_of(index)?.into_receipt(&ledger.group, Arc::unwrap_or_clone(record)))
        })
    }

    /// Up to `limit` entries from `from` on, and no more than fit into [`MAX_PAGE_BYTES`]. May read from disk.
    ///
    /// # Errors
    /// When the store fails or lacks a record.
    pub fn page(&self, from: EntryIndex, limit: usize) -> Result<EntriesPage, LedgerError> {
        /// More than the page's own encoding takes beside its entries.
        const FRAME: usize = 64;
        let size = self.progress().size;
        let end = size.min(from.0.saturating_add(limit.min(MAX_PAGE_ENTRIES) as u64));
        let mut entries = Vec::new();
        let mut bytes = FRAME;
        for index in from.0..end {
            let Some(record) = self.record(EntryIndex(index))? else { break };
            bytes += codec::encode(&*record).len();
            if bytes > MAX_PAGE_BYTES {
                break;
            }
            entries.push(Arc::unwrap_or_clone(record));
        }
        Ok(EntriesPage { size, entries })
    }

    /// The bytes of a tile, or nothing if the log does not hold all of it. May read from disk.
    ///
    /// # Errors
    /// When the store fails or lacks a record.
    pub fn tile(&self, path: &TilePath) -> Result<Option<Vec<u8>>, LedgerError> {
        if let TileKind::Hashes { level } = path.kind {
            return Ok(self.read(|ledger| ledger.hash_tile(level, path)));
        }
        let Some(range) = path.entry_range().filter(|range| range.end <= self.progress().size) else {
            return Ok(None);
        };
        let mut entries = Vec::new();
        for index in range {
            let record =
                self.record(EntryIndex(index))?.ok_or(LedgerError::RecordMissing(EntryIndex(index)))?;
            entries.push(record.entry);
        }
        Ok(Some(entries_tile(entries.iter())))
    }

    /// Waits for the command `digest`, whether it is still to be ordered or already executed; nothing when
    /// too many wait already. To be called before the command is submitted, so that nothing is missed.
    pub fn wait_for(&self, digest: Digest) -> Option<Waiter> {
        let waiter = self.waiters.register(digest)?;
        // The ledger tells waiters of an execution under its write lock. If that was before the line above,
        // the entry is among the recent ones now.
        self.read(|ledger| {
            if let Some(index) = ledger.recent.index_of(&digest) {
                self.waiters.executed(&digest, index, ledger.certified_size());
            }
        });
        Some(waiter)
    }

    /// Waits until a certificate covers the entry at `index`, whose subject is `digest`; nothing when too
    /// many wait already.
    pub fn wait_for_entry(&self, digest: Digest, index: EntryIndex) -> Option<Waiter> {
        let waiter = self.waiters.register(digest)?;
        self.read(|ledger| self.waiters.executed(&digest, index, ledger.certified_size()));
        Some(waiter)
    }
}

/// Why a lock is taken without a way out: a panic while executing ends the node.
const NOT_POISONED: &str = "nothing panics while it holds the ledger";
