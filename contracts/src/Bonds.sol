// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {Anchors} from "./Anchors.sol";
import {Errors} from "./Errors.sol";
import {ILanes} from "./ILanes.sol";
import {Policies} from "./Policies.sol";
import {Bond, Checkpoint, FLAG_REPLICA, INBOX_CONVICTED} from "./Types.sol";

/// @title Bonds
/// @notice What replicas deposit, and forfeit when they contradict themselves.
abstract contract Bonds is Anchors {
    using SafeCast for uint256;

    /// @dev How much longer a withdrawal takes than evidence counts: nobody leaves with a bond that evidence on its way
    /// still reaches.
    uint256 private constant WITHDRAWAL_MARGIN = 1 days;

    // ---------------------------------------------------------------------------------------------------------
    // Transactions
    // ---------------------------------------------------------------------------------------------------------

    /// @inheritdoc ILanes
    function deposit(bytes32 groupId, address replica) external payable override {
        GroupState storage group = _group(groupId);
        require(group.bond != 0, Errors.NoBonds(groupId));
        require(msg.value != 0, Errors.NothingDeposited());
        require(!group.convicted[replica], Errors.AlreadyConvicted(groupId, replica));
        Bond storage bond = group.bonds[replica];
        require(bond.releasedAt == 0, Errors.WithdrawalAskedFor(groupId, replica));

        uint128 amount = (uint256(bond.amount) + msg.value).toUint128();
        bond.amount = amount;
        emit BondDeposited(groupId, replica, msg.sender, msg.value, amount);
    }

    /// @inheritdoc ILanes
    function requestWithdrawal(bytes32 groupId) external override {
        GroupState storage group = _group(groupId);
        Bond storage bond = group.bonds[msg.sender];
        require(bond.amount != 0, Errors.NoBond(groupId, msg.sender));
        _requireNoReplica(group, groupId, msg.sender);

        uint64 releasedAt = (block.timestamp + group.evidenceWindow + WITHDRAWAL_MARGIN).toUint64();
        bond.releasedAt = releasedAt;
        emit WithdrawalRequested(groupId, msg.sender, releasedAt);
    }

    /// @inheritdoc ILanes
    function withdraw(bytes32 groupId) external override nonReentrant {
        GroupState storage group = _group(groupId);
        Bond memory bond = group.bonds[msg.sender];
        require(bond.amount != 0, Errors.NoBond(groupId, msg.sender));
        _requireNoReplica(group, groupId, msg.sender);
        require(bond.releasedAt != 0, Errors.WithdrawalNotAskedFor(groupId, msg.sender));
        // A bond is held for a day and more; what a block's producer can shift is far below that.
        // slither-disable-next-line timestamp
        require(block.timestamp >= bond.releasedAt, Errors.BondNotReleased(groupId, msg.sender, bond.releasedAt));

        delete group.bonds[msg.sender];
        emit BondWithdrawn(groupId, msg.sender, bond.amount);
        Address.sendValue(payable(msg.sender), bond.amount);
    }

    /// @inheritdoc ILanes
    function reportEquivocation(
        Checkpoint calldata first,
        bytes calldata firstSignature,
        Checkpoint calldata second,
        bytes calldata secondSignature
    ) external override nonReentrant {
        bytes32 groupId = first.groupId;
        GroupState storage group = _group(groupId);
        bytes32 firstDigest = hashCheckpoint(first);
        bytes32 secondDigest = hashCheckpoint(second);
        bool contradict = second.groupId == groupId && first.epoch == second.epoch && first.sequence == second.sequence
            && firstDigest != secondDigest;
        require(contradict, Errors.NoContradiction());
        address replica = _signer(firstDigest, firstSignature, 0);
        address other = _signer(secondDigest, secondSignature, 1);
        require(replica == other, Errors.DifferentSigners(replica, other));
        _requireRecent(group, first.epoch);
        require(!group.convicted[replica], Errors.AlreadyConvicted(groupId, replica));
        _convict(group, first, replica);
    }

    // ---------------------------------------------------------------------------------------------------------
    // Private
    // ---------------------------------------------------------------------------------------------------------

    /// @dev Takes a replica's bond for having contradicted the checkpoint.
    function _convict(GroupState storage group, Checkpoint calldata checkpoint, address replica) private {
        bytes32 groupId = checkpoint.groupId;
        uint256 amount = group.bonds[replica].amount;
        bool isReplica = group.seats[replica].flags & FLAG_REPLICA != 0;
        require(isReplica || amount != 0, Errors.NotReplica(groupId, replica));

        group.convicted[replica] = true;
        delete group.bonds[replica];
        uint256 reward = amount * group.reporterShare / Policies.WHOLE;
        emit ReplicaConvicted(groupId, replica, msg.sender, checkpoint.epoch, checkpoint.sequence, amount, reward);
        _append(group, groupId, INBOX_CONVICTED, msg.sender, abi.encode(replica));
        if (reward != 0) Address.sendValue(payable(msg.sender), reward);
        if (amount != reward) Address.sendValue(payable(group.account), amount - reward);
    }

    function _signer(bytes32 digest, bytes calldata signature, uint256 position) private pure returns (address signer) {
        ECDSA.RecoverError failure;
        // The value left out only says more about a failure, and no failure passes.
        // slither-disable-next-line unused-return
        (signer, failure,) = ECDSA.tryRecoverCalldata(digest, signature);
        require(failure == ECDSA.RecoverError.NoError, Errors.InvalidSignature(position));
    }

    /// @dev Evidence counts while its epoch lasts, and for a while after.
    function _requireRecent(GroupState storage group, uint64 epoch) private view {
        require(epoch <= group.epoch, Errors.EpochMismatch(epoch, group.epoch));
        if (epoch == group.epoch) return;
        uint256 until = uint256(group.epochs[epoch + 1].startedAt) + group.evidenceWindow;
        // Whoever may be convicted at the last second is held for a day longer, whatever a block's producer shifts.
        // slither-disable-next-line timestamp
        require(block.timestamp <= until, Errors.EvidenceTooOld(epoch, until));
    }

    function _requireNoReplica(GroupState storage group, bytes32 groupId, address account) private view {
        require(group.seats[account].flags & FLAG_REPLICA == 0, Errors.StillReplica(groupId, account));
    }
}
