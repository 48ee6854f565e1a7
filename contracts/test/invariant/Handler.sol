// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {AgentCoordinator} from "../../src/AgentCoordinator.sol";
import {IAgentCoordinator} from "../../src/IAgentCoordinator.sol";
import {
    CHOICE_FOR,
    Call,
    Checkpoint,
    Decision,
    Entry,
    FLAG_REPLICA,
    FLAG_VOTER,
    KIND_DECISION,
    Member,
    Policy,
    STATUS_APPROVED,
    Vote
} from "../../src/Types.sol";
import {ReferenceLog} from "../support/ReferenceLog.sol";
import {Recorder} from "../support/Targets.sol";
import {vm} from "../support/Vm.sol";
import {Store} from "./Store.sol";

/// @notice Does what anybody might do to two groups of four, allowed or not, and notes what succeeded. The replicas of
/// each group also do what they must not be able to harm the other group with: they log decisions about the other's
/// proposals.
contract Handler is Store {
    uint256 public constant THRESHOLD = 6;
    uint256 public constant TIMELOCK = 1 hours;

    uint256 private constant GROUPS = 2;
    uint256 private constant MEMBERS = 4;
    uint256 private constant MAXIMUM_PROPOSALS = 12;
    uint256 private constant MAXIMUM_ENTRIES = 24;

    AgentCoordinator public immutable coordinator;
    Recorder public immutable recorder;

    /// @dev Agents 4 g to 4 g + 3 are group g's members, by ascending address, of weights 1 to 4.
    address[] private _agents;
    uint256[] private _privateKeys;

    constructor(AgentCoordinator coordinator_, Recorder recorder_) {
        coordinator = coordinator_;
        recorder = recorder_;
        for (uint256 g = 0; g < GROUPS; ++g) {
            _makeGroup(g);
        }
    }

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
        agent %= _agents.length;
        (uint256 p, Call[] memory calls) = _newProposal(agent, value % 1 ether);
        bytes memory data =
            abi.encodeCall(IAgentCoordinator.propose, (groups[proposals[p].group].id, calls, "", uint64(p)));
        proposals[p].onChain = _try(agent, data, "propose");
    }

    function vote(uint256 p, uint256 agent, uint8 choice, bool bySignature) external {
        if (proposals.length == 0) return;
        p %= proposals.length;
        agent %= _agents.length;
        _vote(p, agent, choice % 4, bySignature);
    }

    /// @dev All members of the group vote for it, so that runs get to executions.
    function approve(uint256 p) external {
        if (proposals.length == 0) return;
        p %= proposals.length;
        for (uint256 i = MEMBERS; i > 0; --i) {
            _vote(p, proposals[p].group * MEMBERS + i - 1, CHOICE_FOR, false);
        }
    }

    function cancel(uint256 p, uint256 agent) external {
        if (proposals.length == 0) return;
        p %= proposals.length;
        agent %= _agents.length;
        bool success = _try(agent, abi.encodeCall(IAgentCoordinator.cancel, (proposals[p].id)), "cancel");
        if (success && agent != proposals[p].proposer) _violate("somebody else cancelled a proposal");
    }

    /// @dev Only the lightest member of a group leaves, or no run would decide anything.
    function leave(uint256 g) external {
        g %= GROUPS;
        _try(g * MEMBERS, abi.encodeCall(IAgentCoordinator.leave, (groups[g].id)), "leave");
    }

    function execute(uint256 p, uint256 agent) external {
        if (proposals.length == 0) return;
        p %= proposals.length;
        ProposalGhost storage proposal = proposals[p];
        bytes memory data = abi.encodeCall(IAgentCoordinator.execute, (proposal.id, _calls(proposal)));
        if (!_try(agent % _agents.length, data, "execute")) return;
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
            (p,) = _newProposal(g * MEMBERS, value % 1 ether);
        }
        uint64 index = log.size();
        bytes32 subject = coordinator.hashDecision(_decision(g, p));
        log.append(_entry(index, subject));
        decisions.push(DecisionGhost({group: g, proposal: p, index: index, subject: subject}));
    }

    /// @dev The replicas of `g` sign a checkpoint, or somebody tries one that must not be taken.
    function anchor(uint256 g, uint256 how) external {
        g %= GROUPS;
        how %= 10;
        GroupGhost storage ghost = groups[g];
        Checkpoint memory checkpoint = Checkpoint({
            groupId: ghost.id,
            epoch: 0,
            sequence: ghost.sequence + 1,
            logSize: ghost.log.size(),
            logRoot: ghost.log.root(),
            stateRoot: keccak256(abi.encode(g, ghost.sequence)),
            inboxCount: 0,
            nextMembersHash: 0
        });
        uint256 signers = 3;
        uint256 signingGroup = g;
        if (how == 0) checkpoint.sequence = ghost.sequence;
        if (how == 1) checkpoint.logSize = ghost.logSize == 0 ? 0 : ghost.logSize - 1;
        if (how == 1) checkpoint.logRoot = ghost.log.root(checkpoint.logSize);
        if (how == 2) signers = 2;
        if (how == 3) signingGroup = 1 - g;
        if (how == 4) checkpoint.logSize = ghost.logSize;
        if (how == 4) checkpoint.logRoot = keccak256("a fork");
        bool allowed = how > 4 || (how == 1 && ghost.logSize == 0) || (how == 4 && ghost.anchoredSizes.length == 0);

        bytes memory data = abi.encodeCall(
            IAgentCoordinator.anchor, (checkpoint, _signatures(checkpoint, signingGroup * MEMBERS, signers))
        );
        // A fork of a log that was never anchored is no fork that the contract could know of. It is left out.
        if (allowed && how == 4) return;
        bool success = _try(0, data, allowed ? "anchor" : "anchor what must not be");
        if (success && !allowed) _violate("a checkpoint was anchored that must not be");
        if (success) _noteAnchor(g, checkpoint);
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
                _decision(decision.group, decision.proposal),
                _calls(proposals[decision.proposal]),
                _entry(decision.index, decision.subject),
                size,
                included ? ghost.log.path(decision.index, size) : new bytes32[](0)
            )
        );
        if (!_try(agent % _agents.length, data, "executeAnchored")) return;
        if (!included) _violate("a decision was executed that the anchored log does not contain");
        if (block.timestamp < rootAnchoredAt[decision.group][size] + TIMELOCK) {
            _violate("a decision was executed before its timelock was over");
        }
        _noteExecution(decision.group, decision.proposal);
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
        Decision memory decision = _decision(g, p);
        Entry memory entry = _entry(index, coordinator.hashDecision(decision));
        entry.outcome = keccak256("made up");
        bytes memory data = abi.encodeCall(
            IAgentCoordinator.executeAnchored,
            (decision, _calls(proposals[p]), entry, size, ghost.log.path(index, size))
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
                (proposal.id, _agents[agent], choice, _signature(agent, coordinator.hashVote(vote_)))
            );
        }
        if (!_try(bySignature ? 0 : agent, data, bySignature ? "voteBySig" : "vote")) return;
        if (choice > 2) _violate("a vote for nothing was taken");
        if (agent / MEMBERS != proposal.group) _violate("a stranger voted");
        if (voted[p][agent]) _violate("somebody voted twice");
        voted[p][agent] = true;
        ++proposal.voters;
        proposal.tally[choice] += agent % MEMBERS + 1;
        if (proposal.tally[CHOICE_FOR] >= THRESHOLD && proposal.approvedAt == 0) proposal.approvedAt = block.timestamp;
    }

    function _noteExecution(uint256 g, uint256 p) private {
        ++executions[g][p];
        groups[g].paid += proposals[p].value;
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
        vm.prank(_agents[agent]);
        (success,) = address(coordinator).call(data);
        if (success) ++successes[action];
    }

    // ---------------------------------------------------------------------------------------------------------
    // Makings
    // ---------------------------------------------------------------------------------------------------------

    function _makeGroup(uint256 g) private {
        uint256 first = g * MEMBERS;
        for (uint256 k = first; k < first + MEMBERS; ++k) {
            uint256 privateKey = uint256(keccak256(abi.encode("invariant agent", k)));
            _privateKeys.push(privateKey);
            _agents.push(vm.addr(privateKey));
            for (uint256 i = k; i > first && _agents[i - 1] > _agents[i]; --i) {
                (_agents[i - 1], _agents[i]) = (_agents[i], _agents[i - 1]);
                (_privateKeys[i - 1], _privateKeys[i]) = (_privateKeys[i], _privateKeys[i - 1]);
            }
        }
        Member[] memory members = new Member[](MEMBERS);
        for (uint256 i = 0; i < MEMBERS; ++i) {
            address agent = _agents[first + i];
            bytes32 key = keccak256(abi.encode(agent));
            vm.prank(agent);
            coordinator.register(key);
            members[i] = Member({account: agent, key: key, weight: uint64(i + 1), flags: FLAG_VOTER | FLAG_REPLICA});
        }
        GroupGhost storage ghost = groups.push();
        ghost.id = coordinator.createGroup(
            members,
            Policy({threshold: uint128(THRESHOLD), votingPeriod: 1 days, timelock: uint64(TIMELOCK)}),
            bytes32(g)
        );
        ghost.account = coordinator.group(ghost.id).account;
        ghost.log = new ReferenceLog();
    }

    /// @dev A proposal's marker is its own: what the recorder has seen of it tells how often it was executed.
    function _newProposal(uint256 agent, uint256 value) private returns (uint256 p, Call[] memory calls) {
        p = proposals.length;
        ProposalGhost storage proposal = proposals.push();
        proposal.group = agent / MEMBERS;
        proposal.proposer = agent;
        proposal.marker = p;
        proposal.value = value;
        calls = _calls(proposal);
        proposal.id = coordinator.proposalIdOf(
            groups[proposal.group].id, _agents[agent], uint64(p), keccak256(abi.encode(calls)), keccak256("")
        );
    }

    function _calls(ProposalGhost storage proposal) private view returns (Call[] memory calls) {
        calls = new Call[](1);
        calls[0] = Call({
            target: address(recorder), value: proposal.value, data: abi.encodeCall(Recorder.record, (proposal.marker))
        });
    }

    function _decision(uint256 g, uint256 p) private view returns (Decision memory) {
        return Decision({
            groupId: groups[g].id,
            proposalId: proposals[p].id,
            actionsHash: keccak256(abi.encode(_calls(proposals[p]))),
            status: STATUS_APPROVED,
            forWeight: uint128(THRESHOLD),
            againstWeight: 0,
            abstainWeight: 0
        });
    }

    function _entry(uint64 index, bytes32 subject) private pure returns (Entry memory) {
        return Entry({
            index: index,
            sequence: index + 1,
            timestampMs: index,
            kind: KIND_DECISION,
            status: STATUS_APPROVED,
            subject: subject,
            outcome: 0
        });
    }

    function _signatures(Checkpoint memory checkpoint, uint256 first, uint256 count)
        private
        view
        returns (bytes memory signatures)
    {
        bytes32 digest = coordinator.hashCheckpoint(checkpoint);
        for (uint256 i = first; i < first + count; ++i) {
            signatures = bytes.concat(signatures, _signature(i, digest));
        }
    }

    function _signature(uint256 agent, bytes32 digest) private view returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(_privateKeys[agent], digest);
        return abi.encodePacked(r, s, v);
    }
}
// forge-lint: disable-end(unsafe-typecast)
