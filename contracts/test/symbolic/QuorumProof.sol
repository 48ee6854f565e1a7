// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {Quorum} from "../../src/Quorum.sol";
import {vm} from "../support/Vm.sol";

/// @notice What PBFT rests on, for every size that a group can have.
contract QuorumProof {
    /// @notice Proven: any two quorums have more than f replicas in common, thus a correct one; and the correct replicas
    /// alone make a quorum.
    /// Bounds: 4 to 64 replicas. Not proven: that no smaller number would do, which `test/unit/Quorum.t.sol` tests.
    function check_QuorumsIntersectAndAreReachable(uint256 n) external pure {
        vm.assume(n >= 4 && n <= 64);
        uint256 faults = (n - 1) / 3;
        uint256 quorum = Quorum.size(n);
        // Two sets of `quorum` out of `n` have at least 2 * quorum - n in common.
        assert(2 * quorum - n > faults);
        assert(n - faults >= quorum);
    }
}
