// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {IAgentCoordinator} from "../../src/IAgentCoordinator.sol";
import {Anchor, Bond, Group, InboxState, Member, Proposal, ProposalStatus} from "../../src/Types.sol";
import {Recorder} from "../support/Targets.sol";
import {deployCoordinator} from "../support/Deployment.sol";
import {vm} from "../support/Vm.sol";
import {Handler} from "./Handler.sol";
import {Store} from "./Store.sol";

/// @notice What holds whatever anybody does, in any order. The handler's notes and the recorder, which the groups' calls
/// reach, are the judges; neither asks the coordinator.
///
/// 1. Once. A group executes a proposal at most once, over all lanes together.
/// 2. Tallies. A proposal's weights are the sums of the last votes that were taken, one a voter, each with its weight.
/// 3. Status. A proposal stands where its class, its votes and the time put it: what is not approved by them is nowhere
///    approved, and what is stays so until its execution or its end.
/// 4. Forward. Sequence and size of a group's anchors never go back, and a root that was anchored stays.
/// 5. Funds. What a group's account holds is what was paid in less what the group itself decided to pay out.
/// 6. Bonds. The coordinator holds exactly the bonds, and each is what was deposited for it; what left went to the
///    replica, to who reported it, or to the group, to the wei.
/// 7. Inbox. Its messages are those that were put in, chained by their hashes, and the log has taken in as many as the last
///    anchor says.
/// 8. Epochs. Members, totals, quorum and the record of every epoch are those of the lists that a quorum of the epoch
///    before signed, and nobody else has a seat. No proposal is open over the end of its epoch.
/// 9. Nothing that must not succeed has succeeded; above all, nobody but a quorum of the current epoch has moved a root or
///    the members, and no anchor has left out a message beyond its deadline.
///
/// Everything is kept by group and compared for each, so what is done to one group changes nothing in another.
contract InvariantsTest {
    IAgentCoordinator private _coordinator;
    Recorder private _recorder;
    Handler private _handler;

    function setUp() external {
        vm.warp(1_800_000_000);
        _coordinator = deployCoordinator();
        _recorder = new Recorder();
        _handler = new Handler(_coordinator, _recorder);
    }

    /// @dev What forge calls at random.
    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_handler);
    }

    function invariant_Once() external view {
        for (uint256 g = 0; g < _handler.groupCount(); ++g) {
            Store.GroupGhost memory group = _handler.groupAt(g);
            for (uint256 p = 0; p < _handler.proposalCount(); ++p) {
                Store.ProposalGhost memory proposal = _handler.proposalAt(p);
                uint256 effects = _recorder.callsBy(group.account, proposal.marker);
                vm.assertLe(effects, 1, "executed twice");
                vm.assertEq(_handler.executions(g, p), effects, "effects without an execution, or the other way");
                vm.assertEq(_coordinator.executed(group.id, proposal.id), effects == 1, "executed");
            }
        }
    }

    function invariant_Tallies() external view {
        for (uint256 p = 0; p < _handler.proposalCount(); ++p) {
            Store.ProposalGhost memory ghost = _handler.proposalAt(p);
            if (!ghost.onChain) continue;
            Proposal memory proposal = _coordinator.proposal(ghost.id);
            vm.assertEq(proposal.againstWeight, ghost.tally[0], "against");
            vm.assertEq(proposal.forWeight, ghost.tally[1], "for");
            vm.assertEq(proposal.abstainWeight, ghost.tally[2], "abstain");
            vm.assertLe(ghost.tally[0] + ghost.tally[1] + ghost.tally[2], ghost.totalWeight, "more than all weight");
            vm.assertLe(ghost.voters, _handler.POOL(), "more than all voters");
            uint256 first = ghost.group * _handler.POOL();
            for (uint256 agent = first; agent < first + _handler.POOL(); ++agent) {
                (uint32 count, uint8 choice) = _coordinator.voteOf(ghost.id, _handler.agents(agent));
                vm.assertEq(count, _handler.voteCount(p, agent), "votes of a voter");
                vm.assertEq(choice, _handler.lastChoice(p, agent), "its last choice");
            }
        }
    }

    function invariant_Status() external view {
        for (uint256 p = 0; p < _handler.proposalCount(); ++p) {
            Store.ProposalGhost memory ghost = _handler.proposalAt(p);
            if (!ghost.onChain) continue;
            uint256 status = uint256(_coordinator.proposalStatus(ghost.id));
            vm.assertEq(status, uint256(_handler.expectedStatus(p)), "status");
        }
    }

    function invariant_Forward() external view {
        for (uint256 g = 0; g < _handler.groupCount(); ++g) {
            Store.GroupGhost memory ghost = _handler.groupAt(g);
            Anchor memory latest = _coordinator.latestAnchor(ghost.id);
            vm.assertEq(latest.sequence, ghost.sequence, "sequence");
            vm.assertEq(latest.logSize, ghost.logSize, "log size");
            vm.assertEq(latest.anchoredAt, ghost.anchoredAt, "anchored at");
            vm.assertEq(latest.stateRoot, ghost.stateRoot, "state root");
            for (uint256 i = 0; i < ghost.anchoredSizes.length; ++i) {
                uint64 size = ghost.anchoredSizes[i];
                vm.assertEq(_coordinator.anchoredRoot(ghost.id, size), ghost.log.root(size), "an anchored root");
            }
            vm.assertEq(_coordinator.hasStalled(ghost.id), _handler.hasStalled(g), "stalled");
        }
    }

    function invariant_Funds() external view {
        for (uint256 g = 0; g < _handler.groupCount(); ++g) {
            Store.GroupGhost memory ghost = _handler.groupAt(g);
            vm.assertEq(ghost.account.balance, ghost.funded - ghost.paid, "balance");
            vm.assertEq(_recorder.received(ghost.account), ghost.paid, "paid out");
        }
    }

    function invariant_Bonds() external view {
        uint256 held = 0;
        uint256 agents = _handler.groupCount() * _handler.POOL();
        for (uint256 agent = 0; agent < agents; ++agent) {
            address account = _handler.agents(agent);
            for (uint256 g = 0; g < _handler.groupCount(); ++g) {
                bytes32 id = _handler.groupAt(g).id;
                Store.BondGhost memory ghost = _handler.bondAt(g, agent);
                Bond memory bond = _coordinator.bondOf(id, account);
                vm.assertEq(bond.amount, ghost.amount, "a bond");
                vm.assertEq(bond.releasedAt, ghost.releasedAt, "a request");
                vm.assertEq(_coordinator.isConvicted(id, account), ghost.convicted, "convicted");
                held += ghost.amount;
            }
            vm.assertEq(account.balance, _handler.received(agent), "what an agent was sent");
        }
        vm.assertEq(address(_coordinator).balance, held, "the coordinator holds the bonds");
    }

    function invariant_Inbox() external view {
        for (uint256 g = 0; g < _handler.groupCount(); ++g) {
            Store.GroupGhost memory ghost = _handler.groupAt(g);
            InboxState memory inbox = _coordinator.inbox(ghost.id);
            vm.assertEq(inbox.length, ghost.inboxHashes.length, "length");
            vm.assertEq(inbox.taken, ghost.taken, "taken");
            vm.assertLe(inbox.taken, inbox.length, "more than there are");
            for (uint64 i = 0; i < ghost.inboxHashes.length; ++i) {
                (bytes32 inboxHash, uint64 enqueuedAt) = _coordinator.inboxMessage(ghost.id, i);
                vm.assertEq(inboxHash, ghost.inboxHashes[i], "the chain of hashes");
                vm.assertEq(enqueuedAt, ghost.inboxTimes[i], "when a message came");
            }
        }
    }

    function invariant_Epochs() external view {
        for (uint256 g = 0; g < _handler.groupCount(); ++g) {
            Store.GroupGhost memory ghost = _handler.groupAt(g);
            Member[] memory members = _handler.membersOf(g, ghost.weights);
            Group memory group = _coordinator.group(ghost.id);
            vm.assertEq(group.epoch, ghost.epochs.length - 1, "epoch");
            vm.assertEq(group.memberCount, members.length, "member count");
            vm.assertEq(group.replicaCount, members.length, "replica count");
            vm.assertEq(group.totalWeight, _handler.totalOf(ghost.weights), "total weight");
            vm.assertEq(group.membersHash, keccak256(abi.encode(members)), "members hash");
            vm.assertEq(abi.encode(_coordinator.members(ghost.id)), abi.encode(members), "members");
            vm.assertEq(_coordinator.quorum(ghost.id), _handler.quorumOf(ghost.weights), "quorum");
            for (uint64 e = 0; e < ghost.epochs.length; ++e) {
                bytes memory start = abi.encode(_coordinator.epochStart(ghost.id, e));
                vm.assertEq(start, abi.encode(ghost.epochs[e]), "an epoch's start");
            }
            for (uint256 i = 0; i < _handler.POOL(); ++i) {
                address agent = _handler.agents(g * _handler.POOL() + i);
                vm.assertEq(_coordinator.memberOf(ghost.id, agent).weight, ghost.weights[i], "a seat");
                vm.assertEq(_coordinator.hasLeft(ghost.id, agent), ghost.left[i], "has left");
            }
        }
        for (uint256 p = 0; p < _handler.proposalCount(); ++p) {
            Store.ProposalGhost memory ghost = _handler.proposalAt(p);
            if (!ghost.onChain || _coordinator.proposalStatus(ghost.id) != ProposalStatus.Open) continue;
            uint256 epoch = _handler.groupAt(ghost.group).epochs.length - 1;
            vm.assertEq(ghost.epoch, epoch, "open over the end of its epoch");
        }
    }

    function invariant_NothingForbidden() external view {
        vm.assertEq(_handler.violation(), "", "violation");
    }

    /// @dev An invariant that nothing ever tests holds too easily: here the handler, led by hand, does everything.
    function test_TheHandlerReachesEverything() external {
        _handler.fund(0, 5 ether);
        _handler.fund(1, 5 ether);
        _handler.propose(0, 0, 0.1 ether);
        _handler.propose(6, 0, 0.2 ether);
        _handler.propose(1, 1, 0.3 ether);
        // The escape lane's class is closed to proposals, and nothing is stalled; but it is known by its identifier.
        _handler.propose(1, 2, 0.4 ether);
        _handler.vote(0, 3, 1, true, 0);
        _handler.voteTogether(0, 1);
        _handler.voteTogether(1, 1);
        _handler.vote(2, 1, 1, false, 0);
        _handler.voteAgain(2, 1, 0, 1);
        for (uint256 how = 2; how < 4; ++how) {
            _handler.voteAgain(2, 1, 1, how);
        }
        _handler.cancel(2, 1);
        _handler.leave(0);
        _handler.decide(1, 0, 0, 0);
        _handler.decide(0, 4, 0, 0.4 ether);
        _handler.enqueue(0, 0, "command");
        _handler.enqueue(0, 5, "of a stranger");
        // The first round also anchors the empty log; in the second a smaller log and a fork are there to be refused.
        for (uint256 i = 0; i < 32; ++i) {
            _handler.anchor(0, i % 16);
            _handler.anchor(1, i % 16);
        }
        for (uint256 agent = 0; agent < 4; ++agent) {
            _handler.deposit(0, agent, 1 ether);
        }
        for (uint256 how = 0; how < 7; ++how) {
            _handler.report(0, 3, 0, how);
        }
        // In group 0 the last two agents come for the first two; then the same try with too few, others, another epoch,
        // another list, an old sequence.
        _handler.rotate(0, 0x3c, 2, 7);
        for (uint256 i = 0; i < 5; ++i) {
            _handler.rotate(0, 0x0f, 0, i);
        }
        // The replicas of the epoch before, of whom two are gone, sign what only today's may sign.
        _handler.anchor(0, 5);
        _handler.requestWithdrawal(0, 0);
        _handler.pass(2 hours);
        _handler.execute(0, 7);
        _handler.invent(0, 0, 0, 1);
        _handler.executeAnchored(0, 1, 0);
        _handler.executeAnchored(1, 1, 0);
        // Anchors stall: the escape lane opens, and the end of an epoch may leave a message out.
        _handler.enqueue(0, 1, "left out");
        _handler.pass(7 hours);
        for (uint256 how = 0; how < 5; ++how) {
            _handler.approveFromLog(3, how, false);
        }
        _handler.propose(2, 2, 0);
        _handler.pass(2 hours);
        _handler.execute(3, 0);
        _handler.anchor(0, 10);
        _handler.rotate(0, 0x3c, 0, 5);
        for (uint256 i = 0; i < 5; ++i) {
            _handler.pass(6 hours);
        }
        _handler.withdraw(0, 0, false);
        _assertReached();
    }

    function _assertReached() private view {
        vm.assertEq(_handler.successes("propose"), 4, "propose");
        vm.assertEq(_handler.successes("voteBySig"), 2, "voteBySig");
        vm.assertEq(_handler.successes("voteBySigs"), 2, "voteBySigs");
        vm.assertEq(_handler.successes("vote"), 1, "vote");
        vm.assertEq(_handler.successes("old vote"), 0, "old vote");
        vm.assertEq(_handler.successes("cancel"), 1, "cancel");
        vm.assertEq(_handler.successes("leave"), 1, "leave");
        vm.assertEq(_handler.successes("rotate"), 2, "rotate");
        vm.assertEq(_handler.successes("rotate what must not be"), 0, "rotate what must not be");
        vm.assertEq(_handler.successes("anchor what must not be"), 0, "anchor what must not be");
        vm.assertEq(_handler.successes("execute"), 1, "execute");
        vm.assertEq(_handler.successes("execute from the log"), 1, "execute from the log");
        vm.assertEq(_handler.successes("executeAnchored"), 2, "executeAnchored");
        vm.assertEq(_handler.successes("approveFromLog"), 1, "approveFromLog");
        vm.assertEq(_handler.successes("enqueue"), 2, "enqueue");
        vm.assertEq(_handler.successes("deposit"), 4, "deposit");
        vm.assertEq(_handler.successes("report"), 1, "report");
        vm.assertEq(_handler.successes("requestWithdrawal"), 1, "requestWithdrawal");
        vm.assertEq(_handler.successes("withdraw"), 1, "withdraw");
        vm.assertEq(_handler.violation(), "", "violation");
    }
}
