//! A service's own part of the state, to read.

use minicbor::Decode;

use super::overlay::Overlay;

/// The pairs under one key prefix. Keys are given and returned without it.
#[derive(Clone, Copy)]
pub struct View<'a> {
    overlay: &'a Overlay<'a>,
    prefix: &'static [u8],
}

impl<'a> View<'a> {
    pub(crate) fn new(overlay: &'a Overlay<'a>, prefix: &'static [u8]) -> Self {
        Self { overlay, prefix }
    }

    /// The value at `key`, which was written as a `T`.
    ///
    /// # Panics
    /// When the bytes are not a `T`. Only the owner of the prefix writes under it, and a restored state is
    /// compared with a certified root, so this means a broken service.
    pub fn read<T: Decode<'a, ()>>(self, key: &[u8]) -> Option<T> {
        self.overlay.get(&full_key(self.prefix, key)).map(|bytes| decode(bytes))
    }

    /// Whether there is a value at `key`.
    pub fn contains(self, key: &[u8]) -> bool {
        self.overlay.get(&full_key(self.prefix, key)).is_some()
    }

    /// The keys that start with `start`, in ascending order; with `after`, only those above it.
    pub fn keys(self, start: &[u8], after: Option<&[u8]>) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.pairs(start, after).map(|(key, _)| key)
    }

    /// The values whose keys start with `start`, with their keys, in ascending order of key.
    ///
    /// # Panics
    /// As [`Self::read`].
    pub fn scan<T: Decode<'a, ()>>(self, start: &[u8]) -> impl Iterator<Item = (&'a [u8], T)> + use<'a, T> {
        self.pairs(start, None).map(|(key, bytes)| (key, decode(bytes)))
    }

    fn pairs(
        self,
        start: &[u8],
        after: Option<&[u8]>,
    ) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let stem = full_key(self.prefix, start);
        let from = match after {
            // The least key above `after`.
            Some(after) => [self.prefix, after, &[0]].concat(),
            None => stem.clone(),
        };
        let cut = self.prefix.len();
        self.overlay
            .range_from(&from)
            .take_while(move |(key, _)| key.starts_with(&stem))
            .map(move |(key, bytes)| (&key[cut..], bytes))
    }
}

fn decode<'a, T: Decode<'a, ()>>(bytes: &'a [u8]) -> T {
    minicbor::decode(bytes).expect("a service reads back what it wrote")
}

pub(crate) fn full_key(prefix: &[u8], key: &[u8]) -> Vec<u8> {
    [prefix, key].concat()
}
