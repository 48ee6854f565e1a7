// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {Approval, Checkpoint, EpochStart, Mandate, Member, Refusal, Status, Taken} from "../../src/Types.sol";
import {vm} from "../support/Vm.sol";
import {Bonding} from "./Bonding.sol";

/// @notice Does what anybody might do to a group, allowed or not, and notes what succeeded. Its replicas keep one log, and also sign
/// what they must not be able to get through: forks of it, and decisions above the class' limits.
contract Handler is Bonding {
    uint256 private constant MAXIMUM_ENTRIES = 48;

    bytes[] private _approvals;
    bytes[] private _refusals;

    /// @notice A group of the same members that nothing is done to.
    bytes32 public otherGroup;
    bytes32 public otherState;

    constructor() {
        setUp();
        _makeAgents(POOL);
        otherGroup = _createGroup(_members(5), _agreed(), "other");
        otherState = stateOf(otherGroup);
        _useWithFreshLog(_createGroup(_members(5), _agreed(), "invariants"));
        _deposit(5);
        funds = account.balance;
        for (uint256 i = 0; i < 5; ++i) {
            (seats[i].seated, seats[i].weight, seats[i].bond) = (true, 1, BOND);
        }
        epochs.push(EpochStart(_hash(_members(5)), 0, 0, uint64(block.timestamp), 5, 0));
        epochNumbers.push(0);
        _fill(1);
    }

    /// @dev Once: what forge calls at random finds it done.
    function setUp() public override {
        if (address(coordinator) == address(0)) super.setUp();
    }

    /// @notice All that is told of a group.
    function stateOf(bytes32 id) public view returns (bytes32) {
        return keccak256(
            abi.encode(
                coordinator.group(id), coordinator.members(id), coordinator.inbox(id), coordinator.latestAnchor(id)
            )
        );
    }

    function group() external view returns (bytes32, address) {
        return (groupId, account);
    }

    function theCoordinator() external view returns (address) {
        return address(coordinator);
    }

    /// @notice How often the recorder was called by the group for a proposal.
    function recorded(uint256 p) external view returns (uint256) {
        return recorder.callsBy(account, p);
    }

    function agentAt(uint256 agent) external view returns (address) {
        return agents[agent];
    }

    function rootOf(uint64 size) external view returns (bytes32) {
        return log.root(size);
    }

    // ---------------------------------------------------------------------------------------------------------
    // The log
    // ---------------------------------------------------------------------------------------------------------

    /// @dev The log says that the group approved a proposal: a new one, or any that is known, also for the second time.
    function decide(uint256 p, uint256 class, uint256 value) external {
        if (log.size() >= MAXIMUM_ENTRIES) return;
        p %= proposals.length + 1;
        if (p == proposals.length) {
            if (p == MAXIMUM_PROPOSALS) return;
            _newProposal(p % POOL, uint8(class % CLASSES_HERE), value);
        }
        uint64 index = log.size();
        _approvals.push(abi.encode(_appendApproval(contentOf(p))));
        decisions.push(DecisionGhost(p, index, block.timestamp, epochs.length - 1));
    }

    /// @dev The log says that the group refused it.
    function refuse(uint256 p, uint8 status) external {
        if (proposals.length == 0 || log.size() >= MAXIMUM_ENTRIES) return;
        p %= proposals.length;
        _refusals.push(abi.encode(_appendRefusal(proposals[p].id, 2 + status % 3), p));
    }

    function closeFromLog(uint256 r, uint256 anchored) external {
        if (_refusals.length == 0 || anchoredSizes.length == 0) return;
        (Refusal memory refusal, uint256 p) = abi.decode(_refusals[r % _refusals.length], (Refusal, uint256));
        uint64 size = anchoredSizes[anchored % anchoredSizes.length];
        bool included = refusal.index < size;
        bytes memory data = abi.encodeCall(
            coordinator.closeFromLog,
            (groupId, size, refusal, included ? log.path(refusal.index, size) : new bytes32[](0))
        );
        if (!_try(address(0xbeef), 0, data, included, "closeFromLog")) return;
        ProposalGhost storage ghost = proposals[p];
        ghost.refused = true;
        if (ghost.status == Status.Approved && ghost.bySignatures && !ghost.queued) ghost.status = Status.Cancelled;
    }

    // ---------------------------------------------------------------------------------------------------------
    // Anchors
    // ---------------------------------------------------------------------------------------------------------

    /// @dev The replicas that count sign a checkpoint, or somebody tries one that must not be taken.
    function anchor(uint256 how) external {
        how %= 16;
        Checkpoint memory checkpoint = how == 8 ? _checkpointTaking(sequence + 1, taken) : _checkpoint(sequence + 1);
        bytes32[] memory consistency = _consistency(checkpoint);
        Taken memory taken_ = _taken(checkpoint);
        bool wrong = how < 7;
        if (how == 0) checkpoint.sequence = sequence;
        if (how == 1) checkpoint.logRoot = "a fork";
        if (how == 2) checkpoint.epoch += 1;
        if (how == 3) checkpoint.inboxHash = "another";
        if (how == 4) checkpoint.inboxCount += 1;
        if (how == 5) checkpoint.nextMembersHash = "members";
        if (how == 6) wrong = checkpoint.inboxCount != taken;
        if (how == 6) taken_ = _noTaken();
        // Any log is taken once, and then none that does not extend it.
        if (how == 1 && anchoredSizes.length == 0) return;
        (bytes memory signatures, bool quorum) = _quorum(checkpoint, how == 7);
        bool allowed = !wrong && quorum && _mayTake(checkpoint.inboxCount, false);
        bytes memory data = abi.encodeCall(coordinator.anchor, (checkpoint, signatures, consistency, taken_));
        if (_try(address(0xbeef), 0, data, allowed, "anchor")) _noteAnchor(checkpoint);
    }

    /// @dev The signatures of a quorum of those that count, if there is one; else, or where `others` is set, with some that do not.
    function _quorum(Checkpoint memory checkpoint, bool others) private view returns (bytes memory signatures, bool) {
        uint256 needed = quorumNow();
        uint256 found = 0;
        uint256 bad = 0;
        for (uint256 i = 0; i < POOL && found + bad < needed; ++i) {
            bool one = counts(i);
            if (!one && !others) continue;
            signatures = bytes.concat(signatures, _signatures(checkpoint, i, 1));
            if (one) ++found;
            else ++bad;
        }
        return (signatures, found == needed);
    }

    /// @dev Whether a checkpoint may say that so many messages were taken in.
    function _mayTake(uint64 count, bool ends) private view returns (bool) {
        if (count < taken || count > inboxTimes.length) return false;
        if (count == inboxTimes.length || count - taken >= 64) return true;
        if (block.timestamp <= inboxTimes[count] + INBOX_DEADLINE) return true;
        return ends && block.timestamp >= anchoredAt + STALL_TIME;
    }

    function _noteAnchor(Checkpoint memory checkpoint) private {
        sequence = checkpoint.sequence;
        anchoredAt = block.timestamp;
        if (checkpoint.inboxCount != taken) (taken, servedAt) = (checkpoint.inboxCount, block.timestamp);
        bool known = anchoredSizes.length != 0 && anchoredSizes[anchoredSizes.length - 1] == checkpoint.logSize;
        if (!known) anchoredSizes.push(checkpoint.logSize);
    }

    // ---------------------------------------------------------------------------------------------------------
    // Members
    // ---------------------------------------------------------------------------------------------------------

    /// @dev The replicas end their epoch: with other replicas alone, or with other weights too, by a mandate of as many as `how` says.
    function rotate(uint256 bits, uint256 shift, uint256 how) external {
        how %= 8;
        (bool[POOL] memory seated, uint64[POOL] memory weights) = _draw(bits, shift);
        Member[] memory next = _list(seated, weights);
        Checkpoint memory checkpoint = how == 0 ? _checkpointTaking(sequence + 1, taken) : _checkpoint(sequence + 1);
        checkpoint.nextMembersHash = _hash(next);
        bool alters = _alters(seated, weights);
        if (!_rotates(checkpoint, next, how == 1 ? 0 : how == 2 ? 1 : POOL, alters)) return;
        _noteAnchor(checkpoint);
        uint64 number = epochNumbers[epochNumbers.length - 1] + 1;
        if (alters) votersSince = number;
        _noteEpoch(next, seated, weights, number);
    }

    function _rotates(Checkpoint memory checkpoint, Member[] memory next, uint256 signers, bool alters)
        private
        returns (bool)
    {
        (bytes memory signatures, bool quorum) = _quorum(checkpoint, false);
        bool allowed =
            next.length >= 4 && (!alters || _mandates(signers)) && quorum && _mayTake(checkpoint.inboxCount, true);
        Mandate memory mandate = _mandate(next, 0, signers);
        bytes memory data = abi.encodeCall(
            coordinator.anchorAndRotate,
            (checkpoint, signatures, _consistency(checkpoint), _taken(checkpoint), next, mandate)
        );
        return _try(address(0xbeef), 0, data, allowed, alters ? "rotate voters" : "rotate");
    }

    /// @dev The group's account replaces the replicas, which only a dead group's may.
    function recover(uint256 bits, uint256 shift, bool waits) external {
        if (anchoredSizes.length == 0) return;
        if (waits && waitingSince() != 0 && !hasWaited(RECOVERY_TIME)) vm.warp(waitingSince() + RECOVERY_TIME);
        (bool[POOL] memory seated, uint64[POOL] memory weights) = _draw(bits, shift);
        Member[] memory next = _list(seated, weights);
        uint64 current = epochNumbers[epochNumbers.length - 1];
        bytes memory data = abi.encodeCall(coordinator.recover, (groupId, votersSince, next));
        if (!_try(account, 0, data, next.length >= 4 && hasWaited(RECOVERY_TIME), "recover")) return;
        votersSince = ((current >> 32) + 1) << 32;
        _noteEpoch(next, seated, weights, votersSince);
    }

    /// @dev Where `shift` is even, all voters stay and others come or go as replicas; else all are voters, of other weights.
    function _draw(uint256 bits, uint256 shift)
        private
        view
        returns (bool[POOL] memory seated, uint64[POOL] memory weights)
    {
        for (uint256 i = 0; i < POOL; ++i) {
            bool picked = bits >> i & 1 == 1;
            seated[i] = picked || (shift % 2 == 0 && seats[i].weight != 0);
            if (shift % 2 == 0) weights[i] = seats[i].weight;
            else if (picked) weights[i] = uint64((i + shift / 2) % 3 + 1);
        }
    }

    function _alters(bool[POOL] memory seated, uint64[POOL] memory weights) private view returns (bool) {
        for (uint256 i = 0; i < POOL; ++i) {
            if ((seated[i] ? weights[i] : 0) != seats[i].weight) return true;
        }
        return false;
    }

    /// @dev Whether the votes of the first so many agents reach 60 % of all weight; who has left had signed before.
    function _mandates(uint256 signers) private view returns (bool) {
        uint256 weight = 0;
        for (uint256 i = 0; i < signers; ++i) {
            weight += seats[i].weight;
        }
        return weight != 0 && weight * 10 >= totalWeight() * 6;
    }

    function _noteEpoch(Member[] memory next, bool[POOL] memory seated, uint64[POOL] memory weights, uint64 number)
        private
    {
        for (uint256 i = 0; i < POOL; ++i) {
            if (!seated[i]) seats[i].left = false;
            (seats[i].seated, seats[i].weight) = (seated[i], seated[i] ? weights[i] : 0);
        }
        uint64 size = anchoredSizes[anchoredSizes.length - 1];
        epochs.push(
            EpochStart(_hash(next), sequence, size, uint64(block.timestamp), uint128(totalWeight()), votersSince)
        );
        epochNumbers.push(number);
    }

    // ---------------------------------------------------------------------------------------------------------
    // What the log proves
    // ---------------------------------------------------------------------------------------------------------

    function executeAnchored(uint256 d, uint256 anchored) external {
        if (decisions.length == 0 || anchoredSizes.length == 0) return;
        d %= decisions.length;
        DecisionGhost storage decision = decisions[d];
        ProposalGhost storage ghost = proposals[decision.proposal];
        uint64 size = anchoredSizes[anchored % anchoredSizes.length];
        bool allowed = _isProven(decision, size) && ghost.class == PAY && _permitted(ghost)
            && ghost.status != Status.Executed && ghost.status != Status.Revoked;
        bytes memory data =
            abi.encodeCall(coordinator.executeAnchored, (groupId, size, _approvalOf(d), _pathOf(decision, size)));
        if (_try(address(0xbeef), 0, data, allowed, "executeAnchored")) _noteExecution(decision.proposal, address(0));
    }

    /// @dev One alone, or twice in a row: what is executed is passed over the second time.
    function executeAnchoredBatch(uint256 d, uint256 anchored) external {
        if (decisions.length == 0 || anchoredSizes.length == 0) return;
        d %= decisions.length;
        DecisionGhost storage decision = decisions[d];
        ProposalGhost storage ghost = proposals[decision.proposal];
        uint64 size = anchoredSizes[anchored % anchoredSizes.length];
        bool over = ghost.status == Status.Executed || ghost.status == Status.Revoked;
        bool allowed =
            decision.index < size && ghost.class == PAY && (over || (_isProven(decision, size) && _permitted(ghost)));
        Approval[] memory one = new Approval[](1);
        one[0] = _approvalOf(d);
        bytes memory data =
            abi.encodeCall(coordinator.executeAnchoredBatch, (groupId, size, one, _pathOf(decision, size)));
        if (!_try(address(0xbeef), 0, data, allowed, "executeAnchoredBatch")) return;
        if (!over) _noteExecution(decision.proposal, address(0));
    }

    function queueAnchored(uint256 d, uint256 anchored) external {
        if (decisions.length == 0 || anchoredSizes.length == 0) return;
        d %= decisions.length;
        DecisionGhost storage decision = decisions[d];
        ProposalGhost storage ghost = proposals[decision.proposal];
        uint64 size = anchoredSizes[anchored % anchoredSizes.length];
        bool allowed = _isProven(decision, size) && ghost.class != PAY && ghost.status != Status.Executed
            && ghost.status != Status.Revoked && ghost.status != Status.Approved;
        bytes memory data =
            abi.encodeCall(coordinator.queueAnchored, (groupId, size, _approvalOf(d), _pathOf(decision, size)));
        if (!_try(address(0xbeef), 0, data, allowed, "queueAnchored")) return;
        (ghost.status, ghost.approvedAt, ghost.queued) = (Status.Approved, block.timestamp, true);
        delete ghost.tally;
        (ghost.votingEnds, ghost.votersSince) = (0, votersSince);
    }

    /// @dev Within its time, by the log and by the chain, and with an entry of its epoch.
    function _isProven(DecisionGhost storage decision, uint64 size) private view returns (bool) {
        if (decision.index >= size || block.timestamp > decision.time + HALF_A_DAY) return false;
        uint256 e = decision.epoch;
        if (decision.index < epochs[e].logSize) return false;
        if (e + 1 == epochs.length) return true;
        return decision.index < epochs[e + 1].logSize && block.timestamp <= epochs[e + 1].startedAt + HALF_A_DAY;
    }

    function _approvalOf(uint256 d) private view returns (Approval memory) {
        return abi.decode(_approvals[d], (Approval));
    }

    function _pathOf(DecisionGhost storage decision, uint64 size) private view returns (bytes32[] memory) {
        return decision.index < size ? log.path(decision.index, size) : new bytes32[](0);
    }
}
// forge-lint: disable-end(unsafe-typecast)
