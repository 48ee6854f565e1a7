// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

import {Domain} from "./Domain.sol";

/// @title Signatures
/// @notice Who signed: an account by 65 bytes, or one with code by what it accepts.
abstract contract Signatures is Domain {
    uint256 internal constant SIGNATURE_LENGTH = 65;

    /// @dev The account that signed, or zero: 65 bytes (r, s, v) with low s, and v 27 or 28, or 0 or 1 as some wallets have it.
    function _recover(bytes32 digest, bytes calldata signature) internal pure returns (address signer) {
        if (signature.length != SIGNATURE_LENGTH) return address(0);
        uint8 v = uint8(signature[64]);
        if (v < 2) v += 27;
        ECDSA.RecoverError failure;
        // The value left out only says more about a failure, and no failure passes.
        // slither-disable-next-line unused-return
        (signer, failure,) = ECDSA.tryRecover(digest, v, bytes32(signature[0:32]), bytes32(signature[32:64]));
        if (failure != ECDSA.RecoverError.NoError) return address(0);
    }

    /// @dev Whether the account signed: by its key, or, where it has code, by ERC-1271. The key comes first, so that an account that
    /// delegates to code (EIP-7702) signs as it did before.
    function _signedBy(address account, bytes32 digest, bytes calldata signature) internal view returns (bool) {
        if (account != address(0) && _recover(digest, signature) == account) return true;
        if (account.code.length == 0) return false;
        return _accepts(account, abi.encodeCall(IERC1271.isValidSignature, (digest, signature)));
    }

    /// @dev Assembly, because what is returned is not copied beyond a word.
    function _accepts(address account, bytes memory question) private view returns (bool accepts) {
        bytes32 yes = IERC1271.isValidSignature.selector;
        // slither-disable-next-line assembly
        assembly ("memory-safe") {
            accepts := staticcall(gas(), account, add(question, 0x20), mload(question), 0x00, 0x20)
            accepts := and(accepts, and(gt(returndatasize(), 0x1f), eq(mload(0x00), yes)))
        }
    }
}
