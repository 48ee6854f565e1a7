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

mod epochs;
mod fetching;
mod inbound;
mod inbox;
mod ledger;
mod outbox;
mod recovery;
mod states;
mod status;
mod storage;
mod supply;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, RwLock};

use quorate_pbft::{Config, Context, Effect, Event, Message, Now, Record, Replica, ReplicaKeys};
use quorate_protocol::faults::{self, Fault};
use quorate_protocol::{
    AgentId, Checkpoint, Epoch, Group, GroupIdentity, Handover, LogCertificate, Sequence, SignedCommand,
    Verified, View, codec,
};
use tokio::sync::watch;

use crate::anchored::{
    AnchoredLog, EvidenceReceiver, InboxTakenReceiver, InboxTakenSender, InboxView, StableReceiver,
    StableSender,
};
use crate::api::{NodeStatus, Readiness};
use crate::era::EraStart;
use crate::error::NodeError;
use crate::evidence::HeldEvidence;
use crate::frame::Frame;
use crate::ledger::{Ledger, SignedHead};
use crate::metrics::Metrics;
use crate::store::{Store, Write};
use crate::transfer::TransferMessage;
pub use inbound::{Blame, Inbound, Unverified};
pub use outbox::{BatchesWanted, Outgoing};
pub(crate) use recovery::from_store;
pub use recovery::{Restored, Trust, WalContents, last_spoken, restore};
pub use states::TakenState;
pub use storage::{Storage, Stored};
pub use supply::Supply;

use fetching::Fetching;
use inbox::InboxWatch;
use recovery::EpochRecord;

/// The most events of one round; more wait for the next, so that messages leave in between.
pub const MAX_ROUND: usize = 512;

/// A core that waits for its store asks it again after so long, in milliseconds.
const STORE_POLL_MS: u64 = 10;

/// What the rest of the node tells the core. What is called verified is; the rest proves itself or is only a
/// claim.
#[derive(Debug)]
pub enum CoreEvent {
    /// A peer's message.
    Message {
        /// Whose link it came over.
        from: AgentId,
        /// The epoch in which it was verified. In another one it means nothing.
        epoch: Epoch,
        /// The message.
        message: Verified<Message>,
    },
    /// A message of an epoch that is over here: its sender is behind.
    Straggler {
        /// Who is behind.
        from: AgentId,
        /// In which epoch.
        epoch: Epoch,
        /// What it said; only what is not signed is of use.
        message: Message,
    },
    /// A message of an epoch that is yet to come here: this node is behind.
    Ahead {
        /// Who is ahead.
        from: AgentId,
    },
    /// Commands from clients.
    Commands(Vec<Verified<SignedCommand>>),
    /// A replica's attestation, verified with its key of an epoch.
    Attestation(Epoch, Verified<SignedHead>),
    /// A certificate from a peer; the ledger checks it.
    Certificate(LogCertificate),
    /// A peer lacks a certificate that covers so many entries.
    CertificateWanted {
        /// Who lacks it.
        from: AgentId,
        /// The entries that it must cover.
        size: u64,
    },
    /// A peer wants to know how this epoch ended, and the later ones.
    HandoversWanted {
        /// Who.
        from: AgentId,
        /// From which epoch on.
        epoch: Epoch,
    },
    /// How epochs ended, as a peer says; each is verified before it is believed.
    Handovers {
        /// Who says so.
        from: AgentId,
        /// In order.
        handovers: Vec<Handover>,
    },
    /// A message of a state transfer.
    Transfer {
        /// Whose link it came over.
        from: AgentId,
        /// The message, with nothing in it checked.
        message: Box<TransferMessage>,
    },
    /// The newest anchor that the canonical chain has of the group, or that it has none (any more).
    Anchored(Option<AnchoredLog>),
    /// What the contract's inbox has in the chain's final blocks.
    Inbox(InboxView),
    /// The epoch that the contract has the group in at the final block.
    ContractEpoch(Epoch),
    /// Part of the storage failed: the node stops.
    Failed(NodeError),
    /// Stop after this round.
    Shutdown,
}

/// What a core starts from.
pub struct CoreParts<S> {
    /// The protocol's sizes and times.
    pub config: Config,
    /// The replica's keys.
    pub keys: ReplicaKeys,
    /// What was on disk.
    pub restored: Restored,
    /// The evidence that was on disk.
    pub evidence: HeldEvidence,
    /// Where records, messages and writes go.
    pub storage: S,
    /// The store that `storage` writes to, to start anew from it when a fetched state is installed.
    pub store: Store,
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
    /// The same with every valid signature on it that the node has. Which of them count is the contract's to say.
    pub gathered: StableReceiver,
    /// All evidence of replicas that contradicted themselves.
    pub evidence: EvidenceReceiver,
    /// The epoch that the node is in, with its replicas: who the peers are.
    pub context: watch::Receiver<Arc<Context>>,
    /// How the epochs so far ended, in order.
    pub handovers: watch::Receiver<Arc<Vec<Handover>>>,
    /// How many messages of the contract's inbox are taken.
    pub inbox_taken: InboxTakenReceiver,
}

/// The logic of a node; see the module's page.
pub struct NodeCore<S> {
    config: Config,
    identity: GroupIdentity,
    keys: ReplicaKeys,
    agent: AgentId,
    /// Nothing while the node is no replica of an epoch whose state it has.
    replica: Option<Replica>,
    /// A fetch of the group's state. Until it is done, the replica takes part in nothing.
    fetching: Option<Fetching>,
    ledger: Arc<RwLock<Ledger>>,
    storage: S,
    store: Store,
    supply: Supply,
    /// Records of epochs that this node is yet to come to, from before a crash.
    later: BTreeMap<Epoch, Vec<Record>>,
    handovers: BTreeMap<Epoch, Handover>,
    /// Where the era begins that the node is in; nothing in the first.
    era: Option<EraStart>,
    /// The latest group whose members are proven; consensus may be behind it.
    proven: Group,
    /// States at checkpoints that are not stable yet, in order.
    taken: Vec<TakenState>,
    /// The group that the node was started with.
    known: Group,
    silent_until: Option<Epoch>,
    /// The last checkpoint that the key signed.
    signed: Option<Checkpoint>,
    /// When this node stops, because the group has no place for it any more, and what it says then.
    leaving: Option<(u64, NodeError)>,
    status: watch::Sender<NodeStatus>,
    stable: StableSender,
    gathered: StableSender,
    evidence: watch::Sender<Arc<HeldEvidence>>,
    context: watch::Sender<Arc<Context>>,
    proofs: watch::Sender<Arc<Vec<Handover>>>,
    inbox: InboxWatch,
    inbox_taken: InboxTakenSender,
    metrics: Metrics,
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
    /// When each peer may be asked for handovers again.
    asked_until_ms: BTreeMap<AgentId, u64>,
    /// When each peer is told again how epochs ended. An answer is far larger than what asks for it.
    told_until_ms: BTreeMap<AgentId, u64>,
    /// When a state that contradicts a quorum's again may be fetched again.
    refetch_due_ms: u64,
    /// The log size at the last time that a certificate was missing.
    uncertified: u64,
}

impl<S: Storage> NodeCore<S> {
    /// A core that continues from what was on disk. It says nothing before [`Self::begin`].
    ///
    /// # Errors
    /// [`NodeError::NotAReplica`] or [`NodeError::OtherKey`] when the keys are no replica's of the epoch that
    /// the node is in, nor of the latest one that it knows of.
    pub fn new(parts: CoreParts<S>, now: Now) -> Result<Self, NodeError> {
        let CoreParts { config, keys, restored, evidence, storage, store, supply, metrics } = parts;
        let Restored {
            ledger,
            recovered,
            later,
            handovers,
            proven,
            known,
            silent_until,
            signed,
            fetch,
            taken,
            era,
        } = restored;
        metrics.evidence.set(evidence.len() as u64);
        let (group, closed) = (Arc::clone(ledger.group()), ledger.is_closed());
        let proofs: Vec<Handover> = handovers.values().cloned().collect();
        let mut core = Self {
            identity: group.identity,
            agent: AgentId(keys.account.address()),
            status: watch::Sender::new(NodeStatus {
                view: View(0),
                readiness: Readiness::NotReady("the node starts".into()),
            }),
            stable: watch::Sender::new(recovered.stable.clone()),
            gathered: watch::Sender::new(recovered.stable.clone()),
            evidence: watch::Sender::new(Arc::new(evidence)),
            context: watch::Sender::new(Arc::new(Context::of(
                &group,
                epochs::base_of(&handovers, era.as_ref(), &group),
            ))),
            proofs: watch::Sender::new(Arc::new(proofs)),
            ledger: Arc::new(RwLock::new(ledger)),
            replica: None,
            fetching: None,
            config,
            keys,
            storage,
            store,
            supply,
            later,
            handovers,
            era,
            proven,
            taken,
            known,
            silent_until,
            signed,
            leaving: None,
            inbox: InboxWatch::default(),
            inbox_taken: watch::Sender::new(0),
            metrics,
            round: Round::default(),
        };
        let takes_part = core.place_in(&group).is_ok();
        if takes_part && !closed {
            core.start_replica(now, recovered)?;
        }
        if let Some(progress) = fetch {
            core.resume_fetch(progress)?;
        } else if closed || !takes_part {
            if !closed {
                // A key of a later epoch than the stored one has its place there, proven here or not yet.
                core.place_in(core.latest())?;
            }
            core.fetch_state(now, None, !closed)?;
        }
        Ok(core)
    }

    /// What the core publishes.
    pub fn watch(&self) -> CoreWatch {
        CoreWatch {
            status: self.status.subscribe(),
            stable: self.stable.subscribe(),
            gathered: self.gathered.subscribe(),
            evidence: self.evidence.subscribe(),
            context: self.context.subscribe(),
            handovers: self.proofs.subscribe(),
            inbox_taken: self.inbox_taken.subscribe(),
        }
    }

    /// Turns frames of peers into events, in whatever epoch the core is.
    pub fn inbound(&self) -> Inbound {
        Inbound::new(self.context.subscribe(), Arc::clone(&self.ledger))
    }

    /// The executed state. Only the core changes it.
    pub fn ledger(&self) -> &Arc<RwLock<Ledger>> {
        &self.ledger
    }

    /// The consensus core, to look at; nothing while the node takes part in no epoch.
    pub fn replica(&self) -> Option<&Replica> {
        self.replica.as_ref().filter(|_| self.fetching.is_none())
    }

    /// How far the fetch of the group's state is, if there is one.
    pub fn fetch_progress(&self) -> Option<crate::transfer::Progress> {
        self.fetching.as_ref().map(|fetching| fetching.progress())
    }

    /// The storage.
    pub fn storage_mut(&mut self) -> &mut S {
        &mut self.storage
    }

    /// When the core wants a round even if nothing happens, as [`Now::elapsed_ms`]; the past means at once.
    pub fn next_deadline_ms(&self, now: Now) -> u64 {
        let replica = self.replica().map(|replica| replica.next_deadline_ms(now));
        let fetching = self.fetching.as_ref().map(Fetching::next_deadline_ms);
        let leaving = self.leaving.as_ref().map(|(at_ms, _)| *at_ms);
        let awaits = self.replica().and_then(Replica::awaits_storage);
        let stored = awaits.map(|_| now.elapsed_ms.saturating_add(STORE_POLL_MS));
        let inbox = self.inbox.next_deadline_ms();
        let wanted = replica.into_iter().chain(fetching).chain(leaving).chain(stored).chain(inbox);
        wanted.min().unwrap_or(u64::MAX)
    }

    /// The first round: says where the replica stands.
    ///
    /// # Errors
    /// As [`Self::take_round`].
    pub fn begin(&mut self, now: Now) -> Result<(), NodeError> {
        self.settle_states()?;
        self.note_durable(now)?;
        self.step(now, Event::Tick)?;
        self.tick_fetch(now)?;
        self.attest_head();
        self.speak_of_inbox(now)?;
        self.finish_round(now)
    }

    /// Handles `events`, of which there should be at most [`MAX_ROUND`], and what has become due. Says whether
    /// to go on: not after [`CoreEvent::Shutdown`].
    ///
    /// # Errors
    /// When the storage fails: the node must stop before it promises anything more. And some seconds after the
    /// group has left this node behind ([`NodeError::NotAReplica`], [`NodeError::OtherKey`]).
    pub fn take_round(
        &mut self,
        now: Now,
        events: impl IntoIterator<Item = CoreEvent>,
    ) -> Result<bool, NodeError> {
        self.note_durable(now)?;
        let mut commands = Vec::new();
        let mut go_on = true;
        for event in events {
            match event {
                // Commands of one round go through one step, so that a backup forwards them together and
                // a primary batches them.
                CoreEvent::Commands(more) => commands.extend(more),
                CoreEvent::Message { from, epoch, message } => {
                    self.take_message(now, from, epoch, message)?
                }
                CoreEvent::Straggler { from, epoch, message } => {
                    self.help_straggler(now, from, epoch, &message);
                }
                CoreEvent::Ahead { from } => self.ask_for_handovers(now, from),
                CoreEvent::HandoversWanted { from, epoch } => {
                    self.supply_handovers(now, from, epoch);
                }
                CoreEvent::Handovers { from, handovers } => self.take_handovers(now, from, handovers)?,
                CoreEvent::Transfer { from, message } => self.take_transfer(now, from, *message)?,
                CoreEvent::Attestation(epoch, signed) => {
                    if epoch == self.context.borrow().epoch {
                        self.take_attestation(&signed);
                    }
                }
                CoreEvent::Certificate(certificate) => self.take_certificate(certificate),
                CoreEvent::CertificateWanted { from, size } => self.supply_certificate(from, size),
                CoreEvent::Anchored(anchored) => self.take_anchor(anchored)?,
                CoreEvent::Inbox(view) => self.see_inbox(view),
                CoreEvent::ContractEpoch(epoch) => self.check_era(epoch)?,
                CoreEvent::Failed(error) => return Err(error),
                CoreEvent::Shutdown => go_on = false,
            }
        }
        if commands.is_empty() {
            self.step(now, Event::Tick)?;
        } else {
            self.step(now, Event::Commands(commands))?;
        }
        self.mend_divergence(now)?;
        self.tick_fetch(now)?;
        self.ask_for_certificate(now);
        self.drop_refused_commands(now);
        self.speak_of_inbox(now)?;
        self.finish_round(now)?;
        match self.leaving.take_if(|(at_ms, _)| now.elapsed_ms >= *at_ms) {
            Some((_, gone)) => Err(gone),
            None => Ok(go_on),
        }
    }

    /// A peer's message counts in the epoch that it was verified in.
    fn take_message(
        &mut self,
        now: Now,
        from: AgentId,
        epoch: Epoch,
        message: Verified<Message>,
    ) -> Result<(), NodeError> {
        let context = self.context.borrow().clone();
        match context.replicas.index_of(from) {
            Some(from) if epoch == context.epoch => self.step(now, Event::Message { from, message }),
            _ => Ok(()),
        }
    }

    /// Steps the consensus core and carries out its effects, those of executing batches included.
    fn step(&mut self, now: Now, event: Event) -> Result<(), NodeError> {
        let Some(replica) = self.replica.as_mut().filter(|_| self.fetching.is_none()) else { return Ok(()) };
        let mut effects = VecDeque::from(replica.step(now, event));
        while let Some(effect) = effects.pop_front() {
            match effect {
                Effect::Execute { committed, checkpoint } => {
                    if let Some(executed) = self.execute(committed, checkpoint)?
                        && let Some(replica) = &mut self.replica
                    {
                        effects.extend(replica.step(now, Event::Executed(executed)));
                    }
                }
                // Whatever else the replica of the old epoch wanted is said by then.
                Effect::EpochEnded(certificate) => return self.enter_next_epoch(now, certificate),
                Effect::FetchState(certificate) => return self.fetch_state(now, Some(certificate), true),
                effect => self.carry_out(effect)?,
            }
        }
        Ok(())
    }

    /// Carries out an effect that changes neither the ledger's state nor the epoch.
    fn carry_out(&mut self, effect: Effect) -> Result<(), NodeError> {
        let epoch = self.context.borrow().epoch;
        match effect {
            Effect::Persist(record) => {
                if let Record::Checkpoint(signed) = &record {
                    self.note_signed(&signed.checkpoint)?;
                }
                self.round.records.push(codec::encode(&EpochRecord { epoch, record }))
            }
            Effect::Send { to, message } => {
                let to = self.context.borrow().replicas.at(to).map(|member| member.agent);
                if let Some(to) = to {
                    self.say(Some(to), &Frame::Consensus { epoch, message });
                }
            }
            Effect::Broadcast(message) => self.say(None, &Frame::Consensus { epoch, message }),
            Effect::Stable(certificate) => {
                let sequence = certificate.checkpoint.sequence;
                tracing::debug!(%sequence, "a checkpoint is stable");
                self.storage.write(Write::Stable(certificate.clone()))?;
                self.round.cut_below = Some(sequence);
                self.stable.send_replace(Some(certificate));
                self.settle_states()?;
            }
            Effect::Gathered(certificate) => {
                self.gathered.send_replace(Some(certificate));
            }
            Effect::Withheld { sequence } => {
                tracing::error!(
                    %sequence, signed = ?self.signed,
                    "this replica signs no checkpoints: its log is not the one that its key signed"
                );
            }
            Effect::SupplyBatches { to, from } => {
                let to = self.context.borrow().replicas.at(to).map(|member| member.agent);
                let wanted = BatchesWanted { epoch, from, last: None };
                self.round.outgoing.extend(to.map(|to| Outgoing::Batches { to, wanted }));
            }
            Effect::ViewChanged { view, active } => {
                tracing::info!(%view, active, "the view changed");
                self.metrics.view.set(view.0);
                self.metrics.view_changes.inc();
            }
            Effect::Evidence(evidence) => self.keep_evidence(&evidence)?,
            Effect::Diverged { sequence } => self.diverge(sequence),
            Effect::Execute { .. } | Effect::EpochEnded(_) | Effect::FetchState(_) => {
                unreachable!("these are carried out one level above")
            }
        }
        Ok(())
    }

    fn say(&mut self, to: Option<AgentId>, frame: &Frame) {
        let bytes: Arc<[u8]> = frame.encode().into();
        self.round.outgoing.push(match to {
            Some(to) => Outgoing::To(to, bytes),
            None => Outgoing::All(bytes),
        });
    }

    /// Hands the round to the write-ahead log, and cuts that where the store has caught up.
    fn finish_round(&mut self, now: Now) -> Result<(), NodeError> {
        let records = std::mem::take(&mut self.round.records);
        let mut outgoing = std::mem::take(&mut self.round.outgoing);
        if faults::is_on(Fault::SentBeforeRecorded) {
            self.storage.persist(Vec::new(), std::mem::take(&mut outgoing))?;
        }
        if !records.is_empty() || !outgoing.is_empty() {
            self.storage.persist(records, outgoing)?;
        }
        let stored = self.storage.stored()?;
        if self.round.cut_below.is_some_and(|sequence| stored.sequence >= Some(sequence)) {
            self.round.cut_below = None;
            self.rotate_records()?;
        }
        self.note_stored(now, stored.fetch_steps)?;
        self.publish();
        Ok(())
    }

    /// Lets what the replica must remember stand for all records so far. That is also what it said in later
    /// epochs: after a crash that the store did not keep up with, this node is yet to come to them again.
    fn rotate_records(&mut self) -> Result<(), NodeError> {
        let Some(replica) = &self.replica else { return Ok(()) };
        let now = (replica.context().epoch, replica.durable_records());
        let later = self.later.iter().map(|(epoch, records)| (*epoch, records.clone()));
        let records = std::iter::once(now).chain(later).flat_map(|(epoch, records)| {
            records.into_iter().map(move |record| codec::encode(&EpochRecord { epoch, record }))
        });
        self.storage.rotate(records.collect())
    }
}

/// A panic while executing leaves a state that nothing may be promised on.
pub(crate) const NOT_POISONED: &str = "nothing panics while it holds the ledger";
