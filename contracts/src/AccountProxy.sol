// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {IGroupAccount} from "./IGroupAccount.sol";

/// @title AccountProxy
/// @notice The address of a group's account. It takes ether by itself; all else is `GroupAccount`'s, by `delegatecall`.
/// @dev Its own `receive`, because a plain transfer gives 2,300 gas, and the first look at another contract alone takes 2,600
/// (EIP-2929). The implementation is part of the code: nobody can put another in its place, and there is nothing to initialise.
contract AccountProxy {
    address private immutable _implementation;

    /// @param implementation The coordinator's `GroupAccount`.
    constructor(address implementation) {
        // The coordinator alone makes proxies that count, and it has made the implementation before.
        // slither-disable-next-line missing-zero-check
        _implementation = implementation;
    }

    receive() external payable {
        emit IGroupAccount.Received(msg.sender, msg.value);
    }

    /// @dev Assembly, because the answer is passed on as it is.
    fallback() external payable {
        address implementation = _implementation;
        // slither-disable-next-line assembly
        assembly ("memory-safe") {
            let memory_ := mload(0x40)
            calldatacopy(memory_, 0x00, calldatasize())
            let success := delegatecall(gas(), implementation, memory_, calldatasize(), 0x00, 0x00)
            returndatacopy(memory_, 0x00, returndatasize())
            if success { return(memory_, returndatasize()) }
            revert(memory_, returndatasize())
        }
    }
}
