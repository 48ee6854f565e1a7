// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {Errors} from "../../src/Errors.sol";
import {Approval, Ballot, Content, Member, Status, Terms} from "../../src/Types.sol";
import {AnchorFixture} from "../support/AnchorFixture.sol";
import {Feed} from "../support/Targets.sol";
import {vm} from "../support/Vm.sol";

/// @notice The branches of UptimeFeed.tree: time in which nobody could act opens nothing and ends nothing.
contract UptimeFeedTest is AnchorFixture {
    Feed private _feed;
    uint256 private constant UP = 0;
    uint256 private constant DOWN = 1;

    function setUp() public override {
        super.setUp();
        _feed = new Feed();
        _feed.set(int256(UP), START - 30 days);
        Terms memory terms = _terms();
        terms.uptimeFeed = address(_feed);
        _useWithFreshLog(_createGroup(_members(4), terms, "fed"));
    }

    // ---------------------------------------------------------------------------------------------------------
    // What the feed says
    // ---------------------------------------------------------------------------------------------------------

    /// @dev And for an hour after, in which to vote and object.
    function test_L10_IsUp_AnHourAfterTheSequencerIs() external {
        vm.assertTrue(coordinator.isUp(groupId), "up");
        _feed.set(int256(DOWN), START);
        vm.assertFalse(coordinator.isUp(groupId), "down");
        vm.warp(START + 365 days);
        vm.assertFalse(coordinator.isUp(groupId), "down for long");
        _feed.set(int256(UP), START + 365 days);
        vm.assertFalse(coordinator.isUp(groupId), "just up");
        vm.warp(START + 365 days + 1 hours - 1);
        vm.assertFalse(coordinator.isUp(groupId), "the last second of the hour");
        vm.warp(START + 365 days + 1 hours);
        vm.assertTrue(coordinator.isUp(groupId), "up for an hour");
    }

    /// @dev Any answer but zero is down; a start that is still to come was no hour ago.
    function test_L10_IsUp_ReadsTheAnswerStrictly() external {
        int256[4] memory answers = [int256(-1), int256(2), type(int256).max, type(int256).min];
        for (uint256 i = 0; i < 4; ++i) {
            _feed.set(answers[i], START - 30 days);
            vm.assertFalse(coordinator.isUp(groupId), "down");
        }
        _feed.set(int256(UP), START + 1);
        vm.assertFalse(coordinator.isUp(groupId), "to come");
        _feed.set(int256(UP), type(uint256).max);
        vm.assertFalse(coordinator.isUp(groupId), "never");
    }

    /// @dev A feed that was retired locks nobody's funds.
    function test_L10_IsUp_WhenTheFeedIsRetired() external {
        Feed.Mood[3] memory moods = [Feed.Mood.Reverts, Feed.Mood.Short, Feed.Mood.Burns];
        _feed.set(int256(DOWN), START);
        for (uint256 i = 0; i < 3; ++i) {
            _feed.be(moods[i]);
            vm.assertTrue(coordinator.isUp(groupId), "up");
        }
        vm.etch(address(_feed), "");
        vm.assertTrue(coordinator.isUp(groupId), "without code");
    }

    function test_L10_IsUp_WithoutAFeed() external {
        vm.assertTrue(coordinator.isUp(_createGroup(_members(4), _terms(), "unfed")), "up");
    }

    /// @dev Whoever gives so little gas that the feed fails is refused.
    function test_L10_NobodyStarvesTheFeed() external {
        _feed.set(int256(DOWN), START);
        bytes memory data = abi.encodeCall(coordinator.isUp, (groupId));
        uint256 starved = 0;
        for (uint256 gas_ = 10_000; gas_ < 120_000; gas_ += 1000) {
            (bool success, bytes memory answer) = address(coordinator).staticcall{gas: gas_}(data);
            if (success) vm.assertFalse(abi.decode(answer, (bool)), "down, whatever the gas");
            else if (bytes4(answer) == Errors.NotEnoughGasForFeed.selector) ++starved;
        }
        vm.assertTrue(starved > 10, "some was too little");
    }

    // ---------------------------------------------------------------------------------------------------------
    // Where it is asked
    // ---------------------------------------------------------------------------------------------------------

    /// @dev A message waited while nobody could serve it: that is no stall to act upon.
    function test_L10_Propose_WhereTheLaneOpensInAStall() external {
        _stall();
        _goDown();
        _expectDown();
        _propose(0, OF_CAST, _calls(1, 0), 0);
        // What is always open has nothing to wait for.
        _propose(0, ROUTINE, _calls(1, 0), 0);
        _comeUp();
        _propose(0, OF_CAST, _calls(1, 0), 0);
    }

    function test_L10_ApproveBySigs() external {
        _stall();
        Content memory content = _content(0, ESCAPE, _calls(1, 0), 0);
        uint64 ends = uint64(block.timestamp + VOTING_PERIOD);
        Ballot[] memory ballots = _ballots(0, 3, _idOf(content), ends);
        _goDown();
        _expectDown();
        coordinator.approveBySigs(groupId, content, ends, ballots);
        _comeUp();
        coordinator.approveBySigs(groupId, content, ends, ballots);
    }

    /// @dev The timelock ran out while nobody could object.
    function test_L10_Execute() external {
        Content memory content = _approved(ROUTINE, _calls(1, 0), 0);
        bytes32 id = _idOf(content);
        _goDown();
        vm.warp(START + TIMELOCK);
        _expectDown();
        coordinator.execute(groupId, content);
        _comeUp();
        coordinator.execute(groupId, content);
        _assertStatus(id, Status.Executed);
    }

    /// @dev In the hour after an outage it can be vetoed.
    function test_L10_Veto_WorksInTheHour() external {
        Content memory content = _approved(ROUTINE, _calls(1, 0), 0);
        bytes32 id = _idOf(content);
        vm.warp(START + TIMELOCK);
        _feed.set(int256(UP), block.timestamp);
        _expectDown();
        coordinator.execute(groupId, content);
        coordinator.veto(groupId, id, _objections(0, 2, id));
        _assertStatus(id, Status.Revoked);
    }

    function test_L10_Recover() external {
        _enqueue();
        vm.warp(START + RECOVERY_TIME);
        Member[] memory members = _members(4);
        _goDown();
        _expectDown();
        vm.prank(account);
        coordinator.recover(groupId, 0, members);
        _comeUp();
        vm.prank(account);
        coordinator.recover(groupId, 0, members);
    }

    /// @dev The anchored lane has no period to wait for.
    function test_L10_ExecuteAnchored_DoesNotAsk() external {
        Approval memory approval = _appendApproval(_content(0, LISTED, _calls(1, 0), 0));
        _goDown();
        _anchor(1);
        coordinator.executeAnchored(groupId, 1, approval, new bytes32[](0));
        vm.assertEq(recorder.calls(1), 1, "made once");
    }

    // ---------------------------------------------------------------------------------------------------------
    // Steps
    // ---------------------------------------------------------------------------------------------------------

    function _goDown() private {
        _feed.set(int256(DOWN), block.timestamp);
    }

    /// @dev And an hour passes.
    function _comeUp() private {
        _feed.set(int256(UP), block.timestamp);
        vm.warp(block.timestamp + 1 hours);
    }

    function _expectDown() private {
        vm.expectRevert(abi.encodeWithSelector(Errors.SequencerDown.selector, address(_feed)));
    }
}
// forge-lint: disable-end(unsafe-typecast)
