// SPDX-License-Identifier: Apache-2.0 OR MIT
// The pragmas of the dependencies are ranges, and take this version in.
// slither-disable-next-line pragma
pragma solidity 0.8.37;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

import {Bonds} from "./Bonds.sol";
import {GroupAccount} from "./GroupAccount.sol";
import {GroupRegistry} from "./GroupRegistry.sol";
import {ILanes} from "./ILanes.sol";
import {Proposals} from "./Proposals.sol";

/// @title AgentCoordinator
/// @notice See {IAgentCoordinator}. The parts: `Groups` is what is kept of groups; `Proposals` is the on-chain lane, and
/// the escape lane; `Anchors` is the anchored lane; `Bonds` is what replicas forfeit; `GroupRegistry`, reached by the
/// fallback, is the rest.
contract AgentCoordinator is Proposals, Bonds {
    /// @inheritdoc ILanes
    address public immutable override groupRegistry;

    constructor() EIP712("Quorate", "1") {
        groupRegistry = address(new GroupRegistry(address(new GroupAccount())));
    }

    /// @dev What this contract has no function for is the registry's, or nobody's. Assembly, because the answer is passed on
    /// as it is.
    fallback() external {
        address registry = groupRegistry;
        // slither-disable-next-line assembly
        assembly ("memory-safe") {
            let memory_ := mload(0x40)
            calldatacopy(memory_, 0x00, calldatasize())
            let success := delegatecall(gas(), registry, memory_, calldatasize(), 0x00, 0x00)
            returndatacopy(memory_, 0x00, returndatasize())
            if success { return(memory_, returndatasize()) }
            revert(memory_, returndatasize())
        }
    }

    /// @inheritdoc ILanes
    function domainSeparator() external view override returns (bytes32) {
        return _domainSeparatorV4();
    }
}
