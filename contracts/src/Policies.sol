// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {Basis, Verdict, WHOLE} from "./Types.sol";

/// @title Policies
/// @notice When votes decide: the same rules as off-chain, where `policy.rs` of the crate
/// `quorate-protocol` has them. tests/vectors/policies.json pins both.
library Policies {
    /// @dev What of a class decides.
    struct Rule {
        uint256 threshold;
        Basis basis;
        uint256 turnout;
        uint256 veto;
        bool revotes;
    }

    /// @dev The weights of the votes on a proposal, and of all voters.
    struct Tally {
        uint256 forWeight;
        uint256 againstWeight;
        uint256 abstainWeight;
        uint256 totalWeight;
    }

    /// @notice What the votes decide: approved, rejected, or still open; once the voting has ended, expired in place of
    /// open. Before the end they decide only what no further votes could alter, and where votes may change, nothing but
    /// a veto.
    function verdict(Rule memory rule, Tally memory tally, bool ended) internal pure returns (Verdict) {
        (uint256 inFavour, uint256 against) = (tally.forWeight, tally.againstWeight);
        uint256 total = tally.totalWeight;
        if (rule.veto != 0 && against * WHOLE >= rule.veto * total) return Verdict.Rejected;

        uint256 cast = inFavour + against + tally.abstainWeight;
        bool turnedOut = cast * WHOLE >= rule.turnout * total;
        if (ended) {
            if (turnedOut && _reaches(rule, inFavour, against, total)) return Verdict.Approved;
            return turnedOut && rule.basis == Basis.Cast ? Verdict.Rejected : Verdict.Expired;
        }
        if (rule.revotes) return Verdict.Open;

        // Whoever has not voted may still vote for, against, or not at all.
        uint256 left = total - cast;
        bool vetoable = rule.veto != 0 && (against + left) * WHOLE >= rule.veto * total;
        if (turnedOut && !vetoable && _reaches(rule, inFavour, against + left, total)) return Verdict.Approved;
        if (!_reaches(rule, inFavour + left, against, total)) return Verdict.Rejected;
        return Verdict.Open;
    }

    /// @dev Whether the weight for reaches the threshold, if so much is against.
    function _reaches(Rule memory rule, uint256 inFavour, uint256 against, uint256 total) private pure returns (bool) {
        uint256 base = rule.basis == Basis.All ? total : inFavour + against;
        return inFavour != 0 && inFavour * WHOLE >= rule.threshold * base;
    }
}
