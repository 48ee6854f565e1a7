//! The group, its agents, its stable checkpoint and what is held against its replicas.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use minicbor::Encode;
use quorate_pbft::Evidence;
use quorate_protocol::api::{AgentView, AnchorStatus, ErrorBody, GroupStatus, StableStatus};
use quorate_protocol::{AgentId, CheckpointCertificate, Epoch, Handover};
use serde::{Deserialize, Serialize};

use super::body::negotiated;
use super::error::{ApiError, ApiResult};
use super::handle::Readiness;
use super::openapi::GroupParam;
use super::router::{Names, Params};
use super::state::Api;
use crate::anchored::AnchoredLog;
use crate::frame::MAX_HANDOVERS;

/// The group and how far this node is with it.
#[utoipa::path(
    get,
    path = "/v1/groups/{group}",
    operation_id = "getGroup",
    tag = "group",
    params(GroupParam),
    responses((status = 200, description = "The group", content((GroupStatus = "application/json"), (Vec<u8> = "application/cbor"))), (status = 404, description = "not_found", body = ErrorBody))
)]
pub(super) async fn status(State(api): State<Api>, headers: HeaderMap) -> Response {
    let node = api.node();
    let (view, ready) = {
        let status = node.status.borrow();
        (status.view, status.readiness == Readiness::Ready)
    };
    let stable = node.stable.borrow().as_ref().map(|stable| StableStatus {
        sequence: stable.checkpoint.sequence,
        log_size: stable.checkpoint.log_size,
    });
    let group = api.group();
    let status = node.ledger.read(|ledger| GroupStatus {
        group: (*group).clone(),
        view,
        primary: view.primary(group.replicas().len()),
        last_executed: ledger.last_executed(),
        time: ledger.state().time(),
        log_size: ledger.head().size,
        log_root: ledger.head().root,
        certified: ledger.certificate().map(|certificate| certificate.head),
        stable,
        anchored: ledger.anchor_within().map(anchor_status),
        ready,
    });
    negotiated(&headers, &status)
}

fn anchor_status(anchored: &AnchoredLog) -> AnchorStatus {
    let AnchoredLog { size, root, sequence, tx_hash, block } = *anchored;
    AnchorStatus { size, root, sequence, tx_hash, block }
}

/// A member or admitted agent.
#[utoipa::path(
    get,
    path = "/v1/groups/{group}/agents/{agent}",
    operation_id = "getAgent",
    tag = "group",
    params(GroupParam, ("agent" = String, Path, description = "The agent's address")),
    responses((status = 200, description = "The agent", content((AgentView = "application/json"), (Vec<u8> = "application/cbor"))), (status = 404, description = "not_found", body = ErrorBody))
)]
pub(super) async fn agent(State(api): State<Api>, names: Names, headers: HeaderMap) -> ApiResult<Response> {
    let agent: AgentId = names.read("agent")?;
    let view = api.ledger().read(|ledger| ledger.state().agent(agent));
    let view = view.ok_or_else(|| ApiError::not_found(format!("agent {agent} is not known to the group")))?;
    Ok(negotiated(&headers, &view))
}

/// The newest stable checkpoint, as the contract takes it.
#[utoipa::path(
    get,
    path = "/v1/groups/{group}/checkpoint",
    operation_id = "getCheckpoint",
    tag = "group",
    params(GroupParam),
    responses(
        (status = 200, description = "The checkpoint and its signatures", content((CheckpointCertificate = "application/json"), (Vec<u8> = "application/cbor"))),
        (status = 404, description = "not_found: none is stable yet", body = ErrorBody)
    )
)]
pub(super) async fn checkpoint(State(api): State<Api>, headers: HeaderMap) -> ApiResult<Response> {
    let stable = api.node().stable.borrow().clone();
    let stable = stable.ok_or_else(|| ApiError::not_found("no checkpoint is stable yet"))?;
    Ok(negotiated(&headers, &stable))
}

/// From which epoch on handovers are wanted.
#[derive(Debug, Default, Deserialize)]
pub(super) struct HandoversFrom {
    #[serde(default)]
    from: u64,
}

/// How the epochs so far ended, from one on: each handover proves the next epoch's members to whoever knows
/// the epoch before, and a chain of them leads from the contract's epoch to the node's.
#[utoipa::path(
    get,
    path = "/v1/groups/{group}/handovers",
    operation_id = "listHandovers",
    tag = "group",
    params(GroupParam, ("from" = Option<u64>, Query, description = "The first epoch whose end is wanted; 0 unless said. Only those of its era are given")),
    responses((status = 200, description = "In order, at most 64", content((Vec<Handover> = "application/json"), (Vec<u8> = "application/cbor"))))
)]
pub(super) async fn handovers(
    State(api): State<Api>,
    Params(HandoversFrom { from }): Params<HandoversFrom>,
    headers: HeaderMap,
) -> Response {
    let from = Epoch(from);
    let all = api.node().handovers.borrow().clone();
    let wanted = all.iter().filter(|handover| handover.from() >= from && handover.from().era() == from.era());
    let wanted: Vec<Handover> = wanted.take(MAX_HANDOVERS).cloned().collect();
    negotiated(&headers, &wanted)
}

/// What is held against replicas.
#[derive(Serialize, Encode, utoipa::ToSchema)]
#[cbor(map)]
pub(super) struct EvidenceList {
    /// Pairs of contradicting statements, each under one replica's signatures.
    #[n(0)]
    #[schema(value_type = Vec<Object>)]
    evidence: Vec<Evidence>,
}

/// Proofs that a replica contradicted itself.
#[utoipa::path(
    get,
    path = "/v1/groups/{group}/evidence",
    operation_id = "listEvidence",
    tag = "group",
    params(GroupParam),
    responses((status = 200, description = "All that is held", content((EvidenceList = "application/json"), (Vec<u8> = "application/cbor"))))
)]
pub(super) async fn evidence(State(api): State<Api>, headers: HeaderMap) -> Response {
    let evidence = api.node().evidence.borrow().iter().cloned().collect();
    negotiated(&headers, &EvidenceList { evidence })
}
