// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {Errors} from "./Errors.sol";
import {Groups} from "./Groups.sol";
import {Hashes} from "./Hashes.sol";
import {ILanes} from "./ILanes.sol";
import {MerkleLog} from "./MerkleLog.sol";
import {Quorum} from "./Quorum.sol";
import {Approval, Checkpoint, Decision, FLAG_REPLICA, Lane, Member} from "./Types.sol";

/// @title Anchors
/// @notice Anchors and the anchored lane: accept checkpoints that a quorum signed, and execute what their logs prove.
abstract contract Anchors is Groups, ILanes, EIP712, ReentrancyGuardTransient {
    using SafeCast for uint256;

    uint256 private constant SIGNATURE_LENGTH = 65;

    // ---------------------------------------------------------------------------------------------------------
    // Transactions
    // ---------------------------------------------------------------------------------------------------------

    /// @inheritdoc ILanes
    function anchor(Checkpoint calldata checkpoint, bytes calldata signatures) external override {
        require(checkpoint.nextMembersHash == 0, Errors.NextMembersMissing(checkpoint.nextMembersHash));
        _accept(_group(checkpoint.groupId), checkpoint, signatures);
    }

    /// @inheritdoc ILanes
    function anchorAndRotate(Checkpoint calldata checkpoint, bytes calldata signatures, Member[] calldata nextMembers)
        external
        override
    {
        bytes32 nextMembersHash = checkpoint.nextMembersHash;
        require(nextMembersHash != 0, Errors.EpochGoesOn(checkpoint.sequence));
        bytes32 given = Hashes.hashMembers(nextMembers);
        require(given == nextMembersHash, Errors.MembersMismatch(nextMembersHash, given));
        GroupState storage group = _group(checkpoint.groupId);
        _accept(group, checkpoint, signatures);
        _rotate(group, checkpoint.groupId, nextMembers, nextMembersHash, checkpoint.sequence, checkpoint.logSize);
    }

    /// @inheritdoc ILanes
    function executeAnchored(bytes32 groupId, uint64 anchoredSize, Approval calldata approval, bytes32[] calldata proof)
        external
        override
        nonReentrant
    {
        GroupState storage group = _group(groupId);
        bytes32 logRoot = _anchoredRoot(group, groupId, anchoredSize);
        _requireExecutable(approval);
        (bytes memory payload, bytes32 actionsHash) = Hashes.encodeCalls(approval.calls);
        bytes32 leaf = MerkleLog.hashApproval(_domainSeparatorV4(), groupId, approval, actionsHash);
        require(
            MerkleLog.verify(logRoot, anchoredSize, approval.index, leaf, proof),
            Errors.EntryNotIncluded(groupId, anchoredSize, approval.index)
        );

        _markExecuted(group, groupId, approval.proposalId, Lane.Anchored);
        _makeCalls(group.account, payload);
    }

    /// @inheritdoc ILanes
    function executeAnchoredBatch(
        bytes32 groupId,
        uint64 anchoredSize,
        Approval[] calldata approvals,
        bytes32[] calldata proof
    ) external override nonReentrant {
        GroupState storage group = _group(groupId);
        bytes[] memory payloads = _take(group, groupId, anchoredSize, approvals, proof);

        address account = group.account;
        for (uint256 i = 0; i < payloads.length; ++i) {
            _makeCalls(account, payloads[i]);
        }
    }

    // ---------------------------------------------------------------------------------------------------------
    // Views
    // ---------------------------------------------------------------------------------------------------------

    /// @inheritdoc ILanes
    function hashDecision(Decision calldata decision) public view override returns (bytes32) {
        return _hashTypedDataV4(Hashes.hashDecision(decision));
    }

    /// @inheritdoc ILanes
    function hashCheckpoint(Checkpoint calldata checkpoint) public view override returns (bytes32) {
        return _hashTypedDataV4(Hashes.hashCheckpoint(checkpoint));
    }

    // ---------------------------------------------------------------------------------------------------------
    // Private
    // ---------------------------------------------------------------------------------------------------------

    /// @dev Takes the checkpoint as the latest anchor, when a quorum of the current epoch signed it and it is newer.
    function _accept(GroupState storage group, Checkpoint calldata checkpoint, bytes calldata signatures) private {
        Head memory head = group.head;
        _checkSuccession(checkpoint, group.epoch, head);
        _takeInbox(group, checkpoint);
        _checkSignatures(group, checkpoint, signatures, Quorum.size(head.replicaCount));

        (uint64 logSize, bytes32 logRoot) = (checkpoint.logSize, checkpoint.logRoot);
        bytes32 anchored = group.roots[logSize];
        if (anchored == 0) {
            group.roots[logSize] = logRoot;
        } else {
            require(anchored == logRoot, Errors.LogRootMismatch(logSize, anchored, logRoot));
        }
        head.epoch = checkpoint.epoch;
        head.sequence = checkpoint.sequence;
        head.logSize = logSize;
        head.anchoredAt = block.timestamp.toUint56();
        group.head = head;
        group.stateRoot = checkpoint.stateRoot;
        emit Anchored(
            checkpoint.groupId,
            checkpoint.sequence,
            logSize,
            checkpoint.epoch,
            logRoot,
            checkpoint.stateRoot,
            checkpoint.inboxCount,
            checkpoint.nextMembersHash
        );
    }

    /// @dev Anchors only move forward: sequence up, log not smaller, in the current epoch.
    function _checkSuccession(Checkpoint calldata checkpoint, uint64 epoch, Head memory head) private pure {
        require(checkpoint.epoch == epoch, Errors.EpochMismatch(checkpoint.epoch, epoch));
        require(checkpoint.sequence > head.sequence, Errors.StaleSequence(checkpoint.sequence, head.sequence));
        require(checkpoint.logSize >= head.logSize, Errors.LogShrunk(checkpoint.logSize, head.logSize));
        require(checkpoint.logRoot != 0, Errors.ZeroLogRoot());
    }

    /// @dev The log takes in the inbox in its order, and no message is left out beyond its deadline.
    ///
    /// The checkpoint that ends an epoch may leave one out when anchors have stalled. The epoch's replicas sign no other
    /// any more: a message that came too late for them, and an anchor that was then held up for longer than the deadline,
    /// would cut the group off from its anchors for good. That the stall time has to pass first, each time, is what a
    /// group pays that would go from epoch to epoch in order to leave a message out.
    function _takeInbox(GroupState storage group, Checkpoint calldata checkpoint) private {
        uint64 count = checkpoint.inboxCount;
        (uint64 length, uint64 taken) = (group.inboxLength, group.inboxTaken);
        require(count >= taken && count <= length, Errors.InvalidInboxCount(count, taken, length));
        if (count < length) {
            uint256 dueAt = uint256(group.messages[count].enqueuedAt) + group.inboxDeadline;
            bool excused = checkpoint.nextMembersHash != 0 && _hasStalled(group);
            // Deadlines count seconds by the hour; what a block's producer can shift is far below that.
            // slither-disable-next-line timestamp
            require(block.timestamp <= dueAt || excused, Errors.InboxOverdue(checkpoint.groupId, count, dueAt));
        }
        if (count != taken) group.inboxTaken = count;
    }

    /// @dev Strictly ascending signers are distinct signers.
    function _checkSignatures(
        GroupState storage group,
        Checkpoint calldata checkpoint,
        bytes calldata signatures,
        uint256 quorum_
    ) private view {
        require(signatures.length % SIGNATURE_LENGTH == 0, Errors.InvalidSignaturesLength(signatures.length));
        uint256 count = signatures.length / SIGNATURE_LENGTH;
        require(count >= quorum_, Errors.NotEnoughSignatures(count, quorum_));
        bytes32 digest = hashCheckpoint(checkpoint);
        address previous = address(0);
        for (uint256 at = 0; at < signatures.length; at += SIGNATURE_LENGTH) {
            // The value left out only says more about a failure, and no failure passes.
            // slither-disable-next-line unused-return
            (address signer, ECDSA.RecoverError failure,) =
                ECDSA.tryRecoverCalldata(digest, signatures[at:at + SIGNATURE_LENGTH]);
            require(failure == ECDSA.RecoverError.NoError, Errors.InvalidSignature(at / SIGNATURE_LENGTH));
            require(signer > previous, Errors.SignersNotAscending(previous, signer));
            require(group.seats[signer].flags & FLAG_REPLICA != 0, Errors.NotReplica(checkpoint.groupId, signer));
            previous = signer;
        }
    }

    /// @dev Marks several decisions as executed, whose time it is and which the log proves, and returns what their calls are.
    function _take(
        GroupState storage group,
        bytes32 groupId,
        uint64 anchoredSize,
        Approval[] calldata approvals,
        bytes32[] calldata proof
    ) private returns (bytes[] memory payloads) {
        payloads = new bytes[](approvals.length);
        uint256[] memory indices = new uint256[](approvals.length);
        bytes32[] memory leaves = new bytes32[](approvals.length);
        for (uint256 i = 0; i < approvals.length; ++i) {
            Approval calldata approval = approvals[i];
            (payloads[i], leaves[i]) = _takeOne(group, groupId, approval);
            indices[i] = approval.index;
        }
        bytes32 logRoot = _anchoredRoot(group, groupId, anchoredSize);
        require(
            MerkleLog.verifyMany(logRoot, anchoredSize, indices, leaves, proof),
            Errors.EntriesNotIncluded(groupId, anchoredSize)
        );
    }

    function _takeOne(GroupState storage group, bytes32 groupId, Approval calldata approval)
        private
        returns (bytes memory payload, bytes32 leaf)
    {
        _requireExecutable(approval);
        bytes32 actionsHash;
        (payload, actionsHash) = Hashes.encodeCalls(approval.calls);
        _markExecuted(group, groupId, approval.proposalId, Lane.Anchored);
        leaf = MerkleLog.hashApproval(_domainSeparatorV4(), groupId, approval, actionsHash);
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

    /// @dev The log says when a decision may be executed: the class' timelock after the batch that took it.
    function _requireExecutable(Approval calldata approval) private view {
        // A timelock counts seconds by the hour or day; what a block's producer can shift is far below that.
        // slither-disable-start timestamp
        (uint64 from, uint64 until) = (approval.executableFrom, approval.executableUntil);
        require(block.timestamp >= from, Errors.TimelockNotOver(approval.proposalId, from));
        require(until == 0 || block.timestamp <= until, Errors.ExecutionExpired(approval.proposalId, until));
        // slither-disable-end timestamp
    }
}
