// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {IAgentCoordinator} from "../src/IAgentCoordinator.sol";
import {deployCoordinator} from "./support/Deployment.sol";
import {vm} from "./support/Vm.sol";

/// @notice The committed artifacts, which all tests here run on and the Rust bindings are made from. That they are what the
/// sources compile to is for `compile-contracts --check` to say, which `cargo test` runs.
contract ArtifactsTest {
    /// @dev Below what EIP-170 allows, so that a mend has room.
    uint256 private constant MOST_CODE = 24_000;
    /// @dev EIP-3860.
    uint256 private constant MOST_INIT_CODE = 49_152;

    /// @dev What may be deployed.
    function test_Sizes() external {
        string[5] memory names = ["AgentCoordinator", "OnChainLane", "GroupRegistry", "GroupAccount", "AccountProxy"];
        for (uint256 i = 0; i < 5; ++i) {
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
}
