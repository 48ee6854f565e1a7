//! How the commands reach a group: options, environment and profile, in this order of precedence.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use quorate_protocol::{AgentId, GroupId};

use crate::error::CliError;
use crate::profile::Profile;

/// The heading of these options in the help.
const HEADING: &str = "Connection";
/// The longest expiry: ten years, which a group whose clocks jumped may take.
const MAX_EXPIRY_S: u64 = 10 * 366 * 24 * 3600;

/// Options of every command that talks to a group. They may stand before or behind the command.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ConnectionOptions {
    /// A file with the options below, as `quorate devnet` writes it
    #[arg(long, global = true, env = "QUORATE_PROFILE", value_name = "FILE", help_heading = HEADING, hide_short_help = true)]
    pub(crate) profile: Option<PathBuf>,
    /// URL of a node; repeat it for several
    #[arg(long = "node", global = true, env = "QUORATE_NODE", value_delimiter = ',', value_name = "URL", help_heading = HEADING, hide_short_help = true)]
    pub(crate) node_urls: Vec<String>,
    /// URL of the chain's RPC; repeat it, or write URL,URL,URL, for several, of which the majority has to agree, or as many
    /// as "2 of URL,URL,URL" says
    #[arg(long, global = true, env = "QUORATE_RPC", value_name = "URL", help_heading = HEADING, hide_short_help = true)]
    pub(crate) rpc: Vec<String>,
    /// Address of the contract
    #[arg(long, global = true, env = "QUORATE_CONTRACT", value_name = "ADDRESS", help_heading = HEADING, hide_short_help = true)]
    pub(crate) contract: Option<AgentId>,
    /// The group's id
    #[arg(long, global = true, env = "QUORATE_GROUP", value_name = "ID", help_heading = HEADING, hide_short_help = true)]
    pub(crate) group: Option<GroupId>,
    /// Directory with the keys to act with
    #[arg(long, global = true, env = "QUORATE_KEYS", value_name = "DIR", help_heading = HEADING, hide_short_help = true)]
    pub(crate) keys: Option<PathBuf>,
    /// File with the keys' password; without it QUORATE_PASSWORD is taken, or the terminal is asked
    #[arg(long, global = true, env = "QUORATE_PASSWORD_FILE", value_name = "FILE", help_heading = HEADING, hide_short_help = true)]
    pub(crate) password_file: Option<PathBuf>,
    /// After how many seconds a command that is not ordered yet has no effect; 60 if not given
    #[arg(long, global = true, env = "QUORATE_EXPIRES_IN", value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=MAX_EXPIRY_S), help_heading = HEADING, hide_short_help = true)]
    pub(crate) expires_in: Option<u64>,
}

/// What the options, the environment and the profile say together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Connection {
    profile: Profile,
    expiry: Option<Duration>,
}

impl ConnectionOptions {
    /// Fills what is not given from the profile.
    pub(crate) fn resolve(self) -> Result<Connection, CliError> {
        let profile = self.profile.as_deref().map(Profile::read).transpose()?.unwrap_or_default();
        let profile = Profile {
            nodes: if self.node_urls.is_empty() { profile.nodes } else { self.node_urls },
            rpc: if self.rpc.is_empty() { profile.rpc } else { Some(self.rpc.join(",")) },
            contract: self.contract.or(profile.contract),
            group: self.group.or(profile.group),
            keys: self.keys.or(profile.keys),
            password_file: self.password_file.or(profile.password_file),
        };
        Ok(Connection { profile, expiry: self.expires_in.map(Duration::from_secs) })
    }
}

impl Connection {
    /// URLs of nodes, at least one.
    pub(crate) fn nodes(&self) -> Result<&[String], CliError> {
        if self.profile.nodes.is_empty() {
            Err(missing("a node's URL", "--node", "QUORATE_NODE"))
        } else {
            Ok(&self.profile.nodes)
        }
    }

    /// URL of the chain's RPC, or several as [`quorate_contracts::rpc::Endpoints`] are written.
    pub(crate) fn rpc(&self) -> Result<&str, CliError> {
        self.profile.rpc.as_deref().ok_or_else(|| missing("the chain's RPC", "--rpc", "QUORATE_RPC"))
    }

    /// How long a command may take to be ordered, if it is given.
    pub(crate) fn expiry(&self) -> Option<Duration> {
        self.expiry
    }

    /// The contract.
    pub(crate) fn contract(&self) -> Result<AgentId, CliError> {
        self.profile
            .contract
            .ok_or_else(|| missing("the contract's address", "--contract", "QUORATE_CONTRACT"))
    }

    /// The group.
    pub(crate) fn group(&self) -> Result<GroupId, CliError> {
        self.profile.group.ok_or_else(|| missing("the group's id", "--group", "QUORATE_GROUP"))
    }

    /// The directory with the keys to act with.
    pub(crate) fn keys(&self) -> Result<&std::path::Path, CliError> {
        self.profile
            .keys
            .as_deref()
            .ok_or_else(|| missing("the directory of the keys", "--keys", "QUORATE_KEYS"))
    }

    /// The file with the keys' password, if it is given.
    pub(crate) fn password_file(&self) -> Option<&std::path::Path> {
        self.profile.password_file.as_deref()
    }
}

fn missing(what: &str, option: &str, variable: &str) -> CliError {
    CliError::Usage {
        cause: format!("{what} is not given"),
        mend: format!("add {option}, set {variable}, or name a profile that has it with --profile"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options_of(profile: &std::path::Path) -> ConnectionOptions {
        ConnectionOptions { profile: Some(profile.to_owned()), ..ConnectionOptions::default() }
    }

    #[test]
    fn options_go_before_the_profile() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("profile.toml");
        std::fs::write(&path, "nodes = [\"http://a\"]\nrpc = \"http://b\"\n").unwrap();
        let options = ConnectionOptions { node_urls: vec!["http://c".into()], ..options_of(&path) };
        let connection = options.resolve().unwrap();
        assert_eq!(connection.nodes().unwrap(), ["http://c"]);
        assert_eq!(connection.rpc().unwrap(), "http://b");
        let several = ConnectionOptions {
            rpc: vec!["http://d".into(), "http://e,http://f".into()],
            ..options_of(&path)
        };
        assert_eq!(several.resolve().unwrap().rpc().unwrap(), "http://d,http://e,http://f");
        std::fs::write(&path, "rpc = [\"http://b\", \"http://c\"]\n").unwrap();
        assert_eq!(options_of(&path).resolve().unwrap().rpc().unwrap(), "http://b,http://c");
        let error = connection.group().unwrap_err();
        assert!(error.mend().unwrap().contains("QUORATE_GROUP"), "{error}");
    }
}
