// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

/// @title Quorum
/// @notice How many of a group's replicas must agree.
library Quorum {
    /// @notice The quorum of `n` replicas: the smallest number q such that any two sets of q replicas have a correct
    /// one in common when f = (n - 1) / 3 are faulty, that is ceil((n + f + 1) / 2). For n = 3f + 1 it is 2f + 1.
    function size(uint256 n) internal pure returns (uint256) {
        uint256 f = (n - 1) / 3;
        return (n + f) / 2 + 1;
    }
}
