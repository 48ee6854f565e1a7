//! Whose turn it is. Every replica computes the same order from what the chain says, without talking to anybody.

use quorate_protocol::{Digest, GroupId, ReplicaIndex, Sequence};

/// The domain of the hash that picks the first replica.
const DOMAIN: &[u8] = b"quorate/v1/anchor-turn";

/// How many replicas come before `me` in the turn that follows the anchor of `anchored` (0: none before the first
/// anchor). The order goes round from the first replica; each has the turn until its time is over.
///
/// The first replica is picked by a hash and not by the sequence itself: checkpoints fall on multiples of an
/// interval, so the sequence modulo n would name the same replica again and again.
///
/// # Panics
/// When `replicas` is 0.
pub fn rank(group: GroupId, anchored: Sequence, me: ReplicaIndex, replicas: usize) -> u64 {
    let digest = Digest::of(&[DOMAIN, group.as_bytes(), &anchored.0.to_be_bytes()]);
    let head = digest.as_bytes().first_chunk().expect("a digest has 32 bytes");
    let replicas = replicas as u64;
    let first = u64::from_be_bytes(*head) % replicas;
    (u64::from(me.0) + replicas - first) % replicas
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rank_is_taken_by_exactly_one_replica() {
        for sequence in 0..100 {
            let mut ranks: Vec<_> = (0..7)
                .map(|me| rank(GroupId::from([3; 32]), Sequence(sequence), ReplicaIndex(me), 7))
                .collect();
            ranks.sort_unstable();
            assert_eq!(ranks, [0, 1, 2, 3, 4, 5, 6]);
        }
    }

    #[test]
    fn regular_checkpoints_do_not_burden_one_replica() {
        let mut first = [0; 4];
        for checkpoint in 0..4000 {
            for me in 0..4u16 {
                let turn = rank(GroupId::from([9; 32]), Sequence(checkpoint * 128), ReplicaIndex(me), 4);
                first[usize::from(me)] += u32::from(turn == 0);
            }
        }
        assert!(first.iter().all(|count| (800..1200).contains(count)), "{first:?}");
    }
}
