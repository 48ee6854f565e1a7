//! The Web3 Secret Storage format, version 3: a 32-byte secret under a password, as JSON.
//!
//! Source: <https://ethereum.org/developers/docs/data-structures-and-encoding/web3-secret-storage/>. Keystores
//! of other tools are read with scrypt and with PBKDF2; keystores written here use scrypt. The library at
//! hand for the format has its scrypt cost fixed far below today's recommendations and panics on some
//! malformed files, hence this one, on the same primitives.

use aes::cipher::{KeyIvInit as _, StreamCipher as _};
use alloy::primitives::{Address, hex, keccak256};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// A 32-byte secret that is wiped from memory when dropped.
pub(crate) type Secret = Zeroizing<[u8; 32]>;

type Aes128Ctr = ctr::Ctr128BE<aes::Aes128>;

/// What deriving a key from a foreign file may cost at most: 1 GiB of memory, …
const MAX_SCRYPT_BYTES: u64 = 1 << 30;
/// … this many scrypt block mixes (a strong keystore takes 2^21), …
const MAX_SCRYPT_WORK: u64 = 1 << 25;
/// … and this many rounds of PBKDF2.
const MAX_PBKDF2_ROUNDS: u32 = 1 << 24;
/// The most bytes of a salt.
const MAX_SALT_BYTES: usize = 256;

/// How dear it is to derive a key from a password, for the owner and for a thief of the file alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScryptCost {
    log_n: u8,
    r: u32,
    p: u32,
}

impl ScryptCost {
    /// For keys that matter: 256 MiB and about a second a key (N = 2^18, r = 8, p = 1, the cost of geth's
    /// standard keystores; above OWASP's recommendation).
    pub const STRONG: Self = Self { log_n: 18, r: 8, p: 1 };
    /// For the throw-away keys of development networks and tests: 4 MiB and some milliseconds (N = 2^12,
    /// r = 8, p = 1). Offers a weak password next to no protection.
    pub const LIGHT: Self = Self { log_n: 12, r: 8, p: 1 };
}

impl Default for ScryptCost {
    fn default() -> Self {
        Self::STRONG
    }
}

/// Why a keystore does not open.
#[derive(Debug)]
pub(crate) enum OpenError {
    /// The password is wrong, or the file was changed: the format cannot tell the two apart.
    WrongPassword,
    /// Not a keystore of a 32-byte secret, or one that would cost too much to open.
    Malformed(String),
}

/// A keystore as it stands in its file.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct KeystoreFile {
    /// The account's address, lower case without prefix, as other tools write it. Absent for secrets that are
    /// no accounts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    // Early files of geth name it `Crypto`.
    #[serde(alias = "Crypto")]
    crypto: Crypto,
    #[serde(default)]
    id: String,
    version: u8,
}

#[derive(Debug, Serialize, Deserialize)]
struct Crypto {
    cipher: String,
    cipherparams: CipherParams,
    #[serde(with = "hex_text")]
    ciphertext: Vec<u8>,
    #[serde(flatten)]
    kdf: Kdf,
    #[serde(with = "hex_text")]
    mac: Vec<u8>,
}

#[derive(Debug, Serialize, Deserialize)]
struct CipherParams {
    #[serde(with = "hex_text")]
    iv: Vec<u8>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kdf", content = "kdfparams", rename_all = "lowercase")]
enum Kdf {
    Scrypt {
        dklen: u32,
        n: u64,
        p: u32,
        r: u32,
        #[serde(with = "hex_text")]
        salt: Vec<u8>,
    },
    Pbkdf2 {
        c: u32,
        dklen: u32,
        prf: String,
        #[serde(with = "hex_text")]
        salt: Vec<u8>,
    },
}

/// Hex without prefix, as the format has it; a prefix is tolerated when reading.
mod hex_text {
    use alloy::primitives::hex;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&hex::encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<u8>, D::Error> {
        hex::decode(String::deserialize(d)?).map_err(serde::de::Error::custom)
    }
}

/// Encrypts `secret` under `password`. `address` is written into the file for other tools to show.
pub(crate) fn encrypt(
    secret: &Secret,
    password: &str,
    cost: ScryptCost,
    address: Option<Address>,
) -> KeystoreFile {
    let salt: [u8; 32] = rand::random();
    let iv: [u8; 16] = rand::random();
    let ScryptCost { log_n, r, p } = cost;
    let kdf = Kdf::Scrypt { dklen: 32, n: 1 << log_n, p, r, salt: salt.to_vec() };
    let key = derive(&kdf, password).expect("the costs on offer are within the bounds for reading");
    let mut ciphertext = secret.to_vec();
    cipher(&key, &iv).apply_keystream(&mut ciphertext);
    KeystoreFile {
        address: address.map(hex::encode),
        crypto: Crypto {
            cipher: "aes-128-ctr".into(),
            cipherparams: CipherParams { iv: iv.to_vec() },
            mac: mac(&key, &ciphertext),
            ciphertext,
            kdf,
        },
        id: random_uuid(),
        version: 3,
    }
}

/// Reads the secret back.
///
/// # Errors
/// See [`OpenError`].
pub(crate) fn decrypt(file: &KeystoreFile, password: &str) -> Result<Secret, OpenError> {
    let malformed = |what: String| Err(OpenError::Malformed(what));
    let Crypto { cipher: name, cipherparams, ciphertext, kdf, mac: expected } = &file.crypto;
    if file.version != 3 {
        return malformed(format!("version {}, only version 3 is supported", file.version));
    }
    if name != "aes-128-ctr" {
        return malformed(format!("cipher {name:?}, only aes-128-ctr is supported"));
    }
    let Ok(iv) = <[u8; 16]>::try_from(&cipherparams.iv[..]) else {
        return malformed(format!("an iv of {} bytes, it has 16", cipherparams.iv.len()));
    };
    let Ok(ciphertext) = <[u8; 32]>::try_from(&ciphertext[..]) else {
        return malformed(format!("a secret of {} bytes, keys have 32", ciphertext.len()));
    };
    let key = derive(kdf, password)?;
    if mac(&key, &ciphertext) != *expected {
        return Err(OpenError::WrongPassword);
    }
    let mut secret = Zeroizing::new(ciphertext);
    cipher(&key, &iv).apply_keystream(&mut secret[..]);
    Ok(secret)
}

fn derive(kdf: &Kdf, password: &str) -> Result<Secret, OpenError> {
    let malformed = |what: String| Err(OpenError::Malformed(what));
    let (Kdf::Scrypt { dklen, salt, .. } | Kdf::Pbkdf2 { dklen, salt, .. }) = kdf;
    if *dklen != 32 || salt.len() > MAX_SALT_BYTES {
        return malformed(format!("a derived key of {dklen} bytes from {} bytes of salt", salt.len()));
    }
    let mut key = Zeroizing::new([0; 32]);
    match kdf {
        Kdf::Scrypt { n, p, r, salt, .. } => {
            let block_mixes = n.saturating_mul(u64::from(*r)).saturating_mul(u64::from(*p));
            let memory = n.saturating_mul(u64::from(*r)).saturating_mul(128);
            let sane = n.is_power_of_two() && *n > 1 && block_mixes > 0;
            if !sane || memory > MAX_SCRYPT_BYTES || block_mixes > MAX_SCRYPT_WORK {
                return malformed(format!("scrypt with n {n}, r {r}, p {p} is not sane or too dear"));
            }
            let log_n = u8::try_from(n.ilog2()).expect("a logarithm of 64 bits fits");
            let Ok(params) = scrypt::Params::new(log_n, *r, *p) else {
                return malformed(format!("scrypt with n {n}, r {r}, p {p} is not possible"));
            };
            scrypt::scrypt(password.as_bytes(), salt, &params, &mut key[..])
                .expect("32 bytes are a possible output");
        }
        Kdf::Pbkdf2 { c, prf, salt, .. } => {
            if prf != "hmac-sha256" || *c == 0 || *c > MAX_PBKDF2_ROUNDS {
                return malformed(format!("PBKDF2 with {prf} and {c} rounds is not supported"));
            }
            pbkdf2::pbkdf2_hmac::<sha2::Sha256>(password.as_bytes(), salt, *c, &mut key[..]);
        }
    }
    Ok(key)
}

fn cipher(key: &Secret, iv: &[u8; 16]) -> Aes128Ctr {
    let (key, _) = key.split_first_chunk::<16>().expect("32 bytes have a first half");
    Aes128Ctr::new(key.into(), iv.into())
}

fn mac(key: &Secret, ciphertext: &[u8]) -> Vec<u8> {
    keccak256([&key[16..], ciphertext].concat()).to_vec()
}

/// A UUID of version 4 (RFC 9562), by which other tools tell keystores apart.
fn random_uuid() -> String {
    let mut bytes: [u8; 16] = rand::random();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let text = hex::encode(bytes);
    let parts = [&text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..]];
    parts.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The test vectors of the format's definition: password `testpassword`.
    const VECTORS: [&str; 2] = [
        r#"{"crypto":{"cipher":"aes-128-ctr","cipherparams":{"iv":"6087dab2f9fdbbfaddc31a909735c1e6"},
            "ciphertext":"5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46","kdf":"pbkdf2",
            "kdfparams":{"c":262144,"dklen":32,"prf":"hmac-sha256",
            "salt":"ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd"},
            "mac":"517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2"},
            "id":"3198bc9c-6672-5ab3-d995-4942343ae5b6","version":3}"#,
        r#"{"crypto":{"cipher":"aes-128-ctr","cipherparams":{"iv":"83dbcc02d8ccb40e466191a123791e0e"},
            "ciphertext":"d172bf743a674da9cdad04534d56926ef8358534d458fffccd4e6ad2fbde479c","kdf":"scrypt",
            "kdfparams":{"dklen":32,"n":262144,"p":8,"r":1,
            "salt":"ab0c7876052600dd703518d6fc3fe8984592145b591fc8fb5c6d43190334ba19"},
            "mac":"2103ac29920d71da29f15d75b4a16dbe95cfd7ff8faea1056c33131d846e3097"},
            "id":"3198bc9c-6672-5ab3-d995-4942343ae5b6","version":3}"#,
    ];

    #[test]
    fn the_vectors_of_the_definition_open() {
        for vector in VECTORS {
            let file: KeystoreFile = serde_json::from_str(vector).unwrap();
            let secret = decrypt(&file, "testpassword").unwrap();
            let expected = "7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d";
            assert_eq!(hex::encode(&secret[..]), expected);
        }
    }

    #[test]
    fn what_is_encrypted_opens_with_the_password_alone() {
        let secret = Zeroizing::new([0x5a; 32]);
        let file = encrypt(&secret, "correct horse", ScryptCost::LIGHT, Some(Address::repeat_byte(0xab)));
        let json = serde_json::to_string(&file).unwrap();
        assert!(!json.contains("5a5a5a"), "{json}");
        assert!(json.contains(&"ab".repeat(20)) && !json.contains("0x"), "{json}");
        let file: KeystoreFile = serde_json::from_str(&json).unwrap();
        assert_eq!(decrypt(&file, "correct horse").unwrap(), secret);
        assert!(matches!(decrypt(&file, "wrong horse"), Err(OpenError::WrongPassword)));
    }

    #[test]
    fn hostile_files_are_refused_before_they_cost_anything() {
        let replacements = [
            ("\"n\":262144", "\"n\":1099511627776"),
            ("\"n\":262144", "\"n\":262143"),
            ("\"n\":262144", "\"n\":0"),
            ("\"p\":8", "\"p\":4294967295"),
            ("\"r\":1", "\"r\":0"),
            ("\"dklen\":32", "\"dklen\":31"),
            ("83dbcc02d8ccb40e466191a123791e0e", "83dbcc02"),
            ("d172bf743a674da9cdad04534d56926e", "d172"),
            ("aes-128-ctr", "aes-256-gcm"),
            ("\"version\":3", "\"version\":1"),
        ];
        for (from, to) in replacements {
            assert!(VECTORS[1].contains(from), "{from}");
            let file: KeystoreFile = serde_json::from_str(&VECTORS[1].replace(from, to)).unwrap();
            let refused = decrypt(&file, "testpassword");
            assert!(matches!(refused, Err(OpenError::Malformed(_))), "{from} -> {to}: {refused:?}");
        }
    }

    #[test]
    fn uuids_have_their_shape() {
        let id = random_uuid();
        assert_eq!((id.len(), &id[14..15]), (36, "4"));
    }
}
