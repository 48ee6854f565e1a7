// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {Hashes} from "../../src/Hashes.sol";
import {
    Approval,
    Ballot,
    Call,
    CHOICE_FOR,
    Checkpoint,
    Content,
    Decision,
    Entry,
    KIND_DECISION,
    OUTCOME_RECORDED,
    Status,
    STATUS_APPROVED
} from "../../src/Types.sol";
import {vm} from "../support/Vm.sol";
import {Part, ProofFixture} from "./ProofFixture.sol";

/// @notice One proposal executes at most once, whichever way it takes: on-chain by votes, by the escape lane, or queued from the log;
/// by proof, alone or in a batch. Executing marks the record before the call, what is marked executed or revoked executes in no way,
/// and no call takes the mark away.
///
/// In the fixture's group, for proposals of one payment to this contract, which asks for the same once more from within.
///
/// Not proven: longer lists of calls and calls with data; lists of members, see `_assertMarkStays`. `sha256` and
/// `keccak256` are taken for functions without collisions, or for any at all.
contract ExecutionProof is ProofFixture {
    uint256 internal timesCalled;
    /// @dev The call that executes what is executed.
    bytes internal again;

    function setUp() public override {
        super.setUp();
        // Where the chain would have put it: halmos has addresses of its own for what is created.
        vm.prank(address(coordinator));
        address implementation = _deploy("GroupAccount", "");
        vm.etch(coordinator.groupAccountImplementation(), implementation.code);
        vm.deal(account, 1 ether);
    }

    /// @notice What the proposals pay. It tries to have the same executed once more; once, so that a contract which lets it comes to
    /// an end.
    receive() external payable {
        if (++timesCalled == 1) assert(!_call(again));
    }

    /// @notice Proven: a proposal that was voted through executes on-chain, makes its call once although that asks for more, and is
    /// marked then.
    /// Bounds: two voters that decide.
    function check_ExecutingOnChainMarks() external {
        vm.prank(VOTER);
        bytes32 id = coordinator.propose(groupId, CONSTITUTION, _calls(), "", 0);
        _vote(VOTER, id);
        _vote(address(0xA2), id);
        vm.warp(START + TIMELOCK);
        _assertExecutesOnce(id, abi.encodeCall(coordinator.execute, (groupId, _content(VOTER, 0, keccak256("")))));
    }

    /// @notice Proven: the same of what votes given off-chain approve when the group has stalled, while the voting lasts.
    /// Bounds: two voters that decide, whose signatures are assumed; any salt, end of the voting, and time until then.
    function check_ExecutingFromSignaturesMarks(uint64 salt, uint40 votingEnds, uint40 time) external {
        vm.prank(VOTER);
        coordinator.enqueue(groupId, hex"00");
        vm.assume(time >= START + STALL_TIME && time < votingEnds && votingEnds < 2 ** 39);
        vm.warp(time);
        (bytes32 id, bytes memory approving) = _approving(salt, votingEnds);
        assert(_call(approving));
        assert(!_call(approving));
        vm.warp(uint256(time) + TIMELOCK);
        _assertExecutesOnce(id, abi.encodeCall(coordinator.execute, (groupId, _content(VOTER, salt, 0))));
    }

    /// @notice Proven: the same of what is queued from the log, for any proposal, tally and entry of an approval.
    /// Bounds: the log's one entry, of the time of its anchor.
    function check_ExecutingWhatWasQueuedMarks(Approval memory approval) external {
        approval.class = CONSTITUTION;
        (bytes32 id,) = _anchorApproval(approval);
        bytes memory queueing = abi.encodeCall(coordinator.queueAnchored, (groupId, 1, approval, new bytes32[](0)));
        assert(_call(queueing));
        assert(!_call(queueing));
        vm.warp(START + TIMELOCK);
        Content memory content = _content(approval.proposer, approval.salt, approval.descriptionHash);
        _assertExecutesOnce(id, abi.encodeCall(coordinator.execute, (groupId, content)));
        vm.warp(START);
        assert(!_call(queueing));
    }

    /// @notice Proven: the same of a decision that is executed by its proof.
    /// Bounds: the log's one entry, of the time of its anchor.
    function check_ExecutingByProofMarks(Approval memory approval) external {
        approval.class = PAYMENTS;
        (bytes32 id,) = _anchorApproval(approval);
        _assertExecutesOnce(id, abi.encodeCall(coordinator.executeAnchored, (groupId, 1, approval, new bytes32[](0))));
    }

    /// @notice Proven: the same of a decision that is twice in one batch, and of the batch sent again.
    /// Bounds: the log's two entries, of the time of its anchor.
    function check_ExecutingInABatchMarks(Approval memory approval) external {
        approval.class = PAYMENTS;
        bytes32[2] memory leaves;
        Approval[] memory approvals = new Approval[](2);
        bytes32 id;
        for (uint64 i = 0; i < 2; ++i) {
            _complete(approval, i);
            (id, leaves[i]) = _leafOf(approval);
            approvals[i] = abi.decode(abi.encode(approval), (Approval));
        }
        _anchor(2, sha256(abi.encodePacked(bytes1(0x01), leaves[0], leaves[1])));
        again = abi.encodeCall(coordinator.executeAnchoredBatch, (groupId, 2, approvals, new bytes32[](0)));
        assert(_call(again));
        assert(timesCalled == 1 && _status(id) == Status.Executed);
        assert(_call(again));
        assert(timesCalled == 1 && _status(id) == Status.Executed);
    }

    /// @notice Proven: what is marked executed or revoked, whatever else its record says and at whatever time, executes in no way,
    /// is not approved by signatures, queued or proposed, and keeps its mark.
    /// Bounds: the log's one entry, of the time of its anchor; two signatures, which are assumed.
    function check_WhatIsOverIsNotExecuted(bool executed, uint248 rest, uint40 time, uint40 votingEnds) external {
        bytes32 word = bytes32(uint256(rest) << 8 | uint8(executed ? Status.Executed : Status.Revoked));
        Approval memory approval;
        (approval.proposer, approval.class) = (VOTER, PAYMENTS);
        (bytes32 paid,) = _anchorApproval(approval);
        (bytes32 waiting, bytes memory approving) = _approving(0, votingEnds);
        vm.store(address(coordinator), _slotIn(10, paid), word);
        vm.store(address(coordinator), _slotIn(10, waiting), word);
        vm.prank(VOTER);
        coordinator.enqueue(groupId, hex"00");
        vm.warp(time);

        Approval[] memory approvals = new Approval[](1);
        approvals[0] = approval;
        assert(!_call(abi.encodeCall(coordinator.executeAnchored, (groupId, 1, approval, new bytes32[](0)))));
        assert(_call(abi.encodeCall(coordinator.executeAnchoredBatch, (groupId, 1, approvals, new bytes32[](0)))));
        assert(!_call(abi.encodeCall(coordinator.execute, (groupId, _content(VOTER, 0, 0)))));
        assert(!_call(approving));
        assert(timesCalled == 0);
        assert(vm.load(address(coordinator), _slotIn(10, paid)) == word);
        assert(vm.load(address(coordinator), _slotIn(10, waiting)) == word);
    }

    /// @notice Proven: the same of what a proof would queue.
    /// Bounds: the log's one entry, of the time of its anchor.
    function check_WhatIsOverIsNotQueued(bool executed, uint248 rest, uint40 time) external {
        Approval memory approval;
        (approval.proposer, approval.class) = (VOTER, CONSTITUTION);
        (bytes32 id,) = _anchorApproval(approval);
        bytes32 word = bytes32(uint256(rest) << 8 | uint8(executed ? Status.Executed : Status.Revoked));
        vm.store(address(coordinator), _slotIn(10, id), word);
        vm.warp(time);
        assert(!_call(abi.encodeCall(coordinator.queueAnchored, (groupId, 1, approval, new bytes32[](0)))));
    }

    /// @notice Proven: whoever calls whichever function of the coordinator, its modules' among them, at any time, with any arguments:
    /// what is marked executed stays so, and what is marked revoked.
    /// Bounds: one call, see `_anyCallOf`; lists are empty, other bytes are 65. Of evidence: two checkpoints of the
    /// current epoch, without a fork's proofs. Of anchors: any checkpoint of the group that its
    /// quorum signed, which takes no message, and one list of next members. A recovery and a new group, which take members, always
    /// fail.
    function check_NoAnchorTakesTheMarkAway(
        bytes32 id,
        bool executed,
        uint248 rest,
        Checkpoint memory checkpoint,
        uint40 time
    ) external {
        bytes32 word = _mark(id, executed, rest);
        _anyAnchor(checkpoint, time);
        assert(vm.load(address(coordinator), _slotIn(10, id)) == word);
    }

    /// @custom:halmos --default-array-lengths 0 --default-bytes-lengths 65
    function check_NoExecutionTakesTheMarkAway(bytes32 id, bool executed, uint248 rest, address caller, uint40 time)
        external
    {
        _assertMarkStays(Part.Executions, id, executed, rest, caller, time);
    }

    /// @custom:halmos --array-lengths one=65,other=65
    function check_NoEvidenceTakesTheMarkAway(
        bytes32 id,
        bool executed,
        uint248 rest,
        Checkpoint memory first,
        Checkpoint memory second,
        bytes memory one,
        bytes memory other,
        uint40 time
    ) external {
        bytes32 word = _mark(id, executed, rest);
        _anyEvidence(first, one, second, other, time);
        assert(vm.load(address(coordinator), _slotIn(10, id)) == word);
    }

    /// @custom:halmos --default-array-lengths 0 --default-bytes-lengths 65
    function check_NoCallOfTheOnChainLaneTakesTheMarkAway(
        bytes32 id,
        bool executed,
        uint248 rest,
        address caller,
        uint40 time
    ) external {
        _assertMarkStays(Part.OnChainLane, id, executed, rest, caller, time);
    }

    /// @custom:halmos --default-array-lengths 0 --default-bytes-lengths 65
    function check_NoOtherCallTakesTheMarkAway(bytes32 id, bool executed, uint248 rest, address caller, uint40 time)
        external
    {
        _assertMarkStays(Part.Rest, id, executed, rest, caller, time);
    }

    function _assertMarkStays(Part part, bytes32 id, bool executed, uint248 rest, address caller, uint40 time) private {
        bytes32 word = _mark(id, executed, rest);
        bytes memory data = _anyCallOf(part);
        vm.warp(time);
        vm.prank(caller);
        _call(data);
        assert(uint8(uint256(vm.load(address(coordinator), _slotIn(10, id)))) == uint8(uint256(word)));
    }

    function _mark(bytes32 id, bool executed, uint248 rest) private returns (bytes32 word) {
        word = bytes32(uint256(rest) << 8 | uint8(executed ? Status.Executed : Status.Revoked));
        vm.store(address(coordinator), _slotIn(10, id), word);
    }

    function _assertExecutesOnce(bytes32 id, bytes memory execution) private {
        again = execution;
        assert(_call(execution));
        assert(timesCalled == 1);
        assert(_status(id) == Status.Executed);
        assert(!_call(execution));
    }

    function _status(bytes32 id) private view returns (Status) {
        return coordinator.proposal(groupId, id).status;
    }

    function _vote(address voter, bytes32 id) private {
        vm.prank(voter);
        coordinator.vote(groupId, id, CHOICE_FOR);
    }

    /// @dev A proposal of the escape lane, and the call that approves it by two votes.
    function _approving(uint64 salt, uint64 votingEnds) private view returns (bytes32 id, bytes memory call) {
        Content memory content = _content(VOTER, salt, 0);
        id = coordinator.proposalIdOf(groupId, VOTER, salt, CONSTITUTION, coordinator.hashCalls(_calls()), 0);
        Ballot[] memory ballots = new Ballot[](2);
        for (uint256 i = 0; i < 2; ++i) {
            address voter = i == 0 ? address(0xA2) : VOTER;
            bytes32 digest = _digestOf(Hashes.hashVote(voter, id, CHOICE_FOR, VOTERS_SINCE, votingEnds, 0));
            ballots[i] = Ballot({voter: voter, choice: CHOICE_FOR, signature: _signature(digest, voter, i + 1)});
        }
        call = abi.encodeCall(coordinator.approveBySigs, (groupId, content, votingEnds, ballots));
    }

    function _content(address proposer, uint64 salt, bytes32 descriptionHash) private view returns (Content memory) {
        return Content({
            proposer: proposer, salt: salt, class: CONSTITUTION, descriptionHash: descriptionHash, calls: _calls()
        });
    }

    /// @dev Anchors a log whose one entry is the approval's decision.
    function _anchorApproval(Approval memory approval) private returns (bytes32 id, bytes32 leaf) {
        _complete(approval, 0);
        (id, leaf) = _leafOf(approval);
        _anchor(1, leaf);
    }

    function _complete(Approval memory approval, uint64 index) private view {
        (approval.epoch, approval.index, approval.timestampMs) = (1, index, uint64(START * 1000));
        approval.calls = _calls();
    }

    function _leafOf(Approval memory approval) private view returns (bytes32 id, bytes32 leaf) {
        id = coordinator.proposalIdOf(
            groupId,
            approval.proposer,
            approval.salt,
            approval.class,
            coordinator.hashCalls(approval.calls),
            approval.descriptionHash
        );
        Decision memory decision = Decision({
            proposalId: id,
            status: STATUS_APPROVED,
            forWeight: approval.forWeight,
            againstWeight: approval.againstWeight,
            abstainWeight: approval.abstainWeight
        });
        Entry memory entry = Entry({
            index: approval.index,
            sequence: approval.sequence,
            timestampMs: approval.timestampMs,
            kind: KIND_DECISION,
            status: STATUS_APPROVED,
            subject: coordinator.hashDecision(decision),
            outcome: OUTCOME_RECORDED
        });
        leaf = sha256(abi.encodePacked(bytes1(0x00), abi.encode(entry)));
    }

    function _anchor(uint64 logSize, bytes32 root) private {
        vm.assume(root != 0);
        Checkpoint memory checkpoint = _checkpoint(1, BOUNDARY + 1, logSize, root);
        assert(_anchors(checkpoint, _signedByQuorum(checkpoint), _nothing()));
    }

    function _calls() private view returns (Call[] memory calls) {
        calls = new Call[](1);
        calls[0] = Call({target: address(this), value: 1, gas: 0, allowFailure: false, allowNoCode: false, data: ""});
    }
}
// forge-lint: disable-end(unsafe-typecast)
