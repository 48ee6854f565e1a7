//! The store: what the group decided, in one embedded database file.
//!
//! Committed batches, entries with their bodies, the services' state as of the last checkpoint, and what
//! the node must know about itself. The write-ahead log ([`crate::wal`]) keeps what this replica *says*
//! and is fast; the store keeps what is *decided* and may lag behind by some batches, which a restart
//! executes again from the log's records or fetches from the other replicas.
//!
//! [`StoreWriter`] is the one writer: a thread that puts many writes into one durable transaction. Readers
//! see a consistent snapshot each and never wait for it.
//!
//! # What holds
//! - Batches and entries have no gaps: a write that would leave one is refused as a broken invariant.
//! - All effects of one write, and the order of writes, survive a crash together: no later write without
//!   the earlier.
//! - A directory belongs to one group and one account, from its creation on.
//! - What a fetch of the group's state has brought counts for nothing until it is installed, all at once.

mod fetch;
mod frontier;
mod reader;
mod rewind;
mod snapshot;
mod tables;
mod writer;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use quorate_protocol::{AgentId, GroupIdentity};
use redb::{Database, DatabaseError, ReadableDatabase as _, StorageBackend, StorageError};

use crate::error::NodeError;
pub use fetch::{FetchProgress, FetchWrite};
pub use frontier::Frontier;
pub use reader::StatePair;
pub use rewind::Rewind;
pub use snapshot::{ChunkBounds, StateSnapshot};
pub use writer::{MAX_EVIDENCE, StoreStatus, StoreWriter, Write};

/// The version of the tables and of what is in them.
pub const FORMAT: u64 = 3;

const FILE_NAME: &str = "store.redb";

/// Memory for pages of the database, in bytes: enough for the recent entries, which are read most.
const CACHE_BYTES: usize = 64 * 1024 * 1024;

/// An open store. Clones share it.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    database: Database,
    path: PathBuf,
}

impl Store {
    /// Opens the store in `dir`, or creates it for the group `identity` and the replica `agent`.
    ///
    /// # Errors
    /// [`NodeError::DataForeign`] when it belongs to another group, another account, or another program,
    /// [`NodeError::DataFormat`] when another version wrote it, [`NodeError::DataCorrupt`] when it is
    /// damaged, [`NodeError::DataInUse`] when another process has it open.
    pub fn open(dir: &Path, identity: &GroupIdentity, agent: AgentId) -> Result<Self, NodeError> {
        fs::create_dir_all(dir).map_err(NodeError::storage("create", dir))?;
        let path = dir.join(FILE_NAME);
        let database = Database::builder()
            .set_cache_size(CACHE_BYTES)
            .create(&path)
            .map_err(|error| database_error(error, dir, &path))?;
        let store = Self { inner: Arc::new(Inner { database, path }) };
        store.check_owner(dir, identity, agent)?;
        Ok(store)
    }

    /// Opens the store on `backend`, which is empty or what an earlier store left, instead of a file.
    /// `name` stands for its path in errors.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_on(
        backend: impl StorageBackend,
        name: &Path,
        identity: &GroupIdentity,
        agent: AgentId,
    ) -> Result<Self, NodeError> {
        let database = Database::builder()
            .set_cache_size(CACHE_BYTES)
            .create_with_backend(backend)
            .map_err(|error| database_error(error, name, name))?;
        let store = Self { inner: Arc::new(Inner { database, path: name.into() }) };
        store.check_owner(name, identity, agent)?;
        Ok(store)
    }

    /// Opens the store in `dir` if there is one, whoever it belongs to, to see what it holds.
    ///
    /// # Errors
    /// As [`Self::open`], except that no owner is expected.
    pub fn open_existing(dir: &Path) -> Result<Option<Self>, NodeError> {
        let path = dir.join(FILE_NAME);
        if !path.exists() {
            return Ok(None);
        }
        let database = Database::builder()
            .set_cache_size(CACHE_BYTES)
            .open(&path)
            .map_err(|error| database_error(error, dir, &path))?;
        let store = Self { inner: Arc::new(Inner { database, path }) };
        Ok(if store.is_blank()? { None } else { Some(store) })
    }

    fn check_owner(&self, dir: &Path, identity: &GroupIdentity, agent: AgentId) -> Result<(), NodeError> {
        let foreign = |what, expected: String, found: String| {
            Err(NodeError::DataForeign { dir: dir.into(), what, expected, found })
        };
        match self.owner()? {
            None if self.is_blank()? => self.create_tables(identity, agent),
            None => foreign("another program's database at", "Quorate".into(), FILE_NAME.into()),
            Some(owner) if owner.format != FORMAT => {
                Err(NodeError::DataFormat { dir: dir.into(), found: owner.format, supported: FORMAT })
            }
            Some(owner) if owner.identity != *identity => {
                foreign("the group", identity.origin(), owner.identity.origin())
            }
            Some(owner) if owner.agent != agent => {
                foreign("the replica", agent.to_string(), owner.agent.to_string())
            }
            Some(_) => Ok(()),
        }
    }

    /// Whether the database has no table at all: it was just created.
    fn is_blank(&self) -> Result<bool, NodeError> {
        let read = self.inner.database.begin_read().map_err(|error| self.failed("read", error))?;
        let mut tables = read.list_tables().map_err(|error| self.failed("read", error))?;
        Ok(tables.next().is_none())
    }

    fn create_tables(&self, identity: &GroupIdentity, agent: AgentId) -> Result<(), NodeError> {
        let owner = tables::Owner { format: FORMAT, identity: *identity, agent };
        let create = || -> Result<(), redb::Error> {
            let write = self.inner.database.begin_write()?;
            tables::create(&write, &owner)?;
            write.commit()?;
            Ok(())
        };
        create().map_err(|error| self.failed("create tables in", error))
    }

    /// The error of `action` on the database file.
    fn failed(&self, action: &'static str, error: impl Into<redb::Error>) -> NodeError {
        redb_error(error.into(), action, &self.inner.path)
    }

    pub(crate) fn corrupt(&self, detail: String) -> NodeError {
        NodeError::DataCorrupt { path: self.inner.path.clone(), detail }
    }
}

fn database_error(error: DatabaseError, dir: &Path, path: &Path) -> NodeError {
    match error {
        DatabaseError::DatabaseAlreadyOpen => NodeError::DataInUse { dir: dir.into() },
        DatabaseError::UpgradeRequired(found) => {
            let detail = format!("it has the database format {found} of another program version");
            NodeError::DataCorrupt { path: path.into(), detail }
        }
        // The database reports a file that is not its own, or too short to be, as invalid data.
        DatabaseError::Storage(StorageError::Io(error))
            if matches!(
                error.kind(),
                std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof
            ) =>
        {
            NodeError::DataCorrupt { path: path.into(), detail: error.to_string() }
        }
        other => redb_error(other.into(), "open", path),
    }
}

fn redb_error(error: redb::Error, action: &'static str, path: &Path) -> NodeError {
    match error {
        redb::Error::Corrupted(detail) => NodeError::DataCorrupt { path: path.into(), detail },
        redb::Error::Io(source) => NodeError::Storage { action, path: path.into(), source },
        other => NodeError::Storage { action, path: path.into(), source: std::io::Error::other(other) },
    }
}
