//! What must hold in every state, and what must happen in some.
//!
//! The checks read what the replicas said and executed. They share no code with the core.

use std::collections::{BTreeMap, BTreeSet};

use quorate_protocol::{ReplicaIndex, View};
use stateright::Property;

use crate::claim::{About, Claim};
use crate::delivery::Grain;
use crate::model::{Bounds, Group, State};

/// No two correct replicas execute different batches at a sequence.
pub const AGREEMENT: &str = "agreement";
/// What is executed was proposed: it is one of the batches that are about, never an empty one.
pub const VALIDITY: &str = "validity";
/// No correct replica contradicts itself, speaks in a view that it left, keeps back what it committed, executes
/// without a quorum, says what its peers refuse, or accuses a correct replica.
pub const CORRECT: &str = "correct replicas do nothing wrong";
/// Once so many correct replicas have committed a batch that the faulty one can complete the quorum, no correct
/// replica proposes, prepares or commits another one at its sequence in a later view.
pub const KEPT: &str = "what a quorum committed is kept";
/// No evidence is against a correct replica.
pub const EVIDENCE: &str = "evidence is against the faulty replica alone";

/// The properties of a model within `bounds`. Those that must happen in some state show that the model is not
/// empty of what it is about.
pub(crate) fn all(bounds: &Bounds) -> Vec<Property<Group>> {
    let mut all = vec![
        Property::always(AGREEMENT, agreement),
        Property::always(VALIDITY, validity),
        Property::always(CORRECT, |_, state: &State| state.nodes.iter().all(|node| node.fault.is_none())),
        Property::always(KEPT, |group: &Group, state: &State| group.under_way(state).kept),
        Property::always(EVIDENCE, |group: &Group, state: &State| {
            state.nodes.iter().all(|node| node.accused.iter().all(|&accused| accused == group.faulty))
        }),
        Property::sometimes("a batch is executed in view 0", |_, state: &State| executed_in(state, View(0))),
    ];
    if bounds.max_view > 0 {
        all.push(Property::sometimes("a batch is executed in view 1", |_, state: &State| {
            executed_in(state, View(1))
        }));
        all.push(Property::sometimes("one replica executes in view 0, another in view 1", |_, state| {
            executed_in(state, View(0)) && executed_in(state, View(1))
        }));
    }
    if bounds.max_view > 1 {
        all.push(Property::sometimes("a batch is executed in view 2", |_, state: &State| {
            executed_in(state, View(2))
        }));
    }
    if bounds.grain == Grain::Message {
        all.push(Property::sometimes("the equivocation is noticed", |group: &Group, state: &State| {
            state.nodes.iter().any(|node| node.accused.contains(&group.faulty))
        }));
    }
    all
}

fn executed_in(state: &State, view: View) -> bool {
    state.nodes.iter().any(|node| node.executed.iter().any(|about| about.view == view))
}

fn agreement(_: &Group, state: &State) -> bool {
    let equal = |one: &[About], other: &[About]| {
        one.iter().zip(other).all(|(one, other)| (one.sequence, one.digest) == (other.sequence, other.digest))
    };
    state.nodes.iter().all(|one| state.nodes.iter().all(|other| equal(&one.executed, &other.executed)))
}

fn validity(group: &Group, state: &State) -> bool {
    let proposed = |done: &About| group.setting.batches.iter().any(|(digest, _)| *digest == done.digest);
    state.nodes.iter().all(|node| node.executed.iter().all(proposed))
}

/// See [`KEPT`]; `claims` is what the correct replicas said.
pub(crate) fn kept(group: &Group, claims: &[Claim]) -> bool {
    let mut commits: BTreeMap<About, BTreeSet<ReplicaIndex>> = BTreeMap::new();
    for claim in claims {
        if let Claim::Commit(by, about) = claim {
            commits.entry(*about).or_default().insert(*by);
        }
    }
    let needed = group.setting.context.replicas.quorum() - 1;
    let committed = commits.iter().filter(|(_, voters)| voters.len() >= needed).map(|(about, _)| about);
    committed.into_iter().all(|committed| {
        claims.iter().all(|claim| match claim {
            Claim::PrePrepare(about) | Claim::Prepare(_, about) | Claim::Commit(_, about) => {
                let later = about.view > committed.view && about.sequence == committed.sequence;
                !later || about.digest == committed.digest
            }
            Claim::ViewChange(..) | Claim::NewView(..) | Claim::BatchReply(_) => true,
        })
    })
}
