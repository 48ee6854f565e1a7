//! Answering a node that fetches.

use quorate_protocol::merkle::MerkleLog;
use quorate_protocol::{CheckpointCertificate, Digest, EntryIndex, Sequence};
use quorate_services::StateTree;

use super::message::{
    CHUNK_BYTES, LogChunk, LogWanted, MAX_BUCKET_BYTES, MAX_CHUNK_PAIRS, MAX_CHUNK_RECORDS, StateChunk,
    StateWanted, TransferMessage, Unavailable,
};
use crate::error::NodeError;
use crate::ledger::LedgerReader;
use crate::store::{ChunkBounds, StateSnapshot, Store};

/// What proves the log to a node that fetches it: the live log, which is at least as long as the stored one.
pub trait LogProofs {
    /// The proof that the first `old` entries are the beginning of the first `new`; nothing if there are
    /// fewer than `new`.
    fn consistency(&self, old: u64, new: u64) -> Option<Vec<Digest>>;
}

impl LogProofs for MerkleLog {
    fn consistency(&self, old: u64, new: u64) -> Option<Vec<Digest>> {
        self.consistency_proof(old, new).ok()
    }
}

impl LogProofs for LedgerReader {
    fn consistency(&self, old: u64, new: u64) -> Option<Vec<Digest>> {
        self.read(|ledger| ledger.consistency_proof(old, new).ok())
    }
}

/// What a server gives to those who fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// A snapshot that nobody asked about for so long, in milliseconds, is let go.
    pub idle_ms: u64,
    /// A snapshot is let go at this age, in milliseconds, whoever asks: the database grows while it is held.
    pub life_ms: u64,
    /// From this age on, in milliseconds, a snapshot gives way to a newer one that somebody wants: whoever asks
    /// all the time must not keep the others from what they need.
    pub turn_ms: u64,
    /// The bytes at which a chunk is closed.
    pub chunk_bytes: usize,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self { idle_ms: 60_000, life_ms: 30 * 60_000, turn_ms: 5 * 60_000, chunk_bytes: CHUNK_BYTES }
    }
}

/// The most snapshots that are held at once.
const MAX_PINS: usize = 2;

/// Answers requests from the store, one chunk each.
#[derive(Debug)]
pub struct Server {
    store: Store,
    config: ServerConfig,
    /// The oldest first.
    pins: Vec<Pin>,
}

/// A snapshot that is held for those who fetch it.
#[derive(Debug)]
struct Pin {
    snapshot: StateSnapshot,
    certificate: CheckpointCertificate,
    tree: StateTree,
    since_ms: u64,
    asked_ms: u64,
}

impl Server {
    /// A server of what is in `store`.
    pub fn new(store: Store, config: ServerConfig) -> Self {
        Self { store, config, pins: Vec::new() }
    }

    /// The answer to `request`; nothing to what is no request. Reads one chunk from disk, and the whole state
    /// once for a snapshot that is not held yet.
    ///
    /// # Errors
    /// When the store fails, or when the state in it is not that of its checkpoint.
    pub fn answer(
        &mut self,
        now_ms: u64,
        request: &TransferMessage,
        log: &impl LogProofs,
    ) -> Result<Option<TransferMessage>, NodeError> {
        self.tick(now_ms);
        match request {
            TransferMessage::StateWanted(wanted) => self.state(now_ms, *wanted).map(Some),
            TransferMessage::LogWanted(wanted) => self.log(*wanted, log).map(Some),
            TransferMessage::StateChunk(_)
            | TransferMessage::LogChunk(_)
            | TransferMessage::Unavailable(_) => Ok(None),
        }
    }

    /// Lets go of the snapshots whose time is over. To be called now and then, also when nobody asks.
    pub fn tick(&mut self, now_ms: u64) {
        let ServerConfig { idle_ms, life_ms, .. } = self.config;
        self.pins.retain(|pin| {
            now_ms.saturating_sub(pin.asked_ms) < idle_ms && now_ms.saturating_sub(pin.since_ms) < life_ms
        });
    }

    /// The sequences of the snapshots that are held.
    pub fn held(&self) -> impl Iterator<Item = Sequence> + '_ {
        self.pins.iter().map(|pin| pin.certificate.checkpoint.sequence)
    }

    fn state(&mut self, now_ms: u64, wanted: StateWanted) -> Result<TransferMessage, NodeError> {
        let StateWanted { sequence, from } = wanted;
        if !self.held().any(|held| held == sequence) {
            self.pin(now_ms)?;
        }
        let config = self.config;
        let Some(pin) = self.pins.iter_mut().find(|pin| pin.snapshot.sequence() == sequence) else {
            let latest = self.pins.last().map(|pin| pin.certificate.clone());
            return Ok(unavailable(sequence, latest));
        };
        pin.asked_ms = now_ms;
        let bounds =
            ChunkBounds { pairs: MAX_CHUNK_PAIRS, bytes: config.chunk_bytes, bucket_bytes: MAX_BUCKET_BYTES };
        let Some((range, pairs)) = pin.snapshot.chunk(from, bounds)? else {
            tracing::warn!(%sequence, from, "a bucket was asked for that is not there, or larger than a message");
            return Ok(unavailable(sequence, None));
        };
        let (first, height, siblings) = (range.first(), range.height(), pin.tree.siblings(range));
        Ok(TransferMessage::StateChunk(StateChunk { sequence, first, height, pairs, siblings }))
    }

    /// Holds the state as it is now, if it is that of a stable checkpoint and there is room. Between taking a
    /// checkpoint and its becoming stable the store has no state to offer; whoever asks tries again.
    fn pin(&mut self, now_ms: u64) -> Result<(), NodeError> {
        let full = self.pins.len() == MAX_PINS;
        if full && self.pins.iter().all(|pin| now_ms.saturating_sub(pin.since_ms) < self.config.turn_ms) {
            return Ok(());
        }
        let Some(snapshot) = self.store.snapshot()? else { return Ok(()) };
        let Some(certificate) = snapshot.certificate().cloned() else { return Ok(()) };
        if self.held().any(|held| held == snapshot.sequence()) {
            return Ok(());
        }
        let tree = snapshot.tree()?;
        let (expected, found) = (certificate.checkpoint.state_root, tree.root());
        if expected != found {
            let sequence = snapshot.sequence();
            let detail =
                format!("the state of checkpoint {sequence} has root {found}, a quorum signed {expected}");
            return Err(self.store.corrupt(detail));
        }
        if full {
            self.pins.remove(0);
        }
        self.pins.push(Pin { snapshot, certificate, tree, since_ms: now_ms, asked_ms: now_ms });
        Ok(())
    }

    fn log(&self, wanted: LogWanted, log: &impl LogProofs) -> Result<TransferMessage, NodeError> {
        let LogWanted { sequence, size, from } = wanted;
        if size > self.store.log_size()? {
            return Ok(unavailable(sequence, None));
        }
        let records =
            self.store.log_chunk(EntryIndex(from), size, MAX_CHUNK_RECORDS, self.config.chunk_bytes)?;
        match log.consistency(from.saturating_add(records.len() as u64), size) {
            Some(proof) if !records.is_empty() => {
                Ok(TransferMessage::LogChunk(LogChunk { sequence, from, records, proof }))
            }
            _ => Ok(unavailable(sequence, None)),
        }
    }
}

fn unavailable(sequence: Sequence, latest: Option<CheckpointCertificate>) -> TransferMessage {
    TransferMessage::Unavailable(Unavailable { sequence, latest: latest.map(Box::new) })
}
