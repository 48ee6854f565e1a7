// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {Errors} from "../../src/Errors.sol";
import {
    Ballot,
    CHOICE_AGAINST,
    CHOICE_FOR,
    Call,
    Checkpoint,
    Content,
    FLAG_REPLICA,
    FLAG_VOTER,
    Mandate,
    Member,
    Taken,
    Terms
} from "../../src/Types.sol";
import {RefusalFixture} from "../support/RefusalFixture.sol";
import {Wallet} from "../support/Targets.sol";
import {vm} from "../support/Vm.sol";

/// @notice The branches of "the mandate of a rotation" in Epochs.tree: whoever is told by replicas alone that voters have changed is
/// not to believe it.
contract AnchorMandatesTest is RefusalFixture {
    /// @dev Five members, of whom the last is a replica without a vote: four of four replicas and one, four votes, of which
    /// `ROUTINE` needs three.
    Member[] private _current;

    function setUp() public override {
        super.setUp();
        _makeAgents(7);
        Member[] memory members = _members(5);
        (members[4].weight, members[4].flags) = (0, FLAG_REPLICA);
        for (uint256 i = 0; i < 5; ++i) {
            _current.push(members[i]);
        }
        _useWithFreshLog(_createGroup(members, _terms(), "mandates"));
        _fill(3);
    }

    // ---------------------------------------------------------------------------------------------------------
    // Replicas come and go without a mandate
    // ---------------------------------------------------------------------------------------------------------

    function test_Mandate_IsNotNeededWhereNoWeightChanges() external {
        Member[] memory next = _current;
        next[0].key = "another key";
        _take(next);

        // A replica goes, and another comes; a voter stops being a replica, and one begins.
        next = _current;
        next[4] = Member({account: agents[6], key: _key(agents[6]), weight: 0, flags: FLAG_REPLICA});
        next[3].flags = FLAG_VOTER;
        _take(next);
        next[3].flags = FLAG_VOTER | FLAG_REPLICA;
        _take(next);
        vm.assertEq(coordinator.group(groupId).epoch, 3, "epochs");
    }

    /// @dev One that is given without need is not looked at.
    function test_Mandate_IsNotReadWhereNoWeightChanges() external {
        Mandate memory mandate = _mandate(_current, 0, 2);
        mandate.class = 200;
        _rotate(_boundary(1, _current), 0, 4, _current, mandate);
        vm.assertEq(coordinator.group(groupId).epoch, 1, "epoch");
    }

    // ---------------------------------------------------------------------------------------------------------
    // Voters do not change without one
    // ---------------------------------------------------------------------------------------------------------

    /// @dev What a quorum of replicas would like: to be the voters, to be rid of one, to weigh more, to have one weigh less.
    function test_M3_NoWeightChangesByReplicasAlone() external {
        for (uint256 change = 0; change < 7; ++change) {
            Member[] memory next = _current;
            if (change == 0) next[1].weight = 2;
            if (change == 1) (next[1].weight, next[2].weight) = (2, 0);
            if (change == 1) next[2].flags = FLAG_REPLICA;
            if (change == 2) (next[4].weight, next[4].flags) = (1, FLAG_VOTER | FLAG_REPLICA);
            if (change == 3) next[0] = Member(agents[5], _key(agents[5]), 1, FLAG_VOTER | FLAG_REPLICA);
            if (change == 3) next = _sorted(next);
            if (change == 4) next = _between(1, 7);
            if (change == 5) next = _without(next, 0);
            if (change == 6) (next[0].weight, next[0].flags) = (0, FLAG_REPLICA);
            _expectNoMandate(next, _noMandate(), 0);
        }
        vm.assertEq(coordinator.group(groupId).epoch, 0, "epoch");
        vm.assertEq(abi.encode(coordinator.members(groupId)), abi.encode(_current), "members");
    }

    /// @dev Two voters exchange their weights, and the sum is the same.
    function test_M3_RevertWhen_TheSumIsTheSame() external {
        Member[] memory heavy = _current;
        heavy[0].weight = 3;
        _useWithFreshLog(_createGroup(heavy, _terms(), "heavy"));
        Member[] memory next = _current;
        next[1].weight = 3;
        _expectNoMandate(next, _noMandate(), 0);
        // One voter's weight goes to somebody new.
        next = _current;
        next[0].weight = 2;
        (next[4].weight, next[4].flags) = (1, FLAG_VOTER | FLAG_REPLICA);
        _expectNoMandate(next, _noMandate(), 0);
    }

    /// @dev Any other lists: exactly where a weight differs it takes a mandate.
    function testFuzz_M3_AnyList(uint256 seed) external {
        Member[] memory next = _members(7);
        uint256 replicas = 0;
        bool altered = false;
        uint256 count = 0;
        for (uint256 i = 0; i < 7; ++i) {
            uint64 weight = uint64(seed >> (8 * i) & 1) + (seed >> (8 * i + 1) & 7 == 0 ? 1 : 0);
            // Mostly as it was, so that many lists alter nothing.
            if (seed >> 200 & 1 == 0 && seed >> (8 * i + 4) & 7 != 0) weight = i < 4 ? 1 : 0;
            bool replica = i < 4 || seed >> (8 * i + 7) & 1 == 1;
            if (weight != (i < 4 ? 1 : 0)) altered = true;
            if (weight == 0 && !replica) continue;
            if (replica) ++replicas;
            next[count] = next[i];
            next[count].weight = weight;
            next[count++].flags = (weight == 0 ? 0 : FLAG_VOTER) | (replica ? FLAG_REPLICA : 0);
        }
        assembly ("memory-safe") {
            mstore(next, count)
        }
        vm.assertTrue(replicas >= 4, "replicas");
        vm.assertEq(_rotates(next, _noMandate()), !altered, "without a mandate");
        if (altered) vm.assertTrue(_rotates(next, _mandate(next, 1, 3)), "with one");
    }

    // ---------------------------------------------------------------------------------------------------------
    // What is a mandate
    // ---------------------------------------------------------------------------------------------------------

    function test_Mandate_OfTheThreshold_ChangesTheVoters() external {
        Member[] memory next = _between(1, 7);
        _expectNoMandate(next, _mandate(next, 0, 2), 2);
        _rotate(_boundary(1, next), 0, 4, next, _mandate(next, 0, 3));
        vm.assertEq(abi.encode(coordinator.members(groupId)), abi.encode(next), "members");
        vm.assertEq(coordinator.group(groupId).totalWeight, 6, "total weight");
    }

    /// @dev By the weights of the epoch that ends, exact to a unit.
    function test_Mandate_ReachesThePartOfAllWeight() external {
        Member[] memory heavy = _current;
        (heavy[0].weight, heavy[1].weight, heavy[2].weight, heavy[3].weight) = (74, 1, 20, 5);
        _useWithFreshLog(_createGroup(heavy, _terms(), "heavy"));
        Member[] memory next = _current;
        _expectNoMandate(next, _mandate(next, 0, 1), 74);
        _expectNoMandate(next, _mandate(next, 1, 3), 26);
        _rotate(_boundary(1, next), 0, 4, next, _mandate(next, 0, 2));
    }

    /// @dev Each ballot once, in order, and no other voter's.
    function test_Mandate_RevertWhen_ABallotIsThereTwice() external {
        Member[] memory next = _between(1, 7);
        Mandate memory mandate = _mandate(next, 0, 3);
        mandate.ballots[2] = mandate.ballots[1];
        _expectNoMandate(next, mandate, 2);
        mandate = _mandate(next, 0, 3);
        (mandate.ballots[0], mandate.ballots[2]) = (mandate.ballots[2], mandate.ballots[0]);
        vm.assertFalse(_rotates(next, mandate), "not in order");
    }

    /// @dev Those who are to be voters have no vote yet, and replicas without a vote, none at all.
    function test_Mandate_RevertWhen_OthersThanVotersSign() external {
        Member[] memory next = _between(1, 7);
        _expectNoMandate(next, _mandate(next, 2, 5), 2);
        _expectNoMandate(next, _mandate(next, 4, 3), 0);
    }

    function test_Mandate_RevertWhen_TheVoteIsAnother() external {
        Member[] memory next = _between(1, 7);
        for (uint256 part = 0; part < 9; ++part) {
            Mandate memory mandate = _mandate(next, 0, 3);
            if (part == 0) mandate.proposer = agents[1];
            if (part == 1) mandate.salt += 1;
            if (part == 2) mandate.descriptionHash = "other";
            if (part == 3) mandate.votingEnds += 1;
            if (part == 4) mandate.ballots[2].signature[7] ^= 0x01;
            if (part == 5) mandate.ballots[2].signature = "";
            if (part == 6) mandate.ballots[2].signature = bytes.concat(mandate.ballots[2].signature, hex"00");
            if (part == 7) mandate.ballots[2] = _resigned(next, mandate, CHOICE_AGAINST, 0, 0);
            if (part == 8) mandate.ballots[2] = _resigned(next, mandate, CHOICE_FOR, 0, 1);
            _expectNoMandate(next, mandate, part < 4 ? 0 : 2);
        }
    }

    /// @dev A vote for one list is none for another, nor for the same one in another epoch or group.
    function test_Mandate_RevertWhen_ItIsForSomethingElse() external {
        Member[] memory next = _between(1, 7);
        _expectNoMandate(next, _mandate(_between(0, 7), 0, 3), 0);

        bytes32 mine = groupId;
        _use(_createGroup(_current, _terms(), "other"));
        Mandate memory other = _mandate(next, 0, 3);
        _use(mine);
        _expectNoMandate(next, other, 0);

        Mandate memory early = _mandate(next, 0, 3);
        _take(_current);
        _expectNoMandate(next, early, 0);
        vm.assertTrue(_rotates(next, _mandate(next, 0, 3)), "of this epoch");
    }

    /// @dev A list that alters nothing but keys, decided together with a change of weights, is another list.
    function test_Mandate_RevertWhen_AKeyWasChangedInTheList() external {
        Member[] memory next = _between(1, 7);
        Mandate memory mandate = _mandate(next, 0, 3);
        next[3].key = "another";
        _expectNoMandate(next, mandate, 0);
    }

    /// @dev The class has to be one in which each vote carries the account's signature, and that may change the group.
    function test_Mandate_RevertWhen_TheClassHasNoEscapeOrMayNotDoAnything() external {
        Member[] memory next = _between(1, 7);
        uint8[5] memory classes = [OF_CAST, ESCAPE, LISTED, DECISIONS, 8];
        for (uint256 i = 0; i < 5; ++i) {
            vm.assertFalse(_rotates(next, _mandateIn(next, classes[i])), "another class");
        }
        vm.assertTrue(_rotates(next, _mandateIn(next, ROUTINE)), "the right one");
    }

    /// @dev The call is the very one that nodes propose: at the coordinator, of no value, with 1 gas and no flags.
    function test_Mandate_RevertWhen_TheCallIsAnother() external {
        Member[] memory next = _between(1, 7);
        for (uint256 part = 0; part < 6; ++part) {
            Call[] memory calls = _changeCalls(0, next);
            if (part == 0) calls[0].target = account;
            if (part == 1) calls[0].value = 1;
            if (part == 2) calls[0].gas = 2;
            if (part == 3) calls[0].allowFailure = true;
            if (part == 4) calls[0].allowNoCode = true;
            if (part == 5) calls = _join(calls, calls);
            _expectNoMandate(next, _mandateOf(calls, ROUTINE), 0);
        }
        vm.assertTrue(_rotates(next, _mandateOf(_changeCalls(0, next), ROUTINE)), "this one");
    }

    /// @dev A contract's vote has no signature that recovers; the machine does not count it either.
    function test_Mandate_RevertWhen_AContractVotes() external {
        Wallet wallet = new Wallet();
        vm.prank(address(wallet));
        coordinator.register(_key(address(wallet)));
        Member[] memory members = new Member[](6);
        Member[] memory five = _current;
        uint256 taken = 0;
        for (uint256 i = 0; i < 6; ++i) {
            bool here = taken == i && (i == 5 || address(wallet) < five[i].account);
            members[i] = here ? Member(address(wallet), _key(address(wallet)), 1, FLAG_VOTER) : five[taken++];
        }
        _useWithFreshLog(_createGroup(members, _terms(), "wallet"));
        Member[] memory next = _between(1, 7);
        Mandate memory mandate = _mandate(next, 0, 4);
        Content memory content = _content(0, ROUTINE, _changeCalls(0, next), 77);
        wallet.approve(coordinator.hashVote(address(wallet), _idOf(content), CHOICE_FOR, 0, mandate.votingEnds, 0));
        // Four of five is enough; the wallet in the place of one of them is not.
        uint256 place = 0;
        while (place < 3 && agents[place] < address(wallet)) ++place;
        Mandate memory withWallet = _mandate(next, 0, 4);
        for (uint256 i = 3; i > place; --i) {
            withWallet.ballots[i] = withWallet.ballots[i - 1];
        }
        withWallet.ballots[place] = Ballot({voter: address(wallet), choice: CHOICE_FOR, signature: new bytes(65)});
        vm.assertFalse(_rotates(next, withWallet), "a contract's vote");
        vm.assertTrue(_rotates(next, mandate), "four votes");
    }

    /// @dev What the group decided off-chain is what it is: neither that its voting ended long ago nor that a voter has left since can
    /// cut the group off.
    function test_Mandate_TakesWhatWasDecidedInTime() external {
        Member[] memory next = _between(1, 7);
        Mandate memory mandate = _mandate(next, 0, 3);
        vm.prank(agents[0]);
        coordinator.leave(groupId);
        vm.warp(START + VOTING_PERIOD + 30 days);
        vm.assertTrue(_rotates(next, mandate), "decided in time");
    }

    // ---------------------------------------------------------------------------------------------------------
    // Steps
    // ---------------------------------------------------------------------------------------------------------

    /// @dev Rotates to the list without a mandate; the four first sign, who stay replicas.
    function _take(Member[] memory next) private {
        uint64 sequence = coordinator.latestAnchor(groupId).sequence + 1;
        Checkpoint memory checkpoint = _boundary(sequence, next);
        bytes memory signatures = _signatures(checkpoint, 0, 3);
        address[] memory counted = coordinator.countedReplicas(groupId);
        for (uint256 i = 3; i < agents.length; ++i) {
            if (counted[3] == agents[i]) signatures = bytes.concat(signatures, _signatures(checkpoint, i, 1));
        }
        bytes32[] memory consistency = _consistency(checkpoint);
        Taken memory taken = _taken(checkpoint);
        coordinator.anchorAndRotate(checkpoint, signatures, consistency, taken, next, _noMandate());
    }

    /// @dev Whether the rotation is taken; it is, then, for good.
    function _rotates(Member[] memory next, Mandate memory mandate) private returns (bool taken) {
        (taken,) = _try(next, mandate);
    }

    function _try(Member[] memory next, Mandate memory mandate) private returns (bool taken, bytes memory reason) {
        Checkpoint memory checkpoint = _boundary(coordinator.latestAnchor(groupId).sequence + 1, next);
        bytes memory data = abi.encodeCall(
            coordinator.anchorAndRotate,
            (checkpoint, _signatures(checkpoint, 0, 4), _consistency(checkpoint), _taken(checkpoint), next, mandate)
        );
        (taken, reason) = address(coordinator).call(data);
    }

    /// @dev Refused for an account whose weight does change, or for none where voters only go, with the weight of the ballots that count.
    function _expectNoMandate(Member[] memory next, Mandate memory mandate, uint256 weight) private {
        (bool taken, bytes memory reason) = _try(next, mandate);
        vm.assertFalse(taken, "a rotation without a mandate");
        vm.assertEq(bytes32(bytes4(reason)), bytes32(Errors.NoMandate.selector), "the reason");
        assembly ("memory-safe") {
            mstore(add(reason, 4), sub(mload(reason), 4))
            reason := add(reason, 4)
        }
        (bytes32 group, address altered, uint256 counted) = abi.decode(reason, (bytes32, address, uint256));
        vm.assertEq(group, groupId, "the group");
        vm.assertEq(counted, weight, "the weight of ballots");
        if (altered == address(0)) return;
        uint64 then = 0;
        for (uint256 i = 0; i < next.length; ++i) {
            if (next[i].account == altered) then = next[i].weight;
        }
        vm.assertTrue(coordinator.memberOf(groupId, altered).weight != then, "an altered account");
    }

    /// @dev The third agent's vote, but this one.
    function _resigned(Member[] memory next, Mandate memory mandate, uint8 choice, uint64 epoch, uint32 nonce)
        private
        view
        returns (Ballot memory)
    {
        bytes32 id = _idOf(_content(0, ROUTINE, _changeCalls(0, next), 77));
        bytes32 digest = coordinator.hashVote(agents[2], id, choice, epoch, mandate.votingEnds, nonce);
        return Ballot({voter: agents[2], choice: CHOICE_FOR, signature: _signature(privateKeys[2], digest)});
    }

    function _mandateIn(Member[] memory next, uint8 class) private view returns (Mandate memory) {
        return _mandateOf(_changeCalls(coordinator.group(groupId).epoch, next), class);
    }

    /// @dev The votes of the first four for these calls in this class.
    function _mandateOf(Call[] memory calls, uint8 class) private view returns (Mandate memory mandate) {
        Content memory content = _content(0, class, calls, 77);
        mandate = Mandate({
            proposer: content.proposer,
            salt: content.salt,
            class: class,
            descriptionHash: content.descriptionHash,
            votingEnds: uint64(block.timestamp + VOTING_PERIOD),
            ballots: _ballots(0, 4, _idOf(content), uint64(block.timestamp + VOTING_PERIOD))
        });
    }

    function _without(Member[] memory members, uint256 place) private pure returns (Member[] memory rest) {
        rest = new Member[](members.length - 1);
        for (uint256 i = 0; i < rest.length; ++i) {
            rest[i] = members[i < place ? i : i + 1];
        }
    }

    function _sorted(Member[] memory members) private pure returns (Member[] memory) {
        for (uint256 i = 1; i < members.length; ++i) {
            for (uint256 j = i; j > 0 && members[j - 1].account > members[j].account; --j) {
                (members[j - 1], members[j]) = (members[j], members[j - 1]);
            }
        }
        return members;
    }
}
// forge-lint: disable-end(unsafe-typecast)
