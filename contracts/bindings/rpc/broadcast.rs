//! What an endpoint's answer to `eth_sendRawTransaction` means for the transaction.

use alloy::rpc::json_rpc::ErrorPayload;
use alloy::transports::TransportError;

/// What is known of a transaction that was sent.
///
/// Neither codes nor words are standardised. Those that are told apart here are of geth and op-geth, Nethermind, Besu,
/// Erigon, Reth, Nitro, anvil and the gateways before them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broadcast {
    /// The endpoint has it, by this request or an earlier one.
    Accepted,
    /// Another transaction of the account has its nonce and is included. Or this very one is: look for its receipt.
    NonceUsed,
    /// It offers too little: less than the pool wants, or than one of the same nonce that is in it.
    Underpriced,
    /// The endpoint does not take it.
    Refused,
    /// It may be on its way: there was no answer, or one that a gateway gave for another.
    Unknown,
}

impl Broadcast {
    /// What came of a request to send a transaction.
    pub fn of<T>(sent: &Result<T, TransportError>) -> Self {
        match sent {
            Ok(_) => Self::Accepted,
            Err(TransportError::ErrorResp(error)) => Self::of_error(error),
            // Also an answer that cannot be read: a gateway's page, or a body that was cut off.
            Err(_) => Self::Unknown,
        }
    }

    /// What an error means that an endpoint answered.
    pub fn of_error(error: &ErrorPayload) -> Self {
        const KNOWN: [&str; 9] = [
            "already known",
            "alreadyknown",
            "already imported",
            "known transaction",
            "same hash was already",
            "already in mempool",
            "already in the mempool",
            "already exists in cache",
            "already in the txpool",
        ];
        const USED: [&str; 5] = [
            "nonce too low",
            "nonce is too low",
            "oldnonce",
            "nonce has already been used",
            "nonce already used",
        ];
        const CHEAP: [&str; 4] =
            ["underpriced", "replacementnotallowed", "replacement not allowed", "feetoolowtocompete"];
        const UNSURE: [&str; 9] = [
            "timeout",
            "timed out",
            "deadline",
            "gateway",
            "upstream",
            "unavailable",
            "try again",
            "connection",
            "eof",
        ];
        const REFUSED: [&str; 8] = [
            "insufficient funds",
            "intrinsic gas",
            "gas limit",
            "max fee per gas",
            "invalid sender",
            "invalid chain id",
            "invalid signature",
            "reverted",
        ];
        let message = error.message.to_lowercase();
        let says = |words: &[&str]| words.iter().any(|words| message.contains(words));
        if says(&KNOWN) {
            Self::Accepted
        } else if says(&USED) {
            Self::NonceUsed
        } else if says(&CHEAP) {
            Self::Underpriced
        } else if says(&REFUSED) {
            Self::Refused
        } else if says(&UNSURE) || is_internal(error.code) {
            Self::Unknown
        } else {
            Self::Refused
        }
    }
}

/// JSON-RPC's own code for a failure inside of the server, and HTTP statuses that gateways put in its place.
fn is_internal(code: i64) -> bool {
    code == -32603 || (500..600).contains(&code)
}

#[cfg(test)]
mod tests {
    use alloy::transports::TransportErrorKind;

    use super::*;

    #[test]
    fn the_words_of_clients_and_gateways_are_told_apart() {
        for (code, message, meaning) in [
            (-32000, "already known", Broadcast::Accepted),
            (-32010, "AlreadyKnown", Broadcast::Accepted),
            (-32000, "Known transaction", Broadcast::Accepted),
            (-32000, "transaction already imported", Broadcast::Accepted),
            (-32010, "Transaction with the same hash was already imported.", Broadcast::Accepted),
            (-32000, "tx already in mempool", Broadcast::Accepted),
            (-32000, "nonce too low: next nonce 5, tx nonce 4", Broadcast::NonceUsed),
            (-32010, "OldNonce, Current nonce: 5, nonce of rejected tx: 4.", Broadcast::NonceUsed),
            (-32001, "Nonce too low", Broadcast::NonceUsed),
            (-32000, "replacement transaction underpriced", Broadcast::Underpriced),
            (-32010, "ReplacementNotAllowed", Broadcast::Underpriced),
            (-32000, "insufficient funds for gas * price + value", Broadcast::Refused),
            (-32603, "Insufficient funds", Broadcast::Refused),
            (-32000, "exceeds block gas limit", Broadcast::Refused),
            (-32000, "max fee per gas less than block base fee", Broadcast::Refused),
            (-32000, "transaction type not supported", Broadcast::Refused),
            (-32000, "request timed out", Broadcast::Unknown),
            (-32603, "Internal error", Broadcast::Unknown),
            (502, "Bad Gateway", Broadcast::Unknown),
            (-32000, "upstream does not have the requested block yet", Broadcast::Unknown),
        ] {
            let error =
                serde_json::from_value(serde_json::json!({ "code": code, "message": message })).unwrap();
            assert_eq!(Broadcast::of_error(&error), meaning, "{code} {message}");
        }
        let lost: Result<(), _> = Err(TransportErrorKind::custom_str("HTTP status 502 Bad Gateway"));
        assert_eq!(Broadcast::of(&lost), Broadcast::Unknown);
        assert_eq!(Broadcast::of(&Ok(())), Broadcast::Accepted);
    }
}
