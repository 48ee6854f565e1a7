//! Why the contract or an endpoint does not take an anchor, in words.

use alloy::rpc::json_rpc::ErrorPayload;
use quorate_contracts::AgentCoordinator::AgentCoordinatorErrors as Errors;
use quorate_contracts::Refusal;

/// The most characters that are kept of what an endpoint says.
const MAX_REASON: usize = 200;

/// The contract's reason to refuse `anchor`, or what the endpoint says instead.
pub(super) fn reason(error: &ErrorPayload) -> String {
    match error.as_revert_data().and_then(|data| Refusal::decode(&data)) {
        Some(Refusal::Coordinator(refusal)) => explain(&refusal).unwrap_or_else(|| said(error)),
        _ => said(error),
    }
}

fn explain(refusal: &Errors) -> Option<String> {
    Some(match refusal {
        Errors::UnknownGroup(error) => format!("the contract knows no group {}", error.groupId),
        Errors::EpochMismatch(error) => {
            format!("it is of epoch {}, the contract is in epoch {}", error.epoch, error.current)
        }
        Errors::StaleSequence(error) => format!("sequence {} is already anchored", error.last),
        Errors::LogShrunk(error) => {
            format!("its log has {} entries, {} are already anchored", error.logSize, error.last)
        }
        Errors::NotConsistent(error) => format!(
            "its log of {} entries is not shown to extend the anchored one of {}",
            error.logSize, error.lastSize
        ),
        Errors::InboxHashMismatch(error) => format!(
            "the contract's inbox hashes to {}, its to {}: the chain changed a message that the log has taken",
            error.expected, error.given
        ),
        Errors::InboxEntryNotIncluded(error) => {
            format!("its log is not shown to have taken inbox message {} in", error.index)
        }
        Errors::NoMandate(error) => {
            format!("it alters the weight of {}, and too few of the voters signed for that", error.account)
        }
        Errors::InvalidInboxCount(error) => format!(
            "it took {} inbox messages in; {} were taken before, and the contract has {}",
            error.count, error.taken, error.length
        ),
        Errors::InboxOverdue(error) => {
            format!("the log has not taken inbox message {} in, which was due", error.index)
        }
        Errors::NextMembersMissing(_) => "it ends its epoch, and the next members are missing".to_owned(),
        Errors::MembersMismatch(error) => {
            format!("the next members hash to {}, it names {}", error.given, error.expected)
        }
        Errors::NotEnoughSignatures(error) => {
            format!("it has {} signatures, {} are needed", error.count, error.quorum)
        }
        Errors::InvalidSignature(error) => format!("its signature {} is invalid", error.position),
        Errors::SignatureDoesNotCount(error) => format!("the signature of {} does not count", error.signer),
        Errors::NotConvictable(error) => format!("{} had no seat that the contract knows of", error.account),
        Errors::AlreadyConvicted(_) => "the replica is convicted already".to_owned(),
        Errors::EvidenceTooOld(error) => {
            format!("checkpoints of epoch {} count no more, since {} (Unix time)", error.epoch, error.until)
        }
        _ => return None,
    })
}

/// The endpoint's own words, cut and without control characters, so that they can be logged.
pub(super) fn said(error: &ErrorPayload) -> String {
    let printable = error.message.chars().filter(|character| !character.is_control());
    format!("the endpoint says: {}", printable.take(MAX_REASON).collect::<String>())
}

#[cfg(test)]
mod tests {
    use alloy::primitives::hex;
    use alloy::sol_types::SolError;
    use quorate_contracts::AgentCoordinator::StaleSequence;

    use super::*;

    fn payload(message: &str, data: Option<&[u8]>) -> ErrorPayload {
        let data = data.map(hex::encode_prefixed);
        serde_json::from_value(serde_json::json!({ "code": 3, "message": message, "data": data })).unwrap()
    }

    #[test]
    fn a_revert_is_explained() {
        let data = StaleSequence { sequence: 128, last: 256 }.abi_encode();
        assert_eq!(reason(&payload("execution reverted", Some(&data))), "sequence 256 is already anchored");
        let unknown = reason(&payload("execution reverted\u{1b}[2J", Some(&[1, 2, 3, 4])));
        assert_eq!(unknown, "the endpoint says: execution reverted[2J");
        assert!(reason(&payload(&"x".repeat(10_000), None)).len() < 300);
    }
}
