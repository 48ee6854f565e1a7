// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {Errors} from "../../src/Errors.sol";
import {ICoordinatorEvents} from "../../src/ICoordinatorEvents.sol";
import {FLAG_VOTER, Member, ProposalState, Skip, Status} from "../../src/Types.sol";
import {Fixture} from "./Fixture.sol";
import {vm} from "./Vm.sol";

/// @notice A proposal of class 0, and how votes on it are looked at.
abstract contract VoteFixture is Fixture {
    bytes32 internal id;
    uint64 internal ends;

    function setUp() public virtual override {
        super.setUp();
        _open();
    }

    function _open() private {
        id = _propose(0, ROUTINE, _calls(1, 0), 0);
        ends = uint64(block.timestamp + VOTING_PERIOD);
    }

    /// @dev The proposal is one of a group of the four agents and this voter.
    function _proposeWith(address voter) internal {
        _use(_createGroup(_membersWith(voter), _terms(), "wallet"));
        _open();
    }

    /// @dev The four agents and one more voter, in order.
    function _membersWith(address voter) internal returns (Member[] memory members) {
        vm.prank(voter);
        coordinator.register(_key(voter));
        members = new Member[](5);
        Member[] memory four = _members(4);
        uint256 taken = 0;
        for (uint256 i = 0; i < 5; ++i) {
            bool here = taken == i && (i == 4 || voter < four[i].account);
            members[i] = here ? Member({account: voter, key: _key(voter), weight: 1, flags: FLAG_VOTER}) : four[taken++];
        }
    }

    function _expectSkipped(bytes32 proposalId, address voter, Skip why) internal {
        vm.expectEmit(address(coordinator));
        emit ICoordinatorEvents.BallotSkipped(groupId, proposalId, voter, why);
    }

    /// @dev As it stands now.
    function _expectWrongStatus(bytes32 proposalId) internal {
        Status status = _statusOf(proposalId);
        vm.expectRevert(abi.encodeWithSelector(Errors.WrongStatus.selector, proposalId, status));
    }

    function _assertVoted(bytes32 proposalId, address voter, uint32 count, uint8 choice) internal view {
        (uint32 counted, uint8 last) = coordinator.voteOf(groupId, proposalId, voter);
        vm.assertEq(counted, count, "votes counted");
        vm.assertEq(last, choice, "the last choice");
    }

    function _assertTally(bytes32 proposalId, uint256 inFavour, uint256 against, uint256 abstain) internal view {
        ProposalState memory state = coordinator.proposal(groupId, proposalId);
        vm.assertEq(state.forWeight, inFavour, "for");
        vm.assertEq(state.againstWeight, against, "against");
        vm.assertEq(state.abstainWeight, abstain, "abstain");
    }
}
