// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {Errors} from "./Errors.sol";
import {IGroupRegistry} from "./IGroupRegistry.sol";
import {Inbox} from "./Inbox.sol";
import {Module} from "./Module.sol";
import {Bond, FLAG_REPLICA, INBOX_LEAVING} from "./Types.sol";

/// @title Bonds
/// @notice What replicas deposit, and how they get it back: by notice, without anybody's consent, whatever becomes of the group.
/// @dev What tells whether a signature counts stands in the seat too, for as long as there is one: an anchor reads that alone.
abstract contract Bonds is Inbox, Module, IGroupRegistry {
    using SafeCast for uint256;

    /// @dev For how long a replica's signature counts on, so that the group can replace it.
    uint256 private constant NOTICE = 14 days;
    /// @dev How much longer a withdrawal takes than evidence counts: nobody leaves with a bond that evidence on its way
    /// still reaches.
    uint256 private constant WITHDRAWAL_MARGIN = 1 days;

    // ---------------------------------------------------------------------------------------------------------
    // Transactions
    // ---------------------------------------------------------------------------------------------------------

    /// @inheritdoc IGroupRegistry
    function deposit(bytes32 groupId) external payable override onlyDelegated {
        _deposit(_group(groupId), groupId, msg.sender);
    }

    /// @inheritdoc IGroupRegistry
    function depositFor(bytes32 groupId, address replica) external payable override onlyDelegated {
        GroupState storage state = _group(groupId);
        require(_isReplica(state, replica), Errors.NotReplica(groupId, replica));
        _deposit(state, groupId, replica);
    }

    /// @inheritdoc IGroupRegistry
    function requestWithdrawal(bytes32 groupId) external override onlyDelegated {
        GroupState storage state = _group(groupId);
        Bond storage bond = state.bonds[msg.sender];
        require(bond.amount != 0, Errors.NoBond(groupId, msg.sender));
        require(bond.exitAt == 0, Errors.WithdrawalAskedFor(groupId, msg.sender));

        bool isReplica = _isReplica(state, msg.sender);
        uint256 exitAt = block.timestamp + (isReplica ? NOTICE : 0);
        uint256 releasedAt = exitAt + state.evidenceWindow + WITHDRAWAL_MARGIN;
        _setExit(state, bond, exitAt.toUint40(), releasedAt.toUint40());
        if (isReplica) _append(state, groupId, INBOX_LEAVING, msg.sender, abi.encode(msg.sender, exitAt));
        emit WithdrawalRequested(groupId, msg.sender, exitAt.toUint64(), releasedAt.toUint64());
    }

    /// @inheritdoc IGroupRegistry
    function stay(bytes32 groupId) external override onlyDelegated {
        GroupState storage state = _group(groupId);
        Bond storage bond = state.bonds[msg.sender];
        require(bond.exitAt != 0, Errors.WithdrawalNotAskedFor(groupId, msg.sender));

        _setExit(state, bond, 0, 0);
        emit WithdrawalCancelled(groupId, msg.sender);
    }

    /// @inheritdoc IGroupRegistry
    /// @dev Without the guard that executions hold: the account of another group, which calls from within one, would never get its
    /// bond. Nothing is left of the bond when it is sent.
    function withdraw(bytes32 groupId) external override onlyDelegated {
        GroupState storage state = _group(groupId);
        Bond memory bond = state.bonds[msg.sender];
        require(bond.exitAt != 0, Errors.WithdrawalNotAskedFor(groupId, msg.sender));
        // A bond is held for a day and more; what a block's producer can shift is far below that.
        // slither-disable-next-line timestamp
        require(block.timestamp >= bond.releasedAt, Errors.BondNotReleased(groupId, msg.sender, bond.releasedAt));

        delete state.bonds[msg.sender];
        Seat storage seat = state.seats[msg.sender];
        (seat.bonded, seat.exitAt) = (false, 0);
        emit BondWithdrawn(groupId, msg.sender, bond.amount);
        Address.sendValue(payable(msg.sender), bond.amount);
    }

    // ---------------------------------------------------------------------------------------------------------
    // Private
    // ---------------------------------------------------------------------------------------------------------

    function _deposit(GroupState storage state, bytes32 groupId, address replica) private {
        uint128 needed = state.bond;
        require(needed != 0, Errors.NoBonds(groupId));
        require(msg.value != 0, Errors.NothingDeposited());
        Seat storage seat = state.seats[replica];
        require(!seat.convicted, Errors.AlreadyConvicted(groupId, replica));
        Bond storage bond = state.bonds[replica];
        require(bond.exitAt == 0, Errors.WithdrawalAskedFor(groupId, replica));

        uint128 amount = (uint256(bond.amount) + msg.value).toUint128();
        bond.amount = amount;
        // Whoever takes a seat later has what it has deposited by then.
        if (amount >= needed && seat.flags != 0) seat.bonded = true;
        emit BondDeposited(groupId, replica, msg.sender, msg.value, amount);
    }

    /// @dev Keeps when the caller's signature stops to count, and when its bond is released.
    function _setExit(GroupState storage state, Bond storage bond, uint40 exitAt, uint40 releasedAt) private {
        (bond.exitAt, bond.releasedAt) = (exitAt, releasedAt);
        Seat storage seat = state.seats[msg.sender];
        if (seat.flags != 0) seat.exitAt = exitAt;
    }

    function _isReplica(GroupState storage state, address account) private view returns (bool) {
        return state.seats[account].flags & FLAG_REPLICA != 0;
    }
}
