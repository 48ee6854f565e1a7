//! One endpoint, asked over HTTP within bounds.

use std::task::{Context, Poll};
use std::time::Duration;

use alloy::rpc::json_rpc::{RequestPacket, ResponsePacket};
use alloy::transports::http::reqwest::{Client, Url};
use alloy::transports::{TransportError, TransportErrorKind, TransportFut};
use tower_service::Service;

use super::limits::{Limited, limited};
use super::{Bounds, endpoints, proxy};

/// The most bytes of an answer. The largest honest ones are pages of events.
pub(super) const MAX_ANSWER_BYTES: usize = 32 * 1024 * 1024;

/// An endpoint. Cheap to clone; clones share the connections.
#[derive(Clone, Debug)]
pub(super) struct BoundedHttp {
    client: Client,
    url: Url,
    bounds: Bounds,
}

/// What came of one request.
enum Exchange {
    Answered(ResponsePacket),
    Limited(Limited),
}

impl BoundedHttp {
    pub(super) fn new(url: Url, bounds: Bounds) -> Result<Self, TransportError> {
        let client = proxy::http_client(&url).timeout(bounds.request).build();
        let client = client.map_err(|error| TransportErrorKind::custom(error.without_url()))?;
        Ok(Self { client, url, bounds })
    }

    /// The endpoint without what may be a key.
    pub(super) fn name(&self) -> String {
        endpoints::name(&self.url)
    }

    /// Asks, and asks again while the endpoint says that it is asked too often, as long as the patience lasts.
    pub(super) async fn ask(self, request: RequestPacket) -> Result<ResponsePacket, TransportError> {
        let (mut waited, mut attempts) = (Duration::ZERO, 0);
        loop {
            let limited = match self.exchange(&request).await? {
                Exchange::Answered(answer) => return Ok(answer),
                Exchange::Limited(limited) => limited,
            };
            let pause = limited.pause(attempts, rand::random());
            let (name, said) = (self.name(), &limited.said);
            if waited + pause > self.bounds.patience {
                return Err(TransportErrorKind::custom_str(&format!(
                    "{name} limits requests ({said}) and wants {} s more after {} s of waiting; wait, or name another \
                     endpoint beside it",
                    pause.as_secs_f32().ceil(),
                    waited.as_secs_f32().round(),
                )));
            }
            tracing::warn!("{name} limits requests ({said}); asking again in {:.1} s", pause.as_secs_f32());
            tokio::time::sleep(pause).await;
            waited += pause;
            attempts += 1;
        }
    }

    async fn exchange(&self, request: &RequestPacket) -> Result<Exchange, TransportError> {
        let failed = |error| TransportErrorKind::custom_str(&proxy::transport_error(error, &self.url));
        let mut response = self.client.post(self.url.clone()).json(request).send().await.map_err(failed)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = Vec::new();
        while let Some(part) = response.chunk().await.map_err(failed)? {
            if body.len() + part.len() > MAX_ANSWER_BYTES {
                let reason = format!("the answer has more than {MAX_ANSWER_BYTES} bytes");
                return Err(TransportErrorKind::custom_str(&reason));
            }
            body.extend_from_slice(&part);
        }
        // Endpoints send JSON-RPC errors with any HTTP status.
        let answer = serde_json::from_slice::<ResponsePacket>(&body);
        if let Some(limited) = limited(status, &headers, answer.as_ref().ok()) {
            return Ok(Exchange::Limited(limited));
        }
        match answer {
            Ok(answer) => Ok(Exchange::Answered(answer)),
            Err(_) if !status.is_success() => {
                Err(TransportErrorKind::custom_str(&format!("HTTP status {status}")))
            }
            Err(error) => Err(TransportErrorKind::custom_str(&format!("no JSON-RPC: {error}"))),
        }
    }
}

impl Service<RequestPacket> for BoundedHttp {
    type Response = ResponsePacket;
    type Error = TransportError;
    type Future = TransportFut<'static>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: RequestPacket) -> Self::Future {
        Box::pin(self.clone().ask(request))
    }
}
