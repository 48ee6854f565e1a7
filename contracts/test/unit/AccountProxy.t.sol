// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {Errors} from "../../src/Errors.sol";
import {IGroupAccount} from "../../src/IGroupAccount.sol";
import {Payer, Refuser} from "../support/Targets.sol";
import {Fixture} from "../support/Fixture.sol";
import {vm} from "../support/Vm.sol";

/// @notice The branches of "the proxy" in Account.tree.
contract AccountProxyTest is Fixture {
    function test_Receive_TakesEther() external {
        vm.deal(address(this), 1 ether);
        vm.expectEmit(account);
        emit IGroupAccount.Received(address(this), 1 ether);
        (bool success,) = account.call{value: 1 ether}("");
        vm.assertTrue(success, "taken");
        vm.assertEq(account.balance, 101 ether, "balance");
    }

    /// @dev By `transfer`, `send` and whatever else gives no more, to an account that was not touched before.
    function test_L6_AnAccount_IsPaidWith2300Gas() external {
        Payer payer = new Payer();
        vm.deal(address(this), 1 ether);
        payer.pay{value: 1 ether}(account);
        vm.assertEq(account.balance, 101 ether, "balance");
    }

    /// @dev A payment with data is a call that the account has not.
    function test_Receive_RevertWhen_ThereIsData() external {
        vm.deal(address(this), 1 ether);
        (bool success,) = account.call{value: 1 ether}(hex"12345678");
        vm.assertFalse(success, "refused");
    }

    /// @dev Funds sent ahead are the group's.
    function test_L1_FundsSentAhead_AreTheGroups() external {
        bytes32 id = coordinator.groupIdOf(
            address(this), "ahead", keccak256(abi.encode(_members(4))), keccak256(abi.encode(_terms()))
        );
        vm.deal(coordinator.accountOf(id), 3 ether);
        vm.assertEq(_createGroup(_members(4), _terms(), "ahead"), id, "identifier");
        vm.assertEq(coordinator.group(id).account.balance, 3 ether, "funds");
    }

    function test_Fallback_HandsOnAnswersAndReasons() external {
        vm.assertEq(IGroupAccount(account).coordinator(), address(coordinator), "an answer");
        vm.expectRevert(abi.encodeWithSelector(Errors.NotSelf.selector, address(this)));
        IGroupAccount(account).setFallbackHandler(address(0));
        address refuser = address(new Refuser());
        vm.prank(account);
        IGroupAccount(account).setFallbackHandler(refuser);
        vm.expectRevert(abi.encodeWithSelector(Refuser.Refused.selector, 42));
        IGroupAccountOfOthers(account).unknown();
    }

    /// @dev The implementation's own storage is never an account's.
    function test_Storage_IsTheAccountsOwn() external {
        vm.prank(account);
        IGroupAccount(account).setFallbackHandler(address(0xbeef));
        IGroupAccount implementation = IGroupAccount(coordinator.groupAccountImplementation());
        vm.assertEq(implementation.fallbackHandler(), address(0), "none");
    }
}

interface IGroupAccountOfOthers {
    function unknown() external;
}
