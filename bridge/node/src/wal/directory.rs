//! The file system under the log, as little of it as the log needs.
//!
//! A node uses [`LockedDirectory`]. A simulator brings a disk of its own, which loses what was not synced.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::lock::DirectoryLock;
use crate::error::NodeError;

/// A directory that belongs to one log. Names are those of files in it.
pub trait Directory: fmt::Debug + Send + 'static {
    /// An open file.
    type File: DirectoryFile;

    /// Where it lies, for errors.
    fn path(&self) -> &Path;
    /// The names of all files.
    ///
    /// # Errors
    /// As all of these: when the disk fails.
    fn names(&self) -> io::Result<Vec<String>>;
    /// All bytes of a file.
    fn read(&self, name: &str) -> io::Result<Vec<u8>>;
    /// Creates a file for writing, or empties the one that is there.
    fn create(&self, name: &str) -> io::Result<Self::File>;
    /// Opens a file for writing.
    fn open(&self, name: &str) -> io::Result<Self::File>;
    /// Gives a file another name, which no other has.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes the names durable.
    fn sync(&self) -> io::Result<()>;
    /// A number that nobody outside can know beforehand.
    fn salt(&self) -> u64;
}

/// A file of a [`Directory`], open for writing.
pub trait DirectoryFile: fmt::Debug + Send + 'static {
    /// Writes all of `bytes` at `offset`.
    ///
    /// # Errors
    /// As all of these: when the disk fails or is full.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Sets the length; new bytes are zero.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Makes what was written durable.
    fn sync_data(&self) -> io::Result<()>;
    /// Makes what was written durable, and the length.
    fn sync_all(&self) -> io::Result<()>;
}

/// A directory of the file system, locked against other processes while this value lives.
#[derive(Debug)]
pub struct LockedDirectory {
    path: PathBuf,
    _lock: DirectoryLock,
}

impl LockedDirectory {
    /// Locks the directory at `path`, and creates it if there is none.
    ///
    /// # Errors
    /// [`NodeError::DataInUse`] when another process has it, [`NodeError::Storage`] when the disk fails.
    pub(super) fn acquire(path: &Path) -> Result<Self, NodeError> {
        fs::create_dir_all(path).map_err(NodeError::storage("create", path))?;
        Ok(Self { path: path.into(), _lock: DirectoryLock::acquire(path)? })
    }
}

impl Directory for LockedDirectory {
    type File = File;

    fn path(&self) -> &Path {
        &self.path
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let items = fs::read_dir(&self.path)?;
        // A name that is no UTF-8 is none of the log's.
        items.filter_map(|item| item.map(|item| item.file_name().into_string().ok()).transpose()).collect()
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        fs::read(self.path.join(name))
    }

    fn create(&self, name: &str) -> io::Result<File> {
        File::create(self.path.join(name))
    }

    fn open(&self, name: &str) -> io::Result<File> {
        OpenOptions::new().write(true).open(self.path.join(name))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }

    fn salt(&self) -> u64 {
        rand::random()
    }
}

impl DirectoryFile for File {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        FileExt::write_all_at(self, bytes, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        Self::set_len(self, len)
    }

    fn sync_data(&self) -> io::Result<()> {
        Self::sync_data(self)
    }

    fn sync_all(&self) -> io::Result<()> {
        Self::sync_all(self)
    }
}
