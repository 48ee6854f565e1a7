//! What an operator should know.

use std::fmt;

use alloy::primitives::B256;
use quorate_protocol::attestation::CertificateError;
use quorate_protocol::{AgentId, Digest, Epoch, Sequence};

use super::event::Cost;

/// A condition that the core met. It is reported when it begins, not again while it lasts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// A transaction of ours anchored the checkpoint.
    Anchored {
        /// The checkpoint.
        sequence: Sequence,
        /// The transaction.
        hash: B256,
        /// What it cost.
        cost: Cost,
    },
    /// Another replica's transaction anchored the checkpoint, or a newer one, before ours.
    Overtaken {
        /// The checkpoint that we had submitted.
        sequence: Sequence,
    },
    /// A transaction of ours had a replica convicted.
    Convicted {
        /// The replica.
        replica: AgentId,
        /// The transaction.
        hash: B256,
        /// What it cost.
        cost: Cost,
    },
    /// Somebody else had a replica convicted before us.
    AlreadyConvicted {
        /// The replica.
        replica: AgentId,
    },
    /// The contract or the endpoint does not take the report on a replica.
    ReportRefused {
        /// The replica.
        replica: AgentId,
        /// Why.
        reason: String,
    },
    /// The node handed over a checkpoint without a quorum of signatures.
    BadCertificate {
        /// The checkpoint.
        sequence: Sequence,
        /// What is wrong with it.
        error: CertificateError,
    },
    /// The node handed over the end of an epoch that does not hold.
    BadHandover {
        /// The epoch that it should end.
        epoch: Epoch,
        /// What is wrong with it.
        error: String,
    },
    /// The node handed over a checkpoint of an epoch that nothing leads to.
    UnknownEpoch {
        /// The checkpoint.
        sequence: Sequence,
        /// Its epoch.
        epoch: Epoch,
    },
    /// The group is in a later epoch than the contract, and how the contract's ended is not known here.
    MissingHandover {
        /// The contract's epoch.
        epoch: Epoch,
    },
    /// The chain has another log root for a checkpoint than the group.
    OtherRoot {
        /// The checkpoint.
        sequence: Sequence,
        /// What the chain says.
        chain: Digest,
        /// What a quorum of the group signed.
        group: Digest,
    },
    /// The endpoint's head is below one that it has shown before.
    LaggingHead {
        /// The head.
        head: u64,
        /// The highest head so far.
        seen: u64,
    },
    /// The chain replaced blocks that it had before, anchors in them included.
    Reorganised {
        /// The lowest of those that were seen.
        block: u64,
    },
    /// The endpoint's nonce contradicts a receipt that the same endpoint still gives.
    NonceContradiction {
        /// The nonce that it reports.
        reported: u64,
        /// The nonce of the transaction with a receipt.
        used: u64,
    },
    /// A transaction that this process did not make is waiting; it may be one of ours from before a restart.
    PendingTransaction {
        /// Its nonce.
        nonce: u64,
    },
    /// The market asks for more than the configured cap.
    FeeAboveCap {
        /// The head's base fee.
        base_fee: u128,
        /// The configured cap.
        cap: u128,
    },
    /// A stuck transaction cannot be replaced within the configured cap.
    StuckAtCap {
        /// Its nonce.
        nonce: u64,
        /// Its maximum fee.
        max_fee: u128,
        /// The configured cap.
        cap: u128,
    },
    /// Another transaction would exceed the hour's bound.
    SpendLimit {
        /// What the hour would come to.
        total: u128,
        /// The configured limit.
        limit: u128,
    },
    /// The contract or the endpoint does not take the transaction.
    Refused {
        /// The checkpoint.
        sequence: Sequence,
        /// Why.
        reason: String,
    },
    /// The transaction was included and reverted though nobody else was faster.
    Reverted {
        /// The checkpoint.
        sequence: Sequence,
        /// The transaction.
        hash: B256,
    },
    /// The transaction can no longer be included.
    Lost {
        /// The checkpoint.
        sequence: Sequence,
        /// The transaction's nonce.
        nonce: u64,
    },
    /// A stuck transaction was replaced by one with a higher fee.
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
        matches!(
            self,
            Self::Anchored { .. }
                | Self::Overtaken { .. }
                | Self::AlreadyConvicted { .. }
                | Self::LaggingHead { .. }
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anchored { sequence, hash, cost: Cost { execution, data } } => write!(
                f,
                "the checkpoint of sequence {sequence} is anchored by our transaction {hash}, for {execution} wei of \
                 execution and {data} wei of data on L1"
            ),
            Self::Overtaken { sequence } => write!(
                f,
                "the checkpoint of sequence {sequence} needs no anchor of ours: another replica was faster"
            ),
            Self::Convicted { replica, hash, cost: Cost { execution, data } } => write!(
                f,
                "the contract has convicted replica {replica}, which signed checkpoints that contradict each other, by our transaction \
                 {hash}, for {execution} wei of execution and {data} wei of data on L1"
            ),
            Self::AlreadyConvicted { replica } => write!(
                f,
                "the contract has convicted replica {replica}, which signed checkpoints that contradict each other, by somebody \
                 else's report"
            ),
            Self::ReportRefused { replica, reason } => write!(
                f,
                "the report that replica {replica} signed checkpoints that contradict each other is refused: {reason}; \
                 trying again later"
            ),
            Self::BadCertificate { sequence, error } => {
                write!(f, "the checkpoint of sequence {sequence} is not stable ({error}); it is not anchored")
            }
            Self::BadHandover { epoch, error } => {
                write!(f, "the end of epoch {epoch} is not proved ({error}); it is not anchored")
            }
            Self::UnknownEpoch { sequence, epoch } => write!(
                f,
                "the checkpoint of sequence {sequence} is of epoch {epoch}, and the members of that are not known; it is not \
                 anchored"
            ),
            Self::MissingHandover { epoch } => write!(
                f,
                "the contract is in epoch {epoch}, which has ended, but not in what this node knows; another replica has to \
                 anchor its end"
            ),
            Self::OtherRoot { sequence, chain, group } => write!(
                f,
                "for sequence {sequence} the chain has log root {chain}, the group has {group}: the endpoint lies, or more \
                 replicas are faulty than the group tolerates; check the contract with another endpoint"
            ),
            Self::LaggingHead { head, seen } => {
                write!(f, "the endpoint's head fell from block {seen} to {head}; waiting for it to catch up")
            }
            Self::Reorganised { block } => write!(
                f,
                "the chain was reorganised: block {block} is another one than before; what it dropped is anchored again"
            ),
            Self::NonceContradiction { reported, used } => write!(
                f,
                "the endpoint says the next nonce is {reported}, and gives a receipt of nonce {used}: not trusting it"
            ),
            Self::PendingTransaction { nonce } => {
                write!(f, "a pending transaction has nonce {nonce}; waiting for it before anchoring")
            }
            Self::FeeAboveCap { base_fee, cap } => write!(
                f,
                "gas costs more than max_fee_gwei allows (base fee {base_fee} wei, cap {cap} wei); waiting for it to fall"
            ),
            Self::StuckAtCap { nonce, max_fee, cap } => write!(
                f,
                "the transaction with nonce {nonce} is stuck at {max_fee} wei for one unit of gas, and max_fee_gwei allows no \
                 replacement above {cap} wei; waiting for gas to become cheaper"
            ),
            Self::SpendLimit { total, limit } => write!(
                f,
                "anchoring now could bring this hour's cost to {total} wei, above the limit of {limit} wei; waiting, other \
                 replicas take over (the limit is max_spend_gwei_per_hour)"
            ),
            Self::Refused { sequence, reason } => {
                write!(f, "the checkpoint of sequence {sequence} is refused: {reason}; trying again later")
            }
            Self::Reverted { sequence, hash } => write!(
                f,
                "the transaction {hash} that should anchor sequence {sequence} reverted; trying again later"
            ),
            Self::Lost { sequence, nonce } => write!(
                f,
                "the transaction with nonce {nonce} for sequence {sequence} is lost; it will be made anew"
            ),
            Self::Bumped { nonce, max_fee } => write!(
                f,
                "no receipt for nonce {nonce}: replaced by a transaction that offers {max_fee} wei for one unit of gas"
            ),
        }
    }
}
