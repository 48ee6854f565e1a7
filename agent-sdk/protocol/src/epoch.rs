//! Epochs: how one set of members follows another.
//!
//! A group changes its members by a proposal like any other: its one call names the coordinator contract and
//! carries the new set ([`MembersChange`]), so proposal ids, votes and decisions are the same in both lanes.
//! The contract has no such function. An approved change takes effect at the next checkpoint: the old epoch's
//! quorum signs that checkpoint with the hash of the new set in it, and a checkpoint with the set beside it is
//! a [`Handover`]: whoever trusts the old epoch's members knows the new epoch's. Where the change alters anybody's
//! weight, that takes the voters' own signatures too ([`Mandate`]).
//!
//! Handovers chain within an era. What begins the next era is for the contract to say.

use alloy_primitives::{B256, U256};
use alloy_sol_types::{SolCall, sol};
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::attestation::CertificateError;
use crate::call::Call;
use crate::checkpoint::CheckpointCertificate;
use crate::codec::{self, CodecError, bounded_list};
use crate::faults::{self, Fault};
use crate::group::{FLAG_VOTER, Group, GroupError, GroupIdentity, MAX_MEMBERS, Member};
use crate::ids::{AgentId, Digest, Epoch};
use crate::keys::PublicKey;
use crate::mandate::{Mandate, MandateError};

/// The most bytes of an encoded [`Handover`].
pub const MAX_HANDOVER_BYTES: usize = 32 * 1024;

sol! {
    struct ChangedMember {
        address account;
        bytes32 key;
        uint64 weight;
        uint8 flags;
    }

    function changeMembers(bytes32 groupId, uint64 epoch, ChangedMember[] members);
}

/// A change of a group's members: from the epoch after `epoch` on, the members are `members`.
///
/// The same members again renew the epoch: what was signed in the old one counts no more, which is how a
/// replica that lost its memory comes back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MembersChange {
    /// The epoch that the change was proposed in. In any other it has no effect, so two changes that were
    /// proposed side by side never undo each other.
    pub epoch: Epoch,
    /// All members of the next epoch, in strictly ascending order of address.
    pub members: Vec<Member>,
}

/// A change of members that has no effect.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum MembersChangeError {
    /// The call data is not the ABI encoding of a change.
    #[error("the call data is not the ABI encoding of changeMembers(bytes32,uint64,Member[])")]
    Malformed,
    /// Other calls beside the change, which only one lane could carry out.
    #[error(
        "a change of members is the only call of its proposal, carries no value, and demands gas 1 without flags"
    )]
    NotAlone,
    /// For another group.
    #[error("the change is for another group")]
    OtherGroup,
    /// Proposed in another epoch.
    #[error("the change is for epoch {found}, the group is in epoch {expected}")]
    OtherEpoch {
        /// The group's epoch.
        expected: Epoch,
        /// The change's.
        found: Epoch,
    },
    /// A replica that the contract convicted is none again.
    #[error(
        "{0} was convicted of signing checkpoints that contradict each other, and cannot be a replica again"
    )]
    Convicted(AgentId),
    /// It alters weights, and was proposed in a class in which weights are not changed.
    #[error(transparent)]
    Mandate(#[from] MandateError),
    /// The new members form no group.
    #[error(transparent)]
    Group(#[from] GroupError),
}

impl MembersChange {
    /// The call that a proposal carries.
    pub fn call(&self, identity: &GroupIdentity) -> Call {
        let members = self.members.iter().map(|member| ChangedMember {
            account: member.agent.0,
            key: B256::from(member.key.0),
            weight: member.weight,
            flags: member.flags,
        });
        let call =
            changeMembersCall { groupId: identity.group.0, epoch: self.epoch.0, members: members.collect() };
        // Nobody makes this call, so its gas is the least that a call with data may demand.
        Call { gas: 1, ..Call::new(identity.contract, U256::ZERO, call.abi_encode()) }
    }

    /// The change that a proposal's calls carry; nothing if none of them is one.
    ///
    /// # Errors
    /// When one of them is a change by its target and selector, but cannot take effect in any epoch.
    pub fn of(identity: &GroupIdentity, calls: &[Call]) -> Result<Option<Self>, MembersChangeError> {
        let is_change = |call: &Call| {
            call.target == identity.contract && call.data.starts_with(&changeMembersCall::SELECTOR)
        };
        if !calls.iter().any(is_change) {
            return Ok(None);
        }
        let [call] = calls else { return Err(MembersChangeError::NotAlone) };
        if !call.value.is_zero() || call.gas != 1 || call.allow_failure || call.allow_no_code {
            return Err(MembersChangeError::NotAlone);
        }
        let decoded =
            changeMembersCall::abi_decode_validate(&call.data).map_err(|_| MembersChangeError::Malformed)?;
        if decoded.groupId != identity.group.0 {
            return Err(MembersChangeError::OtherGroup);
        }
        let members = decoded.members.into_iter().map(|member| Member {
            agent: AgentId(member.account),
            key: PublicKey(member.key.0),
            weight: member.weight,
            flags: member.flags,
        });
        let change = Self { epoch: Epoch(decoded.epoch), members: members.collect() };
        // One change has one encoding, or two proposals could differ in bytes that nobody sees.
        if change.call(identity) == *call { Ok(Some(change)) } else { Err(MembersChangeError::Malformed) }
    }

    /// Checks that the change may be proposed in this class of the group: where it alters weights, in none but a class
    /// that can give it a mandate.
    ///
    /// # Errors
    /// [`MandateError::Class`].
    pub fn check_class(&self, group: &Group, class: u8) -> Result<(), MembersChangeError> {
        let changes_weights = group.terms.class(class).is_some_and(|class| class.changes_weights());
        if changes_weights || !self.alters_weights(group) {
            Ok(())
        } else {
            Err(MandateError::Class(class).into())
        }
    }

    /// The group of the next epoch.
    ///
    /// # Errors
    /// When `group` is in another epoch, or the members break a rule of a group.
    pub fn apply(&self, group: &Group) -> Result<Group, MembersChangeError> {
        if self.epoch != group.epoch {
            return Err(MembersChangeError::OtherEpoch { expected: group.epoch, found: self.epoch });
        }
        Ok(succeed(group, self.members.clone())?)
    }
}

/// The group of the next epoch once `replica` is convicted or leaves, where `next` is what a change of members planned. A
/// voter stays a member; who is nothing but a replica goes, so no weight is altered. Nothing, if that leaves the plan as it
/// is: the account is no replica in it, or too few would remain, and then the voters have to replace it. A plan that
/// alters weights stays as the voters signed it, and the epoch after it is made without the replica.
pub fn without_replica(group: &Group, next: Option<&Group>, replica: AgentId) -> Option<Group> {
    let planned = next.unwrap_or(group);
    let change = MembersChange { epoch: group.epoch, members: planned.members.clone() };
    if change.alters_weights(group) {
        return None;
    }
    planned.member(replica).filter(|member| member.is_replica())?;
    let members = planned.members.iter().filter_map(|member| match member.agent == replica {
        true => member.is_voter().then(|| Member { flags: FLAG_VOTER, ..member.clone() }),
        false => Some(member.clone()),
    });
    let amended = Group { epoch: group.epoch.next(), members: members.collect(), ..planned.clone() };
    amended.validate().is_ok().then_some(amended)
}

/// The voters, and with which weight each votes.
pub(crate) fn weights(members: &[Member]) -> impl Iterator<Item = (AgentId, u64)> {
    members.iter().filter(|member| member.weight != 0).map(|member| (member.agent, member.weight))
}

/// The group with `members` in the epoch after its own.
fn succeed(group: &Group, members: Vec<Member>) -> Result<Group, GroupError> {
    let epoch = group.epoch.next();
    let altered = weights(&members).ne(weights(&group.members));
    let voters_since = if altered { epoch } else { group.voters_since };
    let next = Group { epoch, members, voters_since, ..group.clone() };
    next.validate()?;
    Ok(next)
}

/// The proof of an epoch's members by the epoch before: its last checkpoint, signed by a quorum of it, and
/// the members whose hash that checkpoint names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cbor(map)]
pub struct Handover {
    /// The last checkpoint of the old epoch.
    #[n(0)]
    pub certificate: CheckpointCertificate,
    /// The members of the new epoch.
    #[cbor(n(1), decode_with = "bounded_list::<Member, Ctx, MAX_MEMBERS>")]
    pub members: Vec<Member>,
    /// The voters' word for the members, where anybody's weight is another than in the old epoch.
    #[n(2)]
    pub mandate: Option<Mandate>,
}

/// A handover that hands nothing over.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum HandoverError {
    /// Not the deterministic encoding of a handover.
    #[error("handover: {0}")]
    Codec(#[from] CodecError),
    /// From another group or epoch.
    #[error("the handover is not one of epoch {expected} of this group")]
    Foreign {
        /// The epoch that it should end.
        expected: Epoch,
    },
    /// The checkpoint is not signed by a quorum of the old epoch.
    #[error("the old epoch's checkpoint: {0}")]
    Certificate(#[from] CertificateError),
    /// The members are not those that the checkpoint names.
    #[error("the members hash to {found}, the checkpoint names {expected}")]
    Members {
        /// The hash in the checkpoint.
        expected: Digest,
        /// The hash of the members.
        found: Digest,
    },
    /// The members form no group.
    #[error(transparent)]
    Group(#[from] GroupError),
    /// The voters do not want the members.
    #[error(transparent)]
    Mandate(#[from] MandateError),
    /// Signed well, but the epoch is known to have ended at another size, or with other members after it.
    #[error("epoch {0} is known to have ended otherwise")]
    OtherEnd(Epoch),
    /// Nothing is known of the epoch that it ends, so nothing of it can be checked.
    #[error("nothing leads to epoch {0}, which it ends")]
    Unknown(Epoch),
}

impl Handover {
    /// The epoch that ends with it.
    pub fn from(&self) -> Epoch {
        self.certificate.checkpoint.epoch
    }

    /// Reads a handover; nothing in it is checked yet.
    ///
    /// # Errors
    /// When the bytes are too many, malformed or not deterministic.
    pub fn decode(bytes: &[u8]) -> Result<Self, HandoverError> {
        Ok(codec::decode(bytes, MAX_HANDOVER_BYTES)?)
    }

    /// The encoding that [`Self::decode`] reads.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// The group of the new epoch, for whoever trusts `old`, the group of the epoch before.
    ///
    /// # Errors
    /// The first rule that does not hold.
    pub fn verify(&self, old: &Group) -> Result<Group, HandoverError> {
        let checkpoint = &self.certificate.checkpoint;
        if checkpoint.group != old.identity.group || checkpoint.epoch != old.epoch {
            return Err(HandoverError::Foreign { expected: old.epoch });
        }
        let next = succeed(old, self.members.clone())?;
        let (expected, found) = (checkpoint.next_members_hash, Digest(next.members_hash()));
        if expected != found {
            return Err(HandoverError::Members { expected, found });
        }
        if !faults::is_on(Fault::HandoverUnsigned) {
            self.certificate.verify(&old.identity, &old.replicas())?;
        }
        let change = MembersChange { epoch: old.epoch, members: self.members.clone() };
        change.mandated(old, self.mandate.as_ref())?;
        Ok(next)
    }

    /// The group that a chain of handovers leads to from `trusted`; those of earlier epochs are passed over.
    ///
    /// # Errors
    /// The first handover that does not hold or leaves a gap.
    pub fn follow<'h>(
        trusted: &Group,
        handovers: impl IntoIterator<Item = &'h Self>,
    ) -> Result<Group, HandoverError> {
        handovers.into_iter().try_fold(trusted.clone(), |group, handover| {
            if handover.from() < group.epoch { Ok(group) } else { handover.verify(&group) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::AccountKey;
    use crate::checkpoint::{Checkpoint, CheckpointSignature, SignedCheckpoint};
    use crate::class::Class;
    use crate::group::tests::sample_group;
    use crate::ids::Sequence;
    use crate::keys::AgentKey;
    use crate::mandate::Ballot;
    use crate::proposal::Choice;
    use crate::terms::Terms;
    use crate::vote::ChainVote;

    fn handover(group: &Group, keys: &[(AccountKey, AgentKey)], members: Vec<Member>) -> Handover {
        let next = Group { members: members.clone(), ..group.clone() };
        let checkpoint = Checkpoint {
            group: group.identity.group,
            epoch: group.epoch,
            sequence: Sequence(64),
            log_size: 100,
            log_root: Digest::from([1; 32]),
            state_root: Digest::from([2; 32]),
            inbox_count: 0,
            inbox_hash: Digest::default(),
            next_members_hash: Digest(next.members_hash()),
        };
        let signatures = keys
            .iter()
            .take(group.replicas().quorum())
            .map(|(account, _)| SignedCheckpoint::sign(&group.identity, checkpoint.clone(), account))
            .map(|signed| CheckpointSignature { replica: signed.replica, signature: signed.signature })
            .collect();
        Handover { certificate: CheckpointCertificate { checkpoint, signatures }, members, mandate: None }
    }

    #[test]
    fn a_change_survives_its_call_and_is_the_only_one() {
        let (group, _) = sample_group(5);
        let identity = &group.identity;
        let change = MembersChange { epoch: Epoch(0), members: group.members[..4].to_vec() };
        let call = change.call(identity);
        assert_eq!(MembersChange::of(identity, std::slice::from_ref(&call)), Ok(Some(change.clone())));
        assert_eq!(MembersChange::of(identity, &[]), Ok(None));
        let pay = Call::payment(AgentId::from([9; 20]), U256::from(1));
        assert_eq!(MembersChange::of(identity, std::slice::from_ref(&pay)), Ok(None));
        assert_eq!(MembersChange::of(identity, &[call.clone(), pay]), Err(MembersChangeError::NotAlone));
        let mut long = call.clone();
        long.data.push(0);
        assert_eq!(MembersChange::of(identity, &[long]), Err(MembersChangeError::Malformed));
        let mut short = call.clone();
        short.data.truncate(40);
        assert_eq!(MembersChange::of(identity, &[short]), Err(MembersChangeError::Malformed));
        let other = GroupIdentity { group: crate::ids::GroupId::from([8; 32]), ..*identity };
        assert_eq!(MembersChange::of(&other, &[call]), Err(MembersChangeError::OtherGroup));
    }

    #[test]
    fn a_change_takes_effect_in_its_own_epoch_and_only_as_a_sound_group() {
        let (group, _) = sample_group(5);
        let change = MembersChange { epoch: Epoch(0), members: group.members[..4].to_vec() };
        let next = change.apply(&group).expect("four replicas are enough");
        assert_eq!((next.epoch, next.members.len()), (Epoch(1), 4));
        assert_eq!(
            change.apply(&next),
            Err(MembersChangeError::OtherEpoch { expected: Epoch(1), found: Epoch(0) })
        );
        let few = MembersChange { epoch: Epoch(0), members: group.members[..3].to_vec() };
        assert_eq!(few.apply(&group), Err(GroupError::TooFewReplicas(3).into()));
    }

    #[test]
    fn a_chain_of_handovers_leads_from_the_first_epoch_to_the_last() {
        let (first, keys) = sample_group(5);
        let mut renewed = first.members.clone();
        renewed[0].flags = FLAG_VOTER;
        let one = handover(&first, &keys, renewed.clone());
        let second = one.verify(&first).expect("signed by the first epoch's quorum");
        let two = handover(&second, &keys[1..], first.members.clone());
        let third = two.verify(&second).expect("signed by the second epoch's quorum");
        assert_eq!(Handover::follow(&first, [&one, &two]), Ok(third.clone()));
        assert_eq!(Handover::follow(&second, [&one, &two]), Ok(third));
        assert_eq!(Handover::follow(&first, [&two]), Err(HandoverError::Foreign { expected: Epoch(0) }));
        assert_eq!(Handover::decode(&one.encode()), Ok(one));
    }

    #[test]
    fn a_handover_binds_the_members_and_needs_a_quorum() {
        let (group, keys) = sample_group(5);
        let good = handover(&group, &keys, group.members.clone());
        let mut others = good.clone();
        others.members[1].key = AgentKey::from_secret(&[77; 32]).public();
        assert!(matches!(others.verify(&group), Err(HandoverError::Members { .. })));
        let mut few = good.clone();
        few.certificate.signatures.pop();
        assert!(matches!(few.verify(&group), Err(HandoverError::Certificate(_))));
        let mut plain = good;
        plain.certificate.checkpoint.next_members_hash = Digest::default();
        assert!(matches!(plain.verify(&group), Err(HandoverError::Members { .. })));
    }

    #[test]
    fn a_handover_to_other_weights_needs_the_voters() {
        let (group, keys) = sample_group(5);
        let terms = Terms::of_class(Class::constitution(4, 5, 7_200));
        let group = Group { terms, ..group };
        let mut members = group.members.clone();
        members[0].weight = 9;
        let bare = handover(&group, &keys, members.clone());
        assert_eq!(bare.verify(&group), Err(HandoverError::Mandate(MandateError::Missing)));

        let (proposer, description_hash) = (members[0].agent, Digest::default());
        let empty =
            Mandate { proposer, salt: 1, class: 0, description_hash, voting_ends: 9, ballots: vec![] };
        let proposal = empty.proposal(&group, &members);
        let ballots = keys.iter().map(|(account, _)| {
            let voter = AgentId(account.address());
            let vote =
                ChainVote { voter, proposal, choice: Choice::For, epoch: Epoch(0), voting_ends: 9, nonce: 0 };
            Ballot { voter, signature: account.sign_digest(&vote.digest(&group.identity)) }
        });
        let mandate = Mandate { ballots: ballots.collect(), ..empty };
        let good = Handover { mandate: Some(mandate), ..bare };
        assert_eq!(good.verify(&group).map(|next| next.members), Ok(members));
        assert_eq!(Handover::decode(&good.encode()), Ok(good));
    }

    #[test]
    fn a_replica_goes_from_a_plan_unless_the_voters_signed_it() {
        let (group, _) = sample_group(6);
        let gone = group.members[2].agent;
        let next = without_replica(&group, None, gone).expect("five are enough");
        assert_eq!((next.epoch, next.replicas().index_of(gone)), (Epoch(1), None));
        assert_eq!(next.total_weight(), group.total_weight());

        let mut planned = Group { epoch: Epoch(1), ..group.clone() };
        planned.members[0].flags = FLAG_VOTER;
        let amended = without_replica(&group, Some(&planned), gone).expect("four are enough");
        assert_eq!(amended.replicas().len(), 4);
        assert_eq!(without_replica(&group, Some(&amended), group.members[3].agent), None, "three are not");
        planned.members[0].weight = 2;
        assert_eq!(without_replica(&group, Some(&planned), gone), None, "it is as the voters signed it");
    }
}
