//! Fetching the state of a stable checkpoint: a state machine without I/O.

use quorate_protocol::{AgentId, CheckpointCertificate, Digest, GroupIdentity};
use quorate_services::STATE_BUCKETS;

use super::message::{LogChunk, LogWanted, StateChunk, StateWanted, TransferMessage, Unavailable};
use super::peers::{Part, Peers};
use super::verify::{self, ChunkError};
use crate::store::{FetchProgress, FetchWrite, Frontier};

/// The most writes that are not durable yet before nothing more is asked for.
const MAX_UNSTORED: usize = 4;

/// The times of a fetch, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchConfig {
    /// How long a peer may take to answer before another is asked. Doubles with each that takes longer.
    pub timeout_ms: u64,
    /// The most that it doubles to.
    pub max_timeout_ms: u64,
    /// When all peers have failed, they are asked again after so long.
    pub pause_ms: u64,
}

impl Default for FetchConfig {
    fn default() -> Self {
        Self { timeout_ms: 5_000, max_timeout_ms: 60_000, pause_ms: 2_000 }
    }
}

/// What happens to a fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A peer's message.
    Message {
        /// Whose authenticated link it came over.
        from: AgentId,
        /// The message, with nothing in it checked.
        message: TransferMessage,
    },
    /// The earliest [`Effect::Store`] that was not reported yet is durable.
    Stored,
    /// Time has passed; due when [`Fetch::next_deadline_ms`] says so, harmless at any time.
    Tick,
}

/// What a fetch wants done, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send a message to a peer. It may be lost.
    Send {
        /// To whom.
        to: AgentId,
        /// What.
        message: TransferMessage,
    },
    /// Write to the store, after all earlier ones, and report with [`Event::Stored`].
    Store(FetchWrite),
    /// Something more is verified.
    Progress(Progress),
    /// A peer lied; it is asked nothing more.
    Blame {
        /// Who.
        peer: AgentId,
        /// What proves it.
        reason: ChunkError,
    },
    /// Nobody has the target's state, but these peers say that they have that of a later checkpoint, the
    /// latest first. Verify a certificate, then [`Fetch::begin`] anew with it and with [`Fetch::kept`]; a peer
    /// whose certificate does not hold is to be given to [`Fetch::exclude`]. Until then the fetch goes on, and
    /// says so again while nothing changes.
    Retarget(Vec<(AgentId, CheckpointCertificate)>),
    /// More than half of the peers contradict this node's own log, so it is not the beginning of the target's.
    /// Begin anew without it. Until then the fetch asks for no more of the log.
    LogContradicts,
    /// Nobody is left to ask for something. All but those who lied are asked again after
    /// [`FetchConfig::pause_ms`].
    Stalled,
    /// Everything is installed and durable. Start anew from the store.
    Done,
}

/// How much is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Buckets of the state, of [`STATE_BUCKETS`].
    pub buckets: u32,
    /// Entries of the log, those that were kept included.
    pub entries: u64,
    /// Entries of the target's log.
    pub of_entries: u64,
}

/// A fetch that cannot begin with what it was given.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum FetchError {
    /// The log that is to be kept is longer than the checkpoint's; keep no more than that.
    #[error("a log of {found} entries was to be kept, the checkpoint has {size}")]
    LogTooLong {
        /// The checkpoint's.
        size: u64,
        /// What was to be kept.
        found: u64,
    },
    /// The log that is to be kept is as long as the checkpoint's and differs from it; keep nothing of it.
    #[error("the log that was to be kept has root {found}, the checkpoint's has {expected}")]
    LogContradicts {
        /// The checkpoint's.
        expected: Digest,
        /// The kept log's.
        found: Digest,
    },
}

/// Fetches the state and the log of one stable checkpoint.
#[derive(Debug)]
pub struct Fetch {
    identity: GroupIdentity,
    config: FetchConfig,
    /// As the store will have it once all writes are done.
    progress: FetchProgress,
    peers: Peers,
    /// Until when a part that nobody has is not asked for.
    stuck_until_ms: [Option<u64>; 2],
    timeout_ms: u64,
    unstored: usize,
    /// Whether the log so far is known to be the beginning of the target's.
    tied: bool,
    contradicted: bool,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The store does not know of the fetch.
    New,
    Fetching,
    Installing,
    Done,
}

impl Fetch {
    /// A new fetch of `target`, whose certificate the caller has verified, from `peers`.
    ///
    /// The first `kept` entries of the store's own log stay. `log` is its edge there ([`Frontier::of`]), or,
    /// where an earlier fetch is replaced, what [`Self::kept`] gave for it. With `kept` 0 the log is fetched
    /// from its beginning and changes places with the old one whole, which is also cheaper where little would
    /// be kept.
    ///
    /// # Errors
    /// When the kept log cannot be the beginning of the target's.
    pub fn begin(
        identity: GroupIdentity,
        target: CheckpointCertificate,
        (kept, log): (u64, Frontier),
        peers: Vec<AgentId>,
        config: FetchConfig,
    ) -> Result<Self, FetchError> {
        let progress = FetchProgress { target, kept, log, next_bucket: 0 };
        Self::new(identity, progress, peers, config, Phase::New)
    }

    /// Goes on with the fetch that [`crate::store::Store::fetch_progress`] found.
    ///
    /// # Errors
    /// As [`Self::begin`].
    pub fn resume(
        identity: GroupIdentity,
        progress: FetchProgress,
        peers: Vec<AgentId>,
        config: FetchConfig,
    ) -> Result<Self, FetchError> {
        Self::new(identity, progress, peers, config, Phase::Fetching)
    }

    fn new(
        identity: GroupIdentity,
        progress: FetchProgress,
        peers: Vec<AgentId>,
        config: FetchConfig,
        phase: Phase,
    ) -> Result<Self, FetchError> {
        let (found, size) = (progress.log.size(), progress.target.checkpoint.log_size);
        if found > size {
            return Err(FetchError::LogTooLong { size, found });
        }
        let (root, expected) = (progress.log.root(), progress.target.checkpoint.log_root);
        if found == size && root != expected {
            return Err(FetchError::LogContradicts { expected, found: root });
        }
        Ok(Self {
            identity,
            config,
            tied: found == 0 || found == size,
            progress,
            peers: Peers::new(peers),
            stuck_until_ms: [None; 2],
            timeout_ms: config.timeout_ms,
            unstored: 0,
            contradicted: false,
            phase,
        })
    }

    /// What is fetched.
    pub fn target(&self) -> &CheckpointCertificate {
        &self.progress.target
    }

    /// What another fetch can keep of this one, once its writes are queued: see [`Self::begin`].
    pub fn kept(&self) -> (u64, Frontier) {
        (self.progress.kept, self.progress.log.clone())
    }

    /// When the next [`Event::Tick`] is due, if nothing else happens.
    pub fn next_deadline_ms(&self) -> Option<u64> {
        if matches!(self.phase, Phase::Installing | Phase::Done) {
            return None;
        }
        // While writes are awaited, nothing is asked for anyway.
        let stuck = self.stuck_until_ms.into_iter().flatten().filter(|_| self.unstored < MAX_UNSTORED);
        self.peers.deadline_ms().into_iter().chain(stuck).min()
    }

    /// Asks `peer` nothing more: it showed a certificate that does not hold.
    pub fn exclude(&mut self, peer: AgentId) {
        self.peers.exclude(peer);
    }

    /// Takes `event` at `now_ms` on a clock that never goes back, and says what is to be done. Costs at most
    /// the checking of one chunk.
    pub fn step(&mut self, now_ms: u64, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        if self.phase == Phase::New {
            self.phase = Phase::Fetching;
            self.store(FetchWrite::Begin(Box::new(self.progress.clone())), &mut effects);
        }
        match event {
            Event::Message { from, message } => self.take(now_ms, from, message, &mut effects),
            Event::Stored => self.unstored = self.unstored.saturating_sub(1),
            Event::Tick => {}
        }
        if self.peers.expire(now_ms) {
            self.timeout_ms = (2 * self.timeout_ms).min(self.config.max_timeout_ms);
        }
        if self.phase == Phase::Fetching && self.progress.is_complete() {
            self.phase = Phase::Installing;
            self.store(FetchWrite::Install, &mut effects);
        }
        match self.phase {
            Phase::Fetching => self.ask(now_ms, &mut effects),
            Phase::Installing if self.unstored == 0 => {
                self.phase = Phase::Done;
                effects.push(Effect::Done);
            }
            Phase::New | Phase::Installing | Phase::Done => {}
        }
        effects
    }

    fn store(&mut self, write: FetchWrite, effects: &mut Vec<Effect>) {
        self.unstored += 1;
        effects.push(Effect::Store(write));
    }

    /// Takes an answer. What does not answer the request under way is dropped, and nobody is blamed for it: it
    /// may be late, or the answer to an earlier fetch.
    fn take(&mut self, now_ms: u64, from: AgentId, message: TransferMessage, effects: &mut Vec<Effect>) {
        let Some(asked) = self.peers.asked(from) else { return };
        let sequence = self.progress.target.checkpoint.sequence;
        let taken = match (asked.part, message) {
            (Part::State, TransferMessage::StateChunk(chunk))
                if chunk.sequence == sequence && chunk.first == self.progress.next_bucket =>
            {
                self.take_state(chunk, effects)
            }
            (Part::Log, TransferMessage::LogChunk(chunk))
                if chunk.sequence == sequence && chunk.from == self.progress.log.size() =>
            {
                self.take_log(chunk, effects)
            }
            (part, TransferMessage::Unavailable(Unavailable { sequence: of, latest })) if of == sequence => {
                let group = self.identity.group;
                let newer = latest.map(|latest| *latest).filter(|latest| latest.checkpoint.group == group);
                self.peers.lacks(from, part, newer);
                return;
            }
            _ => return,
        };
        match taken {
            Ok(()) => {
                let took_ms = now_ms.saturating_sub(asked.since_ms);
                self.timeout_ms =
                    took_ms.saturating_mul(2).clamp(self.config.timeout_ms, self.config.max_timeout_ms);
                self.peers.answered(from, asked.part, took_ms > self.config.timeout_ms / 2);
                effects.push(Effect::Progress(self.how_far()));
            }
            Err(reason @ ChunkError::Log(_)) if !self.tied => {
                self.peers.suspect(from, reason);
                if self.peers.contradict() && !self.contradicted {
                    self.contradicted = true;
                    effects.push(Effect::LogContradicts);
                }
            }
            Err(reason) => {
                self.peers.exclude(from);
                effects.push(Effect::Blame { peer: from, reason });
            }
        }
    }

    fn take_state(&mut self, chunk: StateChunk, effects: &mut Vec<Effect>) -> Result<(), ChunkError> {
        let range = verify::state_chunk(&self.progress.target.checkpoint, &chunk)?;
        self.progress.next_bucket = range.end();
        self.store(FetchWrite::State { range, pairs: chunk.pairs }, effects);
        Ok(())
    }

    fn take_log(&mut self, chunk: LogChunk, effects: &mut Vec<Effect>) -> Result<(), ChunkError> {
        let FetchProgress { target, log, .. } = &self.progress;
        let after = verify::log_chunk(&self.identity, &target.checkpoint, log, &chunk)?;
        self.tied = true;
        let convicted = self.peers.convict();
        effects.extend(convicted.into_iter().map(|(peer, reason)| Effect::Blame { peer, reason }));
        self.progress.log = after.clone();
        self.store(FetchWrite::Log { records: chunk.records, log: after }, effects);
        Ok(())
    }

    fn how_far(&self) -> Progress {
        Progress {
            buckets: self.progress.next_bucket,
            entries: self.progress.log.size(),
            of_entries: self.progress.target.checkpoint.log_size,
        }
    }

    fn is_fetched(&self, part: Part) -> bool {
        match part {
            Part::State => self.progress.next_bucket == STATE_BUCKETS,
            Part::Log => self.progress.log.size() == self.progress.target.checkpoint.log_size,
        }
    }

    /// Asks for each part that is not being asked for.
    fn ask(&mut self, now_ms: u64, effects: &mut Vec<Effect>) {
        for part in Part::ALL {
            let idle = self.is_fetched(part) || (part == Part::Log && self.contradicted);
            if idle || self.peers.is_asked(part) || self.unstored >= MAX_UNSTORED {
                continue;
            }
            let stuck = &mut self.stuck_until_ms[part as usize];
            match *stuck {
                Some(until_ms) if now_ms < until_ms => continue,
                Some(_) => {
                    *stuck = None;
                    self.peers.forgive(part);
                }
                None => {}
            }
            if let Some(to) = self.peers.choose(part) {
                self.peers.ask(to, part, now_ms, now_ms + self.timeout_ms);
                effects.push(Effect::Send { to, message: self.request(part) });
            } else if self.peers.is_hopeless(part) {
                self.stuck_until_ms[part as usize] = Some(now_ms + self.config.pause_ms);
                effects.push(self.stuck(part));
            }
        }
    }

    fn request(&self, part: Part) -> TransferMessage {
        let FetchProgress { target, log, next_bucket, .. } = &self.progress;
        let (sequence, size) = (target.checkpoint.sequence, target.checkpoint.log_size);
        match part {
            Part::State => TransferMessage::StateWanted(StateWanted { sequence, from: *next_bucket }),
            Part::Log => TransferMessage::LogWanted(LogWanted { sequence, size, from: log.size() }),
        }
    }

    /// What to tell the caller when nobody is left to ask for `part`.
    fn stuck(&self, part: Part) -> Effect {
        match part {
            Part::State => match self.peers.newer(self.progress.target.checkpoint.sequence) {
                newer if newer.is_empty() => Effect::Stalled,
                newer => Effect::Retarget(newer),
            },
            Part::Log => Effect::Stalled,
        }
    }
}
