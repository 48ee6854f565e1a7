//! The bodies of the nodes' HTTP API that are not protocol types of their own.
//!
//! They live here so that a node and a client cannot drift apart: the node converts its views into these
//! types, the SDK reads them back. Nothing in them is proved; what must be proved comes as a
//! [`crate::Receipt`].

mod anchor;
mod inbox;

pub use anchor::{AnchorPackage, MAX_ANCHOR_BYTES, NextMembers, TakenPackage};
pub use inbox::{InboxPage, MAX_PAGE_EVENTS, ToldEvent, WaitingMessage};

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::attestation::LogHead;
use crate::call::Call;
use crate::codec::{self, CodecError, bounded_list};
use crate::entry::EntryRecord;
use crate::epoch::Handover;
use crate::group::Group;
use crate::ids::{
    AgentId, Digest, EntryIndex, Epoch, Nonce, ProposalId, ReplicaIndex, Sequence, TimestampMs, View,
};
use crate::keys::PublicKey;
use crate::proposal::{Choice, DecisionStatus};
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GroupStatus {
    /// The group as the node read it from the contract.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub group: Group,
    /// The view that the node is in.
    #[cfg_attr(feature = "openapi", schema(value_type = u64))]
    pub view: View,
    /// The primary of that view, by its position among the replicas.
    #[cfg_attr(feature = "openapi", schema(value_type = u16))]
    pub primary: ReplicaIndex,
    /// The last sequence that the node executed.
    #[cfg_attr(feature = "openapi", schema(value_type = u64))]
    pub last_executed: Sequence,
    /// The group's time: that of the last batch that had one. Expiries are measured against it.
    #[cfg_attr(feature = "openapi", schema(value_type = u64))]
    pub time: TimestampMs,
    /// How many entries the node's log has.
    pub log_size: u64,
    /// The RFC 9162 root over them.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub log_root: Digest,
    /// What the newest certificate that the node holds covers.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub certified: Option<LogHead>,
    /// The newest stable checkpoint.
    pub stable: Option<StableStatus>,
    /// The newest anchor that the node knows of.
    pub anchored: Option<AnchorStatus>,
    /// Whether the node takes part and serves. `GET /readyz` answers the same with its reason.
    pub ready: bool,
}

/// A stable checkpoint in short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StableStatus {
    /// The sequence that it follows.
    #[cfg_attr(feature = "openapi", schema(value_type = u64))]
    pub sequence: Sequence,
    /// How many entries the log had there.
    pub log_size: u64,
}

/// An anchor in short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AnchorStatus {
    /// The log size that the contract has a root for.
    pub size: u64,
    /// That root.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub root: Digest,
    /// The sequence of the checkpoint that was anchored.
    #[cfg_attr(feature = "openapi", schema(value_type = u64))]
    pub sequence: Sequence,
    /// The transaction that anchored it.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub tx_hash: alloy_primitives::B256,
    /// The block that includes the transaction.
    pub block: u64,
}

/// What a node knows of an agent, as `GET /v1/groups/{group}/agents/{agent}` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AgentView {
    /// The agent's account.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub agent: AgentId,
    /// The ed25519 key that its commands must be signed with.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub key: PublicKey,
    /// Whether the contract lists it as a member; a plain agent is known to the log alone.
    pub member: bool,
    /// Whether it may propose and vote.
    pub voter: bool,
    /// Whether its node takes part in PBFT.
    pub replica: bool,
    /// Its voting weight; 0 unless it is a voter.
    pub weight: u64,
    /// A nonce above every one that the agent has used.
    #[cfg_attr(feature = "openapi", schema(value_type = u64))]
    pub next_nonce: Nonce,
}

/// Where a proposal stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum ProposalStatus {
    /// Votes count.
    Open,
    /// The weight for it met the threshold.
    Approved,
    /// The weight for it could no longer meet the threshold.
    Rejected,
    /// The voting period ended before either.
    Expired,
    /// Its proposer withdrew it.
    Cancelled,
    /// The on-chain lane has it: here it closed without a decision, and for good.
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ProposalView {
    /// The proposal.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub id: ProposalId,
    /// Who proposed.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub proposer: AgentId,
    /// The proposer's salt.
    pub salt: u64,
    /// The class of decisions, by its place in the group's terms.
    pub class: u8,
    /// The group's `voters_since` when it was proposed: it takes votes until anybody's weight changes.
    #[cfg_attr(feature = "openapi", schema(value_type = u64))]
    pub epoch: Epoch,
    /// The proposal in words.
    pub description: String,
    /// What the group's account does when it is approved.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<Object>))]
    pub calls: Vec<Call>,
    /// When it opened, by the batch's clock.
    #[cfg_attr(feature = "openapi", schema(value_type = u64))]
    pub opened: TimestampMs,
    /// It expires in the first batch at or after this time.
    #[cfg_attr(feature = "openapi", schema(value_type = u64))]
    pub closes: TimestampMs,
    /// Where it stands.
    pub status: ProposalStatus,
    /// The votes, in ascending order of the voters' addresses.
    pub votes: Vec<VoteView>,
    /// Weight of the votes for it.
    pub for_weight: u128,
    /// Weight of the votes against it.
    pub against_weight: u128,
    /// Weight of the abstentions.
    pub abstain_weight: u128,
    /// The decision's entry, once it is closed.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<u64>))]
    pub decision: Option<EntryIndex>,
}

/// One vote on a proposal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct VoteView {
    /// Who voted.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub voter: AgentId,
    /// What.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub choice: Choice,
    /// With what weight.
    pub weight: u64,
    /// The voter's signature by which the vote counts on-chain too, in a class that allows the escape lane.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub signature: Option<VoterSignature>,
}

/// A page of proposals in ascending order of id, as `GET /v1/groups/{group}/proposals` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ProposalsPage {
    /// The proposals.
    pub proposals: Vec<ProposalView>,
    /// What to ask for as `after` to see the next page; nothing on the last.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub next: Option<ProposalId>,
}

/// The proof that one size of the log is a prefix of another (RFC 9162 section 2.1.4), as
/// `GET /v1/groups/{group}/log/consistency` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConsistencyProof {
    /// The smaller size.
    pub from: u64,
    /// The larger size.
    pub to: u64,
    /// The root at `from`.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub from_root: Digest,
    /// The root at `to`.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub to_root: Digest,
    /// The proof; check it with [`crate::merkle::verify_consistency`].
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub proof: Vec<Digest>,
}

/// The ends of epochs, as `GET /v1/groups/{group}/handovers?from={epoch}` answers: the first ends the epoch that
/// was asked for, and each further one the epoch after. Empty while that epoch goes on; at most
/// [`MAX_PAGE_HANDOVERS`], so whoever gets as many asks for more. Check them with [`Handover::follow`].
pub type HandoversPage = Vec<Handover>;

/// The body of every answer that is not a success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ErrorBody {
    /// What went wrong.
    pub error: ErrorDetail,
}

/// What went wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ErrorDetail {
    /// The stable name of the condition.
    pub code: ErrorCode,
    /// The condition in words, with its values and what to do about it.
    pub message: String,
    /// The entry that stands in the way, where there is one (see [`ErrorCode::NonceReused`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<u64>))]
    pub entry: Option<EntryIndex>,
}

/// The conditions that a node answers with. New ones may come; a client reads those as
/// [`ErrorCode::Unknown`] and goes by the HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum ErrorCode {
    /// The body, a path or a query cannot be read.
    Malformed,
    /// The command is for another group than the path names.
    WrongGroup,
    /// The command has no operation.
    Empty,
    /// The signature is not the key's.
    BadSignature,
    /// The agent is not known to the group.
    UnknownAgent,
    /// The command is signed with a key that is not the agent's.
    WrongKey,
    /// Another command of the agent has this nonce; the answer names its entry.
    NonceReused,
    /// The nonce is below those that the group remembers of the agent.
    NonceTooOld,
    /// The nonce is too far above the agent's highest.
    NonceTooFar,
    /// The command's expiry has passed.
    Expired,
    /// The body has more bytes than allowed.
    TooLarge,
    /// The content type is not the one that the route takes.
    UnsupportedMediaType,
    /// Too many requests from one address, or commands of one agent.
    RateLimited,
    /// The node does not serve yet: it starts, catches up, or has no quorum of peers.
    NotReady,
    /// The node's queues are full.
    Busy,
    /// The node's log contradicts a quorum's: it serves nothing until it has recovered.
    Diverged,
    /// The command is accepted but not yet certified, or the request's time is over. Ask again.
    Pending,
    /// No such group, agent, proposal, command, entry, tile or route.
    NotFound,
    /// The proposal is open or unknown: it has no decision.
    NotDecided,
    /// The route does not take the request's method.
    MethodNotAllowed,
    /// A failure of the node itself, which its log explains.
    Internal,
    /// A condition that this version does not know.
    #[serde(other)]
    Unknown,
}

impl ErrorCode {
    /// The HTTP status that a node answers with.
    pub fn http_status(self) -> u16 {
        match self {
            Self::Malformed | Self::WrongGroup | Self::Empty => 400,
            Self::BadSignature => 401,
            Self::UnknownAgent | Self::WrongKey => 403,
            Self::NotFound | Self::NotDecided => 404,
            Self::MethodNotAllowed => 405,
            Self::NonceReused | Self::NonceTooOld | Self::NonceTooFar => 409,
            Self::Expired => 410,
            Self::TooLarge => 413,
            Self::UnsupportedMediaType => 415,
            Self::RateLimited => 429,
            Self::Internal | Self::Unknown => 500,
            Self::NotReady | Self::Busy | Self::Diverged => 503,
            Self::Pending => 504,
        }
    }

    /// Whether the same request may succeed later or at another node. A command may always be sent again:
    /// it has one effect however often it arrives.
    pub fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::RateLimited
                | Self::NotReady
                | Self::Busy
                | Self::Diverged
                | Self::Pending
                | Self::Internal
                | Self::Unknown
        )
    }
}

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

    #[test]
    fn errors_have_stable_names_and_unknown_ones_are_read() {
        let body = ErrorBody {
            error: ErrorDetail {
                code: ErrorCode::NonceReused,
                message: "taken".into(),
                entry: Some(EntryIndex(4)),
            },
        };
        let json = serde_json::to_string(&body).unwrap();
        assert_eq!(json, r#"{"error":{"code":"nonce_reused","message":"taken","entry":4}}"#);
        assert_eq!(serde_json::from_str::<ErrorBody>(&json).unwrap(), body);

        let newer = r#"{"error":{"code":"made_up_later","message":"m"}}"#;
        assert_eq!(serde_json::from_str::<ErrorBody>(newer).unwrap().error.code, ErrorCode::Unknown);
    }
}
