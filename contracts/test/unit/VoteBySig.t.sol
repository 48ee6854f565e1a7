// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {Errors} from "../../src/Errors.sol";
import {IAgentCoordinator} from "../../src/IAgentCoordinator.sol";
import {CHOICE_AGAINST, CHOICE_FOR, FLAG_VOTER, Member, Vote} from "../../src/Types.sol";
import {Fixture} from "../support/Fixture.sol";
import {Wallet} from "../support/Targets.sol";
import {vm} from "../support/Vm.sol";

/// @notice The branches of `voteBySig` in Proposals.tree.
contract VoteBySigTest is Fixture {
    /// @dev The order of secp256k1.
    uint256 private constant CURVE_ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;

    bytes32 private _id;

    function setUp() public override {
        super.setUp();
        vm.prank(agents[0]);
        _id = coordinator.propose(groupId, _calls(1, 0), "", 0);
    }

    function test_VoteBySig_RevertWhen_ProposalIsUnknown() external {
        vm.expectRevert(abi.encodeWithSelector(Errors.UnknownProposal.selector, bytes32("none")));
        coordinator.voteBySig("none", agents[1], CHOICE_FOR, "");
    }

    function test_VoteBySig_CountsTheVote() external {
        vm.expectEmit(address(coordinator));
        emit IAgentCoordinator.VoteCast(groupId, _id, agents[1], CHOICE_FOR, 1);
        coordinator.voteBySig(_id, agents[1], CHOICE_FOR, _sign(1, _id, CHOICE_FOR));

        vm.assertTrue(coordinator.hasVoted(_id, agents[1]), "voted");
        vm.assertEq(coordinator.proposal(_id).forWeight, 1, "for");
    }

    function test_VoteBySig_RevertWhen_SentBefore() external {
        bytes memory signature = _sign(1, _id, CHOICE_FOR);
        coordinator.voteBySig(_id, agents[1], CHOICE_FOR, signature);
        vm.expectRevert(abi.encodeWithSelector(Errors.AlreadyVoted.selector, _id, agents[1]));
        coordinator.voteBySig(_id, agents[1], CHOICE_FOR, signature);
    }

    function test_VoteBySig_RevertWhen_SignedByAnother() external {
        bytes memory signature = _sign(2, _id, CHOICE_FOR);
        _expectInvalid(agents[1]);
        coordinator.voteBySig(_id, agents[1], CHOICE_FOR, signature);
    }

    function test_VoteBySig_RevertWhen_SignedForAnotherChoice() external {
        bytes memory signature = _sign(1, _id, CHOICE_FOR);
        _expectInvalid(agents[1]);
        coordinator.voteBySig(_id, agents[1], CHOICE_AGAINST, signature);
    }

    function test_VoteBySig_RevertWhen_SignedForAnotherProposal() external {
        vm.prank(agents[0]);
        bytes32 other = coordinator.propose(groupId, _calls(1, 0), "", 1);
        bytes memory signature = _sign(1, other, CHOICE_FOR);
        _expectInvalid(agents[1]);
        coordinator.voteBySig(_id, agents[1], CHOICE_FOR, signature);
    }

    function test_VoteBySig_RevertWhen_SignedForAnotherChain() external {
        bytes memory signature = _sign(1, _id, CHOICE_FOR);
        vm.chainId(block.chainid + 1);
        _expectInvalid(agents[1]);
        coordinator.voteBySig(_id, agents[1], CHOICE_FOR, signature);
    }

    function test_VoteBySig_RevertWhen_SIsHigh() external {
        bytes32 digest = coordinator.hashVote(Vote({groupId: groupId, proposalId: _id, choice: CHOICE_FOR}));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(privateKeys[1], digest);
        bytes memory twin = abi.encodePacked(r, CURVE_ORDER - uint256(s), v == 27 ? uint8(28) : uint8(27));
        vm.assertEq(ecrecover(digest, v == 27 ? 28 : 27, r, bytes32(CURVE_ORDER - uint256(s))), agents[1], "a twin");
        _expectInvalid(agents[1]);
        coordinator.voteBySig(_id, agents[1], CHOICE_FOR, twin);
    }

    function test_VoteBySig_RevertWhen_SignatureIsNone() external {
        _expectInvalid(agents[1]);
        coordinator.voteBySig(_id, agents[1], CHOICE_FOR, "");
        _expectInvalid(address(0));
        coordinator.voteBySig(_id, address(0), CHOICE_FOR, new bytes(65));
    }

    function test_VoteBySig_RevertWhen_SignerIsNoVoter() external {
        uint256 stranger = 12_345;
        bytes32 digest = coordinator.hashVote(Vote({groupId: groupId, proposalId: _id, choice: CHOICE_FOR}));
        bytes memory signature = _signature(stranger, digest);
        vm.expectRevert(abi.encodeWithSelector(Errors.NotVoter.selector, groupId, vm.addr(stranger)));
        coordinator.voteBySig(_id, vm.addr(stranger), CHOICE_FOR, signature);
    }

    function test_VoteBySig_WhenTheVoterHasCode_AsksIt() external {
        Wallet wallet = new Wallet();
        groupId = _createGroup(_membersWith(address(wallet)), _policy(3), "wallet");
        vm.prank(agents[0]);
        bytes32 id = coordinator.propose(groupId, _calls(1, 0), "", 0);

        _expectInvalid(address(wallet));
        coordinator.voteBySig(id, address(wallet), CHOICE_FOR, "");

        wallet.approve(coordinator.hashVote(Vote({groupId: groupId, proposalId: id, choice: CHOICE_FOR})));
        coordinator.voteBySig(id, address(wallet), CHOICE_FOR, "");
        vm.assertTrue(coordinator.hasVoted(id, address(wallet)), "voted");
    }

    function _sign(uint256 agent, bytes32 id, uint8 choice) private view returns (bytes memory) {
        Vote memory vote = Vote({groupId: groupId, proposalId: id, choice: choice});
        return _signature(privateKeys[agent], coordinator.hashVote(vote));
    }

    function _expectInvalid(address voter) private {
        vm.expectRevert(abi.encodeWithSelector(Errors.InvalidVoteSignature.selector, voter));
    }

    /// @dev The four agents and one more voter, in order.
    function _membersWith(address voter) private returns (Member[] memory members) {
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
}
// forge-lint: disable-end(unsafe-typecast)
