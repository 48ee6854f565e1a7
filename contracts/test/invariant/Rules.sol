// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {Basis, Policy, ProposalStatus, Scope, Terms} from "../../src/Types.sol";
import {Store} from "./Store.sol";

/// @notice What the groups agreed on, and what follows from it, in words of its own: where a proposal stands, whether anchors
/// have stalled, who has a vote.
abstract contract Rules is Store {
    uint32 public constant VOTING_PERIOD = 5 hours;
    uint32 public constant TIMELOCK = 1 hours;
    uint32 public constant EXPIRY = 12 hours;
    uint32 public constant STALL_TIME = 6 hours;
    uint32 public constant INBOX_DEADLINE = 2 hours;
    uint32 public constant EVIDENCE_WINDOW = 6 hours;
    uint256 public constant REPORTER_SHARE = 2500;

    /// @dev 60 % of all weight.
    uint8 internal constant ROUTINE = 0;
    /// @dev More than half of the votes cast, of which 40 % of the weight is needed; half against is a veto; votes change.
    uint8 internal constant REVOTES = 1;
    /// @dev 60 % of all weight, on-chain when anchors have stalled, and by the escape lane.
    uint8 internal constant ESCAPE = 2;
    uint8 internal constant CLASSES = 3;

    function _terms() internal pure returns (Terms memory terms) {
        terms = Terms({
            classes: new Policy[](CLASSES),
            stallTime: STALL_TIME,
            inboxDeadline: INBOX_DEADLINE,
            evidenceWindow: EVIDENCE_WINDOW,
            reporterShare: uint16(REPORTER_SHARE),
            bond: 1 ether
        });
        for (uint256 i = 0; i < CLASSES; ++i) {
            terms.classes[i] = Policy({
                name: bytes16(uint128(i + 1)),
                valueLimit: 1 ether,
                threshold: 6000,
                basis: Basis.All,
                turnout: 0,
                veto: 0,
                scope: Scope.Calls,
                votingPeriod: VOTING_PERIOD,
                timelock: TIMELOCK,
                expiry: i == ROUTINE ? 0 : EXPIRY,
                revotes: false,
                escape: i == ESCAPE,
                onlyStalled: i == ESCAPE
            });
        }
        Policy memory revotes = terms.classes[REVOTES];
        (revotes.threshold, revotes.basis, revotes.turnout) = (5001, Basis.Cast, 4000);
        (revotes.veto, revotes.revotes) = (5000, true);
    }

    /// @notice Where a proposal of the on-chain lane should stand now.
    function expectedStatus(uint256 p) public view returns (ProposalStatus) {
        ProposalGhost storage proposal = proposals[p];
        if (executions[proposal.group][p] != 0) return ProposalStatus.Executed;
        if (proposal.cancelled) return ProposalStatus.Cancelled;
        if (proposal.rejected) return ProposalStatus.Rejected;
        uint256 approvedAt = proposal.approvedAt;
        if (approvedAt == 0) {
            GroupGhost storage ghost = groups[proposal.group];
            bool isOfThePast = proposal.epoch + 1 < ghost.epochs.length;
            if (isOfThePast && ghost.epochs[proposal.epoch + 1].startedAt < proposal.votingEnds) {
                return ProposalStatus.Expired;
            }
            if (block.timestamp < proposal.votingEnds) return ProposalStatus.Open;
            if (proposal.class != REVOTES) return ProposalStatus.Expired;
            (uint256 against, uint256 inFavour, uint256 abstain) =
                (proposal.tally[0], proposal.tally[1], proposal.tally[2]);
            if ((against + inFavour + abstain) * 10 < proposal.totalWeight * 4) return ProposalStatus.Expired;
            // More than half, to the ten-thousandth: the weights are small.
            if (inFavour <= against) return ProposalStatus.Rejected;
            approvedAt = proposal.votingEnds;
        }
        bool isOver = proposal.class != ROUTINE && block.timestamp > approvedAt + TIMELOCK + EXPIRY;
        return isOver ? ProposalStatus.Expired : ProposalStatus.Approved;
    }

    /// @notice From when on an approved proposal may be executed.
    function expectedFrom(uint256 p) public view returns (uint256) {
        ProposalGhost storage proposal = proposals[p];
        return (proposal.approvedAt == 0 ? proposal.votingEnds : proposal.approvedAt) + TIMELOCK;
    }

    function hasStalled(uint256 g) public view returns (bool) {
        GroupGhost storage ghost = groups[g];
        uint256 since = ghost.anchoredAt == 0 ? ghost.createdAt : ghost.anchoredAt;
        return block.timestamp >= since + STALL_TIME;
    }

    function totalOf(uint64[POOL] memory weights) public pure returns (uint256 total) {
        for (uint256 i = 0; i < POOL; ++i) {
            total += weights[i];
        }
    }

    function _countOf(uint64[POOL] memory weights) internal pure returns (uint256 count) {
        for (uint256 i = 0; i < POOL; ++i) {
            if (weights[i] != 0) ++count;
        }
    }

    /// @dev For four to seven replicas, spelled out: 3, 4, 4.
    function quorumOf(uint64[POOL] memory weights) public pure returns (uint256) {
        return _countOf(weights) <= 4 ? 3 : 4;
    }

    function _isMember(uint256 g, uint256 agent) internal view returns (bool) {
        return agent / POOL == g && groups[g].weights[agent % POOL] != 0;
    }

    function _isVoter(uint256 agent) internal view returns (bool) {
        GroupGhost storage ghost = groups[agent / POOL];
        return ghost.weights[agent % POOL] != 0 && !ghost.left[agent % POOL];
    }

    /// @dev Counts a vote that was taken, and notes what it settled.
    function _count(uint256 p, uint256 agent, uint8 choice) internal {
        ProposalGhost storage proposal = proposals[p];
        if (choice > 2) _violate("a vote for nothing was taken");
        if (agent / POOL != proposal.group || !_isVoter(agent)) _violate("a stranger voted");
        if (expectedStatus(p) != ProposalStatus.Open) _violate("a vote on what is closed was taken");
        uint256 weight = groups[proposal.group].weights[agent % POOL];
        if (voteCount[p][agent]++ == 0) {
            ++proposal.voters;
        } else {
            if (proposal.class != REVOTES) _violate("somebody voted twice");
            proposal.tally[lastChoice[p][agent]] -= weight;
        }
        lastChoice[p][agent] = choice;
        proposal.tally[choice] += weight;
        _settle(proposal);
    }

    function _settle(ProposalGhost storage proposal) private {
        (uint256 against, uint256 inFavour, uint256 abstain) = (proposal.tally[0], proposal.tally[1], proposal.tally[2]);
        uint256 total = proposal.totalWeight;
        if (proposal.class == REVOTES) {
            if (against * 2 >= total) proposal.rejected = true;
        } else if (inFavour * 10 >= total * 6) {
            proposal.approvedAt = block.timestamp;
        } else if ((total - against - abstain) * 10 < total * 6) {
            proposal.rejected = true;
        }
    }

    /// @dev Notes a message of the inbox.
    function _noteMessage(uint256 g, uint8 kind, address sender, bytes memory payload) internal {
        GroupGhost storage ghost = groups[g];
        uint256 index = ghost.inboxHashes.length;
        bytes32 before = index == 0 ? bytes32(0) : ghost.inboxHashes[index - 1];
        ghost.inboxHashes
            .push(keccak256(abi.encode(before, index, uint256(kind), sender, block.timestamp, keccak256(payload))));
        ghost.inboxTimes.push(block.timestamp);
    }
}
// forge-lint: disable-end(unsafe-typecast)
