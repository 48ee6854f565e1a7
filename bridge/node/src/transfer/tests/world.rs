//! A group's history in stores, peers that serve it in their own ways, and a node that fetches.

use std::collections::{BTreeMap, VecDeque};

use quorate_protocol::merkle::MerkleLog;
use quorate_protocol::{
    AgentId, AgentKey, Checkpoint, CheckpointCertificate, Command, Digest, EntryBody, EntryIndex,
    EntryRecord, Epoch, Nonce, Operation, Outcome, Sequence, SignedCommand, TimestampMs,
};
use quorate_services::StateTree;

use crate::store::fixture::identity;
use crate::store::{FetchProgress, Frontier, StatePair, Store, Write};
use crate::transfer::{ChunkError, Effect, Event, Fetch, FetchConfig, Server, ServerConfig, TransferMessage};

/// Entries of each batch.
pub(super) const ENTRIES: u64 = 5;
/// A chunk of the tests' servers: small, so that there are many.
pub(super) const CHUNK_BYTES: usize = 2_000;

pub(super) fn peer(number: u8) -> AgentId {
    AgentId::from([number; 20])
}

/// The record at `index`; another `history` has other records.
pub(super) fn record(index: u64, sequence: u64, history: u8) -> EntryRecord {
    let key = AgentKey::from_secret(&[3; 32]);
    let command = Command {
        group: identity().group,
        agent: peer(1),
        key: key.public(),
        nonce: Nonce(index),
        expires: TimestampMs(u64::MAX),
        operations: vec![Operation { service: "proposals".into(), body: vec![history; 40] }],
    };
    let body = EntryBody::Command(SignedCommand::sign(command, &key));
    let outcome = Outcome::Applied { results: vec![] };
    EntryRecord::new(&identity(), EntryIndex(index), Sequence(sequence), TimestampMs(sequence), body, outcome)
}

pub(super) fn executed(sequence: u64, history: u8) -> Write {
    let from = if sequence == 0 { 0 } else { 1 + (sequence - 1) * ENTRIES };
    let count = if sequence == 0 { 1 } else { ENTRIES };
    let records = (from..from + count).map(|index| record(index, sequence, history)).collect();
    Write::Executed { sequence: Sequence(sequence), batch: vec![1; 10], records }
}

/// The store of a node that follows the group, with the tree of its log.
pub(super) struct Source {
    pub(super) store: Store,
    pub(super) log: MerkleLog,
    pub(super) pairs: BTreeMap<Vec<u8>, Vec<u8>>,
    next: u64,
}

impl Source {
    /// A node that executed so many batches, with a stable checkpoint of `pairs` pairs at the last.
    pub(super) fn new(batches: u64, pairs: u32) -> Self {
        let mut source = Self::without_checkpoint(batches);
        source.checkpoint(pairs);
        source
    }

    pub(super) fn without_checkpoint(batches: u64) -> Self {
        let mut source =
            Self { store: Store::in_memory(), log: MerkleLog::new(), pairs: BTreeMap::new(), next: 0 };
        source.execute(batches + 1);
        source
    }

    pub(super) fn execute(&mut self, batches: u64) {
        for _ in 0..batches {
            let write = executed(self.next, 1);
            if let Write::Executed { records, .. } = &write {
                for record in records {
                    self.log.append(record.entry.leaf_hash());
                }
            }
            self.store.commit(vec![write]).unwrap();
            self.next += 1;
        }
    }

    /// Sets a pair of the state, to be part of the next checkpoint.
    pub(super) fn put(&mut self, key: &[u8], value: &[u8]) {
        let changes = vec![(key.to_vec(), Some(value.to_vec()))];
        self.store.commit(vec![Write::State { sequence: Sequence(self.next - 1), changes }]).unwrap();
        self.pairs.insert(key.to_vec(), value.to_vec());
    }

    /// Changes the state and makes it that of a stable checkpoint at the last sequence.
    pub(super) fn checkpoint(&mut self, pairs: u32) -> CheckpointCertificate {
        let certificate = self.unstable_checkpoint(pairs);
        self.store.commit(vec![Write::Stable(certificate.clone())]).unwrap();
        certificate
    }

    pub(super) fn unstable_checkpoint(&mut self, pairs: u32) -> CheckpointCertificate {
        let value = |i: u32| [&self.next.to_be_bytes()[..], &[u8::try_from(i % 256).unwrap(); 24]].concat();
        let new: Vec<StatePair> = (0..pairs).map(|i| (i.to_be_bytes().to_vec(), value(i))).collect();
        let changes = new.iter().cloned().map(|(key, value)| (key, Some(value))).collect();
        let sequence = Sequence(self.next - 1);
        self.store.commit(vec![Write::State { sequence, changes }]).unwrap();
        self.pairs.extend(new);
        let checkpoint = Checkpoint {
            group: identity().group,
            epoch: Epoch(0),
            sequence,
            log_size: self.log.size(),
            log_root: self.log.root(),
            state_root: StateTree::of(&self.pairs).root(),
            inbox_count: 0,
            inbox_hash: Digest::default(),
            next_members_hash: Digest::default(),
        };
        CheckpointCertificate { checkpoint, signatures: vec![] }
    }

    pub(super) fn target(&self) -> CheckpointCertificate {
        self.store.stable_checkpoint().unwrap().unwrap()
    }
}

type Twist = Box<dyn FnMut(&mut TransferMessage)>;

/// A peer with its own idea of serving.
pub(super) enum Peer<'a> {
    Honest(Box<Server>, &'a MerkleLog),
    /// Serves, but for what the function does to its answers.
    Twisted(Box<Server>, &'a MerkleLog, Twist),
    Silent,
}

impl<'a> Peer<'a> {
    pub(super) fn honest(source: &'a Source) -> Self {
        Self::Honest(Box::new(server(source)), &source.log)
    }

    pub(super) fn twisted(source: &'a Source, twist: impl FnMut(&mut TransferMessage) + 'static) -> Self {
        Self::Twisted(Box::new(server(source)), &source.log, Box::new(twist))
    }

    fn answer(&mut self, now_ms: u64, request: &TransferMessage) -> Option<TransferMessage> {
        let mut answer = match self {
            Self::Honest(server, log) | Self::Twisted(server, log, _) => {
                server.answer(now_ms, request, *log).unwrap()?
            }
            Self::Silent => return None,
        };
        if let Self::Twisted(_, _, twist) = self {
            twist(&mut answer);
        }
        // Everything travels, so that every message's encoding is tried.
        Some(TransferMessage::decode(&answer.encode()).unwrap())
    }
}

pub(super) fn server(source: &Source) -> Server {
    Server::new(source.store.clone(), ServerConfig { chunk_bytes: CHUNK_BYTES, ..ServerConfig::default() })
}

pub(super) type Peers<'a> = Vec<(AgentId, Peer<'a>)>;

/// What became of a run.
#[derive(Default, Debug)]
pub(super) struct Ran {
    pub(super) done: bool,
    pub(super) blamed: Vec<(AgentId, ChunkError)>,
    pub(super) retarget: Vec<(AgentId, CheckpointCertificate)>,
    pub(super) contradicted: bool,
    pub(super) stalled: bool,
    /// Effects carried out.
    pub(super) effects: usize,
    pub(super) elapsed_ms: u64,
}

/// Begins to fetch `target` from `peers`, keeping the first `kept` entries of `store`.
pub(super) fn begin(store: &Store, target: CheckpointCertificate, kept: u64, peers: &Peers<'_>) -> Fetch {
    let log = store.frontier(kept).unwrap().unwrap();
    Fetch::begin(identity(), target, (kept, log), ids(peers), FetchConfig::default()).unwrap()
}

pub(super) fn resume(progress: FetchProgress, peers: &Peers<'_>) -> Fetch {
    Fetch::resume(identity(), progress, ids(peers), FetchConfig::default()).unwrap()
}

pub(super) fn ids(peers: &Peers<'_>) -> Vec<AgentId> {
    peers.iter().map(|(id, _)| *id).collect()
}

/// What the peer `to` answers to `request`, if anything.
pub(super) fn answer(
    peers: &mut Peers<'_>,
    to: AgentId,
    request: &TransferMessage,
) -> Option<TransferMessage> {
    answer_at(peers, 0, to, request)
}

fn answer_at(
    peers: &mut Peers<'_>,
    now_ms: u64,
    to: AgentId,
    request: &TransferMessage,
) -> Option<TransferMessage> {
    let (_, peer) = peers.iter_mut().find(|(id, _)| *id == to).expect("a peer");
    peer.answer(now_ms, request)
}

/// As [`run_with`], with `peers`.
pub(super) fn run(fetch: &mut Fetch, store: &Store, peers: &mut Peers<'_>, max_effects: usize) -> Ran {
    run_with(fetch, store, |now_ms, to, request| answer_at(peers, now_ms, to, request), max_effects)
}

/// Runs `fetch` until it is done, nobody can help it, or `max_effects` are carried out: then it is as if the
/// power failed.
pub(super) fn run_with(
    fetch: &mut Fetch,
    store: &Store,
    mut answer: impl FnMut(u64, AgentId, &TransferMessage) -> Option<TransferMessage>,
    max_effects: usize,
) -> Ran {
    let mut outcome = Ran::default();
    let mut events = VecDeque::from([Event::Tick]);
    for _ in 0..10_000 {
        let event = events.pop_front().unwrap_or_else(|| {
            let due = fetch.next_deadline_ms().expect("a fetch that waits for nothing is done");
            outcome.elapsed_ms = outcome.elapsed_ms.max(due);
            Event::Tick
        });
        for effect in fetch.step(outcome.elapsed_ms, event) {
            if outcome.effects == max_effects {
                return outcome;
            }
            outcome.effects += 1;
            match effect {
                Effect::Send { to, message } => {
                    if let Some(message) = answer(outcome.elapsed_ms, to, &message) {
                        events.push_back(Event::Message { from: to, message });
                    }
                }
                Effect::Store(write) => {
                    store.commit(vec![Write::Fetch(write)]).unwrap();
                    events.push_back(Event::Stored);
                }
                Effect::Progress(_) => {}
                Effect::Blame { peer, reason } => outcome.blamed.push((peer, reason)),
                Effect::Retarget(newer) => {
                    outcome.retarget = newer;
                    return outcome;
                }
                Effect::LogContradicts => {
                    outcome.contradicted = true;
                    return outcome;
                }
                Effect::Stalled => {
                    outcome.stalled = true;
                    return outcome;
                }
                Effect::Done => {
                    outcome.done = true;
                    return outcome;
                }
            }
        }
    }
    panic!("the fetch neither ends nor says why: {outcome:?}");
}

/// Checks that `store` is that of a node which executed what `source` did up to its checkpoint `target`, and
/// that it goes on from there.
pub(super) fn assert_installed(store: &Store, source: &Source, target: &CheckpointCertificate) {
    let Checkpoint { sequence, log_size, log_root, state_root, .. } = target.checkpoint;
    let (state_sequence, pairs) = store.state().unwrap().unwrap();
    assert_eq!(state_sequence, sequence);
    assert_eq!(StateTree::of(pairs).root(), state_root);
    assert_eq!(store.stable_checkpoint().unwrap().as_ref(), Some(target));
    assert_eq!(store.last_sequence().unwrap(), Some(sequence));
    assert_eq!(store.log_size().unwrap(), log_size);
    assert_eq!(store.frontier(log_size).unwrap().map(|log| log.root()), Some(log_root));
    let count = usize::try_from(log_size).unwrap();
    let records = store.entries(EntryIndex(0), count).unwrap();
    assert_eq!(records, source.store.entries(EntryIndex(0), count).unwrap());
    for record in &records {
        let found = store.entry_of_command(&record.entry.subject).unwrap();
        assert_eq!(found, Some(record.entry.index));
    }
    assert!(store.batches(Sequence(1), 100, usize::MAX).unwrap().is_empty());
    assert_eq!(store.fetch_progress().unwrap(), None);

    let next = sequence.0 + 1;
    store.commit(vec![executed(next + 1, 1)]).expect_err("a batch is left out");
    store.commit(vec![executed(next, 1)]).unwrap();
    assert_eq!(store.last_sequence().unwrap(), Some(Sequence(next)));
    let state = Write::State { sequence: Sequence(next), changes: vec![] };
    store.commit(vec![state]).unwrap();
}

/// A node that executed so many batches of `history`.
pub(super) fn behind(batches: u64, history: u8) -> Store {
    let store = Store::in_memory();
    store.commit((0..=batches).map(|sequence| executed(sequence, history)).collect()).unwrap();
    let old = (b"old".to_vec(), Some(b"value".to_vec()));
    store.commit(vec![Write::State { sequence: Sequence(batches), changes: vec![old] }]).unwrap();
    store
}

pub(super) fn edge(source: &Source, size: u64) -> Frontier {
    Frontier::of(&source.log, size).unwrap()
}
