//! The log as C2SP tlog-tiles, so that any transparency-log tool can fetch and check it.
//!
//! A tile holds 256 hashes of one level, or the entries under them. The format of paths and tiles is that
//! of <https://c2sp.org/tlog-tiles>.

use quorate_protocol::Entry;
use quorate_protocol::entry::LEAF_BYTES;

use super::Ledger;

/// How many hashes or entries a full tile has.
pub const TILE_WIDTH: u64 = 256;
/// The tile levels of a log of up to 2^64 entries.
const MAX_LEVEL: u8 = 7;

/// What a tile holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TileKind {
    /// Hashes over 256^level entries each.
    Hashes {
        /// The level, from 0.
        level: u8,
    },
    /// Entries, each as its leaf behind its length.
    Entries,
}

/// Which tile is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TilePath {
    /// What the tile holds.
    pub kind: TileKind,
    /// The tile's position within its level.
    pub index: u64,
    /// How many hashes or entries: 256, or fewer for a partial tile.
    pub width: u64,
}

/// A path that names no tile.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "{0:?} names no tile: expected <level>/<index> or entries/<index>, with the index in groups of three \
         digits such as x001/234 and .p/<width> after it for a partial tile"
)]
pub struct ParseTileError(pub String);

impl TilePath {
    /// Reads what stands behind `tile/`: the level, or `entries`, and the rest of the path.
    ///
    /// # Errors
    /// When the path is not the one spelling that C2SP has for a tile.
    pub fn parse(level: &str, rest: &str) -> Result<Self, ParseTileError> {
        let error = || ParseTileError(format!("{level}/{rest}").chars().take(80).collect());
        let kind = match level {
            "entries" => TileKind::Entries,
            _ => {
                let level = parse_decimal(level).and_then(|level| u8::try_from(level).ok());
                TileKind::Hashes { level: level.filter(|level| *level <= MAX_LEVEL).ok_or_else(error)? }
            }
        };
        let (index, width) = match rest.split_once(".p/") {
            Some((index, width)) => {
                let width = parse_decimal(width).filter(|width| (1..TILE_WIDTH).contains(width));
                (index, width.ok_or_else(error)?)
            }
            None => (rest, TILE_WIDTH),
        };
        Ok(Self { kind, index: parse_index(index).ok_or_else(error)?, width })
    }

    /// The entries that an entries tile holds, from the first to the one after the last.
    pub(super) fn entry_range(&self) -> Option<std::ops::Range<u64>> {
        let first = self.index.checked_mul(TILE_WIDTH)?;
        Some(first..first.checked_add(self.width)?)
    }
}

/// A decimal number without leading zeros.
fn parse_decimal(text: &str) -> Option<u64> {
    let canonical = text == "0" || !text.starts_with('0');
    let digits = !text.is_empty() && text.len() <= 3 && text.bytes().all(|byte| byte.is_ascii_digit());
    if canonical && digits { text.parse().ok() } else { None }
}

/// Groups of three digits, all but the last behind an `x`; no leading group of zeros.
fn parse_index(text: &str) -> Option<u64> {
    let groups: Vec<_> = text.split('/').collect();
    let (last, leading) = groups.split_last()?;
    if leading.first() == Some(&"x000") {
        return None;
    }
    let mut index: u64 = 0;
    for group in leading.iter().map(|group| group.strip_prefix('x')).chain([Some(*last)]) {
        let group =
            group.filter(|group| group.len() == 3 && group.bytes().all(|byte| byte.is_ascii_digit()))?;
        index = index.checked_mul(1000)?.checked_add(group.parse().ok()?)?;
    }
    Some(index)
}

/// An entries tile.
pub(super) fn entries_tile<'a>(entries: impl Iterator<Item = &'a Entry>) -> Vec<u8> {
    let length = u16::try_from(LEAF_BYTES).expect("a leaf is short").to_be_bytes();
    entries.flat_map(|entry| length.into_iter().chain(entry.leaf())).collect()
}

impl Ledger {
    /// The tile of hashes at `level`, or nothing if the log does not hold them all.
    pub(super) fn hash_tile(&self, level: u8, path: &TilePath) -> Option<Vec<u8>> {
        let from = path.index.checked_mul(TILE_WIDTH)?;
        let width = usize::try_from(path.width).ok()?;
        let hashes = self.log.hashes(8 * usize::from(level), from, width)?;
        Some(hashes.iter().flat_map(|hash| *hash.as_bytes()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tile_has_one_spelling() {
        let hashes = |level, index, width| Ok(TilePath { kind: TileKind::Hashes { level }, index, width });
        assert_eq!(TilePath::parse("0", "000"), hashes(0, 0, 256));
        assert_eq!(TilePath::parse("1", "x001/234.p/7"), hashes(1, 1234, 7));
        assert_eq!(TilePath::parse("0", "x001/x234/067"), hashes(0, 1_234_067, 256));
        let entries = TilePath { kind: TileKind::Entries, index: 5, width: 1 };
        assert_eq!(TilePath::parse("entries", "005.p/1"), Ok(entries));

        let wrong = [
            ("8", "000"),
            ("00", "000"),
            ("", "000"),
            ("0", ""),
            ("0", "0"),
            ("0", "0000"),
            ("0", "x000/001"),
            ("0", "001/002"),
            ("0", "x001"),
            ("0", "000.p/0"),
            ("0", "000.p/256"),
            ("0", "000.p/01"),
            ("0", "+01"),
            ("data", "000"),
            ("0", "x999/x999/x999/x999/x999/x999/x999/999"),
        ];
        for (level, rest) in wrong {
            assert!(TilePath::parse(level, rest).is_err(), "{level}/{rest}");
        }
    }
}
