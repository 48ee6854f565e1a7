//! Mandates: the voters' own signatures for a change of anybody's weight.
//!
//! A quorum of replicas hands over to the next epoch, but who votes is not theirs to say: where a change alters any
//! weight, the votes for its proposal go with it, and the contract counts them. Without this a lying quorum would rotate
//! to voters of its own, who object to nothing.
//!
//! The contract has the same rule (`contracts/src/Mandates.sol`); `tests/vectors/mandates.json` pins both.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::account::AccountSignature;
use crate::call::actions_hash;
use crate::codec::bounded_list;
use crate::epoch::MembersChange;
use crate::group::{Group, MAX_MEMBERS, Member};
use crate::ids::{AgentId, Digest, ProposalId};
use crate::policy::reaches;
use crate::proposal::{Choice, proposal_id_of_hashes};
use crate::vote::ChainVote;

/// The votes for a change of members: those that an account's 65 bytes prove. Voters that are contracts cannot add to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cbor(map)]
pub struct Mandate {
    /// Who proposed the change.
    #[n(0)]
    pub proposer: AgentId,
    /// The proposer's salt.
    #[n(1)]
    pub salt: u64,
    /// The class of decisions, by its place in the group's terms.
    #[n(2)]
    pub class: u8,
    /// The keccak256 of the proposal's description.
    #[n(3)]
    pub description_hash: Digest,
    /// The end of the proposal's voting, in seconds of Unix time.
    #[n(4)]
    pub voting_ends: u64,
    /// The votes for it, in strictly ascending order of the voters' addresses.
    #[cbor(n(5), decode_with = "bounded_list::<Ballot, Ctx, MAX_MEMBERS>")]
    pub ballots: Vec<Ballot>,
}

/// One vote for a change of members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cbor(map)]
pub struct Ballot {
    /// The voter.
    #[n(0)]
    pub voter: AgentId,
    /// The account's signature on the [`ChainVote`] for the proposal, with nonce 0.
    #[n(1)]
    pub signature: AccountSignature,
}

/// A change of members without the voters' word for it.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum MandateError {
    /// The change alters a weight, and there is no mandate.
    #[error("the change alters a weight, and nothing shows that the voters want it")]
    Missing,
    /// The change alters no weight, and has a mandate.
    #[error("the change alters no weight, and needs no mandate")]
    Needless,
    /// Proposed in a class in which weights are not changed.
    #[error("class {0} is none for changes of weights: that takes `escape` and the scope `anything`")]
    Class(u8),
    /// A ballot that is no vote for the change.
    #[error("the ballot of {0} is no vote of a voter's account for the change, or not in ascending order")]
    Ballot(AgentId),
    /// Too little weight.
    #[error("{weight} of {total} weight is for the change, the class' threshold is {threshold} of 10000")]
    Weight {
        /// The weight of the ballots.
        weight: u128,
        /// That of all voters.
        total: u128,
        /// The class' threshold, in basis points.
        threshold: u16,
    },
}

impl Mandate {
    /// The id of the proposal to change the members of `group` to `members`.
    pub fn proposal(&self, group: &Group, members: &[Member]) -> ProposalId {
        let change = MembersChange { epoch: group.epoch, members: members.to_vec() };
        let Self { proposer, salt, class, description_hash, .. } = *self;
        let actions_hash = actions_hash(&[change.call(&group.identity)]);
        proposal_id_of_hashes(&group.identity.group, proposer, salt, class, actions_hash, description_hash)
    }

    /// Checks that the voters of `group` want `members` in the epoch after its own. Every ballot must hold, not only enough.
    ///
    /// # Errors
    /// The first rule that does not hold.
    pub fn check(&self, group: &Group, members: &[Member]) -> Result<(), MandateError> {
        let class = group.terms.class(self.class).filter(|class| class.changes_weights());
        let threshold = class.ok_or(MandateError::Class(self.class))?.threshold;
        let proposal = self.proposal(group, members);
        let (mut weight, mut before) = (0, None);
        for Ballot { voter, signature } in self.ballots.iter().copied() {
            let member = group.member(voter).filter(|member| member.is_voter() && before < Some(voter));
            let member = member.ok_or(MandateError::Ballot(voter))?;
            let voting_ends = self.voting_ends;
            let vote =
                ChainVote { voter, proposal, choice: Choice::For, epoch: group.epoch, voting_ends, nonce: 0 };
            if signature.recover(&vote.digest(&group.identity)) != Some(voter.0) {
                return Err(MandateError::Ballot(voter));
            }
            weight += u128::from(member.weight);
            before = Some(voter);
        }
        let total = group.total_weight();
        if reaches(weight, threshold, total) {
            Ok(())
        } else {
            Err(MandateError::Weight { weight, total, threshold })
        }
    }
}

impl MembersChange {
    /// Whether anybody's weight in the next epoch is another than in `group`.
    pub fn alters_weights(&self, group: &Group) -> bool {
        let weights = |members: &[Member]| -> Vec<(AgentId, u64)> {
            members.iter().filter(|member| member.weight != 0).map(|m| (m.agent, m.weight)).collect()
        };
        weights(&self.members) != weights(&group.members)
    }

    /// Checks that a change which alters weights comes with the voters' mandate, and any other with none.
    ///
    /// # Errors
    /// The first rule that does not hold.
    pub fn mandated(&self, group: &Group, mandate: Option<&Mandate>) -> Result<(), MandateError> {
        match (self.alters_weights(group), mandate) {
            (true, Some(mandate)) => mandate.check(group, &self.members),
            (true, None) => Err(MandateError::Missing),
            (false, Some(_)) => Err(MandateError::Needless),
            (false, None) => Ok(()),
        }
    }
}
