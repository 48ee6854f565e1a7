// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {Checkpoint} from "../../src/Types.sol";
import {Contradictions} from "../../src/Contradictions.sol";
import {vm} from "../support/Vm.sol";

/// @notice Which two checkpoints no correct replica can have signed both: the branches of "contradict" in Evidence.tree, beside a
/// reference in words of its own, and the vectors that the Rust side makes.
contract ContradictionsTest {
    /// @dev External, so that its arguments become calldata.
    function contradict(Checkpoint calldata first, Checkpoint calldata second) external pure returns (bool) {
        return Contradictions.contradict(first, second);
    }

    function _checkpoint() private pure returns (Checkpoint memory) {
        return Checkpoint({
            groupId: "group",
            epoch: 3,
            sequence: 50,
            logSize: 20,
            logRoot: "log",
            stateRoot: "state",
            inboxCount: 4,
            inboxHash: "inbox",
            nextMembersHash: 0
        });
    }

    /// @dev What the same replica may sign next: everything has grown.
    function _later() private pure returns (Checkpoint memory later) {
        later = _checkpoint();
        (later.sequence, later.logSize, later.logRoot) = (60, 30, "later log");
        (later.inboxCount, later.inboxHash, later.stateRoot) = (5, "later inbox", "later state");
    }

    // ---------------------------------------------------------------------------------------------------------
    // What a correct replica signs
    // ---------------------------------------------------------------------------------------------------------

    function test_TheSameCheckpoint_IsNone() external view {
        _assertCompatible(_checkpoint(), _checkpoint());
    }

    function test_WhatGrew_IsNone() external view {
        _assertCompatible(_checkpoint(), _later());
    }

    /// @dev A batch without entries, or one that takes no message.
    function test_WhatStayed_IsNone() external view {
        Checkpoint memory later = _checkpoint();
        later.sequence += 1;
        later.stateRoot = "later state";
        _assertCompatible(_checkpoint(), later);
    }

    function test_TheNextEpochAfterTheEnd_IsNone() external view {
        Checkpoint memory end = _checkpoint();
        end.nextMembersHash = "next members";
        Checkpoint memory later = _later();
        later.epoch = 4;
        _assertCompatible(end, later);
        later.epoch = 7;
        _assertCompatible(end, later);
        later.nextMembersHash = "end again";
        _assertCompatible(end, later);
    }

    /// @dev What is signed in another era or another group says nothing about this one.
    function test_AnotherEraOrGroup_IsNone() external view {
        Checkpoint memory other = _checkpoint();
        other.stateRoot = "other";
        other.epoch += 1 << 32;
        _assertCompatible(_checkpoint(), other);
        other.epoch = _checkpoint().epoch;
        other.groupId = "other";
        _assertCompatible(_checkpoint(), other);
    }

    // ---------------------------------------------------------------------------------------------------------
    // What none signs
    // ---------------------------------------------------------------------------------------------------------

    /// @dev Of one sequence, whatever differs.
    function test_M1_OneSequenceTwice() external view {
        for (uint256 field = 0; field < 7; ++field) {
            Checkpoint memory other = _checkpoint();
            if (field == 0) other.logSize += 1;
            if (field == 1) other.logRoot = "other";
            if (field == 2) other.stateRoot = "other";
            if (field == 3) other.inboxCount += 1;
            if (field == 4) other.inboxHash = "other";
            if (field == 5) other.nextMembersHash = "other";
            if (field == 6) other.epoch += 1;
            _assertContradicts(_checkpoint(), other);
        }
    }

    function test_M1_OneSizeWithTwoRoots() external view {
        Checkpoint memory other = _later();
        other.logSize = _checkpoint().logSize;
        _assertContradicts(_checkpoint(), other);
    }

    function test_M1_OneCountWithTwoHashes() external view {
        Checkpoint memory other = _later();
        other.inboxCount = _checkpoint().inboxCount;
        _assertContradicts(_checkpoint(), other);
    }

    function test_M1_TheLogShrinks() external view {
        Checkpoint memory other = _later();
        other.logSize = _checkpoint().logSize - 1;
        _assertContradicts(_checkpoint(), other);
    }

    function test_M1_TheInboxShrinks() external view {
        Checkpoint memory other = _later();
        other.inboxCount = _checkpoint().inboxCount - 1;
        _assertContradicts(_checkpoint(), other);
    }

    function test_M1_BeyondTheEnd() external view {
        Checkpoint memory end = _checkpoint();
        end.nextMembersHash = "next members";
        _assertContradicts(end, _later());
    }

    function test_M1_TwoEnds() external view {
        (Checkpoint memory end, Checkpoint memory other) = (_checkpoint(), _later());
        (end.nextMembersHash, other.nextMembersHash) = ("next members", "other members");
        _assertContradicts(end, other);
        other.nextMembersHash = "next members";
        _assertContradicts(end, other);
    }

    function test_M1_TheEpochGoesBack() external view {
        Checkpoint memory other = _later();
        other.epoch -= 1;
        _assertContradicts(_checkpoint(), other);
    }

    // ---------------------------------------------------------------------------------------------------------
    // Any two
    // ---------------------------------------------------------------------------------------------------------

    function test_TheVectors() external view {
        string memory json = vm.readFile("tests/vectors/contradictions.json");
        bytes[] memory encoded = vm.parseJsonBytesArray(json, ".checkpoints");
        bytes[] memory rows = vm.parseJsonBytesArray(json, ".contradicts");
        vm.assertTrue(encoded.length > 50, "checkpoints were read");
        Checkpoint[] memory checkpoints = new Checkpoint[](encoded.length);
        for (uint256 i = 0; i < encoded.length; ++i) {
            checkpoints[i] = abi.decode(encoded[i], (Checkpoint));
        }
        uint256 found = 0;
        for (uint256 i = 0; i < encoded.length; ++i) {
            for (uint256 j = 0; j < encoded.length; ++j) {
                bool expected = rows[i][j] != 0;
                vm.assertEq(this.contradict(checkpoints[i], checkpoints[j]), expected, "a pair");
                if (expected) ++found;
            }
        }
        vm.assertTrue(found > 100, "some contradict");
    }

    /// @dev The order as it is defined, in words of its own, over values that often meet.
    function testFuzz_IsTheOrder(uint256 one, uint256 two) external view {
        (Checkpoint memory first, Checkpoint memory second) = (_drawn(one), _drawn(two));
        bool same = keccak256(abi.encode(first)) == keccak256(abi.encode(second));
        bool expected = first.groupId == second.groupId && first.epoch >> 32 == second.epoch >> 32 && !same
            && !_precedes(first, second) && !_precedes(second, first);
        vm.assertEq(this.contradict(first, second), expected, "contradict");
        vm.assertEq(this.contradict(second, first), expected, "turned");
        vm.assertFalse(this.contradict(first, first), "itself");
    }

    /// @dev What one replica signs one after another is a chain, of which no two contradict each other: what follows from the
    /// order being transitive.
    function testFuzz_NoTwoOfAChain(uint256 seed) external view {
        Checkpoint[6] memory chain;
        chain[0] = _drawn(seed);
        for (uint256 i = 1; i < 6; ++i) {
            chain[i] = _after(chain[i - 1], uint256(keccak256(abi.encode(seed, i))));
            for (uint256 j = 0; j < i; ++j) {
                _assertCompatible(chain[j], chain[i]);
            }
        }
    }

    // ---------------------------------------------------------------------------------------------------------
    // Steps
    // ---------------------------------------------------------------------------------------------------------

    function _precedes(Checkpoint memory x, Checkpoint memory y) private pure returns (bool) {
        if (x.sequence >= y.sequence || x.epoch > y.epoch) return false;
        if (x.epoch == y.epoch && x.nextMembersHash != 0) return false;
        if (x.logSize > y.logSize || (x.logSize == y.logSize && x.logRoot != y.logRoot)) return false;
        return x.inboxCount < y.inboxCount || (x.inboxCount == y.inboxCount && x.inboxHash == y.inboxHash);
    }

    function _drawn(uint256 seed) private pure returns (Checkpoint memory checkpoint) {
        checkpoint = Checkpoint({
            groupId: seed & 15 == 0 ? bytes32("other") : bytes32("group"),
            epoch: uint64(seed >> 4 & 1) | (seed >> 5 & 15 == 0 ? 1 << 32 : 0),
            sequence: uint64(seed >> 16 & 3),
            logSize: uint64(seed >> 24 & 3),
            logRoot: bytes32(seed >> 32 & 1),
            stateRoot: bytes32(seed >> 40 & 1),
            inboxCount: uint64(seed >> 48 & 3),
            inboxHash: bytes32(seed >> 56 & 1),
            nextMembersHash: seed >> 64 & 3 == 0 ? bytes32(seed >> 66 & 1) : bytes32(0)
        });
    }

    /// @dev One that a correct replica may sign after the last.
    function _after(Checkpoint memory last, uint256 seed) private pure returns (Checkpoint memory next) {
        next = abi.decode(abi.encode(last), (Checkpoint));
        next.sequence += uint64(seed & 3) + 1;
        next.stateRoot = bytes32(seed >> 8);
        if (last.nextMembersHash != 0 || seed >> 72 & 3 == 0) next.epoch += uint64(seed >> 74 & 1) + 1;
        next.nextMembersHash = seed >> 76 & 3 == 0 ? bytes32(seed >> 80 | 1) : bytes32(0);
        if (seed >> 16 & 1 == 1) (next.logSize, next.logRoot) = (last.logSize + 1, bytes32(seed >> 17));
        if (seed >> 32 & 1 == 1) (next.inboxCount, next.inboxHash) = (last.inboxCount + 1, bytes32(seed >> 33));
    }

    function _assertContradicts(Checkpoint memory first, Checkpoint memory second) private view {
        vm.assertTrue(this.contradict(first, second), "a contradiction");
        vm.assertTrue(this.contradict(second, first), "a contradiction, turned");
    }

    function _assertCompatible(Checkpoint memory first, Checkpoint memory second) private view {
        vm.assertFalse(this.contradict(first, second), "none");
        vm.assertFalse(this.contradict(second, first), "none, turned");
    }
}
// forge-lint: disable-end(unsafe-typecast)
