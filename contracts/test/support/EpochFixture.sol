// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {Checkpoint, FLAG_REPLICA, FLAG_VOTER, Member} from "../../src/Types.sol";
import {Fixture} from "./Fixture.sol";

/// @notice A group of five agents of seven, all of weight 1, and what ends an epoch. The first five are the members of
/// epoch 0; in the usual next set two of them are gone and the other two are there.
abstract contract EpochFixture is Fixture {
    function setUp() public virtual override {
        super.setUp();
        _makeAgents(7);
        groupId = _createGroup(_between(0, 5), _termsOf(6000), "epochs");
        account = coordinator.group(groupId).account;
    }

    /// @dev The agents from `first` up to, not including, `end`: each a voter of weight 1 and a replica.
    function _between(uint256 first, uint256 end) internal view returns (Member[] memory members) {
        members = new Member[](end - first);
        for (uint256 i = 0; i < members.length; ++i) {
            address agent = agents[first + i];
            members[i] = Member({account: agent, key: _key(agent), weight: 1, flags: FLAG_VOTER | FLAG_REPLICA});
        }
    }

    /// @dev The usual next members: the first two are gone, the last two are new.
    function _next() internal view returns (Member[] memory) {
        return _between(2, 7);
    }

    function _hash(Member[] memory members) internal pure returns (bytes32) {
        return keccak256(abi.encode(members));
    }

    /// @dev The checkpoint of the log as it is, in `epoch`.
    function _checkpointIn(uint64 epoch, uint64 sequence) internal view returns (Checkpoint memory checkpoint) {
        checkpoint = _checkpoint(sequence);
        checkpoint.epoch = epoch;
    }

    /// @dev The last checkpoint of `epoch`, before `next`.
    function _boundary(uint64 epoch, uint64 sequence, Member[] memory next)
        internal
        view
        returns (Checkpoint memory checkpoint)
    {
        checkpoint = _checkpointIn(epoch, sequence);
        checkpoint.nextMembersHash = _hash(next);
    }

    /// @dev Ends epoch 0, whose first four replicas sign, with the log as it is.
    function _rotateTo(Member[] memory next, uint64 sequence) internal {
        Checkpoint memory checkpoint = _boundary(0, sequence, next);
        coordinator.anchorAndRotate(checkpoint, _signatures(checkpoint, 0, 4), next);
    }
}
