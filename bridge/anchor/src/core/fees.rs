//! What a transaction offers for its gas (EIP-1559), and how much more its replacement has to offer.

/// The two prices of an EIP-1559 transaction, in wei for one unit of gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fees {
    /// The most that is paid, base fee included (`maxFeePerGas`).
    pub max_fee: u128,
    /// The most of it that goes to the block's producer (`maxPriorityFeePerGas`). Never above `max_fee`.
    pub tip: u128,
}

impl Fees {
    /// What a new transaction should offer: twice the base fee, so that it stays valid while the base fee rises for
    /// six full blocks, and the tip that the endpoint suggests; never more than `cap`. Nothing when not even the
    /// base fee is below the cap: such a transaction would only wait.
    pub fn quote(base_fee: u128, suggested_tip: u128, cap: u128) -> Option<Self> {
        if base_fee > cap {
            return None;
        }
        let max_fee = base_fee.saturating_mul(2).saturating_add(suggested_tip).min(cap);
        Some(Self { max_fee, tip: suggested_tip.min(max_fee) })
    }

    /// Both prices raised by a part of themselves, and by 1 wei for what rounding took.
    fn raised(self, part: u128) -> Self {
        let raise = |price: u128| price.saturating_add(price / part).saturating_add(1);
        Self { max_fee: raise(self.max_fee), tip: raise(self.tip) }
    }

    /// The fees that replace a transaction with these fees: an eighth more of both, at least what the `market` asks
    /// for, and no more than `cap`. Nothing when that is no tenth more of both: nodes refuse to replace for less (geth's
    /// `txpool.pricebump`, which op-geth has too; Arbitrum's sequencer has no pool and replaces nothing).
    pub fn bump(self, market: Self, cap: u128) -> Option<Self> {
        let (least, wanted) = (self.raised(10), self.raised(8));
        let tip = wanted.tip.max(market.tip).min(cap);
        let max_fee = wanted.max_fee.max(market.max_fee).max(tip).min(cap);
        (max_fee >= least.max_fee && tip >= least.tip).then_some(Self { max_fee, tip })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_never_leaves_the_cap() {
        assert_eq!(Fees::quote(10, 3, 100), Some(Fees { max_fee: 23, tip: 3 }));
        assert_eq!(Fees::quote(60, 3, 100), Some(Fees { max_fee: 100, tip: 3 }));
        assert_eq!(Fees::quote(10, u128::MAX, 100), Some(Fees { max_fee: 100, tip: 100 }));
        assert_eq!(Fees::quote(101, 0, 100), None);
    }

    #[test]
    fn a_replacement_offers_more_than_a_tenth_of_both() {
        let sent = Fees { max_fee: 800, tip: 80 };
        assert_eq!(sent.bump(Fees { max_fee: 1, tip: 1 }, 1000), Some(Fees { max_fee: 901, tip: 91 }));
        assert_eq!(sent.bump(Fees { max_fee: 950, tip: 200 }, 1000), Some(Fees { max_fee: 950, tip: 200 }));
        assert_eq!(sent.bump(Fees { max_fee: 1, tip: 1 }, 890), Some(Fees { max_fee: 890, tip: 91 }));
        assert_eq!(sent.bump(Fees { max_fee: 1, tip: 1 }, 880), None);
        let all_tip = Fees { max_fee: 80, tip: 80 };
        assert_eq!(all_tip.bump(Fees { max_fee: 1, tip: 1 }, 85), None, "both have to rise");
        let free = Fees { max_fee: 0, tip: 0 };
        assert_eq!(free.bump(free, 10), Some(Fees { max_fee: 1, tip: 1 }));
    }
}
