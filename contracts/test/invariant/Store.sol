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
    }

    struct ProposalGhost {
        bytes32 id;
        uint256 group;
        uint256 proposer;
        uint256 marker;
        uint256 value;
        /// Whether it was proposed in the on-chain lane; otherwise its identifier is known, and nothing else.
        bool onChain;
        /// Weight by choice: against, for, abstain.
        uint256[3] tally;
        uint256 voters;
        /// The epoch that it was proposed in, and the weight of all members of it.
        uint256 epoch;
        uint256 totalWeight;
        /// When the weight for it reached the threshold, or 0.
        uint256 approvedAt;
    }

    struct DecisionGhost {
        uint256 group;
        uint256 proposal;
        uint64 index;
        bytes32 subject;
    }

    GroupGhost[] internal groups;
    ProposalGhost[] internal proposals;
    DecisionGhost[] internal decisions;

    mapping(uint256 group => mapping(uint64 logSize => uint256)) public rootAnchoredAt;
    mapping(uint256 proposal => mapping(uint256 agent => bool)) public voted;

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

    function decisionCount() external view returns (uint256) {
        return decisions.length;
    }

    function _violate(string memory what) internal {
        if (bytes(violation).length == 0) violation = what;
    }
}
