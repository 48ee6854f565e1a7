// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {Errors} from "./Errors.sol";
import {Groups} from "./Groups.sol";
import {Bond, FLAG_REPLICA, FLAG_VOTER, Member} from "./Types.sol";

/// @title Members
/// @notice The rules for a list of members, how they take their seats, and how an epoch begins.
abstract contract Members is Groups {
    using SafeCast for uint256;

    uint256 private constant MAXIMUM_MEMBERS = 64;
    uint256 private constant MINIMUM_REPLICAS = 4;

    /// @dev Checks the list as a whole: count, order, replicas.
    function _checkMembers(Member[] calldata members_) internal pure returns (uint128 totalWeight, uint8 replicaCount) {
        require(members_.length <= MAXIMUM_MEMBERS, Errors.TooManyMembers(members_.length, MAXIMUM_MEMBERS));
        address previous = address(0);
        for (uint256 i = 0; i < members_.length; ++i) {
            Member calldata member = members_[i];
            require(member.account > previous, Errors.MembersNotAscending(previous, member.account));
            previous = member.account;
            _checkMember(member);
            for (uint256 j = 0; j < i; ++j) {
                require(members_[j].key != member.key, Errors.DuplicateKey(member.key));
            }
            totalWeight += member.weight;
            if (member.flags & FLAG_REPLICA != 0) ++replicaCount;
        }
        require(replicaCount >= MINIMUM_REPLICAS, Errors.TooFewReplicas(replicaCount, MINIMUM_REPLICAS));
    }

    /// @dev Begins an epoch. The caller has checked that the group wants exactly these members.
    function _beginEpoch(
        GroupState storage group,
        uint64 epoch,
        bytes32 membersHash,
        uint64 sequence,
        uint64 logSize,
        uint128 totalWeight
    ) internal {
        group.epoch = uint256(epoch).toUint48();
        group.epochFrom = uint256(logSize).toUint48();
        group.epochs[epoch] = EpochState({
            membersHash: membersHash,
            sequence: sequence,
            logSize: logSize,
            startedAt: block.timestamp.toUint40(),
            // It fits: 64 weights of 64 bits.
            // forge-lint: disable-next-line(unsafe-typecast)
            totalWeight: uint72(totalWeight)
        });
    }

    /// @dev With the epoch that just began, weights are others than before.
    function _beginVoters(GroupState storage group, uint64 epoch) internal {
        uint48 since = uint256(epoch).toUint48();
        group.nextVoters[group.votersSince] = since;
        group.votersSince = since;
    }

    /// @dev Gives the seats to these members and to nobody else. Who stays a member stays without its vote if it has given that
    /// up: its own word is not taken back by a list that others made. Who comes back after an epoch without a seat begins anew,
    /// but for a conviction.
    function _seat(GroupState storage group, Member[] calldata members_, uint8 replicaCount) internal {
        _unseat(group, members_);
        uint256 count = members_.length;
        for (uint256 i = group.accounts.length; i > count; --i) {
            group.accounts.pop();
        }
        uint256 kept = group.accounts.length;
        uint256 asked = group.bond;
        for (uint256 i = 0; i < count; ++i) {
            Member calldata member = members_[i];
            if (i < kept) group.accounts[i] = member.account;
            else group.accounts.push(member.account);
            Seat storage seat = group.seats[member.account];
            seat.key = member.key;
            (seat.weight, seat.flags) = (member.weight, member.flags);
            if (asked != 0) {
                Bond storage bond = group.bonds[member.account];
                (seat.bonded, seat.exitAt) = (bond.amount >= asked, bond.exitAt);
            }
        }
        group.replicaCount = replicaCount;
    }

    /// @dev Takes the seats of those who are not in the list. Both lists ascend, so one walk along both is enough.
    function _unseat(GroupState storage group, Member[] calldata members_) private {
        uint256 next = 0;
        for (uint256 i = 0; i < group.accounts.length; ++i) {
            address account = group.accounts[i];
            while (next < members_.length && members_[next].account < account) ++next;
            if (next != members_.length && members_[next].account == account) continue;
            Seat storage seat = group.seats[account];
            seat.key = 0;
            (seat.weight, seat.flags, seat.left, seat.bonded, seat.exitAt) = (0, 0, false, false, 0);
        }
    }

    /// @dev Checks one member by itself: key, flags, weight.
    function _checkMember(Member calldata member) private pure {
        address account = member.account;
        require(member.key != 0, Errors.ZeroKey());
        require(
            member.flags != 0 && member.flags <= FLAG_VOTER | FLAG_REPLICA, Errors.InvalidFlags(account, member.flags)
        );
        bool isVoter = member.flags & FLAG_VOTER != 0;
        require(isVoter == (member.weight != 0), Errors.InvalidWeight(account, member.weight));
    }
}
