// SPDX-License-Identifier: Apache-2.0 OR MIT
// The pragmas of the dependencies are ranges, and take this version in.
// slither-disable-next-line pragma
pragma solidity 0.8.37;

import {Domain} from "./Domain.sol";
import {Errors} from "./Errors.sol";
import {Evidence} from "./Evidence.sol";
import {GroupAccount} from "./GroupAccount.sol";
import {IAnchoredLane} from "./IAnchoredLane.sol";
import {IOnChainLane} from "./IOnChainLane.sol";

/// @title AgentCoordinator
/// @notice See {IAgentCoordinator}. The parts of its own: `Anchors` accepts checkpoints, `AnchoredLane` executes what their logs prove,
/// `Evidence` convicts. Its modules, reached by the fallback: `OnChainLane` and `GroupRegistry`.
contract AgentCoordinator is Evidence {
    /// @inheritdoc IAnchoredLane
    address public immutable override onChainLane;

    /// @inheritdoc IAnchoredLane
    address public immutable override groupRegistry;

    bytes32 private immutable _separator;
    uint256 private immutable _chainId;

    /// @param onChainLane_ The `OnChainLane`.
    /// @param groupRegistry_ The `GroupRegistry`.
    constructor(address onChainLane_, address groupRegistry_) {
        require(onChainLane_.code.length != 0, Errors.NoCode(onChainLane_));
        require(groupRegistry_.code.length != 0, Errors.NoCode(groupRegistry_));

        onChainLane = onChainLane_;
        groupRegistry = groupRegistry_;
        _separator = super._domainSeparator();
        _chainId = block.chainid;
        // The first that this contract creates: its address follows from this contract's, and nobody need remember it.
        new GroupAccount();
    }

    /// @dev What this contract has no function for is the lane's, the registry's, or nobody's. Payable, because some functions are; the
    /// others refuse value by themselves, and plain ether is nobody's. Assembly, because the answer is passed on as it is.
    fallback() external payable {
        address module = _isOnChainLane(msg.sig) ? onChainLane : groupRegistry;
        // slither-disable-next-line assembly
        assembly ("memory-safe") {
            let memory_ := mload(0x40)
            calldatacopy(memory_, 0x00, calldatasize())
            let success := delegatecall(gas(), module, memory_, calldatasize(), 0x00, 0x00)
            returndatacopy(memory_, 0x00, returndatasize())
            if success { return(memory_, returndatasize()) }
            revert(memory_, returndatasize())
        }
    }

    /// @inheritdoc Domain
    function _domainSeparator() internal view override returns (bytes32) {
        // Once the chain has forked, what was signed for the other one counts no more; the modules work it out anew as well.
        return block.chainid == _chainId ? _separator : super._domainSeparator();
    }

    /// @dev Whether the lane has this function.
    function _isOnChainLane(bytes4 selector) private pure returns (bool) {
        return selector == IOnChainLane.vote.selector || selector == IOnChainLane.execute.selector
            || selector == IOnChainLane.propose.selector || selector == IOnChainLane.voteBySigs.selector
            || selector == IOnChainLane.approveBySigs.selector || selector == IOnChainLane.closeFromLog.selector
            || selector == IOnChainLane.cancel.selector || selector == IOnChainLane.veto.selector
            || selector == IOnChainLane.revoke.selector || selector == IOnChainLane.recover.selector
            || _isRead(selector);
    }

    /// @dev Whether it is one of those of the lane that only read.
    function _isRead(bytes4 selector) private pure returns (bool) {
        return selector == IOnChainLane.proposal.selector || selector == IOnChainLane.voteOf.selector
            || selector == IOnChainLane.spendable.selector || selector == IOnChainLane.isUp.selector
            || selector == IOnChainLane.verdict.selector || selector == IOnChainLane.proposalIdOf.selector
            || selector == IOnChainLane.hashCalls.selector || selector == IOnChainLane.hashVote.selector
            || selector == IOnChainLane.hashObjection.selector;
    }
}
