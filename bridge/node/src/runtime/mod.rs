//! The running node: everything is put together here, and taken apart in order.
//!
//! ```text
//! transport ─> inbound (decode, structure) ─> verify pool ─┐
//! HTTP API  ─> admission ──────────────────> verify pool ──┼─> core ─> WAL ─> transport
//! anchoring service ───────────────────────────────────────┘      └─> store
//! ```
//!
//! [`Node::start`] reads what is on disk, opens the ports and starts the threads. The core's thread ends
//! when it is told to or when the storage fails; the rest ends with it.

mod announcements;
mod driver;
mod inbound;
mod marker;
mod records;
mod recover;
mod requests;
mod start;
mod verifier;
mod watches;

pub use self::start::KnownGroup;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::mpsc::SyncSender;
use std::thread;

use quorate_protocol::{AccountKey, AgentKey};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::anchored::AnchoringLinks;
use crate::core::CoreEvent;
use crate::error::NodeError;
use crate::ledger::LedgerReader;
use crate::metrics::Metrics;
use crate::transport::Transport;

/// A replica's keys, decrypted.
#[derive(Clone, Debug)]
pub struct NodeKeys {
    /// Signs checkpoints and anchors.
    pub account: AccountKey,
    /// Signs consensus messages and attestations, and identifies the node to its peers.
    pub agent: AgentKey,
    /// The keystore of `agent`. A file beside it remembers that the key has spoken, so that a node that lost
    /// its data directory does not contradict itself. Without it, whoever starts the node sees to that.
    pub agent_keystore: Option<PathBuf>,
}

/// A running node.
///
/// Dropping it stops the node too, without waiting; [`Node::shutdown`] waits until all is on disk.
pub struct Node {
    core: SyncSender<CoreEvent>,
    stopped: Option<oneshot::Receiver<Result<(), NodeError>>>,
    /// Closes the API, and the task that serves it.
    api: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
    tasks: Vec<JoinHandle<()>>,
    /// Answers replicas that are behind; it ends with the core, and holds the store until then.
    supply: Option<thread::JoinHandle<()>>,
    transport: Transport,
    http: SocketAddr,
    links: AnchoringLinks,
    ledger: LedgerReader,
    metrics: Metrics,
}

impl Node {
    /// Where the HTTP API listens.
    pub fn http_address(&self) -> SocketAddr {
        self.http
    }

    /// Where the node listens for its peers.
    pub fn peers_address(&self) -> SocketAddr {
        self.transport.local_address()
    }

    /// What the anchoring service reads from the node and tells it.
    pub fn anchoring_links(&self) -> AnchoringLinks {
        self.links.clone()
    }

    /// The executed state.
    pub fn ledger(&self) -> &LedgerReader {
        &self.ledger
    }

    /// The node's numbers.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Waits until the node has stopped by itself, which it does only when its storage fails.
    ///
    /// # Errors
    /// What made it stop.
    pub async fn stopped(&mut self) -> Result<(), NodeError> {
        match self.stopped.as_mut() {
            Some(stopped) => match stopped.await {
                Ok(result) => {
                    self.stopped = None;
                    result
                }
                Err(_) => Err(NodeError::Invariant("the core's thread panicked".into())),
            },
            None => Ok(()),
        }
    }

    /// Stops the node and waits until all that it executed is on disk.
    ///
    /// # Errors
    /// When the storage fails on the way.
    pub async fn shutdown(mut self) -> Result<(), NodeError> {
        if let Some((close, api)) = self.api.take() {
            // Whoever waits for an answer is told to ask another node.
            let _ = close.send(());
            let _ = api.await;
        }
        let core = self.core.clone();
        // The queue may be full for a moment; the core is gone only when it has stopped already.
        let _ = tokio::task::spawn_blocking(move || core.send(CoreEvent::Shutdown).is_ok()).await;
        let result = self.stopped().await;
        // Some hold the store: whoever starts the node again finds it closed.
        for task in std::mem::take(&mut self.tasks) {
            task.abort();
            let _ = task.await;
        }
        if let Some(supply) = self.supply.take() {
            let _ = tokio::task::spawn_blocking(move || supply.join().is_ok()).await;
        }
        self.transport.close().await;
        result
    }

    fn stop_tasks(&mut self) {
        for task in self.tasks.drain(..) {
            task.abort();
        }
    }
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node")
            .field("http", &self.http)
            .field("peers", &self.peers_address())
            .finish_non_exhaustive()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Best effort: if the queue is full, the channel's end stops the core soon after.
        let _ = self.core.try_send(CoreEvent::Shutdown);
        self.stop_tasks();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let transport = self.transport.clone();
            runtime.spawn(async move { transport.close().await });
        }
    }
}
