//! An RPC endpoint in front of a real chain that fails as providers and their gateways do: after it has passed a request on,
//! or before.

use std::sync::{Arc, Mutex};

use alloy::transports::http::reqwest::Client;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Act {
    /// It is passed on, and so is the answer.
    Pass,
    /// It is passed on, and answered with this error.
    PassThenError(i64, &'static str),
    /// It is passed on, and the connection is closed.
    PassThenClose,
    /// It is passed on, and answered with this HTTP status and a page.
    PassThenStatus(u16),
    /// It is passed on, and never answered.
    PassThenHang,
    /// It is answered with this HTTP status, these headers and a page.
    Status(u16, &'static str),
    /// It is answered with this error.
    Error(i64, &'static str),
    /// It is answered with this.
    Result(Value),
}

/// Says what becomes of a request, by its method and how many of that method came before it.
type Plan = Box<dyn Fn(&str, usize) -> Act + Send>;

/// The endpoint. It runs until the test's runtime ends.
#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) url: String,
    shared: Arc<Shared>,
}

struct Shared {
    behind: String,
    client: Client,
    plan: Mutex<Plan>,
    asked: Mutex<std::collections::HashMap<String, usize>>,
}

impl Endpoint {
    pub(crate) async fn start(behind: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            behind: behind.to_owned(),
            client: Client::builder().no_proxy().build().unwrap(),
            plan: Mutex::new(Box::new(|_, _| Act::Pass)),
            asked: Mutex::default(),
        });
        let serving = shared.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(serving.clone(), stream));
            }
        });
        Self { url, shared }
    }

    /// From now on, requests go as `plan` has it, counted from anew.
    pub(crate) fn plan(&self, plan: impl Fn(&str, usize) -> Act + Send + 'static) {
        *self.shared.plan.lock().unwrap() = Box::new(plan);
        self.shared.asked.lock().unwrap().clear();
    }

    /// As [`Self::plan`], for the first `times` transactions that are sent.
    pub(crate) fn on_sending(&self, times: usize, act: Act) {
        self.plan(
            move |method, number| {
                if method == "eth_sendRawTransaction" && number < times { act.clone() } else { Act::Pass }
            },
        );
    }

    /// How often a method was asked since the last plan.
    pub(crate) fn asked(&self, method: &str) -> usize {
        self.shared.asked.lock().unwrap().get(method).copied().unwrap_or_default()
    }
}

/// Answers one request; each has a connection of its own.
async fn serve(shared: Arc<Shared>, stream: TcpStream) {
    let mut stream = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
            return;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    let request: Value = serde_json::from_slice(&body).unwrap();
    let method = request["method"].as_str().unwrap().to_owned();
    let number = {
        let mut asked = shared.asked.lock().unwrap();
        let count = asked.entry(method.clone()).or_default();
        *count += 1;
        *count - 1
    };
    let act = (shared.plan.lock().unwrap())(&method, number);
    let passes = !matches!(act, Act::Status(..) | Act::Error(..) | Act::Result(_));
    let mut answer = Value::Null;
    if passes {
        let response = shared.client.post(&shared.behind).json(&request).send().await.unwrap();
        answer = response.json().await.unwrap();
    }
    let error = |code: i64, message: &str| json!({ "code": code, "message": message });
    let (status, headers) = match act {
        Act::Pass => (200, ""),
        Act::PassThenError(code, message) | Act::Error(code, message) => {
            answer = json!({ "jsonrpc": "2.0", "id": request["id"], "error": error(code, message) });
            (200, "")
        }
        Act::Result(result) => {
            answer = json!({ "jsonrpc": "2.0", "id": request["id"], "result": result });
            (200, "")
        }
        Act::PassThenClose => return,
        Act::PassThenHang => return std::future::pending().await,
        Act::PassThenStatus(status) => (status, ""),
        Act::Status(status, headers) => (status, headers),
    };
    let body = if status == 200 { answer.to_string() } else { "<html>no</html>".to_owned() };
    let head = format!(
        "HTTP/1.1 {status} x\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n",
        body.len()
    );
    // Whoever gave up does not read it.
    let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
}
