// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {Anchors} from "./Anchors.sol";
import {Errors} from "./Errors.sol";
import {Hashes} from "./Hashes.sol";
import {IAnchoredLane} from "./IAnchoredLane.sol";
import {MerkleLog} from "./MerkleLog.sol";
import {Permissions} from "./Permissions.sol";
import {Approval, Content, KIND_DECISION, Lane, Status, STATUS_APPROVED} from "./Types.sol";

/// @title AnchoredLane
/// @notice Executes, or queues, what an anchored log proves that the group decided.
abstract contract AnchoredLane is Anchors, Permissions, ReentrancyGuardTransient {
    using SafeCast for uint256;

    // ---------------------------------------------------------------------------------------------------------
    // Transactions
    // ---------------------------------------------------------------------------------------------------------

    /// @inheritdoc IAnchoredLane
    function executeAnchored(bytes32 groupId, uint64 anchoredSize, Approval calldata approval, bytes32[] calldata proof)
        external
        override
        nonReentrant
    {
        GroupState storage group = _group(groupId);
        ClassState storage class = _immediateClass(group, groupId, approval.class);
        bytes32 proposalId = _proveOne(group, class, groupId, anchoredSize, approval, proof);

        Record storage record = group.records[proposalId];
        Status status = record.status;
        require(!_isOver(status), Errors.WrongStatus(proposalId, status));
        _execute(group, groupId, proposalId, approval);
    }

    /// @inheritdoc IAnchoredLane
    function executeAnchoredBatch(
        bytes32 groupId,
        uint64 anchoredSize,
        Approval[] calldata approvals,
        bytes32[] calldata proof
    ) external override nonReentrant {
        GroupState storage group = _group(groupId);
        bytes32[] memory proposalIds = _proveAll(group, groupId, anchoredSize, approvals, proof);

        for (uint256 i = 0; i < approvals.length; ++i) {
            bytes32 proposalId = proposalIds[i];
            Status status = group.records[proposalId].status;
            if (_isOver(status)) emit ExecutionSkipped(groupId, proposalId, status);
            else _execute(group, groupId, proposalId, approvals[i]);
        }
    }

    /// @inheritdoc IAnchoredLane
    function queueAnchored(bytes32 groupId, uint64 anchoredSize, Approval calldata approval, bytes32[] calldata proof)
        external
        override
        nonReentrant
    {
        GroupState storage group = _group(groupId);
        ClassState storage class = _class(group, groupId, approval.class);
        uint256 timelock = class.timelock;
        require(timelock != 0, Errors.NoTimelock(groupId, approval.class));
        bytes32 proposalId = _proveOne(group, class, groupId, anchoredSize, approval, proof);
        Record storage record = group.records[proposalId];
        Status status = record.status;
        require(status != Status.Approved && !_isOver(status), Errors.WrongStatus(proposalId, status));
        _permit(group, class, approval.calls, false);

        _queue(group, record, approval);
        uint64 from = (block.timestamp + timelock).toUint64();
        Content memory content = Content({
            proposer: approval.proposer,
            salt: approval.salt,
            class: approval.class,
            descriptionHash: approval.descriptionHash,
            calls: approval.calls
        });
        emit ProposalQueued(groupId, proposalId, content, from, from + class.expiry);
    }

    // ---------------------------------------------------------------------------------------------------------
    // Private
    // ---------------------------------------------------------------------------------------------------------

    /// @dev Approves what the log proves, whatever became of it on-chain before. Its `votingEnds` is 0: it was not voted on here.
    function _queue(GroupState storage group, Record storage record, Approval calldata approval) private {
        record.status = Status.Approved;
        record.class = approval.class;
        record.fromLog = true;
        record.epoch = group.epoch;
        record.votingEnds = 0;
        record.approvedAt = block.timestamp.toUint40();
        (record.forWeight, record.againstWeight, record.abstainWeight) =
        (
            uint256(approval.forWeight).toUint72(),
            uint256(approval.againstWeight).toUint72(),
            uint256(approval.abstainWeight).toUint72()
        );
    }

    /// @dev Makes the calls of what was proven. The record comes first, so that no target can execute it again from within.
    function _execute(GroupState storage group, bytes32 groupId, bytes32 proposalId, Approval calldata approval)
        private
    {
        group.records[proposalId].status = Status.Executed;
        _permit(group, group.classes[approval.class], approval.calls, true);
        _drive(group, groupId, proposalId, approval.calls, Lane.Anchored, approval.index);
    }

    /// @dev The identifier of what an approval approves, when the anchored log has its entry and its time is not over.
    function _proveOne(
        GroupState storage group,
        ClassState storage class,
        bytes32 groupId,
        uint64 anchoredSize,
        Approval calldata approval,
        bytes32[] calldata proof
    ) private view returns (bytes32 proposalId) {
        bytes32 logRoot = _anchoredRoot(group, groupId, anchoredSize);
        bytes32 leaf;
        (proposalId, leaf) = _leafOf(groupId, approval);
        require(
            MerkleLog.verify(logRoot, anchoredSize, approval.index, leaf, proof),
            Errors.EntryNotIncluded(groupId, anchoredSize, approval.index)
        );
        _requireInTime(group, class, proposalId, approval);
    }

    /// @dev The same for several, of classes without a timelock, by one proof.
    function _proveAll(
        GroupState storage group,
        bytes32 groupId,
        uint64 anchoredSize,
        Approval[] calldata approvals,
        bytes32[] calldata proof
    ) private view returns (bytes32[] memory proposalIds) {
        uint256 count = approvals.length;
        proposalIds = new bytes32[](count);
        uint256[] memory indices = new uint256[](count);
        bytes32[] memory leaves = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            Approval calldata approval = approvals[i];
            ClassState storage class = _immediateClass(group, groupId, approval.class);
            (proposalIds[i], leaves[i]) = _leafOf(groupId, approval);
            indices[i] = approval.index;
            // What was executed before its time was over stays executed, and is passed over.
            if (_isOver(group.records[proposalIds[i]].status)) continue;
            _requireInTime(group, class, proposalIds[i], approval);
        }
        bytes32 logRoot = _anchoredRoot(group, groupId, anchoredSize);
        require(
            MerkleLog.verifyMany(logRoot, anchoredSize, indices, leaves, proof),
            Errors.EntriesNotIncluded(groupId, anchoredSize)
        );
    }

    /// @dev What an approval approves, and the hash of the leaf of its entry.
    function _leafOf(bytes32 groupId, Approval calldata approval)
        private
        view
        returns (bytes32 proposalId, bytes32 leaf)
    {
        proposalId = Hashes.proposalId(
            groupId,
            approval.proposer,
            approval.salt,
            approval.class,
            Hashes.hashCalls(approval.calls),
            approval.descriptionHash
        );
        uint256 place;
        // `index`, `sequence` and `timestampMs` lie behind eight words.
        // slither-disable-next-line assembly
        assembly ("memory-safe") {
            place := add(approval, 0x100)
        }
        bytes32 subject = Hashes.digestApproved(_domainSeparator(), proposalId, approval);
        leaf = MerkleLog.hashLeafAt(place, KIND_DECISION, STATUS_APPROVED, subject);
    }

    /// @dev A decision ends by the log, its class' expiry after the batch that took it; and by the chain, as long after the end of
    /// its epoch. Without the second, replicas that were voted out could have planted decisions of times to come.
    function _requireInTime(
        GroupState storage group,
        ClassState storage class,
        bytes32 proposalId,
        Approval calldata approval
    ) private view {
        uint256 expiry = class.expiry;
        // An expiry counts seconds by the hour or day; what a block's producer can shift is far below that.
        // slither-disable-start timestamp
        uint256 until = uint256(approval.timestampMs) / 1000 + expiry;
        require(block.timestamp <= until, Errors.ExecutionExpired(proposalId, until));
        (uint64 epoch, uint64 index) = (approval.epoch, approval.index);
        if (epoch == group.epoch) {
            require(index >= group.epochFrom, Errors.NotInEpoch(index, epoch));
            return;
        }
        EpochState storage own = group.epochs[epoch];
        EpochState storage next = _epochAfter(group, epoch);
        bool isOfEpoch = own.membersHash != 0 && index >= own.logSize && index < next.logSize;
        require(isOfEpoch, Errors.NotInEpoch(index, epoch));
        until = uint256(next.startedAt) + expiry;
        require(block.timestamp <= until, Errors.ExecutionExpired(proposalId, until));
        // slither-disable-end timestamp
    }

    /// @dev The class, when what it decides may be executed at once.
    function _immediateClass(GroupState storage group, bytes32 groupId, uint8 at)
        private
        view
        returns (ClassState storage class)
    {
        class = _class(group, groupId, at);
        require(class.timelock == 0, Errors.HasTimelock(groupId, at));
    }

    /// @dev The root anchored for this size, or a revert when there is none.
    function _anchoredRoot(GroupState storage group, bytes32 groupId, uint64 anchoredSize)
        private
        view
        returns (bytes32 logRoot)
    {
        logRoot = group.roots[anchoredSize];
        require(logRoot != 0, Errors.UnknownAnchor(groupId, anchoredSize));
    }

    /// @dev Whether a proposal has come to its end for good.
    function _isOver(Status status) private pure returns (bool) {
        return status == Status.Executed || status == Status.Revoked;
    }
}
