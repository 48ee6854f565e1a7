//! Parts of the state with their paths to the root that a checkpoint names.

use quorate_node::store::StatePair;
use quorate_node::transfer::TransferMessage;
use quorate_node::transfer::message::StateChunk;
use quorate_protocol::Digest;
use quorate_services::{BucketRange, STATE_BUCKETS, verify_range};

use super::Target;
use super::transfers;
use crate::corpus::Seed;
use crate::world::WORLD;

pub(super) const TARGET: Target = Target { name: "state_ranges", seeds, check, ..transfers::TARGET };

/// The bucket of a key: the first 16 bits of its hash.
fn bucket_of(key: &[u8]) -> u32 {
    let hash = Digest::of(&[key]);
    u32::from(u16::from_be_bytes([hash.as_bytes()[0], hash.as_bytes()[1]]))
}

/// All pairs of the state in these buckets.
pub(super) fn within(range: BucketRange) -> Vec<StatePair> {
    let holds = |(key, _): &&StatePair| (range.first()..range.end()).contains(&bucket_of(key));
    WORLD.pairs.iter().filter(holds).cloned().collect()
}

/// The honest chunk of these buckets.
pub(super) fn chunk(range: BucketRange) -> StateChunk {
    StateChunk {
        sequence: WORLD.checkpoint.sequence,
        first: range.first(),
        height: range.height(),
        pairs: within(range),
        siblings: WORLD.state.siblings(range),
    }
}

fn seeds() -> Vec<Seed> {
    let eighths = (0..8).map(|part| BucketRange::new(part << 13, 13).expect("an eighth of the buckets"));
    let bucket = bucket_of(&WORLD.pairs[0].0);
    let one = BucketRange::new(bucket, 0).expect("a bucket is a range");
    eighths
        .chain([BucketRange::ALL, one])
        .map(|range| {
            let name = format!("range-{:05}-{}", range.first(), range.height());
            Seed::new(name, TransferMessage::StateChunk(chunk(range)).encode())
        })
        .collect()
}

fn check(bytes: &[u8]) {
    let Ok(TransferMessage::StateChunk(chunk)) = TransferMessage::decode(bytes) else { return };
    if let Some(largest) = BucketRange::largest(chunk.first, u32::from(chunk.height)) {
        assert!(largest.end() <= STATE_BUCKETS, "a range ends behind the last bucket");
    }
    let Some(range) = BucketRange::new(chunk.first, chunk.height) else { return };
    match verify_range(&WORLD.checkpoint.state_root, range, &chunk.pairs, &chunk.siblings) {
        Ok(()) => assert!(chunk.pairs == within(range), "a range is proved that the state does not have"),
        Err(error) => assert!(!error.to_string().is_empty(), "a refusal without a reason"),
    }
}
