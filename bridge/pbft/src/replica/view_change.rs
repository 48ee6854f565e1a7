//! Asking for the next view (section 4.4).

use quorate_protocol::faults::{self, Fault};
use quorate_protocol::{Signature, View};

use super::{Replica, ViewState};
use crate::certificate::PreparedCertificate;
use crate::event::{Effect, Now};
use crate::evidence::{Evidence, Phase};
use crate::message::{Message, NewView, Reproposal, ViewChange};
use crate::record::Record;

impl Replica {
    /// Leaves the current view and asks for `target`. From here on the replica takes no part in earlier
    /// views: the VIEW-CHANGE says all that it has prepared in them.
    pub(super) fn start_view_change(&mut self, now: Now, target: View) {
        debug_assert!(target > self.view, "views only go forward");
        self.view = target;
        self.state = ViewState::Changing;
        self.note_failure();
        self.new_view_deadline_ms = None;
        let prepared = self
            .slots
            .values()
            .filter(|_| !faults::is_on(Fault::PreparedForgotten))
            .filter_map(|slot| slot.prepared.as_ref().map(|(certificate, _)| certificate.clone()))
            .collect();
        let mut view_change = ViewChange {
            view: target,
            stable: self.stable.clone(),
            prepared,
            replica: self.me,
            signature: Signature([0; 64]),
        };
        view_change.signature = self.keys.agent.sign(&view_change.signing_bytes(&self.context));
        self.effects.push(Effect::Persist(Record::ViewChange(view_change.clone())));
        self.effects.push(Effect::ViewChanged { view: target, active: false });
        self.view_changes.insert(self.me, view_change.clone());
        self.broadcast(Message::ViewChange(view_change));
        self.on_view_change_quorum(now);
    }

    pub(super) fn on_view_change(&mut self, now: Now, view_change: ViewChange) {
        self.compare_proposals(&view_change);
        if let Some(stable) = &view_change.stable {
            self.hear_certificate(stable);
        }
        let earlier = self.view_changes.get(&view_change.replica);
        if earlier.is_some_and(|earlier| earlier.view >= view_change.view) {
            return;
        }
        let passed = match self.state {
            ViewState::Active => view_change.view <= self.view,
            ViewState::Changing => view_change.view < self.view,
        };
        if passed {
            return;
        }
        self.view_changes.insert(view_change.replica, view_change);
        self.join_view_change(now);
        self.on_view_change_quorum(now);
    }

    /// A certificate holds its primary's signature on a proposal: if it proposed another batch to this replica
    /// in the same view, the two are evidence.
    fn compare_proposals(&mut self, view_change: &ViewChange) {
        for certificate in &view_change.prepared {
            let PreparedCertificate { view, sequence, digest, pre_prepare, .. } = *certificate;
            let known = self.slots.get(&sequence).and_then(|slot| slot.proposed_in(view));
            let Some(known) = known.filter(|known| known.digest != digest) else { continue };
            let evidence = Evidence::Votes {
                phase: Phase::PrePrepare,
                replica: view.primary(self.context.replicas.len()),
                view,
                sequence,
                first: Box::new((known.digest, known.signature)),
                second: Box::new((digest, pre_prepare)),
                epoch: self.context.epoch,
            };
            self.tell_of_votes(evidence, sequence, view);
        }
    }

    /// f + 1 replicas that ask for later views include a correct one: join the earliest of their views
    /// (section 4.5.2).
    fn join_view_change(&mut self, now: Now) {
        if self.ended || self.silent {
            return;
        }
        let later = || self.view_changes.values().map(|asked| asked.view).filter(|&view| view > self.view);
        if later().count() < self.context.replicas.weak_quorum() {
            return;
        }
        let target = if faults::is_on(Fault::LatestViewJoined) { later().max() } else { later().min() };
        if let Some(target) = target {
            self.start_view_change(now, target);
        }
    }

    /// With a quorum for the view that is asked for, its primary opens it and everybody else begins to wait
    /// for that.
    ///
    /// Whoever asks for a later view has given this one up too. So the wait also begins when a quorum asks
    /// for this view or later ones: a replica that once asked for this view and has moved on repeats only its
    /// latest wish, and those that missed the earlier one would wait for it for ever.
    fn on_view_change_quorum(&mut self, now: Now) {
        if self.state != ViewState::Changing {
            return;
        }
        let view = self.view;
        let asked: Vec<&ViewChange> =
            self.view_changes.values().filter(|view_change| view_change.view == view).collect();
        if self.is_primary() && asked.len() >= self.quorum() {
            let view_changes = asked.into_iter().take(self.quorum()).cloned().collect();
            self.open_view(now, view_changes);
            return;
        }
        let given_up = self.view_changes.values().filter(|view_change| view_change.view >= view).count();
        if given_up >= self.quorum() && self.new_view_deadline_ms.is_none() {
            self.new_view_deadline_ms = Some(now.elapsed_ms.saturating_add(self.timeout_ms()));
        }
    }

    fn open_view(&mut self, now: Now, view_changes: Vec<ViewChange>) {
        let view = self.view;
        // Every VIEW-CHANGE here was checked by itself, so only a window beyond all bounds is refused.
        let Some(expected) = super::reproposals(&self.context, &view_changes) else { return };
        let reproposals = expected
            .iter()
            .map(|&(sequence, digest)| Reproposal {
                sequence,
                digest,
                signature: crate::certificate::sign_vote(
                    &self.context,
                    quorate_protocol::domain::PRE_PREPARE,
                    view,
                    sequence,
                    digest,
                    &self.keys.agent,
                ),
            })
            .collect();
        let mut new_view = NewView { view, view_changes, reproposals, signature: Signature([0; 64]) };
        new_view.signature = self.keys.agent.sign(&new_view.signing_bytes(&self.context));
        self.effects.push(Effect::Persist(Record::NewView(new_view.clone())));
        self.broadcast(Message::NewView(new_view.clone()));
        self.enter_view(now, new_view);
    }
}
