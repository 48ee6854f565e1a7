//! What the node and the anchoring service tell each other.
//!
//! The node publishes its newest stable checkpoint and how the epochs so far ended, the anchoring service the
//! newest anchor that it saw on the chain. All are watch channels: only the newest value matters, and neither
//! side can hold up the other.

use std::sync::Arc;

use minicbor::{Decode, Encode};
use quorate_protocol::{B256, CheckpointCertificate, Digest, Handover, Sequence};
use tokio::sync::watch;

/// The log as the contract has it: a stable checkpoint that the contract accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct AnchoredLog {
    /// How many entries the anchored log has.
    #[n(0)]
    pub size: u64,
    /// The RFC 9162 root over them.
    #[n(1)]
    pub root: Digest,
    /// The sequence of the checkpoint.
    #[n(2)]
    pub sequence: Sequence,
    /// The transaction that anchored it.
    #[cbor(n(3), with = "hash")]
    pub tx_hash: B256,
    /// The block that includes the transaction.
    #[n(4)]
    pub block: u64,
}

/// Where the node publishes its newest stable checkpoint.
pub type StableSender = watch::Sender<Option<CheckpointCertificate>>;
/// Where the anchoring service and the API read it.
pub type StableReceiver = watch::Receiver<Option<CheckpointCertificate>>;
/// Where the anchoring service and the API read how the epochs so far ended: in order and without a gap, so that
/// those are among them that the contract may still lack.
pub type HandoverReceiver = watch::Receiver<Arc<Vec<Handover>>>;
/// Where the anchoring service publishes the newest anchor.
pub type AnchorSender = watch::Sender<Option<AnchoredLog>>;
/// Where the node reads it, and passes it to [`crate::ledger::Ledger::anchor`].
pub type AnchorReceiver = watch::Receiver<Option<AnchoredLog>>;

/// A 32-byte hash of the chain as a byte string.
mod hash {
    use minicbor::decode::Error as DecodeError;
    use minicbor::encode::{Error as EncodeError, Write};
    use minicbor::{Decoder, Encoder};
    use quorate_protocol::B256;

    pub(super) fn encode<Ctx, W: Write>(
        value: &B256,
        e: &mut Encoder<W>,
        _: &mut Ctx,
    ) -> Result<(), EncodeError<W::Error>> {
        e.bytes(value.as_slice())?.ok()
    }

    pub(super) fn decode<Ctx>(d: &mut Decoder<'_>, _: &mut Ctx) -> Result<B256, DecodeError> {
        B256::try_from(d.bytes()?).map_err(|_| DecodeError::message("a hash has 32 bytes"))
    }
}

#[cfg(test)]
mod tests {
    use quorate_protocol::codec;

    use super::*;

    #[test]
    fn an_anchor_survives_storage() {
        let anchor = AnchoredLog {
            size: 9,
            root: Digest::from([1; 32]),
            sequence: Sequence(4),
            tx_hash: B256::repeat_byte(2),
            block: 77,
        };
        assert_eq!(codec::decode(&codec::encode(&anchor), 256), Ok(anchor));
    }
}
