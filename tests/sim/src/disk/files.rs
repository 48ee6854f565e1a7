//! The directory of a write-ahead log.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use quorate_node::wal::{Directory, DirectoryFile};

use super::{dead, lock, no_space, survives};
use crate::random::Random;

/// The unit that a disk writes whole.
const SECTOR: usize = 512;

type Names = BTreeMap<String, u64>;

/// Files and their names, as they are and as a crash may leave them.
#[derive(Debug)]
pub(super) struct Files {
    names: Names,
    /// What the names were after each change since they were last synced, the synced ones first.
    earlier: Vec<Names>,
    inodes: BTreeMap<u64, Inode>,
    next: u64,
    salts: Random,
    generation: u64,
    pub(super) full: bool,
}

/// One file.
#[derive(Debug, Default)]
struct Inode {
    bytes: Vec<u8>,
    /// What the sectors held that were written since the last sync; nothing of a file that was never synced.
    before: BTreeMap<usize, Vec<u8>>,
    synced: bool,
}

impl Inode {
    fn write(&mut self, bytes: &[u8], offset: usize) {
        let end = offset + bytes.len();
        if self.synced {
            for sector in offset / SECTOR..end.div_ceil(SECTOR) {
                let (from, to) = (sector * SECTOR, ((sector + 1) * SECTOR).min(self.bytes.len()));
                if from < to {
                    self.before.entry(sector).or_insert_with(|| self.bytes[from..to].to_vec());
                }
            }
        }
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes[offset..end].copy_from_slice(bytes);
    }

    fn crash(&mut self, salt: u64) {
        if self.synced {
            for (sector, before) in std::mem::take(&mut self.before) {
                if !survives(salt, sector as u64) {
                    let from = sector * SECTOR;
                    self.bytes[from..from + before.len()].copy_from_slice(&before);
                }
            }
        } else {
            let kept = Random::new(salt).index(self.bytes.len() + 1);
            self.bytes.truncate(kept);
        }
        self.synced = true;
    }
}

impl Files {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            names: Names::new(),
            earlier: Vec::new(),
            inodes: BTreeMap::new(),
            next: 0,
            salts: Random::new(seed),
            generation: 0,
            full: false,
        }
    }

    pub(super) fn crash(&mut self, salt: u64) {
        self.generation += 1;
        if !self.earlier.is_empty() {
            self.earlier.push(std::mem::take(&mut self.names));
            let left = Random::new(salt).index(self.earlier.len());
            self.names = self.earlier.swap_remove(left);
            self.earlier.clear();
        }
        self.forget_unnamed();
        self.inodes.iter_mut().for_each(|(number, inode)| inode.crash(salt ^ number));
    }

    pub(super) fn kill(&mut self) {
        self.generation += 1;
        self.sync_names();
        for inode in self.inodes.values_mut() {
            inode.before.clear();
            inode.synced = true;
        }
    }

    pub(super) fn wipe(&mut self) {
        self.generation += 1;
        self.names.clear();
        self.earlier.clear();
        self.inodes.clear();
    }

    pub(super) fn has_names(&self) -> bool {
        !self.names.is_empty()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.inodes.values().map(|inode| inode.bytes.len() as u64).sum()
    }

    /// Flips a bit among the last bytes that are not zero, of the newest file.
    pub(super) fn rot(&mut self, random: &mut Random) -> bool {
        let newest = self.names.values().next_back().copied();
        let Some(inode) = newest.and_then(|number| self.inodes.get_mut(&number)) else { return false };
        let Some(last) = inode.bytes.iter().rposition(|byte| *byte != 0).filter(|last| *last >= 64) else {
            return false;
        };
        let at = last - random.index((last - 63).min(64));
        inode.bytes[at] ^= 1 << random.index(8);
        true
    }

    fn sync_names(&mut self) {
        self.earlier.clear();
        self.forget_unnamed();
    }

    fn forget_unnamed(&mut self) {
        let named: Vec<u64> =
            self.names.values().chain(self.earlier.iter().flat_map(Names::values)).copied().collect();
        self.inodes.retain(|number, _| named.contains(number));
    }

    fn change_names(&mut self, change: impl FnOnce(&mut Names) -> io::Result<()>) -> io::Result<()> {
        let before = self.names.clone();
        change(&mut self.names)?;
        self.earlier.push(before);
        Ok(())
    }
}

/// A handle on a simulated directory.
#[derive(Debug)]
pub struct SimDirectory {
    files: Arc<Mutex<Files>>,
    generation: u64,
}

/// A handle on a file of a simulated directory.
#[derive(Debug)]
pub struct SimFile {
    files: Arc<Mutex<Files>>,
    generation: u64,
    number: u64,
}

impl SimDirectory {
    pub(super) fn new(files: &Arc<Mutex<Files>>) -> Self {
        let generation = lock(files).generation;
        Self { files: Arc::clone(files), generation }
    }

    fn with<T>(&self, use_it: impl FnOnce(&mut Files) -> io::Result<T>) -> io::Result<T> {
        let mut files = lock(&self.files);
        if files.generation == self.generation { use_it(&mut files) } else { Err(dead()) }
    }

    fn file(&self, number: u64) -> SimFile {
        SimFile { files: Arc::clone(&self.files), generation: self.generation, number }
    }
}

fn missing() -> io::Error {
    io::Error::from(io::ErrorKind::NotFound)
}

impl Directory for SimDirectory {
    type File = SimFile;

    fn path(&self) -> &Path {
        Path::new("simulated/wal")
    }

    fn names(&self) -> io::Result<Vec<String>> {
        self.with(|files| Ok(files.names.keys().cloned().collect()))
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        self.with(|files| {
            let number = files.names.get(name).ok_or_else(missing)?;
            Ok(files.inodes[number].bytes.clone())
        })
    }

    fn create(&self, name: &str) -> io::Result<SimFile> {
        self.with(|files| {
            if files.full {
                return Err(no_space());
            }
            files.next += 1;
            let number = files.next;
            files.inodes.insert(number, Inode::default());
            files.change_names(|names| {
                names.insert(name.into(), number);
                Ok(())
            })?;
            Ok(self.file(number))
        })
    }

    fn open(&self, name: &str) -> io::Result<SimFile> {
        self.with(|files| files.names.get(name).map(|number| self.file(*number)).ok_or_else(missing))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.with(|files| {
            files.change_names(|names| {
                let number = names.remove(from).ok_or_else(missing)?;
                names.insert(to.into(), number);
                Ok(())
            })
        })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.with(|files| files.change_names(|names| names.remove(name).map(drop).ok_or_else(missing)))
    }

    fn sync(&self) -> io::Result<()> {
        self.with(|files| {
            files.sync_names();
            Ok(())
        })
    }

    fn salt(&self) -> u64 {
        lock(&self.files).salts.draw()
    }
}

impl SimFile {
    fn with<T>(&self, use_it: impl FnOnce(&mut Inode, bool) -> io::Result<T>) -> io::Result<T> {
        let mut files = lock(&self.files);
        if files.generation != self.generation {
            return Err(dead());
        }
        let full = files.full;
        let inode = files.inodes.get_mut(&self.number).ok_or_else(missing)?;
        use_it(inode, full)
    }
}

impl DirectoryFile for SimFile {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        self.with(|inode, full| {
            if full && offset + bytes.len() > inode.bytes.len() {
                return Err(no_space());
            }
            inode.write(bytes, offset);
            Ok(())
        })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let len = usize::try_from(len).map_err(io::Error::other)?;
        self.with(|inode, full| {
            if full && len > inode.bytes.len() {
                return Err(no_space());
            }
            inode.bytes.resize(len, 0);
            Ok(())
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.with(|inode, _| {
            inode.before.clear();
            inode.synced = true;
            Ok(())
        })
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync_data()
    }
}
