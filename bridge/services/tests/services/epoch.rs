//! Changes of the members: proposed, approved, and in force from the next checkpoint on.

use crate::fixture::*;
use quorate_protocol::entry::SystemEvent;
use quorate_protocol::{
    Choice, DecisionStatus, Digest, EntryBody, EntryIndex, Epoch, Group, Member, MembersChange, Sequence,
};
use quorate_services::{Disposition, DropReason};

/// The members with the key of `of` exchanged.
fn rotated(group: &Group, of: &Keys, to: &Keys) -> Vec<Member> {
    let exchange = |member: &Member| match member.agent == of.id() {
        true => Member { key: to.key.public(), ..member.clone() },
        false => member.clone(),
    };
    group.members.iter().map(exchange).collect()
}

/// Approves a change of members with the weights 3 and 2 of a threshold of 5.
fn approve(machine: &mut Machine, keys: &[Keys], members: Vec<Member>) {
    machine.approve(&[&keys[0], &keys[1]], members);
}

#[test]
fn an_approved_change_takes_effect_at_the_next_checkpoint_and_not_before() {
    let (group, mut keys) = group();
    let mut machine = Machine::new(&group);
    let rotated_to = Keys::new(60);
    let members = rotated(&group, &keys[2], &rotated_to);
    assert!(!machine.machine.change_pending());
    approve(&mut machine, &keys, members.clone());
    assert!(machine.machine.change_pending());
    assert_eq!(machine.machine.group(), &group, "nothing changes before the checkpoint");
    assert!(is_applied(&machine.one(2, keys[2].command(0, vec![propose(7)]))));

    let (root, log_size) = (machine.machine.state_root(), machine.machine.log_size());
    let entry = machine.end_epoch();
    let next = Group { epoch: Epoch(1), members, ..group.clone() };
    assert_eq!(entry.check(&group.identity), Ok(()));
    assert_eq!(
        entry.body,
        EntryBody::System(SystemEvent::EpochStarted {
            epoch: Epoch(1),
            members_hash: Digest(next.members_hash())
        })
    );
    assert_eq!(entry.entry.index, EntryIndex(log_size));
    assert_eq!((machine.machine.group(), machine.machine.log_size()), (&next, log_size + 1));
    assert_ne!(machine.machine.state_root(), root);
    assert_eq!(machine.machine.end_epoch(Sequence(machine.sequence)), None, "no second time");

    // The old key speaks no more, the new one does, with the same agent's nonces.
    let old = machine.batch(3, &[keys[2].command(1, vec![propose(8)])]);
    assert_eq!(old.records[0].outcome.refusal(), Some(&quorate_protocol::Refusal::WrongKey));
    keys[2].key = rotated_to.key;
    assert!(is_applied(&machine.one(3, keys[2].command(1, vec![propose(8)]))));
}

#[test]
fn who_is_gone_submits_nothing_and_proposals_of_the_old_epoch_take_no_votes() {
    let (group, keys) = group();
    let mut machine = Machine::new(&group);
    assert!(is_applied(&machine.one(1, keys[3].command(0, vec![propose(1)]))));
    let open = id_of(&keys[3], 1);
    assert!(is_applied(&machine.one(1, keys[2].command(0, vec![vote(open, Choice::For)]))));
    let without: Vec<Member> =
        group.members.iter().filter(|member| member.agent != keys[3].id()).cloned().collect();
    approve(&mut machine, &keys, without);
    machine.end_epoch();

    let gone = machine.batch(2, &[keys[3].command(1, vec![propose(2)])]);
    assert_eq!(gone.dispositions, [Disposition::Dropped(DropReason::UnknownAgent)]);
    let nonce = machine.machine.agent(keys[0].id()).unwrap().next_nonce.0;
    assert_eq!(code(&machine.one(2, keys[0].command(nonce, vec![vote(open, Choice::For)]))), "other_voters");
    let expired = machine.batch(1_000 + PERIOD_MS, &[]);
    assert_eq!(decisions(&expired.records)[0].decision.status, DecisionStatus::Expired);
}

#[test]
fn a_proposal_outlasts_changes_that_leave_the_weights_alone() {
    let (group, keys) = group();
    let mut machine = Machine::new(&group);
    assert!(is_applied(&machine.one(1, keys[3].command(0, vec![propose(1)]))));
    let open = id_of(&keys[3], 1);
    assert!(is_applied(&machine.one(1, keys[0].command(0, vec![vote(open, Choice::For)]))));
    approve(&mut machine, &keys, rotated(&group, &keys[2], &Keys::new(60)));
    machine.end_epoch();
    assert_eq!(machine.machine.group().epoch, Epoch(1));
    assert_eq!(machine.machine.group().voters_since, Epoch(0));

    // The votes of before and after add up: 3 and 2, of a threshold of 5.
    let nonce = machine.machine.agent(keys[1].id()).unwrap().next_nonce.0;
    let executed = machine.batch(2, &[keys[1].command(nonce, vec![vote(open, Choice::For)])]);
    let decision = &decisions(&executed.records)[0].decision;
    assert_eq!((decision.status, decision.for_weight), (DecisionStatus::Approved, 5));
}

#[test]
fn a_change_that_cannot_take_effect_is_not_proposed() {
    let (group, keys) = group();
    let mut machine = Machine::new(&group);
    let few = MembersChange { epoch: Epoch(0), members: group.members[..3].to_vec() };
    let later = MembersChange { epoch: Epoch(1), members: group.members.clone() };
    let sound = MembersChange { epoch: Epoch(0), members: group.members.clone() };
    let beside = [calls(), vec![sound.call(&group.identity)]].concat();
    let proposals = [
        propose_change(&group, &keys[0], CONSTITUTION, &few),
        propose_change(&group, &keys[0], 0, &later),
        propose_calls(&group, &keys[0], 0, beside),
    ];
    for (nonce, (operation, _)) in (0..).zip(proposals) {
        let outcome = machine.one(1, keys[0].command(nonce, vec![operation]));
        assert_eq!(code(&outcome), "invalid_members_change");
    }
    assert!(!machine.machine.change_pending());
}

#[test]
fn of_two_changes_in_one_epoch_the_first_approved_counts() {
    let (group, keys) = group();
    let mut machine = Machine::new(&group);
    let first = rotated(&group, &keys[2], &Keys::new(60));
    approve(&mut machine, &keys, first.clone());
    approve(&mut machine, &keys, rotated(&group, &keys[2], &Keys::new(61)));
    machine.end_epoch();
    assert_eq!(machine.machine.group().members, first);
    assert!(!machine.machine.change_pending());
}

#[test]
fn a_restored_state_knows_its_epoch_and_what_waits() {
    let (group, keys) = group();
    let mut machine = Machine::new(&group);
    approve(&mut machine, &keys, rotated(&group, &keys[2], &Keys::new(60)));
    let mut store = Store::default();
    store.save(machine.machine.take_changes());
    let mut restored = store.restore(&group);
    assert!(restored.change_pending());
    let entry = restored.end_epoch(Sequence(machine.sequence));
    assert_eq!(entry, machine.machine.end_epoch(Sequence(machine.sequence)));
    assert_eq!(restored.state_root(), machine.machine.state_root());

    store.save(machine.machine.take_changes());
    let again = store.restore(&group);
    assert_eq!((again.group().epoch, again.change_pending()), (Epoch(1), false));
}
