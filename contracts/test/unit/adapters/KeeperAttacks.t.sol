// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {IKeeper} from "../../../src/adapters/IKeeper.sol";
import {Approval, Call, Checkpoint, Member} from "../../../src/Types.sol";
import {KeeperFixture} from "../../support/KeeperFixture.sol";
import {Actor, Relay} from "../../support/Targets.sol";
import {vm} from "../../support/Vm.sol";

/// @notice The branches of Keeper.tree about senders and targets that mean no good.
contract KeeperAttacksTest is KeeperFixture {
    bytes private _guard = abi.encodeWithSelector(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector);

    /// @dev Who is paid calls back, to be paid again or to take more.
    function test_WhoIsPaid_CannotComeBack() external {
        Approval memory approval = _decided(PAYMENTS, 1)[0];
        bytes[3] memory tries =
            [_executeData(approval), abi.encodeCall(IKeeper.withdraw, (groupId, 1 ether)), _anchorData(1)];
        for (uint256 i = 0; i < 3; ++i) {
            Actor actor = new Actor();
            actor.onEther(address(keeper), tries[i]);
            bytes memory data = i == 2 ? tries[0] : _laterAnchorData();
            vm.assertTrue(_sendBy(actor, data) > 0, "paid");
            vm.assertEq(actor.timesPaid(), 1, "once");
            vm.assertFalse(actor.succeeded(), "refused");
            if (i != 1) vm.assertEq(actor.answer(), _guard, "by the guard");
        }
    }

    /// @dev The account itself, were it called from within, could not take what is being paid out.
    function test_Withdraw_FromWithin_IsRefusedByTheGuard() external {
        Call[] memory calls = _call(address(keeper), 0, abi.encodeCall(IKeeper.withdraw, (groupId, 1 ether)));
        calls[0].allowFailure = true;
        vm.assertTrue(_send(_executeOnChainData(ROUTINE, calls)) > 0, "refunded");
        vm.assertEq(account.balance, 100 ether, "nothing withdrawn");
    }

    /// @dev What a decision calls on the way is no way to be paid twice for the same gas.
    function test_WhatIsCalled_CannotComeBack() external {
        Relay relay = new Relay();
        bytes memory anchor_ = _anchorData(1);
        bytes memory data = _executeOnChainData(
            ROUTINE, _call(address(relay), 0, abi.encodeCall(Relay.relay, (address(keeper), anchor_)))
        );
        vm.assertTrue(_send(data) > 0, "refunded");
        vm.assertEq(relay.failed(), 1, "refused");
        vm.assertTrue(_send(anchor_) > 0, "by itself it is good");
    }

    /// @dev They move no ether out: what a decision of the group says counts at once.
    function test_WhatIsCalled_MayDepositAndSetThePolicy() external {
        IKeeper.Policy memory policy = _policy();
        policy.gasCap = 10;
        Call[] memory calls = _join(
            _call(address(keeper), 1 ether, abi.encodeCall(IKeeper.deposit, (groupId))),
            _call(address(keeper), 0, abi.encodeCall(IKeeper.setPolicy, (groupId, policy)))
        );
        bytes memory data = _executeOnChainData(ROUTINE, calls);
        uint256 before = SENDER.balance;
        vm.prank(SENDER, SENDER);
        (bool success,) = address(keeper).call(data);
        vm.assertTrue(success, "executed");
        vm.assertEq(SENDER.balance - before, 10 * PRICE, "by the new policy");
        vm.assertEq(keeper.fundOf(groupId).balance, 11 ether - 10 * PRICE, "with the deposit");
    }

    /// @dev And nothing is left of what it did.
    function test_WhoRefusesEther_UndoesItsAnchor() external {
        Actor actor = new Actor();
        actor.refuse(true);
        bytes memory data = _anchorData(1);
        vm.expectPartialRevert(IKeeper.NotTaken.selector);
        actor.act(address(keeper), data);
        vm.assertEq(coordinator.latestAnchor(groupId).sequence, 0, "not anchored");
        vm.assertEq(keeper.fundOf(groupId).balance, 10 ether, "not paid");
    }

    /// @dev A megabyte of an answer is never copied: it costs whoever makes it, after the gas was counted.
    function test_AMegabyteOfAnAnswer_CostsTheAnswerer() external {
        address bomber = address(new Bomber());
        address plain = address(new Actor());
        uint256 usual = _send(plain, _anchorData(1));
        vm.warp(block.timestamp + 1);
        bytes memory data = _anchorData(1);
        uint256 before = bomber.balance;
        uint256 gas = gasleft();
        vm.prank(bomber, SENDER);
        (bool success,) = address(keeper).call(data);
        gas -= gasleft();
        vm.assertTrue(success, "anchored");
        vm.assertTrue(bomber.balance - before < usual * 5 / 4, "as any other");
        // A megabyte of memory takes 2.2 million gas, once and not twice.
        vm.assertLe(gas, 3_000_000, "the bomber's memory alone");
    }

    /// @dev An account that delegates to code (EIP-7702), and a contract, might make many calls in one transaction: neither is paid for
    /// a transaction, and both for what they see to.
    function test_SendersWithCode_ArePaidForTheCallAlone() external {
        uint256 snapshot = vm.snapshotState();
        bytes memory data = _anchorData(1);
        uint256 plain = _send(SENDER, data);
        vm.revertToState(snapshot);
        snapshot = vm.snapshotState();
        // Somebody else sent the transaction.
        address other = address(0x0be);
        vm.deal(other, 1);
        uint256 relayed = _send(other, data);
        vm.revertToState(snapshot);
        // It stops, and takes the ether.
        vm.etch(SENDER, hex"00");
        uint256 delegated = _send(SENDER, data);
        vm.assertTrue(relayed > 0 && delegated > 0, "paid");
        vm.assertLe(relayed + 21_000 * PRICE, plain, "no transaction");
        vm.assertLe(delegated + 21_000 * PRICE, plain, "no transaction either");
    }

    /// @dev From a contract, call data costs nothing but memory.
    function test_PaddedCallData_EarnsAContractNothing() external {
        address other = address(new Actor());
        bytes memory data = bytes.concat(_anchorData(1), new bytes(20_000));
        uint256 amount = _send(other, data);
        // Memory of 700 words, copied twice: 10,000 gas, where 20,000 bytes of a transaction are 80,000.
        vm.assertLe(amount, 250_000 * PRICE, "not the padding");
    }

    /// @dev Rotations are needed by all that comes after, whatever the minimums are, and begin the count anew.
    function test_ARotation_IsRefunded() external {
        IKeeper.Policy memory policy = _policy();
        (policy.minimumEntries, policy.minimumInterval) = (1000, 1 days);
        _set(policy);
        Member[] memory next = _members(4);
        Checkpoint memory checkpoint = _boundary(++sequence, next);
        bytes memory data = abi.encodeCall(
            IKeeper.anchorAndRotate,
            (
                checkpoint,
                _signatures(checkpoint, 0, 3),
                _consistency(checkpoint),
                _taken(checkpoint),
                next,
                _noMandate()
            )
        );
        vm.assertTrue(_send(data) > 0, "refunded");
        vm.assertEq(coordinator.group(groupId).epoch, 1, "rotated");
        vm.assertEq(keeper.fundOf(groupId).refundedSize, log.size(), "counted from here");
        vm.assertFalse(keeper.isDue(groupId, log.size() + 1000), "too soon");
    }

    /// @dev Nobody is paid from what another group put aside.
    function test_AnotherGroups_BalanceIsNotTouched() external {
        bytes32 first = groupId;
        _useWithFreshLog(_createGroup(_members(4), _terms(), "other"));
        _set(_policy());
        bytes memory data = _anchorData(3);
        vm.prank(SENDER, SENDER);
        (bool success,) = address(keeper).call(data);
        vm.assertTrue(success, "anchored");
        vm.assertEq(SENDER.balance, 1 ether, "it has none");
        vm.assertEq(keeper.fundOf(first).balance, 10 ether, "the first's");
    }

    function _sendBy(Actor actor, bytes memory data) private returns (uint256 amount) {
        uint256 before = address(actor).balance;
        uint256 balance = keeper.fundOf(groupId).balance;
        actor.act(address(keeper), data);
        amount = address(actor).balance - before;
        vm.assertEq(balance - keeper.fundOf(groupId).balance, amount, "by the books");
    }

    /// @dev An anchor after the one that is tried from within.
    function _laterAnchorData() private returns (bytes memory) {
        ++sequence;
        return _anchorData(1);
    }
}

/// @notice Takes ether, and answers with a megabyte.
contract Bomber {
    receive() external payable {
        assembly ("memory-safe") {
            return(0, 1000000)
        }
    }
}
