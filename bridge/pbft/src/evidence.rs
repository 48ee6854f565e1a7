//! Proof that a replica contradicted itself.
//!
//! Each variant holds two statements under one replica's signatures that no correct replica makes both.
//! Anybody who knows the epoch's keys can check them; nothing else is needed.

use quorate_protocol::{Digest, ReplicaIndex, Sequence, Signature, SignedCheckpoint, View};
use serde::Serialize;

/// Two contradicting statements of one replica.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Evidence {
    /// Two pre-prepares, prepares or commits for one view and sequence.
    Votes {
        /// Which of the three.
        phase: Phase,
        /// Who signed both.
        replica: ReplicaIndex,
        /// The view.
        view: View,
        /// The sequence.
        sequence: Sequence,
        /// One digest and the signature on it.
        first: (Digest, Signature),
        /// The other.
        second: (Digest, Signature),
    },
    /// Two checkpoints for one sequence.
    Checkpoints {
        /// Who signed both.
        replica: ReplicaIndex,
        /// One.
        first: Box<SignedCheckpoint>,
        /// The other.
        second: Box<SignedCheckpoint>,
    },
}

/// A phase of the normal case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The primary's proposal.
    PrePrepare,
    /// A backup's agreement.
    Prepare,
    /// A replica's statement that the batch is prepared.
    Commit,
}

impl Evidence {
    /// Who contradicted itself.
    pub fn replica(&self) -> ReplicaIndex {
        match self {
            Self::Votes { replica, .. } | Self::Checkpoints { replica, .. } => *replica,
        }
    }
}
