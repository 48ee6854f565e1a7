//! What a node says of the contract's inbox, and of what the contract told by it.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::codec::bounded_list;
use crate::ids::{AgentId, Digest, EntryIndex};
use crate::inbox::{InboxContent, InboxEvent, InboxMessage};

/// The most events of an [`InboxPage`].
pub const MAX_PAGE_EVENTS: usize = 256;

/// Where a node stands with the contract's inbox, as `GET /v1/groups/{group}/inbox` answers. Nothing in it is proved: what
/// the contract says of the same is what counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cbor(map)]
pub struct InboxPage {
    /// How many messages the log has taken.
    #[n(0)]
    pub taken: u64,
    /// The inbox's chain hash there.
    #[n(1)]
    pub hash: Digest,
    /// The messages that the node saw in the block that it relies on and that are not taken, in order; 256 at most.
    #[cbor(n(2), decode_with = "bounded_list::<WaitingMessage, Ctx, MAX_PAGE_EVENTS>")]
    pub waiting: Vec<WaitingMessage>,
    /// What the contract told by messages that are taken, in their order, from the message that was asked for on.
    #[cbor(n(3), decode_with = "bounded_list::<ToldEvent, Ctx, MAX_PAGE_EVENTS>")]
    pub told: Vec<ToldEvent>,
    /// What to ask for as `from` to see the next page; nothing on the last.
    #[n(4)]
    pub next: Option<u64>,
}

/// A message that waits to be taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cbor(map)]
pub struct WaitingMessage {
    /// Its position in the inbox.
    #[n(0)]
    pub index: u64,
    /// Its kind, as the contract numbers it.
    #[n(1)]
    pub kind: u8,
    /// Who enqueued it.
    #[n(2)]
    pub sender: AgentId,
    /// When, in seconds of Unix time.
    #[n(3)]
    pub enqueued_at: u64,
    /// What the contract tells by it; nothing for a command, and for what cannot be read.
    #[n(4)]
    pub event: Option<InboxEvent>,
}

impl From<&InboxMessage> for WaitingMessage {
    fn from(message: &InboxMessage) -> Self {
        let event = match message.content() {
            InboxContent::Event(event) => Some(event),
            InboxContent::Command(_) | InboxContent::Malformed | InboxContent::Unknown => None,
        };
        let InboxMessage { index, kind, sender, enqueued_at, .. } = *message;
        Self { index, kind, sender, enqueued_at, event }
    }
}

/// What the contract told by a message that the log has taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cbor(map)]
pub struct ToldEvent {
    /// The message.
    #[n(0)]
    pub message: u64,
    /// The entry that says so in the log. Its receipt proves it.
    #[n(1)]
    pub entry: EntryIndex,
    /// What.
    #[n(2)]
    pub event: InboxEvent,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ProposalId;
    use crate::inbox::OnChainStatus;

    #[test]
    fn a_page_survives_json_and_shows_events_alone() {
        let event = InboxEvent::ProposalOpenedOnChain {
            proposal: ProposalId::from([1; 32]),
            proposer: AgentId::from([2; 20]),
            class: 1,
            voting_ends: 1_800_000_000,
            status: OnChainStatus::Open,
        };
        let message = |kind, payload| InboxMessage {
            index: 7,
            kind,
            sender: AgentId::from([2; 20]),
            enqueued_at: 1_700_000_000,
            payload,
        };
        let waiting =
            [message(event.kind(), event.payload()), message(1, vec![1]), message(event.kind(), vec![])];
        let waiting: Vec<_> = waiting.iter().map(WaitingMessage::from).collect();
        assert_eq!(
            waiting.iter().map(|message| message.event).collect::<Vec<_>>(),
            [Some(event), None, None]
        );
        let told = vec![ToldEvent { message: 3, entry: EntryIndex(9), event }];
        let page = InboxPage { taken: 7, hash: Digest::from([3; 32]), waiting, told, next: Some(4) };
        let json = serde_json::to_string(&page).unwrap();
        assert!(json.contains(r#""event":"proposal_opened_on_chain""#), "{json}");
        assert_eq!(serde_json::from_str::<InboxPage>(&json).unwrap(), page);
    }
}
