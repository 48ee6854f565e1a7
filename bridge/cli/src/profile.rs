//! The profile: a small file with what the commands need to talk to a group, as `quorate devnet` writes it.

use std::path::{Path, PathBuf};

use quorate_protocol::{AgentId, GroupId};
use serde::{Deserialize, Serialize};

use crate::error::CliError;

/// A profile. Relative paths in the file are relative to the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profile {
    /// URLs of nodes.
    #[serde(default)]
    pub(crate) nodes: Vec<String>,
    /// URL of the chain's RPC; or several, as a list or as [`quorate_contracts::rpc::Endpoints`] are written.
    #[serde(default, deserialize_with = "one_or_several")]
    pub(crate) rpc: Option<String>,
    /// The contract.
    pub(crate) contract: Option<AgentId>,
    /// The group.
    pub(crate) group: Option<GroupId>,
    /// The directory with the keys to act with.
    pub(crate) keys: Option<PathBuf>,
    /// The file with the keys' password.
    pub(crate) password_file: Option<PathBuf>,
}

impl Profile {
    /// Reads a profile.
    pub(crate) fn read(path: &Path) -> Result<Self, CliError> {
        let text = std::fs::read_to_string(path).map_err(CliError::unreadable(path))?;
        let mut profile: Self = toml::from_str(&text).map_err(|error| CliError::Config {
            path: path.to_owned(),
            cause: error.to_string().trim_end().to_owned(),
            mend: "keep to the keys nodes, rpc, contract, group, keys and password_file".into(),
        })?;
        let base = path.parent().unwrap_or(Path::new(""));
        for path in [&mut profile.keys, &mut profile.password_file].into_iter().flatten() {
            *path = base.join(&*path);
        }
        Ok(profile)
    }

    /// The text of the profile's file.
    pub(crate) fn to_text(&self) -> String {
        toml::to_string(self).expect("strings and lists of strings are TOML")
    }
}

/// A text, or a list of texts as one with commas.
fn one_or_several<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a URL, or a list of URLs")]
    enum Endpoints {
        One(String),
        Several(Vec<String>),
    }
    Ok(Some(match Endpoints::deserialize(deserializer)? {
        Endpoints::One(url) => url,
        Endpoints::Several(urls) => urls.join(","),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_read_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("profile.toml");
        let profile = Profile {
            nodes: vec!["http://127.0.0.1:8100".into()],
            rpc: Some("http://127.0.0.1:8545".into()),
            contract: Some(AgentId::from([1; 20])),
            group: Some(GroupId::from([2; 32])),
            keys: Some("agents/alder".into()),
            password_file: Some("/elsewhere/password".into()),
        };
        std::fs::write(&path, profile.to_text()).unwrap();
        let read = Profile::read(&path).unwrap();
        assert_eq!(read.keys, Some(dir.path().join("agents/alder")));
        assert_eq!(read.password_file, profile.password_file);
        assert_eq!((read.nodes, read.rpc), (profile.nodes, profile.rpc));
        assert_eq!((read.contract, read.group), (profile.contract, profile.group));
    }

    #[test]
    fn a_slip_is_named_with_its_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("profile.toml");
        std::fs::write(&path, "nodes = []\ncontact = \"0x\"\n").unwrap();
        let error = Profile::read(&path).unwrap_err();
        assert_eq!(error.exit(), crate::exit::Exit::Config);
        assert!(error.to_string().contains("contact") && error.to_string().contains("line 2"), "{error}");
    }
}
