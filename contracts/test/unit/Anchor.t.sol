// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {Errors} from "../../src/Errors.sol";
import {ICoordinatorEvents} from "../../src/ICoordinatorEvents.sol";
import {Anchor, Checkpoint, FLAG_VOTER, Member} from "../../src/Types.sol";
import {RefusalFixture} from "../support/RefusalFixture.sol";
import {vm} from "../support/Vm.sol";

/// @notice The branches of `anchor` in Anchors.tree: succession and signatures.
contract AnchorTest is RefusalFixture {
    /// @dev The order of secp256k1.
    uint256 private constant CURVE_ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;

    function setUp() public override {
        super.setUp();
        _fill(5);
        _anchor(10);
        _fill(2);
        vm.warp(START + 100);
    }

    // ---------------------------------------------------------------------------------------------------------
    // Succession
    // ---------------------------------------------------------------------------------------------------------

    function test_Anchor_RevertWhen_GroupIsUnknown() external {
        Checkpoint memory checkpoint = _checkpoint(11);
        bytes memory signatures = _signatures(checkpoint, 0, 3);
        checkpoint.groupId = "none";
        _expectRefusal(checkpoint, signatures, abi.encodeWithSelector(Errors.UnknownGroup.selector, bytes32("none")));
    }

    /// @dev Another number of this era, and the same number of another.
    function test_Anchor_RevertWhen_EpochIsAnother() external {
        Checkpoint memory checkpoint = _checkpoint(11);
        checkpoint.epoch = 1;
        _expectRefusal(checkpoint, abi.encodeWithSelector(Errors.EpochMismatch.selector, 1, 0));
        checkpoint.epoch = 1 << 32;
        _expectRefusal(checkpoint, abi.encodeWithSelector(Errors.EpochMismatch.selector, uint64(1 << 32), 0));
        // What storage has no room for is not cut off.
        checkpoint.epoch = 1 << 48;
        _expectRefusal(checkpoint, abi.encodeWithSelector(Errors.EpochMismatch.selector, uint64(1 << 48), 0));
    }

    function test_Anchor_RevertWhen_SequenceIsNotAbove() external {
        _expectRefusal(_checkpoint(10), abi.encodeWithSelector(Errors.StaleSequence.selector, 10, 10));
        _expectRefusal(_checkpoint(9), abi.encodeWithSelector(Errors.StaleSequence.selector, 9, 10));
    }

    function test_Anchor_RevertWhen_SequenceIsZero() external {
        groupId = _createGroup(_members(4), _terms(), "fresh");
        _expectRefusal(_checkpoint(0), abi.encodeWithSelector(Errors.StaleSequence.selector, 0, 0));
    }

    function test_Anchor_RevertWhen_LogShrinks() external {
        Checkpoint memory checkpoint = _checkpoint(11);
        checkpoint.logSize = 4;
        checkpoint.logRoot = log.root(4);
        _expectRefusal(checkpoint, abi.encodeWithSelector(Errors.LogShrunk.selector, 4, 5));
    }

    function test_Anchor_RevertWhen_TheRootIsZero() external {
        Checkpoint memory checkpoint = _checkpoint(11);
        checkpoint.logRoot = 0;
        _expectRefusal(checkpoint, abi.encodeWithSelector(Errors.ZeroLogRoot.selector));
    }

    function test_Anchor_RevertWhen_TheEpochEnds() external {
        Checkpoint memory checkpoint = _checkpoint(11);
        checkpoint.nextMembersHash = "members";
        _expectRefusal(checkpoint, abi.encodeWithSelector(Errors.NextMembersMissing.selector, bytes32("members")));
    }

    // ---------------------------------------------------------------------------------------------------------
    // Signatures
    // ---------------------------------------------------------------------------------------------------------

    function test_Anchor_RevertWhen_LengthIsNoMultiple() external {
        Checkpoint memory checkpoint = _checkpoint(11);
        bytes memory signatures = bytes.concat(_signatures(checkpoint, 0, 3), hex"00");
        _expectRefusal(checkpoint, signatures, abi.encodeWithSelector(Errors.InvalidSignaturesLength.selector, 196));
    }

    function test_Anchor_RevertWhen_SignaturesAreTooFew() external {
        Checkpoint memory checkpoint = _checkpoint(11);
        _expectRefusal(
            checkpoint, _signatures(checkpoint, 1, 2), abi.encodeWithSelector(Errors.NotEnoughSignatures.selector, 2, 3)
        );
        _expectRefusal(checkpoint, "", abi.encodeWithSelector(Errors.NotEnoughSignatures.selector, 0, 3));
    }

    /// @dev The number of signatures that suffice, counted out for some sizes of groups.
    function test_Anchor_NeedsAQuorum() external {
        _makeAgents(10);
        uint8[7] memory quorums = [3, 4, 4, 5, 6, 6, 7];
        for (uint256 i = 0; i < quorums.length; ++i) {
            uint256 replicas = i + 4;
            groupId = _createGroup(_members(replicas), _terms(), bytes32(i));
            Checkpoint memory checkpoint = _checkpoint(1);
            _expectRefusal(
                checkpoint,
                _signatures(checkpoint, 1, quorums[i] - 1),
                abi.encodeWithSelector(Errors.NotEnoughSignatures.selector, quorums[i] - 1, quorums[i])
            );
            _anchor(checkpoint, 1, quorums[i]);
        }
    }

    function test_Anchor_RevertWhen_ASignatureIsNobodys() external {
        Checkpoint memory checkpoint = _checkpoint(11);
        bytes memory signatures = bytes.concat(_signatures(checkpoint, 0, 2), new bytes(65));
        _expectRefusal(checkpoint, signatures, abi.encodeWithSelector(Errors.InvalidSignature.selector, 2));
    }

    function test_Anchor_RevertWhen_SIsHigh() external {
        Checkpoint memory checkpoint = _checkpoint(11);
        bytes32 digest = coordinator.hashCheckpoint(checkpoint);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(privateKeys[0], digest);
        bytes memory twin = abi.encodePacked(r, CURVE_ORDER - uint256(s), v == 27 ? uint8(28) : uint8(27));
        bytes memory signatures = bytes.concat(twin, _signatures(checkpoint, 1, 2));
        _expectRefusal(checkpoint, signatures, abi.encodeWithSelector(Errors.InvalidSignature.selector, 0));
    }

    /// @dev 0 and 1 are taken for 27 and 28, and no other number is.
    function testFuzz_Anchor_TakesFourNumbersForV(uint8 v) external {
        Checkpoint memory checkpoint = _checkpoint(11);
        bytes memory signatures = _signatures(checkpoint, 0, 3);
        uint8 right = uint8(signatures[64]);
        signatures[64] = bytes1(v);
        (bool anchored,) = address(coordinator)
            .call(abi.encodeCall(coordinator.anchor, (checkpoint, signatures, _consistency(checkpoint), _noTaken())));
        vm.assertEq(anchored, v == right || v == right - 27, "anchored");
    }

    function test_Anchor_TakesZeroAndOneForV() external {
        Checkpoint memory checkpoint = _checkpoint(11);
        bytes memory signatures = _signatures(checkpoint, 0, 3);
        for (uint256 i = 0; i < 3; ++i) {
            signatures[65 * i + 64] = bytes1(uint8(signatures[65 * i + 64]) - 27);
        }
        coordinator.anchor(checkpoint, signatures, _consistency(checkpoint), _noTaken());
        vm.assertEq(coordinator.latestAnchor(groupId).sequence, 11, "anchored");
    }

    function test_Anchor_RevertGiven_OneSignedTwice() external {
        Checkpoint memory checkpoint = _checkpoint(11);
        bytes memory signatures = bytes.concat(_signatures(checkpoint, 0, 2), _signatures(checkpoint, 1, 1));
        _expectRefusal(
            checkpoint, signatures, abi.encodeWithSelector(Errors.SignersNotAscending.selector, agents[1], agents[1])
        );
    }

    function test_Anchor_RevertGiven_SwappedSigners() external {
        Checkpoint memory checkpoint = _checkpoint(11);
        bytes memory signatures = bytes.concat(_signatures(checkpoint, 1, 2), _signatures(checkpoint, 0, 1));
        _expectRefusal(
            checkpoint, signatures, abi.encodeWithSelector(Errors.SignersNotAscending.selector, agents[2], agents[0])
        );
    }

    function test_Anchor_RevertGiven_VoterOnly() external {
        _makeAgents(5);
        Member[] memory members = _members(5);
        members[2].flags = FLAG_VOTER;
        groupId = _createGroup(members, _terms(), "voter only");
        _expectDoesNotCount(_checkpoint(1), 0, agents[2]);
    }

    function test_Anchor_RevertGiven_AReplicaOfAnotherGroup() external {
        _makeAgents(5);
        groupId = _createGroup(_between(1, 5), _terms(), "others");
        _expectDoesNotCount(_checkpoint(1), 0, agents[0]);
        _anchor(_checkpoint(1), 1, 3);
    }

    function test_Anchor_RevertGiven_AnotherCheckpointSigned() external {
        bytes memory signatures = _signatures(_checkpoint(11), 0, 3);
        _expectStranger(_checkpoint(12), signatures);
    }

    /// @dev No field of a checkpoint can be changed under its signatures.
    function test_Anchor_RevertWhen_AnyFieldIsChanged() external {
        _enqueue();
        _checkpoint(11);
        _fill(2);
        for (uint256 field = 0; field < 7; ++field) {
            Checkpoint memory checkpoint = _checkpoint(11);
            bytes memory signatures = _signatures(checkpoint, 0, 3);
            if (field == 0) checkpoint.sequence = 12;
            if (field == 1) checkpoint.logSize -= 1;
            if (field == 2) checkpoint.logRoot = "other";
            if (field == 3) checkpoint.stateRoot = "other";
            if (field == 4) (checkpoint.inboxCount, checkpoint.inboxHash) = (0, 0);
            if (field == 5) checkpoint.inboxHash = "other";
            if (field == 6) checkpoint.nextMembersHash = "other";
            bool whole = field == 0 || field == 3;
            if (whole) _expectStranger(checkpoint, signatures);
            _assertRefused(checkpoint, signatures);
        }
    }

    function test_Anchor_RevertWhen_SignedForAnotherChain() external {
        Checkpoint memory checkpoint = _checkpoint(11);
        bytes memory signatures = _signatures(checkpoint, 0, 3);
        vm.chainId(block.chainid + 1);
        _assertRefused(checkpoint, signatures);
    }

    // ---------------------------------------------------------------------------------------------------------
    // Success
    // ---------------------------------------------------------------------------------------------------------

    function test_Anchor_KeepsTheCheckpoint() external {
        Checkpoint memory checkpoint = _checkpoint(11);
        bytes memory signatures = _signatures(checkpoint, 1, 3);
        bytes32[] memory consistency = _consistency(checkpoint);
        vm.expectEmit(address(coordinator));
        emit ICoordinatorEvents.Anchored(groupId, 11, 7, 0, log.root(), checkpoint.stateRoot, 0, 0, 0);
        vm.prank(address(0xbeef));
        coordinator.anchor(checkpoint, signatures, consistency, _noTaken());

        Anchor memory expected =
            Anchor({epoch: 0, sequence: 11, logSize: 7, anchoredAt: uint64(START + 100), logRoot: log.root()});
        vm.assertEq(abi.encode(coordinator.latestAnchor(groupId)), abi.encode(expected), "latest anchor");
        _assertRoot(7, log.root());
        _assertRoot(5, log.root(5));
        _assertRoot(6, 0);
        vm.assertEq(coordinator.group(groupId).replicaCount, 4, "replicas");
        vm.assertEq(coordinator.quorum(groupId), 3, "quorum");
    }

    function test_Anchor_TakesMoreThanAQuorum() external {
        _anchor(_checkpoint(11), 0, 4);
        vm.assertEq(coordinator.latestAnchor(groupId).sequence, 11, "anchored");
    }

    function test_Anchor_GivenLogDidNotGrow_KeepsTheRoot() external {
        Checkpoint memory checkpoint = _checkpoint(11);
        checkpoint.logSize = 5;
        checkpoint.logRoot = log.root(5);
        _anchor(checkpoint, 0, 3);

        _assertRoot(5, log.root(5));
        vm.assertEq(coordinator.latestAnchor(groupId).anchoredAt, START + 100, "the anchor's own time");
    }

    function test_Anchor_TakesTheLargestSequence() external {
        _anchor(type(uint64).max);
        vm.assertEq(coordinator.latestAnchor(groupId).sequence, type(uint64).max, "anchored");
    }

    function testFuzz_Anchor_OnlyMovesForward(uint64 sequence, uint64 logSize) external {
        _fill(20);
        logSize %= 28;
        if (sequence & 1 == 0) sequence %= 20;
        Checkpoint memory checkpoint = _checkpoint(sequence);
        (checkpoint.logSize, checkpoint.logRoot) = (logSize, log.root(logSize));
        bytes memory signatures = _signatures(checkpoint, 0, 3);
        bytes32[] memory consistency = _consistency(checkpoint);
        (bool anchored,) = address(coordinator)
            .call(abi.encodeCall(coordinator.anchor, (checkpoint, signatures, consistency, _noTaken())));
        vm.assertEq(anchored, sequence > 10 && logSize >= 5, "anchored");
    }

    // ---------------------------------------------------------------------------------------------------------
    // Steps
    // ---------------------------------------------------------------------------------------------------------

    function _expectDoesNotCount(Checkpoint memory checkpoint, uint256 first, address signer) private {
        _expectRefusal(
            checkpoint,
            _signatures(checkpoint, first, 3),
            abi.encodeWithSelector(Errors.SignatureDoesNotCount.selector, signer)
        );
    }

    /// @dev A signature on something else recovers to some address, which is nobody's.
    function _expectStranger(Checkpoint memory checkpoint, bytes memory signatures) private {
        bytes32 r;
        bytes32 s;
        uint8 v;
        assembly ("memory-safe") {
            r := mload(add(signatures, 32))
            s := mload(add(signatures, 64))
            v := byte(0, mload(add(signatures, 96)))
        }
        address stranger = ecrecover(coordinator.hashCheckpoint(checkpoint), v, r, s);
        _expectRefusal(checkpoint, signatures, abi.encodeWithSelector(Errors.SignatureDoesNotCount.selector, stranger));
    }

    function _assertRefused(Checkpoint memory checkpoint, bytes memory signatures) private {
        bytes memory data =
            abi.encodeCall(coordinator.anchor, (checkpoint, signatures, _consistency(checkpoint), _taken(checkpoint)));
        (bool anchored,) = address(coordinator).call(data);
        vm.assertFalse(anchored, "anchored");
    }

    function _assertRoot(uint64 logSize, bytes32 root) private view {
        vm.assertEq(coordinator.anchoredRoot(groupId, logSize), root, "root");
    }
}
// forge-lint: disable-end(unsafe-typecast)
