// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {Errors} from "../../src/Errors.sol";
import {ICoordinatorEvents} from "../../src/ICoordinatorEvents.sol";
import {CHOICE_AGAINST, CHOICE_FOR, Member, ProposalStatus} from "../../src/Types.sol";
import {EpochFixture} from "../support/EpochFixture.sol";
import {vm} from "../support/Vm.sol";

/// @notice The branches of "a proposal of an ended epoch" in Epochs.tree.
contract ProposalsAcrossEpochsTest is EpochFixture {
    bytes32 private _id;

    function setUp() public override {
        super.setUp();
        _id = _propose(2);
    }

    function test_GivenItIsOpen_ItHasExpired() external {
        _vote(0, CHOICE_FOR);
        _vote(1, CHOICE_FOR);
        _rotateTo(_next(), 1);

        _assertStatus(ProposalStatus.Expired);
        bytes memory refusal = abi.encodeWithSelector(Errors.ProposalNotOpen.selector, _id, ProposalStatus.Expired);
        vm.expectRevert(refusal);
        _vote(3, CHOICE_FOR);
        vm.expectRevert(refusal);
        vm.prank(agents[2]);
        coordinator.cancel(_id);
        vm.expectRevert(abi.encodeWithSelector(Errors.ProposalNotApproved.selector, _id, ProposalStatus.Expired));
        coordinator.execute(_id, _calls(1, 0));
    }

    /// @dev The vote that would have approved it was signed in time, and is sent too late.
    function test_GivenItIsOpen_NoSignedVoteCounts() external {
        _vote(0, CHOICE_FOR);
        _vote(1, CHOICE_FOR);
        bytes32 digest = coordinator.hashVote(_voteOn(_id, CHOICE_FOR, 0));
        bytes memory signature = _signature(privateKeys[2], digest);
        _rotateTo(_next(), 1);
        vm.expectRevert(abi.encodeWithSelector(Errors.ProposalNotOpen.selector, _id, ProposalStatus.Expired));
        coordinator.voteBySig(_id, agents[2], CHOICE_FOR, signature);
    }

    function test_GivenItIsApproved_ItStaysExecutable() external {
        for (uint256 i = 0; i < 3; ++i) {
            _vote(i, CHOICE_FOR);
        }
        _rotateTo(_next(), 1);

        _assertStatus(ProposalStatus.Approved);
        vm.expectRevert(abi.encodeWithSelector(Errors.TimelockNotOver.selector, _id, START + TIMELOCK));
        coordinator.execute(_id, _calls(1, 0));
        vm.warp(START + TIMELOCK);
        coordinator.execute(_id, _calls(1, 0));
        vm.assertEq(recorder.calls(1), 1, "made once");
        _assertStatus(ProposalStatus.Executed);
    }

    function test_GivenItIsRejectedOrCancelled_ItStaysSo() external {
        for (uint256 i = 0; i < 3; ++i) {
            _vote(i, CHOICE_AGAINST);
        }
        bytes32 cancelled = _propose(1);
        vm.prank(agents[1]);
        coordinator.cancel(cancelled);
        _rotateTo(_next(), 1);
        _assertStatus(ProposalStatus.Rejected);
        _id = cancelled;
        _assertStatus(ProposalStatus.Cancelled);
    }

    function test_ItCanBeProposedAnewWithAnotherSalt() external {
        _rotateTo(_next(), 1);
        vm.expectRevert(abi.encodeWithSelector(Errors.ProposalExists.selector, _id));
        _propose(2);

        vm.prank(agents[2]);
        _id = coordinator.propose(groupId, ROUTINE, _calls(1, 0), "", 1);
        for (uint256 i = 3; i < 6; ++i) {
            _vote(i, CHOICE_FOR);
        }
        _assertStatus(ProposalStatus.Approved);
    }

    function test_WhoIsGoneNeitherProposesNorVotes() external {
        _rotateTo(_next(), 1);
        bytes memory refusal = abi.encodeWithSelector(Errors.NotVoter.selector, groupId, agents[0]);
        vm.expectRevert(refusal);
        vm.prank(agents[0]);
        coordinator.propose(groupId, ROUTINE, _calls(1, 0), "", 1);
        vm.prank(agents[5]);
        _id = coordinator.propose(groupId, ROUTINE, _calls(1, 0), "", 1);
        vm.expectRevert(refusal);
        _vote(0, CHOICE_FOR);
    }

    /// @dev Weights and votes are of the new epoch alone: its members vote with what they weigh now.
    function test_TheNewEpochsWeightsDecide() external {
        Member[] memory next = _next();
        (next[0].weight, next[1].weight) = (2, 1);
        next[4].weight = 0;
        next[4].flags = 2;
        _rotateTo(next, 1);
        vm.prank(agents[2]);
        _id = coordinator.propose(groupId, ROUTINE, _calls(1, 0), "", 1);
        vm.expectEmit(address(coordinator));
        emit ICoordinatorEvents.VoteCast(groupId, _id, agents[2], CHOICE_FOR, 2, 0);
        _vote(2, CHOICE_FOR);
        _assertStatus(ProposalStatus.Open);
        _vote(3, CHOICE_FOR);
        _assertStatus(ProposalStatus.Approved);
    }

    function _propose(uint256 agent) private returns (bytes32) {
        vm.prank(agents[agent]);
        return coordinator.propose(groupId, ROUTINE, _calls(1, 0), "", 0);
    }

    function _vote(uint256 agent, uint8 choice) private {
        vm.prank(agents[agent]);
        coordinator.vote(_id, choice);
    }

    function _assertStatus(ProposalStatus status) private view {
        vm.assertEq(uint256(coordinator.proposalStatus(_id)), uint256(status), "status");
    }
}
