// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {Errors} from "../../../src/Errors.sol";
import {IAgentCoordinator} from "../../../src/IAgentCoordinator.sol";
import {IAnchoredLane} from "../../../src/IAnchoredLane.sol";
import {IOnChainLane} from "../../../src/IOnChainLane.sol";
import {IKeeper} from "../../../src/adapters/IKeeper.sol";
import {Keeper} from "../../../src/adapters/Keeper.sol";
import {Approval, Call, Content, Status} from "../../../src/Types.sol";
import {KeeperFixture} from "../../support/KeeperFixture.sol";
import {vm} from "../../support/Vm.sol";

/// @notice The branches of "constructor", "deposit", "setPolicy" and "withdraw" in Keeper.tree, and what is paid within which limits.
contract KeeperTest is KeeperFixture {
    function test_Constructor_RevertWhen_ThereIsNoCoordinator() external {
        vm.expectRevert(abi.encodeWithSelector(IKeeper.NoCoordinator.selector, address(0xdead)));
        new Keeper(IAgentCoordinator(address(0xdead)));
        vm.assertEq(address(keeper.coordinator()), address(coordinator), "the coordinator");
    }

    /// @dev What comes in is handed on as it is.
    function test_Selectors_AreTheCoordinators() external pure {
        vm.assertEq(bytes32(IKeeper.anchor.selector), IAnchoredLane.anchor.selector, "anchor");
        vm.assertEq(bytes32(IKeeper.anchorAndRotate.selector), IAnchoredLane.anchorAndRotate.selector, "rotate");
        vm.assertEq(bytes32(IKeeper.executeAnchored.selector), IAnchoredLane.executeAnchored.selector, "execute");
        vm.assertEq(
            bytes32(IKeeper.executeAnchoredBatch.selector), IAnchoredLane.executeAnchoredBatch.selector, "batch"
        );
        vm.assertEq(bytes32(IKeeper.queueAnchored.selector), IAnchoredLane.queueAnchored.selector, "queue");
        vm.assertEq(bytes32(IKeeper.execute.selector), IOnChainLane.execute.selector, "execute on-chain");
    }

    // ---------------------------------------------------------------------------------------------------------
    // The group's money
    // ---------------------------------------------------------------------------------------------------------

    function test_Deposit_RevertWhen_NothingOrNoGroup() external {
        vm.expectRevert(abi.encodeWithSelector(IKeeper.NothingDeposited.selector));
        keeper.deposit(groupId);
        vm.expectRevert(abi.encodeWithSelector(IKeeper.UnknownGroup.selector, bytes32("none")));
        keeper.deposit{value: 1}("none");
    }

    function test_Deposit_IsTheGroups() external {
        bytes32 other = _createGroup(_members(4), _terms(), "other");
        vm.expectEmit(address(keeper));
        emit IKeeper.Deposited(other, address(this), 2 ether);
        keeper.deposit{value: 2 ether}(other);
        keeper.deposit{value: 3}(other);
        vm.assertEq(keeper.fundOf(other).balance, 2 ether + 3, "its own");
        vm.assertEq(keeper.fundOf(groupId).balance, 10 ether, "nobody else's");
        vm.assertEq(keeper.fundOf(other).left, 0, "without a policy nothing is refunded");
    }

    function test_SetPolicy_RevertWhen_NotTheGroupsAccount() external {
        address other = coordinator.accountOf(_createGroup(_members(4), _terms(), "other"));
        address[3] memory callers = [address(this), agents[0], other];
        for (uint256 i = 0; i < 3; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IKeeper.NotGroupAccount.selector, groupId, callers[i]));
            vm.prank(callers[i]);
            keeper.setPolicy(groupId, _policy());
        }
    }

    /// @dev Or whoever has the signatures is refunded for an anchor for each entry, as often as blocks come.
    function test_SetPolicy_RevertWhen_ThereIsNoMinimum() external {
        IKeeper.Policy memory policy = _policy();
        policy.minimumEntries = 0;
        vm.expectRevert(abi.encodeWithSelector(IKeeper.NoMinimum.selector));
        _set(policy);
        policy.minimumInterval = 60;
        _set(policy);
        (policy.minimumInterval, policy.budget) = (0, 0);
        _set(policy);
    }

    function test_SetPolicy_ByADecision() external {
        IKeeper.Policy memory policy = _policy();
        (policy.priceCap, policy.budget) = (1, 2);
        bytes memory data = abi.encodeCall(IKeeper.setPolicy, (groupId, policy));
        Content memory content = _approved(ROUTINE, _call(address(keeper), 0, data), 1);
        vm.warp(block.timestamp + TIMELOCK);
        vm.expectEmit(address(keeper));
        emit IKeeper.PolicySet(groupId, policy);
        coordinator.execute(groupId, content);
        vm.assertEq(abi.encode(keeper.policyOf(groupId)), abi.encode(policy), "policy");
    }

    function test_Withdraw_RevertWhen_NotTheAccountOrNotEnough() external {
        vm.expectRevert(abi.encodeWithSelector(IKeeper.NotGroupAccount.selector, groupId, address(this)));
        keeper.withdraw(groupId, 1);
        vm.expectRevert(abi.encodeWithSelector(IKeeper.NotEnough.selector, groupId, 10 ether));
        vm.prank(account);
        keeper.withdraw(groupId, 10 ether + 1);
    }

    function test_Withdraw_ByADecision() external {
        // Another group's stays.
        bytes32 other = _createGroup(_members(4), _terms(), "other");
        keeper.deposit{value: 1 ether}(other);
        bytes memory data = abi.encodeCall(IKeeper.withdraw, (groupId, 10 ether));
        Content memory content = _approved(ROUTINE, _call(address(keeper), 0, data), 1);
        vm.warp(block.timestamp + TIMELOCK);
        vm.expectEmit(address(keeper));
        emit IKeeper.Withdrawn(groupId, 10 ether);
        coordinator.execute(groupId, content);
        vm.assertEq(account.balance, 110 ether, "the account's");
        vm.assertEq(keeper.fundOf(groupId).balance, 0, "nothing left");
        vm.assertEq(keeper.fundOf(other).balance, 1 ether, "the other's");
        vm.assertEq(address(keeper).balance, 1 ether, "what is there");
    }

    // ---------------------------------------------------------------------------------------------------------
    // Limits
    // ---------------------------------------------------------------------------------------------------------

    function test_Refund_RevertWhen_TheCoordinatorRefuses() external {
        bytes memory data = _anchorData(1);
        _send(data);
        uint256 balance = keeper.fundOf(groupId).balance;
        vm.expectRevert(abi.encodeWithSelector(Errors.StaleSequence.selector, 1, 1));
        vm.prank(SENDER, SENDER);
        (bool reverted,) = address(keeper).call(data);
        vm.assertTrue(reverted, "as expected");
        vm.assertEq(keeper.fundOf(groupId).balance, balance, "nothing paid");
    }

    function test_Refund_IsNothing_WithoutPolicyBalanceOrBudget() external {
        IKeeper.Policy memory none;
        _set(none);
        vm.assertEq(_send(_anchorData(1)), 0, "no policy");
        vm.assertEq(coordinator.latestAnchor(groupId).sequence, sequence, "anchored");
        vm.assertEq(keeper.fundOf(groupId).refundedAt, 0, "and not refunded");
        _set(_policy());
        vm.prank(account);
        keeper.withdraw(groupId, 10 ether);
        vm.assertEq(_send(_anchorData(1)), 0, "no balance");
        keeper.deposit{value: 3}(groupId);
        vm.assertEq(_send(_anchorData(1)), 3, "all that there is");
        vm.assertEq(_send(_anchorData(1)), 0, "no balance again");
    }

    /// @dev It is a day's, and spent to the last wei.
    function test_Refund_StaysWithinTheBudget() external {
        vm.warp(START - START % 1 days + 2 days - 1);
        IKeeper.Policy memory policy = _policy();
        policy.budget = 0.0004 ether;
        _set(policy);
        uint256 first = _send(_anchorData(1));
        vm.assertTrue(first > 0.0002 ether && first < 0.0004 ether, "in full");
        vm.assertEq(keeper.fundOf(groupId).left, 0.0004 ether - first, "what is left");
        vm.assertEq(_send(_anchorData(1)), 0.0004 ether - first, "what was left");
        vm.assertEq(_send(_anchorData(1)), 0, "nothing more");
        vm.warp(block.timestamp + 1);
        vm.assertEq(keeper.fundOf(groupId).left, 0.0004 ether, "another day");
        vm.assertTrue(_send(_anchorData(1)) > 0.0002 ether, "in full again");
    }

    function test_Refund_StaysWithinTheCaps() external {
        IKeeper.Policy memory policy = _policy();
        (policy.priceCap, policy.tipCap, policy.gasCap) = (2 gwei, 50 gwei, 10);
        _set(policy);
        vm.assertEq(_send(_anchorData(1)), 10 * 2 gwei, "price and gas");
        // The block's producer pays itself a tip of 99 gwei.
        vm.txGasPrice(100 gwei);
        (policy.priceCap, policy.tipCap) = (100 gwei, 4 gwei);
        _set(policy);
        vm.assertEq(_send(_anchorData(1)), 10 * 5 gwei, "base fee and tip");
        vm.txGasPrice(2);
        vm.assertEq(_send(_anchorData(1)), 10 * 2, "what was paid");
        policy.priceCap = 0;
        _set(policy);
        vm.assertEq(_send(_anchorData(1)), 0, "nothing");
    }

    /// @dev Whatever the policy and the prices are.
    function testFuzz_Refund_StaysWithinAllLimits(IKeeper.Policy memory policy, uint64 price, uint64 fee, uint96 funds)
        external
    {
        policy.minimumEntries = 1;
        _set(policy);
        vm.prank(account);
        keeper.withdraw(groupId, 10 ether - uint256(funds) % 10 ether);
        vm.fee(fee);
        vm.txGasPrice(price);
        bytes memory data = _anchorData(3);
        if (keeper.isDue(groupId, log.size())) vm.assertTrue(START >= policy.minimumInterval, "due");
        uint256 left = keeper.fundOf(groupId).left;
        uint256 amount = _send(data);
        vm.assertLe(amount, policy.budget, "budget");
        vm.assertLe(amount, left, "what is left");
        vm.assertLe(amount, uint256(policy.gasCap) * policy.priceCap, "caps");
        vm.assertLe(amount, uint256(policy.gasCap) * (uint256(fee) + policy.tipCap), "tip");
        vm.assertLe(amount, uint256(400_000) * price, "what was paid");
        vm.assertEq(keeper.fundOf(groupId).left, left - amount, "what is left then");
    }

    // ---------------------------------------------------------------------------------------------------------
    // Anchors that are not worth it
    // ---------------------------------------------------------------------------------------------------------

    function test_Anchor_IsNotRefunded_ForTooFewEntries() external {
        IKeeper.Policy memory policy = _policy();
        policy.minimumEntries = 10;
        _set(policy);
        vm.assertEq(_send(_anchorData(4)), 0, "nine");
        vm.assertTrue(_send(_anchorData(1)) > 0, "ten");
        vm.assertEq(keeper.fundOf(groupId).refundedSize, 10, "from here on");
        // Whoever anchors them one by one is not paid, nor does it keep others from being.
        for (uint256 i = 0; i < 9; ++i) {
            vm.assertEq(_send(address(0xbad), _anchorData(1)), 0, "one by one");
        }
        vm.assertFalse(keeper.isDue(groupId, 19), "nineteen");
        vm.assertTrue(keeper.isDue(groupId, 20), "twenty");
        vm.assertTrue(_send(_anchorData(1)) > 0, "ten since the last refund");
    }

    function test_Anchor_IsNotRefunded_TooSoon() external {
        IKeeper.Policy memory policy = _policy();
        (policy.minimumEntries, policy.minimumInterval) = (0, 600);
        _set(policy);
        vm.assertTrue(_send(_anchorData(1)) > 0, "the first");
        vm.warp(START + 599);
        vm.assertEq(_send(_anchorData(100)), 0, "a second too soon");
        vm.warp(START + 600);
        vm.assertTrue(_send(_anchorData(0)) > 0, "in time");
        vm.assertEq(keeper.fundOf(groupId).refundedAt, START + 600, "from here on");
    }

    // ---------------------------------------------------------------------------------------------------------
    // Executions
    // ---------------------------------------------------------------------------------------------------------

    function test_Executions_AreRefundedOnce() external {
        Approval memory approval = _decided(PAYMENTS, 1)[0];
        bytes memory data = _executeData(approval);
        vm.assertTrue(_send(data) > 0, "executed");
        vm.assertEq(PAYEE.balance, 0.01 ether + 1, "paid");
        vm.expectPartialRevert(Errors.WrongStatus.selector);
        vm.prank(SENDER, SENDER);
        (bool reverted,) = address(keeper).call(data);
        vm.assertTrue(reverted, "as expected");
        vm.assertTrue(_send(_executeOnChainData(ROUTINE, _calls(1, 0))) > 0, "on-chain");
        vm.assertEq(recorder.calls(1), 1, "called");
    }

    function test_Queue_IsRefunded() external {
        Approval memory approval = _appendApproval(_content(0, ROUTINE, _calls(1, 0), 1));
        _anchor(++sequence);
        bytes32[] memory proof = log.path(approval.index, log.size());
        bytes memory data = abi.encodeCall(IKeeper.queueAnchored, (groupId, log.size(), approval, proof));
        vm.assertTrue(_send(data) > 0, "queued");
        _assertStatus(_idOf(_content(0, ROUTINE, _calls(1, 0), 1)), Status.Approved);
    }

    function test_Batch_IsNotRefunded_WhenAllIsSkipped() external {
        Approval[] memory approvals = _decided(PAYMENTS, 3);
        bytes memory all = _batchData(approvals);
        _send(_executeData(approvals[1]));
        bytes32 id = _idOf(_content(0, PAYMENTS, approvals[0].calls, approvals[0].salt));
        vm.prank(account);
        coordinator.revoke(groupId, id);
        Approval[] memory two = new Approval[](2);
        (two[0], two[1]) = (approvals[0], approvals[1]);
        vm.assertEq(_send(_batchData(two)), 0, "one revoked, one executed");
        vm.assertTrue(_send(all) > 0, "one was left");
        vm.assertEq(_send(all), 0, "and is no more");
        vm.assertEq(PAYEE.balance, 0.02 ether + 1, "paid");
    }

    function _batchData(Approval[] memory approvals) private returns (bytes memory) {
        uint64[] memory indices = new uint64[](approvals.length);
        for (uint256 i = 0; i < approvals.length; ++i) {
            indices[i] = approvals[i].index;
        }
        uint64 size = log.size();
        return abi.encodeCall(IKeeper.executeAnchoredBatch, (groupId, size, approvals, log.paths(indices, size)));
    }
}
// forge-lint: disable-end(unsafe-typecast)
