//! When an actor acts: faulty for a while, correct for a while.
//!
//! A replica that is always faulty is soon out of the view that it could do harm in. One that behaves for
//! seconds becomes the primary again, is asked for chunks again, and is believed as far as anybody is.

use super::Stage;
use crate::random::Random;

/// Spells of acting and of behaving correctly.
#[derive(Clone, Debug)]
pub(super) struct Spells {
    longest_ms: u64,
    busy_percent: u64,
    until_ms: u64,
    active: bool,
    number: u64,
}

impl Spells {
    /// How long the spells are, and how many of them are faulty, is drawn here.
    pub(super) fn new(random: &mut Random) -> Self {
        Self {
            longest_ms: random.pick(&[500, 2_000, 5_000, 15_000]),
            busy_percent: random.pick(&[30, 50, 80, 100]),
            until_ms: 0,
            active: false,
            number: 0,
        }
    }

    /// Whether the actor acts now.
    pub(super) fn active(&mut self, stage: &mut Stage<'_>) -> bool {
        if stage.now_ms >= self.until_ms {
            self.until_ms = stage.now_ms + stage.random.between(self.longest_ms / 5, self.longest_ms);
            self.active = stage.random.percent(self.busy_percent);
            self.number += 1;
        }
        self.active
    }

    /// The number of the spell, for what is drawn anew with each.
    pub(super) fn number(&self) -> u64 {
        self.number
    }
}
