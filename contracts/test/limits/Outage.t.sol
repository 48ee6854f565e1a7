// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {Errors} from "../../src/Errors.sol";
import {
    CHOICE_AGAINST,
    CHOICE_FOR,
    Class,
    Content,
    FLAG_REPLICA,
    FLAG_VOTER,
    Member,
    Status,
    Terms
} from "../../src/Types.sol";
import {AnchorFixture} from "../support/AnchorFixture.sol";
import {Feed} from "../support/Targets.sol";
import {vm} from "../support/Vm.sol";

/// @notice A voting that ends while the sequencer is down ends all the same, by the votes that came before (or by force from L1): the
/// feed is asked at the execution alone, and the hour after lets only those object who hold more of *all* weight than the threshold
/// leaves, where votes against of as much as the votes for would have rejected it.
contract OutageTest is AnchorFixture {
    Feed private _feed;

    /// @dev Ten voters of weight 1, each a replica. `OF_CAST`: 60 % of what is cast, turnout here 30 %.
    function setUp() public override {
        super.setUp();
        _feed = new Feed();
        _feed.set(0, START - 30 days);
        _makeAgents(10);
        Terms memory terms = _terms();
        terms.uptimeFeed = address(_feed);
        terms.classes[OF_CAST].turnout = 3000;
        _useWithFreshLog(_createGroup(_members(10), terms, "fed"));
    }

    function test_Limit_AVotingEndsInAnOutage_AndNobodyCouldVoteAgainst() external {
        _stall();
        Content memory content = _content(0, OF_CAST, _payment(address(0xbad), 100 ether), 0);
        bytes32 id = _propose(0, OF_CAST, content.calls, 0);
        for (uint256 i = 0; i < 3; ++i) {
            _vote(i, id, CHOICE_FOR);
        }
        // Down before the others came to vote, up after the end of the voting.
        _feed.set(1, block.timestamp + 1);
        vm.warp(block.timestamp + VOTING_PERIOD);
        _feed.set(0, block.timestamp);
        // Four object within the hour: more than were for it, and it would have been rejected by them.
        bytes memory data = abi.encodeCall(coordinator.veto, (groupId, id, _objections(3, 4, id)));
        (bool vetoed,) = address(coordinator).call(data);
        vm.assertFalse(vetoed, "40 % of all cannot object");
        vm.warp(block.timestamp + 1 hours);
        coordinator.execute(groupId, content);
        vm.assertEq(account.balance, 0, "taken by three of ten");
    }

    /// @dev What the four could have done without the outage.
    function test_Held_WithoutAnOutage_TheyReject() external {
        _stall();
        bytes32 id = _propose(0, OF_CAST, _payment(address(0xbad), 100 ether), 0);
        for (uint256 i = 0; i < 7; ++i) {
            _vote(i, id, i < 3 ? CHOICE_FOR : CHOICE_AGAINST);
        }
        vm.warp(block.timestamp + VOTING_PERIOD);
        _assertStatus(id, Status.Rejected);
    }
}
// forge-lint: disable-end(unsafe-typecast)
