//! Comparing code, and saying where it differs first.

use std::fmt;
use std::ops::Range;

use alloy::primitives::{B256, Bytes};
use serde::Serialize;

use super::compiled::{CompiledContract, Place};
use super::expected::Values;

/// How many bytes of code a difference shows.
const SHOWN_BYTES: usize = 8;
/// The bytes of an immutable.
const WORD: usize = 32;

/// One of the contracts whose code is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The `OnChainLane` that the coordinator delegates to.
    OnChainLane,
    /// The `GroupRegistry` that the coordinator delegates to.
    GroupRegistry,
    /// `AgentCoordinator`.
    Coordinator,
    /// The `GroupAccount` that the groups' accounts delegate to.
    GroupAccount,
    /// The `AccountProxy` that is one group's account.
    AccountProxy,
}

impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::OnChainLane => "the code of the on-chain lane (OnChainLane)",
            Self::GroupRegistry => "the code of the registry (GroupRegistry)",
            Self::Coordinator => "the code of AgentCoordinator",
            Self::GroupAccount => "the code of the groups' accounts (GroupAccount)",
            Self::AccountProxy => "the code of the group's account (AccountProxy)",
        })
    }
}

/// The first place where code on the chain is not what it must be. Offsets count bytes from zero.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Difference {
    /// There is no code.
    #[error("there is none")]
    NoCode,
    /// The code differs outside the immutables.
    #[error("from byte {offset} on it is {found}, but {expected} was expected")]
    Code {
        /// The first byte that differs.
        offset: usize,
        /// The bytes that were expected from there on, a few of them.
        expected: Bytes,
        /// The bytes that are there.
        found: Bytes,
    },
    /// An immutable has another value.
    #[error(
        "the immutable {name}, whose value stands at byte {offset}, is {found}, but {expected} was expected"
    )]
    Immutable {
        /// Its name after that of the contract that declares it.
        name: String,
        /// The first byte of its value.
        offset: usize,
        /// The value that is right for the address and the chain.
        expected: B256,
        /// The value that is there.
        found: B256,
    },
    /// The code ends too early.
    #[error("it ends after {found} bytes, but {expected} were expected")]
    Short {
        /// How many bytes were expected.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// All of the code is there, and more follows.
    #[error("after the {offset} bytes that were expected, {length} more follow{}", metadata_text(*metadata))]
    Trailing {
        /// Where the code should end.
        offset: usize,
        /// How many bytes follow.
        length: usize,
        /// Whether they are the compiler's metadata, which no build of these sources has.
        metadata: bool,
    },
    /// The sources have an immutable whose right value this version cannot know, so that nothing can be said.
    #[error("this version of the program does not know what the immutable {name} must be")]
    UnknownImmutable {
        /// Its name after that of the contract that declares it.
        name: String,
    },
}

fn metadata_text(metadata: bool) -> &'static str {
    if metadata {
        ": CBOR metadata, which the settings of these sources leave out; it was compiled with others"
    } else {
        ""
    }
}

/// Compares `found` with the compiled code in which every immutable has its value.
pub(super) fn compare(compiled: &CompiledContract, values: &Values, found: &[u8]) -> Result<(), Difference> {
    let Filled { code: expected, immutables } = fill(compiled, values)?;
    if found.is_empty() {
        return Err(Difference::NoCode);
    }
    let differs = expected.iter().zip(found).position(|(expected, found)| expected != found);
    if let Some(offset) = differs {
        return Err(match immutables.iter().find(|(place, _)| place.contains(&offset)) {
            // The value may be cut off by the end of the code, and is then a part of code that is too short.
            Some((place, name)) if place.end <= found.len() => Difference::Immutable {
                name: (*name).to_owned(),
                offset: place.start,
                expected: B256::from_slice(&expected[place.clone()]),
                found: B256::from_slice(&found[place.clone()]),
            },
            _ => Difference::Code { offset, expected: shown(&expected, offset), found: shown(found, offset) },
        });
    }
    if found.len() < expected.len() {
        return Err(Difference::Short { expected: expected.len(), found: found.len() });
    }
    if found.len() > expected.len() {
        let (offset, rest) = (expected.len(), &found[expected.len()..]);
        return Err(Difference::Trailing { offset, length: rest.len(), metadata: is_metadata(rest) });
    }
    Ok(())
}

/// The compiled code with the values of the immutables, and where those stand.
struct Filled<'a> {
    code: Vec<u8>,
    immutables: Vec<(Range<usize>, &'a str)>,
}

fn fill<'a>(compiled: &'a CompiledContract, values: &Values) -> Result<Filled<'a>, Difference> {
    let mut code = compiled.deployed_bytecode.to_vec();
    let mut immutables = Vec::new();
    for (name, places) in &compiled.immutables {
        let unknown = || Difference::UnknownImmutable { name: name.clone() };
        let value = values.get(name).ok_or_else(unknown)?;
        for Place { start, length } in places {
            let place = *start..start.saturating_add(*length);
            let room = code.get_mut(place.clone()).filter(|room| room.len() == WORD).ok_or_else(unknown)?;
            room.copy_from_slice(value.as_slice());
            immutables.push((place, name.as_str()));
        }
    }
    Ok(Filled { code, immutables })
}

fn shown(code: &[u8], offset: usize) -> Bytes {
    Bytes::copy_from_slice(&code[offset..code.len().min(offset + SHOWN_BYTES)])
}

/// Whether the bytes after a code are what the compiler appends unless it is told not to: a CBOR map, and its length
/// in two bytes. An invalid instruction may stand before it.
fn is_metadata(rest: &[u8]) -> bool {
    const INVALID: u8 = 0xfe;
    let Some((map, length)) = rest.split_last_chunk::<2>() else { return false };
    let length = usize::from(u16::from_be_bytes(*length));
    let Some(before) = map.len().checked_sub(length) else { return false };
    let is_map = map.get(before).is_some_and(|first| (0xa0..=0xb7).contains(first));
    is_map && matches!(map[..before], [] | [INVALID])
}
