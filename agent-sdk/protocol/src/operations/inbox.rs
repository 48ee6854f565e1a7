//! Operations of the inbox service: what replicas saw in the contract's inbox.

use minicbor::{Decode, Encode};
use serde::Serialize;

use super::ServiceOperation;
use crate::codec::{self, bounded_list};
use crate::command::MAX_COMMAND_BYTES;
use crate::inbox::InboxMessage;

/// The most messages of one observation, and the furthest that a replica speaks ahead of what is taken.
pub const MAX_OBSERVED: usize = 64;
/// The most bytes of encoded messages in one observation of [`Observe::of`], so that its command is none too
/// long. Holds three messages of any size.
const MAX_OBSERVED_BYTES: usize = MAX_COMMAND_BYTES - 4 * 1024;

/// What the inbox service does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Encode, Decode)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum InboxOperation {
    /// A replica says what it saw in the final blocks of the chain.
    #[n(0)]
    Observe(#[n(0)] Observe),
}

/// A replica's word on the messages of the inbox from `first` on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Encode, Decode)]
#[cbor(map)]
pub struct Observe {
    /// The index of the first message.
    #[n(0)]
    pub first: u64,
    /// The messages, without a gap.
    #[cbor(n(1), decode_with = "bounded_list::<InboxMessage, Ctx, MAX_OBSERVED>")]
    pub messages: Vec<InboxMessage>,
}

impl Observe {
    /// The word on as many of `messages` as one command holds; they are without a gap. Nothing if there is none.
    pub fn of<'m>(messages: impl IntoIterator<Item = &'m InboxMessage>) -> Option<Self> {
        let mut bytes = 0;
        let messages: Vec<InboxMessage> = messages
            .into_iter()
            .take(MAX_OBSERVED)
            .take_while(|message| {
                bytes += codec::encode(*message).len();
                bytes <= MAX_OBSERVED_BYTES
            })
            .cloned()
            .collect();
        Some(Self { first: messages.first()?.index, messages })
    }
}

/// What an applied inbox operation yields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Encode, Decode)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum InboxOutcome {
    /// The word counts.
    #[n(0)]
    Observed {
        /// How many messages are taken by now.
        #[n(0)]
        taken: u64,
    },
}

impl ServiceOperation for InboxOperation {
    const SERVICE: &'static str = "inbox";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::AgentId;
    use crate::inbox::{KIND_COMMAND, MAX_INBOX_PAYLOAD_BYTES};

    fn messages(count: u64, payload: usize) -> Vec<InboxMessage> {
        let message = |index| InboxMessage {
            index,
            kind: KIND_COMMAND,
            sender: AgentId::from([5; 20]),
            enqueued_at: u64::MAX,
            payload: vec![7; payload],
        };
        (10..10 + count).map(message).collect()
    }

    #[test]
    fn an_observation_holds_what_fits_a_command() {
        assert_eq!(Observe::of(&messages(0, 0)), None);
        let large = Observe::of(&messages(9, MAX_INBOX_PAYLOAD_BYTES)).unwrap();
        assert_eq!((large.first, large.messages.len()), (10, 3));
        let small = Observe::of(&messages(100, 4)).unwrap();
        assert_eq!((small.first, small.messages.len()), (10, MAX_OBSERVED));
        for observed in [large, small] {
            let operation = InboxOperation::Observe(observed);
            let encoded = codec::encode(&operation);
            assert!(encoded.len() < MAX_COMMAND_BYTES - 512);
            assert_eq!(codec::decode(&encoded, MAX_COMMAND_BYTES), Ok(operation));
        }
    }

    #[test]
    fn an_observation_of_too_many_is_none() {
        let operation =
            InboxOperation::Observe(Observe { first: 10, messages: messages(MAX_OBSERVED as u64 + 1, 0) });
        assert!(codec::decode::<InboxOperation>(&codec::encode(&operation), MAX_COMMAND_BYTES).is_err());
    }
}
