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
        uint256 failures = IGroupAccount(group.account).execute(calls);
        // All lanes are guarded against reentrancy, and it tells what the calls came to.
        // slither-disable-next-line reentrancy-events
        emit ProposalExecuted(groupId, proposalId, msg.sender, lane, index, failures);
    }
}
