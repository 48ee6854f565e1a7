//! One node, asked over HTTP. What it says is not believed here, only bounded in time and size.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use quorate_contracts::rpc::{http_client, is_loopback, transport_error};
use quorate_protocol::api::{ErrorBody, ErrorCode};
use quorate_protocol::{Digest, EntryIndex, Epoch, GroupId, HandoverError, ProposalId, ReceiptError};
use reqwest::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER};
use reqwest::{RequestBuilder, Response, Url};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::error::SdkError;

/// The most bytes of an answer that is an error.
const MAX_ERROR_BYTES: usize = 16 * 1024;
/// The longest that a node may ask to be left alone.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(60);
/// How long a node is left alone that limits requests and does not say for how long.
const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(1);
/// The most characters of a node's own words that are kept.
const MAX_MESSAGE_CHARS: usize = 300;

/// Why an answer is a lie and not a mistake: the node vouched for something that it cannot prove.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Lie {
    /// A receipt that does not verify against the group.
    #[error("a bad receipt: {0}")]
    Receipt(Arc<ReceiptError>),
    /// A good receipt, but for another command.
    #[error("the receipt of {found} for command {asked}")]
    OtherCommand {
        /// The command that was asked about.
        asked: Digest,
        /// What the receipt is about.
        found: Digest,
    },
    /// A good receipt, but not of the proposal's decision.
    #[error("a receipt that is not of the decision on {asked}")]
    OtherDecision {
        /// The proposal that was asked about.
        asked: ProposalId,
    },
    /// A handover between epochs that does not hold.
    #[error("a bad handover: {0}")]
    Handover(Arc<HandoverError>),
    /// What it gave to be anchored is not what the contract asks for, or contradicts itself.
    #[error("the anchor: {reason}")]
    Anchor {
        /// What does not fit.
        reason: String,
    },
    /// Entries, roots or certificates that do not fit together.
    #[error("the log at entry {index}: {reason}")]
    Log {
        /// Where it shows.
        index: EntryIndex,
        /// What does not fit.
        reason: String,
    },
}

/// What a node did instead of answering.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeFailure {
    /// No connection, or a broken one.
    #[error("unreachable: {0}")]
    Unreachable(String),
    /// No answer in time.
    #[error("no answer within {} ms", .0.as_millis())]
    TimedOut(Duration),
    /// More bytes than the answer may have.
    #[error("an answer of more than {0} bytes")]
    TooLong(usize),
    /// An answer that cannot be read.
    #[error("an answer that cannot be read: {0}")]
    Malformed(String),
    /// An answer that says no.
    #[error("{code:?} (HTTP {status}): {message}")]
    Answered {
        /// The HTTP status.
        status: u16,
        /// The condition.
        code: ErrorCode,
        /// The condition in the node's words, cut and without control characters.
        message: String,
        /// The entry that stands in the way, if the node named one.
        entry: Option<EntryIndex>,
        /// How long the node asks to be left alone, a minute at most.
        retry_after: Option<Duration>,
    },
    /// The node has not come to what others have shown: it lags, which is no lie.
    #[error("its log has not {0} entries yet")]
    Behind(u64),
    /// What the node says without proof has not been said by enough others yet.
    #[error("too few other nodes say the same")]
    Alone,
    /// A receipt or a certificate whose epoch cannot be looked up just now: the fault may be the RPC endpoint's.
    #[error("its answer is of epoch {epoch}, whose members cannot be read: {reason}")]
    UnreadableEpoch {
        /// The epoch.
        epoch: Epoch,
        /// Why not.
        reason: String,
    },
    /// A stable checkpoint with too few signatures that count in the contract: more may come, or another node may have them.
    #[error("its checkpoint has {0}")]
    TooFewSignatures(String),
    /// An answer that is refuted by its own proof.
    #[error("it lied: {0}")]
    Lied(#[from] Lie),
}

impl NodeFailure {
    /// The condition for which the same request would fail at every correct node, if that is what the node
    /// claims. One node's claim proves nothing.
    pub(super) fn rejection(&self) -> Option<ErrorCode> {
        match *self {
            // A condition that a newer node knows is told by its HTTP status.
            Self::Answered { code: ErrorCode::Unknown, status, .. } => {
                ((400..500).contains(&status) && status != 408 && status != 429).then_some(ErrorCode::Unknown)
            }
            Self::Answered { code, .. } => (!code.is_retryable()).then_some(code),
            _ => None,
        }
    }

    /// How long the node wants to be left alone.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Answered { status: 429, retry_after, .. } => {
                Some(retry_after.unwrap_or(DEFAULT_RETRY_AFTER))
            }
            Self::Answered { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether the node has more to do than it can: asking the others at once would spread that to them.
    pub(super) fn is_overload(&self) -> bool {
        matches!(
            self,
            Self::Answered { code: ErrorCode::RateLimited | ErrorCode::Busy, .. }
                | Self::Answered { status: 429, .. }
        )
    }

    /// Whether the node answered that there is no such thing, or not yet.
    pub(super) fn is_absence(&self) -> bool {
        matches!(self, Self::Answered { code: ErrorCode::NotFound | ErrorCode::NotDecided, .. })
    }
}

impl From<ReceiptError> for NodeFailure {
    fn from(error: ReceiptError) -> Self {
        Self::Lied(Lie::Receipt(Arc::new(error)))
    }
}

impl From<HandoverError> for NodeFailure {
    fn from(error: HandoverError) -> Self {
        Self::Lied(Lie::Handover(Arc::new(error)))
    }
}

/// What single nodes are asked with: no redirects, because a node speaks for itself alone.
pub(crate) fn plain_http(connect_timeout: Duration) -> Result<reqwest::Client, SdkError> {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(connect_timeout)
        .build()
        .map_err(|error| SdkError::Configuration(error.to_string()))
}

/// How a node has done so far, as this client saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeHealth {
    /// The node's URL.
    pub url: String,
    /// How many requests it answered.
    pub answers: u64,
    /// How many requests it failed, lies included.
    pub failures: u64,
    /// How many of its answers were refuted by their own proof. A correct node never does this.
    pub lies: u64,
}

/// A node of the group.
#[derive(Debug)]
pub(crate) struct Node {
    url: String,
    base: String,
    parsed: Url,
    http: reqwest::Client,
    /// When the node wants to be asked again.
    paused: Mutex<Option<Instant>>,
    answers: AtomicU64,
    failures: AtomicU64,
    lies: AtomicU64,
}

impl Node {
    /// The node at `url`, asked about `group` with `http`; directly, if it runs on this machine, whatever proxies the
    /// environment names.
    pub(crate) fn new(url: &str, group: GroupId, http: reqwest::Client) -> Result<Self, SdkError> {
        let mut node = Self::with_client(url, group, http)?;
        if is_loopback(&node.parsed) {
            let direct = http_client(&node.parsed).build();
            node.http = direct.map_err(|error| SdkError::Configuration(error.to_string()))?;
        }
        Ok(node)
    }

    /// The node at `url`, asked about `group` with `http` and nothing else.
    pub(super) fn with_client(url: &str, group: GroupId, http: reqwest::Client) -> Result<Self, SdkError> {
        let parsed: Url =
            url.parse().map_err(|error| SdkError::Configuration(format!("node URL {url:?}: {error}")))?;
        if !matches!(parsed.scheme(), "http" | "https") || parsed.host().is_none() {
            let reason = "expected http://host:port or https://host";
            return Err(SdkError::Configuration(format!("node URL {url:?}: {reason}")));
        }
        let url = url.trim_end_matches('/').to_owned();
        let base = format!("{url}/v1/groups/{group}");
        let zero = || AtomicU64::new(0);
        let paused = Mutex::default();
        Ok(Self { url, base, parsed, http, answers: zero(), failures: zero(), lies: zero(), paused })
    }

    /// Until when the node has asked not to be asked, if that is yet to come.
    pub(super) fn paused_until(&self) -> Option<Instant> {
        let paused = *self.paused.lock().expect("nobody panics while holding the time");
        paused.filter(|until| *until > Instant::now())
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn health(&self) -> NodeHealth {
        NodeHealth {
            url: self.url.clone(),
            answers: self.answers.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            lies: self.lies.load(Ordering::Relaxed),
        }
    }

    pub(super) fn count<T>(&self, result: &Result<T, NodeFailure>) {
        match result {
            Ok(_) | Err(NodeFailure::Alone) => self.answers.fetch_add(1, Ordering::Relaxed),
            Err(failure) => {
                tracing::debug!(node = self.url, %failure, "a node failed a request");
                if matches!(failure, NodeFailure::Lied(_)) {
                    self.lies.fetch_add(1, Ordering::Relaxed);
                    tracing::warn!(node = self.url, %failure, "a node lied");
                }
                if let Some(wait) = failure.retry_after() {
                    let mut paused = self.paused.lock().expect("nobody panics while holding the time");
                    *paused = Some(Instant::now() + wait);
                }
                self.failures.fetch_add(1, Ordering::Relaxed)
            }
        };
    }

    /// Reads deterministic CBOR, or text, from `path` under the group.
    pub(crate) async fn get(
        &self,
        path: &str,
        accept: &str,
        timeout: Duration,
        max: usize,
    ) -> Result<Vec<u8>, NodeFailure> {
        let request = self.http.get(format!("{}{path}", self.base)).header(ACCEPT, accept);
        self.fetch(request, timeout, max).await
    }

    /// Reads JSON from `path` under the group.
    pub(crate) async fn get_json<T: DeserializeOwned>(
        &self,
        path: &str,
        timeout: Duration,
        max: usize,
    ) -> Result<T, NodeFailure> {
        let bytes = self.get(path, "application/json", timeout, max).await?;
        serde_json::from_slice(&bytes).map_err(|error| NodeFailure::Malformed(error.to_string()))
    }

    /// Sends `body`, which is CBOR, to `path` under the group.
    pub(crate) async fn post(
        &self,
        path: &str,
        body: Vec<u8>,
        timeout: Duration,
        max: usize,
    ) -> Result<Vec<u8>, NodeFailure> {
        use quorate_protocol::api::CBOR;
        let request = self.http.post(format!("{}{path}", self.base));
        self.fetch(request.header(CONTENT_TYPE, CBOR).header(ACCEPT, CBOR).body(body), timeout, max).await
    }

    async fn fetch(
        &self,
        request: RequestBuilder,
        timeout: Duration,
        max: usize,
    ) -> Result<Vec<u8>, NodeFailure> {
        let exchange = async {
            let response = request.send().await.map_err(|error| self.unreachable(error))?;
            let status = response.status();
            if status.is_success() {
                return self.read_bounded(response, max).await;
            }
            let wait = retry_after(&response);
            let body = self.read_bounded(response, MAX_ERROR_BYTES).await?;
            Err(answered(status.as_u16(), &body, wait))
        };
        tokio::time::timeout(timeout, exchange).await.unwrap_or(Err(NodeFailure::TimedOut(timeout)))
    }

    async fn read_bounded(&self, mut response: Response, max: usize) -> Result<Vec<u8>, NodeFailure> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unreachable(error))? {
            if body.len() + chunk.len() > max {
                return Err(NodeFailure::TooLong(max));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn unreachable(&self, error: reqwest::Error) -> NodeFailure {
        NodeFailure::Unreachable(transport_error(error, &self.parsed))
    }
}

/// How long the node asks to be left alone, bounded: a liar must not silence an honest caller's other calls for long.
fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(MAX_RETRY_AFTER))
}

fn answered(status: u16, body: &[u8], wait: Option<Duration>) -> NodeFailure {
    let unreadable = |_| ErrorBody::new(ErrorCode::Unknown, String::from_utf8_lossy(body));
    let ErrorBody { code, detail, entry, .. } = serde_json::from_slice(body).unwrap_or_else(unreadable);
    // A node's words may end up on a terminal.
    let message = detail.chars().filter(|c| !c.is_control()).take(MAX_MESSAGE_CHARS).collect();
    NodeFailure::Answered { status, code, message, entry, retry_after: wait }
}
