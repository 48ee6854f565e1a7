// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";

import {AnchoredLane} from "./AnchoredLane.sol";
import {Contradictions} from "./Contradictions.sol";
import {Errors} from "./Errors.sol";
import {Hashes} from "./Hashes.sol";
import {IAnchoredLane} from "./IAnchoredLane.sol";
import {MerkleLog} from "./MerkleLog.sol";
import {Checkpoint, FLAG_REPLICA, Fork, INBOX_CONVICTED, Member, WHOLE} from "./Types.sol";

/// @title Evidence
/// @notice Replicas that contradict themselves lose their bond, and their signatures count no more.
abstract contract Evidence is AnchoredLane {
    // ---------------------------------------------------------------------------------------------------------
    // Transactions
    // ---------------------------------------------------------------------------------------------------------

    /// @inheritdoc IAnchoredLane
    function reportContradiction(
        Checkpoint calldata first,
        bytes calldata firstSignature,
        Checkpoint calldata second,
        bytes calldata secondSignature,
        Member[] calldata members,
        Fork calldata fork
    ) external override nonReentrant {
        GroupState storage group = _group(first.groupId);
        bool contradict = Contradictions.contradict(first, second) || _forks(first, second, fork);
        require(contradict, Errors.NoContradiction());
        bytes32[2] memory digests = [_digest(Hashes.hashCheckpoint(first)), _digest(Hashes.hashCheckpoint(second))];
        address replica = _recover(digests[0], firstSignature);
        require(replica != address(0), Errors.InvalidSignature(0));
        address other = _recover(digests[1], secondSignature);
        require(other != address(0), Errors.InvalidSignature(1));
        require(replica == other, Errors.DifferentSigners(replica, other));
        _requireRecent(group, first.epoch, second.epoch);
        _requireConvictable(group, first, second, replica, members);

        _convict(group, first.groupId, replica, digests);
    }

    // ---------------------------------------------------------------------------------------------------------
    // Private
    // ---------------------------------------------------------------------------------------------------------

    /// @dev Takes a replica's bond, and the worth of its signature.
    function _convict(GroupState storage group, bytes32 groupId, address replica, bytes32[2] memory digests) private {
        uint256 amount = group.bonds[replica].amount;
        Seat storage seat = group.seats[replica];
        require(!seat.convicted, Errors.AlreadyConvicted(groupId, replica));
        (seat.convicted, seat.bonded, seat.exitAt) = (true, false, 0);
        delete group.bonds[replica];
        uint256 reward = amount * group.reporterShare / WHOLE;
        _append(group, groupId, INBOX_CONVICTED, msg.sender, abi.encode(replica));
        emit ReplicaConvicted(groupId, replica, msg.sender, digests[0], digests[1], amount, reward);
        if (reward != 0) Address.sendValue(payable(msg.sender), reward);
        if (amount != reward) Address.sendValue(payable(group.account), amount - reward);
    }

    /// @dev Evidence counts while the later of the two epochs lasts, and for a while after.
    function _requireRecent(GroupState storage group, uint64 first, uint64 second) private view {
        (uint64 earlier, uint64 later) = first < second ? (first, second) : (second, first);
        uint64 current = group.epoch;
        require(group.epochs[earlier].membersHash != 0, Errors.EpochMismatch(earlier, current));
        require(group.epochs[later].membersHash != 0, Errors.EpochMismatch(later, current));
        if (later == current) return;
        uint256 until = uint256(_epochAfter(group, later).startedAt) + group.evidenceWindow;
        // Whoever may be convicted at the last second is held for a day longer, whatever a block's producer shifts.
        // slither-disable-next-line timestamp
        require(block.timestamp <= until, Errors.EvidenceTooOld(later, until));
    }

    /// @dev Only who had a replica's seat in the epoch of either checkpoint, or has a full bond: else anybody could make the group's
    /// inbox longer for nothing.
    function _requireConvictable(
        GroupState storage group,
        Checkpoint calldata first,
        Checkpoint calldata second,
        address replica,
        Member[] calldata members
    ) private view {
        uint256 bond = group.bond;
        if (bond != 0 && group.bonds[replica].amount >= bond) return;
        bool isCurrent = first.epoch == group.epoch || second.epoch == group.epoch;
        if (isCurrent && group.seats[replica].flags & FLAG_REPLICA != 0) return;
        bytes32 hash = Hashes.hashMembers(members);
        bool isOfEpoch = hash == group.epochs[first.epoch].membersHash || hash == group.epochs[second.epoch].membersHash;
        bool had = false;
        for (uint256 i = 0; isOfEpoch && i < members.length; ++i) {
            if (members[i].account == replica) had = members[i].flags & FLAG_REPLICA != 0;
        }
        require(had, Errors.NotConvictable(first.groupId, replica));
    }

    /// @dev Whether two different leaves are at one index of the two logs, of one group and era. The index and the size fix the length
    /// of a path, so no inner node passes for a leaf.
    function _forks(Checkpoint calldata first, Checkpoint calldata second, Fork calldata fork)
        private
        view
        returns (bool)
    {
        if (first.groupId != second.groupId || first.epoch >> 32 != second.epoch >> 32) return false;
        return fork.firstLeaf != fork.secondLeaf
            && MerkleLog.verify(first.logRoot, first.logSize, fork.index, fork.firstLeaf, fork.firstPath)
            && MerkleLog.verify(second.logRoot, second.logSize, fork.index, fork.secondLeaf, fork.secondPath);
    }
}
