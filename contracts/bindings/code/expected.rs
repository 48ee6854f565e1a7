//! The one right value of every immutable.

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256, U256};

use super::deployed::group_account_of;
use crate::deployment::Addresses;
use crate::eip712_domain;

/// The values of all immutables of a coordinator, of its modules and of what it makes, by name.
pub(super) struct Values(BTreeMap<&'static str, B256>);

impl Values {
    /// The values for a coordinator at this address on this chain, with these modules, in the contract at `own`.
    pub(super) fn of(chain_id: u64, coordinator: Address, modules: &Addresses, own: Address) -> Self {
        let Addresses { on_chain_lane, group_registry, .. } = modules;
        let separator = eip712_domain(chain_id, coordinator).separator();
        Self(BTreeMap::from([
            ("AgentCoordinator._separator", separator),
            ("AgentCoordinator._chainId", U256::from(chain_id).into()),
            ("AgentCoordinator.onChainLane", on_chain_lane.into_word()),
            ("AgentCoordinator.groupRegistry", group_registry.into_word()),
            ("Module._self", own.into_word()),
            ("GroupAccount.coordinator", coordinator.into_word()),
            ("AccountProxy._implementation", group_account_of(coordinator).into_word()),
        ]))
    }

    /// The immutable's value, or nothing for one that this version does not know.
    pub(super) fn get(&self, name: &str) -> Option<B256> {
        self.0.get(name).copied()
    }
}
