// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {Checkpoint} from "./Types.sol";

/// @title Contradictions
/// @notice Which two checkpoints no correct replica can have signed both.
///
/// All that one correct replica signs in an era is a chain under one order: x precedes y when its sequence is lower, neither its
/// epoch, nor its log, nor its inbox is greater, the roots are one where the logs are of one size and the hashes are where the
/// inboxes are, and it did not end the epoch of y. Two that are neither the same nor in that order contradict each other: one
/// sequence twice, one size with two roots, a log or an inbox that shrinks, beyond an epoch's end, two ends, one sequence in two
/// epochs, epochs that go back.
/// @dev The same rule as off-chain, where `checkpoint.rs` of the crate `quorate-protocol` has it. tests/vectors/contradictions.json
/// pins both.
library Contradictions {
    /// @notice Whether the two contradict each other; never across groups and eras.
    function contradict(Checkpoint calldata first, Checkpoint calldata second) internal pure returns (bool) {
        if (first.groupId != second.groupId || first.epoch >> 32 != second.epoch >> 32) return false;
        bool same = keccak256(abi.encode(first)) == keccak256(abi.encode(second));
        return !same && !_precedes(first, second) && !_precedes(second, first);
    }

    function _precedes(Checkpoint calldata x, Checkpoint calldata y) private pure returns (bool) {
        return x.sequence < y.sequence && x.epoch <= y.epoch && x.logSize <= y.logSize && x.inboxCount <= y.inboxCount
            && (x.logSize != y.logSize || x.logRoot == y.logRoot)
            && (x.inboxCount != y.inboxCount || x.inboxHash == y.inboxHash)
            && (x.epoch != y.epoch || x.nextMembersHash == 0);
    }
}
