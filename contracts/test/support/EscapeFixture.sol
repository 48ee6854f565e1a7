// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {Ballot, Content} from "../../src/Types.sol";
import {AnchorFixture} from "./AnchorFixture.sol";
import {Fixture} from "./Fixture.sol";
import {VoteFixture} from "./VoteFixture.sol";
import {vm} from "./Vm.sol";

/// @notice A group that has stalled, and a proposal of class `ESCAPE` that it votes on off-chain, of which the contract has not
/// heard.
abstract contract EscapeFixture is AnchorFixture, VoteFixture {
    /// @dev The first second at which the group has stalled.
    uint64 internal stalledAt;

    function setUp() public virtual override(Fixture, VoteFixture) {
        super.setUp();
        id = _idOf(_offChain());
        ends = uint64(START + VOTING_PERIOD);
        // The message by which `VoteFixture` opened a proposal waits.
        stalledAt = uint64(START + STALL_TIME);
        vm.warp(stalledAt);
    }

    /// @dev What is voted on off-chain.
    function _offChain() internal view returns (Content memory) {
        return _content(0, ESCAPE, _calls(9, 0), 7);
    }

    /// @dev By the votes of the first `count` agents.
    function _approveBySigs(uint256 count) internal {
        (Content memory content, Ballot[] memory ballots) = (_offChain(), _ballots(0, count, id, ends));
        coordinator.approveBySigs(groupId, content, ends, ballots);
    }
}
// forge-lint: disable-end(unsafe-typecast)
