// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {Permissions} from "../../src/Permissions.sol";
import {Call, Scope} from "../../src/Types.sol";
import {vm} from "../support/Vm.sol";

/// @notice That no more than a window's limit leaves in any stretch of time that is as long as the window.
///
/// It is the code that each execution runs (`Permissions._permit`), on storage of this contract's own, for payments of ether in a class
/// of any limits.
///
/// Not proven: other kinds of calls and several in one decision, whose sums are the unit tests' and vectors'; that executions call
/// it, which the mutants of the invariants have.
contract WindowProof is Permissions {
    bytes32 private constant GROUP = "group";
    address private constant PAYEE = address(0xB1);

    /// @notice Proven: of three payments that count in a window, at any three times, those that lie in a stretch as long as the
    /// window are within its limit together, and each within the limit of a decision.
    /// Bounds: a window of 4,096 seconds, about as long as the shortest, for which the solver need not divide; times of 40 bits, as the contract keeps them; nothing had
    /// left before the first.
    function check_NoMoreThanAWindowLeaves(
        uint112 perDecision,
        uint112 perWindow,
        uint40[3] calldata times,
        uint256[3] calldata amounts
    ) external {
        uint32 window = 4096;
        vm.assume(times[0] <= times[1] && times[1] <= times[2]);
        _agree(perDecision, perWindow, window);
        for (uint256 i = 0; i < 3; ++i) {
            vm.warp(times[i]);
            this.charge(_payment(amounts[i]));
            assert(amounts[i] <= perDecision);
        }
        if (times[1] - times[0] < window) assert(amounts[0] + amounts[1] <= perWindow);
        if (times[2] - times[1] < window) assert(amounts[1] + amounts[2] <= perWindow);
        if (times[2] - times[0] < window) assert(amounts[0] + amounts[1] + amounts[2] <= perWindow);
    }

    /// @notice What an execution asks before it makes its calls.
    function charge(Call[] calldata calls) external {
        _permit(_groups[GROUP], _groups[GROUP].classes[0], calls, true);
    }

    function _agree(uint112 perDecision, uint112 perWindow, uint32 window) private {
        ClassState storage class = _groups[GROUP].classes[0];
        (class.scope, class.window) = (Scope.Payments, window);
        class.limits[address(0)] = LimitState({perDecision: perDecision, perWindow: perWindow, set: true});
    }

    function _payment(uint256 amount) private pure returns (Call[] memory calls) {
        calls = new Call[](1);
        calls[0] = Call({target: PAYEE, value: amount, gas: 0, allowFailure: false, allowNoCode: false, data: ""});
    }
}
