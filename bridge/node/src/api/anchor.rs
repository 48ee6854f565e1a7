//! All that it takes to anchor, in one answer: for whoever wants to, should the group's own nodes not.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use quorate_protocol::Epoch;
use quorate_protocol::api::{AnchorPackage, ErrorBody, NextMembers, TakenPackage};
use serde::Deserialize;
use utoipa::IntoParams;

use super::body::negotiated;
use super::error::{ApiError, ApiResult};
use super::openapi::GroupParam;
use super::router::Params;
use super::state::Api;

/// What the contract has.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Anchored {
    /// The contract's epoch.
    epoch: u64,
    /// The sequence of its last anchor; 0 if absent, before the first.
    #[serde(default)]
    sequence: u64,
    /// How many entries are anchored; 0 if absent.
    #[serde(default)]
    size: u64,
    /// How many messages of the inbox are taken there; 0 if absent.
    #[serde(default)]
    taken: u64,
}

/// The next anchor: the stable checkpoint that the contract can take on top of what it has, with all signatures, the proof that
/// its log extends the anchored one, and the entry of the last message of the inbox that it takes.
///
/// It is the newest stable checkpoint of the contract's epoch; where the group has left that epoch, its last one, with the
/// next members.
#[utoipa::path(
    get,
    path = "/v1/groups/{group}/anchor",
    operation_id = "getAnchorPackage",
    tag = "group",
    params(GroupParam, Anchored),
    responses(
        (status = 200, description = "The next anchor", content((AnchorPackage = "application/json"), (Vec<u8> = "application/cbor"))),
        (status = 400, description = "malformed", body = ErrorBody),
        (status = 404, description = "not_found: no stable checkpoint goes beyond that", body = ErrorBody)
    )
)]
pub(super) async fn package(
    State(api): State<Api>,
    Params(anchored): Params<Anchored>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let package = prepare(&api, &anchored).await?;
    let nothing = || {
        let Anchored { epoch, sequence, .. } = anchored;
        ApiError::not_found(format!(
            "no stable checkpoint of epoch {epoch} goes beyond sequence {sequence} and extends that log; ask again later, or another node"
        ))
    };
    Ok(negotiated(&headers, &package.ok_or_else(nothing)?))
}

async fn prepare(api: &Api, anchored: &Anchored) -> ApiResult<Option<AnchorPackage>> {
    let node = api.node();
    let ended =
        node.handovers.borrow().iter().find(|handover| handover.from() == Epoch(anchored.epoch)).cloned();
    let (certificate, next) = match ended {
        Some(handover) => {
            let next = NextMembers { members: handover.members, mandate: handover.mandate };
            (handover.certificate, Some(next))
        }
        None => {
            let Some(stable) = node.stable.borrow().clone() else { return Ok(None) };
            // Signatures that come later are gathered too.
            let gathered = node.gathered.borrow().clone();
            let same = gathered.filter(|gathered| gathered.checkpoint == stable.checkpoint);
            (same.unwrap_or(stable), None)
        }
    };
    let checkpoint = &certificate.checkpoint;
    if checkpoint.epoch.0 != anchored.epoch || checkpoint.sequence.0 <= anchored.sequence {
        return Ok(None);
    }
    let (old, size) = (anchored.size, checkpoint.log_size);
    let message = checkpoint.inbox_count.checked_sub(1).filter(|last| *last >= anchored.taken);
    let proofs = api
        .query(move |ledger| {
            let Some(consistency) = ledger.anchor_proofs(old, size, None)? else { return Ok(None) };
            // What is anchored for good is not searched, whatever is asked for.
            let known = ledger.read(|ledger| ledger.anchor_within().map_or(0, |anchor| anchor.size));
            let taken = match message {
                Some(message) => match ledger.anchor_proofs(old.max(known).min(size), size, Some(message))? {
                    Some(proofs) => proofs.taken,
                    None => return Ok(None),
                },
                None => None,
            };
            Ok(Some((consistency.consistency, taken)))
        })
        .await?;
    Ok(proofs.map(|(consistency, taken)| AnchorPackage {
        certificate,
        consistency,
        taken: taken.map(|taken| TakenPackage {
            message: taken.message,
            entry: taken.entry,
            path: taken.path,
        }),
        next,
    }))
}
