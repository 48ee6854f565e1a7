//! Encrypted keys on disk, which come from other tools too.

use std::fs;
use std::sync::LazyLock;

use quorate_sdk::keystore::{open_account, open_key};
use tempfile::TempDir;

use super::{Format, Memory, Target, scratch_dir};
use crate::corpus::Seed;

/// scrypt takes what the file asks for, which [`is_cheap`] bounds.
const MEMORY: Memory = Memory { base: 1024 * 1024, per_byte: 64 };

pub(super) const TARGET: Target = Target {
    name: "keystores",
    format: Format::Text,
    memory: MEMORY,
    max_len: 4096,
    quick_runs: 1_000,
    seeds,
    check,
};

const PASSWORD: &str = "correct horse";
const SECRET: [u8; 32] = [0x5a; 32];
const IV: &str = "101112131415161718191a1b1c1d1e1f";
const SCRYPT: &str = r#"{"crypto":{"cipher":"aes-128-ctr","cipherparams":{"iv":"101112131415161718191a1b1c1d1e1f"},
"ciphertext":"8de11219d5302c3a1a11c809ca579a5071b5ed55bdf12f713e1203ccce52d05c","kdf":"scrypt",
"kdfparams":{"dklen":32,"n":2,"p":1,"r":1,
"salt":"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"},
"mac":"b71350f4f27581941eb8aad6a1d34c34df51b5021c37c8423aa20f52b71c6375"},
"id":"3198bc9c-6672-4ab3-9995-4942343ae5b6","version":3}"#;
const PBKDF2: &str = r#"{"crypto":{"cipher":"aes-128-ctr","cipherparams":{"iv":"101112131415161718191a1b1c1d1e1f"},
"ciphertext":"815c3288dae152f77358ad62c2077f5d70b4ca4bf462b9622ef2ac83430126fa","kdf":"pbkdf2",
"kdfparams":{"c":1,"dklen":32,"prf":"hmac-sha256",
"salt":"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"},
"mac":"b33424b3df1b8e27d00c1dcaeeaf2cca949af1e12de42e0f9e775d0c72b1cfe4"},
"id":"3198bc9c-6672-4ab3-9995-4942343ae5b6","version":3}"#;

static DIR: LazyLock<TempDir> = LazyLock::new(scratch_dir);

fn seeds() -> Vec<Seed> {
    vec![Seed::new("scrypt", SCRYPT), Seed::new("pbkdf2", PBKDF2)]
}

/// Whether opening costs next to nothing: no number in the file is one that is allowed and dear. What is beyond
/// every bound is to be refused before it costs anything, so that is tried.
fn is_cheap(text: &str) -> bool {
    const CHEAP: u64 = 8;
    const DERIVED_KEY: u64 = 32;
    const REFUSED: u64 = 1 << 26;
    let outside_of_quotes = text.split('"').step_by(2);
    let numbers = outside_of_quotes.flat_map(|part| part.split(|sign: char| !sign.is_ascii_digit()));
    numbers
        .filter(|number| !number.is_empty())
        .map(|number| number.parse().unwrap_or(u64::MAX))
        .all(|number| number <= CHEAP || number == DERIVED_KEY || number > REFUSED)
}

/// Whether the keystore names another iv, the one thing that the format's checksum leaves out.
fn is_other_iv(bytes: &[u8]) -> bool {
    let file: serde_json::Value = serde_json::from_slice(bytes).expect("a keystore that opens is JSON");
    let iv =
        ["/crypto", "/Crypto"].iter().find_map(|at| file.pointer(at)?.pointer("/cipherparams/iv")?.as_str());
    iv.is_none_or(|iv| !iv.ends_with(IV))
}

fn check(bytes: &[u8]) {
    if !std::str::from_utf8(bytes).is_ok_and(is_cheap) {
        return;
    }
    let path = DIR.path().join("keystore.json");
    fs::write(&path, bytes).expect("there is room for a file");
    match open_key(&path, PASSWORD) {
        Ok(key) => assert!(key.secret() == SECRET || is_other_iv(bytes), "a keystore opens to another key"),
        Err(error) => assert!(!error.to_string().is_empty(), "a refusal without a reason"),
    }
    if let Ok(account) = open_account(&path, PASSWORD) {
        assert!(account.secret() == SECRET || is_other_iv(bytes), "a keystore opens to another key");
    }
    assert!(open_key(&path, "wrong horse").is_err(), "a keystore opens with another password");
}
