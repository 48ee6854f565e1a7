//! Token buckets, one a key, in bounded memory.
//!
//! The generic cell rate algorithm (ITU-T I.371): a bucket is the one moment at which it will be full
//! again. Buckets live in two generations; when the young one is full it becomes the old one, and the old
//! one is forgotten. A forgotten bucket starts full, so a flood of keys can refill buckets but cannot grow
//! the map.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// The most buckets of one generation.
const MAX_BUCKETS: usize = 32 * 1024;

/// Limits how often each key may act.
pub(super) struct RateLimiter<K> {
    /// The time between two actions at the limit.
    interval: Duration,
    /// How far actions may run ahead: a second's worth, and at least one action.
    burst: Duration,
    buckets: Mutex<Generations<K>>,
}

struct Generations<K> {
    young: HashMap<K, Instant>,
    old: HashMap<K, Instant>,
}

impl<K: Eq + Hash> RateLimiter<K> {
    /// Allows `per_second` actions a second and key on average, and as many at once.
    pub(super) fn new(per_second: f64) -> Self {
        let interval = Duration::from_secs_f64(1.0 / per_second);
        let burst = interval.max(Duration::from_secs(1));
        Self {
            interval,
            burst,
            buckets: Mutex::new(Generations { young: HashMap::new(), old: HashMap::new() }),
        }
    }

    /// Takes a token of `key`, or says how long there will be none.
    pub(super) fn take(&self, key: K, now: Instant) -> Result<(), Duration> {
        let mut buckets = self.buckets.lock().expect("nothing panics while it holds the buckets");
        let full_at = buckets.full_at(&key).map_or(now, |full_at| full_at.max(now));
        let next_full_at = full_at + self.interval;
        let wait = next_full_at.saturating_duration_since(now).saturating_sub(self.burst);
        if !wait.is_zero() {
            return Err(wait);
        }
        buckets.set(key, next_full_at);
        Ok(())
    }
}

impl<K: Eq + Hash> Generations<K> {
    fn full_at(&self, key: &K) -> Option<Instant> {
        self.young.get(key).or_else(|| self.old.get(key)).copied()
    }

    fn set(&mut self, key: K, full_at: Instant) {
        if self.young.len() == MAX_BUCKETS && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, full_at);
    }
}

/// What one remote party is taken to be: an IPv4 address, or the /64 that an IPv6 host has to itself.
pub(super) fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let network = u128::from(v6) & !u128::from(u64::MAX);
            IpAddr::V6(network.into())
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_a_second_and_refills_at_its_rate() {
        let limiter = RateLimiter::new(10.0);
        let start = Instant::now();
        for _ in 0..10 {
            assert_eq!(limiter.take(1, start), Ok(()));
        }
        let wait = limiter.take(1, start).unwrap_err();
        assert!(wait > Duration::ZERO && wait <= Duration::from_millis(101), "{wait:?}");
        assert_eq!(limiter.take(2, start), Ok(()), "another key has its own bucket");
        assert_eq!(limiter.take(1, start + wait), Ok(()));
        assert!(limiter.take(1, start + wait).is_err());
    }

    #[test]
    fn a_rate_below_one_a_second_still_lets_one_through() {
        let limiter = RateLimiter::new(0.1);
        let start = Instant::now();
        assert_eq!(limiter.take((), start), Ok(()));
        assert!(limiter.take((), start + Duration::from_secs(5)).is_err());
        assert_eq!(limiter.take((), start + Duration::from_secs(10)), Ok(()));
    }

    #[test]
    fn a_flood_of_keys_does_not_grow_the_map() {
        let limiter = RateLimiter::new(1.0);
        let now = Instant::now();
        for key in 0..5 * MAX_BUCKETS {
            assert_eq!(limiter.take(key, now), Ok(()));
        }
        let buckets = limiter.buckets.lock().unwrap();
        assert!(buckets.young.len() + buckets.old.len() <= 2 * MAX_BUCKETS);
    }

    #[test]
    fn a_host_is_one_party_however_it_writes_its_address() {
        let parse = |text: &str| network_of(text.parse().unwrap());
        assert_eq!(parse("2001:db8:1:2::3"), parse("2001:db8:1:2:ffff::4"));
        assert_ne!(parse("2001:db8:1:2::3"), parse("2001:db8:1:3::3"));
        assert_eq!(parse("::ffff:192.0.2.1"), parse("192.0.2.1"));
        assert_ne!(parse("192.0.2.1"), parse("192.0.2.2"));
    }
}
