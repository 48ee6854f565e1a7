//! Groups: who the members are, what they may do, and the arithmetic of quorums.
//!
//! Quorum arithmetic is over replicas and decision thresholds are over voter weight. The two never mix:
//! [`ReplicaSet`] knows no weights and [`Class`](crate::class::Class) knows no replicas.

use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_sol_types::{Eip712Domain, SolValue, eip712_domain, sol};
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::codec::bounded_list;
use crate::faults::{self, Fault};
use crate::ids::{AgentId, Epoch, GroupId, ReplicaIndex};
use crate::keys::PublicKey;
use crate::terms::{Terms, TermsError};
use crate::typed::{GROUP_TYPE, hash_struct};

/// The most members a group may have.
pub const MAX_MEMBERS: usize = 64;
/// The fewest replicas that tolerate one fault.
pub const MIN_REPLICAS: usize = 4;

/// The flag of a member that may vote.
pub const FLAG_VOTER: u8 = 1;
/// The flag of a member whose node takes part in PBFT.
pub const FLAG_REPLICA: u8 = 2;

/// Where a group lives: enough to name its log and to domain-separate what is signed for the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cbor(map)]
pub struct GroupIdentity {
    /// The chain's EIP-155 id.
    #[n(0)]
    pub chain_id: u64,
    /// The `AgentCoordinator` contract.
    #[n(1)]
    pub contract: AgentId,
    /// The group.
    #[n(2)]
    pub group: GroupId,
}

impl GroupIdentity {
    /// The origin of the group's log (C2SP tlog-checkpoint): `quorate/<chain_id>/<contract>/<group_id>`,
    /// with hex in lower case.
    pub fn origin(&self) -> String {
        format!("quorate/{}/{:#x}/{:#x}", self.chain_id, self.contract.0, self.group.0)
    }

    /// The EIP-712 domain of everything that is signed for the contract.
    pub fn eip712_domain(&self) -> Eip712Domain {
        eip712_domain! {
            name: "Quorate",
            version: "1",
            chain_id: self.chain_id,
            verifying_contract: self.contract.0,
        }
    }
}

/// A participant of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cbor(map)]
pub struct Member {
    /// The member's secp256k1 account.
    #[n(0)]
    pub agent: AgentId,
    /// The ed25519 key bound to the account.
    #[n(1)]
    pub key: PublicKey,
    /// Voting weight; 0 for a member that is no voter.
    #[n(2)]
    #[serde(with = "crate::decimal")]
    #[cfg_attr(feature = "openapi", schema(value_type = crate::schema::Decimal))]
    pub weight: u64,
    /// [`FLAG_VOTER`] and [`FLAG_REPLICA`].
    #[n(3)]
    pub flags: u8,
}

impl Member {
    /// Whether the member may vote.
    pub fn is_voter(&self) -> bool {
        self.flags & FLAG_VOTER != 0
    }

    /// Whether the member's node takes part in PBFT.
    pub fn is_replica(&self) -> bool {
        self.flags & FLAG_REPLICA != 0
    }
}

/// A set of members that cannot form a group.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum GroupError {
    /// Too few replicas to tolerate one fault.
    #[error("{0} replicas, at least {MIN_REPLICAS} are needed to tolerate one fault")]
    TooFewReplicas(usize),
    /// More members than a group may have.
    #[error("{0} members, at most {MAX_MEMBERS} are allowed")]
    TooManyMembers(usize),
    /// Members are sorted by address, each once.
    #[error("members are not in strictly ascending order of address at {0}")]
    NotAscending(AgentId),
    /// A voter without weight, or weight without a vote.
    #[error("{0}: a voter has weight, and nobody else has")]
    WeightWithoutVote(AgentId),
    /// A member without an account or a key, or with flags that say nothing or something unknown.
    #[error("{0}: a member has an account, a key, and is a voter, a replica or both")]
    NoPart(AgentId),
    /// Two members with one ed25519 key.
    #[error("{0} and another member share one ed25519 key")]
    SharedKey(AgentId),
    /// Terms that no group can have.
    #[error(transparent)]
    Terms(#[from] TermsError),
}

/// A group as the contract holds it for one epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cbor(map)]
pub struct Group {
    /// Where the group lives.
    #[n(0)]
    pub identity: GroupIdentity,
    /// The group's own account, which executes what is decided. It follows from the identity and the contract's code
    /// (CREATE2); `quorate-contracts` works it out.
    #[n(1)]
    pub account: AgentId,
    /// The period that `members` holds for.
    #[n(2)]
    pub epoch: Epoch,
    /// The members, in strictly ascending order of address.
    #[cbor(n(3), decode_with = "bounded_list::<Member, Ctx, MAX_MEMBERS>")]
    pub members: Vec<Member>,
    /// What the group agreed on when it was made.
    #[n(4)]
    pub terms: Terms,
    /// The epoch since which all weights are as they are: the last that began with others, or with a recovery. Proposals
    /// and votes are of it, so they outlast changes of members that leave the weights alone.
    #[n(5)]
    pub voters_since: Epoch,
}

sol! {
    struct SolMember {
        address account;
        bytes32 key;
        uint64 weight;
        uint8 flags;
    }
}

impl Group {
    /// Checks what every group guarantees; the contract checks the same when a group is created.
    ///
    /// # Errors
    /// The first rule that does not hold.
    pub fn validate(&self) -> Result<(), GroupError> {
        if self.members.len() > MAX_MEMBERS {
            return Err(GroupError::TooManyMembers(self.members.len()));
        }
        if let Some(pair) = self.members.windows(2).find(|pair| pair[0].agent >= pair[1].agent) {
            return Err(GroupError::NotAscending(pair[1].agent));
        }
        let mut keys = std::collections::BTreeSet::new();
        for member in &self.members {
            let part = (1..=FLAG_VOTER | FLAG_REPLICA).contains(&member.flags);
            if !part || member.agent.0.is_zero() || member.key.0 == [0; 32] {
                return Err(GroupError::NoPart(member.agent));
            }
            if member.is_voter() != (member.weight > 0) {
                return Err(GroupError::WeightWithoutVote(member.agent));
            }
            if !keys.insert(member.key) {
                return Err(GroupError::SharedKey(member.agent));
            }
        }
        let replicas = self.members.iter().filter(|member| member.is_replica()).count();
        if replicas < MIN_REPLICAS {
            return Err(GroupError::TooFewReplicas(replicas));
        }
        Ok(self.terms.validate(self.identity.contract, self.account)?)
    }

    /// The weight of all voters.
    pub fn total_weight(&self) -> u128 {
        self.members.iter().map(|member| u128::from(member.weight)).sum()
    }

    /// The member with this address.
    pub fn member(&self, agent: AgentId) -> Option<&Member> {
        self.members.binary_search_by_key(&agent, |member| member.agent).ok().map(|at| &self.members[at])
    }

    /// The replicas of this epoch.
    pub fn replicas(&self) -> ReplicaSet {
        ReplicaSet(self.members.iter().filter(|member| member.is_replica()).cloned().collect())
    }

    /// [`members_hash`] of the members.
    pub fn members_hash(&self) -> B256 {
        members_hash(&self.members)
    }
}

/// `keccak256(abi.encode(Member[]))`, as the contract computes it.
pub fn members_hash(members: &[Member]) -> B256 {
    let members: Vec<SolMember> = members
        .iter()
        .map(|member| SolMember {
            account: member.agent.0,
            key: B256::from(member.key.0),
            weight: member.weight,
            flags: member.flags,
        })
        .collect();
    keccak256(members.abi_encode())
}

/// The contract's rule for group ids: the struct hash of [`GROUP_TYPE`]. It commits to the members of the first epoch
/// ([`members_hash`]) and to every term ([`Terms::hash`]).
pub fn group_id(
    chain_id: u64,
    contract: Address,
    creator: Address,
    salt: B256,
    members_hash: B256,
    terms_hash: B256,
) -> GroupId {
    let chain_id = U256::from(chain_id);
    let words = (keccak256(GROUP_TYPE), chain_id, contract, creator, salt, members_hash, terms_hash);
    GroupId(hash_struct(&words))
}

/// The replicas of one epoch, in ascending order of address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaSet(Vec<Member>);

impl ReplicaSet {
    /// How many replicas there are: n.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many of them may be faulty: f = ⌊(n − 1) / 3⌋.
    pub fn max_faulty(&self) -> usize {
        (self.len() - 1) / 3
    }

    /// How many make a quorum: ⌈(n + f + 1) / 2⌉, which is 2f + 1 when n = 3f + 1. Any two quorums share
    /// a correct replica, and the correct replicas alone make one.
    pub fn quorum(&self) -> usize {
        let quorum = (self.len() + self.max_faulty() + 1).div_ceil(2);
        if faults::is_on(Fault::SmallQuorum) { quorum - 1 } else { quorum }
    }

    /// How many of them include a correct one: f + 1.
    pub fn weak_quorum(&self) -> usize {
        if faults::is_on(Fault::SmallWeakQuorum) { self.max_faulty() } else { self.max_faulty() + 1 }
    }

    /// The replica at `index`.
    pub fn at(&self, index: ReplicaIndex) -> Option<&Member> {
        self.0.get(usize::from(index.0))
    }

    /// The position of the replica with this address.
    pub fn index_of(&self, agent: AgentId) -> Option<ReplicaIndex> {
        let at = self.0.binary_search_by_key(&agent, |member| member.agent).ok()?;
        Some(ReplicaIndex(u16::try_from(at).expect("a group has at most 64 members")))
    }

    /// The replica whose ed25519 key this is.
    pub fn index_of_key(&self, key: &PublicKey) -> Option<ReplicaIndex> {
        let at = self.0.iter().position(|member| member.key == *key)?;
        Some(ReplicaIndex(u16::try_from(at).expect("a group has at most 64 members")))
    }

    /// All replicas with their positions.
    pub fn iter(&self) -> impl Iterator<Item = (ReplicaIndex, &Member)> {
        (0u16..).map(ReplicaIndex).zip(&self.0)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::account::AccountKey;
    use crate::class::Class;
    use crate::keys::AgentKey;

    /// A group of `n` members that are voters of weight 1 and replicas, with their keys in member order.
    pub(crate) fn sample_group(n: u8) -> (Group, Vec<(AccountKey, AgentKey)>) {
        let mut keys: Vec<_> = (1..=n)
            .map(|i| (AccountKey::from_secret(&[i; 32]).unwrap(), AgentKey::from_secret(&[i; 32])))
            .collect();
        keys.sort_by_key(|(account, _)| account.address());
        let members = keys
            .iter()
            .map(|(account, key)| Member {
                agent: AgentId(account.address()),
                key: key.public(),
                weight: 1,
                flags: FLAG_VOTER | FLAG_REPLICA,
            })
            .collect();
        let identity = GroupIdentity {
            chain_id: 31337,
            contract: AgentId::from([0xc0; 20]),
            group: GroupId::from([7; 32]),
        };
        let total = u128::from(n);
        let terms = Terms::of_class(Class::of_weight(total * 2 / 3 + 1, total, 60));
        let account = AgentId::from([0xac; 20]);
        (Group { identity, account, epoch: Epoch(0), members, terms, voters_since: Epoch(0) }, keys)
    }

    #[test]
    fn quorums_intersect_in_a_correct_replica_and_survive_the_faulty() {
        for n in 4..=64u8 {
            let (group, _) = sample_group(n);
            let replicas = group.replicas();
            let (n, f, q) = (replicas.len(), replicas.max_faulty(), replicas.quorum());
            assert!(2 * q > n + f, "two quorums of {q} among {n} share more than {f}");
            assert!(q <= n - f, "{} correct replicas make a quorum of {q}", n - f);
            assert!(3 * f < n);
        }
    }

    #[test]
    fn a_group_that_breaks_a_rule_is_named() {
        let (group, _) = sample_group(4);
        assert_eq!(group.validate(), Ok(()));

        let mut unsorted = group.clone();
        unsorted.members.swap(0, 1);
        assert!(matches!(unsorted.validate(), Err(GroupError::NotAscending(_))));

        let mut few = group.clone();
        few.members[0].flags = FLAG_VOTER;
        assert_eq!(few.validate(), Err(GroupError::TooFewReplicas(3)));

        let mut half = group.clone();
        half.terms.classes[0].threshold = 5_000;
        assert!(matches!(half.validate(), Err(GroupError::Terms(_))));

        for flags in [0, 4, 7] {
            let mut idle = group.clone();
            idle.members[0].flags = flags;
            assert_eq!(idle.validate(), Err(GroupError::NoPart(idle.members[0].agent)));
        }
        let mut keyless = group.clone();
        keyless.members[3].key = PublicKey([0; 32]);
        assert_eq!(keyless.validate(), Err(GroupError::NoPart(keyless.members[3].agent)));

        let mut twins = group.clone();
        twins.members[1].key = twins.members[0].key;
        assert_eq!(twins.validate(), Err(GroupError::SharedKey(twins.members[1].agent)));

        let mut idle = group;
        idle.members[2].weight = 0;
        assert_eq!(idle.validate(), Err(GroupError::WeightWithoutVote(idle.members[2].agent)));
    }

    #[test]
    fn the_origin_names_chain_contract_and_group() {
        let (group, _) = sample_group(4);
        let origin = group.identity.origin();
        assert!(origin.starts_with("quorate/31337/0xc0c0"), "{origin}");
        assert!(origin.ends_with(&"07".repeat(32)), "{origin}");
    }
}
