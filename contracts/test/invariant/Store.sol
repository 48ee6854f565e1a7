// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {EpochStart} from "../../src/Types.sol";
import {ReferenceLog} from "../support/ReferenceLog.sol";

/// @notice What the handler did and what should have come of it, kept without asking the coordinator.
contract Store {
    /// @dev How many agents of a group's own have a seat in it or may get one.
    uint256 public constant POOL = 6;

    struct GroupGhost {
        bytes32 id;
        address account;
        ReferenceLog log;
        uint256 createdAt;
        uint64 sequence;
        uint64 logSize;
        bytes32 stateRoot;
        uint64 anchoredAt;
        uint64[] anchoredSizes;
        uint256 funded;
        uint256 paid;
        /// Where the epochs began; the last is the current one.
        EpochStart[] epochs;
        /// The weights of the current epoch's members and of the epoch's before; 0 for an agent without a seat.
        uint64[POOL] weights;
        uint64[POOL] weightsBefore;
        /// Who has given up its vote and has had a seat ever since.
        bool[POOL] left;
        /// The inbox: the hash up to each message, and when it came; how many the anchored log has.
        bytes32[] inboxHashes;
        uint256[] inboxTimes;
        uint64 taken;
    }

    struct ProposalGhost {
        bytes32 id;
        uint256 group;
        uint256 proposer;
        uint8 class;
        uint256 marker;
        uint256 value;
        /// Whether the contract knows it, by a proposal or by the escape lane; otherwise it has an identifier alone.
        bool onChain;
        bool fromLog;
        bool cancelled;
        bool rejected;
        /// Weight by choice: against, for, abstain.
        uint256[3] tally;
        uint256 voters;
        /// The epoch that it was proposed in, and the weight of all members of it.
        uint256 epoch;
        uint256 totalWeight;
        uint256 votingEnds;
        /// When a vote, or the log's votes, approved it, or 0.
        uint256 approvedAt;
    }

    struct DecisionGhost {
        uint256 group;
        uint256 proposal;
        uint64 index;
        bytes32 subject;
        uint64 from;
        uint64 until;
    }

    struct BondGhost {
        uint256 amount;
        uint256 releasedAt;
        bool convicted;
    }

    GroupGhost[] internal groups;
    ProposalGhost[] internal proposals;
    DecisionGhost[] internal decisions;

    mapping(uint256 group => mapping(uint64 logSize => bool)) public isAnchored;

    /// @notice How many votes of an agent on a proposal counted, and what the last chose.
    mapping(uint256 proposal => mapping(uint256 agent => uint256)) public voteCount;
    mapping(uint256 proposal => mapping(uint256 agent => uint8)) public lastChoice;

    mapping(uint256 group => mapping(uint256 agent => BondGhost)) internal bonds;

    /// @notice What an agent should have been sent: bonds that came back, and rewards.
    mapping(uint256 agent => uint256) public received;

    /// @notice Successful executions of a proposal for a group, in both lanes together.
    mapping(uint256 group => mapping(uint256 proposal => uint256)) public executions;

    /// @notice Successes by what was done, so that a test can see that the handler reaches everything.
    mapping(string action => uint256) public successes;

    /// @notice The first thing that succeeded and must not have.
    string public violation;

    function groupCount() external view returns (uint256) {
        return groups.length;
    }

    function groupAt(uint256 index) external view returns (GroupGhost memory) {
        return groups[index];
    }

    function proposalCount() external view returns (uint256) {
        return proposals.length;
    }

    function proposalAt(uint256 index) external view returns (ProposalGhost memory) {
        return proposals[index];
    }

    function bondAt(uint256 group, uint256 agent) external view returns (BondGhost memory) {
        return bonds[group][agent];
    }

    function _violate(string memory what) internal {
        if (bytes(violation).length == 0) violation = what;
    }
}
