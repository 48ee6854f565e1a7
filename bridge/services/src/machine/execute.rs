//! Executing a batch.

use std::collections::{BTreeMap, VecDeque};

use quorate_protocol::outcome::OperationResult;
use quorate_protocol::{
    EntryBody, EntryIndex, EntryRecord, Outcome, Refusal, Sequence, SignedCommand, TimestampMs,
};

use super::StateMachine;
use super::admission::Verdict;
use crate::error::DropReason;
use crate::members::Agent;
use crate::registry::{self, SERVICES};
use crate::replies;
use crate::service::{Context, Draft, ServiceRefusal, Taken, Transaction};
use crate::state::Overlay;

/// What a batch did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Executed {
    /// The entries that it made, in order of index.
    pub records: Vec<EntryRecord>,
    /// What became of each command, in order.
    pub dispositions: Vec<Disposition>,
    /// The time that it executed at: the later of its own and that of the batches before.
    pub timestamp: TimestampMs,
}

/// What became of one command of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// It made this entry, applied or refused.
    Recorded(EntryIndex),
    /// It was executed before and is this entry.
    Duplicate(EntryIndex),
    /// It made no entry and had no effect.
    Dropped(DropReason),
}

/// What the operations of an applied command did.
struct Applied {
    results: Vec<OperationResult>,
    writes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    drafts: Vec<Draft>,
    taken: Vec<Taken>,
}

impl StateMachine {
    /// Executes the batch with this sequence. A null batch (time 0 and no commands) does nothing.
    ///
    /// The caller guarantees that the batch is committed and that the signatures of its commands are checked.
    ///
    /// # Panics
    /// When a batch with this or a later sequence was executed already: going on would fork the replica.
    pub fn execute(
        &mut self,
        sequence: Sequence,
        timestamp: TimestampMs,
        commands: &[SignedCommand],
    ) -> Executed {
        assert!(
            sequence > self.head.sequence,
            "batch {sequence} comes after batch {}, which is executed already",
            self.head.sequence
        );
        let time = self.head.time.max(timestamp);
        if timestamp == TimestampMs(0) && commands.is_empty() {
            return Executed { records: Vec::new(), dispositions: Vec::new(), timestamp: time };
        }
        self.head.time = time;
        self.head.sequence = sequence;
        let mut records = Vec::with_capacity(commands.len());
        self.tell_of_era(&mut records);
        self.do_due_work(&mut records);
        let dispositions = commands.iter().map(|command| self.take_command(command, &mut records)).collect();
        self.save_head();
        Executed { records, dispositions, timestamp: time }
    }

    fn do_due_work(&mut self, records: &mut Vec<EntryRecord>) {
        for service in SERVICES {
            let mut transaction = Transaction::new(Overlay::new(&self.state), EntryIndex(self.head.log_size));
            service.due(&mut Context::new(&mut transaction, service.prefix(), self.head.time, &self.group));
            let Transaction { overlay, drafts, taken, .. } = transaction;
            assert!(taken.is_empty(), "messages are taken by commands");
            let writes = overlay.into_writes();
            self.state.apply(writes);
            self.record_drafts(drafts, records);
        }
    }

    /// Disposes of a command of the batch, and carries out what it took from the inbox.
    fn take_command(&mut self, command: &SignedCommand, records: &mut Vec<EntryRecord>) -> Disposition {
        let mut taken = VecDeque::new();
        let disposition = self.dispose(command, records, &mut taken);
        self.carry_out(taken, records);
        disposition
    }

    /// Runs a command, unless there is a reason not to, and adds what it takes from the inbox to `taken`.
    pub(super) fn dispose(
        &mut self,
        command: &SignedCommand,
        records: &mut Vec<EntryRecord>,
        taken: &mut VecDeque<Taken>,
    ) -> Disposition {
        let entry = EntryIndex(self.head.log_size);
        match self.verdict(self.head.time, command) {
            Verdict::Duplicate(entry) => return Disposition::Duplicate(entry),
            Verdict::Drop(reason) => return Disposition::Dropped(reason),
            Verdict::RefuseForeign => {
                self.record_command(command, Outcome::Refused { refusal: Refusal::WrongKey }, records);
                replies::remember_foreign(&mut self.state, command, entry);
            }
            Verdict::Refuse(refusal) => {
                self.record_command(command, Outcome::Refused { refusal }, records);
                replies::remember(&mut self.state, command, entry);
            }
            Verdict::Run(agent) => {
                match self.run(&agent, command) {
                    Ok(Applied { results, writes, drafts, taken: messages }) => {
                        self.state.apply(writes);
                        self.record_command(command, Outcome::Applied { results }, records);
                        self.record_drafts(drafts, records);
                        taken.extend(messages);
                    }
                    Err(refusal) => self.record_command(command, Outcome::Refused { refusal }, records),
                }
                replies::remember(&mut self.state, command, entry);
            }
        }
        Disposition::Recorded(entry)
    }

    /// Runs the operations of a command on an overlay, which dies with the first refusal.
    fn run(&self, agent: &Agent, command: &SignedCommand) -> Result<Applied, Refusal> {
        let first_draft = EntryIndex(self.head.log_size + 1);
        let mut transaction = Transaction::new(Overlay::new(&self.state), first_draft);
        let mut results = Vec::with_capacity(command.command().operations.len());
        for (position, operation) in (0u8..).zip(&command.command().operations) {
            let service =
                registry::find(&operation.service).ok_or(Refusal::UnknownService { operation: position })?;
            let mut context = Context::new(&mut transaction, service.prefix(), self.head.time, &self.group);
            let body =
                service.apply(&mut context, agent, &operation.body).map_err(|refusal| match refusal {
                    ServiceRefusal::Malformed => Refusal::MalformedOperation { operation: position },
                    ServiceRefusal::Rule { code, detail } => Refusal::Service {
                        operation: position,
                        service: service.name().into(),
                        code: code.into(),
                        detail,
                    },
                })?;
            results.push(OperationResult { body });
        }
        let Transaction { overlay, drafts, taken, .. } = transaction;
        Ok(Applied { results, writes: overlay.into_writes(), drafts, taken })
    }

    fn record_command(&mut self, command: &SignedCommand, outcome: Outcome, records: &mut Vec<EntryRecord>) {
        self.record(EntryBody::Command(command.clone()), outcome, records);
    }

    fn record_drafts(&mut self, drafts: Vec<Draft>, records: &mut Vec<EntryRecord>) {
        for Draft::Decision(record) in drafts {
            self.note_change(&record);
            self.record(EntryBody::Decision(record), Outcome::Recorded, records);
        }
    }

    pub(super) fn record(&mut self, body: EntryBody, outcome: Outcome, records: &mut Vec<EntryRecord>) {
        let index = EntryIndex(self.head.log_size);
        let (sequence, time) = (self.head.sequence, self.head.time);
        records.push(EntryRecord::new(&self.group.identity, index, sequence, time, body, outcome));
        self.head.log_size += 1;
    }
}
