//! Opening a view (section 4.4): what is proposed again, and entering the view.

use std::collections::BTreeMap;

use quorate_protocol::faults::{self, Fault};
use quorate_protocol::{CheckpointCertificate, Digest, Sequence};

use super::{Replica, ViewState};
use crate::batch::Batch;
use crate::config::{Config, Context};
use crate::event::{Effect, Now};
use crate::evidence::Phase;
use crate::message::{BatchRequest, Message, NewView, PrePrepare, ViewChange};
use crate::record::Record;
use crate::slot::{Proposal, Slot};

/// What follows from the VIEW-CHANGEs of a quorum: for every sequence above the highest stable checkpoint
/// among them, up to the highest prepared one, the batch that was prepared in the latest view, or the null
/// batch. Nothing, if that reaches beyond the largest window. The new primary computes it to propose, and
/// every backup computes it to check.
///
/// Safety: a batch that is committed anywhere has commits of a quorum, each of whose correct members holds
/// its certificate. Any other quorum shares a correct member with that one, so the certificate is among
/// `view_changes`, unless the sequence is below a stable checkpoint there. No later view can have prepared
/// another batch, because it, too, had to take this one up.
pub(crate) fn reproposals(context: &Context, view_changes: &[ViewChange]) -> Option<Vec<(Sequence, Digest)>> {
    let low = view_changes.iter().map(|asked| asked.stable_sequence(context)).max().unwrap_or(context.base);
    let mut latest = BTreeMap::new();
    for certificate in view_changes.iter().flat_map(|view_change| &view_change.prepared) {
        if certificate.sequence > low {
            let entry = latest.entry(certificate.sequence).or_insert((certificate.view, certificate.digest));
            if !faults::is_on(Fault::StaleCertificateWins) {
                *entry = (*entry).max((certificate.view, certificate.digest));
            }
        }
    }
    let high = latest.last_key_value().map_or(low, |(&sequence, _)| sequence);
    if high.0 - low.0 > Config::MAX_WINDOW {
        return None;
    }
    let null = Batch::null().digest(context);
    let proposals = (low.0 + 1..=high.0)
        .map(Sequence)
        .filter(|sequence| !faults::is_on(Fault::GapLeftOpen) || latest.contains_key(sequence))
        .map(|sequence| (sequence, latest.get(&sequence).map_or(null, |&(_, digest)| digest)))
        .collect();
    Some(proposals)
}

impl Replica {
    /// A NEW-VIEW whose proposals were recomputed when it was verified. A replica that never asked for the
    /// view enters it all the same: a quorum did.
    pub(super) fn on_new_view(&mut self, now: Now, new_view: NewView) {
        let news =
            new_view.view > self.view || (new_view.view == self.view && self.state == ViewState::Changing);
        if news {
            for stable in new_view.view_changes.iter().filter_map(|view_change| view_change.stable.as_ref()) {
                self.hear_certificate(stable);
            }
            self.effects.push(Effect::Persist(Record::NewView(new_view.clone())));
            self.enter_view(now, new_view);
        }
    }

    /// Enters the view, takes up what it proposes again and hands the primary what waits.
    pub(super) fn enter_view(&mut self, now: Now, new_view: NewView) {
        if let Some(stable) = Self::stable_of(&new_view) {
            self.adopt_stable(now, stable);
        }
        self.install_view(now, new_view);
        self.effects.push(Effect::ViewChanged { view: self.view, active: true });
        let sequences: Vec<Sequence> = self.slots.keys().copied().collect();
        for sequence in sequences {
            self.take_up(now, sequence);
        }
        self.forward_queued();
    }

    /// The highest stable checkpoint that the view builds on.
    pub(super) fn stable_of(new_view: &NewView) -> Option<CheckpointCertificate> {
        let stable = |view_change: &ViewChange| view_change.stable.clone();
        new_view.view_changes.iter().filter_map(stable).max_by_key(|stable| stable.checkpoint.sequence)
    }

    /// The part of entering a view that leaves no trace outside: also done when records are replayed.
    pub(super) fn install_view(&mut self, now: Now, new_view: NewView) {
        let view = new_view.view;
        self.view = view;
        self.state = ViewState::Active;
        self.new_view_deadline_ms = None;
        self.view_changes.retain(|_, view_change| view_change.view > view);
        self.waits_from_ms = now.elapsed_ms;
        self.pool.restart(now.elapsed_ms);
        let null = Batch::null().digest(&self.context);
        let mut last = self.low().max(self.last_executed);
        for slot in self.slots.values_mut() {
            // What the new view does not propose again was prepared nowhere in the quorum, so it was not
            // committed. Its commands wait in the pool.
            slot.set_aside();
        }
        for reproposal in &new_view.reproposals {
            let (sequence, digest) = (reproposal.sequence, reproposal.digest);
            last = last.max(sequence);
            if sequence <= self.low() {
                continue;
            }
            let slot = self.slots.entry(sequence).or_default();
            let batch = if digest == null { Some(Batch::null()) } else { slot.batch(digest).cloned() };
            if let Some(batch) = &batch {
                self.pool.mark_proposed(&batch.commands);
            }
            let signature = reproposal.signature;
            slot.adopt(Proposal { view, digest, signature, batch, accepted_ms: now.elapsed_ms });
        }
        self.next_sequence = last.next();
        self.new_view = Some(new_view);
    }

    /// Votes on what the new view proposes at `sequence`, or asks for the batch if it is not here.
    fn take_up(&mut self, now: Now, sequence: Sequence) {
        let Some(slot) = self.slots.get(&sequence) else { return };
        let Some(proposal) = slot.proposal.as_ref().filter(|proposal| proposal.view == self.view) else {
            return;
        };
        let (view, digest, signature) = (proposal.view, proposal.digest, proposal.signature);
        let Some(batch) = proposal.batch.clone() else {
            self.broadcast(Message::BatchRequest(BatchRequest { sequence, digest }));
            return;
        };
        let pre_prepare = PrePrepare { view, sequence, digest, signature, batch };
        if !self.silent {
            self.effects.push(Effect::Persist(Record::Accepted(pre_prepare)));
        }
        self.vote_prepare(sequence);
        self.advance(now, sequence);
    }

    pub(super) fn on_batch_request(&mut self, from: quorate_protocol::ReplicaIndex, request: BatchRequest) {
        let slot = self.slots.get(&request.sequence);
        if let Some(batch) = slot.and_then(|slot| slot.batch(request.digest)) {
            let reply = Message::BatchReply(batch.clone());
            self.send(from, reply);
        }
    }

    pub(super) fn on_batch_reply(&mut self, now: Now, batch: Batch) {
        let digest = batch.digest(&self.context);
        let view = self.view;
        let lacking = self.slots.iter_mut().find_map(|(&sequence, slot)| {
            let proposal = slot.proposal.as_mut()?;
            let lacks = proposal.view == view && proposal.digest == digest && proposal.batch.is_none();
            lacks.then_some((sequence, proposal))
        });
        let Some((sequence, proposal)) = lacking else { return };
        if self.state == ViewState::Active {
            self.pool.mark_proposed(&batch.commands);
            proposal.batch = Some(batch);
            self.take_up(now, sequence);
        }
    }

    /// Does again what may have been lost since the view was entered: asks for batches that it proposes and
    /// that are still missing, and votes where a crash came between entering the view and voting.
    pub(super) fn take_up_again(&mut self, now: Now) {
        let (me, view) = (self.me, self.view);
        let votes_not = self.is_primary() || self.silent;
        let unfinished = |slot: &Slot| {
            let Some(proposal) = slot.proposal.as_ref().filter(|proposal| proposal.view == view) else {
                return false;
            };
            let voted = || slot.vote(Phase::Prepare, me).is_some_and(|vote| vote.view == view);
            proposal.batch.is_none() || !(votes_not || voted())
        };
        let sequences = self.slots.iter().filter(|(_, slot)| unfinished(slot));
        let sequences: Vec<Sequence> = sequences.map(|(&sequence, _)| sequence).collect();
        for sequence in sequences {
            self.take_up(now, sequence);
        }
    }
}
