// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {Anchor, Checkpoint} from "../../src/Types.sol";
import {vm} from "../support/Vm.sol";
import {ProofFixture} from "./ProofFixture.sol";

/// @notice Which checkpoints the contract accepts as anchors.
///
/// For one group of five members in its second epoch, four of them replicas, thus a quorum of three; for any checkpoint
/// of that group, and any bytes for signatures in the lengths that stand at each check.
///
/// Not proven: other sizes of groups; that only the holder of a key can sign (`ecrecover` is any function at all); what
/// the signed digest looks like to a wallet, which `test/unit/Hashes.t.sol` and the golden vectors pin.
contract AnchorProof is ProofFixture {
    /// @notice Proven: whoever signed an accepted checkpoint are distinct, in strictly ascending order, replicas of the
    /// current epoch, at least a quorum of them, and each signature is the only one of its kind (low s).
    /// Bounds: `signatures` of 130, 195, 196 and 260 bytes: two, three and four signatures, and a byte too many.
    /// @custom:halmos --array-lengths signatures={130,195,196,260}
    function check_AnAnchorHasAQuorumOfReplicas(Checkpoint memory checkpoint, bytes memory signatures) external {
        checkpoint.groupId = groupId;
        if (_anchors(checkpoint, signatures)) _assertQuorum(checkpoint, signatures);
    }

    /// @notice Proven: the same of `anchorAndRotate`.
    /// Bounds: `signatures` of 130 and 195 bytes; one list of next members.
    /// @custom:halmos --array-lengths signatures={130,195}
    function check_ARotationHasAQuorumOfReplicas(Checkpoint memory checkpoint, bytes memory signatures) external {
        checkpoint.groupId = groupId;
        if (_rotates(checkpoint, signatures)) _assertQuorum(checkpoint, signatures);
    }

    /// @notice Proven: after any accepted anchor, a checkpoint that a quorum signed is accepted exactly when it is of the
    /// current epoch, has a greater sequence, a root, a log that is not smaller and of which the same size has the same root,
    /// no message of the empty inbox, and no next members. What was accepted is the latest anchor.
    /// Bounds: three signatures.
    function check_AnAnchorSucceedsTheLast(
        uint64 sequence,
        uint64 logSize,
        bytes32 logRoot,
        Checkpoint memory checkpoint
    ) external {
        _anchorFirst(sequence, logSize, logRoot);
        checkpoint.groupId = groupId;
        bool accepted = _anchors(checkpoint, _signedByQuorum(checkpoint));
        assert(accepted == (_succeeds(checkpoint, sequence, logSize, logRoot) && checkpoint.nextMembersHash == 0));
        if (accepted) _assertLatest(checkpoint);
    }

    /// @notice Proven: the same of `anchorAndRotate`, but that the next members are named by their hash; and nothing of
    /// the epoch that it ends is accepted afterwards.
    /// Bounds: three signatures; one list of next members.
    function check_ARotationSucceedsTheLast(
        uint64 sequence,
        uint64 logSize,
        bytes32 logRoot,
        Checkpoint memory checkpoint,
        Checkpoint memory afterwards
    ) external {
        _anchorFirst(sequence, logSize, logRoot);
        checkpoint.groupId = groupId;
        bool accepted = _rotates(checkpoint, _signedByQuorum(checkpoint));
        bytes32 named = keccak256(abi.encode(_members(FORMER)));
        assert(accepted == (_succeeds(checkpoint, sequence, logSize, logRoot) && checkpoint.nextMembersHash == named));
        if (!accepted) return;
        _assertLatest(checkpoint);
        afterwards.groupId = groupId;
        afterwards.epoch = 1;
        assert(!_anchors(afterwards, _signedByQuorum(afterwards)));
    }

    /// @dev Anchors any checkpoint that can follow the boundary.
    function _anchorFirst(uint64 sequence, uint64 logSize, bytes32 logRoot) private {
        vm.assume(sequence > BOUNDARY);
        vm.assume(logSize > 0);
        vm.assume(logRoot != 0);
        Checkpoint memory first = _checkpoint(1, sequence, logSize, logRoot);
        coordinator.anchor(first, _signedByQuorum(first));
    }

    function _succeeds(Checkpoint memory checkpoint, uint64 sequence, uint64 logSize, bytes32 logRoot)
        private
        pure
        returns (bool)
    {
        return checkpoint.epoch == 1 && checkpoint.sequence > sequence && checkpoint.inboxCount == 0
            && checkpoint.logRoot != 0
            && (checkpoint.logSize > logSize || (checkpoint.logSize == logSize && checkpoint.logRoot == logRoot));
    }

    function _assertLatest(Checkpoint memory checkpoint) private view {
        Anchor memory latest = coordinator.latestAnchor(groupId);
        assert(latest.epoch == 1);
        assert(latest.sequence == checkpoint.sequence);
        assert(latest.logSize == checkpoint.logSize);
        assert(latest.logRoot == checkpoint.logRoot);
        assert(latest.stateRoot == checkpoint.stateRoot);
    }

    function _assertQuorum(Checkpoint memory checkpoint, bytes memory signatures) private view {
        assert(signatures.length % 65 == 0);
        uint256 count = signatures.length / 65;
        assert(count >= QUORUM);
        bytes32 digest = _digest(checkpoint);
        address previous = address(0);
        for (uint256 i = 0; i < count; ++i) {
            (bytes32 r, bytes32 s, uint8 v) = _parts(signatures, i);
            address signer = ecrecover(digest, v, r, s);
            assert(signer > previous);
            assert(_isReplica(signer));
            assert(uint256(s) <= HALF_ORDER);
            previous = signer;
        }
    }
}
