// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {Groups} from "./Groups.sol";

/// @title Inbox
/// @notice What is laid on a group's log from outside, and the one clock for silence: since when the oldest message waits that no
/// anchor has taken.
abstract contract Inbox is Groups {
    using SafeCast for uint256;

    /// @dev How many message times a slot holds.
    uint256 private constant TIMES = 6;

    /// @dev Since when the oldest untaken message waits to be served, or 0 when none waits. An anchor that takes a message begins
    /// anew; one that takes none, however new, does not.
    function _waitingSince(GroupState storage group) internal view returns (uint256 since) {
        uint64 taken = group.inboxTaken;
        if (taken == group.inboxLength) return 0;
        (since) = _messageTime(group, taken);
        uint256 servedAt = group.servedAt;
        if (servedAt > since) since = servedAt;
    }

    /// @dev Whether a message has waited for this many seconds.
    function _hasWaited(GroupState storage group, uint256 time) internal view returns (bool) {
        uint256 since = _waitingSince(group);
        // Seconds by the hour or day; what a block's producer can shift is far below that.
        // slither-disable-next-line timestamp
        return since != 0 && block.timestamp >= since + time;
    }

    /// @dev Whether the group has stalled: somebody asked, and was not served for the stall time.
    function _hasStalled(GroupState storage group) internal view returns (bool) {
        return _hasWaited(group, group.stallTime);
    }

    /// @dev When a message came.
    function _messageTime(GroupState storage group, uint64 index) internal view returns (uint256) {
        return group.messageTimes[index / TIMES][index % TIMES];
    }

    /// @dev Appends a message, and with it the hash of all so far.
    function _append(GroupState storage group, bytes32 groupId, uint8 kind, address sender, bytes memory payload)
        internal
        returns (uint64 index)
    {
        index = group.inboxLength;
        bytes32 before = index == 0 ? bytes32(0) : group.messages[index - 1];
        uint40 enqueuedAt = block.timestamp.toUint40();
        bytes32 inboxHash = keccak256(abi.encode(before, index, kind, sender, enqueuedAt, keccak256(payload)));
        group.inboxLength = index + 1;
        group.messages[index] = inboxHash;
        group.messageTimes[index / TIMES][index % TIMES] = enqueuedAt;
        emit Enqueued(groupId, index, kind, sender, enqueuedAt, payload, inboxHash);
    }
}
