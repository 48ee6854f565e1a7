//! What the API needs of the node behind it. The runtime implements this side.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use quorate_protocol::{SignedCommand, Verified, View};
use tokio::sync::{mpsc, watch};

pub use crate::anchored::{EvidenceReceiver, HandoverReceiver};
use crate::anchored::{InboxReceiver, StableReceiver};
use crate::ledger::LedgerReader;
use crate::metrics::Metrics;

/// The node as the API sees it. Cheap to clone.
#[derive(Clone)]
pub struct NodeHandle {
    /// The executed state.
    pub ledger: LedgerReader,
    /// Checks commands' signatures, many at once.
    pub verifier: Arc<dyn CommandVerifier>,
    /// Takes commands to be ordered. A full channel is answered as `busy`.
    pub submit: mpsc::Sender<Submission>,
    /// Where the replica stands.
    pub status: watch::Receiver<NodeStatus>,
    /// The newest stable checkpoint.
    pub stable: StableReceiver,
    /// The same with every valid signature on it that the node has.
    pub gathered: StableReceiver,
    /// What the contract's inbox has in the block that the node relies on.
    pub inbox: InboxReceiver,
    /// What is held against other replicas.
    pub evidence: EvidenceReceiver,
    /// How the epochs so far ended.
    pub handovers: HandoverReceiver,
    /// The node's numbers.
    pub metrics: Metrics,
}

/// A command that is to be ordered. What becomes of it is known from the ledger, not from an answer.
#[derive(Clone, Debug)]
pub struct Submission {
    /// The command, its shape and signature checked.
    pub command: Verified<SignedCommand>,
}

/// Where the replica stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeStatus {
    /// The view that it is in.
    pub view: View,
    /// Whether it takes commands.
    pub readiness: Readiness,
}

/// Whether a node takes commands. What it has executed, it serves in any case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It takes commands.
    Ready,
    /// It does not, for the reason given in words: it starts, catches up, or lacks peers.
    NotReady(String),
}

/// Why a command's signature was not vouched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The signature is not the key's.
    #[error("the signature on the command does not verify")]
    BadSignature,
    /// Too many signatures wait to be checked.
    #[error("too many signatures wait to be checked")]
    Busy,
}

/// The answer of a [`CommandVerifier`], to be awaited.
pub type Verdict<'a> =
    Pin<Box<dyn Future<Output = Result<Verified<SignedCommand>, VerifyError>> + Send + 'a>>;

/// Checks commands' signatures. The node gathers what arrives at the same time into one batch.
pub trait CommandVerifier: Send + Sync + 'static {
    /// Vouches for `command`, whose shape the caller has checked for the group.
    fn verify(&self, command: SignedCommand) -> Verdict<'_>;
}
