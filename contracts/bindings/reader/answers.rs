//! What the contract's views answer.

use quorate_protocol::{AgentId, Choice, Digest, Epoch, Sequence};

use crate::ProposalStatus;

/// Where an epoch of a group began, as the contract has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochStart {
    /// The epoch.
    pub epoch: Epoch,
    /// The sequence of the last anchor before it; the epoch's batches have greater ones.
    pub sequence: Sequence,
    /// How many entries the log had then; the epoch's entries have this index or a greater one.
    pub log_size: u64,
    /// The hash of the epoch's members, as [`Group::members_hash`](quorate_protocol::Group::members_hash) computes it.
    pub members_hash: Digest,
    /// When the contract came to it, in seconds since the Unix epoch.
    pub started_at_s: u64,
    /// The weight of all its voters.
    pub total_weight: u128,
    /// The epoch since which all weights were as they were in this one.
    pub voters_since: Epoch,
}

/// A group's latest anchor. The roots of the state and the inbox are in its event:
/// [`CoordinatorReader::anchors`](super::CoordinatorReader::anchors).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LatestAnchor {
    /// The epoch whose replicas signed the checkpoint.
    pub epoch: Epoch,
    /// The checkpoint's sequence.
    pub sequence: Sequence,
    /// How many entries the log had.
    pub log_size: u64,
    /// The log's root at that size.
    pub log_root: Digest,
    /// When the contract accepted it, in seconds since the Unix epoch.
    pub anchored_at_s: u64,
}

/// A replica's bond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplicaBond {
    /// Wei.
    pub amount: u128,
    /// When its signature stops to count, in seconds since the Unix epoch; nothing while the bond was not asked for.
    pub exit_at_s: Option<u64>,
    /// From when on the bond can be withdrawn; nothing likewise.
    pub released_at_s: Option<u64>,
}

/// What is known of an account's seat in the current epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeatStatus {
    /// Whether the member gave up its vote.
    pub left: bool,
    /// Whether the account was convicted in the group, ever.
    pub convicted: bool,
    /// Whether its bond reaches the terms'.
    pub bonded: bool,
    /// When its signature stops to count because it asked for its bond, in seconds since the Unix epoch.
    pub exit_at_s: Option<u64>,
    /// Whether its signature on a checkpoint counts now.
    pub counts: bool,
}

/// A group's inbox in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InboxStatus {
    /// How many messages there are.
    pub length: u64,
    /// How many of them the anchored log has taken in.
    pub taken: u64,
    /// When an anchor last took any, in seconds since the Unix epoch.
    pub served_at_s: Option<u64>,
    /// Since when the oldest message that no anchor took waits: the later of its own time and [`Self::served_at_s`]. Nothing
    /// when none waits. The stall time and the recovery time count from here.
    pub waiting_since_s: Option<u64>,
}

/// What the contract keeps of a message of the inbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InboxMark {
    /// The hash of the inbox up to and with the message.
    pub hash: Digest,
    /// When the message was put there, in seconds since the Unix epoch.
    pub enqueued_at_s: u64,
}

/// What all that ever happened to a proposal on-chain, in any lane, came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OnChainProposal {
    /// Where it stands now.
    pub status: ProposalStatus,
    /// The class of decisions, by its place in the group's terms.
    pub class: u8,
    /// Whether it was approved by signatures given off-chain, or queued from the log.
    pub from_log: bool,
    /// Whether an anchored log was shown to have refused it.
    pub refused_in_log: bool,
    /// The epoch in which it was opened or approved on-chain.
    pub epoch: Epoch,
    /// The first second (Unix time) at which it takes no more votes; nothing where it was never open on-chain.
    pub voting_ends_s: Option<u64>,
    /// When it was approved (Unix time).
    pub approved_at_s: Option<u64>,
    /// The first and the last second (Unix time) at which it may be executed, once it is approved.
    pub executable_s: Option<(u64, u64)>,
    /// Weight of the votes for.
    pub for_weight: u128,
    /// Weight of the votes against.
    pub against_weight: u128,
    /// Weight of the abstentions.
    pub abstain_weight: u128,
}

/// What a voter has cast on a proposal of the on-chain lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CastVote {
    /// How many of its votes were counted: the nonce of the next.
    pub count: u32,
    /// What the last one chose.
    pub choice: Choice,
}

/// How much of an asset a class may still send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spendable {
    /// The asset: a token, or [`ETHER`](quorate_protocol::ETHER).
    pub asset: AgentId,
    /// By one decision, in the asset's smallest unit; 0 where the class has no limit for it.
    pub per_decision: u128,
    /// In all at this moment; nothing where the class has no window, and there is no end to it.
    pub left: Option<u128>,
}
