//! Operations of the proposals service: propose, vote, cancel.

use minicbor::{Decode, Encode};
use serde::Serialize;

use super::ServiceOperation;
use crate::call::{Call, InvalidCalls, MAX_CALLS, check_calls};
use crate::codec::{bounded_list, bounded_text};
use crate::ids::{ProposalId, TimestampMs};
use crate::proposal::{Choice, MAX_DESCRIPTION_BYTES};
use crate::vote::VoterSignature;

/// What the proposals service does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Encode, Decode)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ProposalsOperation {
    /// A voter proposes actions; the proposal opens at the batch's time.
    #[n(0)]
    Propose(#[n(0)] Propose),
    /// A voter votes on an open proposal: once, or for something else where votes may change.
    #[n(1)]
    Vote(#[n(0)] Vote),
    /// The proposer withdraws an open proposal.
    #[n(2)]
    Cancel(#[n(0)] Cancel),
}

/// A proposal as its proposer makes it. Its id follows from these fields (see
/// [`crate::proposal::proposal_id`]), so the proposer knows it before any node does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Encode, Decode)]
#[cbor(map)]
pub struct Propose {
    /// Tells apart two proposals of one proposer that are otherwise the same.
    #[n(0)]
    #[serde(with = "crate::decimal")]
    pub salt: u64,
    /// What it is for, in words.
    #[cbor(n(1), decode_with = "bounded_text::<Ctx, MAX_DESCRIPTION_BYTES>")]
    pub description: String,
    /// What the group's account does when it is approved. May be empty: then the decision itself is the result.
    #[cbor(n(2), decode_with = "bounded_list::<Call, Ctx, MAX_CALLS>")]
    pub calls: Vec<Call>,
    /// The class of decisions, by its place in the group's terms.
    #[n(3)]
    pub class: u8,
}

/// A proposal that no group takes, whatever its terms.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidPropose {
    /// More words than a proposal may have.
    #[error("the description has {0} bytes, at most {MAX_DESCRIPTION_BYTES} are allowed")]
    Description(usize),
    /// Calls that no proposal may have.
    #[error(transparent)]
    Calls(#[from] InvalidCalls),
}

impl Propose {
    /// Checks what holds in every group, before anything is signed: a node would refuse the rest as malformed, for good.
    ///
    /// # Errors
    /// The bound that does not hold, with what was found.
    pub fn check(&self) -> Result<(), InvalidPropose> {
        if self.description.len() > MAX_DESCRIPTION_BYTES {
            return Err(InvalidPropose::Description(self.description.len()));
        }
        Ok(check_calls(&self.calls)?)
    }
}

/// A voter's choice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Encode, Decode)]
#[cbor(map)]
pub struct Vote {
    /// What is voted on.
    #[n(0)]
    pub proposal: ProposalId,
    /// For, against or abstain.
    #[n(1)]
    pub choice: Choice,
    /// In a class that allows the escape lane, and only there: the voter's signature on
    /// [`ChainVote::digest`](crate::vote::ChainVote::digest), with nonce 0, by which the vote counts on-chain too.
    #[n(2)]
    pub signature: Option<VoterSignature>,
}

/// A withdrawal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Encode, Decode)]
#[cbor(map)]
pub struct Cancel {
    /// What is withdrawn.
    #[n(0)]
    pub proposal: ProposalId,
}

/// What an applied proposals operation yields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Encode, Decode)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ProposalsOutcome {
    /// The proposal is open.
    #[n(0)]
    Proposed {
        /// Its id.
        #[n(0)]
        proposal: ProposalId,
        /// It expires in the first batch at or after this time.
        #[n(1)]
        closes: TimestampMs,
    },
    /// The vote counts.
    #[n(1)]
    Voted {
        /// The voter's weight.
        #[n(0)]
        #[serde(with = "crate::decimal")]
        weight: u64,
    },
    /// The proposal is withdrawn.
    #[n(2)]
    Cancelled,
}

impl ServiceOperation for ProposalsOperation {
    const SERVICE: &'static str = "proposals";
}
