// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

/// @notice Frees storage, by which whoever sends the transaction has gas back (EIP-3529).
contract Clearer {
    uint256[] private _slots;

    function fill(uint256 count) external {
        for (uint256 i = 0; i < count; ++i) {
            _slots.push(1);
        }
    }

    function clear() external {
        delete _slots;
    }
}
