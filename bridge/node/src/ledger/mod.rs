//! The executed state of a group: the services' state, the log over it, and what proves both to others.
//!
//! The runtime owns the writing side and is the only one to call methods that take `&mut self`; the API and
//! the anchoring service read through a [`LedgerReader`]. Both share one `Arc<RwLock<Ledger>>`. Nothing in
//! here waits: no I/O happens under the lock, and no guard lives across an await.
//!
//! What must hold:
//! * Entries are numbered from 0 without gaps; entry 0 is the genesis.
//! * The head changes only when an entry is appended, and its time is that of the last entry. So correct
//!   replicas attest one head for a size, whichever batches made no entry.
//! * A certificate is only ever kept for a size that this replica has executed and whose root is its own.
//! * A ledger that contradicts a quorum or the contract executes and certifies nothing any more.

mod attestations;
mod error;
#[cfg(test)]
pub(crate) mod fixture;
mod reader;
mod recent;
#[cfg(test)]
mod tests;
mod tiles;
mod waiters;

use std::sync::Arc;

use quorate_pbft::event::StateSummary;
use quorate_protocol::attestation::CertificateError;
use quorate_protocol::merkle::{MerkleLog, ProofError};
use quorate_protocol::{
    AnchorProof, Checkpoint, Digest, Entry, EntryIndex, EntryRecord, Group, LogCertificate, LogHead, Receipt,
    ReplicaSet, Sequence, SignedCommand, TimestampMs, Verified,
};
use quorate_services::{Admission, Disposition, StateMachine};
use tokio::sync::watch;

pub use attestations::{Divergence, MAX_SIZES_PER_REPLICA, SignedHead};
pub use error::{LedgerError, SourceError};
pub use reader::{LedgerReader, RecordSource};
pub use recent::{MAX_RECENT_BYTES, MAX_RECENT_ENTRIES};
pub use tiles::{ParseTileError, TILE_WIDTH, TileKind, TilePath};
pub use waiters::{MAX_WAITERS, Settled, Waiter};

use crate::anchored::AnchoredLog;
use attestations::AttestationPool;
use recent::RecentRecords;
use waiters::Waiters;

/// The executed state of a group; see the module's page.
pub struct Ledger {
    group: Arc<Group>,
    replicas: ReplicaSet,
    state: StateMachine,
    log: MerkleLog,
    head: LogHead,
    last_executed: Sequence,
    recent: RecentRecords,
    attestations: AttestationPool,
    certificate: Option<LogCertificate>,
    anchor: Option<AnchoredLog>,
    divergence: Option<Divergence>,
    waiters: Waiters,
    progress: watch::Sender<Progress>,
}

/// How far the ledger is. Published after every change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// How many entries are executed.
    pub size: u64,
    /// How many of them a certificate covers.
    pub certified: u64,
    /// How many of them an anchor covers.
    pub anchored: u64,
    /// Whether the ledger has diverged.
    pub diverged: bool,
}

/// What executing one batch came to.
#[derive(Clone, Debug)]
pub struct ExecutedBatch {
    /// The batch.
    pub sequence: Sequence,
    /// The time that it executed at: never before that of an earlier batch.
    pub timestamp: TimestampMs,
    /// The entries that it made, to be stored.
    pub records: Vec<Arc<EntryRecord>>,
    /// What became of each command, in order.
    pub dispositions: Vec<Disposition>,
    /// The log after it. To be attested where `records` is not empty.
    pub head: LogHead,
}

/// What an attestation led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attested {
    /// It was known, too old, or not a replica's.
    Ignored,
    /// It was kept; there is no new certificate.
    Kept,
    /// The log is certified up to this size now.
    Certified(u64),
    /// A quorum attested another root than this replica's.
    Diverged(Divergence),
}

/// What a ledger is restored from, as the store has it.
pub struct Persisted<P, E> {
    /// The services' state as of `sequence`.
    pub pairs: P,
    /// The entries from index 0 on, at least as many as the state has made. Further ones, of batches that
    /// will be executed again, are not read.
    pub entries: E,
    /// The last sequence that the state includes.
    pub sequence: Sequence,
    /// The stable checkpoint at `sequence`, if there is one: state and log must have its roots.
    pub checkpoint: Option<Checkpoint>,
}

impl Ledger {
    /// The ledger of a new group, with its genesis entry, which is to be stored.
    pub fn genesis(group: Arc<Group>) -> (Self, Arc<EntryRecord>) {
        let (state, record) = StateMachine::genesis(&group);
        let mut ledger = Self::new(group, state, MerkleLog::new(), Sequence(0), TimestampMs(0));
        let record = Arc::new(record);
        ledger.append(&record);
        ledger.publish();
        (ledger, record)
    }

    /// The ledger as it was persisted. Batches committed after `persisted.sequence` are to be executed again;
    /// they make the same entries.
    ///
    /// # Errors
    /// When the state does not fit the group, the log is shorter than the state needs, either contradicts
    /// the checkpoint, or the store fails.
    pub fn restore<P, E>(group: Arc<Group>, persisted: Persisted<P, E>) -> Result<Self, LedgerError>
    where
        P: IntoIterator<Item = (Vec<u8>, Vec<u8>)>,
        E: IntoIterator<Item = Result<Entry, SourceError>>,
    {
        let state = StateMachine::restore(&group, persisted.pairs)?;
        let expected = state.log_size();
        let mut log = MerkleLog::new();
        let mut time = TimestampMs(0);
        for entry in persisted.entries.into_iter().take(usize::try_from(expected).unwrap_or(usize::MAX)) {
            let entry = entry.map_err(LedgerError::Source)?;
            let index = log.append(entry.leaf_hash());
            if entry.index.0 != index {
                return Err(LedgerError::RecordMissing(EntryIndex(index)));
            }
            time = entry.timestamp;
        }
        if log.size() < expected {
            return Err(LedgerError::LogTooShort { expected, found: log.size() });
        }
        let mut ledger = Self::new(group, state, log, persisted.sequence, time);
        if let Some(checkpoint) = persisted.checkpoint {
            ledger.check_against(&checkpoint)?;
        }
        ledger.publish();
        Ok(ledger)
    }

    fn new(
        group: Arc<Group>,
        state: StateMachine,
        log: MerkleLog,
        sequence: Sequence,
        time: TimestampMs,
    ) -> Self {
        Self {
            replicas: group.replicas(),
            head: LogHead { size: log.size(), root: log.root(), time_s: time.seconds() },
            recent: RecentRecords::starting_at(log.size()),
            group,
            state,
            log,
            last_executed: sequence,
            attestations: AttestationPool::default(),
            certificate: None,
            anchor: None,
            divergence: None,
            waiters: Waiters::default(),
            progress: watch::Sender::default(),
        }
    }

    fn check_against(&mut self, checkpoint: &Checkpoint) -> Result<(), LedgerError> {
        let StateSummary { log_root, state_root, .. } = self.summary();
        let roots =
            [("log root", checkpoint.log_root, log_root), ("state root", checkpoint.state_root, state_root)];
        for (what, expected, found) in roots {
            if expected != found {
                let sequence = checkpoint.sequence;
                return Err(LedgerError::CheckpointMismatch { what, sequence, expected, found });
            }
        }
        Ok(())
    }

    /// Puts `restored` in this ledger's place, after a divergence or a transfer of state. Who reads stays
    /// connected; who waits for a command is told to ask again.
    pub fn replace(&mut self, restored: Self) {
        self.waiters.abandon_all();
        let (waiters, progress) = (self.waiters.clone(), self.progress.clone());
        *self = Self { waiters, progress, ..restored };
        self.publish();
    }

    /// Executes the batch at `sequence`, the one after [`Self::last_executed`]. Deterministic.
    ///
    /// # Errors
    /// When another batch is next, or when the ledger has diverged. Then nothing has changed.
    pub fn execute(
        &mut self,
        sequence: Sequence,
        timestamp: TimestampMs,
        commands: &[SignedCommand],
    ) -> Result<ExecutedBatch, LedgerError> {
        if let Some(divergence) = self.divergence {
            return Err(LedgerError::Diverged(divergence));
        }
        let expected = self.last_executed.next();
        if sequence != expected {
            return Err(LedgerError::OutOfOrder { expected, found: sequence });
        }
        let executed = self.state.execute(sequence, timestamp, commands);
        assert_eq!(executed.dispositions.len(), commands.len(), "every command has its disposition");
        self.last_executed = sequence;
        let before = self.head.size;
        let records: Vec<_> = executed.records.into_iter().map(Arc::new).collect();
        for record in &records {
            self.append(record);
        }
        let certified = self.certified_size();
        for (command, disposition) in commands.iter().zip(&executed.dispositions) {
            match disposition {
                Disposition::Recorded(index) | Disposition::Duplicate(index) => {
                    self.waiters.executed(&command.digest(), *index, certified);
                }
                Disposition::Dropped(reason) => self.waiters.dropped(&command.digest(), *reason),
            }
        }
        if self.head.size > before {
            self.check_anchor(before);
            self.certify_up_to_head();
        }
        self.publish();
        let timestamp = executed.timestamp;
        let dispositions = executed.dispositions;
        Ok(ExecutedBatch { sequence, timestamp, records, dispositions, head: self.head })
    }

    fn append(&mut self, record: &Arc<EntryRecord>) {
        let index = self.log.append(record.entry.leaf_hash());
        assert_eq!(record.entry.index.0, index, "the services number entries as the log does");
        self.recent.push(Arc::clone(record));
        self.head =
            LogHead { size: index + 1, root: self.log.root(), time_s: record.entry.timestamp.seconds() };
    }

    /// Whether an attestation of `head` by `replica` is worth checking its signature: it is a replica's, new,
    /// and not certified already.
    pub fn wants_attestation(&self, signed: &SignedHead) -> bool {
        let replica = signed.attestation.replica;
        self.replicas.index_of(replica).is_some() && self.attestations.wants(replica, &signed.head)
    }

    /// Takes a replica's attestation, this replica's own included. A quorum of equal heads makes a
    /// certificate, or shows that this replica has diverged. Attestations of what is not executed yet are
    /// kept until it is.
    pub fn attest(&mut self, signed: &Verified<SignedHead>) -> Attested {
        if self.divergence.is_some() || !self.wants_attestation(signed) || !self.attestations.add(signed) {
            return Attested::Ignored;
        }
        if signed.head.size > self.head.size {
            return Attested::Kept;
        }
        let attested = self.certify_at(signed.head.size);
        self.publish();
        attested
    }

    /// Certifies the largest executed size that a quorum attested.
    fn certify_up_to_head(&mut self) {
        if self.divergence.is_some() {
            return;
        }
        for size in self.attestations.sizes_up_to(self.head.size) {
            if self.certify_at(size) != Attested::Kept {
                return;
            }
        }
    }

    fn certify_at(&mut self, size: u64) -> Attested {
        let Some(certificate) = self.attestations.quorum_at(size, self.replicas.quorum()) else {
            return Attested::Kept;
        };
        let ours = self.log.root_at(size).expect("only executed sizes are certified");
        if ours != certificate.head.root {
            return self.diverge(Divergence { size, ours, theirs: certificate.head.root });
        }
        self.take_certificate(certificate);
        Attested::Certified(size)
    }

    fn take_certificate(&mut self, certificate: LogCertificate) {
        let size = certificate.head.size;
        self.certificate = Some(certificate);
        self.attestations.certified(size);
        self.waiters.certified(size);
    }

    /// Takes a certificate that was persisted or that a peer sent. Says whether it is newer than the one at
    /// hand and within the executed log; other certificates change nothing.
    ///
    /// # Errors
    /// When the certificate does not certify.
    pub fn offer_certificate(&mut self, certificate: LogCertificate) -> Result<bool, CertificateError> {
        let size = certificate.head.size;
        if self.divergence.is_some() || size <= self.certified_size() || size > self.head.size {
            return Ok(false);
        }
        certificate.verify(&self.group.identity, &self.replicas)?;
        let ours = self.log.root_at(size).expect("the size is within the log");
        if ours == certificate.head.root {
            self.take_certificate(certificate);
        } else {
            self.diverge(Divergence { size, ours, theirs: certificate.head.root });
        }
        self.publish();
        Ok(self.divergence.is_none())
    }

    /// Takes an anchor that the anchoring service saw on the chain. Receipts carry the newest one that lies
    /// within the executed log. Says what is wrong when the contract holds another root than this log has;
    /// the ledger has diverged then, for the contract takes nothing but a quorum's word.
    pub fn anchor(&mut self, anchored: AnchoredLog) -> Option<Divergence> {
        if self.divergence.is_none() && self.anchor.is_none_or(|known| known.size < anchored.size) {
            self.anchor = Some(anchored);
            self.check_anchor(0);
            self.publish();
        }
        self.divergence
    }

    /// Compares the anchor with the log once the log reaches it, having had `before` entries until now.
    fn check_anchor(&mut self, before: u64) {
        let Some(AnchoredLog { size, root: theirs, .. }) = self.anchor.filter(|anchor| anchor.size > before)
        else {
            return;
        };
        if let Some(ours) = self.log.root_at(size).filter(|ours| *ours != theirs) {
            self.diverge(Divergence { size, ours, theirs });
        }
    }

    fn diverge(&mut self, divergence: Divergence) -> Attested {
        tracing::error!(
            size = divergence.size,
            ours = %divergence.ours,
            theirs = %divergence.theirs,
            "{divergence}"
        );
        self.divergence = Some(divergence);
        self.waiters.abandon_all();
        Attested::Diverged(divergence)
    }

    /// Marks the ledger as diverged, as the core does when a checkpoint of a quorum differs from its own.
    pub fn mark_diverged(&mut self, divergence: Divergence) {
        self.diverge(divergence);
        self.publish();
    }

    fn publish(&self) {
        let progress = Progress {
            size: self.head.size,
            certified: self.certified_size(),
            anchored: self.anchor_within().map_or(0, |anchor| anchor.size),
            diverged: self.divergence.is_some(),
        };
        self.progress.send_if_modified(|last| std::mem::replace(last, progress) != progress);
    }

    /// The state as a checkpoint names it. Rehashes what changed since the last call.
    pub fn summary(&mut self) -> StateSummary {
        let state_root = self.state.state_root();
        StateSummary { log_size: self.head.size, log_root: self.head.root, state_root }
    }

    /// The pairs of the services' state that changed since the last call, to be persisted with
    /// [`Self::last_executed`]; nothing as the value stands for a removal.
    pub fn take_changes(&mut self) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
        self.state.take_changes()
    }

    /// The group.
    pub fn group(&self) -> &Arc<Group> {
        &self.group
    }

    /// The last sequence that was executed; 0 after the genesis.
    pub fn last_executed(&self) -> Sequence {
        self.last_executed
    }

    /// The log's size and root.
    pub fn head(&self) -> LogHead {
        self.head
    }

    /// The services' state, for queries.
    pub fn state(&self) -> &StateMachine {
        &self.state
    }

    /// What the services say to a command before it is ordered; see [`StateMachine::admit`].
    pub fn admit(&self, now: TimestampMs, command: &SignedCommand) -> Admission {
        self.state.admit(now, command)
    }

    /// The newest certificate.
    pub fn certificate(&self) -> Option<&LogCertificate> {
        self.certificate.as_ref()
    }

    /// How many entries the newest certificate covers.
    pub fn certified_size(&self) -> u64 {
        self.certificate.as_ref().map_or(0, |certificate| certificate.head.size)
    }

    /// The newest known anchor within the executed log.
    pub fn anchor_within(&self) -> Option<&AnchoredLog> {
        self.anchor.as_ref().filter(|anchor| anchor.size <= self.head.size)
    }

    /// What this ledger contradicts, if anything.
    pub fn divergence(&self) -> Option<Divergence> {
        self.divergence
    }

    /// Follows the ledger's progress.
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// The root over the first `size` entries, or nothing if the log is smaller.
    pub fn root_at(&self, size: u64) -> Option<Digest> {
        self.log.root_at(size)
    }

    /// The proof that the log of `from` entries is a prefix of that of `to` entries.
    ///
    /// # Errors
    /// When the sizes are out of order or beyond the log.
    pub fn consistency_proof(&self, from: u64, to: u64) -> Result<Vec<Digest>, ProofError> {
        self.log.consistency_proof(from, to)
    }

    /// The record at `index`, if it is still in memory.
    fn recent(&self, index: EntryIndex) -> Option<Arc<EntryRecord>> {
        self.recent.get(index).cloned()
    }

    /// What proves the entry at `index`, without its record; nothing while no certificate covers it.
    fn proof_of(&self, index: EntryIndex) -> Option<EntryProof> {
        let certificate = self.certificate.as_ref().filter(|known| index.0 < known.head.size)?;
        let proof = self.log.inclusion_proof(index.0, certificate.head.size);
        let anchor = self.anchor_within().filter(|anchor| index.0 < anchor.size).map(|anchor| {
            let proof = self.log.inclusion_proof(index.0, anchor.size);
            let proof = proof.expect("the entry is under the anchor, which is within the log");
            AnchorProof { size: anchor.size, root: anchor.root, proof }
        });
        Some(EntryProof {
            certificate: certificate.clone(),
            proof: proof.expect("the entry is under the certificate, which is within the log"),
            anchor,
        })
    }
}

/// A receipt without the entry's record, which may have to be read from disk.
struct EntryProof {
    certificate: LogCertificate,
    proof: Vec<Digest>,
    anchor: Option<AnchorProof>,
}

impl EntryProof {
    fn into_receipt(self, group: &Group, record: EntryRecord) -> Receipt {
        let Self { certificate, proof, anchor } = self;
        Receipt { identity: group.identity, epoch: group.epoch, record, certificate, proof, anchor }
    }
}
