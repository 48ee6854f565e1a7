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
import {Approval, Call, Content, KIND_DECISION, Lane, Status, STATUS_APPROVED} from "./Types.sol";

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
        ClassState storage class = _requireImmediate(group, groupId, approval.class);
        bytes32 proposalId = _proveOne(group, groupId, anchoredSize, approval, proof);

        Record storage record = group.records[proposalId];
        Status status = record.status;
        require(!_isOver(status), Errors.WrongStatus(proposalId, status));
        record.status = Status.Executed;
        _run(group, class, groupId, proposalId, approval);
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
            _runUnlessOver(group, groupId, proposalIds[i], approvals[i]);
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
        bytes32 proposalId = _proveOne(group, groupId, anchoredSize, approval, proof);
        _requireInTime(group, class, proposalId, approval, approval.index);
        Record storage record = group.records[proposalId];
        Status status = record.status;
        require(status != Status.Approved && !_isOver(status), Errors.WrongStatus(proposalId, status));
        _permit(group, class, approval.calls, false);

        _queue(group, record, approval.class);
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

    /// @dev Approves what the log proves, whatever became of it on-chain before. It has no votes and no end of a voting, since it was
    /// not voted on here: what was counted off-chain stands in the log.
    function _queue(GroupState storage group, Record storage record, uint8 class) private {
        if (record.status != Status.None) (record.againstWeight, record.abstainWeight) = (0, 0);
        record.status = Status.Approved;
        record.class = class;
        record.fromLog = true;
        record.epoch = group.epoch;
        record.votingEnds = 0;
        record.approvedAt = block.timestamp.toUint40();
        record.forWeight = 0;
    }

    /// @dev Makes the calls of one of several that were proven together, or passes it over.
    function _runUnlessOver(GroupState storage group, bytes32 groupId, bytes32 proposalId, Approval calldata approval)
        private
    {
        Record storage record = group.records[proposalId];
        Status status = record.status;
        if (_isOver(status)) {
            emit ExecutionSkipped(groupId, proposalId, status);
            return;
        }
        record.status = Status.Executed;
        _run(group, group.classes[approval.class], groupId, proposalId, approval);
    }

    /// @dev Makes the calls of what was proven, when its time is not over. Its record says so by now, so that no target can execute it
    /// again from within.
    function _run(
        GroupState storage group,
        ClassState storage class,
        bytes32 groupId,
        bytes32 proposalId,
        Approval calldata approval
    ) private {
        uint64 index = approval.index;
        _requireInTime(group, class, proposalId, approval, index);
        Call[] calldata calls = approval.calls;
        _permit(group, class, calls, true);
        _drive(group, groupId, proposalId, calls, Lane.Anchored, index);
    }

    /// @dev The identifier of what an approval approves, when the anchored log has its entry.
    function _proveOne(
        GroupState storage group,
        bytes32 groupId,
        uint64 anchoredSize,
        Approval calldata approval,
        bytes32[] calldata proof
    ) private view returns (bytes32 proposalId) {
        bytes32 logRoot = _anchoredRoot(group, groupId, anchoredSize);
        bytes32 leaf;
        (proposalId, leaf) = _leafOf(groupId, approval);
        uint64 index = approval.index;
        require(
            MerkleLog.verify(logRoot, anchoredSize, index, leaf, proof),
            Errors.EntryNotIncluded(groupId, anchoredSize, index)
        );
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
            _requireImmediate(group, groupId, approval.class);
            (proposalIds[i], leaves[i]) = _leafOf(groupId, approval);
            indices[i] = approval.index;
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
        uint256 place;
        // slither-disable-next-line assembly
        assembly ("memory-safe") {
            place := approval
        }
        proposalId = Hashes.proposalIdAt(groupId, place, Hashes.hashCalls(approval.calls));
        bytes32 subject = Hashes.digestApproved(_domainSeparator(), proposalId, approval);
        // `index`, `sequence` and `timestampMs` lie behind eight words.
        leaf = MerkleLog.hashLeafAt(place + 0x100, KIND_DECISION, STATUS_APPROVED, subject);
    }

    /// @dev A decision ends by the log, its class' expiry after the batch that took it; and by the chain, as long after the end of
    /// its epoch. Without the second, replicas that were voted out could have planted decisions of times to come.
    function _requireInTime(
        GroupState storage group,
        ClassState storage class,
        bytes32 proposalId,
        Approval calldata approval,
        uint64 index
    ) private view {
        uint256 expiry = class.expiry;
        // An expiry counts seconds by the hour or day; what a block's producer can shift is far below that.
        // slither-disable-start timestamp
        uint256 until;
        // Numbers of 64 and of 32 bits.
        unchecked {
            until = uint256(approval.timestampMs) / 1000 + expiry;
        }
        require(block.timestamp <= until, Errors.ExecutionExpired(proposalId, until));
        uint64 epoch = approval.epoch;
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

    /// @dev The class, when what it decides may be executed at once. It is `_class` too, for one look at the rule.
    function _requireImmediate(GroupState storage group, bytes32 groupId, uint8 at)
        private
        view
        returns (ClassState storage class)
    {
        class = group.classes[at];
        (uint256 threshold, uint256 timelock) = (class.threshold, class.timelock);
        require(threshold != 0, Errors.UnknownClass(groupId, at));
        require(timelock == 0, Errors.HasTimelock(groupId, at));
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

    /// @dev Whether a proposal has come to its end for good: revoked or executed, the last of what is stored.
    function _isOver(Status status) private pure returns (bool) {
        return status >= Status.Revoked;
    }
}
