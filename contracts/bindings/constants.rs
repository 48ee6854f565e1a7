//! The numbers of `src/Types.sol` and `src/IAgentCoordinator.sol` that an ABI does not carry.

/// `Member::flags`: the member's vote counts towards decisions.
pub const FLAG_VOTER: u8 = 1;
/// `Member::flags`: the member's node takes part in PBFT, and its account signs checkpoints.
pub const FLAG_REPLICA: u8 = 2;

/// `Vote::choice`: against.
pub const CHOICE_AGAINST: u8 = 0;
/// `Vote::choice`: for.
pub const CHOICE_FOR: u8 = 1;
/// `Vote::choice`: abstain.
pub const CHOICE_ABSTAIN: u8 = 2;

/// `Entry::kind`: a command.
pub const KIND_COMMAND: u8 = 1;
/// `Entry::kind`: a decision, the only kind that means anything on-chain.
pub const KIND_DECISION: u8 = 2;
/// `Entry::kind`: of the system's own making.
pub const KIND_SYSTEM: u8 = 3;

/// `Decision::status`: approved.
pub const STATUS_APPROVED: u8 = 1;
/// `Decision::status`: rejected.
pub const STATUS_REJECTED: u8 = 2;
/// `Decision::status`: expired.
pub const STATUS_EXPIRED: u8 = 3;
/// `Decision::status`: cancelled.
pub const STATUS_CANCELLED: u8 = 4;

/// The kind of an inbox message: a command.
pub const INBOX_COMMAND: u8 = 1;
/// The kind of an inbox message: a proposal of the log was executed on-chain.
pub const INBOX_EXECUTED: u8 = 2;
/// The kind of an inbox message: a replica was convicted.
pub const INBOX_CONVICTED: u8 = 3;

/// Bytes of one signature in what `anchor` takes: r, s, v.
pub const SIGNATURE_LENGTH: usize = 65;

/// A number that stands for none of an enumeration's cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownNumber(
    /// The number.
    pub u8,
);

impl std::fmt::Display for UnknownNumber {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} stands for nothing that this version knows", self.0)
    }
}

impl std::error::Error for UnknownNumber {}

/// Where a proposal of the on-chain lane stands. The binding gives it as a number; `try_from` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ProposalStatus {
    /// It takes votes.
    Open = 0,
    /// It has reached its threshold.
    Approved = STATUS_APPROVED,
    /// It can no longer reach its threshold.
    Rejected = STATUS_REJECTED,
    /// Its voting period ended without a decision.
    Expired = STATUS_EXPIRED,
    /// Its proposer withdrew it.
    Cancelled = STATUS_CANCELLED,
    /// Its calls were made, in either lane.
    Executed = 5,
}

impl TryFrom<u8> for ProposalStatus {
    type Error = UnknownNumber;

    fn try_from(number: u8) -> Result<Self, UnknownNumber> {
        [Self::Open, Self::Approved, Self::Rejected, Self::Expired, Self::Cancelled, Self::Executed]
            .into_iter()
            .find(|status| *status as u8 == number)
            .ok_or(UnknownNumber(number))
    }
}

/// Which way a proposal took to its execution. The binding gives it as a number; `try_from` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Lane {
    /// Proposed and voted on in transactions.
    OnChain = 0,
    /// Decided in the group's log, and proven by an anchor.
    Anchored = 1,
}

impl TryFrom<u8> for Lane {
    type Error = UnknownNumber;

    fn try_from(number: u8) -> Result<Self, UnknownNumber> {
        [Self::OnChain, Self::Anchored]
            .into_iter()
            .find(|lane| *lane as u8 == number)
            .ok_or(UnknownNumber(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_become_names() {
        assert_eq!(ProposalStatus::try_from(0), Ok(ProposalStatus::Open));
        assert_eq!(ProposalStatus::try_from(5), Ok(ProposalStatus::Executed));
        assert_eq!(ProposalStatus::try_from(6), Err(UnknownNumber(6)));
        assert_eq!(Lane::try_from(1), Ok(Lane::Anchored));
        assert_eq!(Lane::try_from(2), Err(UnknownNumber(2)));
    }
}
