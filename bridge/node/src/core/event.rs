//! What a core is told, what it starts from and what it publishes.

use std::sync::Arc;

use quorate_pbft::{Config, Context, Message, ReplicaKeys};
use quorate_protocol::{AgentId, Epoch, Handover, LogCertificate, SignedCommand, Verified};
use tokio::sync::watch;

use super::{Restored, Supply};
use crate::anchored::{AnchoredLog, EvidenceReceiver, InboxTakenReceiver, InboxView, StableReceiver};
use crate::api::NodeStatus;
use crate::error::NodeError;
use crate::evidence::HeldEvidence;
use crate::ledger::SignedHead;
use crate::metrics::Metrics;
use crate::store::Store;
use crate::transfer::TransferMessage;

/// What the rest of the node tells the core. What is called verified is; the rest proves itself or is only a
/// claim.
#[derive(Debug)]
pub enum CoreEvent {
    /// A peer's message.
    Message {
        /// Whose link it came over.
        from: AgentId,
        /// The epoch in which it was verified. In another one it means nothing.
        epoch: Epoch,
        /// The message.
        message: Verified<Message>,
    },
    /// A message of an epoch that is over here: its sender is behind.
    Straggler {
        /// Who is behind.
        from: AgentId,
        /// In which epoch.
        epoch: Epoch,
        /// What it said; only what is not signed is of use.
        message: Message,
    },
    /// A message of an epoch that is yet to come here: this node is behind.
    Ahead {
        /// Who is ahead.
        from: AgentId,
    },
    /// Commands from clients.
    Commands(Vec<Verified<SignedCommand>>),
    /// A replica's attestation, verified with its key of an epoch.
    Attestation(Epoch, Verified<SignedHead>),
    /// A certificate from a peer; the ledger checks it.
    Certificate(LogCertificate),
    /// A peer lacks a certificate that covers so many entries.
    CertificateWanted {
        /// Who lacks it.
        from: AgentId,
        /// The entries that it must cover.
        size: u64,
    },
    /// A peer wants to know how this epoch ended, and the later ones.
    HandoversWanted {
        /// Who.
        from: AgentId,
        /// From which epoch on.
        epoch: Epoch,
    },
    /// How epochs ended, as a peer says; each is verified before it is believed.
    Handovers {
        /// Who says so.
        from: AgentId,
        /// In order.
        handovers: Vec<Handover>,
    },
    /// A message of a state transfer.
    Transfer {
        /// Whose link it came over.
        from: AgentId,
        /// The message, with nothing in it checked.
        message: Box<TransferMessage>,
    },
    /// The newest anchor that the canonical chain has of the group, or that it has none (any more).
    Anchored(Option<AnchoredLog>),
    /// What the contract's inbox has in the chain's final blocks.
    Inbox(InboxView),
    /// The epoch that the contract has the group in at the final block.
    ContractEpoch(Epoch),
    /// Part of the storage failed: the node stops.
    Failed(NodeError),
    /// Stop after this round.
    Shutdown,
}

/// What a core starts from.
pub struct CoreParts<S> {
    /// The protocol's sizes and times.
    pub config: Config,
    /// The replica's keys.
    pub keys: ReplicaKeys,
    /// What was on disk.
    pub restored: Restored,
    /// The evidence that was on disk.
    pub evidence: HeldEvidence,
    /// Where records, messages and writes go.
    pub storage: S,
    /// The store that `storage` writes to, to start anew from it when a fetched state is installed.
    pub store: Store,
    /// Takes the committed batches that other replicas may ask for.
    pub supply: Supply,
    /// The node's numbers.
    pub metrics: Metrics,
}

/// What a core publishes for the rest of the node. Only the newest value matters.
#[derive(Clone, Debug)]
pub struct CoreWatch {
    /// How the node is.
    pub status: watch::Receiver<NodeStatus>,
    /// The newest stable checkpoint.
    pub stable: StableReceiver,
    /// The same with every valid signature on it that the node has. Which of them count is the contract's to say.
    pub gathered: StableReceiver,
    /// All evidence of replicas that contradicted themselves.
    pub evidence: EvidenceReceiver,
    /// The epoch that the node is in, with its replicas: who the peers are.
    pub context: watch::Receiver<Arc<Context>>,
    /// How the epochs so far ended, in order.
    pub handovers: watch::Receiver<Arc<Vec<Handover>>>,
    /// How many messages of the contract's inbox are taken.
    pub inbox_taken: InboxTakenReceiver,
}
