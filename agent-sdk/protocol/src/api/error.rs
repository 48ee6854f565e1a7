//! What a node answers with that is no success: problem details with a code of its own.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::ids::EntryIndex;

/// The media type of an [`ErrorBody`] (RFC 9457).
pub const PROBLEM: &str = "application/problem+json";

/// The body of every answer that is not a success: the problem details of RFC 9457, with the members `code` and `entry`
/// beside them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ErrorBody {
    /// Always `about:blank`: `code` says what kind of problem it is.
    #[serde(default = "about_blank")]
    pub r#type: Cow<'static, str>,
    /// The HTTP status in words.
    #[serde(default)]
    pub title: Cow<'static, str>,
    /// The HTTP status, which a proxy may have lost.
    #[serde(default)]
    pub status: u16,
    /// The condition in words, with its values and what to do about it.
    pub detail: String,
    /// The stable name of the condition.
    pub code: ErrorCode,
    /// The entry that stands in the way, where there is one (see [`ErrorCode::NonceReused`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<EntryIndex>,
}

fn about_blank() -> Cow<'static, str> {
    Cow::Borrowed("about:blank")
}

impl ErrorBody {
    /// The problem of this kind.
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        let (status, title) = (code.http_status(), Cow::Borrowed(code.title()));
        Self { r#type: about_blank(), title, status, detail: detail.into(), code, entry: None }
    }
}

/// The conditions that a node answers with. New ones may come; a client reads those as
/// [`ErrorCode::Unknown`] and goes by the HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum ErrorCode {
    /// The body, a path or a query cannot be read.
    Malformed,
    /// The command is for another group than the path names.
    WrongGroup,
    /// The command has no operation.
    Empty,
    /// The signature is not the key's.
    BadSignature,
    /// The agent is not known to the group.
    UnknownAgent,
    /// The command is signed with a key that is not the agent's.
    WrongKey,
    /// Another command of the agent has this nonce; the answer names its entry.
    NonceReused,
    /// The nonce is below those that the group remembers of the agent.
    NonceTooOld,
    /// The nonce is too far above the agent's highest.
    NonceTooFar,
    /// The command's expiry has passed.
    Expired,
    /// The body has more bytes than allowed.
    TooLarge,
    /// The content type is not the one that the route takes.
    UnsupportedMediaType,
    /// Too many requests from one address, or commands of one agent.
    RateLimited,
    /// The node does not serve yet: it starts, catches up, or has no quorum of peers.
    NotReady,
    /// The node's queues are full.
    Busy,
    /// The node's log contradicts a quorum's: it serves nothing until it has recovered.
    Diverged,
    /// The command is accepted but not yet certified, or the request's time is over. Ask again.
    Pending,
    /// No such group, agent, proposal, command, entry, tile or route.
    NotFound,
    /// The proposal is open or unknown: it has no decision.
    NotDecided,
    /// The route does not take the request's method.
    MethodNotAllowed,
    /// A failure of the node itself, which its log explains.
    Internal,
    /// A condition that this version does not know.
    #[serde(other)]
    Unknown,
}

impl ErrorCode {
    /// The HTTP status that a node answers with.
    pub fn http_status(self) -> u16 {
        match self {
            Self::Malformed | Self::WrongGroup | Self::Empty => 400,
            Self::BadSignature => 401,
            Self::UnknownAgent | Self::WrongKey => 403,
            Self::NotFound | Self::NotDecided => 404,
            Self::MethodNotAllowed => 405,
            Self::NonceReused | Self::NonceTooOld | Self::NonceTooFar => 409,
            Self::Expired => 410,
            Self::TooLarge => 413,
            Self::UnsupportedMediaType => 415,
            Self::RateLimited => 429,
            Self::Internal | Self::Unknown => 500,
            Self::NotReady | Self::Busy | Self::Diverged => 503,
            Self::Pending => 504,
        }
    }

    /// That status in the words of RFC 9110 and RFC 6585.
    pub fn title(self) -> &'static str {
        match self.http_status() {
            400 => "Bad Request",
            401 => "Unauthorized",
            403 => "Forbidden",
            404 => "Not Found",
            405 => "Method Not Allowed",
            409 => "Conflict",
            410 => "Gone",
            413 => "Content Too Large",
            415 => "Unsupported Media Type",
            429 => "Too Many Requests",
            503 => "Service Unavailable",
            504 => "Gateway Timeout",
            _ => "Internal Server Error",
        }
    }

    /// Whether the same request may succeed later or at another node. A command may always be sent again:
    /// it has one effect however often it arrives.
    pub fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::RateLimited
                | Self::NotReady
                | Self::Busy
                | Self::Diverged
                | Self::Pending
                | Self::Internal
                | Self::Unknown
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_stable_names_and_unknown_ones_are_read() {
        let body =
            ErrorBody { entry: Some(EntryIndex(4)), ..ErrorBody::new(ErrorCode::NonceReused, "taken") };
        let json = serde_json::to_string(&body).unwrap();
        let expected = r#"{"type":"about:blank","title":"Conflict","status":409,"detail":"taken","code":"nonce_reused","entry":4}"#;
        assert_eq!(json, expected);
        assert_eq!(serde_json::from_str::<ErrorBody>(&json).unwrap(), body);

        let newer = r#"{"code":"made_up_later","detail":"m"}"#;
        assert_eq!(serde_json::from_str::<ErrorBody>(newer).unwrap().code, ErrorCode::Unknown);
    }
}
