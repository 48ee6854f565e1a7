//! Carrying out messages of the contract's inbox.

use std::collections::VecDeque;

use quorate_protocol::entry::{InboxDisposition, SystemEvent};
use quorate_protocol::{
    AgentId, EntryBody, EntryIndex, EntryRecord, InboxContent, InboxMessage, Outcome, ProposalId,
    SignedCommand, codec, epoch,
};

use super::admission::Verdict;
use super::{StateMachine, convicted_key, key};
use crate::proposals;
use crate::service::{Context, Taken, Transaction};
use crate::state::Overlay;

impl StateMachine {
    /// Carries out the messages that a command took, in order. A command among them may itself take messages: they
    /// have later places in the inbox, and come behind.
    pub(super) fn carry_out(&mut self, mut taken: VecDeque<Taken>, records: &mut Vec<EntryRecord>) {
        while let Some(Taken { message, hash }) = taken.pop_front() {
            let InboxMessage { index, kind, sender, .. } = message;
            let (disposition, command) = self.judge(&message);
            let event = SystemEvent::InboxTaken { index, hash, kind, sender, disposition };
            self.record_event(event, records);
            match message.content() {
                InboxContent::Command(_) => {
                    if let Some(command) = command {
                        self.dispose(&command, records, &mut taken);
                    }
                }
                InboxContent::ProposalExecuted(proposal) => self.close_executed(proposal, records),
                InboxContent::ReplicaConvicted(replica) => self.convict(replica, records),
                InboxContent::Malformed | InboxContent::Unknown => {}
            }
        }
    }

    /// What becomes of a message, and the command in it if that makes an entry. Nobody has checked the signature
    /// before; the verdict is the same everywhere.
    fn judge(&self, message: &InboxMessage) -> (InboxDisposition, Option<SignedCommand>) {
        let bytes = match message.content() {
            InboxContent::Command(bytes) => bytes,
            InboxContent::ProposalExecuted(_) | InboxContent::ReplicaConvicted(_) => {
                return (InboxDisposition::CarriedOut, None);
            }
            InboxContent::Malformed => return (InboxDisposition::Malformed, None),
            InboxContent::Unknown => return (InboxDisposition::Unknown, None),
        };
        let group = &self.group.identity.group;
        let Ok(command) = SignedCommand::decode(bytes).and_then(|command| command.verify(group)) else {
            return (InboxDisposition::Malformed, None);
        };
        match self.verdict(self.head.time, &command) {
            Verdict::Run(_) | Verdict::Refuse(_) | Verdict::RefuseForeign => {
                (InboxDisposition::CarriedOut, Some(command.into_inner()))
            }
            Verdict::Duplicate(_) => (InboxDisposition::Duplicate, None),
            Verdict::Drop(_) => (InboxDisposition::Dropped, None),
        }
    }

    /// The contract executed the proposal: it takes no more votes, and there will be no decision that anybody could
    /// execute again.
    fn close_executed(&mut self, proposal: ProposalId, records: &mut Vec<EntryRecord>) {
        let entry = EntryIndex(self.head.log_size);
        self.record_event(SystemEvent::ProposalExecuted { proposal }, records);
        let mut transaction = Transaction::new(Overlay::new(&self.state), EntryIndex(self.head.log_size));
        let mut context = Context::new(&mut transaction, proposals::PREFIX, self.head.time, &self.group);
        proposals::close_executed(&mut context, proposal, entry);
        let writes = transaction.overlay.into_writes();
        self.state.apply(writes);
    }

    /// The contract convicted the replica: it is none in the next epoch, which is due with the next checkpoint if
    /// enough replicas remain.
    fn convict(&mut self, replica: AgentId, records: &mut Vec<EntryRecord>) {
        self.record_event(SystemEvent::ReplicaConvicted { replica }, records);
        self.state.put(convicted_key(replica), Vec::new());
        if let Some(next) = epoch::without_replica(&self.group, self.next.as_ref(), replica) {
            self.state.put(key("next"), codec::encode(&next));
            self.next = Some(next);
        }
    }

    fn record_event(&mut self, event: SystemEvent, records: &mut Vec<EntryRecord>) {
        self.record(EntryBody::System(event), Outcome::Recorded, records);
    }
}
