// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {AgentCoordinator} from "../../src/AgentCoordinator.sol";
import {Errors} from "../../src/Errors.sol";
import {GroupRegistry} from "../../src/GroupRegistry.sol";
import {IAnchoredLane} from "../../src/IAnchoredLane.sol";
import {IGroupAccount} from "../../src/IGroupAccount.sol";
import {IGroupRegistry} from "../../src/IGroupRegistry.sol";
import {IOnChainLane} from "../../src/IOnChainLane.sol";
import {OnChainLane} from "../../src/OnChainLane.sol";
import {Ballot, Content, Member, Refusal} from "../../src/Types.sol";
import {deployLane, deployRegistry} from "../support/Deployment.sol";
import {Fixture} from "../support/Fixture.sol";
import {Selectors} from "../support/Selectors.sol";
import {vm} from "../support/Vm.sol";

/// @notice The branches of Coordinator.tree: the three contracts that are one, and what none takes.
contract CoordinatorTest is Fixture, Selectors {
    IGroupRegistry private _registry;
    IOnChainLane private _lane;

    function setUp() public override {
        super.setUp();
        _registry = IGroupRegistry(coordinator.groupRegistry());
        _lane = IOnChainLane(coordinator.onChainLane());
        vm.deal(address(this), 10 ether);
    }

    // ---------------------------------------------------------------------------------------------------------
    // The modules by themselves
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
        _registry.enqueue{value: 1}(groupId, "command");
        vm.expectRevert(refusal);
        _registry.deposit{value: 1}(groupId);
        vm.expectRevert(refusal);
        _registry.depositFor{value: 1}(groupId, agents[0]);
        vm.expectRevert(refusal);
        _registry.requestWithdrawal(groupId);
        vm.expectRevert(refusal);
        _registry.stay(groupId);
        vm.expectRevert(refusal);
        _registry.withdraw(groupId);
    }

    function test_Lane_RevertWhen_CalledByItself() external {
        bytes memory refusal = abi.encodeWithSelector(Errors.NotDelegated.selector);
        Content memory content = _content(0, ROUTINE, _calls(1, 0), 0);
        Refusal memory refused;
        vm.expectRevert(refusal);
        _lane.propose(groupId, ROUTINE, content.calls, "", 0);
        vm.expectRevert(refusal);
        _lane.vote(groupId, "id", 1);
        vm.expectRevert(refusal);
        _lane.voteBySigs(groupId, "id", new Ballot[](0));
        vm.expectRevert(refusal);
        _lane.approveBySigs(groupId, content, 1, new Ballot[](0));
        vm.expectRevert(refusal);
        _lane.closeFromLog(groupId, 1, refused, new bytes32[](0));
        vm.expectRevert(refusal);
        _lane.cancel(groupId, content);
        vm.expectRevert(refusal);
        _lane.execute(groupId, content);
        vm.expectRevert(refusal);
        _lane.veto(groupId, "id", new Ballot[](0));
        vm.expectRevert(refusal);
        _lane.revoke(groupId, "id");
        vm.expectRevert(refusal);
        _lane.recover(groupId, 0, new Member[](0));
    }

    /// @dev They have no storage of their own.
    function test_Modules_KnowNothingByThemselves() external {
        vm.assertEq(_registry.keyOf(agents[0]), 0, "key");
        bytes memory refusal = abi.encodeWithSelector(Errors.UnknownGroup.selector, groupId);
        vm.expectRevert(refusal);
        _registry.group(groupId);
        vm.expectRevert(refusal);
        _lane.proposal(groupId, "id");
    }

    /// @dev What the coordinator answers through them is the coordinator's own.
    function test_Modules_WorkOnTheCoordinatorsStorage() external view {
        vm.assertEq(coordinator.keyOf(agents[0]), _key(agents[0]), "key");
        vm.assertEq(abi.encode(coordinator.members(groupId)), abi.encode(_members(4)), "members");
        vm.assertTrue(coordinator.domainSeparator() != _registry.domainSeparator(), "that of the registry itself");
        vm.assertTrue(coordinator.hashObjection(agents[0], "id") != _lane.hashObjection(agents[0], "id"), "nor this");
        vm.assertEq(
            IGroupAccount(coordinator.groupAccountImplementation()).coordinator(),
            address(coordinator),
            "the account's coordinator"
        );
        vm.assertTrue(coordinator.groupAccountImplementation().code.length != 0, "which is there");
    }

    // ---------------------------------------------------------------------------------------------------------
    // The constructor
    // ---------------------------------------------------------------------------------------------------------

    function test_Constructor_RevertWhen_AModuleHasNoCode() external {
        (address lane, address registry) = (deployLane(), deployRegistry());
        vm.expectRevert(abi.encodeWithSelector(Errors.NoCode.selector, address(0xbeef)));
        new AgentCoordinator(address(0xbeef), registry);
        vm.expectRevert(abi.encodeWithSelector(Errors.NoCode.selector, address(0)));
        new AgentCoordinator(lane, address(0));
        AgentCoordinator deployed = new AgentCoordinator(lane, registry);
        vm.assertEq(deployed.onChainLane(), lane, "lane");
        vm.assertEq(deployed.groupRegistry(), registry, "registry");
    }

    // ---------------------------------------------------------------------------------------------------------
    // Dispatch
    // ---------------------------------------------------------------------------------------------------------

    /// @dev The lists below have every function of the three interfaces, once: solc xors them to the same.
    function test_Dispatch_TheListsAreTheInterfaces() external pure {
        vm.assertEq(bytes32(_xor(_anchoredLane())), bytes32(type(IAnchoredLane).interfaceId), "anchored lane");
        vm.assertEq(bytes32(_xor(_onChainLane())), bytes32(type(IOnChainLane).interfaceId), "on-chain lane");
        vm.assertEq(bytes32(_xor(_groupRegistry())), bytes32(type(IGroupRegistry).interfaceId), "registry");
    }

    /// @dev Each function is its own contract's, and reaches no other; whatever is in no list goes to the registry.
    function test_Dispatch_ReachesTheContractThatHasTheFunction() external {
        vm.etch(address(_lane), type(LaneEcho).runtimeCode);
        vm.etch(address(_registry), type(RegistryEcho).runtimeCode);
        _assertReached(_onChainLane(), "lane");
        _assertReached(_groupRegistry(), "registry");
        bytes4[] memory own = _anchoredLane();
        for (uint256 i = 0; i < own.length; ++i) {
            (bool success, bytes memory answer) = address(coordinator).call(abi.encodePacked(own[i]));
            // Two are views without arguments.
            vm.assertEq(success, i >= own.length - 2, "its own");
            vm.assertTrue(keccak256(answer) != keccak256(abi.encode("lane")), "its own");
            vm.assertTrue(keccak256(answer) != keccak256(abi.encode("registry")), "its own");
        }
    }

    function testFuzz_Dispatch_WhatIsInNoList_GoesToTheRegistry(bytes4 selector) external {
        vm.assume(!_isIn(_onChainLane(), selector) && !_isIn(_anchoredLane(), selector));
        vm.etch(address(_lane), type(LaneEcho).runtimeCode);
        vm.etch(address(_registry), type(RegistryEcho).runtimeCode);
        (bool success, bytes memory answer) = address(coordinator).call(abi.encodePacked(selector));
        vm.assertTrue(success, "reached");
        vm.assertEq(answer, abi.encode("registry"), "reached");
    }

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
        bool known =
            _isIn(_onChainLane(), selector) || _isIn(_anchoredLane(), selector) || _isIn(_groupRegistry(), selector);
        vm.assume(!known);
        (bool success,) = address(coordinator).call(abi.encodePacked(selector));
        vm.assertFalse(success, "taken");
    }

    /// @dev What a module reverts with comes out unchanged, to the byte.
    function test_Fallback_HandsOnTheReason() external {
        bytes memory refusal = abi.encodeWithSelector(Errors.UnknownGroup.selector, bytes32("none"));
        (bool success, bytes memory reason) =
            address(coordinator).call(abi.encodeCall(coordinator.group, (bytes32("none"))));
        vm.assertFalse(success, "no group");
        vm.assertEq(reason, refusal, "the registry's");
        (success, reason) = address(coordinator).call(abi.encodeCall(coordinator.proposal, (bytes32("none"), "id")));
        vm.assertFalse(success, "no group");
        vm.assertEq(reason, refusal, "the lane's");
    }

    // ---------------------------------------------------------------------------------------------------------
    // Storage
    // ---------------------------------------------------------------------------------------------------------

    /// @dev The two variables of `Storage`, at the same slots, and nothing behind them: a variable that comes next would.
    function test_Storage_TheThreeLayoutsAreOne() external {
        (address lane, address registry) = (deployLane(), deployRegistry());
        Layout[3] memory layouts = [
            Layout(address(new CoordinatorLayout(lane, registry))),
            Layout(address(new LaneLayout())),
            Layout(address(new RegistryLayout()))
        ];
        for (uint256 i = 0; i < 3; ++i) {
            (uint256 keys, uint256 groups, uint256 next) = layouts[i].slots();
            vm.assertEq(keys, 0, "keys");
            vm.assertEq(groups, 1, "groups");
            vm.assertEq(next, 2, "the next");
        }
    }

    // ---------------------------------------------------------------------------------------------------------
    // Ether
    // ---------------------------------------------------------------------------------------------------------

    /// @dev Only deposits and a stranger's message take ether; none is ever stuck here.
    function test_Ether_IsRefused() external {
        _assertRefused(1 ether, "");
        _assertRefused(1 ether, hex"ffffffff");
        _assertRefused(1 ether, abi.encodeCall(coordinator.register, ("key")));
        _assertRefused(1 ether, abi.encodeCall(coordinator.enqueue, (groupId, "command")));
        _assertRefused(1 ether, abi.encodeCall(coordinator.requestWithdrawal, (groupId)));
        Content memory content = _approved(LISTED, _calls(1, 0), 0);
        _assertRefused(1 ether, abi.encodeCall(coordinator.execute, (groupId, content)));
        _assertRefused(1 ether, abi.encodeCall(coordinator.hasStalled, (groupId)));
        vm.assertEq(address(coordinator).balance, 0, "balance");
        (bool success,) = address(_registry).call{value: 1 ether}("");
        vm.assertFalse(success, "the registry");
        (success,) = address(_lane).call{value: 1 ether}("");
        vm.assertFalse(success, "the lane");
    }

    // ---------------------------------------------------------------------------------------------------------
    // Steps
    // ---------------------------------------------------------------------------------------------------------

    function _assertReached(bytes4[] memory selectors, string memory where) private {
        for (uint256 i = 0; i < selectors.length; ++i) {
            (bool success, bytes memory answer) = address(coordinator).call(abi.encodePacked(selectors[i]));
            vm.assertTrue(success, "reached");
            vm.assertEq(answer, abi.encode(where), where);
        }
    }

    function _assertRefused(uint256 value, bytes memory data) private {
        (bool success,) = address(coordinator).call{value: value}(data);
        vm.assertFalse(success, "taken");
    }
}

interface Layout {
    function slots() external view returns (uint256 keys, uint256 groups, uint256 next);
}

contract CoordinatorLayout is AgentCoordinator {
    uint256 private _next;

    constructor(address lane, address registry) AgentCoordinator(lane, registry) {}

    function slots() external pure returns (uint256 keys, uint256 groups, uint256 next) {
        assembly ("memory-safe") {
            keys := _keys.slot
            groups := _groups.slot
            next := _next.slot
        }
    }
}

contract LaneLayout is OnChainLane {
    uint256 private _next;

    function slots() external pure returns (uint256 keys, uint256 groups, uint256 next) {
        assembly ("memory-safe") {
            keys := _keys.slot
            groups := _groups.slot
            next := _next.slot
        }
    }
}

contract RegistryLayout is GroupRegistry {
    uint256 private _next;

    function slots() external pure returns (uint256 keys, uint256 groups, uint256 next) {
        assembly ("memory-safe") {
            keys := _keys.slot
            groups := _groups.slot
            next := _next.slot
        }
    }
}

contract LaneEcho {
    fallback(bytes calldata) external payable returns (bytes memory) {
        return abi.encode("lane");
    }
}

contract RegistryEcho {
    fallback(bytes calldata) external payable returns (bytes memory) {
        return abi.encode("registry");
    }
}
// forge-lint: disable-end(unsafe-typecast)
