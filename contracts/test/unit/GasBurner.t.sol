// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {Approval, Call, Content} from "../../src/Types.sol";
import {RefusalFixture} from "../support/RefusalFixture.sol";
import {Refuser} from "../support/Targets.sol";
import {vm} from "../support/Vm.sol";

/// @notice Burns whatever gas it is given.
contract Burner {
    receive() external payable {
        assembly ("memory-safe") {
            invalid()
        }
    }
}

/// @notice Takes 30,000 gas and more.
contract Hungry {
    uint256 private _count;

    receive() external payable {
        for (uint256 i = 0; i < 100; ++i) {
            _count += i;
        }
    }
}

/// @notice `allowFailure` is to keep one payee from holding up the others: a call that may fail is given what it names, and no more, so
/// one that burns it burns no more than that.
contract GasBurnerTest is RefusalFixture {
    uint256 private constant GAS = 2_000_000;

    /// @dev Six payees, two of whom burn.
    function test_M5_PayeesThatBurn_HoldUpNobody() external {
        Content memory content = _approved(PAYMENTS, _payroll(2, false), 0);
        coordinator.execute{gas: GAS}(groupId, content);
        _assertTheOthersPaid(2);
    }

    function test_M5_InTheAnchoredLane_PayeesThatBurn_HoldUpNobody() external {
        Approval memory approval = _appendApproval(_content(0, PAYMENTS, _payroll(2, false), 0));
        _anchor(1);
        bytes32[] memory path = log.path(approval.index, log.size());
        coordinator.executeAnchored{gas: GAS}(groupId, log.size(), approval, path);
        _assertTheOthersPaid(2);
    }

    function test_M5_ABurnerBeforeACallThatNeedsMore_DoesNotHoldItUp() external {
        Call[] memory calls = _payroll(1, false);
        calls[5].gas = 250_000;
        Content memory content = _approved(PAYMENTS, calls, 0);
        coordinator.execute{gas: GAS}(groupId, content);
        _assertTheOthersPaid(1);
    }

    /// @dev Payees that merely refuse are passed over likewise.
    function test_M5_PayeesThatRefuse_HoldUpNobody() external {
        Content memory content = _approved(PAYMENTS, _payroll(2, true), 0);
        coordinator.execute{gas: GAS}(groupId, content);
        _assertTheOthersPaid(2);
    }

    /// @dev What must not fail is given all there is: a floor that turned out low can be helped by whoever executes.
    function test_M5_ACallThatMustNotFail_IsGivenMoreThanItNames() external {
        Call[] memory calls = new Call[](1);
        address payee = address(new Hungry());
        calls[0] = Call({target: payee, value: 0.1 ether, gas: 1000, allowFailure: false, allowNoCode: false, data: ""});
        Content memory content = _approved(PAYMENTS, calls, 0);
        coordinator.execute{gas: GAS}(groupId, content);
        vm.assertEq(payee.balance, 0.1 ether, "paid");
    }

    function _payroll(uint256 bad, bool merelyRefuse) private returns (Call[] memory calls) {
        calls = new Call[](6);
        for (uint256 i = 0; i < 6; ++i) {
            address payee = address(uint160(0xa11ce0 + i));
            if (i < bad) payee = merelyRefuse ? address(new Refuser()) : address(new Burner());
            calls[i] =
                Call({target: payee, value: 0.1 ether, gas: 50_000, allowFailure: true, allowNoCode: false, data: ""});
        }
    }

    function _assertTheOthersPaid(uint256 bad) private view {
        vm.assertEq(account.balance, 100 ether - (6 - bad) * 0.1 ether, "what is left");
        for (uint256 i = bad; i < 6; ++i) {
            vm.assertEq(address(uint160(0xa11ce0 + i)).balance, 0.1 ether, "paid");
        }
    }
}
// forge-lint: disable-end(unsafe-typecast)
