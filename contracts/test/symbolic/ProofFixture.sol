// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {IAgentCoordinator} from "../../src/IAgentCoordinator.sol";
import {Basis, Checkpoint, FLAG_REPLICA, FLAG_VOTER, Member, Policy, Scope, Terms} from "../../src/Types.sol";
import {vm} from "../support/Vm.sol";
import {svm} from "./Svm.sol";

/// @notice The real coordinator with a group that is in its second epoch, so that there are accounts of every kind: four
/// replicas that have been so from the start or not, a voter that is no replica, and a replica of the epoch before.
/// @dev Addresses are plain numbers, and a signature is anything that `ecrecover` is assumed to take for the signer's:
/// halmos knows nothing of `ecrecover` but that equal input gives equal output.
abstract contract ProofFixture {
    uint256 internal constant START = 1_800_000_000;
    uint32 internal constant TIMELOCK = 1 hours;
    uint32 internal constant STALL_TIME = 2 days;
    uint32 internal constant INBOX_DEADLINE = 1 days;
    uint32 internal constant EVIDENCE_WINDOW = 3 days;
    uint16 internal constant REPORTER_SHARE = 2500;
    uint128 internal constant BOND = 1 ether;
    uint8 internal constant ROUTINE = 0;
    uint8 internal constant ESCAPE = 1;
    uint256 internal constant QUORUM = 3;
    /// @dev Half of the order of secp256k1; a signature with a greater s has a twin with a smaller one.
    uint256 internal constant HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;

    address internal constant FORMER = address(0xA1);
    address internal constant VOTER = address(0xA4);
    /// @dev The sequence at which the first epoch ended, when the log was empty.
    uint64 internal constant BOUNDARY = 5;

    /// @dev SHA-256 of nothing, which is the root of a log without entries.
    bytes32 internal constant EMPTY_ROOT = 0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855;

    IAgentCoordinator internal coordinator;
    bytes32 internal groupId;
    bytes32 internal domainSeparator;

    function setUp() public virtual {
        vm.warp(START);
        coordinator = IAgentCoordinator(_deploy());
        domainSeparator = coordinator.domainSeparator();
        address[6] memory agents = [FORMER, address(0xA2), address(0xA3), VOTER, address(0xA5), address(0xA6)];
        for (uint256 i = 0; i < agents.length; ++i) {
            vm.prank(agents[i]);
            coordinator.register(_key(agents[i]));
        }
        groupId = coordinator.createGroup(_members(FORMER), _terms(), "proofs");

        Member[] memory next = _members(address(0xA6));
        Checkpoint memory boundary = _checkpoint(0, BOUNDARY, 0, EMPTY_ROOT);
        boundary.nextMembersHash = keccak256(abi.encode(next));
        coordinator.anchorAndRotate(boundary, _signed(boundary, [FORMER, address(0xA2), address(0xA3)]), next);
    }

    /// @dev By the artifact, not by `new`: a proof that held the coordinator's code would compile it anew.
    function _deploy() private returns (address deployed) {
        bytes memory code = vm.getCode("contracts/out/audit/AgentCoordinator.sol/AgentCoordinator.json");
        assembly ("memory-safe") {
            deployed := create(0, add(code, 0x20), mload(code))
        }
        assert(deployed != address(0));
    }

    /// @dev Two classes in which three of the five weights decide; the second allows the escape lane.
    function _terms() internal pure returns (Terms memory terms) {
        terms = Terms({
            classes: new Policy[](2),
            stallTime: STALL_TIME,
            inboxDeadline: INBOX_DEADLINE,
            evidenceWindow: EVIDENCE_WINDOW,
            reporterShare: REPORTER_SHARE,
            bond: BOND
        });
        terms.classes[ROUTINE] = _policy("routine", false);
        terms.classes[ESCAPE] = _policy("escape", true);
    }

    function _policy(bytes16 name, bool escape) private pure returns (Policy memory) {
        return Policy({
            name: name,
            valueLimit: 0,
            threshold: 6000,
            basis: Basis.All,
            turnout: 0,
            veto: 0,
            scope: Scope.Anything,
            votingPeriod: 1 days,
            timelock: TIMELOCK,
            expiry: 0,
            revotes: false,
            escape: escape,
            onlyStalled: false
        });
    }

    /// @dev Where the group's state has its slot of this number; `Groups._groups` is in the coordinator's second. What is
    /// written there is always compared with what a view then says.
    function _slot(uint256 number) internal view returns (bytes32) {
        return bytes32(uint256(keccak256(abi.encode(groupId, uint256(1)))) + number);
    }

    /// @dev Whether the account is a replica of the epoch that the fixture is in.
    function _isReplica(address account) internal pure returns (bool) {
        return
            account == address(0xA2) || account == address(0xA3) || account == address(0xA5) || account == address(0xA6);
    }

    /// @dev The three replicas that are in both epochs, the voter, and one more replica: all of weight 1.
    function _members(address other) internal pure returns (Member[] memory members) {
        members = new Member[](5);
        uint256 first = other == FORMER ? 1 : 0;
        if (first == 1) members[0] = _replica(FORMER);
        members[first] = _replica(address(0xA2));
        members[first + 1] = _replica(address(0xA3));
        members[first + 2] = Member({account: VOTER, key: _key(VOTER), weight: 1, flags: FLAG_VOTER});
        members[first + 3] = _replica(address(0xA5));
        if (first == 0) members[4] = _replica(other);
    }

    function _replica(address account) private pure returns (Member memory) {
        return Member({account: account, key: _key(account), weight: 1, flags: FLAG_VOTER | FLAG_REPLICA});
    }

    function _key(address account) private pure returns (bytes32) {
        return bytes32(uint256(uint160(account)));
    }

    function _checkpoint(uint64 epoch, uint64 sequence, uint64 logSize, bytes32 logRoot)
        internal
        view
        returns (Checkpoint memory)
    {
        return Checkpoint({
            groupId: groupId,
            epoch: epoch,
            sequence: sequence,
            logSize: logSize,
            logRoot: logRoot,
            stateRoot: 0,
            inboxCount: 0,
            nextMembersHash: 0
        });
    }

    /// @dev The digest that replicas sign, written out from the format's description.
    function _digest(Checkpoint memory checkpoint) internal view returns (bytes32) {
        bytes32 typeHash = keccak256(
            "Checkpoint(bytes32 groupId,uint64 epoch,uint64 sequence,uint64 logSize,bytes32 logRoot,bytes32 stateRoot,"
            "uint64 inboxCount,bytes32 nextMembersHash)"
        );
        return keccak256(abi.encodePacked(hex"1901", domainSeparator, keccak256(abi.encode(typeHash, checkpoint))));
    }

    /// @dev Signatures that are assumed to be those of three replicas of the current epoch.
    function _signedByQuorum(Checkpoint memory checkpoint) internal view returns (bytes memory) {
        return _signed(checkpoint, [address(0xA2), address(0xA3), address(0xA5)]);
    }

    /// @dev Signatures that are assumed to be these signers'.
    function _signed(Checkpoint memory checkpoint, address[3] memory signers)
        private
        view
        returns (bytes memory signatures)
    {
        bytes32 digest = _digest(checkpoint);
        for (uint256 i = 0; i < signers.length; ++i) {
            signatures = bytes.concat(signatures, _signature(digest, signers[i], i + 1));
        }
    }

    /// @dev A signature that is assumed to be this signer's; `r` tells it apart from others on the same digest.
    function _signature(bytes32 digest, address signer, uint256 r) internal pure returns (bytes memory) {
        vm.assume(ecrecover(digest, 27, bytes32(r), bytes32(uint256(1))) == signer);
        return bytes.concat(bytes32(r), bytes32(uint256(1)), bytes1(uint8(27)));
    }

    /// @dev The parts of the signature at this place.
    function _parts(bytes memory signatures, uint256 index) internal pure returns (bytes32 r, bytes32 s, uint8 v) {
        assembly ("memory-safe") {
            let start := add(add(signatures, 0x20), mul(index, 65))
            r := mload(start)
            s := mload(add(start, 0x20))
            v := byte(0, mload(add(start, 0x40)))
        }
    }

    /// @dev Whether the coordinator took the checkpoint as an anchor.
    function _anchors(Checkpoint memory checkpoint, bytes memory signatures) internal returns (bool) {
        return _call(abi.encodeCall(coordinator.anchor, (checkpoint, signatures)));
    }

    /// @dev Whether it took the checkpoint as the one that ends its epoch, with the members of the epoch before as the next.
    function _rotates(Checkpoint memory checkpoint, bytes memory signatures) internal returns (bool) {
        return _call(abi.encodeCall(coordinator.anchorAndRotate, (checkpoint, signatures, _members(FORMER))));
    }

    /// @dev Any call of any function that is no view, the registry's among them. An execution by one proof is of the log
    /// without entries, which has the only root there is: halmos would go through the proofs for every other size before
    /// it saw that none has a root.
    function _anyCall() internal view returns (bytes memory data) {
        data = svm.createCalldata("IAgentCoordinator");
        // The selector is all that is looked at.
        // forge-lint: disable-next-line(unsafe-typecast)
        if (bytes4(data) == coordinator.executeAnchored.selector) {
            assembly ("memory-safe") {
                mstore(add(data, 0x44), 0)
            }
        }
    }

    /// @dev Whether the coordinator took the call.
    function _call(bytes memory data) internal returns (bool done) {
        (done,) = address(coordinator).call(data);
    }
}
