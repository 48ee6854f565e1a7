//! A log in a file, to be kept and to be verified later by somebody else.
//!
//! The file is a CBOR sequence (RFC 8742) of byte strings: first an [`ExportHeader`], then one [`EntryRecord`]
//! a string, each in its one deterministic encoding. So it can be written and read as a stream, and every
//! item is bounded. Nothing in it is believed when it is read; [`super::verify_export`] checks it.

use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::Path;

use minicbor::{Decode, Encode};
use quorate_protocol::codec::{self, bounded_list};
use quorate_protocol::entry::MAX_ENTRY_RECORD_BYTES;
use quorate_protocol::epoch::MAX_HANDOVER_BYTES;
use quorate_protocol::{EntryRecord, Epoch, GroupIdentity, Handover, LogCertificate};
use serde::Serialize;

use super::NewFile;
use crate::error::SdkError;

/// What every export begins with.
const FORMAT: &str = "quorate/v1/export";
/// The most handovers of an export: those that the contract lacked when it was made.
pub const MAX_EXPORT_HANDOVERS: usize = 1024;
/// The most bytes of a header: a certificate of 64 replicas and the handovers.
const MAX_HEADER_BYTES: usize = 64 * 1024 + MAX_EXPORT_HANDOVERS * MAX_HANDOVER_BYTES;

/// What an export is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Encode, Decode)]
#[cbor(map)]
pub struct ExportHeader {
    /// `quorate/v1/export`.
    #[n(0)]
    format: String,
    /// Whose log it is.
    #[n(1)]
    pub identity: GroupIdentity,
    /// The epoch whose replicas attest it.
    #[n(2)]
    pub epoch: Epoch,
    /// The quorum's word for the log, which has as many entries as follow.
    #[n(3)]
    pub certificate: LogCertificate,
    /// The handovers that lead from the contract's epoch to that one, for as long as the contract lacks them.
    #[cbor(n(4), decode_with = "bounded_list::<Handover, Ctx, MAX_EXPORT_HANDOVERS>")]
    pub handovers: Vec<Handover>,
}

impl ExportHeader {
    /// The header of the log that `certificate` attests, whose replicas `handovers` lead to.
    pub fn new(
        identity: GroupIdentity,
        epoch: Epoch,
        certificate: LogCertificate,
        handovers: Vec<Handover>,
    ) -> Self {
        Self { format: FORMAT.into(), identity, epoch, certificate, handovers }
    }
}

/// Writes an export.
#[derive(Debug)]
pub struct ExportWriter<W: Write>(W);

impl ExportWriter<NewFile> {
    /// Writes to a new file, which is at `path` once it is finished and kept ([`NewFile::keep`]): until then, what is there
    /// stays.
    ///
    /// # Errors
    /// [`SdkError::File`].
    pub fn create(path: &Path, header: &ExportHeader) -> Result<Self, SdkError> {
        Self::new(NewFile::create(path)?, header)
    }
}

impl<W: Write> ExportWriter<W> {
    /// Writes to `out`.
    ///
    /// # Errors
    /// [`SdkError::NotWritten`].
    pub fn new(out: W, header: &ExportHeader) -> Result<Self, SdkError> {
        let mut writer = Self(out);
        writer.item(&codec::encode(header))?;
        Ok(writer)
    }

    /// Writes the next record.
    ///
    /// # Errors
    /// [`SdkError::NotWritten`].
    pub fn append(&mut self, record: &EntryRecord) -> Result<(), SdkError> {
        self.item(&codec::encode(record))
    }

    /// Writes out what is buffered, and gives back what was written to.
    ///
    /// # Errors
    /// [`SdkError::NotWritten`].
    pub fn finish(mut self) -> Result<W, SdkError> {
        self.0.flush().map_err(SdkError::NotWritten)?;
        Ok(self.0)
    }

    fn item(&mut self, bytes: &[u8]) -> Result<(), SdkError> {
        let mut head = Vec::with_capacity(9);
        let encoder = &mut minicbor::Encoder::new(&mut head);
        encoder.bytes_len(bytes.len() as u64).expect("encoding into memory cannot fail");
        let written = self.0.write_all(&head).and_then(|()| self.0.write_all(bytes));
        written.map_err(SdkError::NotWritten)
    }
}

/// Reads an export, record by record.
#[derive(Debug)]
pub struct ExportReader<R: Read> {
    input: R,
    header: ExportHeader,
}

impl ExportReader<BufReader<File>> {
    /// Reads the export in the file at `path`.
    ///
    /// # Errors
    /// [`SdkError::File`], and as [`Self::new`].
    pub fn open(path: &Path) -> Result<Self, SdkError> {
        let file = File::open(path).map_err(|source| SdkError::File { path: path.to_owned(), source })?;
        Self::new(BufReader::new(file))
    }
}

impl<R: Read> ExportReader<R> {
    /// Reads the export in `input`.
    ///
    /// # Errors
    /// [`SdkError::Export`] when it does not begin as an export does.
    pub fn new(mut input: R) -> Result<Self, SdkError> {
        let no_export = || SdkError::Export("it is no export of a Quorate log".into());
        let bytes = next_item(&mut input, MAX_HEADER_BYTES)?.ok_or_else(no_export)?;
        let header: ExportHeader = codec::decode(&bytes, MAX_HEADER_BYTES).map_err(|_| no_export())?;
        if header.format != FORMAT {
            return Err(no_export());
        }
        Ok(Self { input, header })
    }

    /// What the export is of, unverified.
    pub fn header(&self) -> &ExportHeader {
        &self.header
    }

    /// The next record, unverified, or nothing at the end.
    ///
    /// # Errors
    /// [`SdkError::Export`] for what is no record, or a file that breaks off.
    pub fn next_record(&mut self) -> Result<Option<EntryRecord>, SdkError> {
        let Some(bytes) = next_item(&mut self.input, MAX_ENTRY_RECORD_BYTES)? else { return Ok(None) };
        let record = codec::decode(&bytes, MAX_ENTRY_RECORD_BYTES);
        record.map(Some).map_err(|error| SdkError::Export(format!("a record is {error}")))
    }
}

/// Writes an export as JSON, for people and other programs to read: a line with the header, then a line a
/// record. It proves nothing; keep the export itself for that.
///
/// # Errors
/// [`SdkError::Export`] when the export cannot be read, [`SdkError::NotWritten`] when `out` cannot be written to.
pub fn to_json_lines<R: Read>(export: &mut ExportReader<R>, mut out: impl Write) -> Result<(), SdkError> {
    let failed = SdkError::NotWritten;
    serde_json::to_writer(&mut out, export.header()).map_err(|error| failed(error.into()))?;
    out.write_all(b"\n").map_err(failed)?;
    while let Some(record) = export.next_record()? {
        serde_json::to_writer(&mut out, &record).map_err(|error| failed(error.into()))?;
        out.write_all(b"\n").map_err(failed)?;
    }
    out.flush().map_err(failed)
}

/// Reads one byte string of at most `max` bytes; nothing at the end of the input. Memory is taken as bytes come,
/// not as the head announces them, and the head must be the shortest: an export has one encoding.
fn next_item(input: &mut impl Read, max: usize) -> Result<Option<Vec<u8>>, SdkError> {
    let failed = |error: std::io::Error| SdkError::Export(error.to_string());
    let mut head = [0; 9];
    if input.read(&mut head[..1]).map_err(failed)? == 0 {
        return Ok(None);
    }
    // Major type 2, with its length in the head itself or in the 1, 2, 4 or 8 bytes that follow it.
    let following = match head[0] {
        0x40..=0x57 => 0,
        0x58..=0x5b => 1 << (head[0] - 0x58),
        other => return Err(SdkError::Export(format!("byte {other:#04x} where an item should begin"))),
    };
    input.read_exact(&mut head[1..=following]).map_err(failed)?;
    let len = head[1..=following].iter().fold(0, |len, byte| len << 8 | u64::from(*byte));
    let len = if following == 0 { u64::from(head[0] - 0x40) } else { len };
    let shortest = match len {
        0..24 => 0,
        24..=0xff => 1,
        0x100..=0xffff => 2,
        0x1_0000..=0xffff_ffff => 4,
        _ => 8,
    };
    if following != shortest {
        return Err(SdkError::Export(format!(
            "the length {len} in {following} bytes, {shortest} are enough"
        )));
    }
    if len > max as u64 {
        return Err(SdkError::Export(format!("an item of {len} bytes, at most {max} are allowed")));
    }
    let mut bytes = Vec::new();
    let read = input.take(len).read_to_end(&mut bytes).map_err(failed)?;
    if (read as u64) < len {
        return Err(SdkError::Export(format!("the file breaks off in an item of {len} bytes")));
    }
    Ok(Some(bytes))
}
