//! What the store keeps under its keys, as a broken disk may give it back.

use minicbor::bytes::ByteVec;
use quorate_node::anchored::AnchoredLog;
use quorate_node::store::{FetchProgress, Frontier};
use quorate_pbft::evidence::Phase;
use quorate_pbft::{CommittedBatch, Evidence};
use quorate_protocol::{
    B256, Checkpoint, Digest, ReplicaIndex, Sequence, SignedCheckpoint, View, codec, domain,
};

use super::{Format, PLAIN, QUICK, Target, canonical, canonical_as};
use crate::corpus::Seed;
use crate::world::WORLD;

pub(super) const TARGET: Target = Target {
    name: "stored",
    format: Format::Cbor,
    memory: PLAIN,
    max_len: 8192,
    quick_runs: QUICK,
    seeds,
    check,
};

const MAX_BYTES: usize = 64 * 1024;

fn evidence() -> [Evidence; 2] {
    let (replica, view, sequence) = (ReplicaIndex(2), View(0), Sequence(1));
    let vote = |byte| {
        let digest = Digest::from([byte; 32]);
        Box::new((digest, WORLD.vote(replica, domain::COMMIT, view, sequence, digest)))
    };
    let epoch = WORLD.group.epoch;
    let signed = |log_size| {
        let checkpoint = Checkpoint { log_size, ..WORLD.checkpoint.clone() };
        Box::new(SignedCheckpoint::sign(&WORLD.group.identity, checkpoint, &WORLD.keys[2].account))
    };
    [
        Evidence::Votes {
            phase: Phase::Commit,
            replica,
            view,
            sequence,
            first: vote(1),
            second: vote(2),
            epoch,
        },
        Evidence::Checkpoints { replica, first: signed(1), second: signed(2) },
    ]
}

fn seeds() -> Vec<Seed> {
    let size = WORLD.log.size();
    let root = WORLD.log.root();
    let anchored =
        AnchoredLog { size, root, sequence: Sequence(5), tx_hash: B256::repeat_byte(3), block: 77 };
    let progress = FetchProgress {
        target: WORLD.stable(&WORLD.checkpoint),
        kept: 3,
        log: Frontier::of(&WORLD.log, 5).expect("the log is longer"),
        next_bucket: 8192,
    };
    let [votes, checkpoints] = evidence();
    let (key, value) = WORLD.pairs[0].clone();
    vec![
        Seed::new("batch", WORLD.batches[0].encode()),
        Seed::new("anchor", codec::encode(&anchored)),
        Seed::new("fetch", codec::encode(&progress)),
        Seed::new("evidence-votes", codec::encode(&votes)),
        Seed::new("evidence-checkpoints", codec::encode(&checkpoints)),
        Seed::new("state-pair", codec::encode(&(ByteVec::from(key), ByteVec::from(value)))),
        Seed::new("sequence", codec::encode(&Sequence(u64::MAX))),
    ]
}

fn check(bytes: &[u8]) {
    canonical(bytes, CommittedBatch::decode(bytes), CommittedBatch::encode);
    canonical_as::<AnchoredLog>(bytes, MAX_BYTES);
    canonical_as::<Sequence>(bytes, MAX_BYTES);
    canonical_as::<(ByteVec, ByteVec)>(bytes, MAX_BYTES);
    if let Some(evidence) = canonical_as::<Evidence>(bytes, Evidence::MAX_BYTES) {
        let _ = evidence.replica();
    }
    if let Some(progress) = canonical_as::<FetchProgress>(bytes, MAX_BYTES) {
        let _ = (progress.is_complete(), progress.log.root());
    }
}
