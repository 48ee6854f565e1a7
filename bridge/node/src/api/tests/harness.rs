//! A node without consensus.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use quorate_protocol::api::{CBOR, ErrorBody, PROBLEM};
use quorate_protocol::{CheckpointCertificate, LogHead, Receipt, SignedCommand, View};
use reqwest::{Method, RequestBuilder, Response};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::anchored::InboxView;
use crate::api::{
    CommandVerifier, NodeHandle, NodeStatus, Readiness, Submission, Verdict, VerifyError, serve,
};
use crate::config::HttpConfig;
use crate::evidence::HeldEvidence;
use crate::ledger::fixture::{Fixture, SharedLedger};
use crate::metrics::Metrics;

/// What the stand-in does with submissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Runtime {
    /// It executes and attests them.
    Working,
    /// It executes them and nobody attests.
    Unattested,
    /// It leaves them where they are.
    Stalled,
}

struct EachAlone;

impl CommandVerifier for EachAlone {
    fn verify(&self, command: SignedCommand) -> Verdict<'_> {
        Box::pin(async move {
            let group = command.command().group;
            command.verify(&group).map_err(|_| VerifyError::BadSignature)
        })
    }
}

/// A running node and a client to it.
pub(super) struct Node {
    pub(super) fixture: Arc<Fixture>,
    pub(super) shared: Arc<SharedLedger>,
    pub(super) base: String,
    pub(super) admin: Option<String>,
    pub(super) client: reqwest::Client,
    pub(super) submitted: Arc<AtomicUsize>,
    pub(super) runtime: watch::Sender<Runtime>,
    pub(super) status: watch::Sender<NodeStatus>,
    pub(super) stable: watch::Sender<Option<CheckpointCertificate>>,
    pub(super) inbox: watch::Sender<InboxView>,
    pub(super) evidence: watch::Sender<Arc<HeldEvidence>>,
    pub(super) stop: Option<oneshot::Sender<()>>,
    pub(super) server: JoinHandle<()>,
}

/// Limits that no test meets by accident.
pub(super) fn config() -> HttpConfig {
    HttpConfig {
        listen: ([127, 0, 0, 1], 0).into(),
        admin_listen: None,
        allowed_origins: vec![],
        max_body_bytes: 128 * 1024,
        requests_per_second: 10_000.0,
        commands_per_second: 10_000.0,
        max_connections: 64,
    }
}

impl Node {
    pub(super) async fn start() -> Self {
        Self::start_with(config()).await
    }

    pub(super) async fn start_with(config: HttpConfig) -> Self {
        let fixture = Arc::new(Fixture::new());
        let shared = Arc::new(SharedLedger::new(&fixture));
        let (submit, submissions) = mpsc::channel(1);
        let ready = NodeStatus { view: View(0), readiness: Readiness::Ready };
        let (status, status_receiver) = watch::channel(ready);
        let (stable, stable_receiver) = watch::channel(None);
        let (evidence, evidence_receiver) = watch::channel(Arc::default());
        let (inbox, inbox_receiver) = watch::channel(InboxView::default());
        let (runtime, mode) = watch::channel(Runtime::Working);
        let metrics = Metrics::new();
        let handle = NodeHandle {
            ledger: shared.reader.clone(),
            verifier: Arc::new(EachAlone),
            submit,
            status: status_receiver,
            gathered: stable_receiver.clone(),
            stable: stable_receiver,
            inbox: inbox_receiver,
            evidence: evidence_receiver,
            handovers: watch::channel(Arc::default()).1,
            metrics: metrics.clone(),
        };
        let submitted = Arc::new(AtomicUsize::new(0));
        let order = Order {
            fixture: Arc::clone(&fixture),
            shared: Arc::clone(&shared),
            submitted: Arc::clone(&submitted),
            metrics,
        };
        tokio::spawn(order.run(submissions, mode));

        let listeners = crate::api::bind(&config).await.unwrap();
        let base = format!("http://{}", listeners.address().unwrap());
        let admin = listeners.admin_address().unwrap().map(|admin| format!("http://{admin}"));
        let (stop, stopped) = oneshot::channel::<()>();
        let server =
            tokio::spawn(
                async move { serve(listeners, &config, handle, async { drop(stopped.await) }).await },
            );
        let client = reqwest::Client::new();
        let stop = Some(stop);
        Self {
            fixture,
            shared,
            base,
            admin,
            client,
            submitted,
            runtime,
            status,
            stable,
            inbox,
            evidence,
            stop,
            server,
        }
    }

    /// The path of a route of the group.
    pub(super) fn path(&self, rest: &str) -> String {
        format!("/v1/groups/{}{rest}", self.fixture.group.identity.group)
    }

    pub(super) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    /// Asks a route of the group.
    pub(super) async fn get(&self, rest: &str) -> Response {
        self.request(Method::GET, &self.path(rest)).send().await.unwrap()
    }

    /// Asks a route of the group for JSON.
    pub(super) async fn json<T: serde::de::DeserializeOwned>(&self, rest: &str) -> T {
        let response = self.get(rest).await;
        assert_eq!(response.status(), 200, "{rest}");
        response.json().await.unwrap()
    }

    /// Asks a route of the group for CBOR.
    pub(super) async fn cbor(&self, rest: &str) -> Vec<u8> {
        let request = self.request(Method::GET, &self.path(rest)).header("accept", CBOR);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200, "{rest}");
        assert_eq!(response.headers()["content-type"], CBOR);
        response.bytes().await.unwrap().to_vec()
    }

    pub(super) async fn submit_bytes(&self, query: &str, bytes: Vec<u8>) -> Response {
        let path = self.path(&format!("/commands{query}"));
        let request = self.request(Method::POST, &path).header("content-type", CBOR).body(bytes);
        request.send().await.unwrap()
    }

    pub(super) async fn submit(&self, command: &SignedCommand) -> Response {
        self.submit_bytes("", command.encode()).await
    }

    /// Submits a command and checks its receipt.
    pub(super) async fn receipt(&self, command: &SignedCommand) -> Receipt {
        let response = self.submit(command).await;
        let status = response.status();
        let bytes = response.bytes().await.unwrap();
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&bytes));
        let receipt = Receipt::decode(&bytes).unwrap();
        assert_eq!(receipt.verify(&self.fixture.group), Ok(()));
        receipt
    }

    pub(super) fn submissions(&self) -> usize {
        self.submitted.load(Ordering::SeqCst)
    }
}

/// The error that a response carries, whose HTTP status must be that of its code.
pub(super) async fn error(response: Response) -> ErrorBody {
    let status = response.status();
    assert_eq!(response.headers()["content-type"], PROBLEM);
    let body: ErrorBody = response.json().await.unwrap();
    assert_eq!((body.status, body.code.http_status()), (status.as_u16(), status.as_u16()), "{body:?}");
    assert_eq!(
        Some(&*body.title),
        status.canonical_reason().map(|title| match title {
            "Payload Too Large" => "Content Too Large",
            title => title,
        })
    );
    body
}

struct Order {
    fixture: Arc<Fixture>,
    shared: Arc<SharedLedger>,
    submitted: Arc<AtomicUsize>,
    metrics: Metrics,
}

impl Order {
    async fn run(self, mut submissions: mpsc::Receiver<Submission>, mut mode: watch::Receiver<Runtime>) {
        let mut unattested: Option<LogHead> = None;
        loop {
            let now = *mode.borrow_and_update();
            if let Some(head) = unattested.take_if(|_| now == Runtime::Working) {
                self.shared.certify(&self.fixture, head);
            }
            tokio::select! {
                Some(submission) = submissions.recv(), if now != Runtime::Stalled => {
                    self.submitted.fetch_add(1, Ordering::SeqCst);
                    let batch = self.shared.execute(&[submission.command.into_inner()]);
                    self.metrics.count_batch(&batch);
                    unattested = Some(batch.head);
                }
                changed = mode.changed() => if changed.is_err() { return },
            }
        }
    }
}
