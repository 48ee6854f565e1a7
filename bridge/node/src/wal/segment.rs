//! A segment file: a header, then frames, then zeros.
//!
//! All integers are little-endian.
//!
//! | header (64 bytes) | | frame | |
//! |---|---|---|---|
//! | 8 | magic | 4 | bytes of the payload, at least 1 |
//! | 8 | segment's number | 4 | CRC32C over salt, length, number and payload |
//! | 8 | number of its first frame | 8 | frame's number, counted over all segments |
//! | 8 | frames that it began with | … | payload: records, each behind its 4-byte length |
//! | 8 | salt | | |
//! | 4 | CRC32C over the above, then zeros | | |
//!
//! The salt is random. Records come from peers in part; without the salt, one could write bytes into a
//! record that look like a later frame, and make a torn tail look like damage in the middle.

use crate::error::NodeError;

/// The most bytes of a record.
pub const MAX_RECORD_BYTES: usize = 32 * 1024 * 1024;
/// The most bytes that share one frame, and thereby one `fdatasync`.
pub const MAX_FRAME_BYTES: usize = 64 * 1024 * 1024;

/// The end of the name of a segment that is still being written.
const UNFINISHED: &str = ".unfinished";
/// The end of the name of any other.
const FINISHED: &str = ".wal";
/// Bytes before the first frame.
pub(super) const HEADER_BYTES: u64 = 64;

const MAGIC: [u8; 8] = *b"quorwal1";
const HEADER_FIELDS: usize = 40;
const FRAME_HEADER: usize = 16;
const LENGTH_PREFIX: usize = 4;
/// No log ever comes to so many segments or frames; below it, counting them cannot overflow.
const MAX_COUNT: u64 = 1 << 62;

/// The file name of segment `number`.
pub(super) fn name(number: u64) -> String {
    format!("{number:020}{FINISHED}")
}

/// The file name of segment `number` while it is being written.
pub(super) fn unfinished_name(number: u64) -> String {
    format!("{number:020}{UNFINISHED}")
}

/// Whether `name` is that of a segment whose writing a crash interrupted.
pub(super) fn is_unfinished(name: &str) -> bool {
    name.ends_with(UNFINISHED)
}

/// The number of the segment under `name`, if it is one.
pub(super) fn number(name: &str) -> Option<u64> {
    name.strip_suffix(FINISHED)?.parse().ok()
}

/// What a segment says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// The segment's number.
    pub(super) segment: u64,
    /// The number of its first frame.
    pub(super) first_frame: u64,
    /// How many frames were durable before the segment got its name.
    pub(super) base_frames: u64,
    /// Makes frames of this segment unforgeable for whoever does not see the file.
    salt: u64,
}

impl Header {
    /// A header without base frames. The salt is fresh and random.
    pub(super) fn new(segment: u64, first_frame: u64, salt: u64) -> Self {
        Self { segment, first_frame, base_frames: 0, salt }
    }

    /// The bytes before the first frame.
    pub(super) fn encode(&self) -> [u8; HEADER_BYTES as usize] {
        let mut bytes = [0; HEADER_BYTES as usize];
        bytes[..8].copy_from_slice(&MAGIC);
        let fields = [self.segment, self.first_frame, self.base_frames, self.salt];
        for (slot, field) in bytes[8..HEADER_FIELDS].chunks_exact_mut(8).zip(fields) {
            slot.copy_from_slice(&field.to_le_bytes());
        }
        let crc = crc32c::crc32c(&bytes[..HEADER_FIELDS]);
        bytes[HEADER_FIELDS..HEADER_FIELDS + 4].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..HEADER_BYTES as usize)?;
        let header = Self {
            segment: u64_at(bytes, 8),
            first_frame: u64_at(bytes, 16),
            base_frames: u64_at(bytes, 24),
            salt: u64_at(bytes, 32),
        };
        (header.encode() == bytes).then_some(header)
    }
}

/// Frames that are ready to be written.
#[derive(Default)]
pub(super) struct Encoded(Vec<Vec<u8>>);

impl Encoded {
    /// The frames in order.
    pub(super) fn frames(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(Vec::as_slice)
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        self.0.len() as u64
    }

    /// Their bytes together.
    pub(super) fn len(&self) -> u64 {
        self.0.iter().map(|frame| frame.len() as u64).sum()
    }
}

/// Encodes `records` as frames from number `first` on: one, unless they exceed [`MAX_FRAME_BYTES`].
pub(super) fn encode(header: &Header, first: u64, records: &[Vec<u8>]) -> Result<Encoded, NodeError> {
    let mut frames = Vec::new();
    let mut frame = vec![0; FRAME_HEADER];
    for record in records {
        if record.len() > MAX_RECORD_BYTES {
            return Err(NodeError::RecordTooLong { len: record.len(), max: MAX_RECORD_BYTES });
        }
        if frame.len() + LENGTH_PREFIX + record.len() > FRAME_HEADER + MAX_FRAME_BYTES {
            frames.push(std::mem::replace(&mut frame, vec![0; FRAME_HEADER]));
        }
        let length = u32::try_from(record.len()).expect("a record is at most 32 MiB");
        frame.extend_from_slice(&length.to_le_bytes());
        frame.extend_from_slice(record);
    }
    if frame.len() > FRAME_HEADER {
        frames.push(frame);
    }
    for (number, frame) in (first..).zip(&mut frames) {
        seal(header, number, frame);
    }
    Ok(Encoded(frames))
}

/// Fills in the header of `frame`, whose payload is in place.
fn seal(header: &Header, number: u64, frame: &mut [u8]) {
    let (head, payload) = frame.split_at_mut(FRAME_HEADER);
    let length = u32::try_from(payload.len()).expect("a frame is at most 64 MiB");
    let crc = checksum(header, length, number, payload);
    head[..4].copy_from_slice(&length.to_le_bytes());
    head[4..8].copy_from_slice(&crc.to_le_bytes());
    head[8..].copy_from_slice(&number.to_le_bytes());
}

fn checksum(header: &Header, length: u32, number: u64, payload: &[u8]) -> u32 {
    let mut crc = crc32c::crc32c(&header.salt.to_le_bytes());
    crc = crc32c::crc32c_append(crc, &length.to_le_bytes());
    crc = crc32c::crc32c_append(crc, &number.to_le_bytes());
    crc32c::crc32c_append(crc, payload)
}

/// What a segment's bytes hold.
#[derive(Debug)]
pub(super) struct Scan {
    /// The header.
    pub(super) header: Header,
    /// The records of all valid frames.
    pub(super) records: Vec<Vec<u8>>,
    /// The number of the frame that comes next.
    pub(super) next_frame: u64,
    /// Where it goes.
    pub(super) end: u64,
    /// How many bytes of something that is no frame stand there, up to the zeros behind it.
    pub(super) cut_bytes: u64,
}

/// Reads segment `number`.
///
/// # Errors
/// What is damaged, where no crash explains it: the header, a frame that was there from the beginning, or
/// a frame that has a valid one behind it.
pub(super) fn scan(bytes: &[u8], number: u64) -> Result<Scan, String> {
    let header = Header::decode(bytes).ok_or("its header does not have the right checksum")?;
    if header.segment != number {
        return Err(format!("it is segment {} under the name of segment {number}", header.segment));
    }
    if [header.segment, header.first_frame, header.base_frames].into_iter().any(|count| count > MAX_COUNT) {
        return Err("its header counts more than a log can hold".into());
    }
    let mut at = HEADER_BYTES as usize;
    let mut next_frame = header.first_frame;
    let mut records = Vec::new();
    while let Some((found, payload)) = frame_at(&header, bytes, at)
        && found == next_frame
    {
        split_records(payload, &mut records)
            .ok_or_else(|| format!("frame {found} at byte {at} is not a list of records"))?;
        at += FRAME_HEADER + payload.len();
        next_frame += 1;
    }
    if next_frame < header.first_frame + header.base_frames {
        return Err(format!(
            "frame {next_frame} at byte {at} is damaged, and it was durable before the file got its name"
        ));
    }
    let cut_bytes = bytes[at..].iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1);
    if cut_bytes > 0
        && let Some((later, place)) = later_frame(&header, bytes, at, next_frame)
    {
        return Err(format!(
            "frame {next_frame} at byte {at} is damaged, but frame {later} at byte {place} is whole"
        ));
    }
    Ok(Scan { header, records, next_frame, end: at as u64, cut_bytes })
}

/// The number and the payload of the valid frame at byte `at`.
fn frame_at<'a>(header: &Header, bytes: &'a [u8], at: usize) -> Option<(u64, &'a [u8])> {
    let head = bytes.get(at..at + FRAME_HEADER)?;
    let length = u32_at(head, 0);
    if length == 0 {
        return None;
    }
    let payload = bytes.get(at + FRAME_HEADER..)?.get(..usize::try_from(length).ok()?)?;
    let number = u64_at(head, 8);
    (checksum(header, length, number, payload) == u32_at(head, 4)).then_some((number, payload))
}

/// The first valid frame behind byte `at` that is numbered `expected` or later, with its place.
fn later_frame(header: &Header, bytes: &[u8], at: usize, expected: u64) -> Option<(u64, usize)> {
    // No more frames than this fit behind; the test of the number spares almost every checksum.
    let most = expected + (bytes.len() - at) as u64 / FRAME_HEADER as u64;
    (at + 1..bytes.len().saturating_sub(FRAME_HEADER)).find_map(|place| {
        let number = u64_at(&bytes[place..], 8);
        if !(expected..=most).contains(&number) {
            return None;
        }
        frame_at(header, bytes, place).map(|(number, _)| (number, place))
    })
}

fn split_records(mut payload: &[u8], records: &mut Vec<Vec<u8>>) -> Option<()> {
    while !payload.is_empty() {
        let (length, rest) = payload.split_at_checked(LENGTH_PREFIX)?;
        let (record, rest) = rest.split_at_checked(usize::try_from(u32_at(length, 0)).ok()?)?;
        records.push(record.to_vec());
        payload = rest;
    }
    Some(())
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("the slice has 4 bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("the slice has 8 bytes"))
}
