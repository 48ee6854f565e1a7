//! Where the contracts without rights go: beside the coordinator that they are of, by the same proxy.

use std::fmt;

use alloy::primitives::{Address, Bytes};
use alloy::providers::Provider;
use quorate_protocol::GroupId;

use super::deploy::{DeployError, Payer, Sent, by, create_missing};
use super::{Creation, address, calldata};
use crate::code::CompiledContract;
use crate::sending::Account;

/// A contract without rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adapter {
    /// The `Directory` of a coordinator's groups.
    Directory,
    /// The `Keeper` of a coordinator's groups.
    Keeper,
    /// The `GovernorView` of one group.
    GovernorView(GroupId),
}

impl fmt::Display for Adapter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory => formatter.write_str("the directory (Directory)"),
            Self::Keeper => formatter.write_str("the keeper (Keeper)"),
            Self::GovernorView(group) => write!(formatter, "the view (GovernorView) of group {group}"),
        }
    }
}

impl Adapter {
    /// The transaction that deploys it for the coordinator at `coordinator`. Its address commits to its code, to the coordinator and,
    /// for a view, to the group.
    #[must_use]
    pub fn creation(self, coordinator: Address) -> Creation<Self> {
        let code = self.creation_code(coordinator);
        Creation { part: self, address: address(&code), calldata: calldata(&code) }
    }

    /// Where it is on every chain where it is deployed through the [`PROXY`](super::PROXY).
    #[must_use]
    pub fn address(self, coordinator: Address) -> Address {
        address(&self.creation_code(coordinator))
    }

    fn creation_code(self, coordinator: Address) -> Bytes {
        let read = |json| -> CompiledContract {
            serde_json::from_str(json).expect("the committed artifacts are well formed")
        };
        let compiled = read(match self {
            Self::Directory => include_str!("../../artifacts/Directory.json"),
            Self::Keeper => include_str!("../../artifacts/Keeper.json"),
            Self::GovernorView(_) => include_str!("../../artifacts/GovernorView.json"),
        });
        let code = compiled.creation_code(&[coordinator]);
        match self {
            Self::GovernorView(group) => [&code[..], group.0.as_slice()].concat().into(),
            Self::Directory | Self::Keeper => code,
        }
    }
}

/// Deploys those of the adapters that are not there yet, for the coordinator at `coordinator`, which is. As
/// [`deploy_missing`](super::deploy_missing).
///
/// # Errors
/// [`DeployError`]. What was deployed stays.
pub async fn deploy_adapters<P: Provider>(
    provider: P,
    from: Address,
    coordinator: Address,
    adapters: &[Adapter],
) -> Result<Vec<Sent<Adapter>>, DeployError<Adapter>> {
    let creations = adapters.iter().map(|adapter| adapter.creation(coordinator));
    create_missing(&Payer::Provider(&provider, from), creations).await
}

/// As [`deploy_adapters`], by an account whose keys are here.
///
/// # Errors
/// [`DeployError`]; [`SendError::InDoubt`](crate::sending::SendError::InDoubt) in it names a transaction that may be on its way.
pub async fn deploy_adapters_by(
    account: &Account,
    coordinator: Address,
    adapters: &[Adapter],
) -> Result<Vec<Sent<Adapter>>, DeployError<Adapter>> {
    create_missing(&by(account), adapters.iter().map(|adapter| adapter.creation(coordinator))).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::Build;

    #[test]
    fn an_address_commits_to_coordinator_and_group() {
        let coordinator = Build::built_in().address();
        let other = Address::repeat_byte(1);
        let views = [1, 2].map(|byte| Adapter::GovernorView(GroupId::from([byte; 32])));
        for adapter in [Adapter::Directory, Adapter::Keeper, views[0]] {
            let creation = adapter.creation(coordinator);
            assert_eq!(creation.address, adapter.address(coordinator));
            assert_ne!(adapter.address(coordinator), adapter.address(other), "{adapter}");
            // EIP-3860.
            assert!(creation.calldata.len() < 49_152, "{adapter}");
        }
        assert_ne!(views[0].address(coordinator), views[1].address(coordinator));
        assert_ne!(Adapter::Directory.address(coordinator), Adapter::Keeper.address(coordinator));
    }
}
