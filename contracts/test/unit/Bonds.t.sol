// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {Errors} from "../../src/Errors.sol";
import {ICoordinatorEvents} from "../../src/ICoordinatorEvents.sol";
import {Bond, Checkpoint, FLAG_VOTER, Member, Terms} from "../../src/Types.sol";
import {EpochFixture} from "../support/EpochFixture.sol";
import {Actor} from "../support/Targets.sol";
import {vm} from "../support/Vm.sol";

/// @notice The branches of "deposit", "requestWithdrawal" and "withdraw" in Bonds.tree.
contract BondsTest is EpochFixture {
    /// @dev What a withdrawal takes: the evidence window, and a day.
    uint256 private constant WAIT = uint256(EVIDENCE_WINDOW) + 1 days;

    function setUp() public override {
        super.setUp();
        vm.deal(address(this), 100 ether);
    }

    // ---------------------------------------------------------------------------------------------------------
    // deposit
    // ---------------------------------------------------------------------------------------------------------

    function test_Deposit_RevertWhen_GroupIsUnknown() external {
        vm.expectRevert(abi.encodeWithSelector(Errors.UnknownGroup.selector, bytes32("none")));
        coordinator.deposit{value: 1}("none", agents[0]);
    }

    function test_Deposit_RevertWhen_TheGroupHasNoBonds() external {
        Terms memory terms = _termsOf(6000);
        terms.bond = 0;
        groupId = _createGroup(_between(0, 5), terms, "no bonds");
        vm.expectRevert(abi.encodeWithSelector(Errors.NoBonds.selector, groupId));
        coordinator.deposit{value: 1}(groupId, agents[0]);
    }

    function test_Deposit_RevertWhen_ItIsNothing() external {
        vm.expectRevert(abi.encodeWithSelector(Errors.NothingDeposited.selector));
        coordinator.deposit(groupId, agents[0]);
    }

    function test_Deposit_RevertGiven_TheReplicaWasConvicted() external {
        _convict(0);
        vm.expectRevert(abi.encodeWithSelector(Errors.AlreadyConvicted.selector, groupId, agents[0]));
        coordinator.deposit{value: 1}(groupId, agents[0]);
    }

    function test_Deposit_RevertGiven_TheBondIsAskedFor() external {
        _deposit(0, 1 ether);
        _rotateTo(_next(), 1);
        _request(0);
        vm.expectRevert(abi.encodeWithSelector(Errors.WithdrawalAskedFor.selector, groupId, agents[0]));
        coordinator.deposit{value: 1}(groupId, agents[0]);
    }

    function test_Deposit_RevertWhen_ItIsMoreThanFits() external {
        _deposit(0, 1);
        vm.deal(address(this), 1 << 128);
        vm.expectRevert(abi.encodeWithSelector(SafeCast.SafeCastOverflowedUintDowncast.selector, 128, 1 << 128));
        coordinator.deposit{value: (1 << 128) - 1}(groupId, agents[0]);
    }

    function test_Deposit_AddsUp() external {
        vm.expectEmit(address(coordinator));
        emit ICoordinatorEvents.BondDeposited(groupId, agents[0], address(this), 1 ether, 1 ether);
        _deposit(0, 1 ether);
        vm.deal(agents[0], 2 ether);
        vm.expectEmit(address(coordinator));
        emit ICoordinatorEvents.BondDeposited(groupId, agents[0], agents[0], 2 ether, 3 ether);
        vm.prank(agents[0]);
        coordinator.deposit{value: 2 ether}(groupId, agents[0]);

        _assertBond(0, 3 ether, 0);
        _assertBond(1, 0, 0);
        vm.assertEq(address(coordinator).balance, 3 ether, "held");
    }

    /// @dev Who is to become a replica can show its bond before.
    function test_Deposit_TakesItForWhoIsNoReplica() external {
        _deposit(6, 1 ether);
        _assertBond(6, 1 ether, 0);
    }

    function test_Deposit_IsOfOneGroup() external {
        _deposit(0, 1 ether);
        groupId = _createGroup(_between(0, 5), _termsOf(6000), "other");
        _assertBond(0, 0, 0);
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

    function test_RequestWithdrawal_RevertWhen_StillAReplica() external {
        _deposit(0, 1 ether);
        vm.expectRevert(abi.encodeWithSelector(Errors.StillReplica.selector, groupId, agents[0]));
        _request(0);
    }

    function test_RequestWithdrawal_TellsWhen() external {
        _deposit(0, 1 ether);
        vm.warp(START + 500);
        _rotateTo(_next(), 1);
        vm.expectEmit(address(coordinator));
        emit ICoordinatorEvents.WithdrawalRequested(groupId, agents[0], uint64(START + 500 + WAIT));
        _request(0);
        _assertBond(0, 1 ether, START + 500 + WAIT);
    }

    /// @dev A member that only votes signs no checkpoints.
    function test_RequestWithdrawal_TakesItFromAVoterThatIsNoReplicaAnyMore() external {
        _deposit(2, 1 ether);
        Member[] memory next = _next();
        next[0].flags = FLAG_VOTER;
        _rotateTo(next, 1);
        _request(2);
        _assertBond(2, 1 ether, START + WAIT);
    }

    /// @dev Asking again puts it off.
    function test_RequestWithdrawal_GivenItWasAskedForBefore_BeginsAnew() external {
        _deposit(0, 1 ether);
        _rotateTo(_next(), 1);
        _request(0);
        vm.warp(START + 1 days);
        _request(0);
        _assertBond(0, 1 ether, START + 1 days + WAIT);
    }

    // ---------------------------------------------------------------------------------------------------------
    // withdraw
    // ---------------------------------------------------------------------------------------------------------

    function test_Withdraw_RevertWhen_GroupIsUnknown() external {
        vm.expectRevert(abi.encodeWithSelector(Errors.UnknownGroup.selector, bytes32("none")));
        coordinator.withdraw("none");
    }

    function test_Withdraw_RevertWhen_ThereIsNoBond() external {
        vm.expectRevert(abi.encodeWithSelector(Errors.NoBond.selector, groupId, address(this)));
        coordinator.withdraw(groupId);
    }

    function test_Withdraw_RevertWhen_StillAReplica() external {
        _deposit(0, 1 ether);
        vm.expectRevert(abi.encodeWithSelector(Errors.StillReplica.selector, groupId, agents[0]));
        _withdraw(0);
    }

    function test_Withdraw_RevertWhen_ItWasNotAskedFor() external {
        _deposit(0, 1 ether);
        _rotateTo(_next(), 1);
        vm.warp(START + 365 days);
        vm.expectRevert(abi.encodeWithSelector(Errors.WithdrawalNotAskedFor.selector, groupId, agents[0]));
        _withdraw(0);
    }

    function test_Withdraw_RevertWhen_TheTimeHasNotCome() external {
        _deposit(0, 1 ether);
        _rotateTo(_next(), 1);
        _request(0);
        vm.warp(START + WAIT - 1);
        vm.expectRevert(abi.encodeWithSelector(Errors.BondNotReleased.selector, groupId, agents[0], START + WAIT));
        _withdraw(0);
        vm.warp(START + WAIT);
        _withdraw(0);
    }

    /// @dev A replica again: what it had asked for before is forgotten, however long ago that was.
    function test_Withdraw_GivenItBecameAReplicaAgain_TheRequestIsTakenBack() external {
        _deposit(0, 1 ether);
        _rotateTo(_next(), 1);
        _request(0);
        _rotateBack();
        _assertBond(0, 1 ether, 0);
        vm.warp(START + WAIT);
        vm.expectRevert(abi.encodeWithSelector(Errors.StillReplica.selector, groupId, agents[0]));
        _withdraw(0);
        _deposit(0, 1);

        // And gone again it has to ask again.
        Checkpoint memory boundary = _boundary(2, 3, _next());
        coordinator.anchorAndRotate(boundary, _signatures(boundary, 0, 4), _next());
        vm.expectRevert(abi.encodeWithSelector(Errors.WithdrawalNotAskedFor.selector, groupId, agents[0]));
        _withdraw(0);
    }

    /// @dev A voter's seat alone does not take it back.
    function test_Withdraw_GivenItCameBackAsAVoterOnly_TheRequestStands() external {
        _deposit(0, 1 ether);
        _rotateTo(_next(), 1);
        _request(0);
        Member[] memory third = _between(0, 5);
        third[0].flags = FLAG_VOTER;
        Checkpoint memory boundary = _boundary(1, 2, third);
        coordinator.anchorAndRotate(boundary, _signatures(boundary, 2, 4), third);
        _assertBond(0, 1 ether, START + WAIT);
        vm.warp(START + WAIT);
        _withdraw(0);
        vm.assertEq(agents[0].balance, 1 ether, "sent");
    }

    function test_Withdraw_RevertGiven_TheReplicaWasConvicted() external {
        _deposit(0, 1 ether);
        _rotateTo(_next(), 1);
        _request(0);
        _convict(0);
        vm.warp(START + WAIT);
        vm.expectRevert(abi.encodeWithSelector(Errors.NoBond.selector, groupId, agents[0]));
        _withdraw(0);
    }

    function test_Withdraw_SendsTheBond() external {
        _deposit(0, 1 ether);
        _deposit(1, 5 ether);
        _rotateTo(_next(), 1);
        _request(0);
        vm.warp(START + WAIT);
        vm.expectEmit(address(coordinator));
        emit ICoordinatorEvents.BondWithdrawn(groupId, agents[0], 1 ether);
        _withdraw(0);

        vm.assertEq(agents[0].balance, 1 ether, "sent");
        vm.assertEq(address(coordinator).balance, 5 ether, "the others' bonds");
        _assertBond(0, 0, 0);
        vm.expectRevert(abi.encodeWithSelector(Errors.NoBond.selector, groupId, agents[0]));
        _withdraw(0);
        // It may deposit anew.
        _deposit(0, 1);
        _assertBond(0, 1, 0);
    }

    function test_Withdraw_RevertWhen_TheReplicaRefusesEther() external {
        Actor actor = new Actor();
        coordinator.deposit{value: 1 ether}(groupId, address(actor));
        actor.act(address(coordinator), abi.encodeCall(coordinator.requestWithdrawal, (groupId)));
        vm.warp(START + WAIT);
        actor.refuse(true);
        vm.expectRevert(abi.encodeWithSelector(Actor.NoEtherPlease.selector));
        actor.act(address(coordinator), abi.encodeCall(coordinator.withdraw, (groupId)));
        vm.assertEq(coordinator.bondOf(groupId, address(actor)).amount, 1 ether, "still there");

        actor.refuse(false);
        actor.act(address(coordinator), abi.encodeCall(coordinator.withdraw, (groupId)));
        vm.assertEq(address(actor).balance, 1 ether, "sent");
    }

    // ---------------------------------------------------------------------------------------------------------
    // Steps
    // ---------------------------------------------------------------------------------------------------------

    function _deposit(uint256 agent, uint256 value) private {
        coordinator.deposit{value: value}(groupId, agents[agent]);
    }

    function _request(uint256 agent) private {
        vm.prank(agents[agent]);
        coordinator.requestWithdrawal(groupId);
    }

    function _withdraw(uint256 agent) private {
        vm.prank(agents[agent]);
        coordinator.withdraw(groupId);
    }

    /// @dev From epoch 1 to the members of epoch 0.
    function _rotateBack() private {
        Member[] memory members = _between(0, 5);
        Checkpoint memory boundary = _boundary(1, 2, members);
        coordinator.anchorAndRotate(boundary, _signatures(boundary, 2, 4), members);
    }

    /// @dev By two checkpoints of epoch 0.
    function _convict(uint256 agent) private {
        Checkpoint memory one = _checkpointIn(0, 50);
        Checkpoint memory other = _checkpointIn(0, 50);
        other.stateRoot = "other";
        coordinator.reportEquivocation(one, _signatures(one, agent, 1), other, _signatures(other, agent, 1));
    }

    receive() external payable {}

    function _assertBond(uint256 agent, uint256 amount, uint256 releasedAt) private view {
        Bond memory expected = Bond({amount: uint128(amount), releasedAt: uint64(releasedAt)});
        vm.assertEq(abi.encode(coordinator.bondOf(groupId, agents[agent])), abi.encode(expected), "bond");
    }
}
// forge-lint: disable-end(unsafe-typecast)
