//! What can go wrong, by whose hand: a damaged or foreign state, a command that leaves no entry, a command
//! that the edge turns away.

use quorate_protocol::{AgentId, EntryIndex, GroupId, Nonce, TimestampMs};

/// A state that cannot be restored.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ServicesError {
    /// A part that every state has is absent.
    #[error("the state has no {0}: it is incomplete, fetch it anew from the other replicas")]
    Missing(&'static str),
    /// A part of the state cannot be read.
    #[error(
        "the {what} in the state is malformed ({cause}): it is damaged, fetch it anew from the other replicas"
    )]
    Malformed {
        /// The part.
        what: &'static str,
        /// Why it cannot be read.
        cause: String,
    },
    /// The state of another group.
    #[error("the state is of group {found}, this is {expected}: use the data directory of this group")]
    ForeignGroup {
        /// The group that was asked for.
        expected: GroupId,
        /// The group in the state.
        found: GroupId,
    },
    /// The state was made for other members, another policy, chain or contract.
    #[error(
        "the state is of group {0}, but of another chain, contract, epoch, members or policy: check which contract is configured"
    )]
    ForeignMembers(GroupId),
}

/// Why a command that was ordered makes no entry.
///
/// An entry is made for everything that an agent of the group signed. What nothing binds to the group, or
/// cannot be told from a replay, leaves no trace: else a faulty primary could fill the log at no cost.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum DropReason {
    /// For another group; no correct replica orders it.
    #[error("the command is for another group")]
    WrongGroup,
    /// Without any operation; no correct replica orders it.
    #[error("the command has no operation")]
    Empty,
    /// The sender is neither a member nor an admitted agent.
    #[error("the agent is not known to the group")]
    UnknownAgent,
    /// Signed with a key that is not the agent's, and as many of those as are remembered are recorded.
    #[error("the command is not signed with the agent's key")]
    WrongKey,
    /// Below the window of nonces that are remembered.
    #[error("the nonce is below {oldest}, the oldest that is remembered")]
    NonceTooOld {
        /// The oldest nonce that can still be told from a replay.
        oldest: Nonce,
    },
    /// Too far above the agent's highest nonce.
    #[error("the nonce is above {newest}, the highest that is allowed now")]
    NonceTooFar {
        /// The highest nonce that is allowed now.
        newest: Nonce,
    },
    /// Another command has the nonce, and as many of its rivals as are remembered are recorded.
    #[error("the nonce is used by another command, see entry {entry}")]
    NonceReused {
        /// The entry of the command that has the nonce.
        entry: EntryIndex,
    },
}

/// Why a node does not have a command ordered.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum AdmissionError {
    /// The command is for another group.
    #[error("the command is for another group: send it to that group's nodes")]
    WrongGroup,
    /// The command has no operation.
    #[error("the command has no operation: add at least one")]
    Empty,
    /// The sender is neither a member nor an admitted agent.
    #[error("agent {agent} is not known to the group: have a voter admit it")]
    UnknownAgent {
        /// The sender.
        agent: AgentId,
    },
    /// Signed with a key that is not the agent's.
    #[error(
        "the command is not signed with the key of agent {agent}: sign it with the key that is bound to it"
    )]
    WrongKey {
        /// The sender.
        agent: AgentId,
    },
    /// Another command has the nonce.
    #[error(
        "nonce {nonce} is used by another command, see entry {entry}: sign the command anew with the agent's next nonce"
    )]
    NonceReused {
        /// The command's nonce.
        nonce: Nonce,
        /// The entry of the command that has it.
        entry: EntryIndex,
    },
    /// Below the window of nonces that are remembered.
    #[error(
        "nonce {nonce} is below {oldest}, the oldest that is remembered: sign the command anew with the agent's next nonce"
    )]
    NonceTooOld {
        /// The command's nonce.
        nonce: Nonce,
        /// The oldest nonce that can still be told from a replay.
        oldest: Nonce,
    },
    /// Too far above the agent's highest nonce.
    #[error(
        "nonce {nonce} is above {newest}, the highest that is allowed now: sign the command anew with the agent's next nonce"
    )]
    NonceTooFar {
        /// The command's nonce.
        nonce: Nonce,
        /// The highest nonce that is allowed now.
        newest: Nonce,
    },
    /// The command's expiry has passed.
    #[error("the command expired at {expires} ms, it is {now} ms: sign it anew with a later expiry")]
    Expired {
        /// The command's expiry.
        expires: TimestampMs,
        /// The later of the node's clock and the group's.
        now: TimestampMs,
    },
}
