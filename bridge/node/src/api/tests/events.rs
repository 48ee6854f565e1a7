//! The live log.

use std::time::Duration;

use reqwest::{Method, Response};
use tokio::time::timeout;

use super::harness::{Node, Runtime};

/// Reads one event that is no comment: its id and its data.
async fn next_event(response: &mut Response, unread: &mut String) -> (u64, serde_json::Value) {
    loop {
        if let Some((event, rest)) = unread.split_once("\n\n") {
            let (event, rest) = (event.to_owned(), rest.to_owned());
            *unread = rest;
            let field = |name: &str| {
                event.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
            };
            if let Some(data) = field("data") {
                assert_eq!(field("event"), Some("entry"));
                return (field("id").unwrap().parse().unwrap(), serde_json::from_str(data).unwrap());
            }
            continue;
        }
        let chunk = timeout(Duration::from_secs(20), response.chunk()).await.unwrap().unwrap();
        unread.push_str(std::str::from_utf8(&chunk.expect("the stream goes on")).unwrap());
    }
}

#[tokio::test]
async fn a_stream_starts_anywhere_follows_the_log_and_resumes() {
    let node = Node::start().await;
    node.receipt(&node.fixture.command(0, 1)).await;
    let mut response = node.get("/events?from=0").await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut unread = String::new();
    for expected in 0..2 {
        let (id, record) = next_event(&mut response, &mut unread).await;
        assert_eq!((id, record["entry"]["index"].as_u64()), (expected, Some(expected)));
    }
    // Live: only what a quorum attested is sent.
    node.runtime.send_replace(Runtime::Unattested);
    let command = node.fixture.command(0, 2);
    node.submit_bytes("?wait_ms=0", command.encode()).await;
    let early = timeout(Duration::from_millis(100), next_event(&mut response, &mut unread)).await;
    assert!(early.is_err(), "an uncertified entry was sent: {early:?}");
    node.runtime.send_replace(Runtime::Working);
    let (id, record) = next_event(&mut response, &mut unread).await;
    assert_eq!((id, &record["entry"]["subject"]), (2, &serde_json::to_value(command.digest()).unwrap()));
    drop(response);

    let request = node.request(Method::GET, &node.path("/events?from=0")).header("last-event-id", "1");
    let mut resumed = request.send().await.unwrap();
    assert_eq!(next_event(&mut resumed, &mut String::new()).await.0, 2);

    let mut from_now = node.get("/events").await;
    node.receipt(&node.fixture.command(0, 3)).await;
    assert_eq!(next_event(&mut from_now, &mut String::new()).await.0, 3);
}

#[tokio::test]
async fn a_client_far_behind_gets_every_entry_in_order() {
    let node = Node::start().await;
    let mut response = node.get("/events?from=0").await;
    for nonce in 1..=200 {
        node.shared.execute(&[node.fixture.command(0, nonce)]);
    }
    let head = node.shared.reader.read(crate::ledger::Ledger::head);
    node.shared.certify(&node.fixture, head);
    let mut unread = String::new();
    for expected in 0..=200 {
        assert_eq!(next_event(&mut response, &mut unread).await.0, expected);
    }
}

#[tokio::test]
async fn open_streams_and_waiting_requests_do_not_hold_up_the_end() {
    let mut node = Node::start().await;
    let mut response = node.get("/events?from=0").await;
    node.runtime.send_replace(Runtime::Stalled);
    let command = node.fixture.command(0, 1).encode();
    let path = format!("{}{}", node.base, node.path("/commands?wait_ms=60000"));
    let request = node.client.post(path).header("content-type", quorate_protocol::api::CBOR).body(command);
    let waiting = tokio::spawn(request.send());
    // Once the stream has begun and the command is on its way, the node is told to stop.
    assert!(response.chunk().await.unwrap().is_some());
    node.stop.take().unwrap().send(()).unwrap();
    timeout(Duration::from_secs(20), &mut node.server).await.unwrap().unwrap();
    let ended =
        timeout(Duration::from_secs(20), async { while let Ok(Some(_)) = response.chunk().await {} }).await;
    assert!(ended.is_ok());
    // Whichever came first: the request was answered as pending, or its connection was never taken.
    if let Ok(answer) = waiting.await.unwrap() {
        assert_eq!(answer.status(), 504);
    }
}
