//! Votes, and the certificates that a quorum of them makes.

use minicbor::{Decode, Encode};
use quorate_protocol::codec::bounded_list;
use quorate_protocol::domain;
use quorate_protocol::faults::{self, Fault};
use quorate_protocol::group::MAX_MEMBERS;
use quorate_protocol::{AgentKey, Digest, ReplicaIndex, Sequence, Signature, SignatureCheck, View};
use serde::Serialize;

use crate::config::Context;

/// The most votes of a certificate.
pub const MAX_VOTES: usize = MAX_MEMBERS;

/// The bytes that pre-prepare, prepare and commit sign under their own domain strings.
pub fn vote_bytes(
    context: &Context,
    domain: &str,
    view: View,
    sequence: Sequence,
    digest: Digest,
) -> Vec<u8> {
    let mut payload = [0; 48];
    payload[..8].copy_from_slice(&view.0.to_be_bytes());
    payload[8..16].copy_from_slice(&sequence.0.to_be_bytes());
    payload[16..].copy_from_slice(digest.as_bytes());
    domain::signing_bytes(domain, &context.identity.group, context.epoch, &payload)
}

/// Signs a vote.
pub(crate) fn sign_vote(
    context: &Context,
    domain: &str,
    view: View,
    sequence: Sequence,
    digest: Digest,
    key: &AgentKey,
) -> Signature {
    key.sign(&vote_bytes(context, domain, view, sequence, digest))
}

/// One replica's signature in a certificate; what it signs stands in the certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Encode, Decode)]
#[cbor(map)]
pub struct SignedVote {
    /// Who voted.
    #[n(0)]
    pub replica: ReplicaIndex,
    /// Its ed25519 signature.
    #[n(1)]
    pub signature: Signature,
}

/// Votes that make no certificate.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum VoteError {
    /// Fewer voters than a quorum.
    #[error("{found} votes, {needed} are needed")]
    TooFew {
        /// How many voted.
        found: usize,
        /// How many must.
        needed: usize,
    },
    /// Voters are in strictly ascending order, each once.
    #[error("the voters are not in strictly ascending order at replica {0}")]
    NotAscending(ReplicaIndex),
    /// A voter that the epoch does not have.
    #[error("there is no replica {0}")]
    NoSuchReplica(ReplicaIndex),
    /// The primary does not prepare its own proposal.
    #[error("the primary's own prepare is counted")]
    PrimaryPrepared,
    /// A signature that is not its voter's.
    #[error("a vote's signature does not verify")]
    BadSignature,
}

/// Checks that `voters` are at least `needed` distinct replicas in ascending order.
pub(crate) fn check_voters(
    context: &Context,
    voters: impl ExactSizeIterator<Item = ReplicaIndex>,
    needed: usize,
) -> Result<(), VoteError> {
    let found = voters.len();
    let mut last = None;
    for voter in voters {
        if last.is_some_and(|last| last >= voter) && !faults::is_on(Fault::VoterCountedTwice) {
            return Err(VoteError::NotAscending(voter));
        }
        if context.replicas.at(voter).is_none() {
            return Err(VoteError::NoSuchReplica(voter));
        }
        last = Some(voter);
    }
    if found < needed { Err(VoteError::TooFew { found, needed }) } else { Ok(()) }
}

/// The checks of votes on one view, sequence and digest. Voters must exist.
pub(crate) fn vote_checks(
    context: &Context,
    domain: &str,
    view: View,
    sequence: Sequence,
    digest: Digest,
    votes: &[SignedVote],
) -> Vec<SignatureCheck> {
    let message = vote_bytes(context, domain, view, sequence, digest);
    votes
        .iter()
        .filter_map(|vote| {
            let member = context.replicas.at(vote.replica)?;
            Some(SignatureCheck::new(&member.key, &message, &vote.signature))
        })
        .collect()
}

/// The proof that a batch was prepared: the primary's pre-prepare and prepares of backups, a quorum in all.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct PreparedCertificate {
    /// The view that it was prepared in.
    #[n(0)]
    pub view: View,
    /// Its place in the order.
    #[n(1)]
    pub sequence: Sequence,
    /// The batch's digest.
    #[n(2)]
    pub digest: Digest,
    /// The primary's signature on the pre-prepare.
    #[n(3)]
    pub pre_prepare: Signature,
    /// The backups' prepares, in strictly ascending order.
    #[cbor(n(4), decode_with = "bounded_list::<SignedVote, Ctx, MAX_VOTES>")]
    pub prepares: Vec<SignedVote>,
}

impl PreparedCertificate {
    /// What it proves, whoever signed it.
    pub(crate) fn claim(&self) -> (View, Sequence, Digest) {
        (self.view, self.sequence, self.digest)
    }

    /// Checks the voters and returns the signature checks that remain.
    ///
    /// # Errors
    /// The first rule that does not hold.
    pub fn checks(&self, context: &Context) -> Result<Vec<SignatureCheck>, VoteError> {
        let primary = self.view.primary(context.replicas.len());
        let voters = self.prepares.iter().map(|vote| vote.replica);
        check_voters(context, voters, context.replicas.quorum() - 1)?;
        if self.prepares.iter().any(|vote| vote.replica == primary) {
            return Err(VoteError::PrimaryPrepared);
        }
        let Self { view, sequence, digest, .. } = *self;
        let mut checks = vote_checks(context, domain::PREPARE, view, sequence, digest, &self.prepares);
        let proposal = [SignedVote { replica: primary, signature: self.pre_prepare }];
        checks.extend(vote_checks(context, domain::PRE_PREPARE, view, sequence, digest, &proposal));
        Ok(checks)
    }
}
