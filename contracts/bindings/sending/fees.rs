//! What is offered for a transaction (EIP-1559).

use alloy::consensus::BlockHeader as _;
use alloy::eips::BlockId;
use alloy::network::primitives::BlockResponse as _;
use alloy::providers::{DynProvider, Provider as _};

use super::SendError;

/// The most that whoever makes a block is offered for a unit of gas, in wei: 1,000 gwei. No chain asks for so much; an endpoint
/// that does so would have the account burn its ether.
const MOST_TIP: u128 = 1_000_000_000_000;

/// An offer in wei for a unit of gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fees {
    /// The most that is paid, the base fee included.
    pub(super) most: u128,
    /// What whoever makes the block gets of it.
    pub(super) tip: u128,
}

impl Fees {
    /// The tip that the endpoint proposes, but no more than the last blocks were content with, and room for the base fee to
    /// double: it rises by an eighth a block at most.
    pub(super) async fn of(provider: &DynProvider) -> Result<Self, SendError> {
        let newest = provider.get_block(BlockId::latest()).await.map_err(SendError::Refused)?;
        let base_fee =
            newest.and_then(|block| block.header().base_fee_per_gas()).ok_or(SendError::NoBaseFee)?;
        let proposed = provider.get_max_priority_fee_per_gas().await.map_err(SendError::Refused)?;
        // On a quiet chain the endpoint's proposal is that of the last transaction, however dear it was.
        let paid = provider.estimate_eip1559_fees().await.map(|paid| paid.max_priority_fee_per_gas);
        Ok(Self::quote(base_fee.into(), paid.map_or(proposed, |paid| proposed.min(paid))))
    }

    fn quote(base_fee: u128, tip: u128) -> Self {
        let tip = tip.min(MOST_TIP);
        Self { most: base_fee.saturating_mul(2).saturating_add(tip), tip }
    }

    /// The offer, raised so many times by a quarter: pools ask for a tenth more than what they have.
    pub(super) fn raised(self, times: u32) -> Self {
        let more = |price: u128| (0..times).fold(price, |price, _| price.saturating_add(price / 4 + 1));
        Self { most: more(self.most), tip: more(self.tip) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offer_bears_a_base_fee_that_doubles_and_rises_by_more_than_a_tenth() {
        let offer = Fees::quote(1_000, 7);
        assert_eq!(offer, Fees { most: 2_007, tip: 7 });
        assert_eq!(offer.raised(0), offer);
        let raised = offer.raised(1);
        assert!(raised.most * 10 >= offer.most * 11 && raised.tip * 10 >= offer.tip * 11, "{raised:?}");
        assert!(raised.tip <= raised.most);
        assert_eq!(Fees::quote(u128::MAX, 1).raised(4).most, u128::MAX);
    }

    /// The base fee is burnt as the chain has it, whatever the endpoint says; the tip is paid as offered.
    #[test]
    fn an_endpoint_does_not_set_the_tip_at_will() {
        for tip in [MOST_TIP, MOST_TIP + 1, 100_000 * 1_000_000_000, u128::MAX] {
            assert_eq!(Fees::quote(1_000, tip), Fees { most: 2_000 + MOST_TIP, tip: MOST_TIP });
        }
    }
}
