// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {Entry} from "../../src/Types.sol";

/// @notice An RFC 9162 Merkle log that is written straight from the recursive definitions of section 2.1.1 and
/// 2.1.3.1, without a line of the library it judges.
contract ReferenceLog {
    bytes32[] private _leaves;

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
