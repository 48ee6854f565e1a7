//! The edge of a growing Merkle tree: enough to append to it and to know its root, in logarithmic space.

use quorate_protocol::Digest;
use quorate_protocol::merkle::{empty_root, node_hash};

/// The roots of the complete subtrees that a tree of `size` leaves decomposes into (RFC 9162 section 2.1),
/// from the largest to the smallest: one for each bit that is set in `size`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Frontier {
    size: u64,
    peaks: Vec<Digest>,
}

impl Frontier {
    /// The frontier of the leaves before leaf `index`, from that leaf's inclusion proof in a tree of `size`
    /// leaves. The proof must have been verified: then the left siblings on its path are these subtrees.
    pub(crate) fn before_proved(index: u64, size: u64, proof: &[Digest]) -> Self {
        let (mut fnode, mut snode) = (index, size - 1);
        let mut peaks = Vec::new();
        for sibling in proof {
            if fnode & 1 == 1 || fnode == snode {
                peaks.push(*sibling);
                while fnode & 1 == 0 && fnode != 0 {
                    fnode >>= 1;
                    snode >>= 1;
                }
            }
            fnode >>= 1;
            snode >>= 1;
        }
        peaks.reverse();
        Self { size: index, peaks }
    }

    /// How many leaves there are.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Appends the hash of a leaf.
    pub(crate) fn append(&mut self, leaf: Digest) {
        let mut hash = leaf;
        for _ in 0..self.size.trailing_ones() {
            let left = self.peaks.pop().expect("there is a peak for each bit of the size");
            hash = node_hash(&left, &hash);
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// The root over all leaves.
    pub(crate) fn root(&self) -> Digest {
        let mut peaks = self.peaks.iter().rev();
        let Some(&smallest) = peaks.next() else { return empty_root() };
        peaks.fold(smallest, |right, left| node_hash(left, &right))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_protocol::merkle::{MerkleLog, leaf_hash};

    #[test]
    fn it_agrees_with_the_whole_tree_and_with_every_proof() {
        let mut log = MerkleLog::new();
        let mut frontier = Frontier::default();
        let mut history = vec![frontier.clone()];
        for index in 0..70u64 {
            assert_eq!(frontier.root(), log.root());
            let leaf = leaf_hash(&index.to_be_bytes());
            log.append(leaf);
            frontier.append(leaf);
            history.push(frontier.clone());
        }
        for size in 1..=70u64 {
            for index in 0..size {
                let proof = log.inclusion_proof(index, size).unwrap();
                let before = Frontier::before_proved(index, size, &proof);
                assert_eq!(before, history[usize::try_from(index).unwrap()], "{index} of {size}");
            }
        }
    }
}
