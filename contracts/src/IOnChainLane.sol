// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {Ballot, Call, Class, Content, Member, ProposalState, Refusal, Verdict} from "./Types.sol";

/// @title IOnChainLane
/// @notice The voters' lane: the part of {IAgentCoordinator} that `OnChainLane` has the code of. What is opened and what comes to
/// an end here is told to the group's log by its inbox. What is read of proposals, and of what decides on them, is here too.
interface IOnChainLane {
    /// @notice Proposes calls to the group. Voting begins at once and lasts for the class' voting period, or until the
    /// group's members change, if that comes first: a proposal that is open then has expired, because the votes that it
    /// has are of weights that count no more. One that was approved before stays approved, and can be executed.
    /// @dev Requires: the caller is a voter and has not left; the lane is open: always, or when the group has stalled (and its
    /// sequencer is up), as the class has it; the calls are valid and the class permits them (but for windows, which count at
    /// the execution); nothing happened on-chain to the very same proposal before.
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
    /// @param groupId The group.
    /// @param proposalId The proposal.
    /// @param choice 0 against, 1 for, 2 abstain.
    function vote(bytes32 groupId, bytes32 proposalId, uint8 choice) external;

    /// @notice As `vote`, for voters who signed their votes (EIP-712 `Vote`) instead of sending them. Anybody may send it. What
    /// does not count is passed over (`BallotSkipped`): whoever sends some of them earlier, votes otherwise or leaves does not
    /// spoil the rest. A voter with code is asked with the gas that there is, so leave out one that burns it.
    /// @param groupId The group.
    /// @param proposalId The proposal.
    /// @param ballots The votes, in any order.
    function voteBySigs(bytes32 groupId, bytes32 proposalId, Ballot[] calldata ballots) external;

    /// @notice Approves a proposal by the votes that it was given off-chain, when the group has stalled: the escape lane. Anybody
    /// may send it. It outranks what was opened, rejected or cancelled here; what an anchored log was shown to have refused
    /// (`closeFromLog`) stays refused.
    /// @dev Requires: the class allows it; the group has stalled, and its sequencer is up; the voting has not ended; the calls
    /// are valid and permitted; the weight of the ballots that count reaches the threshold of all weight; the proposal was not
    /// approved, executed or revoked. A ballot counts when it is a voter's who has not left, for it, signed with nonce 0, for the
    /// group's `votersSince` and this end of the voting, by strictly ascending voter; others are passed over (`BallotSkipped`).
    /// @param groupId The group.
    /// @param content What was proposed.
    /// @param votingEnds When its voting ends (Unix time), as the log has it.
    /// @param ballots The votes.
    /// @return proposalId The proposal's identifier.
    function approveBySigs(bytes32 groupId, Content calldata content, uint64 votingEnds, Ballot[] calldata ballots)
        external
        returns (bytes32 proposalId);

    /// @notice Shows that an anchored log refused a proposal: from then on `approveBySigs` does not take it, and takes back what it
    /// approved. Anybody may send it.
    /// @dev Requires: the status is 2 to 4; the proof leads from the refusal's entry to the root anchored for `anchoredSize`.
    /// @param groupId The group.
    /// @param anchoredSize The log size of an anchor.
    /// @param refusal The decision and its entry.
    /// @param proof The RFC 9162 inclusion proof of the entry in the log of that size.
    function closeFromLog(bytes32 groupId, uint64 anchoredSize, Refusal calldata refusal, bytes32[] calldata proof)
        external;

    /// @notice Withdraws an open proposal.
    /// @dev Requires: the caller is its proposer; it is open.
    /// @param groupId The group.
    /// @param content What was proposed.
    function cancel(bytes32 groupId, Content calldata content) external;

    /// @notice Makes an approved proposal's calls. Anybody may send it. When a call fails that must not, all is as before: it
    /// can be tried again until its time is over.
    /// @dev Requires: the proposal is approved; the class' timelock since its approval is over, and its expiry from then on
    /// is not; the sequencer is up; the class permits the calls, by limits and window too.
    /// @param groupId The group.
    /// @param content What was proposed.
    function execute(bytes32 groupId, Content calldata content) external;

    /// @notice Takes back an approved proposal by signed objections (EIP-712 `Objection`) of a minority that could have blocked
    /// it: the class' veto of all weight, or, where that is zero, more than what the threshold leaves. Anybody may send it.
    /// @dev Requires: the proposal is approved and not executed; the weight of the objections that count reaches that, all in this
    /// call, by the weights as they are. What does not count is passed over (`BallotSkipped`).
    /// @param groupId The group.
    /// @param proposalId The proposal.
    /// @param objections By strictly ascending voter; their `choice` is not read.
    function veto(bytes32 groupId, bytes32 proposalId, Ballot[] calldata objections) external;

    /// @notice Takes back a proposal, approved in whatever lane or known from the log alone, by a decision of the group.
    /// @dev Requires: the caller is the group's account; the proposal was not executed.
    /// @param groupId The group.
    /// @param proposalId The proposal.
    function revoke(bytes32 groupId, bytes32 proposalId) external;

    /// @notice Replaces the replicas, and begins the next era, by a decision of the group, when the replicas are gone. The log
    /// goes on from the last anchor; an anchor that takes the waiting message takes this back until the last moment.
    /// @dev Requires: the caller is the group's account; the epoch is as below; the terms have a recovery time, and a
    /// message of the inbox has waited for that long; the sequencer is up; the members are as for `anchorAndRotate`.
    /// @param groupId The group.
    /// @param epoch The group's `votersSince`: rotations that leave the weights alone do not stand in the way.
    /// @param members The members of the next era.
    function recover(bytes32 groupId, uint64 epoch, Member[] calldata members) external;

    /// @notice Where a proposal of the group stands; status `None` where nothing happened to it on-chain. Reverts when there is
    /// no such group.
    function proposal(bytes32 groupId, bytes32 proposalId) external view returns (ProposalState memory);

    /// @notice How many votes of the account on the proposal were counted in the on-chain lane, and what the last one chose.
    function voteOf(bytes32 groupId, bytes32 proposalId, address account)
        external
        view
        returns (uint32 count, uint8 choice);

    /// @notice How much of an asset a class may still send: by one decision, and in all at this moment; both 0 for an asset
    /// without a limit, and `left` is the largest number where the class has no window.
    function spendable(bytes32 groupId, uint8 class, address asset)
        external
        view
        returns (uint256 perDecision, uint256 left);

    /// @notice Whether the group's sequencer is up, and has been for an hour, by its uptime feed; true where it has none.
    function isUp(bytes32 groupId) external view returns (bool);

    /// @notice What votes decide by the rule of a class: open, approved or rejected, and expired in place of open once the
    /// voting has ended. The replicas decide by the same rules.
    /// @param class The class; of its fields, those that rule votes.
    /// @param forWeight Weight of the votes for.
    /// @param againstWeight Weight of the votes against.
    /// @param abstainWeight Weight of the abstentions.
    /// @param totalWeight Weight of all voters: not less than that of the votes.
    /// @param ended Whether the voting has ended.
    function verdict(
        Class calldata class,
        uint128 forWeight,
        uint128 againstWeight,
        uint128 abstainWeight,
        uint128 totalWeight,
        bool ended
    ) external pure returns (Verdict);

    /// @notice The identifier of a proposal: the EIP-712 struct hash of `Proposal(bytes32 groupId,address proposer,uint64 salt,
    /// uint8 class,Call[] calls,string description)`, without the domain.
    /// @param callsHash See `hashCalls`.
    /// @param descriptionHash keccak256 of the description.
    function proposalIdOf(
        bytes32 groupId,
        address proposer,
        uint64 salt,
        uint8 class,
        bytes32 callsHash,
        bytes32 descriptionHash
    ) external pure returns (bytes32);

    /// @notice EIP-712's encoding of `Call[]`: keccak256 of the calls' struct hashes, one after the other.
    function hashCalls(Call[] calldata calls) external pure returns (bytes32);

    /// @notice The EIP-712 digest that a voter signs for `voteBySigs`, and off-chain in classes with an escape lane.
    /// @param voter The voter.
    /// @param proposalId The proposal, which stands for its content.
    /// @param choice 0 against, 1 for, 2 abstain.
    /// @param epoch The group's `votersSince` when the proposal was made: a vote does not count for other weights.
    /// @param votingEnds The proposal's own: a vote counts for no other deadline.
    /// @param nonce How many votes of this voter on the proposal were counted before.
    function hashVote(address voter, bytes32 proposalId, uint8 choice, uint64 epoch, uint64 votingEnds, uint32 nonce)
        external
        view
        returns (bytes32);

    /// @notice The EIP-712 digest that a voter signs for `veto`.
    function hashObjection(address voter, bytes32 proposalId) external view returns (bytes32);
}
