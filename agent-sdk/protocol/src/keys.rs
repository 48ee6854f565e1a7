//! ed25519 keys, and the one verdict on a signature.
//!
//! Keys are made and used with ed25519-dalek. Every check, single or in a batch, follows the ZIP 215 rules
//! as ed25519-zebra implements them: replicas that disagreed about one crafted signature would fork.
//!
//! A [strict](SignatureCheck::strict) check asks for more, for signatures that programs of others check too: what it takes
//! holds by ZIP 215, by RFC 8032 with or without the cofactor, and in every library.

use std::fmt;

use alloy_primitives::hex;
use ed25519_dalek::Signer as _;
use ed25519_zebra::batch;
use minicbor::decode::Error as DecodeError;
use minicbor::encode::{Error as EncodeError, Write};
use minicbor::{CborLen, Decode, Decoder, Encode, Encoder};
use serde::{Deserialize, Serialize};

macro_rules! byte_string {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $len]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode_prefixed(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(&hex::encode_prefixed(self.0))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
                let mut bytes = [0; $len];
                hex::decode_to_slice(text.as_ref(), &mut bytes).map_err(serde::de::Error::custom)?;
                Ok(Self(bytes))
            }
        }

        impl<C> Encode<C> for $name {
            fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
                e.bytes(&self.0)?.ok()
            }
        }

        impl<'b, C> Decode<'b, C> for $name {
            fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
                let bytes = d.bytes()?;
                let bytes =
                    bytes.try_into().map_err(|_| DecodeError::message("key or signature of a wrong length"))?;
                Ok(Self(bytes))
            }
        }

        impl<C> CborLen<C> for $name {
            fn cbor_len(&self, _: &mut C) -> usize {
                $len + 2
            }
        }
    };
}

byte_string!(
    /// An ed25519 public key as its 32 bytes. Not every such string is a point; a signature under one that
    /// is not never verifies.
    PublicKey,
    32
);
byte_string!(
    /// An ed25519 signature, `R || s`.
    Signature,
    64
);

/// An ed25519 signing key. Wiped from memory when dropped; never printed.
#[derive(Clone)]
pub struct AgentKey(ed25519_dalek::SigningKey);

impl AgentKey {
    /// A fresh key from the operating system's randomness.
    pub fn generate() -> Self {
        Self::from_secret(&rand::random())
    }

    /// The key of a 32-byte secret (RFC 8032 section 5.1.5).
    pub fn from_secret(secret: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(secret))
    }

    /// The 32-byte secret, for an encrypted keystore and for nothing else.
    pub fn secret(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// Signs `message`, which starts with a domain string (see [`crate::domain`]).
    pub fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.0.sign(message).to_bytes())
    }
}

impl fmt::Debug for AgentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AgentKey({})", self.public())
    }
}

/// A signature that is yet to be checked, detached from its message.
#[derive(Clone, Debug)]
pub struct SignatureCheck(Claim);

#[derive(Clone, Debug)]
enum Claim {
    /// By ZIP 215, alone or in a batch.
    Zip215(batch::Item),
    /// By what every verifier agrees on. There are no such batches.
    Strict(Box<(PublicKey, Vec<u8>, Signature)>),
}

impl SignatureCheck {
    /// The claim that `signature` is `key`'s on `message`.
    pub fn new(key: &PublicKey, message: &[u8], signature: &Signature) -> Self {
        let key = ed25519_zebra::VerificationKeyBytes::from(key.0);
        let signature = ed25519_zebra::Signature::from(signature.0);
        Self(Claim::Zip215(batch::Item::from((key, signature, message))))
    }

    /// The same claim, held to what all libraries agree on: the equation of RFC 8032 section 5.1.7 without the cofactor,
    /// canonical encodings of key, R and s, and neither key nor R of small order. A signature that was made as RFC 8032
    /// says, with a key that was, passes; whoever crafts one that ZIP 215 alone accepts has no other use of it.
    pub fn strict(key: &PublicKey, message: &[u8], signature: &Signature) -> Self {
        Self(Claim::Strict(Box::new((*key, message.to_vec(), *signature))))
    }

    /// Whether the claim holds.
    pub fn verify(self) -> bool {
        match self.0 {
            Claim::Zip215(item) => item.verify_single().is_ok(),
            Claim::Strict(claim) => {
                let (key, message, signature) = *claim;
                verify_strict(&key, &message, &signature)
            }
        }
    }
}

fn verify_strict(key: &PublicKey, message: &[u8], signature: &Signature) -> bool {
    let Ok(point) = ed25519_dalek::VerifyingKey::from_bytes(&key.0) else { return false };
    is_canonical(key) && point.verify_strict(message, &ed25519_dalek::Signature::from(signature.0)).is_ok()
}

/// Whether the y of an encoded point is less than the field's prime, 2^255 - 19.
fn is_canonical(key: &PublicKey) -> bool {
    let [low, middle @ .., high] = &key.0;
    !(*low >= 0xed && middle.iter().all(|byte| *byte == 0xff) && high & 0x7f == 0x7f)
}

/// The verdict on each of `checks`, in order; as if each were checked singly, but several times faster
/// when they hold.
///
/// Where a batch fails it is halved, so one bad signature among n costs about 2 log n batches.
pub fn verify_each(checks: &[SignatureCheck]) -> Vec<bool> {
    /// Below this, single checks are as fast as a batch.
    const SINGLY: usize = 4;
    if verify_all(checks) {
        return vec![true; checks.len()];
    }
    if checks.len() <= SINGLY {
        return checks.iter().map(|check| check.clone().verify()).collect();
    }
    let (left, right) = checks.split_at(checks.len() / 2);
    let mut verdicts = verify_each(left);
    verdicts.extend(verify_each(right));
    verdicts
}

/// Whether all of `checks` hold.
pub fn verify_all(checks: &[SignatureCheck]) -> bool {
    match checks {
        [] => true,
        [only] => only.clone().verify(),
        many => {
            let mut verifier = batch::Verifier::new();
            for check in many {
                match &check.0 {
                    Claim::Zip215(item) => verifier.queue(item.clone()),
                    Claim::Strict(_) if check.clone().verify() => {}
                    Claim::Strict(_) => return false,
                }
            }
            verifier.verify(rand::rng()).is_ok()
        }
    }
}

/// Whether `signature` is `key`'s on `message`.
pub fn verify(key: &PublicKey, message: &[u8], signature: &Signature) -> bool {
    SignatureCheck::new(key, message, signature).verify()
}

#[cfg(test)]
mod tests {
    use alloy_primitives::hex;

    use super::*;

    fn check(seed: u8, message: &[u8], signed: &[u8]) -> SignatureCheck {
        let key = AgentKey::from_secret(&[seed; 32]);
        SignatureCheck::new(&key.public(), message, &key.sign(signed))
    }

    #[test]
    fn batch_and_single_verdicts_agree() {
        let checks: Vec<_> = (0..33u8)
            .map(|i| if i % 7 == 3 { check(i, b"claimed", b"signed") } else { check(i, b"same", b"same") })
            .collect();
        let singly: Vec<_> = checks.iter().map(|check| check.clone().verify()).collect();
        assert_eq!(verify_each(&checks), singly);
        assert_eq!(singly.iter().filter(|ok| !**ok).count(), 5);
    }

    /// A small-order key with R of small order and s = 0 satisfies the cofactored equation for every
    /// message: ZIP 215 accepts it, strict rules do not. What matters is that both paths say the same.
    #[test]
    fn crafted_points_get_one_verdict() {
        let mut identity = [0; 32];
        identity[0] = 1;
        let mut signature = [0; 64];
        signature[0] = 1;
        let crafted = SignatureCheck::new(&PublicKey(identity), b"anything", &Signature(signature));
        let single = crafted.clone().verify();
        for _ in 0..50 {
            assert_eq!(verify_all(&[crafted.clone(), check(1, b"m", b"m"), crafted.clone()]), single);
        }
    }

    /// What the key of the secret `[9; 32]` can make of `attested` on purpose: R is 7 B plus a point of order 8, and s is what
    /// it has to be for that R. The equation holds but for the torsion, which the cofactor takes away.
    const WITH_TORSION: [u8; 64] = hex!(
        "16b981d0b88cdf3ab9fa87190822fe4905b475efda3aec7c34abfa92c19320f4"
        "603063c3d69500bbfee5f4d99586267384d608c93f1e55636e245ff18362150c"
    );

    #[test]
    fn what_only_zip_215_accepts_is_not_strict() {
        let (secret, message) = ([9; 32], b"attested");
        let key = AgentKey::from_secret(&secret);
        let honest = key.sign(message);
        assert!(SignatureCheck::strict(&key.public(), message, &honest).verify());
        assert!(!SignatureCheck::strict(&key.public(), b"another", &honest).verify());

        let crafted = Signature(WITH_TORSION);
        assert!(verify(&key.public(), message, &crafted), "ZIP 215 has the cofactor");
        let strict = SignatureCheck::strict(&key.public(), message, &crafted);
        assert!(!strict.clone().verify());
        let good = SignatureCheck::strict(&key.public(), message, &honest);
        let batch =
            [check(1, b"m", b"m"), strict, good.clone(), check(2, b"m", b"m"), good, check(3, b"a", b"b")];
        assert_eq!(verify_each(&batch), [true, false, true, true, true, false]);
        assert!(!verify_all(&batch[..2]) && verify_all(&batch[2..5]));

        // Keys of small order and keys that are written with more than the prime sign nothing strictly.
        let mut identity = [0; 32];
        identity[0] = 1;
        let mut signature = [0; 64];
        signature[0] = 1;
        let (weak, anything) = (PublicKey(identity), Signature(signature));
        assert!(verify(&weak, b"m", &anything) && !SignatureCheck::strict(&weak, b"m", &anything).verify());
        let mut wide = [0xff; 32];
        (wide[0], wide[31]) = (0xee, 0x7f);
        assert!(!is_canonical(&PublicKey(wide)) && is_canonical(&key.public()));
    }

    #[test]
    fn a_key_never_shows_its_secret() {
        let key = AgentKey::from_secret(&[0x5a; 32]);
        assert!(!format!("{key:?}").contains("5a5a5a"));
    }
}
