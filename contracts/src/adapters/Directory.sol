// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {IAgentCoordinator} from "../IAgentCoordinator.sol";
import {EpochStart, FLAG_REPLICA, Member} from "../Types.sol";
import {IDirectory} from "./IDirectory.sol";

/// @title Directory
/// @notice See {IDirectory}.
contract Directory is IDirectory {
    /// @dev Of an account in a group.
    struct Acceptance {
        bool given;
        uint64 epoch;
    }

    // In bytes.
    uint256 private constant LONGEST_NAME = 64;
    uint256 private constant LONGEST_URI = 256;
    uint256 private constant LONGEST_URL = 256;

    /// @inheritdoc IDirectory
    IAgentCoordinator public immutable override coordinator;

    mapping(bytes32 groupId => Profile) private _profiles;
    mapping(bytes32 groupId => mapping(address account => Acceptance)) private _acceptances;
    mapping(bytes32 groupId => mapping(address account => string)) private _urls;

    /// @param coordinator_ The `AgentCoordinator`.
    constructor(IAgentCoordinator coordinator_) {
        require(address(coordinator_).code.length != 0, NoCoordinator(address(coordinator_)));
        coordinator = coordinator_;
    }

    // ---------------------------------------------------------------------------------------------------------
    // Transactions
    // ---------------------------------------------------------------------------------------------------------

    /// @inheritdoc IDirectory
    function setProfile(bytes32 groupId, string calldata name, string calldata uri) external override {
        // Nobody but the coordinator can put code there, and nobody has a key of it.
        require(msg.sender == coordinator.accountOf(groupId), NotGroupAccount(groupId, msg.sender));
        _checkLength(name, LONGEST_NAME);
        _checkLength(uri, LONGEST_URI);

        _profiles[groupId] = Profile({name: name, uri: uri});
        emit ProfileSet(groupId, name, uri);
    }

    /// @inheritdoc IDirectory
    function accept(bytes32 groupId, uint64 epoch) external override {
        _requireMember(groupId);
        require(!coordinator.seatOf(groupId, msg.sender).left, HasLeft(groupId, msg.sender));
        require(_isCurrent(groupId, epoch), NotCurrentEpoch(groupId, epoch));

        _acceptances[groupId][msg.sender] = Acceptance({given: true, epoch: epoch});
        emit Accepted(groupId, msg.sender, epoch);
    }

    /// @inheritdoc IDirectory
    function withdrawAcceptance(bytes32 groupId) external override {
        require(_acceptances[groupId][msg.sender].given, NotAccepted(groupId, msg.sender));

        delete _acceptances[groupId][msg.sender];
        emit AcceptanceWithdrawn(groupId, msg.sender);
    }

    /// @inheritdoc IDirectory
    function announce(bytes32 groupId, string calldata url) external override {
        _checkLength(url, LONGEST_URL);
        if (bytes(url).length != 0) _requireMember(groupId);

        _urls[groupId][msg.sender] = url;
        emit EndpointAnnounced(groupId, msg.sender, url);
    }

    // ---------------------------------------------------------------------------------------------------------
    // Views
    // ---------------------------------------------------------------------------------------------------------

    /// @inheritdoc IDirectory
    function profile(bytes32 groupId) external view override returns (Profile memory) {
        return _profiles[groupId];
    }

    /// @inheritdoc IDirectory
    function listing(bytes32 groupId, address account) external view override returns (Listing memory) {
        Member memory member = coordinator.memberOf(groupId, account);
        if (member.flags == 0) member.account = account;
        return _listing(groupId, member);
    }

    /// @inheritdoc IDirectory
    function listings(bytes32 groupId, uint256 first, uint256 most)
        external
        view
        override
        returns (uint64 epoch, uint256 total, Listing[] memory page)
    {
        epoch = coordinator.group(groupId).epoch;
        Member[] memory members = coordinator.members(groupId);
        total = members.length;
        page = new Listing[](_pageLength(total, first, most));
        for (uint256 i = 0; i < page.length; ++i) {
            page[i] = _listing(groupId, members[first + i]);
        }
    }

    /// @inheritdoc IDirectory
    function endpoints(bytes32 groupId, uint256 first, uint256 most)
        external
        view
        override
        returns (uint64 epoch, uint256 total, Endpoint[] memory page)
    {
        epoch = coordinator.group(groupId).epoch;
        Member[] memory members = coordinator.members(groupId);
        for (uint256 i = 0; i < members.length; ++i) {
            if (members[i].flags & FLAG_REPLICA != 0) members[total++] = members[i];
        }
        page = new Endpoint[](_pageLength(total, first, most));
        for (uint256 i = 0; i < page.length; ++i) {
            address account = members[first + i].account;
            page[i] = Endpoint({account: account, url: _urls[groupId][account]});
        }
    }

    // ---------------------------------------------------------------------------------------------------------
    // Private
    // ---------------------------------------------------------------------------------------------------------

    function _listing(bytes32 groupId, Member memory member) private view returns (Listing memory listing_) {
        (listing_.account, listing_.flags) = (member.account, member.flags);
        if (member.flags == 0) return listing_;
        listing_.url = _urls[groupId][member.account];
        Acceptance memory acceptance = _acceptances[groupId][member.account];
        // A page at a time, and read without a transaction.
        // slither-disable-next-line calls-loop
        if (!acceptance.given || coordinator.seatOf(groupId, member.account).left) return listing_;
        (listing_.agrees, listing_.epoch) = (true, acceptance.epoch);
    }

    function _requireMember(bytes32 groupId) private view {
        require(coordinator.memberOf(groupId, msg.sender).flags != 0, NotMember(groupId, msg.sender));
    }

    /// @dev Whether the epoch has begun, and neither the next of its era nor the first of the era after it has. `group` says it too,
    /// and reads every term for it.
    function _isCurrent(bytes32 groupId, uint64 epoch) private view returns (bool) {
        return _hasBegun(groupId, epoch) && !_hasBegun(groupId, uint256(epoch) + 1)
            && !_hasBegun(groupId, ((uint256(epoch) >> 32) + 1) << 32);
    }

    function _hasBegun(bytes32 groupId, uint256 epoch) private view returns (bool) {
        if (epoch > type(uint64).max) return false;
        // It fits: that is what was asked.
        // forge-lint: disable-next-line(unsafe-typecast)
        EpochStart memory start = coordinator.epochStart(groupId, uint64(epoch));
        return start.membersHash != 0;
    }

    function _pageLength(uint256 total, uint256 first, uint256 most) private pure returns (uint256) {
        if (first >= total) return 0;
        return most < total - first ? most : total - first;
    }

    function _checkLength(string calldata text, uint256 most) private pure {
        uint256 length = bytes(text).length;
        require(length <= most, TooLong(length, most));
    }
}
