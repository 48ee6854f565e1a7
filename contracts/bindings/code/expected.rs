//! The one right value of every immutable.

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256, U256, keccak256};

use super::deployed::{group_account_of, group_registry_of};
use crate::{DOMAIN_NAME, DOMAIN_VERSION, eip712_domain};

/// The values of all immutables of a coordinator and of what it makes, by name.
pub(super) struct Values(BTreeMap<&'static str, B256>);

impl Values {
    /// The values for a coordinator at this address on this chain.
    pub(super) fn of(chain_id: u64, coordinator: Address) -> Self {
        let separator = eip712_domain(chain_id, coordinator).separator();
        Self(BTreeMap::from([
            ("EIP712._cachedChainId", U256::from(chain_id).into()),
            ("EIP712._cachedDomainSeparator", separator),
            ("EIP712._cachedThis", coordinator.into_word()),
            ("EIP712._hashedName", keccak256(DOMAIN_NAME)),
            ("EIP712._hashedVersion", keccak256(DOMAIN_VERSION)),
            ("EIP712._name", short_string(DOMAIN_NAME)),
            ("EIP712._version", short_string(DOMAIN_VERSION)),
            ("GroupAccount.coordinator", coordinator.into_word()),
            ("AgentCoordinator.groupRegistry", group_registry_of(coordinator).into_word()),
            ("GroupRegistry._self", group_registry_of(coordinator).into_word()),
            ("GroupRegistry.groupAccountImplementation", group_account_of(coordinator).into_word()),
        ]))
    }

    /// The immutable's value, or nothing for one that this version does not know.
    pub(super) fn get(&self, name: &str) -> Option<B256> {
        self.0.get(name).copied()
    }
}

/// OpenZeppelin's `ShortString`: the text from the left, its length in the last byte.
fn short_string(text: &str) -> B256 {
    assert!(text.len() < 32, "a short string has at most 31 bytes");
    let mut word = B256::right_padding_from(text.as_bytes());
    word[31] = u8::try_from(text.len()).expect("it was checked above");
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_string_ends_with_its_length() {
        let word = short_string("Quorate");
        assert_eq!((&word[..7], &word[7..31], word[31]), (&b"Quorate"[..], &[0; 24][..], 7));
    }
}
