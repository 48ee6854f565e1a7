//! What the executed decisions of a class took of one asset lately: a rolling window in two buckets.
//!
//! Any stretch of time as long as the window lies within two neighbouring buckets, so where their sum never exceeds the
//! limit, no such stretch does. The price is that what was taken comes back only after one to two windows. The contract
//! keeps the windows (`contracts/src/Policies.sol`); this is the same arithmetic for whoever wants to know beforehand.
//! `tests/vectors/windows.json` pins both.

use alloy_primitives::U256;
use serde::{Deserialize, Serialize};

/// The window of one asset in one class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// The bucket of the last charge: its time divided by the window's length.
    pub bucket: u64,
    /// What was taken in the bucket before.
    #[serde(with = "crate::decimal")]
    pub previous: u128,
    /// What was taken in the bucket itself.
    #[serde(with = "crate::decimal")]
    pub current: u128,
}

/// More than the window leaves.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("the calls take {amount}, the window leaves {left}")]
pub struct AboveWindow {
    /// What the calls take.
    pub amount: u128,
    /// What the window leaves at that time.
    pub left: u128,
}

impl Window {
    /// The window at `now_s` (Unix time), where it is `window_s` seconds long: the buckets that are past are forgotten.
    ///
    /// # Panics
    /// When `window_s` is 0: a class without a window keeps none.
    pub fn at(self, window_s: u32, now_s: u64) -> Self {
        let bucket = now_s / u64::from(window_s);
        let (previous, current) = match bucket.checked_sub(self.bucket) {
            Some(0) => (self.previous, self.current),
            Some(1) => (self.current, 0),
            _ => (0, 0),
        };
        Self { bucket, previous, current }
    }

    /// What may be taken at `now_s` (Unix time) of an asset that so much may be taken of in any `window_s` seconds.
    pub fn left(self, window_s: u32, per_window: u128, now_s: u64) -> u128 {
        let Self { previous, current, .. } = self.at(window_s, now_s);
        per_window.saturating_sub(previous.saturating_add(current))
    }

    /// The window once `sum` is taken at `now_s` (Unix time).
    ///
    /// # Errors
    /// When the window does not leave so much.
    pub fn charge(self, window_s: u32, per_window: u128, now_s: u64, sum: u128) -> Result<Self, AboveWindow> {
        let left = self.left(window_s, per_window, now_s);
        if sum > left {
            return Err(AboveWindow { amount: sum, left });
        }
        let now = self.at(window_s, now_s);
        Ok(Self { current: now.current + sum, ..now })
    }

    /// The contract's word for it: bucket, previous and current, from the lowest bit on in 32, 112 and 112 bits.
    pub fn from_word(word: U256) -> Self {
        let part = |shift: usize, bits: usize| -> u128 {
            let mask = (U256::ONE << bits) - U256::ONE;
            ((word >> shift) & mask).to()
        };
        let bucket = u64::try_from(part(0, 32)).expect("32 bits fit into 64");
        Self { bucket, previous: part(32, 112), current: part(144, 112) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: u32 = 3_600;

    #[test]
    fn what_was_taken_comes_back_after_one_to_two_windows() {
        let window = Window::default().charge(HOUR, 10, 7_199, 10).expect("nothing was taken yet");
        assert_eq!(window, Window { bucket: 1, previous: 0, current: 10 });
        assert_eq!(window.charge(HOUR, 10, 7_200, 1), Err(AboveWindow { amount: 1, left: 0 }));
        assert_eq!(window.left(HOUR, 10, 10_799), 0);
        assert_eq!(window.left(HOUR, 10, 10_800), 10);
        assert_eq!(window.left(HOUR, 4, 7_200), 0, "what is above the limit leaves nothing");
    }

    #[test]
    fn a_word_of_the_contract_is_read() {
        let word = U256::from(7u32) | U256::from(9u128) << 32 | U256::from((1u128 << 112) - 1) << 144;
        assert_eq!(Window::from_word(word), Window { bucket: 7, previous: 9, current: (1 << 112) - 1 });
    }

    proptest! {
        #[test]
        fn no_stretch_of_a_window_exceeds_the_limit(
            charges in prop::collection::vec((0..3 * u64::from(HOUR), 0..60u128), 1..60),
        ) {
            let (mut window, mut now) = (Window::default(), 0);
            let mut taken: Vec<(u64, u128)> = Vec::new();
            for (pause, sum) in charges {
                now += pause;
                if let Ok(charged) = window.charge(HOUR, 100, now, sum) {
                    window = charged;
                    taken.push((now, sum));
                }
                let since = now.saturating_sub(u64::from(HOUR) - 1);
                let sum: u128 = taken.iter().filter(|(at, _)| *at >= since).map(|(_, sum)| sum).sum();
                prop_assert!(sum <= 100, "{sum} between {since} and {now}");
            }
        }
    }
}
