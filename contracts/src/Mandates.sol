// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {Errors} from "./Errors.sol";
import {Groups} from "./Groups.sol";
import {Hashes} from "./Hashes.sol";
import {Signatures} from "./Signatures.sol";
import {Ballot, CHOICE_FOR, FLAG_VOTER, Mandate, Member, Scope, WHOLE} from "./Types.sol";

/// @dev What a proposal that changes the members calls at the coordinator, which has no such function: the call says what is meant,
/// and the log's state machine carries it out.
interface IMembersChange {
    function changeMembers(bytes32 groupId, uint64 epoch, Member[] calldata members) external;
}

/// @title Mandates
/// @notice Voters are changed by voters: a rotation that alters anybody's weight carries their own signatures for it. Without this, a
/// quorum of replicas that lies could rotate to voters of its own, who object to nothing.
/// @dev The same rule as off-chain, where `mandate.rs` of the crate `quorate-protocol` has it, which holds every change to it before the
/// replicas sign: so it never cuts a group off. tests/vectors/mandates.json pins both.
abstract contract Mandates is Groups, Signatures {
    /// @dev Whether the members have other weights than those who are seated; reverts when they do, and the mandate is none.
    function _requireMandate(
        GroupState storage group,
        bytes32 groupId,
        Member[] calldata members,
        Mandate calldata mandate
    ) internal view returns (bool) {
        (bool alters, address account) = _alters(group, members);
        if (!alters) return false;

        ClassState storage class = _class(group, groupId, mandate.class);
        uint256 weight = 0;
        if (class.escape && class.scope == Scope.Anything) {
            weight = _mandatedWeight(group, mandate, _proposalOf(group, groupId, members, mandate));
        }
        uint256 total = group.epochs[group.epoch].totalWeight;
        // Where nobody has a vote, no weight is all of it, and mandates nothing all the same.
        bool reached = weight != 0 && weight * WHOLE >= class.threshold * total;
        require(reached, Errors.NoMandate(groupId, account, weight));
        return true;
    }

    /// @dev Whether anybody's weight is another than now, and whose: every voter of the list has the weight that it has, and the sums
    /// are equal, or not.
    function _alters(GroupState storage group, Member[] calldata members) private view returns (bool, address) {
        uint256 sum = 0;
        for (uint256 i = 0; i < members.length; ++i) {
            Member calldata member = members[i];
            if (member.weight == 0) continue;
            Seat storage seat = group.seats[member.account];
            if (seat.flags & FLAG_VOTER == 0 || seat.weight != member.weight) return (true, member.account);
            sum += member.weight;
        }
        return (sum != group.epochs[group.epoch].totalWeight, address(0));
    }

    /// @dev The proposal whose only call changes the members to these: gas 1, which is the least that a call with data names, no value
    /// and no flags.
    function _proposalOf(GroupState storage group, bytes32 groupId, Member[] calldata members, Mandate calldata mandate)
        private
        view
        returns (bytes32)
    {
        bytes memory data = abi.encodeCall(IMembersChange.changeMembers, (groupId, group.epoch, members));
        bytes32 call = keccak256(
            abi.encode(Hashes.CALL_TYPEHASH, address(this), uint256(0), uint256(1), false, false, keccak256(data))
        );
        bytes32 callsHash = keccak256(abi.encode(call));
        return
            Hashes.proposalId(
                groupId, mandate.proposer, mandate.salt, mandate.class, callsHash, mandate.descriptionHash
            );
    }

    /// @dev The weight of the mandate's ballots that count: by strictly ascending voter, each a current voter's vote for, by its key.
    /// Others are passed over, as they are off-chain: what the replicas took for a mandate must not be refused here.
    function _mandatedWeight(GroupState storage group, Mandate calldata mandate, bytes32 proposalId)
        private
        view
        returns (uint256 weight)
    {
        address previous = address(0);
        uint64 since = group.votersSince;
        for (uint256 i = 0; i < mandate.ballots.length; ++i) {
            Ballot calldata ballot = mandate.ballots[i];
            address voter = ballot.voter;
            // A voter that left on-chain had signed before the log was told, and the replicas go on by what it signed.
            uint64 own = group.seats[voter].weight;
            if (own == 0 || voter <= previous) continue;
            bytes32 structHash = Hashes.hashVote(voter, proposalId, CHOICE_FOR, since, mandate.votingEnds, 0);
            if (_recover(_digest(structHash), ballot.signature) != voter) continue;
            previous = voter;
            weight += own;
        }
    }
}
