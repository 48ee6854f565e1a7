//! The newest records in memory, so that hot reads need no disk and execution never waits for one.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use quorate_protocol::{Digest, EntryBody, EntryIndex, EntryRecord, Outcome};

/// The most records that are kept in memory.
pub const MAX_RECENT_ENTRIES: usize = 8192;
/// The most bytes that they may have together, roughly.
pub const MAX_RECENT_BYTES: usize = 64 * 1024 * 1024;

/// Consecutive records up to the log's end, by index and by subject.
#[derive(Debug, Default)]
pub(super) struct RecentRecords {
    records: VecDeque<Arc<EntryRecord>>,
    /// The index of the first record.
    first: u64,
    bytes: usize,
    by_subject: HashMap<Digest, EntryIndex>,
}

impl RecentRecords {
    /// No records yet; the next one has index `next`.
    pub(super) fn starting_at(next: u64) -> Self {
        Self { first: next, ..Self::default() }
    }

    /// Appends the log's next record.
    pub(super) fn push(&mut self, record: Arc<EntryRecord>) {
        let index = record.entry.index;
        assert_eq!(index.0, self.first + self.records.len() as u64, "records are consecutive");
        self.bytes += weight(&record);
        self.by_subject.insert(record.entry.subject, index);
        self.records.push_back(record);
        while self.records.len() > MAX_RECENT_ENTRIES || self.bytes > MAX_RECENT_BYTES {
            let Some(oldest) = self.records.pop_front() else { break };
            self.first += 1;
            self.bytes -= weight(&oldest);
            if self.by_subject.get(&oldest.entry.subject) == Some(&oldest.entry.index) {
                self.by_subject.remove(&oldest.entry.subject);
            }
        }
    }

    /// The record at `index`, if it is still here.
    pub(super) fn get(&self, index: EntryIndex) -> Option<&Arc<EntryRecord>> {
        let at = index.0.checked_sub(self.first)?;
        self.records.get(usize::try_from(at).ok()?)
    }

    /// The entry about `subject`, if it is still here.
    pub(super) fn index_of(&self, subject: &Digest) -> Option<EntryIndex> {
        self.by_subject.get(subject).copied()
    }
}

/// About how many bytes a record takes in memory.
fn weight(record: &EntryRecord) -> usize {
    /// What every record takes beside its variable parts.
    const FIXED: usize = 1024;
    let body = match &record.body {
        EntryBody::Command(command) => 2 * command.payload_len(),
        EntryBody::Decision(decision) => {
            let calls: usize = decision.calls.iter().map(|call| call.data.len() + 64).sum();
            decision.description.len() + calls
        }
        EntryBody::System(_) => 0,
    };
    let outcome = match &record.outcome {
        Outcome::Applied { results } => results.iter().map(|result| result.body.len()).sum(),
        Outcome::Refused { .. } | Outcome::Recorded => 0,
    };
    FIXED + body + outcome
}

#[cfg(test)]
mod tests {
    use quorate_protocol::entry::SystemEvent;
    use quorate_protocol::{AgentId, B256, Epoch, GroupId, GroupIdentity, Sequence, TimestampMs};

    use super::*;

    fn record(index: u64) -> Arc<EntryRecord> {
        let identity = GroupIdentity { chain_id: 1, contract: AgentId::default(), group: GroupId::default() };
        let event = SystemEvent::EpochStarted { epoch: Epoch(index), members_hash: Digest(B256::ZERO) };
        let (sequence, time) = (Sequence(index), TimestampMs(index));
        let body = EntryBody::System(event);
        Arc::new(EntryRecord::new(&identity, EntryIndex(index), sequence, time, body, Outcome::Recorded))
    }

    #[test]
    fn the_oldest_records_make_room_for_the_newest() {
        let mut recent = RecentRecords::starting_at(3);
        let end = 3 + MAX_RECENT_ENTRIES as u64 + 10;
        for index in 3..end {
            recent.push(record(index));
        }
        assert_eq!(recent.records.len(), MAX_RECENT_ENTRIES);
        assert_eq!(recent.by_subject.len(), MAX_RECENT_ENTRIES);
        assert_eq!(recent.bytes, recent.records.iter().map(|record| weight(record)).sum::<usize>());
        for gone in [0, 3, 12] {
            assert!(recent.get(EntryIndex(gone)).is_none());
        }
        for kept in [13, end - 1] {
            let index = EntryIndex(kept);
            assert_eq!(recent.get(index).unwrap().entry.index, index);
            assert_eq!(recent.index_of(&record(kept).entry.subject), Some(index));
        }
        assert_eq!(recent.index_of(&record(12).entry.subject), None);
        assert!(recent.get(EntryIndex(end)).is_none());
    }
}
