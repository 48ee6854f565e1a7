// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {Errors} from "./Errors.sol";
import {Groups} from "./Groups.sol";
import {Hashes} from "./Hashes.sol";
import {IAgentCoordinator} from "./IAgentCoordinator.sol";
import {MerkleLog} from "./MerkleLog.sol";
import {Quorum} from "./Quorum.sol";
import {
    Anchor,
    Call,
    Checkpoint,
    Decision,
    Entry,
    FLAG_REPLICA,
    KIND_DECISION,
    Lane,
    Member,
    STATUS_APPROVED
} from "./Types.sol";

// The locals `group` hide a view of that name, which is for callers from outside: the contract itself never calls it.
// slither-disable-start shadowing-local

/// @title Anchors
/// @notice Anchors and the anchored lane: accept checkpoints that a quorum signed, and execute what their logs prove.
abstract contract Anchors is Groups, EIP712, ReentrancyGuardTransient {
    using SafeCast for uint256;

    uint256 private constant SIGNATURE_LENGTH = 65;

    // ---------------------------------------------------------------------------------------------------------
    // Transactions
    // ---------------------------------------------------------------------------------------------------------

    /// @inheritdoc IAgentCoordinator
    function anchor(Checkpoint calldata checkpoint, bytes calldata signatures) external override {
        require(checkpoint.nextMembersHash == 0, Errors.NextMembersMissing(checkpoint.nextMembersHash));
        _accept(_group(checkpoint.groupId), checkpoint, signatures);
    }

    /// @inheritdoc IAgentCoordinator
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

    /// @inheritdoc IAgentCoordinator
    function executeAnchored(
        Decision calldata decision,
        Call[] calldata calls,
        Entry calldata entry,
        uint64 anchoredSize,
        bytes32[] calldata proof
    ) external override nonReentrant {
        GroupState storage group = _group(decision.groupId);
        _checkDecision(decision, entry);
        bytes32 given = Hashes.hashCalls(calls);
        require(given == decision.actionsHash, Errors.ActionsMismatch(decision.actionsHash, given));
        uint64 anchoredAt = _checkIncluded(group, decision.groupId, entry, anchoredSize, proof);
        uint256 readyAt = uint256(anchoredAt) + group.timelock;
        // A timelock counts seconds by the hour or day; what a block's producer can shift is far below that.
        // slither-disable-next-line timestamp
        require(block.timestamp >= readyAt, Errors.TimelockNotOver(decision.proposalId, readyAt));

        _execute(group, decision.groupId, decision.proposalId, Lane.Anchored, calls);
    }

    // ---------------------------------------------------------------------------------------------------------
    // Views
    // ---------------------------------------------------------------------------------------------------------

    /// @inheritdoc IAgentCoordinator
    function verifyInclusion(bytes32 groupId, uint64 anchoredSize, Entry calldata entry, bytes32[] calldata proof)
        external
        view
        override
        returns (bool)
    {
        AnchoredRoot storage root = _group(groupId).roots[anchoredSize];
        return root.anchoredAt != 0 && _isIncluded(root.logRoot, anchoredSize, entry, proof);
    }

    /// @inheritdoc IAgentCoordinator
    function latestAnchor(bytes32 groupId) external view override returns (Anchor memory) {
        GroupState storage group = _group(groupId);
        Head memory head = group.head;
        return Anchor({
            epoch: head.epoch,
            sequence: head.sequence,
            logSize: head.logSize,
            anchoredAt: head.anchoredAt,
            logRoot: group.roots[head.logSize].logRoot,
            stateRoot: group.stateRoot
        });
    }

    /// @inheritdoc IAgentCoordinator
    function anchoredRoot(bytes32 groupId, uint64 logSize)
        external
        view
        override
        returns (bytes32 logRoot, uint64 anchoredAt)
    {
        AnchoredRoot storage root = _group(groupId).roots[logSize];
        return (root.logRoot, root.anchoredAt);
    }

    /// @inheritdoc IAgentCoordinator
    function hashDecision(Decision calldata decision) public view override returns (bytes32) {
        return _hashTypedDataV4(Hashes.hashDecision(decision));
    }

    /// @inheritdoc IAgentCoordinator
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
        _checkSignatures(group, checkpoint, signatures, Quorum.size(head.replicaCount));

        (uint64 logSize, bytes32 logRoot) = (checkpoint.logSize, checkpoint.logRoot);
        AnchoredRoot storage root = group.roots[logSize];
        if (root.anchoredAt == 0) {
            root.logRoot = logRoot;
            root.anchoredAt = block.timestamp.toUint64();
        } else {
            // The first time stays: a checkpoint of a log that did not grow must not restart anybody's timelock.
            require(root.logRoot == logRoot, Errors.LogRootMismatch(logSize, root.logRoot, logRoot));
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
        require(checkpoint.inboxCount == 0, Errors.InboxNotSupported(checkpoint.inboxCount));
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

    /// @dev The entry is about this decision, and the decision approves.
    function _checkDecision(Decision calldata decision, Entry calldata entry) private view {
        require(decision.status == STATUS_APPROVED, Errors.DecisionNotApproved(decision.proposalId, decision.status));
        require(entry.kind == KIND_DECISION, Errors.EntryNotDecision(entry.kind));
        require(entry.status == decision.status, Errors.EntryStatusMismatch(entry.status, decision.status));
        bytes32 decisionHash = hashDecision(decision);
        require(entry.subject == decisionHash, Errors.EntrySubjectMismatch(entry.subject, decisionHash));
    }

    /// @dev The entry is in the log by the root anchored for this size. Returns when that was anchored.
    function _checkIncluded(
        GroupState storage group,
        bytes32 groupId,
        Entry calldata entry,
        uint64 anchoredSize,
        bytes32[] calldata proof
    ) private view returns (uint64 anchoredAt) {
        AnchoredRoot storage root = group.roots[anchoredSize];
        anchoredAt = root.anchoredAt;
        require(anchoredAt != 0, Errors.UnknownAnchor(groupId, anchoredSize));
        require(
            _isIncluded(root.logRoot, anchoredSize, entry, proof),
            Errors.EntryNotIncluded(groupId, anchoredSize, entry.index)
        );
    }

    function _isIncluded(bytes32 logRoot, uint64 size, Entry calldata entry, bytes32[] calldata proof)
        private
        view
        returns (bool)
    {
        return MerkleLog.verify(logRoot, size, entry.index, MerkleLog.hashEntry(entry), proof);
    }
}
// slither-disable-end shadowing-local
