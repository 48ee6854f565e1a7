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

/// @dev `Entry.kind`: a decision of the group.
uint8 constant KIND_DECISION = 2;
/// @dev `Entry.kind`: what the system noted, such as a message of the inbox that the log took in.
uint8 constant KIND_SYSTEM = 3;

/// @dev `Decision.status` and `Entry.status`: the proposal's approval reached its threshold. 2 is rejected, 3 expired,
/// 4 cancelled.
uint8 constant STATUS_APPROVED = 1;
/// @dev The last `Decision.status` that refuses.
uint8 constant STATUS_CANCELLED = 4;
/// @dev `Entry.status` of what the system noted.
uint8 constant STATUS_NOTED = 1;

/// @dev `Entry.outcome` where the outcome says nothing beyond the subject: SHA-256 over `quorate/v1/outcome`, a zero byte
/// and the encoding 0x820280.
bytes32 constant OUTCOME_RECORDED = 0xad182dbc77e8d818f1a06aa5d4285a023a2600dcdb7377ea3aa65823422d6f5a;

/// @dev The whole of which parts of weight are told, in basis points.
uint256 constant WHOLE = 10_000;

// -------------------------------------------------------------------------------------------------------------
// The inbox: `Enqueued.kind`
// -------------------------------------------------------------------------------------------------------------

/// @dev A command that its agent signed; the payload is its encoding off-chain.
uint8 constant INBOX_COMMAND = 1;
/// @dev A proposal was opened on-chain, or approved by signatures:
/// abi.encode(proposalId, proposer, class, votingEnds, status), status 1 open or 2 approved.
uint8 constant INBOX_OPENED = 2;
/// @dev A replica contradicted itself: abi.encode(replica).
uint8 constant INBOX_CONVICTED = 3;
/// @dev A proposal came to an end on-chain: abi.encode(proposalId, status), status as in `Status`.
uint8 constant INBOX_CLOSED = 4;
/// @dev A replica asked for its bond: abi.encode(replica, exitAt).
uint8 constant INBOX_LEAVING = 5;
/// @dev A member gave up its vote: abi.encode(member).
uint8 constant INBOX_LEFT = 6;

// -------------------------------------------------------------------------------------------------------------
// Members and terms
// -------------------------------------------------------------------------------------------------------------

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

/// @notice Of which weight a class' threshold is a part.
enum Basis {
    // all voters'
    All,
    // the votes for and against
    Cast
}

/// @notice What the calls of a class' proposals may be.
enum Scope {
    // none: it decides something, and nothing is called
    Decisions,
    // ether without call data, and transfers of tokens, within limits
    Payments,
    // anything but calls to the coordinator and to the group's own account; within limits and a list, where there are any
    Calls,
    // changes of the group itself too
    Anything
}

/// @notice When the on-chain lane takes new proposals of a class.
enum Opening {
    Never,
    // when a message of the inbox waits untaken for the stall time
    Stalled,
    Always
}

/// @notice How much of one asset a class may send.
/// @param asset The token, or 0 for ether.
/// @param perDecision The most that the calls of one decision send in all.
/// @param perWindow The most that leaves in any `window` seconds; 0 where the class has no window.
struct Limit {
    address asset;
    uint112 perDecision;
    uint112 perWindow;
}

/// @notice What a class may call.
/// @param target The contract.
/// @param selector The function; 0 for a call without data.
struct Target {
    address target;
    bytes4 selector;
}

/// @notice A class of decisions: what it may be about, when it is decided and how soon it may be executed. Parts of weight
/// are in basis points, 10,000 to the whole. A class waits or is bounded: without a timelock it calls nothing, or has limits
/// and a window.
/// @param name [a-z0-9_-], padded with zeros, its own within the group.
/// @param scope What the calls may be.
/// @param opening When the on-chain lane takes new proposals of it.
/// @param escape Whether signed votes approve on-chain when the group has stalled.
/// @param revotes Whether a voter may change its vote while the voting lasts, which it then does to its end.
/// @param basis Of which weight the threshold is a part.
/// @param threshold The part of the weight that votes for have to reach: more than half.
/// @param turnout The part of all weight that has to vote, abstentions included.
/// @param veto The part of all weight that votes against have to reach to reject, whatever is for; 0 for no veto.
/// @param votingPeriod Seconds for which a proposal takes votes.
/// @param timelock Seconds between approval and the earliest execution, in which it can be vetoed and revoked.
/// @param expiry Seconds from then on in which it can be executed.
/// @param window The seconds of `Limit.perWindow`; 0 for none.
/// @param limits By ascending asset.
/// @param targets By ascending target, then selector.
struct Class {
    bytes16 name;
    Scope scope;
    Opening opening;
    bool escape;
    bool revotes;
    Basis basis;
    uint16 threshold;
    uint16 turnout;
    uint16 veto;
    uint32 votingPeriod;
    uint32 timelock;
    uint32 expiry;
    uint32 window;
    Limit[] limits;
    Target[] targets;
}

/// @notice What a group agreed on when it was made. It stays as it is.
/// @param classes The classes of its decisions; a class is known by its place.
/// @param stallTime Seconds for which a message of the inbox waits untaken until the group has stalled.
/// @param inboxDeadline Seconds after which no anchor may leave a message of the inbox out.
/// @param recoveryTime Seconds for which a message waits untaken until the voters may replace the replicas; 0 for never.
/// @param inboxFee Wei for each 1,024 bytes begun of a message by somebody who is no member; 0 closes the inbox to them.
/// @param bond What each replica has to deposit for its signature to count, in wei; 0 when the group has no bonds.
/// @param evidenceWindow Seconds after the end of an epoch for which its replicas can be convicted.
/// @param reporterShare The part of a forfeited bond that goes to the reporter, in basis points; the rest is the group's.
/// @param uptimeFeed A Chainlink L2 sequencer uptime feed, or 0.
struct Terms {
    Class[] classes;
    uint32 stallTime;
    uint32 inboxDeadline;
    uint32 recoveryTime;
    uint96 inboxFee;
    uint128 bond;
    uint32 evidenceWindow;
    uint16 reporterShare;
    address uptimeFeed;
}

/// @notice A term of a group or a class that has bounds: see `TermsRules`.
enum Term {
    ClassCount,
    StallTime,
    InboxDeadline,
    RecoveryTime,
    EvidenceWindow,
    ReporterShare,
    Name,
    Threshold,
    Turnout,
    Veto,
    VotingPeriod,
    Timelock,
    Expiry,
    Window,
    Opening,
    Escape,
    LimitCount,
    LimitAsset,
    LimitAmount,
    TargetCount,
    Target,
    Bounded
}

// -------------------------------------------------------------------------------------------------------------
// What is proposed, voted and decided
// -------------------------------------------------------------------------------------------------------------

/// @notice One call that a group's account makes. Its EIP-712 encoding is its type hash, the five static words, and the
/// hash of the data.
/// @param target The address to call.
/// @param value Wei to send along.
/// @param gas The least gas that the call must be given, and where it may fail also the most; above zero where there is data or
/// failure is allowed.
/// @param allowFailure Whether the calls behind it are made, and it counts as executed, when this one fails.
/// @param allowNoCode Whether data may go to an address without code, which ignores it.
/// @param data Calldata; empty for a plain payment.
struct Call {
    address target;
    uint256 value;
    uint64 gas;
    bool allowFailure;
    bool allowNoCode;
    bytes data;
}

/// @notice What a proposal's identifier follows from, beside the group.
/// @param proposer Who made it.
/// @param salt The salt that the proposer chose.
/// @param class The class of decisions.
/// @param descriptionHash keccak256 of the description.
/// @param calls What is proposed.
struct Content {
    address proposer;
    uint64 salt;
    uint8 class;
    bytes32 descriptionHash;
    Call[] calls;
}

/// @notice A signed vote, or a signed objection, where `choice` is not read.
/// @param voter Who signed.
/// @param choice 0 against, 1 for, 2 abstain.
/// @param signature 65 bytes (r, s, v) with low s and v 0, 1, 27 or 28, that recover to the voter; or what the voter's code
/// accepts by ERC-1271.
struct Ballot {
    address voter;
    uint8 choice;
    bytes signature;
}

/// @notice What all that ever happened to a proposal came to, in any lane.
enum Status {
    None,
    Open,
    Approved,
    Rejected,
    Cancelled,
    // by objections, or by a decision; for good
    Revoked,
    // for good
    Executed,
    // worked out, never stored: the voting, the epoch or the time for the execution ended
    Expired
}

/// @notice What votes decide. The numbers of what is not open are those of `Decision.status`.
enum Verdict {
    Open,
    Approved,
    Rejected,
    Expired
}

/// @notice Which way a proposal took to its execution.
enum Lane {
    OnChain,
    Anchored
}

/// @notice Why a ballot was passed over.
enum Skip {
    NotVoter,
    NotAscending,
    InvalidChoice,
    AlreadyVoted,
    InvalidSignature,
    NotOpen
}

/// @notice Where a proposal stands.
/// @param status Where it stands now.
/// @param class The class of decisions.
/// @param fromLog Whether it was approved by signatures given off-chain, or queued from the log.
/// @param refusedInLog Whether an anchored log was shown to have refused it.
/// @param epoch The group's `votersSince` when it was opened or approved on-chain: whose weights its tallies are of.
/// @param votingEnds The first second (Unix time) at which it takes no more votes; 0 where it was never open here.
/// @param approvedAt When it was approved (Unix time), or 0.
/// @param executableFrom The first second at which it may be executed, or 0 while it is not approved.
/// @param executableUntil The last one.
/// @param forWeight Weight of the votes for.
/// @param againstWeight Weight of the votes against.
/// @param abstainWeight Weight of the abstentions.
struct ProposalState {
    Status status;
    uint8 class;
    bool fromLog;
    bool refusedInLog;
    uint64 epoch;
    uint64 votingEnds;
    uint64 approvedAt;
    uint64 executableFrom;
    uint64 executableUntil;
    uint128 forWeight;
    uint128 againstWeight;
    uint128 abstainWeight;
}

/// @notice How a proposal was decided off-chain. Its EIP-712 digest is the subject of its entry.
/// @param proposalId The proposal, which commits to the group, the class and the calls.
/// @param status 1 approved, 2 rejected, 3 expired, 4 cancelled.
/// @param forWeight Weight of the votes for.
/// @param againstWeight Weight of the votes against.
/// @param abstainWeight Weight of the abstentions.
struct Decision {
    bytes32 proposalId;
    uint8 status;
    uint128 forWeight;
    uint128 againstWeight;
    uint128 abstainWeight;
}

/// @notice An approving decision and its entry in the log, without what follows from them.
/// @param proposer Who made the proposal.
/// @param salt Its salt.
/// @param class Its class.
/// @param descriptionHash keccak256 of its description.
/// @param forWeight Weight of the votes for.
/// @param againstWeight Weight of the votes against.
/// @param abstainWeight Weight of the abstentions.
/// @param epoch The epoch in which it was decided.
/// @param index The entry's number.
/// @param sequence The PBFT sequence that committed it.
/// @param timestampMs The batch's time.
/// @param calls The calls that were decided.
struct Approval {
    address proposer;
    uint64 salt;
    uint8 class;
    bytes32 descriptionHash;
    uint128 forWeight;
    uint128 againstWeight;
    uint128 abstainWeight;
    uint64 epoch;
    uint64 index;
    uint64 sequence;
    uint64 timestampMs;
    Call[] calls;
}

/// @notice A refusing decision and its entry in the log.
/// @param proposalId The proposal.
/// @param status 2 rejected, 3 expired, 4 cancelled.
/// @param forWeight Weight of the votes for.
/// @param againstWeight Weight of the votes against.
/// @param abstainWeight Weight of the abstentions.
/// @param index The entry's number.
/// @param sequence The PBFT sequence that committed it.
/// @param timestampMs The batch's time.
struct Refusal {
    bytes32 proposalId;
    uint8 status;
    uint128 forWeight;
    uint128 againstWeight;
    uint128 abstainWeight;
    uint64 index;
    uint64 sequence;
    uint64 timestampMs;
}

// -------------------------------------------------------------------------------------------------------------
// The log and its checkpoints
// -------------------------------------------------------------------------------------------------------------

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

/// @notice What a quorum of replicas states about a group's whole state at one sequence.
/// @param groupId The group.
/// @param epoch The epoch whose replicas sign: its era times 2^32, and its number within that.
/// @param sequence The PBFT sequence after which the state was taken.
/// @param logSize How many entries the log had.
/// @param logRoot The log's RFC 9162 root at that size.
/// @param stateRoot The root of the state.
/// @param inboxCount How many messages of the inbox the log has taken in.
/// @param inboxHash The hash of the inbox up to there, 0 for none.
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
    bytes32 inboxHash;
    bytes32 nextMembersHash;
}

/// @notice The entry by which the log says that it took in the last of the messages that a checkpoint counts, without what
/// follows from the checkpoint; all zero, and no path, where the checkpoint takes none.
/// @param index The entry's number.
/// @param sequence The PBFT sequence that committed it.
/// @param timestampMs The batch's time.
/// @param disposition What became of the message, by the log's word.
/// @param path The RFC 9162 inclusion proof of the entry under the checkpoint's root.
struct Taken {
    uint64 index;
    uint64 sequence;
    uint64 timestampMs;
    uint8 disposition;
    bytes32[] path;
}

/// @notice The voters' own word for a change of weights: the proposal whose only call changes the members to those of the
/// next epoch, and ballots for it. All zero, and no ballots, where no weight changes.
/// @param proposer Who made the proposal.
/// @param salt Its salt.
/// @param class Its class, which has the escape lane and the scope `Anything`.
/// @param descriptionHash keccak256 of its description.
/// @param votingEnds The end of its voting, which the votes name.
/// @param ballots Votes for, by strictly ascending voter, 65 bytes each, with nonce 0.
struct Mandate {
    address proposer;
    uint64 salt;
    uint8 class;
    bytes32 descriptionHash;
    uint64 votingEnds;
    Ballot[] ballots;
}

/// @notice Two leaves at one index of two logs: what shows that two signed logs fork, when sizes and roots do not. All zero,
/// and no paths, where it is not needed.
/// @param index The entry's number, below both logs' sizes.
/// @param firstLeaf The leaf's hash in the first checkpoint's log.
/// @param firstPath Its inclusion proof there.
/// @param secondLeaf The leaf's hash in the second checkpoint's log.
/// @param secondPath Its inclusion proof there.
struct Fork {
    uint64 index;
    bytes32 firstLeaf;
    bytes32[] firstPath;
    bytes32 secondLeaf;
    bytes32[] secondPath;
}

// -------------------------------------------------------------------------------------------------------------
// What views answer
// -------------------------------------------------------------------------------------------------------------

/// @notice What the contract knows of a group as a whole.
/// @param account The `GroupAccount` that holds the group's funds.
/// @param epoch The current epoch, 0 at first.
/// @param memberCount How many members the group has.
/// @param replicaCount How many of them are replicas.
/// @param totalWeight The weight of all voters together.
/// @param membersHash keccak256 of the ABI-encoded array of members.
/// @param votersSince The epoch since which all weights are as they are: votes are of it, not of the epoch of the replicas.
/// @param createdAt When it was made (Unix time).
/// @param terms What it agreed on then.
struct Group {
    address account;
    uint64 epoch;
    uint8 memberCount;
    uint8 replicaCount;
    uint128 totalWeight;
    bytes32 membersHash;
    uint64 votersSince;
    uint64 createdAt;
    Terms terms;
}

/// @notice Where an epoch of a group began.
/// @param membersHash keccak256 of the ABI-encoded array of the epoch's members; never 0 for an epoch that has begun.
/// @param sequence The sequence of the checkpoint that ended the epoch before; 0 for epoch 0. The epoch's own batches
/// have greater ones.
/// @param logSize How many entries the log had then; 0 for epoch 0. The epoch's own entries have this index or a greater
/// one.
/// @param startedAt When the contract came to it (Unix time).
/// @param totalWeight The weight of all its voters.
/// @param votersSince The epoch since which all weights were as they were in this one: the last that began with others, or with
/// a recovery.
struct EpochStart {
    bytes32 membersHash;
    uint64 sequence;
    uint64 logSize;
    uint64 startedAt;
    uint128 totalWeight;
    uint64 votersSince;
}

/// @notice The latest checkpoint that the contract accepted for a group; all zero before the first.
/// @param epoch The epoch whose replicas signed it.
/// @param sequence Its sequence.
/// @param logSize Its log size.
/// @param anchoredAt When it was accepted (Unix time in seconds), or 0.
/// @param logRoot Its log root.
struct Anchor {
    uint64 epoch;
    uint64 sequence;
    uint64 logSize;
    uint64 anchoredAt;
    bytes32 logRoot;
}

/// @notice Where a group's inbox stands.
/// @param length How many messages there are.
/// @param taken How many of them the anchored log has taken in.
/// @param servedAt When an anchor last took any (Unix time), or 0.
/// @param waitingSince Since when the oldest untaken message waits to be served (Unix time): the later of its own time and
/// `servedAt`; 0 when none waits.
struct InboxState {
    uint64 length;
    uint64 taken;
    uint64 servedAt;
    uint64 waitingSince;
}

/// @notice An account's seat in the current epoch.
/// @param left Whether the member gave up its vote.
/// @param convicted Whether the account was convicted in the group, ever.
/// @param bonded Whether its bond reaches the terms'.
/// @param exitAt When its signature stops to count because it asked for its bond (Unix time), or 0.
/// @param counts Whether its signature on a checkpoint counts now.
struct SeatState {
    bool left;
    bool convicted;
    bool bonded;
    uint64 exitAt;
    bool counts;
}

/// @notice A replica's bond in a group.
/// @param amount Wei.
/// @param exitAt When its signature stops to count (Unix time); 0 when no withdrawal was asked for.
/// @param releasedAt From when on it can be withdrawn; 0 likewise.
struct Bond {
    uint128 amount;
    uint40 exitAt;
    uint40 releasedAt;
}
