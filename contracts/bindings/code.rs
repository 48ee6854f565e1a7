//! What the code of a deployed coordinator must be, byte for byte.
//!
//! A party that joins a group need not trust whoever deployed the contract: it compiles the sources itself, reads the
//! code from the chain, and compares. Immutables stand in the code, so what is deployed differs from what the
//! compiler makes. None of them is passed over: each has one value that is right for an address on a chain, and
//! [`Build::verify`] puts it into the compiled code before it compares. The coordinator's constructor also creates the
//! [`GroupAccount`](crate::GroupAccount) that all groups' accounts delegate to, and the registry that it delegates to
//! itself, so their code is compared, too.
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
pub use difference::{Difference, Part};
use expected::Values;

use alloy::primitives::Address;

use crate::deployment;

/// The contracts as one build of the sources made them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Build {
    /// `AgentCoordinator`.
    pub coordinator: CompiledContract,
    /// `GroupAccount`, which the coordinator's constructor creates.
    pub group_account: CompiledContract,
    /// `GroupRegistry`, which it creates after that.
    pub group_registry: CompiledContract,
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
            group_account: read(include_str!("../artifacts/GroupAccount.json")),
            group_registry: read(include_str!("../artifacts/GroupRegistry.json")),
        }
    }

    /// The address that this build has on every chain where it is deployed through the
    /// [proxy](deployment::PROXY).
    #[must_use]
    pub fn address(&self) -> Address {
        deployment::address(&self.coordinator.bytecode)
    }

    /// Compares what is deployed with what this build is at that address on that chain.
    ///
    /// # Errors
    /// [`Mismatch`] with the first difference: of the coordinator, else of the group accounts' implementation, else of the
    /// registry.
    pub fn verify(&self, deployed: &Deployed) -> Result<(), Mismatch> {
        let Deployed { chain_id, contract, .. } = *deployed;
        let values = Values::of(chain_id, contract);
        let account = deployed.group_account();
        let parts = [
            (Part::Coordinator, contract, &self.coordinator, &deployed.coordinator_code),
            (Part::GroupAccount, account, &self.group_account, &deployed.group_account_code),
            (
                Part::GroupRegistry,
                deployed.group_registry(),
                &self.group_registry,
                &deployed.group_registry_code,
            ),
        ];
        for (part, address, compiled, found) in parts {
            difference::compare(compiled, &values, found).map_err(|difference| Mismatch {
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
