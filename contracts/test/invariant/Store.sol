// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {EpochStart, Status} from "../../src/Types.sol";

/// @notice What the handler did and what should have come of it, kept without asking the coordinator.
contract Store {
    /// @dev How many agents have a seat or may get one.
    uint256 public constant POOL = 7;

    struct ProposalGhost {
        bytes32 id;
        uint8 class;
        uint256 value;
        uint256 proposer;
        /// What was last stored of it, in any lane.
        Status status;
        /// The epoch since which the weights stand that vote on it.
        uint64 votersSince;
        uint256 totalWeight;
        uint256 votingEnds;
        uint256 approvedAt;
        /// Whether it came from the log by its proof, and whether the log was shown to have refused it.
        bool queued;
        bool refused;
        bool bySignatures;
        /// Weight by choice: against, for, abstain.
        uint256[3] tally;
        uint256 executions;
    }

    struct DecisionGhost {
        uint256 proposal;
        uint64 index;
        uint256 time;
        uint256 epoch;
    }

    struct SeatGhost {
        bool seated;
        uint64 weight;
        bool left;
        bool convicted;
        uint256 bond;
        uint256 exitAt;
        uint256 releasedAt;
    }

    struct Payment {
        uint256 time;
        uint256 amount;
    }

    ProposalGhost[] internal proposals;
    DecisionGhost[] internal decisions;
    SeatGhost[POOL] internal seats;
    /// @dev What the class of payments executed, in its order.
    Payment[] internal payments;

    EpochStart[] internal epochs;
    uint64[] internal epochNumbers;
    uint64 internal votersSince;

    uint64 internal sequence;
    uint64[] internal anchoredSizes;
    uint256 internal anchoredAt;

    bytes32[] internal inboxHashes;
    uint256[] internal inboxTimes;
    uint64 internal taken;
    uint256 internal servedAt;

    /// @dev What the group's account should hold, and what each agent should have been sent.
    uint256 internal funds;
    uint256[POOL] internal received;

    mapping(uint256 proposal => mapping(uint256 agent => uint256)) public voteCount;
    mapping(uint256 proposal => mapping(uint256 agent => uint8)) public lastChoice;

    /// @notice Successes by what was done, so that a test can see that the handler reaches everything.
    mapping(string action => uint256) public successes;

    /// @notice The first thing that succeeded and must not have, or the other way round.
    string public violation;

    function proposalAt(uint256 p) external view returns (ProposalGhost memory) {
        return proposals[p];
    }

    function proposalCount() external view returns (uint256) {
        return proposals.length;
    }

    function seatAt(uint256 agent) external view returns (SeatGhost memory) {
        return seats[agent];
    }

    function paymentsMade() external view returns (Payment[] memory) {
        return payments;
    }

    function epochAt(uint256 e) external view returns (uint64 number, EpochStart memory start) {
        return (epochNumbers[e], epochs[e]);
    }

    function epochCount() external view returns (uint256) {
        return epochs.length;
    }

    function inboxAt(uint256 i) external view returns (bytes32 inboxHash, uint256 time) {
        return (inboxHashes[i], inboxTimes[i]);
    }

    function inboxGhost() external view returns (uint256 length, uint64 taken_, uint256 servedAt_) {
        return (inboxHashes.length, taken, servedAt);
    }

    function anchorGhost() external view returns (uint64 sequence_, uint256 anchoredAt_, uint64[] memory sizes) {
        return (sequence, anchoredAt, anchoredSizes);
    }

    function fundsGhost() external view returns (uint256) {
        return funds;
    }

    function receivedBy(uint256 agent) external view returns (uint256) {
        return received[agent];
    }

    function _violate(string memory what) internal {
        if (bytes(violation).length == 0) violation = what;
    }
}
