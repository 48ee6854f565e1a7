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
use crate::epoch::{MembersChange, weights};
use crate::group::{Group, MAX_MEMBERS, Member};
use crate::ids::{AgentId, Digest, ProposalId};
use crate::policy::reaches;
use crate::proposal::{Choice, proposal_id_of_hashes};
use crate::vote::ChainVote;

/// The votes for a change of members: those that an account's 65 bytes prove. Voters that are contracts cannot add to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cbor(map)]
pub struct Mandate {
    /// Who proposed the change.
    #[n(0)]
    pub proposer: AgentId,
    /// The proposer's salt.
    #[n(1)]
    #[serde(with = "crate::decimal")]
    #[cfg_attr(feature = "openapi", schema(value_type = crate::schema::Decimal))]
    pub salt: u64,
    /// The class of decisions, by its place in the group's terms.
    #[n(2)]
    pub class: u8,
    /// The keccak256 of the proposal's description.
    #[n(3)]
    pub description_hash: Digest,
    /// The end of the proposal's voting, in seconds of Unix time.
    #[n(4)]
    #[serde(with = "crate::decimal")]
    #[cfg_attr(feature = "openapi", schema(value_type = crate::schema::Decimal))]
    pub voting_ends: u64,
    /// The votes for it, in strictly ascending order of the voters' addresses.
    #[cbor(n(5), decode_with = "bounded_list::<Ballot, Ctx, MAX_MEMBERS>")]
    pub ballots: Vec<Ballot>,
}

/// One vote for a change of members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cbor(map)]
pub struct Ballot {
    /// The voter.
    #[n(0)]
    pub voter: AgentId,
    /// The account's signature on the [`ChainVote`] for the proposal, with nonce 0.
    #[n(1)]
    pub signature: AccountSignature,
}

/// A change of members that the voters' word is missing for.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum MandateError {
    /// The change alters a weight, and there is no mandate.
    #[error("the change alters a weight, and nothing shows that the voters want it")]
    Missing,
    /// Proposed in a class in which weights are not changed.
    #[error("class {0} is none for changes of weights: that takes `escape` and the scope `anything`")]
    Class(u8),
    /// Too little weight.
    #[error("{weight} of {total} weight is for the change, the class' threshold is {threshold} of 10000")]
    Weight {
        /// The weight of the ballots that count.
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

    /// The weight in `group` of the ballots that count for `members`: by strictly ascending voter, each a voter's own vote
    /// for this very change. Others are passed over. That a voter has left since is nothing to a mandate.
    pub fn weight(&self, group: &Group, members: &[Member]) -> u128 {
        let (proposal, epoch, voting_ends) =
            (self.proposal(group, members), group.voters_since, self.voting_ends);
        let (mut weight, mut before) = (0, None);
        for Ballot { voter, signature } in self.ballots.iter().copied() {
            let Some(member) = group.member(voter).filter(|member| member.is_voter()) else { continue };
            let vote = ChainVote { voter, proposal, choice: Choice::For, epoch, voting_ends, nonce: 0 };
            let is_own = || signature.recover(&vote.digest(&group.identity)) == Some(voter.0);
            if before < Some(voter) && is_own() {
                weight += u128::from(member.weight);
                before = Some(voter);
            }
        }
        weight
    }

    /// Checks that the voters of `group` want `members` in the epoch after its own: the weight of the ballots that count
    /// reaches the class' threshold of all.
    ///
    /// # Errors
    /// The first rule that does not hold.
    pub fn check(&self, group: &Group, members: &[Member]) -> Result<(), MandateError> {
        let class = group.terms.class(self.class).filter(|class| class.changes_weights());
        let threshold = class.ok_or(MandateError::Class(self.class))?.threshold;
        let (weight, total) = (self.weight(group, members), group.total_weight());
        // Where nobody has a vote, no weight is all of it, and mandates nothing all the same.
        if weight != 0 && reaches(weight, threshold, total) {
            Ok(())
        } else {
            Err(MandateError::Weight { weight, total, threshold })
        }
    }
}

impl MembersChange {
    /// Whether anybody's weight in the next epoch is another than in `group`.
    pub fn alters_weights(&self, group: &Group) -> bool {
        weights(&self.members).ne(weights(&group.members))
    }

    /// Checks that a change which alters weights comes with the voters' mandate; of any other, none is read.
    ///
    /// # Errors
    /// The first rule that does not hold.
    pub fn mandated(&self, group: &Group, mandate: Option<&Mandate>) -> Result<(), MandateError> {
        match (self.alters_weights(group), mandate) {
            (true, Some(mandate)) => mandate.check(group, &self.members),
            (true, None) => Err(MandateError::Missing),
            (false, _) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::AccountKey;
    use crate::class::Class;
    use crate::codec;
    use crate::group::FLAG_VOTER;
    use crate::group::tests::sample_group;
    use crate::keys::AgentKey;
    use crate::terms::Terms;

    type Keys = Vec<(AccountKey, AgentKey)>;

    /// Five voters of weight 1, of which four decide changes of weights, in class 1.
    fn constituted() -> (Group, Keys) {
        let (group, keys) = sample_group(5);
        let pay = Class::payments(4, 5, 60, (1, 2));
        let terms = Terms::of_classes(vec![pay, Class::constitution(4, 5, 7_200)]);
        let group = Group { terms, ..group };
        assert_eq!(group.validate(), Ok(()));
        (group, keys)
    }

    fn heavier(group: &Group) -> Vec<Member> {
        let mut members = group.members.clone();
        members[0].weight = 2;
        members
    }

    /// The mandate of the voters with these keys for `members`.
    fn mandate(group: &Group, members: &[Member], keys: &[(AccountKey, AgentKey)]) -> Mandate {
        let empty = Mandate {
            proposer: group.members[2].agent,
            salt: 5,
            class: 1,
            description_hash: Digest::from([4; 32]),
            voting_ends: 1_700_000_000,
            ballots: vec![],
        };
        let proposal = empty.proposal(group, members);
        let ballot = |(account, _): &(AccountKey, AgentKey)| {
            let voter = AgentId(account.address());
            let voting_ends = empty.voting_ends;
            let vote = ChainVote {
                voter,
                proposal,
                choice: Choice::For,
                epoch: group.voters_since,
                voting_ends,
                nonce: 0,
            };
            Ballot { voter, signature: account.sign_digest(&vote.digest(&group.identity)) }
        };
        Mandate { ballots: keys.iter().map(ballot).collect(), ..empty }
    }

    #[test]
    fn the_weight_of_the_ballots_has_to_reach_the_threshold_of_all() {
        let (group, keys) = constituted();
        let members = heavier(&group);
        assert_eq!(mandate(&group, &members, &keys).check(&group, &members), Ok(()));
        assert_eq!(mandate(&group, &members, &keys[1..]).check(&group, &members), Ok(()));
        let few = mandate(&group, &members, &keys[2..]).check(&group, &members);
        assert_eq!(few, Err(MandateError::Weight { weight: 3, total: 5, threshold: 8_000 }));
        let good = mandate(&group, &members, &keys);
        assert_eq!(codec::decode(&codec::encode(&good), 4_096), Ok(good));
    }

    #[test]
    fn a_ballot_is_a_voters_own_for_this_very_change() {
        let (group, keys) = constituted();
        let members = heavier(&group);
        let good = mandate(&group, &members, &keys);
        let renewed = Group { epoch: group.epoch.next(), ..group.clone() };
        assert_eq!(good.weight(&renewed, &members), 0, "of another epoch");
        assert_eq!(good.weight(&group, &group.members), 0, "for other members");
        let others = [
            Mandate { salt: 6, ..good.clone() },
            Mandate { class: 0, ..good.clone() },
            Mandate { proposer: group.members[0].agent, ..good.clone() },
            Mandate { description_hash: Digest::default(), ..good.clone() },
            Mandate { voting_ends: good.voting_ends + 1, ..good.clone() },
        ];
        for other in others {
            assert_eq!(other.weight(&group, &members), 0, "{other:?}");
        }
        let mut others_name = good.clone();
        others_name.ballots[0].signature = good.ballots[1].signature;
        assert_eq!(others_name.weight(&group, &members), 4);
    }

    #[test]
    fn a_ballot_counts_once_and_in_its_place() {
        let (group, keys) = constituted();
        let members = heavier(&group);
        let good = mandate(&group, &members, &keys);
        let mut twice = good.clone();
        twice.ballots[4] = twice.ballots[3];
        assert_eq!(twice.weight(&group, &members), 4);
        let mut turned = good.clone();
        turned.ballots.reverse();
        assert_eq!(turned.weight(&group, &members), 1, "the highest comes first");
    }

    #[test]
    fn a_ballot_of_somebody_without_weight_counts_nothing() {
        let (mut group, keys) = constituted();
        group.members[4] =
            Member { weight: 0, flags: crate::group::FLAG_REPLICA, ..group.members[4].clone() };
        let members = heavier(&group);
        assert_eq!(mandate(&group, &members, &keys).weight(&group, &members), 4);
    }

    #[test]
    fn where_nobody_has_a_vote_nobody_mandates() {
        let (mut group, _) = constituted();
        for member in &mut group.members {
            (member.weight, member.flags) = (0, crate::group::FLAG_REPLICA);
        }
        let mut members = group.members.clone();
        (members[0].weight, members[0].flags) = (1, FLAG_VOTER | crate::group::FLAG_REPLICA);
        let none = mandate(&group, &members, &[]).check(&group, &members);
        assert_eq!(none, Err(MandateError::Weight { weight: 0, total: 0, threshold: 8_000 }));
    }

    #[test]
    fn weights_change_only_in_classes_for_that() {
        let (group, keys) = constituted();
        let members = heavier(&group);
        let change = MembersChange { epoch: group.epoch, members: members.clone() };
        let good = mandate(&group, &members, &keys);
        for class in [0, 2] {
            let other = Mandate { class, ..good.clone() };
            assert_eq!(other.check(&group, &members), Err(MandateError::Class(class)));
            assert!(change.check_class(&group, class).is_err());
        }
        assert_eq!(change.check_class(&group, 1), Ok(()));
        let renewal = MembersChange { members: group.members.clone(), ..change };
        assert_eq!(renewal.check_class(&group, 0), Ok(()));
    }

    #[test]
    fn what_alters_no_weight_needs_no_mandate() {
        let (group, keys) = constituted();
        let change = |members: &[Member]| MembersChange { epoch: group.epoch, members: members.to_vec() };
        let heavier = change(&heavier(&group));
        let good = mandate(&group, &heavier.members, &keys);
        assert_eq!(heavier.mandated(&group, Some(&good)), Ok(()));
        assert_eq!(heavier.mandated(&group, None), Err(MandateError::Missing));

        let mut members = group.members.clone();
        members[1].key = AgentKey::from_secret(&[77; 32]).public();
        members[4].flags = FLAG_VOTER;
        let replicas_alone = change(&members);
        assert_eq!(replicas_alone.mandated(&group, None), Ok(()));
        assert_eq!(replicas_alone.mandated(&group, Some(&good)), Ok(()), "it is not read");
        assert!(change(&group.members[1..]).alters_weights(&group), "a voter goes");
        members[0].agent = AgentId::default();
        assert!(change(&members).alters_weights(&group), "another has its weight");
    }
}
