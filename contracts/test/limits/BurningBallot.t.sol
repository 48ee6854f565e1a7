// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {Ballot, CHOICE_FOR, Status} from "../../src/Types.sol";
import {VoteFixture} from "../support/VoteFixture.sol";
import {vm} from "../support/Vm.sol";

/// @notice A voter with code is asked with all gas that there is.
contract BurningVoter {
    fallback() external {
        assembly ("memory-safe") {
            invalid()
        }
    }
}

contract BurningBallotTest is VoteFixture {
    /// @dev "Whoever ... does not spoil the rest" (IOnChainLane.voteBySigs): a ballot of a contract that burns does, unless whoever sends
    /// them leaves it out. In 3 million gas two votes behind it find none.
    function test_Limit_OneBallotThatBurns_SpoilsTheRest() external {
        address voter = address(new BurningVoter());
        _proposeWith(voter);
        Ballot[] memory honest = _ballots(0, 4, id, ends);
        Ballot[] memory ballots = new Ballot[](5);
        ballots[0] = Ballot({voter: voter, choice: CHOICE_FOR, signature: hex"00"});
        for (uint256 i = 0; i < 4; ++i) {
            ballots[i + 1] = honest[i];
        }
        bytes memory data = abi.encodeCall(coordinator.voteBySigs, (groupId, id, ballots));
        (bool success,) = address(coordinator).call{gas: 3_000_000}(data);
        vm.assertFalse(success, "spoilt");
        coordinator.voteBySigs{gas: 3_000_000}(groupId, id, honest);
        _assertStatus(id, Status.Approved);
    }
}
