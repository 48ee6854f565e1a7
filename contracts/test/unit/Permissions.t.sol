// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {Errors} from "../../src/Errors.sol";
import {Call, Class, Limit, Opening, Scope, Target, Terms} from "../../src/Types.sol";
import {Fixture} from "../support/Fixture.sol";
import {Recorder} from "../support/Targets.sol";
import {Coin, PoliteCoin} from "../support/Tokens.sol";
import {vm} from "../support/Vm.sol";

/// @notice The branches of "valid calls" and "what a class permits" in Permissions.tree, by what `propose` takes. Windows are in
/// Windows.t.sol.
contract PermissionsTest is Fixture {
    address private constant PAYEE = address(0xbeef);

    uint64 private _salt;

    // ---------------------------------------------------------------------------------------------------------
    // Valid calls, in any class
    // ---------------------------------------------------------------------------------------------------------

    function test_Calls_RevertWhen_ThereAreTooMany() external {
        _expectRefusal(ROUTINE, _many(33), abi.encodeWithSelector(Errors.TooManyCalls.selector, 33, 32));
        _expectTaken(ROUTINE, _many(32));
    }

    function test_Calls_RevertWhen_ThereIsTooMuchData() external {
        Call[] memory calls = _join(_calls(1, 0), _call(PAYEE, 0, new bytes(24_577)));
        _expectRefusal(ROUTINE, calls, abi.encodeWithSelector(Errors.TooMuchData.selector, 1, 24_577, 24_576));
        calls[1].data = new bytes(24_576);
        _expectTaken(ROUTINE, calls);
    }

    /// @dev Where there is data, and where failure is allowed: else whoever executes would choose the gas.
    function test_M5_Calls_RevertWhen_NoGasIsNamed() external {
        Call[] memory calls = _join(_payment(PAYEE, 1), _calls(1, 0));
        calls[1].gas = 0;
        _expectRefusal(ROUTINE, calls, abi.encodeWithSelector(Errors.GasNotNamed.selector, 1));
        calls[1].gas = 1;
        _expectTaken(ROUTINE, calls);
        calls[0].allowFailure = true;
        _expectRefusal(ROUTINE, calls, abi.encodeWithSelector(Errors.GasNotNamed.selector, 0));
        calls[0].gas = 1;
        _expectTaken(ROUTINE, calls);
    }

    function test_M5_Calls_RevertWhen_TheyNameTooMuchGas() external {
        Call[] memory calls = _join(_calls(1, 0), _calls(2, 0));
        (calls[0].gas, calls[1].gas) = (9_999_999, 2);
        _expectRefusal(ROUTINE, calls, abi.encodeWithSelector(Errors.TooMuchGas.selector, 10_000_001, 10_000_000));
        calls[1].gas = 1;
        _expectTaken(ROUTINE, calls);
        (calls[0].gas, calls[1].gas) = (type(uint64).max, type(uint64).max);
        uint256 total = 2 * uint256(type(uint64).max);
        _expectRefusal(ROUTINE, calls, abi.encodeWithSelector(Errors.TooMuchGas.selector, total, 10_000_000));
    }

    // ---------------------------------------------------------------------------------------------------------
    // The group itself
    // ---------------------------------------------------------------------------------------------------------

    /// @dev Coordinator and own account are for `Anything` alone, however they are called.
    function test_L7_TheGroupItself_IsForAnythingAlone() external {
        address[2] memory targets = [address(coordinator), account];
        for (uint256 i = 0; i < 2; ++i) {
            Call[] memory called = _join(_payment(PAYEE, 0), _call(targets[i], 0, hex"01"));
            Call[] memory paid = _payment(targets[i], 0);
            _expectTaken(ROUTINE, called);
            _expectTaken(ROUTINE, paid);
            uint8[3] memory classes = [PAYMENTS, ESCAPE, LISTED];
            for (uint256 k = 0; k < 3; ++k) {
                _expectNotPermitted(classes[k], called, 1);
                _expectNotPermitted(classes[k], paid, 0);
            }
        }
    }

    // ---------------------------------------------------------------------------------------------------------
    // Scopes
    // ---------------------------------------------------------------------------------------------------------

    function test_Decisions_CallNothing() external {
        Terms memory terms = _terms();
        Class memory class = terms.classes[DECISIONS];
        (class.opening, class.votingPeriod) = (Opening.Always, VOTING_PERIOD);
        _use(_createGroup(_members(4), terms, "decisions"));
        _expectNotPermitted(DECISIONS, _payment(PAYEE, 0), 0);
        _expectTaken(DECISIONS, new Call[](0));
    }

    function test_Anything_AndCallsWithoutALimit_CountNothing() external {
        uint8[2] memory classes = [ROUTINE, ESCAPE];
        for (uint256 i = 0; i < 2; ++i) {
            _expectTaken(classes[i], _payment(PAYEE, type(uint256).max));
            _expectTaken(classes[i], _transfer(address(coin), PAYEE, type(uint256).max));
            _expectTaken(classes[i], _call(PAYEE, 1, hex"01"));
            (uint256 perDecision, uint256 left) = coordinator.spendable(groupId, classes[i], address(coin));
            vm.assertEq(perDecision, 0, "no limit");
            vm.assertEq(left, 0, "none left of none");
        }
    }

    function test_Payments_AreEtherWithoutDataAndTransfers() external {
        _expectTaken(PAYMENTS, _payment(PAYEE, ETHER_LIMIT));
        _expectTaken(PAYMENTS, _transfer(address(coin), PAYEE, COIN_LIMIT));
        _expectTaken(PAYMENTS, _join(_payment(PAYEE, 1), _transfer(address(coin), PAYEE, 1)));

        _expectNotPermitted(PAYMENTS, _calls(1, 0), 0);
        _expectNotPermitted(PAYMENTS, _call(address(coin), 0, abi.encodeCall(coin.approve, (PAYEE, 1))), 0);
        _expectNotPermitted(
            PAYMENTS, _call(address(coin), 0, abi.encodeCall(coin.transferFrom, (account, PAYEE, 1))), 0
        );
        _expectNotPermitted(
            PAYMENTS, _call(address(coin), 0, abi.encodeCall(PoliteCoin.increaseAllowance, (PAYEE, 1))), 0
        );
    }

    /// @dev Of a token that the class does not limit there is nothing to spend.
    function test_L7_Payments_RevertWhen_TheAssetHasNoLimit() external {
        Coin other = new Coin();
        _expectNotPermitted(PAYMENTS, _transfer(address(other), PAYEE, 0), 0);
        // Nor of ether, where only a token is limited.
        Terms memory terms = _terms();
        terms.classes[PAYMENTS].limits = _coinAlone();
        _use(_createGroup(_members(4), terms, "coins"));
        _expectRefused(PAYMENTS, _payment(PAYEE, 1));
        _expectTaken(PAYMENTS, _transfer(address(coin), PAYEE, 1));
    }

    /// @dev What is nearly a transfer is none: another length, ether along, another selector.
    function test_L7_ATransfer_IsExactlyThat() external {
        uint8[2] memory classes = [PAYMENTS, LISTED];
        bytes memory data = abi.encodeCall(coin.transfer, (PAYEE, 1));
        for (uint256 i = 0; i < 2; ++i) {
            _expectNotPermitted(classes[i], _call(address(coin), 0, bytes.concat(data, hex"00")), 0);
            _expectNotPermitted(classes[i], _call(address(coin), 0, bytes.concat(data, new bytes(32))), 0);
            _expectNotPermitted(classes[i], _call(address(coin), 0, _cut(data, 67)), 0);
            _expectNotPermitted(classes[i], _call(address(coin), 0, _cut(data, 4)), 0);
            _expectNotPermitted(classes[i], _call(address(coin), 0, _cut(data, 3)), 0);
            _expectNotPermitted(classes[i], _call(address(coin), 1, data), 0);
            _expectNotPermitted(classes[i], _call(address(coin), 0, bytes.concat(hex"a9059cbc", _cut(data, 64))), 0);
            _expectNotPermitted(classes[i], _call(PAYEE, 0, data), 0);
        }
    }

    /// @dev The last word counts, whatever the addresses are, also where they have dirt above.
    function test_L7_WhatATokenCallCounts_IsItsLastWord() external {
        bytes memory dirty = abi.encodeWithSelector(coin.transfer.selector, type(uint256).max, COIN_LIMIT + 1);
        _expectAbove(PAYMENTS, _call(address(coin), 0, dirty), address(coin), COIN_LIMIT + 1, COIN_LIMIT);
        bytes[4] memory calls = [
            abi.encodeCall(coin.transfer, (PAYEE, COIN_LIMIT)),
            abi.encodeCall(coin.approve, (PAYEE, COIN_LIMIT)),
            abi.encodeCall(PoliteCoin.increaseAllowance, (PAYEE, COIN_LIMIT)),
            abi.encodeCall(coin.transferFrom, (PAYEE, account, COIN_LIMIT))
        ];
        bytes[4] memory above = [
            abi.encodeCall(coin.transfer, (PAYEE, COIN_LIMIT + 1)),
            abi.encodeCall(coin.approve, (PAYEE, COIN_LIMIT + 1)),
            abi.encodeCall(PoliteCoin.increaseAllowance, (PAYEE, COIN_LIMIT + 1)),
            abi.encodeCall(coin.transferFrom, (PAYEE, account, COIN_LIMIT + 1))
        ];
        for (uint256 i = 0; i < 4; ++i) {
            _expectTaken(LISTED, _call(address(coin), 0, calls[i]));
            _expectAbove(LISTED, _call(address(coin), 0, above[i]), address(coin), COIN_LIMIT + 1, COIN_LIMIT);
            _expectNotPermitted(LISTED, _call(address(coin), 0, bytes.concat(calls[i], hex"00")), 0);
        }
    }

    /// @dev An infinite allowance never fits, and lowering one to nothing counts nothing.
    function test_L7_Allowances_CountAsIfSpent() external {
        _expectAbove(
            LISTED,
            _call(address(coin), 0, abi.encodeCall(coin.approve, (PAYEE, type(uint256).max))),
            address(coin),
            type(uint256).max,
            COIN_LIMIT
        );
        Call[] memory calls = _join(
            _call(address(coin), 0, abi.encodeCall(coin.approve, (PAYEE, 0))),
            _call(address(coin), 0, abi.encodeCall(coin.approve, (PAYEE, COIN_LIMIT)))
        );
        _expectTaken(LISTED, calls);
    }

    /// @dev By decision, over all its calls, each asset for itself.
    function test_L7_Limits_AreOfADecisionAsAWhole() external {
        uint8[2] memory classes = [PAYMENTS, LISTED];
        for (uint256 i = 0; i < 2; ++i) {
            Call[] memory calls = _join(_payment(PAYEE, ETHER_LIMIT - 1), _payment(address(1), 1));
            calls = _join(calls, _transfer(address(coin), PAYEE, COIN_LIMIT - 1));
            calls = _join(calls, _transfer(address(coin), address(1), 1));
            _expectTaken(classes[i], calls);
            calls[1].value = 2;
            _expectAbove(classes[i], calls, address(0), ETHER_LIMIT + 1, ETHER_LIMIT);
            calls[1].value = 1;
            calls[3] = _transfer(address(coin), address(1), 2)[0];
            _expectAbove(classes[i], calls, address(coin), COIN_LIMIT + 1, COIN_LIMIT);
        }
    }

    /// @dev No sum comes round to a small one.
    function test_L7_Limits_DoNotOverflow() external {
        uint256[3] memory amounts = [uint256(1 << 112), uint256(1 << 255), type(uint256).max];
        for (uint256 i = 0; i < 3; ++i) {
            _expectAbove(PAYMENTS, _payment(PAYEE, amounts[i]), address(0), amounts[i], ETHER_LIMIT);
            _expectRefused(PAYMENTS, _join(_payment(PAYEE, amounts[i]), _payment(PAYEE, amounts[i])));
            Call[] memory coins = _transfer(address(coin), PAYEE, amounts[i]);
            _expectRefused(PAYMENTS, _join(coins, coins));
            _expectRefused(LISTED, _join(coins, _transfer(address(coin), PAYEE, type(uint256).max - amounts[i] + 1)));
        }
    }

    /// @dev A target and one of its functions; ether that goes along counts.
    function test_L7_ListedCalls_AreTheListedOnes() external {
        _expectTaken(LISTED, _calls(1, ETHER_LIMIT));
        _expectAbove(LISTED, _calls(1, ETHER_LIMIT + 1), address(0), ETHER_LIMIT + 1, ETHER_LIMIT);
        _expectAbove(
            LISTED, _join(_calls(1, 1), _payment(PAYEE, ETHER_LIMIT)), address(0), ETHER_LIMIT + 1, ETHER_LIMIT
        );
        // Another function of it, the same of another, and no function at all.
        _expectNotPermitted(LISTED, _call(address(recorder), 0, abi.encodeCall(Recorder.orderLength, ())), 0);
        _expectNotPermitted(LISTED, _call(PAYEE, 0, abi.encodeCall(Recorder.record, (1))), 0);
        _expectNotPermitted(LISTED, _join(_calls(1, 0), _call(address(recorder), 0, hex"00")), 1);
        _expectTaken(LISTED, _payment(address(recorder), ETHER_LIMIT));
    }

    /// @dev Where ether has no limit, none goes along with what is listed.
    function test_L7_ListedCalls_WithoutALimitOfEther_SendNone() external {
        Terms memory terms = _terms();
        terms.classes[LISTED].limits = _coinAlone();
        _use(_createGroup(_members(4), terms, "no ether"));
        _expectTaken(LISTED, _calls(1, 0));
        _expectRefused(LISTED, _calls(1, 1));
        _expectRefused(LISTED, _payment(PAYEE, 1));
    }

    /// @dev With targets alone nothing is counted, and no ether goes; with a timelock, because nothing bounds it.
    function test_L7_ListedCalls_WithTargetsAlone() external {
        Terms memory terms = _terms();
        Class memory class = terms.classes[LISTED];
        (class.limits, class.window, class.timelock) = (new Limit[](0), 0, TIMELOCK);
        class.targets = new Target[](2);
        class.targets[0] = Target({target: address(recorder), selector: 0});
        class.targets[1] = Target({target: address(recorder), selector: Recorder.record.selector});
        _use(_createGroup(_members(4), terms, "targets"));
        _expectTaken(LISTED, _join(_calls(1, 0), _payment(address(recorder), 0)));
        _expectRefused(LISTED, _calls(1, 1));
        _expectRefused(LISTED, _payment(address(recorder), 1));
        _expectNotPermitted(LISTED, _payment(PAYEE, 0), 0);
        _expectNotPermitted(LISTED, _transfer(address(coin), PAYEE, 0), 0);
    }

    /// @dev With limits alone: ether without data, and what counts of tokens.
    function test_L7_ListedCalls_WithLimitsAlone() external {
        Terms memory terms = _terms();
        terms.classes[LISTED].targets = new Target[](0);
        _use(_createGroup(_members(4), terms, "limits"));
        _expectTaken(LISTED, _payment(PAYEE, ETHER_LIMIT));
        _expectTaken(LISTED, _call(address(coin), 0, abi.encodeCall(coin.approve, (PAYEE, COIN_LIMIT))));
        _expectNotPermitted(LISTED, _calls(1, 0), 0);
    }

    function test_Spendable_RevertWhen_ClassIsUnknown() external {
        vm.expectRevert(abi.encodeWithSelector(Errors.UnknownClass.selector, groupId, 8));
        coordinator.spendable(groupId, 8, address(0));
    }

    // ---------------------------------------------------------------------------------------------------------
    // Steps
    // ---------------------------------------------------------------------------------------------------------

    function _many(uint256 count) private pure returns (Call[] memory calls) {
        calls = new Call[](count);
        for (uint256 i = 0; i < count; ++i) {
            calls[i] = _payment(PAYEE, i)[0];
        }
    }

    function _coinAlone() private view returns (Limit[] memory limits) {
        limits = new Limit[](1);
        limits[0] = _limits()[1];
    }

    function _cut(bytes memory data, uint256 length) private pure returns (bytes memory cut) {
        cut = new bytes(length);
        for (uint256 i = 0; i < length; ++i) {
            cut[i] = data[i];
        }
    }

    function _expectTaken(uint8 class, Call[] memory calls) private {
        _propose(0, class, calls, ++_salt);
    }

    function _expectRefusal(uint8 class, Call[] memory calls, bytes memory refusal) private {
        vm.expectRevert(refusal);
        _propose(0, class, calls, 0);
    }

    function _expectRefused(uint8 class, Call[] memory calls) private {
        vm.expectRevert();
        _propose(0, class, calls, 0);
    }

    function _expectNotPermitted(uint8 class, Call[] memory calls, uint256 position) private {
        _expectRefusal(class, calls, abi.encodeWithSelector(Errors.CallNotPermitted.selector, position));
    }

    function _expectAbove(uint8 class, Call[] memory calls, address asset, uint256 amount, uint256 limit) private {
        _expectRefusal(class, calls, abi.encodeWithSelector(Errors.AboveLimit.selector, asset, amount, limit));
    }
}
// forge-lint: disable-end(unsafe-typecast)
