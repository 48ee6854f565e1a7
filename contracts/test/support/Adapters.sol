// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {IAgentCoordinator} from "../../src/IAgentCoordinator.sol";
import {Directory} from "../../src/adapters/Directory.sol";
import {GovernorView} from "../../src/adapters/GovernorView.sol";
import {IDirectory} from "../../src/adapters/IDirectory.sol";
import {IGovernorView} from "../../src/adapters/IGovernorView.sol";
import {IKeeper} from "../../src/adapters/IKeeper.sol";
import {Keeper} from "../../src/adapters/Keeper.sol";
import {_artifact, _create, _fromSources} from "./Deployment.sol";

// The contracts without rights, of the committed bytecode or, with `COORDINATOR=sources`, of the sources.

function deployDirectory(IAgentCoordinator coordinator) returns (IDirectory) {
    if (_fromSources()) return new Directory(coordinator);
    return IDirectory(_create(bytes.concat(_artifact("Directory"), abi.encode(coordinator))));
}

function deployGovernorView(IAgentCoordinator coordinator, bytes32 groupId) returns (IGovernorView) {
    if (_fromSources()) return new GovernorView(coordinator, groupId);
    return IGovernorView(_create(bytes.concat(_artifact("GovernorView"), abi.encode(coordinator, groupId))));
}

function deployKeeper(IAgentCoordinator coordinator) returns (IKeeper) {
    if (_fromSources()) return new Keeper(coordinator);
    return IKeeper(_create(bytes.concat(_artifact("Keeper"), abi.encode(coordinator))));
}
