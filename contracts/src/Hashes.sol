// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {IGroupAccount} from "./IGroupAccount.sol";
import {Call, Checkpoint, Decision, Member, Vote} from "./Types.sol";

/// @title Hashes
/// @notice The type hashes and the struct hashes of everything that is signed or identified by its hash.
library Hashes {
    /// @dev keccak256("Proposal(bytes32 groupId,address proposer,uint64 salt,uint8 class,
    /// bytes32 actionsHash,bytes32 descriptionHash)"), without the line break.
    bytes32 internal constant PROPOSAL_TYPEHASH = keccak256(
        "Proposal(bytes32 groupId,address proposer,uint64 salt,uint8 class,bytes32 actionsHash,"
        "bytes32 descriptionHash)"
    );

    bytes32 internal constant VOTE_TYPEHASH =
        keccak256("Vote(bytes32 groupId,bytes32 proposalId,uint8 choice,uint64 epoch,uint64 votingEnds,uint32 nonce)");

    bytes32 internal constant DECISION_TYPEHASH = keccak256(
        "Decision(bytes32 groupId,bytes32 proposalId,bytes32 actionsHash,uint8 status,uint128 forWeight,"
        "uint128 againstWeight,uint128 abstainWeight,uint64 executableFrom,uint64 executableUntil)"
    );

    bytes32 internal constant CHECKPOINT_TYPEHASH = keccak256(
        "Checkpoint(bytes32 groupId,uint64 epoch,uint64 sequence,uint64 logSize,bytes32 logRoot,"
        "bytes32 stateRoot,uint64 inboxCount,bytes32 nextMembersHash)"
    );

    /// @notice keccak256 of the ABI encoding of the array of calls.
    function hashCalls(Call[] calldata calls) internal pure returns (bytes32) {
        return keccak256(abi.encode(calls));
    }

    /// @notice A group account's calldata for these calls, and their hash: they are encoded once for both.
    function encodeCalls(Call[] calldata calls) internal pure returns (bytes memory payload, bytes32 actionsHash) {
        payload = abi.encodeCall(IGroupAccount.execute, (calls));
        // Assembly, to hash in place what is already encoded: Solidity would encode the calls once more.
        // slither-disable-next-line assembly
        assembly ("memory-safe") {
            // Behind the length and the selector stands abi.encode(calls).
            actionsHash := keccak256(add(payload, 0x24), sub(mload(payload), 0x04))
        }
    }

    /// @notice keccak256 of the ABI encoding of the array of members.
    function hashMembers(Member[] calldata members) internal pure returns (bytes32) {
        return keccak256(abi.encode(members));
    }

    /// @notice The identifier of a proposal, the same in both lanes.
    function proposalId(
        bytes32 groupId,
        address proposer,
        uint64 salt,
        uint8 class,
        bytes32 actionsHash,
        bytes32 descriptionHash
    ) internal pure returns (bytes32) {
        return keccak256(abi.encode(PROPOSAL_TYPEHASH, groupId, proposer, salt, class, actionsHash, descriptionHash));
    }

    /// @notice The EIP-712 struct hash of a vote.
    function hashVote(Vote memory vote) internal pure returns (bytes32) {
        return keccak256(abi.encode(VOTE_TYPEHASH, vote));
    }

    /// @notice The EIP-712 struct hash of a decision.
    function hashDecision(Decision calldata decision) internal pure returns (bytes32) {
        return keccak256(abi.encode(DECISION_TYPEHASH, decision));
    }

    /// @notice The EIP-712 struct hash of a checkpoint.
    function hashCheckpoint(Checkpoint calldata checkpoint) internal pure returns (bytes32) {
        return keccak256(abi.encode(CHECKPOINT_TYPEHASH, checkpoint));
    }
}
