// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {Policies} from "../../src/Policies.sol";
import {Basis, Class, Verdict} from "../../src/Types.sol";
import {Fixture} from "../support/Fixture.sol";
import {vm} from "../support/Vm.sol";

/// @notice The branches of Policies.tree, beside a reference that tries out all that the voters who are left may do.
contract PoliciesTest is Fixture {
    uint256 private constant VOTERS = 5;
    uint8 private constant NONE = 3;

    // ---------------------------------------------------------------------------------------------------------
    // verdict
    // ---------------------------------------------------------------------------------------------------------

    /// @dev Votes for, against, abstentions and all weight; then what they decide before and at the end.
    function test_Verdict_OfAllWeight() external pure {
        Policies.Rule memory rule = Policies.Rule(7500, Basis.All, 0, 0, false);
        _assert(rule, [uint256(0), 0, 0, 100], Verdict.Open, Verdict.Expired);
        _assert(rule, [uint256(74), 0, 0, 100], Verdict.Open, Verdict.Expired);
        _assert(rule, [uint256(75), 0, 0, 100], Verdict.Approved, Verdict.Approved);
        _assert(rule, [uint256(75), 25, 0, 100], Verdict.Approved, Verdict.Approved);
        _assert(rule, [uint256(74), 25, 0, 100], Verdict.Open, Verdict.Expired);
        _assert(rule, [uint256(74), 26, 0, 100], Verdict.Rejected, Verdict.Expired);
        _assert(rule, [uint256(0), 0, 26, 100], Verdict.Rejected, Verdict.Expired);
        // 75 % of 10 is 7.5, which 7 does not reach.
        _assert(rule, [uint256(7), 2, 0, 10], Verdict.Open, Verdict.Expired);
        _assert(rule, [uint256(7), 3, 0, 10], Verdict.Rejected, Verdict.Expired);
        _assert(rule, [uint256(8), 0, 0, 10], Verdict.Approved, Verdict.Approved);
    }

    function test_Verdict_OfTheVotesCast() external pure {
        Policies.Rule memory rule = Policies.Rule(6000, Basis.Cast, 5000, 0, false);
        _assert(rule, [uint256(0), 0, 0, 100], Verdict.Open, Verdict.Expired);
        // Half of the weight has to turn out, abstentions included.
        _assert(rule, [uint256(49), 0, 0, 100], Verdict.Open, Verdict.Expired);
        _assert(rule, [uint256(50), 0, 0, 100], Verdict.Open, Verdict.Approved);
        _assert(rule, [uint256(1), 0, 49, 100], Verdict.Open, Verdict.Approved);
        _assert(rule, [uint256(30), 20, 0, 100], Verdict.Open, Verdict.Approved);
        _assert(rule, [uint256(29), 21, 0, 100], Verdict.Open, Verdict.Rejected);
        // Those who are left cannot turn it any more.
        _assert(rule, [uint256(60), 0, 0, 100], Verdict.Approved, Verdict.Approved);
        _assert(rule, [uint256(54), 0, 10, 100], Verdict.Approved, Verdict.Approved);
        _assert(rule, [uint256(53), 0, 10, 100], Verdict.Open, Verdict.Approved);
        _assert(rule, [uint256(0), 40, 0, 100], Verdict.Open, Verdict.Expired);
        _assert(rule, [uint256(0), 41, 0, 100], Verdict.Rejected, Verdict.Expired);
        _assert(rule, [uint256(10), 45, 0, 100], Verdict.Rejected, Verdict.Rejected);
    }

    function test_Verdict_OfAllWeight_WithTurnout() external pure {
        Policies.Rule memory rule = Policies.Rule(6000, Basis.All, 8000, 0, false);
        _assert(rule, [uint256(60), 0, 0, 100], Verdict.Open, Verdict.Expired);
        _assert(rule, [uint256(60), 0, 20, 100], Verdict.Approved, Verdict.Approved);
        _assert(rule, [uint256(60), 20, 0, 100], Verdict.Approved, Verdict.Approved);
        _assert(rule, [uint256(50), 30, 0, 100], Verdict.Open, Verdict.Expired);
    }

    function test_Verdict_WithVeto() external pure {
        Policies.Rule memory rule = Policies.Rule(6000, Basis.Cast, 5000, 3000, false);
        _assert(rule, [uint256(70), 30, 0, 100], Verdict.Rejected, Verdict.Rejected);
        _assert(rule, [uint256(0), 30, 0, 100], Verdict.Rejected, Verdict.Rejected);
        _assert(rule, [uint256(71), 29, 0, 100], Verdict.Approved, Verdict.Approved);
        // Reached, and 30 % may still speak against it.
        _assert(rule, [uint256(70), 0, 0, 100], Verdict.Open, Verdict.Approved);
        _assert(rule, [uint256(70), 29, 0, 100], Verdict.Open, Verdict.Approved);
        _assert(rule, [uint256(70), 0, 1, 100], Verdict.Approved, Verdict.Approved);
        rule.veto = 10_000;
        _assert(rule, [uint256(0), 100, 0, 100], Verdict.Rejected, Verdict.Rejected);
    }

    /// @dev While votes may change, nothing but a veto is settled.
    function test_Verdict_WhereVotesChange() external pure {
        Policies.Rule memory rule = Policies.Rule(5001, Basis.All, 0, 7500, true);
        _assert(rule, [uint256(100), 0, 0, 100], Verdict.Open, Verdict.Approved);
        _assert(rule, [uint256(51), 49, 0, 100], Verdict.Open, Verdict.Approved);
        _assert(rule, [uint256(50), 50, 0, 100], Verdict.Open, Verdict.Expired);
        _assert(rule, [uint256(26), 74, 0, 100], Verdict.Open, Verdict.Expired);
        _assert(rule, [uint256(25), 75, 0, 100], Verdict.Rejected, Verdict.Rejected);
    }

    function testFuzz_Verdict_AbstentionsAloneApproveNothing(uint256 seed, uint64 abstain, uint64 others, bool ended)
        external
        pure
    {
        Policies.Rule memory rule = _rule(seed);
        uint256 total = uint256(abstain) + others;
        Verdict told = Policies.verdict(rule, Policies.Tally(0, 0, abstain, total), ended);
        vm.assertTrue(told != Verdict.Approved, "approved by nobody");
    }

    function testFuzz_Verdict_OfNoWeight_IsNotApproved(uint256 seed, bool ended) external pure {
        Verdict told = Policies.verdict(_rule(seed), Policies.Tally(0, 0, 0, 0), ended);
        vm.assertTrue(told != Verdict.Approved, "approved by nobody");
    }

    /// @dev At the end: what the rule says, in words of its own.
    function testFuzz_Verdict_AtTheEnd(uint256 seed, uint64 inFavour, uint64 against, uint64 abstain, uint64 silent)
        external
        pure
    {
        Policies.Rule memory rule = _rule(seed);
        uint256 total = uint256(inFavour) + against + abstain + silent;
        Verdict told = Policies.verdict(rule, Policies.Tally(inFavour, against, abstain, total), true);
        vm.assertEq(uint256(told), uint256(_atTheEnd(rule, inFavour, against, abstain, total)), "verdict");
    }

    /// @dev Before the end: approved exactly when whatever those who are left do leads to an approval, and rejected exactly
    /// when nothing does; never where votes may change. All of it is tried out, so no early verdict is ever altered by
    /// further votes, and none is later than it could be.
    function testFuzz_Verdict_BeforeTheEnd(uint256 seed, uint64[VOTERS] memory weights, uint8[VOTERS] memory choices)
        external
        pure
    {
        Policies.Rule memory rule = _rule(seed);
        uint256[4] memory tally;
        uint256 total = 0;
        for (uint256 i = 0; i < VOTERS; ++i) {
            // Small weights meet the bounds more often than great ones.
            if (seed >> 240 & 1 == 0) weights[i] = weights[i] % 4 + 1;
            choices[i] %= 4;
            tally[choices[i]] += weights[i];
            total += weights[i];
        }
        Verdict early = Policies.verdict(rule, Policies.Tally(tally[1], tally[0], tally[2], total), false);
        if (rule.veto != 0 && tally[0] * 10_000 >= rule.veto * total) {
            vm.assertEq(uint256(early), uint256(Verdict.Rejected), "a veto");
            return;
        }
        if (rule.revotes) {
            vm.assertEq(uint256(early), uint256(Verdict.Open), "settled while votes may change");
            return;
        }
        (uint256 approvals, uint256 ways) = _tryOut(rule, weights, choices, 0, tally, total);
        Verdict expected = approvals == ways ? Verdict.Approved : approvals == 0 ? Verdict.Rejected : Verdict.Open;
        vm.assertEq(uint256(early), uint256(expected), "verdict");
    }

    /// @dev The coordinator tells the same to whoever asks.
    function testFuzz_Verdict_OfTheCoordinator(uint256 seed, uint64[4] memory weights, bool ended) external view {
        Policies.Rule memory rule = _rule(seed);
        uint128 total = uint128(weights[0]) + weights[1] + weights[2] + weights[3];
        Class memory class = _routine();
        (class.threshold, class.basis, class.turnout) = (uint16(rule.threshold), rule.basis, uint16(rule.turnout));
        (class.veto, class.revotes) = (uint16(rule.veto), rule.revotes);
        Verdict told = coordinator.verdict(class, weights[0], weights[1], weights[2], total, ended);
        Verdict expected = Policies.verdict(rule, Policies.Tally(weights[0], weights[1], weights[2], total), ended);
        vm.assertEq(uint256(told), uint256(expected), "verdict");
    }

    /// @dev Of the ways in which those from voter `i` on who have not voted may still vote or not, how many end in an
    /// approval, and how many there are.
    function _tryOut(
        Policies.Rule memory rule,
        uint64[VOTERS] memory weights,
        uint8[VOTERS] memory choices,
        uint256 i,
        uint256[4] memory tally,
        uint256 total
    ) private pure returns (uint256 approvals, uint256 ways) {
        while (i < VOTERS && choices[i] != NONE) ++i;
        if (i == VOTERS) {
            Verdict told = _atTheEnd(rule, tally[1], tally[0], tally[2], total);
            return (told == Verdict.Approved ? 1 : 0, 1);
        }
        for (uint256 choice = 0; choice < 4; ++choice) {
            tally[choice] += weights[i];
            (uint256 more, uint256 tried) = _tryOut(rule, weights, choices, i + 1, tally, total);
            tally[choice] -= weights[i];
            (approvals, ways) = (approvals + more, ways + tried);
        }
    }

    /// @dev The rule at the end of the voting.
    function _atTheEnd(Policies.Rule memory rule, uint256 inFavour, uint256 against, uint256 abstain, uint256 total)
        private
        pure
        returns (Verdict)
    {
        bool vetoed = rule.veto > 0 && 10_000 * against >= total * rule.veto;
        if (vetoed) return Verdict.Rejected;
        bool heard = 10_000 * (inFavour + against + abstain) >= total * rule.turnout;
        uint256 whole = total;
        if (rule.basis == Basis.Cast) whole = inFavour + against;
        bool carried = inFavour > 0 && 10_000 * inFavour >= whole * rule.threshold;
        if (heard && carried) return Verdict.Approved;
        if (heard && rule.basis == Basis.Cast) return Verdict.Rejected;
        return Verdict.Expired;
    }

    /// @dev A rule that a group may have.
    function _rule(uint256 seed) private pure returns (Policies.Rule memory rule) {
        rule.threshold = 5001 + (seed & 0xffff) % 5000;
        rule.basis = seed >> 16 & 1 == 1 ? Basis.Cast : Basis.All;
        rule.turnout = (seed >> 32 & 0xffff) % 10_001;
        if (seed >> 17 & 1 == 1) rule.turnout = 0;
        if (rule.basis == Basis.Cast && rule.turnout == 0) rule.turnout = 1;
        rule.veto = seed >> 18 & 1 == 1 ? (seed >> 48 & 0xffff) % 10_001 : 0;
        rule.revotes = seed >> 19 & 7 == 7;
    }

    /// @dev The four weights are for, against, abstain and all.
    function _assert(Policies.Rule memory rule, uint256[4] memory weights, Verdict before, Verdict after_)
        private
        pure
    {
        Policies.Tally memory tally = Policies.Tally(weights[0], weights[1], weights[2], weights[3]);
        vm.assertEq(uint256(Policies.verdict(rule, tally, false)), uint256(before), "before the end");
        vm.assertEq(uint256(Policies.verdict(rule, tally, true)), uint256(after_), "at the end");
    }
}
// forge-lint: disable-end(unsafe-typecast)
