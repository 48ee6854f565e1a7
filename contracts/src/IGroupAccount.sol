// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";

import {Call} from "./Types.sol";

/// @title IGroupAccount
/// @notice The account of one group: it holds the group's funds, ether and tokens (ERC-20, ERC-721, ERC-1155), makes the
/// calls that the group decided on, and answers (ERC-1271) for the hashes that it decided on. For those any signature will
/// do, also an empty one. It is an `AccountProxy`, which takes ether for 2,300 gas by itself.
interface IGroupAccount is IERC1271 {
    /// @notice Ether came in by a plain transfer.
    /// @param sender Who sent it.
    /// @param amount Wei.
    event Received(address indexed sender, uint256 amount);

    /// @notice The account answers for this hash until then (Unix time), or, with 0, no longer.
    event ApprovalSet(bytes32 indexed hash, uint64 until);

    /// @notice Functions that the account has not are asked of this contract from now on; 0 for none.
    /// @dev One account tells it, and seldom: nobody looks for a handler.
    // slither-disable-next-line unindexed-event-address
    event FallbackHandlerSet(address handler);

    /// @notice Makes the calls in their order. When one fails that must not, all are undone.
    ///
    /// A call has failed when it reverts; when it has data, goes to an address without code, and does not allow that; and when
    /// it is `transfer`, `transferFrom`, `approve` or `increaseAllowance` and returns a word of zero.
    /// @dev Requires: the caller is the coordinator; before each call that names an amount of gas, that much and 40,000 are left
    /// to give it, so that nobody can burn a decision by its gas. A call that may fail is given just what it names, so that it cannot
    /// burn what the calls behind it need.
    /// @param calls The calls; none is allowed.
    /// @return failures Bit i is set when call i failed, which it was allowed to.
    function execute(Call[] calldata calls) external returns (uint256 failures);

    /// @notice Has the account answer for a hash: it is as good as the account's signature on it. What is hashed should name
    /// this account, or others that approved the same hash are bound by it too.
    /// @dev Requires: the caller is the account itself, in a call that the group decided on; the time is at most 365 days ahead.
    /// @param hash The hash.
    /// @param until The last second (Unix time) at which it answers for it; 0 takes it back.
    function setApproval(bytes32 hash, uint64 until) external;

    /// @notice As `setApproval`, for an EIP-712 message, which voters can read: the account works out its hash.
    /// @dev Requires what `setApproval` requires.
    /// @param domainSeparator The domain separator of the contract that asks.
    /// @param typeString The message's type, as EIP-712 encodes it.
    /// @param data The message's values, as EIP-712 encodes them: a word each.
    /// @param until As for `setApproval`.
    /// @return hash The hash that it answers for.
    function setTypedApproval(bytes32 domainSeparator, string calldata typeString, bytes calldata data, uint64 until)
        external
        returns (bytes32 hash);

    /// @notice Sets who answers for functions that the account has not. The handler is called statically, with the caller's
    /// address behind the calldata (ERC-2771's form): it can change nothing, and act for nobody.
    /// @dev Requires: the caller is the account itself.
    /// @param handler The contract, or 0.
    function setFallbackHandler(address handler) external;

    /// @notice Until when (Unix time) the account answers for the hash; 0 if it never did.
    function approvedUntil(bytes32 hash) external view returns (uint64);

    /// @notice Who answers for functions that the account has not, or 0.
    function fallbackHandler() external view returns (address);

    /// @notice The only account that may call `execute`.
    function coordinator() external view returns (address);
}
