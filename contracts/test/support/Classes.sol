// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {Basis, Class, Limit, Opening, Scope, Target, Terms} from "../../src/Types.sol";
import {Recorder} from "./Targets.sol";
import {Coin} from "./Tokens.sol";

/// @notice What the groups of the tests agree on. Class 0 is the one that most tests propose in; each other differs from it
/// in what its name says.
abstract contract Classes {
    uint32 internal constant VOTING_PERIOD = 1 days;
    uint32 internal constant TIMELOCK = 1 hours;
    uint32 internal constant EXPIRY = 2 days;
    uint32 internal constant WINDOW = 1 days;
    uint32 internal constant STALL_TIME = 2 hours;
    uint32 internal constant INBOX_DEADLINE = 6 hours;
    uint32 internal constant RECOVERY_TIME = 8 days;
    uint32 internal constant EVIDENCE_WINDOW = 3 days;
    uint16 internal constant REPORTER_SHARE = 2000;
    uint96 internal constant INBOX_FEE = 0.001 ether;
    uint128 internal constant BOND = 1 ether;
    uint112 internal constant ETHER_LIMIT = 2 ether;
    uint112 internal constant ETHER_A_WINDOW = 5 ether;
    uint112 internal constant COIN_LIMIT = 1000e6;
    uint112 internal constant COINS_A_WINDOW = 3000e6;

    /// @dev The place that `Errors.InvalidTerm` names for a term of the group.
    uint256 internal constant OF_GROUP = 255;

    /// @dev Three of four equal voters, whatever the calls are; after `TIMELOCK`, for `EXPIRY`, by the escape lane too. Always
    /// open.
    uint8 internal constant ROUTINE = 0;
    /// @dev 60 % of the votes for and against, of which, with abstentions, half of the weight is needed. Open when stalled.
    uint8 internal constant OF_CAST = 1;
    /// @dev The same, and half of all weight rejects. Open when stalled.
    uint8 internal constant WITH_VETO = 2;
    /// @dev More than half of all weight, by votes that may change; three quarters against reject at once. Open when stalled.
    uint8 internal constant WITH_REVOTES = 3;
    /// @dev Payments in ether and coins, limited by decision and window, at once. Always open.
    uint8 internal constant PAYMENTS = 4;
    /// @dev Calls to anything but the coordinator and the account, by the escape lane too. Always open.
    uint8 internal constant ESCAPE = 5;
    /// @dev Calls of `record` at the recorder, plain payments, and transfers of coins, limited as payments are, at once, by the
    /// escape lane too. Always open.
    uint8 internal constant LISTED = 6;
    /// @dev Without calls, at once. Never open.
    uint8 internal constant DECISIONS = 7;

    /// @dev What classes list and limit.
    Recorder internal recorder;
    Coin internal coin;

    function _routine() internal pure returns (Class memory) {
        return Class({
            name: "routine",
            scope: Scope.Anything,
            opening: Opening.Always,
            escape: false,
            revotes: false,
            basis: Basis.All,
            threshold: 7500,
            turnout: 0,
            veto: 0,
            votingPeriod: VOTING_PERIOD,
            timelock: TIMELOCK,
            expiry: EXPIRY,
            window: 0,
            limits: new Limit[](0),
            targets: new Target[](0)
        });
    }

    /// @dev `ROUTINE` alone, with this threshold; no bonds, no feed.
    function _termsOf(uint16 threshold) internal pure returns (Terms memory terms) {
        terms.classes = new Class[](1);
        terms.classes[0] = _routine();
        (terms.classes[0].threshold, terms.classes[0].escape) = (threshold, true);
        terms.stallTime = STALL_TIME;
        terms.inboxDeadline = INBOX_DEADLINE;
        terms.recoveryTime = RECOVERY_TIME;
        terms.inboxFee = INBOX_FEE;
    }

    /// @dev The same terms, by which a replica counts with a bond.
    function _bonded(Terms memory terms) internal pure returns (Terms memory) {
        (terms.bond, terms.evidenceWindow, terms.reporterShare) = (BOND, EVIDENCE_WINDOW, REPORTER_SHARE);
        return terms;
    }

    function _terms() internal view returns (Terms memory terms) {
        terms = _termsOf(7500);
        Class[] memory classes = new Class[](8);
        for (uint256 i = 0; i < classes.length; ++i) {
            classes[i] = _routine();
        }
        classes[ROUTINE].escape = true;
        _ofCast(classes[OF_CAST]);
        _ofCast(classes[WITH_VETO]);
        (classes[WITH_VETO].name, classes[WITH_VETO].veto) = ("with-veto", 5000);
        (classes[WITH_REVOTES].name, classes[WITH_REVOTES].revotes) = ("with-revotes", true);
        (classes[WITH_REVOTES].threshold, classes[WITH_REVOTES].veto) = (5001, 7500);
        classes[WITH_REVOTES].opening = Opening.Stalled;
        (classes[PAYMENTS].name, classes[PAYMENTS].scope) = ("payments", Scope.Payments);
        _limited(classes[PAYMENTS]);
        (classes[ESCAPE].name, classes[ESCAPE].scope, classes[ESCAPE].escape) = ("escape", Scope.Calls, true);
        (classes[LISTED].name, classes[LISTED].scope, classes[LISTED].escape) = ("listed", Scope.Calls, true);
        _limited(classes[LISTED]);
        classes[LISTED].targets = _targets();
        (classes[DECISIONS].name, classes[DECISIONS].scope) = ("decisions", Scope.Decisions);
        (classes[DECISIONS].opening, classes[DECISIONS].timelock) = (Opening.Never, 0);
        terms.classes = classes;
    }

    function _ofCast(Class memory class) private pure {
        (class.name, class.basis, class.opening) = ("of-cast", Basis.Cast, Opening.Stalled);
        (class.threshold, class.turnout) = (6000, 5000);
    }

    /// @dev Bounded by limits and a window, and so without a timelock.
    function _limited(Class memory class) internal view {
        (class.timelock, class.window, class.limits) = (0, WINDOW, _limits());
    }

    function _limits() internal view returns (Limit[] memory limits) {
        limits = new Limit[](2);
        limits[0] = Limit({asset: address(0), perDecision: ETHER_LIMIT, perWindow: ETHER_A_WINDOW});
        limits[1] = Limit({asset: address(coin), perDecision: COIN_LIMIT, perWindow: COINS_A_WINDOW});
    }

    function _targets() internal view returns (Target[] memory targets) {
        targets = new Target[](1);
        targets[0] = Target({target: address(recorder), selector: Recorder.record.selector});
    }
}
