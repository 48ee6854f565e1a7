//! The links to the other replicas: authenticated, bounded, and unable to stall the node.
//!
//! Every node dials every other replica and sends on the connection that it dialled; it receives on those
//! that it accepted. So a pair has two connections with one direction each. One connection a pair would
//! need a rule for both ends dialling at once, and a half-open one would take both directions away; here
//! each end mends the direction that it needs by itself.
//!
//! # What holds
//! - TLS 1.3 with raw public keys (RFC 7250), each end pinned to the ed25519 keys of the roster.
//!   Whoever connects proves the key before a byte of it is read. Whoever cannot has one of a bounded number
//!   of places, and displaces those of its own address first.
//! - The roster changes while the links run ([`Transport::reconfigure`]). Links of peers that stay under the
//!   same key are not touched. A peer that is gone, or whose key changed, is cut off at once: what waits for
//!   it is dropped, and what came from it is not handed on.
//! - Before anything else both ends say hello: protocol version, group, account, and the epoch for
//!   information. A link to another group is refused with a message that says so. Another epoch is no reason
//!   to refuse: whoever is behind could be helped by nobody. What frames say of an epoch is the reader's to
//!   judge.
//! - Frames are length-prefixed and bounded. What is longer, or no hello where one is due, ends the
//!   connection and is counted; [`Transport::blame`] does the same for what only the reader can judge.
//! - A peer's unread frames have a budget in bytes, taken before a frame is read. One peer's flood costs
//!   that peer its speed, and neither memory nor another peer's turn.
//! - Sending never waits. A peer that is slow, dead or unreachable has a bounded queue whose oldest frames
//!   are dropped: the consensus core repeats what matters, and the newest says most.
//! - Both ends send a heartbeat when they have nothing to say, so a link that died without a word is noticed
//!   within seconds.
//! - Nothing here is durable or exactly once: frames may be lost, and delivered twice by their sender only.

mod accept;
mod counters;
mod dial;
mod framing;
mod handshakes;
mod hello;
mod peer;
mod queue;
mod roster;
mod tls;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;
use std::{io, mem};

use quorate_protocol::group::MAX_MEMBERS;
use quorate_protocol::{AgentId, AgentKey, Epoch, GroupIdentity, PublicKey};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use crate::error::NodeError;
use counters::Count;
pub use counters::PeerStatus;
pub use framing::read_short;
pub use hello::Hello;
use peer::Peer;
pub use peer::{Frames, PeerFrame};
pub use roster::Roster;
use roster::{Current, Linked};

/// How often an end that has nothing to say shows that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// After so long without a byte a link is dead. Also the bound of every step of a handshake.
const SILENCE: Duration = Duration::from_secs(5);
/// A peer's budget takes so many frames, however short they are.
const FRAMES_PER_BUDGET: u32 = 1024;

/// What is received and not yet read has so many places. The peers' budgets fill all of theirs; the other half
/// is for what still waits of peers that a change of the roster cut off.
const RECEIVED_FRAMES: usize = 2 * MAX_MEMBERS * FRAMES_PER_BUDGET as usize;
const NOT_POISONED: &str = "nothing panics while it holds the roster";

/// What a [`Transport`] needs to know.
#[derive(Clone, Debug)]
pub struct TransportConfig {
    /// The group.
    pub identity: GroupIdentity,
    /// The replicas to begin with. This node need not be one of them, yet or any more: it dials them all the
    /// same, and they let it in once their own roster has it.
    pub roster: Roster,
    /// This node's account.
    pub me: AgentId,
    /// This node's key, the one that the others know `me` by.
    pub key: AgentKey,
    /// Where to listen.
    pub listen: SocketAddr,
    /// `host:port` of other nodes, also of some that are no replicas yet. A replica without one is not sent
    /// to.
    pub endpoints: BTreeMap<AgentId, String>,
    /// The most bytes of a frame. Also each peer's budget of frames that are received and not yet dropped,
    /// and half of what may wait to be sent to it.
    pub max_frame_bytes: usize,
}

/// The running links. Clones share them; dropping the last one ends them all.
#[derive(Clone, Debug)]
pub struct Transport {
    shared: Arc<Shared>,
    local: SocketAddr,
    runtime: Handle,
    /// Nothing after the end. Whoever changes the roster holds it all the while.
    tasks: Arc<Mutex<Option<JoinSet<()>>>>,
}

/// What all tasks of a transport know.
#[derive(Debug)]
struct Shared {
    identity: GroupIdentity,
    me: AgentId,
    tls: tls::Identity,
    endpoints: BTreeMap<AgentId, String>,
    max_frame_bytes: usize,
    current: RwLock<Current>,
    /// Frames given up, also those of peers that are gone.
    dropped: Count,
}

impl Transport {
    /// Listens, dials all peers that have an endpoint, and keeps doing so. Must be called within a tokio
    /// runtime; the frames may also be read from a thread outside of it.
    ///
    /// # Errors
    /// [`NodeError::PortTaken`], [`NodeError::Listen`], or [`NodeError::Tls`] for a key that TLS refuses.
    pub async fn start(config: TransportConfig) -> Result<(Self, Frames), NodeError> {
        let address = config.listen;
        let listener = TcpListener::bind(address)
            .await
            .map_err(|source| NodeError::listen("peers.listen", address, source))?;
        Self::start_on(listener, config)
    }

    fn start_on(listener: TcpListener, config: TransportConfig) -> Result<(Self, Frames), NodeError> {
        let local = listener
            .local_addr()
            .map_err(|source| NodeError::listen("peers.listen", config.listen, source))?;
        let roster = config.roster.clone();
        let transport = Self {
            shared: Arc::new(Shared::new(config)?),
            local,
            runtime: Handle::current(),
            tasks: Arc::new(Mutex::new(Some(JoinSet::new()))),
        };
        transport.reconfigure(roster)?;
        let (frames, receiver) = mpsc::channel(RECEIVED_FRAMES);
        if let Some(tasks) = &mut *transport.tasks() {
            tasks.spawn(accept::run(transport.shared.clone(), listener, frames));
        }
        Ok((transport, Frames(receiver)))
    }

    /// Changes who the peers are. May be called from any thread.
    ///
    /// Links with peers that stay under the same key go on undisturbed. A peer that is gone, or whose key
    /// changed, is cut off before this returns: nothing more is queued for it or handed on from it. New peers
    /// are let in, and dialled if they have an endpoint. After [`Self::close`] it does nothing.
    ///
    /// # Errors
    /// [`NodeError::Tls`]; then nothing has changed.
    pub fn reconfigure(&self, roster: Roster) -> Result<(), NodeError> {
        let mut tasks = self.tasks();
        let Some(tasks) = &mut *tasks else { return Ok(()) };
        let Roster { epoch, mut replicas } = roster;
        replicas.retain(|(agent, _)| *agent != self.shared.me);
        let acceptor = self.shared.tls.acceptor(replicas.iter().map(|(_, key)| *key))?;
        let new: Vec<((AgentId, PublicKey), TlsConnector)> = {
            let current = self.shared.current();
            let new = replicas.iter().filter(|replica| !current.peers.contains_key(replica));
            new.map(|replica| Ok((*replica, self.shared.tls.dialer(&replica.1)?)))
                .collect::<Result<_, NodeError>>()?
        };
        let new: Vec<((AgentId, PublicKey), Linked)> = new
            .into_iter()
            .map(|(replica, tls)| (replica, self.link(tasks, replica.0, replica.1, tls)))
            .collect();
        let gone: Vec<Linked> = {
            let mut current = self.shared.current.write().expect(NOT_POISONED);
            current.epoch = epoch;
            current.acceptor = acceptor;
            let (kept, gone) = mem::take(&mut current.peers)
                .into_iter()
                .partition(|(replica, _)| replicas.contains(replica));
            current.peers = kept;
            current.peers.extend(new);
            BTreeMap::into_values(gone).collect()
        };
        for linked in gone {
            linked.retire();
            tracing::info!(peer = %linked.peer.agent, %epoch, "cut off: no replica under this key any more");
        }
        // Those that were cut off earlier.
        while tasks.try_join_next().is_some() {}
        Ok(())
    }

    /// Who the peers are.
    pub fn roster(&self) -> Roster {
        let current = self.shared.current();
        let replicas = current.peers().map(|peer| (peer.agent, peer.key)).collect();
        Roster { epoch: current.epoch, replicas }
    }

    /// A new peer, dialled if it has an endpoint.
    fn link(&self, tasks: &mut JoinSet<()>, agent: AgentId, key: PublicKey, tls: TlsConnector) -> Linked {
        let peer = Arc::new(Peer::new(agent, key, self.shared.max_frame_bytes));
        let Some(endpoint) = self.shared.endpoints.get(&agent) else {
            tracing::warn!(
                peer = %agent,
                "no endpoint is configured for this replica: add it to peers.replicas"
            );
            return Linked { peer, dialling: None };
        };
        let dialling = dial::run(self.shared.clone(), peer.clone(), endpoint.clone(), tls);
        Linked { peer, dialling: Some(tasks.spawn_on(dialling, &self.runtime)) }
    }

    /// Ends all links and frees the port. Afterwards nothing is sent or received any more.
    pub async fn close(&self) {
        let tasks = self.tasks().take();
        if let Some(mut tasks) = tasks {
            tasks.shutdown().await;
        }
    }

    /// The address that the node listens on.
    pub fn local_address(&self) -> SocketAddr {
        self.local
    }

    /// Queues a frame for one replica. To whoever is no peer, this node among them, it does nothing.
    ///
    /// Never waits: when the peer's queue is full, its oldest frames are dropped and counted. So is a frame
    /// that is longer than the bound.
    pub fn send(&self, to: AgentId, frame: Arc<[u8]>) {
        for peer in self.shared.current().peers_of(to) {
            self.queue(peer, frame.clone());
        }
    }

    /// Queues a frame for all other replicas, as [`Self::send`] does for one.
    pub fn broadcast(&self, frame: Arc<[u8]>) {
        for peer in self.shared.current().peers() {
            self.queue(peer, frame.clone());
        }
    }

    /// Ends the connection of a replica that sent what no correct one sends, counts it, and refuses new
    /// connections of it for a few seconds.
    pub fn blame(&self, from: AgentId, reason: &str) {
        for peer in self.shared.current().peers_of(from) {
            tracing::warn!(peer = %from, reason, "a replica sent garbage; its connection is cut");
            peer.counters.garbage.add(1);
            peer.incoming.bar();
        }
    }

    /// How the links are, one status a peer and key, in ascending order of the accounts.
    pub fn peers(&self) -> Vec<PeerStatus> {
        self.shared.current().peers().map(|peer| peer.counters.status(peer.agent)).collect()
    }

    /// How many frames were given up since the start, also those to peers that are gone.
    pub fn dropped_frames(&self) -> u64 {
        self.shared.dropped.now()
    }

    fn tasks(&self) -> MutexGuard<'_, Option<JoinSet<()>>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn queue(&self, peer: &Peer, frame: Arc<[u8]>) {
        if frame.len() > self.shared.max_frame_bytes || frame.is_empty() {
            tracing::error!(
                peer = %peer.agent, bytes = frame.len(), max = self.shared.max_frame_bytes,
                "a frame of this node is empty or too long and is not sent; please report this"
            );
            self.shared.count_dropped(peer, 1);
            return;
        }
        self.shared.count_dropped(peer, peer.queue.push(frame));
    }
}

impl Shared {
    /// Knows nobody yet.
    fn new(config: TransportConfig) -> Result<Self, NodeError> {
        let TransportConfig { identity, roster, me, key, endpoints, max_frame_bytes, .. } = config;
        let tls = tls::Identity::new(&key)?;
        let acceptor = tls.acceptor(std::iter::empty())?;
        let current = Current { epoch: roster.epoch, acceptor, peers: BTreeMap::new() };
        let (current, dropped) = (RwLock::new(current), Count::default());
        Ok(Self { identity, me, tls, endpoints, max_frame_bytes, current, dropped })
    }

    fn current(&self) -> RwLockReadGuard<'_, Current> {
        self.current.read().expect(NOT_POISONED)
    }

    /// Exchanges hellos on a connection whose other end has proved to be `peer`.
    async fn greet<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: &mut S, peer: &Peer) -> io::Result<()> {
        let hello = Hello::new(self.identity, self.current().epoch, self.me);
        let epoch: Epoch = hello.exchange(stream, peer.agent).await?;
        peer.counters.set_epoch(epoch);
        Ok(())
    }

    fn count_dropped(&self, peer: &Peer, frames: u64) {
        peer.counters.dropped.add(frames);
        self.dropped.add(frames);
    }

    /// The share of a peer's budget that a frame of `length` bytes takes.
    fn share(&self, length: usize) -> u32 {
        let budget = u32::try_from(self.max_frame_bytes).unwrap_or(u32::MAX);
        let least = budget.div_ceil(FRAMES_PER_BUDGET);
        u32::try_from(length).unwrap_or(u32::MAX).clamp(least, budget)
    }
}
