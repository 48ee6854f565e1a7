// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {CHOICE_FOR, Checkpoint, Fork, Member, Status} from "../../src/Types.sol";
import {AnchorFixture} from "../support/AnchorFixture.sol";
import {vm} from "../support/Vm.sol";

/// @notice One replica of an honest group gives notice, or convicts itself, at a moment of its choice, and the honest others end the epoch
/// at the next checkpoint without it (bridge/services/src/machine/inbox.rs, `leave_out`). No proposal of the voters' lane ends by that.
contract OneReplicaTest is AnchorFixture {
    function setUp() public override {
        super.setUp();
        _makeAgents(5);
    }

    function test_OneThatGivesNotice_EndsNothing() external {
        _useWithFreshLog(_createGroup(_members(5), _bonded(_termsOf(6000)), "bonds"));
        _deposit(5);
        bytes32 id = _openWithTwoVotes();
        vm.prank(agents[4]);
        coordinator.requestWithdrawal(groupId);
        _honestOthersRotate();
        _assertStatus(id, Status.Open);
        _vote(4, id, CHOICE_FOR);
        _assertStatus(id, Status.Approved);
    }

    /// @dev Without bonds it costs nothing but the seat.
    function test_OneThatConvictsItself_EndsNothing() external {
        _useWithFreshLog(_createGroup(_members(5), _termsOf(6000), "none"));
        bytes32 id = _openWithTwoVotes();
        Checkpoint memory first = _checkpointTaking(7, 0);
        Checkpoint memory second = _checkpointTaking(7, 0);
        second.stateRoot = "another";
        coordinator.reportContradiction(
            first, _signatures(first, 4, 1), second, _signatures(second, 4, 1), new Member[](0), _noFork()
        );
        _honestOthersRotate();
        _assertStatus(id, Status.Open);
        _vote(4, id, CHOICE_FOR);
        _assertStatus(id, Status.Approved);
    }

    /// @dev Three of five are needed.
    function _openWithTwoVotes() private returns (bytes32 id) {
        id = _propose(0, ROUTINE, _payment(address(0xbeef), 1 ether), 0);
        _vote(0, id, CHOICE_FOR);
        _vote(1, id, CHOICE_FOR);
        _assertStatus(id, Status.Open);
    }

    /// @dev The fifth is a voter still, and no replica any more.
    function _honestOthersRotate() private {
        Member[] memory next = _members(5);
        next[4].flags = 1;
        vm.warp(block.timestamp + 1 minutes);
        _rotate(_boundary(8, next), 0, 4, next, _noMandate());
    }
}
