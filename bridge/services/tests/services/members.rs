//! Plain agents, and restoring a state.

use crate::fixture::*;
use quorate_protocol::operations::ServiceOperation as _;
use quorate_protocol::operations::members::{Admit, MembersOperation};
use quorate_protocol::{AgentKey, EntryIndex, Nonce, Outcome};
use quorate_services::{Disposition, DropReason, ServicesError, StateMachine};

#[test]
fn a_voter_admits_an_agent_that_leaves_by_itself() {
    let (group, keys) = group();
    let mut machine = Machine::new(&group);
    let plain = Keys::new(50);
    assert_eq!(machine.machine.agent(plain.id()), None);
    assert!(is_applied(&machine.one(1, keys[0].command(0, vec![admit(&group, &plain)]))));
    let view = machine.machine.agent(plain.id()).unwrap();
    assert_eq!((view.key, view.member, view.voter, view.weight), (plain.key.public(), false, false, 0));

    assert_eq!(code(&machine.one(2, plain.command(0, vec![propose(1)]))), "not_a_voter");
    assert_eq!(machine.machine.agent(plain.id()).unwrap().next_nonce, Nonce(1));
    let left = plain.command(1, vec![leave()]);
    assert!(is_applied(&machine.one(3, left.clone())));
    assert_eq!(machine.machine.agent(plain.id()), None);

    // The table remembers an agent that left: its commands are the entries that they were, and new ones
    // make none.
    let executed = machine.batch(4, &[left, plain.command(2, vec![leave()])]);
    let expected = [Disposition::Duplicate(EntryIndex(3)), Disposition::Dropped(DropReason::UnknownAgent)];
    assert_eq!(executed.dispositions, expected);
}

#[test]
fn a_key_that_was_given_up_does_not_come_back() {
    let (group, keys) = group();
    let mut machine = Machine::new(&group);
    let mut plain = Keys::new(50);
    let binding = admit(&group, &plain);
    machine.one(1, keys[0].command(0, vec![binding.clone()]));
    machine.one(1, plain.command(0, vec![leave()]));
    assert_eq!(code(&machine.one(1, keys[1].command(0, vec![binding]))), "key_given_up");

    plain.key = AgentKey::from_secret(&[51; 32]);
    assert!(is_applied(&machine.one(1, keys[1].command(1, vec![admit(&group, &plain)]))));
    assert_eq!(machine.machine.agent(plain.id()).unwrap().next_nonce, Nonce(1), "nonces go on");
}

#[test]
fn what_the_rules_forbid_is_named() {
    let (group, keys) = group();
    let mut machine = Machine::new(&group);
    let (plain, other) = (Keys::new(50), Keys::new(51));
    assert_eq!(code(&machine.one(1, keys[4].command(0, vec![admit(&group, &plain)]))), "not_a_voter");
    assert_eq!(code(&machine.one(1, keys[0].command(0, vec![admit(&group, &keys[1])]))), "already_known");
    assert_eq!(code(&machine.one(1, keys[0].command(1, vec![leave()]))), "member_of_epoch");

    let genuine = Admit::sign(&group.identity, &plain.account, plain.key.public());
    let stolen = MembersOperation::Admit(Admit { key: other.key.public(), ..genuine }).to_operation();
    assert_eq!(code(&machine.one(1, keys[0].command(2, vec![stolen]))), "bad_binding");
    let twice = vec![admit(&group, &plain), admit(&group, &plain)];
    assert_eq!(code(&machine.one(1, keys[0].command(3, twice))), "already_known");
    assert_eq!(machine.machine.agent(plain.id()), None, "all or nothing");
}

#[test]
fn an_agent_may_leave_twice_in_one_command() {
    let (group, keys) = group();
    let mut machine = Machine::new(&group);
    let plain = Keys::new(50);
    machine.one(1, keys[0].command(0, vec![admit(&group, &plain)]));
    assert!(matches!(machine.one(1, plain.command(0, vec![leave(), leave()])), Outcome::Applied { .. }));
}

#[test]
fn a_state_of_another_group_or_without_its_parts_is_not_restored() {
    let (group, _) = group();
    let (mut machine, _) = StateMachine::genesis(&group);
    let mut store = Store::default();
    store.save(machine.take_changes());
    assert_eq!(store.restore(&group).state_root(), machine.state_root());
    let refused = |group: &_, store: &Store| StateMachine::restore(group, store.0.clone()).err().unwrap();

    let mut foreign = group.clone();
    foreign.identity.group = [8; 32].into();
    let expected =
        ServicesError::ForeignGroup { expected: foreign.identity.group, found: group.identity.group };
    assert_eq!(refused(&foreign, &store), expected);

    let mut other_policy = group.clone();
    other_policy.terms.classes[0].threshold += 1;
    assert_eq!(refused(&other_policy, &store), ServicesError::ForeignMembers(group.identity.group));

    for (key, value) in &store.0 {
        let mut incomplete = store.clone();
        incomplete.0.remove(key);
        assert!(matches!(refused(&group, &incomplete), ServicesError::Missing(_)));
        let mut damaged = store.clone();
        damaged.0.insert(key.clone(), value[1..].to_vec());
        assert!(matches!(refused(&group, &damaged), ServicesError::Malformed { .. }));
    }
}
