//! What an anchor shows beside its signatures: that its log extends the one that is anchored, and that the log says of the
//! last message of the contract's inbox that it counts that it took it in.

use quorate_protocol::entry::SystemEvent;
use quorate_protocol::merkle::ProofError;
use quorate_protocol::{Digest, Entry, EntryBody, EntryIndex, InboxTaken};

use super::reader::LedgerReader;
use super::{Ledger, LedgerError};

/// The entry by which the log took in a message, under the root of one of its sizes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenProof {
    /// What the entry says.
    pub message: InboxTaken,
    /// The entry.
    pub entry: Entry,
    /// Its RFC 9162 inclusion proof.
    pub path: Vec<Digest>,
}

/// The proofs of an anchor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AnchorProofs {
    /// RFC 9162's consistency proof from the anchored size; empty where nothing is anchored.
    pub consistency: Vec<Digest>,
    /// The entry of the last message that the anchor takes; nothing where it takes none.
    pub taken: Option<TakenProof>,
}

impl Ledger {
    fn inclusion_proof(&self, index: EntryIndex, size: u64) -> Result<Vec<Digest>, ProofError> {
        self.log.inclusion_proof(index.0, size)
    }

    /// Where the log took in this message, if it is the last that it took.
    fn last_taken(&self, message: u64) -> Option<EntryIndex> {
        let (taken, _) = self.state().inbox_head();
        self.state().inbox_entry().filter(|_| taken == message + 1).map(|entry| entry.index)
    }
}

impl LedgerReader {
    /// The proofs of an anchor of the log of `size` entries where that of `anchored` is anchored (0 for nothing), which
    /// takes messages up to and with `message`, if any. Nothing where the log is not that large, or has no entry of the
    /// message among those that are not anchored. May read from disk: every entry that is not anchored, at worst.
    ///
    /// # Errors
    /// When the store fails or lacks a record.
    pub fn anchor_proofs(
        &self,
        anchored: u64,
        size: u64,
        message: Option<u64>,
    ) -> Result<Option<AnchorProofs>, LedgerError> {
        let consistency = match anchored {
            0 => Some(Vec::new()),
            _ => self.read(|ledger| ledger.consistency_proof(anchored, size).ok()),
        };
        let Some(consistency) = consistency else { return Ok(None) };
        let Some(message) = message else { return Ok(Some(AnchorProofs { consistency, taken: None })) };
        let Some((message, entry)) = self.taken_entry(message, anchored, size)? else { return Ok(None) };
        let path = self.read(|ledger| ledger.inclusion_proof(entry.index, size).ok());
        Ok(path.map(|path| AnchorProofs { consistency, taken: Some(TakenProof { message, entry, path }) }))
    }

    /// The entry by which the log took in a message, among those from `from` on and before `size`.
    fn taken_entry(
        &self,
        message: u64,
        from: u64,
        size: u64,
    ) -> Result<Option<(InboxTaken, Entry)>, LedgerError> {
        let known = self.read(|ledger| ledger.last_taken(message)).filter(|index| index.0 < size);
        // Messages are taken in their order, so the last before `size` is found first.
        let candidates = known.map_or(from..size, |index| index.0..index.0 + 1);
        for index in candidates.rev() {
            let Some(record) = self.record(EntryIndex(index))? else { return Ok(None) };
            if let EntryBody::System(SystemEvent::InboxTaken(taken)) = &record.body {
                return Ok((taken.index == message).then_some((*taken, record.entry)));
            }
        }
        Ok(None)
    }
}
