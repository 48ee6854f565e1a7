// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {Approval, Checkpoint, Fork, Mandate, Member, Taken} from "./Types.sol";

/// @title IAnchoredLane
/// @notice Anchors, what their logs prove, and evidence: the part of {IAgentCoordinator} that `AgentCoordinator` has the code of.
interface IAnchoredLane {
    /// @notice Accepts a checkpoint of a group's log. Anybody may send it. The root stays provable for good.
    /// @dev Requires:
    /// - the epoch is the current one, the sequence is above the last anchor's, and the log is the last anchor's or extends
    ///   it, which the consistency proof shows;
    /// - the log has taken in as many messages of the inbox as before or more, and `inboxHash` is the hash of exactly those;
    ///   when it takes any, `taken` proves the entry of the last one; it leaves none out beyond its deadline, unless it took
    ///   64 or more;
    /// - `nextMembersHash` is zero: a checkpoint that ends its epoch goes to `anchorAndRotate`;
    /// - at least a quorum of signatures, each by a replica whose signature counts, on the EIP-712 digest of the checkpoint: 65
    ///   bytes (r, s, v) with low s, one after the other without padding, by strictly ascending signer.
    /// A replica's signature counts unless it was convicted, or the terms ask for a bond and it has not deposited it, or has
    /// asked for it back and its notice is over.
    /// @param checkpoint The checkpoint.
    /// @param signatures The signatures. More than a quorum is accepted and costs gas for nothing.
    /// @param consistency The RFC 9162 consistency proof from the last anchor's log; empty for the first anchor, and where the log
    /// has not grown.
    /// @param taken The entry of the last message taken, when any is.
    function anchor(
        Checkpoint calldata checkpoint,
        bytes calldata signatures,
        bytes32[] calldata consistency,
        Taken calldata taken
    ) external;

    /// @notice Accepts the checkpoint that ends an epoch, and begins the next epoch with the members that the checkpoint
    /// names. Anybody may send it. From then on only a quorum of the new epoch moves anchors.
    ///
    /// The new members' keys are not compared with `keyOf`, and the members need not be registered: the group has taken its
    /// decision off-chain, and if the contract could refuse then, whoever re-registers in time could cut it off for good.
    /// Replicas may come and go by the word of the old ones; weights change only by the voters' own signatures.
    /// @dev Requires:
    /// - what `anchor` requires, but that `nextMembersHash` is the hash of exactly these members, and that a message may be left
    ///   out beyond its deadline when no anchor was accepted for the stall time;
    /// - at most 64 members, by strictly ascending account, none the zero address, no key zero or twice;
    /// - flags are voter, replica or both; a voter's weight is above zero, anybody else's is zero;
    /// - at least 4 replicas;
    /// - where any account's weight differs from what it is now, a mandate: see `Mandate`.
    /// @param checkpoint The last checkpoint of the current epoch.
    /// @param signatures As for `anchor`.
    /// @param consistency As for `anchor`.
    /// @param taken As for `anchor`.
    /// @param nextMembers The members of the next epoch.
    /// @param mandate The voters' word, where weights change.
    function anchorAndRotate(
        Checkpoint calldata checkpoint,
        bytes calldata signatures,
        bytes32[] calldata consistency,
        Taken calldata taken,
        Member[] calldata nextMembers,
        Mandate calldata mandate
    ) external;

    /// @notice Makes the calls of a decision that the group took off-chain, in a class without a timelock. Anybody may send it.
    /// When a call fails that must not, all is as before: it can be tried again until its time is over.
    /// @dev Requires:
    /// - the class has no timelock (`queueAnchored` is for those that have one);
    /// - the proof leads from exactly this approval's entry to the root anchored for `anchoredSize`;
    /// - the class' expiry since the batch that decided is not over, nor since the end of the approval's epoch, when that has
    ///   ended; and the entry is one of that epoch;
    /// - the class permits the calls, by limits and window too;
    /// - the proposal was not executed in any lane, nor revoked.
    /// @param groupId The group.
    /// @param anchoredSize The log size of an anchor.
    /// @param approval The decision, with its calls and its entry.
    /// @param proof The RFC 9162 inclusion proof of the entry in the log of that size.
    function executeAnchored(bytes32 groupId, uint64 anchoredSize, Approval calldata approval, bytes32[] calldata proof)
        external;

    /// @notice Makes the calls of several decisions that the group took off-chain. Anybody may send it. One that was executed
    /// or revoked meanwhile is passed over (`ExecutionSkipped`); a call that fails and must not undoes all.
    /// @dev Requires what `executeAnchored` requires of each that is not passed over, and that the indices strictly ascend. The
    /// calls are made in the order of the log.
    /// @param groupId The group.
    /// @param anchoredSize The log size of an anchor.
    /// @param approvals The decisions, with their calls and their entries.
    /// @param proof One proof for all entries, as `MerkleLog.verifyMany` takes it: level by level from the leaves up, and
    /// from left to right, each node that is not worked out from the entries.
    function executeAnchoredBatch(
        bytes32 groupId,
        uint64 anchoredSize,
        Approval[] calldata approvals,
        bytes32[] calldata proof
    ) external;

    /// @notice Approves on-chain, with its calls in the open, a decision that the group took off-chain in a class with a
    /// timelock, which runs from here. From then on it is an approved proposal of the on-chain lane: `execute`, `veto`,
    /// `revoke`. Anybody may send it.
    /// @dev Requires what `executeAnchored` requires, but a timelock, and not the window; the proposal is not approved here.
    /// @param groupId The group.
    /// @param anchoredSize The log size of an anchor.
    /// @param approval The decision, with its calls and its entry.
    /// @param proof The RFC 9162 inclusion proof of the entry in the log of that size.
    function queueAnchored(bytes32 groupId, uint64 anchoredSize, Approval calldata approval, bytes32[] calldata proof)
        external;

    /// @notice Shows that a replica signed two checkpoints that no correct replica can have signed both. It forfeits its bond: the
    /// reporter has the share that the group agreed on, the group's account the rest. Its signature counts no more. The group's
    /// inbox tells its replicas. Anybody may send it.
    /// @dev Two checkpoints of one group and era contradict each other when they differ and neither precedes the other, see
    /// `Contradictions`; or when the fork shows two leaves at one index of their logs. Requires: both signatures are one
    /// account's; it had a replica's seat in the epoch of either checkpoint, or has a bond of at least the terms'; it was not
    /// convicted before; the later of the two epochs is the current one, or ended within the evidence window.
    /// @param first A checkpoint.
    /// @param firstSignature The replica's signature on it, as for `anchor`.
    /// @param second Another one.
    /// @param secondSignature The replica's signature on that.
    /// @param members The members of the epoch of either checkpoint, when the seat was in an epoch that has ended; else empty.
    /// @param fork Two leaves at one index, where the checkpoints alone do not contradict each other; else all zero.
    function reportContradiction(
        Checkpoint calldata first,
        bytes calldata firstSignature,
        Checkpoint calldata second,
        bytes calldata secondSignature,
        Member[] calldata members,
        Fork calldata fork
    ) external;

    /// @notice The contract that has the code of {IOnChainLane}.
    function onChainLane() external view returns (address);

    /// @notice The contract that has the code of {IGroupRegistry}.
    function groupRegistry() external view returns (address);
}
