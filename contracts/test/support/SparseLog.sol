// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is shifted here is one, by a level.
// forge-lint: disable-start(incorrect-shift)

/// @notice An RFC 9162 Merkle log of millions of leaves, of which few are there: what no known leaf is below is a number that
/// stands for it. Proofs come out as they would be of a log with all leaves, written from the recursive definitions.
abstract contract SparseLog {
    /// @dev Nodes of complete subtrees, by level and place, that a known leaf is below.
    mapping(uint256 level => mapping(uint256 place => bytes32)) private _nodes;
    bytes32[] private _proof;

    /// @dev Puts a leaf at an index. The neighbours of a size's last leaf must be known before a root of that size is asked for.
    function _put(uint256 index, bytes32 leafHash) internal {
        _nodes[0][index] = leafHash;
        for (uint256 level = 1; level <= 24; ++level) {
            uint256 place = index >> level;
            _nodes[level][place] = _parent(_node(level - 1, 2 * place), _node(level - 1, 2 * place + 1));
        }
    }

    function _node(uint256 level, uint256 place) internal view returns (bytes32 node) {
        node = _nodes[level][place];
        if (node == 0) node = keccak256(abi.encode("node", level, place));
    }

    /// @dev MTH(D_n).
    function _rootOf(uint256 size) internal view returns (bytes32) {
        return _root(0, size);
    }

    /// @dev PATH(m, D_n).
    function _pathOf(uint256 index, uint256 size) internal returns (bytes32[] memory) {
        delete _proof;
        _path(index, 0, size);
        return _proof;
    }

    /// @dev PROOF(m, D_n).
    function _consistencyOf(uint256 first, uint256 size) internal returns (bytes32[] memory) {
        delete _proof;
        _subproof(first, 0, size, true);
        return _proof;
    }

    /// @dev The nodes that the leaves from `first` up to `end` do not give, `first` being a multiple of 32 and `end` 20 more, in a log
    /// of 2^20.
    function _pathOfTwenty(uint256 first) internal view returns (bytes32[] memory proof) {
        proof = new bytes32[](17);
        (proof[0], proof[1]) = (_node(2, (first + 20) >> 2), _node(3, (first + 24) >> 3));
        for (uint256 level = 5; level < 20; ++level) {
            proof[level - 3] = _node(level, (first >> level) ^ 1);
        }
    }

    function _root(uint256 from, uint256 to) private view returns (bytes32) {
        uint256 count = to - from;
        uint256 level = _height(count);
        if (1 << level == count && from % count == 0) return _node(level, from >> level);
        uint256 middle = from + (1 << (level - 1));
        return _parent(_root(from, middle), _root(middle, to));
    }

    function _path(uint256 index, uint256 from, uint256 to) private {
        if (to - from == 1) return;
        uint256 middle = from + (1 << (_height(to - from) - 1));
        if (index < middle) {
            _path(index, from, middle);
            _proof.push(_root(middle, to));
        } else {
            _path(index, middle, to);
            _proof.push(_root(from, middle));
        }
    }

    function _subproof(uint256 first, uint256 from, uint256 to, bool complete) private {
        if (first == to - from) {
            if (!complete) _proof.push(_root(from, to));
            return;
        }
        uint256 half = 1 << (_height(to - from) - 1);
        if (first <= half) {
            _subproof(first, from, from + half, complete);
            _proof.push(_root(from + half, to));
        } else {
            _subproof(first - half, from + half, to, false);
            _proof.push(_root(from, from + half));
        }
    }

    /// @dev The least level at which one node is above so many leaves.
    function _height(uint256 count) private pure returns (uint256 level) {
        while (1 << level < count) ++level;
    }

    function _parent(bytes32 left, bytes32 right) private pure returns (bytes32) {
        return sha256(bytes.concat(hex"01", left, right));
    }
}
// forge-lint: disable-end(incorrect-shift)
