// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {Errors} from "../../src/Errors.sol";
import {Basis, CHOICE_FOR, Call, Checkpoint, Class, InboxState, Opening, Terms} from "../../src/Types.sol";
import {AnchorFixture} from "../support/AnchorFixture.sol";
import {vm} from "../support/Vm.sol";

/// @notice The branches of Clock.tree: since when a message waits, and what that opens.
contract ClockTest is AnchorFixture {
    uint64 private _sequence;

    // ---------------------------------------------------------------------------------------------------------
    // Since when a message waits
    // ---------------------------------------------------------------------------------------------------------

    /// @dev However long ago its last anchor is: nobody asked for anything.
    function test_H2_AnIdleGroup_HasNotStalled() external {
        vm.warp(START + 3650 days);
        _assertWaitingSince(0);
        vm.assertFalse(coordinator.hasStalled(groupId), "never anchored");
        vm.assertFalse(coordinator.isDead(groupId), "nor dead");

        _enqueue();
        _serve();
        vm.warp(block.timestamp + 3650 days);
        _assertWaitingSince(0);
        vm.assertFalse(coordinator.hasStalled(groupId), "anchored once");
        vm.assertFalse(coordinator.isDead(groupId), "nor dead then");
    }

    /// @dev To the second.
    function test_H2_AGroupHasStalled_AStallTimeAfterSomebodyAsked() external {
        vm.warp(START + 100);
        _enqueue();
        _assertWaitingSince(START + 100);
        vm.warp(START + 100 + STALL_TIME - 1);
        vm.assertFalse(coordinator.hasStalled(groupId), "not yet");
        vm.warp(START + 100 + STALL_TIME);
        vm.assertTrue(coordinator.hasStalled(groupId), "stalled");
        vm.assertFalse(coordinator.isDead(groupId), "but not dead");
        vm.warp(START + 100 + RECOVERY_TIME - 1);
        vm.assertFalse(coordinator.isDead(groupId), "not yet dead");
        vm.warp(START + 100 + RECOVERY_TIME);
        vm.assertTrue(coordinator.isDead(groupId), "dead");

        _serve();
        vm.assertFalse(coordinator.hasStalled(groupId), "served");
        vm.assertFalse(coordinator.isDead(groupId), "alive");
        _assertWaitingSince(0);
    }

    /// @dev A later message does not make the first one younger.
    function test_H2_TheOldestMessageCounts() external {
        _enqueue();
        vm.warp(START + STALL_TIME - 1);
        _enqueue();
        _assertWaitingSince(START);
        vm.warp(START + STALL_TIME);
        vm.assertTrue(coordinator.hasStalled(groupId), "stalled");
    }

    /// @dev A flood that is taken piecemeal is not a stall: what is left waits since it was served last.
    function test_H2_AnAnchorThatTakesSome_RestartsTheClock() external {
        for (uint256 i = 0; i < 3; ++i) {
            _enqueue();
        }
        vm.warp(START + 1000);
        _enqueue();
        for (uint64 taken = 1; taken < 4; ++taken) {
            vm.warp(block.timestamp + STALL_TIME);
            vm.assertTrue(coordinator.hasStalled(groupId), "stalled");
            _takeIn(taken);
            _anchor(_checkpointTaking(++_sequence, taken), 0, 3);
            vm.assertEq(coordinator.inbox(groupId).servedAt, block.timestamp, "served at");
            _assertWaitingSince(block.timestamp);
            vm.assertFalse(coordinator.hasStalled(groupId), "served");
        }
    }

    /// @dev A message that came after the last service waits since it came.
    function test_H2_AMessageAfterTheLastService_WaitsSinceItCame() external {
        _enqueue();
        _serve();
        uint256 servedAt = block.timestamp;
        vm.warp(servedAt + 5000);
        _enqueue();
        _assertWaitingSince(servedAt + 5000);
        vm.assertEq(coordinator.inbox(groupId).servedAt, servedAt, "served at");
    }

    /// @dev Anchors that take nothing, a stash of old ones among them, keep nothing shut.
    function test_M10_AStashOfCheckpoints_DoesNotMoveTheClock() external {
        Checkpoint[4] memory stash;
        for (uint256 i = 0; i < 4; ++i) {
            _fill(1);
            stash[i] = _checkpoint(++_sequence);
        }
        _enqueue();
        for (uint256 i = 0; i < 4; ++i) {
            vm.warp(START + (i + 1) * (STALL_TIME / 4));
            _anchor(stash[i], 0, 3);
            _assertWaitingSince(START);
            vm.assertEq(coordinator.inbox(groupId).servedAt, 0, "never served");
        }
        vm.assertTrue(coordinator.hasStalled(groupId), "stalled");
    }

    function test_M7_AGroupWithoutARecoveryTime_IsNeverDead() external {
        Terms memory terms = _terms();
        terms.recoveryTime = 0;
        _use(_createGroup(_members(4), terms, "no recovery"));
        _enqueue();
        vm.warp(START + 3650 days);
        vm.assertTrue(coordinator.hasStalled(groupId), "stalled");
        vm.assertFalse(coordinator.isDead(groupId), "dead");
    }

    // ---------------------------------------------------------------------------------------------------------
    // What a stall opens
    // ---------------------------------------------------------------------------------------------------------

    /// @dev The class of README's first version: two of four voters, in an hour without anchors.
    function test_H2_HalfOfAGroup_PaysItselfInNoQuietHour() external {
        Terms memory terms = _terms();
        Class memory class = terms.classes[PAYMENTS];
        (class.opening, class.basis, class.threshold) = (Opening.Stalled, Basis.Cast, 6667);
        (class.turnout, class.veto, class.votingPeriod) = (5000, 3333, 1 hours);
        _use(_createGroup(_members(4), terms, "payment"));

        bytes memory refusal = abi.encodeWithSelector(Errors.LaneClosed.selector, groupId, PAYMENTS);
        for (uint256 i = 0; i < 10; ++i) {
            vm.warp(block.timestamp + 30 days);
            vm.expectRevert(refusal);
            _propose(0, PAYMENTS, _payment(agents[0], 1 ether), 0);
        }
        // Somebody asks, and is served: the lane stays shut.
        _enqueue();
        vm.warp(block.timestamp + STALL_TIME - 1);
        vm.expectRevert(refusal);
        _propose(0, PAYMENTS, _payment(agents[0], 1 ether), 0);
        _serve();
        vm.warp(block.timestamp + 30 days);
        vm.expectRevert(refusal);
        _propose(0, PAYMENTS, _payment(agents[0], 1 ether), 0);
    }

    function test_H2_Propose_OpensAndClosesWithTheClock() external {
        bytes memory refusal = abi.encodeWithSelector(Errors.LaneClosed.selector, groupId, OF_CAST);
        _enqueue();
        vm.warp(START + STALL_TIME - 1);
        vm.expectRevert(refusal);
        _propose(0, OF_CAST, _calls(1, 0), 0);
        vm.warp(START + STALL_TIME);
        bytes32 id = _propose(0, OF_CAST, _calls(1, 0), 0);

        _serve();
        vm.expectRevert(refusal);
        _propose(0, OF_CAST, _calls(1, 0), 1);
        // What was opened meanwhile goes on.
        _approve(id);
        vm.warp(block.timestamp + TIMELOCK);
        coordinator.execute(groupId, _content(0, OF_CAST, _calls(1, 0), 0));
        vm.assertEq(recorder.calls(1), 1, "made once");
    }

    /// @dev In a stall too.
    function test_H2_Propose_RevertWhen_TheClassIsNeverOpen() external {
        bytes memory refusal = abi.encodeWithSelector(Errors.LaneClosed.selector, groupId, DECISIONS);
        vm.expectRevert(refusal);
        _propose(0, DECISIONS, new Call[](0), 0);
        _stall();
        vm.expectRevert(refusal);
        _propose(0, DECISIONS, new Call[](0), 0);
    }

    function test_H2_Propose_OfAClassThatIsAlwaysOpen_NeedsNoStall() external {
        bytes32 id = _propose(0, ROUTINE, _calls(1, 0), 0);
        _vote(0, id, CHOICE_FOR);
        vm.assertFalse(coordinator.hasStalled(groupId), "not stalled");
    }

    // ---------------------------------------------------------------------------------------------------------
    // Steps
    // ---------------------------------------------------------------------------------------------------------

    /// @dev An anchor that takes all.
    function _serve() private {
        _anchor(++_sequence);
    }

    function _assertWaitingSince(uint256 time) private view {
        InboxState memory inbox = coordinator.inbox(groupId);
        vm.assertEq(inbox.waitingSince, time, "waiting since");
    }
}
// forge-lint: disable-end(unsafe-typecast)
