// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {Entry} from "./Types.sol";

/// @title MerkleLog
/// @notice The Merkle tree of RFC 9162 over SHA-256, as far as a verifier needs it.
library MerkleLog {
    /// @notice The hash of a leaf: SHA-256(0x00 || leaf), RFC 9162 section 2.1.1. The leaf is the entry's ABI
    /// encoding, 224 bytes.
    function hashEntry(Entry calldata entry) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(bytes1(0x00), abi.encode(entry)));
    }

    /// @notice The hash of an inner node: SHA-256(0x01 || left || right), RFC 9162 section 2.1.1.
    /// @dev Assembly, because `sha256(abi.encodePacked(...))` allocates memory at every level of a proof: an execution
    /// by a proof of depth 20 costs 7,400 gas more with it, 7 % of the transaction. The bytes are put behind the free
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

    /// @notice Whether the leaf is at `index` in the tree of `size` leaves that has this root. The steps are those of
    /// RFC 9162 section 2.1.3.2, with its names.
    /// @dev A proof that is longer or shorter than the path is refused: there is one proof for one leaf.
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

        uint256 fn = index;
        uint256 sn = size - 1;
        bytes32 r = leafHash;
        for (uint256 i = 0; i < proof.length; ++i) {
            if (sn == 0) return false;
            if (fn & 1 == 1 || fn == sn) {
                r = hashNode(proof[i], r);
                // A node without a right sibling moves up unchanged until it becomes a right child itself.
                while (fn & 1 == 0 && fn != 0) {
                    fn >>= 1;
                    sn >>= 1;
                }
            } else {
                r = hashNode(r, proof[i]);
            }
            fn >>= 1;
            sn >>= 1;
        }
        return sn == 0 && r == root;
    }
}
