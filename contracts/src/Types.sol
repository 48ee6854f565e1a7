// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

/// @dev `Member.flags`: the member's vote counts towards decisions. It has a weight above zero.
uint8 constant FLAG_VOTER = 1;
/// @dev `Member.flags`: the member's node takes part in PBFT, and its account signs checkpoints.
uint8 constant FLAG_REPLICA = 2;

/// @dev `Vote.choice`; the numbers are those of Governor Bravo.
uint8 constant CHOICE_AGAINST = 0;
uint8 constant CHOICE_FOR = 1;
uint8 constant CHOICE_ABSTAIN = 2;

/// @dev `Entry.kind`: a decision of the group. The kinds 1 (command) and 3 (system) mean nothing on-chain.
uint8 constant KIND_DECISION = 2;

/// @dev `Decision.status` and `Entry.status`: the proposal's approval reached its threshold. 2 is rejected, 3 expired,
/// 4 cancelled.
uint8 constant STATUS_APPROVED = 1;

/// @notice A participant of a group.
/// @param account The secp256k1 account, which is the agent's identity.
/// @param key The ed25519 public key that the account registered; it signs off-chain.
/// @param weight The voting weight: above zero for a voter, zero for anybody else.
/// @param flags `FLAG_VOTER`, `FLAG_REPLICA`, or both.
struct Member {
    address account;
    bytes32 key;
    uint64 weight;
    uint8 flags;
}

/// @notice When a proposal is decided and how soon it may be executed.
/// @param threshold The weight of votes *for* that approves: more than half of all weight, at most all of it.
/// @param votingPeriod Seconds for which a proposal takes votes.
/// @param timelock Seconds between approval and the earliest execution.
struct Policy {
    uint128 threshold;
    uint64 votingPeriod;
    uint64 timelock;
}

/// @notice One call that a group's account makes.
/// @param target The address to call.
/// @param value Wei to send along.
/// @param data Calldata; empty for a plain payment.
struct Call {
    address target;
    uint256 value;
    bytes data;
}

/// @notice What the contract knows of a group as a whole.
/// @param account The `GroupAccount` that holds the group's funds.
/// @param epoch The current epoch, 0 at first.
/// @param memberCount How many members the group has.
/// @param replicaCount How many of them are replicas.
/// @param totalWeight The weight of all voters together.
/// @param membersHash keccak256 of the ABI-encoded array of members.
/// @param policy The group's policy.
struct Group {
    address account;
    uint64 epoch;
    uint8 memberCount;
    uint8 replicaCount;
    uint128 totalWeight;
    bytes32 membersHash;
    Policy policy;
}

/// @notice Where a proposal of the on-chain lane stands. The numbers 1 to 4 are those of `Decision.status`. It is expired
/// when its voting period, or the epoch in which it was made, ended without a decision.
enum ProposalStatus {
    Open,
    Approved,
    Rejected,
    Expired,
    Cancelled,
    Executed
}

/// @notice Which way a proposal took to its execution.
enum Lane {
    OnChain,
    Anchored
}

/// @notice A proposal of the on-chain lane.
/// @param groupId The group that decides.
/// @param actionsHash keccak256 of the ABI-encoded array of calls.
/// @param proposer The voter who made it, and the only one who may cancel it.
/// @param votingEnds The first second (Unix time) at which it takes no more votes.
/// @param approvedAt When it was approved (Unix time), or 0.
/// @param forWeight Weight of the votes for.
/// @param againstWeight Weight of the votes against.
/// @param abstainWeight Weight of the abstentions.
/// @param status Where it stands now.
struct Proposal {
    bytes32 groupId;
    bytes32 actionsHash;
    address proposer;
    uint64 votingEnds;
    uint64 approvedAt;
    uint128 forWeight;
    uint128 againstWeight;
    uint128 abstainWeight;
    ProposalStatus status;
}

/// @notice The EIP-712 message by which a voter votes without a transaction of its own.
/// @param groupId The group that decides.
/// @param proposalId The proposal.
/// @param choice 0 against, 1 for, 2 abstain.
struct Vote {
    bytes32 groupId;
    bytes32 proposalId;
    uint8 choice;
}

/// @notice One entry of a group's log. Its ABI encoding (224 bytes) is the leaf of the Merkle log.
/// @param index The entry's number, from 0.
/// @param sequence The PBFT sequence that committed it.
/// @param timestampMs The batch's time, in milliseconds of Unix time.
/// @param kind 1 command, 2 decision, 3 system.
/// @param status The outcome's status; for a decision, that of the decision.
/// @param subject What the entry is about; for a decision, its EIP-712 digest.
/// @param outcome Digest of the typed outcome.
struct Entry {
    uint64 index;
    uint64 sequence;
    uint64 timestampMs;
    uint8 kind;
    uint8 status;
    bytes32 subject;
    bytes32 outcome;
}

/// @notice How a proposal was decided off-chain.
/// @param groupId The group that decided.
/// @param proposalId The proposal.
/// @param actionsHash keccak256 of the ABI-encoded array of calls.
/// @param status 1 approved, 2 rejected, 3 expired, 4 cancelled.
/// @param forWeight Weight of the votes for.
/// @param againstWeight Weight of the votes against.
/// @param abstainWeight Weight of the abstentions.
struct Decision {
    bytes32 groupId;
    bytes32 proposalId;
    bytes32 actionsHash;
    uint8 status;
    uint128 forWeight;
    uint128 againstWeight;
    uint128 abstainWeight;
}

/// @notice An approving decision and its entry in the log, without what follows: the decision's status and the entry's are
/// 1, its kind is 2, the actions' hash is that of the calls, and the entry's subject is the decision's EIP-712 digest. What
/// is not told twice need not be compared.
/// @param proposalId The proposal.
/// @param forWeight Weight of the votes for.
/// @param againstWeight Weight of the votes against.
/// @param abstainWeight Weight of the abstentions.
/// @param index The entry's number.
/// @param sequence The PBFT sequence that committed it.
/// @param timestampMs The batch's time.
/// @param outcome Digest of the typed outcome.
/// @param calls The calls that were decided.
struct Approval {
    bytes32 proposalId;
    uint128 forWeight;
    uint128 againstWeight;
    uint128 abstainWeight;
    uint64 index;
    uint64 sequence;
    uint64 timestampMs;
    bytes32 outcome;
    Call[] calls;
}

/// @notice What a quorum of replicas states about a group's whole state at one sequence.
/// @param groupId The group.
/// @param epoch The epoch whose replicas sign.
/// @param sequence The PBFT sequence after which the state was taken.
/// @param logSize How many entries the log had.
/// @param logRoot The log's RFC 9162 root at that size.
/// @param stateRoot The root of the state.
/// @param inboxCount How many inbox commands the log has taken in; 0 for now.
/// @param nextMembersHash keccak256 of the ABI-encoded array of the next epoch's members when this checkpoint ends its
/// epoch, otherwise 0.
struct Checkpoint {
    bytes32 groupId;
    uint64 epoch;
    uint64 sequence;
    uint64 logSize;
    bytes32 logRoot;
    bytes32 stateRoot;
    uint64 inboxCount;
    bytes32 nextMembersHash;
}

/// @notice Where an epoch of a group began.
/// @param membersHash keccak256 of the ABI-encoded array of the epoch's members; never 0 for an epoch that has begun.
/// @param sequence The sequence of the checkpoint that ended the epoch before; 0 for epoch 0. The epoch's own batches
/// have greater ones.
/// @param logSize How many entries the log had then; 0 for epoch 0. The epoch's own entries have this index or a greater
/// one.
struct EpochStart {
    bytes32 membersHash;
    uint64 sequence;
    uint64 logSize;
}

/// @notice The latest checkpoint that the contract accepted for a group; all zero before the first.
/// @param epoch The epoch whose replicas signed it.
/// @param sequence Its sequence.
/// @param logSize Its log size.
/// @param anchoredAt When it was accepted (Unix time in seconds), or 0.
/// @param logRoot Its log root.
/// @param stateRoot Its state root.
struct Anchor {
    uint64 epoch;
    uint64 sequence;
    uint64 logSize;
    uint64 anchoredAt;
    bytes32 logRoot;
    bytes32 stateRoot;
}
