// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {
    Approval,
    Ballot,
    Call,
    Checkpoint,
    Content,
    Decision,
    Entry,
    KIND_DECISION,
    OUTCOME_RECORDED,
    STATUS_APPROVED,
    Vote
} from "../../src/Types.sol";
import {vm} from "../support/Vm.sol";
import {ProofFixture} from "./ProofFixture.sol";
import {svm} from "./Svm.sol";

/// @notice One proposal executes at most once, whichever lanes it takes: on-chain by votes or by the escape lane, anchored by
/// itself or in a batch. Three steps make it so: executing marks the proposal, what is marked executes in neither lane,
/// and no call takes the mark away. The second holds in any state at all; the first and the third are proven in the
/// fixture's: one group of five members in its second epoch, and one proposal of one call, approved and ready.
///
/// Not proven: longer lists of calls, and calls of other lengths; a third step from any state, since a group's account
/// would be any address then. `sha256` and `keccak256` are taken for functions without collisions, or for any at all.
contract ExecutionProof is ProofFixture {
    bytes32 internal proposalId;
    uint256 internal timesCalled;
    /// @dev The call that executes what is executed.
    bytes internal again;

    function setUp() public override {
        super.setUp();
        vm.prank(VOTER);
        proposalId = coordinator.propose(groupId, ROUTINE, _calls(), "", 0);
        _vote(VOTER);
        _vote(address(0xA2));
        _vote(address(0xA3));
        vm.warp(START + TIMELOCK);
    }

    /// @notice What the proposals call. It tries to have the same executed once more from within; once, so that a contract
    /// which lets it comes to an end.
    function called() external {
        if (++timesCalled == 1) assert(!_call(again));
    }

    /// @notice Proven: an approved proposal executes on-chain, makes its call once although that asks for more, and is
    /// marked then.
    function check_ExecutingOnChainMarks() external {
        again = abi.encodeCall(coordinator.execute, (proposalId, _calls()));
        assert(_call(again));
        assert(timesCalled == 1);
        assert(coordinator.executed(groupId, proposalId));
    }

    /// @notice Proven: when anchors have stalled, the votes of a quorum of weight that were given off-chain approve a proposal
    /// while its voting lasts; it executes then, makes its call once although that asks for more, is marked, and stands in
    /// the inbox; and it is not approved once more.
    /// Bounds: three voters, whose signatures are assumed; any salt, end of the voting, and time until then.
    function check_ExecutingFromLogMarks(uint64 salt, uint40 votingEnds, uint40 time) external {
        vm.assume(time >= START + STALL_TIME && time < votingEnds && votingEnds < 2 ** 39);
        vm.warp(time);
        (bytes32 id, bytes memory approving) = _approving(salt, votingEnds);
        assert(_call(approving));
        vm.warp(uint256(time) + TIMELOCK);
        again = abi.encodeCall(coordinator.execute, (id, _calls()));
        assert(_call(again));
        assert(timesCalled == 1);
        assert(coordinator.executed(groupId, id));
        assert(coordinator.inbox(groupId).length == 1);
        vm.warp(time);
        assert(!_call(approving));
    }

    /// @notice Proven: the same of the anchored lane, for any proposal, tally, window that is open, and entry of an approval.
    /// Bounds: the log's one entry.
    function check_ExecutingAnchoredMarks(Decision memory decision, Entry memory entry) external {
        decision.groupId = groupId;
        decision.status = STATUS_APPROVED;
        decision.actionsHash = keccak256(abi.encode(_calls()));
        vm.assume(decision.executableFrom <= START + 2 * TIMELOCK);
        vm.assume(decision.executableUntil == 0 || decision.executableUntil >= START + 2 * TIMELOCK);
        entry.index = 0;
        entry.kind = KIND_DECISION;
        entry.status = STATUS_APPROVED;
        entry.outcome = OUTCOME_RECORDED;
        entry.subject = coordinator.hashDecision(decision);
        bytes32 root = sha256(abi.encodePacked(bytes1(0x00), abi.encode(entry)));
        _anchor(1, root);
        vm.warp(START + 2 * TIMELOCK);

        again = abi.encodeCall(coordinator.executeAnchored, (groupId, 1, _approval(decision, entry), new bytes32[](0)));
        assert(_call(again));
        assert(timesCalled == 1);
        assert(coordinator.executed(groupId, decision.proposalId));
    }

    /// @notice Proven: the same of two decisions in one batch, which executes exactly when they are on two proposals.
    /// Bounds: the log's two entries, which differ in their proposals alone.
    function check_ExecutingABatchMarks(bytes32 one, bytes32 other, Decision memory decision, Entry memory entry)
        external
    {
        decision.groupId = groupId;
        decision.status = STATUS_APPROVED;
        decision.actionsHash = keccak256(abi.encode(_calls()));
        (decision.executableFrom, decision.executableUntil) = (0, 0);
        entry.kind = KIND_DECISION;
        entry.status = STATUS_APPROVED;
        entry.outcome = OUTCOME_RECORDED;
        Approval[] memory approvals = new Approval[](2);
        bytes32[2] memory leaves;
        for (uint64 i = 0; i < 2; ++i) {
            decision.proposalId = i == 0 ? one : other;
            entry.index = i;
            entry.subject = coordinator.hashDecision(decision);
            approvals[i] = _approval(decision, entry);
            leaves[i] = sha256(abi.encodePacked(bytes1(0x00), abi.encode(entry)));
        }
        _anchor(2, sha256(abi.encodePacked(bytes1(0x01), leaves[0], leaves[1])));

        again = abi.encodeCall(coordinator.executeAnchoredBatch, (groupId, 2, approvals, new bytes32[](0)));
        bool done = _call(again);
        assert(done == (one != other));
        assert(timesCalled == (done ? 2 : 0));
        assert(coordinator.executed(groupId, one) == done && coordinator.executed(groupId, other) == done);
    }

    /// @notice Proven: in any state and at any time, a proposal that is marked does not execute on-chain.
    /// Bounds: no call or one, with 32 bytes of data.
    /// @custom:halmos --array-lengths calls={0,1},calls[0].data=32
    function check_WhatIsMarkedDoesNotExecuteOnChain(bytes32 group, bytes32 proposal, uint256 time, Call[] memory calls)
        external
    {
        _anyState(time);
        // The proposal is of this group: `Proposals._proposals` is in the coordinator's fifth slot.
        vm.store(address(coordinator), keccak256(abi.encode(proposal, uint256(4))), group);
        (bool known, bytes memory marked) =
            address(coordinator).call(abi.encodeCall(coordinator.executed, (group, proposal)));
        if (!known || !abi.decode(marked, (bool))) return;
        assert(!_call(abi.encodeCall(coordinator.execute, (proposal, calls))));
    }

    /// @notice Proven: in any state and at any time, a proposal that is marked does not execute by a proof.
    /// Bounds: no call or one, with 32 bytes of data; a proof without nodes, which is that of a log's one entry.
    /// @custom:halmos --array-lengths approval.calls={0,1},approval.calls[0].data=32,path=0
    function check_WhatIsMarkedDoesNotExecuteAnchored(
        bytes32 group,
        Approval memory approval,
        uint64 size,
        bytes32[] memory path,
        uint256 time
    ) external {
        _anyState(time);
        // Of any other entry, a proof has nodes.
        approval.index = 0;
        (bool known, bytes memory marked) =
            address(coordinator).call(abi.encodeCall(coordinator.executed, (group, approval.proposalId)));
        if (!known || !abi.decode(marked, (bool))) return;
        assert(!_call(abi.encodeCall(coordinator.executeAnchored, (group, size, approval, path))));
    }

    /// @notice Proven: in any state and at any time, no batch executes that has a proposal that is marked, at either place.
    /// Bounds: batches of two, the first of no call or one with 32 bytes of data, the second of none; a proof without nodes,
    /// which is that of a log's two entries.
    /// @custom:halmos --array-lengths approvals=2,approvals[0].calls={0,1},approvals[1].calls=0,approvals[0].calls[0].data=32,path=0
    function check_WhatIsMarkedDoesNotExecuteInABatch(
        bytes32 group,
        Approval[] memory approvals,
        bytes32[] memory path,
        uint256 time,
        bool isSecond
    ) external {
        _anyState(time);
        // Of any other entries, a proof has nodes.
        (approvals[0].index, approvals[1].index) = (0, 1);
        bytes32 marked = approvals[isSecond ? 1 : 0].proposalId;
        (bool known, bytes memory found) =
            address(coordinator).call(abi.encodeCall(coordinator.executed, (group, marked)));
        if (!known || !abi.decode(found, (bool))) return;
        assert(!_call(abi.encodeCall(coordinator.executeAnchoredBatch, (group, 2, approvals, path))));
    }

    /// @notice Proven: a proposal that is marked, whichever lane did so, is not approved by votes that were given off-chain,
    /// nor proposed on-chain.
    /// Bounds: three voters, whose signatures are assumed; any salt, end of the voting, and time until then.
    function check_WhatIsMarkedIsNotApproved(uint64 salt, uint40 votingEnds, uint40 time) external {
        vm.assume(time >= START + STALL_TIME && time < votingEnds && votingEnds < 2 ** 39);
        vm.warp(time);
        (bytes32 id, bytes memory approving) = _approving(salt, votingEnds);
        vm.store(address(coordinator), keccak256(abi.encode(id, _slot(10))), bytes32(uint256(1)));
        assert(coordinator.executed(groupId, id));
        assert(!_call(approving));
        vm.prank(VOTER);
        assert(!_call(abi.encodeCall(coordinator.propose, (groupId, ESCAPE, _calls(), "", salt))));
    }

    /// @notice Proven: whoever calls whichever function of the coordinator, its registry's among them, at any time, with any
    /// arguments: the mark stays.
    /// Bounds: one call, see `_anyCall`; lists are empty, three signatures for an anchor, other bytes are 65. A rotation and
    /// a new group take members, and have a proof of their own.
    /// @custom:halmos --default-array-lengths 0 --default-bytes-lengths 65 --array-lengths signatures=195
    function check_NoCallTakesTheMarkAway(address caller, uint256 time) external {
        _execute();
        bytes memory data = _anyCall();
        vm.warp(time);
        vm.prank(caller);
        _call(data);
        assert(coordinator.executed(groupId, proposalId));
    }

    /// @notice Proven: an accepted rotation leaves the mark, and the proposal does not execute after it either.
    /// Bounds: three signatures; one list of next members.
    function check_NoRotationTakesTheMarkAway(Checkpoint memory checkpoint) external {
        _execute();
        checkpoint.groupId = groupId;
        if (!_rotates(checkpoint, _signedByQuorum(checkpoint))) return;
        assert(coordinator.executed(groupId, proposalId));
        assert(!_call(abi.encodeCall(coordinator.execute, (proposalId, _calls()))));
    }

    /// @notice Proven: a new group, whoever makes it, leaves the mark and starts without that mark itself; the same group is
    /// not made twice.
    /// Bounds: the fixture's members and terms; any salt and any creator.
    function check_NoNewGroupTakesTheMarkAway(address creator, bytes32 salt) external {
        _execute();
        bytes memory creating = abi.encodeCall(coordinator.createGroup, (_members(FORMER), _terms(), salt));
        vm.prank(creator);
        (bool done, bytes memory created) = address(coordinator).call(creating);
        assert(coordinator.executed(groupId, proposalId));
        assert(done == !(creator == address(this) && salt == "proofs"));
        if (!done) return;
        bytes32 another = abi.decode(created, (bytes32));
        assert(another != groupId && !coordinator.executed(another, proposalId));
    }

    function _execute() private {
        again = abi.encodeCall(coordinator.execute, (proposalId, _calls()));
        assert(_call(again));
    }

    function _anchor(uint64 logSize, bytes32 root) private {
        Checkpoint memory checkpoint = _checkpoint(1, BOUNDARY + 1, logSize, root);
        coordinator.anchor(checkpoint, _signedByQuorum(checkpoint));
    }

    /// @dev A proposal of the escape lane, and the call that approves it by three votes.
    function _approving(uint64 salt, uint64 votingEnds) private view returns (bytes32 id, bytes memory call) {
        Content memory content = Content({proposer: VOTER, salt: salt, class: ESCAPE, calls: _calls(), description: ""});
        id = coordinator.proposalIdOf(groupId, VOTER, salt, ESCAPE, keccak256(abi.encode(_calls())), keccak256(""));
        // Of another class than the fixture's proposal, so it is another unless `keccak256` has collisions.
        vm.assume(id != proposalId);
        bytes32 digest = coordinator.hashVote(
            Vote({groupId: groupId, proposalId: id, choice: 1, epoch: 1, votingEnds: votingEnds, nonce: 0})
        );
        Ballot[] memory ballots = new Ballot[](3);
        address[3] memory voters = [address(0xA2), address(0xA3), VOTER];
        for (uint256 i = 0; i < 3; ++i) {
            ballots[i] = Ballot({voter: voters[i], choice: 1, signature: _signature(digest, voters[i], i + 1)});
        }
        call = abi.encodeCall(coordinator.approveFromLog, (groupId, content, votingEnds, ballots));
    }

    /// @dev From here on the coordinator's storage is anything at all, and so is the time.
    function _anyState(uint256 time) private {
        svm.enableSymbolicStorage(address(coordinator));
        vm.warp(time);
    }

    function _vote(address voter) private {
        vm.prank(voter);
        coordinator.vote(proposalId, 1);
    }

    function _approval(Decision memory decision, Entry memory entry) private view returns (Approval memory) {
        return Approval({
            proposalId: decision.proposalId,
            forWeight: decision.forWeight,
            againstWeight: decision.againstWeight,
            abstainWeight: decision.abstainWeight,
            executableFrom: decision.executableFrom,
            executableUntil: decision.executableUntil,
            index: entry.index,
            sequence: entry.sequence,
            timestampMs: entry.timestampMs,
            calls: _calls()
        });
    }

    function _calls() private view returns (Call[] memory calls) {
        calls = new Call[](1);
        calls[0] = Call({target: address(this), value: 0, data: abi.encodeCall(this.called, ())});
    }
}
