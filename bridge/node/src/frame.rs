//! What travels between two nodes: one frame, one thing said.

use minicbor::{Decode, Encode};
use quorate_pbft::Message;
use quorate_pbft::message::MAX_MESSAGE_BYTES;
use quorate_protocol::codec::{self, CodecError, bounded_list};
use quorate_protocol::{Epoch, Handover, LogCertificate};

use crate::ledger::SignedHead;
use crate::transfer::TransferMessage;

/// The most bytes of an encoded frame.
pub const MAX_FRAME_BYTES: usize = MAX_MESSAGE_BYTES + 64;
/// The most handovers of one frame; who is further behind asks again.
pub const MAX_HANDOVERS: usize = 64;

/// Something that a node says to another.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Frame {
    /// A message of the consensus core.
    #[n(0)]
    Consensus {
        /// The epoch that the sender is in. What is signed in the message covers it; what is not, such as a
        /// request, means something in it alone.
        #[n(0)]
        epoch: Epoch,
        /// The message.
        #[n(1)]
        message: Message,
    },
    /// The sender's attestation of the log after a batch.
    #[n(1)]
    Attestation {
        /// The epoch that the sender is in. The attestation does not cover it, but it says under which key of
        /// the sender it holds.
        #[n(0)]
        epoch: Epoch,
        /// The attestation.
        #[n(1)]
        signed: SignedHead,
    },
    /// A certificate, for a node that seems to lack it.
    #[n(2)]
    Certificate(#[n(0)] LogCertificate),
    /// The sender lacks a certificate that covers so many entries.
    #[n(3)]
    CertificateWanted(#[n(0)] u64),
    /// The sender knows the group up to this epoch and wants to know how it ended, and the later ones.
    #[n(4)]
    HandoversWanted(#[n(0)] Epoch),
    /// How consecutive epochs ended. Each proves itself to whoever knows the epoch before.
    #[n(5)]
    Handovers(#[cbor(n(0), decode_with = "bounded_list::<Handover, Ctx, MAX_HANDOVERS>")] Vec<Handover>),
    /// A part of a state transfer.
    #[n(6)]
    Transfer(#[n(0)] TransferMessage),
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
