//! Proof that a replica contradicted itself.
//!
//! Each variant holds two statements under one replica's signatures that no correct replica makes both.
//! Anybody who knows the epoch's keys can check them; nothing else is needed.

use minicbor::{Decode, Encode};
use quorate_protocol::{Digest, Epoch, ReplicaIndex, Sequence, Signature, SignedCheckpoint, View};
use serde::Serialize;

/// Two contradicting statements of one replica.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Encode, Decode)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Evidence {
    /// Two pre-prepares, prepares or commits for one view and sequence.
    #[n(0)]
    Votes {
        /// Which of the three.
        #[n(0)]
        phase: Phase,
        /// Who signed both.
        #[n(1)]
        replica: ReplicaIndex,
        /// The view.
        #[n(2)]
        view: View,
        /// The sequence.
        #[n(3)]
        sequence: Sequence,
        /// One digest and the signature on it.
        #[n(4)]
        first: Box<(Digest, Signature)>,
        /// The other.
        #[n(5)]
        second: Box<(Digest, Signature)>,
        /// The epoch, which says whose number `replica` is.
        #[n(6)]
        epoch: Epoch,
    },
    /// Two checkpoints that contradict each other: see [`quorate_protocol::Checkpoint::contradicts`]. They may be
    /// of two sequences, and of two epochs.
    #[n(1)]
    Checkpoints {
        /// Who signed both, by its number in the epoch in which that was noticed.
        #[n(0)]
        replica: ReplicaIndex,
        /// That of the earlier epoch, or the one that was known first.
        #[n(1)]
        first: Box<SignedCheckpoint>,
        /// The other.
        #[n(2)]
        second: Box<SignedCheckpoint>,
    },
}

/// A phase of the normal case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Encode, Decode)]
#[serde(rename_all = "snake_case")]
#[cbor(index_only)]
pub enum Phase {
    /// The primary's proposal.
    #[n(0)]
    PrePrepare,
    /// A backup's agreement.
    #[n(1)]
    Prepare,
    /// A replica's statement that the batch is prepared.
    #[n(2)]
    Commit,
}

/// What the statements are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvidenceKind {
    /// Votes on batches: the contract does not know them.
    Votes,
    /// Checkpoints, which convict by the contract.
    Checkpoints,
}

impl Evidence {
    /// The most bytes of an encoded piece of evidence.
    pub const MAX_BYTES: usize = 4_096;

    /// What it is about.
    pub fn kind(&self) -> EvidenceKind {
        match self {
            Self::Votes { .. } => EvidenceKind::Votes,
            Self::Checkpoints { .. } => EvidenceKind::Checkpoints,
        }
    }

    /// Who contradicted itself.
    pub fn replica(&self) -> ReplicaIndex {
        match self {
            Self::Votes { replica, .. } | Self::Checkpoints { replica, .. } => *replica,
        }
    }
}
