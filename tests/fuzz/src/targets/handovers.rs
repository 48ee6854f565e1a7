//! How one epoch's members follow another's.

use std::sync::LazyLock;

use quorate_protocol::codec;
use quorate_protocol::epoch::MAX_HANDOVER_BYTES;
use quorate_protocol::{Group, Handover};

use super::{Format, PLAIN, QUICK, Target, canonical, canonical_as};
use crate::corpus::Seed;
use crate::world::WORLD;

pub(super) const TARGET: Target = Target {
    name: "handovers",
    format: Format::Cbor,
    memory: PLAIN,
    max_len: 8192,
    quick_runs: QUICK,
    seeds,
    check,
};

static NEXT: LazyLock<Group> = LazyLock::new(|| {
    WORLD.handover().verify(&WORLD.group).expect("the group's own quorum signed the handover")
});

fn seeds() -> Vec<Seed> {
    vec![Seed::new("handover", WORLD.handover().encode()), Seed::new("group", codec::encode(&WORLD.group))]
}

fn check(bytes: &[u8]) {
    if let Some(handover) = canonical(bytes, Handover::decode(bytes), Handover::encode) {
        match handover.verify(&WORLD.group) {
            Ok(next) => assert!(next == *NEXT, "a handover holds that nobody signed"),
            Err(error) => assert!(!error.to_string().is_empty(), "a refusal without a reason"),
        }
        assert!(handover.verify(&NEXT).is_err(), "a handover holds in another epoch");
    }
    if let Some(group) = canonical_as::<Group>(bytes, MAX_HANDOVER_BYTES)
        && group.validate().is_ok()
    {
        let replicas = group.replicas();
        let (n, f, quorum) = (replicas.len(), replicas.max_faulty(), replicas.quorum());
        assert!(2 * quorum > n + f && quorum <= n - f, "quorums of {quorum} among {n}");
        let _ = (group.members_hash(), group.identity.origin());
    }
}
