// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {Errors} from "./Errors.sol";
import {Groups} from "./Groups.sol";
import {Hashes} from "./Hashes.sol";
import {IGroupRegistry} from "./IGroupRegistry.sol";
import {MerkleLog} from "./MerkleLog.sol";
import {Policies} from "./Policies.sol";
import {Quorum} from "./Quorum.sol";
import {
    Anchor,
    Bond,
    Call,
    Entry,
    EpochStart,
    Group,
    INBOX_COMMAND,
    InboxState,
    Member,
    Policy,
    ProposalStatus,
    Terms
} from "./Types.sol";

/// @title GroupRegistry
/// @notice See {IGroupRegistry}.
/// @dev A second contract, because all of the code is more than the 24,576 bytes that one may have (EIP-170). The
/// coordinator's constructor creates it, and what the coordinator has no function for runs here by `delegatecall`, on the
/// coordinator's storage. Its address is an immutable of the coordinator, so that nobody can put another in its place. By
/// itself it changes nothing.
contract GroupRegistry is Groups, IGroupRegistry {
    using SafeCast for uint256;

    uint256 private constant MAXIMUM_CLASSES = 8;
    uint256 private constant LONGEST = 365 days;
    /// @dev Above half, a replica that is about to be convicted could save most of its bond by reporting itself.
    uint256 private constant MAXIMUM_REPORTER_SHARE = Policies.WHOLE / 2;
    /// @dev In bytes: what takes more gas than a block has room for would keep nobody's command out anyway.
    uint256 private constant MAXIMUM_COMMAND = 16 * 1024;

    /// @inheritdoc IGroupRegistry
    address public immutable override groupAccountImplementation;

    address private immutable _self = address(this);

    /// @dev Only for the coordinator: somebody who took this contract for it would make groups that nothing can drive.
    modifier onlyDelegated() {
        require(address(this) != _self, Errors.NotDelegated());
        _;
    }

    constructor(address groupAccountImplementation_) {
        // The coordinator's constructor has just created it.
        // slither-disable-next-line missing-zero-check
        groupAccountImplementation = groupAccountImplementation_;
    }

    // ---------------------------------------------------------------------------------------------------------
    // Transactions
    // ---------------------------------------------------------------------------------------------------------

    /// @inheritdoc IGroupRegistry
    function register(bytes32 key) external override onlyDelegated {
        require(key != 0, Errors.ZeroKey());

        _keys[msg.sender] = key;
        emit AgentRegistered(msg.sender, key);
    }

    /// @inheritdoc IGroupRegistry
    function createGroup(Member[] calldata members_, Terms calldata terms, bytes32 salt)
        external
        override
        onlyDelegated
        returns (bytes32 groupId)
    {
        groupId = groupIdOf(msg.sender, salt);
        GroupState storage state = _groups[groupId];
        // No time is compared here: slither takes an account for one because its slot keeps a time too.
        // slither-disable-next-line timestamp
        require(state.account == address(0), Errors.GroupExists(groupId));
        (uint128 totalWeight, uint8 replicaCount) = _checkMembers(members_);
        _checkRegistered(members_);

        address account = Clones.predictDeterministicAddress(groupAccountImplementation, groupId, address(this));
        state.account = account;
        state.createdAt = block.timestamp.toUint40();
        _setTerms(state, terms);
        _beginEpoch(state, 0, Hashes.hashMembers(members_), 0, 0, totalWeight);
        _seat(state, members_, replicaCount);
        emit GroupCreated(groupId, msg.sender, account, salt, terms, members_);

        // It is the address that was predicted above, or this reverts.
        // slither-disable-next-line unused-return
        Clones.cloneDeterministic(groupAccountImplementation, groupId);
    }

    /// @inheritdoc IGroupRegistry
    function leave(bytes32 groupId) external override onlyDelegated {
        Seat storage seat = _group(groupId).seats[msg.sender];
        require(seat.flags != 0, Errors.NotMember(groupId, msg.sender));
        require(!seat.left, Errors.AlreadyLeft(groupId, msg.sender));

        seat.left = true;
        emit MemberLeft(groupId, msg.sender);
    }

    /// @inheritdoc IGroupRegistry
    function enqueue(bytes32 groupId, bytes calldata command) external override onlyDelegated returns (uint64 index) {
        GroupState storage state = _group(groupId);
        require(_keys[msg.sender] != 0, Errors.NotRegistered(msg.sender));
        require(
            command.length != 0 && command.length <= MAXIMUM_COMMAND,
            Errors.InvalidCommandLength(command.length, MAXIMUM_COMMAND)
        );
        return _append(state, groupId, INBOX_COMMAND, msg.sender, command);
    }

    // ---------------------------------------------------------------------------------------------------------
    // Views
    // ---------------------------------------------------------------------------------------------------------

    /// @inheritdoc IGroupRegistry
    function keyOf(address account) external view override returns (bytes32) {
        return _keys[account];
    }

    /// @inheritdoc IGroupRegistry
    function group(bytes32 groupId) external view override returns (Group memory) {
        GroupState storage state = _group(groupId);
        EpochState memory epoch = state.epochs[state.epoch];
        return Group({
            account: state.account,
            epoch: state.epoch,
            // It fits: `_checkMembers` has bounded it.
            // forge-lint: disable-next-line(unsafe-typecast)
            memberCount: uint8(state.accounts.length),
            replicaCount: state.head.replicaCount,
            totalWeight: epoch.totalWeight,
            membersHash: epoch.membersHash,
            createdAt: state.createdAt,
            terms: Terms({
                classes: state.classes,
                stallTime: state.stallTime,
                inboxDeadline: state.inboxDeadline,
                evidenceWindow: state.evidenceWindow,
                reporterShare: state.reporterShare,
                bond: state.bond
            })
        });
    }

    /// @inheritdoc IGroupRegistry
    function members(bytes32 groupId) external view override returns (Member[] memory members_) {
        GroupState storage state = _group(groupId);
        uint256 count = state.accounts.length;
        members_ = new Member[](count);
        for (uint256 i = 0; i < count; ++i) {
            members_[i] = _member(state, state.accounts[i]);
        }
    }

    /// @inheritdoc IGroupRegistry
    function memberOf(bytes32 groupId, address account) external view override returns (Member memory) {
        return _member(_group(groupId), account);
    }

    /// @inheritdoc IGroupRegistry
    function epochStart(bytes32 groupId, uint64 epoch) external view override returns (EpochStart memory) {
        EpochState memory state = _group(groupId).epochs[epoch];
        return EpochStart({
            membersHash: state.membersHash,
            sequence: state.sequence,
            logSize: state.logSize,
            startedAt: state.startedAt,
            totalWeight: state.totalWeight
        });
    }

    /// @inheritdoc IGroupRegistry
    function membersHashOf(bytes32 groupId, uint64 epoch) external view override returns (bytes32) {
        return _group(groupId).epochs[epoch].membersHash;
    }

    /// @inheritdoc IGroupRegistry
    function hasLeft(bytes32 groupId, address account) external view override returns (bool) {
        return _group(groupId).seats[account].left;
    }

    /// @inheritdoc IGroupRegistry
    function hasStalled(bytes32 groupId) external view override returns (bool) {
        return _hasStalled(_group(groupId));
    }

    /// @inheritdoc IGroupRegistry
    function quorum(bytes32 groupId) external view override returns (uint256) {
        return Quorum.size(_group(groupId).head.replicaCount);
    }

    /// @inheritdoc IGroupRegistry
    function executed(bytes32 groupId, bytes32 proposalId) external view override returns (bool) {
        return _group(groupId).executed[proposalId];
    }

    /// @inheritdoc IGroupRegistry
    function latestAnchor(bytes32 groupId) external view override returns (Anchor memory) {
        GroupState storage state = _group(groupId);
        Head memory head = state.head;
        return Anchor({
            epoch: head.epoch,
            sequence: head.sequence,
            logSize: head.logSize,
            anchoredAt: head.anchoredAt,
            logRoot: state.roots[head.logSize],
            stateRoot: state.stateRoot
        });
    }

    /// @inheritdoc IGroupRegistry
    function anchoredRoot(bytes32 groupId, uint64 logSize) external view override returns (bytes32) {
        return _group(groupId).roots[logSize];
    }

    /// @inheritdoc IGroupRegistry
    function bondOf(bytes32 groupId, address replica) external view override returns (Bond memory) {
        return _group(groupId).bonds[replica];
    }

    /// @inheritdoc IGroupRegistry
    function isConvicted(bytes32 groupId, address replica) external view override returns (bool) {
        return _group(groupId).convicted[replica];
    }

    /// @inheritdoc IGroupRegistry
    function inbox(bytes32 groupId) external view override returns (InboxState memory) {
        GroupState storage state = _group(groupId);
        return InboxState({length: state.inboxLength, taken: state.inboxTaken, deadline: state.inboxDeadline});
    }

    /// @inheritdoc IGroupRegistry
    function inboxMessage(bytes32 groupId, uint64 index)
        external
        view
        override
        returns (bytes32 inboxHash, uint64 enqueuedAt)
    {
        Message storage message = _group(groupId).messages[index];
        return (message.inboxHash, message.enqueuedAt);
    }

    /// @inheritdoc IGroupRegistry
    function verdict(
        Policy calldata policy,
        uint128 forWeight,
        uint128 againstWeight,
        uint128 abstainWeight,
        uint128 totalWeight,
        bool ended
    ) external pure override returns (ProposalStatus) {
        Policies.Rule memory rule = Policies.Rule({
            threshold: policy.threshold,
            basis: policy.basis,
            turnout: policy.turnout,
            veto: policy.veto,
            revotes: policy.revotes
        });
        return Policies.verdict(
            rule,
            Policies.Tally({
                forWeight: forWeight,
                againstWeight: againstWeight,
                abstainWeight: abstainWeight,
                totalWeight: totalWeight
            }),
            ended
        );
    }

    /// @inheritdoc IGroupRegistry
    function proposalIdOf(
        bytes32 groupId,
        address proposer,
        uint64 salt,
        uint8 class,
        bytes32 actionsHash,
        bytes32 descriptionHash
    ) external pure override returns (bytes32) {
        return Hashes.proposalId(groupId, proposer, salt, class, actionsHash, descriptionHash);
    }

    /// @inheritdoc IGroupRegistry
    function hashCalls(Call[] calldata calls) external pure override returns (bytes32) {
        return Hashes.hashCalls(calls);
    }

    /// @inheritdoc IGroupRegistry
    function verifyInclusion(bytes32 groupId, uint64 anchoredSize, Entry calldata entry, bytes32[] calldata proof)
        external
        view
        override
        returns (bool)
    {
        bytes32 root = _group(groupId).roots[anchoredSize];
        return root != 0 && MerkleLog.verify(root, anchoredSize, entry.index, MerkleLog.hashEntry(entry), proof);
    }

    /// @inheritdoc IGroupRegistry
    function verifyConsistency(bytes32 groupId, uint64 firstSize, uint64 secondSize, bytes32[] calldata proof)
        external
        view
        override
        returns (bool)
    {
        GroupState storage state = _group(groupId);
        (bytes32 first, bytes32 second) = (state.roots[firstSize], state.roots[secondSize]);
        return first != 0 && second != 0 && MerkleLog.verifyConsistency(first, firstSize, second, secondSize, proof);
    }

    /// @inheritdoc IGroupRegistry
    function groupIdOf(address creator, bytes32 salt) public view override returns (bytes32) {
        return keccak256(abi.encode(block.chainid, address(this), creator, salt));
    }

    // ---------------------------------------------------------------------------------------------------------
    // Private
    // ---------------------------------------------------------------------------------------------------------

    /// @dev Checks what the group agreed on, and keeps it.
    function _setTerms(GroupState storage state, Terms calldata terms) private {
        uint256 count = terms.classes.length;
        require(count != 0 && count <= MAXIMUM_CLASSES, Errors.InvalidClassCount(count, MAXIMUM_CLASSES));
        for (uint256 i = 0; i < count; ++i) {
            Policies.check(terms.classes, i);
            state.classes.push(terms.classes[i]);
        }
        require(terms.stallTime != 0 && terms.stallTime <= LONGEST, Errors.InvalidStallTime(terms.stallTime));
        require(
            terms.inboxDeadline != 0 && terms.inboxDeadline <= LONGEST, Errors.InvalidInboxDeadline(terms.inboxDeadline)
        );
        require(terms.evidenceWindow <= LONGEST, Errors.InvalidEvidenceWindow(terms.evidenceWindow));
        require(terms.reporterShare <= MAXIMUM_REPORTER_SHARE, Errors.InvalidReporterShare(terms.reporterShare));

        (state.stallTime, state.inboxDeadline) = (terms.stallTime, terms.inboxDeadline);
        (state.bond, state.evidenceWindow, state.reporterShare) =
        (terms.bond, terms.evidenceWindow, terms.reporterShare);
    }

    function _member(GroupState storage state, address account) private view returns (Member memory) {
        Seat storage seat = state.seats[account];
        return Member({account: account, key: seat.key, weight: seat.weight, flags: seat.flags});
    }

    /// @dev Checks that every member has registered the key that it is listed with.
    function _checkRegistered(Member[] calldata members_) private view {
        for (uint256 i = 0; i < members_.length; ++i) {
            address account = members_[i].account;
            bytes32 registered = _keys[account];
            require(registered != 0, Errors.NotRegistered(account));
            require(members_[i].key == registered, Errors.KeyMismatch(account, registered, members_[i].key));
        }
    }
}
