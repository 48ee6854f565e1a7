// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {Domain} from "./Domain.sol";
import {Errors} from "./Errors.sol";
import {Hashes} from "./Hashes.sol";
import {IOnChainLane} from "./IOnChainLane.sol";
import {Module} from "./Module.sol";
import {Records} from "./Records.sol";
import {Signatures} from "./Signatures.sol";
import {Ballot, CHOICE_ABSTAIN, CHOICE_AGAINST, CHOICE_FOR, Skip, Status, Verdict} from "./Types.sol";

/// @title Voting
/// @notice How votes on open proposals are cast and counted, and what signed votes and objections weigh together.
abstract contract Voting is Records, Domain, Signatures, Module, IOnChainLane {
    using SafeCast for uint256;

    /// @dev What every vote or objection of a list says.
    struct Statement {
        bytes32 groupId;
        bytes32 proposalId;
        // objections have neither an epoch nor an end
        bool isVote;
        uint64 epoch;
        uint64 votingEnds;
    }

    // ---------------------------------------------------------------------------------------------------------
    // Transactions
    // ---------------------------------------------------------------------------------------------------------

    /// @inheritdoc IOnChainLane
    function vote(bytes32 groupId, bytes32 proposalId, uint8 choice) external override onlyDelegated {
        GroupState storage group = _group(groupId);
        Record storage record = group.records[proposalId];
        (Status status,) = _status(group, record);
        require(status == Status.Open, Errors.WrongStatus(proposalId, status));
        (bool counts, Skip why) = _mayCast(group, record, msg.sender, choice);
        if (!counts) {
            require(why != Skip.InvalidChoice, Errors.InvalidChoice(choice));
            require(why != Skip.NotVoter, Errors.NotVoter(groupId, msg.sender));
            revert Errors.AlreadyVoted(proposalId, msg.sender);
        }
        _cast(group, groupId, record, proposalId, msg.sender, choice);
    }

    /// @inheritdoc IOnChainLane
    function voteBySigs(bytes32 groupId, bytes32 proposalId, Ballot[] calldata ballots)
        external
        override
        onlyDelegated
    {
        GroupState storage group = _group(groupId);
        Record storage record = group.records[proposalId];
        (Status status,) = _status(group, record);
        bool isOpen = status == Status.Open;
        for (uint256 i = 0; i < ballots.length; ++i) {
            Ballot calldata ballot = ballots[i];
            (bool counts, Skip why) =
                isOpen ? _mayCast(group, record, ballot.voter, ballot.choice) : (false, Skip.NotOpen);
            if (counts && !_signedVote(record, proposalId, ballot)) (counts, why) = (false, Skip.InvalidSignature);
            // What was decided by the ballots before takes no more.
            if (counts) isOpen = _cast(group, groupId, record, proposalId, ballot.voter, ballot.choice);
            else emit BallotSkipped(groupId, proposalId, ballot.voter, why);
        }
    }

    // ---------------------------------------------------------------------------------------------------------
    // For the lane
    // ---------------------------------------------------------------------------------------------------------

    /// @dev The weight of those of the ballots that count: by strictly ascending voter, each a current voter's who
    /// has not left, and signed by it. Others are passed over.
    function _weigh(GroupState storage group, Statement memory statement, Ballot[] calldata ballots)
        internal
        returns (uint256 weight)
    {
        address previous = address(0);
        for (uint256 i = 0; i < ballots.length; ++i) {
            address voter = ballots[i].voter;
            uint64 own = _voterWeight(group, voter);
            (bool counts, Skip why) = _mayCount(statement, ballots[i], previous, own);
            if (counts) (weight, previous) = (weight + own, voter);
            else emit BallotSkipped(statement.groupId, statement.proposalId, voter, why);
        }
    }

    // ---------------------------------------------------------------------------------------------------------
    // Private
    // ---------------------------------------------------------------------------------------------------------

    /// @dev Counts a vote that may be cast, and says whether the proposal is open after it.
    function _cast(
        GroupState storage group,
        bytes32 groupId,
        Record storage record,
        bytes32 proposalId,
        address voter,
        uint8 choice
    ) private returns (bool isOpen) {
        Cast storage cast = record.casts[voter];
        (uint8 before, uint32 count) = (cast.choice, cast.count);
        uint64 weight = _voterWeight(group, voter);
        // Weights do not change while a proposal takes votes.
        if (count != 0) _count(record, before, weight, false);
        _count(record, choice, weight, true);
        (cast.choice, cast.count) = (choice, count + 1);
        emit VoteCast(groupId, proposalId, voter, choice, weight, count);

        return _decide(group, groupId, record, proposalId);
    }

    /// @dev Closes the proposal if the vote that was just counted settles it, and says whether it is open still.
    function _decide(GroupState storage group, bytes32 groupId, Record storage record, bytes32 proposalId)
        private
        returns (bool isOpen)
    {
        Verdict decided = _verdict(group, record, false);
        if (decided == Verdict.Open) return true;
        Status status = decided == Verdict.Approved ? Status.Approved : Status.Rejected;
        record.status = status;
        if (status == Status.Approved) record.approvedAt = block.timestamp.toUint40();
        emit ProposalDecided(groupId, proposalId, status, record.forWeight, record.againstWeight, record.abstainWeight);
    }

    function _count(Record storage record, uint8 choice, uint72 weight, bool adds) private {
        if (choice == CHOICE_FOR) {
            record.forWeight = adds ? record.forWeight + weight : record.forWeight - weight;
        } else if (choice == CHOICE_AGAINST) {
            record.againstWeight = adds ? record.againstWeight + weight : record.againstWeight - weight;
        } else {
            record.abstainWeight = adds ? record.abstainWeight + weight : record.abstainWeight - weight;
        }
    }

    /// @dev Whether this vote on an open proposal counts, and if not, why.
    function _mayCast(GroupState storage group, Record storage record, address voter, uint8 choice)
        private
        view
        returns (bool, Skip)
    {
        if (choice > CHOICE_ABSTAIN) return (false, Skip.InvalidChoice);
        if (_voterWeight(group, voter) == 0) return (false, Skip.NotVoter);
        Cast storage cast = record.casts[voter];
        bool hasVoted = cast.count != 0 && (cast.choice == choice || !group.classes[record.class].revotes);
        return (!hasVoted, Skip.AlreadyVoted);
    }

    function _signedVote(Record storage record, bytes32 proposalId, Ballot calldata ballot)
        private
        view
        returns (bool)
    {
        bytes32 structHash = Hashes.hashVote(
            ballot.voter, proposalId, ballot.choice, record.epoch, record.votingEnds, record.casts[ballot.voter].count
        );
        return _signedBy(ballot.voter, _digest(structHash), ballot.signature);
    }

    /// @dev Whether a ballot of a list counts, and if not, why.
    function _mayCount(Statement memory statement, Ballot calldata ballot, address previous, uint64 weight)
        private
        view
        returns (bool, Skip)
    {
        address voter = ballot.voter;
        if (voter <= previous) return (false, Skip.NotAscending);
        if (weight == 0) return (false, Skip.NotVoter);
        if (statement.isVote && ballot.choice != CHOICE_FOR) return (false, Skip.InvalidChoice);
        bytes32 structHash = statement.isVote
            ? Hashes.hashVote(voter, statement.proposalId, CHOICE_FOR, statement.epoch, statement.votingEnds, 0)
            : Hashes.hashObjection(voter, statement.proposalId);
        return (_signedBy(voter, _digest(structHash), ballot.signature), Skip.InvalidSignature);
    }
}
