// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {Approval, Checkpoint, Mandate, Member, Taken} from "../../src/Types.sol";
import {AnchorFixture} from "./AnchorFixture.sol";
import {vm} from "./Vm.sol";

/// @notice What the anchored lane refuses, with the error that it refuses it by. All that goes with a checkpoint is worked out
/// before the refusal is awaited, because the cheat code awaits it of the next call.
abstract contract RefusalFixture is AnchorFixture {
    /// @dev With its proofs, signed by the first three agents.
    function _expectRefusal(Checkpoint memory checkpoint, bytes memory refusal) internal {
        _expectRefusal(checkpoint, _signatures(checkpoint, 0, 3), refusal);
    }

    function _expectRefusal(Checkpoint memory checkpoint, bytes memory signatures, bytes memory refusal) internal {
        (bytes32[] memory consistency, Taken memory taken) = (_consistency(checkpoint), _taken(checkpoint));
        vm.expectRevert(refusal);
        coordinator.anchor(checkpoint, signatures, consistency, taken);
    }

    /// @dev Signed by the first three agents.
    function _expectRefusal(
        Checkpoint memory checkpoint,
        bytes32[] memory consistency,
        Taken memory taken,
        bytes memory refusal
    ) internal {
        bytes memory signatures = _signatures(checkpoint, 0, 3);
        vm.expectRevert(refusal);
        coordinator.anchor(checkpoint, signatures, consistency, taken);
    }

    /// @dev With its proofs, signed by `count` agents from `first` on.
    function _expectRotationRefusal(
        Checkpoint memory checkpoint,
        uint256 first,
        uint256 count,
        Member[] memory next,
        Mandate memory mandate,
        bytes memory refusal
    ) internal {
        bytes memory signatures = _signatures(checkpoint, first, count);
        (bytes32[] memory consistency, Taken memory taken) = (_consistency(checkpoint), _taken(checkpoint));
        vm.expectRevert(refusal);
        coordinator.anchorAndRotate(checkpoint, signatures, consistency, taken, next, mandate);
    }

    /// @dev By the log of `size` entries, with the path of the approval's own index.
    function _expectExecutionRefusal(Approval memory approval, uint64 size, bytes memory refusal) internal {
        bytes32[] memory path = log.path(approval.index, size);
        vm.expectRevert(refusal);
        coordinator.executeAnchored(groupId, size, approval, path);
    }

    function _expectQueueRefusal(Approval memory approval, uint64 size, bytes memory refusal) internal {
        bytes32[] memory path = log.path(approval.index, size);
        vm.expectRevert(refusal);
        coordinator.queueAnchored(groupId, size, approval, path);
    }

    function _execute(Approval memory approval, uint64 size) internal {
        bytes32[] memory path = log.path(approval.index, size);
        coordinator.executeAnchored(groupId, size, approval, path);
    }

    function _queue(Approval memory approval, uint64 size) internal {
        bytes32[] memory path = log.path(approval.index, size);
        coordinator.queueAnchored(groupId, size, approval, path);
    }
}
