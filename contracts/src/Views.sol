// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {Create2} from "@openzeppelin/contracts/utils/Create2.sol";

import {AccountProxy} from "./AccountProxy.sol";
import {Contradictions} from "./Contradictions.sol";
import {Domain} from "./Domain.sol";
import {Hashes} from "./Hashes.sol";
import {IGroupRegistry} from "./IGroupRegistry.sol";
import {Inbox} from "./Inbox.sol";
import {MerkleLog} from "./MerkleLog.sol";
import {Quorum} from "./Quorum.sol";
import {
    Anchor,
    Bond,
    Checkpoint,
    Class,
    Decision,
    Entry,
    EpochStart,
    Group,
    InboxState,
    Limit,
    Member,
    SeatState,
    Terms
} from "./Types.sol";

/// @title Views
/// @notice What of {IGroupRegistry} is only read.
abstract contract Views is Inbox, Domain, IGroupRegistry {
    // ---------------------------------------------------------------------------------------------------------
    // Agents and groups
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
            replicaCount: state.replicaCount,
            totalWeight: epoch.totalWeight,
            membersHash: epoch.membersHash,
            votersSince: state.votersSince,
            createdAt: state.epochs[0].startedAt,
            terms: _terms(state)
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
    function epochStart(bytes32 groupId, uint64 epoch) external view override returns (EpochStart memory) {
        GroupState storage own = _group(groupId);
        EpochState memory state = own.epochs[epoch];
        uint64 votersSince = 0;
        if (state.membersHash != 0) {
            for (uint64 next = own.nextVoters[0]; next != 0 && next <= epoch; next = own.nextVoters[next]) {
                votersSince = next;
            }
        }
        return EpochStart({
            membersHash: state.membersHash,
            sequence: state.sequence,
            logSize: state.logSize,
            startedAt: state.startedAt,
            totalWeight: state.totalWeight,
            votersSince: votersSince
        });
    }

    /// @inheritdoc IGroupRegistry
    function memberOf(bytes32 groupId, address account) external view override returns (Member memory) {
        return _member(_group(groupId), account);
    }

    /// @inheritdoc IGroupRegistry
    function seatOf(bytes32 groupId, address account) external view override returns (SeatState memory) {
        GroupState storage state = _group(groupId);
        Seat storage seat = state.seats[account];
        return SeatState({
            left: seat.left,
            convicted: seat.convicted,
            bonded: seat.bonded,
            exitAt: seat.exitAt,
            counts: _counts(state, seat)
        });
    }

    /// @inheritdoc IGroupRegistry
    function countedReplicas(bytes32 groupId) external view override returns (address[] memory replicas) {
        GroupState storage state = _group(groupId);
        uint256 count = 0;
        for (uint256 i = 0; i < state.accounts.length; ++i) {
            if (_counts(state, state.seats[state.accounts[i]])) ++count;
        }
        replicas = new address[](count);
        for (uint256 i = state.accounts.length; count != 0; --i) {
            address account = state.accounts[i - 1];
            if (_counts(state, state.seats[account])) replicas[--count] = account;
        }
    }

    /// @inheritdoc IGroupRegistry
    function hasStalled(bytes32 groupId) external view override returns (bool) {
        return _hasStalled(_group(groupId));
    }

    /// @inheritdoc IGroupRegistry
    function isDead(bytes32 groupId) external view override returns (bool) {
        GroupState storage state = _group(groupId);
        uint256 recoveryTime = state.recoveryTime;
        // A recovery time counts days; what a block's producer can shift is far below that.
        // slither-disable-next-line timestamp
        return recoveryTime != 0 && _hasWaited(state, recoveryTime);
    }

    /// @inheritdoc IGroupRegistry
    function quorum(bytes32 groupId) external view override returns (uint256) {
        return Quorum.size(_group(groupId).replicaCount);
    }

    /// @inheritdoc IGroupRegistry
    function bondOf(bytes32 groupId, address replica) external view override returns (Bond memory) {
        return _group(groupId).bonds[replica];
    }

    // ---------------------------------------------------------------------------------------------------------
    // The log and the inbox
    // ---------------------------------------------------------------------------------------------------------

    /// @inheritdoc IGroupRegistry
    function latestAnchor(bytes32 groupId) external view override returns (Anchor memory) {
        GroupState storage state = _group(groupId);
        return Anchor({
            epoch: state.anchorEpoch,
            sequence: state.sequence,
            logSize: state.logSize,
            anchoredAt: state.anchoredAt,
            logRoot: state.roots[state.logSize]
        });
    }

    /// @inheritdoc IGroupRegistry
    function anchoredRoot(bytes32 groupId, uint64 logSize) external view override returns (bytes32) {
        return _group(groupId).roots[logSize];
    }

    /// @inheritdoc IGroupRegistry
    function inbox(bytes32 groupId) external view override returns (InboxState memory) {
        GroupState storage state = _group(groupId);
        return InboxState({
            length: state.inboxLength,
            taken: state.inboxTaken,
            servedAt: state.servedAt,
            // It fits: it is one of two times of 40 bits.
            // forge-lint: disable-next-line(unsafe-typecast)
            waitingSince: uint64(_waitingSince(state))
        });
    }

    /// @inheritdoc IGroupRegistry
    function inboxMessage(bytes32 groupId, uint64 index)
        external
        view
        override
        returns (bytes32 inboxHash, uint64 enqueuedAt)
    {
        GroupState storage state = _group(groupId);
        return (state.messages[index], state.messageTimes[index / 6][index % 6]);
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

    // ---------------------------------------------------------------------------------------------------------
    // Identifiers, and what is signed
    // ---------------------------------------------------------------------------------------------------------

    /// @inheritdoc IGroupRegistry
    function hashDecision(Decision calldata decision) external view override returns (bytes32) {
        return _digest(Hashes.hashDecision(decision));
    }

    /// @inheritdoc IGroupRegistry
    function hashCheckpoint(Checkpoint calldata checkpoint) external view override returns (bytes32) {
        return _digest(Hashes.hashCheckpoint(checkpoint));
    }

    /// @inheritdoc IGroupRegistry
    function hashInboxTaken(bytes32 groupId, uint64 index, bytes32 inboxHash, uint8 disposition)
        external
        view
        override
        returns (bytes32)
    {
        return _digest(Hashes.hashInboxTaken(groupId, index, inboxHash, disposition));
    }

    /// @inheritdoc IGroupRegistry
    function contradict(Checkpoint calldata first, Checkpoint calldata second) external pure override returns (bool) {
        return Contradictions.contradict(first, second);
    }

    /// @inheritdoc IGroupRegistry
    function domainSeparator() external view override returns (bytes32) {
        return _domainSeparator();
    }

    /// @inheritdoc IGroupRegistry
    function eip712Domain()
        external
        view
        override
        returns (
            bytes1 fields,
            string memory name,
            string memory version,
            uint256 chainId,
            address verifyingContract,
            bytes32 salt,
            uint256[] memory extensions
        )
    {
        // The four lowest bits: name, version, chainId and verifyingContract.
        return (hex"0f", "Quorate", "1", block.chainid, address(this), bytes32(0), new uint256[](0));
    }

    /// @inheritdoc IGroupRegistry
    function groupIdOf(address creator, bytes32 salt, bytes32 membersHash, bytes32 termsHash)
        public
        view
        override
        returns (bytes32)
    {
        return Hashes.groupId(creator, salt, membersHash, termsHash);
    }

    /// @inheritdoc IGroupRegistry
    function accountOf(bytes32 groupId) public view override returns (address) {
        // The digits are the creation code's.
        // slither-disable-next-line too-many-digits
        bytes memory code = abi.encodePacked(type(AccountProxy).creationCode, abi.encode(groupAccountImplementation()));
        return Create2.computeAddress(groupId, keccak256(code));
    }

    /// @inheritdoc IGroupRegistry
    function groupAccountImplementation() public view override returns (address) {
        // The first contract that the coordinator creates: its nonce is 1, and this the RLP encoding of the two.
        return address(uint160(uint256(keccak256(abi.encodePacked(hex"d694", address(this), hex"01")))));
    }

    // ---------------------------------------------------------------------------------------------------------
    // Private
    // ---------------------------------------------------------------------------------------------------------

    function _terms(GroupState storage state) private view returns (Terms memory) {
        Class[] memory classes = new Class[](state.classCount);
        for (uint256 i = 0; i < classes.length; ++i) {
            classes[i] = _classOf(state.classes[i]);
        }
        return Terms({
            classes: classes,
            stallTime: state.stallTime,
            inboxDeadline: state.inboxDeadline,
            recoveryTime: state.recoveryTime,
            inboxFee: state.inboxFee,
            bond: state.bond,
            evidenceWindow: state.evidenceWindow,
            reporterShare: state.reporterShare,
            uptimeFeed: state.uptimeFeed
        });
    }

    function _classOf(ClassState storage state) private view returns (Class memory class) {
        (class.name, class.scope, class.opening, class.basis) = (state.name, state.scope, state.opening, state.basis);
        (class.escape, class.revotes) = (state.escape, state.revotes);
        (class.threshold, class.turnout, class.veto) = (state.threshold, state.turnout, state.veto);
        (class.votingPeriod, class.timelock, class.expiry, class.window) =
        (state.votingPeriod, state.timelock, state.expiry, state.window);
        class.targets = state.targetList;
        uint256 count = state.assets.length;
        class.limits = new Limit[](count);
        for (uint256 i = 0; i < count; ++i) {
            address asset = state.assets[i];
            LimitState storage limit = state.limits[asset];
            class.limits[i] = Limit({asset: asset, perDecision: limit.perDecision, perWindow: limit.perWindow});
        }
    }

    function _member(GroupState storage state, address account) private view returns (Member memory) {
        Seat storage seat = state.seats[account];
        return Member({account: account, key: seat.key, weight: seat.weight, flags: seat.flags});
    }
}
