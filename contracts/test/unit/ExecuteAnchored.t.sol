// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {Errors} from "../../src/Errors.sol";
import {ICoordinatorEvents} from "../../src/ICoordinatorEvents.sol";
import {Approval, CHOICE_FOR, Call, Decision, Entry, KIND_DECISION, Lane, STATUS_APPROVED} from "../../src/Types.sol";
import {Fixture} from "../support/Fixture.sol";
import {Reenterer} from "../support/Targets.sol";
import {vm} from "../support/Vm.sol";

/// @notice The branches of `executeAnchored` and `verifyInclusion` in Anchors.tree.
contract ExecuteAnchoredTest is Fixture {
    bytes32 private constant ID = "proposal";

    Decision private _approved;
    Entry private _logged;

    /// @dev Entry 3 of the seven that are anchored at `START` is the approval of `ID`.
    function setUp() public override {
        super.setUp();
        _fill(3);
        _approved = _decision(ID, _calls(1, 1 ether));
        _logged = _entry(3, coordinator.hashDecision(_approved));
        log.append(_logged);
        _fill(3);
        _anchor(1);
        vm.warp(START + TIMELOCK);
    }

    // ---------------------------------------------------------------------------------------------------------
    // Refusals
    // ---------------------------------------------------------------------------------------------------------

    function test_ExecuteAnchored_RevertWhen_GroupIsUnknown() external {
        bytes32[] memory path = log.path(3, 7);
        Approval memory approval = _theApproval();
        vm.expectRevert(abi.encodeWithSelector(Errors.UnknownGroup.selector, bytes32("none")));
        coordinator.executeAnchored("none", 7, approval, path);
    }

    /// @dev The entry is there, but not as an approval: it is of another kind, of another status, or about a decision
    /// with another status.
    function testFuzz_ExecuteAnchored_RevertWhen_TheEntryDoesNotApprove(uint8 kind, uint8 status) external {
        vm.assume(kind != KIND_DECISION || status != STATUS_APPROVED);
        Decision memory decision = _decision("refused", _calls(1, 1 ether));
        decision.status = status;
        Entry memory entry = _entry(7, coordinator.hashDecision(decision));
        (entry.kind, entry.status) = (kind, status);
        log.append(entry);
        _anchor(2);
        vm.warp(block.timestamp + TIMELOCK);
        bytes32[] memory path = log.path(7, 8);
        Approval memory approval = _approval(decision, _calls(1, 1 ether), entry);
        vm.expectRevert(abi.encodeWithSelector(Errors.EntryNotIncluded.selector, groupId, 8, 7));
        coordinator.executeAnchored(groupId, 8, approval, path);
    }

    /// @dev An approval of which any part is not as it was decided and logged.
    function test_ExecuteAnchored_RevertWhen_AnyPartIsAnother() external {
        for (uint256 field = 0; field < 11; ++field) {
            Approval memory approval = _theApproval();
            if (field == 0) approval.proposalId = "other";
            if (field == 1) approval.forWeight = 4;
            if (field == 2) approval.againstWeight = 0;
            if (field == 3) approval.abstainWeight = 1;
            if (field == 4) approval.index = 2;
            if (field == 5) approval.sequence += 1;
            if (field == 6) approval.timestampMs += 1;
            if (field == 7) approval.executableFrom -= 1;
            if (field == 8) approval.executableUntil = uint64(START + 365 days);
            if (field == 9) approval.calls = _calls(1, 2 ether);
            if (field == 10) approval.calls = new Call[](0);
            _expectNotIncluded(approval, log.path(3, 7));
        }
    }

    /// @dev What another group decided is nothing to this one, even with the same log anchored for both.
    function test_ExecuteAnchored_RevertWhen_AnotherGroupDecided() external {
        groupId = _createGroup(_members(4), _terms(), "other");
        _anchor(1);
        vm.warp(block.timestamp + TIMELOCK);
        _expectNotIncluded(_theApproval(), log.path(3, 7));
    }

    function test_ExecuteAnchored_RevertWhen_SizeWasNotAnchored() external {
        bytes32[] memory path = log.path(3, 6);
        Approval memory approval = _theApproval();
        vm.expectRevert(abi.encodeWithSelector(Errors.UnknownAnchor.selector, groupId, 6));
        coordinator.executeAnchored(groupId, 6, approval, path);
    }

    function test_ExecuteAnchored_RevertWhen_ProofIsWrong() external {
        bytes32[] memory path = log.path(3, 7);
        path[1] = "other";
        _expectNotIncluded(_theApproval(), path);
        _expectNotIncluded(_theApproval(), log.path(2, 7));
    }

    function test_ExecuteAnchored_RevertWhen_TimelockIsNotOver() external {
        vm.warp(START + TIMELOCK - 1);
        _expectRefusal(abi.encodeWithSelector(Errors.TimelockNotOver.selector, ID, START + TIMELOCK));
    }

    /// @dev The last second of its time is one of it.
    function test_ExecuteAnchored_RevertWhen_ItsTimeIsOver() external {
        Approval memory approval = _logUntil(uint64(START + 2 days));
        bytes32[] memory path = log.path(7, 8);
        vm.warp(START + 2 days + 1);
        vm.expectRevert(abi.encodeWithSelector(Errors.ExecutionExpired.selector, approval.proposalId, START + 2 days));
        coordinator.executeAnchored(groupId, 8, approval, path);

        vm.warp(START + 2 days);
        coordinator.executeAnchored(groupId, 8, approval, path);
        vm.assertTrue(coordinator.executed(groupId, approval.proposalId), "executed");
    }

    function test_ExecuteAnchored_WhenACallFails_StaysExecutableUntilItsTimeIsOver() external {
        Approval memory approval = _logUntil(uint64(START + 2 days));
        bytes32[] memory path = log.path(7, 8);
        vm.deal(account, 0);
        for (uint256 i = 0; i < 3; ++i) {
            vm.warp(START + TIMELOCK + i * 20 hours);
            vm.expectRevert(abi.encodeWithSelector(Errors.CallFailed.selector, 0, address(recorder), ""));
            coordinator.executeAnchored(groupId, 8, approval, path);
        }
        vm.deal(account, 1 ether);
        vm.warp(START + 2 days + 1);
        vm.expectRevert(abi.encodeWithSelector(Errors.ExecutionExpired.selector, approval.proposalId, START + 2 days));
        coordinator.executeAnchored(groupId, 8, approval, path);
    }

    function test_ExecuteAnchored_GivenNoEnd_StaysExecutable() external {
        vm.warp(START + 36_500 days);
        _execute();
    }

    function test_ExecuteAnchored_RevertWhen_ExecutedBefore() external {
        _execute();
        _expectRefusal(abi.encodeWithSelector(Errors.AlreadyExecuted.selector, groupId, ID));
    }

    /// @dev The group decides one proposal in both lanes, with the on-chain lane the first to execute.
    function test_ExecuteAnchored_RevertWhen_ExecutedInTheOnChainLane() external {
        Call[] memory calls = _calls(2, 0);
        vm.prank(agents[0]);
        bytes32 id = coordinator.propose(groupId, ROUTINE, calls, "both", 0);
        for (uint256 i = 0; i < 3; ++i) {
            vm.prank(agents[i]);
            coordinator.vote(id, CHOICE_FOR);
        }
        Decision memory decision = _decision(id, calls);
        Entry memory entry = _entry(7, coordinator.hashDecision(decision));
        log.append(entry);
        _anchor(2);
        vm.warp(block.timestamp + TIMELOCK);
        coordinator.execute(id, calls);

        bytes32[] memory path = log.path(7, 8);
        vm.expectRevert(abi.encodeWithSelector(Errors.AlreadyExecuted.selector, groupId, id));
        coordinator.executeAnchored(groupId, 8, _approval(decision, calls, entry), path);
        vm.assertEq(recorder.calls(2), 1, "made once");
    }

    function test_ExecuteAnchored_WhenACallFails_StaysExecutable() external {
        vm.deal(account, 0);
        _expectRefusal(abi.encodeWithSelector(Errors.CallFailed.selector, 0, address(recorder), ""));
        vm.assertFalse(coordinator.executed(groupId, ID), "not executed");

        vm.deal(account, 1 ether);
        _execute();
    }

    function test_ExecuteAnchored_RevertWhen_ExecutedAgainFromWithin() external {
        Reenterer reenterer = new Reenterer();
        Call[] memory calls = new Call[](1);
        calls[0] = Call({target: address(reenterer), value: 0, data: abi.encodeCall(Reenterer.poke, ())});
        Decision memory decision = _decision("again", calls);
        Entry memory entry = _entry(7, coordinator.hashDecision(decision));
        log.append(entry);
        _anchor(2);
        vm.warp(block.timestamp + TIMELOCK);
        bytes32[] memory path = log.path(7, 8);
        bytes memory refusal = abi.encodeWithSelector(
            Errors.CallFailed.selector,
            0,
            address(reenterer),
            abi.encodeWithSelector(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector)
        );

        Approval memory approval = _approval(decision, calls, entry);
        Approval[] memory approvals = new Approval[](1);
        approvals[0] = approval;
        bytes[3] memory again = [
            abi.encodeCall(coordinator.executeAnchored, (groupId, 8, approval, path)),
            abi.encodeCall(coordinator.executeAnchoredBatch, (groupId, 8, approvals, path)),
            abi.encodeCall(coordinator.execute, (ID, calls))
        ];
        for (uint256 i = 0; i < again.length; ++i) {
            reenterer.set(address(coordinator), again[i]);
            vm.expectRevert(refusal);
            coordinator.executeAnchored(groupId, 8, approval, path);
            vm.expectRevert(refusal);
            coordinator.executeAnchoredBatch(groupId, 8, approvals, path);
        }
    }

    // ---------------------------------------------------------------------------------------------------------
    // Success
    // ---------------------------------------------------------------------------------------------------------

    function test_ExecuteAnchored_MakesTheCalls() external {
        bytes32[] memory path = log.path(3, 7);
        Approval memory approval = _theApproval();
        vm.expectEmit(address(coordinator));
        emit ICoordinatorEvents.ProposalExecuted(groupId, ID, Lane.Anchored, address(0xbeef));
        vm.prank(address(0xbeef));
        coordinator.executeAnchored(groupId, 7, approval, path);

        vm.assertEq(recorder.calls(1), 1, "made once");
        vm.assertEq(recorder.received(account), 1 ether, "paid by the group's account");
        vm.assertTrue(coordinator.executed(groupId, ID), "executed");
    }

    /// @dev The time is the decision's, whichever anchor proves it.
    function test_ExecuteAnchored_ByOlderAndNewerAnchors() external {
        _fill(4);
        _anchor(2);
        bytes32[] memory newer = log.path(3, 11);
        Approval memory approval = _theApproval();
        _execute();
        vm.expectRevert(abi.encodeWithSelector(Errors.AlreadyExecuted.selector, groupId, ID));
        coordinator.executeAnchored(groupId, 11, approval, newer);
    }

    function test_ExecuteAnchored_ByANewerAnchorAlone() external {
        _fill(4);
        _anchor(2);
        coordinator.executeAnchored(groupId, 11, _theApproval(), log.path(3, 11));
        vm.assertTrue(coordinator.executed(groupId, ID), "executed");
    }

    /// @dev A group whose replicas are up to no good decides something under the identifier of another group's
    /// proposal. That must not stop the other group from executing its own.
    function test_ExecuteAnchored_WhenAnotherGroupTookTheIdentifier() external {
        bytes32 mine = groupId;
        groupId = _createGroup(_members(4), _terms(), "no good");
        Call[] memory none = new Call[](0);
        Decision memory decision = _decision(ID, none);
        Entry memory entry = _entry(7, coordinator.hashDecision(decision));
        log.append(entry);
        _anchor(1);
        vm.warp(block.timestamp + TIMELOCK);
        coordinator.executeAnchored(groupId, 8, _approval(decision, none, entry), log.path(7, 8));
        vm.assertTrue(coordinator.executed(groupId, ID), "executed there");
        vm.assertFalse(coordinator.executed(mine, ID), "not executed here");

        groupId = mine;
        _execute();
        vm.assertEq(recorder.calls(1), 1, "made once");
    }

    // ---------------------------------------------------------------------------------------------------------
    // verifyInclusion
    // ---------------------------------------------------------------------------------------------------------

    function test_VerifyInclusion_IsTrueForWhatTheLogContains() external view {
        vm.assertTrue(coordinator.verifyInclusion(groupId, 7, _logged, log.path(3, 7)), "included");
    }

    function test_VerifyInclusion_IsFalseForASizeThatWasNotAnchored() external view {
        vm.assertFalse(coordinator.verifyInclusion(groupId, 6, _logged, log.path(3, 6)), "not anchored");
    }

    function test_VerifyInclusion_RevertWhen_GroupIsUnknown() external {
        bytes32[] memory path = log.path(3, 7);
        vm.expectRevert(abi.encodeWithSelector(Errors.UnknownGroup.selector, bytes32("none")));
        coordinator.verifyInclusion("none", 7, _logged, path);
    }

    function test_VerifyInclusion_IsFalseForAnyOtherEntry() external view {
        for (uint256 field = 0; field < 7; ++field) {
            Entry memory entry = _logged;
            if (field == 0) entry.index = 4;
            if (field == 1) entry.sequence += 1;
            if (field == 2) entry.timestampMs += 1;
            if (field == 3) entry.kind = 1;
            if (field == 4) entry.status = 2;
            if (field == 5) entry.subject = "other";
            if (field == 6) entry.outcome = "other";
            vm.assertFalse(coordinator.verifyInclusion(groupId, 7, entry, log.path(3, 7)), "not included");
        }
    }

    // ---------------------------------------------------------------------------------------------------------
    // Steps
    // ---------------------------------------------------------------------------------------------------------

    function _theApproval() private view returns (Approval memory) {
        return _approval(_approved, _calls(1, 1 ether), _logged);
    }

    /// @dev Anchors an approval, as entry 7, that may be executed until then.
    function _logUntil(uint64 until) private returns (Approval memory) {
        Decision memory decision = _decision("until", _calls(1, 1 ether));
        decision.executableUntil = until;
        Entry memory entry = _entry(7, coordinator.hashDecision(decision));
        log.append(entry);
        _anchor(2);
        return _approval(decision, _calls(1, 1 ether), entry);
    }

    function _execute() private {
        coordinator.executeAnchored(groupId, 7, _theApproval(), log.path(3, 7));
    }

    function _expectRefusal(bytes memory refusal) private {
        bytes32[] memory path = log.path(3, 7);
        Approval memory approval = _theApproval();
        vm.expectRevert(refusal);
        coordinator.executeAnchored(groupId, 7, approval, path);
    }

    function _expectNotIncluded(Approval memory approval, bytes32[] memory path) private {
        vm.expectRevert(abi.encodeWithSelector(Errors.EntryNotIncluded.selector, groupId, 7, approval.index));
        coordinator.executeAnchored(groupId, 7, approval, path);
    }
}
// forge-lint: disable-end(unsafe-typecast)
