// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {AgentCoordinator} from "../../src/AgentCoordinator.sol";
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
    Policy,
    STATUS_APPROVED
} from "../../src/Types.sol";
import {ReferenceLog} from "../support/ReferenceLog.sol";
import {Recorder} from "../support/Targets.sol";
import {vm} from "../support/Vm.sol";
import {Store} from "./Store.sol";

/// @notice The agents of the handler, and what they make: groups, lists of members, proposals, entries, signatures.
abstract contract Cast is Store {
    uint256 public constant THRESHOLD = 6;
    uint256 public constant TIMELOCK = 1 hours;

    uint256 internal constant GROUPS = 2;

    AgentCoordinator public immutable coordinator;
    Recorder public immutable recorder;

    /// @dev Agents 6 g to 6 g + 5 are group g's, by ascending address. The first four of them are the members of its
    /// epoch 0, of weights 1 to 4.
    address[] public agents;
    uint256[] private _privateKeys;

    constructor(AgentCoordinator coordinator_, Recorder recorder_) {
        coordinator = coordinator_;
        recorder = recorder_;
        for (uint256 g = 0; g < GROUPS; ++g) {
            _makeGroup(g);
        }
    }

    /// @notice The members that these weights make: every agent of the group with a weight, as voter and replica.
    function membersOf(uint256 g, uint64[POOL] memory weights) public view returns (Member[] memory members) {
        uint256 count = 0;
        for (uint256 i = 0; i < POOL; ++i) {
            if (weights[i] != 0) ++count;
        }
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

    function totalOf(uint64[POOL] memory weights) public pure returns (uint256 total) {
        for (uint256 i = 0; i < POOL; ++i) {
            total += weights[i];
        }
    }

    /// @dev For four to seven replicas, spelled out: 3, 4, 4.
    function quorumOf(uint64[POOL] memory weights) public pure returns (uint256) {
        uint256 count = 0;
        for (uint256 i = 0; i < POOL; ++i) {
            if (weights[i] != 0) ++count;
        }
        return count <= 4 ? 3 : 4;
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
        Member[] memory members = membersOf(g, ghost.weights);
        ghost.epochs.push(EpochStart({membersHash: keccak256(abi.encode(members)), sequence: 0, logSize: 0}));
        ghost.id = coordinator.createGroup(
            members,
            Policy({threshold: uint128(THRESHOLD), votingPeriod: 1 days, timelock: uint64(TIMELOCK)}),
            bytes32(g)
        );
        ghost.account = coordinator.group(ghost.id).account;
        ghost.log = new ReferenceLog();
    }

    /// @dev A proposal's marker is its own: what the recorder has seen of it tells how often it was executed.
    function _newProposal(uint256 agent, uint256 value) internal returns (uint256 p, Call[] memory calls) {
        p = proposals.length;
        ProposalGhost storage proposal = proposals.push();
        proposal.group = agent / POOL;
        proposal.proposer = agent;
        proposal.marker = p;
        proposal.value = value;
        proposal.epoch = groups[proposal.group].epochs.length - 1;
        proposal.totalWeight = totalOf(groups[proposal.group].weights);
        calls = _calls(proposal);
        proposal.id = coordinator.proposalIdOf(
            groups[proposal.group].id, agents[agent], uint64(p), keccak256(abi.encode(calls)), keccak256("")
        );
    }

    function _calls(ProposalGhost storage proposal) internal view returns (Call[] memory calls) {
        calls = new Call[](1);
        calls[0] = Call({
            target: address(recorder), value: proposal.value, data: abi.encodeCall(Recorder.record, (proposal.marker))
        });
    }

    function _decision(uint256 g, uint256 p) internal view returns (Decision memory) {
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

    function _approval(uint256 g, uint256 p, Entry memory entry) internal view returns (Approval memory) {
        Decision memory decision = _decision(g, p);
        return Approval({
            proposalId: decision.proposalId,
            forWeight: decision.forWeight,
            againstWeight: decision.againstWeight,
            abstainWeight: decision.abstainWeight,
            index: entry.index,
            sequence: entry.sequence,
            timestampMs: entry.timestampMs,
            outcome: entry.outcome,
            calls: _calls(proposals[p])
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
            outcome: 0
        });
    }

    /// @dev The checkpoint of the group's log as it is, right after its last anchor.
    function _checkpoint(uint256 g) internal view returns (Checkpoint memory) {
        GroupGhost storage ghost = groups[g];
        return Checkpoint({
            groupId: ghost.id,
            epoch: uint64(ghost.epochs.length - 1),
            sequence: ghost.sequence + 1,
            logSize: ghost.log.size(),
            logRoot: ghost.log.root(),
            stateRoot: keccak256(abi.encode(g, ghost.sequence)),
            inboxCount: 0,
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
}
// forge-lint: disable-end(unsafe-typecast)
