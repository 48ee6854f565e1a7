// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {Errors} from "../../src/Errors.sol";
import {IGroupAccount} from "../../src/IGroupAccount.sol";
import {Call, Class, Content, Limit, Terms} from "../../src/Types.sol";
import {Fixture} from "../support/Fixture.sol";
import {Deed, FeeCoin, Goods, PoliteCoin, SilentCoin} from "../support/Tokens.sol";
import {Answerer} from "../support/Targets.sol";
import {vm} from "../support/Vm.sol";

/// @notice The branches of "tokens" in Account.tree: what a group's account takes in, and gives when the group decides so.
contract GroupAccountTokensTest is Fixture {
    address private constant PAYEE = address(0xbeef);

    // ---------------------------------------------------------------------------------------------------------
    // ERC-20
    // ---------------------------------------------------------------------------------------------------------

    function test_Tokens_Erc20() external {
        _decideAndExecute(ROUTINE, _transfer(address(coin), PAYEE, 60), 0);
        vm.assertEq(coin.balanceOf(PAYEE), 60, "paid");
        vm.assertEq(coin.balanceOf(account), 50_000e6 - 60, "left");
    }

    /// @dev A payment that the token refuses fails as a whole, and the group may try again.
    function test_Tokens_Erc20_WhenTheFundsAreMissing_StaysExecutable() external {
        Content memory content = _approved(ROUTINE, _transfer(address(coin), PAYEE, 50_001e6), 0);
        vm.warp(START + TIMELOCK);
        bytes memory reason =
            abi.encodeWithSignature("ERC20InsufficientBalance(address,uint256,uint256)", account, 50_000e6, 50_001e6);
        vm.expectRevert(abi.encodeWithSelector(Errors.CallFailed.selector, 0, address(coin), reason));
        coordinator.execute(groupId, content);
        coin.mint(account, 1e6);
        coordinator.execute(groupId, content);
        vm.assertEq(coin.balanceOf(PAYEE), 50_001e6, "paid");
    }

    /// @dev The oldest tokens return nothing: nothing said is nothing wrong.
    function test_L7_Tokens_WithoutReturnValues_ArePaid() external {
        SilentCoin silent = new SilentCoin();
        silent.mint(account, 100);
        vm.assertEq(_execute(_transfer(address(silent), PAYEE, 60)), 0, "paid");
        vm.assertEq(silent.balanceOf(PAYEE), 60, "balance");
        vm.assertEq(_execute(_call(address(silent), 0, abi.encodeCall(silent.approve, (PAYEE, 7)))), 0, "approved");
        vm.assertEq(silent.allowance(account, PAYEE), 7, "allowance");
    }

    /// @dev `false` where others revert does not pass for paid, by any of the four functions.
    function test_L7_Tokens_ThatReturnFalse_HaveFailed() external {
        PoliteCoin polite = new PoliteCoin();
        bytes[4] memory refused = [
            abi.encodeCall(polite.transfer, (PAYEE, 1)),
            abi.encodeCall(polite.transferFrom, (PAYEE, account, 1)),
            abi.encodeCall(polite.approve, (address(0), 1)),
            abi.encodeCall(polite.increaseAllowance, (address(0), 1))
        ];
        for (uint256 i = 0; i < 4; ++i) {
            Call[] memory calls = _call(address(polite), 0, refused[i]);
            vm.expectRevert(abi.encodeWithSelector(Errors.CallFailed.selector, 0, address(polite), abi.encode(false)));
            _execute(calls);
            calls[0].allowFailure = true;
            vm.assertEq(_execute(calls), 1, "failed");
        }
        polite.mint(account, 10);
        vm.assertEq(_execute(_transfer(address(polite), PAYEE, 10)), 0, "paid");
        vm.assertEq(
            _execute(_call(address(polite), 0, abi.encodeCall(polite.increaseAllowance, (PAYEE, 1)))), 0, "approved"
        );
    }

    /// @dev Of other functions a word of zero is an answer like any other, and half a word of these four says nothing.
    function test_L7_Tokens_OtherFunctionsMayReturnZero() external {
        vm.assertEq(_execute(_call(address(coin), 0, abi.encodeCall(coin.balanceOf, (PAYEE)))), 0, "zero");
        address half = address(new Answerer(new bytes(31), false));
        vm.assertEq(_execute(_transfer(half, PAYEE, 1)), 0, "31 bytes");
        address zero = address(new Answerer(new bytes(32), false));
        vm.assertEq(_execute(_call(zero, 0, hex"a9059c")), 0, "no selector");
        vm.assertEq(_execute(_call(zero, 0, hex"a9059cbc")), 0, "another selector");
        Call[] memory calls = _transfer(zero, PAYEE, 1);
        calls[0].allowFailure = true;
        vm.assertEq(_execute(calls), 1, "zero");
        address more = address(new Answerer(abi.encode(0, 1), false));
        calls[0].target = more;
        vm.assertEq(_execute(calls), 1, "and more");
    }

    /// @dev The argument is what leaves the account, and counts; what arrives is less.
    function test_L7_Tokens_WithAFee_CountWhatLeaves() external {
        FeeCoin fee = new FeeCoin();
        _use(_createGroup(_members(4), _feeTerms(address(fee)), "fee"));
        fee.mint(account, 1000);
        _decideAndExecute(0, _transfer(address(fee), PAYEE, 100), 0);
        vm.assertEq(fee.balanceOf(PAYEE), 99, "arrived");
        vm.assertEq(fee.balanceOf(account), 900, "left");
        (, uint256 left) = coordinator.spendable(groupId, 0, address(fee));
        vm.assertEq(left, 100, "counted");
        vm.expectRevert(abi.encodeWithSelector(Errors.AboveLimit.selector, address(fee), 101, 100));
        _propose(0, 0, _transfer(address(fee), PAYEE, 101), 1);
    }

    // ---------------------------------------------------------------------------------------------------------
    // Others
    // ---------------------------------------------------------------------------------------------------------

    /// @dev By a safe transfer, which asks the receiver.
    function test_Tokens_Erc721() external {
        Deed deed = new Deed();
        deed.mint(account, 7);
        vm.assertEq(deed.ownerOf(7), account, "taken in");
        Call[] memory calls = _call(
            address(deed), 0, abi.encodeWithSignature("safeTransferFrom(address,address,uint256)", account, PAYEE, 7)
        );
        _decideAndExecute(ROUTINE, calls, 0);
        vm.assertEq(deed.ownerOf(7), PAYEE, "given");
    }

    function test_Tokens_Erc1155() external {
        Goods goods = new Goods();
        goods.mint(account, 1, 10);
        uint256[] memory ids = new uint256[](2);
        (ids[0], ids[1]) = (2, 3);
        goods.mintBatch(account, ids, ids);
        vm.assertEq(goods.balanceOf(account, 1), 10, "one kind");
        vm.assertEq(goods.balanceOf(account, 3), 3, "several kinds");
        Call[] memory calls =
            _call(address(goods), 0, abi.encodeCall(goods.safeTransferFrom, (account, PAYEE, 1, 4, "")));
        _decideAndExecute(ROUTINE, calls, 0);
        vm.assertEq(goods.balanceOf(PAYEE, 1), 4, "given");
        vm.assertEq(goods.balanceOf(account, 1), 6, "left");
    }

    // ---------------------------------------------------------------------------------------------------------
    // Steps
    // ---------------------------------------------------------------------------------------------------------

    function _execute(Call[] memory calls) private returns (uint256) {
        vm.prank(address(coordinator));
        return IGroupAccount(account).execute(calls);
    }

    /// @dev One class of payments in this token: 100 a decision, 200 a window.
    function _feeTerms(address token) private view returns (Terms memory terms) {
        terms = _terms();
        Class[] memory classes = new Class[](1);
        classes[0] = terms.classes[PAYMENTS];
        classes[0].limits = new Limit[](1);
        classes[0].limits[0] = Limit({asset: token, perDecision: 100, perWindow: 200});
        (terms.classes, terms.recoveryTime) = (classes, 0);
    }
}
