//! Since when the entries wait that are not anchored.

use std::collections::VecDeque;

/// The most times that are told apart. Beyond, newer entries count as old as those before them.
const MAX_MARKS: usize = 256;

/// Since when stable entries wait for an anchor, by the size of the log.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// A size of the log, and when a checkpoint of it was first known to be stable, both ascending. The entries between
    /// two sizes wait since the later one was known.
    marks: VecDeque<(u64, u64)>,
}

impl Waiting {
    /// A checkpoint of a log of `log_size` entries is known to be stable.
    pub(super) fn grow(&mut self, now_ms: u64, log_size: u64) {
        let is_full = self.marks.len() >= MAX_MARKS;
        match self.marks.back_mut() {
            Some((last, _)) if *last >= log_size => {}
            Some((last, _)) if is_full => *last = log_size,
            _ => self.marks.push_back((log_size, now_ms)),
        }
    }

    /// Since when the oldest of the entries waits that are behind the first `anchored`.
    pub(super) fn since_ms(&mut self, anchored: u64) -> Option<u64> {
        while self.marks.front().is_some_and(|(log_size, _)| *log_size <= anchored) {
            self.marks.pop_front();
        }
        self.marks.front().map(|(_, since_ms)| *since_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_entry_that_is_not_anchored_counts() {
        let mut waiting = Waiting::default();
        assert_eq!(waiting.since_ms(0), None);
        for (now_ms, log_size) in [(100, 10), (200, 10), (300, 20), (400, 25)] {
            waiting.grow(now_ms, log_size);
        }
        assert_eq!(waiting.since_ms(0), Some(100));
        assert_eq!(waiting.since_ms(9), Some(100), "one of the first ten is left");
        assert_eq!(waiting.since_ms(10), Some(300));
        assert_eq!(waiting.since_ms(24), Some(400));
        assert_eq!(waiting.since_ms(25), None);
    }

    #[test]
    fn however_long_it_lasts_little_is_remembered_and_nothing_waits_for_longer() {
        let mut waiting = Waiting::default();
        (1..=10_000).for_each(|count| waiting.grow(count, count));
        assert_eq!(waiting.marks.len(), MAX_MARKS);
        assert_eq!(waiting.since_ms(100), Some(101));
        assert_eq!(waiting.since_ms(9_999), Some(256), "what cannot be told apart is taken for older");
    }
}
