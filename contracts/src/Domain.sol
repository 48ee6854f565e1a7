// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

/// @title Domain
/// @notice The EIP-712 domain of everything that is signed for the coordinator: name `Quorate`, version `1`, the chain's id, the
/// coordinator. By `delegatecall` a module has the coordinator's.
abstract contract Domain {
    bytes32 internal constant DOMAIN_TYPEHASH =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 internal constant NAME_HASH = keccak256("Quorate");
    bytes32 internal constant VERSION_HASH = keccak256("1");

    /// @dev The domain separator, worked out anew.
    function _domainSeparator() internal view virtual returns (bytes32) {
        return keccak256(abi.encode(DOMAIN_TYPEHASH, NAME_HASH, VERSION_HASH, block.chainid, address(this)));
    }

    /// @dev The EIP-712 digest of a struct's hash.
    function _digest(bytes32 structHash) internal view returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", _domainSeparator(), structHash));
    }
}
