//! Disks that lose what was not synced.
//!
//! A [`Disk`] holds a replica's two kinds of storage: the files of the write-ahead log and the pages of the
//! store. A crash keeps or loses each block that was written since the last sync, each by itself, as a real
//! disk may. Which of them is decided by the seed and the block's place, never by the order of writes, so that
//! a run can be repeated although a database may write its pages in any order.

mod files;
mod pages;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use files::SimDirectory;
pub use pages::SimPages;

use crate::random::Random;
use files::Files;
use pages::Pages;

/// One replica's disk.
#[derive(Clone, Debug)]
pub struct Disk {
    files: Arc<Mutex<Files>>,
    pages: Arc<Mutex<Pages>>,
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Disk {
    /// An empty disk.
    pub fn new(seed: u64) -> Self {
        Self { files: Arc::new(Mutex::new(Files::new(seed))), pages: Arc::default() }
    }

    /// The directory of the write-ahead log, for the next incarnation of the node. Earlier handles are dead.
    pub fn directory(&self) -> SimDirectory {
        SimDirectory::new(&self.files)
    }

    /// The pages of the store, for the next incarnation of the node. Earlier handles are dead.
    pub fn backend(&self) -> SimPages {
        SimPages::new(&self.pages)
    }

    /// Power is lost: what was not synced is there or not, block by block.
    pub fn crash(&self, random: &mut Random) {
        lock(&self.files).crash(random.draw());
        lock(&self.pages).crash(random.draw());
    }

    /// Power stays, the process dies: everything that it wrote is there.
    pub fn kill(&self) {
        lock(&self.files).kill();
        lock(&self.pages).kill();
    }

    /// From now on there is room for nothing more, or there is again.
    pub fn set_full(&self, full: bool) {
        lock(&self.files).full = full;
        lock(&self.pages).full = full;
    }

    /// Whether there is no room.
    pub fn is_full(&self) -> bool {
        lock(&self.files).full
    }

    /// All data is gone.
    pub fn wipe(&self) {
        lock(&self.files).wipe();
        lock(&self.pages).wipe();
    }

    /// The write-ahead log is gone, the store is not.
    pub fn lose_log(&self) {
        lock(&self.files).wipe();
    }

    /// A bit of the write-ahead log's end, which was durable, changes. Says whether there was one.
    pub fn rot_log(&self, random: &mut Random) -> bool {
        lock(&self.files).rot(random)
    }

    /// Whether there is any write-ahead log.
    pub fn has_log(&self) -> bool {
        lock(&self.files).has_names()
    }

    /// Bytes that the write-ahead log takes.
    pub fn log_bytes(&self) -> u64 {
        lock(&self.files).bytes()
    }
}

/// Whether the block at `place` survives the crash `salt`.
fn survives(salt: u64, place: u64) -> bool {
    Random::new(salt ^ place.wrapping_mul(0x9e37_79b9_7f4a_7c15)).percent(50)
}

fn no_space() -> std::io::Error {
    std::io::Error::from(std::io::ErrorKind::StorageFull)
}

fn dead() -> std::io::Error {
    std::io::Error::other("the process of this handle is gone")
}
