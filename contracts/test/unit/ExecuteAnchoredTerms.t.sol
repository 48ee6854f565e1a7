// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {Errors} from "../../src/Errors.sol";
import {ICoordinatorEvents} from "../../src/ICoordinatorEvents.sol";
import {
    Approval,
    Call,
    Class,
    Content,
    FLAG_REPLICA,
    FLAG_VOTER,
    Lane,
    Member,
    Opening,
    Scope,
    Status,
    Terms
} from "../../src/Types.sol";
import {RefusalFixture} from "../support/RefusalFixture.sol";
import {Recorder, Refuser} from "../support/Targets.sol";
import {Coin} from "../support/Tokens.sol";
import {vm} from "../support/Vm.sol";

/// @notice The branches of "the terms of what is executed by proof" in AnchoredLane.tree: a quorum that lies in its log is held to the
/// scope, the list, the limits and the windows of a class.
contract ExecuteAnchoredTermsTest is RefusalFixture {
    address private constant PAYEE = address(0xbeef);

    uint64 private _salt;

    // ---------------------------------------------------------------------------------------------------------
    // The class
    // ---------------------------------------------------------------------------------------------------------

    /// @dev All that a group of a single class of decisions can lose to its replicas is nothing, though none of its voters agreed.
    function test_M3_AGroupThatOnlyDecides_PaysNothing() external {
        _makeAgents(5);
        Member[] memory members = _members(5);
        for (uint256 i = 0; i < 4; ++i) {
            (members[i].weight, members[i].flags) = (0, FLAG_REPLICA);
        }
        members[4].flags = FLAG_VOTER;
        Terms memory terms = _termsOf(10_000);
        Class memory class = terms.classes[0];
        (class.name, class.scope, class.opening, class.escape) = ("decisions", Scope.Decisions, Opening.Never, false);
        terms.recoveryTime = 0;
        _useWithFreshLog(_createGroup(members, terms, "decisions"));

        Approval memory approval = _logged(0, _payment(PAYEE, 100 ether));
        _expectExecutionRefusal(approval, _size(), abi.encodeWithSelector(Errors.HasTimelock.selector, groupId, 0));
        _expectQueueRefusal(approval, _size(), abi.encodeWithSelector(Errors.CallNotPermitted.selector, 0));
        vm.assertEq(account.balance, 100 ether, "nothing is paid");
    }

    function test_M3_RevertWhen_TheClassIsUnknown() external {
        Approval memory approval = _logged(8, _payment(PAYEE, 1));
        _expectExecutionRefusal(approval, _size(), abi.encodeWithSelector(Errors.UnknownClass.selector, groupId, 8));
    }

    function test_M3_RevertWhen_TheClassHasATimelock() external {
        uint8[5] memory classes = [ROUTINE, OF_CAST, WITH_VETO, WITH_REVOTES, ESCAPE];
        for (uint256 i = 0; i < 5; ++i) {
            Approval memory approval = _logged(classes[i], _payment(PAYEE, 1));
            _expectExecutionRefusal(
                approval, _size(), abi.encodeWithSelector(Errors.HasTimelock.selector, groupId, classes[i])
            );
        }
    }

    function test_M3_Decisions_MakeNoCalls() external {
        _execute(_logged(DECISIONS, new Call[](0)), _size());
        _expectRefused(DECISIONS, _payment(PAYEE, 0), abi.encodeWithSelector(Errors.CallNotPermitted.selector, 0));
        _expectRefused(DECISIONS, _calls(1, 0), abi.encodeWithSelector(Errors.CallNotPermitted.selector, 0));
    }

    // ---------------------------------------------------------------------------------------------------------
    // Scope and list
    // ---------------------------------------------------------------------------------------------------------

    function test_M3_Payments_AreEtherAndCoins() external {
        Call[] memory both = _join(_payment(PAYEE, 1 ether), _transfer(address(coin), PAYEE, 5e6));
        _execute(_logged(PAYMENTS, both), _size());
        vm.assertEq(PAYEE.balance, 1 ether, "ether");
        vm.assertEq(coin.balanceOf(PAYEE), 5e6, "coins");

        Coin other = new Coin();
        Call[][6] memory others = [
            _calls(1, 0),
            _transfer(address(other), PAYEE, 1),
            _call(address(coin), 0, abi.encodeCall(coin.approve, (PAYEE, 1))),
            _call(address(coin), 0, abi.encodeCall(coin.transferFrom, (account, PAYEE, 1))),
            _payment(account, 1),
            _payment(address(coordinator), 1)
        ];
        for (uint256 i = 0; i < 6; ++i) {
            // The first of two is permitted, the second is not.
            Call[] memory calls = _join(_payment(PAYEE, 1), others[i]);
            _expectRefused(PAYMENTS, calls, abi.encodeWithSelector(Errors.CallNotPermitted.selector, 1));
        }
    }

    function test_M3_Listed_AreTheListAndWhatIsLimited() external {
        Call[] memory calls = _join(_calls(1, 1 ether), _transfer(address(coin), PAYEE, 1));
        calls = _join(calls, _call(address(coin), 0, abi.encodeCall(coin.approve, (PAYEE, 2))));
        calls = _join(calls, _payment(PAYEE, 1 ether));
        _execute(_logged(LISTED, calls), _size());
        vm.assertEq(recorder.received(account), 1 ether, "listed");
        vm.assertEq(coin.allowance(account, PAYEE), 2, "an allowance");

        Call[][5] memory others = [
            _call(address(recorder), 0, abi.encodeCall(Recorder.orderLength, ())),
            _call(address(coin), 0, abi.encodeCall(coin.mint, (PAYEE, 1))),
            _call(account, 0, abi.encodeWithSignature("setApproval(bytes32,uint64)", bytes32("hash"), 1)),
            _call(address(coordinator), 0, abi.encodeCall(coordinator.revoke, (groupId, "id"))),
            _call(address(recorder), 0, hex"00")
        ];
        for (uint256 i = 0; i < 5; ++i) {
            _expectRefused(LISTED, others[i], abi.encodeWithSelector(Errors.CallNotPermitted.selector, 0));
        }
    }

    /// @dev The rules of valid calls hold for what the log decided as well.
    function test_M3_RevertWhen_TheCallsAreNotValid() external {
        Call[] memory many = new Call[](33);
        for (uint256 i = 0; i < 33; ++i) {
            many[i] = _payment(PAYEE, 1)[0];
        }
        _expectRefused(PAYMENTS, many, abi.encodeWithSelector(Errors.TooManyCalls.selector, 33, 32));
        Call[] memory calls = _transfer(address(coin), PAYEE, 1);
        calls[0].gas = 0;
        _expectRefused(PAYMENTS, calls, abi.encodeWithSelector(Errors.GasNotNamed.selector, 0));
        calls[0].gas = 10_000_001;
        _expectRefused(PAYMENTS, calls, abi.encodeWithSelector(Errors.TooMuchGas.selector, 10_000_001, 10_000_000));
        calls = _payment(PAYEE, 1);
        calls[0].allowFailure = true;
        _expectRefused(PAYMENTS, calls, abi.encodeWithSelector(Errors.GasNotNamed.selector, 0));
        calls = _call(address(recorder), 0, new bytes(24 * 1024 + 1));
        _expectRefused(LISTED, calls, abi.encodeWithSelector(Errors.TooMuchData.selector, 0, 24 * 1024 + 1, 24 * 1024));
    }

    // ---------------------------------------------------------------------------------------------------------
    // Limits
    // ---------------------------------------------------------------------------------------------------------

    function test_M3_RevertWhen_ADecisionIsAboveItsLimit() external {
        _expectRefused(
            PAYMENTS,
            _payment(PAYEE, ETHER_LIMIT + 1),
            abi.encodeWithSelector(Errors.AboveLimit.selector, address(0), ETHER_LIMIT + 1, ETHER_LIMIT)
        );
        // By all calls together.
        _expectRefused(
            PAYMENTS,
            _join(_payment(PAYEE, 1 ether), _payment(address(0xcafe), 1 ether + 1)),
            abi.encodeWithSelector(Errors.AboveLimit.selector, address(0), ETHER_LIMIT + 1, ETHER_LIMIT)
        );
        _execute(_logged(PAYMENTS, _payment(PAYEE, ETHER_LIMIT)), _size());
    }

    /// @dev Tokens have limits of their own: what a limit in wei never limited.
    function test_L7_TokensAreLimited() external {
        _expectRefused(
            PAYMENTS,
            _transfer(address(coin), PAYEE, COIN_LIMIT + 1),
            abi.encodeWithSelector(Errors.AboveLimit.selector, address(coin), COIN_LIMIT + 1, COIN_LIMIT)
        );
        // An allowance counts as if it were spent, together with what is sent.
        Call[] memory calls = _join(
            _call(address(coin), 0, abi.encodeCall(coin.approve, (PAYEE, 600e6))),
            _transfer(address(coin), PAYEE, 400e6 + 1)
        );
        _expectRefused(
            LISTED, calls, abi.encodeWithSelector(Errors.AboveLimit.selector, address(coin), COIN_LIMIT + 1, COIN_LIMIT)
        );
        _expectRefused(
            LISTED,
            _call(address(coin), 0, abi.encodeCall(coin.approve, (PAYEE, type(uint256).max))),
            abi.encodeWithSelector(Errors.AboveLimit.selector, address(coin), type(uint256).max, COIN_LIMIT)
        );
        _execute(_logged(PAYMENTS, _transfer(address(coin), PAYEE, COIN_LIMIT)), _size());
    }

    // ---------------------------------------------------------------------------------------------------------
    // Windows
    // ---------------------------------------------------------------------------------------------------------

    function test_M3_RevertWhen_TheWindowLeavesLess() external {
        _atTheBeginOfAWindow();
        for (uint256 i = 0; i < 2; ++i) {
            _execute(_logged(PAYMENTS, _payment(PAYEE, ETHER_LIMIT)), _size());
        }
        (, uint256 left) = coordinator.spendable(groupId, PAYMENTS, address(0));
        vm.assertEq(left, 1 ether, "left");
        Approval memory waiting = _logged(PAYMENTS, _payment(PAYEE, ETHER_LIMIT));
        _expectExecutionRefusal(waiting, _size(), _aboveWindow(ETHER_LIMIT, 1 ether));
        _execute(_logged(PAYMENTS, _payment(PAYEE, 1 ether)), _size());
        _expectRefused(PAYMENTS, _payment(PAYEE, 1), _aboveWindow(1, 0));

        // What was spent comes back after one to two windows, and not before.
        uint256 begin = block.timestamp;
        vm.warp(begin + 2 * WINDOW - 1);
        _expectExecutionRefusal(waiting, _size(), _aboveWindow(ETHER_LIMIT, 0));
        vm.warp(begin + 2 * WINDOW);
        _execute(waiting, _size());
        vm.assertEq(account.balance, 100 ether - 7 ether, "paid");
    }

    /// @dev Another asset, another class and another group have windows of their own.
    function test_M3_WindowsAreKeptByAssetClassAndGroup() external {
        _atTheBeginOfAWindow();
        for (uint256 i = 0; i < 2; ++i) {
            _execute(_logged(PAYMENTS, _payment(PAYEE, ETHER_LIMIT)), _size());
        }
        Call[] memory payment = _payment(PAYEE, ETHER_LIMIT);
        _expectRefused(PAYMENTS, payment, _aboveWindow(ETHER_LIMIT, 1 ether));
        _execute(_logged(PAYMENTS, _transfer(address(coin), PAYEE, COIN_LIMIT)), _size());
        _execute(_logged(LISTED, payment), _size());
        _useWithFreshLog(_createGroup(_members(4), _terms(), "other"));
        _execute(_logged(PAYMENTS, payment), _size());
    }

    /// @dev Both lanes spend from one window.
    function test_M3_TheLanesShareAWindow() external {
        _atTheBeginOfAWindow();
        for (uint64 i = 0; i < 2; ++i) {
            _decideAndExecute(PAYMENTS, _payment(PAYEE, ETHER_LIMIT), 100 + i);
        }
        _expectRefused(PAYMENTS, _payment(PAYEE, ETHER_LIMIT), _aboveWindow(ETHER_LIMIT, 1 ether));
        _execute(_logged(PAYMENTS, _payment(PAYEE, 1 ether)), _size());

        Content memory content = _approved(PAYMENTS, _payment(PAYEE, 1), 102);
        vm.expectRevert(_aboveWindow(1, 0));
        coordinator.execute(groupId, content);
    }

    /// @dev A call that was allowed to fail counts as if it had not.
    function test_M3_FailedCallsCount() external {
        _atTheBeginOfAWindow();
        Refuser refuser = new Refuser();
        for (uint256 i = 0; i < 2; ++i) {
            Call[] memory calls = _payment(address(refuser), ETHER_LIMIT);
            (calls[0].gas, calls[0].allowFailure) = (30_000, true);
            _execute(_logged(PAYMENTS, calls), _size());
        }
        vm.assertEq(account.balance, 100 ether, "nothing is paid");
        _expectRefused(PAYMENTS, _payment(PAYEE, ETHER_LIMIT), _aboveWindow(ETHER_LIMIT, 1 ether));
    }

    /// @dev Whatever is executed whenever: in no interval of the window's length more leaves than the window allows.
    function testFuzz_M3_NoIntervalExceedsTheWindow(uint256 seed) external {
        uint256[24] memory times;
        uint256[24] memory amounts;
        for (uint256 i = 0; i < 24; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            vm.warp(block.timestamp + seed % (WINDOW / 3));
            amounts[i] = (seed >> 64) % (ETHER_LIMIT + 1);
            times[i] = block.timestamp;
            Approval memory approval = _logged(PAYMENTS, _payment(PAYEE, amounts[i]));
            bytes memory data = abi.encodeCall(
                coordinator.executeAnchored, (groupId, _size(), approval, log.path(approval.index, _size()))
            );
            (bool executed,) = address(coordinator).call(data);
            if (!executed) amounts[i] = 0;
            uint256 sum = 0;
            for (uint256 j = 0; j <= i; ++j) {
                if (times[j] + WINDOW > times[i]) sum += amounts[j];
            }
            vm.assertLe(sum, ETHER_A_WINDOW, "in a window's time");
            (, uint256 left) = coordinator.spendable(groupId, PAYMENTS, address(0));
            vm.assertLe(left, ETHER_A_WINDOW - sum, "what is told to be left");
        }
    }

    // ---------------------------------------------------------------------------------------------------------
    // The calls' own gas and failures
    // ---------------------------------------------------------------------------------------------------------

    function test_M5_RevertWhen_LessGasIsLeftThanACallNames() external {
        Call[] memory calls = _calls(1, 0);
        calls[0].gas = 1_000_000;
        Approval memory approval = _logged(LISTED, calls);
        bytes memory data = abi.encodeCall(
            coordinator.executeAnchored, (groupId, _size(), approval, log.path(approval.index, _size()))
        );
        for (uint256 gas = 200_000; gas < 1_000_000; gas += 200_000) {
            (bool done,) = address(coordinator).call{gas: gas}(data);
            vm.assertFalse(done, "with too little gas");
        }
        _assertStatus(_idOf(_contentOf(approval)), Status.None);
        (bool executed,) = address(coordinator).call{gas: 1_400_000}(data);
        vm.assertTrue(executed, "with enough");
        vm.assertEq(recorder.calls(1), 1, "made once");
    }

    /// @dev The event says which calls failed.
    function test_M5_TellsWhichCallsFailed() external {
        Call[] memory calls = _join(_calls(1, 0), _payment(address(new Refuser()), 1));
        calls = _join(calls, _calls(2, 0));
        (calls[1].gas, calls[1].allowFailure) = (30_000, true);
        Approval memory approval = _logged(LISTED, calls);
        bytes32 id = _idOf(_contentOf(approval));
        bytes32[] memory path = log.path(approval.index, _size());
        uint64 size = _size();
        vm.expectEmit(address(coordinator));
        emit ICoordinatorEvents.ProposalExecuted(groupId, id, address(this), Lane.Anchored, approval.index, 2);
        coordinator.executeAnchored(groupId, size, approval, path);
        vm.assertEq(recorder.orderLength(), 2, "the others are made");
    }

    // ---------------------------------------------------------------------------------------------------------
    // Steps
    // ---------------------------------------------------------------------------------------------------------

    /// @dev A log that says the group approved this, by the word of a quorum, is anchored.
    function _logged(uint8 class, Call[] memory calls) private returns (Approval memory approval) {
        approval = _appendApproval(_content(0, class, calls, ++_salt));
        _anchor(coordinator.latestAnchor(groupId).sequence + 1);
    }

    function _contentOf(Approval memory approval) private pure returns (Content memory) {
        return Content(approval.proposer, approval.salt, approval.class, approval.descriptionHash, approval.calls);
    }

    function _size() private view returns (uint64) {
        return coordinator.latestAnchor(groupId).logSize;
    }

    function _expectRefused(uint8 class, Call[] memory calls, bytes memory refusal) private {
        Approval memory approval = _logged(class, calls);
        _expectExecutionRefusal(approval, _size(), refusal);
    }

    function _aboveWindow(uint256 amount, uint256 left) private pure returns (bytes memory) {
        return abi.encodeWithSelector(Errors.AboveWindow.selector, address(0), amount, left);
    }

    function _windowBegin() private view returns (uint256) {
        return block.timestamp / WINDOW * WINDOW;
    }

    function _atTheBeginOfAWindow() private {
        vm.warp(_windowBegin() + WINDOW);
    }
}
// forge-lint: disable-end(unsafe-typecast)
