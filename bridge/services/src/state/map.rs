//! The authenticated map: ordered pairs of bytes, a root over them, and what changed.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use quorate_protocol::Digest;
use quorate_protocol::faults::{self, Fault};

use super::buckets::BucketTree;
use super::proof::state_root;

/// The whole state. The same pairs have the same root, whatever led to them.
pub(crate) struct AuthenticatedMap {
    pairs: BTreeMap<Vec<u8>, Vec<u8>>,
    tree: BucketTree,
    /// Keys that changed since the last root. Hashing waits for it: within one checkpoint interval, many
    /// keys change many times.
    unhashed: BTreeSet<Vec<u8>>,
    /// Keys that changed since the last [`Self::take_changes`].
    unsaved: BTreeSet<Vec<u8>>,
}

impl AuthenticatedMap {
    /// The map without pairs.
    pub(crate) fn new() -> Self {
        Self {
            pairs: BTreeMap::new(),
            tree: BucketTree::new(),
            unhashed: BTreeSet::new(),
            unsaved: BTreeSet::new(),
        }
    }

    /// The map of `pairs`, which are saved already.
    pub(crate) fn from_saved(pairs: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>) -> Self {
        let mut map = Self::new();
        for (key, value) in pairs {
            map.tree.set(&key, Some(&value));
            map.pairs.insert(key, value);
        }
        map
    }

    pub(crate) fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.pairs.get(key).map(Vec::as_slice)
    }

    pub(crate) fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.mark(&key);
        self.pairs.insert(key, value);
    }

    pub(crate) fn remove(&mut self, key: &[u8]) {
        if self.pairs.remove(key).is_some() {
            self.mark(key);
        }
    }

    /// Takes over what a command wrote; nothing in place of a value removes the pair.
    pub(crate) fn apply(&mut self, writes: BTreeMap<Vec<u8>, Option<Vec<u8>>>) {
        for (key, value) in writes {
            match value {
                Some(value) => self.put(key, value),
                None => self.remove(&key),
            }
        }
    }

    /// The pairs in ascending order of key, from `from` on.
    pub(crate) fn range_from<'s>(
        &'s self,
        from: &[u8],
    ) -> impl Iterator<Item = (&'s [u8], &'s [u8])> + use<'s> {
        self.pairs
            .range::<[u8], _>((Bound::Included(from), Bound::Unbounded))
            .map(|(key, value)| (key.as_slice(), value.as_slice()))
    }

    /// SHA-256 over the state's domain string, a zero byte and the root of the bucket tree.
    pub(crate) fn root(&mut self) -> Digest {
        for key in std::mem::take(&mut self.unhashed) {
            self.tree.set(&key, self.pairs.get(&key).map(Vec::as_slice));
        }
        state_root(&self.tree.root())
    }

    /// The pairs that changed since the last call, in ascending order of key; nothing in place of a value
    /// where the pair is gone.
    pub(crate) fn take_changes(&mut self) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
        std::mem::take(&mut self.unsaved)
            .into_iter()
            .map(|key| {
                let value = self.pairs.get(&key).cloned();
                (key, value)
            })
            .collect()
    }

    fn mark(&mut self, key: &[u8]) {
        if faults::is_on(Fault::ReplyTableOutsideState) && key.starts_with(crate::replies::PREFIX) {
            return;
        }
        // A hot key is marked already nearly always; looking first saves the allocation.
        for changed in [&mut self.unhashed, &mut self.unsaved] {
            if !changed.contains(key) {
                changed.insert(key.to_vec());
            }
        }
    }
}
