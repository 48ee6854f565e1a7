//! Several endpoints as one: what decides is believed when enough of them say the same.
//!
//! | question | answer |
//! |---|---|
//! | calls, code, storage, events, blocks by number or hash, the chain's id | what enough endpoints say alike |
//! | the newest, safe or final block | the newest that enough of them have reached, as they say alike |
//! | a receipt | what enough of them say alike; none while they do not |
//! | nonces, the head's number, prices | the highest that enough of them reach |
//! | a transaction that is sent | all get it; the first that takes it answers |
//! | the rest, such as estimates of gas | the first that answers |
//!
//! So fewer liars than have to agree make nothing up; they can only withhold. Endpoints that lag, as some do right after a
//! block, are asked again for some seconds.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use alloy::rpc::json_rpc::{
    Id, Request, RequestPacket, Response, ResponsePacket, ResponsePayload, SerializedRequest,
};
use alloy::transports::{TransportError, TransportErrorKind, TransportFut};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tower_service::Service;

use super::http::BoundedHttp;
use super::{Bounds, Broadcast};

/// The pause before endpoints that disagree are asked again.
const PAUSE: Duration = Duration::from_millis(250);
/// The most characters of an answer in a message.
const MAX_SHOWN: usize = 60;

type Payload = ResponsePayload<Box<RawValue>, Box<RawValue>>;

/// Several endpoints that are asked together.
#[derive(Clone, Debug)]
pub(super) struct Agreement(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    endpoints: Vec<BoundedHttp>,
    agree: usize,
    bounds: Bounds,
    /// Who is asked first where one answer is enough: the last that gave one.
    preferred: AtomicUsize,
}

/// How the answers to a question become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    Alike,
    Receipt,
    Reached,
    Newest,
    Sent,
    Any,
}

impl Rule {
    fn of(request: &SerializedRequest) -> Self {
        match request.method() {
            "eth_chainId" | "eth_call" | "eth_getCode" | "eth_getStorageAt" | "eth_getLogs"
            | "eth_getBalance" | "eth_getBlockByHash" => Self::Alike,
            "eth_getBlockByNumber" if names_a_tag(request) => Self::Newest,
            "eth_getBlockByNumber" => Self::Alike,
            "eth_getTransactionReceipt" => Self::Receipt,
            "eth_getTransactionCount" | "eth_blockNumber" | "eth_gasPrice" | "eth_maxPriorityFeePerGas" => {
                Self::Reached
            }
            "eth_sendRawTransaction" => Self::Sent,
            _ => Self::Any,
        }
    }
}

fn names_a_tag(request: &SerializedRequest) -> bool {
    let parameters = request.params().and_then(|params| serde_json::from_str::<Value>(params.get()).ok());
    let first = parameters.as_ref().and_then(|params| params.get(0)).and_then(Value::as_str);
    first.is_some_and(|block| !block.starts_with("0x"))
}

/// One endpoint's answer, or why there is none.
type Told = (usize, Result<Payload, TransportError>);

impl Agreement {
    pub(super) fn new(endpoints: Vec<BoundedHttp>, agree: usize, bounds: Bounds) -> Self {
        Self(Arc::new(Inner { endpoints, agree, bounds, preferred: AtomicUsize::new(0) }))
    }

    async fn ask(self, packet: RequestPacket) -> Result<ResponsePacket, TransportError> {
        let RequestPacket::Single(request) = packet else {
            return Err(TransportErrorKind::custom_str("several endpoints take no batches of questions"));
        };
        let payload = match Rule::of(&request) {
            Rule::Alike | Rule::Receipt => self.alike(&request).await?,
            Rule::Reached => self.reached(&request).await?,
            Rule::Newest => self.newest(&request).await?,
            Rule::Sent => self.sent(&request).await?,
            Rule::Any => self.any(&request).await?,
        };
        Ok(ResponsePacket::Single(Response { id: request.id().clone(), payload }))
    }

    /// Asks all endpoints at once.
    fn ask_all(&self, request: &SerializedRequest) -> JoinSet<Told> {
        let mut asked = JoinSet::new();
        for (index, endpoint) in self.0.endpoints.iter().cloned().enumerate() {
            let request = request.clone();
            asked.spawn(async move { (index, one(endpoint, request).await) });
        }
        asked
    }

    async fn alike(&self, request: &SerializedRequest) -> Result<Payload, TransportError> {
        let started = Instant::now();
        loop {
            let mut asked = self.ask_all(request);
            let mut told: Vec<Told> = Vec::new();
            while let Some(done) = asked.join_next().await {
                told.push(done.expect("asking an endpoint neither panics nor is aborted"));
                if let Some(agreed) = self.agreed(request, &told) {
                    return Ok(agreed);
                }
            }
            let answers = told.iter().filter(|(_, answer)| answer.as_ref().is_ok_and(is_answer)).count();
            // Those that have not seen a transaction yet will.
            if Rule::of(request) == Rule::Receipt && answers >= self.0.agree {
                return Ok(ResponsePayload::Success(to_raw_value(&Value::Null).expect("null is JSON")));
            }
            // Too few answers will not become enough by patience; others lag or lie, and those that lag catch up.
            if answers < self.0.agree || started.elapsed() > self.0.bounds.request {
                return Err(self.disagreement(request, &told));
            }
            sleep(PAUSE).await;
        }
    }

    /// The answer that enough of those who answered agree on.
    fn agreed(&self, request: &SerializedRequest, told: &[Told]) -> Option<Payload> {
        let answers =
            || told.iter().filter_map(|(_, answer)| answer.as_ref().ok()).filter(|answer| is_answer(answer));
        let newest = meaning(request.method(), answers().next_back()?);
        let same = answers().filter(|answer| meaning(request.method(), answer) == newest).count();
        (same >= self.0.agree).then(|| answers().next_back().cloned()).flatten()
    }

    /// The highest number that enough endpoints reach.
    async fn reached(&self, request: &SerializedRequest) -> Result<Payload, TransportError> {
        let told = self.ask_all(request).join_all().await;
        let number = |payload: &Payload| quantity(&value(payload)?);
        let mut numbers: Vec<_> =
            told.iter().filter_map(|(_, answer)| number(answer.as_ref().ok()?)).collect();
        numbers.sort_unstable_by(|a, b| b.cmp(a));
        let reached = numbers.get(self.0.agree - 1).ok_or_else(|| self.disagreement(request, &told))?;
        Ok(ResponsePayload::Success(to_raw_value(&format!("{reached:#x}")).expect("text is JSON")))
    }

    /// The newest block under a tag that enough endpoints have reached.
    async fn newest(&self, request: &SerializedRequest) -> Result<Payload, TransportError> {
        let told = self.ask_all(request).join_all().await;
        let number = |payload: &Payload| quantity(value(payload)?.get("number")?);
        let mut numbers: Vec<_> =
            told.iter().filter_map(|(_, answer)| number(answer.as_ref().ok()?)).collect();
        numbers.sort_unstable_by(|a, b| b.cmp(a));
        let Some(reached) = numbers.get(self.0.agree - 1) else {
            // A chain without such a block says so, or refuses the tag.
            let answers: Vec<Told> = told;
            return self.agreed(request, &answers).ok_or_else(|| self.disagreement(request, &answers));
        };
        let parameters = (format!("{reached:#x}"), false);
        let question = Request::new("eth_getBlockByNumber", Id::Number(0), parameters).serialize();
        let question = question.expect("a number and a flag are JSON");
        self.alike(&question).await
    }

    /// Sends a transaction to all endpoints. Those that are slow get it too.
    async fn sent(&self, request: &SerializedRequest) -> Result<Payload, TransportError> {
        let (tell, mut told) = tokio::sync::mpsc::channel(self.0.endpoints.len());
        for endpoint in self.0.endpoints.iter().cloned() {
            let (request, tell) = (request.clone(), tell.clone());
            tokio::spawn(async move {
                // Nobody listens any more once one endpoint has taken it.
                let _ = tell.send(one(endpoint, request).await).await;
            });
        }
        drop(tell);
        let mut refused = None;
        let mut unknown = None;
        while let Some(answer) = told.recv().await {
            match answer {
                Ok(ResponsePayload::Success(taken)) => return Ok(ResponsePayload::Success(taken)),
                Ok(ResponsePayload::Failure(error)) => match Broadcast::of_error(&error) {
                    Broadcast::Accepted => return Ok(ResponsePayload::Failure(error)),
                    Broadcast::Unknown => unknown = Some(Ok(ResponsePayload::Failure(error))),
                    _ => refused = Some(Ok(ResponsePayload::Failure(error))),
                },
                Err(error) => unknown = Some(Err(error)),
            }
        }
        // One that may have it outweighs those that do not want it.
        unknown.or(refused).expect("there is an endpoint")
    }

    /// The first answer, from the endpoint that answered last on.
    async fn any(&self, request: &SerializedRequest) -> Result<Payload, TransportError> {
        let (count, first) = (self.0.endpoints.len(), self.0.preferred.load(Ordering::Relaxed));
        let mut last = None;
        for index in (0..count).map(|at| (first + at) % count) {
            let answer = one(self.0.endpoints[index].clone(), request.clone()).await;
            if answer.as_ref().is_ok_and(is_answer) {
                self.0.preferred.store(index, Ordering::Relaxed);
                return answer;
            }
            last = Some(answer);
        }
        last.expect("there is an endpoint")
    }

    fn disagreement(&self, request: &SerializedRequest, told: &[Told]) -> TransportError {
        let each: Vec<String> = told
            .iter()
            .map(|(index, answer)| {
                let said = match answer {
                    Ok(payload) => meaning(request.method(), payload),
                    Err(error) => error.to_string(),
                };
                let said: String = said.chars().filter(|c| !c.is_control()).take(MAX_SHOWN).collect();
                format!("{} says {said}", self.0.endpoints[*index].name())
            })
            .collect();
        TransportErrorKind::custom_str(&format!(
            "{} of {} endpoints have to say the same to {}, and do not: {}",
            self.0.agree,
            self.0.endpoints.len(),
            request.method(),
            each.join("; ")
        ))
    }
}

async fn one(endpoint: BoundedHttp, request: SerializedRequest) -> Result<Payload, TransportError> {
    match endpoint.ask(RequestPacket::Single(request)).await? {
        ResponsePacket::Single(response) => Ok(response.payload),
        ResponsePacket::Batch(_) => Err(TransportErrorKind::custom_str("many answers to one question")),
    }
}

/// Whether the endpoint answers the question: a result, or what the contract said when it reverted.
fn is_answer(payload: &Payload) -> bool {
    match payload {
        ResponsePayload::Success(_) => true,
        ResponsePayload::Failure(error) => error.code == 3 || error.as_revert_data().is_some(),
    }
}

fn value(payload: &Payload) -> Option<Value> {
    match payload {
        ResponsePayload::Success(result) => serde_json::from_str(result.get()).ok(),
        ResponsePayload::Failure(_) => None,
    }
}

fn quantity(value: &Value) -> Option<u128> {
    u128::from_str_radix(value.as_str()?.strip_prefix("0x")?, 16).ok()
}

/// What an answer says, without what clients add or write differently: two answers with one meaning are alike.
fn meaning(method: &str, payload: &Payload) -> String {
    let parts = |value: &Value, names: &[&str]| {
        let parts: Vec<String> =
            names.iter().map(|name| value.get(name).unwrap_or(&Value::Null).to_string()).collect();
        parts.join(" ").to_lowercase()
    };
    let value = match payload {
        ResponsePayload::Success(_) => value(payload).unwrap_or_default(),
        ResponsePayload::Failure(error) => {
            let data = error.as_revert_data();
            return data.map_or_else(|| error.to_string(), |data| format!("reverted with {data}"));
        }
    };
    if value.is_null() {
        return "null".into();
    }
    match method {
        // The hash is of the whole block.
        "eth_getBlockByNumber" | "eth_getBlockByHash" => parts(&value, &["hash"]),
        "eth_getTransactionReceipt" => {
            parts(&value, &["transactionHash", "blockHash", "blockNumber", "status", "gasUsed"])
        }
        "eth_getLogs" => {
            let names =
                ["address", "topics", "data", "blockHash", "blockNumber", "transactionHash", "logIndex"];
            let logs =
                value.as_array().map(|logs| logs.iter().map(|log| parts(log, &names)).collect::<Vec<_>>());
            logs.map_or_else(|| value.to_string(), |logs| logs.join("\n"))
        }
        _ => value.to_string().to_lowercase(),
    }
}

impl Service<RequestPacket> for Agreement {
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
