// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {Errors} from "../../src/Errors.sol";
import {ICoordinatorEvents} from "../../src/ICoordinatorEvents.sol";
import {Approval, Decision, Entry, Lane} from "../../src/Types.sol";
import {Fixture} from "../support/Fixture.sol";
import {vm} from "../support/Vm.sol";

/// @notice The branches of `executeAnchoredBatch` in Anchors.tree.
contract ExecuteAnchoredBatchTest is Fixture {
    uint64 private constant SIZE = 13;

    /// @dev The entries 1, 4, 5 and 12 of thirteen are approvals: the first alone, two side by side, and the last, which
    /// has no sibling up to the top. Each pays one ether, of which the account has three.
    uint64[] private _indices = [1, 4, 5, 12];
    Entry[SIZE] private _entries;

    function setUp() public override {
        super.setUp();
        uint256 next = 0;
        for (uint64 i = 0; i < SIZE; ++i) {
            bool approves = next < _indices.length && _indices[next] == i;
            _entries[i] = _entry(i, approves ? coordinator.hashDecision(_decisionAt(i)) : bytes32("filler"));
            if (approves) ++next;
            log.append(_entries[i]);
        }
        _anchor(1);
        vm.warp(START + TIMELOCK);
        vm.deal(account, 4 ether);
    }

    function test_ExecuteAnchoredBatch_MakesTheCallsInOrder() external {
        bytes32[] memory paths = log.paths(_indices, SIZE);
        Approval[] memory approvals = _approvals();
        for (uint256 i = 0; i < _indices.length; ++i) {
            vm.expectEmit(address(coordinator));
            emit ICoordinatorEvents.ProposalExecuted(groupId, _idAt(_indices[i]), Lane.Anchored, address(0xbeef));
        }
        vm.prank(address(0xbeef));
        coordinator.executeAnchoredBatch(groupId, SIZE, approvals, paths);

        for (uint256 i = 0; i < _indices.length; ++i) {
            vm.assertTrue(coordinator.executed(groupId, _idAt(_indices[i])), "executed");
            vm.assertEq(recorder.calls(_indices[i]), 1, "made once");
        }
        vm.assertEq(recorder.received(account), 4 ether, "paid by the group's account");
    }

    function test_ExecuteAnchoredBatch_OfOne() external {
        Approval[] memory one = new Approval[](1);
        one[0] = _approvalAt(12);
        coordinator.executeAnchoredBatch(groupId, SIZE, one, log.path(12, SIZE));
        vm.assertEq(recorder.calls(12), 1, "made once");
    }

    function test_ExecuteAnchoredBatch_RevertWhen_GroupIsUnknown() external {
        bytes32[] memory paths = log.paths(_indices, SIZE);
        Approval[] memory approvals = _approvals();
        vm.expectRevert(abi.encodeWithSelector(Errors.UnknownGroup.selector, bytes32("none")));
        coordinator.executeAnchoredBatch("none", SIZE, approvals, paths);
    }

    function test_ExecuteAnchoredBatch_RevertWhen_SizeWasNotAnchored() external {
        bytes32[] memory paths = log.paths(_indices, SIZE);
        Approval[] memory approvals = _approvals();
        vm.expectRevert(abi.encodeWithSelector(Errors.UnknownAnchor.selector, groupId, 14));
        coordinator.executeAnchoredBatch(groupId, 14, approvals, paths);
    }

    function test_ExecuteAnchoredBatch_RevertWhen_TimelockIsNotOver() external {
        vm.warp(START + TIMELOCK - 1);
        _expectRefusal(
            _approvals(), abi.encodeWithSelector(Errors.TimelockNotOver.selector, _idAt(1), START + TIMELOCK)
        );
    }

    function test_ExecuteAnchoredBatch_RevertWhen_AnyPartOfAnyIsAnother() external {
        for (uint256 which = 0; which < _indices.length; ++which) {
            for (uint256 field = 0; field < 10; ++field) {
                Approval[] memory approvals = _approvals();
                Approval memory approval = approvals[which];
                if (field == 0) approval.proposalId = "other";
                if (field == 1) approval.forWeight = 4;
                if (field == 2) approval.againstWeight = 0;
                if (field == 3) approval.abstainWeight = 1;
                if (field == 4) approval.index += 1;
                if (field == 5) approval.sequence += 1;
                if (field == 6) approval.timestampMs += 1;
                if (field == 7) approval.executableFrom -= 1;
                if (field == 8) approval.executableUntil = uint64(START + 365 days);
                if (field == 9) approval.calls = _calls(1, 2 ether);
                _expectNotIncluded(approvals);
            }
        }
    }

    function test_ExecuteAnchoredBatch_RevertWhen_TheyAreNotInOrder() external {
        Approval[] memory approvals = _approvals();
        (approvals[1], approvals[2]) = (approvals[2], approvals[1]);
        _expectNotIncluded(approvals);
    }

    function test_ExecuteAnchoredBatch_RevertWhen_OneIsThereTwice() external {
        Approval[] memory approvals = _approvals();
        approvals[2] = approvals[1];
        _expectRefusal(approvals, abi.encodeWithSelector(Errors.AlreadyExecuted.selector, groupId, _idAt(4)));
    }

    function test_ExecuteAnchoredBatch_RevertWhen_TheyAreNone() external {
        _expectNotIncluded(new Approval[](0));
    }

    function test_ExecuteAnchoredBatch_RevertWhen_OneWasExecutedBefore() external {
        coordinator.executeAnchored(groupId, SIZE, _approvalAt(5), log.path(5, SIZE));
        _expectRefusal(_approvals(), abi.encodeWithSelector(Errors.AlreadyExecuted.selector, groupId, _idAt(5)));
        vm.assertFalse(coordinator.executed(groupId, _idAt(1)), "none of the others");
    }

    function test_ExecuteAnchoredBatch_WhenACallFails_StaysExecutable() external {
        vm.deal(account, 3 ether);
        _expectRefusal(_approvals(), abi.encodeWithSelector(Errors.CallFailed.selector, 0, address(recorder), ""));
        vm.assertFalse(coordinator.executed(groupId, _idAt(1)), "none of the others");

        vm.deal(account, 4 ether);
        coordinator.executeAnchoredBatch(groupId, SIZE, _approvals(), log.paths(_indices, SIZE));
    }

    // ---------------------------------------------------------------------------------------------------------
    // Steps
    // ---------------------------------------------------------------------------------------------------------

    function _idAt(uint64 index) private pure returns (bytes32) {
        return keccak256(abi.encode("proposal", index));
    }

    function _decisionAt(uint64 index) private view returns (Decision memory) {
        return _decision(_idAt(index), _calls(index, 1 ether));
    }

    function _approvalAt(uint64 index) private view returns (Approval memory) {
        return _approval(_decisionAt(index), _calls(index, 1 ether), _entries[index]);
    }

    function _approvals() private view returns (Approval[] memory approvals) {
        approvals = new Approval[](_indices.length);
        for (uint256 i = 0; i < _indices.length; ++i) {
            approvals[i] = _approvalAt(_indices[i]);
        }
    }

    function _expectNotIncluded(Approval[] memory approvals) private {
        _expectRefusal(approvals, abi.encodeWithSelector(Errors.EntriesNotIncluded.selector, groupId, SIZE));
    }

    function _expectRefusal(Approval[] memory approvals, bytes memory refusal) private {
        bytes32[] memory paths = log.paths(_indices, SIZE);
        vm.expectRevert(refusal);
        coordinator.executeAnchoredBatch(groupId, SIZE, approvals, paths);
    }
}
// forge-lint: disable-end(unsafe-typecast)
