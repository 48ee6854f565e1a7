//! The group: replicas, their disks and machines, the network between them, and virtual time.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use quorate_pbft::message::{CatchUp, MAX_CATCH_UP};
use quorate_pbft::{Config, Effect, Event, Message, Now, Replica, ViewState, verify};
use quorate_protocol::keys::verify_all;
use quorate_protocol::{Digest, ReplicaIndex, Sequence, SignedCommand, TimestampMs, Verified, View};

use super::checker::Checker;
use super::disk::Disk;
use super::forge::Forge;
use super::machine::Machine;
use super::members::Members;
use super::network::{Delivery, Network, Weather};
use super::random::Random;

const EPOCH_MS: u64 = 1_700_000_000_000;
/// How long a client waits for an execution before it turns to the next replica.
const CLIENT_RETRY_MS: u64 = 1_000;

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

/// How the network misbehaves, for a while.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    pub(crate) loss_percent: u64,
    pub(crate) repeat_percent: u64,
    pub(crate) max_delay_ms: u64,
}

struct Node {
    replica: Option<Replica>,
    disk: Disk,
    machine: Machine,
    tamper: Option<Tamper>,
    skew_ms: i64,
    effects: u64,
    crash_before: Option<u64>,
    restart_at: Option<u64>,
    diverged: Vec<Sequence>,
    ticked_ms: Option<u64>,
}

struct Client {
    command: SignedCommand,
    ask_at: u64,
    next: usize,
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
    loss: Option<Loss>,
    nodes: Vec<Node>,
    clients: Vec<Client>,
    verdicts: BTreeMap<Digest, bool>,
}

impl Group {
    pub(crate) fn new(options: Options) -> Self {
        let members = Members::new(options.n);
        let mut group = Self {
            forge: Forge::new(&members),
            checker: Checker::new(&members),
            random: Random::new(options.seed),
            network: Network::default(),
            now_ms: 0,
            sent: BTreeMap::new(),
            busy_ticks: 0,
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

    fn node(&self, index: ReplicaIndex) -> &Node {
        &self.nodes[usize::from(index.0)]
    }

    fn node_mut(&mut self, index: ReplicaIndex) -> &mut Node {
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

    pub(crate) fn effects_done(&self, index: ReplicaIndex) -> u64 {
        self.node(index).effects
    }

    pub(crate) fn view(&self, index: ReplicaIndex) -> (View, ViewState) {
        (self.replica(index).view(), self.replica(index).view_state())
    }

    pub(crate) fn wall(&self, index: ReplicaIndex) -> TimestampMs {
        TimestampMs((EPOCH_MS + self.now_ms).saturating_add_signed(self.node(index).skew_ms))
    }

    fn now(&self, index: ReplicaIndex) -> Now {
        Now { elapsed_ms: self.now_ms, wall: self.wall(index) }
    }

    // ---- faults ----

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
        let (machine, recovered) = node.disk.recover();
        node.machine = machine;
        node.replica = Some(Replica::new(config, context, keys, recovered, now));
        (node.restart_at, node.crash_before) = (None, None);
        node.ticked_ms = None;
    }

    // ---- clients ----

    /// A client hands a command to one replica, once.
    pub(crate) fn submit(&mut self, to: ReplicaIndex, command: &SignedCommand) {
        self.checker.issued(command.digest());
        if self.is_up(to) {
            // The command was made and signed here.
            self.step(to, Event::Commands(vec![Verified::vouch(command.clone())]));
        }
    }

    /// A client hands a command to one replica after another until f + 1 have executed it.
    pub(crate) fn submit_until_executed(&mut self, first: ReplicaIndex, command: &SignedCommand) {
        self.submit(first, command);
        let ask_at = self.now_ms + CLIENT_RETRY_MS;
        self.clients.push(Client { command: command.clone(), ask_at, next: usize::from(first.0) + 1 });
    }

    pub(crate) fn executed_everywhere(&self, commands: &[SignedCommand]) -> bool {
        self.correct()
            .into_iter()
            .all(|index| self.is_up(index) && commands.iter().all(|command| self.machine(index).has(command)))
    }

    fn run_clients(&mut self) {
        let weak = self.members.context.replicas.weak_quorum();
        let nodes = &self.nodes;
        self.clients
            .retain(|client| nodes.iter().filter(|node| node.machine.has(&client.command)).count() < weak);
        for at in 0..self.clients.len() {
            if self.clients[at].ask_at <= self.now_ms {
                let to = ReplicaIndex((self.clients[at].next % self.nodes.len()) as u16);
                let command = self.clients[at].command.clone();
                self.clients[at].ask_at = self.now_ms + CLIENT_RETRY_MS;
                self.clients[at].next += 1;
                self.submit(to, &command);
            }
        }
    }

    // ---- time ----

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
    fn advance(&mut self, end: u64) -> bool {
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
    fn next_tick(&self, index: ReplicaIndex) -> Option<u64> {
        let node = self.node(index);
        let wanted = node.replica.as_ref()?.next_deadline_ms(self.now(index));
        Some(wanted.max(node.ticked_ms.map_or(0, |ticked| ticked + 1)))
    }

    // ---- messages and effects ----

    /// Puts a message on the wire as `from` would.
    pub(crate) fn inject(&mut self, from: ReplicaIndex, to: ReplicaIndex, message: &Message) {
        let delivery = Delivery { from, to, bytes: Rc::new(message.encode()) };
        self.deliver(delivery);
    }

    /// Whether the message passes every check when it comes from `from`.
    pub(crate) fn passes(&mut self, from: ReplicaIndex, bytes: &[u8]) -> Option<Message> {
        let message = Message::decode(bytes).ok()?;
        let name = Digest::of(&[&from.0.to_be_bytes(), bytes]);
        let context = &self.members.context;
        let verdict = *self.verdicts.entry(name).or_insert_with(|| {
            verify::checks(context, from, &message).is_ok_and(|checks| verify_all(&checks.all()))
        });
        if self.verdicts.len() > 20_000 {
            self.verdicts.clear();
        }
        verdict.then_some(message)
    }

    fn deliver(&mut self, delivery: Delivery) {
        if !self.is_up(delivery.to) {
            return;
        }
        match self.passes(delivery.from, &delivery.bytes) {
            // All checks of the message were made.
            Some(message) => {
                let message = Verified::vouch(message);
                self.step(delivery.to, Event::Message { from: delivery.from, message });
            }
            None => assert!(
                self.checker.is_faulty(delivery.from),
                "a message of the correct replica {} is refused: {:?}",
                delivery.from,
                Message::decode(&delivery.bytes)
            ),
        }
    }

    /// Steps a replica and carries out what it wants.
    pub(crate) fn step(&mut self, index: ReplicaIndex, event: Event) {
        let now = self.now(index);
        let Some(replica) = self.node_mut(index).replica.as_mut() else { return };
        let mut effects: VecDeque<Effect> = replica.step(now, event).into();
        while let Some(effect) = effects.pop_front() {
            let node = self.node_mut(index);
            if node.crash_before == Some(node.effects) {
                self.crash(index);
                return;
            }
            node.effects += 1;
            effects.extend(self.carry_out(index, effect));
        }
    }

    fn carry_out(&mut self, index: ReplicaIndex, effect: Effect) -> Vec<Effect> {
        match effect {
            Effect::Persist(record) => self.node_mut(index).disk.append(&record),
            Effect::Send { to, message } => self.send(index, &[to], &message),
            Effect::Broadcast(message) => {
                let others: Vec<_> = self.all().into_iter().filter(|&to| to != index).collect();
                self.send(index, &others, &message);
            }
            Effect::Execute { committed, checkpoint } => {
                let node = self.node_mut(index);
                let executed = node.machine.execute(&committed, checkpoint);
                node.disk.batches.insert(committed.sequence, committed.clone());
                let root = node.machine.root;
                self.checker.executed(index, &committed, root);
                let now = self.now(index);
                let replica = self.node_mut(index).replica.as_mut().expect("it runs");
                return replica.step(now, Event::Executed(executed));
            }
            Effect::Stable(certificate) => {
                let rotate = self.options.rotate;
                let node = self.node_mut(index);
                node.disk.stable = Some(certificate);
                if rotate {
                    let records = node.replica.as_ref().expect("it runs").durable_records();
                    node.disk.rotate(&records);
                    self.records_say_it_all(index);
                }
            }
            Effect::SupplyBatches { to, from } => {
                let stored = self.node(index).disk.batches.range(from..);
                let batches: Vec<_> = stored.take(MAX_CATCH_UP).map(|(_, batch)| batch.clone()).collect();
                if !batches.is_empty() {
                    self.send(index, &[to], &Message::CatchUp(CatchUp { batches }));
                }
            }
            Effect::ViewChanged { .. } => {}
            Effect::Evidence(evidence) if self.checker.is_faulty(index) => drop(evidence),
            Effect::Evidence(evidence) => self.checker.evidence(index, evidence),
            Effect::Diverged { sequence } => self.node_mut(index).diverged.push(sequence),
        }
        Vec::new()
    }

    /// Whoever starts from the records that stand for all others would write the same ones.
    fn records_say_it_all(&self, index: ReplicaIndex) {
        let (_, recovered) = self.node(index).disk.recover();
        let records = recovered.records.clone();
        let keys = self.members.keys[usize::from(index.0)].clone();
        let (config, context) = (self.options.config.clone(), self.members.context.clone());
        let again = Replica::new(config, context, keys, recovered, self.now(index));
        assert_eq!(again.durable_records(), records, "replica {index}");
    }

    fn send(&mut self, from: ReplicaIndex, to: &[ReplicaIndex], message: &Message) {
        self.node_mut(from).disk.sync();
        self.checker.said(from, message);
        *self.sent.entry(message.kind()).or_default() += 1;
        let bytes = Rc::new(message.encode());
        for &to in to {
            if self.loss.as_ref().is_some_and(|lost| lost(from, to, message)) {
                continue;
            }
            let messages = match self.node_mut(from).tamper.as_mut() {
                None => vec![Rc::clone(&bytes)],
                Some(tamper) => {
                    tamper(to, message.clone()).iter().map(|message| Rc::new(message.encode())).collect()
                }
            };
            for bytes in messages {
                self.network.send(self.now_ms, &mut self.random, Delivery { from, to, bytes });
            }
        }
    }
}
