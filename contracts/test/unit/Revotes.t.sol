// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {Errors} from "../../src/Errors.sol";
import {ICoordinatorEvents} from "../../src/ICoordinatorEvents.sol";
import {CHOICE_ABSTAIN, CHOICE_AGAINST, CHOICE_FOR, Status} from "../../src/Types.sol";
import {VoteFixture} from "../support/VoteFixture.sol";
import {vm} from "../support/Vm.sol";

/// @notice The branches of "vote, where votes change" in Votes.tree.
contract RevotesTest is VoteFixture {
    function setUp() public override {
        super.setUp();
        _stall();
        id = _propose(0, WITH_REVOTES, _calls(1, 0), 0);
        ends = uint64(block.timestamp + VOTING_PERIOD);
    }

    function test_Revote_TakesTheLastVotesPlace() external {
        uint8[4] memory choices = [CHOICE_FOR, CHOICE_AGAINST, CHOICE_ABSTAIN, CHOICE_FOR];
        for (uint32 i = 0; i < 4; ++i) {
            vm.expectEmit(address(coordinator));
            emit ICoordinatorEvents.VoteCast(groupId, id, agents[2], choices[i], 1, i);
            _vote(2, id, choices[i]);
            _assertVoted(id, agents[2], i + 1, choices[i]);
            _assertTally(
                id,
                choices[i] == CHOICE_FOR ? 1 : 0,
                choices[i] == CHOICE_AGAINST ? 1 : 0,
                choices[i] == CHOICE_ABSTAIN ? 1 : 0
            );
        }
    }

    function test_Revote_RevertWhen_TheChoiceIsTheSame() external {
        for (uint8 choice = 0; choice < 3; ++choice) {
            _vote(1, id, choice);
            vm.expectRevert(abi.encodeWithSelector(Errors.AlreadyVoted.selector, id, agents[1]));
            _vote(1, id, choice);
        }
    }

    function test_Revote_RevertWhen_TheClassDoesNotAllowIt() external {
        bytes32 other = _propose(0, ROUTINE, _calls(1, 0), 1);
        _vote(1, other, CHOICE_FOR);
        vm.expectRevert(abi.encodeWithSelector(Errors.AlreadyVoted.selector, other, agents[1]));
        _vote(1, other, CHOICE_AGAINST);
    }

    function test_Revote_RevertWhen_TheVoterHasLeft() external {
        _vote(1, id, CHOICE_FOR);
        vm.prank(agents[1]);
        coordinator.leave(groupId);
        vm.expectRevert(abi.encodeWithSelector(Errors.NotVoter.selector, groupId, agents[1]));
        _vote(1, id, CHOICE_AGAINST);
        _assertTally(id, 1, 0, 0);
    }

    /// @dev All are for it, and it stays open: somebody may think again.
    function test_Revote_GivenAllAreForIt_ItStaysOpen() external {
        for (uint256 i = 0; i < 4; ++i) {
            _vote(i, id, CHOICE_FOR);
        }
        _assertStatus(id, Status.Open);
        _vote(0, id, CHOICE_AGAINST);
        _vote(1, id, CHOICE_AGAINST);
        vm.warp(ends);
        _assertStatus(id, Status.Expired);
    }

    function test_Revote_InTheLastSecond() external {
        for (uint256 i = 0; i < 3; ++i) {
            _vote(i, id, CHOICE_FOR);
        }
        vm.warp(ends - 1);
        _vote(0, id, CHOICE_ABSTAIN);
        vm.warp(ends);
        _expectWrongStatus(id);
        _vote(0, id, CHOICE_FOR);
        _assertStatus(id, Status.Expired);
    }

    /// @dev A veto closes it at once, and for good.
    function test_Revote_GivenAVeto_ItIsRejected() external {
        _vote(0, id, CHOICE_AGAINST);
        _vote(1, id, CHOICE_FOR);
        _vote(2, id, CHOICE_AGAINST);
        _vote(3, id, CHOICE_FOR);
        vm.expectEmit(address(coordinator));
        emit ICoordinatorEvents.ProposalDecided(groupId, id, Status.Rejected, 1, 3, 0);
        _vote(1, id, CHOICE_AGAINST);
        _expectWrongStatus(id);
        _vote(0, id, CHOICE_FOR);
        vm.warp(ends + 365 days);
        _assertStatus(id, Status.Rejected);
    }

    /// @dev Whatever is voted in whatever order, the tally is that of each voter's last vote.
    function testFuzz_Revote_TheLastVotesCount(uint8[12] calldata voters, uint8[12] calldata choices) external {
        uint8[4] memory last = [3, 3, 3, 3];
        for (uint256 i = 0; i < 12; ++i) {
            (uint256 voter, uint8 choice) = (voters[i] % 4, choices[i] % 3);
            if (_statusOf(id) != Status.Open) break;
            if (last[voter] == choice) continue;
            _vote(voter, id, choice);
            last[voter] = choice;
        }
        uint256[4] memory tally;
        for (uint256 i = 0; i < 4; ++i) {
            ++tally[last[i]];
        }
        _assertTally(id, tally[CHOICE_FOR], tally[CHOICE_AGAINST], tally[CHOICE_ABSTAIN]);
    }
}
