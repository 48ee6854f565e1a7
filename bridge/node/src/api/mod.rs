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

use std::future::{Future, IntoFuture as _};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::sleep;

pub use handle::{
    CommandVerifier, EvidenceReceiver, HandoverReceiver, NodeHandle, NodeStatus, Readiness, Submission,
    Verdict, VerifyError,
};

use crate::config::HttpConfig;
use crate::error::NodeError;
use listener::{BoundedListener, Remote};
use state::Api;

/// How long requests that are being answered may take to end after the signal to stop.
const GRACE: Duration = Duration::from_secs(5);

/// Listens on the configured address.
///
/// # Errors
/// [`NodeError::PortTaken`] or [`NodeError::Listen`].
pub async fn bind(config: &HttpConfig) -> Result<TcpListener, NodeError> {
    let address = config.listen;
    TcpListener::bind(address).await.map_err(|error| NodeError::listen("http.listen", address, error))
}

/// Serves the API on `listener` until `shutdown` is done. Then nothing new is accepted, whoever waits is
/// told to ask another node, and after five seconds at most this returns.
pub async fn serve(
    listener: TcpListener,
    config: &HttpConfig,
    node: NodeHandle,
    shutdown: impl Future<Output = ()> + Send + 'static,
) {
    let (close, closing) = watch::channel(false);
    let mut closed = closing.clone();
    let connections = node.metrics.http_connections.clone();
    let listener = BoundedListener::new(listener, config.max_connections, connections);
    let service =
        router::router(Api::new(config, node, closing)).into_make_service_with_connect_info::<Remote>();
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
        () = out_of_grace => tracing::warn!("some HTTP requests did not end in time and were cut off"),
    }
}
