// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {IGovernor} from "@openzeppelin/contracts/governance/IGovernor.sol";
import {IERC165} from "@openzeppelin/contracts/interfaces/IERC165.sol";
import {IERC6372} from "@openzeppelin/contracts/interfaces/IERC6372.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Time} from "@openzeppelin/contracts/utils/types/Time.sol";

import {IAgentCoordinator} from "../IAgentCoordinator.sol";
import {Basis, Class, Opening, ProposalState, Status, WHOLE} from "../Types.sol";
import {IGovernorView} from "./IGovernorView.sol";

/// @title GovernorView
/// @notice See {IGovernorView}.
contract GovernorView is IGovernorView {
    /// @inheritdoc IGovernorView
    IAgentCoordinator public immutable override coordinator;

    /// @inheritdoc IGovernorView
    bytes32 public immutable override groupId;

    /// @param coordinator_ The `AgentCoordinator`.
    /// @param groupId_ A group that was made.
    constructor(IAgentCoordinator coordinator_, bytes32 groupId_) {
        require(address(coordinator_).code.length != 0, NoCoordinator(address(coordinator_)));
        // Reverts when there is no such group.
        // slither-disable-next-line unused-return
        coordinator_.quorum(groupId_);
        (coordinator, groupId) = (coordinator_, groupId_);
    }

    // ---------------------------------------------------------------------------------------------------------
    // Of the group
    // ---------------------------------------------------------------------------------------------------------

    /// @inheritdoc IGovernorView
    function votingPeriod() external view override returns (uint256 period) {
        Class[] memory classes = coordinator.group(groupId).terms.classes;
        for (uint256 i = 0; i < classes.length; ++i) {
            if (classes[i].opening == Opening.Never) continue;
            require(period == 0 || period == classes[i].votingPeriod, DependsOnClass());
            period = classes[i].votingPeriod;
        }
        require(period != 0, NeverOpen());
    }

    /// @inheritdoc IGovernorView
    function quorum(uint256 timepoint) external view override returns (uint256) {
        uint64 epoch = _requireKnown(timepoint);
        Class[] memory classes = coordinator.group(groupId).terms.classes;
        uint256 part = _quorum(classes[0]);
        for (uint256 i = 1; i < classes.length; ++i) {
            require(_quorum(classes[i]) == part, DependsOnClass());
        }
        return _weight(epoch, part);
    }

    /// @inheritdoc IGovernorView
    function getVotes(address account, uint256 timepoint) external view override returns (uint256) {
        // It reverts for times that nothing is known of; the epoch is the current one.
        _requireKnown(timepoint);
        if (!coordinator.seatOf(groupId, account).left) return coordinator.memberOf(groupId, account).weight;
        // When it left is not kept.
        require(timepoint == clock(), PastNotKept(timepoint, clock()));
        return 0;
    }

    // ---------------------------------------------------------------------------------------------------------
    // Of a proposal
    // ---------------------------------------------------------------------------------------------------------

    /// @inheritdoc IGovernorView
    function state(uint256 proposalId) external view override returns (IGovernor.ProposalState) {
        ProposalState memory proposal = _proposal(proposalId);
        Status status = proposal.status;
        if (status == Status.Open) return IGovernor.ProposalState.Active;
        if (status == Status.Approved) {
            return proposal.executableFrom > proposal.approvedAt
                ? IGovernor.ProposalState.Queued
                : IGovernor.ProposalState.Succeeded;
        }
        if (status == Status.Rejected) return IGovernor.ProposalState.Defeated;
        if (status == Status.Executed) return IGovernor.ProposalState.Executed;
        if (status != Status.Expired) return IGovernor.ProposalState.Canceled;
        return proposal.approvedAt == 0 ? IGovernor.ProposalState.Defeated : IGovernor.ProposalState.Expired;
    }

    /// @inheritdoc IGovernorView
    function proposalSnapshot(uint256 proposalId) external view override returns (uint256) {
        ProposalState memory proposal = _votedHere(proposalId);
        return proposal.votingEnds - _classOf(proposal).votingPeriod;
    }

    /// @inheritdoc IGovernorView
    function proposalDeadline(uint256 proposalId) external view override returns (uint256) {
        return _votedHere(proposalId).votingEnds - 1;
    }

    /// @inheritdoc IGovernorView
    function proposalEta(uint256 proposalId) external view override returns (uint256) {
        ProposalState memory proposal = _proposal(proposalId);
        return proposal.status == Status.Approved ? proposal.executableFrom : 0;
    }

    /// @inheritdoc IGovernorView
    function proposalQuorum(uint256 proposalId) external view override returns (uint256) {
        ProposalState memory proposal = _votedHere(proposalId);
        return _weight(proposal.epoch, _quorum(_classOf(proposal)));
    }

    /// @inheritdoc IGovernorView
    function hasVoted(uint256 proposalId, address account) external view override returns (bool) {
        // What was voted is not asked.
        // slither-disable-next-line unused-return
        (uint32 count,) = coordinator.voteOf(groupId, bytes32(proposalId), account);
        return count != 0;
    }

    /// @inheritdoc IGovernorView
    function proposalVotes(uint256 proposalId)
        external
        view
        override
        returns (uint256 againstVotes, uint256 forVotes, uint256 abstainVotes)
    {
        ProposalState memory proposal = _votedHere(proposalId);
        return (proposal.againstWeight, proposal.forWeight, proposal.abstainWeight);
    }

    // ---------------------------------------------------------------------------------------------------------
    // What is the same for all
    // ---------------------------------------------------------------------------------------------------------

    /// @inheritdoc IGovernorView
    function name() external pure override returns (string memory) {
        return "Quorate";
    }

    /// @inheritdoc IGovernorView
    function version() external pure override returns (string memory) {
        return "1";
    }

    /// @inheritdoc IGovernorView
    // As IGovernor writes it.
    // slither-disable-next-line naming-convention
    function COUNTING_MODE() external pure override returns (string memory) {
        return "support=bravo&quorum=against,for,abstain";
    }

    /// @notice How time is told (ERC-6372): by the chain's clock, in seconds of Unix time.
    // The name is the standard's.
    // slither-disable-next-line naming-convention
    function CLOCK_MODE() external pure override returns (string memory) {
        return "mode=timestamp";
    }

    /// @inheritdoc IGovernorView
    function proposalNeedsQueuing(uint256) external pure override returns (bool) {
        return false;
    }

    /// @inheritdoc IGovernorView
    function proposalProposer(uint256 proposalId) external pure override returns (address) {
        revert ProposersNotKept(proposalId);
    }

    /// @inheritdoc IGovernorView
    function proposalThreshold() external pure override returns (uint256) {
        return 1;
    }

    /// @inheritdoc IGovernorView
    function votingDelay() external pure override returns (uint256) {
        return 0;
    }

    /// @notice Whether this has all functions of the interface (ERC-165): ERC-165, ERC-6372 and {IGovernorView}.
    function supportsInterface(bytes4 interfaceId) external pure override returns (bool) {
        return interfaceId == type(IERC165).interfaceId || interfaceId == type(IERC6372).interfaceId
            || interfaceId == type(IGovernorView).interfaceId;
    }

    /// @notice The present, in seconds of Unix time (ERC-6372).
    function clock() public view override returns (uint48) {
        return Time.timestamp();
    }

    // ---------------------------------------------------------------------------------------------------------
    // Private
    // ---------------------------------------------------------------------------------------------------------

    /// @dev The current epoch, or a revert when the time is not one of it.
    function _requireKnown(uint256 timepoint) private view returns (uint64 epoch) {
        // Epochs last for longer than what a block's producer can shift.
        require(timepoint <= clock(), ERC5805FutureLookup(timepoint, clock()));
        epoch = coordinator.group(groupId).epoch;
        uint256 since = coordinator.epochStart(groupId, epoch).startedAt;
        require(timepoint >= since, PastNotKept(timepoint, since));
    }

    /// @dev The proposal, or OpenZeppelin's revert when there is nothing on-chain.
    function _proposal(uint256 proposalId) private view returns (ProposalState memory proposal) {
        proposal = coordinator.proposal(groupId, bytes32(proposalId));
        require(proposal.status != Status.None, IGovernor.GovernorNonexistentProposal(proposalId));
    }

    /// @dev The proposal, or a revert when it was not voted on here.
    function _votedHere(uint256 proposalId) private view returns (ProposalState memory proposal) {
        proposal = _proposal(proposalId);
        require(!proposal.fromLog && proposal.votingEnds != 0, NotOpenedHere(proposalId));
    }

    function _classOf(ProposalState memory proposal) private view returns (Class memory) {
        return coordinator.group(groupId).terms.classes[proposal.class];
    }

    /// @dev The least weight that is this part of the epoch's, in basis points.
    function _weight(uint64 epoch, uint256 part) private view returns (uint256) {
        return Math.ceilDiv(part * coordinator.epochStart(groupId, epoch).totalWeight, WHOLE);
    }

    /// @dev The least part of the weight, in basis points, without which nothing is approved.
    function _quorum(Class memory class) private pure returns (uint256) {
        return class.basis == Basis.All ? Math.max(class.threshold, class.turnout) : class.turnout;
    }
}
