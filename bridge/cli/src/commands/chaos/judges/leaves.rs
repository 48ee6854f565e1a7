//! Leaf hashes and roots, hashed anew by the letter of RFC 9162 section 2.1.

use quorate_protocol::Entry;
use sha2::{Digest as _, Sha256};

use crate::commands::chaos::history::Hash;

/// An entry of a node's log, as far as the judges look at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Leaf {
    /// Whether it is of a command; then the subject is the command's digest.
    pub(crate) is_command: bool,
    /// What it is about.
    pub(crate) subject: Hash,
    /// Its leaf hash.
    pub(crate) hash: Hash,
}

/// The fields of an entry in the order of its leaf.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields {
    pub(crate) index: u64,
    pub(crate) sequence: u64,
    pub(crate) timestamp_ms: u64,
    pub(crate) kind: u8,
    pub(crate) status: u8,
    pub(crate) subject: Hash,
    pub(crate) outcome: Hash,
}

/// The number of an entry's kind that says that it is of a command.
const COMMAND: u8 = 1;

impl Fields {
    /// The fields of an entry that came over the wire.
    pub(crate) fn of(entry: &Entry) -> Self {
        Self {
            index: entry.index.0,
            sequence: entry.sequence.0,
            timestamp_ms: entry.timestamp.0,
            kind: entry.status.kind() as u8,
            status: entry.status.code(),
            subject: *entry.subject.as_bytes(),
            outcome: *entry.outcome.as_bytes(),
        }
    }

    /// The leaf: seven words of the Solidity ABI under the leaf prefix.
    pub(crate) fn leaf(&self) -> Leaf {
        let mut hasher = Sha256::new();
        hasher.update([0]);
        for number in
            [self.index, self.sequence, self.timestamp_ms, u64::from(self.kind), u64::from(self.status)]
        {
            let mut word = [0; 32];
            word[24..].copy_from_slice(&number.to_be_bytes());
            hasher.update(word);
        }
        hasher.update(self.subject);
        hasher.update(self.outcome);
        Leaf { is_command: self.kind == COMMAND, subject: self.subject, hash: hasher.finalize().into() }
    }
}

/// A tree that grows leaf by leaf and tells its root at every size.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree {
    /// Roots of complete subtrees, the largest first, each with its height.
    complete: Vec<(u32, Hash)>,
}

impl Tree {
    /// Adds a leaf.
    pub(crate) fn append(&mut self, leaf: Hash) {
        let (mut height, mut hash) = (0, leaf);
        while let Some((left_height, left)) = self.complete.pop() {
            if left_height != height {
                self.complete.push((left_height, left));
                break;
            }
            hash = node(&left, &hash);
            height += 1;
        }
        self.complete.push((height, hash));
    }

    /// The root over all leaves so far.
    pub(crate) fn root(&self) -> Hash {
        let mut subtrees = self.complete.iter().rev().map(|(_, hash)| *hash);
        match subtrees.next() {
            Some(smallest) => subtrees.fold(smallest, |right, left| node(&left, &right)),
            None => Sha256::digest([]).into(),
        }
    }
}

fn node(left: &Hash, right: &Hash) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([1]);
    hasher.update(left);
    hasher.update(right);
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use quorate_protocol::{Digest, EntryIndex, EntryStatus, Sequence, TimestampMs};

    use super::*;

    /// The definition of RFC 9162 section 2.1.1, by recursion.
    fn defined(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => Sha256::digest([]).into(),
            [leaf] => *leaf,
            _ => {
                let split = leaves.len().next_power_of_two() / 2;
                node(&defined(&leaves[..split]), &defined(&leaves[split..]))
            }
        }
    }

    #[test]
    fn a_growing_tree_has_the_root_of_the_definition() {
        let leaves: Vec<Hash> = (0..70u8).map(|number| [number; 32]).collect();
        let mut tree = Tree::default();
        for size in 0..leaves.len() {
            assert_eq!(tree.root(), defined(&leaves[..size]), "at size {size}");
            tree.append(leaves[size]);
        }
    }

    #[test]
    fn a_leaf_is_hashed_as_the_protocol_hashes_it() {
        let entry = Entry {
            index: EntryIndex(7),
            sequence: Sequence(300),
            timestamp: TimestampMs(1_700_000_000_123),
            status: EntryStatus::Refused,
            subject: Digest::from([3; 32]),
            outcome: Digest::from([4; 32]),
        };
        let leaf = Fields::of(&entry).leaf();
        assert_eq!(leaf.hash, *entry.leaf_hash().as_bytes());
        assert!(leaf.is_command && leaf.subject == [3; 32]);
    }
}
