//! JSON-RPC over HTTP as a wallet needs it, from one endpoint or from several.
//!
//! - **Bounded**: no answer takes longer than its time-out or more memory than its limit, and no redirection leads
//!   elsewhere. The transport that alloy brings reads answers of any length into memory.
//! - **Patient**: an endpoint that limits requests is waited for, as long as it asks to, up to a bound ([`Bounds`]).
//! - **Direct**: an endpoint on this machine is never asked through a proxy of the environment ([`http_client`]).
//! - **Several endpoints** ([`Endpoints`]): what decides is believed when enough of them say the same; transactions go
//!   to all of them.
//! - [`Broadcast`] says what the answer to a transaction that was sent means.

mod agreement;
mod broadcast;
mod endpoints;
mod http;
mod limits;
mod proxy;

#[cfg(test)]
mod tests;

use std::time::Duration;

use alloy::providers::{DynProvider, Provider as _, ProviderBuilder};
use alloy::rpc::client::RpcClient;
use alloy::transports::TransportError;

use agreement::Agreement;
pub use broadcast::Broadcast;
pub use endpoints::{Endpoints, EndpointsError, MAX_ENDPOINTS};
use http::BoundedHttp;
pub use proxy::{http_client, is_loopback, proxy_of, transport_error};

/// How long a question may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// How long one request to one endpoint may take, its answer included.
    pub request: Duration,
    /// How long an endpoint that limits requests is waited for in all, beside the requests themselves.
    pub patience: Duration,
}

impl Bounds {
    /// Each request may take so long; an endpoint that limits requests is waited for half a minute.
    pub const fn of_request(request: Duration) -> Self {
        Self { request, patience: Duration::from_secs(30) }
    }

    /// More than any question can take: the last request begins when the patience is over.
    pub fn total(self) -> Duration {
        self.patience.saturating_add(self.request.saturating_mul(4))
    }
}

/// A provider without fillers over these endpoints. Asks nothing yet.
///
/// # Errors
/// When the system's TLS certificates cannot be read.
pub fn provider(endpoints: &Endpoints, bounds: Bounds) -> Result<DynProvider, TransportError> {
    let each: Result<Vec<_>, _> =
        endpoints.urls().iter().map(|url| BoundedHttp::new(url.clone(), bounds)).collect();
    let mut each = each?;
    let client = match each.len() {
        1 => RpcClient::new(each.remove(0), false),
        _ => RpcClient::new(Agreement::new(each, endpoints.agree(), bounds), false),
    };
    Ok(ProviderBuilder::new().disable_recommended_fillers().connect_client(client).erased())
}
