//! What a replica wrote before it said it.

use quorate_pbft::Record;
use quorate_protocol::SignedCheckpoint;

use super::messages;
use super::{Format, PLAIN, QUICK, Target, canonical};
use crate::corpus::Seed;
use crate::world::WORLD;

pub(super) const TARGET: Target = Target {
    name: "records",
    format: Format::Cbor,
    memory: PLAIN,
    max_len: 16_384,
    quick_runs: QUICK,
    seeds,
    check,
};

/// A record of every kind.
pub(super) fn all() -> Vec<(&'static str, Record)> {
    let world = &*WORLD;
    let signed =
        SignedCheckpoint::sign(&world.group.identity, world.checkpoint.clone(), &world.keys[0].account);
    let batch = Some(world.batches[0].batch.clone());
    vec![
        ("accepted", Record::Accepted(messages::pre_prepare())),
        ("prepared", Record::Prepared { certificate: messages::prepared(), batch: None }),
        ("prepared-with-batch", Record::Prepared { certificate: messages::prepared(), batch }),
        ("view-change", Record::ViewChange(messages::view_change(0, None, vec![messages::prepared()]))),
        ("new-view", Record::NewView(messages::new_view())),
        ("checkpoint", Record::Checkpoint(signed)),
        ("stable", Record::Stable(world.stable(&world.checkpoint))),
    ]
}

fn seeds() -> Vec<Seed> {
    all().into_iter().map(|(name, record)| Seed::new(name, record.encode())).collect()
}

fn check(bytes: &[u8]) {
    canonical(bytes, Record::decode(bytes), Record::encode);
}
