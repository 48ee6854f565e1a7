// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {Errors} from "../../src/Errors.sol";
import {Checkpoint} from "../../src/Types.sol";
import {AnchorFixture} from "../support/AnchorFixture.sol";
import {vm} from "../support/Vm.sol";

/// @notice One lying anchor, with the highest numbers, and then silence: it ends anchors, and must not end recoveries.
contract LastCheckpointTest is AnchorFixture {
    uint64 private constant ERA = 1 << 32;

    function setUp() public override {
        super.setUp();
        _makeAgents(8);
        _useWithFreshLog(_createGroup(_members(4), _terms(), "last"));
        _fill(1);
        _anchor(1);
    }

    /// @dev A log that no epoch could begin behind is refused, so the voters can always recover.
    function test_M7_RevertWhen_TheLogIsLargerThanALogCanBe() external {
        _expectTooLarge(1 << 48);
        _expectTooLarge(type(uint64).max);
    }

    /// @dev The largest that there can be, of entries that nobody knows: the voters recover all the same.
    function test_M7_AfterTheLargestLog_TheVotersRecover() external {
        (bytes32[] memory proof, bytes32 root) = _madeUp();
        Checkpoint memory checkpoint = _checkpoint(type(uint64).max);
        (checkpoint.logSize, checkpoint.logRoot) = (1 << 47, root);
        coordinator.anchor(checkpoint, _signatures(checkpoint, 0, 3), proof, _noTaken());
        _die();
        vm.prank(account);
        coordinator.recover(groupId, 0, _between(0, 8));
        vm.assertEq(coordinator.group(groupId).epoch, ERA, "recovered");
        vm.assertEq(coordinator.epochStart(groupId, ERA).logSize, 1 << 47, "from there");
    }

    function _expectTooLarge(uint64 size) private {
        Checkpoint memory checkpoint = _checkpoint(2);
        checkpoint.logSize = size;
        bytes memory signatures = _signatures(checkpoint, 0, 3);
        vm.expectRevert(abi.encodeWithSelector(Errors.LogTooLarge.selector, size));
        coordinator.anchor(checkpoint, signatures, new bytes32[](0), _noTaken());
    }

    /// @dev A root of 2^47 entries, the first of which is the log's own, and the proof that it extends that.
    function _madeUp() private view returns (bytes32[] memory proof, bytes32 root) {
        proof = new bytes32[](47);
        root = log.root();
        for (uint256 i = 0; i < 47; ++i) {
            proof[i] = keccak256(abi.encode(i));
            root = sha256(bytes.concat(hex"01", root, proof[i]));
        }
    }

    function _die() private {
        _enqueue();
        vm.warp(block.timestamp + RECOVERY_TIME);
    }
}
// forge-lint: disable-end(unsafe-typecast)
