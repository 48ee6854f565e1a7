//! A node of the HTTP API that behaves as a test wants it to.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use quorate_protocol::api::{
    AgentView, AnchorPackage, ConsistencyProof, EntriesPage, ErrorBody, ErrorCode, HandoversPage, InboxPage,
    MAX_PAGE_ENTRIES, MAX_PAGE_EVENTS, MAX_PAGE_HANDOVERS, WaitingMessage,
};
use quorate_protocol::{
    AgentId, Digest, EntryIndex, EntryRecord, Handover, InboxEvent, InboxMessage, LogCertificate, Nonce,
    OnChainStatus, ProposalId, SignedCommand, codec,
};
use quorate_services::AdmissionError;

use crate::world::World;

/// Changes what the node serves as its log.
pub(crate) type Tamper = Arc<dyn Fn(&World, &mut Vec<EntryRecord>) + Send + Sync>;

/// Changes what the node gives to be anchored.
pub(crate) type Spoil = Arc<dyn Fn(&mut AnchorPackage) + Send + Sync>;

#[derive(Clone)]
pub(crate) enum Behaviour {
    Honest,
    /// Answers after this long.
    Slow(Duration),
    /// One byte of every receipt is another.
    TamperedReceipt,
    /// Gives a receipt of the log of another group.
    OtherGroupsReceipt,
    /// Gives a good receipt, but always the same.
    OtherEntrysReceipt,
    /// Says that commands are pending so many times, but orders them.
    Pending(usize),
    /// Rejects everything.
    Rejecting(ErrorCode),
    /// Claims that this is everybody's next nonce.
    WrongNonce(u64),
    /// Sends more bytes than any answer may have.
    Endless,
    /// Serves another log.
    Tampered(Tamper),
    /// Serves another certificate.
    Certifying(LogCertificate),
    /// Knows nothing of handovers.
    WithoutHandovers,
    /// Gives another package to be anchored.
    Anchoring(Spoil),
    /// Names these proposals in the inbox.
    Naming(Vec<ProposalId>),
    /// Says of every proposal that it moved on-chain by this entry.
    Moving(u64),
    /// Limits every request, and wants to be left alone for so many seconds.
    Limiting(u64),
    /// Tells of another end of the voting, so many milliseconds later, and of this epoch.
    Voting(u64, u64),
    /// Serves other handovers.
    HandingOver(Vec<Handover>),
}

pub(crate) struct Node {
    pub(crate) url: String,
    pub(crate) limited: Arc<AtomicUsize>,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for Node {
    fn drop(&mut self) {
        self.server.abort();
    }
}

#[derive(Clone)]
struct Shared {
    world: Arc<Mutex<World>>,
    behaviour: Behaviour,
    requests: Arc<AtomicUsize>,
    /// How many requests were answered that it was asked to wait with.
    limited: Arc<AtomicUsize>,
}

#[derive(serde::Deserialize, Default)]
#[serde(default)]
struct Parameters {
    from: u64,
    to: u64,
    limit: usize,
    wait_ms: u64,
    epoch: u64,
    sequence: u64,
    size: u64,
    taken: u64,
}

impl Node {
    pub(crate) async fn start(world: &Arc<Mutex<World>>, behaviour: Behaviour) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared =
            Shared { world: world.clone(), behaviour, requests: Arc::default(), limited: Arc::default() };
        let limited = shared.limited.clone();
        let group = format!("/v1/groups/{}", world.lock().unwrap().group.identity.group);
        let routes = Router::new()
            .route("/commands", post(command))
            .route("/commands/{digest}", get(command_receipt))
            .route("/agents/{agent}", get(agent))
            .route("/proposals/{id}", get(proposal))
            .route("/proposals/{id}/decision", get(decision))
            .route("/entries", get(entries))
            .route("/handovers", get(handovers))
            .route("/entries/{index}/receipt", get(entry_receipt))
            .route("/inbox", get(inbox))
            .route("/anchor", get(anchor))
            .route("/log/certificate", get(certificate))
            .route("/log/consistency", get(consistency))
            .with_state(shared);
        let app = Router::new().nest(&group, routes);
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, limited, server }
    }

    /// The URL of a node that is not there.
    pub(crate) async fn dead() -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    }
}

fn error(code: ErrorCode, entry: Option<EntryIndex>) -> Response {
    let body = ErrorBody { entry, ..ErrorBody::new(code, "as \u{1b}[31mtold") };
    (StatusCode::from_u16(code.http_status()).unwrap(), Json(body)).into_response()
}

impl Shared {
    /// What the node does before it looks at a request.
    async fn begin(&self) -> Result<(), Response> {
        match &self.behaviour {
            Behaviour::Slow(time) => tokio::time::sleep(*time).await,
            Behaviour::Rejecting(code) => return Err(error(*code, None)),
            Behaviour::Limiting(seconds) => {
                self.limited.fetch_add(1, Ordering::Relaxed);
                let headers = [("retry-after", seconds.to_string())];
                return Err((headers, error(ErrorCode::RateLimited, None)).into_response());
            }
            Behaviour::Endless => return Err(vec![0u8; 40 << 20].into_response()),
            _ => {}
        }
        Ok(())
    }

    fn receipt(&self, index: u64) -> Response {
        let world = self.world.lock().unwrap();
        match &self.behaviour {
            Behaviour::TamperedReceipt => {
                let mut bytes = world.receipt(index).encode();
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
                bytes.into_response()
            }
            Behaviour::OtherGroupsReceipt => {
                let mut other = World::new(0x77);
                other.decide("elsewhere", vec![], &[]);
                other.receipt(1).encode().into_response()
            }
            Behaviour::OtherEntrysReceipt => world.receipt(1).encode().into_response(),
            _ => world.receipt(index).encode().into_response(),
        }
    }

    fn records(&self) -> Vec<EntryRecord> {
        let world = self.world.lock().unwrap();
        let mut records = world.records.clone();
        if let Behaviour::Tampered(tamper) = &self.behaviour {
            tamper(&world, &mut records);
        }
        records
    }
}

async fn command(State(shared): State<Shared>, body: Bytes) -> Response {
    if let Err(response) = shared.begin().await {
        return response;
    }
    let command = SignedCommand::decode(&body).unwrap();
    let submitted = shared.world.lock().unwrap().submit(&command);
    let index = match submitted {
        Ok(index) => index,
        Err(AdmissionError::NonceReused { entry, .. }) => return error(ErrorCode::NonceReused, Some(entry)),
        Err(AdmissionError::UnknownAgent { .. }) => return error(ErrorCode::UnknownAgent, None),
        Err(AdmissionError::NonceTooOld { .. }) => return error(ErrorCode::NonceTooOld, None),
        Err(AdmissionError::Expired { .. }) => return error(ErrorCode::Expired, None),
        Err(AdmissionError::NonceTooFar { .. }) => return error(ErrorCode::NonceTooFar, None),
        Err(_) => return error(ErrorCode::Malformed, None),
    };
    if let Behaviour::Pending(times) = shared.behaviour
        && shared.requests.fetch_add(1, Ordering::Relaxed) < times
    {
        return error(ErrorCode::Pending, None);
    }
    shared.receipt(index)
}

async fn command_receipt(State(shared): State<Shared>, Path(digest): Path<Digest>) -> Response {
    if let Err(response) = shared.begin().await {
        return response;
    }
    let index = shared.world.lock().unwrap().command_index(digest);
    index.map_or_else(|| error(ErrorCode::NotFound, None), |index| shared.receipt(index))
}

async fn agent(State(shared): State<Shared>, Path(agent): Path<AgentId>) -> Response {
    if let Err(response) = shared.begin().await {
        return response;
    }
    let view: Option<AgentView> = shared.world.lock().unwrap().machine.agent(agent);
    let Some(mut view) = view else { return error(ErrorCode::NotFound, None) };
    if let Behaviour::WrongNonce(nonce) = shared.behaviour {
        view.next_nonce = Nonce(nonce);
    }
    Json(view).into_response()
}

async fn proposal(State(shared): State<Shared>, Path(proposal): Path<ProposalId>) -> Response {
    if let Err(response) = shared.begin().await {
        return response;
    }
    let view = shared.world.lock().unwrap().machine.proposal(&proposal);
    match view {
        Some(mut view) => {
            if let Behaviour::Voting(later_ms, epoch) = shared.behaviour {
                view.closes = view.closes.plus(later_ms);
                view.epoch = quorate_protocol::Epoch(epoch);
            }
            Json(view).into_response()
        }
        None => error(ErrorCode::NotFound, None),
    }
}

async fn decision(
    State(shared): State<Shared>,
    Path(proposal): Path<ProposalId>,
    Query(parameters): Query<Parameters>,
) -> Response {
    if let Err(response) = shared.begin().await {
        return response;
    }
    let until = tokio::time::Instant::now() + Duration::from_millis(parameters.wait_ms);
    loop {
        let (index, moved) = {
            let world = shared.world.lock().unwrap();
            (world.decision_index(proposal), world.moved_index(proposal))
        };
        let moved = match shared.behaviour {
            Behaviour::Moving(index) => Some(index),
            _ => moved,
        };
        match index {
            Some(index) => return shared.receipt(index),
            None if moved.is_some() => return error(ErrorCode::NotDecided, moved.map(EntryIndex)),
            None if tokio::time::Instant::now() >= until => return error(ErrorCode::NotDecided, None),
            None => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn entries(State(shared): State<Shared>, Query(parameters): Query<Parameters>) -> Response {
    if let Err(response) = shared.begin().await {
        return response;
    }
    let records = shared.records();
    let limit = parameters.limit.clamp(1, MAX_PAGE_ENTRIES);
    let from = usize::try_from(parameters.from).unwrap();
    let entries = records.iter().skip(from).take(limit).cloned().collect();
    EntriesPage { size: records.len() as u64, entries }.encode().into_response()
}

async fn handovers(State(shared): State<Shared>, Query(parameters): Query<Parameters>) -> Response {
    if let Err(response) = shared.begin().await {
        return response;
    }
    let handovers = match &shared.behaviour {
        Behaviour::WithoutHandovers => return StatusCode::NOT_FOUND.into_response(),
        Behaviour::HandingOver(others) => others.clone(),
        _ => shared.world.lock().unwrap().handovers.clone(),
    };
    let from = usize::try_from(parameters.from).unwrap();
    let page: HandoversPage = handovers.into_iter().skip(from).take(MAX_PAGE_HANDOVERS).collect();
    Json(page).into_response()
}

async fn entry_receipt(State(shared): State<Shared>, Path(index): Path<u64>) -> Response {
    if let Err(response) = shared.begin().await {
        return response;
    }
    if index >= shared.world.lock().unwrap().size() {
        return error(ErrorCode::NotFound, None);
    }
    shared.receipt(index)
}

async fn certificate(State(shared): State<Shared>) -> Response {
    if let Err(response) = shared.begin().await {
        return response;
    }
    if let Behaviour::Certifying(certificate) = &shared.behaviour {
        return codec::encode(certificate).into_response();
    }
    let world = shared.world.lock().unwrap();
    codec::encode(&world.certificate_at(world.size())).into_response()
}

async fn consistency(State(shared): State<Shared>, Query(parameters): Query<Parameters>) -> Response {
    let Parameters { from, to, .. } = parameters;
    let world = shared.world.lock().unwrap();
    let root = |size| world.log.root_at(size).unwrap();
    let proof = world.log.consistency_proof(from, to).unwrap();
    Json(ConsistencyProof { from, to, from_root: root(from), to_root: root(to), proof }).into_response()
}

async fn inbox(State(shared): State<Shared>, Query(parameters): Query<Parameters>) -> Response {
    if let Err(response) = shared.begin().await {
        return response;
    }
    let named = match &shared.behaviour {
        Behaviour::Naming(named) => named.clone(),
        _ => vec![],
    };
    let world = shared.world.lock().unwrap();
    let (taken, hash) = world.machine.inbox_head();
    let told = world.machine.inbox_told(parameters.from, MAX_PAGE_EVENTS);
    let message = |(index, proposal): (u64, ProposalId)| {
        let (proposer, status) = (AgentId::from([1; 20]), OnChainStatus::Open);
        let event =
            InboxEvent::ProposalOpenedOnChain { proposal, proposer, class: 0, voting_ends: 1, status };
        let (kind, payload) = (event.kind(), event.payload());
        WaitingMessage::from(&InboxMessage { index, kind, sender: proposer, enqueued_at: 1, payload })
    };
    let waiting = (taken..).zip(named).map(message).collect();
    Json(InboxPage { taken, hash, waiting, told, next: None }).into_response()
}

async fn anchor(State(shared): State<Shared>, Query(parameters): Query<Parameters>) -> Response {
    if let Err(response) = shared.begin().await {
        return response;
    }
    let Parameters { epoch, sequence, size, taken, .. } = parameters;
    let package = shared.world.lock().unwrap().anchor_package(epoch, size, taken);
    let Some(mut package) = package.filter(|package| package.certificate.checkpoint.sequence.0 > sequence)
    else {
        return error(ErrorCode::NotFound, None);
    };
    if let Behaviour::Anchoring(spoil) = &shared.behaviour {
        spoil(&mut package);
    }
    package.encode().into_response()
}
