// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {Errors} from "./Errors.sol";
import {Groups} from "./Groups.sol";
import {Hashes} from "./Hashes.sol";
import {IAgentCoordinator} from "./IAgentCoordinator.sol";
import {CHOICE_ABSTAIN, CHOICE_AGAINST, CHOICE_FOR, Call, Lane, Proposal, ProposalStatus, Vote} from "./Types.sol";

// The locals `group` hide a view of that name, which is for callers from outside: the contract itself never calls it.
// slither-disable-start shadowing-local

/// @title Proposals
/// @notice The on-chain lane: propose, vote, execute.
abstract contract Proposals is Groups, EIP712, ReentrancyGuardTransient {
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
        // Rejected or Cancelled once it is; otherwise Open, whatever else has become of it
        ProposalStatus refused;
        // slot 3: all that a vote changes. 64 members of at most 2^64 - 1 weigh less than 2^70.
        uint72 forWeight;
        uint72 againstWeight;
        uint72 abstainWeight;
        uint40 approvedAt;
        // slot 4
        mapping(address account => bool) voted;
    }

    mapping(bytes32 proposalId => ProposalState) private _proposals;

    // ---------------------------------------------------------------------------------------------------------
    // Transactions
    // ---------------------------------------------------------------------------------------------------------

    /// @inheritdoc IAgentCoordinator
    function propose(bytes32 groupId, Call[] calldata calls, string calldata description, uint64 salt)
        external
        override
        returns (bytes32 proposalId)
    {
        GroupState storage group = _group(groupId);
        _voterWeight(group, groupId, msg.sender);
        bytes32 actionsHash = Hashes.hashCalls(calls);
        proposalId = Hashes.proposalId(groupId, msg.sender, salt, actionsHash, keccak256(bytes(description)));
        ProposalState storage state = _proposals[proposalId];
        require(state.proposer == address(0), Errors.ProposalExists(proposalId));
        require(!group.executed[proposalId], Errors.AlreadyExecuted(groupId, proposalId));

        uint40 votingEnds = (block.timestamp + group.votingPeriod).toUint40();
        state.groupId = groupId;
        state.actionsHash = actionsHash;
        state.proposer = msg.sender;
        state.votingEnds = votingEnds;
        state.epoch = group.epoch;
        emit ProposalCreated(groupId, proposalId, msg.sender, salt, calls, description, votingEnds);
    }

    /// @inheritdoc IAgentCoordinator
    function vote(bytes32 proposalId, uint8 choice) external override {
        _castVote(proposalId, _proposal(proposalId), msg.sender, choice);
    }

    /// @inheritdoc IAgentCoordinator
    function voteBySig(bytes32 proposalId, address voter, uint8 choice, bytes calldata signature) external override {
        ProposalState storage state = _proposal(proposalId);
        bytes32 digest =
            _hashTypedDataV4(Hashes.hashVote(Vote({groupId: state.groupId, proposalId: proposalId, choice: choice})));
        require(
            SignatureChecker.isValidSignatureNowCalldata(voter, digest, signature), Errors.InvalidVoteSignature(voter)
        );
        _castVote(proposalId, state, voter, choice);
    }

    /// @inheritdoc IAgentCoordinator
    function cancel(bytes32 proposalId) external override {
        ProposalState storage state = _proposal(proposalId);
        require(msg.sender == state.proposer, Errors.NotProposer(proposalId, msg.sender));
        _requireOpen(proposalId, state);

        state.refused = ProposalStatus.Cancelled;
        emit ProposalCancelled(state.groupId, proposalId);
    }

    /// @inheritdoc IAgentCoordinator
    function execute(bytes32 proposalId, Call[] calldata calls) external override nonReentrant {
        ProposalState storage state = _proposal(proposalId);
        bytes32 groupId = state.groupId;
        GroupState storage group = _group(groupId);
        require(!group.executed[proposalId], Errors.AlreadyExecuted(groupId, proposalId));
        ProposalStatus status = _status(proposalId, state);
        require(status == ProposalStatus.Approved, Errors.ProposalNotApproved(proposalId, status));
        uint256 readyAt = uint256(state.approvedAt) + group.timelock;
        // A timelock counts seconds by the hour or day; what a block's producer can shift is far below that.
        // slither-disable-next-line timestamp
        require(block.timestamp >= readyAt, Errors.TimelockNotOver(proposalId, readyAt));
        bytes32 given = Hashes.hashCalls(calls);
        require(given == state.actionsHash, Errors.ActionsMismatch(state.actionsHash, given));

        _execute(group, groupId, proposalId, Lane.OnChain, calls);
    }

    // ---------------------------------------------------------------------------------------------------------
    // Views
    // ---------------------------------------------------------------------------------------------------------

    /// @inheritdoc IAgentCoordinator
    function proposal(bytes32 proposalId) external view override returns (Proposal memory) {
        ProposalState storage state = _proposal(proposalId);
        return Proposal({
            groupId: state.groupId,
            actionsHash: state.actionsHash,
            proposer: state.proposer,
            votingEnds: state.votingEnds,
            approvedAt: state.approvedAt,
            forWeight: state.forWeight,
            againstWeight: state.againstWeight,
            abstainWeight: state.abstainWeight,
            status: _status(proposalId, state)
        });
    }

    /// @inheritdoc IAgentCoordinator
    function proposalStatus(bytes32 proposalId) external view override returns (ProposalStatus) {
        return _status(proposalId, _proposal(proposalId));
    }

    /// @inheritdoc IAgentCoordinator
    function hasVoted(bytes32 proposalId, address account) external view override returns (bool) {
        return _proposal(proposalId).voted[account];
    }

    /// @inheritdoc IAgentCoordinator
    function hashVote(Vote calldata vote_) external view override returns (bytes32) {
        return _hashTypedDataV4(Hashes.hashVote(vote_));
    }

    /// @inheritdoc IAgentCoordinator
    function hashCalls(Call[] calldata calls) external pure override returns (bytes32) {
        return Hashes.hashCalls(calls);
    }

    /// @inheritdoc IAgentCoordinator
    function proposalIdOf(bytes32 groupId, address proposer, uint64 salt, bytes32 actionsHash, bytes32 descriptionHash)
        external
        pure
        override
        returns (bytes32)
    {
        return Hashes.proposalId(groupId, proposer, salt, actionsHash, descriptionHash);
    }

    // ---------------------------------------------------------------------------------------------------------
    // Private
    // ---------------------------------------------------------------------------------------------------------

    function _castVote(bytes32 proposalId, ProposalState storage state, address voter, uint8 choice) private {
        bytes32 groupId = state.groupId;
        GroupState storage group = _group(groupId);
        _requireOpen(proposalId, state);
        uint64 weight = _voterWeight(group, groupId, voter);
        require(!state.voted[voter], Errors.AlreadyVoted(proposalId, voter));

        state.voted[voter] = true;
        if (choice == CHOICE_FOR) {
            state.forWeight += weight;
        } else if (choice == CHOICE_AGAINST) {
            state.againstWeight += weight;
        } else if (choice == CHOICE_ABSTAIN) {
            state.abstainWeight += weight;
        } else {
            revert Errors.InvalidChoice(choice);
        }
        emit VoteCast(groupId, proposalId, voter, choice, weight);
        _decide(proposalId, state, group);
    }

    /// @dev Closes the proposal if the vote that was just counted settles it.
    function _decide(bytes32 proposalId, ProposalState storage state, GroupState storage group) private {
        ProposalStatus status;
        if (state.forWeight >= group.threshold) {
            status = ProposalStatus.Approved;
            state.approvedAt = block.timestamp.toUint40();
        } else if (_outOfReach(state, group)) {
            status = ProposalStatus.Rejected;
            state.refused = status;
        } else {
            return;
        }
        emit ProposalDecided(
            state.groupId, proposalId, status, state.forWeight, state.againstWeight, state.abstainWeight
        );
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

    /// @dev Approval and rejection are settled by the vote that caused them, so they come before expiry. Execution
    /// comes first: the anchored lane may execute a proposal whatever the on-chain lane made of it. The epoch ends the
    /// voting as the time does: weights of two epochs never meet in one tally.
    function _status(bytes32 proposalId, ProposalState storage state) private view returns (ProposalStatus) {
        GroupState storage group = _group(state.groupId);
        if (group.executed[proposalId]) return ProposalStatus.Executed;
        if (state.approvedAt != 0) return ProposalStatus.Approved;
        if (state.refused != ProposalStatus.Open) return state.refused;
        // As with the timelock: a voting period is long beside what a block's producer can shift.
        // slither-disable-next-line timestamp
        if (state.epoch != group.epoch || block.timestamp >= state.votingEnds) return ProposalStatus.Expired;
        return ProposalStatus.Open;
    }

    /// @dev Whether approval can no longer be reached, even if all the weight that is left votes for it. The tallies are
    /// of the current epoch, or no vote would have been taken.
    function _outOfReach(ProposalState storage state, GroupState storage group) private view returns (bool) {
        return group.totalWeight - state.againstWeight - state.abstainWeight < group.threshold;
    }
}
// slither-disable-end shadowing-local
