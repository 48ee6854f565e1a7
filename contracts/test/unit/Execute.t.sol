// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {Errors} from "../../src/Errors.sol";
import {ICoordinatorEvents} from "../../src/ICoordinatorEvents.sol";
import {
    Approval,
    CHOICE_AGAINST,
    CHOICE_FOR,
    Call,
    Content,
    INBOX_CLOSED,
    Lane,
    ProposalState,
    Status
} from "../../src/Types.sol";
import {AnchorFixture} from "../support/AnchorFixture.sol";
import {Reenterer, Refuser, Relay, Worker} from "../support/Targets.sol";
import {Vm, vm} from "../support/Vm.sol";

/// @notice The branches of "execute" in Proposals.tree.
contract ExecuteTest is AnchorFixture {
    Content private _kept;
    bytes32 private _id;

    function setUp() public override {
        super.setUp();
        Content memory content = _content(0, ROUTINE, _calls(1, 1 ether), 7);
        _store(content);
        _id = _propose(0, ROUTINE, content.calls, 7);
    }

    // ---------------------------------------------------------------------------------------------------------
    // What is refused
    // ---------------------------------------------------------------------------------------------------------

    function test_Execute_RevertWhen_GroupOrProposalIsUnknown() external {
        Content memory content = _kept;
        vm.expectRevert(abi.encodeWithSelector(Errors.UnknownGroup.selector, bytes32("none")));
        coordinator.execute("none", content);
        content.salt = 8;
        _expectWrongStatus(_idOf(content), Status.None);
        coordinator.execute(groupId, content);
    }

    function test_Execute_RevertWhen_NotApproved() external {
        Content memory content = _kept;
        _expectWrongStatus(_id, Status.Open);
        coordinator.execute(groupId, content);

        Content memory rejected = _content(0, ROUTINE, _calls(1, 0), 1);
        bytes32 id = _propose(0, ROUTINE, rejected.calls, 1);
        _vote(0, id, CHOICE_AGAINST);
        _vote(1, id, CHOICE_AGAINST);
        _expectWrongStatus(id, Status.Rejected);
        coordinator.execute(groupId, rejected);

        Content memory cancelled = _content(0, ROUTINE, _calls(1, 0), 2);
        id = _propose(0, ROUTINE, cancelled.calls, 2);
        vm.prank(agents[0]);
        coordinator.cancel(groupId, cancelled);
        _expectWrongStatus(id, Status.Cancelled);
        coordinator.execute(groupId, cancelled);

        vm.warp(START + VOTING_PERIOD);
        _expectWrongStatus(_id, Status.Expired);
        coordinator.execute(groupId, content);
    }

    function test_Execute_RevertWhen_TimelockIsNotOver() external {
        Content memory content = _kept;
        vm.warp(START + 10);
        _approve(_id);
        vm.warp(START + 10 + TIMELOCK - 1);
        vm.expectRevert(abi.encodeWithSelector(Errors.TimelockNotOver.selector, _id, START + 10 + TIMELOCK));
        coordinator.execute(groupId, content);

        vm.warp(START + 10 + TIMELOCK);
        coordinator.execute(groupId, content);
    }

    /// @dev Every field of it makes another proposal.
    function test_Execute_RevertWhen_TheContentIsAnother() external {
        _approveAndWait(_id);
        for (uint256 field = 0; field < 11; ++field) {
            Content memory content = _kept;
            if (field == 0) content.proposer = agents[1];
            if (field == 1) content.salt = 8;
            if (field == 2) content.class = ESCAPE;
            if (field == 3) content.descriptionHash = keccak256("another");
            if (field == 4) content.calls[0].target = address(0xbeef);
            if (field == 5) content.calls[0].value = 2 ether;
            if (field == 6) content.calls[0].gas += 1;
            if (field == 7) content.calls[0].allowFailure = true;
            if (field == 8) content.calls[0].allowNoCode = true;
            if (field == 9) content.calls[0].data = _calls(2, 0)[0].data;
            if (field == 10) content.calls = _join(content.calls, _calls(2, 0));
            _expectWrongStatus(_idOf(content), Status.None);
            coordinator.execute(groupId, content);
        }
    }

    function test_Execute_RevertWhen_ExecutedBefore() external {
        Content memory content = _kept;
        _approveAndWait(_id);
        coordinator.execute(groupId, content);
        _expectWrongStatus(_id, Status.Executed);
        coordinator.execute(groupId, content);
    }

    function test_Execute_RevertWhen_ExecutedInTheAnchoredLane() external {
        Content memory content = _approved(LISTED, _calls(2, 0), 0);
        Approval memory approval = _appendApproval(content);
        _anchor(1);
        coordinator.executeAnchored(groupId, log.size(), approval, log.path(approval.index, log.size()));
        _expectWrongStatus(_idOf(content), Status.Executed);
        coordinator.execute(groupId, content);
        vm.assertEq(recorder.calls(2), 1, "made once");
    }

    function test_Execute_RevertWhen_ExecutedAgainFromWithin() external {
        Reenterer reenterer = new Reenterer();
        Call[] memory calls = _call(address(reenterer), 0, abi.encodeCall(Reenterer.poke, ()));
        Content memory content = _approved(ROUTINE, calls, 0);
        reenterer.set(address(coordinator), abi.encodeCall(coordinator.execute, (groupId, content)));
        vm.warp(START + TIMELOCK);

        bytes memory guard = abi.encodeWithSelector(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector);
        vm.expectRevert(abi.encodeWithSelector(Errors.CallFailed.selector, 0, address(reenterer), guard));
        coordinator.execute(groupId, content);
    }

    // ---------------------------------------------------------------------------------------------------------
    // Calls that fail
    // ---------------------------------------------------------------------------------------------------------

    function test_Execute_WhenACallFails_UndoesAllAndStaysExecutable() external {
        Content memory content = _approved(ROUTINE, _join(_calls(2, 0), _calls(3, 1000 ether)), 0);
        vm.warp(START + TIMELOCK);
        uint64 messages = coordinator.inbox(groupId).length;
        vm.expectRevert(abi.encodeWithSelector(Errors.CallFailed.selector, 1, address(recorder), ""));
        coordinator.execute(groupId, content);
        vm.assertEq(recorder.calls(2), 0, "the call before it is undone");
        vm.assertEq(coordinator.inbox(groupId).length, messages, "and nothing is told");
        _assertStatus(_idOf(content), Status.Approved);

        vm.deal(account, 1000 ether);
        coordinator.execute(groupId, content);
        vm.assertEq(recorder.calls(2), 1, "made once the funds are there");
    }

    function test_Execute_HandsOnTheReasonOfTheTarget() external {
        Call[] memory calls = _call(address(new Refuser()), 0, hex"01");
        Content memory content = _approved(ROUTINE, calls, 0);
        vm.warp(START + TIMELOCK);
        vm.expectRevert(
            abi.encodeWithSelector(
                Errors.CallFailed.selector, 0, calls[0].target, abi.encodeWithSelector(Refuser.Refused.selector, 42)
            )
        );
        coordinator.execute(groupId, content);
    }

    /// @dev One payee cannot hold up the others.
    function test_M5_Execute_MakesTheOtherCallsWhenOneMayFail() external {
        Call[] memory calls = _join(_calls(2, 0), _call(address(new Refuser()), 1 ether, hex"01"));
        calls = _join(calls, _calls(3, 0));
        calls[1].allowFailure = true;
        Content memory content = _approved(ROUTINE, calls, 0);
        vm.warp(START + TIMELOCK);
        vm.expectEmit(address(coordinator));
        emit ICoordinatorEvents.ProposalExecuted(groupId, _idOf(content), address(this), Lane.OnChain, 0, 1 << 1);
        coordinator.execute(groupId, content);
        vm.assertEq(recorder.calls(2) + recorder.calls(3), 2, "the others");
        vm.assertEq(account.balance, 100 ether, "not paid");
    }

    // ---------------------------------------------------------------------------------------------------------
    // Gas
    // ---------------------------------------------------------------------------------------------------------

    /// @dev A target that swallows what fails is given what the call names, or nothing happens: whoever executes cannot burn
    /// the decision by its gas, whatever it chooses.
    function test_M5_Execute_TooLittleGas_MarksNothingExecutedThatDidNotHappen() external {
        (Relay relay, Worker worker) = (new Relay(), new Worker());
        Call[] memory calls =
            _call(address(relay), 0, abi.encodeCall(Relay.relay, (address(worker), abi.encodeCall(Worker.work, (10)))));
        calls[0].gas = 400_000;
        Content memory content = _approved(ROUTINE, calls, 0);
        vm.warp(START + TIMELOCK);
        bytes memory data = abi.encodeCall(coordinator.execute, (groupId, content));
        uint256 refused = 0;
        for (uint256 gas_ = 100_000; gas_ < 1_000_000; gas_ += 20_000) {
            (bool success,) = address(coordinator).call{gas: gas_}(data);
            vm.assertEq(relay.failed(), 0, "starved");
            if (success) break;
            _assertStatus(_idOf(content), Status.Approved);
            ++refused;
        }
        vm.assertTrue(refused > 10, "some was too little");
        vm.assertEq(worker.done(), 1, "done");
        _assertStatus(_idOf(content), Status.Executed);
    }

    function test_M5_Execute_SaysThatItIsTooLittle() external {
        Call[] memory calls = _calls(2, 0);
        calls[0].gas = 10_000_000;
        Content memory content = _approved(ROUTINE, calls, 0);
        vm.warp(START + TIMELOCK);
        bytes memory data = abi.encodeCall(coordinator.execute, (groupId, content));
        (bool success, bytes memory reason) = address(coordinator).call{gas: 9_000_000}(data);
        vm.assertFalse(success, "refused");
        vm.assertEq(bytes32(bytes4(reason)), bytes32(Errors.NotEnoughGas.selector), "and says so");
        coordinator.execute(groupId, content);
    }

    // ---------------------------------------------------------------------------------------------------------
    // What is done
    // ---------------------------------------------------------------------------------------------------------

    function test_Execute_MakesTheCalls() external {
        Content memory content = _kept;
        _approve(_id);
        vm.warp(START + VOTING_PERIOD + 1);
        vm.expectEmit(address(coordinator));
        emit ICoordinatorEvents.ProposalExecuted(groupId, _id, address(this), Lane.OnChain, 0, 0);
        coordinator.execute(groupId, content);

        vm.assertEq(recorder.calls(1), 1, "made once");
        vm.assertEq(recorder.received(account), 1 ether, "paid by the group's account");
        ProposalState memory state = coordinator.proposal(groupId, _id);
        vm.assertEq(uint256(state.status), uint256(Status.Executed), "executed");
        vm.assertEq(state.approvedAt, START, "approved at");
    }

    /// @dev A proposal may be open in the log too, and is not any more.
    function test_L3_Execute_IsToldToTheLog() external {
        Content memory content = _kept;
        _approveAndWait(_id);
        uint64 messages = coordinator.inbox(groupId).length;
        _expectMessage(INBOX_CLOSED, address(this), abi.encode(_id, Status.Executed));
        coordinator.execute(groupId, content);
        vm.assertEq(coordinator.inbox(groupId).length, messages + 1, "one message");
    }

    /// @dev The log knows what it has decided itself. Its voting was never here, also where something else was before.
    function test_L3_Execute_OfWhatWasQueuedFromTheLog_IsNotTold() external {
        Content memory content = _kept;
        _vote(0, _id, CHOICE_FOR);
        _vote(3, _id, CHOICE_AGAINST);
        Approval memory approval = _appendApproval(content);
        _anchor(1);
        coordinator.queueAnchored(groupId, log.size(), approval, log.path(approval.index, log.size()));
        ProposalState memory state = coordinator.proposal(groupId, _id);
        vm.assertEq(uint256(state.status), uint256(Status.Approved), "queued");
        vm.assertTrue(state.fromLog, "from the log");
        vm.assertEq(state.votingEnds, 0, "no voting here");
        vm.assertEq(state.class, ROUTINE, "class");

        uint64 messages = coordinator.inbox(groupId).length;
        vm.warp(START + TIMELOCK);
        coordinator.execute(groupId, content);
        vm.assertEq(recorder.calls(1), 1, "made once");
        vm.assertEq(coordinator.inbox(groupId).length, messages, "no message");
    }

    /// @dev An indexer that sees it has seen what the calls did.
    function test_Execute_EmitsAfterTheCalls() external {
        Content memory content = _approved(ROUTINE, _transfer(address(coin), address(0xbeef), 1), 0);
        vm.warp(START + TIMELOCK);
        vm.recordLogs();
        coordinator.execute(groupId, content);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        Vm.Log memory last = logs[logs.length - 1];
        vm.assertEq(last.topics[0], ICoordinatorEvents.ProposalExecuted.selector, "the last event");
        vm.assertEq(logs[logs.length - 2].emitter, address(coin), "after the token's");
    }

    /// @dev A group may be an agent of its own: its account calls the coordinator like anybody else.
    function test_Execute_MayCallTheCoordinator() external {
        Call[] memory calls = _call(address(coordinator), 0, abi.encodeCall(coordinator.register, ("its key")));
        _decideAndExecute(ROUTINE, calls, 0);
        vm.assertEq(coordinator.keyOf(account), "its key", "registered");
    }

    // ---------------------------------------------------------------------------------------------------------
    // Steps
    // ---------------------------------------------------------------------------------------------------------

    function _store(Content memory content) private {
        _kept.proposer = content.proposer;
        _kept.salt = content.salt;
        _kept.class = content.class;
        _kept.descriptionHash = content.descriptionHash;
        _kept.calls.push(content.calls[0]);
    }

    function _approveAndWait(bytes32 id) private {
        _approve(id);
        vm.warp(block.timestamp + TIMELOCK);
    }

    function _expectWrongStatus(bytes32 id, Status status) private {
        vm.expectRevert(abi.encodeWithSelector(Errors.WrongStatus.selector, id, status));
    }
}
// forge-lint: disable-end(unsafe-typecast)
