//! The code that a chain has.

use std::time::Duration;

use alloy::primitives::{Address, Bytes};
use alloy::providers::{Provider, ProviderBuilder};

use crate::reader::{ReaderError, parse_url, within};
use crate::rpc::bounded_client;

/// The code of a coordinator, and of the two contracts that it must have created.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deployed {
    /// The chain.
    pub chain_id: u64,
    /// The coordinator's address.
    pub contract: Address,
    /// The code there; empty where there is none.
    pub coordinator_code: Bytes,
    /// The code at [`Self::group_account`]; empty where there is none.
    pub group_account_code: Bytes,
    /// The code at [`Self::group_registry`]; empty where there is none.
    pub group_registry_code: Bytes,
}

impl Deployed {
    /// Reads the code at `contract` from the endpoint at `rpc_url`, with a time limit for each question. The endpoint
    /// is believed, as for everything that is read from the chain.
    ///
    /// # Errors
    /// [`ReaderError::Url`] or [`ReaderError::Unreachable`]. Code that is missing is no error here.
    pub async fn read(rpc_url: &str, contract: Address, timeout: Duration) -> Result<Self, ReaderError> {
        let client = bounded_client(parse_url(rpc_url)?, timeout)?;
        let provider = ProviderBuilder::new().disable_recommended_fillers().connect_client(client);
        let chain_id = within(timeout, provider.get_chain_id()).await?;
        let coordinator_code = within(timeout, provider.get_code_at(contract)).await?;
        let deployed = Self { chain_id, contract, coordinator_code, ..Self::default() };
        let group_account_code = within(timeout, provider.get_code_at(deployed.group_account())).await?;
        let group_registry_code = within(timeout, provider.get_code_at(deployed.group_registry())).await?;
        Ok(Self { group_account_code, group_registry_code, ..deployed })
    }

    /// Where the group accounts' implementation must be: it is the first contract that the coordinator created, and a
    /// contract's nonce begins at one (EIP-161). What the coordinator itself says about it is not asked.
    #[must_use]
    pub fn group_account(&self) -> Address {
        group_account_of(self.contract)
    }

    /// Where the registry must be: it is the second contract that the coordinator created.
    #[must_use]
    pub fn group_registry(&self) -> Address {
        group_registry_of(self.contract)
    }
}

/// See [`Deployed::group_account`].
pub(super) fn group_account_of(coordinator: Address) -> Address {
    coordinator.create(1)
}

/// See [`Deployed::group_registry`].
pub(super) fn group_registry_of(coordinator: Address) -> Address {
    coordinator.create(2)
}
