//! The log's certificate, checkpoint, tiles and consistency proofs.

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use quorate_protocol::LogCertificate;
use quorate_protocol::api::{ConsistencyProof, ErrorBody};
use serde::Deserialize;
use utoipa::IntoParams;

use super::body::negotiated;
use super::error::{ApiError, ApiResult};
use super::openapi::GroupParam;
use super::router::{Names, Params};
use super::state::Api;
use crate::ledger::TilePath;

/// The newest log certificate.
#[utoipa::path(
    get,
    path = "/v1/groups/{group}/log/certificate",
    operation_id = "getLogCertificate",
    tag = "log",
    params(GroupParam),
    responses(
        (status = 200, description = "The certificate", content((LogCertificate = "application/json"), (Vec<u8> = "application/cbor"))),
        (status = 404, description = "not_found: nothing is certified yet", body = ErrorBody)
    )
)]
pub(super) async fn certificate(State(api): State<Api>, headers: HeaderMap) -> ApiResult<Response> {
    Ok(negotiated(&headers, &newest_certificate(&api)?))
}

fn newest_certificate(api: &Api) -> ApiResult<LogCertificate> {
    let certificate = api.ledger().read(|ledger| ledger.certificate().cloned());
    certificate.ok_or_else(|| ApiError::not_found("no size of the log is certified yet"))
}

/// The newest log certificate as a C2SP tlog-checkpoint with a cosignature line a replica.
#[utoipa::path(
    get,
    path = "/v1/groups/{group}/log/checkpoint",
    operation_id = "getLogCheckpoint",
    tag = "log",
    params(GroupParam),
    responses(
        (status = 200, description = "The signed note", content_type = "text/plain", body = String),
        (status = 404, description = "not_found: nothing is certified yet", body = ErrorBody)
    )
)]
pub(super) async fn checkpoint(State(api): State<Api>) -> ApiResult<Response> {
    let certificate = newest_certificate(&api)?;
    let group = api.ledger().read(|ledger| std::sync::Arc::clone(ledger.certificate_group()));
    let note = certificate.note(&group.identity, &group.replicas());
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], note).into_response())
}

/// A C2SP tile of hashes, or of entries.
#[utoipa::path(
    get,
    path = "/v1/groups/{group}/log/tile/{level}/{*path}",
    operation_id = "getTile",
    tag = "log",
    params(
        GroupParam,
        ("level" = String, Path, description = "The tile's level, or entries"),
        ("path" = String, Path, description = "The tile's index as C2SP spells it, such as x001/234 or 000.p/7")
    ),
    responses(
        (status = 200, description = "The tile", content_type = "application/octet-stream", body = Vec<u8>),
        (status = 404, description = "not_found: the log does not hold all of the tile", body = ErrorBody)
    )
)]
pub(super) async fn tile(State(api): State<Api>, names: Names) -> ApiResult<Response> {
    let (level, path) = (names.text("level"), names.text("path"));
    let tile = TilePath::parse(level, path).map_err(|error| ApiError::malformed(error.to_string()))?;
    let bytes = api.query(move |ledger| ledger.tile(&tile)).await?;
    let bytes = bytes.ok_or_else(|| ApiError::not_found("the log does not hold all of this tile yet"))?;
    // What a tile holds never changes.
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream"),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    Ok((headers, bytes).into_response())
}

/// Which sizes.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Sizes {
    /// The smaller size.
    from: u64,
    /// The larger size; the whole log if absent.
    to: Option<u64>,
}

/// The proof that one size of the log is a prefix of another.
#[utoipa::path(
    get,
    path = "/v1/groups/{group}/log/consistency",
    operation_id = "getConsistencyProof",
    tag = "log",
    params(GroupParam, Sizes),
    responses((status = 200, description = "The proof", content((ConsistencyProof = "application/json"), (Vec<u8> = "application/cbor"))), (status = 400, description = "malformed", body = ErrorBody))
)]
pub(super) async fn consistency(
    State(api): State<Api>,
    Params(sizes): Params<Sizes>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let from = sizes.from;
    let proof = api.ledger().read(|ledger| {
        let to = sizes.to.unwrap_or(ledger.head().size);
        let (from_root, to_root) = (ledger.root_at(from)?, ledger.root_at(to)?);
        let proof = ledger.consistency_proof(from, to).ok()?;
        Some(ConsistencyProof { from, to, from_root, to_root, proof })
    });
    let size = api.ledger().progress().size;
    let out_of_range = || ApiError::malformed(format!("expected from <= to <= {size}, the size of the log"));
    Ok(negotiated(&headers, &proof.ok_or_else(out_of_range)?))
}
