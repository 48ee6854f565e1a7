//! JSON-RPC over HTTP with bounds: no answer takes longer than its time-out or more memory than its limit, and no
//! redirection leads elsewhere. The transport that alloy brings reads answers of any length into memory.

use std::task::{Context, Poll};
use std::time::Duration;

use alloy::rpc::client::RpcClient;
use alloy::rpc::json_rpc::{RequestPacket, ResponsePacket};
use alloy::transports::http::reqwest::{self, Client, Url};
use alloy::transports::{TransportError, TransportErrorKind, TransportFut};
use tower_service::Service;

/// The most bytes of an answer. The largest honest ones are pages of events.
const MAX_ANSWER_BYTES: usize = 32 * 1024 * 1024;

/// A client of the endpoint at `url` that gives up a request after `timeout` and never reads more than 32 MiB of
/// an answer.
///
/// # Errors
/// When the system's TLS certificates cannot be read.
pub fn bounded_client(url: Url, timeout: Duration) -> Result<RpcClient, TransportError> {
    let http = Client::builder().timeout(timeout).redirect(reqwest::redirect::Policy::none()).build();
    let client = http.map_err(|error| TransportErrorKind::custom(error.without_url()))?;
    Ok(RpcClient::new(BoundedHttp { client, url }, false))
}

#[derive(Clone, Debug)]
struct BoundedHttp {
    client: Client,
    url: Url,
}

impl BoundedHttp {
    async fn ask(self, request: RequestPacket) -> Result<ResponsePacket, TransportError> {
        let sent = self.client.post(self.url).json(&request).send().await;
        // The address may hold a provider's key: it does not belong into logs.
        let mut response = sent.map_err(|error| TransportErrorKind::custom(error.without_url()))?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(part) =
            response.chunk().await.map_err(|error| TransportErrorKind::custom(error.without_url()))?
        {
            if body.len() + part.len() > MAX_ANSWER_BYTES {
                let reason = format!("the answer has more than {MAX_ANSWER_BYTES} bytes");
                return Err(TransportErrorKind::custom_str(&reason));
            }
            body.extend_from_slice(&part);
        }
        // Endpoints send JSON-RPC errors with any HTTP status.
        match serde_json::from_slice(&body) {
            Ok(answer) => Ok(answer),
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

#[cfg(test)]
mod tests {
    use alloy::providers::{Provider, ProviderBuilder};
    use axum::Router;
    use axum::http::StatusCode;
    use axum::response::{IntoResponse, Redirect, Response};
    use axum::routing::post;

    use super::*;

    /// Asks an endpoint that always gives `answer` for a chain id.
    async fn ask<R: IntoResponse + Clone + Send + Sync + 'static>(answer: R) -> Result<u64, TransportError> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let app =
            Router::new().route("/", post(async move || -> Response { answer.clone().into_response() }));
        let served = tokio::spawn(async move { axum::serve(listener, app).await });
        let client = bounded_client(url, Duration::from_secs(10)).unwrap();
        let provider = ProviderBuilder::new().connect_client(client);
        let asked = provider.get_chain_id().await;
        served.abort();
        asked
    }

    #[tokio::test]
    async fn answers_are_read_and_errors_too_whatever_the_status() {
        let answer = r#"{"jsonrpc":"2.0","id":0,"result":"0x7"}"#;
        assert_eq!(ask(answer).await.unwrap(), 7);
        let error = r#"{"jsonrpc":"2.0","id":0,"error":{"code":-32000,"message":"busy"}}"#;
        let error = ask((StatusCode::SERVICE_UNAVAILABLE, error)).await.unwrap_err();
        assert_eq!(error.as_error_resp().map(|error| error.message.as_ref()), Some("busy"));
    }

    #[tokio::test]
    async fn an_answer_without_an_end_is_cut_off() {
        let error = ask("x".repeat(MAX_ANSWER_BYTES + 1)).await.unwrap_err();
        assert!(error.to_string().contains("more than 33554432 bytes"), "{error}");
    }

    #[tokio::test]
    async fn pages_and_redirections_are_no_answers() {
        let error = ask((StatusCode::BAD_GATEWAY, "<html>")).await.unwrap_err();
        assert!(error.to_string().contains("502"), "{error}");
        let error = ask(Redirect::permanent("http://127.0.0.1:1/")).await.unwrap_err();
        assert!(error.to_string().contains("308"), "{error}");
    }
}
