//! The rules of the inbox service that forbid an operation.

use quorate_protocol::AgentId;

use crate::service::ServiceRefusal;

/// A rule of the inbox service that forbids an operation.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum InboxRefusal {
    /// Only replicas say what the chain has.
    #[error("{0} is not a replica, and only replicas say what the chain's inbox has")]
    NotAReplica(AgentId),
    /// Messages before the first are not taken yet.
    #[error("the observation begins with message {found}, message {expected} is not taken yet")]
    Gap {
        /// The index of the next message.
        expected: u64,
        /// The index of the observation's first.
        found: u64,
    },
    /// The messages do not follow one another.
    #[error("message {found} stands in the place of message {expected}")]
    OutOfOrder {
        /// The index that belongs there.
        expected: u64,
        /// The index that is there.
        found: u64,
    },
    /// All of the messages are taken.
    #[error("all of the observation's messages are among the {taken} that are taken")]
    NothingNew {
        /// How many messages are taken.
        taken: u64,
    },
}

impl InboxRefusal {
    /// The stable name of the condition.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotAReplica(_) => "not_a_replica",
            Self::Gap { .. } => "gap",
            Self::OutOfOrder { .. } => "out_of_order",
            Self::NothingNew { .. } => "nothing_new",
        }
    }
}

impl From<InboxRefusal> for ServiceRefusal {
    fn from(refusal: InboxRefusal) -> Self {
        Self::Rule { code: refusal.code(), detail: refusal.to_string() }
    }
}
