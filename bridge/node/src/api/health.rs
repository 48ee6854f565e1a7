//! Whether the node lives, whether it is ready, and its numbers.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use quorate_protocol::api::{ErrorBody, ErrorCode};
use serde::Serialize;

use super::error::{ApiError, ApiResult};
use super::handle::Readiness;
use super::state::Api;
use crate::metrics::CONTENT_TYPE;

/// The answer of a node that is well.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Health {
    /// Always `ok`.
    status: &'static str,
}

const OK: Health = Health { status: "ok" };

/// Whether the process answers at all.
#[utoipa::path(get, path = "/healthz", operation_id = "getHealth", tag = "node", responses((status = 200, description = "It does", body = Health)))]
pub(super) async fn healthz() -> Json<Health> {
    Json(OK)
}

/// Whether the node takes commands, and why not.
#[utoipa::path(
    get,
    path = "/readyz",
    operation_id = "getReadiness",
    tag = "node",
    responses((status = 200, description = "It takes commands", body = Health), (status = 503, description = "not_ready, diverged", body = ErrorBody))
)]
pub(super) async fn readyz(State(api): State<Api>) -> ApiResult<Json<Health>> {
    api.check_serving()?;
    match &api.node().status.borrow().readiness {
        Readiness::Ready => Ok(Json(OK)),
        Readiness::NotReady(reason) => Err(ApiError::new(ErrorCode::NotReady, reason.clone())),
    }
}

/// The node's numbers for Prometheus, in the OpenMetrics text format.
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "getMetrics",
    tag = "node",
    responses((status = 200, description = "All numbers", content_type = "application/openmetrics-text", body = String))
)]
pub(super) async fn metrics(State(api): State<Api>) -> impl IntoResponse {
    let metrics = &api.node().metrics;
    metrics.set_progress(api.ledger().progress());
    metrics.evidence.set(api.node().evidence.borrow().len() as u64);
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], metrics.encode())
}
