// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {Errors} from "../../src/Errors.sol";
import {CHOICE_FOR, Call, Checkpoint, Content, Member, Status} from "../../src/Types.sol";
import {AnchorFixture} from "../support/AnchorFixture.sol";
import {vm} from "../support/Vm.sol";

/// @notice Replicas that are gone left signed boundaries behind, each to the very same members, none of which takes a message. Whoever
/// has them must not be able to take back a recovery with them, any more than with other checkpoints
/// (test_M10_AnAnchorThatTakesNone_DoesNot).
contract StashedRotationTest is AnchorFixture {
    Checkpoint[] private _stash;
    bytes[] private _signed;
    Member[] private _same;

    uint256 private constant STASHED = 5;

    function setUp() public override {
        super.setUp();
        _makeAgents(8);
        _useWithFreshLog(_createGroup(_members(4), _terms(), "stash"));
        _fill(5);
        _anchor(3);
        Member[] memory same = _members(4);
        for (uint256 i = 0; i < 4; ++i) {
            _same.push(same[i]);
        }
        // Before the keys are gone. None of them knows the message that is to come.
        for (uint64 i = 0; i < STASHED; ++i) {
            Checkpoint memory boundary = _checkpointTaking(100 + i, 0);
            (boundary.epoch, boundary.nextMembersHash) = (i, _hash(same));
            _stash.push(boundary);
            _signed.push(_signatures(boundary, 0, 3));
        }
    }

    /// @dev Nobody takes the message that waits. Each boundary of the stash begins an epoch, and none takes the recovery back.
    function test_M10_AStashOfBoundaries_TakesNoRecoveryBack() external {
        _enqueue();
        uint256 asked = block.timestamp;
        vm.warp(block.timestamp + RECOVERY_TIME);
        _useStash(0);
        Call[] memory calls =
            _call(address(coordinator), 0, abi.encodeCall(coordinator.recover, (groupId, 0, _between(2, 8))));
        calls[0].gas = 1_000_000;
        bytes32 id = _propose(0, ROUTINE, calls, 1);
        _vote(0, id, CHOICE_FOR);
        _useStash(1);
        _vote(1, id, CHOICE_FOR);
        _useStash(2);
        _vote(2, id, CHOICE_FOR);
        _assertStatus(id, Status.Approved);
        _useStash(3);
        vm.warp(block.timestamp + TIMELOCK);
        _useStash(4);
        vm.assertEq(coordinator.inbox(groupId).waitingSince, asked, "nothing was taken");
        coordinator.execute(groupId, _content(0, ROUTINE, calls, 1));
        vm.assertEq(coordinator.group(groupId).epoch, 1 << 32, "a new era");
        vm.assertEq(coordinator.group(groupId).votersSince, 1 << 32, "with voters of its own");
    }

    /// @dev What was decided for voters of before replaces nobody: also where the members are the same again.
    function test_M7_ARecoveryIsOfItsVoters() external {
        _enqueue();
        vm.warp(block.timestamp + RECOVERY_TIME);
        vm.prank(account);
        coordinator.recover(groupId, 0, _members(4));
        vm.expectRevert(abi.encodeWithSelector(Errors.EpochMismatch.selector, 0, uint64(1) << 32));
        vm.prank(account);
        coordinator.recover(groupId, 0, _members(4));
    }

    /// @dev Where no anchor was accepted for the stall time, a boundary may leave the message out.
    function _useStash(uint256 at) private {
        vm.warp(block.timestamp + STALL_TIME);
        coordinator.anchorAndRotate(_stash[at], _signed[at], new bytes32[](0), _noTaken(), _same, _noMandate());
    }
}
