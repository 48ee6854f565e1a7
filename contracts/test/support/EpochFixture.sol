// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {Member} from "../../src/Types.sol";
import {AnchorFixture} from "./AnchorFixture.sol";

/// @notice A group of five agents of seven, all of weight 1, whose votes reach `ROUTINE`'s threshold when three are for. The
/// first five are the members of epoch 0; in the usual next set two of them are gone and the other two are there.
abstract contract EpochFixture is AnchorFixture {
    function setUp() public virtual override {
        super.setUp();
        _makeAgents(7);
        _useWithFreshLog(_createGroup(_members(5), _termsOf(6000), "epochs"));
    }

    /// @dev The usual next members: the first two are gone, the last two are new. Weights change.
    function _next() internal view returns (Member[] memory) {
        return _between(2, 7);
    }

    /// @dev Ends the current epoch with the log as it is, by the first four replicas of epoch 0, who mandate any change.
    function _rotateTo(Member[] memory next, uint64 sequence) internal {
        _rotate(_boundary(sequence, next), 0, 4, next, _mandate(next, 0, 3));
    }
}
