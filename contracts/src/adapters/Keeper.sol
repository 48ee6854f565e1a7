// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {LowLevelCall} from "@openzeppelin/contracts/utils/LowLevelCall.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {Hashes} from "../Hashes.sol";
import {IAgentCoordinator} from "../IAgentCoordinator.sol";
import {Approval, Checkpoint, Content, Mandate, Member, Status, Taken} from "../Types.sol";
import {IKeeper} from "./IKeeper.sol";

/// @title Keeper
/// @notice See {IKeeper}.
/// @dev Each forwarding function reads the gas, hands its own call data on as it is, reads the gas again, keeps the books and pays, in
/// this order. One guard is over all that moves ether out, so neither what a decision calls nor who is paid can come back in between.
contract Keeper is IKeeper, ReentrancyGuardTransient {
    using SafeCast for uint256;

    /// @dev What a group put aside, and what became of it.
    struct Book {
        // one slot
        uint96 balance;
        uint96 spent;
        uint24 day;
        uint40 refundedAt;
        // another
        uint64 refundedSize;
    }

    /// @dev What a sender is refunded for.
    enum Work {
        Anchor,
        Rotation,
        Execution
    }

    /// @dev Of a transaction, by itself.
    uint256 private constant TRANSACTION = 21_000;
    /// @dev What a refund takes behind the second look at the gas, where it is least: measured by KeeperGas.t.sol.
    uint256 private constant REFUND = 9000;
    // What a byte of call data costs.
    uint256 private constant ZERO_BYTE = 4;
    uint256 private constant NONZERO_BYTE = 16;

    /// @inheritdoc IKeeper
    IAgentCoordinator public immutable override coordinator;

    mapping(bytes32 groupId => Policy) private _policies;
    mapping(bytes32 groupId => Book) private _books;

    /// @param coordinator_ The `AgentCoordinator`.
    constructor(IAgentCoordinator coordinator_) {
        require(address(coordinator_).code.length != 0, NoCoordinator(address(coordinator_)));
        coordinator = coordinator_;
    }

    // ---------------------------------------------------------------------------------------------------------
    // The groups' money
    // ---------------------------------------------------------------------------------------------------------

    /// @inheritdoc IKeeper
    function deposit(bytes32 groupId) external payable override {
        require(msg.value != 0, NothingDeposited());
        require(coordinator.accountOf(groupId).code.length != 0, UnknownGroup(groupId));

        _books[groupId].balance += msg.value.toUint96();
        emit Deposited(groupId, msg.sender, msg.value);
    }

    /// @inheritdoc IKeeper
    function setPolicy(bytes32 groupId, Policy calldata policy) external override {
        _requireAccount(groupId);
        require(policy.budget == 0 || policy.minimumEntries != 0 || policy.minimumInterval != 0, NoMinimum());

        _policies[groupId] = policy;
        emit PolicySet(groupId, policy);
    }

    /// @inheritdoc IKeeper
    function withdraw(bytes32 groupId, uint256 amount) external override nonReentrant {
        _requireAccount(groupId);
        uint256 balance = _books[groupId].balance;
        require(amount <= balance, NotEnough(groupId, balance));

        _books[groupId].balance = (balance - amount).toUint96();
        emit Withdrawn(groupId, amount);
        _pay(msg.sender, amount);
    }

    // ---------------------------------------------------------------------------------------------------------
    // The coordinator's functions
    // ---------------------------------------------------------------------------------------------------------

    /// @inheritdoc IKeeper
    function anchor(Checkpoint calldata checkpoint, bytes calldata, bytes32[] calldata, Taken calldata)
        external
        override
        nonReentrant
    {
        uint256 gas = gasleft();
        _forward();
        (bytes32 groupId, uint64 logSize) = (checkpoint.groupId, checkpoint.logSize);
        if (isDue(groupId, logSize)) _refund(groupId, gas, Work.Anchor, logSize);
    }

    /// @inheritdoc IKeeper
    function anchorAndRotate(
        Checkpoint calldata checkpoint,
        bytes calldata,
        bytes32[] calldata,
        Taken calldata,
        Member[] calldata,
        Mandate calldata
    ) external override nonReentrant {
        uint256 gas = gasleft();
        _forward();
        // No later anchor is accepted without this one, and each epoch ends once.
        _refund(checkpoint.groupId, gas, Work.Rotation, checkpoint.logSize);
    }

    /// @inheritdoc IKeeper
    function executeAnchored(bytes32 groupId, uint64, Approval calldata, bytes32[] calldata)
        external
        override
        nonReentrant
    {
        uint256 gas = gasleft();
        _forward();
        _refund(groupId, gas, Work.Execution, 0);
    }

    /// @inheritdoc IKeeper
    function executeAnchoredBatch(bytes32 groupId, uint64, Approval[] calldata approvals, bytes32[] calldata)
        external
        override
        nonReentrant
    {
        uint256 gas = gasleft();
        bool executes = _anyIsLeft(groupId, approvals);
        _forward();
        if (executes) _refund(groupId, gas, Work.Execution, 0);
    }

    /// @inheritdoc IKeeper
    function queueAnchored(bytes32 groupId, uint64, Approval calldata, bytes32[] calldata)
        external
        override
        nonReentrant
    {
        uint256 gas = gasleft();
        _forward();
        _refund(groupId, gas, Work.Execution, 0);
    }

    /// @inheritdoc IKeeper
    function execute(bytes32 groupId, Content calldata) external override nonReentrant {
        uint256 gas = gasleft();
        _forward();
        _refund(groupId, gas, Work.Execution, 0);
    }

    // ---------------------------------------------------------------------------------------------------------
    // Views
    // ---------------------------------------------------------------------------------------------------------

    /// @inheritdoc IKeeper
    function policyOf(bytes32 groupId) external view override returns (Policy memory) {
        return _policies[groupId];
    }

    /// @inheritdoc IKeeper
    function fundOf(bytes32 groupId) external view override returns (Fund memory) {
        Book memory book = _books[groupId];
        return Fund({
            balance: book.balance,
            left: _left(book, _policies[groupId].budget),
            refundedSize: book.refundedSize,
            refundedAt: book.refundedAt
        });
    }

    /// @inheritdoc IKeeper
    function isDue(bytes32 groupId, uint64 logSize) public view override returns (bool) {
        Policy storage policy = _policies[groupId];
        Book storage book = _books[groupId];
        // Intervals are minutes and longer; what a block's producer can shift is below that.
        // slither-disable-next-line timestamp
        return uint256(logSize) >= uint256(book.refundedSize) + policy.minimumEntries
            && block.timestamp >= uint256(book.refundedAt) + policy.minimumInterval;
    }

    // ---------------------------------------------------------------------------------------------------------
    // Private
    // ---------------------------------------------------------------------------------------------------------

    /// @dev Makes the very call that came in, at the coordinator. What it reverts with is handed on.
    function _forward() private {
        // These functions answer nothing.
        // slither-disable-next-line unused-return
        Address.functionCall(address(coordinator), msg.data);
    }

    /// @dev Pays the sender for what was used since there were `gas` left.
    /// @param groupId The group that pays.
    /// @param gas What `gasleft` was.
    /// @param work What for.
    /// @param logSize The size of the log that was anchored, if one was.
    function _refund(bytes32 groupId, uint256 gas, Work work, uint64 logSize) private {
        Policy memory policy = _policies[groupId];
        Book memory book = _books[groupId];
        uint256 left = _left(book, policy.budget);
        // What is left depends on the day; what a block's producer can shift is far below that. Nothing is nothing.
        // slither-disable-next-line incorrect-equality,timestamp
        if (left == 0) return;
        uint256 around = _costAround();
        uint256 price = Math.min(tx.gasprice, Math.min(policy.priceCap, block.basefee + policy.tipCap));
        gas = gas - gasleft() + around;
        // What is called by an execution, and seats and votes that are cleared, may give gas back.
        if (work != Work.Anchor) gas = gas * 4 / 5;
        gas = Math.min(gas, policy.gasCap);
        uint256 amount = Math.min(gas * price, left);
        // As above.
        // slither-disable-next-line incorrect-equality
        if (amount == 0) return;

        (book.spent, book.day) = ((_spentToday(book) + amount).toUint96(), _today());
        book.balance -= amount.toUint96();
        if (work != Work.Execution) (book.refundedSize, book.refundedAt) = (logSize, block.timestamp.toUint40());
        _books[groupId] = book;
        emit Refunded(groupId, msg.sender, gas, price, amount);
        _pay(msg.sender, amount);
    }

    /// @dev Whatever the receiver answers is not looked at, so it costs nothing.
    function _pay(address receiver, uint256 amount) private {
        // It compares no time.
        // slither-disable-next-line timestamp
        require(LowLevelCall.callNoReturn(receiver, amount, ""), NotTaken(receiver, amount));
    }

    function _requireAccount(bytes32 groupId) private view {
        // Nobody but the coordinator can put code there, and nobody has a key of it.
        require(msg.sender == coordinator.accountOf(groupId), NotGroupAccount(groupId, msg.sender));
    }

    /// @dev Whether any of the decisions was neither executed nor revoked. One is enough: who pads a batch is paid what that costs, and
    /// to look at all of them would cost more.
    function _anyIsLeft(bytes32 groupId, Approval[] calldata approvals) private view returns (bool) {
        for (uint256 i = 0; i < approvals.length; ++i) {
            Approval calldata approval = approvals[i];
            bytes32 id = Hashes.proposalId(
                groupId,
                approval.proposer,
                approval.salt,
                approval.class,
                Hashes.hashCalls(approval.calls),
                approval.descriptionHash
            );
            // It looks at them one by one, and as a rule the first will do.
            // slither-disable-next-line calls-loop
            Status status = coordinator.proposal(groupId, id).status;
            if (status != Status.Executed && status != Status.Revoked) return true;
        }
        return false;
    }

    /// @dev What may be refunded today.
    function _left(Book memory book, uint256 budget) private view returns (uint256) {
        uint256 spent = _spentToday(book);
        // As in `_spentToday`.
        // slither-disable-next-line timestamp
        return spent >= budget ? 0 : Math.min(budget - spent, book.balance);
    }

    function _spentToday(Book memory book) private view returns (uint256) {
        // Days are days; what a block's producer can shift is far below that.
        // slither-disable-next-line incorrect-equality,timestamp
        return book.day == _today() ? book.spent : 0;
    }

    function _today() private view returns (uint24) {
        return (block.timestamp / 1 days).toUint24();
    }

    /// @dev What the sender pays beside the gas that is seen from here: known of a sender without code alone. It can call nothing but by
    /// a transaction of its own, which is this call and nothing else. A contract, or an account that delegates to one (EIP-7702),
    /// could make many calls in one transaction, with call data that it made up in memory.
    function _costAround() private view returns (uint256) {
        // It is asked who pays, and not who may.
        if (msg.sender != tx.origin || msg.sender.code.length != 0) return 0;
        uint256 zeros = _zeroBytes();
        return TRANSACTION + REFUND + zeros * ZERO_BYTE + (msg.data.length - zeros) * NONZERO_BYTE;
    }

    /// @dev How many bytes of the call data are zero, 32 at a time: adding 0x7f to the lower seven bits of each byte carries into the
    /// highest unless they are zero, so that bit stays off in a zero byte alone.
    function _zeroBytes() private pure returns (uint256 zeros) {
        // The division has no rest: 0xff goes into 2^256 - 1.
        // slither-disable-start divide-before-multiply
        uint256 ones = type(uint256).max / 0xff;
        uint256 low = 0x7f * ones;
        uint256 length = msg.data.length;
        for (uint256 at = 0; at < length; at += 32) {
            uint256 word;
            // slither-disable-next-line assembly
            assembly ("memory-safe") {
                word := calldataload(at)
            }
            unchecked {
                uint256 marks = ~(((word & low) + low) | word | low) >> 7;
                // The sum of all bytes is the highest byte of the product.
                zeros += (marks * ones) >> 248;
            }
        }
        // slither-disable-end divide-before-multiply
        // Behind the end there are zeros, which nobody sent.
        zeros -= (32 - length % 32) % 32;
    }
}
