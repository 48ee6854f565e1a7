// SPDX-License-Identifier: Apache-2.0 OR MIT
// The pragmas of the dependencies are ranges, and take this version in.
// slither-disable-next-line pragma
pragma solidity 0.8.37;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

import {Anchors} from "./Anchors.sol";
import {IAgentCoordinator} from "./IAgentCoordinator.sol";
import {Proposals} from "./Proposals.sol";

/// @title AgentCoordinator
/// @notice See {IAgentCoordinator}. The parts: `Groups` keeps agents, groups and members and drives the groups'
/// accounts; `Proposals` is the on-chain lane; `Anchors` is the anchored lane.
contract AgentCoordinator is Proposals, Anchors {
    constructor() EIP712("Quorate", "1") {}

    /// @inheritdoc IAgentCoordinator
    function domainSeparator() external view override returns (bytes32) {
        return _domainSeparatorV4();
    }
}
