// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {ERC1155Holder} from "@openzeppelin/contracts/token/ERC1155/utils/ERC1155Holder.sol";
import {ERC721Holder} from "@openzeppelin/contracts/token/ERC721/utils/ERC721Holder.sol";
import {LowLevelCall} from "@openzeppelin/contracts/utils/LowLevelCall.sol";

import {Errors} from "./Errors.sol";
import {IGroupAccount} from "./IGroupAccount.sol";
import {Call} from "./Types.sol";

/// @title GroupAccount
/// @notice See {IGroupAccount}.
/// @dev The coordinator deploys this once and clones it (ERC-1167) for every group. The coordinator's address is an
/// immutable, thus part of the code that the clones delegate to: a clone has no initialiser that somebody could call
/// first, and the implementation itself is inert, because the coordinator never calls it.
contract GroupAccount is IGroupAccount, ERC721Holder, ERC1155Holder {
    /// @inheritdoc IGroupAccount
    address public immutable override coordinator;

    /// @inheritdoc IGroupAccount
    mapping(bytes32 hash => bool) public override isApproved;

    constructor() {
        coordinator = msg.sender;
    }

    receive() external payable {
        emit Received(msg.sender, msg.value);
    }

    /// @inheritdoc IGroupAccount
    function execute(Call[] calldata calls) external override {
        require(msg.sender == coordinator, Errors.NotCoordinator(msg.sender));

        for (uint256 i = 0; i < calls.length; ++i) {
            Call calldata call = calls[i];
            // No `require`: that takes in its error's values, and what was returned with them, also when nothing failed.
            if (!_call(call.target, call.value, call.data)) {
                revert Errors.CallFailed(i, call.target, LowLevelCall.returnData());
            }
        }
    }

    /// @inheritdoc IGroupAccount
    function setApproval(bytes32 hash, bool approved) external override {
        require(msg.sender == address(this), Errors.NotSelf(msg.sender));

        isApproved[hash] = approved;
        emit ApprovalSet(hash, approved);
    }

    /// @inheritdoc IERC1271
    function isValidSignature(bytes32 hash, bytes calldata) external view override returns (bytes4) {
        return isApproved[hash] ? IERC1271.isValidSignature.selector : bytes4(0xffffffff);
    }

    /// @dev Assembly, because what a successful call returns is never copied: a target must not make the caller pay for
    /// that. The data is put behind the free memory pointer, and nothing keeps it.
    function _call(address target, uint256 value, bytes calldata data) private returns (bool success) {
        // slither-disable-next-line assembly
        assembly ("memory-safe") {
            let input := mload(0x40)
            calldatacopy(input, data.offset, data.length)
            success := call(gas(), target, value, input, data.length, 0x00, 0x00)
        }
    }
}
