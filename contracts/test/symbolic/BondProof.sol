// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {Bond, Checkpoint, Fork, Member} from "../../src/Types.sol";
import {vm} from "../support/Vm.sol";
import {ProofFixture} from "./ProofFixture.sol";

/// @notice Where a bond goes: to its owner after its notice, or by a contradiction to the reporter and the group.
///
/// In the fixture's group. Not proven: that only the holder of a key can sign (`ecrecover` is any function at all); a reporter, or
/// a replica, that takes no ether or calls back from within, of which the unit tests have some.
contract BondProof is ProofFixture {
    address internal constant REPLICA = address(0xA2);
    address internal constant OTHER = address(0xA3);
    address internal constant REPORTER = address(0xB1);

    /// @notice Proven: whoever calls whichever function of the coordinator, its modules' among them, at any time, with any arguments:
    /// a replica's bond stays as it is, or that replica was convicted, or it withdrew its bond itself, once it was released, and has
    /// all of it.
    /// Bounds: one call, see `_anyCall`, without value; lists are empty, three signatures for an anchor, other bytes are 65.
    /// @custom:halmos --default-array-lengths 0 --default-bytes-lengths 65 --array-lengths signatures=195
    function check_NobodyElseTakesABond(address caller, uint128 amount, uint40 exitAt, uint40 releasedAt, uint40 time)
        external
    {
        vm.assume(exitAt != 0 || releasedAt == 0);
        vm.store(
            address(coordinator),
            _slotIn(13, bytes32(uint256(uint160(REPLICA)))),
            bytes32(uint256(releasedAt) << 168 | uint256(exitAt) << 128 | amount)
        );
        Bond memory before = coordinator.bondOf(groupId, REPLICA);
        assert(before.amount == amount && before.exitAt == exitAt && before.releasedAt == releasedAt);
        vm.deal(address(coordinator), amount);
        vm.deal(REPLICA, 0);
        bytes memory data = _anyCall();
        vm.warp(time);
        vm.prank(caller);
        _call(data);
        if (coordinator.bondOf(groupId, REPLICA).amount == amount) {
            assert(address(coordinator).balance == amount);
            return;
        }
        if (coordinator.seatOf(groupId, REPLICA).convicted) return;
        assert(caller == REPLICA && exitAt != 0 && time >= releasedAt);
        assert(REPLICA.balance == amount);
    }

    /// @notice Proven: two checkpoints that a replica signed convict it exactly when they contradict each other and the later of
    /// their epochs is current or ended within the evidence window; its bond is paid out then and no wei beside it, the reporter's
    /// share to the reporter and the rest to the group's account, and another's bond stays; nothing convicts it again.
    /// Bounds: no fork; the fixture's bonds, share and epochs. Any two checkpoints, the first of the group; any time of 40 bits.
    function check_AContradictionPaysOutTheBond(Checkpoint memory first, Checkpoint memory second, uint40 time) external {
        first.groupId = groupId;
        bytes memory report = _report(first, second);
        vm.warp(time);
        uint256 held = address(coordinator).balance;
        vm.prank(REPORTER);
        bool convicted = _call(report);

        uint64 later = first.epoch > second.epoch ? first.epoch : second.epoch;
        bool recent = later == 1 || (later == 0 && time <= START + EVIDENCE_WINDOW);
        assert(convicted == (coordinator.contradict(first, second) && recent));
        assert(coordinator.seatOf(groupId, REPLICA).convicted == convicted);
        assert(coordinator.bondOf(groupId, REPLICA).amount == (convicted ? 0 : BOND));
        assert(coordinator.bondOf(groupId, OTHER).amount == BOND);
        uint256 reward = convicted ? uint256(BOND) * REPORTER_SHARE / 10_000 : 0;
        assert(REPORTER.balance == reward);
        assert(account.balance == (convicted ? BOND - reward : 0));
        assert(address(coordinator).balance == held - (convicted ? BOND : 0));
        if (convicted) assert(!_call(report));
    }

    function _report(Checkpoint memory first, Checkpoint memory second) private view returns (bytes memory) {
        Fork memory fork;
        return abi.encodeCall(
            coordinator.reportContradiction,
            (
                first,
                _signature(_digest(first), REPLICA, 1),
                second,
                _signature(_digest(second), REPLICA, 2),
                new Member[](0),
                fork
            )
        );
    }
}
