// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";

import {AccountProxy} from "./AccountProxy.sol";
import {Bonds} from "./Bonds.sol";
import {Errors} from "./Errors.sol";
import {Hashes} from "./Hashes.sol";
import {IGroupRegistry} from "./IGroupRegistry.sol";
import {Members} from "./Members.sol";
import {TermsRules} from "./TermsRules.sol";
import {Views} from "./Views.sol";
import {Class, FLAG_REPLICA, INBOX_COMMAND, INBOX_LEFT, Limit, Member, Target, Terms} from "./Types.sol";

/// @title GroupRegistry
/// @notice See {IGroupRegistry}. Bonds are in `Bonds`, what is only read in `Views`, the bounds of terms in `TermsRules`.
/// @dev A module: see {Module}.
contract GroupRegistry is Bonds, Members, Views {
    /// @dev In bytes: what takes more gas than a block has room for would keep nobody's command out anyway.
    uint256 private constant MAXIMUM_COMMAND = 16 * 1024;
    uint256 private constant FEE_UNIT = 1024;
    /// @dev An account that delegates has this code (EIP-7702), and the address behind it; no contract's begins so (EIP-3541).
    bytes3 private constant DELEGATION = 0xef0100;
    uint256 private constant DELEGATION_LENGTH = 23;

    // ---------------------------------------------------------------------------------------------------------
    // Transactions
    // ---------------------------------------------------------------------------------------------------------

    /// @inheritdoc IGroupRegistry
    function register(bytes32 key) external override onlyDelegated {
        require(key != 0, Errors.ZeroKey());

        _keys[msg.sender] = key;
        emit AgentRegistered(msg.sender, key);
    }

    /// @inheritdoc IGroupRegistry
    /// @dev The terms are copied to memory once: reading them from calldata is a kilobyte more of code.
    function createGroup(Member[] calldata members_, Terms memory terms, bytes32 salt)
        external
        override
        onlyDelegated
        returns (bytes32 groupId)
    {
        bytes32 membersHash = Hashes.hashMembers(members_);
        groupId = groupIdOf(msg.sender, salt, membersHash, keccak256(abi.encode(terms)));
        GroupState storage state = _groups[groupId];
        require(state.account == address(0), Errors.GroupExists(groupId));
        (uint128 totalWeight, uint8 replicaCount) = _checkMembers(members_);
        _checkAgents(members_);
        address account = accountOf(groupId);
        TermsRules.check(terms, account);

        state.account = account;
        _setTerms(state, terms);
        _beginEpoch(state, 0, membersHash, 0, 0, totalWeight);
        _seat(state, members_, replicaCount);
        emit GroupCreated(groupId, msg.sender, account, salt, terms, members_);

        // It is the address that was worked out above: the salt, the code and this contract make it.
        new AccountProxy{salt: groupId}(groupAccountImplementation());
    }

    /// @inheritdoc IGroupRegistry
    function leave(bytes32 groupId) external override onlyDelegated {
        GroupState storage state = _group(groupId);
        Seat storage seat = state.seats[msg.sender];
        require(seat.flags != 0, Errors.NotMember(groupId, msg.sender));
        require(!seat.left, Errors.AlreadyLeft(groupId, msg.sender));

        seat.left = true;
        _append(state, groupId, INBOX_LEFT, msg.sender, abi.encode(msg.sender));
        emit MemberLeft(groupId, msg.sender);
    }

    /// @inheritdoc IGroupRegistry
    function enqueue(bytes32 groupId, bytes calldata command)
        external
        payable
        override
        onlyDelegated
        returns (uint64 index)
    {
        GroupState storage state = _group(groupId);
        uint256 length = command.length;
        require(length != 0 && length <= MAXIMUM_COMMAND, Errors.InvalidCommandLength(length, MAXIMUM_COMMAND));
        uint256 fee = 0;
        if (state.seats[msg.sender].flags == 0) {
            // Each unit that is begun is paid in full.
            // slither-disable-next-line divide-before-multiply
            fee = state.inboxFee * ((length + FEE_UNIT - 1) / FEE_UNIT);
            require(fee != 0, Errors.InboxClosed(groupId, msg.sender));
        }
        require(msg.value == fee, Errors.WrongFee(msg.value, fee));

        index = _append(state, groupId, INBOX_COMMAND, msg.sender, command);
        // The account takes ether by itself, and calls nobody.
        if (fee != 0) Address.sendValue(payable(state.account), fee);
    }

    // ---------------------------------------------------------------------------------------------------------
    // Private
    // ---------------------------------------------------------------------------------------------------------

    /// @dev Keeps terms that were checked.
    function _setTerms(GroupState storage state, Terms memory terms) private {
        (state.stallTime, state.inboxDeadline, state.recoveryTime) =
        (terms.stallTime, terms.inboxDeadline, terms.recoveryTime);
        (state.inboxFee, state.uptimeFeed) = (terms.inboxFee, terms.uptimeFeed);
        (state.bond, state.evidenceWindow, state.reporterShare) =
        (terms.bond, terms.evidenceWindow, terms.reporterShare);
        uint256 count = terms.classes.length;
        // It fits: it was checked.
        // forge-lint: disable-next-line(unsafe-typecast)
        state.classCount = uint8(count);
        for (uint256 i = 0; i < count; ++i) {
            _setClass(state.classes[i], terms.classes[i]);
        }
    }

    function _setClass(ClassState storage state, Class memory class) private {
        (state.scope, state.opening, state.basis) = (class.scope, class.opening, class.basis);
        (state.escape, state.revotes) = (class.escape, class.revotes);
        (state.threshold, state.turnout, state.veto) = (class.threshold, class.turnout, class.veto);
        (state.votingPeriod, state.timelock, state.expiry, state.window) =
        (class.votingPeriod, class.timelock, class.expiry, class.window);
        state.name = class.name;
        for (uint256 i = 0; i < class.limits.length; ++i) {
            Limit memory limit = class.limits[i];
            state.assets.push(limit.asset);
            state.limits[limit.asset] =
                LimitState({perDecision: limit.perDecision, perWindow: limit.perWindow, set: true});
        }
        for (uint256 i = 0; i < class.targets.length; ++i) {
            Target memory target = class.targets[i];
            state.targetList.push(target);
            state.allowed[keccak256(abi.encode(target.target, target.selector))] = true;
        }
    }

    /// @dev Checks that every member has registered the key that it is listed with, and that replicas can sign checkpoints.
    function _checkAgents(Member[] calldata members_) private view {
        for (uint256 i = 0; i < members_.length; ++i) {
            address account = members_[i].account;
            bytes32 registered = _keys[account];
            require(registered != 0, Errors.NotRegistered(account));
            require(members_[i].key == registered, Errors.KeyMismatch(account, registered, members_[i].key));
            bool signs = members_[i].flags & FLAG_REPLICA == 0 || _hasNoCode(account);
            require(signs, Errors.ReplicaHasCode(account));
        }
    }

    /// @dev Whether the account has a key of its own: no code, or a delegation.
    function _hasNoCode(address account) private view returns (bool) {
        uint256 length = account.code.length;
        return length == 0 || (length == DELEGATION_LENGTH && bytes3(account.code) == DELEGATION);
    }
}
