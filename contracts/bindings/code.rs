//! What the code of a deployed coordinator must be, byte for byte.
//!
//! A party that joins a group need not trust whoever deployed the contract: it compiles the sources itself, reads the
//! code from the chain, and compares. Immutables stand in the code, so what is deployed differs from what the
//! compiler makes. None of them is passed over: each has one value that is right for an address on a chain, and
//! [`Build::verify`] puts it into the compiled code before it compares. The coordinator works by the code of two modules,
//! whose addresses follow from theirs, and its constructor creates the [`GroupAccount`](crate::GroupAccount) that all
//! groups' accounts delegate to: their code is compared, too, and a group's own account where that is asked for.
//!
//! ```
//! use alloy::primitives::Address;
//! use quorate_contracts::code::{Build, Deployed, Difference};
//!
//! let nothing = Deployed { chain_id: 10, contract: Address::ZERO, ..Deployed::default() };
//! let mismatch = Build::built_in().verify(&nothing).unwrap_err();
//! assert_eq!(mismatch.difference, Difference::NoCode);
//! ```

mod compiled;
mod deployed;
mod difference;
mod expected;

pub use compiled::{CompiledContract, Place};
pub use deployed::Deployed;
pub(crate) use deployed::group_account_of;
pub use difference::{Difference, Part};
use expected::Values;

use alloy::primitives::Address;

/// The contracts as one build of the sources made them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Build {
    /// `AgentCoordinator`.
    pub coordinator: CompiledContract,
    /// `OnChainLane`, a module of it.
    pub on_chain_lane: CompiledContract,
    /// `GroupRegistry`, the other.
    pub group_registry: CompiledContract,
    /// `GroupAccount`, which the coordinator's constructor creates.
    pub group_account: CompiledContract,
    /// `AccountProxy`, of which each group has one.
    pub account_proxy: CompiledContract,
}

/// Code on the chain that is not that of a build.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{part} at {address}: {difference}")]
pub struct Mismatch {
    /// Which contract's.
    pub part: Part,
    /// Where that contract is.
    pub address: Address,
    /// The first difference.
    pub difference: Difference,
}

impl Build {
    /// The build that this crate was made with: the committed artifacts.
    ///
    /// # Panics
    /// Never: a test reads the same artifacts.
    #[must_use]
    pub fn built_in() -> Self {
        let read = |json| serde_json::from_str(json).expect("the committed artifacts are well formed");
        Self {
            coordinator: read(include_str!("../artifacts/AgentCoordinator.json")),
            on_chain_lane: read(include_str!("../artifacts/OnChainLane.json")),
            group_registry: read(include_str!("../artifacts/GroupRegistry.json")),
            group_account: read(include_str!("../artifacts/GroupAccount.json")),
            account_proxy: read(include_str!("../artifacts/AccountProxy.json")),
        }
    }

    /// The code of one of the contracts.
    #[must_use]
    pub fn part(&self, part: Part) -> &CompiledContract {
        match part {
            Part::OnChainLane => &self.on_chain_lane,
            Part::GroupRegistry => &self.group_registry,
            Part::Coordinator => &self.coordinator,
            Part::GroupAccount => &self.group_account,
            Part::AccountProxy => &self.account_proxy,
        }
    }

    /// Compares what is deployed with what this build is at that address on that chain.
    ///
    /// # Errors
    /// [`Mismatch`] with the first difference: of the coordinator, else of the on-chain lane, the registry, the group
    /// accounts' implementation, or the group's account that was asked for.
    pub fn verify(&self, deployed: &Deployed) -> Result<(), Mismatch> {
        let Deployed { chain_id, contract, .. } = *deployed;
        let addresses = self.addresses();
        let mut parts = vec![
            (Part::Coordinator, contract, &deployed.coordinator_code),
            (Part::OnChainLane, addresses.on_chain_lane, &deployed.on_chain_lane_code),
            (Part::GroupRegistry, addresses.group_registry, &deployed.group_registry_code),
            (Part::GroupAccount, deployed.group_account(), &deployed.group_account_code),
        ];
        if let Some((group, code)) = &deployed.account {
            parts.push((Part::AccountProxy, self.account_of(contract, *group), code));
        }
        for (part, address, found) in parts {
            let values = Values::of(chain_id, contract, &addresses, address);
            difference::compare(self.part(part), &values, found).map_err(|difference| Mismatch {
                part,
                address,
                difference,
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
