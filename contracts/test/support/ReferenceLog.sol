// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {Entry} from "../../src/Types.sol";

/// @notice An RFC 9162 Merkle log that is written straight from the recursive definitions of sections 2.1.1, 2.1.3.1 and
/// 2.1.4.1, without a line of the library it judges.
contract ReferenceLog {
    /// @dev A node of a proof for several leaves, and where it stands in it.
    struct Node {
        uint256 place;
        bytes32 hash;
    }

    bytes32[] private _leaves;
    Node[] private _nodes;

    /// @notice Appends a leaf.
    function append(bytes memory leaf) public {
        _leaves.push(sha256(bytes.concat(hex"00", leaf)));
    }

    /// @notice Appends an entry.
    function append(Entry memory entry) external {
        append(
            bytes.concat(
                bytes32(uint256(entry.index)),
                bytes32(uint256(entry.sequence)),
                bytes32(uint256(entry.timestampMs)),
                bytes32(uint256(entry.kind)),
                bytes32(uint256(entry.status)),
                entry.subject,
                entry.outcome
            )
        );
    }

    function size() external view returns (uint64) {
        return uint64(_leaves.length);
    }

    function leafHash(uint64 index) external view returns (bytes32) {
        return _leaves[index];
    }

    function root() external view returns (bytes32) {
        return root(uint64(_leaves.length));
    }

    /// @notice MTH(D_n).
    function root(uint64 count) public view returns (bytes32) {
        return count == 0 ? sha256("") : _root(0, count);
    }

    /// @notice PATH(m, D_n).
    function path(uint64 index, uint64 count) external view returns (bytes32[] memory) {
        require(index < count && count <= _leaves.length, "no such leaf");
        return _path(index, 0, count);
    }

    /// @notice PROOF(m, D_n), that the first `first` leaves of `count` are the log of that size.
    function consistency(uint64 first, uint64 count) external view returns (bytes32[] memory) {
        require(first > 0 && first <= count && count <= _leaves.length, "no such logs");
        return _subproof(first, 0, count, true);
    }

    /// @notice For several leaves, in ascending order, the nodes that the leaves do not give: those of the lowest level
    /// first, a level's from left to right. A node's level is the height of its complete left neighbour, or its own.
    function paths(uint64[] calldata indices, uint64 count) external returns (bytes32[] memory nodes) {
        delete _nodes;
        _collect(indices, 0, count);
        nodes = new bytes32[](_nodes.length);
        for (uint256 i = 0; i < nodes.length; ++i) {
            uint256 next = 0;
            for (uint256 j = 1; j < _nodes.length; ++j) {
                if (_nodes[j].place < _nodes[next].place) next = j;
            }
            nodes[i] = _nodes[next].hash;
            _nodes[next].place = type(uint256).max;
        }
    }

    /// @dev Of the subtree of the `count` leaves from `start` on, in which at least one of the indices is.
    function _collect(uint64[] calldata indices, uint256 start, uint256 count) private {
        if (count == 1) return;
        uint256 k = _split(count);
        bool left = _any(indices, start, k);
        bool right = _any(indices, start + k, count - k);
        // Ordered by level, which doubles with `k`, and within one by the first leaf.
        if (!left) _nodes.push(Node({place: k << 128 | start, hash: _root(start, k)}));
        if (!right) _nodes.push(Node({place: k << 128 | (start + k), hash: _root(start + k, count - k)}));
        if (left) _collect(indices, start, k);
        if (right) _collect(indices, start + k, count - k);
    }

    function _any(uint64[] calldata indices, uint256 start, uint256 count) private pure returns (bool) {
        for (uint256 i = 0; i < indices.length; ++i) {
            if (indices[i] >= start && indices[i] < start + count) return true;
        }
        return false;
    }

    function _root(uint256 start, uint256 count) private view returns (bytes32) {
        if (count == 1) return _leaves[start];
        uint256 k = _split(count);
        return sha256(bytes.concat(hex"01", _root(start, k), _root(start + k, count - k)));
    }

    function _path(uint256 index, uint256 start, uint256 count) private view returns (bytes32[] memory) {
        if (count == 1) return new bytes32[](0);
        uint256 k = _split(count);
        return index < k
            ? _with(_path(index, start, k), _root(start + k, count - k))
            : _with(_path(index - k, start + k, count - k), _root(start, k));
    }

    /// @dev SUBPROOF(m, D_n, b), of the leaves from `start` on.
    function _subproof(uint256 m, uint256 start, uint256 count, bool complete) private view returns (bytes32[] memory) {
        if (m == count) return complete ? new bytes32[](0) : _with(new bytes32[](0), _root(start, count));
        uint256 k = _split(count);
        return m <= k
            ? _with(_subproof(m, start, k, complete), _root(start + k, count - k))
            : _with(_subproof(m - k, start + k, count - k, false), _root(start, k));
    }

    /// @dev The largest power of two below `count`.
    function _split(uint256 count) private pure returns (uint256 k) {
        for (k = 1; k * 2 < count; k *= 2) {}
    }

    function _with(bytes32[] memory head, bytes32 last) private pure returns (bytes32[] memory all) {
        all = new bytes32[](head.length + 1);
        for (uint256 i = 0; i < head.length; ++i) {
            all[i] = head[i];
        }
        all[head.length] = last;
    }
}
