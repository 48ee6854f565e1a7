// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {Errors} from "./Errors.sol";
import {Hashes} from "./Hashes.sol";
import {Inbox} from "./Inbox.sol";
import {IOnChainLane} from "./IOnChainLane.sol";
import {Members} from "./Members.sol";
import {MerkleLog} from "./MerkleLog.sol";
import {ProposalViews} from "./ProposalViews.sol";
import {Voting} from "./Voting.sol";
import {
    Ballot,
    Call,
    Content,
    Decision,
    INBOX_CLOSED,
    INBOX_OPENED,
    KIND_DECISION,
    Lane,
    Member,
    Opening,
    Refusal,
    Status,
    STATUS_APPROVED,
    STATUS_CANCELLED,
    WHOLE
} from "./Types.sol";

/// @title OnChainLane
/// @notice See {IOnChainLane}. Votes are in `Voting`, where a proposal stands is in `Records`, what is only read in
/// `ProposalViews`.
/// @dev A module: see {Module}. What a decision of the group may call (`revoke`, `recover`) comes from within `execute`, and takes
/// no guard against that; none of it makes calls.
contract OnChainLane is Voting, ProposalViews, Inbox, Members, ReentrancyGuardTransient {
    using SafeCast for uint256;

    // ---------------------------------------------------------------------------------------------------------
    // Transactions
    // ---------------------------------------------------------------------------------------------------------

    /// @inheritdoc IOnChainLane
    function propose(bytes32 groupId, uint8 class, Call[] calldata calls, string calldata description, uint64 salt)
        external
        override
        onlyDelegated
        returns (bytes32 proposalId)
    {
        GroupState storage group = _group(groupId);
        require(_voterWeight(group, msg.sender) != 0, Errors.NotVoter(groupId, msg.sender));
        uint40 votingEnds = (block.timestamp + _requireProposable(group, groupId, class, calls)).toUint40();
        bytes32 descriptionHash = keccak256(bytes(description));
        proposalId = Hashes.proposalId(groupId, msg.sender, salt, class, Hashes.hashCalls(calls), descriptionHash);

        Record storage record = group.records[proposalId];
        // No time is compared here: slither takes a status for one because its slot keeps times too.
        // slither-disable-next-line timestamp
        require(record.status == Status.None, Errors.WrongStatus(proposalId, record.status));
        (record.status, record.class, record.votingEnds) = (Status.Open, class, votingEnds);
        record.epoch = group.votersSince;
        _tellOpened(group, groupId, abi.encode(proposalId, msg.sender, class, votingEnds, Status.Open));
        emit ProposalCreated(groupId, proposalId, msg.sender, class, salt, calls, description, votingEnds);
    }

    /// @inheritdoc IOnChainLane
    function approveBySigs(bytes32 groupId, Content calldata content, uint64 votingEnds, Ballot[] calldata ballots)
        external
        override
        onlyDelegated
        returns (bytes32 proposalId)
    {
        GroupState storage group = _group(groupId);
        uint8 class = content.class;
        _requireEscape(group, groupId, content, votingEnds);
        proposalId = _identify(groupId, content);
        Record storage record = group.records[proposalId];
        require(!record.refusedInLog, Errors.RefusedInLog(proposalId));
        _requireNotApproved(group, record, proposalId);
        uint256 weight = _weigh(group, Statement(groupId, proposalId, true, group.votersSince, votingEnds), ballots);
        // Where nobody has a vote, no weight is all of it, and approves nothing all the same.
        bool reached = weight != 0 && weight * WHOLE >= group.classes[class].threshold * _totalWeight(group);
        require(reached, Errors.NotEnoughWeight(proposalId, weight));

        _approve(group, record, class, votingEnds, weight);
        _tellOpened(group, groupId, abi.encode(proposalId, content.proposer, class, votingEnds, Status.Approved));
        emit ProposalApprovedBySignatures(groupId, proposalId, content, votingEnds, weight);
    }

    /// @inheritdoc IOnChainLane
    function closeFromLog(bytes32 groupId, uint64 anchoredSize, Refusal calldata refusal, bytes32[] calldata proof)
        external
        override
        onlyDelegated
    {
        GroupState storage group = _group(groupId);
        bytes32 proposalId = refusal.proposalId;
        bool refuses = refusal.status > STATUS_APPROVED && refusal.status <= STATUS_CANCELLED;
        require(refuses, Errors.NotRefusal(proposalId, refusal.status));
        bytes32 root = group.roots[anchoredSize];
        require(root != 0, Errors.UnknownAnchor(groupId, anchoredSize));
        require(
            MerkleLog.verify(root, anchoredSize, refusal.index, _leafOf(refusal), proof),
            Errors.EntryNotIncluded(groupId, anchoredSize, refusal.index)
        );

        Record storage record = group.records[proposalId];
        record.refusedInLog = true;
        if (record.status == Status.Approved && record.fromLog && !_isQueued(record)) record.status = Status.Cancelled;
        emit ProposalRefusedInLog(groupId, proposalId, refusal.status);
    }

    /// @inheritdoc IOnChainLane
    function cancel(bytes32 groupId, Content calldata content) external override onlyDelegated {
        GroupState storage group = _group(groupId);
        bytes32 proposalId = _identify(groupId, content);
        require(msg.sender == content.proposer, Errors.NotProposer(proposalId, msg.sender));
        Record storage record = group.records[proposalId];
        _requireStatus(group, record, proposalId, Status.Open);

        _close(group, groupId, record, proposalId, Status.Cancelled);
        emit ProposalCancelled(groupId, proposalId);
    }

    /// @inheritdoc IOnChainLane
    function execute(bytes32 groupId, Content calldata content) external override onlyDelegated nonReentrant {
        GroupState storage group = _group(groupId);
        bytes32 proposalId = _identify(groupId, content);
        Record storage record = group.records[proposalId];
        uint256 approvedAt = _requireStatus(group, record, proposalId, Status.Approved);
        (uint256 from,) = _executable(group, record, approvedAt);
        // A timelock counts seconds by the hour or day; what a block's producer can shift is far below that.
        // slither-disable-next-line timestamp
        require(block.timestamp >= from, Errors.TimelockNotOver(proposalId, from));
        _requireUp(group);
        _permit(group, group.classes[content.class], content.calls, true);

        // The log knows what it has decided itself.
        if (_isQueued(record)) record.status = Status.Executed;
        else _close(group, groupId, record, proposalId, Status.Executed);
        _drive(group, groupId, proposalId, content.calls, Lane.OnChain, 0);
    }

    /// @inheritdoc IOnChainLane
    function veto(bytes32 groupId, bytes32 proposalId, Ballot[] calldata objections) external override onlyDelegated {
        GroupState storage group = _group(groupId);
        Record storage record = group.records[proposalId];
        _requireStatus(group, record, proposalId, Status.Approved);
        uint256 weight = _weigh(group, Statement(groupId, proposalId, false, 0, 0), objections);
        require(_blocks(group, group.classes[record.class], weight), Errors.NotEnoughWeight(proposalId, weight));

        _close(group, groupId, record, proposalId, Status.Revoked);
        emit ProposalRevoked(groupId, proposalId, weight);
    }

    /// @inheritdoc IOnChainLane
    function revoke(bytes32 groupId, bytes32 proposalId) external override onlyDelegated {
        GroupState storage group = _group(groupId);
        require(msg.sender == group.account, Errors.NotGroupAccount(groupId, msg.sender));
        Record storage record = group.records[proposalId];
        require(record.status != Status.Executed, Errors.WrongStatus(proposalId, Status.Executed));

        _close(group, groupId, record, proposalId, Status.Revoked);
        emit ProposalRevoked(groupId, proposalId, 0);
    }

    /// @inheritdoc IOnChainLane
    function recover(bytes32 groupId, uint64 epoch, Member[] calldata members) external override onlyDelegated {
        GroupState storage group = _group(groupId);
        require(msg.sender == group.account, Errors.NotGroupAccount(groupId, msg.sender));
        require(epoch == group.votersSince, Errors.EpochMismatch(epoch, group.votersSince));
        uint256 recoveryTime = group.recoveryTime;
        // A recovery time counts days; what a block's producer can shift is far below that.
        // slither-disable-next-line timestamp
        require(recoveryTime != 0 && _hasWaited(group, recoveryTime), Errors.NotDead(groupId));
        _requireUp(group);
        (uint128 totalWeight, uint8 replicaCount) = _checkMembers(members);

        // The first epoch of the era after.
        uint64 next = ((uint64(group.epoch) >> 32) + 1) << 32;
        (uint64 sequence, uint64 logSize) = (group.sequence, group.logSize);
        bytes32 membersHash = Hashes.hashMembers(members);
        _beginEpoch(group, next, membersHash, sequence, logSize, totalWeight);
        _beginVoters(group, next);
        _seat(group, members, replicaCount);
        emit MembersChanged(groupId, next, membersHash, members);
        emit Recovered(groupId, next, sequence, logSize);
    }

    // ---------------------------------------------------------------------------------------------------------
    // Private
    // ---------------------------------------------------------------------------------------------------------

    /// @dev Ends a proposal, and tells the log.
    function _close(GroupState storage group, bytes32 groupId, Record storage record, bytes32 proposalId, Status status)
        private
    {
        record.status = status;
        _append(group, groupId, INBOX_CLOSED, msg.sender, abi.encode(proposalId, status));
    }

    function _tellOpened(GroupState storage group, bytes32 groupId, bytes memory payload) private {
        _append(group, groupId, INBOX_OPENED, msg.sender, payload);
    }

    /// @dev Approves by signatures, whatever votes there were here: they were of another voting.
    function _approve(GroupState storage group, Record storage record, uint8 class, uint64 votingEnds, uint256 weight)
        private
    {
        if (record.status != Status.None) (record.againstWeight, record.abstainWeight) = (0, 0);
        record.status = Status.Approved;
        record.class = class;
        record.fromLog = true;
        record.epoch = group.votersSince;
        record.votingEnds = uint256(votingEnds).toUint40();
        record.approvedAt = block.timestamp.toUint40();
        // It fits: no more than the weight of all voters.
        // forge-lint: disable-next-line(unsafe-typecast)
        record.forWeight = uint72(weight);
    }

    /// @dev How long the voting on these calls lasts, or a revert when the class or its lane does not take them.
    function _requireProposable(GroupState storage group, bytes32 groupId, uint8 class, Call[] calldata calls)
        private
        returns (uint256)
    {
        ClassState storage state = _class(group, groupId, class);
        Opening opening = state.opening;
        // As with the timelock.
        // slither-disable-start timestamp
        bool isOpen = opening == Opening.Always || (opening == Opening.Stalled && _hasStalled(group));
        require(isOpen, Errors.LaneClosed(groupId, class));
        // slither-disable-end timestamp
        // Time in which nobody could vote makes no stall.
        if (opening == Opening.Stalled) _requireUp(group);
        _permit(group, state, calls, false);
        return state.votingPeriod;
    }

    /// @dev Reverts when the class does not have the escape lane, or what was proposed does not go through it now.
    function _requireEscape(GroupState storage group, bytes32 groupId, Content calldata content, uint64 votingEnds)
        private
    {
        ClassState storage state = _class(group, groupId, content.class);
        require(state.escape, Errors.NoEscape(groupId, content.class));
        require(_hasStalled(group), Errors.NotStalled(groupId));
        _requireUp(group);
        // As with the timelock.
        // slither-disable-next-line timestamp
        require(block.timestamp < votingEnds, Errors.VotingOver(votingEnds));
        _permit(group, state, content.calls, false);
    }

    /// @dev When the proposal was approved, or a revert when it is in another status.
    function _requireStatus(GroupState storage group, Record storage record, bytes32 proposalId, Status expected)
        private
        view
        returns (uint256 approvedAt)
    {
        Status status;
        (status, approvedAt) = _status(group, record);
        require(status == expected, Errors.WrongStatus(proposalId, status));
    }

    /// @dev Reverts when the proposal was approved here, whatever became of that: else signatures would give a decision that
    /// nobody executed in its time another one, for as long as their voting lasts.
    function _requireNotApproved(GroupState storage group, Record storage record, bytes32 proposalId) private view {
        (Status status, uint256 approvedAt) = _status(group, record);
        bool may = status == Status.None || status == Status.Open || status == Status.Rejected
            || status == Status.Cancelled || (status == Status.Expired && approvedAt == 0);
        require(may, Errors.WrongStatus(proposalId, status));
    }

    /// @dev Whether so much weight could have blocked a decision of the class.
    function _blocks(GroupState storage group, ClassState storage class, uint256 weight) private view returns (bool) {
        // Where nobody has a vote, no weight is any part of it, and blocks nothing all the same.
        if (weight == 0) return false;
        (uint256 part, uint256 total) = (class.veto, _totalWeight(group));
        return part != 0 ? weight * WHOLE >= part * total : weight * WHOLE > (WHOLE - class.threshold) * total;
    }

    function _totalWeight(GroupState storage group) private view returns (uint256) {
        return group.epochs[group.epoch].totalWeight;
    }

    /// @dev Whether an approved proposal was queued from the log, where its voting ended.
    function _isQueued(Record storage record) private view returns (bool) {
        return record.fromLog && record.votingEnds == 0;
    }

    /// @dev The leaf of the entry of a refusing decision.
    function _leafOf(Refusal calldata refusal) private view returns (bytes32) {
        Decision memory decision = Decision({
            proposalId: refusal.proposalId,
            status: refusal.status,
            forWeight: refusal.forWeight,
            againstWeight: refusal.againstWeight,
            abstainWeight: refusal.abstainWeight
        });
        uint256 place;
        // slither-disable-next-line assembly
        assembly ("memory-safe") {
            // index, sequence, timestampMs
            place := add(refusal, 0xa0)
        }
        bytes32 subject = _digest(Hashes.hashDecision(decision));
        return MerkleLog.hashLeafAt(place, KIND_DECISION, refusal.status, subject);
    }

    function _identify(bytes32 groupId, Content calldata content) private pure returns (bytes32) {
        return Hashes.proposalId(
            groupId,
            content.proposer,
            content.salt,
            content.class,
            Hashes.hashCalls(content.calls),
            content.descriptionHash
        );
    }
}
