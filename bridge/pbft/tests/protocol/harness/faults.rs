//! Everything that goes wrong on purpose: links, crashes, clocks and liars.

use quorate_pbft::{Message, Replica};
use quorate_protocol::{ReplicaIndex, TimestampMs};

use super::group::{Group, Tamper};
use super::network::Weather;
use super::random::Random;

/// How badly all links behave, for a while.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    pub(crate) loss_percent: u64,
    pub(crate) repeat_percent: u64,
    pub(crate) max_delay_ms: u64,
}

impl Group {
    pub(crate) fn set_faults(&mut self, faults: Faults) {
        let calm = Weather::default();
        self.network.weather = Weather {
            loss_percent: faults.loss_percent,
            repeat_percent: faults.repeat_percent,
            max_delay_ms: faults.max_delay_ms.max(calm.max_delay_ms),
            ..calm
        };
    }

    /// Loses these messages until everything heals.
    pub(crate) fn lose(&mut self, loss: impl Fn(ReplicaIndex, ReplicaIndex, &Message) -> bool + 'static) {
        self.loss = Some(Box::new(loss));
    }

    /// Cuts the link between two replicas in both directions.
    pub(crate) fn cut(&mut self, a: ReplicaIndex, b: ReplicaIndex) {
        self.network.cut(a, b);
        self.network.cut(b, a);
    }

    /// Cuts a replica off from all others.
    pub(crate) fn isolate(&mut self, index: ReplicaIndex) {
        for other in self.all() {
            if other != index {
                self.cut(index, other);
            }
        }
    }

    /// All links work again, nothing is lost any more and nobody crashes.
    pub(crate) fn heal(&mut self) {
        self.network.heal();
        self.loss = None;
        self.set_faults(Faults::default());
        self.nodes.iter_mut().for_each(|node| node.crash_before = None);
    }

    /// From its next start on, the replica's log is not the one that its key signed.
    pub(crate) fn estrange(&mut self, index: ReplicaIndex) {
        self.node_mut(index).disk.strange = true;
    }

    /// Turns the replica into a liar that passes its messages through `tamper`.
    pub(crate) fn corrupt(&mut self, index: ReplicaIndex, tamper: Tamper) {
        self.checker.is_faulty_now(index);
        self.node_mut(index).tamper = Some(tamper);
    }

    /// Turns the replica into one that never says anything again.
    pub(crate) fn silence(&mut self, index: ReplicaIndex) {
        self.corrupt(index, Box::new(|_, _| Vec::new()));
    }

    /// Lets the replica's machine compute wrong roots from here on.
    pub(crate) fn corrupt_machine(&mut self, index: ReplicaIndex) {
        self.checker.is_faulty_now(index);
        self.node_mut(index).machine.corrupt = true;
    }

    pub(crate) fn skew(&mut self, index: ReplicaIndex, skew_ms: i64) {
        self.node_mut(index).skew_ms = skew_ms;
    }

    /// Something falls due at `at` on every machine. Only before the first batch.
    pub(crate) fn falls_due(&mut self, at: TimestampMs) {
        for index in self.all() {
            self.node_mut(index).disk.due.push(at);
            self.restart(index);
        }
    }

    /// A change of members is approved with the command of this number. Only before the first batch.
    pub(crate) fn change_members_after(&mut self, commands: usize) {
        for index in self.all() {
            self.node_mut(index).disk.change_after = Some(commands);
            self.restart(index);
        }
    }

    /// The replica loses its records, knows it, and starts again from its batches.
    pub(crate) fn lose_records(&mut self, index: ReplicaIndex) {
        self.crash(index);
        self.node_mut(index).disk.rotate(&[]);
        self.node_mut(index).disk.silent = true;
        self.restart(index);
    }

    /// Stops the replica; what was not durable is lost.
    pub(crate) fn crash(&mut self, index: ReplicaIndex) {
        let mut random = Random::new(self.random.next());
        let node = self.node_mut(index);
        node.replica = None;
        node.crash_before = None;
        node.disk.crash(&mut random);
    }

    /// Crashes the replica before it carries out its `effect`th effect, and restarts it after `down_ms`.
    pub(crate) fn crash_before_effect(&mut self, index: ReplicaIndex, effect: u64, down_ms: u64) {
        let now_ms = self.now_ms;
        let node = self.node_mut(index);
        node.crash_before = Some(effect);
        node.restart_at = Some(now_ms.saturating_add(down_ms));
    }

    /// Starts the replica from its disk.
    pub(crate) fn restart(&mut self, index: ReplicaIndex) {
        let (config, context) = (self.options.config.clone(), self.members.context.clone());
        let keys = self.members.keys[usize::from(index.0)].clone();
        let now = self.now(index);
        let node = self.node_mut(index);
        let (machine, recovered) = node.disk.recover(&config);
        node.machine = machine;
        node.replica = Some(Replica::new(config, context, keys, recovered, now));
        (node.restart_at, node.crash_before) = (None, None);
        node.ticked_ms = None;
    }
}
