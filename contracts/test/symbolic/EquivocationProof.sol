// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {Bond, Checkpoint, EpochStart, FLAG_REPLICA} from "../../src/Types.sol";
import {vm} from "../support/Vm.sol";
import {ProofFixture} from "./ProofFixture.sol";
import {svm} from "./Svm.sol";

/// @notice Who is convicted, and what becomes of its bond.
///
/// Not proven: that only the holder of a key can sign (`ecrecover` is any function at all); that two checkpoints that
/// differ have different digests, which is that `keccak256` has no collisions, and is assumed; a reporter, or a group's
/// account, that takes no ether or calls back from within, of which `test/unit/Equivocation.t.sol` has some.
contract EquivocationProof is ProofFixture {
    address internal constant REPLICA = address(0xA2);
    address internal constant OTHER = address(0xA3);
    address internal constant REPORTER = address(0xB1);

    /// @notice Proven: in any state of the coordinator and at any time, whoever reports: two checkpoints convict an account
    /// only if both are of the group, of one epoch and one sequence, and differ; both signatures are of 65 bytes, of low s,
    /// and that account's; the epoch is the current one, or ended within the evidence window; and the account is a replica
    /// or has a bond, and was not convicted before. It has no bond then. No other account is convicted, or has another bond
    /// than before.
    /// Bounds: signatures of 64, 65 and 66 bytes; the group's account and share are the fixture's.
    /// @custom:halmos --array-lengths signature={64,65,66},otherSignature={64,65,66}
    function check_OnlyAContradictionConvicts(
        Checkpoint memory first,
        bytes memory signature,
        Checkpoint memory second,
        bytes memory otherSignature,
        address bystander,
        uint32 epoch,
        uint256 time
    ) external {
        first.groupId = groupId;
        address account = coordinator.group(groupId).account;
        svm.enableSymbolicStorage(address(coordinator));
        vm.warp(time);
        // So much of the state is known: the account and the epoch, the bonds' terms.
        vm.store(address(coordinator), _slot(0), bytes32(uint256(epoch) << 160 | uint256(uint160(account))));
        vm.store(
            address(coordinator),
            _slot(3),
            bytes32(uint256(REPORTER_SHARE) << 160 | uint256(EVIDENCE_WINDOW) << 128 | uint256(BOND))
        );
        address signer = _signer(first, signature);
        bool convictedBefore = coordinator.isConvicted(groupId, signer);
        bool related = coordinator.memberOf(groupId, signer).flags & FLAG_REPLICA != 0
            || coordinator.bondOf(groupId, signer).amount != 0;
        EpochStart memory next = coordinator.epochStart(groupId, first.epoch + 1);
        bool bystanderConvicted = coordinator.isConvicted(groupId, bystander);
        Bond memory bond = coordinator.bondOf(groupId, bystander);
        if (!_report(first, signature, second, otherSignature)) return;

        assert(second.groupId == groupId && second.epoch == first.epoch && second.sequence == first.sequence);
        assert(_differ(first, second));
        assert(signature.length == 65 && otherSignature.length == 65);
        assert(signer != address(0) && signer == _signer(second, otherSignature));
        assert(!convictedBefore && related);
        assert(first.epoch <= epoch);
        if (first.epoch != epoch) assert(time <= uint256(next.startedAt) + EVIDENCE_WINDOW);
        assert(coordinator.isConvicted(groupId, signer));
        assert(coordinator.bondOf(groupId, signer).amount == 0);
        if (bystander == signer) return;
        assert(coordinator.isConvicted(groupId, bystander) == bystanderConvicted);
        Bond memory bondNow = coordinator.bondOf(groupId, bystander);
        assert(bondNow.amount == bond.amount && bondNow.releasedAt == bond.releasedAt);
    }

    /// @notice Proven: two checkpoints that a replica signed convict it exactly when they contradict each other and the
    /// evidence counts; it is told to the inbox then, and nothing convicts it again.
    /// Bounds: the fixture's group, in which the replica has the bond that was agreed on; any time of 40 bits.
    function check_AContradictionConvicts(Checkpoint memory first, Checkpoint memory second, uint40 time) external {
        _deposit(REPLICA, BOND);
        vm.warp(time);
        (bytes memory signature, bytes memory otherSignature) = _sign(first, second);
        // Unless `keccak256` has collisions.
        if (_differ(first, second)) vm.assume(_digest(first) != _digest(second));
        vm.prank(REPORTER);
        bool convicted = _report(first, signature, second, otherSignature);
        assert(convicted == (_contradict(first, second) && _counts(first.epoch, time)));
        assert(coordinator.isConvicted(groupId, REPLICA) == convicted);
        assert(coordinator.inbox(groupId).length == (convicted ? 1 : 0));
        if (!convicted) return;
        assert(!_report(first, signature, second, otherSignature));
        assert(!_report(second, otherSignature, first, signature));
    }

    /// @notice Proven: a conviction pays out the bond and no wei beside it, the reporter's share to the reporter and the rest
    /// to the group's account; another replica's bond stays.
    /// Bounds: the fixture's group, in which two replicas have bonds, of any amount; its share of a quarter; one reporter.
    function check_AConvictionPaysOutTheBond(
        Checkpoint memory first,
        Checkpoint memory second,
        uint128 amount,
        uint128 others
    ) external {
        _deposit(REPLICA, amount);
        _deposit(OTHER, others);
        address account = coordinator.group(groupId).account;
        assert(address(coordinator).balance == uint256(amount) + others);
        assert(account.balance == 0 && REPORTER.balance == 0);
        (bytes memory signature, bytes memory otherSignature) = _sign(first, second);
        vm.prank(REPORTER);
        bool convicted = _report(first, signature, second, otherSignature);
        assert(coordinator.bondOf(groupId, OTHER).amount == others);
        assert(coordinator.bondOf(groupId, REPLICA).amount == (convicted ? 0 : amount));
        assert(address(coordinator).balance == uint256(others) + (convicted ? 0 : amount));
        if (!convicted) return;
        uint256 reward = uint256(amount) * REPORTER_SHARE / 10_000;
        assert(REPORTER.balance == reward);
        assert(account.balance == amount - reward);
    }

    /// @notice Proven: whoever calls whichever function of the coordinator, its registry's among them, at any time, with any
    /// arguments: a replica's bond does not get smaller unless that convicts it, and no call takes a conviction back.
    /// Bounds: one call, see `_anyCall`, without value; lists are empty, three signatures for an anchor, other bytes are
    /// 65.
    /// @custom:halmos --default-array-lengths 0 --default-bytes-lengths 65 --array-lengths signatures=195
    function check_NoOtherCallTakesABond(address caller, uint128 amount, uint256 time) external {
        _deposit(REPLICA, amount);
        vm.store(address(coordinator), keccak256(abi.encode(OTHER, _slot(13))), bytes32(uint256(1)));
        assert(coordinator.isConvicted(groupId, OTHER));
        bytes memory data = _anyCall();
        vm.warp(time);
        vm.prank(caller);
        _call(data);
        assert(coordinator.bondOf(groupId, REPLICA).amount == amount || coordinator.isConvicted(groupId, REPLICA));
        assert(coordinator.isConvicted(groupId, OTHER));
    }

    function _report(
        Checkpoint memory first,
        bytes memory signature,
        Checkpoint memory second,
        bytes memory otherSignature
    ) private returns (bool) {
        return _call(abi.encodeCall(coordinator.reportEquivocation, (first, signature, second, otherSignature)));
    }

    /// @dev The replica's signatures on both, the first of which is of the fixture's group.
    function _sign(Checkpoint memory first, Checkpoint memory second)
        private
        view
        returns (bytes memory signature, bytes memory otherSignature)
    {
        first.groupId = groupId;
        signature = _signature(_digest(first), REPLICA, 1);
        otherSignature = _signature(_digest(second), REPLICA, 2);
    }

    function _deposit(address replica, uint128 amount) private {
        vm.assume(amount != 0);
        vm.deal(address(this), amount);
        coordinator.deposit{value: amount}(groupId, replica);
        assert(coordinator.bondOf(groupId, replica).amount == amount);
    }

    /// @dev Whose the signature is, or nobody's when it has the greater of the two possible s.
    function _signer(Checkpoint memory checkpoint, bytes memory signature) private view returns (address) {
        (bytes32 r, bytes32 s, uint8 v) = _parts(signature, 0);
        return uint256(s) <= HALF_ORDER ? ecrecover(_digest(checkpoint), v, r, s) : address(0);
    }

    /// @dev Field by field: so that what is signed has to tell them all.
    function _differ(Checkpoint memory first, Checkpoint memory second) private pure returns (bool) {
        return first.groupId != second.groupId || first.epoch != second.epoch || first.sequence != second.sequence
            || first.logSize != second.logSize || first.logRoot != second.logRoot || first.stateRoot != second.stateRoot
            || first.inboxCount != second.inboxCount || first.nextMembersHash != second.nextMembersHash;
    }

    function _contradict(Checkpoint memory first, Checkpoint memory second) private pure returns (bool) {
        return second.groupId == first.groupId && second.epoch == first.epoch && second.sequence == first.sequence
            && _differ(first, second);
    }

    /// @dev The fixture came to its second epoch when it was made.
    function _counts(uint64 epoch, uint256 time) private pure returns (bool) {
        return epoch == 1 || (epoch == 0 && time <= START + EVIDENCE_WINDOW);
    }
}
