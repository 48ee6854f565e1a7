//! How endpoints say that they are asked too often.

use std::time::Duration;

use alloy::rpc::json_rpc::{ErrorPayload, ResponsePacket};
use alloy::transports::http::reqwest::StatusCode;
use alloy::transports::http::reqwest::header::{HeaderMap, RETRY_AFTER};

/// The first pause where an endpoint names none; it doubles up to …
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// … this.
const LAST_PAUSE: Duration = Duration::from_secs(8);
/// The most characters of an endpoint's own words.
const MAX_WORDS: usize = 120;

/// An endpoint's word that it is asked too often.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Limited {
    /// When it wants to be asked again, if it says.
    after: Option<Duration>,
    /// What it said.
    pub(super) said: String,
}

impl Limited {
    /// The pause before the attempt after `attempts` others, at least what the endpoint asks for. Others wait too, so the
    /// pause is spread.
    pub(super) fn pause(&self, attempts: u32, spread: f64) -> Duration {
        let own = FIRST_PAUSE.saturating_mul(1 << attempts.min(10)).min(LAST_PAUSE);
        match self.after {
            Some(after) => after + FIRST_PAUSE.mul_f64(spread),
            None => own.mul_f64(0.5 + spread / 2.0),
        }
    }
}

/// Whether an answer says so: HTTP 429 or 503, or a JSON-RPC error with one of the codes or words that providers use.
/// Codes are not standardised beyond EIP-1474's -32005, which some also use for answers that would be too long.
pub(super) fn limited(
    status: StatusCode,
    headers: &HeaderMap,
    answer: Option<&ResponsePacket>,
) -> Option<Limited> {
    let after = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    // The other form, a date, needs a clock that agrees with the endpoint's.
    let after = after.and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
    let error = answer.and_then(|answer| answer.iter_errors().find(|error| is_limit(error)));
    let by_status = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    match error {
        Some(error) => {
            let words: String = error.message.chars().filter(|c| !c.is_control()).take(MAX_WORDS).collect();
            Some(Limited { after, said: format!("error {}: {words}", error.code) })
        }
        None if by_status && answer.is_none_or(|answer| answer.is_error()) => {
            Some(Limited { after, said: format!("HTTP status {status}") })
        }
        None => None,
    }
}

fn is_limit(error: &ErrorPayload) -> bool {
    const WORDS: [&str; 7] = [
        "rate limit",
        "rate exceeded",
        "too many requests",
        "request limit",
        "credits limited",
        "compute units per second",
        "maximum number of concurrent requests",
    ];
    let message = error.message.to_lowercase();
    let too_long = || ["results", "range", "response size"].iter().any(|word| message.contains(word));
    match error.code {
        429 | -32016 | -32029 | -32055 => true,
        -32005 => !too_long(),
        _ => WORDS.iter().any(|words| message.contains(words)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: i64, message: &str) -> ResponsePacket {
        let answer =
            serde_json::json!({ "jsonrpc": "2.0", "id": 0, "error": { "code": code, "message": message } });
        serde_json::from_value(answer).unwrap()
    }

    #[test]
    fn codes_words_and_statuses_of_providers_are_known() {
        let ok = StatusCode::OK;
        let none = HeaderMap::new();
        for (code, message) in [
            (-32005, "limit exceeded"),
            (-32005, "daily request count exceeded, request rate limited"),
            (429, "Your app has exceeded its compute units per second capacity"),
            (-32016, "over rate limit"),
            (-32007, "100/second request limit reached"),
            (-32000, "Too Many Requests"),
        ] {
            assert!(limited(ok, &none, Some(&error(code, message))).is_some(), "{code} {message}");
        }
        for (code, message) in [
            (-32005, "query returned more than 10000 results"),
            (-32005, "block range is too wide"),
            (-32000, "already known"),
            (3, "execution reverted"),
        ] {
            assert_eq!(limited(ok, &none, Some(&error(code, message))), None, "{code} {message}");
        }
        assert!(limited(StatusCode::TOO_MANY_REQUESTS, &none, None).is_some());
        assert!(limited(StatusCode::SERVICE_UNAVAILABLE, &none, None).is_some());
        assert_eq!(limited(StatusCode::BAD_GATEWAY, &none, None), None);
    }

    #[test]
    fn what_the_endpoint_asks_for_is_the_least_that_is_waited() {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, "7".parse().unwrap());
        let named = limited(StatusCode::TOO_MANY_REQUESTS, &headers, None).unwrap();
        assert_eq!(named.pause(0, 0.0), Duration::from_secs(7));
        let unnamed = limited(StatusCode::TOO_MANY_REQUESTS, &HeaderMap::new(), None).unwrap();
        assert_eq!(unnamed.pause(0, 1.0), FIRST_PAUSE);
        assert_eq!(unnamed.pause(30, 1.0), LAST_PAUSE);
        headers.insert(RETRY_AFTER, "Wed, 21 Oct 2026 07:28:00 GMT".parse().unwrap());
        assert_eq!(limited(StatusCode::TOO_MANY_REQUESTS, &headers, None), Some(unnamed));
    }
}
