//! Pre-prepare, prepare and commit (section 4.2).

use quorate_protocol::faults::{self, Fault};
use quorate_protocol::{ReplicaIndex, Sequence, TimestampMs, domain};

use super::{Replica, ViewState};
use crate::batch::Batch;
use crate::certificate::{PreparedCertificate, sign_vote};
use crate::event::{Effect, Now};
use crate::evidence::{Evidence, Phase};
use crate::message::{Message, PrePrepare, Vote};
use crate::record::Record;
use crate::slot::{Counted, Proposal, Slot};

/// A backup holds no more bytes of batches that are not executed, unless its own pipeline may be deeper.
const MAX_UNEXECUTED_BYTES: usize = 64 * 1024 * 1024;

impl Replica {
    /// Proposes batches while this replica is the primary, the pipeline has room and there is a reason:
    /// commands that wait, work that is due, or entries that wait for a checkpoint.
    ///
    /// A batch leaves as soon as the pipeline has room; batches grow only while it is full.
    pub(super) fn propose(&mut self, now: Now) {
        while self.may_propose() {
            let checkpoint = self.wants_checkpoint(now);
            if !self.pool.has_queued() && !checkpoint && !self.work_is_due(now) {
                return;
            }
            let commands = self.pool.take_batch(self.config.max_batch_commands, self.config.max_batch_bytes);
            self.propose_batch(now, Batch { timestamp: now.wall, checkpoint, commands });
        }
    }

    pub(super) fn may_propose(&self) -> bool {
        self.state == ViewState::Active
            && !self.silent
            && self.is_primary()
            && self.within_watermarks(self.next_sequence)
            && self.next_sequence.0 <= self.last_executed.0 + self.config.pipeline
    }

    fn wants_checkpoint(&self, now: Now) -> bool {
        self.checkpoint_wanted_ms(now).is_some_and(|at| at <= now.elapsed_ms)
    }

    /// When entries will have waited long enough for a checkpoint, or a change of members waits for one,
    /// unless a batch under way takes one.
    pub(super) fn checkpoint_wanted_ms(&self, now: Now) -> Option<u64> {
        let since = self.unsettled_since_ms.map(|at| at.saturating_add(self.config.checkpoint_delay_ms));
        let wanted = if self.change_pending_since_ms.is_some() { Some(now.elapsed_ms) } else { since };
        let comes = || self.under_way(|sequence, batch| self.takes_checkpoint(sequence, batch));
        wanted.filter(|_| !comes())
    }

    fn work_is_due(&self, now: Now) -> bool {
        self.unattended_work().is_some_and(|due| due <= now.wall)
    }

    /// When something falls due that no batch under way brings.
    pub(super) fn unattended_work(&self) -> Option<TimestampMs> {
        self.next_due.filter(|&due| !self.under_way(|_, batch| batch.timestamp >= due))
    }

    fn under_way(&self, matches: impl Fn(Sequence, &Batch) -> bool) -> bool {
        self.slots.range(self.last_executed.next()..).any(|(&sequence, slot)| {
            let batch = slot.proposal.as_ref().and_then(|proposal| proposal.batch.as_ref());
            batch.is_some_and(|batch| matches(sequence, batch))
        })
    }

    fn propose_batch(&mut self, now: Now, batch: Batch) {
        let (view, sequence) = (self.view, self.next_sequence);
        self.next_sequence = sequence.next();
        let digest = batch.digest(&self.context);
        let signature =
            sign_vote(&self.context, domain::PRE_PREPARE, view, sequence, digest, &self.keys.agent);
        let pre_prepare = PrePrepare { view, sequence, digest, signature, batch };
        self.adopt(now, &pre_prepare);
        self.effects.push(Effect::Persist(Record::Accepted(pre_prepare.clone())));
        self.broadcast(Message::PrePrepare(pre_prepare));
        self.advance(now, sequence);
    }

    /// A backup accepts at most one batch for a view and a sequence.
    pub(super) fn on_pre_prepare(&mut self, now: Now, pre_prepare: PrePrepare) {
        let PrePrepare { view, sequence, digest, signature, ref batch } = pre_prepare;
        if view != self.view || self.state != ViewState::Active || self.is_primary() {
            return;
        }
        if !self.within_watermarks(sequence) {
            return;
        }
        let proposal = self.slots.get(&sequence).and_then(|slot| slot.proposal.as_ref());
        let has_one = |known: &&Proposal| known.view == view && !faults::is_on(Fault::SecondProposalAccepted);
        if let Some(known) = proposal.filter(has_one) {
            if known.digest != digest {
                let evidence = Evidence::Votes {
                    phase: Phase::PrePrepare,
                    replica: self.primary(),
                    view,
                    sequence,
                    first: Box::new((known.digest, known.signature)),
                    second: Box::new((digest, signature)),
                    epoch: self.context.epoch,
                };
                self.tell_of_votes(evidence, sequence, view);
            }
            return;
        }
        if !self.is_timely(now, batch) || sequence <= self.last_executed || !self.has_room_for(batch) {
            return;
        }
        self.adopt(now, &pre_prepare);
        if !self.silent {
            self.effects.push(Effect::Persist(Record::Accepted(pre_prepare)));
        }
        self.vote_prepare(sequence);
        let disagreeing = self.slots.get(&sequence).map(Slot::disagreeing).unwrap_or_default();
        self.confront(sequence, &disagreeing);
        self.advance(now, sequence);
    }

    /// Whether the batch may be held beside those that are not executed. The watermarks alone would let a
    /// faulty primary fill the memory. A correct one stays within its pipeline, and a backup that is so far
    /// behind that it refuses a batch is not waited for: it catches up.
    fn has_room_for(&self, batch: &Batch) -> bool {
        let held: usize =
            self.slots.range(self.last_executed.next()..).map(|(_, slot)| slot.held_bytes()).sum();
        let pipeline = usize::try_from(self.config.pipeline).unwrap_or(usize::MAX);
        let own = pipeline.saturating_mul(2 * self.config.max_batch_bytes);
        held + batch.payload_bytes() <= own.max(MAX_UNEXECUTED_BYTES)
    }

    /// Whether the batch's time is within the allowed drift of this replica's clock. That time never goes
    /// back is seen to at execution, which every replica does in the same order.
    fn is_timely(&self, now: Now, batch: &Batch) -> bool {
        batch.timestamp.0.abs_diff(now.wall.0) <= self.config.max_clock_drift_ms
    }

    /// Makes the pre-prepare the proposal of its sequence.
    pub(super) fn adopt(&mut self, now: Now, pre_prepare: &PrePrepare) {
        let PrePrepare { view, sequence, digest, signature, ref batch } = *pre_prepare;
        self.pool.mark_proposed(&batch.commands);
        let (batch, accepted_ms) = (Some(batch.clone()), now.elapsed_ms);
        let proposal = Proposal { view, digest, signature, batch, accepted_ms };
        self.slots.entry(sequence).or_default().adopt(proposal);
    }

    /// Votes PREPARE for the current proposal at `sequence`, unless this replica is its primary. The record
    /// of the proposal is written before.
    pub(super) fn vote_prepare(&mut self, sequence: Sequence) {
        if self.is_primary() || self.silent {
            return;
        }
        if let Some(vote) = self.own_vote(domain::PREPARE, sequence) {
            self.slots.entry(sequence).or_default().count(self.context.epoch, Phase::Prepare, vote);
            self.broadcast(Message::Prepare(vote));
        }
    }

    /// This replica's vote on the current proposal at `sequence`.
    pub(super) fn own_vote(&self, domain: &str, sequence: Sequence) -> Option<Vote> {
        let proposal = self.slots.get(&sequence)?.proposal.as_ref()?;
        let (view, digest) = (proposal.view, proposal.digest);
        let signature = sign_vote(&self.context, domain, view, sequence, digest, &self.keys.agent);
        Some(Vote { view, sequence, digest, replica: self.me, signature })
    }

    pub(super) fn on_prepare(&mut self, now: Now, vote: Vote) {
        self.on_vote(now, Phase::Prepare, vote);
    }

    pub(super) fn on_commit(&mut self, now: Now, vote: Vote) {
        self.on_vote(now, Phase::Commit, vote);
    }

    /// Votes count also before their pre-prepare is here, and also when they are for a later view: links
    /// keep order between two replicas, not among three.
    fn on_vote(&mut self, now: Now, phase: Phase, vote: Vote) {
        if !self.within_watermarks(vote.sequence) {
            return;
        }
        let slot = self.slots.entry(vote.sequence).or_default();
        match slot.count(self.context.epoch, phase, vote) {
            Counted::New if phase == Phase::Prepare && slot.disagreeing().contains(&vote.replica) => {
                self.confront(vote.sequence, &[vote.replica]);
            }
            Counted::New | Counted::Known => {}
            Counted::Contradiction(evidence) => self.tell_of_votes(*evidence, vote.sequence, vote.view),
        }
        self.advance(now, vote.sequence);
    }

    /// Shows this replica's proposal to those that prepared another one in the same view. Either they lie or
    /// the primary proposed two batches for one sequence, and then both sides hold the evidence.
    fn confront(&mut self, sequence: Sequence, voters: &[ReplicaIndex]) {
        let Some(proposal) = self.slots.get(&sequence).and_then(|slot| slot.proposal.as_ref()) else {
            return;
        };
        let Proposal { view, digest, signature, batch: Some(batch), .. } = proposal.clone() else { return };
        let message = Message::PrePrepare(PrePrepare { view, sequence, digest, signature, batch });
        for &voter in voters.iter().filter(|&&voter| voter != self.me) {
            self.effects.push(Effect::Send { to: voter, message: message.clone() });
        }
    }

    /// Does what the votes at `sequence` now allow: commit, execute.
    pub(super) fn advance(&mut self, now: Now, sequence: Sequence) {
        self.try_prepare(sequence);
        self.execute_committed(now);
    }

    /// With the pre-prepare and prepares of a quorum in all, the batch is prepared: remember the proof, then
    /// broadcast COMMIT.
    fn try_prepare(&mut self, sequence: Sequence) {
        let primary = self.primary();
        let (view, needed) = (self.view, self.quorum() - 1);
        if self.state != ViewState::Active || self.silent {
            return;
        }
        let me = self.me;
        let Some(slot) = self.slots.get_mut(&sequence) else { return };
        let Some(proposal) = slot.proposal.as_ref().filter(|proposal| proposal.view == view) else { return };
        let committed_here = slot.vote(Phase::Commit, me).is_some_and(|vote| vote.view >= view);
        let (digest, signature) = (proposal.digest, proposal.signature);
        let mut prepares = slot.matching_prepares(primary);
        if committed_here || prepares.len() < needed {
            return;
        }
        let Some(batch) = proposal.batch.clone() else { return };
        prepares.truncate(needed);
        let certificate = PreparedCertificate { view, sequence, digest, pre_prepare: signature, prepares };
        slot.prepared = Some((certificate.clone(), batch));
        if !faults::is_on(Fault::CertificateUnrecorded) {
            self.effects.push(Effect::Persist(Record::Prepared { certificate, batch: None }));
        }
        if let Some(vote) = self.own_vote(domain::COMMIT, sequence) {
            self.slots.entry(sequence).or_default().count(self.context.epoch, Phase::Commit, vote);
            self.broadcast(Message::Commit(vote));
        }
    }
}
