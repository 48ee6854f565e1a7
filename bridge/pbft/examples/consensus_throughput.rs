//! How many commands a second the core orders: four replicas in one thread, every signature checked, no
//! network and no disk. Prints where the time goes.
//!
//! ```text
//! cargo run --release -p quorate-pbft --example consensus_throughput [commands]
//! ```

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use quorate_pbft::event::StateSummary;
use quorate_pbft::{
    Config, Context, Effect, Event, Executed, Message, Now, Recovered, Replica, ReplicaKeys, verify,
};
use quorate_protocol::group::{FLAG_REPLICA, FLAG_VOTER};
use quorate_protocol::keys::verify_all;
use quorate_protocol::{
    AccountKey, AgentId, AgentKey, Class, Command, Digest, Epoch, Group, GroupId, GroupIdentity, Member,
    Nonce, Operation, ReplicaIndex, Sequence, SignedCommand, Terms, TimestampMs, Verified,
};

const REPLICAS: u8 = 4;
const AGENTS: u64 = 256;
/// Commands that clients have under way at once.
const UNDER_WAY: usize = 4_096;

/// Where the time goes.
#[derive(Default)]
struct Times {
    codec: Duration,
    votes: Duration,
    commands: Duration,
    core: Duration,
}

struct Bench {
    context: Context,
    replicas: Vec<Replica>,
    wire: VecDeque<(ReplicaIndex, ReplicaIndex, Vec<u8>)>,
    times: Times,
    started: Instant,
    executed: usize,
    batches: usize,
}

fn timed<T>(total: &mut Duration, work: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let result = work();
    *total += started.elapsed();
    result
}

fn context_and_keys() -> (Context, Vec<ReplicaKeys>) {
    let key = |i| ReplicaKeys {
        agent: AgentKey::from_secret(&[i; 32]),
        account: AccountKey::from_secret(&[i; 32]).expect("a small secret is a key"),
    };
    let mut keys: Vec<ReplicaKeys> = (1..=REPLICAS).map(key).collect();
    keys.sort_by_key(|keys| keys.account.address());
    let member = |keys: &ReplicaKeys| Member {
        agent: AgentId(keys.account.address()),
        key: keys.agent.public(),
        weight: 1,
        flags: FLAG_VOTER | FLAG_REPLICA,
    };
    let identity = GroupIdentity {
        chain_id: 31_337,
        contract: AgentId::from([0xcc; 20]),
        group: GroupId::from([0x11; 32]),
    };
    let terms = Terms::of_class(Class::of_weight(REPLICAS.into(), REPLICAS.into(), 60));
    let group = Group {
        identity,
        account: AgentId::from([0xac; 20]),
        epoch: Epoch(0),
        members: keys.iter().map(member).collect(),
        terms,
        voters_since: Epoch(0),
    };
    (Context::of(&group, Sequence(0)), keys)
}

fn commands(context: &Context, count: usize) -> Vec<SignedCommand> {
    let key = |agent: u64| {
        let mut secret = [7; 32];
        secret[..8].copy_from_slice(&agent.to_be_bytes());
        AgentKey::from_secret(&secret)
    };
    let keys: Vec<AgentKey> = (0..AGENTS).map(key).collect();
    (0..count as u64)
        .map(|number| {
            let key = &keys[(number % AGENTS) as usize];
            let command = Command {
                group: context.identity.group,
                agent: AgentId::from([(number % AGENTS) as u8; 20]),
                key: key.public(),
                nonce: Nonce(number / AGENTS),
                expires: TimestampMs(u64::MAX),
                operations: vec![Operation { service: "bench".into(), body: vec![0; 64] }],
            };
            SignedCommand::sign(command, key)
        })
        .collect()
}

impl Bench {
    fn now(&self) -> Now {
        let elapsed_ms = self.started.elapsed().as_millis() as u64;
        Now { elapsed_ms, wall: TimestampMs(1_700_000_000_000 + elapsed_ms) }
    }

    fn step(&mut self, index: usize, event: Event) {
        let now = self.now();
        let mut effects: VecDeque<Effect> =
            timed(&mut self.times.core, || self.replicas[index].step(now, event)).into();
        let from = self.replicas[index].index();
        while let Some(effect) = effects.pop_front() {
            match effect {
                Effect::Send { to, message } => {
                    let bytes = timed(&mut self.times.codec, || message.encode());
                    self.wire.push_back((from, to, bytes));
                }
                Effect::Broadcast(message) => {
                    let bytes = timed(&mut self.times.codec, || message.encode());
                    for to in (0..u16::from(REPLICAS)).map(ReplicaIndex).filter(|&to| to != from) {
                        self.wire.push_back((from, to, bytes.clone()));
                    }
                }
                Effect::Execute { committed, checkpoint } => {
                    let entries = committed.batch.commands.len();
                    if index == 0 {
                        self.executed += entries;
                        self.batches += 1;
                    }
                    let sequence = committed.sequence;
                    let root = Digest::from([0; 32]);
                    let summary = StateSummary {
                        log_size: sequence.0,
                        log_root: root,
                        state_root: root,
                        inbox_count: 0,
                        inbox_hash: Digest::default(),
                        next_members_hash: Digest::default(),
                        extends_signed: true,
                    };
                    let state = checkpoint.then_some(summary);
                    let executed =
                        Executed { sequence, entries, next_due: None, state, change_pending: false };
                    effects.extend(timed(&mut self.times.core, || {
                        self.replicas[index].step(now, Event::Executed(executed))
                    }));
                    if checkpoint {
                        effects.extend(timed(&mut self.times.core, || {
                            self.replicas[index].step(now, Event::Stored(sequence))
                        }));
                    }
                }
                _ => {}
            }
        }
    }

    fn deliver(&mut self, from: ReplicaIndex, to: ReplicaIndex, bytes: &[u8]) {
        let message = timed(&mut self.times.codec, || Message::decode(bytes)).expect("a correct encoding");
        let times = &mut self.times;
        let checks = timed(&mut times.votes, || verify::checks(&self.context, from, &message));
        let checks = checks.expect("a sound message");
        assert!(timed(&mut times.votes, || verify_all(&checks.signatures)), "votes are well signed");
        let of_commands: Vec<_> = checks.commands.iter().map(SignedCommand::signature_check).collect();
        assert!(timed(&mut times.commands, || verify_all(&of_commands)), "commands are well signed");
        // Structure and all signatures were checked above.
        self.step(usize::from(to.0), Event::Message { from, message: Verified::vouch(message) });
    }
}

fn main() {
    let count = std::env::args().nth(1).map_or(200_000, |text| text.parse().expect("a number of commands"));
    let (context, keys) = context_and_keys();
    let commands = commands(&context, count);
    let started = Instant::now();
    let now = Now { elapsed_ms: 0, wall: TimestampMs(1_700_000_000_000) };
    let replica = |keys| Replica::new(Config::default(), context.clone(), keys, Recovered::default(), now);
    let replicas = keys.into_iter().map(replica).collect();
    let (wire, times) = (VecDeque::new(), Times::default());
    let mut group =
        Bench { context: context.clone(), replicas, wire, times, started, executed: 0, batches: 0 };
    let mut waiting = commands.chunks(256);
    let mut submitted = 0;
    while group.executed < count {
        while submitted - group.executed < UNDER_WAY
            && let Some(chunk) = waiting.next()
        {
            let checks: Vec<_> = chunk.iter().map(SignedCommand::signature_check).collect();
            assert!(timed(&mut group.times.commands, || verify_all(&checks)), "commands are well signed");
            submitted += chunk.len();
            let chunk = chunk.iter().cloned().map(Verified::vouch).collect();
            group.step(0, Event::Commands(chunk));
        }
        match group.wire.pop_front() {
            Some((from, to, bytes)) => group.deliver(from, to, &bytes),
            None => (0..usize::from(REPLICAS)).for_each(|index| group.step(index, Event::Tick)),
        }
    }
    report(&group);
}

fn report(group: &Bench) {
    let total = group.started.elapsed();
    let rate = group.executed as f64 / total.as_secs_f64();
    println!(
        "{} commands in {} batches, {:.2} s: {rate:.0} commands/s with {REPLICAS} replicas in one thread",
        group.executed,
        group.batches,
        total.as_secs_f64()
    );
    let Times { codec, votes, commands, core } = group.times;
    let rest = total.saturating_sub(codec + votes + commands + core);
    for (what, time) in [
        ("command signatures", commands),
        ("replica signatures and digests", votes),
        ("encoding and decoding", codec),
        ("the core, signing included", core),
        ("the rest", rest),
    ] {
        println!("  {what:32} {:5.1} %", 100.0 * time.as_secs_f64() / total.as_secs_f64());
    }
}
