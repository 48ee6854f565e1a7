// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {Errors} from "./Errors.sol";
import {Groups} from "./Groups.sol";
import {Call, Scope} from "./Types.sol";

/// @title Permissions
/// @notice What calls a class permits: the same rules as off-chain, where `permit.rs` of the crate `quorate-protocol` has them,
/// but for windows, which are kept here alone. tests/vectors/calls.json and windows.json pin both.
///
/// A call of a class with limits or a list is one of three, looked at in this order. A *token call* sends no ether, goes to a token
/// that has a limit, and is exactly `transfer`, or in the scope `Calls` also `transferFrom`, `approve` or `increaseAllowance`: its
/// last word counts against the limit, whatever the addresses are, and an allowance counts as if it were spent. A call without data
/// sends ether, where ether has a limit. Any other has to be listed, and its ether counts too.
abstract contract Permissions is Groups {
    using SafeCast for uint256;

    /// @dev What calls take of each asset.
    struct Sums {
        address[] assets;
        uint256[] amounts;
        uint256 count;
    }

    uint256 private constant MAXIMUM_CALLS = 32;
    /// @dev In bytes: room for the largest contract's code (EIP-170).
    uint256 private constant MAXIMUM_DATA = 24 * 1024;
    /// @dev Well under what one transaction may take (EIP-7825).
    uint256 private constant MAXIMUM_GAS = 10_000_000;

    bytes4 private constant TRANSFER = 0xa9059cbb;
    bytes4 private constant TRANSFER_FROM = 0x23b872dd;
    bytes4 private constant APPROVE = 0x095ea7b3;
    bytes4 private constant INCREASE_ALLOWANCE = 0x39509351;

    /// @dev Reverts when no proposal may have these calls, whatever its class.
    function _checkCalls(Call[] calldata calls) internal pure {
        uint256 count = calls.length;
        require(count <= MAXIMUM_CALLS, Errors.TooManyCalls(count, MAXIMUM_CALLS));
        uint256 total = 0;
        for (uint256 i = 0; i < count; ++i) {
            total += _checkCall(calls[i], calls[i].data, i);
        }
        require(total <= MAXIMUM_GAS, Errors.TooMuchGas(total, MAXIMUM_GAS));
    }

    /// @dev Reverts when the class does not permit the calls.
    /// @param group The group.
    /// @param class Its class.
    /// @param calls The calls.
    /// @param charge Whether they are about to be made, so that what they send counts in the class' window.
    function _permit(GroupState storage group, ClassState storage class, Call[] calldata calls, bool charge) internal {
        uint256 count = calls.length;
        if (count == 1) {
            _permitOne(group, class, calls[0], charge);
            return;
        }
        _checkCalls(calls);
        Scope scope = class.scope;
        if (count == 0 || scope == Scope.Anything) return;
        Sums memory sums = Sums({assets: new address[](count), amounts: new uint256[](count), count: 0});
        for (uint256 i = 0; i < count; ++i) {
            (, address asset, uint256 amount) = _taken(group, class, scope, calls[i], calls[i].data, i);
            if (amount != 0) _add(sums, asset, amount);
        }
        for (uint256 i = 0; i < sums.count; ++i) {
            address asset = sums.assets[i];
            _take(class, class.limits[asset], asset, sums.amounts[i], charge);
        }
    }

    /// @dev What is left of an asset's window at this moment; the largest number where the class has none.
    function _left(ClassState storage class, address asset) internal view returns (uint256 left) {
        uint256 window = class.window;
        if (window == 0) return type(uint256).max;
        (uint256 previous, uint256 current) = _spent(class.spent[asset], block.timestamp / window);
        return class.limits[asset].perWindow - previous - current;
    }

    // ---------------------------------------------------------------------------------------------------------
    // Private
    // ---------------------------------------------------------------------------------------------------------

    /// @dev The same for one call, as most decisions have: its sum is what the call takes.
    function _permitOne(GroupState storage group, ClassState storage class, Call calldata call, bool charge) private {
        bytes calldata data = call.data;
        uint256 gas = _checkCall(call, data, 0);
        require(gas <= MAXIMUM_GAS, Errors.TooMuchGas(gas, MAXIMUM_GAS));
        Scope scope = class.scope;
        if (scope == Scope.Anything) return;
        (LimitState storage limit, address asset, uint256 amount) = _taken(group, class, scope, call, data, 0);
        if (amount != 0) _take(class, limit, asset, amount, charge);
    }

    /// @dev The gas that a call names, or a revert when no proposal may have it.
    function _checkCall(Call calldata call, bytes calldata data, uint256 position) private pure returns (uint256 gas) {
        uint256 length = data.length;
        gas = call.gas;
        require(length <= MAXIMUM_DATA, Errors.TooMuchData(position, length, MAXIMUM_DATA));
        require(gas != 0 || (length == 0 && !call.allowFailure), Errors.GasNotNamed(position));
    }

    /// @dev Adds what a call takes to the sums.
    function _add(Sums memory sums, address asset, uint256 amount) private pure {
        uint256 at = 0;
        while (at < sums.count && sums.assets[at] != asset) ++at;
        if (at == sums.count) (sums.assets[at], sums.count) = (asset, at + 1);
        sums.amounts[at] += amount;
    }

    /// @dev Holds what the calls take of an asset to the class' limit, and counts it in the window if it is about to be taken.
    ///
    /// Time is cut into buckets as long as the window, and any stretch of time of that length lies within two neighbouring ones:
    /// what left in the last and in this one together stays within the limit, so what leaves in any such stretch does. What was
    /// spent comes back after one to two windows.
    function _take(ClassState storage class, LimitState storage limit, address asset, uint256 sum, bool charge)
        private
    {
        (uint256 perDecision, uint256 perWindow) = (limit.perDecision, limit.perWindow);
        require(sum <= perDecision, Errors.AboveLimit(asset, sum, perDecision));
        uint256 window = class.window;
        if (!charge || window == 0) return;

        uint256 bucket = block.timestamp / window;
        Spent storage spent = class.spent[asset];
        (uint256 previous, uint256 current) = _spent(spent, bucket);
        uint256 left = perWindow - previous - current;
        require(sum <= left, Errors.AboveWindow(asset, sum, left));
        // No window is shorter than an hour, and the sum is no more than what is left of 112 bits.
        unchecked {
            // forge-lint: disable-next-line(unsafe-typecast)
            (spent.bucket, spent.previous, spent.current) = (uint32(bucket), uint112(previous), uint112(current + sum));
        }
    }

    /// @dev What left in the bucket before this one, and in this one.
    function _spent(Spent storage spent, uint256 bucket) private view returns (uint256 previous, uint256 current) {
        uint256 last = spent.bucket;
        // Both are times of blocks, cut by the hour and more.
        // slither-disable-start timestamp,incorrect-equality
        if (bucket == last) return (spent.previous, spent.current);
        if (bucket == last + 1) return (spent.current, 0);
        // slither-disable-end timestamp,incorrect-equality
    }

    /// @dev What a call takes of which asset, with the limit for that, or a revert when the class, which has not the scope `Anything`,
    /// permits no such call, whatever its limits are. The scope `Decisions` comes with neither limits nor a list, and permits none.
    function _taken(
        GroupState storage group,
        ClassState storage class,
        Scope scope,
        Call calldata call,
        bytes calldata data,
        uint256 position
    ) private view returns (LimitState storage limit, address asset, uint256 amount) {
        address target = call.target;
        require(target != address(this) && target != group.account, Errors.CallNotPermitted(position));
        limit = class.limits[address(0)];
        if (scope == Scope.Calls && class.assets.length == 0 && class.targetList.length == 0) return (limit, asset, 0);

        amount = call.value;
        if (data.length == 0 && limit.set) return (limit, asset, amount);
        if (amount == 0 && _isTokenCall(scope, data) && class.limits[target].set) {
            return (class.limits[target], target, uint256(bytes32(data[data.length - 32:])));
        }
        require(scope == Scope.Calls && _isListed(class, target, data), Errors.CallNotPermitted(position));
    }

    /// @dev Whether a list has the target with the function that the data calls, or with none where there is no data.
    function _isListed(ClassState storage class, address target, bytes calldata data) private view returns (bool) {
        // Data that names no function, or the one that a list has for no data, is in no list.
        // The selector is the first four bytes.
        // forge-lint: disable-next-line(unsafe-typecast)
        if (data.length != 0 && (data.length < 4 || bytes4(data) == 0)) return false;
        // The selector is the first four bytes.
        // forge-lint: disable-next-line(unsafe-typecast)
        return class.allowed[keccak256(abi.encode(target, bytes4(data)))];
    }

    /// @dev Whether the data is one of the calls to a token whose last word is all that it can take.
    function _isTokenCall(Scope scope, bytes calldata data) private pure returns (bool) {
        if (data.length == 68) {
            // The selector is the first four bytes.
            // forge-lint: disable-next-line(unsafe-typecast)
            bytes4 selector = bytes4(data);
            if (selector == TRANSFER) return true;
            return scope == Scope.Calls && (selector == APPROVE || selector == INCREASE_ALLOWANCE);
        }
        // The selector is the first four bytes.
        // forge-lint: disable-next-line(unsafe-typecast)
        return scope == Scope.Calls && data.length == 100 && bytes4(data) == TRANSFER_FROM;
    }
}
