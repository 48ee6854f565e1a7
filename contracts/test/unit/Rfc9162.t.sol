// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast and shifted here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {MerkleLog} from "../../src/MerkleLog.sol";
import {vm} from "../support/Vm.sol";

/// @notice The verifier beside the RFC's own words (2.1.3.2 and 2.1.4.2), for sizes over all 64 bits and nodes that are made up: it
/// takes exactly what the RFC takes, and of no other length.
contract Rfc9162Test {
    function verify(bytes32 root, uint64 size, uint64 index, bytes32 leaf, bytes32[] calldata proof)
        public
        view
        returns (bool)
    {
        return MerkleLog.verify(root, size, index, leaf, proof);
    }

    function consistent(bytes32 first, uint64 firstSize, bytes32 second, uint64 secondSize, bytes32[] calldata proof)
        public
        view
        returns (bool)
    {
        return MerkleLog.verifyConsistency(first, firstSize, second, secondSize, proof);
    }

    function many(
        bytes32 root,
        uint64 size,
        uint256[] memory indices,
        bytes32[] memory hashes,
        bytes32[] calldata proof
    ) public view returns (bool) {
        return MerkleLog.verifyMany(root, size, indices, hashes, proof);
    }

    function testFuzz_Held_Inclusion(uint256 seed, uint8 bits, uint8 length) external view {
        uint64 size = uint64(seed) >> (bits % 64);
        if (size == 0) size = 1;
        uint64 index = uint64(seed >> 64) % size;
        for (uint256 n = length % 4 == 0 ? length % 70 : 0; n <= (length % 4 == 0 ? length % 70 : 66); ++n) {
            bytes32[] memory proof = _nodes(seed, n);
            (bool whole, bytes32 root) = _inclusion(size, index, keccak256("leaf"), proof);
            vm.assertEq(this.verify(root, size, index, keccak256("leaf"), proof), whole, "as the RFC has it");
            if (!whole) continue;
            uint256[] memory indices = new uint256[](1);
            bytes32[] memory hashes = new bytes32[](1);
            (indices[0], hashes[0]) = (index, keccak256("leaf"));
            vm.assertTrue(this.many(root, size, indices, hashes, proof), "as one of many");
            if (index > 0) vm.assertFalse(this.verify(root, size, index - 1, keccak256("leaf"), proof), "a neighbour");
        }
    }

    function testFuzz_Held_Consistency(uint256 seed, uint8 bits, uint8 fewer) external view {
        uint64 second = uint64(seed) >> (bits % 64);
        if (second < 2) second = 2;
        uint64 first = (uint64(seed >> 64) >> (fewer % 64)) % (second - 1) + 1;
        // Powers of two, too.
        if (fewer > 192) {
            uint64 power = 1;
            while (power * 2 < second && power < first) power *= 2;
            if (power < second) first = power;
        }
        uint256 taken = 0;
        for (uint256 n = 0; n <= 66; ++n) {
            bytes32[] memory proof = _nodes(seed, n);
            (bool whole, bytes32 one, bytes32 other) = _consistency(first, second, keccak256("first"), proof);
            vm.assertEq(this.consistent(one, first, other, second, proof), whole, "as the RFC has it");
            if (whole) {
                ++taken;
                vm.assertFalse(this.consistent(one, first, other ^ bytes32(uint256(1)), second, proof), "another root");
                vm.assertFalse(this.consistent(one ^ bytes32(uint256(1)), first, other, second, proof), "another first");
            }
        }
        vm.assertEq(taken, 1, "of one length alone");
    }

    // ---------------------------------------------------------------------------------------------------------
    // The RFC's words
    // ---------------------------------------------------------------------------------------------------------

    function _inclusion(uint256 size, uint256 index, bytes32 leaf, bytes32[] memory proof)
        private
        pure
        returns (bool whole, bytes32 r)
    {
        (uint256 fn, uint256 sn) = (index, size - 1);
        r = leaf;
        for (uint256 i = 0; i < proof.length; ++i) {
            if (sn == 0) return (false, r);
            if (fn & 1 == 1 || fn == sn) {
                r = _parent(proof[i], r);
                if (fn & 1 == 0) {
                    while (fn & 1 == 0 && fn != 0) (fn, sn) = (fn >> 1, sn >> 1);
                }
            } else {
                r = _parent(r, proof[i]);
            }
            (fn, sn) = (fn >> 1, sn >> 1);
        }
        whole = sn == 0;
    }

    function _consistency(uint256 first, uint256 second, bytes32 firstHash, bytes32[] memory given)
        private
        pure
        returns (bool whole, bytes32 fr, bytes32 sr)
    {
        if (given.length == 0) return (false, firstHash, firstHash);
        bytes32[] memory proof = given;
        if (first & (first - 1) == 0) {
            proof = new bytes32[](given.length + 1);
            proof[0] = firstHash;
            for (uint256 i = 0; i < given.length; ++i) {
                proof[i + 1] = given[i];
            }
        }
        (uint256 fn, uint256 sn) = (first - 1, second - 1);
        while (fn & 1 == 1) (fn, sn) = (fn >> 1, sn >> 1);
        (fr, sr) = (proof[0], proof[0]);
        for (uint256 i = 1; i < proof.length; ++i) {
            if (sn == 0) return (false, fr, sr);
            if (fn & 1 == 1 || fn == sn) {
                (fr, sr) = (_parent(proof[i], fr), _parent(proof[i], sr));
                if (fn & 1 == 0) {
                    while (fn & 1 == 0 && fn != 0) (fn, sn) = (fn >> 1, sn >> 1);
                }
            } else {
                sr = _parent(sr, proof[i]);
            }
            (fn, sn) = (fn >> 1, sn >> 1);
        }
        whole = sn == 0;
    }

    function _nodes(uint256 seed, uint256 count) private pure returns (bytes32[] memory nodes) {
        nodes = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            nodes[i] = keccak256(abi.encode(seed, i));
        }
    }

    function _parent(bytes32 left, bytes32 right) private pure returns (bytes32) {
        return sha256(bytes.concat(hex"01", left, right));
    }
}
// forge-lint: disable-end(unsafe-typecast)
