//! secp256k1 accounts: what signs for the chain.

use std::fmt;

use alloy_primitives::{Address, B256, hex, keccak256};
use k256::ecdsa::{RecoveryId, SigningKey, VerifyingKey};
use minicbor::decode::Error as DecodeError;
use minicbor::encode::{Error as EncodeError, Write};
use minicbor::{CborLen, Decode, Decoder, Encode, Encoder};
use serde::{Deserialize, Serialize};

/// A recoverable secp256k1 signature, `r || s || v` with `s` in the lower half and `v` 27 or 28, or 0 or 1 as some
/// signers have it; as the contract takes it (EIP-2 for low s).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct AccountSignature(pub [u8; 65]);

impl AccountSignature {
    /// The account that signed `digest`, or nothing if the signature is malformed or malleable (high s).
    pub fn recover(&self, digest: &B256) -> Option<Address> {
        let recovery = match self.0[64] {
            0 | 27 => RecoveryId::new(false, false),
            1 | 28 => RecoveryId::new(true, false),
            _ => return None,
        };
        let signature = k256::ecdsa::Signature::from_slice(&self.0[..64]).ok()?;
        if signature.normalize_s().is_some() {
            return None;
        }
        let key = VerifyingKey::recover_from_prehash(digest.as_slice(), &signature, recovery).ok()?;
        Some(address_of(&key))
    }
}

impl fmt::Debug for AccountSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode_prefixed(self.0))
    }
}

impl Serialize for AccountSignature {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&hex::encode_prefixed(self.0))
    }
}

impl<'de> Deserialize<'de> for AccountSignature {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        let mut bytes = [0; 65];
        hex::decode_to_slice(text.as_ref(), &mut bytes).map_err(serde::de::Error::custom)?;
        Ok(Self(bytes))
    }
}

impl<C> Encode<C> for AccountSignature {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        e.bytes(&self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for AccountSignature {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        let bytes =
            d.bytes()?.try_into().map_err(|_| DecodeError::message("an account signature has 65 bytes"))?;
        Ok(Self(bytes))
    }
}

impl<C> CborLen<C> for AccountSignature {
    fn cbor_len(&self, _: &mut C) -> usize {
        67
    }
}

/// A secp256k1 signing key. Wiped from memory when dropped; never printed.
#[derive(Clone)]
pub struct AccountKey(SigningKey);

/// A secret that is not a secp256k1 key: zero, or not below the group's order.
#[derive(Debug, thiserror::Error)]
#[error("the secret is not a secp256k1 key")]
pub struct InvalidAccountKey;

impl AccountKey {
    /// A fresh key from the operating system's randomness.
    pub fn generate() -> Self {
        loop {
            if let Ok(key) = Self::from_secret(&rand::random()) {
                return key;
            }
        }
    }

    /// The key of a 32-byte secret.
    ///
    /// # Errors
    /// When the secret is zero or not below the group's order.
    pub fn from_secret(secret: &[u8; 32]) -> Result<Self, InvalidAccountKey> {
        SigningKey::from_slice(secret).map(Self).map_err(|_| InvalidAccountKey)
    }

    /// The 32-byte secret, for an encrypted keystore and for nothing else.
    pub fn secret(&self) -> [u8; 32] {
        self.0.to_bytes().into()
    }

    /// The account's address.
    pub fn address(&self) -> Address {
        address_of(self.0.verifying_key())
    }

    /// Signs an EIP-712 digest (deterministic nonce of RFC 6979, low s).
    pub fn sign_digest(&self, digest: &B256) -> AccountSignature {
        let (signature, recovery) =
            self.0.sign_prehash_recoverable(digest.as_slice()).expect("a 32-byte digest can be signed");
        let mut bytes = [0; 65];
        bytes[..64].copy_from_slice(&signature.to_bytes());
        bytes[64] = 27 + u8::from(recovery.is_y_odd());
        AccountSignature(bytes)
    }
}

impl fmt::Debug for AccountKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccountKey({})", self.address())
    }
}

fn address_of(key: &VerifyingKey) -> Address {
    let point = key.to_encoded_point(false);
    Address::from_slice(&keccak256(&point.as_bytes()[1..])[12..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_development_account_has_its_known_address() {
        let secret = hex!("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80");
        let key = AccountKey::from_secret(&secret).unwrap();
        assert_eq!(key.address().to_string(), "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266");
    }

    #[test]
    fn a_signature_recovers_its_signer_and_its_mirror_is_refused() {
        let key = AccountKey::generate();
        let digest = B256::repeat_byte(9);
        let signature = key.sign_digest(&digest);
        assert_eq!(signature.recover(&digest), Some(key.address()));

        let parsed = k256::ecdsa::Signature::from_slice(&signature.0[..64]).unwrap();
        let (r, s) = parsed.split_scalars();
        let mirror = k256::ecdsa::Signature::from_scalars(r.to_bytes(), (-*s).to_bytes()).unwrap();
        let mut bytes = [0; 65];
        bytes[..64].copy_from_slice(&mirror.to_bytes());
        bytes[64] = 55 - signature.0[64];
        assert_eq!(AccountSignature(bytes).recover(&digest), None);
        bytes[64] -= 27;
        assert_eq!(AccountSignature(bytes).recover(&digest), None);
    }

    #[test]
    fn the_parity_is_27_and_28_or_0_and_1_and_nothing_else() {
        let key = AccountKey::generate();
        let digest = B256::repeat_byte(9);
        let signature = key.sign_digest(&digest);
        let parity = signature.0[64] - 27;
        for v in 0..=u8::MAX {
            let mut bytes = signature.0;
            bytes[64] = v;
            let is_own = AccountSignature(bytes).recover(&digest) == Some(key.address());
            assert_eq!(is_own, v == parity || v == 27 + parity, "v {v}");
        }
    }
}
