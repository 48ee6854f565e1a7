// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {TermsRules} from "../../src/TermsRules.sol";
import {Terms} from "../../src/Types.sol";
import {Json} from "../support/Json.sol";
import {vm} from "../support/Vm.sol";

/// @notice terms.json, which the Rust side makes: here the contract decides the same cases, at, below and above each bound.
contract VectorsOfTermsTest is Json {
    function test_L9_Terms() external {
        _read("terms.json");
        string[] memory names = vm.parseJsonStringArray(json, ".names");
        bytes[] memory inputs = vm.parseJsonBytesArray(json, ".inputs");
        bytes[] memory errors = vm.parseJsonBytesArray(json, ".errors");
        vm.assertTrue(names.length > 100, "cases were read");
        vm.assertTrue(names.length == inputs.length && names.length == errors.length, "columns");
        // It checks as the coordinator, which is no target and no asset.
        address coordinator = _address(".coordinator");
        vm.etch(coordinator, type(TermsChecker).runtimeCode);
        address account = _address(".account");
        for (uint256 i = 0; i < names.length; ++i) {
            Terms memory terms = abi.decode(inputs[i], (Terms));
            (bool sound, bytes memory refusal) =
                coordinator.staticcall(abi.encodeCall(TermsChecker.check, (terms, account)));
            vm.assertEq(sound, errors[i].length == 0, names[i]);
            vm.assertEq(refusal, errors[i], names[i]);
        }
    }
}

contract TermsChecker {
    function check(Terms calldata terms, address account) external view {
        TermsRules.check(terms, account);
    }
}
