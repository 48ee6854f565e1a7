// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {IKeeper} from "../../../src/adapters/IKeeper.sol";
import {Approval, Call, Checkpoint, Content, Member} from "../../../src/Types.sol";
import {Clearer} from "../../support/Clearer.sol";
import {KeeperFixture} from "../../support/KeeperFixture.sol";
import {Vm, vm} from "../../support/Vm.sol";

/// @notice What is refunded of whole transactions, beside what they cost: never more. Kept in contracts/snapshots. Where forge isolates
/// transactions they have no price; so what a transaction costs is put together from its parts.
contract GasKeeperTest is KeeperFixture {
    function setUp() public override {
        super.setUp();
        // The first refund finds empty books, and the first anchor an empty log.
        _send(_anchorData(4));
    }

    function test_Anchor() external {
        _enqueue();
        vm.assertGe(_part("keeper, anchor", _anchorData(100)), 90, "all but what happens around it");
    }

    /// @dev Call data counts to the byte, whatever it is: more of it is paid for, and never too much.
    function test_Anchor_WithPaddedCallData() external {
        for (uint256 i = 0; i < 6; ++i) {
            bytes memory padding = new bytes(1000 + i * 7);
            for (uint256 k = 0; k < padding.length; ++k) {
                if (i % 2 == 0) padding[k] = bytes1(uint8(1 + k));
            }
            bytes memory data = bytes.concat(_anchorData(1), padding);
            vm.assertGe(_part("keeper, anchor, padded", data), 90, "the padding too");
        }
    }

    function test_ExecuteAnchored() external {
        Approval memory approval = _decided(PAYMENTS, 1)[0];
        vm.assertGe(_part("keeper, executeAnchored, one payment", _executeData(approval)), 72, "four fifths of it");
    }

    function test_ExecuteAnchoredBatch() external {
        Approval[] memory approvals = _decided(PAYMENTS, 20);
        uint64[] memory indices = new uint64[](20);
        for (uint256 i = 0; i < 20; ++i) {
            indices[i] = approvals[i].index;
        }
        uint64 size = log.size();
        bytes memory data =
            abi.encodeCall(IKeeper.executeAnchoredBatch, (groupId, size, approvals, log.paths(indices, size)));
        vm.assertGe(_part("keeper, executeAnchoredBatch, twenty payments", data), 76, "four fifths of it");
    }

    function test_QueueAndExecute() external {
        Approval memory approval = _appendApproval(_content(0, ROUTINE, _payment(PAYEE, 1), 1));
        _anchor(++sequence);
        bytes32[] memory proof = log.path(approval.index, log.size());
        bytes memory data = abi.encodeCall(IKeeper.queueAnchored, (groupId, log.size(), approval, proof));
        vm.assertGe(_part("keeper, queueAnchored", data), 72, "four fifths of it");
        vm.warp(block.timestamp + TIMELOCK);
        data = abi.encodeCall(IKeeper.execute, (groupId, _content(0, ROUTINE, _payment(PAYEE, 1), 1)));
        vm.assertGe(_part("keeper, execute", data), 70, "four fifths of it");
    }

    /// @dev Seats that are cleared give gas back to the sender.
    function test_Rotation() external {
        Member[] memory next = _members(4);
        (next[3].account, next[3].key) = (address(type(uint160).max), keccak256("newcomer"));
        Checkpoint memory checkpoint = _boundary(++sequence, next);
        bytes memory data = abi.encodeCall(
            IKeeper.anchorAndRotate,
            (
                checkpoint,
                _signatures(checkpoint, 0, 3),
                _consistency(checkpoint),
                _taken(checkpoint),
                next,
                _mandate(next, 0, 3)
            )
        );
        vm.assertGe(_part("keeper, anchorAndRotate, another member", data), 76, "four fifths of it");
    }

    /// @dev What is called frees storage by which the sender has a fifth of its gas back, and deposits, which makes the books cheaper
    /// to write: the worst for what is refunded.
    function test_Execute_WhatFreesStorage() external {
        Clearer clearer = new Clearer();
        clearer.fill(200);
        Call[] memory calls = _join(
            _call(address(keeper), 1, abi.encodeCall(IKeeper.deposit, (groupId))),
            _call(address(clearer), 0, abi.encodeCall(Clearer.clear, ()))
        );
        calls[1].gas = 5_000_000;
        Content memory content = _approved(ROUTINE, calls, 9);
        vm.warp(coordinator.proposal(groupId, _idOf(content)).executableFrom);
        _part("keeper, execute, what frees storage", abi.encodeCall(IKeeper.execute, (groupId, content)));
    }

    /// @dev What is refunded of a transaction, in per cent of what it cost.
    function _part(string memory what, bytes memory data) private returns (uint256) {
        uint256 before = SENDER.balance;
        address[3] memory touched = [address(keeper), address(coordinator), account];
        for (uint256 i = 0; i < 3; ++i) {
            vm.cool(touched[i]);
        }
        vm.prank(SENDER, SENDER);
        (bool success,) = address(keeper).call(data);
        Vm.Gas memory call = vm.lastCallGas();
        vm.assertTrue(success, what);

        uint256 gas = 21_000 + call.gasTotalUsed;
        for (uint256 i = 0; i < data.length; ++i) {
            gas += data[i] == 0 ? 4 : 16;
        }
        // EIP-3529.
        uint256 freed = uint256(uint64(call.gasRefunded));
        gas -= freed < gas / 5 ? freed : gas / 5;
        uint256 refunded = (SENDER.balance - before) / PRICE;
        vm.snapshotValue(what, gas);
        vm.snapshotValue(string.concat(what, ", refunded"), refunded);
        vm.assertLe(refunded, gas, what);
        return refunded * 100 / gas;
    }
}
// forge-lint: disable-end(unsafe-typecast)
