//! The write-ahead log: what this replica is about to say, on disk before it is said.
//!
//! Records are opaque. [`Wal::append`] makes a list of them durable with one `fdatasync`; [`Wal::rotate`]
//! begins a new segment file with the records that still matter and drops the older ones. [`WalWriter`]
//! runs a log on a thread of its own and shares one `fdatasync` among whatever is queued.
//!
//! # What holds
//! - What an `append` returned for is read back by every later [`Wal::open`], until a `rotate` drops it.
//! - A frame is one `append`, and the next is not begun before it is durable. So a damaged frame at the end
//!   may be an append that never returned: it is cut and reported. A damaged frame with a valid one behind
//!   it was durable once: that is [`NodeError::DataCorrupt`], never silently lost.
//! - A last frame that rotted after it was durable cannot be told from a torn one. [`TailReport`] says that
//!   something was cut, and the replica must not vote before it has learnt from the others where they are.
//! - After a failed write or sync nothing more is written: the state of the file is unknown then, and
//!   another `fdatasync` could report success for pages that the kernel has dropped.

mod directory;
mod lock;
mod segment;
mod writer;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use crate::error::NodeError;
pub use directory::{Directory, DirectoryFile, LockedDirectory};
use segment::{Header, Scan};
pub use segment::{MAX_FRAME_BYTES, MAX_RECORD_BYTES};
pub use writer::{WalEvent, WalWriter};

/// Segments are allocated, and grow, by so many bytes of zeros, so that an append changes no metadata of
/// the file and its `fdatasync` is one write.
const ALLOCATION_BYTES: u64 = 1024 * 1024;

/// What [`Wal::open`] found at the end of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TailReport {
    /// There was no log: this is a new replica, or one that has lost its memory.
    pub created: bool,
    /// Bytes of a damaged last frame that were cut. If the disk is sound, nothing in them was ever promised.
    pub cut_bytes: u64,
    /// The file is shorter than it was allocated: somebody or something took its end away.
    pub shortened: bool,
}

impl TailReport {
    /// Whether everything that was ever durable is certainly there.
    pub fn is_clean(&self) -> bool {
        *self == Self::default()
    }
}

/// An open write-ahead log in a directory that belongs to it.
#[derive(Debug)]
pub struct Wal<D: Directory = LockedDirectory> {
    directory: D,
    path: PathBuf,
    file: D::File,
    header: Header,
    /// Where the next frame goes.
    end: u64,
    /// How many bytes the file has.
    allocated: u64,
    next_frame: u64,
    failed: bool,
}

impl Wal {
    /// Opens the log in `dir`, or creates it, and returns the records since the last rotation in order. It
    /// holds the lock of `dir` until it is dropped.
    ///
    /// # Errors
    /// [`NodeError::DataInUse`] when another process has it open, [`NodeError::DataCorrupt`] when something
    /// is damaged that a crash does not explain, [`NodeError::Storage`] when the disk fails.
    pub fn open(dir: &Path) -> Result<(Self, Vec<Vec<u8>>, TailReport), NodeError> {
        Self::open_in(LockedDirectory::acquire(dir)?)
    }
}

impl<D: Directory> Wal<D> {
    /// As [`Wal::open`], in a directory that nobody else uses.
    ///
    /// # Errors
    /// As [`Wal::open`].
    pub fn open_in(directory: D) -> Result<(Self, Vec<Vec<u8>>, TailReport), NodeError> {
        let Some(newest) = tidy(&directory)? else {
            let (header, first) = (Header::new(1, 0, directory.salt()), segment::Encoded::default());
            let (file, allocated) = create(&directory, &header, &first)?;
            let wal = Self::assemble(directory, file, header, (segment::HEADER_BYTES, allocated, 0));
            return Ok((wal, Vec::new(), TailReport { created: true, ..TailReport::default() }));
        };

        let name = segment::name(newest);
        let path = directory.path().join(&name);
        let bytes = directory.read(&name).map_err(NodeError::storage("read", &path))?;
        let Scan { header, records, next_frame, end, cut_bytes } = segment::scan(&bytes, newest)
            .map_err(|detail| NodeError::DataCorrupt { path: path.clone(), detail })?;
        let file = directory.open(&name).map_err(NodeError::storage("open", &path))?;
        let size = bytes.len() as u64;
        let shortened = !size.is_multiple_of(ALLOCATION_BYTES);
        let mut wal = Self::assemble(directory, file, header, (end, size, next_frame));
        if cut_bytes > 0 || shortened {
            wal.clear_tail()?;
        }
        remove_older(&wal.directory, newest)?;
        Ok((wal, records, TailReport { created: false, cut_bytes, shortened }))
    }

    fn assemble(
        directory: D,
        file: D::File,
        header: Header,
        (end, allocated, next_frame): (u64, u64, u64),
    ) -> Self {
        let path = directory.path().join(segment::name(header.segment));
        Self { directory, path, file, header, end, allocated, next_frame, failed: false }
    }

    /// Makes `records` durable, in order. Nothing to do for an empty list.
    ///
    /// All of them share one `fdatasync`, unless together they exceed [`MAX_FRAME_BYTES`].
    ///
    /// # Errors
    /// [`NodeError::RecordTooLong`] before anything is written. After any other error the log takes nothing
    /// more ([`NodeError::StorageStopped`]), and whether the records are durable is unknown.
    pub fn append(&mut self, records: &[Vec<u8>]) -> Result<(), NodeError> {
        self.check_alive()?;
        let encoded = segment::encode(&self.header, self.next_frame, records)?;
        self.failed = true;
        for frame in encoded.frames() {
            self.reserve(frame.len() as u64)?;
            self.file.write_all_at(frame, self.end).map_err(NodeError::storage("write to", &self.path))?;
            self.file.sync_data().map_err(NodeError::storage("sync", &self.path))?;
            self.end += frame.len() as u64;
            self.next_frame += 1;
        }
        self.failed = false;
        Ok(())
    }

    /// Begins a new segment with `records`, which stand for all that was appended before, and removes the
    /// older segments.
    ///
    /// A crash at any point leaves either the old log or the new one.
    ///
    /// # Errors
    /// As [`Self::append`].
    pub fn rotate(&mut self, records: &[Vec<u8>]) -> Result<(), NodeError> {
        self.check_alive()?;
        let mut header = Header::new(self.header.segment + 1, self.next_frame, self.directory.salt());
        let encoded = segment::encode(&header, self.next_frame, records)?;
        header.base_frames = encoded.count();
        self.failed = true;
        let (file, allocated) = create(&self.directory, &header, &encoded)?;
        remove_older(&self.directory, header.segment)?;
        self.path = self.directory.path().join(segment::name(header.segment));
        self.file = file;
        self.end = segment::HEADER_BYTES + encoded.len();
        self.allocated = allocated;
        self.next_frame += encoded.count();
        self.header = header;
        self.failed = false;
        Ok(())
    }

    /// Bytes in use in the segment; what the next [`Self::open`] would have to read.
    pub fn len(&self) -> u64 {
        self.end
    }

    /// Whether nothing was appended since the last rotation.
    pub fn is_empty(&self) -> bool {
        self.next_frame == self.header.first_frame + self.header.base_frames
    }

    fn check_alive(&self) -> Result<(), NodeError> {
        if self.failed { Err(NodeError::StorageStopped { what: "the write-ahead log" }) } else { Ok(()) }
    }

    /// Grows the file until `len` more bytes fit.
    fn reserve(&mut self, len: u64) -> Result<(), NodeError> {
        let needed = allocation_for(self.end + len);
        if needed > self.allocated {
            // The length is set first and at once, so that a crash never leaves one that is no multiple.
            self.file.set_len(needed).map_err(NodeError::storage("grow", &self.path))?;
            self.write_zeros(self.allocated, needed)?;
            self.file.sync_all().map_err(NodeError::storage("sync", &self.path))?;
            self.allocated = needed;
        }
        Ok(())
    }

    /// Overwrites everything from the end on with zeros, so that no remainder of a damaged frame stays.
    fn clear_tail(&mut self) -> Result<(), NodeError> {
        let needed = allocation_for(self.allocated);
        self.file.set_len(needed).map_err(NodeError::storage("grow", &self.path))?;
        self.write_zeros(self.end, needed)?;
        self.file.sync_all().map_err(NodeError::storage("sync", &self.path))?;
        self.allocated = needed;
        Ok(())
    }

    fn write_zeros(&self, from: u64, to: u64) -> Result<(), NodeError> {
        static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];
        let mut at = from;
        while at < to {
            let step = (to - at).min(ZEROS.len() as u64);
            let zeros = &ZEROS[..usize::try_from(step).expect("a step is at most 64 KiB")];
            self.file.write_all_at(zeros, at).map_err(NodeError::storage("write to", &self.path))?;
            at += step;
        }
        Ok(())
    }
}

fn allocation_for(len: u64) -> u64 {
    len.next_multiple_of(ALLOCATION_BYTES)
}

/// Creates the segment of `header` with `first` as its base: under another name until all of it is durable.
fn create<D: Directory>(
    directory: &D,
    header: &Header,
    first: &segment::Encoded,
) -> Result<(D::File, u64), NodeError> {
    let unfinished = segment::unfinished_name(header.segment);
    let path = directory.path().join(&unfinished);
    let allocated = allocation_for(segment::HEADER_BYTES + first.len() + 1);
    let length = usize::try_from(allocated).expect("a segment's base fits into memory");
    let mut bytes = Vec::with_capacity(length);
    bytes.extend_from_slice(&header.encode());
    first.frames().for_each(|frame| bytes.extend_from_slice(frame));
    bytes.resize(length, 0);

    let file = directory.create(&unfinished).map_err(NodeError::storage("create", &path))?;
    file.write_all_at(&bytes, 0).map_err(NodeError::storage("write to", &path))?;
    file.sync_all().map_err(NodeError::storage("sync", &path))?;
    directory
        .rename(&unfinished, &segment::name(header.segment))
        .map_err(NodeError::storage("rename", &path))?;
    directory.sync().map_err(NodeError::storage("sync", directory.path()))?;
    Ok((file, allocated))
}

/// Removes unfinished segments and returns the number of the newest finished one.
fn tidy<D: Directory>(directory: &D) -> Result<Option<u64>, NodeError> {
    let mut newest = None;
    for name in names(directory)? {
        if segment::is_unfinished(&name) {
            remove(directory, &name)?;
        } else {
            newest = newest.max(segment::number(&name));
        }
    }
    Ok(newest)
}

/// Removes the finished segments before `newest`, which is durable and stands for them.
fn remove_older<D: Directory>(directory: &D, newest: u64) -> Result<(), NodeError> {
    for name in names(directory)? {
        if segment::number(&name).is_some_and(|number| number < newest) {
            remove(directory, &name)?;
        }
    }
    Ok(())
}

fn names<D: Directory>(directory: &D) -> Result<Vec<String>, NodeError> {
    directory.names().map_err(NodeError::storage("list", directory.path()))
}

fn remove<D: Directory>(directory: &D, name: &str) -> Result<(), NodeError> {
    directory.remove(name).map_err(NodeError::storage("remove", directory.path().join(name)))
}
