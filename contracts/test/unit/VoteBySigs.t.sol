// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {Errors} from "../../src/Errors.sol";
import {ICoordinatorEvents} from "../../src/ICoordinatorEvents.sol";
import {Ballot, CHOICE_AGAINST, CHOICE_FOR, ProposalStatus} from "../../src/Types.sol";
import {Wallet} from "../support/Targets.sol";
import {VoteFixture} from "../support/VoteFixture.sol";
import {vm} from "../support/Vm.sol";

/// @notice The branches of `voteBySigs` in Votes.tree.
contract VoteBySigsTest is VoteFixture {
    function test_VoteBySigs_RevertWhen_ProposalIsUnknown() external {
        vm.expectRevert(abi.encodeWithSelector(Errors.UnknownProposal.selector, bytes32("none")));
        coordinator.voteBySigs("none", new Ballot[](0));
    }

    function test_VoteBySigs_RevertWhen_NotOpen() external {
        Ballot[] memory ballots = _ballots(3, 1);
        _approve(id);
        _expectNotOpen(id);
        coordinator.voteBySigs(id, ballots);
    }

    function test_VoteBySigs_TakesNone() external {
        coordinator.voteBySigs(id, new Ballot[](0));
        _assertTally(id, 0, 0, 0);
    }

    function test_VoteBySigs_CountsTheVotesInAnyOrder() external {
        Ballot[] memory ballots = _ballots(0, 3);
        (ballots[0], ballots[2]) = (ballots[2], ballots[0]);
        for (uint256 i = 0; i < 3; ++i) {
            vm.expectEmit(address(coordinator));
            emit ICoordinatorEvents.VoteCast(groupId, id, ballots[i].voter, CHOICE_FOR, 1, 0);
        }
        vm.expectEmit(address(coordinator));
        emit ICoordinatorEvents.ProposalDecided(groupId, id, ProposalStatus.Approved, 3, 0, 0);
        vm.prank(address(0xbeef));
        coordinator.voteBySigs(id, ballots);

        _assertTally(id, 3, 0, 0);
        _assertStatus(id, ProposalStatus.Approved);
        for (uint256 i = 0; i < 3; ++i) {
            _assertVoted(id, agents[i], 1, CHOICE_FOR);
        }
    }

    /// @dev The fourth vote comes after the deciding one. It is not even looked at.
    function test_VoteBySigs_StopsOnceItIsDecided() external {
        Ballot[] memory ballots = _ballots(0, 4);
        ballots[3].signature = "no signature";
        coordinator.voteBySigs(id, ballots);
        _assertStatus(id, ProposalStatus.Approved);
        _assertVoted(id, agents[3], 0, 0);
    }

    /// @dev Somebody copied one vote, or two, out of the batch and sent them earlier: the rest counts all the same.
    function test_VoteBySigs_GivenSomeWereSentBefore_PassesThemOver() external {
        for (uint256 sent = 1; sent < 3; ++sent) {
            id = _propose(0, ROUTINE, _calls(1, 0), "", uint64(sent));
            Ballot[] memory ballots = _ballots(0, 3);
            for (uint256 i = 0; i < sent; ++i) {
                coordinator.voteBySig(id, ballots[i].voter, CHOICE_FOR, ballots[i].signature);
            }
            coordinator.voteBySigs(id, ballots);
            _assertStatus(id, ProposalStatus.Approved);
            _assertTally(id, 3, 0, 0);
        }
    }

    function test_VoteBySigs_GivenOneIsThereTwice_CountsIt() external {
        Ballot[] memory ballots = _ballots(0, 2);
        ballots[1] = ballots[0];
        coordinator.voteBySigs(id, ballots);
        _assertTally(id, 1, 0, 0);
    }

    function test_VoteBySigs_RevertWhen_ASignatureIsNotTheVoters() external {
        Ballot[] memory ballots = _ballots(0, 2);
        ballots[1].voter = agents[2];
        _expectInvalid(agents[2]);
        coordinator.voteBySigs(id, ballots);
        _assertTally(id, 0, 0, 0);
    }

    /// @dev It voted, and for something else: there is no vote like this one that was counted.
    function test_VoteBySigs_RevertWhen_TheVoterChoseOtherwise() external {
        Ballot[] memory ballots = _ballots(0, 2);
        _vote(1, id, CHOICE_AGAINST);
        _expectInvalid(agents[1]);
        coordinator.voteBySigs(id, ballots);

        ballots[1].signature = _signVote(1, _voteOn(id, CHOICE_FOR, 1));
        vm.expectRevert(abi.encodeWithSelector(Errors.AlreadyVoted.selector, id, agents[1]));
        coordinator.voteBySigs(id, ballots);
    }

    function test_VoteBySigs_RevertWhen_OneIsNoVoter() external {
        Ballot[] memory ballots = _ballots(0, 2);
        vm.prank(agents[1]);
        coordinator.leave(groupId);
        vm.expectRevert(abi.encodeWithSelector(Errors.NotVoter.selector, groupId, agents[1]));
        coordinator.voteBySigs(id, ballots);
    }

    function test_VoteBySigs_RevertWhen_TheChoiceIsInvalid() external {
        Ballot[] memory ballots = new Ballot[](1);
        ballots[0] = _ballot(0, id, 3);
        vm.expectRevert(abi.encodeWithSelector(Errors.InvalidChoice.selector, 3));
        coordinator.voteBySigs(id, ballots);
    }

    function test_VoteBySigs_WhenAVoterHasCode_AsksIt() external {
        Wallet wallet = new Wallet();
        id = _proposeWith(address(wallet));
        Ballot[] memory ballots = _ballots(0, 2);
        ballots[1] = Ballot({voter: address(wallet), choice: CHOICE_FOR, signature: ""});
        _expectInvalid(address(wallet));
        coordinator.voteBySigs(id, ballots);

        wallet.approve(coordinator.hashVote(_voteOn(id, CHOICE_FOR, 0)));
        coordinator.voteBySigs(id, ballots);
        _assertVoted(id, address(wallet), 1, CHOICE_FOR);
        _assertTally(id, 2, 0, 0);
    }

    /// @dev A voter's first and second vote, in one batch.
    function test_VoteBySigs_GivenVotesChange_TakesThemInTheirOrder() external {
        id = _propose(0, WITH_REVOTES, _calls(1, 0), "", 1);
        Ballot[] memory ballots = _ballots(0, 2);
        ballots[1] =
            Ballot({voter: agents[0], choice: CHOICE_AGAINST, signature: _signVote(0, _voteOn(id, CHOICE_AGAINST, 1))});
        coordinator.voteBySigs(id, ballots);
        _assertVoted(id, agents[0], 2, CHOICE_AGAINST);
        _assertTally(id, 0, 1, 0);

        // Sent again, the first of them is an old vote.
        _expectInvalid(agents[0]);
        coordinator.voteBySigs(id, ballots);
    }

    /// @dev Votes for the proposal, by `count` agents from `first` on.
    function _ballots(uint256 first, uint256 count) private view returns (Ballot[] memory ballots) {
        ballots = new Ballot[](count);
        for (uint256 i = 0; i < count; ++i) {
            ballots[i] = _ballot(first + i, id, CHOICE_FOR);
        }
    }
}
// forge-lint: disable-end(unsafe-typecast)
