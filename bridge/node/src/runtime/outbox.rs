//! What leaves once everything before it is durable.

use std::sync::Arc;
use std::time::Instant;

use quorate_protocol::{ReplicaIndex, ReplicaSet, Sequence};

use crate::transport::Transport;

/// Something to be sent. Encoded on the core's thread, so that a broadcast is encoded once.
#[derive(Clone, Debug)]
pub(super) enum Outgoing {
    /// A frame for one replica.
    To(ReplicaIndex, Arc<[u8]>),
    /// A frame for all other replicas.
    All(Arc<[u8]>),
    /// Committed batches from a sequence on, for a replica that asked for them.
    Batches { to: ReplicaIndex, from: Sequence },
}

/// The links to the replicas of an epoch, by their indices in it.
#[derive(Clone, Debug)]
pub(super) struct Links {
    pub(super) transport: Transport,
    pub(super) replicas: ReplicaSet,
}

impl Links {
    /// Queues a frame for one replica. Never waits.
    pub(super) fn send(&self, to: ReplicaIndex, bytes: Arc<[u8]>) {
        if let Some(member) = self.replicas.at(to) {
            self.transport.send(member.agent, bytes);
        }
    }
}

/// What one round of the core wants sent.
#[derive(Debug, Default)]
pub(super) struct Parcel {
    pub(super) outgoing: Vec<Outgoing>,
    /// When the round's records were handed over to be made durable; nothing when it has none.
    pub(super) durable_since: Option<Instant>,
}
