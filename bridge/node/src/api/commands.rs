//! Submitting commands, and finding what became of them.

use std::time::Instant;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use quorate_protocol::api::{ErrorBody, ErrorCode};
use quorate_protocol::{Digest, EntryIndex, Receipt, SignedCommand};
use quorate_services::Admission;
use serde::Deserialize;
use tokio::sync::mpsc::error::TrySendError;
use utoipa::IntoParams;

use super::body::{cbor, negotiated, read_command};
use super::error::{ApiError, ApiResult};
use super::handle::{Readiness, Submission};
use super::openapi::GroupParam;
use super::router::{Names, Params, rate_limited};
use super::state::{Api, deadline, wall_clock};
use crate::ledger::{Settled, Waiter};

/// How long to wait.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Wait {
    /// How many milliseconds to wait for a result; 10000 if absent, 60000 at most.
    pub(super) wait_ms: Option<u64>,
}

/// Submits a signed command and waits for the receipt of its entry.
///
/// The entry may say that the command was refused. Submitting a command again is safe: it has one entry and
/// one effect, and the same receipt is the answer.
#[utoipa::path(
    post,
    path = "/v1/groups/{group}/commands",
    operation_id = "submitCommand",
    tag = "commands",
    params(GroupParam, Wait),
    request_body(content = Vec<u8>, content_type = "application/cbor", description = "A SignedCommand in CBOR"),
    responses(
        (status = 200, description = "The receipt of the command's entry", content_type = "application/cbor", body = Vec<u8>),
        (status = 400, description = "malformed, wrong_group, empty", body = ErrorBody),
        (status = 401, description = "bad_signature", body = ErrorBody),
        (status = 403, description = "unknown_agent, wrong_key", body = ErrorBody),
        (status = 409, description = "nonce_reused, nonce_too_old, nonce_too_far", body = ErrorBody),
        (status = 410, description = "expired", body = ErrorBody),
        (status = 413, description = "too_large", body = ErrorBody),
        (status = 415, description = "unsupported_media_type", body = ErrorBody),
        (status = 429, description = "rate_limited", body = ErrorBody),
        (status = 503, description = "not_ready, busy, diverged", body = ErrorBody),
        (status = 504, description = "pending: accepted, not certified yet; submit it again", body = ErrorBody)
    )
)]
pub(super) async fn submit(
    State(api): State<Api>,
    Params(wait): Params<Wait>,
    headers: HeaderMap,
    body: Body,
) -> ApiResult<Response> {
    let received = Instant::now();
    let deadline = deadline(wait.wait_ms);
    let command = read_command(&headers, body, api.config().max_body_bytes).await?;
    command.check_shape(&api.group().identity.group)?;
    let digest = command.digest();
    let admission = api.ledger().read(|ledger| ledger.admit(wall_clock(), &command));
    let is_new = admission == Admission::Order;
    let mut waiter = match admission {
        Admission::Refuse(error) => return Err(error.into()),
        Admission::Executed(index) => api.ledger().wait_for_entry(digest, index).ok_or_else(crowded)?,
        Admission::Order => order(&api, command).await?,
    };
    let settled = api.until(deadline, waiter.settled()).await;
    let index = certified(&api, settled)?;
    if is_new {
        let metrics = &api.node().metrics;
        metrics.observe_commit(received.elapsed());
        if let Some(executed) = waiter.executed_at() {
            metrics.observe_order(executed.duration_since(received));
        }
    }
    let receipt = api.receipt(index).await?;
    Ok(cbor(&receipt.ok_or_else(replaced)?))
}

/// Hands a command to the runtime.
async fn order(api: &Api, command: SignedCommand) -> ApiResult<Waiter> {
    let readiness = api.node().status.borrow().readiness.clone();
    if let Readiness::NotReady(reason) = readiness {
        return Err(ApiError::new(ErrorCode::NotReady, format!("{reason}; ask another node")));
    }
    let (agent, digest) = (command.command().agent, command.digest());
    let command = api.node().verifier.verify(command).await?;
    // Only now is it the agent that asks: nobody else can use up its tokens.
    let taken = api.agents().take(agent, Instant::now());
    taken.map_err(|wait| rate_limited(format!("too many commands of agent {agent}"), wait))?;
    let waiter = api.ledger().wait_for(digest).ok_or_else(crowded)?;
    match api.node().submit.try_send(Submission { command }) {
        Ok(()) => Ok(waiter),
        Err(TrySendError::Full(_)) => Err(ApiError::busy("too many commands wait to be ordered")),
        Err(TrySendError::Closed(_)) => Err(ApiError::new(ErrorCode::NotReady, "the node is stopping")),
    }
}

/// The entry of a command, once it is settled.
fn certified(api: &Api, settled: Option<Settled>) -> ApiResult<EntryIndex> {
    match settled {
        Some(Settled::Certified(index)) => Ok(index),
        Some(Settled::Dropped(reason)) => Err(reason.into()),
        Some(Settled::Abandoned) => {
            api.check_serving()?;
            Err(replaced())
        }
        None => Err(ApiError::pending("the command is accepted and not certified yet; submit it again")),
    }
}

fn crowded() -> ApiError {
    ApiError::busy("too many requests wait for their commands")
}

fn replaced() -> ApiError {
    ApiError::pending("the node's state was replaced meanwhile; submit the command again")
}

/// The receipt of the command with this digest.
#[utoipa::path(
    get,
    path = "/v1/groups/{group}/commands/{digest}",
    operation_id = "getCommandReceipt",
    tag = "commands",
    params(GroupParam, ("digest" = String, Path, description = "The command's digest")),
    responses(
        (status = 200, description = "The receipt", content((Receipt = "application/json"), (Vec<u8> = "application/cbor"))),
        (status = 404, description = "not_found: not executed here, or never", body = ErrorBody),
        (status = 504, description = "pending: executed, not certified yet", body = ErrorBody)
    )
)]
pub(super) async fn receipt(State(api): State<Api>, names: Names, headers: HeaderMap) -> ApiResult<Response> {
    let digest: Digest = names.read("digest")?;
    let index = api.query(move |ledger| ledger.index_of(&digest)).await?;
    let index = index.ok_or_else(|| ApiError::not_found(format!("no executed command {digest}")))?;
    let receipt = api.receipt(index).await?;
    let receipt = receipt.ok_or_else(|| uncertified(index))?;
    Ok(negotiated(&headers, &receipt))
}

/// The answer about an entry that no certificate covers yet.
pub(super) fn uncertified(index: EntryIndex) -> ApiError {
    ApiError::pending(format!("entry {index} is executed and not certified yet; ask again"))
}
