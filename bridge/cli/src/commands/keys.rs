//! `quorate keys`: an agent's keys on disk, and their registration with the contract.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use quorate_protocol::B256;
use quorate_sdk::Agent;
use quorate_sdk::keystore::{AgentPublic, KeystoreOptions, SecretSource, read_public};
use serde::Serialize;

use crate::args::OutputOptions;
use crate::chain::act;
use crate::connection::Connection;
use crate::error::CliError;
use crate::output::{Format, Report};
use crate::password::{self, Purpose};
use crate::sdk::{agent, blocking};

/// Makes, imports, shows and registers the keys of an agent.
#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// Makes new keys in the directory of --keys
    New(New),
    /// Imports existing secrets into the directory of --keys
    Import(Import),
    /// Shows the public halves of the keys in the directory of --keys
    Show(Show),
    /// Binds the ed25519 key to the account in the contract, so that a group can take the agent in
    Register(Register),
}

#[derive(Debug, Args)]
pub(crate) struct New {
    /// Replaces keys that are there already; they are lost then
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    output: OutputOptions,
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// A Web3 keystore of the secp256k1 account; without it a new account is made
    #[arg(long, value_name = "FILE")]
    account: Option<PathBuf>,
    /// A file with the account's secret as 64 hex digits
    #[arg(long, value_name = "FILE", conflicts_with = "account")]
    account_hex: Option<PathBuf>,
    /// A Web3 keystore of the ed25519 key; without it a new key is made
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// A file with the key's secret as 64 hex digits
    #[arg(long, value_name = "FILE", conflicts_with = "key")]
    key_hex: Option<PathBuf>,
    /// The file with the password of the imported keystores, if it is not that of the new ones
    #[arg(long, value_name = "FILE")]
    from_password_file: Option<PathBuf>,
    /// Replaces keys that are there already; they are lost then
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    output: OutputOptions,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    #[command(flatten)]
    output: OutputOptions,
}

#[derive(Debug, Args)]
pub(crate) struct Register {
    #[command(flatten)]
    output: OutputOptions,
}

/// The public halves of an agent's keys.
#[derive(Debug, Serialize)]
struct Public {
    agent: String,
    key: String,
    directory: PathBuf,
}

impl Public {
    fn of(public: AgentPublic, directory: &Path) -> Self {
        Self { agent: public.agent.to_string(), key: public.key.to_string(), directory: directory.to_owned() }
    }
}

impl Report for Public {
    fn text(&self) -> String {
        format!("agent {}\nkey   {}\nin    {}\n", self.agent, self.key, self.directory.display())
    }
}

/// A registration with the contract.
#[derive(Debug, Serialize)]
struct Registered {
    agent: String,
    key: String,
    transaction: B256,
    gas: u64,
}

impl Report for Registered {
    fn text(&self) -> String {
        format!(
            "{} registered the key {}\nin transaction {} for {} gas\n",
            self.agent, self.key, self.transaction, self.gas
        )
    }
}

impl Keys {
    /// Whether the command's own flag asks for JSON.
    pub(crate) fn asks_for_json(&self) -> bool {
        match self {
            Self::New(New { output, .. })
            | Self::Import(Import { output, .. })
            | Self::Show(Show { output })
            | Self::Register(Register { output }) => output.json,
        }
    }

    pub(crate) async fn run(self, format: Format, connection: Connection) -> Result<(), CliError> {
        match self {
            Self::New(New { overwrite, .. }) => {
                let dir = connection.keys()?.to_owned();
                let password = password::obtain(connection.password_file(), Purpose::Create)?;
                let options = KeystoreOptions { overwrite, ..KeystoreOptions::default() };
                let made = dir.clone();
                let agent = blocking(move || Agent::create_with(made, &password, options)).await?;
                format.print(&Public::of(agent.public(), &dir))
            }
            Self::Import(import) => import.run(format, connection).await,
            Self::Show(_) => {
                let dir = connection.keys()?;
                format.print(&Public::of(read_public(dir)?, dir))
            }
            Self::Register(_) => register(format, connection).await,
        }
    }
}

impl Import {
    async fn run(self, format: Format, connection: Connection) -> Result<(), CliError> {
        let dir = connection.keys()?.to_owned();
        let password = password::obtain(connection.password_file(), Purpose::Create)?;
        let from = match &self.from_password_file {
            Some(file) => password::obtain(Some(file), Purpose::Open)?,
            None => password.clone(),
        };
        let account = source(self.account, self.account_hex, &from)?;
        let key = source(self.key, self.key_hex, &from)?;
        if matches!((&account, &key), (SecretSource::Generate, SecretSource::Generate)) {
            return Err(CliError::Usage {
                cause: "nothing to import is named".into(),
                mend: "name a secret with --account, --account-hex, --key or --key-hex, or make new keys with `quorate keys new`".into(),
            });
        }
        let options = KeystoreOptions { overwrite: self.overwrite, ..KeystoreOptions::default() };
        let made = dir.clone();
        let agent = blocking(move || Agent::import(made, &password, &account, &key, options)).await?;
        format.print(&Public::of(agent.public(), &dir))
    }
}

/// Where a secret comes from. A secret is read from a file and never from an argument, which every process on the
/// machine could read.
fn source(keystore: Option<PathBuf>, hex: Option<PathBuf>, password: &str) -> Result<SecretSource, CliError> {
    match (keystore, hex) {
        (Some(file), _) => Ok(SecretSource::keystore(file, password)),
        (None, Some(file)) => {
            let digits = std::fs::read_to_string(&file).map_err(|error| CliError::Key {
                cause: format!("the secret in {} cannot be read: {error}", file.display()),
                mend: "name a file that holds 64 hex digits".into(),
            })?;
            Ok(SecretSource::hex(digits))
        }
        (None, None) => Ok(SecretSource::Generate),
    }
}

async fn register(format: Format, connection: Connection) -> Result<(), CliError> {
    let agent = agent(&connection).await?;
    let account = act(connection.rpc()?, connection.contract()?, &agent).await?;
    let included = account.register(&agent.public_key()).await?;
    format.print(&Registered {
        agent: agent.id().to_string(),
        key: agent.public_key().to_string(),
        transaction: included.tx_hash,
        gas: included.gas_used,
    })
}
