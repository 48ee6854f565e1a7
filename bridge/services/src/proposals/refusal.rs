//! The rules of the proposals service that forbid an operation.

use quorate_protocol::api::ProposalStatus;
use quorate_protocol::{
    AgentId, CallRefusal, Choice, Epoch, InvalidCalls, MembersChangeError, ProposalId, TimestampMs,
};

use crate::service::ServiceRefusal;

/// A rule of the proposals service that forbids an operation.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ProposalsRefusal {
    /// Only voters propose and vote.
    #[error("{0} is not a voter, or has left, and only voters propose and vote")]
    NotAVoter(AgentId),
    /// An id is used once for ever.
    #[error("proposal {0} exists already: propose with another salt")]
    ProposalExists(ProposalId),
    /// The on-chain lane has the proposal.
    #[error("proposal {0} is in the on-chain lane: propose with another salt, or vote there")]
    ProposalMoved(ProposalId),
    /// Calls that no proposal may have.
    #[error(transparent)]
    InvalidCalls(InvalidCalls),
    /// The group has no such class.
    #[error("there is no class {0}: the group's terms list the classes")]
    UnknownClass(u8),
    /// The class is not for such calls.
    #[error("the class {class} does not permit this: {error}")]
    NotPermitted {
        /// The class.
        class: String,
        /// What it does not permit.
        error: CallRefusal,
    },
    /// There is no such proposal.
    #[error("proposal {0} does not exist")]
    UnknownProposal(ProposalId),
    /// The proposal is decided.
    #[error("proposal {proposal} is closed: {}", word(*.status))]
    ProposalClosed {
        /// The proposal.
        proposal: ProposalId,
        /// How it closed.
        status: ProposalStatus,
    },
    /// The voting period is over; the decision follows.
    #[error("voting on proposal {proposal} ended at {closes} ms")]
    VotingOver {
        /// The proposal.
        proposal: ProposalId,
        /// The end of the voting period.
        closes: TimestampMs,
    },
    /// In a class that allows the escape lane, a vote counts on-chain too.
    #[error("votes on proposal {0} carry the account's signature: its class allows the escape lane")]
    UnsignedVote(ProposalId),
    /// In any other class, it does not.
    #[error("votes on proposal {0} carry no account's signature: its class does not allow the escape lane")]
    NeedlessSignature(ProposalId),
    /// The signature is not the voter's on this vote.
    #[error("the vote on proposal {proposal} is not signed by the account of {voter}")]
    BadVoteSignature {
        /// The proposal.
        proposal: ProposalId,
        /// The voter.
        voter: AgentId,
    },
    /// A voter votes once, or for something else where votes may change.
    #[error("a vote on proposal {proposal} is counted already, choice {}", *.choice as u8)]
    AlreadyVoted {
        /// The proposal.
        proposal: ProposalId,
        /// The vote that counts.
        choice: Choice,
    },
    /// The voters' weights have changed since it was proposed.
    #[error(
        "proposal {proposal} is of the voters of epoch {expected}, whose weights changed with epoch {found}: propose it again"
    )]
    OtherVoters {
        /// The proposal.
        proposal: ProposalId,
        /// The epoch since which the weights stood when it was proposed.
        expected: Epoch,
        /// The epoch since which they are as they are.
        found: Epoch,
    },
    /// A change of members that cannot take effect.
    #[error("the change of members cannot take effect: {0}")]
    InvalidMembersChange(MembersChangeError),
    /// Only the proposer cancels.
    #[error("proposal {proposal} is {proposer}'s to cancel")]
    NotTheProposer {
        /// The proposal.
        proposal: ProposalId,
        /// Who may cancel it.
        proposer: AgentId,
    },
}

impl ProposalsRefusal {
    /// The stable name of the condition.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotAVoter(_) => "not_a_voter",
            Self::ProposalExists(_) => "proposal_exists",
            Self::ProposalMoved(_) => "proposal_moved",
            Self::InvalidCalls(_) => "invalid_calls",
            Self::UnknownClass(_) => "unknown_class",
            Self::NotPermitted { .. } => "not_permitted",
            Self::UnknownProposal(_) => "unknown_proposal",
            Self::ProposalClosed { .. } => "proposal_closed",
            Self::VotingOver { .. } => "voting_over",
            Self::UnsignedVote(_) => "unsigned_vote",
            Self::NeedlessSignature(_) => "needless_signature",
            Self::BadVoteSignature { .. } => "bad_vote_signature",
            Self::AlreadyVoted { .. } => "already_voted",
            Self::OtherVoters { .. } => "other_voters",
            Self::InvalidMembersChange(_) => "invalid_members_change",
            Self::NotTheProposer { .. } => "not_the_proposer",
        }
    }
}

impl From<ProposalsRefusal> for ServiceRefusal {
    fn from(refusal: ProposalsRefusal) -> Self {
        Self::Rule { code: refusal.code(), detail: refusal.to_string() }
    }
}

fn word(status: ProposalStatus) -> &'static str {
    match status {
        ProposalStatus::Open => "open",
        ProposalStatus::Approved => "approved",
        ProposalStatus::Rejected => "rejected",
        ProposalStatus::Expired => "expired",
        ProposalStatus::Cancelled => "cancelled",
        ProposalStatus::Moved => "moved to the on-chain lane",
    }
}
