// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {Errors} from "../../src/Errors.sol";
import {ICoordinatorEvents} from "../../src/ICoordinatorEvents.sol";
import {Anchor, Checkpoint, FLAG_VOTER, Member} from "../../src/Types.sol";
import {Fixture} from "../support/Fixture.sol";
import {vm} from "../support/Vm.sol";

/// @notice The branches of `anchor` in Anchors.tree.
contract AnchorTest is Fixture {
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
        checkpoint.groupId = "none";
        _expectRefusal(checkpoint, abi.encodeWithSelector(Errors.UnknownGroup.selector, bytes32("none")));
    }

    function test_Anchor_RevertWhen_EpochIsAnother() external {
        Checkpoint memory checkpoint = _checkpoint(11);
        checkpoint.epoch = 1;
        _expectRefusal(checkpoint, abi.encodeWithSelector(Errors.EpochMismatch.selector, 1, 0));
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

    function test_Anchor_RevertWhen_SameSizeHasAnotherRoot() external {
        Checkpoint memory checkpoint = _checkpoint(11);
        checkpoint.logSize = 5;
        checkpoint.logRoot = "other";
        _expectRefusal(
            checkpoint, abi.encodeWithSelector(Errors.LogRootMismatch.selector, 5, log.root(5), bytes32("other"))
        );
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
            coordinator.anchor(checkpoint, _signatures(checkpoint, 1, quorums[i]));
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
        Checkpoint memory checkpoint = _checkpoint(1);
        _expectRefusal(
            checkpoint,
            _signatures(checkpoint, 0, 3),
            abi.encodeWithSelector(Errors.NotReplica.selector, groupId, agents[2])
        );
    }

    function test_Anchor_RevertGiven_AReplicaOfAnotherGroup() external {
        Member[] memory four = _members(4);
        address outsider = agents[3];
        _makeAgents(5);
        Member[] memory others = new Member[](4);
        uint256 taken = 0;
        for (uint256 i = 0; i < 5; ++i) {
            if (agents[i] != outsider) others[taken++] = _members(5)[i];
        }
        groupId = _createGroup(others, _terms(), "others");
        vm.assertEq(four.length, others.length, "sizes");

        uint256 place = 0;
        while (agents[place] != outsider) ++place;
        uint256 first = place >= 2 ? place - 2 : place;
        Checkpoint memory checkpoint = _checkpoint(1);
        _expectRefusal(
            checkpoint,
            _signatures(checkpoint, first, 3),
            abi.encodeWithSelector(Errors.NotReplica.selector, groupId, outsider)
        );
    }

    function test_Anchor_RevertGiven_AnotherCheckpointSigned() external {
        bytes memory signatures = _signatures(_checkpoint(11), 0, 3);
        _expectStranger(_checkpoint(12), signatures);
    }

    /// @dev No field of a checkpoint can be changed under its signatures.
    function test_Anchor_RevertWhen_AnyFieldIsChanged() external {
        vm.prank(agents[0]);
        coordinator.enqueue(groupId, "command");
        for (uint256 field = 0; field < 5; ++field) {
            Checkpoint memory checkpoint = _checkpoint(11);
            bytes memory signatures = _signatures(checkpoint, 0, 3);
            if (field == 0) checkpoint.sequence = 12;
            if (field == 1) checkpoint.logSize = 8;
            if (field == 2) checkpoint.logRoot = "other";
            if (field == 3) checkpoint.stateRoot = "other";
            if (field == 4) checkpoint.inboxCount = 0;
            _expectStranger(checkpoint, signatures);
        }
    }

    function test_Anchor_RevertWhen_SignedForAnotherChain() external {
        bytes memory signatures = _signatures(_checkpoint(11), 0, 3);
        vm.chainId(block.chainid + 1);
        _expectStranger(_checkpoint(11), signatures);
    }

    // ---------------------------------------------------------------------------------------------------------
    // Success
    // ---------------------------------------------------------------------------------------------------------

    function test_Anchor_KeepsTheCheckpoint() external {
        Checkpoint memory checkpoint = _checkpoint(11);
        bytes memory signatures = _signatures(checkpoint, 1, 3);
        vm.expectEmit(address(coordinator));
        emit ICoordinatorEvents.Anchored(groupId, 11, 7, 0, log.root(), checkpoint.stateRoot, 0, 0);
        vm.prank(address(0xbeef));
        coordinator.anchor(checkpoint, signatures);

        Anchor memory expected = Anchor({
            epoch: 0,
            sequence: 11,
            logSize: 7,
            anchoredAt: uint64(START + 100),
            logRoot: log.root(),
            stateRoot: checkpoint.stateRoot
        });
        vm.assertEq(abi.encode(coordinator.latestAnchor(groupId)), abi.encode(expected), "latest anchor");
        _assertRoot(7, log.root());
        _assertRoot(5, log.root(5));
        _assertRoot(6, 0);
        vm.assertEq(coordinator.group(groupId).replicaCount, 4, "replicas");
        vm.assertEq(coordinator.quorum(groupId), 3, "quorum");
    }

    function test_Anchor_TakesMoreThanAQuorum() external {
        Checkpoint memory checkpoint = _checkpoint(11);
        coordinator.anchor(checkpoint, _signatures(checkpoint, 0, 4));
        vm.assertEq(coordinator.latestAnchor(groupId).sequence, 11, "anchored");
    }

    function test_Anchor_GivenLogDidNotGrow_KeepsTheRoot() external {
        Checkpoint memory checkpoint = _checkpoint(11);
        checkpoint.logSize = 5;
        checkpoint.logRoot = log.root(5);
        coordinator.anchor(checkpoint, _signatures(checkpoint, 0, 3));

        _assertRoot(5, log.root(5));
        vm.assertEq(coordinator.latestAnchor(groupId).anchoredAt, START + 100, "the anchor's own time");
        vm.assertEq(coordinator.latestAnchor(groupId).stateRoot, checkpoint.stateRoot, "the anchor's own state");
    }

    function test_Anchor_TakesAnEmptyLog() external {
        groupId = _createGroup(_members(4), _terms(), "fresh");
        Checkpoint memory checkpoint = _checkpoint(1);
        checkpoint.logSize = 0;
        checkpoint.logRoot = sha256("");
        coordinator.anchor(checkpoint, _signatures(checkpoint, 0, 3));
        checkpoint.sequence = 2;
        checkpoint.logRoot = "other";
        _expectRefusal(
            checkpoint, abi.encodeWithSelector(Errors.LogRootMismatch.selector, 0, sha256(""), bytes32("other"))
        );
        vm.assertFalse(
            coordinator.verifyInclusion(groupId, 0, _entry(0, "any"), new bytes32[](0)), "nothing is in an empty log"
        );
    }

    function testFuzz_Anchor_OnlyMovesForward(uint64 sequence, uint64 logSize) external {
        Checkpoint memory checkpoint = _checkpoint(sequence);
        checkpoint.logSize = logSize;
        bytes memory signatures = _signatures(checkpoint, 0, 3);
        bool forward = sequence > 10 && logSize > 5;
        (bool anchored,) = address(coordinator).call(abi.encodeCall(coordinator.anchor, (checkpoint, signatures)));
        vm.assertEq(anchored, forward, "anchored");
    }

    // ---------------------------------------------------------------------------------------------------------
    // Steps
    // ---------------------------------------------------------------------------------------------------------

    function _expectRefusal(Checkpoint memory checkpoint, bytes memory refusal) private {
        _expectRefusal(checkpoint, _signatures(checkpoint, 0, 3), refusal);
    }

    function _expectRefusal(Checkpoint memory checkpoint, bytes memory signatures, bytes memory refusal) private {
        vm.expectRevert(refusal);
        coordinator.anchor(checkpoint, signatures);
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
        _expectRefusal(checkpoint, signatures, abi.encodeWithSelector(Errors.NotReplica.selector, groupId, stranger));
    }

    function _assertRoot(uint64 logSize, bytes32 root) private view {
        vm.assertEq(coordinator.anchoredRoot(groupId, logSize), root, "root");
    }
}
// forge-lint: disable-end(unsafe-typecast)
