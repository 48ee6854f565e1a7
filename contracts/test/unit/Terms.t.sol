// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {Errors} from "../../src/Errors.sol";
import {Basis, Class, Limit, Opening, Scope, Target, Term, Terms} from "../../src/Types.sol";
import {Fixture} from "../support/Fixture.sol";
import {vm} from "../support/Vm.sol";

/// @notice The branches of Terms.tree: what `createGroup` asks of a group's terms. `TermsVectorsTest` replays what both
/// languages are held to.
contract TermsTest is Fixture {
    uint32 private constant HOUR = 1 hours;
    uint32 private constant YEAR = 365 days;

    uint256 private _groups;

    function test_Terms_AreKeptAsTheyAre() external view {
        vm.assertEq(abi.encode(coordinator.group(groupId).terms), abi.encode(_terms()), "terms");
    }

    // ---------------------------------------------------------------------------------------------------------
    // The group's own
    // ---------------------------------------------------------------------------------------------------------

    function test_Terms_RevertWhen_ThereIsNoClassOrMoreThanEight() external {
        Terms memory terms = _terms();
        terms.classes = new Class[](0);
        _expectRefusal(terms, OF_GROUP, Term.ClassCount, 0, 1, 8);
        terms.classes = new Class[](9);
        for (uint256 i = 0; i < 9; ++i) {
            terms.classes[i] = _routine();
            terms.classes[i].name = bytes16(bytes.concat("class", bytes1(uint8(0x30 + i))));
        }
        _expectRefusal(terms, OF_GROUP, Term.ClassCount, 9, 1, 8);
        _expectKept(_termsOf(7500));
    }

    function test_M8_Terms_RevertWhen_TheStallTimeIsOutOfBounds() external {
        Terms memory terms = _termsOf(7500);
        terms.stallTime = HOUR - 1;
        _expectRefusal(terms, OF_GROUP, Term.StallTime, HOUR - 1, HOUR, 30 days);
        terms.stallTime = 30 days + 1;
        _expectRefusal(terms, OF_GROUP, Term.StallTime, 30 days + 1, HOUR, 30 days);
        terms.stallTime = HOUR;
        _expectKept(terms);
        (terms.stallTime, terms.inboxDeadline, terms.recoveryTime) = (30 days, 30 days, 0);
        terms.classes[0].escape = false;
        _expectKept(terms);
    }

    /// @dev Else a rotation is held up by one message for as long as the stall time is longer.
    function test_L8_Terms_RevertWhen_TheInboxDeadlineIsBelowTheStallTimeOrAboveThirtyDays() external {
        Terms memory terms = _termsOf(7500);
        terms.inboxDeadline = STALL_TIME - 1;
        _expectRefusal(terms, OF_GROUP, Term.InboxDeadline, STALL_TIME - 1, STALL_TIME, 30 days);
        terms.inboxDeadline = 30 days + 1;
        _expectRefusal(terms, OF_GROUP, Term.InboxDeadline, 30 days + 1, STALL_TIME, 30 days);
        terms.inboxDeadline = STALL_TIME;
        _expectKept(terms);
        (terms.inboxDeadline, terms.recoveryTime) = (30 days, 60 days);
        _expectKept(terms);
    }

    /// @dev The longest of a week, four stall times and two deadlines.
    function test_M7_Terms_RevertWhen_TheRecoveryTimeIsTooShort() external {
        Terms memory terms = _termsOf(7500);
        terms.recoveryTime = 7 days - 1;
        _expectRefusal(terms, OF_GROUP, Term.RecoveryTime, 7 days - 1, 7 days, YEAR);
        terms.recoveryTime = YEAR + 1;
        _expectRefusal(terms, OF_GROUP, Term.RecoveryTime, YEAR + 1, 7 days, YEAR);
        terms.recoveryTime = 7 days;
        _expectKept(terms);
        terms.recoveryTime = YEAR;
        _expectKept(terms);
        terms.recoveryTime = 0;
        _expectKept(terms);

        // Decided here by signatures alone, and in no way.
        (terms.recoveryTime, terms.classes[0].opening) = (7 days, Opening.Never);
        _expectKept(terms);
        terms.classes[0].escape = false;
        _expectRefusal(terms, OF_GROUP, Term.RecoveryTime, 7 days, 0, 0);
        (terms.classes[0].opening, terms.classes[0].scope) = (Opening.Always, Scope.Calls);
        _expectRefusal(terms, OF_GROUP, Term.RecoveryTime, 7 days, 0, 0);
        terms.classes[0].scope = Scope.Anything;

        (terms.stallTime, terms.inboxDeadline, terms.classes[0].escape) = (2 days, 3 days, false);
        terms.recoveryTime = 8 days - 1;
        _expectRefusal(terms, OF_GROUP, Term.RecoveryTime, 8 days - 1, 8 days, YEAR);
        terms.recoveryTime = 8 days;
        _expectKept(terms);
        terms.inboxDeadline = 5 days;
        _expectRefusal(terms, OF_GROUP, Term.RecoveryTime, 8 days, 10 days, YEAR);
        terms.recoveryTime = 10 days;
        _expectKept(terms);
    }

    function test_Terms_RevertWhen_TheEvidenceWindowDoesNotGoWithTheBond() external {
        Terms memory terms = _termsOf(7500);
        terms.evidenceWindow = 1;
        _expectRefusal(terms, OF_GROUP, Term.EvidenceWindow, 1, 0, 0);
        terms = _bonded(terms);
        terms.evidenceWindow = 1 days - 1;
        _expectRefusal(terms, OF_GROUP, Term.EvidenceWindow, 1 days - 1, 1 days, YEAR);
        terms.evidenceWindow = YEAR + 1;
        _expectRefusal(terms, OF_GROUP, Term.EvidenceWindow, YEAR + 1, 1 days, YEAR);
        terms.evidenceWindow = 1 days;
        _expectKept(terms);
        (terms.evidenceWindow, terms.bond) = (YEAR, type(uint128).max);
        _expectKept(terms);
    }

    function test_L5_Terms_RevertWhen_TheReportersShareIsAboveAFifth() external {
        Terms memory terms = _bonded(_termsOf(7500));
        terms.reporterShare = 2001;
        _expectRefusal(terms, OF_GROUP, Term.ReporterShare, 2001, 0, 2000);
        terms.reporterShare = 2000;
        _expectKept(terms);
        terms.reporterShare = 0;
        _expectKept(terms);
    }

    function test_Terms_TakeAnyFeeAndAnyFeed() external {
        Terms memory terms = _termsOf(7500);
        (terms.inboxFee, terms.uptimeFeed) = (type(uint96).max, address(type(uint160).max));
        _expectKept(terms);
        (terms.inboxFee, terms.uptimeFeed) = (0, address(0));
        _expectKept(terms);
    }

    // ---------------------------------------------------------------------------------------------------------
    // Each class: when it decides. The last class is the one that is wrong.
    // ---------------------------------------------------------------------------------------------------------

    function test_L9_Terms_RevertWhen_ANameIsNone() external {
        Terms memory terms = _terms();
        bytes16[11] memory names =
            [bytes16(0), "A", "of cast", "a.b", unicode"ä", "a\x00b", "\x00a", "a`", "a{", "a/", "a:"];
        for (uint256 i = 0; i < names.length; ++i) {
            terms.classes[7].name = names[i];
            _expectRefusal(terms, 7, Term.Name, uint128(names[i]), 0, 0);
        }
        terms.classes[7].name = "az09_-az09_-az09";
        _expectKept(terms);
        terms.classes[7].name = "-";
        _expectKept(terms);
    }

    function test_Terms_RevertWhen_TwoClassesHaveOneName() external {
        Terms memory terms = _terms();
        terms.classes[7].name = terms.classes[2].name;
        _expectRefusal(terms, 7, Term.Name, uint128(terms.classes[2].name), 0, 0);
    }

    function testFuzz_Terms_TakeAThresholdOfMoreThanHalfUpToAll(uint16 threshold) external {
        Terms memory terms = _termsOf(threshold);
        if (threshold > 5000 && threshold <= 10_000) _expectKept(terms);
        else _expectRefusal(terms, 0, Term.Threshold, threshold, 5001, 10_000);
    }

    function test_Terms_RevertWhen_TheThresholdIsOutOfBounds() external {
        Terms memory terms = _terms();
        uint16[4] memory thresholds = [0, 5000, 10_001, type(uint16).max];
        for (uint256 i = 0; i < thresholds.length; ++i) {
            terms.classes[7].threshold = thresholds[i];
            _expectRefusal(terms, 7, Term.Threshold, thresholds[i], 5001, 10_000);
        }
        (terms.classes[6].threshold, terms.classes[7].threshold) = (5001, 10_000);
        _expectKept(terms);
    }

    /// @dev Of votes cast, a turnout of none would let one vote among all decide.
    function test_Terms_RevertWhen_TheTurnoutIsOutOfBounds() external {
        Terms memory terms = _terms();
        terms.classes[7].turnout = 10_001;
        _expectRefusal(terms, 7, Term.Turnout, 10_001, 0, 10_000);
        terms.classes[7].turnout = 10_000;
        _expectKept(terms);
        (terms.classes[7].basis, terms.classes[7].turnout) = (Basis.Cast, 0);
        _expectRefusal(terms, 7, Term.Turnout, 0, 1, 10_000);
        terms.classes[7].turnout = 1;
        _expectKept(terms);
    }

    function test_Terms_RevertWhen_TheVetoIsAboveAll() external {
        Terms memory terms = _terms();
        terms.classes[7].veto = 10_001;
        _expectRefusal(terms, 7, Term.Veto, 10_001, 0, 10_000);
        terms.classes[7].veto = 10_000;
        _expectKept(terms);
    }

    /// @dev Whoever votes in one lane alone must not come to another decision than all would: what is always open, and what
    /// signed votes approve, counts all weight.
    function test_H2_Terms_RevertWhen_AClassThatIsAlwaysOpenCouldDecideOtherwise() external {
        for (uint256 rule = 0; rule < 4; ++rule) {
            Terms memory terms = _termsOf(7500);
            Class memory class = terms.classes[0];
            class.escape = false;
            terms.recoveryTime = 0;
            _vary(class, rule);
            _expectRefusal(terms, 0, Term.Opening, uint256(Opening.Always), 0, uint256(Opening.Stalled));
            class.opening = Opening.Stalled;
            _expectKept(terms);
            class.opening = Opening.Never;
            _expectKept(terms);
        }
    }

    function test_H2_Terms_RevertWhen_TheEscapeLaneCouldDecideOtherwise() external {
        for (uint256 rule = 0; rule < 4; ++rule) {
            Terms memory terms = _termsOf(7500);
            (terms.classes[0].opening, terms.recoveryTime) = (Opening.Never, 0);
            _vary(terms.classes[0], rule);
            _expectRefusal(terms, 0, Term.Escape, 1, 0, 0);
            terms.classes[0].escape = false;
            _expectKept(terms);
        }
    }

    function test_L10_Terms_RevertWhen_TheVotingPeriodIsOutOfBounds() external {
        Terms memory terms = _termsOf(7500);
        Class memory class = terms.classes[0];
        class.escape = false;
        class.votingPeriod = HOUR - 1;
        _expectRefusal(terms, 0, Term.VotingPeriod, HOUR - 1, HOUR, YEAR);
        class.votingPeriod = YEAR + 1;
        _expectRefusal(terms, 0, Term.VotingPeriod, YEAR + 1, HOUR, YEAR);
        class.votingPeriod = HOUR;
        _expectKept(terms);
        class.votingPeriod = YEAR;
        _expectKept(terms);
        (class.opening, class.votingPeriod) = (Opening.Stalled, HOUR - 1);
        _expectRefusal(terms, 0, Term.VotingPeriod, HOUR - 1, HOUR, YEAR);
    }

    /// @dev Where only the log decides, its own clock does.
    function test_Terms_TakeAShortVotingPeriod_WhereNobodyVotesOnChain() external {
        Terms memory terms = _termsOf(7500);
        Class memory class = terms.classes[0];
        (class.opening, class.escape, class.votingPeriod) = (Opening.Never, false, 0);
        terms.recoveryTime = 0;
        _expectRefusal(terms, 0, Term.VotingPeriod, 0, 1, YEAR);
        class.votingPeriod = 1;
        _expectKept(terms);
    }

    /// @dev A voting that ends before a message can have waited for the stall time escapes nowhere.
    function test_M10_Terms_RevertWhen_TheEscapeCanHardlyBeUsed() external {
        Terms memory terms = _termsOf(7500);
        Class memory class = terms.classes[0];
        class.votingPeriod = STALL_TIME;
        _expectRefusal(terms, 0, Term.VotingPeriod, STALL_TIME, STALL_TIME + 1, YEAR);
        class.opening = Opening.Never;
        _expectRefusal(terms, 0, Term.VotingPeriod, STALL_TIME, STALL_TIME + 1, YEAR);
        class.votingPeriod = STALL_TIME + 1;
        _expectKept(terms);
    }

    function test_Terms_RevertWhen_TheTimelockIsOutOfBounds() external {
        Terms memory terms = _termsOf(7500);
        terms.classes[0].timelock = HOUR - 1;
        _expectRefusal(terms, 0, Term.Timelock, HOUR - 1, HOUR, YEAR);
        terms.classes[0].timelock = 1;
        _expectRefusal(terms, 0, Term.Timelock, 1, HOUR, YEAR);
        terms.classes[0].timelock = YEAR + 1;
        _expectRefusal(terms, 0, Term.Timelock, YEAR + 1, HOUR, YEAR);
        terms.classes[0].timelock = HOUR;
        _expectKept(terms);
        terms.classes[0].timelock = YEAR;
        _expectKept(terms);
    }

    function test_M6_Terms_RevertWhen_TheExpiryIsOutOfBounds() external {
        Terms memory terms = _termsOf(7500);
        terms.classes[0].expiry = 0;
        _expectRefusal(terms, 0, Term.Expiry, 0, HOUR, YEAR);
        terms.classes[0].expiry = HOUR - 1;
        _expectRefusal(terms, 0, Term.Expiry, HOUR - 1, HOUR, YEAR);
        terms.classes[0].expiry = YEAR + 1;
        _expectRefusal(terms, 0, Term.Expiry, YEAR + 1, HOUR, YEAR);
        terms.classes[0].expiry = HOUR;
        _expectKept(terms);
        terms.classes[0].expiry = YEAR;
        _expectKept(terms);
    }

    // ---------------------------------------------------------------------------------------------------------
    // Each class: what it may call
    // ---------------------------------------------------------------------------------------------------------

    /// @dev A class waits or is bounded.
    function test_M3_Terms_RevertWhen_AClassNeitherWaitsNorIsBounded() external {
        Terms memory terms = _terms();
        terms.classes[ROUTINE].timelock = 0;
        _expectRefusal(terms, ROUTINE, Term.Bounded, 0, HOUR, YEAR);
        terms = _terms();
        terms.classes[ESCAPE].timelock = 0;
        _expectRefusal(terms, ESCAPE, Term.Bounded, 0, HOUR, YEAR);
        // Targets alone do not bound what they let the account do.
        terms = _terms();
        (terms.classes[LISTED].limits, terms.classes[LISTED].window) = (new Limit[](0), 0);
        _expectRefusal(terms, LISTED, Term.Bounded, 0, HOUR, YEAR);
        terms.classes[LISTED].window = WINDOW;
        _expectRefusal(terms, LISTED, Term.Bounded, 0, HOUR, YEAR);
        terms.classes[LISTED].timelock = HOUR;
        _expectKept(terms);
        // Limits by decision alone do not, because there may be many decisions.
        terms = _terms();
        terms.classes[PAYMENTS].window = 0;
        _withoutWindow(terms.classes[PAYMENTS].limits);
        _expectRefusal(terms, PAYMENTS, Term.Bounded, 0, HOUR, YEAR);
        terms.classes[PAYMENTS].timelock = HOUR;
        _expectKept(terms);
    }

    function test_Terms_RevertWhen_TheWindowIsOutOfBounds() external {
        Terms memory terms = _terms();
        Class memory class = terms.classes[PAYMENTS];
        class.window = HOUR - 1;
        _expectRefusal(terms, PAYMENTS, Term.Window, HOUR - 1, HOUR, YEAR);
        class.window = YEAR + 1;
        _expectRefusal(terms, PAYMENTS, Term.Window, YEAR + 1, HOUR, YEAR);
        class.window = HOUR;
        _expectKept(terms);
        class.window = YEAR;
        _expectKept(terms);
    }

    function test_Terms_RevertWhen_DecisionsOrAnythingAreLimited() external {
        uint8[2] memory classes = [ROUTINE, DECISIONS];
        for (uint256 i = 0; i < 2; ++i) {
            Terms memory terms = _terms();
            Class memory class = terms.classes[classes[i]];
            class.limits = _limits();
            _expectRefusal(terms, classes[i], Term.LimitCount, 2, 0, 0);
            (class.limits, class.targets) = (new Limit[](0), _targets());
            _expectRefusal(terms, classes[i], Term.TargetCount, 1, 0, 0);
            (class.targets, class.window) = (new Target[](0), WINDOW);
            _expectRefusal(terms, classes[i], Term.Window, WINDOW, 0, 0);
        }
    }

    function test_Terms_RevertWhen_PaymentsHaveNoLimitsOrTargets() external {
        Terms memory terms = _terms();
        Class memory class = terms.classes[PAYMENTS];
        class.limits = new Limit[](0);
        _expectRefusal(terms, PAYMENTS, Term.LimitCount, 0, 1, 4);
        class.limits = _ascending(5);
        _expectRefusal(terms, PAYMENTS, Term.LimitCount, 5, 1, 4);
        class.limits = _ascending(4);
        _expectKept(terms);
        class.targets = _targets();
        _expectRefusal(terms, PAYMENTS, Term.TargetCount, 1, 0, 0);
    }

    function test_Terms_RevertWhen_CallsHaveTooManyLimitsOrTargets() external {
        Terms memory terms = _terms();
        Class memory class = terms.classes[LISTED];
        class.limits = _ascending(5);
        _expectRefusal(terms, LISTED, Term.LimitCount, 5, 0, 4);
        (class.limits, class.targets) = (_ascending(4), _listed(9));
        _expectRefusal(terms, LISTED, Term.TargetCount, 9, 0, 8);
        class.targets = _listed(8);
        _expectKept(terms);
        class.targets = new Target[](0);
        _expectKept(terms);
    }

    function test_Terms_RevertWhen_LimitsDoNotAscend() external {
        Terms memory terms = _terms();
        Limit[] memory limits = terms.classes[PAYMENTS].limits;
        (limits[0], limits[1]) = (limits[1], limits[0]);
        _expectRefusal(terms, PAYMENTS, Term.LimitAsset, 0, 0, 0);
        limits[0].asset = limits[1].asset;
        _expectRefusal(terms, PAYMENTS, Term.LimitAsset, 0, 0, 0);
        limits[0].asset = limits[1].asset = address(coin);
        _expectRefusal(terms, PAYMENTS, Term.LimitAsset, uint160(address(coin)), 0, 0);
        (limits[0].asset, limits[1].asset) = (address(1), address(2));
        _expectKept(terms);
    }

    function test_L7_Terms_RevertWhen_AnAssetIsTheCoordinator() external {
        Terms memory terms = _terms();
        terms.classes[PAYMENTS].limits[1].asset = address(coordinator);
        _expectRefusal(terms, PAYMENTS, Term.LimitAsset, uint160(address(coordinator)), 0, 0);
    }

    function test_Terms_RevertWhen_LimitsContradictThemselves() external {
        Terms memory terms = _terms();
        Limit memory limit = terms.classes[PAYMENTS].limits[1];
        limit.perDecision = COINS_A_WINDOW + 1;
        _expectRefusal(terms, PAYMENTS, Term.LimitAmount, COINS_A_WINDOW + 1, 0, COINS_A_WINDOW);
        limit.perDecision = COINS_A_WINDOW;
        _expectKept(terms);
        (limit.perDecision, limit.perWindow) = (type(uint112).max, type(uint112).max);
        _expectKept(terms);

        Class memory class = terms.classes[PAYMENTS];
        (class.window, class.timelock) = (0, HOUR);
        _withoutWindow(class.limits);
        limit.perWindow = 1;
        _expectRefusal(terms, PAYMENTS, Term.LimitAmount, 1, 0, 0);
        limit.perWindow = 0;
        _expectKept(terms);
    }

    function test_Terms_RevertWhen_TargetsDoNotAscend() external {
        Terms memory terms = _terms();
        Target[] memory targets = _listed(2);
        terms.classes[LISTED].targets = targets;
        (targets[0], targets[1]) = (targets[1], targets[0]);
        _expectRefusal(terms, LISTED, Term.Target, uint160(targets[1].target), 0, 0);
        targets[0] = targets[1];
        _expectRefusal(terms, LISTED, Term.Target, uint160(targets[1].target), 0, 0);
        // Of one target, by selector.
        targets[0] = Target({target: address(recorder), selector: 0x00000002});
        targets[1] = Target({target: address(recorder), selector: 0x00000001});
        _expectRefusal(terms, LISTED, Term.Target, uint160(address(recorder)), 0, 0);
        targets[1].selector = 0x00000002;
        _expectRefusal(terms, LISTED, Term.Target, uint160(address(recorder)), 0, 0);
        targets[0].selector = 0;
        _expectKept(terms);
    }

    function test_L7_Terms_RevertWhen_ATargetIsZeroOrTheCoordinator() external {
        Terms memory terms = _terms();
        terms.classes[LISTED].targets[0] = Target({target: address(0), selector: 0x00000001});
        _expectRefusal(terms, LISTED, Term.Target, 0, 0, 0);
        terms.classes[LISTED].targets[0].selector = 0;
        _expectRefusal(terms, LISTED, Term.Target, 0, 0, 0);
        terms.classes[LISTED].targets[0].target = address(coordinator);
        _expectRefusal(terms, LISTED, Term.Target, uint160(address(coordinator)), 0, 0);
    }

    // ---------------------------------------------------------------------------------------------------------
    // Encodings
    // ---------------------------------------------------------------------------------------------------------

    /// @dev An enumeration has no place for what is in none of its names.
    function test_Terms_RevertWhen_ScopeOpeningOrBasisIsUnknown() external {
        Terms memory terms = _termsOf(7500);
        terms.classes[0].escape = false;
        terms.classes[0].turnout = 1;
        terms.classes[0].opening = Opening.Stalled;
        _expectMalformed(terms, 1, 3);
        _expectMalformed(terms, 5, 1);
        // Always is for invariant classes.
        terms.classes[0].turnout = 0;
        _expectMalformed(terms, 2, 2);
    }

    // ---------------------------------------------------------------------------------------------------------
    // Steps
    // ---------------------------------------------------------------------------------------------------------

    /// @dev Breaks one of the four rules of an invariant class.
    function _vary(Class memory class, uint256 rule) private pure {
        if (rule == 0) (class.basis, class.turnout) = (Basis.Cast, 1);
        if (rule == 1) class.turnout = 1;
        if (rule == 2) class.veto = 1;
        if (rule == 3) class.revotes = true;
    }

    function _withoutWindow(Limit[] memory limits) private pure {
        for (uint256 i = 0; i < limits.length; ++i) {
            limits[i].perWindow = 0;
        }
    }

    function _ascending(uint256 count) private pure returns (Limit[] memory limits) {
        limits = new Limit[](count);
        for (uint256 i = 0; i < count; ++i) {
            limits[i] = Limit({asset: address(uint160(i)), perDecision: uint112(i), perWindow: uint112(i)});
        }
    }

    function _listed(uint256 count) private pure returns (Target[] memory targets) {
        targets = new Target[](count);
        for (uint256 i = 0; i < count; ++i) {
            targets[i] = Target({target: address(uint160(i + 1)), selector: bytes4(uint32(count - i))});
        }
    }

    function _expectKept(Terms memory terms) private {
        bytes32 id = _createGroup(_members(4), terms, bytes32(++_groups));
        vm.assertEq(abi.encode(coordinator.group(id).terms), abi.encode(terms), "terms");
    }

    function _expectRefusal(Terms memory terms, uint256 class, Term term, uint256 found, uint256 least, uint256 most)
        private
    {
        vm.expectRevert(abi.encodeWithSelector(Errors.InvalidTerm.selector, class, term, found, least, most));
        coordinator.createGroup(_members(4), terms, "refused");
    }

    /// @dev Takes the last value of an enumeration, told by its place in the first class, and refuses the one behind it.
    function _expectMalformed(Terms memory terms, uint256 field, uint256 last) private {
        bytes memory data = abi.encodeCall(coordinator.createGroup, (_members(4), terms, bytes32(++_groups)));
        bytes32 name = terms.classes[0].name;
        uint256 at = 4;
        bytes32 word;
        while (word != name) {
            at += 32;
            assembly ("memory-safe") {
                word := mload(add(add(data, 0x20), at))
            }
        }
        assembly ("memory-safe") {
            mstore(add(add(data, 0x20), add(at, mul(field, 0x20))), last)
        }
        (bool taken,) = address(coordinator).call(data);
        vm.assertTrue(taken, "the last that there is");
        assembly ("memory-safe") {
            mstore(add(add(data, 0x20), add(at, mul(field, 0x20))), add(last, 1))
        }
        (taken,) = address(coordinator).call(data);
        vm.assertFalse(taken, "one that there is not");
    }
}
// forge-lint: disable-end(unsafe-typecast)
