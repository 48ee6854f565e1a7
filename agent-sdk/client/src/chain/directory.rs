//! What an account says of itself in the directory.

use alloy::primitives::Address;
use quorate_contracts::Directory;
use quorate_protocol::{Epoch, GroupId};

use super::{ChainAgent, Included};
use crate::directory::{Reach, checked_url};
use crate::error::SdkError;

impl ChainAgent {
    /// Announces where the account's node answers for the group, in the directory at `directory`, in place of what it announced
    /// before. The account is a member.
    ///
    /// # Errors
    /// [`SdkError::Configuration`] for a URL that no client would follow, and as [`Self::register`].
    pub async fn announce_endpoint(
        &self,
        directory: Address,
        group: GroupId,
        url: &str,
    ) -> Result<Included, SdkError> {
        checked_url(url, Reach::Anywhere)
            .map_err(|reason| SdkError::Configuration(format!("the node's URL: {reason}")))?;
        let contract = Directory::new(directory, self.coordinator.provider().clone());
        self.send(contract.announce(group.0, url.to_owned())).await
    }

    /// Takes back what the account announced. It need not be a member any more.
    ///
    /// # Errors
    /// As [`Self::register`].
    pub async fn clear_endpoint(&self, directory: Address, group: GroupId) -> Result<Included, SdkError> {
        let contract = Directory::new(directory, self.coordinator.provider().clone());
        self.send(contract.announce(group.0, String::new())).await
    }

    /// Says that the account agrees to be in the group, with the members of `epoch`, which is the current one.
    ///
    /// # Errors
    /// As [`Self::register`].
    pub async fn accept_membership(
        &self,
        directory: Address,
        group: GroupId,
        epoch: Epoch,
    ) -> Result<Included, SdkError> {
        let contract = Directory::new(directory, self.coordinator.provider().clone());
        self.send(contract.accept(group.0, epoch.0)).await
    }

    /// Takes back [`Self::accept_membership`].
    ///
    /// # Errors
    /// As [`Self::register`].
    pub async fn withdraw_acceptance(
        &self,
        directory: Address,
        group: GroupId,
    ) -> Result<Included, SdkError> {
        let contract = Directory::new(directory, self.coordinator.provider().clone());
        self.send(contract.withdrawAcceptance(group.0)).await
    }
}
