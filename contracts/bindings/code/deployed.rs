//! The code that a chain has.

use std::time::Duration;

use alloy::primitives::{Address, Bytes};
use alloy::providers::Provider;
use quorate_protocol::GroupId;

use super::Build;
use crate::deployment::Addresses;
use crate::reader::{ReaderError, within};
use crate::rpc::{self, Bounds};

/// The code of a coordinator, of the modules that it must work with, and of the accounts' implementation that it must have
/// created.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deployed {
    /// The chain.
    pub chain_id: u64,
    /// The coordinator's address.
    pub contract: Address,
    /// The code there; empty where there is none.
    pub coordinator_code: Bytes,
    /// The code where the build has its `OnChainLane`; empty where there is none.
    pub on_chain_lane_code: Bytes,
    /// The code where the build has its `GroupRegistry`; empty where there is none.
    pub group_registry_code: Bytes,
    /// The code at [`Self::group_account`]; empty where there is none.
    pub group_account_code: Bytes,
    /// A group and the code of its account, if that was asked for; empty where there is none.
    pub account: Option<(GroupId, Bytes)>,
}

impl Deployed {
    /// Reads the code at `contract`, where this build has its modules, and that of the account of `group`, if one is named, from
    /// the endpoint at `rpc_url`, or the [`rpc::Endpoints`], with a time limit for each request. The endpoint is believed, as for everything that is
    /// read from the chain.
    ///
    /// # Errors
    /// [`ReaderError::Url`] or [`ReaderError::Unreachable`]. Code that is missing is no error here.
    pub async fn read(
        rpc_url: &str,
        contract: Address,
        group: Option<GroupId>,
        build: &Build,
        timeout: Duration,
    ) -> Result<Self, ReaderError> {
        let bounds = Bounds::of_request(timeout);
        let provider = rpc::provider(&rpc_url.parse()?, bounds)?;
        let code = async |address| within(bounds, provider.get_code_at(address)).await;
        let Addresses { on_chain_lane, group_registry, .. } = build.addresses();
        let account = match group {
            Some(group) => Some((group, code(build.account_of(contract, group)).await?)),
            None => None,
        };
        Ok(Self {
            chain_id: within(bounds, provider.get_chain_id()).await?,
            contract,
            coordinator_code: code(contract).await?,
            on_chain_lane_code: code(on_chain_lane).await?,
            group_registry_code: code(group_registry).await?,
            group_account_code: code(group_account_of(contract)).await?,
            account,
        })
    }

    /// Where the group accounts' implementation must be: it is the first contract that the coordinator created, and a
    /// contract's nonce begins at one (EIP-161). What the coordinator itself says about it is not asked.
    #[must_use]
    pub fn group_account(&self) -> Address {
        group_account_of(self.contract)
    }
}

/// See [`Deployed::group_account`].
pub(crate) fn group_account_of(coordinator: Address) -> Address {
    coordinator.create(1)
}
