// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";

import {Errors} from "./Errors.sol";
import {GroupAccount} from "./GroupAccount.sol";
import {IAgentCoordinator} from "./IAgentCoordinator.sol";
import {IGroupAccount} from "./IGroupAccount.sol";
import {Quorum} from "./Quorum.sol";
import {Call, FLAG_REPLICA, FLAG_VOTER, Group, Lane, Member, Policy} from "./Types.sol";

/// @title Groups
/// @notice Agents, groups and their members, and the one door through which a group's account is driven.
abstract contract Groups is IAgentCoordinator {
    uint256 internal constant MAXIMUM_MEMBERS = 64;
    uint256 internal constant MINIMUM_REPLICAS = 4;
    uint64 internal constant MAXIMUM_VOTING_PERIOD = 365 days;
    uint64 internal constant MAXIMUM_TIMELOCK = 365 days;

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
        uint64 epoch;
        uint64 sequence;
        uint64 logSize;
        uint56 anchoredAt;
        uint8 replicaCount;
    }

    /// @dev The log root anchored for one log size.
    struct AnchoredRoot {
        // slot 0
        bytes32 logRoot;
        // slot 1
        uint64 anchoredAt;
    }

    struct GroupState {
        // slot 0: all that an execution reads
        address account;
        uint32 votingPeriod;
        uint32 timelock;
        // slot 1
        uint128 threshold;
        uint128 totalWeight;
        // slot 2
        Head head;
        // slot 3
        bytes32 stateRoot;
        // slot 4
        bytes32 membersHash;
        // slot 5
        address[] accounts;
        // slot 6
        mapping(address account => Seat) seats;
        // slot 7
        mapping(uint64 logSize => AnchoredRoot) roots;
        // slot 8: kept by group, because in the anchored lane a group's replicas can state any identifier, also that
        // of another group's proposal
        mapping(bytes32 proposalId => bool) executed;
    }

    /// @inheritdoc IAgentCoordinator
    address public immutable override groupAccountImplementation;

    /// @inheritdoc IAgentCoordinator
    mapping(address account => bytes32) public override keyOf;

    mapping(bytes32 groupId => GroupState) private _groups;

    constructor() {
        groupAccountImplementation = address(new GroupAccount());
    }

    // ---------------------------------------------------------------------------------------------------------
    // Transactions
    // ---------------------------------------------------------------------------------------------------------

    /// @inheritdoc IAgentCoordinator
    function register(bytes32 key) external override {
        require(key != 0, Errors.ZeroKey());

        keyOf[msg.sender] = key;
        emit AgentRegistered(msg.sender, key);
    }

    /// @inheritdoc IAgentCoordinator
    function createGroup(Member[] calldata members_, Policy calldata policy, bytes32 salt)
        external
        override
        returns (bytes32 groupId)
    {
        groupId = groupIdOf(msg.sender, salt);
        GroupState storage state = _groups[groupId];
        require(state.account == address(0), Errors.GroupExists(groupId));
        (uint128 totalWeight, uint8 replicaCount) = _checkMembers(members_);
        _checkPolicy(policy, totalWeight);

        address account = Clones.predictDeterministicAddress(groupAccountImplementation, groupId, address(this));
        state.account = account;
        // Both fit: `_checkPolicy` has bounded them by a year.
        // forge-lint: disable-next-line(unsafe-typecast)
        state.votingPeriod = uint32(policy.votingPeriod);
        // forge-lint: disable-next-line(unsafe-typecast)
        state.timelock = uint32(policy.timelock);
        state.threshold = policy.threshold;
        state.totalWeight = totalWeight;
        state.head.replicaCount = replicaCount;
        state.membersHash = keccak256(abi.encode(members_));
        for (uint256 i = 0; i < members_.length; ++i) {
            Member calldata member = members_[i];
            state.accounts.push(member.account);
            state.seats[member.account] =
                Seat({key: member.key, weight: member.weight, flags: member.flags, left: false});
        }
        emit GroupCreated(groupId, msg.sender, account, salt, policy, members_);

        Clones.cloneDeterministic(groupAccountImplementation, groupId);
    }

    /// @inheritdoc IAgentCoordinator
    function leave(bytes32 groupId) external override {
        Seat storage seat = _group(groupId).seats[msg.sender];
        require(seat.flags != 0, Errors.NotMember(groupId, msg.sender));
        require(!seat.left, Errors.AlreadyLeft(groupId, msg.sender));

        seat.left = true;
        emit MemberLeft(groupId, msg.sender);
    }

    // ---------------------------------------------------------------------------------------------------------
    // Views
    // ---------------------------------------------------------------------------------------------------------

    /// @inheritdoc IAgentCoordinator
    function group(bytes32 groupId) external view override returns (Group memory) {
        GroupState storage state = _group(groupId);
        return Group({
            account: state.account,
            epoch: state.head.epoch,
            // It fits: `_checkMembers` has bounded it.
            // forge-lint: disable-next-line(unsafe-typecast)
            memberCount: uint8(state.accounts.length),
            replicaCount: state.head.replicaCount,
            totalWeight: state.totalWeight,
            membersHash: state.membersHash,
            policy: Policy({threshold: state.threshold, votingPeriod: state.votingPeriod, timelock: state.timelock})
        });
    }

    /// @inheritdoc IAgentCoordinator
    function members(bytes32 groupId) external view override returns (Member[] memory members_) {
        GroupState storage state = _group(groupId);
        uint256 count = state.accounts.length;
        members_ = new Member[](count);
        for (uint256 i = 0; i < count; ++i) {
            members_[i] = _member(state, state.accounts[i]);
        }
    }

    /// @inheritdoc IAgentCoordinator
    function memberOf(bytes32 groupId, address account) external view override returns (Member memory) {
        return _member(_group(groupId), account);
    }

    /// @inheritdoc IAgentCoordinator
    function hasLeft(bytes32 groupId, address account) external view override returns (bool) {
        return _group(groupId).seats[account].left;
    }

    /// @inheritdoc IAgentCoordinator
    function quorum(bytes32 groupId) external view override returns (uint256) {
        return Quorum.size(_group(groupId).head.replicaCount);
    }

    /// @inheritdoc IAgentCoordinator
    function executed(bytes32 groupId, bytes32 proposalId) external view override returns (bool) {
        return _group(groupId).executed[proposalId];
    }

    /// @inheritdoc IAgentCoordinator
    function groupIdOf(address creator, bytes32 salt) public view override returns (bytes32) {
        return keccak256(abi.encode(block.chainid, address(this), creator, salt));
    }

    // ---------------------------------------------------------------------------------------------------------
    // For the lanes
    // ---------------------------------------------------------------------------------------------------------

    /// @dev The group, or a revert when there is none.
    function _group(bytes32 groupId) internal view returns (GroupState storage state) {
        state = _groups[groupId];
        require(state.account != address(0), Errors.UnknownGroup(groupId));
    }

    /// @dev The weight with which the account votes in the on-chain lane, or a revert when it is no voter.
    function _voterWeight(GroupState storage state, bytes32 groupId, address account) internal view returns (uint64) {
        Seat storage seat = state.seats[account];
        require(seat.flags & FLAG_VOTER != 0 && !seat.left, Errors.NotVoter(groupId, account));
        return seat.weight;
    }

    /// @dev Makes a decision's calls. Both lanes end here, and nothing else drives a group's account. The proposal is
    /// marked before the first call, so that no target can execute it again from within. The callers are
    /// non-reentrant on top of that: a group's decision does not trigger another's halfway through.
    function _execute(GroupState storage state, bytes32 groupId, bytes32 proposalId, Lane lane, Call[] calldata calls)
        internal
    {
        require(!state.executed[proposalId], Errors.AlreadyExecuted(groupId, proposalId));

        state.executed[proposalId] = true;
        emit ProposalExecuted(groupId, proposalId, lane, msg.sender);

        IGroupAccount(state.account).execute(calls);
    }

    // ---------------------------------------------------------------------------------------------------------
    // Private
    // ---------------------------------------------------------------------------------------------------------

    function _member(GroupState storage state, address account) private view returns (Member memory) {
        Seat storage seat = state.seats[account];
        return Member({account: account, key: seat.key, weight: seat.weight, flags: seat.flags});
    }

    /// @dev Checks the list as a whole: count, order, replicas.
    function _checkMembers(Member[] calldata members_) private view returns (uint128 totalWeight, uint8 replicaCount) {
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
    function _checkMember(Member calldata member) private view {
        address account = member.account;
        bytes32 registered = keyOf[account];
        require(registered != 0, Errors.NotRegistered(account));
        require(member.key == registered, Errors.KeyMismatch(account, registered, member.key));
        require(
            member.flags != 0 && member.flags <= FLAG_VOTER | FLAG_REPLICA, Errors.InvalidFlags(account, member.flags)
        );
        bool isVoter = member.flags & FLAG_VOTER != 0;
        require(isVoter == (member.weight != 0), Errors.InvalidWeight(account, member.weight));
    }

    function _checkPolicy(Policy calldata policy, uint128 totalWeight) private pure {
        // Written without a doubling: the threshold may be any number up to 2^128 - 1.
        require(
            policy.threshold > totalWeight / 2 && policy.threshold <= totalWeight,
            Errors.InvalidThreshold(policy.threshold, totalWeight)
        );
        require(
            policy.votingPeriod != 0 && policy.votingPeriod <= MAXIMUM_VOTING_PERIOD,
            Errors.InvalidVotingPeriod(policy.votingPeriod, MAXIMUM_VOTING_PERIOD)
        );
        require(policy.timelock <= MAXIMUM_TIMELOCK, Errors.InvalidTimelock(policy.timelock, MAXIMUM_TIMELOCK));
    }
}
