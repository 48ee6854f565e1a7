// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {Errors} from "../../src/Errors.sol";
import {IAgentCoordinator} from "../../src/IAgentCoordinator.sol";
import {CHOICE_FOR, Call, Decision, Entry, Lane} from "../../src/Types.sol";
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
        Decision memory decision = _approved;
        decision.groupId = "none";
        _expectRefusal(decision, _logged, abi.encodeWithSelector(Errors.UnknownGroup.selector, bytes32("none")));
    }

    function testFuzz_ExecuteAnchored_RevertWhen_NotApproved(uint8 status) external {
        vm.assume(status != 1);
        Decision memory decision = _approved;
        decision.status = status;
        _expectRefusal(decision, _logged, abi.encodeWithSelector(Errors.DecisionNotApproved.selector, ID, status));
    }

    function testFuzz_ExecuteAnchored_RevertWhen_EntryIsOfAnotherKind(uint8 kind) external {
        vm.assume(kind != 2);
        Entry memory entry = _logged;
        entry.kind = kind;
        _expectRefusal(_approved, entry, abi.encodeWithSelector(Errors.EntryNotDecision.selector, kind));
    }

    function testFuzz_ExecuteAnchored_RevertWhen_EntryHasAnotherStatus(uint8 status) external {
        vm.assume(status != 1);
        Entry memory entry = _logged;
        entry.status = status;
        _expectRefusal(_approved, entry, abi.encodeWithSelector(Errors.EntryStatusMismatch.selector, status, 1));
    }

    function test_ExecuteAnchored_RevertWhen_EntryIsAboutAnother() external {
        for (uint256 field = 0; field < 5; ++field) {
            Decision memory decision = _approved;
            if (field == 0) decision.proposalId = "other";
            if (field == 1) decision.actionsHash = "other";
            if (field == 2) decision.forWeight = 4;
            if (field == 3) decision.againstWeight = 0;
            if (field == 4) decision.abstainWeight = 1;
            _expectRefusal(
                decision,
                _logged,
                abi.encodeWithSelector(
                    Errors.EntrySubjectMismatch.selector, _logged.subject, coordinator.hashDecision(decision)
                )
            );
        }
    }

    function test_ExecuteAnchored_RevertWhen_CallsAreOthers() external {
        Call[] memory others = _calls(1, 2 ether);
        bytes32[] memory path = log.path(3, 7);
        vm.expectRevert(
            abi.encodeWithSelector(Errors.ActionsMismatch.selector, _approved.actionsHash, _actionsHash(others))
        );
        coordinator.executeAnchored(_approved, others, _logged, 7, path);
    }

    function test_ExecuteAnchored_RevertWhen_SizeWasNotAnchored() external {
        bytes32[] memory path = log.path(3, 6);
        vm.expectRevert(abi.encodeWithSelector(Errors.UnknownAnchor.selector, groupId, 6));
        coordinator.executeAnchored(_approved, _calls(1, 1 ether), _logged, 6, path);
    }

    function test_ExecuteAnchored_RevertWhen_ProofIsWrong() external {
        bytes32[] memory path = log.path(3, 7);
        path[1] = "other";
        _expectNotIncluded(_logged, path);
    }

    function test_ExecuteAnchored_RevertWhen_EntryIsElsewhere() external {
        Entry memory entry = _logged;
        entry.index = 2;
        _expectNotIncluded(entry, log.path(2, 7));
    }

    function test_ExecuteAnchored_RevertWhen_EntryWasNeverLogged() external {
        Entry memory entry = _logged;
        entry.outcome = "other";
        _expectNotIncluded(entry, log.path(3, 7));
    }

    function test_ExecuteAnchored_RevertWhen_TimelockIsNotOver() external {
        vm.warp(START + TIMELOCK - 1);
        _expectRefusal(
            _approved, _logged, abi.encodeWithSelector(Errors.TimelockNotOver.selector, ID, START + TIMELOCK)
        );
    }

    function test_ExecuteAnchored_RevertWhen_ExecutedBefore() external {
        _execute();
        _expectRefusal(_approved, _logged, abi.encodeWithSelector(Errors.AlreadyExecuted.selector, groupId, ID));
    }

    /// @dev The group decides one proposal in both lanes, with the on-chain lane the first to execute.
    function test_ExecuteAnchored_RevertWhen_ExecutedInTheOnChainLane() external {
        Call[] memory calls = _calls(2, 0);
        vm.prank(agents[0]);
        bytes32 id = coordinator.propose(groupId, calls, "both", 0);
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
        coordinator.executeAnchored(decision, calls, entry, 8, path);
        vm.assertEq(recorder.calls(2), 1, "made once");
    }

    function test_ExecuteAnchored_WhenACallFails_StaysExecutable() external {
        vm.deal(account, 0);
        _expectRefusal(_approved, _logged, abi.encodeWithSelector(Errors.CallFailed.selector, 0, address(recorder), ""));
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

        reenterer.set(
            address(coordinator), abi.encodeCall(IAgentCoordinator.executeAnchored, (decision, calls, entry, 8, path))
        );
        vm.expectRevert(refusal);
        coordinator.executeAnchored(decision, calls, entry, 8, path);

        reenterer.set(address(coordinator), abi.encodeCall(IAgentCoordinator.execute, (ID, calls)));
        vm.expectRevert(refusal);
        coordinator.executeAnchored(decision, calls, entry, 8, path);
    }

    // ---------------------------------------------------------------------------------------------------------
    // Success
    // ---------------------------------------------------------------------------------------------------------

    function test_ExecuteAnchored_MakesTheCalls() external {
        bytes32[] memory path = log.path(3, 7);
        vm.expectEmit(address(coordinator));
        emit IAgentCoordinator.ProposalExecuted(groupId, ID, Lane.Anchored, address(0xbeef));
        vm.prank(address(0xbeef));
        coordinator.executeAnchored(_approved, _calls(1, 1 ether), _logged, 7, path);

        vm.assertEq(recorder.calls(1), 1, "made once");
        vm.assertEq(recorder.received(account), 1 ether, "paid by the group's account");
        vm.assertTrue(coordinator.executed(groupId, ID), "executed");
    }

    /// @dev A newer anchor has a timelock of its own; the older one stays good.
    function test_ExecuteAnchored_ByOlderAndNewerAnchors() external {
        _fill(4);
        _anchor(2);
        bytes32[] memory newer = log.path(3, 11);
        vm.expectRevert(abi.encodeWithSelector(Errors.TimelockNotOver.selector, ID, START + uint256(TIMELOCK) * 2));
        coordinator.executeAnchored(_approved, _calls(1, 1 ether), _logged, 11, newer);
        _execute();

        vm.warp(START + uint256(TIMELOCK) * 2);
        vm.expectRevert(abi.encodeWithSelector(Errors.AlreadyExecuted.selector, groupId, ID));
        coordinator.executeAnchored(_approved, _calls(1, 1 ether), _logged, 11, newer);
    }

    function test_ExecuteAnchored_ByANewerAnchorAlone() external {
        _fill(4);
        _anchor(2);
        vm.warp(START + uint256(TIMELOCK) * 2);
        coordinator.executeAnchored(_approved, _calls(1, 1 ether), _logged, 11, log.path(3, 11));
        vm.assertTrue(coordinator.executed(groupId, ID), "executed");
    }

    /// @dev A group whose replicas are up to no good decides something under the identifier of another group's
    /// proposal. That must not stop the other group from executing its own.
    function test_ExecuteAnchored_WhenAnotherGroupTookTheIdentifier() external {
        bytes32 mine = groupId;
        groupId = _createGroup(_members(4), _policy(3), "no good");
        Call[] memory none = new Call[](0);
        Decision memory decision = _decision(ID, none);
        Entry memory entry = _entry(7, coordinator.hashDecision(decision));
        log.append(entry);
        _anchor(1);
        vm.warp(block.timestamp + TIMELOCK);
        coordinator.executeAnchored(decision, none, entry, 8, log.path(7, 8));
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

    function _execute() private {
        coordinator.executeAnchored(_approved, _calls(1, 1 ether), _logged, 7, log.path(3, 7));
    }

    function _expectRefusal(Decision memory decision, Entry memory entry, bytes memory refusal) private {
        bytes32[] memory path = log.path(3, 7);
        vm.expectRevert(refusal);
        coordinator.executeAnchored(decision, _calls(1, 1 ether), entry, 7, path);
    }

    function _expectNotIncluded(Entry memory entry, bytes32[] memory path) private {
        vm.expectRevert(abi.encodeWithSelector(Errors.EntryNotIncluded.selector, groupId, 7, entry.index));
        coordinator.executeAnchored(_approved, _calls(1, 1 ether), entry, 7, path);
    }
}
// forge-lint: disable-end(unsafe-typecast)
