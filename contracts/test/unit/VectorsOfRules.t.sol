// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {Errors} from "../../src/Errors.sol";
import {
    Approval,
    Basis,
    Call,
    Checkpoint,
    Class,
    Content,
    FLAG_REPLICA,
    Mandate,
    Member,
    Scope,
    Taken,
    Terms
} from "../../src/Types.sol";
import {deployCoordinatorAt} from "../support/Deployment.sol";
import {Json} from "../support/Json.sol";
import {RefusalFixture} from "../support/RefusalFixture.sol";
import {vm} from "../support/Vm.sol";

/// @notice The golden vectors of rules, which the Rust side makes: here the contract decides the same cases. Calls and windows are in
/// VectorsOfCalls.t.sol, and contradictions in Contradictions.t.sol.
contract VectorsOfRulesTest is RefusalFixture, Json {
    // ---------------------------------------------------------------------------------------------------------
    // policies.json
    // ---------------------------------------------------------------------------------------------------------

    /// @dev Rows of threshold, basis, turnout, veto, whether votes change, the weights for, against, abstaining and of all,
    /// and the verdicts before and after the end of the voting.
    function test_Policies() external {
        _read("policies.json");
        uint256[] memory values = vm.parseJsonUintArray(json, ".values");
        uint256 columns = _uint(".columns");
        vm.assertTrue(values.length > 5000 && values.length % columns == 0, "rows were read");
        Class memory class = _routine();
        for (uint256 at = 0; at < values.length; at += columns) {
            class.threshold = uint16(values[at]);
            class.basis = Basis(values[at + 1]);
            class.turnout = uint16(values[at + 2]);
            class.veto = uint16(values[at + 3]);
            class.revotes = values[at + 4] != 0;
            vm.assertEq(_verdict(class, values, at + 5, false), values[at + 9], "while the voting lasts");
            vm.assertEq(_verdict(class, values, at + 5, true), values[at + 10], "at its end");
        }
    }

    function _verdict(Class memory class, uint256[] memory values, uint256 at, bool ended)
        private
        view
        returns (uint256)
    {
        return uint256(
            coordinator.verdict(
                class,
                uint128(values[at]),
                uint128(values[at + 1]),
                uint128(values[at + 2]),
                uint128(values[at + 3]),
                ended
            )
        );
    }

    // ---------------------------------------------------------------------------------------------------------
    // decisions.json
    // ---------------------------------------------------------------------------------------------------------

    /// @dev Rows of a batch's time in milliseconds, a class' expiry, and the last second at which the log lets the decision be executed.
    function test_Decisions() external {
        _read("decisions.json");
        uint256[] memory values = vm.parseJsonUintArray(json, ".values");
        uint256 columns = _uint(".columns");
        vm.assertTrue(values.length >= columns && values.length % columns == 0, "rows were read");
        for (uint256 at = 0; at < values.length; at += columns) {
            Terms memory terms = _terms();
            terms.classes[DECISIONS].expiry = uint32(values[at + 1]);
            vm.warp(START);
            _useWithFreshLog(_createGroup(_members(4), terms, bytes32(at)));
            Content memory content = _content(0, DECISIONS, new Call[](0), 0);
            Approval memory approval = _appendAt(content, uint64(values[at]));
            _anchor(1);
            uint256 last = values[at + 2];
            vm.warp(last + 1);
            _expectExecutionRefusal(
                approval, 1, abi.encodeWithSelector(Errors.ExecutionExpired.selector, _idOf(content), last)
            );
            vm.warp(last);
            _execute(approval, 1);
        }
    }

    /// @dev The only entry of the log, with this time.
    function _appendAt(Content memory content, uint64 timestampMs) private returns (Approval memory approval) {
        approval = _appendApproval(content);
        // Again, with the time of the row.
        _useWithFreshLog(groupId);
        approval.timestampMs = timestampMs;
        log.append(
            abi.encode(
                uint256(0),
                uint256(approval.sequence),
                uint256(timestampMs),
                uint256(2),
                uint256(1),
                coordinator.hashDecision(_decision(_idOf(content), 1)),
                bytes32(0xad182dbc77e8d818f1a06aa5d4285a023a2600dcdb7377ea3aa65823422d6f5a)
            )
        );
    }

    // ---------------------------------------------------------------------------------------------------------
    // mandates.json
    // ---------------------------------------------------------------------------------------------------------

    /// @dev Each case in the group as it was made: whether its rotation is taken, and, where it is not, what weight counted.
    function test_M3_Mandates() external {
        _read("mandates.json");
        vm.chainId(_uint(".chainId"));
        coordinator = deployCoordinatorAt(_address(".contract"));
        Member[] memory members = abi.decode(_bytes(".members"), (Member[]));
        for (uint256 i = 0; i < members.length; ++i) {
            vm.prank(members[i].account);
            coordinator.register(members[i].key);
        }
        Terms memory terms = abi.decode(_bytes(".terms"), (Terms));
        bytes32 salt = _bytes32(".groupSalt");
        vm.prank(_address(".creator"));
        groupId = coordinator.createGroup(members, terms, salt);
        vm.assertEq(groupId, _bytes32(".groupId"), "the group");

        bytes[] memory nexts = vm.parseJsonBytesArray(json, ".nexts");
        bytes[] memory mandates = vm.parseJsonBytesArray(json, ".mandates");
        uint256[] memory weights = vm.parseJsonUintArray(json, ".weights");
        bytes32[] memory secrets = vm.parseJsonBytes32Array(json, ".secrets");
        vm.assertTrue(nexts.length > 5 && mandates.length == nexts.length, "cases were read");
        for (uint256 i = 0; i < nexts.length; ++i) {
            uint256 snapshot = vm.snapshotState();
            Mandate memory mandate = abi.decode(mandates[i], (Mandate));
            (bool taken, bytes memory reason) = _rotation(members, secrets, abi.decode(nexts[i], (Member[])), mandate);
            string memory name = vm.parseJsonString(json, _at(".names", i, ""));
            vm.assertEq(taken, vm.parseJsonBool(json, _at(".carried", i, "")), name);
            vm.assertTrue(taken || vm.parseJsonBool(json, _at(".altered", i, "")), name);
            // In a class that changes no weights the contract looks at no ballots.
            if (_changesWeights(terms, mandate.class)) _assertWeight(taken, reason, weights[i], name);
            vm.revertToState(snapshot);
        }
    }

    function _changesWeights(Terms memory terms, uint8 class) private pure returns (bool) {
        if (class >= terms.classes.length) return false;
        return terms.classes[class].escape && terms.classes[class].scope == Scope.Anything;
    }

    /// @dev The weight that a refusal tells.
    function _assertWeight(bool taken, bytes memory reason, uint256 expected, string memory name) private pure {
        if (taken) return;
        vm.assertEq(bytes32(bytes4(reason)), bytes32(Errors.NoMandate.selector), name);
        assembly ("memory-safe") {
            mstore(add(reason, 4), sub(mload(reason), 4))
            reason := add(reason, 4)
        }
        (,, uint256 weight) = abi.decode(reason, (bytes32, address, uint256));
        vm.assertEq(weight, expected, name);
    }

    /// @dev By all replicas of the group.
    function _rotation(Member[] memory members, bytes32[] memory secrets, Member[] memory next, Mandate memory mandate)
        private
        returns (bool taken, bytes memory reason)
    {
        Checkpoint memory checkpoint = Checkpoint({
            groupId: groupId,
            epoch: 0,
            sequence: 1,
            logSize: 1,
            logRoot: "root",
            stateRoot: "state",
            inboxCount: 0,
            inboxHash: 0,
            nextMembersHash: keccak256(abi.encode(next))
        });
        bytes32 digest = coordinator.hashCheckpoint(checkpoint);
        bytes memory signatures;
        for (uint256 i = 0; i < members.length; ++i) {
            if (members[i].flags & FLAG_REPLICA == 0) continue;
            signatures = bytes.concat(signatures, _signature(uint256(secrets[i]), digest));
        }
        Taken memory none;
        return address(coordinator)
            .call(
                abi.encodeCall(
                    coordinator.anchorAndRotate, (checkpoint, signatures, new bytes32[](0), none, next, mandate)
                )
            );
    }
}
// forge-lint: disable-end(unsafe-typecast)
