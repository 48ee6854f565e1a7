//! Executing committed batches in order.

use quorate_protocol::Sequence;
use quorate_protocol::faults::{self, Fault};

use super::Replica;
use crate::batch::{Batch, CommittedBatch};
use crate::event::{Effect, Executed, Now};

impl Replica {
    /// Executes what is committed, as far as there is no gap: one batch, whose outcome brings the next. A
    /// batch can end the epoch, and then none may follow.
    pub(super) fn execute_committed(&mut self, now: Now) {
        let over = self.ended && !faults::is_on(Fault::EpochEndPassed);
        if self.executing || over {
            return;
        }
        if let Some(committed) = self.next_committed() {
            self.execute(now, committed);
        }
    }

    /// The next batch in order, if it is committed and here. A quorum of commits for one view and digest
    /// commits the batch whatever view this replica is in.
    fn next_committed(&mut self) -> Option<CommittedBatch> {
        let sequence = self.last_executed.next();
        if let Some(supplied) = self.supplied.remove(&sequence) {
            return Some(supplied);
        }
        let slot = self.slots.get(&sequence)?;
        let (view, digest, commits) = slot.commit_quorum(self.quorum())?;
        let batch = slot.batch(digest)?.clone();
        Some(CommittedBatch { view, sequence, batch, commits })
    }

    /// Executes `committed`, which follows the last batch executed and whose commits are checked.
    fn execute(&mut self, now: Now, committed: CommittedBatch) {
        debug_assert_eq!(committed.sequence, self.last_executed.next(), "batches execute in order");
        self.executing = true;
        if committed.view == self.view {
            self.note_progress(now);
        }
        self.last_executed = committed.sequence;
        self.next_sequence = self.next_sequence.max(committed.sequence.next());
        self.pool.executed(&committed.batch.commands, now.elapsed_ms);
        let checkpoint = self.takes_checkpoint(committed.sequence, &committed.batch);
        if checkpoint {
            self.unsettled_since_ms = None;
        } else if !committed.batch.commands.is_empty() {
            self.unsettled_since_ms.get_or_insert(now.elapsed_ms);
        }
        self.effects.push(Effect::Execute { committed, checkpoint });
    }

    /// Whether a checkpoint is taken after `batch` at `sequence`.
    pub(super) fn takes_checkpoint(&self, sequence: Sequence, batch: &Batch) -> bool {
        self.config.takes_checkpoint(sequence, batch)
    }

    pub(super) fn on_executed(&mut self, now: Now, executed: Executed) {
        self.executing = false;
        self.next_due = executed.next_due;
        self.overdue_since_ms = None;
        let pending = executed.change_pending.then_some(now.elapsed_ms);
        self.change_pending_since_ms = pending.map(|now_ms| self.change_pending_since_ms.unwrap_or(now_ms));
        match executed.state {
            Some(state) => {
                self.ended = state.ends_epoch();
                self.keep_checkpoint(executed.sequence, state);
            }
            None if executed.entries > 0 => {
                self.unsettled_since_ms.get_or_insert(now.elapsed_ms);
            }
            None => {}
        }
        self.hand_over();
        self.execute_committed(now);
        self.ask_for_more(now);
    }

    /// Once the epoch's last batch is executed and its checkpoint stable, the next epoch begins.
    pub(super) fn hand_over(&mut self) {
        // Not before it signed that checkpoint itself.
        let ended = |replica: &Self| {
            let stable =
                replica.low() == replica.last_executed && !replica.unsigned.contains_key(&replica.low());
            replica.ended && !replica.handed_over && stable
        };
        if let Some(stable) = self.stable.clone().filter(|_| ended(self)) {
            self.handed_over = true;
            self.effects.push(Effect::EpochEnded(stable));
        }
    }
}
