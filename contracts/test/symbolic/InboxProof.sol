// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {Checkpoint, InboxState} from "../../src/Types.sol";
import {vm} from "../support/Vm.sol";
import {ProofFixture} from "./ProofFixture.sol";
import {svm} from "./Svm.sol";

/// @notice What an anchor may leave out of the log of what stands in the group's inbox: no message whose deadline is over.
///
/// The contract looks at one message, the first that is left out. That those behind it are no older is proven apart: a
/// message that is there stays as it is, and one more is of the present. Time does not go back.
///
/// Not proven: that the log holds what the count says, which is the replicas' to check before they sign.
contract InboxProof is ProofFixture {
    /// @notice Proven: in any state of the coordinator and at any time, an accepted anchor of any group does not lower the
    /// count and does not exceed the inbox, is what is counted then, and leaves out no message whose deadline is over: not
    /// the first that it leaves out, nor any behind it that is no older.
    /// Bounds: `signatures` of 65 bytes and of 195. How many are needed is for the state to say, which has groups of any
    /// size.
    /// @custom:halmos --array-lengths signatures={65,195}
    function check_AnAnchorLeavesOutNothingOverdue(
        Checkpoint memory checkpoint,
        bytes memory signatures,
        uint64 behind,
        uint256 time
    ) external {
        svm.enableSymbolicStorage(address(coordinator));
        vm.warp(time);
        InboxState memory inbox = coordinator.inbox(checkpoint.groupId);
        (, uint64 firstAt) = coordinator.inboxMessage(checkpoint.groupId, checkpoint.inboxCount);
        (, uint64 behindAt) = coordinator.inboxMessage(checkpoint.groupId, behind);
        if (!_anchors(checkpoint, signatures)) return;

        InboxState memory now_ = coordinator.inbox(checkpoint.groupId);
        assert(now_.length == inbox.length && now_.deadline == inbox.deadline);
        assert(now_.taken == checkpoint.inboxCount);
        assert(now_.taken >= inbox.taken && now_.taken <= inbox.length);
        if (now_.taken < inbox.length) assert(time <= uint256(firstAt) + inbox.deadline);
        bool leftOut = behind >= now_.taken && behind < inbox.length;
        if (leftOut && behindAt >= firstAt) assert(time <= uint256(behindAt) + inbox.deadline);
    }

    /// @notice Proven: for any inbox, terms of it, time and time of the last anchor, a checkpoint that a quorum signed is
    /// accepted exactly when it succeeds the last anchor and its count is from what was taken to the inbox's length, and at
    /// that length unless the first message left out is within its deadline.
    /// Bounds: the fixture's group, otherwise; three signatures; times of 40 bits.
    function check_TheInboxDecidesOnAnAnchor(
        Checkpoint memory checkpoint,
        InboxState memory inbox,
        uint32 stallTime,
        uint56 anchoredAt,
        uint64 firstAt,
        uint40 time
    ) external {
        _set(checkpoint, inbox, stallTime, anchoredAt, firstAt, time);
        bool accepted = _anchors(checkpoint, _signedByQuorum(checkpoint));
        bool inTime = time <= uint256(firstAt) + inbox.deadline;
        assert(
            accepted == (checkpoint.nextMembersHash == 0 && _succeeds(checkpoint) && _takes(checkpoint, inbox, inTime))
        );
        _assertKept(checkpoint, inbox, firstAt, accepted);
    }

    /// @notice Proven: the same of `anchorAndRotate`, but that there a message beyond its deadline may be left out too,
    /// exactly when the stall time is over since the last anchor, or since the group was made when there is none.
    /// Bounds: as above; one list of next members.
    function check_TheInboxDecidesOnARotation(
        Checkpoint memory checkpoint,
        InboxState memory inbox,
        uint32 stallTime,
        uint56 anchoredAt,
        uint64 firstAt,
        uint40 time
    ) external {
        _set(checkpoint, inbox, stallTime, anchoredAt, firstAt, time);
        bool accepted = _rotates(checkpoint, _signedByQuorum(checkpoint));
        bool named = checkpoint.nextMembersHash == keccak256(abi.encode(_members(FORMER)));
        bool inTime = time <= uint256(firstAt) + inbox.deadline;
        bool stalled = time >= (anchoredAt == 0 ? START : uint256(anchoredAt)) + stallTime;
        assert(accepted == (named && _succeeds(checkpoint) && _takes(checkpoint, inbox, inTime || stalled)));
        _assertKept(checkpoint, inbox, firstAt, accepted);
    }

    /// @notice Proven: whoever calls whichever function of the coordinator, its registry's among them, at any time, with any
    /// arguments: the messages that are there stay as they are, and the inbox has one message more at most, which is of that
    /// time and at the end.
    /// Bounds: one call, see `_anyCall`; two messages, none of them taken; lists are empty, three signatures for an anchor,
    /// other bytes are 65. A rotation takes members, and is in the proof above; that an execution reports itself is in
    /// `ExecutionProof`. By z3: yices finds a counterexample that z3 refutes.
    /// @custom:halmos --solver z3 --default-array-lengths 0 --default-bytes-lengths 65 --array-lengths signatures=195
    function check_NoCallChangesAMessage(address caller, uint256 time) external {
        bytes32[2] memory hashes;
        for (uint8 i = 0; i < 2; ++i) {
            vm.warp(START + i * INBOX_DEADLINE / 2);
            vm.prank(VOTER);
            coordinator.enqueue(groupId, bytes.concat(bytes1(i)));
            (hashes[i],) = coordinator.inboxMessage(groupId, i);
        }
        bytes memory data = _anyCall();
        vm.warp(time);
        vm.prank(caller);
        _call(data);

        InboxState memory inbox = coordinator.inbox(groupId);
        assert(inbox.length == 2 || inbox.length == 3);
        assert(inbox.taken <= inbox.length);
        for (uint64 i = 0; i < 2; ++i) {
            (bytes32 hashNow, uint64 timeNow) = coordinator.inboxMessage(groupId, i);
            assert(hashNow == hashes[i] && timeNow == START + i * INBOX_DEADLINE / 2);
        }
        if (inbox.length == 2) return;
        (, uint64 timeOfLast) = coordinator.inboxMessage(groupId, 2);
        assert(timeOfLast == time);
    }

    function _set(
        Checkpoint memory checkpoint,
        InboxState memory inbox,
        uint32 stallTime,
        uint56 anchoredAt,
        uint64 firstAt,
        uint40 time
    ) private {
        checkpoint.groupId = groupId;
        _setInbox(inbox, stallTime);
        _setMessage(checkpoint.inboxCount, firstAt);
        // The head as the fixture left it, but for its time.
        vm.store(
            address(coordinator),
            _slot(1),
            bytes32(uint256(4) << 248 | uint256(anchoredAt) << 192 | uint256(BOUNDARY) << 64)
        );
        assert(coordinator.latestAnchor(groupId).anchoredAt == anchoredAt);
        assert(coordinator.latestAnchor(groupId).sequence == BOUNDARY);
        vm.warp(time);
    }

    function _setInbox(InboxState memory inbox, uint32 stallTime) private {
        vm.store(
            address(coordinator),
            _slot(2),
            bytes32(
                uint256(stallTime) << 160 | uint256(inbox.deadline) << 128 | uint256(inbox.taken) << 64 | inbox.length
            )
        );
        InboxState memory now_ = coordinator.inbox(groupId);
        assert(now_.length == inbox.length && now_.taken == inbox.taken && now_.deadline == inbox.deadline);
    }

    function _setMessage(uint64 index, uint64 enqueuedAt) private {
        uint256 slot = uint256(keccak256(abi.encode(index, _slot(11))));
        vm.store(address(coordinator), bytes32(slot + 1), bytes32(uint256(enqueuedAt)));
        (, uint64 timeNow) = coordinator.inboxMessage(groupId, index);
        assert(timeNow == enqueuedAt);
    }

    /// @dev What the fixture's anchor is followed by, apart from the inbox: `AnchorProof` has it for any anchor.
    function _succeeds(Checkpoint memory checkpoint) private pure returns (bool) {
        return checkpoint.epoch == 1 && checkpoint.sequence > BOUNDARY && checkpoint.logRoot != 0
            && (checkpoint.logSize > 0 || checkpoint.logRoot == EMPTY_ROOT);
    }

    function _takes(Checkpoint memory checkpoint, InboxState memory inbox, bool mayLeaveOut)
        private
        pure
        returns (bool)
    {
        uint64 count = checkpoint.inboxCount;
        return count >= inbox.taken && (count == inbox.length || (count < inbox.length && mayLeaveOut));
    }

    function _assertKept(Checkpoint memory checkpoint, InboxState memory inbox, uint64 firstAt, bool accepted)
        private
        view
    {
        InboxState memory now_ = coordinator.inbox(groupId);
        assert(now_.length == inbox.length);
        assert(now_.taken == (accepted ? checkpoint.inboxCount : inbox.taken));
        (, uint64 timeNow) = coordinator.inboxMessage(groupId, checkpoint.inboxCount);
        assert(timeNow == firstAt);
    }
}
