//! What the state holds of a proposal.
//!
//! The text never changes and may be large; the tally changes with every vote and is small. They are kept
//! apart so that a vote costs the same whatever the proposal says.

use minicbor::{Decode, Encode};
use quorate_protocol::api::ProposalStatus;
use quorate_protocol::{
    AgentId, Call, Choice, DecisionStatus, EntryIndex, Epoch, Group, ProposalId, TimestampMs, VoterSignature,
    Weights,
};

use crate::state::View;

/// What is proposed, at `p || id`.
#[derive(Encode, Decode)]
#[cbor(map)]
pub(super) struct Text {
    #[n(0)]
    pub(super) proposer: AgentId,
    #[n(1)]
    pub(super) salt: u64,
    #[n(2)]
    pub(super) description: String,
    #[n(3)]
    pub(super) calls: Vec<Call>,
    #[n(4)]
    pub(super) opened: TimestampMs,
}

impl Text {
    pub(super) fn key(proposal: ProposalId) -> Vec<u8> {
        [b"p", proposal.as_bytes().as_slice()].concat()
    }

    pub(super) fn read(state: View<'_>, proposal: ProposalId) -> Option<Self> {
        state.read(&Self::key(proposal))
    }
}

/// Where a proposal stands, at `t || id`.
#[derive(Clone, Encode, Decode)]
#[cbor(map)]
pub(super) struct Tally {
    #[n(0)]
    pub(super) proposer: AgentId,
    #[n(1)]
    pub(super) closes: TimestampMs,
    #[cbor(n(2), with = "quorate_protocol::codec::u128")]
    pub(super) for_weight: u128,
    #[cbor(n(3), with = "quorate_protocol::codec::u128")]
    pub(super) against_weight: u128,
    #[cbor(n(4), with = "quorate_protocol::codec::u128")]
    pub(super) abstain_weight: u128,
    /// Nothing while it is open.
    #[n(5)]
    pub(super) closing: Option<Closing>,
    /// The group's `voters_since` when it was proposed. Weights of different sets of voters are never added up.
    #[n(6)]
    pub(super) epoch: Epoch,
    /// The class of decisions.
    #[n(7)]
    pub(super) class: u8,
}

/// How a proposal closed.
#[derive(Clone, Copy, Encode, Decode)]
pub(super) struct Closing {
    /// Nothing if it moved to the on-chain lane, and closed here without a decision.
    #[n(0)]
    pub(super) status: Option<DecisionStatus>,
    /// The decision's entry, or that which tells what the contract did.
    #[n(1)]
    pub(super) entry: EntryIndex,
}

impl Closing {
    /// How the proposal stands.
    pub(super) fn status(self) -> ProposalStatus {
        self.status.map_or(ProposalStatus::Moved, ProposalStatus::from)
    }
}

impl Tally {
    /// The tally of a new proposal.
    pub(super) fn open(proposer: AgentId, closes: TimestampMs, epoch: Epoch, class: u8) -> Self {
        let (for_weight, against_weight, abstain_weight) = (0, 0, 0);
        Self { proposer, closes, for_weight, against_weight, abstain_weight, closing: None, epoch, class }
    }

    pub(super) fn key(proposal: ProposalId) -> Vec<u8> {
        [b"t", proposal.as_bytes().as_slice()].concat()
    }

    pub(super) fn read(state: View<'_>, proposal: ProposalId) -> Option<Self> {
        state.read(&Self::key(proposal))
    }

    /// The weight of the votes for one choice.
    pub(super) fn weight_of(&mut self, choice: Choice) -> &mut u128 {
        match choice {
            Choice::For => &mut self.for_weight,
            Choice::Against => &mut self.against_weight,
            Choice::Abstain => &mut self.abstain_weight,
        }
    }

    /// What a class decides by, among the voters of `group`.
    pub(super) fn weights(&self, group: &Group) -> Weights {
        Weights {
            in_favour: self.for_weight,
            against: self.against_weight,
            abstain: self.abstain_weight,
            total: group.total_weight(),
        }
    }
}

/// A vote, at `v || id || voter`.
#[derive(Clone, Encode, Decode)]
pub(super) struct Ballot {
    #[n(0)]
    pub(super) choice: Choice,
    #[n(1)]
    pub(super) weight: u64,
    /// By which it counts on-chain too.
    #[n(2)]
    pub(super) signature: Option<VoterSignature>,
}

impl Ballot {
    /// The votes on a proposal, in ascending order of voter.
    pub(super) fn of(state: View<'_>, proposal: ProposalId) -> impl Iterator<Item = (AgentId, Self)> {
        let stem = Self::stem(proposal);
        let at = stem.len();
        state.scan::<Self>(&stem).map(move |(key, ballot)| {
            let voter: [u8; 20] = key[at..].try_into().expect("a vote's key ends with its voter");
            (AgentId::from(voter), ballot)
        })
    }

    /// What the keys of all votes on a proposal start with.
    fn stem(proposal: ProposalId) -> Vec<u8> {
        [b"v", proposal.as_bytes().as_slice()].concat()
    }

    pub(super) fn key(proposal: ProposalId, voter: AgentId) -> Vec<u8> {
        [b"v", proposal.as_bytes().as_slice(), voter.as_bytes()].concat()
    }
}

/// The key that marks an id which the on-chain lane has: `m || id`. The value is the entry that tells it.
pub(super) fn moved_key(proposal: ProposalId) -> Vec<u8> {
    [b"m", proposal.as_bytes().as_slice()].concat()
}

/// The key that marks an open proposal: `c || closes, big-endian || id`, so that the state's order is the
/// order in which proposals fall due.
pub(super) fn closing_key(closes: TimestampMs, proposal: ProposalId) -> Vec<u8> {
    [b"c", closes.0.to_be_bytes().as_slice(), proposal.as_bytes()].concat()
}

/// The open proposals with the ends of their voting periods, the earliest first.
pub(super) fn closings(state: View<'_>) -> impl Iterator<Item = (TimestampMs, ProposalId)> {
    state.keys(b"c", None).map(|key| {
        let (closes, proposal) = key[1..].split_first_chunk().expect("a closing key holds a time");
        let proposal: [u8; 32] = proposal.try_into().expect("a closing key ends with a proposal id");
        (TimestampMs(u64::from_be_bytes(*closes)), proposal.into())
    })
}
