// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {Call} from "./Types.sol";

/// @title IGroupAccount
/// @notice The account of one group: it holds the group's funds and makes the calls that the group decided on.
interface IGroupAccount {
    /// @notice Ether came in by a plain transfer.
    /// @param sender Who sent it.
    /// @param amount Wei.
    event Received(address indexed sender, uint256 amount);

    /// @notice Makes the calls in their order. When one fails all are undone, and the call reverts with
    /// `CallFailed`. As with any call in the EVM, one to an address without code succeeds and does nothing but
    /// transfer its value.
    /// @dev Requires: the caller is the coordinator.
    /// @param calls The calls; none is allowed.
    function execute(Call[] calldata calls) external;

    /// @notice The only account that may call `execute`.
    function coordinator() external view returns (address);
}
