// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {Errors} from "../../src/Errors.sol";
import {Approval, Call, Class, Content, Member, Status, Terms} from "../../src/Types.sol";
import {AnchorFixture} from "../support/AnchorFixture.sol";
import {Refuser} from "../support/Targets.sol";
import {vm} from "../support/Vm.sol";

/// @notice The branches of "windows" in Permissions.tree: what leaves in any `WINDOW` seconds, by all decisions of a class.
contract WindowsTest is AnchorFixture {
    address private constant PAYEE = address(0xbeef);

    /// @dev The first second of a bucket.
    uint256 private constant BUCKET = (START / WINDOW + 1) * WINDOW;

    uint64 private _salt;

    function setUp() public override {
        super.setUp();
        vm.warp(BUCKET);
        vm.deal(account, 1000 ether);
    }

    // ---------------------------------------------------------------------------------------------------------
    // What is left
    // ---------------------------------------------------------------------------------------------------------

    function test_L7_Window_BoundsAllDecisionsTogether() external {
        _pay(PAYMENTS, 2 ether);
        _pay(PAYMENTS, 2 ether);
        _assertLeft(PAYMENTS, address(0), 1 ether);
        Content memory content = _decided(PAYMENTS, 2 ether);
        _expectAbove(content, 2 ether, 1 ether);
        _pay(PAYMENTS, 1 ether);
        _assertLeft(PAYMENTS, address(0), 0);
        vm.assertEq(PAYEE.balance, 5 ether, "paid");
    }

    /// @dev It stays executable until its end, and goes through when there is more again.
    function test_L7_Window_WhatIsAboveIt_IsExecutedLater() external {
        for (uint256 i = 0; i < 2; ++i) {
            _pay(PAYMENTS, 2 ether);
        }
        Content memory content = _decided(PAYMENTS, 2 ether);
        _expectAbove(content, 2 ether, 1 ether);
        _assertStatus(_idOf(content), Status.Approved);
        // In the next bucket what was spent counts in full still.
        vm.warp(BUCKET + 2 * uint256(WINDOW) - 1);
        _expectAbove(content, 2 ether, 1 ether);
        vm.warp(BUCKET + 2 * uint256(WINDOW));
        coordinator.execute(groupId, content);
        vm.assertEq(PAYEE.balance, 6 ether, "paid");
    }

    /// @dev What was spent comes back after one to two windows.
    function test_L7_Window_GivesBackLate() external {
        vm.warp(BUCKET + WINDOW - 1);
        _pay(PAYMENTS, 2 ether);
        vm.warp(BUCKET + WINDOW);
        _pay(PAYMENTS, 1 ether);
        _assertLeft(PAYMENTS, address(0), 2 ether);
        vm.warp(BUCKET + 2 * uint256(WINDOW) - 1);
        _assertLeft(PAYMENTS, address(0), 2 ether);
        vm.warp(BUCKET + 2 * uint256(WINDOW));
        _assertLeft(PAYMENTS, address(0), 4 ether);
        vm.warp(BUCKET + 3 * uint256(WINDOW));
        _assertLeft(PAYMENTS, address(0), 5 ether);
    }

    /// @dev After however long.
    function test_L7_Window_ForgetsWhatIsOlder() external {
        _pay(PAYMENTS, 2 ether);
        vm.warp(BUCKET + 300 days);
        _assertLeft(PAYMENTS, address(0), 5 ether);
        _pay(PAYMENTS, 2 ether);
        _assertLeft(PAYMENTS, address(0), 3 ether);
    }

    /// @dev Each class has windows of its own, and each asset.
    function test_L7_Window_IsOfOneClassAndOneAsset() external {
        _pay(PAYMENTS, 2 ether);
        _execute(PAYMENTS, _transfer(address(coin), PAYEE, COIN_LIMIT));
        _assertLeft(PAYMENTS, address(0), 3 ether);
        _assertLeft(PAYMENTS, address(coin), 2000e6);
        _assertLeft(LISTED, address(0), 5 ether);
        _assertLeft(LISTED, address(coin), 3000e6);
        (uint256 perDecision,) = coordinator.spendable(groupId, PAYMENTS, address(coin));
        vm.assertEq(perDecision, COIN_LIMIT, "by decision");

        bytes32 other = _createGroup(_members(4), _terms(), "other");
        (, uint256 left) = coordinator.spendable(other, PAYMENTS, address(0));
        vm.assertEq(left, 5 ether, "another group's");
    }

    /// @dev In listed calls ether that goes along and allowances count as well.
    function test_L7_Window_OfListedCalls() external {
        _execute(LISTED, _join(_calls(1, 1 ether), _payment(PAYEE, 1 ether)));
        _assertLeft(LISTED, address(0), 3 ether);
        _execute(LISTED, _call(address(coin), 0, abi.encodeCall(coin.approve, (PAYEE, COIN_LIMIT))));
        _execute(LISTED, _transfer(address(coin), PAYEE, COIN_LIMIT));
        _assertLeft(LISTED, address(coin), 1000e6);
        _execute(LISTED, _call(address(coin), 0, abi.encodeCall(coin.approve, (PAYEE, 0))));
        _assertLeft(LISTED, address(coin), 1000e6);
    }

    /// @dev A call that failed and may: nobody knows what it did before.
    function test_L7_Window_FailedCallsCount() external {
        Call[] memory calls = _payment(address(new Refuser()), 2 ether);
        (calls[0].allowFailure, calls[0].gas) = (true, 50_000);
        _execute(PAYMENTS, calls);
        _assertLeft(PAYMENTS, address(0), 3 ether);
    }

    /// @dev What is undone as a whole does not.
    function test_L7_Window_WhatReverted_DoesNotCount() external {
        Content memory content = _decided(PAYMENTS, _payment(address(new Refuser()), 2 ether));
        vm.expectPartialRevert(Errors.CallFailed.selector);
        coordinator.execute(groupId, content);
        _assertLeft(PAYMENTS, address(0), 5 ether);
    }

    /// @dev Windows count at the execution, not when something is proposed or approved.
    function test_L7_Window_CountsAtTheExecution() external {
        Content[4] memory contents;
        for (uint256 i = 0; i < 4; ++i) {
            contents[i] = _decided(PAYMENTS, 2 ether);
        }
        _assertLeft(PAYMENTS, address(0), 5 ether);
        coordinator.execute(groupId, contents[0]);
        coordinator.execute(groupId, contents[1]);
        _expectAbove(contents[2], 2 ether, 1 ether);
    }

    /// @dev One window over both lanes.
    function test_L7_Window_IsOneOverBothLanes() external {
        _pay(PAYMENTS, 2 ether);
        Approval memory approval = _appendApproval(_content(0, PAYMENTS, _payment(PAYEE, 2 ether), ++_salt));
        Approval memory second = _appendApproval(_content(0, PAYMENTS, _payment(PAYEE, 2 ether), ++_salt));
        _anchor(log.size() + 1);
        uint64 size = log.size();
        coordinator.executeAnchored(groupId, size, approval, log.path(approval.index, size));
        _assertLeft(PAYMENTS, address(0), 1 ether);
        bytes32[] memory path = log.path(second.index, size);
        vm.expectRevert(abi.encodeWithSelector(Errors.AboveWindow.selector, address(0), 2 ether, 1 ether));
        coordinator.executeAnchored(groupId, size, second, path);
        Content memory content = _decided(PAYMENTS, 2 ether);
        _expectAbove(content, 2 ether, 1 ether);
    }

    /// @dev A new epoch has no new window.
    function test_L7_Window_GoesOnOverEpochs() external {
        _pay(PAYMENTS, 2 ether);
        Member[] memory same = _members(4);
        _rotate(_boundary(1, same), 0, 3, same, _noMandate());
        _assertLeft(PAYMENTS, address(0), 3 ether);
    }

    /// @dev Without a window there is a limit by decision alone, and a timelock.
    function test_L7_WithoutAWindow_NothingIsKept() external {
        Terms memory terms = _terms();
        Class memory class = terms.classes[PAYMENTS];
        (class.window, class.timelock) = (0, TIMELOCK);
        (class.limits[0].perWindow, class.limits[1].perWindow) = (0, 0);
        _use(_createGroup(_members(4), terms, "no window"));
        for (uint256 i = 0; i < 5; ++i) {
            _decideAndExecute(PAYMENTS, _payment(PAYEE, 2 ether), ++_salt);
            (uint256 perDecision, uint256 left) = coordinator.spendable(groupId, PAYMENTS, address(0));
            vm.assertEq(perDecision, 2 ether, "by decision");
            vm.assertEq(left, type(uint256).max, "without an end");
        }
        vm.assertEq(PAYEE.balance, 10 ether, "paid");
    }

    // ---------------------------------------------------------------------------------------------------------
    // Any interval
    // ---------------------------------------------------------------------------------------------------------

    /// @dev Whatever is tried whenever: in no `WINDOW` seconds, wherever they begin, more than that leaves; and what is refused
    /// is above what two neighbouring windows leave.
    function testFuzz_L7_Window_NoIntervalExceeds(uint16[16] memory amounts, uint24[16] memory pauses) external {
        uint256[16] memory times;
        uint256[16] memory spent;
        uint256 time = BUCKET;
        for (uint256 i = 0; i < 16; ++i) {
            time += pauses[i] % (WINDOW / 2);
            vm.warp(time);
            uint256 amount = uint256(amounts[i]) * 1e14 % (ETHER_LIMIT + 1);
            Content memory content = _decided(PAYMENTS, amount);
            (bool success,) = address(coordinator).call(abi.encodeCall(coordinator.execute, (groupId, content)));
            uint256 inBuckets = _sumSince(times, spent, (time / WINDOW - 1) * WINDOW, i);
            vm.assertEq(success, inBuckets + amount <= ETHER_A_WINDOW, "as two buckets leave");
            (times[i], spent[i]) = (time, success ? amount : 0);
            uint256 inWindow = _sumSince(times, spent, time - WINDOW + 1, i + 1);
            vm.assertLe(inWindow, ETHER_A_WINDOW, "in the last window");
        }
    }

    function _sumSince(uint256[16] memory times, uint256[16] memory spent, uint256 since, uint256 count)
        private
        pure
        returns (uint256 sum)
    {
        for (uint256 i = 0; i < count; ++i) {
            if (times[i] >= since) sum += spent[i];
        }
    }

    // ---------------------------------------------------------------------------------------------------------
    // Steps
    // ---------------------------------------------------------------------------------------------------------

    function _decided(uint8 class, uint256 amount) private returns (Content memory) {
        return _decided(class, _payment(PAYEE, amount));
    }

    function _decided(uint8 class, Call[] memory calls) private returns (Content memory) {
        return _approved(class, calls, ++_salt);
    }

    function _execute(uint8 class, Call[] memory calls) private {
        Content memory content = _decided(class, calls);
        coordinator.execute(groupId, content);
    }

    function _pay(uint8 class, uint256 amount) private {
        _execute(class, _payment(PAYEE, amount));
    }

    function _expectAbove(Content memory content, uint256 amount, uint256 left) private {
        vm.expectRevert(abi.encodeWithSelector(Errors.AboveWindow.selector, address(0), amount, left));
        coordinator.execute(groupId, content);
    }

    function _assertLeft(uint8 class, address asset, uint256 expected) private view {
        (, uint256 left) = coordinator.spendable(groupId, class, asset);
        vm.assertEq(left, expected, "left");
    }
}
// forge-lint: disable-end(unsafe-typecast)
