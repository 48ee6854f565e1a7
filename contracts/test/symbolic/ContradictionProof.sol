// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {Contradictions} from "../../src/Contradictions.sol";
import {Checkpoint} from "../../src/Types.sol";
import {vm} from "../support/Vm.sol";

/// @notice That what one correct replica signs, a chain under the order, never convicts it.
///
/// For any checkpoints, with nothing assumed of them but what each check says, and without bounds: there are no loops. Of
/// two of one group and era that differ, the one with the lower sequence precedes the other exactly when they do not contradict each
/// other.
///
/// Not proven: that a replica signs a chain (`quorate-pbft`'s to keep), and that two checkpoints that differ have different hashes,
/// which is that `keccak256` has no collisions.
contract ContradictionProof {
    /// @notice Proven: whether two contradict each other does not depend on which is the first.
    function check_ContradictionIsSymmetric(Checkpoint calldata x, Checkpoint calldata y) external pure {
        assert(Contradictions.contradict(x, y) == Contradictions.contradict(y, x));
    }

    /// @notice Proven: nothing contradicts itself, and nothing of another group or era; and what precedes another has a lower
    /// sequence, so nothing precedes itself: of two that differ, one sequence twice is a contradiction.
    function check_TheOrderIsIrreflexive(Checkpoint calldata x, Checkpoint calldata y) external pure {
        assert(!Contradictions.contradict(x, x));
        bool related = x.groupId == y.groupId && x.epoch >> 32 == y.epoch >> 32;
        bool contradict = Contradictions.contradict(x, y);
        if (!related) assert(!contradict);
        if (related && x.sequence == y.sequence) assert(contradict == _differ(x, y));
    }

    /// @notice Proven: the order is transitive: of a chain of three the first and the last do not contradict each other, nor, by
    /// induction, any two of any chain. The order is that of the check below.
    function check_TheOrderIsTransitive(Checkpoint calldata x, Checkpoint calldata y, Checkpoint calldata z)
        external
        pure
    {
        _assumePrecedes(x, y);
        _assumePrecedes(y, z);
        assert(!Contradictions.contradict(x, z));
    }

    /// @notice Proven: of two of one group and era with different sequences, the answer is that of the order as ARCHITECTURE.md has
    /// it, condition by condition.
    function check_AContradictionIsWhatTheOrderForbids(Checkpoint calldata x, Checkpoint calldata y) external pure {
        vm.assume(x.groupId == y.groupId && x.epoch >> 32 == y.epoch >> 32 && x.sequence < y.sequence);
        bool goesBack = x.epoch > y.epoch || x.logSize > y.logSize || x.inboxCount > y.inboxCount;
        bool twoRoots = x.logSize == y.logSize && x.logRoot != y.logRoot;
        bool twoHashes = x.inboxCount == y.inboxCount && x.inboxHash != y.inboxHash;
        bool beyondTheEnd = x.epoch == y.epoch && x.nextMembersHash != 0;
        assert(Contradictions.contradict(x, y) == (goesBack || twoRoots || twoHashes || beyondTheEnd));
    }

    function _assumePrecedes(Checkpoint calldata x, Checkpoint calldata y) private pure {
        vm.assume(x.groupId == y.groupId);
        vm.assume(x.epoch >> 32 == y.epoch >> 32);
        vm.assume(x.sequence < y.sequence);
        vm.assume(x.epoch <= y.epoch);
        vm.assume(x.logSize <= y.logSize);
        vm.assume(x.inboxCount <= y.inboxCount);
        vm.assume(_either(x.logSize != y.logSize, x.logRoot == y.logRoot));
        vm.assume(_either(x.inboxCount != y.inboxCount, x.inboxHash == y.inboxHash));
        vm.assume(_either(x.epoch != y.epoch, x.nextMembersHash == 0));
    }

    /// @dev Without a branch, each of which doubles the paths.
    function _either(bool one, bool other) private pure returns (bool holds) {
        assembly ("memory-safe") {
            holds := or(one, other)
        }
    }

    function _differ(Checkpoint calldata x, Checkpoint calldata y) private pure returns (bool) {
        return x.groupId != y.groupId || x.epoch != y.epoch || x.sequence != y.sequence || x.logSize != y.logSize
            || x.logRoot != y.logRoot || x.stateRoot != y.stateRoot || x.inboxCount != y.inboxCount
            || x.inboxHash != y.inboxHash || x.nextMembersHash != y.nextMembersHash;
    }
}
