// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {Errors} from "../../src/Errors.sol";
import {ICoordinatorEvents} from "../../src/ICoordinatorEvents.sol";
import {Bond, Checkpoint, INBOX_CONVICTED, Terms} from "../../src/Types.sol";
import {EpochFixture} from "../support/EpochFixture.sol";
import {Actor} from "../support/Targets.sol";
import {vm} from "../support/Vm.sol";

/// @notice The branches of "reportEquivocation" in Bonds.tree.
contract EquivocationTest is EpochFixture {
    uint256 private constant CURVE_ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
    address private constant REPORTER = address(0xbeef);

    Checkpoint private _one;
    Checkpoint private _other;

    function setUp() public override {
        super.setUp();
        vm.deal(address(this), 1000 ether);
        vm.deal(account, 0);
        _one = _checkpointIn(0, 50);
        _other = _checkpointIn(0, 50);
        _other.stateRoot = "other";
        coordinator.deposit{value: 4 ether}(groupId, agents[0]);
    }

    // ---------------------------------------------------------------------------------------------------------
    // What is no contradiction
    // ---------------------------------------------------------------------------------------------------------

    function test_Report_RevertWhen_GroupIsUnknown() external {
        (_one.groupId, _other.groupId) = ("none", "none");
        _expectRefusal(abi.encodeWithSelector(Errors.UnknownGroup.selector, bytes32("none")));
    }

    function test_Report_RevertWhen_TheGroupsDiffer() external {
        _other.groupId = _createGroup(_between(0, 5), _termsOf(6000), "other");
        _expectRefusal(abi.encodeWithSelector(Errors.NoContradiction.selector));
    }

    function test_Report_RevertWhen_TheEpochsDiffer() external {
        _other.epoch = 1;
        _expectRefusal(abi.encodeWithSelector(Errors.NoContradiction.selector));
    }

    function test_Report_RevertWhen_TheSequencesDiffer() external {
        _other.sequence = 51;
        _expectRefusal(abi.encodeWithSelector(Errors.NoContradiction.selector));
    }

    /// @dev The same checkpoint, with the same signature or another.
    function test_Report_RevertWhen_TheCheckpointsAreTheSame() external {
        _other = _one;
        _expectRefusal(abi.encodeWithSelector(Errors.NoContradiction.selector));
    }

    /// @dev Any field in which two of one sequence differ makes a contradiction.
    function test_Report_TakesAnyDifference() external {
        for (uint256 field = 0; field < 5; ++field) {
            Checkpoint memory other = _one;
            if (field == 0) other.logSize += 1;
            if (field == 1) other.logRoot = "other";
            if (field == 2) other.stateRoot = "other";
            if (field == 3) other.inboxCount += 1;
            if (field == 4) other.nextMembersHash = "other";
            coordinator.reportEquivocation(_one, _signatures(_one, field, 1), other, _signatures(other, field, 1));
            vm.assertTrue(coordinator.isConvicted(groupId, agents[field]), "convicted");
        }
    }

    // ---------------------------------------------------------------------------------------------------------
    // Signatures
    // ---------------------------------------------------------------------------------------------------------

    function test_Report_RevertWhen_ASignatureIsNone() external {
        bytes memory one = _signatures(_one, 0, 1);
        bytes memory other = _signatures(_other, 0, 1);
        bytes[4] memory none = [bytes(""), new bytes(65), new bytes(64), bytes.concat(one, hex"00")];
        for (uint256 i = 0; i < none.length; ++i) {
            _expectRefusal(none[i], other, abi.encodeWithSelector(Errors.InvalidSignature.selector, 0));
            _expectRefusal(one, none[i], abi.encodeWithSelector(Errors.InvalidSignature.selector, 1));
        }
    }

    function test_Report_RevertWhen_SIsHigh() external {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(privateKeys[0], coordinator.hashCheckpoint(_one));
        bytes memory twin = abi.encodePacked(r, CURVE_ORDER - uint256(s), v == 27 ? uint8(28) : uint8(27));
        bytes memory other = _signatures(_other, 0, 1);
        _expectRefusal(twin, other, abi.encodeWithSelector(Errors.InvalidSignature.selector, 0));
    }

    function test_Report_RevertWhen_TwoSigned() external {
        _expectRefusal(
            _signatures(_one, 0, 1),
            _signatures(_other, 1, 1),
            abi.encodeWithSelector(Errors.DifferentSigners.selector, agents[0], agents[1])
        );
    }

    /// @dev What was signed for another chain is a signature of somebody unknown here, and two of it are of two.
    function test_Report_RevertWhen_SignedForAnotherChain() external {
        bytes memory one = _signatures(_one, 0, 1);
        bytes memory other = _signatures(_other, 0, 1);
        vm.chainId(block.chainid + 1);
        (bool taken,) =
            address(coordinator).call(abi.encodeCall(coordinator.reportEquivocation, (_one, one, _other, other)));
        vm.assertFalse(taken, "taken");
        vm.assertFalse(coordinator.isConvicted(groupId, agents[0]), "convicted");
    }

    /// @dev Somebody who never was a replica, and has no bond.
    function test_Report_RevertWhen_TheSignerIsUnrelated() external {
        _expectRefusal(
            _signatures(_one, 6, 1),
            _signatures(_other, 6, 1),
            abi.encodeWithSelector(Errors.NotReplica.selector, groupId, agents[6])
        );
    }

    function test_Report_RevertGiven_AFormerReplicaWithoutABond() external {
        _rotateTo(_next(), 1);
        _expectRefusal(
            _signatures(_one, 1, 1),
            _signatures(_other, 1, 1),
            abi.encodeWithSelector(Errors.NotReplica.selector, groupId, agents[1])
        );
    }

    // ---------------------------------------------------------------------------------------------------------
    // Time
    // ---------------------------------------------------------------------------------------------------------

    function test_Report_RevertWhen_TheEpochHasNotBegun() external {
        (_one.epoch, _other.epoch) = (1, 1);
        _expectRefusal(abi.encodeWithSelector(Errors.EpochMismatch.selector, 1, 0));
    }

    /// @dev The current epoch has no end, so neither has its evidence.
    function test_Report_GivenTheEpochLasts_TakesItAtAnyTime() external {
        vm.warp(START + 3650 days);
        _report(0);
        vm.assertTrue(coordinator.isConvicted(groupId, agents[0]), "convicted");
    }

    /// @dev To the last second of the window since the end of its epoch, whatever came after.
    function test_Report_RevertWhen_TheEvidenceIsTooOld() external {
        vm.warp(START + 1 days);
        _rotateTo(_next(), 1);
        vm.warp(START + 2 days);
        Checkpoint memory boundary = _boundary(1, 2, _next());
        coordinator.anchorAndRotate(boundary, _signatures(boundary, 2, 4), _next());

        uint256 until = START + 1 days + EVIDENCE_WINDOW;
        vm.warp(until + 1);
        _expectRefusal(abi.encodeWithSelector(Errors.EvidenceTooOld.selector, 0, until));
        vm.warp(until);
        _report(0);
        vm.assertTrue(coordinator.isConvicted(groupId, agents[0]), "convicted");
    }

    /// @dev Whoever asks for its bond on the first day it can waits for longer than evidence counts.
    function test_Report_ReachesABondThatIsAskedFor() external {
        _rotateTo(_next(), 1);
        vm.prank(agents[0]);
        coordinator.requestWithdrawal(groupId);
        vm.warp(START + EVIDENCE_WINDOW);
        _report(0);
        vm.assertEq(abi.encode(coordinator.bondOf(groupId, agents[0])), abi.encode(Bond(0, 0)), "bond");
        vm.assertEq(account.balance, 3 ether, "the group's");
    }

    // ---------------------------------------------------------------------------------------------------------
    // Conviction
    // ---------------------------------------------------------------------------------------------------------

    function test_Report_RevertWhen_ConvictedBefore() external {
        _report(0);
        _expectRefusal(abi.encodeWithSelector(Errors.AlreadyConvicted.selector, groupId, agents[0]));
    }

    function test_Report_ForfeitsTheBond() external {
        bytes memory one = _signatures(_one, 0, 1);
        bytes memory other = _signatures(_other, 0, 1);
        bytes memory payload = abi.encode(agents[0]);
        bytes32 inboxHash = keccak256(abi.encode(bytes32(0), 0, INBOX_CONVICTED, REPORTER, START, keccak256(payload)));
        vm.expectEmit(address(coordinator));
        emit ICoordinatorEvents.ReplicaConvicted(groupId, agents[0], REPORTER, 0, 50, 4 ether, 1 ether);
        vm.expectEmit(address(coordinator));
        emit ICoordinatorEvents.Enqueued(groupId, 0, INBOX_CONVICTED, REPORTER, uint64(START), payload, inboxHash);
        vm.prank(REPORTER);
        coordinator.reportEquivocation(_one, one, _other, other);

        vm.assertEq(REPORTER.balance, 1 ether, "the reporter's");
        vm.assertEq(account.balance, 3 ether, "the group's");
        vm.assertEq(address(coordinator).balance, 0, "nothing is left");
        vm.assertEq(abi.encode(coordinator.bondOf(groupId, agents[0])), abi.encode(Bond(0, 0)), "bond");
        vm.assertTrue(coordinator.isConvicted(groupId, agents[0]), "convicted");
        vm.assertFalse(coordinator.isConvicted(groupId, agents[1]), "nobody else");
        vm.assertEq(coordinator.inbox(groupId).length, 1, "the inbox");
        vm.assertTrue(coordinator.memberOf(groupId, agents[0]).flags != 0, "its seat is the group's to take");
    }

    /// @dev In whichever order the two are shown.
    function test_Report_InEitherOrder() external {
        coordinator.reportEquivocation(_other, _signatures(_other, 0, 1), _one, _signatures(_one, 0, 1));
        vm.assertTrue(coordinator.isConvicted(groupId, agents[0]), "convicted");
    }

    /// @dev A replica without a bond is convicted all the same, and nobody is paid.
    function test_Report_GivenNoBond_ConvictsAllTheSame() external {
        _report(1);
        vm.assertTrue(coordinator.isConvicted(groupId, agents[1]), "convicted");
        vm.assertEq(REPORTER.balance, 0, "the reporter's");
        vm.assertEq(account.balance, 0, "the group's");
        vm.assertEq(address(coordinator).balance, 4 ether, "another's bond");
    }

    function test_Report_GivenAGroupWithoutBonds_ConvictsAllTheSame() external {
        Terms memory terms = _termsOf(6000);
        terms.bond = 0;
        groupId = _createGroup(_between(0, 5), terms, "no bonds");
        (_one.groupId, _other.groupId) = (groupId, groupId);
        _report(0);
        vm.assertTrue(coordinator.isConvicted(groupId, agents[0]), "convicted");
    }

    /// @dev A conviction in one group is none in another, and takes no bond there.
    function test_Report_LeavesOtherGroupsAlone() external {
        bytes32 other = _createGroup(_between(0, 5), _termsOf(6000), "other");
        coordinator.deposit{value: 2 ether}(other, agents[0]);
        _report(0);
        vm.assertFalse(coordinator.isConvicted(other, agents[0]), "convicted");
        vm.assertEq(coordinator.bondOf(other, agents[0]).amount, 2 ether, "bond");
        vm.assertEq(coordinator.inbox(other).length, 0, "the inbox");
        vm.assertEq(address(coordinator).balance, 2 ether, "held");
    }

    /// @dev Every wei goes to one of the two.
    function testFuzz_Report_TheSharesAddUp(uint16 share, uint128 amount) external {
        Terms memory terms = _termsOf(6000);
        terms.reporterShare = share % 5001;
        amount = amount % 1000 ether + 1;
        groupId = _createGroup(_between(0, 5), terms, "shares");
        account = coordinator.group(groupId).account;
        (_one.groupId, _other.groupId) = (groupId, groupId);
        vm.deal(address(this), amount);
        coordinator.deposit{value: amount}(groupId, agents[0]);
        _report(0);

        uint256 reward = uint256(amount) * terms.reporterShare / 10_000;
        vm.assertEq(REPORTER.balance, reward, "the reporter's");
        vm.assertEq(account.balance, amount - reward, "the group's");
        vm.assertEq(address(coordinator).balance, 4 ether, "another group's bond");
    }

    function test_Report_RevertWhen_TheReporterRefusesEther() external {
        Actor actor = new Actor();
        actor.refuse(true);
        bytes memory data = abi.encodeCall(
            coordinator.reportEquivocation, (_one, _signatures(_one, 0, 1), _other, _signatures(_other, 0, 1))
        );
        vm.expectRevert(abi.encodeWithSelector(Actor.NoEtherPlease.selector));
        actor.act(address(coordinator), data);
        vm.assertFalse(coordinator.isConvicted(groupId, agents[0]), "convicted");

        // Anybody else can report it.
        _report(0);
        vm.assertEq(REPORTER.balance, 1 ether, "the reporter's");
    }

    /// @dev A bond is enough: what came before the seat counts too.
    function test_Report_GivenABondWithoutASeat_Convicts() external {
        coordinator.deposit{value: 4 ether}(groupId, agents[6]);
        _report(6);
        vm.assertTrue(coordinator.isConvicted(groupId, agents[6]), "convicted");
        vm.assertEq(account.balance, 3 ether, "the group's");
    }

    // ---------------------------------------------------------------------------------------------------------
    // Steps
    // ---------------------------------------------------------------------------------------------------------

    receive() external payable {}

    function _report(uint256 agent) private {
        bytes memory one = _signatures(_one, agent, 1);
        bytes memory other = _signatures(_other, agent, 1);
        vm.prank(REPORTER);
        coordinator.reportEquivocation(_one, one, _other, other);
    }

    function _expectRefusal(bytes memory refusal) private {
        _expectRefusal(_signatures(_one, 0, 1), _signatures(_other, 0, 1), refusal);
    }

    function _expectRefusal(bytes memory one, bytes memory other, bytes memory refusal) private {
        vm.expectRevert(refusal);
        coordinator.reportEquivocation(_one, one, _other, other);
    }
}
// forge-lint: disable-end(unsafe-typecast)
