// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {Basis, Policy, Scope, Terms} from "../../src/Types.sol";

/// @notice What the groups of the tests agree on. Class 0 is the one that most tests propose in; each other differs from it
/// in what its name says.
abstract contract Classes {
    uint32 internal constant VOTING_PERIOD = 1 days;
    uint32 internal constant TIMELOCK = 1 hours;
    uint32 internal constant EXPIRY = 2 days;
    uint32 internal constant STALL_TIME = 6 hours;
    uint32 internal constant INBOX_DEADLINE = 2 hours;
    uint32 internal constant EVIDENCE_WINDOW = 3 days;
    uint16 internal constant REPORTER_SHARE = 2500;
    uint128 internal constant BOND = 1 ether;
    uint128 internal constant VALUE_LIMIT = 2 ether;

    /// @dev Three of four equal voters, whatever the calls are, and no end of the time for execution.
    uint8 internal constant ROUTINE = 0;
    /// @dev 60 % of the votes for and against, of which, with abstentions, half of the weight is needed.
    uint8 internal constant OF_CAST = 1;
    /// @dev The same, and half of all weight rejects.
    uint8 internal constant WITH_VETO = 2;
    /// @dev More than half of all weight, by votes that may change; three quarters against reject at once.
    uint8 internal constant WITH_REVOTES = 3;
    /// @dev Payments of no more than `VALUE_LIMIT`, for `EXPIRY`.
    uint8 internal constant PAYMENTS = 4;
    /// @dev Calls to anything but the coordinator, for `EXPIRY`, by the escape lane too.
    uint8 internal constant ESCAPE = 5;
    /// @dev On-chain only when anchors have stalled.
    uint8 internal constant ONLY_STALLED = 6;
    /// @dev Without calls.
    uint8 internal constant DECISIONS = 7;

    function _routine() internal pure returns (Policy memory) {
        return Policy({
            name: "routine",
            valueLimit: type(uint128).max,
            threshold: 7500,
            basis: Basis.All,
            turnout: 0,
            veto: 0,
            scope: Scope.Anything,
            votingPeriod: VOTING_PERIOD,
            timelock: TIMELOCK,
            expiry: 0,
            revotes: false,
            escape: false,
            onlyStalled: false
        });
    }

    /// @dev Class 0 alone, with this threshold.
    function _termsOf(uint16 threshold) internal pure returns (Terms memory terms) {
        terms = Terms({
            classes: new Policy[](1),
            stallTime: STALL_TIME,
            inboxDeadline: INBOX_DEADLINE,
            evidenceWindow: EVIDENCE_WINDOW,
            reporterShare: REPORTER_SHARE,
            bond: BOND
        });
        terms.classes[0] = _routine();
        terms.classes[0].threshold = threshold;
    }

    function _terms() internal pure returns (Terms memory terms) {
        terms = _termsOf(7500);
        Policy[] memory classes = new Policy[](8);
        for (uint256 i = 0; i < classes.length; ++i) {
            classes[i] = _routine();
        }
        (classes[OF_CAST].name, classes[OF_CAST].basis) = ("of cast", Basis.Cast);
        (classes[OF_CAST].threshold, classes[OF_CAST].turnout) = (6000, 5000);
        (classes[WITH_VETO].name, classes[WITH_VETO].basis) = ("with veto", Basis.Cast);
        (classes[WITH_VETO].threshold, classes[WITH_VETO].turnout) = (6000, 5000);
        classes[WITH_VETO].veto = 5000;
        (classes[WITH_REVOTES].name, classes[WITH_REVOTES].revotes) = ("with revotes", true);
        (classes[WITH_REVOTES].threshold, classes[WITH_REVOTES].veto) = (5001, 7500);
        (classes[PAYMENTS].name, classes[PAYMENTS].scope) = ("payments", Scope.Payments);
        (classes[PAYMENTS].valueLimit, classes[PAYMENTS].expiry) = (VALUE_LIMIT, EXPIRY);
        (classes[ESCAPE].name, classes[ESCAPE].scope) = ("escape", Scope.Calls);
        (classes[ESCAPE].escape, classes[ESCAPE].expiry) = (true, EXPIRY);
        (classes[ONLY_STALLED].name, classes[ONLY_STALLED].onlyStalled) = ("only stalled", true);
        (classes[DECISIONS].name, classes[DECISIONS].scope) = ("decisions", Scope.Decisions);
        terms.classes = classes;
    }
}
