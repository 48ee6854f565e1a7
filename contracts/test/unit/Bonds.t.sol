// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {Errors} from "../../src/Errors.sol";
import {ICoordinatorEvents} from "../../src/ICoordinatorEvents.sol";
import {Bond, Checkpoint, FLAG_REPLICA, FLAG_VOTER, INBOX_LEAVING, Member, SeatState, Taken} from "../../src/Types.sol";
import {AnchorFixture} from "../support/AnchorFixture.sol";
import {Actor} from "../support/Targets.sol";
import {vm} from "../support/Vm.sol";

/// @notice The branches of Bonds.tree: a group of four replicas and a voter, by terms with bonds.
contract BondsTest is AnchorFixture {
    uint256 private constant NOTICE = 14 days;
    uint256 private constant AFTER_NOTICE = uint256(EVIDENCE_WINDOW) + 1 days;

    function setUp() public override {
        super.setUp();
        _makeAgents(5);
        Member[] memory members = _members(5);
        members[4].flags = FLAG_VOTER;
        _useWithFreshLog(_createGroup(members, _bonded(_termsOf(6000)), "bonds"));
        vm.deal(address(this), 100 ether);
    }

    // ---------------------------------------------------------------------------------------------------------
    // deposit
    // ---------------------------------------------------------------------------------------------------------

    function test_Deposit_RevertWhen_GroupIsUnknown() external {
        bytes memory refusal = abi.encodeWithSelector(Errors.UnknownGroup.selector, bytes32("none"));
        vm.expectRevert(refusal);
        coordinator.deposit{value: 1}("none");
        vm.expectRevert(refusal);
        coordinator.depositFor{value: 1}("none", agents[0]);
    }

    function test_Deposit_RevertWhen_TheGroupHasNoBonds() external {
        groupId = _createGroup(_members(4), _terms(), "no bonds");
        bytes memory refusal = abi.encodeWithSelector(Errors.NoBonds.selector, groupId);
        vm.expectRevert(refusal);
        coordinator.deposit{value: 1}(groupId);
        vm.expectRevert(refusal);
        coordinator.depositFor{value: 1}(groupId, agents[0]);
    }

    function test_Deposit_RevertWhen_ItIsNothing() external {
        bytes memory refusal = abi.encodeWithSelector(Errors.NothingDeposited.selector);
        vm.expectRevert(refusal);
        coordinator.deposit(groupId);
        vm.expectRevert(refusal);
        coordinator.depositFor(groupId, agents[0]);
    }

    function test_Deposit_RevertGiven_TheReplicaWasConvicted() external {
        _depositOf(0, BOND);
        _convict(0);
        bytes memory refusal = abi.encodeWithSelector(Errors.AlreadyConvicted.selector, groupId, agents[0]);
        vm.deal(agents[0], 1);
        vm.expectRevert(refusal);
        vm.prank(agents[0]);
        coordinator.deposit{value: 1}(groupId);
        vm.expectRevert(refusal);
        coordinator.depositFor{value: 1}(groupId, agents[0]);
    }

    function test_Deposit_RevertGiven_TheBondIsAskedFor() external {
        _depositOf(0, BOND);
        _request(0);
        bytes memory refusal = abi.encodeWithSelector(Errors.WithdrawalAskedFor.selector, groupId, agents[0]);
        vm.deal(agents[0], 1);
        vm.expectRevert(refusal);
        vm.prank(agents[0]);
        coordinator.deposit{value: 1}(groupId);
        vm.expectRevert(refusal);
        coordinator.depositFor{value: 1}(groupId, agents[0]);
    }

    function test_Deposit_RevertWhen_ItIsMoreThanFits() external {
        _depositOf(0, 1);
        vm.deal(address(this), 1 << 128);
        vm.expectRevert(abi.encodeWithSelector(SafeCast.SafeCastOverflowedUintDowncast.selector, 128, 1 << 128));
        coordinator.depositFor{value: (1 << 128) - 1}(groupId, agents[0]);
    }

    /// @dev Nobody's money goes to an account that cannot take it back: for others, only to a seated replica.
    function test_L5_DepositFor_RevertWhen_TheAccountIsNoReplica() external {
        address[4] memory accounts = [address(0), address(coordinator), address(this), agents[4]];
        for (uint256 i = 0; i < accounts.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(Errors.NotReplica.selector, groupId, accounts[i]));
            coordinator.depositFor{value: 1}(groupId, accounts[i]);
        }
    }

    function test_Deposit_AddsUp_WhoeverSendsIt() external {
        vm.expectEmit(address(coordinator));
        emit ICoordinatorEvents.BondDeposited(groupId, agents[0], address(this), BOND, BOND);
        coordinator.depositFor{value: BOND}(groupId, agents[0]);
        vm.deal(agents[0], 2 ether);
        vm.expectEmit(address(coordinator));
        emit ICoordinatorEvents.BondDeposited(groupId, agents[0], agents[0], 2 ether, 3 ether);
        vm.prank(agents[0]);
        coordinator.deposit{value: 2 ether}(groupId);

        _assertBond(0, 3 ether, 0, 0);
        _assertBond(1, 0, 0, 0);
        vm.assertEq(address(coordinator).balance, 3 ether, "held");
    }

    /// @dev Who is to become a replica can show its bond before.
    function test_Deposit_TakesItForOneself_ReplicaOrNot() external {
        coordinator.deposit{value: BOND}(groupId);
        vm.assertEq(coordinator.bondOf(groupId, address(this)).amount, BOND, "bond");
        vm.assertFalse(coordinator.seatOf(groupId, address(this)).counts, "counts for nothing");
    }

    function test_Deposit_IsOfOneGroup() external {
        _depositOf(0, BOND);
        groupId = _createGroup(_members(4), _bonded(_termsOf(6000)), "other");
        _assertBond(0, 0, 0, 0);
        vm.assertFalse(coordinator.seatOf(groupId, agents[0]).counts, "nor counted there");
    }

    // ---------------------------------------------------------------------------------------------------------
    // Whose signature counts
    // ---------------------------------------------------------------------------------------------------------

    /// @dev The whole of the terms' bond, and not a wei less.
    function test_L5_ASeatCounts_OnceItsBondIsFull() external {
        _assertSeat(0, SeatState(false, false, false, 0, false));
        vm.assertEq(coordinator.countedReplicas(groupId).length, 0, "none at first");
        _depositOf(0, BOND - 1);
        _assertSeat(0, SeatState(false, false, false, 0, false));
        _depositOf(0, 1);
        _assertSeat(0, SeatState(false, false, true, 0, true));
        _depositOf(2, BOND);
        address[] memory counted = coordinator.countedReplicas(groupId);
        vm.assertEq(abi.encode(counted), abi.encode(_two(agents[0], agents[2])), "ascending");
    }

    function test_L5_AnAnchor_NeedsBonds() external {
        _fill(1);
        Checkpoint memory checkpoint = _checkpoint(1);
        _depositOf(0, BOND);
        _depositOf(1, BOND);
        _expectUncounted(checkpoint, agents[2]);
        _depositOf(2, BOND);
        _anchor(checkpoint, 0, 3);
        vm.assertEq(coordinator.latestAnchor(groupId).sequence, 1, "anchored");
    }

    // ---------------------------------------------------------------------------------------------------------
    // requestWithdrawal
    // ---------------------------------------------------------------------------------------------------------

    function test_RequestWithdrawal_RevertWhen_GroupIsUnknown() external {
        vm.expectRevert(abi.encodeWithSelector(Errors.UnknownGroup.selector, bytes32("none")));
        coordinator.requestWithdrawal("none");
    }

    function test_RequestWithdrawal_RevertWhen_ThereIsNoBond() external {
        vm.expectRevert(abi.encodeWithSelector(Errors.NoBond.selector, groupId, address(this)));
        coordinator.requestWithdrawal(groupId);
    }

    function test_RequestWithdrawal_RevertWhen_ItWasAskedForBefore() external {
        _depositOf(0, BOND);
        _request(0);
        vm.warp(START + 1 days);
        vm.expectRevert(abi.encodeWithSelector(Errors.WithdrawalAskedFor.selector, groupId, agents[0]));
        _request(0);
    }

    /// @dev The group is told, and has the notice to replace it.
    function test_M7_RequestWithdrawal_AReplicaGivesNotice() external {
        _depositOf(0, BOND);
        vm.warp(START + 500);
        uint64 exitAt = uint64(START + 500 + NOTICE);
        uint64 releasedAt = uint64(exitAt + AFTER_NOTICE);
        _expectMessage(INBOX_LEAVING, agents[0], abi.encode(agents[0], exitAt));
        vm.expectEmit(address(coordinator));
        emit ICoordinatorEvents.WithdrawalRequested(groupId, agents[0], exitAt, releasedAt);
        _request(0);
        _assertBond(0, BOND, exitAt, releasedAt);
        _assertSeat(0, SeatState(false, false, true, exitAt, true));
    }

    /// @dev Whoever signs no checkpoints has nothing to give notice of.
    function test_M7_RequestWithdrawal_WhoIsNoReplica_GivesNone() external {
        coordinator.deposit{value: BOND}(groupId);
        vm.expectEmit(address(coordinator));
        emit ICoordinatorEvents.WithdrawalRequested(groupId, address(this), uint64(START), uint64(START + AFTER_NOTICE));
        coordinator.requestWithdrawal(groupId);
        _depositOf(4, BOND);
        _request(4);
        _assertBond(4, BOND, START, START + AFTER_NOTICE);
        vm.assertEq(coordinator.inbox(groupId).length, 0, "no message");
    }

    /// @dev To the second; the signature of the last second counts.
    function test_M7_AtTheEndOfTheNotice_TheSignatureCountsNoMore() external {
        _deposit(4);
        _request(0);
        _fill(1);
        vm.warp(START + NOTICE - 1);
        vm.assertTrue(coordinator.seatOf(groupId, agents[0]).counts, "in its notice");
        _anchor(1);
        Checkpoint memory checkpoint = _checkpoint(2);
        vm.warp(START + NOTICE);
        vm.assertFalse(coordinator.seatOf(groupId, agents[0]).counts, "no more");
        vm.assertEq(coordinator.countedReplicas(groupId).length, 3, "the others'");
        _expectUncounted(checkpoint, agents[0]);
        _anchor(checkpoint, 1, 3);
        vm.assertEq(coordinator.latestAnchor(groupId).sequence, 2, "by the others");
    }

    // ---------------------------------------------------------------------------------------------------------
    // stay
    // ---------------------------------------------------------------------------------------------------------

    function test_Stay_RevertWhen_ItWasNotAskedFor() external {
        vm.expectRevert(abi.encodeWithSelector(Errors.UnknownGroup.selector, bytes32("none")));
        coordinator.stay("none");
        bytes memory refusal = abi.encodeWithSelector(Errors.WithdrawalNotAskedFor.selector, groupId, agents[0]);
        vm.expectRevert(refusal);
        _stay(0);
        _depositOf(0, BOND);
        vm.expectRevert(refusal);
        _stay(0);
    }

    /// @dev In its notice and after it.
    function test_M7_Stay_TakesTheRequestBack() external {
        _depositOf(0, BOND);
        uint256[2] memory waits = [uint256(0), NOTICE + AFTER_NOTICE];
        for (uint256 i = 0; i < 2; ++i) {
            _request(0);
            vm.warp(block.timestamp + waits[i]);
            vm.expectEmit(address(coordinator));
            emit ICoordinatorEvents.WithdrawalCancelled(groupId, agents[0]);
            _stay(0);
            _assertBond(0, BOND, 0, 0);
            _assertSeat(0, SeatState(false, false, true, 0, true));
            vm.expectRevert(abi.encodeWithSelector(Errors.WithdrawalNotAskedFor.selector, groupId, agents[0]));
            _withdraw(0);
        }
        _depositOf(0, 1);
        _assertBond(0, BOND + 1, 0, 0);
    }

    // ---------------------------------------------------------------------------------------------------------
    // withdraw
    // ---------------------------------------------------------------------------------------------------------

    function test_Withdraw_RevertWhen_GroupIsUnknown() external {
        vm.expectRevert(abi.encodeWithSelector(Errors.UnknownGroup.selector, bytes32("none")));
        coordinator.withdraw("none");
    }

    function test_Withdraw_RevertWhen_ItWasNotAskedFor() external {
        vm.expectPartialRevert(Errors.WithdrawalNotAskedFor.selector);
        coordinator.withdraw(groupId);
        _depositOf(0, BOND);
        vm.warp(START + 365 days);
        vm.expectRevert(abi.encodeWithSelector(Errors.WithdrawalNotAskedFor.selector, groupId, agents[0]));
        _withdraw(0);
    }

    function test_Withdraw_RevertWhen_TheTimeHasNotCome() external {
        _depositOf(0, BOND);
        _request(0);
        uint256 releasedAt = START + NOTICE + AFTER_NOTICE;
        vm.warp(releasedAt - 1);
        vm.expectRevert(abi.encodeWithSelector(Errors.BondNotReleased.selector, groupId, agents[0], releasedAt));
        _withdraw(0);
        vm.warp(releasedAt);
        _withdraw(0);
    }

    /// @dev Two of four are gone for good: nobody anchors, nobody rotates, and the others have their bonds back.
    function test_M7_Withdraw_WhenTheQuorumIsGone() external {
        _deposit(4);
        _request(0);
        _request(1);
        vm.warp(START + NOTICE + AFTER_NOTICE);
        for (uint256 i = 0; i < 2; ++i) {
            vm.expectEmit(address(coordinator));
            emit ICoordinatorEvents.BondWithdrawn(groupId, agents[i], BOND);
            _withdraw(i);
            vm.assertEq(agents[i].balance, BOND, "sent");
            _assertBond(i, 0, 0, 0);
            _assertSeat(i, SeatState(false, false, false, 0, false));
        }
        vm.assertEq(address(coordinator).balance, 2 * BOND, "the others' bonds");
    }

    function test_Withdraw_SendsItOnce() external {
        _deposit(2);
        _request(0);
        vm.warp(START + NOTICE + AFTER_NOTICE);
        _withdraw(0);
        vm.expectRevert(abi.encodeWithSelector(Errors.WithdrawalNotAskedFor.selector, groupId, agents[0]));
        _withdraw(0);
        vm.expectRevert(abi.encodeWithSelector(Errors.NoBond.selector, groupId, agents[0]));
        _request(0);
        // It may deposit anew, and count anew.
        _depositOf(0, BOND);
        _assertSeat(0, SeatState(false, false, true, 0, true));
    }

    function test_Withdraw_RevertWhen_TheReplicaRefusesEther() external {
        Actor actor = new Actor();
        vm.deal(address(actor), BOND);
        vm.prank(address(actor));
        coordinator.deposit{value: BOND}(groupId);
        actor.act(address(coordinator), abi.encodeCall(coordinator.requestWithdrawal, (groupId)));
        vm.warp(START + AFTER_NOTICE);
        actor.refuse(true);
        vm.expectRevert(abi.encodeWithSelector(Actor.NoEtherPlease.selector));
        actor.act(address(coordinator), abi.encodeCall(coordinator.withdraw, (groupId)));
        vm.assertEq(coordinator.bondOf(groupId, address(actor)).amount, BOND, "still there");

        actor.refuse(false);
        actor.act(address(coordinator), abi.encodeCall(coordinator.withdraw, (groupId)));
        vm.assertEq(address(actor).balance, BOND, "sent");
    }

    // ---------------------------------------------------------------------------------------------------------
    // Over epochs
    // ---------------------------------------------------------------------------------------------------------

    /// @dev Others cannot hold it back by naming it again and again.
    function test_M7_NoRotationMovesAnExit() external {
        _deposit(4);
        _request(0);
        (uint256 exitAt, uint256 releasedAt) = (START + NOTICE, START + NOTICE + AFTER_NOTICE);
        Member[] memory members = coordinator.members(groupId);
        for (uint64 i = 1; i < 4; ++i) {
            vm.warp(START + i * 1 days);
            _rotate(_boundary(i, members), 1, 3, members, _noMandate());
            _assertBond(0, BOND, exitAt, releasedAt);
            _assertSeat(0, SeatState(false, false, true, uint40(exitAt), true));
        }
        vm.warp(exitAt);
        vm.assertFalse(coordinator.seatOf(groupId, agents[0]).counts, "counts no more");
        vm.warp(releasedAt);
        _withdraw(0);
        vm.assertEq(agents[0].balance, BOND, "sent");
    }

    /// @dev Who gets a replica's seat has the bond that it has; and who left without notice, as it signed nothing, comes back
    /// without a say.
    function test_M7_ANewSeatHasItsBondAndItsExit() external {
        _deposit(4);
        Member[] memory with3 = coordinator.members(groupId);
        Member[] memory with4 = coordinator.members(groupId);
        (with4[3].flags, with4[4].flags) = (with3[4].flags, with3[3].flags);
        _rotate(_boundary(1, with4), 0, 3, with4, _noMandate());
        vm.assertFalse(coordinator.seatOf(groupId, agents[3]).counts, "a voter");
        vm.assertFalse(coordinator.seatOf(groupId, agents[4]).counts, "a replica without a bond");

        _rotate(_boundary(2, with3), 0, 3, with3, _noMandate());
        vm.assertTrue(coordinator.seatOf(groupId, agents[3]).counts, "a replica with its bond");

        _rotate(_boundary(3, with4), 0, 3, with4, _noMandate());
        _request(3);
        _rotate(_boundary(4, with3), 0, 3, with3, _noMandate());
        _assertBond(3, BOND, START, START + AFTER_NOTICE);
        vm.assertFalse(coordinator.seatOf(groupId, agents[3]).counts, "on its way out");
        _stay(3);
        vm.assertTrue(coordinator.seatOf(groupId, agents[3]).counts, "it stays");
    }

    /// @dev Who had no seat when it asked has one that does not count.
    function test_M7_WhoIsOnItsWayOut_GetsNoSeatThatCounts() external {
        _deposit(4);
        address newcomer = address(type(uint160).max);
        vm.deal(newcomer, BOND);
        vm.prank(newcomer);
        coordinator.deposit{value: BOND}(groupId);
        vm.prank(newcomer);
        coordinator.requestWithdrawal(groupId);
        Member[] memory members = coordinator.members(groupId);
        Member[] memory next = new Member[](6);
        for (uint256 i = 0; i < 5; ++i) {
            next[i] = members[i];
        }
        next[5] = Member({account: newcomer, key: "key", weight: 0, flags: FLAG_REPLICA});
        _rotate(_boundary(1, next), 0, 3, next, _noMandate());
        SeatState memory seat = coordinator.seatOf(groupId, newcomer);
        vm.assertEq(seat.exitAt, START, "on its way out");
        vm.assertFalse(seat.counts, "counts");
        vm.prank(newcomer);
        coordinator.stay(groupId);
        vm.assertTrue(coordinator.seatOf(groupId, newcomer).counts, "it stays");
    }

    // ---------------------------------------------------------------------------------------------------------
    // Steps
    // ---------------------------------------------------------------------------------------------------------

    function _depositOf(uint256 agent, uint256 value) private {
        vm.deal(agents[agent], value);
        vm.prank(agents[agent]);
        coordinator.deposit{value: value}(groupId);
    }

    function _request(uint256 agent) private {
        vm.prank(agents[agent]);
        coordinator.requestWithdrawal(groupId);
    }

    function _stay(uint256 agent) private {
        vm.prank(agents[agent]);
        coordinator.stay(groupId);
    }

    function _withdraw(uint256 agent) private {
        vm.prank(agents[agent]);
        coordinator.withdraw(groupId);
    }

    /// @dev By two checkpoints of one sequence.
    function _convict(uint256 agent) private {
        Checkpoint memory one = _checkpoint(50);
        Checkpoint memory other = _checkpoint(50);
        other.stateRoot = "other";
        bytes memory first = _signatures(one, agent, 1);
        bytes memory second = _signatures(other, agent, 1);
        coordinator.reportContradiction(one, first, other, second, new Member[](0), _noFork());
    }

    receive() external payable {}

    function _expectUncounted(Checkpoint memory checkpoint, address signer) private {
        bytes memory signatures = _signatures(checkpoint, 0, 3);
        (bytes32[] memory consistency, Taken memory taken) = (_consistency(checkpoint), _taken(checkpoint));
        vm.expectRevert(abi.encodeWithSelector(Errors.SignatureDoesNotCount.selector, signer));
        coordinator.anchor(checkpoint, signatures, consistency, taken);
    }

    function _two(address first, address second) private pure returns (address[] memory both) {
        both = new address[](2);
        (both[0], both[1]) = (first, second);
    }

    function _assertBond(uint256 agent, uint256 amount, uint256 exitAt, uint256 releasedAt) private view {
        Bond memory expected = Bond({amount: uint128(amount), exitAt: uint40(exitAt), releasedAt: uint40(releasedAt)});
        vm.assertEq(abi.encode(coordinator.bondOf(groupId, agents[agent])), abi.encode(expected), "bond");
    }

    function _assertSeat(uint256 agent, SeatState memory expected) private view {
        vm.assertEq(abi.encode(coordinator.seatOf(groupId, agents[agent])), abi.encode(expected), "seat");
    }
}
// forge-lint: disable-end(unsafe-typecast)
