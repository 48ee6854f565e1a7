//! Endpoints on real sockets that answer as a test wants.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use alloy::primitives::{Address, B256};
use alloy::rpc::types::TransactionRequest;
use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::post;
use serde_json::{Value, json};

use super::http::MAX_ANSWER_BYTES;
use super::*;

const BOUNDS: Bounds = Bounds { request: Duration::from_secs(2), patience: Duration::from_secs(3) };

/// An endpoint that answers each request, with its number from 0 on, as `answer` has it.
async fn endpoint(answer: impl Fn(usize, &Value) -> Response + Clone + Send + Sync + 'static) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let handler = async move |body: String| -> Response {
        answer(asked.fetch_add(1, Ordering::Relaxed), &serde_json::from_str(&body).unwrap())
    };
    let app = Router::new().route("/", post(handler));
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

fn result(request: &Value, result: Value) -> Response {
    json!({ "jsonrpc": "2.0", "id": request["id"], "result": result }).to_string().into_response()
}

/// One that always gives `value` as the result.
async fn saying(value: Value) -> String {
    endpoint(move |_, request| result(request, value.clone())).await
}

async fn failing() -> String {
    endpoint(|_, _| (StatusCode::BAD_GATEWAY, "<html>").into_response()).await
}

fn over(urls: &[&String]) -> DynProvider {
    let urls: Vec<&str> = urls.iter().map(|url| url.as_str()).collect();
    provider(&urls.join(",").parse().unwrap(), BOUNDS).unwrap()
}

async fn chain_id(answer: impl IntoResponse + Clone + Send + Sync + 'static) -> Result<u64, TransportError> {
    let url = endpoint(move |_, _| answer.clone().into_response()).await;
    over(&[&url]).get_chain_id().await
}

#[tokio::test]
async fn answers_are_read_and_errors_too_whatever_the_status() {
    assert_eq!(chain_id(r#"{"jsonrpc":"2.0","id":0,"result":"0x7"}"#).await.unwrap(), 7);
    let error = r#"{"jsonrpc":"2.0","id":0,"error":{"code":-32000,"message":"no such thing"}}"#;
    let error = chain_id((StatusCode::INTERNAL_SERVER_ERROR, error)).await.unwrap_err();
    assert_eq!(error.as_error_resp().map(|error| error.message.as_ref()), Some("no such thing"));
}

#[tokio::test]
async fn an_answer_without_an_end_is_cut_off() {
    let error = chain_id("x".repeat(MAX_ANSWER_BYTES + 1)).await.unwrap_err();
    assert!(error.to_string().contains("more than 33554432 bytes"), "{error}");
}

#[tokio::test]
async fn pages_and_redirections_are_no_answers() {
    let error = chain_id((StatusCode::BAD_GATEWAY, "<html>")).await.unwrap_err();
    assert!(error.to_string().contains("502"), "{error}");
    let error = chain_id(Redirect::permanent("http://127.0.0.1:1/")).await.unwrap_err();
    assert!(error.to_string().contains("308"), "{error}");
}

#[tokio::test]
async fn an_endpoint_that_limits_requests_is_asked_again_when_it_wants() {
    let limits = [
        (StatusCode::TOO_MANY_REQUESTS, "slow down"),
        (StatusCode::SERVICE_UNAVAILABLE, ""),
        (StatusCode::OK, r#"{"jsonrpc":"2.0","id":0,"error":{"code":-32005,"message":"limit exceeded"}}"#),
    ];
    for limit in limits {
        let url = endpoint(move |number, request| match number {
            0 => (limit.0, [("retry-after", "1")], limit.1).into_response(),
            _ => result(request, json!("0x7")),
        });
        let (url, started) = (url.await, tokio::time::Instant::now());
        assert_eq!(over(&[&url]).get_chain_id().await.unwrap(), 7, "{limit:?}");
        assert!(started.elapsed() >= Duration::from_secs(1), "{limit:?}");
    }
}

#[tokio::test]
async fn patience_has_an_end_and_says_so() {
    let error = chain_id((StatusCode::TOO_MANY_REQUESTS, [("retry-after", "20")], "")).await.unwrap_err();
    let words = error.to_string();
    assert!(
        words.contains("limits requests") && words.contains("429") && words.contains("name another"),
        "{words}"
    );
}

#[tokio::test]
async fn a_majority_is_believed_whoever_lies_or_is_away() {
    let (one, two, liar, away) =
        (saying(json!("0x7")).await, saying(json!("0x7")).await, saying(json!("0x8")).await, failing().await);
    assert_eq!(over(&[&liar, &one, &two]).get_chain_id().await.unwrap(), 7);
    assert_eq!(over(&[&away, &one, &two]).get_chain_id().await.unwrap(), 7);
    let error = over(&[&one, &liar]).get_chain_id().await.unwrap_err().to_string();
    assert!(error.contains("2 of 2") && error.contains("0x7") && error.contains("0x8"), "{error}");
    let error = over(&[&one, &away, &liar]).get_chain_id().await.unwrap_err().to_string();
    assert!(error.contains("2 of 3") && error.contains("502"), "{error}");
    let first: Endpoints = format!("1 of {away},{one}").parse().unwrap();
    assert_eq!(provider(&first, BOUNDS).unwrap().get_chain_id().await.unwrap(), 7);
}

#[tokio::test]
async fn who_lags_is_asked_again() {
    let late =
        endpoint(|number, request| result(request, json!(if number < 2 { "0x06" } else { "0x07" }))).await;
    let provider = over(&[&saying(json!("0x07")).await, &late]);
    assert_eq!(provider.get_code_at(Address::ZERO).await.unwrap().to_string(), "0x07");
}

#[tokio::test]
async fn numbers_are_the_highest_that_enough_reach() {
    let mut urls = Vec::new();
    for number in ["0x5", "0xffff", "0x4"] {
        urls.push(saying(json!(number)).await);
    }
    let provider = over(&urls.iter().collect::<Vec<_>>());
    assert_eq!(provider.get_transaction_count(Address::ZERO).await.unwrap(), 5);
    assert_eq!(provider.get_block_number().await.unwrap(), 5);
}

#[tokio::test]
async fn a_receipt_that_one_endpoint_makes_up_is_none() {
    let made_up = json!({
        "transactionHash": B256::repeat_byte(1), "blockHash": B256::repeat_byte(2), "blockNumber": "0x1",
        "status": "0x1", "gasUsed": "0x1",
    });
    let provider = over(&[&saying(made_up).await, &saying(Value::Null).await, &saying(Value::Null).await]);
    assert!(provider.get_transaction_receipt(B256::repeat_byte(1)).await.unwrap().is_none());
}

#[tokio::test]
async fn a_transaction_that_one_endpoint_takes_is_sent() {
    let refusing = endpoint(|_, request| {
        let error = json!({ "code": -32000, "message": "transaction type not supported" });
        json!({ "jsonrpc": "2.0", "id": request["id"], "error": error }).to_string().into_response()
    });
    let (refusing, taking) = (refusing.await, saying(json!(B256::ZERO)).await);
    let sent = over(&[&refusing, &failing().await, &taking]).send_raw_transaction(&[1]).await;
    assert_eq!(Broadcast::of(&sent), Broadcast::Accepted);
    // One that may have passed it on outweighs one that refused it.
    let sent = over(&[&refusing, &failing().await]).send_raw_transaction(&[1]).await;
    assert_eq!(Broadcast::of(&sent), Broadcast::Unknown);
}

#[tokio::test]
async fn what_needs_one_answer_is_asked_of_the_next_where_one_fails() {
    let provider = over(&[&failing().await, &saying(json!("0x5208")).await, &failing().await]);
    assert_eq!(provider.estimate_gas(TransactionRequest::default()).await.unwrap(), 21_000);
}
