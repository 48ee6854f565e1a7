//! What a transaction reverted with, as an endpoint tells it.

use quorate_contracts::{AgentCoordinator, GroupAccount, Refusal};

use super::{Format, Memory, QUICK, Target};
use crate::corpus::Seed;

/// What is read quotes what it was read from.
const MEMORY: Memory = Memory { base: 64 * 1024, per_byte: 64 };

pub(super) const TARGET: Target = Target {
    name: "refusals",
    format: Format::Bytes,
    memory: MEMORY,
    max_len: 4096,
    quick_runs: QUICK,
    seeds,
    check,
};

/// `selector`, then words that read as small numbers.
fn data(selector: [u8; 4], words: usize) -> Vec<u8> {
    let word = |number: u8| [[0; 31].as_slice(), &[number]].concat();
    let words = (1..).take(words).flat_map(|number: u8| word(32 * number));
    selector.into_iter().chain(words).collect()
}

fn seeds() -> Vec<Seed> {
    use alloy_sol_types::SolError as _;
    let call_failed = GroupAccount::CallFailed {
        position: quorate_protocol::U256::from(1),
        target: quorate_protocol::Address::repeat_byte(1),
        reason: vec![1, 2, 3].into(),
    };
    let errors = AgentCoordinator::AgentCoordinatorErrors::SELECTORS
        .iter()
        .chain(GroupAccount::GroupAccountErrors::SELECTORS);
    let mut seeds: Vec<_> = errors
        .enumerate()
        .map(|(at, selector)| Seed::new(format!("error-{at:02}"), data(*selector, 4)))
        .collect();
    seeds.push(Seed::new("call-failed", call_failed.abi_encode()));
    seeds
}

fn check(bytes: &[u8]) {
    if let Some(refusal) = Refusal::decode(bytes) {
        assert!(bytes.len() >= 4, "a refusal is told by its selector");
        assert!(!format!("{refusal:?}").is_empty());
    }
}
