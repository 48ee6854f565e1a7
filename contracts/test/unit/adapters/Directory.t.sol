// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {Errors} from "../../../src/Errors.sol";
import {IAgentCoordinator} from "../../../src/IAgentCoordinator.sol";
import {IDirectory} from "../../../src/adapters/IDirectory.sol";
import {Directory} from "../../../src/adapters/Directory.sol";
import {Call, Content, EpochStart, FLAG_REPLICA, FLAG_VOTER, Member} from "../../../src/Types.sol";
import {deployDirectory} from "../../support/Adapters.sol";
import {AnchorFixture} from "../../support/AnchorFixture.sol";
import {vm} from "../../support/Vm.sol";

/// @notice The branches of Directory.tree.
contract DirectoryTest is AnchorFixture {
    uint64 private constant ERA = 1 << 32;
    address private constant NEWCOMER = address(type(uint160).max);
    string private constant URL = "https://node.example:8443";

    IDirectory private _directory;

    function setUp() public override {
        super.setUp();
        _directory = deployDirectory(coordinator);
    }

    function test_Constructor_RevertWhen_ThereIsNoCoordinator() external {
        vm.expectRevert(abi.encodeWithSelector(IDirectory.NoCoordinator.selector, address(0xdead)));
        new Directory(IAgentCoordinator(address(0xdead)));
        vm.assertEq(address(_directory.coordinator()), address(coordinator), "the coordinator");
    }

    // ---------------------------------------------------------------------------------------------------------
    // The group's profile
    // ---------------------------------------------------------------------------------------------------------

    function test_SetProfile_RevertWhen_NotTheGroupsAccount() external {
        address other = coordinator.accountOf(_createGroup(_members(4), _terms(), "other"));
        address[4] memory callers = [address(this), agents[0], other, address(coordinator)];
        for (uint256 i = 0; i < callers.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IDirectory.NotGroupAccount.selector, groupId, callers[i]));
            vm.prank(callers[i]);
            _directory.setProfile(groupId, "mine", "");
        }
    }

    /// @dev In bytes, whatever the characters are.
    function test_SetProfile_RevertWhen_TooLong() external {
        vm.expectRevert(abi.encodeWithSelector(IDirectory.TooLong.selector, 65, 64));
        vm.prank(account);
        _directory.setProfile(groupId, _text(65), "");
        vm.expectRevert(abi.encodeWithSelector(IDirectory.TooLong.selector, 257, 256));
        vm.prank(account);
        _directory.setProfile(groupId, "", _text(257));
        vm.prank(account);
        _directory.setProfile(groupId, _text(64), _text(256));
        vm.assertEq(bytes(_directory.profile(groupId).uri).length, 256, "as long as may be");
    }

    function test_SetProfile_ByADecision() external {
        vm.prank(account);
        _directory.setProfile(groupId, _text(64), _text(256));
        bytes memory data = abi.encodeCall(IDirectory.setProfile, (groupId, "Quorate", "ipfs://about"));
        Content memory content = _approved(ROUTINE, _call(address(_directory), 0, data), 1);
        vm.warp(block.timestamp + TIMELOCK);
        vm.expectEmit(address(_directory));
        emit IDirectory.ProfileSet(groupId, "Quorate", "ipfs://about");
        coordinator.execute(groupId, content);
        vm.assertEq(_directory.profile(groupId).name, "Quorate", "name");
        vm.assertEq(_directory.profile(groupId).uri, "ipfs://about", "URI");
        vm.assertEq(_directory.profile("other").name, "", "nobody else's");
    }

    // ---------------------------------------------------------------------------------------------------------
    // Acceptance
    // ---------------------------------------------------------------------------------------------------------

    function test_Accept_RevertWhen_NoMemberOrNoGroup() external {
        vm.expectRevert(abi.encodeWithSelector(Errors.UnknownGroup.selector, bytes32("none")));
        _directory.accept("none", 0);
        address[2] memory callers = [address(this), account];
        for (uint256 i = 0; i < 2; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IDirectory.NotMember.selector, groupId, callers[i]));
            vm.prank(callers[i]);
            _directory.accept(groupId, 0);
        }
    }

    function test_Accept_RevertWhen_TheMemberHasLeft() external {
        vm.prank(agents[1]);
        coordinator.leave(groupId);
        vm.expectRevert(abi.encodeWithSelector(IDirectory.HasLeft.selector, groupId, agents[1]));
        vm.prank(agents[1]);
        _directory.accept(groupId, 0);
    }

    /// @dev Nobody agrees to members that it has not seen, over rotations and recoveries.
    function test_Accept_RevertWhen_TheEpochIsAnother() external {
        uint64[4] memory epochs = [1, ERA, type(uint64).max, uint64(0xffffffff) << 32];
        for (uint256 i = 0; i < 4; ++i) {
            _expectNotCurrent(epochs[i]);
        }
        _rotateReplicas();
        _expectNotCurrent(0);
        _expectNotCurrent(2);
        _accept(0, 1);

        _enqueue();
        vm.warp(block.timestamp + RECOVERY_TIME);
        vm.prank(account);
        coordinator.recover(groupId, 0, _members(4));
        _expectNotCurrent(0);
        _expectNotCurrent(1);
        _accept(0, ERA);
        vm.assertEq(_directory.listing(groupId, agents[0]).epoch, ERA, "of the era");
    }

    /// @dev No era follows the last, which no group comes to in earnest.
    function test_Accept_InTheLastEra() external {
        uint64 last = uint64(type(uint32).max) << 32;
        EpochStart memory start = coordinator.epochStart(groupId, 0);
        vm.mockCall(address(coordinator), abi.encodeCall(coordinator.epochStart, (groupId, last)), abi.encode(start));
        _accept(0, last);
        vm.assertEq(_directory.listing(groupId, agents[0]).epoch, last, "of the last era");
    }

    function test_Accept_IsTold() external {
        vm.expectEmit(address(_directory));
        emit IDirectory.Accepted(groupId, agents[2], 0);
        _accept(2, 0);
        (, uint256 total, IDirectory.Listing[] memory page) = _directory.listings(groupId, 0, 64);
        vm.assertEq(total, 4, "members");
        for (uint256 i = 0; i < 4; ++i) {
            vm.assertEq(page[i].agrees, i == 2, "who agrees");
        }
    }

    function test_Accept_CountsWhileAMember() external {
        _accept(0, 0);
        _accept(3, 0);
        _rotateReplicas();
        vm.assertTrue(_directory.listing(groupId, agents[0]).agrees, "in a later epoch");
        vm.assertEq(_directory.listing(groupId, agents[0]).epoch, 0, "of the epoch that it saw");
        vm.prank(agents[0]);
        coordinator.leave(groupId);
        vm.assertFalse(_directory.listing(groupId, agents[0]).agrees, "left");

        _replaceLast();
        IDirectory.Listing memory gone = _directory.listing(groupId, agents[3]);
        vm.assertFalse(gone.agrees, "no member any more");
        vm.assertEq(gone.flags, 0, "no flags");
        vm.assertEq(gone.account, agents[3], "whom it is about");
        // It can take it back all the same.
        vm.prank(agents[3]);
        _directory.withdrawAcceptance(groupId);
    }

    function test_WithdrawAcceptance() external {
        vm.expectRevert(abi.encodeWithSelector(IDirectory.NotAccepted.selector, groupId, agents[1]));
        vm.prank(agents[1]);
        _directory.withdrawAcceptance(groupId);
        _accept(1, 0);
        vm.expectEmit(address(_directory));
        emit IDirectory.AcceptanceWithdrawn(groupId, agents[1]);
        vm.prank(agents[1]);
        _directory.withdrawAcceptance(groupId);
        vm.assertFalse(_directory.listing(groupId, agents[1]).agrees, "taken back");
        vm.expectRevert(abi.encodeWithSelector(IDirectory.NotAccepted.selector, groupId, agents[1]));
        vm.prank(agents[1]);
        _directory.withdrawAcceptance(groupId);
    }

    // ---------------------------------------------------------------------------------------------------------
    // Endpoints
    // ---------------------------------------------------------------------------------------------------------

    function test_Announce_RevertWhen_NoMember() external {
        vm.expectRevert(abi.encodeWithSelector(IDirectory.NotMember.selector, groupId, address(this)));
        _directory.announce(groupId, URL);
        vm.expectRevert(abi.encodeWithSelector(Errors.UnknownGroup.selector, bytes32("none")));
        _directory.announce("none", URL);
    }

    function test_Announce_RevertWhen_TooLong() external {
        vm.expectRevert(abi.encodeWithSelector(IDirectory.TooLong.selector, 257, 256));
        _announce(0, _text(257));
        _announce(0, _text(256));
    }

    function test_Announce_IsTheCallersInThisGroup() external {
        bytes32 other = _createGroup(_members(4), _terms(), "other");
        _announce(0, _text(256));
        vm.expectEmit(address(_directory));
        emit IDirectory.EndpointAnnounced(groupId, agents[0], URL);
        _announce(0, URL);
        (,, IDirectory.Endpoint[] memory page) = _directory.endpoints(groupId, 0, 64);
        vm.assertEq(page[0].url, URL, "its own");
        vm.assertEq(page[1].url, "", "nobody else's");
        (,, page) = _directory.endpoints(other, 0, 64);
        vm.assertEq(page[0].url, "", "not in another group");
        _announce(0, "");
        vm.assertEq(_directory.listing(groupId, agents[0]).url, "", "nowhere");
    }

    /// @dev Who is no member any more is not shown, and can clear what it said; a newcomer takes its place.
    function test_Endpoints_AreTheCurrentReplicas() external {
        for (uint256 i = 0; i < 4; ++i) {
            _announce(i, URL);
        }
        _replaceLast();
        (uint64 epoch, uint256 total, IDirectory.Endpoint[] memory page) = _directory.endpoints(groupId, 0, 64);
        vm.assertEq(epoch, 1, "epoch");
        vm.assertEq(total, 4, "replicas");
        for (uint256 i = 0; i < 4; ++i) {
            bool isNew = page[i].account == NEWCOMER;
            vm.assertEq(page[i].url, isNew ? "" : URL, "whose");
            vm.assertFalse(page[i].account == agents[3], "it is gone");
        }
        vm.assertEq(_directory.listing(groupId, agents[3]).url, "", "nor by itself");
        _announce(3, "");
        vm.expectRevert(abi.encodeWithSelector(IDirectory.NotMember.selector, groupId, agents[3]));
        _announce(3, URL);
    }

    /// @dev Voters without a node are members, and no endpoints.
    function test_Endpoints_AreNotThoseOfVoters() external {
        _makeAgents(6);
        Member[] memory members = _members(6);
        (members[1].flags, members[4].flags) = (FLAG_VOTER, FLAG_VOTER);
        (members[0].flags, members[0].weight) = (FLAG_REPLICA, 0);
        bytes32 id = _createGroup(members, _terms(), "six");
        (, uint256 total, IDirectory.Endpoint[] memory page) = _directory.endpoints(id, 0, 64);
        vm.assertEq(total, 4, "replicas");
        address[4] memory replicas = [agents[0], agents[2], agents[3], agents[5]];
        for (uint256 i = 0; i < 4; ++i) {
            vm.assertEq(page[i].account, replicas[i], "ascending");
        }
        (, total,) = _directory.listings(id, 0, 64);
        vm.assertEq(total, 6, "members");
    }

    function test_Views_RevertWhen_NoGroup() external {
        bytes memory refusal = abi.encodeWithSelector(Errors.UnknownGroup.selector, bytes32("none"));
        vm.expectRevert(refusal);
        _directory.endpoints("none", 0, 1);
        vm.expectRevert(refusal);
        _directory.listings("none", 0, 1);
        vm.expectRevert(refusal);
        _directory.listing("none", agents[0]);
    }

    /// @dev Whatever page is asked for, it is the cut of the whole that it says.
    function testFuzz_Pages_AreCutsOfTheWhole(uint256 first, uint256 most, bool small) external view {
        if (small) (first, most) = (first % 6, most % 6);
        (,, IDirectory.Listing[] memory all) = _directory.listings(groupId, 0, type(uint256).max);
        vm.assertEq(all.length, 4, "all");
        (, uint256 total, IDirectory.Listing[] memory page) = _directory.listings(groupId, first, most);
        (,, IDirectory.Endpoint[] memory endpoints) = _directory.endpoints(groupId, first, most);
        vm.assertEq(total, 4, "total");
        uint256 rest = first < 4 ? 4 - first : 0;
        vm.assertEq(page.length, most < rest ? most : rest, "length");
        vm.assertEq(endpoints.length, page.length, "length of the other");
        for (uint256 i = 0; i < page.length; ++i) {
            vm.assertEq(page[i].account, all[first + i].account, "which");
            vm.assertEq(endpoints[i].account, page[i].account, "the same");
        }
    }

    // ---------------------------------------------------------------------------------------------------------
    // Private
    // ---------------------------------------------------------------------------------------------------------

    function _accept(uint256 agent, uint64 epoch) private {
        vm.prank(agents[agent]);
        _directory.accept(groupId, epoch);
    }

    function _announce(uint256 agent, string memory url) private {
        vm.prank(agents[agent]);
        _directory.announce(groupId, url);
    }

    function _expectNotCurrent(uint64 epoch) private {
        vm.expectRevert(abi.encodeWithSelector(IDirectory.NotCurrentEpoch.selector, groupId, epoch));
        _accept(0, epoch);
    }

    /// @dev The next epoch has the same members.
    function _rotateReplicas() private {
        _fill(3);
        Member[] memory next = _members(4);
        _rotate(_boundary(coordinator.latestAnchor(groupId).sequence + 1, next), 0, 3, next, _noMandate());
    }

    /// @dev In the next epoch another agent has the last one's seat. The first may have left.
    function _replaceLast() private {
        _fill(3);
        Member[] memory next = _members(4);
        (next[3].account, next[3].key) = (NEWCOMER, keccak256("newcomer"));
        uint64 sequence = coordinator.latestAnchor(groupId).sequence + 1;
        _rotate(_boundary(sequence, next), 0, 3, next, _mandate(next, 1, 3));
    }

    function _text(uint256 length) private pure returns (string memory) {
        bytes memory text = new bytes(length);
        for (uint256 i = 0; i < length; ++i) {
            text[i] = "x";
        }
        return string(text);
    }
}
// forge-lint: disable-end(unsafe-typecast)
