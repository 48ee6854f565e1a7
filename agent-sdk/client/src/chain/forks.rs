//! Forks: what convicts a replica that signed two checkpoints which fit each other by their numbers, over two logs of which
//! neither begins with the other.

use std::path::Path;

use alloy::primitives::Bytes;
use quorate_contracts as contract;
use quorate_protocol::merkle::MerkleLog;
use quorate_protocol::{Checkpoint, Digest, Member, SignedCheckpoint};

use super::{ChainAgent, Included};
use crate::audit::ExportReader;
use crate::error::SdkError;

/// Two different leaves at one index of two logs, each with its proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fork {
    /// The first index at which the logs differ.
    pub index: u64,
    /// The hash of the leaf there, and its inclusion proof under the first checkpoint's root.
    pub first: (Digest, Vec<Digest>),
    /// The same of the second.
    pub second: (Digest, Vec<Digest>),
}

/// Why two logs prove no fork.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoFork {
    /// A log that is not the checkpoint's proves nothing.
    #[error("the {0} log has not the root of the {0} checkpoint at its size")]
    OtherLog(&'static str),
    /// One log begins with the other: nobody lied.
    #[error("one log begins with the other, as it should")]
    OneLog,
}

impl Fork {
    /// The fork of the two logs that lie under these checkpoints. Either log may be longer than its checkpoint says.
    ///
    /// # Errors
    /// [`NoFork`].
    pub fn between(
        first: (&Checkpoint, &MerkleLog),
        second: (&Checkpoint, &MerkleLog),
    ) -> Result<Self, NoFork> {
        for (name, (checkpoint, log)) in [("first", first), ("second", second)] {
            if log.root_at(checkpoint.log_size) != Some(checkpoint.log_root) {
                return Err(NoFork::OtherLog(name));
            }
        }
        let common = first.0.log_size.min(second.0.log_size);
        let index = (0..common).find(|index| first.1.leaf(*index) != second.1.leaf(*index));
        let index = index.ok_or(NoFork::OneLog)?;
        let shown = |(checkpoint, log): (&Checkpoint, &MerkleLog)| {
            let leaf = log.leaf(index).expect("the index is below both sizes");
            let proof = log.inclusion_proof(index, checkpoint.log_size);
            (leaf, proof.expect("the index is below the size, and the log is as long"))
        };
        Ok(Self { index, first: shown(first), second: shown(second) })
    }

    /// As [`Self::between`], of the logs in two exports. Reads both as a whole; nothing in them need be right but the
    /// leaves.
    ///
    /// # Errors
    /// [`SdkError::File`] or [`SdkError::Export`] when an export cannot be read, or where there is no fork.
    pub fn of_exports(first: (&Checkpoint, &Path), second: (&Checkpoint, &Path)) -> Result<Self, SdkError> {
        let logs = (leaves_of(first.1)?, leaves_of(second.1)?);
        let fork = Self::between((first.0, &logs.0), (second.0, &logs.1));
        fork.map_err(|none| SdkError::Export(none.to_string()))
    }
}

fn leaves_of(path: &Path) -> Result<MerkleLog, SdkError> {
    let mut export = ExportReader::open(path)?;
    let mut log = MerkleLog::new();
    while let Some(record) = export.next_record()? {
        log.append(record.entry.leaf_hash());
    }
    Ok(log)
}

impl ChainAgent {
    /// As [`Self::report_contradiction`], of checkpoints that fit each other over logs that do not.
    ///
    /// # Errors
    /// As [`Self::register`].
    pub async fn report_fork(
        &self,
        first: &SignedCheckpoint,
        second: &SignedCheckpoint,
        members: &[Member],
        fork: &Fork,
    ) -> Result<Included, SdkError> {
        let words = |path: &[Digest]| path.iter().map(|digest| digest.0).collect();
        let call = self.coordinator.reportContradiction(
            (&first.checkpoint).into(),
            Bytes::copy_from_slice(&first.signature.0),
            (&second.checkpoint).into(),
            Bytes::copy_from_slice(&second.signature.0),
            members.iter().map(contract::Member::from).collect(),
            contract::Fork {
                index: fork.index,
                firstLeaf: fork.first.0.0,
                firstPath: words(&fork.first.1),
                secondLeaf: fork.second.0.0,
                secondPath: words(&fork.second.1),
            },
        );
        self.send(call).await
    }
}
