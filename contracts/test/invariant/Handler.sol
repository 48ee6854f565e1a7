// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {IAgentCoordinator} from "../../src/IAgentCoordinator.sol";
import {Approval, Checkpoint, Entry, EpochStart} from "../../src/Types.sol";
import {ReferenceLog} from "../support/ReferenceLog.sol";
import {Recorder} from "../support/Targets.sol";
import {vm} from "../support/Vm.sol";
import {Bonding} from "./Bonding.sol";
import {Cast} from "./Cast.sol";
import {OnChainLane} from "./OnChainLane.sol";

/// @notice Does what anybody might do to two groups, allowed or not, and notes what succeeded. The replicas of each group
/// also do what they must not be able to harm the other group with: they log decisions about the other's proposals.
contract Handler is OnChainLane, Bonding {
    uint256 private constant MAXIMUM_ENTRIES = 24;

    constructor(IAgentCoordinator coordinator_, Recorder recorder_) Cast(coordinator_, recorder_) {}

    // ---------------------------------------------------------------------------------------------------------
    // Time and money
    // ---------------------------------------------------------------------------------------------------------

    function pass(uint256 time) external {
        vm.warp(block.timestamp + time % 8 hours);
    }

    function fund(uint256 g, uint256 amount) external {
        g %= GROUPS;
        amount %= 10 ether;
        vm.deal(address(this), amount);
        (bool success,) = groups[g].account.call{value: amount}("");
        require(success, "the account refused ether");
        groups[g].funded += amount;
    }

    // ---------------------------------------------------------------------------------------------------------
    // The anchored lane
    // ---------------------------------------------------------------------------------------------------------

    /// @dev Group `g` logs an approval: of a new proposal, or of any that is known, also of the other group's, also
    /// for the second time.
    function decide(uint256 g, uint256 p, uint256 class, uint256 value) external {
        g %= GROUPS;
        ReferenceLog log = groups[g].log;
        if (log.size() == MAXIMUM_ENTRIES) return;
        p %= proposals.length + 1;
        if (p == proposals.length) {
            if (proposals.length == MAXIMUM_PROPOSALS) return;
            p = _newProposal(g * POOL, uint8(class % CLASSES), value % 1 ether);
        }
        uint64 index = log.size();
        uint64 from = uint64(block.timestamp + TIMELOCK);
        uint64 until = proposals[p].class == ROUTINE ? 0 : from + EXPIRY;
        bytes32 subject = coordinator.hashDecision(_decision(g, p, from, until));
        log.append(_entry(index, subject));
        decisions.push(DecisionGhost(g, p, index, subject, from, until));
    }

    /// @dev The replicas of `g` sign a checkpoint, or somebody tries one that must not be taken.
    function anchor(uint256 g, uint256 how) external {
        g %= GROUPS;
        how %= 16;
        GroupGhost storage ghost = groups[g];
        Checkpoint memory checkpoint = _checkpoint(g);
        (uint256 signers, uint256 signingGroup) = (quorumOf(ghost.weights), g);
        uint64[POOL] memory weights = ghost.weights;
        if (how == 0) checkpoint.sequence = ghost.sequence;
        if (how == 1) checkpoint.logSize = ghost.logSize == 0 ? 0 : ghost.logSize - 1;
        if (how == 1) checkpoint.logRoot = ghost.log.root(checkpoint.logSize);
        if (how == 2) --signers;
        if (how == 3) (signingGroup, weights) = (1 - g, groups[1 - g].weights);
        if (how == 4) (checkpoint.logSize, checkpoint.logRoot) = (ghost.logSize, keccak256("a fork"));
        if (how == 5) weights = ghost.weightsBefore;
        if (how == 6) checkpoint.epoch = uint64(ghost.epochs.length);
        if (how == 7) checkpoint.nextMembersHash = keccak256(abi.encode(membersOf(g, weights)));
        if (how == 8) checkpoint.inboxCount = ghost.taken - (ghost.taken == 0 ? 0 : 1);
        if (how == 9) checkpoint.inboxCount += 1;
        if (how == 10) checkpoint.inboxCount = ghost.taken;
        bool allowed = how > 7 || (how == 1 && ghost.logSize == 0) || (how == 4 && ghost.anchoredSizes.length == 0);
        if (how == 5) allowed = _areSigners(g, weights, signers);
        allowed = allowed && _takesIn(g, checkpoint.inboxCount, false);

        // A fork of a log that was never anchored is no fork that the contract could know of. It is left out.
        if (allowed && how == 4) return;
        bytes memory data =
            abi.encodeCall(coordinator.anchor, (checkpoint, _signatures(checkpoint, signingGroup, weights, signers)));
        bool success = _try(0, data, allowed ? "anchor" : "anchor what must not be");
        if (success && !allowed) _violate("a checkpoint was anchored that must not be");
        if (!success && allowed) _violate("a checkpoint was refused that must not be");
        if (success) _noteAnchor(g, checkpoint);
    }

    /// @dev The replicas of `g` end their epoch, or somebody tries to. The next members are the agents of the group whose
    /// bits are set; `shift` gives them other weights.
    function rotate(uint256 g, uint256 bits, uint256 shift, uint256 how) external {
        g %= GROUPS;
        how %= 12;
        if (how == 6) _waitUntilOverdue(g);
        uint64[POOL] memory next = _weights(bits, shift);
        Checkpoint memory checkpoint = _boundary(g, next, how);
        bool allowed = _countOf(next) >= 4 && _takesIn(g, checkpoint.inboxCount, true)
            && (how > 4 || (how == 1 && _areSigners(g, next, quorumOf(groups[g].weights))));
        bytes memory signatures = _signatures(
            checkpoint, g, how == 1 ? next : groups[g].weights, quorumOf(groups[g].weights) - (how == 0 ? 1 : 0)
        );
        bytes memory data = abi.encodeCall(coordinator.anchorAndRotate, (checkpoint, signatures, membersOf(g, next)));
        bool success = _try(0, data, allowed ? "rotate" : "rotate what must not be");
        if (success && !allowed) _violate("members changed that must not");
        if (!success && allowed) _violate("members did not change that must");
        if (!success) return;
        _noteAnchor(g, checkpoint);
        _noteEpoch(g, checkpoint, next);
    }

    function executeAnchored(uint256 d, uint256 anchored, uint256 agent) external {
        if (decisions.length == 0) return;
        DecisionGhost storage decision = decisions[d % decisions.length];
        GroupGhost storage ghost = groups[decision.group];
        if (ghost.anchoredSizes.length == 0) return;
        uint64 size = ghost.anchoredSizes[anchored % ghost.anchoredSizes.length];
        bool included = decision.index < size;
        bytes memory data = abi.encodeCall(
            coordinator.executeAnchored,
            (ghost.id, size, _approval(decision), included ? ghost.log.path(decision.index, size) : new bytes32[](0))
        );
        if (!_try(agent % agents.length, data, "executeAnchored")) return;
        if (!included) _violate("a decision was executed that the anchored log does not contain");
        _noteAnchoredExecution(decision);
    }

    /// @dev Several decisions of one group at once: those that `bits` picks of its last eight.
    function executeAnchoredBatch(uint256 g, uint256 bits, uint256 anchored, bool turned) external {
        g %= GROUPS;
        GroupGhost storage ghost = groups[g];
        if (ghost.anchoredSizes.length == 0) return;
        uint64 size = ghost.anchoredSizes[anchored % ghost.anchoredSizes.length];
        uint256[] memory picked = _pick(g, bits);
        if (picked.length == 0) return;
        if (turned) (picked[0], picked[picked.length - 1]) = (picked[picked.length - 1], picked[0]);
        Approval[] memory approvals = new Approval[](picked.length);
        uint64[] memory indices = new uint64[](picked.length);
        bool included = true;
        for (uint256 i = 0; i < picked.length; ++i) {
            DecisionGhost storage decision = decisions[picked[i]];
            approvals[i] = _approval(decision);
            indices[i] = decision.index;
            included = included && decision.index < size;
        }
        bool ordered = !turned || picked.length == 1;
        bytes32[] memory paths = included && ordered ? ghost.log.paths(indices, size) : new bytes32[](0);
        bytes memory data = abi.encodeCall(coordinator.executeAnchoredBatch, (ghost.id, size, approvals, paths));
        if (!_try(0, data, "executeAnchoredBatch")) return;
        if (!included) _violate("a decision was executed that the anchored log does not contain");
        if (!ordered) _violate("decisions were executed in another order than the log's");
        for (uint256 i = 0; i < picked.length; ++i) {
            _noteAnchoredExecution(decisions[picked[i]]);
        }
    }

    /// @dev Somebody makes up an entry that was never logged, with the proof of one that was.
    function invent(uint256 g, uint256 p, uint64 index, uint256 anchored) external {
        g %= GROUPS;
        GroupGhost storage ghost = groups[g];
        if (decisions.length == 0 || ghost.anchoredSizes.length == 0) return;
        uint64 size = ghost.anchoredSizes[anchored % ghost.anchoredSizes.length];
        if (size == 0) return;
        index %= size;
        Approval memory approval = _approval(decisions[p % decisions.length]);
        (approval.index, approval.timestampMs, approval.executableFrom) = (index, 1, 0);
        bytes memory data =
            abi.encodeCall(coordinator.executeAnchored, (ghost.id, size, approval, ghost.log.path(index, size)));
        if (_try(0, data, "invent")) _violate("a decision was executed that nobody logged");
    }

    // ---------------------------------------------------------------------------------------------------------
    // Steps
    // ---------------------------------------------------------------------------------------------------------

    /// @dev Until the first message that was not taken in has to be; there is one then.
    function _waitUntilOverdue(uint256 g) private {
        GroupGhost storage ghost = groups[g];
        if (ghost.taken == ghost.inboxTimes.length) enqueue(g, g * POOL, "overdue");
        uint256 overdueAt = ghost.inboxTimes[ghost.taken] + INBOX_DEADLINE + 1;
        if (block.timestamp < overdueAt) vm.warp(overdueAt);
    }

    /// @dev The checkpoint that ends the epoch, or one that must not.
    function _boundary(uint256 g, uint64[POOL] memory next, uint256 how)
        private
        view
        returns (Checkpoint memory checkpoint)
    {
        GroupGhost storage ghost = groups[g];
        checkpoint = _checkpoint(g);
        checkpoint.nextMembersHash = how == 3 ? bytes32("others") : keccak256(abi.encode(membersOf(g, next)));
        if (how == 2) checkpoint.epoch = uint64(ghost.epochs.length);
        if (how == 4) checkpoint.sequence = ghost.sequence;
        if (how == 5 || how == 6) checkpoint.inboxCount = ghost.taken;
    }

    /// @dev Those of the last eight decisions that are group `g`'s and whose bit is set, in order.
    function _pick(uint256 g, uint256 bits) private view returns (uint256[] memory picked) {
        uint256 count = 0;
        picked = new uint256[](8);
        for (uint256 d = decisions.length > 8 ? decisions.length - 8 : 0; d < decisions.length; ++d) {
            if (decisions[d].group == g && bits >> d % 8 & 1 == 1) picked[count++] = d;
        }
        assembly ("memory-safe") {
            mstore(picked, count)
        }
    }

    function _noteAnchoredExecution(DecisionGhost storage decision) private {
        if (block.timestamp < decision.from) _violate("a decision was executed before its timelock was over");
        if (decision.until != 0 && block.timestamp > decision.until) _violate("an expired decision was executed");
        _noteExecution(decision.group, decision.proposal);
    }

    /// @dev Whether a checkpoint may say that so many messages were taken in.
    function _takesIn(uint256 g, uint64 count, bool ends) private view returns (bool) {
        GroupGhost storage ghost = groups[g];
        if (count < ghost.taken || count > ghost.inboxTimes.length) return false;
        if (count == ghost.inboxTimes.length || (ends && hasStalled(g))) return true;
        return block.timestamp <= ghost.inboxTimes[count] + INBOX_DEADLINE;
    }

    function _noteEpoch(uint256 g, Checkpoint memory checkpoint, uint64[POOL] memory next) private {
        GroupGhost storage ghost = groups[g];
        ghost.epochs
            .push(
                EpochStart({
                    membersHash: checkpoint.nextMembersHash,
                    sequence: checkpoint.sequence,
                    logSize: checkpoint.logSize,
                    startedAt: uint64(block.timestamp),
                    totalWeight: uint128(totalOf(next))
                })
            );
        ghost.weightsBefore = ghost.weights;
        ghost.weights = next;
        for (uint256 i = 0; i < POOL; ++i) {
            if (next[i] == 0) ghost.left[i] = false;
            else bonds[g][g * POOL + i].releasedAt = 0;
        }
    }

    function _weights(uint256 bits, uint256 shift) private pure returns (uint64[POOL] memory weights) {
        for (uint256 i = 0; i < POOL; ++i) {
            if ((bits | bits >> POOL) >> i & 1 == 1) weights[i] = uint64((i + shift % 4) % 4 + 1);
        }
    }

    /// @dev Whether the first `count` agents with a weight here are `count` members of the current epoch.
    function _areSigners(uint256 g, uint64[POOL] memory weights, uint256 count) private view returns (bool) {
        for (uint256 i = 0; i < POOL && count > 0; ++i) {
            if (weights[i] == 0) continue;
            if (groups[g].weights[i] == 0) return false;
            --count;
        }
        return count == 0;
    }

    function _noteAnchor(uint256 g, Checkpoint memory checkpoint) private {
        GroupGhost storage ghost = groups[g];
        if (checkpoint.sequence <= ghost.sequence && ghost.anchoredAt != 0) _violate("an anchor went back");
        if (checkpoint.logSize < ghost.logSize) _violate("an anchored log shrank");
        ghost.sequence = checkpoint.sequence;
        ghost.logSize = checkpoint.logSize;
        ghost.stateRoot = checkpoint.stateRoot;
        ghost.anchoredAt = uint64(block.timestamp);
        ghost.taken = checkpoint.inboxCount;
        if (!isAnchored[g][checkpoint.logSize]) {
            isAnchored[g][checkpoint.logSize] = true;
            ghost.anchoredSizes.push(checkpoint.logSize);
        }
    }
}
// forge-lint: disable-end(unsafe-typecast)
