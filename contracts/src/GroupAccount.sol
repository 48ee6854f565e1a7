// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {LowLevelCall} from "@openzeppelin/contracts/utils/LowLevelCall.sol";

import {Errors} from "./Errors.sol";
import {IGroupAccount} from "./IGroupAccount.sol";
import {Call} from "./Types.sol";

/// @title GroupAccount
/// @notice See {IGroupAccount}.
/// @dev The coordinator deploys this once and clones it (ERC-1167) for every group. The coordinator's address is an
/// immutable, thus part of the code that the clones delegate to: a clone has no state and no initialiser that
/// somebody could call first, and the implementation itself is inert, because the coordinator never calls it.
contract GroupAccount is IGroupAccount {
    /// @inheritdoc IGroupAccount
    address public immutable override coordinator;

    constructor() {
        coordinator = msg.sender;
    }

    receive() external payable {
        emit Received(msg.sender, msg.value);
    }

    /// @inheritdoc IGroupAccount
    function execute(Call[] calldata calls) external override {
        require(msg.sender == coordinator, Errors.NotCoordinator(msg.sender));

        for (uint256 i = 0; i < calls.length; ++i) {
            Call calldata call = calls[i];
            require(
                _call(call.target, call.value, call.data), Errors.CallFailed(i, call.target, LowLevelCall.returnData())
            );
        }
    }

    /// @dev Assembly, because what a successful call returns is never copied: a target must not make the caller pay for
    /// that. The data is put behind the free memory pointer, and nothing keeps it.
    function _call(address target, uint256 value, bytes calldata data) private returns (bool success) {
        assembly ("memory-safe") {
            let input := mload(0x40)
            calldatacopy(input, data.offset, data.length)
            success := call(gas(), target, value, input, data.length, 0x00, 0x00)
        }
    }
}
