// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {IAgentCoordinator} from "../src/IAgentCoordinator.sol";
import {deployCoordinator} from "./support/Deployment.sol";
import {Selectors} from "./support/Selectors.sol";
import {vm} from "./support/Vm.sol";

/// @notice The committed artifacts, which all tests here run on and the Rust bindings are made from. That they are what the
/// sources compile to is for `compile-contracts --check` to say, which `cargo test` runs.
contract ArtifactsTest is Selectors {
    /// @dev Below what EIP-170 allows, so that a mend has room.
    uint256 private constant MOST_CODE = 24_000;
    /// @dev EIP-3860.
    uint256 private constant MOST_INIT_CODE = 49_152;

    /// @dev What may be deployed.
    function test_Sizes() external {
        string[8] memory names = [
            "AgentCoordinator",
            "OnChainLane",
            "GroupRegistry",
            "GroupAccount",
            "AccountProxy",
            "Directory",
            "GovernorView",
            "Keeper"
        ];
        for (uint256 i = 0; i < 8; ++i) {
            bytes memory code = vm.getCode(string.concat("contracts/artifacts/", names[i], ".json"));
            vm.assertTrue(code.length != 0, names[i]);
            vm.assertLe(code.length, MOST_INIT_CODE, names[i]);
        }
        IAgentCoordinator coordinator = deployCoordinator();
        vm.assertLe(address(coordinator).code.length, MOST_CODE, "the coordinator's code");
        vm.assertLe(coordinator.onChainLane().code.length, MOST_CODE, "the on-chain lane's code");
        vm.assertLe(coordinator.groupRegistry().code.length, MOST_CODE, "the registry's code");
        vm.assertLe(coordinator.groupAccountImplementation().code.length, MOST_CODE, "the account's code");
    }

    /// @dev Each of the three has the functions of its interface and no other, so that no selector is in two: what is reached is
    /// what Coordinator.t.sol says.
    function test_Functions_AreThoseOfTheInterfaces() external view {
        uint256 lane = _onChainLane().length;
        uint256 registry = _groupRegistry().length;
        vm.assertEq(_functions("OnChainLane"), lane, "the on-chain lane's");
        vm.assertEq(_functions("GroupRegistry"), registry, "the registry's");
        // The coordinator's artifact takes in the functions that it passes on to its modules.
        vm.assertEq(_functions("AgentCoordinator"), _anchoredLane().length + lane + registry, "all");
    }

    function _functions(string memory name) private view returns (uint256 count) {
        string memory artifact = vm.readFile(string.concat("contracts/artifacts/", name, ".json"));
        for (uint256 i = 0;; ++i) {
            string memory entry = string.concat(".abi[", vm.toString(i), "]");
            if (!vm.keyExistsJson(artifact, entry)) return count;
            string memory kind = vm.parseJsonString(artifact, string.concat(entry, ".type"));
            if (keccak256(bytes(kind)) == keccak256("function")) ++count;
        }
    }
}
