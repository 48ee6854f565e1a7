// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {Errors} from "../../src/Errors.sol";
import {ICoordinatorEvents} from "../../src/ICoordinatorEvents.sol";
import {
    Anchor,
    Call,
    Checkpoint,
    Content,
    EpochStart,
    FLAG_REPLICA,
    FLAG_VOTER,
    Group,
    Mandate,
    Member
} from "../../src/Types.sol";
import {EpochFixture} from "../support/EpochFixture.sol";
import {Fixture} from "../support/Fixture.sol";
import {RefusalFixture} from "../support/RefusalFixture.sol";
import {Reenterer} from "../support/Targets.sol";
import {vm} from "../support/Vm.sol";

/// @notice The branches of `anchorAndRotate` in Epochs.tree; those of its mandate are in AnchorMandates.t.sol, and those of its excuse
/// in AnchorEras.t.sol.
contract AnchorAndRotateTest is EpochFixture, RefusalFixture {
    function setUp() public override(Fixture, EpochFixture) {
        EpochFixture.setUp();
        _fill(5);
        _anchor(_checkpoint(10), 0, 4);
        _fill(2);
        vm.warp(START + 100);
    }

    // ---------------------------------------------------------------------------------------------------------
    // What the checkpoint and the list have to be
    // ---------------------------------------------------------------------------------------------------------

    function test_RevertWhen_TheEpochGoesOn() external {
        Checkpoint memory checkpoint = _checkpoint(11);
        _expectRefusal(checkpoint, _next(), abi.encodeWithSelector(Errors.EpochGoesOn.selector, 11));
    }

    function test_RevertWhen_TheMembersAreOthers() external {
        Checkpoint memory checkpoint = _boundary(11, _next());
        Member[] memory others = _next();
        others[4].key = "other";
        _expectRefusal(
            checkpoint, others, abi.encodeWithSelector(Errors.MembersMismatch.selector, _hash(_next()), _hash(others))
        );
    }

    function test_RevertWhen_GroupIsUnknown() external {
        Checkpoint memory checkpoint = _boundary(11, _next());
        bytes memory signatures = _signatures(checkpoint, 0, 4);
        Mandate memory mandate = _mandate(_next(), 0, 3);
        bytes32[] memory consistency = _consistency(checkpoint);
        checkpoint.groupId = "none";
        vm.expectRevert(abi.encodeWithSelector(Errors.UnknownGroup.selector, bytes32("none")));
        coordinator.anchorAndRotate(checkpoint, signatures, consistency, _noTaken(), _next(), mandate);
    }

    function test_RevertWhen_AnchorWouldRefuse() external {
        Checkpoint memory checkpoint = _boundary(11, _next());
        checkpoint.epoch = 1;
        _expectRefusal(checkpoint, _next(), abi.encodeWithSelector(Errors.EpochMismatch.selector, 1, 0));

        checkpoint = _boundary(10, _next());
        _expectRefusal(checkpoint, _next(), abi.encodeWithSelector(Errors.StaleSequence.selector, 10, 10));

        checkpoint = _boundary(11, _next());
        (checkpoint.logSize, checkpoint.logRoot) = (4, log.root(4));
        _expectRefusal(checkpoint, _next(), abi.encodeWithSelector(Errors.LogShrunk.selector, 4, 5));

        checkpoint = _boundary(11, _next());
        (checkpoint.logSize, checkpoint.logRoot) = (6, "fork");
        _expectRefusal(checkpoint, _next(), abi.encodeWithSelector(Errors.NotConsistent.selector, 5, 6));

        checkpoint = _boundary(11, _next());
        checkpoint.logRoot = 0;
        _expectRefusal(checkpoint, _next(), abi.encodeWithSelector(Errors.ZeroLogRoot.selector));

        checkpoint = _boundary(11, _next());
        checkpoint.inboxHash = "other";
        _expectRefusal(
            checkpoint,
            _next(),
            abi.encodeWithSelector(Errors.InboxHashMismatch.selector, groupId, bytes32(0), bytes32("other"))
        );

        checkpoint = _boundary(11, _next());
        _expectRotationRefusal(
            checkpoint,
            0,
            3,
            _next(),
            _mandate(_next(), 0, 3),
            abi.encodeWithSelector(Errors.NotEnoughSignatures.selector, 3, 4)
        );
    }

    function test_RevertWhen_TheInboxIsNotTakenIn() external {
        _enqueue();
        _fill(1);
        Checkpoint memory checkpoint = _checkpointTaking(11, 2);
        checkpoint.nextMembersHash = _hash(_next());
        bytes memory signatures = _signatures(checkpoint, 0, 4);
        Mandate memory mandate = _mandate(_next(), 0, 3);
        bytes32[] memory consistency = _consistency(checkpoint);
        vm.expectRevert(abi.encodeWithSelector(Errors.InvalidInboxCount.selector, 2, 0, 1));
        coordinator.anchorAndRotate(checkpoint, signatures, consistency, _noTaken(), _next(), mandate);

        checkpoint = _checkpointTaking(11, 1);
        checkpoint.nextMembersHash = _hash(_next());
        signatures = _signatures(checkpoint, 0, 4);
        vm.expectRevert(abi.encodeWithSelector(Errors.InboxEntryNotIncluded.selector, groupId, 0));
        coordinator.anchorAndRotate(checkpoint, signatures, consistency, _noTaken(), _next(), mandate);
    }

    /// @dev Not even all of the next epoch's replicas make the next epoch.
    function test_RevertGiven_TheNextReplicasSign() external {
        _expectRotationRefusal(
            _boundary(11, _next()),
            2,
            5,
            _next(),
            _mandate(_next(), 0, 3),
            abi.encodeWithSelector(Errors.SignatureDoesNotCount.selector, agents[5])
        );
    }

    /// @dev The signatures of an anchor that changes nothing do not serve for one that does, nor the other way.
    function test_RevertGiven_AnotherHashWasSigned() external {
        Checkpoint memory plain = _checkpoint(11);
        Checkpoint memory boundary = _boundary(11, _next());
        bytes32[] memory consistency = _consistency(plain);
        (bool taken,) = address(coordinator)
            .call(
                abi.encodeCall(
                    coordinator.anchorAndRotate,
                    (boundary, _signatures(plain, 0, 4), consistency, _noTaken(), _next(), _mandate(_next(), 0, 3))
                )
            );
        vm.assertFalse(taken, "a rotation that nobody signed");

        bytes memory signatures = _signatures(boundary, 0, 4);
        (taken,) =
            address(coordinator).call(abi.encodeCall(coordinator.anchor, (plain, signatures, consistency, _noTaken())));
        vm.assertFalse(taken, "an anchor that nobody signed");
    }

    function test_RevertWhen_TooManyMembers() external {
        _makeAgents(65);
        _expectRefusal(_between(0, 65), abi.encodeWithSelector(Errors.TooManyMembers.selector, 65, 64));
    }

    function test_RevertWhen_NotAscending() external {
        Member[] memory next = _next();
        (next[1], next[2]) = (next[2], next[1]);
        _expectRefusal(next, abi.encodeWithSelector(Errors.MembersNotAscending.selector, agents[4], agents[3]));
        next = _next();
        next[1] = next[0];
        _expectRefusal(next, abi.encodeWithSelector(Errors.MembersNotAscending.selector, agents[2], agents[2]));
        next = _next();
        next[0].account = address(0);
        _expectRefusal(next, abi.encodeWithSelector(Errors.MembersNotAscending.selector, address(0), address(0)));
    }

    function test_RevertWhen_AKeyIsZeroOrShared() external {
        Member[] memory next = _next();
        next[3].key = 0;
        _expectRefusal(next, abi.encodeWithSelector(Errors.ZeroKey.selector));
        next[3].key = next[0].key;
        _expectRefusal(next, abi.encodeWithSelector(Errors.DuplicateKey.selector, next[0].key));
    }

    function testFuzz_RevertWhen_FlagsAreNoneOrUnknown(uint8 flags) external {
        vm.assume(flags == 0 || flags > (FLAG_VOTER | FLAG_REPLICA));
        Member[] memory next = _next();
        next[1].flags = flags;
        _expectRefusal(next, abi.encodeWithSelector(Errors.InvalidFlags.selector, agents[3], flags));
    }

    function test_RevertWhen_WeightAndVoteDoNotFit() external {
        Member[] memory next = _next();
        next[1].weight = 0;
        _expectRefusal(next, abi.encodeWithSelector(Errors.InvalidWeight.selector, agents[3], 0));
        next[1].flags = FLAG_REPLICA;
        next[1].weight = 1;
        _expectRefusal(next, abi.encodeWithSelector(Errors.InvalidWeight.selector, agents[3], 1));
    }

    function test_RevertWhen_TooFewReplicas() external {
        _expectRefusal(_between(4, 7), abi.encodeWithSelector(Errors.TooFewReplicas.selector, 3, 4));
        _expectRefusal(new Member[](0), abi.encodeWithSelector(Errors.TooFewReplicas.selector, 0, 4));
    }

    // ---------------------------------------------------------------------------------------------------------
    // Success
    // ---------------------------------------------------------------------------------------------------------

    function test_GivesTheSeatsToTheNextMembers() external {
        Member[] memory next = _next();
        next[4] = Member({account: agents[6], key: _key(agents[6]), weight: 0, flags: FLAG_REPLICA});
        _rotateTo(next, 11);

        Group memory group = coordinator.group(groupId);
        vm.assertEq(group.epoch, 1, "epoch");
        vm.assertEq(group.memberCount, 5, "member count");
        vm.assertEq(group.replicaCount, 5, "replica count");
        vm.assertEq(group.totalWeight, 4, "total weight");
        vm.assertEq(group.membersHash, _hash(next), "members hash");
        vm.assertEq(group.account, account, "account");
        vm.assertEq(abi.encode(group.terms), abi.encode(_termsOf(6000)), "terms");
        vm.assertEq(abi.encode(coordinator.members(groupId)), abi.encode(next), "members");
        vm.assertEq(coordinator.memberOf(groupId, agents[0]).flags, 0, "no member any more");
        vm.assertEq(coordinator.memberOf(groupId, agents[1]).key, 0, "no key any more");
        vm.assertEq(coordinator.memberOf(groupId, agents[5]).weight, 1, "a new member");
    }

    function test_EmitsTheAnchorAndTheChange() external {
        Member[] memory next = _next();
        Checkpoint memory checkpoint = _boundary(11, next);
        bytes memory signatures = _signatures(checkpoint, 1, 4);
        bytes32[] memory consistency = _consistency(checkpoint);
        Mandate memory mandate = _mandate(next, 0, 3);
        vm.expectEmit(address(coordinator));
        emit ICoordinatorEvents.Anchored(groupId, 11, 7, 0, log.root(), checkpoint.stateRoot, 0, 0, _hash(next));
        vm.expectEmit(address(coordinator));
        emit ICoordinatorEvents.MembersChanged(groupId, 1, _hash(next), next);
        vm.prank(address(0xbeef));
        coordinator.anchorAndRotate(checkpoint, signatures, consistency, _noTaken(), next, mandate);
    }

    function test_KeepsTheCheckpointAsAnAnchorOfItsOwnEpoch() external {
        _rotateTo(_next(), 11);
        Anchor memory expected =
            Anchor({epoch: 0, sequence: 11, logSize: 7, anchoredAt: uint64(START + 100), logRoot: log.root()});
        vm.assertEq(abi.encode(coordinator.latestAnchor(groupId)), abi.encode(expected), "latest anchor");
        vm.assertEq(coordinator.anchoredRoot(groupId, 7), log.root(), "root");
        vm.assertEq(coordinator.anchoredRoot(groupId, 5), log.root(5), "root before");

        _fill(1);
        _anchor(_checkpoint(12), 3, 4);
        vm.assertEq(coordinator.latestAnchor(groupId).epoch, 1, "the epoch of the next anchor");
    }

    function test_RecordsWhereEveryEpochBegan() external {
        _rotateTo(_next(), 11);
        _fill(3);
        vm.warp(START + 300);
        Member[] memory third = _between(0, 6);
        third[0].weight = 0;
        third[0].flags = FLAG_REPLICA;
        _rotate(_boundary(20, third), 2, 4, third, _mandate(third, 2, 3));

        _assertStart(0, EpochStart(_hash(_between(0, 5)), 0, 0, uint64(START), 5, 0));
        _assertStart(1, EpochStart(_hash(_next()), 11, 7, uint64(START + 100), 5, 1));
        _assertStart(2, EpochStart(_hash(third), 20, 10, uint64(START + 300), 5, 2));
        _assertStart(3, EpochStart(0, 0, 0, 0, 0, 0));
        vm.assertEq(coordinator.group(groupId).epoch, 2, "epoch");
        vm.assertEq(coordinator.quorum(groupId), 4, "quorum");
        vm.assertEq(abi.encode(coordinator.members(groupId)), abi.encode(third), "members");
    }

    /// @dev The log goes on over epochs: the next anchor extends that of the epoch before.
    function test_M4_TheLogGoesOnOverEpochs() external {
        _rotateTo(_next(), 11);
        _fill(3);
        Checkpoint memory checkpoint = _checkpoint(12);
        checkpoint.logRoot = "fork";
        bytes memory signatures = _signatures(checkpoint, 3, 4);
        bytes32[] memory consistency = _consistency(checkpoint);
        vm.expectRevert(abi.encodeWithSelector(Errors.NotConsistent.selector, 7, 10));
        coordinator.anchor(checkpoint, signatures, consistency, _noTaken());
        _anchor(_checkpoint(12), 3, 4);
    }

    function test_OnlyTheNewEpochsQuorumAnchors() external {
        _rotateTo(_next(), 11);
        _fill(1);
        Checkpoint memory old = _checkpoint(12);
        old.epoch = 0;
        _expectAnchorRefusal(old, 0, 5, abi.encodeWithSelector(Errors.EpochMismatch.selector, 0, 1));
        Checkpoint memory checkpoint = _checkpoint(12);
        _expectAnchorRefusal(checkpoint, 1, 4, abi.encodeWithSelector(Errors.SignatureDoesNotCount.selector, agents[1]));
        _expectAnchorRefusal(checkpoint, 4, 3, abi.encodeWithSelector(Errors.NotEnoughSignatures.selector, 3, 4));
        _anchor(checkpoint, 3, 4);
        vm.assertEq(coordinator.latestAnchor(groupId).sequence, 12, "anchored");
    }

    function test_RevertWhen_TheSameChangeComesAgain() external {
        Checkpoint memory checkpoint = _boundary(11, _next());
        Mandate memory mandate = _mandate(_next(), 0, 3);
        _rotate(checkpoint, 0, 4, _next(), mandate);
        _expectRotationRefusal(
            checkpoint, 0, 4, _next(), mandate, abi.encodeWithSelector(Errors.EpochMismatch.selector, 0, 1)
        );
    }

    function test_TakesTheSameMembersAgain() external {
        _rotateTo(_between(0, 5), 11);
        vm.assertEq(coordinator.group(groupId).epoch, 1, "epoch");
        vm.assertEq(abi.encode(coordinator.members(groupId)), abi.encode(_between(0, 5)), "members");
        _anchor(_checkpoint(12), 0, 4);
    }

    function test_TakesALogThatDidNotGrow() external {
        Checkpoint memory checkpoint = _boundary(11, _next());
        (checkpoint.logSize, checkpoint.logRoot) = (5, log.root(5));
        _rotate(checkpoint, 0, 4, _next(), _mandate(_next(), 0, 3));
        vm.assertEq(coordinator.anchoredRoot(groupId, 5), log.root(5), "root");
        vm.assertEq(coordinator.group(groupId).epoch, 1, "epoch");
    }

    /// @dev Neither a key that was registered in the meantime nor one that never was stands in the way.
    function test_DoesNotAskForRegistrations() external {
        vm.prank(agents[5]);
        coordinator.register("registered since");
        Member[] memory next = _next();
        next[0].key = "rotated";
        next[4].account = address(type(uint160).max);
        _rotateTo(next, 11);
        vm.assertEq(abi.encode(coordinator.members(groupId)), abi.encode(next), "members");
    }

    function test_GivenAMemberHasLeftAndStays_ItHasStillLeft() external {
        vm.prank(agents[3]);
        coordinator.leave(groupId);
        _rotateTo(_next(), 11);
        vm.assertTrue(coordinator.seatOf(groupId, agents[3]).left, "left");
        vm.expectRevert(abi.encodeWithSelector(Errors.NotVoter.selector, groupId, agents[3]));
        vm.prank(agents[3]);
        coordinator.propose(groupId, ROUTINE, _calls(1, 0), "", 0);
        vm.expectRevert(abi.encodeWithSelector(Errors.AlreadyLeft.selector, groupId, agents[3]));
        vm.prank(agents[3]);
        coordinator.leave(groupId);
    }

    function test_GivenAMemberHasLeftAndGoes_ItBeginsAnewWhenItComesBack() external {
        vm.prank(agents[1]);
        coordinator.leave(groupId);
        _rotateTo(_next(), 11);
        vm.assertFalse(coordinator.seatOf(groupId, agents[1]).left, "forgotten");
        vm.expectRevert(abi.encodeWithSelector(Errors.NotMember.selector, groupId, agents[1]));
        vm.prank(agents[1]);
        coordinator.leave(groupId);

        Member[] memory third = _between(1, 6);
        _rotate(_boundary(12, third), 2, 4, third, _mandate(third, 2, 3));
        vm.prank(agents[1]);
        coordinator.propose(groupId, ROUTINE, _calls(1, 0), "", 0);
    }

    /// @dev Another group with the same members is none of it.
    function test_LeavesOtherGroupsAlone() external {
        bytes32 other = _createGroup(_between(0, 5), _terms(), "other");
        bytes memory before = abi.encode(coordinator.group(other), coordinator.members(other));
        _rotateTo(_next(), 11);
        vm.assertEq(abi.encode(coordinator.group(other), coordinator.members(other)), before, "the other group");
    }

    /// @dev A change from within an execution is a change like any other: the execution goes on, and still once.
    function test_FromWithinAnExecution() external {
        Checkpoint memory boundary = _boundary(11, _next());
        Reenterer reenterer = new Reenterer();
        reenterer.set(
            address(coordinator),
            abi.encodeCall(
                coordinator.anchorAndRotate,
                (
                    boundary,
                    _signatures(boundary, 0, 4),
                    _consistency(boundary),
                    _noTaken(),
                    _next(),
                    _mandate(_next(), 0, 3)
                )
            )
        );
        Call[] memory calls = _join(_call(address(reenterer), 0, abi.encodeCall(Reenterer.poke, ())), _calls(1, 0));
        calls[0].gas = 2_000_000;
        Content memory content = _approved(ROUTINE, calls, 0);
        vm.warp(block.timestamp + TIMELOCK);
        coordinator.execute(groupId, content);

        vm.assertEq(coordinator.group(groupId).epoch, 1, "epoch");
        vm.assertEq(recorder.calls(1), 1, "made once");
        (bool again,) = address(coordinator).call(abi.encodeCall(coordinator.execute, (groupId, content)));
        vm.assertFalse(again, "made twice");
    }

    /// @dev Two random lists, one after the other: whatever they have in common, the seats are those of the second.
    function testFuzz_TheSeatsAreThoseOfTheList(uint16 first, uint16 second, uint256 seed) external {
        _makeAgents(16);
        Member[] memory before = _pick(first | 0xf, seed);
        Member[] memory next = _pick(second | 0xf0, seed >> 128);
        groupId = _createGroup(before, _terms(), "fuzz");

        Checkpoint memory checkpoint = _boundary(11, next);
        bytes memory signatures = _signaturesOf(checkpoint, first | 0xf);
        Mandate memory mandate = _mandate(next, 0, 16);
        bytes32[] memory consistency = _consistency(checkpoint);
        coordinator.anchorAndRotate(checkpoint, signatures, consistency, _noTaken(), next, mandate);

        vm.assertEq(abi.encode(coordinator.members(groupId)), abi.encode(next), "members");
        vm.assertEq(coordinator.group(groupId).totalWeight, _weight(next), "total weight");
        vm.assertEq(coordinator.group(groupId).memberCount, next.length, "member count");
        vm.assertEq(coordinator.group(groupId).replicaCount, next.length, "replica count");
        for (uint256 i = 0; i < 16; ++i) {
            bool seated = (second | 0xf0) >> i & 1 == 1;
            vm.assertEq(coordinator.memberOf(groupId, agents[i]).flags != 0, seated, "a seat");
            vm.assertEq(coordinator.memberOf(groupId, agents[i]).key != 0, seated, "a key");
        }
    }

    // ---------------------------------------------------------------------------------------------------------
    // Steps
    // ---------------------------------------------------------------------------------------------------------

    /// @dev The agents whose bits are set, all replicas, of weights 1 to 4.
    function _pick(uint16 bits, uint256 seed) private view returns (Member[] memory members) {
        uint256 count = 0;
        for (uint256 i = 0; i < 16; ++i) {
            if (bits >> i & 1 == 1) ++count;
        }
        members = new Member[](count);
        for (uint256 i = 16; i > 0; --i) {
            if (bits >> (i - 1) & 1 == 0) continue;
            members[--count] = Member({
                account: agents[i - 1],
                key: _key(agents[i - 1]),
                weight: uint64(seed >> (2 * i) & 3) + 1,
                flags: FLAG_VOTER | FLAG_REPLICA
            });
        }
    }

    function _weight(Member[] memory members) private pure returns (uint256 total) {
        for (uint256 i = 0; i < members.length; ++i) {
            total += members[i].weight;
        }
    }

    function _signaturesOf(Checkpoint memory checkpoint, uint16 bits) private view returns (bytes memory signatures) {
        bytes32 digest = coordinator.hashCheckpoint(checkpoint);
        for (uint256 i = 0; i < 16; ++i) {
            if (bits >> i & 1 == 1) signatures = bytes.concat(signatures, _signature(privateKeys[i], digest));
        }
    }

    function _expectRefusal(Member[] memory next, bytes memory refusal) private {
        _expectRefusal(_boundary(11, next), next, refusal);
    }

    /// @dev Signed and mandated by members of epoch 0, whatever agents there are by now.
    function _expectRefusal(Checkpoint memory checkpoint, Member[] memory next, bytes memory refusal) private {
        uint256 found = 0;
        uint256[4] memory signers;
        for (uint256 i = 0; i < agents.length && found < 4; ++i) {
            if (coordinator.memberOf(groupId, agents[i]).flags != 0) signers[found++] = i;
        }
        bytes memory signatures;
        for (uint256 i = 0; i < 4; ++i) {
            signatures = bytes.concat(signatures, _signatures(checkpoint, signers[i], 1));
        }
        bytes32[] memory consistency = _consistency(checkpoint);
        // Of those who are no voters nothing is counted.
        Mandate memory mandate = _mandate(next, 0, agents.length);
        vm.expectRevert(refusal);
        coordinator.anchorAndRotate(checkpoint, signatures, consistency, _noTaken(), next, mandate);
    }

    function _expectAnchorRefusal(Checkpoint memory checkpoint, uint256 first, uint256 count, bytes memory refusal)
        private
    {
        _expectRefusal(checkpoint, _signatures(checkpoint, first, count), refusal);
    }

    function _assertStart(uint64 epoch, EpochStart memory expected) private view {
        vm.assertEq(abi.encode(coordinator.epochStart(groupId, epoch)), abi.encode(expected), "start");
    }
}
// forge-lint: disable-end(unsafe-typecast)
