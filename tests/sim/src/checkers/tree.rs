//! RFC 9162 over SHA-256, written again: a checker does not ask the code that it judges.

use sha2::{Digest as _, Sha256};

/// A hash.
pub type Hash = [u8; 32];

/// The hash of a leaf (section 2.1.1).
pub fn leaf(bytes: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(bytes).finalize().into()
}

/// The hash of an inner node (section 2.1.1).
pub fn node(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// The root of a growing list of leaves.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    size: u64,
    /// Complete subtrees, the largest first.
    subtrees: Vec<Hash>,
}

impl Tree {
    /// Adds a leaf's hash.
    pub fn push(&mut self, leaf: Hash) {
        let mut hash = leaf;
        for _ in 0..self.size.trailing_ones() {
            let left = self.subtrees.pop().expect("each one bit of the size is a complete subtree");
            hash = node(&left, &hash);
        }
        self.subtrees.push(hash);
        self.size += 1;
    }

    /// The root over all leaves so far, of which there is at least one.
    pub fn root(&self) -> Hash {
        let mut subtrees = self.subtrees.iter().rev();
        let last = *subtrees.next().expect("the tree has a leaf");
        subtrees.fold(last, |right, left| node(left, &right))
    }
}

/// The root that an inclusion proof leads to (section 2.1.3.2), or nothing if the proof has the wrong length.
pub fn root_of_proof(leaf: Hash, index: u64, size: u64, proof: &[Hash]) -> Option<Hash> {
    if index >= size {
        return None;
    }
    let (mut position, mut last, mut hash) = (index, size - 1, leaf);
    for sibling in proof {
        if last == 0 {
            return None;
        }
        if position % 2 == 1 || position == last {
            hash = node(sibling, &hash);
            while position % 2 == 0 && position != 0 {
                position /= 2;
                last /= 2;
            }
        } else {
            hash = node(&hash, sibling);
        }
        position /= 2;
        last /= 2;
    }
    (last == 0).then_some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition of section 2.1.1, word for word.
    fn defined(leaves: &[Hash]) -> Hash {
        match leaves {
            [one] => *one,
            many => {
                let split = many.len().next_power_of_two() / 2;
                node(&defined(&many[..split]), &defined(&many[split..]))
            }
        }
    }

    #[test]
    fn the_growing_root_is_the_defined_one() {
        let leaves: Vec<Hash> = (0..70u8).map(|byte| leaf(&[byte])).collect();
        let mut tree = Tree::default();
        for (at, hash) in leaves.iter().enumerate() {
            tree.push(*hash);
            assert_eq!(tree.root(), defined(&leaves[..=at]), "{} leaves", at + 1);
        }
    }
}
