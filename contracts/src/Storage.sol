// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {Basis, Bond, Opening, Scope, Status, Target} from "./Types.sol";

/// @title Storage
/// @notice All that is kept of agents and groups.
/// @dev The code is in three contracts, `AgentCoordinator`, `OnChainLane` and `GroupRegistry`, that work on one storage. This is
/// the only file that declares any, and the first base with storage of all three; a test compares the layouts.
abstract contract Storage {
    /// @dev A member's seat. Who is no member of the current epoch keeps `convicted` alone.
    struct Seat {
        // slot 0
        bytes32 key;
        // slot 1: all that tells whether a signature counts
        uint64 weight;
        uint8 flags;
        bool left;
        bool convicted;
        bool bonded;
        uint40 exitAt;
    }

    /// @dev Where an epoch began: the two slots of an `EpochStart`.
    struct EpochState {
        // slot 0
        bytes32 membersHash;
        // slot 1. 64 members of at most 2^64 - 1 weigh less than 2^70.
        uint64 sequence;
        uint64 logSize;
        uint40 startedAt;
        uint72 totalWeight;
    }

    /// @dev The rule of a class: one slot of which `threshold` is never zero in a class that exists.
    struct ClassState {
        // slot 0
        Scope scope;
        Opening opening;
        Basis basis;
        bool escape;
        bool revotes;
        uint16 threshold;
        uint16 turnout;
        uint16 veto;
        uint32 votingPeriod;
        uint32 timelock;
        uint32 expiry;
        uint32 window;
        // slot 1
        bytes16 name;
        // slot 2
        address[] assets;
        // slot 3
        Target[] targetList;
        // slot 4
        mapping(address asset => LimitState) limits;
        // slot 5: by keccak256(abi.encode(target, selector))
        mapping(bytes32 target => bool) allowed;
        // slot 6
        mapping(address asset => Spent) spent;
    }

    struct LimitState {
        uint112 perDecision;
        uint112 perWindow;
        bool set;
    }

    /// @dev What left in the bucket of the window that is told, and in the one before.
    struct Spent {
        uint32 bucket;
        uint112 previous;
        uint112 current;
    }

    /// @dev What a voter has cast on a proposal.
    struct Cast {
        uint8 choice;
        // how many votes were counted, the last of which counts; 0 before the first
        uint32 count;
    }

    /// @dev All that ever happened to a proposal, in any lane.
    struct Record {
        // slot 0. What was approved without dissent never opens the second.
        Status status;
        uint8 class;
        // whether it was approved by signatures given off-chain, or queued from the log
        bool fromLog;
        bool refusedInLog;
        // since which the weights stood that its tallies are of: `votersSince` when it was opened or approved
        uint48 epoch;
        // 0 where it was queued from the log
        uint40 votingEnds;
        // 0 until a vote approved it, also where the end of the voting approved it
        uint40 approvedAt;
        uint72 forWeight;
        // slot 1
        uint72 againstWeight;
        uint72 abstainWeight;
        // slot 2
        mapping(address account => Cast) casts;
    }

    struct GroupState {
        // slot 0: all that an execution of the current epoch reads
        address account;
        uint48 epoch;
        // the log size at which the epoch began
        uint48 epochFrom;
        // slot 1: what a new anchor is checked against. `replicaCount` is never zero in a group that exists, so that the
        // first anchor does not pay for a fresh slot.
        uint48 anchorEpoch;
        uint64 sequence;
        uint64 logSize;
        uint40 anchoredAt;
        uint8 replicaCount;
        // slot 2: the same of the inbox
        uint64 inboxLength;
        uint64 inboxTaken;
        uint40 servedAt;
        uint32 inboxDeadline;
        uint32 stallTime;
        uint8 classCount;
        // slot 3
        uint128 bond;
        uint32 evidenceWindow;
        uint16 reporterShare;
        uint32 recoveryTime;
        // the epoch since which all weights are as they are
        uint48 votersSince;
        // slot 4
        uint96 inboxFee;
        address uptimeFeed;
        // slot 5: the current epoch's, ascending
        address[] accounts;
        // slot 6
        mapping(uint256 class => ClassState) classes;
        // slot 7
        mapping(uint64 epoch => EpochState) epochs;
        // slot 8: the current epoch's, and whoever was convicted
        mapping(address account => Seat) seats;
        // slot 9: the log root anchored for a size; zero, which is no root, where none was
        mapping(uint64 logSize => bytes32) roots;
        // slot 10: kept by group, because a group's replicas can state any identifier, also that of another group's proposal
        mapping(bytes32 proposalId => Record) records;
        // slot 11: the hash of the inbox up to and with each message
        mapping(uint256 index => bytes32) messages;
        // slot 12: when each message came, six to a slot: index / 6, index % 6
        mapping(uint256 sixth => uint40[6]) messageTimes;
        // slot 13
        mapping(address replica => Bond) bonds;
        // slot 14: by an epoch that began with other weights than the one before, the next such epoch; 0 before there is one
        mapping(uint64 epoch => uint48) nextVoters;
    }

    /// @dev The keys that accounts registered last.
    // The registry has it; the other two only keep its place.
    // slither-disable-next-line unused-state
    mapping(address account => bytes32) internal _keys;

    mapping(bytes32 groupId => GroupState) internal _groups;
}
