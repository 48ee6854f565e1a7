//! Where everything of a network on one machine lives: directories and ports.
//!
//! ```text
//! DIR/profile.toml               what the commands need to talk to the group (`quorate --profile`)
//! DIR/password                   the password of all keystores, mode 0600
//! DIR/agents/NAME/               the keys of an agent
//! DIR/nodes/1/node.toml          a node's configuration, with its data in data/ and its log in node.log
//! DIR/anvil.log, anvil.json      the chain's log, and its state while it is stopped
//! ```

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::error::CliError;

/// The first of the ports that are tried where nobody asks for particular ones. They are below the range that
/// the system takes for outgoing connections, so that a peer that dials a node that is down can neither occupy
/// the node's port nor reach itself.
const FIRST_FREE_PORT: u16 = 20_000;
/// One past the last of them.
const LAST_FREE_PORT: u16 = 32_000;

/// Where a network listens: on 127.0.0.1, unless each node has a network namespace of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ports {
    /// The chain's RPC.
    pub(crate) chain: SocketAddr,
    /// Each node's.
    pub(crate) nodes: Vec<NodePorts>,
}

/// Where one node listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NodePorts {
    /// Its HTTP API.
    pub(crate) http: SocketAddr,
    /// Its peers.
    pub(crate) peers: SocketAddr,
}

impl Ports {
    /// The well-known ports 8545, 8100 and up, 8200 and up.
    pub(crate) fn well_known(nodes: u16) -> Self {
        let nodes =
            (0..nodes).map(|at| NodePorts { http: local(8_100 + at), peers: local(8_200 + at) }).collect();
        Self { chain: local(8_545), nodes }
    }

    /// Ports that nobody listens on at the moment, for `nodes` nodes.
    pub(crate) fn free(nodes: u16) -> Result<Self, CliError> {
        let needed = 1 + 2 * usize::from(nodes);
        let range = LAST_FREE_PORT - FIRST_FREE_PORT;
        // Networks that start at the same time begin their search at different ports.
        let offset = rand::random::<u16>() % range;
        let mut found = Vec::with_capacity(needed);
        for step in 0..range {
            let port = FIRST_FREE_PORT + (offset + step) % range;
            if is_free(local(port)) {
                found.push(port);
            }
            if found.len() == needed {
                let nodes = found[1..]
                    .chunks(2)
                    .map(|pair| NodePorts { http: local(pair[0]), peers: local(pair[1]) })
                    .collect();
                return Ok(Self { chain: local(found[0]), nodes });
            }
        }
        Err(CliError::Port {
            cause: format!(
                "fewer than {needed} ports are free between {FIRST_FREE_PORT} and {LAST_FREE_PORT}"
            ),
            mend: "stop what listens there (`ss -ltn` lists it)".into(),
        })
    }

    /// The well-known ports if all of them are free, else others.
    pub(crate) fn well_known_or_free(nodes: u16) -> Result<Self, CliError> {
        let known = Self::well_known(nodes);
        let all_free = is_free(known.chain)
            && known.nodes.iter().all(|ports| is_free(ports.http) && is_free(ports.peers));
        if all_free { Ok(known) } else { Self::free(nodes) }
    }
}

fn is_free(address: SocketAddr) -> bool {
    TcpListener::bind(address).is_ok()
}

/// The directory of a node's data, below the node's own.
pub(super) const DATA: &str = "data";

/// An address on this machine.
pub(crate) fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// The directory of a network.
#[derive(Clone, Debug)]
pub(crate) struct Layout(PathBuf);

impl Layout {
    /// Makes the directory. It must not exist, or be empty: a network's keys are never mixed with another's.
    pub(crate) fn create(dir: &Path) -> Result<Self, CliError> {
        make_dir(dir)?;
        if std::fs::read_dir(dir).map_err(CliError::io("read", dir))?.next().is_some() {
            return Err(CliError::Usage {
                cause: format!("{} is not empty", dir.display()),
                mend: "name a directory that is empty or does not exist yet".into(),
            });
        }
        // Children have other working directories, and profiles are read from anywhere.
        dir.canonicalize().map(Self).map_err(CliError::io("resolve", dir))
    }

    /// The directory itself.
    pub(crate) fn root(&self) -> &Path {
        &self.0
    }

    /// The connection profile.
    pub(crate) fn profile(&self) -> PathBuf {
        self.0.join("profile.toml")
    }

    /// The password of all keystores.
    pub(crate) fn password(&self) -> PathBuf {
        self.0.join("password")
    }

    /// The chain's log.
    pub(crate) fn chain_log(&self) -> PathBuf {
        self.0.join("anvil.log")
    }

    /// The chain's state, while it is stopped.
    pub(crate) fn chain_state(&self) -> PathBuf {
        self.0.join("anvil.json")
    }

    /// The keys of an agent.
    pub(crate) fn agent(&self, name: &str) -> PathBuf {
        self.0.join("agents").join(slug(name))
    }

    /// The directory of the node at this position, counted from 0; its name counts from 1, as the story does.
    pub(crate) fn node(&self, at: usize) -> PathBuf {
        self.0.join("nodes").join((at + 1).to_string())
    }

    /// The configuration of a node.
    pub(crate) fn node_config(&self, at: usize) -> PathBuf {
        self.node(at).join("node.toml")
    }

    /// What a node remembers.
    pub(crate) fn node_data(&self, at: usize) -> PathBuf {
        self.node(at).join(DATA)
    }

    /// The log of a node.
    pub(crate) fn node_log(&self, at: usize) -> PathBuf {
        self.node(at).join("node.log")
    }

    /// Writes a file that only its owner can read.
    pub(crate) fn write(&self, path: &Path, text: &str) -> Result<(), CliError> {
        if let Some(parent) = path.parent() {
            make_dir(parent)?;
        }
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(path).map_err(CliError::io("open", path))?;
        std::io::Write::write_all(&mut file, text.as_bytes()).map_err(CliError::io("write", path))
    }
}

fn make_dir(dir: &Path) -> Result<(), CliError> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(0o700).create(dir).map_err(CliError::io("make", dir))
}

/// A name as a directory: lower case, with a dash for everything that is neither letter nor digit.
pub(crate) fn slug(name: &str) -> String {
    let plain = |c: char| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    name.trim().chars().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn free_ports_are_free_and_distinct() {
        let ports = Ports::free(16).unwrap();
        let all: BTreeSet<SocketAddr> =
            ports.nodes.iter().flat_map(|node| [node.http, node.peers]).chain([ports.chain]).collect();
        assert_eq!(all.len(), 33);
        assert!(all.iter().all(|address| (FIRST_FREE_PORT..LAST_FREE_PORT).contains(&address.port())));
    }

    #[test]
    fn a_taken_port_is_not_free() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        assert!(!is_free(listener.local_addr().unwrap()));
    }

    #[test]
    fn a_directory_with_something_in_it_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::create(&dir.path().join("a/b")).unwrap();
        layout.write(&layout.password(), "secret").unwrap();
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &std::fs::metadata(layout.password()).unwrap().permissions(),
        );
        assert_eq!(mode & 0o777, 0o600);
        assert!(matches!(Layout::create(layout.root()), Err(CliError::Usage { .. })));
    }

    #[test]
    fn names_become_directories() {
        assert_eq!(slug("Alder Mills & Söhne/.."), "alder-mills---söhne---");
    }
}
