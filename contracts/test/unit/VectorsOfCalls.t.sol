// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {Errors} from "../../src/Errors.sol";
import {Permissions} from "../../src/Permissions.sol";
import {Call, Class, Limit, Scope} from "../../src/Types.sol";
import {Json} from "../support/Json.sol";
import {vm} from "../support/Vm.sol";

/// @notice calls.json and windows.json, which the Rust side makes: here the contract permits and charges the same cases.
contract VectorsOfCallsTest is Json {
    address private constant COORDINATOR = address(0xc0);
    address private constant PAYEE = address(0xbeef);

    /// @dev With the very error, and the sum of each asset, which a window of any class shows.
    function test_M3_Calls() external {
        _read("calls.json");
        string[] memory names = vm.parseJsonStringArray(json, ".names");
        bytes[] memory classes = vm.parseJsonBytesArray(json, ".classes");
        bytes[] memory calls = vm.parseJsonBytesArray(json, ".calls");
        bytes[] memory errors = vm.parseJsonBytesArray(json, ".errors");
        bytes[] memory sums = vm.parseJsonBytesArray(json, ".sums");
        vm.assertTrue(names.length > 100 && sums.length == names.length, "cases were read");
        Permitter permitter = _permitterAt(_address(".coordinator"), _address(".account"));
        for (uint256 i = 0; i < names.length; ++i) {
            _check(permitter, abi.decode(classes[i], (Class)), calls[i], errors[i], sums[i], names[i]);
        }
    }

    function _check(
        Permitter permitter,
        Class memory class,
        bytes memory calls,
        bytes memory refusal,
        bytes memory sums,
        string memory name
    ) private {
        // Nothing was spent in this window, and there is room for all that a decision may send.
        class.window = 1 hours;
        for (uint256 i = 0; i < class.limits.length; ++i) {
            class.limits[i].perWindow = type(uint112).max;
        }
        vm.warp(block.timestamp + 2 hours);
        permitter.load(class);
        (bool permitted, bytes memory reason) =
            address(permitter).call(abi.encodeCall(Permitter.permit, (abi.decode(calls, (Call[])), true)));
        vm.assertEq(permitted, refusal.length == 0, name);
        if (!permitted) {
            // Where sums do not fit into a word, any refusal will do.
            bool known = keccak256(reason) == keccak256(refusal);
            vm.assertTrue(known || _isBeyondAWord(refusal), name);
            return;
        }
        (address[] memory assets, uint256[] memory amounts) = abi.decode(sums, (address[], uint256[]));
        for (uint256 i = 0; i < class.limits.length; ++i) {
            address asset = class.limits[i].asset;
            uint256 amount = 0;
            for (uint256 j = 0; j < assets.length; ++j) {
                if (assets[j] == asset) amount = amounts[j];
            }
            (, uint256 current) = _at(permitter.spentOf(asset), 1 hours);
            vm.assertEq(current, amount, name);
        }
    }

    function _isBeyondAWord(bytes memory refusal) private pure returns (bool) {
        if (bytes4(refusal) != Errors.AboveLimit.selector) return false;
        uint256 amount;
        assembly ("memory-safe") {
            amount := mload(add(refusal, 0x44))
        }
        return amount == type(uint256).max;
    }

    /// @dev Rows of a history's number, the window, the limit, the time, the sum, whether it is taken, what was left before, and the
    /// word after: bucket, previous, current.
    function test_M3_Windows() external {
        _read("windows.json");
        uint256[] memory values = vm.parseJsonUintArray(json, ".values");
        uint256 columns = _uint(".columns");
        vm.assertTrue(columns == 10 && values.length > 100 && values.length % columns == 0, "rows were read");
        Permitter permitter;
        uint256 history = type(uint256).max;
        for (uint256 at = 0; at < values.length; at += columns) {
            if (values[at] != history) {
                history = values[at];
                permitter = _permitterAt(address(uint160(COORDINATOR) + uint160(history) + 1000), address(0xac));
            }
            _charge(permitter, values, at);
        }
    }

    function _charge(Permitter permitter, uint256[] memory values, uint256 at) private {
        Class memory class;
        (class.scope, class.threshold, class.window) = (Scope.Payments, 7500, uint32(values[at + 1]));
        class.limits = new Limit[](1);
        class.limits[0] = Limit(address(0), type(uint112).max, uint112(values[at + 2]));
        permitter.load(class);
        vm.warp(values[at + 3]);
        Call[] memory payment = new Call[](1);
        (payment[0].target, payment[0].value) = (PAYEE, values[at + 4]);
        (bool taken, bytes memory reason) = address(permitter).call(abi.encodeCall(Permitter.permit, (payment, true)));
        vm.assertEq(taken, values[at + 5] == 1, "taken");
        // What is above any window is above the limit as well.
        if (!taken && values[at + 4] <= type(uint112).max) {
            vm.assertEq(
                reason,
                abi.encodeWithSelector(Errors.AboveWindow.selector, address(0), values[at + 4], values[at + 6]),
                "what is left"
            );
        }
        // Both words as of now: a charge of nothing may leave the one as it was.
        uint256[3] memory expected = [values[at + 7], values[at + 8], values[at + 9]];
        (uint256 previous, uint256 current) = _at(permitter.spentOf(address(0)), values[at + 1]);
        (uint256 expectedPrevious, uint256 expectedCurrent) = _at(expected, values[at + 1]);
        vm.assertEq(previous, expectedPrevious, "previous");
        vm.assertEq(current, expectedCurrent, "current");
    }

    /// @dev What was spent in the bucket before that of this time, and in that itself, by a word of bucket, previous and current.
    function _at(uint256[3] memory spent, uint256 window) private view returns (uint256 previous, uint256 current) {
        uint256 bucket = block.timestamp / window;
        if (bucket == spent[0]) return (spent[1], spent[2]);
        if (bucket == spent[0] + 1) return (spent[2], 0);
    }

    function _permitterAt(address where, address account) private returns (Permitter permitter) {
        vm.etch(where, type(Permitter).runtimeCode);
        permitter = Permitter(where);
        permitter.setAccount(account);
    }
}

/// @notice The coordinator's rules about calls, for one class of one group.
contract Permitter is Permissions {
    bytes32 private constant GROUP = "group";

    function setAccount(address account) external {
        _groups[GROUP].account = account;
    }

    /// @notice Puts the class in place of the last; what was spent stays.
    function load(Class calldata class) external {
        ClassState storage state = _groups[GROUP].classes[0];
        for (uint256 i = 0; i < state.assets.length; ++i) {
            delete state.limits[state.assets[i]];
        }
        for (uint256 i = 0; i < state.targetList.length; ++i) {
            state.allowed[keccak256(abi.encode(state.targetList[i].target, state.targetList[i].selector))] = false;
        }
        delete state.assets;
        delete state.targetList;
        (state.scope, state.threshold, state.window) = (class.scope, class.threshold, class.window);
        for (uint256 i = 0; i < class.limits.length; ++i) {
            Limit calldata limit = class.limits[i];
            state.assets.push(limit.asset);
            state.limits[limit.asset] = LimitState(limit.perDecision, limit.perWindow, true);
        }
        for (uint256 i = 0; i < class.targets.length; ++i) {
            state.targetList.push(class.targets[i]);
            state.allowed[keccak256(abi.encode(class.targets[i].target, class.targets[i].selector))] = true;
        }
    }

    function permit(Call[] calldata calls, bool charge) external {
        _permit(_groups[GROUP], _groups[GROUP].classes[0], calls, charge);
    }

    /// @notice Bucket, previous, current.
    function spentOf(address asset) external view returns (uint256[3] memory) {
        Spent storage spent = _groups[GROUP].classes[0].spent[asset];
        return [uint256(spent.bucket), spent.previous, spent.current];
    }
}
// forge-lint: disable-end(unsafe-typecast)
