//! Changing inputs, so that what comes out is nearly right.
//!
//! Random bytes fail at a decoder's first look. What is fuzzed here starts from valid encodings and stays close to
//! them: [`Format`] says what a target's bytes are, and [`cbor`] and [`text`] change them as a liar would. The same
//! seed gives the same inputs on every machine.

pub mod cbor;
mod rng;
pub mod text;

pub use rng::Rng;

use crate::targets::Format;

/// Numbers at which something changes: bounds of types, of widths, of this protocol.
const EDGES: [u64; 18] = [
    0,
    1,
    2,
    23,
    24,
    64,
    65,
    255,
    256,
    4096,
    65_535,
    65_536,
    1 << 24,
    u32::MAX as u64,
    1 << 32,
    i64::MAX as u64,
    u64::MAX - 1,
    u64::MAX,
];

/// A number at an edge, or a random one.
fn edge(rng: &mut Rng) -> u64 {
    if rng.below(8) == 0 { rng.number() } else { EDGES[rng.below(EDGES.len())] }
}

/// Makes inputs of at most `max` bytes out of others.
#[derive(Clone, Debug)]
pub struct Mutator<'a> {
    format: Format,
    others: &'a [Vec<u8>],
    max: usize,
}

impl<'a> Mutator<'a> {
    /// A mutator of inputs of this format. Parts of `others` may go into what it makes.
    pub fn new(format: Format, others: &'a [Vec<u8>], max: usize) -> Self {
        Self { format, others, max }
    }

    /// `input`, changed in one place or a few.
    pub fn mutate(&self, input: &[u8], rng: &mut Rng) -> Vec<u8> {
        let mut changed = input.to_vec();
        for _ in 0..=rng.below(3) {
            let other = rng.pick(self.others).map_or(&[][..], Vec::as_slice);
            match self.format {
                Format::Cbor if rng.below(4) > 0 => cbor::mutate(&mut changed, other, rng),
                Format::Text if rng.below(4) > 0 => text::mutate(&mut changed, other, rng),
                Format::Cbor | Format::Text | Format::Bytes => bytes(&mut changed, other, rng),
            }
        }
        changed.truncate(self.max);
        changed
    }
}

/// Changes `input` without knowing what it is.
fn bytes(input: &mut Vec<u8>, other: &[u8], rng: &mut Rng) {
    let len = input.len();
    let at = rng.below(len + 1);
    match rng.below(9) {
        0 if at < len => input[at] ^= 1 << rng.below(8),
        1 if at < len => input[at] = u8::try_from(rng.number() & 0xff).expect("a byte is masked"),
        2 => input.truncate(at),
        3 => drop(input.drain(at..rng.between(at, len))),
        4 => {
            let part = input[at..rng.between(at, len).min(at + 64)].to_vec();
            let to = rng.below(len + 1);
            drop(input.splice(to..to, part));
        }
        5 => {
            let part = other.get(rng.below(other.len() + 1)..).unwrap_or_default();
            let end = rng.between(at, len);
            drop(input.splice(at..end, part[..rng.below(part.len() + 1)].iter().copied()));
        }
        6 => drop(input.splice(at..at, std::iter::repeat_n(0xff, rng.below(16)))),
        7 => {
            let end = rng.between(at, len).min(at + 40);
            input[at..end].fill(0);
        }
        _ => {
            let width = 1 << rng.below(4);
            let number = edge(rng).to_be_bytes();
            let mut number = number[8 - width..].to_vec();
            if rng.below(2) == 0 {
                number.reverse();
            }
            if let Some(slot) = input.get_mut(at..at + width) {
                slot.copy_from_slice(&number);
            }
        }
    }
}
