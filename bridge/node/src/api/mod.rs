//! The HTTP API under `/v1`.
//!
//! Writes are self-authenticating: a signed command is checked, handed to the runtime and answered with the
//! receipt of its entry once a quorum has attested it. A command that was executed before is answered from
//! the ledger. Reads answer from this replica's own state; whatever must be trusted comes as a receipt or a
//! certificate, which the client checks by itself.
//!
//! Everything is bounded: connections, bodies, the rate of each address and of each agent, the time of a
//! request, those who wait. A body that is not a success is a
//! [`quorate_protocol::api::ErrorBody`]. A ledger that has diverged from its group's serves nothing.
//!
//! | module | what lives in it |
//! |---|---|
//! | `handle` | what the API needs of the node behind it |
//! | `state` | what the handlers share |
//! | `router` | the routes, and what happens around each request |
//! | `commands`, `group`, `proposals`, `entries`, `log`, `events`, `inbox`, `anchor`, `health` | the handlers |
//! | `body`, `error` | bodies in and out |
//! | `limits`, `listener` | bounds |
//! | `openapi` | the OpenAPI document, made from the handlers themselves |

mod anchor;
mod body;
mod commands;
mod entries;
mod error;
mod events;
mod group;
mod handle;
mod health;
mod inbox;
mod limits;
mod listener;
mod log;
mod openapi;
mod proposals;
mod router;
mod state;
#[cfg(test)]
mod tests;

use std::future::{Future, IntoFuture as _, pending};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::sleep;

pub use handle::{
    CommandVerifier, EvidenceReceiver, HandoverReceiver, NodeHandle, NodeStatus, Readiness, Submission,
    Verdict, VerifyError,
};

use crate::config::HttpConfig;
use crate::error::NodeError;
use crate::metrics::Gauge;
use listener::{BoundedListener, Remote};
use state::Api;

/// How long requests that are being answered may take to end after the signal to stop.
const GRACE: Duration = Duration::from_secs(5);
/// The most connections at once of `http.admin_listen`.
const ADMIN_CONNECTIONS: usize = 64;

/// Where the API listens.
pub struct Listeners {
    api: TcpListener,
    admin: Option<TcpListener>,
}

impl Listeners {
    /// The address of the API.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.api.local_addr()
    }

    /// The address on which health, readiness and metrics alone are served, where there is one.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn admin_address(&self) -> io::Result<Option<SocketAddr>> {
        self.admin.as_ref().map(TcpListener::local_addr).transpose()
    }
}

/// Listens on the configured addresses.
///
/// # Errors
/// [`NodeError::PortTaken`] or [`NodeError::Listen`].
pub async fn bind(config: &HttpConfig) -> Result<Listeners, NodeError> {
    let api = bind_to("http.listen", config.listen).await?;
    let admin = match config.admin_listen {
        Some(address) => Some(bind_to("http.admin_listen", address).await?),
        None => None,
    };
    Ok(Listeners { api, admin })
}

async fn bind_to(key: &'static str, address: SocketAddr) -> Result<TcpListener, NodeError> {
    TcpListener::bind(address).await.map_err(|error| NodeError::listen(key, address, error))
}

/// Serves the API on `listeners` until `shutdown` is done. Then nothing new is accepted, whoever waits is
/// told to ask another node, and after five seconds at most this returns.
pub async fn serve(
    listeners: Listeners,
    config: &HttpConfig,
    node: NodeHandle,
    shutdown: impl Future<Output = ()> + Send + 'static,
) {
    let (close, closing) = watch::channel(false);
    let mut closed = closing.clone();
    let connections = node.metrics.http_connections.clone();
    let api = Api::new(config, node, closing);
    // Whoever watches over the node needs few connections, and not those of the clients.
    let admin = listeners.admin.map(|admin| BoundedListener::new(admin, ADMIN_CONNECTIONS, Gauge::default()));
    let watched = serve_admin(admin, router::admin_router(api.clone()));
    let listener = BoundedListener::new(listeners.api, config.max_connections, connections);
    let service = router::router(api).into_make_service_with_connect_info::<Remote>();
    let signal = async move {
        shutdown.await;
        close.send_replace(true);
    };
    let server = axum::serve(listener, service).with_graceful_shutdown(signal).into_future();
    let out_of_grace = async {
        // The sender lives until it has sent.
        let _ = closed.wait_for(|closed| *closed).await;
        sleep(GRACE).await;
    };
    tokio::select! {
        // Serving ends only by the signal; errors of single connections end those alone.
        _ = server => {}
        () = watched => {}
        () = out_of_grace => tracing::warn!("some HTTP requests did not end in time and were cut off"),
    }
}

/// Serves what watches over the node, for as long as the API is served: up to its end a node says that it is not ready.
async fn serve_admin(listener: Option<BoundedListener>, routes: Router) {
    if let Some(listener) = listener {
        let service = routes.into_make_service_with_connect_info::<Remote>();
        // Serving never ends by itself.
        let _ = axum::serve(listener, service).await;
    }
    pending().await
}
