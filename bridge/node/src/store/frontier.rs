//! The edge of a growing log: enough to append to it and to know its root, without its leaves.

use minicbor::{Decode, Encode};
use quorate_protocol::codec::bounded_list;
use quorate_protocol::merkle::{self, MAX_PROOF, MerkleLog};
use quorate_protocol::{Digest, Entry};

/// The roots of the complete subtrees that an RFC 9162 log of some size consists of, the largest first: one
/// for each bit of the size. At most 2 KiB, however long the log is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Frontier {
    #[n(0)]
    size: u64,
    #[cbor(n(1), decode_with = "bounded_list::<Digest, Ctx, MAX_PROOF>")]
    peaks: Vec<Digest>,
}

impl Frontier {
    /// The log without entries.
    pub fn new() -> Self {
        Self::default()
    }

    /// The edge of the first `size` entries of `log`, or nothing if it is shorter.
    pub fn of(log: &MerkleLog, size: u64) -> Option<Self> {
        if size > log.size() {
            return None;
        }
        let mut start = 0;
        let mut peaks = Vec::new();
        for height in (0..64u32).rev().filter(|height| size >> height & 1 == 1) {
            peaks.extend_from_slice(log.hashes(height as usize, start >> height, 1)?);
            start += 1 << height;
        }
        Some(Self { size, peaks })
    }

    /// How many entries the log has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends an entry.
    pub fn append(&mut self, entry: &Entry) {
        let mut hash = entry.leaf_hash();
        let mut rest = self.size;
        while rest & 1 == 1 {
            let left = self.peaks.pop().expect("there is a peak for each bit of the size");
            hash = merkle::node_hash(&left, &hash);
            rest >>= 1;
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// The root over all entries (RFC 9162 section 2.1.1).
    pub fn root(&self) -> Digest {
        let mut peaks = self.peaks.iter().rev();
        let Some(smallest) = peaks.next() else { return merkle::empty_root() };
        peaks.fold(*smallest, |right, left| merkle::node_hash(left, &right))
    }

    /// Whether there is a peak for each bit of the size: what is read back from disk may be damaged.
    pub(super) fn is_sound(&self) -> bool {
        self.peaks.len() == self.size.count_ones() as usize
    }
}

#[cfg(test)]
mod tests {
    use quorate_protocol::{EntryIndex, EntryStatus, Sequence, TimestampMs};

    use super::*;

    #[test]
    fn it_has_the_root_of_the_whole_tree_at_every_size() {
        let (mut log, mut frontier) = (MerkleLog::new(), Frontier::new());
        for index in 0..140 {
            assert_eq!((frontier.size(), frontier.root()), (index, log.root()));
            assert_eq!(Frontier::of(&log, index).as_ref(), Some(&frontier));
            assert!(frontier.is_sound());
            let entry = Entry {
                index: EntryIndex(index),
                sequence: Sequence(index),
                timestamp: TimestampMs(0),
                status: EntryStatus::Recorded,
                subject: Digest::default(),
                outcome: Digest::default(),
            };
            log.append(entry.leaf_hash());
            frontier.append(&entry);
        }
        assert_eq!(Frontier::of(&log, 141), None);
        let earlier = Frontier::of(&log, 77).unwrap();
        assert_eq!((earlier.size(), Some(earlier.root())), (77, log.root_at(77)));
    }
}
