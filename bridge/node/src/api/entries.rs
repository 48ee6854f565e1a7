//! The entries of the log, with and without proof.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use quorate_protocol::api::{EntriesPage, ErrorBody, MAX_PAGE_ENTRIES};
use quorate_protocol::{EntryIndex, EntryRecord, Receipt};
use serde::Deserialize;
use utoipa::IntoParams;

use super::body::negotiated;
use super::commands::uncertified;
use super::error::{ApiError, ApiResult};
use super::openapi::GroupParam;
use super::router::{Names, Params};
use super::state::Api;

/// How many entries a page has when the request does not say.
const DEFAULT_LIMIT: usize = 100;

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Page {
    /// The first entry; 0 if absent.
    #[serde(default)]
    from: u64,
    /// How many entries at most; 100 if absent, 1000 at most.
    limit: Option<usize>,
}

/// Consecutive entries in full.
#[utoipa::path(
    get,
    path = "/v1/groups/{group}/entries",
    operation_id = "listEntries",
    tag = "log",
    params(GroupParam, Page),
    responses((status = 200, description = "A page", content((EntriesPage = "application/json"), (Vec<u8> = "application/cbor"))))
)]
pub(super) async fn page(
    State(api): State<Api>,
    Params(page): Params<Page>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let limit = page.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_PAGE_ENTRIES);
    let page = api.query(move |ledger| ledger.page(EntryIndex(page.from), limit)).await?;
    Ok(negotiated(&headers, &page))
}

/// One entry in full.
#[utoipa::path(
    get,
    path = "/v1/groups/{group}/entries/{index}",
    operation_id = "getEntry",
    tag = "log",
    params(GroupParam, ("index" = u64, Path, description = "The entry's index")),
    responses(
        (status = 200, description = "The entry", content((EntryRecord = "application/json"), (Vec<u8> = "application/cbor"))),
        (status = 404, description = "not_found", body = ErrorBody)
    )
)]
pub(super) async fn record(State(api): State<Api>, names: Names, headers: HeaderMap) -> ApiResult<Response> {
    let index = EntryIndex(names.read("index")?);
    let record = api.query(move |ledger| ledger.record(index)).await?;
    let record = record.ok_or_else(|| missing(index))?;
    Ok(negotiated(&headers, &*record))
}

/// The receipt of an entry, with its anchor proof once the entry is anchored.
#[utoipa::path(
    get,
    path = "/v1/groups/{group}/entries/{index}/receipt",
    operation_id = "getEntryReceipt",
    tag = "log",
    params(GroupParam, ("index" = u64, Path, description = "The entry's index")),
    responses(
        (status = 200, description = "The receipt", content((Receipt = "application/json"), (Vec<u8> = "application/cbor"))),
        (status = 404, description = "not_found", body = ErrorBody),
        (status = 504, description = "pending: executed, not certified yet", body = ErrorBody)
    )
)]
pub(super) async fn receipt(State(api): State<Api>, names: Names, headers: HeaderMap) -> ApiResult<Response> {
    let index = EntryIndex(names.read("index")?);
    if let Some(receipt) = api.receipt(index).await? {
        return Ok(negotiated(&headers, &receipt));
    }
    let is_executed = index.0 < api.ledger().progress().size;
    Err(if is_executed { uncertified(index) } else { missing(index) })
}

fn missing(index: EntryIndex) -> ApiError {
    ApiError::not_found(format!("the log has no entry {index} yet"))
}
