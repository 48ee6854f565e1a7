//! What browsers, proxies and programs in other languages make of the API: who may read it, what is kept, which numbers survive.

use reqwest::{Method, Response};
use serde_json::Value;

use super::harness::{Node, config};
use crate::config::HttpConfig;

const PAGE: &str = "https://app.example";

async fn asked_by(node: &Node, method: Method, rest: &str, origin: &str) -> Response {
    node.request(method, &node.path(rest)).header("origin", origin).send().await.unwrap()
}

fn allowed(response: &Response) -> Option<&str> {
    response.headers().get("access-control-allow-origin").map(|origin| origin.to_str().unwrap())
}

async fn preflight(node: &Node, origin: &str) -> Response {
    node.request(Method::OPTIONS, &node.path("/commands"))
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type")
        .send()
        .await
        .unwrap()
}

#[tokio::test]
async fn no_page_may_read_the_api_unless_its_origin_is_listed() {
    let closed = Node::start().await;
    assert_eq!(allowed(&asked_by(&closed, Method::GET, "", PAGE).await), None);
    assert_eq!(allowed(&preflight(&closed, PAGE).await), None);

    let open = Node::start_with(HttpConfig { allowed_origins: vec![PAGE.into()], ..config() }).await;
    assert_eq!(allowed(&asked_by(&open, Method::GET, "", PAGE).await), Some(PAGE));
    // What a page is refused with it may read too.
    let refused = asked_by(&open, Method::GET, "/entries/99", PAGE).await;
    assert_eq!((refused.status().as_u16(), allowed(&refused)), (404, Some(PAGE)));
    let answer = preflight(&open, PAGE).await;
    assert!(answer.status().is_success() && allowed(&answer) == Some(PAGE));
    let headers = answer.headers()["access-control-allow-headers"].to_str().unwrap();
    assert!(headers.contains("content-type") && headers.contains("last-event-id"), "{headers}");
    assert!(answer.headers()["access-control-allow-methods"].to_str().unwrap().contains("POST"));
    for other in ["https://app.example.evil", "http://app.example", "null"] {
        assert_eq!(allowed(&asked_by(&open, Method::GET, "", other).await), None, "{other}");
    }

    let public = Node::start_with(HttpConfig { allowed_origins: vec!["*".into()], ..config() }).await;
    let answer = asked_by(&public, Method::GET, "", "https://any.example").await;
    assert_eq!(allowed(&answer), Some("*"));
    assert!(!answer.headers().contains_key("access-control-allow-credentials"));
}

#[tokio::test]
async fn nothing_is_kept_by_caches_but_what_never_changes() {
    let node = Node::start().await;
    node.receipt(&node.fixture.command(0, 1)).await;
    let kept = async |rest: &str| {
        let answer = node.get(rest).await;
        answer.headers()["cache-control"].to_str().unwrap().to_owned()
    };
    for rest in ["", "/entries", "/entries/0/receipt", "/log/certificate", "/proposals", "/entries/99"] {
        assert_eq!(kept(rest).await, "no-store", "{rest}");
    }
    assert!(kept("/log/tile/0/000.p/2").await.contains("immutable"));

    let stream = node.get("/events").await;
    assert_eq!(stream.headers()["cache-control"], "no-cache");
    assert_eq!(stream.headers()["x-accel-buffering"], "no");
}

/// A `Last-Event-ID` is sent empty by whoever has seen no event (HTML standard, section 9.2.4): it is no fault.
#[tokio::test]
async fn a_stream_begins_where_the_client_has_seen_nothing() {
    let node = Node::start().await;
    node.receipt(&node.fixture.command(0, 1)).await;
    let request = node.request(Method::GET, &node.path("/events?from=0")).header("last-event-id", "");
    let mut answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let mut read = String::new();
    while !read.contains("\nid: 0\n") {
        read.push_str(std::str::from_utf8(&answer.chunk().await.unwrap().unwrap()).unwrap());
    }
    let wrong = node.request(Method::GET, &node.path("/events")).header("last-event-id", "x");
    assert_eq!(wrong.send().await.unwrap().status(), 400);
}

/// All that JavaScript would round.
fn beyond_a_double<'a>(value: &'a Value, path: &mut Vec<&'a str>, found: &mut Vec<String>) {
    match value {
        Value::Number(number) if number.as_u64().is_none_or(|number| number > 1 << 53) => {
            found.push(format!("{}: {number}", path.join(".")));
        }
        Value::Array(items) => items.iter().for_each(|item| beyond_a_double(item, path, found)),
        Value::Object(members) => {
            for (name, member) in members {
                path.push(name);
                beyond_a_double(member, path, found);
                path.pop();
            }
        }
        _ => {}
    }
}

#[tokio::test]
async fn numbers_that_a_double_would_round_are_strings() {
    let node = Node::start().await;
    let command = node.fixture.command(0, u64::from(u32::MAX));
    node.receipt(&command).await;
    let agent: Value = node.json(&format!("/agents/{}", node.fixture.agent(0))).await;
    assert_eq!(agent["next_nonce"], "4294967296");
    assert!(agent["weight"].is_string());
    for rest in
        ["", "/entries", "/entries/1/receipt", "/checkpoint", "/log/certificate", "/proposals", "/inbox"]
    {
        let answer = node.get(rest).await;
        if !answer.status().is_success() {
            continue;
        }
        let body: Value = answer.json().await.unwrap();
        let mut found = Vec::new();
        beyond_a_double(&body, &mut Vec::new(), &mut found);
        assert!(found.is_empty(), "{rest}: {found:?}");
    }
    let group: Value = node.json("").await;
    assert!(group["group"]["terms"]["bond"].is_string(), "{group}");
}
