// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {
    Approval,
    Ballot,
    Call,
    Checkpoint,
    Content,
    Decision,
    Member,
    Proposal,
    ProposalStatus,
    Vote
} from "./Types.sol";

/// @title ILanes
/// @notice Proposals, anchors and bonds: the part of {IAgentCoordinator} that `AgentCoordinator` has the code of.
interface ILanes {
    /// @notice Proposes calls to the group. Voting begins at once and lasts for the class' voting period, or until the
    /// group's members change, if that comes first: a proposal that is open then has expired, because the votes that it
    /// has are of weights that count no more. One that was approved before stays approved, and can be executed.
    /// @dev Requires: the caller is a voter and has not left; the class permits the calls, and its on-chain lane is open;
    /// the same proposal was neither made nor executed before.
    /// @param groupId The group.
    /// @param class The class of decisions.
    /// @param calls The calls; none makes a proposal that only decides something.
    /// @param description Why. Only its hash is kept.
    /// @param salt Tells apart proposals that are otherwise equal.
    /// @return proposalId The proposal's identifier, see `proposalIdOf`.
    function propose(bytes32 groupId, uint8 class, Call[] calldata calls, string calldata description, uint64 salt)
        external
        returns (bytes32 proposalId);

    /// @notice Casts the caller's vote, or changes it in a class that allows that. What the votes decide is what `verdict`
    /// says; where votes do not change, that closes the proposal as soon as no further vote could alter it.
    /// @dev Requires: the proposal is open; the caller is a voter, has not left, and has not voted on it, or for another
    /// choice in a class in which votes change.
    /// @param proposalId The proposal.
    /// @param choice 0 against, 1 for, 2 abstain.
    function vote(bytes32 proposalId, uint8 choice) external;

    /// @notice As `vote`, for a voter who signed the vote instead of sending it. Anybody may send it.
    /// @dev Requires, beyond what `vote` does: the signature is the voter's on the EIP-712 message `Vote`: 65 bytes
    /// (r, s, v) with low s for an account without code, whatever ERC-1271 accepts for one with code.
    /// @param proposalId The proposal.
    /// @param voter The voter.
    /// @param choice 0 against, 1 for, 2 abstain.
    /// @param signature The signature.
    function voteBySig(bytes32 proposalId, address voter, uint8 choice, bytes calldata signature) external;

    /// @notice As `voteBySig`, for several votes. One that is counted already is passed over, and so are all behind the
    /// one that closes the proposal: whoever sends some of them earlier does not spoil the rest.
    /// @dev Requires what `voteBySig` does of each vote that is not passed over.
    /// @param proposalId The proposal.
    /// @param ballots The votes, in any order.
    function voteBySigs(bytes32 proposalId, Ballot[] calldata ballots) external;

    /// @notice Approves a proposal that began off-chain, by the votes that it was given there, when anchors have stalled:
    /// the escape lane. Anybody may send it. It has the same identifier as off-chain, so it executes once, whichever lane
    /// is first, and when it is executed here the group's inbox says so.
    /// @dev Requires: the class allows it; the stall time since the last anchor is over; the voting has not ended; the
    /// class permits the calls; the ballots are for it, by strictly ascending voter, of voters who have not left, each
    /// signed (as for `voteBySig`, with nonce 0) in the current epoch and for this end of the voting; their weight
    /// reaches the threshold; the same proposal was neither made on-chain nor executed.
    /// @param groupId The group.
    /// @param content What was proposed.
    /// @param votingEnds When its voting ends (Unix time), as the log has it.
    /// @param ballots The votes.
    /// @return proposalId The proposal's identifier.
    function approveFromLog(bytes32 groupId, Content calldata content, uint64 votingEnds, Ballot[] calldata ballots)
        external
        returns (bytes32 proposalId);

    /// @notice Withdraws an open proposal.
    /// @dev Requires: the caller is its proposer; it is open.
    /// @param proposalId The proposal.
    function cancel(bytes32 proposalId) external;

    /// @notice Makes an approved proposal's calls, all or none. Anybody may send it. When a call fails, all is as before: it
    /// can be tried again until its time is over.
    /// @dev Requires: the proposal is approved; the class' timelock since its approval is over, and its expiry from then on
    /// is not; it was not executed in either lane; the calls are the proposal's.
    /// @param proposalId The proposal.
    /// @param calls The calls that were proposed.
    function execute(bytes32 proposalId, Call[] calldata calls) external;

    /// @notice Accepts a checkpoint of a group's log. Anybody may send it. The root stays provable for good.
    /// @dev Requires:
    /// - the epoch is the current one, the sequence is above the last anchor's, and the log is not smaller (and has
    ///   the same root when it is as large);
    /// - the log has taken in as many messages of the inbox as before or more, and every one whose deadline is over;
    /// - `nextMembersHash` is zero: a checkpoint that ends its epoch goes to `anchorAndRotate`;
    /// - at least a quorum of signatures, each by a replica on `hashCheckpoint(checkpoint)`: 65 bytes (r, s, v), v 27
    ///   or 28, low s, one after the other without padding, by strictly ascending signer.
    /// @param checkpoint The checkpoint.
    /// @param signatures The signatures. More than a quorum is accepted and costs gas for nothing.
    function anchor(Checkpoint calldata checkpoint, bytes calldata signatures) external;

    /// @notice Accepts the checkpoint that ends an epoch, and begins the next epoch with the members that the checkpoint
    /// names. Anybody may send it. From then on only a quorum of the new epoch moves anchors.
    ///
    /// The new members' keys are not compared with `keyOf`, and the members need not be registered. The group has taken
    /// its decision off-chain, and its replicas, which hold the members to the rules below before they sign, have gone
    /// over to the next epoch: if the contract could refuse then, whoever re-registers in time, or never registers,
    /// could cut the group off from its anchors and its funds for good.
    /// @dev Requires:
    /// - what `anchor` requires, but that `nextMembersHash` is the hash of exactly these members, and that a message of the
    ///   inbox may be left out beyond its deadline when anchors have stalled;
    /// - at most 64 members, by strictly ascending account, none the zero address, no key zero or twice;
    /// - flags are voter, replica or both; a voter's weight is above zero, anybody else's is zero;
    /// - at least 4 replicas.
    /// @param checkpoint The last checkpoint of the current epoch.
    /// @param signatures The signatures of the current epoch's replicas, as for `anchor`.
    /// @param nextMembers The members of the next epoch.
    function anchorAndRotate(Checkpoint calldata checkpoint, bytes calldata signatures, Member[] calldata nextMembers)
        external;

    /// @notice Makes the calls of a decision that the group took off-chain, all or none. Anybody may send it.
    /// When a call fails, all is as before: it can be tried again until its time is over.
    /// @dev Requires: the proof leads from exactly this approval's entry to the root anchored for `anchoredSize`; it is the
    /// time at which the decision says that it may be executed; the proposal was not executed in either lane.
    /// @param groupId The group.
    /// @param anchoredSize The log size of an anchor.
    /// @param approval The decision, with its calls and its entry.
    /// @param proof The RFC 9162 inclusion proof of the entry in the log of that size.
    function executeAnchored(bytes32 groupId, uint64 anchoredSize, Approval calldata approval, bytes32[] calldata proof)
        external;

    /// @notice Makes the calls of several decisions that the group took off-chain, all or none: of each decision, and of
    /// all decisions. Anybody may send it.
    /// @dev Requires what `executeAnchored` requires of each, and that the indices strictly ascend. The calls are made in
    /// the order of the log.
    /// @param groupId The group.
    /// @param anchoredSize The log size of an anchor.
    /// @param approvals The decisions, with their calls and their entries.
    /// @param proof One proof for all entries, as `MerkleLog.verifyMany` takes it: level by level from the leaves up, and
    /// from left to right, each node that is not worked out from the entries.
    function executeAnchoredBatch(
        bytes32 groupId,
        uint64 anchoredSize,
        Approval[] calldata approvals,
        bytes32[] calldata proof
    ) external;

    /// @notice Adds the value sent to a replica's bond. Anybody may send it, and only the replica gets it back.
    /// @dev Requires: the group has bonds; the value is above zero; the account was not convicted in the group and has not
    /// asked for its bond.
    /// @param groupId The group.
    /// @param replica Whose bond it is: a replica, or who is to become one.
    function deposit(bytes32 groupId, address replica) external payable;

    /// @notice Asks for the caller's bond. It can be withdrawn a day after evidence of the present stops to count.
    /// @dev Requires: the caller has a bond and is no replica of the current epoch.
    /// @param groupId The group.
    function requestWithdrawal(bytes32 groupId) external;

    /// @notice Sends the caller its bond.
    /// @dev Requires: the caller is no replica of the current epoch, has asked for its bond since it was one, and the time
    /// that was told then has come.
    /// @param groupId The group.
    function withdraw(bytes32 groupId) external;

    /// @notice Shows that a replica signed two different checkpoints of one sequence. It forfeits its bond: the reporter
    /// has the share that the group agreed on, the group's account the rest. The group's inbox tells its replicas, who
    /// make the next epoch without it. Anybody may send it.
    /// @dev Requires: both are of this group, of one epoch and one sequence, and differ; both signatures, as for `anchor`,
    /// are one account's; it is a replica of the current epoch or has a bond, and was not convicted before; the epoch is
    /// the current one, or ended within the evidence window.
    /// @param first A checkpoint.
    /// @param firstSignature The replica's signature on it.
    /// @param second Another one.
    /// @param secondSignature The replica's signature on that.
    function reportEquivocation(
        Checkpoint calldata first,
        bytes calldata firstSignature,
        Checkpoint calldata second,
        bytes calldata secondSignature
    ) external;

    /// @notice A proposal of the on-chain lane. Reverts when there is none.
    function proposal(bytes32 proposalId) external view returns (Proposal memory);

    /// @notice Where a proposal of the on-chain lane stands now. Reverts when there is none.
    function proposalStatus(bytes32 proposalId) external view returns (ProposalStatus);

    /// @notice How many votes of the account on the proposal were counted in the on-chain lane, and what the last one chose.
    function voteOf(bytes32 proposalId, address account) external view returns (uint32 count, uint8 choice);

    /// @notice The EIP-712 digest that a voter signs for `voteBySig`, `voteBySigs` and `approveFromLog`.
    function hashVote(Vote calldata vote_) external view returns (bytes32);

    /// @notice The EIP-712 digest of a decision: the `subject` of its entry in the log.
    function hashDecision(Decision calldata decision) external view returns (bytes32);

    /// @notice The EIP-712 digest that replicas sign for `anchor`.
    function hashCheckpoint(Checkpoint calldata checkpoint) external view returns (bytes32);

    /// @notice The EIP-712 domain separator: name `Quorate`, version `1`, the chain's id, this contract.
    function domainSeparator() external view returns (bytes32);

    /// @notice The contract that has the code of {IGroupRegistry}.
    function groupRegistry() external view returns (address);
}
