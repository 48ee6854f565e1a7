//! Where the coordinator goes: by CREATE2 through a proxy that most chains have, with a fixed salt, so that one
//! build has one address on every chain, whoever deploys it.
//!
//! The address commits to the whole creation code (EIP-1014), constructor included. Whoever finds the coordinator at
//! this address therefore also knows that nothing but its constructor has written into its storage before it began to
//! live. The runtime code alone does not prove that.

use alloy::primitives::{Address, B256, Bytes, address, hex};

/// The deterministic deployment proxy (<https://github.com/Arachnid/deterministic-deployment-proxy>). It calls
/// CREATE2 with the first 32 bytes of what it is sent as the salt and the rest as the creation code.
pub const PROXY: Address = address!("4e59b44847b379578588920cA78FbF26c0B4956C");

/// The proxy's code. Another contract at its address could do anything with what it is sent.
pub const PROXY_CODE: [u8; 69] = hex!(
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f58015156039578182fd5b8082525050506014600cf3"
);

/// The account that makes the proxy on a chain, by [`PROXY_TRANSACTION`]. Nobody has its key: the signature was made up
/// and the account follows from it, so that it never signs anything else.
pub const PROXY_MAKER: Address = address!("3fab184622dc19b6109349b94811493bf2a45362");

/// The transaction that makes the proxy, signed and for any chain. Whoever sends it first sends 0.01 ether to
/// [`PROXY_MAKER`], which pays for 100,000 gas at 100 gwei.
pub const PROXY_TRANSACTION: [u8; 167] = hex!(
    "f8a58085174876e800830186a08080b853604580600e600039806000f350fe7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f58015156039578182fd5b8082525050506014600cf3"
    "1ba02222222222222222222222222222222222222222222222222222222222222222a02222222222222222222222222222222222222222222222222222222222222222"
);

/// The salt: zero, because all that the address should depend on is in the creation code.
pub const SALT: B256 = B256::ZERO;

/// The address at which the proxy creates a contract of this creation code.
#[must_use]
pub fn address(creation_code: &[u8]) -> Address {
    PROXY.create2_from_code(SALT, creation_code)
}

/// What to send to the proxy to create a contract of this creation code.
#[must_use]
pub fn calldata(creation_code: &[u8]) -> Bytes {
    [SALT.as_slice(), creation_code].concat().into()
}

#[cfg(test)]
mod tests {
    use alloy::primitives::keccak256;

    use super::*;

    #[test]
    fn the_address_is_that_of_eip_1014() {
        let code = [1, 2, 3];
        let preimage = [&[0xff][..], PROXY.as_slice(), &[0; 32], keccak256(code).as_slice()].concat();
        assert_eq!(address(&code), Address::from_slice(&keccak256(preimage)[12..]));
        assert_ne!(address(&code), address(&[1, 2, 4]));
    }

    #[test]
    fn the_proxy_is_what_its_maker_makes_first() {
        assert_eq!(PROXY_MAKER.create(0), PROXY);
    }

    #[test]
    fn the_documentation_has_the_transaction_that_makes_the_proxy() {
        let readme = include_str!("../README.md");
        assert!(readme.contains(&hex::encode_prefixed(PROXY_TRANSACTION)));
        assert!(readme.contains(&PROXY.to_string()) && readme.contains(&format!("{PROXY_MAKER:?}")));
    }

    #[test]
    fn the_proxy_is_sent_the_salt_and_then_the_code() {
        assert_eq!(calldata(&[7])[..], [[0; 32].as_slice(), &[7]].concat());
    }
}
