// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {ILanes} from "../src/ILanes.sol";
import {vm} from "./support/Vm.sol";

/// @notice The committed artifacts, which all tests here run on and the Rust bindings are made from. That they are what the
/// sources compile to is for `compile-contracts --check` to say, which `cargo test` runs.
contract ArtifactsTest {
    /// @dev What may be deployed: EIP-170 and EIP-3860.
    function test_Sizes() external {
        bytes memory code = vm.getCode("contracts/artifacts/AgentCoordinator.json");
        vm.assertLe(code.length, 49_152, "init code");
        address coordinator;
        assembly ("memory-safe") {
            coordinator := create(0, add(code, 0x20), mload(code))
        }
        vm.assertTrue(coordinator.code.length != 0, "it deploys");
        vm.assertLe(coordinator.code.length, 24_576, "the coordinator's code");
        vm.assertLe(ILanes(coordinator).groupRegistry().code.length, 24_576, "the registry's code");
    }
}
