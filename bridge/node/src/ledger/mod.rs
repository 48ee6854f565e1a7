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
//! * A ledger that contradicts a quorum executes and certifies nothing any more.

mod anchoring;
mod attestations;
mod certify;
mod ended;
mod error;
#[cfg(test)]
pub(crate) mod fixture;
mod reader;
mod recent;
mod restore;
#[cfg(test)]
mod tests;
mod tiles;
mod waiters;

use std::sync::Arc;

use quorate_pbft::event::StateSummary;
use quorate_protocol::merkle::{MerkleLog, ProofError};
use quorate_protocol::{
    Checkpoint, Digest, EntryBody, EntryIndex, EntryRecord, Group, LogCertificate, LogHead, ReplicaSet,
    Sequence, SignedCommand, TimestampMs,
};
use quorate_services::{Admission, Disposition, StateMachine};
use tokio::sync::watch;

pub use anchoring::{AnchorProofs, TakenProof};
pub use attestations::{Divergence, MAX_SIZES_PER_REPLICA, SignedHead};
pub use certify::Attested;
pub use ended::EndedEpoch;
pub use error::{LedgerError, SourceError};
pub use reader::{LedgerReader, RecordSource};
pub use recent::{MAX_RECENT_BYTES, MAX_RECENT_ENTRIES};
pub use restore::Persisted;
pub use tiles::{ParseTileError, TILE_WIDTH, TileKind, TilePath};
pub use waiters::{MAX_WAITERS, Settled, Waiter};

use crate::anchored::AnchoredLog;
use attestations::AttestationPool;
use recent::RecentRecords;
use waiters::Waiters;

/// The executed state of a group; see the module's page.
pub struct Ledger {
    /// The group of the epoch that consensus is in. The state is an epoch ahead between executing an epoch's
    /// last batch and [`Self::enter_epoch`].
    group: Arc<Group>,
    replicas: ReplicaSet,
    state: StateMachine,
    log: MerkleLog,
    head: LogHead,
    last_executed: Sequence,
    recent: RecentRecords,
    attestations: AttestationPool,
    certificate: Option<LogCertificate>,
    /// The group of the epoch whose replicas made it.
    certificate_group: Arc<Group>,
    /// The epochs that ended where the current one began.
    ended: Vec<EndedEpoch>,
    /// The newest anchor within the log.
    anchor: Option<AnchoredLog>,
    /// An anchor beyond the log, not compared with it yet.
    pending_anchor: Option<AnchoredLog>,
    divergence: Option<Divergence>,
    /// The size and the root of the log that the replica's key signed last.
    signed: Option<(u64, Digest)>,
    /// Whether it stands in for a state that is yet to be fetched.
    closed: bool,
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
    /// Whether there is nothing to serve until the group's state is fetched.
    pub closed: bool,
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

    /// Stands for the ledger of `group` at a node that is yet to fetch its state. Nothing in it is the group's.
    pub fn stand_in(group: Arc<Group>) -> Self {
        let (mut ledger, _) = Self::genesis(group);
        ledger.closed = true;
        ledger.publish();
        ledger
    }

    /// Takes over the group that the state names, after a fetch whose target a quorum of it, or of the epoch
    /// before, signed.
    pub fn adopt_group(&mut self) {
        if *self.group != *self.state.group() {
            self.group = Arc::new(self.state.group().clone());
            self.replicas = self.group.replicas();
        }
    }

    /// Goes on in the era that the contract began behind `anchored` entries, with the members of its first epoch; see
    /// [`StateMachine::begin_era`]. What replicas attested before is of the era that is over.
    pub fn begin_era(&mut self, group: &Group, anchored: u64) {
        self.note_ended(Group::clone(&self.group), anchored);
        self.state.begin_era(group);
        self.adopt_group();
        (self.attestations, self.certificate) = (AttestationPool::default(), None);
        self.certificate_group = Arc::clone(&self.group);
        self.publish();
    }

    /// Takes the place of `self` for all who read it. Whoever waits is told to ask another node.
    pub fn replace_with(&mut self, other: Self) {
        self.waiters.abandon_all();
        let (waiters, progress) = (self.waiters.clone(), self.progress.clone());
        let (anchor, pending) = (self.anchor, self.pending_anchor);
        *self = Self { waiters, progress, ..other };
        for anchored in anchor.into_iter().chain(pending) {
            self.anchor(anchored);
        }
        self.publish();
    }

    /// Whether the ledger stands in for a state that is yet to be fetched.
    pub fn is_closed(&self) -> bool {
        self.closed
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
            certificate_group: Arc::clone(&group),
            ended: Vec::new(),
            group,
            state,
            log,
            last_executed: sequence,
            attestations: AttestationPool::default(),
            certificate: None,
            anchor: None,
            pending_anchor: None,
            divergence: None,
            signed: None,
            closed: false,
            waiters: Waiters::default(),
            progress: watch::Sender::default(),
        }
    }

    /// Executes the batch at `sequence`, the one after [`Self::last_executed`]. With `checkpoint`, a checkpoint
    /// follows it, and a change of members that waits takes effect. Deterministic.
    ///
    /// # Errors
    /// When another batch is next, or when the ledger has diverged. Then nothing has changed.
    pub fn execute(
        &mut self,
        sequence: Sequence,
        timestamp: TimestampMs,
        commands: &[SignedCommand],
        checkpoint: bool,
    ) -> Result<ExecutedBatch, LedgerError> {
        if let Some(divergence) = self.divergence {
            return Err(LedgerError::Diverged(divergence));
        }
        let expected = self.last_executed.next();
        if sequence != expected {
            return Err(LedgerError::OutOfOrder { expected, found: sequence });
        }
        let mut executed = self.state.execute(sequence, timestamp, commands);
        if checkpoint {
            executed.records.extend(self.state.end_epoch(sequence));
        }
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
        self.tell_of_forced(&records, certified);
        if self.head.size > before {
            self.take_pending_anchor();
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

    /// Commands that came through the contract's inbox stand in no batch. Those of the batch are told twice, and hear
    /// it once.
    fn tell_of_forced(&self, records: &[Arc<EntryRecord>], certified: u64) {
        if records.iter().all(|record| !matches!(record.body, EntryBody::System(_))) {
            return;
        }
        for record in records.iter().filter(|record| matches!(record.body, EntryBody::Command(_))) {
            self.waiters.executed(&record.entry.subject, record.entry.index, certified);
        }
    }

    fn publish(&self) {
        let progress = Progress {
            size: self.head.size,
            certified: self.certified_size(),
            anchored: self.anchor.map_or(0, |anchor| anchor.size),
            diverged: self.divergence.is_some(),
            closed: self.closed,
        };
        self.progress.send_if_modified(|last| std::mem::replace(last, progress) != progress);
    }

    /// The state as a checkpoint names it. Rehashes what changed since the last call.
    pub fn summary(&mut self) -> StateSummary {
        let state_root = self.state.state_root();
        let next_members_hash = match self.epoch_is_over() {
            true => Digest(self.state.group().members_hash()),
            false => Digest::default(),
        };
        let (inbox_count, inbox_hash) = self.state.inbox_head();
        let (log_size, log_root) = (self.head.size, self.head.root);
        let extends_signed = self.signed.is_none_or(|(size, root)| self.log.root_at(size) == Some(root));
        StateSummary {
            log_size,
            log_root,
            state_root,
            inbox_count,
            inbox_hash,
            next_members_hash,
            extends_signed,
        }
    }

    /// The replica's key signed a checkpoint: later ones say whether the log begins with that one's.
    pub fn note_signed(&mut self, checkpoint: &Checkpoint) {
        self.signed = Some((checkpoint.log_size, checkpoint.log_root));
    }

    /// Whether the last batch executed ended the epoch that consensus is in.
    pub fn epoch_is_over(&self) -> bool {
        self.state.group().epoch > self.group.epoch
    }

    /// The next epoch begins: from here on its replicas attest. Their attestations of the log as the old epoch left it
    /// count too, because it is the same log. Those of replicas that stay with their keys are kept; a shorter log is
    /// no more of interest, because the whole will be attested.
    ///
    /// # Panics
    /// When the epoch is not over.
    pub fn enter_epoch(&mut self) {
        assert!(self.epoch_is_over(), "the last batch of the epoch is executed");
        let ended = std::mem::replace(&mut self.group, Arc::new(self.state.group().clone()));
        self.note_ended(Arc::unwrap_or_clone(ended), self.head.size);
        let old = std::mem::replace(&mut self.replicas, self.group.replicas());
        self.attestations.forget_below(self.head.size);
        self.attestations.retain(|agent| {
            let key = |replicas: &ReplicaSet| {
                replicas.index_of(agent).and_then(|index| replicas.at(index)).map(|member| member.key)
            };
            key(&old).is_some() && key(&old) == key(&self.replicas)
        });
        self.certify_up_to_head();
        self.publish();
    }

    /// The pairs of the services' state that changed since the last call, to be persisted with
    /// [`Self::last_executed`]; nothing as the value stands for a removal.
    pub fn take_changes(&mut self) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
        self.state.take_changes()
    }

    /// The group of the epoch that consensus is in.
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

    /// The group of the epoch whose replicas made the newest certificate.
    pub fn certificate_group(&self) -> &Arc<Group> {
        &self.certificate_group
    }

    /// How many entries the newest certificate covers.
    pub fn certified_size(&self) -> u64 {
        self.certificate.as_ref().map_or(0, |certificate| certificate.head.size)
    }

    /// The newest known anchor within the executed log.
    pub fn anchor_within(&self) -> Option<&AnchoredLog> {
        self.anchor.as_ref()
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
}
