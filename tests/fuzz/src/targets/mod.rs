//! The decoders, a file each, and the properties that hold for all of them.

mod api_bodies;
mod certificates;
mod checkpoints;
mod commands;
mod configs;
mod entries;
mod exports;
mod frames;
mod handovers;
mod hellos;
mod keystores;
mod member_changes;
mod messages;
mod names;
mod proofs;
mod receipts;
mod records;
mod refusals;
mod state_ranges;
mod stored;
mod transfers;
mod wal;

use std::collections::HashSet;
use std::fmt::{Debug, Display};

use minicbor::{Decode, Encode};
use quorate_protocol::codec;
use tempfile::TempDir;

use crate::corpus::Seed;

/// What a target's inputs are, for those who change them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// CBOR, or a sequence of it.
    Cbor,
    /// JSON, TOML or another text.
    Text,
    /// Something else.
    Bytes,
}

/// The most memory that an input may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Bytes whatever the input.
    pub base: usize,
    /// Bytes for each byte of it.
    pub per_byte: usize,
}

impl Memory {
    /// The most bytes for an input of `len`.
    pub fn bound(self, len: usize) -> usize {
        self.base + self.per_byte * len
    }
}

/// What most targets may cost: an input is decoded, encoded again and copied a few times, lists grow by doubling,
/// and a signature check holds some kilobytes.
const PLAIN: Memory = Memory { base: 32 * 1024, per_byte: 16 };

/// What most targets run in the quick lane. Those that check many signatures or write files run fewer.
const QUICK: usize = 4_000;

/// A decoder under the fuzzer.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, which is that of its directory in the corpus.
    pub name: &'static str,
    /// What its inputs are.
    pub format: Format,
    /// The most memory that an input may cost.
    pub memory: Memory,
    /// The longest inputs that are made for it.
    pub max_len: usize,
    /// How many mutations the quick lane runs.
    pub quick_runs: usize,
    /// Valid encodings, the same on every machine.
    pub seeds: fn() -> Vec<Seed>,
    /// Reads an input and panics where a property does not hold.
    pub check: fn(&[u8]),
}

/// Every target, in the order of their names.
pub const ALL: [Target; 22] = [
    api_bodies::TARGET,
    certificates::TARGET,
    checkpoints::TARGET,
    commands::TARGET,
    configs::TARGET,
    entries::TARGET,
    exports::TARGET,
    frames::TARGET,
    handovers::TARGET,
    hellos::TARGET,
    keystores::TARGET,
    member_changes::TARGET,
    messages::TARGET,
    names::TARGET,
    proofs::TARGET,
    receipts::TARGET,
    records::TARGET,
    refusals::TARGET,
    state_ranges::TARGET,
    stored::TARGET,
    transfers::TARGET,
    wal::TARGET,
];

impl Target {
    /// The target of this name.
    pub fn find(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|target| target.name == name)
    }

    /// Runs the target on its seeds, so that what it makes once and keeps is there before memory is counted.
    pub fn warm(&self) {
        for seed in (self.seeds)() {
            (self.check)(&seed.bytes);
        }
    }
}

/// What `decoded` came to, after checking that the value encodes to the very bytes that it was read from.
///
/// # Panics
/// When it does not.
fn canonical<T, E: Display>(
    bytes: &[u8],
    decoded: Result<T, E>,
    encode: impl FnOnce(&T) -> Vec<u8>,
) -> Option<T> {
    match decoded {
        Ok(value) => {
            assert!(encode(&value) == bytes, "what was read encodes to other bytes");
            Some(value)
        }
        Err(error) => {
            // Whoever refuses says why; that must work for all reasons.
            assert!(!error.to_string().is_empty(), "a refusal without a reason");
            None
        }
    }
}

/// [`canonical`] for what has no `decode` of its own.
fn canonical_as<T>(bytes: &[u8], max: usize) -> Option<T>
where
    T: for<'b> Decode<'b, ()> + Encode<()> + Debug + PartialEq,
{
    canonical(bytes, codec::decode::<T>(bytes, max), codec::encode)
}

/// A directory for files that live for one input: in memory where the system has such a place, because a disk is a
/// hundred times slower.
fn scratch_dir() -> TempDir {
    TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).expect("there is room for a file")
}

/// The inputs that may pass for genuine: what the seeds are. Nobody else has the keys.
fn genuine(seeds: Vec<Seed>) -> HashSet<Vec<u8>> {
    seeds.into_iter().map(|seed| seed.bytes).collect()
}
