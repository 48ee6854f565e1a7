//! What travels between two nodes: one frame, one thing said.

use minicbor::{Decode, Encode};
use quorate_pbft::Message;
use quorate_pbft::message::MAX_MESSAGE_BYTES;
use quorate_protocol::LogCertificate;
use quorate_protocol::codec::{self, CodecError};

use crate::ledger::SignedHead;

/// The most bytes of an encoded frame.
pub const MAX_FRAME_BYTES: usize = MAX_MESSAGE_BYTES + 64;

/// Something that a node says to another.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Frame {
    /// A message of the consensus core.
    #[n(0)]
    Consensus(#[n(0)] Message),
    /// The sender's attestation of the log after a batch.
    #[n(1)]
    Attestation(#[n(0)] SignedHead),
    /// A certificate, for a node that seems to lack it.
    #[n(2)]
    Certificate(#[n(0)] LogCertificate),
    /// The sender lacks a certificate that covers so many entries.
    #[n(3)]
    CertificateWanted(#[n(0)] u64),
}

impl Frame {
    /// The encoding that [`Self::decode`] reads.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads a frame; nothing in it is checked yet.
    ///
    /// # Errors
    /// When the bytes are too many, malformed or not deterministic.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        codec::decode(bytes, MAX_FRAME_BYTES)
    }
}
