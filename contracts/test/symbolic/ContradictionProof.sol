// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {Contradictions} from "../../src/Contradictions.sol";
import {Checkpoint} from "../../src/Types.sol";
import {vm} from "../support/Vm.sol";

/// @notice That what one correct replica signs, a chain under the order, never convicts it.
///
/// For any checkpoints, with nothing assumed of them but what each check says, and without bounds: there are no loops. The library
/// tells the order itself in its answers: of two of one group and era that differ, the one with the lower sequence precedes the
/// other exactly when they do not contradict each other.
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

    /// @notice Proven: the order is transitive, so no two of a chain of three contradict each other, nor, by induction, of any
    /// chain.
    function check_TheOrderIsTransitive(Checkpoint calldata x, Checkpoint calldata y, Checkpoint calldata z)
        external
        pure
    {
        vm.assume(_precedes(x, y) && _precedes(y, z));
        assert(_precedes(x, z));
        assert(!Contradictions.contradict(x, z) && !Contradictions.contradict(z, x));
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

    /// @dev What the library's answers say of the order.
    function _precedes(Checkpoint calldata x, Checkpoint calldata y) private pure returns (bool) {
        return x.groupId == y.groupId && x.epoch >> 32 == y.epoch >> 32 && x.sequence < y.sequence
            && !Contradictions.contradict(x, y);
    }

    function _differ(Checkpoint calldata x, Checkpoint calldata y) private pure returns (bool) {
        return x.groupId != y.groupId || x.epoch != y.epoch || x.sequence != y.sequence || x.logSize != y.logSize
            || x.logRoot != y.logRoot || x.stateRoot != y.stateRoot || x.inboxCount != y.inboxCount
            || x.inboxHash != y.inboxHash || x.nextMembersHash != y.nextMembersHash;
    }
}
