// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {IAgentCoordinator} from "../../src/IAgentCoordinator.sol";
import {ICoordinatorEvents} from "../../src/ICoordinatorEvents.sol";
import {Ballot, Call, CHOICE_FOR, Content, FLAG_REPLICA, FLAG_VOTER, Member, Status, Terms} from "../../src/Types.sol";
import {Classes} from "./Classes.sol";
import {deployCoordinator} from "./Deployment.sol";
import {ReferenceLog} from "./ReferenceLog.sol";
import {Recorder} from "./Targets.sol";
import {Coin} from "./Tokens.sol";
import {vm} from "./Vm.sol";

/// @notice A coordinator, agents with keys, a group of four, and the making of proposals and votes. `AnchorFixture` makes
/// checkpoints and decisions.
abstract contract Fixture is Classes {
    uint256 internal constant START = 1_800_000_000;
    bytes32 internal constant SALT = keccak256("salt");
    /// @dev The gas that calls of the tests name.
    uint64 internal constant CALL_GAS = 100_000;

    IAgentCoordinator internal coordinator;
    ReferenceLog internal log;

    /// @dev By ascending address.
    uint256[] internal privateKeys;
    address[] internal agents;

    bytes32 internal groupId;
    address internal account;

    function setUp() public virtual {
        vm.warp(START);
        coordinator = deployCoordinator();
        recorder = new Recorder();
        coin = new Coin();
        log = new ReferenceLog();
        _makeAgents(4);
        _use(_createGroup(_members(4), _terms(), SALT));
    }

    /// @dev From here on the tests are about this group, which has funds.
    function _use(bytes32 id) internal {
        groupId = id;
        account = coordinator.group(id).account;
        vm.deal(account, 100 ether);
        coin.mint(account, 50_000e6);
    }

    // ---------------------------------------------------------------------------------------------------------
    // Agents and groups
    // ---------------------------------------------------------------------------------------------------------

    /// @dev Makes agents until there are `count`, sorted by address, and registers them.
    function _makeAgents(uint256 count) internal {
        for (uint256 k = privateKeys.length; k < count; ++k) {
            uint256 privateKey = uint256(keccak256(abi.encode("agent", k)));
            address agent = vm.addr(privateKey);
            privateKeys.push(privateKey);
            agents.push(agent);
            for (uint256 i = k; i > 0 && agents[i - 1] > agents[i]; --i) {
                (agents[i - 1], agents[i]) = (agents[i], agents[i - 1]);
                (privateKeys[i - 1], privateKeys[i]) = (privateKeys[i], privateKeys[i - 1]);
            }
            vm.prank(agent);
            coordinator.register(_key(agent));
        }
    }

    function _key(address agent) internal pure returns (bytes32) {
        return keccak256(abi.encode("ed25519", agent));
    }

    /// @dev The first `count` agents, each a replica and a voter of weight 1.
    function _members(uint256 count) internal view returns (Member[] memory) {
        return _between(0, count);
    }

    /// @dev The agents from `first` up to, not including, `end`: each a voter of weight 1 and a replica.
    function _between(uint256 first, uint256 end) internal view returns (Member[] memory members) {
        members = new Member[](end - first);
        for (uint256 i = 0; i < members.length; ++i) {
            address agent = agents[first + i];
            members[i] = Member({account: agent, key: _key(agent), weight: 1, flags: FLAG_VOTER | FLAG_REPLICA});
        }
    }

    function _hash(Member[] memory members) internal pure returns (bytes32) {
        return keccak256(abi.encode(members));
    }

    function _createGroup(Member[] memory members, Terms memory terms, bytes32 salt) internal returns (bytes32) {
        return coordinator.createGroup(members, terms, salt);
    }

    /// @dev The first `count` agents deposit the bond in full.
    function _deposit(uint256 count) internal {
        for (uint256 i = 0; i < count; ++i) {
            vm.deal(agents[i], BOND);
            vm.prank(agents[i]);
            coordinator.deposit{value: BOND}(groupId);
        }
    }

    // ---------------------------------------------------------------------------------------------------------
    // The inbox
    // ---------------------------------------------------------------------------------------------------------

    /// @dev A member puts a command into the inbox.
    function _enqueue() internal returns (uint64) {
        vm.prank(agents[0]);
        return coordinator.enqueue(groupId, "a command");
    }

    /// @dev The next message of the inbox is this one.
    function _expectMessage(uint8 kind, address sender, bytes memory payload) internal {
        uint64 index = coordinator.inbox(groupId).length;
        bytes32 inboxHash;
        if (index != 0) (inboxHash,) = coordinator.inboxMessage(groupId, index - 1);
        uint64 time = uint64(block.timestamp);
        inboxHash = keccak256(abi.encode(inboxHash, index, kind, sender, time, keccak256(payload)));
        vm.expectEmit(address(coordinator));
        emit ICoordinatorEvents.Enqueued(groupId, index, kind, sender, time, payload, inboxHash);
    }

    /// @dev A message waits until the group has stalled.
    function _stall() internal {
        _enqueue();
        vm.warp(block.timestamp + STALL_TIME);
    }

    // ---------------------------------------------------------------------------------------------------------
    // Calls, proposals and votes
    // ---------------------------------------------------------------------------------------------------------

    /// @dev One call that leaves `marker` at the recorder and pays it `value`.
    function _calls(uint256 marker, uint256 value) internal view returns (Call[] memory calls) {
        return _call(address(recorder), value, abi.encodeCall(Recorder.record, (marker)));
    }

    function _call(address target, uint256 value, bytes memory data) internal pure returns (Call[] memory calls) {
        calls = new Call[](1);
        calls[0] = Call({
            target: target,
            value: value,
            gas: data.length == 0 ? 0 : CALL_GAS,
            allowFailure: false,
            allowNoCode: false,
            data: data
        });
    }

    /// @dev One call without data.
    function _payment(address payee, uint256 value) internal pure returns (Call[] memory) {
        return _call(payee, value, "");
    }

    /// @dev One transfer of a token.
    function _transfer(address token, address payee, uint256 amount) internal pure returns (Call[] memory) {
        return _call(token, 0, abi.encodeCall(Coin(token).transfer, (payee, amount)));
    }

    function _join(Call[] memory first, Call[] memory second) internal pure returns (Call[] memory calls) {
        calls = new Call[](first.length + second.length);
        for (uint256 i = 0; i < calls.length; ++i) {
            calls[i] = i < first.length ? first[i] : second[i - first.length];
        }
    }

    /// @dev What `agent` proposes, with an empty description.
    function _content(uint256 agent, uint8 class, Call[] memory calls, uint64 salt)
        internal
        view
        returns (Content memory)
    {
        return
            Content({proposer: agents[agent], salt: salt, class: class, descriptionHash: keccak256(""), calls: calls});
    }

    function _idOf(Content memory content) internal view returns (bytes32) {
        return coordinator.proposalIdOf(
            groupId,
            content.proposer,
            content.salt,
            content.class,
            coordinator.hashCalls(content.calls),
            content.descriptionHash
        );
    }

    /// @dev In the on-chain lane, with an empty description, as `_content` has it.
    function _propose(uint256 agent, uint8 class, Call[] memory calls, uint64 salt) internal returns (bytes32) {
        vm.prank(agents[agent]);
        return coordinator.propose(groupId, class, calls, "", salt);
    }

    function _vote(uint256 agent, bytes32 id, uint8 choice) internal {
        vm.prank(agents[agent]);
        coordinator.vote(groupId, id, choice);
    }

    /// @dev The first three agents vote for it.
    function _approve(bytes32 id) internal {
        for (uint256 i = 0; i < 3; ++i) {
            _vote(i, id, CHOICE_FOR);
        }
    }

    /// @dev What the first agent proposes is approved by the first three, in the on-chain lane.
    function _approved(uint8 class, Call[] memory calls, uint64 salt) internal returns (Content memory content) {
        content = _content(0, class, calls, salt);
        _approve(_propose(0, class, calls, salt));
    }

    /// @dev The same, and executed as soon as may be.
    function _decideAndExecute(uint8 class, Call[] memory calls, uint64 salt) internal {
        Content memory content = _approved(class, calls, salt);
        vm.warp(coordinator.proposal(groupId, _idOf(content)).executableFrom);
        coordinator.execute(groupId, content);
    }

    function _signature(uint256 privateKey, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(privateKey, digest);
        return abi.encodePacked(r, s, v);
    }

    /// @dev The agent's signature on the vote, in epoch 0.
    function _signVote(uint256 agent, bytes32 id, uint8 choice, uint64 votingEnds, uint32 nonce)
        internal
        view
        returns (bytes memory)
    {
        bytes32 digest = coordinator.hashVote(agents[agent], id, choice, 0, votingEnds, nonce);
        return _signature(privateKeys[agent], digest);
    }

    /// @dev The agent's first vote in epoch 0, for this end of the voting.
    function _ballot(uint256 agent, bytes32 id, uint8 choice, uint64 votingEnds) internal view returns (Ballot memory) {
        return Ballot({voter: agents[agent], choice: choice, signature: _signVote(agent, id, choice, votingEnds, 0)});
    }

    /// @dev The votes for of `count` agents from `first` on.
    function _ballots(uint256 first, uint256 count, bytes32 id, uint64 votingEnds)
        internal
        view
        returns (Ballot[] memory ballots)
    {
        ballots = new Ballot[](count);
        for (uint256 i = 0; i < count; ++i) {
            ballots[i] = _ballot(first + i, id, CHOICE_FOR, votingEnds);
        }
    }

    /// @dev The objections of `count` agents from `first` on.
    function _objections(uint256 first, uint256 count, bytes32 id) internal view returns (Ballot[] memory objections) {
        objections = new Ballot[](count);
        for (uint256 i = 0; i < count; ++i) {
            address voter = agents[first + i];
            objections[i] = Ballot({
                voter: voter,
                choice: 0,
                signature: _signature(privateKeys[first + i], coordinator.hashObjection(voter, id))
            });
        }
    }

    function _statusOf(bytes32 id) internal view returns (Status) {
        return coordinator.proposal(groupId, id).status;
    }

    function _assertStatus(bytes32 id, Status status) internal view {
        vm.assertEq(uint256(_statusOf(id)), uint256(status), "status");
    }
}
// forge-lint: disable-end(unsafe-typecast)
