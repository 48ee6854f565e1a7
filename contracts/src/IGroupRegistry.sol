// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {
    Anchor,
    Bond,
    Call,
    Entry,
    EpochStart,
    Group,
    InboxState,
    Member,
    Policy,
    ProposalStatus,
    Terms
} from "./Types.sol";

/// @title IGroupRegistry
/// @notice Agents, groups and their inboxes: the part of {IAgentCoordinator} that `GroupRegistry` has the code of.
interface IGroupRegistry {
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
    /// - 1 to 8 classes, each with a name of its own, a threshold of more than half, a voting period above zero; a turnout
    ///   where the threshold is of the votes cast; no turnout, no veto, no changes of votes and a threshold of all weight
    ///   where the escape lane is allowed;
    /// - a stall time and an inbox deadline above zero, and no time longer than 365 days;
    /// - at most half for the reporter.
    /// @param members The members.
    /// @param terms What the group agrees on; it stays as it is.
    /// @param salt Any value that the caller has not used for a group before.
    /// @return groupId keccak256(abi.encode(chain id, this contract, caller, salt)).
    // The name hides that of a view, in a declaration without a body.
    // slither-disable-next-line shadowing-local
    function createGroup(Member[] calldata members, Terms calldata terms, bytes32 salt)
        external
        returns (bytes32 groupId);

    /// @notice Gives up the caller's vote in the on-chain lane: from now on it can neither propose nor vote there.
    /// Votes that it has cast stay. Its weight still counts in the total, the threshold does not change, and it keeps
    /// its replica seat: both end only with a change of the members. An account that stays a member over such a change
    /// has still left afterwards; one that was no member for an epoch begins anew.
    /// @dev Requires: the caller is a member and has not left.
    /// @param groupId The group.
    function leave(bytes32 groupId) external;

    /// @notice Puts a command into a group's inbox. Its replicas have to take it into the log in the inbox's order, and no
    /// anchor may leave it out beyond the group's deadline: they cannot keep it out. That it takes effect follows from the
    /// rules for commands, as if it had been sent to a node; bytes that are no command are taken in and do nothing.
    /// @dev Requires: the caller has registered; 1 to 16,384 bytes.
    /// @param groupId The group.
    /// @param command The command off-chain, signed by its agent, in its encoding.
    /// @return index The message's place in the inbox.
    function enqueue(bytes32 groupId, bytes calldata command) external returns (uint64 index);

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

    /// @notice Whether the group's stall time is over since its last anchor, or since it was made. Reverts when there is no
    /// such group.
    function hasStalled(bytes32 groupId) external view returns (bool);

    /// @notice How many replicas of the current epoch must sign a checkpoint. Reverts when there is no such group.
    function quorum(bytes32 groupId) external view returns (uint256);

    /// @notice The group's latest anchor; all zero before the first.
    function latestAnchor(bytes32 groupId) external view returns (Anchor memory);

    /// @notice The log root anchored for this size; 0 when none was.
    function anchoredRoot(bytes32 groupId, uint64 logSize) external view returns (bytes32);

    /// @notice Where the group's inbox stands. Reverts when there is no such group.
    function inbox(bytes32 groupId) external view returns (InboxState memory);

    /// @notice A message of the group's inbox: the hash of the inbox up to and with it, and when it was put there (Unix
    /// time); both 0 when there is none. The message itself is in the event `Enqueued`.
    function inboxMessage(bytes32 groupId, uint64 index) external view returns (bytes32 inboxHash, uint64 enqueuedAt);

    /// @notice A replica's bond in the group.
    function bondOf(bytes32 groupId, address replica) external view returns (Bond memory);

    /// @notice Whether the account was convicted in the group.
    function isConvicted(bytes32 groupId, address replica) external view returns (bool);

    /// @notice Whether the group's proposal was executed, in either lane.
    function executed(bytes32 groupId, bytes32 proposalId) external view returns (bool);

    /// @notice The identifier of the group that `creator` makes with `salt`.
    function groupIdOf(address creator, bytes32 salt) external view returns (bytes32);

    /// @notice The contract that every group's account delegates to.
    function groupAccountImplementation() external view returns (address);

    /// @notice What votes decide under a policy: 1 approved, 2 rejected, or 0 open, and 3 expired in its place once the
    /// voting has ended. The replicas decide by the same rules.
    /// @param policy The policy of a class.
    /// @param forWeight Weight of the votes for.
    /// @param againstWeight Weight of the votes against.
    /// @param abstainWeight Weight of the abstentions.
    /// @param totalWeight Weight of all voters: not less than that of the votes.
    /// @param ended Whether the voting has ended.
    function verdict(
        Policy calldata policy,
        uint128 forWeight,
        uint128 againstWeight,
        uint128 abstainWeight,
        uint128 totalWeight,
        bool ended
    ) external pure returns (ProposalStatus);

    /// @notice The identifier of a proposal: keccak256(abi.encode(keccak256("Proposal(bytes32 groupId,
    /// address proposer,uint64 salt,uint8 class,bytes32 actionsHash,bytes32 descriptionHash)"), groupId, proposer, salt,
    /// class, actionsHash, descriptionHash)), the type without the line break.
    function proposalIdOf(
        bytes32 groupId,
        address proposer,
        uint64 salt,
        uint8 class,
        bytes32 actionsHash,
        bytes32 descriptionHash
    ) external pure returns (bytes32);

    /// @notice keccak256 of the ABI encoding of the array of calls.
    function hashCalls(Call[] calldata calls) external pure returns (bytes32);

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

    /// @notice Whether the log of `secondSize` entries begins with the log of `firstSize` entries, both by roots that were
    /// anchored. False also when one was not.
    /// @param groupId The group.
    /// @param firstSize The log size of an anchor.
    /// @param secondSize That of a later one.
    /// @param proof The RFC 9162 consistency proof.
    function verifyConsistency(bytes32 groupId, uint64 firstSize, uint64 secondSize, bytes32[] calldata proof)
        external
        view
        returns (bool);
}
