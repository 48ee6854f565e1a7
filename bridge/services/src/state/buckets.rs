//! A Merkle tree of hash buckets over the pairs of the map.
//!
//! A pair lives in the bucket that the first 16 bits of its key's hash name; a bucket is hashed over the
//! (key hash, value hash) of its pairs in ascending order, and the buckets are the leaves of a complete
//! binary tree. A changed pair costs the rehash of one bucket and of one path, several times less than a
//! sparse Merkle tree with a node a pair, and a bucket with its path still proves presence and absence.
//! Whoever chooses keys can crowd one bucket at the cost of grinding hashes, which only makes that bucket
//! slower to hash.

use std::collections::BTreeSet;

use quorate_protocol::Digest;

/// log2 of the number of buckets. A million pairs make 15 a bucket; the empty tree takes 6 MiB.
pub(super) const DEPTH: u8 = 16;
pub(super) const BUCKETS: usize = 1 << DEPTH;

/// One pair as the tree sees it.
#[derive(Clone, Copy)]
pub(super) struct Leaf {
    pub(super) key: Digest,
    pub(super) value: Digest,
}

impl Leaf {
    pub(super) fn of(key: &[u8], value: &[u8]) -> Self {
        Self { key: Digest::of(&[key]), value: Digest::of(&[value]) }
    }
}

/// The bucket of the pair whose key has this hash.
pub(super) fn bucket_of(key: &Digest) -> u32 {
    let [high, low, ..] = *key.as_bytes();
    u32::from(u16::from_be_bytes([high, low]))
}

/// The tree, with the buckets that changed since the last [`Self::root`].
pub(super) struct BucketTree {
    /// Each sorted by key hash.
    buckets: Vec<Vec<Leaf>>,
    /// As [`Self::into_nodes`] gives them.
    nodes: Vec<Digest>,
    dirty: BTreeSet<usize>,
}

impl BucketTree {
    /// The tree without pairs.
    pub(super) fn new() -> Self {
        let mut nodes = vec![Digest::default(); 2 * BUCKETS];
        let mut hash = bucket_hash(&[]);
        let mut first = BUCKETS;
        while first > 0 {
            nodes[first..2 * first].fill(hash);
            hash = node_hash(&hash, &hash);
            first /= 2;
        }
        Self { buckets: vec![Vec::new(); BUCKETS], nodes, dirty: BTreeSet::new() }
    }

    /// Sets or removes the pair of `key`.
    pub(super) fn set(&mut self, key: &[u8], value: Option<&[u8]>) {
        let key = Digest::of(&[key]);
        let at = bucket_of(&key) as usize;
        let bucket = &mut self.buckets[at];
        let leaf = value.map(|value| Leaf { key, value: Digest::of(&[value]) });
        match (bucket.binary_search_by_key(&key, |leaf| leaf.key), leaf) {
            (Ok(found), Some(leaf)) => bucket[found] = leaf,
            (Ok(found), None) => drop(bucket.remove(found)),
            (Err(place), Some(leaf)) => bucket.insert(place, leaf),
            (Err(_), None) => return,
        }
        self.dirty.insert(at);
    }

    /// The root over all pairs. Rehashes only what changed.
    pub(super) fn root(&mut self) -> Digest {
        let mut level: Vec<usize> = std::mem::take(&mut self.dirty).into_iter().collect();
        for at in &mut level {
            self.nodes[BUCKETS + *at] = bucket_hash(&self.buckets[*at]);
            *at += BUCKETS;
        }
        while level.first().is_some_and(|node| *node > 1) {
            // Siblings are neighbours in the ascending list, so this visits every parent once.
            for node in &mut level {
                *node /= 2;
            }
            level.dedup();
            for &node in &level {
                self.nodes[node] = node_hash(&self.nodes[2 * node], &self.nodes[2 * node + 1]);
            }
        }
        self.nodes[1]
    }

    /// The nodes as of the last [`Self::root`]. A heap: the root at 1, the children of `i` at `2i` and
    /// `2i + 1`, bucket `b` at `BUCKETS + b`.
    pub(super) fn into_nodes(self) -> Vec<Digest> {
        self.nodes
    }
}

pub(super) fn bucket_hash(leaves: &[Leaf]) -> Digest {
    let mut bytes = Vec::with_capacity(1 + 64 * leaves.len());
    bytes.push(0);
    for leaf in leaves {
        bytes.extend_from_slice(leaf.key.as_bytes());
        bytes.extend_from_slice(leaf.value.as_bytes());
    }
    Digest::of(&[&bytes])
}

/// The prefix keeps a node from being taken for a bucket, as in RFC 9162 section 2.1.
pub(super) fn node_hash(left: &Digest, right: &Digest) -> Digest {
    Digest::of(&[&[1], left.as_bytes(), right.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, computed anew and recursively.
    fn reference_root(pairs: &[(&[u8], &[u8])]) -> Digest {
        fn subtree(leaves: &[Leaf], depth: u8) -> Digest {
            if depth == DEPTH {
                return bucket_hash(leaves);
            }
            let bit = |leaf: &Leaf| {
                let [high, low, ..] = *leaf.key.as_bytes();
                usize::from(u16::from_be_bytes([high, low])) >> (DEPTH - 1 - depth) & 1
            };
            let split = leaves.partition_point(|leaf| bit(leaf) == 0);
            node_hash(&subtree(&leaves[..split], depth + 1), &subtree(&leaves[split..], depth + 1))
        }
        let mut leaves: Vec<Leaf> = pairs.iter().map(|(key, value)| Leaf::of(key, value)).collect();
        leaves.sort_by_key(|leaf| leaf.key);
        subtree(&leaves, 0)
    }

    #[test]
    fn the_root_is_the_one_of_the_definition_whatever_the_path() {
        let mut tree = BucketTree::new();
        assert_eq!(tree.root(), reference_root(&[]));
        tree.set(b"a", Some(b"1"));
        tree.set(b"b", Some(b"2"));
        assert_eq!(tree.root(), reference_root(&[(b"a", b"1"), (b"b", b"2")]));
        tree.set(b"a", Some(b"3"));
        tree.set(b"c", Some(b"4"));
        tree.set(b"b", None);
        tree.set(b"absent", None);
        assert_eq!(tree.root(), reference_root(&[(b"a", b"3"), (b"c", b"4")]));
        tree.set(b"a", None);
        tree.set(b"c", None);
        assert_eq!(tree.root(), BucketTree::new().root());
    }
}
