// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {Ballot, CHOICE_FOR, Call, Content, Fork, Mandate, Member} from "../src/Types.sol";
import {EvidenceFixture} from "./support/EvidenceFixture.sol";
import {Checkpoint} from "../src/Types.sol";
import {vm} from "./support/Vm.sol";

/// @notice What the transactions cost, each as one whole transaction with its intrinsic gas (`isolate`), kept in
/// contracts/snapshots. What the anchored lane costs is in GasAnchored.t.sol.
contract GasTest is EvidenceFixture {
    address private constant PAYEE = address(0xcafe);

    Call[] private _bill;

    function setUp() public override {
        super.setUp();
        // It was paid before: what a new account costs is not ours.
        vm.deal(PAYEE, 1);
        _bill.push(_payment(PAYEE, 1 ether)[0]);
    }

    /// forge-config: default.isolate = true
    function test_Register() external {
        coordinator.register("key");
        vm.snapshotGasLastCall("register");
    }

    /// forge-config: default.isolate = true
    function test_CreateGroup() external {
        _createGroup(_members(4), _termsOf(7500), "gas");
        vm.snapshotGasLastCall("createGroup, 4 members, one class");
        _createGroup(_members(4), _terms(), "gas, eight classes");
        vm.assertLe(vm.snapshotGasLastCall("createGroup, 4 members, eight classes"), 2_000_000, "eight classes");
    }

    /// @dev What is told to the log is a part of it. The second of each, because the first of a group pays for fresh slots.
    ///
    /// forge-config: default.isolate = true
    function test_OnChainLane() external {
        _enqueue();
        for (uint64 salt = 0; salt < 2; ++salt) {
            vm.prank(agents[0]);
            bytes32 id = coordinator.propose(groupId, PAYMENTS, _bill, "pay the bill", salt);
            vm.snapshotGasLastCall("propose, one payment");
            vm.prank(agents[0]);
            coordinator.vote(groupId, id, CHOICE_FOR);
            vm.snapshotGasLastCall("vote, the first");
            vm.prank(agents[1]);
            coordinator.vote(groupId, id, CHOICE_FOR);
            vm.snapshotGasLastCall("vote, another");
            vm.prank(agents[2]);
            coordinator.vote(groupId, id, CHOICE_FOR);
            vm.snapshotGasLastCall("vote, the deciding one");
            Content memory content = _content(0, PAYMENTS, _bill, salt);
            content.descriptionHash = keccak256("pay the bill");
            coordinator.execute(groupId, content);
            vm.snapshotGasLastCall("execute, one payment");
        }
    }

    /// @dev A proposal's three votes, signed off-chain and sent in one transaction.
    ///
    /// forge-config: default.isolate = true
    function test_VoteBySigs() external {
        bytes32 id = _propose(0, PAYMENTS, _bill, 0);
        Ballot[] memory ballots = _ballots(0, 3, id, uint64(START + VOTING_PERIOD));
        coordinator.voteBySigs(groupId, id, ballots);
        vm.snapshotGasLastCall("voteBySigs, 3 votes");
    }

    /// forge-config: default.isolate = true
    function test_Escape() external {
        Content memory content = _content(0, ESCAPE, _bill, 7);
        _stall();
        uint64 ends = uint64(block.timestamp + VOTING_PERIOD);
        Ballot[] memory ballots = _ballots(0, 3, _idOf(content), ends);
        coordinator.approveBySigs(groupId, content, ends, ballots);
        vm.snapshotGasLastCall("approveBySigs, 3 votes");
        Ballot[] memory objections = _objections(2, 2, _idOf(content));
        coordinator.veto(groupId, _idOf(content), objections);
        vm.snapshotGasLastCall("veto, 2 objections");
    }

    /// @dev Times of messages are six to a slot.
    ///
    /// forge-config: default.isolate = true
    function test_Enqueue() external {
        for (uint256 i = 0; i < 7; ++i) {
            vm.prank(agents[0]);
            coordinator.enqueue(groupId, new bytes(200));
            if (i == 0) vm.snapshotGasLastCall("enqueue, 200 bytes, the first");
            if (i == 5) vm.assertLe(vm.snapshotGasLastCall("enqueue, 200 bytes"), 75_000, "a message");
            if (i == 6) vm.assertLe(vm.snapshotGasLastCall("enqueue, 200 bytes, every sixth"), 90_000, "every sixth");
        }
    }

    /// forge-config: default.isolate = true
    function test_Bonds() external {
        _useWithFreshLog(_createGroup(_members(4), _bonded(_terms()), "bonds"));
        vm.deal(agents[0], 2 * BOND);
        vm.prank(agents[0]);
        coordinator.deposit{value: BOND}(groupId);
        vm.snapshotGasLastCall("deposit");
        vm.prank(agents[0]);
        coordinator.requestWithdrawal(groupId);
        vm.snapshotGasLastCall("requestWithdrawal");
        vm.warp(coordinator.bondOf(groupId, agents[0]).releasedAt);
        vm.prank(agents[0]);
        coordinator.withdraw(groupId);
        vm.snapshotGasLastCall("withdraw");
    }

    /// forge-config: default.isolate = true
    function test_Account() external {
        vm.deal(address(this), 1 ether);
        (bool paid,) = payable(account).call{value: 1, gas: 30_000}("");
        vm.assertTrue(paid, "paid");
        vm.snapshotGasLastCall("a payment to a group's account");
    }

    // ---------------------------------------------------------------------------------------------------------
    // Evidence
    // ---------------------------------------------------------------------------------------------------------

    /// forge-config: default.isolate = true
    function test_Report() external {
        _useWithFreshLog(_createGroup(_members(4), _bonded(_terms()), "bonds"));
        _deposit(4);
        vm.deal(REPORTER, 1 ether);
        _convict(0);
        vm.assertLe(vm.snapshotGasLastCall("reportContradiction"), 165_000, "a contradiction");
    }

    // ---------------------------------------------------------------------------------------------------------
    // Rotations
    // ---------------------------------------------------------------------------------------------------------

    /// @dev A rotation of 64 replicas is the most expensive transaction there is. It has to fit under the cap of 2^24 gas
    /// that EIP-7825 sets to a transaction.
    ///
    /// forge-config: default.isolate = true
    function test_AnchorAndRotate() external {
        _fill(5);
        _anchor(1);
        _fill(5);
        Member[] memory members = _members(4);
        members[2].key = "another";
        _rotateCost(members, 3, _noMandate(), "anchorAndRotate, 4 replicas, a new key");
        members[1].weight = 2;
        _fill(5);
        _rotateCost(members, 3, _mandate(members, 0, 3), "anchorAndRotate, 4 replicas, a mandate of 3");
    }

    /// forge-config: default.isolate = true
    function test_AnchorAndRotateOfSixtyFour() external {
        _makeAgents(128);
        _useWithFreshLog(_createGroup(_members(64), _termsOf(6600), "gas"));
        _fill(5);
        uint256 gas = _rotateCost(_members(64), 43, _noMandate(), "anchorAndRotate, 64 replicas, the same");
        vm.assertLe(gas, 2_200_000, "renewal");
        // What is evidence of the epoch before is shown by its list.
        _convict(0, 0, _members(64));
        vm.assertLe(vm.snapshotGasLastCall("reportContradiction, 64 members of a past epoch"), 450_000, "by a list");
        Member[] memory all = _between(64, 128);
        _fill(5);
        Mandate memory mandate = _mandate(all, 0, 43);
        Checkpoint memory checkpoint = _boundary(2, all);
        _rotate(checkpoint, 1, 43, all, mandate);
        vm.assertLe(
            vm.snapshotGasLastCall("anchorAndRotate, 64 replicas, all new, a mandate of 43"), 8_000_000, "all new"
        );
    }

    function _rotateCost(Member[] memory next, uint256 quorum, Mandate memory mandate, string memory name)
        private
        returns (uint256)
    {
        _rotate(_boundary(coordinator.latestAnchor(groupId).sequence + 1, next), 0, quorum, next, mandate);
        return vm.snapshotGasLastCall(name);
    }
}
// forge-lint: disable-end(unsafe-typecast)
