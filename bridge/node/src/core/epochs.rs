//! From one epoch to the next: handing over, taking up, and helping those who are behind.

use std::collections::BTreeMap;
use std::sync::Arc;

use quorate_pbft::message::Status;
use quorate_pbft::{Context, Event, Message, Now, Recovered, Replica};
use quorate_protocol::faults::{self, Fault};
use quorate_protocol::{
    AgentId, CheckpointCertificate, Epoch, Group, Handover, ReplicaIndex, Sequence, Verified,
};

use super::{BatchesWanted, NodeCore, Outgoing, Storage};
use crate::era::EraStart;
use crate::error::NodeError;
use crate::frame::{Frame, MAX_HANDOVERS};
use crate::store::Write;

/// How long a replica stays that the next epoch has no place for, in milliseconds.
const LINGER_MS: u64 = 5_000;

/// The last sequence before the epoch of `group`: that of the checkpoint which ended the epoch before, or of the anchor
/// behind which its era begins.
pub(super) fn base_of(
    handovers: &BTreeMap<Epoch, Handover>,
    era: Option<&EraStart>,
    group: &Group,
) -> Sequence {
    let handover = group.epoch.before().and_then(|before| handovers.get(&before));
    let begins = era.filter(|era| era.epoch == group.epoch).map(|era| era.sequence);
    handover.map(|handover| handover.certificate.checkpoint.sequence).or(begins).unwrap_or(Sequence(0))
}

impl<S: Storage> NodeCore<S> {
    /// This node's place among the replicas of `group`.
    ///
    /// # Errors
    /// [`NodeError::NotAReplica`] when it has none, [`NodeError::OtherKey`] when it has it under another key.
    pub(super) fn place_in(&self, group: &Group) -> Result<ReplicaIndex, NodeError> {
        let replicas = group.replicas();
        let index = replicas.index_of(self.agent).ok_or(NodeError::NotAReplica { agent: self.agent })?;
        let (own, known) = (self.keys.agent.public(), replicas.at(index).map(|member| member.key));
        match known.filter(|known| *known != own) {
            Some(known) => Err(NodeError::OtherKey { agent: self.agent, epoch: group.epoch, own, known }),
            None => Ok(index),
        }
    }

    /// The last sequence before the epoch of `group`.
    pub(super) fn base_of(&self, group: &Group) -> Sequence {
        base_of(&self.handovers, self.era.as_ref(), group)
    }

    /// The latest group that this node knows of, proven here or vouched for by whoever started it.
    pub(super) fn latest(&self) -> &Group {
        if self.known.epoch > self.proven.epoch { &self.known } else { &self.proven }
    }

    /// The old epoch's last checkpoint is executed and stable here: takes part in the next one.
    ///
    /// # Errors
    /// When the storage fails.
    pub(super) fn enter_next_epoch(
        &mut self,
        now: Now,
        certificate: CheckpointCertificate,
    ) -> Result<(), NodeError> {
        let (next, mandate) = {
            let ledger = self.write_ledger();
            (ledger.state().group().clone(), ledger.state().mandate().cloned())
        };
        let certificate = self.with_all_signatures(certificate);
        let handover = Handover { certificate, members: next.members.clone(), mandate };
        if let Err(gone) = self.place_in(&next) {
            return self.linger(now, handover, gone);
        }
        tracing::info!(epoch = %next.epoch, members = next.members.len(), "a new epoch begins");
        self.write_ledger().enter_epoch();
        self.keep_handover(handover, Some(next.clone()))?;
        if next.epoch > self.proven.epoch {
            self.proven = next.clone();
        }
        let recovered = {
            let records = self.later.remove(&next.epoch).unwrap_or_default();
            let standing = super::recovery::standing(&mut self.write_ledger());
            Recovered { records, ..standing }
        };
        self.start_replica(now, recovered)?;
        // Not yet with the boundary itself: the handover is behind it in the store's queue, and the old epoch's
        // records must outlive it.
        self.round.cut_below = Some(self.base_of(&next).next());
        self.attest_head();
        Ok(())
    }

    /// The same checkpoint with every valid signature on it that is known here: fewer may count for the contract than
    /// make it stable.
    fn with_all_signatures(&self, certificate: CheckpointCertificate) -> CheckpointCertificate {
        let gathered = self.gathered.borrow().clone();
        gathered.filter(|gathered| gathered.checkpoint == certificate.checkpoint).unwrap_or(certificate)
    }

    /// The next epoch has no place for this replica. The checkpoint that ended its own may be stable by its
    /// signature alone, so it stays a while to repeat what it said, and then stops.
    fn linger(&mut self, now: Now, handover: Handover, gone: NodeError) -> Result<(), NodeError> {
        tracing::warn!(%gone, "this replica's last epoch is over; it stops in {} s", LINGER_MS / 1_000);
        self.say(None, &Frame::Handovers(vec![handover.clone()]));
        self.keep_handover(handover, None)?;
        self.leaving = Some((now.elapsed_ms + LINGER_MS, gone));
        Ok(())
    }

    /// What was not anchored when the voters replaced the replicas is void, and so is all that this node would say.
    ///
    /// # Errors
    /// [`NodeError::Recovered`] when the contract's epoch is of a later era.
    pub(super) fn check_era(&self, contract: Epoch) -> Result<(), NodeError> {
        let epoch = self.context.borrow().epoch;
        if contract.era() > epoch.era() { Err(NodeError::Recovered { epoch, contract }) } else { Ok(()) }
    }

    /// Keeps a verified handover; with it the group whose consensus this node is in from here on.
    pub(super) fn keep_handover(
        &mut self,
        handover: Handover,
        group: Option<Group>,
    ) -> Result<(), NodeError> {
        self.storage.write(Write::Handover { handover: Box::new(handover.clone()), group })?;
        self.handovers.insert(handover.from(), handover);
        self.proofs.send_replace(Arc::new(self.handovers.values().cloned().collect()));
        // Whoever joins learns only now where its epoch begins, and judges no view change before.
        self.context.send_if_modified(|context| {
            let group = Arc::clone(self.ledger.read().expect(super::NOT_POISONED).group());
            let base = self.base_of(&group);
            let learns = context.epoch == group.epoch && context.base != base;
            if learns {
                *context = Arc::new(Context::of(&group, base));
            }
            learns
        });
        Ok(())
    }

    /// A node that has no place in its epoch, and looks for the state of a later one, may have that already: it
    /// executed all of its epoch before it stopped, or before it got its new key.
    fn enter_without_fetching(&mut self, now: Now, epoch: Epoch) -> Result<(), NodeError> {
        let Some(handover) = self.handovers.get(&epoch).filter(|_| self.is_aimless()).cloned() else {
            return Ok(());
        };
        let checkpoint = &handover.certificate.checkpoint;
        let has_it = {
            let mut ledger = self.write_ledger();
            let usable = !ledger.is_closed() && ledger.divergence().is_none() && ledger.epoch_is_over();
            usable && {
                let ours = ledger.summary();
                (ours.log_root, ours.state_root) == (checkpoint.log_root, checkpoint.state_root)
            }
        };
        if !has_it {
            return Ok(());
        }
        self.stop_fetching();
        self.enter_next_epoch(now, handover.certificate)
    }

    /// Makes a replica for the ledger's epoch, which takes over the commands that wait at the one before.
    ///
    /// # Errors
    /// When it cannot be made durable that the key speaks in the epoch.
    pub(super) fn start_replica(&mut self, now: Now, recovered: Recovered) -> Result<(), NodeError> {
        let group = Arc::clone(self.write_ledger().group());
        let context = Context::of(&group, self.base_of(&group));
        let silent = self.silent_until.is_some_and(|until| group.epoch <= until)
            && !faults::is_on(Fault::SilenceBroken);
        if !silent {
            self.storage.speaks_in(group.epoch)?;
        }
        let (pending, words) = self.replica.take().map(Replica::into_successor).unwrap_or_default();
        let before = group.epoch.before().and_then(|before| self.handovers.get(&before));
        let before = before.map(|handover| handover.certificate.clone());
        let recovered = Recovered { silent, signed: self.signed.clone(), words, before, ..recovered };
        let mut replica =
            Replica::new(self.config.clone(), context.clone(), self.keys.clone(), recovered, now);
        self.metrics.epoch.set(group.epoch.0);
        self.metrics.view.set(replica.view().0);
        self.context.send_replace(Arc::new(context));
        // They were verified when they came; what they are signed for is not the epoch's.
        let pending: Vec<_> = pending.into_iter().map(Verified::vouch).collect();
        let effects =
            if pending.is_empty() { Vec::new() } else { replica.step(now, Event::Commands(pending)) };
        self.replica = Some(replica);
        // A replica that has executed nothing in its epoch executes nothing for the sake of commands alone.
        effects.into_iter().try_for_each(|effect| self.carry_out(effect))
    }

    /// Answers a replica of an epoch that is over: how it ended, up to where, and the batches up to there.
    pub(super) fn help_straggler(&mut self, now: Now, from: AgentId, epoch: Epoch, message: &Message) {
        let Some(handover) = self.handovers.get(&epoch) else { return };
        let last = handover.certificate.checkpoint.sequence;
        match message {
            // The answer claims all of the epoch. Two who answered each other's answers would never stop.
            Message::Status(status)
                if (status.stable < last || status.last_executed < last)
                    && self.supply_handovers(now, from, epoch) =>
            {
                let claim = Status { view: status.view, active: true, stable: last, last_executed: last };
                self.say(Some(from), &Frame::Consensus { epoch, message: Message::Status(claim) });
            }
            Message::CatchUpRequest(request) => {
                let wanted = BatchesWanted { epoch, from: request.from, last: Some(last) };
                self.round.outgoing.push(Outgoing::Batches { to: from, wanted });
            }
            _ => {}
        }
    }

    /// Tells a peer how the epochs from one on ended, now and then; says whether it was the time to.
    pub(super) fn supply_handovers(&mut self, now: Now, to: AgentId, from: Epoch) -> bool {
        let now_ms = now.elapsed_ms;
        self.round.told_until_ms.retain(|_, until_ms| now_ms < *until_ms);
        if self.round.told_until_ms.contains_key(&to) {
            return false;
        }
        // Handovers chain within an era: those of another prove nothing to whoever asks.
        let of_era = self.handovers.range(from..).take_while(|(epoch, _)| epoch.era() == from.era());
        let known = of_era.map(|(_, handover)| handover.clone());
        let handovers: Vec<Handover> = known.take(MAX_HANDOVERS).collect();
        let tells = !handovers.is_empty();
        if tells {
            self.round.told_until_ms.insert(to, now_ms + self.config.status_interval_ms / 2);
            self.say(Some(to), &Frame::Handovers(handovers));
        }
        tells
    }

    /// A peer says that it is in a later epoch: asks it how this one ended, now and then. Each peer has its
    /// own turn: one that lies about it must not keep the others from being asked.
    pub(super) fn ask_for_handovers(&mut self, now: Now, from: AgentId) {
        let now_ms = now.elapsed_ms;
        self.round.asked_until_ms.retain(|_, until_ms| now_ms < *until_ms);
        if !self.round.asked_until_ms.contains_key(&from) {
            self.round.asked_until_ms.insert(from, now_ms + self.config.status_interval_ms);
            self.say(Some(from), &Frame::HandoversWanted(self.proven.epoch));
        }
    }

    /// Takes handovers that continue what is proven; others are of no use. A replica whose epoch is over is
    /// told of its last checkpoint, and makes up for what it lacks before it.
    ///
    /// # Errors
    /// As [`Self::step`].
    pub(super) fn take_handovers(
        &mut self,
        now: Now,
        from: AgentId,
        handovers: Vec<Handover>,
    ) -> Result<(), NodeError> {
        for handover in handovers {
            if handover.from() != self.proven.epoch {
                continue;
            }
            match handover.verify(&self.proven) {
                Ok(next) => {
                    tracing::info!(epoch = %next.epoch, "a later epoch is proven");
                    self.proven = next;
                    self.keep_handover(handover, None)?;
                }
                Err(error) => {
                    let reason = format!("its handover of epoch {}: {error}", handover.from());
                    self.round.outgoing.push(Outgoing::Blame { peer: from, reason });
                    return Ok(());
                }
            }
        }
        let epoch = self.context.borrow().epoch;
        if self.replica.is_none() {
            return self.enter_without_fetching(now, epoch);
        }
        let Some(handover) = self.handovers.get(&epoch) else { return Ok(()) };
        let message = Message::Stable(handover.certificate.clone());
        let anybody = self
            .context
            .borrow()
            .replicas
            .iter()
            .map(|(index, _)| index)
            .find(|index| Some(*index) != self.replica.as_ref().map(Replica::index));
        match anybody {
            // The certificate was verified with the handover.
            Some(from) => self.step(now, Event::Message { from, message: Verified::vouch(message) }),
            None => Ok(()),
        }
    }
}
