// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {Errors} from "../../src/Errors.sol";
import {
    Call,
    CHOICE_ABSTAIN,
    CHOICE_AGAINST,
    CHOICE_FOR,
    Checkpoint,
    Member,
    ProposalStatus,
    Terms
} from "../../src/Types.sol";
import {VoteFixture} from "../support/VoteFixture.sol";
import {vm} from "../support/Vm.sol";

/// @notice The branches of Ends.tree: what becomes of a proposal by time alone, without any transaction.
contract EndsTest is VoteFixture {
    // ---------------------------------------------------------------------------------------------------------
    // The end of the voting
    // ---------------------------------------------------------------------------------------------------------

    function test_End_GivenTheVotesCarryIt_ItIsApproved() external {
        id = _propose(0, OF_CAST, _calls(1, 0), "", 0);
        _vote(0, id, CHOICE_FOR);
        _vote(1, id, CHOICE_ABSTAIN);
        _assertEnd(ProposalStatus.Approved);

        // Its timelock counts from the end of the voting.
        vm.assertEq(coordinator.proposal(id).approvedAt, START + VOTING_PERIOD, "approved at");
        vm.warp(START + VOTING_PERIOD + TIMELOCK - 1);
        vm.expectRevert(abi.encodeWithSelector(Errors.TimelockNotOver.selector, id, START + VOTING_PERIOD + TIMELOCK));
        coordinator.execute(id, _calls(1, 0));
        vm.warp(START + VOTING_PERIOD + TIMELOCK);
        coordinator.execute(id, _calls(1, 0));
        _assertStatus(id, ProposalStatus.Executed);
    }

    function test_End_GivenTheVotesDoNotCarryIt_ItIsRejected() external {
        id = _propose(0, OF_CAST, _calls(1, 0), "", 0);
        _vote(0, id, CHOICE_FOR);
        _vote(1, id, CHOICE_AGAINST);
        _assertEnd(ProposalStatus.Rejected);
        vm.assertEq(coordinator.proposal(id).approvedAt, 0, "not approved");
    }

    function test_End_GivenTooFewVoted_ItHasExpired() external {
        id = _propose(0, OF_CAST, _calls(1, 0), "", 0);
        _vote(0, id, CHOICE_FOR);
        _assertEnd(ProposalStatus.Expired);
    }

    function test_End_GivenAllAbstain_ItIsRejected() external {
        id = _propose(0, OF_CAST, _calls(1, 0), "", 0);
        for (uint256 i = 0; i < 3; ++i) {
            _vote(i, id, CHOICE_ABSTAIN);
        }
        _assertEnd(ProposalStatus.Rejected);
    }

    function test_End_GivenAVetoWouldHaveBeenPossible_ItIsApproved() external {
        id = _propose(0, WITH_VETO, _calls(1, 0), "", 0);
        _vote(0, id, CHOICE_FOR);
        _vote(1, id, CHOICE_FOR);
        _assertEnd(ProposalStatus.Approved);
    }

    function test_End_GivenVotesChange_TheLastDecide() external {
        id = _propose(0, WITH_REVOTES, _calls(1, 0), "", 0);
        for (uint256 i = 0; i < 3; ++i) {
            _vote(i, id, CHOICE_AGAINST);
            _vote(i, id, CHOICE_FOR);
        }
        _assertEnd(ProposalStatus.Approved);
    }

    function test_End_OfTheThresholdOfAllWeight_ItHasExpired() external {
        _vote(0, id, CHOICE_FOR);
        _vote(1, id, CHOICE_FOR);
        _assertEnd(ProposalStatus.Expired);
    }

    function test_End_GivenItIsCancelled_ItStaysSo() external {
        id = _propose(0, OF_CAST, _calls(1, 0), "", 0);
        _vote(0, id, CHOICE_FOR);
        _vote(1, id, CHOICE_FOR);
        vm.prank(agents[0]);
        coordinator.cancel(id);
        vm.warp(START + VOTING_PERIOD);
        _assertStatus(id, ProposalStatus.Cancelled);
    }

    /// @dev What the end decided cannot be cancelled either.
    function test_End_ClosesItToItsProposer() external {
        id = _propose(0, OF_CAST, _calls(1, 0), "", 0);
        _vote(0, id, CHOICE_FOR);
        _vote(1, id, CHOICE_FOR);
        vm.warp(START + VOTING_PERIOD);
        _expectNotOpen(id);
        vm.prank(agents[0]);
        coordinator.cancel(id);
    }

    // ---------------------------------------------------------------------------------------------------------
    // The end of the epoch
    // ---------------------------------------------------------------------------------------------------------

    function test_End_GivenTheEpochEndsBefore_ItHasExpired() external {
        id = _propose(0, OF_CAST, _calls(1, 0), "", 0);
        _vote(0, id, CHOICE_FOR);
        _vote(1, id, CHOICE_FOR);
        vm.warp(START + VOTING_PERIOD - 1);
        _rotate(_members(4), 1);
        _assertStatus(id, ProposalStatus.Expired);
        vm.warp(START + VOTING_PERIOD);
        _assertStatus(id, ProposalStatus.Expired);
    }

    /// @dev The members of its epoch voted to the end, and their weights decide, whoever the members are now.
    function test_End_GivenTheEpochEndsAfterwards_TheEndDecides() external {
        id = _propose(0, OF_CAST, _calls(1, 0), "", 0);
        bytes32 rejected = _propose(0, OF_CAST, _calls(1, 0), "", 1);
        bytes32 silent = _propose(0, OF_CAST, _calls(1, 0), "", 2);
        for (uint256 i = 0; i < 2; ++i) {
            _vote(i, id, CHOICE_FOR);
            _vote(i, rejected, CHOICE_AGAINST);
        }
        vm.warp(START + VOTING_PERIOD);
        Member[] memory heavier = _members(4);
        for (uint256 i = 0; i < 4; ++i) {
            heavier[i].weight = 1000;
        }
        _rotate(heavier, 1);
        _assertStatus(id, ProposalStatus.Approved);
        _assertStatus(rejected, ProposalStatus.Rejected);
        _assertStatus(silent, ProposalStatus.Expired);
        vm.warp(START + VOTING_PERIOD + TIMELOCK);
        coordinator.execute(id, _calls(1, 0));
        vm.assertEq(recorder.calls(1), 1, "made once");
    }

    /// @dev Only the end of its own epoch counts, not that of a later one.
    function test_End_GivenTwoEpochsEndAfterwards_TheEndDecides() external {
        id = _propose(0, OF_CAST, _calls(1, 0), "", 0);
        _vote(0, id, CHOICE_FOR);
        _vote(1, id, CHOICE_FOR);
        vm.warp(START + VOTING_PERIOD);
        _rotate(_members(4), 1);
        _rotate(_members(4), 2);
        _assertStatus(id, ProposalStatus.Approved);
    }

    // ---------------------------------------------------------------------------------------------------------
    // The end of the time for execution
    // ---------------------------------------------------------------------------------------------------------

    function test_Expiry_GivenAVoteApprovedIt_CountsFromTheVote() external {
        id = _propose(0, PAYMENTS, _payment(), "", 0);
        vm.warp(START + 100);
        _approve(id);
        _assertWindow(START + 100 + TIMELOCK);
    }

    function test_Expiry_GivenTheEndApprovedIt_CountsFromTheEnd() external {
        Terms memory terms = _terms();
        terms.classes[OF_CAST].expiry = EXPIRY;
        groupId = _createGroup(_members(4), terms, "expiry");
        account = coordinator.group(groupId).account;
        vm.deal(account, 1 ether);
        id = _propose(0, OF_CAST, _payment(), "", 0);
        _vote(0, id, CHOICE_FOR);
        _vote(1, id, CHOICE_FOR);
        _assertWindow(START + VOTING_PERIOD + TIMELOCK);
    }

    function test_Expiry_GivenNone_ItStaysExecutable() external {
        _approve(id);
        vm.warp(START + 36_500 days);
        _assertStatus(id, ProposalStatus.Approved);
        coordinator.execute(id, _calls(1, 0));
    }

    /// @dev What fails may be tried until its time is over, and no longer.
    function test_Expiry_GivenACallFails_ItMayBeTriedUntilThen() external {
        id = _propose(0, PAYMENTS, _payment(), "", 0);
        _approve(id);
        vm.deal(account, 0);
        bytes memory failure = abi.encodeWithSelector(Errors.CallFailed.selector, 0, address(0xbeef), "");
        uint256 until = START + TIMELOCK + EXPIRY;
        for (uint256 time = START + TIMELOCK; time <= until; time += 12 hours) {
            vm.warp(time);
            vm.expectRevert(failure);
            coordinator.execute(id, _payment());
            _assertStatus(id, ProposalStatus.Approved);
        }
        vm.deal(account, 1 ether);
        vm.warp(until + 1);
        vm.expectRevert(abi.encodeWithSelector(Errors.ProposalNotApproved.selector, id, ProposalStatus.Expired));
        coordinator.execute(id, _payment());

        vm.warp(until);
        coordinator.execute(id, _payment());
        vm.assertEq(address(0xbeef).balance, 1 ether, "paid");
    }

    function test_Expiry_GivenItWasExecuted_ItStaysSo() external {
        id = _propose(0, PAYMENTS, _payment(), "", 0);
        _approve(id);
        vm.warp(START + TIMELOCK);
        coordinator.execute(id, _payment());
        vm.warp(START + 365 days);
        _assertStatus(id, ProposalStatus.Executed);
    }

    // ---------------------------------------------------------------------------------------------------------
    // Steps
    // ---------------------------------------------------------------------------------------------------------

    /// @dev Open to the last second, and then this.
    function _assertEnd(ProposalStatus status) private {
        vm.warp(START + VOTING_PERIOD - 1);
        _assertStatus(id, ProposalStatus.Open);
        vm.warp(START + VOTING_PERIOD);
        _assertStatus(id, status);
        _expectNotOpen(id);
        _vote(3, id, CHOICE_FOR);
        vm.warp(START + 36_500 days);
        _assertStatus(id, status);
        vm.warp(START + VOTING_PERIOD);
    }

    /// @dev Executable from then on, for the usual expiry, and each bound is one of its seconds.
    function _assertWindow(uint256 from) private {
        vm.warp(from - 1);
        vm.expectRevert(abi.encodeWithSelector(Errors.TimelockNotOver.selector, id, from));
        coordinator.execute(id, _payment());
        vm.warp(from + EXPIRY + 1);
        _assertStatus(id, ProposalStatus.Expired);
        vm.expectRevert(abi.encodeWithSelector(Errors.ProposalNotApproved.selector, id, ProposalStatus.Expired));
        coordinator.execute(id, _payment());
        vm.warp(from + EXPIRY);
        _assertStatus(id, ProposalStatus.Approved);
        coordinator.execute(id, _payment());
        vm.assertEq(address(0xbeef).balance, 1 ether, "paid");
    }

    function _payment() private pure returns (Call[] memory) {
        return _call(address(0xbeef), 1 ether, "");
    }

    function _rotate(Member[] memory next, uint64 sequence) private {
        Checkpoint memory checkpoint = _checkpoint(sequence);
        checkpoint.epoch = sequence - 1;
        checkpoint.nextMembersHash = keccak256(abi.encode(next));
        coordinator.anchorAndRotate(checkpoint, _signatures(checkpoint, 0, 3), next);
    }
}
// forge-lint: disable-end(unsafe-typecast)
