//! Signatures on the whole state, one and a quorum's: secp256k1, as the contract checks them.

use quorate_protocol::{Checkpoint, CheckpointCertificate, SignedCheckpoint, codec};

use super::{Format, PLAIN, QUICK, Target, canonical_as};
use crate::corpus::Seed;
use crate::world::WORLD;

pub(super) const TARGET: Target = Target {
    name: "checkpoints",
    format: Format::Cbor,
    memory: PLAIN,
    max_len: 8192,
    quick_runs: QUICK,
    seeds,
    check,
};

const MAX_BYTES: usize = 64 * 1024;

fn seeds() -> Vec<Seed> {
    let world = &*WORLD;
    let signed =
        SignedCheckpoint::sign(&world.group.identity, world.checkpoint.clone(), &world.keys[3].account);
    vec![
        Seed::new("checkpoint", codec::encode(&world.checkpoint)),
        Seed::new("signed", codec::encode(&signed)),
        Seed::new("stable", codec::encode(&world.stable(&world.checkpoint))),
        Seed::new("last-of-its-epoch", codec::encode(&world.handover().certificate)),
    ]
}

fn is_true(checkpoint: &Checkpoint) -> bool {
    // The handover's differs in the next members alone, and a splice may take its signatures with it.
    let same = Checkpoint { next_members_hash: WORLD.checkpoint.next_members_hash, ..checkpoint.clone() };
    same == WORLD.checkpoint
}

fn check(bytes: &[u8]) {
    let identity = &WORLD.group.identity;
    canonical_as::<Checkpoint>(bytes, MAX_BYTES);
    if let Some(signed) = canonical_as::<SignedCheckpoint>(bytes, MAX_BYTES)
        && signed.verify(identity)
    {
        // Anybody may sign with an account of its own; a replica's is another matter.
        let is_replica = WORLD.context.replicas.index_of(signed.replica).is_some();
        assert!(!is_replica || is_true(&signed.checkpoint), "a checkpoint is signed that nobody signed");
    }
    if let Some(stable) = canonical_as::<CheckpointCertificate>(bytes, MAX_BYTES) {
        match stable.verify(identity, &WORLD.context.replicas) {
            Ok(()) => assert!(is_true(&stable.checkpoint), "a checkpoint is stable that nobody signed"),
            Err(error) => assert!(!error.to_string().is_empty(), "a refusal without a reason"),
        }
        assert_eq!(stable.packed_signatures().len(), 65 * stable.signatures.len());
    }
}
