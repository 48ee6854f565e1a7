// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {Errors} from "./Errors.sol";

/// @title Module
/// @notice A contract whose code the coordinator runs by `delegatecall` on its own storage, because one contract has not room for
/// all (EIP-170). The coordinator's immutables name its modules, so that nobody can put others in their place.
/// @dev A module has no constructor arguments, so that its address follows from its code, no storage of its own, and no
/// `delegatecall`.
abstract contract Module {
    address private immutable _self = address(this);

    /// @dev On every function that changes anything: somebody who took a module for the coordinator would make groups that nothing
    /// can drive, and send it bonds that nobody gets back.
    modifier onlyDelegated() {
        require(address(this) != _self, Errors.NotDelegated());
        _;
    }
}
