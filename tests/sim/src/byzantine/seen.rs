//! What a faulty replica remembers of the traffic, to make its lies of.

use std::collections::{BTreeMap, VecDeque};

use quorate_node::frame::Frame;
use quorate_pbft::certificate::SignedVote;
use quorate_pbft::message::ViewChange;
use quorate_pbft::{Context, Message, PreparedCertificate};
use quorate_protocol::{CheckpointCertificate, Digest, Epoch, ReplicaIndex, Sequence, Signature, View};

/// The most of anything that is remembered.
const MAX_REMEMBERED: usize = 64;
/// How far a view or a sequence may lie beyond the highest that is known.
const MAX_LEAP: u64 = 64;

/// The votes on one digest.
#[derive(Clone, Debug, Default)]
struct Tally {
    pre_prepare: Option<Signature>,
    prepares: BTreeMap<ReplicaIndex, Signature>,
}

/// A bounded memory of one epoch.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    epoch: Epoch,
    /// The highest view that a proposal or a vote named.
    pub(super) view: View,
    /// The highest sequence that a proposal or a vote named.
    pub(super) highest: Sequence,
    /// The latest votes and proposals.
    pub(super) claims: VecDeque<(View, Sequence, Digest)>,
    /// Certificates, the oldest first: from view changes, and put together from what passed by.
    pub(super) certificates: VecDeque<PreparedCertificate>,
    /// Stable checkpoints, the oldest first.
    pub(super) stable: VecDeque<CheckpointCertificate>,
    /// View changes of anybody.
    pub(super) view_changes: VecDeque<ViewChange>,
    tallies: BTreeMap<(Sequence, View, Digest), Tally>,
}

impl Seen {
    /// Remembers a frame, whichever way it went.
    pub(super) fn note(&mut self, context: &Context, frame: &Frame) {
        let Frame::Consensus { epoch, message } = frame else { return };
        if *epoch != context.epoch {
            return;
        }
        if self.epoch != context.epoch {
            *self = Self { epoch: context.epoch, highest: context.base, ..Self::default() };
        }
        match message {
            Message::PrePrepare(proposal) => {
                let claim = (proposal.view, proposal.sequence, proposal.digest);
                self.note_claim(claim);
                self.tally(context, claim, |tally| tally.pre_prepare = Some(proposal.signature));
            }
            Message::Prepare(vote) => {
                let claim = (vote.view, vote.sequence, vote.digest);
                self.note_claim(claim);
                self.tally(context, claim, |tally| {
                    tally.prepares.insert(vote.replica, vote.signature);
                });
            }
            Message::Stable(stable) => remember(&mut self.stable, stable.clone()),
            Message::ViewChange(view_change) => self.note_view_change(view_change),
            Message::NewView(new_view) => {
                if new_view.view.0 <= self.view.0.saturating_add(MAX_LEAP) {
                    self.view = self.view.max(new_view.view);
                }
                new_view.view_changes.iter().for_each(|view_change| self.note_view_change(view_change));
            }
            _ => {}
        }
    }

    /// Another faulty replica's numbers out of the air are not taken for the group's.
    fn note_claim(&mut self, claim: (View, Sequence, Digest)) {
        let likely = |known: u64, claimed: u64| claimed <= known.saturating_add(MAX_LEAP);
        if !likely(self.view.0, claim.0.0) || !likely(self.highest.0, claim.1.0) {
            return;
        }
        self.view = self.view.max(claim.0);
        self.highest = self.highest.max(claim.1);
        if !self.claims.contains(&claim) {
            remember(&mut self.claims, claim);
        }
    }

    fn note_view_change(&mut self, view_change: &ViewChange) {
        self.stable_of(view_change);
        for certificate in &view_change.prepared {
            if !self.certificates.contains(certificate) {
                remember(&mut self.certificates, certificate.clone());
            }
        }
        if !self.view_changes.contains(view_change) {
            remember(&mut self.view_changes, view_change.clone());
        }
    }

    fn stable_of(&mut self, view_change: &ViewChange) {
        if let Some(stable) = &view_change.stable
            && !self.stable.contains(stable)
        {
            remember(&mut self.stable, stable.clone());
        }
    }

    /// Counts a vote; a quorum makes a certificate.
    fn tally(&mut self, context: &Context, claim: (View, Sequence, Digest), count: impl FnOnce(&mut Tally)) {
        let (view, sequence, digest) = claim;
        let primary = view.primary(context.replicas.len());
        let tally = self.tallies.entry((sequence, view, digest)).or_default();
        count(tally);
        let votes = tally.prepares.iter().filter(|(replica, _)| **replica != primary);
        let prepares: Vec<SignedVote> =
            votes.map(|(&replica, &signature)| SignedVote { replica, signature }).collect();
        if let Some(pre_prepare) = tally.pre_prepare
            && prepares.len() + 1 >= context.replicas.quorum()
        {
            self.tallies.remove(&(sequence, view, digest));
            let certificate = PreparedCertificate { view, sequence, digest, pre_prepare, prepares };
            remember(&mut self.certificates, certificate);
        }
        if self.tallies.len() > MAX_REMEMBERED {
            self.tallies.pop_first();
        }
    }
}

fn remember<T>(list: &mut VecDeque<T>, item: T) {
    if list.len() == MAX_REMEMBERED {
        list.pop_front();
    }
    list.push_back(item);
}
