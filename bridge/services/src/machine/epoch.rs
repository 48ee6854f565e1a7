//! Changes of the members: waiting for a checkpoint, and taking effect at it.

use quorate_protocol::entry::SystemEvent;
use quorate_protocol::{
    DecisionRecord, DecisionStatus, Digest, EntryBody, EntryRecord, Group, MembersChange, Outcome, Sequence,
    codec,
};

use super::{StateMachine, is_convicted, key};
use crate::state::Overlay;

impl StateMachine {
    /// Notes the change of members that an approved decision carries. It was found sound when it was proposed;
    /// it has no effect if another one waits already, the epoch is over by now, or it names a replica that was
    /// convicted meanwhile.
    pub(super) fn note_change(&mut self, record: &DecisionRecord) {
        if record.decision.status != DecisionStatus::Approved || self.next.is_some() {
            return;
        }
        let Ok(Some(change)) = MembersChange::of(&self.group.identity, &record.calls) else { return };
        let state = Overlay::new(&self.state);
        let convicted =
            change.members.iter().any(|member| member.is_replica() && is_convicted(&state, member.agent));
        if convicted {
            return;
        }
        if let Ok(next) = change.apply(&self.group) {
            self.state.put(key("next"), codec::encode(&next));
            self.next = Some(next);
        }
    }

    /// Whether a change of members waits for the next checkpoint.
    pub fn change_pending(&self) -> bool {
        self.next.is_some()
    }

    /// Ends the epoch with the batch at `sequence`, the last one executed, after which a checkpoint is taken:
    /// if a change of members waits, it takes effect, and the entry that says so is the batch's last. The state
    /// that the checkpoint covers is the new epoch's first.
    ///
    /// # Panics
    /// When a later batch was executed already.
    pub fn end_epoch(&mut self, sequence: Sequence) -> Option<EntryRecord> {
        let next = self.next.take()?;
        assert!(sequence >= self.head.sequence, "the epoch ends with the last batch");
        // The batch may have been a null batch, which left the head alone.
        self.head.sequence = sequence;
        let event =
            SystemEvent::EpochStarted { epoch: next.epoch, members_hash: Digest(Group::members_hash(&next)) };
        self.state.remove(&key("next"));
        self.state.put(key("group"), codec::encode(&next));
        self.group = next;
        let mut records = Vec::with_capacity(1);
        self.record(EntryBody::System(event), Outcome::Recorded, &mut records);
        self.save_head();
        records.pop()
    }
}
