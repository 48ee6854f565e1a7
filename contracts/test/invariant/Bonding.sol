// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {Checkpoint, INBOX_CONVICTED, INBOX_LEAVING} from "../../src/Types.sol";
import {vm} from "../support/Vm.sol";
import {Voters} from "./Voters.sol";

/// @notice What anybody may try with bonds and evidence.
abstract contract Bonding is Voters {
    function deposit(uint256 agent, uint256 amount) external {
        agent %= POOL;
        amount = amount % 2 == 0 ? BOND : amount % BOND;
        SeatGhost storage seat = seats[agent];
        vm.deal(agents[agent], agents[agent].balance + amount);
        bool allowed = amount != 0 && !seat.convicted && seat.exitAt == 0;
        bytes memory data = abi.encodeCall(coordinator.deposit, (groupId));
        if (_try(agents[agent], amount, data, allowed, "deposit")) seat.bond += amount;
        else received[agent] += amount;
    }

    function requestWithdrawal(uint256 agent) external {
        agent %= POOL;
        SeatGhost storage seat = seats[agent];
        bool allowed = seat.bond != 0 && seat.exitAt == 0;
        bytes memory data = abi.encodeCall(coordinator.requestWithdrawal, (groupId));
        if (!_try(agents[agent], 0, data, allowed, "requestWithdrawal")) return;
        seat.exitAt = block.timestamp + (seat.seated ? 14 days : 0);
        seat.releasedAt = seat.exitAt + EVIDENCE_WINDOW + 1 days;
        if (seat.seated) _noteMessage(INBOX_LEAVING, agents[agent], abi.encode(agents[agent], seat.exitAt));
    }

    function stay(uint256 agent) external {
        agent %= POOL;
        SeatGhost storage seat = seats[agent];
        bytes memory data = abi.encodeCall(coordinator.stay, (groupId));
        if (!_try(agents[agent], 0, data, seat.exitAt != 0, "stay")) return;
        (seat.exitAt, seat.releasedAt) = (0, 0);
    }

    function withdraw(uint256 agent, bool waits) external {
        agent %= POOL;
        SeatGhost storage seat = seats[agent];
        if (waits && block.timestamp < seat.releasedAt) vm.warp(seat.releasedAt);
        bool allowed = seat.exitAt != 0 && block.timestamp >= seat.releasedAt;
        bytes memory data = abi.encodeCall(coordinator.withdraw, (groupId));
        if (!_try(agents[agent], 0, data, allowed, "withdraw")) return;
        received[agent] += seat.bond;
        (seat.bond, seat.exitAt, seat.releasedAt) = (0, 0, 0);
    }

    /// @dev Somebody shows two checkpoints of the current epoch, which contradict each other or do not. No more than one is convicted:
    /// with two of five the anchored lane stands still.
    function report(uint256 agent, uint256 how) external {
        agent %= POOL;
        how %= 6;
        if (how > 3 && _someConvicted()) how -= 4;
        Checkpoint memory first = _checkpointTaking(sequence + 50, 0);
        Checkpoint memory second = _checkpointTaking(sequence + 50, 0);
        // The same; one after the other; of another era; of another signer; one sequence twice; a log that shrinks.
        if (how == 1) second.sequence += 1;
        if (how == 2) second.epoch += 1 << 32;
        if (how > 2) second.stateRoot = "another";
        if (how == 5) (second.sequence, first.logSize) = (second.sequence + 1, first.logSize + 1);
        SeatGhost storage seat = seats[agent];
        bool allowed = how > 3 && !seat.convicted && (seat.seated || seat.bond >= BOND);
        _report(agent, how == 3 ? (agent + 1) % POOL : agent, first, second, allowed);
    }

    function _report(uint256 agent, uint256 other, Checkpoint memory first, Checkpoint memory second, bool allowed)
        private
    {
        bytes memory data = abi.encodeCall(
            coordinator.reportContradiction,
            (first, _signatures(first, agent, 1), second, _signatures(second, other, 1), _members(0), _noFork())
        );
        uint256 reporter = (agent + 1) % POOL;
        if (!_try(agents[reporter], 0, data, allowed, "report")) return;
        SeatGhost storage seat = seats[agent];
        uint256 reward = seat.bond * REPORTER_SHARE / 10_000;
        received[reporter] += reward;
        funds += seat.bond - reward;
        (seat.bond, seat.exitAt, seat.releasedAt, seat.convicted) = (0, 0, 0, true);
        _noteMessage(INBOX_CONVICTED, agents[reporter], abi.encode(agents[agent]));
    }

    function _someConvicted() private view returns (bool) {
        for (uint256 i = 0; i < POOL; ++i) {
            if (seats[i].convicted) return true;
        }
        return false;
    }
}
// forge-lint: disable-end(unsafe-typecast)
