// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {Hashes} from "../../src/Hashes.sol";
import {
    Checkpoint,
    Entry,
    FLAG_REPLICA,
    KIND_SYSTEM,
    Member,
    OUTCOME_RECORDED,
    STATUS_NOTED,
    Taken
} from "../../src/Types.sol";
import {vm} from "../support/Vm.sol";
import {ProofFixture} from "./ProofFixture.sol";

/// @notice Which checkpoints the contract takes as anchors: those that a quorum of seats signed which count, and that take the inbox
/// in as it is.
///
/// For one group of five members in its second epoch, four of them replicas, thus a quorum of three, and a log that had no entries
/// before; for any checkpoint of that group.
///
/// Not proven: other sizes of groups, and that logs extend each other, which unit tests and `invariant_Forward` have; that only the
/// holder of a key can sign (`ecrecover` is any function at all).
contract AnchorProof is ProofFixture {
    uint64 private constant PROGRESS = 64;

    /// @notice Proven: whoever signed an accepted checkpoint are distinct, in strictly ascending order, at least a quorum; each has the
    /// seat of a replica that is not convicted and, where the terms ask for a bond, has it and is not past its notice; and each
    /// signature is the only one of its kind (low s).
    /// Bounds: two signatures, or three, with v of 27. Any seats of three of the six accounts, bond of the terms, and time.
    /// @custom:halmos --array-lengths signatures={130,195}
    function check_AnAnchorHasAQuorumThatCounts(
        Checkpoint memory checkpoint,
        bytes memory signatures,
        bytes32[3] memory seats,
        uint128 bond,
        uint40 time
    ) external {
        checkpoint.groupId = groupId;
        vm.store(address(coordinator), _seatSlot(FORMER), seats[0]);
        vm.store(address(coordinator), _seatSlot(address(0xA3)), seats[1]);
        vm.store(address(coordinator), _seatSlot(VOTER), seats[2]);
        for (uint256 at = 64; at < signatures.length; at += 65) {
            signatures[at] = bytes1(uint8(27));
        }
        _setBond(bond);
        vm.warp(time);
        if (!_anchors(checkpoint, signatures, _nothing())) return;

        assert(signatures.length == 65 * QUORUM);
        bytes32 digest = _digest(checkpoint);
        address previous = address(0);
        for (uint256 i = 0; i < QUORUM; ++i) {
            address signer = _signer(digest, signatures, i);
            assert(signer > previous);
            assert(_counts(uint256(vm.load(address(coordinator), _seatSlot(signer))), bond, time));
            previous = signer;
        }
    }

    /// @notice Proven: for any inbox and time, a checkpoint that a quorum signed is accepted exactly when its count is from what was
    /// taken to the inbox's length, its hash is the contract's up to that count, the log has the entry of the last message that it
    /// takes, and it leaves none out that is overdue, unless it takes 64.
    /// Bounds: three signatures; a log of one entry.
    function check_TheInboxDecidesOnAnAnchor(
        Checkpoint memory checkpoint,
        Inbox memory inbox,
        Entry memory entry,
        uint8 disposition,
        uint40 time
    ) external {
        checkpoint.nextMembersHash = 0;
        bool takes = _set(checkpoint, inbox, entry, disposition);
        vm.warp(time);
        bool accepted = _anchors(checkpoint, _signedByQuorum(checkpoint), _taken(checkpoint, inbox, entry, disposition));
        assert(
            accepted == (takes && (!_leavesOut(checkpoint, inbox) || time <= uint256(inbox.firstAt) + INBOX_DEADLINE))
        );
        if (accepted) assert(coordinator.inbox(groupId).taken == checkpoint.inboxCount);
    }

    /// @notice Proven: the same of `anchorAndRotate`, but that it may leave an overdue message out exactly when no anchor was accepted
    /// for the stall time.
    /// Bounds: three signatures; a log of one entry; one list of next members.
    function check_TheInboxDecidesOnARotation(
        Checkpoint memory checkpoint,
        Inbox memory inbox,
        Entry memory entry,
        uint8 disposition,
        uint40 time
    ) external {
        Member[] memory next = _members(FORMER);
        checkpoint.nextMembersHash = keccak256(abi.encode(next));
        bool takes = _set(checkpoint, inbox, entry, disposition);
        vm.warp(time);
        bytes memory signatures = _signedByQuorum(checkpoint);
        Taken memory taken = _taken(checkpoint, inbox, entry, disposition);
        bytes memory data = abi.encodeCall(
            coordinator.anchorAndRotate, (checkpoint, signatures, new bytes32[](0), taken, next, _noMandate())
        );
        bool excused = time <= uint256(inbox.firstAt) + INBOX_DEADLINE || time >= START + STALL_TIME;
        assert(_call(data) == (takes && (!_leavesOut(checkpoint, inbox) || excused)));
    }

    /// @dev What stands in the inbox: how many messages, how many taken, the hash up to the checkpoint's count, and when the first
    /// came that it leaves out.
    struct Inbox {
        uint64 length;
        uint64 taken;
        bytes32 hash;
        uint40 firstAt;
    }

    /// @dev Puts that there, and makes the checkpoint one that follows the fixture's: the inbox alone decides. Says whether it takes
    /// in what is there.
    function _set(Checkpoint memory checkpoint, Inbox memory inbox, Entry memory entry, uint8 disposition)
        private
        returns (bool)
    {
        uint64 count = checkpoint.inboxCount;
        vm.assume(count < 2 ** 63);
        vm.assume(checkpoint.logRoot != 0);
        vm.assume(checkpoint.sequence > BOUNDARY);
        (checkpoint.groupId, checkpoint.epoch, checkpoint.logSize) = (groupId, 1, 1);
        vm.store(
            address(coordinator),
            _slot(2),
            bytes32(
                uint256(STALL_TIME) << 200 | uint256(INBOX_DEADLINE) << 168 | uint256(inbox.taken) << 64 | inbox.length
            )
        );
        assert(coordinator.inbox(groupId).length == inbox.length && coordinator.inbox(groupId).taken == inbox.taken);
        if (count != 0) vm.store(address(coordinator), _slotIn(11, bytes32(uint256(count - 1))), inbox.hash);
        // Six times to a slot, all the same.
        uint256 times = uint256(inbox.firstAt) * (1 | 1 << 40 | 1 << 80 | 1 << 120 | 1 << 160 | 1 << 200);
        vm.store(address(coordinator), _slotIn(12, bytes32(uint256(count) / 6)), bytes32(times));

        bool inBounds = count >= inbox.taken && count <= inbox.length;
        bytes32 hash = count == 0 ? bytes32(0) : inbox.hash;
        if (count > inbox.taken && checkpoint.logRoot != _leaf(checkpoint, entry, disposition)) return false;
        return inBounds && checkpoint.inboxHash == hash;
    }

    function _leavesOut(Checkpoint memory checkpoint, Inbox memory inbox) private pure returns (bool) {
        uint64 count = checkpoint.inboxCount;
        return count < inbox.length && count - inbox.taken < PROGRESS;
    }

    /// @dev The log's one entry, which says that the message was taken.
    function _leaf(Checkpoint memory checkpoint, Entry memory entry, uint8 disposition) private view returns (bytes32) {
        (entry.index, entry.kind, entry.status, entry.outcome) = (0, KIND_SYSTEM, STATUS_NOTED, OUTCOME_RECORDED);
        entry.subject =
            _digestOf(Hashes.hashInboxTaken(groupId, checkpoint.inboxCount - 1, checkpoint.inboxHash, disposition));
        return sha256(abi.encodePacked(bytes1(0x00), abi.encode(entry)));
    }

    function _taken(Checkpoint memory checkpoint, Inbox memory inbox, Entry memory entry, uint8 disposition)
        private
        pure
        returns (Taken memory taken)
    {
        if (checkpoint.inboxCount == inbox.taken) return taken;
        (taken.sequence, taken.timestampMs, taken.disposition) = (entry.sequence, entry.timestampMs, disposition);
    }

    function _setBond(uint128 bond) private {
        vm.store(
            address(coordinator),
            _slot(3),
            bytes32(
                uint256(VOTERS_SINCE) << 208 | uint256(RECOVERY_TIME) << 176 | uint256(EVIDENCE_WINDOW) << 128 | bond
            )
        );
    }

    /// @dev All of a seat but its key.
    function _seatSlot(address agent) private view returns (bytes32) {
        return bytes32(uint256(_slotIn(8, bytes32(uint256(uint160(agent))))) + 1);
    }

    /// @dev Whether the signature of who has this seat counts: weight 64, flags 8, left 8, convicted 8, bonded 8, exitAt 40.
    function _counts(uint256 seat, uint128 bond, uint256 time) private pure returns (bool) {
        uint256 exitAt = uint40(seat >> 96);
        bool stays = uint8(seat >> 88) != 0 && (exitAt == 0 || time < exitAt);
        return uint8(seat >> 64) & FLAG_REPLICA != 0 && uint8(seat >> 80) == 0 && (bond == 0 || stays);
    }
}
// forge-lint: disable-end(unsafe-typecast)
