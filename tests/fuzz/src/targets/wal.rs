//! Segments of the write-ahead log, as a crash or a broken disk may leave them.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use quorate_node::wal::{Directory, DirectoryFile, Wal};

use super::records;
use super::{Format, Memory, Target};
use crate::corpus::Seed;

/// A segment is allocated by the mebibyte, and read whole; here it is in memory too, twice while it grows.
const MEMORY: Memory = Memory { base: 6 * 1024 * 1024, per_byte: 64 };

pub(super) const TARGET: Target = Target {
    name: "wal",
    format: Format::Bytes,
    memory: MEMORY,
    max_len: 16_384,
    quick_runs: 300,
    seeds,
    check,
};

const HEADER: usize = 64;
const FRAME_HEADER: usize = 16;

/// A directory in memory. Clones share it.
#[derive(Clone, Debug, Default)]
struct Memories(Arc<Mutex<BTreeMap<String, MemoryFile>>>);

#[derive(Clone, Debug, Default)]
struct MemoryFile(Arc<Mutex<Vec<u8>>>);

impl Memories {
    fn files(&self) -> MutexGuard<'_, BTreeMap<String, MemoryFile>> {
        self.0.lock().expect("nothing panics while it holds the files")
    }

    fn file(&self, name: &str) -> io::Result<MemoryFile> {
        self.files().get(name).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl MemoryFile {
    fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().expect("nothing panics while it holds the bytes")
    }
}

impl Directory for Memories {
    type File = MemoryFile;

    fn path(&self) -> &Path {
        Path::new("memory")
    }

    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.files().keys().cloned().collect())
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        Ok(self.file(name)?.bytes().clone())
    }

    fn create(&self, name: &str) -> io::Result<MemoryFile> {
        let file = MemoryFile::default();
        self.files().insert(name.into(), file.clone());
        Ok(file)
    }

    fn open(&self, name: &str) -> io::Result<MemoryFile> {
        self.file(name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let file = self.files().remove(from).ok_or(io::ErrorKind::NotFound)?;
        self.files().insert(to.into(), file);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.files().remove(name).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn salt(&self) -> u64 {
        0x5a17
    }
}

impl DirectoryFile for MemoryFile {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let start = usize::try_from(offset).expect("a segment fits into memory");
        let end = start + bytes.len();
        let mut content = self.bytes();
        if content.len() < end {
            content.resize(end, 0);
        }
        content[start..end].copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.bytes().resize(usize::try_from(len).expect("a segment fits into memory"), 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn sync_all(&self) -> io::Result<()> {
        Ok(())
    }
}

fn seeds() -> Vec<Seed> {
    let records: Vec<Vec<u8>> = records::all().iter().map(|(_, record)| record.encode()).collect();
    let memory = Memories::default();
    let (mut wal, _, _) = Wal::open_in(memory.clone()).expect("memory does not fail");
    let segment = |memory: &Memories| {
        let files = memory.files();
        let mut bytes = files.values().next_back().expect("a log has a segment").bytes().clone();
        // The zeros that it is allocated with, all but a few.
        let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        bytes.truncate(used + 8);
        bytes
    };
    let mut seeds = vec![Seed::new("empty", segment(&memory))];
    for record in records.chunks(3) {
        wal.append(record).expect("memory does not fail");
    }
    seeds.push(Seed::new("three-frames", segment(&memory)));
    wal.rotate(&[vec![1, 2, 3], vec![], vec![4]]).expect("memory does not fail");
    seeds.push(Seed::new("rotated", segment(&memory)));
    wal.append(&[vec![5; 40]]).expect("memory does not fail");
    wal.append(&[vec![6; 4], vec![7; 9]]).expect("memory does not fail");
    seeds.push(Seed::new("rotated-and-appended", segment(&memory)));
    seeds
}

fn check(bytes: &[u8]) {
    recover(bytes);
    // A change almost always breaks a checksum first. What lies behind the checksums is tried with right ones, and
    // what opens then must also go on.
    if let Some((memory, wal, found)) = recover(&sealed(bytes.to_vec())) {
        go_on(memory, wal, found);
    }
}

/// Opens a log with this one segment.
fn recover(bytes: &[u8]) -> Option<(Memories, Wal<Memories>, Vec<Vec<u8>>)> {
    let memory = Memories::default();
    let number = u64_at(bytes, 8).unwrap_or(1);
    let file = memory.create(&format!("{number:020}.wal")).expect("memory does not fail");
    *file.bytes() = bytes.to_vec();
    match Wal::open_in(memory.clone()) {
        Ok((wal, found, _)) => {
            assert!(
                found == whole_records(bytes),
                "other records are read than those that whole frames hold"
            );
            Some((memory, wal, found))
        }
        Err(error) => {
            assert!(!error.to_string().is_empty(), "a refusal without a reason");
            None
        }
    }
}

/// Appends to a log that was opened, and mended where need be; all of it must be there when it is opened again.
fn go_on(memory: Memories, mut wal: Wal<Memories>, mut records: Vec<Vec<u8>>) {
    records.push(b"next".to_vec());
    wal.append(&records[records.len() - 1..]).expect("memory does not fail");
    drop(wal);
    let (_, again, tail) = Wal::open_in(memory).expect("what was appended to opens again");
    assert!(again == records && tail.is_clean(), "what was appended is not read back");
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// CRC32C over salt, length, number and payload of the frame at `at`, with the place behind it.
fn checksum(bytes: &[u8], at: usize) -> Option<(u32, usize)> {
    let length = usize::try_from(u32_at(bytes, at)?).ok().filter(|length| *length > 0)?;
    let end = at + FRAME_HEADER + length;
    let payload = bytes.get(at + FRAME_HEADER..end)?;
    let crc = [&bytes[32..40], &bytes[at..at + 4], &bytes[at + 8..at + FRAME_HEADER], payload]
        .iter()
        .fold(0, |crc, part| crc32c::crc32c_append(crc, part));
    Some((crc, end))
}

/// The records of all frames from the first on that have the right checksum and number: the format, read anew.
fn whole_records(bytes: &[u8]) -> Vec<Vec<u8>> {
    let (mut at, mut next) = (HEADER, u64_at(bytes, 16));
    let mut records = Vec::new();
    while let Some((crc, end)) = checksum(bytes, at)
        && u32_at(bytes, at + 4) == Some(crc)
        && u64_at(bytes, at + 8) == next
    {
        let mut record = at + FRAME_HEADER;
        while let Some(length) = u32_at(&bytes[..end], record) {
            let start = record + 4;
            record = start + usize::try_from(length).expect("a length has 32 bits");
            records.push(bytes[start..record].to_vec());
        }
        (at, next) = (end, next.and_then(|next| next.checked_add(1)));
    }
    records
}

/// The segment with the right checksums, as far as frames follow each other.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    if bytes.len() < HEADER {
        return bytes;
    }
    let crc = crc32c::crc32c(&bytes[..40]);
    bytes[40..44].copy_from_slice(&crc.to_le_bytes());
    let mut at = HEADER;
    while let Some((crc, end)) = checksum(&bytes, at) {
        bytes[at + 4..at + 8].copy_from_slice(&crc.to_le_bytes());
        at = end;
    }
    bytes
}
