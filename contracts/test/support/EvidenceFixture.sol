// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {Checkpoint, Fork, Member} from "../../src/Types.sol";
import {RefusalFixture} from "./RefusalFixture.sol";
import {vm} from "./Vm.sol";

/// @notice Two checkpoints, and what reports whoever signed both.
abstract contract EvidenceFixture is RefusalFixture {
    address internal constant REPORTER = address(0xbeef);

    /// @dev Of the current epoch's first sequences, by hand: a report asks nothing of the log or the inbox.
    function _stated(uint64 epoch, uint64 sequence) internal view returns (Checkpoint memory) {
        return Checkpoint({
            groupId: groupId,
            epoch: epoch,
            sequence: sequence,
            logSize: 5 + sequence,
            logRoot: keccak256(abi.encode("root", sequence)),
            stateRoot: "state",
            inboxCount: 0,
            inboxHash: 0,
            nextMembersHash: 0
        });
    }

    /// @dev Two of one sequence in this epoch.
    function _contradiction(uint64 epoch) internal view returns (Checkpoint memory first, Checkpoint memory second) {
        (first, second) = (_stated(epoch, 50), _stated(epoch, 50));
        second.stateRoot = "other";
    }

    /// @dev The agent, who signed two of one sequence in this epoch, is reported, with the epoch's members where that has ended.
    function _convict(uint256 agent, uint64 epoch, Member[] memory members) internal {
        (Checkpoint memory first, Checkpoint memory second) = _contradiction(epoch);
        _report(agent, first, second, members, _noFork());
    }

    function _convict(uint256 agent) internal {
        _convict(agent, coordinator.group(groupId).epoch, _noMembers());
    }

    function _report(
        uint256 agent,
        Checkpoint memory first,
        Checkpoint memory second,
        Member[] memory members,
        Fork memory fork
    ) internal {
        (bytes memory one, bytes memory other) = (_signatures(first, agent, 1), _signatures(second, agent, 1));
        vm.prank(REPORTER);
        coordinator.reportContradiction(first, one, second, other, members, fork);
    }

    function _noMembers() internal pure returns (Member[] memory) {
        return new Member[](0);
    }

    function _isConvicted(uint256 agent) internal view returns (bool) {
        return coordinator.seatOf(groupId, agents[agent]).convicted;
    }
}
