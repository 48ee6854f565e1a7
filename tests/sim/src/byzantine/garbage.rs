//! A replica that sends bytes which are no message.
//!
//! **What it does.** Some of its frames leave with bits flipped, cut short, said twice in one or with bytes
//! behind their end; and it sends bytes at random, and none at all.
//!
//! **What it attacks.** The decoders: whatever the bytes, they refuse or read them, take no more memory than
//! the bytes are worth, and never panic.
//!
//! **What a correct group does.** Refuses each such frame and cuts the link for a while.

use quorate_node::frame::Frame;
use quorate_protocol::AgentId;

use super::spells::Spells;
use super::{Actor, Said, Stage};
use crate::random::Random;

/// The most random bytes of a frame.
const MAX_BYTES: u64 = 2_048;

/// See the page.
#[derive(Clone, Debug)]
pub struct Garbage {
    spells: Spells,
    spoil_permille: u64,
    noise_percent: u64,
}

impl Garbage {
    /// How much of what leaves is spoilt, and how much is noise, is drawn from `random`.
    pub fn new(random: &mut Random) -> Self {
        Self {
            spells: Spells::new(random),
            spoil_permille: random.pick(&[2, 20, 200]),
            noise_percent: random.pick(&[0, 2, 20]),
        }
    }
}

/// The bytes of a frame that something happened to.
fn spoilt(random: &mut Random, mut bytes: Vec<u8>) -> Vec<u8> {
    match random.between(0, 5) {
        0 => bytes.truncate(random.index(bytes.len())),
        1 => bytes.extend_from_within(..),
        2 => {
            let count = random.between(1, 64) as usize;
            bytes.extend(random.bytes(count));
        }
        3 => {
            let (from, count) = (random.index(bytes.len()), random.index(16));
            bytes.drain(from..(from + count).min(bytes.len()));
        }
        _ => {
            for _ in 0..random.between(1, 4) {
                let at = random.index(bytes.len());
                bytes[at] ^= 1 << random.between(0, 7);
            }
        }
    }
    bytes
}

impl Actor for Garbage {
    fn outgoing(&mut self, stage: &mut Stage<'_>, to: AgentId, frame: Frame) -> Vec<Said> {
        if !self.spells.active(stage) || !stage.random.permille(self.spoil_permille) {
            return vec![Said::now(to, &frame)];
        }
        let bytes = spoilt(stage.random, frame.encode()).into();
        let mut said = vec![Said { to, delay_ms: 0, bytes }];
        if stage.random.percent(50) {
            said.push(Said::now(to, &frame));
        }
        said
    }

    fn tick(&mut self, stage: &mut Stage<'_>) -> Vec<Said> {
        let others = stage.others();
        if !self.spells.active(stage) || others.is_empty() || !stage.random.percent(self.noise_percent) {
            return Vec::new();
        }
        let len = stage.random.between(0, MAX_BYTES) as usize;
        let bytes = stage.random.bytes(len).into();
        vec![Said { to: stage.random.pick(&others), delay_ms: 0, bytes }]
    }
}
