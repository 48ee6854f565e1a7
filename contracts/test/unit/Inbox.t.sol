// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {Errors} from "../../src/Errors.sol";
import {ICoordinatorEvents} from "../../src/ICoordinatorEvents.sol";
import {Checkpoint, INBOX_COMMAND, InboxState, Member} from "../../src/Types.sol";
import {EpochFixture} from "../support/EpochFixture.sol";
import {vm, Vm} from "../support/Vm.sol";

/// @notice The branches of Inbox.tree: `enqueue`, and what anchors have to take in.
contract InboxTest is EpochFixture {
    uint64 private _sequence = 1;

    // ---------------------------------------------------------------------------------------------------------
    // enqueue
    // ---------------------------------------------------------------------------------------------------------

    function test_Enqueue_RevertWhen_GroupIsUnknown() external {
        vm.expectRevert(abi.encodeWithSelector(Errors.UnknownGroup.selector, bytes32("none")));
        coordinator.enqueue("none", "command");
    }

    function test_Enqueue_RevertWhen_TheCallerHasNotRegistered() external {
        vm.expectRevert(abi.encodeWithSelector(Errors.NotRegistered.selector, address(this)));
        coordinator.enqueue(groupId, "command");
    }

    function test_Enqueue_RevertWhen_TheCommandIsEmptyOrTooLong() external {
        vm.expectRevert(abi.encodeWithSelector(Errors.InvalidCommandLength.selector, 0, 16_384));
        vm.prank(agents[0]);
        coordinator.enqueue(groupId, "");
        vm.expectRevert(abi.encodeWithSelector(Errors.InvalidCommandLength.selector, 16_385, 16_384));
        vm.prank(agents[0]);
        coordinator.enqueue(groupId, new bytes(16_385));
    }

    function test_Enqueue_TakesOneByteUpToAll() external {
        _enqueue(0, hex"00");
        _enqueue(0, new bytes(16_384));
        vm.assertEq(coordinator.inbox(groupId).length, 2, "length");
    }

    /// @dev Also of somebody who is no member: whether a command counts is the log's to say.
    function test_Enqueue_TakesItOfWhoeverHasRegistered() external {
        vm.assertEq(coordinator.memberOf(groupId, agents[6]).flags, 0, "no member");
        _enqueue(6, "command");
    }

    function test_Enqueue_AppendsTheMessage() external {
        bytes32 before = _hash(0, 0, agents[2], START, "first");
        vm.expectEmit(address(coordinator));
        emit ICoordinatorEvents.Enqueued(groupId, 0, INBOX_COMMAND, agents[2], uint64(START), "first", before);
        vm.assertEq(_enqueue(2, "first"), 0, "index");

        vm.warp(START + 50);
        bytes32 inboxHash = _hash(before, 1, agents[1], START + 50, "second");
        vm.expectEmit(address(coordinator));
        emit ICoordinatorEvents.Enqueued(groupId, 1, INBOX_COMMAND, agents[1], uint64(START + 50), "second", inboxHash);
        vm.assertEq(_enqueue(1, "second"), 1, "index");

        _assertInbox(2, 0);
        _assertMessage(0, before, START);
        _assertMessage(1, inboxHash, START + 50);
        _assertMessage(2, 0, 0);
    }

    function test_Enqueue_OfOneGroup_IsNothingToAnother() external {
        bytes32 mine = groupId;
        groupId = _createGroup(_between(0, 5), _termsOf(6000), "other");
        _enqueue(0, "command");
        _assertInbox(1, 0);
        groupId = mine;
        _assertInbox(0, 0);
    }

    /// @dev Whatever is put in, the chain of hashes can be worked out from the events alone.
    function testFuzz_Enqueue_TheEventsMakeTheHash(
        bytes[5] memory commands,
        uint8[5] memory who,
        uint16[5] memory pauses
    ) external {
        vm.recordLogs();
        uint256 time = START;
        uint64 count = 0;
        for (uint256 i = 0; i < 5; ++i) {
            time += pauses[i];
            vm.warp(time);
            if (commands[i].length == 0) continue;
            _enqueue(who[i] % 7, commands[i]);
            ++count;
        }
        bytes32 inboxHash = 0;
        Vm.Log[] memory logs = vm.getRecordedLogs();
        vm.assertEq(logs.length, count, "one event a message");
        for (uint64 i = 0; i < count; ++i) {
            (uint8 kind, uint64 enqueuedAt, bytes memory payload, bytes32 told) =
                abi.decode(logs[i].data, (uint8, uint64, bytes, bytes32));
            vm.assertEq(logs[i].topics[2], bytes32(uint256(i)), "index");
            inboxHash = keccak256(
                abi.encode(
                    inboxHash, i, kind, address(uint160(uint256(logs[i].topics[3]))), enqueuedAt, keccak256(payload)
                )
            );
            vm.assertEq(told, inboxHash, "told");
            _assertMessage(i, inboxHash, enqueuedAt);
        }
        _assertInbox(count, 0);
    }

    // ---------------------------------------------------------------------------------------------------------
    // What an anchor takes in
    // ---------------------------------------------------------------------------------------------------------

    function test_Anchor_TakesInSomeOrAll() external {
        _enqueue(0, "a");
        _enqueue(0, "b");
        _enqueue(0, "c");
        _anchorWith(0);
        _assertInbox(3, 0);
        _anchorWith(1);
        _assertInbox(3, 1);
        Checkpoint memory checkpoint = _with(3);
        bytes memory signatures = _signatures(checkpoint, 0, 4);
        vm.expectEmit(address(coordinator));
        emit ICoordinatorEvents.Anchored(
            groupId, checkpoint.sequence, 0, 0, checkpoint.logRoot, checkpoint.stateRoot, 3, 0
        );
        coordinator.anchor(checkpoint, signatures);
        _assertInbox(3, 3);
        _anchorWith(3);
    }

    function test_Anchor_RevertWhen_TheCountGoesBack() external {
        _enqueue(0, "a");
        _enqueue(0, "b");
        _anchorWith(2);
        _expectRefusal(1, abi.encodeWithSelector(Errors.InvalidInboxCount.selector, 1, 2, 2));
        _expectRefusal(0, abi.encodeWithSelector(Errors.InvalidInboxCount.selector, 0, 2, 2));
    }

    function test_Anchor_RevertWhen_TheCountIsBeyondTheInbox() external {
        _expectRefusal(1, abi.encodeWithSelector(Errors.InvalidInboxCount.selector, 1, 0, 0));
        _enqueue(0, "a");
        _expectRefusal(2, abi.encodeWithSelector(Errors.InvalidInboxCount.selector, 2, 0, 1));
        _expectRefusal(
            type(uint64).max, abi.encodeWithSelector(Errors.InvalidInboxCount.selector, type(uint64).max, 0, 1)
        );
    }

    /// @dev The first message that is left out decides: those behind it are younger.
    function test_Anchor_RevertWhen_AMessageIsOverdue() external {
        _enqueue(0, "a");
        vm.warp(START + 600);
        _enqueue(0, "b");

        uint256 dueAt = START + INBOX_DEADLINE;
        vm.warp(dueAt);
        _anchorWith(0);
        vm.warp(dueAt + 1);
        _expectRefusal(0, abi.encodeWithSelector(Errors.InboxOverdue.selector, groupId, 0, dueAt));
        _anchorWith(1);
        vm.warp(dueAt + 601);
        _expectRefusal(1, abi.encodeWithSelector(Errors.InboxOverdue.selector, groupId, 1, dueAt + 600));
        _anchorWith(2);
    }

    /// @dev That anchors have stalled excuses no mere anchor.
    function test_Anchor_RevertGiven_AnchorsHaveStalled() external {
        _enqueue(0, "a");
        vm.warp(START + STALL_TIME);
        _expectRefusal(0, abi.encodeWithSelector(Errors.InboxOverdue.selector, groupId, 0, START + INBOX_DEADLINE));
        _anchorWith(1);
    }

    function testFuzz_Anchor_LeavesNothingOutBeyondItsDeadline(uint16[4] memory pauses, uint64 count, uint32 wait)
        external
    {
        uint256[4] memory times;
        uint256 time = START;
        for (uint256 i = 0; i < 4; ++i) {
            time += pauses[i] % 3600;
            times[i] = time;
            vm.warp(time);
            _enqueue(i, "command");
        }
        vm.warp(time + wait % (2 * INBOX_DEADLINE));
        count %= 6;
        bool allowed = count <= 4 && (count >= 4 || time + wait % (2 * INBOX_DEADLINE) <= times[count] + INBOX_DEADLINE);
        Checkpoint memory checkpoint = _with(count);
        bytes memory signatures = _signatures(checkpoint, 0, 4);
        (bool taken,) = address(coordinator).call(abi.encodeCall(coordinator.anchor, (checkpoint, signatures)));
        vm.assertEq(taken, allowed, "taken");
    }

    // ---------------------------------------------------------------------------------------------------------
    // The checkpoint that ends an epoch
    // ---------------------------------------------------------------------------------------------------------

    function test_AnchorAndRotate_TakesIn() external {
        _enqueue(0, "a");
        _enqueue(0, "b");
        _rotateWith(1);
        _assertInbox(2, 1);
    }

    function test_AnchorAndRotate_RevertWhen_TheCountIsInvalid() external {
        _enqueue(0, "a");
        _expectRotationRefusal(2, abi.encodeWithSelector(Errors.InvalidInboxCount.selector, 2, 0, 1));
        _anchorWith(1);
        _expectRotationRefusal(0, abi.encodeWithSelector(Errors.InvalidInboxCount.selector, 0, 1, 1));
        vm.warp(START + STALL_TIME);
        _expectRotationRefusal(0, abi.encodeWithSelector(Errors.InvalidInboxCount.selector, 0, 1, 1));
    }

    function test_AnchorAndRotate_RevertWhen_AMessageIsOverdueAndAnchorsHaveNotStalled() external {
        _enqueue(0, "a");
        bytes memory refusal = abi.encodeWithSelector(Errors.InboxOverdue.selector, groupId, 0, START + INBOX_DEADLINE);
        vm.warp(START + INBOX_DEADLINE + 1);
        _expectRotationRefusal(0, refusal);
        vm.warp(START + STALL_TIME - 1);
        _expectRotationRefusal(0, refusal);

        vm.warp(START + STALL_TIME);
        _rotateWith(0);
        _assertInbox(1, 0);
        vm.assertEq(coordinator.group(groupId).epoch, 1, "epoch");
    }

    /// @dev The next epoch has to take it in at once, whether it anchors or ends: nothing has stalled any more.
    function test_AnchorAndRotate_GivenItWasExcused_TheNextEpochIsNot() external {
        _enqueue(0, "a");
        vm.warp(START + STALL_TIME);
        _rotateWith(0);
        bytes memory refusal = abi.encodeWithSelector(Errors.InboxOverdue.selector, groupId, 0, START + INBOX_DEADLINE);
        Member[] memory third = _between(0, 5);
        Checkpoint memory boundary = _boundary(1, 100, third);
        boundary.inboxCount = 0;
        bytes memory signatures = _signatures(boundary, 2, 4);
        vm.expectRevert(refusal);
        coordinator.anchorAndRotate(boundary, signatures, third);

        Checkpoint memory checkpoint = _checkpointIn(1, 100);
        checkpoint.inboxCount = 0;
        signatures = _signatures(checkpoint, 2, 4);
        vm.expectRevert(refusal);
        coordinator.anchor(checkpoint, signatures);
        checkpoint.inboxCount = 1;
        coordinator.anchor(checkpoint, _signatures(checkpoint, 2, 4));
        _assertInbox(1, 1);
    }

    // ---------------------------------------------------------------------------------------------------------
    // Steps
    // ---------------------------------------------------------------------------------------------------------

    function _enqueue(uint256 agent, bytes memory command) private returns (uint64) {
        vm.prank(agents[agent]);
        return coordinator.enqueue(groupId, command);
    }

    function _hash(bytes32 before, uint64 index, address sender, uint256 time, bytes memory command)
        private
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(before, index, INBOX_COMMAND, sender, time, keccak256(command)));
    }

    /// @dev The next checkpoint, of epoch 0, that has taken in so many messages.
    function _with(uint64 count) private returns (Checkpoint memory checkpoint) {
        checkpoint = _checkpoint(_sequence++);
        checkpoint.inboxCount = count;
    }

    function _anchorWith(uint64 count) private {
        Checkpoint memory checkpoint = _with(count);
        coordinator.anchor(checkpoint, _signatures(checkpoint, 0, 4));
    }

    function _rotateWith(uint64 count) private {
        Checkpoint memory checkpoint = _boundary(0, _sequence++, _next());
        checkpoint.inboxCount = count;
        coordinator.anchorAndRotate(checkpoint, _signatures(checkpoint, 0, 4), _next());
    }

    function _expectRefusal(uint64 count, bytes memory refusal) private {
        Checkpoint memory checkpoint = _with(count);
        bytes memory signatures = _signatures(checkpoint, 0, 4);
        vm.expectRevert(refusal);
        coordinator.anchor(checkpoint, signatures);
    }

    function _expectRotationRefusal(uint64 count, bytes memory refusal) private {
        Checkpoint memory checkpoint = _boundary(0, _sequence++, _next());
        checkpoint.inboxCount = count;
        bytes memory signatures = _signatures(checkpoint, 0, 4);
        vm.expectRevert(refusal);
        coordinator.anchorAndRotate(checkpoint, signatures, _next());
    }

    function _assertInbox(uint64 length, uint64 taken) private view {
        InboxState memory expected = InboxState({length: length, taken: taken, deadline: INBOX_DEADLINE});
        vm.assertEq(abi.encode(coordinator.inbox(groupId)), abi.encode(expected), "inbox");
    }

    function _assertMessage(uint64 index, bytes32 inboxHash, uint256 time) private view {
        (bytes32 kept, uint64 enqueuedAt) = coordinator.inboxMessage(groupId, index);
        vm.assertEq(kept, inboxHash, "hash");
        vm.assertEq(enqueuedAt, time, "time");
    }
}
// forge-lint: disable-end(unsafe-typecast)
