// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {Errors} from "../../src/Errors.sol";
import {ICoordinatorEvents} from "../../src/ICoordinatorEvents.sol";
import {IGroupAccount} from "../../src/IGroupAccount.sol";
import {
    Anchor,
    EpochStart,
    FLAG_REPLICA,
    FLAG_VOTER,
    Group,
    INBOX_LEFT,
    InboxState,
    Member,
    SeatState,
    Terms
} from "../../src/Types.sol";
import {AnchorFixture} from "../support/AnchorFixture.sol";
import {vm} from "../support/Vm.sol";

/// @notice The branches of Groups.tree.
contract GroupsTest is AnchorFixture {
    // ---------------------------------------------------------------------------------------------------------
    // register
    // ---------------------------------------------------------------------------------------------------------

    function test_Register_RevertWhen_KeyIsZero() external {
        vm.expectRevert(abi.encodeWithSelector(Errors.ZeroKey.selector));
        coordinator.register(0);
    }

    function test_Register_BindsTheKey() external {
        vm.expectEmit(address(coordinator));
        emit ICoordinatorEvents.AgentRegistered(address(this), "key");
        coordinator.register("key");

        vm.assertEq(coordinator.keyOf(address(this)), "key", "key");
    }

    function test_Register_WhenRegisteredBefore_ReplacesTheKeyForLaterGroups() external {
        vm.prank(agents[0]);
        coordinator.register("new key");

        vm.assertEq(coordinator.keyOf(agents[0]), "new key", "registered key");
        vm.assertEq(coordinator.memberOf(groupId, agents[0]).key, _key(agents[0]), "key in the older group");
    }

    // ---------------------------------------------------------------------------------------------------------
    // createGroup
    // ---------------------------------------------------------------------------------------------------------

    function test_CreateGroup_RevertWhen_SaltIsUsed() external {
        _expectRefusal(_members(4), _terms(), SALT, abi.encodeWithSelector(Errors.GroupExists.selector, groupId));
    }

    function test_CreateGroup_RevertWhen_TooManyMembers() external {
        _makeAgents(65);
        _expectRefusal(_members(65), _terms(), abi.encodeWithSelector(Errors.TooManyMembers.selector, 65, 64));
    }

    function test_CreateGroup_TakesSixtyFourMembers() external {
        _makeAgents(64);
        bytes32 id = _createGroup(_members(64), _terms(), "64");

        Group memory group = coordinator.group(id);
        vm.assertEq(group.memberCount, 64, "members");
        vm.assertEq(group.replicaCount, 64, "replicas");
        vm.assertEq(coordinator.quorum(id), 43, "quorum");
        vm.assertEq(abi.encode(coordinator.members(id)), abi.encode(_members(64)), "members");
    }

    function test_CreateGroup_RevertGiven_TheSameMemberTwice() external {
        Member[] memory members = _members(4);
        members[1] = members[0];
        _expectRefusal(
            members, _terms(), abi.encodeWithSelector(Errors.MembersNotAscending.selector, agents[0], agents[0])
        );
    }

    function test_CreateGroup_RevertGiven_SwappedMembers() external {
        Member[] memory members = _members(4);
        (members[2], members[3]) = (members[3], members[2]);
        _expectRefusal(
            members, _terms(), abi.encodeWithSelector(Errors.MembersNotAscending.selector, agents[3], agents[2])
        );
    }

    function test_CreateGroup_RevertGiven_TheZeroAddress() external {
        Member[] memory members = _members(4);
        members[0].account = address(0);
        _expectRefusal(
            members, _terms(), abi.encodeWithSelector(Errors.MembersNotAscending.selector, address(0), address(0))
        );
    }

    function test_CreateGroup_RevertWhen_NotRegistered() external {
        Member[] memory members = _members(4);
        members[0].account = address(1);
        _expectRefusal(members, _terms(), abi.encodeWithSelector(Errors.NotRegistered.selector, address(1)));
    }

    function test_CreateGroup_RevertWhen_AMembersKeyIsZero() external {
        Member[] memory members = _members(4);
        members[1].key = 0;
        _expectRefusal(members, _terms(), abi.encodeWithSelector(Errors.ZeroKey.selector));
    }

    function test_CreateGroup_RevertWhen_KeyIsNotTheRegisteredOne() external {
        Member[] memory members = _members(4);
        members[2].key = "other";
        _expectRefusal(
            members,
            _terms(),
            abi.encodeWithSelector(Errors.KeyMismatch.selector, agents[2], _key(agents[2]), bytes32("other"))
        );
    }

    function test_CreateGroup_RevertWhen_TwoMembersHaveOneKey() external {
        vm.prank(agents[3]);
        coordinator.register(_key(agents[1]));
        Member[] memory members = _members(4);
        members[3].key = _key(agents[1]);
        _expectRefusal(members, _terms(), abi.encodeWithSelector(Errors.DuplicateKey.selector, _key(agents[1])));
    }

    function testFuzz_CreateGroup_RevertWhen_FlagsAreNoneOrUnknown(uint8 flags) external {
        vm.assume(flags == 0 || flags > (FLAG_VOTER | FLAG_REPLICA));
        Member[] memory members = _members(4);
        members[1].flags = flags;
        _expectRefusal(members, _terms(), abi.encodeWithSelector(Errors.InvalidFlags.selector, agents[1], flags));
    }

    function test_CreateGroup_RevertWhen_VoterHasNoWeight() external {
        Member[] memory members = _members(4);
        members[1].weight = 0;
        _expectRefusal(members, _terms(), abi.encodeWithSelector(Errors.InvalidWeight.selector, agents[1], 0));
    }

    function test_CreateGroup_RevertWhen_NonVoterHasWeight() external {
        Member[] memory members = _members(4);
        members[1].flags = FLAG_REPLICA;
        _expectRefusal(members, _terms(), abi.encodeWithSelector(Errors.InvalidWeight.selector, agents[1], 1));
    }

    function test_CreateGroup_RevertWhen_TooFewReplicas() external {
        Member[] memory members = _members(4);
        members[1].flags = FLAG_VOTER;
        _expectRefusal(members, _terms(), abi.encodeWithSelector(Errors.TooFewReplicas.selector, 3, 4));
        _expectRefusal(new Member[](0), _terms(), abi.encodeWithSelector(Errors.TooFewReplicas.selector, 0, 4));
    }

    /// @dev A group that nobody has a vote in decides nothing, in either lane.
    function test_CreateGroup_TakesMembersOfWhomNobodyVotes() external {
        Member[] memory members = _members(4);
        for (uint256 i = 0; i < 4; ++i) {
            members[i].flags = FLAG_REPLICA;
            members[i].weight = 0;
        }
        bytes32 id = _createGroup(members, _terms(), "nobody");
        vm.assertEq(coordinator.group(id).totalWeight, 0, "total weight");
    }

    function testFuzz_CreateGroup_AddsUpTheWeights(uint64[4] memory weights) external {
        Member[] memory members = _members(4);
        uint128 total = 0;
        for (uint256 i = 0; i < 4; ++i) {
            members[i].weight = weights[i] == 0 ? 1 : weights[i];
            total += members[i].weight;
        }
        bytes32 id = _createGroup(members, _terms(), "fuzz");
        vm.assertEq(coordinator.group(id).totalWeight, total, "total weight");
        vm.assertEq(coordinator.epochStart(id, 0).totalWeight, total, "the epoch's total weight");
    }

    function test_CreateGroup_KeepsEverything() external {
        _makeAgents(6);
        Member[] memory members = _members(6);
        members[4].flags = FLAG_VOTER;
        members[4].weight = 10;
        members[5].flags = FLAG_REPLICA;
        members[5].weight = 0;
        Terms memory terms = _terms();
        bytes32 id = coordinator.groupIdOf(agents[0], "six", _hash(members), keccak256(abi.encode(terms)));
        address predicted = coordinator.accountOf(id);
        vm.assertEq(predicted.code.length, 0, "nothing is there yet");

        vm.expectEmit(address(coordinator));
        emit ICoordinatorEvents.GroupCreated(id, agents[0], predicted, "six", terms, members);
        vm.prank(agents[0]);
        vm.assertEq(coordinator.createGroup(members, terms, "six"), id, "identifier");

        Group memory group = coordinator.group(id);
        vm.assertEq(group.account, predicted, "account");
        vm.assertEq(IGroupAccount(predicted).coordinator(), address(coordinator), "the account's coordinator");
        vm.assertEq(group.epoch, 0, "epoch");
        vm.assertEq(group.memberCount, 6, "member count");
        vm.assertEq(group.replicaCount, 5, "replica count");
        vm.assertEq(group.totalWeight, 14, "total weight");
        vm.assertEq(group.membersHash, keccak256(abi.encode(members)), "members hash");
        vm.assertEq(abi.encode(group.terms), abi.encode(terms), "terms");
        vm.assertEq(abi.encode(coordinator.members(id)), abi.encode(members), "members");
        vm.assertEq(abi.encode(coordinator.memberOf(id, agents[4])), abi.encode(members[4]), "member");
        vm.assertEq(coordinator.memberOf(id, address(this)).flags, 0, "no member");
        vm.assertEq(coordinator.quorum(id), 4, "quorum");
        vm.assertEq(group.createdAt, START, "made at");
        vm.assertEq(abi.encode(coordinator.latestAnchor(id)), abi.encode(Anchor(0, 0, 0, 0, 0)), "no anchor");
        vm.assertEq(abi.encode(coordinator.inbox(id)), abi.encode(InboxState(0, 0, 0, 0)), "no message");
        vm.assertEq(
            abi.encode(coordinator.epochStart(id, 0)),
            abi.encode(EpochStart(keccak256(abi.encode(members)), 0, 0, uint64(START), 14, 0)),
            "the epoch"
        );
        vm.assertEq(
            abi.encode(coordinator.seatOf(id, agents[5])), abi.encode(SeatState(false, false, false, 0, true)), "seat"
        );
        vm.assertFalse(coordinator.seatOf(id, agents[4]).counts, "a voter signs no checkpoints");
        vm.assertEq(coordinator.countedReplicas(id).length, 5, "whose signatures count");
    }

    // ---------------------------------------------------------------------------------------------------------
    // The identifier
    // ---------------------------------------------------------------------------------------------------------

    /// @dev Chain, coordinator, creator, salt, members and terms: the type that the interface names, and its values.
    function test_L1_TheIdentifierCommitsToMembersAndTerms() external {
        bytes32 typeHash = keccak256(
            "Group(uint256 chainId,address coordinator,address creator,bytes32 salt,bytes32 membersHash,bytes32 termsHash)"
        );
        bytes32 membersHash = keccak256(abi.encode(_members(4)));
        bytes32 termsHash = keccak256(abi.encode(_terms()));
        bytes32 expected = keccak256(
            abi.encode(typeHash, block.chainid, address(coordinator), address(this), SALT, membersHash, termsHash)
        );
        vm.assertEq(groupId, expected, "identifier");
        vm.assertEq(coordinator.groupIdOf(address(this), SALT, membersHash, termsHash), expected, "told ahead");

        vm.chainId(block.chainid + 1);
        vm.assertTrue(
            coordinator.groupIdOf(address(this), SALT, membersHash, termsHash) != expected, "another on another chain"
        );
    }

    /// @dev A creator that is reorganised away cannot put other members, or other terms, behind the same address.
    function test_L1_OtherMembersOrTerms_AreAnotherGroupAndAnotherAccount() external {
        Member[] memory members = _members(4);
        members[3].weight = 2;
        Terms memory terms = _terms();
        terms.classes[DECISIONS].expiry += 1;

        bytes32[4] memory ids;
        ids[0] = groupId;
        ids[1] = _createGroup(members, _terms(), SALT);
        ids[2] = _createGroup(_members(4), terms, SALT);
        ids[3] = _createGroup(_members(4), _terms(), "other");
        for (uint256 i = 0; i < 4; ++i) {
            for (uint256 j = 0; j < i; ++j) {
                vm.assertTrue(ids[i] != ids[j], "distinct");
                vm.assertTrue(coordinator.accountOf(ids[i]) != coordinator.accountOf(ids[j]), "distinct accounts");
            }
            vm.assertEq(coordinator.group(ids[i]).account, coordinator.accountOf(ids[i]), "account");
            vm.assertTrue(coordinator.accountOf(ids[i]).code.length != 0, "there");
        }
    }

    function test_CreateGroup_IsFreeToAnotherCreator() external {
        vm.prank(agents[0]);
        bytes32 other = coordinator.createGroup(_members(4), _terms(), SALT);
        vm.assertTrue(other != groupId, "distinct");
    }

    // ---------------------------------------------------------------------------------------------------------
    // Who can serve
    // ---------------------------------------------------------------------------------------------------------

    function test_L9_CreateGroup_RevertWhen_AReplicaHasCode() external {
        vm.etch(agents[2], hex"00");
        _expectRefusal(_members(4), _terms(), abi.encodeWithSelector(Errors.ReplicaHasCode.selector, agents[2]));
        // What is as long as a delegation, and none.
        vm.etch(agents[2], abi.encodePacked(hex"600000", address(recorder)));
        _expectRefusal(_members(4), _terms(), abi.encodeWithSelector(Errors.ReplicaHasCode.selector, agents[2]));
    }

    /// @dev Its key still signs checkpoints.
    function test_L9_CreateGroup_TakesAReplicaWithADelegation() external {
        vm.etch(agents[2], abi.encodePacked(hex"ef0100", address(recorder)));
        bytes32 id = _createGroup(_members(4), _terms(), "delegated");
        vm.assertEq(coordinator.memberOf(id, agents[2]).flags, FLAG_VOTER | FLAG_REPLICA, "a replica");
    }

    function test_L9_CreateGroup_TakesAVoterWithCode() external {
        _makeAgents(5);
        Member[] memory members = _members(5);
        members[4].flags = FLAG_VOTER;
        vm.etch(agents[4], hex"00");
        bytes32 id = _createGroup(members, _terms(), "a wallet");
        vm.assertEq(coordinator.memberOf(id, agents[4]).flags, FLAG_VOTER, "a voter");
    }

    // ---------------------------------------------------------------------------------------------------------
    // leave
    // ---------------------------------------------------------------------------------------------------------

    function test_Leave_RevertWhen_GroupIsUnknown() external {
        vm.expectRevert(abi.encodeWithSelector(Errors.UnknownGroup.selector, bytes32("none")));
        coordinator.leave("none");
    }

    function test_Leave_RevertWhen_NoMember() external {
        vm.expectRevert(abi.encodeWithSelector(Errors.NotMember.selector, groupId, address(this)));
        coordinator.leave(groupId);
    }

    function test_Leave_RevertWhen_LeftBefore() external {
        vm.prank(agents[1]);
        coordinator.leave(groupId);
        vm.expectRevert(abi.encodeWithSelector(Errors.AlreadyLeft.selector, groupId, agents[1]));
        vm.prank(agents[1]);
        coordinator.leave(groupId);
    }

    function test_Leave_TakesTheVoteAndNothingElse() external {
        Group memory before = coordinator.group(groupId);

        vm.expectEmit(address(coordinator));
        emit ICoordinatorEvents.MemberLeft(groupId, agents[1]);
        vm.prank(agents[1]);
        coordinator.leave(groupId);

        vm.assertTrue(coordinator.seatOf(groupId, agents[1]).left, "left");
        vm.assertFalse(coordinator.seatOf(groupId, agents[0]).left, "stayed");
        vm.assertEq(abi.encode(coordinator.group(groupId)), abi.encode(before), "group");
        vm.assertEq(abi.encode(coordinator.members(groupId)), abi.encode(_members(4)), "members");
        vm.expectRevert(abi.encodeWithSelector(Errors.NotVoter.selector, groupId, agents[1]));
        vm.prank(agents[1]);
        coordinator.propose(groupId, ROUTINE, _calls(1, 0), "", 0);
    }

    function test_Leave_KeepsTheReplicaSeat() external {
        vm.prank(agents[1]);
        coordinator.leave(groupId);
        _fill(1);
        _anchor(1);

        vm.assertEq(coordinator.latestAnchor(groupId).sequence, 1, "anchored with the signature of who left");
    }

    /// @dev The log has to know, because it takes votes too.
    function test_L2_Leave_IsToldToTheLog() external {
        _expectMessage(INBOX_LEFT, agents[1], abi.encode(agents[1]));
        vm.prank(agents[1]);
        coordinator.leave(groupId);
        vm.assertEq(coordinator.inbox(groupId).length, 1, "one message");
    }

    function test_Leave_IsFreeToAReplicaWithoutAVote() external {
        Member[] memory members = _members(4);
        (members[3].flags, members[3].weight) = (FLAG_REPLICA, 0);
        groupId = _createGroup(members, _terms(), "replica only");
        vm.prank(agents[3]);
        coordinator.leave(groupId);
        vm.assertTrue(coordinator.seatOf(groupId, agents[3]).left, "left");
    }

    // ---------------------------------------------------------------------------------------------------------
    // Views of groups that do not exist
    // ---------------------------------------------------------------------------------------------------------

    function test_Views_RevertWhen_GroupIsUnknown() external {
        bytes memory refusal = abi.encodeWithSelector(Errors.UnknownGroup.selector, bytes32("none"));
        vm.expectRevert(refusal);
        coordinator.group("none");
        vm.expectRevert(refusal);
        coordinator.members("none");
        vm.expectRevert(refusal);
        coordinator.memberOf("none", agents[0]);
        vm.expectRevert(refusal);
        coordinator.seatOf("none", agents[0]);
        vm.expectRevert(refusal);
        coordinator.countedReplicas("none");
        vm.expectRevert(refusal);
        coordinator.quorum("none");
        vm.expectRevert(refusal);
        coordinator.proposal("none", "proposal");
        vm.expectRevert(refusal);
        coordinator.voteOf("none", "proposal", agents[0]);
        vm.expectRevert(refusal);
        coordinator.spendable("none", 0, address(0));
        vm.expectRevert(refusal);
        coordinator.latestAnchor("none");
        vm.expectRevert(refusal);
        coordinator.anchoredRoot("none", 1);
        vm.expectRevert(refusal);
        coordinator.epochStart("none", 0);
        vm.expectRevert(refusal);
        coordinator.hasStalled("none");
        vm.expectRevert(refusal);
        coordinator.isDead("none");
        vm.expectRevert(refusal);
        coordinator.isUp("none");
        vm.expectRevert(refusal);
        coordinator.inbox("none");
        vm.expectRevert(refusal);
        coordinator.inboxMessage("none", 0);
        vm.expectRevert(refusal);
        coordinator.bondOf("none", agents[0]);
        vm.expectRevert(refusal);
        coordinator.verifyConsistency("none", 1, 2, new bytes32[](0));
    }

    function _expectRefusal(Member[] memory members, Terms memory terms, bytes memory refusal) private {
        _expectRefusal(members, terms, "refused", refusal);
    }

    function _expectRefusal(Member[] memory members, Terms memory terms, bytes32 salt, bytes memory refusal) private {
        vm.expectRevert(refusal);
        coordinator.createGroup(members, terms, salt);
    }
}
// forge-lint: disable-end(unsafe-typecast)
