// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {Errors} from "./Errors.sol";
import {Basis, Class, Limit, Opening, Scope, Target, Term, Terms, WHOLE} from "./Types.sol";

/// @title TermsRules
/// @notice What a group may agree on: the same bounds as off-chain, where `terms.rs` of the crate `quorate-protocol` has them.
/// tests/vectors/terms.json pins both.
///
/// A class waits or is bounded: without a timelock it calls nothing, or has limits and a window. A class of the scope `Calls`
/// has neither limits nor targets, and calls anything but the group itself; or it is *listed*: it has limits, or targets, or
/// both, and calls nothing but what they allow. With limits alone that is ether without data and what counts of tokens; with
/// targets alone, the functions that are listed, without ether.
///
/// A class is *invariant* when it counts all weight and has no turnout, no veto and no changes of votes: votes then decide the
/// same wherever and in whatever order they are counted. What both lanes may decide at one time needs that.
library TermsRules {
    /// @dev `InvalidTerm.class` of a term that is the group's.
    uint256 internal constant OF_THE_GROUP = 255;

    uint256 private constant MAXIMUM_CLASSES = 8;
    uint256 private constant MAXIMUM_LIMITS = 4;
    uint256 private constant MAXIMUM_TARGETS = 8;
    /// @dev Twice any chain's finality fits in.
    uint256 private constant SHORTEST = 1 hours;
    uint256 private constant LONGEST = 365 days;
    /// @dev For as long an anchor or a rotation can be held up by a message.
    uint256 private constant LONGEST_WAIT = 30 days;
    uint256 private constant SHORTEST_RECOVERY = 7 days;
    uint256 private constant SHORTEST_EVIDENCE = 1 days;
    /// @dev Above, a replica that is about to be convicted could save too much of its bond by reporting itself.
    uint256 private constant MAXIMUM_REPORTER_SHARE = WHOLE / 5;
    uint256 private constant NAME_LENGTH = 16;

    /// @notice Reverts with the first term that is out of its bounds (`InvalidTerm`): the number of classes, the group's, then
    /// the classes' in their order.
    /// @param terms The terms.
    /// @param account The account of the group that agrees on them, which like the coordinator, the contract that runs this, is
    /// no target and no asset.
    function check(Terms memory terms, address account) internal view {
        uint256 count = terms.classes.length;
        _within(OF_THE_GROUP, Term.ClassCount, count, 1, MAXIMUM_CLASSES);
        (uint256 stallTime, uint256 inboxDeadline) = (terms.stallTime, terms.inboxDeadline);
        _within(OF_THE_GROUP, Term.StallTime, stallTime, SHORTEST, LONGEST_WAIT);
        _within(OF_THE_GROUP, Term.InboxDeadline, inboxDeadline, stallTime, LONGEST_WAIT);
        uint256 recovery = SHORTEST_RECOVERY;
        if (4 * stallTime > recovery) recovery = 4 * stallTime;
        if (2 * inboxDeadline > recovery) recovery = 2 * inboxDeadline;
        // None where no class could decide a recovery on-chain: nobody is to rely on one.
        if (_canRecover(terms.classes)) {
            _noneOrWithin(OF_THE_GROUP, Term.RecoveryTime, terms.recoveryTime, recovery, LONGEST);
        } else {
            _within(OF_THE_GROUP, Term.RecoveryTime, terms.recoveryTime, 0, 0);
        }
        bool hasBonds = terms.bond != 0;
        _within(
            OF_THE_GROUP,
            Term.EvidenceWindow,
            terms.evidenceWindow,
            hasBonds ? SHORTEST_EVIDENCE : 0,
            hasBonds ? LONGEST : 0
        );
        _within(OF_THE_GROUP, Term.ReporterShare, terms.reporterShare, 0, MAXIMUM_REPORTER_SHARE);

        for (uint256 i = 0; i < count; ++i) {
            Class memory class = terms.classes[i];
            _checkName(terms.classes, i);
            _checkVotes(class, i, stallTime);
            _checkCalls(class, i);
            _checkLimits(class, i, account);
            _checkTargets(class, i, account);
        }
    }

    // ---------------------------------------------------------------------------------------------------------
    // Private
    // ---------------------------------------------------------------------------------------------------------

    /// @dev Whether a class may call the coordinator, and its proposals can be decided on-chain.
    function _canRecover(Class[] memory classes) private pure returns (bool) {
        for (uint256 i = 0; i < classes.length; ++i) {
            Class memory class = classes[i];
            if (class.scope == Scope.Anything && (class.opening != Opening.Never || class.escape)) return true;
        }
        return false;
    }

    /// @dev [a-z0-9_-], one character or more, then zeros; and no earlier class' name.
    function _checkName(Class[] memory classes, uint256 at) private pure {
        bytes16 name = classes[at].name;
        bool sound = name != 0;
        bool ended = false;
        for (uint256 i = 0; i < NAME_LENGTH; ++i) {
            bytes1 character = name[i];
            if (character == 0) ended = true;
            else if (ended || !_isOfNames(character)) sound = false;
        }
        for (uint256 i = 0; i < at; ++i) {
            if (classes[i].name == name) sound = false;
        }
        require(sound, Errors.InvalidTerm(at, Term.Name, uint128(name), 0, 0));
    }

    function _isOfNames(bytes1 character) private pure returns (bool) {
        return (character >= "a" && character <= "z") || (character >= "0" && character <= "9") || character == "_"
            || character == "-";
    }

    /// @dev When and how the class decides.
    function _checkVotes(Class memory class, uint256 at, uint256 stallTime) private pure {
        _within(at, Term.Threshold, class.threshold, WHOLE / 2 + 1, WHOLE);
        // Of no votes at all, none is any part.
        _within(at, Term.Turnout, class.turnout, class.basis == Basis.Cast ? 1 : 0, WHOLE);
        _within(at, Term.Veto, class.veto, 0, WHOLE);
        bool invariant_ = class.basis == Basis.All && class.turnout == 0 && class.veto == 0 && !class.revotes;
        uint256 latest = uint256(invariant_ ? Opening.Always : Opening.Stalled);
        _within(at, Term.Opening, uint256(class.opening), 0, latest);
        _within(at, Term.Escape, class.escape ? 1 : 0, 0, invariant_ ? 1 : 0);
        // Where only the log decides, its own clock does. A voting that escapes has to outlast what makes a stall.
        uint256 shortest = class.opening == Opening.Never ? 1 : SHORTEST;
        if (class.escape) shortest = stallTime + 1;
        _within(at, Term.VotingPeriod, class.votingPeriod, shortest, LONGEST);
        _within(at, Term.Expiry, class.expiry, SHORTEST, LONGEST);
    }

    /// @dev What the class may call, and that it waits or is bounded.
    function _checkCalls(Class memory class, uint256 at) private pure {
        Scope scope = class.scope;
        bool isCalls = scope == Scope.Calls;
        bool isLimited = isCalls || scope == Scope.Payments;
        uint256 limits = class.limits.length;
        _within(at, Term.LimitCount, limits, scope == Scope.Payments ? 1 : 0, isLimited ? MAXIMUM_LIMITS : 0);
        _within(at, Term.TargetCount, class.targets.length, 0, isCalls ? MAXIMUM_TARGETS : 0);
        if (isLimited) _noneOrWithin(at, Term.Window, class.window, SHORTEST, LONGEST);
        else _within(at, Term.Window, class.window, 0, 0);
        _noneOrWithin(at, Term.Timelock, class.timelock, SHORTEST, LONGEST);
        bool isBounded = scope == Scope.Decisions || (limits != 0 && class.window != 0);
        require(class.timelock != 0 || isBounded, Errors.InvalidTerm(at, Term.Bounded, 0, SHORTEST, LONGEST));
    }

    function _checkLimits(Class memory class, uint256 at, address account) private view {
        address previous = address(0);
        for (uint256 i = 0; i < class.limits.length; ++i) {
            Limit memory limit = class.limits[i];
            address asset = limit.asset;
            // The first asset may be zero, which is ether.
            bool sound = (i == 0 || asset > previous) && asset != address(this) && asset != account;
            require(sound, Errors.InvalidTerm(at, Term.LimitAsset, uint160(asset), 0, 0));
            previous = asset;
            bool hasWindow = class.window != 0;
            _within(at, Term.LimitAmount, limit.perWindow, 0, hasWindow ? type(uint112).max : 0);
            _within(at, Term.LimitAmount, limit.perDecision, 0, hasWindow ? limit.perWindow : type(uint112).max);
        }
    }

    function _checkTargets(Class memory class, uint256 at, address account) private view {
        uint256 previous = 0;
        for (uint256 i = 0; i < class.targets.length; ++i) {
            Target memory listed = class.targets[i];
            address target = listed.target;
            uint256 order = uint256(uint160(target)) << 32 | uint32(listed.selector);
            // No target is zero, so the first, too, is above what comes before it.
            bool sound = order > previous && target != address(0) && target != address(this) && target != account;
            require(sound, Errors.InvalidTerm(at, Term.Target, uint160(target), 0, 0));
            previous = order;
        }
    }

    function _noneOrWithin(uint256 at, Term term, uint256 found, uint256 least, uint256 most) private pure {
        if (found != 0) _within(at, term, found, least, most);
    }

    function _within(uint256 at, Term term, uint256 found, uint256 least, uint256 most) private pure {
        require(found >= least && found <= most, Errors.InvalidTerm(at, term, found, least, most));
    }
}
