//! What the handlers share.

use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use quorate_protocol::api::{ErrorCode, MAX_WAIT_MS};
use quorate_protocol::{AgentId, EntryIndex, Group, Receipt, TimestampMs};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};

use super::error::{ApiError, ApiResult};
use super::handle::NodeHandle;
use super::limits::RateLimiter;
use crate::config::HttpConfig;
use crate::ledger::{LedgerError, LedgerReader};

/// How long a request waits for a result when it does not say.
const DEFAULT_WAIT_MS: u64 = 10_000;

/// What the handlers share. Cheap to clone.
#[derive(Clone)]
pub(super) struct Api(Arc<Shared>);

struct Shared {
    node: NodeHandle,
    config: HttpConfig,
    addresses: RateLimiter<IpAddr>,
    agents: RateLimiter<AgentId>,
    closing: watch::Receiver<bool>,
}

impl Api {
    pub(super) fn new(config: &HttpConfig, node: NodeHandle, closing: watch::Receiver<bool>) -> Self {
        Self(Arc::new(Shared {
            node,
            addresses: RateLimiter::new(config.requests_per_second),
            agents: RateLimiter::new(config.commands_per_second),
            config: config.clone(),
            closing,
        }))
    }

    pub(super) fn node(&self) -> &NodeHandle {
        &self.0.node
    }

    pub(super) fn ledger(&self) -> &LedgerReader {
        &self.0.node.ledger
    }

    /// The group of the epoch that the node is in.
    pub(super) fn group(&self) -> Arc<Group> {
        self.ledger().read(|ledger| Arc::clone(ledger.group()))
    }

    pub(super) fn config(&self) -> &HttpConfig {
        &self.0.config
    }

    pub(super) fn addresses(&self) -> &RateLimiter<IpAddr> {
        &self.0.addresses
    }

    pub(super) fn agents(&self) -> &RateLimiter<AgentId> {
        &self.0.agents
    }

    /// Fails when the ledger has diverged.
    pub(super) fn check_serving(&self) -> ApiResult<()> {
        let progress = self.ledger().progress();
        if progress.closed {
            let detail = "the node fetches the group's state; ask another node";
            return Err(ApiError::new(ErrorCode::NotReady, detail));
        }
        if !progress.diverged {
            return Ok(());
        }
        match self.ledger().read(crate::ledger::Ledger::divergence) {
            Some(divergence) => Err(divergence.into()),
            None => Ok(()),
        }
    }

    /// Runs `query`, which may read from disk, where that holds up nobody else.
    pub(super) async fn query<T: Send + 'static>(
        &self,
        query: impl FnOnce(&LedgerReader) -> Result<T, LedgerError> + Send + 'static,
    ) -> ApiResult<T> {
        let ledger = self.ledger().clone();
        match spawn_blocking(move || query(&ledger)).await {
            Ok(answer) => Ok(answer?),
            Err(error) => {
                tracing::error!(%error, "a query of the ledger did not end");
                Err(ApiError::new(ErrorCode::Internal, "the node cannot read its log; ask another node"))
            }
        }
    }

    /// The receipt of a certified entry; without a detour over another thread when the record is in memory.
    pub(super) async fn receipt(&self, index: EntryIndex) -> ApiResult<Option<Receipt>> {
        match self.ledger().receipt_in_memory(index) {
            Some(receipt) => Ok(Some(receipt)),
            None => self.query(move |ledger| ledger.receipt(index)).await,
        }
    }

    /// Waits for `future` until `deadline`, or until the node stops; nothing if it was not done by then.
    pub(super) async fn until<T>(&self, deadline: Instant, future: impl Future<Output = T>) -> Option<T> {
        let mut closing = self.0.closing.clone();
        tokio::select! {
            result = timeout_at(deadline, future) => result.ok(),
            () = async { drop(closing.wait_for(|closing| *closing).await) } => None,
        }
    }

    /// Done when the node stops serving.
    pub(super) fn closing(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut closing = self.0.closing.clone();
        async move { drop(closing.wait_for(|closing| *closing).await) }
    }
}

/// Until when a request with this `wait_ms` may wait.
pub(super) fn deadline(wait_ms: Option<u64>) -> Instant {
    Instant::now() + Duration::from_millis(wait_ms.unwrap_or(DEFAULT_WAIT_MS).min(MAX_WAIT_MS))
}

/// The wall clock.
pub(super) fn wall_clock() -> TimestampMs {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    TimestampMs(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}
