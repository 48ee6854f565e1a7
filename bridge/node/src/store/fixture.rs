//! A store without a disk, for tests.

use std::path::PathBuf;
use std::sync::Arc;

use quorate_protocol::{AgentId, GroupId, GroupIdentity};
use redb::Database;
use redb::backends::InMemoryBackend;

use super::{Inner, Store};

/// The group that every store of this fixture belongs to.
pub(crate) fn identity() -> GroupIdentity {
    GroupIdentity { chain_id: 31337, contract: AgentId::from([0xc0; 20]), group: GroupId::from([7; 32]) }
}

impl Store {
    /// A new store in memory. What a clone of it has is durable, as far as a test is concerned.
    pub(crate) fn in_memory() -> Self {
        let database = Database::builder().create_with_backend(InMemoryBackend::new()).unwrap();
        let store = Self { inner: Arc::new(Inner { database, path: PathBuf::from("memory") }) };
        store.create_tables(&identity(), AgentId::from([1; 20])).unwrap();
        store
    }
}
