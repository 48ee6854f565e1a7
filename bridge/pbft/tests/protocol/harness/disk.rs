//! What survives a crash.

use std::collections::BTreeMap;

use quorate_pbft::{CommittedBatch, Config, Record, Recovered};
use quorate_protocol::{Checkpoint, CheckpointCertificate, Sequence, TimestampMs};

use super::machine::Machine;
use super::random::Random;

/// One replica's durable storage. It keeps no more than it promised: a record is durable only once a later
/// message has left.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk {
    records: Vec<Vec<u8>>,
    unsynced: Vec<Vec<u8>>,
    pub(crate) batches: BTreeMap<Sequence, CommittedBatch>,
    pub(crate) stable: Option<CheckpointCertificate>,
    /// What the services had outstanding at the start; not part of what a crash can lose.
    pub(crate) due: Vec<TimestampMs>,
    /// As [`Machine::change_after`].
    pub(crate) change_after: Option<usize>,
    /// Whether the replica lost its records: it may have said things that it does not know of.
    pub(crate) silent: bool,
    /// What lies beside the key: the last checkpoint that it signed. Written at once.
    pub(crate) signed: Option<Checkpoint>,
    /// As [`Machine::strange`].
    pub(crate) strange: bool,
}

impl Disk {
    pub(crate) fn append(&mut self, record: &Record) {
        if let Record::Checkpoint(signed) = record {
            self.signed = Some(signed.checkpoint.clone());
        }
        self.unsynced.push(record.encode());
    }

    /// Everything appended so far is durable.
    pub(crate) fn sync(&mut self) {
        self.records.append(&mut self.unsynced);
    }

    /// Replaces all records.
    pub(crate) fn rotate(&mut self, records: &[Record]) {
        self.unsynced.clear();
        self.records = records.iter().map(Record::encode).collect();
    }

    /// Loses what was not durable: a tail of the records, and a tail of the executed batches, but none
    /// that a stable checkpoint of this replica covers.
    pub(crate) fn crash(&mut self, random: &mut Random) {
        let kept = random.index(self.unsynced.len() + 1);
        self.unsynced.truncate(kept);
        self.sync();
        let stable = self.stable.as_ref().map_or(Sequence(0), |stable| stable.checkpoint.sequence);
        let last = self.batches.last_key_value().map_or(Sequence(0), |(&last, _)| last);
        if last > stable && random.percent(50) {
            let cut = Sequence(random.between(stable.0, last.0));
            self.batches.split_off(&cut.next());
        }
    }

    /// The machine as the stored batches make it, and what the replica starts from.
    pub(crate) fn recover(&self, config: &Config) -> (Machine, Recovered) {
        let mut machine = Machine::default();
        machine.due.extend(&self.due);
        machine.change_after = self.change_after;
        machine.strange = self.strange;
        let mut taken = Vec::new();
        for committed in self.batches.values() {
            let checkpoint = config.takes_checkpoint(committed.sequence, &committed.batch);
            let executed = machine.execute(committed, checkpoint);
            taken.extend(executed.state.map(|state| (committed.sequence, state)));
        }
        let records = self
            .records
            .iter()
            .map(|bytes| Record::decode(bytes).expect("a record survives its encoding"))
            .collect();
        let recovered = Recovered {
            records,
            last_executed: machine.last,
            stable: self.stable.clone(),
            next_due: machine.due.first().copied(),
            change_pending: machine.change_pending(),
            taken,
            ended: machine.ended.map(|_| machine.summary()),
            silent: self.silent,
            signed: self.signed.clone(),
            ..Recovered::default()
        };
        (machine, recovered)
    }
}
