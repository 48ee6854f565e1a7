//! Whoever contradicts itself in what the contract anchors is convicted, in whatever form and beside whatever else it
//! says; and nobody else is, even if a quorum lies.

use quorate_pbft::event::StateSummary;
use quorate_pbft::{Context, Effect, Event, Executed, Message, Now, Record, Recovered, Replica, ReplicaKeys};
use quorate_protocol::checkpoint::CheckpointSignature;
use quorate_protocol::group::{FLAG_REPLICA, FLAG_VOTER};
use quorate_protocol::merkle::MerkleLog;
use quorate_protocol::{
    AccountKey, AgentId, AgentKey, Checkpoint, CheckpointCertificate, Class, Digest, Epoch, Group, GroupId,
    GroupIdentity, Member, ReplicaIndex, Sequence, SignedCheckpoint, Terms, TimestampMs, Verified,
};
use quorate_sim::byzantine::ActorKind;
use quorate_sim::byzantine::revisionist::Form;
use quorate_sim::plan::{Change, Faulty, Plan};
use quorate_sim::random::Random;
use quorate_sim::run::run_plan;

/// Runs the next groups of four from `from` on, in which one replica contradicts itself in this form.
fn convicts(from: u64, form: Form) {
    const SEEDS: usize = 3;
    let plans = (from..).map(Plan::of);
    for mut plan in plans.filter(|plan| plan.replicas == 4 && !plan.faulty.is_empty()).take(SEEDS) {
        plan.faulty[0].1 = Faulty::Actor(ActorKind::Revisionist(form));
        plan.inbox = 8;
        // The epochs end, and the liar stays.
        plan.changes = vec![Change::Renew];
        let outcome = run_plan(plan, false);
        assert!(outcome.failure.is_none(), "{outcome}");
        assert_eq!(outcome.totals.convicted, 1, "{form:?}: {outcome}");
    }
}

#[test]
fn m1_one_sequence_twice_convicts() {
    convicts(10_000, Form::SequenceTwice);
}

#[test]
fn m1_one_size_with_two_roots_convicts() {
    convicts(11_000, Form::TwoRoots);
}

#[test]
fn m1_a_log_that_shrinks_convicts() {
    convicts(12_000, Form::ShrinkingLog);
}

#[test]
fn m1_an_inbox_that_shrinks_convicts() {
    convicts(13_000, Form::ShrinkingInbox);
}

#[test]
fn m1_going_on_beyond_the_end_convicts() {
    convicts(14_000, Form::BeyondTheEnd);
}

#[test]
fn m1_two_ends_of_an_epoch_convict() {
    convicts(15_000, Form::TwoEnds);
}

#[test]
fn m1_one_sequence_in_two_epochs_convicts() {
    convicts(16_000, Form::TwoEpochs);
}

/// A history that a quorum of liars tells: the log, and what else its checkpoints say.
#[derive(Clone, Default)]
struct History {
    leaves: Vec<Digest>,
    messages: Vec<Digest>,
    sequence: u64,
    epoch: u64,
}

impl History {
    fn goes_on(&mut self, random: &mut Random) {
        self.sequence += random.between(1, 3);
        let any = |random: &mut Random| Digest::of(&[&random.bytes(8)]);
        for _ in 0..random.between(0, 3) {
            self.leaves.push(any(random));
        }
        if random.percent(30) {
            self.messages.push(any(random));
        }
    }

    /// Another history that begins like this one. Liars go back as far as they like.
    fn forks(&self, random: &mut Random) -> Self {
        let cut = |random: &mut Random, len: usize| random.index(len + 1);
        let mut fork = self.clone();
        fork.leaves.truncate(cut(random, self.leaves.len()));
        fork.messages.truncate(cut(random, self.messages.len()));
        fork.sequence = random.between(self.sequence / 2, self.sequence + 4);
        let era = fork.epoch >> 32;
        fork.epoch = era << 32 | random.between(0, 3);
        fork
    }

    fn summary(&self, signed: Option<&Checkpoint>, looks: bool, random: &mut Random) -> StateSummary {
        let mut log = MerkleLog::new();
        for leaf in &self.leaves {
            log.append(*leaf);
        }
        let extends = |signed: &Checkpoint| log.root_at(signed.log_size) == Some(signed.log_root);
        let inbox_hash = match self.messages.as_slice() {
            [] => Digest::default(),
            taken => {
                Digest::of(&taken.iter().map(|message| message.as_bytes().as_slice()).collect::<Vec<_>>())
            }
        };
        let ends = random.percent(10);
        StateSummary {
            log_size: log.size(),
            log_root: log.root(),
            state_root: Digest::of(&[&random.bytes(8)]),
            inbox_count: self.messages.len() as u64,
            inbox_hash,
            next_members_hash: if ends { Digest::from([9; 32]) } else { Digest::default() },
            extends_signed: !looks || signed.is_none_or(extends),
        }
    }
}

/// One correct replica among three that lie. It keeps nothing but what lies beside its key.
struct Victim {
    keys: Vec<ReplicaKeys>,
    group: Group,
    replica: Replica,
    beside_the_key: Option<Checkpoint>,
    history: History,
    /// What it signed, with the log under it.
    signed: Vec<(Checkpoint, Vec<Digest>)>,
    /// Whether it looks whether its log is the one that it signed.
    looks: bool,
    now_ms: u64,
}

impl Victim {
    fn new(looks: bool) -> Self {
        let mut keys: Vec<ReplicaKeys> = (1..=4)
            .map(|i| ReplicaKeys {
                agent: AgentKey::from_secret(&[i; 32]),
                account: AccountKey::from_secret(&[i; 32]).expect("a small secret is a key"),
            })
            .collect();
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
        let terms = Terms::of_class(Class::of_weight(3, 4, 60));
        let group = Group {
            identity,
            account: AgentId::from([0xac; 20]),
            epoch: Epoch(0),
            members: keys.iter().map(member).collect(),
            terms,
            voters_since: Epoch(0),
        };
        let replica = Self::started(&group, &keys, &History::default(), None, 0);
        let history = History::default();
        Self { keys, group, replica, beside_the_key: None, history, signed: vec![], looks, now_ms: 0 }
    }

    fn started(
        group: &Group,
        keys: &[ReplicaKeys],
        history: &History,
        signed: Option<Checkpoint>,
        now_ms: u64,
    ) -> Replica {
        let group = Group { epoch: Epoch(history.epoch), ..group.clone() };
        let context = Context::of(&group, Sequence(0));
        let recovered =
            Recovered { last_executed: Sequence(history.sequence), signed, ..Recovered::default() };
        Replica::new(quorate_pbft::Config::default(), context, keys[0].clone(), recovered, now(now_ms))
    }

    /// It starts anew in another history, as after a crash, a lost disk or a transfer of the state, or in the next
    /// epoch of this one.
    fn starts_in(&mut self, history: History) {
        self.history = history;
        let signed = self.beside_the_key.clone();
        self.replica = Self::started(&self.group, &self.keys, &self.history, signed, self.now_ms);
    }

    fn step(&mut self, event: Event) {
        self.now_ms += 1;
        for effect in self.replica.step(now(self.now_ms), event) {
            match effect {
                Effect::Persist(Record::Checkpoint(signed)) => self.beside_the_key = Some(signed.checkpoint),
                Effect::Broadcast(Message::Checkpoint(signed)) => {
                    assert_eq!(self.beside_the_key.as_ref(), Some(&signed.checkpoint));
                    self.signed.push((signed.checkpoint, self.history.leaves.clone()));
                }
                _ => {}
            }
        }
    }

    /// It comes to a checkpoint, perhaps to one that the liars have made stable before.
    fn comes_to_a_checkpoint(&mut self, random: &mut Random) {
        let state = self.history.summary(self.beside_the_key.as_ref(), self.looks, random);
        let sequence = Sequence(self.history.sequence);
        if random.percent(30) {
            self.liars_make_stable(sequence, state);
        }
        let executed =
            Executed { sequence, entries: 1, next_due: None, state: Some(state), change_pending: false };
        self.step(Event::Executed(executed));
        if random.percent(90) {
            self.step(Event::Stored(sequence));
        }
    }

    fn liars_make_stable(&mut self, sequence: Sequence, state: StateSummary) {
        let checkpoint = Checkpoint {
            group: self.group.identity.group,
            epoch: Epoch(self.history.epoch),
            sequence,
            log_size: state.log_size,
            log_root: state.log_root,
            state_root: state.state_root,
            inbox_count: state.inbox_count,
            inbox_hash: state.inbox_hash,
            next_members_hash: state.next_members_hash,
        };
        let sign = |keys: &ReplicaKeys| {
            let signed = SignedCheckpoint::sign(&self.group.identity, checkpoint.clone(), &keys.account);
            CheckpointSignature { replica: signed.replica, signature: signed.signature }
        };
        let signatures = self.keys[1..].iter().map(sign).collect();
        let stable = CheckpointCertificate { checkpoint, signatures };
        // They signed it just now.
        let message = Verified::vouch(Message::Stable(stable));
        self.step(Event::Message { from: ReplicaIndex(1), message });
    }

    /// What the contract would convict it for: two that do not follow one another, or two logs that fork.
    fn conviction(&self) -> Option<String> {
        for (at, (later, log)) in self.signed.iter().enumerate() {
            for (earlier, before) in &self.signed[..at] {
                if earlier.epoch.0 >> 32 != later.epoch.0 >> 32 || earlier == later {
                    continue;
                }
                if !follows(earlier, later) || !log.starts_with(before) {
                    return Some(format!("{later:?} after {earlier:?}"));
                }
            }
        }
        None
    }
}

fn now(now_ms: u64) -> Now {
    Now { elapsed_ms: now_ms, wall: TimestampMs(1_700_000_000_000 + now_ms) }
}

/// Whether one replica may sign `later` after `earlier`, written again.
fn follows(earlier: &Checkpoint, later: &Checkpoint) -> bool {
    let grows = |before: (u64, Digest), after: (u64, Digest)| before.0 < after.0 || before == after;
    let goes_on = earlier.epoch < later.epoch
        || (earlier.epoch == later.epoch && earlier.next_members_hash == Digest::default());
    goes_on
        && earlier.sequence < later.sequence
        && grows((earlier.log_size, earlier.log_root), (later.log_size, later.log_root))
        && grows((earlier.inbox_count, earlier.inbox_hash), (later.inbox_count, later.inbox_hash))
}

/// What a quorum of liars brings a correct replica to sign, under one seed.
fn lied_to(seed: u64, looks: bool) -> Victim {
    let random = &mut Random::part(seed, "lying quorum");
    let mut victim = Victim::new(looks);
    let mut histories = vec![History::default()];
    for _ in 0..60 {
        match random.between(0, 9) {
            0 => victim.starts_in(victim.history.clone()),
            1 => {
                histories.push(victim.history.clone());
                victim.starts_in(victim.history.forks(random));
            }
            2 => {
                let known = histories[random.index(histories.len())].clone();
                histories.push(victim.history.clone());
                victim.starts_in(known);
            }
            3 => {
                let mut next = victim.history.clone();
                let ends_era = random.percent(10);
                next.epoch = if ends_era { ((next.epoch >> 32) + 1) << 32 } else { next.epoch + 1 };
                victim.starts_in(next);
            }
            _ => {
                victim.history.goes_on(random);
                victim.comes_to_a_checkpoint(random);
            }
        }
    }
    victim
}

#[test]
fn m1_no_quorum_of_liars_brings_a_correct_replica_to_convict_itself() {
    let mut signed = 0;
    for seed in 0..300 {
        let victim = lied_to(seed, true);
        assert_eq!(victim.conviction(), None, "seed {seed}");
        signed += victim.signed.len();
    }
    assert!(signed > 1_000, "it signed {signed} checkpoints, which is hardly any");
}

#[test]
fn the_liars_succeed_with_one_that_does_not_look_at_its_log() {
    assert!((0..300).any(|seed| lied_to(seed, false).conviction().is_some()));
}
