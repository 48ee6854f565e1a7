//! The contract's inbox as a log tells it: each message in its place, and what it asked for right behind it.

use quorate_protocol::entry::{InboxDisposition, SystemEvent};
use quorate_protocol::{EntryBody, InboxTaken};

use super::report::Fault;

/// The inbox of a log so far.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    taken: u64,
    /// What the last entry said became of a message, if the next entry is to carry it out.
    due: Option<InboxDisposition>,
}

impl Inbox {
    /// Takes note of the next entry.
    pub(super) fn follow(&mut self, body: &EntryBody) -> Result<(), Fault> {
        let due = self.due.take();
        let fits = match body {
            EntryBody::System(SystemEvent::OnChain(event)) => due == Some(event.disposition()),
            EntryBody::Command(_) => due.is_none_or(|due| due == InboxDisposition::CarriedOut),
            EntryBody::System(_) | EntryBody::Decision(_) => due.is_none(),
        };
        if !fits {
            return Err(Fault::Inbox {
                taken: self.taken,
                reason: "it does not follow from the entry before",
            });
        }
        if let EntryBody::System(SystemEvent::InboxTaken(InboxTaken { index, disposition, .. })) = body {
            if *index != self.taken {
                return Err(Fault::Inbox { taken: self.taken, reason: "another message is next" });
            }
            self.taken += 1;
            self.due = Some(*disposition).filter(InboxDisposition::is_followed);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use quorate_protocol::{AgentId, Digest, InboxEvent, OnChainStatus, ProposalId};

    use super::*;

    fn taken(index: u64, disposition: InboxDisposition) -> EntryBody {
        let hash = Digest::default();
        EntryBody::System(SystemEvent::InboxTaken(InboxTaken { index, hash, disposition }))
    }

    fn closed() -> EntryBody {
        let (proposal, status) = (ProposalId::default(), OnChainStatus::Executed);
        EntryBody::System(SystemEvent::OnChain(InboxEvent::ProposalClosedOnChain { proposal, status }))
    }

    fn convicted() -> EntryBody {
        let replica = AgentId::default();
        EntryBody::System(SystemEvent::OnChain(InboxEvent::ReplicaConvicted { replica }))
    }

    fn follows(bodies: &[EntryBody]) -> bool {
        let mut inbox = Inbox::default();
        bodies.iter().all(|body| inbox.follow(body).is_ok())
    }

    #[test]
    fn messages_stand_in_their_places_with_what_they_ask_for_behind_them() {
        use InboxDisposition::{Closed, Convicted, Dropped, Unknown};
        let sound = [
            taken(0, Closed),
            closed(),
            taken(1, Dropped),
            taken(2, Unknown),
            taken(3, Convicted),
            convicted(),
        ];
        assert!(follows(&sound));
        assert!(!follows(&sound[2..]), "it begins with the second");
        assert!(!follows(&[sound[0].clone(), sound[2].clone()]), "nothing carries it out");
        assert!(!follows(&[sound[0].clone(), convicted()]));
        assert!(!follows(&[closed()]), "no message asks for it");
        assert!(!follows(&[sound[0].clone(), closed(), sound[0].clone()]), "it is there twice");
    }
}
