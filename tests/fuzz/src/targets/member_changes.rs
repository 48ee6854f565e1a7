//! The call data of a change of members: ABI, read from any proposal.

use std::sync::LazyLock;

use quorate_protocol::{Call, Epoch, Group, MembersChange, U256};

use super::{Format, Memory, QUICK, Target};
use crate::corpus::Seed;
use crate::world::WORLD;

/// A dynamic array of the ABI may name the same bytes twice, and errors quote what they read.
const MEMORY: Memory = Memory { base: 64 * 1024, per_byte: 64 };

pub(super) const TARGET: Target = Target {
    name: "member_changes",
    format: Format::Bytes,
    memory: MEMORY,
    max_len: 8192,
    quick_runs: QUICK,
    seeds,
    check,
};

static GROUP: LazyLock<Group> = LazyLock::new(|| WORLD.group.clone());

fn seeds() -> Vec<Seed> {
    let data = |count: usize| {
        let members = WORLD.group.members.iter().cycle().take(count).cloned().collect();
        MembersChange { epoch: Epoch(0), members }.call(&WORLD.group.identity).data
    };
    [("members-4", 4), ("members-1", 1), ("members-0", 0)]
        .map(|(name, count)| Seed::new(name, data(count)))
        .to_vec()
}

fn check(bytes: &[u8]) {
    let identity = &GROUP.identity;
    let call = Call { gas: 1, ..Call::new(identity.contract, U256::ZERO, bytes.to_vec()) };
    match MembersChange::of(identity, std::slice::from_ref(&call)) {
        Ok(Some(change)) => {
            assert!(change.call(identity) == call, "what was read encodes to other bytes");
            if let Ok(next) = change.apply(&GROUP) {
                assert_eq!((next.epoch, next.validate()), (Epoch(1), Ok(())), "no sound group follows");
            }
        }
        Ok(None) => {}
        Err(error) => assert!(!error.to_string().is_empty(), "a refusal without a reason"),
    }
}
