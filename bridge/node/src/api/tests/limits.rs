//! The bounds that protect a node.

use std::time::Duration;

use quorate_protocol::api::ErrorCode;
use quorate_protocol::{Nonce, Signature, SignedCommand};
use reqwest::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::harness::{Node, config, error};
use crate::config::HttpConfig;

#[tokio::test]
async fn an_agent_that_sends_too_much_is_slowed_and_nobody_else() {
    let node = Node::start_with(HttpConfig { commands_per_second: 0.01, ..config() }).await;

    // Whoever cannot sign for the agent cannot use up its tokens either.
    let mut forged = node.fixture.command(0, 1).command().clone();
    forged.nonce = Nonce(99);
    let forged = SignedCommand::from_parts(forged, Signature([7; 64]));
    assert_eq!(error(node.submit(&forged).await).await.code, ErrorCode::BadSignature);

    let first = node.fixture.command(0, 1);
    node.receipt(&first).await;
    let second = node.submit(&node.fixture.command(0, 2)).await;
    let seconds: u64 = second.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=101).contains(&seconds), "{seconds}");
    assert_eq!(error(second).await.code, ErrorCode::RateLimited);
    node.receipt(&first).await;
    node.receipt(&node.fixture.command(1, 1)).await;
}

#[tokio::test]
async fn an_address_that_asks_too_much_is_slowed() {
    let node = Node::start_with(HttpConfig { requests_per_second: 0.01, ..config() }).await;
    assert_eq!(node.get("").await.status(), 200);
    let refused = node.get("").await;
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(error(refused).await.code, ErrorCode::RateLimited);
    let metrics = node.request(Method::GET, "/metrics").send().await.unwrap().text().await.unwrap();
    let line = "quorate_http_refused_requests_total{code=\"rate_limited\"} 1";
    assert!(metrics.lines().any(|found| found == line), "{metrics}");
}

async fn ask(stream: &mut TcpStream) -> Option<String> {
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: node\r\n\r\n").await.unwrap();
    let mut answer = vec![0; 64];
    let read = timeout(Duration::from_millis(300), stream.read(&mut answer)).await.ok()?;
    Some(String::from_utf8_lossy(&answer[..read.unwrap()]).into_owned())
}

#[tokio::test]
async fn connections_above_the_bound_wait_for_a_place() {
    let node = Node::start_with(HttpConfig { max_connections: 2, ..config() }).await;
    let address = node.base.strip_prefix("http://").unwrap();
    let mut first = TcpStream::connect(address).await.unwrap();
    let mut second = TcpStream::connect(address).await.unwrap();
    let mut third = TcpStream::connect(address).await.unwrap();
    assert!(ask(&mut first).await.is_some());
    assert!(ask(&mut second).await.is_some());
    assert_eq!(ask(&mut third).await, None, "two connections are open");
    drop(first);
    let mut answer = vec![0; 64];
    let read = timeout(Duration::from_secs(10), third.read(&mut answer)).await.unwrap().unwrap();
    assert!(answer[..read].starts_with(b"HTTP/1.1 200"));
}
