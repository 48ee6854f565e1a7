//! Changes of the members: waiting for a checkpoint, and taking effect at it.

use minicbor::{Decode, Encode};
use quorate_protocol::entry::SystemEvent;
use quorate_protocol::{
    AgentId, DecisionRecord, DecisionStatus, Digest, EntryBody, EntryRecord, Group, Mandate, MembersChange,
    Outcome, Sequence, codec,
};

use super::{LEAVING, StateMachine, is_convicted, key};
use crate::state::{Overlay, View};
use crate::{members, proposals};

/// What waits for the next checkpoint: the next epoch's group, and the voters' word for it where that alters weights.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(super) struct Next {
    #[n(0)]
    pub(super) group: Group,
    #[n(1)]
    pub(super) mandate: Option<Mandate>,
}

impl StateMachine {
    /// Notes the change of members that an approved decision carries. It was found sound when it was proposed;
    /// it has no effect if another one waits already, the epoch is over by now, it names a replica that was
    /// convicted meanwhile, or it alters weights and too few of the votes for it are such as the contract can count.
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
        let mandate = change
            .alters_weights(&self.group)
            .then(|| proposals::mandate_of(View::new(&state, proposals::PREFIX), &self.group, record));
        if change.mandated(&self.group, mandate.as_ref()).is_err() {
            return;
        }
        if let Ok(group) = change.apply(&self.group) {
            self.plan(Next { group, mandate });
        }
    }

    /// What is to take effect at the next checkpoint.
    pub(super) fn plan(&mut self, next: Next) {
        self.state.put(key("next"), codec::encode(&next));
        self.next = Some(next);
    }

    /// Whether a change of members waits for the next checkpoint.
    pub fn change_pending(&self) -> bool {
        self.next.is_some()
    }

    /// The voters' word for the members of this epoch, which its handover carries; nothing where they weigh what those of
    /// the epoch before did.
    pub fn mandate(&self) -> Option<&Mandate> {
        self.mandate.as_ref()
    }

    /// Ends the epoch with the batch at `sequence`, the last one executed, after which a checkpoint is taken:
    /// if a change of members waits, it takes effect, and the entry that says so is the batch's last. The state
    /// that the checkpoint covers is the new epoch's first.
    ///
    /// # Panics
    /// When a later batch was executed already.
    pub fn end_epoch(&mut self, sequence: Sequence) -> Option<EntryRecord> {
        if self.era_begins {
            // It waits until an entry tells of the epoch that it ends.
            return None;
        }
        let Next { group: next, mandate } = self.next.take()?;
        assert!(sequence >= self.head.sequence, "the epoch ends with the last batch");
        // The batch may have been a null batch, which left the head alone.
        self.head.sequence = sequence;
        let event =
            SystemEvent::EpochStarted { epoch: next.epoch, members_hash: Digest(Group::members_hash(&next)) };
        self.state.remove(&key("next"));
        self.state.put(key("group"), codec::encode(&next));
        match &mandate {
            Some(mandate) => self.state.put(key("mandate"), codec::encode(mandate)),
            None => self.state.remove(&key("mandate")),
        }
        self.within(members::PREFIX, |context| members::forget_left(context, &next));
        (self.group, self.mandate) = (next, mandate);
        self.leave_out_the_gone();
        let mut records = Vec::with_capacity(1);
        self.record(EntryBody::System(event), Outcome::Recorded, &mut records);
        self.save_head();
        records.pop()
    }

    /// What the voters signed was taken as it was. Whoever was convicted or gave notice while it waited is left out of the
    /// epoch after it.
    pub(super) fn leave_out_the_gone(&mut self) {
        let leaving: Vec<AgentId> = self
            .state
            .range_from(LEAVING)
            .take_while(|(key, _)| key.starts_with(LEAVING))
            .map(|(key, _)| {
                AgentId::from(
                    <[u8; 20]>::try_from(&key[LEAVING.len()..]).expect("the key ends with its replica"),
                )
            })
            .collect();
        for replica in &leaving {
            self.state.remove(&super::leaving_key(*replica));
        }
        let state = Overlay::new(&self.state);
        let convicted = self.group.members.iter().map(|member| member.agent);
        let convicted: Vec<AgentId> = convicted.filter(|member| is_convicted(&state, *member)).collect();
        for replica in leaving.into_iter().chain(convicted) {
            self.leave_out(replica);
        }
    }
}
