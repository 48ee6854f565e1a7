//! A round: events in, the steps of the consensus core and their effects, records and messages out.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use quorate_pbft::{Effect, Event, Message, Now, Record};
use quorate_protocol::faults::{self, Fault};
use quorate_protocol::{AgentId, Epoch, Sequence, Verified, codec};

use super::recovery::EpochRecord;
use super::{BatchesWanted, CoreEvent, NodeCore, Outgoing, Storage};
use crate::error::NodeError;
use crate::frame::Frame;
use crate::store::Write;

/// The most events of one round; more wait for the next, so that messages leave in between.
pub const MAX_ROUND: usize = 512;

/// What a round has gathered so far, and what outlives it.
#[derive(Default)]
pub(super) struct Round {
    pub(super) records: Vec<Vec<u8>>,
    pub(super) outgoing: Vec<Outgoing>,
    /// A stable checkpoint below which the write-ahead log may be cut once the store has it.
    pub(super) cut_below: Option<Sequence>,
    pub(super) certificate_due_ms: u64,
    pub(super) refused_due_ms: u64,
    /// When each peer may be asked for handovers again.
    pub(super) asked_until_ms: BTreeMap<AgentId, u64>,
    /// When each peer is told again how epochs ended. An answer is far larger than what asks for it.
    pub(super) told_until_ms: BTreeMap<AgentId, u64>,
    /// When a state that contradicts a quorum's again may be fetched again.
    pub(super) refetch_due_ms: u64,
    /// The log size at the last time that a certificate was missing.
    pub(super) uncertified: u64,
}

impl<S: Storage> NodeCore<S> {
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
    pub(super) fn step(&mut self, now: Now, event: Event) -> Result<(), NodeError> {
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
    pub(super) fn carry_out(&mut self, effect: Effect) -> Result<(), NodeError> {
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

    pub(super) fn say(&mut self, to: Option<AgentId>, frame: &Frame) {
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
