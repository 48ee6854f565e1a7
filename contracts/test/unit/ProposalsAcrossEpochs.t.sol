// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {Errors} from "../../src/Errors.sol";
import {ICoordinatorEvents} from "../../src/ICoordinatorEvents.sol";
import {Ballot, CHOICE_AGAINST, CHOICE_FOR, Content, FLAG_REPLICA, Member, Skip, Status} from "../../src/Types.sol";
import {EpochFixture} from "../support/EpochFixture.sol";
import {vm} from "../support/Vm.sol";

/// @notice The branches of "a proposal of an ended epoch" in Epochs.tree.
contract ProposalsAcrossEpochsTest is EpochFixture {
    bytes32 private _id;

    function setUp() public override {
        super.setUp();
        _id = _propose(2, ROUTINE, _calls(1, 0), 0);
    }

    function test_GivenItIsOpen_ItHasExpired() external {
        _vote(0, _id, CHOICE_FOR);
        _vote(1, _id, CHOICE_FOR);
        _rotateTo(_next(), 1);

        _assertStatus(_id, Status.Expired);
        Content memory content = _content(2, ROUTINE, _calls(1, 0), 0);
        bytes memory refusal = abi.encodeWithSelector(Errors.WrongStatus.selector, _id, Status.Expired);
        vm.expectRevert(refusal);
        _vote(3, _id, CHOICE_FOR);
        vm.expectRevert(refusal);
        vm.prank(agents[2]);
        coordinator.cancel(groupId, content);
        vm.expectRevert(refusal);
        coordinator.execute(groupId, content);
    }

    /// @dev The vote that would have approved it was signed in time, and is sent too late.
    function test_GivenItIsOpen_NoSignedVoteCounts() external {
        _vote(0, _id, CHOICE_FOR);
        _vote(1, _id, CHOICE_FOR);
        Ballot[] memory ballots = _ballots(2, 1, _id, uint64(START + VOTING_PERIOD));
        _rotateTo(_next(), 1);
        vm.expectEmit(address(coordinator));
        emit ICoordinatorEvents.BallotSkipped(groupId, _id, agents[2], Skip.NotOpen);
        coordinator.voteBySigs(groupId, _id, ballots);
        _assertStatus(_id, Status.Expired);
    }

    function test_GivenItIsApproved_ItStaysExecutable() external {
        _approve(_id);
        _rotateTo(_next(), 1);

        _assertStatus(_id, Status.Approved);
        Content memory content = _content(2, ROUTINE, _calls(1, 0), 0);
        vm.expectRevert(abi.encodeWithSelector(Errors.TimelockNotOver.selector, _id, START + TIMELOCK));
        coordinator.execute(groupId, content);
        vm.warp(START + TIMELOCK);
        coordinator.execute(groupId, content);
        vm.assertEq(recorder.calls(1), 1, "made once");
        _assertStatus(_id, Status.Executed);
    }

    function test_GivenItIsRejectedOrCancelled_ItStaysSo() external {
        for (uint256 i = 0; i < 3; ++i) {
            _vote(i, _id, CHOICE_AGAINST);
        }
        bytes32 cancelled = _propose(1, ROUTINE, _calls(1, 0), 0);
        Content memory content = _content(1, ROUTINE, _calls(1, 0), 0);
        vm.prank(agents[1]);
        coordinator.cancel(groupId, content);
        _rotateTo(_next(), 1);
        _assertStatus(_id, Status.Rejected);
        _assertStatus(cancelled, Status.Cancelled);
    }

    function test_ItCanBeProposedAnewWithAnotherSalt() external {
        _rotateTo(_next(), 1);
        vm.expectRevert(abi.encodeWithSelector(Errors.WrongStatus.selector, _id, Status.Open));
        _propose(2, ROUTINE, _calls(1, 0), 0);

        _id = _propose(2, ROUTINE, _calls(1, 0), 1);
        for (uint256 i = 3; i < 6; ++i) {
            _vote(i, _id, CHOICE_FOR);
        }
        _assertStatus(_id, Status.Approved);
        vm.assertEq(coordinator.proposal(groupId, _id).epoch, 1, "epoch");
    }

    function test_WhoIsGoneNeitherProposesNorVotes() external {
        _rotateTo(_next(), 1);
        bytes memory refusal = abi.encodeWithSelector(Errors.NotVoter.selector, groupId, agents[0]);
        vm.expectRevert(refusal);
        _propose(0, ROUTINE, _calls(1, 0), 1);
        _id = _propose(5, ROUTINE, _calls(1, 0), 1);
        vm.expectRevert(refusal);
        _vote(0, _id, CHOICE_FOR);
    }

    /// @dev Weights and votes are of the new epoch alone: its members vote with what they weigh now.
    function test_TheNewEpochsWeightsDecide() external {
        Member[] memory next = _next();
        next[0].weight = 2;
        (next[4].weight, next[4].flags) = (0, FLAG_REPLICA);
        _rotateTo(next, 1);
        _id = _propose(2, ROUTINE, _calls(1, 0), 1);
        vm.expectEmit(address(coordinator));
        emit ICoordinatorEvents.VoteCast(groupId, _id, agents[2], CHOICE_FOR, 2, 0);
        _vote(2, _id, CHOICE_FOR);
        _assertStatus(_id, Status.Open);
        _vote(3, _id, CHOICE_FOR);
        _assertStatus(_id, Status.Approved);
    }
}
// forge-lint: disable-end(unsafe-typecast)
