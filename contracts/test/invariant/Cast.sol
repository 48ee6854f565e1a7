// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {IAgentCoordinator} from "../../src/IAgentCoordinator.sol";
import {
    Approval,
    Call,
    Checkpoint,
    Decision,
    Entry,
    EpochStart,
    FLAG_REPLICA,
    FLAG_VOTER,
    KIND_DECISION,
    Member,
    OUTCOME_RECORDED,
    STATUS_APPROVED,
    Vote
} from "../../src/Types.sol";
import {ReferenceLog} from "../support/ReferenceLog.sol";
import {Recorder} from "../support/Targets.sol";
import {vm} from "../support/Vm.sol";
import {Rules} from "./Rules.sol";

/// @notice The agents of the handler, and what they make: groups, lists of members, proposals, votes, entries, signatures.
abstract contract Cast is Rules {
    uint256 internal constant GROUPS = 2;

    IAgentCoordinator public immutable coordinator;
    Recorder public immutable recorder;

    /// @dev Agents 6 g to 6 g + 5 are group g's, by ascending address. The first four of them are the members of its
    /// epoch 0, of weights 1 to 4.
    address[] public agents;
    uint256[] private _privateKeys;

    constructor(IAgentCoordinator coordinator_, Recorder recorder_) {
        coordinator = coordinator_;
        recorder = recorder_;
        for (uint256 g = 0; g < GROUPS; ++g) {
            _makeGroup(g);
        }
    }

    /// @notice The members that these weights make: every agent of the group with a weight, as voter and replica.
    function membersOf(uint256 g, uint64[POOL] memory weights) public view returns (Member[] memory members) {
        uint256 count = _countOf(weights);
        members = new Member[](count);
        for (uint256 i = POOL; i > 0; --i) {
            if (weights[i - 1] == 0) continue;
            address agent = agents[g * POOL + i - 1];
            members[--count] = Member({
                account: agent,
                key: keccak256(abi.encode(agent)),
                weight: weights[i - 1],
                flags: FLAG_VOTER | FLAG_REPLICA
            });
        }
    }

    function _makeGroup(uint256 g) private {
        uint256 first = g * POOL;
        for (uint256 k = first; k < first + POOL; ++k) {
            uint256 privateKey = uint256(keccak256(abi.encode("invariant agent", k)));
            _privateKeys.push(privateKey);
            agents.push(vm.addr(privateKey));
            for (uint256 i = k; i > first && agents[i - 1] > agents[i]; --i) {
                (agents[i - 1], agents[i]) = (agents[i], agents[i - 1]);
                (_privateKeys[i - 1], _privateKeys[i]) = (_privateKeys[i], _privateKeys[i - 1]);
            }
        }
        GroupGhost storage ghost = groups.push();
        for (uint256 i = 0; i < 4; ++i) {
            address agent = agents[first + i];
            vm.prank(agent);
            coordinator.register(keccak256(abi.encode(agent)));
            ghost.weights[i] = uint64(i + 1);
        }
        ghost.weightsBefore = ghost.weights;
        ghost.createdAt = block.timestamp;
        Member[] memory members = membersOf(g, ghost.weights);
        ghost.epochs.push(EpochStart(keccak256(abi.encode(members)), 0, 0, uint64(block.timestamp), 10));
        ghost.id = coordinator.createGroup(members, _terms(), bytes32(g));
        ghost.account = coordinator.group(ghost.id).account;
        ghost.log = new ReferenceLog();
    }

    /// @dev A proposal's marker is its own: what the recorder has seen of it tells how often it was executed.
    function _newProposal(uint256 agent, uint8 class, uint256 value) internal returns (uint256 p) {
        p = proposals.length;
        ProposalGhost storage proposal = proposals.push();
        proposal.group = agent / POOL;
        proposal.proposer = agent;
        proposal.class = class;
        proposal.marker = p;
        proposal.value = value;
        _placeInEpoch(proposal);
        proposal.id = coordinator.proposalIdOf(
            groups[proposal.group].id,
            agents[agent],
            uint64(p),
            class,
            keccak256(abi.encode(_calls(proposal))),
            keccak256("")
        );
    }

    /// @dev It is of the current epoch, and its voting begins now.
    function _placeInEpoch(ProposalGhost storage proposal) internal {
        proposal.epoch = groups[proposal.group].epochs.length - 1;
        proposal.totalWeight = totalOf(groups[proposal.group].weights);
        proposal.votingEnds = block.timestamp + VOTING_PERIOD;
    }

    function _calls(ProposalGhost storage proposal) internal view returns (Call[] memory calls) {
        calls = new Call[](1);
        calls[0] = Call({
            target: address(recorder), value: proposal.value, data: abi.encodeCall(Recorder.record, (proposal.marker))
        });
    }

    /// @dev The agent's signature on a vote on the proposal.
    function _signVote(uint256 p, uint256 agent, uint8 choice, uint32 nonce) internal view returns (bytes memory) {
        ProposalGhost storage proposal = proposals[p];
        Vote memory vote_ = Vote({
            groupId: groups[proposal.group].id,
            proposalId: proposal.id,
            choice: choice,
            epoch: uint64(proposal.epoch),
            votingEnds: uint64(proposal.votingEnds),
            nonce: nonce
        });
        return _signature(agent, coordinator.hashVote(vote_));
    }

    function _decision(uint256 g, uint256 p, uint64 from, uint64 until) internal view returns (Decision memory) {
        return Decision({
            groupId: groups[g].id,
            proposalId: proposals[p].id,
            actionsHash: keccak256(abi.encode(_calls(proposals[p]))),
            status: STATUS_APPROVED,
            forWeight: 6,
            againstWeight: 0,
            abstainWeight: 0,
            executableFrom: from,
            executableUntil: until
        });
    }

    function _approval(DecisionGhost storage decision) internal view returns (Approval memory) {
        Entry memory entry = _entry(decision.index, decision.subject);
        return Approval({
            proposalId: proposals[decision.proposal].id,
            forWeight: 6,
            againstWeight: 0,
            abstainWeight: 0,
            executableFrom: decision.from,
            executableUntil: decision.until,
            index: entry.index,
            sequence: entry.sequence,
            timestampMs: entry.timestampMs,
            calls: _calls(proposals[decision.proposal])
        });
    }

    function _entry(uint64 index, bytes32 subject) internal pure returns (Entry memory) {
        return Entry({
            index: index,
            sequence: index + 1,
            timestampMs: index,
            kind: KIND_DECISION,
            status: STATUS_APPROVED,
            subject: subject,
            outcome: OUTCOME_RECORDED
        });
    }

    /// @dev The checkpoint of the group's log as it is, right after its last anchor, that takes in the whole inbox.
    function _checkpoint(uint256 g) internal view returns (Checkpoint memory) {
        GroupGhost storage ghost = groups[g];
        return Checkpoint({
            groupId: ghost.id,
            epoch: uint64(ghost.epochs.length - 1),
            sequence: ghost.sequence + 1,
            logSize: ghost.log.size(),
            logRoot: ghost.log.root(),
            stateRoot: keccak256(abi.encode(g, ghost.sequence)),
            inboxCount: uint64(ghost.inboxHashes.length),
            nextMembersHash: 0
        });
    }

    /// @dev The signatures of the first `count` agents of group `g` that have a weight here.
    function _signatures(Checkpoint memory checkpoint, uint256 g, uint64[POOL] memory weights, uint256 count)
        internal
        view
        returns (bytes memory signatures)
    {
        bytes32 digest = coordinator.hashCheckpoint(checkpoint);
        for (uint256 i = 0; i < POOL && count > 0; ++i) {
            if (weights[i] == 0) continue;
            signatures = bytes.concat(signatures, _signature(g * POOL + i, digest));
            --count;
        }
    }

    function _signature(uint256 agent, bytes32 digest) internal view returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(_privateKeys[agent], digest);
        return abi.encodePacked(r, s, v);
    }

    /// @dev Sends it, and counts what succeeds.
    function _try(uint256 agent, bytes memory data, string memory action) internal returns (bool success) {
        vm.prank(agents[agent]);
        (success,) = address(coordinator).call(data);
        if (success) ++successes[action];
    }
}
// forge-lint: disable-end(unsafe-typecast)
