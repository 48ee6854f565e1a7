// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {LowLevelCall} from "@openzeppelin/contracts/utils/LowLevelCall.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {Errors} from "./Errors.sol";
import {ICoordinatorEvents} from "./ICoordinatorEvents.sol";
import {Bond, FLAG_REPLICA, FLAG_VOTER, Lane, Member, Policy} from "./Types.sol";

/// @title Groups
/// @notice What is kept of groups, how members take their seats, how a message comes into an inbox, and the one door through
/// which a group's account is driven.
/// @dev The code of the coordinator is in two contracts, `AgentCoordinator` and `GroupRegistry`, that work on one storage:
/// this must be the first of the bases of both that has any.
abstract contract Groups is ICoordinatorEvents {
    using SafeCast for uint256;

    uint256 private constant MAXIMUM_MEMBERS = 64;
    uint256 private constant MINIMUM_REPLICAS = 4;

    /// @dev A member's seat.
    struct Seat {
        // slot 0
        bytes32 key;
        // slot 1
        uint64 weight;
        uint8 flags;
        bool left;
    }

    /// @dev What a new anchor is checked against: one slot, of which `replicaCount` is never zero in a group that
    /// exists, so that the first anchor does not pay for a fresh slot.
    struct Head {
        // the epoch whose replicas signed the last anchor: one below the group's when that anchor ended it
        uint64 epoch;
        uint64 sequence;
        uint64 logSize;
        uint56 anchoredAt;
        uint8 replicaCount;
    }

    /// @dev Where an epoch began: the two slots of an `EpochStart`.
    struct EpochState {
        // slot 0
        bytes32 membersHash;
        // slot 1. 64 members of at most 2^64 - 1 weigh less than 2^70.
        uint64 sequence;
        uint64 logSize;
        uint40 startedAt;
        uint72 totalWeight;
    }

    /// @dev A message of the inbox.
    struct Message {
        // slot 0: of this message and all before
        bytes32 inboxHash;
        // slot 1
        uint64 enqueuedAt;
    }

    struct GroupState {
        // slot 0: all that an execution reads, and the epoch, which takes a transaction a step
        address account;
        uint32 epoch;
        uint40 createdAt;
        // slot 1: what a new anchor is checked against
        Head head;
        // slot 2: the same of the inbox
        uint64 inboxLength;
        uint64 inboxTaken;
        uint32 inboxDeadline;
        uint32 stallTime;
        // slot 3
        uint128 bond;
        uint32 evidenceWindow;
        uint16 reporterShare;
        // slot 4
        bytes32 stateRoot;
        // slot 5
        Policy[] classes;
        // slot 6
        mapping(uint64 epoch => EpochState) epochs;
        // slot 7: the current epoch's, ascending
        address[] accounts;
        // slot 8: the current epoch's; all zero for anybody else
        mapping(address account => Seat) seats;
        // slot 9: the log root anchored for a size; zero, which is no root, where none was
        mapping(uint64 logSize => bytes32) roots;
        // slot 10: kept by group, because in the anchored lane a group's replicas can state any identifier, also that
        // of another group's proposal
        mapping(bytes32 proposalId => bool) executed;
        // slot 11
        mapping(uint64 index => Message) messages;
        // slot 12
        mapping(address replica => Bond) bonds;
        // slot 13
        mapping(address replica => bool) convicted;
    }

    /// @dev The keys that accounts registered last.
    // `GroupRegistry` alone uses it. It is here because both have the same storage.
    // slither-disable-next-line unused-state
    mapping(address account => bytes32) internal _keys;

    // A mapping has no first value; `createGroup` gives a group its own.
    // slither-disable-next-line uninitialized-state
    mapping(bytes32 groupId => GroupState) internal _groups;

    // ---------------------------------------------------------------------------------------------------------
    // For both parts
    // ---------------------------------------------------------------------------------------------------------

    /// @dev The group, or a revert when there is none.
    function _group(bytes32 groupId) internal view returns (GroupState storage state) {
        state = _groups[groupId];
        require(state.account != address(0), Errors.UnknownGroup(groupId));
    }

    /// @dev Whether the group's stall time is over since its last anchor, or since it was made.
    function _hasStalled(GroupState storage state) internal view returns (bool) {
        uint256 anchoredAt = state.head.anchoredAt;
        // The stall time counts seconds by the hour or day; what a block's producer can shift is far below that.
        // slither-disable-next-line timestamp
        return block.timestamp >= (anchoredAt == 0 ? state.createdAt : anchoredAt) + state.stallTime;
    }

    /// @dev The weight with which the account votes in the on-chain lane, or a revert when it is no voter.
    function _voterWeight(GroupState storage state, bytes32 groupId, address account) internal view returns (uint64) {
        Seat storage seat = state.seats[account];
        require(seat.flags & FLAG_VOTER != 0 && !seat.left, Errors.NotVoter(groupId, account));
        return seat.weight;
    }

    /// @dev Marks a proposal as executed, or reverts when it is. Both lanes do so before the proposal's first call, so that
    /// no target can execute it again from within. They are non-reentrant on top of that: a group's decision does not
    /// trigger another's halfway through.
    function _markExecuted(GroupState storage state, bytes32 groupId, bytes32 proposalId, Lane lane) internal {
        require(!state.executed[proposalId], Errors.AlreadyExecuted(groupId, proposalId));

        state.executed[proposalId] = true;
        emit ProposalExecuted(groupId, proposalId, lane, msg.sender);
    }

    /// @dev Makes a decision's calls, after `_markExecuted`. Nothing else drives a group's account.
    /// @param account The group's account.
    /// @param payload What `Hashes.encodeCalls` made of the calls.
    function _makeCalls(address account, bytes memory payload) internal {
        bool success = LowLevelCall.callNoReturn(account, payload);
        if (!success) LowLevelCall.bubbleRevert();
    }

    /// @dev Appends a message, and with it the hash of all so far.
    function _append(GroupState storage group, bytes32 groupId, uint8 kind, address sender, bytes memory payload)
        internal
        returns (uint64 index)
    {
        index = group.inboxLength;
        bytes32 before = index == 0 ? bytes32(0) : group.messages[index - 1].inboxHash;
        uint64 enqueuedAt = block.timestamp.toUint64();
        bytes32 inboxHash = keccak256(abi.encode(before, index, kind, sender, enqueuedAt, keccak256(payload)));
        group.inboxLength = index + 1;
        group.messages[index] = Message({inboxHash: inboxHash, enqueuedAt: enqueuedAt});
        emit Enqueued(groupId, index, kind, sender, enqueuedAt, payload, inboxHash);
    }

    /// @dev Begins the next epoch with these members. The caller has checked that the group wants exactly them; here
    /// they are held to the rules for members, but not to their registrations: see `anchorAndRotate`.
    function _rotate(
        GroupState storage state,
        bytes32 groupId,
        Member[] calldata members_,
        bytes32 membersHash,
        uint64 sequence,
        uint64 logSize
    ) internal {
        (uint128 totalWeight, uint8 replicaCount) = _checkMembers(members_);

        uint32 epoch = state.epoch + 1;
        state.epoch = epoch;
        _beginEpoch(state, epoch, membersHash, sequence, logSize, totalWeight);
        _seat(state, members_, replicaCount);
        emit MembersChanged(groupId, epoch, membersHash, members_);
    }

    // ---------------------------------------------------------------------------------------------------------
    // Private
    // ---------------------------------------------------------------------------------------------------------

    /// @dev Gives the seats to these members and to nobody else. Who stays a member stays without its vote if it has
    /// given that up: its own word is not taken back by a list that others made. Who comes back after an epoch without
    /// a seat begins anew.
    function _seat(GroupState storage state, Member[] calldata members_, uint8 replicaCount) internal {
        _unseat(state, members_);
        uint256 count = members_.length;
        for (uint256 i = state.accounts.length; i > count; --i) {
            state.accounts.pop();
        }
        uint256 kept = state.accounts.length;
        bool hasBonds = state.bond != 0;
        for (uint256 i = 0; i < count; ++i) {
            Member calldata member = members_[i];
            if (i < kept) state.accounts[i] = member.account;
            else state.accounts.push(member.account);
            Seat storage seat = state.seats[member.account];
            seat.key = member.key;
            (seat.weight, seat.flags) = (member.weight, member.flags);
            if (hasBonds && member.flags & FLAG_REPLICA != 0) _holdBond(state.bonds[member.account]);
        }
        state.head.replicaCount = replicaCount;
    }

    /// @dev Who becomes a replica again takes back its request for its bond.
    function _holdBond(Bond storage bond) private {
        if (bond.releasedAt != 0) bond.releasedAt = 0;
    }

    function _beginEpoch(
        GroupState storage state,
        uint32 epoch,
        bytes32 membersHash,
        uint64 sequence,
        uint64 logSize,
        uint128 totalWeight
    ) internal {
        state.epochs[epoch] = EpochState({
            membersHash: membersHash,
            sequence: sequence,
            logSize: logSize,
            startedAt: block.timestamp.toUint40(),
            // It fits: 64 weights of 64 bits.
            // forge-lint: disable-next-line(unsafe-typecast)
            totalWeight: uint72(totalWeight)
        });
    }

    /// @dev Takes the seats of those who are not in the list. Both lists ascend, so one walk along both is enough.
    function _unseat(GroupState storage state, Member[] calldata members_) private {
        uint256 next = 0;
        for (uint256 i = 0; i < state.accounts.length; ++i) {
            address account = state.accounts[i];
            while (next < members_.length && members_[next].account < account) ++next;
            if (next == members_.length || members_[next].account != account) delete state.seats[account];
        }
    }

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
