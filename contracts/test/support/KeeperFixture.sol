// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {IKeeper} from "../../src/adapters/IKeeper.sol";
import {Approval, Call, Checkpoint, Content, Taken} from "../../src/Types.sol";
import {deployKeeper} from "./Adapters.sol";
import {AnchorFixture} from "./AnchorFixture.sol";
import {vm} from "./Vm.sol";

/// @notice A keeper with ten ether of the group, which refunds without much ado; and senders.
abstract contract KeeperFixture is AnchorFixture {
    /// @dev Has no code, and sends its transactions itself.
    address internal constant SENDER = address(0x5e4de5);
    address internal constant PAYEE = address(0xcafe);
    uint256 internal constant PRICE = 3 gwei;

    IKeeper internal keeper;
    uint64 internal sequence;

    function setUp() public virtual override {
        super.setUp();
        vm.deal(PAYEE, 1);
        vm.deal(SENDER, 1 ether);
        vm.deal(address(this), 100 ether);
        vm.fee(1 gwei);
        vm.txGasPrice(PRICE);
        keeper = deployKeeper(coordinator);
        keeper.deposit{value: 10 ether}(groupId);
        _set(_policy());
        _fill(5);
    }

    /// @dev An entry, once in a minute.
    function _policy() internal pure returns (IKeeper.Policy memory) {
        return IKeeper.Policy({
            priceCap: 100 gwei,
            tipCap: 50 gwei,
            gasCap: 10_000_000,
            minimumEntries: 1,
            minimumInterval: 0,
            budget: 1 ether
        });
    }

    function _set(IKeeper.Policy memory policy) internal {
        vm.prank(account);
        keeper.setPolicy(groupId, policy);
    }

    /// @dev What the sender gets for the call, and nothing else does; the books say the same.
    function _send(address sender, bytes memory data) internal returns (uint256 amount) {
        uint256 before = sender.balance;
        uint256 balance = keeper.fundOf(groupId).balance;
        vm.prank(sender, SENDER);
        (bool success, bytes memory reason) = address(keeper).call(data);
        if (!success) {
            assembly ("memory-safe") {
                revert(add(reason, 32), mload(reason))
            }
        }
        amount = sender.balance - before;
        vm.assertEq(balance - keeper.fundOf(groupId).balance, amount, "by the books");
        vm.assertEq(address(keeper).balance, keeper.fundOf(groupId).balance, "what is there");
    }

    function _send(bytes memory data) internal returns (uint256) {
        return _send(SENDER, data);
    }

    /// @dev The next anchor, which has `entries` more.
    function _anchorData(uint64 entries) internal returns (bytes memory) {
        _fill(entries);
        Checkpoint memory checkpoint = _checkpoint(++sequence);
        bytes memory signatures = _signatures(checkpoint, 0, 3);
        (bytes32[] memory consistency, Taken memory taken) = (_consistency(checkpoint), _taken(checkpoint));
        return abi.encodeCall(IKeeper.anchor, (checkpoint, signatures, consistency, taken));
    }

    /// @dev `count` payments decided off-chain, and anchored.
    function _decided(uint8 class, uint256 count) internal returns (Approval[] memory approvals) {
        approvals = new Approval[](count);
        Call[] memory calls = _payment(PAYEE, 0.01 ether);
        for (uint64 i = 0; i < count; ++i) {
            approvals[i] = _appendApproval(_content(0, class, calls, log.size()));
        }
        _anchor(++sequence);
    }

    function _executeData(Approval memory approval) internal view returns (bytes memory) {
        bytes32[] memory proof = log.path(approval.index, log.size());
        return abi.encodeCall(IKeeper.executeAnchored, (groupId, log.size(), approval, proof));
    }

    function _executeOnChainData(uint8 class, Call[] memory calls) internal returns (bytes memory) {
        Content memory content = _approved(class, calls, 7);
        vm.warp(coordinator.proposal(groupId, _idOf(content)).executableFrom);
        return abi.encodeCall(IKeeper.execute, (groupId, content));
    }
}
