//! A stand-in for the services: a chain of hashes over what was executed.

use std::collections::BTreeSet;

use quorate_pbft::event::StateSummary;
use quorate_pbft::{CommittedBatch, Executed};
use quorate_protocol::{Digest, Sequence, SignedCommand, TimestampMs};

/// Executes every command once. Two machines with one root have executed the same commands in one order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Machine {
    pub(crate) last: Sequence,
    pub(crate) commands: Vec<Digest>,
    seen: BTreeSet<Digest>,
    /// How many entries the log has.
    entries: u64,
    pub(crate) root: Digest,
    pub(crate) time: TimestampMs,
    /// What falls due, each brought by the first batch whose time has come.
    pub(crate) due: BTreeSet<TimestampMs>,
    /// After so many commands a change of members waits for the next checkpoint.
    pub(crate) change_after: Option<usize>,
    /// The last batch of the epoch, once it is executed.
    pub(crate) ended: Option<Sequence>,
    /// A machine with a fault computes other roots from here on.
    pub(crate) corrupt: bool,
    /// Its log is not the one that the replica's key signed.
    pub(crate) strange: bool,
}

impl Machine {
    pub(crate) fn execute(&mut self, committed: &CommittedBatch, checkpoint: bool) -> Executed {
        assert_eq!(committed.sequence, self.last.next(), "batches come in order");
        assert_eq!(self.ended, None, "no batch executes after the epoch's last");
        self.last = committed.sequence;
        self.time = self.time.max(committed.batch.timestamp);
        let mut entries = 0;
        while self.due.first().is_some_and(|&due| due <= self.time) {
            self.due.pop_first();
            self.chain(b"due");
            entries += 1;
        }
        for command in &committed.batch.commands {
            if self.seen.insert(command.digest()) {
                self.commands.push(command.digest());
                self.chain(command.digest().as_bytes());
                entries += 1;
            }
        }
        if checkpoint && self.change_pending() {
            self.ended = Some(self.last);
        }
        Executed {
            sequence: self.last,
            entries,
            next_due: self.due.first().copied(),
            state: checkpoint.then(|| self.summary()),
            change_pending: self.change_pending(),
        }
    }

    pub(crate) fn change_pending(&self) -> bool {
        self.ended.is_none() && self.change_after.is_some_and(|after| self.commands.len() >= after)
    }

    pub(crate) fn has(&self, command: &SignedCommand) -> bool {
        self.seen.contains(&command.digest())
    }

    fn chain(&mut self, what: &[u8]) {
        let fault: &[u8] = if self.corrupt { b"fault" } else { b"" };
        self.entries += 1;
        self.root = Digest::of(&[self.root.as_bytes(), what, fault]);
    }

    pub(crate) fn summary(&self) -> StateSummary {
        let inbox_count = self.commands.len() as u64 / 2;
        StateSummary {
            log_size: self.entries,
            log_root: self.root,
            state_root: Digest::of(&[b"state", self.root.as_bytes()]),
            inbox_count,
            inbox_hash: match inbox_count {
                0 => Digest::default(),
                count => Digest::of(&[b"inbox", &count.to_be_bytes()]),
            },
            next_members_hash: self.ended.map_or(Digest::default(), |_| Digest::from([9; 32])),
            extends_signed: !self.strange,
        }
    }
}
