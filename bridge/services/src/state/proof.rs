//! Proving a part of the state: the pairs of neighbouring buckets with the path from them to the root.
//!
//! A replica that fetches the state gets it in such parts from peers that it does not trust. Each part is
//! checked on its own against the root that a stable checkpoint names, so a lie is found in the part that
//! holds it and charged to whoever sent it, before anything is kept.

use std::convert::Infallible;

use quorate_protocol::{Digest, domain};

use super::buckets::{BUCKETS, BucketTree, DEPTH, Leaf, bucket_hash, bucket_of, node_hash};

/// How many buckets the state has; they are numbered from 0.
pub const STATE_BUCKETS: u32 = 1 << DEPTH;

/// The `2^height` neighbouring buckets under one node of the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BucketRange {
    first: u32,
    height: u8,
}

impl BucketRange {
    /// All buckets.
    pub const ALL: Self = Self { first: 0, height: DEPTH };

    /// The range of `2^height` buckets from `first` on; nothing if no node stands over exactly these.
    pub fn new(first: u32, height: u8) -> Option<Self> {
        let aligned = height <= DEPTH && first < STATE_BUCKETS && first.is_multiple_of(1 << height);
        aligned.then_some(Self { first, height })
    }

    /// The largest range that starts at `first` and holds at most `count` buckets; nothing if `first` is no
    /// bucket or `count` is 0.
    pub fn largest(first: u32, count: u32) -> Option<Self> {
        let fits = count.checked_ilog2()?;
        let height = if first == 0 { fits.min(u32::from(DEPTH)) } else { fits.min(first.trailing_zeros()) };
        Self::new(first, u8::try_from(height).ok()?)
    }

    /// The first bucket.
    pub fn first(self) -> u32 {
        self.first
    }

    /// log2 of how many buckets there are.
    pub fn height(self) -> u8 {
        self.height
    }

    /// The bucket after the last.
    pub fn end(self) -> u32 {
        self.first + (1 << self.height)
    }

    /// How many siblings prove the range: one for each level above its node.
    pub fn proof_len(self) -> usize {
        usize::from(DEPTH - self.height)
    }
}

/// A part of the state that is not what the root stands for.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum RangeError {
    /// More or fewer siblings than there are levels above the range.
    #[error("{found} siblings, the range has {expected}")]
    ProofLength {
        /// One a level.
        expected: usize,
        /// What was given.
        found: usize,
    },
    /// A pair that belongs to a bucket outside the range.
    #[error("pair {at} belongs to bucket {bucket}, which is not in the range")]
    Outside {
        /// Its position among the pairs.
        at: usize,
        /// Its bucket.
        bucket: u32,
    },
    /// A pair whose key hash is not above that of the pair before it.
    #[error("pair {at} is out of order, or there twice")]
    Order {
        /// Its position among the pairs.
        at: usize,
    },
    /// The pairs and the siblings lead to another root: a pair is missing, added or changed, or a sibling is.
    #[error("the pairs lead to root {found}, the state has {expected}")]
    Root {
        /// The root of the state.
        expected: Digest,
        /// The root that the pairs lead to.
        found: Digest,
    },
}

/// Checks that `pairs` are all the pairs that the state with root `root` has in the buckets of `range`, and
/// that `siblings` lead from there to the root, the lowest first.
///
/// The pairs must come in ascending order of the SHA-256 of their keys. No pair can be left out, added,
/// changed or moved without another root.
///
/// # Errors
/// The first rule that does not hold.
pub fn verify_range<K, V>(
    root: &Digest,
    range: BucketRange,
    pairs: &[(K, V)],
    siblings: &[Digest],
) -> Result<(), RangeError>
where
    K: AsRef<[u8]>,
    V: AsRef<[u8]>,
{
    if siblings.len() != range.proof_len() {
        return Err(RangeError::ProofLength { expected: range.proof_len(), found: siblings.len() });
    }
    let mut leaves: Vec<Leaf> = Vec::with_capacity(pairs.len());
    for (at, (key, value)) in pairs.iter().enumerate() {
        let leaf = Leaf::of(key.as_ref(), value.as_ref());
        let bucket = bucket_of(&leaf.key);
        if !(range.first()..range.end()).contains(&bucket) {
            return Err(RangeError::Outside { at, bucket });
        }
        if leaves.last().is_some_and(|before| before.key >= leaf.key) {
            return Err(RangeError::Order { at });
        }
        leaves.push(leaf);
    }
    let mut hash = range_hash(range, &leaves);
    let mut node = range.first() >> range.height();
    for sibling in siblings {
        hash = if node & 1 == 0 { node_hash(&hash, sibling) } else { node_hash(sibling, &hash) };
        node >>= 1;
    }
    let found = state_root(&hash);
    if found == *root { Ok(()) } else { Err(RangeError::Root { expected: *root, found }) }
}

/// The hash of the node over `range`, whose leaves are all there and in order. Costs no more for empty
/// buckets than for full ones: a state of few pairs is checked in little time.
fn range_hash(range: BucketRange, leaves: &[Leaf]) -> Digest {
    fn subtree(range: BucketRange, leaves: &[Leaf], empty: &[Digest]) -> Digest {
        if leaves.is_empty() {
            return empty[usize::from(range.height)];
        }
        let Some(height) = range.height.checked_sub(1) else { return bucket_hash(leaves) };
        let left = BucketRange { height, ..range };
        let right = BucketRange { first: left.end(), height };
        let (before, after) =
            leaves.split_at(leaves.partition_point(|leaf| bucket_of(&leaf.key) < right.first));
        node_hash(&subtree(left, before, empty), &subtree(right, after, empty))
    }
    let empty: Vec<Digest> =
        std::iter::successors(Some(bucket_hash(&[])), |below| Some(node_hash(below, below)))
            .take(usize::from(range.height) + 1)
            .collect();
    subtree(range, leaves, &empty)
}

/// The root of the state whose buckets have the root `buckets`: SHA-256 over the state's domain string, a
/// zero byte and `buckets`.
pub(super) fn state_root(buckets: &Digest) -> Digest {
    Digest::of(&[domain::STATE.as_bytes(), &[0], buckets.as_bytes()])
}

/// The tree over a state that does not change any more, for proving its parts. It keeps no pair: 4 MiB.
#[derive(Clone, Debug)]
pub struct StateTree {
    /// As [`BucketTree`] has them.
    nodes: Vec<Digest>,
}

impl StateTree {
    /// The tree over `pairs`, in any order; of two with the same key the later holds. Takes 64 bytes a pair
    /// while it is made.
    pub fn of<K, V>(pairs: impl IntoIterator<Item = (K, V)>) -> Self
    where
        K: AsRef<[u8]>,
        V: AsRef<[u8]>,
    {
        let pairs = pairs.into_iter().map(Ok::<_, Infallible>);
        match Self::try_of(pairs) {
            Ok(tree) => tree,
            Err(never) => match never {},
        }
    }

    /// As [`Self::of`], from pairs that may fail to be read.
    ///
    /// # Errors
    /// The first failure.
    pub fn try_of<K, V, E>(pairs: impl IntoIterator<Item = Result<(K, V), E>>) -> Result<Self, E>
    where
        K: AsRef<[u8]>,
        V: AsRef<[u8]>,
    {
        let mut tree = BucketTree::new();
        for pair in pairs {
            let (key, value) = pair?;
            tree.set(key.as_ref(), Some(value.as_ref()));
        }
        tree.root();
        Ok(Self { nodes: tree.into_nodes() })
    }

    /// The root of the state, as checkpoints name it.
    pub fn root(&self) -> Digest {
        state_root(&self.nodes[1])
    }

    /// The siblings that lead from `range` to the root, the lowest first, for [`verify_range`].
    pub fn siblings(&self, range: BucketRange) -> Vec<Digest> {
        let mut node = (BUCKETS + range.first() as usize) >> range.height();
        let mut siblings = Vec::with_capacity(range.proof_len());
        while node > 1 {
            siblings.push(self.nodes[node ^ 1]);
            node >>= 1;
        }
        siblings
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;

    type Pair = (Vec<u8>, Vec<u8>);

    fn sorted(mut pairs: Vec<Pair>) -> Vec<Pair> {
        pairs.sort_by_key(|(key, _)| Digest::of(&[key]));
        pairs
    }

    fn state(count: u32) -> Vec<Pair> {
        sorted(
            (0..count).map(|i| (i.to_be_bytes().to_vec(), vec![u8::try_from(i % 251).unwrap(); 3])).collect(),
        )
    }

    fn within(pairs: &[Pair], range: BucketRange) -> Vec<Pair> {
        let holds = |(key, _): &&Pair| (range.first()..range.end()).contains(&bucket_of(&Digest::of(&[key])));
        pairs.iter().filter(holds).cloned().collect()
    }

    #[test]
    fn only_nodes_of_the_tree_are_ranges() {
        assert_eq!(BucketRange::new(0, 16), Some(BucketRange::ALL));
        assert_eq!(BucketRange::ALL.end(), STATE_BUCKETS);
        for (first, height) in [(0, 17), (1, 1), (2, 2), (65_536, 0), (32_768, 16), (0, 255)] {
            assert_eq!(BucketRange::new(first, height), None, "{first} {height}");
        }
        let largest = |first, count| BucketRange::largest(first, count).map(BucketRange::height);
        assert_eq!(largest(0, u32::MAX), Some(16));
        assert_eq!(largest(0, 700), Some(9));
        assert_eq!(largest(512, 65_024), Some(9));
        assert_eq!(largest(65_535, 1), Some(0));
        assert_eq!(largest(0, 0), None);
        assert_eq!(largest(65_536, 1), None);
    }

    #[test]
    fn the_root_is_the_one_of_the_live_state() {
        let pairs = state(500);
        let mut live = crate::state::AuthenticatedMap::from_saved(pairs.clone());
        assert_eq!(StateTree::of(pairs.iter().map(|(key, value)| (key, value))).root(), live.root());
        let mut empty = crate::state::AuthenticatedMap::new();
        assert_eq!(StateTree::of(Vec::<Pair>::new()).root(), empty.root());
        assert_eq!(StateTree::try_of([Ok((b"k", b"v")), Err("broken")]).err(), Some("broken"));
    }

    #[test]
    fn the_ranges_make_up_the_state_whatever_their_heights() {
        let pairs = state(2_000);
        let tree = StateTree::of(pairs.iter().map(|(key, value)| (key, value)));
        for step in [3_000, 9_000, u32::MAX] {
            let (mut next, mut found) = (0, Vec::new());
            while let Some(range) = BucketRange::largest(next, step) {
                let part = within(&pairs, range);
                assert_eq!(verify_range(&tree.root(), range, &part, &tree.siblings(range)), Ok(()));
                found.extend(part);
                next = range.end();
            }
            assert_eq!((next, &found), (STATE_BUCKETS, &pairs));
        }
    }

    /// One way to lie about a range.
    #[derive(Clone, Copy, Debug)]
    enum Lie {
        Omit,
        Add,
        Repeat,
        ChangeValue,
        ChangeKey,
        MoveOut,
        Swap,
        ChangeSibling,
        DropSibling,
        AddSibling,
        OtherRange,
        OtherHeight,
        OtherRoot,
    }

    const LIES: [Lie; 13] = [
        Lie::Omit,
        Lie::Add,
        Lie::Repeat,
        Lie::ChangeValue,
        Lie::ChangeKey,
        Lie::MoveOut,
        Lie::Swap,
        Lie::ChangeSibling,
        Lie::DropSibling,
        Lie::AddSibling,
        Lie::OtherRange,
        Lie::OtherHeight,
        Lie::OtherRoot,
    ];

    struct Part {
        root: Digest,
        range: BucketRange,
        pairs: Vec<Pair>,
        siblings: Vec<Digest>,
    }

    /// Whether there was something to lie about.
    fn tell(lie: Lie, part: &mut Part, all: &[Pair], at: usize) -> bool {
        let count = part.pairs.len();
        let other = |first, height| BucketRange::new(first, height);
        match lie {
            Lie::Omit if count > 0 => drop(part.pairs.remove(at % count)),
            Lie::Add => {
                part.pairs.push((vec![9; 9], vec![1]));
                part.pairs = sorted(std::mem::take(&mut part.pairs));
            }
            Lie::Repeat if count > 0 => part.pairs.insert(at % count, part.pairs[at % count].clone()),
            Lie::ChangeValue if count > 0 => part.pairs[at % count].1.push(0),
            Lie::ChangeKey if count > 0 => part.pairs[at % count].0.push(0),
            Lie::MoveOut => match all.iter().find(|pair| !part.pairs.contains(pair)) {
                Some(elsewhere) => {
                    part.pairs = sorted([&part.pairs[..], std::slice::from_ref(elsewhere)].concat())
                }
                None => return false,
            },
            Lie::Swap if count > 1 => part.pairs.swap(at % (count - 1), at % (count - 1) + 1),
            Lie::ChangeSibling if !part.siblings.is_empty() => {
                let at = at % part.siblings.len();
                part.siblings[at] = Digest::of(&[part.siblings[at].as_bytes()]);
            }
            Lie::DropSibling => return part.siblings.pop().is_some(),
            Lie::AddSibling => part.siblings.push(Digest::default()),
            Lie::OtherRange => {
                match other(part.range.first() ^ (1 << part.range.height()), part.range.height()) {
                    // Two empty halves prove one another: nothing is said of either that is false.
                    Some(range) if count > 0 => part.range = range,
                    _ => return false,
                }
            }
            Lie::OtherHeight => match other(part.range.first(), part.range.height() + 1) {
                Some(range) => part.range = range,
                None => return false,
            },
            Lie::OtherRoot => part.root = Digest::of(&[part.root.as_bytes()]),
            _ => return false,
        }
        true
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 24, rng_seed: RngSeed::Fixed(5), failure_persistence: None, ..ProptestConfig::default()
        })]

        #[test]
        fn no_lie_about_a_range_passes(
            count in 0u32..400, first in any::<u32>(), height in 8u8..=16, at in any::<usize>(),
        ) {
            let all = state(count);
            let tree = StateTree::of(all.iter().map(|(key, value)| (key, value)));
            let range = BucketRange::new(((first % STATE_BUCKETS) >> height) << height, height).unwrap();
            let honest = || Part {
                root: tree.root(),
                range,
                pairs: within(&all, range),
                siblings: tree.siblings(range),
            };
            let verdict = |part: &Part| verify_range(&part.root, part.range, &part.pairs, &part.siblings);
            prop_assert_eq!(verdict(&honest()), Ok(()));
            for lie in LIES {
                let mut part = honest();
                if tell(lie, &mut part, &all, at) {
                    prop_assert!(verdict(&part).is_err(), "{:?}", lie);
                }
            }
        }
    }

    #[test]
    fn each_kind_of_lie_is_named() {
        let all = state(300);
        let tree = StateTree::of(all.iter().map(|(key, value)| (key, value)));
        let range = BucketRange::new(0, 15).unwrap();
        let told = |lie, at| {
            let mut part =
                Part { root: tree.root(), range, pairs: within(&all, range), siblings: tree.siblings(range) };
            assert!(tell(lie, &mut part, &all, at));
            verify_range(&part.root, part.range, &part.pairs, &part.siblings).unwrap_err()
        };
        assert!(matches!(told(Lie::Omit, 7), RangeError::Root { .. }));
        assert!(matches!(told(Lie::ChangeValue, 0), RangeError::Root { .. }));
        assert!(matches!(told(Lie::ChangeSibling, 0), RangeError::Root { .. }));
        assert!(matches!(told(Lie::MoveOut, 0), RangeError::Outside { .. }));
        assert_eq!(told(Lie::Repeat, 4), RangeError::Order { at: 5 });
        assert_eq!(told(Lie::Swap, 4), RangeError::Order { at: 5 });
        assert_eq!(told(Lie::AddSibling, 0), RangeError::ProofLength { expected: 1, found: 2 });
        assert_eq!(told(Lie::DropSibling, 0), RangeError::ProofLength { expected: 1, found: 0 });
    }
}
