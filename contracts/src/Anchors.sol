// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {Errors} from "./Errors.sol";
import {Hashes} from "./Hashes.sol";
import {IAnchoredLane} from "./IAnchoredLane.sol";
import {Inbox} from "./Inbox.sol";
import {Mandates} from "./Mandates.sol";
import {Members} from "./Members.sol";
import {MerkleLog} from "./MerkleLog.sol";
import {Quorum} from "./Quorum.sol";
import {Checkpoint, KIND_SYSTEM, Mandate, Member, STATUS_NOTED, Taken} from "./Types.sol";

/// @title Anchors
/// @notice Accepts checkpoints that a quorum signed: each extends the last, takes the inbox in, and proves both.
abstract contract Anchors is Inbox, Members, Mandates, IAnchoredLane {
    using SafeCast for uint256;

    /// @dev An anchor that takes this many messages may leave out one that is overdue: as many as one word of a replica carries. So a
    /// flood delays anchors, and does not stop them.
    uint256 private constant PROGRESS = 64;

    /// @dev SHA-256 of nothing, RFC 9162 section 2.1.1.
    bytes32 private constant EMPTY_ROOT = 0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855;

    // ---------------------------------------------------------------------------------------------------------
    // Transactions
    // ---------------------------------------------------------------------------------------------------------

    /// @inheritdoc IAnchoredLane
    function anchor(
        Checkpoint calldata checkpoint,
        bytes calldata signatures,
        bytes32[] calldata consistency,
        Taken calldata taken
    ) external override {
        require(checkpoint.nextMembersHash == 0, Errors.NextMembersMissing(checkpoint.nextMembersHash));
        _accept(_group(checkpoint.groupId), checkpoint, signatures, consistency, taken);
    }

    /// @inheritdoc IAnchoredLane
    function anchorAndRotate(
        Checkpoint calldata checkpoint,
        bytes calldata signatures,
        bytes32[] calldata consistency,
        Taken calldata taken,
        Member[] calldata nextMembers,
        Mandate calldata mandate
    ) external override {
        bytes32 nextMembersHash = checkpoint.nextMembersHash;
        require(nextMembersHash != 0, Errors.EpochGoesOn(checkpoint.sequence));
        bytes32 given = Hashes.hashMembers(nextMembers);
        require(given == nextMembersHash, Errors.MembersMismatch(nextMembersHash, given));
        GroupState storage group = _group(checkpoint.groupId);
        _accept(group, checkpoint, signatures, consistency, taken);
        bool alters = _requireMandate(group, checkpoint.groupId, nextMembers, mandate);
        _rotate(group, checkpoint, nextMembers, alters);
    }

    // ---------------------------------------------------------------------------------------------------------
    // Private
    // ---------------------------------------------------------------------------------------------------------

    /// @dev Takes the checkpoint as the latest anchor.
    function _accept(
        GroupState storage group,
        Checkpoint calldata checkpoint,
        bytes calldata signatures,
        bytes32[] calldata consistency,
        Taken calldata taken
    ) private {
        uint64 lastSize = group.logSize;
        _checkSuccession(group, checkpoint);
        _takeInbox(group, checkpoint, taken);
        _checkSignatures(group, checkpoint, signatures, Quorum.size(group.replicaCount));
        _checkConsistency(group, lastSize, checkpoint, consistency);

        if (checkpoint.logSize != lastSize || lastSize == 0) group.roots[checkpoint.logSize] = checkpoint.logRoot;
        group.anchorEpoch = uint256(checkpoint.epoch).toUint48();
        group.sequence = checkpoint.sequence;
        group.logSize = checkpoint.logSize;
        group.anchoredAt = block.timestamp.toUint40();
        _tell(checkpoint);
    }

    function _tell(Checkpoint calldata checkpoint) private {
        emit Anchored(
            checkpoint.groupId,
            checkpoint.sequence,
            checkpoint.logSize,
            checkpoint.epoch,
            checkpoint.logRoot,
            checkpoint.stateRoot,
            checkpoint.inboxCount,
            checkpoint.inboxHash,
            checkpoint.nextMembersHash
        );
    }

    /// @dev Begins the epoch after the one that the checkpoint ended. The members are held to the rules, but not to their
    /// registrations: see `anchorAndRotate`.
    function _rotate(
        GroupState storage group,
        Checkpoint calldata checkpoint,
        Member[] calldata nextMembers,
        bool altersWeights
    ) private {
        (uint128 totalWeight, uint8 replicaCount) = _checkMembers(nextMembers);
        (uint64 epoch, bytes32 membersHash) = (checkpoint.epoch + 1, checkpoint.nextMembersHash);
        _beginEpoch(group, epoch, membersHash, checkpoint.sequence, checkpoint.logSize, totalWeight);
        if (altersWeights) _beginVoters(group, epoch);
        _seat(group, nextMembers, replicaCount);
        emit MembersChanged(checkpoint.groupId, epoch, membersHash, nextMembers);
    }

    /// @dev The log takes in the inbox in its order, says so, and leaves no message out beyond its deadline.
    ///
    /// The checkpoint that ends an epoch may leave one out when no anchor was accepted for the stall time: the epoch's replicas sign
    /// no other any more, and a message that came too late for them would cut the group off for good. The deadline is no shorter
    /// than the stall time, so a rotation is held up for no longer than that.
    function _takeInbox(GroupState storage group, Checkpoint calldata checkpoint, Taken calldata taken) private {
        (uint64 length, uint64 before, uint64 count) = (group.inboxLength, group.inboxTaken, checkpoint.inboxCount);
        require(count >= before && count <= length, Errors.InvalidInboxCount(count, before, length));
        bytes32 groupId = checkpoint.groupId;
        bytes32 inboxHash = count == 0 ? bytes32(0) : group.messages[count - 1];
        require(checkpoint.inboxHash == inboxHash, Errors.InboxHashMismatch(groupId, inboxHash, checkpoint.inboxHash));
        if (count < length && count - before < PROGRESS) {
            uint256 dueAt = _messageTime(group, count) + group.inboxDeadline;
            // Deadlines count seconds by the hour; what a block's producer can shift is far below that.
            // slither-disable-next-line timestamp
            bool inTime = block.timestamp <= dueAt || (checkpoint.nextMembersHash != 0 && _isHeldUp(group));
            require(inTime, Errors.InboxOverdue(groupId, count, dueAt));
        }
        if (count == before) {
            require(taken.path.length == 0, Errors.InboxEntryNotIncluded(groupId, count));
            return;
        }
        _checkTaken(checkpoint, taken);
        group.inboxTaken = count;
        group.servedAt = block.timestamp.toUint40();
    }

    /// @dev Anchors only move forward: sequence up, log not smaller, in the current epoch.
    function _checkSuccession(GroupState storage group, Checkpoint calldata checkpoint) private view {
        (uint64 epoch, uint64 sequence, uint64 logSize) = (group.epoch, group.sequence, group.logSize);
        require(checkpoint.epoch == epoch, Errors.EpochMismatch(checkpoint.epoch, epoch));
        require(checkpoint.sequence > sequence, Errors.StaleSequence(checkpoint.sequence, sequence));
        require(checkpoint.logSize >= logSize, Errors.LogShrunk(checkpoint.logSize, logSize));
        // Or no epoch could begin behind it, also none by a recovery.
        require(checkpoint.logSize <= type(uint48).max, Errors.LogTooLarge(checkpoint.logSize));
        require(checkpoint.logRoot != 0, Errors.ZeroLogRoot());
    }

    /// @dev Whether no anchor was accepted for the stall time, since the last one or since the group was made.
    function _isHeldUp(GroupState storage group) private view returns (bool) {
        uint256 since = group.anchoredAt;
        if (since == 0) since = group.epochs[0].startedAt;
        // As above.
        // slither-disable-next-line timestamp
        return block.timestamp >= since + group.stallTime;
    }

    /// @dev The log has the entry by which it took in the last of the messages that the checkpoint counts. The entry names the hash
    /// of all messages up to it.
    function _checkTaken(Checkpoint calldata checkpoint, Taken calldata taken) private view {
        uint64 last = checkpoint.inboxCount - 1;
        bytes32 structHash = Hashes.hashInboxTaken(checkpoint.groupId, last, checkpoint.inboxHash, taken.disposition);
        uint256 place;
        // `index`, `sequence` and `timestampMs` come first.
        // slither-disable-next-line assembly
        assembly ("memory-safe") {
            place := taken
        }
        bytes32 leaf = MerkleLog.hashLeafAt(place, KIND_SYSTEM, STATUS_NOTED, _digest(structHash));
        require(
            MerkleLog.verify(checkpoint.logRoot, checkpoint.logSize, taken.index, leaf, taken.path),
            Errors.InboxEntryNotIncluded(checkpoint.groupId, last)
        );
    }

    /// @dev The log is append-only on-chain too, over epochs and eras. The first anchor takes any; a log without entries has one root,
    /// and any log begins with it.
    function _checkConsistency(
        GroupState storage group,
        uint64 lastSize,
        Checkpoint calldata checkpoint,
        bytes32[] calldata consistency
    ) private view {
        uint64 logSize = checkpoint.logSize;
        bool isConsistent = lastSize == 0
            ? consistency.length == 0 && (logSize != 0 || checkpoint.logRoot == EMPTY_ROOT)
            : MerkleLog.verifyConsistency(group.roots[lastSize], lastSize, checkpoint.logRoot, logSize, consistency);
        require(isConsistent, Errors.NotConsistent(lastSize, logSize));
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
        bytes32 digest = _digest(Hashes.hashCheckpoint(checkpoint));
        address previous = address(0);
        for (uint256 at = 0; at < signatures.length; at += SIGNATURE_LENGTH) {
            address signer = _recover(digest, signatures[at:at + SIGNATURE_LENGTH]);
            require(signer != address(0), Errors.InvalidSignature(at / SIGNATURE_LENGTH));
            require(signer > previous, Errors.SignersNotAscending(previous, signer));
            require(_counts(group, group.seats[signer]), Errors.SignatureDoesNotCount(signer));
            previous = signer;
        }
    }
}
