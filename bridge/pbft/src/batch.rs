//! Batches: what one sequence orders.

use minicbor::{Decode, Encode};
use quorate_protocol::codec::{self, bounded_list};
use quorate_protocol::domain;
use quorate_protocol::keys::verify_all;
use quorate_protocol::{Digest, Sequence, SignedCommand, TimestampMs, View};

use crate::certificate::{MAX_VOTES, SignedVote, VoteError, check_voters, vote_checks};
use crate::config::{Config, Context};

/// Commands that are ordered together, with the primary's time.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Batch {
    /// The primary's time. Execution never lets time go back, whatever stands here.
    #[n(0)]
    pub timestamp: TimestampMs,
    /// Whether a checkpoint is taken after this batch although its sequence is not a multiple of K.
    #[n(1)]
    pub checkpoint: bool,
    /// The commands, in order.
    #[cbor(n(2), decode_with = "bounded_list::<SignedCommand, Ctx, { Config::MAX_BATCH_COMMANDS }>")]
    pub commands: Vec<SignedCommand>,
}

impl Batch {
    /// The batch that fills a gap in a new view (section 4.4): executing it does nothing.
    pub fn null() -> Self {
        Self { timestamp: TimestampMs(0), checkpoint: false, commands: Vec::new() }
    }

    /// Whether this is the null batch.
    pub fn is_null(&self) -> bool {
        self.timestamp == TimestampMs(0) && !self.checkpoint && self.commands.is_empty()
    }

    /// The bytes of all commands.
    pub fn payload_bytes(&self) -> usize {
        self.commands.iter().map(SignedCommand::payload_len).sum()
    }

    /// The batch's name in the protocol: SHA-256 over group, epoch, time, flag, and each command's digest and
    /// signature.
    pub fn digest(&self, context: &Context) -> Digest {
        let mut payload = Vec::with_capacity(9 + self.commands.len() * 96);
        payload.extend_from_slice(&self.timestamp.0.to_be_bytes());
        payload.push(u8::from(self.checkpoint));
        for command in &self.commands {
            payload.extend_from_slice(command.digest().as_bytes());
            payload.extend_from_slice(&command.signature().0);
        }
        Digest::of(&[&domain::signing_bytes(domain::BATCH, &context.identity.group, context.epoch, &payload)])
    }
}

/// A batch with the commits that prove that the group committed it. It convinces anybody who knows the
/// epoch's replicas, whoever hands it over.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct CommittedBatch {
    /// The view that it was committed in.
    #[n(0)]
    pub view: View,
    /// Its place in the order.
    #[n(1)]
    pub sequence: Sequence,
    /// The batch.
    #[n(2)]
    pub batch: Batch,
    /// Commits of a quorum, in strictly ascending order of the replicas.
    #[cbor(n(3), decode_with = "bounded_list::<SignedVote, Ctx, MAX_VOTES>")]
    pub commits: Vec<SignedVote>,
}

impl CommittedBatch {
    /// The most bytes of an encoded committed batch.
    pub const MAX_BYTES: usize = Config::MAX_BATCH_BYTES + Config::MAX_BATCH_COMMANDS * 128 + 64 * 1024;

    /// The encoding that [`Self::decode`] reads.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads a committed batch; its commits are not checked yet.
    ///
    /// # Errors
    /// When the bytes are too many, malformed or not deterministic.
    pub fn decode(bytes: &[u8]) -> Result<Self, codec::CodecError> {
        codec::decode(bytes, Self::MAX_BYTES)
    }

    /// Checks that a quorum committed exactly this batch at this sequence.
    ///
    /// # Errors
    /// The first rule that does not hold.
    pub fn verify(&self, context: &Context) -> Result<(), VoteError> {
        check_voters(context, self.commits.iter().map(|vote| vote.replica), context.replicas.quorum())?;
        let digest = self.batch.digest(context);
        let checks = vote_checks(context, domain::COMMIT, self.view, self.sequence, digest, &self.commits);
        if verify_all(&checks) { Ok(()) } else { Err(VoteError::BadSignature) }
    }
}
