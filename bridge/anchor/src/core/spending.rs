//! The bound on what is spent within an hour, whatever an endpoint makes us believe.

use std::collections::VecDeque;

/// The window, in milliseconds.
const HOUR_MS: u64 = 3_600_000;

/// What was signed within the last hour, each transaction counted with the most that it can cost.
#[derive(Debug)]
pub(super) struct Spending {
    limit: u128,
    signed: VecDeque<Signed>,
}

#[derive(Debug)]
struct Signed {
    at_ms: u64,
    nonce: u64,
    cost: u128,
}

impl Spending {
    /// Allows `limit` wei an hour.
    pub(super) fn new(limit: u128) -> Self {
        Self { limit, signed: VecDeque::new() }
    }

    /// Counts a transaction that can cost `cost` wei if the limit allows it, else changes nothing and returns what the
    /// hour would come to. A replacement counts with what it adds to the transaction it replaces, because only one of
    /// one nonce is ever included.
    ///
    /// What an endpoint says about the price really paid never makes it count for less: it may lie.
    pub(super) fn reserve(&mut self, now_ms: u64, nonce: u64, cost: u128) -> Result<(), u128> {
        while self.signed.front().is_some_and(|signed| now_ms.saturating_sub(signed.at_ms) >= HOUR_MS) {
            self.signed.pop_front();
        }
        let replaced = self.signed.iter().position(|signed| signed.nonce == nonce);
        let others = self.signed.iter().filter(|signed| signed.nonce != nonce).map(|signed| signed.cost);
        let before = replaced.map_or(0, |at| self.signed[at].cost);
        let cost = cost.max(before);
        let total = others.fold(cost, u128::saturating_add);
        if total > self.limit {
            return Err(total);
        }
        if let Some(at) = replaced {
            self.signed.remove(at);
        }
        self.signed.push_back(Signed { at_ms: now_ms, nonce, cost });
        Ok(())
    }

    /// A transaction was included and cost more than it was counted with, as the fee for data on L1 may: the signer does
    /// not bound that one.
    pub(super) fn paid(&mut self, nonce: u64, cost: u128) {
        if let Some(signed) = self.signed.iter_mut().find(|signed| signed.nonce == nonce) {
            signed.cost = signed.cost.max(cost);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hour_is_bounded_and_slides() {
        let mut spending = Spending::new(100);
        assert_eq!(spending.reserve(0, 1, 60), Ok(()));
        assert_eq!(spending.reserve(1, 2, 50), Err(110));
        assert_eq!(spending.reserve(HOUR_MS - 1, 2, 40), Ok(()));
        assert_eq!(spending.reserve(HOUR_MS, 3, 60), Ok(()), "the first is an hour old");
        assert_eq!(spending.reserve(HOUR_MS, 4, 1), Err(101));
    }

    #[test]
    fn a_price_above_what_was_counted_counts_and_one_below_does_not() {
        let mut spending = Spending::new(100);
        assert_eq!(spending.reserve(0, 1, 50), Ok(()));
        spending.paid(1, 10);
        assert_eq!(spending.reserve(1, 2, 51), Err(101));
        spending.paid(1, 90);
        spending.paid(7, 90);
        assert_eq!(spending.reserve(2, 2, 10), Ok(()));
        assert_eq!(spending.reserve(3, 3, 1), Err(101));
    }

    #[test]
    fn a_replacement_counts_once_with_the_higher_cost() {
        let mut spending = Spending::new(100);
        assert_eq!(spending.reserve(0, 1, 60), Ok(()));
        assert_eq!(spending.reserve(1, 1, 100), Ok(()));
        assert_eq!(spending.reserve(2, 1, 10), Ok(()), "the dearer one may still be included");
        assert_eq!(spending.reserve(3, 2, 1), Err(101));
        assert_eq!(spending.reserve(3, 2, u128::MAX), Err(u128::MAX));
    }
}
