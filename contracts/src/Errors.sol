// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {ProposalStatus} from "./Types.sol";

/// @title Errors
/// @notice Every way in which the contracts refuse, one error each, with the values that were refused.
library Errors {
    // ---------------------------------------------------------------------------------------------------------
    // Agents and groups
    // ---------------------------------------------------------------------------------------------------------

    /// @notice A key, an agent's or a member's, must not be zero.
    error ZeroKey();

    /// @notice No group has this identifier.
    error UnknownGroup(bytes32 groupId);

    /// @notice The creator has already made a group with this salt.
    error GroupExists(bytes32 groupId);

    /// @notice A group has at most `maximum` members.
    error TooManyMembers(uint256 count, uint256 maximum);

    /// @notice A group has at least `minimum` replicas, the fewest that tolerate one fault.
    error TooFewReplicas(uint256 count, uint256 minimum);

    /// @notice Members must be given in strictly ascending order of their accounts.
    error MembersNotAscending(address previous, address account);

    /// @notice The account has no registered key.
    error NotRegistered(address account);

    /// @notice The account has registered another key than the one that was given.
    error KeyMismatch(address account, bytes32 registered, bytes32 given);

    /// @notice Two members of one group must not share a key: one signer would count twice.
    error DuplicateKey(bytes32 key);

    /// @notice The flags must be voter, replica, or both.
    error InvalidFlags(address account, uint8 flags);

    /// @notice A voter's weight must be above zero, anybody else's must be zero.
    error InvalidWeight(address account, uint64 weight);

    /// @notice The threshold must be more than half of the total weight and at most all of it.
    error InvalidThreshold(uint128 threshold, uint128 totalWeight);

    /// @notice The voting period must be above zero and at most `maximum` seconds.
    error InvalidVotingPeriod(uint64 votingPeriod, uint64 maximum);

    /// @notice The timelock must be at most `maximum` seconds.
    error InvalidTimelock(uint64 timelock, uint64 maximum);

    /// @notice The account is no member of the group.
    error NotMember(bytes32 groupId, address account);

    /// @notice The account is no voter of the group, or has left.
    error NotVoter(bytes32 groupId, address account);

    /// @notice The member has left before.
    error AlreadyLeft(bytes32 groupId, address account);

    // ---------------------------------------------------------------------------------------------------------
    // The on-chain lane
    // ---------------------------------------------------------------------------------------------------------

    /// @notice No proposal has this identifier.
    error UnknownProposal(bytes32 proposalId);

    /// @notice The very same proposal has been made before.
    error ProposalExists(bytes32 proposalId);

    /// @notice The proposal takes no more votes, and can no longer be cancelled.
    error ProposalNotOpen(bytes32 proposalId, ProposalStatus status);

    /// @notice Only an approved proposal can be executed.
    error ProposalNotApproved(bytes32 proposalId, ProposalStatus status);

    /// @notice Only its proposer can cancel a proposal.
    error NotProposer(bytes32 proposalId, address account);

    /// @notice A voter votes once on a proposal and cannot change its vote.
    error AlreadyVoted(bytes32 proposalId, address voter);

    /// @notice The choice must be 0 (against), 1 (for) or 2 (abstain).
    error InvalidChoice(uint8 choice);

    /// @notice The signature is not the voter's on this vote.
    error InvalidVoteSignature(address voter);

    // ---------------------------------------------------------------------------------------------------------
    // Both lanes
    // ---------------------------------------------------------------------------------------------------------

    /// @notice The calls are not those that were decided.
    error ActionsMismatch(bytes32 expected, bytes32 given);

    /// @notice The decision may be executed from `readyAt` (Unix time) on.
    error TimelockNotOver(bytes32 proposalId, uint256 readyAt);

    /// @notice The proposal has been executed, in either lane.
    error AlreadyExecuted(bytes32 groupId, bytes32 proposalId);

    // ---------------------------------------------------------------------------------------------------------
    // Anchors and the anchored lane
    // ---------------------------------------------------------------------------------------------------------

    /// @notice The checkpoint is of another epoch than the current one.
    error EpochMismatch(uint64 epoch, uint64 current);

    /// @notice The checkpoint's sequence is not above the last anchor's.
    error StaleSequence(uint64 sequence, uint64 last);

    /// @notice The checkpoint's log is smaller than the last anchor's.
    error LogShrunk(uint64 logSize, uint64 last);

    /// @notice Another root was anchored for this log size.
    error LogRootMismatch(uint64 logSize, bytes32 anchored, bytes32 given);

    /// @notice Commands cannot be enqueued on-chain yet, so a checkpoint cannot have taken any in.
    error InboxNotSupported(uint64 inboxCount);

    /// @notice The checkpoint ends its epoch: the contract must be given the next one's members (`anchorAndRotate`).
    error NextMembersMissing(bytes32 nextMembersHash);

    /// @notice The checkpoint does not end its epoch, so there are no members to change (`anchor`).
    error EpochGoesOn(uint64 sequence);

    /// @notice The members are not those that the checkpoint names.
    error MembersMismatch(bytes32 expected, bytes32 given);

    /// @notice Signatures are 65 bytes each.
    error InvalidSignaturesLength(uint256 length);

    /// @notice A checkpoint needs the signatures of a quorum of replicas.
    error NotEnoughSignatures(uint256 count, uint256 quorum);

    /// @notice The signature at this position recovers to no account, or has a high `s`.
    error InvalidSignature(uint256 position);

    /// @notice Signatures must be given in strictly ascending order of their signers.
    error SignersNotAscending(address previous, address signer);

    /// @notice The signer is no replica of the group's current epoch.
    error NotReplica(bytes32 groupId, address signer);

    /// @notice No root was anchored for this log size.
    error UnknownAnchor(bytes32 groupId, uint64 logSize);

    /// @notice The timelock since this root was anchored is over at `readyAt`.
    error AnchorTimelockNotOver(bytes32 groupId, uint64 logSize, uint256 readyAt);

    /// @notice The proof does not lead from the entry to the anchored root: the entry says something else, or the proof
    /// is of another one.
    error EntryNotIncluded(bytes32 groupId, uint64 logSize, uint64 index);

    /// @notice The proof does not lead from these entries to the anchored root, or they are none, or not in order.
    error EntriesNotIncluded(bytes32 groupId, uint64 logSize);

    // ---------------------------------------------------------------------------------------------------------
    // The group's account
    // ---------------------------------------------------------------------------------------------------------

    /// @notice Only the coordinator may drive a group's account.
    error NotCoordinator(address caller);

    /// @notice The call at this position failed, and with it all the others; `reason` is what it returned.
    error CallFailed(uint256 position, address target, bytes reason);
}
