//! The group under check: keys, the configuration that keeps the model finite, and the batches that are about.

use quorate_pbft::{Batch, Config, Context, ReplicaKeys};
use quorate_protocol::group::{FLAG_REPLICA, FLAG_VOTER};
use quorate_protocol::{
    AccountKey, AgentId, AgentKey, Class, Command, Digest, Epoch, Group, GroupId, GroupIdentity, Member,
    Nonce, Operation, ReplicaIndex, Sequence, SignedCommand, Terms, TimestampMs, View,
};

/// What the clocks of the correct replicas show at the start. Each keeps its own difference from it, so that
/// batches which two primaries make of one command differ.
const WALL: TimestampMs = TimestampMs(1_700_000_000_000);

/// More than any never-ending wait, and small enough that four of it do not overflow.
const NEVER_MS: u64 = u64::MAX / 16;

/// A group with one command that every replica has from its client.
#[derive(Clone, Debug)]
pub struct Setting {
    /// What replicas verify with.
    pub context: Context,
    /// Every replica's keys, in order.
    pub keys: Vec<ReplicaKeys>,
    /// The configuration of each.
    pub config: Config,
    /// The one command.
    pub command: SignedCommand,
    /// Every batch that anybody may propose, with its digest: the two of the faulty replica first, then what
    /// each replica makes of the command.
    pub batches: Vec<(Digest, Batch)>,
}

impl Setting {
    /// A group of `n` replicas. With fewer than four it is not one that the protocol is made for: then no
    /// replica may be faulty.
    pub fn new(n: u8) -> Self {
        let mut keys: Vec<ReplicaKeys> = (1..=n)
            .map(|secret| ReplicaKeys {
                agent: AgentKey::from_secret(&[secret; 32]),
                account: AccountKey::from_secret(&[secret; 32]).expect("a small secret is a key"),
            })
            .collect();
        keys.sort_by_key(|keys| keys.account.address());
        let members = keys.iter().map(|keys| Member {
            agent: AgentId(keys.account.address()),
            key: keys.agent.public(),
            weight: 1,
            flags: FLAG_VOTER | FLAG_REPLICA,
        });
        let identity = GroupIdentity {
            chain_id: 31_337,
            contract: AgentId::from([0xcc; 20]),
            group: GroupId::from([0x11; 32]),
        };
        let terms = Terms::of_class(Class::of_weight(u128::from(n), u128::from(n), 60));
        let group = Group {
            identity,
            account: AgentId::from([0xac; 20]),
            epoch: Epoch(0),
            members: members.collect(),
            terms,
            voters_since: Epoch(0),
        };
        let context = Context { identity, epoch: Epoch(0), replicas: group.replicas(), base: Sequence(0) };
        let command = command(&context);
        let times = [100, 101].into_iter().chain(0..u64::from(n));
        let batches = times.map(|ahead_ms| batch(TimestampMs(WALL.0 + ahead_ms), &command));
        let batches = batches.map(|batch| (batch.digest(&context), batch)).collect();
        Self { context, keys, config: config(), command, batches }
    }

    /// The wall clock of `replica`, which stands still: nothing but a batch's time depends on it.
    pub fn wall(&self, replica: ReplicaIndex) -> TimestampMs {
        TimestampMs(WALL.0 + u64::from(replica.0))
    }

    /// The primary of `view`.
    pub fn primary(&self, view: View) -> ReplicaIndex {
        view.primary(self.keys.len())
    }

    /// All replicas.
    pub fn replicas(&self) -> impl Iterator<Item = ReplicaIndex> + use<> {
        (0..u16::try_from(self.keys.len()).expect("a group is small")).map(ReplicaIndex)
    }

    /// A short name for the batch: A and B are the faulty replica's, C with a number is that replica's own.
    pub fn name(&self, digest: Digest) -> String {
        match self.batches.iter().position(|(of, _)| *of == digest) {
            Some(0) => "A".into(),
            Some(1) => "B".into(),
            Some(own) => format!("C{}", own - 2),
            None => digest.to_string(),
        }
    }
}

fn batch(timestamp: TimestampMs, command: &SignedCommand) -> Batch {
    Batch { timestamp, checkpoint: false, commands: vec![command.clone()] }
}

fn command(context: &Context) -> SignedCommand {
    let key = AgentKey::from_secret(&[0x77; 32]);
    let command = Command {
        group: context.identity.group,
        agent: AgentId::from([0x77; 20]),
        key: key.public(),
        nonce: Nonce(0),
        expires: TimestampMs(u64::MAX),
        operations: vec![Operation { service: "model".into(), body: vec![1] }],
    };
    SignedCommand::sign(command, &key)
}

/// One batch at a time and no other timer than the one of the view: statuses and checkpoints never fall due.
fn config() -> Config {
    Config {
        checkpoint_interval: 64,
        window: 128,
        pipeline: 1,
        view_timeout_ms: 10,
        checkpoint_delay_ms: NEVER_MS,
        status_interval_ms: NEVER_MS,
        ..Config::default()
    }
}
