//! Proposals and their decisions.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use quorate_protocol::api::{ErrorBody, ErrorCode, MAX_PAGE_PROPOSALS, ProposalView, ProposalsPage};
use quorate_protocol::{EntryIndex, EntryKind, ProposalId, Receipt};
use serde::Deserialize;
use utoipa::IntoParams;

use super::body::negotiated;
use super::commands::{Wait, uncertified};
use super::error::{ApiError, ApiResult};
use super::openapi::GroupParam;
use super::router::{Names, Params, parse};
use super::state::{Api, deadline};

/// How many proposals a page has when the request does not say.
const DEFAULT_LIMIT: usize = 50;

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Page {
    /// The proposal after which the page starts; from the first if absent.
    after: Option<String>,
    /// How many proposals at most; 50 if absent, 100 at most.
    limit: Option<usize>,
}

/// The proposals in ascending order of id.
#[utoipa::path(
    get,
    path = "/v1/groups/{group}/proposals",
    operation_id = "listProposals",
    tag = "proposals",
    params(GroupParam, Page),
    responses((status = 200, description = "A page", content((ProposalsPage = "application/json"), (Vec<u8> = "application/cbor"))), (status = 400, description = "malformed", body = ErrorBody))
)]
pub(super) async fn list(
    State(api): State<Api>,
    Params(page): Params<Page>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let after: Option<ProposalId> = page.after.as_deref().map(parse).transpose()?;
    let limit = page.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_PAGE_PROPOSALS);
    let mut proposals = api.ledger().read(|ledger| ledger.state().proposals(after, limit + 1));
    let next = (proposals.len() > limit).then(|| proposals[limit - 1].id);
    proposals.truncate(limit);
    Ok(negotiated(&headers, &ProposalsPage { proposals, next }))
}

/// A proposal with its votes so far.
#[utoipa::path(
    get,
    path = "/v1/groups/{group}/proposals/{id}",
    operation_id = "getProposal",
    tag = "proposals",
    params(GroupParam, ("id" = String, Path, description = "The proposal's id")),
    responses((status = 200, description = "The proposal", content((ProposalView = "application/json"), (Vec<u8> = "application/cbor"))), (status = 404, description = "not_found", body = ErrorBody))
)]
pub(super) async fn show(State(api): State<Api>, names: Names, headers: HeaderMap) -> ApiResult<Response> {
    let id: ProposalId = names.read("id")?;
    let view = api.ledger().read(|ledger| ledger.state().proposal(&id));
    let view = view.ok_or_else(|| ApiError::not_found(format!("no proposal {id}")))?;
    Ok(negotiated(&headers, &view))
}

/// The receipt of the decision on a proposal; waits for the decision if asked to.
#[utoipa::path(
    get,
    path = "/v1/groups/{group}/proposals/{id}/decision",
    operation_id = "getDecision",
    tag = "proposals",
    params(GroupParam, ("id" = String, Path, description = "The proposal's id"), Wait),
    responses(
        (status = 200, description = "The receipt", content((Receipt = "application/json"), (Vec<u8> = "application/cbor"))),
        (status = 404, description = "not_decided: open, or no such proposal; with the entry that says so where it moved to the on-chain lane, and no decision will come", body = ErrorBody),
        (status = 504, description = "pending: decided, not certified yet", body = ErrorBody)
    )
)]
pub(super) async fn decision(
    State(api): State<Api>,
    names: Names,
    Params(wait): Params<Wait>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let id: ProposalId = names.read("id")?;
    let deadline = deadline(Some(wait.wait_ms.unwrap_or(0)));
    let mut progress = api.ledger().follow();
    loop {
        progress.mark_unchanged();
        let decided = decided(&api, &id);
        if let Some(index) = decided
            && let Some(receipt) = api.receipt(index).await?
        {
            if receipt.record.entry.status.kind() != EntryKind::Decision {
                return Err(moved_on_chain(&id, index));
            }
            return Ok(negotiated(&headers, &receipt));
        }
        // The sender lives as long as the ledger, which this request holds.
        if api.until(deadline, progress.changed()).await.is_none() {
            return Err(decided.map_or_else(|| not_decided(&id), uncertified));
        }
        api.check_serving()?;
    }
}

fn decided(api: &Api, id: &ProposalId) -> Option<EntryIndex> {
    api.ledger().read(|ledger| ledger.state().proposal(id))?.decision
}

fn not_decided(id: &ProposalId) -> ApiError {
    ApiError::new(ErrorCode::NotDecided, format!("proposal {id} is open or unknown; wait with wait_ms"))
}

/// The on-chain lane has it, or is done with it: there is no decision here, and nothing to wait for.
fn moved_on_chain(id: &ProposalId, entry: EntryIndex) -> ApiError {
    let message = format!("proposal {id} moved to the on-chain lane, see entry {entry}");
    ApiError::new(ErrorCode::NotDecided, message).about_entry(entry)
}
