// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {Ballot, CHOICE_FOR, Content, INBOX_EXECUTED, ProposalStatus, Vote} from "../../src/Types.sol";
import {vm} from "../support/Vm.sol";
import {Cast} from "./Cast.sol";

/// @notice What anybody may try in the on-chain lane and the escape lane.
abstract contract OnChainLane is Cast {
    uint256 internal constant MAXIMUM_PROPOSALS = 20;

    function propose(uint256 agent, uint256 class, uint256 value) external {
        if (proposals.length == MAXIMUM_PROPOSALS) return;
        agent %= agents.length;
        uint256 p = _newProposal(agent, uint8(class % CLASSES), value % 1.1 ether);
        ProposalGhost storage proposal = proposals[p];
        bytes memory data = abi.encodeCall(
            coordinator.propose, (groups[proposal.group].id, proposal.class, _calls(proposal), "", uint64(p))
        );
        proposal.onChain = _try(agent, data, "propose");
        if (!proposal.onChain) return;
        if (!_isVoter(agent)) _violate("somebody without a vote proposed");
        if (proposal.class == ESCAPE && !hasStalled(proposal.group)) _violate("a closed lane took a proposal");
        if (proposal.value > 1 ether) _violate("more than a class' limit was proposed");
    }

    /// @dev By a transaction or by a signature; mostly of the group's own agents, and every other time once more.
    function vote(uint256 p, uint256 agent, uint8 choice, bool signs, uint256 again) external {
        if (proposals.length == 0) return;
        p = _mostly(ProposalStatus.Open, p);
        agent = (proposals[p].group * POOL + agent % (POOL + 1)) % agents.length;
        _vote(p, agent, choice % 4, signs);
        if (again % 2 == 1) _voteAgain(p, agent, uint8((again >> 1) % 3), (again >> 8) % 4);
    }

    function voteAgain(uint256 p, uint256 agent, uint8 choice, uint256 how) external {
        if (proposals.length == 0) return;
        p = _mostly(ProposalStatus.Open, p);
        _voteAgain(p, proposals[p].group * POOL + agent % POOL, choice % 3, how % 4);
    }

    /// @dev Somebody who has voted votes once more, for something else or for the same; or somebody sends its old signature,
    /// or one of another epoch, which must not count.
    function _voteAgain(uint256 p, uint256 agent, uint8 choice, uint256 how) private {
        uint32 nonce = uint32(voteCount[p][agent]);
        if (nonce == 0) return;
        if (how < 2) return _vote(p, agent, choice, how == 1);
        if (how == 3) ++proposals[p].epoch;
        bytes memory signature = _signVote(p, agent, choice, how == 2 ? nonce - 1 : nonce);
        if (how == 3) --proposals[p].epoch;
        bytes memory data = abi.encodeCall(coordinator.voteBySig, (proposals[p].id, agents[agent], choice, signature));
        if (_try(0, data, "old vote")) _violate("a vote for another nonce or epoch was taken");
    }

    /// @dev Three times of four a proposal that stands like this, if there is one: else most tries would be of others.
    function _mostly(ProposalStatus status, uint256 p) private view returns (uint256) {
        uint256 count = proposals.length;
        for (uint256 i = 0; i < count && (p >> 8) % 4 != 0; ++i) {
            uint256 at = (p % count + i) % count;
            if (proposals[at].onChain && expectedStatus(at) == status) return at;
        }
        return p % count;
    }

    function _vote(uint256 p, uint256 agent, uint8 choice, bool signs) private {
        bytes memory data = abi.encodeCall(coordinator.vote, (proposals[p].id, choice));
        if (signs) {
            bytes memory signature = _signVote(p, agent, choice, uint32(voteCount[p][agent]));
            data = abi.encodeCall(coordinator.voteBySig, (proposals[p].id, agents[agent], choice, signature));
        }
        bool allowed = _mayVote(p, agent, choice);
        bool success = _try(signs ? 0 : agent, data, signs ? "voteBySig" : "vote");
        if (!success && allowed) _violate("a vote was refused");
        if (!success) return;
        if (voteCount[p][agent] != 0 && lastChoice[p][agent] == choice) _violate("a vote was counted again");
        _count(p, agent, choice);
    }

    function _mayVote(uint256 p, uint256 agent, uint8 choice) private view returns (bool) {
        ProposalGhost storage proposal = proposals[p];
        bool isNews = voteCount[p][agent] == 0 || (proposal.class == REVOTES && lastChoice[p][agent] != choice);
        return proposal.onChain && expectedStatus(p) == ProposalStatus.Open && choice < 3 && isNews
            && agent / POOL == proposal.group && _isVoter(agent);
    }

    /// @dev All voters of the group at once. Those who chose the same before are passed over, and so is what comes after the
    /// end.
    function voteTogether(uint256 p, uint8 choice) external {
        if (proposals.length == 0) return;
        p = _mostly(ProposalStatus.Open, p);
        choice %= 3;
        uint256 first = proposals[p].group * POOL;
        Ballot[] memory ballots = new Ballot[](POOL);
        uint256[] memory voters = new uint256[](POOL);
        uint256 count = 0;
        for (uint256 agent = first; agent < first + POOL; ++agent) {
            if (!_isVoter(agent)) continue;
            ballots[count] = Ballot({
                voter: agents[agent],
                choice: choice,
                signature: _signVote(p, agent, choice, uint32(voteCount[p][agent]))
            });
            voters[count++] = agent;
        }
        assembly ("memory-safe") {
            mstore(ballots, count)
        }
        if (!_try(0, abi.encodeCall(coordinator.voteBySigs, (proposals[p].id, ballots)), "voteBySigs")) return;
        if (expectedStatus(p) != ProposalStatus.Open) _violate("votes on what is closed were taken");
        for (uint256 i = 0; i < count && expectedStatus(p) == ProposalStatus.Open; ++i) {
            if (voteCount[p][voters[i]] != 0 && lastChoice[p][voters[i]] == choice) continue;
            _count(p, voters[i], choice);
        }
    }

    function cancel(uint256 p, uint256 agent) external {
        if (proposals.length == 0) return;
        p %= proposals.length;
        agent %= agents.length;
        bool open = expectedStatus(p) == ProposalStatus.Open;
        if (!_try(agent, abi.encodeCall(coordinator.cancel, (proposals[p].id)), "cancel")) return;
        if (agent != proposals[p].proposer) _violate("somebody else cancelled a proposal");
        if (!open) _violate("a closed proposal was cancelled");
        proposals[p].cancelled = true;
    }

    /// @dev Only the first agent of a group leaves, or no run would decide anything.
    function leave(uint256 g) external {
        g %= GROUPS;
        if (!_try(g * POOL, abi.encodeCall(coordinator.leave, (groups[g].id)), "leave")) return;
        if (!_isVoter(g * POOL)) _violate("somebody without a vote gave it up");
        groups[g].left[0] = true;
    }

    function execute(uint256 p, uint256 agent) external {
        if (proposals.length == 0) return;
        p = _mostly(ProposalStatus.Approved, p);
        agent %= agents.length;
        ProposalGhost storage proposal = proposals[p];
        bool approved = expectedStatus(p) == ProposalStatus.Approved;
        bytes memory data = abi.encodeCall(coordinator.execute, (proposal.id, _calls(proposal)));
        if (!_try(agent, data, proposal.fromLog ? "execute from the log" : "execute")) return;
        if (!approved || !proposal.onChain) _violate("a proposal that is not approved was executed");
        if (block.timestamp < expectedFrom(p)) _violate("a proposal was executed before its timelock");
        _noteExecution(proposal.group, p);
        if (proposal.fromLog) {
            _noteMessage(proposal.group, INBOX_EXECUTED, agents[agent], abi.encode(proposal.id));
        }
    }

    /// @dev Finishes a proposal of the log by the votes of all members, or tries to with too few, with votes of another
    /// epoch or nonce, after the end of the voting, or one that is in the on-chain lane. Mostly anchors have stalled then.
    function approveFromLog(uint256 p, uint256 how, bool waits) external {
        p = _mostlyOffChain(p);
        how %= 8;
        uint256 g = proposals[p].group;
        if (waits && !hasStalled(g)) vm.warp(block.timestamp + STALL_TIME);
        (uint256 epoch, uint256 votingEnds) = (groups[g].epochs.length - 1, block.timestamp + VOTING_PERIOD);
        if (how == 1) ++epoch;
        if (how == 2) votingEnds = block.timestamp;
        (Ballot[] memory ballots, uint256 weight) =
            _ballotsFor(p, uint64(epoch), uint64(votingEnds), how == 3 ? 1 : 0, how == 0 ? 1 : POOL);
        bool allowed = how > 3 && _isEscapable(p) && weight * 10 >= totalOf(groups[g].weights) * 6;
        bytes memory data =
            abi.encodeCall(coordinator.approveFromLog, (groups[g].id, _content(p), uint64(votingEnds), ballots));
        bool success = _try(0, data, "approveFromLog");
        if (success && !allowed) _violate("the escape lane approved what it must not");
        if (!success && allowed) _violate("the escape lane refused what the group decided");
        if (success) _noteApproval(p, weight);
    }

    /// @dev Mostly a proposal that may be finished by the escape lane; a new one, if there is none and room for it.
    function _mostlyOffChain(uint256 p) private returns (uint256) {
        uint256 count = proposals.length;
        if (count != 0 && (p >> 8) % 4 == 0) return p % count;
        for (uint256 i = 0; i < count; ++i) {
            uint256 at = (p % count + i) % count;
            bool known = proposals[at].onChain || executions[proposals[at].group][at] != 0;
            if (proposals[at].class == ESCAPE && !known) return at;
        }
        return count < MAXIMUM_PROPOSALS ? _newProposal((p >> 16) % agents.length, ESCAPE, 0.01 ether) : p % count;
    }

    /// @dev Whether what began off-chain may be finished here now.
    function _isEscapable(uint256 p) private view returns (bool) {
        ProposalGhost storage proposal = proposals[p];
        return proposal.class == ESCAPE && !proposal.onChain && executions[proposal.group][p] == 0
            && hasStalled(proposal.group) && proposal.value <= 1 ether;
    }

    function _content(uint256 p) private view returns (Content memory) {
        ProposalGhost storage proposal = proposals[p];
        return Content({
            proposer: agents[proposal.proposer],
            salt: uint64(p),
            class: proposal.class,
            calls: _calls(proposal),
            description: ""
        });
    }

    function _noteApproval(uint256 p, uint256 weight) private {
        ProposalGhost storage proposal = proposals[p];
        _placeInEpoch(proposal);
        (proposal.onChain, proposal.fromLog, proposal.approvedAt) = (true, true, block.timestamp);
        proposal.tally = [0, weight, 0];
    }

    function _ballotsFor(uint256 p, uint64 epoch, uint64 votingEnds, uint32 nonce, uint256 maximum)
        private
        view
        returns (Ballot[] memory ballots, uint256 weight)
    {
        uint256 g = proposals[p].group;
        ballots = new Ballot[](POOL);
        Vote memory vote_ = Vote(groups[g].id, proposals[p].id, CHOICE_FOR, epoch, votingEnds, nonce);
        bytes32 digest = coordinator.hashVote(vote_);
        uint256 count = 0;
        for (uint256 i = 0; i < POOL && count < maximum; ++i) {
            if (!_isVoter(g * POOL + i)) continue;
            ballots[count++] = Ballot(agents[g * POOL + i], CHOICE_FOR, _signature(g * POOL + i, digest));
            weight += groups[g].weights[i];
        }
        assembly ("memory-safe") {
            mstore(ballots, count)
        }
    }

    function _noteExecution(uint256 g, uint256 p) internal {
        ++executions[g][p];
        groups[g].paid += proposals[p].value;
    }
}
// forge-lint: disable-end(unsafe-typecast)
