//! What a faulty replica can say: anything that its own keys sign.

use quorate_node::frame::Frame;
use quorate_pbft::certificate::vote_bytes;
use quorate_pbft::message::{NewView, PrePrepare, Reproposal, ViewChange, Vote};
use quorate_pbft::{Batch, Message};
use quorate_protocol::{AgentId, Digest, ReplicaIndex, Sequence, Signature, View, domain};

use super::{Said, Stage};
use crate::random::Random;

impl Stage<'_> {
    /// The replica's place in the epoch. One that was removed speaks under the number that nobody has.
    pub(super) fn index(&self) -> ReplicaIndex {
        let nobody = ReplicaIndex(self.context.replicas.len() as u16);
        self.context.replicas.index_of(self.me).unwrap_or(nobody)
    }

    /// Whether the replica is the primary of `view`.
    pub(super) fn is_primary_of(&self, view: View) -> bool {
        view.primary(self.context.replicas.len()) == self.index()
    }

    /// The frame that carries `message` in the current epoch.
    pub(super) fn frame(&self, message: Message) -> Frame {
        Frame::Consensus { epoch: self.context.epoch, message }
    }

    /// `message` for each of the others, at once.
    pub(super) fn to_all(&self, message: &Message) -> Vec<Said> {
        let frame = self.frame(message.clone());
        self.others().into_iter().map(|to| Said::now(to, &frame)).collect()
    }

    /// Some of the others: at least one, and not all.
    pub(super) fn some_of_the_others(&mut self) -> Vec<AgentId> {
        let mut others = self.others();
        self.random.shuffle(&mut others);
        let most = others.len().saturating_sub(1).max(1) as u64;
        others.truncate(self.random.between(1, most) as usize);
        others
    }

    /// The signature of a pre-prepare, prepare or commit.
    pub(super) fn vote_signature(
        &self,
        domain: &str,
        view: View,
        sequence: Sequence,
        digest: Digest,
    ) -> Signature {
        self.keys.agent.sign(&vote_bytes(self.context, domain, view, sequence, digest))
    }

    /// A PREPARE.
    pub(super) fn prepare(&self, view: View, sequence: Sequence, digest: Digest) -> Message {
        Message::Prepare(self.vote(domain::PREPARE, view, sequence, digest))
    }

    /// A COMMIT.
    pub(super) fn commit(&self, view: View, sequence: Sequence, digest: Digest) -> Message {
        Message::Commit(self.vote(domain::COMMIT, view, sequence, digest))
    }

    fn vote(&self, domain: &str, view: View, sequence: Sequence, digest: Digest) -> Vote {
        let signature = self.vote_signature(domain, view, sequence, digest);
        Vote { view, sequence, digest, replica: self.index(), signature }
    }

    /// A PRE-PREPARE.
    pub(super) fn pre_prepare(&self, view: View, sequence: Sequence, batch: Batch) -> PrePrepare {
        let digest = batch.digest(self.context);
        let signature = self.vote_signature(domain::PRE_PREPARE, view, sequence, digest);
        PrePrepare { view, sequence, digest, signature, batch }
    }

    /// `view_change` in the replica's own name, signed as it is now.
    pub(super) fn signed_view_change(&self, mut view_change: ViewChange) -> ViewChange {
        view_change.replica = self.index();
        view_change.signature = self.keys.agent.sign(&view_change.signing_bytes(self.context));
        view_change
    }

    /// A NEW-VIEW that proposes `proposals` again, whatever its view changes say.
    pub(super) fn new_view(
        &self,
        view: View,
        view_changes: Vec<ViewChange>,
        proposals: &[(Sequence, Digest)],
    ) -> NewView {
        let reproposals = proposals
            .iter()
            .map(|&(sequence, digest)| Reproposal {
                sequence,
                digest,
                signature: self.vote_signature(domain::PRE_PREPARE, view, sequence, digest),
            })
            .collect();
        let mut new_view = NewView { view, view_changes, reproposals, signature: Signature([0; 64]) };
        new_view.signature = self.keys.agent.sign(&new_view.signing_bytes(self.context));
        new_view
    }
}

/// What a frame is, for behaviours that choose by kind.
pub(super) fn kind(frame: &Frame) -> &'static str {
    match frame {
        Frame::Consensus { message, .. } => message.kind(),
        Frame::Attestation { .. } => "attestation",
        Frame::Certificate(_) => "certificate",
        Frame::CertificateWanted(_) => "certificate_wanted",
        Frame::HandoversWanted(_) => "handovers_wanted",
        Frame::Handovers(_) => "handovers",
        Frame::Transfer(_) => "transfer",
    }
}

/// A digest of nothing.
pub(super) fn any_digest(random: &mut Random) -> Digest {
    Digest::of(&[&random.draw().to_be_bytes()])
}

/// A signature that nobody made.
pub(super) fn any_signature(random: &mut Random) -> Signature {
    let mut bytes = [0; 64];
    bytes.copy_from_slice(&random.bytes(64));
    Signature(bytes)
}
