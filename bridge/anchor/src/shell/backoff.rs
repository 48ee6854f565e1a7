//! How long to leave an endpoint alone that does not answer.

/// The longest pause, in milliseconds.
const LONGEST_MS: u64 = 60_000;

/// The pause after `failures` failed looks in a row, in milliseconds: `first_ms`, doubled with each failure up to a
/// minute, of which `jitter` (from 0 to 1) decides the second half, so that the replicas do not come back to a
/// recovering endpoint all at once.
pub(super) fn pause_ms(first_ms: u64, failures: u32, jitter: f64) -> u64 {
    let doubled = first_ms.saturating_mul(1 << failures.saturating_sub(1).min(32));
    let half = doubled.min(LONGEST_MS.max(first_ms)) / 2;
    // Truncation is fine: it is a random part of half a minute at most.
    half + (half as f64 * jitter.clamp(0.0, 1.0)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_minute_and_are_spread() {
        assert_eq!((pause_ms(1_000, 1, 0.0), pause_ms(1_000, 1, 1.0)), (500, 1_000));
        assert_eq!(pause_ms(1_000, 4, 1.0), 8_000);
        assert_eq!(pause_ms(1_000, 7, 1.0), LONGEST_MS);
        assert_eq!(pause_ms(1_000, u32::MAX, 1.0), LONGEST_MS);
    }
}
