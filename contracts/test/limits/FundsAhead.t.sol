// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {Errors} from "../../src/Errors.sol";
import {Member, Terms} from "../../src/Types.sol";
import {Fixture} from "../support/Fixture.sol";
import {vm} from "../support/Vm.sol";

/// @notice An account's address is known before its group is made, and funds can be sent ahead (test_L1_FundsSentAhead_AreTheGroups).
/// Any one of the members, present or bribed, keeps that group from ever being made by another key, and the funds there for good.
contract FundsAheadTest is Fixture {
    function test_Limit_OneMemberLocksFundsThatWereSentAhead() external {
        Member[] memory members = _members(4);
        Terms memory terms = _terms();
        bytes32 id = coordinator.groupIdOf(address(this), "ahead", _hash(members), keccak256(abi.encode(terms)));
        address ahead = coordinator.accountOf(id);
        vm.deal(ahead, 100 ether);

        vm.prank(agents[3]);
        coordinator.register("another key");
        vm.expectRevert(
            abi.encodeWithSelector(Errors.KeyMismatch.selector, agents[3], bytes32("another key"), _key(agents[3]))
        );
        coordinator.createGroup(members, terms, "ahead");
        vm.assertEq(ahead.code.length, 0, "nobody's");
    }
}
// forge-lint: disable-end(unsafe-typecast)
