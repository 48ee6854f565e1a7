//! One process a directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use crate::error::NodeError;

/// An advisory lock on a directory. The kernel drops it with the process, however that ends, so a crash
/// leaves nothing to clean up.
#[derive(Debug)]
pub(super) struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// Locks `dir`, which exists.
    pub(super) fn acquire(dir: &Path) -> Result<Self, NodeError> {
        let path = dir.join("lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(NodeError::storage("create", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(NodeError::DataInUse { dir: dir.into() }),
            Err(TryLockError::Error(source)) => Err(NodeError::storage("lock", path)(source)),
        }
    }
}
