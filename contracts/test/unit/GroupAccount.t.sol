// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {Errors} from "../../src/Errors.sol";
import {GroupAccount} from "../../src/GroupAccount.sol";
import {IGroupAccount} from "../../src/IGroupAccount.sol";
import {Call} from "../../src/Types.sol";
import {Recorder, Refuser} from "../support/Targets.sol";
import {Fixture} from "../support/Fixture.sol";
import {vm} from "../support/Vm.sol";

/// @notice A group's account by itself. It has few branches: who calls, and whether each call succeeds.
contract GroupAccountTest is Fixture {
    function testFuzz_Execute_RevertWhen_NotTheCoordinator(address caller) external {
        vm.assume(caller != address(coordinator));
        vm.expectRevert(abi.encodeWithSelector(Errors.NotCoordinator.selector, caller));
        vm.prank(caller);
        IGroupAccount(account).execute(_calls(1, 0));
    }

    /// @dev The implementation knows the coordinator too, but the coordinator never calls it.
    function test_Execute_RevertWhen_TheImplementationIsCalled() external {
        IGroupAccount implementation = IGroupAccount(coordinator.groupAccountImplementation());
        vm.expectRevert(abi.encodeWithSelector(Errors.NotCoordinator.selector, address(this)));
        implementation.execute(_calls(1, 0));
    }

    function test_Coordinator_IsWhoDeployedTheImplementation() external {
        vm.assertEq(IGroupAccount(account).coordinator(), address(coordinator), "the clone's");
        vm.assertEq(new GroupAccount().coordinator(), address(this), "that of one deployed here");
    }

    function test_Execute_MakesTheCallsInOrder() external {
        Call[] memory calls = new Call[](3);
        calls[0] = _calls(7, 1)[0];
        calls[1] = _calls(5, 2)[0];
        calls[2] = _calls(6, 3)[0];
        vm.prank(address(coordinator));
        IGroupAccount(account).execute(calls);

        vm.assertEq(recorder.orderLength(), 3, "calls");
        vm.assertEq(recorder.order(0), 7, "first");
        vm.assertEq(recorder.order(1), 5, "second");
        vm.assertEq(recorder.order(2), 6, "third");
        vm.assertEq(recorder.received(account), 6, "value");
    }

    function test_Execute_WhenACallFails_UndoesAll() external {
        Call[] memory calls = new Call[](2);
        calls[0] = _calls(1, 1)[0];
        calls[1] = Call({target: address(new Refuser()), value: 0, data: hex"00"});
        vm.expectRevert(
            abi.encodeWithSelector(
                Errors.CallFailed.selector, 1, calls[1].target, abi.encodeWithSelector(Refuser.Refused.selector, 42)
            )
        );
        vm.prank(address(coordinator));
        IGroupAccount(account).execute(calls);
        vm.assertEq(recorder.calls(1), 0, "undone");
    }

    function test_Execute_PaysAnAccountWithoutCode() external {
        Call[] memory calls = new Call[](1);
        calls[0] = Call({target: address(0xbeef), value: 2 ether, data: ""});
        vm.prank(address(coordinator));
        IGroupAccount(account).execute(calls);
        vm.assertEq(address(0xbeef).balance, 2 ether, "paid");
    }

    function test_Receive_TakesEther() external {
        vm.deal(address(this), 1 ether);
        vm.expectEmit(account);
        emit IGroupAccount.Received(address(this), 1 ether);
        (bool success,) = account.call{value: 1 ether}("");
        vm.assertTrue(success, "taken");
        vm.assertEq(account.balance, 101 ether, "balance");
    }

    /// @dev A clone has no storage of its own to be confused about, and no function beyond its interface.
    function test_Fallback_RevertWhen_FunctionIsUnknown() external {
        (bool success,) = account.call(abi.encodeCall(Recorder.record, (1)));
        vm.assertFalse(success, "refused");
    }
}
