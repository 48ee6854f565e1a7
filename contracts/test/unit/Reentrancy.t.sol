// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {Errors} from "../../src/Errors.sol";
import {Approval, Call, Checkpoint} from "../../src/Types.sol";
import {Fixture} from "../support/Fixture.sol";
import {Actor, Reenterer} from "../support/Targets.sol";
import {vm} from "../support/Vm.sol";

/// @notice The branches of Reentrancy.tree: whoever is paid or called halfway through calls back.
contract ReentrancyTest is Fixture {
    uint256 private constant WAIT = uint256(EVIDENCE_WINDOW) + 1 days;

    Actor private _actor;
    bytes private _guard = abi.encodeWithSelector(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector);

    /// @dev The actor has a bond, has asked for it and may have it; the first two replicas contradict themselves.
    function setUp() public override {
        super.setUp();
        _actor = new Actor();
        vm.deal(address(this), 100 ether);
        coordinator.deposit{value: 2 ether}(groupId, address(_actor));
        coordinator.deposit{value: 4 ether}(groupId, agents[0]);
        coordinator.deposit{value: 4 ether}(groupId, agents[1]);
        _actor.act(address(coordinator), abi.encodeCall(coordinator.requestWithdrawal, (groupId)));
        vm.warp(START + WAIT);
    }

    function test_Withdraw_FromWithin() external {
        bytes[] memory tries = _tries();
        for (uint256 i = 0; i < tries.length; ++i) {
            _actor.onEther(address(coordinator), tries[i]);
            uint256 before = address(_actor).balance;
            _actor.act(address(coordinator), abi.encodeCall(coordinator.withdraw, (groupId)));
            _assertGuarded();
            vm.assertEq(address(_actor).balance - before, 2 ether, "sent once");
            vm.assertEq(address(coordinator).balance, 8 ether, "the others' bonds");
            // And again from the start.
            coordinator.deposit{value: 2 ether}(groupId, address(_actor));
            _actor.act(address(coordinator), abi.encodeCall(coordinator.requestWithdrawal, (groupId)));
            vm.warp(START + WAIT * (i + 2));
        }
    }

    function test_Report_FromWithin() external {
        bytes[] memory tries = _tries();
        for (uint256 i = 0; i < 2; ++i) {
            // By the first it reports the other replica, then withdraws.
            _actor.onEther(address(coordinator), tries[i == 0 ? 1 : 0]);
            _actor.act(address(coordinator), _report(i == 0 ? 0 : 1));
            _assertGuarded();
            vm.assertEq(address(_actor).balance, (i + 1) * 1 ether, "paid once");
            vm.assertEq(account.balance, 100 ether + (i + 1) * 3 ether, "the group's");
        }
        vm.assertEq(address(coordinator).balance, 2 ether, "the actor's bond");
    }

    /// @dev A group's call to somebody who then goes for bonds.
    function test_Execute_FromWithin() external {
        bytes[] memory tries = _tries();
        Reenterer reenterer = new Reenterer();
        Call[] memory calls = _call(address(reenterer), 0, abi.encodeCall(Reenterer.poke, ()));
        bytes32 id = _propose(0, ROUTINE, calls, "", 0);
        _approve(id);
        vm.warp(START + WAIT + TIMELOCK);
        for (uint256 i = 0; i < tries.length; ++i) {
            reenterer.set(address(coordinator), tries[i]);
            vm.expectRevert(abi.encodeWithSelector(Errors.CallFailed.selector, 0, address(reenterer), _guard));
            coordinator.execute(id, calls);
        }
    }

    /// @dev What takes no guard may be called from within, and changes what it would from without.
    function test_Withdraw_FromWithin_DepositsAnew() external {
        _actor.onEther(address(coordinator), abi.encodeCall(coordinator.register, ("key")));
        _actor.act(address(coordinator), abi.encodeCall(coordinator.withdraw, (groupId)));
        vm.assertTrue(_actor.succeeded(), "taken");
        vm.assertEq(coordinator.keyOf(address(_actor)), "key", "registered");
    }

    // ---------------------------------------------------------------------------------------------------------
    // Steps
    // ---------------------------------------------------------------------------------------------------------

    /// @dev All that sends ether or makes calls.
    function _tries() private view returns (bytes[] memory tries) {
        tries = new bytes[](5);
        tries[0] = abi.encodeCall(coordinator.withdraw, (groupId));
        tries[1] = _report(1);
        tries[2] = abi.encodeCall(coordinator.execute, (bytes32("any"), new Call[](0)));
        Approval memory approval;
        tries[3] = abi.encodeCall(coordinator.executeAnchored, (groupId, 1, approval, new bytes32[](0)));
        tries[4] = abi.encodeCall(coordinator.executeAnchoredBatch, (groupId, 1, new Approval[](0), new bytes32[](0)));
    }

    function _report(uint256 agent) private view returns (bytes memory) {
        Checkpoint memory one = _checkpoint(50);
        (one.logRoot, one.inboxCount) = ("root", 0);
        Checkpoint memory other = _checkpoint(50);
        (other.logRoot, other.inboxCount) = ("another", 0);
        return abi.encodeCall(
            coordinator.reportEquivocation, (one, _signatures(one, agent, 1), other, _signatures(other, agent, 1))
        );
    }

    function _assertGuarded() private view {
        vm.assertFalse(_actor.succeeded(), "taken from within");
        vm.assertEq(_actor.answer(), _guard, "the guard");
    }
}
// forge-lint: disable-end(unsafe-typecast)
