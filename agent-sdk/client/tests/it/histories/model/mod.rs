//! What each act must give, by a model that knows the rules and neither the contract nor the state machine.

pub(super) mod anchors;
pub(super) mod contract;
pub(super) mod decided;
pub(super) mod machine;
pub(super) mod rules;
pub(super) mod seats;

use quorate_contracts::Content;
use quorate_protocol::operations::proposals::Propose;
use quorate_protocol::{AgentId, Call, Choice, MembersChange, ProposalId};

/// The name of the contract's error, or the code of the machine's refusal.
pub(super) type Refused = &'static str;

/// A proposal of either lane.
#[derive(Clone, Debug)]
pub(super) struct Proposal {
    pub(super) id: ProposalId,
    pub(super) proposer: AgentId,
    pub(super) propose: Propose,
    /// The change of members that it calls for.
    pub(super) change: Option<MembersChange>,
    /// The proposal that it revokes.
    pub(super) revokes: Option<ProposalId>,
}

impl Proposal {
    pub(super) fn calls(&self) -> &[Call] {
        &self.propose.calls
    }

    pub(super) fn content(&self) -> Content {
        let Propose { salt, description, calls, class } = &self.propose;
        Content::of(self.proposer, *salt, *class, description, calls)
    }
}

/// With what a vote in the log comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signed {
    /// Nothing.
    Not,
    /// The account's signature on the vote.
    Well,
    /// The account's signature on something else.
    Badly,
    /// Bytes that only a contract could judge, from an account that is none.
    Opaquely,
}

/// What an agent asks of the log.
#[derive(Clone, Debug)]
pub(super) enum Ask {
    Propose(Box<Proposal>),
    Vote(ProposalId, Choice, Signed),
    Cancel(ProposalId),
}

/// The place of a choice among weights: for, against, abstain.
pub(super) fn place(choice: Choice) -> usize {
    match choice {
        Choice::For => 0,
        Choice::Against => 1,
        Choice::Abstain => 2,
    }
}
