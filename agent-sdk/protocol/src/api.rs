//! The bodies of the nodes' HTTP API that are not protocol types of their own.
//!
//! They live here so that a node and a client cannot drift apart: the node converts its views into these
//! types, the SDK reads them back. Nothing in them is proved; what must be proved comes as a
//! [`crate::Receipt`].

mod anchor;
mod error;
mod inbox;

use anchor::MAX_PROOF;
pub use anchor::{AnchorPackage, MAX_ANCHOR_BYTES, NextMembers, TakenPackage};
pub use error::{ErrorBody, ErrorCode, PROBLEM};
pub use inbox::{InboxPage, MAX_PAGE_EVENTS, ToldEvent, WaitingMessage};

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::attestation::LogHead;
use crate::call::{Call, MAX_CALLS};
use crate::codec::{self, CodecError, bounded_list, bounded_text};
use crate::entry::EntryRecord;
use crate::epoch::Handover;
use crate::group::{Group, MAX_MEMBERS};
use crate::ids::{
    AgentId, Digest, EntryIndex, Epoch, Nonce, ProposalId, ReplicaIndex, Sequence, TimestampMs, View,
};
use crate::keys::PublicKey;
use crate::proposal::{Choice, DecisionStatus, MAX_DESCRIPTION_BYTES};
use crate::vote::VoterSignature;

/// The media type of deterministic CBOR bodies (RFC 8949).
pub const CBOR: &str = "application/cbor";
/// The most entries of an [`EntriesPage`].
pub const MAX_PAGE_ENTRIES: usize = 1000;
/// The most bytes of an encoded [`EntriesPage`]. A node ends a page early rather than exceed it.
pub const MAX_PAGE_BYTES: usize = 8 * 1024 * 1024;
/// The most handovers of a [`HandoversPage`].
pub const MAX_PAGE_HANDOVERS: usize = 64;
/// The most proposals of a page.
pub const MAX_PAGE_PROPOSALS: usize = 100;
/// The longest that a node lets a request wait for a result, in milliseconds.
pub const MAX_WAIT_MS: u64 = 60_000;

/// A run of consecutive entries, as `GET /v1/groups/{group}/entries` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cbor(map)]
pub struct EntriesPage {
    /// How many entries the node's log has.
    #[n(0)]
    pub size: u64,
    /// The entries from the requested index on. Fewer than requested where the log ends, or where more
    /// would not fit into [`MAX_PAGE_BYTES`]; never empty when the log holds the requested index.
    #[cbor(n(1), decode_with = "bounded_list::<EntryRecord, Ctx, MAX_PAGE_ENTRIES>")]
    pub entries: Vec<EntryRecord>,
}

impl EntriesPage {
    /// Reads a page from its encoding. The records are not checked; see [`EntryRecord::check`].
    ///
    /// # Errors
    /// When the bytes are too many, malformed or not deterministic.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        codec::decode(bytes, MAX_PAGE_BYTES)
    }

    /// The encoding that [`Self::decode`] reads.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }
}

/// What a node says about a group, as `GET /v1/groups/{group}` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cbor(map)]
pub struct GroupStatus {
    /// The group as the node read it from the contract.
    #[n(0)]
    pub group: Group,
    /// The view that the node is in.
    #[n(1)]
    pub view: View,
    /// The primary of that view, by its position among the replicas.
    #[n(2)]
    pub primary: ReplicaIndex,
    /// The last sequence that the node executed.
    #[n(3)]
    pub last_executed: Sequence,
    /// The group's time: that of the last batch that had one. Expiries are measured against it.
    #[n(4)]
    pub time: TimestampMs,
    /// How many entries the node's log has.
    #[n(5)]
    pub log_size: u64,
    /// The RFC 9162 root over them.
    #[n(6)]
    pub log_root: Digest,
    /// What the newest certificate that the node holds covers.
    #[n(7)]
    pub certified: Option<LogHead>,
    /// The newest stable checkpoint.
    #[n(8)]
    pub stable: Option<StableStatus>,
    /// The newest anchor that the node knows of.
    #[n(9)]
    pub anchored: Option<AnchorStatus>,
    /// Whether the node takes part and serves. `GET /readyz` answers the same with its reason.
    #[n(10)]
    pub ready: bool,
}

/// A stable checkpoint in short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cbor(map)]
pub struct StableStatus {
    /// The sequence that it follows.
    #[n(0)]
    pub sequence: Sequence,
    /// How many entries the log had there.
    #[n(1)]
    pub log_size: u64,
}

/// An anchor in short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cbor(map)]
pub struct AnchorStatus {
    /// The log size that the contract has a root for.
    #[n(0)]
    pub size: u64,
    /// That root.
    #[n(1)]
    pub root: Digest,
    /// The sequence of the checkpoint that was anchored.
    #[n(2)]
    pub sequence: Sequence,
    /// The transaction that anchored it.
    #[cfg_attr(feature = "openapi", schema(value_type = crate::schema::Hash))]
    #[cbor(n(3), with = "crate::codec::hash")]
    pub tx_hash: alloy_primitives::B256,
    /// The block that includes the transaction.
    #[n(4)]
    pub block: u64,
}

/// What a node knows of an agent, as `GET /v1/groups/{group}/agents/{agent}` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cbor(map)]
pub struct AgentView {
    /// The agent's account.
    #[n(0)]
    pub agent: AgentId,
    /// The ed25519 key that its commands must be signed with.
    #[n(1)]
    pub key: PublicKey,
    /// Whether the contract lists it as a member; a plain agent is known to the log alone.
    #[n(2)]
    pub member: bool,
    /// Whether it may propose and vote.
    #[n(3)]
    pub voter: bool,
    /// Whether its node takes part in PBFT.
    #[n(4)]
    pub replica: bool,
    /// Its voting weight; 0 unless it is a voter.
    #[serde(with = "crate::decimal")]
    #[cfg_attr(feature = "openapi", schema(value_type = crate::schema::Decimal))]
    #[n(5)]
    pub weight: u64,
    /// A nonce above every one that the agent has used.
    #[n(6)]
    pub next_nonce: Nonce,
}

/// Where a proposal stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cbor(index_only)]
pub enum ProposalStatus {
    /// Votes count.
    #[n(0)]
    Open,
    /// The weight for it met the threshold.
    #[n(1)]
    Approved,
    /// The weight for it could no longer meet the threshold.
    #[n(2)]
    Rejected,
    /// The voting period ended before either.
    #[n(3)]
    Expired,
    /// Its proposer withdrew it.
    #[n(4)]
    Cancelled,
    /// The on-chain lane has it: here it closed without a decision, and for good.
    #[n(5)]
    Moved,
}

impl From<DecisionStatus> for ProposalStatus {
    fn from(status: DecisionStatus) -> Self {
        match status {
            DecisionStatus::Approved => Self::Approved,
            DecisionStatus::Rejected => Self::Rejected,
            DecisionStatus::Expired => Self::Expired,
            DecisionStatus::Cancelled => Self::Cancelled,
        }
    }
}

/// A proposal with its votes so far, as `GET /v1/groups/{group}/proposals/{id}` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cbor(map)]
pub struct ProposalView {
    /// The proposal.
    #[n(0)]
    pub id: ProposalId,
    /// Who proposed.
    #[n(1)]
    pub proposer: AgentId,
    /// The proposer's salt.
    #[serde(with = "crate::decimal")]
    #[cfg_attr(feature = "openapi", schema(value_type = crate::schema::Decimal))]
    #[n(2)]
    pub salt: u64,
    /// The class of decisions, by its place in the group's terms.
    #[n(3)]
    pub class: u8,
    /// The group's `voters_since` when it was proposed: it takes votes until anybody's weight changes.
    #[n(4)]
    pub epoch: Epoch,
    /// The proposal in words.
    #[cbor(n(5), decode_with = "bounded_text::<Ctx, MAX_DESCRIPTION_BYTES>")]
    pub description: String,
    /// What the group's account does when it is approved.
    #[cbor(n(6), decode_with = "bounded_list::<Call, Ctx, MAX_CALLS>")]
    pub calls: Vec<Call>,
    /// When it opened, by the batch's clock.
    #[n(7)]
    pub opened: TimestampMs,
    /// It expires in the first batch at or after this time.
    #[n(8)]
    pub closes: TimestampMs,
    /// Where it stands.
    #[n(9)]
    pub status: ProposalStatus,
    /// The votes, in ascending order of the voters' addresses.
    #[cbor(n(10), decode_with = "bounded_list::<VoteView, Ctx, MAX_MEMBERS>")]
    pub votes: Vec<VoteView>,
    /// Weight of the votes for it.
    #[serde(with = "crate::decimal")]
    #[cfg_attr(feature = "openapi", schema(value_type = crate::schema::Decimal))]
    #[cbor(n(11), with = "crate::codec::u128")]
    pub for_weight: u128,
    /// Weight of the votes against it.
    #[serde(with = "crate::decimal")]
    #[cfg_attr(feature = "openapi", schema(value_type = crate::schema::Decimal))]
    #[cbor(n(12), with = "crate::codec::u128")]
    pub against_weight: u128,
    /// Weight of the abstentions.
    #[serde(with = "crate::decimal")]
    #[cfg_attr(feature = "openapi", schema(value_type = crate::schema::Decimal))]
    #[cbor(n(13), with = "crate::codec::u128")]
    pub abstain_weight: u128,
    /// The decision's entry, once it is closed.
    #[n(14)]
    pub decision: Option<EntryIndex>,
}

/// One vote on a proposal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cbor(map)]
pub struct VoteView {
    /// Who voted.
    #[n(0)]
    pub voter: AgentId,
    /// What.
    #[n(1)]
    pub choice: Choice,
    /// With what weight.
    #[serde(with = "crate::decimal")]
    #[cfg_attr(feature = "openapi", schema(value_type = crate::schema::Decimal))]
    #[n(2)]
    pub weight: u64,
    /// The voter's signature by which the vote counts on-chain too, in a class that allows the escape lane.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[n(3)]
    pub signature: Option<VoterSignature>,
}

/// A page of proposals in ascending order of id, as `GET /v1/groups/{group}/proposals` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cbor(map)]
pub struct ProposalsPage {
    /// The proposals.
    #[cbor(n(0), decode_with = "bounded_list::<ProposalView, Ctx, MAX_PAGE_PROPOSALS>")]
    pub proposals: Vec<ProposalView>,
    /// What to ask for as `after` to see the next page; nothing on the last.
    #[n(1)]
    pub next: Option<ProposalId>,
}

/// The proof that one size of the log is a prefix of another (RFC 9162 section 2.1.4), as
/// `GET /v1/groups/{group}/log/consistency` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cbor(map)]
pub struct ConsistencyProof {
    /// The smaller size.
    #[n(0)]
    pub from: u64,
    /// The larger size.
    #[n(1)]
    pub to: u64,
    /// The root at `from`.
    #[n(2)]
    pub from_root: Digest,
    /// The root at `to`.
    #[n(3)]
    pub to_root: Digest,
    /// The proof; check it with [`crate::merkle::verify_consistency`].
    #[cbor(n(4), decode_with = "bounded_list::<Digest, Ctx, MAX_PROOF>")]
    pub proof: Vec<Digest>,
}

/// The ends of epochs, as `GET /v1/groups/{group}/handovers?from={epoch}` answers: the first ends the epoch that
/// was asked for, and each further one the epoch after. Empty while that epoch goes on; at most
/// [`MAX_PAGE_HANDOVERS`], so whoever gets as many asks for more. Check them with [`Handover::follow`].
pub type HandoversPage = Vec<Handover>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::tests::sample_record;

    #[test]
    fn a_page_survives_the_wire_and_its_bounds_hold() {
        let page = EntriesPage { size: 9, entries: (3..6).map(sample_record).collect() };
        assert_eq!(EntriesPage::decode(&page.encode()), Ok(page));

        let entries = vec![sample_record(0); MAX_PAGE_ENTRIES + 1];
        let long = EntriesPage { size: 2_000, entries };
        assert!(matches!(EntriesPage::decode(&long.encode()), Err(CodecError::Malformed(_))));
        let bytes = vec![0; MAX_PAGE_BYTES + 1];
        assert!(matches!(EntriesPage::decode(&bytes), Err(CodecError::TooLong { .. })));
    }

    #[test]
    fn a_proposal_view_survives_json_with_weights_beyond_64_bits() {
        let view = ProposalView {
            id: ProposalId::from([1; 32]),
            proposer: AgentId::from([2; 20]),
            class: 1,
            epoch: Epoch(2),
            salt: 3,
            description: "pay".into(),
            calls: vec![],
            opened: TimestampMs(4),
            closes: TimestampMs(5),
            status: ProposalStatus::Approved,
            votes: vec![VoteView {
                voter: AgentId::from([2; 20]),
                choice: Choice::For,
                weight: u64::MAX,
                signature: None,
            }],
            for_weight: u128::from(u64::MAX) * 2,
            against_weight: 0,
            abstain_weight: 0,
            decision: Some(EntryIndex(7)),
        };
        let page = ProposalsPage { proposals: vec![view], next: Some(ProposalId::from([1; 32])) };
        let json = serde_json::to_string(&page).unwrap();
        assert_eq!(serde_json::from_str::<ProposalsPage>(&json).unwrap(), page);
    }
}
