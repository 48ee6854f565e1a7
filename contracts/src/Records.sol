// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {Groups} from "./Groups.sol";
import {Policies} from "./Policies.sol";
import {Status, Verdict} from "./Types.sol";

/// @title Records
/// @notice Where a proposal stands, by its record and the clock.
abstract contract Records is Groups {
    /// @dev Where the proposal stands now, and when it was approved, 0 if it was not. What is stored comes to an end by time in
    /// two ways only: an open proposal whose voting has ended, and an approved one that can be executed no more.
    function _status(GroupState storage group, Record storage record)
        internal
        view
        returns (Status status, uint256 approvedAt)
    {
        (status, approvedAt) = (record.status, record.approvedAt);
        if (status == Status.Open) {
            status = _outcome(group, record);
            if (status == Status.Approved) approvedAt = record.votingEnds;
        }
        if (status != Status.Approved) return (status, approvedAt);
        (, uint256 until) = _executable(group, record, approvedAt);
        // A timelock and an expiry count seconds by the hour or day; what a block's producer can shift is far below that.
        // slither-disable-next-line timestamp
        if (block.timestamp > until) status = Status.Expired;
    }

    /// @dev The first second at which what was approved then may be executed, and the last.
    function _executable(GroupState storage group, Record storage record, uint256 approvedAt)
        internal
        view
        returns (uint256 from, uint256 until)
    {
        ClassState storage class = group.classes[record.class];
        from = approvedAt + class.timelock;
        until = from + class.expiry;
    }

    /// @dev What the votes decide, by the weights of when the proposal was made.
    function _verdict(GroupState storage group, Record storage record, bool ended) internal view returns (Verdict) {
        ClassState storage class = group.classes[record.class];
        Policies.Rule memory rule = Policies.Rule({
            threshold: class.threshold,
            basis: class.basis,
            turnout: class.turnout,
            veto: class.veto,
            revotes: class.revotes
        });
        Policies.Tally memory tally = Policies.Tally({
            forWeight: record.forWeight,
            againstWeight: record.againstWeight,
            abstainWeight: record.abstainWeight,
            totalWeight: group.epochs[record.epoch].totalWeight
        });
        return Policies.verdict(rule, tally, ended);
    }

    /// @dev What has become of a proposal that no vote has settled. A change of anybody's weight that comes before the end of the
    /// voting ends it without a decision: no two weights of one voter ever meet in one tally. A rotation that leaves the weights
    /// alone does not: or replicas, which need nobody's consent to it, could keep the voters from ever deciding.
    function _outcome(GroupState storage group, Record storage record) private view returns (Status) {
        (uint64 next, uint256 votingEnds) = (group.nextVoters[record.epoch], record.votingEnds);
        // As with the timelock.
        // slither-disable-start timestamp
        if (next != 0 && group.epochs[next].startedAt < votingEnds) return Status.Expired;
        if (block.timestamp < votingEnds) return Status.Open;
        // slither-disable-end timestamp
        Verdict verdict = _verdict(group, record, true);
        if (verdict == Verdict.Approved) return Status.Approved;
        return verdict == Verdict.Rejected ? Status.Rejected : Status.Expired;
    }
}
