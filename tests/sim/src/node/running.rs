//! A running process of a node.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use quorate_node::core::{
    BatchesWanted, CoreEvent, CoreParts, CoreWatch, Inbound, NodeCore, Outgoing, Storage as _, Supply, Trust,
    WalContents, last_spoken, restore,
};
use quorate_node::frame::Frame;
use quorate_node::ledger::LedgerReader;
use quorate_node::metrics::Metrics;
use quorate_node::store::{Store, Write};
use quorate_node::transfer::{Server, ServerConfig, TransferMessage};
use quorate_node::wal::Wal;
use quorate_node::{NodeError, core::Stored};
use quorate_pbft::{Config, Context, Evidence, Now, ReplicaKeys};
use quorate_protocol::{AgentId, Digest, Group, PublicKey, TimestampMs, codec};

use super::records::StoreRecords;
use super::storage::{LogJob, Marker, SimStorage};
use crate::disk::{Disk, SimDirectory};

/// The most writes of one transaction of the store.
const MAX_GROUP: usize = 256;
/// Bytes of one chunk of a state transfer: small, so that a transfer takes many.
const CHUNK_BYTES: usize = 2_048;

/// Where the name of a simulated file stands for a path.
const STORE: &str = "simulated/store";

/// What a process starts from.
pub struct Boot<'a> {
    /// The protocol's sizes and times.
    pub config: &'a Config,
    /// The replica's keys.
    pub keys: &'a ReplicaKeys,
    /// Its disk.
    pub disk: &'a Disk,
    /// What its key remembers.
    pub marker: &'a Marker,
    /// The group as the contract has it, and as it was an epoch before.
    pub known: (Group, Option<Group>),
    /// The true time.
    pub now_ms: u64,
    /// The node's wall clock.
    pub wall: TimestampMs,
}

/// A client that waits for an answer: which agent, and its command.
pub type Waiting = BTreeMap<Digest, Vec<usize>>;

/// A process.
pub struct Running {
    /// The logic.
    pub core: NodeCore<SimStorage>,
    /// What it publishes.
    pub watch: CoreWatch,
    /// Examines what comes in.
    pub inbound: Inbound,
    /// Reads its ledger.
    pub reader: LedgerReader,
    /// The store.
    pub store: Store,
    wal: Wal<SimDirectory>,
    supply: Supply,
    server: Server,
    requests: BTreeMap<(AgentId, u8), Request>,
    /// Events for the next round.
    pub inbox: Vec<CoreEvent>,
    /// Clients that wait.
    pub waiting: Waiting,
    /// How many entries were certified when the clients were answered last.
    pub answered: u64,
    /// When the process began.
    pub started_ms: u64,
    /// When the next round is due.
    pub round_at_ms: Option<u64>,
    /// Whether the log is at work.
    pub log_busy: bool,
    /// Whether the store is at work.
    pub store_busy: bool,
    /// Whether a node that is behind is being answered.
    pub supply_busy: bool,
    /// Links cut because of what came over them, until so many milliseconds.
    pub cut_until_ms: BTreeMap<AgentId, u64>,
    /// Who was a replica of the epoch before, and until when its links live.
    farewell: (Arc<Context>, u64),
    /// The epoch that the links are those of.
    current: Arc<Context>,
}

#[derive(Clone, Debug)]
enum Request {
    Batches(BatchesWanted),
    Transfer(TransferMessage),
}

impl Running {
    /// Starts a process as a node starts: from the store, the log, or nothing.
    ///
    /// # Errors
    /// When a node would not start.
    pub fn start(boot: Boot<'_>) -> Result<Self, NodeError> {
        let Boot { config, keys, disk, marker, known, now_ms, wall } = boot;
        let now = Now { elapsed_ms: 0, wall };
        let (group, previous) = known;
        let agent = AgentId(keys.account.address());
        let store = Store::open_on(disk.backend(), Path::new(STORE), &group.identity, agent)?;
        let (spoke, signed) = marker.read();
        let trust = Trust { group, previous, era: None, spoke, signed };
        if let Some(epoch) = last_spoken(&store, &trust)?.filter(|_| !disk.has_log()) {
            store.commit(vec![Write::SilentUntil(epoch)])?;
        }
        let (wal, records, tail) = Wal::open_in(disk.directory())?;
        let contents = WalContents { records: &records, tail, path: Path::new("simulated/wal") };
        let mut storage = SimStorage { marker: marker.clone(), ..SimStorage::default() };
        let restored = restore(config, &trust, &store, contents, |write| storage.write(write))?;
        storage.stored = Stored { sequence: store.last_sequence()?, fetch_steps: 0 };
        let evidence = store
            .evidence()?
            .iter()
            .map(|bytes| codec::decode(bytes, Evidence::MAX_BYTES))
            .collect::<Result<_, _>>()
            .expect("stored evidence is what the core made");
        let supply = Supply::new(store.clone());
        let parts = CoreParts {
            config: config.clone(),
            keys: keys.clone(),
            restored,
            evidence,
            storage,
            store: store.clone(),
            supply: supply.clone(),
            metrics: Metrics::new(),
        };
        let core = NodeCore::new(parts, now)?;
        let reader = LedgerReader::new(Arc::clone(core.ledger()), Arc::new(StoreRecords(store.clone())));
        let watch = core.watch();
        let current = watch.context.borrow().clone();
        let farewell = (Arc::clone(&current), 0);
        let server =
            Server::new(store.clone(), ServerConfig { chunk_bytes: CHUNK_BYTES, ..ServerConfig::default() });
        let mut running = Self {
            inbound: core.inbound(),
            core,
            watch,
            reader,
            store,
            wal,
            supply,
            server,
            requests: BTreeMap::new(),
            inbox: Vec::new(),
            waiting: Waiting::new(),
            answered: 0,
            started_ms: now_ms,
            round_at_ms: None,
            log_busy: false,
            store_busy: false,
            supply_busy: false,
            cut_until_ms: BTreeMap::new(),
            farewell,
            current,
        };
        running.core.begin(now)?;
        Ok(running)
    }

    /// The clocks of the process.
    pub fn now(&self, now_ms: u64, wall: TimestampMs) -> Now {
        Now { elapsed_ms: now_ms - self.started_ms, wall }
    }

    /// One round with everything that came in.
    ///
    /// # Errors
    /// When the node must stop.
    pub fn round(&mut self, now: Now) -> Result<(), NodeError> {
        let events: Vec<CoreEvent> = self.inbox.drain(..).collect();
        self.core.take_round(now, events).map(drop)
    }

    /// Writes what waits for the log, up to the next rotation, and returns what may leave then. With `hasty`,
    /// what rests on no record leaves first, and the rest is written the next time.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn write_log(&mut self, hasty: bool) -> Result<Vec<Outgoing>, NodeError> {
        let mut records = Vec::new();
        let mut outgoing = Vec::new();
        if hasty {
            outgoing = self.rest_on_nothing();
        }
        if !outgoing.is_empty() {
            return Ok(outgoing);
        }
        while let Some(job) = self.core.storage_mut().log.pop_front() {
            match job {
                LogJob::Persist(more, leaving) => {
                    records.extend(more);
                    outgoing.extend(leaving);
                }
                LogJob::Rotate(all) => {
                    self.wal.append(&records)?;
                    self.wal.rotate(&all)?;
                    return Ok(outgoing);
                }
            }
        }
        self.wal.append(&records)?;
        Ok(outgoing)
    }

    /// What waits for no record: it may leave at once, with the next record yet to be synced.
    fn rest_on_nothing(&mut self) -> Vec<Outgoing> {
        let mut leaving = Vec::new();
        let log = &mut self.core.storage_mut().log;
        while let Some(LogJob::Persist(_, outgoing)) =
            log.front_mut().filter(|job| matches!(job, LogJob::Persist(records, _) if records.is_empty()))
        {
            leaving.append(outgoing);
            log.pop_front();
        }
        leaving
    }

    /// Writes what waits for the store in one transaction.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn write_store(&mut self) -> Result<(), NodeError> {
        let storage = self.core.storage_mut();
        let many = storage.writes.len().min(MAX_GROUP);
        let group: Vec<Write> = storage.writes.drain(..many).collect();
        let last = group.iter().rev().find_map(|write| match write {
            Write::Executed { sequence, .. } => Some(*sequence),
            _ => None,
        });
        let steps = group.iter().filter(|write| matches!(write, Write::Fetch(_))).count() as u64;
        self.store.commit(group)?;
        let stored = &mut self.core.storage_mut().stored;
        stored.sequence = last.or(stored.sequence);
        stored.fetch_steps += steps;
        Ok(())
    }

    /// Notes a request of a node that is behind: the latest of each kind counts.
    pub fn note_request(&mut self, outgoing: Outgoing) {
        match outgoing {
            Outgoing::Batches { to, wanted } => {
                self.requests.insert((to, 0), Request::Batches(wanted));
            }
            Outgoing::Transfer { to, request } => {
                let kind = if matches!(request, TransferMessage::LogWanted(_)) { 2 } else { 1 };
                self.requests.insert((to, kind), Request::Transfer(request));
            }
            Outgoing::To(..) | Outgoing::All(_) | Outgoing::Blame { .. } => {}
        }
    }

    /// Whether anybody waits to be supplied.
    pub fn has_requests(&self) -> bool {
        !self.requests.is_empty()
    }

    /// Answers all requests.
    ///
    /// # Errors
    /// When the store fails or contradicts itself.
    pub fn supply(&mut self, elapsed_ms: u64) -> Result<Vec<(AgentId, Frame)>, NodeError> {
        let mut answers = Vec::new();
        for ((to, _), request) in std::mem::take(&mut self.requests) {
            let answer = match request {
                Request::Batches(wanted) => self.supply.answer(wanted)?,
                Request::Transfer(request) => {
                    self.server.answer(elapsed_ms, &request, &self.reader)?.map(Frame::Transfer)
                }
            };
            answers.extend(answer.map(|frame| (to, frame)));
        }
        Ok(answers)
    }

    /// Whose links it takes, with the keys that they are pinned to.
    pub fn roster(&self, now_ms: u64) -> Vec<(AgentId, PublicKey)> {
        let context = self.watch.context.borrow();
        let (before, until_ms) = &self.farewell;
        let before = (now_ms < *until_ms).then_some(before);
        let all = context.replicas.iter().chain(before.into_iter().flat_map(|before| before.replicas.iter()));
        all.map(|(_, member)| (member.agent, member.key)).collect()
    }

    /// Keeps the links of the epoch before until `until_ms`, if a new one has begun.
    pub fn follow_epoch(&mut self, until_ms: u64) {
        let context = self.watch.context.borrow().clone();
        if self.current.epoch != context.epoch {
            self.farewell = (std::mem::replace(&mut self.current, context), until_ms);
        }
    }

    /// How many writes wait for the store.
    pub fn writes_waiting(&mut self) -> usize {
        self.core.storage_mut().writes.len()
    }

    /// Where it stands, in a few words.
    pub fn picture(&self) -> String {
        let (size, certified, closed) =
            self.reader.read(|ledger| (ledger.head().size, ledger.certified_size(), ledger.is_closed()));
        let epoch = self.watch.context.borrow().epoch;
        let replica = match self.core.replica() {
            None => match self.core.fetch_progress() {
                Some(progress) => format!("fetches {progress:?}"),
                None => "takes no part".into(),
            },
            Some(replica) => format!(
                "view {} {:?}, stable {}, executed {}, {} commands wait{}{}",
                replica.view(),
                replica.view_state(),
                replica.stable_checkpoint().map_or(0, |stable| stable.checkpoint.sequence.0),
                replica.last_executed(),
                replica.pending_commands(),
                if replica.is_silent() { ", silent" } else { "" },
                if replica.is_behind() { ", behind" } else { "" },
            ),
        };
        let closed = if closed { " (closed)" } else { "" };
        format!("epoch {epoch}, {size} entries, {certified} certified{closed}, {replica}")
    }
}
