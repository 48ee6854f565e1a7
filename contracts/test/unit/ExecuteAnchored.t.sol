// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {Errors} from "../../src/Errors.sol";
import {ICoordinatorEvents} from "../../src/ICoordinatorEvents.sol";
import {
    Approval,
    CHOICE_AGAINST,
    CHOICE_FOR,
    Content,
    Entry,
    KIND_DECISION,
    Lane,
    STATUS_APPROVED,
    Status
} from "../../src/Types.sol";
import {RefusalFixture} from "../support/RefusalFixture.sol";
import {vm} from "../support/Vm.sol";

/// @notice The branches of `executeAnchored` and `verifyInclusion` in AnchoredLane.tree: what the log proves, when that ends, and what
/// became of the proposal before. What a class permits is in ExecuteAnchoredTerms.t.sol.
contract ExecuteAnchoredTest is RefusalFixture {
    address private constant PAYEE = address(0xbeef);

    bytes private _encoded;
    bytes32 private _id;

    /// @dev Entry 3 of the seven that are anchored at `START` approves a payment of one ether.
    function setUp() public override {
        super.setUp();
        _fill(3);
        Content memory content = _theContent();
        _id = _idOf(content);
        _encoded = abi.encode(_appendApproval(content));
        _fill(3);
        _anchor(1);
        vm.warp(START + 1 hours);
    }

    // ---------------------------------------------------------------------------------------------------------
    // What the log proves
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
        Approval memory approval = _theApproval();
        approval.salt = 1;
        Content memory content = _theContent();
        content.salt = 1;
        Entry memory entry = _entry(7, coordinator.hashDecision(_decision(_idOf(content), status)));
        (entry.kind, entry.status) = (kind, status);
        log.append(entry);
        _anchor(2);
        (approval.index, approval.sequence, approval.timestampMs) = (7, entry.sequence, entry.timestampMs);
        _expectExecutionRefusal(approval, 8, abi.encodeWithSelector(Errors.EntryNotIncluded.selector, groupId, 8, 7));
    }

    /// @dev An approval of which any part is not as it was decided and logged.
    function test_M3_RevertWhen_AnyPartIsAnother() external {
        for (uint256 field = 0; field < 14; ++field) {
            Approval memory approval = _theApproval();
            if (field == 0) approval.proposer = agents[1];
            if (field == 1) approval.salt += 1;
            if (field == 2) approval.class = LISTED;
            if (field == 3) approval.descriptionHash = "other";
            if (field == 4) approval.forWeight = 4;
            if (field == 5) approval.againstWeight = 0;
            if (field == 6) approval.abstainWeight = 1;
            if (field == 7) approval.index = 2;
            if (field == 8) approval.sequence += 1;
            if (field == 9) approval.timestampMs += 1;
            if (field == 10) approval.calls = _payment(PAYEE, 2 ether);
            if (field == 11) approval.calls = _payment(address(0xbad), 1 ether);
            if (field == 12) approval.calls = _join(approval.calls, approval.calls);
            if (field == 13) approval.calls[0].gas = 1;
            _expectNotIncluded(approval, log.path(3, 7));
        }
    }

    /// @dev What another group decided is nothing to this one, even with the same log anchored for both.
    function test_ExecuteAnchored_RevertWhen_AnotherGroupDecided() external {
        _use(_createGroup(_members(4), _terms(), "other"));
        _anchor(1);
        _expectNotIncluded(_theApproval(), log.path(3, 7));
    }

    function test_ExecuteAnchored_RevertWhen_SizeWasNotAnchored() external {
        _expectExecutionRefusal(_theApproval(), 6, abi.encodeWithSelector(Errors.UnknownAnchor.selector, groupId, 6));
    }

    function test_ExecuteAnchored_RevertWhen_ProofIsWrong() external {
        bytes32[] memory path = log.path(3, 7);
        path[1] = "other";
        _expectNotIncluded(_theApproval(), path);
        _expectNotIncluded(_theApproval(), log.path(2, 7));
        _expectNotIncluded(_theApproval(), new bytes32[](0));
    }

    // ---------------------------------------------------------------------------------------------------------
    // Its end by the log
    // ---------------------------------------------------------------------------------------------------------

    /// @dev The last second of its time is one of it: the batch's, and the class' expiry.
    function test_M3_RevertWhen_ItsTimeIsOver() external {
        vm.warp(START + EXPIRY + 1);
        _expectExecutionRefusal(_theApproval(), 7, _expired(START + EXPIRY));
        vm.warp(START + EXPIRY);
        _execute(_theApproval(), 7);
        _assertStatus(_id, Status.Executed);
    }

    function test_ExecuteAnchored_WhenACallFails_StaysExecutableUntilItsTimeIsOver() external {
        vm.deal(account, 0);
        for (uint256 i = 1; i < 4; ++i) {
            vm.warp(START + i * 12 hours);
            _expectExecutionRefusal(_theApproval(), 7, abi.encodeWithSelector(Errors.CallFailed.selector, 0, PAYEE, ""));
            _assertStatus(_id, Status.None);
        }
        vm.deal(account, 1 ether);
        vm.warp(START + EXPIRY + 1);
        _expectExecutionRefusal(_theApproval(), 7, _expired(START + EXPIRY));
        vm.warp(START + EXPIRY);
        _execute(_theApproval(), 7);
        vm.assertEq(PAYEE.balance, 1 ether, "paid once");
    }

    // ---------------------------------------------------------------------------------------------------------
    // Its end by the chain
    // ---------------------------------------------------------------------------------------------------------

    /// @dev A quorum that is voted out planted a decision dated a year ahead: it ends with its epoch's expiry all the same.
    function test_M3_WhatIsDatedAhead_EndsWithItsEpoch() external {
        Approval memory planted = _plant(1, uint64(START + 365 days));
        _anchor(2);
        vm.warp(START + 10 days);
        _rotate(_boundary(3, _members(4)), 0, 3, _members(4), _noMandate());
        uint256 until = START + 10 days + EXPIRY;

        vm.warp(until + 1);
        _expectExecutionRefusal(planted, 8, abi.encodeWithSelector(Errors.ExecutionExpired.selector, _idAt(1), until));
        vm.warp(START + 365 days);
        _expectExecutionRefusal(planted, 8, abi.encodeWithSelector(Errors.ExecutionExpired.selector, _idAt(1), until));
        vm.warp(until);
        _execute(planted, 8);
    }

    /// @dev The next epoch is the one that followed, not the current one.
    function test_M3_ItEndsWithTheEpochThatFollowed() external {
        Approval memory planted = _plant(1, uint64(START + 365 days));
        _anchor(2);
        vm.warp(START + 10 days);
        _rotate(_boundary(3, _members(4)), 0, 3, _members(4), _noMandate());
        vm.warp(START + 11 days);
        _rotate(_boundary(4, _members(4)), 0, 3, _members(4), _noMandate());
        uint256 until = START + 10 days + EXPIRY;
        vm.warp(until + 1);
        _expectExecutionRefusal(planted, 8, abi.encodeWithSelector(Errors.ExecutionExpired.selector, _idAt(1), until));
        vm.warp(until);
        _execute(planted, 8);
    }

    /// @dev The approval's epoch is the one that its entry is of: by the log's size at which each began.
    function test_M3_RevertWhen_TheEntryIsNotOfTheEpoch() external {
        _anchor(2);
        _rotate(_boundary(3, _members(4)), 0, 3, _members(4), _noMandate());
        Approval memory later = _appendApproval(_contentOf(1));
        _anchor(4);
        _rotate(_boundary(5, _members(4)), 0, 3, _members(4), _noMandate());
        _anchor(6);
        vm.assertEq(later.epoch, 1, "of epoch 1");

        Approval memory first = _theApproval();
        for (uint64 epoch = 1; epoch < 5; ++epoch) {
            first.epoch = epoch;
            _expectExecutionRefusal(first, 7, _notInEpoch(3, epoch));
        }
        later.epoch = 0;
        _expectExecutionRefusal(later, 8, _notInEpoch(7, 0));
        later.epoch = 2;
        _expectExecutionRefusal(later, 8, _notInEpoch(7, 2));
        later.epoch = 1 << 48 | 1;
        _expectExecutionRefusal(later, 8, _notInEpoch(7, 1 << 48 | 1));
        later.epoch = 1;
        _execute(later, 8);
        _execute(_theApproval(), 7);
    }

    // ---------------------------------------------------------------------------------------------------------
    // What became of the proposal before
    // ---------------------------------------------------------------------------------------------------------

    function test_ExecuteAnchored_RevertWhen_ExecutedBefore() external {
        _execute(_theApproval(), 7);
        _expectExecutionRefusal(_theApproval(), 7, _wrongStatus(Status.Executed));
        vm.assertEq(PAYEE.balance, 1 ether, "paid once");
    }

    /// @dev The group decides one proposal in both lanes, with the on-chain lane the first to execute.
    function test_ExecuteAnchored_RevertWhen_ExecutedInTheOnChainLane() external {
        _decideAndExecute(PAYMENTS, _payment(PAYEE, 1 ether), 0);
        _expectExecutionRefusal(_theApproval(), 7, _wrongStatus(Status.Executed));
        vm.assertEq(PAYEE.balance, 1 ether, "paid once");
    }

    /// @dev And the other way round.
    function test_ExecuteAnchored_EndsWhatIsApprovedOnChain() external {
        Content memory content = _approved(PAYMENTS, _payment(PAYEE, 1 ether), 0);
        vm.assertEq(_idOf(content), _id, "the same proposal");
        _execute(_theApproval(), 7);
        vm.expectRevert(_wrongStatus(Status.Executed));
        coordinator.execute(groupId, content);
        vm.assertEq(PAYEE.balance, 1 ether, "paid once");
    }

    /// @dev What the group revoked is not executed by whatever proof, before and after an approval on-chain.
    function test_M6_RevertWhen_Revoked() external {
        vm.prank(account);
        coordinator.revoke(groupId, _id);
        _expectExecutionRefusal(_theApproval(), 7, _wrongStatus(Status.Revoked));
    }

    function test_M6_RevertWhen_Vetoed() external {
        _approved(PAYMENTS, _payment(PAYEE, 1 ether), 0);
        coordinator.veto(groupId, _id, _objections(1, 2, _id));
        _expectExecutionRefusal(_theApproval(), 7, _wrongStatus(Status.Revoked));
    }

    /// @dev Whatever else happened on-chain to a proposal that the log approved: open, rejected or cancelled.
    function test_ExecuteAnchored_OverWhatIsOpenRejectedOrCancelled() external {
        for (uint64 salt = 1; salt < 4; ++salt) {
            bytes32 id = _propose(0, PAYMENTS, _payment(PAYEE, 1 ether), salt);
            if (salt == 2) {
                _vote(1, id, CHOICE_AGAINST);
                _vote(2, id, CHOICE_AGAINST);
                _assertStatus(id, Status.Rejected);
            }
            if (salt == 3) {
                vm.prank(agents[0]);
                coordinator.cancel(groupId, _contentOf(salt));
                _assertStatus(id, Status.Cancelled);
            }
            Approval memory approval = _appendApproval(_contentOf(salt));
            _anchor(1 + salt);
            _execute(approval, coordinator.latestAnchor(groupId).logSize);
            _assertStatus(id, Status.Executed);
            vm.assertEq(PAYEE.balance, salt * 1 ether, "paid");
        }
    }

    /// @dev What has been executed by proof takes no more votes, and is not cancelled.
    function test_ExecuteAnchored_ClosesWhatIsOpenOnChain() external {
        _propose(0, PAYMENTS, _payment(PAYEE, 1 ether), 0);
        _execute(_theApproval(), 7);
        vm.expectRevert(_wrongStatus(Status.Executed));
        _vote(1, _id, CHOICE_FOR);
        Content memory content = _theContent();
        vm.expectRevert(_wrongStatus(Status.Executed));
        vm.prank(agents[0]);
        coordinator.cancel(groupId, content);
    }

    function test_ExecuteAnchored_WhenACallFails_StaysExecutable() external {
        vm.deal(account, 0);
        _expectExecutionRefusal(_theApproval(), 7, abi.encodeWithSelector(Errors.CallFailed.selector, 0, PAYEE, ""));
        _assertStatus(_id, Status.None);

        vm.deal(account, 1 ether);
        _execute(_theApproval(), 7);
    }

    // ---------------------------------------------------------------------------------------------------------
    // Success
    // ---------------------------------------------------------------------------------------------------------

    function test_ExecuteAnchored_MakesTheCalls() external {
        bytes32[] memory path = log.path(3, 7);
        Approval memory approval = _theApproval();
        uint64 length = coordinator.inbox(groupId).length;
        vm.expectEmit(address(coordinator));
        emit ICoordinatorEvents.ProposalExecuted(groupId, _id, address(0xcafe), Lane.Anchored, 3, 0);
        vm.prank(address(0xcafe));
        coordinator.executeAnchored(groupId, 7, approval, path);

        vm.assertEq(PAYEE.balance, 1 ether, "paid");
        vm.assertEq(account.balance, 99 ether, "by the group's account");
        _assertStatus(_id, Status.Executed);
        vm.assertEq(coordinator.inbox(groupId).length, length, "the log knows it already");
    }

    /// @dev The time is the decision's, whichever anchor proves it.
    function test_ExecuteAnchored_ByOlderAndNewerAnchors() external {
        _fill(4);
        _anchor(2);
        _execute(_theApproval(), 7);
        _expectExecutionRefusal(_theApproval(), 11, _wrongStatus(Status.Executed));
    }

    function test_ExecuteAnchored_ByANewerAnchorAlone() external {
        _fill(4);
        _anchor(2);
        _execute(_theApproval(), 11);
        _assertStatus(_id, Status.Executed);
    }

    // ---------------------------------------------------------------------------------------------------------
    // verifyInclusion
    // ---------------------------------------------------------------------------------------------------------

    function test_VerifyInclusion_IsTrueForWhatTheLogContains() external view {
        vm.assertTrue(coordinator.verifyInclusion(groupId, 7, _logged(), log.path(3, 7)), "included");
    }

    function test_VerifyInclusion_IsFalseForASizeThatWasNotAnchored() external view {
        vm.assertFalse(coordinator.verifyInclusion(groupId, 6, _logged(), log.path(3, 6)), "not anchored");
    }

    function test_VerifyInclusion_RevertWhen_GroupIsUnknown() external {
        bytes32[] memory path = log.path(3, 7);
        Entry memory entry = _logged();
        vm.expectRevert(abi.encodeWithSelector(Errors.UnknownGroup.selector, bytes32("none")));
        coordinator.verifyInclusion("none", 7, entry, path);
    }

    function test_VerifyInclusion_IsFalseForAnyOtherEntry() external view {
        for (uint256 field = 0; field < 7; ++field) {
            Entry memory entry = _logged();
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

    function _theContent() private view returns (Content memory) {
        return _contentOf(0);
    }

    function _contentOf(uint64 salt) private view returns (Content memory) {
        return _content(0, PAYMENTS, _payment(PAYEE, 1 ether), salt);
    }

    function _idAt(uint64 salt) private view returns (bytes32) {
        return _idOf(_contentOf(salt));
    }

    function _theApproval() private view returns (Approval memory) {
        return abi.decode(_encoded, (Approval));
    }

    function _logged() private view returns (Entry memory entry) {
        Approval memory approval = _theApproval();
        entry = _entry(3, coordinator.hashDecision(_decision(_id, STATUS_APPROVED)));
        entry.timestampMs = approval.timestampMs;
    }

    /// @dev Appends an approval whose entry is of this second.
    function _plant(uint64 salt, uint64 second) private returns (Approval memory approval) {
        uint64 time = uint64(block.timestamp);
        vm.warp(second);
        approval = _appendApproval(_contentOf(salt));
        vm.warp(time);
    }

    function _expired(uint256 until) private view returns (bytes memory) {
        return abi.encodeWithSelector(Errors.ExecutionExpired.selector, _id, until);
    }

    function _notInEpoch(uint64 index, uint64 epoch) private pure returns (bytes memory) {
        return abi.encodeWithSelector(Errors.NotInEpoch.selector, index, epoch);
    }

    function _wrongStatus(Status status) private view returns (bytes memory) {
        return abi.encodeWithSelector(Errors.WrongStatus.selector, _id, status);
    }

    function _expectNotIncluded(Approval memory approval, bytes32[] memory path) private {
        vm.expectRevert(abi.encodeWithSelector(Errors.EntryNotIncluded.selector, groupId, 7, approval.index));
        coordinator.executeAnchored(groupId, 7, approval, path);
    }
}
// forge-lint: disable-end(unsafe-typecast)
