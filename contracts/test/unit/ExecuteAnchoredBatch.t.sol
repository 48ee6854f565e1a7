// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {Errors} from "../../src/Errors.sol";
import {ICoordinatorEvents} from "../../src/ICoordinatorEvents.sol";
import {Approval, Content, Lane, Status} from "../../src/Types.sol";
import {RefusalFixture} from "../support/RefusalFixture.sol";
import {vm} from "../support/Vm.sol";

/// @notice The branches of `executeAnchoredBatch` in AnchoredLane.tree.
contract ExecuteAnchoredBatchTest is RefusalFixture {
    uint64 private constant SIZE = 13;

    /// @dev The entries 1, 4, 5 and 12 of thirteen are approvals: the first alone, two side by side, and the last, which
    /// has no sibling up to the top. Each pays one ether, of which the account has four.
    uint64[] private _indices = [1, 4, 5, 12];
    bytes[SIZE] private _encoded;

    function setUp() public override {
        super.setUp();
        uint256 next = 0;
        for (uint64 i = 0; i < SIZE; ++i) {
            if (next < _indices.length && _indices[next] == i) {
                _encoded[i] = abi.encode(_appendApproval(_contentAt(i)));
                ++next;
            } else {
                _fill(1);
            }
        }
        _anchor(1);
        vm.deal(account, 4 ether);
    }

    function test_ExecuteAnchoredBatch_MakesTheCallsInOrder() external {
        bytes32[] memory paths = log.paths(_indices, SIZE);
        Approval[] memory approvals = _approvals();
        bytes32[] memory ids = _ids();
        for (uint256 i = 0; i < ids.length; ++i) {
            vm.expectEmit(address(coordinator));
            emit ICoordinatorEvents.ProposalExecuted(groupId, ids[i], address(0xbeef), Lane.Anchored, _indices[i], 0);
        }
        vm.prank(address(0xbeef));
        coordinator.executeAnchoredBatch(groupId, SIZE, approvals, paths);

        for (uint256 i = 0; i < _indices.length; ++i) {
            _assertStatus(_idAt(_indices[i]), Status.Executed);
            vm.assertEq(recorder.order(i), _indices[i], "in the order of the log");
        }
        vm.assertEq(recorder.orderLength(), 4, "made once");
        vm.assertEq(recorder.received(account), 4 ether, "paid by the group's account");
    }

    function test_ExecuteAnchoredBatch_OfOne() external {
        coordinator.executeAnchoredBatch(groupId, SIZE, _one(12), log.path(12, SIZE));
        vm.assertEq(recorder.calls(12), 1, "made once");
    }

    // ---------------------------------------------------------------------------------------------------------
    // Refusals
    // ---------------------------------------------------------------------------------------------------------

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

    function test_ExecuteAnchoredBatch_RevertWhen_ItsTimeIsOver() external {
        vm.warp(START + EXPIRY + 1);
        _expectRefusal(_approvals(), abi.encodeWithSelector(Errors.ExecutionExpired.selector, _idAt(1), START + EXPIRY));
        vm.warp(START + EXPIRY);
        _executeAll();
    }

    function test_M3_Batch_RevertWhen_OneHasATimelock() external {
        Approval memory last = _appendApproval(_content(0, ROUTINE, _calls(13, 0), 13));
        _anchor(2);
        Approval[] memory two = new Approval[](2);
        (two[0], two[1]) = (_approvalAt(12), last);
        _indices = [12, 13];
        bytes32[] memory paths = log.paths(_indices, 14);
        vm.expectRevert(abi.encodeWithSelector(Errors.HasTimelock.selector, groupId, ROUTINE));
        coordinator.executeAnchoredBatch(groupId, 14, two, paths);
    }

    function test_M3_Batch_RevertWhen_TheEntryIsNotOfTheEpoch() external {
        Approval[] memory approvals = _approvals();
        approvals[2].epoch = 1;
        _expectRefusal(approvals, abi.encodeWithSelector(Errors.NotInEpoch.selector, 5, 1));
    }

    /// @dev The window holds for all together, and what does not fit undoes the batch.
    function test_M3_Batch_RevertWhen_TheWindowLeavesLess() external {
        vm.deal(account, 100 ether);
        vm.warp(block.timestamp / WINDOW * WINDOW + WINDOW);
        uint64[] memory indices = new uint64[](6);
        Approval[] memory six = new Approval[](6);
        for (uint64 i = 0; i < 6; ++i) {
            indices[i] = SIZE + i;
            six[i] = _appendApproval(_contentAt(SIZE + i));
        }
        _anchor(2);
        bytes32[] memory paths = log.paths(indices, SIZE + 6);
        vm.expectRevert(abi.encodeWithSelector(Errors.AboveWindow.selector, address(0), 1 ether, 0));
        coordinator.executeAnchoredBatch(groupId, SIZE + 6, six, paths);
        vm.assertEq(recorder.orderLength(), 0, "none is made");
        _executeAll();
    }

    function test_ExecuteAnchoredBatch_RevertWhen_AnyPartOfAnyIsAnother() external {
        for (uint256 which = 0; which < _indices.length; ++which) {
            for (uint256 field = 0; field < 11; ++field) {
                Approval[] memory approvals = _approvals();
                Approval memory approval = approvals[which];
                if (field == 0) approval.proposer = agents[1];
                if (field == 1) approval.salt += 100;
                if (field == 2) approval.class = PAYMENTS;
                if (field == 3) approval.descriptionHash = "other";
                if (field == 4) approval.forWeight = 4;
                if (field == 5) approval.againstWeight = 0;
                if (field == 6) approval.abstainWeight = 1;
                if (field == 7) approval.sequence += 1;
                if (field == 8) approval.timestampMs += 1;
                if (field == 9) approval.calls = _calls(1, 2 ether);
                if (field == 10) approval.index += 1;
                if (field == 2) approval.calls = _payment(address(recorder), 1 ether);
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
        _expectNotIncluded(approvals);
    }

    function test_ExecuteAnchoredBatch_RevertWhen_TheyAreNone() external {
        _expectNotIncluded(new Approval[](0));
    }

    function test_ExecuteAnchoredBatch_WhenACallFails_StaysExecutable() external {
        vm.deal(account, 3 ether);
        _expectRefusal(_approvals(), abi.encodeWithSelector(Errors.CallFailed.selector, 0, address(recorder), ""));
        _assertStatus(_idAt(1), Status.None);

        vm.deal(account, 4 ether);
        _executeAll();
    }

    // ---------------------------------------------------------------------------------------------------------
    // What is passed over
    // ---------------------------------------------------------------------------------------------------------

    /// @dev Somebody who executes one of them first does not spoil the rest.
    function test_L2_WhatWasExecutedBefore_IsPassedOver() external {
        _execute(_approvalAt(5), SIZE);
        _executeAllBut(2, Status.Executed);
        vm.assertEq(recorder.orderLength(), 4, "each made once");
        vm.assertEq(recorder.calls(5), 1, "made once");
        _assertStatus(_idAt(12), Status.Executed);
    }

    function test_L2_WhatWasExecutedOnChain_IsPassedOver() external {
        _decideAndExecute(LISTED, _calls(4, 1 ether), 4);
        _executeAllBut(1, Status.Executed);
        vm.assertEq(recorder.calls(4), 1, "made once");
    }

    function test_L2_WhatWasRevoked_IsPassedOver() external {
        bytes32 id = _idAt(1);
        vm.prank(account);
        coordinator.revoke(groupId, id);
        _executeAllBut(0, Status.Revoked);
        vm.assertEq(recorder.orderLength(), 3, "the others are made");
        _assertStatus(id, Status.Revoked);
    }

    /// @dev Also when all of them are.
    function test_L2_ABatchThatComesAgain_DoesNothing() external {
        _executeAll();
        for (uint256 i = 0; i < 4; ++i) {
            _executeAllBut(i, Status.Executed);
        }
        vm.assertEq(recorder.orderLength(), 4, "each made once");
    }

    /// @dev What is passed over takes nothing of the window.
    function test_L2_WhatIsPassedOver_IsNotCharged() external {
        _executeAll();
        (, uint256 left) = coordinator.spendable(groupId, LISTED, address(0));
        _executeAll();
        (, uint256 then) = coordinator.spendable(groupId, LISTED, address(0));
        vm.assertEq(left, 1 ether, "four of five ether");
        vm.assertEq(then, left, "what is left");
    }

    // ---------------------------------------------------------------------------------------------------------
    // Steps
    // ---------------------------------------------------------------------------------------------------------

    function _contentAt(uint64 index) private view returns (Content memory) {
        return _content(0, LISTED, _calls(index, 1 ether), index);
    }

    function _idAt(uint64 index) private view returns (bytes32) {
        return _idOf(_contentAt(index));
    }

    function _approvalAt(uint64 index) private view returns (Approval memory) {
        return abi.decode(_encoded[index], (Approval));
    }

    function _one(uint64 index) private view returns (Approval[] memory one) {
        one = new Approval[](1);
        one[0] = _approvalAt(index);
    }

    function _approvals() private view returns (Approval[] memory approvals) {
        approvals = new Approval[](_indices.length);
        for (uint256 i = 0; i < _indices.length; ++i) {
            approvals[i] = _approvalAt(_indices[i]);
        }
    }

    function _executeAll() private {
        coordinator.executeAnchoredBatch(groupId, SIZE, _approvals(), log.paths(_indices, SIZE));
    }

    /// @dev The one at `place` is passed over, because of its status.
    function _executeAllBut(uint256 place, Status status) private {
        bytes32[] memory paths = log.paths(_indices, SIZE);
        Approval[] memory approvals = _approvals();
        bytes32 id = _idAt(_indices[place]);
        vm.expectEmit(address(coordinator));
        emit ICoordinatorEvents.ExecutionSkipped(groupId, id, status);
        coordinator.executeAnchoredBatch(groupId, SIZE, approvals, paths);
    }

    function _ids() private view returns (bytes32[] memory ids) {
        ids = new bytes32[](_indices.length);
        for (uint256 i = 0; i < ids.length; ++i) {
            ids[i] = _idAt(_indices[i]);
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
