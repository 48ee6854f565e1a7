//! The contract's inbox: what the log took from it, and what waits. This is where a proposal of the on-chain lane, or a
//! member's notice, shows before the log has it.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use quorate_protocol::api::{ErrorBody, InboxPage, MAX_PAGE_EVENTS, WaitingMessage};
use serde::Deserialize;
use utoipa::IntoParams;

use super::body::negotiated;
use super::error::ApiResult;
use super::openapi::GroupParam;
use super::router::Params;
use super::state::Api;

/// How many events a page has when the request does not say.
const DEFAULT_LIMIT: usize = 64;

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Page {
    /// The message from which on events are wanted; the first if absent.
    from: Option<u64>,
    /// How many events at most; 64 if absent, 256 at most.
    limit: Option<usize>,
}

/// The contract's inbox: what the contract told by it (proposals opened and closed in the on-chain lane, replicas that were
/// convicted or gave notice, members who left), and the messages that the node saw in the block that it relies on and that
/// the log has not taken yet.
///
/// Each event that is taken is an entry of the log too, so the event stream announces it.
#[utoipa::path(
    get,
    path = "/v1/groups/{group}/inbox",
    operation_id = "getInbox",
    tag = "group",
    params(GroupParam, Page),
    responses((status = 200, description = "A page", content((InboxPage = "application/json"), (Vec<u8> = "application/cbor"))), (status = 400, description = "malformed", body = ErrorBody))
)]
pub(super) async fn show(
    State(api): State<Api>,
    Params(page): Params<Page>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let (from, limit) =
        (page.from.unwrap_or(0), page.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_PAGE_EVENTS));
    let ((taken, hash), mut told) =
        api.ledger().read(|ledger| (ledger.state().inbox_head(), ledger.state().inbox_told(from, limit + 1)));
    let next = told.get(limit).map(|event| event.message);
    told.truncate(limit);
    let view = api.node().inbox.borrow().clone();
    let waiting = view.messages.iter().filter(|message| message.index >= taken).map(WaitingMessage::from);
    let waiting = waiting.take(MAX_PAGE_EVENTS).collect();
    Ok(negotiated(&headers, &InboxPage { taken, hash, waiting, told, next }))
}
