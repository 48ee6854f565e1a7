//! What the node and the anchoring service tell each other.
//!
//! The node publishes its newest stable checkpoint and how the epochs so far ended, the anchoring service the
//! newest anchor that it saw on the chain, and what the contract's inbox has; the node in turn how much of that is
//! taken. All are watch channels: only the newest value matters, and neither
//! side can hold up the other.

use std::sync::Arc;

use minicbor::{Decode, Encode};
pub use quorate_pbft::Evidence;
use quorate_protocol::inbox::MAX_INBOX_PAYLOAD_BYTES;
use quorate_protocol::{B256, CheckpointCertificate, Digest, Epoch, Handover, InboxMessage, Sequence};
use tokio::sync::watch;

pub use crate::evidence::HeldEvidence;
pub use crate::ledger::{AnchorProofs, TakenProof};
use crate::ledger::{LedgerError, LedgerReader};

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
/// Where the anchoring service and the API read the evidence of replicas that contradicted themselves.
pub type EvidenceReceiver = watch::Receiver<Arc<HeldEvidence>>;
/// Where the anchoring service publishes the newest anchor.
pub type AnchorSender = watch::Sender<Option<AnchoredLog>>;
/// Where the node reads it, and passes it to [`crate::ledger::Ledger::anchor`].
pub type AnchorReceiver = watch::Receiver<Option<AnchoredLog>>;

/// Messages of the contract's inbox that stand in final blocks of the chain, without a gap.
///
/// It should begin where [`InboxTakenReceiver`] is, or before: what begins behind it is of no use. A later view
/// stands for all before it, also where it contradicts them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InboxView {
    /// The index of the first message.
    pub first: u64,
    /// The messages. A node speaks of at most [`quorate_protocol::operations::inbox::MAX_OBSERVED`] at a time, so
    /// many more need not be kept at hand.
    pub messages: Arc<Vec<InboxMessage>>,
}

impl InboxView {
    /// The index after the last message.
    pub fn end(&self) -> u64 {
        self.first.saturating_add(self.messages.len() as u64)
    }

    /// Whether the messages follow one another from `first` on.
    pub fn is_contiguous(&self) -> bool {
        let mut expected = Some(self.first);
        self.messages.iter().all(|message| {
            let follows = expected == Some(message.index);
            expected = message.index.checked_add(1);
            follows && message.payload.len() <= MAX_INBOX_PAYLOAD_BYTES
        })
    }
}

/// Where the anchoring service publishes what it saw in the contract's inbox.
pub type InboxSender = watch::Sender<InboxView>;
/// Where the node reads it.
pub type InboxReceiver = watch::Receiver<InboxView>;
/// Where the anchoring service publishes the epoch that the contract has the group in at the final block.
pub type EpochSender = watch::Sender<Option<Epoch>>;
/// Where the node reads it, to know of an era that began without its replicas.
pub type EpochReceiver = watch::Receiver<Option<Epoch>>;
/// Where the node publishes how many messages of the inbox its executed state has taken.
pub type InboxTakenSender = watch::Sender<u64>;
/// Where the anchoring service reads it, to know where to begin.
pub type InboxTakenReceiver = watch::Receiver<u64>;

/// Who proves what an anchor shows; the node, out of its tree.
pub trait AnchorProver: Send + Sync + 'static {
    /// See [`LedgerReader::anchor_proofs`]. May block for reads from disk.
    ///
    /// # Errors
    /// When the store fails or lacks a record.
    fn prove(
        &self,
        anchored: u64,
        size: u64,
        message: Option<u64>,
    ) -> Result<Option<AnchorProofs>, LedgerError>;
}

impl AnchorProver for LedgerReader {
    fn prove(
        &self,
        anchored: u64,
        size: u64,
        message: Option<u64>,
    ) -> Result<Option<AnchorProofs>, LedgerError> {
        self.anchor_proofs(anchored, size, message)
    }
}

/// A shared [`AnchorProver`].
#[derive(Clone)]
pub struct Prover(pub Arc<dyn AnchorProver>);

impl std::fmt::Debug for Prover {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Prover")
    }
}

/// The ends of all these channels that the anchoring service holds.
#[derive(Clone, Debug)]
pub struct AnchoringLinks {
    /// The newest stable checkpoint.
    pub stable: StableReceiver,
    /// The newest stable checkpoint with every valid signature on it that the node has.
    pub gathered: StableReceiver,
    /// How the epochs so far ended.
    pub handovers: HandoverReceiver,
    /// All evidence of replicas that contradicted themselves.
    pub evidence: EvidenceReceiver,
    /// How much of the contract's inbox is taken.
    pub inbox_taken: InboxTakenReceiver,
    /// For the proofs of an anchor.
    pub prover: Prover,
    /// For the newest anchor.
    pub anchored: AnchorSender,
    /// For what the contract's inbox has.
    pub inbox: InboxSender,
    /// For the contract's epoch at the final block.
    pub contract_epoch: EpochSender,
}

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
