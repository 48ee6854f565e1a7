// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

// What is cast here is the tests' own, and fits.
// forge-lint: disable-start(unsafe-typecast)

import {IAgentCoordinator} from "../../src/IAgentCoordinator.sol";
import {IAnchoredLane} from "../../src/IAnchoredLane.sol";
import {IOnChainLane} from "../../src/IOnChainLane.sol";
import {
    Basis,
    Checkpoint,
    Class,
    FLAG_REPLICA,
    FLAG_VOTER,
    Fork,
    Limit,
    Mandate,
    Member,
    Opening,
    Scope,
    Taken,
    Target,
    Terms
} from "../../src/Types.sol";
import {vm} from "../support/Vm.sol";
import {svm} from "./Svm.sol";

/// @notice Some of the coordinator's functions: a proof of all at once has no end.
enum Part {
    Anchors,
    Executions,
    Evidence,
    OnChainLane,
    Rest
}

/// @notice The real coordinator and its modules, with a group that is in its second epoch, so that there are accounts of every
/// kind: replicas that have been so from the start or not, some of them voters, a voter that is no replica, and a replica of
/// the epoch before. All replicas have their bonds.
/// @dev Addresses are plain numbers, and a signature is anything that `ecrecover` is assumed to take for the signer's: halmos
/// knows nothing of `ecrecover` but that equal input gives equal output.
abstract contract ProofFixture {
    uint256 internal constant START = 1_800_000_000;
    uint32 internal constant TIMELOCK = 1 hours;
    uint32 internal constant STALL_TIME = 2 hours;
    uint32 internal constant INBOX_DEADLINE = 1 days;
    uint32 internal constant RECOVERY_TIME = 7 days;
    uint32 internal constant EVIDENCE_WINDOW = 3 days;
    uint16 internal constant REPORTER_SHARE = 2000;
    uint128 internal constant BOND = 1 ether;
    /// @dev The class of payments, which the anchored lane executes at once, and the one that may do anything and waits.
    uint8 internal constant PAYMENTS = 0;
    uint8 internal constant CONSTITUTION = 1;
    uint256 internal constant QUORUM = 3;
    uint256 internal constant THRESHOLD = 6000;
    uint256 internal constant TOTAL_WEIGHT = 5;
    /// @dev The rotation to the second epoch altered no weight.
    uint64 internal constant VOTERS_SINCE = 0;
    /// @dev Half of the order of secp256k1; a signature with a greater s has a twin with a smaller one.
    uint256 internal constant HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;

    address internal constant FORMER = address(0xA1);
    address internal constant VOTER = address(0xA4);
    address internal constant LATTER = address(0xA6);
    /// @dev The sequence at which the first epoch ended, when the log was empty.
    uint64 internal constant BOUNDARY = 5;

    /// @dev SHA-256 of nothing, which is the root of a log without entries.
    bytes32 internal constant EMPTY_ROOT = 0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855;

    IAgentCoordinator internal coordinator;
    bytes32 internal groupId;
    address internal account;
    bytes32 internal domainSeparator;

    function setUp() public virtual {
        vm.warp(START);
        bytes memory modules = abi.encode(_deploy("OnChainLane", ""), _deploy("GroupRegistry", ""));
        coordinator = IAgentCoordinator(_deploy("AgentCoordinator", modules));
        domainSeparator = coordinator.domainSeparator();
        address[6] memory agents = [FORMER, address(0xA2), address(0xA3), VOTER, address(0xA5), LATTER];
        for (uint256 i = 0; i < agents.length; ++i) {
            vm.prank(agents[i]);
            coordinator.register(_key(agents[i]));
        }
        groupId = coordinator.createGroup(_members(FORMER), _terms(), "proofs");
        account = coordinator.accountOf(groupId);
        for (uint256 i = 0; i < agents.length; ++i) {
            if (agents[i] != VOTER) _deposit(agents[i], BOND);
        }

        Member[] memory next = _members(LATTER);
        Checkpoint memory boundary = _checkpoint(0, BOUNDARY, 0, EMPTY_ROOT);
        boundary.nextMembersHash = keccak256(abi.encode(next));
        bytes memory signatures = _signed(boundary, [FORMER, address(0xA2), address(0xA3)]);
        coordinator.anchorAndRotate(boundary, signatures, new bytes32[](0), _nothing(), next, _noMandate());
        assert(coordinator.group(groupId).votersSince == VOTERS_SINCE);
    }

    /// @dev By the artifact, not by `new`: a proof that held the coordinator's code would compile it anew.
    function _deploy(string memory name, bytes memory arguments) internal returns (address deployed) {
        bytes memory code =
            bytes.concat(vm.getCode(string.concat("contracts/out/audit/", name, ".sol/", name, ".json")), arguments);
        assembly ("memory-safe") {
            deployed := create(0, add(code, 0x20), mload(code))
        }
        assert(deployed != address(0));
    }

    function _terms() internal pure returns (Terms memory terms) {
        terms = Terms({
            classes: new Class[](2),
            stallTime: STALL_TIME,
            inboxDeadline: INBOX_DEADLINE,
            recoveryTime: RECOVERY_TIME,
            inboxFee: 0,
            bond: BOND,
            evidenceWindow: EVIDENCE_WINDOW,
            reporterShare: REPORTER_SHARE,
            uptimeFeed: address(0)
        });
        terms.classes[PAYMENTS] = _class("payments", Scope.Payments);
        terms.classes[CONSTITUTION] = _class("constitution", Scope.Anything);
    }

    function _class(bytes16 name, Scope scope) private pure returns (Class memory class) {
        bool waits = scope == Scope.Anything;
        class = Class({
            name: name,
            scope: scope,
            opening: waits ? Opening.Always : Opening.Never,
            escape: waits,
            revotes: false,
            basis: Basis.All,
            threshold: uint16(THRESHOLD),
            turnout: 0,
            veto: 0,
            votingPeriod: 1 days,
            timelock: waits ? TIMELOCK : 0,
            expiry: 1 days,
            window: waits ? 0 : 1 days,
            limits: new Limit[](waits ? 0 : 1),
            targets: new Target[](0)
        });
        if (!waits) class.limits[0] = Limit({asset: address(0), perDecision: 1 ether, perWindow: 2 ether});
    }

    /// @dev The three that are in both epochs, the voter, and one more replica. Weights are 1, the voter's is 2, and the one that
    /// comes or goes has none: three fifths decide.
    function _members(address other) internal pure returns (Member[] memory members) {
        members = new Member[](5);
        uint256 first = other == FORMER ? 1 : 0;
        uint8 both = FLAG_VOTER | FLAG_REPLICA;
        members[first] = Member({account: address(0xA2), key: _key(address(0xA2)), weight: 1, flags: both});
        members[first + 1] = Member({account: address(0xA3), key: _key(address(0xA3)), weight: 1, flags: both});
        members[first + 2] = Member({account: VOTER, key: _key(VOTER), weight: 2, flags: FLAG_VOTER});
        members[first + 3] = Member({account: address(0xA5), key: _key(address(0xA5)), weight: 1, flags: both});
        members[first == 1 ? 0 : 4] = Member({account: other, key: _key(other), weight: 0, flags: FLAG_REPLICA});
    }

    /// @dev The weight of an account in the epoch that the fixture is in.
    function _weight(address voter) internal pure returns (uint256) {
        if (voter == VOTER) return 2;
        return voter == address(0xA2) || voter == address(0xA3) || voter == address(0xA5) ? 1 : 0;
    }

    function _key(address agent) internal pure returns (bytes32) {
        return bytes32(uint256(uint160(agent)));
    }

    function _deposit(address replica, uint128 amount) internal {
        vm.deal(replica, amount);
        vm.prank(replica);
        coordinator.deposit{value: amount}(groupId);
    }

    /// @dev Where the group's state has its slot of this number; `Storage._groups` is in the second. What is written there is
    /// always compared with what a view then says.
    function _slot(uint256 number) internal view returns (bytes32) {
        return bytes32(uint256(keccak256(abi.encode(groupId, uint256(1)))) + number);
    }

    /// @dev The slot of a value in the mapping that has its place there.
    function _slotIn(uint256 number, bytes32 key) internal view returns (bytes32) {
        return keccak256(abi.encode(key, _slot(number)));
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
            inboxHash: 0,
            nextMembersHash: 0
        });
    }

    /// @dev Of a checkpoint that takes no message.
    function _nothing() internal pure returns (Taken memory taken) {}

    function _noMandate() internal pure returns (Mandate memory mandate) {}

    /// @dev The digest that replicas sign, written out from the format's description.
    function _digest(Checkpoint memory checkpoint) internal view returns (bytes32) {
        bytes32 typeHash = keccak256(
            "Checkpoint(bytes32 groupId,uint64 epoch,uint64 sequence,uint64 logSize,bytes32 logRoot,bytes32 stateRoot,"
            "uint64 inboxCount,bytes32 inboxHash,bytes32 nextMembersHash)"
        );
        return _digestOf(keccak256(abi.encode(typeHash, checkpoint)));
    }

    function _digestOf(bytes32 structHash) internal view returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", domainSeparator, structHash));
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

    /// @dev Whose the signature at this place is, or nobody's when it has the greater of the two possible s.
    function _signer(bytes32 digest, bytes memory signatures, uint256 index) internal pure returns (address) {
        bytes32 r;
        bytes32 s;
        uint8 v;
        assembly ("memory-safe") {
            let start := add(add(signatures, 0x20), mul(index, 65))
            r := mload(start)
            s := mload(add(start, 0x20))
            v := byte(0, mload(add(start, 0x40)))
        }
        if (v < 2) v += 27;
        return uint256(s) <= HALF_ORDER ? ecrecover(digest, v, r, s) : address(0);
    }

    /// @dev Whether the coordinator took the checkpoint as an anchor of a log that had no entries before.
    function _anchors(Checkpoint memory checkpoint, bytes memory signatures, Taken memory taken)
        internal
        returns (bool)
    {
        return _call(abi.encodeCall(coordinator.anchor, (checkpoint, signatures, new bytes32[](0), taken)));
    }

    /// @dev Any checkpoint of the group that a quorum signed and that takes no message, as an anchor, and as one that ends the epoch.
    function _anyAnchor(Checkpoint memory checkpoint, uint40 time) internal {
        checkpoint.groupId = groupId;
        bytes memory signatures = _signedByQuorum(checkpoint);
        Member[] memory next = _members(FORMER);
        vm.warp(time);
        if (checkpoint.nextMembersHash == 0) {
            _anchors(checkpoint, signatures, _nothing());
            return;
        }
        _call(
            abi.encodeCall(
                coordinator.anchorAndRotate, (checkpoint, signatures, new bytes32[](0), _nothing(), next, _noMandate())
            )
        );
    }

    /// @dev Any two checkpoints of the group's current epoch as evidence, with any signatures whose v is 27, without a fork's proofs.
    function _anyEvidence(
        Checkpoint memory first,
        bytes memory one,
        Checkpoint memory second,
        bytes memory other,
        uint40 time
    ) internal {
        (first.groupId, second.groupId, first.epoch, second.epoch) = (groupId, groupId, 1, 1);
        (one[64], other[64]) = (bytes1(uint8(27)), bytes1(uint8(27)));
        Fork memory fork;
        vm.warp(time);
        // Somebody who takes ether.
        vm.prank(address(0xB1));
        _call(abi.encodeCall(coordinator.reportContradiction, (first, one, second, other, new Member[](0), fork)));
    }

    /// @dev Any call that the coordinator takes of these functions, a call without data and one of no function among the rest. All
    /// parts together are all but the views.
    ///
    /// What is proven is of the log without entries, which has the only root there is: halmos would go through the proofs for every
    /// other size before it saw that none has a root.
    function _anyCallOf(Part part) internal pure returns (bytes memory data) {
        data = svm.createCalldata("IAgentCoordinator");
        // The selector is the first four bytes.
        // forge-lint: disable-next-line(unsafe-typecast)
        bytes4 selector = bytes4(data);
        vm.assume(_partOf(selector) == part);
        bool proves = selector == IAnchoredLane.executeAnchored.selector
            || selector == IAnchoredLane.queueAnchored.selector
            || selector == IAnchoredLane.executeAnchoredBatch.selector || selector == IOnChainLane.closeFromLog.selector;
        if (proves) {
            assembly ("memory-safe") {
                mstore(add(data, 0x44), 0)
            }
        }
    }

    function _partOf(bytes4 selector) private pure returns (Part) {
        if (selector == IAnchoredLane.anchor.selector || selector == IAnchoredLane.anchorAndRotate.selector) {
            return Part.Anchors;
        }
        if (
            selector == IAnchoredLane.executeAnchored.selector
                || selector == IAnchoredLane.executeAnchoredBatch.selector
                || selector == IAnchoredLane.queueAnchored.selector
        ) return Part.Executions;
        if (selector == IAnchoredLane.reportContradiction.selector) return Part.Evidence;
        if (
            selector == IOnChainLane.approveBySigs.selector || selector == IOnChainLane.cancel.selector
                || selector == IOnChainLane.closeFromLog.selector || selector == IOnChainLane.execute.selector
                || selector == IOnChainLane.propose.selector || selector == IOnChainLane.recover.selector
                || selector == IOnChainLane.revoke.selector || selector == IOnChainLane.veto.selector
                || selector == IOnChainLane.vote.selector || selector == IOnChainLane.voteBySigs.selector
        ) return Part.OnChainLane;
        return Part.Rest;
    }

    /// @dev Whether the coordinator took the call.
    function _call(bytes memory data) internal returns (bool done) {
        (done,) = address(coordinator).call(data);
    }
}
// forge-lint: disable-end(unsafe-typecast)
