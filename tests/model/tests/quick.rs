//! The quick lane: small models in full, and models that must fail.

use quorate_model::properties::{AGREEMENT, KEPT};
use quorate_model::{Bounds, Grain, Group};
use quorate_protocol::ReplicaIndex;
use stateright::{Checker, HasDiscoveries, Model};

const EQUIVOCATING_PRIMARY: ReplicaIndex = ReplicaIndex(0);
const SECOND_PRIMARY: ReplicaIndex = ReplicaIndex(1);
const ONE_VIEW: Bounds = Bounds { max_view: 0, grain: Grain::Message };
const TWO_VIEWS: Bounds = Bounds { max_view: 1, grain: Grain::Quorum };

/// Explores the model in full.
fn explore(group: Group) {
    let checker = group.checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    println!("{} unique states, depth {}", checker.unique_state_count(), checker.max_depth());
    checker.assert_properties();
}

/// Looks for a counterexample to `property` and returns it in words.
fn counterexample(group: Group, property: &'static str) -> Vec<String> {
    let checker = group.checker().finish_when(HasDiscoveries::AllOf([property].into())).spawn_bfs().join();
    let path = checker.discovery(property).unwrap_or_else(|| panic!("{property} holds"));
    path.into_actions().iter().map(|step| checker.model().format_action(step)).collect()
}

#[test]
fn a_view_is_safe_from_an_equivocating_primary_in_every_order_of_twelve_messages() {
    let group = Group::new(4, EQUIVOCATING_PRIMARY, ONE_VIEW);
    let checker = group.checker().target_max_depth(12).spawn_bfs().join();
    assert!(checker.max_depth() >= 12, "only {} deep", checker.max_depth());
    checker.assert_properties();
}

#[test]
fn a_view_change_is_safe_from_an_equivocating_primary() {
    explore(Group::new(4, EQUIVOCATING_PRIMARY, TWO_VIEWS));
}

#[test]
fn a_view_change_is_safe_from_the_primary_that_opens_the_view() {
    explore(Group::new(4, SECOND_PRIMARY, TWO_VIEWS));
}

#[test]
fn quorums_of_two_let_an_equivocating_primary_split_the_group() {
    // In a group of three the quorum is two: one less than one faulty replica calls for.
    let group = Group::new(3, EQUIVOCATING_PRIMARY, Bounds { max_view: 0, ..TWO_VIEWS });
    let steps = counterexample(group, AGREEMENT);
    assert!(steps.iter().any(|step| step.contains("PRE-PREPARE of B")), "{steps:#?}");
}

#[test]
fn a_new_view_that_nobody_recomputes_loses_what_was_committed() {
    let group = || Group::new(4, SECOND_PRIMARY, TWO_VIEWS).gullible();
    let steps = counterexample(group(), KEPT);
    assert!(steps.iter().any(|step| step.contains("NEW-VIEW 1 with []")), "{steps:#?}");
    counterexample(group(), AGREEMENT);
}
