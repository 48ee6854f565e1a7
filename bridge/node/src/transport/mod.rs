//! The links to the other replicas: authenticated, bounded, and unable to stall the node.
//!
//! Every node dials every other replica and sends on the connection that it dialled; it receives on those
//! that it accepted. So a pair has two connections with one direction each. One connection a pair would
//! need a rule for both ends dialling at once, and a half-open one would take both directions away; here
//! each end mends the direction that it needs by itself.
//!
//! # What holds
//! - TLS 1.3 with raw public keys (RFC 7250), each end pinned to the ed25519 keys of the epoch's replicas.
//!   Whoever connects proves the key before a byte of it is read.
//! - Before anything else both ends say hello: protocol version, group, epoch and account.
//!   A link to another group or epoch is refused with a message that says so.
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
mod hello;
mod queue;
mod tls;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use quorate_protocol::{AgentId, AgentKey, Epoch, GroupIdentity, PublicKey, ReplicaIndex, ReplicaSet};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;

use crate::error::NodeError;
use accept::Incoming;
use counters::Counters;
pub use counters::PeerStatus;
use hello::Hello;
use queue::SendQueue;

/// How often an end that has nothing to say shows that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// After so long without a byte a link is dead. Also the bound of every step of a handshake.
const SILENCE: Duration = Duration::from_secs(5);
/// A peer's budget takes so many frames, however short they are.
const FRAMES_PER_BUDGET: u32 = 1024;

/// What a [`Transport`] needs to know. It holds for one epoch; another epoch needs another transport.
#[derive(Clone, Debug)]
pub struct TransportConfig {
    /// The group.
    pub identity: GroupIdentity,
    /// The epoch that `replicas` holds for.
    pub epoch: Epoch,
    /// The replicas of the epoch, this one included.
    pub replicas: ReplicaSet,
    /// This node's replica.
    pub me: ReplicaIndex,
    /// This node's key, which is `me`'s.
    pub key: AgentKey,
    /// Where to listen.
    pub listen: SocketAddr,
    /// `host:port` of the other replicas. One without is not sent to until it is configured.
    pub endpoints: BTreeMap<AgentId, String>,
    /// The most bytes of a frame. Also each peer's budget of frames that are received and not yet dropped,
    /// and half of what may wait to be sent to it.
    pub max_frame_bytes: usize,
}

/// A frame from a peer. Dropping it gives its share of the peer's budget back, so keep it only until its
/// content is judged.
#[derive(Debug)]
pub struct PeerFrame {
    /// The replica that sent it, by its proven key.
    pub from: ReplicaIndex,
    /// Its content.
    pub bytes: Vec<u8>,
    _budget: OwnedSemaphorePermit,
}

/// The running links. Clones share them; dropping the last one ends them all.
#[derive(Clone, Debug)]
pub struct Transport {
    shared: Arc<Shared>,
    local: SocketAddr,
    tasks: Arc<Mutex<JoinSet<()>>>,
}

/// What all tasks of a transport know.
#[derive(Debug)]
struct Shared {
    hello: Hello,
    tls: tls::Identity,
    replicas: ReplicaSet,
    max_frame_bytes: usize,
    /// By replica index; nothing at this node's own.
    peers: Vec<Option<Arc<Peer>>>,
}

/// What is kept about one other replica.
#[derive(Debug)]
struct Peer {
    index: ReplicaIndex,
    agent: AgentId,
    key: PublicKey,
    queue: SendQueue,
    /// Bytes of received frames that may be in memory.
    budget: Arc<Semaphore>,
    incoming: Incoming,
    counters: Counters,
}

impl Transport {
    /// Listens, dials all peers that have an endpoint, and keeps doing so. Must be called within a tokio
    /// runtime; the receiver may also be read from a thread outside of it.
    ///
    /// # Errors
    /// [`NodeError::PortTaken`], [`NodeError::Listen`], or [`NodeError::Tls`] for a key that TLS refuses.
    ///
    /// # Panics
    /// When `me` is no replica of `replicas`.
    pub async fn start(config: TransportConfig) -> Result<(Self, mpsc::Receiver<PeerFrame>), NodeError> {
        let address = config.listen;
        let listener = TcpListener::bind(address)
            .await
            .map_err(|source| NodeError::listen("peers.listen", address, source))?;
        Self::start_on(listener, config)
    }

    fn start_on(
        listener: TcpListener,
        config: TransportConfig,
    ) -> Result<(Self, mpsc::Receiver<PeerFrame>), NodeError> {
        let local = listener
            .local_addr()
            .map_err(|source| NodeError::listen("peers.listen", config.listen, source))?;
        let endpoints = config.endpoints.clone();
        let shared = Arc::new(Shared::new(config)?);
        // Each peer's budget bounds what it can have in here, so the channel itself never fills up.
        let (frames, receiver) = mpsc::channel(shared.peers.len() * FRAMES_PER_BUDGET as usize);
        let mut tasks = JoinSet::new();
        for peer in shared.peers.iter().flatten() {
            match endpoints.get(&peer.agent) {
                Some(endpoint) => {
                    let tls = shared.tls.dialer(&peer.key)?;
                    tasks.spawn(dial::run(shared.clone(), peer.clone(), endpoint.clone(), tls));
                }
                None => tracing::warn!(
                    peer = %peer.agent,
                    "no endpoint is configured for this replica: add it to peers.replicas"
                ),
            }
        }
        let tls = shared.tls.acceptor(shared.peers.iter().flatten().map(|peer| peer.key))?;
        tasks.spawn(accept::run(shared.clone(), listener, tls, frames));
        Ok((Self { shared, local, tasks: Arc::new(Mutex::new(tasks)) }, receiver))
    }

    /// Ends all links and frees the port. Afterwards nothing is sent or received any more.
    pub async fn close(&self) {
        let mut tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        tasks.shutdown().await;
    }

    /// The address that the node listens on.
    pub fn local_address(&self) -> SocketAddr {
        self.local
    }

    /// Queues a frame for one replica. To this node itself, or to nobody's index, it does nothing.
    ///
    /// Never waits: when the peer's queue is full, its oldest frames are dropped and counted. So is a frame
    /// that is longer than the bound.
    pub fn send(&self, to: ReplicaIndex, frame: Arc<[u8]>) {
        if let Some(peer) = self.peer(to) {
            self.queue(peer, frame);
        }
    }

    /// Queues a frame for all other replicas, as [`Self::send`] does for one.
    pub fn broadcast(&self, frame: Arc<[u8]>) {
        for peer in self.shared.peers.iter().flatten() {
            self.queue(peer, frame.clone());
        }
    }

    /// Ends the connection of a replica that sent what no correct one sends, counts it, and refuses new
    /// connections of it for a few seconds.
    pub fn blame(&self, from: ReplicaIndex, reason: &str) {
        if let Some(peer) = self.peer(from) {
            tracing::warn!(peer = %peer.agent, reason, "a replica sent garbage; its connection is cut");
            peer.counters.garbage.add(1);
            peer.incoming.bar();
        }
    }

    /// How the links are, one status a peer, in the order of the replicas.
    pub fn peers(&self) -> Vec<PeerStatus> {
        self.shared.peers.iter().flatten().map(|peer| peer.counters.status(peer.index, peer.agent)).collect()
    }

    fn peer(&self, index: ReplicaIndex) -> Option<&Arc<Peer>> {
        self.shared.peers.get(usize::from(index.0))?.as_ref()
    }

    fn queue(&self, peer: &Peer, frame: Arc<[u8]>) {
        if frame.len() > self.shared.max_frame_bytes || frame.is_empty() {
            tracing::error!(
                peer = %peer.agent, bytes = frame.len(), max = self.shared.max_frame_bytes,
                "a frame of this node is empty or too long and is not sent; please report this"
            );
            peer.counters.dropped.add(1);
            return;
        }
        peer.counters.dropped.add(peer.queue.push(frame));
    }
}

impl Shared {
    fn new(config: TransportConfig) -> Result<Self, NodeError> {
        let TransportConfig { identity, epoch, replicas, me, key, max_frame_bytes, .. } = config;
        let own = replicas.at(me).expect("this node is one of the replicas");
        let hello = Hello::new(identity, epoch, own.agent);
        let peers = replicas
            .iter()
            .map(|(index, member)| {
                (index != me).then(|| {
                    Arc::new(Peer {
                        index,
                        agent: member.agent,
                        key: member.key,
                        queue: SendQueue::new(2 * max_frame_bytes),
                        budget: Arc::new(Semaphore::new(max_frame_bytes)),
                        incoming: Incoming::default(),
                        counters: Counters::default(),
                    })
                })
            })
            .collect();
        Ok(Self { hello, tls: tls::Identity::new(&key)?, replicas, max_frame_bytes, peers })
    }

    /// The share of a peer's budget that a frame of `length` bytes takes.
    fn share(&self, length: usize) -> u32 {
        let budget = u32::try_from(self.max_frame_bytes).unwrap_or(u32::MAX);
        let least = budget.div_ceil(FRAMES_PER_BUDGET);
        u32::try_from(length).unwrap_or(u32::MAX).clamp(least, budget)
    }
}
