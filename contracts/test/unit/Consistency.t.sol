// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {MerkleLog} from "../../src/MerkleLog.sol";
import {Checkpoint} from "../../src/Types.sol";
import {Fixture} from "../support/Fixture.sol";
import {vm} from "../support/Vm.sol";

/// @notice Consistency proofs against a log that is written from the RFC's recursive definitions, by the library alone and by
/// what was anchored: "verifyConsistency" in Anchors.tree.
contract ConsistencyTest is Fixture {
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
    }

    function test_VerifyConsistency_IsFalseForASizeThatWasNotAnchored() external {
        _anchorSize(1, 3);
        _anchorSize(2, 8);
        vm.assertFalse(coordinator.verifyConsistency(groupId, 4, 8, log.consistency(4, 8)), "the first");
        vm.assertFalse(coordinator.verifyConsistency(groupId, 3, 9, log.consistency(3, 9)), "the second");
        vm.assertFalse(coordinator.verifyConsistency(groupId, 4, 4, new bytes32[](0)), "both");
    }

    /// @dev A quorum that forked its log is found out: the two anchors have no proof.
    function test_VerifyConsistency_IsFalseForAFork() external {
        _anchorSize(1, 3);
        Checkpoint memory fork = _checkpoint(2);
        (fork.logSize, fork.logRoot) = (8, "fork");
        coordinator.anchor(fork, _signatures(fork, 0, 3));
        vm.assertFalse(coordinator.verifyConsistency(groupId, 3, 8, log.consistency(3, 8)), "a fork");
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
        Checkpoint memory checkpoint = _checkpoint(sequence);
        (checkpoint.logSize, checkpoint.logRoot) = (size, log.root(size));
        coordinator.anchor(checkpoint, _signatures(checkpoint, 0, 3));
    }
}
// forge-lint: disable-end(unsafe-typecast)
