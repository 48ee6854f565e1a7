// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {Errors} from "../../src/Errors.sol";
import {CHOICE_ABSTAIN, CHOICE_AGAINST, CHOICE_FOR, Content, Member, Status} from "../../src/Types.sol";
import {AnchorFixture} from "../support/AnchorFixture.sol";
import {vm} from "../support/Vm.sol";

/// @notice The branches of Ends.tree: what becomes of a proposal by time alone, without any transaction.
contract EndsTest is AnchorFixture {
    bytes32 private _id;
    Content private _kept;
    /// @dev When the voting began, and ends.
    uint256 private _began;
    uint256 private _ends;

    /// @dev The group has stalled, so that every class can be proposed in.
    function setUp() public override {
        super.setUp();
        _stall();
        _began = block.timestamp;
        _ends = _began + VOTING_PERIOD;
    }

    // ---------------------------------------------------------------------------------------------------------
    // The end of the voting
    // ---------------------------------------------------------------------------------------------------------

    function test_End_GivenTheVotesCarryIt_ItIsApproved() external {
        _open(OF_CAST);
        _vote(0, _id, CHOICE_FOR);
        _vote(1, _id, CHOICE_ABSTAIN);
        _assertEnd(Status.Approved);

        // Its timelock counts from the end of the voting.
        vm.warp(_ends);
        vm.assertEq(coordinator.proposal(groupId, _id).approvedAt, _ends, "approved at");
        _assertExecutable(_ends + TIMELOCK);
    }

    function test_End_GivenTheVotesDoNotCarryIt_ItIsRejected() external {
        _open(OF_CAST);
        _vote(0, _id, CHOICE_FOR);
        _vote(1, _id, CHOICE_AGAINST);
        _assertEnd(Status.Rejected);
        vm.assertEq(coordinator.proposal(groupId, _id).approvedAt, 0, "not approved");
        vm.assertEq(coordinator.proposal(groupId, _id).executableFrom, 0, "not executable");
    }

    function test_End_GivenTooFewVoted_ItHasExpired() external {
        _open(OF_CAST);
        _vote(0, _id, CHOICE_FOR);
        _assertEnd(Status.Expired);
    }

    function test_End_GivenAllAbstain_ItIsRejected() external {
        _open(OF_CAST);
        for (uint256 i = 0; i < 3; ++i) {
            _vote(i, _id, CHOICE_ABSTAIN);
        }
        _assertEnd(Status.Rejected);
    }

    function test_End_GivenAVetoWouldHaveBeenPossible_ItIsApproved() external {
        _open(WITH_VETO);
        _vote(0, _id, CHOICE_FOR);
        _vote(1, _id, CHOICE_FOR);
        _assertEnd(Status.Approved);
    }

    function test_End_GivenVotesChange_TheLastDecide() external {
        _open(WITH_REVOTES);
        for (uint256 i = 0; i < 3; ++i) {
            _vote(i, _id, CHOICE_AGAINST);
            _vote(i, _id, CHOICE_FOR);
        }
        _assertEnd(Status.Approved);
    }

    function test_End_OfTheThresholdOfAllWeight_ItHasExpired() external {
        _open(ROUTINE);
        _vote(0, _id, CHOICE_FOR);
        _vote(1, _id, CHOICE_FOR);
        _assertEnd(Status.Expired);
    }

    function test_End_GivenItIsCancelled_ItStaysSo() external {
        _open(OF_CAST);
        _vote(0, _id, CHOICE_FOR);
        _vote(1, _id, CHOICE_FOR);
        vm.prank(agents[0]);
        coordinator.cancel(groupId, _kept);
        vm.warp(_ends);
        _assertStatus(_id, Status.Cancelled);
    }

    /// @dev What the end decided cannot be cancelled either, and can be vetoed like anything that is approved.
    function test_End_ClosesItToItsProposer() external {
        _open(OF_CAST);
        _vote(0, _id, CHOICE_FOR);
        _vote(1, _id, CHOICE_FOR);
        vm.warp(_ends);
        vm.expectRevert(abi.encodeWithSelector(Errors.WrongStatus.selector, _id, Status.Approved));
        vm.prank(agents[0]);
        coordinator.cancel(groupId, _kept);
        coordinator.veto(groupId, _id, _objections(0, 2, _id));
        _assertStatus(_id, Status.Revoked);
    }

    // ---------------------------------------------------------------------------------------------------------
    // The end of the epoch
    // ---------------------------------------------------------------------------------------------------------

    function test_End_GivenWeightsChangeBefore_ItHasExpired() external {
        _open(OF_CAST);
        _vote(0, _id, CHOICE_FOR);
        _vote(1, _id, CHOICE_FOR);
        vm.warp(_ends - 1);
        _renew(1);
        Member[] memory heavier = _heavier();
        _rotate(_boundary(2, heavier), 0, 3, heavier, _mandate(heavier, 0, 3));
        _assertStatus(_id, Status.Expired);
        vm.warp(_ends);
        _assertStatus(_id, Status.Expired);
    }

    /// @dev Replicas may begin epochs as they like, as long as nobody's weight changes: the voting goes on, and its end decides.
    function test_End_GivenEpochsEndBefore_TheVotingGoesOn() external {
        _open(OF_CAST);
        _vote(0, _id, CHOICE_FOR);
        _renew(1);
        vm.warp(_ends - 1);
        _renew(2);
        _assertStatus(_id, Status.Open);
        _vote(1, _id, CHOICE_FOR);
        vm.warp(_ends);
        _assertStatus(_id, Status.Approved);
    }

    /// @dev The members of its epoch voted to the end, and their weights decide, whoever the members are now.
    function test_End_GivenTheEpochEndsAfterwards_TheEndDecides() external {
        bytes32 rejected = _propose(0, OF_CAST, _calls(1, 0), 10);
        bytes32 silent = _propose(0, OF_CAST, _calls(1, 0), 11);
        _open(OF_CAST);
        for (uint256 i = 0; i < 2; ++i) {
            _vote(i, _id, CHOICE_FOR);
            _vote(i, rejected, CHOICE_AGAINST);
        }
        vm.warp(_ends);
        Member[] memory heavier = _heavier();
        _rotate(_boundary(1, heavier), 0, 3, heavier, _mandate(heavier, 0, 3));
        _assertStatus(_id, Status.Approved);
        _assertStatus(rejected, Status.Rejected);
        _assertStatus(silent, Status.Expired);
        _assertExecutable(_ends + TIMELOCK);
    }

    /// @dev Only the first change of weights after its own counts, not a later one.
    function test_End_GivenWeightsChangeTwiceAfterwards_TheEndDecides() external {
        _open(OF_CAST);
        _vote(0, _id, CHOICE_FOR);
        _vote(1, _id, CHOICE_FOR);
        vm.warp(_ends);
        Member[] memory heavier = _heavier();
        _rotate(_boundary(1, heavier), 0, 3, heavier, _mandate(heavier, 0, 3));
        Member[] memory again = _members(4);
        _rotate(_boundary(2, again), 0, 3, again, _mandate(again, 0, 3));
        _assertStatus(_id, Status.Approved);
    }

    /// @dev An era that begins before the end of the voting ends it as an epoch does, and one that begins after it does not.
    function test_M7_End_GivenAnEraBegins() external {
        _open(OF_CAST);
        _vote(0, _id, CHOICE_FOR);
        _vote(1, _id, CHOICE_FOR);
        vm.warp(START + RECOVERY_TIME);
        bytes32 late = _propose(0, OF_CAST, _calls(1, 0), 20);
        _vote(0, late, CHOICE_FOR);
        _vote(1, late, CHOICE_FOR);
        Member[] memory members = _members(4);
        vm.prank(account);
        coordinator.recover(groupId, 0, members);
        _assertStatus(_id, Status.Expired);
        vm.assertEq(coordinator.proposal(groupId, _id).approvedAt, _ends, "approved, and not executed in time");
        _assertStatus(late, Status.Expired);
        vm.assertEq(coordinator.proposal(groupId, late).approvedAt, 0, "not approved");
    }

    // ---------------------------------------------------------------------------------------------------------
    // The end of the time for execution
    // ---------------------------------------------------------------------------------------------------------

    function test_M6_Expiry_GivenAVoteApprovedIt_CountsFromTheVote() external {
        _open(ROUTINE);
        vm.warp(_began + 100);
        _approve(_id);
        _assertExecutable(_began + 100 + TIMELOCK);
    }

    function test_M6_Expiry_GivenTheEndApprovedIt_CountsFromTheEnd() external {
        _open(OF_CAST);
        _vote(0, _id, CHOICE_FOR);
        _vote(1, _id, CHOICE_FOR);
        _assertExecutable(_ends + TIMELOCK);
    }

    /// @dev Without a timelock at once.
    function test_M6_Expiry_WithoutATimelock() external {
        _open(LISTED);
        vm.warp(_began + 100);
        _approve(_id);
        vm.assertEq(coordinator.proposal(groupId, _id).executableFrom, _began + 100, "from");
        vm.warp(_began + 100 + EXPIRY + 1);
        _expectExpired();
        vm.warp(_began + 100);
        coordinator.execute(groupId, _kept);
    }

    /// @dev What fails may be tried until its time is over, and no longer.
    function test_M6_Expiry_GivenACallFails_ItMayBeTriedUntilThen() external {
        vm.deal(account, 0);
        _kept.calls.push(_payment(address(0xbeef), 1 ether)[0]);
        _keep(ROUTINE);
        _id = _propose(0, ROUTINE, _kept.calls, 0);
        _approve(_id);
        bytes memory failure = abi.encodeWithSelector(Errors.CallFailed.selector, 0, address(0xbeef), "");
        uint256 until = _began + TIMELOCK + EXPIRY;
        for (uint256 time = _began + TIMELOCK; time <= until; time += 12 hours) {
            vm.warp(time);
            vm.expectRevert(failure);
            coordinator.execute(groupId, _kept);
            _assertStatus(_id, Status.Approved);
        }
        vm.deal(account, 1 ether);
        vm.warp(until + 1);
        _expectExpired();

        vm.warp(until);
        coordinator.execute(groupId, _kept);
        vm.assertEq(address(0xbeef).balance, 1 ether, "paid");
    }

    function test_M6_Expiry_GivenItWasExecuted_ItStaysSo() external {
        _open(ROUTINE);
        _approve(_id);
        vm.warp(_began + TIMELOCK);
        coordinator.execute(groupId, _kept);
        vm.warp(_began + 365 days);
        _assertStatus(_id, Status.Executed);
    }

    // ---------------------------------------------------------------------------------------------------------
    // Steps
    // ---------------------------------------------------------------------------------------------------------

    /// @dev A proposal of this class, with a call that all of them take.
    function _open(uint8 class) private {
        _kept.calls.push(_calls(1, 0)[0]);
        _keep(class);
        _id = _propose(0, class, _kept.calls, 0);
    }

    function _keep(uint8 class) private {
        (_kept.proposer, _kept.class, _kept.descriptionHash) = (agents[0], class, keccak256(""));
    }

    /// @dev The same members again.
    /// @dev The four, each a thousand times as heavy.
    function _heavier() private view returns (Member[] memory heavier) {
        heavier = _members(4);
        for (uint256 i = 0; i < 4; ++i) {
            heavier[i].weight = 1000;
        }
    }

    function _renew(uint64 sequence) private {
        Member[] memory same = _members(4);
        _rotate(_boundary(sequence, same), 0, 3, same, _noMandate());
    }

    function _expectExpired() private {
        _assertStatus(_id, Status.Expired);
        vm.expectRevert(abi.encodeWithSelector(Errors.WrongStatus.selector, _id, Status.Expired));
        coordinator.execute(groupId, _kept);
    }

    /// @dev Open to the last second, and then this; where it is approved, until its time is over.
    function _assertEnd(Status status) private {
        vm.warp(_ends - 1);
        _assertStatus(_id, Status.Open);
        vm.warp(_ends);
        _assertStatus(_id, status);
        vm.expectRevert(abi.encodeWithSelector(Errors.WrongStatus.selector, _id, status));
        _vote(3, _id, CHOICE_FOR);
        vm.warp(_ends + TIMELOCK + EXPIRY);
        _assertStatus(_id, status);
        vm.warp(_ends + 36_500 days);
        _assertStatus(_id, status == Status.Approved ? Status.Expired : status);
    }

    /// @dev Executable from then on, for the usual expiry, and each bound is one of its seconds.
    function _assertExecutable(uint256 from) private {
        vm.warp(from - 1);
        vm.expectRevert(abi.encodeWithSelector(Errors.TimelockNotOver.selector, _id, from));
        coordinator.execute(groupId, _kept);
        vm.assertEq(coordinator.proposal(groupId, _id).executableFrom, from, "from");
        vm.assertEq(coordinator.proposal(groupId, _id).executableUntil, from + EXPIRY, "until");
        vm.warp(from + EXPIRY + 1);
        _expectExpired();
        vm.warp(from + EXPIRY);
        _assertStatus(_id, Status.Approved);
        coordinator.execute(groupId, _kept);
        _assertStatus(_id, Status.Executed);
        vm.assertEq(recorder.calls(1), 1, "made once");
    }
}
// forge-lint: disable-end(unsafe-typecast)
