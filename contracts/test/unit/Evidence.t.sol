// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {Errors} from "../../src/Errors.sol";
import {ICoordinatorEvents} from "../../src/ICoordinatorEvents.sol";
import {Checkpoint, FLAG_VOTER, INBOX_CONVICTED, Member, Terms} from "../../src/Types.sol";
import {EpochFixture} from "../support/EpochFixture.sol";
import {EvidenceFixture} from "../support/EvidenceFixture.sol";
import {Fixture} from "../support/Fixture.sol";
import {Actor} from "../support/Targets.sol";
import {vm} from "../support/Vm.sol";

/// @notice The branches of `reportContradiction` in Evidence.tree: what is shown, by whose signatures, of when, and what follows.
/// Which two checkpoints contradict each other is in Contradictions.t.sol, and what a fork shows in EvidenceFork.t.sol.
contract EvidenceTest is EpochFixture, EvidenceFixture {
    uint256 private constant CURVE_ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;

    /// @dev Five replicas of seven agents, in a group with bonds, of which the first has deposited.
    function setUp() public override(Fixture, EpochFixture) {
        EpochFixture.setUp();
        _useWithFreshLog(_createGroup(_members(5), _bonded(_termsOf(6000)), "evidence"));
        _deposit(1);
        vm.deal(account, 0);
    }

    // ---------------------------------------------------------------------------------------------------------
    // What is shown
    // ---------------------------------------------------------------------------------------------------------

    function test_Report_RevertWhen_GroupIsUnknown() external {
        (Checkpoint memory first, Checkpoint memory second) = _contradiction(0);
        (first.groupId, second.groupId) = ("none", "none");
        _expectRefusal(first, second, abi.encodeWithSelector(Errors.UnknownGroup.selector, bytes32("none")));
    }

    function test_Report_RevertWhen_TheGroupsOrErasDiffer() external {
        (Checkpoint memory first, Checkpoint memory second) = _contradiction(0);
        second.groupId = _createGroup(_members(5), _termsOf(6000), "other");
        _expectRefusal(first, second, _none());
        second.groupId = groupId;
        second.epoch = 1 << 32;
        _expectRefusal(first, second, _none());
    }

    /// @dev The same checkpoint, with the same signature or another.
    function test_Report_RevertWhen_TheCheckpointsAreTheSame() external {
        (Checkpoint memory first,) = _contradiction(0);
        _expectRefusal(first, first, _none());
    }

    function test_Report_RevertWhen_OnePrecedesTheOther() external {
        _expectRefusal(_stated(0, 50), _stated(0, 51), _none());
        _expectRefusal(_stated(0, 51), _stated(0, 50), _none());
    }

    /// @dev Each form of a contradiction convicts: a fork at two sequences, a log or an inbox that shrinks, what goes beyond an end, two
    /// ends, one sequence in two epochs, epochs that go back. The later one is of the current epoch.
    function test_M1_EveryFormConvicts() external {
        _rotateByFour(1);
        for (uint256 form = 0; form < 10; ++form) {
            (Checkpoint memory first, Checkpoint memory second) = (_stated(1, 50), _stated(1, 60));
            if (form == 0) second.sequence = 50;
            if (form == 1) second.logSize = first.logSize;
            if (form == 2) second.logSize = first.logSize - 1;
            if (form == 3) (first.inboxCount, first.inboxHash) = (2, "inbox");
            if (form == 4) second.inboxHash = "other";
            if (form == 5) first.nextMembersHash = "end";
            if (form == 6) (first.nextMembersHash, second.nextMembersHash) = ("end", "another");
            if (form == 7) (first.epoch, first.sequence) = (0, 60);
            if (form == 8) second.epoch = 0;
            if (form == 9) (second.sequence, second.stateRoot) = (50, "other");
            uint256 agent = form % 5;
            if (form == 5) _useFresh();
            _report(agent, _ofGroup(first), _ofGroup(second), _noMembers(), _noFork());
            vm.assertTrue(_isConvicted(agent), "convicted");
        }
    }

    /// @dev The view tells beforehand what convicts without a fork.
    function test_Contradict_OfTheCoordinator() external view {
        (Checkpoint memory first, Checkpoint memory second) = _contradiction(0);
        vm.assertTrue(coordinator.contradict(first, second), "a contradiction");
        vm.assertFalse(coordinator.contradict(first, first), "the same");
        vm.assertFalse(coordinator.contradict(_stated(0, 50), _stated(0, 51)), "one after the other");
    }

    /// @dev In whichever order the two are shown.
    function test_Report_InEitherOrder() external {
        (Checkpoint memory first, Checkpoint memory second) = _contradiction(0);
        _report(0, second, first, _noMembers(), _noFork());
        vm.assertTrue(_isConvicted(0), "convicted");
    }

    // ---------------------------------------------------------------------------------------------------------
    // Signatures
    // ---------------------------------------------------------------------------------------------------------

    function test_Report_RevertWhen_ASignatureIsNone() external {
        (Checkpoint memory first, Checkpoint memory second) = _contradiction(0);
        bytes memory one = _signatures(first, 0, 1);
        bytes memory other = _signatures(second, 0, 1);
        bytes[4] memory none = [bytes(""), new bytes(65), new bytes(64), bytes.concat(one, hex"00")];
        for (uint256 i = 0; i < none.length; ++i) {
            _expectRefusal(first, none[i], second, other, abi.encodeWithSelector(Errors.InvalidSignature.selector, 0));
            _expectRefusal(first, one, second, none[i], abi.encodeWithSelector(Errors.InvalidSignature.selector, 1));
        }
    }

    function test_Report_RevertWhen_SIsHigh() external {
        (Checkpoint memory first, Checkpoint memory second) = _contradiction(0);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(privateKeys[0], coordinator.hashCheckpoint(first));
        bytes memory twin = abi.encodePacked(r, CURVE_ORDER - uint256(s), v == 27 ? uint8(28) : uint8(27));
        bytes memory other = _signatures(second, 0, 1);
        _expectRefusal(first, twin, second, other, abi.encodeWithSelector(Errors.InvalidSignature.selector, 0));
    }

    function test_Report_RevertWhen_TwoSigned() external {
        (Checkpoint memory first, Checkpoint memory second) = _contradiction(0);
        _expectRefusal(
            first,
            _signatures(first, 0, 1),
            second,
            _signatures(second, 1, 1),
            abi.encodeWithSelector(Errors.DifferentSigners.selector, agents[0], agents[1])
        );
    }

    /// @dev What was signed for another chain is a signature of somebody unknown here, and two of it are of two.
    function test_Report_RevertWhen_SignedForAnotherChain() external {
        (Checkpoint memory first, Checkpoint memory second) = _contradiction(0);
        bytes memory data = abi.encodeCall(
            coordinator.reportContradiction,
            (first, _signatures(first, 0, 1), second, _signatures(second, 0, 1), _noMembers(), _noFork())
        );
        vm.chainId(block.chainid + 1);
        (bool taken,) = address(coordinator).call(data);
        vm.assertFalse(taken, "taken");
        vm.assertFalse(_isConvicted(0), "convicted");
    }

    // ---------------------------------------------------------------------------------------------------------
    // Who
    // ---------------------------------------------------------------------------------------------------------

    /// @dev Somebody who never was a replica, and has no bond or a part of one: nobody makes messages for a wei.
    function test_L4_RevertWhen_TheSignerHasNeitherSeatNorBond() external {
        _expectNotConvictable(6, 0, _noMembers());
        vm.deal(agents[6], BOND);
        vm.prank(agents[6]);
        coordinator.deposit{value: BOND - 1}(groupId);
        _expectNotConvictable(6, 0, _noMembers());
        vm.assertEq(coordinator.inbox(groupId).length, 0, "no message");

        vm.prank(agents[6]);
        coordinator.deposit{value: 1}(groupId);
        _convict(6);
        vm.assertTrue(_isConvicted(6), "with a full bond");
        vm.assertEq(coordinator.inbox(groupId).length, 1, "a message");
    }

    function test_L4_RevertWhen_TheSignerIsAVoterOnly() external {
        Member[] memory members = _members(5);
        members[2].flags = FLAG_VOTER;
        _useWithFreshLog(_createGroup(members, _termsOf(6000), "voter only"));
        _expectNotConvictable(2, 0, _noMembers());
    }

    /// @dev Where the terms ask for no bond, none makes anybody convictable.
    function test_L4_RevertWhen_ThereAreNoBonds() external {
        _useWithFreshLog(_createGroup(_members(5), _termsOf(6000), "no bonds"));
        _expectNotConvictable(6, 0, _noMembers());
        _convict(4);
        vm.assertTrue(_isConvicted(4), "a replica is");
    }

    /// @dev Whoever had its seat in an epoch that has ended is convicted by the list of its members.
    function test_L4_AFormerReplica_IsShownByTheListOfItsEpoch() external {
        _useUnbonded();
        _rotateAway();
        Member[] memory former = _members(5);
        _expectNotConvictable(1, 1, _noMembers());
        former[1].key = "another";
        _expectNotConvictable(1, 1, former);
        former = _members(5);
        // The list shows nothing for whoever is not on it.
        _expectNotConvictable(6, 1, former);
        _convict(1, 1, former);
        vm.assertTrue(_isConvicted(1), "convicted");
        vm.assertEq(coordinator.memberOf(groupId, agents[1]).flags, 0, "without a seat");
    }

    /// @dev The seat may be in the epoch of either checkpoint.
    function test_L4_TheSeatIsOfEitherEpoch() external {
        _useUnbonded();
        _rotateAway();
        (Checkpoint memory first, Checkpoint memory second) = (_stated(1, 50), _stated(2, 50));
        // Agent 6 has a seat in the later epoch alone, agent 1 in the earlier alone.
        _report(6, first, second, _noMembers(), _noFork());
        vm.assertTrue(_isConvicted(6), "the later");
        (bool taken,) = _tryReport(1, first, second, _noMembers());
        vm.assertFalse(taken, "not shown");
        _report(1, first, second, _members(5), _noFork());
        vm.assertTrue(_isConvicted(1), "the earlier");
    }

    /// @dev A voter of that epoch who was no replica is none by the list either.
    function test_L4_RevertWhen_TheListHasTheSignerAsAVoterOnly() external {
        Member[] memory members = _members(6);
        members[5].flags = FLAG_VOTER;
        _useWithFreshLog(_createGroup(members, _termsOf(6000), "voter only"));
        Member[] memory next = _members(5);
        _rotate(_boundary(1, next), 0, 4, next, _mandate(next, 0, 4));
        _expectNotConvictable(5, 0, members);
    }

    // ---------------------------------------------------------------------------------------------------------
    // When
    // ---------------------------------------------------------------------------------------------------------

    function test_Report_RevertWhen_AnEpochHasNotBegun() external {
        (Checkpoint memory first, Checkpoint memory second) = _contradiction(1);
        _expectRefusal(first, second, abi.encodeWithSelector(Errors.EpochMismatch.selector, 1, 0));
        // Also where only one has not.
        (first.epoch, second.epoch) = (0, 1);
        _expectRefusal(first, second, abi.encodeWithSelector(Errors.EpochMismatch.selector, 1, 0));
        (first.epoch, second.epoch) = (1 << 48, 1 << 48);
        _expectRefusal(first, second, abi.encodeWithSelector(Errors.EpochMismatch.selector, uint64(1 << 48), 0));
    }

    /// @dev The current epoch has no end, so neither has its evidence.
    function test_Report_GivenTheEpochLasts_TakesItAtAnyTime() external {
        vm.warp(START + 3650 days);
        _convict(0);
        vm.assertTrue(_isConvicted(0), "convicted");
    }

    /// @dev To the last second of the window since the end of the epoch, whatever came after.
    function test_Report_RevertWhen_TheEvidenceIsTooOld() external {
        vm.warp(START + 1 days);
        _rotateByFour(1);
        vm.warp(START + 2 days);
        _rotateByFour(2);

        uint256 until = START + 1 days + EVIDENCE_WINDOW;
        vm.warp(until + 1);
        (Checkpoint memory first, Checkpoint memory second) = _contradiction(0);
        _expectRefusal(first, second, abi.encodeWithSelector(Errors.EvidenceTooOld.selector, 0, until));
        vm.warp(until);
        _convict(0, 0, _noMembers());
        vm.assertTrue(_isConvicted(0), "convicted");
    }

    /// @dev Of two epochs the later one counts.
    function test_M1_TheLaterOfTheTwoEpochsCounts() external {
        _rotateByFour(1);
        vm.warp(START + 365 days);
        (Checkpoint memory first, Checkpoint memory second) = (_stated(0, 60), _stated(1, 50));
        _report(0, first, second, _noMembers(), _noFork());
        vm.assertTrue(_isConvicted(0), "convicted");
        _report(1, second, first, _noMembers(), _noFork());
        vm.assertTrue(_isConvicted(1), "convicted, turned");
    }

    /// @dev Whoever asks for its bond has it taken all the same, to the last second in which evidence counts.
    function test_M7_ReachesABondThatIsAskedFor() external {
        vm.prank(agents[0]);
        coordinator.requestWithdrawal(groupId);
        vm.warp(coordinator.bondOf(groupId, agents[0]).releasedAt - 1);
        _convict(0);
        vm.assertEq(coordinator.bondOf(groupId, agents[0]).amount, 0, "bond");
        vm.warp(block.timestamp + 1);
        vm.prank(agents[0]);
        (bool paid,) = address(coordinator).call(abi.encodeCall(coordinator.withdraw, (groupId)));
        vm.assertFalse(paid, "withdrawn");
        vm.assertEq(account.balance, 0.8 ether, "the group's");
    }

    // ---------------------------------------------------------------------------------------------------------
    // Conviction
    // ---------------------------------------------------------------------------------------------------------

    function test_Report_RevertWhen_ConvictedBefore() external {
        _convict(0);
        (Checkpoint memory first, Checkpoint memory second) = _contradiction(0);
        _expectRefusal(first, second, abi.encodeWithSelector(Errors.AlreadyConvicted.selector, groupId, agents[0]));
        // By other evidence neither.
        second.sequence += 1;
        second.logSize -= 1;
        _expectRefusal(first, second, abi.encodeWithSelector(Errors.AlreadyConvicted.selector, groupId, agents[0]));
    }

    function test_Report_ForfeitsTheBond() external {
        (Checkpoint memory first, Checkpoint memory second) = _contradiction(0);
        bytes memory one = _signatures(first, 0, 1);
        bytes memory other = _signatures(second, 0, 1);
        bytes32[2] memory digests = [coordinator.hashCheckpoint(first), coordinator.hashCheckpoint(second)];
        bytes memory payload = abi.encode(agents[0]);
        bytes32 inboxHash = keccak256(abi.encode(bytes32(0), 0, INBOX_CONVICTED, REPORTER, START, keccak256(payload)));
        vm.expectEmit(address(coordinator));
        emit ICoordinatorEvents.Enqueued(groupId, 0, INBOX_CONVICTED, REPORTER, uint64(START), payload, inboxHash);
        vm.expectEmit(address(coordinator));
        emit ICoordinatorEvents.ReplicaConvicted(
            groupId, agents[0], REPORTER, digests[0], digests[1], 1 ether, 0.2 ether
        );
        vm.prank(REPORTER);
        coordinator.reportContradiction(first, one, second, other, _noMembers(), _noFork());

        vm.assertEq(REPORTER.balance, 0.2 ether, "the reporter's");
        vm.assertEq(account.balance, 0.8 ether, "the group's");
        vm.assertEq(address(coordinator).balance, 0, "nothing is left");
        vm.assertEq(coordinator.bondOf(groupId, agents[0]).amount, 0, "bond");
        vm.assertTrue(_isConvicted(0), "convicted");
        vm.assertFalse(_isConvicted(1), "nobody else");
        vm.assertEq(coordinator.inbox(groupId).length, 1, "the inbox");
        vm.assertTrue(coordinator.memberOf(groupId, agents[0]).flags != 0, "its seat is the group's to take");
        vm.assertFalse(coordinator.seatOf(groupId, agents[0]).counts, "its signature counts no more");
    }

    /// @dev A replica that reports itself through another account saves the reporter's share, a fifth at most.
    function test_L5_WhoReportsItself_SavesTheReportersShare() external {
        (Checkpoint memory first, Checkpoint memory second) = _contradiction(0);
        bytes memory one = _signatures(first, 0, 1);
        bytes memory other = _signatures(second, 0, 1);
        vm.prank(agents[0]);
        coordinator.reportContradiction(first, one, second, other, _noMembers(), _noFork());
        vm.assertEq(agents[0].balance, BOND / 5, "saved");
        vm.assertEq(account.balance, BOND - BOND / 5, "the group's");
    }

    /// @dev A replica without a bond is convicted all the same, and nobody is paid.
    function test_Report_GivenNoBond_ConvictsAllTheSame() external {
        _convict(1);
        vm.assertTrue(_isConvicted(1), "convicted");
        vm.assertEq(REPORTER.balance, 0, "the reporter's");
        vm.assertEq(account.balance, 0, "the group's");
        vm.assertEq(address(coordinator).balance, BOND, "another's bond");
    }

    /// @dev Whoever is convicted takes no bond any more.
    function test_Report_AConvictedReplica_TakesNoDeposit() external {
        _convict(0);
        vm.deal(agents[0], BOND);
        vm.expectRevert(abi.encodeWithSelector(Errors.AlreadyConvicted.selector, groupId, agents[0]));
        vm.prank(agents[0]);
        coordinator.deposit{value: BOND}(groupId);
    }

    /// @dev A conviction in one group is none in another, and takes no bond there.
    function test_Report_LeavesOtherGroupsAlone() external {
        bytes32 mine = groupId;
        groupId = _createGroup(_members(5), _bonded(_termsOf(6000)), "other");
        _deposit(1);
        (bytes32 other, uint256 held) = (groupId, address(coordinator).balance);
        groupId = mine;
        _convict(0);
        vm.assertFalse(coordinator.seatOf(other, agents[0]).convicted, "convicted");
        vm.assertEq(coordinator.bondOf(other, agents[0]).amount, BOND, "bond");
        vm.assertEq(coordinator.inbox(other).length, 0, "the inbox");
        vm.assertEq(address(coordinator).balance, held - BOND, "held");
    }

    /// @dev Every wei goes to one of the two.
    function testFuzz_Report_TheSharesAddUp(uint16 share, uint128 amount) external {
        Terms memory terms = _bonded(_termsOf(6000));
        terms.reporterShare = share % 2001;
        amount = amount % 1000 ether + BOND;
        uint256 before = address(coordinator).balance;
        _useWithFreshLog(_createGroup(_members(5), terms, "shares"));
        vm.deal(account, 0);
        vm.deal(agents[0], amount);
        vm.prank(agents[0]);
        coordinator.deposit{value: amount}(groupId);
        _convict(0);

        uint256 reward = uint256(amount) * terms.reporterShare / 10_000;
        vm.assertEq(REPORTER.balance, reward, "the reporter's");
        vm.assertEq(account.balance, amount - reward, "the group's");
        vm.assertEq(address(coordinator).balance, before, "another group's bond");
    }

    function test_Report_RevertWhen_TheReporterRefusesEther() external {
        Actor actor = new Actor();
        actor.refuse(true);
        (Checkpoint memory first, Checkpoint memory second) = _contradiction(0);
        bytes memory data = abi.encodeCall(
            coordinator.reportContradiction,
            (first, _signatures(first, 0, 1), second, _signatures(second, 0, 1), _noMembers(), _noFork())
        );
        (bool taken,) = address(actor).call(abi.encodeCall(actor.act, (address(coordinator), data)));
        vm.assertFalse(taken, "taken");
        vm.assertFalse(_isConvicted(0), "convicted");

        // Anybody else can report it.
        _convict(0);
        vm.assertEq(REPORTER.balance, 0.2 ether, "the reporter's");
    }

    // ---------------------------------------------------------------------------------------------------------
    // Steps
    // ---------------------------------------------------------------------------------------------------------

    /// @dev Ends the epoch of the five; no weight changes. The four who sign have their bonds by then.
    function _rotateByFour(uint64 sequence) private {
        for (uint256 i = 0; i < 5; ++i) {
            if (!coordinator.seatOf(groupId, agents[i]).bonded && coordinator.bondOf(groupId, agents[i]).amount == 0) {
                vm.deal(agents[i], BOND);
                vm.prank(agents[i]);
                coordinator.deposit{value: BOND}(groupId);
            }
        }
        _rotate(_boundary(sequence, _members(5)), 0, 4, _members(5), _noMandate());
    }

    /// @dev The five in a group without bonds, which make nobody convictable, in its epoch 1; evidence of an epoch that has ended counts
    /// in the second of its end.
    function _useUnbonded() private {
        _useWithFreshLog(_createGroup(_members(5), _termsOf(6000), "no bonds"));
        _rotate(_boundary(1, _members(5)), 0, 4, _members(5), _noMandate());
    }

    /// @dev Ends the epoch of the five: the first two are gone, two others come.
    function _rotateAway() private {
        _rotate(_boundary(2, _next()), 0, 4, _next(), _mandate(_next(), 0, 3));
    }

    /// @dev The same five in a group in which nobody is convicted, in its epoch 1.
    function _useFresh() private {
        _useWithFreshLog(_createGroup(_members(5), _bonded(_termsOf(6000)), "fresh"));
        _rotateByFour(1);
    }

    function _ofGroup(Checkpoint memory checkpoint) private view returns (Checkpoint memory) {
        checkpoint.groupId = groupId;
        return checkpoint;
    }

    function _none() private pure returns (bytes memory) {
        return abi.encodeWithSelector(Errors.NoContradiction.selector);
    }

    function _expectNotConvictable(uint256 agent, uint64 epoch, Member[] memory members) private {
        (Checkpoint memory first, Checkpoint memory second) = _contradiction(epoch);
        bytes memory one = _signatures(first, agent, 1);
        bytes memory other = _signatures(second, agent, 1);
        vm.expectRevert(abi.encodeWithSelector(Errors.NotConvictable.selector, groupId, agents[agent]));
        coordinator.reportContradiction(first, one, second, other, members, _noFork());
    }

    function _tryReport(uint256 agent, Checkpoint memory first, Checkpoint memory second, Member[] memory members)
        private
        returns (bool taken, bytes memory reason)
    {
        (bytes memory one, bytes memory other) = (_signatures(first, agent, 1), _signatures(second, agent, 1));
        return address(coordinator)
            .call(abi.encodeCall(coordinator.reportContradiction, (first, one, second, other, members, _noFork())));
    }

    /// @dev Both signed by the first agent.
    function _expectRefusal(Checkpoint memory first, Checkpoint memory second, bytes memory refusal) private {
        _expectRefusal(first, _signatures(first, 0, 1), second, _signatures(second, 0, 1), refusal);
    }

    function _expectRefusal(
        Checkpoint memory first,
        bytes memory one,
        Checkpoint memory second,
        bytes memory other,
        bytes memory refusal
    ) private {
        vm.expectRevert(refusal);
        coordinator.reportContradiction(first, one, second, other, _noMembers(), _noFork());
    }
}
// forge-lint: disable-end(unsafe-typecast)
