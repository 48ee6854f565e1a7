// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {IAgentCoordinator} from "../../src/IAgentCoordinator.sol";
import {
    Approval,
    Ballot,
    Call,
    CHOICE_FOR,
    Checkpoint,
    Content,
    Decision,
    Entry,
    FLAG_REPLICA,
    FLAG_VOTER,
    KIND_DECISION,
    Member,
    OUTCOME_RECORDED,
    STATUS_APPROVED,
    Terms,
    Vote
} from "../../src/Types.sol";
import {Classes} from "./Classes.sol";
import {deployCoordinator} from "./Deployment.sol";
import {ReferenceLog} from "./ReferenceLog.sol";
import {Recorder} from "./Targets.sol";
import {vm} from "./Vm.sol";

/// @notice A coordinator, agents with keys, a group of four, and the making of votes, checkpoints and decisions.
abstract contract Fixture is Classes {
    uint256 internal constant START = 1_800_000_000;
    bytes32 internal constant SALT = keccak256("salt");

    IAgentCoordinator internal coordinator;
    Recorder internal recorder;
    ReferenceLog internal log;

    /// @dev By ascending address.
    uint256[] internal privateKeys;
    address[] internal agents;

    bytes32 internal groupId;
    address internal account;

    function setUp() public virtual {
        vm.warp(START);
        coordinator = deployCoordinator();
        recorder = new Recorder();
        log = new ReferenceLog();
        _makeAgents(4);
        groupId = _createGroup(_members(4), _terms(), SALT);
        account = coordinator.group(groupId).account;
        vm.deal(account, 100 ether);
    }

    // ---------------------------------------------------------------------------------------------------------
    // Agents and groups
    // ---------------------------------------------------------------------------------------------------------

    /// @dev Makes agents until there are `count`, sorted by address, and registers them.
    function _makeAgents(uint256 count) internal {
        for (uint256 k = privateKeys.length; k < count; ++k) {
            uint256 privateKey = uint256(keccak256(abi.encode("agent", k)));
            address agent = vm.addr(privateKey);
            privateKeys.push(privateKey);
            agents.push(agent);
            for (uint256 i = k; i > 0 && agents[i - 1] > agents[i]; --i) {
                (agents[i - 1], agents[i]) = (agents[i], agents[i - 1]);
                (privateKeys[i - 1], privateKeys[i]) = (privateKeys[i], privateKeys[i - 1]);
            }
            vm.prank(agent);
            coordinator.register(_key(agent));
        }
    }

    function _key(address agent) internal pure returns (bytes32) {
        return keccak256(abi.encode("ed25519", agent));
    }

    /// @dev The first `count` agents, each a replica and a voter of weight 1.
    function _members(uint256 count) internal view returns (Member[] memory members) {
        members = new Member[](count);
        for (uint256 i = 0; i < count; ++i) {
            members[i] = Member({account: agents[i], key: _key(agents[i]), weight: 1, flags: FLAG_VOTER | FLAG_REPLICA});
        }
    }

    function _createGroup(Member[] memory members, Terms memory terms, bytes32 salt) internal returns (bytes32) {
        return coordinator.createGroup(members, terms, salt);
    }

    // ---------------------------------------------------------------------------------------------------------
    // Calls, proposals and votes
    // ---------------------------------------------------------------------------------------------------------

    /// @dev One call that leaves `marker` at the recorder and pays it `value`.
    function _calls(uint256 marker, uint256 value) internal view returns (Call[] memory calls) {
        return _call(address(recorder), value, abi.encodeCall(Recorder.record, (marker)));
    }

    function _call(address target, uint256 value, bytes memory data) internal pure returns (Call[] memory calls) {
        calls = new Call[](1);
        calls[0] = Call({target: target, value: value, data: data});
    }

    function _actionsHash(Call[] memory calls) internal pure returns (bytes32) {
        return keccak256(abi.encode(calls));
    }

    function _propose(uint256 agent, uint8 class, Call[] memory calls, string memory description, uint64 salt)
        internal
        returns (bytes32)
    {
        vm.prank(agents[agent]);
        return coordinator.propose(groupId, class, calls, description, salt);
    }

    function _vote(uint256 agent, bytes32 id, uint8 choice) internal {
        vm.prank(agents[agent]);
        coordinator.vote(id, choice);
    }

    /// @dev The first three agents vote for it.
    function _approve(bytes32 id) internal {
        for (uint256 i = 0; i < 3; ++i) {
            _vote(i, id, CHOICE_FOR);
        }
    }

    /// @dev The agent's signature on the vote.
    function _signVote(uint256 agent, Vote memory vote_) internal view returns (bytes memory) {
        return _signature(privateKeys[agent], coordinator.hashVote(vote_));
    }

    /// @dev The vote for a proposal that was made now, in epoch 0 and in a class of the usual voting period.
    function _voteOn(bytes32 id, uint8 choice, uint32 nonce) internal view returns (Vote memory) {
        return Vote({
            groupId: groupId,
            proposalId: id,
            choice: choice,
            epoch: 0,
            votingEnds: uint64(START + VOTING_PERIOD),
            nonce: nonce
        });
    }

    function _ballot(uint256 agent, bytes32 id, uint8 choice) internal view returns (Ballot memory) {
        return Ballot({voter: agents[agent], choice: choice, signature: _signVote(agent, _voteOn(id, choice, 0))});
    }

    function _idOf(Content memory content) internal view returns (bytes32) {
        return coordinator.proposalIdOf(
            groupId,
            content.proposer,
            content.salt,
            content.class,
            _actionsHash(content.calls),
            keccak256(bytes(content.description))
        );
    }

    // ---------------------------------------------------------------------------------------------------------
    // Checkpoints
    // ---------------------------------------------------------------------------------------------------------

    /// @dev The checkpoint of the log as it is, of epoch 0, that has taken in the inbox as it is.
    function _checkpoint(uint64 sequence) internal view returns (Checkpoint memory) {
        return Checkpoint({
            groupId: groupId,
            epoch: 0,
            sequence: sequence,
            logSize: log.size(),
            logRoot: log.root(),
            stateRoot: keccak256(abi.encode("state", sequence)),
            inboxCount: coordinator.inbox(groupId).length,
            nextMembersHash: 0
        });
    }

    function _signature(uint256 privateKey, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(privateKey, digest);
        return abi.encodePacked(r, s, v);
    }

    /// @dev The signatures of `count` agents from `first` on.
    function _signatures(Checkpoint memory checkpoint, uint256 first, uint256 count)
        internal
        view
        returns (bytes memory signatures)
    {
        bytes32 digest = coordinator.hashCheckpoint(checkpoint);
        for (uint256 i = first; i < first + count; ++i) {
            signatures = bytes.concat(signatures, _signature(privateKeys[i], digest));
        }
    }

    /// @dev Anchors the log as it is, by three of four replicas.
    function _anchor(uint64 sequence) internal {
        Checkpoint memory checkpoint = _checkpoint(sequence);
        coordinator.anchor(checkpoint, _signatures(checkpoint, 0, 3));
    }

    // ---------------------------------------------------------------------------------------------------------
    // Entries and decisions
    // ---------------------------------------------------------------------------------------------------------

    function _entry(uint64 index, bytes32 subject) internal pure returns (Entry memory) {
        return Entry({
            index: index,
            sequence: index + 1,
            timestampMs: uint64(START) * 1000 + index,
            kind: KIND_DECISION,
            status: STATUS_APPROVED,
            subject: subject,
            outcome: OUTCOME_RECORDED
        });
    }

    /// @dev An approval that may be executed once the timelock since `START` is over, without an end.
    function _decision(bytes32 proposalId, Call[] memory calls) internal view returns (Decision memory) {
        return Decision({
            groupId: groupId,
            proposalId: proposalId,
            actionsHash: _actionsHash(calls),
            status: STATUS_APPROVED,
            forWeight: 3,
            againstWeight: 1,
            abstainWeight: 0,
            executableFrom: uint64(START + TIMELOCK),
            executableUntil: 0
        });
    }

    /// @dev What `executeAnchored` takes for a decision with these calls and this entry.
    function _approval(Decision memory decision, Call[] memory calls, Entry memory entry)
        internal
        pure
        returns (Approval memory)
    {
        return Approval({
            proposalId: decision.proposalId,
            forWeight: decision.forWeight,
            againstWeight: decision.againstWeight,
            abstainWeight: decision.abstainWeight,
            executableFrom: decision.executableFrom,
            executableUntil: decision.executableUntil,
            index: entry.index,
            sequence: entry.sequence,
            timestampMs: entry.timestampMs,
            calls: calls
        });
    }

    /// @dev Appends entries that no test is about.
    function _fill(uint64 count) internal {
        for (uint64 i = 0; i < count; ++i) {
            log.append(_entry(log.size(), keccak256(abi.encode("filler", i))));
        }
    }
}
// forge-lint: disable-end(unsafe-typecast)
