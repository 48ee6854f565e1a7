// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {Errors} from "../../src/Errors.sol";
import {ICoordinatorEvents} from "../../src/ICoordinatorEvents.sol";
import {Checkpoint, InboxState, Taken} from "../../src/Types.sol";
import {RefusalFixture} from "../support/RefusalFixture.sol";
import {vm} from "../support/Vm.sol";

/// @notice The branches of "the inbox of an anchor" in Anchors.tree: the count, its hash, the entry of the last message taken, the
/// deadline, and what excuses from it.
contract AnchorInboxTest is RefusalFixture {
    /// @dev How many messages an anchor has to take to be excused.
    uint64 private constant PROGRESS = 64;

    function setUp() public override {
        super.setUp();
        _fill(5);
        _anchor(10);
    }

    // ---------------------------------------------------------------------------------------------------------
    // The count
    // ---------------------------------------------------------------------------------------------------------

    function test_Inbox_RevertWhen_TheCountIsBeyondIt() external {
        _enqueue();
        Checkpoint memory checkpoint = _checkpoint(11);
        checkpoint.inboxCount = 2;
        _expectRefusal(checkpoint, _consistency(checkpoint), _noTaken(), _invalidCount(2, 0, 1));
    }

    function test_Inbox_RevertWhen_TheCountGoesBack() external {
        _enqueue();
        _enqueue();
        _anchor(11);
        _expectRefusal(_checkpointTaking(12, 1), _invalidCount(1, 2, 2));
        _expectRefusal(_checkpointTaking(12, 0), _invalidCount(0, 2, 2));
        _anchor(_checkpointTaking(12, 2), 0, 3);
    }

    function test_Inbox_TakesThemInParts() external {
        for (uint256 i = 0; i < 3; ++i) {
            _enqueue();
        }
        for (uint64 count = 1; count <= 3; ++count) {
            _takeIn(count);
            _anchor(_checkpointTaking(10 + count, count), 0, 3);
            vm.assertEq(coordinator.inbox(groupId).taken, count, "taken");
        }
    }

    // ---------------------------------------------------------------------------------------------------------
    // The hash
    // ---------------------------------------------------------------------------------------------------------

    /// @dev A quorum that counts messages which it has not seen, or other ones.
    function test_M2_RevertWhen_TheHashIsAnother() external {
        _enqueue();
        _enqueue();
        Checkpoint memory checkpoint = _checkpoint(11);
        bytes32 right = checkpoint.inboxHash;
        (bytes32 first,) = coordinator.inboxMessage(groupId, 0);
        bytes32[3] memory wrong = [bytes32(0), first, "other"];
        for (uint256 i = 0; i < 3; ++i) {
            checkpoint.inboxHash = wrong[i];
            _expectRefusal(checkpoint, _mismatch(right, wrong[i]));
        }
        checkpoint.inboxHash = right;
        _anchor(checkpoint, 0, 3);
    }

    /// @dev Also where nothing is taken: of an empty inbox the hash is zero, and of one that is taken that of the last.
    function test_M2_RevertWhen_NothingIsTakenAndTheHashIsAnother() external {
        Checkpoint memory checkpoint = _checkpoint(11);
        checkpoint.inboxHash = "other";
        _expectRefusal(checkpoint, _mismatch(0, "other"));

        _enqueue();
        _anchor(11);
        checkpoint = _checkpoint(12);
        (bytes32 right,) = coordinator.inboxMessage(groupId, 0);
        checkpoint.inboxHash = 0;
        _expectRefusal(checkpoint, _mismatch(right, 0));
        checkpoint.inboxHash = right;
        _anchor(checkpoint, 0, 3);
    }

    // ---------------------------------------------------------------------------------------------------------
    // The entry
    // ---------------------------------------------------------------------------------------------------------

    /// @dev A quorum that says it took a message over a log that does not have it.
    function test_M2_RevertWhen_TheLogLeavesTheMessageOut() external {
        _enqueue();
        _fill(1);
        Checkpoint memory checkpoint = _checkpointTaking(11, 1);
        Taken memory taken = Taken({
            index: 5,
            sequence: 6,
            timestampMs: uint64(block.timestamp) * 1000 + 5,
            disposition: DISPOSITION,
            path: log.path(5, 6)
        });
        _expectRefusal(checkpoint, _consistency(checkpoint), taken, _notIncluded(0));
        _expectRefusal(checkpoint, _consistency(checkpoint), _noTaken(), _notIncluded(0));
        vm.assertEq(coordinator.inbox(groupId).taken, 0, "taken");
    }

    function test_M2_RevertWhen_AnyPartOfTheEntryIsAnother() external {
        _enqueue();
        Checkpoint memory checkpoint = _checkpoint(11);
        for (uint256 field = 0; field < 7; ++field) {
            Taken memory taken = _taken(checkpoint);
            if (field == 0) taken.index -= 1;
            if (field == 1) taken.sequence += 1;
            if (field == 2) taken.timestampMs += 1;
            if (field == 3) taken.disposition += 1;
            if (field == 4) taken.path[0] = "other";
            if (field == 5) taken.path = new bytes32[](0);
            if (field == 6) taken.index = checkpoint.logSize;
            _expectRefusal(checkpoint, _consistency(checkpoint), taken, _notIncluded(0));
        }
    }

    /// @dev The entry of the last but one is not enough, nor one that says the same of another group's inbox.
    function test_M2_RevertWhen_TheEntryIsOfAnotherMessage() external {
        _enqueue();
        _takeIn(1);
        _enqueue();
        Checkpoint memory checkpoint = _checkpointTaking(11, 1);
        Taken memory first = _taken(checkpoint);
        checkpoint = _checkpointTaking(11, 2);
        _expectRefusal(checkpoint, _consistency(checkpoint), first, _notIncluded(1));

        bytes32 mine = groupId;
        groupId = _createGroup(_members(4), _terms(), "other");
        _enqueue();
        checkpoint = _checkpointTaking(11, 1);
        _expectRefusal(checkpoint, new bytes32[](0), first, _notIncluded(0));
        groupId = mine;
    }

    /// @dev An entry of another kind with the same subject, such as a decision, takes nothing.
    function test_M2_RevertWhen_TheEntryIsOfAnotherKind() external {
        _enqueue();
        uint64 index = log.size();
        log.append(_entry(index, coordinator.hashInboxTaken(groupId, 0, _inboxHash(1), DISPOSITION)));
        Checkpoint memory checkpoint = _checkpointTaking(11, 1);
        Taken memory taken = Taken({
            index: index,
            sequence: index + 1,
            timestampMs: uint64(block.timestamp) * 1000 + index,
            disposition: DISPOSITION,
            path: log.path(index, index + 1)
        });
        _expectRefusal(checkpoint, _consistency(checkpoint), taken, _notIncluded(0));
    }

    function test_M2_RevertWhen_NothingIsTakenAndThereIsAPath() external {
        _fill(1);
        Checkpoint memory checkpoint = _checkpoint(11);
        Taken memory taken = _noTaken();
        taken.path = new bytes32[](1);
        _expectRefusal(checkpoint, _consistency(checkpoint), taken, _notIncluded(0));
    }

    /// @dev What became of the message is the log's word, whatever it is.
    function testFuzz_M2_TakesAnyDisposition(uint8 disposition) external {
        _enqueue();
        uint64 index = log.size();
        bytes32 subject = keccak256(
            abi.encode(
                keccak256("InboxTaken(bytes32 groupId,uint64 index,bytes32 inboxHash,uint8 disposition)"),
                groupId,
                uint64(0),
                _inboxHash(1),
                disposition
            )
        );
        bytes memory leaf = abi.encode(
            uint256(index),
            uint256(9),
            uint256(1234),
            uint256(3),
            uint256(1),
            keccak256(bytes.concat(hex"1901", coordinator.domainSeparator(), subject)),
            bytes32(0xad182dbc77e8d818f1a06aa5d4285a023a2600dcdb7377ea3aa65823422d6f5a)
        );
        log.append(leaf);
        Checkpoint memory checkpoint = _checkpointTaking(11, 1);
        Taken memory taken = Taken({
            index: index, sequence: 9, timestampMs: 1234, disposition: disposition, path: log.path(index, index + 1)
        });
        coordinator.anchor(checkpoint, _signatures(checkpoint, 0, 3), _consistency(checkpoint), taken);
        vm.assertEq(coordinator.inbox(groupId).taken, 1, "taken");
    }

    /// @dev The first anchor of a group may take messages too.
    function test_M2_InTheFirstAnchor() external {
        _useWithFreshLog(_createGroup(_members(4), _terms(), "fresh"));
        _enqueue();
        _fill(1);
        Checkpoint memory checkpoint = _checkpoint(1);
        _expectRefusal(checkpoint, new bytes32[](0), _noTaken(), _notIncluded(0));
        _anchor(checkpoint, 0, 3);
        vm.assertEq(coordinator.inbox(groupId).taken, 1, "taken");
    }

    // ---------------------------------------------------------------------------------------------------------
    // The deadline
    // ---------------------------------------------------------------------------------------------------------

    /// @dev To its last second a message may be left out.
    function test_Inbox_RevertWhen_AMessageIsOverdue() external {
        _enqueue();
        vm.warp(START + INBOX_DEADLINE);
        _anchor(_checkpointTaking(11, 0), 0, 3);
        vm.warp(START + INBOX_DEADLINE + 1);
        _expectRefusal(_checkpointTaking(12, 0), _overdue(0));
        _anchor(12);
        vm.assertEq(coordinator.inbox(groupId).taken, 1, "taken");
    }

    /// @dev The first that is left out decides, also when those before it were overdue.
    function test_Inbox_LooksAtTheFirstThatIsLeftOut() external {
        _enqueue();
        vm.warp(START + 1 hours);
        _enqueue();
        vm.warp(START + INBOX_DEADLINE + 1 hours);
        _takeIn(1);
        _anchor(_checkpointTaking(11, 1), 0, 3);
        vm.warp(START + INBOX_DEADLINE + 1 hours + 1);
        _expectRefusal(
            _checkpointTaking(12, 1),
            abi.encodeWithSelector(Errors.InboxOverdue.selector, groupId, 1, START + 1 hours + INBOX_DEADLINE)
        );
        _anchor(12);
    }

    /// @dev Times are six to a slot: a message of each place of several slots is the first to be left out.
    function test_Inbox_KnowsTheTimeOfEachMessage() external {
        for (uint256 i = 0; i < 14; ++i) {
            vm.warp(START + 60 * i);
            _enqueue();
        }
        for (uint64 count = 1; count < 14; ++count) {
            uint256 due = START + 60 * uint256(count) + INBOX_DEADLINE;
            (, uint64 enqueuedAt) = coordinator.inboxMessage(groupId, count);
            vm.assertEq(enqueuedAt, START + 60 * uint256(count), "the message's time");
            _takeIn(count);
            vm.warp(due + 1);
            _expectRefusal(
                _checkpointTaking(10 + count, count),
                abi.encodeWithSelector(Errors.InboxOverdue.selector, groupId, count, due)
            );
            vm.warp(due);
            _anchor(_checkpointTaking(10 + count, count), 0, 3);
        }
    }

    // ---------------------------------------------------------------------------------------------------------
    // Progress
    // ---------------------------------------------------------------------------------------------------------

    /// @dev A flood delays, and does not stop: an anchor that takes 64 may leave overdue ones out, and one that takes 63 may not.
    function test_M8_WhatTakes64_MayLeaveOverdueOnesOut() external {
        for (uint256 i = 0; i < 200; ++i) {
            _enqueue();
        }
        vm.warp(START + 30 days);
        _takeIn(PROGRESS - 1);
        _expectRefusal(_checkpointTaking(11, PROGRESS - 1), _overdue(PROGRESS - 1));
        _takeIn(PROGRESS);
        _anchor(_checkpointTaking(11, PROGRESS), 0, 3);

        // Counted from the last anchor, not from the first message.
        _takeIn(2 * PROGRESS - 1);
        _expectRefusal(_checkpointTaking(12, 2 * PROGRESS - 1), _overdue(2 * PROGRESS - 1));
        _takeIn(2 * PROGRESS + 3);
        _anchor(_checkpointTaking(12, 2 * PROGRESS + 3), 0, 3);
        _expectRefusal(_checkpointTaking(13, 2 * PROGRESS + 3), _overdue(2 * PROGRESS + 3));

        // What is left is less than that, and then all of it has to be taken.
        _takeIn(199);
        _anchor(_checkpointTaking(13, 199), 0, 3);
        _expectRefusal(_checkpointTaking(14, 199), _overdue(199));
        _takeIn(200);
        _anchor(_checkpointTaking(14, 200), 0, 3);
    }

    // ---------------------------------------------------------------------------------------------------------
    // What is kept
    // ---------------------------------------------------------------------------------------------------------

    /// @dev The clock of silence is moved by what takes a message, and by nothing else.
    function test_H2_OnlyWhatTakesAMessageMovesTheClock() external {
        vm.assertEq(coordinator.inbox(groupId).servedAt, 0, "not served yet");
        vm.warp(START + 1 hours);
        _anchor(11);
        _assertClock(0, 0);
        _enqueue();
        _assertClock(0, START + 1 hours);
        vm.warp(START + 2 hours);
        _anchor(_checkpointTaking(12, 0), 0, 3);
        _assertClock(0, START + 1 hours);
        _enqueue();
        _takeIn(1);
        vm.warp(START + 150 minutes);
        _anchor(_checkpointTaking(13, 1), 0, 3);
        _assertClock(START + 150 minutes, START + 150 minutes);
        vm.warp(START + 170 minutes);
        _anchor(14);
        _assertClock(START + 170 minutes, 0);
        vm.warp(START + 180 minutes);
        _enqueue();
        _assertClock(START + 170 minutes, START + 180 minutes);
    }

    function test_H2_AnIdleGroupHasNotStalled() external {
        vm.warp(START + 365 days);
        vm.assertFalse(coordinator.hasStalled(groupId), "idle");
        _enqueue();
        vm.warp(START + 365 days + STALL_TIME - 1);
        vm.assertFalse(coordinator.hasStalled(groupId), "not yet");
        vm.warp(START + 365 days + STALL_TIME);
        vm.assertTrue(coordinator.hasStalled(groupId), "stalled");
    }

    /// @dev Old checkpoints, one after another, keep no lane shut: none of them can take a newer message.
    function test_M10_AStashOfCheckpoints_DoesNotMoveTheClock() external {
        Checkpoint[4] memory stash;
        bytes[4] memory signatures;
        bytes32[][4] memory proofs;
        for (uint64 i = 0; i < 4; ++i) {
            _fill(1);
            stash[i] = _checkpoint(11 + i);
            signatures[i] = _signatures(stash[i], 0, 3);
            proofs[i] = log.consistency(5 + i, 6 + i);
        }
        _enqueue();
        for (uint64 i = 0; i < 4; ++i) {
            vm.warp(START + (i + 1) * (STALL_TIME / 4));
            coordinator.anchor(stash[i], signatures[i], proofs[i], _noTaken());
        }
        vm.assertTrue(coordinator.hasStalled(groupId), "stalled");
    }

    function test_Inbox_IsInTheEvent() external {
        _enqueue();
        Checkpoint memory checkpoint = _checkpoint(11);
        bytes memory signatures = _signatures(checkpoint, 0, 3);
        (bytes32[] memory consistency, Taken memory taken) = (_consistency(checkpoint), _taken(checkpoint));
        vm.expectEmit(address(coordinator));
        emit ICoordinatorEvents.Anchored(
            groupId, 11, 6, 0, log.root(), checkpoint.stateRoot, 1, checkpoint.inboxHash, 0
        );
        coordinator.anchor(checkpoint, signatures, consistency, taken);
    }

    // ---------------------------------------------------------------------------------------------------------
    // Steps
    // ---------------------------------------------------------------------------------------------------------

    function _assertClock(uint256 servedAt, uint256 waitingSince) private view {
        InboxState memory inbox = coordinator.inbox(groupId);
        vm.assertEq(inbox.servedAt, servedAt, "served at");
        vm.assertEq(inbox.waitingSince, waitingSince, "waiting since");
    }

    function _invalidCount(uint64 count, uint64 taken, uint64 length) private pure returns (bytes memory) {
        return abi.encodeWithSelector(Errors.InvalidInboxCount.selector, count, taken, length);
    }

    function _mismatch(bytes32 expected, bytes32 given) private view returns (bytes memory) {
        return abi.encodeWithSelector(Errors.InboxHashMismatch.selector, groupId, expected, given);
    }

    /// @dev Of the message at this index.
    function _notIncluded(uint64 index) private view returns (bytes memory) {
        return abi.encodeWithSelector(Errors.InboxEntryNotIncluded.selector, groupId, index);
    }

    /// @dev Of messages that came at the start.
    function _overdue(uint64 index) private view returns (bytes memory) {
        return abi.encodeWithSelector(Errors.InboxOverdue.selector, groupId, index, START + INBOX_DEADLINE);
    }
}
// forge-lint: disable-end(unsafe-typecast)
