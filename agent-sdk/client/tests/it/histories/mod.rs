//! One group in both lanes, to the last rule: random histories on a real contract and in the state machine that replicas run.
//!
//! The machine is the log. The test keeps its Merkle log, signs checkpoints with the replicas' keys, and anchors them with
//! their proofs; it sets the chain's clock to the second. A model that knows the rules alone says of each act whether it is
//! taken, and by which error it is not; after each, contract, machine and model stand alike.
//!
//! `QUORATE_HISTORIES=200 cargo test -p quorate-sdk --test it histories` plays more of them, `QUORATE_HISTORY=17` that one
//! alone.

#![allow(non_snake_case, reason = "the words of the contract's functions, as the bindings have them")]

mod acts;
mod chain;
mod compare;
mod log;
mod model;
mod scene;

use std::collections::BTreeMap;

use acts::Kind;
use chain::Chain;
use log::Actor;
use scene::History;

use crate::lanes::Random;

const HISTORIES: u64 = 24;
const ACTS: usize = 120;
/// Those who may be members, and behind them one who never is.
const ACTORS: u8 = 7;
/// The first second of the first history, and how far they are apart: what a history does depends on its seed alone.
const BEGINNING_S: u64 = 2_000_000_000;
const APART_S: u64 = 4 * 365 * 24 * 3600;

/// What has to be seen of refusals, beside one of each kind of act: the rules that take the longest way to.
const REFUSALS: [&str; 12] = [
    "AboveWindow",
    "CallNotPermitted",
    "ExecutionExpired",
    "InboxOverdue",
    "LaneClosed",
    "NoMandate",
    "NotInEpoch",
    "NotStalled",
    "RefusedInLog",
    "SignatureDoesNotCount",
    "TimelockNotOver",
    "proposal_moved",
];

/// How many acts there were.
#[derive(Default)]
struct Counts {
    /// By their kind, and by whether they were taken.
    acts: BTreeMap<(Kind, bool), u32>,
    /// By the error with which they were refused.
    errors: BTreeMap<String, u32>,
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[tokio::test]
async fn one_group_comes_to_the_same_in_contract_and_log() {
    let seeds = match (number("QUORATE_HISTORY"), number("QUORATE_HISTORIES")) {
        (Some(seed), _) => seed..seed + 1,
        (None, count) => 0..count.unwrap_or(HISTORIES),
    };
    let (is_whole, histories) = (seeds.end - seeds.start >= HISTORIES, seeds.end - seeds.start);
    let actors: Vec<Actor> = (1..=ACTORS).map(Actor::new).collect();
    let accounts: Vec<_> = actors.iter().map(Actor::id).collect();
    let mut chain = Chain::start(&accounts).await;
    let mut counts = Counts::default();
    for seed in seeds {
        chain.pass_to(BEGINNING_S + seed * APART_S).await;
        let random = Random::seeded(seed);
        let mut history = History::begin(&mut chain, &actors, &mut counts, seed, random).await;
        for turn in 0..ACTS {
            history.act().await;
            history.compare(turn % 8 == 0).await;
        }
        history.end().await;
        drop(history);
        assert!(chain.now < BEGINNING_S + (seed + 1) * APART_S, "history {seed} lasts too long");
    }
    let of = |kind, taken| counts.acts.get(&(kind, taken)).copied().unwrap_or_default();
    println!("{histories} histories of {ACTS} acts, taken and refused:");
    for kind in Kind::ALL {
        println!("  {kind:?}: {} and {}", of(kind, true), of(kind, false));
    }
    println!("refused with: {:?}", counts.errors);
    let missing: Vec<_> = Kind::ALL
        .into_iter()
        .flat_map(|kind| [(kind, true), (kind, false)])
        .filter(|(kind, taken)| of(*kind, *taken) == 0)
        .collect();
    assert!(!is_whole || missing.is_empty(), "never seen, as taken or refused: {missing:?}");
    let missing: Vec<_> = REFUSALS.into_iter().filter(|error| !counts.errors.contains_key(*error)).collect();
    assert!(!is_whole || missing.is_empty(), "never refused with: {missing:?}");
}
