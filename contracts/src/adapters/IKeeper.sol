// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {IAgentCoordinator} from "../IAgentCoordinator.sol";
import {Approval, Checkpoint, Content, Mandate, Member, Taken} from "../Types.sol";

/// @title IKeeper
/// @notice Refunds whoever anchors and executes for a group, from what the group put aside here, within limits that it set by a
/// decision. It has no rights: the coordinator takes the same calls from anybody, and what it refuses is refused here, as a whole.
///
/// Six functions have the coordinator's names, arguments and selectors: a sender puts this contract's address in place of the
/// coordinator's. Then the sender is paid
///
///     gas × min(tx.gasprice, base fee + tipCap, priceCap)
///
/// but never more than the balance, or than what is left of the day's budget. The gas is what the call took. To a sender without
/// code, thus one that sent the transaction itself, also the 21,000 of a transaction, its call data, and what the refund takes. Of
/// everything but `anchor` four fifths: the rest may come back to the sender for storage that was freed (EIP-3529), which no
/// contract can see. So nobody is ever paid more than the transaction cost, but on a chain that prices these below Ethereum.
///
/// What is not refunded: the fee of a rollup for its data on the chain below; what a transaction costs above its gas by EIP-7623's
/// floor; transactions that revert; a batch that executes nothing; an anchor that comes too soon after the last refunded one.
interface IKeeper {
    /// @notice What a group refunds. All zero, as it is at first, refunds nothing.
    /// @param priceCap The most for one gas, in wei.
    /// @param tipCap The most for one gas above the block's base fee, in wei: who makes blocks can pay itself any tip.
    /// @param gasCap The most gas that is refunded for one call.
    /// @param minimumEntries An anchor is refunded when its log has this many entries more than that of the last refunded one, ...
    /// @param minimumInterval ... and this many seconds have gone by since. One that begins an epoch always is.
    /// @param budget The most for one day of Unix time, in wei. Around midnight two days' budgets can be spent.
    struct Policy {
        uint64 priceCap;
        uint64 tipCap;
        uint32 gasCap;
        uint32 minimumEntries;
        uint32 minimumInterval;
        uint96 budget;
    }

    /// @notice Where a group's money here stands.
    /// @param balance What is there, in wei.
    /// @param left What of it may be refunded today.
    /// @param refundedSize The log size of the last refunded anchor.
    /// @param refundedAt When it was refunded (Unix time), or 0.
    struct Fund {
        uint256 balance;
        uint256 left;
        uint64 refundedSize;
        uint64 refundedAt;
    }

    /// @notice Somebody put ether aside for a group.
    event Deposited(bytes32 indexed groupId, address indexed sender, uint256 amount);

    /// @notice A group changed what it refunds.
    event PolicySet(bytes32 indexed groupId, Policy policy);

    /// @notice A group took back ether that it does not refund.
    event Withdrawn(bytes32 indexed groupId, uint256 amount);

    /// @notice A sender was refunded.
    /// @param groupId The group that paid.
    /// @param sender Who was paid.
    /// @param gas How much gas was refunded, before balance and budget cut it.
    /// @param price For how much each, in wei.
    /// @param amount What was paid, in wei.
    event Refunded(bytes32 indexed groupId, address indexed sender, uint256 gas, uint256 price, uint256 amount);

    /// @notice The address has no code, so it is no coordinator.
    error NoCoordinator(address given);
    /// @notice Only the group's account, by a decision of the group, may do this.
    error NotGroupAccount(bytes32 groupId, address caller);
    /// @notice The group was not made.
    error UnknownGroup(bytes32 groupId);
    /// @notice A deposit of nothing.
    error NothingDeposited();
    /// @notice A policy that refunds says how far apart anchors have to be, in entries, in time or both.
    error NoMinimum();
    /// @notice The group has less than that here.
    error NotEnough(bytes32 groupId, uint256 balance);
    /// @notice The receiver did not take the ether.
    error NotTaken(address receiver, uint256 amount);

    /// @notice Puts the value sent aside for a group, which alone can take it back.
    /// @dev Requires: the group was made; the value is above zero.
    function deposit(bytes32 groupId) external payable;

    /// @notice Sets what the group refunds, from now on; what was refunded today still counts.
    /// @dev Requires: the caller is the group's account; where the budget is above zero, a minimum is.
    function setPolicy(bytes32 groupId, Policy calldata policy) external;

    /// @notice Sends ether that was put aside back to the group's account.
    /// @dev Requires: the caller is that account; the group has as much here.
    /// @param groupId The group.
    /// @param amount Wei.
    function withdraw(bytes32 groupId, uint256 amount) external;

    /// @notice `anchor` of the coordinator, refunded by the group of the checkpoint.
    function anchor(
        Checkpoint calldata checkpoint,
        bytes calldata signatures,
        bytes32[] calldata consistency,
        Taken calldata taken
    ) external;

    /// @notice `anchorAndRotate` of the coordinator, refunded by the group of the checkpoint.
    function anchorAndRotate(
        Checkpoint calldata checkpoint,
        bytes calldata signatures,
        bytes32[] calldata consistency,
        Taken calldata taken,
        Member[] calldata nextMembers,
        Mandate calldata mandate
    ) external;

    /// @notice `executeAnchored` of the coordinator, refunded by the group.
    function executeAnchored(bytes32 groupId, uint64 anchoredSize, Approval calldata approval, bytes32[] calldata proof)
        external;

    /// @notice `executeAnchoredBatch` of the coordinator, refunded by the group unless all was executed or revoked before.
    function executeAnchoredBatch(
        bytes32 groupId,
        uint64 anchoredSize,
        Approval[] calldata approvals,
        bytes32[] calldata proof
    ) external;

    /// @notice `queueAnchored` of the coordinator, refunded by the group.
    function queueAnchored(bytes32 groupId, uint64 anchoredSize, Approval calldata approval, bytes32[] calldata proof)
        external;

    /// @notice `execute` of the coordinator, refunded by the group.
    function execute(bytes32 groupId, Content calldata content) external;

    /// @notice What the group refunds.
    function policyOf(bytes32 groupId) external view returns (Policy memory);

    /// @notice Where the group's money here stands.
    function fundOf(bytes32 groupId) external view returns (Fund memory);

    /// @notice Whether an anchor of a log of this size would be refunded now, as far as minimums tell.
    function isDue(bytes32 groupId, uint64 logSize) external view returns (bool);

    /// @notice The coordinator that the calls go to.
    function coordinator() external view returns (IAgentCoordinator);
}
