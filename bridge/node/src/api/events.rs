//! The live log as server-sent events.
//!
//! A stream is a position in the log: it sends what a certificate covers and waits for more. A client that
//! is slow only falls behind, and reads older entries at its own pace; nothing queues up for it here and
//! nothing is lost. A client that was cut off goes on at the entry after the last it saw.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::unfold;
use quorate_protocol::api::ErrorBody;
use quorate_protocol::{EntryIndex, EntryRecord};
use serde::Deserialize;
use tokio::sync::watch;
use utoipa::{IntoParams, ToSchema};

use super::error::ApiResult;
use super::openapi::GroupParam;
use super::router::{Params, parse};
use super::state::Api;
use crate::ledger::{LedgerError, LedgerReader, Progress};

/// How many entries a stream reads ahead.
const READ_AHEAD: usize = 64;
/// How often a silent stream says that it lives.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How soon a client that was cut off should come back.
const RECONNECT: Duration = Duration::from_secs(1);

/// From where.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct From {
    /// The first entry; what is certified next if absent. The header Last-Event-ID goes before it.
    from: Option<u64>,
}

/// One event of the stream.
#[derive(ToSchema)]
#[expect(dead_code, reason = "its fields are read by the derived schema alone")]
pub(super) struct EntryEvent {
    /// Always `entry`.
    event: String,
    /// The entry's index, for `Last-Event-ID`.
    id: u64,
    /// The record, in JSON in one line.
    data: EntryRecord,
}

/// The live log: every certified entry from a position on.
///
/// Each event has the entry's index as its id, the name `entry`, and the EntryRecord in JSON as its data.
/// The stream ends when the node stops or its log diverges from the group's.
#[utoipa::path(
    get,
    path = "/v1/groups/{group}/events",
    operation_id = "followEvents",
    tag = "log",
    params(
        GroupParam,
        From,
        ("Last-Event-ID" = Option<u64>, Header, description = "The last entry that was received; the stream goes on after it")
    ),
    responses(
        (status = 200, description = "The events, each with these fields", content_type = "text/event-stream", body = EntryEvent),
        (status = 400, description = "malformed", body = ErrorBody)
    )
)]
pub(super) async fn stream(
    State(api): State<Api>,
    Params(query): Params<From>,
    headers: HeaderMap,
) -> ApiResult<impl IntoResponse> {
    // A client that has seen none may send it empty.
    let last = headers.get("last-event-id").filter(|id| !id.is_empty());
    let last = last.map(|id| parse::<u64>(id.to_str().unwrap_or_default())).transpose()?;
    let progress = api.ledger().follow();
    let next = last.map(|last| last.saturating_add(1)).or(query.from);
    let cursor = Cursor {
        next: next.unwrap_or_else(|| progress.borrow().certified),
        ledger: api.ledger().clone(),
        progress,
        ready: VecDeque::new(),
        is_new: true,
    };
    let events = futures_util::StreamExt::take_until(unfold(cursor, next_event), api.closing());
    // nginx keeps answers back until it has much of them, unless it is told not to.
    let unbuffered = [(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"))];
    Ok((unbuffered, Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))))
}

struct Cursor {
    ledger: LedgerReader,
    progress: watch::Receiver<Progress>,
    /// The next entry to read.
    next: u64,
    /// Entries that are read and not sent.
    ready: VecDeque<Arc<EntryRecord>>,
    is_new: bool,
}

async fn next_event(mut cursor: Cursor) -> Option<(Result<Event, Infallible>, Cursor)> {
    if std::mem::take(&mut cursor.is_new) {
        // Sent at once, so that the client knows that it is connected.
        return Some((Ok(Event::default().retry(RECONNECT).comment("connected")), cursor));
    }
    loop {
        if let Some(record) = cursor.ready.pop_front() {
            let id = record.entry.index.to_string();
            // Records are made of strings, numbers and lists; should one not be JSON, the stream ends.
            let event = Event::default().id(id).event("entry").json_data(&*record).ok()?;
            return Some((Ok(event), cursor));
        }
        let progress = *cursor.progress.borrow_and_update();
        if progress.diverged {
            return None;
        }
        if cursor.next < progress.certified {
            cursor = read_ahead(cursor, progress.certified).await?;
        } else {
            cursor.progress.changed().await.ok()?;
        }
    }
}

async fn read_ahead(mut cursor: Cursor, certified: u64) -> Option<Cursor> {
    let read = tokio::task::spawn_blocking(move || {
        let end = certified.min(cursor.next.saturating_add(READ_AHEAD as u64));
        for index in cursor.next..end {
            let Some(record) = cursor.ledger.record(EntryIndex(index))? else { break };
            cursor.ready.push_back(record);
            cursor.next += 1;
        }
        Ok::<_, LedgerError>(cursor)
    });
    match read.await.ok()? {
        Ok(cursor) => Some(cursor),
        Err(error) => {
            tracing::error!(%error, "an event stream ended because the ledger could not be read");
            None
        }
    }
}
