// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {IERC1155Receiver} from "@openzeppelin/contracts/token/ERC1155/IERC1155Receiver.sol";
import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";

import {Errors} from "../../src/Errors.sol";
import {Call} from "../../src/Types.sol";
import {Fixture} from "../support/Fixture.sol";
import {Coin, Deed, Goods} from "../support/Tokens.sol";
import {vm} from "../support/Vm.sol";

/// @notice The branches of "tokens" in Account.tree: what a group's account takes in, and gives when the group decides so.
contract GroupAccountTokensTest is Fixture {
    address private constant PAYEE = address(0xbeef);

    function test_Tokens_Erc20() external {
        Coin coin = new Coin();
        coin.mint(account, 100);
        _decideAndExecute(_call(address(coin), 0, abi.encodeCall(coin.transfer, (PAYEE, 60))));
        vm.assertEq(coin.balanceOf(PAYEE), 60, "paid");
        vm.assertEq(coin.balanceOf(account), 40, "left");
    }

    /// @dev A payment that the token refuses fails as a whole, and the group may try again.
    function test_Tokens_Erc20_WhenTheFundsAreMissing_StaysExecutable() external {
        Coin coin = new Coin();
        Call[] memory calls = _call(address(coin), 0, abi.encodeCall(coin.transfer, (PAYEE, 60)));
        bytes32 id = _propose(0, ROUTINE, calls, "", 0);
        _approve(id);
        vm.warp(START + TIMELOCK);
        bytes memory reason =
            abi.encodeWithSignature("ERC20InsufficientBalance(address,uint256,uint256)", account, 0, 60);
        vm.expectRevert(abi.encodeWithSelector(Errors.CallFailed.selector, 0, address(coin), reason));
        coordinator.execute(id, calls);
        coin.mint(account, 60);
        coordinator.execute(id, calls);
        vm.assertEq(coin.balanceOf(PAYEE), 60, "paid");
    }

    /// @dev By a safe transfer, which asks the receiver.
    function test_Tokens_Erc721() external {
        Deed deed = new Deed();
        deed.mint(account, 7);
        vm.assertEq(deed.ownerOf(7), account, "taken in");
        _decideAndExecute(
            _call(
                address(deed),
                0,
                abi.encodeWithSignature("safeTransferFrom(address,address,uint256)", account, PAYEE, 7)
            )
        );
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
        _decideAndExecute(_call(address(goods), 0, abi.encodeCall(goods.safeTransferFrom, (account, PAYEE, 1, 4, ""))));
        vm.assertEq(goods.balanceOf(PAYEE, 1), 4, "given");
        vm.assertEq(goods.balanceOf(account, 1), 6, "left");
    }

    function test_Tokens_SupportsTheReceiversInterface() external view {
        IERC165 asked = IERC165(account);
        vm.assertTrue(asked.supportsInterface(type(IERC165).interfaceId), "ERC-165");
        vm.assertTrue(asked.supportsInterface(type(IERC1155Receiver).interfaceId), "ERC-1155");
        vm.assertFalse(asked.supportsInterface(0xffffffff), "none");
    }

    function _decideAndExecute(Call[] memory calls) private {
        bytes32 id = _propose(0, ROUTINE, calls, "", 0);
        _approve(id);
        vm.warp(START + TIMELOCK);
        coordinator.execute(id, calls);
    }
}
