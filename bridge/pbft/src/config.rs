//! What a replica is told when it starts.

use quorate_protocol::{Epoch, Group, GroupIdentity, ReplicaSet, Sequence};

use crate::batch::Batch;

/// What is needed to sign and to verify: where the group lives and who its replicas are.
#[derive(Clone, Debug)]
pub struct Context {
    /// Where the group lives.
    pub identity: GroupIdentity,
    /// The period that `replicas` holds for; every signature covers it.
    pub epoch: Epoch,
    /// The replicas of the epoch.
    pub replicas: ReplicaSet,
    /// The last sequence of the epoch before, 0 in the first: the state that a quorum of the old epoch handed
    /// over, or that of the last anchor where the epoch begins an era. Where a checkpoint is named by nothing,
    /// this is meant.
    pub base: Sequence,
}

impl Context {
    /// The context of `group`'s epoch, which begins after `base`.
    pub fn of(group: &Group, base: Sequence) -> Self {
        Self { identity: group.identity, epoch: group.epoch, replicas: group.replicas(), base }
    }
}

/// The protocol's sizes and times. Replicas of one group use the same [`Config::checkpoint_interval`]; the
/// others may differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// A checkpoint is taken after every this many sequences: K.
    pub checkpoint_interval: u64,
    /// Sequences that may be under way above the stable checkpoint: L, at least 2 K.
    pub window: u64,
    /// Batches that the primary has under way at once.
    pub pipeline: u64,
    /// The most commands of a batch.
    pub max_batch_commands: usize,
    /// The most bytes of a batch's commands.
    pub max_batch_bytes: usize,
    /// How long a replica waits for progress before it asks for the next view, in milliseconds. Doubles with
    /// each failed view.
    pub view_timeout_ms: u64,
    /// How far a batch's time may lie from a backup's own clock, in milliseconds.
    pub max_clock_drift_ms: u64,
    /// How long entries wait for a checkpoint while traffic is thin, in milliseconds.
    pub checkpoint_delay_ms: u64,
    /// How often a replica tells the others where it stands, in milliseconds.
    pub status_interval_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            checkpoint_interval: 128,
            window: 256,
            pipeline: 8,
            max_batch_commands: 512,
            max_batch_bytes: 1024 * 1024,
            view_timeout_ms: 2_000,
            max_clock_drift_ms: 5_000,
            checkpoint_delay_ms: 2_000,
            status_interval_ms: 500,
        }
    }
}

impl Config {
    /// The hard bound on the commands of a batch, whatever the configuration.
    pub const MAX_BATCH_COMMANDS: usize = 4_096;
    /// The hard bound on the bytes of a batch's commands, whatever the configuration.
    pub const MAX_BATCH_BYTES: usize = 4 * 1024 * 1024;
    /// The hard bound on the window, whatever the configuration.
    pub const MAX_WINDOW: u64 = 1_024;

    /// Whether a checkpoint is taken after `batch` at `sequence`.
    pub fn takes_checkpoint(&self, sequence: Sequence, batch: &Batch) -> bool {
        batch.checkpoint || sequence.0.is_multiple_of(self.checkpoint_interval)
    }

    /// What is wrong with the configuration, one sentence a problem.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut require = |holds: bool, problem: String| {
            if !holds {
                problems.push(problem);
            }
        };
        require(self.checkpoint_interval > 0, "checkpoint_interval must be at least 1".into());
        require(
            self.window >= 2 * self.checkpoint_interval && self.window <= Self::MAX_WINDOW,
            format!("window must lie between twice checkpoint_interval and {}", Self::MAX_WINDOW),
        );
        require(
            self.pipeline > 0 && self.pipeline <= self.window,
            "pipeline must lie between 1 and window".into(),
        );
        require(
            (1..=Self::MAX_BATCH_COMMANDS).contains(&self.max_batch_commands),
            format!("max_batch_commands must lie between 1 and {}", Self::MAX_BATCH_COMMANDS),
        );
        let min_bytes = quorate_protocol::command::MAX_COMMAND_BYTES;
        require(
            (min_bytes..=Self::MAX_BATCH_BYTES).contains(&self.max_batch_bytes),
            format!("max_batch_bytes must lie between {min_bytes} and {}", Self::MAX_BATCH_BYTES),
        );
        require(self.view_timeout_ms >= 10, "view_timeout_ms must be at least 10".into());
        require(self.status_interval_ms >= 10, "status_interval_ms must be at least 10".into());
        require(self.max_clock_drift_ms > 0, "max_clock_drift_ms must be at least 1".into());
        require(self.checkpoint_delay_ms >= 10, "checkpoint_delay_ms must be at least 10".into());
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_sound_and_each_bad_value_is_named() {
        assert_eq!(Config::default().problems(), Vec::<String>::new());
        let bad = Config { window: 3, pipeline: 0, max_batch_commands: 0, ..Config::default() };
        assert_eq!(bad.problems().len(), 3, "{:?}", bad.problems());
    }
}
