//! What a replica must remember across a crash.

use minicbor::{Decode, Encode};
use quorate_protocol::codec::{self, CodecError};
use quorate_protocol::{Checkpoint, CheckpointCertificate, Sequence, SignedCheckpoint, TimestampMs};

use crate::batch::{Batch, CommittedBatch};
use crate::certificate::PreparedCertificate;
use crate::event::StateSummary;
use crate::message::{MAX_MESSAGE_BYTES, NewView, PrePrepare, ViewChange};
use crate::replica::Words;

/// Something that a replica said or relies on, written before it is said.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Record {
    /// The replica proposed this batch, or accepted it and prepares it.
    #[n(0)]
    Accepted(#[n(0)] PrePrepare),
    /// The batch is prepared and the replica commits it.
    #[n(1)]
    Prepared {
        /// The proof.
        #[n(0)]
        certificate: PreparedCertificate,
        /// The batch, where no earlier record holds it.
        #[n(1)]
        batch: Option<Batch>,
    },
    /// The replica asked for a view and takes no part in earlier ones.
    #[n(2)]
    ViewChange(#[n(0)] ViewChange),
    /// The replica entered a view.
    #[n(3)]
    NewView(#[n(0)] NewView),
    /// The replica signed a checkpoint. Whoever signs two that contradict each other
    /// ([`Checkpoint::contradicts`]) can be punished by the contract.
    #[n(4)]
    Checkpoint(#[n(0)] SignedCheckpoint),
    /// The checkpoint below which [`durable_records`](crate::Replica::durable_records) says nothing.
    #[n(5)]
    Stable(#[n(0)] CheckpointCertificate),
}

impl Record {
    /// The encoding that [`Self::decode`] reads.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads a record.
    ///
    /// # Errors
    /// When the bytes are not the encoding of a record.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        codec::decode(bytes, MAX_MESSAGE_BYTES + CommittedBatch::MAX_BYTES)
    }
}

/// What a replica starts from. The default is a replica that has never run.
#[derive(Clone, Debug, Default)]
pub struct Recovered {
    /// All records since the last time that they were replaced by
    /// [`durable_records`](crate::Replica::durable_records), in order.
    pub records: Vec<Record>,
    /// The last sequence whose effects the state machine has.
    pub last_executed: Sequence,
    /// The latest stable checkpoint.
    pub stable: Option<CheckpointCertificate>,
    /// The earliest time at which something falls due in the services.
    pub next_due: Option<TimestampMs>,
    /// Whether a change of members waits for the next checkpoint.
    pub change_pending: bool,
    /// The states at the checkpoints among the batches executed, above the latest stable one.
    pub taken: Vec<(Sequence, StateSummary)>,
    /// The state, if the last sequence executed ends the epoch.
    pub ended: Option<StateSummary>,
    /// Whether the replica may have said things in this epoch that `records` does not hold, because it lost
    /// them. It then signs nothing in the epoch: it could contradict itself. It executes what the others
    /// commit.
    pub silent: bool,
    /// The last checkpoint that the replica's key signed, in whatever epoch: to be remembered wherever the key is
    /// ([`Record::Checkpoint`] says when), so that it outlives everything else here.
    pub signed: Option<Checkpoint>,
    /// What the others signed, as the replica before this one kept it.
    pub words: Words,
    /// The checkpoint that ended the epoch before.
    pub before: Option<CheckpointCertificate>,
}
