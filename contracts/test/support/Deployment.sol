// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {AgentCoordinator} from "../../src/AgentCoordinator.sol";
import {IAgentCoordinator} from "../../src/IAgentCoordinator.sol";
import {vm} from "./Vm.sol";

/// @dev A coordinator of the committed bytecode: what is tested is what is deployed, however the tests are compiled. With
/// `COORDINATOR=sources` in the environment, one of the sources as forge compiled them: for coverage, and for copies in
/// which a guard is missing.
function deployCoordinator() returns (IAgentCoordinator) {
    if (keccak256(bytes(vm.envOr("COORDINATOR", string("artifact")))) == keccak256("sources")) {
        return IAgentCoordinator(address(new AgentCoordinator()));
    }
    bytes memory code = vm.getCode("contracts/artifacts/AgentCoordinator.json");
    address deployed;
    assembly ("memory-safe") {
        deployed := create(0, add(code, 0x20), mload(code))
    }
    vm.assertTrue(deployed != address(0), "the artifact deploys");
    return IAgentCoordinator(deployed);
}
