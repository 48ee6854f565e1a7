// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {AgentCoordinator} from "../src/AgentCoordinator.sol";
import {GroupAccount} from "../src/GroupAccount.sol";
import {vm} from "./support/Vm.sol";

/// @notice The committed artifacts, from which the Rust bindings are made, hold the very bytecode that is tested here.
/// When this fails: `cargo run -p quorate-contracts --features compile`.
contract ArtifactsTest {
    function test_AgentCoordinator() external view {
        vm.assertEq(
            keccak256(vm.getCode("contracts/artifacts/AgentCoordinator.json")),
            keccak256(type(AgentCoordinator).creationCode),
            "bytecode"
        );
    }

    function test_GroupAccount() external view {
        vm.assertEq(
            keccak256(vm.getCode("contracts/artifacts/GroupAccount.json")),
            keccak256(type(GroupAccount).creationCode),
            "bytecode"
        );
    }

    /// @dev What may be deployed: EIP-170 and EIP-3860.
    function test_Sizes() external {
        vm.assertLe(type(AgentCoordinator).creationCode.length, 49_152, "init code");
        vm.assertLe(address(new AgentCoordinator()).code.length, 24_576, "code");
    }
}
