//! The faulty replica: everything that it can make of its own key and of what the correct ones said.

use std::collections::BTreeSet;

use quorate_pbft::certificate::{SignedVote, vote_bytes};
use quorate_pbft::message::{NewView, PrePrepare, Reproposal, ViewChange, Vote};
use quorate_pbft::{Batch, Message, PreparedCertificate};
use quorate_protocol::{Digest, ReplicaIndex, Sequence, Signature, View, domain};

use crate::claim::{About, Claim, Messages};
use crate::model::Group;

/// The sequence that everything is about.
const SEQUENCE: Sequence = Sequence(1);

/// What the faulty replica can say when the correct ones have said `said`.
pub(crate) fn menu(group: &Group, said: &Messages) -> Messages {
    let known = Known { group, claims: group.book.claims(said) };
    let mut menu = Messages::default();
    let mut add = |claim: Claim, message: &dyn Fn() -> Message| {
        menu.extend(group.enter(claim, message));
    };
    for view in (0..=group.bounds.max_view).map(View) {
        let leads = group.setting.primary(view) == group.faulty;
        if leads {
            for (digest, batch) in known.batches_to_propose() {
                let about = About { view, sequence: SEQUENCE, digest };
                add(Claim::PrePrepare(about), &|| known.pre_prepare(about, batch.clone()));
            }
        }
        for digest in known.proposed_in(view) {
            let about = About { view, sequence: SEQUENCE, digest };
            if !leads {
                add(Claim::Prepare(group.faulty, about), &|| {
                    Message::Prepare(known.vote(domain::PREPARE, about))
                });
            }
            add(Claim::Commit(group.faulty, about), &|| Message::Commit(known.vote(domain::COMMIT, about)));
        }
        if view == View(0) {
            continue;
        }
        for shown in known.showable(view) {
            let prepared: Vec<About> = shown.into_iter().collect();
            let claim = Claim::ViewChange(group.faulty, view, prepared.clone());
            add(claim, &|| Message::ViewChange(known.view_change(group.faulty, view, &prepared)));
        }
        if leads {
            for (proposed, view_changes) in known.new_views(view) {
                let claim = Claim::NewView(view, proposed.iter().copied().collect());
                add(claim, &|| Message::NewView(known.new_view(view, proposed, &view_changes)));
            }
        }
    }
    for (digest, batch) in known.batches_to_hand_over() {
        add(Claim::BatchReply(digest), &|| Message::BatchReply(batch.clone()));
    }
    menu
}

/// A VIEW-CHANGE as its sense: who asks, and what it shows for the sequence.
type Asked = (ReplicaIndex, Option<About>);

/// What the faulty replica knows: the senses of all that was said.
struct Known<'a> {
    group: &'a Group,
    claims: Vec<Claim>,
}

impl Known<'_> {
    fn quorum(&self) -> usize {
        self.group.setting.context.replicas.quorum()
    }

    /// Its own two batches. They are the same but for their names, so the one that a correct replica accepts
    /// first is called the first.
    fn batches_to_propose(&self) -> Vec<(Digest, Batch)> {
        let mut batches = self.group.setting.batches.clone();
        let first = batches[0].0;
        let accepted = |claim: &Claim| matches!(claim, Claim::Prepare(_, about) if about.digest == first);
        batches.truncate(if self.claims.iter().any(accepted) { 2 } else { 1 });
        batches
    }

    /// Its own batches and what correct primaries proposed.
    fn batches_to_hand_over(&self) -> Vec<(Digest, Batch)> {
        let proposed: BTreeSet<Digest> = self
            .claims
            .iter()
            .filter_map(|claim| match claim {
                Claim::PrePrepare(about) | Claim::Prepare(_, about) => Some(about.digest),
                _ => None,
            })
            .collect();
        let mut batches = self.group.setting.batches.clone();
        batches.retain(|(digest, _)| proposed.contains(digest));
        batches
    }

    /// What may be voted on in `view`: a vote on what nobody proposes there leads nowhere.
    fn proposed_in(&self, view: View) -> BTreeSet<Digest> {
        let mut proposed: BTreeSet<Digest> = self
            .claims
            .iter()
            .filter_map(|claim| match claim {
                Claim::PrePrepare(about) | Claim::Prepare(_, about) if about.view == view => {
                    Some(about.digest)
                }
                _ => None,
            })
            .collect();
        for claim in &self.claims {
            if let Claim::NewView(of, again) = claim
                && *of == view
            {
                proposed.extend(again.iter().map(|about| about.digest));
            }
        }
        proposed
    }

    fn preparers(&self, about: About) -> BTreeSet<ReplicaIndex> {
        let mut by: BTreeSet<ReplicaIndex> = self
            .claims
            .iter()
            .filter_map(|claim| match claim {
                Claim::Prepare(by, on) if *on == about => Some(*by),
                _ => None,
            })
            .collect();
        if self.group.setting.primary(about.view) != self.group.faulty {
            by.insert(self.group.faulty);
        }
        by
    }

    /// What the faulty replica can show to be prepared before `view`, and nothing: it keeps back what it likes.
    fn showable(&self, view: View) -> Vec<Option<About>> {
        let mut all = vec![None];
        for earlier in (0..view.0).map(View) {
            for digest in self.proposed_in(earlier) {
                let about = About { view: earlier, sequence: SEQUENCE, digest };
                if self.preparers(about).len() + 1 >= self.quorum() {
                    all.push(Some(about));
                }
            }
        }
        all
    }

    /// Every NEW-VIEW for `view` of another sense that it can make: from every quorum of VIEW-CHANGEs, what
    /// follows from them, and where nobody verifies, what does not.
    fn new_views(&self, view: View) -> Vec<(Option<About>, Vec<Asked>)> {
        let correct: Vec<Asked> = self
            .claims
            .iter()
            .filter_map(|claim| match claim {
                Claim::ViewChange(by, of, shown) if *of == view => Some((*by, shown.first().copied())),
                _ => None,
            })
            .collect();
        let mut all: Vec<(Option<About>, Vec<Asked>)> = Vec::new();
        for subset in 0u32..1 << correct.len() {
            let chosen = (0..correct.len()).filter(|at| subset & (1 << at) != 0).map(|at| correct[at]);
            let chosen: Vec<Asked> = chosen.collect();
            let own: Vec<Option<Asked>> = match chosen.len() {
                count if count == self.quorum() => vec![None],
                count if count + 1 == self.quorum() => {
                    self.showable(view).into_iter().map(|shown| Some((self.group.faulty, shown))).collect()
                }
                _ => continue,
            };
            for own in own {
                let mut asked: Vec<Asked> = chosen.iter().copied().chain(own).collect();
                asked.sort_by_key(|(by, _)| *by);
                let follows = asked.iter().filter_map(|(_, shown)| *shown).max_by_key(|shown| shown.view);
                let follows = follows.map(|about| About { view, ..about });
                for proposed in std::iter::once(follows).chain(self.group.lie(follows)) {
                    if !all.iter().any(|(known, _)| *known == proposed) {
                        all.push((proposed, asked.clone()));
                    }
                }
            }
        }
        all
    }

    fn sign(&self, by: ReplicaIndex, bytes: &[u8]) -> Signature {
        self.group.setting.keys[usize::from(by.0)].agent.sign(bytes)
    }

    /// A signature on a vote: one that `by` gave, or that the faulty replica gives. Signatures are
    /// deterministic, so signing again is finding it.
    fn signature(&self, by: ReplicaIndex, domain: &str, about: About) -> Signature {
        let About { view, sequence, digest } = about;
        self.sign(by, &vote_bytes(&self.group.setting.context, domain, view, sequence, digest))
    }

    fn pre_prepare(&self, about: About, batch: Batch) -> Message {
        let About { view, sequence, digest } = about;
        let signature = self.signature(self.group.faulty, domain::PRE_PREPARE, about);
        Message::PrePrepare(PrePrepare { view, sequence, digest, signature, batch })
    }

    fn vote(&self, domain: &str, about: About) -> Vote {
        let About { view, sequence, digest } = about;
        let replica = self.group.faulty;
        Vote { view, sequence, digest, replica, signature: self.signature(replica, domain, about) }
    }

    fn certificate(&self, about: About) -> PreparedCertificate {
        let About { view, sequence, digest } = about;
        let pre_prepare = self.signature(self.group.setting.primary(view), domain::PRE_PREPARE, about);
        let prepares = self
            .preparers(about)
            .into_iter()
            .take(self.quorum() - 1)
            .map(|replica| SignedVote { replica, signature: self.signature(replica, domain::PREPARE, about) })
            .collect();
        PreparedCertificate { view, sequence, digest, pre_prepare, prepares }
    }

    /// The VIEW-CHANGE of `by`: its own, or one of the same sense as a correct replica's.
    fn view_change(&self, by: ReplicaIndex, view: View, shown: &[About]) -> ViewChange {
        let prepared = shown.iter().map(|&about| self.certificate(about)).collect();
        let mut view_change =
            ViewChange { view, stable: None, prepared, replica: by, signature: Signature([0; 64]) };
        view_change.signature = self.sign(by, &view_change.signing_bytes(&self.group.setting.context));
        view_change
    }

    fn new_view(&self, view: View, proposed: Option<About>, asked: &[Asked]) -> NewView {
        let view_changes = asked
            .iter()
            .map(|(by, shown)| self.view_change(*by, view, &shown.iter().copied().collect::<Vec<_>>()))
            .collect();
        let reproposals = proposed
            .iter()
            .map(|&about| Reproposal {
                sequence: about.sequence,
                digest: about.digest,
                signature: self.signature(self.group.faulty, domain::PRE_PREPARE, about),
            })
            .collect();
        let mut new_view = NewView { view, view_changes, reproposals, signature: Signature([0; 64]) };
        new_view.signature =
            self.sign(self.group.faulty, &new_view.signing_bytes(&self.group.setting.context));
        new_view
    }
}
