// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {Errors} from "../../src/Errors.sol";
import {ICoordinatorEvents} from "../../src/ICoordinatorEvents.sol";
import {
    Ballot,
    CHOICE_ABSTAIN,
    CHOICE_AGAINST,
    CHOICE_FOR,
    Checkpoint,
    Content,
    FLAG_REPLICA,
    INBOX_OPENED,
    Member,
    ProposalState,
    Skip,
    Status
} from "../../src/Types.sol";
import {OwnedWallet, Wallet} from "../support/Targets.sol";
import {EscapeFixture} from "../support/EscapeFixture.sol";
import {vm} from "../support/Vm.sol";

/// @notice The branches of `approveBySigs` in Escape.tree.
contract ApproveBySigsTest is EscapeFixture {
    // ---------------------------------------------------------------------------------------------------------
    // When the lane is open
    // ---------------------------------------------------------------------------------------------------------

    function test_ApproveBySigs_RevertWhen_GroupIsUnknown() external {
        Ballot[] memory ballots = _ballots(0, 3, id, ends);
        Content memory content = _offChain();
        vm.expectRevert(abi.encodeWithSelector(Errors.UnknownGroup.selector, bytes32("none")));
        coordinator.approveBySigs("none", content, ends, ballots);
    }

    function test_ApproveBySigs_RevertWhen_ClassIsUnknown() external {
        Content memory content = _offChain();
        content.class = 8;
        _expectRefusal(content, abi.encodeWithSelector(Errors.UnknownClass.selector, groupId, 8));
    }

    function test_ApproveBySigs_RevertWhen_TheClassHasNoEscape() external {
        Content memory content = _offChain();
        (content.class, content.calls) = (PAYMENTS, _payment(address(0xbeef), 1));
        _expectRefusal(content, abi.encodeWithSelector(Errors.NoEscape.selector, groupId, PAYMENTS));
    }

    /// @dev To the second, and again once the group is served.
    function test_ApproveBySigs_RevertWhen_TheGroupHasNotStalled() external {
        bytes memory refusal = abi.encodeWithSelector(Errors.NotStalled.selector, groupId);
        vm.warp(stalledAt - 1);
        _expectRefusal(_offChain(), refusal);
        vm.warp(stalledAt);
        _anchor(1);
        _expectRefusal(_offChain(), refusal);
        vm.warp(ends - 1);
        _expectRefusal(_offChain(), refusal);
    }

    /// @dev Anchors of old checkpoints, one each stall time, do not keep it shut.
    function test_M10_AStashOfCheckpoints_DoesNotKeepTheEscapeLaneClosed() external {
        vm.warp(stalledAt - STALL_TIME);
        Checkpoint[3] memory stash;
        for (uint256 i = 0; i < 3; ++i) {
            _fill(1);
            stash[i] = _checkpointTaking(uint64(i + 1), 0);
        }
        for (uint256 i = 0; i < 3; ++i) {
            vm.warp(stalledAt - STALL_TIME + (i + 1) * (STALL_TIME / 4));
            _anchor(stash[i], 0, 3);
        }
        vm.warp(stalledAt);
        _approveBySigs(3);
        _assertStatus(id, Status.Approved);
    }

    function test_ApproveBySigs_RevertWhen_TheVotingIsOver() external {
        vm.warp(ends);
        _expectRefusal(_offChain(), abi.encodeWithSelector(Errors.VotingOver.selector, ends));
        vm.warp(ends - 1);
        _approveBySigs(3);
    }

    function test_ApproveBySigs_RevertWhen_TheClassDoesNotPermitTheCalls() external {
        Content memory content = _offChain();
        content.calls = _call(account, 0, hex"00");
        _expectRefusal(content, abi.encodeWithSelector(Errors.CallNotPermitted.selector, 0));
        content.calls = _calls(9, 0);
        content.calls[0].gas = 0;
        _expectRefusal(content, abi.encodeWithSelector(Errors.GasNotNamed.selector, 0));
    }

    // ---------------------------------------------------------------------------------------------------------
    // What it outranks
    // ---------------------------------------------------------------------------------------------------------

    /// @dev The proposer opens its own content here and cancels it: enough signed weight outranks that.
    function test_M10_TheProposer_CannotSquatItsProposalsEscape() external {
        Content memory content = _offChain();
        _propose(0, ESCAPE, content.calls, content.salt);
        vm.prank(agents[0]);
        coordinator.cancel(groupId, content);
        _assertStatus(id, Status.Cancelled);
        _approveBySigs(3);
        _assertApproved(3);
    }

    function test_M10_ApproveBySigs_OutranksWhatIsOpenHere() external {
        Content memory content = _offChain();
        _propose(0, ESCAPE, content.calls, content.salt);
        _vote(3, id, CHOICE_AGAINST);
        _vote(2, id, CHOICE_FOR);
        _approveBySigs(3);
        _assertApproved(3);
        _expectWrongStatus(id);
        _vote(0, id, CHOICE_FOR);
    }

    function test_M10_ApproveBySigs_OutranksWhatWasRejectedHere() external {
        Content memory content = _offChain();
        _propose(0, ESCAPE, content.calls, content.salt);
        _vote(3, id, CHOICE_AGAINST);
        _vote(2, id, CHOICE_ABSTAIN);
        _assertStatus(id, Status.Rejected);
        _approveBySigs(3);
        _assertApproved(3);
    }

    /// @dev The voting here ended, and that of the log, as its votes say, has not.
    function test_M10_ApproveBySigs_OutranksWhatExpiredHereWithoutADecision() external {
        Content memory content = _offChain();
        _propose(0, ESCAPE, content.calls, content.salt);
        uint64 votingEnds = uint64(block.timestamp + VOTING_PERIOD + 1);
        vm.warp(votingEnds - 1);
        _assertStatus(id, Status.Expired);
        Ballot[] memory ballots = _ballots(0, 3, id, votingEnds);
        coordinator.approveBySigs(groupId, content, votingEnds, ballots);
        _assertStatus(id, Status.Approved);
    }

    function test_ApproveBySigs_RevertWhen_ApprovedBefore() external {
        _approveBySigs(3);
        _expectRefusal(_offChain(), _wrongStatus(Status.Approved));
    }

    /// @dev Else signatures would give a decision that nobody executed in its time another one.
    function test_M6_ApproveBySigs_RevertWhen_ItsTimeForExecutionIsOver() external {
        Content memory content = _offChain();
        uint64 votingEnds = uint64(block.timestamp + 30 days);
        Ballot[] memory ballots = _ballots(0, 3, id, votingEnds);
        coordinator.approveBySigs(groupId, content, votingEnds, ballots);
        vm.warp(block.timestamp + TIMELOCK + EXPIRY + 1);
        vm.expectRevert(_wrongStatus(Status.Expired));
        coordinator.approveBySigs(groupId, content, votingEnds, ballots);
    }

    function test_M6_ApproveBySigs_RevertWhen_Revoked() external {
        vm.prank(account);
        coordinator.revoke(groupId, id);
        _expectRefusal(_offChain(), _wrongStatus(Status.Revoked));
    }

    function test_ApproveBySigs_RevertWhen_Executed() external {
        _approveBySigs(3);
        vm.warp(stalledAt + TIMELOCK);
        Content memory content = _offChain();
        coordinator.execute(groupId, content);
        _expectRefusal(content, _wrongStatus(Status.Executed));
    }

    // ---------------------------------------------------------------------------------------------------------
    // The votes
    // ---------------------------------------------------------------------------------------------------------

    function test_ApproveBySigs_RevertWhen_TheWeightIsNotEnough() external {
        Ballot[] memory ballots = _ballots(0, 2, id, ends);
        _expectNotEnough(ballots, 2);
        _expectNotEnough(new Ballot[](0), 0);
    }

    /// @dev Where nobody votes there is no approval, although no weight is all of no weight.
    function test_ApproveBySigs_RevertGiven_NobodyHasAVote() external {
        Member[] memory members = _members(4);
        for (uint256 i = 0; i < 4; ++i) {
            (members[i].weight, members[i].flags) = (0, FLAG_REPLICA);
        }
        _use(_createGroup(members, _terms(), "nobody"));
        _stall();
        id = _idOf(_offChain());
        _expectNotEnough(new Ballot[](0), 0);
    }

    /// @dev Whoever votes otherwise, leaves, or did not sign is passed over, and the others are enough or not.
    function test_L2_ApproveBySigs_PassesOverWhatDoesNotCount() external {
        uint8[3] memory choices = [CHOICE_AGAINST, CHOICE_ABSTAIN, 3];
        for (uint256 i = 0; i < 3; ++i) {
            Ballot[] memory ballots = _ballots(0, 3, id, ends);
            ballots[2] = _ballot(2, id, choices[i], ends);
            _expectNotEnough(ballots, 2);
        }
        Ballot[] memory twice = _ballots(0, 3, id, ends);
        twice[2] = twice[1];
        _expectNotEnough(twice, 2);
        twice = _ballots(0, 3, id, ends);
        (twice[1], twice[2]) = (twice[2], twice[1]);
        _expectNotEnough(twice, 2);
        twice = _ballots(0, 3, id, ends);
        twice[0].voter = address(0);
        _expectNotEnough(twice, 2);
        twice = _ballots(0, 3, id, ends);
        twice[2].voter = address(type(uint160).max);
        _expectNotEnough(twice, 2);
    }

    function test_L2_ApproveBySigs_IsNotSpoiltByOneWhoLeaves() external {
        vm.prank(agents[2]);
        coordinator.leave(groupId);
        _expectNotEnough(_ballots(0, 3, id, ends), 2);
        Ballot[] memory ballots = _ballots(0, 4, id, ends);
        _expectSkipped(id, agents[2], Skip.NotVoter);
        coordinator.approveBySigs(groupId, _offChain(), ends, ballots);
        _assertApproved(3);
    }

    /// @dev A bad signature in front does not make those behind it bad.
    function test_L2_ApproveBySigs_IsNotSpoiltByABadSignature() external {
        Ballot[] memory ballots = _ballots(0, 4, id, ends);
        ballots[0].signature = "none";
        _expectSkipped(id, agents[0], Skip.InvalidSignature);
        coordinator.approveBySigs(groupId, _offChain(), ends, ballots);
        _assertApproved(3);
    }

    /// @dev Every field of a vote is under its signature: the log's own votes count, and no others.
    function test_ApproveBySigs_WhenAnyFieldOfAVoteIsAnother_PassesItOver() external {
        for (uint256 field = 0; field < 6; ++field) {
            (address voter, bytes32 proposalId, uint8 choice) = (agents[1], id, CHOICE_FOR);
            (uint64 epoch, uint64 votingEnds, uint32 nonce) = (uint64(0), ends, uint32(0));
            if (field == 0) voter = agents[2];
            if (field == 1) proposalId = "other";
            if (field == 2) choice = CHOICE_AGAINST;
            if (field == 3) epoch = 1;
            if (field == 4) votingEnds += 1;
            if (field == 5) nonce = 1;
            Ballot[] memory ballots = _ballots(0, 3, id, ends);
            ballots[1].signature =
                _signature(privateKeys[1], coordinator.hashVote(voter, proposalId, choice, epoch, votingEnds, nonce));
            _expectNotEnough(ballots, 2);
        }
    }

    /// @dev Whoever sends them cannot put off the end of the voting.
    function test_ApproveBySigs_RevertWhen_TheEndIsAnother() external {
        Ballot[] memory ballots = _ballots(0, 4, id, ends);
        Content memory content = _offChain();
        for (uint256 i = 0; i < 2; ++i) {
            vm.expectRevert(abi.encodeWithSelector(Errors.NotEnoughWeight.selector, id, 0));
            coordinator.approveBySigs(groupId, content, ends + 1, ballots);
            vm.warp(ends);
        }
    }

    function test_ApproveBySigs_RevertWhen_AnyPartOfTheContentIsAnother() external {
        Ballot[] memory ballots = _ballots(0, 4, id, ends);
        for (uint256 part = 0; part < 5; ++part) {
            Content memory content = _offChain();
            if (part == 0) content.proposer = agents[1];
            if (part == 1) content.salt += 1;
            if (part == 2) content.class = ROUTINE;
            if (part == 3) content.calls = _calls(10, 0);
            if (part == 4) content.descriptionHash = "another";
            bytes32 other = _idOf(content);
            vm.expectRevert(abi.encodeWithSelector(Errors.NotEnoughWeight.selector, other, 0));
            coordinator.approveBySigs(groupId, content, ends, ballots);
        }
    }

    /// @dev Votes count for as long as nobody's weight changes, and for other weights no more.
    function test_ApproveBySigs_RevertWhen_WeightsHaveChanged() external {
        Member[] memory same = _members(4);
        _rotate(_boundary(1, same), 0, 3, same, _noMandate());
        Member[] memory others = _members(4);
        others[0].weight += 1;
        _rotate(_boundary(2, others), 0, 3, others, _mandate(others, 0, 4));
        _stall();
        _expectNotEnough(_ballots(0, 3, id, ends), 0);

        Ballot[] memory anew = _ballots(0, 3, id, ends);
        for (uint256 i = 0; i < 3; ++i) {
            anew[i].signature = _signature(privateKeys[i], coordinator.hashVote(agents[i], id, CHOICE_FOR, 2, ends, 0));
        }
        coordinator.approveBySigs(groupId, _offChain(), ends, anew);
        _assertStatus(id, Status.Approved);
        vm.assertEq(coordinator.proposal(groupId, id).epoch, 2, "since when the weights stand");
    }

    /// @dev Or replicas that lie could rotate to keep the voters from it.
    function test_ApproveBySigs_OutlastsRotationsThatLeaveTheWeightsAlone() external {
        Member[] memory same = _members(4);
        _rotate(_boundary(1, same), 0, 3, same, _noMandate());
        _rotate(_boundary(2, same), 0, 3, same, _noMandate());
        _stall();
        coordinator.approveBySigs(groupId, _offChain(), ends, _ballots(0, 3, id, ends));
        _assertStatus(id, Status.Approved);
    }

    function test_ApproveBySigs_WhenAVoterHasCode_AsksIt() external {
        Wallet wallet = new Wallet();
        Ballot[] memory ballots = _ballotsWith(address(wallet), "");
        _expectSkipped(id, address(wallet), Skip.InvalidSignature);
        coordinator.approveBySigs(groupId, _offChain(), ends, ballots);
        _assertApproved(4);

        wallet = new Wallet();
        ballots = _ballotsWith(address(wallet), "");
        wallet.approve(coordinator.hashVote(address(wallet), id, CHOICE_FOR, 0, ends, 0));
        coordinator.approveBySigs(groupId, _offChain(), ends, ballots);
        _assertApproved(5);
    }

    function test_M9_ApproveBySigs_AnOwnersSignatureCountsForOneWallet() external {
        uint256 owner = 12_345;
        OwnedWallet wallet = new OwnedWallet(vm.addr(owner));
        Ballot[] memory ballots = _ballotsWith(address(wallet), "");
        bytes memory signature = _signature(owner, coordinator.hashVote(vm.addr(owner), id, CHOICE_FOR, 0, ends, 0));
        for (uint256 i = 0; i < 5; ++i) {
            if (ballots[i].voter == address(wallet)) ballots[i].signature = signature;
        }
        _expectSkipped(id, address(wallet), Skip.InvalidSignature);
        coordinator.approveBySigs(groupId, _offChain(), ends, ballots);
        _assertApproved(4);
    }

    function test_M10_ApproveBySigs_AKeyWithDelegatedCodeVotes() external {
        vm.etch(agents[2], abi.encodePacked(hex"ef0100", address(recorder)));
        _approveBySigs(3);
        _assertApproved(3);
    }

    // ---------------------------------------------------------------------------------------------------------
    // Success
    // ---------------------------------------------------------------------------------------------------------

    function test_ApproveBySigs_ApprovesTheProposal_AndTellsTheLog() external {
        Ballot[] memory ballots = _ballots(0, 4, id, ends);
        Content memory content = _offChain();
        _expectMessage(INBOX_OPENED, address(0xbeef), abi.encode(id, agents[0], ESCAPE, ends, uint8(2)));
        vm.expectEmit(address(coordinator));
        emit ICoordinatorEvents.ProposalApprovedBySignatures(groupId, id, content, ends, 4);
        vm.prank(address(0xbeef));
        vm.assertEq(coordinator.approveBySigs(groupId, content, ends, ballots), id, "identifier");
        _assertApproved(4);
    }

    /// @dev It is closed to votes and to its proposer, who may be nobody that the contract knows.
    function test_ApproveBySigs_ClosesIt() external {
        _approveBySigs(3);
        Content memory content = _offChain();
        _expectWrongStatus(id);
        _vote(3, id, CHOICE_AGAINST);
        _expectWrongStatus(id);
        vm.prank(agents[0]);
        coordinator.cancel(groupId, content);
        _expectWrongStatus(id);
        _propose(0, ESCAPE, content.calls, content.salt);
    }

    function test_ApproveBySigs_ExecutesAfterTheTimelock() external {
        _approveBySigs(3);
        Content memory content = _offChain();
        uint256 from = stalledAt + TIMELOCK;
        vm.warp(from - 1);
        vm.expectRevert(abi.encodeWithSelector(Errors.TimelockNotOver.selector, id, from));
        coordinator.execute(groupId, content);
        vm.warp(from);
        uint64 messages = coordinator.inbox(groupId).length;
        coordinator.execute(groupId, content);
        _assertStatus(id, Status.Executed);
        vm.assertEq(recorder.calls(9), 1, "made once");
        vm.assertEq(coordinator.inbox(groupId).length, messages + 1, "told");
    }

    function test_ApproveBySigs_Expires() external {
        _approveBySigs(3);
        Content memory content = _offChain();
        vm.warp(stalledAt + TIMELOCK + EXPIRY + 1);
        _expectWrongStatus(id);
        coordinator.execute(groupId, content);
        _assertStatus(id, Status.Expired);
    }

    /// @dev Neither anchors that come again nor a change of the members take back what was approved.
    function test_ApproveBySigs_GivenAnchorsComeAgain_StaysApproved() external {
        _approveBySigs(3);
        Member[] memory same = _members(4);
        _rotate(_boundary(1, same), 0, 3, same, _noMandate());
        vm.warp(stalledAt + TIMELOCK);
        coordinator.execute(groupId, _offChain());
        vm.assertEq(recorder.calls(9), 1, "made once");
    }

    // ---------------------------------------------------------------------------------------------------------
    // Steps
    // ---------------------------------------------------------------------------------------------------------

    /// @dev A group of the four agents and this voter has stalled; the votes of all five, this one with this signature.
    function _ballotsWith(address voter, bytes memory signature) private returns (Ballot[] memory ballots) {
        Member[] memory members = _membersWith(voter);
        groupId = _createGroup(members, _terms(), "wallet");
        account = coordinator.group(groupId).account;
        _stall();
        id = _idOf(_offChain());
        ends = uint64(block.timestamp + VOTING_PERIOD);
        ballots = new Ballot[](5);
        uint256 agent = 0;
        for (uint256 i = 0; i < 5; ++i) {
            bool here = members[i].account == voter;
            ballots[i] = here ? Ballot(voter, CHOICE_FOR, signature) : _ballot(agent++, id, CHOICE_FOR, ends);
        }
    }

    function _assertApproved(uint128 weight) private view {
        ProposalState memory expected;
        (expected.status, expected.class, expected.fromLog) = (Status.Approved, ESCAPE, true);
        (expected.votingEnds, expected.forWeight) = (ends, weight);
        expected.approvedAt = uint64(block.timestamp);
        expected.executableFrom = uint64(block.timestamp + TIMELOCK);
        expected.executableUntil = uint64(block.timestamp + TIMELOCK + EXPIRY);
        vm.assertEq(abi.encode(coordinator.proposal(groupId, id)), abi.encode(expected), "state");
    }

    function _wrongStatus(Status status) private view returns (bytes memory) {
        return abi.encodeWithSelector(Errors.WrongStatus.selector, id, status);
    }

    /// @dev With the votes of all four.
    function _expectRefusal(Content memory content, bytes memory refusal) private {
        Ballot[] memory ballots = _ballots(0, 4, _idOf(content), ends);
        vm.expectRevert(refusal);
        coordinator.approveBySigs(groupId, content, ends, ballots);
    }

    function _expectNotEnough(Ballot[] memory ballots, uint256 weight) private {
        Content memory content = _offChain();
        vm.expectRevert(abi.encodeWithSelector(Errors.NotEnoughWeight.selector, id, weight));
        coordinator.approveBySigs(groupId, content, ends, ballots);
    }
}
// forge-lint: disable-end(unsafe-typecast)
