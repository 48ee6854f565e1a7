// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {Errors} from "../../src/Errors.sol";
import {ICoordinatorEvents} from "../../src/ICoordinatorEvents.sol";
import {CHOICE_ABSTAIN, CHOICE_AGAINST, CHOICE_FOR, Vote} from "../../src/Types.sol";
import {VoteFixture} from "../support/VoteFixture.sol";
import {Wallet} from "../support/Targets.sol";
import {vm} from "../support/Vm.sol";

/// @notice The branches of `voteBySig` in Votes.tree.
contract VoteBySigTest is VoteFixture {
    /// @dev The order of secp256k1.
    uint256 private constant CURVE_ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;

    function test_VoteBySig_RevertWhen_ProposalIsUnknown() external {
        vm.expectRevert(abi.encodeWithSelector(Errors.UnknownProposal.selector, bytes32("none")));
        coordinator.voteBySig("none", agents[1], CHOICE_FOR, "");
    }

    function test_VoteBySig_RevertWhen_NotOpen() external {
        bytes memory signature = _signVote(3, _voteOn(id, CHOICE_FOR, 0));
        _approve(id);
        _expectNotOpen(id);
        coordinator.voteBySig(id, agents[3], CHOICE_FOR, signature);
    }

    function test_VoteBySig_CountsTheVote() external {
        bytes memory signature = _signVote(1, _voteOn(id, CHOICE_FOR, 0));
        vm.expectEmit(address(coordinator));
        emit ICoordinatorEvents.VoteCast(groupId, id, agents[1], CHOICE_FOR, 1, 0);
        vm.prank(address(0xbeef));
        coordinator.voteBySig(id, agents[1], CHOICE_FOR, signature);

        _assertVoted(id, agents[1], 1, CHOICE_FOR);
        vm.assertEq(coordinator.proposal(id).forWeight, 1, "for");
    }

    function test_VoteBySig_RevertWhen_SentBefore() external {
        bytes memory signature = _signVote(1, _voteOn(id, CHOICE_FOR, 0));
        coordinator.voteBySig(id, agents[1], CHOICE_FOR, signature);
        _expectInvalid(agents[1]);
        coordinator.voteBySig(id, agents[1], CHOICE_FOR, signature);
    }

    /// @dev Also a vote with the right nonce is a second one, which this class has not.
    function test_VoteBySig_RevertWhen_VotedBefore() external {
        bytes memory signature = _signVote(1, _voteOn(id, CHOICE_AGAINST, 1));
        _vote(1, id, CHOICE_FOR);
        vm.expectRevert(abi.encodeWithSelector(Errors.AlreadyVoted.selector, id, agents[1]));
        coordinator.voteBySig(id, agents[1], CHOICE_AGAINST, signature);
    }

    function test_VoteBySig_RevertWhen_SignedByAnother() external {
        bytes memory signature = _signVote(2, _voteOn(id, CHOICE_FOR, 0));
        _expectInvalid(agents[1]);
        coordinator.voteBySig(id, agents[1], CHOICE_FOR, signature);
    }

    /// @dev Every field of the vote is under the signature.
    function test_VoteBySig_RevertWhen_AnyFieldIsAnother() external {
        for (uint256 field = 0; field < 6; ++field) {
            Vote memory signed = _voteOn(id, CHOICE_FOR, 0);
            if (field == 0) signed.groupId = "other";
            if (field == 1) signed.proposalId = "other";
            if (field == 2) signed.choice = CHOICE_AGAINST;
            if (field == 3) signed.epoch = 1;
            if (field == 4) signed.votingEnds += 1;
            if (field == 5) signed.nonce = 1;
            bytes memory signature = _signVote(1, signed);
            _expectInvalid(agents[1]);
            coordinator.voteBySig(id, agents[1], CHOICE_FOR, signature);
        }
    }

    function test_VoteBySig_RevertWhen_SignedForAnotherChain() external {
        bytes memory signature = _signVote(1, _voteOn(id, CHOICE_FOR, 0));
        vm.chainId(block.chainid + 1);
        _expectInvalid(agents[1]);
        coordinator.voteBySig(id, agents[1], CHOICE_FOR, signature);
    }

    function test_VoteBySig_RevertWhen_SIsHigh() external {
        bytes32 digest = coordinator.hashVote(_voteOn(id, CHOICE_FOR, 0));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(privateKeys[1], digest);
        bytes memory twin = abi.encodePacked(r, CURVE_ORDER - uint256(s), v == 27 ? uint8(28) : uint8(27));
        vm.assertEq(ecrecover(digest, v == 27 ? 28 : 27, r, bytes32(CURVE_ORDER - uint256(s))), agents[1], "a twin");
        _expectInvalid(agents[1]);
        coordinator.voteBySig(id, agents[1], CHOICE_FOR, twin);
    }

    function test_VoteBySig_RevertWhen_SignatureIsNone() external {
        _expectInvalid(agents[1]);
        coordinator.voteBySig(id, agents[1], CHOICE_FOR, "");
        _expectInvalid(address(0));
        coordinator.voteBySig(id, address(0), CHOICE_FOR, new bytes(65));
    }

    function test_VoteBySig_RevertWhen_SignerIsNoVoter() external {
        uint256 stranger = 12_345;
        bytes memory signature = _signature(stranger, coordinator.hashVote(_voteOn(id, CHOICE_FOR, 0)));
        vm.expectRevert(abi.encodeWithSelector(Errors.NotVoter.selector, groupId, vm.addr(stranger)));
        coordinator.voteBySig(id, vm.addr(stranger), CHOICE_FOR, signature);
    }

    function test_VoteBySig_RevertWhen_TheVoterHasLeft() external {
        bytes memory signature = _signVote(1, _voteOn(id, CHOICE_FOR, 0));
        vm.prank(agents[1]);
        coordinator.leave(groupId);
        vm.expectRevert(abi.encodeWithSelector(Errors.NotVoter.selector, groupId, agents[1]));
        coordinator.voteBySig(id, agents[1], CHOICE_FOR, signature);
    }

    function test_VoteBySig_RevertWhen_ChoiceIsInvalid() external {
        bytes memory signature = _signVote(1, _voteOn(id, 3, 0));
        vm.expectRevert(abi.encodeWithSelector(Errors.InvalidChoice.selector, 3));
        coordinator.voteBySig(id, agents[1], 3, signature);
    }

    function test_VoteBySig_WhenTheVoterHasCode_AsksIt() external {
        Wallet wallet = new Wallet();
        id = _proposeWith(address(wallet));
        _expectInvalid(address(wallet));
        coordinator.voteBySig(id, address(wallet), CHOICE_FOR, "");

        wallet.approve(coordinator.hashVote(_voteOn(id, CHOICE_FOR, 0)));
        coordinator.voteBySig(id, address(wallet), CHOICE_FOR, "");
        _assertVoted(id, address(wallet), 1, CHOICE_FOR);
    }

    // ---------------------------------------------------------------------------------------------------------
    // In a class in which votes change
    // ---------------------------------------------------------------------------------------------------------

    function test_VoteBySig_GivenVotesChange_TakesTheNextNonce() external {
        id = _propose(0, WITH_REVOTES, _calls(1, 0), "", 1);
        bytes memory first = _signVote(1, _voteOn(id, CHOICE_FOR, 0));
        bytes memory second = _signVote(1, _voteOn(id, CHOICE_AGAINST, 1));
        _expectInvalid(agents[1]);
        coordinator.voteBySig(id, agents[1], CHOICE_AGAINST, second);

        coordinator.voteBySig(id, agents[1], CHOICE_FOR, first);
        vm.expectEmit(address(coordinator));
        emit ICoordinatorEvents.VoteCast(groupId, id, agents[1], CHOICE_AGAINST, 1, 1);
        coordinator.voteBySig(id, agents[1], CHOICE_AGAINST, second);
        _assertVoted(id, agents[1], 2, CHOICE_AGAINST);
        vm.assertEq(coordinator.proposal(id).forWeight, 0, "for");
        vm.assertEq(coordinator.proposal(id).againstWeight, 1, "against");
    }

    /// @dev Somebody else's copy of a vote that was changed since does not bring it back, whichever way it was cast.
    function test_VoteBySig_GivenTheVoteWasChanged_NoOldSignatureCounts() external {
        id = _propose(0, WITH_REVOTES, _calls(1, 0), "", 1);
        bytes[3] memory signatures;
        uint8[3] memory choices = [CHOICE_FOR, CHOICE_AGAINST, CHOICE_ABSTAIN];
        for (uint32 i = 0; i < 3; ++i) {
            signatures[i] = _signVote(1, _voteOn(id, choices[i], i));
        }
        coordinator.voteBySig(id, agents[1], CHOICE_FOR, signatures[0]);
        _vote(1, id, CHOICE_AGAINST);
        _expectInvalid(agents[1]);
        coordinator.voteBySig(id, agents[1], CHOICE_FOR, signatures[0]);
        _expectInvalid(agents[1]);
        coordinator.voteBySig(id, agents[1], CHOICE_AGAINST, signatures[1]);

        coordinator.voteBySig(id, agents[1], CHOICE_ABSTAIN, signatures[2]);
        for (uint256 i = 0; i < 3; ++i) {
            _expectInvalid(agents[1]);
            coordinator.voteBySig(id, agents[1], choices[i], signatures[i]);
        }
        _assertVoted(id, agents[1], 3, CHOICE_ABSTAIN);
    }
}
// forge-lint: disable-end(unsafe-typecast)
