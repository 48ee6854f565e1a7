// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {
    Approval,
    Ballot,
    Call,
    CHOICE_FOR,
    Checkpoint,
    Content,
    Decision,
    Entry,
    Fork,
    Group,
    InboxState,
    KIND_DECISION,
    KIND_SYSTEM,
    Mandate,
    Member,
    OUTCOME_RECORDED,
    Refusal,
    STATUS_APPROVED,
    STATUS_NOTED,
    Taken
} from "../../src/Types.sol";
import {Fixture} from "./Fixture.sol";
import {ReferenceLog} from "./ReferenceLog.sol";
import {vm} from "./Vm.sol";

/// @notice Checkpoints with all their proofs, decisions and their entries, of the one group that `log` is the log of.
abstract contract AnchorFixture is Fixture {
    /// @dev `InboxTaken.disposition` of the tests: the command was carried out.
    uint8 internal constant DISPOSITION = 1;

    /// @dev The entry by which `log` took in the last message of a count; without a path.
    mapping(uint64 inboxCount => Taken) private _takenOf;
    uint64 private _inLog;

    /// @dev The log is empty, and the group another one.
    function _useWithFreshLog(bytes32 id) internal {
        _use(id);
        (log, _inLog) = (new ReferenceLog(), 0);
    }

    // ---------------------------------------------------------------------------------------------------------
    // Checkpoints
    // ---------------------------------------------------------------------------------------------------------

    /// @dev The checkpoint of the log, of the current epoch, that has taken in the inbox as it is: where that is new, an entry
    /// that says so is appended first.
    function _checkpoint(uint64 sequence) internal returns (Checkpoint memory) {
        InboxState memory inbox = coordinator.inbox(groupId);
        if (inbox.length > _inLog) _takeIn(inbox.length);
        return _checkpointTaking(sequence, _inLog);
    }

    /// @dev The checkpoint of the log as it is, of the current epoch, that counts `inboxCount` messages.
    function _checkpointTaking(uint64 sequence, uint64 inboxCount) internal view returns (Checkpoint memory) {
        return Checkpoint({
            groupId: groupId,
            epoch: coordinator.group(groupId).epoch,
            sequence: sequence,
            logSize: log.size(),
            logRoot: log.root(),
            stateRoot: keccak256(abi.encode("state", sequence)),
            inboxCount: inboxCount,
            inboxHash: _inboxHash(inboxCount),
            nextMembersHash: 0
        });
    }

    /// @dev Appends the entry by which the log takes in the messages up to `inboxCount`.
    function _takeIn(uint64 inboxCount) internal {
        uint64 index = log.size();
        Entry memory entry =
            _entry(index, coordinator.hashInboxTaken(groupId, inboxCount - 1, _inboxHash(inboxCount), DISPOSITION));
        (entry.kind, entry.status) = (KIND_SYSTEM, STATUS_NOTED);
        log.append(entry);
        _takenOf[inboxCount] = Taken({
            index: index,
            sequence: entry.sequence,
            timestampMs: entry.timestampMs,
            disposition: DISPOSITION,
            path: new bytes32[](0)
        });
        _inLog = inboxCount;
    }

    function _inboxHash(uint64 inboxCount) internal view returns (bytes32 inboxHash) {
        if (inboxCount != 0) (inboxHash,) = coordinator.inboxMessage(groupId, inboxCount - 1);
    }

    /// @dev The proof that the checkpoint's log extends the last anchor's.
    function _consistency(Checkpoint memory checkpoint) internal view returns (bytes32[] memory) {
        uint64 last = coordinator.latestAnchor(groupId).logSize;
        if (last == 0 || last > checkpoint.logSize) return new bytes32[](0);
        return log.consistency(last, checkpoint.logSize);
    }

    /// @dev The proof that the checkpoint's log took the last of its messages; empty where the last anchor took as many.
    function _taken(Checkpoint memory checkpoint) internal view returns (Taken memory taken) {
        if (checkpoint.inboxCount <= coordinator.inbox(groupId).taken) return _noTaken();
        taken = _takenOf[checkpoint.inboxCount];
        taken.path = log.path(taken.index, checkpoint.logSize);
    }

    function _noTaken() internal pure returns (Taken memory taken) {}

    function _noMandate() internal pure returns (Mandate memory mandate) {}

    function _noFork() internal pure returns (Fork memory fork) {}

    /// @dev The signatures of `count` agents from `first` on.
    function _signatures(Checkpoint memory checkpoint, uint256 first, uint256 count)
        internal
        view
        returns (bytes memory signatures)
    {
        bytes32 digest = coordinator.hashCheckpoint(checkpoint);
        for (uint256 i = first; i < first + count; ++i) {
            signatures = bytes.concat(signatures, _signature(privateKeys[i], digest));
        }
    }

    /// @dev Anchors the checkpoint with its proofs, signed by `count` agents from `first` on.
    function _anchor(Checkpoint memory checkpoint, uint256 first, uint256 count) internal {
        bytes memory signatures = _signatures(checkpoint, first, count);
        (bytes32[] memory consistency, Taken memory taken) = (_consistency(checkpoint), _taken(checkpoint));
        coordinator.anchor(checkpoint, signatures, consistency, taken);
    }

    /// @dev Anchors the log, and takes in the inbox, by the first three of four replicas.
    function _anchor(uint64 sequence) internal {
        _anchor(_checkpoint(sequence), 0, 3);
    }

    /// @dev The last checkpoint of the current epoch, before `next`.
    function _boundary(uint64 sequence, Member[] memory next) internal returns (Checkpoint memory checkpoint) {
        checkpoint = _checkpoint(sequence);
        checkpoint.nextMembersHash = _hash(next);
    }

    /// @dev Anchors the boundary with its proofs, signed by `count` agents from `first` on.
    function _rotate(
        Checkpoint memory checkpoint,
        uint256 first,
        uint256 count,
        Member[] memory next,
        Mandate memory mandate
    ) internal {
        bytes memory signatures = _signatures(checkpoint, first, count);
        (bytes32[] memory consistency, Taken memory taken) = (_consistency(checkpoint), _taken(checkpoint));
        coordinator.anchorAndRotate(checkpoint, signatures, consistency, taken, next, mandate);
    }

    // ---------------------------------------------------------------------------------------------------------
    // Mandates
    // ---------------------------------------------------------------------------------------------------------

    /// @dev The one call of a change of members, which the contract has no function for.
    function _changeCalls(uint64 epoch, Member[] memory next) internal view returns (Call[] memory calls) {
        calls = _call(
            address(coordinator),
            0,
            abi.encodeWithSignature(
                "changeMembers(bytes32,uint64,(address,bytes32,uint64,uint8)[])", groupId, epoch, next
            )
        );
        calls[0].gas = 1;
    }

    /// @dev The votes for `next` of `count` agents from `first` on, for the current epoch, in class `ROUTINE`.
    function _mandate(Member[] memory next, uint256 first, uint256 count)
        internal
        view
        returns (Mandate memory mandate)
    {
        Group memory group = coordinator.group(groupId);
        Content memory content = _content(first, ROUTINE, _changeCalls(group.epoch, next), 77);
        bytes32 id = _idOf(content);
        uint64 votingEnds = uint64(block.timestamp + VOTING_PERIOD);
        mandate = Mandate({
            proposer: content.proposer,
            salt: content.salt,
            class: content.class,
            descriptionHash: content.descriptionHash,
            votingEnds: votingEnds,
            ballots: new Ballot[](count)
        });
        for (uint256 i = 0; i < count; ++i) {
            address voter = agents[first + i];
            bytes32 digest = coordinator.hashVote(voter, id, CHOICE_FOR, group.votersSince, votingEnds, 0);
            mandate.ballots[i] =
                Ballot({voter: voter, choice: CHOICE_FOR, signature: _signature(privateKeys[first + i], digest)});
        }
    }

    // ---------------------------------------------------------------------------------------------------------
    // Entries and decisions
    // ---------------------------------------------------------------------------------------------------------

    function _entry(uint64 index, bytes32 subject) internal view returns (Entry memory) {
        return Entry({
            index: index,
            sequence: index + 1,
            timestampMs: uint64(block.timestamp) * 1000 + index % 1000,
            kind: KIND_DECISION,
            status: STATUS_APPROVED,
            subject: subject,
            outcome: OUTCOME_RECORDED
        });
    }

    /// @dev Appends the entry by which the group approved the content, in the current epoch and at this time.
    function _appendApproval(Content memory content) internal returns (Approval memory) {
        uint64 index = log.size();
        Entry memory entry = _entry(index, coordinator.hashDecision(_decision(_idOf(content), STATUS_APPROVED)));
        log.append(entry);
        return Approval({
            proposer: content.proposer,
            salt: content.salt,
            class: content.class,
            descriptionHash: content.descriptionHash,
            forWeight: 3,
            againstWeight: 1,
            abstainWeight: 0,
            epoch: coordinator.group(groupId).epoch,
            index: index,
            sequence: entry.sequence,
            timestampMs: entry.timestampMs,
            calls: content.calls
        });
    }

    /// @dev Appends the entry by which the group refused the proposal: status 2 to 4.
    function _appendRefusal(bytes32 id, uint8 status) internal returns (Refusal memory) {
        uint64 index = log.size();
        Entry memory entry = _entry(index, coordinator.hashDecision(_decision(id, status)));
        entry.status = status;
        log.append(entry);
        return Refusal({
            proposalId: id,
            status: status,
            forWeight: 3,
            againstWeight: 1,
            abstainWeight: 0,
            index: index,
            sequence: entry.sequence,
            timestampMs: entry.timestampMs
        });
    }

    function _decision(bytes32 id, uint8 status) internal pure returns (Decision memory) {
        return Decision({proposalId: id, status: status, forWeight: 3, againstWeight: 1, abstainWeight: 0});
    }

    /// @dev Appends entries that no test is about.
    function _fill(uint64 count) internal {
        for (uint64 i = 0; i < count; ++i) {
            log.append(_entry(log.size(), keccak256(abi.encode("filler", i))));
        }
    }
}
// forge-lint: disable-end(unsafe-typecast)
