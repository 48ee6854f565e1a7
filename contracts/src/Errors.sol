// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {Status, Term} from "./Types.sol";

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

    /// @notice A term must be from `least` to `most`. `class` is the class' place, or 255 for a term of the group. Where a term is
    /// wrong as a whole, such as a name, `least` and `most` are 0.
    error InvalidTerm(uint256 class, Term term, uint256 found, uint256 least, uint256 most);

    /// @notice A replica with code other than a delegation (EIP-7702) signs no checkpoints.
    error ReplicaHasCode(address account);

    /// @notice The account is no member of the group.
    error NotMember(bytes32 groupId, address account);

    /// @notice The account is no voter of the group, or has left.
    error NotVoter(bytes32 groupId, address account);

    /// @notice The member has left before.
    error AlreadyLeft(bytes32 groupId, address account);

    /// @notice A module works for the coordinator, not by itself.
    error NotDelegated();

    /// @notice A module of the coordinator must have code.
    error NoCode(address module);

    // ---------------------------------------------------------------------------------------------------------
    // The inbox
    // ---------------------------------------------------------------------------------------------------------

    /// @notice A command must have at least one byte and at most `maximum`.
    error InvalidCommandLength(uint256 length, uint256 maximum);

    /// @notice Members pay nothing, and anybody else exactly the fee.
    error WrongFee(uint256 given, uint256 fee);

    /// @notice The group's inbox takes no messages of those who are no members.
    error InboxClosed(bytes32 groupId, address account);

    /// @notice The log took in `taken` messages before, there are `length`, and the checkpoint's count is not from one to
    /// the other.
    error InvalidInboxCount(uint64 count, uint64 taken, uint64 length);

    /// @notice The checkpoint leaves out the message at `index`, which the log had to take in by `dueAt` (Unix time).
    error InboxOverdue(bytes32 groupId, uint64 index, uint256 dueAt);

    /// @notice The contract's inbox has another hash up to the checkpoint's count.
    error InboxHashMismatch(bytes32 groupId, bytes32 expected, bytes32 given);

    /// @notice The proof does not lead from the entry of the last message taken to the checkpoint's root, or the checkpoint takes
    /// none and there is a path.
    error InboxEntryNotIncluded(bytes32 groupId, uint64 index);

    // ---------------------------------------------------------------------------------------------------------
    // The on-chain lane
    // ---------------------------------------------------------------------------------------------------------

    /// @notice What is asked for cannot be done to a proposal in this status.
    error WrongStatus(bytes32 proposalId, Status status);

    /// @notice An anchored log refused the proposal.
    error RefusedInLog(bytes32 proposalId);

    /// @notice The status is not one that refuses: 2 to 4.
    error NotRefusal(bytes32 proposalId, uint8 status);

    /// @notice Only the group's account may do this, by a decision of the group.
    error NotGroupAccount(bytes32 groupId, address caller);

    /// @notice No message of the inbox has waited for the recovery time, or the group has none.
    error NotDead(bytes32 groupId);

    /// @notice The group's sequencer is down, or was within the last hour.
    error SequencerDown(address uptimeFeed);

    /// @notice The uptime feed has to be asked with more gas than is left.
    error NotEnoughGasForFeed(uint256 left);

    /// @notice Only its proposer can cancel a proposal.
    error NotProposer(bytes32 proposalId, address account);

    /// @notice The group has no class at this place.
    error UnknownClass(bytes32 groupId, uint8 class);

    /// @notice The class' on-chain lane is open only when anchors have stalled.
    error LaneClosed(bytes32 groupId, uint8 class);

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

    /// @notice The ballots' weight does not reach the class' threshold.
    error NotEnoughWeight(bytes32 proposalId, uint256 weight);

    // ---------------------------------------------------------------------------------------------------------
    // Both lanes
    // ---------------------------------------------------------------------------------------------------------

    /// @notice A proposal has at most `maximum` calls.
    error TooManyCalls(uint256 count, uint256 maximum);

    /// @notice A call has at most `maximum` bytes of data.
    error TooMuchData(uint256 position, uint256 length, uint256 maximum);

    /// @notice A call with data, or one that may fail, has to name the gas that it needs.
    error GasNotNamed(uint256 position);

    /// @notice The calls together may name at most `maximum` gas.
    error TooMuchGas(uint256 total, uint256 maximum);

    /// @notice The class does not permit the call at this position: its scope, or its list of targets.
    error CallNotPermitted(uint256 position);

    /// @notice The class does not permit to send this much of the asset by one decision; `limit` is 0 where it has none.
    error AboveLimit(address asset, uint256 amount, uint256 limit);

    /// @notice The class' window leaves less of the asset at this moment. It can be executed when there is more again.
    error AboveWindow(address asset, uint256 amount, uint256 left);

    /// @notice The decision may be executed from `readyAt` (Unix time) on.
    error TimelockNotOver(bytes32 proposalId, uint256 readyAt);

    /// @notice The decision could be executed until `until` (Unix time).
    error ExecutionExpired(bytes32 proposalId, uint256 until);

    // ---------------------------------------------------------------------------------------------------------
    // Anchors and the anchored lane
    // ---------------------------------------------------------------------------------------------------------

    /// @notice The checkpoint is of another epoch than the current one.
    error EpochMismatch(uint64 epoch, uint64 current);

    /// @notice The checkpoint's sequence is not above the last anchor's.
    error StaleSequence(uint64 sequence, uint64 last);

    /// @notice The checkpoint's log is smaller than the last anchor's.
    error LogShrunk(uint64 logSize, uint64 last);

    /// @notice The checkpoint's log has more entries than a group's log can have.
    error LogTooLarge(uint64 logSize);

    /// @notice The proof does not show that the checkpoint's log extends the last anchor's.
    error NotConsistent(uint64 lastSize, uint64 logSize);

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

    /// @notice The signature on a checkpoint does not count: the signer is no replica of the current epoch, was convicted, has no
    /// bond, or its notice is over.
    error SignatureDoesNotCount(address signer);

    /// @notice A rotation alters the weight of this account, or, where that is 0, voters only go; and the mandate is none of the
    /// voters: `weight` of ballots count.
    error NoMandate(bytes32 groupId, address account, uint256 weight);

    /// @notice The class has a timelock: the decision has to be queued (`queueAnchored`).
    error HasTimelock(bytes32 groupId, uint8 class);

    /// @notice The class has no timelock: the decision can be executed at once (`executeAnchored`).
    error NoTimelock(bytes32 groupId, uint8 class);

    /// @notice The entry is none of the approval's epoch.
    error NotInEpoch(uint64 index, uint64 epoch);

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

    /// @notice Bonds of others are for the replicas of the current epoch.
    error NotReplica(bytes32 groupId, address account);

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

    /// @notice The account had no replica's seat in the epochs of the checkpoints, as far as was shown, and has no full bond.
    error NotConvictable(bytes32 groupId, address account);

    /// @notice The two checkpoints, and the fork, do not contradict each other.
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

    /// @notice Too little gas is left for what the call at this position names.
    error NotEnoughGas(uint256 position, uint256 left);

    /// @notice An approval must end at most 365 days ahead.
    error InvalidApprovalEnd(uint64 until, uint256 latest);

    /// @notice The message's values are a word each.
    error InvalidTypedData(uint256 length);
}
