//! Everything that can stop a node, and the exit code that each cause has.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use quorate_protocol::{AgentId, Epoch, PublicKey};

use crate::config::Problem;

/// Why a node cannot start or go on. Every message names the cause and the mend.
///
/// What a peer or a client does wrong is never an error of the node: it is refused, counted and survived.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// The configuration file cannot be read.
    #[error(
        "cannot read the configuration {path}: {source}; name an existing file, or start from node.example.toml"
    )]
    ConfigUnreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The configuration is not TOML, lacks a key, or has an unknown one.
    #[error("the configuration {path} cannot be understood; node.example.toml documents every key\n{detail}")]
    ConfigMalformed {
        /// The file.
        path: PathBuf,
        /// Where in the file and why.
        detail: String,
    },
    /// The configuration can be read, but not be run.
    #[error("the configuration {path} cannot be used:{problems}", problems = lines(.problems))]
    ConfigInvalid {
        /// The file.
        path: PathBuf,
        /// All problems, not only the first.
        problems: Vec<Problem>,
    },
    /// Another process works in the data directory.
    #[error(
        "the data directory {dir} is in use by another process; stop that process, or set data_dir to another directory"
    )]
    DataInUse {
        /// The directory.
        dir: PathBuf,
    },
    /// The data directory is another node's.
    #[error(
        "the data directory {dir} belongs to {what} {found}, but this node is configured for {expected}; set data_dir to this node's own directory, or correct the configuration"
    )]
    DataForeign {
        /// The directory.
        dir: PathBuf,
        /// What differs.
        what: &'static str,
        /// What the configuration says.
        expected: String,
        /// What the directory says.
        found: String,
    },
    /// The data directory was written by another version of the program.
    #[error(
        "the data directory {dir} has format {found}, this program writes format {supported}; run the version that wrote it, or set data_dir to an empty directory"
    )]
    DataFormat {
        /// The directory.
        dir: PathBuf,
        /// The format that was found.
        found: u64,
        /// The format that this program knows.
        supported: u64,
    },
    /// A file in the data directory is damaged in a way that no crash explains.
    #[error(
        "{path} is damaged: {detail}; check the disk, then move the whole data directory away and start again: the node fetches the log from the other replicas"
    )]
    DataCorrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// A file operation failed, the disk is full or broken. Nothing was promised that depends on it.
    #[error("cannot {action} {path}: {source}; free space or mend the disk, then start the node again")]
    Storage {
        /// What was tried.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A record that is larger than the write-ahead log takes.
    #[error(
        "a record of {len} bytes for the write-ahead log, at most {max} are allowed; this is a fault of the program, please report it"
    )]
    RecordTooLong {
        /// The record's length in bytes.
        len: usize,
        /// The bound in bytes.
        max: usize,
    },
    /// Something was written after the storage had stopped.
    #[error("{what} stopped earlier and takes nothing more; the first error in the log says why")]
    StorageStopped {
        /// Which part of the storage.
        what: &'static str,
    },
    /// The program contradicts itself. It stops rather than go on with a state that it does not understand.
    #[error("{0}; this is a fault of the program, please report it")]
    Invariant(String),
    /// A key is missing, cannot be decrypted, or is not the one that the group knows.
    #[error("the key {path} cannot be used: {detail}")]
    Key {
        /// The keystore file.
        path: PathBuf,
        /// What is wrong, and what to do.
        detail: String,
    },
    /// The node's account is no replica of the group.
    #[error(
        "{agent} is not a replica of the group; set keys.account to a replica's keystore, or register the account in the group"
    )]
    NotAReplica {
        /// The account.
        agent: AgentId,
    },
    /// The account is a replica's, under another ed25519 key.
    #[error(
        "in epoch {epoch} the group knows key {known} for {agent}, and keys.agent holds {own}; set keys.agent to the keystore of {known} and start again"
    )]
    OtherKey {
        /// The account.
        agent: AgentId,
        /// The epoch.
        epoch: Epoch,
        /// The key that the node has.
        own: PublicKey,
        /// The key that the group knows.
        known: PublicKey,
    },
    /// The voters replaced the group's replicas on-chain, and this node's data is of before.
    #[error(
        "the group was recovered on-chain to era {era}, and this node is of epoch {epoch}: what was not anchored then is void, and it takes part no more; if it is a replica of the new era, move its data directory away, rebuild it with quorate node recover --from that directory, and start it again",
        era = .contract.era()
    )]
    Recovered {
        /// The node's epoch.
        epoch: Epoch,
        /// The contract's.
        contract: Epoch,
    },
    /// The data directory that a node is to be rebuilt in holds something.
    #[error(
        "the data directory {dir} is not empty; move it away, and name it with --from if it is to be rebuilt"
    )]
    DataInTheWay {
        /// The directory.
        dir: PathBuf,
    },
    /// A data directory from which a group cannot be recovered.
    #[error("{dir} does not do for the recovery: {detail}; take the data directory of another node")]
    NotRecoverable {
        /// The directory.
        dir: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// The chain cannot be reached, or does not hold what the configuration names.
    #[error("the chain at {rpc_url}: {detail}")]
    Chain {
        /// The endpoint.
        rpc_url: String,
        /// What is wrong, and what to do.
        detail: String,
    },
    /// Another process listens on the port.
    #[error("{key} = {address} is taken by another process; stop that process, or set {key} to a free port")]
    PortTaken {
        /// The configuration key.
        key: &'static str,
        /// The address.
        address: SocketAddr,
    },
    /// The address cannot be listened on for another reason.
    #[error("cannot listen on {key} = {address}: {source}; set {key} to an address of this machine")]
    Listen {
        /// The configuration key.
        key: &'static str,
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// TLS cannot be set up with the node's key.
    #[error("cannot set up TLS with the agent's key: {0}")]
    Tls(String),
    /// A thread cannot be started.
    #[error("cannot start the thread {name}: {source}; raise the limit of processes")]
    Thread {
        /// The thread's name.
        name: &'static str,
        /// Why.
        source: io::Error,
    },
}

/// The class of an error, which is the exit code of the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitClass {
    /// Anything without a class of its own.
    Unexpected = 1,
    /// The configuration is invalid.
    Configuration = 3,
    /// The data directory is corrupt, foreign or in use.
    DataDirectory = 4,
    /// A key is missing or wrong.
    Key = 5,
    /// The chain is unreachable or does not match.
    Chain = 6,
    /// A port is taken.
    PortTaken = 7,
}

impl ExitClass {
    /// The exit code of the process.
    pub fn code(self) -> u8 {
        self as u8
    }
}

impl NodeError {
    /// The class that decides the exit code.
    pub fn exit_class(&self) -> ExitClass {
        match self {
            Self::ConfigUnreadable { .. } | Self::ConfigMalformed { .. } | Self::ConfigInvalid { .. } => {
                ExitClass::Configuration
            }
            Self::DataInUse { .. }
            | Self::DataForeign { .. }
            | Self::DataFormat { .. }
            | Self::DataCorrupt { .. }
            | Self::Recovered { .. }
            | Self::DataInTheWay { .. }
            | Self::NotRecoverable { .. } => ExitClass::DataDirectory,
            Self::Key { .. } | Self::NotAReplica { .. } | Self::OtherKey { .. } => ExitClass::Key,
            Self::Chain { .. } => ExitClass::Chain,
            Self::PortTaken { .. } => ExitClass::PortTaken,
            Self::Storage { .. }
            | Self::RecordTooLong { .. }
            | Self::StorageStopped { .. }
            | Self::Invariant(_)
            | Self::Listen { .. }
            | Self::Tls(_)
            | Self::Thread { .. } => ExitClass::Unexpected,
        }
    }

    /// The error of `action` on `path`, for `map_err`.
    pub(crate) fn storage(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Storage { action, path, source }
    }

    /// The error of listening on `address`, which the configuration names `key`.
    pub fn listen(key: &'static str, address: SocketAddr, source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::AddrInUse {
            Self::PortTaken { key, address }
        } else {
            Self::Listen { key, address, source }
        }
    }
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("\n  {problem}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_documented_exit_code_has_its_cause() {
        let path = PathBuf::from("data");
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let cases = [
            (NodeError::Invariant("x".into()), 1),
            (NodeError::ConfigInvalid { path: path.clone(), problems: vec![] }, 3),
            (NodeError::DataCorrupt { path: path.clone(), detail: "x".into() }, 4),
            (NodeError::DataInUse { dir: path.clone() }, 4),
            (NodeError::Key { path, detail: "x".into() }, 5),
            (NodeError::Chain { rpc_url: "x".into(), detail: "x".into() }, 6),
            (NodeError::listen("http.listen", address, io::ErrorKind::AddrInUse.into()), 7),
            (NodeError::listen("http.listen", address, io::ErrorKind::AddrNotAvailable.into()), 1),
        ];
        for (error, code) in cases {
            assert_eq!(error.exit_class().code(), code, "{error}");
        }
    }

    #[test]
    fn all_problems_of_a_configuration_are_shown() {
        let problem = |key: &str| Problem { key: key.into(), cause: "c".into(), mend: "m".into() };
        let error =
            NodeError::ConfigInvalid { path: "n.toml".into(), problems: vec![problem("a"), problem("b")] };
        assert_eq!(error.to_string(), "the configuration n.toml cannot be used:\n  a: c; m\n  b: c; m");
    }
}
