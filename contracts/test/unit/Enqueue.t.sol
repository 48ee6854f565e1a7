// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {Errors} from "../../src/Errors.sol";
import {ICoordinatorEvents} from "../../src/ICoordinatorEvents.sol";
import {IGroupAccount} from "../../src/IGroupAccount.sol";
import {FLAG_REPLICA, INBOX_COMMAND, InboxState, Member, Terms} from "../../src/Types.sol";
import {AnchorFixture} from "../support/AnchorFixture.sol";
import {Vm, vm} from "../support/Vm.sol";

/// @notice The branches of Enqueue.tree.
contract EnqueueTest is AnchorFixture {
    uint256 private constant LONGEST = 16_384;

    function setUp() public override {
        super.setUp();
        vm.deal(address(this), 100 ether);
    }

    // ---------------------------------------------------------------------------------------------------------
    // What is refused
    // ---------------------------------------------------------------------------------------------------------

    function test_Enqueue_RevertWhen_GroupIsUnknown() external {
        vm.expectRevert(abi.encodeWithSelector(Errors.UnknownGroup.selector, bytes32("none")));
        coordinator.enqueue("none", "command");
    }

    function test_Enqueue_RevertWhen_TheCommandIsEmptyOrTooLong() external {
        vm.expectRevert(abi.encodeWithSelector(Errors.InvalidCommandLength.selector, 0, LONGEST));
        _enqueue(0, "");
        vm.expectRevert(abi.encodeWithSelector(Errors.InvalidCommandLength.selector, LONGEST + 1, LONGEST));
        _enqueue(0, new bytes(LONGEST + 1));
        _enqueue(0, hex"00");
        _enqueue(0, new bytes(LONGEST));
        vm.assertEq(coordinator.inbox(groupId).length, 2, "length");
    }

    // ---------------------------------------------------------------------------------------------------------
    // The fee
    // ---------------------------------------------------------------------------------------------------------

    function test_M8_Enqueue_IsFreeToMembers() external {
        Member[] memory members = _members(4);
        (members[3].flags, members[3].weight) = (FLAG_REPLICA, 0);
        _use(_createGroup(members, _terms(), "replica only"));
        _enqueue(0, "command");
        _enqueue(3, "command");
        vm.assertEq(coordinator.inbox(groupId).length, 2, "length");
    }

    function test_M8_Enqueue_RevertWhen_AMemberPays() external {
        vm.deal(agents[0], 1);
        vm.expectRevert(abi.encodeWithSelector(Errors.WrongFee.selector, 1, 0));
        vm.prank(agents[0]);
        coordinator.enqueue{value: 1}(groupId, "command");
    }

    /// @dev For each 1,024 bytes begun.
    function test_M8_Enqueue_StrangersPayTheGroup() external {
        uint256[6] memory lengths = [uint256(1), 1024, 1025, 2048, 2049, LONGEST];
        uint256[6] memory parts = [uint256(1), 1, 2, 2, 3, 16];
        for (uint256 i = 0; i < lengths.length; ++i) {
            uint256 fee = parts[i] * INBOX_FEE;
            bytes memory command = new bytes(lengths[i]);
            vm.expectRevert(abi.encodeWithSelector(Errors.WrongFee.selector, fee - 1, fee));
            coordinator.enqueue{value: fee - 1}(groupId, command);
            vm.expectRevert(abi.encodeWithSelector(Errors.WrongFee.selector, fee + 1, fee));
            coordinator.enqueue{value: fee + 1}(groupId, command);
            vm.expectRevert(abi.encodeWithSelector(Errors.WrongFee.selector, 0, fee));
            coordinator.enqueue(groupId, command);

            uint256 before = account.balance;
            vm.expectEmit(account);
            emit IGroupAccount.Received(address(coordinator), fee);
            coordinator.enqueue{value: fee}(groupId, command);
            vm.assertEq(account.balance - before, fee, "the group's");
            vm.assertEq(address(coordinator).balance, 0, "nothing stays");
        }
    }

    /// @dev Who is registered is as strange as who is not.
    function test_M8_Enqueue_RegistrationIsNoCondition() external {
        vm.assertEq(coordinator.keyOf(address(this)), 0, "not registered");
        coordinator.enqueue{value: INBOX_FEE}(groupId, "command");
        coordinator.register("key");
        vm.expectRevert(abi.encodeWithSelector(Errors.WrongFee.selector, 0, INBOX_FEE));
        coordinator.enqueue(groupId, "command");
    }

    function test_M8_Enqueue_RevertWhen_TheInboxIsClosedToStrangers() external {
        Terms memory terms = _terms();
        terms.inboxFee = 0;
        _use(_createGroup(_members(4), terms, "closed"));
        bytes memory refusal = abi.encodeWithSelector(Errors.InboxClosed.selector, groupId, address(this));
        vm.expectRevert(refusal);
        coordinator.enqueue(groupId, "command");
        vm.expectRevert(refusal);
        coordinator.enqueue{value: 1 ether}(groupId, "command");
        _enqueue(0, "command");
    }

    // ---------------------------------------------------------------------------------------------------------
    // What is kept and told
    // ---------------------------------------------------------------------------------------------------------

    function test_Enqueue_AppendsTheMessage() external {
        bytes32 before = _hashOf(0, 0, agents[2], START, "first");
        vm.expectEmit(address(coordinator));
        emit ICoordinatorEvents.Enqueued(groupId, 0, INBOX_COMMAND, agents[2], uint64(START), "first", before);
        vm.assertEq(_enqueue(2, "first"), 0, "index");

        vm.warp(START + 50);
        bytes32 inboxHash = _hashOf(before, 1, address(this), START + 50, "second");
        vm.expectEmit(address(coordinator));
        emit ICoordinatorEvents.Enqueued(
            groupId, 1, INBOX_COMMAND, address(this), uint64(START + 50), "second", inboxHash
        );
        vm.assertEq(coordinator.enqueue{value: INBOX_FEE}(groupId, "second"), 1, "index");

        _assertInbox(2, START);
        _assertMessage(0, before, START);
        _assertMessage(1, inboxHash, START + 50);
        _assertMessage(2, 0, 0);
    }

    function test_Enqueue_OfOneGroup_IsNothingToAnother() external {
        bytes32 mine = groupId;
        groupId = _createGroup(_members(4), _terms(), "other");
        _enqueue(0, "command");
        _assertInbox(1, START);
        groupId = mine;
        _assertInbox(0, 0);
    }

    /// @dev Times are six to a slot: each keeps its own.
    function test_Enqueue_KeepsTheTimesOfMany() external {
        for (uint64 i = 0; i < 20; ++i) {
            vm.warp(START + uint256(i) * 7);
            _enqueue(i % 4, "command");
        }
        for (uint64 i = 0; i < 20; ++i) {
            (, uint64 enqueuedAt) = coordinator.inboxMessage(groupId, i);
            vm.assertEq(enqueuedAt, START + uint256(i) * 7, "time");
        }
        (, uint64 none) = coordinator.inboxMessage(groupId, 20);
        vm.assertEq(none, 0, "none");
    }

    /// @dev Whatever is put in, the chain of hashes can be worked out from the events alone.
    function testFuzz_Enqueue_TheEventsMakeTheHash(
        bytes[5] memory commands,
        uint8[5] memory who,
        uint16[5] memory pauses
    ) external {
        vm.recordLogs();
        uint256 time = START;
        uint64 count = 0;
        for (uint256 i = 0; i < 5; ++i) {
            time += pauses[i];
            vm.warp(time);
            if (commands[i].length == 0) continue;
            _enqueue(who[i] % 4, commands[i]);
            ++count;
        }
        bytes32 inboxHash = 0;
        Vm.Log[] memory logs = vm.getRecordedLogs();
        vm.assertEq(logs.length, count, "one event a message");
        for (uint64 i = 0; i < count; ++i) {
            (uint8 kind, uint64 enqueuedAt, bytes memory payload, bytes32 told) =
                abi.decode(logs[i].data, (uint8, uint64, bytes, bytes32));
            vm.assertEq(logs[i].topics[2], bytes32(uint256(i)), "index");
            inboxHash = keccak256(
                abi.encode(
                    inboxHash, i, kind, address(uint160(uint256(logs[i].topics[3]))), enqueuedAt, keccak256(payload)
                )
            );
            vm.assertEq(told, inboxHash, "told");
            _assertMessage(i, inboxHash, enqueuedAt);
        }
    }

    // ---------------------------------------------------------------------------------------------------------
    // Steps
    // ---------------------------------------------------------------------------------------------------------

    function _enqueue(uint256 agent, bytes memory command) private returns (uint64) {
        vm.prank(agents[agent]);
        return coordinator.enqueue(groupId, command);
    }

    function _hashOf(bytes32 before, uint64 index, address sender, uint256 time, bytes memory command)
        private
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(before, index, INBOX_COMMAND, sender, time, keccak256(command)));
    }

    function _assertInbox(uint64 length, uint256 waitingSince) private view {
        InboxState memory inbox = coordinator.inbox(groupId);
        vm.assertEq(inbox.length, length, "length");
        vm.assertEq(inbox.taken, 0, "taken");
        vm.assertEq(inbox.servedAt, 0, "served at");
        vm.assertEq(inbox.waitingSince, waitingSince, "waiting since");
    }

    function _assertMessage(uint64 index, bytes32 inboxHash, uint256 time) private view {
        (bytes32 kept, uint64 enqueuedAt) = coordinator.inboxMessage(groupId, index);
        vm.assertEq(kept, inboxHash, "hash");
        vm.assertEq(enqueuedAt, time, "time");
    }
}
// forge-lint: disable-end(unsafe-typecast)
