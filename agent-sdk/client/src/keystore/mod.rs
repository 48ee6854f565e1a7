//! An agent's two keys on disk, each in an encrypted Web3 Secret Storage file.
//!
//! A directory holds one agent:
//!
//! | file | content |
//! |---|---|
//! | [`ACCOUNT_FILE`] | the secp256k1 account; other Ethereum tools open it too |
//! | [`KEY_FILE`] | the ed25519 key |
//! | [`PUBLIC_FILE`] | [`AgentPublic`] as JSON, to be read without a password |
//!
//! Directories are made with mode 0700 and files with 0600. Secrets are never printed or logged, and are
//! wiped from memory as soon as the keys are made of them. A file is only ever replaced when that is asked for.

mod files;
mod v3;

use std::path::{Path, PathBuf};

use icu_normalizer::{ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed};
use quorate_protocol::{AccountKey, AgentId, AgentKey, PublicKey};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

pub use v3::ScryptCost;
use v3::{KeystoreFile, OpenError, Secret};

use crate::agent::Agent;
use crate::error::SdkError;

/// The file of the secp256k1 account within an agent's directory.
pub const ACCOUNT_FILE: &str = "account.json";
/// The file of the ed25519 key within an agent's directory.
pub const KEY_FILE: &str = "agent.json";
/// The file of the public description within an agent's directory.
pub const PUBLIC_FILE: &str = "public.json";

/// What anybody may know of an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentPublic {
    /// The address of its account, which is its identity.
    pub agent: AgentId,
    /// Its ed25519 public key.
    pub key: PublicKey,
}

/// How keystores are written.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeystoreOptions {
    /// What opening costs; [`ScryptCost::STRONG`] unless said otherwise.
    pub cost: ScryptCost,
    /// Whether existing files may be replaced. The keys in them are lost then.
    pub overwrite: bool,
}

/// Where an imported secret comes from.
#[derive(Clone)]
pub enum SecretSource {
    /// A fresh one from the operating system's randomness.
    Generate,
    /// 64 hex digits, with or without `0x`.
    Hex(Zeroizing<String>),
    /// Another Web3 Secret Storage file.
    Keystore {
        /// The file.
        path: PathBuf,
        /// Its password.
        password: Zeroizing<String>,
    },
}

impl SecretSource {
    /// A secret given as 64 hex digits.
    pub fn hex(digits: impl Into<String>) -> Self {
        Self::Hex(Zeroizing::new(digits.into()))
    }

    /// A secret in another keystore file.
    pub fn keystore(path: impl Into<PathBuf>, password: impl Into<String>) -> Self {
        Self::Keystore { path: path.into(), password: Zeroizing::new(password.into()) }
    }

    fn read(&self) -> Result<Option<Secret>, SdkError> {
        match self {
            Self::Generate => Ok(None),
            Self::Hex(digits) => {
                let mut secret = Zeroizing::new([0; 32]);
                alloy::primitives::hex::decode_to_slice(digits.trim(), &mut secret[..])
                    .map_err(|_| SdkError::InvalidSecret("it is not 64 hex digits"))?;
                Ok(Some(secret))
            }
            Self::Keystore { path, password } => open_secret(path, password).map(Some),
        }
    }

    pub(crate) fn account(&self) -> Result<AccountKey, SdkError> {
        match self.read()? {
            None => Ok(AccountKey::generate()),
            Some(secret) => account_of(&secret),
        }
    }

    pub(crate) fn key(&self) -> Result<AgentKey, SdkError> {
        Ok(self.read()?.map_or_else(AgentKey::generate, |secret| AgentKey::from_secret(&secret)))
    }
}

impl std::fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Generate => f.write_str("Generate"),
            Self::Hex(_) => f.write_str("Hex(..)"),
            Self::Keystore { path, .. } => write!(f, "Keystore({})", path.display()),
        }
    }
}

/// Opens the secp256k1 account in the keystore at `path`.
///
/// # Errors
/// [`SdkError::WrongPassword`], [`SdkError::KeyMissing`], [`SdkError::Keystore`], [`SdkError::File`] or
/// [`SdkError::InvalidSecret`].
pub fn open_account(path: &Path, password: &str) -> Result<AccountKey, SdkError> {
    account_of(&open_secret(path, password)?)
}

/// Opens the ed25519 key in the keystore at `path`.
///
/// # Errors
/// As [`open_account`].
pub fn open_key(path: &Path, password: &str) -> Result<AgentKey, SdkError> {
    Ok(AgentKey::from_secret(&*open_secret(path, password)?))
}

/// Reads the public description in an agent's directory. Nothing vouches for it but the directory's owner;
/// [`Agent::open`] checks it against the keys.
///
/// # Errors
/// [`SdkError::KeyMissing`], [`SdkError::Keystore`] or [`SdkError::File`].
pub fn read_public(dir: &Path) -> Result<AgentPublic, SdkError> {
    let path = dir.join(PUBLIC_FILE);
    let bytes = files::read(&path)?;
    serde_json::from_slice(&bytes).map_err(|error| SdkError::Keystore { path, reason: error.to_string() })
}

/// Writes the three files of an agent.
pub(crate) fn write(
    dir: &Path,
    agent: &Agent,
    password: &str,
    options: KeystoreOptions,
) -> Result<(), SdkError> {
    files::make_dir(dir)?;
    let paths = [ACCOUNT_FILE, KEY_FILE, PUBLIC_FILE].map(|name| dir.join(name));
    // None is written when one is in the way, so that two agents never mix in a directory.
    if let Some(path) = paths.iter().find(|path| !options.overwrite && path.exists()) {
        return Err(SdkError::KeyExists { path: path.clone() });
    }
    let account = Zeroizing::new(agent.account.secret());
    let key = Zeroizing::new(agent.key.secret());
    let account = v3::encrypt(&account, password, options.cost, Some(agent.account.address()));
    let key = v3::encrypt(&key, password, options.cost, None);
    files::write(&paths[0], &to_json(&account), options.overwrite)?;
    files::write(&paths[1], &to_json(&key), options.overwrite)?;
    files::write(&paths[2], &to_json(&agent.public()), options.overwrite)
}

/// Opens an agent's directory and checks that its three files belong together.
pub(crate) fn open(dir: &Path, password: &str) -> Result<Agent, SdkError> {
    let public = read_public(dir)?;
    let account = open_account(&dir.join(ACCOUNT_FILE), password)?;
    let key = open_key(&dir.join(KEY_FILE), password)?;
    let agent = Agent::new(account, key);
    if agent.public() != public {
        let (expected, found) = (Box::new(public), Box::new(agent.public()));
        return Err(SdkError::KeyMismatch { path: dir.to_owned(), expected, found });
    }
    Ok(agent)
}

fn open_secret(path: &Path, password: &str) -> Result<Secret, SdkError> {
    let malformed = |reason: String| SdkError::Keystore { path: path.to_owned(), reason };
    let bytes = files::read(path)?;
    let file: KeystoreFile = serde_json::from_slice(&bytes).map_err(|error| malformed(error.to_string()))?;
    for password in forms_of(password) {
        match v3::decrypt(&file, &password) {
            Err(OpenError::WrongPassword) => {}
            Err(OpenError::Malformed(reason)) => return Err(malformed(reason)),
            Ok(secret) => return Ok(secret),
        }
    }
    Err(SdkError::WrongPassword { path: path.to_owned() })
}

/// The password as it is, then in the other normal forms of Unicode (UAX 15): which of them a letter such as `é` comes in
/// depends on the keyboard, the editor and the wallet that wrote the keystore, and nobody sees it.
fn forms_of(password: &str) -> Vec<Zeroizing<String>> {
    let mut forms = vec![Zeroizing::new(password.to_owned())];
    if !password.is_ascii() {
        for form in [
            ComposingNormalizerBorrowed::new_nfc().normalize(password),
            DecomposingNormalizerBorrowed::new_nfd().normalize(password),
            ComposingNormalizerBorrowed::new_nfkc().normalize(password),
            DecomposingNormalizerBorrowed::new_nfkd().normalize(password),
        ] {
            let form = Zeroizing::new(form.into_owned());
            if !forms.contains(&form) {
                forms.push(form);
            }
        }
    }
    forms
}

fn account_of(secret: &Secret) -> Result<AccountKey, SdkError> {
    AccountKey::from_secret(secret)
        .map_err(|_| SdkError::InvalidSecret("it is zero or not below the order of secp256k1"))
}

fn to_json<T: Serialize>(value: &T) -> Vec<u8> {
    let mut json = serde_json::to_vec_pretty(value).expect("plain values become JSON");
    json.push(b'\n');
    json
}
