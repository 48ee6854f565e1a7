// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {Errors} from "../../src/Errors.sol";
import {ICoordinatorEvents} from "../../src/ICoordinatorEvents.sol";
import {
    CHOICE_ABSTAIN,
    CHOICE_AGAINST,
    CHOICE_FOR,
    Call,
    FLAG_REPLICA,
    Lane,
    Member,
    Proposal,
    ProposalStatus
} from "../../src/Types.sol";
import {Fixture} from "../support/Fixture.sol";
import {Reenterer, Refuser} from "../support/Targets.sol";
import {vm} from "../support/Vm.sol";

/// @notice The branches of Proposals.tree, but for `voteBySig`, which VoteBySig.t.sol has.
contract ProposalsTest is Fixture {
    bytes32 private _id;

    function setUp() public override {
        super.setUp();
        _id = _propose(0, ROUTINE, _calls(1, 1 ether), "pay", 7);
    }

    // ---------------------------------------------------------------------------------------------------------
    // propose
    // ---------------------------------------------------------------------------------------------------------

    function test_Propose_RevertWhen_GroupIsUnknown() external {
        vm.expectRevert(abi.encodeWithSelector(Errors.UnknownGroup.selector, bytes32("none")));
        coordinator.propose("none", ROUTINE, _calls(1, 0), "", 0);
    }

    function test_Propose_RevertGiven_NoMember() external {
        vm.expectRevert(abi.encodeWithSelector(Errors.NotVoter.selector, groupId, address(this)));
        coordinator.propose(groupId, ROUTINE, _calls(1, 0), "", 0);
    }

    function test_Propose_RevertGiven_ReplicaOnly() external {
        groupId = _groupWithReplicaOnly();
        vm.expectRevert(abi.encodeWithSelector(Errors.NotVoter.selector, groupId, agents[3]));
        vm.prank(agents[3]);
        coordinator.propose(groupId, ROUTINE, _calls(1, 0), "", 0);
    }

    function test_Propose_RevertWhen_ClassIsUnknown() external {
        vm.expectRevert(abi.encodeWithSelector(Errors.UnknownClass.selector, groupId, 8));
        _propose(0, 8, _calls(1, 0), "", 0);
    }

    /// @dev From the second on at which anchors have stalled, to the next anchor.
    function test_Propose_RevertGiven_TheClassIsOpenOnlyWhenStalled() external {
        bytes memory refusal = abi.encodeWithSelector(Errors.LaneClosed.selector, groupId, ONLY_STALLED);
        vm.warp(START + STALL_TIME - 1);
        vm.expectRevert(refusal);
        _propose(0, ONLY_STALLED, _calls(1, 0), "", 0);

        vm.warp(START + STALL_TIME);
        _propose(0, ONLY_STALLED, _calls(1, 0), "", 0);

        _fill(1);
        _anchor(1);
        vm.expectRevert(refusal);
        _propose(0, ONLY_STALLED, _calls(1, 0), "", 1);
        vm.warp(START + uint256(STALL_TIME) * 2);
        _propose(0, ONLY_STALLED, _calls(1, 0), "", 1);
    }

    /// @dev What was proposed while the lane was open is voted on and executed to its end.
    function test_Propose_GivenTheLaneCloses_TheProposalGoesOn() external {
        vm.warp(START + STALL_TIME);
        bytes32 id = _propose(0, ONLY_STALLED, _calls(1, 0), "", 0);
        _fill(1);
        _anchor(1);
        _approveAndWait(id);
        coordinator.execute(id, _calls(1, 0));
        vm.assertEq(recorder.calls(1), 1, "made once");
    }

    function test_Propose_RevertWhen_TheClassDoesNotPermitTheCalls() external {
        Call[] memory calls = _call(address(coordinator), 0, abi.encodeCall(coordinator.register, ("key")));
        vm.expectRevert(abi.encodeWithSelector(Errors.CallNotPermitted.selector, 0));
        _propose(0, ESCAPE, calls, "", 0);
        vm.expectRevert(abi.encodeWithSelector(Errors.ValueNotPermitted.selector, 0, VALUE_LIMIT));
        _propose(0, PAYMENTS, _call(address(0xbeef), VALUE_LIMIT + 1, ""), "", 0);
    }

    /// @dev The class is part of what is proposed.
    function test_Propose_GivenTheSameInAnotherClass_IsAnother() external {
        bytes32 other = _propose(0, OF_CAST, _calls(1, 1 ether), "pay", 7);
        vm.assertTrue(other != _id, "another identifier");
        vm.assertEq(coordinator.proposal(other).class, OF_CAST, "class");
    }

    function test_Propose_RevertWhen_ProposalExists() external {
        vm.expectRevert(abi.encodeWithSelector(Errors.ProposalExists.selector, _id));
        vm.prank(agents[0]);
        coordinator.propose(groupId, ROUTINE, _calls(1, 1 ether), "pay", 7);
    }

    function test_Propose_RevertWhen_ExecutedInTheAnchoredLane() external {
        Call[] memory calls = _calls(2, 0);
        bytes32 id = coordinator.proposalIdOf(groupId, agents[0], 0, ROUTINE, _actionsHash(calls), keccak256(""));
        _executeAnchored(id, calls);

        vm.expectRevert(abi.encodeWithSelector(Errors.AlreadyExecuted.selector, groupId, id));
        vm.prank(agents[0]);
        coordinator.propose(groupId, ROUTINE, calls, "", 0);
    }

    function test_Propose_OpensTheProposal() external {
        Call[] memory calls = _calls(2, 0);
        bytes32 id = coordinator.proposalIdOf(groupId, agents[1], 9, ROUTINE, _actionsHash(calls), keccak256("why"));

        vm.expectEmit(address(coordinator));
        emit ICoordinatorEvents.ProposalCreated(
            groupId, id, agents[1], ROUTINE, 9, calls, "why", uint64(START + VOTING_PERIOD)
        );
        vm.assertEq(_propose(1, ROUTINE, calls, "why", 9), id, "identifier");

        Proposal memory expected = Proposal({
            groupId: groupId,
            actionsHash: _actionsHash(calls),
            proposer: agents[1],
            class: ROUTINE,
            votingEnds: uint64(START + VOTING_PERIOD),
            approvedAt: 0,
            forWeight: 0,
            againstWeight: 0,
            abstainWeight: 0,
            status: ProposalStatus.Open
        });
        vm.assertEq(abi.encode(coordinator.proposal(id)), abi.encode(expected), "proposal");
    }

    function test_Propose_TakesNoCallsAtAll() external {
        Call[] memory none = new Call[](0);
        bytes32 id = _propose(0, ROUTINE, none, "we agree", 0);
        _approve(id);
        vm.warp(START + TIMELOCK);
        coordinator.execute(id, none);
        _assertStatus(id, ProposalStatus.Executed);
    }

    // ---------------------------------------------------------------------------------------------------------
    // vote
    // ---------------------------------------------------------------------------------------------------------

    function test_Vote_RevertWhen_ProposalIsUnknown() external {
        vm.expectRevert(abi.encodeWithSelector(Errors.UnknownProposal.selector, bytes32("none")));
        coordinator.vote("none", CHOICE_FOR);
    }

    function test_Vote_RevertWhen_Approved() external {
        _approve(_id);
        _expectNotOpen(ProposalStatus.Approved);
        _vote(3, _id, CHOICE_FOR);
    }

    function test_Vote_RevertWhen_Rejected() external {
        _vote(0, _id, CHOICE_AGAINST);
        _vote(1, _id, CHOICE_ABSTAIN);
        _expectNotOpen(ProposalStatus.Rejected);
        _vote(3, _id, CHOICE_FOR);
    }

    function test_Vote_RevertWhen_Expired() external {
        vm.warp(START + VOTING_PERIOD);
        _expectNotOpen(ProposalStatus.Expired);
        _vote(3, _id, CHOICE_FOR);
    }

    function test_Vote_InTheLastSecond() external {
        vm.warp(START + VOTING_PERIOD - 1);
        _vote(3, _id, CHOICE_FOR);
        _assertVoted(_id, 3, 1, CHOICE_FOR);
    }

    function test_Vote_RevertWhen_Cancelled() external {
        vm.prank(agents[0]);
        coordinator.cancel(_id);
        _expectNotOpen(ProposalStatus.Cancelled);
        _vote(3, _id, CHOICE_FOR);
    }

    function test_Vote_RevertWhen_ExecutedInTheAnchoredLane() external {
        _executeAnchored(_id, _calls(1, 1 ether));
        _expectNotOpen(ProposalStatus.Executed);
        _vote(3, _id, CHOICE_FOR);
    }

    function test_Vote_RevertWhen_NoVoter() external {
        vm.expectRevert(abi.encodeWithSelector(Errors.NotVoter.selector, groupId, address(this)));
        coordinator.vote(_id, CHOICE_FOR);
    }

    function test_Vote_RevertWhen_VoterHasLeft() external {
        vm.prank(agents[1]);
        coordinator.leave(groupId);
        vm.expectRevert(abi.encodeWithSelector(Errors.NotVoter.selector, groupId, agents[1]));
        _vote(1, _id, CHOICE_FOR);
    }

    function test_Vote_StaysWhenTheVoterLeaves() external {
        _vote(1, _id, CHOICE_FOR);
        vm.prank(agents[1]);
        coordinator.leave(groupId);
        _vote(0, _id, CHOICE_FOR);
        _vote(2, _id, CHOICE_FOR);
        _assertStatus(_id, ProposalStatus.Approved);
    }

    function test_Vote_RevertWhen_VotedBefore() external {
        _vote(0, _id, CHOICE_AGAINST);
        vm.expectRevert(abi.encodeWithSelector(Errors.AlreadyVoted.selector, _id, agents[0]));
        _vote(0, _id, CHOICE_FOR);
    }

    function testFuzz_Vote_RevertWhen_ChoiceIsInvalid(uint8 choice) external {
        vm.assume(choice > CHOICE_ABSTAIN);
        vm.expectRevert(abi.encodeWithSelector(Errors.InvalidChoice.selector, choice));
        _vote(0, _id, choice);
    }

    function test_Vote_Counts() external {
        vm.expectEmit(address(coordinator));
        emit ICoordinatorEvents.VoteCast(groupId, _id, agents[0], CHOICE_FOR, 1, 0);
        _vote(0, _id, CHOICE_FOR);
        _vote(1, _id, CHOICE_AGAINST);

        _assertVoted(_id, 0, 1, CHOICE_FOR);
        _assertVoted(_id, 1, 1, CHOICE_AGAINST);
        _assertVoted(_id, 2, 0, 0);
        Proposal memory proposal = coordinator.proposal(_id);
        vm.assertEq(proposal.forWeight, 1, "for");
        vm.assertEq(proposal.againstWeight, 1, "against");
        vm.assertEq(proposal.abstainWeight, 0, "abstain");
        _assertStatus(_id, ProposalStatus.Open);
    }

    function test_Vote_GivenThresholdIsReached_Approves() external {
        _vote(0, _id, CHOICE_FOR);
        _vote(1, _id, CHOICE_FOR);
        vm.warp(START + 5);
        vm.expectEmit(address(coordinator));
        emit ICoordinatorEvents.ProposalDecided(groupId, _id, ProposalStatus.Approved, 3, 0, 0);
        _vote(2, _id, CHOICE_FOR);

        vm.assertEq(coordinator.proposal(_id).approvedAt, START + 5, "approved at");
        vm.warp(START + 365 days);
        _assertStatus(_id, ProposalStatus.Approved);
    }

    function test_Vote_GivenThresholdIsOutOfReach_Rejects() external {
        _vote(0, _id, CHOICE_FOR);
        _vote(1, _id, CHOICE_ABSTAIN);
        vm.expectEmit(address(coordinator));
        emit ICoordinatorEvents.ProposalDecided(groupId, _id, ProposalStatus.Rejected, 1, 1, 1);
        _vote(2, _id, CHOICE_AGAINST);

        vm.warp(START + 365 days);
        _assertStatus(_id, ProposalStatus.Rejected);
    }

    /// @dev The rule in words of its own: approved as soon as the weight for reaches the threshold, rejected as soon
    /// as what is not against and no abstention is less than it.
    function testFuzz_Vote_DecidesAsSoonAsItIsSettled(uint64[4] memory weights, uint8[4] memory choices, uint16 t)
        external
    {
        Member[] memory members = _members(4);
        uint256 total = 0;
        for (uint256 i = 0; i < 4; ++i) {
            members[i].weight = weights[i] == 0 ? 1 : weights[i];
            total += members[i].weight;
        }
        uint16 threshold = 5001 + t % 5000;
        groupId = _createGroup(members, _termsOf(threshold), "fuzz");
        bytes32 id = _propose(0, ROUTINE, _calls(3, 0), "", 0);

        uint256[3] memory tally;
        for (uint256 i = 0; i < 4; ++i) {
            uint8 choice = choices[i] % 3;
            _vote(i, id, choice);
            tally[choice] += members[i].weight;
            if (tally[CHOICE_FOR] * 10_000 >= threshold * total) {
                _assertStatus(id, ProposalStatus.Approved);
                return;
            } else if ((total - tally[CHOICE_AGAINST] - tally[CHOICE_ABSTAIN]) * 10_000 < threshold * total) {
                _assertStatus(id, ProposalStatus.Rejected);
                return;
            }
            _assertStatus(id, ProposalStatus.Open);
        }
        vm.assertTrue(false, "all have voted, and nothing is decided");
    }

    // ---------------------------------------------------------------------------------------------------------
    // cancel
    // ---------------------------------------------------------------------------------------------------------

    function test_Cancel_RevertWhen_ProposalIsUnknown() external {
        vm.expectRevert(abi.encodeWithSelector(Errors.UnknownProposal.selector, bytes32("none")));
        coordinator.cancel("none");
    }

    function test_Cancel_RevertWhen_NotTheProposer() external {
        vm.expectRevert(abi.encodeWithSelector(Errors.NotProposer.selector, _id, agents[1]));
        vm.prank(agents[1]);
        coordinator.cancel(_id);
    }

    function test_Cancel_RevertWhen_NotOpen() external {
        _approve(_id);
        _expectNotOpen(ProposalStatus.Approved);
        vm.prank(agents[0]);
        coordinator.cancel(_id);
    }

    function test_Cancel_WithdrawsTheProposal() external {
        vm.prank(agents[0]);
        coordinator.leave(groupId);
        vm.expectEmit(address(coordinator));
        emit ICoordinatorEvents.ProposalCancelled(groupId, _id);
        vm.prank(agents[0]);
        coordinator.cancel(_id);

        _assertStatus(_id, ProposalStatus.Cancelled);
        vm.warp(START + 365 days);
        _assertStatus(_id, ProposalStatus.Cancelled);
    }

    // ---------------------------------------------------------------------------------------------------------
    // execute
    // ---------------------------------------------------------------------------------------------------------

    function test_Execute_RevertWhen_ProposalIsUnknown() external {
        vm.expectRevert(abi.encodeWithSelector(Errors.UnknownProposal.selector, bytes32("none")));
        coordinator.execute("none", _calls(1, 1 ether));
    }

    function test_Execute_RevertWhen_Open() external {
        _expectNotApproved(ProposalStatus.Open);
        coordinator.execute(_id, _calls(1, 1 ether));
    }

    function test_Execute_RevertWhen_Rejected() external {
        _vote(0, _id, CHOICE_AGAINST);
        _vote(1, _id, CHOICE_AGAINST);
        _expectNotApproved(ProposalStatus.Rejected);
        coordinator.execute(_id, _calls(1, 1 ether));
    }

    function test_Execute_RevertWhen_Expired() external {
        vm.warp(START + VOTING_PERIOD);
        _expectNotApproved(ProposalStatus.Expired);
        coordinator.execute(_id, _calls(1, 1 ether));
    }

    function test_Execute_RevertWhen_Cancelled() external {
        vm.prank(agents[0]);
        coordinator.cancel(_id);
        _expectNotApproved(ProposalStatus.Cancelled);
        coordinator.execute(_id, _calls(1, 1 ether));
    }

    function test_Execute_RevertWhen_TimelockIsNotOver() external {
        vm.warp(START + 10);
        _approve(_id);
        vm.warp(START + 10 + TIMELOCK - 1);
        vm.expectRevert(abi.encodeWithSelector(Errors.TimelockNotOver.selector, _id, START + 10 + TIMELOCK));
        coordinator.execute(_id, _calls(1, 1 ether));

        vm.warp(START + 10 + TIMELOCK);
        coordinator.execute(_id, _calls(1, 1 ether));
    }

    function test_Execute_RevertWhen_CallsAreOthers() external {
        _approveAndWait(_id);
        Call[] memory others = _calls(1, 2 ether);
        vm.expectRevert(
            abi.encodeWithSelector(
                Errors.ActionsMismatch.selector, _actionsHash(_calls(1, 1 ether)), _actionsHash(others)
            )
        );
        coordinator.execute(_id, others);
    }

    function test_Execute_RevertWhen_ExecutedBefore() external {
        _approveAndWait(_id);
        coordinator.execute(_id, _calls(1, 1 ether));
        vm.expectRevert(abi.encodeWithSelector(Errors.AlreadyExecuted.selector, groupId, _id));
        coordinator.execute(_id, _calls(1, 1 ether));
    }

    function test_Execute_RevertWhen_ExecutedInTheAnchoredLane() external {
        _approve(_id);
        _executeAnchored(_id, _calls(1, 1 ether));
        vm.expectRevert(abi.encodeWithSelector(Errors.AlreadyExecuted.selector, groupId, _id));
        coordinator.execute(_id, _calls(1, 1 ether));
        vm.assertEq(recorder.calls(1), 1, "made once");
    }

    function test_Execute_WhenACallFails_UndoesAllAndStaysExecutable() external {
        Call[] memory calls = new Call[](2);
        calls[0] = _calls(2, 0)[0];
        calls[1] = _calls(3, 1000 ether)[0];
        bytes32 id = _propose(0, ROUTINE, calls, "", 0);
        _approveAndWait(id);
        vm.expectRevert(abi.encodeWithSelector(Errors.CallFailed.selector, 1, address(recorder), ""));
        coordinator.execute(id, calls);
        vm.assertEq(recorder.calls(2), 0, "the call before it is undone");
        _assertStatus(id, ProposalStatus.Approved);

        vm.deal(account, 1000 ether);
        coordinator.execute(id, calls);
        vm.assertEq(recorder.calls(2), 1, "made once the funds are there");
    }

    function test_Execute_HandsOnTheReasonOfTheTarget() external {
        Call[] memory calls = new Call[](1);
        calls[0] = Call({target: address(new Refuser()), value: 0, data: hex"01"});
        bytes32 id = _propose(0, ROUTINE, calls, "", 0);
        _approveAndWait(id);
        vm.expectRevert(
            abi.encodeWithSelector(
                Errors.CallFailed.selector, 0, calls[0].target, abi.encodeWithSelector(Refuser.Refused.selector, 42)
            )
        );
        coordinator.execute(id, calls);
    }

    function test_Execute_RevertWhen_ExecutedAgainFromWithin() external {
        Reenterer reenterer = new Reenterer();
        Call[] memory calls = new Call[](1);
        calls[0] = Call({target: address(reenterer), value: 0, data: abi.encodeCall(Reenterer.poke, ())});
        bytes32 id = _propose(0, ROUTINE, calls, "", 0);
        reenterer.set(address(coordinator), abi.encodeCall(coordinator.execute, (id, calls)));
        _approveAndWait(id);

        bytes memory guard = abi.encodeWithSelector(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector);
        vm.expectRevert(abi.encodeWithSelector(Errors.CallFailed.selector, 0, address(reenterer), guard));
        coordinator.execute(id, calls);
    }

    /// @dev A group may be an agent of its own: its account calls the coordinator like anybody else.
    function test_Execute_MayCallTheCoordinator() external {
        Call[] memory calls = new Call[](1);
        calls[0] =
            Call({target: address(coordinator), value: 0, data: abi.encodeCall(coordinator.register, ("its key"))});
        bytes32 id = _propose(0, ROUTINE, calls, "", 0);
        _approveAndWait(id);
        coordinator.execute(id, calls);
        vm.assertEq(coordinator.keyOf(account), "its key", "registered");
    }

    function test_Execute_MakesTheCalls() external {
        _approveAndWait(_id);
        vm.warp(START + 365 days);
        vm.expectEmit(address(coordinator));
        emit ICoordinatorEvents.ProposalExecuted(groupId, _id, Lane.OnChain, address(this));
        coordinator.execute(_id, _calls(1, 1 ether));

        vm.assertEq(recorder.calls(1), 1, "made once");
        vm.assertEq(recorder.received(account), 1 ether, "paid by the group's account");
        vm.assertTrue(coordinator.executed(groupId, _id), "executed");
        _assertStatus(_id, ProposalStatus.Executed);
    }

    // ---------------------------------------------------------------------------------------------------------
    // Views
    // ---------------------------------------------------------------------------------------------------------

    function test_Views_RevertWhen_ProposalIsUnknown() external {
        bytes memory refusal = abi.encodeWithSelector(Errors.UnknownProposal.selector, bytes32("none"));
        vm.expectRevert(refusal);
        coordinator.proposal("none");
        vm.expectRevert(refusal);
        coordinator.proposalStatus("none");
        vm.expectRevert(refusal);
        coordinator.voteOf("none", agents[0]);
    }

    // ---------------------------------------------------------------------------------------------------------
    // Steps
    // ---------------------------------------------------------------------------------------------------------

    function _approveAndWait(bytes32 id) private {
        _approve(id);
        vm.warp(block.timestamp + TIMELOCK);
    }

    function _executeAnchored(bytes32 id, Call[] memory calls) private {
        log.append(_entry(0, coordinator.hashDecision(_decision(id, calls))));
        _anchor(1);
        vm.warp(START + TIMELOCK);
        coordinator.executeAnchored(groupId, 1, _approval(_decision(id, calls), calls, _entry(0, "")), new bytes32[](0));
    }

    function _groupWithReplicaOnly() private returns (bytes32) {
        Member[] memory members = _members(4);
        members[3].flags = FLAG_REPLICA;
        members[3].weight = 0;
        return _createGroup(members, _termsOf(6000), "replica only");
    }

    function _expectNotOpen(ProposalStatus status) private {
        vm.expectRevert(abi.encodeWithSelector(Errors.ProposalNotOpen.selector, _id, status));
    }

    function _expectNotApproved(ProposalStatus status) private {
        vm.expectRevert(abi.encodeWithSelector(Errors.ProposalNotApproved.selector, _id, status));
    }

    function _assertVoted(bytes32 id, uint256 agent, uint32 count, uint8 choice) private view {
        (uint32 counted, uint8 last) = coordinator.voteOf(id, agents[agent]);
        vm.assertEq(counted, count, "votes counted");
        vm.assertEq(last, choice, "the last choice");
    }

    function _assertStatus(bytes32 id, ProposalStatus status) private view {
        vm.assertEq(uint256(coordinator.proposalStatus(id)), uint256(status), "status");
    }
}
// forge-lint: disable-end(unsafe-typecast)
