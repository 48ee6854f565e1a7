// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {Errors} from "./Errors.sol";
import {Groups} from "./Groups.sol";
import {Hashes} from "./Hashes.sol";
import {ILanes} from "./ILanes.sol";
import {Policies} from "./Policies.sol";
import {
    Ballot,
    Call,
    CHOICE_ABSTAIN,
    CHOICE_AGAINST,
    CHOICE_FOR,
    Content,
    INBOX_EXECUTED,
    Lane,
    Policy,
    Proposal,
    ProposalStatus,
    Vote
} from "./Types.sol";

/// @title Proposals
/// @notice The on-chain lane: propose, vote, execute; and the escape lane, where what began off-chain comes to its end.
abstract contract Proposals is Groups, ILanes, EIP712, ReentrancyGuardTransient {
    using SafeCast for uint256;

    struct ProposalState {
        // slot 0
        bytes32 groupId;
        // slot 1
        bytes32 actionsHash;
        // slot 2
        address proposer;
        uint40 votingEnds;
        // the epoch in which it was made, and whose weights its tallies are of
        uint32 epoch;
        uint8 class;
        // Rejected or Cancelled once it is; otherwise Open, whatever else has become of it
        ProposalStatus refused;
        // whether it began off-chain, and came here by the escape lane
        bool fromLog;
        // slot 3: all that a vote changes. 64 members of at most 2^64 - 1 weigh less than 2^70.
        uint72 forWeight;
        uint72 againstWeight;
        uint72 abstainWeight;
        // when a vote approved it; 0 when none did, also where the end of the voting approved it
        uint40 approvedAt;
        // slot 4
        mapping(address account => Cast) casts;
    }

    /// @dev What a new proposal is.
    struct Opening {
        bytes32 actionsHash;
        address proposer;
        uint8 class;
        uint40 votingEnds;
    }

    /// @dev What a voter has cast on a proposal.
    struct Cast {
        uint8 choice;
        // how many votes were counted, the last of which counts; 0 before the first
        uint32 count;
    }

    mapping(bytes32 proposalId => ProposalState) private _proposals;

    // ---------------------------------------------------------------------------------------------------------
    // Transactions
    // ---------------------------------------------------------------------------------------------------------

    /// @inheritdoc ILanes
    function propose(bytes32 groupId, uint8 class, Call[] calldata calls, string calldata description, uint64 salt)
        external
        override
        returns (bytes32 proposalId)
    {
        GroupState storage group = _group(groupId);
        _voterWeight(group, groupId, msg.sender);
        uint40 votingEnds = (block.timestamp + _checkProposable(group, groupId, class, calls)).toUint40();
        bytes32 actionsHash = Hashes.hashCalls(calls);
        proposalId = Hashes.proposalId(groupId, msg.sender, salt, class, actionsHash, keccak256(bytes(description)));

        _open(group, groupId, proposalId, Opening(actionsHash, msg.sender, class, votingEnds));
        emit ProposalCreated(groupId, proposalId, msg.sender, class, salt, calls, description, votingEnds);
    }

    /// @inheritdoc ILanes
    function vote(bytes32 proposalId, uint8 choice) external override {
        ProposalState storage state = _proposal(proposalId);
        _requireOpen(proposalId, state);
        _castVote(proposalId, state, msg.sender, choice);
    }

    /// @inheritdoc ILanes
    function voteBySig(bytes32 proposalId, address voter, uint8 choice, bytes calldata signature) external override {
        ProposalState storage state = _proposal(proposalId);
        _requireOpen(proposalId, state);
        _checkVote(_votes(proposalId, state), voter, choice, state.casts[voter].count, signature);
        _castVote(proposalId, state, voter, choice);
    }

    /// @inheritdoc ILanes
    function voteBySigs(bytes32 proposalId, Ballot[] calldata ballots) external override {
        ProposalState storage state = _proposal(proposalId);
        _requireOpen(proposalId, state);
        for (uint256 i = 0; i < ballots.length; ++i) {
            // What was decided by the ballots before takes no more, and need not.
            if (_status(proposalId, state) != ProposalStatus.Open) return;
            (address voter, uint8 choice) = (ballots[i].voter, ballots[i].choice);
            Cast storage cast = state.casts[voter];
            // Somebody sent this one before us.
            if (cast.count != 0 && cast.choice == choice) continue;
            _checkVote(_votes(proposalId, state), voter, choice, cast.count, ballots[i].signature);
            _castVote(proposalId, state, voter, choice);
        }
    }

    /// @inheritdoc ILanes
    function approveFromLog(bytes32 groupId, Content calldata content, uint64 votingEnds, Ballot[] calldata ballots)
        external
        override
        returns (bytes32 proposalId)
    {
        GroupState storage group = _group(groupId);
        Policy storage policy = _policy(group, groupId, content.class);
        require(policy.escape, Errors.NoEscape(groupId, content.class));
        require(_hasStalled(group), Errors.NotStalled(groupId));
        // As with the timelock: a voting period is long beside what a block's producer can shift.
        // slither-disable-next-line timestamp
        require(block.timestamp < votingEnds, Errors.VotingOver(votingEnds));
        Policies.checkCalls(policy.scope, policy.valueLimit, content.calls);
        bytes32 actionsHash;
        (proposalId, actionsHash) = _identify(groupId, content);
        uint256 weight =
            _approvingWeight(group, policy.threshold, _votesFor(group, groupId, proposalId, votingEnds), ballots);

        _open(
            group,
            groupId,
            proposalId,
            Opening(actionsHash, content.proposer, content.class, uint256(votingEnds).toUint40())
        );
        _approveFromLog(proposalId, weight);
        emit ProposalApprovedFromLog(groupId, proposalId, content, votingEnds, ballots);
        emit ProposalDecided(groupId, proposalId, ProposalStatus.Approved, weight.toUint128(), 0, 0);
    }

    /// @inheritdoc ILanes
    function cancel(bytes32 proposalId) external override {
        ProposalState storage state = _proposal(proposalId);
        require(msg.sender == state.proposer, Errors.NotProposer(proposalId, msg.sender));
        _requireOpen(proposalId, state);

        state.refused = ProposalStatus.Cancelled;
        emit ProposalCancelled(state.groupId, proposalId);
    }

    /// @inheritdoc ILanes
    function execute(bytes32 proposalId, Call[] calldata calls) external override nonReentrant {
        ProposalState storage state = _proposal(proposalId);
        bytes32 groupId = state.groupId;
        GroupState storage group = _group(groupId);
        require(!group.executed[proposalId], Errors.AlreadyExecuted(groupId, proposalId));
        ProposalStatus status = _status(proposalId, state);
        require(status == ProposalStatus.Approved, Errors.ProposalNotApproved(proposalId, status));
        (uint256 from,) = _window(state, group.classes[state.class]);
        // A timelock counts seconds by the hour or day; what a block's producer can shift is far below that.
        // slither-disable-next-line timestamp
        require(block.timestamp >= from, Errors.TimelockNotOver(proposalId, from));
        (bytes memory payload, bytes32 given) = Hashes.encodeCalls(calls);
        require(given == state.actionsHash, Errors.ActionsMismatch(state.actionsHash, given));

        _markExecuted(group, groupId, proposalId, Lane.OnChain);
        if (state.fromLog) _append(group, groupId, INBOX_EXECUTED, msg.sender, abi.encode(proposalId));
        _makeCalls(group.account, payload);
    }

    // ---------------------------------------------------------------------------------------------------------
    // Views
    // ---------------------------------------------------------------------------------------------------------

    /// @inheritdoc ILanes
    function proposal(bytes32 proposalId) external view override returns (Proposal memory) {
        ProposalState storage state = _proposal(proposalId);
        return Proposal({
            groupId: state.groupId,
            actionsHash: state.actionsHash,
            proposer: state.proposer,
            class: state.class,
            votingEnds: state.votingEnds,
            approvedAt: _approvedAt(proposalId, state),
            forWeight: state.forWeight,
            againstWeight: state.againstWeight,
            abstainWeight: state.abstainWeight,
            status: _status(proposalId, state)
        });
    }

    /// @inheritdoc ILanes
    function proposalStatus(bytes32 proposalId) external view override returns (ProposalStatus) {
        return _status(proposalId, _proposal(proposalId));
    }

    /// @inheritdoc ILanes
    function voteOf(bytes32 proposalId, address account) external view override returns (uint32 count, uint8 choice) {
        Cast storage cast = _proposal(proposalId).casts[account];
        return (cast.count, cast.choice);
    }

    /// @inheritdoc ILanes
    function hashVote(Vote calldata vote_) external view override returns (bytes32) {
        return _hashTypedDataV4(Hashes.hashVote(vote_));
    }

    // ---------------------------------------------------------------------------------------------------------
    // Private
    // ---------------------------------------------------------------------------------------------------------

    /// @dev How long the voting on these calls lasts, or a revert when the class or its lane does not take them.
    function _checkProposable(GroupState storage group, bytes32 groupId, uint8 class, Call[] calldata calls)
        private
        view
        returns (uint256)
    {
        Policy storage policy = _policy(group, groupId, class);
        require(!policy.onlyStalled || _hasStalled(group), Errors.LaneClosed(groupId, class));
        Policies.checkCalls(policy.scope, policy.valueLimit, calls);
        return policy.votingPeriod;
    }

    /// @dev Keeps a new proposal.
    function _open(GroupState storage group, bytes32 groupId, bytes32 proposalId, Opening memory opening) private {
        ProposalState storage state = _proposals[proposalId];
        require(state.proposer == address(0), Errors.ProposalExists(proposalId));
        require(!group.executed[proposalId], Errors.AlreadyExecuted(groupId, proposalId));
        state.groupId = groupId;
        state.actionsHash = opening.actionsHash;
        state.proposer = opening.proposer;
        state.votingEnds = opening.votingEnds;
        state.epoch = group.epoch;
        state.class = opening.class;
    }

    /// @dev Approves a new proposal that began off-chain.
    function _approveFromLog(bytes32 proposalId, uint256 weight) private {
        ProposalState storage state = _proposals[proposalId];
        state.fromLog = true;
        // It fits: no more than the weight of all voters.
        // forge-lint: disable-next-line(unsafe-typecast)
        state.forWeight = uint72(weight);
        state.approvedAt = block.timestamp.toUint40();
    }

    /// @dev The identifier of what was proposed off-chain, and the hash of its calls.
    function _identify(bytes32 groupId, Content calldata content)
        private
        pure
        returns (bytes32 proposalId, bytes32 actionsHash)
    {
        actionsHash = Hashes.hashCalls(content.calls);
        bytes32 descriptionHash = keccak256(bytes(content.description));
        proposalId =
            Hashes.proposalId(groupId, content.proposer, content.salt, content.class, actionsHash, descriptionHash);
    }

    /// @dev What every vote off-chain for the proposal says.
    function _votesFor(GroupState storage group, bytes32 groupId, bytes32 proposalId, uint64 votingEnds)
        private
        view
        returns (Vote memory)
    {
        return Vote({
            groupId: groupId,
            proposalId: proposalId,
            choice: CHOICE_FOR,
            epoch: group.epoch,
            votingEnds: votingEnds,
            nonce: 0
        });
    }

    /// @dev Counts a vote on an open proposal, and closes the proposal if that settles it.
    function _castVote(bytes32 proposalId, ProposalState storage state, address voter, uint8 choice) private {
        bytes32 groupId = state.groupId;
        GroupState storage group = _group(groupId);
        Policy storage policy = group.classes[state.class];
        require(choice <= CHOICE_ABSTAIN, Errors.InvalidChoice(choice));
        uint64 weight = _voterWeight(group, groupId, voter);
        Cast storage cast = state.casts[voter];
        uint32 count = cast.count;
        if (count != 0) {
            require(policy.revotes && cast.choice != choice, Errors.AlreadyVoted(proposalId, voter));
            // Weights do not change within an epoch, and no vote is taken in another.
            _count(state, cast.choice, weight, false);
        }

        _count(state, choice, weight, true);
        (cast.choice, cast.count) = (choice, count + 1);
        emit VoteCast(groupId, proposalId, voter, choice, weight, count);
        _decide(proposalId, state, group, policy);
    }

    function _count(ProposalState storage state, uint8 choice, uint72 weight, bool adds) private {
        if (choice == CHOICE_FOR) {
            state.forWeight = adds ? state.forWeight + weight : state.forWeight - weight;
        } else if (choice == CHOICE_AGAINST) {
            state.againstWeight = adds ? state.againstWeight + weight : state.againstWeight - weight;
        } else {
            state.abstainWeight = adds ? state.abstainWeight + weight : state.abstainWeight - weight;
        }
    }

    /// @dev Closes the proposal if the vote that was just counted settles it.
    function _decide(bytes32 proposalId, ProposalState storage state, GroupState storage group, Policy storage policy)
        private
    {
        ProposalStatus status = _verdict(state, group, policy, false);
        if (status == ProposalStatus.Open) return;
        if (status == ProposalStatus.Approved) state.approvedAt = block.timestamp.toUint40();
        else state.refused = status;
        emit ProposalDecided(
            state.groupId, proposalId, status, state.forWeight, state.againstWeight, state.abstainWeight
        );
    }

    /// @dev What every vote on the proposal says, whoever casts it.
    function _votes(bytes32 proposalId, ProposalState storage state) private view returns (Vote memory) {
        return Vote({
            groupId: state.groupId,
            proposalId: proposalId,
            choice: 0,
            epoch: state.epoch,
            votingEnds: state.votingEnds,
            nonce: 0
        });
    }

    /// @dev Reverts unless the voter signed exactly this vote.
    function _checkVote(Vote memory signed, address voter, uint8 choice, uint32 nonce, bytes calldata signature)
        private
        view
    {
        (signed.choice, signed.nonce) = (choice, nonce);
        bytes32 digest = _hashTypedDataV4(Hashes.hashVote(signed));
        require(
            SignatureChecker.isValidSignatureNowCalldata(voter, digest, signature), Errors.InvalidVoteSignature(voter)
        );
    }

    /// @dev The weight of votes for that were given off-chain in the current epoch, by strictly ascending voter, or a revert
    /// when it does not reach the threshold.
    function _approvingWeight(GroupState storage group, uint256 threshold, Vote memory votes, Ballot[] calldata ballots)
        private
        view
        returns (uint256 weight)
    {
        address previous = address(0);
        for (uint256 i = 0; i < ballots.length; ++i) {
            Ballot calldata ballot = ballots[i];
            require(ballot.voter > previous, Errors.VotersNotAscending(previous, ballot.voter));
            require(ballot.choice == CHOICE_FOR, Errors.InvalidChoice(ballot.choice));
            previous = ballot.voter;
            weight += _voterWeight(group, votes.groupId, ballot.voter);
            _checkVote(votes, ballot.voter, CHOICE_FOR, 0, ballot.signature);
        }
        uint256 needed = threshold * group.epochs[votes.epoch].totalWeight;
        // Where nobody has a vote, no weight is all of it, and approves nothing all the same.
        bool reached = weight != 0 && weight * Policies.WHOLE >= needed;
        require(reached, Errors.NotEnoughWeight(votes.proposalId, weight));
    }

    function _requireOpen(bytes32 proposalId, ProposalState storage state) private view {
        ProposalStatus status = _status(proposalId, state);
        require(status == ProposalStatus.Open, Errors.ProposalNotOpen(proposalId, status));
    }

    /// @dev The proposal, or a revert when there is none.
    function _proposal(bytes32 proposalId) private view returns (ProposalState storage state) {
        state = _proposals[proposalId];
        require(state.proposer != address(0), Errors.UnknownProposal(proposalId));
    }

    /// @dev The policy of a class, or a revert when the group has no such class.
    function _policy(GroupState storage group, bytes32 groupId, uint8 class) private view returns (Policy storage) {
        require(class < group.classes.length, Errors.UnknownClass(groupId, class));
        return group.classes[class];
    }

    /// @dev What the votes decide, by the weights of the epoch in which the proposal was made.
    function _verdict(ProposalState storage state, GroupState storage group, Policy storage policy, bool ended)
        private
        view
        returns (ProposalStatus)
    {
        Policies.Rule memory rule = Policies.Rule({
            threshold: policy.threshold,
            basis: policy.basis,
            turnout: policy.turnout,
            veto: policy.veto,
            revotes: policy.revotes
        });
        Policies.Tally memory tally = Policies.Tally({
            forWeight: state.forWeight,
            againstWeight: state.againstWeight,
            abstainWeight: state.abstainWeight,
            totalWeight: group.epochs[state.epoch].totalWeight
        });
        return Policies.verdict(rule, tally, ended);
    }

    /// @dev What a vote settled comes before what the end of the voting decides, and execution before all: the anchored
    /// lane may execute a proposal whatever the on-chain lane made of it. A change of the members that comes before the
    /// end of the voting ends it without a decision: weights of two epochs never meet in one tally.
    function _status(bytes32 proposalId, ProposalState storage state) private view returns (ProposalStatus) {
        GroupState storage group = _group(state.groupId);
        if (group.executed[proposalId]) return ProposalStatus.Executed;
        if (state.refused != ProposalStatus.Open) return state.refused;
        Policy storage policy = group.classes[state.class];
        // As with the timelock: a voting period is long beside what a block's producer can shift.
        // slither-disable-start timestamp
        if (state.approvedAt == 0) {
            bool overtaken = state.epoch != group.epoch && group.epochs[state.epoch + 1].startedAt < state.votingEnds;
            if (overtaken) return ProposalStatus.Expired;
            if (block.timestamp < state.votingEnds) return ProposalStatus.Open;
            ProposalStatus status = _verdict(state, group, policy, true);
            if (status != ProposalStatus.Approved) return status;
        }
        (, uint256 until) = _window(state, policy);
        return until != 0 && block.timestamp > until ? ProposalStatus.Expired : ProposalStatus.Approved;
        // slither-disable-end timestamp
    }

    /// @dev The first second at which an approved proposal may be executed, and the last, or 0 for no end.
    function _window(ProposalState storage state, Policy storage policy)
        private
        view
        returns (uint256 from, uint256 until)
    {
        uint256 approvedAt = state.approvedAt == 0 ? state.votingEnds : state.approvedAt;
        from = approvedAt + policy.timelock;
        until = policy.expiry == 0 ? 0 : from + policy.expiry;
    }

    /// @dev When the proposal was approved, by a vote or by the end of the voting; 0 while it is not.
    function _approvedAt(bytes32 proposalId, ProposalState storage state) private view returns (uint64) {
        if (state.approvedAt != 0) return state.approvedAt;
        return _status(proposalId, state) == ProposalStatus.Approved ? state.votingEnds : 0;
    }
}
