// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {Approval, Call, Content, Decision, Entry, STATUS_APPROVED} from "../../src/Types.sol";
import {RefusalFixture} from "../support/RefusalFixture.sol";
import {vm} from "../support/Vm.sol";

/// @notice Words beyond their types in an approval. Only who forges the log can state them.
contract WordsTest is RefusalFixture {
    /// @dev "No call has two identifiers" (Hashes.t.sol) does not hold in the anchored lane: `allowNoCode` of 2 with a call without
    /// data, and a proposer of more than 160 bits, are executed, as proposals with identifiers that no EIP-712 wallet works out. An
    /// indexer that works out the identifier from decoded calldata finds another than the event's.
    function test_Limit_WordsBeyondTheirTypes_AreExecutedByProof() external {
        Call[] memory calls = _payment(address(0xbeef), 1 ether);
        calls[0].gas = 77_777;
        Content memory content = _content(0, PAYMENTS, calls, 0);
        bytes memory question = abi.encodeCall(coordinator.hashCalls, (calls));
        uint256 place = _placeOf(question, 77_777) + 64;
        question[place + 31] = 0x02;
        (bool answered, bytes memory answer) = address(coordinator).staticcall(question);
        vm.assertTrue(answered, "hashed");
        bytes32 callsHash = abi.decode(answer, (bytes32));
        bytes32 id = coordinator.proposalIdOf(
            groupId, content.proposer, content.salt, content.class, callsHash, content.descriptionHash
        );
        vm.assertTrue(id != _idOf(content), "another identifier");
        uint64 index = log.size();
        Entry memory entry = _entry(index, coordinator.hashDecision(_decision(id, STATUS_APPROVED)));
        log.append(entry);
        Approval memory approval = Approval(
            content.proposer,
            0,
            PAYMENTS,
            content.descriptionHash,
            3,
            1,
            0,
            0,
            index,
            entry.sequence,
            entry.timestampMs,
            calls
        );
        _anchor(1);
        bytes memory data =
            abi.encodeCall(coordinator.executeAnchored, (groupId, log.size(), approval, log.path(index, log.size())));
        place = _placeOf(data, 77_777) + 64;
        data[place + 31] = 0x02;
        (bool success,) = address(coordinator).call(data);
        vm.assertTrue(success, "executed");
        vm.assertEq(address(0xbeef).balance, 1 ether, "paid");
    }

    function _placeOf(bytes memory data, uint256 word) private pure returns (uint256) {
        for (uint256 at = 4; at + 32 <= data.length; at += 32) {
            uint256 found;
            assembly ("memory-safe") {
                found := mload(add(add(data, 0x20), at))
            }
            if (found == word) return at;
        }
        revert("no such word");
    }
}
// forge-lint: disable-end(unsafe-typecast)
