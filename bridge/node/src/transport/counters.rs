//! What is counted about a peer.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use quorate_protocol::{AgentId, Epoch};

/// How the links with one peer are. Counts are since it became a peer under its present key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerStatus {
    /// The peer.
    pub agent: AgentId,
    /// The epoch that it was in when the newest of its links was made; nothing before the first.
    pub epoch: Option<Epoch>,
    /// Whether frames to it find a connection now.
    pub sending: bool,
    /// Whether it has a connection to this node now.
    pub receiving: bool,
    /// Connections to it that were established.
    pub dials: u64,
    /// Frames written to it. They may still have been lost on the way.
    pub sent_frames: u64,
    /// Bytes of them.
    pub sent_bytes: u64,
    /// Frames to it that were given up: its queue was full, or its connection broke while they were written.
    pub dropped_frames: u64,
    /// Frames received from it.
    pub received_frames: u64,
    /// Bytes of them.
    pub received_bytes: u64,
    /// Connections of it that were refused: another group, account or version, or too soon after garbage.
    pub refused: u64,
    /// How often it sent what no correct replica sends.
    pub garbage: u64,
}

/// A count that many tasks add to.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    /// Adds `n`.
    pub(super) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// The count so far.
    pub(super) fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How many hold something at the moment.
#[derive(Debug, Default)]
pub(super) struct Gauge(AtomicU64);

impl Gauge {
    /// Counts one until the returned guard is dropped.
    pub(super) fn hold(&self) -> Held<'_> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Held(self)
    }

    fn any(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

/// One that a [`Gauge`] counts.
#[derive(Debug)]
pub(super) struct Held<'a>(&'a Gauge);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

const NOT_POISONED: &str = "nothing panics while it holds an epoch";

/// The counts behind a [`PeerStatus`], each described there.
#[derive(Debug, Default)]
pub(super) struct Counters {
    epoch: Mutex<Option<Epoch>>,
    pub(super) sending: Gauge,
    pub(super) receiving: Gauge,
    pub(super) dials: Count,
    pub(super) sent_frames: Count,
    pub(super) sent_bytes: Count,
    pub(super) dropped: Count,
    pub(super) received_frames: Count,
    pub(super) received_bytes: Count,
    pub(super) refused: Count,
    pub(super) garbage: Count,
}

impl Counters {
    /// Notes the epoch that the peer says it is in.
    pub(super) fn set_epoch(&self, epoch: Epoch) {
        *self.epoch.lock().expect(NOT_POISONED) = Some(epoch);
    }

    /// The counts now.
    pub(super) fn status(&self, agent: AgentId) -> PeerStatus {
        PeerStatus {
            agent,
            epoch: *self.epoch.lock().expect(NOT_POISONED),
            sending: self.sending.any(),
            receiving: self.receiving.any(),
            dials: self.dials.now(),
            sent_frames: self.sent_frames.now(),
            sent_bytes: self.sent_bytes.now(),
            dropped_frames: self.dropped.now(),
            received_frames: self.received_frames.now(),
            received_bytes: self.received_bytes.now(),
            refused: self.refused.now(),
            garbage: self.garbage.now(),
        }
    }
}
