//! The logic of a node, without threads, clocks, sockets and disks.
//!
//! [`NodeCore`] owns the consensus core and the ledger: whoever drives it gives it rounds of events and the
//! time, and carries out what it wants done through its [`Storage`]. The runtime drives it on a thread of its
//! own; a simulator drives a whole group of them on one thread.
//!
//! Each round takes whatever events wait, steps the consensus core, carries out its effects, and ends by
//! handing the records and the messages of the round to the storage. That makes the records durable and only
//! then lets the messages leave, so a round costs at most one `fdatasync`, shared with the rounds that queue
//! up behind it.

mod inbound;
mod outbox;
mod recovery;
mod storage;
mod supply;

use std::collections::VecDeque;
use std::sync::{Arc, RwLock};

use quorate_pbft::{
    CommittedBatch, Config, Context, Effect, Event, Evidence, Executed, Message, Now, Replica, ReplicaKeys,
    ViewState,
};
use quorate_protocol::{
    AgentId, Digest, EntryRecord, LogCertificate, ReplicaIndex, Sequence, SignedCommand, Verified,
};
use quorate_services::Admission;
use tokio::sync::watch;

use crate::anchored::{AnchoredLog, StableReceiver, StableSender};
use crate::api::{NodeStatus, Readiness};
use crate::error::NodeError;
use crate::frame::Frame;
use crate::ledger::{Divergence, Ledger, SignedHead};
use crate::metrics::Metrics;
use crate::store::Write;
pub use inbound::{Blame, Inbound, Unverified};
pub use outbox::Outgoing;
pub use recovery::{Restored, WalContents, restore};
pub use storage::Storage;
pub use supply::Supply;

/// The most events of one round; more wait for the next, so that messages leave in between.
pub const MAX_ROUND: usize = 512;

/// What the rest of the node tells the core. Everything in here is verified.
#[derive(Debug)]
pub enum CoreEvent {
    /// A peer's message.
    Message {
        /// Whose link it came over.
        from: ReplicaIndex,
        /// The message.
        message: Verified<Message>,
    },
    /// Commands from clients.
    Commands(Vec<Verified<SignedCommand>>),
    /// A replica's attestation.
    Attestation(Verified<SignedHead>),
    /// A certificate from a peer; the ledger checks it.
    Certificate(LogCertificate),
    /// A peer lacks a certificate that covers so many entries.
    CertificateWanted {
        /// Who lacks it.
        from: ReplicaIndex,
        /// The entries that it must cover.
        size: u64,
    },
    /// The contract accepted an anchor.
    Anchored(AnchoredLog),
    /// Part of the storage failed: the node stops.
    Failed(NodeError),
    /// Stop after this round.
    Shutdown,
}

/// What a core starts from.
pub struct CoreParts<S> {
    /// The protocol's sizes and times.
    pub config: Config,
    /// The group's epoch.
    pub context: Context,
    /// The replica's keys.
    pub keys: ReplicaKeys,
    /// What was on disk.
    pub restored: Restored,
    /// The evidence that was on disk.
    pub evidence: Vec<Evidence>,
    /// Where records, messages and writes go.
    pub storage: S,
    /// Takes the committed batches that other replicas may ask for.
    pub supply: Supply,
    /// The node's numbers.
    pub metrics: Metrics,
}

/// What a core publishes for the rest of the node. Only the newest value matters.
#[derive(Clone, Debug)]
pub struct CoreWatch {
    /// How the node is.
    pub status: watch::Receiver<NodeStatus>,
    /// The newest stable checkpoint.
    pub stable: StableReceiver,
    /// All evidence of replicas that contradicted themselves.
    pub evidence: watch::Receiver<Arc<Vec<Evidence>>>,
}

/// The logic of a node; see the module's page.
pub struct NodeCore<S> {
    replica: Replica,
    ledger: Arc<RwLock<Ledger>>,
    storage: S,
    supply: Supply,
    context: Context,
    keys: ReplicaKeys,
    agent: AgentId,
    status: watch::Sender<NodeStatus>,
    stable: StableSender,
    evidence: watch::Sender<Arc<Vec<Evidence>>>,
    metrics: Metrics,
    /// How often a missing certificate is asked for.
    certificate_interval_ms: u64,
    /// How often commands are looked for that the state came to refuse; more than once a view time-out.
    refused_interval_ms: u64,
    round: Round,
}

/// What a round has gathered so far, and what outlives it.
#[derive(Default)]
struct Round {
    records: Vec<Vec<u8>>,
    outgoing: Vec<Outgoing>,
    /// A stable checkpoint below which the write-ahead log may be cut once the store has it.
    cut_below: Option<Sequence>,
    certificate_due_ms: u64,
    refused_due_ms: u64,
    /// The log size at the last time that a certificate was missing.
    uncertified: u64,
}

impl<S: Storage> NodeCore<S> {
    /// A core that continues from what was on disk. It says nothing before [`Self::begin`].
    pub fn new(parts: CoreParts<S>, now: Now) -> Self {
        let CoreParts { config, context, keys, restored, evidence, storage, supply, metrics } = parts;
        metrics.evidence.set(evidence.len() as u64);
        let (certificate_interval_ms, refused_interval_ms) =
            (config.status_interval_ms, config.view_timeout_ms / 3);
        let stable = restored.recovered.stable.clone().map(Into::into);
        let replica = Replica::new(config, context.clone(), keys.clone(), restored.recovered, now);
        let readiness = Readiness::NotReady("the node starts".into());
        Self {
            status: watch::Sender::new(NodeStatus { view: replica.view(), readiness }),
            stable: watch::Sender::new(stable),
            evidence: watch::Sender::new(Arc::new(evidence)),
            ledger: Arc::new(RwLock::new(restored.ledger)),
            agent: AgentId(keys.account.address()),
            replica,
            storage,
            supply,
            context,
            keys,
            metrics,
            certificate_interval_ms,
            refused_interval_ms,
            round: Round::default(),
        }
    }

    /// What the core publishes.
    pub fn watch(&self) -> CoreWatch {
        CoreWatch {
            status: self.status.subscribe(),
            stable: self.stable.subscribe(),
            evidence: self.evidence.subscribe(),
        }
    }

    /// The executed state. Only the core changes it.
    pub fn ledger(&self) -> &Arc<RwLock<Ledger>> {
        &self.ledger
    }

    /// The consensus core, to look at.
    pub fn replica(&self) -> &Replica {
        &self.replica
    }

    /// The storage.
    pub fn storage_mut(&mut self) -> &mut S {
        &mut self.storage
    }

    /// When the core wants a round even if nothing happens, as [`Now::elapsed_ms`]; the past means at once.
    pub fn next_deadline_ms(&self, now: Now) -> u64 {
        self.replica.next_deadline_ms(now)
    }

    /// The first round: says where the replica stands.
    ///
    /// # Errors
    /// As [`Self::take_round`].
    pub fn begin(&mut self, now: Now) -> Result<(), NodeError> {
        self.step(now, Event::Tick)?;
        self.attest_head();
        self.finish_round()
    }

    /// Handles `events`, of which there should be at most [`MAX_ROUND`], and what has become due. Says whether
    /// to go on: not after [`CoreEvent::Shutdown`].
    ///
    /// # Errors
    /// When the storage fails: the node must stop before it promises anything more.
    pub fn take_round(
        &mut self,
        now: Now,
        events: impl IntoIterator<Item = CoreEvent>,
    ) -> Result<bool, NodeError> {
        let mut commands = Vec::new();
        let mut go_on = true;
        for event in events {
            match event {
                // Commands of one round go through one step, so that a backup forwards them together and
                // a primary batches them.
                CoreEvent::Commands(more) => commands.extend(more),
                CoreEvent::Message { from, message } => self.step(now, Event::Message { from, message })?,
                CoreEvent::Attestation(signed) => self.take_attestation(&signed),
                CoreEvent::Certificate(certificate) => self.take_certificate(certificate),
                CoreEvent::CertificateWanted { from, size } => self.supply_certificate(from, size),
                CoreEvent::Anchored(anchored) => self.take_anchor(anchored)?,
                CoreEvent::Failed(error) => return Err(error),
                CoreEvent::Shutdown => go_on = false,
            }
        }
        if commands.is_empty() {
            self.step(now, Event::Tick)?;
        } else {
            self.step(now, Event::Commands(commands))?;
        }
        self.ask_for_certificate(now);
        self.drop_refused_commands(now);
        self.finish_round()?;
        Ok(go_on)
    }

    /// Steps the consensus core and carries out its effects, those of executing batches included.
    fn step(&mut self, now: Now, event: Event) -> Result<(), NodeError> {
        let mut effects = VecDeque::from(self.replica.step(now, event));
        while let Some(effect) = effects.pop_front() {
            match effect {
                Effect::Persist(record) => self.round.records.push(record.encode()),
                Effect::Send { to, message } => self.say(Some(to), &Frame::Consensus(message)),
                Effect::Broadcast(message) => self.say(None, &Frame::Consensus(message)),
                Effect::Execute { committed, checkpoint } => {
                    if let Some(executed) = self.execute(committed, checkpoint)? {
                        effects.extend(self.replica.step(now, Event::Executed(executed)));
                    }
                }
                Effect::Stable(certificate) => {
                    let sequence = certificate.checkpoint.sequence;
                    tracing::debug!(%sequence, "a checkpoint is stable");
                    self.storage.write(Write::Stable(certificate.clone()))?;
                    self.round.cut_below = Some(sequence);
                    self.stable.send_replace(Some(certificate.into()));
                }
                Effect::SupplyBatches { to, from } => {
                    self.round.outgoing.push(Outgoing::Batches { to, from });
                }
                Effect::ViewChanged { view, active } => {
                    tracing::info!(%view, active, primary = self.replica.is_primary(), "the view changed");
                    self.metrics.view.set(view.0);
                    self.metrics.view_changes.inc();
                }
                Effect::Evidence(evidence) => self.keep_evidence(&evidence)?,
                Effect::EpochEnded(_) | Effect::FetchState(_) => {}
                Effect::Diverged { sequence } => self.diverge(sequence),
            }
        }
        Ok(())
    }

    fn say(&mut self, to: Option<ReplicaIndex>, frame: &Frame) {
        let bytes: Arc<[u8]> = frame.encode().into();
        self.round.outgoing.push(match to {
            Some(to) => Outgoing::To(to, bytes),
            None => Outgoing::All(bytes),
        });
    }

    /// Executes a batch, attests to the log after it and queues it for the store. Nothing, if the ledger
    /// contradicts the group and executes no more.
    fn execute(
        &mut self,
        committed: CommittedBatch,
        checkpoint: bool,
    ) -> Result<Option<Executed>, NodeError> {
        let sequence = committed.sequence;
        let batch = &committed.batch;
        let (executed, next_due, change_pending, state) = {
            let mut ledger = self.write_ledger();
            if ledger.divergence().is_some() {
                return Ok(None);
            }
            let executed = ledger
                .execute(sequence, batch.timestamp, &batch.commands, checkpoint)
                .map_err(|error| NodeError::Invariant(format!("executing batch {sequence}: {error}")))?;
            let state = checkpoint.then(|| (ledger.summary(), ledger.take_changes()));
            (executed, ledger.state().next_due(), ledger.state().change_pending(), state)
        };
        self.metrics.count_batch(&executed);
        let entries = executed.records.len();
        if entries > 0 {
            self.attest_head();
        }
        let records: Vec<EntryRecord> = executed.records.into_iter().map(Arc::unwrap_or_clone).collect();
        self.storage.write(Write::Executed { sequence, batch: committed.encode(), records })?;
        self.supply.push(committed);
        let state = match state {
            None => None,
            Some((summary, changes)) => {
                self.storage.write(Write::State { sequence, changes })?;
                Some(summary)
            }
        };
        Ok(Some(Executed { sequence, entries, next_due, state, change_pending }))
    }

    /// Attests to the log as it is and tells everybody.
    fn attest_head(&mut self) {
        let head = self.write_ledger().head();
        let signed = SignedHead::sign(&self.context.identity, head, self.agent, &self.keys.agent);
        self.say(None, &Frame::Attestation(signed));
        // The signature was made just now.
        self.take_attestation(&Verified::vouch(signed));
    }

    fn take_attestation(&mut self, signed: &Verified<SignedHead>) {
        self.write_ledger().attest(signed);
    }

    fn take_certificate(&mut self, certificate: LogCertificate) {
        let taken = self.write_ledger().offer_certificate(certificate);
        if let Err(error) = taken {
            tracing::debug!(%error, "a peer's certificate was refused");
        }
    }

    fn supply_certificate(&mut self, to: ReplicaIndex, size: u64) {
        let certificate = self.write_ledger().certificate().filter(|known| known.head.size >= size).cloned();
        if let Some(certificate) = certificate {
            self.say(Some(to), &Frame::Certificate(certificate));
        }
    }

    /// A log that stays without a certificate has lost attestations, in a restart or on a broken link.
    fn ask_for_certificate(&mut self, now: Now) {
        let now_ms = now.elapsed_ms;
        if now_ms < self.round.certificate_due_ms {
            return;
        }
        self.round.certificate_due_ms = now_ms + self.certificate_interval_ms;
        let (size, certified) = {
            let ledger = self.write_ledger();
            (ledger.head().size, ledger.certified_size())
        };
        if certified < size && self.round.uncertified == size {
            self.attest_head();
            self.say(None, &Frame::CertificateWanted(size));
        }
        self.round.uncertified = if certified < size { size } else { 0 };
    }

    /// Takes commands out of the pool that the state came to refuse: their nonce is used by now, or they
    /// expired. No primary takes them up, and waiting for them would cost one view after another.
    fn drop_refused_commands(&mut self, now: Now) {
        if now.elapsed_ms < self.round.refused_due_ms {
            return;
        }
        self.round.refused_due_ms = now.elapsed_ms + self.refused_interval_ms;
        let ledger = self.ledger.read().expect(NOT_POISONED);
        self.replica
            .retain_commands(now, |command| matches!(ledger.admit(now.wall, command), Admission::Order));
    }

    fn take_anchor(&mut self, anchored: AnchoredLog) -> Result<(), NodeError> {
        if !self.write_ledger().anchor(anchored) {
            return Ok(());
        }
        let anchor = quorate_protocol::codec::encode(&anchored);
        self.storage.write(Write::Anchor { size: anchored.size, anchor })
    }

    fn keep_evidence(&mut self, evidence: &Evidence) -> Result<(), NodeError> {
        tracing::warn!(replica = %evidence.replica(), ?evidence, "a replica contradicted itself");
        self.metrics.evidence.inc();
        self.evidence.send_modify(|held| Arc::make_mut(held).push(evidence.clone()));
        self.storage.write(Write::Evidence(quorate_protocol::codec::encode(evidence)))
    }

    /// A quorum signed another state than this replica's at a checkpoint.
    fn diverge(&mut self, sequence: Sequence) {
        let theirs = self.replica.stable_checkpoint().map(|stable| stable.checkpoint.clone());
        let mut ledger = self.write_ledger();
        let size = ledger.head().size;
        let ours = ledger.head().root;
        let (size, theirs) =
            theirs.map_or((size, Digest::default()), |checkpoint| (checkpoint.log_size, checkpoint.log_root));
        tracing::error!(%sequence, "the state differs from a quorum's at a checkpoint");
        ledger.mark_diverged(Divergence { size, ours, theirs });
    }

    /// Hands the round to the write-ahead log, and cuts that where the store has caught up.
    fn finish_round(&mut self) -> Result<(), NodeError> {
        let records = std::mem::take(&mut self.round.records);
        let outgoing = std::mem::take(&mut self.round.outgoing);
        if !records.is_empty() || !outgoing.is_empty() {
            self.storage.persist(records, outgoing)?;
        }
        let stored = self.storage.stored()?;
        if self.round.cut_below.is_some_and(|sequence| stored >= Some(sequence)) {
            self.round.cut_below = None;
            let records = self.replica.durable_records().iter().map(|record| record.encode()).collect();
            self.storage.rotate(records)?;
        }
        self.publish();
        Ok(())
    }

    fn publish(&self) {
        let status = NodeStatus { view: self.replica.view(), readiness: self.readiness() };
        self.status.send_if_modified(|last| {
            let changed = *last != status;
            *last = status;
            changed
        });
        let progress = *self.ledger.read().expect(NOT_POISONED).progress().borrow();
        self.metrics.set_progress(progress);
    }

    fn readiness(&self) -> Readiness {
        let connected = usize::try_from(self.metrics.peers_connected.get()).unwrap_or(usize::MAX);
        let needed = self.context.replicas.quorum() - 1;
        if self.replica.view_state() == ViewState::Changing {
            Readiness::NotReady(format!("waiting for view {} to open", self.replica.view()))
        } else if self.replica.is_behind() {
            Readiness::NotReady(format!("catching up from sequence {}", self.replica.last_executed()))
        } else if connected < needed {
            Readiness::NotReady(format!("{connected} peers connected, {needed} make a quorum with this one"))
        } else {
            Readiness::Ready
        }
    }

    fn write_ledger(&self) -> std::sync::RwLockWriteGuard<'_, Ledger> {
        self.ledger.write().expect(NOT_POISONED)
    }
}

/// A panic while executing leaves a state that nothing may be promised on.
const NOT_POISONED: &str = "nothing panics while it holds the ledger";
