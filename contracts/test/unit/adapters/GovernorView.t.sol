// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {IGovernor} from "@openzeppelin/contracts/governance/IGovernor.sol";
import {IERC165} from "@openzeppelin/contracts/interfaces/IERC165.sol";
import {IERC5805} from "@openzeppelin/contracts/interfaces/IERC5805.sol";
import {IERC6372} from "@openzeppelin/contracts/interfaces/IERC6372.sol";

import {Errors} from "../../../src/Errors.sol";
import {IAgentCoordinator} from "../../../src/IAgentCoordinator.sol";
import {GovernorView} from "../../../src/adapters/GovernorView.sol";
import {IGovernorView} from "../../../src/adapters/IGovernorView.sol";
import {
    Approval,
    CHOICE_ABSTAIN,
    CHOICE_AGAINST,
    CHOICE_FOR,
    Class,
    Content,
    Member,
    Opening,
    Terms
} from "../../../src/Types.sol";
import {deployGovernorView} from "../../support/Adapters.sol";
import {AnchorFixture} from "../../support/AnchorFixture.sol";
import {vm} from "../../support/Vm.sol";

/// @notice The branches of GovernorView.tree.
contract GovernorViewTest is AnchorFixture {
    IGovernorView private _view;

    function setUp() public override {
        super.setUp();
        _view = deployGovernorView(coordinator, groupId);
    }

    function test_Constructor_RevertWhen_NoCoordinatorOrNoGroup() external {
        vm.expectRevert(abi.encodeWithSelector(IGovernorView.NoCoordinator.selector, address(0xdead)));
        new GovernorView(IAgentCoordinator(address(0xdead)), groupId);
        vm.expectRevert(abi.encodeWithSelector(Errors.UnknownGroup.selector, bytes32("none")));
        new GovernorView(coordinator, "none");
        vm.assertEq(address(_view.coordinator()), address(coordinator), "coordinator");
        vm.assertEq(_view.groupId(), groupId, "group");
    }

    // ---------------------------------------------------------------------------------------------------------
    // Selectors and words of the standards
    // ---------------------------------------------------------------------------------------------------------

    /// @dev What tools ask has the selectors that they ask by.
    function test_Selectors_AreThoseOfAGovernor() external pure {
        bytes4[2][16] memory pairs = [
            [IGovernorView.name.selector, IGovernor.name.selector],
            [IGovernorView.version.selector, IGovernor.version.selector],
            [IGovernorView.COUNTING_MODE.selector, IGovernor.COUNTING_MODE.selector],
            [IGovernorView.state.selector, IGovernor.state.selector],
            [IGovernorView.proposalThreshold.selector, IGovernor.proposalThreshold.selector],
            [IGovernorView.proposalSnapshot.selector, IGovernor.proposalSnapshot.selector],
            [IGovernorView.proposalDeadline.selector, IGovernor.proposalDeadline.selector],
            [IGovernorView.proposalProposer.selector, IGovernor.proposalProposer.selector],
            [IGovernorView.proposalEta.selector, IGovernor.proposalEta.selector],
            [IGovernorView.proposalNeedsQueuing.selector, IGovernor.proposalNeedsQueuing.selector],
            [IGovernorView.votingDelay.selector, IGovernor.votingDelay.selector],
            [IGovernorView.votingPeriod.selector, IGovernor.votingPeriod.selector],
            [IGovernorView.quorum.selector, IGovernor.quorum.selector],
            [IGovernorView.getVotes.selector, IGovernor.getVotes.selector],
            [IGovernorView.hasVoted.selector, IGovernor.hasVoted.selector],
            // GovernorCountingSimple's.
            [IGovernorView.proposalVotes.selector, bytes4(keccak256("proposalVotes(uint256)"))]
        ];
        for (uint256 i = 0; i < pairs.length; ++i) {
            vm.assertEq(bytes32(pairs[i][0]), bytes32(pairs[i][1]), "a selector");
        }
    }

    /// @dev It says that it has what it has: it cannot vote, propose or execute.
    function test_SupportsInterface_WhatItHasAlone() external view {
        vm.assertTrue(_view.supportsInterface(type(IERC165).interfaceId), "ERC-165");
        vm.assertTrue(_view.supportsInterface(0xda287a1d), "ERC-6372");
        vm.assertTrue(_view.supportsInterface(type(IGovernorView).interfaceId), "its own");
        vm.assertEq(bytes32(type(IERC6372).interfaceId), bytes32(bytes4(0xda287a1d)), "as the standard says");
        bytes4[4] memory others =
            [type(IGovernor).interfaceId, type(IERC5805).interfaceId, bytes4(0xffffffff), bytes4(0)];
        for (uint256 i = 0; i < 4; ++i) {
            vm.assertFalse(_view.supportsInterface(others[i]), "not another");
        }
        (bool success,) = address(_view).staticcall(abi.encodeCall(IGovernor.castVote, (1, 1)));
        vm.assertFalse(success, "no votes");
    }

    function test_Words() external view {
        vm.assertEq(_view.name(), "Quorate", "name");
        vm.assertEq(_view.version(), "1", "version");
        vm.assertEq(_view.COUNTING_MODE(), "support=bravo&quorum=against,for,abstain", "counting");
        vm.assertEq(_view.CLOCK_MODE(), "mode=timestamp", "clock mode");
        vm.assertEq(uint256(_view.clock()), START, "clock");
        vm.assertEq(_view.proposalThreshold(), 1, "any voter");
        vm.assertEq(_view.votingDelay(), 0, "at once");
        vm.assertFalse(_view.proposalNeedsQueuing(1), "by itself");
    }

    function test_ProposalProposer_Reverts() external {
        bytes32 id = _propose(0, ROUTINE, _calls(1, 0), 1);
        vm.expectRevert(abi.encodeWithSelector(IGovernorView.ProposersNotKept.selector, uint256(id)));
        _view.proposalProposer(uint256(id));
    }

    // ---------------------------------------------------------------------------------------------------------
    // States
    // ---------------------------------------------------------------------------------------------------------

    function test_State_OfNothing() external {
        vm.expectRevert(abi.encodeWithSelector(IGovernor.GovernorNonexistentProposal.selector, 7));
        _view.state(7);
        vm.expectRevert(abi.encodeWithSelector(IGovernor.GovernorNonexistentProposal.selector, 7));
        _view.proposalSnapshot(7);
    }

    function test_State_FromOpenToExecuted() external {
        Content memory content = _content(0, ROUTINE, _calls(1, 0), 1);
        bytes32 id = _propose(0, ROUTINE, _calls(1, 0), 1);
        _assertState(id, IGovernor.ProposalState.Active);
        vm.assertEq(_view.proposalEta(uint256(id)), 0, "not approved");
        _approve(id);
        _assertState(id, IGovernor.ProposalState.Queued);
        uint256 eta = _view.proposalEta(uint256(id));
        vm.assertEq(eta, START + TIMELOCK, "when");
        vm.warp(eta - 1);
        vm.expectPartialRevert(Errors.TimelockNotOver.selector);
        coordinator.execute(groupId, content);
        vm.warp(eta);
        _assertState(id, IGovernor.ProposalState.Queued);
        coordinator.execute(groupId, content);
        _assertState(id, IGovernor.ProposalState.Executed);
        vm.assertEq(_view.proposalEta(uint256(id)), 0, "over");
    }

    function test_State_Succeeded_WithoutATimelock() external {
        bytes32 id = _propose(0, PAYMENTS, _payment(address(0xcafe), 1), 1);
        _approve(id);
        _assertState(id, IGovernor.ProposalState.Succeeded);
        vm.assertEq(_view.proposalEta(uint256(id)), START, "at once");
        vm.warp(START + EXPIRY + 1);
        _assertState(id, IGovernor.ProposalState.Expired);
    }

    /// @dev Rejected by votes, and what nobody decided in time.
    function test_State_Defeated() external {
        bytes32 rejected = _propose(0, ROUTINE, _calls(1, 0), 1);
        _vote(0, rejected, CHOICE_AGAINST);
        _vote(1, rejected, CHOICE_AGAINST);
        _assertState(rejected, IGovernor.ProposalState.Defeated);
        bytes32 forgotten = _propose(0, ROUTINE, _calls(2, 0), 1);
        vm.warp(START + VOTING_PERIOD - 1);
        _assertState(forgotten, IGovernor.ProposalState.Active);
        vm.warp(START + VOTING_PERIOD);
        _assertState(forgotten, IGovernor.ProposalState.Defeated);
    }

    /// @dev What was open when the epoch ended; its votes are still those of its own epoch.
    function test_State_Defeated_ByANewEpoch() external {
        bytes32 id = _propose(0, ROUTINE, _calls(1, 0), 1);
        _vote(0, id, CHOICE_FOR);
        vm.warp(START + 10);
        _rotateAway();
        _assertState(id, IGovernor.ProposalState.Defeated);
        vm.assertEq(_view.proposalQuorum(uint256(id)), 3, "of four");
    }

    function test_State_Canceled() external {
        Content memory content = _content(0, ROUTINE, _calls(1, 0), 1);
        bytes32 cancelled = _propose(0, ROUTINE, _calls(1, 0), 1);
        vm.prank(agents[0]);
        coordinator.cancel(groupId, content);
        _assertState(cancelled, IGovernor.ProposalState.Canceled);
        bytes32 revoked = _propose(0, ROUTINE, _calls(2, 0), 1);
        _approve(revoked);
        coordinator.veto(groupId, revoked, _objections(0, 2, revoked));
        _assertState(revoked, IGovernor.ProposalState.Canceled);
        // Known from the log alone.
        vm.prank(account);
        coordinator.revoke(groupId, "unknown");
        _assertState("unknown", IGovernor.ProposalState.Canceled);
    }

    function test_State_OfWhatTheLogDecided() external {
        Content memory content = _content(0, ROUTINE, _calls(1, 0), 1);
        Approval memory approval = _appendApproval(content);
        Approval memory payment = _appendApproval(_content(0, PAYMENTS, _payment(address(0xcafe), 1), 1));
        _anchor(1);
        coordinator.queueAnchored(groupId, log.size(), approval, log.path(approval.index, log.size()));
        bytes32 id = _idOf(content);
        _assertState(id, IGovernor.ProposalState.Queued);
        vm.assertEq(_view.proposalEta(uint256(id)), START + TIMELOCK, "when");
        coordinator.executeAnchored(groupId, log.size(), payment, log.path(payment.index, log.size()));
        bytes32 paid = _idOf(_content(0, PAYMENTS, payment.calls, 1));
        _assertState(paid, IGovernor.ProposalState.Executed);
        bytes32[2] memory ids = [id, paid];
        for (uint256 i = 0; i < 2; ++i) {
            bytes memory refusal = abi.encodeWithSelector(IGovernorView.NotOpenedHere.selector, uint256(ids[i]));
            vm.expectRevert(refusal);
            _view.proposalSnapshot(uint256(ids[i]));
            vm.expectRevert(refusal);
            _view.proposalDeadline(uint256(ids[i]));
            vm.expectRevert(refusal);
            _view.proposalVotes(uint256(ids[i]));
            vm.expectRevert(refusal);
            _view.proposalQuorum(uint256(ids[i]));
        }
    }

    // ---------------------------------------------------------------------------------------------------------
    // Votes
    // ---------------------------------------------------------------------------------------------------------

    function test_Votes_AreTold() external {
        bytes32 id = _propose(0, ROUTINE, _calls(1, 0), 1);
        _vote(0, id, CHOICE_FOR);
        _vote(1, id, CHOICE_AGAINST);
        (uint256 against, uint256 inFavour, uint256 abstain) = _view.proposalVotes(uint256(id));
        vm.assertEq(against, 1, "against");
        vm.assertEq(inFavour, 1, "for");
        vm.assertEq(abstain, 0, "abstain");
        vm.assertTrue(_view.hasVoted(uint256(id), agents[1]), "has voted");
        vm.assertFalse(_view.hasVoted(uint256(id), agents[2]), "has not");
    }

    /// @dev Votes are taken from the snapshot to the deadline, both included, and weigh what `getVotes` says.
    function testFuzz_Votes_AreTakenInTheirTime(uint256 after_) external {
        after_ %= 2 * uint256(VOTING_PERIOD);
        uint256 id = uint256(_propose(0, ROUTINE, _calls(1, 0), 1));
        vm.warp(_view.proposalSnapshot(id) + after_);
        bool isOpen = block.timestamp <= _view.proposalDeadline(id);
        vm.assertEq(isOpen, _view.state(id) == IGovernor.ProposalState.Active, "active");
        vm.prank(agents[1]);
        (bool success,) =
            address(coordinator).call(abi.encodeCall(coordinator.vote, (groupId, bytes32(id), CHOICE_ABSTAIN)));
        vm.assertEq(success, isOpen, "taken");
        (,, uint256 abstain) = _view.proposalVotes(id);
        vm.assertEq(abstain, isOpen ? _view.getVotes(agents[1], _view.proposalSnapshot(id)) : 0, "weight");
    }

    function test_GetVotes_OfTheEpoch() external {
        vm.warp(START + 100);
        vm.assertEq(_view.getVotes(agents[0], START), 1, "since it began");
        vm.assertEq(_view.getVotes(address(this), START + 100), 0, "no voter");
        vm.expectRevert(abi.encodeWithSelector(IGovernorView.PastNotKept.selector, START - 1, START));
        _view.getVotes(agents[0], START - 1);
        vm.expectRevert(abi.encodeWithSelector(IGovernorView.ERC5805FutureLookup.selector, START + 101, START + 100));
        _view.getVotes(agents[0], START + 101);
        _rotateAway();
        vm.expectRevert(abi.encodeWithSelector(IGovernorView.PastNotKept.selector, START, START + 100));
        _view.getVotes(agents[0], START);
    }

    /// @dev Nobody can tell from the contract when it left.
    function test_GetVotes_OfWhoHasLeft() external {
        vm.warp(START + 100);
        vm.prank(agents[0]);
        coordinator.leave(groupId);
        vm.assertEq(_view.getVotes(agents[0], START + 100), 0, "now");
        vm.expectRevert(abi.encodeWithSelector(IGovernorView.PastNotKept.selector, START + 99, START + 100));
        _view.getVotes(agents[0], START + 99);
    }

    // ---------------------------------------------------------------------------------------------------------
    // Classes
    // ---------------------------------------------------------------------------------------------------------

    /// @dev Eight classes have no one answer; a proposal's own has.
    function test_Quorum_DependsOnTheClass() external {
        vm.expectRevert(abi.encodeWithSelector(IGovernorView.DependsOnClass.selector));
        _view.quorum(START);
        vm.assertEq(_view.proposalQuorum(uint256(_propose(0, ROUTINE, _calls(1, 0), 1))), 3, "three of four");
        _stall();
        bytes32 id = _propose(0, OF_CAST, _calls(1, 0), 1);
        vm.assertEq(_view.proposalQuorum(uint256(id)), 2, "half of four");
        vm.assertEq(_view.votingPeriod(), VOTING_PERIOD, "all have the same");
    }

    function test_Quorum_OfOneClass() external {
        IGovernorView view_ = _viewOf(_termsOf(6667));
        vm.assertEq(view_.quorum(START), 3, "two thirds of four, and no less");
        vm.assertEq(view_.votingPeriod(), VOTING_PERIOD, "voting period");
        vm.expectRevert(abi.encodeWithSelector(IGovernorView.ERC5805FutureLookup.selector, START + 1, START));
        view_.quorum(START + 1);
        vm.expectRevert(abi.encodeWithSelector(IGovernorView.PastNotKept.selector, START - 1, START));
        view_.quorum(START - 1);
    }

    function test_Quorum_OfClassesThatHaveTheSame() external {
        Terms memory terms = _termsOf(6667);
        Class memory class = terms.classes[0];
        terms.classes = new Class[](2);
        terms.classes[0] = class;
        terms.classes[1] = abi.decode(abi.encode(class), (Class));
        terms.classes[1].name = "another";
        vm.assertEq(_viewOf(terms).quorum(START), 3, "of both");
    }

    function test_VotingPeriod_DependsOnTheClass() external {
        Terms memory terms = _terms();
        terms.classes[PAYMENTS].votingPeriod = VOTING_PERIOD + 1;
        // What is never open does not matter.
        terms.classes[DECISIONS].votingPeriod = 7;
        IGovernorView view_ = _viewOf(terms);
        vm.expectRevert(abi.encodeWithSelector(IGovernorView.DependsOnClass.selector));
        view_.votingPeriod();
        terms.classes[PAYMENTS].votingPeriod = VOTING_PERIOD;
        vm.assertEq(_viewOf(terms).votingPeriod(), VOTING_PERIOD, "of the rest");
        terms = _termsOf(7500);
        (terms.classes[0].opening, terms.classes[0].escape, terms.recoveryTime) = (Opening.Never, false, 0);
        view_ = _viewOf(terms);
        vm.expectRevert(abi.encodeWithSelector(IGovernorView.NeverOpen.selector));
        view_.votingPeriod();
    }

    // ---------------------------------------------------------------------------------------------------------
    // Private
    // ---------------------------------------------------------------------------------------------------------

    function _viewOf(Terms memory terms) private returns (IGovernorView) {
        return deployGovernorView(coordinator, _createGroup(_members(4), terms, keccak256(abi.encode(terms))));
    }

    function _assertState(bytes32 id, IGovernor.ProposalState state) private view {
        vm.assertEq(uint256(_view.state(uint256(id))), uint256(state), "state");
    }

    /// @dev The next epoch, in which one voter has the weight of two.
    function _rotateAway() private {
        _fill(3);
        Member[] memory next = _members(4);
        next[0].weight = 2;
        _rotate(_boundary(1, next), 0, 3, next, _mandate(next, 0, 3));
    }
}
// forge-lint: disable-end(unsafe-typecast)
