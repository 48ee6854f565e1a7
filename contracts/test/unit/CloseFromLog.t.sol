// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {Errors} from "../../src/Errors.sol";
import {ICoordinatorEvents} from "../../src/ICoordinatorEvents.sol";
import {Approval, Ballot, Content, Refusal, STATUS_APPROVED, Status} from "../../src/Types.sol";
import {EscapeFixture} from "../support/EscapeFixture.sol";
import {vm} from "../support/Vm.sol";

/// @notice The branches of `closeFromLog` in Escape.tree.
contract CloseFromLogTest is EscapeFixture {
    uint8 private constant CANCELLED = 4;

    Refusal private _refusal;
    uint64 private _size;
    bytes32[] private _path;

    // ---------------------------------------------------------------------------------------------------------
    // What is refused
    // ---------------------------------------------------------------------------------------------------------

    function test_CloseFromLog_RevertWhen_GroupIsUnknown() external {
        _anchorRefusal(CANCELLED);
        vm.expectRevert(abi.encodeWithSelector(Errors.UnknownGroup.selector, bytes32("none")));
        coordinator.closeFromLog("none", _size, _refusal, _path);
    }

    /// @dev Approved is no refusal, although it is an entry all the same.
    function test_CloseFromLog_RevertWhen_TheStatusDoesNotRefuse() external {
        uint8[4] memory statuses = [0, STATUS_APPROVED, 5, 255];
        for (uint256 i = 0; i < 4; ++i) {
            _anchorRefusal(statuses[i]);
            vm.expectRevert(abi.encodeWithSelector(Errors.NotRefusal.selector, id, statuses[i]));
            coordinator.closeFromLog(groupId, _size, _refusal, _path);
        }
    }

    function test_CloseFromLog_RevertWhen_TheSizeWasNotAnchored() external {
        _anchorRefusal(CANCELLED);
        vm.expectRevert(abi.encodeWithSelector(Errors.UnknownAnchor.selector, groupId, _size + 1));
        coordinator.closeFromLog(groupId, _size + 1, _refusal, _path);
    }

    function test_CloseFromLog_RevertWhen_TheEntrySaysAnythingElse() external {
        _anchorRefusal(CANCELLED);
        for (uint256 field = 0; field < 8; ++field) {
            Refusal memory refusal = _refusal;
            if (field == 0) refusal.proposalId = "other";
            if (field == 1) refusal.status = 2;
            if (field == 2) refusal.forWeight += 1;
            if (field == 3) refusal.againstWeight += 1;
            if (field == 4) refusal.abstainWeight += 1;
            if (field == 5) refusal.index -= 1;
            if (field == 6) refusal.sequence += 1;
            if (field == 7) refusal.timestampMs += 1;
            _expectNotIncluded(refusal, _path);
        }
        _expectNotIncluded(_refusal, new bytes32[](0));
    }

    // ---------------------------------------------------------------------------------------------------------
    // What it closes
    // ---------------------------------------------------------------------------------------------------------

    /// @dev Votes that raced with a cancellation are signed and public, and revive nothing.
    function test_M10_WhatWasRefusedInTheLog_IsNotRevivedByTheEscapeLane() external {
        for (uint8 status = 2; status <= CANCELLED; ++status) {
            Content memory content = _offChain();
            content.salt = status;
            id = _idOf(content);
            _anchorRefusal(status);
            _stall();
            vm.expectEmit(address(coordinator));
            emit ICoordinatorEvents.ProposalRefusedInLog(groupId, id, status);
            vm.prank(address(0xbeef));
            coordinator.closeFromLog(groupId, _size, _refusal, _path);
            vm.assertTrue(coordinator.proposal(groupId, id).refusedInLog, "refused");
            _assertStatus(id, Status.None);

            Ballot[] memory ballots = _ballots(0, 4, id, ends);
            vm.expectRevert(abi.encodeWithSelector(Errors.RefusedInLog.selector, id));
            coordinator.approveBySigs(groupId, content, ends, ballots);
        }
    }

    function test_M10_CloseFromLog_TakesBackWhatSignaturesApproved() external {
        _approveBySigs(3);
        _anchorRefusal(CANCELLED);
        _close();
        _assertStatus(id, Status.Cancelled);
        Content memory content = _offChain();
        vm.warp(block.timestamp + TIMELOCK);
        _expectWrongStatus(id);
        coordinator.execute(groupId, content);
    }

    /// @dev It shuts the escape, and nothing else: the voters can still vote on the very same here.
    function test_CloseFromLog_LeavesTheOnChainLaneOpen() external {
        _anchorRefusal(CANCELLED);
        _close();
        Content memory content = _offChain();
        _propose(0, ESCAPE, content.calls, content.salt);
        _approve(id);
        _assertStatus(id, Status.Approved);
        _close();
        _assertStatus(id, Status.Approved);
        vm.warp(block.timestamp + TIMELOCK);
        coordinator.execute(groupId, content);
        _close();
        _assertStatus(id, Status.Executed);
    }

    /// @dev A log that says both has approved it: what was queued with its calls in the open stays.
    function test_CloseFromLog_LeavesWhatWasQueuedFromTheLog() external {
        Approval memory approval = _appendApproval(_offChain());
        _anchorRefusal(CANCELLED);
        coordinator.queueAnchored(groupId, _size, approval, log.path(approval.index, _size));
        _close();
        _assertStatus(id, Status.Approved);
    }

    function test_CloseFromLog_LeavesTheRevokedRevoked() external {
        vm.prank(account);
        coordinator.revoke(groupId, id);
        _anchorRefusal(CANCELLED);
        _close();
        _assertStatus(id, Status.Revoked);
    }

    function test_CloseFromLog_MayBeShownAgain() external {
        _anchorRefusal(CANCELLED);
        _close();
        _close();
        vm.assertTrue(coordinator.proposal(groupId, id).refusedInLog, "refused");
    }

    // ---------------------------------------------------------------------------------------------------------
    // Steps
    // ---------------------------------------------------------------------------------------------------------

    /// @dev The log has the decision, some entries around it, and is anchored.
    function _anchorRefusal(uint8 status) private {
        _fill(2);
        _refusal = _appendRefusal(id, status);
        _fill(2);
        _anchor(log.size());
        _size = log.size();
        _path = log.path(_refusal.index, _size);
    }

    function _close() private {
        coordinator.closeFromLog(groupId, _size, _refusal, _path);
    }

    function _expectNotIncluded(Refusal memory refusal, bytes32[] memory path) private {
        vm.expectRevert(abi.encodeWithSelector(Errors.EntryNotIncluded.selector, groupId, _size, refusal.index));
        coordinator.closeFromLog(groupId, _size, refusal, path);
    }
}
// forge-lint: disable-end(unsafe-typecast)
