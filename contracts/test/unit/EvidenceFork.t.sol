// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {Errors} from "../../src/Errors.sol";
import {Checkpoint, Fork} from "../../src/Types.sol";
import {EvidenceFixture} from "../support/EvidenceFixture.sol";
import {ReferenceLog} from "../support/ReferenceLog.sol";
import {vm} from "../support/Vm.sol";

/// @notice The branches of "a fork" in Evidence.tree: two logs that part at an index, signed at sizes and sequences that by themselves
/// contradict nothing.
contract EvidenceForkTest is EvidenceFixture {
    uint64 private constant PARTS_AT = 6;

    ReferenceLog private _left;
    ReferenceLog private _right;

    /// @dev Two logs of thirty entries that have the first six in common.
    function setUp() public override {
        super.setUp();
        (_left, _right) = (new ReferenceLog(), new ReferenceLog());
        for (uint64 i = 0; i < 30; ++i) {
            _left.append(abi.encode(i));
            _right.append(abi.encode(i < PARTS_AT ? i : 1000 + i));
        }
    }

    /// @dev At every index from where they part, for several pairs of sizes.
    function test_M1_AForkAtTwoSequences_Convicts() external {
        uint64[4] memory sizes = [uint64(8), 11, 16, 29];
        uint256 groups = 0;
        for (uint256 i = 0; i < 4; ++i) {
            for (uint256 j = 0; j < 4; ++j) {
                if (i == j) continue;
                uint64 least = sizes[i] < sizes[j] ? sizes[i] : sizes[j];
                for (uint64 index = PARTS_AT; index < least; index += 5) {
                    groupId = _createGroup(_members(4), _termsOf(7500), bytes32(++groups));
                    _report(
                        0, _at(_left, sizes[i]), _at(_right, sizes[j]), _noMembers(), _fork(index, sizes[i], sizes[j])
                    );
                    vm.assertTrue(_isConvicted(0), "convicted");
                }
            }
        }
        vm.assertTrue(groups > 12, "forks were shown");
    }

    /// @dev Whichever of the two is the longer one.
    function test_M1_AFork_InEitherOrder() external {
        _report(0, _at(_left, 20), _at(_right, 9), _noMembers(), _fork(7, 20, 9));
        vm.assertTrue(_isConvicted(0), "the longer first");
    }

    /// @dev Two logs of which one begins with the other have the same leaf at every index.
    function test_Fork_RevertWhen_TheLeavesAreTheSame() external {
        (Checkpoint memory first, Checkpoint memory second) = (_at(_left, 9), _at(_left, 20));
        for (uint64 index = 0; index < 9; ++index) {
            _expectNone(first, second, _forkOf(_left, _left, index, 9, 20));
        }
        // Nor do two that part later.
        for (uint64 index = 0; index < PARTS_AT; ++index) {
            _expectNone(first, _at(_right, 20), _fork(index, 9, 20));
        }
    }

    /// @dev An index that one of the logs has not reached proves nothing.
    function test_Fork_RevertWhen_TheIndexIsBeyondALog() external {
        (Checkpoint memory first, Checkpoint memory second) = (_at(_left, 9), _at(_right, 20));
        Fork memory fork = _fork(8, 9, 20);
        for (uint64 index = 9; index < 12; ++index) {
            fork.index = index;
            (fork.secondLeaf, fork.secondPath) = (_right.leafHash(index), _right.path(index, 20));
            _expectNone(first, second, fork);
        }
        fork = _fork(8, 9, 20);
        fork.index = type(uint64).max;
        _expectNone(first, second, fork);
    }

    function test_Fork_RevertWhen_AnyPartIsAnother() external {
        (Checkpoint memory first, Checkpoint memory second) = (_at(_left, 9), _at(_right, 20));
        for (uint256 part = 0; part < 9; ++part) {
            Fork memory fork = _fork(7, 9, 20);
            if (part == 0) fork.index = 6;
            if (part == 1) fork.firstLeaf = "other";
            if (part == 2) fork.secondLeaf = "other";
            if (part == 3) fork.firstPath[0] = "other";
            if (part == 4) fork.secondPath[1] = "other";
            if (part == 5) fork.firstPath = new bytes32[](0);
            if (part == 6) fork.secondPath = fork.firstPath;
            if (part == 7) (fork.firstLeaf, fork.secondLeaf) = (fork.secondLeaf, fork.firstLeaf);
            if (part == 8) fork = _noFork();
            _expectNone(first, second, fork);
        }
        _report(0, first, second, _noMembers(), _fork(7, 9, 20));
        vm.assertTrue(_isConvicted(0), "as it is");
    }

    /// @dev No inner node passes for a leaf: index and size fix the path's length.
    function test_Fork_RevertWhen_AnInnerNodeIsShownForALeaf() external {
        // Of 8 leaves, the node above the leaves 6 and 7 at depth 2, where the leaf of index 3 of a tree of 4 would be.
        (Checkpoint memory first, Checkpoint memory second) = (_at(_left, 8), _at(_left, 16));
        bytes32[] memory path = _left.path(6, 8);
        bytes32[] memory shorter = new bytes32[](2);
        (shorter[0], shorter[1]) = (path[1], path[2]);
        bytes32 node = sha256(bytes.concat(hex"01", _left.leafHash(6), _left.leafHash(7)));
        Fork memory fork = _forkOf(_left, _left, 3, 8, 16);
        (fork.firstLeaf, fork.firstPath) = (node, shorter);
        _expectNone(first, second, fork);
        fork.index = 6;
        (fork.secondLeaf, fork.secondPath) = (_left.leafHash(6), _left.path(6, 16));
        _expectNone(first, second, fork);
    }

    /// @dev Of two groups or eras nothing is shown.
    function test_Fork_RevertWhen_GroupOrEraDiffers() external {
        (Checkpoint memory first, Checkpoint memory second) = (_at(_left, 9), _at(_right, 20));
        second.epoch = 1 << 32;
        _expectNone(first, second, _fork(7, 9, 20));
        second.epoch = 0;
        second.groupId = _createGroup(_members(4), _termsOf(7500), "other");
        _expectNone(first, second, _fork(7, 9, 20));
        // The very same checkpoint has one log.
        _expectNone(first, first, _forkOf(_left, _left, 7, 9, 9));
    }

    /// @dev A root that differs from what is anchored is no evidence: a lying quorum could convict the correct by it.
    function test_M1_ARootThatDiffersFromTheAnchoredOne_IsNone() external {
        _fill(9);
        _anchor(1);
        Checkpoint memory anchored = _checkpoint(1);
        Checkpoint memory signed = _at(_right, 20);
        _expectNone(anchored, signed, _noFork());
    }

    /// @dev Where the two contradict each other by themselves, a fork is not looked at.
    function test_Fork_IsNotNeededForAContradiction() external {
        (Checkpoint memory first, Checkpoint memory second) = _contradiction(0);
        Fork memory nonsense = _fork(7, 9, 20);
        nonsense.firstLeaf = "nonsense";
        _report(0, first, second, _noMembers(), nonsense);
        vm.assertTrue(_isConvicted(0), "convicted");
    }

    // ---------------------------------------------------------------------------------------------------------
    // Steps
    // ---------------------------------------------------------------------------------------------------------

    /// @dev The checkpoint of the log of this size, at a sequence of its own.
    function _at(ReferenceLog from, uint64 size) private view returns (Checkpoint memory checkpoint) {
        checkpoint = _stated(0, size);
        (checkpoint.logSize, checkpoint.logRoot) = (size, from.root(size));
    }

    function _fork(uint64 index, uint64 firstSize, uint64 secondSize) private view returns (Fork memory) {
        return _forkOf(_left, _right, index, firstSize, secondSize);
    }

    function _forkOf(ReferenceLog one, ReferenceLog other, uint64 index, uint64 firstSize, uint64 secondSize)
        private
        view
        returns (Fork memory)
    {
        return Fork({
            index: index,
            firstLeaf: one.leafHash(index),
            firstPath: one.path(index, firstSize),
            secondLeaf: other.leafHash(index),
            secondPath: other.path(index, secondSize)
        });
    }

    function _expectNone(Checkpoint memory first, Checkpoint memory second, Fork memory fork) private {
        bytes memory one = _signatures(first, 0, 1);
        bytes memory other = _signatures(second, 0, 1);
        vm.expectRevert(abi.encodeWithSelector(Errors.NoContradiction.selector));
        coordinator.reportContradiction(first, one, second, other, _noMembers(), fork);
    }
}
// forge-lint: disable-end(unsafe-typecast)
