//! Every answer that is not a success, as the typed body of `quorate_protocol::api`.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use quorate_protocol::EntryIndex;
use quorate_protocol::api::{ErrorBody, ErrorCode, PROBLEM};
use quorate_protocol::codec::CodecError;
use quorate_protocol::command::CommandError;
use quorate_services::{AdmissionError, DropReason};

use super::handle::VerifyError;
use crate::ledger::{Divergence, LedgerError};

/// An answer that is not a success.
#[derive(Debug)]
pub(super) struct ApiError {
    body: ErrorBody,
    /// After how many seconds the same request may succeed.
    retry_after_s: Option<u64>,
}

pub(super) type ApiResult<T> = Result<T, ApiError>;

impl ApiError {
    pub(super) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        let retry_after_s = matches!(code, ErrorCode::Busy | ErrorCode::NotReady).then_some(1);
        Self { body: ErrorBody::new(code, message), retry_after_s }
    }

    pub(super) fn malformed(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Malformed, message)
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::NotFound, message)
    }

    pub(super) fn busy(what: &str) -> Self {
        Self::new(ErrorCode::Busy, format!("{what}; ask again, or ask another node"))
    }

    pub(super) fn pending(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Pending, message)
    }

    pub(super) fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_s = Some(seconds.max(1));
        self
    }

    pub(super) fn about_entry(mut self, entry: EntryIndex) -> Self {
        self.body.entry = Some(entry);
        self
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let Self { body, retry_after_s } = self;
        let code = body.code;
        let status = StatusCode::from_u16(code.http_status()).expect("every code has a valid HTTP status");
        let mut response = (status, Json(body)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM));
        if let Some(seconds) = retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        // For the middleware that counts.
        response.extensions_mut().insert(code);
        response
    }
}

impl From<CommandError> for ApiError {
    fn from(error: CommandError) -> Self {
        let code = match error {
            CommandError::Codec(CodecError::TooLong { .. }) => ErrorCode::TooLarge,
            CommandError::Codec(_) => ErrorCode::Malformed,
            CommandError::WrongGroup { .. } => ErrorCode::WrongGroup,
            CommandError::BadSignature => ErrorCode::BadSignature,
            CommandError::Empty => ErrorCode::Empty,
        };
        Self::new(code, error.to_string())
    }
}

impl From<VerifyError> for ApiError {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::BadSignature => Self::new(ErrorCode::BadSignature, error.to_string()),
            VerifyError::Busy => Self::busy("too many signatures wait to be checked"),
        }
    }
}

impl From<AdmissionError> for ApiError {
    fn from(error: AdmissionError) -> Self {
        let message = error.to_string();
        match error {
            AdmissionError::WrongGroup => Self::new(ErrorCode::WrongGroup, message),
            AdmissionError::Empty => Self::new(ErrorCode::Empty, message),
            AdmissionError::UnknownAgent { .. } => Self::new(ErrorCode::UnknownAgent, message),
            AdmissionError::WrongKey { .. } => Self::new(ErrorCode::WrongKey, message),
            AdmissionError::NonceReused { entry, .. } => {
                Self::new(ErrorCode::NonceReused, message).about_entry(entry)
            }
            AdmissionError::NonceTooOld { .. } => Self::new(ErrorCode::NonceTooOld, message),
            AdmissionError::NonceTooFar { .. } => Self::new(ErrorCode::NonceTooFar, message),
            AdmissionError::Expired { .. } => Self::new(ErrorCode::Expired, message),
        }
    }
}

impl From<DropReason> for ApiError {
    fn from(reason: DropReason) -> Self {
        let message = format!("the command was ordered and made no entry: {reason}");
        match reason {
            DropReason::WrongGroup => Self::new(ErrorCode::WrongGroup, message),
            DropReason::Empty => Self::new(ErrorCode::Empty, message),
            DropReason::UnknownAgent => Self::new(ErrorCode::UnknownAgent, message),
            DropReason::WrongKey => Self::new(ErrorCode::WrongKey, message),
            DropReason::NonceTooOld { .. } => Self::new(ErrorCode::NonceTooOld, message),
            DropReason::NonceTooFar { .. } => Self::new(ErrorCode::NonceTooFar, message),
            DropReason::NonceReused { entry } => {
                Self::new(ErrorCode::NonceReused, message).about_entry(entry)
            }
        }
    }
}

impl From<Divergence> for ApiError {
    fn from(divergence: Divergence) -> Self {
        Self::new(ErrorCode::Diverged, format!("{divergence}; ask another node"))
    }
}

/// Failures of the node itself: the log gets the cause, the client does not.
impl From<LedgerError> for ApiError {
    fn from(error: LedgerError) -> Self {
        tracing::error!(%error, "a request failed because the ledger could not be read");
        Self::new(ErrorCode::Internal, "the node cannot read its log; ask another node")
    }
}

impl From<PathRejection> for ApiError {
    fn from(rejection: PathRejection) -> Self {
        Self::malformed(format!("path: {}", rejection.body_text()))
    }
}

impl From<QueryRejection> for ApiError {
    fn from(rejection: QueryRejection) -> Self {
        Self::malformed(rejection.body_text())
    }
}
