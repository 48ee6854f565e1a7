// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {IAgentCoordinator} from "../../src/IAgentCoordinator.sol";
import {
    Anchor,
    Bond,
    EpochStart,
    Group,
    InboxState,
    Member,
    ProposalState,
    SeatState,
    Status
} from "../../src/Types.sol";
import {vm} from "../support/Vm.sol";
import {Handler} from "./Handler.sol";
import {Store} from "./Store.sol";

/// @notice What holds whatever anybody does, in any order. The handler's notes, and what accounts hold, are the judges.
///
/// 1. Once. A proposal is executed at most once over all lanes together, and what was executed or revoked stays so.
/// 2. Status. A proposal stands where its class, its votes, the log and the time put it, with the sums of the last votes.
/// 3. Windows. In no interval of a window's length more than the window leaves the account.
/// 4. Forward. Sequence and size of anchors never go back; each root is that of the one log, which only grows.
/// 5. Funds. What the account holds is what it had less what was executed; the coordinator holds the bonds, to the wei.
/// 6. Seats. Members, weights, bonds and notices are those that followed from what was done; a signature counts by them alone.
/// 7. Inbox. Its messages are those that were put in, chained by their hashes; who waits has waited since when the model says.
/// 8. Epochs. Each began as it was noted, no number comes twice, and no era goes back.
/// 9. Nothing that must not succeed has succeeded, and nothing that must was refused: above all, no quorum without a signature
///    that counts, no log that does not extend the last, no change of weights without the voters, no lane that differs opened while
///    messages are served, and nothing above a limit.
/// 10. Another group stays as it was.
contract InvariantsTest {
    Handler private _handler;
    IAgentCoordinator private _coordinator;
    bytes32 private _groupId;
    address private _account;

    function setUp() external {
        _handler = new Handler();
        (_groupId, _account) = _handler.group();
        _coordinator = IAgentCoordinator(_handler.theCoordinator());
    }

    /// @dev What forge calls at random.
    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_handler);
    }

    function invariant_Once() external view {
        for (uint256 p = 0; p < _handler.proposalCount(); ++p) {
            Store.ProposalGhost memory ghost = _handler.proposalAt(p);
            vm.assertLe(ghost.executions, 1, "executed twice");
            uint256 effects = ghost.class == 2
                ? (ghost.value == 0 ? ghost.executions : _handler.payee(p).balance / ghost.value)
                : _handler.recorded(p);
            vm.assertEq(effects, ghost.executions, "effects without an execution, or the other way");
            bool executed = _coordinator.proposal(_groupId, ghost.id).status == Status.Executed;
            vm.assertEq(executed, ghost.executions == 1, "executed");
        }
    }

    function invariant_Status() external view {
        for (uint256 p = 0; p < _handler.proposalCount(); ++p) {
            Store.ProposalGhost memory ghost = _handler.proposalAt(p);
            ProposalState memory state = _coordinator.proposal(_groupId, ghost.id);
            vm.assertEq(uint256(state.status), uint256(_handler.expectedStatus(p)), "status");
            vm.assertEq(state.refusedInLog, ghost.refused, "refused in the log");
            vm.assertEq(state.againstWeight, ghost.tally[0], "against");
            vm.assertEq(state.forWeight, ghost.tally[1], "for");
            vm.assertEq(state.abstainWeight, ghost.tally[2], "abstain");
        }
    }

    function invariant_Windows() external view {
        Store.Payment[] memory payments = _handler.paymentsMade();
        for (uint256 i = 0; i < payments.length; ++i) {
            uint256 sum = 0;
            for (uint256 j = 0; j <= i; ++j) {
                if (payments[j].time + 1 days > payments[i].time) sum += payments[j].amount;
            }
            vm.assertLe(sum, 1 ether, "in a window's time");
        }
        (, uint256 left) = _coordinator.spendable(_groupId, 2, address(0));
        vm.assertEq(left, _handler.left(), "what is told to be left");
    }

    function invariant_Forward() external view {
        (uint64 sequence, uint256 anchoredAt, uint64[] memory sizes) = _handler.anchorGhost();
        Anchor memory latest = _coordinator.latestAnchor(_groupId);
        vm.assertEq(latest.sequence, sequence, "sequence");
        vm.assertEq(latest.anchoredAt, anchoredAt, "anchored at");
        for (uint256 i = 0; i < sizes.length; ++i) {
            vm.assertEq(_coordinator.anchoredRoot(_groupId, sizes[i]), _handler.rootOf(sizes[i]), "a root");
            if (i != 0) vm.assertTrue(sizes[i] > sizes[i - 1], "a log that does not grow");
        }
    }

    function invariant_Funds() external view {
        vm.assertEq(_account.balance, _handler.fundsGhost(), "the group's");
        uint256 held = 0;
        for (uint256 i = 0; i < _handler.POOL(); ++i) {
            held += _handler.seatAt(i).bond;
            vm.assertEq(_handler.agentAt(i).balance, _handler.receivedBy(i), "an agent's");
        }
        vm.assertEq(address(_coordinator).balance, held, "the bonds");
    }

    function invariant_Seats() external view {
        Member[] memory members = _handler.membersNow();
        Group memory group = _coordinator.group(_groupId);
        vm.assertEq(abi.encode(_coordinator.members(_groupId)), abi.encode(members), "members");
        vm.assertEq(group.membersHash, keccak256(abi.encode(members)), "members hash");
        vm.assertEq(group.totalWeight, _handler.totalWeight(), "total weight");
        vm.assertEq(_coordinator.quorum(_groupId), _handler.quorumNow(), "quorum");
        for (uint256 i = 0; i < _handler.POOL(); ++i) {
            Store.SeatGhost memory ghost = _handler.seatAt(i);
            address agent = _handler.agentAt(i);
            SeatState memory seat = _coordinator.seatOf(_groupId, agent);
            Bond memory bond = _coordinator.bondOf(_groupId, agent);
            vm.assertEq(seat.counts, _handler.counts(i), "counts");
            vm.assertEq(seat.convicted, ghost.convicted, "convicted");
            vm.assertEq(seat.left, ghost.left, "left");
            vm.assertEq(bond.amount, ghost.bond, "bond");
            vm.assertEq(bond.exitAt, ghost.exitAt, "exit");
            vm.assertEq(bond.releasedAt, ghost.releasedAt, "released");
        }
    }

    function invariant_Inbox() external view {
        (uint256 length, uint64 taken, uint256 servedAt) = _handler.inboxGhost();
        InboxState memory inbox = _coordinator.inbox(_groupId);
        vm.assertEq(inbox.length, length, "length");
        vm.assertEq(inbox.taken, taken, "taken");
        vm.assertEq(inbox.servedAt, servedAt, "served at");
        vm.assertEq(inbox.waitingSince, _handler.waitingSince(), "waiting since");
        for (uint64 i = 0; i < length; ++i) {
            (bytes32 inboxHash, uint64 enqueuedAt) = _coordinator.inboxMessage(_groupId, i);
            (bytes32 expected, uint256 time) = _handler.inboxAt(i);
            vm.assertEq(inboxHash, expected, "the chain of hashes");
            vm.assertEq(enqueuedAt, time, "when a message came");
        }
    }

    function invariant_Epochs() external view {
        uint64 last = 0;
        for (uint256 e = 0; e < _handler.epochCount(); ++e) {
            (uint64 number, EpochStart memory start) = _handler.epochAt(e);
            vm.assertEq(abi.encode(_coordinator.epochStart(_groupId, number)), abi.encode(start), "an epoch's start");
            vm.assertTrue(e == 0 || number > last, "a number used twice");
            last = number;
        }
        vm.assertEq(_coordinator.group(_groupId).epoch, last, "the current one");
        (, EpochStart memory current) = _handler.epochAt(_handler.epochCount() - 1);
        vm.assertEq(_coordinator.group(_groupId).votersSince, current.votersSince, "since when weights stand");
    }

    function invariant_NothingForbidden() external view {
        vm.assertEq(_handler.violation(), "", "violation");
    }

    function invariant_OtherGroups() external view {
        vm.assertEq(_handler.stateOf(_handler.otherGroup()), _handler.otherState(), "another group");
    }

    /// @dev An invariant that nothing ever tests holds too easily: here the handler, led by hand, does everything.
    function test_TheHandlerReachesEverything() external {
        // On-chain: a payment, something that is cancelled, something vetoed, something revoked.
        _handler.propose(0, 2, 0.3 ether);
        for (uint256 i = 0; i < 3; ++i) {
            _handler.vote(0, i, 1, i == 1);
        }
        _handler.execute(0, 0);
        _handler.propose(1, 0, 1);
        _handler.cancel(1, 1);
        _handler.propose(2, 0, 2);
        for (uint256 i = 0; i < 3; ++i) {
            _handler.vote(2, i, 1, false);
        }
        _handler.veto(2, 0x1f);
        _handler.revoke(1, 0);
        // By the log: a payment, one above its limit, something that waits; each way to anchor.
        _handler.decide(3, 2, 0.4 ether);
        _handler.decide(4, 2, 0.55 ether);
        _handler.decide(5, 0, 3);
        for (uint256 how = 0; how < 16; ++how) {
            _handler.anchor(how);
        }
        _handler.executeAnchored(0, 0);
        _handler.executeAnchored(1, 0);
        _handler.executeAnchoredBatch(0, 0);
        _handler.queueAnchored(2, 0);
        // A stall: the other lane opens, and signatures approve, until the log is shown to have refused.
        _handler.enqueue(0);
        _handler.enqueue(6);
        _handler.pass(3 hours);
        _handler.propose(0, 1, 4);
        _handler.propose(0, 0, 5);
        _handler.approveBySigs(7, 0x07, false);
        _handler.refuse(7, 0);
        _handler.anchor(9);
        _handler.closeFromLog(0, 1);
        _membersChange();
        vm.assertEq(_handler.violation(), "", "violation");
        _assertReached();
    }

    function _membersChange() private {
        _handler.deposit(5, 0);
        _handler.rotate(0x3f, 0, 3);
        _handler.rotate(0x3e, 1, 1);
        _handler.rotate(0x3e, 1, 3);
        _handler.leave(4);
        for (uint256 how = 0; how < 6; ++how) {
            _handler.report(1, how);
        }
        _handler.requestWithdrawal(0);
        _handler.requestWithdrawal(2);
        _handler.stay(2);
        _handler.withdraw(0, true);
        _handler.recover(0x3d, 3, true);
    }

    function _assertReached() private view {
        string[22] memory actions = [
            "propose",
            "vote",
            "voteBySigs",
            "cancel",
            "execute",
            "veto",
            "revoke",
            "approveBySigs",
            "closeFromLog",
            "enqueue",
            "leave",
            "anchor",
            "executeAnchored",
            "executeAnchoredBatch",
            "queueAnchored",
            "rotate",
            "rotate voters",
            "recover",
            "deposit",
            "report",
            "withdraw",
            "stay"
        ];
        for (uint256 i = 0; i < actions.length; ++i) {
            vm.assertTrue(_handler.successes(actions[i]) != 0, actions[i]);
        }
    }
}
