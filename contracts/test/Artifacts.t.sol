// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {AgentCoordinator} from "../src/AgentCoordinator.sol";
import {GroupAccount} from "../src/GroupAccount.sol";
import {GroupRegistry} from "../src/GroupRegistry.sol";
import {vm} from "./support/Vm.sol";

/// @notice The committed artifacts, from which the Rust bindings are made, hold the very bytecode that is tested here.
/// When this fails: `cargo run -p quorate-contracts --features compile`.
contract ArtifactsTest {
    function test_AgentCoordinator() external view {
        _assertCommitted("AgentCoordinator", type(AgentCoordinator).creationCode);
    }

    function test_GroupRegistry() external view {
        _assertCommitted("GroupRegistry", type(GroupRegistry).creationCode);
    }

    function test_GroupAccount() external view {
        _assertCommitted("GroupAccount", type(GroupAccount).creationCode);
    }

    /// @dev What may be deployed: EIP-170 and EIP-3860.
    function test_Sizes() external {
        vm.assertLe(type(AgentCoordinator).creationCode.length, 49_152, "init code");
        AgentCoordinator coordinator = new AgentCoordinator();
        vm.assertLe(address(coordinator).code.length, 24_576, "the coordinator's code");
        vm.assertLe(coordinator.groupRegistry().code.length, 24_576, "the registry's code");
    }

    function _assertCommitted(string memory name, bytes memory code) private view {
        bytes memory committed = vm.getCode(string.concat("contracts/artifacts/", name, ".json"));
        vm.assertEq(keccak256(committed), keccak256(code), "bytecode");
    }
}
