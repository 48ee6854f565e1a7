//! Executing committed batches in order.

use quorate_protocol::Sequence;

use super::Replica;
use crate::batch::{Batch, CommittedBatch};
use crate::event::{Effect, Executed, Now};

impl Replica {
    /// Executes what is committed, as far as there is no gap.
    pub(super) fn execute_committed(&mut self, now: Now) {
        while let Some(committed) = self.next_committed() {
            self.execute(now, committed);
        }
    }

    /// The next batch in order, if it is committed and here. A quorum of commits for one view and digest
    /// commits the batch whatever view this replica is in.
    fn next_committed(&self) -> Option<CommittedBatch> {
        let sequence = self.last_executed.next();
        let slot = self.slots.get(&sequence)?;
        let (view, digest, commits) = slot.commit_quorum(self.quorum())?;
        let batch = slot.batch(digest)?.clone();
        Some(CommittedBatch { view, sequence, batch, commits })
    }

    /// Executes `committed`, which follows the last batch executed and whose commits are checked.
    pub(super) fn execute(&mut self, now: Now, committed: CommittedBatch) {
        debug_assert_eq!(committed.sequence, self.last_executed.next(), "batches execute in order");
        self.last_executed = committed.sequence;
        self.next_sequence = self.next_sequence.max(committed.sequence.next());
        self.pool.executed(&committed.batch.commands, now.elapsed_ms);
        // Progress: the view works, so the time-out comes back down.
        self.failed_views = self.failed_views.saturating_sub(1);
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
        batch.checkpoint || sequence.0.is_multiple_of(self.config.checkpoint_interval)
    }

    pub(super) fn on_executed(&mut self, now: Now, executed: Executed) {
        self.next_due = executed.next_due;
        self.overdue_since_ms = None;
        if let Some(state) = executed.state {
            self.take_checkpoint(now, executed.sequence, state);
        } else if executed.entries > 0 {
            self.unsettled_since_ms.get_or_insert(now.elapsed_ms);
        }
    }
}
