//! Carrying out messages of the contract's inbox.

use std::collections::VecDeque;

use quorate_protocol::entry::{InboxDisposition, SystemEvent};
use quorate_protocol::{
    AgentId, EntryBody, EntryIndex, EntryRecord, InboxContent, InboxEvent, InboxMessage, InboxTaken, Outcome,
    SignedCommand, epoch,
};

use super::admission::Verdict;
use super::{Next, StateMachine, convicted_key, leaving_key};
use crate::inbox::{self, TakenEntry};
use crate::service::{Context, Taken, Transaction};
use crate::state::Overlay;
use crate::{members, proposals};

impl StateMachine {
    /// Carries out the messages that a command took, in order. A command among them may itself take messages: they
    /// have later places in the inbox, and come behind.
    pub(super) fn carry_out(&mut self, mut taken: VecDeque<Taken>, records: &mut Vec<EntryRecord>) {
        while let Some(Taken { message, hash }) = taken.pop_front() {
            let (disposition, command) = self.judge(&message);
            self.note_taken(disposition);
            let event = SystemEvent::InboxTaken(InboxTaken { index: message.index, hash, disposition });
            self.record_event(event, records);
            match message.content() {
                InboxContent::Command(_) => {
                    if let Some(command) = command {
                        self.dispose(&command, records, &mut taken);
                    }
                }
                InboxContent::Event(event) => self.follow(message.index, event, records),
                InboxContent::Malformed | InboxContent::Unknown => {}
            }
        }
    }

    /// What becomes of a message, and the command in it if that makes an entry. Nobody has checked the signature
    /// before; the verdict is the same everywhere.
    fn judge(&self, message: &InboxMessage) -> (InboxDisposition, Option<SignedCommand>) {
        let bytes = match message.content() {
            InboxContent::Command(bytes) => bytes,
            InboxContent::Event(event) => return (event.disposition(), None),
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

    /// Notes the entry that comes next as that of the last message taken.
    fn note_taken(&mut self, disposition: InboxDisposition) {
        let index = EntryIndex(self.head.log_size);
        let (sequence, timestamp) = (self.head.sequence, self.head.time);
        let entry = TakenEntry { index, sequence, timestamp, disposition };
        self.within(inbox::PREFIX, |context| inbox::note_entry(context, entry));
    }

    /// Follows what the contract told by a message.
    fn follow(&mut self, message: u64, event: InboxEvent, records: &mut Vec<EntryRecord>) {
        let entry = EntryIndex(self.head.log_size);
        self.record_event(SystemEvent::OnChain(event), records);
        self.within(inbox::PREFIX, |context| inbox::note_told(context, message, entry, event));
        match event {
            InboxEvent::ProposalOpenedOnChain { proposal, .. }
            | InboxEvent::ProposalClosedOnChain { proposal, .. } => {
                self.within(proposals::PREFIX, |context| proposals::move_on_chain(context, proposal, entry));
            }
            InboxEvent::ReplicaConvicted { replica } => {
                self.state.put(convicted_key(replica), Vec::new());
                self.leave_out(replica);
            }
            InboxEvent::ReplicaLeaving { replica, .. } => {
                if !self.leave_out(replica) && self.next.as_ref().is_some_and(|next| next.mandate.is_some()) {
                    self.state.put(leaving_key(replica), Vec::new());
                }
            }
            InboxEvent::MemberLeft { member } => {
                self.within(members::PREFIX, |context| members::note_left(context, member));
            }
        }
    }

    /// The replica is none in the next epoch, which is due with the next checkpoint, if enough replicas remain and no change
    /// waits that the voters signed as it is. Whether that alters what comes next.
    pub(super) fn leave_out(&mut self, replica: AgentId) -> bool {
        let planned = self.next.as_ref().map(|next| &next.group);
        let Some(group) = epoch::without_replica(&self.group, planned, replica) else { return false };
        self.plan(Next { group, mandate: None });
        true
    }

    /// Has a service note something in its own state, outside of any command.
    pub(super) fn within(&mut self, prefix: &'static [u8], note: impl FnOnce(&mut Context<'_, '_>)) {
        let mut transaction = Transaction::new(Overlay::new(&self.state), EntryIndex(self.head.log_size));
        note(&mut Context::new(&mut transaction, prefix, self.head.time, &self.group));
        let writes = transaction.overlay.into_writes();
        self.state.apply(writes);
    }

    fn record_event(&mut self, event: SystemEvent, records: &mut Vec<EntryRecord>) {
        self.record(EntryBody::System(event), Outcome::Recorded, records);
    }
}
