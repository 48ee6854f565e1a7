// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {Checkpoint, INBOX_COMMAND, INBOX_CONVICTED} from "../../src/Types.sol";
import {vm} from "../support/Vm.sol";
import {Cast} from "./Cast.sol";

/// @notice What anybody may try with inboxes and bonds.
abstract contract Bonding is Cast {
    function enqueue(uint256 g, uint256 agent, bytes memory command) public {
        g %= GROUPS;
        agent %= agents.length;
        bool allowed = agent % POOL < 4 && command.length != 0;
        bool success = _try(agent, abi.encodeCall(coordinator.enqueue, (groups[g].id, command)), "enqueue");
        if (success != allowed) _violate("a command was refused, or taken, that must not be");
        if (success) _noteMessage(g, INBOX_COMMAND, agents[agent], command);
    }

    /// @dev Also for agents of the other group, and for such as have no seat.
    function deposit(uint256 g, uint256 agent, uint256 amount) external {
        g %= GROUPS;
        agent %= agents.length;
        amount %= 3 ether;
        BondGhost storage bond = bonds[g][agent];
        bool allowed = amount != 0 && !bond.convicted && bond.releasedAt == 0;
        vm.deal(address(this), amount);
        bytes memory data = abi.encodeCall(coordinator.deposit, (groups[g].id, agents[agent]));
        (bool success,) = address(coordinator).call{value: amount}(data);
        if (success != allowed) _violate("a deposit was refused, or taken, that must not be");
        if (!success) return;
        ++successes["deposit"];
        bond.amount += amount;
    }

    function requestWithdrawal(uint256 g, uint256 agent) external {
        g %= GROUPS;
        agent = _mostlyBonded(g, agent);
        BondGhost storage bond = bonds[g][agent];
        bool allowed = bond.amount != 0 && !_isMember(g, agent);
        bytes memory data = abi.encodeCall(coordinator.requestWithdrawal, (groups[g].id));
        bool success = _try(agent, data, "requestWithdrawal");
        if (success != allowed) _violate("a request was refused, or taken, that must not be");
        if (success) bond.releasedAt = block.timestamp + EVIDENCE_WINDOW + 1 days;
    }

    function withdraw(uint256 g, uint256 agent, bool waits) external {
        g %= GROUPS;
        agent = _mostlyBonded(g, agent);
        if (waits && bonds[g][agent].releasedAt > block.timestamp) vm.warp(bonds[g][agent].releasedAt);
        BondGhost storage bond = bonds[g][agent];
        bool allowed =
            bond.amount != 0 && !_isMember(g, agent) && bond.releasedAt != 0 && block.timestamp >= bond.releasedAt;
        bool success = _try(agent, abi.encodeCall(coordinator.withdraw, (groups[g].id)), "withdraw");
        if (success != allowed) _violate("a withdrawal was refused, or made, that must not be");
        if (!success) return;
        received[agent] += bond.amount;
        (bond.amount, bond.releasedAt) = (0, 0);
    }

    /// @dev Somebody shows two checkpoints, which contradict each other or do not.
    function report(uint256 g, uint256 agent, uint256 back, uint256 how) external {
        g %= GROUPS;
        agent %= agents.length;
        how %= 10;
        uint256 epoch = groups[g].epochs.length - 1;
        epoch = epoch - back % (epoch + 1);
        if (how == 9) _waitUntilTooOld(g, epoch);
        Checkpoint memory one = _checkpoint(g);
        one.epoch = uint64(how == 3 ? groups[g].epochs.length : epoch);
        Checkpoint memory other = abi.decode(abi.encode(one), (Checkpoint));
        if (how != 0) other.stateRoot = keccak256("another");
        if (how == 1) other.sequence += 1;
        if (how == 4) other.groupId = groups[1 - g].id;
        if (how == 5) other.epoch += 1;
        bytes memory first = _signature(agent, coordinator.hashCheckpoint(one));
        bytes memory second =
            _signature(how == 2 ? (agent + 1) % agents.length : agent, coordinator.hashCheckpoint(other));
        bool allowed = how > 5 && _isConvictable(g, agent, epoch);
        uint256 reporter = (agent + 1) % agents.length;
        bytes memory data = abi.encodeCall(coordinator.reportEquivocation, (one, first, other, second));
        bool success = _try(reporter, data, "report");
        if (success != allowed) _violate("a report was refused, or taken, that must not be");
        if (success) _noteConviction(g, agent, reporter);
    }

    /// @dev Until what happened in the epoch convicts nobody any more, if it has ended.
    function _waitUntilTooOld(uint256 g, uint256 epoch) private {
        GroupGhost storage ghost = groups[g];
        if (epoch + 1 == ghost.epochs.length) return;
        uint256 tooOldAt = ghost.epochs[epoch + 1].startedAt + EVIDENCE_WINDOW + 1;
        if (block.timestamp < tooOldAt) vm.warp(tooOldAt);
    }

    /// @dev Three times of four somebody who has a bond, if there is anybody.
    function _mostlyBonded(uint256 g, uint256 agent) private view returns (uint256) {
        for (uint256 i = 0; i < agents.length && (agent >> 8) % 4 != 0; ++i) {
            uint256 at = (agent % agents.length + i) % agents.length;
            if (bonds[g][at].amount != 0) return at;
        }
        return agent % agents.length;
    }

    function _isConvictable(uint256 g, uint256 agent, uint256 epoch) private view returns (bool) {
        BondGhost storage bond = bonds[g][agent];
        GroupGhost storage ghost = groups[g];
        bool recent =
            epoch + 1 == ghost.epochs.length || block.timestamp <= ghost.epochs[epoch + 1].startedAt + EVIDENCE_WINDOW;
        return recent && !bond.convicted && (bond.amount != 0 || _isMember(g, agent));
    }

    function _noteConviction(uint256 g, uint256 agent, uint256 reporter) private {
        BondGhost storage bond = bonds[g][agent];
        uint256 reward = bond.amount * REPORTER_SHARE / 10_000;
        received[reporter] += reward;
        groups[g].funded += bond.amount - reward;
        (bond.amount, bond.releasedAt, bond.convicted) = (0, 0, true);
        _noteMessage(g, INBOX_CONVICTED, agents[reporter], abi.encode(agents[agent]));
    }
}
// forge-lint: disable-end(unsafe-typecast)
