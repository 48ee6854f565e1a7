// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {Errors} from "./Errors.sol";
import {Storage} from "./Storage.sol";

/// @title Uptime
/// @notice Whether a group's sequencer is up, by a Chainlink L2 sequencer uptime feed that the terms may name. While it is down
/// nobody can vote, object or anchor, so no time that runs then may open or close a lane; and after it is up, voters have an hour.
/// @dev A feed that has no code, reverts or answers fewer than five words has been retired, and counts as up: else it would lock a
/// group's funds. It is asked with so much gas that nobody can starve it into reverting.
abstract contract Uptime is Storage {
    uint256 private constant GRACE = 1 hours;
    uint256 private constant FEED_GAS = 50_000;
    /// @dev A call passes on 63 of 64 parts of what is left (EIP-150), after it has paid for itself.
    uint256 private constant FEED_GAS_DEMANDED = 60_000;
    /// @dev `latestRoundData()`, which returns roundId, answer, startedAt, updatedAt and answeredInRound.
    uint256 private constant LATEST_ROUND_DATA = 0xfeaf968c;

    function _requireUp(GroupState storage group) internal view {
        require(_isUp(group), Errors.SequencerDown(group.uptimeFeed));
    }

    /// @dev Whether the sequencer is up, and has been for an hour.
    function _isUp(GroupState storage group) internal view returns (bool) {
        address feed = group.uptimeFeed;
        if (feed == address(0)) return true;
        uint256 left = gasleft();
        require(left >= FEED_GAS_DEMANDED, Errors.NotEnoughGasForFeed(left));

        (bool answers, uint256 answer, uint256 startedAt) = _ask(feed);
        if (!answers) return true;
        // An hour's grace; what a block's producer can shift is far below that.
        // slither-disable-next-line timestamp
        return answer == 0 && startedAt <= block.timestamp && block.timestamp - startedAt >= GRACE;
    }

    /// @dev Assembly, because the gas is bounded, and what is returned is not copied beyond five words.
    function _ask(address feed) private view returns (bool answers, uint256 answer, uint256 startedAt) {
        // slither-disable-next-line assembly
        assembly ("memory-safe") {
            let memory_ := mload(0x40)
            mstore(memory_, shl(224, LATEST_ROUND_DATA))
            let success := staticcall(FEED_GAS, feed, memory_, 0x04, memory_, 0xa0)
            answers := and(success, gt(returndatasize(), 0x9f))
            answer := mload(add(memory_, 0x20))
            startedAt := mload(add(memory_, 0x40))
        }
    }
}
