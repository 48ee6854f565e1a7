//! Going back to a state that the chain has: what a recovery leaves of a store.

use std::path::Path;

use quorate_protocol::{AgentId, Group, GroupIdentity, Sequence};
use redb::ReadableDatabase as _;

use super::writer::{ApplyError, set_meta};
use super::{FORMAT, StatePair, Store, fetch, tables};
use crate::era::EraStart;
use crate::error::NodeError;
use crate::ledger::EndedEpoch;

/// What a store goes back to.
#[derive(Clone, Debug)]
pub struct Rewind {
    /// The last sequence that stays: batches after it are void.
    pub sequence: Sequence,
    /// How many entries stay.
    pub log_size: u64,
    /// All pairs of the services' state from which the node goes on.
    pub pairs: Vec<StatePair>,
    /// The group of the epoch in which it goes on.
    pub group: Group,
    /// Where the era of that epoch begins.
    pub era: EraStart,
    /// The epochs that ended there.
    pub ended: Vec<EndedEpoch>,
}

impl Store {
    /// Opens the store in `dir`, which was copied from another replica of the group `identity` or from the same, and
    /// makes it that of the replica `agent`.
    ///
    /// # Errors
    /// As [`Store::open`]; [`NodeError::DataForeign`] also when there is no store at all.
    pub fn adopt(dir: &Path, identity: &GroupIdentity, agent: AgentId) -> Result<Self, NodeError> {
        let foreign = |what, expected: String, found: String| NodeError::DataForeign {
            dir: dir.into(),
            what,
            expected,
            found,
        };
        let store = Self::open_existing(dir)?;
        let store = store.ok_or_else(|| foreign("nobody:", "a node's store".into(), "it is empty".into()))?;
        match store.owner()? {
            None => Err(foreign("another program's database at", "Quorate".into(), super::FILE_NAME.into())),
            Some(owner) if owner.format != FORMAT => {
                Err(NodeError::DataFormat { dir: dir.into(), found: owner.format, supported: FORMAT })
            }
            Some(owner) if owner.identity != *identity => {
                Err(foreign("the group", identity.origin(), owner.identity.origin()))
            }
            Some(owner) => {
                store.change(|transaction| {
                    set_meta(transaction, tables::OWNER, &tables::Owner { agent, ..owner })
                })?;
                Ok(store)
            }
        }
    }

    /// Goes back as `to` says, in one durable transaction. What was stable, handed over or being fetched is gone with the
    /// era that is over; evidence stays.
    ///
    /// # Errors
    /// [`NodeError::Storage`].
    pub fn rewind(&self, to: &Rewind) -> Result<(), NodeError> {
        self.change(|transaction| {
            transaction.open_table(tables::BATCHES)?.retain_in(to.sequence.0 + 1.., |_, _| false)?;
            fetch::cut_log(transaction, to.log_size)?;
            fetch::abandon(transaction)?;
            transaction.open_table(tables::ANCHORS)?.retain_in(to.log_size + 1.., |_, _| false)?;
            transaction.open_table(tables::HANDOVERS)?.retain(|_, _| false)?;
            transaction.delete_table(tables::STATE)?;
            let mut state = transaction.open_table(tables::STATE)?;
            for (key, value) in &to.pairs {
                state.insert(&tables::state_key(key), tables::state_value(key, value).as_slice())?;
            }
            drop(state);
            transaction.open_table(tables::META)?.remove(tables::STABLE)?;
            set_meta(transaction, tables::STATE_SEQUENCE, &to.sequence)?;
            set_meta(transaction, tables::GROUP, &to.group)?;
            set_meta(transaction, tables::ENDED, &to.ended)?;
            set_meta(transaction, tables::ERA, &to.era)
        })
    }

    /// Where the era begins that the node is in; nothing in the first.
    ///
    /// # Errors
    /// [`NodeError::Storage`] or [`NodeError::DataCorrupt`].
    pub fn era(&self) -> Result<Option<EraStart>, NodeError> {
        self.meta(tables::ERA)
    }

    /// Whether the batch of `sequence` is stored, so that a state before it can be executed on.
    ///
    /// # Errors
    /// [`NodeError::Storage`] or [`NodeError::DataCorrupt`].
    pub fn has_batch(&self, sequence: Sequence) -> Result<bool, NodeError> {
        let read = self.inner.database.begin_read().map_err(|error| self.failed("read", error))?;
        let table = read.open_table(tables::BATCHES).map_err(|error| self.failed("read", error))?;
        Ok(table.get(sequence.0).map_err(|error| self.failed("read", error))?.is_some())
    }

    fn change(
        &self,
        change: impl FnOnce(&redb::WriteTransaction) -> Result<(), ApplyError>,
    ) -> Result<(), NodeError> {
        let failed = |error: redb::Error| self.failed("write to", error);
        let transaction = self.inner.database.begin_write().map_err(|error| failed(error.into()))?;
        change(&transaction).map_err(|error| match error {
            ApplyError::Database(error) => failed(error),
            ApplyError::Invariant(detail) => NodeError::Invariant(detail),
        })?;
        transaction.commit().map_err(|error| failed(error.into()))
    }
}
