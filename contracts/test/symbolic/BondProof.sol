// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {Bond, Checkpoint, Fork, Member} from "../../src/Types.sol";
import {vm} from "../support/Vm.sol";
import {Part, ProofFixture} from "./ProofFixture.sol";

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
    /// Bounds: one call, see `_anyCallOf`, without value; lists are empty, other bytes are 65. Of evidence: two checkpoints of the
    /// current epoch that another signed, without a fork's proofs. Of anchors: any checkpoint of the
    /// group that its quorum signed, which takes no message, and one list of next members.
    function check_NobodyElseTakesABondByAnAnchor(
        Checkpoint memory checkpoint,
        uint128 amount,
        uint40 exitAt,
        uint40 releasedAt,
        uint40 time
    ) external {
        _setBondOf(amount, exitAt, releasedAt);
        _anyAnchor(checkpoint, time);
        assert(coordinator.bondOf(groupId, REPLICA).amount == amount && address(coordinator).balance == amount);
    }

    /// @custom:halmos --default-array-lengths 0 --default-bytes-lengths 65
    function check_NobodyElseTakesABondByAnExecution(
        address caller,
        uint128 amount,
        uint40 exitAt,
        uint40 releasedAt,
        uint40 time
    ) external {
        _assertBondStays(Part.Executions, caller, amount, exitAt, releasedAt, time);
    }

    /// @custom:halmos --array-lengths one=65,other=65
    function check_NobodyElseTakesABondByEvidence(
        Checkpoint memory first,
        Checkpoint memory second,
        bytes memory one,
        bytes memory other,
        uint128 amount,
        uint40 time
    ) external {
        (first.groupId, first.epoch) = (groupId, 1);
        one[64] = bytes1(uint8(27));
        // Whoever signed the first has to have signed the second too: here another account than the replica.
        vm.assume(_signer(_digest(first), one, 0) != REPLICA);
        _setBondOf(amount, 0, 0);
        vm.deal(address(coordinator), uint256(amount) + BOND);
        _anyEvidence(first, one, second, other, time);
        assert(coordinator.bondOf(groupId, REPLICA).amount == amount);
        assert(!coordinator.seatOf(groupId, REPLICA).convicted);
        assert(address(coordinator).balance >= amount);
    }

    /// @custom:halmos --default-array-lengths 0 --default-bytes-lengths 65
    function check_NobodyElseTakesABondByTheOnChainLane(
        address caller,
        uint128 amount,
        uint40 exitAt,
        uint40 releasedAt,
        uint40 time
    ) external {
        _assertBondStays(Part.OnChainLane, caller, amount, exitAt, releasedAt, time);
    }

    /// @custom:halmos --default-array-lengths 0 --default-bytes-lengths 65
    function check_NobodyElseTakesABondByTheRest(
        address caller,
        uint128 amount,
        uint40 exitAt,
        uint40 releasedAt,
        uint40 time
    ) external {
        _assertBondStays(Part.Rest, caller, amount, exitAt, releasedAt, time);
    }

    function _assertBondStays(Part part, address caller, uint128 amount, uint40 exitAt, uint40 releasedAt, uint40 time)
        private
    {
        _setBondOf(amount, exitAt, releasedAt);
        bytes memory data = _anyCallOf(part);
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

    function _setBondOf(uint128 amount, uint40 exitAt, uint40 releasedAt) private {
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
    }

    /// @notice Proven: two checkpoints that a replica signed and that contradict each other convict it, and pay out its bond and no wei
    /// beside it, the reporter's share to the reporter and the rest to the group's account; another's bond stays; nothing convicts it
    /// again.
    /// Bounds: two roots of one log in the current epoch, which contradict each other; the fixture's share. Any bond. What contradicts
    /// each other is in `ContradictionProof`.
    function check_AContradictionPaysOutTheBond(bytes32 one, bytes32 other, uint128 amount) external {
        vm.assume(one != other);
        vm.store(address(coordinator), _slotIn(13, bytes32(uint256(uint160(REPLICA)))), bytes32(uint256(amount)));
        vm.deal(address(coordinator), uint256(amount) + BOND);
        uint256 reward = uint256(amount) * REPORTER_SHARE / 10_000;
        // A fifth, rounded down. It takes the solver hours to see that of a division of this width.
        vm.assume(reward <= amount);
        bytes memory report = _report(_checkpoint(1, BOUNDARY + 1, 1, one), _checkpoint(1, BOUNDARY + 1, 1, other));
        vm.prank(REPORTER);
        assert(_call(report));

        assert(coordinator.seatOf(groupId, REPLICA).convicted);
        assert(coordinator.bondOf(groupId, REPLICA).amount == 0 && coordinator.bondOf(groupId, OTHER).amount == BOND);
        assert(REPORTER.balance == reward && account.balance == amount - reward);
        assert(address(coordinator).balance == BOND);
        assert(!_call(report));
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
