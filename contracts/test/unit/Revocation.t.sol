// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {Errors} from "../../src/Errors.sol";
import {ICoordinatorEvents} from "../../src/ICoordinatorEvents.sol";
import {
    Approval,
    Ballot,
    Call,
    Content,
    FLAG_REPLICA,
    FLAG_VOTER,
    INBOX_CLOSED,
    Member,
    Skip,
    Status
} from "../../src/Types.sol";
import {EscapeFixture} from "../support/EscapeFixture.sol";
import {OwnedWallet, Wallet} from "../support/Targets.sol";
import {vm} from "../support/Vm.sol";

/// @notice The branches of Revocation.tree: what was approved is taken back, by a minority's objections or by a decision.
contract RevocationTest is EscapeFixture {
    Content private _kept;

    function setUp() public override {
        super.setUp();
        vm.warp(START);
        // `id` is the proposal that `VoteFixture` opened, of class `ROUTINE`.
        _keep(_content(0, ROUTINE, _calls(1, 0), 0));
    }

    // ---------------------------------------------------------------------------------------------------------
    // veto
    // ---------------------------------------------------------------------------------------------------------

    function test_Veto_RevertWhen_GroupIsUnknown() external {
        vm.expectRevert(abi.encodeWithSelector(Errors.UnknownGroup.selector, bytes32("none")));
        coordinator.veto("none", id, new Ballot[](0));
    }

    function test_Veto_RevertWhen_NotApproved() external {
        Ballot[] memory objections = _objections(0, 4, id);
        _expectWrongStatus(id);
        coordinator.veto(groupId, id, objections);
        vm.expectRevert(abi.encodeWithSelector(Errors.WrongStatus.selector, bytes32("none"), Status.None));
        coordinator.veto(groupId, "none", objections);

        _approve(id);
        vm.warp(START + TIMELOCK + EXPIRY + 1);
        _expectWrongStatus(id);
        coordinator.veto(groupId, id, objections);
        vm.warp(START + TIMELOCK);
        coordinator.execute(groupId, _kept);
        _expectWrongStatus(id);
        coordinator.veto(groupId, id, objections);
    }

    /// @dev Of four at three quarters, two could have blocked it: one is exactly what the threshold leaves, and not more.
    function test_M6_Veto_ByAMinorityThatCouldHaveBlockedIt() external {
        _approve(id);
        Ballot[] memory objections = _objections(2, 1, id);
        vm.expectRevert(abi.encodeWithSelector(Errors.NotEnoughWeight.selector, id, 1));
        coordinator.veto(groupId, id, objections);

        objections = _objections(2, 2, id);
        _expectMessage(INBOX_CLOSED, address(0xbeef), abi.encode(id, Status.Revoked));
        vm.expectEmit(address(coordinator));
        emit ICoordinatorEvents.ProposalRevoked(groupId, id, 2);
        vm.prank(address(0xbeef));
        coordinator.veto(groupId, id, objections);

        _assertStatus(id, Status.Revoked);
        vm.warp(START + TIMELOCK);
        _expectWrongStatus(id);
        coordinator.execute(groupId, _kept);
    }

    /// @dev Where the class has a veto, that much of all weight, to the last unit.
    function test_M6_Veto_ByTheClassVetoWhereItHasOne() external {
        vm.warp(stalledAt);
        id = _propose(0, WITH_VETO, _calls(1, 0), 0);
        _vote(0, id, 1);
        _vote(1, id, 1);
        _vote(2, id, 1);
        _assertStatus(id, Status.Approved);
        Ballot[] memory objections = _objections(3, 1, id);
        vm.expectRevert(abi.encodeWithSelector(Errors.NotEnoughWeight.selector, id, 1));
        coordinator.veto(groupId, id, objections);
        coordinator.veto(groupId, id, _objections(2, 2, id));
        _assertStatus(id, Status.Revoked);
    }

    /// @dev Up to the last second before it is executed, with a timelock and without.
    function test_M6_Veto_AtAnyTimeBeforeTheExecution() external {
        _approve(id);
        vm.warp(START + TIMELOCK + EXPIRY);
        coordinator.veto(groupId, id, _objections(0, 2, id));
        _assertStatus(id, Status.Revoked);

        Content memory content = _approved(LISTED, _calls(1, 0), 0);
        bytes32 other = _idOf(content);
        coordinator.veto(groupId, other, _objections(0, 2, other));
        vm.expectRevert(abi.encodeWithSelector(Errors.WrongStatus.selector, other, Status.Revoked));
        coordinator.execute(groupId, content);
    }

    /// @dev What a quorum queued from its log, and what signatures approved, as well.
    function test_M6_Veto_OfWhatCameFromTheLog() external {
        Content memory content = _offChain();
        bytes32 queued = _idOf(content);
        Approval memory approval = _appendApproval(content);
        _anchor(log.size());
        coordinator.queueAnchored(groupId, log.size(), approval, log.path(approval.index, log.size()));
        coordinator.veto(groupId, queued, _objections(0, 2, queued));
        _assertStatus(queued, Status.Revoked);
        uint64 size = log.size();
        bytes32[] memory path = log.path(approval.index, size);
        vm.expectRevert(abi.encodeWithSelector(Errors.WrongStatus.selector, queued, Status.Revoked));
        coordinator.queueAnchored(groupId, size, approval, path);
    }

    function test_L2_Veto_PassesOverWhatDoesNotCount() external {
        _approve(id);
        vm.prank(agents[1]);
        coordinator.leave(groupId);
        Ballot[] memory objections = _objections(0, 4, id);
        objections[0].signature = "none";
        _expectSkipped(id, agents[0], Skip.InvalidSignature);
        _expectSkipped(id, agents[1], Skip.NotVoter);
        coordinator.veto(groupId, id, objections);
        _assertStatus(id, Status.Revoked);
    }

    function test_Veto_RevertWhen_OneObjectsTwice() external {
        _approve(id);
        Ballot[] memory objections = _objections(2, 2, id);
        objections[1] = objections[0];
        vm.expectRevert(abi.encodeWithSelector(Errors.NotEnoughWeight.selector, id, 1));
        coordinator.veto(groupId, id, objections);
        objections = _objections(2, 2, id);
        (objections[0], objections[1]) = (objections[1], objections[0]);
        vm.expectRevert(abi.encodeWithSelector(Errors.NotEnoughWeight.selector, id, 1));
        coordinator.veto(groupId, id, objections);
    }

    /// @dev A vote against is no objection, nor is an objection to another proposal, by another, or of another group.
    function test_Veto_RevertWhen_SomethingElseWasSigned() external {
        _approve(id);
        for (uint256 i = 0; i < 4; ++i) {
            Ballot[] memory objections = _objections(2, 2, id);
            bytes32 digest = coordinator.hashObjection(agents[3], id);
            if (i == 0) digest = coordinator.hashVote(agents[3], id, 0, 0, ends, 0);
            if (i == 1) digest = coordinator.hashObjection(agents[3], "other");
            if (i == 2) digest = coordinator.hashObjection(agents[2], id);
            objections[1].signature = _signature(privateKeys[i == 3 ? 0 : 3], digest);
            vm.expectRevert(abi.encodeWithSelector(Errors.NotEnoughWeight.selector, id, 1));
            coordinator.veto(groupId, id, objections);
        }
    }

    /// @dev Whatever it says: an objection objects.
    function test_Veto_DoesNotReadTheChoice() external {
        _approve(id);
        Ballot[] memory objections = _objections(2, 2, id);
        (objections[0].choice, objections[1].choice) = (1, 255);
        coordinator.veto(groupId, id, objections);
        _assertStatus(id, Status.Revoked);
    }

    function test_M9_Veto_AVoterWithCodeObjects() external {
        Wallet wallet = new Wallet();
        OwnedWallet owned = new OwnedWallet(vm.addr(12_345));
        _proposeWith(address(wallet));
        _vote(0, id, 1);
        _approve(id, 4);
        Ballot[] memory objections = _sorted(_objections(3, 1, id)[0], Ballot(address(wallet), 0, ""));
        vm.expectRevert(abi.encodeWithSelector(Errors.NotEnoughWeight.selector, id, 1));
        coordinator.veto(groupId, id, objections);
        wallet.approve(coordinator.hashObjection(address(owned), id));
        vm.expectRevert(abi.encodeWithSelector(Errors.NotEnoughWeight.selector, id, 1));
        coordinator.veto(groupId, id, objections);
        wallet.approve(coordinator.hashObjection(address(wallet), id));
        coordinator.veto(groupId, id, objections);
        _assertStatus(id, Status.Revoked);
    }

    /// @dev Of the current epoch, all in one transaction: who objects for good weighs what it weighs now.
    function test_M6_Veto_CountsTheWeightOfTheCurrentEpoch() external {
        _approve(id);
        Member[] memory heavier = _members(4);
        heavier[3].weight = 2;
        _rotate(_boundary(1, heavier), 0, 3, heavier, _mandate(heavier, 0, 3));
        Ballot[] memory objections = _objections(2, 1, id);
        vm.expectRevert(abi.encodeWithSelector(Errors.NotEnoughWeight.selector, id, 1));
        coordinator.veto(groupId, id, objections);
        coordinator.veto(groupId, id, _objections(3, 1, id));
        _assertStatus(id, Status.Revoked);
    }

    /// @dev Where nobody has a vote, no weight is any part of it, and blocks nothing.
    function test_Veto_RevertGiven_NobodyHasAVote() external {
        _useWithFreshLog(_createGroup(_voteless(), _terms(), "nobody"));
        uint8[2] memory classes = [ESCAPE, WITH_VETO];
        for (uint256 i = 0; i < 2; ++i) {
            Content memory content = _content(0, classes[i], _calls(9, 0), 7);
            bytes32 queued = _idOf(content);
            Approval memory approval = _appendApproval(content);
            uint64 size = log.size();
            _anchor(size);
            coordinator.queueAnchored(groupId, size, approval, log.path(approval.index, size));
            vm.expectRevert(abi.encodeWithSelector(Errors.NotEnoughWeight.selector, queued, 0));
            coordinator.veto(groupId, queued, new Ballot[](0));
        }
    }

    // ---------------------------------------------------------------------------------------------------------
    // revoke
    // ---------------------------------------------------------------------------------------------------------

    function test_Revoke_RevertWhen_NotTheGroupsAccount() external {
        vm.expectRevert(abi.encodeWithSelector(Errors.UnknownGroup.selector, bytes32("none")));
        coordinator.revoke("none", id);
        bytes32 other = _createGroup(_members(4), _terms(), "other");
        address[3] memory callers = [address(this), agents[0], coordinator.accountOf(other)];
        for (uint256 i = 0; i < 3; ++i) {
            vm.expectRevert(abi.encodeWithSelector(Errors.NotGroupAccount.selector, groupId, callers[i]));
            vm.prank(callers[i]);
            coordinator.revoke(groupId, id);
        }
    }

    function test_Revoke_RevertWhen_Executed() external {
        _approve(id);
        vm.warp(START + TIMELOCK);
        coordinator.execute(groupId, _kept);
        vm.expectRevert(abi.encodeWithSelector(Errors.WrongStatus.selector, id, Status.Executed));
        vm.prank(account);
        coordinator.revoke(groupId, id);
    }

    /// @dev By a decision of the group, of what another decision approved and nobody could execute in time.
    function test_M6_AZombie_IsRevoked() external {
        _approve(id);
        Call[] memory calls = _call(address(coordinator), 0, abi.encodeCall(coordinator.revoke, (groupId, id)));
        calls[0].gas = 200_000;
        Content memory revocation = _approved(ROUTINE, calls, 1);
        vm.warp(START + TIMELOCK);
        uint64 messages = coordinator.inbox(groupId).length;
        vm.expectEmit(address(coordinator));
        emit ICoordinatorEvents.ProposalRevoked(groupId, id, 0);
        coordinator.execute(groupId, revocation);
        _assertStatus(id, Status.Revoked);
        vm.assertEq(coordinator.inbox(groupId).length, messages + 2, "one is executed, one is revoked");
        _expectWrongStatus(id);
        coordinator.execute(groupId, _kept);
    }

    /// @dev Also of what the contract has not heard of: the log may have approved it, and no lane executes it any more.
    function test_M6_Revoke_OfWhatIsKnownFromTheLogAlone() external {
        Content memory content = _content(0, LISTED, _calls(1, 0), 0);
        bytes32 known = _idOf(content);
        Approval memory approval = _appendApproval(content);
        _anchor(log.size());
        _expectMessage(INBOX_CLOSED, account, abi.encode(known, Status.Revoked));
        _revoke(known);
        bytes32[] memory path = log.path(approval.index, log.size());
        uint64 size = log.size();
        vm.expectRevert(abi.encodeWithSelector(Errors.WrongStatus.selector, known, Status.Revoked));
        coordinator.executeAnchored(groupId, size, approval, path);
        vm.expectRevert(abi.encodeWithSelector(Errors.WrongStatus.selector, known, Status.Revoked));
        _propose(0, LISTED, content.calls, 0);
    }

    function test_M6_Revoke_FromEveryStateButExecuted() external {
        bytes32[4] memory ids;
        for (uint64 i = 0; i < 4; ++i) {
            ids[i] = _propose(0, ROUTINE, _calls(1, 0), i + 10);
        }
        _approve(ids[1]);
        _vote(0, ids[2], 0);
        _vote(1, ids[2], 0);
        vm.prank(agents[0]);
        coordinator.cancel(groupId, _content(0, ROUTINE, _calls(1, 0), 13));
        for (uint256 i = 0; i < 4; ++i) {
            _revoke(ids[i]);
            _assertStatus(ids[i], Status.Revoked);
            _expectWrongStatus(ids[i]);
            _vote(3, ids[i], 1);
        }
        // For good.
        vm.warp(START + 365 days);
        _assertStatus(ids[1], Status.Revoked);
        _revoke(ids[1]);
        _assertStatus(ids[1], Status.Revoked);
    }

    // ---------------------------------------------------------------------------------------------------------
    // Steps
    // ---------------------------------------------------------------------------------------------------------

    function _keep(Content memory content) private {
        _kept.proposer = content.proposer;
        (_kept.salt, _kept.class, _kept.descriptionHash) = (content.salt, content.class, content.descriptionHash);
        _kept.calls.push(content.calls[0]);
        id = _idOf(content);
    }

    function _revoke(bytes32 proposalId) private {
        vm.prank(account);
        coordinator.revoke(groupId, proposalId);
    }

    /// @dev As many agents vote for it as it takes.
    function _approve(bytes32 proposalId, uint256 count) private {
        for (uint256 i = 1; i < count; ++i) {
            _vote(i, proposalId, 1);
        }
    }

    function _voteless() private view returns (Member[] memory members) {
        members = _members(4);
        for (uint256 i = 0; i < 4; ++i) {
            (members[i].weight, members[i].flags) = (0, FLAG_REPLICA & ~FLAG_VOTER);
        }
    }

    function _sorted(Ballot memory one, Ballot memory other) private pure returns (Ballot[] memory both) {
        both = new Ballot[](2);
        (both[0], both[1]) = one.voter < other.voter ? (one, other) : (other, one);
    }
}
// forge-lint: disable-end(unsafe-typecast)
