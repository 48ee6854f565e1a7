//! What leaves once everything before it is durable.

use std::sync::Arc;

use quorate_protocol::{AgentId, Epoch, Sequence};

use crate::transfer::TransferMessage;

/// Something to be sent. Encoded on the core's thread, so that a broadcast is encoded once.
#[derive(Clone, Debug)]
pub enum Outgoing {
    /// A frame for one replica.
    To(AgentId, Arc<[u8]>),
    /// A frame for all other replicas.
    All(Arc<[u8]>),
    /// Committed batches of an epoch, for a replica that asked for them: [`super::Supply::answer`].
    Batches {
        /// Who asked.
        to: AgentId,
        /// What it lacks.
        wanted: BatchesWanted,
    },
    /// A part of the state or the log, for a node that fetches them: [`crate::transfer::Server::answer`].
    Transfer {
        /// Who asked.
        to: AgentId,
        /// For what.
        request: TransferMessage,
    },
    /// A peer's lie, for whoever keeps the links.
    Blame {
        /// Who.
        peer: AgentId,
        /// What shows it.
        reason: String,
    },
}

/// Committed batches of one epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchesWanted {
    /// The epoch whose replicas committed them.
    pub epoch: Epoch,
    /// The first sequence that is lacking.
    pub from: Sequence,
    /// The last sequence of the epoch, once it is over.
    pub last: Option<Sequence>,
}
