// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {
    Approval,
    Ballot,
    CHOICE_FOR,
    Call,
    Class,
    Content,
    FLAG_REPLICA,
    FLAG_VOTER,
    Limit,
    Member,
    Opening,
    Scope,
    Status,
    Terms
} from "../../src/Types.sol";
import {RefusalFixture} from "../support/RefusalFixture.sol";
import {vm} from "../support/Vm.sol";

/// @notice A quorum of replicas that lies rotates to the very same members, again and again, which needs no mandate. It must not keep
/// the voters from deciding on-chain: what it can take until then is what FourMaliciousReplicas says.
contract RotationSiegeTest is RefusalFixture {
    uint8 private constant PAY = 0;
    uint8 private constant CONSTITUTION = 1;

    address private constant THIEF = address(0xbad);
    address private constant REFUGE = address(0x5afe);

    uint64 private _salt;
    uint64 private _sequence;

    /// @dev As in FourMaliciousReplicas: the first four agents are replicas without a vote, the next three voters.
    function setUp() public override {
        super.setUp();
        _makeAgents(7);
        Member[] memory members = _members(7);
        for (uint256 i = 0; i < 7; ++i) {
            (members[i].flags, members[i].weight) = i < 4 ? (FLAG_REPLICA, uint64(0)) : (FLAG_VOTER, uint64(1));
        }
        _useWithFreshLog(_createGroup(members, _twoClasses(), "treasury"));
        vm.warp(START / 1 days * 1 days + 1 days);
    }

    /// @dev The class is always open, the threshold is two of three. The replicas rotate after each vote, take what they can, and the
    /// voters move the rest all the same.
    function test_RotationsDoNotKeepTheVotersFromDeciding() external {
        _takeAWindow();
        Call[] memory all = _payment(REFUGE, 80 ether);
        uint64 proposed = ++_salt;
        bytes32 id = _propose(4, CONSTITUTION, all, proposed);
        _vote(4, id, CHOICE_FOR);
        vm.warp(block.timestamp + 2);
        _rotateToTheSame();
        _vote(5, id, CHOICE_FOR);
        _assertStatus(id, Status.Approved);
        for (uint256 day = 0; day < 7; ++day) {
            vm.warp(block.timestamp + 1 days);
            _rotateToTheSame();
            _takeAWindow();
        }
        coordinator.execute(groupId, _content(4, CONSTITUTION, all, proposed));
        vm.assertEq(REFUGE.balance, 80 ether, "what the voters moved");
        vm.assertEq(THIEF.balance, 20 ether, "5 ether in every second day: what the terms say");
    }

    /// @dev Votes that are signed ahead, to be sent with the proposal in one block, count: they name the voters, not the replicas' epoch.
    function test_VotesThatWereSignedAheadOfARotation_Count() external {
        Content memory content = _content(4, CONSTITUTION, _payment(REFUGE, 100 ether), 1);
        bytes32 id = _idOf(content);
        uint64 votingEnds = uint64(block.timestamp + 3 days);
        bytes memory second = _signVote(5, id, CHOICE_FOR, votingEnds, 0);
        _rotateToTheSame();
        _propose(4, CONSTITUTION, content.calls, 1);
        _vote(4, id, CHOICE_FOR);
        coordinator.voteBySigs(groupId, id, _one(5, second));
        _assertStatus(id, Status.Approved);
    }

    /// @dev The replicas take all messages meanwhile, so no clock helps: the voters' lane has to be open by itself.
    function test_RotationsAreNoStall() external {
        vm.prank(agents[4]);
        coordinator.enqueue(groupId, "help");
        for (uint256 i = 0; i < 40; ++i) {
            vm.warp(block.timestamp + 1 hours);
            _rotateToTheSame();
            vm.assertFalse(coordinator.hasStalled(groupId), "stalled");
        }
        vm.assertFalse(coordinator.isDead(groupId), "dead");
    }

    // ---------------------------------------------------------------------------------------------------------
    // Steps
    // ---------------------------------------------------------------------------------------------------------

    function _rotateToTheSame() private {
        Member[] memory same = coordinator.members(groupId);
        _rotate(_boundary(++_sequence, same), 0, 3, same, _noMandate());
    }

    function _takeAWindow() private {
        while (true) {
            (, uint256 left) = coordinator.spendable(groupId, PAY, address(0));
            uint256 amount = left < 2 ether ? left : 2 ether;
            if (amount > account.balance) amount = account.balance;
            if (amount == 0) return;
            Approval memory approval = _appendApproval(_content(4, PAY, _payment(THIEF, amount), ++_salt));
            _anchor(_checkpoint(++_sequence), 0, 3);
            _execute(approval, coordinator.latestAnchor(groupId).logSize);
        }
    }

    function _twoClasses() private pure returns (Terms memory terms) {
        terms = _termsOf(6600);
        Class memory constitution = terms.classes[0];
        (constitution.name, constitution.timelock) = ("constitution", 7 days);
        (constitution.votingPeriod, constitution.expiry) = (3 days, 3 days);
        terms.classes = new Class[](2);
        terms.classes[CONSTITUTION] = constitution;
        Class memory pay = abi.decode(abi.encode(constitution), (Class));
        (pay.name, pay.scope, pay.escape, pay.opening) = ("pay", Scope.Payments, false, Opening.Never);
        (pay.timelock, pay.window, pay.limits) = (0, 1 days, new Limit[](1));
        pay.limits[0] = Limit({asset: address(0), perDecision: 2 ether, perWindow: 5 ether});
        terms.classes[PAY] = pay;
    }

    function _one(uint256 agent, bytes memory signature) private view returns (Ballot[] memory ballots) {
        ballots = new Ballot[](1);
        ballots[0] = Ballot({voter: agents[agent], choice: CHOICE_FOR, signature: signature});
    }
}
// forge-lint: disable-end(unsafe-typecast)
