// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {Errors} from "./Errors.sol";
import {Basis, Call, Policy, ProposalStatus, Scope} from "./Types.sol";

/// @title Policies
/// @notice When votes decide, and what may be decided on: the same rules as off-chain, where `policy.rs` of the crate
/// `quorate-protocol` has them. tests/vectors/policies.json pins both.
library Policies {
    /// @dev The whole of which the parts of weight are told.
    uint256 internal constant WHOLE = 10_000;
    uint256 private constant LONGEST = 365 days;

    /// @dev What of a policy decides.
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
    function verdict(Rule memory rule, Tally memory tally, bool ended) internal pure returns (ProposalStatus) {
        (uint256 inFavour, uint256 against) = (tally.forWeight, tally.againstWeight);
        uint256 total = tally.totalWeight;
        if (rule.veto != 0 && against * WHOLE >= rule.veto * total) return ProposalStatus.Rejected;

        uint256 cast = inFavour + against + tally.abstainWeight;
        bool turnedOut = cast * WHOLE >= rule.turnout * total;
        if (ended) {
            if (turnedOut && _reaches(rule, inFavour, against, total)) return ProposalStatus.Approved;
            return turnedOut && rule.basis == Basis.Cast ? ProposalStatus.Rejected : ProposalStatus.Expired;
        }
        if (rule.revotes) return ProposalStatus.Open;

        // Whoever has not voted may still vote for, against, or not at all.
        uint256 left = total - cast;
        bool vetoable = rule.veto != 0 && (against + left) * WHOLE >= rule.veto * total;
        if (turnedOut && !vetoable && _reaches(rule, inFavour, against + left, total)) return ProposalStatus.Approved;
        if (!_reaches(rule, inFavour + left, against, total)) return ProposalStatus.Rejected;
        return ProposalStatus.Open;
    }

    /// @notice Reverts with what is wrong with the policy of the class at this place.
    function check(Policy[] calldata classes, uint256 class) internal pure {
        Policy calldata policy = classes[class];
        require(policy.name != 0, Errors.InvalidName(class));
        for (uint256 i = 0; i < class; ++i) {
            require(classes[i].name != policy.name, Errors.InvalidName(class));
        }
        uint256 threshold = policy.threshold;
        require(threshold > WHOLE / 2 && threshold <= WHOLE, Errors.InvalidThreshold(class, policy.threshold));
        bool ofCast = policy.basis == Basis.Cast;
        require(
            policy.turnout <= WHOLE && (policy.turnout != 0 || !ofCast), Errors.InvalidTurnout(class, policy.turnout)
        );
        require(policy.veto <= WHOLE, Errors.InvalidVeto(class, policy.veto));
        require(
            policy.votingPeriod != 0 && policy.votingPeriod <= LONGEST,
            Errors.InvalidVotingPeriod(class, policy.votingPeriod)
        );
        require(policy.timelock <= LONGEST, Errors.InvalidTimelock(class, policy.timelock));
        require(policy.expiry <= LONGEST, Errors.InvalidExpiry(class, policy.expiry));
        // Else the lanes could come to different decisions.
        bool sameInBothLanes = !ofCast && policy.turnout == 0 && policy.veto == 0 && !policy.revotes;
        require(!policy.escape || sameInBothLanes, Errors.InvalidEscape(class));
    }

    /// @notice Reverts when a class of this scope and limit does not permit the calls.
    function checkCalls(Scope scope, uint256 valueLimit, Call[] calldata calls) internal view {
        require(scope != Scope.Decisions || calls.length == 0, Errors.CallNotPermitted(0));
        uint256 left = valueLimit;
        for (uint256 i = 0; i < calls.length; ++i) {
            Call calldata call = calls[i];
            bool permitted = scope == Scope.Anything
                || (call.target != address(this) && (scope == Scope.Calls || call.data.length == 0));
            require(permitted, Errors.CallNotPermitted(i));
            require(call.value <= left, Errors.ValueNotPermitted(i, left));
            unchecked {
                left -= call.value;
            }
        }
    }

    /// @dev Whether the weight for reaches the threshold, if so much is against.
    function _reaches(Rule memory rule, uint256 inFavour, uint256 against, uint256 total) private pure returns (bool) {
        uint256 base = rule.basis == Basis.All ? total : inFavour + against;
        return inFavour != 0 && inFavour * WHOLE >= rule.threshold * base;
    }
}
