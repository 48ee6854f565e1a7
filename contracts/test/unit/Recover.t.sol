// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {Errors} from "../../src/Errors.sol";
import {ICoordinatorEvents} from "../../src/ICoordinatorEvents.sol";
import {Anchor, Call, Checkpoint, Content, EpochStart, Group, Member, Status, Taken, Terms} from "../../src/Types.sol";
import {AnchorFixture} from "../support/AnchorFixture.sol";
import {ReferenceLog} from "../support/ReferenceLog.sol";
import {vm} from "../support/Vm.sol";

/// @notice The branches of Recover.tree: the voters replace replicas that are gone.
contract RecoverTest is AnchorFixture {
    uint64 private constant ERA = 1 << 32;

    /// @dev A message waits since then.
    uint256 private _asked;

    function setUp() public override {
        super.setUp();
        _makeAgents(8);
        _useWithFreshLog(_createGroup(_members(4), _terms(), "recover"));
        _fill(5);
        _anchor(3);
        vm.warp(START + 1000);
        _asked = block.timestamp;
        _enqueue();
    }

    // ---------------------------------------------------------------------------------------------------------
    // What is refused
    // ---------------------------------------------------------------------------------------------------------

    function test_Recover_RevertWhen_NotTheGroupsAccount() external {
        _die();
        Member[] memory next = _between(2, 8);
        vm.expectRevert(abi.encodeWithSelector(Errors.UnknownGroup.selector, bytes32("none")));
        coordinator.recover("none", 0, next);
        address other = coordinator.accountOf(_createGroup(_members(4), _terms(), "other"));
        address[3] memory callers = [address(this), agents[0], other];
        for (uint256 i = 0; i < 3; ++i) {
            vm.expectRevert(abi.encodeWithSelector(Errors.NotGroupAccount.selector, groupId, callers[i]));
            vm.prank(callers[i]);
            coordinator.recover(groupId, 0, next);
        }
    }

    function test_Recover_RevertWhen_TheEpochIsAnother() external {
        _die();
        uint64[3] memory epochs = [1, ERA, type(uint64).max];
        for (uint256 i = 0; i < 3; ++i) {
            _expectRefusal(epochs[i], abi.encodeWithSelector(Errors.EpochMismatch.selector, epochs[i], 0));
        }
    }

    /// @dev To the second.
    function test_Recover_RevertWhen_TheGroupIsNotDead() external {
        bytes memory refusal = abi.encodeWithSelector(Errors.NotDead.selector, groupId);
        _expectRefusal(0, refusal);
        vm.warp(_asked + RECOVERY_TIME - 1);
        _expectRefusal(0, refusal);
        vm.warp(_asked + RECOVERY_TIME);
        _recover(0, _between(2, 8));
    }

    /// @dev Idle is not dead, however long.
    function test_M7_Recover_RevertWhen_TheGroupIsIdle() external {
        _anchor(4);
        vm.warp(START + 3650 days);
        _expectRefusal(0, abi.encodeWithSelector(Errors.NotDead.selector, groupId));
    }

    function test_M7_Recover_RevertGiven_TheTermsHaveNoRecovery() external {
        Terms memory terms = _terms();
        terms.recoveryTime = 0;
        _useWithFreshLog(_createGroup(_members(4), terms, "no recovery"));
        _enqueue();
        vm.warp(START + 3650 days);
        _expectRefusal(0, abi.encodeWithSelector(Errors.NotDead.selector, groupId));
    }

    /// @dev The rules of a rotation: the whole list is in AnchorAndRotate's tests.
    function test_Recover_RevertWhen_TheMembersAreNone() external {
        _die();
        Member[] memory next = _between(2, 5);
        vm.expectRevert(abi.encodeWithSelector(Errors.TooFewReplicas.selector, 3, 4));
        _recover(0, next);
        next = _between(2, 8);
        next[1] = next[0];
        vm.expectRevert(abi.encodeWithSelector(Errors.MembersNotAscending.selector, next[0].account, next[0].account));
        _recover(0, next);
    }

    // ---------------------------------------------------------------------------------------------------------
    // What it does
    // ---------------------------------------------------------------------------------------------------------

    /// @dev By a decision in the voters' lane, which works when replicas fail; weights may change, and no quorum is asked.
    function test_M7_TheVoters_ReplaceDeadReplicas() external {
        Member[] memory next = _between(2, 8);
        next[0].weight = 7;
        Content memory content = _decide(next);
        vm.expectEmit(address(coordinator));
        emit ICoordinatorEvents.MembersChanged(groupId, ERA, _hash(next), next);
        vm.expectEmit(address(coordinator));
        emit ICoordinatorEvents.Recovered(groupId, ERA, 3, 5);
        coordinator.execute(groupId, content);

        Group memory group = coordinator.group(groupId);
        vm.assertEq(group.epoch, ERA, "the era's first epoch");
        vm.assertEq(group.memberCount, 6, "members");
        vm.assertEq(group.replicaCount, 6, "replicas");
        vm.assertEq(group.totalWeight, 12, "weight");
        vm.assertEq(group.account, account, "the account stays");
        vm.assertEq(abi.encode(coordinator.members(groupId)), abi.encode(next), "members");
        vm.assertEq(
            abi.encode(coordinator.epochStart(groupId, ERA)),
            abi.encode(EpochStart(_hash(next), 3, 5, uint64(block.timestamp), 12, ERA)),
            "where it began"
        );
        vm.assertEq(
            abi.encode(coordinator.epochStart(groupId, 1)), abi.encode(EpochStart(0, 0, 0, 0, 0, 0)), "no other"
        );
        vm.assertEq(coordinator.memberOf(groupId, agents[0]).flags, 0, "gone");
    }

    /// @dev The log goes on from the last anchor: its root has to be extended, its sequence exceeded.
    function test_M7_TheNewEra_AnchorsOnFromTheLastAnchor() external {
        _recoverByDecision(_between(2, 8));
        Anchor memory last = coordinator.latestAnchor(groupId);
        vm.assertEq(last.sequence, 3, "sequence");
        vm.assertEq(last.logSize, 5, "log");

        _fill(3);
        Checkpoint memory checkpoint = _checkpoint(4);
        vm.assertEq(checkpoint.epoch, ERA, "the era's");
        // Five of six.
        _anchor(checkpoint, 2, 5);
        vm.assertEq(coordinator.latestAnchor(groupId).epoch, ERA, "anchored");
        vm.assertEq(coordinator.latestAnchor(groupId).logSize, 9, "with the entry of the message");
        vm.assertFalse(coordinator.isDead(groupId), "alive");
    }

    function test_M7_TheNewEra_RevertWhen_ItsLogIsAnother() external {
        _recoverByDecision(_between(2, 8));
        log = new ReferenceLog();
        _fill(5);
        Checkpoint memory checkpoint = _checkpoint(4);
        bytes memory signatures = _signatures(checkpoint, 2, 5);
        (bytes32[] memory consistency, Taken memory taken) = (_consistency(checkpoint), _taken(checkpoint));
        vm.expectRevert(abi.encodeWithSelector(Errors.NotConsistent.selector, 5, checkpoint.logSize));
        coordinator.anchor(checkpoint, signatures, consistency, taken);
    }

    /// @dev What the old replicas sign counts no more, also what they signed before.
    function test_M7_TheOldEra_AnchorsNoMore() external {
        Checkpoint memory old = _checkpoint(4);
        bytes memory signatures = _signatures(old, 0, 3);
        _recoverByDecision(_between(2, 8));
        (bytes32[] memory consistency, Taken memory taken) = (_consistency(old), _taken(old));
        vm.expectRevert(abi.encodeWithSelector(Errors.EpochMismatch.selector, 0, ERA));
        coordinator.anchor(old, signatures, consistency, taken);
    }

    /// @dev A later stable checkpoint of the old era, anchored first, takes it back, until the last moment.
    function test_M7_AnAnchorThatTakesTheMessage_TakesItBack() external {
        Content memory content = _decide(_between(2, 8));
        _anchor(4);
        bytes memory reason = abi.encodeWithSelector(Errors.NotDead.selector, groupId);
        vm.expectRevert(abi.encodeWithSelector(Errors.CallFailed.selector, 0, address(coordinator), reason));
        coordinator.execute(groupId, content);
        vm.assertEq(coordinator.group(groupId).epoch, 0, "as it was");
    }

    /// @dev A stash of old ones keeps nobody alive.
    function test_M10_AnAnchorThatTakesNone_DoesNot() external {
        Checkpoint memory stashed = _checkpointTaking(4, coordinator.inbox(groupId).taken);
        Content memory content = _decide(_between(2, 8));
        vm.warp(_asked + INBOX_DEADLINE);
        _anchor(stashed, 0, 3);
        vm.warp(_asked + RECOVERY_TIME + TIMELOCK);
        coordinator.execute(groupId, content);
        vm.assertEq(coordinator.group(groupId).epoch, ERA, "recovered");
    }

    /// @dev An epoch's number is used once: an era begins above all epochs of the one before.
    function test_M7_ErasFollowOneAnother() external {
        _recoverByDecision(_between(2, 8));
        Member[] memory next = _between(2, 8);
        _rotate(_boundary(4, next), 2, 5, next, _noMandate());
        vm.assertEq(coordinator.group(groupId).epoch, ERA + 1, "within the era");

        vm.prank(agents[2]);
        coordinator.enqueue(groupId, "a command");
        _die();
        // That epoch has the era's weights.
        _recover(ERA, _between(0, 4));
        vm.assertEq(coordinator.group(groupId).epoch, 2 * ERA, "the next era");
        vm.expectRevert(abi.encodeWithSelector(Errors.EpochMismatch.selector, ERA, 2 * ERA));
        _recover(ERA, _between(0, 4));
    }

    /// @dev Open proposals are of weights that count no more; who has left has still left.
    function test_M7_OfTheOldEra_WhatIsOpenExpires_AndWhoLeftStaysAway() external {
        vm.prank(agents[3]);
        coordinator.leave(groupId);
        _die();
        bytes32 id = _propose(0, ROUTINE, _calls(1, 0), 50);
        _recover(0, _between(0, 5));
        _assertStatus(id, Status.Expired);
        vm.assertTrue(coordinator.seatOf(groupId, agents[3]).left, "left");
        vm.expectRevert(abi.encodeWithSelector(Errors.NotVoter.selector, groupId, agents[3]));
        _propose(3, ROUTINE, _calls(1, 0), 51);
        vm.assertFalse(coordinator.seatOf(groupId, agents[4]).left, "new");
    }

    // ---------------------------------------------------------------------------------------------------------
    // Steps
    // ---------------------------------------------------------------------------------------------------------

    /// @dev The message has waited for the recovery time, whichever it is.
    function _die() private {
        vm.warp(coordinator.inbox(groupId).waitingSince + RECOVERY_TIME);
    }

    /// @dev The voters have approved it, and its timelock is over when the group is dead.
    function _decide(Member[] memory next) private returns (Content memory content) {
        vm.warp(_asked + RECOVERY_TIME - TIMELOCK);
        Call[] memory calls = _call(address(coordinator), 0, abi.encodeCall(coordinator.recover, (groupId, 0, next)));
        calls[0].gas = 1_000_000;
        content = _approved(ROUTINE, calls, 9);
        vm.warp(_asked + RECOVERY_TIME);
    }

    function _recoverByDecision(Member[] memory next) private {
        Content memory content = _decide(next);
        coordinator.execute(groupId, content);
    }

    function _recover(uint64 epoch, Member[] memory next) private {
        vm.prank(account);
        coordinator.recover(groupId, epoch, next);
    }

    function _expectRefusal(uint64 epoch, bytes memory refusal) private {
        vm.expectRevert(refusal);
        _recover(epoch, _between(2, 8));
    }
}
// forge-lint: disable-end(unsafe-typecast)
