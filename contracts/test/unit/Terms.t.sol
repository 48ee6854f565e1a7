// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {Errors} from "../../src/Errors.sol";
import {Basis, Policy, Terms} from "../../src/Types.sol";
import {Fixture} from "../support/Fixture.sol";
import {vm} from "../support/Vm.sol";

/// @notice The branches of Terms.tree: what `createGroup` asks of a group's terms.
contract TermsTest is Fixture {
    uint32 private constant YEAR = 365 days;

    function test_Terms_AreKeptAsTheyAre() external view {
        vm.assertEq(abi.encode(coordinator.group(groupId).terms), abi.encode(_terms()), "terms");
    }

    // ---------------------------------------------------------------------------------------------------------
    // The classes as a list
    // ---------------------------------------------------------------------------------------------------------

    function test_Terms_RevertWhen_ThereIsNoClass() external {
        Terms memory terms = _terms();
        terms.classes = new Policy[](0);
        _expectRefusal(terms, abi.encodeWithSelector(Errors.InvalidClassCount.selector, 0, 8));
    }

    function test_Terms_RevertWhen_ThereAreNineClasses() external {
        Terms memory terms = _terms();
        terms.classes = new Policy[](9);
        for (uint256 i = 0; i < 9; ++i) {
            terms.classes[i] = _routine();
            terms.classes[i].name = bytes16(uint128(i + 1));
        }
        _expectRefusal(terms, abi.encodeWithSelector(Errors.InvalidClassCount.selector, 9, 8));
    }

    function test_Terms_TakeOneClass() external {
        _expectKept(_termsOf(7500));
    }

    function test_Terms_RevertWhen_AClassHasNoName() external {
        Terms memory terms = _terms();
        terms.classes[3].name = 0;
        _expectRefusal(terms, abi.encodeWithSelector(Errors.InvalidName.selector, 3));
    }

    function test_Terms_RevertWhen_TwoClassesHaveOneName() external {
        Terms memory terms = _terms();
        terms.classes[7].name = terms.classes[2].name;
        _expectRefusal(terms, abi.encodeWithSelector(Errors.InvalidName.selector, 7));
    }

    // ---------------------------------------------------------------------------------------------------------
    // Each class: the last class is the one that is wrong
    // ---------------------------------------------------------------------------------------------------------

    function testFuzz_Terms_TakeAThresholdOfMoreThanHalfUpToAll(uint16 threshold) external {
        Terms memory terms = _terms();
        terms.classes[7].threshold = threshold;
        if (threshold > 5000 && threshold <= 10_000) _expectKept(terms);
        else _expectRefusal(terms, abi.encodeWithSelector(Errors.InvalidThreshold.selector, 7, threshold));
    }

    function test_Terms_RevertWhen_TheThresholdIsOutOfBounds() external {
        Terms memory terms = _terms();
        uint16[4] memory thresholds = [0, 5000, 10_001, type(uint16).max];
        for (uint256 i = 0; i < thresholds.length; ++i) {
            terms.classes[7].threshold = thresholds[i];
            _expectRefusal(terms, abi.encodeWithSelector(Errors.InvalidThreshold.selector, 7, thresholds[i]));
        }
        terms.classes[6].threshold = 5001;
        terms.classes[7].threshold = 10_000;
        _expectKept(terms);
    }

    function test_Terms_RevertWhen_TheTurnoutIsAboveAll() external {
        Terms memory terms = _terms();
        terms.classes[7].turnout = 10_001;
        _expectRefusal(terms, abi.encodeWithSelector(Errors.InvalidTurnout.selector, 7, 10_001));
        terms.classes[7].turnout = 10_000;
        _expectKept(terms);
    }

    /// @dev Else one vote among all would decide.
    function test_Terms_RevertGiven_TheThresholdIsOfTheVotesCast_WithoutATurnout() external {
        Terms memory terms = _terms();
        terms.classes[7].basis = Basis.Cast;
        _expectRefusal(terms, abi.encodeWithSelector(Errors.InvalidTurnout.selector, 7, 0));
        terms.classes[7].turnout = 1;
        _expectKept(terms);
    }

    function test_Terms_RevertWhen_TheVetoIsAboveAll() external {
        Terms memory terms = _terms();
        terms.classes[7].veto = 10_001;
        _expectRefusal(terms, abi.encodeWithSelector(Errors.InvalidVeto.selector, 7, 10_001));
        terms.classes[7].veto = 10_000;
        _expectKept(terms);
    }

    function test_Terms_RevertWhen_TheVotingPeriodIsOutOfBounds() external {
        Terms memory terms = _terms();
        terms.classes[7].votingPeriod = 0;
        _expectRefusal(terms, abi.encodeWithSelector(Errors.InvalidVotingPeriod.selector, 7, 0));
        terms.classes[7].votingPeriod = YEAR + 1;
        _expectRefusal(terms, abi.encodeWithSelector(Errors.InvalidVotingPeriod.selector, 7, YEAR + 1));
        (terms.classes[6].votingPeriod, terms.classes[7].votingPeriod) = (1, YEAR);
        _expectKept(terms);
    }

    function test_Terms_RevertWhen_TheTimelockIsAboveAYear() external {
        Terms memory terms = _terms();
        terms.classes[7].timelock = YEAR + 1;
        _expectRefusal(terms, abi.encodeWithSelector(Errors.InvalidTimelock.selector, 7, YEAR + 1));
        (terms.classes[6].timelock, terms.classes[7].timelock) = (0, YEAR);
        _expectKept(terms);
    }

    function test_Terms_RevertWhen_TheExpiryIsAboveAYear() external {
        Terms memory terms = _terms();
        terms.classes[7].expiry = YEAR + 1;
        _expectRefusal(terms, abi.encodeWithSelector(Errors.InvalidExpiry.selector, 7, YEAR + 1));
        (terms.classes[6].expiry, terms.classes[7].expiry) = (0, YEAR);
        _expectKept(terms);
    }

    /// @dev Where the escape lane could come to another decision than the group did off-chain, there is none.
    function test_Terms_RevertWhen_TheEscapeLaneCouldDecideOtherwise() external {
        bytes memory refusal = abi.encodeWithSelector(Errors.InvalidEscape.selector, ESCAPE);
        for (uint256 rule = 0; rule < 4; ++rule) {
            Terms memory terms = _terms();
            Policy memory policy = terms.classes[ESCAPE];
            if (rule == 0) (policy.basis, policy.turnout) = (Basis.Cast, 1);
            if (rule == 1) policy.turnout = 1;
            if (rule == 2) policy.veto = 1;
            if (rule == 3) policy.revotes = true;
            _expectRefusal(terms, refusal);
            policy.escape = false;
            _expectKept(terms);
        }
    }

    /// @dev An enumeration has no place for what is in none of its names.
    function test_Terms_RevertWhen_BasisOrScopeIsUnknown() external {
        Terms memory terms = _termsOf(7500);
        terms.classes[0].turnout = 1;
        _expectMalformed(terms, 3, 2);
        _expectMalformed(terms, 6, 4);
    }

    // ---------------------------------------------------------------------------------------------------------
    // The group's times and shares
    // ---------------------------------------------------------------------------------------------------------

    function test_Terms_RevertWhen_TheStallTimeIsOutOfBounds() external {
        Terms memory terms = _termsOf(7500);
        terms.stallTime = 0;
        _expectRefusal(terms, abi.encodeWithSelector(Errors.InvalidStallTime.selector, 0));
        terms.stallTime = YEAR + 1;
        _expectRefusal(terms, abi.encodeWithSelector(Errors.InvalidStallTime.selector, YEAR + 1));
        terms.stallTime = YEAR;
        _expectKept(terms);
        terms.stallTime = 1;
        _expectKept(terms);
    }

    function test_Terms_RevertWhen_TheInboxDeadlineIsOutOfBounds() external {
        Terms memory terms = _termsOf(7500);
        terms.inboxDeadline = 0;
        _expectRefusal(terms, abi.encodeWithSelector(Errors.InvalidInboxDeadline.selector, 0));
        terms.inboxDeadline = YEAR + 1;
        _expectRefusal(terms, abi.encodeWithSelector(Errors.InvalidInboxDeadline.selector, YEAR + 1));
        terms.inboxDeadline = YEAR;
        _expectKept(terms);
        terms.inboxDeadline = 1;
        _expectKept(terms);
    }

    function test_Terms_RevertWhen_TheEvidenceWindowIsAboveAYear() external {
        Terms memory terms = _termsOf(7500);
        terms.evidenceWindow = YEAR + 1;
        _expectRefusal(terms, abi.encodeWithSelector(Errors.InvalidEvidenceWindow.selector, YEAR + 1));
        terms.evidenceWindow = YEAR;
        _expectKept(terms);
        terms.evidenceWindow = 0;
        _expectKept(terms);
    }

    function test_Terms_RevertWhen_TheReportersShareIsAboveHalf() external {
        Terms memory terms = _termsOf(7500);
        terms.reporterShare = 5001;
        _expectRefusal(terms, abi.encodeWithSelector(Errors.InvalidReporterShare.selector, 5001));
        terms.reporterShare = 5000;
        _expectKept(terms);
        terms.reporterShare = 0;
        _expectKept(terms);
    }

    function test_Terms_TakeAnyBond() external {
        Terms memory terms = _termsOf(7500);
        terms.bond = 0;
        _expectKept(terms);
        terms.bond = type(uint128).max;
        _expectKept(terms);
    }

    // ---------------------------------------------------------------------------------------------------------
    // Steps
    // ---------------------------------------------------------------------------------------------------------

    uint256 private _groups;

    function _expectKept(Terms memory terms) private {
        bytes32 id = _createGroup(_members(4), terms, bytes32(++_groups));
        vm.assertEq(abi.encode(coordinator.group(id).terms), abi.encode(terms), "terms");
    }

    function _expectRefusal(Terms memory terms, bytes memory refusal) private {
        vm.expectRevert(refusal);
        coordinator.createGroup(_members(4), terms, "refused");
    }

    /// @dev With this value in a field of the first class, told by its place in the class.
    function _expectMalformed(Terms memory terms, uint256 field, uint256 value) private {
        bytes memory data = abi.encodeCall(coordinator.createGroup, (_members(4), terms, bytes32(field)));
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
            mstore(add(add(data, 0x20), add(at, mul(field, 0x20))), sub(value, 1))
        }
        (bool taken,) = address(coordinator).call(data);
        vm.assertTrue(taken, "the last that there is");
        assembly ("memory-safe") {
            mstore(add(add(data, 0x20), add(at, mul(field, 0x20))), value)
        }
        (taken,) = address(coordinator).call(data);
        vm.assertFalse(taken, "one that there is not");
    }
}
// forge-lint: disable-end(unsafe-typecast)
