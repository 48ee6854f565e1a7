//! The store as the ledger's source of older records.

use quorate_node::ledger::{RecordSource, SourceError};
use quorate_node::store::Store;
use quorate_protocol::{Digest, EntryIndex, EntryRecord};

/// Reads what the ledger no longer holds in memory.
pub(super) struct StoreRecords(pub(super) Store);

impl RecordSource for StoreRecords {
    fn record(&self, index: EntryIndex) -> Result<Option<EntryRecord>, SourceError> {
        Ok(self.0.entry(index)?)
    }

    fn index_of(&self, digest: &Digest) -> Result<Option<EntryIndex>, SourceError> {
        Ok(self.0.entry_of_command(digest)?)
    }
}
