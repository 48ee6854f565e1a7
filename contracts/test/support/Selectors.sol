// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {IAnchoredLane} from "../../src/IAnchoredLane.sol";
import {IGroupRegistry} from "../../src/IGroupRegistry.sol";
import {IOnChainLane} from "../../src/IOnChainLane.sol";

/// @notice Every function of the three interfaces that are one contract.
abstract contract Selectors {
    function _anchoredLane() internal pure returns (bytes4[] memory selectors) {
        selectors = new bytes4[](8);
        selectors[0] = IAnchoredLane.anchor.selector;
        selectors[1] = IAnchoredLane.anchorAndRotate.selector;
        selectors[2] = IAnchoredLane.executeAnchored.selector;
        selectors[3] = IAnchoredLane.executeAnchoredBatch.selector;
        selectors[4] = IAnchoredLane.queueAnchored.selector;
        selectors[5] = IAnchoredLane.reportContradiction.selector;
        selectors[6] = IAnchoredLane.onChainLane.selector;
        selectors[7] = IAnchoredLane.groupRegistry.selector;
    }

    function _onChainLane() internal pure returns (bytes4[] memory selectors) {
        selectors = new bytes4[](19);
        selectors[0] = IOnChainLane.propose.selector;
        selectors[1] = IOnChainLane.vote.selector;
        selectors[2] = IOnChainLane.voteBySigs.selector;
        selectors[3] = IOnChainLane.approveBySigs.selector;
        selectors[4] = IOnChainLane.closeFromLog.selector;
        selectors[5] = IOnChainLane.cancel.selector;
        selectors[6] = IOnChainLane.execute.selector;
        selectors[7] = IOnChainLane.veto.selector;
        selectors[8] = IOnChainLane.revoke.selector;
        selectors[9] = IOnChainLane.recover.selector;
        selectors[10] = IOnChainLane.proposal.selector;
        selectors[11] = IOnChainLane.voteOf.selector;
        selectors[12] = IOnChainLane.spendable.selector;
        selectors[13] = IOnChainLane.isUp.selector;
        selectors[14] = IOnChainLane.verdict.selector;
        selectors[15] = IOnChainLane.proposalIdOf.selector;
        selectors[16] = IOnChainLane.hashCalls.selector;
        selectors[17] = IOnChainLane.hashVote.selector;
        selectors[18] = IOnChainLane.hashObjection.selector;
    }

    function _groupRegistry() internal pure returns (bytes4[] memory selectors) {
        selectors = new bytes4[](35);
        selectors[0] = IGroupRegistry.register.selector;
        selectors[1] = IGroupRegistry.createGroup.selector;
        selectors[2] = IGroupRegistry.leave.selector;
        selectors[3] = IGroupRegistry.enqueue.selector;
        selectors[4] = IGroupRegistry.deposit.selector;
        selectors[5] = IGroupRegistry.depositFor.selector;
        selectors[6] = IGroupRegistry.requestWithdrawal.selector;
        selectors[7] = IGroupRegistry.stay.selector;
        selectors[8] = IGroupRegistry.withdraw.selector;
        selectors[9] = IGroupRegistry.keyOf.selector;
        selectors[10] = IGroupRegistry.group.selector;
        selectors[11] = IGroupRegistry.members.selector;
        selectors[12] = IGroupRegistry.epochStart.selector;
        selectors[13] = IGroupRegistry.memberOf.selector;
        selectors[14] = IGroupRegistry.seatOf.selector;
        selectors[15] = IGroupRegistry.countedReplicas.selector;
        selectors[16] = IGroupRegistry.hasStalled.selector;
        selectors[17] = IGroupRegistry.isDead.selector;
        selectors[18] = IGroupRegistry.quorum.selector;
        selectors[19] = IGroupRegistry.latestAnchor.selector;
        selectors[20] = IGroupRegistry.anchoredRoot.selector;
        selectors[21] = IGroupRegistry.inbox.selector;
        selectors[22] = IGroupRegistry.inboxMessage.selector;
        selectors[23] = IGroupRegistry.bondOf.selector;
        selectors[24] = IGroupRegistry.groupIdOf.selector;
        selectors[25] = IGroupRegistry.accountOf.selector;
        selectors[26] = IGroupRegistry.groupAccountImplementation.selector;
        selectors[27] = IGroupRegistry.hashDecision.selector;
        selectors[28] = IGroupRegistry.hashCheckpoint.selector;
        selectors[29] = IGroupRegistry.hashInboxTaken.selector;
        selectors[30] = IGroupRegistry.contradict.selector;
        selectors[31] = IGroupRegistry.domainSeparator.selector;
        selectors[32] = IGroupRegistry.eip712Domain.selector;
        selectors[33] = IGroupRegistry.verifyInclusion.selector;
        selectors[34] = IGroupRegistry.verifyConsistency.selector;
    }

    /// @dev As `type(…).interfaceId` has it.
    function _xor(bytes4[] memory selectors) internal pure returns (bytes4 all) {
        for (uint256 i = 0; i < selectors.length; ++i) {
            all ^= selectors[i];
        }
    }

    function _isIn(bytes4[] memory selectors, bytes4 selector) internal pure returns (bool) {
        for (uint256 i = 0; i < selectors.length; ++i) {
            if (selectors[i] == selector) return true;
        }
        return false;
    }
}
