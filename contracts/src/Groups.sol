// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";

import {Errors} from "./Errors.sol";
import {GroupAccount} from "./GroupAccount.sol";
import {Hashes} from "./Hashes.sol";
import {IAgentCoordinator} from "./IAgentCoordinator.sol";
import {IGroupAccount} from "./IGroupAccount.sol";
import {Quorum} from "./Quorum.sol";
import {Call, EpochStart, FLAG_REPLICA, FLAG_VOTER, Group, Lane, Member, Policy} from "./Types.sol";

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
        // the epoch whose replicas signed the last anchor: one below the group's when that anchor ended it
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
        // slot 0: all that an execution reads, and the epoch, which takes a transaction a step
        address account;
        uint32 votingPeriod;
        uint32 timelock;
        uint32 epoch;
        // slot 1
        uint128 threshold;
        uint128 totalWeight;
        // slot 2
        Head head;
        // slot 3
        bytes32 stateRoot;
        // slot 4
        mapping(uint64 epoch => EpochStart) epochs;
        // slot 5: the current epoch's, ascending
        address[] accounts;
        // slot 6: the current epoch's; all zero for anybody else
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
        _checkRegistered(members_);
        _checkPolicy(policy, totalWeight);

        address account = Clones.predictDeterministicAddress(groupAccountImplementation, groupId, address(this));
        state.account = account;
        // Both fit: `_checkPolicy` has bounded them by a year.
        // forge-lint: disable-next-line(unsafe-typecast)
        state.votingPeriod = uint32(policy.votingPeriod);
        // forge-lint: disable-next-line(unsafe-typecast)
        state.timelock = uint32(policy.timelock);
        state.threshold = policy.threshold;
        state.epochs[0].membersHash = Hashes.hashMembers(members_);
        _seat(state, members_, totalWeight, replicaCount);
        emit GroupCreated(groupId, msg.sender, account, salt, policy, members_);

        // It is the address that was predicted above, or this reverts.
        // slither-disable-next-line unused-return
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
            epoch: state.epoch,
            // It fits: `_checkMembers` has bounded it.
            // forge-lint: disable-next-line(unsafe-typecast)
            memberCount: uint8(state.accounts.length),
            replicaCount: state.head.replicaCount,
            totalWeight: state.totalWeight,
            membersHash: state.epochs[state.epoch].membersHash,
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
    function epochStart(bytes32 groupId, uint64 epoch) external view override returns (EpochStart memory) {
        return _group(groupId).epochs[epoch];
    }

    /// @inheritdoc IAgentCoordinator
    function membersHashOf(bytes32 groupId, uint64 epoch) external view override returns (bytes32) {
        return _group(groupId).epochs[epoch].membersHash;
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
        _checkThreshold(state.threshold, totalWeight);

        uint32 epoch = state.epoch + 1;
        state.epoch = epoch;
        state.epochs[epoch] = EpochStart({membersHash: membersHash, sequence: sequence, logSize: logSize});
        _seat(state, members_, totalWeight, replicaCount);
        emit MembersChanged(groupId, epoch, membersHash, members_);
    }

    // ---------------------------------------------------------------------------------------------------------
    // Private
    // ---------------------------------------------------------------------------------------------------------

    /// @dev Gives the seats to these members and to nobody else. Who stays a member stays without its vote if it has
    /// given that up: its own word is not taken back by a list that others made. Who comes back after an epoch without
    /// a seat begins anew.
    function _seat(GroupState storage state, Member[] calldata members_, uint128 totalWeight, uint8 replicaCount)
        private
    {
        _unseat(state, members_);
        uint256 count = members_.length;
        for (uint256 i = state.accounts.length; i > count; --i) {
            state.accounts.pop();
        }
        uint256 kept = state.accounts.length;
        for (uint256 i = 0; i < count; ++i) {
            Member calldata member = members_[i];
            if (i < kept) state.accounts[i] = member.account;
            else state.accounts.push(member.account);
            Seat storage seat = state.seats[member.account];
            seat.key = member.key;
            (seat.weight, seat.flags) = (member.weight, member.flags);
        }
        state.totalWeight = totalWeight;
        state.head.replicaCount = replicaCount;
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

    function _member(GroupState storage state, address account) private view returns (Member memory) {
        Seat storage seat = state.seats[account];
        return Member({account: account, key: seat.key, weight: seat.weight, flags: seat.flags});
    }

    /// @dev Checks the list as a whole: count, order, replicas.
    function _checkMembers(Member[] calldata members_) private pure returns (uint128 totalWeight, uint8 replicaCount) {
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

    /// @dev Checks that every member has registered the key that it is listed with.
    function _checkRegistered(Member[] calldata members_) private view {
        for (uint256 i = 0; i < members_.length; ++i) {
            address account = members_[i].account;
            bytes32 registered = keyOf[account];
            require(registered != 0, Errors.NotRegistered(account));
            require(members_[i].key == registered, Errors.KeyMismatch(account, registered, members_[i].key));
        }
    }

    /// @dev Written without a doubling: the threshold may be any number up to 2^128 - 1.
    function _checkThreshold(uint128 threshold, uint128 totalWeight) private pure {
        require(
            threshold > totalWeight / 2 && threshold <= totalWeight, Errors.InvalidThreshold(threshold, totalWeight)
        );
    }

    function _checkPolicy(Policy calldata policy, uint128 totalWeight) private pure {
        _checkThreshold(policy.threshold, totalWeight);
        require(
            policy.votingPeriod != 0 && policy.votingPeriod <= MAXIMUM_VOTING_PERIOD,
            Errors.InvalidVotingPeriod(policy.votingPeriod, MAXIMUM_VOTING_PERIOD)
        );
        require(policy.timelock <= MAXIMUM_TIMELOCK, Errors.InvalidTimelock(policy.timelock, MAXIMUM_TIMELOCK));
    }
}
