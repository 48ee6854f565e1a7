//! The beginning of an era: the voters replaced the replicas on-chain, and the log goes on from its last anchor.

use quorate_protocol::entry::SystemEvent;
use quorate_protocol::{Digest, EntryBody, EntryRecord, Group, Outcome, codec};

use super::{StateMachine, key};
use crate::members;

impl StateMachine {
    /// Goes on in the era that the contract began, with the members of its first epoch. The state is that of the last
    /// anchor; what was executed after it is void. Everybody who does this to that state has the same state.
    ///
    /// It is what a change of weights is: proposals that are open take no more votes, words about the inbox do not
    /// count, a change that waited is gone. That the era began is the first entry that is made in it.
    ///
    /// # Panics
    /// When `group` is not of the first epoch of a later era, or is another group.
    pub fn begin_era(&mut self, group: &Group) {
        let begins = group.epoch.number() == 0 && group.epoch.era() > self.group.epoch.era();
        assert!(begins, "epoch {} begins no era after epoch {}", group.epoch, self.group.epoch);
        assert_eq!(group.identity, self.group.identity, "a recovery keeps the group");
        self.state.remove(&key("next"));
        self.state.remove(&key("mandate"));
        self.state.put(key("group"), codec::encode(group));
        self.state.put(key("era"), codec::encode(&group.epoch));
        self.within(members::PREFIX, |context| members::forget_left(context, group));
        (self.group, self.next, self.mandate, self.era_begins) = (group.clone(), None, None, true);
        self.leave_out_the_gone();
    }

    /// The entry that says that the era began, in the first batch that makes any.
    pub(super) fn tell_of_era(&mut self, records: &mut Vec<EntryRecord>) {
        if !std::mem::take(&mut self.era_begins) {
            return;
        }
        self.state.remove(&key("era"));
        let members_hash = Digest(self.group.members_hash());
        let event = SystemEvent::EpochStarted { epoch: self.group.epoch, members_hash };
        self.record(EntryBody::System(event), Outcome::Recorded, records);
    }
}
