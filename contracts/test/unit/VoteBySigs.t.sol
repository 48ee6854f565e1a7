// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {Errors} from "../../src/Errors.sol";
import {ICoordinatorEvents} from "../../src/ICoordinatorEvents.sol";
import {Ballot, CHOICE_ABSTAIN, CHOICE_AGAINST, CHOICE_FOR, Skip, Status} from "../../src/Types.sol";
import {Answerer, Babbler, OwnedWallet, Wallet} from "../support/Targets.sol";
import {VoteFixture} from "../support/VoteFixture.sol";
import {vm} from "../support/Vm.sol";

/// @notice The branches of `voteBySigs` in Votes.tree.
contract VoteBySigsTest is VoteFixture {
    /// @dev The order of secp256k1.
    uint256 private constant CURVE_ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
    bytes32 private constant MAGIC = bytes32(bytes4(0x1626ba7e));

    function test_VoteBySigs_RevertWhen_GroupIsUnknown() external {
        vm.expectRevert(abi.encodeWithSelector(Errors.UnknownGroup.selector, bytes32("none")));
        coordinator.voteBySigs("none", id, new Ballot[](0));
    }

    function test_VoteBySigs_TakesNone() external {
        coordinator.voteBySigs(groupId, id, new Ballot[](0));
        _assertTally(id, 0, 0, 0);
    }

    function test_VoteBySigs_CountsTheVotesInAnyOrder() external {
        Ballot[] memory ballots = _ballots(0, 3, id, ends);
        (ballots[0], ballots[2]) = (ballots[2], ballots[0]);
        for (uint256 i = 0; i < 3; ++i) {
            vm.expectEmit(address(coordinator));
            emit ICoordinatorEvents.VoteCast(groupId, id, ballots[i].voter, CHOICE_FOR, 1, 0);
        }
        vm.expectEmit(address(coordinator));
        emit ICoordinatorEvents.ProposalDecided(groupId, id, Status.Approved, 3, 0, 0);
        vm.prank(address(0xbeef));
        coordinator.voteBySigs(groupId, id, ballots);

        _assertTally(id, 3, 0, 0);
        _assertStatus(id, Status.Approved);
        for (uint256 i = 0; i < 3; ++i) {
            _assertVoted(id, agents[i], 1, CHOICE_FOR);
        }
    }

    // ---------------------------------------------------------------------------------------------------------
    // What does not count is passed over
    // ---------------------------------------------------------------------------------------------------------

    /// @dev The fourth vote comes after the deciding one, whatever it is.
    function test_L2_VoteBySigs_OnceItIsDecided_PassesOverTheRest() external {
        Ballot[] memory ballots = _ballots(0, 4, id, ends);
        _expectSkipped(id, agents[3], Skip.NotOpen);
        coordinator.voteBySigs(groupId, id, ballots);
        _assertStatus(id, Status.Approved);
        _assertVoted(id, agents[3], 0, 0);
    }

    function test_L2_VoteBySigs_WhenNotOpen_PassesOverAll() external {
        Ballot[] memory ballots = _ballots(3, 1, id, ends);
        _approve(id);
        _expectSkipped(id, agents[3], Skip.NotOpen);
        coordinator.voteBySigs(groupId, id, ballots);
        _expectSkipped("none", agents[3], Skip.NotOpen);
        coordinator.voteBySigs(groupId, "none", ballots);
    }

    /// @dev Somebody copied one vote, or two, out of the batch and sent them earlier: the rest counts all the same.
    function test_L2_VoteBySigs_GivenSomeWereSentBefore_PassesThemOver() external {
        for (uint256 sent = 1; sent < 3; ++sent) {
            id = _propose(0, ROUTINE, _calls(1, 0), uint64(sent));
            Ballot[] memory ballots = _ballots(0, 3, id, ends);
            coordinator.voteBySigs(groupId, id, _ballots(0, sent, id, ends));
            _expectSkipped(id, agents[0], Skip.AlreadyVoted);
            coordinator.voteBySigs(groupId, id, ballots);
            _assertStatus(id, Status.Approved);
            _assertTally(id, 3, 0, 0);
        }
    }

    function test_L2_VoteBySigs_GivenOneIsThereTwice_CountsItOnce() external {
        Ballot[] memory ballots = _ballots(0, 2, id, ends);
        ballots[1] = ballots[0];
        _expectSkipped(id, agents[0], Skip.AlreadyVoted);
        coordinator.voteBySigs(groupId, id, ballots);
        _assertTally(id, 1, 0, 0);
    }

    function test_L2_VoteBySigs_IsNotSpoiltByOneWhoChoseOtherwise() external {
        Ballot[] memory ballots = _ballots(0, 2, id, ends);
        _vote(0, id, CHOICE_AGAINST);
        _expectSkipped(id, agents[0], Skip.AlreadyVoted);
        coordinator.voteBySigs(groupId, id, ballots);
        _assertTally(id, 1, 1, 0);
        // A second vote with the right nonce is one that this class has not.
        ballots[0].signature = _signVote(0, id, CHOICE_FOR, ends, 1);
        _expectSkipped(id, agents[0], Skip.AlreadyVoted);
        coordinator.voteBySigs(groupId, id, ballots);
        _assertTally(id, 1, 1, 0);
    }

    function test_L2_VoteBySigs_IsNotSpoiltByOneWhoLeaves() external {
        Ballot[] memory ballots = _ballots(0, 3, id, ends);
        vm.prank(agents[1]);
        coordinator.leave(groupId);
        _expectSkipped(id, agents[1], Skip.NotVoter);
        coordinator.voteBySigs(groupId, id, ballots);
        _assertTally(id, 2, 0, 0);
    }

    function test_L2_VoteBySigs_PassesOverStrangersAndUnknownChoices() external {
        uint256 stranger = 12_345;
        Ballot[] memory ballots = _ballots(0, 3, id, ends);
        ballots[0] = Ballot({
            voter: vm.addr(stranger),
            choice: CHOICE_FOR,
            signature: _signature(stranger, coordinator.hashVote(vm.addr(stranger), id, CHOICE_FOR, 0, ends, 0))
        });
        ballots[1] = _ballot(1, id, 3, ends);
        _expectSkipped(id, vm.addr(stranger), Skip.NotVoter);
        _expectSkipped(id, agents[1], Skip.InvalidChoice);
        coordinator.voteBySigs(groupId, id, ballots);
        _assertTally(id, 1, 0, 0);
    }

    // ---------------------------------------------------------------------------------------------------------
    // Signatures
    // ---------------------------------------------------------------------------------------------------------

    /// @dev Every field of the vote is under the signature.
    function test_VoteBySigs_WhenAnyFieldIsAnother_PassesItOver() external {
        for (uint256 field = 0; field < 6; ++field) {
            (address voter, bytes32 proposalId, uint8 choice) = (agents[1], id, CHOICE_FOR);
            (uint64 epoch, uint64 votingEnds, uint32 nonce) = (uint64(0), ends, uint32(0));
            if (field == 0) voter = agents[2];
            if (field == 1) proposalId = "other";
            if (field == 2) choice = CHOICE_AGAINST;
            if (field == 3) epoch = 1;
            if (field == 4) votingEnds += 1;
            if (field == 5) nonce = 1;
            bytes32 digest = coordinator.hashVote(voter, proposalId, choice, epoch, votingEnds, nonce);
            _assertSkipped(_signature(privateKeys[1], digest));
        }
    }

    function test_VoteBySigs_SignedForAnotherChainOrCoordinator_PassesItOver() external {
        bytes memory signature = _signVote(1, id, CHOICE_FOR, ends, 0);
        uint256 chain = block.chainid;
        vm.chainId(chain + 1);
        _assertSkipped(signature);
        vm.chainId(chain);
        _assertCounted(signature);
    }

    function test_VoteBySigs_SignedByAnother_PassesItOver() external {
        bytes32 digest = coordinator.hashVote(agents[1], id, CHOICE_FOR, 0, ends, 0);
        _assertSkipped(_signature(privateKeys[2], digest));
    }

    /// @dev 65 bytes, a low s, and v of 0, 1, 27 or 28.
    function test_VoteBySigs_TakesOneFormOfASignature() external {
        bytes32 digest = coordinator.hashVote(agents[1], id, CHOICE_FOR, 0, ends, 0);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(privateKeys[1], digest);
        _assertSkipped("");
        _assertSkipped(new bytes(65));
        bytes32 high = bytes32(CURVE_ORDER - uint256(s));
        vm.assertEq(ecrecover(digest, v == 27 ? 28 : 27, r, high), agents[1], "a twin");
        _assertSkipped(abi.encodePacked(r, high, v == 27 ? uint8(28) : uint8(27)));
        _assertSkipped(abi.encodePacked(r, s, v, uint8(0)));
        _assertSkipped(abi.encodePacked(r, s));
        _assertSkipped(abi.encodePacked(r, bytes32(uint256(s) | (uint256(v - 27) << 255))));
        for (uint8 other = 2; other < 27; ++other) {
            _assertSkipped(abi.encodePacked(r, s, other));
        }
        _assertSkipped(abi.encodePacked(r, s, v + 2));
        _assertCounted(abi.encodePacked(r, s, v - 27));
    }

    function test_VoteBySigs_TheZeroAddressIsNoVoter() external {
        Ballot[] memory ballots = new Ballot[](1);
        ballots[0] = Ballot({voter: address(0), choice: CHOICE_FOR, signature: new bytes(65)});
        _expectSkipped(id, address(0), Skip.NotVoter);
        coordinator.voteBySigs(groupId, id, ballots);
    }

    // ---------------------------------------------------------------------------------------------------------
    // Accounts with code
    // ---------------------------------------------------------------------------------------------------------

    function test_VoteBySigs_WhenTheVoterHasCode_AsksIt() external {
        Wallet wallet = new Wallet();
        _proposeWith(address(wallet));
        Ballot[] memory ballots = _ballots(0, 2, id, ends);
        ballots[1] = Ballot({voter: address(wallet), choice: CHOICE_FOR, signature: ""});
        _expectSkipped(id, address(wallet), Skip.InvalidSignature);
        coordinator.voteBySigs(groupId, id, ballots);
        _assertTally(id, 1, 0, 0);

        wallet.approve(coordinator.hashVote(address(wallet), id, CHOICE_FOR, 0, ends, 0));
        coordinator.voteBySigs(groupId, id, ballots);
        _assertVoted(id, address(wallet), 1, CHOICE_FOR);
        _assertTally(id, 2, 0, 0);
    }

    /// @dev The vote names its voter: what an owner signs for one of its wallets is good for no other.
    function test_M9_OneSignature_VotesForOneWalletOfItsOwner() external {
        uint256 owner = 12_345;
        OwnedWallet mine = new OwnedWallet(vm.addr(owner));
        OwnedWallet other = new OwnedWallet(vm.addr(owner));
        _proposeWith(address(mine));
        bytes memory signature = _signature(owner, coordinator.hashVote(address(other), id, CHOICE_FOR, 0, ends, 0));
        Ballot[] memory ballots = new Ballot[](1);
        ballots[0] = Ballot({voter: address(mine), choice: CHOICE_FOR, signature: signature});
        _expectSkipped(id, address(mine), Skip.InvalidSignature);
        coordinator.voteBySigs(groupId, id, ballots);

        ballots[0].signature = _signature(owner, coordinator.hashVote(address(mine), id, CHOICE_FOR, 0, ends, 0));
        coordinator.voteBySigs(groupId, id, ballots);
        _assertVoted(id, address(mine), 1, CHOICE_FOR);
    }

    /// @dev Its key still votes, whatever the code that it delegates to says to signatures.
    function test_M10_AnAccountWithDelegatedCode_VotesBySignature() external {
        vm.etch(agents[1], abi.encodePacked(hex"ef0100", address(recorder)));
        _assertCounted(_signVote(1, id, CHOICE_FOR, ends, 0));
    }

    /// @dev Neither what reverts, nor half a word, nor a word that is not the answer alone.
    function test_VoteBySigs_WhenTheVotersCodeAnswersAnythingElse_PassesItOver() external {
        address[6] memory voters = [
            address(new Answerer(abi.encodePacked(MAGIC), true)),
            address(new Answerer(abi.encodePacked(bytes4(MAGIC)), false)),
            address(new Answerer("", false)),
            address(new Answerer(abi.encodePacked(MAGIC | bytes32(uint256(1))), false)),
            address(new Answerer(abi.encodePacked(bytes32(uint256(1))), false)),
            address(new Babbler())
        ];
        for (uint256 i = 0; i < voters.length; ++i) {
            _askedVoter(voters[i]);
            _assertTally(id, 0, 0, 0);
        }
        _askedVoter(address(new Answerer(abi.encodePacked(MAGIC, "and more"), false)));
        _assertTally(id, 1, 0, 0);
    }

    // ---------------------------------------------------------------------------------------------------------
    // In a class in which votes change
    // ---------------------------------------------------------------------------------------------------------

    /// @dev A voter's first and second vote, in one batch; sent again, neither is the next.
    function test_VoteBySigs_GivenVotesChange_TakesThemInTheirOrder() external {
        _openWithRevotes();
        Ballot[] memory ballots = _ballots(0, 2, id, ends);
        ballots[1] =
            Ballot({voter: agents[0], choice: CHOICE_AGAINST, signature: _signVote(0, id, CHOICE_AGAINST, ends, 1)});
        coordinator.voteBySigs(groupId, id, ballots);
        _assertVoted(id, agents[0], 2, CHOICE_AGAINST);
        _assertTally(id, 0, 1, 0);

        _expectSkipped(id, agents[0], Skip.InvalidSignature);
        _expectSkipped(id, agents[0], Skip.AlreadyVoted);
        coordinator.voteBySigs(groupId, id, ballots);
        _assertTally(id, 0, 1, 0);
    }

    /// @dev Somebody else's copy of a vote that was changed since does not bring it back, whichever way it was cast.
    function test_VoteBySigs_GivenTheVoteWasChanged_NoOldSignatureCounts() external {
        _openWithRevotes();
        uint8[3] memory choices = [CHOICE_FOR, CHOICE_AGAINST, CHOICE_ABSTAIN];
        Ballot[] memory all = new Ballot[](3);
        for (uint32 i = 0; i < 3; ++i) {
            all[i] = Ballot({voter: agents[1], choice: choices[i], signature: _signVote(1, id, choices[i], ends, i)});
        }
        _assertCounted(all[0].signature);
        _vote(1, id, CHOICE_AGAINST);
        coordinator.voteBySigs(groupId, id, all);
        // Only the last of them was the next.
        _assertVoted(id, agents[1], 3, CHOICE_ABSTAIN);
        coordinator.voteBySigs(groupId, id, all);
        _assertVoted(id, agents[1], 3, CHOICE_ABSTAIN);
    }

    // ---------------------------------------------------------------------------------------------------------
    // Steps
    // ---------------------------------------------------------------------------------------------------------

    function _openWithRevotes() private {
        _stall();
        id = _propose(0, WITH_REVOTES, _calls(1, 0), 1);
        ends = uint64(block.timestamp + VOTING_PERIOD);
    }

    /// @dev A vote for, of the second agent, with this signature.
    function _send(bytes memory signature) private {
        Ballot[] memory ballots = new Ballot[](1);
        ballots[0] = Ballot({voter: agents[1], choice: CHOICE_FOR, signature: signature});
        coordinator.voteBySigs(groupId, id, ballots);
    }

    function _assertSkipped(bytes memory signature) private {
        _expectSkipped(id, agents[1], Skip.InvalidSignature);
        _send(signature);
        _assertVoted(id, agents[1], 0, 0);
    }

    function _assertCounted(bytes memory signature) private {
        vm.expectEmit(address(coordinator));
        emit ICoordinatorEvents.VoteCast(groupId, id, agents[1], CHOICE_FOR, 1, 0);
        _send(signature);
        _assertVoted(id, agents[1], 1, CHOICE_FOR);
    }

    /// @dev A vote of a voter with code, for a proposal of a group of its own.
    function _askedVoter(address voter) private {
        _proposeWith(voter);
        Ballot[] memory ballots = new Ballot[](1);
        ballots[0] = Ballot({voter: voter, choice: CHOICE_FOR, signature: "any"});
        coordinator.voteBySigs(groupId, id, ballots);
    }
}
// forge-lint: disable-end(unsafe-typecast)
