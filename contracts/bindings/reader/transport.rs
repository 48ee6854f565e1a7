//! HTTP to an RPC endpoint, with a bound on every answer. The transport that alloy brings reads answers of any
//! length into memory.

use std::task::{Context, Poll};

use alloy::rpc::client::RpcClient;
use alloy::rpc::json_rpc::{RequestPacket, ResponsePacket};
use alloy::transports::http::reqwest::{Client, Url};
use alloy::transports::{TransportError, TransportErrorKind, TransportFut};
use tower_service::Service;

/// The most bytes of an answer. A group of 64 members has less than 20 kB; events come in parts.
const MAX_ANSWER_BYTES: usize = 32 * 1024 * 1024;

/// A client of the RPC endpoint at `url` that never reads more than 32 MiB of an answer.
pub fn bounded_client(url: Url) -> RpcClient {
    RpcClient::new(Bounded { http: Client::new(), url }, false)
}

#[derive(Clone, Debug)]
struct Bounded {
    http: Client,
    url: Url,
}

impl Bounded {
    async fn exchange(self, request: RequestPacket) -> Result<ResponsePacket, TransportError> {
        // The URL of an endpoint often holds a secret, so it does not get into errors.
        let failed =
            |error: alloy::transports::http::reqwest::Error| TransportErrorKind::custom(error.without_url());
        let mut response = self.http.post(self.url).json(&request).send().await.map_err(failed)?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                let reason = format!("an answer of more than {MAX_ANSWER_BYTES} bytes");
                return Err(TransportErrorKind::custom_str(&reason));
            }
            body.extend_from_slice(&chunk);
        }
        match serde_json::from_slice(&body) {
            Ok(packet) => Ok(packet),
            Err(_) if !status.is_success() => {
                Err(TransportErrorKind::custom_str(&format!("HTTP status {status}")))
            }
            Err(error) => Err(TransportErrorKind::custom_str(&format!("no JSON-RPC: {error}"))),
        }
    }
}

impl Service<RequestPacket> for Bounded {
    type Response = ResponsePacket;
    type Error = TransportError;
    type Future = TransportFut<'static>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: RequestPacket) -> Self::Future {
        Box::pin(self.clone().exchange(request))
    }
}
