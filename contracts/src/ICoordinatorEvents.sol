// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {Call, Content, Lane, Member, Skip, Status, Terms} from "./Types.sol";

/// @title ICoordinatorEvents
/// @notice What the coordinator tells. From its events alone an indexer can rebuild the state.
interface ICoordinatorEvents {
    /// @notice An agent bound an ed25519 key to its account, in place of the one before, if any.
    event AgentRegistered(address indexed account, bytes32 key);

    /// @notice A group was made. Its epoch is 0.
    /// @param groupId The group.
    /// @param creator Who made it; this gives no rights.
    /// @param account The `GroupAccount` that holds the group's funds.
    /// @param salt The salt that the creator chose.
    /// @param terms What the group agreed on.
    /// @param members The members, by ascending account.
    event GroupCreated(
        bytes32 indexed groupId,
        address indexed creator,
        address indexed account,
        bytes32 salt,
        Terms terms,
        Member[] members
    );

    /// @notice An epoch began, with these members in place of those before. It comes right after the `Anchored` of the
    /// checkpoint that ended the epoch before, or right before `Recovered`. Who has left (`MemberLeft`) and is in this list too
    /// has still left; for anybody else that is forgotten. Proposals of the on-chain lane that were open have expired.
    /// @param groupId The group.
    /// @param epoch The new epoch.
    /// @param membersHash keccak256 of the ABI-encoded array of members.
    /// @param members The members, by ascending account.
    event MembersChanged(bytes32 indexed groupId, uint64 indexed epoch, bytes32 membersHash, Member[] members);

    /// @notice The voters replaced the replicas: an era began.
    /// @param groupId The group.
    /// @param epoch The era's first epoch.
    /// @param sequence The last anchor's sequence, after which the era's batches come.
    /// @param logSize The last anchor's log, which the era's log extends.
    event Recovered(bytes32 indexed groupId, uint64 indexed epoch, uint64 sequence, uint64 logSize);

    /// @notice A member gave up its vote.
    event MemberLeft(bytes32 indexed groupId, address indexed account);

    /// @notice A proposal was made in the on-chain lane.
    /// @param groupId The group that decides.
    /// @param proposalId The proposal.
    /// @param proposer The voter who made it.
    /// @param class The class of decisions.
    /// @param salt The salt that the proposer chose.
    /// @param calls What is proposed.
    /// @param description Why.
    /// @param votingEnds The first second (Unix time) at which it takes no more votes.
    event ProposalCreated(
        bytes32 indexed groupId,
        bytes32 indexed proposalId,
        address indexed proposer,
        uint8 class,
        uint64 salt,
        Call[] calls,
        string description,
        uint64 votingEnds
    );

    /// @notice A vote was cast in the on-chain lane. It takes the place of the voter's last one, if any.
    /// @param groupId The group that decides.
    /// @param proposalId The proposal.
    /// @param voter The voter.
    /// @param choice 0 against, 1 for, 2 abstain.
    /// @param weight The voter's weight.
    /// @param nonce How many votes of this voter on the proposal came before.
    event VoteCast(
        bytes32 indexed groupId,
        bytes32 indexed proposalId,
        address indexed voter,
        uint8 choice,
        uint64 weight,
        uint32 nonce
    );

    /// @notice A signed vote or objection was passed over.
    event BallotSkipped(bytes32 indexed groupId, bytes32 indexed proposalId, address indexed voter, Skip why);

    /// @notice The last vote settled the proposal: it is approved or rejected. Where the end of the voting decides, nothing
    /// is sent and no event tells; `verdict` says what it came to.
    event ProposalDecided(
        bytes32 indexed groupId,
        bytes32 indexed proposalId,
        Status status,
        uint128 forWeight,
        uint128 againstWeight,
        uint128 abstainWeight
    );

    /// @notice A proposal is approved by the votes that it had off-chain.
    /// @param groupId The group that decides.
    /// @param proposalId The proposal.
    /// @param content What is proposed.
    /// @param votingEnds The end of its voting (Unix time).
    /// @param weight The weight of the votes for.
    event ProposalApprovedBySignatures(
        bytes32 indexed groupId, bytes32 indexed proposalId, Content content, uint64 votingEnds, uint256 weight
    );

    /// @notice A proposal is approved because an anchored log proves that the group approved it off-chain.
    /// @param groupId The group that decides.
    /// @param proposalId The proposal.
    /// @param content What is proposed.
    /// @param from The first second (Unix time) at which it may be executed.
    /// @param until The last one.
    event ProposalQueued(
        bytes32 indexed groupId, bytes32 indexed proposalId, Content content, uint64 from, uint64 until
    );

    /// @notice An anchored log proves that the group refused the proposal off-chain.
    /// @param groupId The group.
    /// @param proposalId The proposal.
    /// @param status 2 rejected, 3 expired, 4 cancelled: the log's.
    event ProposalRefusedInLog(bytes32 indexed groupId, bytes32 indexed proposalId, uint8 status);

    /// @notice The proposer withdrew an open proposal.
    event ProposalCancelled(bytes32 indexed groupId, bytes32 indexed proposalId);

    /// @notice A proposal will never be executed any more.
    /// @param groupId The group.
    /// @param proposalId The proposal.
    /// @param weight The weight of the objections, or 0 for a decision of the group.
    event ProposalRevoked(bytes32 indexed groupId, bytes32 indexed proposalId, uint256 weight);

    /// @notice A proposal's calls were made. It comes after them.
    /// @param groupId The group.
    /// @param proposalId The proposal.
    /// @param executor Who sent the transaction.
    /// @param lane The lane that executed it.
    /// @param index The number of the decision's entry in the log; 0 in the on-chain lane.
    /// @param failures Bit i is set when call i failed, which it was allowed to.
    event ProposalExecuted(
        bytes32 indexed groupId,
        bytes32 indexed proposalId,
        address indexed executor,
        Lane lane,
        uint64 index,
        uint256 failures
    );

    /// @notice A decision of a batch was passed over, because it was executed or revoked before.
    event ExecutionSkipped(bytes32 indexed groupId, bytes32 indexed proposalId, Status status);

    /// @notice A checkpoint was accepted. The fields are the checkpoint's; the block's time is its `anchoredAt`.
    event Anchored(
        bytes32 indexed groupId,
        uint64 indexed sequence,
        uint64 indexed logSize,
        uint64 epoch,
        bytes32 logRoot,
        bytes32 stateRoot,
        uint64 inboxCount,
        bytes32 inboxHash,
        bytes32 nextMembersHash
    );

    /// @notice A message was put into a group's inbox.
    /// @param groupId The group.
    /// @param index The message's place, from 0.
    /// @param kind What it is, and what the payload is: the constants `INBOX_…` of Types.sol.
    /// @param sender Who sent the transaction.
    /// @param enqueuedAt When (Unix time).
    /// @param payload See `kind`.
    /// @param inboxHash keccak256(abi.encode(hash of the inbox before, index, kind, sender, enqueuedAt,
    /// keccak256(payload))); the hash of an empty inbox is zero.
    event Enqueued(
        bytes32 indexed groupId,
        uint64 indexed index,
        uint8 kind,
        address indexed sender,
        uint64 enqueuedAt,
        bytes payload,
        bytes32 inboxHash
    );

    /// @notice Somebody deposited for a replica.
    /// @param groupId The group.
    /// @param replica Whose bond it is.
    /// @param sender Who deposited.
    /// @param value Wei.
    /// @param amount What the bond has now.
    event BondDeposited(
        bytes32 indexed groupId, address indexed replica, address indexed sender, uint256 value, uint256 amount
    );

    /// @notice Somebody asked for its bond.
    /// @param groupId The group.
    /// @param replica Whose bond it is.
    /// @param exitAt When its signature stops to count (Unix time).
    /// @param releasedAt From when on it can be withdrawn.
    event WithdrawalRequested(bytes32 indexed groupId, address indexed replica, uint64 exitAt, uint64 releasedAt);

    /// @notice Who asked for its bond takes that back.
    event WithdrawalCancelled(bytes32 indexed groupId, address indexed replica);

    /// @notice Somebody has its bond back.
    event BondWithdrawn(bytes32 indexed groupId, address indexed replica, uint256 amount);

    /// @notice A replica was shown to have signed two checkpoints that contradict each other.
    /// @param groupId The group.
    /// @param replica The replica.
    /// @param reporter Who showed it.
    /// @param firstDigest The EIP-712 digest of the one.
    /// @param secondDigest That of the other.
    /// @param forfeited Its bond, in wei.
    /// @param reward What of it went to the reporter; the group's account has the rest.
    event ReplicaConvicted(
        bytes32 indexed groupId,
        address indexed replica,
        address indexed reporter,
        bytes32 firstDigest,
        bytes32 secondDigest,
        uint256 forfeited,
        uint256 reward
    );
}
