//! The group: replicas, their disks and machines, the network between them, and virtual time.

use std::collections::BTreeMap;

use quorate_pbft::{Config, Event, Message, Now, Replica, ViewState};
use quorate_protocol::{
    CheckpointCertificate, Digest, ReplicaIndex, Sequence, SignedCommand, TimestampMs, View,
};

use super::checker::Checker;
use super::disk::Disk;
use super::forge::Forge;
use super::machine::Machine;
use super::members::Members;
use super::network::Network;
use super::random::Random;

const EPOCH_MS: u64 = 1_700_000_000_000;

/// What a faulty replica makes of a message on its way to one receiver.
pub(crate) type Tamper = Box<dyn FnMut(ReplicaIndex, Message) -> Vec<Message>>;

/// Which messages get lost on the way: sender, receiver, message.
pub(crate) type Loss = Box<dyn Fn(ReplicaIndex, ReplicaIndex, &Message) -> bool>;

/// How a group is set up.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) n: u8,
    pub(crate) seed: u64,
    pub(crate) config: Config,
    /// Whether the records are replaced by [`Replica::durable_records`] whenever a checkpoint is stable.
    pub(crate) rotate: bool,
}

impl Default for Options {
    fn default() -> Self {
        let config = Config {
            checkpoint_interval: 8,
            window: 16,
            pipeline: 4,
            max_batch_commands: 4,
            view_timeout_ms: 200,
            checkpoint_delay_ms: 100,
            status_interval_ms: 50,
            ..Config::default()
        };
        Self { n: 4, seed: 1, config, rotate: false }
    }
}

pub(super) struct Node {
    pub(super) replica: Option<Replica>,
    pub(super) disk: Disk,
    pub(super) machine: Machine,
    pub(super) tamper: Option<Tamper>,
    pub(super) skew_ms: i64,
    pub(super) effects: u64,
    pub(super) crash_before: Option<u64>,
    pub(super) restart_at: Option<u64>,
    pub(super) diverged: Vec<Sequence>,
    pub(super) withheld: Vec<Sequence>,
    pub(super) handovers: Vec<CheckpointCertificate>,
    pub(super) wanted_state: Option<Sequence>,
    pub(super) ticked_ms: Option<u64>,
}

pub(super) struct Client {
    pub(super) command: SignedCommand,
    pub(super) ask_at: u64,
    pub(super) next: usize,
}

/// A group under test.
pub(crate) struct Group {
    pub(crate) members: Members,
    pub(crate) forge: Forge,
    pub(crate) options: Options,
    pub(crate) random: Random,
    pub(crate) checker: Checker,
    pub(crate) network: Network,
    pub(crate) now_ms: u64,
    /// How many messages of each kind left.
    pub(crate) sent: BTreeMap<&'static str, u64>,
    /// How often a replica wanted to be ticked again at once.
    pub(crate) busy_ticks: u64,
    /// Whether replicas have the batches that others ask for.
    pub(crate) supplies: bool,
    pub(super) loss: Option<Loss>,
    pub(super) nodes: Vec<Node>,
    pub(super) clients: Vec<Client>,
    pub(super) verdicts: BTreeMap<Digest, bool>,
}

impl Group {
    pub(crate) fn new(options: Options) -> Self {
        #[cfg(feature = "faults")]
        switch_on_a_fault();
        let members = Members::new(options.n);
        let mut group = Self {
            forge: Forge::new(&members),
            checker: Checker::new(&members),
            random: Random::new(options.seed),
            network: Network::default(),
            now_ms: 0,
            sent: BTreeMap::new(),
            busy_ticks: 0,
            supplies: true,
            loss: None,
            nodes: Vec::new(),
            clients: Vec::new(),
            verdicts: BTreeMap::new(),
            members,
            options,
        };
        for _ in 0..group.options.n {
            group.nodes.push(Node {
                replica: None,
                disk: Disk::default(),
                machine: Machine::default(),
                tamper: None,
                skew_ms: 0,
                effects: 0,
                crash_before: None,
                restart_at: None,
                diverged: Vec::new(),
                withheld: Vec::new(),
                handovers: Vec::new(),
                wanted_state: None,
                ticked_ms: None,
            });
        }
        for index in group.all() {
            group.restart(index);
        }
        group
    }

    /// Four replicas with the default options.
    pub(crate) fn of_four() -> Self {
        Self::new(Options::default())
    }

    pub(crate) fn all(&self) -> Vec<ReplicaIndex> {
        (0..u16::from(self.options.n)).map(ReplicaIndex).collect()
    }

    /// The replicas that nothing is wrong with.
    pub(crate) fn correct(&self) -> Vec<ReplicaIndex> {
        self.all().into_iter().filter(|&index| !self.checker.is_faulty(index)).collect()
    }

    pub(super) fn node(&self, index: ReplicaIndex) -> &Node {
        &self.nodes[usize::from(index.0)]
    }

    pub(super) fn node_mut(&mut self, index: ReplicaIndex) -> &mut Node {
        &mut self.nodes[usize::from(index.0)]
    }

    pub(crate) fn replica(&self, index: ReplicaIndex) -> &Replica {
        self.node(index).replica.as_ref().expect("the replica runs")
    }

    pub(crate) fn machine(&self, index: ReplicaIndex) -> &Machine {
        &self.node(index).machine
    }

    pub(crate) fn is_up(&self, index: ReplicaIndex) -> bool {
        self.node(index).replica.is_some()
    }

    pub(crate) fn diverged(&self, index: ReplicaIndex) -> &[Sequence] {
        &self.node(index).diverged
    }

    /// Where the replica began to sign no checkpoints.
    pub(crate) fn withheld(&self, index: ReplicaIndex) -> &[Sequence] {
        &self.node(index).withheld
    }

    /// The checkpoints that ended the replica's epoch: one or none.
    pub(crate) fn handovers(&self, index: ReplicaIndex) -> &[CheckpointCertificate] {
        &self.node(index).handovers
    }

    /// The checkpoint whose state the replica last wanted to fetch.
    pub(crate) fn wanted_state(&self, index: ReplicaIndex) -> Option<Sequence> {
        self.node(index).wanted_state
    }

    pub(crate) fn effects_done(&self, index: ReplicaIndex) -> u64 {
        self.node(index).effects
    }

    pub(crate) fn view(&self, index: ReplicaIndex) -> (View, ViewState) {
        (self.replica(index).view(), self.replica(index).view_state())
    }

    pub(crate) fn wall(&self, index: ReplicaIndex) -> TimestampMs {
        TimestampMs((EPOCH_MS + self.now_ms).saturating_add_signed(self.node(index).skew_ms))
    }

    pub(super) fn now(&self, index: ReplicaIndex) -> Now {
        Now { elapsed_ms: self.now_ms, wall: self.wall(index) }
    }

    /// Runs for so long.
    pub(crate) fn run_for(&mut self, ms: u64) {
        self.run_until(ms, |_| false);
    }

    /// Runs until `done` holds, at most for `within_ms`; returns whether it holds.
    pub(crate) fn run_until(&mut self, within_ms: u64, done: impl Fn(&Self) -> bool) -> bool {
        let end = self.now_ms + within_ms;
        while !done(self) {
            if !self.advance(end) {
                return done(self);
            }
        }
        true
    }

    /// Runs until all correct replicas have executed `commands`.
    ///
    /// # Panics
    /// When they have not within `within_ms`.
    pub(crate) fn must_execute(&mut self, within_ms: u64, commands: &[SignedCommand]) {
        let done = self.run_until(within_ms, |group| group.executed_everywhere(commands));
        assert!(done, "not executed everywhere after {within_ms} ms\n{}", self.picture());
    }

    /// Where every replica stands, for a failing test.
    pub(crate) fn picture(&self) -> String {
        let mut picture = format!("at {} ms\n", self.now_ms);
        for index in self.all() {
            let machine = self.machine(index);
            picture += &match self.node(index).replica.as_ref() {
                None => format!("  {index}: down\n"),
                Some(replica) => format!(
                    "  {index}: view {} {:?}, stable {}, executed {}, {} commands done, {} wait\n",
                    replica.view(),
                    replica.view_state(),
                    replica.stable_checkpoint().map_or(Sequence(0), |stable| stable.checkpoint.sequence),
                    replica.last_executed(),
                    machine.commands.len(),
                    replica.pending_commands(),
                ),
            };
        }
        picture
    }

    /// Does what comes next, if it comes before `end`.
    pub(super) fn advance(&mut self, end: u64) -> bool {
        let deadlines = self.all().into_iter().filter_map(|index| self.next_tick(index));
        let restarts =
            self.nodes.iter().filter(|node| node.replica.is_none()).filter_map(|node| node.restart_at);
        let clients = self.clients.iter().map(|client| client.ask_at);
        let next = deadlines.chain(restarts).chain(clients).chain(self.network.next_at()).min();
        let Some(next) = next.filter(|&next| next <= end) else {
            self.now_ms = end;
            return false;
        };
        self.now_ms = self.now_ms.max(next);
        if let Some(delivery) = self.network.take_due(self.now_ms) {
            self.deliver(delivery);
            return true;
        }
        for index in self.all() {
            if self.next_tick(index).is_some_and(|at| at <= self.now_ms) {
                let now_ms = self.now_ms;
                self.node_mut(index).ticked_ms = Some(now_ms);
                self.step(index, Event::Tick);
                let now = self.now(index);
                let again = self.node(index).replica.as_ref().map(|replica| replica.next_deadline_ms(now));
                self.busy_ticks += u64::from(again.is_some_and(|at| at <= now_ms));
            }
            let node = self.node(index);
            if node.replica.is_none() && node.restart_at.is_some_and(|at| at <= self.now_ms) {
                self.restart(index);
            }
        }
        self.run_clients();
        true
    }

    /// When the replica wants to be ticked, but never twice in one millisecond.
    pub(super) fn next_tick(&self, index: ReplicaIndex) -> Option<u64> {
        let node = self.node(index);
        let wanted = node.replica.as_ref()?.next_deadline_ms(self.now(index));
        Some(wanted.max(node.ticked_ms.map_or(0, |ticked| ticked + 1)))
    }
}

/// Breaks the rule that `QUORATE_FAULT` names, to see which tests notice: some should.
#[cfg(feature = "faults")]
fn switch_on_a_fault() {
    let fault = std::env::var("QUORATE_FAULT").ok();
    let fault = fault.map(|name| name.parse().expect("QUORATE_FAULT names a fault"));
    quorate_protocol::faults::switch_on(fault);
}
