// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {Errors} from "./Errors.sol";
import {ICoordinatorEvents} from "./ICoordinatorEvents.sol";
import {IGroupAccount} from "./IGroupAccount.sol";
import {Storage} from "./Storage.sol";
import {Call, FLAG_REPLICA, Lane} from "./Types.sol";

/// @title Groups
/// @notice What all parts ask of a group, and the one door through which a group's account is driven.
abstract contract Groups is Storage, ICoordinatorEvents {
    /// @dev The group, or a revert when there is none.
    function _group(bytes32 groupId) internal view returns (GroupState storage group) {
        group = _groups[groupId];
        require(group.account != address(0), Errors.UnknownGroup(groupId));
    }

    /// @dev The class, or a revert when the group has none at this place.
    function _class(GroupState storage group, bytes32 groupId, uint8 class)
        internal
        view
        returns (ClassState storage state)
    {
        state = group.classes[class];
        require(state.threshold != 0, Errors.UnknownClass(groupId, class));
    }

    /// @dev The weight with which the account votes; 0 when it is no voter, or has left.
    function _voterWeight(GroupState storage group, address account) internal view returns (uint64) {
        Seat storage seat = group.seats[account];
        return seat.left ? 0 : seat.weight;
    }

    /// @dev Whether the signature of who has this seat counts on a checkpoint. What it says is in one slot.
    function _counts(GroupState storage group, Seat storage seat) internal view returns (bool) {
        if (seat.flags & FLAG_REPLICA == 0 || seat.convicted) return false;
        if (group.bond == 0) return true;
        uint256 exitAt = seat.exitAt;
        // A notice lasts for days; what a block's producer can shift is far below that.
        // slither-disable-next-line timestamp
        return seat.bonded && (exitAt == 0 || block.timestamp < exitAt);
    }

    /// @dev Where the epoch after this one began: the next of its era, or the first of the era after it. All zero when none has.
    function _epochAfter(GroupState storage group, uint64 epoch) internal view returns (EpochState storage next) {
        next = group.epochs[epoch + 1];
        if (next.membersHash == 0) next = group.epochs[((epoch >> 32) + 1) << 32];
    }

    /// @dev Makes a decision's calls, after its record says that it was executed, so that no target can execute it again from
    /// within. Nothing else drives a group's account.
    function _drive(
        GroupState storage group,
        bytes32 groupId,
        bytes32 proposalId,
        Call[] calldata calls,
        Lane lane,
        uint64 index
    ) internal {
        uint256 failures = _execute(group.account, calls);
        // All lanes are guarded against reentrancy, and it tells what the calls came to.
        emit ProposalExecuted(groupId, proposalId, msg.sender, lane, index, failures);
    }

    /// @dev `IGroupAccount(account).execute(calls)`.
    ///
    /// Assembly, because every execution pays for it, and in Solidity each call costs 500 gas more, 1 % of an execution in a batch. The
    /// five static words of a call lie in calldata as they are passed on, and are taken as they are: one that is beyond its type is the
    /// account's to refuse. The bytes are put behind the free memory pointer, and nothing keeps them.
    function _execute(address account, Call[] calldata calls) private returns (uint256 failures) {
        bytes4 selector = IGroupAccount.execute.selector;
        uint256 count = calls.length;
        uint256 heads;
        uint256 tail;
        // slither-disable-next-line assembly
        assembly ("memory-safe") {
            heads := add(mload(0x40), 0x44)
            mstore(sub(heads, 0x44), selector)
            mstore(sub(heads, 0x40), 0x20)
            mstore(sub(heads, 0x20), count)
            tail := add(heads, shl(5, count))
        }
        for (uint256 i = 0; i < count; ++i) {
            Call calldata one = calls[i];
            bytes calldata data = one.data;
            assembly ("memory-safe") {
                let end := add(tail, and(add(data.length, 0xff), not(0x1f)))
                mstore(add(heads, shl(5, i)), sub(tail, heads))
                calldatacopy(tail, one, 0xa0)
                mstore(add(tail, 0xa0), 0xc0)
                // What fills the last word of the data, where there is any.
                mstore(sub(end, 0x20), 0)
                mstore(add(tail, 0xc0), data.length)
                calldatacopy(add(tail, 0xe0), data.offset, data.length)
                tail := end
            }
        }
        assembly ("memory-safe") {
            let input := sub(heads, 0x44)
            if iszero(call(gas(), account, 0, input, sub(tail, input), 0x00, 0x20)) {
                returndatacopy(input, 0x00, returndatasize())
                revert(input, returndatasize())
            }
            failures := mload(0x00)
        }
    }
}
