// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {IERC5267} from "@openzeppelin/contracts/interfaces/IERC5267.sol";

import {Call, Checkpoint, Decision, Vote} from "../../src/Types.sol";
import {Fixture} from "../support/Fixture.sol";
import {vm} from "../support/Vm.sol";

/// @notice Every hash, spelled out field by field as EIP-712 and the ABI say, so that no type hash can drift.
contract HashesTest is Fixture {
    function test_DomainSeparator() external view {
        vm.assertEq(
            coordinator.domainSeparator(),
            keccak256(
                abi.encode(
                    keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                    keccak256("Quorate"),
                    keccak256("1"),
                    block.chainid,
                    address(coordinator)
                )
            ),
            "domain separator"
        );
    }

    function test_Eip712Domain() external view {
        (, string memory name, string memory version, uint256 chainId, address verifyingContract,,) =
            IERC5267(address(coordinator)).eip712Domain();
        vm.assertEq(name, "Quorate", "name");
        vm.assertEq(version, "1", "version");
        vm.assertEq(chainId, block.chainid, "chain");
        vm.assertEq(verifyingContract, address(coordinator), "contract");
    }

    function testFuzz_HashVote(Vote calldata vote) external view {
        bytes32 typeHash = keccak256(
            "Vote(bytes32 groupId,bytes32 proposalId,uint8 choice,uint64 epoch,uint64 votingEnds,uint32 nonce)"
        );
        bytes32 structHash = keccak256(
            bytes.concat(
                typeHash,
                vote.groupId,
                vote.proposalId,
                bytes32(uint256(vote.choice)),
                bytes32(uint256(vote.epoch)),
                bytes32(uint256(vote.votingEnds)),
                bytes32(uint256(vote.nonce))
            )
        );
        vm.assertEq(coordinator.hashVote(vote), _digest(structHash), "vote");
    }

    function testFuzz_HashDecision(Decision calldata decision) external view {
        bytes32 typeHash = keccak256(
            "Decision(bytes32 groupId,bytes32 proposalId,bytes32 actionsHash,uint8 status,uint128 forWeight,uint128 againstWeight,uint128 abstainWeight,uint64 executableFrom,uint64 executableUntil)"
        );
        bytes32 structHash = keccak256(
            bytes.concat(
                typeHash,
                decision.groupId,
                decision.proposalId,
                decision.actionsHash,
                bytes32(uint256(decision.status)),
                bytes32(uint256(decision.forWeight)),
                bytes32(uint256(decision.againstWeight)),
                bytes32(uint256(decision.abstainWeight)),
                bytes32(uint256(decision.executableFrom)),
                bytes32(uint256(decision.executableUntil))
            )
        );
        vm.assertEq(coordinator.hashDecision(decision), _digest(structHash), "decision");
    }

    function testFuzz_HashCheckpoint(Checkpoint calldata checkpoint) external view {
        bytes32 typeHash = keccak256(
            "Checkpoint(bytes32 groupId,uint64 epoch,uint64 sequence,uint64 logSize,bytes32 logRoot,bytes32 stateRoot,uint64 inboxCount,bytes32 nextMembersHash)"
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
                checkpoint.nextMembersHash
            )
        );
        vm.assertEq(coordinator.hashCheckpoint(checkpoint), _digest(structHash), "checkpoint");
    }

    function testFuzz_ProposalIdOf(
        bytes32 group,
        address proposer,
        uint64 salt,
        uint8 class,
        bytes32 actions,
        bytes32 description
    ) external view {
        bytes32 typeHash = keccak256(
            "Proposal(bytes32 groupId,address proposer,uint64 salt,uint8 class,bytes32 actionsHash,bytes32 descriptionHash)"
        );
        vm.assertEq(
            coordinator.proposalIdOf(group, proposer, salt, class, actions, description),
            keccak256(
                bytes.concat(
                    typeHash,
                    group,
                    bytes32(uint256(uint160(proposer))),
                    bytes32(uint256(salt)),
                    bytes32(uint256(class)),
                    actions,
                    description
                )
            ),
            "proposal"
        );
    }

    /// @dev The ABI encoding of one dynamic array: its offset, its length, an offset for each element, the elements.
    function test_HashCalls() external view {
        Call[] memory calls = new Call[](2);
        calls[0] = Call({target: address(1), value: 2, data: ""});
        calls[1] = Call({target: address(3), value: 4, data: hex"0506"});
        bytes memory first = abi.encode(uint256(1), uint256(2), uint256(0x60), uint256(0));
        bytes memory second = abi.encode(uint256(3), uint256(4), uint256(0x60), uint256(2), bytes32(hex"0506"));
        bytes memory head = abi.encode(uint256(0x20), uint256(2), uint256(0x40), uint256(0x40) + first.length);
        vm.assertEq(coordinator.hashCalls(calls), keccak256(bytes.concat(head, first, second)), "calls");

        vm.assertEq(coordinator.hashCalls(new Call[](0)), keccak256(abi.encode(uint256(0x20), uint256(0))), "no calls");
    }

    function testFuzz_HashCalls(Call[] calldata calls) external view {
        vm.assertEq(coordinator.hashCalls(calls), keccak256(abi.encode(calls)), "calls");
    }

    function _digest(bytes32 structHash) private view returns (bytes32) {
        return keccak256(bytes.concat(hex"1901", coordinator.domainSeparator(), structHash));
    }
}
// forge-lint: disable-end(unsafe-typecast)
