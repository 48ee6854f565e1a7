//! The Merkle tree of RFC 9162 section 2.1 over SHA-256: appending, proving and verifying.
//!
//! The libraries that were looked at keep another shape of state than a node needs (all hashes of complete
//! subtrees, so that any old size can be proved) or bring a second ed25519; the tree itself is small. Tests
//! compare it with an independent implementation.

use serde::Serialize;

use crate::ids::Digest;

/// The most hashes of a proof: the height of a tree of 2^64 leaves.
pub const MAX_PROOF: usize = 64;

/// Hash of a leaf: SHA-256 of `0x00 || leaf`.
pub fn leaf_hash(leaf: &[u8]) -> Digest {
    Digest::of(&[&[0], leaf])
}

/// Hash of an inner node: SHA-256 of `0x01 || left || right`.
pub fn node_hash(left: &Digest, right: &Digest) -> Digest {
    Digest::of(&[&[1], left.as_bytes(), right.as_bytes()])
}

/// The root of the tree without leaves: SHA-256 of nothing.
pub fn empty_root() -> Digest {
    Digest::of(&[])
}

/// A proof that does not hold.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ProofError {
    /// The index or the smaller size lies outside the tree.
    #[error("the index or size lies outside the tree")]
    OutOfRange,
    /// More or fewer hashes than the sizes call for.
    #[error("the proof has the wrong length")]
    Length,
    /// The proof leads to another root.
    #[error("the proof leads to another root")]
    Root,
}

/// A log's tree: the hashes of all complete subtrees, 64 bytes a leaf in memory.
#[derive(Clone, Debug, Default)]
pub struct MerkleLog {
    /// `levels[h][i]` is the hash of leaves `i << h .. (i + 1) << h`.
    levels: Vec<Vec<Digest>>,
}

impl MerkleLog {
    /// The tree without leaves.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many leaves the tree has.
    pub fn size(&self) -> u64 {
        self.levels.first().map_or(0, |leaves| leaves.len() as u64)
    }

    /// Appends the hash of a leaf and returns its index.
    pub fn append(&mut self, leaf: Digest) -> u64 {
        let index = self.size();
        let mut hash = leaf;
        let mut height = 0;
        loop {
            if self.levels.len() == height {
                self.levels.push(Vec::new());
            }
            let level = &mut self.levels[height];
            level.push(hash);
            if level.len() % 2 == 1 {
                return index;
            }
            hash = node_hash(&level[level.len() - 2], &hash);
            height += 1;
        }
    }

    /// The hash of the leaf at `index`.
    pub fn leaf(&self, index: u64) -> Option<Digest> {
        self.levels.first()?.get(usize::try_from(index).ok()?).copied()
    }

    /// The root over all leaves.
    pub fn root(&self) -> Digest {
        self.root_at(self.size()).expect("the whole tree is within itself")
    }

    /// The root over the first `size` leaves, or nothing if the tree is smaller.
    pub fn root_at(&self, size: u64) -> Option<Digest> {
        match size {
            0 => Some(empty_root()),
            _ if size > self.size() => None,
            _ => Some(self.subtree(0, size)),
        }
    }

    /// The proof that leaf `index` is in the tree of the first `size` leaves (section 2.1.3.1).
    pub fn inclusion_proof(&self, index: u64, size: u64) -> Result<Vec<Digest>, ProofError> {
        if index >= size || size > self.size() {
            return Err(ProofError::OutOfRange);
        }
        let (mut start, mut end) = (0, size);
        let mut proof = Vec::new();
        while end - start > 1 {
            let split = start + split_point(end - start);
            if index < split {
                proof.push(self.subtree(split, end));
                end = split;
            } else {
                proof.push(self.subtree(start, split));
                start = split;
            }
        }
        proof.reverse();
        Ok(proof)
    }

    /// The proof that the tree of `old` leaves is a prefix of the tree of `new` leaves (section 2.1.4.1).
    pub fn consistency_proof(&self, old: u64, new: u64) -> Result<Vec<Digest>, ProofError> {
        if old > new || new > self.size() {
            return Err(ProofError::OutOfRange);
        }
        if old == 0 || old == new {
            return Ok(Vec::new());
        }
        let (mut start, mut end) = (0, new);
        let mut complete = true;
        let mut proof = Vec::new();
        while old != end {
            let split = start + split_point(end - start);
            if old <= split {
                proof.push(self.subtree(split, end));
                end = split;
            } else {
                proof.push(self.subtree(start, split));
                start = split;
                complete = false;
            }
        }
        if !complete {
            proof.push(self.subtree(start, end));
        }
        proof.reverse();
        Ok(proof)
    }

    /// Hashes `from .. from + count` at `height`, for C2SP tlog-tiles (tile level l is height 8 l). Nothing
    /// if the tree does not hold them all.
    pub fn hashes(&self, height: usize, from: u64, count: usize) -> Option<&[Digest]> {
        let from = usize::try_from(from).ok()?;
        self.levels.get(height)?.get(from..from.checked_add(count)?)
    }

    /// The hash over leaves `start .. end`, where `start` is a multiple of the smallest power of two that
    /// is not smaller than `end - start`.
    fn subtree(&self, start: u64, end: u64) -> Digest {
        let width = end - start;
        if width.is_power_of_two() {
            let height = width.trailing_zeros();
            return self.levels[height as usize][usize::try_from(start >> height).expect("in memory")];
        }
        let split = start + split_point(width);
        node_hash(&self.subtree(start, split), &self.subtree(split, end))
    }
}

/// The largest power of two smaller than `width`, which is at least 2.
fn split_point(width: u64) -> u64 {
    1 << (63 - (width - 1).leading_zeros())
}

/// One proof for several leaves of the tree of `size` leaves, from the inclusion proof of each: level by level from the
/// leaves up, and from left to right, the nodes that the leaves do not give. `AgentCoordinator.executeAnchoredBatch`
/// takes it. Nothing is hashed, so proofs that do not hold make one that does not hold.
///
/// # Errors
/// [`ProofError::OutOfRange`] when there are no leaves, their indices do not strictly ascend, or one is not below
/// `size`; [`ProofError::Length`] when a proof is shorter or longer than its leaf's path.
pub fn join_proofs(size: u64, leaves: &[(u64, &[Digest])]) -> Result<Vec<Digest>, ProofError> {
    let ascend = leaves.windows(2).all(|pair| pair[0].0 < pair[1].0);
    if !ascend || leaves.last().is_none_or(|(last, _)| *last >= size) {
        return Err(ProofError::OutOfRange);
    }
    let mut joined = Vec::new();
    let mut known = leaves.to_vec();
    let mut width = size;
    while width > 1 {
        let mut above: Vec<(u64, &[Digest])> = Vec::with_capacity(known.len());
        let mut nodes = known.into_iter().peekable();
        while let Some((index, path)) = nodes.next() {
            let sibling = index ^ 1;
            let mut rest = path;
            if sibling < width {
                let (node, others) = path.split_first().ok_or(ProofError::Length)?;
                rest = others;
                // The right sibling is known too: what its own proof says of the levels above is the same.
                if nodes.next_if(|(next, _)| *next == sibling).is_none() {
                    joined.push(*node);
                }
            }
            above.push((index >> 1, rest));
        }
        known = above;
        width = width.div_ceil(2);
    }
    if known.iter().all(|(_, rest)| rest.is_empty()) { Ok(joined) } else { Err(ProofError::Length) }
}

/// Checks that the leaf with hash `leaf` is at `index` in the tree of `size` leaves with root `root`
/// (section 2.1.3.2).
///
/// # Errors
/// When it is not, or when the proof has a hash too many or too few.
pub fn verify_inclusion(
    leaf: &Digest,
    index: u64,
    size: u64,
    proof: &[Digest],
    root: &Digest,
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::OutOfRange);
    }
    let (mut fnode, mut snode) = (index, size - 1);
    let mut hash = *leaf;
    for sibling in proof {
        if snode == 0 {
            return Err(ProofError::Length);
        }
        if fnode & 1 == 1 || fnode == snode {
            hash = node_hash(sibling, &hash);
            while fnode & 1 == 0 && fnode != 0 {
                fnode >>= 1;
                snode >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        fnode >>= 1;
        snode >>= 1;
    }
    if snode != 0 {
        return Err(ProofError::Length);
    }
    if hash == *root { Ok(()) } else { Err(ProofError::Root) }
}

/// Checks that the tree of `old` leaves with `old_root` is a prefix of the tree of `new` leaves with
/// `new_root` (section 2.1.4.2).
///
/// # Errors
/// When it is not, or when the proof has a hash too many or too few.
pub fn verify_consistency(
    old: u64,
    new: u64,
    old_root: &Digest,
    new_root: &Digest,
    proof: &[Digest],
) -> Result<(), ProofError> {
    if old > new {
        return Err(ProofError::OutOfRange);
    }
    if old == 0 || old == new {
        let roots_fit = if old == 0 { *old_root == empty_root() } else { old_root == new_root };
        return match (proof.is_empty(), roots_fit) {
            (true, true) => Ok(()),
            (true, false) => Err(ProofError::Root),
            (false, _) => Err(ProofError::Length),
        };
    }
    let mut hashes = proof.iter();
    let first = if old.is_power_of_two() { old_root } else { hashes.next().ok_or(ProofError::Length)? };
    let (mut fnode, mut snode) = (old - 1, new - 1);
    while fnode & 1 == 1 {
        fnode >>= 1;
        snode >>= 1;
    }
    let (mut old_hash, mut new_hash) = (*first, *first);
    for sibling in hashes {
        if snode == 0 {
            return Err(ProofError::Length);
        }
        if fnode & 1 == 1 || fnode == snode {
            old_hash = node_hash(sibling, &old_hash);
            new_hash = node_hash(sibling, &new_hash);
            while fnode & 1 == 0 && fnode != 0 {
                fnode >>= 1;
                snode >>= 1;
            }
        } else {
            new_hash = node_hash(&new_hash, sibling);
        }
        fnode >>= 1;
        snode >>= 1;
    }
    if snode != 0 {
        return Err(ProofError::Length);
    }
    if old_hash == *old_root && new_hash == *new_root { Ok(()) } else { Err(ProofError::Root) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn tree(size: u64) -> MerkleLog {
        let mut log = MerkleLog::new();
        for index in 0..size {
            assert_eq!(log.append(leaf_hash(&index.to_be_bytes())), index);
        }
        log
    }

    /// The root that `leaves` and a proof for all of them lead to, worked out from the top down.
    fn joint_root(
        start: u64,
        end: u64,
        leaves: &[(u64, Digest)],
        nodes: &BTreeMap<(u64, u64), Digest>,
    ) -> Digest {
        let within: Vec<_> = leaves.iter().filter(|(index, _)| (start..end).contains(index)).collect();
        match within.first() {
            None => nodes[&(start, end)],
            Some((_, hash)) if end - start == 1 => *hash,
            Some(_) => {
                let split = start + split_point(end - start);
                node_hash(&joint_root(start, split, leaves, nodes), &joint_root(split, end, leaves, nodes))
            }
        }
    }

    /// Which subtrees a proof for `leaves` is made of: by level, and from left to right.
    fn joint_nodes(start: u64, end: u64, leaves: &[(u64, Digest)], found: &mut Vec<(u64, u64, u64)>) {
        if end - start == 1 {
            return;
        }
        let half = split_point(end - start);
        let split = start + half;
        for (from, to) in [(start, split), (split, end)] {
            match leaves.iter().any(|(index, _)| (from..to).contains(index)) {
                true => joint_nodes(from, to, leaves, found),
                false => found.push((half, from, to)),
            }
        }
    }

    #[test]
    fn a_joined_proof_of_any_leaves_leads_to_the_root() {
        let log = tree(9);
        for size in 1..=9 {
            for picked in 1u64..1 << size {
                let indices = (0..size).filter(|index| picked >> index & 1 == 1);
                let leaves: Vec<_> = indices.map(|index| (index, log.leaf(index).unwrap())).collect();
                let proofs: Vec<_> =
                    leaves.iter().map(|(index, _)| log.inclusion_proof(*index, size).unwrap()).collect();
                let paths: Vec<_> = leaves
                    .iter()
                    .zip(&proofs)
                    .map(|((index, _), proof)| (*index, proof.as_slice()))
                    .collect();
                let joined = join_proofs(size, &paths).unwrap();
                let mut nodes = Vec::new();
                joint_nodes(0, size, &leaves, &mut nodes);
                nodes.sort_unstable();
                assert_eq!(joined.len(), nodes.len());
                let nodes = nodes.into_iter().map(|(_, from, to)| (from, to)).zip(joined).collect();
                assert_eq!(joint_root(0, size, &leaves, &nodes), log.root_at(size).unwrap());
            }
        }
    }

    #[test]
    fn proofs_that_do_not_fit_their_leaves_are_not_joined() {
        let log = tree(6);
        let proofs: Vec<_> = (0..6).map(|index| log.inclusion_proof(index, 6).unwrap()).collect();
        let path = |index: u64| (index, proofs[index as usize].as_slice());
        assert_eq!(join_proofs(6, &[]), Err(ProofError::OutOfRange));
        assert_eq!(join_proofs(6, &[path(2), path(1)]), Err(ProofError::OutOfRange));
        assert_eq!(join_proofs(6, &[path(1), path(1)]), Err(ProofError::OutOfRange));
        assert_eq!(join_proofs(5, &[path(5)]), Err(ProofError::OutOfRange));
        assert_eq!(join_proofs(6, &[(1, &proofs[1][1..])]), Err(ProofError::Length));
        assert_eq!(join_proofs(6, &[(4, &proofs[1])]), Err(ProofError::Length), "a shorter path");
    }

    #[test]
    fn every_inclusion_proof_holds_and_no_other_leaf_fits() {
        let log = tree(70);
        for size in 1..=70 {
            let root = log.root_at(size).unwrap();
            for index in 0..size {
                let leaf = log.leaf(index).unwrap();
                let proof = log.inclusion_proof(index, size).unwrap();
                assert_eq!(verify_inclusion(&leaf, index, size, &proof, &root), Ok(()));
                let other = leaf_hash(b"other");
                assert_eq!(verify_inclusion(&other, index, size, &proof, &root), Err(ProofError::Root));
                let mut long = proof.clone();
                long.push(root);
                assert!(verify_inclusion(&leaf, index, size, &long, &root).is_err());
                if let Some((_, short)) = proof.split_last() {
                    assert!(verify_inclusion(&leaf, index, size, short, &root).is_err());
                }
            }
        }
        assert_eq!(log.inclusion_proof(70, 70), Err(ProofError::OutOfRange));
    }

    #[test]
    fn every_consistency_proof_holds_and_no_other_root_fits() {
        let log = tree(40);
        for new in 1..=40 {
            for old in 0..=new {
                let proof = log.consistency_proof(old, new).unwrap();
                let (old_root, new_root) = (log.root_at(old).unwrap(), log.root_at(new).unwrap());
                assert_eq!(verify_consistency(old, new, &old_root, &new_root, &proof), Ok(()));
                let other = leaf_hash(b"other");
                assert!(verify_consistency(old, new, &other, &new_root, &proof).is_err());
                if old > 0 {
                    assert!(verify_consistency(old, new, &old_root, &other, &proof).is_err());
                }
            }
        }
    }

    #[test]
    fn an_independent_implementation_agrees() {
        use ct_merkle::mem_backed_tree::MemoryBackedTree;
        use sha2::Sha256;

        let mut theirs = MemoryBackedTree::<Sha256, Vec<u8>>::new();
        let mut ours = MerkleLog::new();
        for index in 0..130u64 {
            theirs.push(index.to_be_bytes().to_vec());
            ours.append(leaf_hash(&index.to_be_bytes()));
            assert_eq!(theirs.root().as_bytes().as_slice(), ours.root().as_bytes().as_slice());
            let middle = index / 2;
            let proof = theirs.prove_inclusion(usize::try_from(middle).unwrap());
            let our_proof: Vec<u8> = ours
                .inclusion_proof(middle, index + 1)
                .unwrap()
                .iter()
                .flat_map(|hash| hash.as_bytes().to_vec())
                .collect();
            assert_eq!(proof.as_bytes(), our_proof);
        }
    }
}
