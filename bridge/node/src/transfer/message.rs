//! What two nodes say to each other in a state transfer.

use minicbor::bytes::{ByteSlice, ByteVec};
use minicbor::decode::Error as DecodeError;
use minicbor::encode::{Error as EncodeError, Write};
use minicbor::{Decode, Decoder, Encode, Encoder};
use quorate_protocol::codec::{self, CodecError, bounded_list};
use quorate_protocol::merkle::MAX_PROOF;
use quorate_protocol::{CheckpointCertificate, Digest, EntryRecord, Sequence};

use crate::store::StatePair;

/// The most bytes of an encoded message: a frame holds it.
pub const MAX_TRANSFER_BYTES: usize = 16 * 1024 * 1024;
/// A chunk is closed once its pairs or records have so many bytes. One bucket or one record may have more.
pub const CHUNK_BYTES: usize = 1024 * 1024;
/// The most bytes of the pairs of one bucket. With the lengths of [`MAX_CHUNK_PAIRS`] pairs a message still
/// holds it. A bucket that has more cannot be transferred; crowding one takes the grinding of many keys.
pub const MAX_BUCKET_BYTES: usize = MAX_TRANSFER_BYTES - CHUNK_BYTES;
/// The most pairs of a chunk.
pub const MAX_CHUNK_PAIRS: usize = 64 * 1024;
/// The most records of a chunk.
pub const MAX_CHUNK_RECORDS: usize = 8 * 1024;
/// The most siblings of a range of buckets.
const MAX_SIBLINGS: usize = 16;

/// A message of a state transfer. None is signed: what matters in them proves itself. The numbers are on the
/// wire.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum TransferMessage {
    /// The sender wants the state of the checkpoint at a sequence.
    #[n(0)]
    StateWanted(#[n(0)] StateWanted),
    /// A part of the state.
    #[n(1)]
    StateChunk(#[n(0)] StateChunk),
    /// The sender wants the log of the checkpoint at a sequence.
    #[n(2)]
    LogWanted(#[n(0)] LogWanted),
    /// A part of the log.
    #[n(3)]
    LogChunk(#[n(0)] LogChunk),
    /// The sender does not have what was asked for.
    #[n(4)]
    Unavailable(#[n(0)] Unavailable),
}

/// Asks for the buckets from `from` on, as many as the answer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct StateWanted {
    /// The sequence of the checkpoint.
    #[n(0)]
    pub sequence: Sequence,
    /// The first bucket that is wanted.
    #[n(1)]
    pub from: u32,
}

/// All pairs in the `2^height` buckets from `first` on.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct StateChunk {
    /// The sequence of the checkpoint.
    #[n(0)]
    pub sequence: Sequence,
    /// The first bucket.
    #[n(1)]
    pub first: u32,
    /// log2 of the number of buckets.
    #[n(2)]
    pub height: u8,
    /// The pairs, in ascending order of the hashes of their keys.
    #[cbor(n(3), with = "pairs")]
    pub pairs: Vec<StatePair>,
    /// What leads from the range to the state's root, the lowest first.
    #[cbor(n(4), decode_with = "bounded_list::<Digest, Ctx, MAX_SIBLINGS>")]
    pub siblings: Vec<Digest>,
}

/// Asks for the entries from `from` on, as many as the answer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct LogWanted {
    /// The sequence of the checkpoint; names the transfer.
    #[n(0)]
    pub sequence: Sequence,
    /// The size of its log, so that whoever has the log can prove it, with or without that checkpoint.
    #[n(1)]
    pub size: u64,
    /// The first entry that is wanted.
    #[n(2)]
    pub from: u64,
}

/// Consecutive entries.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct LogChunk {
    /// The sequence of the checkpoint.
    #[n(0)]
    pub sequence: Sequence,
    /// The index of the first record.
    #[n(1)]
    pub from: u64,
    /// The records.
    #[cbor(n(2), decode_with = "bounded_list::<EntryRecord, Ctx, MAX_CHUNK_RECORDS>")]
    pub records: Vec<EntryRecord>,
    /// That the log up to the last record is a prefix of the checkpoint's log.
    #[cbor(n(3), decode_with = "bounded_list::<Digest, Ctx, MAX_PROOF>")]
    pub proof: Vec<Digest>,
}

/// The sender cannot answer.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Unavailable {
    /// The sequence of the checkpoint that was asked for.
    #[n(0)]
    pub sequence: Sequence,
    /// A stable checkpoint whose state the sender has and keeps for a while.
    #[n(1)]
    pub latest: Option<Box<CheckpointCertificate>>,
}

impl TransferMessage {
    /// The encoding that [`Self::decode`] reads.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads a message; nothing in it is checked yet.
    ///
    /// # Errors
    /// When the bytes are too many, malformed or not deterministic.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        codec::decode(bytes, MAX_TRANSFER_BYTES)
    }
}

/// A bounded list of `[key, value]`, both byte strings.
mod pairs {
    use super::*;

    pub(super) fn encode<C, W: Write>(
        pairs: &[StatePair],
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        e.array(pairs.len() as u64)?;
        for (key, value) in pairs {
            e.encode((<&ByteSlice>::from(&key[..]), <&ByteSlice>::from(&value[..])))?;
        }
        Ok(())
    }

    pub(super) fn decode<C>(d: &mut Decoder<'_>, ctx: &mut C) -> Result<Vec<StatePair>, DecodeError> {
        let pairs: Vec<(ByteVec, ByteVec)> = bounded_list::<_, C, MAX_CHUNK_PAIRS>(d, ctx)?;
        Ok(pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }
}
