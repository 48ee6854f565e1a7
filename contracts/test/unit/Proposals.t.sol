// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {Errors} from "../../src/Errors.sol";
import {ICoordinatorEvents} from "../../src/ICoordinatorEvents.sol";
import {
    Approval,
    CHOICE_ABSTAIN,
    CHOICE_AGAINST,
    CHOICE_FOR,
    Call,
    Content,
    FLAG_REPLICA,
    INBOX_CLOSED,
    INBOX_OPENED,
    Member,
    ProposalState,
    Status
} from "../../src/Types.sol";
import {AnchorFixture} from "../support/AnchorFixture.sol";
import {vm} from "../support/Vm.sol";

/// @notice The branches of Proposals.tree, but for `execute`, which Execute.t.sol has.
contract ProposalsTest is AnchorFixture {
    bytes32 private _id;

    function setUp() public override {
        super.setUp();
        _id = _propose(0, ROUTINE, _calls(1, 1 ether), 7);
    }

    // ---------------------------------------------------------------------------------------------------------
    // propose
    // ---------------------------------------------------------------------------------------------------------

    function test_Propose_RevertWhen_GroupIsUnknown() external {
        vm.expectRevert(abi.encodeWithSelector(Errors.UnknownGroup.selector, bytes32("none")));
        coordinator.propose("none", ROUTINE, _calls(1, 0), "", 0);
    }

    function test_Propose_RevertWhen_NoVoter() external {
        vm.expectRevert(abi.encodeWithSelector(Errors.NotVoter.selector, groupId, address(this)));
        coordinator.propose(groupId, ROUTINE, _calls(1, 0), "", 0);

        vm.prank(agents[1]);
        coordinator.leave(groupId);
        vm.expectRevert(abi.encodeWithSelector(Errors.NotVoter.selector, groupId, agents[1]));
        _propose(1, ROUTINE, _calls(1, 0), 0);

        Member[] memory members = _members(4);
        (members[3].flags, members[3].weight) = (FLAG_REPLICA, 0);
        groupId = _createGroup(members, _termsOf(6000), "replica only");
        vm.expectRevert(abi.encodeWithSelector(Errors.NotVoter.selector, groupId, agents[3]));
        _propose(3, ROUTINE, _calls(1, 0), 0);
    }

    function test_Propose_RevertWhen_ClassIsUnknown() external {
        vm.expectRevert(abi.encodeWithSelector(Errors.UnknownClass.selector, groupId, 8));
        _propose(0, 8, _calls(1, 0), 0);
        vm.expectRevert(abi.encodeWithSelector(Errors.UnknownClass.selector, groupId, 255));
        _propose(0, 255, _calls(1, 0), 0);
    }

    /// @dev All of what classes permit is in Permissions.t.sol.
    function test_Propose_RevertWhen_TheClassDoesNotPermitTheCalls() external {
        Call[] memory calls = _call(address(coordinator), 0, abi.encodeCall(coordinator.register, ("key")));
        vm.expectRevert(abi.encodeWithSelector(Errors.CallNotPermitted.selector, 0));
        _propose(0, ESCAPE, calls, 0);
        vm.expectRevert(abi.encodeWithSelector(Errors.AboveLimit.selector, address(0), ETHER_LIMIT + 1, ETHER_LIMIT));
        _propose(0, PAYMENTS, _payment(address(0xbeef), ETHER_LIMIT + 1), 0);
    }

    /// @dev The class is part of what is proposed.
    function test_Propose_GivenTheSameInAnotherClass_IsAnother() external {
        bytes32 other = _propose(0, LISTED, _calls(1, 1 ether), 7);
        vm.assertTrue(other != _id, "another identifier");
        vm.assertEq(coordinator.proposal(groupId, other).class, LISTED, "class");
    }

    /// @dev Once, whatever became of it.
    function test_Propose_RevertWhen_AnythingHappenedToIt() external {
        _expectWrongStatus(_id, Status.Open);
        _propose(0, ROUTINE, _calls(1, 1 ether), 7);

        vm.prank(agents[0]);
        coordinator.cancel(groupId, _content(0, ROUTINE, _calls(1, 1 ether), 7));
        _expectWrongStatus(_id, Status.Cancelled);
        _propose(0, ROUTINE, _calls(1, 1 ether), 7);

        Content memory content = _content(0, LISTED, _calls(2, 0), 0);
        _executeAnchored(content);
        _expectWrongStatus(_idOf(content), Status.Executed);
        _propose(0, LISTED, _calls(2, 0), 0);
    }

    function test_Propose_OpensTheProposal_AndTellsTheLog() external {
        Content memory content = _content(1, ROUTINE, _calls(2, 0), 9);
        content.descriptionHash = keccak256("why");
        bytes32 id = _idOf(content);
        uint64 votingEnds = uint64(START + VOTING_PERIOD);
        bytes memory payload = abi.encode(id, agents[1], ROUTINE, votingEnds, uint8(1));

        _expectMessage(INBOX_OPENED, agents[1], payload);
        vm.expectEmit(address(coordinator));
        emit ICoordinatorEvents.ProposalCreated(groupId, id, agents[1], ROUTINE, 9, content.calls, "why", votingEnds);
        vm.prank(agents[1]);
        vm.assertEq(coordinator.propose(groupId, ROUTINE, content.calls, "why", 9), id, "identifier");

        _assertState(id, _state(Status.Open, ROUTINE, votingEnds));
    }

    function test_Propose_TakesNoCallsAtAll() external {
        Call[] memory none = new Call[](0);
        _decideAndExecute(ROUTINE, none, 0);
        _assertStatus(_idOf(_content(0, ROUTINE, none, 0)), Status.Executed);
    }

    /// @dev Nothing is known of what nobody proposed.
    function test_Proposal_IsNoneAtFirst() external view {
        ProposalState memory none;
        vm.assertEq(abi.encode(coordinator.proposal(groupId, "none")), abi.encode(none), "none");
    }

    // ---------------------------------------------------------------------------------------------------------
    // vote
    // ---------------------------------------------------------------------------------------------------------

    function test_Vote_RevertWhen_ProposalIsUnknown() external {
        vm.expectRevert(abi.encodeWithSelector(Errors.UnknownGroup.selector, bytes32("none")));
        coordinator.vote("none", _id, CHOICE_FOR);
        _expectWrongStatus("none", Status.None);
        _vote(0, "none", CHOICE_FOR);
    }

    function test_Vote_RevertWhen_NotOpen() external {
        bytes32 rejected = _propose(0, ROUTINE, _calls(1, 0), 1);
        bytes32 cancelled = _propose(0, ROUTINE, _calls(1, 0), 2);
        bytes32 expired = _propose(0, ROUTINE, _calls(1, 0), 3);
        _approve(_id);
        _vote(0, rejected, CHOICE_AGAINST);
        _vote(1, rejected, CHOICE_ABSTAIN);
        vm.prank(agents[0]);
        coordinator.cancel(groupId, _content(0, ROUTINE, _calls(1, 0), 2));

        _expectWrongStatus(_id, Status.Approved);
        _vote(3, _id, CHOICE_FOR);
        _expectWrongStatus(rejected, Status.Rejected);
        _vote(3, rejected, CHOICE_FOR);
        _expectWrongStatus(cancelled, Status.Cancelled);
        _vote(3, cancelled, CHOICE_FOR);
        vm.warp(START + VOTING_PERIOD);
        _expectWrongStatus(expired, Status.Expired);
        _vote(3, expired, CHOICE_FOR);
    }

    function test_Vote_RevertWhen_ExecutedInTheAnchoredLane() external {
        Content memory content = _content(0, LISTED, _calls(2, 0), 0);
        bytes32 id = _propose(0, LISTED, _calls(2, 0), 0);
        _executeAnchored(content);
        _expectWrongStatus(id, Status.Executed);
        _vote(3, id, CHOICE_FOR);
    }

    function test_Vote_InTheLastSecond() external {
        vm.warp(START + VOTING_PERIOD - 1);
        _vote(3, _id, CHOICE_FOR);
        _assertVoted(3, 1, CHOICE_FOR);
    }

    function test_Vote_RevertWhen_NoVoter() external {
        vm.expectRevert(abi.encodeWithSelector(Errors.NotVoter.selector, groupId, address(this)));
        coordinator.vote(groupId, _id, CHOICE_FOR);
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
        _assertStatus(_id, Status.Approved);
    }

    function test_Vote_RevertWhen_VotedBefore() external {
        _vote(0, _id, CHOICE_AGAINST);
        for (uint8 choice = 0; choice < 3; ++choice) {
            vm.expectRevert(abi.encodeWithSelector(Errors.AlreadyVoted.selector, _id, agents[0]));
            _vote(0, _id, choice);
        }
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

        _assertVoted(0, 1, CHOICE_FOR);
        _assertVoted(1, 1, CHOICE_AGAINST);
        _assertVoted(2, 0, 0);
        ProposalState memory expected = _state(Status.Open, ROUTINE, uint64(START + VOTING_PERIOD));
        (expected.forWeight, expected.againstWeight) = (1, 1);
        _assertState(_id, expected);
    }

    function test_Vote_GivenThresholdIsReached_Approves() external {
        _vote(0, _id, CHOICE_FOR);
        _vote(1, _id, CHOICE_FOR);
        vm.warp(START + 5);
        vm.expectEmit(address(coordinator));
        emit ICoordinatorEvents.ProposalDecided(groupId, _id, Status.Approved, 3, 0, 0);
        _vote(2, _id, CHOICE_FOR);

        ProposalState memory expected = _state(Status.Approved, ROUTINE, uint64(START + VOTING_PERIOD));
        (expected.forWeight, expected.approvedAt) = (3, uint64(START + 5));
        expected.executableFrom = uint64(START + 5 + TIMELOCK);
        expected.executableUntil = expected.executableFrom + EXPIRY;
        _assertState(_id, expected);
    }

    function test_Vote_GivenThresholdIsOutOfReach_Rejects() external {
        _vote(0, _id, CHOICE_FOR);
        _vote(1, _id, CHOICE_ABSTAIN);
        vm.expectEmit(address(coordinator));
        emit ICoordinatorEvents.ProposalDecided(groupId, _id, Status.Rejected, 1, 1, 1);
        _vote(2, _id, CHOICE_AGAINST);

        vm.warp(START + 365 days);
        _assertStatus(_id, Status.Rejected);
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
        bytes32 id = _propose(0, ROUTINE, _calls(3, 0), 0);

        uint256[3] memory tally;
        for (uint256 i = 0; i < 4; ++i) {
            uint8 choice = choices[i] % 3;
            _vote(i, id, choice);
            tally[choice] += members[i].weight;
            if (tally[CHOICE_FOR] * 10_000 >= threshold * total) {
                _assertStatus(id, Status.Approved);
                return;
            } else if ((total - tally[CHOICE_AGAINST] - tally[CHOICE_ABSTAIN]) * 10_000 < threshold * total) {
                _assertStatus(id, Status.Rejected);
                return;
            }
            _assertStatus(id, Status.Open);
        }
        vm.assertTrue(false, "all have voted, and nothing is decided");
    }

    // ---------------------------------------------------------------------------------------------------------
    // cancel
    // ---------------------------------------------------------------------------------------------------------

    function test_Cancel_RevertWhen_GroupIsUnknown() external {
        Content memory content = _content(0, ROUTINE, _calls(1, 1 ether), 7);
        vm.expectRevert(abi.encodeWithSelector(Errors.UnknownGroup.selector, bytes32("none")));
        vm.prank(agents[0]);
        coordinator.cancel("none", content);
    }

    function test_Cancel_RevertWhen_NotTheProposer() external {
        Content memory content = _content(0, ROUTINE, _calls(1, 1 ether), 7);
        vm.expectRevert(abi.encodeWithSelector(Errors.NotProposer.selector, _id, agents[1]));
        vm.prank(agents[1]);
        coordinator.cancel(groupId, content);
    }

    function test_Cancel_RevertWhen_NotOpen() external {
        _approve(_id);
        Content memory content = _content(0, ROUTINE, _calls(1, 1 ether), 7);
        _expectWrongStatus(_id, Status.Approved);
        vm.prank(agents[0]);
        coordinator.cancel(groupId, content);

        content.salt = 8;
        _expectWrongStatus(_idOf(content), Status.None);
        vm.prank(agents[0]);
        coordinator.cancel(groupId, content);
    }

    function test_Cancel_WithdrawsTheProposal_AndTellsTheLog() external {
        vm.prank(agents[0]);
        coordinator.leave(groupId);
        Content memory content = _content(0, ROUTINE, _calls(1, 1 ether), 7);
        _expectMessage(INBOX_CLOSED, agents[0], abi.encode(_id, Status.Cancelled));
        vm.expectEmit(address(coordinator));
        emit ICoordinatorEvents.ProposalCancelled(groupId, _id);
        vm.prank(agents[0]);
        coordinator.cancel(groupId, content);

        _assertStatus(_id, Status.Cancelled);
        vm.warp(START + 365 days);
        _assertStatus(_id, Status.Cancelled);
    }

    // ---------------------------------------------------------------------------------------------------------
    // Steps
    // ---------------------------------------------------------------------------------------------------------

    function _executeAnchored(Content memory content) private {
        Approval memory approval = _appendApproval(content);
        _anchor(log.size());
        coordinator.executeAnchored(groupId, log.size(), approval, log.path(approval.index, log.size()));
    }

    function _expectWrongStatus(bytes32 id, Status status) private {
        vm.expectRevert(abi.encodeWithSelector(Errors.WrongStatus.selector, id, status));
    }

    function _assertVoted(uint256 agent, uint32 count, uint8 choice) private view {
        (uint32 counted, uint8 last) = coordinator.voteOf(groupId, _id, agents[agent]);
        vm.assertEq(counted, count, "votes counted");
        vm.assertEq(last, choice, "the last choice");
    }

    function _state(Status status, uint8 class, uint64 votingEnds) private pure returns (ProposalState memory state) {
        (state.status, state.class, state.votingEnds) = (status, class, votingEnds);
    }

    function _assertState(bytes32 id, ProposalState memory expected) private view {
        vm.assertEq(abi.encode(coordinator.proposal(groupId, id)), abi.encode(expected), "state");
    }
}
// forge-lint: disable-end(unsafe-typecast)
