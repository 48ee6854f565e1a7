//! Health, numbers, and the document that describes it all.

use std::collections::BTreeSet;

use quorate_protocol::api::ErrorCode;
use reqwest::Method;
use serde_json::Value;

use super::harness::{Node, config, error};
use crate::api::Readiness;
use crate::config::HttpConfig;

/// What the API promises. A route that is added or renamed must be added here.
const ROUTES: [&str; 24] = [
    "GET /healthz",
    "GET /metrics",
    "GET /readyz",
    "GET /v1/groups/{group}",
    "GET /v1/groups/{group}/agents/{agent}",
    "GET /v1/groups/{group}/anchor",
    "GET /v1/groups/{group}/checkpoint",
    "GET /v1/groups/{group}/commands/{digest}",
    "GET /v1/groups/{group}/entries",
    "GET /v1/groups/{group}/entries/{index}",
    "GET /v1/groups/{group}/entries/{index}/receipt",
    "GET /v1/groups/{group}/events",
    "GET /v1/groups/{group}/evidence",
    "GET /v1/groups/{group}/handovers",
    "GET /v1/groups/{group}/inbox",
    "GET /v1/groups/{group}/log/certificate",
    "GET /v1/groups/{group}/log/checkpoint",
    "GET /v1/groups/{group}/log/consistency",
    "GET /v1/groups/{group}/log/tile/{level}/{path}",
    "GET /v1/groups/{group}/proposals",
    "GET /v1/groups/{group}/proposals/{id}",
    "GET /v1/groups/{group}/proposals/{id}/decision",
    "GET /v1/openapi.json",
    "POST /v1/groups/{group}/commands",
];

#[tokio::test]
async fn the_document_lists_every_route_and_every_route_is_served() {
    let node = Node::start().await;
    let response = node.request(Method::GET, "/v1/openapi.json").send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/json");
    let document: Value = response.json().await.unwrap();
    let (mut listed, mut ids) = (BTreeSet::new(), BTreeSet::new());
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            listed.insert(format!("{} {path}", method.to_uppercase()));
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.insert(id.to_owned()), "{id} is an operation's already");
            assert!(operation["responses"].as_object().is_some_and(|all| !all.is_empty()), "{method} {path}");
            // Every parameter in the path is described.
            let described: BTreeSet<_> = operation["parameters"]
                .as_array()
                .into_iter()
                .flatten()
                .filter(|parameter| parameter["in"] == "path")
                .map(|parameter| parameter["name"].as_str().unwrap())
                .collect();
            let named: BTreeSet<_> =
                path.split('{').skip(1).map(|rest| rest.split('}').next().unwrap()).collect();
            assert_eq!(described, named, "{method} {path}");
        }
    }
    assert_eq!(listed, ROUTES.iter().map(|route| (*route).to_owned()).collect());

    let group = node.fixture.group.identity.group.to_string();
    for route in ROUTES {
        let (method, path) = route.split_once(' ').unwrap();
        let path = path.replace("{group}", &group).replace(['{', '}'], "");
        let response = node.request(method.parse().unwrap(), &path).send().await.unwrap();
        if !response.status().is_success() {
            let error = error(response).await;
            assert!(!error.detail.starts_with("no route"), "{route}: {error:?}");
        }
    }
}

/// A linter finds no fault in the document, and a TypeScript client that is made from it compiles, and reads this node.
#[tokio::test]
async fn a_client_that_is_made_from_the_document_reads_the_node() {
    let node = Node::start().await;
    node.receipt(&node.fixture.command(0, 1)).await;
    let document = node.request(Method::GET, "/v1/openapi.json").send().await.unwrap().bytes().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("openapi.json");
    std::fs::write(&file, document).unwrap();
    let check = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/openapi/check.mjs");
    let mut command = tokio::process::Command::new("node");
    command.arg(check).arg(&file).arg(&node.base);
    command.arg(node.fixture.group.identity.group.to_string()).arg(node.fixture.agent(0).to_string());
    let output = command.output().await.expect("Node.js is installed, and `make setup` was run");
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
}

#[tokio::test]
async fn the_schemas_describe_what_is_sent() {
    let node = Node::start().await;
    let document: Value =
        node.request(Method::GET, "/v1/openapi.json").send().await.unwrap().json().await.unwrap();
    let status: Value = node.json("").await;
    let agent: Value = node.json(&format!("/agents/{}", node.fixture.agent(0))).await;
    for (schema, sent) in [("GroupStatus", status), ("AgentView", agent)] {
        let described = document["components"]["schemas"][schema]["properties"].as_object().unwrap();
        let described: BTreeSet<_> = described.keys().collect();
        assert_eq!(described, sent.as_object().unwrap().keys().collect(), "{schema}");
    }
    let codes = document["components"]["schemas"]["ErrorCode"]["enum"].as_array().unwrap();
    assert!(codes.contains(&serde_json::to_value(ErrorCode::NonceReused).unwrap()));
}

#[tokio::test]
async fn health_and_readiness_are_told_apart() {
    let node = Node::start().await;
    let get = async |path: &str| node.request(Method::GET, path).send().await.unwrap();
    assert_eq!(get("/healthz").await.status(), 200);
    assert_eq!(get("/readyz").await.status(), 200);
    let mut status = node.status.borrow().clone();
    status.readiness = Readiness::NotReady("catching up".into());
    node.status.send_replace(status);
    assert_eq!(get("/healthz").await.status(), 200);
    let not_ready = error(get("/readyz").await).await;
    assert_eq!((not_ready.code, not_ready.detail.as_str()), (ErrorCode::NotReady, "catching up"));
}

#[tokio::test]
async fn whoever_watches_has_a_listener_of_their_own() {
    let config =
        HttpConfig { admin_listen: Some(([127, 0, 0, 1], 0).into()), max_connections: 1, ..config() };
    let node = Node::start_with(config).await;
    let admin = node.admin.clone().unwrap();
    // The one connection of the API is taken for as long as this stream is open.
    let _stream = node.get("/events").await;
    let get = async |path: &str| node.client.get(format!("{admin}{path}")).send().await.unwrap();
    for path in ["/healthz", "/readyz", "/metrics"] {
        let answer = get(path).await;
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["cache-control"] == "no-store"),
            (200, true),
            "{path}"
        );
    }
    for path in [node.path(""), "/v1/openapi.json".into()] {
        assert_eq!(error(get(&path).await).await.code, ErrorCode::NotFound, "{path}");
    }
}

#[tokio::test]
async fn the_numbers_follow_what_happens() {
    let node = Node::start().await;
    node.receipt(&node.fixture.command(0, 1)).await;
    node.receipt(&node.fixture.command(0, 1)).await;
    let response = node.request(Method::GET, "/metrics").send().await.unwrap();
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("application/openmetrics-text"));
    let text = response.text().await.unwrap();
    for line in [
        "quorate_commands_total{result=\"applied\"} 1",
        "quorate_entries_total 1",
        "quorate_batches_total 1",
        "quorate_log_entries 2",
        "quorate_log_certified_entries 2",
        "quorate_commit_seconds_count 1",
        "quorate_order_seconds_count 1",
        "quorate_http_connections 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
}

#[tokio::test]
async fn unknown_routes_and_methods_are_typed_errors_too() {
    let node = Node::start().await;
    let unknown = node.request(Method::GET, "/v2/groups").send().await.unwrap();
    assert_eq!(error(unknown).await.code, ErrorCode::NotFound);
    for path in [node.path("/entries/%ff"), "/v1/groups/%ff".into()] {
        let unreadable = node.request(Method::GET, &path).send().await.unwrap();
        assert_eq!(error(unreadable).await.code, ErrorCode::Malformed);
    }
    let method = node.request(Method::DELETE, &node.path("")).send().await.unwrap();
    assert_eq!(error(method).await.code, ErrorCode::MethodNotAllowed);
}
