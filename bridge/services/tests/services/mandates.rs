//! Changes of weights, which take the voters' own signatures: what the contract will count is held to be counted here.

use quorate_protocol::{
    Choice, Class, DecisionStatus, Group, MandateError, Member, MembersChange, MembersChangeError, Terms,
    VoterSignature,
};

use crate::fixture::*;

/// The members with the first agent's weight one higher.
fn heavier(group: &Group, keys: &[Keys]) -> Vec<Member> {
    let mut members = group.members.clone();
    members.iter_mut().find(|member| member.agent == keys[0].id()).unwrap().weight += 1;
    members
}

#[test]
fn weights_change_with_the_votes_that_accounts_signed() {
    let (group, keys) = group();
    let mut machine = Machine::new(&group);
    let members = heavier(&group, &keys);
    machine.approve(&[&keys[1], &keys[0]], members.clone());
    assert_eq!(machine.machine.mandate(), None, "of this epoch");
    machine.end_epoch();
    assert_eq!(machine.machine.group().members, members);
    let mandate = machine.machine.mandate().expect("a weight is another").clone();
    assert_eq!(mandate.check(&group, &members), Ok(()));
    assert_eq!((mandate.proposer, mandate.class, mandate.salt), (keys[1].id(), CONSTITUTION, 1));
    let mut voters = [keys[0].id(), keys[1].id()];
    voters.sort();
    assert!(mandate.ballots.iter().map(|ballot| ballot.voter).eq(voters));

    // The state has it, for whoever fetches that.
    let mut store = Store::default();
    store.save(machine.machine.take_changes());
    assert_eq!(store.restore(&group).mandate(), Some(&mandate));
    // And forgets it with the next epoch.
    machine.approve(&[&keys[0], &keys[1]], members);
    machine.end_epoch();
    assert_eq!(machine.machine.mandate(), None);
}

#[test]
fn votes_against_are_none_for_a_mandate() {
    let (group, keys) = group();
    let mut machine = Machine::new(&group);
    let change = MembersChange { epoch: group.epoch, members: heavier(&group, &keys) };
    let (propose, id) = propose_change(&group, &keys[3], CONSTITUTION, &change);
    machine.does(1, &keys[3], vec![propose]);
    for (voter, choice) in [(3, Choice::Against), (0, Choice::For), (1, Choice::For)] {
        let vote = signed_vote(&machine.machine, &keys[voter], id, choice);
        machine.does(1, &keys[voter], vec![vote]);
    }
    machine.end_epoch();
    let mandate = machine.machine.mandate().unwrap();
    assert_eq!(mandate.weight(&group, &change.members), 5);
    assert!(mandate.ballots.iter().all(|ballot| ballot.voter != keys[3].id()));
}

#[test]
fn a_change_of_weights_is_proposed_in_no_other_class() {
    let (mut group, keys) = group();
    let payments = Class::payments(5, 8, 60, (1, 2));
    let classes = [group.terms.classes.clone(), vec![payments]].concat();
    group.terms = Terms { classes, ..group.terms };
    let mut machine = Machine::new(&group);
    let change = MembersChange { epoch: group.epoch, members: heavier(&group, &keys) };
    for (class, expected) in [(0, "invalid_members_change"), (2, "not_permitted")] {
        let (propose, _) = propose_change(&group, &keys[0], class, &change);
        assert_eq!(machine.refuses(1, &keys[0], propose), expected);
    }
    let expected = Err(MembersChangeError::Mandate(MandateError::Class(0)));
    assert_eq!(change.check_class(&group, 0), expected);
    // One that alters none is.
    let renewal = MembersChange { epoch: group.epoch, members: group.members.clone() };
    let (propose, _) = propose_change(&group, &keys[0], 0, &renewal);
    machine.does(1, &keys[0], vec![propose]);
}

/// The contract counts accounts' signatures alone towards a mandate. An approval that it would not follow must not
/// change the members here, or no anchor of the next epoch would be taken.
#[test]
fn bytes_that_only_a_contract_can_judge_do_not_count_towards_a_mandate() {
    let (group, keys) = group();
    let mut machine = Machine::new(&group);
    let change = MembersChange { epoch: group.epoch, members: heavier(&group, &keys) };
    let (propose, id) = propose_change(&group, &keys[0], CONSTITUTION, &change);
    machine.does(1, &keys[0], vec![propose]);
    let first = signed_vote(&machine.machine, &keys[0], id, Choice::For);
    machine.does(1, &keys[0], vec![first]);
    let opaque = vote_with(id, Choice::For, VoterSignature::Opaque(vec![1; 64]));
    machine.does(1, &keys[1], vec![opaque]);
    assert_eq!(machine.view(id).status, DecisionStatus::Approved.into(), "the log counts all votes");
    assert!(!machine.machine.change_pending(), "three of eight are shown");

    // Proposed again, with the word of another account.
    let next = MembersChange { members: heavier(&group, &keys[1..]), ..change };
    machine.approve(&[&keys[1], &keys[0]], next.members.clone());
    assert!(machine.machine.change_pending());
    machine.end_epoch();
    assert_eq!(machine.machine.group().members, next.members);
}

#[test]
fn a_change_of_replicas_alone_needs_no_mandate() {
    let (group, keys) = group();
    let mut machine = Machine::new(&group);
    let mut members = group.members.clone();
    let replica = members.iter_mut().find(|member| member.agent == keys[4].id()).unwrap();
    replica.key = Keys::new(60).key.public();
    machine.approve(&[&keys[0], &keys[1]], members.clone());
    machine.end_epoch();
    assert_eq!(machine.machine.group().members, members);
    assert_eq!(machine.machine.mandate(), None);
}
