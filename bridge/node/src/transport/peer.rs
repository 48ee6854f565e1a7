//! What is kept about one other replica, and the frames that come from it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use quorate_protocol::{AgentId, PublicKey};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::counters::Counters;
use super::dial::Never;
use super::queue::SendQueue;

/// How long a peer that sent garbage stays out.
const PENALTY: Duration = Duration::from_secs(3);

/// Another replica under one key. One whose key changes becomes another peer.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) agent: AgentId,
    pub(super) key: PublicKey,
    pub(super) queue: SendQueue,
    /// Bytes of received frames that may be in memory.
    pub(super) budget: Arc<Semaphore>,
    pub(super) incoming: Incoming,
    pub(super) counters: Counters,
    /// It is a replica no more, or no more under this key. Never taken back.
    retired: AtomicBool,
}

impl Peer {
    /// A peer without any link yet, and with bounds that follow from the longest frame.
    pub(super) fn new(agent: AgentId, key: PublicKey, max_frame_bytes: usize) -> Self {
        Self {
            agent,
            key,
            queue: SendQueue::new(2 * max_frame_bytes),
            budget: Arc::new(Semaphore::new(max_frame_bytes)),
            incoming: Incoming::default(),
            counters: Counters::default(),
            retired: AtomicBool::new(false),
        }
    }

    /// Ends its connection for good, and forgets what waits to be sent.
    pub(super) fn retire(&self) {
        self.retired.store(true, Ordering::Release);
        self.incoming.close();
        self.queue.close();
    }

    fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Acquire)
    }
}

/// The one connection that a peer may have to this node.
#[derive(Debug, Default)]
pub(super) struct Incoming(Mutex<Slot>);

#[derive(Debug, Default)]
struct Slot {
    /// Dropping it ends the connection.
    current: Option<oneshot::Sender<Never>>,
    barred_until: Option<Instant>,
    closed: bool,
}

const NOT_POISONED: &str = "nothing panics while it holds the slot";

impl Incoming {
    /// Ends the connection and refuses others for [`PENALTY`].
    pub(super) fn bar(&self) {
        let mut slot = self.0.lock().expect(NOT_POISONED);
        slot.current = None;
        slot.barred_until = Some(Instant::now() + PENALTY);
    }

    /// Ends the connection and refuses all others. A handshake that is under way comes too late.
    fn close(&self) {
        let mut slot = self.0.lock().expect(NOT_POISONED);
        slot.current = None;
        slot.closed = true;
    }

    /// Makes room for a new connection by ending the one before, which is half-open if the peer is correct.
    /// The receiver errs when the new one must end in turn. Nothing for a peer that is barred or gone.
    pub(super) fn admit(&self) -> Option<oneshot::Receiver<Never>> {
        let mut slot = self.0.lock().expect(NOT_POISONED);
        if slot.closed || slot.barred_until.is_some_and(|until| Instant::now() < until) {
            return None;
        }
        let (current, ended) = oneshot::channel();
        slot.current = Some(current);
        Some(ended)
    }
}

/// A frame from a peer. Dropping it gives its share of the peer's budget back, so keep it only until its
/// content is judged.
#[derive(Debug)]
pub struct PeerFrame {
    /// The replica that sent it, by its proven key.
    pub from: AgentId,
    /// Its content.
    pub bytes: Vec<u8>,
    pub(super) peer: Arc<Peer>,
    pub(super) _budget: OwnedSemaphorePermit,
}

/// The frames that come from all peers, those of one peer in the order that it sent them.
///
/// Frames of a peer that was cut off by a change of the roster are left out, also those that had come before.
#[derive(Debug)]
pub struct Frames(pub(super) mpsc::Receiver<PeerFrame>);

impl Frames {
    /// Waits for the next frame; nothing after the transport ended.
    pub async fn recv(&mut self) -> Option<PeerFrame> {
        loop {
            let frame = self.0.recv().await?;
            if !frame.peer.is_retired() {
                return Some(frame);
            }
        }
    }

    /// As [`Self::recv`], for a thread outside of the tokio runtime.
    ///
    /// # Panics
    /// Within a tokio runtime.
    pub fn blocking_recv(&mut self) -> Option<PeerFrame> {
        loop {
            let frame = self.0.blocking_recv()?;
            if !frame.peer.is_retired() {
                return Some(frame);
            }
        }
    }
}
