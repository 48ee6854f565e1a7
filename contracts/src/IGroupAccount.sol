// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";

import {Call} from "./Types.sol";

/// @title IGroupAccount
/// @notice The account of one group: it holds the group's funds, ether and tokens (ERC-20, ERC-721, ERC-1155), makes the
/// calls that the group decided on, and answers (ERC-1271) for the hashes that it decided on. For those any signature will
/// do, also an empty one.
interface IGroupAccount is IERC1271 {
    /// @notice Ether came in by a plain transfer.
    /// @param sender Who sent it.
    /// @param amount Wei.
    event Received(address indexed sender, uint256 amount);

    /// @notice The account answers for this hash from now on, or no longer.
    event ApprovalSet(bytes32 indexed hash, bool approved);

    /// @notice Makes the calls in their order. When one fails all are undone, and the call reverts with
    /// `CallFailed`. As with any call in the EVM, one to an address without code succeeds and does nothing but
    /// transfer its value.
    /// @dev Requires: the caller is the coordinator.
    /// @param calls The calls; none is allowed.
    function execute(Call[] calldata calls) external;

    /// @notice Has the account answer for a hash, or no longer: it is as good as the account's signature on it. What is
    /// hashed should name this account, or others that approved the same hash are bound by it too.
    /// @dev Requires: the caller is the account itself, in a call that the group decided on.
    /// @param hash The hash.
    /// @param approved Whether it answers for it.
    function setApproval(bytes32 hash, bool approved) external;

    /// @notice Whether the account answers for the hash.
    function isApproved(bytes32 hash) external view returns (bool);

    /// @notice The only account that may call `execute`.
    function coordinator() external view returns (address);
}
