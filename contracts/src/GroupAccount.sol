// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {IERC721Receiver} from "@openzeppelin/contracts/token/ERC721/IERC721Receiver.sol";
import {ERC1155Holder} from "@openzeppelin/contracts/token/ERC1155/utils/ERC1155Holder.sol";
import {ERC721Holder} from "@openzeppelin/contracts/token/ERC721/utils/ERC721Holder.sol";
import {LowLevelCall} from "@openzeppelin/contracts/utils/LowLevelCall.sol";

import {Errors} from "./Errors.sol";
import {IGroupAccount} from "./IGroupAccount.sol";
import {Call} from "./Types.sol";

/// @title GroupAccount
/// @notice See {IGroupAccount}.
/// @dev The coordinator deploys this once, and an `AccountProxy` to it for every group. The coordinator's address is an
/// immutable, thus part of the code that the proxies delegate to: an account has no initialiser that somebody could call
/// first, and the implementation itself is inert, because the coordinator never calls it.
contract GroupAccount is IGroupAccount, ERC721Holder, ERC1155Holder {
    /// @dev What has to be left, beside the gas that a call names: for the call itself, which takes at most 36,600 (a first
    /// look, a value, a new account), and for what comes before it.
    uint256 private constant GAS_AROUND_A_CALL = 40_000;
    uint256 private constant LONGEST_APPROVAL = 365 days;

    // ERC-20's functions that say by a word whether they worked.
    bytes4 private constant TRANSFER = 0xa9059cbb;
    bytes4 private constant TRANSFER_FROM = 0x23b872dd;
    bytes4 private constant APPROVE = 0x095ea7b3;
    bytes4 private constant INCREASE_ALLOWANCE = 0x39509351;

    /// @inheritdoc IGroupAccount
    address public immutable override coordinator;

    /// @inheritdoc IGroupAccount
    mapping(bytes32 hash => uint64) public override approvedUntil;

    /// @inheritdoc IGroupAccount
    address public override fallbackHandler;

    modifier onlySelf() {
        require(msg.sender == address(this), Errors.NotSelf(msg.sender));
        _;
    }

    constructor() {
        coordinator = msg.sender;
    }

    /// @dev A function that the account has not is the handler's, or nobody's. Static, or the handler could act as the account.
    /// Assembly, because the answer is passed on as it is.
    fallback() external {
        address handler = fallbackHandler;
        // slither-disable-next-line assembly
        assembly ("memory-safe") {
            if iszero(handler) { revert(0x00, 0x00) }
            let memory_ := mload(0x40)
            calldatacopy(memory_, 0x00, calldatasize())
            mstore(add(memory_, calldatasize()), shl(96, caller()))
            let success := staticcall(gas(), handler, memory_, add(calldatasize(), 0x14), 0x00, 0x00)
            returndatacopy(memory_, 0x00, returndatasize())
            if success { return(memory_, returndatasize()) }
            revert(memory_, returndatasize())
        }
    }

    /// @inheritdoc IGroupAccount
    function execute(Call[] calldata calls) external override returns (uint256 failures) {
        require(msg.sender == coordinator, Errors.NotCoordinator(msg.sender));

        for (uint256 i = 0; i < calls.length; ++i) {
            Call calldata call = calls[i];
            bytes calldata data = call.data;
            uint256 most = type(uint256).max;
            if (call.gas != 0) {
                _requireGas(i, call.gas);
                // What may fail gets what it names and no more: or it could burn what the calls behind it need.
                if (call.allowFailure) most = call.gas;
            }
            // Data that nothing looks at does nothing, and must not pass for having done it.
            bool ignored = data.length != 0 && !call.allowNoCode && call.target.code.length == 0;
            if (!ignored && _call(call.target, call.value, data, most)) continue;
            if (!call.allowFailure) {
                revert Errors.CallFailed(i, call.target, ignored ? bytes("") : LowLevelCall.returnData());
            }
            // Bit i it is.
            // forge-lint: disable-next-line(incorrect-shift)
            failures |= 1 << i;
        }
    }

    /// @inheritdoc IGroupAccount
    function setApproval(bytes32 hash, uint64 until) external override onlySelf {
        _setApproval(hash, until);
    }

    /// @inheritdoc IGroupAccount
    function setTypedApproval(bytes32 domainSeparator, string calldata typeString, bytes calldata data, uint64 until)
        external
        override
        onlySelf
        returns (bytes32 hash)
    {
        require(data.length % 32 == 0, Errors.InvalidTypedData(data.length));

        bytes32 structHash = keccak256(abi.encodePacked(keccak256(bytes(typeString)), data));
        hash = keccak256(abi.encodePacked(hex"1901", domainSeparator, structHash));
        _setApproval(hash, until);
    }

    /// @inheritdoc IGroupAccount
    // Zero is nobody, as it was before the first.
    // slither-disable-next-line missing-zero-check
    function setFallbackHandler(address handler) external override onlySelf {
        fallbackHandler = handler;
        emit FallbackHandlerSet(handler);
    }

    /// @inheritdoc IERC1271
    function isValidSignature(bytes32 hash, bytes calldata) external view override returns (bytes4) {
        // An approval lasts for as long as the group said; what a block's producer can shift is far below that.
        // slither-disable-next-line timestamp
        return block.timestamp <= approvedUntil[hash] ? IERC1271.isValidSignature.selector : bytes4(0xffffffff);
    }

    /// @notice Whether the account has this interface (ERC-165): ERC-165, ERC-1271, and the receivers of ERC-721 and ERC-1155.
    function supportsInterface(bytes4 interfaceId) public view override returns (bool) {
        return interfaceId == type(IERC1271).interfaceId || interfaceId == type(IERC721Receiver).interfaceId
            || super.supportsInterface(interfaceId);
    }

    // ---------------------------------------------------------------------------------------------------------
    // Private
    // ---------------------------------------------------------------------------------------------------------

    function _setApproval(bytes32 hash, uint64 until) private {
        uint256 latest = block.timestamp + LONGEST_APPROVAL;
        // A bound of a year; what a block's producer can shift is far below that.
        // slither-disable-next-line timestamp
        require(until <= latest, Errors.InvalidApprovalEnd(until, latest));

        approvedUntil[hash] = until;
        emit ApprovalSet(hash, until);
    }

    /// @dev Makes a call with all gas that there is, or so much at most, and says whether it worked. Assembly, because what a successful call
    /// returns is never copied beyond its first word: a target must not make the caller pay for that. The data is put behind
    /// the free memory pointer, and nothing keeps it.
    function _call(address target, uint256 value, bytes calldata data, uint256 most) private returns (bool success) {
        bool saysNo;
        // slither-disable-next-line assembly
        assembly ("memory-safe") {
            let input := mload(0x40)
            calldatacopy(input, data.offset, data.length)
            success := call(most, target, value, input, data.length, 0x00, 0x20)
            // A whole word that is zero; what returns none has said nothing.
            saysNo := and(success, and(gt(returndatasize(), 0x1f), iszero(mload(0x00))))
        }
        if (saysNo) success = !_saysWhether(data);
    }

    /// @dev That many of the 64ths of what is left as a call gets (EIP-150) have to be enough: or whoever executes could choose
    /// the gas so that this call fails and the rest goes through.
    function _requireGas(uint256 position, uint256 named) private view {
        uint256 left = gasleft();
        require(left - left / 64 >= named + GAS_AROUND_A_CALL, Errors.NotEnoughGas(position, left));
    }

    /// @dev Whether the data calls a function that returns false where others revert.
    function _saysWhether(bytes calldata data) private pure returns (bool) {
        if (data.length < 4) return false;
        // The selector is what is cut off.
        // forge-lint: disable-next-line(unsafe-typecast)
        bytes4 selector = bytes4(data);
        return
            selector == TRANSFER || selector == TRANSFER_FROM || selector == APPROVE || selector == INCREASE_ALLOWANCE;
    }
}
