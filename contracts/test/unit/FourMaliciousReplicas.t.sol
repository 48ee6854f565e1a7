// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {Errors} from "../../src/Errors.sol";
import {
    Approval,
    CHOICE_FOR,
    Call,
    Checkpoint,
    Class,
    Content,
    FLAG_REPLICA,
    FLAG_VOTER,
    Limit,
    Member,
    Opening,
    Scope,
    Status,
    Target,
    Terms
} from "../../src/Types.sol";
import {RefusalFixture} from "../support/RefusalFixture.sol";
import {Coin} from "../support/Tokens.sol";
import {Recorder} from "../support/Targets.sol";
import {vm} from "../support/Vm.sol";

/// @notice What four malicious replicas can take, played out: a group of four replicas and three voters, with 100 ether and 50,000
/// coins of six decimals, whose terms have
/// - *pay*: at once, payments of 2 ether and 1,000 coins a decision, 5 ether and 3,000 coins a day;
/// - *act*: one listed call, after two days;
/// - *constitution*: anything, after seven days, decided on-chain too.
/// The replicas sign whatever they like. They get 5 ether and 3,000 coins at once, and again in every second day: 20 ether and
/// 12,000 coins in the eight days in which the voters decide to move the rest, and nothing of the other classes.
contract FourMaliciousReplicasTest is RefusalFixture {
    uint8 private constant PAY = 0;
    uint8 private constant ACT = 1;
    uint8 private constant CONSTITUTION = 2;

    address private constant THIEF = address(0xbad);
    address private constant REFUGE = address(0x5afe);

    uint64 private _salt;
    uint64 private _sequence;

    /// @dev The first four agents are replicas without a vote, the next three voters.
    function setUp() public override {
        super.setUp();
        _makeAgents(7);
        Member[] memory members = _members(7);
        for (uint256 i = 0; i < 7; ++i) {
            (members[i].flags, members[i].weight) = i < 4 ? (FLAG_REPLICA, uint64(0)) : (FLAG_VOTER, uint64(1));
        }
        _useWithFreshLog(_createGroup(members, _threeClasses(), "treasury"));
        // The first second of a day.
        vm.warp(START / 1 days * 1 days + 1 days);
        vm.deal(account, 100 ether);
        vm.assertEq(coin.balanceOf(account), 50_000e6, "coins");
    }

    // ---------------------------------------------------------------------------------------------------------
    // What they take
    // ---------------------------------------------------------------------------------------------------------

    function test_M3_AtOnceTheyTakeAWindow() external {
        _takeAllTheyCan();
        _assertTaken(5 ether, 3000e6);
        vm.warp(block.timestamp + 1 days - 1);
        _takeAllTheyCan();
        _assertTaken(5 ether, 3000e6);
    }

    /// @dev They try every four hours of the eight days that the voters' decision takes: one for the votes, and seven of timelock. The rest is
    /// moved in the first second in which it can be.
    function test_M3_UntilTheVotersHaveMovedTheRest_TheyTakeFourWindows() external {
        uint256 start = block.timestamp;
        Content memory rescue;
        for (uint256 hour = 0; hour < 8 * 24; hour += 4) {
            vm.warp(start + hour * 1 hours);
            _takeAllTheyCan();
            if (hour == 20) rescue = _decideToMoveTheRest(start + 1 days);
        }
        _assertTaken(20 ether, 12_000e6);

        vm.warp(start + 8 days);
        coordinator.execute(groupId, rescue);
        vm.assertEq(REFUGE.balance, 80 ether, "the rest, in ether");
        vm.assertEq(coin.balanceOf(REFUGE), 38_000e6, "the rest, in coins");
        _takeAllTheyCan();
        _assertTaken(20 ether, 12_000e6);
    }

    /// @dev Of what waits they get nothing, while voters above the blocking weight object: in both classes that is two of three.
    function test_M3_OfWhatWaits_TheyTakeNothing() external {
        Call[] memory all = _join(_payment(THIEF, 100 ether), _transfer(address(coin), THIEF, 50_000e6));
        (Content memory act, bytes32 acted) = _queueDecision(ACT, _calls(1, 0));
        (Content memory grab, bytes32 grabbed) = _queueDecision(CONSTITUTION, all);
        _expectOneObjectionIsNotEnough(acted);
        coordinator.veto(groupId, acted, _objections(5, 2, acted));
        coordinator.veto(groupId, grabbed, _objections(4, 2, grabbed));

        vm.warp(block.timestamp + 7 days);
        vm.expectRevert(abi.encodeWithSelector(Errors.WrongStatus.selector, acted, Status.Revoked));
        coordinator.execute(groupId, act);
        vm.expectRevert(abi.encodeWithSelector(Errors.WrongStatus.selector, grabbed, Status.Revoked));
        coordinator.execute(groupId, grab);
        vm.assertEq(recorder.orderLength(), 0, "nothing of act");
        _assertTaken(0, 0);
    }

    /// @dev Nor without waiting: not by the class that waits, and not by one that does not.
    function test_M3_WithoutWaiting_TheyReachNothingElse() external {
        uint8[2] memory waiting = [ACT, CONSTITUTION];
        for (uint256 i = 0; i < 2; ++i) {
            Approval memory approval = _state(waiting[i], _calls(1, 0));
            _expectExecutionRefusal(
                approval, _size(), abi.encodeWithSelector(Errors.HasTimelock.selector, groupId, waiting[i])
            );
        }
        Call[][6] memory others = [
            _calls(1, 0),
            _call(address(coin), 0, abi.encodeCall(coin.approve, (THIEF, 1))),
            _call(address(coin), 0, abi.encodeCall(coin.transferFrom, (account, THIEF, 1))),
            _call(account, 0, abi.encodeWithSignature("setApproval(bytes32,uint64)", bytes32("hash"), uint64(1))),
            _call(account, 0, abi.encodeWithSignature("setFallbackHandler(address)", THIEF)),
            _call(address(coordinator), 0, abi.encodeCall(coordinator.recover, (groupId, 0, _members(4))))
        ];
        for (uint256 i = 0; i < 6; ++i) {
            Approval memory approval = _state(PAY, others[i]);
            _expectExecutionRefusal(approval, _size(), abi.encodeWithSelector(Errors.CallNotPermitted.selector, 0));
        }
    }

    // ---------------------------------------------------------------------------------------------------------
    // What they cannot become
    // ---------------------------------------------------------------------------------------------------------

    /// @dev They may rotate to replicas of their own, but to no voters of their own, who would veto nothing.
    function test_M3_TheyCannotChangeTheVoters() external {
        Member[] memory next = _members(7);
        for (uint256 i = 0; i < 7; ++i) {
            (next[i].flags, next[i].weight) = i < 4 ? (FLAG_REPLICA | FLAG_VOTER, uint64(9)) : (FLAG_VOTER, uint64(1));
        }
        Checkpoint memory checkpoint = _boundary(++_sequence, next);
        (bool rotated, bytes memory reason) = address(coordinator)
            .call(
                abi.encodeCall(
                    coordinator.anchorAndRotate,
                    (
                        checkpoint,
                        _signatures(checkpoint, 0, 3),
                        _consistency(checkpoint),
                        _taken(checkpoint),
                        next,
                        _noMandate()
                    )
                )
            );
        vm.assertFalse(rotated, "to voters of their own");
        vm.assertEq(bytes32(bytes4(reason)), bytes32(Errors.NoMandate.selector), "the reason");

        // To other replicas they do rotate, and the voters are who they were.
        next = coordinator.members(groupId);
        next[0].key = "their own";
        _rotate(_boundary(_sequence, next), 0, 3, next, _noMandate());
        vm.assertEq(coordinator.group(groupId).totalWeight, 3, "total weight");
        _decideToMoveTheRest(block.timestamp);
    }

    // ---------------------------------------------------------------------------------------------------------
    // Steps
    // ---------------------------------------------------------------------------------------------------------

    function _threeClasses() private view returns (Terms memory terms) {
        terms = _termsOf(6600);
        Class memory constitution = terms.classes[0];
        (constitution.name, constitution.timelock) = ("constitution", 7 days);
        (constitution.votingPeriod, constitution.expiry) = (3 days, 3 days);
        terms.classes = new Class[](3);
        terms.classes[CONSTITUTION] = constitution;

        Class memory pay = abi.decode(abi.encode(constitution), (Class));
        (pay.name, pay.scope, pay.escape, pay.opening) = ("pay", Scope.Payments, false, Opening.Never);
        (pay.timelock, pay.window, pay.limits) = (0, 1 days, new Limit[](2));
        pay.limits[0] = Limit({asset: address(0), perDecision: 2 ether, perWindow: 5 ether});
        pay.limits[1] = Limit({asset: address(coin), perDecision: 1000e6, perWindow: 3000e6});
        terms.classes[PAY] = pay;

        Class memory act = abi.decode(abi.encode(pay), (Class));
        (act.name, act.scope, act.timelock) = ("act", Scope.Calls, 2 days);
        (act.window, act.limits, act.targets) = (0, new Limit[](0), new Target[](1));
        act.targets[0] = Target({target: address(recorder), selector: Recorder.record.selector});
        terms.classes[ACT] = act;
    }

    /// @dev The four state in their log that the group approved it, and anchor that.
    function _state(uint8 class, Call[] memory calls) private returns (Approval memory approval) {
        approval = _appendApproval(_content(4, class, calls, ++_salt));
        _anchor(_checkpoint(++_sequence), 0, 3);
    }

    function _size() private view returns (uint64) {
        return coordinator.latestAnchor(groupId).logSize;
    }

    function _queueDecision(uint8 class, Call[] memory calls) private returns (Content memory content, bytes32 id) {
        Approval memory approval = _state(class, calls);
        content = _content(4, class, calls, _salt);
        _queue(approval, _size());
        id = _idOf(content);
    }

    /// @dev Payments of all that the class lets go, until it lets go of nothing.
    function _takeAllTheyCan() private {
        uint256 before;
        do {
            before = THIEF.balance + coin.balanceOf(THIEF);
            (, uint256 wei_) = coordinator.spendable(groupId, PAY, address(0));
            (, uint256 coins) = coordinator.spendable(groupId, PAY, address(coin));
            _try(_payment(THIEF, wei_ < 2 ether ? wei_ : 2 ether));
            if (coins != 0) _try(_transfer(address(coin), THIEF, coins < 1000e6 ? coins : 1000e6));
        } while (THIEF.balance + coin.balanceOf(THIEF) != before);
        _try(_payment(THIEF, 1));
        _try(_transfer(address(coin), THIEF, 1));
    }

    function _try(Call[] memory calls) private {
        if (calls[0].data.length == 0 && calls[0].value == 0) return;
        Approval memory approval = _state(PAY, calls);
        bytes32[] memory path = log.path(approval.index, _size());
        (bool executed,) =
            address(coordinator).call(abi.encodeCall(coordinator.executeAnchored, (groupId, _size(), approval, path)));
        executed;
    }

    /// @dev Two of three voters approve on-chain that all that is left then is sent to where no replica reaches.
    function _decideToMoveTheRest(uint256 approvedAt) private returns (Content memory content) {
        Call[] memory calls = _join(_payment(REFUGE, 80 ether), _transfer(address(coin), REFUGE, 38_000e6));
        vm.warp(approvedAt);
        bytes32 id = _propose(4, CONSTITUTION, calls, 0);
        _vote(4, id, CHOICE_FOR);
        _vote(5, id, CHOICE_FOR);
        _assertStatus(id, Status.Approved);
        content = _content(4, CONSTITUTION, calls, 0);
    }

    function _expectOneObjectionIsNotEnough(bytes32 id) private {
        bytes memory data = abi.encodeCall(coordinator.veto, (groupId, id, _objections(4, 1, id)));
        (bool vetoed,) = address(coordinator).call(data);
        vm.assertFalse(vetoed, "by one of three");
    }

    function _assertTaken(uint256 amount, uint256 coins) private view {
        vm.assertEq(THIEF.balance, amount, "ether taken");
        vm.assertEq(coin.balanceOf(THIEF), coins, "coins taken");
        vm.assertEq(account.balance + REFUGE.balance, 100 ether - amount, "ether that is left");
        vm.assertEq(coin.balanceOf(account) + coin.balanceOf(REFUGE), 50_000e6 - coins, "coins that are left");
    }
}
// forge-lint: disable-end(unsafe-typecast)
