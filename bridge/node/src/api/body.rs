//! Bodies in and out: bounded commands, CBOR or JSON as the client accepts.

use std::time::Duration;

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use minicbor::Encode;
use quorate_protocol::SignedCommand;
use quorate_protocol::api::{CBOR, ErrorCode};
use quorate_protocol::codec;
use serde::Serialize;
use tokio::time::timeout;

use super::error::{ApiError, ApiResult};

/// How long a client may take to send a body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Reads a signed command of at most `max` bytes from `body`. Its signature is not checked.
pub(super) async fn read_command(headers: &HeaderMap, body: Body, max: usize) -> ApiResult<SignedCommand> {
    let media_type = media_type(headers.get(header::CONTENT_TYPE));
    if media_type.as_deref() != Some(CBOR) {
        let found = media_type.unwrap_or_else(|| "none".into());
        let message = format!("the content type is {found}; send the command as {CBOR}");
        return Err(ApiError::new(ErrorCode::UnsupportedMediaType, message));
    }
    let too_large = || ApiError::new(ErrorCode::TooLarge, format!("a body has at most {max} bytes"));
    let declared = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if declared.is_some_and(|declared: u64| declared > max as u64) {
        return Err(too_large());
    }
    let slow = |_| ApiError::malformed(format!("the body did not arrive within {BODY_TIMEOUT:?}"));
    let bytes = timeout(BODY_TIMEOUT, to_bytes(body, max)).await.map_err(slow)?;
    Ok(SignedCommand::decode(&bytes.map_err(|_| too_large())?)?)
}

/// `value` in CBOR.
pub(super) fn cbor<T: Encode<()>>(value: &T) -> Response {
    ([(header::CONTENT_TYPE, CBOR)], codec::encode(value)).into_response()
}

/// `value` in CBOR where the client accepts that, else in JSON.
pub(super) fn negotiated<T: Encode<()> + Serialize>(headers: &HeaderMap, value: &T) -> Response {
    let accepts_cbor = headers.get_all(header::ACCEPT).iter().any(|accept| {
        let types = accept.to_str().unwrap_or_default().split(',');
        types.into_iter().any(|one| essence(one) == CBOR)
    });
    let mut response = if accepts_cbor { cbor(value) } else { Json(value).into_response() };
    response.headers_mut().insert(header::VARY, header::HeaderValue::from_static("accept"));
    response
}

fn media_type(value: Option<&header::HeaderValue>) -> Option<String> {
    Some(essence(value?.to_str().ok()?))
}

/// A media type without its parameters.
fn essence(media_type: &str) -> String {
    media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}
