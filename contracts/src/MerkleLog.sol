// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {Entry, OUTCOME_RECORDED} from "./Types.sol";

/// @title MerkleLog
/// @notice The Merkle tree of RFC 9162 over SHA-256, as far as a verifier needs it.
library MerkleLog {
    /// @notice The hash of a leaf: SHA-256(0x00 || leaf), RFC 9162 section 2.1.1. The leaf is the entry's ABI
    /// encoding, 224 bytes.
    function hashEntry(Entry calldata entry) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(bytes1(0x00), abi.encode(entry)));
    }

    /// @notice The hash of the leaf of an entry whose index, sequence and time lie in calldata, one after the other, and whose
    /// outcome says nothing beyond its subject: what `hashEntry` makes of it.
    /// @dev Assembly, because it is done once for each execution and anchor, and in Solidity costs 2,000 gas more. The three words
    /// are taken as they are: one that is beyond its type is in no leaf. MerkleLog.t.sol compares it with the plain form.
    /// @param place Where the three words lie in calldata.
    /// @param kind The entry's kind.
    /// @param status Its status.
    /// @param subject Its subject.
    function hashLeafAt(uint256 place, uint256 kind, uint256 status, bytes32 subject)
        internal
        view
        returns (bytes32 hash)
    {
        bytes32 outcome = OUTCOME_RECORDED;
        // slither-disable-next-line assembly
        assembly ("memory-safe") {
            let memory_ := mload(0x40)
            // RFC 9162: 0x00, which is the last byte of the first word, and the leaf.
            mstore(memory_, 0x00)
            calldatacopy(add(memory_, 0x20), place, 0x60)
            mstore(add(memory_, 0x80), kind)
            mstore(add(memory_, 0xa0), status)
            mstore(add(memory_, 0xc0), subject)
            mstore(add(memory_, 0xe0), outcome)
            // SHA-256 is the precompile at address 2. It fails for want of gas only.
            if iszero(staticcall(gas(), 0x02, add(memory_, 0x1f), 0xe1, 0x00, 0x20)) { revert(0x00, 0x00) }
            hash := mload(0x00)
        }
    }

    /// @notice The hash of an inner node: SHA-256(0x01 || left || right), RFC 9162 section 2.1.1.
    /// @dev Assembly, because `sha256(abi.encodePacked(...))` allocates memory each time. The bytes are put behind the free
    /// memory pointer, and nothing keeps them. MerkleLog.t.sol compares it with the plain form.
    function hashNode(bytes32 left, bytes32 right) internal view returns (bytes32 hash) {
        // slither-disable-next-line assembly
        assembly ("memory-safe") {
            let input := mload(0x40)
            mstore8(input, 0x01)
            mstore(add(input, 0x01), left)
            mstore(add(input, 0x21), right)
            // SHA-256 is the precompile at address 2. It fails for want of gas only.
            if iszero(staticcall(gas(), 0x02, input, 0x41, 0x00, 0x20)) { revert(0x00, 0x00) }
            hash := mload(0x00)
        }
    }

    /// @notice Whether the leaf is at `index` in the tree of `size` leaves that has this root, RFC 9162 section 2.1.3.2.
    /// @dev Up to the level at which the leaf's path meets that of the last leaf, each node has a sibling, on the side that
    /// the index's bit tells. Above, the node is the last of its level: it has a sibling where the bit is set, on the
    /// left, and moves up unchanged where it is not. So the index and the size tell the proof's length: there is one
    /// proof for one leaf.
    /// @param root The root of the tree.
    /// @param size How many leaves the tree has.
    /// @param index The leaf's index, from 0.
    /// @param leafHash The leaf's hash.
    /// @param proof The inclusion path, from the leaf's sibling up.
    function verify(bytes32 root, uint64 size, uint64 index, bytes32 leafHash, bytes32[] calldata proof)
        internal
        view
        returns (bool)
    {
        if (index >= size) return false;

        // The whole words, because they need no masks.
        (uint256 at, uint256 length) = (index, 0);
        uint256 inner = 0;
        unchecked {
            uint256 differing = at ^ (uint256(size) - 1);
            if (differing != 0) inner = Math.log2(differing) + 1;
            length = inner;
            for (uint256 bits = at >> inner; bits != 0; bits &= bits - 1) {
                ++length;
            }
        }
        return proof.length == length && _climb(leafHash, at | (type(uint256).max << inner), proof) == root;
    }

    /// @dev Hashes its way up along the proof. A bit of `isRight`, the lowest first, says that the node is a right child.
    ///
    /// Assembly, because in Solidity each level of a proof costs 250 gas more, 5 % of an execution by a proof of depth
    /// 20. The bytes are put behind the free memory pointer, and nothing keeps them: 0x01, and the two children beside
    /// each other, where the precompile leaves each hash in the place that it takes at the next level.
    function _climb(bytes32 leafHash, uint256 isRight, bytes32[] calldata proof) private view returns (bytes32 hash) {
        // slither-disable-next-line assembly
        assembly ("memory-safe") {
            let input := mload(0x40)
            mstore8(input, 0x01)
            let left := add(input, 0x01)
            let side := shl(5, and(isRight, 1))
            mstore(add(left, side), leafHash)
            let end := add(proof.offset, shl(5, proof.length))
            for { let at := proof.offset } lt(at, end) { at := add(at, 0x20) } {
                mstore(add(left, xor(side, 0x20)), calldataload(at))
                isRight := shr(1, isRight)
                side := shl(5, and(isRight, 1))
                // SHA-256 is the precompile at address 2. It fails for want of gas only.
                if iszero(staticcall(gas(), 0x02, input, 0x41, add(left, side), 0x20)) { revert(0x00, 0x00) }
            }
            hash := mload(add(left, side))
        }
    }

    /// @notice Whether the tree of `secondSize` leaves with the root `second` begins with the tree of `firstSize` leaves with
    /// the root `first`, RFC 9162 section 2.1.4.2. Only where both are of one size, it takes an empty proof; a tree without
    /// leaves has none.
    /// @dev Climbs from the last node that the two trees share, as the proof of inclusion of the first tree's last leaf
    /// would: once to the first root, with the nodes on the left alone, and once to the second, with all.
    /// @param first The root of the smaller tree.
    /// @param firstSize How many leaves it has.
    /// @param second The root of the larger tree.
    /// @param secondSize How many leaves it has.
    /// @param proof The consistency path.
    function verifyConsistency(
        bytes32 first,
        uint64 firstSize,
        bytes32 second,
        uint64 secondSize,
        bytes32[] calldata proof
    ) internal view returns (bool) {
        if (firstSize == 0 || firstSize > secondSize) return false;
        if (firstSize == secondSize) return proof.length == 0 && first == second;

        (uint256 node, uint256 last) = (firstSize - 1, secondSize - 1);
        while (node & 1 == 1) {
            node >>= 1;
            last >>= 1;
        }
        // Where the first tree is full, its root is the node that they share, and the proof leaves that out.
        uint256 next = node == 0 ? 0 : 1;
        if (proof.length < next) return false;
        (bytes32 one, bytes32 other) = _climbTwice(node, last, next == 0 ? first : proof[0], proof[next:]);
        return one == first && other == second;
    }

    /// @dev Hashes its way up to both roots from a node that the two trees share. Zero, which is no hash, where the proof is longer
    /// or shorter than the way.
    ///
    /// Assembly, because every anchor pays for it, and in Solidity it costs 3,500 gas more, 3 % of an anchor. The bytes are put
    /// behind the free memory pointer, and nothing keeps them: 0x01, and the two children. MerkleLog.t.sol compares it with the
    /// plain form.
    function _climbTwice(uint256 node, uint256 last, bytes32 shared, bytes32[] calldata proof)
        private
        view
        returns (bytes32 one, bytes32 other)
    {
        // slither-disable-next-line assembly
        assembly ("memory-safe") {
            let input := mload(0x40)
            mstore8(input, 0x01)
            one := shared
            other := shared
            let at := proof.offset
            let end := add(at, shl(5, proof.length))
            for {} lt(at, end) { at := add(at, 0x20) } {
                if iszero(last) {
                    // There is no node above.
                    last := 1
                    break
                }
                switch or(and(node, 1), eq(node, last))
                case 0 {
                    mstore(add(input, 0x01), other)
                    calldatacopy(add(input, 0x21), at, 0x20)
                    if iszero(staticcall(gas(), 0x02, input, 0x41, 0x00, 0x20)) { revert(0x00, 0x00) }
                    other := mload(0x00)
                }
                default {
                    calldatacopy(add(input, 0x01), at, 0x20)
                    mstore(add(input, 0x21), one)
                    if iszero(staticcall(gas(), 0x02, input, 0x41, 0x00, 0x20)) { revert(0x00, 0x00) }
                    one := mload(0x00)
                    mstore(add(input, 0x21), other)
                    if iszero(staticcall(gas(), 0x02, input, 0x41, 0x00, 0x20)) { revert(0x00, 0x00) }
                    other := mload(0x00)
                    for {} and(iszero(and(node, 1)), iszero(iszero(node))) {} {
                        node := shr(1, node)
                        last := shr(1, last)
                    }
                }
                node := shr(1, node)
                last := shr(1, last)
            }
            if last { one := 0 }
        }
    }

    /// @notice Whether the leaves are at `indices`, which strictly ascend, in the tree of `size` leaves that has this root.
    /// False for no leaves.
    /// @dev Level by level from the leaves up, each known node is joined with its sibling: the next known node, or the
    /// next of the proof. A node at the end of its level without a sibling moves up unchanged, which makes the tree that
    /// of RFC 9162 section 2.1.1 for every size. A proof with a node too many or too few is refused.
    /// @param root The root of the tree.
    /// @param size How many leaves the tree has.
    /// @param indices The leaves' indices, from 0. Overwritten.
    /// @param hashes The leaves' hashes. Overwritten.
    /// @param proof The nodes that the leaves do not give, in the order in which they are needed.
    function verifyMany(
        bytes32 root,
        uint64 size,
        uint256[] memory indices,
        bytes32[] memory hashes,
        bytes32[] calldata proof
    ) internal view returns (bool) {
        uint256 count = hashes.length;
        if (count == 0 || indices[count - 1] >= size) return false;
        for (uint256 i = 1; i < count; ++i) {
            if (indices[i] <= indices[i - 1]) return false;
        }

        return _climbTogether(size, indices, hashes, proof) == root;
    }

    /// @dev Hashes its way up from all leaves to the root. Returns zero, which is no hash, if that does not take exactly
    /// the proof. The arrays are of the same length, and not empty.
    ///
    /// Assembly, because in Solidity each hash costs 700 gas more, 3 % of an execution in a batch of twenty. A level's
    /// nodes take the places of those below. A node that should come from the proof and is not there is read from
    /// whatever stands behind it: that the proof was left behind is seen at the end.
    function _climbTogether(uint256 size, uint256[] memory indices, bytes32[] memory hashes, bytes32[] calldata proof)
        private
        view
        returns (bytes32 hash)
    {
        // slither-disable-next-line assembly
        assembly ("memory-safe") {
            let input := mload(0x40)
            mstore8(input, 0x01)
            let first := add(indices, 0x20)
            let end := add(first, shl(5, mload(indices)))
            // From a node's index to its hash.
            let across := sub(hashes, indices)
            let next := proof.offset
            for { let width := size } gt(width, 1) { width := shr(1, add(width, 1)) } {
                let kept := first
                for { let at := first } lt(at, end) {} {
                    let index := mload(at)
                    hash := mload(add(at, across))
                    at := add(at, 0x20)
                    let isRight := and(index, 1)
                    let sibling := 0
                    let joins := 1
                    switch and(and(iszero(isRight), lt(at, end)), eq(mload(at), add(index, 1)))
                    case 1 {
                        sibling := mload(add(at, across))
                        at := add(at, 0x20)
                    }
                    default {
                        joins := or(isRight, lt(add(index, 1), width))
                        sibling := calldataload(next)
                        next := add(next, shl(5, joins))
                    }
                    if joins {
                        let side := shl(5, isRight)
                        mstore(add(add(input, 0x01), side), hash)
                        mstore(sub(add(input, 0x21), side), sibling)
                        if iszero(staticcall(gas(), 0x02, input, 0x41, 0x00, 0x20)) { revert(0x00, 0x00) }
                        hash := mload(0x00)
                    }
                    mstore(kept, shr(1, index))
                    mstore(add(kept, across), hash)
                    kept := add(kept, 0x20)
                }
                end := kept
            }
            hash := mul(mload(add(first, across)), eq(next, add(proof.offset, shl(5, proof.length))))
        }
    }
}
