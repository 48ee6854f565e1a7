// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {Domain} from "./Domain.sol";
import {Hashes} from "./Hashes.sol";
import {IOnChainLane} from "./IOnChainLane.sol";
import {Permissions} from "./Permissions.sol";
import {Policies} from "./Policies.sol";
import {Records} from "./Records.sol";
import {Uptime} from "./Uptime.sol";
import {Call, Class, ProposalState, Status, Verdict} from "./Types.sol";

/// @title ProposalViews
/// @notice What of {IOnChainLane} is only read.
abstract contract ProposalViews is Records, Permissions, Uptime, Domain, IOnChainLane {
    /// @inheritdoc IOnChainLane
    function proposal(bytes32 groupId, bytes32 proposalId)
        external
        view
        override
        returns (ProposalState memory proposal_)
    {
        GroupState storage state = _group(groupId);
        Record storage record = state.records[proposalId];
        (Status status, uint256 approvedAt) = _status(state, record);
        // Times of 40 bits, and two of 32 on top: they fit.
        // forge-lint: disable-next-line(unsafe-typecast)
        (proposal_.status, proposal_.approvedAt) = (status, uint64(approvedAt));
        (proposal_.class, proposal_.fromLog, proposal_.refusedInLog) =
        (record.class, record.fromLog, record.refusedInLog);
        (proposal_.epoch, proposal_.votingEnds) = (record.epoch, record.votingEnds);
        (proposal_.forWeight, proposal_.againstWeight, proposal_.abstainWeight) =
        (record.forWeight, record.againstWeight, record.abstainWeight);
        bool isApproved = status == Status.Approved || status == Status.Expired;
        if (isApproved && approvedAt != 0) {
            (uint256 from, uint256 until) = _executable(state, record, approvedAt);
            // forge-lint: disable-next-line(unsafe-typecast)
            (proposal_.executableFrom, proposal_.executableUntil) = (uint64(from), uint64(until));
        }
    }

    /// @inheritdoc IOnChainLane
    function voteOf(bytes32 groupId, bytes32 proposalId, address account)
        external
        view
        override
        returns (uint32 count, uint8 choice)
    {
        Cast storage cast = _group(groupId).records[proposalId].casts[account];
        return (cast.count, cast.choice);
    }

    /// @inheritdoc IOnChainLane
    function spendable(bytes32 groupId, uint8 class, address asset)
        external
        view
        override
        returns (uint256 perDecision, uint256 left)
    {
        ClassState storage state = _class(_group(groupId), groupId, class);
        LimitState memory limit = state.limits[asset];
        if (!limit.set) return (0, 0);
        return (limit.perDecision, _left(state, asset));
    }

    /// @inheritdoc IOnChainLane
    function isUp(bytes32 groupId) external view override returns (bool) {
        return _isUp(_group(groupId));
    }

    /// @inheritdoc IOnChainLane
    function verdict(
        Class calldata class,
        uint128 forWeight,
        uint128 againstWeight,
        uint128 abstainWeight,
        uint128 totalWeight,
        bool ended
    ) external pure override returns (Verdict) {
        Policies.Rule memory rule = Policies.Rule({
            threshold: class.threshold,
            basis: class.basis,
            turnout: class.turnout,
            veto: class.veto,
            revotes: class.revotes
        });
        return Policies.verdict(
            rule,
            Policies.Tally({
                forWeight: forWeight,
                againstWeight: againstWeight,
                abstainWeight: abstainWeight,
                totalWeight: totalWeight
            }),
            ended
        );
    }

    /// @inheritdoc IOnChainLane
    function proposalIdOf(
        bytes32 groupId,
        address proposer,
        uint64 salt,
        uint8 class,
        bytes32 callsHash,
        bytes32 descriptionHash
    ) external pure override returns (bytes32) {
        return Hashes.proposalId(groupId, proposer, salt, class, callsHash, descriptionHash);
    }

    /// @inheritdoc IOnChainLane
    function hashCalls(Call[] calldata calls) external pure override returns (bytes32) {
        return Hashes.hashCalls(calls);
    }

    /// @inheritdoc IOnChainLane
    function hashVote(address voter, bytes32 proposalId, uint8 choice, uint64 epoch, uint64 votingEnds, uint32 nonce)
        external
        view
        override
        returns (bytes32)
    {
        return _digest(Hashes.hashVote(voter, proposalId, choice, epoch, votingEnds, nonce));
    }

    /// @inheritdoc IOnChainLane
    function hashObjection(address voter, bytes32 proposalId) external view override returns (bytes32) {
        return _digest(Hashes.hashObjection(voter, proposalId));
    }
}
