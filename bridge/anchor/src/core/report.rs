//! What an operator should know.

use alloy::primitives::B256;
use quorate_protocol::attestation::CertificateError;
use quorate_protocol::{Digest, Sequence};

/// A condition that the core met. It is reported when it begins, not again while it lasts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Report {
    /// A transaction of ours anchored the checkpoint.
    #[error("the checkpoint of sequence {sequence} is anchored by our transaction {hash}")]
    Anchored {
        /// The checkpoint.
        sequence: Sequence,
        /// The transaction.
        hash: B256,
    },
    /// Another replica's transaction anchored the checkpoint, or a newer one, before ours.
    #[error("the checkpoint of sequence {sequence} needs no anchor of ours: another replica was faster")]
    Overtaken {
        /// The checkpoint that we had submitted.
        sequence: Sequence,
    },
    /// The node handed over a checkpoint without a quorum of signatures.
    #[error("the checkpoint of sequence {sequence} is not stable ({error}); it is not anchored")]
    BadCertificate {
        /// The checkpoint.
        sequence: Sequence,
        /// What is wrong with it.
        error: CertificateError,
    },
    /// The chain has another log root for a checkpoint than the group.
    #[error(
        "for sequence {sequence} the chain has log root {chain}, the group has {group}: the endpoint lies, or more \
         replicas are faulty than the group tolerates; check the contract with another endpoint"
    )]
    OtherRoot {
        /// The checkpoint.
        sequence: Sequence,
        /// What the chain says.
        chain: Digest,
        /// What a quorum of the group signed.
        group: Digest,
    },
    /// The endpoint's head is below one that it has shown before.
    #[error("the endpoint's head fell from block {seen} to {head}; waiting for it to catch up")]
    LaggingHead {
        /// The head.
        head: u64,
        /// The highest head so far.
        seen: u64,
    },
    /// The endpoint's nonce contradicts a receipt that the same endpoint still gives.
    #[error(
        "the endpoint says the next nonce is {reported}, and gives a receipt of nonce {used}: not trusting it"
    )]
    NonceContradiction {
        /// The nonce that it reports.
        reported: u64,
        /// The nonce of the transaction with a receipt.
        used: u64,
    },
    /// A transaction that this process did not make is waiting; it may be one of ours from before a restart.
    #[error("a pending transaction has nonce {nonce}; waiting for it before anchoring")]
    PendingTransaction {
        /// Its nonce.
        nonce: u64,
    },
    /// The market asks for more than the configured cap.
    #[error(
        "gas costs more than max_fee_gwei allows (base fee {base_fee} wei, cap {cap} wei); waiting for it to fall"
    )]
    FeeAboveCap {
        /// The head's base fee.
        base_fee: u128,
        /// The configured cap.
        cap: u128,
    },
    /// Another transaction would exceed the hour's bound.
    #[error(
        "anchoring now could bring this hour's cost to {total} wei, above the limit of {limit} wei; waiting, other \
         replicas take over (the limit is max_spend_gwei_per_hour)"
    )]
    SpendLimit {
        /// What the hour would come to.
        total: u128,
        /// The configured limit.
        limit: u128,
    },
    /// The contract or the endpoint does not take the transaction.
    #[error("the checkpoint of sequence {sequence} is refused: {reason}; trying again later")]
    Refused {
        /// The checkpoint.
        sequence: Sequence,
        /// Why.
        reason: String,
    },
    /// The transaction was included and reverted though nobody else was faster.
    #[error("the transaction {hash} that should anchor sequence {sequence} reverted; trying again later")]
    Reverted {
        /// The checkpoint.
        sequence: Sequence,
        /// The transaction.
        hash: B256,
    },
    /// The transaction can no longer be included.
    #[error("the transaction with nonce {nonce} for sequence {sequence} is lost; it will be made anew")]
    Lost {
        /// The checkpoint.
        sequence: Sequence,
        /// The transaction's nonce.
        nonce: u64,
    },
    /// A stuck transaction was replaced by one with a higher fee.
    #[error(
        "no receipt for nonce {nonce}: replaced by a transaction that offers {max_fee} wei for one unit of gas"
    )]
    Bumped {
        /// The nonce of both.
        nonce: u64,
        /// The new maximum fee.
        max_fee: u128,
    },
}

impl Report {
    /// Whether the condition is part of ordinary work, so that no operator has to look.
    pub fn is_ordinary(&self) -> bool {
        matches!(self, Self::Anchored { .. } | Self::Overtaken { .. } | Self::LaggingHead { .. })
    }
}
