// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {
    Approval,
    Call,
    Checkpoint,
    Content,
    Entry,
    Fork,
    KIND_SYSTEM,
    STATUS_APPROVED,
    STATUS_NOTED,
    Taken
} from "../src/Types.sol";
import {EvidenceFixture} from "./support/EvidenceFixture.sol";
import {SparseLog} from "./support/SparseLog.sol";
import {vm} from "./support/Vm.sol";

/// @notice What the anchored lane costs with logs of a million entries: each transaction whole (`isolate`), kept in
/// contracts/snapshots, with the bounds that users are told.
contract GasAnchoredTest is EvidenceFixture, SparseLog {
    uint64 private constant MILLION = 1 << 20;
    address private constant PAYEE = address(0xcafe);

    /// @dev Of the class without limits, which has no timelock here alone.
    bytes32 private constant NO_TIMELOCK = ~(bytes32(uint256(type(uint32).max)) << 120);

    function setUp() public override {
        super.setUp();
        // They were paid before: what a new account costs is not ours.
        for (uint160 i = 0; i < 20; ++i) {
            vm.deal(address(uint160(PAYEE) + i), 1);
        }
        coin.mint(PAYEE, 1);
    }

    // ---------------------------------------------------------------------------------------------------------
    // Anchors: consistency, and the entry of the last of two messages
    // ---------------------------------------------------------------------------------------------------------

    /// @dev At usual sizes, a thousand entries after the last anchor: what one of a thousand decisions pays for being recorded.
    ///
    /// forge-config: default.isolate = true
    function test_Anchor() external {
        uint256 gas = _anchorCost(1_000_000, 1_001_000, true, "anchor, 4 replicas, a thousand entries and messages");
        vm.assertLe(gas, 127_000, "an anchor");
        vm.assertLe(gas / 1000, 130, "a decision among a thousand entries");
    }

    /// @dev With the longest proofs that a log of that size can take.
    ///
    /// forge-config: default.isolate = true
    function test_Anchor_Worst() external {
        uint256 gas = _anchorCost(1_000_001, 1_001_001, true, "anchor, 4 replicas, the longest proofs");
        vm.assertLe(gas, 132_000, "an anchor");
    }

    /// forge-config: default.isolate = true
    function test_Anchor_WorstOfTwoThousand() external {
        uint256 gas = _anchorCost(1001, 2001, true, "anchor, 4 replicas, the longest proofs of a log of 2^11");
        vm.assertLe(gas, 127_000, "an anchor");
    }

    /// forge-config: default.isolate = true
    function test_Anchor_WithoutMessages() external {
        uint256 gas = _anchorCost(1_000_001, 1_001_001, false, "anchor, 4 replicas, without messages");
        vm.assertLe(gas, 112_000, "an anchor");
    }

    /// forge-config: default.isolate = true
    function test_Anchor_OfAWholePower() external {
        uint256 gas = _anchorCost(MILLION, MILLION + 1000, true, "anchor, 4 replicas, from 2^20 on");
        vm.assertLe(gas, 127_000, "an anchor");
    }

    /// forge-config: default.isolate = true
    function test_Anchor_FirstAndSame() external {
        _fill(5);
        _anchor(1);
        vm.assertLe(vm.snapshotGasLastCall("anchor, 4 replicas, the first"), 130_000, "the first anchor");
        vm.warp(START + 600);
        _anchor(2);
        vm.assertLe(vm.snapshotGasLastCall("anchor, 4 replicas, same log size"), 90_000, "an anchor of the same log");
    }

    /// forge-config: default.isolate = true
    function test_Anchor_OfSixteen() external {
        _makeAgents(16);
        _useWithFreshLog(_createGroup(_members(16), _termsOf(7500), "sixteen"));
        _fill(5);
        _anchor(_checkpoint(1), 0, 11);
        _fill(5);
        vm.warp(START + 600);
        _anchor(_checkpoint(2), 0, 11);
        vm.assertLe(vm.snapshotGasLastCall("anchor, 16 replicas"), 220_000, "an anchor of sixteen");
    }

    // ---------------------------------------------------------------------------------------------------------
    // Executions
    // ---------------------------------------------------------------------------------------------------------

    /// @dev One payment in ether, with limits and a window, as classes without a timelock have them; not the first of its window.
    ///
    /// forge-config: default.isolate = true
    function test_ExecuteAnchored() external {
        uint256 gas = _executeCost(PAYMENTS, _payment(PAYEE, 1 ether), "executeAnchored, one payment, depth 20");
        vm.assertLe(gas, 106_000, "an execution by proof");
    }

    /// @dev The token's own transfer is a part of it.
    ///
    /// forge-config: default.isolate = true
    function test_ExecuteAnchored_OfCoins() external {
        uint256 gas =
            _executeCost(PAYMENTS, _transfer(address(coin), PAYEE, 1), "executeAnchored, one transfer, depth 20");
        vm.assertLe(gas, 120_000, "an execution by proof");
    }

    /// @dev What it takes without limits and a window: the class gets there by a change of storage, since terms do not allow it.
    ///
    /// forge-config: default.isolate = true
    function test_ExecuteAnchored_WithoutLimits() external {
        _dropTimelock();
        uint256 gas =
            _executeCost(ROUTINE, _payment(PAYEE, 1 ether), "executeAnchored, one payment without limits, depth 20");
        vm.assertLe(gas, 100_000, "an execution by proof");
    }

    /// @dev Twenty payments to twenty accounts, by twenty neighbouring entries among 2^20.
    ///
    /// forge-config: default.isolate = true
    function test_ExecuteAnchoredBatch() external {
        uint256 gas = _batchCost(PAYMENTS, "executeAnchoredBatch, 20 payments, depth 20");
        vm.assertLe(gas, 20 * 53_000, "an execution in a batch");
    }

    /// forge-config: default.isolate = true
    function test_ExecuteAnchoredBatch_WithoutLimits() external {
        _dropTimelock();
        uint256 gas = _batchCost(ROUTINE, "executeAnchoredBatch, 20 payments without limits, depth 20");
        vm.assertLe(gas, 20 * 49_500, "an execution in a batch");
    }

    /// forge-config: default.isolate = true
    function test_QueueAnchored() external {
        Content memory content = _content(0, ROUTINE, _payment(PAYEE, 1 ether), 0);
        Approval memory approval = _appended(content, 0x5a5a5);
        _anchorMillion();
        bytes32[] memory proof = _pathOf(approval.index, MILLION);
        coordinator.queueAnchored(groupId, MILLION, approval, proof);
        vm.assertLe(vm.snapshotGasLastCall("queueAnchored, one payment, depth 20"), 95_000, "a queue");
        vm.warp(START + TIMELOCK);
        coordinator.execute(groupId, content);
        vm.assertLe(vm.snapshotGasLastCall("execute, one payment that was queued"), 90_000, "an execution");
    }

    // ---------------------------------------------------------------------------------------------------------
    // Evidence
    // ---------------------------------------------------------------------------------------------------------

    /// @dev Two logs of 2^20 entries that part at one of them.
    ///
    /// forge-config: default.isolate = true
    function test_ReportWithAFork() external {
        uint64 index = 0x5a5a5;
        Fork memory fork;
        Checkpoint memory first = _stated(0, 1);
        Checkpoint memory second = _stated(0, 2);
        fork.index = index;
        _put(index, "one");
        (fork.firstLeaf, fork.firstPath) = ("one", _pathOf(index, MILLION));
        (first.logSize, first.logRoot) = (MILLION, _rootOf(MILLION));
        _put(MILLION, "more");
        _put(index, "another");
        (fork.secondLeaf, fork.secondPath) = ("another", _pathOf(index, MILLION + 1));
        (second.logSize, second.logRoot) = (MILLION + 1, _rootOf(MILLION + 1));
        _report(0, first, second, _noMembers(), fork);
        vm.assertLe(vm.snapshotGasLastCall("reportContradiction, a fork at depth 20"), 210_000, "a fork");
    }

    // ---------------------------------------------------------------------------------------------------------
    // Steps
    // ---------------------------------------------------------------------------------------------------------

    /// @dev An anchor of `first` entries, and ten minutes later one of `second`, which takes two messages where it takes any.
    function _anchorCost(uint64 first, uint64 second, bool takes, string memory name) private returns (uint256) {
        _put(first - 1, "the last of the first");
        _put(first, "the next");
        _put(second - 1, "the last");
        Taken memory taken;
        if (takes) {
            _enqueue();
            _enqueue();
            taken = _logTaken(second - 300);
        }
        Checkpoint memory checkpoint = _at(1, first, 0);
        coordinator.anchor(checkpoint, _signatures(checkpoint, 0, 3), new bytes32[](0), _noTaken());
        vm.warp(START + 600);
        checkpoint = _at(2, second, takes ? 2 : 0);
        bytes memory signatures = _signatures(checkpoint, 0, 3);
        bytes32[] memory consistency = _consistencyOf(first, second);
        if (takes) taken.path = _pathOf(taken.index, second);
        coordinator.anchor(checkpoint, signatures, consistency, taken);
        return vm.snapshotGasLastCall(name);
    }

    /// @dev The entry by which the log takes two messages.
    function _logTaken(uint64 index) private returns (Taken memory) {
        Entry memory entry = _entry(index, coordinator.hashInboxTaken(groupId, 1, _inboxHash(2), DISPOSITION));
        (entry.kind, entry.status) = (KIND_SYSTEM, STATUS_NOTED);
        _put(index, _leafOf(entry));
        return Taken(index, entry.sequence, entry.timestampMs, DISPOSITION, new bytes32[](0));
    }

    function _at(uint64 sequence, uint64 size, uint64 inboxCount) private view returns (Checkpoint memory checkpoint) {
        checkpoint = _checkpointTaking(sequence, inboxCount);
        (checkpoint.logSize, checkpoint.logRoot) = (size, _rootOf(size));
    }

    function _anchorMillion() private {
        Checkpoint memory checkpoint = _at(1, MILLION, 0);
        coordinator.anchor(checkpoint, _signatures(checkpoint, 0, 3), new bytes32[](0), _noTaken());
    }

    /// @dev The second of two executions, so that the window has been opened.
    function _executeCost(uint8 class, Call[] memory calls, string memory name) private returns (uint256) {
        Approval memory first = _appended(_content(0, class, calls, 1), 0x5a5a0);
        Approval memory second = _appended(_content(0, class, calls, 2), 0x5a5a5);
        _anchorMillion();
        coordinator.executeAnchored(groupId, MILLION, first, _pathOf(first.index, MILLION));
        bytes32[] memory proof = _pathOf(second.index, MILLION);
        coordinator.executeAnchored(groupId, MILLION, second, proof);
        return vm.snapshotGasLastCall(name);
    }

    function _batchCost(uint8 class, string memory name) private returns (uint256) {
        uint64 first = 0x5a5a0;
        Approval[] memory approvals = new Approval[](20);
        for (uint64 i = 0; i < 20; ++i) {
            Call[] memory payment = _payment(address(uint160(PAYEE) + i), 0.01 ether);
            approvals[i] = _appended(_content(0, class, payment, i), first + i);
        }
        _anchorMillion();
        bytes32[] memory proof = _pathOfTwenty(first);
        coordinator.executeAnchoredBatch(groupId, MILLION, approvals, proof);
        return vm.snapshotGasLastCall(name);
    }

    function _appended(Content memory content, uint64 index) private returns (Approval memory) {
        Entry memory entry = _entry(index, coordinator.hashDecision(_decision(_idOf(content), STATUS_APPROVED)));
        _put(index, _leafOf(entry));
        return Approval({
            proposer: content.proposer,
            salt: content.salt,
            class: content.class,
            descriptionHash: content.descriptionHash,
            forWeight: 3,
            againstWeight: 1,
            abstainWeight: 0,
            epoch: 0,
            index: index,
            sequence: entry.sequence,
            timestampMs: entry.timestampMs,
            calls: content.calls
        });
    }

    function _leafOf(Entry memory entry) private pure returns (bytes32) {
        return sha256(bytes.concat(hex"00", abi.encode(entry)));
    }

    /// @dev `ROUTINE` executes at once. The word of its rule is the first slot of the class: `Storage.ClassState`.
    function _dropTimelock() private {
        uint256 group = uint256(keccak256(abi.encode(groupId, uint256(1))));
        bytes32 rule = keccak256(abi.encode(uint256(ROUTINE), group + 6));
        vm.store(address(coordinator), rule, vm.load(address(coordinator), rule) & NO_TIMELOCK);
    }
}
// forge-lint: disable-end(unsafe-typecast)
