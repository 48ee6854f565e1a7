// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {
    Anchor,
    Bond,
    Decision,
    Checkpoint,
    Entry,
    EpochStart,
    Group,
    InboxState,
    Member,
    SeatState,
    Terms
} from "./Types.sol";

/// @title IGroupRegistry
/// @notice Agents, groups, inboxes, bonds, and what is read of them: the part of {IAgentCoordinator} that `GroupRegistry` has the
/// code of.
interface IGroupRegistry {
    /// @notice Binds an ed25519 key to the caller. Registering again changes the key for groups made later; groups
    /// that the caller is in keep the key they have, until they change it by a change of their members.
    /// @dev Requires: the key is not zero. That it is a valid point, and the caller's own, cannot be checked here:
    /// whoever makes a group checks that its members answer with their keys.
    /// @param key The ed25519 public key.
    function register(bytes32 key) external;

    /// @notice Makes a group, and the account that holds its funds, at an address that `groupId` determines. The identifier
    /// commits to the members and the terms, so nobody can make another group in its place.
    /// @dev Requires:
    /// - the caller has not made the same group with this salt;
    /// - at most 64 members, by strictly ascending account, each registered with exactly the key given, no key twice;
    /// - flags are voter, replica or both; a voter's weight is above zero, anybody else's is zero;
    /// - at least 4 replicas, none with code but a delegation (EIP-7702): a contract signs no checkpoints;
    /// - terms within the bounds of `TermsRules`.
    /// @param members The members.
    /// @param terms What the group agrees on; it stays as it is.
    /// @param salt Any value.
    /// @return groupId See `groupIdOf`.
    // The name hides that of a view, in a declaration without a body.
    // slither-disable-next-line shadowing-local
    function createGroup(Member[] calldata members, Terms calldata terms, bytes32 salt)
        external
        returns (bytes32 groupId);

    /// @notice Gives up the caller's vote, here and, as the inbox tells the log, there: from now on it can neither propose nor
    /// vote. Votes that it has cast stay, and one that it signed for a change of weights still counts in its mandate. Its weight still counts in the total, the threshold does not change, and it keeps
    /// its replica's duties.
    /// @dev Requires: the caller is a member and has not left before.
    /// @param groupId The group.
    function leave(bytes32 groupId) external;

    /// @notice Puts a command into the group's inbox, which no anchor may leave out beyond the deadline. It takes effect in the
    /// log as if its agent had submitted it there: a command with a bad signature makes an entry and nothing else. Members pay
    /// nothing; anybody else pays the terms' fee for each 1,024 bytes begun, which goes to the group's account.
    /// @dev Requires: 1 to 16,384 bytes; the value is exactly the fee; the inbox is open to the caller.
    /// @param groupId The group.
    /// @param command The command off-chain, signed by its agent, in its encoding.
    /// @return index The message's place in the inbox.
    function enqueue(bytes32 groupId, bytes calldata command) external payable returns (uint64 index);

    /// @notice Adds the value sent to the caller's bond.
    /// @dev Requires: the group has bonds; the value is above zero; the caller was not convicted in the group and has not
    /// asked for its bond.
    /// @param groupId The group.
    function deposit(bytes32 groupId) external payable;

    /// @notice As `deposit`, for somebody else, who alone gets it back.
    /// @dev Requires what `deposit` does, and that the account is a replica of the current epoch.
    /// @param groupId The group.
    /// @param replica Whose bond it is.
    function depositFor(bytes32 groupId, address replica) external payable;

    /// @notice Asks for the caller's bond. A replica's signature counts for 14 days more, and the group's inbox tells the log;
    /// a day after evidence of that time stops to count the bond can be withdrawn, whatever becomes of the group.
    /// @dev Requires: the caller has a bond and has not asked for it.
    /// @param groupId The group.
    function requestWithdrawal(bytes32 groupId) external;

    /// @notice Takes back the request for the caller's bond.
    /// @dev Requires: the caller has asked for it.
    /// @param groupId The group.
    function stay(bytes32 groupId) external;

    /// @notice Sends the caller its bond.
    /// @dev Requires: the caller has asked for its bond, and the time that was told then has come.
    /// @param groupId The group.
    function withdraw(bytes32 groupId) external;

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

    /// @notice The account's membership in the current epoch; `flags` is 0 when it is no member.
    function memberOf(bytes32 groupId, address account) external view returns (Member memory);

    /// @notice What else is known of the account's seat, and whether its signature on a checkpoint counts now.
    function seatOf(bytes32 groupId, address account) external view returns (SeatState memory);

    /// @notice The replicas whose signatures on checkpoints count now, by ascending account.
    function countedReplicas(bytes32 groupId) external view returns (address[] memory);

    /// @notice Whether a message of the inbox has waited untaken for the group's stall time. Reverts when there is no such group.
    function hasStalled(bytes32 groupId) external view returns (bool);

    /// @notice Whether a message of the inbox has waited untaken for the group's recovery time, and it has one.
    function isDead(bytes32 groupId) external view returns (bool);

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

    /// @notice An account's bond in the group.
    function bondOf(bytes32 groupId, address replica) external view returns (Bond memory);

    /// @notice The identifier of the group that `creator` makes with this salt, these members and these terms:
    /// keccak256(abi.encode(keccak256("Group(uint256 chainId,address coordinator,address creator,bytes32 salt,bytes32
    /// membersHash,bytes32 termsHash)"), …)) over those values, the type without the line break; the hashes are keccak256 of the
    /// ABI encodings of the array of members and of the terms.
    function groupIdOf(address creator, bytes32 salt, bytes32 membersHash, bytes32 termsHash)
        external
        view
        returns (bytes32);

    /// @notice The address of the account of a group, made or not.
    function accountOf(bytes32 groupId) external view returns (address);

    /// @notice The contract that every group's account delegates to.
    function groupAccountImplementation() external view returns (address);

    /// @notice The EIP-712 digest of a decision: the `subject` of its entry in the log.
    function hashDecision(Decision calldata decision) external view returns (bytes32);

    /// @notice The EIP-712 digest that replicas sign for `anchor`.
    function hashCheckpoint(Checkpoint calldata checkpoint) external view returns (bytes32);

    /// @notice The EIP-712 digest of `InboxTaken`: the `subject` of the entry by which the log took in a message.
    function hashInboxTaken(bytes32 groupId, uint64 index, bytes32 inboxHash, uint8 disposition)
        external
        view
        returns (bytes32);

    /// @notice Whether two checkpoints are such that no correct replica can have signed both, as far as their own words tell.
    function contradict(Checkpoint calldata first, Checkpoint calldata second) external pure returns (bool);

    /// @notice The EIP-712 domain separator: name `Quorate`, version `1`, the chain's id, this contract.
    function domainSeparator() external view returns (bytes32);

    /// @notice The EIP-712 domain, as ERC-5267 has it.
    function eip712Domain()
        external
        view
        returns (
            bytes1 fields,
            string memory name,
            string memory version,
            uint256 chainId,
            address verifyingContract,
            bytes32 salt,
            uint256[] memory extensions
        );

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
