// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {AgentCoordinator} from "../../src/AgentCoordinator.sol";
import {IAgentCoordinator} from "../../src/IAgentCoordinator.sol";
import {Approval, CHOICE_FOR, Call, Checkpoint, Entry, EpochStart, Member, Vote} from "../../src/Types.sol";
import {ReferenceLog} from "../support/ReferenceLog.sol";
import {Recorder} from "../support/Targets.sol";
import {vm} from "../support/Vm.sol";
import {Cast} from "./Cast.sol";

/// @notice Does what anybody might do to two groups, allowed or not, and notes what succeeded. The replicas of each group
/// also do what they must not be able to harm the other group with: they log decisions about the other's proposals.
contract Handler is Cast {
    uint256 private constant MAXIMUM_PROPOSALS = 12;
    uint256 private constant MAXIMUM_ENTRIES = 24;

    constructor(AgentCoordinator coordinator_, Recorder recorder_) Cast(coordinator_, recorder_) {}

    // ---------------------------------------------------------------------------------------------------------
    // Time and money
    // ---------------------------------------------------------------------------------------------------------

    function pass(uint256 time) external {
        vm.warp(block.timestamp + time % 4 hours);
    }

    function fund(uint256 g, uint256 amount) external {
        g %= GROUPS;
        amount %= 10 ether;
        vm.deal(address(this), amount);
        (bool success,) = groups[g].account.call{value: amount}("");
        require(success, "the account refused ether");
        groups[g].funded += amount;
    }

    // ---------------------------------------------------------------------------------------------------------
    // The on-chain lane
    // ---------------------------------------------------------------------------------------------------------

    function propose(uint256 agent, uint256 value) external {
        if (proposals.length == MAXIMUM_PROPOSALS) return;
        agent %= agents.length;
        (uint256 p, Call[] memory calls) = _newProposal(agent, value % 1 ether);
        bytes memory data =
            abi.encodeCall(IAgentCoordinator.propose, (groups[proposals[p].group].id, calls, "", uint64(p)));
        proposals[p].onChain = _try(agent, data, "propose");
        if (proposals[p].onChain && !_isVoter(agent)) _violate("somebody without a vote proposed");
    }

    function vote(uint256 p, uint256 agent, uint8 choice, bool bySignature) external {
        if (proposals.length == 0) return;
        p %= proposals.length;
        agent %= agents.length;
        _vote(p, agent, choice % 4, bySignature);
    }

    /// @dev All members of the group vote for it, so that runs get to executions.
    function approve(uint256 p) external {
        if (proposals.length == 0) return;
        p %= proposals.length;
        for (uint256 i = POOL; i > 0; --i) {
            _vote(p, proposals[p].group * POOL + i - 1, CHOICE_FOR, false);
        }
    }

    function cancel(uint256 p, uint256 agent) external {
        if (proposals.length == 0) return;
        p %= proposals.length;
        agent %= agents.length;
        bool success = _try(agent, abi.encodeCall(IAgentCoordinator.cancel, (proposals[p].id)), "cancel");
        if (success && agent != proposals[p].proposer) _violate("somebody else cancelled a proposal");
    }

    /// @dev Only the first agent of a group leaves, or no run would decide anything.
    function leave(uint256 g) external {
        g %= GROUPS;
        if (!_try(g * POOL, abi.encodeCall(IAgentCoordinator.leave, (groups[g].id)), "leave")) return;
        if (!_isVoter(g * POOL)) _violate("somebody without a vote gave it up");
        groups[g].left[0] = true;
    }

    function execute(uint256 p, uint256 agent) external {
        if (proposals.length == 0) return;
        p %= proposals.length;
        ProposalGhost storage proposal = proposals[p];
        bytes memory data = abi.encodeCall(IAgentCoordinator.execute, (proposal.id, _calls(proposal)));
        if (!_try(agent % agents.length, data, "execute")) return;
        if (proposal.tally[CHOICE_FOR] < THRESHOLD) _violate("a proposal without its threshold was executed");
        if (block.timestamp < proposal.approvedAt + TIMELOCK) _violate("a proposal was executed before its timelock");
        _noteExecution(proposal.group, p);
    }

    // ---------------------------------------------------------------------------------------------------------
    // The anchored lane
    // ---------------------------------------------------------------------------------------------------------

    /// @dev Group `g` logs an approval: of a new proposal, or of any that is known, also of the other group's, also
    /// for the second time.
    function decide(uint256 g, uint256 p, uint256 value) external {
        g %= GROUPS;
        ReferenceLog log = groups[g].log;
        if (log.size() == MAXIMUM_ENTRIES) return;
        p %= proposals.length + 1;
        if (p == proposals.length) {
            if (proposals.length == MAXIMUM_PROPOSALS) return;
            (p,) = _newProposal(g * POOL, value % 1 ether);
        }
        uint64 index = log.size();
        bytes32 subject = coordinator.hashDecision(_decision(g, p));
        log.append(_entry(index, subject));
        decisions.push(DecisionGhost({group: g, proposal: p, index: index, subject: subject}));
    }

    /// @dev The replicas of `g` sign a checkpoint, or somebody tries one that must not be taken.
    function anchor(uint256 g, uint256 how) external {
        g %= GROUPS;
        how %= 12;
        GroupGhost storage ghost = groups[g];
        Checkpoint memory checkpoint = _checkpoint(g);
        (uint256 signers, uint256 signingGroup) = (quorumOf(ghost.weights), g);
        uint64[POOL] memory weights = ghost.weights;
        if (how == 0) checkpoint.sequence = ghost.sequence;
        if (how == 1) checkpoint.logSize = ghost.logSize == 0 ? 0 : ghost.logSize - 1;
        if (how == 1) checkpoint.logRoot = ghost.log.root(checkpoint.logSize);
        if (how == 2) --signers;
        if (how == 3) (signingGroup, weights) = (1 - g, groups[1 - g].weights);
        if (how == 4) (checkpoint.logSize, checkpoint.logRoot) = (ghost.logSize, keccak256("a fork"));
        if (how == 5) weights = ghost.weightsBefore;
        if (how == 6) checkpoint.epoch = uint64(ghost.epochs.length);
        if (how == 7) checkpoint.nextMembersHash = keccak256(abi.encode(membersOf(g, weights)));
        bool allowed = how > 7 || (how == 1 && ghost.logSize == 0) || (how == 4 && ghost.anchoredSizes.length == 0);
        if (how == 5) allowed = _areSigners(g, weights, signers);

        // A fork of a log that was never anchored is no fork that the contract could know of. It is left out.
        if (allowed && how == 4) return;
        bytes memory data = abi.encodeCall(
            IAgentCoordinator.anchor, (checkpoint, _signatures(checkpoint, signingGroup, weights, signers))
        );
        bool success = _try(0, data, allowed ? "anchor" : "anchor what must not be");
        if (success && !allowed) _violate("a checkpoint was anchored that must not be");
        if (success) _noteAnchor(g, checkpoint);
    }

    /// @dev The replicas of `g` end their epoch, or somebody tries to. The next members are the agents of the group whose
    /// bits are set; `shift` gives them other weights.
    function rotate(uint256 g, uint256 bits, uint256 shift, uint256 how) external {
        g %= GROUPS;
        how %= 12;
        GroupGhost storage ghost = groups[g];
        uint64[POOL] memory next = _weights(bits, shift);
        uint64[POOL] memory weights = how == 1 ? next : ghost.weights;
        uint256 signers = quorumOf(ghost.weights);
        Checkpoint memory checkpoint = _checkpoint(g);
        checkpoint.nextMembersHash = how == 3 ? bytes32("others") : keccak256(abi.encode(membersOf(g, next)));
        if (how == 0) --signers;
        if (how == 2) checkpoint.epoch = uint64(ghost.epochs.length);
        if (how == 4) checkpoint.sequence = ghost.sequence;
        bool allowed = _isSound(g, next) && (how > 4 || (how == 1 && _areSigners(g, next, signers)));

        bytes memory signatures = _signatures(checkpoint, g, weights, signers);
        bytes memory data =
            abi.encodeCall(IAgentCoordinator.anchorAndRotate, (checkpoint, signatures, membersOf(g, next)));
        bool success = _try(0, data, allowed ? "rotate" : "rotate what must not be");
        if (success && !allowed) _violate("members changed that must not");
        if (!success) return;
        _noteAnchor(g, checkpoint);
        _noteEpoch(g, checkpoint, next);
    }

    function executeAnchored(uint256 d, uint256 anchored, uint256 agent) external {
        if (decisions.length == 0) return;
        DecisionGhost storage decision = decisions[d % decisions.length];
        GroupGhost storage ghost = groups[decision.group];
        if (ghost.anchoredSizes.length == 0) return;
        uint64 size = ghost.anchoredSizes[anchored % ghost.anchoredSizes.length];
        bool included = decision.index < size;
        bytes memory data = abi.encodeCall(
            IAgentCoordinator.executeAnchored,
            (
                ghost.id,
                size,
                _approval(decision.group, decision.proposal, _entry(decision.index, decision.subject)),
                included ? ghost.log.path(decision.index, size) : new bytes32[](0)
            )
        );
        if (!_try(agent % agents.length, data, "executeAnchored")) return;
        if (!included) _violate("a decision was executed that the anchored log does not contain");
        if (block.timestamp < rootAnchoredAt[decision.group][size] + TIMELOCK) {
            _violate("a decision was executed before its timelock was over");
        }
        _noteExecution(decision.group, decision.proposal);
    }

    /// @dev Several decisions of one group at once: those that `bits` picks of its last eight.
    function executeAnchoredBatch(uint256 g, uint256 bits, uint256 anchored, bool turned) external {
        g %= GROUPS;
        GroupGhost storage ghost = groups[g];
        if (ghost.anchoredSizes.length == 0) return;
        uint64 size = ghost.anchoredSizes[anchored % ghost.anchoredSizes.length];
        uint256[] memory picked = _pick(g, bits);
        if (picked.length == 0) return;
        if (turned) (picked[0], picked[picked.length - 1]) = (picked[picked.length - 1], picked[0]);
        Approval[] memory approvals = new Approval[](picked.length);
        uint64[] memory indices = new uint64[](picked.length);
        bool included = true;
        for (uint256 i = 0; i < picked.length; ++i) {
            DecisionGhost storage decision = decisions[picked[i]];
            approvals[i] = _approval(g, decision.proposal, _entry(decision.index, decision.subject));
            indices[i] = decision.index;
            included = included && decision.index < size;
        }
        bool ordered = !turned || picked.length == 1;
        bytes32[] memory paths = included && ordered ? ghost.log.paths(indices, size) : new bytes32[](0);
        bytes memory data = abi.encodeCall(IAgentCoordinator.executeAnchoredBatch, (ghost.id, size, approvals, paths));
        if (!_try(0, data, "executeAnchoredBatch")) return;
        if (!included) _violate("a decision was executed that the anchored log does not contain");
        if (!ordered) _violate("decisions were executed in another order than the log's");
        if (block.timestamp < rootAnchoredAt[g][size] + TIMELOCK) {
            _violate("a decision was executed before its timelock was over");
        }
        for (uint256 i = 0; i < picked.length; ++i) {
            _noteExecution(g, decisions[picked[i]].proposal);
        }
    }

    /// @dev Somebody makes up an entry that was never logged, with the proof of one that was.
    function invent(uint256 g, uint256 p, uint64 index, uint256 anchored) external {
        g %= GROUPS;
        GroupGhost storage ghost = groups[g];
        if (proposals.length == 0 || ghost.anchoredSizes.length == 0) return;
        p %= proposals.length;
        uint64 size = ghost.anchoredSizes[anchored % ghost.anchoredSizes.length];
        if (size == 0) return;
        index %= size;
        Entry memory entry = _entry(index, "");
        entry.outcome = keccak256("made up");
        bytes memory data = abi.encodeCall(
            IAgentCoordinator.executeAnchored, (ghost.id, size, _approval(g, p, entry), ghost.log.path(index, size))
        );
        if (_try(0, data, "invent")) _violate("a decision was executed that nobody logged");
    }

    // ---------------------------------------------------------------------------------------------------------
    // Steps
    // ---------------------------------------------------------------------------------------------------------

    function _vote(uint256 p, uint256 agent, uint8 choice, bool bySignature) private {
        ProposalGhost storage proposal = proposals[p];
        bytes memory data = abi.encodeCall(IAgentCoordinator.vote, (proposal.id, choice));
        if (bySignature) {
            Vote memory vote_ = Vote({groupId: groups[proposal.group].id, proposalId: proposal.id, choice: choice});
            data = abi.encodeCall(
                IAgentCoordinator.voteBySig,
                (proposal.id, agents[agent], choice, _signature(agent, coordinator.hashVote(vote_)))
            );
        }
        if (!_try(bySignature ? 0 : agent, data, bySignature ? "voteBySig" : "vote")) return;
        if (choice > 2) _violate("a vote for nothing was taken");
        if (agent / POOL != proposal.group || !_isVoter(agent)) _violate("a stranger voted");
        if (proposal.epoch != groups[proposal.group].epochs.length - 1) _violate("a vote over the end of an epoch");
        if (voted[p][agent]) _violate("somebody voted twice");
        voted[p][agent] = true;
        ++proposal.voters;
        proposal.tally[choice] += groups[proposal.group].weights[agent % POOL];
        if (proposal.tally[CHOICE_FOR] >= THRESHOLD && proposal.approvedAt == 0) proposal.approvedAt = block.timestamp;
    }

    /// @dev Those of the last eight decisions that are group `g`'s and whose bit is set, in order.
    function _pick(uint256 g, uint256 bits) private view returns (uint256[] memory picked) {
        uint256 count = 0;
        picked = new uint256[](8);
        for (uint256 d = decisions.length > 8 ? decisions.length - 8 : 0; d < decisions.length; ++d) {
            if (decisions[d].group == g && bits >> d % 8 & 1 == 1) picked[count++] = d;
        }
        assembly ("memory-safe") {
            mstore(picked, count)
        }
    }

    function _noteExecution(uint256 g, uint256 p) private {
        ++executions[g][p];
        groups[g].paid += proposals[p].value;
    }

    function _noteEpoch(uint256 g, Checkpoint memory checkpoint, uint64[POOL] memory next) private {
        GroupGhost storage ghost = groups[g];
        ghost.epochs
            .push(
                EpochStart({
                    membersHash: checkpoint.nextMembersHash, sequence: checkpoint.sequence, logSize: checkpoint.logSize
                })
            );
        ghost.weightsBefore = ghost.weights;
        ghost.weights = next;
        for (uint256 i = 0; i < POOL; ++i) {
            if (next[i] == 0) ghost.left[i] = false;
        }
    }

    function _weights(uint256 bits, uint256 shift) private pure returns (uint64[POOL] memory weights) {
        for (uint256 i = 0; i < POOL; ++i) {
            if ((bits | bits >> POOL) >> i & 1 == 1) weights[i] = uint64((i + shift % 4) % 4 + 1);
        }
    }

    /// @dev Whether these weights make members that the group's policy allows.
    function _isSound(uint256 g, uint64[POOL] memory weights) private view returns (bool) {
        uint256 total = totalOf(weights);
        return membersOf(g, weights).length >= 4 && THRESHOLD > total / 2 && THRESHOLD <= total;
    }

    function _isVoter(uint256 agent) private view returns (bool) {
        GroupGhost storage ghost = groups[agent / POOL];
        return ghost.weights[agent % POOL] != 0 && !ghost.left[agent % POOL];
    }

    /// @dev Whether the first `count` agents with a weight here are `count` members of the current epoch.
    function _areSigners(uint256 g, uint64[POOL] memory weights, uint256 count) private view returns (bool) {
        for (uint256 i = 0; i < POOL && count > 0; ++i) {
            if (weights[i] == 0) continue;
            if (groups[g].weights[i] == 0) return false;
            --count;
        }
        return count == 0;
    }

    function _noteAnchor(uint256 g, Checkpoint memory checkpoint) private {
        GroupGhost storage ghost = groups[g];
        if (checkpoint.sequence <= ghost.sequence && ghost.anchoredAt != 0) _violate("an anchor went back");
        if (checkpoint.logSize < ghost.logSize) _violate("an anchored log shrank");
        ghost.sequence = checkpoint.sequence;
        ghost.logSize = checkpoint.logSize;
        ghost.stateRoot = checkpoint.stateRoot;
        ghost.anchoredAt = uint64(block.timestamp);
        if (rootAnchoredAt[g][checkpoint.logSize] == 0) {
            rootAnchoredAt[g][checkpoint.logSize] = block.timestamp;
            ghost.anchoredSizes.push(checkpoint.logSize);
        }
    }

    /// @dev Sends it, and counts what succeeds.
    function _try(uint256 agent, bytes memory data, string memory action) private returns (bool success) {
        vm.prank(agents[agent]);
        (success,) = address(coordinator).call(data);
        if (success) ++successes[action];
    }
}
// forge-lint: disable-end(unsafe-typecast)
