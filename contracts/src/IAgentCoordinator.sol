// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {
    Anchor,
    Call,
    Checkpoint,
    Decision,
    Entry,
    EpochStart,
    Group,
    Lane,
    Member,
    Policy,
    Proposal,
    ProposalStatus,
    Vote
} from "./Types.sol";

/// @title IAgentCoordinator
/// @notice Groups of agents on-chain: who belongs to a group, what it decided, and what was done about it.
///
/// A decision comes to its effect in one of two lanes. In the *on-chain lane* a group proposes, votes and executes in
/// transactions. In the *anchored lane* it decides off-chain; a quorum of its replicas signs a checkpoint of its log,
/// `anchor` accepts that, and anybody executes the decision by proving that the log contains it. A proposal has the
/// same identifier in both lanes and executes at most once.
///
/// There is no owner, no upgrade and no pause. A group is governed by its members alone, and no group reaches
/// another's funds, proposals or anchors.
interface IAgentCoordinator {
    // ---------------------------------------------------------------------------------------------------------
    // Events. From them alone an indexer can rebuild the state.
    // ---------------------------------------------------------------------------------------------------------

    /// @notice An agent bound an ed25519 key to its account, in place of the one before, if any.
    event AgentRegistered(address indexed account, bytes32 key);

    /// @notice A group was made. Its epoch is 0.
    /// @param groupId The group.
    /// @param creator Who made it; this gives no rights.
    /// @param account The `GroupAccount` that holds the group's funds.
    /// @param salt The salt that the creator chose.
    /// @param policy The group's policy.
    /// @param members The members, by ascending account.
    event GroupCreated(
        bytes32 indexed groupId,
        address indexed creator,
        address indexed account,
        bytes32 salt,
        Policy policy,
        Member[] members
    );

    /// @notice An epoch began, with these members in place of those before. It comes right after the `Anchored` of the
    /// checkpoint that ended the epoch before. Who has left (`MemberLeft`) and is in this list too has still left; for
    /// anybody else that is forgotten. Proposals of the on-chain lane that were open have expired.
    /// @param groupId The group.
    /// @param epoch The new epoch: one more than the last.
    /// @param membersHash keccak256 of the ABI-encoded array of members.
    /// @param members The members, by ascending account.
    event MembersChanged(bytes32 indexed groupId, uint64 indexed epoch, bytes32 membersHash, Member[] members);

    /// @notice A member gave up its vote in the on-chain lane.
    event MemberLeft(bytes32 indexed groupId, address indexed account);

    /// @notice A proposal was made in the on-chain lane.
    /// @param groupId The group that decides.
    /// @param proposalId The proposal.
    /// @param proposer The voter who made it.
    /// @param salt The salt that the proposer chose.
    /// @param calls What is proposed.
    /// @param description Why.
    /// @param votingEnds The first second (Unix time) at which it takes no more votes.
    event ProposalCreated(
        bytes32 indexed groupId,
        bytes32 indexed proposalId,
        address indexed proposer,
        uint64 salt,
        Call[] calls,
        string description,
        uint64 votingEnds
    );

    /// @notice A vote was cast in the on-chain lane.
    event VoteCast(
        bytes32 indexed groupId, bytes32 indexed proposalId, address indexed voter, uint8 choice, uint64 weight
    );

    /// @notice The last vote approved the proposal, or left too little weight to approve it (rejected).
    event ProposalDecided(
        bytes32 indexed groupId,
        bytes32 indexed proposalId,
        ProposalStatus status,
        uint128 forWeight,
        uint128 againstWeight,
        uint128 abstainWeight
    );

    /// @notice The proposer withdrew an open proposal.
    event ProposalCancelled(bytes32 indexed groupId, bytes32 indexed proposalId);

    /// @notice A proposal's calls were made.
    /// @param groupId The group.
    /// @param proposalId The proposal.
    /// @param lane The lane in which it was decided.
    /// @param executor Who sent the transaction.
    event ProposalExecuted(bytes32 indexed groupId, bytes32 indexed proposalId, Lane lane, address indexed executor);

    /// @notice A checkpoint was accepted. The fields are the checkpoint's; the block's time is its `anchoredAt`,
    /// unless a root for the same log size was anchored before: then the first time stays.
    event Anchored(
        bytes32 indexed groupId,
        uint64 indexed sequence,
        uint64 indexed logSize,
        uint64 epoch,
        bytes32 logRoot,
        bytes32 stateRoot,
        uint64 inboxCount,
        bytes32 nextMembersHash
    );

    // ---------------------------------------------------------------------------------------------------------
    // Agents and groups
    // ---------------------------------------------------------------------------------------------------------

    /// @notice Binds an ed25519 key to the caller. Registering again changes the key for groups made later; groups
    /// that the caller is in keep the key they have, until they change it by a change of their members.
    /// @dev Requires: the key is not zero. That it is a valid point, and the caller's own, cannot be checked here:
    /// whoever makes a group checks that its members answer with their keys.
    /// @param key The ed25519 public key.
    function register(bytes32 key) external;

    /// @notice Makes a group, and the account that holds its funds, at an address that `groupId` determines.
    /// @dev Requires:
    /// - the caller has made no group with this salt;
    /// - at most 64 members, by strictly ascending account, each registered with exactly the key given, no key twice;
    /// - flags are voter, replica or both; a voter's weight is above zero, anybody else's is zero;
    /// - at least 4 replicas;
    /// - the threshold is more than half of the voters' weight and at most all of it;
    /// - the voting period is above zero and at most 365 days, the timelock at most 365 days.
    /// @param members The members.
    /// @param policy The policy.
    /// @param salt Any value that the caller has not used for a group before.
    /// @return groupId keccak256(abi.encode(chain id, this contract, caller, salt)).
    // The name hides that of a view, in a declaration without a body.
    // slither-disable-next-line shadowing-local
    function createGroup(Member[] calldata members, Policy calldata policy, bytes32 salt)
        external
        returns (bytes32 groupId);

    /// @notice Gives up the caller's vote in the on-chain lane: from now on it can neither propose nor vote there.
    /// Votes that it has cast stay. Its weight still counts in the total, the threshold does not change, and it keeps
    /// its replica seat: both end only with a change of the members. An account that stays a member over such a change
    /// has still left afterwards; one that was no member for an epoch begins anew.
    /// @dev Requires: the caller is a member and has not left.
    /// @param groupId The group.
    function leave(bytes32 groupId) external;

    // ---------------------------------------------------------------------------------------------------------
    // The on-chain lane
    // ---------------------------------------------------------------------------------------------------------

    /// @notice Proposes calls to the group. Voting begins at once and lasts for the policy's voting period, or until the
    /// group's members change, if that comes first: a proposal that is open then has expired, because the votes that it
    /// has are of weights that count no more. One that was approved before stays approved, and can be executed.
    /// @dev Requires: the caller is a voter and has not left; the same proposal was neither made nor executed before.
    /// @param groupId The group.
    /// @param calls The calls; none makes a proposal that only decides something.
    /// @param description Why. Only its hash is kept.
    /// @param salt Tells apart proposals that are otherwise equal.
    /// @return proposalId The proposal's identifier, see `proposalIdOf`.
    function propose(bytes32 groupId, Call[] calldata calls, string calldata description, uint64 salt)
        external
        returns (bytes32 proposalId);

    /// @notice Casts the caller's vote. The proposal is approved as soon as the weight for it reaches the threshold,
    /// and rejected as soon as too little weight is left for that.
    /// @dev Requires: the proposal is open; the caller is a voter, has not left and has not voted on it.
    /// @param proposalId The proposal.
    /// @param choice 0 against, 1 for, 2 abstain.
    function vote(bytes32 proposalId, uint8 choice) external;

    /// @notice As `vote`, for a voter who signed the vote instead of sending it. Anybody may send it.
    /// @dev Requires, beyond what `vote` does: the signature is the voter's on the EIP-712 message `Vote`: 65 bytes
    /// (r, s, v) with low s for an account without code, whatever ERC-1271 accepts for one with code.
    /// @param proposalId The proposal.
    /// @param voter The voter.
    /// @param choice 0 against, 1 for, 2 abstain.
    /// @param signature The signature.
    function voteBySig(bytes32 proposalId, address voter, uint8 choice, bytes calldata signature) external;

    /// @notice Withdraws an open proposal.
    /// @dev Requires: the caller is its proposer; it is open.
    /// @param proposalId The proposal.
    function cancel(bytes32 proposalId) external;

    /// @notice Makes an approved proposal's calls, all or none. Anybody may send it.
    /// @dev Requires: the proposal is approved; the timelock since its approval is over; it was not executed in
    /// either lane; the calls are the proposal's.
    /// @param proposalId The proposal.
    /// @param calls The calls that were proposed.
    function execute(bytes32 proposalId, Call[] calldata calls) external;

    // ---------------------------------------------------------------------------------------------------------
    // Anchors and the anchored lane
    // ---------------------------------------------------------------------------------------------------------

    /// @notice Accepts a checkpoint of a group's log. Anybody may send it. The root stays provable for good.
    /// @dev Requires:
    /// - the epoch is the current one, the sequence is above the last anchor's, and the log is not smaller (and has
    ///   the same root when it is as large);
    /// - `inboxCount` is zero, and so is `nextMembersHash`: a checkpoint that ends its epoch goes to `anchorAndRotate`;
    /// - at least a quorum of signatures, each by a replica on `hashCheckpoint(checkpoint)`: 65 bytes (r, s, v), v 27
    ///   or 28, low s, one after the other without padding, by strictly ascending signer.
    /// @param checkpoint The checkpoint.
    /// @param signatures The signatures. More than a quorum is accepted and costs gas for nothing.
    function anchor(Checkpoint calldata checkpoint, bytes calldata signatures) external;

    /// @notice Accepts the checkpoint that ends an epoch, and begins the next epoch with the members that the checkpoint
    /// names. Anybody may send it. From then on only a quorum of the new epoch moves anchors.
    ///
    /// The new members' keys are not compared with `keyOf`, and the members need not be registered. The group has taken
    /// its decision off-chain, and its replicas, which hold the members to the rules below before they sign, have gone
    /// over to the next epoch: if the contract could refuse then, whoever re-registers in time, or never registers,
    /// could cut the group off from its anchors and its funds for good.
    /// @dev Requires:
    /// - what `anchor` requires, but that `nextMembersHash` is the hash of exactly these members;
    /// - at most 64 members, by strictly ascending account, none the zero address, no key zero or twice;
    /// - flags are voter, replica or both; a voter's weight is above zero, anybody else's is zero;
    /// - at least 4 replicas;
    /// - the group's threshold is more than half of the new members' weight and at most all of it.
    /// @param checkpoint The last checkpoint of the current epoch.
    /// @param signatures The signatures of the current epoch's replicas, as for `anchor`.
    /// @param nextMembers The members of the next epoch.
    function anchorAndRotate(Checkpoint calldata checkpoint, bytes calldata signatures, Member[] calldata nextMembers)
        external;

    /// @notice Makes the calls of a decision that the group took off-chain, all or none. Anybody may send it.
    /// @dev Requires: the decision is approved; the entry is a decision's, has its status and is about exactly this
    /// decision; the proof leads from the entry to the root anchored for `anchoredSize`; the timelock since that root
    /// was anchored is over; the proposal was not executed in either lane; the calls are the decision's.
    /// @param decision The decision.
    /// @param calls The calls that were decided.
    /// @param entry The decision's entry in the log.
    /// @param anchoredSize The log size of an anchor.
    /// @param proof The RFC 9162 inclusion proof of the entry in the log of that size.
    function executeAnchored(
        Decision calldata decision,
        Call[] calldata calls,
        Entry calldata entry,
        uint64 anchoredSize,
        bytes32[] calldata proof
    ) external;

    /// @notice Whether the entry is in the group's log, by a root that was anchored. False also when no root was
    /// anchored for this size.
    /// @param groupId The group.
    /// @param anchoredSize The log size of an anchor.
    /// @param entry The entry.
    /// @param proof The RFC 9162 inclusion proof of the entry in the log of that size.
    function verifyInclusion(bytes32 groupId, uint64 anchoredSize, Entry calldata entry, bytes32[] calldata proof)
        external
        view
        returns (bool);

    // ---------------------------------------------------------------------------------------------------------
    // Views
    // ---------------------------------------------------------------------------------------------------------

    /// @notice The key that the account registered last, or 0.
    function keyOf(address account) external view returns (bytes32);

    /// @notice What is known of the group. Reverts when there is none.
    function group(bytes32 groupId) external view returns (Group memory);

    /// @notice The members of the current epoch by ascending account. Reverts when there is no such group.
    function members(bytes32 groupId) external view returns (Member[] memory);

    /// @notice Where an epoch of the group began, and the hash of its members; all zero for an epoch that has not begun.
    /// The members themselves are in the event `GroupCreated` (epoch 0) or `MembersChanged`. Reverts when there is no
    /// such group.
    function epochStart(bytes32 groupId, uint64 epoch) external view returns (EpochStart memory);

    /// @notice keccak256 of the ABI-encoded array of an epoch's members; 0 for an epoch that has not begun. Reverts when
    /// there is no such group.
    function membersHashOf(bytes32 groupId, uint64 epoch) external view returns (bytes32);

    /// @notice The account's membership in the current epoch; `flags` is 0 when it is no member.
    function memberOf(bytes32 groupId, address account) external view returns (Member memory);

    /// @notice Whether the member gave up its vote in the on-chain lane.
    function hasLeft(bytes32 groupId, address account) external view returns (bool);

    /// @notice How many replicas of the current epoch must sign a checkpoint. Reverts when there is no such group.
    function quorum(bytes32 groupId) external view returns (uint256);

    /// @notice The group's latest anchor; all zero before the first.
    function latestAnchor(bytes32 groupId) external view returns (Anchor memory);

    /// @notice The log root anchored for this size, and when (Unix time); both 0 when none was.
    function anchoredRoot(bytes32 groupId, uint64 logSize) external view returns (bytes32 logRoot, uint64 anchoredAt);

    /// @notice A proposal of the on-chain lane. Reverts when there is none.
    function proposal(bytes32 proposalId) external view returns (Proposal memory);

    /// @notice Where a proposal of the on-chain lane stands now. Reverts when there is none.
    function proposalStatus(bytes32 proposalId) external view returns (ProposalStatus);

    /// @notice Whether the account has voted on the proposal in the on-chain lane.
    function hasVoted(bytes32 proposalId, address account) external view returns (bool);

    /// @notice Whether the group's proposal was executed, in either lane.
    function executed(bytes32 groupId, bytes32 proposalId) external view returns (bool);

    /// @notice The identifier of the group that `creator` makes with `salt`.
    function groupIdOf(address creator, bytes32 salt) external view returns (bytes32);

    /// @notice keccak256 of the ABI encoding of the array of calls.
    function hashCalls(Call[] calldata calls) external pure returns (bytes32);

    /// @notice The identifier of a proposal: keccak256(abi.encode(keccak256("Proposal(bytes32 groupId,
    /// address proposer,uint64 salt,bytes32 actionsHash,bytes32 descriptionHash)"), groupId, proposer, salt,
    /// actionsHash, descriptionHash)), the type without the line break.
    function proposalIdOf(bytes32 groupId, address proposer, uint64 salt, bytes32 actionsHash, bytes32 descriptionHash)
        external
        pure
        returns (bytes32);

    /// @notice The EIP-712 digest that a voter signs for `voteBySig`.
    function hashVote(Vote calldata vote_) external view returns (bytes32);

    /// @notice The EIP-712 digest of a decision: the `subject` of its entry in the log.
    function hashDecision(Decision calldata decision) external view returns (bytes32);

    /// @notice The EIP-712 digest that replicas sign for `anchor`.
    function hashCheckpoint(Checkpoint calldata checkpoint) external view returns (bytes32);

    /// @notice The EIP-712 domain separator: name `Quorate`, version `1`, the chain's id, this contract.
    function domainSeparator() external view returns (bytes32);

    /// @notice The contract that every group's account delegates to.
    function groupAccountImplementation() external view returns (address);
}
