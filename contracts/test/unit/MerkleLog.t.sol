// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {MerkleLog} from "../../src/MerkleLog.sol";
import {Entry, OUTCOME_RECORDED} from "../../src/Types.sol";
import {ReferenceLog} from "../support/ReferenceLog.sol";
import {vm} from "../support/Vm.sol";

/// @notice The Merkle log's verifier against a log that is written from the RFC's recursive definitions.
contract MerkleLogTest {
    uint64 private constant LARGEST = 40;

    ReferenceLog private _log;

    function setUp() external {
        _log = new ReferenceLog();
        for (uint256 i = 0; i < LARGEST; ++i) {
            _log.append(abi.encode(i));
        }
    }

    /// @dev Public, so that the proof becomes calldata.
    function verify(bytes32 root, uint64 size, uint64 index, bytes32 leaf, bytes32[] calldata proof)
        public
        view
        returns (bool)
    {
        return MerkleLog.verify(root, size, index, leaf, proof);
    }

    function verifyMany(
        bytes32 root,
        uint64 size,
        uint256[] memory indices,
        bytes32[] memory leaves,
        bytes32[] calldata proof
    ) public view returns (bool) {
        return MerkleLog.verifyMany(root, size, indices, leaves, proof);
    }

    function hashNode(bytes32 left, bytes32 right) public view returns (bytes32) {
        return MerkleLog.hashNode(left, right);
    }

    function verifyConsistency(
        bytes32 first,
        uint64 firstSize,
        bytes32 second,
        uint64 secondSize,
        bytes32[] calldata proof
    ) public view returns (bool) {
        return MerkleLog.verifyConsistency(first, firstSize, second, secondSize, proof);
    }

    function hashEntry(Entry calldata entry) public pure returns (bytes32) {
        return MerkleLog.hashEntry(entry);
    }

    function hashLeafAt(Entry calldata entry) public view returns (bytes32) {
        uint256 place;
        assembly ("memory-safe") {
            place := entry
        }
        return MerkleLog.hashLeafAt(place, entry.kind, entry.status, entry.subject);
    }

    /// @dev The tree of eight leaves that implementations of Certificate Transparency have in common.
    function test_TheReferenceHasTheKnownRoot() external {
        ReferenceLog known = new ReferenceLog();
        bytes[8] memory leaves = [
            bytes(""),
            hex"00",
            hex"10",
            hex"2021",
            hex"3031",
            hex"40414243",
            hex"5051525354555657",
            hex"606162636465666768696a6b6c6d6e6f"
        ];
        for (uint256 i = 0; i < 8; ++i) {
            known.append(leaves[i]);
        }
        vm.assertEq(known.root(0), 0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855, "0");
        vm.assertEq(known.root(1), 0x6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d, "1");
        vm.assertEq(known.root(2), 0xfac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125, "2");
        vm.assertEq(known.root(3), 0xaeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77, "3");
        vm.assertEq(known.root(5), 0x4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4, "5");
        vm.assertEq(known.root(8), 0x5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328, "8");
    }

    function test_EveryLeafOfEveryTree() external view {
        for (uint64 size = 1; size <= LARGEST; ++size) {
            bytes32 root = _log.root(size);
            for (uint64 index = 0; index < size; ++index) {
                vm.assertTrue(this.verify(root, size, index, _log.leafHash(index), _log.path(index, size)), "included");
            }
        }
    }

    /// @dev A proof is good for one leaf at one index only. The size cannot be told from every proof, but the root
    /// fixes it: a root is anchored together with its size.
    function test_NoOtherIndex() external view {
        for (uint64 size = 1; size <= 17; ++size) {
            bytes32 root = _log.root(size);
            for (uint64 index = 0; index < size; ++index) {
                bytes32[] memory path = _log.path(index, size);
                for (uint64 other = 0; other <= size; ++other) {
                    if (other == index) continue;
                    vm.assertFalse(this.verify(root, size, other, _log.leafHash(index), path), "another index");
                }
            }
        }
    }

    function test_IndexMustBeBelowSize() external view {
        vm.assertFalse(this.verify(_log.root(1), 0, 0, _log.leafHash(0), new bytes32[](0)), "empty tree");
        vm.assertFalse(this.verify(_log.root(1), 1, 1, _log.leafHash(0), new bytes32[](0)), "one past the end");
        vm.assertFalse(
            this.verify(_log.root(1), 1, type(uint64).max, _log.leafHash(0), new bytes32[](0)), "far past the end"
        );
    }

    /// @dev An inner node must not pass for a leaf: the prefixes 0x00 and 0x01 keep them apart.
    function test_AnInnerNodeIsNoLeaf() external view {
        bytes memory node = bytes.concat(_log.leafHash(0), _log.leafHash(1));
        bytes32[] memory path = new bytes32[](1);
        path[0] = _log.path(0, 4)[1];
        vm.assertFalse(this.verify(_log.root(4), 2, 0, sha256(bytes.concat(hex"00", node)), path), "a leaf");
        // With the hash of the node itself the path does lead to the root, so it is the leaf's prefix that counts.
        vm.assertTrue(this.verify(_log.root(4), 2, 0, sha256(bytes.concat(hex"01", node)), path), "a node");
    }

    /// @dev The plain form of what is written in assembly; memory that is in use must stay as it is.
    function testFuzz_NodeIsHashedAsItsBytes(bytes32 left, bytes32 right, bytes calldata other) external view {
        bytes memory before = other;
        bytes32 hash = MerkleLog.hashNode(left, right);
        bytes memory afterwards = other;
        vm.assertEq(hash, sha256(bytes.concat(hex"01", left, right)), "hash");
        vm.assertEq(before, other, "memory before");
        vm.assertEq(afterwards, other, "memory afterwards");
    }

    /// @dev With however little gas: a hash that could not be worked out is never taken for one.
    function test_WithoutEnoughGas_NothingIsHashed() external {
        bytes[6] memory asked = _hashing();
        for (uint256 i = 0; i < asked.length; ++i) {
            (bool answered, bytes memory answer) = address(this).call(asked[i]);
            vm.assertTrue(answered, "with all gas");
            uint256 refusals = 0;
            bool done = false;
            for (uint256 gas = 300; gas < 60_000 && !done; gas += 30) {
                bytes memory told;
                (done, told) = address(this).call{gas: gas}(asked[i]);
                if (done) vm.assertEq(told, answer, "with enough gas");
                else ++refusals;
            }
            vm.assertTrue(done && refusals != 0, "the bound is in between");
        }
    }

    /// @dev On a chain whose precompile fails, everything does.
    function test_WithoutSha256_NothingIsHashed() external {
        bytes[6] memory asked = _hashing();
        vm.mockCallRevert(address(2), "", "");
        for (uint256 i = 0; i < asked.length; ++i) {
            (bool answered,) = address(this).call(asked[i]);
            vm.assertFalse(answered, "answered");
        }
    }

    /// @dev Both of the last two hashes of a proof of consistency, with which it arrives at the two roots.
    function test_WithoutTheLastHashes_NothingIsConsistent() external {
        bytes32[] memory proof = _log.consistency(5, 7);
        bytes memory asked = abi.encodeCall(this.verifyConsistency, (_log.root(5), 5, _log.root(7), 7, proof));
        bytes32 other = MerkleLog.hashNode(MerkleLog.hashNode(proof[0], proof[1]), proof[2]);
        bytes32[2] memory last = [proof[0], other];
        for (uint256 i = 0; i < last.length; ++i) {
            (bool answered,) = address(this).call(asked);
            vm.assertTrue(answered, "with all hashes");
            vm.mockCallRevert(address(2), bytes.concat(hex"01", proof[3], last[i]), "");
            (answered,) = address(this).call(asked);
            vm.assertFalse(answered, "without one");
            vm.clearMockedCalls();
        }
    }

    /// @dev One call of each function that hashes.
    function _hashing() private returns (bytes[6] memory) {
        Entry memory entry;
        uint64[] memory indices = new uint64[](2);
        (indices[0], indices[1]) = (1, 4);
        return [
            abi.encodeCall(this.hashNode, (keccak256("left"), keccak256("right"))),
            abi.encodeCall(this.hashLeafAt, (entry)),
            // From the left node alone, and from one that both trees share.
            abi.encodeCall(this.verifyConsistency, (_log.root(4), 4, _log.root(7), 7, _log.consistency(4, 7))),
            abi.encodeCall(this.verifyConsistency, (_log.root(5), 5, _log.root(7), 7, _log.consistency(5, 7))),
            abi.encodeCall(this.verify, (_log.root(5), 5, 3, _log.leafHash(3), _log.path(3, 5))),
            abi.encodeCall(this.verifyMany, (_log.root(5), 5, _wide(indices), _leaves(indices), _log.paths(indices, 5)))
        ];
    }

    function testFuzz_ChangedProofIsRefused(uint64 size, uint64 index, uint256 place, bytes32 change) external view {
        size = size % LARGEST + 1;
        index = index % size;
        bytes32[] memory path = _log.path(index, size);
        vm.assume(path.length > 0 && change != 0);
        path[place % path.length] ^= change;
        vm.assertFalse(this.verify(_log.root(size), size, index, _log.leafHash(index), path), "changed");
    }

    function testFuzz_ChangedLeafIsRefused(uint64 size, uint64 index, bytes32 change) external view {
        size = size % LARGEST + 1;
        index = index % size;
        vm.assume(change != 0);
        bytes32[] memory path = _log.path(index, size);
        vm.assertFalse(this.verify(_log.root(size), size, index, _log.leafHash(index) ^ change, path), "changed");
    }

    function testFuzz_LongerOrShorterProofIsRefused(uint64 size, uint64 index, bytes32 extra) external view {
        size = size % LARGEST + 1;
        index = index % size;
        bytes32[] memory path = _log.path(index, size);
        bytes32[] memory longer = new bytes32[](path.length + 1);
        for (uint256 i = 0; i < path.length; ++i) {
            longer[i] = path[i];
        }
        longer[path.length] = extra;
        vm.assertFalse(this.verify(_log.root(size), size, index, _log.leafHash(index), longer), "longer");

        if (path.length == 0) return;
        bytes32[] memory shorter = new bytes32[](path.length - 1);
        for (uint256 i = 0; i < shorter.length; ++i) {
            shorter[i] = path[i];
        }
        vm.assertFalse(this.verify(_log.root(size), size, index, _log.leafHash(index), shorter), "shorter");
    }

    /// @dev Any leaves of any tree, with each part of the proof changed, one node too few, and one too many.
    function testFuzz_ManyLeaves(uint64 size, uint256 bits, uint256 place, bytes32 change) external {
        size = size % LARGEST + 1;
        vm.assume(change != 0);
        uint64[] memory indices = _picked(size, bits);
        bytes32[] memory proof = _log.paths(indices, size);
        vm.assertTrue(_verifyMany(size, indices, 0, 0, proof), "included");
        vm.assertFalse(_verifyMany(size, indices, place, change, proof), "another leaf");
        vm.assertFalse(_verifyMany(size, indices, 0, 0, _resized(proof, proof.length + 1)), "a node too many");
        if (proof.length == 0) return;
        vm.assertFalse(_verifyMany(size, indices, 0, 0, _resized(proof, proof.length - 1)), "a node too few");
        proof[place % proof.length] ^= change;
        vm.assertFalse(_verifyMany(size, indices, 0, 0, proof), "another node");
    }

    /// @dev Of one leaf the proof is the RFC's inclusion proof.
    function test_ManyLeavesThatAreOne() external {
        for (uint64 size = 1; size <= LARGEST; ++size) {
            uint64[] memory indices = new uint64[](1);
            for (indices[0] = 0; indices[0] < size; ++indices[0]) {
                bytes32[] memory path = _log.path(indices[0], size);
                vm.assertEq(abi.encode(_log.paths(indices, size)), abi.encode(path), "the reference");
                vm.assertTrue(_verifyMany(size, indices, 0, 0, path), "included");
            }
        }
    }

    function test_ManyLeavesMustStrictlyAscend() external view {
        bytes32 root = _log.root(2);
        uint64[] memory indices = new uint64[](2);
        (indices[0], indices[1]) = (0, 1);
        vm.assertTrue(_verifyMany(2, indices, 0, 0, new bytes32[](0)), "ascending");
        (indices[0], indices[1]) = (1, 0);
        vm.assertFalse(_verifyMany(2, indices, 0, 0, new bytes32[](0)), "turned");
        indices[1] = 1;
        bytes32[] memory proof = new bytes32[](2);
        (proof[0], proof[1]) = (_log.leafHash(0), _log.leafHash(0));
        vm.assertFalse(_verifyMany(2, indices, 0, 0, proof), "twice");
        vm.assertFalse(this.verifyMany(root, 2, new uint256[](0), new bytes32[](0), new bytes32[](0)), "none");
        (indices[0], indices[1]) = (1, 2);
        vm.assertFalse(_verifyMany(2, indices, 0, 0, new bytes32[](0)), "past the end");
    }

    /// @dev With the leaf at `place` changed.
    function _verifyMany(uint64 size, uint64[] memory indices, uint256 place, bytes32 change, bytes32[] memory proof)
        private
        view
        returns (bool)
    {
        uint256[] memory places = new uint256[](indices.length);
        bytes32[] memory leaves = new bytes32[](indices.length);
        for (uint256 i = 0; i < indices.length; ++i) {
            places[i] = indices[i];
            leaves[i] = indices[i] < LARGEST ? _log.leafHash(indices[i]) : bytes32(0);
        }
        leaves[place % leaves.length] ^= change;
        return this.verifyMany(_log.root(size), size, places, leaves, proof);
    }

    function _wide(uint64[] memory indices) private pure returns (uint256[] memory places) {
        places = new uint256[](indices.length);
        for (uint256 i = 0; i < indices.length; ++i) {
            places[i] = indices[i];
        }
    }

    function _leaves(uint64[] memory indices) private view returns (bytes32[] memory leaves) {
        leaves = new bytes32[](indices.length);
        for (uint256 i = 0; i < indices.length; ++i) {
            leaves[i] = _log.leafHash(indices[i]);
        }
    }

    /// @dev The indices below `size` whose bit is set, or the last.
    function _picked(uint64 size, uint256 bits) private pure returns (uint64[] memory indices) {
        indices = new uint64[](size);
        uint256 count = 0;
        for (uint64 i = 0; i < size; ++i) {
            if (bits >> i & 1 == 1) indices[count++] = i;
        }
        if (count == 0) indices[count++] = size - 1;
        assembly ("memory-safe") {
            mstore(indices, count)
        }
    }

    function _resized(bytes32[] memory nodes, uint256 length) private pure returns (bytes32[] memory resized) {
        resized = new bytes32[](length);
        for (uint256 i = 0; i < length && i < nodes.length; ++i) {
            resized[i] = nodes[i];
        }
    }

    /// @dev The plain form of what is written in assembly, of an entry whose outcome says nothing more.
    function testFuzz_LeafAtItsPlace_IsTheEntrys(Entry calldata entry) external view {
        Entry memory noted = entry;
        noted.outcome = OUTCOME_RECORDED;
        vm.assertEq(this.hashLeafAt(noted), this.hashEntry(noted), "hash");
    }

    function testFuzz_EntryIsHashedAsItsWords(Entry calldata entry) external view {
        bytes memory leaf = bytes.concat(
            bytes32(uint256(entry.index)),
            bytes32(uint256(entry.sequence)),
            bytes32(uint256(entry.timestampMs)),
            bytes32(uint256(entry.kind)),
            bytes32(uint256(entry.status)),
            entry.subject,
            entry.outcome
        );
        vm.assertEq(leaf.length, 224, "length");
        vm.assertEq(this.hashEntry(entry), sha256(bytes.concat(hex"00", leaf)), "hash");
    }
}
