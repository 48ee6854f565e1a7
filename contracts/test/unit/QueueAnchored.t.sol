// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {Errors} from "../../src/Errors.sol";
import {ICoordinatorEvents} from "../../src/ICoordinatorEvents.sol";
import {Approval, CHOICE_AGAINST, CHOICE_FOR, Call, Content, ProposalState, Status, Terms} from "../../src/Types.sol";
import {RefusalFixture} from "../support/RefusalFixture.sol";
import {vm} from "../support/Vm.sol";

/// @notice The branches of `queueAnchored` in AnchoredLane.tree: where a class has a timelock, it runs on-chain from where the calls
/// are in the open.
contract QueueAnchoredTest is RefusalFixture {
    bytes private _encoded;
    bytes32 private _id;

    /// @dev Entry 2 of three, anchored at `START`, approves a call in `ROUTINE`.
    function setUp() public override {
        super.setUp();
        _fill(2);
        _id = _idOf(_theContent());
        _encoded = abi.encode(_appendApproval(_theContent()));
        _anchor(1);
        vm.warp(START + 1 days);
    }

    // ---------------------------------------------------------------------------------------------------------
    // Refusals
    // ---------------------------------------------------------------------------------------------------------

    function test_Queue_RevertWhen_GroupIsUnknown() external {
        bytes32[] memory path = log.path(2, 3);
        Approval memory approval = _theApproval();
        vm.expectRevert(abi.encodeWithSelector(Errors.UnknownGroup.selector, bytes32("none")));
        coordinator.queueAnchored("none", 3, approval, path);
    }

    function test_Queue_RevertWhen_TheClassIsUnknown() external {
        Approval memory approval = _theApproval();
        approval.class = 8;
        _expectQueueRefusal(approval, 3, abi.encodeWithSelector(Errors.UnknownClass.selector, groupId, 8));
    }

    function test_Queue_RevertWhen_TheClassHasNoTimelock() external {
        uint8[3] memory classes = [PAYMENTS, LISTED, DECISIONS];
        for (uint256 i = 0; i < 3; ++i) {
            Approval memory approval = _appendApproval(_content(0, classes[i], new Call[](0), 9));
            _anchor(uint64(2 + i));
            _expectQueueRefusal(
                approval, _size(), abi.encodeWithSelector(Errors.NoTimelock.selector, groupId, classes[i])
            );
        }
    }

    function test_Queue_RevertWhen_TheProofIsWrong() external {
        Approval memory approval = _theApproval();
        approval.calls = _calls(2, 0);
        _expectQueueRefusal(approval, 3, abi.encodeWithSelector(Errors.EntryNotIncluded.selector, groupId, 3, 2));
        approval = _theApproval();
        bytes32[] memory path = log.path(1, 3);
        vm.expectRevert(abi.encodeWithSelector(Errors.EntryNotIncluded.selector, groupId, 3, 2));
        coordinator.queueAnchored(groupId, 3, approval, path);
        path = log.path(1, 2);
        vm.expectRevert(abi.encodeWithSelector(Errors.UnknownAnchor.selector, groupId, 2));
        coordinator.queueAnchored(groupId, 2, approval, path);
    }

    function test_Queue_RevertWhen_ItsTimeIsOver() external {
        vm.warp(START + EXPIRY + 1);
        _expectQueueRefusal(
            _theApproval(), 3, abi.encodeWithSelector(Errors.ExecutionExpired.selector, _id, START + EXPIRY)
        );
        vm.warp(START + EXPIRY);
        _queue(_theApproval(), 3);
    }

    function test_Queue_RevertWhen_TheEntryIsNotOfTheEpoch() external {
        _rotate(_boundary(2, _members(4)), 0, 3, _members(4), _noMandate());
        Approval memory approval = _theApproval();
        approval.epoch = 1;
        _expectQueueRefusal(approval, 3, abi.encodeWithSelector(Errors.NotInEpoch.selector, 2, 1));
        _queue(_theApproval(), 3);
        vm.assertEq(coordinator.proposal(groupId, _id).epoch, 1, "approved on-chain in the current one");
    }

    function test_M3_RevertWhen_TheClassDoesNotPermitTheCalls() external {
        Call[] memory calls = _call(account, 0, abi.encodeWithSignature("setFallbackHandler(address)", address(1)));
        Approval memory approval = _appendApproval(_content(0, ESCAPE, calls, 0));
        _anchor(2);
        _expectQueueRefusal(approval, _size(), abi.encodeWithSelector(Errors.CallNotPermitted.selector, 0));
    }

    /// @dev A limit a decision holds when it is queued; the window when it is executed.
    function test_M3_LimitsHoldAtTheQueue_AndWindowsAtTheExecution() external {
        Terms memory terms = _terms();
        terms.classes[PAYMENTS].timelock = TIMELOCK;
        _useWithFreshLog(_createGroup(_members(4), terms, "slow payments"));
        Approval memory large = _appendApproval(_content(0, PAYMENTS, _payment(address(0xbeef), ETHER_LIMIT + 1), 0));
        Content[4] memory contents;
        Approval[4] memory approvals;
        for (uint64 i = 0; i < 4; ++i) {
            contents[i] = _content(0, PAYMENTS, _payment(address(0xbeef), ETHER_LIMIT), i);
            approvals[i] = _appendApproval(contents[i]);
        }
        _anchor(1);
        _expectQueueRefusal(
            large, 5, abi.encodeWithSelector(Errors.AboveLimit.selector, address(0), ETHER_LIMIT + 1, ETHER_LIMIT)
        );
        for (uint256 i = 0; i < 4; ++i) {
            _queue(approvals[i], 5);
        }
        vm.warp(block.timestamp + TIMELOCK);
        coordinator.execute(groupId, contents[0]);
        coordinator.execute(groupId, contents[1]);
        vm.expectRevert(abi.encodeWithSelector(Errors.AboveWindow.selector, address(0), ETHER_LIMIT, 1 ether));
        coordinator.execute(groupId, contents[2]);
        vm.assertEq(address(0xbeef).balance, 4 ether, "paid");
    }

    // ---------------------------------------------------------------------------------------------------------
    // What became of the proposal before
    // ---------------------------------------------------------------------------------------------------------

    function test_Queue_RevertWhen_QueuedBefore() external {
        _queue(_theApproval(), 3);
        _expectQueueRefusal(_theApproval(), 3, _wrongStatus(Status.Approved));
        vm.warp(START + 1 days + TIMELOCK);
        _expectQueueRefusal(_theApproval(), 3, _wrongStatus(Status.Approved));
        vm.assertEq(coordinator.proposal(groupId, _id).approvedAt, START + 1 days, "the timelock began once");
    }

    function test_Queue_RevertWhen_ApprovedOnChain() external {
        vm.assertEq(_idOf(_approved(ROUTINE, _calls(1, 0), 0)), _id, "the same proposal");
        _expectQueueRefusal(_theApproval(), 3, _wrongStatus(Status.Approved));
    }

    function test_Queue_RevertWhen_Executed() external {
        _queue(_theApproval(), 3);
        vm.warp(START + 1 days + TIMELOCK);
        coordinator.execute(groupId, _theContent());
        _expectQueueRefusal(_theApproval(), 3, _wrongStatus(Status.Executed));
    }

    function test_M6_Queue_RevertWhen_Revoked() external {
        vm.prank(account);
        coordinator.revoke(groupId, _id);
        _expectQueueRefusal(_theApproval(), 3, _wrongStatus(Status.Revoked));
    }

    function test_M6_Queue_RevertWhen_Vetoed() external {
        _queue(_theApproval(), 3);
        coordinator.veto(groupId, _id, _objections(2, 2, _id));
        _expectQueueRefusal(_theApproval(), 3, _wrongStatus(Status.Revoked));
        vm.warp(START + 1 days + TIMELOCK);
        Content memory content = _theContent();
        vm.expectRevert(_wrongStatus(Status.Revoked));
        coordinator.execute(groupId, content);
    }

    /// @dev What the log proves outranks what was opened here by the same content: the proposer cannot squat it.
    function test_M10_Queue_OverWhatIsOpen() external {
        _propose(0, ROUTINE, _calls(1, 0), 0);
        _vote(3, _id, CHOICE_AGAINST);
        _queue(_theApproval(), 3);
        _assertQueued();
        vm.expectRevert(_wrongStatus(Status.Approved));
        _vote(2, _id, CHOICE_AGAINST);
    }

    function test_M10_Queue_OverWhatIsCancelled() external {
        _propose(0, ROUTINE, _calls(1, 0), 0);
        Content memory content = _theContent();
        vm.prank(agents[0]);
        coordinator.cancel(groupId, content);
        _queue(_theApproval(), 3);
        _assertQueued();
    }

    function test_M10_Queue_OverWhatIsRejected() external {
        _propose(0, ROUTINE, _calls(1, 0), 0);
        _vote(2, _id, CHOICE_AGAINST);
        _vote(3, _id, CHOICE_AGAINST);
        _assertStatus(_id, Status.Rejected);
        _queue(_theApproval(), 3);
        _assertQueued();
    }

    /// @dev Open, and its voting is over without a decision.
    function test_M10_Queue_OverWhatHasExpired() external {
        vm.warp(START);
        _propose(0, ROUTINE, _calls(1, 0), 0);
        _vote(0, _id, CHOICE_FOR);
        vm.warp(START + VOTING_PERIOD);
        _assertStatus(_id, Status.Expired);
        _queue(_theApproval(), 3);
        _assertQueued();
    }

    // ---------------------------------------------------------------------------------------------------------
    // Success
    // ---------------------------------------------------------------------------------------------------------

    function test_Queue_ApprovesWithTheCallsInTheOpen() external {
        bytes32[] memory path = log.path(2, 3);
        uint64 from = uint64(START + 1 days + TIMELOCK);
        vm.expectEmit(address(coordinator));
        emit ICoordinatorEvents.ProposalQueued(groupId, _id, _theContent(), from, from + EXPIRY);
        vm.prank(address(0xcafe));
        coordinator.queueAnchored(groupId, 3, _theApproval(), path);
        _assertQueued();
        vm.assertEq(coordinator.inbox(groupId).length, 0, "the log knows it already");
    }

    /// @dev From its timelock on, for its expiry, both bounds included.
    function test_M3_TheTimelockRunsFromTheQueue() external {
        _queue(_theApproval(), 3);
        Content memory content = _theContent();
        uint256 from = START + 1 days + TIMELOCK;
        vm.warp(from - 1);
        vm.expectRevert(abi.encodeWithSelector(Errors.TimelockNotOver.selector, _id, from));
        coordinator.execute(groupId, content);
        vm.warp(from + EXPIRY + 1);
        vm.assertEq(uint256(_statusOf(_id)), uint256(Status.Expired), "its time is over");
        (bool executed,) = address(coordinator).call(abi.encodeCall(coordinator.execute, (groupId, content)));
        vm.assertFalse(executed, "executed too late");
        vm.warp(from + EXPIRY);
        coordinator.execute(groupId, content);
        vm.assertEq(recorder.calls(1), 1, "made once");
        _assertStatus(_id, Status.Executed);
    }

    /// @dev What has a timelock in the log's class never executes by its proof alone, queued or not.
    function test_M3_WhatIsQueued_IsNotExecutedByItsProof() external {
        _queue(_theApproval(), 3);
        vm.warp(START + 1 days + TIMELOCK);
        _expectExecutionRefusal(
            _theApproval(), 3, abi.encodeWithSelector(Errors.HasTimelock.selector, groupId, ROUTINE)
        );
    }

    /// @dev A queued decision outlives its epoch, and a rotation does not begin its timelock anew.
    function test_Queue_StaysApprovedOverEpochs() external {
        _queue(_theApproval(), 3);
        _rotate(_boundary(2, _members(4)), 0, 3, _members(4), _noMandate());
        _assertStatus(_id, Status.Approved);
        vm.warp(START + 1 days + TIMELOCK);
        coordinator.execute(groupId, _theContent());
        vm.assertEq(recorder.calls(1), 1, "made once");
    }

    // ---------------------------------------------------------------------------------------------------------
    // Steps
    // ---------------------------------------------------------------------------------------------------------

    function _theContent() private view returns (Content memory) {
        return _content(0, ROUTINE, _calls(1, 0), 0);
    }

    function _theApproval() private view returns (Approval memory) {
        return abi.decode(_encoded, (Approval));
    }

    function _size() private view returns (uint64) {
        return coordinator.latestAnchor(groupId).logSize;
    }

    function _wrongStatus(Status status) private view returns (bytes memory) {
        return abi.encodeWithSelector(Errors.WrongStatus.selector, _id, status);
    }

    /// @dev At this second; of the votes that were cast before nothing is left.
    function _assertQueued() private view {
        ProposalState memory state = coordinator.proposal(groupId, _id);
        vm.assertEq(uint256(state.status), uint256(Status.Approved), "status");
        vm.assertEq(state.class, ROUTINE, "class");
        vm.assertTrue(state.fromLog, "from the log");
        vm.assertEq(state.votingEnds, 0, "no voting");
        vm.assertEq(state.forWeight + state.againstWeight + state.abstainWeight, 0, "no votes");
        vm.assertEq(state.approvedAt, block.timestamp, "approved at");
        vm.assertEq(state.executableFrom, block.timestamp + TIMELOCK, "from");
        vm.assertEq(state.executableUntil, block.timestamp + TIMELOCK + EXPIRY, "until");
    }
}
// forge-lint: disable-end(unsafe-typecast)
