//! The deep lane: `cargo run --release -p quorate-model [most states of one model]`.

use std::process::ExitCode;
use std::time::Instant;

use quorate_model::{Bounds, Grain, Group};
use quorate_protocol::ReplicaIndex;
use stateright::{Checker, Expectation, HasDiscoveries, Model};

/// How many states one model may generate, repetitions included, before it is cut off.
const MAX_STATES: usize = 8_000_000;

/// Name, faulty replica, bounds. Replica v is the primary of view v.
const MODELS: [(&str, u16, Bounds); 8] = [
    ("equivocating primary, one view, every message", 0, Bounds { max_view: 0, grain: Grain::Message }),
    ("equivocating primary, views 0 and 1", 0, Bounds { max_view: 1, grain: Grain::Quorum }),
    ("faulty primary of view 1, views 0 and 1", 1, Bounds { max_view: 1, grain: Grain::Quorum }),
    ("faulty backup, views 0 and 1", 3, Bounds { max_view: 1, grain: Grain::Quorum }),
    ("equivocating primary, views 0 to 2", 0, Bounds { max_view: 2, grain: Grain::Quorum }),
    ("faulty primary of view 1, views 0 to 2", 1, Bounds { max_view: 2, grain: Grain::Quorum }),
    ("faulty primary of view 2, views 0 to 2", 2, Bounds { max_view: 2, grain: Grain::Quorum }),
    ("equivocating primary, views 0 and 1, every message", 0, Bounds { max_view: 1, grain: Grain::Message }),
];

fn main() -> ExitCode {
    let max_states = match std::env::args().nth(1).map(|text| text.parse()) {
        None => MAX_STATES,
        Some(Ok(states)) => states,
        Some(Err(error)) => {
            eprintln!("the most states of one model must be a number: {error}");
            return ExitCode::FAILURE;
        }
    };
    let held = MODELS.map(|(name, faulty, bounds)| check(name, ReplicaIndex(faulty), bounds, max_states));
    if held.contains(&false) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Explores one model and prints what came of it; whether all properties hold as far as it went.
fn check(name: &str, faulty: ReplicaIndex, bounds: Bounds, max_states: usize) -> bool {
    let start = Instant::now();
    let checker = Group::new(4, faulty, bounds)
        .checker()
        .finish_when(HasDiscoveries::AnyFailures)
        .target_state_count(max_states)
        .spawn_bfs()
        .join();
    let (states, unique) = (checker.state_count(), checker.unique_state_count());
    let complete = states < max_states;
    let extent = if complete { "complete" } else { "cut off" };
    let (nodes, messages) = checker.model().sizes();
    println!("{name}: {extent}");
    println!("  {states} states, {unique} unique, depth {}, {:.1?}", checker.max_depth(), start.elapsed());
    println!("  {nodes} states of single replicas, {messages} messages");
    let mut held = true;
    for property in checker.model().properties() {
        let discovery = checker.discovery(property.name);
        let sometimes = property.expectation == Expectation::Sometimes;
        let (verdict, fine) = match (&discovery, sometimes) {
            (None, false) => ("holds", true),
            (Some(_), false) => ("FAILS", false),
            (Some(_), true) => ("happens", true),
            (None, true) => ("never happens", !complete),
        };
        held &= fine;
        println!("  {verdict}: {}", property.name);
        for step in discovery.filter(|_| !fine).into_iter().flat_map(|path| path.into_actions()) {
            println!("    {}", checker.model().format_action(&step));
        }
    }
    held
}
