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

    /// @notice A group has at least one class of decisions, and at most `maximum`.
    error InvalidClassCount(uint256 count, uint256 maximum);

    /// @notice A class has a name, and no other class of the group has it.
    error InvalidName(uint256 class);

    /// @notice The threshold must be more than half, thus above 5,000, and at most 10,000.
    error InvalidThreshold(uint256 class, uint16 threshold);

    /// @notice The turnout must be at most 10,000, and above zero where the threshold is of the votes cast.
    error InvalidTurnout(uint256 class, uint16 turnout);

    /// @notice The veto must be at most 10,000.
    error InvalidVeto(uint256 class, uint16 veto);

    /// @notice The voting period must be above zero and at most 365 days.
    error InvalidVotingPeriod(uint256 class, uint32 votingPeriod);

    /// @notice The timelock must be at most 365 days.
    error InvalidTimelock(uint256 class, uint32 timelock);

    /// @notice The expiry must be at most 365 days.
    error InvalidExpiry(uint256 class, uint32 expiry);

    /// @notice The escape lane needs a threshold of all weight, and neither turnout, nor veto, nor votes that change.
    error InvalidEscape(uint256 class);

    /// @notice The stall time must be above zero and at most 365 days.
    error InvalidStallTime(uint32 stallTime);

    /// @notice The inbox's deadline must be above zero and at most 365 days.
    error InvalidInboxDeadline(uint32 inboxDeadline);

    /// @notice The evidence window must be at most 365 days.
    error InvalidEvidenceWindow(uint32 evidenceWindow);

    /// @notice The reporter's share must be at most half.
    error InvalidReporterShare(uint16 reporterShare);

    /// @notice The account is no member of the group.
    error NotMember(bytes32 groupId, address account);

    /// @notice The account is no voter of the group, or has left.
    error NotVoter(bytes32 groupId, address account);

    /// @notice The member has left before.
    error AlreadyLeft(bytes32 groupId, address account);

    /// @notice The registry works for the coordinator, not by itself.
    error NotDelegated();

    // ---------------------------------------------------------------------------------------------------------
    // The inbox
    // ---------------------------------------------------------------------------------------------------------

    /// @notice A command must have at least one byte and at most `maximum`.
    error InvalidCommandLength(uint256 length, uint256 maximum);

    /// @notice The log took in `taken` messages before, there are `length`, and the checkpoint's count is not from one to
    /// the other.
    error InvalidInboxCount(uint64 count, uint64 taken, uint64 length);

    /// @notice The checkpoint leaves out the message at `index`, which the log had to take in by `dueAt` (Unix time).
    error InboxOverdue(bytes32 groupId, uint64 index, uint256 dueAt);

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

    /// @notice The group has no class at this place.
    error UnknownClass(bytes32 groupId, uint8 class);

    /// @notice The class' on-chain lane is open only when anchors have stalled.
    error LaneClosed(bytes32 groupId, uint8 class);

    /// @notice The class does not permit the call at this position.
    error CallNotPermitted(uint256 position);

    /// @notice The call at this position sends more than the `left` wei that the class' limit leaves.
    error ValueNotPermitted(uint256 position, uint256 left);

    /// @notice The voter has voted on the proposal, and either for the same or in a class in which votes do not change.
    error AlreadyVoted(bytes32 proposalId, address voter);

    /// @notice The choice must be 0 (against), 1 (for) or 2 (abstain).
    error InvalidChoice(uint8 choice);

    /// @notice What is proposed in this class off-chain cannot be finished on-chain.
    error NoEscape(bytes32 groupId, uint8 class);

    /// @notice The stall time since the group's last anchor is not over.
    error NotStalled(bytes32 groupId);

    /// @notice The voting ended at `votingEnds` (Unix time).
    error VotingOver(uint64 votingEnds);

    /// @notice Ballots must be given in strictly ascending order of their voters.
    error VotersNotAscending(address previous, address voter);

    /// @notice The ballots' weight does not reach the class' threshold.
    error NotEnoughWeight(bytes32 proposalId, uint256 weight);

    /// @notice The signature is not the voter's on this vote.
    error InvalidVoteSignature(address voter);

    // ---------------------------------------------------------------------------------------------------------
    // Both lanes
    // ---------------------------------------------------------------------------------------------------------

    /// @notice The calls are not those that were decided.
    error ActionsMismatch(bytes32 expected, bytes32 given);

    /// @notice The decision may be executed from `readyAt` (Unix time) on.
    error TimelockNotOver(bytes32 proposalId, uint256 readyAt);

    /// @notice The decision could be executed until `until` (Unix time).
    error ExecutionExpired(bytes32 proposalId, uint256 until);

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

    /// @notice No log has this root.
    error ZeroLogRoot();

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

    /// @notice The proof does not lead from the entry to the anchored root: the entry says something else, or the proof
    /// is of another one.
    error EntryNotIncluded(bytes32 groupId, uint64 logSize, uint64 index);

    /// @notice The proof does not lead from these entries to the anchored root, or they are none, or not in order.
    error EntriesNotIncluded(bytes32 groupId, uint64 logSize);

    // ---------------------------------------------------------------------------------------------------------
    // Bonds
    // ---------------------------------------------------------------------------------------------------------

    /// @notice The group has no bonds.
    error NoBonds(bytes32 groupId);

    /// @notice A deposit must be above zero.
    error NothingDeposited();

    /// @notice The account has no bond in the group.
    error NoBond(bytes32 groupId, address account);

    /// @notice The account's bond is about to be withdrawn, and takes no more.
    error WithdrawalAskedFor(bytes32 groupId, address account);

    /// @notice A withdrawal has to be asked for first.
    error WithdrawalNotAskedFor(bytes32 groupId, address account);

    /// @notice The bond can be withdrawn from `releasedAt` (Unix time) on.
    error BondNotReleased(bytes32 groupId, address account, uint64 releasedAt);

    /// @notice A replica of the current epoch cannot have its bond back.
    error StillReplica(bytes32 groupId, address account);

    /// @notice The two checkpoints are not different ones of one group, epoch and sequence.
    error NoContradiction();

    /// @notice The two checkpoints are signed by two accounts.
    error DifferentSigners(address first, address second);

    /// @notice Evidence of this epoch counted until `until` (Unix time).
    error EvidenceTooOld(uint64 epoch, uint256 until);

    /// @notice The replica was convicted before.
    error AlreadyConvicted(bytes32 groupId, address replica);

    // ---------------------------------------------------------------------------------------------------------
    // The group's account
    // ---------------------------------------------------------------------------------------------------------

    /// @notice Only the account itself may do this, in a call that the group decided on.
    error NotSelf(address caller);

    /// @notice Only the coordinator may drive a group's account.
    error NotCoordinator(address caller);

    /// @notice The call at this position failed, and with it all the others; `reason` is what it returned.
    error CallFailed(uint256 position, address target, bytes reason);
}
