// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {Errors} from "../../src/Errors.sol";
import {Approval, Checkpoint, Content, EpochStart, Mandate, Member} from "../../src/Types.sol";
import {EpochFixture} from "../support/EpochFixture.sol";
import {Fixture} from "../support/Fixture.sol";
import {ReferenceLog} from "../support/ReferenceLog.sol";
import {RefusalFixture} from "../support/RefusalFixture.sol";
import {vm} from "../support/Vm.sol";

/// @notice The branches of "what excuses a rotation" and "eras" in Epochs.tree.
contract AnchorErasTest is EpochFixture, RefusalFixture {
    uint64 private constant ERA = 1 << 32;

    function setUp() public override(Fixture, EpochFixture) {
        EpochFixture.setUp();
        _fill(5);
        _anchor(_checkpoint(10), 0, 4);
        _fill(2);
    }

    // ---------------------------------------------------------------------------------------------------------
    // What excuses a rotation
    // ---------------------------------------------------------------------------------------------------------

    /// @dev A message that is overdue holds a rotation up for the stall time since the last anchor, and no longer.
    function test_L8_AnOverdueMessage_HoldsARotationUpForAStallTime() external {
        _enqueue();
        vm.warp(START + INBOX_DEADLINE);
        _anchor(_checkpointTaking(11, 0), 0, 4);
        vm.warp(START + INBOX_DEADLINE + 1);
        _expectOverdue(12);
        vm.warp(START + INBOX_DEADLINE + STALL_TIME - 1);
        _expectOverdue(12);
        vm.warp(START + INBOX_DEADLINE + STALL_TIME);
        _leaveOut(12);
        vm.assertEq(coordinator.group(groupId).epoch, 1, "epoch");

        // The rotation was an anchor: the next one waits as long.
        _expectOverdue(13);
        vm.warp(START + INBOX_DEADLINE + 2 * STALL_TIME);
        _leaveOut(13);
        vm.assertEq(coordinator.group(groupId).epoch, 2, "epoch");
    }

    /// @dev Usually it waits for nothing: when it is overdue, no anchor was accepted for longer than that.
    function test_L8_WhereNoAnchorWasAccepted_ItIsHeldUpForNothing() external {
        vm.warp(START + STALL_TIME);
        _enqueue();
        vm.warp(START + STALL_TIME + INBOX_DEADLINE + 1);
        _leaveOut(11);
        vm.assertEq(coordinator.group(groupId).epoch, 1, "epoch");
    }

    /// @dev Before the first anchor too.
    function test_L8_BeforeTheFirstAnchor() external {
        _useWithFreshLog(_createGroup(_members(5), _termsOf(6000), "fresh"));
        _enqueue();
        _fill(3);
        vm.warp(START + INBOX_DEADLINE + 1);
        _leaveOut(1);
        vm.assertEq(coordinator.group(groupId).epoch, 1, "epoch");
    }

    /// @dev It is the last anchor that counts, not the clock of messages: one that took none is one too.
    function test_L8_AnAnchorThatTakesNothing_CountsToo() external {
        _enqueue();
        vm.warp(START + INBOX_DEADLINE - 1 minutes);
        _anchor(_checkpointTaking(11, 0), 0, 4);
        vm.assertTrue(coordinator.hasStalled(groupId), "nobody is served");
        vm.warp(START + INBOX_DEADLINE + 1);
        _expectOverdue(12);
    }

    /// @dev An anchor that ends no epoch is never excused by time.
    function test_L8_AnAnchorIsNotExcused() external {
        _enqueue();
        vm.warp(START + 30 days);
        Checkpoint memory checkpoint = _checkpointTaking(11, 0);
        _expectRefusal(
            checkpoint,
            _signatures(checkpoint, 0, 4),
            abi.encodeWithSelector(Errors.InboxOverdue.selector, groupId, 0, START + INBOX_DEADLINE)
        );
    }

    /// @dev Progress excuses a rotation as it does an anchor.
    function test_M8_ProgressExcusesARotation() external {
        for (uint256 i = 0; i < 70; ++i) {
            _enqueue();
        }
        vm.warp(START + INBOX_DEADLINE - 1);
        _anchor(_checkpointTaking(11, 0), 0, 4);
        vm.warp(START + INBOX_DEADLINE + 1);
        _takeIn(64);
        Checkpoint memory checkpoint = _checkpointTaking(12, 64);
        checkpoint.nextMembersHash = _hash(_members(5));
        _rotate(checkpoint, 0, 4, _members(5), _noMandate());
        vm.assertEq(coordinator.group(groupId).epoch, 1, "epoch");
    }

    // ---------------------------------------------------------------------------------------------------------
    // Eras
    // ---------------------------------------------------------------------------------------------------------

    function test_L1_ARecoveryBeginsAnEra() external {
        _rotateTo(_next(), 11);
        Member[] memory saved = _between(3, 7);
        _recover(saved);
        vm.assertEq(coordinator.group(groupId).epoch, ERA, "epoch");
        EpochStart memory start = coordinator.epochStart(groupId, ERA);
        vm.assertEq(start.sequence, 11, "after the last anchor");
        vm.assertEq(start.logSize, 7, "from its log");
        vm.assertEq(start.membersHash, _hash(saved), "members");
        vm.assertEq(start.startedAt, block.timestamp, "now");

        // Numbers go on within the era, and come again in the next.
        _fill(1);
        Member[] memory same = _between(3, 7);
        _rotate(_boundary(12, same), 3, 3, same, _noMandate());
        vm.assertEq(coordinator.group(groupId).epoch, ERA + 1, "the next number");
        _recover(saved);
        vm.assertEq(coordinator.group(groupId).epoch, 2 * ERA, "the next era");
        vm.assertEq(coordinator.epochStart(groupId, 1).sequence, 11, "the first era's is kept");
    }

    /// @dev Of the era before, nothing moves anchors any more, whoever signed it.
    function test_M7_AfterARecovery_TheOldErasAnchorsAreRefused() external {
        _rotateTo(_next(), 11);
        _fill(2);
        Checkpoint memory stale = _checkpoint(20);
        vm.assertEq(stale.epoch, 1, "of the old era");
        bytes memory signatures = _signatures(stale, 2, 5);
        _recover(_between(3, 7));
        _expectRefusal(stale, signatures, abi.encodeWithSelector(Errors.EpochMismatch.selector, 1, ERA));
        // Nor is a number of the first era one of the second.
        stale.epoch = 0;
        _expectRefusal(stale, _signatures(stale, 2, 5), abi.encodeWithSelector(Errors.EpochMismatch.selector, 0, ERA));
    }

    /// @dev The era's log extends the last anchor's: consistency is asked for over eras as well.
    function test_M4_OverEras_TheLogExtendsTheLastAnchor() external {
        _recover(_between(3, 7));
        // The very same entries, but one that comes first.
        ReferenceLog right = log;
        log = new ReferenceLog();
        log.append("another");
        _fill(8);
        Checkpoint memory fork = _checkpoint(12);
        _expectRefusal(
            fork, _signatures(fork, 3, 3), abi.encodeWithSelector(Errors.NotConsistent.selector, 5, fork.logSize)
        );
        log = right;
        _takeIn(1);
        Checkpoint memory stale = _checkpoint(10);
        _expectRefusal(stale, _signatures(stale, 3, 3), abi.encodeWithSelector(Errors.StaleSequence.selector, 10, 10));
        _anchor(_checkpoint(11), 3, 3);
        vm.assertEq(coordinator.latestAnchor(groupId).epoch, ERA, "the epoch of the anchor");
    }

    /// @dev What the old era decided and anchored stays executable for its expiry since the recovery, whatever the entry's time says.
    function test_M3_AfterARecovery_TheOldErasDecisionsEnd() external {
        Content memory content = _content(0, ROUTINE, _calls(1, 0), 0);
        Approval memory approval = _appendApproval(content);
        approval.timestampMs += 3650 days * 1000;
        // The entry with that time is what the quorum wrote.
        log.append(
            abi.encode(
                uint256(8),
                uint256(9),
                uint256(approval.timestampMs),
                uint256(2),
                uint256(1),
                coordinator.hashDecision(_decision(_idOf(content), 1)),
                bytes32(0xad182dbc77e8d818f1a06aa5d4285a023a2600dcdb7377ea3aa65823422d6f5a)
            )
        );
        (approval.index, approval.sequence) = (8, 9);
        _anchor(_checkpoint(11), 0, 4);
        _recover(_between(3, 7));
        uint256 until = block.timestamp + EXPIRY;
        uint64 size = coordinator.latestAnchor(groupId).logSize;

        vm.warp(until + 1);
        _expectQueueRefusal(
            approval, size, abi.encodeWithSelector(Errors.ExecutionExpired.selector, _idOf(content), until)
        );
        vm.warp(until);
        _queue(approval, size);
    }

    /// @dev Entries that were never anchored are void: in the new era their indices are the new era's.
    function test_M7_WhatTheOldEraNeverAnchored_IsNotOfIt() external {
        _recover(_between(3, 7));
        Content memory content = _content(0, ROUTINE, _calls(1, 0), 0);
        Approval memory approval = _appendApproval(content);
        _anchor(_checkpoint(11), 3, 3);
        uint64 size = coordinator.latestAnchor(groupId).logSize;
        approval.epoch = 0;
        _expectQueueRefusal(
            approval, size, abi.encodeWithSelector(Errors.NotInEpoch.selector, approval.index, uint64(0))
        );
        approval.epoch = ERA;
        _queue(approval, size);
    }

    // ---------------------------------------------------------------------------------------------------------
    // Steps
    // ---------------------------------------------------------------------------------------------------------

    /// @dev The group's account replaces the replicas once a message has waited for the recovery time.
    function _recover(Member[] memory members) private {
        vm.prank(agents[3]);
        coordinator.enqueue(groupId, "a command");
        vm.warp(block.timestamp + RECOVERY_TIME);
        uint64 votersSince = coordinator.group(groupId).votersSince;
        vm.prank(account);
        coordinator.recover(groupId, votersSince, members);
    }

    /// @dev The boundary of the log as it is, before the same members, that takes no message; and what goes with it.
    function _leavingOut(uint64 sequence) private view returns (Checkpoint memory checkpoint) {
        checkpoint = _checkpointTaking(sequence, 0);
        checkpoint.nextMembersHash = _hash(_members(5));
    }

    function _leaveOut(uint64 sequence) private {
        _rotate(_leavingOut(sequence), 0, 4, _members(5), _noMandate());
    }

    function _expectOverdue(uint64 sequence) private {
        Mandate memory none;
        (, uint64 enqueuedAt) = coordinator.inboxMessage(groupId, 0);
        bytes memory refusal =
            abi.encodeWithSelector(Errors.InboxOverdue.selector, groupId, 0, uint256(enqueuedAt) + INBOX_DEADLINE);
        _expectRotationRefusal(_leavingOut(sequence), 0, 4, _members(5), none, refusal);
    }
}
// forge-lint: disable-end(unsafe-typecast)
