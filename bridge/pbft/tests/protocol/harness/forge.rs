//! What a faulty replica can say: anything that its own keys sign.

use quorate_pbft::certificate::{SignedVote, vote_bytes};
use quorate_pbft::message::{NewView, PrePrepare, Reproposal, ViewChange, Vote};
use quorate_pbft::{Batch, Message, PreparedCertificate};
use quorate_protocol::{
    Checkpoint, CheckpointCertificate, Digest, ReplicaIndex, Sequence, Signature, SignedCheckpoint,
    SignedCommand, TimestampMs, View, checkpoint::CheckpointSignature, domain,
};

use super::members::Members;

/// Signs statements with the members' keys, for tests that need a liar or a certificate out of nowhere.
#[derive(Clone, Debug)]
pub(crate) struct Forge {
    pub(crate) members: Members,
}

impl Forge {
    pub(crate) fn new(members: &Members) -> Self {
        Self { members: members.clone() }
    }

    /// For a replica that does not exist, anybody's key will do.
    fn sign(&self, by: ReplicaIndex, bytes: &[u8]) -> Signature {
        let keys = &self.members.keys;
        keys[usize::from(by.0) % keys.len()].agent.sign(bytes)
    }

    fn signature(
        &self,
        by: ReplicaIndex,
        domain: &str,
        view: View,
        sequence: Sequence,
        digest: Digest,
    ) -> Signature {
        self.sign(by, &vote_bytes(&self.members.context, domain, view, sequence, digest))
    }

    pub(crate) fn digest(&self, batch: &Batch) -> Digest {
        batch.digest(&self.members.context)
    }

    pub(crate) fn batch(&self, timestamp: TimestampMs, commands: Vec<SignedCommand>) -> Batch {
        Batch { timestamp, checkpoint: false, commands }
    }

    /// A pre-prepare of the primary of `view`.
    pub(crate) fn pre_prepare(&self, view: View, sequence: Sequence, batch: Batch) -> PrePrepare {
        let digest = self.digest(&batch);
        let primary = view.primary(self.members.keys.len());
        let signature = self.signature(primary, domain::PRE_PREPARE, view, sequence, digest);
        PrePrepare { view, sequence, digest, signature, batch }
    }

    pub(crate) fn prepare(
        &self,
        by: ReplicaIndex,
        view: View,
        sequence: Sequence,
        digest: Digest,
    ) -> Message {
        let signature = self.signature(by, domain::PREPARE, view, sequence, digest);
        Message::Prepare(Vote { view, sequence, digest, replica: by, signature })
    }

    pub(crate) fn commit(&self, by: ReplicaIndex, view: View, sequence: Sequence, digest: Digest) -> Message {
        let signature = self.signature(by, domain::COMMIT, view, sequence, digest);
        Message::Commit(Vote { view, sequence, digest, replica: by, signature })
    }

    pub(crate) fn commits(
        &self,
        by: &[ReplicaIndex],
        view: View,
        sequence: Sequence,
        digest: Digest,
    ) -> Vec<SignedVote> {
        by.iter()
            .map(|&replica| SignedVote {
                replica,
                signature: self.signature(replica, domain::COMMIT, view, sequence, digest),
            })
            .collect()
    }

    /// The proof that `by` and the primary prepared `digest`.
    pub(crate) fn certificate(
        &self,
        by: &[ReplicaIndex],
        view: View,
        sequence: Sequence,
        digest: Digest,
    ) -> PreparedCertificate {
        let primary = view.primary(self.members.keys.len());
        let prepares = by
            .iter()
            .map(|&replica| SignedVote {
                replica,
                signature: self.signature(replica, domain::PREPARE, view, sequence, digest),
            })
            .collect();
        let pre_prepare = self.signature(primary, domain::PRE_PREPARE, view, sequence, digest);
        PreparedCertificate { view, sequence, digest, pre_prepare, prepares }
    }

    pub(crate) fn view_change(
        &self,
        by: ReplicaIndex,
        view: View,
        stable: Option<CheckpointCertificate>,
        prepared: Vec<PreparedCertificate>,
    ) -> ViewChange {
        let signature = Signature([0; 64]);
        let mut view_change = ViewChange { view, stable, prepared, replica: by, signature };
        view_change.signature = self.sign(by, &view_change.signing_bytes(&self.members.context));
        view_change
    }

    /// A NEW-VIEW that proposes `proposals` again, whatever its view changes say.
    pub(crate) fn new_view(
        &self,
        view: View,
        view_changes: Vec<ViewChange>,
        proposals: &[(Sequence, Digest)],
    ) -> NewView {
        let primary = view.primary(self.members.keys.len());
        let reproposals = proposals
            .iter()
            .map(|&(sequence, digest)| Reproposal {
                sequence,
                digest,
                signature: self.signature(primary, domain::PRE_PREPARE, view, sequence, digest),
            })
            .collect();
        let mut new_view = NewView { view, view_changes, reproposals, signature: Signature([0; 64]) };
        new_view.signature = self.sign(primary, &new_view.signing_bytes(&self.members.context));
        new_view
    }

    /// A checkpoint with any state.
    pub(crate) fn checkpoint(&self, sequence: Sequence, state: u8) -> Checkpoint {
        Checkpoint {
            group: self.members.context.identity.group,
            epoch: self.members.context.epoch,
            sequence,
            log_size: 0,
            log_root: Digest::from([state; 32]),
            state_root: Digest::from([state; 32]),
            inbox_count: 0,
            inbox_hash: Digest::default(),
            next_members_hash: Digest::default(),
        }
    }

    pub(crate) fn signed_checkpoint(&self, by: ReplicaIndex, checkpoint: Checkpoint) -> SignedCheckpoint {
        let account = &self.members.keys[usize::from(by.0)].account;
        SignedCheckpoint::sign(&self.members.context.identity, checkpoint, account)
    }

    pub(crate) fn stable(&self, by: &[ReplicaIndex], checkpoint: &Checkpoint) -> CheckpointCertificate {
        let signatures = by
            .iter()
            .map(|&replica| {
                let signed = self.signed_checkpoint(replica, checkpoint.clone());
                CheckpointSignature { replica: signed.replica, signature: signed.signature }
            })
            .collect();
        CheckpointCertificate { checkpoint: checkpoint.clone(), signatures }
    }
}
