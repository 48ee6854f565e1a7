//! What the groups of networks on one machine agree on.

use alloy::primitives::U256;
use quorate_protocol::{Class, Terms};

use crate::amount;

/// The most ether that one decision pays at once.
const ETHER_PER_DECISION: u64 = 10;
/// The most ether that all pay in a day.
const ETHER_PER_DAY: u64 = 100;
/// How long everything else takes votes: longer than a group takes to stall.
const CONSTITUTION_VOTING_S: u32 = 2 * 60 * 60;

/// Payments, decided by so much weight of all within this period; and a class for everything else, which waits for an hour
/// on-chain.
pub(crate) fn usual(threshold: u128, total: u128, voting_period_s: u32) -> Terms {
    let limits = (wei(ETHER_PER_DECISION), wei(ETHER_PER_DAY));
    Terms::of_classes(vec![
        Class::payments(threshold, total, voting_period_s, limits),
        Class::constitution(threshold, total, CONSTITUTION_VOTING_S),
    ])
}

fn wei(ether: u64) -> u128 {
    let wei: U256 = amount::whole_ether(ether);
    u128::try_from(wei).expect("a few ether fit into 128 bits")
}
