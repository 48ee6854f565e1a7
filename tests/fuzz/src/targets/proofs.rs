//! Merkle proofs: that an entry is in the log, and that one log begins another.
//!
//! An input is a byte that says which, three numbers of 8 bytes, and the proof, 32 bytes a hash.

use std::sync::LazyLock;

use quorate_protocol::Digest;
use quorate_protocol::merkle::{MerkleLog, leaf_hash, verify_consistency, verify_inclusion};

use super::{Format, PLAIN, QUICK, Target};
use crate::corpus::Seed;

pub(super) const TARGET: Target = Target {
    name: "proofs",
    format: Format::Bytes,
    memory: PLAIN,
    max_len: 4096,
    quick_runs: QUICK,
    seeds,
    check,
};

static LOG: LazyLock<MerkleLog> = LazyLock::new(|| {
    let mut log = MerkleLog::new();
    for index in 0..300u64 {
        log.append(leaf_hash(&index.to_be_bytes()));
    }
    log
});

fn input(kind: u8, numbers: [u64; 3], proof: &[Digest]) -> Vec<u8> {
    let numbers = numbers.iter().flat_map(|number| number.to_be_bytes());
    [kind].into_iter().chain(numbers).chain(proof.iter().flat_map(|hash| *hash.as_bytes())).collect()
}

fn seeds() -> Vec<Seed> {
    let inclusion = [(0, 1), (4, 7), (255, 256), (299, 300), (128, 257)].map(|(index, size)| {
        let proof = LOG.inclusion_proof(index, size).expect("the leaf is in the log");
        Seed::new(format!("inclusion-{index}-{size}"), input(0, [index, size, index], &proof))
    });
    let consistency = [(0, 7), (3, 7), (128, 300), (255, 256), (299, 300), (300, 300)].map(|(old, new)| {
        let proof = LOG.consistency_proof(old, new).expect("the log is as long");
        Seed::new(format!("consistency-{old}-{new}"), input(1, [old, new, 0], &proof))
    });
    inclusion.into_iter().chain(consistency).collect()
}

fn check(bytes: &[u8]) {
    let Some((head, hashes)) = bytes.split_first_chunk::<25>() else { return };
    let number = |at: usize| u64::from_be_bytes(head[at..at + 8].try_into().expect("8 bytes of 25"));
    let (one, two, leaf) = (number(1), number(9), number(17));
    let proof: Vec<Digest> = hashes.as_chunks::<32>().0.iter().map(|hash| Digest::from(*hash)).collect();
    let (root, last) = (LOG.root_at(two), LOG.root());
    if head[0] & 1 == 0 {
        let leaf_hash = LOG.leaf(leaf).unwrap_or_default();
        let verdict = verify_inclusion(&leaf_hash, one, two, &proof, &root.unwrap_or(last));
        if verdict.is_ok() && root.is_some() {
            assert_eq!(one, leaf, "a leaf is proved where it is not");
            assert_eq!(LOG.inclusion_proof(one, two), Ok(proof), "an entry has two proofs");
        }
    } else {
        let old = LOG.root_at(one);
        let verdict = verify_consistency(one, two, &old.unwrap_or(last), &root.unwrap_or(last), &proof);
        if verdict.is_ok() && old.is_some() && root.is_some() {
            assert_eq!(LOG.consistency_proof(one, two), Ok(proof), "a prefix has two proofs");
        }
    }
}
