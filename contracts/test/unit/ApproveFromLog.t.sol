// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {Errors} from "../../src/Errors.sol";
import {ICoordinatorEvents} from "../../src/ICoordinatorEvents.sol";
import {
    Approval,
    Ballot,
    Call,
    CHOICE_ABSTAIN,
    CHOICE_AGAINST,
    CHOICE_FOR,
    Checkpoint,
    Content,
    Decision,
    Entry,
    FLAG_REPLICA,
    INBOX_EXECUTED,
    Member,
    Proposal,
    ProposalStatus,
    Vote
} from "../../src/Types.sol";
import {Wallet} from "../support/Targets.sol";
import {VoteFixture} from "../support/VoteFixture.sol";
import {vm} from "../support/Vm.sol";

/// @notice The branches of Escape.tree: `approveFromLog`, and the execution of what came by it.
contract ApproveFromLogTest is VoteFixture {
    uint64 private constant VOTING_ENDS = uint64(START + VOTING_PERIOD);

    /// @dev Anchors have stalled, and the voting of what began off-chain goes on.
    function setUp() public override {
        super.setUp();
        id = _idOf(_content());
        vm.warp(START + STALL_TIME);
    }

    // ---------------------------------------------------------------------------------------------------------
    // When the lane is open
    // ---------------------------------------------------------------------------------------------------------

    function test_ApproveFromLog_RevertWhen_GroupIsUnknown() external {
        Ballot[] memory ballots = _ballots(3);
        vm.expectRevert(abi.encodeWithSelector(Errors.UnknownGroup.selector, bytes32("none")));
        coordinator.approveFromLog("none", _content(), VOTING_ENDS, ballots);
    }

    function test_ApproveFromLog_RevertWhen_ClassIsUnknown() external {
        Content memory content = _content();
        content.class = 8;
        _expectRefusal(content, _ballots(3), abi.encodeWithSelector(Errors.UnknownClass.selector, groupId, 8));
    }

    function test_ApproveFromLog_RevertWhen_TheClassHasNoEscape() external {
        Content memory content = _content();
        content.class = ROUTINE;
        _expectRefusal(content, _ballots(3), abi.encodeWithSelector(Errors.NoEscape.selector, groupId, ROUTINE));
    }

    function test_ApproveFromLog_RevertWhen_AnchorsHaveNotStalled() external {
        bytes memory refusal = abi.encodeWithSelector(Errors.NotStalled.selector, groupId);
        vm.warp(START + STALL_TIME - 1);
        _expectRefusal(_content(), _ballots(3), refusal);

        _fill(1);
        _anchor(1);
        vm.warp(START + STALL_TIME);
        _expectRefusal(_content(), _ballots(3), refusal);
        vm.warp(START + uint256(STALL_TIME) * 2 - 1);
        coordinator.approveFromLog(groupId, _content(), VOTING_ENDS, _ballots(3));
    }

    function test_ApproveFromLog_RevertWhen_TheVotingIsOver() external {
        vm.warp(VOTING_ENDS);
        _expectRefusal(_content(), _ballots(3), abi.encodeWithSelector(Errors.VotingOver.selector, VOTING_ENDS));
        vm.warp(VOTING_ENDS - 1);
        coordinator.approveFromLog(groupId, _content(), VOTING_ENDS, _ballots(3));
    }

    // ---------------------------------------------------------------------------------------------------------
    // What is decided
    // ---------------------------------------------------------------------------------------------------------

    function test_ApproveFromLog_RevertWhen_TheClassDoesNotPermitTheCalls() external {
        Content memory content = _content();
        content.calls = _call(address(coordinator), 0, abi.encodeCall(coordinator.register, ("key")));
        _expectRefusal(content, _ballots(3), abi.encodeWithSelector(Errors.CallNotPermitted.selector, 0));
    }

    function test_ApproveFromLog_RevertWhen_TheProposalWasMadeOnChain() external {
        _propose(0, ESCAPE, _content().calls, "from the log", 7);
        _expectRefusal(_content(), _ballots(3), abi.encodeWithSelector(Errors.ProposalExists.selector, id));
    }

    function test_ApproveFromLog_RevertWhen_ItCameBefore() external {
        coordinator.approveFromLog(groupId, _content(), VOTING_ENDS, _ballots(3));
        _expectRefusal(_content(), _ballots(3), abi.encodeWithSelector(Errors.ProposalExists.selector, id));
    }

    function test_ApproveFromLog_RevertWhen_ExecutedInTheAnchoredLane() external {
        _executeAnchored();
        vm.warp(START + uint256(STALL_TIME) * 2);
        _expectRefusal(_content(), _ballots(3), abi.encodeWithSelector(Errors.AlreadyExecuted.selector, groupId, id));
    }

    // ---------------------------------------------------------------------------------------------------------
    // The votes
    // ---------------------------------------------------------------------------------------------------------

    function test_ApproveFromLog_RevertWhen_VotersDoNotAscend() external {
        Ballot[] memory ballots = _ballots(3);
        (ballots[0], ballots[1]) = (ballots[1], ballots[0]);
        _expectRefusal(
            _content(), ballots, abi.encodeWithSelector(Errors.VotersNotAscending.selector, agents[1], agents[0])
        );
        ballots[0] = ballots[1];
        _expectRefusal(
            _content(), ballots, abi.encodeWithSelector(Errors.VotersNotAscending.selector, agents[0], agents[0])
        );
        ballots[0].voter = address(0);
        _expectRefusal(
            _content(), ballots, abi.encodeWithSelector(Errors.VotersNotAscending.selector, address(0), address(0))
        );
    }

    function test_ApproveFromLog_RevertWhen_AVoteIsNotForIt() external {
        uint8[3] memory choices = [CHOICE_AGAINST, CHOICE_ABSTAIN, 3];
        for (uint256 i = 0; i < 3; ++i) {
            Ballot[] memory ballots = _ballots(3);
            ballots[2] = _ballot(2, id, choices[i]);
            _expectRefusal(_content(), ballots, abi.encodeWithSelector(Errors.InvalidChoice.selector, choices[i]));
        }
    }

    function test_ApproveFromLog_RevertGiven_SomebodyIsNoVoter() external {
        Ballot[] memory ballots = _ballots(3);
        ballots[2].voter = address(type(uint160).max);
        _expectRefusal(
            _content(), ballots, abi.encodeWithSelector(Errors.NotVoter.selector, groupId, address(type(uint160).max))
        );
    }

    function test_ApproveFromLog_RevertGiven_SomebodyHasLeft() external {
        vm.prank(agents[2]);
        coordinator.leave(groupId);
        _expectRefusal(_content(), _ballots(3), abi.encodeWithSelector(Errors.NotVoter.selector, groupId, agents[2]));
    }

    /// @dev Every field of a vote is under its signature: the log's own votes count, and no others.
    function test_ApproveFromLog_RevertWhen_AnyFieldOfAVoteIsAnother() external {
        for (uint256 field = 0; field < 6; ++field) {
            Vote memory signed = _voteOn(id, CHOICE_FOR, 0);
            if (field == 0) signed.groupId = "other";
            if (field == 1) signed.proposalId = "other";
            if (field == 2) signed.choice = CHOICE_AGAINST;
            if (field == 3) signed.epoch = 1;
            if (field == 4) signed.votingEnds += 1;
            if (field == 5) signed.nonce = 1;
            Ballot[] memory ballots = _ballots(3);
            ballots[1].signature = _signVote(1, signed);
            _expectInvalidIn(_content(), VOTING_ENDS, ballots, agents[1]);
        }
    }

    /// @dev Whoever sends them cannot put off the end of the voting.
    function test_ApproveFromLog_RevertWhen_TheEndIsAnother() external {
        _expectInvalidIn(_content(), VOTING_ENDS + 1, _ballots(3), agents[0]);
        vm.warp(VOTING_ENDS);
        _expectInvalidIn(_content(), VOTING_ENDS + 1, _ballots(3), agents[0]);
    }

    function test_ApproveFromLog_RevertWhen_AnyPartOfTheContentIsAnother() external {
        for (uint256 part = 0; part < 4; ++part) {
            Content memory content = _content();
            if (part == 0) content.proposer = agents[1];
            if (part == 1) content.salt += 1;
            if (part == 2) content.calls = _calls(10, 0);
            if (part == 3) content.description = "another";
            _expectInvalidIn(content, VOTING_ENDS, _ballots(3), agents[0]);
        }
    }

    /// @dev Votes of an epoch count in no other, even where the members are the same.
    function test_ApproveFromLog_RevertWhen_TheEpochHasEnded() external {
        Member[] memory same = _members(4);
        Checkpoint memory checkpoint = _checkpoint(1);
        checkpoint.nextMembersHash = keccak256(abi.encode(same));
        coordinator.anchorAndRotate(checkpoint, _signatures(checkpoint, 0, 3), same);
        vm.warp(START + uint256(STALL_TIME) * 2);
        _expectInvalidIn(_content(), VOTING_ENDS, _ballots(3), agents[0]);

        Ballot[] memory anew = new Ballot[](3);
        for (uint256 i = 0; i < 3; ++i) {
            Vote memory vote_ = _voteOn(id, CHOICE_FOR, 0);
            vote_.epoch = 1;
            anew[i] = Ballot({voter: agents[i], choice: CHOICE_FOR, signature: _signVote(i, vote_)});
        }
        coordinator.approveFromLog(groupId, _content(), VOTING_ENDS, anew);
        _assertStatus(id, ProposalStatus.Approved);
    }

    function test_ApproveFromLog_RevertWhen_TheWeightIsNotEnough() external {
        _expectRefusal(_content(), _ballots(2), abi.encodeWithSelector(Errors.NotEnoughWeight.selector, id, 2));
        _expectRefusal(_content(), new Ballot[](0), abi.encodeWithSelector(Errors.NotEnoughWeight.selector, id, 0));
    }

    /// @dev Where nobody votes there is no approval, although no weight is all of no weight.
    function test_ApproveFromLog_RevertGiven_NobodyHasAVote() external {
        Member[] memory members = _members(4);
        for (uint256 i = 0; i < 4; ++i) {
            (members[i].weight, members[i].flags) = (0, FLAG_REPLICA);
        }
        groupId = _createGroup(members, _terms(), "nobody");
        vm.warp(block.timestamp + STALL_TIME);
        bytes memory refusal = abi.encodeWithSelector(Errors.NotEnoughWeight.selector, _idOf(_content()), 0);
        _expectRefusal(_content(), new Ballot[](0), refusal);
    }

    function test_ApproveFromLog_WhenAVoterHasCode_AsksIt() external {
        Wallet wallet = new Wallet();
        Member[] memory members = _membersWith(address(wallet));
        groupId = _createGroup(members, _terms(), "wallet");
        vm.warp(block.timestamp + STALL_TIME);
        id = _idOf(_content());
        // All five, of whom four would do.
        Ballot[] memory ballots = new Ballot[](5);
        uint256 agent = 0;
        for (uint256 i = 0; i < 5; ++i) {
            bool isWallet = members[i].account == address(wallet);
            ballots[i] = isWallet ? Ballot(address(wallet), CHOICE_FOR, "") : _ballot(agent++, id, CHOICE_FOR);
        }
        _expectInvalidIn(_content(), VOTING_ENDS, ballots, address(wallet));

        wallet.approve(coordinator.hashVote(_voteOn(id, CHOICE_FOR, 0)));
        coordinator.approveFromLog(groupId, _content(), VOTING_ENDS, ballots);
        _assertStatus(id, ProposalStatus.Approved);
    }

    // ---------------------------------------------------------------------------------------------------------
    // Success
    // ---------------------------------------------------------------------------------------------------------

    function test_ApproveFromLog_ApprovesTheProposal() external {
        Ballot[] memory ballots = _ballots(4);
        vm.expectEmit(address(coordinator));
        emit ICoordinatorEvents.ProposalApprovedFromLog(groupId, id, _content(), VOTING_ENDS, ballots);
        vm.expectEmit(address(coordinator));
        emit ICoordinatorEvents.ProposalDecided(groupId, id, ProposalStatus.Approved, 4, 0, 0);
        vm.prank(address(0xbeef));
        vm.assertEq(coordinator.approveFromLog(groupId, _content(), VOTING_ENDS, ballots), id, "identifier");

        Proposal memory expected = Proposal({
            groupId: groupId,
            actionsHash: _actionsHash(_content().calls),
            proposer: agents[0],
            class: ESCAPE,
            votingEnds: VOTING_ENDS,
            approvedAt: uint64(START + STALL_TIME),
            forWeight: 4,
            againstWeight: 0,
            abstainWeight: 0,
            status: ProposalStatus.Approved
        });
        vm.assertEq(abi.encode(coordinator.proposal(id)), abi.encode(expected), "proposal");
        vm.assertEq(coordinator.inbox(groupId).length, 0, "nothing is executed, and nothing to tell");
    }

    /// @dev It is closed to votes and to its proposer, who may be nobody that the contract knows.
    function test_ApproveFromLog_ClosesIt() external {
        coordinator.approveFromLog(groupId, _content(), VOTING_ENDS, _ballots(3));
        _expectNotOpen(id);
        _vote(3, id, CHOICE_AGAINST);
        _expectNotOpen(id);
        vm.prank(agents[0]);
        coordinator.cancel(id);
    }

    function test_ApproveFromLog_ExecutesAfterTheTimelock_AndTellsTheInbox() external {
        coordinator.approveFromLog(groupId, _content(), VOTING_ENDS, _ballots(3));
        uint256 from = START + STALL_TIME + TIMELOCK;
        vm.warp(from - 1);
        vm.expectRevert(abi.encodeWithSelector(Errors.TimelockNotOver.selector, id, from));
        coordinator.execute(id, _content().calls);

        vm.warp(from);
        bytes memory payload = abi.encode(id);
        bytes32 inboxHash =
            keccak256(abi.encode(bytes32(0), 0, INBOX_EXECUTED, address(0xbeef), from, keccak256(payload)));
        vm.expectEmit(address(coordinator));
        emit ICoordinatorEvents.Enqueued(groupId, 0, INBOX_EXECUTED, address(0xbeef), uint64(from), payload, inboxHash);
        vm.prank(address(0xbeef));
        coordinator.execute(id, _content().calls);
        _assertStatus(id, ProposalStatus.Executed);
        vm.assertEq(recorder.calls(9), 1, "made once");
        vm.assertEq(coordinator.inbox(groupId).length, 1, "the inbox");
    }

    /// @dev What the on-chain lane did from the beginning is no news to the log.
    function test_ApproveFromLog_WhatWasProposedOnChain_TellsTheInboxNothing() external {
        bytes32 other = _propose(0, ESCAPE, _calls(1, 0), "", 1);
        _approve(other);
        vm.warp(block.timestamp + TIMELOCK);
        coordinator.execute(other, _calls(1, 0));
        vm.assertEq(coordinator.inbox(groupId).length, 0, "the inbox");
    }

    function test_ApproveFromLog_WhenACallFails_TellsTheInboxNothing() external {
        Content memory content = _content();
        content.calls = _calls(9, 200 ether);
        id = _idOf(content);
        coordinator.approveFromLog(groupId, content, VOTING_ENDS, _ballots(3));
        vm.warp(START + STALL_TIME + TIMELOCK);
        vm.expectRevert(abi.encodeWithSelector(Errors.CallFailed.selector, 0, address(recorder), ""));
        coordinator.execute(id, content.calls);
        vm.assertEq(coordinator.inbox(groupId).length, 0, "the inbox");
        vm.deal(account, 200 ether);
        coordinator.execute(id, content.calls);
        vm.assertEq(coordinator.inbox(groupId).length, 1, "the inbox");
    }

    function test_ApproveFromLog_Expires() external {
        coordinator.approveFromLog(groupId, _content(), VOTING_ENDS, _ballots(3));
        vm.warp(START + STALL_TIME + TIMELOCK + EXPIRY + 1);
        vm.expectRevert(abi.encodeWithSelector(Errors.ProposalNotApproved.selector, id, ProposalStatus.Expired));
        coordinator.execute(id, _content().calls);
    }

    /// @dev Neither anchors that come again nor a change of the members take back what was approved.
    function test_ApproveFromLog_GivenAnchorsComeAgain_StaysApproved() external {
        coordinator.approveFromLog(groupId, _content(), VOTING_ENDS, _ballots(3));
        Member[] memory same = _members(4);
        Checkpoint memory checkpoint = _checkpoint(1);
        checkpoint.nextMembersHash = keccak256(abi.encode(same));
        coordinator.anchorAndRotate(checkpoint, _signatures(checkpoint, 0, 3), same);
        vm.warp(START + STALL_TIME + TIMELOCK);
        coordinator.execute(id, _content().calls);
        vm.assertEq(recorder.calls(9), 1, "made once");
    }

    // ---------------------------------------------------------------------------------------------------------
    // Once over both lanes
    // ---------------------------------------------------------------------------------------------------------

    function test_ApproveFromLog_GivenItWasExecutedHere_TheAnchoredLaneRefuses() external {
        coordinator.approveFromLog(groupId, _content(), VOTING_ENDS, _ballots(3));
        vm.warp(START + STALL_TIME + TIMELOCK);
        coordinator.execute(id, _content().calls);

        (Approval memory approval, bytes32[] memory path) = _anchorDecision();
        vm.expectRevert(abi.encodeWithSelector(Errors.AlreadyExecuted.selector, groupId, id));
        coordinator.executeAnchored(groupId, 1, approval, path);
        vm.assertEq(recorder.calls(9), 1, "made once");
    }

    function test_ApproveFromLog_GivenTheAnchoredLaneExecutesIt_ExecuteRefuses() external {
        coordinator.approveFromLog(groupId, _content(), VOTING_ENDS, _ballots(3));
        _executeAnchored();
        _assertStatus(id, ProposalStatus.Executed);
        vm.warp(START + STALL_TIME + TIMELOCK);
        vm.expectRevert(abi.encodeWithSelector(Errors.AlreadyExecuted.selector, groupId, id));
        coordinator.execute(id, _content().calls);
        vm.assertEq(recorder.calls(9), 1, "made once");
        vm.assertEq(coordinator.inbox(groupId).length, 0, "the log knows");
    }

    // ---------------------------------------------------------------------------------------------------------
    // Steps
    // ---------------------------------------------------------------------------------------------------------

    function _content() private view returns (Content memory) {
        return Content({proposer: agents[0], salt: 7, class: ESCAPE, calls: _calls(9, 0), description: "from the log"});
    }

    /// @dev Votes for it by the first `count` agents.
    function _ballots(uint256 count) private view returns (Ballot[] memory ballots) {
        ballots = new Ballot[](count);
        for (uint256 i = 0; i < count; ++i) {
            ballots[i] = _ballot(i, id, CHOICE_FOR);
        }
    }

    function _anchorDecision() private returns (Approval memory approval, bytes32[] memory path) {
        Decision memory decision = _decision(id, _content().calls);
        Entry memory entry = _entry(0, coordinator.hashDecision(decision));
        log.append(entry);
        _anchor(1);
        return (_approval(decision, _content().calls, entry), log.path(0, 1));
    }

    function _executeAnchored() private {
        (Approval memory approval, bytes32[] memory path) = _anchorDecision();
        coordinator.executeAnchored(groupId, 1, approval, path);
    }

    function _expectInvalidIn(Content memory content, uint64 votingEnds, Ballot[] memory ballots, address voter)
        private
    {
        _expectInvalid(voter);
        coordinator.approveFromLog(groupId, content, votingEnds, ballots);
    }

    function _expectRefusal(Content memory content, Ballot[] memory ballots, bytes memory refusal) private {
        vm.expectRevert(refusal);
        coordinator.approveFromLog(groupId, content, VOTING_ENDS, ballots);
    }
}
// forge-lint: disable-end(unsafe-typecast)
