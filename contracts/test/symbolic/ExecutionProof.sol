// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {
    Approval,
    Call,
    Checkpoint,
    Decision,
    Entry,
    KIND_DECISION,
    OUTCOME_RECORDED,
    STATUS_APPROVED
} from "../../src/Types.sol";
import {vm} from "../support/Vm.sol";
import {ProofFixture} from "./ProofFixture.sol";
import {svm} from "./Svm.sol";

/// @notice One proposal executes at most once, whichever lanes it takes. Three steps make it so: executing marks the
/// proposal, what is marked executes in neither lane, and no call takes the mark away. The second holds in any state at
/// all; the first and the third are proven in the fixture's: one group of five members in its second epoch, and one
/// proposal of one call, approved and ready.
///
/// Not proven: longer lists of calls, and calls of other lengths; a third step from any state, since a group's account
/// would be any address then. `sha256` and `keccak256` are taken for functions without collisions, or for any at all.
contract ExecutionProof is ProofFixture {
    bytes32 internal proposalId;
    uint256 internal timesCalled;

    function setUp() public override {
        super.setUp();
        vm.prank(VOTER);
        proposalId = coordinator.propose(groupId, 0, _calls(), "", 0);
        _vote(VOTER);
        _vote(address(0xA2));
        _vote(address(0xA3));
        vm.warp(START + TIMELOCK);
    }

    /// @notice What the proposal calls. It tries to have the proposal executed once more from within.
    function called() external {
        if (++timesCalled > 1) return;
        (bool again,) = address(coordinator).call(abi.encodeCall(coordinator.execute, (proposalId, _calls())));
        assert(!again);
    }

    /// @notice Proven: an approved proposal executes on-chain, makes its call once although that asks for more, and is
    /// marked then.
    function check_ExecutingOnChainMarks() external {
        (bool done,) = address(coordinator).call(abi.encodeCall(coordinator.execute, (proposalId, _calls())));
        assert(done);
        assert(timesCalled == 1);
        assert(coordinator.executed(groupId, proposalId));
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
        Checkpoint memory checkpoint = _checkpoint(1, BOUNDARY + 1, 1, root);
        coordinator.anchor(checkpoint, _signedByQuorum(checkpoint));
        vm.warp(START + 2 * TIMELOCK);

        (bool done,) = address(coordinator)
            .call(
                abi.encodeCall(coordinator.executeAnchored, (groupId, 1, _approval(decision, entry), new bytes32[](0)))
            );
        assert(done);
        assert(timesCalled == 1);
        assert(coordinator.executed(groupId, decision.proposalId));
    }

    /// @notice Proven: in any state and at any time, a proposal that is marked does not execute on-chain.
    /// Bounds: no call or one, with 32 bytes of data.
    /// @custom:halmos --array-lengths calls={0,1},calls[0].data=32
    function check_WhatIsMarkedDoesNotExecuteOnChain(bytes32 proposal, uint256 time, Call[] memory calls) external {
        _anyState(time);
        (bool known, bytes memory found) = address(coordinator).call(abi.encodeCall(coordinator.proposal, (proposal)));
        if (!known) return;
        bytes32 group = abi.decode(found, (bytes32));
        if (!coordinator.executed(group, proposal)) return;
        (bool again,) = address(coordinator).call(abi.encodeCall(coordinator.execute, (proposal, calls)));
        assert(!again);
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
        (bool known, bytes memory marked) =
            address(coordinator).call(abi.encodeCall(coordinator.executed, (group, approval.proposalId)));
        if (!known || !abi.decode(marked, (bool))) return;
        (bool again,) =
            address(coordinator).call(abi.encodeCall(coordinator.executeAnchored, (group, size, approval, path)));
        assert(!again);
    }

    /// @notice Proven: whoever calls whichever function of the coordinator, at any time, with any arguments: the mark
    /// stays.
    /// Bounds: one call; lists are empty, three signatures for an anchor, other bytes are 65. A rotation takes members,
    /// and has a proof of its own.
    /// @custom:halmos --default-array-lengths 0 --default-bytes-lengths 65 --array-lengths signatures=195
    function check_NoCallTakesTheMarkAway(address caller, uint256 time) external {
        coordinator.execute(proposalId, _calls());
        bytes memory data = svm.createCalldata("IAgentCoordinator");
        vm.warp(time);
        vm.prank(caller);
        _any(data);
        assert(coordinator.executed(groupId, proposalId));
    }

    /// @notice Proven: an accepted rotation leaves the mark, and the proposal does not execute after it either.
    /// Bounds: three signatures; one list of next members.
    function check_NoRotationTakesTheMarkAway(Checkpoint memory checkpoint) external {
        coordinator.execute(proposalId, _calls());
        checkpoint.groupId = groupId;
        bytes memory signatures = _signedByQuorum(checkpoint);
        if (!_any(abi.encodeCall(coordinator.anchorAndRotate, (checkpoint, signatures, _members(FORMER))))) return;
        assert(coordinator.executed(groupId, proposalId));
        assert(!_any(abi.encodeCall(coordinator.execute, (proposalId, _calls()))));
    }

    /// @dev Whether the coordinator took the call.
    function _any(bytes memory data) private returns (bool done) {
        (done,) = address(coordinator).call(data);
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
