// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

import {Errors} from "../../src/Errors.sol";
import {GroupAccount} from "../../src/GroupAccount.sol";
import {IGroupAccount} from "../../src/IGroupAccount.sol";
import {Call} from "../../src/Types.sol";
import {Babbler, Recorder, Refuser} from "../support/Targets.sol";
import {Fixture} from "../support/Fixture.sol";
import {vm} from "../support/Vm.sol";

/// @notice The branches of Account.tree, but for "tokens", which GroupAccountTokens.t.sol has.
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

    /// @dev A million bytes would cost three million gas to copy.
    function test_Execute_DoesNotPayForWhatATargetReturns() external {
        Call[] memory calls = _call(address(new Babbler()), 0, "");
        vm.prank(address(coordinator));
        (bool success,) = account.call{gas: 3_000_000}(abi.encodeCall(IGroupAccount.execute, (calls)));
        vm.assertTrue(success, "executed");
    }

    // ---------------------------------------------------------------------------------------------------------
    // ERC-1271
    // ---------------------------------------------------------------------------------------------------------

    function test_SetApproval_RevertWhen_NotTheAccountItself() external {
        address[4] memory callers =
            [address(this), address(coordinator), agents[0], coordinator.groupAccountImplementation()];
        for (uint256 i = 0; i < callers.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(Errors.NotSelf.selector, callers[i]));
            vm.prank(callers[i]);
            IGroupAccount(account).setApproval("hash", true);
        }
    }

    /// @dev By a decision of the group, in either direction.
    function test_SetApproval_AnswersForTheHash_UntilItIsTakenBack() external {
        IGroupAccount asked = IGroupAccount(account);
        _assertAnswer(asked, "hash", false);

        vm.expectEmit(account);
        emit IGroupAccount.ApprovalSet("hash", true);
        _decide(true);
        vm.assertTrue(asked.isApproved("hash"), "approved");
        _assertAnswer(asked, "hash", true);
        _assertAnswer(asked, "another", false);

        vm.expectEmit(account);
        emit IGroupAccount.ApprovalSet("hash", false);
        _decide(false);
        vm.assertFalse(asked.isApproved("hash"), "taken back");
        _assertAnswer(asked, "hash", false);
    }

    /// @dev What one group approved another has not, although both delegate to the same code.
    function test_SetApproval_IsOfOneAccount() external {
        IGroupAccount other = IGroupAccount(coordinator.group(_createGroup(_members(4), _terms(), "other")).account);
        _decide(true);
        _assertAnswer(other, "hash", false);
        _assertAnswer(IGroupAccount(coordinator.groupAccountImplementation()), "hash", false);
    }

    /// @dev A group that is a voter of another votes by such an answer: its account needs no key.
    function test_IsValidSignature_AGroupVotesInAnother() external {
        bytes32 digest = keccak256("what somebody asks the account to sign");
        vm.prank(account);
        IGroupAccount(account).setApproval(digest, true);
        vm.assertTrue(SignatureChecker.isValidSignatureNow(account, digest, ""), "without a signature");
        vm.assertTrue(SignatureChecker.isValidSignatureNow(account, digest, "any"), "with any");
    }

    function _decide(bool approved) private {
        Call[] memory calls = _call(account, 0, abi.encodeCall(IGroupAccount.setApproval, ("hash", approved)));
        vm.prank(address(coordinator));
        IGroupAccount(account).execute(calls);
    }

    function _assertAnswer(IGroupAccount asked, bytes32 hash, bool approved) private view {
        bytes4 expected = approved ? bytes4(0x1626ba7e) : bytes4(0xffffffff);
        vm.assertEq(asked.isValidSignature(hash, ""), expected, "answer");
        vm.assertEq(asked.isValidSignature(hash, "any"), expected, "answer to any signature");
    }

    /// @dev A clone has no storage of its own to be confused about, and no function beyond its interface.
    function test_Fallback_RevertWhen_FunctionIsUnknown() external {
        (bool success,) = account.call(abi.encodeCall(Recorder.record, (1)));
        vm.assertFalse(success, "refused");
    }
}
