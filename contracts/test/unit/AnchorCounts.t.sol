// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {Errors} from "../../src/Errors.sol";
import {Checkpoint, FLAG_REPLICA, Member, Terms} from "../../src/Types.sol";
import {EvidenceFixture} from "../support/EvidenceFixture.sol";
import {vm} from "../support/Vm.sol";

/// @notice The branches of "whose signatures count" in Anchors.tree.
contract AnchorCountsTest is EvidenceFixture {
    // ---------------------------------------------------------------------------------------------------------
    // The convicted
    // ---------------------------------------------------------------------------------------------------------

    /// @dev Of five replicas, four make a quorum: without one who is convicted there is one, and without two there is none.
    function test_M4_TheConvicted_MakeNoQuorum() external {
        _makeAgents(5);
        _useWithFreshLog(_createGroup(_members(5), _terms(), "five"));
        _convict(1);
        Checkpoint memory checkpoint = _checkpoint(1);
        _expectDoesNotCount(checkpoint, 0, 4, 1);
        _expectDoesNotCount(checkpoint, 1, 4, 1);
        bytes memory others = bytes.concat(_signatures(checkpoint, 0, 1), _signatures(checkpoint, 2, 3));
        coordinator.anchor(checkpoint, others, _consistency(checkpoint), _taken(checkpoint));
        vm.assertEq(coordinator.quorum(groupId), 4, "the quorum does not shrink");

        _convict(3);
        checkpoint = _checkpoint(2);
        bytes memory three =
            bytes.concat(_signatures(checkpoint, 0, 1), _signatures(checkpoint, 2, 1), _signatures(checkpoint, 4, 1));
        _expectRefusal(checkpoint, three, abi.encodeWithSelector(Errors.NotEnoughSignatures.selector, 3, 4));
        _expectDoesNotCount(checkpoint, 0, 5, 1);
        vm.assertEq(coordinator.quorum(groupId), 4, "nor then");
        _assertCounted(_list(0, 2, 4));
    }

    /// @dev One signature too many that does not count is no better than one of a quorum.
    function test_M4_RevertGiven_ASignatureMoreThatDoesNotCount() external {
        _convict(3);
        _expectDoesNotCount(_checkpoint(1), 0, 4, 3);
        _anchor(_checkpoint(1), 0, 3);
    }

    // ---------------------------------------------------------------------------------------------------------
    // Bonds
    // ---------------------------------------------------------------------------------------------------------

    function test_L5_WithoutTheBondThatTheTermsAskFor_NoSignatureCounts() external {
        _useBonded();
        _assertCounted(new address[](0));
        Checkpoint memory checkpoint = _checkpoint(1);
        for (uint256 paid = 0; paid < 3; ++paid) {
            _expectDoesNotCount(checkpoint, 0, 3, paid);
            _depositOf(paid, BOND);
        }
        _assertCounted(_list(0, 1, 2));
        _anchor(checkpoint, 0, 3);
        _expectDoesNotCount(_checkpoint(2), 1, 3, 3);
    }

    /// @dev A wei less is none, however many deposits make it up.
    function test_L5_ABondCountsInFull() external {
        _useBonded();
        _deposit(2);
        _depositOf(2, BOND - 1);
        _expectDoesNotCount(_checkpoint(1), 0, 3, 2);
        vm.deal(REPORTER, 1);
        vm.prank(REPORTER);
        coordinator.depositFor{value: 1}(groupId, agents[2]);
        _anchor(_checkpoint(1), 0, 3);
    }

    function test_L5_WithoutBondsInTheTerms_EverybodysCounts() external {
        _assertCounted(agents);
        _anchor(1);
    }

    /// @dev To the last second of its notice the signature of whoever goes counts.
    function test_M7_WhoGoes_CountsUntilItsNoticeIsOver() external {
        _useBonded();
        _deposit(3);
        vm.prank(agents[1]);
        coordinator.requestWithdrawal(groupId);
        uint256 exitAt = START + 14 days;
        vm.assertEq(coordinator.seatOf(groupId, agents[1]).exitAt, exitAt, "exit at");
        vm.warp(exitAt - 1);
        _anchor(_checkpoint(1), 0, 3);
        vm.warp(exitAt);
        _expectDoesNotCount(_checkpoint(2), 0, 3, 1);
        vm.assertFalse(coordinator.seatOf(groupId, agents[1]).counts, "counts");

        vm.prank(agents[1]);
        coordinator.stay(groupId);
        _anchor(_checkpoint(2), 0, 3);
    }

    function test_M7_WhoHasWithdrawn_DoesNotCount() external {
        _useBonded();
        _deposit(4);
        vm.prank(agents[1]);
        coordinator.requestWithdrawal(groupId);
        vm.warp(coordinator.bondOf(groupId, agents[1]).releasedAt);
        vm.prank(agents[1]);
        coordinator.withdraw(groupId);
        _expectDoesNotCount(_checkpoint(1), 0, 3, 1);
        Checkpoint memory checkpoint = _checkpoint(1);
        bytes memory others = bytes.concat(_signatures(checkpoint, 0, 1), _signatures(checkpoint, 2, 2));
        coordinator.anchor(checkpoint, others, _consistency(checkpoint), _taken(checkpoint));
    }

    // ---------------------------------------------------------------------------------------------------------
    // Over rotations
    // ---------------------------------------------------------------------------------------------------------

    /// @dev A conviction outlasts a rotation that keeps the seat, one that takes it, and one that gives it back.
    function test_M4_AConviction_SurvivesRotations() external {
        _makeAgents(6);
        Member[] memory five = _members(5);
        _useWithFreshLog(_createGroup(five, _terms(), "five"));
        _convict(4);
        _fill(1);
        _rotate(_boundary(1, five), 0, 4, five, _noMandate());
        _expectDoesNotCount(_checkpoint(2), 1, 4, 4);

        Member[] memory without = _members(4);
        _rotate(_boundary(2, without), 0, 4, without, _mandate(without, 0, 4));
        vm.assertTrue(_isConvicted(4), "without a seat");
        vm.assertFalse(coordinator.seatOf(groupId, agents[4]).counts, "counts without a seat");
        _rotate(_boundary(3, five), 0, 3, five, _mandate(five, 0, 3));
        vm.assertTrue(_isConvicted(4), "with a seat again");
        _expectDoesNotCount(_checkpoint(4), 1, 4, 4);
        _anchor(_checkpoint(4), 0, 4);
    }

    /// @dev Whoever comes counts with a bond, whenever that was deposited; whoever stays keeps it, and its notice.
    function test_L5_ANewReplica_CountsWithItsBond() external {
        _makeAgents(6);
        _useBonded();
        _deposit(3);
        vm.prank(agents[2]);
        coordinator.requestWithdrawal(groupId);
        // Before it has a seat, and nobody else for it.
        vm.deal(agents[4], BOND);
        vm.prank(agents[4]);
        coordinator.deposit{value: BOND}(groupId);

        Member[] memory next = _members(6);
        for (uint256 i = 4; i < 6; ++i) {
            (next[i].flags, next[i].weight) = (FLAG_REPLICA, 0);
        }
        _fill(1);
        _rotate(_boundary(1, next), 0, 3, next, _noMandate());
        address[] memory counted = new address[](4);
        (counted[0], counted[1], counted[2], counted[3]) = (agents[0], agents[1], agents[2], agents[4]);
        _assertCounted(counted);
        vm.assertEq(coordinator.seatOf(groupId, agents[2]).exitAt, START + 14 days, "the notice goes on");
        vm.assertEq(coordinator.quorum(groupId), 4, "of six");
        Checkpoint memory checkpoint = _checkpoint(2);
        _expectDoesNotCount(checkpoint, 0, 4, 3);
        bytes memory four = bytes.concat(_signatures(checkpoint, 0, 3), _signatures(checkpoint, 4, 1));
        coordinator.anchor(checkpoint, four, _consistency(checkpoint), _taken(checkpoint));
        _depositOf(3, BOND);
        _anchor(_checkpoint(3), 0, 4);
    }

    // ---------------------------------------------------------------------------------------------------------
    // Steps
    // ---------------------------------------------------------------------------------------------------------

    function _useBonded() private {
        Terms memory terms = _bonded(_terms());
        _useWithFreshLog(_createGroup(_members(4), terms, "bonded"));
    }

    function _depositOf(uint256 agent, uint256 amount) private {
        vm.deal(agents[agent], amount);
        vm.prank(agents[agent]);
        coordinator.deposit{value: amount}(groupId);
    }

    /// @dev The agents sign who are `count` from `first` on; the signature of `signer` does not count.
    function _expectDoesNotCount(Checkpoint memory checkpoint, uint256 first, uint256 count, uint256 signer) private {
        _expectRefusal(
            checkpoint,
            _signatures(checkpoint, first, count),
            abi.encodeWithSelector(Errors.SignatureDoesNotCount.selector, agents[signer])
        );
    }

    function _list(uint256 first, uint256 second, uint256 third) private view returns (address[] memory list) {
        list = new address[](3);
        (list[0], list[1], list[2]) = (agents[first], agents[second], agents[third]);
    }

    /// @dev The views say the same as the contract's refusals.
    function _assertCounted(address[] memory counted) private view {
        vm.assertEq(abi.encode(coordinator.countedReplicas(groupId)), abi.encode(counted), "counted");
        uint256 found = 0;
        for (uint256 i = 0; i < agents.length; ++i) {
            if (coordinator.seatOf(groupId, agents[i]).counts) ++found;
        }
        vm.assertEq(found, counted.length, "seats that count");
    }
}
// forge-lint: disable-end(unsafe-typecast)
