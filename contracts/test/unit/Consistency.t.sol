// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {Errors} from "../../src/Errors.sol";
import {MerkleLog} from "../../src/MerkleLog.sol";
import {Checkpoint} from "../../src/Types.sol";
import {ReferenceLog} from "../support/ReferenceLog.sol";
import {RefusalFixture} from "../support/RefusalFixture.sol";
import {vm} from "../support/Vm.sol";

/// @notice Consistency proofs against a log that is written from the RFC's recursive definitions: by the library alone, in every
/// anchor, and by what was anchored. "verifyConsistency", and what `anchor` has of it, in Anchors.tree.
contract ConsistencyTest is RefusalFixture {
    uint64 private constant LARGEST = 70;

    function setUp() public override {
        super.setUp();
        _fill(LARGEST);
    }

    /// @dev Public, so that the proof becomes calldata.
    function verify(bytes32 first, uint64 firstSize, bytes32 second, uint64 secondSize, bytes32[] calldata proof)
        public
        view
        returns (bool)
    {
        return MerkleLog.verifyConsistency(first, firstSize, second, secondSize, proof);
    }

    // ---------------------------------------------------------------------------------------------------------
    // The library
    // ---------------------------------------------------------------------------------------------------------

    /// @dev Every pair of sizes up to 20; and no proof of one pair is one of another.
    function test_EveryPairOfSizes() external view {
        for (uint64 second = 1; second <= 20; ++second) {
            for (uint64 first = 1; first <= second; ++first) {
                bytes32[] memory proof = log.consistency(first, second);
                vm.assertTrue(_verify(first, second, proof), "consistent");
                for (uint64 other = 1; other <= second; ++other) {
                    if (other == first) continue;
                    vm.assertFalse(this.verify(log.root(first), other, log.root(second), second, proof), "another size");
                    vm.assertFalse(_verify(other, second, proof) && _isOfAnother(first, other, second), "another log");
                }
            }
        }
    }

    function testFuzz_AnyPairOfSizes(uint64 first, uint64 second) external view {
        second = second % LARGEST + 1;
        first = first % second + 1;
        vm.assertTrue(_verify(first, second, log.consistency(first, second)), "consistent");
    }

    function test_NoLogBeginsWithNone() external view {
        vm.assertFalse(this.verify(log.root(0), 0, log.root(5), 5, new bytes32[](0)), "no leaves");
        vm.assertFalse(this.verify(log.root(0), 0, log.root(0), 0, new bytes32[](0)), "neither has");
    }

    function test_NoLogBeginsWithALargerOne() external view {
        vm.assertFalse(this.verify(log.root(6), 6, log.root(5), 5, log.consistency(5, 6)), "larger");
        vm.assertFalse(this.verify(log.root(5), 6, log.root(5), 5, new bytes32[](0)), "larger");
    }

    function test_OfOneSize_NoProofIsNeededAndNoneIsTaken() external view {
        bytes32[] memory some = new bytes32[](1);
        some[0] = log.root(5);
        vm.assertTrue(_verify(5, 5, new bytes32[](0)), "the same");
        vm.assertFalse(_verify(5, 5, some), "with a proof");
        vm.assertFalse(this.verify("other", 5, log.root(5), 5, new bytes32[](0)), "another root");
    }

    function test_AnEmptyProofProvesNothing() external view {
        for (uint64 first = 1; first < 20; ++first) {
            vm.assertFalse(_verify(first, 20, new bytes32[](0)), "nothing");
        }
    }

    function testFuzz_ChangedProofIsRefused(uint64 first, uint64 second, uint256 place, bytes32 change) external view {
        second = second % (LARGEST - 1) + 2;
        first = first % (second - 1) + 1;
        vm.assume(change != 0);
        bytes32[] memory proof = log.consistency(first, second);
        proof[place % proof.length] ^= change;
        vm.assertFalse(_verify(first, second, proof), "changed");
    }

    function testFuzz_ChangedRootIsRefused(uint64 first, uint64 second, bytes32 change) external view {
        second = second % (LARGEST - 1) + 2;
        first = first % (second - 1) + 1;
        vm.assume(change != 0);
        bytes32[] memory proof = log.consistency(first, second);
        vm.assertFalse(this.verify(log.root(first) ^ change, first, log.root(second), second, proof), "the first");
        vm.assertFalse(this.verify(log.root(first), first, log.root(second) ^ change, second, proof), "the second");
        vm.assertFalse(this.verify(log.root(second), first, log.root(first), second, proof), "turned");
    }

    function testFuzz_LongerOrShorterProofIsRefused(uint64 first, uint64 second, bytes32 extra) external view {
        second = second % (LARGEST - 1) + 2;
        first = first % (second - 1) + 1;
        bytes32[] memory proof = log.consistency(first, second);
        bytes32[] memory longer = new bytes32[](proof.length + 1);
        bytes32[] memory shorter = new bytes32[](proof.length - 1);
        for (uint256 i = 0; i < proof.length; ++i) {
            longer[i] = proof[i];
            if (i < shorter.length) shorter[i] = proof[i];
        }
        longer[proof.length] = extra;
        vm.assertFalse(_verify(first, second, longer), "longer");
        vm.assertFalse(_verify(first, second, shorter), "shorter");
    }

    /// @dev A log of the largest size that can be told, with a proof that does not end.
    function test_TheLargestSizes() external view {
        bytes32[] memory proof = new bytes32[](65);
        vm.assertFalse(this.verify("one", 1, "other", type(uint64).max, proof), "from one");
        vm.assertFalse(this.verify("one", 1 << 63, "other", type(uint64).max, proof), "from half");
        vm.assertFalse(this.verify("one", type(uint64).max - 1, "other", type(uint64).max, proof), "from all but one");
    }

    // ---------------------------------------------------------------------------------------------------------
    // In every anchor
    // ---------------------------------------------------------------------------------------------------------

    /// @dev Every pair of sizes up to 9, one anchored after the other in a group of its own.
    function test_M4_EveryAnchorExtendsTheLast() external {
        for (uint64 second = 2; second <= 9; ++second) {
            for (uint64 first = 1; first < second; ++first) {
                groupId = _createGroup(_members(4), _termsOf(7500), bytes32(uint256(second) << 8 | first));
                _anchorSize(1, first);
                _anchorSize(2, second);
                vm.assertEq(coordinator.anchoredRoot(groupId, second), log.root(second), "anchored");
            }
        }
    }

    /// @dev A quorum cannot rewrite its history: neither what is anchored for a size, nor what comes before a later one.
    function test_M4_AQuorumCannotRewriteHistory() external {
        _anchorSize(1, 8);
        ReferenceLog other = new ReferenceLog();
        for (uint64 i = 0; i < 20; ++i) {
            other.append(abi.encode("another history", i));
        }
        Checkpoint memory fork = _checkpointTaking(2, 0);
        (fork.logSize, fork.logRoot) = (20, other.root(20));
        _expectRefusal(fork, other.consistency(8, 20), _noTaken(), _notConsistent(8, 20));
        _expectRefusal(fork, log.consistency(8, 20), _noTaken(), _notConsistent(8, 20));
        _expectRefusal(fork, new bytes32[](0), _noTaken(), _notConsistent(8, 20));

        (fork.logSize, fork.logRoot) = (8, other.root(8));
        _expectRefusal(fork, new bytes32[](0), _noTaken(), _notConsistent(8, 8));
    }

    function test_M4_RevertWhen_TheProofIsOfAnotherSize() external {
        _anchorSize(1, 8);
        _anchorSize(2, 12);
        Checkpoint memory checkpoint = _checkpointTaking(3, 0);
        (checkpoint.logSize, checkpoint.logRoot) = (20, log.root(20));
        // Of an older anchor, which is consistent too, but not the last.
        _expectRefusal(checkpoint, log.consistency(8, 20), _noTaken(), _notConsistent(12, 20));
        _expectRefusal(checkpoint, log.consistency(12, 21), _noTaken(), _notConsistent(12, 20));
        _anchorSize(3, 20);
    }

    function test_M4_RevertWhen_AnyNodeIsChangedAddedOrMissing() external {
        _anchorSize(1, 7);
        Checkpoint memory checkpoint = _checkpointTaking(2, 0);
        (checkpoint.logSize, checkpoint.logRoot) = (20, log.root(20));
        bytes32[] memory proof = log.consistency(7, 20);
        bytes32[] memory longer = new bytes32[](proof.length + 1);
        bytes32[] memory shorter = new bytes32[](proof.length - 1);
        for (uint256 i = 0; i < proof.length; ++i) {
            longer[i] = proof[i];
            if (i < shorter.length) shorter[i] = proof[i];
            proof[i] ^= bytes32(uint256(1));
            _expectRefusal(checkpoint, proof, _noTaken(), _notConsistent(7, 20));
            proof[i] ^= bytes32(uint256(1));
        }
        _expectRefusal(checkpoint, longer, _noTaken(), _notConsistent(7, 20));
        _expectRefusal(checkpoint, shorter, _noTaken(), _notConsistent(7, 20));
    }

    function test_M4_RevertWhen_ALogThatDidNotGrowHasAProof() external {
        _anchorSize(1, 8);
        Checkpoint memory checkpoint = _checkpointTaking(2, 0);
        (checkpoint.logSize, checkpoint.logRoot) = (8, log.root(8));
        _expectRefusal(checkpoint, log.consistency(7, 8), _noTaken(), _notConsistent(8, 8));
    }

    /// @dev The first anchor takes any log, by no proof.
    function test_M4_RevertWhen_TheFirstAnchorHasAProof() external {
        Checkpoint memory checkpoint = _checkpointTaking(1, 0);
        (checkpoint.logSize, checkpoint.logRoot) = (8, log.root(8));
        _expectRefusal(checkpoint, log.consistency(7, 8), _noTaken(), _notConsistent(0, 8));
        _anchorSize(1, 8);
    }

    /// @dev No root is ever replaced, not even that of the log without entries, which any log begins with.
    function test_M4_AfterAnEmptyLog() external {
        _anchorSize(1, 0);
        Checkpoint memory checkpoint = _checkpointTaking(2, 0);
        (checkpoint.logSize, checkpoint.logRoot) = (0, "other");
        _expectRefusal(checkpoint, new bytes32[](0), _noTaken(), _notConsistent(0, 0));
        _anchorSize(2, 0);
        vm.assertEq(coordinator.anchoredRoot(groupId, 0), sha256(""), "the root");
        _anchorSize(3, 5);
        vm.assertFalse(coordinator.verifyConsistency(groupId, 0, 5, new bytes32[](0)), "nothing is proven by it");
    }

    // ---------------------------------------------------------------------------------------------------------
    // By what was anchored
    // ---------------------------------------------------------------------------------------------------------

    function test_VerifyConsistency_OfAnchoredSizes() external {
        _anchorSize(1, 3);
        _anchorSize(2, 8);
        _anchorSize(3, 20);
        uint64[3] memory sizes = [uint64(3), 8, 20];
        for (uint256 i = 0; i < 3; ++i) {
            for (uint256 j = i; j < 3; ++j) {
                bytes32[] memory proof = log.consistency(sizes[i], sizes[j]);
                vm.assertTrue(coordinator.verifyConsistency(groupId, sizes[i], sizes[j], proof), "consistent");
            }
        }
        bytes32[] memory turned = log.consistency(3, 8);
        vm.assertFalse(coordinator.verifyConsistency(groupId, 8, 3, turned), "turned");
        turned[0] = "other";
        vm.assertFalse(coordinator.verifyConsistency(groupId, 3, 8, turned), "changed");
    }

    function test_VerifyConsistency_RevertWhen_GroupIsUnknown() external {
        vm.expectRevert(abi.encodeWithSelector(Errors.UnknownGroup.selector, bytes32("none")));
        coordinator.verifyConsistency("none", 3, 8, new bytes32[](0));
    }

    function test_VerifyConsistency_IsFalseForASizeThatWasNotAnchored() external {
        _anchorSize(1, 3);
        _anchorSize(2, 8);
        vm.assertFalse(coordinator.verifyConsistency(groupId, 4, 8, log.consistency(4, 8)), "the first");
        vm.assertFalse(coordinator.verifyConsistency(groupId, 3, 9, log.consistency(3, 9)), "the second");
        vm.assertFalse(coordinator.verifyConsistency(groupId, 4, 4, new bytes32[](0)), "both");
    }

    // ---------------------------------------------------------------------------------------------------------
    // Steps
    // ---------------------------------------------------------------------------------------------------------

    function _verify(uint64 first, uint64 second, bytes32[] memory proof) private view returns (bool) {
        return this.verify(log.root(first), first, log.root(second), second, proof);
    }

    /// @dev Whether the two have different proofs in the third: those of one pair may be those of another only if equal.
    function _isOfAnother(uint64 first, uint64 other, uint64 second) private view returns (bool) {
        return
            keccak256(abi.encode(log.consistency(first, second)))
                != keccak256(abi.encode(log.consistency(other, second)));
    }

    function _anchorSize(uint64 sequence, uint64 size) private {
        Checkpoint memory checkpoint = _checkpointTaking(sequence, 0);
        (checkpoint.logSize, checkpoint.logRoot) = (size, log.root(size));
        _anchor(checkpoint, 0, 3);
    }

    function _notConsistent(uint64 last, uint64 size) private pure returns (bytes memory) {
        return abi.encodeWithSelector(Errors.NotConsistent.selector, last, size);
    }
}
// forge-lint: disable-end(unsafe-typecast)
