// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {Approval, Ballot, CHOICE_FOR, Call, Checkpoint, Content, Decision, Entry, Member} from "../src/Types.sol";
import {Fixture} from "./support/Fixture.sol";
import {ReferenceLog} from "./support/ReferenceLog.sol";
import {vm} from "./support/Vm.sol";

/// @notice What the transactions cost, each as one whole transaction with its intrinsic gas (`isolate`), kept in
/// contracts/snapshots.
contract GasTest is Fixture {
    Call[] private _payment;
    Decision private _approved;
    Entry private _logged;
    bytes32[] private _path;

    function setUp() public override {
        super.setUp();
        vm.deal(address(0xbeef), 1);
        _payment.push(Call({target: address(0xbeef), value: 1 ether, data: ""}));
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
        vm.snapshotGasLastCall("createGroup, 4 members, eight classes");
    }

    /// forge-config: default.isolate = true
    function test_OnChainLane() external {
        vm.prank(agents[0]);
        bytes32 id = coordinator.propose(groupId, ROUTINE, _payment, "pay the bill", 0);
        vm.snapshotGasLastCall("propose, one payment");
        vm.prank(agents[0]);
        coordinator.vote(id, CHOICE_FOR);
        vm.snapshotGasLastCall("vote, the first");
        vm.prank(agents[1]);
        coordinator.vote(id, CHOICE_FOR);
        vm.snapshotGasLastCall("vote, another");
        vm.prank(agents[2]);
        coordinator.vote(id, CHOICE_FOR);
        vm.snapshotGasLastCall("vote, the deciding one");
        vm.warp(START + TIMELOCK);
        coordinator.execute(id, _payment);
        vm.snapshotGasLastCall("execute, one payment");
    }

    /// @dev A proposal's three votes, signed off-chain and sent in one transaction.
    ///
    /// forge-config: default.isolate = true
    function test_VoteBySigs() external {
        bytes32 id = _propose(0, ROUTINE, _payment, "pay the bill", 0);
        Ballot[] memory ballots = _ballots(id);
        coordinator.voteBySigs(id, ballots);
        vm.snapshotGasLastCall("voteBySigs, 3 votes");
    }

    /// forge-config: default.isolate = true
    function test_ApproveFromLog() external {
        Content memory content = Content(agents[0], 7, ESCAPE, _payment, "pay the bill");
        Ballot[] memory ballots = _ballots(_idOf(content));
        vm.warp(START + STALL_TIME);
        coordinator.approveFromLog(groupId, content, uint64(START + VOTING_PERIOD), ballots);
        vm.snapshotGasLastCall("approveFromLog, 3 votes");
        vm.warp(START + STALL_TIME + TIMELOCK);
        coordinator.execute(_idOf(content), _payment);
        vm.snapshotGasLastCall("execute, one payment from the log");
    }

    /// forge-config: default.isolate = true
    function test_Enqueue() external {
        vm.prank(agents[0]);
        coordinator.enqueue(groupId, new bytes(200));
        vm.snapshotGasLastCall("enqueue, 200 bytes, the first");
        vm.prank(agents[0]);
        coordinator.enqueue(groupId, new bytes(200));
        vm.snapshotGasLastCall("enqueue, 200 bytes");
    }

    /// forge-config: default.isolate = true
    function test_Bonds() external {
        vm.deal(address(this), 10 ether);
        coordinator.deposit{value: 1 ether}(groupId, agents[0]);
        vm.snapshotGasLastCall("deposit");
        Checkpoint memory one = _checkpoint(1);
        Checkpoint memory other = _checkpoint(1);
        other.stateRoot = "other";
        bytes memory first = _signatures(one, 0, 1);
        bytes memory second = _signatures(other, 0, 1);
        vm.deal(address(0xbeef), 1 ether);
        vm.prank(address(0xbeef));
        coordinator.reportEquivocation(one, first, other, second);
        vm.snapshotGasLastCall("reportEquivocation");
    }

    /// @dev The cost of an anchor does not depend on how many entries it anchors.
    ///
    /// forge-config: default.isolate = true
    function test_AnchorOfManyEntries() external {
        _fill(5);
        _anchorCost(1, "anchor, 4 replicas, the first");
        uint64[4] memory sizes = [uint64(6), 1005, 1 << 20, type(uint64).max];
        for (uint64 i = 0; i < sizes.length; ++i) {
            Checkpoint memory checkpoint = _checkpoint(i + 2);
            (checkpoint.logSize, checkpoint.logRoot) = (sizes[i], keccak256(abi.encode(sizes[i])));
            bytes memory signatures = _signatures(checkpoint, 0, 3);
            coordinator.anchor(checkpoint, signatures);
            uint256 gas = vm.snapshotGasLastCall("anchor, 4 replicas, of many entries");
            vm.assertLe(gas, 120_000, "an anchor");
            if (i == 1) vm.assertLe(gas / 1000, 150, "a decision among a thousand entries");
        }
    }

    /// @dev An anchor that takes in the inbox.
    ///
    /// forge-config: default.isolate = true
    function test_AnchorWithInbox() external {
        _fill(5);
        _anchorCost(1, "anchor, 4 replicas, the first");
        vm.prank(agents[0]);
        coordinator.enqueue(groupId, "command");
        _fill(5);
        vm.assertLe(_anchorCost(2, "anchor, 4 replicas, with a message"), 120_000, "an anchor");
    }

    /// forge-config: default.isolate = true
    function test_Anchor() external {
        _fill(5);
        vm.assertLe(_anchorCost(1, "anchor, 4 replicas, the first"), 130_000, "the first anchor");
        _fill(5);
        vm.assertLe(_anchorCost(2, "anchor, 4 replicas"), 120_000, "an anchor");
        vm.assertLe(_anchorCost(3, "anchor, 4 replicas, same log size"), 120_000, "an anchor of the same log");
    }

    /// forge-config: default.isolate = true
    function test_AnchorOfSixteen() external {
        _makeAgents(16);
        groupId = _createGroup(_slice(0, 16), _termsOf(7500), "sixteen");
        _fill(5);
        _sixteen(1);
        _fill(5);
        vm.assertLe(_sixteen(2), 220_000, "an anchor of sixteen");
    }

    function _sixteen(uint64 sequence) private returns (uint256) {
        Checkpoint memory checkpoint = _checkpoint(sequence);
        coordinator.anchor(checkpoint, _signatures(checkpoint, 0, coordinator.quorum(groupId)));
        return vm.snapshotGasLastCall("anchor, 16 replicas");
    }

    /// @dev A rotation of 64 replicas is the most expensive transaction there is. It has to fit under the cap of 2^24 gas
    /// that EIP-7825 sets to a transaction.
    ///
    /// forge-config: default.isolate = true
    function test_AnchorAndRotate() external {
        _fill(5);
        Member[] memory members = _members(4);
        members[2].key = "another";
        _rotateCost(members, 0, "anchorAndRotate, 4 replicas, a new key");

        _makeAgents(128);
        groupId = _createGroup(_slice(0, 64), _termsOf(7500), "gas");
        vm.assertLe(_rotateCost(_slice(0, 64), 0, "anchorAndRotate, 64 replicas, the same"), 2_000_000, "renewal");
        vm.assertLe(_rotateCost(_slice(64, 64), 1, "anchorAndRotate, 64 replicas, all new"), 8_000_000, "all new");
    }

    /// forge-config: default.isolate = true
    function test_ExecuteAnchored() external {
        _anchorAtDepthTwenty();
        coordinator.executeAnchored(groupId, 1 << 20, _approval(_approved, _payment, _logged), _path);
        vm.assertLe(vm.snapshotGasLastCall("executeAnchored, one payment, depth 20"), 95_000, "an execution by proof");
    }

    /// @dev Twenty payments to twenty accounts, by twenty neighbouring entries among 2^20.
    ///
    /// forge-config: default.isolate = true
    function test_ExecuteAnchoredBatch() external {
        (Approval[] memory approvals, bytes32[] memory proof) = _anchorTwenty();
        coordinator.executeAnchoredBatch(groupId, 1 << 20, approvals, proof);
        uint256 gas = vm.snapshotGasLastCall("executeAnchoredBatch, 20 payments, depth 20");
        vm.assertLe(gas, 20 * 45_000, "an execution in a batch");
    }

    /// @dev Votes for it by the first three agents.
    function _ballots(bytes32 id) private view returns (Ballot[] memory ballots) {
        ballots = new Ballot[](3);
        for (uint256 i = 0; i < 3; ++i) {
            ballots[i] = _ballot(i, id, CHOICE_FOR);
        }
    }

    function _rotateCost(Member[] memory next, uint64 epoch, string memory name) private returns (uint256) {
        Checkpoint memory checkpoint = _checkpoint(epoch + 1);
        checkpoint.epoch = epoch;
        checkpoint.nextMembersHash = keccak256(abi.encode(next));
        bytes memory signatures = _signatures(checkpoint, 0, coordinator.quorum(groupId));
        coordinator.anchorAndRotate(checkpoint, signatures, next);
        return vm.snapshotGasLastCall(name);
    }

    function _slice(uint256 first, uint256 count) private view returns (Member[] memory members) {
        Member[] memory all = _members(first + count);
        members = new Member[](count);
        for (uint256 i = 0; i < count; ++i) {
            members[i] = all[first + i];
        }
    }

    function _anchorCost(uint64 sequence, string memory name) private returns (uint256) {
        Checkpoint memory checkpoint = _checkpoint(sequence);
        bytes memory signatures = _signatures(checkpoint, 0, 3);
        coordinator.anchor(checkpoint, signatures);
        return vm.snapshotGasLastCall(name);
    }

    /// @dev A log of 2^20 entries, of which only the path of one entry is there: the root is worked out from it.
    function _anchorAtDepthTwenty() private {
        _approved = _decision("proposal", _payment);
        uint64 index = 0x5a5a5;
        _logged = _entry(index, coordinator.hashDecision(_approved));
        ReferenceLog leaf = new ReferenceLog();
        leaf.append(_logged);
        bytes32 hash = leaf.root();
        for (uint256 level = 0; level < 20; ++level) {
            bytes32 sibling = keccak256(abi.encode("sibling", level));
            _path.push(sibling);
            hash = (index >> level) & 1 == 1
                ? sha256(bytes.concat(hex"01", sibling, hash))
                : sha256(bytes.concat(hex"01", hash, sibling));
        }
        _anchorTwentyLevels(hash);
    }

    function _anchorTwentyLevels(bytes32 root) private {
        Checkpoint memory checkpoint = _checkpoint(1);
        checkpoint.logSize = 1 << 20;
        checkpoint.logRoot = root;
        coordinator.anchor(checkpoint, _signatures(checkpoint, 0, 3));
        vm.warp(START + TIMELOCK);
    }

    /// @dev The first twenty of 32 entries that begin at a multiple of 32, with the path of these 32.
    function _anchorTwenty() private returns (Approval[] memory approvals, bytes32[] memory proof) {
        uint64 first = 0x5a5a0;
        uint64[] memory indices = new uint64[](20);
        approvals = new Approval[](20);
        ReferenceLog leaves = new ReferenceLog();
        for (uint64 i = 0; i < 32; ++i) {
            // It was paid before: what a new account costs is not ours.
            address payee = address(uint160(0xbeef + i));
            vm.deal(payee, 1);
            Call[] memory payment = new Call[](1);
            payment[0] = Call({target: payee, value: 0.01 ether, data: ""});
            Decision memory decision = _decision(keccak256(abi.encode("proposal", i)), payment);
            Entry memory entry = _entry(first + i, coordinator.hashDecision(decision));
            leaves.append(entry);
            if (i >= 20) continue;
            indices[i] = i;
            approvals[i] = _approval(decision, payment, entry);
        }
        bytes32[] memory within = leaves.paths(indices, 32);
        proof = new bytes32[](within.length + 15);
        for (uint256 i = 0; i < within.length; ++i) {
            proof[i] = within[i];
        }
        bytes32 hash = leaves.root();
        for (uint256 level = 5; level < 20; ++level) {
            bytes32 sibling = keccak256(abi.encode("sibling", level));
            proof[within.length + level - 5] = sibling;
            hash = (first >> level) & 1 == 1
                ? sha256(bytes.concat(hex"01", sibling, hash))
                : sha256(bytes.concat(hex"01", hash, sibling));
        }
        _anchorTwentyLevels(hash);
    }
}
// forge-lint: disable-end(unsafe-typecast)
