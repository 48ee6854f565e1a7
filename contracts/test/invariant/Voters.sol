// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {
    Ballot,
    CHOICE_FOR,
    Content,
    INBOX_CLOSED,
    INBOX_COMMAND,
    INBOX_LEFT,
    INBOX_OPENED,
    Status
} from "../../src/Types.sol";
import {vm} from "../support/Vm.sol";
import {Rules} from "./Rules.sol";

/// @notice What anybody may try in the voters' lane, and with the inbox.
abstract contract Voters is Rules {
    uint256 internal constant MAXIMUM_PROPOSALS = 16;

    function pass(uint256 time) external {
        vm.warp(block.timestamp + time % 8 hours);
    }

    function enqueue(uint256 agent) public {
        agent %= POOL;
        // Members pay nothing, others a fee.
        bool isMember = seats[agent].seated;
        uint256 fee = isMember ? 0 : INBOX_FEE;
        vm.deal(agents[agent], agents[agent].balance + fee);
        bytes memory data = abi.encodeCall(coordinator.enqueue, (groupId, "a command"));
        if (!_try(agents[agent], fee, data, true, "enqueue")) return;
        funds += fee;
        _noteMessage(INBOX_COMMAND, agents[agent], "a command");
    }

    function leave(uint256 agent) external {
        agent %= POOL;
        SeatGhost storage seat = seats[agent];
        bytes memory data = abi.encodeCall(coordinator.leave, (groupId));
        if (!_try(agents[agent], 0, data, seat.seated && !seat.left, "leave")) return;
        seat.left = true;
        _noteMessage(INBOX_LEFT, agents[agent], abi.encode(agents[agent]));
    }

    // ---------------------------------------------------------------------------------------------------------
    // Voting
    // ---------------------------------------------------------------------------------------------------------

    function propose(uint256 agent, uint256 class, uint256 value) external {
        if (proposals.length == MAXIMUM_PROPOSALS) return;
        agent %= POOL;
        uint256 p = _newProposal(agent, uint8(class % CLASSES_HERE), value);
        ProposalGhost storage ghost = proposals[p];
        Content memory content = contentOf(p);
        bool allowed = _isVoter(agent) && (ghost.class != CHANGING || hasWaited(STALL_TIME))
            && (ghost.class != PAY || ghost.value <= PAY_LIMIT);
        bytes memory data = abi.encodeCall(coordinator.propose, (groupId, ghost.class, content.calls, "", content.salt));
        if (!_try(agents[agent], 0, data, allowed, "propose")) return;
        _open(ghost, Status.Open, agents[agent]);
        ghost.votingEnds = block.timestamp + PERIOD;
    }

    /// @dev It exists by its identifier alone.
    function _newProposal(uint256 agent, uint8 class, uint256 value) internal returns (uint256 p) {
        p = proposals.length;
        ProposalGhost storage ghost = proposals.push();
        (ghost.class, ghost.proposer) = (class, agent);
        // Above the limit of payments now and then.
        ghost.value = value % 0.6 ether;
        ghost.id = _idOf(contentOf(p));
    }

    /// @dev Of the current voters; the log is told, by whoever sent it.
    function _open(ProposalGhost storage ghost, Status status, address sender) private {
        (ghost.status, ghost.votersSince, ghost.totalWeight) = (status, votersSince, totalWeight());
        uint256 ends = status == Status.Open ? block.timestamp + PERIOD : ghost.votingEnds;
        _noteMessage(
            INBOX_OPENED,
            sender,
            abi.encode(ghost.id, agents[ghost.proposer], uint256(ghost.class), ends, uint256(status))
        );
    }

    /// @dev By a transaction or by a signature.
    function vote(uint256 p, uint256 agent, uint8 choice, bool signs) external {
        if (proposals.length == 0) return;
        p = _mostly(Status.Open, p);
        agent %= POOL;
        choice %= 4;
        bool again = voteCount[p][agent] != 0;
        bool allowed = expectedStatus(p) == Status.Open && _isVoter(agent) && choice < 3
            && (!again || (proposals[p].class == CHANGING && lastChoice[p][agent] != choice));
        if (!signs) {
            bytes memory data = abi.encodeCall(coordinator.vote, (groupId, proposals[p].id, choice));
            if (_try(agents[agent], 0, data, allowed, "vote")) _count(p, agent, choice);
            return;
        }
        Ballot[] memory ballots = new Ballot[](1);
        ballots[0] = _signed(p, agent, choice, uint32(voteCount[p][agent]), proposals[p].votingEnds);
        _sendBallots(p, agent, choice, ballots, allowed);
    }

    /// @dev What does not count is passed over, and changes nothing: the tallies tell.
    function _sendBallots(uint256 p, uint256 agent, uint8 choice, Ballot[] memory ballots, bool allowed) private {
        bytes memory data = abi.encodeCall(coordinator.voteBySigs, (groupId, proposals[p].id, ballots));
        vm.prank(address(0xbeef));
        (bool sent,) = address(coordinator).call(data);
        if (!sent && allowed) _violate("a signed vote was refused");
        if (!sent || !allowed) return;
        ++successes["voteBySigs"];
        _count(p, agent, choice);
    }

    function _signed(uint256 p, uint256 agent, uint8 choice, uint32 nonce, uint256 ends)
        private
        view
        returns (Ballot memory)
    {
        ProposalGhost storage ghost = proposals[p];
        uint64 epoch = ghost.status == Status.Open ? ghost.votersSince : votersSince;
        bytes32 digest = coordinator.hashVote(agents[agent], ghost.id, choice, epoch, uint64(ends), nonce);
        return Ballot({voter: agents[agent], choice: choice, signature: _signature(privateKeys[agent], digest)});
    }

    function cancel(uint256 p, uint256 agent) external {
        if (proposals.length == 0) return;
        p %= proposals.length;
        agent = agent % 3 == 0 ? agent % POOL : proposals[p].proposer;
        bool allowed = agent == proposals[p].proposer && expectedStatus(p) == Status.Open;
        bytes memory data = abi.encodeCall(coordinator.cancel, (groupId, contentOf(p)));
        if (!_try(agents[agent], 0, data, allowed, "cancel")) return;
        _close(p, Status.Cancelled, agents[agent]);
    }

    // ---------------------------------------------------------------------------------------------------------
    // What is approved
    // ---------------------------------------------------------------------------------------------------------

    function execute(uint256 p, uint256 agent) external {
        if (proposals.length == 0) return;
        p = _mostly(Status.Approved, p);
        ProposalGhost storage ghost = proposals[p];
        bool allowed = expectedStatus(p) == Status.Approved && block.timestamp >= expectedFrom(p) && _permitted(ghost);
        bytes memory data = abi.encodeCall(coordinator.execute, (groupId, contentOf(p)));
        address sender = agents[agent % POOL];
        if (_try(sender, 0, data, allowed, "execute")) _noteExecution(p, ghost.queued ? address(0) : sender);
    }

    /// @dev Objections of those whose bit is set: voters, strangers, those who left.
    function veto(uint256 p, uint256 bits) external {
        if (proposals.length == 0) return;
        p = _mostly(Status.Approved, p);
        bool allowed = expectedStatus(p) == Status.Approved && _blocks(proposals[p].class, _weightOf(bits));
        bytes memory data = abi.encodeCall(coordinator.veto, (groupId, proposals[p].id, _objectionsOf(p, bits)));
        if (_try(agents[0], 0, data, allowed, "veto")) _close(p, Status.Revoked, agents[0]);
    }

    function _blocks(uint8 class, uint256 weight) private view returns (bool) {
        // Half of all is a veto in the one; more than 40 % could have blocked the others.
        uint256 total = totalWeight();
        return weight != 0 && (class == CHANGING ? weight * 2 >= total : weight * 10 > total * 4);
    }

    function _objectionsOf(uint256 p, uint256 bits) private view returns (Ballot[] memory objections) {
        objections = new Ballot[](POOL);
        uint256 count = 0;
        for (uint256 i = 0; i < POOL; ++i) {
            if (bits >> i & 1 == 1) objections[count++] = _objections(i, 1, proposals[p].id)[0];
        }
        assembly ("memory-safe") {
            mstore(objections, count)
        }
    }

    /// @dev By a decision of the group, which its account stands for here; or by somebody who is not it.
    function revoke(uint256 p, uint256 agent) external {
        if (proposals.length == 0) return;
        p %= proposals.length;
        bool isGroup = agent % 2 == 0;
        bool allowed = isGroup && proposals[p].status != Status.Executed;
        address sender = isGroup ? account : agents[agent % POOL];
        bytes memory data = abi.encodeCall(coordinator.revoke, (groupId, proposals[p].id));
        if (_try(sender, 0, data, allowed, "revoke")) _close(p, Status.Revoked, sender);
    }

    /// @dev The votes of those whose bit is set, as they were given off-chain.
    function approveBySigs(uint256 p, uint256 bits, bool late) external {
        if (proposals.length == 0) return;
        p %= proposals.length;
        ProposalGhost storage ghost = proposals[p];
        Status status = expectedStatus(p);
        uint256 ends = late ? block.timestamp : block.timestamp + 1;
        bool may = status != Status.Approved && status != Status.Executed && status != Status.Revoked
            && !(status == Status.Expired && ghost.status == Status.Approved);
        bool allowed = may && !late && ghost.class == ANY && !ghost.refused && hasWaited(STALL_TIME)
            && _weightOf(bits) * 10 >= totalWeight() * 6 && _weightOf(bits) != 0;
        bytes memory data =
            abi.encodeCall(coordinator.approveBySigs, (groupId, contentOf(p), uint64(ends), _votesOf(p, bits, ends)));
        if (!_try(agents[0], 0, data, allowed, "approveBySigs")) return;
        (ghost.votingEnds, ghost.approvedAt, ghost.bySignatures) = (ends, block.timestamp, true);
        ghost.queued = false;
        _open(ghost, Status.Approved, agents[0]);
        ghost.tally = [uint256(0), _weightOf(bits), 0];
    }

    function _votesOf(uint256 p, uint256 bits, uint256 ends) private view returns (Ballot[] memory ballots) {
        ballots = new Ballot[](POOL);
        uint256 count = 0;
        for (uint256 i = 0; i < POOL; ++i) {
            if (bits >> i & 1 == 0) continue;
            bytes32 digest = coordinator.hashVote(agents[i], proposals[p].id, CHOICE_FOR, votersSince, uint64(ends), 0);
            ballots[count++] = Ballot(agents[i], CHOICE_FOR, _signature(privateKeys[i], digest));
        }
        assembly ("memory-safe") {
            mstore(ballots, count)
        }
    }

    function _close(uint256 p, Status status, address sender) private {
        proposals[p].status = status;
        _noteMessage(INBOX_CLOSED, sender, abi.encode(proposals[p].id, status));
    }

    /// @dev Three times of four a proposal that stands like this, if there is one: else most tries would be of others.
    function _mostly(Status status, uint256 p) internal view returns (uint256) {
        uint256 count = proposals.length;
        for (uint256 i = 0; i < count && (p >> 8) % 4 != 0; ++i) {
            uint256 at = (p % count + i) % count;
            if (expectedStatus(at) == status) return at;
        }
        return p % count;
    }
}
// forge-lint: disable-end(unsafe-typecast)
