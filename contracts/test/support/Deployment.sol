// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {AgentCoordinator} from "../../src/AgentCoordinator.sol";
import {GroupRegistry} from "../../src/GroupRegistry.sol";
import {IAgentCoordinator} from "../../src/IAgentCoordinator.sol";
import {OnChainLane} from "../../src/OnChainLane.sol";
import {vm} from "./Vm.sol";

/// @dev A coordinator of the committed bytecode: what is tested is what is deployed, however the tests are compiled. With
/// `COORDINATOR=sources` in the environment, one of the sources as forge compiled them: for coverage, and for copies in
/// which a guard is missing.
function deployCoordinator() returns (IAgentCoordinator) {
    (address lane, address registry) = (deployLane(), deployRegistry());
    if (_fromSources()) return IAgentCoordinator(address(new AgentCoordinator(lane, registry)));
    return IAgentCoordinator(_create(bytes.concat(_artifact("AgentCoordinator"), abi.encode(lane, registry))));
}

/// @dev The same at this address, on the chain that it is, as its constructor leaves it there: for what was made for that place.
function deployCoordinatorAt(address where) returns (IAgentCoordinator) {
    bytes memory code = _fromSources() ? type(AgentCoordinator).creationCode : _artifact("AgentCoordinator");
    vm.etch(where, bytes.concat(code, abi.encode(deployLane(), deployRegistry())));
    // What a contract creates first it creates with nonce 1.
    vm.setNonce(where, 1);
    (bool deployed, bytes memory runtime) = where.call("");
    vm.assertTrue(deployed, "the coordinator deploys there");
    vm.etch(where, runtime);
    return IAgentCoordinator(where);
}

function deployLane() returns (address) {
    return _fromSources() ? address(new OnChainLane()) : _create(_artifact("OnChainLane"));
}

function deployRegistry() returns (address) {
    return _fromSources() ? address(new GroupRegistry()) : _create(_artifact("GroupRegistry"));
}

function _fromSources() view returns (bool) {
    return keccak256(bytes(vm.envOr("COORDINATOR", string("artifact")))) == keccak256("sources");
}

function _artifact(string memory name) view returns (bytes memory) {
    return vm.getCode(string.concat("contracts/artifacts/", name, ".json"));
}

function _create(bytes memory code) returns (address deployed) {
    assembly ("memory-safe") {
        deployed := create(0, add(code, 0x20), mload(code))
    }
    vm.assertTrue(deployed != address(0), "the artifact deploys");
}
