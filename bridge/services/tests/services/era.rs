//! A recovery: the voters replaced the replicas on-chain, and the state goes on from the last anchor.

use quorate_protocol::entry::SystemEvent;
use quorate_protocol::{Choice, DecisionStatus, Digest, EntryBody, Epoch, Group, TimestampMs};
use quorate_services::{Disposition, DropReason};

use crate::fixture::*;

/// The group as it was recovered: without its last member, whose seat a new one takes.
fn recovered(group: &Group) -> (Group, Keys) {
    let new = Keys::new(70);
    let mut members = group.members.clone();
    let gone = members.iter_mut().find(|member| member.agent == self::group().1[3].id()).unwrap();
    (gone.agent, gone.key) = (new.id(), new.key.public());
    members.sort_by_key(|member| member.agent);
    let epoch = group.epoch.next_era();
    (Group { epoch, voters_since: epoch, members, ..group.clone() }, new)
}

#[test]
fn an_era_begins_with_its_entry_and_ends_what_was_open() {
    let (group, keys) = group();
    let mut machine = Machine::new(&group);
    assert!(is_applied(&machine.one(1, keys[0].command(0, vec![propose(1)]))));
    let open = id_of(&keys[0], 1);
    // A change that waits is gone with its era.
    machine.approve(&[&keys[0], &keys[1]], group.members.clone());
    let (next, new) = recovered(&group);
    let (size, time) = (machine.machine.log_size(), machine.machine.time());
    machine.machine.begin_era(&next);
    assert!(!machine.machine.change_pending());
    assert_eq!((machine.machine.group(), machine.machine.log_size()), (&next, size));
    assert_eq!(machine.machine.next_due(), Some(time), "the era's entry is due");
    // A null batch tells of nothing.
    assert!(machine.batch(0, &[]).records.is_empty());

    let mut store = Store::default();
    store.save(machine.machine.take_changes());
    let mut restored = store.restore(&next);
    assert_eq!(restored.state_root(), machine.machine.state_root());
    assert_eq!(restored.next_due(), Some(time));

    let executed = machine.batch(2, &[new.command(0, vec![propose(2)])]);
    let event = SystemEvent::EpochStarted {
        epoch: Epoch::of(1, 0),
        members_hash: Digest(Group::members_hash(&next)),
    };
    assert_eq!(executed.records[0].body, EntryBody::System(event));
    assert_eq!(executed.records[0].entry.index.0, size);
    assert!(is_applied(&executed.records[1].outcome), "a new member proposes");
    assert_ne!(machine.machine.next_due(), Some(time));
    let again = machine.batch(3, &[keys[0].command(50, vec![vote(open, Choice::For)])]);
    assert_eq!(again.records.len(), 1, "the era begins once");
    assert_eq!(code(&again.records[0].outcome), "other_voters");
    let gone = machine.batch(3, &[keys[3].command(60, vec![propose(3)])]);
    assert_eq!(gone.dispositions, [Disposition::Dropped(DropReason::UnknownAgent)]);
    let expired = machine.batch(1_000 + PERIOD_MS, &[]);
    assert_eq!(decisions(&expired.records)[0].decision.status, DecisionStatus::Expired);
    let _ = restored.execute(quorate_protocol::Sequence(machine.sequence + 1), TimestampMs(2), &[]);
    assert_eq!(restored.log_size(), size + 1, "the restored machine tells of the era too");
}

#[test]
fn epochs_follow_within_the_era() {
    let (group, keys) = group();
    let mut machine = Machine::new(&group);
    machine.batch(1, &[keys[0].command(0, vec![propose(1)])]);
    let (next, _) = recovered(&group);
    machine.machine.begin_era(&next);
    machine.group = next.clone();
    machine.approve(&[&keys[0], &keys[1]], next.members.clone());
    assert!(machine.machine.change_pending());
    machine.end_epoch();
    assert_eq!(machine.machine.group().epoch, Epoch::of(1, 1));
}
