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

/// @dev `Entry.outcome` of a decision, whose outcome says nothing beyond the decision itself: SHA-256 over
/// `quorate/v1/outcome`, a zero byte and the encoding 0x820280.
bytes32 constant OUTCOME_RECORDED = 0xad182dbc77e8d818f1a06aa5d4285a023a2600dcdb7377ea3aa65823422d6f5a;

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

/// @dev `InboxMessage.kind`: a command that its agent signed; the payload is its encoding off-chain.
uint8 constant INBOX_COMMAND = 1;
/// @dev A proposal of the log was finished on-chain and executed; the payload is its identifier.
uint8 constant INBOX_EXECUTED = 2;
/// @dev A replica signed two different checkpoints of one sequence; the payload is its account, ABI-encoded.
uint8 constant INBOX_CONVICTED = 3;

/// @notice Of which weight a class' threshold is a part.
enum Basis {
    // all voters'
    All,
    // the votes for and against
    Cast
}

/// @notice What the calls of a class' proposals may be; each takes in those before it.
enum Scope {
    // none: it decides something, and nothing is called
    Decisions,
    // ether without call data
    Payments,
    // anything but calls to the coordinator
    Calls,
    // changes of the group itself too
    Anything
}

/// @notice A class of decisions: what it may be about, when it is decided and how soon it may be executed. Parts of weight
/// are in basis points, 10,000 to the whole.
/// @param name Its name in ASCII, padded with zeros.
/// @param valueLimit The most wei that the calls of one proposal send in all.
/// @param threshold The part of the weight that votes for have to reach: more than half.
/// @param basis Of which weight.
/// @param turnout The part of all weight that has to vote, abstentions included.
/// @param veto The part of all weight that votes against have to reach to reject, whatever is for; 0 for no veto.
/// @param scope What the calls may be.
/// @param votingPeriod Seconds for which a proposal takes votes.
/// @param timelock Seconds between approval and the earliest execution.
/// @param expiry Seconds from then on in which it can be executed; 0 for no end.
/// @param revotes Whether a voter may change its vote while the voting lasts, which it then does to its end.
/// @param escape Whether what was proposed off-chain can be finished on-chain when anchors have stalled.
/// @param onlyStalled Whether the on-chain lane is open only then.
struct Policy {
    // slot 0
    bytes16 name;
    uint128 valueLimit;
    // slot 1
    uint16 threshold;
    Basis basis;
    uint16 turnout;
    uint16 veto;
    Scope scope;
    uint32 votingPeriod;
    uint32 timelock;
    uint32 expiry;
    bool revotes;
    bool escape;
    bool onlyStalled;
}

/// @notice What a group agreed on when it was made.
/// @param classes The classes of its decisions; a class is known by its place.
/// @param stallTime Seconds without an anchor after which anchors have stalled.
/// @param inboxDeadline Seconds after which no anchor may leave a message of the inbox out.
/// @param evidenceWindow Seconds after the end of an epoch for which its replicas can be convicted.
/// @param reporterShare The part of a forfeited bond that goes to the reporter, in basis points; the rest is the group's.
/// @param bond What each replica is to deposit, in wei; 0 when the group has no bonds.
struct Terms {
    Policy[] classes;
    uint32 stallTime;
    uint32 inboxDeadline;
    uint32 evidenceWindow;
    uint16 reporterShare;
    uint128 bond;
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
/// @param createdAt When it was made (Unix time).
/// @param terms What it agreed on then.
struct Group {
    address account;
    uint64 epoch;
    uint8 memberCount;
    uint8 replicaCount;
    uint128 totalWeight;
    bytes32 membersHash;
    uint64 createdAt;
    Terms terms;
}

/// @notice Where a proposal of the on-chain lane stands. The numbers 1 to 4 are those of `Decision.status`. It is expired
/// when its voting period, or the epoch in which it was made, ended without a decision, and when it was approved and the
/// time for its execution is over.
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
/// @param class The class of decisions.
/// @param votingEnds The first second (Unix time) at which it takes no more votes.
/// @param approvedAt When it was approved (Unix time), or 0 while it is not.
/// @param forWeight Weight of the votes for.
/// @param againstWeight Weight of the votes against.
/// @param abstainWeight Weight of the abstentions.
/// @param status Where it stands now.
struct Proposal {
    bytes32 groupId;
    bytes32 actionsHash;
    address proposer;
    uint8 class;
    uint64 votingEnds;
    uint64 approvedAt;
    uint128 forWeight;
    uint128 againstWeight;
    uint128 abstainWeight;
    ProposalStatus status;
}

/// @notice The EIP-712 message by which a voter votes without a transaction of its own. In a class that allows the escape
/// lane it goes with the vote off-chain too, with `nonce` 0.
/// @param groupId The group that decides.
/// @param proposalId The proposal.
/// @param choice 0 against, 1 for, 2 abstain.
/// @param epoch The epoch in which the proposal was made: a vote counts in no other.
/// @param votingEnds The proposal's own: a vote counts for no other deadline.
/// @param nonce How many votes of this voter on the proposal were counted before: no vote counts again once it was changed.
struct Vote {
    bytes32 groupId;
    bytes32 proposalId;
    uint8 choice;
    uint64 epoch;
    uint64 votingEnds;
    uint32 nonce;
}

/// @notice A vote with its signature.
/// @param voter The voter.
/// @param choice 0 against, 1 for, 2 abstain.
/// @param signature The voter's signature on the EIP-712 message `Vote`.
struct Ballot {
    address voter;
    uint8 choice;
    bytes signature;
}

/// @notice What a proposal's identifier follows from, with its calls and words in full.
/// @param proposer Who made it.
/// @param salt The salt that the proposer chose.
/// @param class The class of decisions.
/// @param calls What is proposed.
/// @param description Why.
struct Content {
    address proposer;
    uint64 salt;
    uint8 class;
    Call[] calls;
    string description;
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
/// @param executableFrom The first second (Unix time) at which it may be executed; 0 unless it is approved.
/// @param executableUntil The last one, or 0 for no end.
struct Decision {
    bytes32 groupId;
    bytes32 proposalId;
    bytes32 actionsHash;
    uint8 status;
    uint128 forWeight;
    uint128 againstWeight;
    uint128 abstainWeight;
    uint64 executableFrom;
    uint64 executableUntil;
}

/// @notice An approving decision and its entry in the log, without what follows: the decision's status and the entry's are
/// 1, its kind is 2, the actions' hash is that of the calls, the entry's subject is the decision's EIP-712 digest, and its
/// outcome is that of every decision. What is not told twice need not be compared.
/// @param proposalId The proposal.
/// @param forWeight Weight of the votes for.
/// @param againstWeight Weight of the votes against.
/// @param abstainWeight Weight of the abstentions.
/// @param executableFrom The first second (Unix time) at which it may be executed.
/// @param executableUntil The last one, or 0 for no end.
/// @param index The entry's number.
/// @param sequence The PBFT sequence that committed it.
/// @param timestampMs The batch's time.
/// @param calls The calls that were decided.
struct Approval {
    bytes32 proposalId;
    uint128 forWeight;
    uint128 againstWeight;
    uint128 abstainWeight;
    uint64 executableFrom;
    uint64 executableUntil;
    uint64 index;
    uint64 sequence;
    uint64 timestampMs;
    Call[] calls;
}

/// @notice What a quorum of replicas states about a group's whole state at one sequence.
/// @param groupId The group.
/// @param epoch The epoch whose replicas sign.
/// @param sequence The PBFT sequence after which the state was taken.
/// @param logSize How many entries the log had.
/// @param logRoot The log's RFC 9162 root at that size.
/// @param stateRoot The root of the state.
/// @param inboxCount How many messages of the inbox the log has taken in.
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
/// @param startedAt When the contract came to it (Unix time).
/// @param totalWeight The weight of all its voters.
struct EpochStart {
    bytes32 membersHash;
    uint64 sequence;
    uint64 logSize;
    uint64 startedAt;
    uint128 totalWeight;
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

/// @notice Where a group's inbox stands.
/// @param length How many messages there are.
/// @param taken How many of them the anchored log has taken in.
/// @param deadline Seconds after which no anchor may leave a message out.
struct InboxState {
    uint64 length;
    uint64 taken;
    uint32 deadline;
}

/// @notice A replica's bond in a group.
/// @param amount Wei.
/// @param releasedAt From when on it can be withdrawn (Unix time); 0 when no withdrawal was asked for.
struct Bond {
    uint128 amount;
    uint64 releasedAt;
}
