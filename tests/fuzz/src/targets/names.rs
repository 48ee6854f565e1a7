//! Identifiers and paths as people and URLs spell them.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use quorate_node::ledger::{TILE_WIDTH, TileKind, TilePath};
use quorate_protocol::{AgentId, Digest, GroupId, ProposalId};

use super::{Format, PLAIN, QUICK, Target};
use crate::corpus::Seed;

pub(super) const TARGET: Target = Target {
    name: "names",
    format: Format::Text,
    memory: PLAIN,
    max_len: 1024,
    quick_runs: QUICK,
    seeds,
    check,
};

fn seeds() -> Vec<Seed> {
    [
        ("agent", "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"),
        ("group", "0x0707070707070707070707070707070707070707070707070707070707070707"),
        ("tile", "0/000"),
        ("tile-partial", "1/x001/234.p/7"),
        ("tile-far", "7/x018/x446/x744/x073/x709/551/615"),
        ("tile-entries", "entries/x001/067.p/255"),
    ]
    .map(|(name, text)| Seed::new(name, text))
    .to_vec()
}

fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    parses_what_it_prints::<AgentId>(text);
    parses_what_it_prints::<GroupId>(text);
    parses_what_it_prints::<ProposalId>(text);
    parses_what_it_prints::<Digest>(text);
    let (level, rest) = text.split_once('/').unwrap_or((text, ""));
    match TilePath::parse(level, rest) {
        Ok(path) => assert_eq!(spell(&path), text, "a tile has two spellings"),
        Err(error) => assert!(error.to_string().len() < 1200, "an error as long as its cause"),
    }
}

fn parses_what_it_prints<T>(text: &str)
where
    T: FromStr<Err: Display> + Display + Debug + PartialEq,
{
    match text.parse::<T>() {
        Ok(id) => assert_eq!(id.to_string().parse::<T>().ok(), Some(id)),
        Err(error) => assert!(error.to_string().len() < 1200, "an error as long as its cause"),
    }
}

/// The spelling of C2SP tlog-tiles, written anew.
fn spell(path: &TilePath) -> String {
    let kind = match path.kind {
        TileKind::Hashes { level } => level.to_string(),
        TileKind::Entries => "entries".into(),
    };
    let mut groups = vec![format!("{:03}", path.index % 1000)];
    let mut rest = path.index / 1000;
    while rest > 0 {
        groups.insert(0, format!("x{:03}", rest % 1000));
        rest /= 1000;
    }
    let partial = if path.width == TILE_WIDTH { String::new() } else { format!(".p/{}", path.width) };
    format!("{kind}/{}{partial}", groups.join("/"))
}
