// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {Errors} from "../../src/Errors.sol";
import {Approval, Call, Checkpoint, Content} from "../../src/Types.sol";
import {EvidenceFixture} from "../support/EvidenceFixture.sol";
import {Actor, Reenterer} from "../support/Targets.sol";
import {vm} from "../support/Vm.sol";

/// @notice The branches of Reentrancy.tree: whoever is paid or called halfway through calls back. One guard covers the code of all three
/// contracts.
contract ReentrancyTest is EvidenceFixture {
    uint256 private constant WAIT = uint256(EVIDENCE_WINDOW) + 1 days;
    uint256 private constant TRIES = 4;

    Actor private _actor;
    bytes private _guard = abi.encodeWithSelector(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector);

    /// @dev The actor has a bond, has asked for it and may have it; the first two replicas have bonds to lose.
    function setUp() public override {
        super.setUp();
        _actor = new Actor();
        _useWithFreshLog(_createGroup(_members(4), _bonded(_terms()), "bonded"));
        vm.deal(account, 0);
        _deposit(2);
        vm.deal(address(_actor), 1 ether);
        _actorDeposits();
        vm.warp(START + WAIT);
    }

    function test_Withdraw_FromWithin() external {
        bytes memory again = abi.encodeCall(coordinator.withdraw, (groupId));
        _actor.onEther(address(coordinator), again);
        uint256 before = address(_actor).balance;
        _actor.act(address(coordinator), again);
        vm.assertFalse(_actor.succeeded(), "taken from within");
        bytes memory gone = abi.encodeWithSelector(Errors.WithdrawalNotAskedFor.selector, groupId, address(_actor));
        vm.assertEq(_actor.answer(), gone, "nothing left to withdraw");
        vm.assertEq(address(_actor).balance - before, 1 ether, "sent once");
        vm.assertEq(address(coordinator).balance, 2 ether, "the others' bonds");
    }

    /// @dev The account of a group calls from within an execution alone, and gets its bond all the same.
    function test_Withdraw_ByAGroupsAccount() external {
        vm.deal(account, 100 ether);
        bytes32 other = _createGroup(_members(4), _bonded(_terms()), "another");
        _decideAndExecute(
            ROUTINE, _call(address(coordinator), 10 ether, abi.encodeCall(coordinator.deposit, (other))), 1
        );
        vm.assertEq(coordinator.bondOf(other, account).amount, 10 ether, "deposited");
        _decideAndExecute(
            ROUTINE, _call(address(coordinator), 0, abi.encodeCall(coordinator.requestWithdrawal, (other))), 2
        );
        vm.warp(coordinator.bondOf(other, account).releasedAt);
        _decideAndExecute(ROUTINE, _call(address(coordinator), 0, abi.encodeCall(coordinator.withdraw, (other))), 3);
        vm.assertEq(account.balance, 100 ether, "all of it is back");
        vm.assertEq(coordinator.bondOf(other, account).amount, 0, "nothing is left");
    }

    function test_Report_FromWithin() external {
        for (uint256 i = 0; i < 2; ++i) {
            // By the first it reports the other replica, then executes.
            _actor.onEther(address(coordinator), _tryOf(i));
            _actor.act(address(coordinator), _reporting(i));
            _assertGuarded();
            vm.assertEq(address(_actor).balance, (i + 1) * 0.2 ether, "paid once");
            vm.assertEq(account.balance, (i + 1) * 0.8 ether, "the group's");
        }
        vm.assertEq(address(coordinator).balance, 1 ether, "the actor's bond");
    }

    /// @dev A group's call to somebody who then goes for bonds, or executes.
    function test_Execute_FromWithin() external {
        Reenterer reenterer = new Reenterer();
        Call[] memory calls = _call(address(reenterer), 0, abi.encodeCall(Reenterer.poke, ()));
        Content memory content = _approved(ROUTINE, calls, 0);
        vm.warp(block.timestamp + TIMELOCK);
        for (uint256 i = 0; i < TRIES; ++i) {
            reenterer.set(address(coordinator), _tryOf(i));
            vm.expectRevert(abi.encodeWithSelector(Errors.CallFailed.selector, 0, address(reenterer), _guard));
            coordinator.execute(groupId, content);
        }
    }

    function test_ExecuteAnchored_FromWithin() external {
        _useWithFreshLog(_createGroup(_members(4), _terms(), "anchored"));
        _actor.onEther(address(coordinator), "");
        Call[] memory calls = _payment(address(_actor), 1 ether);
        Approval memory first = _appendApproval(_content(0, PAYMENTS, calls, 0));
        Approval memory second = _appendApproval(_content(0, PAYMENTS, calls, 1));
        _anchor(1);
        bytes32[] memory path = log.path(0, 2);
        Approval[] memory both = new Approval[](2);
        (both[0], both[1]) = (first, second);
        bytes[2] memory again = [
            abi.encodeCall(coordinator.executeAnchored, (groupId, 2, first, path)),
            abi.encodeCall(coordinator.executeAnchoredBatch, (groupId, 2, both, new bytes32[](0)))
        ];
        uint256 held = address(_actor).balance;
        _actor.onEther(address(coordinator), again[1]);
        coordinator.executeAnchored(groupId, 2, first, path);
        _assertGuarded();
        vm.assertEq(address(_actor).balance - held, 1 ether, "paid once");
        _actor.onEther(address(coordinator), again[0]);
        coordinator.executeAnchoredBatch(groupId, 2, both, new bytes32[](0));
        _assertGuarded();
        vm.assertEq(address(_actor).balance - held, 2 ether, "each paid once");
    }

    /// @dev What takes no guard may be called from within, and does what it would from without.
    function test_Withdraw_FromWithin_WhatTakesNoGuard() external {
        _actor.onEther(address(coordinator), abi.encodeCall(coordinator.register, ("key")));
        _actor.act(address(coordinator), abi.encodeCall(coordinator.withdraw, (groupId)));
        vm.assertTrue(_actor.succeeded(), "taken");
        vm.assertEq(coordinator.keyOf(address(_actor)), "key", "registered");
    }

    // ---------------------------------------------------------------------------------------------------------
    // Steps
    // ---------------------------------------------------------------------------------------------------------

    function _actorDeposits() private {
        vm.prank(address(_actor));
        coordinator.deposit{value: 1 ether}(groupId);
        _actor.act(address(coordinator), abi.encodeCall(coordinator.requestWithdrawal, (groupId)));
    }

    /// @dev All that makes calls, or sends ether before it is done.
    function _tryOf(uint256 i) private view returns (bytes memory) {
        Approval memory approval;
        Content memory content;
        if (i == 0) return _reporting(1);
        if (i == 1) return abi.encodeCall(coordinator.execute, (groupId, content));
        if (i == 2) return abi.encodeCall(coordinator.executeAnchored, (groupId, 1, approval, new bytes32[](0)));
        return abi.encodeCall(coordinator.executeAnchoredBatch, (groupId, 1, new Approval[](0), new bytes32[](0)));
    }

    function _reporting(uint256 agent) private view returns (bytes memory) {
        (Checkpoint memory first, Checkpoint memory second) = _contradiction(0);
        return abi.encodeCall(
            coordinator.reportContradiction,
            (first, _signatures(first, agent, 1), second, _signatures(second, agent, 1), _noMembers(), _noFork())
        );
    }

    function _assertGuarded() private view {
        vm.assertFalse(_actor.succeeded(), "taken from within");
        vm.assertEq(_actor.answer(), _guard, "the guard");
    }
}
// forge-lint: disable-end(unsafe-typecast)
