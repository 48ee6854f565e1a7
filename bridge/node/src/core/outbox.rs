//! What leaves once everything before it is durable.

use std::sync::Arc;

use quorate_protocol::{ReplicaIndex, Sequence};

/// Something to be sent. Encoded on the core's thread, so that a broadcast is encoded once.
#[derive(Clone, Debug)]
pub enum Outgoing {
    /// A frame for one replica.
    To(ReplicaIndex, Arc<[u8]>),
    /// A frame for all other replicas.
    All(Arc<[u8]>),
    /// Committed batches from a sequence on, for a replica that asked for them: [`super::Supply::answer`].
    Batches {
        /// Who asked.
        to: ReplicaIndex,
        /// The first sequence that it lacks.
        from: Sequence,
    },
}
