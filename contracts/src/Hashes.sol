// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {Approval, Call, Checkpoint, Decision, Member, STATUS_APPROVED} from "./Types.sol";

/// @title Hashes
/// @notice The type hashes and the struct hashes of everything that is signed or identified by its hash.
library Hashes {
    bytes32 internal constant CALL_TYPEHASH =
        keccak256("Call(address target,uint256 value,uint64 gas,bool allowFailure,bool allowNoCode,bytes data)");

    bytes32 internal constant PROPOSAL_TYPEHASH = keccak256(
        "Proposal(bytes32 groupId,address proposer,uint64 salt,uint8 class,Call[] calls,string description)"
        "Call(address target,uint256 value,uint64 gas,bool allowFailure,bool allowNoCode,bytes data)"
    );

    /// @dev EIP-712 encodes a nested struct as its hash, and a proposal's hash is its identifier: a wallet shows every call, and
    /// the contract hashes a word.
    bytes32 internal constant VOTE_TYPEHASH = keccak256(
        "Vote(address voter,Proposal proposal,uint8 choice,uint64 epoch,uint64 votingEnds,uint32 nonce)"
        "Call(address target,uint256 value,uint64 gas,bool allowFailure,bool allowNoCode,bytes data)"
        "Proposal(bytes32 groupId,address proposer,uint64 salt,uint8 class,Call[] calls,string description)"
    );

    bytes32 internal constant OBJECTION_TYPEHASH = keccak256(
        "Objection(address voter,Proposal proposal)"
        "Call(address target,uint256 value,uint64 gas,bool allowFailure,bool allowNoCode,bytes data)"
        "Proposal(bytes32 groupId,address proposer,uint64 salt,uint8 class,Call[] calls,string description)"
    );

    bytes32 internal constant DECISION_TYPEHASH = keccak256(
        "Decision(bytes32 proposalId,uint8 status,uint128 forWeight,uint128 againstWeight,uint128 abstainWeight)"
    );

    bytes32 internal constant CHECKPOINT_TYPEHASH = keccak256(
        "Checkpoint(bytes32 groupId,uint64 epoch,uint64 sequence,uint64 logSize,bytes32 logRoot,bytes32 stateRoot,"
        "uint64 inboxCount,bytes32 inboxHash,bytes32 nextMembersHash)"
    );

    bytes32 internal constant INBOX_TAKEN_TYPEHASH =
        keccak256("InboxTaken(bytes32 groupId,uint64 index,bytes32 inboxHash,uint8 disposition)");

    /// @dev Of a group's identifier, which nobody signs.
    bytes32 internal constant GROUP_TYPEHASH = keccak256(
        "Group(uint256 chainId,address coordinator,address creator,bytes32 salt,bytes32 membersHash,bytes32 termsHash)"
    );

    /// @notice EIP-712's encoding of `Call[]`: keccak256 of the calls' struct hashes, one after the other.
    /// @dev Assembly, because an execution pays for it by the call: the five static words of a call lie in calldata as they are
    /// hashed. They are taken as they are: one that is beyond its type makes a hash of no proposal. Hashes.t.sol compares it with
    /// the plain form.
    function hashCalls(Call[] calldata calls) internal pure returns (bytes32 hash) {
        bytes32 typeHash = CALL_TYPEHASH;
        uint256 count = calls.length;
        uint256 hashes;
        uint256 encoding;
        // slither-disable-next-line assembly
        assembly ("memory-safe") {
            hashes := mload(0x40)
            encoding := add(hashes, shl(5, count))
        }
        for (uint256 i = 0; i < count; ++i) {
            Call calldata one = calls[i];
            bytes calldata data = one.data;
            assembly ("memory-safe") {
                calldatacopy(encoding, data.offset, data.length)
                let dataHash := keccak256(encoding, data.length)
                mstore(encoding, typeHash)
                calldatacopy(add(encoding, 0x20), one, 0xa0)
                mstore(add(encoding, 0xc0), dataHash)
                mstore(add(hashes, shl(5, i)), keccak256(encoding, 0xe0))
            }
        }
        assembly ("memory-safe") {
            hash := keccak256(hashes, shl(5, count))
        }
    }

    /// @notice keccak256 of the ABI encoding of the array of members.
    function hashMembers(Member[] calldata members) internal pure returns (bytes32) {
        return keccak256(abi.encode(members));
    }

    /// @notice The identifier of a group.
    function groupId(address creator, bytes32 salt, bytes32 membersHash, bytes32 termsHash)
        internal
        view
        returns (bytes32)
    {
        return
            keccak256(abi.encode(GROUP_TYPEHASH, block.chainid, address(this), creator, salt, membersHash, termsHash));
    }

    /// @notice The identifier of a proposal, the same in all lanes: its struct hash, without the domain.
    function proposalId(
        bytes32 groupId_,
        address proposer,
        uint64 salt,
        uint8 class,
        bytes32 callsHash,
        bytes32 descriptionHash
    ) internal pure returns (bytes32) {
        return keccak256(abi.encode(PROPOSAL_TYPEHASH, groupId_, proposer, salt, class, callsHash, descriptionHash));
    }

    /// @notice The identifier of a proposal whose proposer, salt, class and hash of the description lie in calldata, one after the
    /// other, as they do in `Approval` and `Content`: what `proposalId` makes of them.
    /// @dev Assembly, because it is done once for each execution, and in Solidity costs 500 gas more, 1 % of one in a batch. The words
    /// are taken as they are: one that is beyond its type is in no proposal. Hashes.t.sol compares it with the plain form.
    /// @param groupId_ The group.
    /// @param place Where the four words lie in calldata.
    /// @param callsHash The hash of the calls.
    function proposalIdAt(bytes32 groupId_, uint256 place, bytes32 callsHash) internal pure returns (bytes32 hash) {
        bytes32 typeHash = PROPOSAL_TYPEHASH;
        // slither-disable-next-line assembly
        assembly ("memory-safe") {
            let memory_ := mload(0x40)
            mstore(memory_, typeHash)
            mstore(add(memory_, 0x20), groupId_)
            calldatacopy(add(memory_, 0x40), place, 0x60)
            mstore(add(memory_, 0xa0), callsHash)
            calldatacopy(add(memory_, 0xc0), add(place, 0x60), 0x20)
            hash := keccak256(memory_, 0xe0)
        }
    }

    /// @notice The EIP-712 struct hash of a vote.
    function hashVote(address voter, bytes32 proposalId_, uint8 choice, uint64 epoch, uint64 votingEnds, uint32 nonce)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(VOTE_TYPEHASH, voter, proposalId_, choice, epoch, votingEnds, nonce));
    }

    /// @notice The EIP-712 struct hash of an objection.
    function hashObjection(address voter, bytes32 proposalId_) internal pure returns (bytes32) {
        return keccak256(abi.encode(OBJECTION_TYPEHASH, voter, proposalId_));
    }

    /// @notice The EIP-712 struct hash of a decision.
    function hashDecision(Decision memory decision) internal pure returns (bytes32) {
        return keccak256(abi.encode(DECISION_TYPEHASH, decision));
    }

    /// @notice The EIP-712 digest of the decision that an approval stands for.
    /// @dev Assembly, because it is done once for each execution: the weights lie in the approval as they do in the decision, and are
    /// taken as they are; one that is beyond its type is in no leaf.
    function digestApproved(bytes32 domainSeparator, bytes32 proposalId_, Approval calldata approval)
        internal
        pure
        returns (bytes32 digest)
    {
        bytes32 typeHash = DECISION_TYPEHASH;
        // slither-disable-next-line assembly
        assembly ("memory-safe") {
            let memory_ := mload(0x40)
            mstore(memory_, typeHash)
            mstore(add(memory_, 0x20), proposalId_)
            mstore(add(memory_, 0x40), STATUS_APPROVED)
            calldatacopy(add(memory_, 0x60), add(approval, 0x80), 0x60) // forWeight, againstWeight, abstainWeight
            let structHash := keccak256(memory_, 0xc0)
            mstore(memory_, shl(240, 0x1901))
            mstore(add(memory_, 0x02), domainSeparator)
            mstore(add(memory_, 0x22), structHash)
            digest := keccak256(memory_, 0x42)
        }
    }

    /// @notice The EIP-712 struct hash of a checkpoint.
    function hashCheckpoint(Checkpoint calldata checkpoint) internal pure returns (bytes32) {
        return keccak256(abi.encode(CHECKPOINT_TYPEHASH, checkpoint));
    }

    /// @notice The EIP-712 struct hash of `InboxTaken`.
    function hashInboxTaken(bytes32 groupId_, uint64 index, bytes32 inboxHash, uint8 disposition)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(INBOX_TAKEN_TYPEHASH, groupId_, index, inboxHash, disposition));
    }
}
