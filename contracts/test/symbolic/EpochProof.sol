// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {Hashes} from "../../src/Hashes.sol";
import {IMembersChange} from "../../src/Mandates.sol";
import {Ballot, CHOICE_FOR, Checkpoint, Mandate, Member, WHOLE} from "../../src/Types.sol";
import {vm} from "../support/Vm.sol";
import {ProofFixture} from "./ProofFixture.sol";

/// @notice Who may change a group's members: the voters, by their own signatures for a change of weights, or by a decision of theirs
/// once nobody serves.
///
/// For one group of five members, four of them voters, and a class with the escape lane in which three fifths of the weight decide.
///
/// Not proven: other sizes of groups, and longer lists of ballots; that only the holder of a key can sign (`ecrecover` is any function
/// at all).
contract EpochProof is ProofFixture {
    /// @notice Proven: a rotation that a quorum of replicas signed and that alters anybody's weight is accepted only with ballots of
    /// distinct current voters, for exactly this change in this epoch, signed by each, whose weight reaches the threshold.
    /// Bounds: the current members, one of whom has any other weight; two ballots with signatures of 65 bytes and v of 27,
    /// by any voters, in any class.
    /// @custom:halmos --array-lengths mandate.ballots=2,mandate.ballots[0].signature=65,mandate.ballots[1].signature=65
    function check_NoWeightChangesWithoutAMandate(uint64 weight, Mandate memory mandate) external {
        vm.assume(weight != 0);
        Member[] memory next = _members(LATTER);
        (mandate.ballots[0].signature[64], mandate.ballots[1].signature[64]) = (bytes1(uint8(27)), bytes1(uint8(27)));
        bool altered = weight != next[0].weight;
        next[0].weight = weight;
        Checkpoint memory checkpoint = _checkpoint(1, BOUNDARY + 1, 0, EMPTY_ROOT);
        checkpoint.nextMembersHash = keccak256(abi.encode(next));
        bytes memory signatures = _signedByQuorum(checkpoint);
        bool accepted = _call(
            abi.encodeCall(
                coordinator.anchorAndRotate, (checkpoint, signatures, new bytes32[](0), _nothing(), next, mandate)
            )
        );
        if (!accepted || !altered) return;

        assert(mandate.class == CONSTITUTION);
        assert(_weightOf(mandate, _change(next, mandate)) * WHOLE >= THRESHOLD * TOTAL_WEIGHT);
    }

    /// @notice Proven: the group's account, and nobody else, begins an era, exactly when the terms have a recovery time, for that long
    /// a message was waiting that nobody took, counted from the later of its time and of the last anchor that took any, and the
    /// decision is of the epoch since which the weights stand.
    /// Bounds: one list of members; twelve messages of which six were taken. Any times.
    function check_OnlyTheDeadAreRecovered(
        address caller,
        uint64 epoch,
        uint32 recoveryTime,
        bool waits,
        uint40 messageAt,
        uint40 servedAt,
        uint40 time
    ) external {
        vm.assume(messageAt != 0);
        uint256 length = waits ? 12 : 6;
        vm.store(
            address(coordinator),
            _slot(2),
            bytes32(
                uint256(STALL_TIME) << 200 | uint256(INBOX_DEADLINE) << 168 | uint256(servedAt) << 128 | uint256(6)
                    << 64 | length
            )
        );
        vm.store(address(coordinator), _slotIn(12, bytes32(uint256(1))), bytes32(uint256(messageAt)));
        vm.store(
            address(coordinator),
            _slot(3),
            bytes32(
                uint256(VOTERS_SINCE) << 208 | uint256(recoveryTime) << 176 | uint256(EVIDENCE_WINDOW) << 128 | BOND
            )
        );
        vm.warp(time);
        Member[] memory next = _members(FORMER);
        vm.prank(caller);
        bool recovered = _call(abi.encodeCall(coordinator.recover, (groupId, epoch, next)));

        uint256 since = messageAt > servedAt ? messageAt : servedAt;
        bool dead = recoveryTime != 0 && waits && time >= since + recoveryTime;
        assert(recovered == (caller == account && epoch == VOTERS_SINCE && dead));
        assert(coordinator.group(groupId).epoch == (recovered ? 1 << 32 : 1));
    }

    /// @dev The proposal that the ballots have to be for.
    function _change(Member[] memory next, Mandate memory mandate) private view returns (bytes32) {
        bytes memory data = abi.encodeCall(IMembersChange.changeMembers, (groupId, 1, next));
        bytes32 call = keccak256(
            abi.encode(
                Hashes.CALL_TYPEHASH, address(coordinator), uint256(0), uint256(1), false, false, keccak256(data)
            )
        );
        return Hashes.proposalId(
            groupId, mandate.proposer, mandate.salt, CONSTITUTION, keccak256(abi.encode(call)), mandate.descriptionHash
        );
    }

    /// @dev The weight of all distinct voters that signed a ballot for the proposal.
    function _weightOf(Mandate memory mandate, bytes32 proposalId) private view returns (uint256 weight) {
        for (uint256 i = 0; i < mandate.ballots.length; ++i) {
            Ballot memory ballot = mandate.ballots[i];
            bytes32 vote = Hashes.hashVote(ballot.voter, proposalId, CHOICE_FOR, VOTERS_SINCE, mandate.votingEnds, 0);
            bool signed = _signer(_digestOf(vote), ballot.signature, 0) == ballot.voter;
            bool again = i == 1 && ballot.voter == mandate.ballots[0].voter;
            if (signed && !again) weight += _weight(ballot.voter);
        }
    }
}
