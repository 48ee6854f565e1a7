// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {Member} from "../../src/Types.sol";
import {vm} from "./Vm.sol";

/// @notice How the golden vectors are read: a file at a time.
abstract contract Json {
    string internal json;

    function _read(string memory name) internal {
        json = vm.readFile(string.concat("tests/vectors/", name));
    }

    function _bytes32(string memory key) internal view returns (bytes32) {
        return vm.parseJsonBytes32(json, key);
    }

    function _bytes(string memory key) internal view returns (bytes memory) {
        return vm.parseJsonBytes(json, key);
    }

    function _address(string memory key) internal view returns (address) {
        return vm.parseJsonAddress(json, key);
    }

    function _uint(string memory key) internal view returns (uint256) {
        return vm.parseJsonUint(json, key);
    }

    function _uint64(string memory key) internal view returns (uint64) {
        uint256 value = _uint(key);
        vm.assertLe(value, type(uint64).max, key);
        // forge-lint: disable-next-line(unsafe-typecast)
        return uint64(value);
    }

    function _uint8(string memory key) internal view returns (uint8) {
        uint256 value = _uint(key);
        vm.assertLe(value, type(uint8).max, key);
        // forge-lint: disable-next-line(unsafe-typecast)
        return uint8(value);
    }

    /// @dev The members that are objects of the array.
    function _membersIn(string memory array) internal view returns (Member[] memory members) {
        members = new Member[](_length(array));
        for (uint256 i = 0; i < members.length; ++i) {
            members[i] = Member({
                account: _address(_at(array, i, ".account")),
                key: _bytes32(_at(array, i, ".key")),
                weight: _uint64(_at(array, i, ".weight")),
                flags: _uint8(_at(array, i, ".flags"))
            });
        }
    }

    function _length(string memory array) internal view returns (uint256 length) {
        while (vm.keyExistsJson(json, _at(array, length, ""))) ++length;
    }

    function _at(string memory array, uint256 index, string memory field) internal pure returns (string memory) {
        return string.concat(array, "[", vm.toString(index), "]", field);
    }
}
