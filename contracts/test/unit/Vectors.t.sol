// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {IAgentCoordinator} from "../../src/IAgentCoordinator.sol";
import {MerkleLog} from "../../src/MerkleLog.sol";
import {Call, Checkpoint, Decision, Entry, Mandate, Member, OUTCOME_RECORDED, Taken, Terms} from "../../src/Types.sol";
import {deployCoordinatorAt} from "../support/Deployment.sol";
import {Json} from "../support/Json.sol";
import {vm} from "../support/Vm.sol";

/// @notice The golden vectors of types, which the Rust side makes: here the contract reads them, so that both sides mean the
/// same by every encoding that crosses the border.
contract VectorsTest is Json {
    IAgentCoordinator private _coordinator;
    bytes32 private _groupId;

    /// @dev The contract runs at the address, and on the chain, that the vectors were made for.
    function setUp() external {
        _read("types.json");
        vm.chainId(_uint(".chainId"));
        _coordinator = deployCoordinatorAt(_address(".contract"));

        Member[] memory members = _membersIn(".members");
        for (uint256 i = 0; i < members.length; ++i) {
            vm.prank(members[i].account);
            _coordinator.register(members[i].key);
        }
        Terms memory terms = abi.decode(_bytes(".terms"), (Terms));
        bytes32 salt = _bytes32(".groupSalt");
        vm.prank(_address(".creator"));
        _groupId = _coordinator.createGroup(members, terms, salt);
        // So that their signatures count.
        for (uint256 i = 0; i < members.length && terms.bond != 0; ++i) {
            vm.deal(members[i].account, terms.bond);
            vm.prank(members[i].account);
            _coordinator.deposit{value: terms.bond}(_groupId);
        }
    }

    // ---------------------------------------------------------------------------------------------------------
    // Identifiers
    // ---------------------------------------------------------------------------------------------------------

    function test_L1_Identifiers() external view {
        vm.assertEq(_coordinator.domainSeparator(), _bytes32(".domainSeparator"), "domain separator");
        vm.assertEq(_groupId, _bytes32(".groupId"), "group");
        vm.assertEq(_coordinator.group(_groupId).membersHash, _bytes32(".membersHash"), "members");
        vm.assertEq(keccak256(abi.encode(_coordinator.group(_groupId).terms)), _bytes32(".termsHash"), "terms");
        vm.assertEq(
            _coordinator.groupIdOf(
                _address(".creator"), _bytes32(".groupSalt"), _bytes32(".membersHash"), _bytes32(".termsHash")
            ),
            _groupId,
            "the group's before it is made"
        );
    }

    function test_M5_Calls() external view {
        Call[] memory calls = _calls();
        bytes32[] memory hashes = vm.parseJsonBytes32Array(json, ".callHashes");
        vm.assertTrue(calls.length > 1 && calls.length == hashes.length, "calls were read");
        Call[] memory one = new Call[](1);
        for (uint256 i = 0; i < calls.length; ++i) {
            one[0] = calls[i];
            vm.assertEq(_coordinator.hashCalls(one), keccak256(bytes.concat(hashes[i])), "a call");
        }
        vm.assertEq(_coordinator.hashCalls(calls), _bytes32(".actionsHash"), "calls");
    }

    function test_Proposal() external view {
        string memory description = vm.parseJsonString(json, ".description");
        bytes32 descriptionHash = _bytes32(".descriptionHash");
        vm.assertEq(keccak256(bytes(description)), descriptionHash, "description");
        (uint64 salt, uint8 class) = (_uint64(".salt"), _uint8(".class"));
        address proposer = _address(".proposer");
        vm.assertEq(
            _coordinator.proposalIdOf(_groupId, proposer, salt, class, _bytes32(".actionsHash"), descriptionHash),
            _bytes32(".proposalId"),
            "proposal"
        );
    }

    // ---------------------------------------------------------------------------------------------------------
    // What is signed
    // ---------------------------------------------------------------------------------------------------------

    function test_M9_Vote() external view {
        vm.assertEq(
            _coordinator.hashVote(
                _address(".vote.voter"),
                _bytes32(".proposalId"),
                _uint8(".vote.choice"),
                _uint64(".vote.epoch"),
                _uint64(".vote.votingEnds"),
                uint32(_uint(".vote.nonce"))
            ),
            _bytes32(".vote.digest"),
            "vote"
        );
    }

    function test_M6_Objection() external view {
        bytes32 digest = _coordinator.hashObjection(_address(".objection.voter"), _bytes32(".proposalId"));
        vm.assertEq(digest, _bytes32(".objection.digest"), "objection");
    }

    function test_Decision() external view {
        Decision memory decision = Decision({
            proposalId: _bytes32(".proposalId"),
            status: _uint8(".decision.status"),
            forWeight: uint128(_uint(".decision.forWeight")),
            againstWeight: uint128(_uint(".decision.againstWeight")),
            abstainWeight: uint128(_uint(".decision.abstainWeight"))
        });
        bytes32 digest = _coordinator.hashDecision(decision);
        vm.assertEq(digest, _bytes32(".decision.digest"), "decision");
        vm.assertEq(digest, _entry().subject, "the entry's subject");
    }

    /// @dev The replicas' signatures go through `anchor` itself.
    function test_M2_Checkpoint() external {
        Checkpoint memory checkpoint = _checkpointIn(".checkpoint");
        vm.assertEq(_coordinator.hashCheckpoint(checkpoint), _bytes32(".checkpoint.digest"), "checkpoint");
        vm.assertEq(
            _coordinator.hashCheckpoint(_checkpointIn(".fullCheckpoint")), _bytes32(".fullCheckpoint.digest"), "full"
        );

        bytes memory signatures;
        for (uint256 i = 0; i < _coordinator.quorum(_groupId); ++i) {
            signatures = bytes.concat(signatures, _bytes(_at(".checkpoint.signatures", i, ".signature")));
        }
        Taken memory none;
        _coordinator.anchor(checkpoint, signatures, new bytes32[](0), none);
        vm.assertEq(_coordinator.latestAnchor(_groupId).sequence, checkpoint.sequence, "anchored");
    }

    function test_M2_InboxTaken() external view {
        bytes32 digest = _coordinator.hashInboxTaken(
            _groupId, _uint64(".inboxTaken.index"), _bytes32(".inboxTaken.inboxHash"), _uint8(".inboxTaken.disposition")
        );
        vm.assertEq(digest, _bytes32(".inboxTaken.digest"), "inbox taken");
        Entry memory entry = Entry({
            index: _uint64(".inboxTaken.entryIndex"),
            sequence: _uint64(".inboxTaken.sequence"),
            timestampMs: _uint64(".inboxTaken.timestampMs"),
            kind: 3,
            status: 1,
            subject: digest,
            outcome: OUTCOME_RECORDED
        });
        vm.assertEq(abi.encode(entry), _bytes(".inboxTaken.leaf"), "leaf");
        vm.assertEq(this.hashEntry(entry), _bytes32(".inboxTaken.leafHash"), "leaf hash");
    }

    // ---------------------------------------------------------------------------------------------------------
    // The log
    // ---------------------------------------------------------------------------------------------------------

    function test_Entry() external view {
        vm.assertEq(abi.encode(_entry()), _bytes(".entry.leaf"), "leaf");
        vm.assertEq(this.hashEntry(_entry()), _bytes32(".entry.leafHash"), "leaf hash");
        vm.assertEq(_bytes32(".outcomeRecorded"), OUTCOME_RECORDED, "the outcome that says nothing more");
    }

    /// @dev The tree's leaves are the entry with the indices 0 and on.
    function test_MerkleLog_Inclusion() external view {
        bytes32[] memory roots = vm.parseJsonBytes32Array(json, ".merkle.roots");
        uint256 count = _length(".merkle.inclusion");
        for (uint256 i = 0; i < count; ++i) {
            Entry memory entry = _entry();
            entry.index = _uint64(_at(".merkle.inclusion", i, ".index"));
            uint64 size = _uint64(_at(".merkle.inclusion", i, ".size"));
            bytes32[] memory proof = vm.parseJsonBytes32Array(json, _at(".merkle.inclusion", i, ".proof"));
            vm.assertTrue(this.verify(roots[size], size, entry, proof), "included");
            entry.index ^= 1;
            vm.assertFalse(this.verify(roots[size], size, entry, proof), "another entry");
        }
        vm.assertTrue(count > 0, "no proofs were read");
    }

    function test_M4_MerkleLog_Consistency() external view {
        bytes32[] memory roots = vm.parseJsonBytes32Array(json, ".merkle.roots");
        uint256 count = _length(".merkle.consistency");
        for (uint256 i = 0; i < count; ++i) {
            uint64 from = _uint64(_at(".merkle.consistency", i, ".from"));
            uint64 to = _uint64(_at(".merkle.consistency", i, ".to"));
            bytes32[] memory proof = vm.parseJsonBytes32Array(json, _at(".merkle.consistency", i, ".proof"));
            vm.assertTrue(this.verifyConsistency(roots[from], from, roots[to], to, proof), "consistent");
            vm.assertFalse(this.verifyConsistency(roots[from] ^ roots[0], from, roots[to], to, proof), "another root");
        }
        vm.assertTrue(count > 0, "no proofs were read");
    }

    // ---------------------------------------------------------------------------------------------------------
    // Other files
    // ---------------------------------------------------------------------------------------------------------

    /// @dev The chain of hashes over an inbox' messages, and the contract's own for the first of them.
    function test_Inbox() external {
        address member = _membersIn(".members")[0].account;
        _read("inbox.json");
        uint256 count = _uint(".count");
        bytes32 inboxHash = 0;
        for (uint256 i = 0; i < count; ++i) {
            bytes32 payloadHash = keccak256(_bytes(_at(".messages", i, ".payload")));
            vm.assertEq(payloadHash, _bytes32(_at(".messages", i, ".payloadHash")), "payload");
            inboxHash = keccak256(
                abi.encode(
                    inboxHash,
                    _uint(_at(".messages", i, ".index")),
                    _uint(_at(".messages", i, ".kind")),
                    _address(_at(".messages", i, ".sender")),
                    _uint(_at(".messages", i, ".enqueuedAt")),
                    payloadHash
                )
            );
            vm.assertEq(inboxHash, _bytes32(_at(".messages", i, ".hash")), "message");
        }
        vm.assertTrue(count > 6, "messages were read");

        // The contract's own, of the first message's words, whoever may send it.
        bytes memory payload = _bytes(".messages[0].payload");
        uint256 time = _uint(".messages[0].enqueuedAt");
        vm.warp(time);
        vm.prank(member);
        _coordinator.enqueue(_groupId, payload);
        (bytes32 first,) = _coordinator.inboxMessage(_groupId, 0);
        vm.assertEq(
            first,
            keccak256(abi.encode(bytes32(0), 0, _uint(".messages[0].kind"), member, time, keccak256(payload))),
            "the contract's own"
        );
    }

    /// @dev A change of weights is proposed as a call that the contract does not have; it follows by the checkpoint that hands
    /// over, with the replicas' own signatures and the voters'.
    function test_M3_Handover() external {
        Checkpoint memory checkpoint = _checkpointIn(".checkpoint");
        _read("epochs.json");
        Member[] memory members = _membersIn(".members");
        bytes memory data = abi.encodeWithSignature(
            "changeMembers(bytes32,uint64,(address,bytes32,uint64,uint8)[])", _groupId, uint64(0), members
        );
        vm.assertEq(data, _bytes(".change.data"), "the proposed call");
        vm.assertEq(_address(".change.target"), address(_coordinator), "its target");
        vm.assertEq(_uint(".change.gas"), 1, "its gas");
        vm.assertEq(keccak256(abi.encode(members)), _bytes32(".membersHash"), "members");

        checkpoint.nextMembersHash = _bytes32(".membersHash");
        vm.assertEq(_coordinator.hashCheckpoint(checkpoint), _bytes32(".checkpointDigest"), "checkpoint");
        Taken memory none;
        Mandate memory mandate = abi.decode(_bytes(".mandate"), (Mandate));
        _coordinator.anchorAndRotate(checkpoint, _bytes(".packedSignatures"), new bytes32[](0), none, members, mandate);
        vm.assertEq(_coordinator.group(_groupId).epoch, 1, "epoch");
        vm.assertEq(abi.encode(_coordinator.members(_groupId)), abi.encode(members), "the next members");
    }

    // ---------------------------------------------------------------------------------------------------------
    // Steps
    // ---------------------------------------------------------------------------------------------------------

    /// @dev External, so that its arguments become calldata.
    function hashEntry(Entry calldata entry) external pure returns (bytes32) {
        return MerkleLog.hashEntry(entry);
    }

    function verify(bytes32 root, uint64 size, Entry calldata entry, bytes32[] calldata proof)
        external
        view
        returns (bool)
    {
        return MerkleLog.verify(root, size, entry.index, MerkleLog.hashEntry(entry), proof);
    }

    function verifyConsistency(bytes32 from, uint64 fromSize, bytes32 to, uint64 toSize, bytes32[] calldata proof)
        external
        view
        returns (bool)
    {
        return MerkleLog.verifyConsistency(from, fromSize, to, toSize, proof);
    }

    function _entry() private view returns (Entry memory) {
        return Entry({
            index: _uint64(".entry.index"),
            sequence: _uint64(".entry.sequence"),
            timestampMs: _uint64(".entry.timestampMs"),
            kind: _uint8(".entry.kind"),
            status: _uint8(".entry.status"),
            subject: _bytes32(".entry.subject"),
            outcome: _bytes32(".entry.outcome")
        });
    }

    function _checkpointIn(string memory key) private view returns (Checkpoint memory) {
        return Checkpoint({
            groupId: _groupId,
            epoch: _uint64(string.concat(key, ".epoch")),
            sequence: _uint64(string.concat(key, ".sequence")),
            logSize: _uint64(string.concat(key, ".logSize")),
            logRoot: _bytes32(string.concat(key, ".logRoot")),
            stateRoot: _bytes32(string.concat(key, ".stateRoot")),
            inboxCount: _uint64(string.concat(key, ".inboxCount")),
            inboxHash: _bytes32(string.concat(key, ".inboxHash")),
            nextMembersHash: _bytes32(string.concat(key, ".nextMembersHash"))
        });
    }

    function _calls() private view returns (Call[] memory) {
        return abi.decode(_bytes(".calls"), (Call[]));
    }
}
