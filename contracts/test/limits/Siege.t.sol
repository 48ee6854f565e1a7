// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {Approval, Ballot, Call, Content, Status} from "../../src/Types.sol";
import {RefusalFixture} from "../support/RefusalFixture.sol";
import {vm} from "../support/Vm.sol";

/// @notice A lying quorum queues one harmful decision after another in a class that waits. Each takes a signature of each objector, on
/// an identifier that nobody knows before, and a transaction; one that is forgotten takes all. `revoke` is no help: a decision to
/// revoke waits as long as what it revokes, and began later.
contract SiegeTest is RefusalFixture {
    uint256 private constant QUEUED = 50;

    function test_Limit_EachOfMany_TakesAnObjectionOfItsOwn() external {
        Approval[] memory approvals = new Approval[](QUEUED);
        for (uint64 i = 0; i < QUEUED; ++i) {
            approvals[i] = _appendApproval(_content(0, ROUTINE, _payment(address(0xbad), 100 ether), i));
        }
        _anchor(1);
        uint256 gasOfQueues = 0;
        for (uint64 i = 0; i < QUEUED; ++i) {
            bytes32[] memory path = log.path(i, uint64(QUEUED));
            uint256 before = gasleft();
            coordinator.queueAnchored(groupId, uint64(QUEUED), approvals[i], path);
            gasOfQueues += before - gasleft();
        }
        uint256 gasOfVetoes = 0;
        for (uint64 i = 0; i < QUEUED - 1; ++i) {
            bytes32 id = _idOf(_content(0, ROUTINE, _payment(address(0xbad), 100 ether), i));
            Ballot[] memory objections = _objections(0, 2, id);
            uint256 before = gasleft();
            coordinator.veto(groupId, id, objections);
            gasOfVetoes += before - gasleft();
        }
        vm.warp(block.timestamp + TIMELOCK);
        coordinator.execute(groupId, _content(0, ROUTINE, _payment(address(0xbad), 100 ether), uint64(QUEUED - 1)));
        vm.assertEq(account.balance, 0, "49 objections of 50 save nothing");
        emit Gas(gasOfQueues / QUEUED, gasOfVetoes / (QUEUED - 1));
    }

    event Gas(uint256 aQueue, uint256 aVeto);
}
// forge-lint: disable-end(unsafe-typecast)
