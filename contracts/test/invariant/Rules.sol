// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {
    Basis,
    Call,
    Class,
    Content,
    FLAG_REPLICA,
    FLAG_VOTER,
    INBOX_CLOSED,
    Limit,
    Member,
    Opening,
    Scope,
    Status,
    Terms
} from "../../src/Types.sol";
import {AnchorFixture} from "../support/AnchorFixture.sol";
import {vm} from "../support/Vm.sol";
import {Store} from "./Store.sol";

/// @notice What the group agreed on, and what follows from it, in words of its own: where a proposal stands, who has waited since when,
/// whose signature counts, what a window leaves.
abstract contract Rules is AnchorFixture, Store {
    uint256 internal constant CLASSES_HERE = 3;
    /// @dev 60 % of all weight; anything; after an hour; always open, by the escape lane and for changes of members too.
    uint8 internal constant ANY = 0;
    /// @dev More than half of the votes cast, of which 40 % of the weight is needed; half against is a veto; votes change. Open when
    /// stalled.
    uint8 internal constant CHANGING = 1;
    /// @dev 60 % of all weight; payments, at once, of 0.5 ether a decision and 1 ether a day. Always open.
    uint8 internal constant PAY = 2;
    uint256 internal constant PAY_LIMIT = 0.5 ether;
    uint256 internal constant PAY_A_DAY = 1 ether;
    uint256 internal constant PERIOD = 5 hours;
    uint256 internal constant HALF_A_DAY = 12 hours;

    function _agreed() internal pure returns (Terms memory terms) {
        terms = _bonded(_termsOf(6000));
        Class memory any = terms.classes[0];
        (any.votingPeriod, any.expiry) = (uint32(PERIOD), uint32(HALF_A_DAY));
        terms.classes = new Class[](CLASSES_HERE);
        terms.classes[ANY] = any;

        Class memory changing = abi.decode(abi.encode(any), (Class));
        (changing.name, changing.escape, changing.opening) = ("changing", false, Opening.Stalled);
        (changing.threshold, changing.basis, changing.turnout) = (5001, Basis.Cast, 4000);
        (changing.veto, changing.revotes, changing.scope) = (5000, true, Scope.Calls);
        terms.classes[CHANGING] = changing;

        Class memory pay = abi.decode(abi.encode(any), (Class));
        (pay.name, pay.escape, pay.scope, pay.timelock, pay.window) = ("pay", false, Scope.Payments, 0, WINDOW);
        pay.limits = new Limit[](1);
        pay.limits[0] = Limit({asset: address(0), perDecision: uint112(PAY_LIMIT), perWindow: uint112(PAY_A_DAY)});
        terms.classes[PAY] = pay;
    }

    // ---------------------------------------------------------------------------------------------------------
    // Proposals
    // ---------------------------------------------------------------------------------------------------------

    /// @dev Who is paid by a proposal of class `PAY`; what it has tells whether it was.
    function payee(uint256 p) public pure returns (address) {
        return address(uint160(0x100000 + p));
    }

    function contentOf(uint256 p) public view returns (Content memory) {
        ProposalGhost storage ghost = proposals[p];
        Call[] memory calls = ghost.class == PAY ? _payment(payee(p), ghost.value) : _calls(p, ghost.value);
        return _content(ghost.proposer, ghost.class, calls, uint64(p));
    }

    function _timelockOf(uint8 class) internal pure returns (uint256) {
        return class == PAY ? 0 : TIMELOCK;
    }

    /// @notice Where a proposal should stand now.
    function expectedStatus(uint256 p) public view returns (Status) {
        ProposalGhost storage ghost = proposals[p];
        if (ghost.status != Status.Open && ghost.status != Status.Approved) return ghost.status;
        uint256 approvedAt = ghost.approvedAt;
        if (ghost.status == Status.Open) {
            if (_isOvertaken(ghost)) return Status.Expired;
            if (block.timestamp < ghost.votingEnds) return Status.Open;
            Status outcome = _outcome(ghost);
            if (outcome != Status.Approved) return outcome;
            approvedAt = ghost.votingEnds;
        }
        return block.timestamp > approvedAt + _timelockOf(ghost.class) + HALF_A_DAY ? Status.Expired : Status.Approved;
    }

    /// @dev Whether weights changed before the end of the voting, by rotation or recovery.
    function _isOvertaken(ProposalGhost storage ghost) private view returns (bool) {
        for (uint256 e = 0; e < epochs.length; ++e) {
            if (epochs[e].votersSince > ghost.votersSince) return epochs[e].startedAt < ghost.votingEnds;
        }
        return false;
    }

    function expectedFrom(uint256 p) public view returns (uint256) {
        ProposalGhost storage ghost = proposals[p];
        uint256 approvedAt = ghost.status == Status.Open ? ghost.votingEnds : ghost.approvedAt;
        return approvedAt + _timelockOf(ghost.class);
    }

    function _outcome(ProposalGhost storage ghost) private view returns (Status) {
        if (ghost.class != CHANGING) return Status.Expired;
        (uint256 against, uint256 inFavour) = (ghost.tally[0], ghost.tally[1]);
        if ((against + inFavour + ghost.tally[2]) * 10 < ghost.totalWeight * 4) return Status.Expired;
        // More than half, to the ten-thousandth: the weights are small.
        return inFavour > against ? Status.Approved : Status.Rejected;
    }

    /// @dev Counts a vote, and notes what it settles.
    function _count(uint256 p, uint256 agent, uint8 choice) internal {
        ProposalGhost storage ghost = proposals[p];
        uint256 weight = seats[agent].weight;
        if (voteCount[p][agent]++ != 0) ghost.tally[lastChoice[p][agent]] -= weight;
        lastChoice[p][agent] = choice;
        ghost.tally[choice] += weight;
        (uint256 against, uint256 inFavour, uint256 total) = (ghost.tally[0], ghost.tally[1], ghost.totalWeight);
        if (ghost.class == CHANGING) {
            if (against * 2 >= total) ghost.status = Status.Rejected;
        } else if (inFavour * 10 >= total * 6) {
            (ghost.status, ghost.approvedAt) = (Status.Approved, block.timestamp);
        } else if ((total - against - ghost.tally[2]) * 10 < total * 6) {
            ghost.status = Status.Rejected;
        }
    }

    /// @dev What an execution takes, by any lane, is within the class' limits.
    function _permitted(ProposalGhost storage ghost) internal view returns (bool) {
        return ghost.class != PAY || (ghost.value <= PAY_LIMIT && ghost.value <= left());
    }

    /// @notice What the window of payments leaves: two buckets, the current and the one before, count.
    function left() public view returns (uint256) {
        uint256 bucket = block.timestamp / WINDOW;
        uint256 spent = 0;
        for (uint256 i = 0; i < payments.length; ++i) {
            if (payments[i].time / WINDOW + 1 >= bucket) spent += payments[i].amount;
        }
        return PAY_A_DAY - spent;
    }

    /// @dev By whom the log is told, or nobody.
    function _noteExecution(uint256 p, address teller) internal {
        ProposalGhost storage ghost = proposals[p];
        ghost.status = Status.Executed;
        ++ghost.executions;
        funds -= ghost.value;
        if (ghost.class == PAY && ghost.value != 0) payments.push(Payment(block.timestamp, ghost.value));
        if (teller != address(0)) _noteMessage(INBOX_CLOSED, teller, abi.encode(ghost.id, Status.Executed));
    }

    // ---------------------------------------------------------------------------------------------------------
    // The inbox
    // ---------------------------------------------------------------------------------------------------------

    function waitingSince() public view returns (uint256) {
        if (taken == inboxTimes.length) return 0;
        return inboxTimes[taken] > servedAt ? inboxTimes[taken] : servedAt;
    }

    function hasWaited(uint256 time) public view returns (bool) {
        return waitingSince() != 0 && block.timestamp >= waitingSince() + time;
    }

    function _noteMessage(uint8 kind, address sender, bytes memory payload) internal {
        uint256 index = inboxHashes.length;
        bytes32 before = index == 0 ? bytes32(0) : inboxHashes[index - 1];
        inboxHashes.push(
            keccak256(abi.encode(before, index, uint256(kind), sender, block.timestamp, keccak256(payload)))
        );
        inboxTimes.push(block.timestamp);
    }

    // ---------------------------------------------------------------------------------------------------------
    // Seats
    // ---------------------------------------------------------------------------------------------------------

    function counts(uint256 agent) public view returns (bool) {
        SeatGhost storage seat = seats[agent];
        return
            seat.seated && !seat.convicted && seat.bond >= BOND && (seat.exitAt == 0 || block.timestamp < seat.exitAt);
    }

    /// @dev All members are replicas; those with a weight are voters.
    function membersNow() public view returns (Member[] memory members) {
        uint64[POOL] memory weights;
        bool[POOL] memory seated;
        for (uint256 i = 0; i < POOL; ++i) {
            (weights[i], seated[i]) = (seats[i].weight, seats[i].seated);
        }
        return _list(seated, weights);
    }

    function _list(bool[POOL] memory seated, uint64[POOL] memory weights)
        internal
        view
        returns (Member[] memory members)
    {
        members = new Member[](POOL);
        uint256 count = 0;
        for (uint256 i = 0; i < POOL; ++i) {
            if (!seated[i]) continue;
            members[count++] = Member({
                account: agents[i],
                key: _key(agents[i]),
                weight: weights[i],
                flags: FLAG_REPLICA | (weights[i] == 0 ? 0 : FLAG_VOTER)
            });
        }
        assembly ("memory-safe") {
            mstore(members, count)
        }
    }

    function totalWeight() public view returns (uint256 total) {
        for (uint256 i = 0; i < POOL; ++i) {
            total += seats[i].weight;
        }
    }

    /// @notice For four to seven replicas, spelled out.
    function quorumNow() public view returns (uint256) {
        uint256 count = 0;
        for (uint256 i = 0; i < POOL; ++i) {
            if (seats[i].seated) ++count;
        }
        return count == 4 ? 3 : count == 7 ? 5 : 4;
    }

    function _isVoter(uint256 agent) internal view returns (bool) {
        return seats[agent].weight != 0 && !seats[agent].left;
    }

    /// @dev The weight of those whose bit is set and who have a vote.
    function _weightOf(uint256 bits) internal view returns (uint256 weight) {
        for (uint256 i = 0; i < POOL; ++i) {
            if (bits >> i & 1 == 1 && _isVoter(i)) weight += seats[i].weight;
        }
    }

    /// @dev Sends it, compares what came of it with what should, and counts what succeeds.
    function _try(address sender, uint256 value, bytes memory data, bool allowed, string memory action)
        internal
        returns (bool success)
    {
        vm.prank(sender);
        (success,) = address(coordinator).call{value: value}(data);
        if (success && !allowed) _violate(string.concat("taken that must not be: ", action));
        if (!success && allowed) _violate(string.concat("refused that must not be: ", action));
        if (success) ++successes[action];
    }
}
// forge-lint: disable-end(unsafe-typecast)
