//! What a class permits: the calls of a decision, and how much of each asset they take.
//!
//! The contract has the same rules (`contracts/src/Policies.sol`); `tests/vectors/calls.json` pins both. What a window
//! leaves is for the contract alone to say; see [`crate::window`].

use std::collections::BTreeMap;

use alloy_primitives::{Selector, U256, hex};

use crate::call::Call;
use crate::class::{Class, ETHER, Scope, Target};
use crate::ids::AgentId;

/// ERC-20's `transfer(address,uint256)`.
pub const TRANSFER: Selector = Selector::new(hex!("a9059cbb"));
/// ERC-20's `approve(address,uint256)`.
pub const APPROVE: Selector = Selector::new(hex!("095ea7b3"));
/// `increaseAllowance(address,uint256)`, which many tokens have.
pub const INCREASE_ALLOWANCE: Selector = Selector::new(hex!("39509351"));
/// ERC-20's `transferFrom(address,address,uint256)`.
pub const TRANSFER_FROM: Selector = Selector::new(hex!("23b872dd"));

/// Calls that a class does not permit.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum CallRefusal {
    /// A call that is none of the class' business.
    #[error("call {position} is not of a kind that the class permits")]
    NotPermitted {
        /// The call.
        position: usize,
    },
    /// More of an asset than the class' limit, or any where the class has no limit for it.
    #[error(
        "the calls take {amount} of asset {asset} (zero is ether), the class' limit is {limit} a decision"
    )]
    AboveLimit {
        /// The asset.
        asset: AgentId,
        /// What the calls take in all.
        amount: U256,
        /// The limit; 0 where the class has none for the asset.
        limit: u128,
    },
}

impl Class {
    /// Checks that the class permits these calls in a group of this coordinator and account, and tells what they take of
    /// each asset: only where that counts against a limit and is not 0, in ascending order of asset.
    ///
    /// # Errors
    /// The first call that the class does not permit, or the first asset of which the calls take too much.
    pub fn permit(
        &self,
        calls: &[Call],
        coordinator: AgentId,
        account: AgentId,
    ) -> Result<Vec<(AgentId, u128)>, CallRefusal> {
        let mut sums: BTreeMap<AgentId, U256> = BTreeMap::new();
        for (position, call) in calls.iter().enumerate() {
            let is_reserved = [coordinator, account].contains(&call.target);
            let taken = if self.scope != Scope::Anything && is_reserved { None } else { self.taken(call) };
            let Taken { asset, amount } = taken.ok_or(CallRefusal::NotPermitted { position })?;
            if !amount.is_zero() {
                let sum = sums.entry(asset).or_default();
                *sum = sum.saturating_add(amount);
            }
        }
        let within = |(asset, sum): (AgentId, U256)| {
            let limit = self.limit(asset).map_or(0, |limit| limit.per_decision);
            match u128::try_from(sum) {
                Ok(sum) if sum <= limit => Ok((asset, sum)),
                _ => Err(CallRefusal::AboveLimit { asset, amount: sum, limit }),
            }
        };
        sums.into_iter().map(within).collect()
    }

    /// What a call takes that the class permits but for its limits; nothing if it does not.
    fn taken(&self, call: &Call) -> Option<Taken> {
        let is_listed = !self.limits.is_empty() || !self.targets.is_empty();
        match self.scope {
            Scope::Anything => return Some(Taken::NOTHING),
            Scope::Calls if !is_listed => return Some(Taken::NOTHING),
            Scope::Calls | Scope::Payments | Scope::Decisions => {}
        }
        if let Some(amount) = self.token_amount(call) {
            return Some(Taken { asset: call.target, amount });
        }
        let ether = Taken { asset: ETHER, amount: call.value };
        let pays = call.data.is_empty() && self.limit(ETHER).is_some();
        let listed = selector(&call.data)
            .is_some_and(|selector| self.targets.contains(&Target { target: call.target, selector }));
        (pays || listed).then_some(ether)
    }

    /// How many tokens a call takes, where its target has a limit and it is one of the functions that can be counted. An
    /// allowance counts as if it were spent.
    fn token_amount(&self, call: &Call) -> Option<U256> {
        if !call.value.is_zero() || self.limit(call.target).is_none() {
            return None;
        }
        let selector = Selector::from(*call.data.first_chunk()?);
        let is_counted = match (self.scope, call.data.len()) {
            (Scope::Payments, 68) => selector == TRANSFER,
            (Scope::Calls, 68) => [TRANSFER, APPROVE, INCREASE_ALLOWANCE].contains(&selector),
            (Scope::Calls, 100) => selector == TRANSFER_FROM,
            _ => false,
        };
        let amount = call.data.last_chunk::<32>().filter(|_| is_counted)?;
        Some(U256::from_be_bytes(*amount))
    }
}

/// What a call takes of an asset.
struct Taken {
    asset: AgentId,
    amount: U256,
}

impl Taken {
    const NOTHING: Self = Self { asset: ETHER, amount: U256::ZERO };
}

/// The selector that a class lists for a call with this data: zero without data, and nothing for data that calls no
/// function or the one whose selector is zero, or a target listed for plain ether could be called with data.
fn selector(data: &[u8]) -> Option<Selector> {
    if data.is_empty() {
        return Some(Selector::ZERO);
    }
    data.first_chunk().map(|selector| Selector::from(*selector)).filter(|selector| !selector.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::class::Limit;

    const COORDINATOR: u8 = 0xc0;
    const ACCOUNT: u8 = 0xac;
    const TOKEN: u8 = 0x70;

    fn id(byte: u8) -> AgentId {
        AgentId::from([byte; 20])
    }

    fn pay(target: u8, value: u64) -> Call {
        Call::payment(id(target), U256::from(value))
    }

    /// A call of a function of one or two addresses and an amount.
    fn token(target: u8, selector: Selector, amount: U256) -> Call {
        let words = if selector == TRANSFER_FROM { 2 } else { 1 };
        let data = [selector.as_slice(), &vec![7; 32 * words], &amount.to_be_bytes::<32>()].concat();
        Call::new(id(target), U256::ZERO, data)
    }

    fn limit(asset: AgentId, per_decision: u128) -> Limit {
        Limit { asset, per_decision, per_window: u128::MAX }
    }

    fn class(scope: Scope, limits: Vec<Limit>, targets: Vec<Target>) -> Class {
        Class { scope, limits, targets, ..Class::of_weight(3, 4, 60) }
    }

    fn permit(class: &Class, calls: &[Call]) -> Result<Vec<(AgentId, u128)>, CallRefusal> {
        class.permit(calls, id(COORDINATOR), id(ACCOUNT))
    }

    const NOT_PERMITTED: Result<Vec<(AgentId, u128)>, CallRefusal> =
        Err(CallRefusal::NotPermitted { position: 0 });

    #[test]
    fn the_group_itself_is_for_classes_of_anything_alone() {
        let both = vec![limit(ETHER, 9), limit(id(TOKEN), 9)];
        let all = [
            class(Scope::Decisions, vec![], vec![]),
            class(Scope::Payments, both.clone(), vec![]),
            class(Scope::Calls, vec![], vec![]),
            class(Scope::Calls, both, vec![Target { target: id(COORDINATOR), selector: Selector::ZERO }]),
        ];
        for target in [COORDINATOR, ACCOUNT] {
            for call in [pay(target, 1), token(target, TRANSFER, U256::from(1))] {
                for class in &all {
                    assert_eq!(permit(class, std::slice::from_ref(&call)), NOT_PERMITTED, "{class:?}");
                }
                let anything = class(Scope::Anything, vec![], vec![]);
                assert_eq!(permit(&anything, &[call]), Ok(vec![]));
            }
        }
    }

    #[test]
    fn decisions_call_nothing_and_calls_without_a_list_anything_else() {
        let act = Call::new(id(1), U256::MAX, vec![1]);
        let decisions = class(Scope::Decisions, vec![], vec![]);
        assert_eq!(permit(&decisions, &[]), Ok(vec![]));
        assert_eq!(permit(&decisions, &[pay(1, 0)]), NOT_PERMITTED);
        assert_eq!(permit(&class(Scope::Calls, vec![], vec![]), std::slice::from_ref(&act)), Ok(vec![]));
        assert_eq!(permit(&class(Scope::Calls, vec![limit(ETHER, 1)], vec![]), &[act]), NOT_PERMITTED);
    }

    #[test]
    fn payments_are_ether_and_transfers_of_tokens_with_limits() {
        let class = class(Scope::Payments, vec![limit(ETHER, 10), limit(id(TOKEN), 20)], vec![]);
        let transfer = |amount| token(TOKEN, TRANSFER, U256::from(amount));
        let calls = [pay(1, 4), transfer(15), pay(2, 6), transfer(5)];
        assert_eq!(permit(&class, &calls), Ok(vec![(ETHER, 10), (id(TOKEN), 20)]));
        let (sum, limit) = (U256::from(11), 10);
        let over = Err(CallRefusal::AboveLimit { asset: ETHER, amount: sum, limit });
        assert_eq!(permit(&class, &[pay(1, 4), pay(2, 7)]), over);
        let (asset, sum, limit) = (id(TOKEN), U256::MAX, 20);
        let over = Err(CallRefusal::AboveLimit { asset, amount: sum, limit });
        assert_eq!(permit(&class, &[token(TOKEN, TRANSFER, U256::MAX), transfer(1)]), over);

        let others = [
            token(1, TRANSFER, U256::from(1)),
            token(TOKEN, APPROVE, U256::from(1)),
            token(TOKEN, TRANSFER_FROM, U256::from(1)),
            Call { value: U256::from(1), ..transfer(1) },
            Call { data: [transfer(1).data, vec![0]].concat(), ..transfer(1) },
            Call { data: vec![1], ..pay(1, 1) },
        ];
        for other in others {
            assert_eq!(permit(&class, &[other]), NOT_PERMITTED);
        }
    }

    #[test]
    fn ether_needs_a_limit_even_where_none_is_sent() {
        let class = class(Scope::Payments, vec![limit(id(TOKEN), 20)], vec![]);
        assert_eq!(permit(&class, &[pay(1, 0)]), NOT_PERMITTED);
    }

    #[test]
    fn an_allowance_counts_as_if_it_were_spent() {
        let class = class(Scope::Calls, vec![limit(id(TOKEN), 20)], vec![]);
        for selector in [TRANSFER, APPROVE, INCREASE_ALLOWANCE, TRANSFER_FROM] {
            let call = |amount| token(TOKEN, selector, amount);
            assert_eq!(permit(&class, &[call(U256::from(20))]), Ok(vec![(id(TOKEN), 20)]), "{selector}");
            assert_eq!(permit(&class, &[call(U256::ZERO)]), Ok(vec![]), "{selector}");
            assert!(permit(&class, &[call(U256::MAX)]).is_err(), "{selector}");
        }
    }

    #[test]
    fn a_listed_function_may_be_called_and_its_ether_counts() {
        let listed = Selector::from([1, 2, 3, 4]);
        let targets = vec![
            Target { target: id(1), selector: Selector::ZERO },
            Target { target: id(2), selector: listed },
        ];
        let call = |target, value: u64, data: &[u8]| Call::new(id(target), U256::from(value), data.to_vec());
        let unlimited = class(Scope::Calls, vec![], targets.clone());
        assert_eq!(permit(&unlimited, &[call(2, 0, &[1, 2, 3, 4, 5]), call(1, 0, &[])]), Ok(vec![]));
        let (asset, sum, limit) = (ETHER, U256::from(1), 0);
        for call in [call(2, 1, &[1, 2, 3, 4]), call(1, 1, &[])] {
            assert_eq!(
                permit(&unlimited, &[call]),
                Err(CallRefusal::AboveLimit { asset, amount: sum, limit })
            );
        }
        let limited = class(Scope::Calls, vec![super::tests::limit(ETHER, 9)], targets);
        let calls = [call(2, 4, &[1, 2, 3, 4]), call(1, 3, &[]), call(3, 2, &[])];
        assert_eq!(permit(&limited, &calls), Ok(vec![(ETHER, 9)]));
        let refused = [
            call(2, 0, &[1, 2, 3]),
            call(2, 0, &[1, 2, 3, 5]),
            call(1, 0, &[1, 2, 3, 4]),
            call(1, 0, &[0]),
            call(1, 0, &[0, 0, 0, 0]),
        ];
        for call in refused {
            assert_eq!(permit(&limited, &[call]), NOT_PERMITTED);
        }
    }
}
