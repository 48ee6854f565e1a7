// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {IAgentCoordinator} from "../../src/IAgentCoordinator.sol";
import {MerkleLog} from "../../src/MerkleLog.sol";
import {Basis, CHOICE_FOR, Call, Checkpoint, Decision, Entry, Member, Policy, Vote} from "../../src/Types.sol";
import {Classes} from "../support/Classes.sol";
import {deployCoordinator} from "../support/Deployment.sol";
import {vm} from "../support/Vm.sol";

/// @notice The golden vectors, which the Rust side makes: here the contract reads them, so that both sides mean the same
/// by every encoding that crosses the border.
contract VectorsTest is Classes {
    string private _json;
    IAgentCoordinator private _coordinator;
    bytes32 private _groupId;

    /// @dev The contract runs at the address, and on the chain, that the vectors were made for.
    function setUp() external {
        _json = vm.readFile("tests/vectors/evm.json");
        vm.chainId(_uint(".chainId"));
        _coordinator = IAgentCoordinator(vm.parseJsonAddress(_json, ".contract"));
        vm.etch(address(_coordinator), address(deployCoordinator()).code);

        Member[] memory members = _members();
        for (uint256 i = 0; i < members.length; ++i) {
            vm.prank(members[i].account);
            _coordinator.register(members[i].key);
        }
        vm.prank(vm.parseJsonAddress(_json, ".creator"));
        _groupId = _coordinator.createGroup(members, _terms(), _bytes32(".groupSalt"));
    }

    function test_Identifiers() external view {
        vm.assertEq(_coordinator.domainSeparator(), _bytes32(".domainSeparator"), "domain separator");
        vm.assertEq(_groupId, _bytes32(".groupId"), "group");
        vm.assertEq(_coordinator.group(_groupId).membersHash, _bytes32(".membersHash"), "members");
        vm.assertEq(_coordinator.hashCalls(_calls()), _bytes32(".actionsHash"), "calls");
        vm.assertEq(
            keccak256(bytes(vm.parseJsonString(_json, ".description"))), _bytes32(".descriptionHash"), "description"
        );
        vm.assertEq(
            _coordinator.proposalIdOf(
                _groupId,
                vm.parseJsonAddress(_json, ".proposer"),
                uint64(_uint(".salt")),
                uint8(_uint(".class")),
                _bytes32(".actionsHash"),
                _bytes32(".descriptionHash")
            ),
            _bytes32(".proposalId"),
            "proposal"
        );
    }

    function test_Propose() external {
        string memory description = vm.parseJsonString(_json, ".description");
        uint64 salt = uint64(_uint(".salt"));
        vm.prank(vm.parseJsonAddress(_json, ".proposer"));
        bytes32 id = _coordinator.propose(_groupId, uint8(_uint(".class")), _calls(), description, salt);
        vm.assertEq(id, _bytes32(".proposalId"), "proposal");
    }

    function test_Vote() external view {
        Vote memory vote = Vote({
            groupId: _groupId,
            proposalId: _bytes32(".proposalId"),
            choice: CHOICE_FOR,
            epoch: uint64(_uint(".vote.epoch")),
            votingEnds: uint64(_uint(".vote.votingEnds")),
            nonce: uint32(_uint(".vote.nonce"))
        });
        vm.assertEq(_coordinator.hashVote(vote), _bytes32(".vote.digest"), "vote");
    }

    function test_Decision() external view {
        Decision memory decision = Decision({
            groupId: _groupId,
            proposalId: _bytes32(".proposalId"),
            actionsHash: _bytes32(".actionsHash"),
            status: uint8(_uint(".decision.status")),
            forWeight: uint128(_uint(".decision.forWeight")),
            againstWeight: uint128(_uint(".decision.againstWeight")),
            abstainWeight: uint128(_uint(".decision.abstainWeight")),
            executableFrom: uint64(_uint(".decision.executableFrom")),
            executableUntil: uint64(_uint(".decision.executableUntil"))
        });
        bytes32 digest = _coordinator.hashDecision(decision);
        vm.assertEq(digest, _bytes32(".decision.digest"), "decision");
        vm.assertEq(digest, _entry().subject, "the entry's subject");
    }

    /// @dev Rows of threshold, basis, turnout, veto, whether votes change, the weights for, against, abstaining and of all,
    /// and the verdicts before and after the end of the voting.
    function test_Policies() external view {
        string memory policies = vm.readFile("tests/vectors/policies.json");
        uint256[] memory values = vm.parseJsonUintArray(policies, ".values");
        uint256 columns = vm.parseJsonUint(policies, ".columns");
        vm.assertTrue(values.length > 5000 && values.length % columns == 0, "rows were read");
        Policy memory policy = _terms().classes[0];
        for (uint256 at = 0; at < values.length; at += columns) {
            policy.threshold = uint16(values[at]);
            policy.basis = Basis(values[at + 1]);
            policy.turnout = uint16(values[at + 2]);
            policy.veto = uint16(values[at + 3]);
            policy.revotes = values[at + 4] != 0;
            vm.assertEq(_verdict(policy, values, at + 5, false), values[at + 9], "while the voting lasts");
            vm.assertEq(_verdict(policy, values, at + 5, true), values[at + 10], "at its end");
        }
    }

    function _verdict(Policy memory policy, uint256[] memory values, uint256 at, bool ended)
        private
        view
        returns (uint256)
    {
        return uint256(
            _coordinator.verdict(
                policy,
                uint128(values[at]),
                uint128(values[at + 1]),
                uint128(values[at + 2]),
                uint128(values[at + 3]),
                ended
            )
        );
    }

    /// @dev The chain of hashes over an inbox' messages, and the contract's own for the first of them.
    function test_Inbox() external {
        string memory inbox = vm.readFile("tests/vectors/inbox.json");
        uint256 count = vm.parseJsonUint(inbox, ".count");
        bytes32 inboxHash = 0;
        for (uint256 i = 0; i < count; ++i) {
            bytes32 payloadHash = keccak256(vm.parseJsonBytes(inbox, _at(".messages", i, ".payload")));
            vm.assertEq(payloadHash, vm.parseJsonBytes32(inbox, _at(".messages", i, ".payloadHash")), "payload");
            inboxHash = keccak256(
                abi.encode(
                    inboxHash,
                    vm.parseJsonUint(inbox, _at(".messages", i, ".index")),
                    vm.parseJsonUint(inbox, _at(".messages", i, ".kind")),
                    vm.parseJsonAddress(inbox, _at(".messages", i, ".sender")),
                    vm.parseJsonUint(inbox, _at(".messages", i, ".enqueuedAt")),
                    payloadHash
                )
            );
            vm.assertEq(inboxHash, vm.parseJsonBytes32(inbox, _at(".messages", i, ".hash")), "message");
        }
        vm.assertTrue(count > 2, "messages were read");

        address sender = vm.parseJsonAddress(inbox, ".messages[0].sender");
        vm.prank(sender);
        _coordinator.register("key");
        vm.warp(vm.parseJsonUint(inbox, ".messages[0].enqueuedAt"));
        vm.prank(sender);
        _coordinator.enqueue(_groupId, vm.parseJsonBytes(inbox, ".messages[0].payload"));
        (bytes32 first,) = _coordinator.inboxMessage(_groupId, 0);
        vm.assertEq(first, vm.parseJsonBytes32(inbox, ".messages[0].hash"), "the contract's own");
    }

    function test_Entry() external view {
        vm.assertEq(abi.encode(_entry()), vm.parseJsonBytes(_json, ".entry.leaf"), "leaf");
        vm.assertEq(this.hashEntry(_entry()), _bytes32(".entry.leafHash"), "leaf hash");
    }

    /// @dev The replicas' signatures go through `anchor` itself.
    function test_Checkpoint() external {
        Checkpoint memory checkpoint = _checkpoint();
        vm.assertEq(_coordinator.hashCheckpoint(checkpoint), _bytes32(".checkpoint.digest"), "checkpoint");

        bytes memory signatures;
        for (uint256 i = 0; i < _coordinator.quorum(_groupId); ++i) {
            signatures =
                bytes.concat(signatures, vm.parseJsonBytes(_json, _at(".checkpoint.signatures", i, ".signature")));
        }
        _coordinator.anchor(checkpoint, signatures);
        vm.assertEq(_coordinator.latestAnchor(_groupId).sequence, checkpoint.sequence, "anchored");
    }

    /// @dev A change of members is proposed as a call that the contract does not have; it follows by the checkpoint that
    /// hands over, with the replicas' own signatures.
    function test_Handover() external {
        string memory epochs = vm.readFile("tests/vectors/epochs.json");
        Member[] memory members = _membersIn(epochs);
        bytes memory data = abi.encodeWithSignature(
            "changeMembers(bytes32,uint64,(address,bytes32,uint64,uint8)[])", _groupId, uint64(0), members
        );
        vm.assertEq(data, vm.parseJsonBytes(epochs, ".change.data"), "the proposed call");
        vm.assertEq(vm.parseJsonAddress(epochs, ".change.target"), address(_coordinator), "its target");
        vm.assertEq(keccak256(abi.encode(members)), vm.parseJsonBytes32(epochs, ".membersHash"), "members");

        Checkpoint memory checkpoint = _checkpoint();
        checkpoint.nextMembersHash = vm.parseJsonBytes32(epochs, ".membersHash");
        vm.assertEq(
            _coordinator.hashCheckpoint(checkpoint), vm.parseJsonBytes32(epochs, ".checkpointDigest"), "checkpoint"
        );
        _coordinator.anchorAndRotate(checkpoint, vm.parseJsonBytes(epochs, ".packedSignatures"), members);
        vm.assertEq(_coordinator.group(_groupId).epoch, 1, "epoch");
        vm.assertEq(abi.encode(_coordinator.members(_groupId)), abi.encode(members), "the next members");
    }

    /// @dev The tree's leaves are the entry with the indices 0 and on.
    function test_MerkleLog() external view {
        bytes32[] memory roots = vm.parseJsonBytes32Array(_json, ".merkle.roots");
        uint256 count = 0;
        for (; vm.keyExistsJson(_json, _at(".merkle.inclusion", count, "")); ++count) {
            Entry memory entry = _entry();
            entry.index = uint64(_uint(_at(".merkle.inclusion", count, ".index")));
            uint64 size = uint64(_uint(_at(".merkle.inclusion", count, ".size")));
            bytes32[] memory proof = vm.parseJsonBytes32Array(_json, _at(".merkle.inclusion", count, ".proof"));
            vm.assertTrue(this.verify(roots[size], size, entry, proof), "included");
            entry.index ^= 1;
            vm.assertFalse(this.verify(roots[size], size, entry, proof), "another entry");
        }
        vm.assertTrue(count > 0, "no proofs were read");
    }

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

    function _entry() private view returns (Entry memory) {
        return Entry({
            index: uint64(_uint(".entry.index")),
            sequence: uint64(_uint(".entry.sequence")),
            timestampMs: uint64(_uint(".entry.timestampMs")),
            kind: uint8(_uint(".entry.kind")),
            status: uint8(_uint(".entry.status")),
            subject: _bytes32(".entry.subject"),
            outcome: _bytes32(".entry.outcome")
        });
    }

    function _checkpoint() private view returns (Checkpoint memory) {
        return Checkpoint({
            groupId: _groupId,
            epoch: uint64(_uint(".checkpoint.epoch")),
            sequence: uint64(_uint(".checkpoint.sequence")),
            logSize: uint64(_uint(".checkpoint.logSize")),
            logRoot: _bytes32(".checkpoint.logRoot"),
            stateRoot: _bytes32(".checkpoint.stateRoot"),
            inboxCount: uint64(_uint(".checkpoint.inboxCount")),
            nextMembersHash: _bytes32(".checkpoint.nextMembersHash")
        });
    }

    function _members() private view returns (Member[] memory) {
        return _membersIn(_json);
    }

    function _membersIn(string memory json) private view returns (Member[] memory members) {
        uint256 count = 0;
        while (vm.keyExistsJson(json, _at(".members", count, ""))) ++count;
        members = new Member[](count);
        for (uint256 i = 0; i < count; ++i) {
            members[i] = Member({
                account: vm.parseJsonAddress(json, _at(".members", i, ".account")),
                key: vm.parseJsonBytes32(json, _at(".members", i, ".key")),
                weight: uint64(vm.parseJsonUint(json, _at(".members", i, ".weight"))),
                flags: uint8(vm.parseJsonUint(json, _at(".members", i, ".flags")))
            });
        }
    }

    function _calls() private view returns (Call[] memory calls) {
        calls = new Call[](_length(".calls"));
        for (uint256 i = 0; i < calls.length; ++i) {
            calls[i] = Call({
                target: vm.parseJsonAddress(_json, _at(".calls", i, ".target")),
                value: _uint(_at(".calls", i, ".value")),
                data: vm.parseJsonBytes(_json, _at(".calls", i, ".data"))
            });
        }
    }

    function _length(string memory array) private view returns (uint256 length) {
        while (vm.keyExistsJson(_json, _at(array, length, ""))) ++length;
    }

    function _at(string memory array, uint256 index, string memory field) private pure returns (string memory) {
        return string.concat(array, "[", vm.toString(index), "]", field);
    }

    function _bytes32(string memory key) private view returns (bytes32) {
        return vm.parseJsonBytes32(_json, key);
    }

    function _uint(string memory key) private view returns (uint256) {
        return vm.parseJsonUint(_json, key);
    }
}
