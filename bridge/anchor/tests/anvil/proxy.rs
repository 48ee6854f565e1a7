//! An endpoint that lies, falls silent or is another chain's: it passes everything on to anvil, and changes what comes
//! back.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use alloy::transports::http::reqwest::Client;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};

/// What the endpoint says when it is asked for a nonce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lie {
    /// The truth.
    None,
    /// Always this number.
    Always(u64),
    /// The truth and this number more.
    Gap(u64),
}

#[derive(Clone)]
pub(crate) struct Proxy {
    pub(crate) url: String,
    shared: Arc<Shared>,
}

/// What becomes of the result that answers a request.
type Change = Box<dyn Fn(&Value, &mut Value) + Send>;
/// The error that answers a request, if any.
type Refuse = Box<dyn Fn(&Value) -> Option<Value> + Send>;

struct Shared {
    client: Client,
    behind: String,
    lie: Mutex<Lie>,
    change: Mutex<Change>,
    refuse: Mutex<Refuse>,
    asked: AtomicU64,
    silent: AtomicBool,
    unanswered: AtomicU64,
}

impl Proxy {
    /// Starts an endpoint in front of `behind`. It runs until the test's runtime ends.
    pub(crate) async fn start(behind: String) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            client: Client::new(),
            behind,
            lie: Mutex::new(Lie::None),
            change: Mutex::new(Box::new(|_, _| {})),
            refuse: Mutex::new(Box::new(|_| None)),
            asked: AtomicU64::new(0),
            silent: AtomicBool::new(false),
            unanswered: AtomicU64::new(0),
        });
        let app = Router::new().route("/", post(pass)).with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, shared }
    }

    pub(crate) fn tell(&self, lie: Lie) {
        *self.shared.lie.lock().unwrap() = lie;
    }

    /// From now on, results pass through `change`, which is given the request too.
    pub(crate) fn change(&self, change: impl Fn(&Value, &mut Value) + Send + 'static) {
        *self.shared.change.lock().unwrap() = Box::new(change);
    }

    /// From now on, requests are answered with the error that `refuse` gives, if it gives one.
    pub(crate) fn refuse(&self, refuse: impl Fn(&Value) -> Option<Value> + Send + 'static) {
        *self.shared.refuse.lock().unwrap() = Box::new(refuse);
    }

    /// Whether requests are taken and never answered.
    pub(crate) fn silence(&self, silent: bool) {
        self.shared.silent.store(silent, Ordering::Relaxed);
    }

    /// How many requests were never answered.
    pub(crate) fn unanswered(&self) -> u64 {
        self.shared.unanswered.load(Ordering::Relaxed)
    }

    /// How often the endpoint was asked for a nonce.
    pub(crate) fn asked(&self) -> u64 {
        self.shared.asked.load(Ordering::Relaxed)
    }
}

async fn pass(State(shared): State<Arc<Shared>>, body: Bytes) -> Json<Value> {
    if shared.silent.load(Ordering::Relaxed) {
        shared.unanswered.fetch_add(1, Ordering::Relaxed);
        return std::future::pending().await;
    }
    let request: Value = serde_json::from_slice(&body).expect("a request is JSON");
    if let Some(error) = (shared.refuse.lock().unwrap())(&request) {
        return Json(json!({ "jsonrpc": "2.0", "id": request["id"], "error": error }));
    }
    let answer = shared.client.post(&shared.behind).json(&request).send().await;
    let mut answer: Value = answer.expect("anvil answers").json().await.expect("in JSON");
    if request["method"] == "eth_getTransactionCount" {
        shared.asked.fetch_add(1, Ordering::Relaxed);
        let truth = answer["result"].as_str().expect("a nonce").trim_start_matches("0x");
        let truth = u64::from_str_radix(truth, 16).expect("a nonce");
        let said = match *shared.lie.lock().unwrap() {
            Lie::None => truth,
            Lie::Always(number) => number,
            Lie::Gap(more) => truth + more,
        };
        answer["result"] = json!(format!("{said:#x}"));
    }
    if let Some(result) = answer.get_mut("result") {
        (shared.change.lock().unwrap())(&request, result);
    }
    Json(answer)
}
