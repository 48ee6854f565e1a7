// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {Errors} from "../../src/Errors.sol";
import {FLAG_VOTER, Member, Proposal, ProposalStatus} from "../../src/Types.sol";
import {Fixture} from "./Fixture.sol";
import {vm} from "./Vm.sol";

/// @notice A proposal of class 0, and how votes on it are looked at.
abstract contract VoteFixture is Fixture {
    bytes32 internal id;

    function setUp() public virtual override {
        super.setUp();
        id = _propose(0, ROUTINE, _calls(1, 0), "", 0);
    }

    /// @dev A proposal of a group of the four agents and this voter.
    function _proposeWith(address voter) internal returns (bytes32) {
        groupId = _createGroup(_membersWith(voter), _terms(), "wallet");
        return _propose(0, ROUTINE, _calls(1, 0), "", 0);
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

    function _expectInvalid(address voter) internal {
        vm.expectRevert(abi.encodeWithSelector(Errors.InvalidVoteSignature.selector, voter));
    }

    /// @dev As it stands now.
    function _expectNotOpen(bytes32 proposalId) internal {
        ProposalStatus status = coordinator.proposalStatus(proposalId);
        vm.expectRevert(abi.encodeWithSelector(Errors.ProposalNotOpen.selector, proposalId, status));
    }

    function _assertVoted(bytes32 proposalId, address voter, uint32 count, uint8 choice) internal view {
        (uint32 counted, uint8 last) = coordinator.voteOf(proposalId, voter);
        vm.assertEq(counted, count, "votes counted");
        vm.assertEq(last, choice, "the last choice");
    }

    function _assertTally(bytes32 proposalId, uint256 inFavour, uint256 against, uint256 abstain) internal view {
        Proposal memory proposal = coordinator.proposal(proposalId);
        vm.assertEq(proposal.forWeight, inFavour, "for");
        vm.assertEq(proposal.againstWeight, against, "against");
        vm.assertEq(proposal.abstainWeight, abstain, "abstain");
    }

    function _assertStatus(bytes32 proposalId, ProposalStatus status) internal view {
        vm.assertEq(uint256(coordinator.proposalStatus(proposalId)), uint256(status), "status");
        vm.assertEq(uint256(coordinator.proposal(proposalId).status), uint256(status), "the proposal's status");
    }
}
