//! An agent: the two keys that act for it.

use std::path::{Path, PathBuf};

use quorate_protocol::operations::members::Admit;
use quorate_protocol::{AccountKey, AgentId, AgentKey, GroupIdentity, PublicKey};

use crate::error::SdkError;
use crate::keystore::{self, AgentPublic, KeystoreOptions, SecretSource};

/// An agent's keys. Both are wiped from memory when dropped; printing shows only the public halves.
///
/// Opening and creating keystores takes about a second of one core a key at the default cost. In async code
/// call them through `tokio::task::spawn_blocking`.
///
/// ```no_run
/// use quorate_sdk::Agent;
///
/// # fn main() -> Result<(), quorate_sdk::SdkError> {
/// let agent = Agent::create("keys/alice", "correct horse battery staple")?;
/// let again = Agent::open("keys/alice", "correct horse battery staple")?;
/// assert_eq!(agent.id(), again.id());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Agent {
    /// The secp256k1 account: the agent's identity, and what signs for the chain.
    pub account: AccountKey,
    /// The ed25519 key that signs commands.
    pub key: AgentKey,
    /// The directory of its keystores, if it has any.
    home: Option<PathBuf>,
}

impl Agent {
    /// An agent of these keys, kept in memory only.
    pub fn new(account: AccountKey, key: AgentKey) -> Self {
        Self { account, key, home: None }
    }

    /// A fresh agent from the operating system's randomness, kept in memory only.
    pub fn generate() -> Self {
        Self::new(AccountKey::generate(), AgentKey::generate())
    }

    /// A fresh agent, kept in keystores in `dir` under `password`.
    ///
    /// # Errors
    /// [`SdkError::KeyExists`] when `dir` already holds an agent; [`SdkError::File`].
    pub fn create(dir: impl AsRef<Path>, password: &str) -> Result<Self, SdkError> {
        Self::create_with(dir, password, KeystoreOptions::default())
    }

    /// As [`Self::create`], with a cost of one's own, or over an existing agent.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn create_with(
        dir: impl AsRef<Path>,
        password: &str,
        options: KeystoreOptions,
    ) -> Result<Self, SdkError> {
        let mut agent = Self::generate();
        agent.save(&dir, password, options)?;
        agent.live_in(dir.as_ref());
        Ok(agent)
    }

    /// An agent of existing secrets, kept in keystores in `dir` under `password`.
    ///
    /// # Errors
    /// [`SdkError::InvalidSecret`], what opening a source keystore fails with, and as [`Self::create`].
    pub fn import(
        dir: impl AsRef<Path>,
        password: &str,
        account: &SecretSource,
        key: &SecretSource,
        options: KeystoreOptions,
    ) -> Result<Self, SdkError> {
        let mut agent = Self::new(account.account()?, key.key()?);
        agent.save(&dir, password, options)?;
        agent.live_in(dir.as_ref());
        Ok(agent)
    }

    /// Opens the agent in `dir`, and checks that the files there belong together. Where the directory can be written, all
    /// processes that opened it count the agent's nonces together there, in `nonces/`.
    ///
    /// # Errors
    /// [`SdkError::KeyMissing`], [`SdkError::WrongPassword`], [`SdkError::Keystore`],
    /// [`SdkError::KeyMismatch`], [`SdkError::InvalidSecret`] or [`SdkError::File`].
    pub fn open(dir: impl AsRef<Path>, password: &str) -> Result<Self, SdkError> {
        let mut agent = keystore::open(dir.as_ref(), password)?;
        agent.live_in(dir.as_ref());
        Ok(agent)
    }

    /// Takes `dir` for the directory of the keystores.
    pub(crate) fn live_in(&mut self, dir: &Path) {
        self.home = Some(dir.to_owned());
    }

    /// The directory of the keystores, if the agent has any.
    pub(crate) fn home(&self) -> Option<&Path> {
        self.home.as_deref()
    }

    /// Writes the agent's keystores into `dir`.
    ///
    /// # Errors
    /// [`SdkError::KeyExists`] unless the options allow to overwrite; [`SdkError::File`].
    pub fn save(
        &self,
        dir: impl AsRef<Path>,
        password: &str,
        options: KeystoreOptions,
    ) -> Result<(), SdkError> {
        keystore::write(dir.as_ref(), self, password, options)
    }

    /// The agent's identity: its account's address.
    pub fn id(&self) -> AgentId {
        AgentId(self.account.address())
    }

    /// What anybody may know of the agent.
    pub fn public(&self) -> AgentPublic {
        AgentPublic { agent: self.id(), key: self.public_key() }
    }

    /// The agent's ed25519 public key.
    pub fn public_key(&self) -> PublicKey {
        self.key.public()
    }

    /// The agent's request to be admitted to a group as a plain agent, signed by its account. A voter of
    /// the group brings it in with [`crate::Client::admit`].
    pub fn admission(&self, identity: &GroupIdentity) -> Admit {
        Admit::sign(identity, &self.account, self.public_key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keystore::{ACCOUNT_FILE, KEY_FILE, PUBLIC_FILE, ScryptCost, read_public};

    const LIGHT: KeystoreOptions = KeystoreOptions { cost: ScryptCost::LIGHT, overwrite: false };

    #[test]
    fn an_agent_comes_back_from_its_directory() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("deep/alice");
        let agent = Agent::create_with(&home, "secret", LIGHT).unwrap();
        let opened = Agent::open(&home, "secret").unwrap();
        assert_eq!(opened.public(), agent.public());
        assert_eq!(opened.account.secret(), agent.account.secret());
        assert_eq!(opened.key.secret(), agent.key.secret());
        assert_eq!(read_public(&home).unwrap(), agent.public());
        assert_eq!(std::fs::read_dir(&home).unwrap().count(), 3);
    }

    #[test]
    fn a_wrong_password_and_missing_files_are_named() {
        let dir = tempfile::tempdir().unwrap();
        Agent::create_with(dir.path(), "secret", LIGHT).unwrap();
        let wrong = Agent::open(dir.path(), "guess").unwrap_err();
        assert!(
            matches!(&wrong, SdkError::WrongPassword { path } if path.ends_with(ACCOUNT_FILE)),
            "{wrong}"
        );
        std::fs::remove_file(dir.path().join(KEY_FILE)).unwrap();
        let missing = Agent::open(dir.path(), "secret").unwrap_err();
        assert!(matches!(&missing, SdkError::KeyMissing { path } if path.ends_with(KEY_FILE)), "{missing}");
    }

    /// In UAX 15's forms, whichever the keystore was made with and whichever is typed.
    #[test]
    fn a_password_opens_in_whatever_normal_form_it_comes() {
        let (composed, decomposed) = ("p\u{e4}ssw\u{f6}rt \u{fb01}", "pa\u{308}sswo\u{308}rt \u{fb01}");
        for (made, typed) in
            [(composed, decomposed), (decomposed, composed), ("p\u{e4}ssw\u{f6}rt fi", decomposed)]
        {
            let dir = tempfile::tempdir().unwrap();
            let agent = Agent::create_with(dir.path(), made, LIGHT).unwrap();
            assert_eq!(Agent::open(dir.path(), typed).unwrap().public(), agent.public());
            assert!(matches!(Agent::open(dir.path(), "passwort fi"), Err(SdkError::WrongPassword { .. })));
        }
    }

    #[test]
    fn nothing_is_replaced_unless_asked() {
        let dir = tempfile::tempdir().unwrap();
        let first = Agent::create_with(dir.path(), "secret", LIGHT).unwrap();
        let refused = Agent::create_with(dir.path(), "secret", LIGHT).unwrap_err();
        assert!(matches!(refused, SdkError::KeyExists { .. }), "{refused}");
        assert_eq!(Agent::open(dir.path(), "secret").unwrap().public(), first.public());

        let overwrite = KeystoreOptions { overwrite: true, ..LIGHT };
        let second = Agent::create_with(dir.path(), "other", overwrite).unwrap();
        assert_eq!(Agent::open(dir.path(), "other").unwrap().public(), second.public());
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("alice");
        Agent::create_with(&home, "secret", LIGHT).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&home), 0o700);
        for name in [ACCOUNT_FILE, KEY_FILE, PUBLIC_FILE] {
            assert_eq!(mode(&home.join(name)), 0o600, "{name}");
        }
    }

    #[test]
    fn secrets_are_imported_from_hex_and_from_keystores() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (dir.path().join("one"), dir.path().join("two"));
        let digits = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
        let account = SecretSource::hex(format!("0x{digits}"));
        let imported = Agent::import(&one, "a", &account, &SecretSource::Generate, LIGHT).unwrap();
        assert_eq!(imported.id().to_string(), "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266");

        let account = SecretSource::keystore(one.join(ACCOUNT_FILE), "a");
        let key = SecretSource::keystore(one.join(KEY_FILE), "a");
        let copied = Agent::import(&two, "b", &account, &key, LIGHT).unwrap();
        assert_eq!(copied.public(), imported.public());
        assert_eq!(Agent::open(&two, "b").unwrap().public(), imported.public());

        for bad in ["", "12", &"0".repeat(64), &"f".repeat(64)] {
            let refused =
                Agent::import(dir.path().join("x"), "a", &SecretSource::hex(bad), &key, LIGHT).unwrap_err();
            assert!(matches!(refused, SdkError::InvalidSecret(_)), "{bad:?}: {refused}");
        }
        assert!(!format!("{:?}", SecretSource::hex(digits)).contains("ac09"));
    }

    #[test]
    fn files_of_two_agents_do_not_mix() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (dir.path().join("one"), dir.path().join("two"));
        Agent::create_with(&one, "a", LIGHT).unwrap();
        Agent::create_with(&two, "a", LIGHT).unwrap();
        std::fs::copy(two.join(KEY_FILE), one.join(KEY_FILE)).unwrap();
        let mixed = Agent::open(&one, "a").unwrap_err();
        assert!(matches!(mixed, SdkError::KeyMismatch { .. }), "{mixed}");
    }
}
