//! Telling apart states of a replica that will behave differently, for those who explore all of them.

use std::hash::{Hash, Hasher};

use quorate_protocol::{CheckpointCertificate, codec};

use super::{Replica, ViewState};
use crate::certificate::PreparedCertificate;
use crate::evidence::Phase;
use crate::message::{NewView, Status, ViewChange, Vote};
use crate::slot::Slot;

impl Replica {
    /// Feeds `hasher` with all that decides what this replica does next. Two replicas of one position, context
    /// and configuration that feed it alike answer every event alike, but for the moments at which their
    /// time-outs end.
    ///
    /// So times are left out, and only whether one is set is told. Left out is also which quorum stands under
    /// a NEW-VIEW or a certificate, but for the stable checkpoint's if `evidence` is asked for, and how much
    /// evidence there is against a replica beside none: nothing that the replica says depends on these, and they
    /// would split one state into many.
    ///
    /// Without `evidence`, replicas may also differ in the evidence that they will report. Then votes of which
    /// nothing else can come any more are left out, and what others show in VIEW-CHANGEs for views that this
    /// replica does not lead.
    ///
    /// Every field is named here, so that a new one cannot be forgotten.
    pub fn fingerprint(&self, evidence: bool, hasher: &mut impl Hasher) {
        let Self {
            config: _,
            context: _,
            keys: _,
            me,
            view,
            state,
            new_view,
            view_changes,
            slots,
            next_sequence,
            last_executed,
            executing,
            supplied,
            pool,
            change_pending_since_ms,
            ended,
            handed_over,
            unsaid_end,
            silent,
            stable,
            gathered,
            signed,
            withholding,
            words,
            checkpoints,
            unsigned,
            unsettled_since_ms,
            peers,
            catch_up_sent_ms,
            catch_up_asked,
            asks_on,
            unsupplied,
            status_due_ms: _,
            executed_at_status,
            doublings: _,
            batches_in_time: _,
            new_view_deadline_ms,
            next_due,
            overdue_since_ms,
            waits_from_ms: _,
            in_touch_from_ms: _,
            reported_votes,
            effects,
        } = self;
        debug_assert!(effects.is_empty(), "a step hands all its effects out");
        (view, *state == ViewState::Active, next_sequence, last_executed, next_due).hash(hasher);
        (catch_up_asked, executed_at_status, asks_on, unsupplied).hash(hasher);
        (executing, ended, handed_over, unsaid_end.is_some(), silent).hash(hasher);
        supplied.keys().collect::<Vec<_>>().hash(hasher);
        let times = [unsettled_since_ms, catch_up_sent_ms, new_view_deadline_ms, overdue_since_ms];
        times.map(Option::is_some).hash(hasher);
        change_pending_since_ms.is_some().hash(hasher);
        new_view.as_ref().map(opened).hash(hasher);
        stable.as_ref().map(settled).hash(hasher);
        (signed.as_ref().map(codec::encode), withholding).hash(hasher);
        if evidence {
            gathered.keys().collect::<Vec<_>>().hash(hasher);
            words.fingerprint(hasher);
        }
        view_changes.len().hash(hasher);
        for (replica, view_change) in view_changes {
            let leads = view_change.view.primary(self.context.replicas.len()) == *me;
            let heeded = evidence || leads || replica == me;
            (replica, view_change.view, heeded.then(|| asked(view_change))).hash(hasher);
        }
        slots.len().hash(hasher);
        for (sequence, slot) in slots {
            sequence.hash(hasher);
            let counts = |phase, vote: &Vote| evidence || self.counts(slot, phase, vote);
            slot.fingerprint(counts, hasher);
        }
        pool.fingerprint(hasher);
        unsigned.keys().collect::<Vec<_>>().hash(hasher);
        checkpoints.len().hash(hasher);
        for (sequence, signers) in checkpoints {
            signers.len().hash(hasher);
            for (replica, signed) in signers {
                (sequence, replica, codec::encode(&signed.checkpoint)).hash(hasher);
            }
        }
        peers.len().hash(hasher);
        for (replica, peer) in peers {
            (replica, peer.status.map(stands), peer.heard_ms.is_some()).hash(hasher);
        }
        let mut accused: Vec<_> =
            reported_votes.iter().filter(|_| evidence).map(|(accused, _, _)| accused).collect();
        accused.dedup();
        accused.hash(hasher);
    }

    /// Whether the vote can still become part of a quorum here, or is this replica's own.
    fn counts(&self, slot: &Slot, phase: Phase, vote: &Vote) -> bool {
        let prepared = || slot.vote(Phase::Commit, self.me).is_some_and(|own| own.view >= vote.view);
        let open = match phase {
            Phase::Commit => vote.sequence > self.last_executed,
            Phase::PrePrepare | Phase::Prepare => vote.view >= self.view && !prepared(),
        };
        open || vote.replica == self.me
    }
}

fn stands(status: Status) -> impl Hash {
    let Status { view, active, stable, last_executed } = status;
    (view, active, stable, last_executed)
}

fn settled(stable: &CheckpointCertificate) -> impl Hash {
    codec::encode(&stable.checkpoint)
}

fn asked(view_change: &ViewChange) -> impl Hash {
    let ViewChange { view: _, stable, prepared, replica: _, signature: _ } = view_change;
    let prepared: Vec<_> = prepared.iter().map(PreparedCertificate::claim).collect();
    (stable.as_ref().map(|stable| codec::encode(&stable.checkpoint)), prepared)
}

fn opened(new_view: &NewView) -> impl Hash {
    let NewView { view, view_changes: _, reproposals, signature: _ } = new_view;
    let proposed = reproposals.iter().map(|reproposal| (reproposal.sequence, reproposal.digest));
    (*view, proposed.collect::<Vec<_>>())
}
