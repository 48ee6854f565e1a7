//! What replicas say to each other.

use minicbor::{Decode, Encode};
use quorate_protocol::codec::{self, bounded_list};
use quorate_protocol::domain;
use quorate_protocol::group::MAX_MEMBERS;
use quorate_protocol::{
    CheckpointCertificate, Digest, ReplicaIndex, Sequence, Signature, SignedCheckpoint, SignedCommand, View,
};

use crate::batch::{Batch, CommittedBatch};
use crate::certificate::{PreparedCertificate, VoteError};
use crate::config::{Config, Context};

/// The most bytes of an encoded message.
pub const MAX_MESSAGE_BYTES: usize = 16 * 1024 * 1024;
/// The most commands that one forward carries.
pub const MAX_FORWARD: usize = 1_024;
/// The most batches that one answer to a catch-up request carries.
pub const MAX_CATCH_UP: usize = 64;
/// The most bytes of batches that one answer to a catch-up request carries, unless its first is larger.
pub const MAX_CATCH_UP_BYTES: usize = 2 * 1024 * 1024;
const WINDOW: usize = Config::MAX_WINDOW as usize;

/// A message between replicas. The numbers are on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Message {
    /// The primary proposes a batch.
    #[n(0)]
    PrePrepare(#[n(0)] PrePrepare),
    /// A backup agrees.
    #[n(1)]
    Prepare(#[n(0)] Vote),
    /// A replica says that the batch is prepared.
    #[n(2)]
    Commit(#[n(0)] Vote),
    /// A replica's checkpoint.
    #[n(3)]
    Checkpoint(#[n(0)] SignedCheckpoint),
    /// A stable checkpoint, for a replica that missed it.
    #[n(4)]
    Stable(#[n(0)] CheckpointCertificate),
    /// A replica wants the next view.
    #[n(5)]
    ViewChange(#[n(0)] ViewChange),
    /// The new primary opens its view.
    #[n(6)]
    NewView(#[n(0)] NewView),
    /// Where the sender stands. Not signed.
    #[n(7)]
    Status(#[n(0)] Status),
    /// The sender wants committed batches from a sequence on. Not signed.
    #[n(8)]
    CatchUpRequest(#[n(0)] CatchUpRequest),
    /// Committed batches, each with its proof.
    #[n(9)]
    CatchUp(#[n(0)] CatchUp),
    /// The sender wants a batch that a new view proposes again. Not signed.
    #[n(10)]
    BatchRequest(#[n(0)] BatchRequest),
    /// A batch that was asked for; its digest is its proof.
    #[n(11)]
    BatchReply(#[n(0)] Batch),
    /// Commands that the sender has from clients.
    #[n(12)]
    Forward(#[n(0)] Forward),
}

/// PRE-PREPARE: the primary of `view` proposes `batch` for `sequence`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct PrePrepare {
    /// The primary's view.
    #[n(0)]
    pub view: View,
    /// The batch's place in the order.
    #[n(1)]
    pub sequence: Sequence,
    /// The batch's digest.
    #[n(2)]
    pub digest: Digest,
    /// The primary's signature on view, sequence and digest.
    #[n(3)]
    pub signature: Signature,
    /// The batch.
    #[n(4)]
    pub batch: Batch,
}

/// PREPARE or COMMIT, told apart by the message and by the domain string that is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Vote {
    /// The view of the pre-prepare.
    #[n(0)]
    pub view: View,
    /// The batch's place in the order.
    #[n(1)]
    pub sequence: Sequence,
    /// The batch's digest.
    #[n(2)]
    pub digest: Digest,
    /// Who votes.
    #[n(3)]
    pub replica: ReplicaIndex,
    /// Its signature on view, sequence and digest.
    #[n(4)]
    pub signature: Signature,
}

/// VIEW-CHANGE: `replica` wants `view` and shows what it has prepared above its stable checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ViewChange {
    /// The view that is wanted.
    #[n(0)]
    pub view: View,
    /// The replica's stable checkpoint; nothing stands for the start of the epoch.
    #[n(1)]
    pub stable: Option<CheckpointCertificate>,
    /// What the replica has prepared above it, in strictly ascending order of sequence.
    #[cbor(n(2), decode_with = "bounded_list::<PreparedCertificate, Ctx, WINDOW>")]
    pub prepared: Vec<PreparedCertificate>,
    /// Who wants it.
    #[n(3)]
    pub replica: ReplicaIndex,
    /// Its signature on all of the above.
    #[n(4)]
    pub signature: Signature,
}

impl ViewChange {
    /// The sequence of the stable checkpoint.
    pub fn stable_sequence(&self, context: &Context) -> Sequence {
        self.stable.as_ref().map_or(context.base, |stable| stable.checkpoint.sequence)
    }

    /// The bytes that are signed.
    pub fn signing_bytes(&self, context: &Context) -> Vec<u8> {
        let unsigned = Self { signature: Signature([0; 64]), ..self.clone() };
        let payload = Digest::of(&[&codec::encode(&unsigned)]);
        domain::signing_bytes(domain::VIEW_CHANGE, &context.identity.group, context.epoch, payload.as_bytes())
    }
}

/// A batch that a new view proposes again, by its digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Reproposal {
    /// The batch's place in the order.
    #[n(0)]
    pub sequence: Sequence,
    /// The batch's digest.
    #[n(1)]
    pub digest: Digest,
    /// The new primary's signature on the pre-prepare of the new view.
    #[n(2)]
    pub signature: Signature,
}

/// NEW-VIEW: the new primary shows a quorum of VIEW-CHANGEs and what follows from them.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct NewView {
    /// The new view.
    #[n(0)]
    pub view: View,
    /// VIEW-CHANGEs of a quorum, in strictly ascending order of the replicas.
    #[cbor(n(1), decode_with = "bounded_list::<ViewChange, Ctx, MAX_MEMBERS>")]
    pub view_changes: Vec<ViewChange>,
    /// What is proposed again, for every sequence between the highest stable checkpoint and the highest
    /// prepared sequence.
    #[cbor(n(2), decode_with = "bounded_list::<Reproposal, Ctx, WINDOW>")]
    pub reproposals: Vec<Reproposal>,
    /// The new primary's signature on all of the above.
    #[n(3)]
    pub signature: Signature,
}

impl NewView {
    /// The bytes that are signed.
    pub fn signing_bytes(&self, context: &Context) -> Vec<u8> {
        let unsigned = Self { signature: Signature([0; 64]), ..self.clone() };
        let payload = Digest::of(&[&codec::encode(&unsigned)]);
        domain::signing_bytes(domain::NEW_VIEW, &context.identity.group, context.epoch, payload.as_bytes())
    }
}

/// Where a replica stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Status {
    /// The replica's view.
    #[n(0)]
    pub view: View,
    /// Whether the view is open at the replica, rather than asked for.
    #[n(1)]
    pub active: bool,
    /// The sequence of its stable checkpoint.
    #[n(2)]
    pub stable: Sequence,
    /// The last sequence that it executed.
    #[n(3)]
    pub last_executed: Sequence,
}

/// A wish for committed batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct CatchUpRequest {
    /// The first sequence that is missing.
    #[n(0)]
    pub from: Sequence,
}

/// Committed batches, in ascending order, without gaps.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct CatchUp {
    /// The batches.
    #[cbor(n(0), decode_with = "bounded_list::<CommittedBatch, Ctx, MAX_CATCH_UP>")]
    pub batches: Vec<CommittedBatch>,
}

/// A wish for a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct BatchRequest {
    /// The batch's sequence.
    #[n(0)]
    pub sequence: Sequence,
    /// The batch's digest.
    #[n(1)]
    pub digest: Digest,
}

/// Commands on their way to the primary.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Forward {
    /// The commands.
    #[cbor(n(0), decode_with = "bounded_list::<SignedCommand, Ctx, MAX_FORWARD>")]
    pub commands: Vec<SignedCommand>,
}

/// A message that a correct replica would not have sent.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum MessageError {
    /// Not the deterministic encoding of a message.
    #[error(transparent)]
    Codec(#[from] codec::CodecError),
    /// A vote or a view change in another's name.
    #[error("replica {from} speaks for replica {signer}")]
    Impersonation {
        /// Whose link the message came over.
        from: ReplicaIndex,
        /// Whom it names.
        signer: ReplicaIndex,
    },
    /// The digest is not the batch's.
    #[error("the digest of the batch at sequence {0} is wrong")]
    WrongDigest(Sequence),
    /// A batch beyond the hard bounds.
    #[error("a batch of {commands} commands and {bytes} bytes is over the bounds")]
    BatchTooLarge {
        /// How many commands it has.
        commands: usize,
        /// How many bytes they have.
        bytes: usize,
    },
    /// A command that no group can accept.
    #[error("a command in the message: {0}")]
    Command(#[from] quorate_protocol::command::CommandError),
    /// Votes that make no certificate.
    #[error("a certificate: {0}")]
    Certificate(#[from] VoteError),
    /// A checkpoint signature that is not its signer's, or signers that make no quorum.
    #[error("a checkpoint of sequence {0} is not properly signed")]
    Checkpoint(Sequence),
    /// A checkpoint of another group or epoch.
    #[error("a checkpoint of another group or epoch")]
    ForeignCheckpoint,
    /// Certificates out of order, of later views, or outside what the checkpoint allows.
    #[error("the view change of replica {0} is not well formed")]
    ViewChange(ReplicaIndex),
    /// View changes that make no quorum for the view, or proposals that do not follow from them.
    #[error("the new view {0} does not follow from its view changes")]
    NewView(View),
    /// A signature that is not its signer's.
    #[error("a signature does not verify")]
    BadSignature,
}

impl Message {
    /// The encoding that [`Self::decode`] reads.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads a message; nothing in it is checked yet.
    ///
    /// # Errors
    /// When the bytes are too many, malformed or not deterministic.
    pub fn decode(bytes: &[u8]) -> Result<Self, MessageError> {
        Ok(codec::decode(bytes, MAX_MESSAGE_BYTES)?)
    }

    /// The message's name in logs and metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::PrePrepare(_) => "pre_prepare",
            Self::Prepare(_) => "prepare",
            Self::Commit(_) => "commit",
            Self::Checkpoint(_) => "checkpoint",
            Self::Stable(_) => "stable",
            Self::ViewChange(_) => "view_change",
            Self::NewView(_) => "new_view",
            Self::Status(_) => "status",
            Self::CatchUpRequest(_) => "catch_up_request",
            Self::CatchUp(_) => "catch_up",
            Self::BatchRequest(_) => "batch_request",
            Self::BatchReply(_) => "batch_reply",
            Self::Forward(_) => "forward",
        }
    }
}
