//! The writes of one command over the state, to be taken over or dropped as a whole.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::map::AuthenticatedMap;

/// The state as a command sees it: its own writes first, the map beneath.
pub(crate) struct Overlay<'m> {
    base: &'m AuthenticatedMap,
    /// Nothing in place of a value: the pair is removed.
    writes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

impl<'m> Overlay<'m> {
    /// The map without any write.
    pub(crate) fn new(base: &'m AuthenticatedMap) -> Self {
        Self { base, writes: BTreeMap::new() }
    }

    pub(crate) fn get(&self, key: &[u8]) -> Option<&[u8]> {
        match self.writes.get(key) {
            Some(written) => written.as_deref(),
            None => self.base.get(key),
        }
    }

    pub(crate) fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.writes.insert(key, Some(value));
    }

    pub(crate) fn remove(&mut self, key: Vec<u8>) {
        self.writes.insert(key, None);
    }

    /// The pairs in ascending order of key, from `from` on.
    pub(crate) fn range_from<'s>(
        &'s self,
        from: &[u8],
    ) -> impl Iterator<Item = (&'s [u8], &'s [u8])> + use<'s, 'm> {
        let mut base = self.base.range_from(from).peekable();
        let mut writes = self.writes.range::<[u8], _>((Bound::Included(from), Bound::Unbounded)).peekable();
        std::iter::from_fn(move || {
            loop {
                let beneath = base.peek().map(|(key, _)| *key);
                match (beneath, writes.peek()) {
                    (Some(beneath), Some((written, _))) if beneath < written.as_slice() => {
                        return base.next();
                    }
                    (_, None) => return base.next(),
                    (beneath, Some((written, _))) => {
                        if beneath == Some(written.as_slice()) {
                            base.next();
                        }
                    }
                }
                if let Some((key, Some(value))) = writes.next() {
                    return Some((key.as_slice(), value.as_slice()));
                }
            }
        })
    }

    /// What was written, for [`AuthenticatedMap::apply`].
    pub(crate) fn into_writes(self) -> BTreeMap<Vec<u8>, Option<Vec<u8>>> {
        self.writes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys<'a>(pairs: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Vec<&'a str> {
        pairs.map(|(key, _)| std::str::from_utf8(key).unwrap()).collect()
    }

    #[test]
    fn a_range_shows_the_writes_over_the_map() {
        let mut map = AuthenticatedMap::new();
        for key in ["a", "c", "e", "g"] {
            map.put(key.into(), b"old".to_vec());
        }
        let mut overlay = Overlay::new(&map);
        overlay.put(b"b".to_vec(), b"new".to_vec());
        overlay.remove(b"c".to_vec());
        overlay.put(b"e".to_vec(), b"new".to_vec());
        overlay.remove(b"g".to_vec());
        overlay.remove(b"h".to_vec());
        assert_eq!(keys(overlay.range_from(b"")), ["a", "b", "e"]);
        assert_eq!(keys(overlay.range_from(b"b")), ["b", "e"]);
        assert_eq!(overlay.range_from(b"c").next(), Some((&b"e"[..], &b"new"[..])));
        assert_eq!(overlay.get(b"c"), None);
        assert_eq!(overlay.get(b"a"), Some(&b"old"[..]));

        let writes = overlay.into_writes();
        map.apply(writes);
        assert_eq!(keys(map.range_from(b"")), ["a", "b", "e"]);
        let removed: Vec<_> = map.take_changes().into_iter().filter(|(_, value)| value.is_none()).collect();
        assert_eq!(removed, [(b"c".to_vec(), None), (b"g".to_vec(), None)]);
    }
}
