// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {Errors} from "../../src/Errors.sol";
import {IGroupAccount} from "../../src/IGroupAccount.sol";
import {IGroupRegistry} from "../../src/IGroupRegistry.sol";
import {Member} from "../../src/Types.sol";
import {Fixture} from "../support/Fixture.sol";
import {vm} from "../support/Vm.sol";

/// @notice The branches of Coordinator.tree: the two contracts that are one, and what neither takes.
contract CoordinatorTest is Fixture {
    IGroupRegistry private _registry;

    function setUp() public override {
        super.setUp();
        _registry = IGroupRegistry(coordinator.groupRegistry());
        vm.deal(address(this), 10 ether);
    }

    // ---------------------------------------------------------------------------------------------------------
    // The registry by itself
    // ---------------------------------------------------------------------------------------------------------

    function test_Registry_RevertWhen_CalledByItself() external {
        bytes memory refusal = abi.encodeWithSelector(Errors.NotDelegated.selector);
        vm.expectRevert(refusal);
        _registry.register("key");
        vm.expectRevert(refusal);
        _registry.createGroup(_members(4), _terms(), "direct");
        vm.expectRevert(refusal);
        _registry.leave(groupId);
        vm.expectRevert(refusal);
        _registry.enqueue(groupId, "command");
    }

    /// @dev It has no storage of its own.
    function test_Registry_KnowsNothingByItself() external {
        vm.assertEq(_registry.keyOf(agents[0]), 0, "key");
        vm.expectRevert(abi.encodeWithSelector(Errors.UnknownGroup.selector, groupId));
        _registry.group(groupId);
    }

    /// @dev What the coordinator answers through it is the coordinator's own.
    function test_Registry_WorksOnTheCoordinatorsStorage() external view {
        vm.assertEq(coordinator.keyOf(agents[0]), _key(agents[0]), "key");
        Member[] memory members = coordinator.members(groupId);
        vm.assertEq(abi.encode(members), abi.encode(_members(4)), "members");
        vm.assertEq(
            coordinator.groupIdOf(address(this), SALT),
            keccak256(abi.encode(block.chainid, address(coordinator), address(this), SALT)),
            "identifier"
        );
        vm.assertTrue(_registry.groupIdOf(address(this), SALT) != groupId, "that of the registry itself");
        vm.assertEq(coordinator.groupAccountImplementation(), _registry.groupAccountImplementation(), "implementation");
        vm.assertEq(
            IGroupAccount(coordinator.groupAccountImplementation()).coordinator(),
            address(coordinator),
            "its coordinator"
        );
    }

    // ---------------------------------------------------------------------------------------------------------
    // What nobody has a function for
    // ---------------------------------------------------------------------------------------------------------

    function test_Fallback_RevertWhen_TheFunctionIsUnknown() external {
        _assertRefused(0, hex"ffffffff");
        _assertRefused(0, abi.encodeWithSignature("upgradeTo(address)", address(this)));
    }

    function test_Fallback_RevertWhen_TheCalldataIsEmptyOrShort() external {
        _assertRefused(0, "");
        _assertRefused(0, hex"ff");
        _assertRefused(0, hex"ffffff");
    }

    function testFuzz_Fallback_RevertWhen_TheFunctionIsUnknown(bytes4 selector) external {
        (bool known,) = address(_registry).staticcall(abi.encodePacked(selector));
        vm.assume(!known);
        (bool success,) = address(coordinator).call(abi.encodePacked(selector));
        vm.assertFalse(success, "taken");
    }

    /// @dev What the registry reverts with comes out unchanged, to the byte.
    function test_Fallback_HandsOnTheReason() external {
        (bool success, bytes memory reason) =
            address(coordinator).call(abi.encodeCall(coordinator.group, (bytes32("none"))));
        vm.assertFalse(success, "no group");
        vm.assertEq(reason, abi.encodeWithSelector(Errors.UnknownGroup.selector, bytes32("none")), "reason");
    }

    // ---------------------------------------------------------------------------------------------------------
    // Ether
    // ---------------------------------------------------------------------------------------------------------

    /// @dev Only `deposit` takes ether; none is ever stuck here.
    function test_Ether_IsRefused() external {
        _assertRefused(1 ether, "");
        _assertRefused(1 ether, hex"ffffffff");
        _assertRefused(1 ether, abi.encodeCall(coordinator.register, ("key")));
        _assertRefused(1 ether, abi.encodeCall(coordinator.enqueue, (groupId, "command")));
        _assertRefused(1 ether, abi.encodeCall(coordinator.requestWithdrawal, (groupId)));
        vm.assertEq(address(coordinator).balance, 0, "balance");
        (bool success,) = address(_registry).call{value: 1 ether}("");
        vm.assertFalse(success, "the registry");
    }

    function _assertRefused(uint256 value, bytes memory data) private {
        (bool success,) = address(coordinator).call{value: value}(data);
        vm.assertFalse(success, "taken");
    }
}
// forge-lint: disable-end(unsafe-typecast)
