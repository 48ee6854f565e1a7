//! The file of a store, as the pages of a database.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use redb::StorageBackend;

use super::{dead, lock, no_space, survives};

/// The unit that is there or lost after a crash.
const BLOCK: usize = 4_096;

/// The bytes of a database, as they are and as a crash may leave them.
#[derive(Debug, Default)]
pub(super) struct Pages {
    bytes: Vec<u8>,
    /// What the blocks held that were written since the last sync.
    before: BTreeMap<usize, Vec<u8>>,
    generation: u64,
    pub(super) full: bool,
}

impl Pages {
    pub(super) fn crash(&mut self, salt: u64) {
        self.generation += 1;
        for (block, before) in std::mem::take(&mut self.before) {
            if !survives(salt, block as u64) {
                let (from, end) = (block * BLOCK, self.bytes.len());
                let to = (from + before.len()).min(end);
                if from < to {
                    self.bytes[from..to].copy_from_slice(&before[..to - from]);
                }
            }
        }
    }

    pub(super) fn kill(&mut self) {
        self.generation += 1;
        self.before.clear();
    }

    pub(super) fn wipe(&mut self) {
        self.generation += 1;
        self.bytes.clear();
        self.before.clear();
    }

    fn write(&mut self, offset: usize, data: &[u8]) {
        let end = offset + data.len();
        for block in offset / BLOCK..end.div_ceil(BLOCK) {
            let (from, to) = (block * BLOCK, ((block + 1) * BLOCK).min(self.bytes.len()));
            self.before.entry(block).or_insert_with(|| self.bytes[from..to].to_vec());
        }
        self.bytes[offset..end].copy_from_slice(data);
    }
}

/// A handle on the pages.
#[derive(Debug)]
pub struct SimPages {
    pages: Arc<Mutex<Pages>>,
    generation: u64,
}

impl SimPages {
    pub(super) fn new(pages: &Arc<Mutex<Pages>>) -> Self {
        let generation = lock(pages).generation;
        Self { pages: Arc::clone(pages), generation }
    }

    fn with<T>(&self, use_it: impl FnOnce(&mut Pages) -> io::Result<T>) -> io::Result<T> {
        let mut pages = lock(&self.pages);
        if pages.generation == self.generation { use_it(&mut pages) } else { Err(dead()) }
    }
}

fn place(offset: u64) -> io::Result<usize> {
    usize::try_from(offset).map_err(io::Error::other)
}

impl StorageBackend for SimPages {
    fn len(&self) -> io::Result<u64> {
        self.with(|pages| Ok(pages.bytes.len() as u64))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let from = place(offset)?;
        self.with(|pages| {
            let bytes = pages.bytes.get(from..from + out.len());
            out.copy_from_slice(bytes.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?);
            Ok(())
        })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let len = place(len)?;
        self.with(|pages| {
            if pages.full && len > pages.bytes.len() {
                return Err(no_space());
            }
            pages.bytes.resize(len, 0);
            Ok(())
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.with(|pages| {
            pages.before.clear();
            Ok(())
        })
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let offset = place(offset)?;
        self.with(|pages| {
            if offset + data.len() > pages.bytes.len() {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
            }
            pages.write(offset, data);
            Ok(())
        })
    }
}
