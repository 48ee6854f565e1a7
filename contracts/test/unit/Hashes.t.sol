// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {Hashes} from "../../src/Hashes.sol";
import {Approval, Call, Checkpoint, Content, Decision} from "../../src/Types.sol";
import {Fixture} from "../support/Fixture.sol";
import {vm} from "../support/Vm.sol";

/// @notice Every hash, spelled out field by field as EIP-712 and the ABI say, so that no type hash can drift.
contract HashesTest is Fixture {
    /// @dev How EIP-712 encodes the two types that others refer to.
    string private constant CALL =
        "Call(address target,uint256 value,uint64 gas,bool allowFailure,bool allowNoCode,bytes data)";
    string private constant PROPOSAL =
        "Proposal(bytes32 groupId,address proposer,uint64 salt,uint8 class,Call[] calls,string description)";

    function test_DomainSeparator() external view {
        vm.assertEq(coordinator.domainSeparator(), _separator(block.chainid), "domain separator");
    }

    /// @dev After a fork of the chain signatures are the new chain's.
    function test_DomainSeparator_IsOfTheChainThatItIs() external {
        vm.chainId(block.chainid + 1);
        vm.assertEq(coordinator.domainSeparator(), _separator(block.chainid), "domain separator");
        Decision memory decision;
        vm.assertEq(
            coordinator.hashDecision(decision),
            keccak256(
                bytes.concat(
                    hex"1901",
                    _separator(block.chainid),
                    keccak256(
                        abi.encode(
                            keccak256(
                                "Decision(bytes32 proposalId,uint8 status,uint128 forWeight,uint128 againstWeight,uint128 abstainWeight)"
                            ),
                            decision
                        )
                    )
                )
            ),
            "a digest"
        );
    }

    function test_Eip712Domain() external view {
        (
            bytes1 fields,
            string memory name,
            string memory version,
            uint256 chainId,
            address verifyingContract,
            bytes32 salt,
            uint256[] memory extensions
        ) = coordinator.eip712Domain();
        vm.assertEq(uint8(fields), 0x0f, "name, version, chain and contract");
        vm.assertEq(name, "Quorate", "name");
        vm.assertEq(version, "1", "version");
        vm.assertEq(chainId, block.chainid, "chain");
        vm.assertEq(verifyingContract, address(coordinator), "contract");
        vm.assertEq(salt, 0, "no salt");
        vm.assertEq(extensions.length, 0, "no extensions");
    }

    /// @dev The proposal is nested: its struct hash stands in its place, and its type is told.
    function testFuzz_M9_HashVote(
        address voter,
        bytes32 proposalId,
        uint8 choice,
        uint64 epoch,
        uint64 votingEnds,
        uint32 nonce
    ) external view {
        bytes32 typeHash = keccak256(
            bytes(
                string.concat(
                    "Vote(address voter,Proposal proposal,uint8 choice,uint64 epoch,uint64 votingEnds,uint32 nonce)",
                    CALL,
                    PROPOSAL
                )
            )
        );
        bytes32 structHash = keccak256(
            bytes.concat(
                typeHash,
                _word(voter),
                proposalId,
                bytes32(uint256(choice)),
                bytes32(uint256(epoch)),
                bytes32(uint256(votingEnds)),
                bytes32(uint256(nonce))
            )
        );
        vm.assertEq(
            coordinator.hashVote(voter, proposalId, choice, epoch, votingEnds, nonce), _digest(structHash), "vote"
        );
    }

    function testFuzz_M6_HashObjection(address voter, bytes32 proposalId) external view {
        bytes32 typeHash = keccak256(bytes(string.concat("Objection(address voter,Proposal proposal)", CALL, PROPOSAL)));
        bytes32 structHash = keccak256(bytes.concat(typeHash, _word(voter), proposalId));
        vm.assertEq(coordinator.hashObjection(voter, proposalId), _digest(structHash), "objection");
    }

    function testFuzz_HashDecision(Decision calldata decision) external view {
        bytes32 typeHash = keccak256(
            "Decision(bytes32 proposalId,uint8 status,uint128 forWeight,uint128 againstWeight,uint128 abstainWeight)"
        );
        bytes32 structHash = keccak256(
            bytes.concat(
                typeHash,
                decision.proposalId,
                bytes32(uint256(decision.status)),
                bytes32(uint256(decision.forWeight)),
                bytes32(uint256(decision.againstWeight)),
                bytes32(uint256(decision.abstainWeight))
            )
        );
        vm.assertEq(coordinator.hashDecision(decision), _digest(structHash), "decision");
    }

    function testFuzz_M2_HashCheckpoint(Checkpoint calldata checkpoint) external view {
        bytes32 typeHash = keccak256(
            "Checkpoint(bytes32 groupId,uint64 epoch,uint64 sequence,uint64 logSize,bytes32 logRoot,bytes32 stateRoot,uint64 inboxCount,bytes32 inboxHash,bytes32 nextMembersHash)"
        );
        bytes32 structHash = keccak256(
            bytes.concat(
                typeHash,
                checkpoint.groupId,
                bytes32(uint256(checkpoint.epoch)),
                bytes32(uint256(checkpoint.sequence)),
                bytes32(uint256(checkpoint.logSize)),
                checkpoint.logRoot,
                checkpoint.stateRoot,
                bytes32(uint256(checkpoint.inboxCount)),
                checkpoint.inboxHash,
                checkpoint.nextMembersHash
            )
        );
        vm.assertEq(coordinator.hashCheckpoint(checkpoint), _digest(structHash), "checkpoint");
    }

    function testFuzz_M2_HashInboxTaken(bytes32 group, uint64 index, bytes32 inboxHash, uint8 disposition)
        external
        view
    {
        bytes32 typeHash = keccak256("InboxTaken(bytes32 groupId,uint64 index,bytes32 inboxHash,uint8 disposition)");
        bytes32 structHash =
            keccak256(bytes.concat(typeHash, group, bytes32(uint256(index)), inboxHash, bytes32(uint256(disposition))));
        vm.assertEq(
            coordinator.hashInboxTaken(group, index, inboxHash, disposition), _digest(structHash), "inbox taken"
        );
    }

    function testFuzz_M9_ProposalIdOf(
        bytes32 group,
        address proposer,
        uint64 salt,
        uint8 class,
        bytes32 calls,
        bytes32 description
    ) external view {
        vm.assertEq(
            coordinator.proposalIdOf(group, proposer, salt, class, calls, description),
            keccak256(
                bytes.concat(
                    keccak256(bytes(string.concat(PROPOSAL, CALL))),
                    group,
                    _word(proposer),
                    bytes32(uint256(salt)),
                    bytes32(uint256(class)),
                    calls,
                    description
                )
            ),
            "proposal"
        );
    }

    /// @dev External, so that its arguments become calldata.
    function proposalIdAt(bytes32 group, Content calldata content, bytes32 calls) external pure returns (bytes32) {
        uint256 place;
        assembly ("memory-safe") {
            place := content
        }
        return Hashes.proposalIdAt(group, place, calls);
    }

    function digestApproved(bytes32 proposalId, Approval calldata approval) external view returns (bytes32) {
        return Hashes.digestApproved(coordinator.domainSeparator(), proposalId, approval);
    }

    /// @dev The plain form of what is written in assembly.
    function testFuzz_ProposalIdAt_IsTheProposals(bytes32 group, Content calldata content, bytes32 calls)
        external
        view
    {
        vm.assertEq(
            this.proposalIdAt(group, content, calls),
            coordinator.proposalIdOf(
                group, content.proposer, content.salt, content.class, calls, content.descriptionHash
            ),
            "proposal"
        );
    }

    function testFuzz_DigestApproved_IsTheDecisions(bytes32 proposalId, Approval calldata approval) external view {
        Decision memory decision =
            Decision(proposalId, 1, approval.forWeight, approval.againstWeight, approval.abstainWeight);
        vm.assertEq(this.digestApproved(proposalId, approval), coordinator.hashDecision(decision), "decision");
    }

    /// @dev Words that are beyond their types are hashed as they are, and nothing is done with them: no call has two identifiers.
    function test_M5_WordsBeyondTheirTypes_AreRefused() external {
        Call[] memory calls = _calls(1, 0);
        (calls[0].allowFailure, calls[0].gas) = (true, 77_777);
        bytes memory data = abi.encodeCall(coordinator.propose, (groupId, ROUTINE, calls, "", 5));
        uint256[3] memory words = [uint256(uint160(calls[0].target)), 77_777, 1];
        for (uint256 i = 0; i < 3; ++i) {
            uint256 place = _placeOf(data, i == 2 ? 77_777 : words[i]) + (i == 2 ? 32 : 0);
            data[place] = 0x01;
            vm.prank(agents[0]);
            (bool taken,) = address(coordinator).call(data);
            vm.assertFalse(taken, "taken");
            data[place] = 0x00;
        }
        vm.prank(agents[0]);
        (bool proper,) = address(coordinator).call(data);
        vm.assertTrue(proper, "as it is");
    }

    /// @dev Where the word begins in calldata, after the selector.
    function _placeOf(bytes memory data, uint256 word) private pure returns (uint256) {
        for (uint256 at = 4; at + 32 <= data.length; at += 32) {
            uint256 found;
            assembly ("memory-safe") {
                found := mload(add(add(data, 0x20), at))
            }
            if (found == word) return at;
        }
        revert("no such word");
    }

    function test_M5_HashCalls_OfNone() external view {
        vm.assertEq(coordinator.hashCalls(new Call[](0)), keccak256(""), "no calls");
    }

    /// @dev EIP-712's encoding of an array: the hash of the struct hashes, one after the other.
    function testFuzz_M5_HashCalls(Call[] calldata calls) external view {
        bytes memory hashes;
        for (uint256 i = 0; i < calls.length; ++i) {
            Call calldata call = calls[i];
            hashes = bytes.concat(
                hashes,
                keccak256(
                    bytes.concat(
                        keccak256(bytes(CALL)),
                        _word(call.target),
                        bytes32(call.value),
                        bytes32(uint256(call.gas)),
                        bytes32(uint256(call.allowFailure ? 1 : 0)),
                        bytes32(uint256(call.allowNoCode ? 1 : 0)),
                        keccak256(call.data)
                    )
                )
            );
        }
        vm.assertEq(coordinator.hashCalls(calls), keccak256(hashes), "calls");
    }

    /// @dev The flags and the gas of a call are a part of what is voted on.
    function test_M5_HashCalls_TellsEveryFieldApart() external view {
        bytes32 plain = coordinator.hashCalls(_calls(1, 0));
        for (uint256 field = 0; field < 6; ++field) {
            Call[] memory calls = _calls(1, 0);
            if (field == 0) calls[0].target = address(1);
            if (field == 1) calls[0].value = 1;
            if (field == 2) calls[0].gas += 1;
            if (field == 3) calls[0].allowFailure = true;
            if (field == 4) calls[0].allowNoCode = true;
            if (field == 5) calls[0].data = "";
            vm.assertTrue(coordinator.hashCalls(calls) != plain, "another");
        }
    }

    /// @dev A group's identifier commits to its members and its terms, and so does its account's address.
    function test_L1_GroupIdOf() external view {
        bytes32 typeHash = keccak256(
            "Group(uint256 chainId,address coordinator,address creator,bytes32 salt,bytes32 membersHash,bytes32 termsHash)"
        );
        bytes32 membersHash = keccak256(abi.encode(_members(4)));
        bytes32 termsHash = keccak256(abi.encode(_terms()));
        bytes32 expected = keccak256(
            bytes.concat(
                typeHash,
                bytes32(block.chainid),
                _word(address(coordinator)),
                _word(address(this)),
                SALT,
                membersHash,
                termsHash
            )
        );
        vm.assertEq(coordinator.groupIdOf(address(this), SALT, membersHash, termsHash), expected, "told");
        vm.assertEq(groupId, expected, "made");
        vm.assertEq(coordinator.accountOf(expected), account, "its account");
        vm.assertTrue(coordinator.groupIdOf(address(this), SALT, "others", termsHash) != expected, "other members");
        vm.assertTrue(coordinator.groupIdOf(address(this), SALT, membersHash, "others") != expected, "other terms");
    }

    function _separator(uint256 chainId) private view returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Quorate"),
                keccak256("1"),
                chainId,
                address(coordinator)
            )
        );
    }

    function _word(address value) private pure returns (bytes32) {
        return bytes32(uint256(uint160(value)));
    }

    function _digest(bytes32 structHash) private view returns (bytes32) {
        return keccak256(bytes.concat(hex"1901", coordinator.domainSeparator(), structHash));
    }
}
// forge-lint: disable-end(unsafe-typecast)
