// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {Quorum} from "../../src/Quorum.sol";
import {vm} from "../support/Vm.sol";

contract QuorumTest {
    /// @dev What PBFT rests on, for every size of a group: two quorums have a correct replica in common, and the
    /// correct replicas alone make a quorum. And no smaller number would do.
    function test_QuorumsIntersectAndAreReachable() external pure {
        for (uint256 n = 4; n <= 64; ++n) {
            uint256 faults = 0;
            while (3 * (faults + 1) + 1 <= n) ++faults;
            uint256 quorum = Quorum.size(n);
            vm.assertTrue(2 * quorum > n + faults, "two quorums have a correct replica in common");
            vm.assertTrue(2 * (quorum - 1) <= n + faults, "no smaller number would do");
            vm.assertTrue(quorum <= n - faults, "the correct replicas alone make a quorum");
            if (n == 3 * faults + 1) vm.assertEq(quorum, 2 * faults + 1, "2f + 1");
        }
    }
}
