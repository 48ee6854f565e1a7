//! The contract's inbox as a log tells it: each message in its place, and what it asked for right behind it.

use quorate_protocol::EntryBody;
use quorate_protocol::entry::{InboxDisposition, SystemEvent};
use quorate_protocol::inbox::{KIND_COMMAND, KIND_PROPOSAL_EXECUTED, KIND_REPLICA_CONVICTED};

use super::report::Fault;

/// The inbox of a log so far.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    taken: u64,
    /// The kind of the last entry's message, if the next entry is to carry it out.
    due: Option<u8>,
}

impl Inbox {
    /// Takes note of the next entry.
    pub(super) fn follow(&mut self, body: &EntryBody) -> Result<(), Fault> {
        let due = self.due.take();
        let fits = match body {
            EntryBody::System(SystemEvent::ProposalExecuted { .. }) => due == Some(KIND_PROPOSAL_EXECUTED),
            EntryBody::System(SystemEvent::ReplicaConvicted { .. }) => due == Some(KIND_REPLICA_CONVICTED),
            EntryBody::Command(_) => due.is_none_or(|kind| kind == KIND_COMMAND),
            EntryBody::System(_) | EntryBody::Decision(_) => due.is_none(),
        };
        if !fits {
            return Err(Fault::Inbox {
                taken: self.taken,
                reason: "it does not follow from the entry before",
            });
        }
        if let EntryBody::System(SystemEvent::InboxTaken { index, kind, disposition, .. }) = body {
            if *index != self.taken {
                return Err(Fault::Inbox { taken: self.taken, reason: "another message is next" });
            }
            self.taken += 1;
            self.due = (*disposition == InboxDisposition::CarriedOut).then_some(*kind);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use quorate_protocol::{AgentId, Digest, ProposalId};

    use super::*;

    fn taken(index: u64, kind: u8, disposition: InboxDisposition) -> EntryBody {
        let (hash, sender) = (Digest::default(), AgentId::default());
        EntryBody::System(SystemEvent::InboxTaken { index, hash, kind, sender, disposition })
    }

    fn executed() -> EntryBody {
        EntryBody::System(SystemEvent::ProposalExecuted { proposal: ProposalId::default() })
    }

    fn convicted() -> EntryBody {
        EntryBody::System(SystemEvent::ReplicaConvicted { replica: AgentId::default() })
    }

    fn follows(bodies: &[EntryBody]) -> bool {
        let mut inbox = Inbox::default();
        bodies.iter().all(|body| inbox.follow(body).is_ok())
    }

    #[test]
    fn messages_stand_in_their_places_with_what_they_ask_for_behind_them() {
        use InboxDisposition::{CarriedOut, Dropped, Unknown};
        let sound = [
            taken(0, 2, CarriedOut),
            executed(),
            taken(1, 1, Dropped),
            taken(2, 9, Unknown),
            taken(3, 3, CarriedOut),
            convicted(),
        ];
        assert!(follows(&sound));
        assert!(!follows(&sound[2..]), "it begins with the second");
        assert!(!follows(&[sound[0].clone(), sound[2].clone()]), "nothing carries it out");
        assert!(!follows(&[sound[0].clone(), convicted()]));
        assert!(!follows(&[executed()]), "no message asks for it");
        assert!(!follows(&[sound[0].clone(), executed(), sound[0].clone()]), "it is there twice");
    }
}
